/* Delivery rate samples (draft-ietf-ccwg-bbr 4.1): segments of 1,000 bytes, times in milliseconds. */
#include "tcp/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { SEGMENT = 1000, SENT_MAX = 64, MIN_RTT_MS = 10 };

struct path {
    struct rate rate;
    struct rate_mark mark[SENT_MAX];
    uint64_t sent_us[SENT_MAX], delivered;
    uint32_t pipe;
};

static void send_at(struct path *p, unsigned segment, uint64_t ms)
{
    struct rate_now now = {.now_us = ms * 1000, .delivered = p->delivered, .pipe = p->pipe};
    rate_sent(&p->rate, &p->mark[segment], &now, SEGMENT);
    p->sent_us[segment] = ms * 1000;
    p->pipe += SEGMENT;
}

static struct rate_sample ack_at(struct path *p, unsigned first, unsigned last, uint64_t ms)
{
    for (unsigned i = first; i <= last; i++) {
        rate_arrived(&p->rate, &p->mark[i], p->sent_us[i], seq_of((i + 1) * SEGMENT));
        p->delivered += SEGMENT;
        p->pipe -= SEGMENT;
    }
    return rate_take(&p->rate, p->delivered, ms * 1000, MIN_RTT_MS * 1000);
}

static void a_lone_segment_takes_its_round_trip(void **state)
{
    struct path p = {.delivered = 7000};
    (void)state;
    send_at(&p, 0, 100);
    struct rate_sample s = ack_at(&p, 0, 0, 120);
    assert_true(s.any && !s.app_limited);
    assert_int_equal(s.rate_Bps, 50000); /* 1,000 bytes in 20 ms */
    assert_int_equal(s.prior, 7000);
    assert_int_equal(s.delivered, 1000);
    assert_int_equal(s.flight, 1000);
}

/* The ACK rate: segments sent at once, and spread by a bottleneck of one a 2 ms. */
static void acks_that_a_bottleneck_spreads_tell_its_rate(void **state)
{
    struct path p = {0};
    struct rate_sample s = {0};
    (void)state;
    for (unsigned i = 0; i < 10; i++) send_at(&p, i, 100);
    for (unsigned i = 0; i < 10; i++) {
        s = ack_at(&p, i, i, 120 + 2 * i);
        send_at(&p, 10 + i, 120 + 2 * i);
    }
    assert_int_equal(s.rate_Bps, 10000 * 1000000ull / 38000); /* since it was sent */
    for (unsigned i = 10; i < 30; i++) {
        s = ack_at(&p, i, i, 120 + 2 * i);
        if (i < 20) send_at(&p, 10 + i, 120 + 2 * i);
        if (i == 19) assert_int_equal(s.rate_Bps, 10000 * 1000000ull / 38000); /* sent in that time, too */
    }
    assert_int_equal(s.prior, 20000);
    assert_int_equal(s.flight, 10000);
    assert_int_equal(s.rate_Bps, 500000);
}

/* 4.1.1.2.2: ACKs that were held up and come at once do not tell a rate above that of sending. */
static void acks_that_come_together_tell_no_more_than_the_sending_rate(void **state)
{
    struct path p = {0};
    struct rate_sample s;
    (void)state;
    send_at(&p, 0, 100);
    ack_at(&p, 0, 0, 110);
    send_at(&p, 1, 110);
    for (unsigned i = 2; i < 12; i++) send_at(&p, i, 108 + 2 * i); /* a segment each 2 ms, to 130 */
    s = ack_at(&p, 1, 1, 141);
    s = ack_at(&p, 2, 10, 141);
    assert_int_equal(s.rate_Bps, 10000 * 1000000ull / 31000); /* since the ACK at 110 */
    send_at(&p, 12, 142);
    send_at(&p, 13, 172);
    s = ack_at(&p, 11, 13, 182); /* the last was sent 42 ms after the newest that had arrived before it */
    assert_int_equal(s.delivered, 2000 + 1000);
    assert_int_equal(s.rate_Bps, 3000 * 1000000ull / 44000);
}

static void an_interval_below_the_least_round_trip_is_no_sample(void **state)
{
    struct path p = {0};
    (void)state;
    send_at(&p, 0, 100);
    send_at(&p, 1, 100);
    struct rate_sample s = ack_at(&p, 1, 1, 109);
    assert_true(s.any);
    assert_int_equal(s.rate_Bps, 0);
    assert_int_equal(ack_at(&p, 0, 0, 110).rate_Bps, 200000);
}

/* one byte is the least that can be delivered */
static void a_byte_is_a_sample(void **state)
{
    struct rate rate = {0};
    struct rate_mark mark;
    struct rate_now now = {.now_us = 100000, .delivered = 5};
    (void)state;
    rate_sent(&rate, &mark, &now, 1);
    rate_arrived(&rate, &mark, 100000, seq_of(1));
    struct rate_sample s = rate_take(&rate, 6, 120000, 10000);
    assert_true(s.any);
    assert_int_equal(s.delivered, 1);
    assert_int_equal(s.rate_Bps, 50);
}

