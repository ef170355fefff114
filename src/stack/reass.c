#include "stack/reass.h"

#include <string.h>

#include "util/bytes.h"
#include "wire/checksum.h"

enum { ECN_MASK = 3, ECN_CE = 3, FLAG_DF = 0x4000 };
enum { TCP_LEAST = 20, TCP_OFFSET_AT = 12 };

struct fragment {
    struct fragment *next; /* by offset */
    uint16_t offset, len;
    bool more;
    uint8_t data[];
};

struct reass_datagram {
    struct reass_datagram *next; /* younger */
    struct fragment *fragments;
    uint64_t deadline_us;
    size_t bytes; /* charged for it, this struct included */
    ip4_addr src, dst;
    struct ip4_header first; /* of the fragment at 0; all zero: it has not come */
    enum drop_reason discarded; /* DROP_NONE, or why */
    uint32_t received;          /* bytes of payload */
    uint32_t reach;             /* the furthest end of a fragment so far */
    uint32_t end;               /* by the last fragment; 0: not known yet */
    uint16_t id;
    uint8_t protocol;
    uint8_t ecn_seen; /* a bit for each of the four codepoints */
    uint8_t count;
    uint8_t quote[REASS_QUOTE]; /* its bytes */
};

/* ---- memory ---- */

static void *take(struct reass *r, size_t size)
{
    void *memory = mem_alloc(r->mem, MEM_REASS, size);
    if (memory)
        r->used_bytes += size;
    return memory;
}

static void give_back(struct reass *r, void *memory, size_t size)
{
    mem_free(r->mem, MEM_REASS, memory, size);
    r->used_bytes -= size;
}

static size_t fragment_size(const struct fragment *f)
{
    return sizeof *f + f->len;
}

static void free_fragments(struct reass *r, struct reass_datagram *d)
{
    while (d->fragments) {
        struct fragment *f = d->fragments;
        d->fragments = f->next;
        give_back(r, f, fragment_size(f));
    }
    d->bytes = sizeof *d;
}

static void remove_datagram(struct reass *r, struct reass_datagram *d)
{
    struct reass_datagram **at = &r->oldest;
    while (*at != d)
        at = &(*at)->next;
    *at = d->next;
    if (r->newest == &d->next)
        r->newest = at;
    r->count--;
    free_fragments(r, d);
    give_back(r, d, sizeof *d);
}

static void free_finished(struct reass *r)
{
    if (r->finished)
        give_back(r, r->finished, r->finished_size);
    r->finished = NULL;
}

/* The record stays until its deadline, so that late fragments find it. */
static enum drop_reason discard(struct reass *r, struct reass_datagram *d, enum drop_reason why)
{
    free_fragments(r, d);
    d->discarded = why;
    return why;
}

/* ---- room ---- */

/* The oldest but `keep`; of one source unless src is NULL. */
static struct reass_datagram *find_oldest(const struct reass *r, const ip4_addr *src,
                                          const struct reass_datagram *keep)
{
    struct reass_datagram *d = r->oldest;
    while (d && (d == keep || (src && d->src.v != src->v)))
        d = d->next;
    return d;
}

static bool evict(struct reass *r, struct reass_datagram *victim)
{
    if (!victim)
        return false;
    r->evicted += victim->discarded == DROP_NONE;
    remove_datagram(r, victim);
    return true;
}

static bool evict_for(struct reass *r, ip4_addr src, const struct reass_datagram *keep)
{
    struct reass_datagram *victim = find_oldest(r, &src, keep);
    return evict(r, victim ? victim : find_oldest(r, NULL, keep));
}

/* Room for `size` bytes more in all, sparing `keep`. */
static bool make_room(struct reass *r, ip4_addr src, const struct reass_datagram *keep, size_t size)
{
    while (r->used_bytes + size > r->max_bytes)
        if (!evict_for(r, src, keep))
            return false;
    return true;
}

