/* Fuzz target: calls to the receive queue and to the send queue, compared with plain arrays. */
#include <string.h>

#include "fuzz/lib/fuzz.h"
#include "lib/scarce.h"
#include "tcp/recvq.h"
#include "tcp/sendq.h"

enum { SPACE = 1 << 16, STEPS_MAX = 100, IOV_TRIED = 6, SHIFT_MAX = 7 };

enum { SAME = 0x5a };

/* ---- the receive queue: bytes by their offset from what is next to be read ---- */

struct receiving {
    struct scarce heap;
    struct mem mem;
    struct buf_pool pool;
    struct recvq q;
    uint32_t readable, ooo_max; /* of the model; have[0 .. readable) is in order */
    uint32_t end;               /* nothing was ever there at or beyond */
    bool have[SPACE];
    uint8_t byte[SPACE];
    bool scarce;
};

/* From `i` on, the first byte that is there, or is not; r->end if there is none. */
static uint32_t model_find(const struct receiving *r, uint32_t i, bool there)
{
    const bool *at = i < r->end ? memchr(r->have + i, there, r->end - i) : NULL;
    return at ? (uint32_t)(at - r->have) : r->end;
}

/* How many ranges lie behind `readable`, and where the last starts. */
static uint32_t model_ranges(const struct receiving *r, uint32_t *last)
{
    uint32_t count = 0, i = model_find(r, r->readable, true);
    for (; i < r->end; i = model_find(r, model_find(r, i, false), true)) {
        count++;
        *last = i;
    }
    return count;
}

static bool model_touches(const struct receiving *r, uint32_t start, uint32_t end)
{
    uint32_t i = model_find(r, start - 1, true);
    return i < r->end && i <= end;
}

/* Room for a new range there? The farthest gives way, unless that is the new one. */
static bool model_room(struct receiving *r, uint32_t start)
{
    uint32_t last = 0;
    if (model_ranges(r, &last) < r->ooo_max)
        return true;
    if (last < start)
        return false;
    memset(r->have + last, 0, r->end - last);
    r->end = last;
    return true;
}

/* Into the gaps; what is there stays. */
static void model_add(struct receiving *r, uint32_t start, uint32_t len, const uint8_t *data)
{
    uint32_t end = start + len, i = start, gap_end;
    if (r->end < end)
        r->end = end;
    for (; (i = model_find(r, i, false)) < end; i = gap_end) {
        gap_end = model_find(r, i, true);
        if (gap_end > end)
            gap_end = end;
        memcpy(r->byte + i, data + (i - start), gap_end - i);
        memset(r->have + i, true, gap_end - i);
    }
    r->readable = model_find(r, r->readable, false);
}

static enum recvq_result model_insert(struct receiving *r, uint32_t offset, uint32_t len,
                                      const uint8_t *data, uint32_t *advance)
{
    uint32_t start = r->readable + offset, before = r->readable;
    bool fresh = start + len > r->end || model_find(r, start, false) < start + len;
    *advance = 0;
    if (len == 0 || !fresh)
        return RECVQ_DUPLICATE;
    if (offset && !model_touches(r, start, start + len) && !model_room(r, start))
        return RECVQ_NO_ROOM;
    model_add(r, start, len, data);
    *advance = r->readable - before;
    return offset ? RECVQ_OOO : RECVQ_OK;
}

/* A block of its exact size, or a lent buffer, gone after the call. With a scarce allocator nobody
 * knows which bytes came first: there all are the same. */
static void insert(struct receiving *r, struct input *in)
{
    uint8_t how = take8(in);
    uint32_t offset = how & 1 ? take_size(in, SHIFT_MAX) : 0;
    uint32_t len = take_size(in, how & 2 ? SHIFT_MAX : 2);
    if (r->readable + offset + len + 1 >= SPACE)
        return;
    struct buf *lent = how & 4 ? buf_lend(&r->pool) : NULL;
    uint8_t *data = lent ? lent->memory + (how & 8 ? 40 : 0) : malloc(len + !len);
    const uint8_t *content = tape(how * 256u);
    memcpy(data, content, len);
    if (r->scarce)
        memset(data, SAME, len);
    uint32_t advance = 7, expected = 0;
    struct recvq_data given = {data, len, lent};
    enum recvq_result got = recvq_insert(&r->q, &r->pool, offset, &given, r->ooo_max, &advance);
    if (given.owner) {
        memset(data, 0xee, len);
        buf_release(&r->pool, lent);
    }
    if (!lent)
        free(data);
    if (r->scarce) {
        r->readable = r->q.readable;
        return;
    }
    enum recvq_result want = model_insert(r, offset, len, content, &expected);
    CHECK(got == want, "insert: %d instead of %d", got, want);
    CHECK(advance == expected, "advance: %u instead of %u", advance, expected);
}

