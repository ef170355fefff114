/* Copies of their exact size in a heap block, so that ASan sees the first byte read beyond; a
 * small generator of repeatable pseudo-random numbers. */
#ifndef TESTS_LIB_EXACT_H
#define TESTS_LIB_EXACT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* For free(). */
static inline uint8_t *exact_copy(const void *data, size_t len)
{
    uint8_t *copy = malloc(len);
    if (!copy)
        abort();
    if (len)
        memcpy(copy, data, len);
    return copy;
}

/* xorshift32: *state is any number but 0. */
static inline uint32_t random_next(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

#endif
