#include "tcp/pace.h"

#include "util/bytes.h"

enum { BURST_MIN_SEGMENTS = 2, BURST_MAX_BYTES = 65536 };

static uint64_t duration_ns(uint32_t rate_kBps, uint32_t bytes) { return bytes * 1000000ull / rate_kBps; }

uint32_t pace_burst(uint32_t rate_kBps, uint32_t mss)
{
    uint32_t burst = min_u32(rate_kBps, BURST_MAX_BYTES); /* a millisecond of kB/s is as many bytes */
    return max_u32(burst - burst % mss, BURST_MIN_SEGMENTS * mss);
}

/* Who waited and was woken late makes up for that by half a burst at most (as Linux): a coarse timer does not
 * cost throughput, and a long absence draws no burst. */
uint32_t pace_room(struct pacer *p, uint32_t rate_kBps, uint32_t mss, uint64_t now_us)
{
    uint64_t now_ns = now_us * 1000;
    if (now_ns < p->next_ns) return p->left;
    uint32_t burst = pace_burst(rate_kBps, mss);
    uint64_t late_ns = p->waited ? now_ns - p->next_ns : 0;
    p->next_ns = now_ns - min_u64(late_ns, duration_ns(rate_kBps, burst) / 2);
    p->left = burst;
    p->waited = false;
    p->wake_us = 0;
    return burst;
}

void pace_wait(struct pacer *p)
{
    p->waited = true;
    p->wake_us = (p->next_ns + 999) / 1000;
}

void pace_sent(struct pacer *p, uint32_t rate_kBps, uint32_t bytes)
{
    p->next_ns += duration_ns(rate_kBps, bytes);
    p->left -= min_u32(p->left, bytes);
}
