#include "tcp/sendq.h"

#include <stddef.h>
#include <string.h>

enum {
    RING_MIN = 4,
    POOL_MAX = 64 /* chunks of full size kept warm */
};

/*
 * Every chunk but the last two is full. The last may still be empty, waiting behind one with room
 * left: a reserve covers both. Positions count modulo 2^32: only differences matter.
 */
struct sendq_chunk {
    struct sendq_chunk *next; /* in the pool */
    uint32_t cap;
    uint32_t pos;             /* the position of memory[0] */
    uint32_t start, end;      /* memory[start..end) is queued; before start it is acknowledged */
    uint32_t reserved;        /* so many bytes beyond end somebody may be writing */
    uint8_t memory[];
};

/* Room of the chunks that there are: the small ones are 512 bytes, 4 and 16 KiB with header. */
static const uint32_t chunk_caps[] = {
    512 - sizeof(struct sendq_chunk),
    4096 - sizeof(struct sendq_chunk),
    16384 - sizeof(struct sendq_chunk),
    SENDQ_CHUNK_BYTES,
};

static uint32_t min32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static struct sendq_chunk *at(const struct sendq *q, uint32_t i)
{
    return q->ring[(q->head + i) & (q->cap - 1)];
}

static uint32_t charge(const struct sendq_chunk *c)
{
    return (uint32_t)sizeof(*c) + c->cap;
}

/* ---- memory ---- */

void sendq_pool_init(struct sendq_pool *pool, struct mem *mem)
{
    pool->mem = mem;
    pool->free = NULL;
    pool->free_count = 0;
}

void sendq_pool_free(struct sendq_pool *pool)
{
    while (pool->free) {
        struct sendq_chunk *c = pool->free;
        pool->free = c->next;
        mem_free(pool->mem, MEM_SEND, c, charge(c));
    }
    pool->free_count = 0;
}

uint32_t sendq_pool_held(const struct sendq_pool *pool)
{
    return pool->free ? pool->free_count * charge(pool->free) : 0; /* of one size */
}

static struct sendq_chunk *new_chunk(struct sendq_pool *pool, uint32_t cap)
{
    struct sendq_chunk *c = pool->free;
    if (cap == SENDQ_CHUNK_BYTES && c) {
        pool->free = c->next;
        pool->free_count--;
    } else {
        c = mem_alloc(pool->mem, MEM_SEND, sizeof(*c) + cap);
        if (!c && pool->free) {
            sendq_pool_free(pool); /* what is kept warm must not starve what is needed */
            c = mem_alloc(pool->mem, MEM_SEND, sizeof(*c) + cap);
        }
        if (!c)
            return NULL;
    }
    *c = (struct sendq_chunk){.cap = cap};
    return c;
}

static void release_chunk(struct sendq_pool *pool, struct sendq_chunk *c)
{
    if (c->cap != SENDQ_CHUNK_BYTES || pool->free_count == POOL_MAX) {
        mem_free(pool->mem, MEM_SEND, c, charge(c));
        return;
    }
    c->next = pool->free;
    pool->free = c;
    pool->free_count++;
}

static uint32_t ring_bytes(uint32_t cap)
{
    return cap * (uint32_t)sizeof(struct sendq_chunk *);
}

static void free_ring(struct sendq *q, struct sendq_pool *pool)
{
    mem_free(pool->mem, MEM_SEND, q->ring, ring_bytes(q->cap));
}

static bool grow_ring(struct sendq *q, struct sendq_pool *pool)
{
    uint32_t cap = q->cap ? q->cap * 2 : RING_MIN;
    struct sendq_chunk **ring = mem_alloc(pool->mem, MEM_SEND, ring_bytes(cap));
    if (!ring)
        return false;
    for (uint32_t i = 0; i < q->count; i++)
        ring[i] = at(q, i);
    free_ring(q, pool);
    q->ring = ring;
    q->head = 0;
    q->cap = cap;
    return true;
}

/* Add an empty chunk that suits `want` more bytes. It grows with what is queued, so that only a few
 * chunks are small however the queue was written. */
