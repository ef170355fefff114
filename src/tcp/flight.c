#include "tcp/flight.h"

#include <string.h>

#include "util/bitset.h"
#include "util/bytes.h"

enum { FLIGHT_CAP_MIN = 4, WORD = 64 };

static size_t ring_bytes(uint32_t cap)
{
    return cap * sizeof(struct sent) + 3 * bitset_words(cap) * sizeof(uint64_t);
}

static uint32_t slot_of(const struct flight *f, uint32_t position)
{
    return (f->head + position) & (f->cap - 1);
}

static uint32_t position_of(const struct flight *f, uint32_t slot)
{
    return (slot - f->head) & (f->cap - 1);
}

static uint64_t all_units(const struct sent *r)
{
    unsigned n = sent_units(r);
    return n >= WORD ? UINT64_MAX : (1ull << n) - 1;
}

uint64_t sent_flying(const struct sent *r) { return all_units(r) & ~r->sacked & ~r->lost; }

/* ---- the list of what was sent again ---- */

static bool is_listed(const struct flight *f, uint32_t slot)
{
    return f->oldest == slot + 1 || f->ring[slot].older;
}

static void list(struct flight *f, uint32_t slot)
{
    f->ring[slot].older = f->newest;
    f->ring[slot].newer = 0;
    if (f->newest) f->ring[f->newest - 1].newer = slot + 1;
    else f->oldest = slot + 1;
    f->newest = slot + 1;
}

static void unlist(struct flight *f, uint32_t slot)
{
    struct sent *r = &f->ring[slot];
    if (!is_listed(f, slot)) return;
    if (r->older) f->ring[r->older - 1].newer = r->newer;
    else f->oldest = r->newer;
    if (r->newer) f->ring[r->newer - 1].older = r->older;
    else f->newest = r->older;
    if (f->passed == slot + 1) f->passed = r->older;
    r->older = r->newer = 0;
}

uint32_t flight_again(const struct flight *f)
{
    return f->oldest ? position_of(f, f->oldest - 1) : f->count;
}

uint32_t flight_again_next(const struct flight *f, uint32_t position)
{
    uint32_t newer = flight_at(f, position)->newer;
    return newer ? position_of(f, newer - 1) : f->count;
}

uint32_t flight_again_before(struct flight *f, uint64_t us, seq_t end)
{
    for (;;) {
        uint32_t next = f->passed ? f->ring[f->passed - 1].newer : f->oldest;
        if (!next) break;
        const struct sent *r = &f->ring[next - 1];
        if (!sent_before(r, sent_flying(r) & r->again, r->again_us, us, end)) break;
        f->passed = next;
    }
    return f->passed ? position_of(f, f->passed - 1) : f->count;
}

/* ---- times of units ---- */

enum { TIMES_BYTES = FLIGHT_UNITS * sizeof(uint32_t) };

static void forget_times(struct flight *f, struct sent *r)
{
    if (r->later_us) mem_free(f->mem, MEM_SEND, r->later_us, TIMES_BYTES);
    r->later_us = NULL;
}

static void note_times(struct sent *r, uint64_t units, uint64_t us)
{
    for (; units; units &= units - 1) r->later_us[ctz_u64(units)] = (uint32_t)min_u64(us - r->sent_us, UINT32_MAX);
}

/* These units go again. The first time that others went at another time, a table is made. */
static void went_again(struct flight *f, struct sent *r, uint64_t units, uint64_t now_us)
{
    uint64_t others = r->again & ~units;
    if (others && !r->later_us && r->again_us != now_us) {
        r->later_us = mem_zalloc(f->mem, MEM_SEND, TIMES_BYTES);
        if (r->later_us) note_times(r, others, r->again_us);
    }
    if (r->later_us) note_times(r, units, now_us);
    r->again |= units;
    r->again_us = now_us;
}

