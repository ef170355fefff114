/* Fuzz target: the scoreboard (recovery, flight) beside a map with an entry for each byte sent.
 * What is delivered and what was sent again must be the same. What is lost is a judgement: it is
 * checked that it comes and goes for a reason. */
#include <string.h>

#include "fuzz/lib/fuzz.h"
#include "lib/scarce.h"
#include "tcp/recovery_flight.h"

enum { SPACE = 1 << 11, STEPS_MAX = 100, SIZE_MAX_SHIFT = 4, MSS = 100 };

struct byte {
    uint16_t unit; /* which one it belongs to */
    bool sacked, lost, again;
    uint64_t last_us; /* when it last went */
};

struct world {
    struct scarce heap;
    struct mem mem;
    struct recovery r;
    seq_t base;
    bool sack_ok;
    uint64_t now_us, delivered, newest_us; /* newest_us: of what was delivered, its last sending */
    uint32_t una, nxt;                     /* as offsets from base */
    uint16_t units;
    struct byte byte[SPACE + 1];
};

static seq_t at(const struct world *w, uint32_t offset) { return seq_add(w->base, offset); }

/* ---- the model ---- */

/* Where the unit at `offset` begins and ends. */
static uint32_t unit_start(const struct world *w, uint32_t offset)
{
    while (offset > 0 && offset < w->nxt && w->byte[offset - 1].unit == w->byte[offset].unit)
        offset--;
    return offset;
}

static uint32_t unit_end(const struct world *w, uint32_t offset)
{
    uint16_t unit = w->byte[offset].unit;
    while (offset < w->nxt && w->byte[offset].unit == unit)
        offset++;
    return offset;
}

/* [from, to) has arrived: of it the units that it holds whole count. Returns their bytes. */
static uint32_t model_deliver(struct world *w, uint32_t from, uint32_t to)
{
    uint32_t bytes = 0;
    for (uint32_t start = from, end; start < to; start = end) {
        end = unit_end(w, start);
        if (unit_start(w, start) < from || end > to || w->byte[start].sacked)
            continue;
        bytes += end - start;
        if (w->byte[start].last_us > w->newest_us)
            w->newest_us = w->byte[start].last_us;
        for (uint32_t i = start; i < end; i++) {
            w->byte[i].sacked = true;
            w->byte[i].lost = false;
        }
    }
    return bytes;
}

/* ---- both ---- */

static void compare_unit(struct world *w, uint32_t from, uint32_t to, bool may_lose,
                         bool may_forget)
{
    const struct flight *f = &w->r.f->sent;
    const struct sent *s = flight_at(f, flight_find(f, at(w, from)));
    uint32_t into = seq_len(s->start, at(w, from)), unit = into / s->unit;
    struct byte *b = &w->byte[from];
    bool lost = s->lost >> unit & 1;
    CHECK(into % s->unit == 0 && sent_bytes(s, 1ull << unit) == to - from, "byte %u: unit", from);
    CHECK((s->sacked >> unit & 1) == b->sacked, "byte %u: SACKed or not", from);
    CHECK((s->again >> unit & 1) == b->again, "byte %u: sent again or not", from);
    CHECK(!lost || b->lost || may_lose, "byte %u is lost for no reason", from);
    CHECK(lost || !b->lost || may_forget, "byte %u is no longer lost", from);
    for (; from < to; from++)
        w->byte[from].lost = lost;
}

/* The records say what the map says. May something be lost now that was not, or the other way? */
static void compare(struct world *w, bool may_lose, bool may_forget)
{
    uint32_t sacked = 0, lost = 0, end, got;
    const char *broken = recovery_check(&w->r, at(w, w->una), at(w, w->nxt));
    CHECK(!broken, "%s", broken);
    for (uint32_t i = unit_start(w, w->una); i < w->nxt; i = end) {
        end = unit_end(w, i);
        compare_unit(w, i, end, may_lose, may_forget);
        sacked += w->byte[i].sacked ? end - i : 0;
        lost += w->byte[i].lost ? end - i : 0;
    }
    got = recovery_sacked(&w->r);
    CHECK(got == sacked, "%u SACKed, not %u", got, sacked);
    got = recovery_lost(&w->r);
    CHECK(got == lost, "%u lost, not %u", got, lost);
    CHECK(recovery_pipe(&w->r, at(w, w->una), at(w, w->nxt)) <= w->nxt - w->una, "pipe");
}

