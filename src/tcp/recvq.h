/*
 * The receive queue: bytes in order that the application has not taken, and ranges out of order that
 * wait for a hole to fill. It knows no sequence numbers: offsets count from RCV.NXT, the next byte in
 * order. It holds buffers, never copies much: a packet's buffer is linked in when it is worth it.
 *
 * Bounds: `ooo_max` >= 1 ranges; when they are used up the farthest gives way to a nearer one, one
 * for one, also when the bound has become less. O(log n) per segment in the number of ranges, and
 * as much for each range that it merges.
 */
#ifndef TCP_RECVQ_H
#define TCP_RECVQ_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "tcp/buf.h"

struct recvq_ooo; /* the ranges; allocated with the first hole, freed when the last closes */

struct recvq {
    struct buf *head, *tail; /* in order */
    struct recvq_ooo *ooo;
    uint32_t readable;       /* bytes in order */
    uint32_t ooo_bytes;      /* bytes out of order */
};

/* A run of payload on its way in. If `owner` is not NULL the payload lies in that lent buffer, and the
 * queue may keep it: then it sets owner to NULL. */
struct recvq_data {
    const uint8_t *data;
    uint32_t len;
    struct buf *owner;
};

enum recvq_result {
    RECVQ_OK,        /* in order; *advance bytes are new in order (more than len if holes closed) */
    RECVQ_OOO,       /* kept out of order, at least in part */
    RECVQ_DUPLICATE, /* nothing new in it */
    RECVQ_NO_ROOM,   /* out of order, and beyond what may be kept */
    RECVQ_NO_MEMORY  /* not taken, or only its first *advance bytes */
};

struct recvq_range {
    uint32_t start, end; /* offsets from RCV.NXT */
};

/* All zero is a valid empty queue. */
void recvq_free(struct recvq *q, struct buf_pool *pool);
bool recvq_idle(const struct recvq *q); /* holds no memory at all */
/* Memory held, as charged: O(n), for those who want to know. */
uint32_t recvq_held(const struct recvq *q);

/* Put in data that starts `offset` bytes after RCV.NXT (0: in order). The caller has trimmed it to the
 * window. First arrival of a byte wins. */
enum recvq_result recvq_insert(struct recvq *q, struct buf_pool *pool, uint32_t offset,
                               struct recvq_data *in, uint32_t ooo_max, uint32_t *advance);
/* Throw away what is out of order (memory pressure; the window's edge does not move). */
void recvq_drop_ooo(struct recvq *q, struct buf_pool *pool);

/* Bytes in order, from `skip` on, as they lie in memory; returns how many iovecs were filled. */
int recvq_peek(const struct recvq *q, uint32_t skip, struct iovec *iov, int count);
/* Copy up to len bytes from `skip` on without taking them; returns bytes copied. */
uint32_t recvq_copy(const struct recvq *q, uint32_t skip, void *out, uint32_t len);
/* Take n <= readable bytes. */
void recvq_consume(struct recvq *q, struct buf_pool *pool, uint32_t n);

/* The first part of [range->start, range->end) that is here already, out of order; false if nothing is. */
bool recvq_overlap(const struct recvq *q, struct recvq_range *range);

/* Ranges for SACK (RFC 2018 4): the one that changed last first, then the others by recency. Returns
 * how many, at most max (<= 4). */
int recvq_sack(const struct recvq *q, struct recvq_range *ranges, int max);

/* NULL if every invariant holds, else which does not. */
const char *recvq_check(const struct recvq *q);

#endif
