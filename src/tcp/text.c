/* The last steps of a segment (RFC 9293 3.10.7.4, sixth to eighth): urgent pointer, text, FIN; and when to
 * acknowledge it (3.8.6.3, RFC 5681 4.2). */
#include "tcp/tcb.h"
#include "util/bytes.h"

enum { RANGE_BYTES = 256 /* of the buffer, for each range out of order */ };

/* sixth: URG. The mark only moves forward; the data stays in the stream (RFC 6093). */
static void input_urgent(struct tcb *t, const struct tcp_segment *seg)
{
    if (!(seg->flags & TCP_URG) || !seg->urgent || !tcb_receiving(t)) return;
    seq_t up = seq_add(seg->seq, seg->urgent);
    if (!seq_gt(up, t->rcv_nxt) || (t->urgent_rcv && !seq_gt(up, t->rcv_up))) return;
    t->rcv_up = up;
    t->urgent_rcv = true;
    t->event |= EVENT_URGENT;
}

/* RFC 2883 4: of several duplicate runs in a segment the first. */
void tcp_note_duplicate(struct tcb *t, const struct tcp_segment *seg)
{
    if (!t->sack_ok || !seg->len || (seg->flags & TCP_SYN)) return;
    if (seq_lt(seg->seq, t->rcv_nxt)) {
        uint32_t old = seq_len(seg->seq, t->rcv_nxt);
        if (old > t->bytes_received + t->fin_rcvd) return; /* older than the stream: a forgery */
        t->dsack = seg->seq;
        t->dsack_len = (uint16_t)min_u32(old - t->fin_rcvd, seg->len);
        return;
    }
    uint32_t offset = seq_len(t->rcv_nxt, seg->seq);
    struct recvq_range range = {offset, offset + seg->len};
    if (!recvq_overlap(&t->recvq, &range)) return;
    t->dsack = seq_add(t->rcv_nxt, range.start);
    t->dsack_len = (uint16_t)(range.end - range.start);
}

/* Cut what lies outside of the window. */
static void trim(const struct tcb *t, struct tcp_segment *seg)
{
    if (seq_lt(seg->seq, t->rcv_nxt)) {
        uint32_t old = min_u32(seq_len(seg->seq, t->rcv_nxt), seg->len);
        seg->payload += old;
        seg->len -= old;
        seg->seq = seq_add(seg->seq, old);
    }
    uint32_t room = seq_lt(seg->seq, t->rcv_adv) ? seq_len(seg->seq, t->rcv_adv) : 0;
    if (seg->len > room) {
        seg->len = room;
        seg->flags &= (uint8_t)~TCP_FIN;
    }
}

/* Delay the ACK, unless enough has come or the connection is young. */
static void schedule_ack(struct tcb *t, struct tcp_env *env)
{
    uint32_t unacked = seq_len(t->rcv_acked, t->rcv_nxt);
    if (t->quick) t->mark |= MARK_ACK;
    else if (unacked >= env->params.ack_every_segments * t->rcv_mss) t->mark |= MARK_ACK;
    else if (t->delack_at_us == TIME_NEVER) t->delack_at_us = env->now_us + env->params.delayed_ack_us;
}

static void learn_rcv_mss(struct tcb *t, const struct tcp_env *env, const struct tcp_segment *seg)
{
    uint32_t len = seg->gso_size ? seg->gso_size : seg->len;
    len = min_u32(len, tcb_mss_offer(t, env));
    if (len > t->rcv_mss) t->rcv_mss = (uint16_t)len;
}

/* However little is in a range, it takes some memory: the buffer pays for it. */
static uint32_t ranges_max(const struct tcb *t, const struct tcp_env *env)
{
    return min_u32(env->params.ooo_ranges_max, 1 + t->opt.rcvbuf / RANGE_BYTES);
}

