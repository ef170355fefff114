#include "tcp/rtt.h"

#include "util/bytes.h"

enum { SAMPLE_MAX_US = 1u << 30 }; /* 18 minutes: beyond any path, and far from overflow */

void rtt_init(struct rtt *r, const struct tcp_params *p)
{
    *r = (struct rtt){.rto_us = p->rto_initial_us};
}

void rtt_sample(struct rtt *r, const struct tcp_params *p, uint64_t us)
{
    uint32_t sample = (uint32_t)min_u64(us, SAMPLE_MAX_US);
    sample = max_u32(sample, 1); /* 0 means "no sample yet" */
    if (!r->srtt_us) {
        r->srtt_us = sample;
        r->rttvar_us = sample / 2;
    } else {
        uint32_t error = sample > r->srtt_us ? sample - r->srtt_us : r->srtt_us - sample;
        r->rttvar_us = r->rttvar_us - r->rttvar_us / 4 + error / 4;
        r->srtt_us = max_u32(r->srtt_us - r->srtt_us / 8 + sample / 8, 1);
    }
    /* G, the clock's granularity, is 1 ms: that of the timestamps. RTTVAR knows the past alone. On a long path that
     * was steady it is next to nothing, and a queue that fills within a round trip makes the next one half as long
     * again: what was sent again waits behind that queue. Linux adds 200 ms at least. */
    uint64_t rto = (uint64_t)r->srtt_us + max_u32(max_u32(1000, r->srtt_us / 2), 4 * r->rttvar_us);
    r->rto_us = (uint32_t)min_u64(max_u64(rto, p->rto_min_us), p->rto_max_us);
}

uint32_t rtt_backed_off(const struct rtt *r, const struct tcp_params *p, unsigned backoff)
{
    uint64_t rto = (uint64_t)r->rto_us << (backoff < 16 ? backoff : 16);
    return (uint32_t)min_u64(rto, p->rto_max_us);
}

void rtt_after_lost_syn(struct rtt *r)
{
    r->rto_us = max_u32(r->rto_us, 3000000);
}
