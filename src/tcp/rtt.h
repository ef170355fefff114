/* Round-trip time and the retransmission timeout (RFC 6298 2). A closed mechanism. */
#ifndef TCP_RTT_H
#define TCP_RTT_H

#include <stdint.h>

#include "tcp/params.h"

struct rtt {
    uint32_t srtt_us;   /* 0: no sample yet */
    uint32_t rttvar_us;
    uint32_t rto_us;    /* without backoff */
};

void rtt_init(struct rtt *r, const struct tcp_params *p);
/* One measurement (2.2, 2.3): at most a few a round trip. */
void rtt_sample(struct rtt *r, const struct tcp_params *p, uint64_t us);
/* The timeout after `backoff` expiries in a row (5.5), bounded by rto_max_us. */
uint32_t rtt_backed_off(const struct rtt *r, const struct tcp_params *p, unsigned backoff);
/* RFC 6298 5.7: the SYN was retransmitted, so data starts with 3 s. */
void rtt_after_lost_syn(struct rtt *r);

#endif
