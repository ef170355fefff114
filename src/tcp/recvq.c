#include "tcp/recvq.h"

#include <stddef.h>
#include <string.h>

#include "tcp/ranges.h"
#include "util/mem.h"

enum { RECENT_MAX = 4 /* SACK blocks that an option has room for (RFC 2018 3) */ };

/* Ranges neither overlap nor touch each other or RCV.NXT. Positions count from where RCV.NXT stood
 * when the first hole appeared, so that its advance changes no range. */
struct recvq_ooo {
    uint64_t nxt;                /* the position of RCV.NXT */
    uint64_t recent[RECENT_MAX]; /* a position within each range that changed last, newest first */
    uint32_t recent_count;
    struct ranges ranges;
};

static uint64_t min64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- the ranges ---- */

/* What is in order, as a run that ends at RCV.NXT. */
static struct run in_order(const struct recvq *q)
{
    uint64_t nxt = q->ooo ? q->ooo->nxt : 0;
    return (struct run){nxt - q->readable, nxt, q->head, q->tail};
}

static void forget(struct recvq_ooo *o, uint64_t from, uint64_t to)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < o->recent_count; i++)
        if (o->recent[i] < from || o->recent[i] >= to)
            o->recent[kept++] = o->recent[i];
    o->recent_count = kept;
}

/* RFC 2018 4: the block with the segment that triggered the ACK goes first. */
static void remember(struct recvq_ooo *o, const struct run *r)
{
    forget(o, r->start, r->end);
    if (o->recent_count < RECENT_MAX)
        o->recent_count++;
    memmove(o->recent + 1, o->recent, (o->recent_count - 1) * sizeof(o->recent[0]));
    o->recent[0] = r->start;
}

static void free_ooo(struct recvq *q, struct buf_pool *pool)
{
    mem_free(pool->mem, MEM_RECV, q->ooo, sizeof(*q->ooo));
    q->ooo = NULL;
}

static void evict_farthest(struct recvq *q, struct buf_pool *pool)
{
    struct range *r = ranges_last(&q->ooo->ranges);
    forget(q->ooo, r->run.start, r->run.end);
    q->ooo_bytes -= (uint32_t)(r->run.end - r->run.start);
    ranges_remove(&q->ooo->ranges, pool, r);
}

/* Extend `r` by what `in`, whose first byte stands at `at`, has beyond its end; take in the ranges
 * that it reaches. Stops early for want of memory. */
static void extend(struct recvq *q, struct buf_pool *pool, struct run *r, struct recvq_data *in,
                   uint64_t at)
{
    uint64_t end = at + in->len;
    for (;;) {
        struct range *next = q->ooo ? ranges_after(&q->ooo->ranges, r) : NULL;
        uint64_t stop = next ? min64(end, next->run.start) : end;
        if (r->end < stop)
            run_append(r, pool, in, (uint32_t)(r->end - at), (uint32_t)(stop - r->end));
        if (!next || next->run.start > r->end)
            return;
        q->ooo_bytes -= (uint32_t)(next->run.end - next->run.start);
        run_join(r, pool, &next->run);
        next->run.head = NULL; /* its buffers are r's */
        ranges_remove(&q->ooo->ranges, pool, next);
    }
}

static enum recvq_result insert_in_order(struct recvq *q, struct buf_pool *pool,
                                         struct recvq_data *in, uint32_t *advance)
{
    struct run r = in_order(q);
    uint64_t nxt = r.end;
    extend(q, pool, &r, in, nxt);
    q->head = r.head;
    q->tail = r.tail;
    *advance = (uint32_t)(r.end - nxt);
    q->readable += *advance;
    if (q->ooo) {
        q->ooo->nxt = r.end;
        forget(q->ooo, 0, r.end);
        if (q->ooo->ranges.count == 0)
            free_ooo(q, pool);
    }
    return *advance >= in->len ? RECVQ_OK : RECVQ_NO_MEMORY;
}

