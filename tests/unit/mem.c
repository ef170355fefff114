#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>

#include "util/mem.h"

/* An allocator that remembers what it was asked for. */
struct spy {
    size_t asked, released;
    int blocks;
    bool refuse;
};

static void *spy_alloc(void *ctx, size_t size)
{
    struct spy *spy = ctx;
    spy->asked = size;
    if (spy->refuse)
        return NULL;
    spy->blocks++;
    return malloc(size);
}

static void spy_release(void *ctx, void *memory, size_t size)
{
    struct spy *spy = ctx;
    spy->released = size;
    spy->blocks--;
    free(memory);
}

/* D08 */
static void the_ceiling_can_be_reached_but_not_passed(void **state)
{
    (void)state;
    struct mem m;
    mem_init(&m, NULL, NULL, NULL, 100);
    void *a = mem_alloc(&m, MEM_CONN, 60);
    assert_non_null(a);
    assert_null(mem_alloc(&m, MEM_CONN, 41));
    void *b = mem_alloc(&m, MEM_SEND, 40);
    assert_non_null(b);
    assert_null(mem_alloc(&m, MEM_SEND, 1));
    assert_int_equal(m.used, 100);
    assert_int_equal(m.refused, 2);
    mem_free(&m, MEM_CONN, a, 60);
    mem_free(&m, MEM_SEND, b, 40);
    assert_int_equal(m.used, 0);
    assert_int_equal(m.peak, 100);
}

static void bytes_are_charged_to_their_kind(void **state)
{
    (void)state;
    struct mem m;
    void *blocks[MEM_KINDS];
    mem_init(&m, NULL, NULL, NULL, 1000);
    for (unsigned kind = 0; kind < MEM_KINDS; kind++)
        assert_non_null(blocks[kind] = mem_alloc(&m, (enum mem_kind)kind, 10 + kind));
    for (unsigned kind = 0; kind < MEM_KINDS; kind++) {
        assert_int_equal(m.by_kind[kind], 10 + kind);
        mem_free(&m, (enum mem_kind)kind, blocks[kind], 10 + kind);
        assert_int_equal(m.by_kind[kind], 0);
    }
    assert_int_equal(m.used, 0);
}

static void a_size_that_would_overflow_is_refused_unasked(void **state)
{
    (void)state;
    struct spy spy = {0};
    struct mem m;
    mem_init(&m, spy_alloc, spy_release, &spy, 100);
    void *a = mem_alloc(&m, MEM_CONN, 60);
    assert_null(mem_alloc(&m, MEM_CONN, SIZE_MAX));
    assert_null(mem_alloc(&m, MEM_CONN, SIZE_MAX - 59));
    assert_null(mem_zalloc(&m, MEM_CONN, SIZE_MAX - 30));
    assert_int_equal(spy.asked, 60);
    assert_int_equal(m.refused, 3);
    mem_free(&m, MEM_CONN, a, 60);
}

static void an_allocator_that_refuses_costs_nothing(void **state)
{
    (void)state;
    struct spy spy = {.refuse = true};
    struct mem m;
    mem_init(&m, spy_alloc, spy_release, &spy, 100);
    assert_null(mem_alloc(&m, MEM_RECV, 50));
    assert_null(mem_zalloc(&m, MEM_RECV, 50));
    assert_int_equal(m.used, 0);
    assert_int_equal(m.by_kind[MEM_RECV], 0);
    assert_int_equal(m.peak, 0);
    assert_int_equal(m.refused, 2);
}

static void the_callers_allocator_gets_its_context_and_sizes(void **state)
{
    (void)state;
    struct spy spy = {0};
    struct mem m;
    mem_init(&m, spy_alloc, spy_release, &spy, 100);
    void *a = mem_alloc(&m, MEM_TW, 17);
    assert_int_equal(spy.asked, 17);
    assert_int_equal(spy.blocks, 1);
    mem_free(&m, MEM_TW, a, 17);
    assert_int_equal(spy.released, 17);
    assert_int_equal(spy.blocks, 0);
    mem_free(&m, MEM_TW, NULL, 17);
    assert_int_equal(spy.blocks, 0);
    assert_int_equal(m.used, 0);
}

static void zalloc_gives_zeros_out_of_used_memory(void **state)
{
    (void)state;
    struct mem m;
    mem_init(&m, NULL, NULL, NULL, 1000);
    for (int round = 0; round < 2; round++) {
        uint8_t *p = mem_zalloc(&m, MEM_HALF, 500);
        assert_non_null(p);
        for (size_t i = 0; i < 500; i++) {
            assert_int_equal(p[i], 0);
            p[i] = 0xff;
        }
        mem_free(&m, MEM_HALF, p, 500);
    }
}

static void a_limit_lowered_below_use_refuses_until_enough_is_freed(void **state)
{
    (void)state;
    struct mem m;
    mem_init(&m, NULL, NULL, NULL, 100);
    void *a = mem_alloc(&m, MEM_CONN, 80);
    m.limit = 50;
    assert_null(mem_alloc(&m, MEM_CONN, 1));
    assert_true(mem_above(&m, 100));
    mem_free(&m, MEM_CONN, a, 80);
    a = mem_alloc(&m, MEM_CONN, 50);
    assert_non_null(a);
    mem_free(&m, MEM_CONN, a, 50);
}

static void above_is_a_percentage_of_any_ceiling(void **state)
{
    (void)state;
    struct mem m;
    mem_init(&m, NULL, NULL, NULL, 250);
    assert_false(mem_above(&m, 0));
    m.used = 1;
    assert_true(mem_above(&m, 0));
    m.used = 187; /* 75 % of 250 is 187.5 */
    assert_false(mem_above(&m, 75));
    m.used = 188;
    assert_true(mem_above(&m, 75));
    m.used = 250;
    assert_true(mem_above(&m, 99));
    assert_false(mem_above(&m, 100));
    m.limit = SIZE_MAX;
    m.used = SIZE_MAX / 100 * 90;
    assert_true(mem_above(&m, 89));
    assert_false(mem_above(&m, 91));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ceiling_can_be_reached_but_not_passed),
        cmocka_unit_test(bytes_are_charged_to_their_kind),
        cmocka_unit_test(a_size_that_would_overflow_is_refused_unasked),
        cmocka_unit_test(an_allocator_that_refuses_costs_nothing),
        cmocka_unit_test(the_callers_allocator_gets_its_context_and_sizes),
        cmocka_unit_test(zalloc_gives_zeros_out_of_used_memory),
        cmocka_unit_test(a_limit_lowered_below_use_refuses_until_enough_is_freed),
        cmocka_unit_test(above_is_a_percentage_of_any_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
