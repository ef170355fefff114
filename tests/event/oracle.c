/* SEGMENT ARRIVES, to be read beside RFC 9293 section 3.10.7: a function a numbered step, in its
 * order. */
#include "oracle.h"

#include <errno.h>

struct arrival {
    struct event_tcb *t;
    struct event_segment seg;
    struct event_outcome out;
    bool ack_due; /* MUST-58: one ACK, after all else of the segment is done */
};

static bool lt(uint32_t a, uint32_t b) { return (int32_t)(a - b) < 0; }
static bool le(uint32_t a, uint32_t b) { return (int32_t)(a - b) <= 0; }
static bool is(const struct arrival *a, unsigned flag) { return a->seg.flags & flag; }

/* SEG.LEN: text, and one each for SYN and FIN (3.4) */
static uint32_t seg_len(const struct arrival *a)
{
    return a->seg.len + (is(a, TH_SYN) ? 1 : 0) + (is(a, TH_FIN) ? 1 : 0);
}

static void answer(struct arrival *a, unsigned flags, uint32_t seq, uint32_t ack)
{
    struct event_answer *w = &a->out.answer[a->out.answers++];
    *w = (struct event_answer){.flags = flags, .seq = seq, .ack = ack};
    w->has_ts = a->t->timestamps && !(flags & TH_RST);
    /* RFC 7323 3.2: TS.Recent; 0 where there is no ACK */
    w->tsecr = w->has_ts && (flags & TH_ACK) ? a->t->ts_recent : 0;
}

/* 3.10.7.1, and wherever else "send a reset" is said */
static void send_reset(struct arrival *a)
{
    if (is(a, TH_ACK)) answer(a, TH_RST, a->seg.ack, 0);
    else answer(a, TH_RST | TH_ACK, 0, a->seg.seq + seg_len(a));
}

/* <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>, also as RFC 5961's challenge */
static void send_ack(struct arrival *a) { a->ack_due = true; }

static void leave(struct arrival *a, int state, int error)
{
    a->t->state = state;
    a->out.error = error;
    a->ack_due = false;
}

static void time_wait(struct arrival *a)
{
    a->t->state = TCP_TIME_WAIT;
    a->out.restarted = true;
}

/* ---- 3.10.7.1 CLOSED ---- */

static void closed(struct arrival *a)
{
    if (!is(a, TH_RST)) send_reset(a);
}

/* ---- 3.10.7.2 LISTEN ---- */

static void open_passive(struct arrival *a)
{
    struct event_tcb *t = a->t;
    t->state = TCP_SYN_RECV;
    t->passive = true;
    t->irs = a->seg.seq;
    t->rcv_nxt = a->seg.seq + 1;
    t->timestamps = a->seg.has_ts; /* RFC 7323 3.2: if the SYN has it */
    t->ts_recent = a->seg.tsval;
    answer(a, TH_SYN | TH_ACK, 0, t->rcv_nxt);
    a->out.answer[0].fresh_iss = true;
}

static void listening(struct arrival *a)
{
    if (is(a, TH_RST)) return;        /* first */
    if (is(a, TH_ACK)) send_reset(a); /* second */
    /* Decided, as by Linux: SYN with FIN is nobody's connection request. */
    else if (is(a, TH_SYN) && !is(a, TH_FIN)) open_passive(a); /* third */
    /* fourth: drop. Text on a SYN is left to be sent again: RCV.NXT is SEG.SEQ+1. */
}

/* ---- 3.10.7.4, steps six to eight; SYN-SENT ends in them, too ---- */

static bool receives(const struct event_tcb *t)
{
    return t->state == TCP_ESTABLISHED || t->state == TCP_FIN_WAIT1 || t->state == TCP_FIN_WAIT2;
}

static void sixth_urg(struct arrival *a)
{
    /* RFC 6093: RCV.UP is the octet after the urgent data. All was read: consumed is RCV.NXT. */
    if (is(a, TH_URG) && receives(a->t) && lt(a->t->rcv_nxt, a->seg.seq + a->seg.up))
        a->out.urgent = true;
}

