/* Pacing: bursts, and when the next may go. Rates are in kB/s: bytes a millisecond. */
#include "tcp/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { MSS = 1460, T = 1000000 };

static void a_burst_is_a_millisecond_of_the_rate_between_two_segments_and_64_kib(void **state)
{
    (void)state;
    assert_int_equal(pace_burst(1, MSS), 2 * MSS);
    assert_int_equal(pace_burst(2 * MSS, MSS), 2 * MSS);
    assert_int_equal(pace_burst(10 * MSS + 7, MSS), 10 * MSS);
    assert_int_equal(pace_burst(65535, MSS), 44 * MSS);
    assert_int_equal(pace_burst(4000000000u, MSS), 44 * MSS);
    assert_int_equal(pace_burst(4000000000u, 40000), 80000);
}

/* a first burst of ten segments; the next when the rate has made up for what really went */
static void the_next_burst_may_go_when_the_last_ones_bytes_have_had_their_time(void **state)
{
    struct pacer p = {0};
    (void)state;
    assert_int_equal(pace_room(&p, 14600, MSS, T), 14600);
    pace_sent(&p, 14600, 7300);
    assert_int_equal(pace_room(&p, 14600, MSS, T), 7300);
    assert_int_equal(pace_room(&p, 14600, MSS, T + 499), 7300);
    pace_sent(&p, 14600, 7300);
    assert_int_equal(pace_room(&p, 14600, MSS, T + 999), 0);
    pace_wait(&p);
    assert_int_equal(p.wake_us, T + 1000);
    assert_int_equal(pace_room(&p, 14600, MSS, T + 1000), 14600);
    assert_int_equal(p.wake_us, 0);
}

/* 10 Gbit/s in packets of 1,460 bytes, of 1.168 us each: no part of a microsecond gets lost */
static void over_many_bursts_the_rate_is_exact(void **state)
{
    struct pacer p = {0};
    uint64_t now_us = T, sent = 0;
    (void)state;
    while (sent < 125000000) {
        while (pace_room(&p, 1250000, MSS, now_us) >= MSS) {
            pace_sent(&p, 1250000, MSS);
            sent += MSS;
        }
        pace_wait(&p);
        now_us = p.wake_us;
    }
    assert_in_range(now_us - T, 100000, 100060); /* a tenth of a second and a burst */
}

static void who_is_woken_late_makes_up_for_half_a_burst_at_most(void **state)
{
    struct pacer p = {0};
    (void)state;
    pace_room(&p, 14600, MSS, T);
    pace_sent(&p, 14600, 14600);
    pace_wait(&p);
    pace_room(&p, 14600, MSS, T + 1300); /* 300 us late: all of it */
    pace_sent(&p, 14600, 14600);
    pace_wait(&p);
    assert_int_equal(p.wake_us, T + 2000);
    pace_room(&p, 14600, MSS, T + 9000); /* 7 ms late */
    pace_sent(&p, 14600, 14600);
    pace_wait(&p);
    assert_int_equal(p.wake_us, T + 9500);
}

static void who_did_not_wait_has_nothing_to_make_up_for(void **state)
{
    struct pacer p = {0};
    (void)state;
    pace_room(&p, 14600, MSS, T);
    pace_sent(&p, 14600, 14600);
    pace_room(&p, 14600, MSS, T + 9000);
    pace_sent(&p, 14600, 14600);
    pace_wait(&p);
    assert_int_equal(p.wake_us, T + 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_is_a_millisecond_of_the_rate_between_two_segments_and_64_kib),
        cmocka_unit_test(the_next_burst_may_go_when_the_last_ones_bytes_have_had_their_time),
        cmocka_unit_test(over_many_bursts_the_rate_is_exact),
        cmocka_unit_test(who_is_woken_late_makes_up_for_half_a_burst_at_most),
        cmocka_unit_test(who_did_not_wait_has_nothing_to_make_up_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