static void read_some(struct receiving *r, struct input *in)
{
    struct iovec iov[IOV_TRIED];
    uint32_t skip = take_size(in, SHIFT_MAX), n = 0, want = take_size(in, SHIFT_MAX);
    skip = skip > r->readable ? r->readable : skip;
    int count = recvq_peek(&r->q, skip, iov, 1 + take8(in) % IOV_TRIED);
    CHECK((count > 0) == (skip < r->readable), "peek");
    for (int i = 0; i < count; n += (uint32_t)iov[i++].iov_len)
        CHECK(memcmp(iov[i].iov_base, r->byte + skip + n, iov[i].iov_len) == 0,
              "wrong bytes from %u on", skip + n);
    want = want > r->readable - skip ? r->readable - skip : want;
    uint8_t *copy = malloc(want + 1);
    CHECK(copy && recvq_copy(&r->q, skip, copy, want) == want, "copy");
    CHECK(memcmp(copy, r->byte + skip, want) == 0, "copy: wrong bytes");
    free(copy);
}

static void consume(struct receiving *r, struct input *in)
{
    uint32_t n = take_size(in, SHIFT_MAX + 1);
    n = n > r->readable ? r->readable : n;
    recvq_consume(&r->q, &r->pool, n);
    r->readable -= n;
    if (r->scarce || n == 0)
        return;
    memmove(r->have, r->have + n, r->end - n);
    memmove(r->byte, r->byte + n, r->end - n);
    memset(r->have + r->end - n, 0, n);
    r->end -= n;
}

static void check_sack(const struct receiving *r)
{
    struct recvq_range range[4];
    int count = recvq_sack(&r->q, range, 4);
    uint32_t last, ranges = model_ranges(r, &last);
    CHECK(r->scarce || count == (int)(ranges < 4 ? ranges : 4), "SACK: %d of %u", count, ranges);
    for (int i = 0; i < count && !r->scarce; i++) {
        uint32_t start = r->readable + range[i].start, end = r->readable + range[i].end;
        CHECK(!r->have[start - 1] && !r->have[end], "a SACK block that is not a whole range");
        CHECK(model_find(r, start, false) == end, "a SACK block with a hole");
    }
}

static void receive_step(struct receiving *r, struct input *in)
{
    switch (take8(in) % 8) {
    case 0:
        consume(r, in);
        break;
    case 1:
        read_some(r, in);
        break;
    case 2:
        if (take8(in) % 8)
            break;
        recvq_drop_ooo(&r->q, &r->pool);
        if (r->scarce)
            break;
        memset(r->have + r->readable, 0, r->end - r->readable);
        r->end = r->readable;
        break;
    default:
        insert(r, in);
    }
    const char *broken = recvq_check(&r->q);
    CHECK(!broken, "%s", broken);
    CHECK(r->q.readable == r->readable, "readable: %u instead of %u", r->q.readable, r->readable);
    check_sack(r);
}

static void receive(struct input *in)
{
    static struct receiving queue;
    struct receiving *r = &queue;
    uint8_t how = take8(in);
    memset(r->have, 0, r->end);
    r->end = r->readable = 0;
    r->q = (struct recvq){0};
    scarce_init(&r->heap, &r->mem, how);
    buf_pool_init(&r->pool, &r->mem);
    r->scarce = how & 1;
    r->heap.refused_percent = r->scarce ? 20 : 0;
    if (r->scarce)
        memset(r->byte, SAME, SPACE);
    r->ooo_max = how & 2 ? 256 : 1 + how / 4 % 8;
    for (unsigned i = 0; i < STEPS_MAX && in->left; i++)
        receive_step(r, in);
    recvq_free(&r->q, &r->pool);
    CHECK(recvq_idle(&r->q), "an empty queue holds memory");
    buf_pool_free(&r->pool);
    CHECK(r->mem.used == 0 && r->heap.blocks == 0, "memory is left");
}

/* ---- the send queue: byte[0 .. len) is what was written and not acknowledged ---- */

