/* What ACKs and timers mean for recovery (what was lost) and congestion control (how much may be in
 * flight): RFC 9293 3.8.1-2, RFC 5681, 6298, 6582, 6937, 8985. */
#include "tcp/tcb.h"
#include "util/bytes.h"

enum { PROBE_DEFAULT_US = 1000000 }; /* RFC 8985 7.2 */

static uint32_t current_mss(const struct tcb *t, const struct tcp_env *env)
{
    return tcb_snd_mss(t, env, tcb_option_bytes(t));
}

/* ---- episodes ---- */

/* A loss or a mark in a window that was reduced already, of which the next new data will tell or tells (RFC
 * 3168 6.1.2: once a window of data). */
static bool reduced(const struct tcb *t)
{
    return t->cwr_due || (t->cwr_sent && seq_lt(t->snd_una, t->cwr_seq));
}

static void reduce(struct tcb *t, const struct cc_event *event)
{
    cc_on_loss(&t->cc, event);
    recovery_deserved(&t->recovery);
    t->cwr_due = t->ecn_ok;
}

/* What ACKs deliver lets retransmissions go (RFC 6937). */
static void regulate(struct tcb *t, uint32_t delivered_bytes, uint32_t mss, bool progress)
{
    uint32_t pipe = tcb_pipe(t);
    if (cc_owns_cwnd(&t->cc)) return;
    t->cc.cwnd = recovery_prr_cwnd(&t->recovery, pipe, t->cc.ssthresh, delivered_bytes, mss, progress);
}

static void begin_fast(struct tcb *t, struct tcp_env *env, uint32_t delivered_bytes)
{
    struct cc_event event = tcb_cc_event(t, env);
    uint32_t prior_cwnd = t->cc.cwnd, prior_ssthresh = t->cc.ssthresh;
    /* what limited transmit sent beyond cwnd does not count (RFC 5681 3.2 step 2) */
    event.flight_bytes = min_u32(tcb_in_flight(t), t->cc.cwnd);
    if (!reduced(t)) reduce(t, &event);
    recovery_enter_fast(&t->recovery, t->snd_una, t->snd_nxt, delivered_bytes, event.mss, t->sack_ok,
                        prior_cwnd, prior_ssthresh);
    if (t->sack_ok) regulate(t, 0, event.mss, false); /* the fast retransmission */
    env->count.fast_recoveries++;
}

/* Something is lost. If it is an MTU probe alone there is nothing to reduce (RFC 4821 7.6.2). */
static void begin(struct tcb *t, struct tcp_env *env, uint32_t delivered_bytes)
{
    if (!tcp_path_probe_lost(t)) begin_fast(t, env, delivered_bytes);
    else (void)recovery_loss(&t->recovery); /* nor anything to tell */
    t->probe_at_us = TIME_NEVER;
}

/* Tell congestion control of what was found lost. */
static void tell_lost(struct tcb *t, const struct cc_event *e)
{
    struct cc_event event = *e;
    event.loss = recovery_loss(&t->recovery);
    if (event.loss.any) cc_on_lost(&t->cc, &event);
}

/* The time, as recovery sees it. */
static struct recovery_ack moment(const struct tcb *t, const struct tcp_env *env)
{
    return (struct recovery_ack){.now_us = env->now_us, .srtt_us = t->rtt.srtt_us, .sack_ok = t->sack_ok};
}

void tcp_loss_reorder(struct tcb *t, struct tcp_env *env)
{
    struct recovery_ack now = moment(t, env);
    bool lost = recovery_reorder_timeout(&t->recovery, &now);
    struct cc_event event = tcb_cc_event(t, env);
    if (lost && recovery_calm(&t->recovery)) begin(t, env, 0);
    else if (lost && t->recovery.mode == RECOVERY_FAST) regulate(t, 0, event.mss, false);
    tell_lost(t, &event);
    t->mark |= MARK_LOOK;
}

