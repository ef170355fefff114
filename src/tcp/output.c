/*
 * What is the next segment, if any? One ladder of reasons (RFC 9293 3.8, 3.10.2):
 *
 *   RST - SYN - what was lost - new data and FIN - window probe - a bare ACK - keepalive
 *
 * Whatever goes carries the newest acknowledgement, so every step also answers the last one.
 */
#include "tcp/flight.h"
#include "tcp/tcb.h"
#include "util/bytes.h"

enum {
    SEND_PAYLOAD_MAX = 65535 - IP4_HEADER_LEN - TCP_HEADER_MAX,
    SWS_OVERRIDE_US = 1000000, /* RFC 9293 3.8.6.2.1: 0.1 to 1 s */
    MANY_BURSTS = 6 /* in flight: a window that can wait for a whole burst */
};

/* ---- parts of a segment ---- */

static void add_timestamps(const struct tcb *t, const struct tcp_env *env, struct tcp_segment *seg)
{
    seg->has_ts = t->ts_ok;
    seg->tsval = tcb_tsval(t, env);
    seg->tsecr = t->ts_recent;
}

/* The duplicate lies below the ACK, or in the block that would come second: otherwise nobody could tell it
 * from an ordinary block (RFC 2883 5). */
static bool dsack_tells(const struct tcb *t, const struct recvq_range *second)
{
    seq_t end = seq_add(t->dsack, t->dsack_len);
    if (!t->dsack_len) return false;
    if (seq_leq(end, t->rcv_nxt)) return true;
    return second && seq_geq(t->dsack, seq_add(t->rcv_nxt, second->start)) &&
           seq_leq(end, seq_add(t->rcv_nxt, second->end));
}

/* As many blocks as fit beside timestamps, and leave room for payload on a narrow path. */
static void add_sack(const struct tcb *t, const struct tcp_env *env, struct tcp_segment *seg)
{
    if (!t->sack_ok || (!t->recvq.ooo && !t->dsack_len)) return;
    struct recvq_range range[TCP_SACK_MAX];
    uint32_t room = tcb_snd_mss(t, env, tcb_option_bytes(t));
    int max = t->ts_ok ? TCP_SACK_MAX - 1 : TCP_SACK_MAX;
    while (max > 0 && 4u + 8u * (unsigned)max + 8u > room) max--;
    int count = recvq_sack(&t->recvq, range, max), n = 0;
    if (max > 0 && dsack_tells(t, count && max > 1 ? range : NULL))
        seg->sack[n++] = (struct sack_block){t->dsack, seq_add(t->dsack, t->dsack_len)};
    for (int i = 0; i < count && n < max; i++) {
        seq_t end = seq_add(t->rcv_nxt, range[i].end);
        bool fin = t->fin_ahead && seq_eq(end, t->rcv_fin); /* it takes a number, too */
        seg->sack[n++] = (struct sack_block){seq_add(t->rcv_nxt, range[i].start), seq_add(end, fin)};
    }
    seg->sack_count = (uint8_t)n;
}

static unsigned option_bytes(const struct tcp_segment *seg)
{
    return tcp_header_len(seg) - TCP_HEADER_LEN;
}

/* What every segment of a synchronized connection has. */
static void begin(const struct tcb *t, const struct tcp_env *env, struct tcp_out *out)
{
    out->iovcnt = 0;
    out->retransmission = false;
    uint8_t flags = t->ecn_echo ? TCP_ACK | TCP_ECE : TCP_ACK;
    out->seg = (struct tcp_segment){
        .flags = flags, .seq = t->snd_nxt, .ack = t->rcv_nxt, .tos = t->opt.tos};
    add_timestamps(t, env, &out->seg);
    add_sack(t, env, &out->seg);
}

/* It goes: the acknowledgement in it is given, and the window in it is offered. */
static void finish(struct tcb *t, struct tcp_env *env, struct tcp_out *out)
{
    struct tcp_segment *seg = &out->seg;
    if (!(seg->flags & TCP_SYN)) seg->window = tcb_offer_window(t, env);
    if (t->urgent_snd && seq_gt(t->snd_up, seg->seq) && !(seg->flags & (TCP_SYN | TCP_RST))) {
        seg->flags |= TCP_URG;
        seg->urgent = (uint16_t)min_u32(seq_len(seg->seq, t->snd_up), UINT16_MAX);
    }
    if (seg->flags & TCP_ACK) {
        if (t->quick && !seq_eq(t->rcv_acked, t->rcv_nxt)) t->quick--;
        t->rcv_acked = t->rcv_nxt;
        t->dsack_len = 0; /* once */
        t->delack_at_us = TIME_NEVER;
        t->mark &= (uint8_t)~MARK_ACK;
    }
    t->segs_out++;
}

