#include "util/bitset.h"

enum { WORD = 64, LEVELS_MAX = 6 /* of 2^32 numbers */ };

static uint32_t words(uint32_t bits) { return bits / WORD + (bits % WORD != 0); }

uint32_t bitset_words(uint32_t size)
{
    uint32_t level = words(size), sum = level;
    while (level > 1) sum += level = words(level);
    return sum;
}

void bitset_put(uint64_t *set, uint32_t size, uint32_t number, bool in)
{
    for (;;) {
        uint64_t *word = &set[number / WORD], bit = 1ull << (number % WORD), before = *word;
        *word = in ? before | bit : before & ~bit;
        if (size <= WORD || !before == !*word) return;
        set += words(size);
        size = words(size);
        number /= WORD;
    }
}

uint32_t bitset_next(const uint64_t *set, uint32_t size, uint32_t from)
{
    const uint64_t *below[LEVELS_MAX];
    unsigned depth = 0;
    uint32_t number = from, bits = size;
    uint64_t word;
    for (;;) { /* up, to a word that has something at or behind it */
        if (number >= bits) return size;
        word = set[number / WORD] >> (number % WORD);
        if (word) break;
        below[depth++] = set;
        set += words(bits);
        bits = words(bits);
        number = number / WORD + 1;
    }
    number += (uint32_t)__builtin_ctzll(word);
    while (depth) { /* and down to what that is */
        set = below[--depth];
        number = number * WORD + (uint32_t)__builtin_ctzll(set[number]);
    }
    return number;
}

uint32_t bitset_prev(const uint64_t *set, uint32_t size, uint32_t from)
{
    const uint64_t *below[LEVELS_MAX];
    unsigned depth = 0;
    uint32_t number = from, bits = size;
    uint64_t word;
    for (;;) {
        word = set[number / WORD] << (WORD - 1 - number % WORD);
        if (word) break;
        if (number < WORD) return size;
        below[depth++] = set;
        set += words(bits);
        bits = words(bits);
        number = number / WORD - 1;
    }
    number -= (uint32_t)__builtin_clzll(word);
    while (depth) {
        set = below[--depth];
        number = number * WORD + WORD - 1 - (uint32_t)__builtin_clzll(set[number]);
    }
    return number;
}
