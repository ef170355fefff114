/* Fuzz target: sequences of fragments. With plenty of room every answer is compared with that of a
 * naive model; with little room and a scarce allocator the bounds must hold. */
#include <string.h>

#include "fuzz/lib/fuzz.h"
#include "lib/exact.h"
#include "lib/scarce.h"
#include "stack/reass.h"

enum { KEYS = 8, FRAGMENTS_MAX = 200, PAYLOAD_MAX = 65536 };
enum { TIMEOUT_US = 1000000, PLENTY = 1 << 24 };

/* One datagram as anybody would do it: who has brought each byte? */
struct datagram {
    bool known;
    uint64_t deadline_us;
    enum drop_reason discarded;
    struct piece {
        uint32_t offset, len;
        bool more;
        uint8_t variant;
    } piece[REASS_FRAGMENTS];
    unsigned count;
};

struct fragment_in {
    unsigned key;
    uint32_t offset, len;
    bool more;
    uint8_t variant, tos, options;
};

struct world {
    struct scarce heap;
    struct mem mem;
    struct reass reass;
    bool exact; /* the model knows every answer */
    uint64_t now_us;
    struct datagram model[KEYS];
};

static const uint8_t *content(uint32_t at, uint8_t variant)
{
    return tape(at + variant * 100000u);
}

static struct ip4_header header_of(const struct fragment_in *f)
{
    unsigned header_len = IP4_HEADER_LEN + f->options * 4u;
    return (struct ip4_header){
        .src = {0xc0000201 + (f->key & 1)},
        .dst = {0xc0000209},
        .id = (uint16_t)(f->key >> 1 & 1),
        .protocol = f->key & 4 ? IP4_PROTO_TCP : IP4_PROTO_UDP,
        .header_len = (uint8_t)header_len,
        .total_len = (uint16_t)(header_len + f->len),
        .frag_offset = (uint16_t)f->offset,
        .more_fragments = f->more,
        .tos = f->tos,
    };
}

/* ---- the model ---- */

static bool impossible(const struct fragment_in *f, const struct ip4_header *h, const uint8_t *data)
{
    if (f->len == 0 || (f->more && f->len % 8) || f->offset + h->total_len > 65535)
        return true;
    if (h->protocol != IP4_PROTO_TCP || f->offset > 8)
        return false;
    return f->offset == 8 || f->len < 20 || f->len < (data[12] >> 4) * 4u;
}

static enum drop_reason model_place(struct datagram *d, const struct fragment_in *f, bool *copy)
{
    bool overlap = false, disagree = false;
    uint32_t end = f->offset + f->len;
    *copy = false;
    for (unsigned i = 0; i < d->count; i++) {
        const struct piece *p = &d->piece[i];
        uint32_t p_end = p->offset + p->len;
        if (p->offset == f->offset && p->len == f->len && p->more == f->more &&
            p->variant == f->variant)
            *copy = true;
        overlap = overlap || (p->offset < end && f->offset < p_end);
        disagree = disagree || (!p->more && (!f->more || end > p_end || f->offset >= p_end)) ||
                   (!f->more && p_end > end);
    }
    if (*copy)
        return DROP_NONE;
    if (overlap)
        return DROP_FRAG_OVERLAP;
    if (disagree)
        return DROP_FRAG_BAD;
    return d->count == REASS_FRAGMENTS ? DROP_FRAG_LIMIT : DROP_NONE;
}

static bool model_complete(const struct datagram *d)
{
    uint32_t bytes = 0, end = 0;
    for (unsigned i = 0; i < d->count; i++) {
        bytes += d->piece[i].len;
        if (!d->piece[i].more)
            end = d->piece[i].offset + d->piece[i].len;
    }
    return end && bytes == end;
}

static enum drop_reason model_input(struct world *w, const struct fragment_in *f, bool *complete)
{
    struct datagram *d = &w->model[f->key];
    bool copy;
    *complete = false;
    if (!d->known || w->now_us >= d->deadline_us)
        *d = (struct datagram){.known = true, .deadline_us = w->now_us + TIMEOUT_US};
    if (d->discarded)
        return d->discarded;
    enum drop_reason why = d->discarded = model_place(d, f, &copy);
    if (why || copy)
        return why;
    d->piece[d->count++] = (struct piece){f->offset, f->len, f->more, f->variant};
    *complete = model_complete(d);
    return DROP_NONE;
}

