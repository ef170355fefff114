/* Segment arrives (RFC 9293 3.10.7.4), in the RFC's order of checks: sequence, RST, SYN, ACK, URG, text,
 * FIN. One function a step; each may end the segment's way. */
#include <errno.h>

#include "tcp/tcb.h"
#include "util/bytes.h"

enum { PAWS_IDLE_MAX_S = 24 * 24 * 3600 }; /* RFC 7323 5.5: an older TS.Recent is not valid */

static struct tcp_verdict dropped(enum drop_reason reason) { return (struct tcp_verdict){.drop = reason}; }

/* ---- first: sequence number, and timestamps before it (RFC 7323 5.3 R1) ---- */

static bool paws_rejects(const struct tcb *t, const struct tcp_env *env, const struct tcp_segment *seg)
{
    if (!t->ts_ok || !seg->has_ts || (seg->flags & TCP_RST)) return false;
    uint32_t now_s = (uint32_t)(env->now_us / 1000000);
    if (now_s - t->ts_recent_s > PAWS_IDLE_MAX_S) return false;
    return seq_lt(seq_of(seg->tsval), seq_of(t->ts_recent));
}

/* The four cases of 3.10.7.4, and two that experience added: the ACK of an empty segment is taken up to
 * and including the right edge ever offered, and at zero window the control part of a segment at RCV.NXT
 * is (its text is trimmed away later). Without these, two ends with full windows deadlock. */
static bool acceptable(const struct tcb *t, const struct tcp_segment *seg)
{
    uint32_t space = tcp_segment_space(seg);
    if (seg->flags & TCP_RST) /* RFC 5961 3.2: in the window, or exactly at RCV.NXT */
        return seq_eq(seg->seq, t->rcv_nxt) ||
               (seq_geq(seg->seq, t->rcv_nxt) && seq_lt(seg->seq, t->rcv_adv));
    if (!space) return seq_geq(seg->seq, t->rcv_nxt) && seq_leq(seg->seq, t->rcv_adv);
    if (!tcb_rcv_wnd(t)) return seq_eq(seg->seq, t->rcv_nxt);
    return seq_lt(seg->seq, t->rcv_adv) && seq_gt(seq_add(seg->seq, space), t->rcv_nxt);
}

/* Not acceptable: what there is to say about it. */
static enum drop_reason reject_sequence(struct tcb *t, struct tcp_env *env, const struct tcp_segment *seg,
                                        enum drop_reason reason)
{
    uint32_t space = tcp_segment_space(seg);
    if (seg->flags & TCP_RST) return DROP_RST_IGNORED;
    tcp_note_duplicate(t, seg);
    /* 3.10.7.4 eighth, TIME-WAIT: the FIN again means that our ACK was lost */
    if (t->state == ST_TIME_WAIT && (seg->flags & TCP_FIN) && reason == DROP_SEQ_OLD &&
        seq_eq(seq_add(seg->seq, space), t->rcv_nxt))
        tcb_time_wait(t, env);
    /* A sender that retransmits must be answered, or it never learns. Empty segments and SYNs are answered
     * under a limit, so that two confused ends cannot storm. */
    bool syn = seg->flags & TCP_SYN;
    if (space && !syn) t->mark |= MARK_ACK;
    else tcb_challenge_ack(t, env);
    return syn && tcb_synchronized(t) ? DROP_SYN_CHALLENGED : reason; /* RFC 5961 4.2: wherever it is */
}

static enum drop_reason check_sequence(struct tcb *t, struct tcp_env *env,
                                       const struct tcp_segment *seg)
{
    if (paws_rejects(t, env, seg)) return reject_sequence(t, env, seg, DROP_PAWS);
    if (!acceptable(t, seg)) {
        bool old = seq_lt(seg->seq, t->rcv_nxt);
        return reject_sequence(t, env, seg, old ? DROP_SEQ_OLD : DROP_SEQ_BEYOND);
    }
    /* RFC 7323 3.2; but a SYN must be challenged (RFC 5961 4.2), and the third ACK may lack them */
    if (t->ts_ok && !seg->has_ts && !(seg->flags & (TCP_RST | TCP_SYN)) && t->state != ST_SYN_RCVD)
        return DROP_NO_TIMESTAMP;
    return DROP_NONE;
}

/* RFC 7323 4.3; PAWS has seen that it is not older. Only once the ACK, too, is found good: else a blind
 * attacker, who need but overlap RCV.NXT, forges a time far ahead, and PAWS drops all that the peer says. */
