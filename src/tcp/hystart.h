/*
 * HyStart++ (RFC 9406): the first slow start ends when round-trip times rise, before the queue overflows.
 * It slows down first (CSS, conservative slow start), and returns if the rise was none. A closed mechanism,
 * all zero at its beginning.
 */
#ifndef TCP_HYSTART_H
#define TCP_HYSTART_H

#include "tcp/cc.h"

struct hystart {
    uint64_t round_end;                   /* windowEnd, as bytes since the connection's beginning */
    uint32_t last_min_rtt_us, min_rtt_us; /* of the last and of this round; 0: infinity */
    uint32_t baseline_us;                 /* cssBaselineMinRtt; 0: not in CSS */
    uint8_t samples;                      /* of this round */
    uint8_t css_rounds;
};

/* An ACK in the first slow start: cwnd grows; ssthresh becomes cwnd when congestion avoidance begins. */
void hystart_on_ack(struct hystart *h, struct cc *cc, const struct cc_event *e);

#endif
