#include "tcp/recvq.h"

#include <stddef.h>
#include <string.h>

#include "tcp/run.h"
#include "util/mem.h"

enum {
    RANGES_MIN = 4,
    RECENT_MAX = 4 /* SACK blocks that an option has room for (RFC 2018 3) */
};

/* Ranges neither overlap nor touch each other or RCV.NXT. Positions count from where RCV.NXT stood
 * when the first hole appeared, so that its advance changes no range. */
struct recvq_ooo {
    uint64_t nxt;                /* the position of RCV.NXT */
    uint64_t recent[RECENT_MAX]; /* a position within each range that changed last, newest first */
    uint32_t recent_count;
    uint32_t count, cap;
    struct run ranges[];       /* sorted */
};

static size_t ooo_size(uint32_t cap)
{
    return sizeof(struct recvq_ooo) + cap * sizeof(struct run);
}

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

/* The first range that ends at or after `pos`, or count. */
static uint32_t first_reaching(const struct recvq_ooo *o, uint64_t pos)
{
    uint32_t lo = 0, hi = o->count;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (o->ranges[mid].end < pos)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
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

static void free_table(struct recvq *q, struct buf_pool *pool)
{
    size_t size = ooo_size(q->ooo->cap);
    mem_free(pool->mem, MEM_RECV, q->ooo, size);
    q->ooo = NULL;
}

static bool grow_table(struct recvq *q, struct buf_pool *pool, uint32_t ooo_max)
{
    struct recvq_ooo *old = q->ooo;
    uint32_t cap = old ? old->cap * 2 : RANGES_MIN;
    if (cap > ooo_max)
        cap = ooo_max;
    struct recvq_ooo *o = mem_alloc(pool->mem, MEM_RECV, ooo_size(cap));
    if (!o)
        return false;
    if (old) {
        memcpy(o, old, ooo_size(old->count));
        free_table(q, pool);
    } else {
        memset(o, 0, sizeof(*o));
    }
    o->cap = cap;
    q->ooo = o;
    return true;
}

static void evict_farthest(struct recvq *q, struct buf_pool *pool)
{
    struct recvq_ooo *o = q->ooo;
    struct run *r = &o->ranges[--o->count];
    forget(o, r->start, r->end);
    q->ooo_bytes -= (uint32_t)(r->end - r->start);
    run_free(r, pool);
}

/* Extend `r` by what `in`, whose first byte stands at `at`, has beyond its end; take in the ranges
 * from index `next` on that it reaches. Stops early for want of memory. */
static void extend(struct recvq *q, struct buf_pool *pool, struct run *r, struct recvq_data *in,
                   uint64_t at, uint32_t next)
{
    struct recvq_ooo *o = q->ooo;
    uint64_t end = at + in->len;
    uint32_t count = o ? o->count : 0, taken = next;
    for (;;) {
        uint64_t stop = taken < count ? min64(end, o->ranges[taken].start) : end;
        if (r->end < stop)
            run_append(r, pool, in, (uint32_t)(r->end - at), (uint32_t)(stop - r->end));
        if (taken == count || o->ranges[taken].start > r->end)
            break;
        const struct run *more = &o->ranges[taken++];
        q->ooo_bytes -= (uint32_t)(more->end - more->start);
        run_join(r, pool, more);
    }
    if (taken > next) {
        memmove(o->ranges + next, o->ranges + taken, (count - taken) * sizeof(o->ranges[0]));
        o->count -= taken - next;
    }
}

static enum recvq_result insert_in_order(struct recvq *q, struct buf_pool *pool,
                                         struct recvq_data *in, uint32_t *advance)
{
    struct run r = in_order(q);
    uint64_t nxt = r.end;
    extend(q, pool, &r, in, nxt, 0);
    q->head = r.head;
    q->tail = r.tail;
    *advance = (uint32_t)(r.end - nxt);
    q->readable += *advance;
    if (q->ooo) {
        q->ooo->nxt = r.end;
        forget(q->ooo, 0, r.end);
        if (q->ooo->count == 0)
            free_table(q, pool);
    }
    return *advance >= in->len ? RECVQ_OK : RECVQ_NO_MEMORY;
}

/* A range of its own at index i, in a hole. What cannot be kept must leave the others as they are,
 * so nobody gives way before there is memory. */
static enum recvq_result new_range(struct recvq *q, struct buf_pool *pool, uint32_t i, uint64_t at,
                                   struct recvq_data *in, uint32_t ooo_max)
{
    uint32_t count = q->ooo ? q->ooo->count : 0;
    if (i >= ooo_max)
        return RECVQ_NO_ROOM;
    bool full = !q->ooo || count == q->ooo->cap;
    if (full && count < ooo_max && !grow_table(q, pool, ooo_max) && i == count)
        return RECVQ_NO_MEMORY;
    struct recvq_ooo *o = q->ooo;
    struct run r = {.start = at, .end = at};
    run_append(&r, pool, in, 0, in->len);
    if (!r.head) {
        if (o->count == 0)
            free_table(q, pool);
        return RECVQ_NO_MEMORY;
    }
    while (o->count >= ooo_max || o->count == o->cap)
        evict_farthest(q, pool);
    memmove(o->ranges + i + 1, o->ranges + i, (o->count - i) * sizeof(r));
    o->ranges[i] = r;
    o->count++;
    q->ooo_bytes += in->len;
    remember(o, &r);
    return RECVQ_OOO;
}

static enum recvq_result insert_ooo(struct recvq *q, struct buf_pool *pool, uint32_t offset,
                                    struct recvq_data *in, uint32_t ooo_max)
{
    struct recvq_ooo *o = q->ooo;
    uint64_t at = (o ? o->nxt : 0) + offset, end = at + in->len;
    uint32_t i = o ? first_reaching(o, at) : 0;
    if (!o || i == o->count || o->ranges[i].start > end)
        return new_range(q, pool, i, at, in, ooo_max);

    struct run *r = &o->ranges[i];
    const struct run before = *r;
    if (r->start > at)
        run_prepend(r, pool, in, (uint32_t)(r->start - at));
    q->ooo_bytes -= (uint32_t)(before.end - before.start);
    extend(q, pool, r, in, at, i + 1);
    q->ooo_bytes += (uint32_t)(r->end - r->start);
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
    while (q->ooo->count > 0)
        evict_farthest(q, pool);
    free_table(q, pool);
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
    if (!q->ooo)
        return held;
    for (uint32_t i = 0; i < q->ooo->count; i++)
        held += run_held(&q->ooo->ranges[i]);
    return held + (uint32_t)ooo_size(q->ooo->cap);
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
    uint32_t i = first_reaching(o, start + 1);
    if (i == o->count || o->ranges[i].start >= end)
        return false;
    if (start < o->ranges[i].start)
        start = o->ranges[i].start;
    *range = (struct recvq_range){(uint32_t)(start - o->nxt),
                                  (uint32_t)(min64(end, o->ranges[i].end) - o->nxt)};
    return true;
}

static bool listed(const struct recvq_range *ranges, int count, struct recvq_range r)
{
    for (int i = 0; i < count; i++)
        if (ranges[i].start == r.start)
            return true;
    return false;
}

int recvq_sack(const struct recvq *q, struct recvq_range *ranges, int max)
{
    const struct recvq_ooo *o = q->ooo;
    int n = 0;
    if (!o)
        return 0;
    /* the remembered ones, then any others (as many as possible: RFC 2018 4) */
    for (uint32_t i = 0; i < o->recent_count + o->count && n < max; i++) {
        bool recent = i < o->recent_count;
        uint32_t at = recent ? first_reaching(o, o->recent[i] + 1) : i - o->recent_count;
        const struct run *r = &o->ranges[at];
        struct recvq_range out = {(uint32_t)(r->start - o->nxt), (uint32_t)(r->end - o->nxt)};
        if (!listed(ranges, n, out))
            ranges[n++] = out;
    }
    return n;
}

/* ---- invariants ---- */

static const char *check_ooo(const struct recvq *q)
{
    const struct recvq_ooo *o = q->ooo;
    uint64_t end = o->nxt, bytes = 0;
    if (o->count == 0 || o->count > o->cap)
        return "recvq: a range table that is empty or too full";
    for (uint32_t i = 0; i < o->count; i++) {
        const struct run *r = &o->ranges[i];
        if (r->start <= end || r->end <= r->start)
            return "recvq: ranges touch, overlap or are out of order";
        const char *bad = run_check(r);
        if (bad)
            return bad;
        bytes += r->end - r->start;
        end = r->end;
    }
    for (uint32_t i = 0; i < o->recent_count; i++) {
        uint32_t at = first_reaching(o, o->recent[i] + 1);
        if (at == o->count || o->ranges[at].start > o->recent[i])
            return "recvq: a remembered range is gone";
        for (uint32_t k = 0; k < i; k++)
            if (o->recent[k] >= o->ranges[at].start && o->recent[k] < o->ranges[at].end)
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
