#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "lib/random.h"
#include "util/wheel.h"

#define HOUR UINT64_C(3600000000)
#define DAY (24 * HOUR)

/* ---- against a naive model: the least (deadline, order of arming) among all ---- */

enum { MOST_TIMERS = 300 };

struct item {
    struct wheel_timer timer;
    bool armed;
    uint64_t deadline_us, order;
};

struct world {
    struct wheel wheel;
    struct random random;
    uint64_t now_us, armings;
    unsigned timers, armed;
    struct item items[MOST_TIMERS];
};

static struct item *model_first(struct world *w)
{
    struct item *first = NULL;
    for (unsigned i = 0; i < w->timers; i++) {
        struct item *it = &w->items[i];
        if (it->armed && (!first || it->deadline_us < first->deadline_us ||
                          (it->deadline_us == first->deadline_us && it->order < first->order)))
            first = it;
    }
    return first;
}

static void disarm(struct world *w, struct item *it)
{
    w->armed -= it->armed;
    it->armed = false;
}

static void set(struct world *w, struct item *it, uint64_t deadline_us)
{
    wheel_set(&w->wheel, &it->timer, deadline_us);
    disarm(w, it);
    if (deadline_us == WHEEL_NEVER)
        return;
    it->armed = true;
    w->armed++;
    it->deadline_us = deadline_us > w->now_us ? deadline_us : w->now_us;
    it->order = w->armings++;
}

static void cancel(struct world *w, struct item *it)
{
    wheel_cancel(&w->wheel, &it->timer);
    disarm(w, it);
}

static struct item *any_item(struct world *w)
{
    return &w->items[random_below(&w->random, w->timers)];
}

static uint64_t any_deadline(struct world *w)
{
    uint64_t r = random_u64(&w->random);
    switch (random_below(&w->random, 10)) {
    case 0:
        return WHEEL_NEVER;
    case 1:
        return WHEEL_NEVER - 1 - r % 3;
    case 2:
        return w->now_us - (r % 1000 < w->now_us ? r % 1000 : 0); /* now, or a little before */
    case 3:
        return any_item(w)->deadline_us; /* the same as another one */
    case 4:
        return w->now_us + r % 70; /* crowded */
    default: /* any magnitude, up to the end of time */
        r >>= random_below(&w->random, 64);
        return r < WHEEL_NEVER - w->now_us ? w->now_us + r : WHEEL_NEVER - 1;
    }
}

static void change_one(struct world *w)
{
    if (random_below(&w->random, 4) == 0)
        cancel(w, any_item(w));
    else
        set(w, any_item(w), any_deadline(w));
}

static void check_next(struct world *w)
{
    struct item *first = model_first(w);
    uint64_t next_us = wheel_next(&w->wheel), truth_us = first ? first->deadline_us : WHEEL_NEVER;
    if (truth_us < w->now_us) /* left over from a batch */
        truth_us = w->now_us;
    assert_true(next_us <= truth_us);
    if (w->armed <= 16 || truth_us <= w->now_us)
        assert_true(next_us == truth_us);
    else
        assert_true(next_us > w->now_us);
}

/* True if one popped; that it is the right one, and rightly so, is checked. */
static bool pop(struct world *w, uint64_t now_us)
{
    struct wheel_timer *t = wheel_pop(&w->wheel, now_us);
    if (now_us > w->now_us)
        w->now_us = now_us;
    struct item *first = model_first(w);
    if (!first || first->deadline_us > w->now_us) {
        assert_null(t);
        return false;
    }
    assert_ptr_equal(t, &first->timer);
    assert_false(wheel_armed(t));
    disarm(w, first);
    return true;
}

static uint64_t any_later_time(struct world *w)
{
    uint64_t next_us = wheel_next(&w->wheel), r = random_u64(&w->random);
    switch (random_below(&w->random, 8)) {
    case 0:
        return w->now_us - (w->now_us > 5 ? r % 5 : 0); /* not later at all: ignored */
    case 1:
        return next_us < w->now_us + DAY ? next_us - 1 : w->now_us + HOUR;
    case 2:
        return w->now_us + r % (2 * HOUR);
    case 3:
        return r % 16 == 0 ? w->now_us + r % (5 * DAY) : w->now_us + r % 1000;
    case 4:
        return w->now_us + (UINT64_C(1) << r % 34) - (w->now_us & ((UINT64_C(1) << r % 34) - 1));
    default:
        return next_us < w->now_us + DAY ? next_us : w->now_us + r % 64;
    }
}