/* ---- RST, SYN ---- */

static bool out_rst(struct tcb *t, struct tcp_env *env, struct tcp_out *out)
{
    int error = t->error;
    begin(t, env, out);
    out->seg.flags = TCP_RST | TCP_ACK;
    out->seg.has_ts = false;
    out->seg.sack_count = 0;
    finish(t, env, out);
    env->count.reset_out++;
    tcb_close(t, env, error);
    return true;
}

static bool out_syn(struct tcb *t, struct tcp_env *env, struct tcp_out *out)
{
    struct tcp_segment *seg = &out->seg;
    bool passive = t->state == ST_SYN_RCVD;
    begin(t, env, out);
    t->mark &= (uint8_t)~MARK_SYN;
    out->retransmission = seq_gt(t->snd_max, t->iss) && t->syn_retx;
    seg->seq = t->iss;
    seg->flags = (passive ? TCP_SYN | TCP_ACK : TCP_SYN) | tcp_ecn_syn_flags(t);
    if (!passive) seg->ack = seq_of(0);
    if (!passive) seg->tsecr = 0;
    seg->sack_count = 0;
    seg->window = (uint16_t)tcb_first_window(t);
    if (passive) t->rcv_adv = seq_max(t->rcv_adv, seq_add(t->rcv_nxt, seg->window));
    seg->has_mss = true;
    seg->mss = tcb_mss_offer(t, env);
    seg->sack_permitted = t->sack_ok;
    seg->has_wscale = t->wscale_ok;
    seg->wscale = t->rcv_wscale;
    t->snd_nxt = t->snd_max = seq_add(t->iss, 1);
    if (t->rexmt_at_us == TIME_NEVER) tcb_arm_rexmt(t, env);
    finish(t, env, out);
    return true;
}

/* ---- data ---- */

/* Put [offset, offset + len) of the send queue and perhaps the FIN behind it into the segment. Returns its end. */
static seq_t fill(struct tcb *t, struct tcp_env *env, struct tcp_out *out, uint32_t offset, uint32_t len,
                  uint32_t mss, bool fin)
{
    struct tcp_segment *seg = &out->seg;
    if (len) len = sendq_iov(&t->sendq, offset, len, out->iov, TCP_OUT_IOV, &out->iovcnt);
    seg->seq = seq_add(t->snd_una, offset);
    seg->len = len;
    seg->gso_size = (uint16_t)(len > mss ? mss : 0);
    if (fin && offset + len == t->sendq.len) seg->flags |= TCP_FIN;
    if (len && offset + len == t->sendq.len) seg->flags |= TCP_PSH;
    seq_t end = seq_add(seg->seq, tcp_segment_space(seg));
    finish(t, env, out);
    if (t->rexmt_at_us == TIME_NEVER || t->persisting) {
        t->persisting = false;
        tcb_arm_rexmt(t, env);
    }
    if (t->unacked_us == TIME_NEVER) t->unacked_us = env->now_us;
    t->sent_us = env->now_us;
    uint32_t rate_kBps = tcb_pacing_kBps(t);
    if (rate_kBps && t->bulk) pace_sent(&t->bulk->pacer, rate_kBps, len);
    return end;
}

/* Payload of the largest packet that may be built. Not with an urgent pointer or a D-SACK: who cuts the
 * packet up would copy it into every piece. */
static uint32_t payload_max(const struct tcb *t, const struct tcp_env *env, unsigned options, uint32_t mss)
{
    uint32_t headers = IP4_HEADER_LEN + TCP_HEADER_LEN + options;
    uint32_t max = env->gso_max > headers ? env->gso_max - headers : 0;
    max = min_u32(min_u32(max, SEND_PAYLOAD_MAX), (FLIGHT_UNITS - 1) * mss); /* and a FIN */
    if (t->urgent_snd || t->dsack_len || max < mss) return mss;
    return max - max % mss;
}

/* What pacing lets go now: of `want` bytes, whole segments or all. With nothing it waits. */
static uint32_t pace_left(struct tcb *t, struct tcp_env *env, uint32_t want, uint32_t mss)
{
    uint32_t rate_kBps = tcb_pacing_kBps(t);
    if (!rate_kBps || !tcb_bulk(t, env)) return UINT32_MAX;
    uint32_t left = pace_room(&t->bulk->pacer, rate_kBps, mss, env->now_us);
    if (left >= min_u32(want, mss)) return left;
    pace_wait(&t->bulk->pacer);
    return 0;
}

