/* A set of numbers below its size, in words that the caller provides: a bit each, and above them, level by level,
 * a bit for each word that is not zero. Adding, removing and finding a neighbour cost O(log64 size). */
#ifndef UTIL_BITSET_H
#define UTIL_BITSET_H

#include <stdbool.h>
#include <stdint.h>

/* Words that a set of numbers below `size` takes. Zeroed, it is empty. */
uint32_t bitset_words(uint32_t size);
void bitset_put(uint64_t *set, uint32_t size, uint32_t number, bool in);
/* The least number of the set that is >= from; size if there is none. */
uint32_t bitset_next(const uint64_t *set, uint32_t size, uint32_t from);
/* The greatest that is <= from; size if there is none. */
uint32_t bitset_prev(const uint64_t *set, uint32_t size, uint32_t from);

static inline bool bitset_has(const uint64_t *set, uint32_t number)
{
    return set[number / 64] >> (number % 64) & 1;
}

#endif