void tcp_loss_rto(struct tcb *t, struct tcp_env *env)
{
    struct cc_event event = tcb_cc_event(t, env);
    uint32_t prior_cwnd = t->cc.cwnd, prior_ssthresh = t->cc.ssthresh;
    struct recovery_ack now = moment(t, env);
    bool again = t->retries > 0; /* ssthresh keeps the first timeout's value (RFC 5681 3.1) */
    event.flight_bytes = tcb_in_flight(t);
    cc_on_rto(&t->cc, &event, again);
    t->cwr_due = t->ecn_ok;
    recovery_enter_rto(&t->recovery, t->snd_una, t->snd_nxt, &now, prior_cwnd,
                       prior_ssthresh, again);
    tell_lost(t, &event);
    if (cc_owns_cwnd(&t->cc)) t->cc.cwnd = tcb_pipe(t) + event.mss;
    t->probe_at_us = TIME_NEVER;
    t->mark |= MARK_LOOK;
    env->count.rto_expired++;
}

void tcp_loss_resend(struct tcb *t, struct tcp_env *env)
{
    recovery_enter_rto(&t->recovery, t->snd_una, t->snd_nxt, NULL, 0, 0, true);
    t->probe_at_us = TIME_NEVER;
    t->mark |= MARK_LOOK;
    tcb_arm_rexmt(t, env);
}

void tcp_loss_arm_probe(struct tcb *t, struct tcp_env *env)
{
    t->probe_at_us = TIME_NEVER;
    if (!env->params.tail_loss_probe || !recovery_may_probe(&t->recovery, t->sack_ok)) return;
    uint64_t pto = t->rtt.srtt_us ? 2ull * t->rtt.srtt_us : PROBE_DEFAULT_US;
    if (tcb_in_flight(t) <= current_mss(t, env)) pto += env->params.max_ack_delay_us;
    t->probe_at_us = min_u64(env->now_us + pto, t->rexmt_at_us);
}

void tcp_loss_pace(struct tcb *t, const struct tcp_env *env)
{
    bool asked = env->params.pacing || t->opt.max_pacing_Bps || t->cc.algorithm->own_cwnd;
    struct cc_event event = tcb_cc_event(t, env);
    if (cc_owns_cwnd(&t->cc)) return;
    if (asked) cc_pace(&t->cc, &event);
    else t->cc.pacing_kBps = 0;
}

/* ---- an ACK ---- */

/* SND.UNA moves. */
static void advance(struct tcb *t, struct tcp_env *env, seq_t ack)
{
    uint32_t acked = seq_len(t->snd_una, ack);
    bool fin_acked = t->fin_sent && seq_eq(ack, t->snd_nxt);
    uint32_t data = min_u32(acked - fin_acked, t->sendq.len);
    sendq_drop(&t->sendq, env->chunks, data);
    t->bytes_acked += data;
    t->snd_una = ack;
    t->snd_nxt = seq_max(t->snd_nxt, t->snd_una);
    if (seq_lt(t->snd_sml, t->snd_una)) t->snd_sml = t->snd_una;
    if (t->urgent_snd && seq_leq(t->snd_up, t->snd_una)) t->urgent_snd = false;
    if (t->cwr_sent && seq_lt(t->cwr_seq, t->snd_una)) t->cwr_sent = false;
    t->event |= EVENT_WRITABLE;
}

/* RFC 6298 5.2, 5.3; a doubled timeout stays until there is a new measurement (5.7). */
static void restart_timers(struct tcb *t, struct tcp_env *env)
{
    if (t->persisting) t->backoff = 0;
    t->retries = 0;
    t->persisting = false;
    if (t->soft_error) t->error = 0;
    t->soft_error = false;
    if (!tcb_in_flight(t)) {
        t->rexmt_at_us = t->unacked_us = t->probe_at_us = TIME_NEVER;
        return;
    }
    tcb_arm_rexmt(t, env);
    tcp_loss_arm_probe(t, env);
    t->unacked_us = env->now_us;
}

