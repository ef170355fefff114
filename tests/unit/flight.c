/* The records of what is in flight, against an array with an entry for each unit. */
#include "tcp/flight.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "lib/random.h"
#include "lib/scarce.h"

enum { UNITS_MAX = 1 << 16, STEPS = 4000 };

struct unit {
    uint32_t offset, len; /* from the start of the stream */
    uint32_t record;      /* which push it belongs to */
    uint64_t sent_us, again_us;
    bool sacked, lost, again;
};

struct model {
    struct unit unit[UNITS_MAX];
    uint32_t first, end;  /* units in flight: [first, end) */
    uint32_t una, nxt;    /* offsets */
    uint32_t pushes;
    seq_t base;
    uint64_t now_us;
};

struct pair {
    struct flight flight;
    struct model *model;
    struct mem mem;
    struct scarce scarce;
    struct random random;
    uint64_t asked_us; /* what flight_again_before was asked for, which does not go back */
    bool ordered;      /* nothing that was lost or SACKed is no longer */
};

static seq_t at(const struct model *m, uint32_t offset) { return seq_add(m->base, offset); }

static void begin(struct pair *p, uint64_t seed)
{
    *p = (struct pair){.random = {seed}, .ordered = true};
    scarce_init(&p->scarce, &p->mem, seed);
    p->model = calloc(1, sizeof(*p->model));
    assert_non_null(p->model);
    p->model->now_us = 1000;
    p->model->base = seq_of((uint32_t)random_u64(&p->random) | 0xfffc0000); /* it wraps around soon */
}

static void end(struct pair *p)
{
    flight_free(&p->flight, &p->mem);
    assert_int_equal(p->scarce.blocks, 0);
    assert_int_equal(p->mem.used, 0);
    free(p->model);
}

/* ---- the naive way ---- */

static bool flies(const struct unit *u) { return !u->sacked && !u->lost; }

static uint32_t units_of(const struct model *m, uint32_t first) /* from there on, of one record */
{
    uint32_t n = 0;
    while (first + n < m->end && m->unit[first + n].record == m->unit[first].record) n++;
    return n;
}

static void model_push(struct model *m, uint32_t len, uint32_t unit)
{
    for (uint32_t done = 0; done < len; done += unit) {
        assert_true(m->end < UNITS_MAX);
        uint32_t n = len - done < unit ? len - done : unit;
        m->unit[m->end++] = (struct unit){.offset = m->nxt + done, .len = n, .record = m->pushes, .sent_us = m->now_us};
    }
    m->nxt += len;
    m->pushes++;
}

static void model_trim(struct model *m, uint32_t una)
{
    m->una = una;
    while (m->first < m->end && m->unit[m->first].offset + m->unit[m->first].len <= una) m->first++;
}

static void compare_record(const struct pair *p, const struct sent *r, uint32_t first, uint32_t n)
{
    const struct model *m = p->model;
    assert_true(seq_eq(r->start, at(m, m->unit[first].offset)));
    assert_int_equal(sent_units(r), n);
    uint32_t len = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct unit *u = &m->unit[first + i];
        assert_int_equal(r->sacked >> i & 1, u->sacked);
        assert_int_equal(r->lost >> i & 1, u->lost);
        assert_int_equal(r->again >> i & 1, u->again);
        assert_int_equal(sent_bytes(r, 1ull << i), u->len);
        assert_true(seq_eq(sent_end(r, 1ull << i), at(m, u->offset + u->len)));
        if (u->again && flies(u)) assert_int_equal(sent_again_us(r, i), u->again_us);
        len += u->len;
    }
    assert_int_equal(r->len, len);
}