uint64_t sent_again_us(const struct sent *r, unsigned unit)
{
    return r->later_us ? r->sent_us + r->later_us[unit] : r->again_us;
}

uint64_t sent_again_before(const struct sent *r, uint64_t units, uint64_t us, seq_t end)
{
    uint64_t before = 0;
    if (!r->later_us) return sent_before(r, units, r->again_us, us, end);
    for (uint64_t left = units; left; left &= left - 1) {
        unsigned unit = ctz_u64(left);
        before |= sent_before(r, 1ull << unit, sent_again_us(r, unit), us, end);
    }
    return before;
}

/* ---- records ---- */

static void put(struct flight *f, uint32_t slot, bool open, bool waiting, bool once)
{
    bitset_put(f->open, f->cap, slot, open);
    bitset_put(f->waiting, f->cap, slot, waiting);
    bitset_put(f->once, f->cap, slot, once);
}

/* Sets and list follow the record's masks. */
static void refresh(struct flight *f, uint32_t position)
{
    const struct sent *r = flight_at(f, position);
    uint32_t slot = slot_of(f, position);
    uint64_t flying = sent_flying(r);
    put(f, slot, all_units(r) & ~r->sacked, r->lost, flying & ~r->again);
    if (!(flying & r->again)) unlist(f, slot);
    else if (!is_listed(f, slot)) list(f, slot);
}

bool flight_reserve(struct flight *f, struct mem *mem)
{
    if (f->count < f->cap) return true; /* and `mem` is known */
    struct flight old = *f;
    uint32_t cap = f->cap ? f->cap * 2 : FLIGHT_CAP_MIN;
    struct sent *ring = mem_zalloc(mem, MEM_SEND, ring_bytes(cap));
    if (!ring) return false;
    f->ring = ring;
    f->cap = cap;
    f->mem = mem;
    f->head = f->oldest = f->newest = f->passed = 0;
    f->open = (uint64_t *)(void *)(ring + cap);
    f->waiting = f->open + bitset_words(cap);
    f->once = f->waiting + bitset_words(cap);
    for (uint32_t i = 0; i < f->count; i++) {
        ring[i] = *flight_at(&old, i);
        ring[i].older = ring[i].newer = 0;
    }
    for (uint32_t i = flight_again(&old); i < old.count; i = flight_again_next(&old, i)) list(f, i);
    for (uint32_t i = 0; i < f->count; i++) refresh(f, i);
    if (old.ring) mem_free(mem, MEM_SEND, old.ring, ring_bytes(old.cap));
    return true;
}

