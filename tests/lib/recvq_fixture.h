/* A receive queue on an allocator that can refuse, filled from a stream whose bytes depend on their place. */
#ifndef TESTS_LIB_RECVQ_FIXTURE_H
#define TESTS_LIB_RECVQ_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "lib/scarce.h"
#include "tcp/recvq.h"

static struct scarce heap;
static struct mem mem;
static struct buf_pool pool;
static struct recvq q;
static uint64_t nxt;   /* stream position of RCV.NXT */
static uint64_t taken; /* of the next byte to read */

static inline int begin(void **state)
{
    (void)state;
    scarce_init(&heap, &mem, 1);
    buf_pool_init(&pool, &mem);
    memset(&q, 0, sizeof(q));
    nxt = taken = 0;
    return 0;
}

static inline int end(void **state)
{
    (void)state;
    recvq_free(&q, &pool);
    assert_true(recvq_idle(&q));
    buf_pool_free(&pool);
    assert_int_equal(mem.used, 0);
    assert_int_equal(heap.blocks, 0);
    return 0;
}

static inline uint8_t byte_at(uint64_t pos)
{
    return (uint8_t)(pos * 2654435761u >> 11);
}

static inline void check(void)
{
    const char *bad = recvq_check(&q);
    if (bad)
        fail_msg("%s", bad);
    assert_int_equal(mem.used, recvq_held(&q) + (uint64_t)pool.free_count *
                                            (sizeof(struct buf) + BUF_LENT_BYTES));
}

/* Insert stream bytes [nxt + offset, + len), plain or in a lent buffer; true if that was kept. */
static bool kept;
static inline enum recvq_result put_from(uint32_t offset, uint32_t len, uint32_t max, bool lent)
{
    uint32_t advance = 0;
    struct buf *b = lent ? buf_lend(&pool) : NULL;
    uint8_t *data = b ? b->memory + 40 : malloc(len + 1);
    for (uint32_t i = 0; i < len; i++)
        data[i] = byte_at(nxt + offset + i);
    struct recvq_data in = {data, len, b};
    enum recvq_result result = recvq_insert(&q, &pool, offset, &in, max, &advance);
    kept = b && !in.owner;
    if (in.owner) {
        memset(data, 0xee, len);
        buf_release(&pool, b);
    }
    if (!b)
        free(data);
    nxt += advance;
    return result;
}

static inline enum recvq_result put(uint32_t offset, uint32_t len)
{
    return put_from(offset, len, 256, false);
}

#endif