static struct sendq_chunk *add_chunk(struct sendq *q, struct sendq_pool *pool, uint32_t want)
{
    unsigned i = 0, largest = sizeof(chunk_caps) / sizeof(chunk_caps[0]) - 1;
    while (i < largest && (chunk_caps[i] < want || chunk_caps[i] < q->len))
        i++;
    struct sendq_chunk *c = new_chunk(pool, chunk_caps[i]);
    /* An empty queue settles for little: no acknowledgement would come to make its owner retry. */
    if (!c && q->count == 0)
        c = new_chunk(pool, chunk_caps[0]);
    if (!c)
        return NULL;
    if (q->count == q->cap && !grow_ring(q, pool)) {
        release_chunk(pool, c);
        return NULL;
    }
    if (q->count > 0) {
        const struct sendq_chunk *last = at(q, q->count - 1);
        c->pos = last->pos + last->cap;
    }
    q->count++;
    q->ring[(q->head + q->count - 1) & (q->cap - 1)] = c;
    return c;
}

void sendq_free(struct sendq *q, struct sendq_pool *pool)
{
    for (uint32_t i = 0; i < q->count; i++)
        release_chunk(pool, at(q, i));
    free_ring(q, pool);
    *q = (struct sendq){0};
}

/* ---- the end: writing ---- */

/* The last chunk if nothing is in it yet, else NULL. */
static struct sendq_chunk *spare(const struct sendq *q)
{
    struct sendq_chunk *last = q->count > 0 ? at(q, q->count - 1) : NULL;
    return last && last->end == 0 ? last : NULL;
}

/* The chunk that the next byte goes to, or NULL if there is no room. */
static struct sendq_chunk *writable(const struct sendq *q)
{
    struct sendq_chunk *empty = spare(q);
    uint32_t written = q->count - (empty ? 1 : 0);
    struct sendq_chunk *c = written > 0 ? at(q, written - 1) : NULL;
    return c && c->end < c->cap ? c : empty;
}

static uint32_t last_two(const struct sendq *q)
{
    return q->count > 2 ? q->count - 2 : 0;
}

static void end_reserve(struct sendq *q)
{
    for (uint32_t i = last_two(q); i < q->count; i++)
        at(q, i)->reserved = 0;
}

uint32_t sendq_reserved(const struct sendq *q)
{
    uint32_t sum = 0;
    for (uint32_t i = last_two(q); i < q->count; i++)
        sum += at(q, i)->reserved;
    return sum;
}

uint32_t sendq_append(struct sendq *q, struct sendq_pool *pool, const void *data, uint32_t len)
{
    uint32_t done = 0;
    end_reserve(q);
    while (done < len) {
        struct sendq_chunk *c = writable(q);
        if (!c)
            c = add_chunk(q, pool, len - done);
        if (!c)
            break;
        uint32_t n = min32(c->cap - c->end, len - done);
        memcpy(c->memory + c->end, (const uint8_t *)data + done, n);
        c->end += n;
        q->len += n;
        done += n;
    }
    return done;
}

static uint32_t give(struct sendq_chunk *c, uint32_t want, struct iovec *iov)
{
    uint32_t n = min32(c->cap - c->end, want);
    c->reserved = n;
    iov->iov_base = c->memory + c->end;
    iov->iov_len = n;
    return n;
}

/* An empty last chunk that an earlier reserve left must not keep a larger one small. */
static void drop_small_spare(struct sendq *q, struct sendq_pool *pool, uint32_t want)
{
    struct sendq_chunk *c = spare(q);
    if (c && c->cap < want && c->cap < SENDQ_CHUNK_BYTES) {
        q->count--;
        release_chunk(pool, c);
    }
}

uint32_t sendq_reserve(struct sendq *q, struct sendq_pool *pool, uint32_t want, struct iovec *iov,
                       int *count)
{
    int max = *count, filled = 0;
    uint32_t covered = 0;
    end_reserve(q);
    drop_small_spare(q, pool, want);
    struct sendq_chunk *c = writable(q);
    if (c && c != spare(q) && want > 0 && max > 0)
        covered = give(c, want, &iov[filled++]);
    if (covered < want && filled < max) {
        c = spare(q);
        if (!c)
            c = add_chunk(q, pool, want - covered);
        if (c)
            covered += give(c, want - covered, &iov[filled++]);
    }
    *count = filled;
    return covered;
}