static void compare(const struct pair *p)
{
    const struct model *m = p->model;
    const struct flight *f = &p->flight;
    uint32_t sacked = 0, lost = 0, position = 0, open = 0, waiting = 0, once = 0;
    for (uint32_t first = m->first; first < m->end; position++) {
        uint32_t n = units_of(m, first);
        bool any_open = false, any_lost = false, any_once = false;
        assert_true(position < f->count);
        compare_record(p, flight_at(f, position), first, n);
        for (uint32_t i = first; i < first + n; i++) {
            sacked += m->unit[i].sacked ? m->unit[i].len : 0;
            lost += m->unit[i].lost ? m->unit[i].len : 0;
            any_open |= !m->unit[i].sacked;
            any_lost |= m->unit[i].lost;
            any_once |= flies(&m->unit[i]) && !m->unit[i].again;
        }
        if (any_once) {
            assert_int_equal(flight_next(f, f->once, once), position);
            once = position + 1;
        }
        if (any_open) { /* each is the next one of the one before, over all that lie between */
            assert_int_equal(flight_next(f, f->open, open), position);
            open = position + 1;
        }
        if (any_lost) {
            assert_int_equal(flight_next(f, f->waiting, waiting), position);
            waiting = position + 1;
        }
        first += n;
    }
    assert_int_equal(f->count, position);
    assert_int_equal(flight_next(f, f->open, open), f->count);
    assert_int_equal(flight_next(f, f->waiting, waiting), f->count);
    assert_int_equal(flight_next(f, f->once, once), f->count);
    assert_int_equal(f->sacked_bytes, sacked);
    assert_int_equal(f->lost_bytes, lost);
    const char *wrong = flight_check(f, at(m, m->una), at(m, m->nxt));
    if (wrong) fail_msg("%s", wrong);
}

/* The last record with a unit once sent and in flight, that went before `us`, or then and ends by `end`. */
static uint32_t model_once_before(const struct model *m, uint64_t us, uint32_t end)
{
    uint32_t found = UINT32_MAX;
    for (uint32_t i = m->first, position = 0; i < m->end; i++) {
        const struct unit *u = &m->unit[i];
        if (i > m->first && u->record != u[-1].record) position++;
        if (!flies(u) || u->again) continue;
        if (u->sent_us < us || (u->sent_us == us && u->offset + u->len <= end)) found = position;
    }
    return found;
}

/* Is it in the order of retransmission, with all that belongs to it? */
static void compare_order(struct pair *p)
{
    struct model *m = p->model;
    struct flight *f = &p->flight;
    uint32_t listed = 0, wanted = 0, last = f->count;
    uint64_t before = 0, us = m->now_us - random_below(&p->random, 40);
    for (uint32_t i = flight_again(f); i < f->count; i = flight_again_next(f, i), listed++) {
        const struct sent *r = flight_at(f, i);
        assert_true(sent_flying(r) & r->again);
        if (p->ordered) assert_true(r->again_us >= before);
        before = r->again_us;
        if (r->again_us < p->asked_us) last = i;
    }
    for (uint32_t i = 0; i < f->count; i++) wanted += (sent_flying(flight_at(f, i)) & flight_at(f, i)->again) != 0;
    assert_int_equal(listed, wanted);
    if (p->ordered) assert_int_equal(flight_again_before(f, p->asked_us, flight_at(f, 0)->start), last);
    if (us > p->asked_us) p->asked_us = us;
    uint32_t offset = m->una + random_below(&p->random, m->nxt - m->una + 1);
    uint32_t once = model_once_before(m, us, offset);
    assert_int_equal(flight_once_before(f, us, at(m, offset)), once == UINT32_MAX ? f->count : once);
}

/* ---- steps ---- */

static void push(struct pair *p)
{
    struct model *m = p->model;
    uint32_t unit = 1 + random_below(&p->random, 1460);
    uint32_t units = random_below(&p->random, 3) ? 1 + random_below(&p->random, 3)
                                                 : 1 + random_below(&p->random, FLIGHT_UNITS);
    uint32_t len = units * unit;
    if (random_below(&p->random, 2)) len -= random_below(&p->random, unit); /* the last is short */
    struct flight before = p->flight;
    p->scarce.refused_percent = random_below(&p->random, 4) ? 0 : 50;
    if (!flight_reserve(&p->flight, &p->mem)) {
        assert_memory_equal(&before, &p->flight, sizeof(before)); /* as if nothing had been asked */
        return;
    }
    const struct sent *r = flight_push(&p->flight, at(m, m->nxt), len, unit, m->now_us);
    assert_true(r->sent_us == m->now_us && !r->sacked && !r->lost && !r->again);
    model_push(m, len, unit);
}

