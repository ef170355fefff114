/* IPv4 headers (RFC 791): bytes <-> host-order struct. Pure. */
#ifndef WIRE_IP4_H
#define WIRE_IP4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/drop.h"

typedef struct {
    uint32_t v; /* host order */
} ip4_addr;

enum { IP4_HEADER_LEN = 20, IP4_HEADER_MAX = 60, IP4_PROTO_ICMP = 1, IP4_PROTO_TCP = 6, IP4_PROTO_UDP = 17 };

struct ip4_header {
    ip4_addr src, dst;
    uint16_t total_len;
    uint16_t id;
    uint16_t frag_offset; /* in bytes */
    uint8_t header_len;   /* in bytes */
    uint8_t protocol, ttl, tos;
    bool dont_fragment, more_fragments;
};

/*
 * Parse and check: version, header length, total length against `len`, checksum, options (walked by
 * length; a malformed list or a source route is DROP_IP_OPTIONS). Addresses are not judged here.
 * On DROP_NONE, total_len <= len: bytes beyond it are padding.
 */
enum drop_reason ip4_parse(struct ip4_header *h, const uint8_t *packet, size_t len);

/* Write a 20-byte header with DF set, ID 0 and its checksum. */
void ip4_build(uint8_t out[IP4_HEADER_LEN], ip4_addr src, ip4_addr dst, uint8_t protocol, uint8_t ttl,
               uint8_t tos, uint16_t total_len);

bool ip4_is_unicast(ip4_addr a); /* not 0/8, 127/8, 224/4, 240/4, nor 255.255.255.255 */
bool ip4_is_broadcast_of(ip4_addr a, ip4_addr local, unsigned prefix_len); /* of local's subnet, both forms */

#endif