static bool begin_ooo(struct recvq *q, struct buf_pool *pool)
{
    if (!q->ooo)
        q->ooo = mem_zalloc(pool->mem, MEM_RECV, sizeof(*q->ooo));
    return q->ooo != NULL;
}

/* A range of its own, in a hole or behind all others. What cannot be kept must leave the others as
 * they are, so nobody gives way before there is memory. */
static enum recvq_result new_range(struct recvq *q, struct buf_pool *pool, uint64_t at,
                                   struct recvq_data *in, uint32_t ooo_max, bool farthest)
{
    bool full = (q->ooo ? q->ooo->ranges.count : 0) >= ooo_max;
    if (full && farthest)
        return RECVQ_NO_ROOM;
    struct range *r = begin_ooo(q, pool) ? ranges_add(&q->ooo->ranges, pool, at, in) : NULL;
    if (!r) {
        if (q->ooo && q->ooo->ranges.count == 0)
            free_ooo(q, pool);
        return RECVQ_NO_MEMORY;
    }
    if (full)
        evict_farthest(q, pool);
    q->ooo_bytes += in->len;
    remember(q->ooo, &r->run);
    return RECVQ_OOO;
}

static enum recvq_result insert_ooo(struct recvq *q, struct buf_pool *pool, uint32_t offset,
                                    struct recvq_data *in, uint32_t ooo_max)
{
    struct recvq_ooo *o = q->ooo;
    uint64_t at = (o ? o->nxt : 0) + offset, end = at + in->len;
    struct range *range = o ? ranges_reaching(&o->ranges, at) : NULL;
    if (!range || range->run.start > end)
        return new_range(q, pool, at, in, ooo_max, !range);

    struct run *r = &range->run;
    const struct run before = *r;
    if (r->start > at)
        run_prepend(r, pool, in, (uint32_t)(r->start - at));
    extend(q, pool, r, in, at);
    q->ooo_bytes += (uint32_t)((r->end - r->start) - (before.end - before.start));
    remember(o, r);
    if (r->start < before.start || r->end > before.end)
        return RECVQ_OOO;
    return before.start <= at && before.end >= end ? RECVQ_DUPLICATE : RECVQ_NO_MEMORY;
}

enum recvq_result recvq_insert(struct recvq *q, struct buf_pool *pool, uint32_t offset,
                               struct recvq_data *in, uint32_t ooo_max, uint32_t *advance)
{
    *advance = 0;
    if (in->len == 0)
        return RECVQ_DUPLICATE;
    if (offset == 0)
        return insert_in_order(q, pool, in, advance);
    return insert_ooo(q, pool, offset, in, ooo_max);
}

/* ---- the queue ---- */

void recvq_drop_ooo(struct recvq *q, struct buf_pool *pool)
{
    if (!q->ooo)
        return;
    ranges_free(&q->ooo->ranges, pool);
    q->ooo_bytes = 0;
    free_ooo(q, pool);
}

void recvq_free(struct recvq *q, struct buf_pool *pool)
{
    recvq_drop_ooo(q, pool);
    struct run r = in_order(q);
    run_free(&r, pool);
    *q = (struct recvq){0};
}

bool recvq_idle(const struct recvq *q)
{
    return !q->head && !q->ooo;
}

uint32_t recvq_held(const struct recvq *q)
{
    struct run r = in_order(q);
    uint32_t held = run_held(&r);
    return q->ooo ? held + (uint32_t)(sizeof(*q->ooo) + ranges_held(&q->ooo->ranges)) : held;
}

int recvq_peek(const struct recvq *q, uint32_t skip, struct iovec *iov, int count)
{
    int filled = 0;
    for (struct buf *b = q->head; b && filled < count; b = b->next) {
        if (skip >= b->len) {
            skip -= b->len;
            continue;
        }
        iov[filled].iov_base = b->memory + b->start + skip;
        iov[filled].iov_len = b->len - skip;
        filled++;
        skip = 0;
    }
    return filled;
}