/* When the TSval that the segment echoes was ours, at the latest. */
static uint64_t echo_us(const struct tcb *t, const struct tcp_env *env, const struct tcp_segment *seg)
{
    uint64_t age_us = tcb_echo_age(t, env, seg), clock_us = env->params.timestamp_clock_us;
    uint64_t tick_end_us = (env->now_us / clock_us + 1) * clock_us - 1;
    return age_us == UINT64_MAX ? age_us : tick_end_us - age_us;
}

/* One sample a round trip, of what was sent once (Karn); else of the echo, which is not ambiguous. */
static void learn_rtt(struct tcb *t, struct tcp_env *env, const struct tcp_segment *seg, uint32_t rtt_us)
{
    uint64_t us = rtt_us ? rtt_us : max_u64(tcb_echo_age(t, env, seg), 1);
    if (us == UINT64_MAX) return;
    t->backoff = 0;
    if (seq_lt(seg->ack, t->rtt_seq)) return;
    t->rtt_seq = seq_add(t->snd_nxt, 1);
    rtt_sample(&t->rtt, &env->params, us);
}

/* The reduction was a mistake (RFC 4015, RFC 5682 3). */
static void undo(struct tcb *t, const struct cc_event *e, const struct recovery_news *news)
{
    t->cc.cwnd = max_u32(t->cc.cwnd, news->prior_cwnd);
    t->cc.ssthresh = max_u32(t->cc.ssthresh, news->prior_ssthresh);
    cc_on_undo(&t->cc, e);
    t->cwr_due = false; /* should the peer echo a mark, it is to go on */
}

/* ECE before our CWR has arrived is the mark that we know. */
static void congested(struct tcb *t, const struct cc_event *e)
{
    uint32_t cwnd = t->cc.cwnd;
    if (!recovery_calm(&t->recovery) || t->cwr_due || t->cwr_sent) return;
    reduce(t, e);
    t->cc.cwnd = min_u32(t->cc.cwnd, cwnd);
}

static void leave_fast(struct tcb *t, const struct cc_event *e)
{
    uint32_t pipe = tcb_pipe(t);
    if (cc_owns_cwnd(&t->cc)) return;
    t->cc.cwnd = t->cc.ssthresh;
    if (!t->sack_ok) t->cc.cwnd = min_u32(t->cc.ssthresh, max_u32(pipe, e->mss) + e->mss); /* RFC 6582 */
}

/* Congestion control that has cwnd for itself sees every ACK, as the last step. */
static bool hand_over(struct tcb *t, const struct cc_event *e)
{
    struct cc_event event = *e;
    if (!cc_owns_cwnd(&t->cc)) return false;
    event.recovering = !recovery_calm(&t->recovery);
    event.pipe_bytes = tcb_pipe(t);
    cc_on_ack(&t->cc, &event);
    return true;
}

/* What an ACK came upon. */
struct before {
    uint8_t mode;
    bool reordering;
};

/* What the window may grow by. On a path that reorders a SACK counts as an ACK does, as in Linux: what it leaves out
 * is late and not lost, as a rule, and where it is lost, RACK waits so long for it that a round of slow start would be
 * over. After a mistake the ACK is like any other, and stands for what the episode held up. After a timeout it may
 * cover what left the network long ago (RFC 3465 2.3). */
static uint32_t growth(const struct tcb *t, const struct cc_event *e, const struct recovery_news *news,
                       struct before before)
{
    if (before.reordering && t->sack_ok) return news->undo ? news->held_bytes : news->delivered;
    if (news->undo || before.mode != RECOVERY_RTO) return e->acked_bytes;
    return min_u32(e->acked_bytes, t->sack_ok ? news->delivered : e->mss);
}

