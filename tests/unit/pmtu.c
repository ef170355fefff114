#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stack/pmtu.h"

static void set_up(struct mem *mem, struct pmtu *p)
{
    mem_init(mem, NULL, NULL, NULL, 4096);
    *p = (struct pmtu){0};
}

static void set(struct pmtu *p, struct mem *mem, ip4_addr dst, unsigned mtu, uint64_t expires_us)
{
    pmtu_set(p, mem, (struct pmtu_entry){.expires_us = expires_us, .dst = dst, .mtu = (uint16_t)mtu});
}

static unsigned get(const struct pmtu *p, ip4_addr dst, uint64_t now_us)
{
    const struct pmtu_entry *e = pmtu_get(p, dst, now_us);
    return e ? e->mtu : 0;
}

static void tear_down(struct mem *mem, struct pmtu *p)
{
    pmtu_free(p, mem);
    assert_int_equal(mem->used, 0);
}

static ip4_addr host(uint32_t n) { return (ip4_addr){UINT32_C(0x0a000000) + n}; }

static void nothing_is_known_and_no_memory_held_at_first(void **state)
{
    (void)state;
    struct mem mem;
    struct pmtu p;
    set_up(&mem, &p);
    assert_int_equal(get(&p, host(1), 0), 0);
    assert_int_equal(mem.used, 0);
    tear_down(&mem, &p);
}

static void what_was_set_is_known_of_that_destination_alone(void **state)
{
    (void)state;
    struct mem mem;
    struct pmtu p;
    set_up(&mem, &p);
    set(&p, &mem, host(1), 1400, 1000);
    set(&p, &mem, host(2), 576, 1000);
    assert_int_equal(get(&p, host(1), 0), 1400);
    assert_int_equal(get(&p, host(2), 0), 576);
    assert_int_equal(get(&p, host(3), 0), 0);
    assert_int_equal(mem.by_kind[MEM_TABLE], mem.used);
    assert_true(mem.used > 0);
    tear_down(&mem, &p);
}

static void an_entry_holds_until_just_before_it_expires(void **state)
{
    (void)state;
    struct mem mem;
    struct pmtu p;
    set_up(&mem, &p);
    set(&p, &mem, host(1), 1400, 1000);
    set(&p, &mem, host(2), 1300, UINT64_MAX);
    assert_int_equal(get(&p, host(1), 999), 1400);
    assert_int_equal(get(&p, host(1), 1000), 0);
    assert_int_equal(get(&p, host(2), UINT64_MAX - 1), 1300);
    tear_down(&mem, &p);
}

static void setting_again_replaces_value_and_expiry(void **state)
{
    (void)state;
    struct mem mem;
    struct pmtu p;
    set_up(&mem, &p);
    set(&p, &mem, host(1), 1400, 1000);
    set(&p, &mem, host(2), 1300, 1000);
    set(&p, &mem, host(1), 1200, 2000);
    assert_int_equal(get(&p, host(1), 1500), 1200);
    assert_int_equal(get(&p, host(2), 500), 1300);
    assert_int_equal(p.count, 2);
    tear_down(&mem, &p);
}

static void the_one_set_longest_ago_makes_room(void **state)
{
    (void)state;
    struct mem mem;
    struct pmtu p;
    set_up(&mem, &p);
    for (uint32_t i = 0; i < PMTU_ENTRIES; i++)
        set(&p, &mem, host(i), 1000 + i, 1000);
    size_t full = mem.used;
    set(&p, &mem, host(0), 900, 1000);                /* set again: now the newest */
    assert_int_equal(get(&p, host(1), 0), 1001);      /* reading does not save it */
    set(&p, &mem, host(1000), 800, 1000);
    assert_int_equal(get(&p, host(1), 0), 0);
    assert_int_equal(get(&p, host(0), 0), 900);
    assert_int_equal(get(&p, host(1000), 0), 800);
    for (uint32_t i = 2; i < PMTU_ENTRIES; i++)
        assert_int_equal(get(&p, host(i), 0), 1000 + i);
    assert_int_equal(mem.used, full);
    tear_down(&mem, &p);
}

static void a_flood_of_destinations_stays_bounded(void **state)
{
    (void)state;
    struct mem mem;
    struct pmtu p;
    set_up(&mem, &p);
    for (uint32_t i = 0; i < 100000; i++)
        set(&p, &mem, host(i), i, 1000);
    for (uint32_t i = 100000 - PMTU_ENTRIES; i < 100000; i++)
        assert_int_equal(get(&p, host(i), 0), (uint16_t)i);
    assert_int_equal(get(&p, host(100000 - PMTU_ENTRIES - 1), 0), 0);
    assert_true(mem.peak <= 2048);
    tear_down(&mem, &p);
}

static void without_memory_nothing_is_remembered_until_there_is_some(void **state)
{
    (void)state;
    struct mem mem;
    struct pmtu p;
    set_up(&mem, &p);
    mem.limit = 10;
    set(&p, &mem, host(1), 1400, 1000);
    assert_int_equal(get(&p, host(1), 0), 0);
    mem.limit = 4096;
    set(&p, &mem, host(1), 1400, 1000);
    assert_int_equal(get(&p, host(1), 0), 1400);
    tear_down(&mem, &p);
}

static void a_freed_cache_is_an_empty_one(void **state)
{
    (void)state;
    struct mem mem;
    struct pmtu p;
    set_up(&mem, &p);
    set(&p, &mem, host(1), 1400, 1000);
    pmtu_free(&p, &mem);
    assert_int_equal(get(&p, host(1), 0), 0);
    set(&p, &mem, host(2), 1300, 1000);
    assert_int_equal(get(&p, host(2), 0), 1300);
    tear_down(&mem, &p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_known_and_no_memory_held_at_first),
        cmocka_unit_test(what_was_set_is_known_of_that_destination_alone),
        cmocka_unit_test(an_entry_holds_until_just_before_it_expires),
        cmocka_unit_test(setting_again_replaces_value_and_expiry),
        cmocka_unit_test(the_one_set_longest_ago_makes_room),
        cmocka_unit_test(a_flood_of_destinations_stays_bounded),
        cmocka_unit_test(without_memory_nothing_is_remembered_until_there_is_some),
        cmocka_unit_test(a_freed_cache_is_an_empty_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
