/* Sequence numbers modulo 2^32 (RFC 9293 3.4) as a type of their own: a raw comparison does not
 * compile. At a distance of exactly 2^31, seq_diff is INT32_MIN both ways: each is before the
 * other. */
#ifndef UTIL_SEQ_H
#define UTIL_SEQ_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint32_t v;
} seq_t;

static inline seq_t seq_of(uint32_t v) { return (seq_t){v}; }
static inline seq_t seq_add(seq_t s, uint32_t n) { return (seq_t){s.v + n}; }
static inline seq_t seq_sub(seq_t s, uint32_t n) { return (seq_t){s.v - n}; }

/* a - b as a signed distance; spelled out, since a cast would be implementation-defined. */
static inline int32_t seq_diff(seq_t a, seq_t b)
{
    uint32_t d = a.v - b.v;
    return d <= (uint32_t)INT32_MAX ? (int32_t)d : -(int32_t)(UINT32_MAX - d) - 1;
}
/* a - b where the caller knows that b is not after a. */
static inline uint32_t seq_len(seq_t from, seq_t to) { return to.v - from.v; }

static inline bool seq_eq(seq_t a, seq_t b) { return a.v == b.v; }
static inline bool seq_lt(seq_t a, seq_t b) { return seq_diff(a, b) < 0; }
static inline bool seq_leq(seq_t a, seq_t b) { return seq_diff(a, b) <= 0; }
static inline bool seq_gt(seq_t a, seq_t b) { return seq_diff(a, b) > 0; }
static inline bool seq_geq(seq_t a, seq_t b) { return seq_diff(a, b) >= 0; }
static inline seq_t seq_max(seq_t a, seq_t b) { return seq_lt(a, b) ? b : a; }
static inline seq_t seq_min(seq_t a, seq_t b) { return seq_lt(a, b) ? a : b; }

#endif
