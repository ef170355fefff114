/* ICMP (RFC 792, 1191): bytes <-> host-order struct. Pure. */
#ifndef WIRE_ICMP_H
#define WIRE_ICMP_H

#include "wire/ip4.h"

enum {
    ICMP_ECHO_REPLY = 0,
    ICMP_UNREACHABLE = 3,
    ICMP_SOURCE_QUENCH = 4,
    ICMP_REDIRECT = 5,
    ICMP_ECHO = 8,
    ICMP_TIME_EXCEEDED = 11,
    ICMP_PARAMETER_PROBLEM = 12
};
enum { ICMP_UNREACH_PROTOCOL = 2, ICMP_UNREACH_PORT = 3, ICMP_UNREACH_FRAG_NEEDED = 4, ICMP_EXCEEDED_REASSEMBLY = 1 };
enum { ICMP_HEADER_LEN = 8, ICMP_QUOTE_PAYLOAD = 8 };

struct icmp_message {
    uint8_t type, code;
    uint16_t mtu;               /* of fragmentation needed; 0 from old routers */
    bool is_error;              /* types 3, 4, 5, 11, 12: the fields below are set from the quote */
    bool quote_ok;              /* a whole IPv4 header and 8 bytes of TCP are quoted, not a later fragment */
    ip4_addr quoted_src, quoted_dst;
    uint8_t quoted_protocol;
    uint16_t quoted_total_len;
    uint16_t quoted_src_port, quoted_dst_port; /* if quote_ok */
    uint32_t quoted_seq;                       /* if quote_ok and TCP */
    const uint8_t *body;        /* behind the first 4 bytes: identifier, sequence, data of an echo */
    uint32_t body_len;
};

/* `data`, `len`: behind the IPv4 header. DROP_ICMP_BAD if shorter than 8 bytes or the checksum is wrong. */
enum drop_reason icmp_parse(struct icmp_message *m, const uint8_t *data, size_t len);

/* Turn an echo request (IPv4 header included, options allowed) of `len` bytes into its reply, in place:
 * 20-byte header without options, own TTL, code 0. Returns where the reply starts (the options' room is
 * skipped); *len becomes its length. */
uint8_t *icmp_make_echo_reply(uint8_t *packet, const struct ip4_header *ip, uint8_t ttl, uint32_t *len);

/* Build an error about `packet` (IPv4 header plus 8 bytes are quoted). out has room for
 * 20 + 8 + 60 + 8 bytes; returns the length. */
unsigned icmp_build_error(uint8_t *out, ip4_addr src, uint8_t ttl, uint8_t type, uint8_t code,
                          const uint8_t *packet, const struct ip4_header *ip);

#endif