/* Advance, then pop a batch, or a part of it, changing timers (due ones too) in between. */
static void advance(struct world *w)
{
    uint64_t now_us = any_later_time(w);
    unsigned most = random_below(&w->random, 4) ? UINT32_MAX : random_below(&w->random, 4);
    for (unsigned n = 0; n < most && n < 1000 && pop(w, now_us); n++) {
        if (random_below(&w->random, 3) == 0)
            change_one(w);
        check_next(w);
    }
}

static void check_armed(struct world *w)
{
    for (unsigned i = 0; i < w->timers; i++)
        assert_int_equal(wheel_armed(&w->items[i].timer), w->items[i].armed);
}

static void live(uint64_t seed, unsigned timers, unsigned steps, uint64_t start_us)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->random.state = seed;
    w->timers = timers;
    w->now_us = start_us;
    wheel_init(&w->wheel, start_us);
    for (unsigned i = 0; i < steps; i++) {
        if (random_below(&w->random, 3) == 0)
            advance(w);
        else
            change_one(w);
        check_next(w);
        if (i % 64 == 0)
            check_armed(w);
    }
    while (pop(w, UINT64_MAX))
        ;
    check_armed(w);
    assert_int_equal(w->armed, 0);
    assert_true(wheel_next(&w->wheel) == WHEEL_NEVER);
    free(w);
}

static void a_few_timers_expire_as_a_sorted_list_would(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++)
        live(seed, (unsigned)seed + 2, 20000, seed * 12345678901);
}

/* R18 */
static void many_timers_expire_as_a_sorted_list_would(void **state)
{
    (void)state;
    live(21, 60, 60000, 0);
    live(22, MOST_TIMERS, 40000, (UINT64_C(1) << 48) - 100);
}

/* ---- one property each ---- */

static void equal_deadlines_expire_first_armed_first_through_all_levels(void **state)
{
    (void)state;
    enum { EACH = 20 };
    const uint64_t deadline_us = UINT64_C(1) << 40 | 0x123456789;
    struct wheel_timer early[EACH] = {0}, late[EACH] = {0};
    struct wheel w;
    wheel_init(&w, 5);
    for (int i = 0; i < EACH; i++)
        wheel_set(&w, &early[i], deadline_us);
    for (unsigned bits = 40; bits > 3; bits -= 3) /* move close, so that slots open one by one */
        assert_null(wheel_pop(&w, deadline_us - (UINT64_C(1) << bits)));
    for (int i = 0; i < EACH; i++)
        wheel_set(&w, &late[i], deadline_us);
    for (int i = 0; i < EACH; i++)
        assert_ptr_equal(wheel_pop(&w, deadline_us + DAY), &early[i]);
    for (int i = 0; i < EACH; i++)
        assert_ptr_equal(wheel_pop(&w, deadline_us + DAY), &late[i]);
    assert_null(wheel_pop(&w, deadline_us + DAY));
}

/* G245 */
static void a_timer_expires_at_its_microsecond_at_every_distance(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 64; bits++) {
        struct wheel w;
        struct wheel_timer t = {0};
        wheel_init(&w, 77);
        wheel_set(&w, &t, 77 + (UINT64_C(1) << bits));
        assert_true(wheel_next(&w) == 77 + (UINT64_C(1) << bits));
        assert_null(wheel_pop(&w, 76 + (UINT64_C(1) << bits)));
        assert_true(wheel_armed(&t));
        assert_true(wheel_next(&w) == 77 + (UINT64_C(1) << bits));
        assert_ptr_equal(wheel_pop(&w, 77 + (UINT64_C(1) << bits)), &t);
        assert_false(wheel_armed(&t));
    }
}

static void never_disarms(void **state)
{
    (void)state;
    struct wheel w;
    struct wheel_timer t = {0};
    wheel_init(&w, 0);
    wheel_set(&w, &t, 10);
    wheel_set(&w, &t, WHEEL_NEVER);
    assert_false(wheel_armed(&t));
    assert_true(wheel_next(&w) == WHEEL_NEVER);
    assert_null(wheel_pop(&w, UINT64_MAX));
    wheel_set(&w, &t, WHEEL_NEVER);
    wheel_cancel(&w, &t);
    assert_false(wheel_armed(&t));
}