static void control(struct tcb *t, struct tcp_env *env, const struct cc_event *e,
                    const struct recovery_news *news, struct before before)
{
    struct cc_event grown = *e;
    grown.acked_bytes = e->ece ? 0 : growth(t, e, news, before);
    if (news->undo) undo(t, e, news);
    if (news->undo && !news->lost) { /* a late D-SACK may come with news of a loss */
        if (!hand_over(t, e) && grown.acked_bytes) cc_on_ack(&t->cc, &grown);
        return;
    }
    if (e->ece) congested(t, e);
    if (news->ended && before.mode == RECOVERY_FAST) leave_fast(t, e);
    if (news->lost) begin(t, env, e->delivered_bytes);
    tell_lost(t, e);
    if (news->probe_repaired && !reduced(t)) reduce(t, e);
    if (hand_over(t, e)) return;
    if (t->recovery.mode == RECOVERY_FAST) {
        if (t->sack_ok) regulate(t, e->delivered_bytes, e->mss, e->acked_bytes && !news->more_lost);
    } else if (before.mode != RECOVERY_FAST && grown.acked_bytes) {
        cc_on_ack(&t->cc, &grown);
    }
}

/* Was half of the window in use at some time of this round trip? Otherwise it must not grow. RFC 7661's rule, with
 * the most in flight for pipeACK, and Linux's in slow start. */
static bool window_used(struct tcb *t, const struct tcp_segment *seg, const struct cc_event *e)
{
    bool anew = seq_geq(seg->ack, t->rtt_seq);
    return recovery_most_in_flight(&t->recovery, e->flight_bytes, anew) + e->mss > t->cc.cwnd / 2;
}

/* As Linux: a time in which the application was the limit counts only if it shows more than is known. */
static void keep_rate(struct tcb *t, const struct rate_sample *rs)
{
    if (!t->bulk || !rs->rate_Bps || (rs->app_limited && rs->rate_Bps < t->bulk->rate_Bps)) return;
    t->bulk->rate_Bps = rs->rate_Bps;
    t->bulk->rate_app_limited = rs->app_limited;
}

void tcp_loss_ack(struct tcb *t, struct tcp_env *env, const struct tcp_segment *seg, bool dup)
{
    uint32_t acked = seq_gt(seg->ack, t->snd_una) ? seq_len(t->snd_una, seg->ack) : 0;
    struct cc_event event = tcb_cc_event(t, env);
    struct before before = {.mode = t->recovery.mode, .reordering = t->recovery.reordering};
    uint64_t delivered = tcb_delivered(t);
    event.limited = window_used(t, seg, &event);
    event.ece = t->ecn_ok && (seg->flags & TCP_ECE);
    if (acked) advance(t, env, seg->ack);
    struct recovery_ack a = {.una = t->snd_una,
                             .nxt = t->snd_nxt,
                             .acked = acked,
                             .blocks = seg->sack,
                             .count = seg->sack_count,
                             .mss = event.mss,
                             .srtt_us = t->rtt.srtt_us,
                             .now_us = env->now_us,
                             .delivered = delivered,
                             .sack_ok = t->sack_ok,
                             .dup = dup,
                             .echo_us = echo_us(t, env, seg)};
    struct recovery_news news = recovery_ack(&t->recovery, env->mem, &a);
    event.acked_bytes = acked;
    event.una_bytes = t->bytes_acked;
    event.delivered_bytes = t->sack_ok ? news.delivered : acked;
    event.rtt_us = news.rtt_us;
    event.rate = news.rate;
    keep_rate(t, &news.rate);
    event.delivered = tcb_delivered(t);
    if (acked) learn_rtt(t, env, seg, news.rtt_us);
    if (acked || dup || news.sack_news || news.undo) {
        control(t, env, &event, &news, before);
        tcp_loss_pace(t, env);
        t->mark |= MARK_LOOK;
    }
    tcp_path_ack(t, env, news.largest, before.mode);
    if (acked) restart_timers(t, env);
    else if (recovery_sacked(&t->recovery)) t->probe_at_us = TIME_NEVER;
}
