/* The tree of ranges beside an array: any order of adding and removing, and refused memory. */
#include "tcp/ranges.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "lib/scarce.h"

enum { PLACES = 20000, STEP = 10, LEN = 3 }; /* range i is [STEP * i + 1, + LEN) */

static struct scarce heap;
static struct mem mem;
static struct buf_pool pool;
static struct ranges s;
static struct range *at[PLACES];
static uint32_t order[PLACES];
static struct random chance;

static int begin(void **state)
{
    (void)state;
    scarce_init(&heap, &mem, 1);
    buf_pool_init(&pool, &mem);
    for (uint32_t i = 0; i < PLACES; i++)
        order[i] = i;
    chance.state = 1;
    return 0;
}

static int end(void **state)
{
    (void)state;
    ranges_free(&s, &pool);
    for (uint32_t i = 0; i < PLACES; i++)
        at[i] = NULL;
    assert_int_equal(mem.used, 0);
    assert_int_equal(heap.blocks, 0);
    return 0;
}

static void add(uint32_t i)
{
    static uint8_t data[LEN];
    struct recvq_data in = {data, LEN, NULL};
    at[i] = ranges_add(&s, &pool, STEP * i + 1, &in);
}

static void take(uint32_t i)
{
    ranges_remove(&s, &pool, at[i]);
    at[i] = NULL;
}

static void shuffle(void)
{
    for (uint32_t i = PLACES - 1; i > 0; i--) {
        uint32_t k = random_below(&chance, i + 1), swap = order[i];
        order[i] = order[k];
        order[k] = swap;
    }
}

static void check(uint32_t count)
{
    uint64_t bytes;
    const char *bad = ranges_check(&s, &bytes);
    if (bad)
        fail_msg("%s", bad);
    assert_int_equal(s.count, count);
    assert_int_equal(bytes, (uint64_t)LEN * count);
    assert_int_equal(ranges_held(&s), mem.used);
    assert_int_equal(s.levels == 0, count == 0);
    assert_true(s.levels <= 5);
}

/* The first at or after place i. */
static struct range *model(uint32_t i)
{
    while (i < PLACES && !at[i])
        i++;
    return i < PLACES ? at[i] : NULL;
}

static void check_around(uint32_t i)
{
    uint64_t start = STEP * i + 1;
    assert_ptr_equal(ranges_reaching(&s, start), model(i));
    assert_ptr_equal(ranges_reaching(&s, start + LEN), model(i));
    assert_ptr_equal(ranges_reaching(&s, start + LEN + 1), model(i + 1));
    if (at[i])
        assert_ptr_equal(ranges_after(&s, &at[i]->run), model(i + 1));
}

/* ---- orders ---- */

static void ascending(void) {}

static void descending(void)
{
    for (uint32_t i = 0; i < PLACES; i++)
        order[i] = PLACES - 1 - i;
}

/* From both ends to the middle. */
static void inwards(void)
{
    for (uint32_t i = 0; i < PLACES; i++)
        order[i] = i % 2 ? PLACES - 1 - i / 2 : i / 2;
}

static void outwards(void)
{
    inwards();
    for (uint32_t i = 0; i < PLACES / 2; i++) {
        uint32_t swap = order[i];
        order[i] = order[PLACES - 1 - i];
        order[PLACES - 1 - i] = swap;
    }
}

static void (*const orders[])(void) = {ascending, descending, inwards, outwards, shuffle};
enum { ORDERS = sizeof(orders) / sizeof(orders[0]) };

static void the_tree_holds_in_whatever_order_ranges_come_and_go(void **state)
{
    (void)state;
    for (unsigned in = 0; in < ORDERS; in++)
        for (unsigned out = 0; out < ORDERS; out++) {
            orders[in]();
            for (uint32_t i = 0; i < PLACES; i++) {
                add(order[i]);
                if (i % 997 == 0 || i < 64)
                    check(i + 1);
            }
            orders[out]();
            for (uint32_t i = 0; i < PLACES; i++) {
                take(order[i]);
                if (i % 997 == 0 || i > PLACES - 64)
                    check(PLACES - i - 1);
            }
            assert_int_equal(mem.used, 0);
        }
}

static void neighbours_are_what_an_array_says(void **state)
{
    (void)state;
    uint32_t count = 0;
    assert_null(ranges_last(&s));
    assert_null(ranges_reaching(&s, 0));
    for (uint32_t step = 0; step < 100000; step++) {
        /* it fills, it empties, over more and more places */
        uint32_t i = random_below(&chance, step / 4 + 8 < PLACES ? step / 4 + 8 : PLACES);
        bool full = random_below(&chance, 8) < (step / 5000 % 2 ? 3u : 6u);
        if (full == (at[i] != NULL))
            continue;
        if (full)
            add(i);
        else
            take(i);
        count = full ? count + 1 : count - 1;
        check_around(i);
        check_around(random_below(&chance, PLACES));
        if (step % 1009 == 0)
            check(count);
    }
    struct range *last = NULL;
    for (struct range *r = ranges_reaching(&s, 0); r; r = ranges_after(&s, &r->run)) {
        assert_ptr_equal(r, model(last ? (uint32_t)(last->run.start / STEP + 1) : 0));
        last = r;
        count--;
    }
    assert_int_equal(count, 0);
    assert_non_null(last);
    assert_ptr_equal(ranges_last(&s), last);
}

enum { BUFFER = 256, RANGE = sizeof(struct range), NODE = 504 };

static void ranges_that_come_in_order_fill_their_nodes(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < PLACES; i++)
        add(i);
    assert_in_range(mem.used - PLACES * (RANGE + BUFFER), 0, PLACES * NODE / 29);
}

/* What is left of many ranges costs no more than if nothing else had been there. */
static void nodes_are_poured_together_when_they_are_mostly_empty(void **state)
{
    (void)state;
    shuffle();
    for (uint32_t i = 0; i < PLACES; i++)
        add(order[i]);
    assert_in_range(mem.used - PLACES * (RANGE + BUFFER), 0, PLACES * NODE / 15);
    for (uint32_t i = 0; i < PLACES; i++)
        if (i % 20)
            take(i);
    check(PLACES / 20);
    assert_in_range(mem.used - PLACES / 20 * (RANGE + BUFFER), 0, PLACES / 20 * NODE / 6);
}

static void what_is_refused_changes_nothing(void **state)
{
    (void)state;
    uint32_t refused = 0;
    heap.refused_percent = 10;
    shuffle();
    for (uint32_t i = 0; i < PLACES; i++) {
        size_t used = mem.used;
        add(order[i]);
        refused += !at[order[i]];
        if (at[order[i]])
            continue;
        assert_int_equal(mem.used, used);
        if (refused % 64 == 1)
            check(i + 1 - refused);
    }
    assert_in_range(refused, PLACES / 10, PLACES / 3);
    check(PLACES - refused);
    for (uint32_t i = 0; i < PLACES; i++)
        check_around(i);
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_tree_holds_in_whatever_order_ranges_come_and_go),
        T(neighbours_are_what_an_array_says),
        T(ranges_that_come_in_order_fill_their_nodes),
        T(nodes_are_poured_together_when_they_are_mostly_empty),
        T(what_is_refused_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
