#include "tcp/cc.h"

#include <string.h>

#include "util/bytes.h"

const struct cc_algorithm *cc_find(const char *name)
{
    if (!*name || !strcmp(name, cc_reno.name)) return &cc_reno;
    return NULL;
}

void cc_init(struct cc *cc, const struct cc_algorithm *algorithm)
{
    /* ssthresh starts arbitrarily high (RFC 5681 3.1) */
    *cc = (struct cc){.algorithm = algorithm, .ssthresh = UINT32_MAX / 2};
    algorithm->init(cc);
}

void cc_set_initial_window(struct cc *cc, uint32_t mss, uint32_t segments)
{
    uint64_t window = (uint64_t)mss * segments;
    if (segments == 10) window = min_u64(window, max_u32(2 * mss, 14600));
    cc->cwnd = (uint32_t)min_u64(window, INT32_MAX);
}

void cc_on_ack(struct cc *cc, uint32_t acked_bytes, uint32_t mss, uint64_t now_us)
{
    cc->algorithm->on_ack(cc, acked_bytes, mss, now_us);
}

void cc_on_loss(struct cc *cc, uint32_t flight_bytes, uint32_t mss, uint64_t now_us)
{
    cc->algorithm->on_loss(cc, flight_bytes, mss, now_us);
    cc->cwnd = cc->ssthresh;
    cc->acked = 0;
}

void cc_on_rto(struct cc *cc, uint32_t flight_bytes, uint32_t mss, int again, uint64_t now_us)
{
    if (!again) cc->algorithm->on_loss(cc, flight_bytes, mss, now_us);
    cc->cwnd = mss;
    cc->acked = 0;
}

void cc_on_idle(struct cc *cc, uint32_t mss, uint32_t segments)
{
    struct cc restart = *cc;
    cc_set_initial_window(&restart, mss, segments);
    cc->cwnd = min_u32(cc->cwnd, restart.cwnd);
    cc->acked = 0;
}
