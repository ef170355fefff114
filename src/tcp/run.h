/* A run of received bytes without a hole, as a list of buffers: what the receive queue is made of. */
#ifndef TCP_RUN_H
#define TCP_RUN_H

#include <stdint.h>

#include "tcp/recvq.h"

struct run {
    uint64_t start, end; /* in bytes from wherever the queue counts */
    struct buf *head, *tail;
};

/* Append the `len` bytes of `in` from `from` on: linked, or copied into the tail's room or a new
 * buffer. Fewer (see end) for want of memory. What is in the run stays where it is. */
void run_append(struct run *r, struct buf_pool *pool, struct recvq_data *in,
                uint32_t from, uint32_t len);
/* Put the first `len` bytes of `in` in front; not (see start) for want of memory. */
void run_prepend(struct run *r, struct buf_pool *pool, struct recvq_data *in,
                 uint32_t len);
/* Append a run that starts where r ends, neither empty; its buffers are r's or gone. */
void run_join(struct run *r, struct buf_pool *pool, const struct run *more);
void run_free(struct run *r, struct buf_pool *pool);
/* Memory that it holds, as charged. */
uint32_t run_held(const struct run *r);
/* NULL if all is well, else what is not. */
const char *run_check(const struct run *r);

#endif