static struct rate_now rate_now(const struct world *w)
{
    return (struct rate_now){w->now_us, w->delivered,
                             recovery_pipe(&w->r, at(w, w->una), at(w, w->nxt))};
}

static void send_new(struct world *w, struct input *in)
{
    uint32_t unit = 1 + take8(in) % MSS, len = 1 + take_size(in, SIZE_MAX_SHIFT);
    struct rate_now now = rate_now(w);
    if (len > unit * FLIGHT_UNITS)
        len = unit * FLIGHT_UNITS;
    if (w->nxt + len > SPACE || !recovery_reserve(&w->r, &w->mem))
        return;
    recovery_sent(&w->r, at(w, w->nxt), len, unit, &now);
    for (uint32_t i = 0; i < len; i++)
        w->byte[w->nxt + i] =
            (struct byte){.unit = (uint16_t)(w->units + i / unit), .last_us = w->now_us};
    w->units = (uint16_t)(w->units + (len + unit - 1) / unit);
    w->nxt += len;
}

static void send_again(struct world *w, struct input *in)
{
    seq_t start;
    uint32_t len, most = 1 + take_size(in, SIZE_MAX_SHIFT);
    bool force;
    struct rate_now now = rate_now(w);
    if (!recovery_next(&w->r, at(w, w->una), &start, &len, &force))
        return;
    uint32_t from = seq_len(w->base, start), to;
    CHECK(from >= w->una && len > 0 && from + len <= w->nxt, "%u bytes at %u again", len, from);
    for (uint32_t i = from; i < from + len; i++)
        CHECK(w->byte[i].lost, "byte %u goes again, and is not lost", i);
    to = from + (len < most ? len : most);
    recovery_sent_again(&w->r, start, to - from, &now);
    for (uint32_t i = from; i < to; i++) {
        uint32_t end = unit_end(w, i);
        if (end > to)
            break;
        for (uint32_t k = unit_start(w, i); k < end; k++) {
            w->byte[k].lost = false;
            w->byte[k].again = true;
            w->byte[k].last_us = w->now_us;
        }
    }
    compare(w, false, false);
}

static void draw_ack(struct world *w, struct input *in, struct recovery_ack *a,
                     struct sack_block *blocks)
{
    uint8_t what = take8(in);
    uint32_t flight = w->nxt - w->una, acked = what & 1 && flight ? take16(in) % (flight + 1) : 0;
    w->una += acked;
    *a = (struct recovery_ack){.una = at(w, w->una),
                               .nxt = at(w, w->nxt),
                               .acked = acked,
                               .blocks = blocks,
                               .count = what / 2 % 4,
                               .mss = MSS,
                               .srtt_us = 10000,
                               .now_us = w->now_us,
                               .delivered = w->delivered,
                               .sack_ok = w->sack_ok,
                               .dup = !acked && flight,
                               .echo_us = what & 16 ? w->now_us - take8(in) * 100 : UINT64_MAX};
    for (unsigned i = 0; i < a->count; i++) {
        uint32_t start = w->una + take_size(in, SIZE_MAX_SHIFT) - take8(in) % 8;
        blocks[i].start = at(w, start);
        blocks[i].end = at(w, start + take_size(in, SIZE_MAX_SHIFT) + take8(in) % 8);
    }
}

