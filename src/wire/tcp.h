/* TCP segments (RFC 9293 3.1): bytes <-> host-order struct. Pure. All parsing of options is here. */
#ifndef WIRE_TCP_H
#define WIRE_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "util/drop.h"
#include "util/seq.h"
#include "wire/ip4.h"

enum {
    TCP_FIN = 0x01,
    TCP_SYN = 0x02,
    TCP_RST = 0x04,
    TCP_PSH = 0x08,
    TCP_ACK = 0x10,
    TCP_URG = 0x20,
    TCP_ECE = 0x40,
    TCP_CWR = 0x80
};
enum { TCP_HEADER_LEN = 20, TCP_HEADER_MAX = 60, TCP_SACK_MAX = 4, TCP_WSCALE_MAX = 14 };

struct sack_block {
    seq_t start, end; /* [start, end) */
};

struct tcp_segment {
    ip4_addr src, dst;
    uint16_t src_port, dst_port;
    seq_t seq, ack;
    uint16_t window; /* as on the wire, not scaled */
    uint16_t urgent;
    uint8_t flags;
    uint8_t tos; /* of the IPv4 header: Diffserv field and ECN bits */
    bool has_mss, has_wscale, has_ts, sack_permitted;
    uint8_t wscale; /* at most TCP_WSCALE_MAX: larger ones are clamped (RFC 7323 2.3) */
    uint8_t sack_count;
    uint16_t mss;
    uint16_t gso_size; /* a super-segment's wire payload size, else 0 */
    uint32_t tsval, tsecr;
    struct sack_block sack[TCP_SACK_MAX];
    const uint8_t *payload; /* parse: into the packet. build: unused, payload goes as iovecs */
    uint32_t len;           /* payload bytes */
};

/* Octets of sequence space: payload, SYN and FIN. */
static inline uint32_t tcp_segment_space(const struct tcp_segment *s)
{
    return s->len + !!(s->flags & TCP_SYN) + !!(s->flags & TCP_FIN);
}

/*
 * Parse `len` bytes behind the IPv4 header. The caller has verified the checksum (tcp_checksum_ok) or
 * has reason not to. Malformed options: what stood before them counts, the rest is ignored; in a SYN the
 * segment is DROP_TCP_OPTIONS. An option of the wrong length is ignored; of one that comes twice the first
 * counts. Reserved bits are ignored. Port 0 is DROP_TCP_PORT.
 */
enum drop_reason tcp_parse(struct tcp_segment *s, const struct ip4_header *ip, const uint8_t *data,
                           size_t len);
bool tcp_checksum_ok(const struct ip4_header *ip, const uint8_t *data, size_t len);

/* Header length that tcp_build will use for these options: a multiple of 4, 20..60. */
unsigned tcp_header_len(const struct tcp_segment *s);
/*
 * Write the TCP header with options to out (tcp_header_len(s) bytes, which it returns). Layout as
 * Linux's: MSS, SACK-permitted + TS, window scale; TS with two NOPs before it, then SACK with two NOPs.
 * The blocks of sack[] that do not fit are left off. The checksum field is 0.
 */
unsigned tcp_build(uint8_t *out, const struct tcp_segment *s);
/* Store the checksum over header and payload iovecs. */
void tcp_fill_checksum(uint8_t *header, unsigned header_len, const struct tcp_segment *s,
                       const struct iovec *payload, int count);
/* Store what a device that finishes the checksum wants to find: the pseudo-header's folded sum. */
void tcp_fill_partial_checksum(uint8_t *header, unsigned header_len, const struct tcp_segment *s);

#endif