/* Room for `size` bytes more of fragments from one source, sparing `keep`. */
static bool make_source_room(struct reass *r, ip4_addr src, const struct reass_datagram *keep,
                             size_t size)
{
    size_t held = 0;
    for (const struct reass_datagram *d = r->oldest; d; d = d->next)
        if (d->src.v == src.v)
            held += d->bytes;
    while (held + size > r->max_bytes / 2) {
        struct reass_datagram *victim = find_oldest(r, &src, keep);
        if (!victim)
            return false;
        held -= victim->bytes;
        evict(r, victim);
    }
    return make_room(r, src, keep, size);
}

/* ---- datagrams ---- */

static struct reass_datagram *find(const struct reass *r, const struct ip4_header *h,
                                   uint64_t now_us)
{
    for (struct reass_datagram *d = r->oldest; d; d = d->next)
        if (d->id == h->id && d->src.v == h->src.v && d->dst.v == h->dst.v &&
            d->protocol == h->protocol && now_us < d->deadline_us)
            return d;
    return NULL;
}

static enum drop_reason add_datagram(struct reass *r, const struct ip4_header *h, uint64_t now_us,
                                     struct reass_datagram **added)
{
    struct reass_datagram *d;
    if (r->count == REASS_DATAGRAMS)
        evict_for(r, h->src, NULL);
    if (!make_source_room(r, h->src, NULL, sizeof *d))
        return DROP_FRAG_LIMIT;
    d = take(r, sizeof *d);
    if (!d)
        return DROP_NO_MEMORY;
    *d = (struct reass_datagram){.src = h->src, .dst = h->dst, .id = h->id};
    d->protocol = h->protocol;
    d->bytes = sizeof *d;
    d->deadline_us = now_us + r->timeout_us;
    *r->newest = d;
    r->newest = &d->next;
    r->count++;
    *added = d;
    return DROP_NONE;
}

/* ---- fragments ---- */

/* What no honest sender makes. */
static bool impossible(const struct ip4_header *h, const uint8_t *packet)
{
    uint32_t len = (uint32_t)h->total_len - h->header_len;
    if (len == 0 || (h->more_fragments && len % 8) ||
        (uint32_t)h->frag_offset + h->total_len > UINT16_MAX)
        return true;
    if (h->protocol != IP4_PROTO_TCP)
        return false;
    if (h->frag_offset == 8)
        return true;
    return h->frag_offset == 0 &&
           (len < TCP_LEAST || len < (packet[h->header_len + TCP_OFFSET_AT] >> 4) * 4u);
}

static bool ends_agree(const struct reass_datagram *d, const struct fragment *f)
{
    uint32_t end = (uint32_t)f->offset + f->len;
    if (f->more)
        return d->end == 0 || end < d->end;
    return d->reach <= end && d->end == 0; /* a copy of the last one has been found to be one */
}

static bool same(const struct fragment *a, const struct fragment *b, const uint8_t *b_data)
{
    return a->offset == b->offset && a->len == b->len && a->more == b->more &&
           memcmp(a->data, b_data, a->len) == 0;
}

/* Where a fragment belongs, in *at. A copy of one that is there makes *copy true. */
static enum drop_reason find_place(struct reass_datagram *d, const struct fragment *f,
                                   const uint8_t *data, struct fragment ***at, bool *copy)
{
    struct fragment **p = &d->fragments;
    while (*p && (*p)->offset + (*p)->len <= f->offset)
        p = &(*p)->next;
    *at = p;
    *copy = *p && same(*p, f, data);
    if (*copy)
        return DROP_NONE;
    if (*p && (*p)->offset < f->offset + f->len)
        return DROP_FRAG_OVERLAP;
    return ends_agree(d, f) ? DROP_NONE : DROP_FRAG_BAD;
}

