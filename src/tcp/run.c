#include "tcp/run.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum {
    GROW_BYTES = 16384,   /* copies go to buffers that double with what is queued, up to this */
    COALESCE_BYTES = 2048 /* a buffer with no more in it is emptied into its predecessor's room */
};

static uint32_t room_after(const struct buf *b)
{
    return b->cap - b->start - b->len;
}

void run_free(struct run *r, struct buf_pool *pool)
{
    while (r->head) {
        struct buf *next = r->head->next;
        buf_release(pool, r->head);
        r->head = next;
    }
    r->tail = NULL;
}

/* The buffer that the data came in, if it is worth keeping, else an empty compact one for a run
 * that already has `queued` bytes; NULL without memory. */
static struct buf *buffer_for(struct buf_pool *pool, struct recvq_data *in,
                              const uint8_t *data, uint32_t len, uint64_t queued)
{
    struct buf *b = in->owner;
    if (b && len >= BUF_LINK_BYTES) {
        in->owner = NULL;
        b->next = NULL;
        b->start = (uint32_t)(data - b->memory);
        b->len = len;
    } else {
        uint32_t most = GROW_BYTES - (uint32_t)sizeof(*b);
        uint32_t hint = queued < most ? (uint32_t)queued : most;
        b = buf_compact(pool, hint > len ? hint : len);
        if (!b && hint > len)
            b = buf_compact(pool, len);
        if (!b)
            return NULL;
    }
    return b;
}

static void link_after(struct run *r, struct buf *b)
{
    if (r->tail)
        r->tail->next = b;
    else
        r->head = b;
    r->tail = b;
}

/* Copy to the end of b's run. Where b is the buffer that the data came in, every byte after the run
 * has its place in it already: hence memmove. */
static void copy_after(struct buf *b, const uint8_t *data, uint32_t len)
{
    memmove(b->memory + b->start + b->len, data, len);
    b->len += len;
}

void run_append(struct run *r, struct buf_pool *pool, struct recvq_data *in,
                uint32_t from, uint32_t len)
{
    const uint8_t *data = in->data + from;
    bool links = in->owner && len >= BUF_LINK_BYTES;
    if (links || !r->tail || room_after(r->tail) < len) {
        struct buf *b = buffer_for(pool, in, data, len, r->end - r->start);
        if (b)
            link_after(r, b);
        else
            len = r->tail ? room_after(r->tail) : 0;
    }
    if (!links && len > 0)
        copy_after(r->tail, data, len);
    r->end += len;
}

/* Copies fill a buffer from its end, so that a run that grows downwards uses memory as well as one
 * that grows upwards. */
void run_prepend(struct run *r, struct buf_pool *pool, struct recvq_data *in,
                 uint32_t len)
{
    bool links = in->owner && len >= BUF_LINK_BYTES;
    struct buf *b = r->head;
    if (links || b->start < len) {
        b = buffer_for(pool, in, in->data, len, r->end - r->start);
        if (!b)
            return;
        b->next = r->head;
        r->head = b;
        if (!links)
            b->start = b->cap;
    }
    if (!links) {
        b->start -= len;
        b->len += len;
        memcpy(b->memory + b->start, in->data, len);
    }
    r->start -= len;
}

/* Small buffers at the seam are poured together: otherwise a peer that sends every second byte
 * first would make each byte cost a buffer. */
void run_join(struct run *r, struct buf_pool *pool, const struct run *more)
{
    struct buf *b = more->head;
    while (b && b->len <= COALESCE_BYTES && b->len <= room_after(r->tail)) {
        struct buf *next = b->next;
        copy_after(r->tail, b->memory + b->start, b->len);
        buf_release(pool, b);
        b = next;
    }
    if (b) {
        link_after(r, b);
        r->tail = more->tail;
    }
    r->end = more->end;
}

uint32_t run_held(const struct run *r)
{
    uint32_t held = 0;
    for (const struct buf *b = r->head; b; b = b->next)
        held += buf_charge(b);
    return held;
}

const char *run_check(const struct run *r)
{
    uint64_t len = r->end - r->start;
    const struct buf *last = NULL;
    for (const struct buf *b = r->head; b; b = b->next) {
        if (b->len == 0 || b->start > b->cap || b->len > b->cap - b->start)
            return "recvq: a buffer's run lies outside its memory";
        if (b->len > len)
            return "recvq: buffers hold more than the run";
        len -= b->len;
        last = b;
    }
    if (len != 0)
        return "recvq: buffers hold less than the run";
    return last == r->tail ? NULL : "recvq: the tail is not the last buffer";
}