static struct rate_now rate_now(const struct tcb *t, const struct tcp_env *env)
{
    return (struct rate_now){
        .now_us = env->now_us, .delivered = tcb_delivered(t), .pipe = tcb_pipe(t)};
}

/* Old data went again. */
static void sent_again(struct tcb *t, struct tcp_env *env, struct tcp_out *out, enum tcp_retx cause)
{
    struct tcp_segment *seg = &out->seg;
    struct rate_now now = rate_now(t, env);
    recovery_sent_again(&t->recovery, seg->seq, tcp_segment_space(seg), &now);
    tcp_path_sent_again(t, seg->seq);
    out->retransmission = true;
    if (tcb_bulk(t, env)) {
        t->bulk->bytes_retx += seg->len;
        t->bulk->retx[cause]++;
    }
    env->count.retx_segments++;
    env->count.retx_bytes += seg->len;
}

static bool out_lost(struct tcb *t, struct tcp_env *env, struct tcp_out *out)
{
    seq_t start;
    uint32_t len;
    bool force;
    if (!recovery_next(&t->recovery, t->snd_una, &start, &len, &force)) return false;
    begin(t, env, out);
    unsigned options = option_bytes(&out->seg);
    uint32_t mss = tcb_snd_mss(t, env, options);
    uint32_t pipe = tcb_pipe(t);
    uint32_t room = t->cc.cwnd > pipe ? t->cc.cwnd - pipe : 0;
    if (force) room = max_u32(room, mss);
    if (room < min_u32(mss, len)) return false;
    room = min_u32(room, pace_left(t, env, len, mss));
    if (room < min_u32(mss, len)) return false;
    uint32_t offset = seq_len(t->snd_una, start);
    uint32_t queued = t->sendq.len > offset ? t->sendq.len - offset : 0;
    bool fin = t->fin_sent && len > queued;
    uint32_t n = min_u32(min_u32(len, queued), min_u32(room, tcb_window_left(t, start)));
    n = min_u32(n, payload_max(t, env, options, mss));
    if (n > mss) n -= n % mss;
    if (!n && !(fin && !queued)) return false;
    fill(t, env, out, offset, n, mss, fin);
    sent_again(t, env, out, t->recovery.mode == RECOVERY_FAST ? RETX_FAST : RETX_RTO);
    if (!offset) tcb_arm_rexmt(t, env); /* 6298-5: no sooner again than after an RTO */
    return true;
}

/* May a partial segment go that ends the queue? Nagle in Minshall's form: one small segment in flight, not
 * more; CORK and MSG_MORE hold it back; nothing holds back what comes before a FIN, or is urgent. */
static bool tail_may_go(const struct tcb *t)
{
    if (t->fin_queued || (t->urgent_snd && seq_gt(t->snd_up, t->snd_nxt))) return true;
    if (t->opt.cork || t->more) return false;
    return t->opt.nodelay || seq_leq(t->snd_sml, t->snd_una);
}

/* How much new data may go now, of `queued`. Less than a full segment goes at the queue's end, or when it
 * is half of the largest window ever seen (RFC 9293 3.8.6.2.1). */
static uint32_t new_data(const struct tcb *t, uint32_t queued, uint32_t room, uint32_t mss, uint32_t max)
{
    uint32_t n = min_u32(min_u32(queued, room), max), partial = n % mss;
    if (!partial) return n;
    if (n == queued && tail_may_go(t)) return n;
    if (n >= mss) return n - partial;
    return n < queued && n >= t->snd_wnd_max / 2 ? n : 0;
}

static void after_idle(struct tcb *t, struct tcp_env *env)
{
    bool idle = env->now_us - t->sent_us > t->rtt.rto_us;
    if (cc_owns_cwnd(&t->cc)) idle = t->recovery.ran_dry;
    if (seq_lt(t->snd_una, t->snd_nxt) || !idle) return;
    struct cc_event event = tcb_cc_event(t, env);
    cc_on_idle(&t->cc, &event, env->params.initial_window_segments);
}

static void sent_new(struct tcb *t, struct tcp_env *env, struct tcp_out *out, seq_t end, uint32_t mss)
{
    struct tcp_segment *seg = &out->seg;
    uint32_t space = tcp_segment_space(seg);
    struct rate_now now = rate_now(t, env);
    recovery_sent(&t->recovery, seg->seq, space, seg->len > mss ? mss : space, &now);
    tcp_ecn_new_data(t, seg);
    if (seg->len % mss) t->snd_sml = end;
    if (seg->flags & TCP_FIN) t->fin_sent = true;
    if (t->opt.notsent_lowat) t->event |= EVENT_WRITABLE; /* less waits to be sent */
    t->snd_nxt = end;
    t->snd_max = seq_max(t->snd_max, end);
    tcp_loss_arm_probe(t, env);
}

