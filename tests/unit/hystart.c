/* HyStart++ (RFC 9406), alone and as CUBIC's first slow start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tcp/hystart.h"
#include "util/bytes.h"

enum { MSS = 1000 };

struct start {
    struct mem mem;
    struct cc cc;
    struct hystart hystart;
    uint64_t now_us, una, nxt;
};

static void begin(struct start *s, uint32_t segments)
{
    *s = (struct start){.now_us = 1};
    mem_init(&s->mem, NULL, NULL, NULL, 1 << 20);
    cc_init(&s->cc, &cc_cubic);
    s->cc.cwnd = segments * MSS;
    s->nxt = s->cc.cwnd;
}

static struct cc_event event(struct start *s, uint32_t segments, uint32_t rtt_us)
{
    return (struct cc_event){.now_us = s->now_us,
                             .mem = &s->mem,
                             .mss = MSS,
                             .acked_bytes = segments * MSS,
                             .flight_bytes = s->cc.cwnd,
                             .una_bytes = s->una + segments * MSS,
                             .nxt_bytes = s->nxt,
                             .rtt_us = rtt_us,
                             .srtt_us = rtt_us,
                             .limited = true};
}

/* One ACK of `segments`; what cwnd then allows is sent. Gives the growth in bytes. */
static uint32_t ack(struct start *s, uint32_t segments, uint32_t rtt_us)
{
    uint32_t before = s->cc.cwnd;
    struct cc_event e = event(s, segments, rtt_us);
    hystart_on_ack(&s->hystart, &s->cc, &e);
    s->una = e.una_bytes;
    s->nxt = s->una + s->cc.cwnd;
    return s->cc.cwnd - before;
}

/* ACKs of one segment until the round is over. */
static void round_of(struct start *s, uint32_t rtt_us)
{
    while (s->una + MSS < s->hystart.round_end) ack(s, 1, rtt_us);
}

/* In the second round, whose first ACK told `rtt_us` as well; the first took `base_us`. */
static void begin_second_round(struct start *s, uint32_t base_us, uint32_t rtt_us)
{
    begin(s, 16);
    ack(s, 1, base_us);
    round_of(s, base_us);
    ack(s, 1, rtt_us);
}

static void rounds_end_at_what_was_snd_nxt_at_their_beginning(void **state) /* 9406-1 */
{
    struct start s;
    (void)state;
    begin(&s, 10);
    ack(&s, 1, 30000);
    assert_int_equal(s.hystart.round_end, 10 * MSS);
    for (int n = 2; n < 10; n++) ack(&s, 1, 20000 + (uint32_t)n);
    assert_int_equal(s.hystart.round_end, 10 * MSS);
    assert_int_equal(s.hystart.last_min_rtt_us, 0);
    assert_int_equal(s.hystart.min_rtt_us, 20002);
    uint64_t sent = s.nxt;
    ack(&s, 1, 25000);
    assert_int_equal(s.hystart.round_end, sent);
    assert_int_equal(s.hystart.last_min_rtt_us, 20002);
    assert_int_equal(s.hystart.min_rtt_us, 25000);
    assert_int_equal(s.hystart.samples, 1);
}

static void an_ack_adds_a_super_segment_at_most_unless_sending_is_paced(void **state) /* 9406-2 */
{
    struct start s;
    (void)state;
    begin(&s, 40);
    assert_int_equal(ack(&s, 2, 20000), 2 * MSS);
    assert_int_equal(ack(&s, 20, 20000), 20 * MSS);
    assert_int_equal(ack(&s, 70, 20000), 64 * MSS);
    s.cc.pacing_kBps = 1000;
    assert_int_equal(ack(&s, 70, 20000), 70 * MSS);
}

static void the_eighth_sample_of_a_round_that_is_slower_slows_the_growth(void **state) /* 9406-3, 9406-4 */
{
    struct start s;
    (void)state;
    begin_second_round(&s, 20000, 24000);
    for (int n = 2; n <= 8; n++) assert_int_equal(ack(&s, 1, 24000), MSS);
    assert_int_equal(s.hystart.baseline_us, 24000);
    assert_int_equal(ack(&s, 1, 24000), MSS / 4); /* 9406-8 */
    assert_int_equal(ack(&s, 20, 24000), 5 * MSS);
}

