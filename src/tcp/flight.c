#include "tcp/flight.h"

#include <string.h>

#include "util/bytes.h"

enum { FLIGHT_CAP_MIN = 4, WORD = 64 };

static uint32_t words(uint32_t cap) { return (cap + WORD - 1) / WORD; }

static size_t ring_bytes(uint32_t cap)
{
    return cap * sizeof(struct sent) + 3 * words(cap) * sizeof(uint64_t);
}

static uint32_t slot_of(const struct flight *f, uint32_t position)
{
    return (f->head + position) & (f->cap - 1);
}

static void bit_put(uint64_t *map, uint32_t slot, bool on)
{
    uint64_t bit = 1ull << (slot % WORD);
    if (on) map[slot / WORD] |= bit;
    else map[slot / WORD] &= ~bit;
}

static uint64_t all_units(const struct sent *r)
{
    unsigned n = sent_units(r);
    return n >= WORD ? UINT64_MAX : (1ull << n) - 1;
}

/* The bitmaps follow the record's masks. */
static void refresh(struct flight *f, uint32_t position)
{
    const struct sent *r = flight_at(f, position);
    uint32_t slot = slot_of(f, position);
    bit_put(f->open, slot, (all_units(r) & ~r->sacked) != 0);
    bit_put(f->waiting, slot, r->lost != 0);
    bit_put(f->flying, slot, (all_units(r) & ~r->sacked & ~r->lost) != 0);
}

bool flight_reserve(struct flight *f, struct mem *mem)
{
    if (f->count < f->cap) return true;
    uint32_t cap = f->cap ? f->cap * 2 : FLIGHT_CAP_MIN;
    struct sent *ring = mem_zalloc(mem, MEM_SEND, ring_bytes(cap));
    if (!ring) return false;
    for (uint32_t i = 0; i < f->count; i++) ring[i] = *flight_at(f, i);
    if (f->ring) mem_free(mem, MEM_SEND, f->ring, ring_bytes(f->cap));
    f->ring = ring;
    f->cap = cap;
    f->head = 0;
    f->open = (uint64_t *)(void *)(ring + cap);
    f->waiting = f->open + words(cap);
    f->flying = f->waiting + words(cap);
    for (uint32_t i = 0; i < f->count; i++) refresh(f, i);
    return true;
}

void flight_free(struct flight *f, struct mem *mem)
{
    if (f->ring) mem_free(mem, MEM_SEND, f->ring, ring_bytes(f->cap));
    *f = (struct flight){0};
}

struct sent *flight_push(struct flight *f, seq_t start, uint32_t len, uint32_t unit, uint64_t now_us)
{
    uint32_t position = f->count++;
    struct sent *r = flight_at(f, position);
    *r = (struct sent){.start = start, .len = len, .unit = unit, .sent_us = now_us};
    refresh(f, position);
    return r;
}

uint32_t flight_find(const struct flight *f, seq_t s)
{
    uint32_t low = 0, high = f->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        const struct sent *r = flight_at(f, middle);
        if (seq_leq(seq_add(r->start, r->len), s)) low = middle + 1;
        else high = middle;
    }
    return low;
}

uint32_t flight_next(const struct flight *f, const uint64_t *map, uint32_t from)
{
    while (from < f->count) {
        uint32_t slot = slot_of(f, from);
        uint64_t word = map[slot / WORD] >> (slot % WORD);
        if (word) {
            from += (uint32_t)__builtin_ctzll(word);
            return min_u32(from, f->count);
        }
        uint32_t left = WORD - slot % WORD; /* of this word, or of the ring if that ends first */
        from += min_u32(left, f->cap - slot);
    }
    return f->count;
}

uint64_t sent_mask(const struct sent *r, seq_t from, seq_t to)
{
    seq_t end = seq_add(r->start, r->len);
    unsigned first = 0, last = sent_units(r);
    if (seq_gt(from, r->start)) first = (seq_len(r->start, from) + r->unit - 1) / r->unit;
    if (seq_lt(to, end)) last = seq_leq(to, r->start) ? 0 : seq_len(r->start, to) / r->unit;
    if (first >= last) return 0;
    uint64_t below_last = last >= WORD ? UINT64_MAX : (1ull << last) - 1;
    return below_last & ~((1ull << first) - 1);
}

uint32_t sent_bytes(const struct sent *r, uint64_t units)
{
    unsigned n = sent_units(r);
    uint32_t bytes = popcount_u64(units) * r->unit;
    if (units >> (n - 1) & 1) bytes -= n * r->unit - r->len; /* the last may be short */
    return bytes;
}

seq_t sent_end(const struct sent *r, uint64_t units)
{
    unsigned top = (unsigned)(WORD - __builtin_clzll(units));
    return seq_add(r->start, min_u32(top * r->unit, r->len));
}