/* What of the segment lies outside of the window is cut; true if a FIN is left, and is in order. */
static bool seventh_text(struct arrival *a)
{
    struct event_tcb *t = a->t;
    uint32_t start = a->seg.seq, end = start + a->seg.len, edge = t->rcv_nxt + t->rcv_wnd;
    if (!receives(t)) return is(a, TH_FIN);    /* ignore the segment text */
    bool fin = is(a, TH_FIN) && le(end, edge); /* a bare FIN needs no room: also at zero window */
    if (lt(edge, end)) end = edge;
    if (a->seg.len || is(a, TH_FIN)) send_ack(a); /* in order, or MAY-13 */
    if (lt(t->rcv_nxt, start)) return false;      /* SHLD-31: held until the gap closes */
    if (lt(t->rcv_nxt, end)) {
        a->out.delivered = end - t->rcv_nxt;
        t->rcv_nxt = end;
    }
    return fin;
}

static void eighth_fin(struct arrival *a)
{
    struct event_tcb *t = a->t;
    send_ack(a);
    /* One FIN ends the stream: no "control occupying sequence space" (4, FIN) can follow it, so
     * that RCV.NXT is advanced over the first only. */
    if (receives(t)) t->rcv_nxt++;
    t->fin_received = true;
    if (t->state == TCP_ESTABLISHED) t->state = TCP_CLOSE_WAIT;
    else if (t->state == TCP_FIN_WAIT1)
        t->state = TCP_CLOSING; /* were it ACKed: FIN-WAIT-2 by now */
    else if (t->state == TCP_FIN_WAIT2 || t->state == TCP_TIME_WAIT) time_wait(a);
}

static void from_sixth(struct arrival *a)
{
    sixth_urg(a);
    if (seventh_text(a)) eighth_fin(a);
}

/* ---- 3.10.7.3 SYN-SENT ---- */

static void learn_syn(struct arrival *a)
{
    struct event_tcb *t = a->t;
    t->irs = a->seg.seq;
    t->rcv_nxt = t->irs + 1;
    t->timestamps = t->timestamps && a->seg.has_ts;
    t->ts_recent = a->seg.tsval;
    t->snd_wnd = a->seg.wnd; /* RFC 7323 2.2: never scaled beside a SYN */
}

static void syn_sent(struct arrival *a)
{
    struct event_tcb *t = a->t;
    bool acceptable = lt(t->snd_una, a->seg.ack) && le(a->seg.ack, t->snd_nxt);
    if (is(a, TH_ACK) && !acceptable) { /* first */
        if (is(a, TH_RST)) return;
        send_reset(a);
        /* Decided: our RST clears the peer's older connection (3.5.1), and the SYN goes again at
         * once. */
        if (!is(a, TH_SYN)) answer(a, TH_SYN, t->iss, 0);
        return;
    }
    if (is(a, TH_RST)) { /* second; ECONNREFUSED is what Linux calls it */
        if (is(a, TH_ACK)) leave(a, TCP_CLOSE, ECONNREFUSED);
        return;
    }
    if (!is(a, TH_SYN)) return; /* fifth */
    learn_syn(a);               /* fourth */
    if (is(a, TH_ACK)) {
        t->state = TCP_ESTABLISHED;
        t->snd_una = a->seg.ack;
        send_ack(a);
        a->seg.seq++; /* the SYN is done with; SEG.UP counts from it */
        a->seg.up--;
        from_sixth(a);
    } else {
        t->state = TCP_SYN_RECV;
        answer(a, TH_SYN | TH_ACK, t->iss, t->rcv_nxt);
    }
}

/* ---- 3.10.7.4 other states ---- */

/* Table 6, with what DESIGN adds to it: RFC 5961 3.2's own test for RST, empty segments up to and
 * including the furthest edge ever offered (else two ends with full windows deadlock), and the
 * "special allowance" for zero windows, whose text is cut later. */
static bool acceptable(const struct arrival *a)
{
    const struct event_tcb *t = a->t;
    uint32_t seq = a->seg.seq, last = seq + seg_len(a) - 1, edge = t->rcv_nxt + t->rcv_wnd;
    if (seq == t->rcv_nxt) return true;
    if (is(a, TH_RST)) return le(t->rcv_nxt, seq) && lt(seq, edge);
    if (seg_len(a) == 0) return le(t->rcv_nxt, seq) && le(seq, edge);
    if (t->rcv_wnd == 0) return false;
    return (le(t->rcv_nxt, seq) && lt(seq, edge)) || (le(t->rcv_nxt, last) && lt(last, edge));
}

/* RFC 6191 2, for "incoming SYN segments" of TIME-WAIT: honour the connection request? */
static bool may_reopen(const struct arrival *a)
{
    const struct event_tcb *t = a->t;
    bool larger = lt(t->rcv_nxt - 1, a->seg.seq); /* than the FIN's number */
    if ((a->seg.flags & (TH_SYN | TH_ACK | TH_RST | TH_FIN)) != TH_SYN || !t->listening)
        return false;
    if (!a->seg.has_ts) return larger;
    if (!t->timestamps) return true;
    return lt(t->ts_recent, a->seg.tsval) || (t->ts_recent == a->seg.tsval && larger);
}

