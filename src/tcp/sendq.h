/*
 * The send queue: bytes from SND.UNA to the end of what the application has written. One copy in, none
 * after: output refers to the memory by iovecs. It knows no sequence numbers: offsets count from
 * SND.UNA. An idle queue holds no memory. Finding an offset is O(log n) in the number of chunks.
 */
#ifndef TCP_SENDQ_H
#define TCP_SENDQ_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "util/mem.h"

enum { SENDQ_CHUNK_BYTES = 65536 }; /* the largest chunk; the first of a short queue are smaller */

struct sendq_chunk;

struct sendq {
    struct sendq_chunk **ring; /* chunks in order; grows by doubling */
    uint32_t head, count, cap; /* of the ring */
    uint32_t len;              /* bytes queued */
};

/* Free chunks of full size that a stack keeps warm, last in first out. */
struct sendq_pool {
    struct mem *mem;
    struct sendq_chunk *free;
    uint32_t free_count;
};

void sendq_pool_init(struct sendq_pool *pool, struct mem *mem);
void sendq_pool_free(struct sendq_pool *pool);
uint32_t sendq_pool_held(const struct sendq_pool *pool); /* bytes charged for those kept warm */

/* All zero is a valid empty queue. */
void sendq_free(struct sendq *q, struct sendq_pool *pool);

/* Append up to len bytes; fewer are taken only for want of memory. */
uint32_t sendq_append(struct sendq *q, struct sendq_pool *pool, const void *data, uint32_t len);
/* Room to write into at the end, up to `want` bytes, without queueing it: iovecs filled in *count (in:
 * room in iov); returns bytes covered, 0 without memory. sendq_commit queues the first n of them. Any
 * append in between makes them void. */
uint32_t sendq_reserve(struct sendq *q, struct sendq_pool *pool, uint32_t want, struct iovec *iov,
                       int *count);
void sendq_commit(struct sendq *q, uint32_t n);
/* The bytes of a reserve that is neither committed nor void. Their memory stays, whatever is dropped. */
uint32_t sendq_reserved(const struct sendq *q);
/* Give back what a reserve took and nobody committed, if the queue is empty. */
void sendq_trim(struct sendq *q, struct sendq_pool *pool);
/* The first n <= len bytes are acknowledged: let go of them. */
void sendq_drop(struct sendq *q, struct sendq_pool *pool, uint32_t n);
/* The bytes [offset, offset + len) as iovecs: fills at most max, stops early if they run out; returns
 * the bytes covered, and in *count the iovecs. */
uint32_t sendq_iov(const struct sendq *q, uint32_t offset, uint32_t len, struct iovec *iov, int max,
                   int *count);

/* Memory held, as charged: O(n), for those who want to know. */
uint32_t sendq_held(const struct sendq *q);

const char *sendq_check(const struct sendq *q);

#endif