/* Of two sent at the same time the later in the stream counts, in whatever order they arrive. */
static void of_segments_sent_at_once_the_last_in_the_stream_is_the_newest(void **state)
{
    struct rate rate = {0};
    struct rate_mark mark[2];
    struct rate_now now = {.now_us = 100000};
    (void)state;
    for (int i = 0; i < 2; i++) {
        rate_sent(&rate, &mark[i], &now, SEGMENT);
        now.pipe += SEGMENT;
    }
    rate_arrived(&rate, &mark[1], 100000, seq_of(2 * SEGMENT));
    rate_arrived(&rate, &mark[0], 100000, seq_of(SEGMENT));
    assert_int_equal(rate_take(&rate, 2 * SEGMENT, 120000, 10000).flight, 2 * SEGMENT);
}

static void nothing_delivered_is_no_sample(void **state)
{
    struct path p = {0};
    (void)state;
    assert_false(rate_take(&p.rate, 0, 1000, 0).any);
}

/* The bubble has left when what was in flight behind it has arrived. */
static void what_is_sent_while_the_application_is_dry_is_marked_until_the_bubble_has_passed(void **state)
{
    struct path p = {0};
    (void)state;
    send_at(&p, 0, 100);
    send_at(&p, 1, 100);
    rate_ran_dry(&p.rate, p.delivered, p.pipe);
    send_at(&p, 2, 105);
    assert_false(ack_at(&p, 0, 0, 120).app_limited); /* sent before */
    send_at(&p, 3, 120);
    assert_false(ack_at(&p, 1, 1, 121).app_limited);
    send_at(&p, 4, 121);
    assert_true(ack_at(&p, 2, 2, 125).app_limited);
    send_at(&p, 5, 125);
    assert_true(ack_at(&p, 3, 3, 140).app_limited);
    assert_true(ack_at(&p, 4, 4, 141).app_limited);
    assert_false(ack_at(&p, 5, 5, 145).app_limited);
}

static void losses_since_a_segment_was_sent_are_counted_with_it(void **state)
{
    struct path p = {0};
    (void)state;
    for (unsigned i = 0; i < 10; i++) send_at(&p, i, 100);
    rate_lost(&p.rate, &p.mark[0], SEGMENT);
    send_at(&p, 10, 101);
    rate_lost(&p.rate, &p.mark[1], SEGMENT);
    struct rate_sample s = ack_at(&p, 9, 9, 120);
    assert_int_equal(s.lost, 2 * SEGMENT);
    assert_int_equal(ack_at(&p, 10, 10, 121).lost, SEGMENT);
}

/* Of 1,000 lost in 1,000, and of 2,000 in 2,000, then 3,000 in 10,000: the first. */
static void the_loss_told_is_the_largest_part_of_a_flight(void **state)
{
    struct path p = {0};
    (void)state;
    for (unsigned i = 0; i < 10; i++) send_at(&p, i, 100);
    assert_false(rate_loss(&p.rate).any);
    rate_lost(&p.rate, &p.mark[0], SEGMENT);
    rate_lost(&p.rate, &p.mark[1], SEGMENT);
    rate_lost(&p.rate, &p.mark[9], SEGMENT);
    struct rate_sample s = rate_loss(&p.rate);
    assert_true(s.any);
    assert_int_equal(s.flight, 1000);
    assert_int_equal(s.lost, 1000);
    assert_int_equal(s.size, 1000);
    rate_lost(&p.rate, &p.mark[8], SEGMENT);
    s = rate_loss(&p.rate);
    assert_int_equal(s.flight, 9000);
    assert_int_equal(s.lost, 4000);
    assert_false(rate_loss(&p.rate).any);
}

/* 2018 8: a peer that throws SACKed data away makes `delivered` smaller. */
static void a_peer_that_reneges_makes_no_absurd_sample(void **state)
{
    struct path p = {.delivered = 50000};
    (void)state;
    send_at(&p, 0, 100);
    p.delivered = 20000;
    struct rate_sample s = ack_at(&p, 0, 0, 120);
    assert_int_equal(s.rate_Bps, 0);
    assert_int_equal(s.delivered, 0);
    assert_int_equal(s.prior, 21000);
}

static void counts_go_on_beyond_32_bits(void **state)
{
    struct path p = {.delivered = 0x1fffffe00ull};
    (void)state;
    send_at(&p, 0, 100);
    struct rate_sample s = ack_at(&p, 0, 0, 120);
    assert_int_equal(s.prior, 0x1fffffe00ull);
    assert_int_equal(s.rate_Bps, 50000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lone_segment_takes_its_round_trip),
        cmocka_unit_test(acks_that_a_bottleneck_spreads_tell_its_rate),
        cmocka_unit_test(acks_that_come_together_tell_no_more_than_the_sending_rate),
        cmocka_unit_test(an_interval_below_the_least_round_trip_is_no_sample),
        cmocka_unit_test(a_byte_is_a_sample),
        cmocka_unit_test(of_segments_sent_at_once_the_last_in_the_stream_is_the_newest),
        cmocka_unit_test(nothing_delivered_is_no_sample),
        cmocka_unit_test(what_is_sent_while_the_application_is_dry_is_marked_until_the_bubble_has_passed),
        cmocka_unit_test(losses_since_a_segment_was_sent_are_counted_with_it),
        cmocka_unit_test(the_loss_told_is_the_largest_part_of_a_flight),
        cmocka_unit_test(a_peer_that_reneges_makes_no_absurd_sample),
        cmocka_unit_test(counts_go_on_beyond_32_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
