/* Network byte order and the Internet checksum (RFC 1071). */
#ifndef LINK_BYTES_H
#define LINK_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t get16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static inline uint32_t get32(const uint8_t *p)
{
    return get16(p) << 16 | get16(p + 2);
}

static inline void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v);
}

/* The sum of `len` bytes, in the order of this machine: it is the same sum, its bytes turned round.
 * Sums of parts may be added up where each part but the last has an even length. */
uint64_t sum_of(const void *data, size_t len);

/* The sum of a TCP pseudo-header over an IPv4 header and a segment of `len` bytes. */
uint64_t sum_of_pseudo(const uint8_t *ip, uint32_t len);

/* Store a sum in the packet: as it is, or complemented as a checksum is. */
void sum_store(uint8_t *field, uint64_t sum);
void sum_store_complement(uint8_t *field, uint64_t sum);

/* 16 bits of a sum; 0xffff over what holds a right checksum. */
uint16_t sum_fold(uint64_t sum);

/* Make the checksum of an IPv4 header. */
void ip_checksum(uint8_t *ip, size_t ip_len);

#endif