/* No slivers; and in a window of many segments a burst begins, as on Linux, with a pair. It costs half, and who sends
 * one by one wins too much of a full queue from who sends pairs. A small window cannot spare the odd one that waits, and
 * its ACK might be delayed. */
uint32_t tcp_room_min(const struct tcb *t, const struct tcp_env *env, uint32_t pipe, uint32_t mss)
{
    uint32_t burst = env->params.burst_min_segments * mss;
    bool begun = t->sent_us == env->now_us;
    return !begun && recovery_calm(&t->recovery) && pipe >= MANY_BURSTS * burst ? burst : mss;
}

static bool out_new(struct tcb *t, struct tcp_env *env, struct tcp_out *out)
{
    uint32_t offset = tcb_in_flight(t);
    if (t->fin_sent) return false;
    uint32_t queued = t->sendq.len - offset;
    if (!queued && !t->fin_queued) return false;
    begin(t, env, out);
    unsigned options = option_bytes(&out->seg);
    uint32_t mss = tcb_snd_mss(t, env, options);
    after_idle(t, env);
    uint32_t pipe = tcb_pipe(t);
    uint32_t congestion = t->cc.cwnd > pipe ? t->cc.cwnd - pipe : 0;
    if (congestion < tcp_room_min(t, env, pipe, mss) && congestion < queued) congestion = 0;
    if (congestion) congestion = min_u32(congestion, pace_left(t, env, queued, mss));
    uint32_t window = tcb_window_left(t, t->snd_nxt);
    uint32_t room = min_u32(congestion, window);
    uint32_t probe = tcp_path_probe(t, env, options, min_u32(queued, window), room);
    if (probe) mss = probe; /* one packet of that size */
    bool one = probe || t->cwr_due; /* CWR goes once */
    uint32_t max = one ? mss : payload_max(t, env, options, mss);
    uint32_t n = new_data(t, queued, room, mss, max);
    bool fin = t->fin_queued && n == queued && window > n;
    if ((!n && !fin) || !recovery_reserve(&t->recovery, env->mem)) return false;
    seq_t end = fill(t, env, out, offset, n, mss, fin);
    if (env->params.push_each_burst && room - n < mss) out->seg.flags |= out->seg.len ? TCP_PSH : 0;
    sent_new(t, env, out, end, mss);
    if (probe) tcp_path_probe_sent(t, env, &out->seg);
    return true;
}

/* ---- probes and ACKs ---- */

/* The persist timer: one octet of what waits beyond a closed window (RFC 9293 3.8.6.1), or, when there
 * is a window too small to be worth using, what fits. */
static bool out_probe(struct tcb *t, struct tcp_env *env, struct tcp_out *out)
{
    t->mark &= (uint8_t)~MARK_PROBE;
    if (!t->persisting) return false; /* the window opened before the probe could go */
    uint64_t rexmt_at_us = t->rexmt_at_us; /* the persist timer goes on, whatever fill() does */
    uint32_t offset = tcb_in_flight(t);
    uint32_t window = tcb_window_left(t, t->snd_nxt);
    begin(t, env, out);
    uint32_t mss = tcb_snd_mss(t, env, option_bytes(&out->seg));
    seq_t end;
    if (window && t->sendq.len > offset) {
        uint32_t n = min_u32(min_u32(t->sendq.len - offset, window), mss);
        if (!recovery_reserve(&t->recovery, env->mem)) return false;
        end = fill(t, env, out, offset, n, mss, false);
        sent_new(t, env, out, end, mss);
        return true;
    }
    bool fin = !t->sendq.len; /* there is nothing else */
    if (fin && !t->fin_sent && !recovery_reserve(&t->recovery, env->mem)) return false;
    end = fill(t, env, out, 0, t->sendq.len ? 1 : 0, mss, fin);
    if (fin && !t->fin_sent) sent_new(t, env, out, end, mss);
    t->snd_max = seq_max(t->snd_max, end);
    if (tcb_bulk(t, env)) t->bulk->retx[RETX_WINDOW]++;
    t->probe_at_us = TIME_NEVER;
    t->persisting = true;
    t->rexmt_at_us = rexmt_at_us;
    return true;
}