void flight_free(struct flight *f, struct mem *mem)
{
    for (uint32_t i = 0; i < f->count; i++) forget_times(f, flight_at(f, i));
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

uint32_t flight_next(const struct flight *f, const uint64_t *set, uint32_t from)
{
    if (from >= f->count) return f->count;
    uint32_t slot = slot_of(f, from), found = bitset_next(set, f->cap, slot);
    if (found == f->cap && slot >= f->head) found = bitset_next(set, f->cap, 0); /* the ring goes round */
    if (found == f->cap || position_of(f, found) < from) return f->count;
    return position_of(f, found);
}

/* The last position <= from in `set`; count if there is none. */
static uint32_t flight_prev(const struct flight *f, const uint64_t *set, uint32_t from)
{
    uint32_t slot = slot_of(f, from), found = bitset_prev(set, f->cap, slot);
    if (found == f->cap && slot < f->head) found = bitset_prev(set, f->cap, f->cap - 1);
    if (found == f->cap || position_of(f, found) > from) return f->count;
    return position_of(f, found);
}

uint32_t flight_once_before(const struct flight *f, uint64_t us, seq_t end)
{
    uint32_t low = 0, high = f->count;
    while (low < high) { /* they lie in the order of their sending */
        uint32_t middle = (low + high) / 2;
        const struct sent *r = flight_at(f, middle);
        if (r->sent_us < us || (r->sent_us == us && seq_lt(r->start, end))) low = middle + 1;
        else high = middle;
    }
    while (low) {
        low = flight_prev(f, f->once, low - 1);
        if (low == f->count) break;
        const struct sent *r = flight_at(f, low);
        if (sent_before(r, sent_flying(r) & ~r->again, r->sent_us, us, end)) return low;
    }
    return f->count;
}

uint64_t sent_before(const struct sent *r, uint64_t units, uint64_t sent_us, uint64_t us, seq_t end)
{
    if (sent_us > us) return 0;
    return sent_us < us ? units : units & sent_mask(r, r->start, end);
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
    went_again(f, r, units, now_us);
    unlist(f, slot_of(f, position)); /* to come last */
    refresh(f, position);
}

void flight_unmark_lost(struct flight *f)
{
    for (uint32_t i = flight_next(f, f->waiting, 0); i < f->count; i = flight_next(f, f->waiting, i + 1)) {
        flight_at(f, i)->lost = 0;
        refresh(f, i);
    }
    f->lost_bytes = 0;
    f->passed = 0;
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
    if (r->later_us) memmove(r->later_us, r->later_us + n, (FLIGHT_UNITS - n) * sizeof(*r->later_us));
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
        forget_times(f, r);
        put(f, f->head, false, false, false);
        unlist(f, f->head);
        f->head = (f->head + 1) & (f->cap - 1);
        f->count--;
    }
}

/* What refresh keeps. */
static const char *check_sets(const struct flight *f, const struct sent *r, uint32_t slot)
{
    uint64_t flying = sent_flying(r);
    if (bitset_has(f->waiting, slot) != (r->lost != 0)) return "flight: waiting";
    if (bitset_has(f->open, slot) != ((all_units(r) & ~r->sacked) != 0)) return "flight: open";
    if (bitset_has(f->once, slot) != ((flying & ~r->again) != 0)) return "flight: once";
    if (is_listed(f, slot) != ((flying & r->again) != 0)) return "flight: sent again, and not in the list";
    return NULL;
}

static const char *check_list(const struct flight *f, uint32_t again)
{
    uint32_t before = 0, listed = 0;
    for (uint32_t at = f->oldest; at; at = f->ring[at - 1].newer, listed++) {
        if (f->ring[at - 1].older != before) return "flight: the list's way back";
        before = at;
    }
    if (listed != again) return "flight: the list has what is not in flight";
    return before == f->newest ? NULL : "flight: the list's end";
}

const char *flight_check(const struct flight *f, seq_t una, seq_t nxt)
{
    uint32_t sacked = 0, lost = 0, units = 0, again = 0;
    seq_t at = una;
    for (uint32_t i = 0; i < f->count; i++) {
        const struct sent *r = flight_at(f, i);
        uint32_t slot = slot_of(f, i);
        if (!r->len || !r->unit || sent_units(r) > FLIGHT_UNITS) return "flight: an impossible record";
        if (i ? !seq_eq(r->start, at) : seq_gt(r->start, una)) return "flight: a gap between records";
        if ((r->sacked | r->lost | r->again) & ~all_units(r)) return "flight: a mark beyond the record";
        if (r->sacked & r->lost) return "flight: SACKed and lost";
        const char *wrong = check_sets(f, r, slot);
        if (wrong) return wrong;
        at = seq_add(r->start, r->len);
        sacked += sent_bytes(r, r->sacked);
        lost += sent_bytes(r, r->lost);
        units += popcount_u64(r->sacked);
        again += is_listed(f, slot);
    }
    if (f->count && !seq_eq(at, nxt)) return "flight: records do not reach SND.NXT";
    if (!f->count && !seq_eq(una, nxt)) return "flight: bytes without a record";
    if (sacked != f->sacked_bytes || lost != f->lost_bytes || units != f->sacked_units)
        return "flight: bytes miscounted";
    return check_list(f, again);
}
