#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/bucket.h"

#define SECOND UINT64_C(1000000)

static void it_is_small(void **state)
{
    (void)state;
    assert_true(sizeof(struct bucket) <= 16);
}

static void an_all_zero_bucket_is_full_whenever_first_used(void **state)
{
    (void)state;
    const uint64_t times[] = {0, 1, SECOND, UINT64_MAX};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        struct bucket b = {0};
        for (int n = 0; n < 5; n++)
            assert_true(bucket_take(&b, times[i], 10, 5));
        assert_false(bucket_take(&b, times[i], 10, 5));
    }
}

static void a_token_comes_back_at_the_exact_microsecond(void **state)
{
    (void)state;
    struct bucket b = {0};
    assert_true(bucket_take(&b, 100, 3, 1));
    assert_false(bucket_take(&b, 100 + 333333, 3, 1));
    assert_true(bucket_take(&b, 100 + 333334, 3, 1));
    assert_false(bucket_take(&b, 100 + 666667, 3, 1)); /* a full bucket does not save the rest */
    assert_true(bucket_take(&b, 100 + 666668, 3, 1));
}

/* However often it is asked: no rounding in between. */
static void the_long_run_rate_is_exact(void **state)
{
    (void)state;
    struct bucket b = {0};
    unsigned taken = 0;
    for (uint64_t now_us = 0; now_us <= 3 * SECOND; now_us++)
        taken += bucket_take(&b, now_us, 7, 4);
    assert_int_equal(taken, 4 + 3 * 7);
}

static void at_a_rate_of_nothing_what_is_spent_stays_spent(void **state)
{
    (void)state;
    struct bucket b = {0};
    assert_true(bucket_take(&b, 0, 0, 2));
    assert_true(bucket_take(&b, 0, 0, 2));
    assert_false(bucket_take(&b, 1000 * SECOND, 0, 2));
    assert_true(bucket_take(&b, 1001 * SECOND, 1, 2));
}

static void an_idle_bucket_fills_to_its_burst_and_no_more(void **state)
{
    (void)state;
    struct bucket b = {0};
    while (bucket_take(&b, 0, 1000, 50))
        ;
    for (int n = 0; n < 50; n++)
        assert_true(bucket_take(&b, 1000 * SECOND, 1000, 50));
    assert_false(bucket_take(&b, 1000 * SECOND, 1000, 50));
}

static void a_clock_jump_forward_only_fills_it(void **state)
{
    (void)state;
    struct bucket b = {0};
    while (bucket_take(&b, 0, UINT32_MAX, 3))
        ;
    for (int n = 0; n < 3; n++)
        assert_true(bucket_take(&b, UINT64_MAX, UINT32_MAX, 3));
    assert_false(bucket_take(&b, UINT64_MAX, UINT32_MAX, 3));
}

static void a_clock_jump_backwards_gives_nothing_and_starves_nobody(void **state)
{
    (void)state;
    struct bucket b = {0};
    assert_true(bucket_take(&b, UINT64_MAX, 1, 1));
    assert_false(bucket_take(&b, 0, 1, 1));
    assert_false(bucket_take(&b, SECOND - 1, 1, 1));
    assert_true(bucket_take(&b, SECOND, 1, 1));
}

static void the_largest_rate_and_burst_do_not_overflow(void **state)
{
    (void)state;
    struct bucket b = {.last_us = 0, .spent_micro = UINT32_MAX * BUCKET_TOKEN};
    assert_false(bucket_take(&b, 0, UINT32_MAX, UINT32_MAX));
    assert_true(bucket_take(&b, SECOND - 1, UINT32_MAX, UINT32_MAX));
    assert_true(b.spent_micro == UINT32_MAX + BUCKET_TOKEN);
}

static void rate_zero_never_refills_and_burst_zero_never_gives(void **state)
{
    (void)state;
    struct bucket b = {0};
    assert_false(bucket_take(&b, 5, 10, 0));
    assert_true(bucket_take(&b, 5, 0, 2));
    assert_true(bucket_take(&b, 5, 0, 2));
    assert_false(bucket_take(&b, UINT64_MAX, 0, 2));
}

static void a_burst_lowered_later_holds_at_once(void **state)
{
    (void)state;
    struct bucket b = {0};
    for (int n = 0; n < 8; n++)
        assert_true(bucket_take(&b, 0, 1, 10));
    assert_false(bucket_take(&b, 0, 1, 4));
    assert_false(bucket_take(&b, 5 * SECOND - 1, 1, 4));
    assert_true(bucket_take(&b, 5 * SECOND, 1, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_small),
        cmocka_unit_test(an_all_zero_bucket_is_full_whenever_first_used),
        cmocka_unit_test(a_token_comes_back_at_the_exact_microsecond),
        cmocka_unit_test(the_long_run_rate_is_exact),
        cmocka_unit_test(at_a_rate_of_nothing_what_is_spent_stays_spent),
        cmocka_unit_test(an_idle_bucket_fills_to_its_burst_and_no_more),
        cmocka_unit_test(a_clock_jump_forward_only_fills_it),
        cmocka_unit_test(a_clock_jump_backwards_gives_nothing_and_starves_nobody),
        cmocka_unit_test(the_largest_rate_and_burst_do_not_overflow),
        cmocka_unit_test(rate_zero_never_refills_and_burst_zero_never_gives),
        cmocka_unit_test(a_burst_lowered_later_holds_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
