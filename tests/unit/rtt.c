/* The estimator of RFC 6298 at its edges. */
#include "tcp/rtt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct tcp_params params = {
    .rto_initial_us = 1000000, .rto_min_us = 200000, .rto_max_us = 120000000};

static struct rtt steady(uint32_t us)
{
    static const struct tcp_params no_minimum = {.rto_initial_us = 1000000, .rto_min_us = 1, .rto_max_us = 120000000};
    struct rtt r;
    rtt_init(&r, &no_minimum);
    for (int i = 0; i < 100; i++) rtt_sample(&r, &no_minimum, us);
    assert_int_equal(r.srtt_us, us);
    return r;
}

/* 6298-4: G is a millisecond */
static void a_constant_round_trip_leaves_the_clocks_granularity(void **state)
{
    (void)state;
    assert_int_equal(steady(1500).rto_us, 2500);
}

static void a_queue_may_make_a_steady_round_trip_half_as_long_again(void **state)
{
    struct rtt r = steady(2000000);
    (void)state;
    assert_true(r.rttvar_us < 250);
    assert_int_equal(r.rto_us, 3000000);
}

/* 6298-2.1, 8961-1 */
static void without_a_sample_the_timeout_is_a_second(void **state)
{
    struct rtt r;
    (void)state;
    rtt_init(&r, &params);
    assert_int_equal(rtt_backed_off(&r, &params, 0), 1000000);
    assert_int_equal(rtt_backed_off(&r, &params, 1), 2000000);
}

/* G134, G154, G143: nothing overflows, and any number of doublings ends at the maximum */
static void the_largest_samples_and_backoffs_overflow_nothing(void **state)
{
    static const uint64_t samples[] = {0, 1, UINT32_MAX, UINT64_MAX, 1, 1ull << 40};
    struct rtt r;
    (void)state;
    rtt_init(&r, &params);
    for (unsigned i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        rtt_sample(&r, &params, samples[i]);
        assert_true(r.srtt_us >= 1);
        assert_in_range(r.rto_us, params.rto_min_us, params.rto_max_us);
        for (unsigned n = 0; n < 300; n++)
            assert_in_range(rtt_backed_off(&r, &params, n), r.rto_us, params.rto_max_us);
    }
    assert_int_equal(rtt_backed_off(&r, &params, 255), params.rto_max_us);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_constant_round_trip_leaves_the_clocks_granularity),
        cmocka_unit_test(a_queue_may_make_a_steady_round_trip_half_as_long_again),
        cmocka_unit_test(without_a_sample_the_timeout_is_a_second),
        cmocka_unit_test(the_largest_samples_and_backoffs_overflow_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