uint32_t recvq_copy(const struct recvq *q, uint32_t skip, void *out, uint32_t len)
{
    uint32_t done = 0;
    for (const struct buf *b = q->head; b && done < len; b = b->next) {
        if (skip >= b->len) {
            skip -= b->len;
            continue;
        }
        uint32_t n = b->len - skip < len - done ? b->len - skip : len - done;
        memcpy((uint8_t *)out + done, b->memory + b->start + skip, n);
        done += n;
        skip = 0;
    }
    return done;
}

void recvq_consume(struct recvq *q, struct buf_pool *pool, uint32_t n)
{
    q->readable -= n;
    while (n > 0) {
        struct buf *b = q->head;
        if (n < b->len) {
            b->start += n;
            b->len -= n;
            return;
        }
        n -= b->len;
        q->head = b->next;
        if (!q->head)
            q->tail = NULL;
        buf_release(pool, b);
    }
}

bool recvq_overlap(const struct recvq *q, struct recvq_range *range)
{
    const struct recvq_ooo *o = q->ooo;
    if (!o)
        return false;
    uint64_t start = o->nxt + range->start, end = o->nxt + range->end;
    const struct range *first = ranges_reaching(&o->ranges, start + 1);
    if (!first || first->run.start >= end)
        return false;
    if (start < first->run.start)
        start = first->run.start;
    *range = (struct recvq_range){(uint32_t)(start - o->nxt),
                                  (uint32_t)(min64(end, first->run.end) - o->nxt)};
    return true;
}

static int list(const struct recvq_ooo *o, struct recvq_range *ranges, int n, const struct run *r)
{
    struct recvq_range out = {(uint32_t)(r->start - o->nxt), (uint32_t)(r->end - o->nxt)};
    for (int i = 0; i < n; i++)
        if (ranges[i].start == out.start)
            return n;
    ranges[n] = out;
    return n + 1;
}

int recvq_sack(const struct recvq *q, struct recvq_range *ranges, int max)
{
    const struct recvq_ooo *o = q->ooo;
    int n = 0;
    if (!o)
        return 0;
    for (uint32_t i = 0; i < o->recent_count && n < max; i++)
        n = list(o, ranges, n, &ranges_reaching(&o->ranges, o->recent[i] + 1)->run);
    /* then any others (as many as possible: RFC 2018 4) */
    struct range *r = ranges_reaching(&o->ranges, 0);
    for (; r && n < max; r = ranges_after(&o->ranges, &r->run))
        n = list(o, ranges, n, &r->run);
    return n;
}

/* ---- invariants ---- */

static const char *check_ooo(const struct recvq *q)
{
    const struct recvq_ooo *o = q->ooo;
    uint64_t bytes;
    const char *bad = ranges_check(&o->ranges, &bytes);
    if (bad)
        return bad;
    const struct range *first = ranges_reaching(&o->ranges, 0);
    if (!first || first->run.start <= o->nxt)
        return "recvq: no range, or one that is in order";
    for (uint32_t i = 0; i < o->recent_count; i++) {
        const struct range *r = ranges_reaching(&o->ranges, o->recent[i] + 1);
        if (!r || r->run.start > o->recent[i])
            return "recvq: a remembered range is gone";
        for (uint32_t k = 0; k < i; k++)
            if (o->recent[k] >= r->run.start && o->recent[k] < r->run.end)
                return "recvq: a range is remembered twice";
    }
    return bytes == q->ooo_bytes ? NULL : "recvq: ooo_bytes is not the sum of the ranges";
}

const char *recvq_check(const struct recvq *q)
{
    const struct run r = in_order(q);
    const char *bad = run_check(&r);
    if (!bad && q->ooo)
        bad = check_ooo(q);
    if (bad)
        return bad;
    return q->ooo || q->ooo_bytes == 0 ? NULL : "recvq: ooo_bytes without ranges";
}