/* The SYN of SYN-RECEIVED again. True: that was all. */
static bool repeated_syn(struct arrival *a)
{
    struct event_tcb *t = a->t;
    if (t->state != TCP_SYN_RECV || !is(a, TH_SYN) || is(a, TH_RST) || a->seg.seq != t->irs)
        return false;
    if (!is(a, TH_ACK)) { /* decided: the SYN,ACK again, with the same ISS */
        answer(a, TH_SYN | TH_ACK, t->iss, t->rcv_nxt);
        return true;
    }
    /* 3.5, Figure 8: the SYN,ACK of the other side of a simultaneous open establishes. Its SYN lies
     * before the window: it is trimmed, and as a duplicate acknowledged. */
    a->seg.flags &= ~(unsigned)TH_SYN;
    a->seg.seq++;
    a->seg.up--;
    a->seg.wnd = (uint16_t)(a->seg.wnd >> t->snd_scale); /* RFC 7323 2.2: it is not scaled */
    send_ack(a);
    return false;
}

static bool paws_rejects(const struct arrival *a) /* RFC 7323 5.3 R1; RST are exempt (5.2) */
{
    return a->t->timestamps && a->seg.has_ts && !is(a, TH_RST) && lt(a->seg.tsval, a->t->ts_recent);
}

/* Is it "a retransmission of the remote FIN" (fifth, TIME-WAIT)? */
static bool fin_again(const struct arrival *a)
{
    return a->t->state == TCP_TIME_WAIT && is(a, TH_FIN) &&
           a->seg.seq + seg_len(a) == a->t->rcv_nxt;
}

/* True: the segment ends here. */
static bool first_sequence(struct arrival *a)
{
    struct event_tcb *t = a->t;
    if (paws_rejects(a)) {
        send_ack(a);
        return true;
    }
    if (!acceptable(a)) {
        if (is(a, TH_RST)) return true;
        if (fin_again(a)) time_wait(a);
        send_ack(a);
        return true;
    }
    /* RFC 7323 3.2: without timestamps, silently drop. But 5961 4.2's MUST for a SYN is stronger
     * than this SHOULD, and in SYN-RECEIVED decided otherwise: some peers never send them after the
     * SYN. */
    if (t->timestamps && !a->seg.has_ts && !is(a, TH_RST) && !is(a, TH_SYN) &&
        t->state != TCP_SYN_RECV)
        return true;
    return false;
}

static bool second_rst(struct arrival *a)
{
    struct event_tcb *t = a->t;
    if (!is(a, TH_RST)) return false;
    if (t->state == TCP_TIME_WAIT) return true; /* decided: RFC 1337 */
    if (a->seg.seq != t->rcv_nxt) {             /* RFC 5961 3.2 */
        send_ack(a);
        return true;
    }
    switch (t->state) {
    case TCP_SYN_RECV:
        if (t->passive) leave(a, TCP_LISTEN, 0);
        else leave(a, TCP_CLOSE, ECONNREFUSED);
        break;
    case TCP_CLOSE_WAIT:
        leave(a, TCP_CLOSE, EPIPE);
        break; /* "connection reset", as Linux calls it */
    case TCP_CLOSING:
    case TCP_LAST_ACK: leave(a, TCP_CLOSE, 0); break;
    default: leave(a, TCP_CLOSE, ECONNRESET); break;
    }
    return true;
}

static bool fourth_syn(struct arrival *a)
{
    if (!is(a, TH_SYN)) return false;
    if (a->t->state == TCP_SYN_RECV && a->t->passive) leave(a, TCP_LISTEN, 0);
    else send_ack(a); /* RFC 5961 4.2, "irrespective of the sequence number" */
    return true;
}

/* SND.WL1 and SND.WL2. Decided, as by Linux: with SEG.SEQ as it stands, also where the idealized segment would
 * begin later; what begins long ago may be the work of who is blind. */
static void update_window(struct arrival *a, bool new_ack)
{
    struct event_tcb *t = a->t;
    uint32_t seq = a->seg.seq;
    if (lt(a->seg.ack, t->snd_una)) return;
    /* Decided: a new ACK is never old, whatever its SEQ; or the edge would move with SND.UNA. */
    if (!new_ack && !lt(t->snd_wl1, seq) && !(t->snd_wl1 == seq && le(t->snd_wl2, a->seg.ack)))
        return;
    t->snd_wnd = (uint32_t)a->seg.wnd << t->snd_scale;
}