static void an_eighth_of_the_round_trip_counts_within_4_and_16_ms(void **state) /* 9406-3 */
{
    static const struct {
        uint32_t base_us, thresh_us;
    } of[] = {{100, 4000}, {32000, 4000}, {80000, 10000}, {128000, 16000}, {600000, 16000}};
    (void)state;
    for (size_t i = 0; i < sizeof of / sizeof of[0]; i++) {
        for (uint32_t less = 0; less < 2; less++) {
            struct start s;
            uint32_t rtt_us = of[i].base_us + of[i].thresh_us - less;
            begin_second_round(&s, of[i].base_us, rtt_us);
            for (int n = 2; n <= 12; n++) ack(&s, 1, rtt_us);
            assert_int_equal(s.hystart.baseline_us != 0, !less);
        }
    }
}

static void one_fast_sample_in_the_round_says_that_there_is_no_queue(void **state)
{
    struct start s;
    (void)state;
    begin_second_round(&s, 20000, 40000);
    ack(&s, 1, 20100);
    for (int n = 3; n <= 12; n++) assert_int_equal(ack(&s, 1, 40000), MSS);
}

static void a_rise_that_passes_resumes_slow_start(void **state) /* 9406-5 */
{
    struct start s;
    (void)state;
    begin_second_round(&s, 20000, 30000);
    round_of(&s, 30000);
    assert_true(s.hystart.baseline_us);
    ack(&s, 1, 20500); /* the next round */
    for (int n = 2; n <= 8; n++) assert_int_equal(ack(&s, 1, 30000), MSS / 4);
    assert_int_equal(s.hystart.baseline_us, 0);
    assert_int_equal(ack(&s, 1, 30000), MSS);
    assert_true(cc_first_slow_start(&s.cc));
}

static void after_five_rounds_congestion_avoidance_begins(void **state) /* 9406-6 */
{
    struct start s;
    (void)state;
    begin_second_round(&s, 20000, 30000);
    for (int n = 2; n <= 8; n++) ack(&s, 1, 30000);
    for (int rounds = 0; rounds < 4; rounds++) { /* the rest of this one and three more */
        round_of(&s, 30000);
        ack(&s, 1, 30000);
        assert_true(cc_first_slow_start(&s.cc));
    }
    round_of(&s, 30000);
    assert_true(cc_first_slow_start(&s.cc));
    ack(&s, 1, 30000); /* begins the sixth */
    assert_int_equal(s.cc.ssthresh, s.cc.cwnd);
}

static void a_second_rise_has_five_rounds_again(void **state)
{
    struct start s;
    (void)state;
    begin_second_round(&s, 20000, 30000);
    for (int rounds = 0; rounds < 3; rounds++) {
        round_of(&s, 30000);
        ack(&s, 1, 30000);
    }
    assert_int_equal(s.hystart.css_rounds, 3);
    round_of(&s, 22000); /* a rise of less than 4 ms */
    assert_int_equal(s.hystart.baseline_us, 0);
    ack(&s, 1, 30000);
    round_of(&s, 30000);
    assert_int_equal(s.hystart.baseline_us, 30000);
    assert_int_equal(s.hystart.css_rounds, 0);
}

/* ---- as a part of CUBIC ---- */

enum { BASE_US = 40000, PIPE = 200 /* segments */ };

/* A round trip of CUBIC over a link with a queue: what is sent when more than the pipe is in flight waits
 * for its turn. */
static void cubic_round(struct start *s, uint32_t queue_us)
{
    static uint32_t waits_us[1 << 16]; /* by segment */
    uint32_t window = s->cc.cwnd / MSS;
    for (uint32_t n = 0; n < window; n += 2) {
        struct cc_event e = event(s, 2, BASE_US + waits_us[s->una / MSS + 1]);
        s->now_us += BASE_US * 2 / window;
        e.now_us = s->now_us;
        cc_on_ack(&s->cc, &e);
        s->una = e.una_bytes;
        uint64_t sent = s->nxt / MSS;
        s->nxt = s->una + s->cc.cwnd;
        uint32_t flight = s->cc.cwnd / MSS;
        while (sent < s->nxt / MSS) waits_us[sent++] = flight > PIPE ? (flight - PIPE) * queue_us : 0;
    }
}