/* ---- both ---- */

static void check_whole(struct world *w, const struct fragment_in *f, const uint8_t *got,
                        size_t len)
{
    struct ip4_header h, in = header_of(f);
    CHECK(ip4_parse(&h, got, len) == DROP_NONE && h.total_len == len, "the header of the whole");
    CHECK(h.header_len == IP4_HEADER_LEN && !h.more_fragments && h.frag_offset == 0, "a fragment");
    CHECK(h.src.v == in.src.v && h.id == in.id && h.protocol == in.protocol, "of another datagram");
    if (!w->exact)
        return;
    struct datagram *d = &w->model[f->key];
    for (unsigned i = 0; i < d->count; i++)
        CHECK(memcmp(got + IP4_HEADER_LEN + d->piece[i].offset,
                     content(d->piece[i].offset, d->piece[i].variant), d->piece[i].len) == 0,
              "wrong bytes in the piece at %u", d->piece[i].offset);
    d->known = false;
}

static void check_bounds(const struct world *w)
{
    CHECK(w->mem.used == w->reass.used_bytes && w->mem.by_kind[MEM_REASS] == w->mem.used,
          "charges");
    CHECK(w->reass.used_bytes <= w->reass.max_bytes, "more than allowed");
    CHECK(w->reass.count <= REASS_DATAGRAMS, "too many datagrams");
    CHECK((w->reass.count == 0) == (reass_deadline(&w->reass) == UINT64_MAX), "deadline");
}

static void give(struct world *w, const struct fragment_in *f)
{
    struct ip4_header h = header_of(f);
    uint8_t *packet = malloc(h.total_len), *whole = NULL;
    CHECK(packet, "memory");
    memset(packet, 1, h.header_len);
    ip4_build(packet, h.src, h.dst, h.protocol, 64, h.tos, h.total_len);
    packet[4] = 0;
    packet[5] = (uint8_t)h.id;
    memcpy(packet + h.header_len, content(f->offset, f->variant), f->len);

    size_t len = 0;
    bool complete, expected = false, bad = impossible(f, &h, packet + h.header_len);
    enum drop_reason why = reass_input(&w->reass, &h, packet, w->now_us, &whole, &len, &complete);
    free(packet);
    CHECK(!bad || why == DROP_FRAG_BAD, "an impossible fragment is taken: %d", why);
    CHECK(!why || !complete, "dropped and complete");
    if (w->exact && !bad) {
        enum drop_reason want = model_input(w, f, &expected);
        CHECK(why == want, "%d instead of %d", why, want);
        CHECK(complete == expected, "complete: %d instead of %d", complete, expected);
    }
    if (complete)
        check_whole(w, f, whole, len);
    check_bounds(w);
}

static void step(struct world *w, struct input *in)
{
    uint8_t what = take8(in);
    if (what >= 0xf0) {
        w->now_us += (uint64_t)take8(in) * 10000;
        reass_expire(&w->reass, w->now_us, NULL, NULL);
        check_bounds(w);
        return;
    }
    struct fragment_in f = {.key = what % KEYS, .more = what & 8, .variant = what >> 4 == 7};
    f.offset = (what & 0x80 ? take16(in) : take8(in)) % 8192u * 8;
    f.len = what & 0x40 ? take16(in) % 20000 : take8(in) % 16 * 8u;
    if (f.more && what & 0x20)
        f.len &= ~7u;
    if (!w->exact) { /* ECN in pieces and options would only blur the model */
        f.tos = take8(in);
        f.options = take8(in) % 11;
    }
    give(w, &f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct input in = {data, len};
    struct world *w = calloc(1, sizeof(*w));
    CHECK(w, "memory");
    uint8_t how = take8(&in);
    w->exact = how & 1;
    scarce_init(&w->heap, &w->mem, 1);
    if (!w->exact)
        w->heap.refused_percent = how & 2 ? 10 : 0;
    reass_init(&w->reass, &w->mem, w->exact ? PLENTY : (size_t)how << 9, TIMEOUT_US);
    for (unsigned i = 0; i < FRAGMENTS_MAX && in.left; i++)
        step(w, &in);
    reass_free(&w->reass);
    CHECK(w->mem.used == 0 && w->heap.blocks == 0, "memory is left");
    free(w);
    return 0;
}
