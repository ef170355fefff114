/* Reno: slow start and congestion avoidance of RFC 5681 3.1, by bytes (RFC 3465). */
#include "tcp/cc.h"
#include "util/bytes.h"

static void reno_on_ack(struct cc *cc, const struct cc_event *e)
{
    if (!e->limited) return;
    uint32_t acked_bytes = cc_slow_start(cc, e->acked_bytes);
    if (cc->cwnd < cc->ssthresh || !acked_bytes) return;
    uint64_t acked = (uint64_t)cc->acked + acked_bytes;
    while (acked >= cc->cwnd) { /* one MSS a window */
        acked -= cc->cwnd;
        cc->cwnd = min_u32(cc->cwnd + e->mss, CC_CWND_MAX);
    }
    cc->acked = (uint32_t)acked;
}

static void reno_on_loss(struct cc *cc, const struct cc_event *e)
{
    cc->ssthresh = max_u32(e->flight_bytes / 2, 2 * e->mss); /* RFC 5681 (4) */
}

const struct cc_algorithm cc_reno = {.name = "reno", .on_ack = reno_on_ack, .on_loss = reno_on_loss};