static uint32_t position_of(const struct model *m, uint32_t unit)
{
    uint32_t position = 0;
    for (uint32_t i = m->first; i < unit; i += units_of(m, i))
        if (i + units_of(m, i) <= unit) position++;
    return position;
}

/* Mark the units that lie wholly in a random range; what is told twice changes nothing. */
static void mark(struct pair *p)
{
    struct model *m = p->model;
    struct flight *f = &p->flight;
    if (m->una == m->nxt) return;
    uint32_t from = m->una + random_below(&p->random, m->nxt - m->una);
    uint32_t most = random_below(&p->random, 2) ? 5000 : m->nxt - from;
    uint32_t to = from + 1 + random_below(&p->random, most);
    uint32_t kind = random_below(&p->random, 3);
    p->scarce.refused_percent = 0; /* or times could not be told apart */
    for (uint32_t i = flight_find(f, at(m, from)); i < f->count; i++) {
        struct sent *r = flight_at(f, i);
        uint64_t units = sent_mask(r, at(m, from), at(m, to));
        if (kind == 0) flight_mark_sacked(f, i, units);
        else if (kind == 1) flight_mark_lost(f, i, units);
        else flight_mark_again(f, i, units & ~r->sacked, m->now_us);
    }
    for (uint32_t i = m->first; i < m->end; i++) {
        struct unit *u = &m->unit[i];
        if (u->offset < from || u->offset + u->len > to) continue;
        if (kind == 0) u->sacked = true;
        if (kind == 0 || (kind == 2 && !u->sacked)) u->lost = false;
        if (kind == 1) u->lost = !u->sacked;
        if (kind == 2 && !u->sacked) u->again = true, u->again_us = m->now_us;
    }
}

static void find(struct pair *p)
{
    const struct model *m = p->model;
    if (m->first == m->end) {
        assert_int_equal(flight_find(&p->flight, at(m, m->una)), 0);
        return;
    }
    uint32_t low = m->unit[m->first].offset;
    uint32_t offset = low + random_below(&p->random, m->nxt - low), unit = m->first;
    while (m->unit[unit].offset + m->unit[unit].len <= offset) unit++;
    assert_int_equal(flight_find(&p->flight, at(m, offset)), position_of(m, unit));
    assert_int_equal(flight_find(&p->flight, at(m, m->nxt)), p->flight.count);
}

static void trim(struct pair *p, uint32_t most)
{
    struct model *m = p->model;
    uint32_t left = m->nxt - m->una;
    uint32_t una = m->una + random_below(&p->random, (most < left ? most : left) + 1);
    flight_trim(&p->flight, at(m, una));
    model_trim(m, una);
}

static void forget(struct pair *p, bool sacked)
{
    struct model *m = p->model;
    p->ordered = false;
    if (sacked) flight_forget_sacked(&p->flight);
    else flight_unmark_lost(&p->flight);
    for (uint32_t i = m->first; i < m->end; i++) {
        if (sacked) m->unit[i].sacked = false;
        else m->unit[i].lost = false;
    }
}

static void step(struct pair *p, bool filling)
{
    uint32_t dice = random_below(&p->random, 100);
    if (dice < (filling ? 45u : 15u)) push(p);
    else if (dice < 75) mark(p);
    else if (dice < 90) trim(p, filling ? 3000 : 60000);
    else if (dice < 98) find(p);
    else forget(p, dice == 98);
    p->model->now_us += random_below(&p->random, 3);
    compare(p);
    if (p->flight.count) compare_order(p);
    else p->ordered = true; /* as from the beginning */
}

