/* What the application asks (RFC 9293 3.10.1-3.10.6), after the socket layer has checked that it may. */
#include "tcp/tcb.h"
#include "util/bytes.h"

void tcp_open_active(struct tcb *t, struct tcp_env *env, seq_t iss, uint32_t ts_offset)
{
    t->iss = t->snd_una = t->snd_nxt = t->snd_max = t->snd_sml = t->snd_up = iss;
    t->ts_offset = ts_offset;
    t->ts_ok = env->params.timestamps;
    t->sack_ok = env->params.sack;
    t->ecn_ok = env->params.ecn > 1;
    t->wscale_ok = env->params.window_scaling;
    t->rcv_wscale = t->wscale_ok ? tcb_wscale_for(env->params.rcvbuf_max_bytes) : 0;
    t->state = ST_SYN_SENT;
    t->mark = MARK_SYN;
    t->unacked_us = env->now_us;
    t->sent_us = env->now_us;
    recovery_init(&t->recovery, iss);
}

uint32_t tcp_user_unsent(const struct tcb *t)
{
    if (!tcb_sending(t)) return 0; /* not while opening: then nothing can go */
    return t->sendq.len - min_u32(t->sendq.len, tcb_in_flight(t));
}

uint32_t tcp_user_send_room(const struct tcb *t)
{
    uint32_t room = t->opt.sndbuf > t->sendq.len ? t->opt.sndbuf - t->sendq.len : 0;
    uint32_t unsent = tcp_user_unsent(t), lowat = t->opt.notsent_lowat;
    if (!lowat) return room;
    return unsent < lowat ? min_u32(room, max_u32(lowat - unsent, t->peer_mss)) : 0;
}

void tcp_user_sent(struct tcb *t, bool more, bool urgent)
{
    t->more = more;
    if (urgent) { /* the pointer names the octet after the urgent data (RFC 6093 2.1) */
        t->urgent_snd = true;
        t->snd_up = seq_add(t->snd_una, t->sendq.len + !tcb_synchronized(t)); /* the SYN first */
    }
    t->mark |= MARK_LOOK;
}

void tcp_user_received(struct tcb *t, struct tcp_env *env)
{
    tcp_tune_read(t, env);
    if (tcb_receiving(t) && tcb_window_update_due(t, env)) t->mark |= MARK_ACK;
}

void tcp_user_shutdown_write(struct tcb *t)
{
    if (t->fin_queued) return;
    switch (t->state) {
    case ST_SYN_SENT:
    case ST_SYN_RCVD: /* queued until established */
        t->fin_queued = true;
        break;
    case ST_ESTABLISHED:
        t->fin_queued = true;
        t->state = ST_FIN_WAIT_1;
        break;
    case ST_CLOSE_WAIT:
        t->fin_queued = true;
        t->state = ST_LAST_ACK;
        break;
    default:
        return;
    }
    t->more = false;
    t->mark |= MARK_LOOK;
    t->event |= EVENT_STATE;
}

void tcp_user_close(struct tcb *t, struct tcp_env *env, bool abort)
{
    t->orphan = true;
    t->opt.keepalive = false;
    if (t->state == ST_CLOSED) return;
    if (t->state == ST_SYN_SENT) { /* nobody knows of us yet */
        tcb_close(t, env, 0);
        return;
    }
    bool unread = t->recvq.readable > 0; /* RFC 2525 2.17: what is thrown away is said to be */
    /* 3.10.5: no RST where both FINs were sent; in those states of the RFC ours always was */
    bool done = (t->state == ST_CLOSING || t->state == ST_LAST_ACK) && t->fin_sent;
    if (abort && done && !unread) {
        tcb_close(t, env, 0);
        return;
    }
    if (abort || unread) {
        t->mark = MARK_RST;
        return;
    }
    tcp_user_shutdown_write(t);
    if (t->state == ST_FIN_WAIT_2) t->keep_at_us = env->now_us + t->opt.fin_wait2_us;
    else t->keep_at_us = TIME_NEVER;
}
