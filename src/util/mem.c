#include "util/mem.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void *default_alloc(void *ctx, size_t size)
{
    (void)ctx;
    return malloc(size);
}

static void default_release(void *ctx, void *memory, size_t size)
{
    (void)ctx;
    (void)size;
    free(memory);
}

void mem_init(struct mem *m, void *(*alloc)(void *ctx, size_t size),
              void (*release)(void *ctx, void *memory, size_t size), void *ctx, size_t limit)
{
    *m = (struct mem){
        .alloc = alloc ? alloc : default_alloc,
        .release = release ? release : default_release,
        .ctx = ctx,
        .limit = limit,
    };
}

void *mem_alloc(struct mem *m, enum mem_kind kind, size_t size)
{
    /* Written so that no size overflows; used may exceed a limit that was lowered later. */
    bool fits = m->used <= m->limit && size <= m->limit - m->used;
    void *memory = fits ? m->alloc(m->ctx, size) : NULL;
    if (!memory) {
        m->refused++;
        return NULL;
    }
    m->used += size;
    m->by_kind[kind] += size;
    if (m->peak < m->used)
        m->peak = m->used;
    return memory;
}

void *mem_zalloc(struct mem *m, enum mem_kind kind, size_t size)
{
    void *memory = mem_alloc(m, kind, size);
    if (memory)
        memset(memory, 0, size);
    return memory;
}

void mem_free(struct mem *m, enum mem_kind kind, void *memory, size_t size)
{
    if (!memory)
        return;
    assert(m->by_kind[kind] >= size && m->used >= size);
    m->used -= size;
    m->by_kind[kind] -= size;
    m->release(m->ctx, memory, size);
}

int mem_above(const struct mem *m, unsigned percent)
{
    if (percent >= 100)
        return m->used > m->limit;
    return m->used > m->limit / 100 * percent + m->limit % 100 * percent / 100;
}

size_t mem_share(const struct mem *m)
{
    size_t tight = m->limit / 100 * MEM_TIGHT_PERCENT;
    return m->used < tight ? (tight - m->used) / 4 : 0;
}
