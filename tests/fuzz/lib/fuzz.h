/* What every fuzz target shares: the input read as a stream of small numbers, and a check that ends
 * the program with a message. A target is one file with LLVMFuzzerTestOneInput. */
#ifndef FUZZ_LIB_FUZZ_H
#define FUZZ_LIB_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define CHECK(condition, ...)                                               \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition); \
            fprintf(stderr, __VA_ARGS__);                                   \
            fprintf(stderr, "\n");                                          \
            abort();                                                        \
        }                                                                   \
    } while (0)

/* What streams consist of from a position on: TAPE_SPARE bytes; the same after TAPE_BYTES again. */
enum { TAPE_BYTES = 1 << 18, TAPE_SPARE = 1 << 17 };

static inline const uint8_t *tape(uint32_t at)
{
    static uint8_t bytes[TAPE_BYTES + TAPE_SPARE];
    static bool written;
    for (uint32_t i = 0; !written && i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i % TAPE_BYTES * 2654435761u >> 21);
    written = true;
    return bytes + at % TAPE_BYTES;
}

/* The input. Beyond its end everything is 0. */
struct input {
    const uint8_t *at;
    size_t left;
};

static inline uint8_t take8(struct input *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->at++;
}

static inline uint16_t take16(struct input *in)
{
    unsigned high = take8(in);
    return (uint16_t)(high << 8 | take8(in));
}

static inline uint32_t take32(struct input *in)
{
    uint32_t high = take16(in);
    return high << 16 | take16(in);
}

/* 0 .. n - 1 */
static inline uint32_t take_below(struct input *in, uint32_t n)
{
    return (n > 256 ? take16(in) : take8(in)) % n;
}

/* Mostly small, sometimes large: a byte of mantissa, shifted by up to `shift_max`. */
static inline uint32_t take_size(struct input *in, uint32_t shift_max)
{
    uint32_t shift = take8(in) % (shift_max + 1);
    return (uint32_t)take8(in) << shift;
}

/* A distance in sequence space: near, or near a power of two. */
static inline uint32_t take_distance(struct input *in)
{
    uint8_t kind = take8(in);
    uint32_t small = take8(in);
    uint32_t far = kind & 31 ? 1u << (kind & 31) : 0;
    uint32_t distance = kind & 64 ? far - small : far + small;
    return kind & 32 ? 0u - distance : distance;
}

/* The next n bytes, or what is left. */
static inline const uint8_t *take_bytes(struct input *in, size_t *n)
{
    const uint8_t *bytes = in->at;
    if (*n > in->left)
        *n = in->left;
    in->at += *n;
    in->left -= *n;
    return bytes;
}

#endif