/* seventh: text */
static enum drop_reason input_data(struct tcb *t, struct tcp_env *env, const struct tcp_segment *seg,
                                   struct buf **owner)
{
    struct recvq_data in = {.data = seg->payload, .len = seg->len, .owner = *owner};
    uint32_t offset = seq_len(t->rcv_nxt, seg->seq), advance = 0;
    bool had_hole = t->recvq.ooo != NULL;
    learn_rcv_mss(t, env, seg);
    /* Rounding the window up to its scale promises a little more than there is room for, and a peer that
     * sends single octets can make that little grow: up to a second buffer, and no further. */
    if (seq_gt(t->rcv_nxt, seq_add(t->rcv_room, t->opt.rcvbuf))) {
        t->mark |= MARK_ACK;
        return DROP_NO_MEMORY;
    }
    if ((t->recvq.readable || offset) && mem_above(env->mem, MEM_FULL_PERCENT)) {
        t->mark |= MARK_ACK; /* the peer has it still, and asks again */
        return DROP_NO_MEMORY;
    }
    enum recvq_result result =
        recvq_insert(&t->recvq, env->bufs, offset, &in, ranges_max(t, env), &advance);
    *owner = in.owner;
    t->rcv_nxt = seq_add(t->rcv_nxt, advance);
    t->bytes_received += advance;
    if (advance) t->event |= EVENT_READABLE;
    tcp_tune_arrival(t, env, seg);
    /* Out of order, or filling a hole: at once (RFC 5681 4.2) */
    if (result != RECVQ_OK || had_hole) t->mark |= MARK_ACK;
    else schedule_ack(t, env);
    if (result == RECVQ_NO_ROOM) return DROP_OOO_LIMIT;
    if (result == RECVQ_NO_MEMORY && !advance) return DROP_NO_MEMORY;
    return result == RECVQ_DUPLICATE ? DROP_SEQ_OLD : DROP_NONE;
}

/* eighth: FIN */
static void input_fin(struct tcb *t, struct tcp_env *env)
{
    t->fin_rcvd = true;
    t->fin_ahead = false;
    t->rcv_nxt = seq_add(t->rcv_nxt, 1);
    t->rcv_adv = seq_max(t->rcv_adv, t->rcv_nxt);
    recvq_drop_ooo(&t->recvq, env->bufs);
    t->mark |= MARK_ACK;
    t->event |= EVENT_STATE;
    if (t->state == ST_ESTABLISHED) t->state = ST_CLOSE_WAIT;
    else if (t->state == ST_FIN_WAIT_1) t->state = ST_CLOSING;
    else tcb_time_wait(t, env);
}

enum drop_reason tcp_input_text(struct tcb *t, struct tcp_env *env, const struct tcp_segment *segment,
                                struct buf **owner)
{
    struct tcp_segment seg = *segment;
    enum drop_reason reason = DROP_NONE;
    input_urgent(t, &seg);
    if (!tcb_receiving(t)) {
        /* Nothing can follow the peer's FIN: text is ignored, a FIN is the FIN again (CLOSING ignores all
         * but the ACK of ours). */
        if ((seg.flags & TCP_FIN) && t->state != ST_CLOSING) t->mark |= MARK_ACK;
        if ((seg.flags & TCP_FIN) && t->state == ST_TIME_WAIT) tcb_time_wait(t, env);
        return seg.len ? DROP_DATA_AFTER_FIN : DROP_NONE;
    }
    uint32_t had = seg.len;
    tcp_note_duplicate(t, &seg);
    tcp_ecn_input(t, &seg);
    trim(t, &seg);
    if (had && !seg.len) t->mark |= MARK_ACK; /* nothing of it fits: say where we are */
    seq_t end = seq_add(seg.seq, seg.len);
    if (seg.len) {
        /* text beyond a FIN that came early: one of them is forged; the FIN, which ends all, gives way */
        if (t->fin_ahead && seq_gt(end, t->rcv_fin)) t->fin_ahead = false;
        reason = input_data(t, env, &seg, owner);
    }
    if ((seg.flags & TCP_FIN) && seq_gt(end, t->rcv_nxt)) {
        t->fin_ahead = true;
        t->rcv_fin = end;
        t->mark |= MARK_ACK;
    }
    bool fin_now = (seg.flags & TCP_FIN) && seq_eq(end, t->rcv_nxt);
    if (fin_now || (t->fin_ahead && seq_eq(t->rcv_fin, t->rcv_nxt))) input_fin(t, env);
    return reason;
}
