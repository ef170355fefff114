/* A receive buffer: one run of payload in a piece of memory. Lent to the driver whole, kept in the
 * receive queue when it holds much payload; little payload is copied into a compact one. */
#ifndef TCP_BUF_H
#define TCP_BUF_H

#include <stdint.h>

#include "util/mem.h"

enum {
    BUF_LENT_BYTES = 65664,  /* room in a lent buffer: the largest IPv4 packet and some slack */
    BUF_LINK_BYTES = 16384,  /* payload from which on it is kept: held is about 4x used at worst */
    BUF_LENT_CACHED = 32     /* free lent buffers kept warm by a stack, last in first out */
};

struct buf {
    struct buf *next;
    uint32_t cap;   /* bytes in memory[] */
    uint32_t start; /* of the run, in memory[] */
    uint32_t len;   /* of the run */
    uint32_t pad;
    uint8_t memory[];
};

struct buf_pool {
    struct mem *mem;
    struct buf *free; /* lent-size buffers */
    uint32_t free_count;
};

void buf_pool_init(struct buf_pool *pool, struct mem *mem);
void buf_pool_free(struct buf_pool *pool); /* give back the cached ones */
uint32_t buf_pool_held(const struct buf_pool *pool); /* bytes charged for the cached ones */
/* A lent-size buffer (cap == BUF_LENT_BYTES), or NULL. Charged as MEM_RECV while it is out or cached. */
struct buf *buf_lend(struct buf_pool *pool);
/* A compact buffer with room for at least `cap` bytes, or NULL. */
struct buf *buf_compact(struct buf_pool *pool, uint32_t cap);
void buf_release(struct buf_pool *pool, struct buf *b);
static inline uint32_t buf_charge(const struct buf *b) { return (uint32_t)sizeof(*b) + b->cap; }

#endif