static void the_past_is_due_at_once_but_after_what_is_due_already(void **state)
{
    (void)state;
    struct wheel w;
    struct wheel_timer a = {0}, b = {0}, past = {0};
    wheel_init(&w, 1000);
    wheel_set(&w, &a, 2000);
    wheel_set(&w, &b, 3000);
    assert_ptr_equal(wheel_pop(&w, 5000), &a);
    wheel_set(&w, &past, 1);
    assert_true(wheel_next(&w) == 5000);
    assert_ptr_equal(wheel_pop(&w, 5000), &b);
    assert_ptr_equal(wheel_pop(&w, 5000), &past);
    assert_null(wheel_pop(&w, 5000));
}

/* I06 */
static void time_does_not_run_backwards(void **state)
{
    (void)state;
    struct wheel w;
    struct wheel_timer t = {0};
    wheel_init(&w, 1000);
    wheel_set(&w, &t, 1500);
    assert_null(wheel_pop(&w, 10));
    assert_true(wheel_next(&w) == 1500);
    assert_ptr_equal(wheel_pop(&w, 1500), &t);
    wheel_set(&w, &t, 1400);
    assert_ptr_equal(wheel_pop(&w, 0), &t);
}

/* R18 */
static void due_timers_can_be_cancelled_and_set_again_inside_the_batch(void **state)
{
    (void)state;
    struct wheel w;
    struct wheel_timer t[5] = {0};
    wheel_init(&w, 0);
    for (unsigned i = 0; i < 5; i++)
        wheel_set(&w, &t[i], 100 + i);
    assert_ptr_equal(wheel_pop(&w, HOUR), &t[0]);
    wheel_cancel(&w, &t[1]);
    wheel_set(&w, &t[2], HOUR + 7);
    wheel_cancel(&w, &t[4]);           /* the last of the batch */
    wheel_set(&w, &t[0], HOUR);        /* itself, at once */
    assert_ptr_equal(wheel_pop(&w, HOUR), &t[3]);
    assert_ptr_equal(wheel_pop(&w, HOUR), &t[0]);
    assert_null(wheel_pop(&w, HOUR));
    assert_true(wheel_next(&w) == HOUR + 7);
    assert_ptr_equal(wheel_pop(&w, HOUR + 7), &t[2]);
    assert_true(wheel_next(&w) == WHEEL_NEVER);
}

/* A driver that sleeps until wheel_next wakes in vain at most once a level for a crowded slot. */
static void following_wheel_next_wastes_few_turns(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    struct wheel_timer *t = calloc(COUNT, sizeof *t);
    struct random r = {3};
    struct wheel w;
    wheel_init(&w, 12345);
    for (unsigned i = 0; i < COUNT; i++)
        wheel_set(&w, &t[i], w.now_us + random_u64(&r) % (i % 2 ? DAY : HOUR));
    unsigned popped = 0, vain = 0;
    uint64_t next_us;
    while ((next_us = wheel_next(&w)) != WHEEL_NEVER) {
        struct wheel_timer *due = wheel_pop(&w, next_us);
        vain = due ? 0 : vain + 1;
        assert_true(vain < WHEEL_LEVELS);
        assert_true(!due || due->deadline_us == next_us);
        popped += due != NULL;
    }
    assert_int_equal(popped, COUNT);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_few_timers_expire_as_a_sorted_list_would),
        cmocka_unit_test(many_timers_expire_as_a_sorted_list_would),
        cmocka_unit_test(equal_deadlines_expire_first_armed_first_through_all_levels),
        cmocka_unit_test(a_timer_expires_at_its_microsecond_at_every_distance),
        cmocka_unit_test(never_disarms),
        cmocka_unit_test(the_past_is_due_at_once_but_after_what_is_due_already),
        cmocka_unit_test(time_does_not_run_backwards),
        cmocka_unit_test(due_timers_can_be_cancelled_and_set_again_inside_the_batch),
        cmocka_unit_test(following_wheel_next_wastes_few_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
