/* For how long a connection waited, and what for: the account of what output.c leaves unsent. */
#include "tcp/tcb.h"
#include "util/bytes.h"

/* The send buffer got full, and whoever fills it was not told yet that there is room (as sock_writable has it). */
static bool buffer_full(const struct tcb *t)
{
    uint32_t room = t->opt.sndbuf > t->sendq.len ? t->opt.sndbuf - t->sendq.len : 0;
    return !room || (t->limit == LIMIT_BUFFER && room < (t->opt.sndbuf + 2) / 3);
}

/* Where several hold it back, the network comes first, as in Linux: it would wait if the others did not. */
static enum tcp_limit limit_now(const struct tcb *t, const struct tcp_env *env)
{
    uint32_t unsent = tcp_user_unsent(t), mss = tcb_snd_mss(t, env, tcb_option_bytes(t));
    if (!tcb_sending(t) || (!unsent && seq_eq(t->snd_una, t->snd_nxt))) return LIMIT_IDLE;
    if (recovery_lost(&t->recovery)) return LIMIT_NETWORK;
    bool full = !unsent && buffer_full(t);
    if (!unsent && !full) return LIMIT_APPLICATION;
    uint32_t pipe = tcb_pipe(t), next = full ? mss : min_u32(unsent, mss);
    uint32_t room = full ? mss : min_u32(unsent, tcp_room_min(t, env, pipe, mss));
    if (t->cc.cwnd < pipe + room) return LIMIT_NETWORK;
    if (tcb_window_left(t, t->snd_nxt) < next) return LIMIT_WINDOW;
    if (full) return LIMIT_BUFFER;
    return t->bulk && t->bulk->pacer.wake_us ? LIMIT_NETWORK : LIMIT_APPLICATION;
}

static uint64_t *account(const struct tcb *t, enum tcp_limit limit)
{
    return &t->bulk->limited_us[limit - LIMIT_BY_OTHERS];
}

void tcp_limit_note(struct tcb *t, const struct tcp_env *env)
{
    enum tcp_limit limit = limit_now(t, env), before = t->limit;
    if (limit >= LIMIT_BY_OTHERS && !tcb_bulk(t, env)) limit = LIMIT_APPLICATION;
    if (limit == before) return;
    if (before == LIMIT_IDLE) t->busy_us -= env->now_us;
    if (limit == LIMIT_IDLE) t->busy_us += env->now_us;
    if (before >= LIMIT_BY_OTHERS) *account(t, before) += env->now_us;
    if (limit >= LIMIT_BY_OTHERS) *account(t, limit) -= env->now_us;
    t->limit = (uint8_t)limit;
}

uint64_t tcp_limited_us(const struct tcb *t, enum tcp_limit limit, uint64_t now_us)
{
    uint64_t busy_us = t->busy_us + (t->limit == LIMIT_IDLE ? 0 : now_us), by_others_us = 0;
    if (limit == LIMIT_IDLE) return busy_us;
    for (enum tcp_limit l = LIMIT_BY_OTHERS; t->bulk && l < LIMITS; l++) {
        uint64_t us = *account(t, l) + (t->limit == l ? now_us : 0);
        if (l == limit) return us;
        by_others_us += us;
    }
    return limit == LIMIT_APPLICATION ? busy_us - by_others_us : 0;
}