/* RFC 7323 4.3, R3. Decided: not before the ACK, too, is found good, or who is blind forges a time far
 * ahead with a segment that overlaps RCV.NXT, and PAWS drops all that the true peer says. */
static void remember_timestamp(struct arrival *a)
{
    struct event_tcb *t = a->t;
    if (t->timestamps && a->seg.has_ts && le(a->seg.seq, t->last_ack_sent))
        t->ts_recent = a->seg.tsval;
}

static bool fifth_syn_received(struct arrival *a)
{
    struct event_tcb *t = a->t;
    /* 3.5.2 group 2: in a non-synchronized state an unacceptable ACK draws a reset, no ACK. */
    if (!lt(t->snd_una, a->seg.ack) || !le(a->seg.ack, t->snd_nxt)) {
        a->ack_due = false; /* not for the SYN beside it either */
        send_reset(a);
        return true;
    }
    t->state = TCP_ESTABLISHED;
    t->snd_una = a->seg.ack;
    t->snd_wnd = (uint32_t)a->seg.wnd << t->snd_scale;
    t->timestamps = t->timestamps && a->seg.has_ts;
    remember_timestamp(a);
    return false;
}

/* Also of a segment that begins beyond RCV.NXT, at once: only its text and FIN are "held for later
 * processing" (SHLD-31); an ACK is cumulative, whatever is missing before it. */
static bool fifth_ack(struct arrival *a)
{
    struct event_tcb *t = a->t;
    if (!is(a, TH_ACK)) return true;
    if (t->state == TCP_SYN_RECV) return fifth_syn_received(a);
    /* RFC 5961 5.2; decided: not below the first octet either, of which a record in TIME-WAIT knows
     * nothing */
    uint32_t back = t->snd_una - t->iss - 1;
    if (back > t->max_snd_wnd || t->state == TCP_TIME_WAIT) back = t->max_snd_wnd;
    if (lt(a->seg.ack, t->snd_una - back) || lt(t->snd_nxt, a->seg.ack)) {
        send_ack(a);
        return true;
    }
    remember_timestamp(a);
    bool new_ack = lt(t->snd_una, a->seg.ack);
    if (new_ack) t->snd_una = a->seg.ack;
    update_window(a, new_ack);
    bool fin_acked = t->snd_una == t->snd_nxt; /* of states in which our FIN was sent */
    if (t->state == TCP_FIN_WAIT1 && fin_acked) t->state = TCP_FIN_WAIT2;
    if (t->state == TCP_LAST_ACK && fin_acked) {
        leave(a, TCP_CLOSE, 0);
        return true;
    }
    if (t->state == TCP_CLOSING) {
        if (!fin_acked) return true; /* "otherwise, ignore the segment" */
        time_wait(a);
    }
    return false;
}

/* 3.6.1: new data after CLOSE is lost, and its sender SHOULD be told by a RST (SHLD-3). */
static bool data_for_nobody(struct arrival *a)
{
    if (!a->t->closed || !receives(a->t) || !a->seg.len) return false;
    if (!lt(a->t->rcv_nxt, a->seg.seq + a->seg.len)) return false;
    leave(a, TCP_CLOSE, 0);
    send_reset(a);
    return true;
}

static void other_states(struct arrival *a)
{
    if (a->t->state == TCP_TIME_WAIT && may_reopen(a)) {
        open_passive(a);
        return;
    }
    if (repeated_syn(a) || first_sequence(a) || second_rst(a)) return;
    /* third: security; there is none (A.1) */
    if (fourth_syn(a) || fifth_ack(a) || data_for_nobody(a)) return;
    from_sixth(a);
}

struct event_outcome event_oracle(const struct event_tcb *tcb, const struct event_segment *segment)
{
    struct arrival a = {.seg = *segment, .out.tcb = *tcb};
    a.t = &a.out.tcb;
    if (tcb->state == TCP_CLOSE) closed(&a);
    else if (tcb->state == TCP_LISTEN) listening(&a);
    else if (tcb->state == TCP_SYN_SENT) syn_sent(&a);
    else other_states(&a);
    if (a.ack_due) answer(&a, TH_ACK, a.t->snd_nxt, a.t->rcv_nxt);
    return a.out;
}
