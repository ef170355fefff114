/* Random numbers of the simulator: splitmix64, integers only, so that a seed means the same world
 * on every machine. */
#ifndef SIM_RNG_H
#define SIM_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
    uint64_t state;
};

static inline uint64_t rng_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline uint64_t rng_next(struct rng *r)
{
    r->state += 0x9e3779b97f4a7c15u;
    return rng_mix(r->state);
}

/* A stream of its own for `what` under `seed`. */
static inline struct rng rng_make(uint64_t seed, uint64_t what)
{
    struct rng r = {rng_mix(seed * 0x9e3779b97f4a7c15u + 1) ^ rng_mix(what + 0x51ed270b)};
    return r;
}

/* Uniform in lo..hi. */
static inline uint64_t rng_range(struct rng *r, uint64_t lo, uint64_t hi)
{
    return lo + rng_next(r) % (hi - lo + 1);
}

static inline uint32_t rng_u32(struct rng *r, uint32_t lo, uint32_t hi)
{
    return (uint32_t)rng_range(r, lo, hi);
}

/* Log-uniform in lo..hi, lo >= 1: every size class is as likely as any other. */
static inline uint64_t rng_log(struct rng *r, uint64_t lo, uint64_t hi)
{
    unsigned low = 0, high = 0;
    while (lo >> (low + 1) != 0) {
        low++;
    }
    while (hi >> (high + 1) != 0) {
        high++;
    }
    uint64_t bit = (uint64_t)1 << rng_range(r, low, high);
    uint64_t n = rng_range(r, bit, 2 * bit - 1);
    return n < lo ? lo : n > hi ? hi : n;
}

/* True in `ppm` of a million cases. */
static inline bool rng_chance(struct rng *r, uint32_t ppm)
{
    return ppm != 0 && rng_next(r) % 1000000 < ppm;
}

#endif
