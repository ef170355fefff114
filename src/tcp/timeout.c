/* Deadlines (RFC 9293 3.10.8, 3.8.3, 3.8.4, 3.8.6.1; RFC 6298 5.4-5.7). They mark; output sends. */
#include <errno.h>

#include "tcp/tcb.h"
#include "util/bytes.h"

/* What a failed attempt reports: the last ICMP advice if there was any (RFC 1122 4.2.3.9). */
static int timeout_error(const struct tcb *t)
{
    return t->soft_error ? t->error : ETIMEDOUT;
}

static void give_up(struct tcb *t, struct tcp_env *env)
{
    if (!tcb_synchronized(t)) env->count.failed++;
    tcb_close(t, env, timeout_error(t));
}

static void syn_timeout(struct tcb *t, struct tcp_env *env)
{
    uint32_t limit = t->passive ? env->params.synack_retries : env->params.syn_retries;
    if (t->opt.syn_count) limit = t->opt.syn_count; /* as in Linux, a listener's for its SYN,ACKs */
    if (t->syn_retx >= limit) {
        give_up(t, env);
        return;
    }
    t->syn_retx++;
    t->backoff++;
    t->mark |= MARK_SYN;
    tcb_arm_rexmt(t, env);
}

/* The window is closed, or too small to be worth using: probe, ever more slowly, for as long as the
 * peer answers (RFC 9293 3.8.6.1). A connection of nobody is not kept alive that way. */
static void persist_timeout(struct tcb *t, struct tcp_env *env)
{
    bool silent = t->probes >= env->params.data_retries;
    if (silent || (t->orphan && t->backoff >= env->params.orphan_retries)) {
        give_up(t, env);
        return;
    }
    t->probes++;
    if (t->backoff < UINT8_MAX) t->backoff++;
    t->persisting = true;
    t->mark |= MARK_PROBE;
    tcb_arm_rexmt(t, env);
}

/* R1 (RFC 9293 3.8.3): this often in vain, and the application may know of it. */
enum { R1_RETRIES = 3 };

static void data_timeout(struct tcb *t, struct tcp_env *env)
{
    uint32_t limit = t->orphan ? env->params.orphan_retries : env->params.data_retries;
    if (t->retries >= limit) {
        give_up(t, env);
        return;
    }
    tcp_path_timeout(t, env);
    tcp_loss_rto(t, env);
    t->retries++;
    if (t->retries == R1_RETRIES && !t->soft_error) tcp_soft_error(t, ETIMEDOUT);
    if (t->backoff < UINT8_MAX) t->backoff++;
    tcb_arm_rexmt(t, env);
}

static void rexmt_timeout(struct tcb *t, struct tcp_env *env)
{
    if (t->state == ST_SYN_SENT || t->state == ST_SYN_RCVD) syn_timeout(t, env);
    else if (t->persisting || !t->snd_wnd) persist_timeout(t, env);
    else data_timeout(t, env);
}

static void keepalive_timeout(struct tcb *t, struct tcp_env *env)
{
    uint64_t idle_at = t->heard_us + t->opt.keep_idle_s * 1000000ull;
    bool busy = seq_lt(t->snd_una, t->snd_nxt) || t->persisting; /* those timers watch the peer */
    if (busy || idle_at > env->now_us) {
        t->keep_at_us = max_u64(idle_at, env->now_us + t->opt.keep_intvl_s * 1000000ull);
        if (!busy) t->keep_at_us = idle_at;
        return;
    }
    if (t->probes >= t->opt.keep_probes) {
        int error = timeout_error(t);
        t->error = (uint8_t)error;
        t->mark = MARK_RST; /* tells a peer that is back but has forgotten us */
        return;
    }
    t->probes++;
    t->mark |= MARK_KEEPALIVE;
    t->keep_at_us = env->now_us + t->opt.keep_intvl_s * 1000000ull;
}

static void keep_timeout(struct tcb *t, struct tcp_env *env)
{
    t->keep_at_us = TIME_NEVER;
    if (t->state == ST_FIN_WAIT_2 && t->orphan) tcb_close(t, env, 0);
    else keepalive_timeout(t, env);
}

void tcp_timeout(struct tcb *t, struct tcp_env *env)
{
    uint64_t now = env->now_us;
    if (t->opt.user_timeout_ms && t->unacked_us != TIME_NEVER &&
        now >= t->unacked_us + t->opt.user_timeout_ms * 1000ull) {
        give_up(t, env);
        return;
    }
    if (now >= t->delack_at_us) {
        t->delack_at_us = TIME_NEVER;
        t->mark |= MARK_ACK;
        /* In vain: nothing of ours took it along, and the peer's Nagle may have waited for it. */
        t->quick = (uint8_t)min_u32(env->params.quick_acks, UINT8_MAX);
    }
    if (t->bulk && t->bulk->pacer.wake_us && now >= t->bulk->pacer.wake_us) {
        t->bulk->pacer.wake_us = 0;
        t->mark |= MARK_LOOK;
    }
    if (now >= recovery_reorder_at(&t->recovery)) tcp_loss_reorder(t, env);
    if (now >= t->probe_at_us) { /* comes before the RTO, and puts it off (RFC 8985 7.3) */
        t->probe_at_us = TIME_NEVER;
        t->mark |= MARK_TAIL;
        tcb_arm_rexmt(t, env);
    }
    if (now >= t->rexmt_at_us) rexmt_timeout(t, env);
    if (now >= t->keep_at_us) keep_timeout(t, env);
}
