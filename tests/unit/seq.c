#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/random.h"
#include "util/seq.h"

/* 9293-GEN-1, I02: Distances up to 2^31 - 1 are ahead, from 2^31 + 1 on behind, wherever on the circle. */
static void before_and_after_turn_over_at_half_the_circle(void **state)
{
    (void)state;
    const uint32_t starts[] = {0, 1, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        seq_t a = seq_of(starts[i]);
        seq_t below = seq_add(a, 0x7fffffff), half = seq_add(a, 0x80000000);
        seq_t above = seq_add(a, 0x80000001);
        assert_true(seq_lt(a, below) && seq_leq(a, below));
        assert_true(seq_gt(below, a) && seq_geq(below, a));
        assert_false(seq_lt(below, a) || seq_leq(below, a));
        assert_false(seq_gt(a, below) || seq_geq(a, below));
        assert_true(seq_lt(above, a) && seq_leq(above, a));
        assert_true(seq_gt(a, above) && seq_geq(a, above));
        assert_false(seq_lt(a, above) || seq_gt(above, a));
        assert_true(seq_lt(a, half) && seq_lt(half, a));
        assert_false(seq_gt(a, half) || seq_gt(half, a) || seq_geq(a, half) || seq_geq(half, a));
    }
}

/* I02 */
static void the_signed_distance_is_exact_at_its_ends(void **state)
{
    (void)state;
    seq_t a = seq_of(0xfffffff0);
    assert_int_equal(seq_diff(a, a), 0);
    assert_int_equal(seq_diff(seq_add(a, 1), a), 1);
    assert_int_equal(seq_diff(a, seq_add(a, 1)), -1);
    assert_int_equal(seq_diff(seq_add(a, 0x7fffffff), a), INT32_MAX);
    assert_int_equal(seq_diff(a, seq_add(a, 0x7fffffff)), -INT32_MAX);
    assert_int_equal(seq_diff(seq_add(a, 0x80000000), a), INT32_MIN);
    assert_int_equal(seq_diff(a, seq_add(a, 0x80000000)), INT32_MIN);
    assert_int_equal(seq_diff(seq_add(a, 0x80000001), a), -INT32_MAX);
}

/* 9293-GEN-1 */
static void sums_and_lengths_wrap(void **state)
{
    (void)state;
    seq_t a = seq_of(0xffffffff);
    assert_int_equal(seq_add(a, 1).v, 0);
    assert_int_equal(seq_sub(seq_of(0), 1).v, 0xffffffff);
    assert_true(seq_eq(seq_sub(seq_add(a, 0x12345678), 0x12345678), a));
    assert_false(seq_eq(a, seq_add(a, 1)));
    assert_int_equal(seq_len(a, seq_add(a, 10)), 10);
    assert_int_equal(seq_len(a, a), 0);
    assert_int_equal(seq_len(a, seq_add(a, 0x90000000)), 0x90000000);
}

static void max_and_min_follow_the_circle(void **state)
{
    (void)state;
    seq_t before_wrap = seq_of(0xfffffff0), after_wrap = seq_of(0x10);
    assert_true(seq_eq(seq_max(before_wrap, after_wrap), after_wrap));
    assert_true(seq_eq(seq_max(after_wrap, before_wrap), after_wrap));
    assert_true(seq_eq(seq_min(before_wrap, after_wrap), before_wrap));
    assert_true(seq_eq(seq_min(after_wrap, before_wrap), before_wrap));
    assert_true(seq_eq(seq_min(after_wrap, after_wrap), after_wrap));
}

/* D02, 9293-GEN-1 */
static void comparisons_agree_with_64_bit_arithmetic(void **state)
{
    (void)state;
    struct random r = {2};
    for (int i = 0; i < 100000; i++) {
        uint64_t base = random_u64(&r) >> 1;
        int64_t distance = (int64_t)(random_u64(&r) >> random_below(&r, 32) & 0x7fffffff);
        if (random_below(&r, 2))
            distance = -distance;
        seq_t a = seq_of((uint32_t)base), b = seq_of((uint32_t)(base + (uint64_t)distance));
        assert_int_equal(seq_diff(b, a), distance);
        assert_int_equal(seq_lt(b, a), distance < 0);
        assert_int_equal(seq_leq(b, a), distance <= 0);
        assert_int_equal(seq_gt(b, a), distance > 0);
        assert_int_equal(seq_geq(b, a), distance >= 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_and_after_turn_over_at_half_the_circle),
        cmocka_unit_test(the_signed_distance_is_exact_at_its_ends),
        cmocka_unit_test(sums_and_lengths_wrap),
        cmocka_unit_test(max_and_min_follow_the_circle),
        cmocka_unit_test(comparisons_agree_with_64_bit_arithmetic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