static enum drop_reason add_fragment(struct reass *r, struct reass_datagram *d,
                                     const struct ip4_header *h, const uint8_t *packet)
{
    const uint8_t *data = packet + h->header_len;
    struct fragment frame = {.offset = h->frag_offset, .more = h->more_fragments}, **at;
    frame.len = (uint16_t)(h->total_len - h->header_len);
    bool copy;
    enum drop_reason why = find_place(d, &frame, data, &at, &copy);
    if (why)
        return discard(r, d, why);
    if (copy)
        return DROP_NONE;

    size_t size = fragment_size(&frame);
    if (d->count == REASS_FRAGMENTS || !make_source_room(r, d->src, d, size))
        return discard(r, d, DROP_FRAG_LIMIT);
    struct fragment *f = take(r, size);
    if (!f)
        return discard(r, d, DROP_NO_MEMORY);
    frame.next = *at;
    *f = frame;
    memcpy(f->data, data, f->len);
    *at = f;

    d->bytes += size;
    d->count++;
    d->received += f->len;
    d->reach = max_u32(d->reach, (uint32_t)f->offset + f->len);
    if (!f->more)
        d->end = d->reach;
    if (f->offset == 0) {
        d->first = *h;
        memcpy(d->quote, packet, min_u32(h->total_len, REASS_QUOTE));
    }
    d->ecn_seen |= (uint8_t)(1 << (h->tos & ECN_MASK));
    return DROP_NONE;
}

/* ---- the whole ---- */

static void write_header(uint8_t *out, const struct reass_datagram *d)
{
    memcpy(out, d->quote, IP4_HEADER_LEN);
    out[0] = 4 << 4 | IP4_HEADER_LEN / 4;
    if (d->ecn_seen & 1 << ECN_CE)
        out[1] |= ECN_CE;
    store_be16(out + 2, (uint16_t)(IP4_HEADER_LEN + d->end));
    store_be16(out + 6, load_be16(out + 6) & FLAG_DF);
    store_be16(out + 10, 0);
    struct checksum sum = checksum_start();
    checksum_add(&sum, out, IP4_HEADER_LEN);
    store_be16(out + 10, checksum_field(&sum));
}

static enum drop_reason finish(struct reass *r, struct reass_datagram *d)
{
    if ((d->ecn_seen & 1 << ECN_CE) && (d->ecn_seen & 1))
        return discard(r, d, DROP_FRAG_BAD);
    size_t size = IP4_HEADER_LEN + d->end;
    make_room(r, d->src, d, size); /* succeeds: d holds more than that, and at most half of all */
    uint8_t *out = take(r, size);
    if (!out)
        return discard(r, d, DROP_NO_MEMORY);
    write_header(out, d);
    for (const struct fragment *f = d->fragments; f; f = f->next)
        memcpy(out + IP4_HEADER_LEN + f->offset, f->data, f->len);
    remove_datagram(r, d);
    r->finished = out;
    r->finished_size = size;
    return DROP_NONE;
}

enum drop_reason reass_input(struct reass *r, const struct ip4_header *h, const uint8_t *packet,
                             uint64_t now_us, uint8_t **datagram, size_t *len, bool *complete)
{
    *complete = false;
    free_finished(r);
    if (impossible(h, packet))
        return DROP_FRAG_BAD;
    struct reass_datagram *d = find(r, h, now_us);
    enum drop_reason why = d ? d->discarded : add_datagram(r, h, now_us, &d);
    if (!why)
        why = add_fragment(r, d, h, packet);
    /* Nothing overlaps, so as many bytes as the end is far leave no hole. */
    if (!why && d->end && d->received == d->end) {
        why = finish(r, d);
        *complete = !why;
        *datagram = r->finished;
        *len = r->finished_size;
    }
    return why;
}

uint64_t reass_deadline(const struct reass *r)
{
    return r->oldest ? r->oldest->deadline_us : UINT64_MAX;
}

unsigned reass_expire(struct reass *r, uint64_t now_us, reass_late *late, void *ctx)
{
    unsigned timed_out = 0;
    while (r->oldest && r->oldest->deadline_us <= now_us) {
        struct reass_datagram *d = r->oldest;
        bool waited = d->discarded == DROP_NONE;
        timed_out += waited;
        if (late && waited && d->first.header_len)
            late(ctx, d->quote, &d->first);
        remove_datagram(r, d);
    }
    return timed_out;
}

void reass_init(struct reass *r, struct mem *mem, size_t max_bytes, uint64_t timeout_us)
{
    *r = (struct reass){.mem = mem, .max_bytes = max_bytes, .timeout_us = timeout_us};
    r->newest = &r->oldest;
}

void reass_free(struct reass *r)
{
    while (r->oldest)
        remove_datagram(r, r->oldest);
    free_finished(r);
}