void sendq_commit(struct sendq *q, uint32_t n)
{
    end_reserve(q);
    q->len += n;
    while (n > 0) {
        struct sendq_chunk *c = writable(q);
        uint32_t part = min32(c->cap - c->end, n);
        c->end += part;
        n -= part;
    }
}

void sendq_trim(struct sendq *q, struct sendq_pool *pool)
{
    if (q->len == 0)
        sendq_free(q, pool);
}

/* ---- the front: sending, acknowledgement ---- */

void sendq_drop(struct sendq *q, struct sendq_pool *pool, uint32_t n)
{
    q->len -= n;
    while (n > 0) {
        struct sendq_chunk *c = at(q, 0);
        uint32_t part = min32(c->end - c->start, n);
        c->start += part;
        n -= part;
        if (c->start == c->cap) {
            q->head = (q->head + 1) & (q->cap - 1);
            q->count--;
            release_chunk(pool, c);
        }
    }
    if (q->len > 0)
        return;
    if (!sendq_reserved(q))
        sendq_free(q, pool);
}

/* The chunk with the byte `beyond` bytes after the first chunk's memory[0]. */
static uint32_t find(const struct sendq *q, uint32_t beyond)
{
    /* No chunk is larger than SENDQ_CHUNK_BYTES; while data flows fast all are just that. */
    uint32_t first = at(q, 0)->pos, lo = beyond / SENDQ_CHUNK_BYTES, hi = q->count - 1;
    if (beyond - (at(q, lo)->pos - first) < at(q, lo)->cap)
        return lo;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo + 1) / 2;
        if (at(q, mid)->pos - first <= beyond)
            lo = mid;
        else
            hi = mid - 1;
    }
    return lo;
}

uint32_t sendq_iov(const struct sendq *q, uint32_t offset, uint32_t len, struct iovec *iov, int max,
                   int *count)
{
    uint32_t covered = 0;
    *count = 0;
    if (offset >= q->len)
        return 0;
    len = min32(len, q->len - offset);
    uint32_t beyond = at(q, 0)->start + offset, i = find(q, beyond);
    uint32_t skip = beyond - (at(q, i)->pos - at(q, 0)->pos);
    for (; covered < len && *count < max; i++, skip = 0) {
        struct sendq_chunk *c = at(q, i);
        iov[*count].iov_base = c->memory + skip;
        iov[*count].iov_len = min32(c->end - skip, len - covered);
        covered += (uint32_t)iov[*count].iov_len;
        (*count)++;
    }
    return covered;
}

uint32_t sendq_held(const struct sendq *q)
{
    uint32_t held = ring_bytes(q->cap);
    for (uint32_t i = 0; i < q->count; i++)
        held += charge(at(q, i));
    return held;
}

/* ---- invariants ---- */

static const char *check_chunk(const struct sendq *q, uint32_t i)
{
    const struct sendq_chunk *c = at(q, i), *before = i > 0 ? at(q, i - 1) : NULL;
    if (c->start > c->end || c->end > c->cap)
        return "sendq: a chunk's run lies outside its memory";
    if (before && c->pos != before->pos + before->cap)
        return "sendq: positions do not follow each other";
    if (before && (c->start > 0 || (c->end > 0 && before->end < before->cap)))
        return "sendq: a hole between chunks";
    if (i + 2 < q->count && c->end < c->cap)
        return "sendq: room left too early";
    if (c->start == c->cap)
        return "sendq: an acknowledged chunk is kept";
    return NULL;
}

const char *sendq_check(const struct sendq *q)
{
    uint32_t len = 0;
    if (q->len > INT32_MAX || q->count > q->cap)
        return "sendq: lengths out of range";
    for (uint32_t i = 0; i < q->count; i++) {
        const char *bad = check_chunk(q, i);
        if (bad)
            return bad;
        len += at(q, i)->end - at(q, i)->start;
    }
    return len == q->len ? NULL : "sendq: len is not the sum of the chunks";
}