static void records_are_what_an_array_of_units_says(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct pair p;
        begin(&p, seed);
        for (uint32_t i = 0; i < STEPS && p.model->end < UNITS_MAX - FLIGHT_UNITS; i++)
            step(&p, i / 250 % 2 == 0);
        flight_trim(&p.flight, at(p.model, p.model->nxt));
        model_trim(p.model, p.model->nxt);
        compare(&p);
        assert_int_equal(p.flight.count, 0);
        end(&p);
    }
}

static void push_one(struct flight *f, struct mem *mem, uint32_t *start)
{
    assert_true(flight_reserve(f, mem));
    flight_push(f, seq_of((*start)++), 1, 1, 1);
}

/* One bit is found from everywhere before it, and from nowhere behind. */
static void find_each_bit(struct flight *f)
{
    for (uint32_t wanted = 0; wanted < f->count; wanted++) {
        flight_mark_lost(f, wanted, 1);
        assert_int_equal(flight_next(f, f->waiting, 0), wanted);
        assert_int_equal(flight_next(f, f->waiting, wanted / 2), wanted);
        assert_int_equal(flight_next(f, f->waiting, wanted), wanted);
        assert_int_equal(flight_next(f, f->waiting, wanted + 1), f->count);
        assert_int_equal(flight_next(f, f->open, wanted), wanted);
        flight_unmark_lost(f);
        assert_int_equal(flight_next(f, f->waiting, 0), f->count);
    }
}

static void the_next_bit_is_found_wherever_the_ring_begins(void **state)
{
    (void)state;
    struct pair p;
    begin(&p, 1);
    struct flight *f = &p.flight;
    uint32_t start = 0;
    for (uint32_t cap = 4; cap <= 256; cap *= 2) {
        push_one(f, &p.mem, &start);
        assert_int_equal(f->cap, cap);
        for (uint32_t i = 0; i < cap; i++) {
            uint32_t head = f->head, count = i % 3 ? cap : 1 + i % cap;
            while (f->count < count) push_one(f, &p.mem, &start);
            find_each_bit(f);
            assert_null(flight_check(f, flight_at(f, 0)->start, seq_of(start)));
            flight_trim(f, seq_of(start));
            while (f->head != ((head + 1) & (cap - 1))) { /* round, one by one */
                push_one(f, &p.mem, &start);
                flight_trim(f, seq_of(start));
            }
        }
        while (f->cap == cap) push_one(f, &p.mem, &start); /* and it grows, from there */
        find_each_bit(f);
        flight_trim(f, seq_of(start));
    }
    end(&p);
}

/* Three units go at 1, and again at 5, 9 and 9. */
static struct sent *three_times(struct pair *p, uint32_t refused_percent)
{
    struct flight *f = &p->flight;
    assert_true(flight_reserve(f, &p->mem));
    struct sent *r = flight_push(f, seq_of(1000), 300, 100, 1);
    flight_mark_again(f, 0, 1, 5);
    assert_null(r->later_us); /* one time needs no table */
    p->scarce.refused_percent = refused_percent;
    flight_mark_again(f, 0, 6, 9);
    return r;
}

static void each_unit_remembers_when_it_went_again(void **state)
{
    (void)state;
    struct pair p;
    begin(&p, 1);
    struct sent *r = three_times(&p, 0);
    assert_int_equal(sent_again_us(r, 0), 5);
    assert_int_equal(sent_again_us(r, 1), 9);
    assert_int_equal(sent_again_before(r, 7, 5, seq_of(1000)), 0);
    assert_int_equal(sent_again_before(r, 7, 5, seq_of(1100)), 1);
    assert_int_equal(sent_again_before(r, 7, 9, seq_of(1200)), 3);
    assert_int_equal(sent_again_before(r, 6, 10, seq_of(1000)), 6);
    flight_trim(&p.flight, seq_of(1100));
    assert_int_equal(sent_again_us(r, 0), 9);
    flight_mark_again(&p.flight, 0, 2, 12);
    assert_int_equal(sent_again_before(r, 3, 10, seq_of(1000)), 1);
    end(&p);
}

