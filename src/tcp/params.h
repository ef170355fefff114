/* The policy numbers of TCP, as the stack's configuration sets them. Units as named. */
#ifndef TCP_PARAMS_H
#define TCP_PARAMS_H

#include <stdbool.h>
#include <stdint.h>

struct tcp_params {
    uint32_t msl_us;
    uint32_t rto_initial_us, rto_min_us, rto_max_us;
    uint32_t max_ack_delay_us; /* RFC 8985 TLP.max_ack_delay */
    uint32_t syn_retries, synack_retries, data_retries, orphan_retries;
    uint32_t delayed_ack_us, quick_acks, ack_every_segments;
    uint32_t timestamp_clock_us;
    uint32_t initial_window_segments, burst_min_segments;
    uint32_t congestion; /* the algorithm's number (cc.h) */
    uint32_t mss_min_bytes;
    uint32_t mtu_probing; /* 0 off, 1 after a black hole, 2 from the beginning */
    uint32_t mtu_base_bytes, mtu_black_hole_timeouts;
    uint32_t pmtu_min_bytes;
    uint64_t pmtu_timeout_us;
    uint32_t challenge_acks_per_s;
    uint32_t ooo_ranges_max;
    uint32_t ecn;              /* 0 off, 1 when the peer asks, 2 ask */
    uint32_t rcvbuf_max_bytes; /* what the window scale must be able to say */
    uint32_t sndbuf_max_bytes;
    bool timestamps, window_scaling, sack, push_each_burst, tail_loss_probe, pacing;
};

#endif