struct sending {
    struct scarce heap;
    struct mem mem;
    struct sendq_pool pool;
    struct sendq q;
    uint32_t written; /* so far: the tape's position */
    uint32_t len;
    uint8_t byte[SPACE];
};

static void append(struct sending *s, struct input *in)
{
    uint32_t len = take_size(in, SHIFT_MAX + 1);
    len = len > SPACE - s->len ? SPACE - s->len : len;
    uint8_t *data = malloc(len + !len);
    CHECK(data, "memory");
    memcpy(data, tape(s->written), len);
    memcpy(s->byte + s->len, data, len);
    uint32_t got = sendq_append(&s->q, &s->pool, data, len);
    free(data);
    CHECK(got == len || s->heap.refused_percent, "%u of %u appended", got, len);
    s->len += got;
    s->written += got;
}

static void reserve(struct sending *s, struct input *in)
{
    struct iovec iov[3];
    int count = take8(in) % 4;
    uint32_t want = take_size(in, SHIFT_MAX + 1), n = 0, commit = take_size(in, SHIFT_MAX + 1);
    want = want > SPACE - s->len ? SPACE - s->len : want;
    uint32_t got = sendq_reserve(&s->q, &s->pool, want, iov, &count);
    CHECK(got <= want, "more reserved than wanted");
    for (int i = 0; i < count; n += (uint32_t)iov[i++].iov_len)
        memcpy(iov[i].iov_base, tape(s->written + n), iov[i].iov_len);
    CHECK(n == got, "the iovecs have %u bytes, not %u", n, got);
    memcpy(s->byte + s->len, tape(s->written), got);
    commit = commit > got ? got : commit;
    if (take8(in) % 4 == 0)
        return; /* a reserve that nobody commits */
    sendq_commit(&s->q, commit);
    s->len += commit;
    s->written += commit;
}

static void acknowledge(struct sending *s, struct input *in)
{
    uint32_t n = take_size(in, SHIFT_MAX + 1);
    n = n > s->len ? s->len : n;
    sendq_drop(&s->q, &s->pool, n);
    s->len -= n;
    memmove(s->byte, s->byte + n, s->len);
}

static void look(struct sending *s, struct input *in)
{
    struct iovec iov[IOV_TRIED];
    int count, max = 1 + take8(in) % IOV_TRIED;
    uint32_t offset = take_size(in, SHIFT_MAX + 1), len = take_size(in, SHIFT_MAX + 1), n = 0;
    uint32_t got = sendq_iov(&s->q, offset, len, iov, max, &count);
    uint32_t there = offset < s->len ? s->len - offset : 0;
    CHECK(count <= max && got <= len && got <= there, "too much");
    CHECK(got == (len < there ? len : there) || count == max, "too little");
    for (int i = 0; i < count; n += (uint32_t)iov[i++].iov_len)
        CHECK(memcmp(iov[i].iov_base, s->byte + offset + n, iov[i].iov_len) == 0,
              "wrong bytes from %u on", offset + n);
    CHECK(n == got, "the iovecs have %u bytes, not %u", n, got);
}

static void send_step(struct sending *s, struct input *in)
{
    switch (take8(in) % 5) {
    case 0:
        append(s, in);
        break;
    case 1:
        reserve(s, in);
        break;
    case 2:
        acknowledge(s, in);
        break;
    case 3:
        look(s, in);
        break;
    default:
        sendq_trim(&s->q, &s->pool);
    }
    const char *broken = sendq_check(&s->q);
    CHECK(!broken, "%s", broken);
    CHECK(s->q.len == s->len, "len: %u instead of %u", s->q.len, s->len);
}

static void send(struct input *in)
{
    static struct sending queue;
    struct sending *s = &queue;
    uint8_t how = take8(in);
    s->written = s->len = 0;
    s->q = (struct sendq){0};
    scarce_init(&s->heap, &s->mem, how);
    sendq_pool_init(&s->pool, &s->mem);
    s->heap.refused_percent = how & 1 ? 20 : 0;
    for (unsigned i = 0; i < STEPS_MAX && in->left; i++)
        send_step(s, in);
    sendq_free(&s->q, &s->pool);
    CHECK(sendq_held(&s->q) == 0, "an empty queue holds memory");
    sendq_pool_free(&s->pool);
    CHECK(s->mem.used == 0 && s->heap.blocks == 0, "memory is left");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct input in = {data, len};
    if (take8(&in) & 1)
        receive(&in);
    else
        send(&in);
    return 0;
}
