/* An allocator that refuses now and then, and counts. */
#ifndef LIB_SCARCE_H
#define LIB_SCARCE_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "lib/random.h"
#include "util/mem.h"

struct scarce {
    struct random random;
    uint32_t refused_percent;
    uint64_t calls;
    int64_t blocks; /* not yet released */
};

static inline void *scarce_alloc(void *ctx, size_t size)
{
    struct scarce *s = ctx;
    s->calls++;
    if (s->refused_percent > 0 && random_below(&s->random, 100) < s->refused_percent)
        return NULL;
    void *memory = malloc(size);
    s->blocks += memory != NULL;
    return memory;
}

static inline void scarce_release(void *ctx, void *memory, size_t size)
{
    struct scarce *s = ctx;
    (void)size;
    s->blocks--;
    free(memory);
}

static inline void scarce_init(struct scarce *s, struct mem *mem, uint64_t seed)
{
    *s = (struct scarce){.random = {seed}};
    mem_init(mem, scarce_alloc, scarce_release, s, SIZE_MAX);
}

#endif