void flight_mark_sacked(struct flight *f, uint32_t position, uint64_t units)
{
    struct sent *r = flight_at(f, position);
    units &= ~r->sacked;
    f->sacked_bytes += sent_bytes(r, units);
    f->sacked_units += popcount_u64(units);
    f->lost_bytes -= sent_bytes(r, units & r->lost);
    r->lost &= ~units;
    r->sacked |= units;
    refresh(f, position);
}

void flight_mark_lost(struct flight *f, uint32_t position, uint64_t units)
{
    struct sent *r = flight_at(f, position);
    units &= ~r->sacked & ~r->lost;
    f->lost_bytes += sent_bytes(r, units);
    r->lost |= units;
    refresh(f, position);
}

void flight_mark_again(struct flight *f, uint32_t position, uint64_t units, uint64_t now_us)
{
    struct sent *r = flight_at(f, position);
    f->lost_bytes -= sent_bytes(r, units & r->lost);
    r->lost &= ~units;
    r->again |= units;
    r->again_us = now_us;
    refresh(f, position);
}

void flight_unmark_lost(struct flight *f)
{
    for (uint32_t i = flight_next(f, f->waiting, 0); i < f->count; i = flight_next(f, f->waiting, i + 1)) {
        flight_at(f, i)->lost = 0;
        refresh(f, i);
    }
    f->lost_bytes = 0;
}

void flight_forget_sacked(struct flight *f)
{
    for (uint32_t i = 0; i < f->count; i++) {
        flight_at(f, i)->sacked = 0;
        refresh(f, i);
    }
    f->sacked_bytes = f->sacked_units = 0;
}

/* Take units off the record's front. */
static void drop_units(struct flight *f, struct sent *r, unsigned n)
{
    uint64_t gone = n >= WORD ? UINT64_MAX : (1ull << n) - 1;
    f->sacked_bytes -= sent_bytes(r, r->sacked & gone);
    f->sacked_units -= popcount_u64(r->sacked & gone);
    f->lost_bytes -= sent_bytes(r, r->lost & gone);
    if (n >= sent_units(r)) return; /* all of it: the caller removes the record */
    r->sacked >>= n;
    r->lost >>= n;
    r->again >>= n;
    r->start = seq_add(r->start, n * r->unit);
    r->len -= n * r->unit;
}

void flight_trim(struct flight *f, seq_t una)
{
    while (f->count) {
        struct sent *r = flight_at(f, 0);
        if (seq_geq(r->start, una)) return;
        uint32_t below = seq_len(r->start, una);
        if (below < r->len) {
            unsigned whole = below / r->unit;
            if (whole) drop_units(f, r, whole);
            refresh(f, 0);
            return;
        }
        drop_units(f, r, sent_units(r));
        bit_put(f->open, f->head, false);
        bit_put(f->waiting, f->head, false);
        bit_put(f->flying, f->head, false);
        f->head = (f->head + 1) & (f->cap - 1);
        f->count--;
    }
}

const char *flight_check(const struct flight *f, seq_t una, seq_t nxt)
{
    uint32_t sacked = 0, lost = 0, units = 0;
    seq_t at = una;
    for (uint32_t i = 0; i < f->count; i++) {
        const struct sent *r = flight_at(f, i);
        uint32_t slot = slot_of(f, i);
        if (!r->len || !r->unit || sent_units(r) > FLIGHT_UNITS) return "flight: an impossible record";
        if (i ? !seq_eq(r->start, at) : seq_gt(r->start, una)) return "flight: a gap between records";
        if ((r->sacked | r->lost | r->again) & ~all_units(r)) return "flight: a mark beyond the record";
        if (r->sacked & r->lost) return "flight: SACKed and lost";
        if ((f->waiting[slot / WORD] >> (slot % WORD) & 1) != (r->lost != 0)) return "flight: waiting bit";
        if ((f->open[slot / WORD] >> (slot % WORD) & 1) != ((all_units(r) & ~r->sacked) != 0))
            return "flight: open bit";
        bool flying = (all_units(r) & ~r->sacked & ~r->lost) != 0;
        if ((f->flying[slot / WORD] >> (slot % WORD) & 1) != flying) return "flight: flying bit";
        at = seq_add(r->start, r->len);
        sacked += sent_bytes(r, r->sacked);
        lost += sent_bytes(r, r->lost);
        units += popcount_u64(r->sacked);
    }
    if (f->count && !seq_eq(at, nxt)) return "flight: records do not reach SND.NXT";
    if (!f->count && !seq_eq(una, nxt)) return "flight: bytes without a record";
    if (sacked != f->sacked_bytes || lost != f->lost_bytes || units != f->sacked_units)
        return "flight: bytes miscounted";
    return NULL;
}