static void a_queue_that_builds_up_ends_slow_start_without_a_loss(void **state)
{
    struct start s;
    (void)state;
    begin(&s, 10);
    for (int n = 0; n < 20 && cc_first_slow_start(&s.cc); n++) cubic_round(&s, BASE_US / PIPE);
    assert_false(cc_first_slow_start(&s.cc));
    assert_true(s.cc.cwnd >= PIPE * MSS);
    /* 640 is the first window whose every segment found the pipe full: 1.25^5 times that, not 2^5 times */
    assert_true(s.cc.cwnd < 2000 * MSS);
    /* 9438-4.10: K = 0 and W_max = cwnd: nothing but Reno's slope at first */
    uint32_t cwnd = s.cc.cwnd;
    for (int n = 0; n < 5; n++) cubic_round(&s, BASE_US / PIPE);
    assert_in_range(s.cc.cwnd, cwnd + 3 * MSS, cwnd + 6 * MSS);
    cc_free(&s.cc, &s.mem);
}

/* 9438-4.10 */
static void where_no_queue_builds_up_slow_start_doubles_on(void **state)
{
    struct start s;
    (void)state;
    begin(&s, 10);
    for (int n = 1; n <= 10; n++) {
        cubic_round(&s, 0);
        assert_int_equal(s.cc.cwnd, (10 << n) * MSS);
    }
    assert_true(cc_first_slow_start(&s.cc));
    cc_free(&s.cc, &s.mem);
}

static void after_an_idle_time_older_round_trips_are_forgotten(void **state)
{
    struct start s;
    (void)state;
    begin(&s, 10);
    for (int n = 0; n < 3; n++) cubic_round(&s, 0);
    struct cc_event e = event(&s, 0, BASE_US);
    cc_on_idle(&s.cc, &e, 10);
    s.nxt = s.una + s.cc.cwnd;
    for (int n = 0; n < 40; n++) { /* a slower path by now */
        e = event(&s, 2, 2 * BASE_US);
        uint32_t before = s.cc.cwnd;
        cc_on_ack(&s.cc, &e);
        assert_int_equal(s.cc.cwnd, before + 2 * MSS);
        s.una = e.una_bytes;
        s.nxt = s.una + s.cc.cwnd;
    }
    cc_free(&s.cc, &s.mem);
}

static void a_loss_ends_it_with_the_loss_response(void **state) /* 9406-7 */
{
    struct start s;
    (void)state;
    begin(&s, 10);
    for (int n = 0; n < 3; n++) cubic_round(&s, 0);
    struct cc_event e = event(&s, 0, BASE_US);
    cc_on_loss(&s.cc, &e);
    assert_int_equal(s.cc.cwnd, 56 * MSS);
    assert_int_equal(s.cc.ssthresh, 56 * MSS);
    cubic_round(&s, 0);
    assert_true(s.cc.cwnd < 58 * MSS);
    cc_free(&s.cc, &s.mem);
}

static void later_slow_starts_are_plain(void **state) /* 9406-9 */
{
    struct start s;
    (void)state;
    begin(&s, 800);
    cubic_round(&s, 0);
    struct cc_event e = event(&s, 0, BASE_US);
    cc_on_rto(&s.cc, &e, false);
    e = event(&s, 20, BASE_US);
    cc_on_ack(&s.cc, &e);
    assert_int_equal(s.cc.cwnd, 21 * MSS);
    for (uint32_t n = 1; s.cc.cwnd < s.cc.ssthresh; n++) { /* every one slower than the last */
        e = event(&s, 1, BASE_US + n * 1000);
        uint32_t before = s.cc.cwnd;
        cc_on_ack(&s.cc, &e);
        assert_int_equal(s.cc.cwnd, before + MSS);
    }
    assert_int_equal(s.cc.cwnd, 1120 * MSS);
    cc_free(&s.cc, &s.mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounds_end_at_what_was_snd_nxt_at_their_beginning),
        cmocka_unit_test(an_ack_adds_a_super_segment_at_most_unless_sending_is_paced),
        cmocka_unit_test(the_eighth_sample_of_a_round_that_is_slower_slows_the_growth),
        cmocka_unit_test(an_eighth_of_the_round_trip_counts_within_4_and_16_ms),
        cmocka_unit_test(one_fast_sample_in_the_round_says_that_there_is_no_queue),
        cmocka_unit_test(a_rise_that_passes_resumes_slow_start),
        cmocka_unit_test(after_five_rounds_congestion_avoidance_begins),
        cmocka_unit_test(a_second_rise_has_five_rounds_again),
        cmocka_unit_test(a_queue_that_builds_up_ends_slow_start_without_a_loss),
        cmocka_unit_test(where_no_queue_builds_up_slow_start_doubles_on),
        cmocka_unit_test(after_an_idle_time_older_round_trips_are_forgotten),
        cmocka_unit_test(a_loss_ends_it_with_the_loss_response),
        cmocka_unit_test(later_slow_starts_are_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
