/* Packets as the simulated network sees them. This code shares nothing with the stack's own: a
 * mistake in one is not mirrored in the other. */
#ifndef SIM_PACKET_H
#define SIM_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "mytcp.h"

/* One IPv4 packet in memory of exactly its size, so that a reader beyond its end is caught. */
struct packet {
    uint32_t len;
    uint16_t gso_size;
    bool needs_csum;
    uint8_t data[];
};

struct segment_sack {
    uint32_t left, right;
};

/* A TCP segment, in host order. Addresses in network order. */
struct segment {
    uint32_t src, dst;
    uint16_t sport, dport;
    uint32_t seq, ack;
    uint8_t flags, reserved;
    uint16_t window, urgent;
    uint16_t header_len, options_len; /* IPv4 and TCP header; TCP options in it */
    const uint8_t *payload;
    uint32_t payload_len;
    uint16_t mss;   /* 0: no option */
    int8_t wscale;  /* -1: no option */
    bool has_ts, sack_ok;
    uint32_t tsval, tsecr;
    uint8_t sack_count;
    struct segment_sack sack[4];
};

struct packet *packet_new(uint32_t len);
struct packet *packet_from_tx(const struct mytcp_tx *tx);
struct packet *packet_copy(const struct packet *p, uint32_t len); /* cut or padded to len */

/* Take a TCP packet apart; NULL, or what is malformed (a constant). */
const char *packet_parse(const struct packet *p, struct segment *s);
bool packet_is_icmp(const struct packet *p);
uint32_t packet_dst(const struct packet *p); /* network order */

/* NULL, or which checksum is wrong. A partial one must hold the pseudo-header's sum. */
const char *packet_check_sums(const struct packet *p);
/* Do what a congested router does to an ECN-capable packet: mark it (RFC 3168 5). */
void packet_mark(struct packet *p);
/* Do what a network card does: complete the checksum. */
void packet_finish_checksum(struct packet *p);
/* The i-th packet that a network card cuts a super-segment into; NULL past the last. */
struct packet *packet_piece(const struct packet *super, uint32_t i);

/* An ICMP fragmentation-needed about p. Addresses in network order. */
struct packet *packet_frag_needed(const struct packet *p, uint32_t router, uint16_t mtu);
/* A SYN out of the blue. */
struct packet *packet_syn(uint32_t src, uint32_t dst, uint16_t sport, uint16_t dport, uint32_t seq);

void packet_print(FILE *out, const struct packet *p);

#endif
