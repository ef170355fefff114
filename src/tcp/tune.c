/* Buffers that size themselves, until SO_RCVBUF or SO_SNDBUF says otherwise: from small beginnings to what
 * the path can use, never beyond the stack's limit. They only grow. */
#include "tcp/tcb.h"
#include "util/bytes.h"

enum { SEND_FREE_BYTES = 2 << 20 };

/* Where the application has read to. */
static seq_t read_to(const struct tcb *t) { return seq_sub(t->rcv_nxt, t->recvq.readable + t->fin_rcvd); }

static uint32_t tune_clock(const struct tcb *t, const struct tcp_env *env)
{
    return t->ts_ok ? tcb_tsval(t, env) : (uint32_t)env->now_us;
}

void tcp_tune_begin(struct tcb *t, const struct tcp_env *env)
{
    t->tune_from = read_to(t);
    t->tune_at = tune_clock(t, env);
}

/* A round trip is over when the echo of a timestamp comes that was sent after its beginning: queues and all,
 * and nobody had to estimate it. Without timestamps our own estimate must do; without that, a whole window. */
static bool round_over(const struct tcb *t, const struct tcp_env *env, const struct tcp_segment *seg)
{
    if (t->ts_ok) return seq_gt(seq_of(seg->tsecr), seq_of(t->tune_at));
    if (t->rtt.srtt_us) return tune_clock(t, env) - t->tune_at >= t->rtt.srtt_us;
    return seq_len(t->tune_from, read_to(t)) >= t->opt.rcvbuf;
}

/*
 * Dynamic right-sizing: what the application has taken in a round trip is what the path and it can do. What
 * is offered now lets in what comes in the next, and a sender in slow start then sends twice as much; and twice
 * again, for the last ACK may have left before its data was read. What waits unread counts against the reader:
 * who does not keep up needs no more room.
 */
static void grow(struct tcb *t, const struct tcp_env *env)
{
    uint64_t want = 4ull * t->tune_taken + t->recvq.ooo_bytes;
    want = min_u64(want, env->params.rcvbuf_max_bytes);
    t->opt.rcvbuf = max_u32(t->opt.rcvbuf, (uint32_t)want);
}

/* What waits behind a hole cannot be read, however quick the reader: it takes no room from what follows. A peer without
 * SACK has to see the same window to know a duplicate ACK (RFC 5681 2). */
void tcp_tune_arrival(struct tcb *t, const struct tcp_env *env, const struct tcp_segment *seg)
{
    if (t->opt.rcvbuf_fixed) return;
    if (round_over(t, env, seg)) tcp_tune_begin(t, env);
    if (t->recvq.ooo_bytes && t->sack_ok) grow(t, env);
}

void tcp_tune_read(struct tcb *t, const struct tcp_env *env)
{
    if (t->opt.rcvbuf_fixed) return;
    uint32_t taken = seq_len(t->tune_from, read_to(t)), unread = t->recvq.readable;
    if (taken <= unread || taken - unread <= t->tune_taken) return;
    t->tune_taken = taken - unread;
    grow(t, env);
}

/* More than that the path has no use for, however far cwnd has grown because nothing was lost: two windows of which
 * three quarters lie in queues. What is not too large for a cache is free. */
static uint64_t path_needs(const struct tcb *t)
{
    uint64_t rate_Bps = t->bulk ? t->bulk->rate_Bps : 0, rtt_us = recovery_min_rtt(&t->recovery);
    if (!rate_Bps || !rtt_us) return UINT64_MAX;
    return max_u64(rate_Bps / 1000 * rtt_us / 1000 * 8, SEND_FREE_BYTES);
}

/* What may be in flight, and as much again to follow while a hole at its beginning is repaired; and once more if
 * the window grows meanwhile. */
void tcp_tune_send(struct tcb *t, const struct tcp_env *env)
{
    if (t->opt.sndbuf_fixed) return;
    uint64_t windows = t->cc.algorithm->own_cwnd ? 3 : 2;
    uint64_t want = min_u64(windows * min_u32(t->cc.cwnd, t->snd_wnd), path_needs(t));
    want = min_u64(want, env->params.sndbuf_max_bytes);
    want = min_u64(want, t->sendq.len + mem_share(env->mem));
    t->opt.sndbuf = max_u32(t->opt.sndbuf, (uint32_t)want);
}
