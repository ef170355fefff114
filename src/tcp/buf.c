#include "tcp/buf.h"

#include <stddef.h>

enum {
    COMPACT_MIN_BYTES = 256,    /* with its header: what a short message costs */
    COMPACT_MAX_BYTES = 16384,  /* powers of two up to here, larger ones as they are asked for */
    COMPACT_ROUND_BYTES = 64
};

void buf_pool_init(struct buf_pool *pool, struct mem *mem)
{
    pool->mem = mem;
    pool->free = NULL;
    pool->free_count = 0;
}

void buf_pool_free(struct buf_pool *pool)
{
    while (pool->free) {
        struct buf *b = pool->free;
        pool->free = b->next;
        mem_free(pool->mem, MEM_RECV, b, buf_charge(b));
    }
    pool->free_count = 0;
}

uint32_t buf_pool_held(const struct buf_pool *pool)
{
    return pool->free ? pool->free_count * buf_charge(pool->free) : 0; /* of one size */
}

static struct buf *make(struct buf_pool *pool, uint32_t cap)
{
    struct buf *b = mem_alloc(pool->mem, MEM_RECV, sizeof(*b) + cap);
    if (!b && pool->free) {
        buf_pool_free(pool); /* what is kept warm must not starve what is needed */
        b = mem_alloc(pool->mem, MEM_RECV, sizeof(*b) + cap);
    }
    if (!b)
        return NULL;
    *b = (struct buf){.cap = cap};
    return b;
}

struct buf *buf_lend(struct buf_pool *pool)
{
    struct buf *b = pool->free;
    if (!b)
        return make(pool, BUF_LENT_BYTES);
    pool->free = b->next;
    pool->free_count--;
    b->next = NULL;
    b->start = 0;
    b->len = 0;
    return b;
}

struct buf *buf_compact(struct buf_pool *pool, uint32_t cap)
{
    uint32_t size = COMPACT_MIN_BYTES, need = (uint32_t)sizeof(struct buf) + cap;
    while (size < need && size < COMPACT_MAX_BYTES)
        size *= 2;
    if (size < need)
        size = (need + COMPACT_ROUND_BYTES - 1) / COMPACT_ROUND_BYTES * COMPACT_ROUND_BYTES;
    return make(pool, size - (uint32_t)sizeof(struct buf));
}

void buf_release(struct buf_pool *pool, struct buf *b)
{
    if (b->cap != BUF_LENT_BYTES || pool->free_count == BUF_LENT_CACHED) {
        mem_free(pool->mem, MEM_RECV, b, buf_charge(b));
        return;
    }
    b->next = pool->free;
    pool->free = b;
    pool->free_count++;
}
