/* Reno: slow start and congestion avoidance of RFC 5681 3.1, by bytes (RFC 3465). */
#include "tcp/cc.h"
#include "util/bytes.h"

enum { CWND_MAX = 1u << 30 }; /* the largest window that scaling can say */

static void reno_init(struct cc *cc) { (void)cc; }

static void reno_on_ack(struct cc *cc, uint32_t acked_bytes, uint32_t mss, uint64_t now_us)
{
    (void)now_us;
    if (cc->cwnd < cc->ssthresh) {
        /* A stretch ACK of a super-segment counts for all it covers, but never doubles more than
         * once: cwnd grows by at most what was acknowledged, and stops at ssthresh. */
        uint32_t grow = min_u32(acked_bytes, cc->ssthresh - cc->cwnd);
        cc->cwnd = min_u32(cc->cwnd + grow, CWND_MAX);
        acked_bytes -= grow;
    }
    if (cc->cwnd < cc->ssthresh || !acked_bytes) return;
    uint64_t acked = (uint64_t)cc->acked + acked_bytes;
    while (acked >= cc->cwnd && cc->cwnd < CWND_MAX) { /* one MSS a window */
        acked -= cc->cwnd;
        cc->cwnd = min_u32(cc->cwnd + mss, CWND_MAX);
    }
    cc->acked = (uint32_t)min_u64(acked, cc->cwnd);
}

static void reno_on_loss(struct cc *cc, uint32_t flight_bytes, uint32_t mss, uint64_t now_us)
{
    (void)now_us;
    cc->ssthresh = max_u32(flight_bytes / 2, 2 * mss); /* RFC 5681 (4) */
}

const struct cc_algorithm cc_reno = {
    .name = "reno", .init = reno_init, .on_ack = reno_on_ack, .on_loss = reno_on_loss};