/* Tail-loss probe (RFC 8985 7.3): something new if the window lets it, else the last segment again. */
static bool out_tail(struct tcb *t, struct tcp_env *env, struct tcp_out *out)
{
    seq_t start;
    uint32_t len;
    t->mark &= (uint8_t)~MARK_TAIL;
    if (!recovery_may_probe(&t->recovery, t->sack_ok)) return false;
    begin(t, env, out);
    uint32_t mss = tcb_snd_mss(t, env, option_bytes(&out->seg));
    uint32_t offset = tcb_in_flight(t);
    uint32_t queued = t->fin_sent ? 0 : t->sendq.len - offset;
    uint32_t n = min_u32(min_u32(queued, tcb_window_left(t, t->snd_nxt)), mss);
    bool fresh = n && recovery_reserve(&t->recovery, env->mem);
    if (fresh) {
        seq_t end = fill(t, env, out, offset, n, mss, false);
        sent_new(t, env, out, end, mss);
    } else {
        recovery_tail(&t->recovery, &start, &len);
        offset = seq_lt(start, t->snd_una) ? 0 : seq_len(t->snd_una, start);
        queued = t->sendq.len > offset ? t->sendq.len - offset : 0;
        fill(t, env, out, offset, min_u32(min_u32(len, queued), mss), mss, t->fin_sent);
        sent_again(t, env, out, RETX_TAIL);
    }
    recovery_probe_sent(&t->recovery, t->snd_nxt, !fresh);
    t->probe_at_us = TIME_NEVER;
    return true;
}

static bool out_keepalive(struct tcb *t, struct tcp_env *env, struct tcp_out *out)
{
    t->mark &= (uint8_t)~MARK_KEEPALIVE;
    begin(t, env, out);
    out->seg.seq = seq_sub(t->snd_nxt, 1); /* RFC 9293 3.8.4 */
    finish(t, env, out);
    return true;
}

static bool out_ack(struct tcb *t, struct tcp_env *env, struct tcp_out *out)
{
    begin(t, env, out);
    finish(t, env, out);
    return true;
}

/* For the delivery rate: cwnd would let more go, but there is nothing. */
static void note_dry(struct tcb *t)
{
    uint32_t pipe = tcb_pipe(t);
    if (t->sendq.len > tcb_in_flight(t) || recovery_lost(&t->recovery)) return;
    if (pipe < t->cc.cwnd) recovery_ran_dry(&t->recovery, tcb_delivered(t), pipe);
}

/* Nothing may go now, but something waits, and no timer runs: that one is the persist timer, which is
 * also the override of sender SWS avoidance and the end of a CORK's patience. */
static void settle(struct tcb *t, struct tcp_env *env)
{
    t->mark = 0; /* what is left was for a state that is over */
    tcp_limit_note(t, env);
    if (!tcb_sending(t)) return;
    note_dry(t);
    if (t->rexmt_at_us != TIME_NEVER) return;
    if (!t->sendq.len && !t->fin_queued) return;
    if (t->bulk && t->bulk->pacer.wake_us) return;
    t->persisting = true;
    t->backoff = 0;
    t->probes = 0;
    if (!t->snd_wnd) t->unacked_us = env->now_us;
    tcb_arm_rexmt(t, env);
    if (tcb_window_left(t, t->snd_nxt)) /* no probe, but the override: whatever the RTO, this is no loss */
        t->rexmt_at_us = min_u64(t->rexmt_at_us, env->now_us + SWS_OVERRIDE_US);
}

bool tcp_output(struct tcb *t, struct tcp_env *env, struct tcp_out *out)
{
    if (t->mark & MARK_RST) return out_rst(t, env, out);
    if (t->mark & MARK_SYN) return out_syn(t, env, out);
    if (tcb_sending(t)) {
        if (recovery_wants_new(&t->recovery)) { /* rather than old (RFC 5682 2.1, step 2b) */
            if (out_new(t, env, out)) return true;
            recovery_no_new(&t->recovery);
        }
        if (out_lost(t, env, out)) return true;
        if (out_new(t, env, out)) return true;
        if ((t->mark & MARK_TAIL) && out_tail(t, env, out)) return true;
        if ((t->mark & MARK_PROBE) && out_probe(t, env, out)) return true;
    }
    if (t->state != ST_SYN_SENT) {
        /* before the keepalive, whose SEQ is old: the peer does not look at the ACK in that */
        if (t->mark & MARK_ACK) return out_ack(t, env, out);
        if (t->mark & MARK_KEEPALIVE) return out_keepalive(t, env, out);
    }
    settle(t, env);
    return false;
}
