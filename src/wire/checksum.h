/* The Internet checksum (RFC 1071). Sums are 64-bit accumulators of 16-bit words in network order as
 * they lie in memory; fold at the end. Same result on either endianness. */
#ifndef WIRE_CHECKSUM_H
#define WIRE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#include "wire/ip4.h"

struct checksum {
    uint64_t sum;
    size_t len; /* so far: an odd chunk shifts the next by a byte */
};

static inline struct checksum checksum_start(void) { return (struct checksum){0, 0}; }
void checksum_add(struct checksum *c, const void *data, size_t len);
/* The IPv4 pseudo-header of a payload of `len` bytes (RFC 9293 3.1); call at an even length. */
void checksum_add_pseudo(struct checksum *c, ip4_addr src, ip4_addr dst, uint8_t protocol, uint32_t len);
/* Folded to 16 bits, host order, not complemented: 0xffff (or 0) over a valid datagram. */
uint16_t checksum_fold(const struct checksum *c);
/* What to store in the field: the complement. */
static inline uint16_t checksum_field(const struct checksum *c) { return (uint16_t)~checksum_fold(c); }
/* Does the sum over a datagram, its checksum field included, come out right? */
static inline int checksum_ok(const struct checksum *c) { return checksum_field(c) == 0; }

#endif
