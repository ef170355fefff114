/* Chance that can be repeated: splitmix64. */
#ifndef LINK_CHANCE_H
#define LINK_CHANCE_H

#include <stdbool.h>
#include <stdint.h>

struct chance {
    uint64_t state;
};

/* The next number of [0, 1). */
static inline double chance_next(struct chance *chance)
{
    uint64_t z = chance->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return (double)(z >> 11) * 0x1p-53;
}

/* Does what happens with this probability happen? Of what never does nothing is drawn. */
static inline bool chance_hits(struct chance *chance, double probability)
{
    return probability > 0 && chance_next(chance) < probability;
}

#endif
