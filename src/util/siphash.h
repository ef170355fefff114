/* SipHash-2-4 (Aumasson, Bernstein 2012): a keyed hash of short inputs. */
#ifndef UTIL_SIPHASH_H
#define UTIL_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
    uint64_t k0, k1;
};

/* The key from 16 bytes, little-endian as in the reference. */
struct siphash_key siphash_key_load(const uint8_t bytes[16]);
uint64_t siphash(const struct siphash_key *key, const void *data, size_t len);
/* For 4-tuples: what siphash() of the 12 little-endian bytes of these words gives. */
uint64_t siphash_3u32(const struct siphash_key *key, uint32_t a, uint32_t b, uint32_t c);

#endif