/* What this ACK says has arrived, by the map; a block that is not wholly in flight says nothing. */
static uint32_t model_ack(struct world *w, const struct recovery_ack *a, uint32_t old)
{
    uint32_t bytes = 0;
    if (a->acked) /* the last ACK may have ended inside a unit */
        bytes += model_deliver(w, unit_start(w, old), w->una);
    for (unsigned i = 0; a->sack_ok && i < a->count; i++) {
        uint32_t start = a->blocks[i].start.v - w->base.v, end = a->blocks[i].end.v - w->base.v;
        if (start > w->una && start < end && end <= w->nxt)
            bytes += model_deliver(w, start, end);
    }
    return bytes;
}

static void take_news(struct world *w, const struct recovery_news *news)
{
    if (!news->lost)
        return;
    CHECK(w->una < w->nxt, "a loss where nothing is in flight");
    recovery_enter_fast(&w->r, at(w, w->una), at(w, w->nxt), news->delivered, MSS, w->sack_ok, 1000,
                        1000);
    compare(w, !w->sack_ok, false);
}

static void acknowledge(struct world *w, struct input *in)
{
    struct sack_block blocks[4];
    struct recovery_ack a;
    uint32_t old = w->una;
    bool known = w->r.f && w->una < w->nxt;
    draw_ack(w, in, &a, blocks);
    bool was_lost = w->byte[w->una].lost;
    struct recovery_news news = recovery_ack(&w->r, &w->mem, &a);
    uint32_t want = known ? model_ack(w, &a, old) : 0;
    CHECK(news.delivered == want, "%u delivered, not %u", news.delivered, want);
    w->delivered += want;
    bool first = !w->sack_ok && !was_lost; /* NewReno's next hole */
    compare(w, (w->sack_ok && w->newest_us) || first, news.undo);
    take_news(w, &news);
}

static void timeout(struct world *w, struct input *in)
{
    struct recovery_ack now = {.una = at(w, w->una),
                               .nxt = at(w, w->nxt),
                               .mss = MSS,
                               .srtt_us = 10000,
                               .now_us = w->now_us,
                               .sack_ok = w->sack_ok,
                               .echo_us = UINT64_MAX};
    uint8_t how = take8(in);
    if (w->una == w->nxt)
        return;
    if (how & 1 && w->sack_ok) {
        recovery_reorder_timeout(&w->r, &now);
        compare(w, w->newest_us, false);
        return;
    }
    bool reneged = w->byte[w->una].sacked;
    recovery_enter_rto(&w->r, at(w, w->una), at(w, w->nxt), how & 2 ? &now : NULL, 1000, 1000,
                       how & 4);
    for (uint32_t i = unit_start(w, w->una); i < w->nxt && reneged; i++)
        w->byte[i].sacked = false;
    compare(w, true, false);
    CHECK(w->byte[w->una].lost, "a timeout, and the first byte is not lost");
    for (uint32_t i = w->una; i < w->nxt && !(how & 2); i++)
        CHECK(w->byte[i].lost || w->byte[i].sacked, "a timeout, and byte %u is not lost", i);
}

static void step(struct world *w, struct input *in)
{
    uint8_t what = take8(in);
    switch (what % 8) {
    case 0:
    case 1:
        send_new(w, in);
        break;
    case 2:
        send_again(w, in);
        break;
    case 3:
        timeout(w, in);
        break;
    case 4:
        w->now_us += take_size(in, 12);
        break;
    default:
        acknowledge(w, in);
    }
    compare(w, false, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct input in = {data, len};
    static struct world world;
    struct world *w = &world;
    world = (struct world){0};
    uint8_t how = take8(&in);
    scarce_init(&w->heap, &w->mem, how);
    w->heap.refused_percent = how & 2 ? 20 : 0;
    w->sack_ok = how & 1;
    w->base = seq_of(0u - take16(&in));
    w->now_us = 1000000;
    recovery_init(&w->r, w->base);
    for (unsigned i = 0; i < STEPS_MAX && in.left; i++)
        step(w, &in);
    recovery_free(&w->r, &w->mem);
    CHECK(w->mem.used == 0 && w->heap.blocks == 0, "memory is left");
    return 0;
}