static void remember_timestamp(struct tcb *t, const struct tcp_env *env,
                               const struct tcp_segment *seg)
{
    if (!t->ts_ok || seq_gt(seg->seq, t->rcv_acked)) return;
    t->ts_recent = seg->tsval;
    t->ts_recent_s = (uint32_t)(env->now_us / 1000000);
}

/* ---- second: RST (RFC 5961 3.2) ---- */

static int reset_error(const struct tcb *t)
{
    switch (t->state) {
    case ST_SYN_RCVD: return ECONNREFUSED;
    case ST_CLOSE_WAIT: return EPIPE; /* as Linux */
    case ST_CLOSING:
    case ST_LAST_ACK: return 0;
    default: return ECONNRESET;
    }
}

static enum drop_reason input_rst(struct tcb *t, struct tcp_env *env, const struct tcp_segment *seg)
{
    if (t->state == ST_TIME_WAIT) return DROP_RST_IGNORED; /* RFC 1337 */
    if (!seq_eq(seg->seq, t->rcv_nxt)) {
        tcb_challenge_ack(t, env);
        return DROP_RST_CHALLENGED;
    }
    env->count.reset_in++;
    if (t->state == ST_SYN_RCVD) env->count.failed++;
    tcb_close(t, env, reset_error(t));
    return DROP_NONE;
}

/* ---- fourth: SYN ---- */

static enum drop_reason input_syn(struct tcb *t, struct tcp_env *env)
{
    if (t->state == ST_SYN_RCVD && t->passive) { /* return to LISTEN */
        tcb_close(t, env, ECONNRESET);
        return DROP_SYN_CHALLENGED;
    }
    tcb_challenge_ack(t, env); /* RFC 5961 4.2 */
    return DROP_SYN_CHALLENGED;
}

/* ---- fifth: ACK ---- */

/* RFC 5961 5.2, its lower bound further limited by what was really sent. */
static enum drop_reason check_ack(struct tcb *t, struct tcp_env *env, const struct tcp_segment *seg)
{
    uint32_t back = (uint32_t)min_u64(t->snd_wnd_max, t->bytes_acked);
    if (seq_gt(seg->ack, t->snd_max)) {
        tcb_challenge_ack(t, env);
        return DROP_ACK_UNSENT;
    }
    if (seq_lt(seg->ack, seq_sub(t->snd_una, back))) {
        tcb_challenge_ack(t, env);
        return DROP_ACK_TOO_OLD;
    }
    return DROP_NONE;
}

/* RFC 5681 2: outstanding data, no text, no SYN or FIN, the same ACK and the same window. */
static bool is_dupack(const struct tcb *t, const struct tcp_segment *seg)
{
    return seq_lt(t->snd_una, t->snd_nxt) && !tcp_segment_space(seg) && seq_eq(seg->ack, t->snd_una) &&
           ((uint32_t)seg->window << t->snd_wscale) == t->snd_wnd;
}

/* SND.WL1/WL2 keep old segments from changing the window. A new ACK is never old, whatever its SEQ: the
 * peer may be retransmitting. Were its window not taken, the edge would move with SND.UNA beyond it. */
static void update_send_window(struct tcb *t, struct tcp_env *env, const struct tcp_segment *seg,
                               bool was_persisting)
{
    if (seq_lt(seg->ack, t->snd_una)) return;
    if (seq_gt(t->snd_wl1, seg->seq) && !seq_gt(seg->ack, t->snd_wl2)) return;
    uint32_t window = (uint32_t)seg->window << t->snd_wscale;
    t->snd_wl1 = seg->seq;
    t->snd_wl2 = seg->ack;
    if (window == t->snd_wnd) return;
    if (was_persisting && window) { /* open again: go on as if nothing had been lost */
        t->persisting = false;
        t->backoff = 0;
        t->rexmt_at_us = t->unacked_us = TIME_NEVER;
        if (seq_lt(t->snd_una, t->snd_nxt)) { /* what the closed window threw away goes again */
            tcp_loss_resend(t, env);
            t->unacked_us = env->now_us;
        }
    }
    t->snd_wnd = window;
    t->snd_wnd_max = max_u32(t->snd_wnd_max, window);
    t->mark |= MARK_LOOK;
    t->event |= EVENT_WRITABLE;
}

