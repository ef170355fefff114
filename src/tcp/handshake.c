/* Opening (RFC 9293 3.10.7.3, 3.5): what a SYN teaches, segments in SYN-SENT, and the RST for what nobody
 * wants. The passive side's SYN-RECEIVED begins in compact.c. */
#include <errno.h>

#include "tcp/tcb.h"
#include "util/bytes.h"

void tcp_learn_syn(struct tcb *t, const struct tcp_env *env, const struct tcp_segment *seg)
{
    t->irs = seg->seq;
    t->rcv_nxt = t->rcv_acked = t->rcv_up = seq_add(seg->seq, 1);
    t->rcv_adv = t->rcv_room = seq_add(t->rcv_nxt, tcb_first_window(t)); /* as our SYN offered it */
    uint32_t mss = seg->has_mss ? seg->mss : 536;
    t->peer_mss = (uint16_t)max_u32(mss, env->params.mss_min_bytes);
    t->rcv_mss = (uint16_t)min_u32(t->rcv_mss, tcb_mss_offer(t, env));
    t->ts_ok = t->ts_ok && seg->has_ts;
    t->sack_ok = t->sack_ok && seg->sack_permitted;
    t->ecn_ok = t->ecn_ok && tcp_ecn_setup(seg);
    t->wscale_ok = t->wscale_ok && seg->has_wscale;
    t->snd_wscale = t->wscale_ok ? seg->wscale : 0;
    if (!t->wscale_ok) t->rcv_wscale = 0;
    if (t->ts_ok) {
        t->ts_recent = seg->tsval;
        t->ts_recent_s = (uint32_t)(env->now_us / 1000000);
    }
    t->snd_wnd = t->snd_wnd_max = seg->window;
    t->snd_wl1 = seg->seq;
    t->snd_wl2 = seg->ack;
}

void tcp_skip_syn(struct tcp_segment *seg)
{
    seg->flags &= (uint8_t)~TCP_SYN;
    seg->seq = seq_add(seg->seq, 1);
    if (seg->urgent) seg->urgent--; /* it counts from the SYN */
}

static void established(struct tcb *t, struct tcp_env *env)
{
    uint32_t mss = tcb_snd_mss(t, env, tcb_option_bytes(t));
    t->state = ST_ESTABLISHED;
    t->event |= EVENT_STATE | EVENT_WRITABLE;
    t->mark = (uint8_t)((t->mark & ~MARK_SYN) | MARK_LOOK); /* a SYN that waits to go again is too late */
    t->backoff = 0;
    t->rexmt_at_us = TIME_NEVER;
    t->unacked_us = TIME_NEVER;
    t->rtt_seq = t->snd_una;
    t->error = 0;
    t->soft_error = false;
    /* 6928-2: one SYN may be lost by chance; after more the window starts with one segment */
    cc_set_initial_window(&t->cc, mss, t->syn_retx > 1 ? 1 : env->params.initial_window_segments);
    if (t->handshake_us) {
        rtt_sample(&t->rtt, &env->params, t->handshake_us);
        recovery_measured(&t->recovery, t->handshake_us, env->now_us);
    } else if (t->syn_retx) {
        rtt_after_lost_syn(&t->rtt);
    }
    tcp_loss_pace(t, env);
    if (t->fin_queued) t->state = ST_FIN_WAIT_1; /* closed while it was opening */
    if (t->passive) env->count.opened_passive++;
    else env->count.opened_active++;
    tcb_arm_keepalive(t, env);
    tcp_tune_begin(t, env);
}

void tcp_handshake_done(struct tcb *t, struct tcp_env *env, const struct tcp_segment *seg)
{
    uint64_t us = env->now_us - t->sent_us;
    if (t->syn_retx) { /* which of the SYNs this answers, only the echo tells (Karn) */
        uint64_t age_us = tcb_echo_age(t, env, seg);
        us = age_us == UINT64_MAX ? 0 : max_u64(age_us, env->params.timestamp_clock_us);
    }
    t->handshake_us = (uint32_t)min_u64(us, UINT32_MAX);
    established(t, env);
}

bool tcp_rst_for(const struct tcp_segment *seg, struct tcp_segment *rst)
{
    if (seg->flags & TCP_RST) return false;
    *rst = (struct tcp_segment){.src = seg->dst,
                                .dst = seg->src,
                                .src_port = seg->dst_port,
                                .dst_port = seg->src_port,
                                .flags = TCP_RST};
    if (seg->flags & TCP_ACK) {
        rst->seq = seg->ack;
    } else {
        rst->flags |= TCP_ACK;
        rst->ack = seq_add(seg->seq, tcp_segment_space(seg));
    }
    return true;
}

enum { STALE_ACKS_MAX = 3 };

static struct tcp_verdict dropped(enum drop_reason reason) { return (struct tcp_verdict){.drop = reason}; }

/* Our SYN is acknowledged: the three-way handshake is done on this side. */
static struct tcp_verdict syn_sent_established(struct tcb *t, struct tcp_env *env,
                                               const struct tcp_segment *seg, struct buf **owner)
{
    t->snd_una = seg->ack;
    tcp_handshake_done(t, env, seg);
    t->mark |= MARK_ACK;
    /* text or FIN that came with it, as from the sixth step on */
    struct tcp_segment rest = *seg;
    tcp_skip_syn(&rest);
    return dropped(tcp_input_text(t, env, &rest, owner));
}

/* Crossing SYNs (3.5, figure 7): answer by SYN,ACK with the same ISN. */
static struct tcp_verdict syn_sent_crossed(struct tcb *t, struct tcp_env *env)
{
    t->state = ST_SYN_RCVD;
    t->mark |= MARK_SYN;
    t->backoff = 0;
    t->event |= EVENT_STATE;
    tcb_arm_rexmt(t, env);
    return dropped(DROP_NONE);
}

struct tcp_verdict tcp_input_syn_sent(struct tcb *t, struct tcp_env *env,
                                      const struct tcp_segment *seg, struct buf **owner)
{
    bool has_ack = seg->flags & TCP_ACK;
    /* first: ACK */
    if (has_ack && (seq_leq(seg->ack, t->iss) || seq_gt(seg->ack, t->snd_max))) {
        if (seg->flags & TCP_RST) return dropped(DROP_SYN_SENT_RST);
        /* The ACK of an older connection (3.5.1, half-open): our RST clears it there, and the SYN goes
         * again at once instead of a second later; but not for ever, should the RST not help. */
        if (!(seg->flags & TCP_SYN) && t->probes < STALE_ACKS_MAX) {
            t->probes++;
            t->mark |= MARK_SYN;
        }
        return (struct tcp_verdict){.drop = DROP_SYN_SENT_ACK, .reply_rst = true};
    }
    /* second: RST (RFC 5961 3.2 keeps this rule: the ACK must be good) */
    if (seg->flags & TCP_RST) {
        if (!has_ack) return dropped(DROP_SYN_SENT_RST);
        env->count.reset_in++;
        env->count.failed++;
        tcb_close(t, env, ECONNREFUSED);
        return dropped(DROP_NONE);
    }
    /* fourth: SYN */
    if (!(seg->flags & TCP_SYN)) return dropped(DROP_SYN_SENT_FLAGS);
    t->heard_us = env->now_us;
    t->probes = 0;
    tcp_learn_syn(t, env, seg);
    return has_ack ? syn_sent_established(t, env, seg, owner) : syn_sent_crossed(t, env);
}