static void units_that_go_again_one_after_the_other_at_one_time_cost_no_memory(void **state)
{
    (void)state;
    struct pair p;
    begin(&p, 1);
    assert_true(flight_reserve(&p.flight, &p.mem));
    struct sent *r = flight_push(&p.flight, seq_of(1000), 300, 100, 1);
    uint64_t used = p.mem.used;
    for (unsigned unit = 0; unit < 3; unit++) flight_mark_again(&p.flight, 0, 1ull << unit, 5);
    assert_int_equal(p.mem.used, used);
    for (unsigned unit = 0; unit < 3; unit++) assert_int_equal(sent_again_us(r, unit), 5);
    end(&p);
}

static void without_memory_for_their_times_the_last_one_is_that_of_all(void **state)
{
    (void)state;
    struct pair p;
    begin(&p, 1);
    struct sent *r = three_times(&p, 100);
    assert_null(r->later_us);
    assert_int_equal(sent_again_us(r, 0), 9);
    assert_int_equal(sent_again_before(r, 7, 9, seq_of(1100)), 1);
    assert_null(flight_check(&p.flight, seq_of(1000), seq_of(1300)));
    end(&p);
}

static struct sent record(uint32_t start, uint32_t len, uint32_t unit)
{
    return (struct sent){.start = seq_of(start), .len = len, .unit = unit};
}

static void a_unit_counts_only_if_the_range_covers_it(void **state)
{
    (void)state;
    struct sent r = record(1000, 250, 100); /* 1000, 1100, 1200..1250 */
    assert_int_equal(sent_units(&r), 3);
    assert_int_equal(sent_mask(&r, seq_of(1000), seq_of(1250)), 7);
    assert_int_equal(sent_mask(&r, seq_of(0), seq_of(9999)), 7);
    assert_int_equal(sent_mask(&r, seq_of(1001), seq_of(1250)), 6);
    assert_int_equal(sent_mask(&r, seq_of(1000), seq_of(1249)), 3);
    assert_int_equal(sent_mask(&r, seq_of(1101), seq_of(1199)), 0);
    assert_int_equal(sent_mask(&r, seq_of(1201), seq_of(1250)), 0);
    assert_int_equal(sent_mask(&r, seq_of(1200), seq_of(1200)), 0);
    assert_int_equal(sent_mask(&r, seq_of(2000), seq_of(3000)), 0);
    assert_int_equal(sent_mask(&r, seq_of(10), seq_of(1000)), 0);
}

static void sixty_four_units_are_a_full_mask(void **state)
{
    (void)state;
    struct sent r = record(0xffffff00u, 6400, 100);
    assert_true(sent_mask(&r, r.start, seq_add(r.start, 6400)) == UINT64_MAX);
    assert_true(sent_mask(&r, r.start, seq_add(r.start, 6399)) == UINT64_MAX >> 1);
    assert_true(sent_mask(&r, seq_add(r.start, 6300), seq_add(r.start, 6400)) == 1ull << 63);
    assert_int_equal(sent_bytes(&r, UINT64_MAX), 6400);
    assert_true(seq_eq(sent_end(&r, UINT64_MAX), seq_add(r.start, 6400)));
    r.len = 6301; /* a FIN, behind 63 full ones */
    assert_int_equal(sent_bytes(&r, UINT64_MAX), 6301);
    assert_int_equal(sent_bytes(&r, 1ull << 63), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_what_an_array_of_units_says),
        cmocka_unit_test(the_next_bit_is_found_wherever_the_ring_begins),
        cmocka_unit_test(each_unit_remembers_when_it_went_again),
        cmocka_unit_test(units_that_go_again_one_after_the_other_at_one_time_cost_no_memory),
        cmocka_unit_test(without_memory_for_their_times_the_last_one_is_that_of_all),
        cmocka_unit_test(a_unit_counts_only_if_the_range_covers_it),
        cmocka_unit_test(sixty_four_units_are_a_full_mask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
