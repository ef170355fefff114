/*
 * struct tcp_info as Linux fills it, which is longer than the one of <netinet/tcp.h> in some C libraries: a caller gets
 * as much as he has room for, whichever he was compiled with. What is not counted here is 0.
 */
#ifndef STACK_TCP_INFO_H
#define STACK_TCP_INFO_H

#include <netinet/tcp.h>
#include <stddef.h>
#include <stdint.h>

struct tcp_info_tail { /* behind tcpi_total_retrans */
    uint64_t pacing_rate, max_pacing_rate; /* bytes a second; all ones: no limit */
    uint64_t bytes_acked, bytes_received;
    uint32_t segs_out, segs_in;
    uint32_t notsent_bytes, min_rtt;
    uint32_t data_segs_in, data_segs_out;
    uint64_t delivery_rate;
    uint64_t busy_time, rwnd_limited, sndbuf_limited; /* us */
    uint32_t delivered, delivered_ce;
    uint64_t bytes_sent, bytes_retrans;
    uint32_t dsack_dups, reord_seen;
    uint32_t rcv_ooopack, snd_wnd;
    uint32_t rcv_wnd, rehash;
};

enum {
    TCP_INFO_HEAD_BYTES = offsetof(struct tcp_info, tcpi_total_retrans) + sizeof(uint32_t),
    TCP_INFO_BYTES = TCP_INFO_HEAD_BYTES + sizeof(struct tcp_info_tail),
    TCP_INFO_APP_LIMITED = 7 /* offset of the byte with tcpi_delivery_rate_app_limited */
};

union tcp_info_whole {
    struct tcp_info head;
    uint8_t bytes[TCP_INFO_BYTES];
};

#endif