/* What the ACK of our FIN does to each state. */
static void ack_of_fin(struct tcb *t, struct tcp_env *env)
{
    if (!t->fin_sent || seq_lt(t->snd_una, t->snd_nxt)) return;
    if (t->state == ST_FIN_WAIT_1) {
        t->state = ST_FIN_WAIT_2;
        t->event |= EVENT_STATE;
        if (t->orphan) t->keep_at_us = env->now_us + t->opt.fin_wait2_us;
    } else if (t->state == ST_CLOSING) {
        tcb_time_wait(t, env);
    } else if (t->state == ST_LAST_ACK) {
        tcb_close(t, env, 0);
    }
}

static struct tcp_verdict input_ack_syn_rcvd(struct tcb *t, struct tcp_env *env,
                                             const struct tcp_segment *seg)
{
    if (seq_leq(seg->ack, t->snd_una) || seq_gt(seg->ack, t->snd_nxt))
        return (struct tcp_verdict){.drop = DROP_ACK_SYN_RCVD, .reply_rst = true};
    t->ts_ok = t->ts_ok && seg->has_ts; /* some old peers drop them here, for good */
    t->snd_una = seq_add(t->iss, 1);
    t->snd_wnd = t->snd_wnd_max = (uint32_t)seg->window << t->snd_wscale;
    t->snd_wl1 = seg->seq;
    t->snd_wl2 = seg->ack;
    tcp_handshake_done(t, env, seg);
    return dropped(DROP_NONE);
}

static enum drop_reason input_ack(struct tcb *t, struct tcp_env *env, const struct tcp_segment *seg)
{
    enum drop_reason reason = check_ack(t, env, seg);
    if (reason) return reason;
    bool was_persisting = t->persisting;
    tcp_loss_ack(t, env, seg, is_dupack(t, seg));
    update_send_window(t, env, seg, was_persisting);
    tcp_tune_send(t, env);
    ack_of_fin(t, env);
    return DROP_NONE;
}

/* ---- the whole ---- */

/* In SYN-RECEIVED the peer's SYN may come again. */
static bool input_syn_again(struct tcb *t, struct tcp_segment *seg)
{
    if (t->state != ST_SYN_RCVD || !(seg->flags & TCP_SYN) || !seq_eq(seg->seq, t->irs)) return false;
    if (seg->flags & TCP_RST) return false;
    t->ecn_ok = t->ecn_ok && tcp_ecn_setup(seg);
    if (!(seg->flags & TCP_ACK)) { /* it has not seen our SYN,ACK: the same again */
        t->mark |= MARK_SYN;
        return true;
    }
    /* simultaneous open (3.5, Figure 8): the SYN,ACK's SYN is known, its ACK is news */
    tcp_skip_syn(seg);
    /* RFC 7323 2.2: the window beside a SYN is not scaled, all that follow are */
    seg->window = (uint16_t)(seg->window >> t->snd_wscale);
    return false;
}

struct tcp_verdict tcp_input(struct tcb *t, struct tcp_env *env, const struct tcp_segment *segment,
                             struct buf **owner)
{
    struct tcp_segment copy = *segment, *seg = &copy;
    t->segs_in++;
    if (t->state == ST_SYN_SENT) return tcp_input_syn_sent(t, env, seg, owner);
    if (input_syn_again(t, seg)) return dropped(DROP_NONE);

    enum drop_reason reason = check_sequence(t, env, seg);
    if (reason) return dropped(reason);
    t->heard_us = env->now_us;
    if (seg->flags & TCP_RST) return dropped(input_rst(t, env, seg));
    if (seg->flags & TCP_SYN) return dropped(input_syn(t, env));
    if (!(seg->flags & TCP_ACK)) return dropped(DROP_NO_ACK_FLAG);
    t->probes = 0;

    if (t->state == ST_SYN_RCVD) {
        struct tcp_verdict v = input_ack_syn_rcvd(t, env, seg);
        if (v.drop) return v;
        if (segment->flags & TCP_SYN) t->mark |= MARK_ACK; /* Figure 8: the SYN came twice */
    } else {
        reason = input_ack(t, env, seg);
        if (reason) return dropped(reason);
    }
    if (t->state == ST_CLOSED) return dropped(DROP_NONE);
    remember_timestamp(t, env, seg);
    if (t->orphan && tcb_receiving(t) && seg->len &&
        seq_gt(seq_add(seg->seq, seg->len), t->rcv_nxt)) { /* nobody will read it (RFC 9293 3.6.1) */
        env->count.reset_out++;
        tcb_close(t, env, 0);
        return (struct tcp_verdict){.drop = DROP_DATA_AFTER_CLOSE, .reply_rst = true};
    }
    return dropped(tcp_input_text(t, env, seg, owner));
}
