/* CUBIC, at literal points and beside a model of RFC 9438 in floating point. */
#include "cc_flow.h"

#include "util/bytes.h"

/* ---- the model of RFC 9438, in segments and seconds ---- */

struct model {
    double cwnd, ssthresh, w_max, cwnd_prior, k, w_est, epoch;
    bool begun;
};

static double cube(double x) { return x * x * x; }

static double cbrt_of(double v)
{
    double low = 0, high = 1e6;
    for (int i = 0; i < 80; i++) {
        double middle = (low + high) / 2;
        if (cube(middle) > v) high = middle;
        else low = middle;
    }
    return low;
}

static void model_ack(struct model *m, double acked, double now, double rtt)
{
    if (m->cwnd < m->ssthresh) {
        double grow = acked < m->ssthresh - m->cwnd ? acked : m->ssthresh - m->cwnd;
        m->cwnd += grow;
        acked -= grow;
        if (m->cwnd < m->ssthresh || acked <= 0) return;
    }
    if (!m->begun) {
        m->begun = true;
        m->epoch = now;
        if (m->w_max < m->cwnd) m->w_max = m->cwnd;
        m->k = cbrt_of((m->w_max - m->cwnd) / 0.4);
        m->w_est = m->cwnd;
    }
    double t = now - m->epoch, alpha = m->w_est >= m->cwnd_prior ? 1 : 3 * (1 - 0.7) / (1 + 0.7);
    m->w_est += alpha * acked / m->cwnd;
    if (0.4 * cube(t - m->k) + m->w_max < m->w_est) {
        if (m->w_est > m->cwnd) m->cwnd = m->w_est;
        return;
    }
    double target = 0.4 * cube(t + rtt - m->k) + m->w_max;
    if (target < m->cwnd) target = m->cwnd;
    if (target > 1.5 * m->cwnd) target = 1.5 * m->cwnd;
    m->cwnd += (target - m->cwnd) / m->cwnd * acked;
}

static void model_loss(struct model *m)
{
    m->cwnd_prior = m->cwnd;
    m->w_max = m->cwnd < m->w_max ? m->cwnd * (1 + 0.7) / 2 : m->cwnd;
    m->cwnd = m->ssthresh = m->cwnd * 0.7;
    m->begun = false;
}

/* `seconds` of a flow that loses a segment whenever its window has grown to what the path holds:
 * `pipe` bytes, then less, then more. */
static void beside_the_model(uint32_t mss, uint32_t rtt_us, uint32_t pipe, uint32_t step,
                             unsigned seconds)
{
    struct flow f;
    struct model m = {.cwnd = (double)pipe / mss};
    begin(&f, &cc_cubic, 1, rtt_us);
    f.mss = mss;
    f.cc.cwnd = pipe;
    static const uint32_t percent[] = {100, 80, 110};
    unsigned losses = 0;
    while (f.now_us < (uint64_t)(5 + seconds) * SECOND) {
        if (f.cc.cwnd >= (uint64_t)pipe * percent[losses % 3] / 100) {
            lose(&f);
            model_loss(&m);
            losses++;
        }
        uint32_t bytes = min_u32(step, f.cc.cwnd);
        f.now_us += (uint64_t)rtt_us * bytes / f.cc.cwnd + 1;
        ack(&f, bytes);
        model_ack(&m, (double)bytes / mss, (double)f.now_us / SECOND, (double)rtt_us / SECOND);
        assert_near((double)f.cc.cwnd / mss, m.cwnd, 1);
    }
    assert_true(losses > 3);
    end(&f);
}

static void the_window_is_that_of_the_model_ack_for_ack(void **state)
{
    (void)state;
    beside_the_model(1460, 20000, 2500000, 2920, 60); /* 1 Gbit/s x 20 ms */
    beside_the_model(1460, 100000, 1250000, 1460, 120);
    beside_the_model(1460, 1000, 125000, 2920, 20);
    beside_the_model(1460, 300000, 37500, 2920, 300);
    beside_the_model(8960, 50000, 600000, 17920, 60);
    beside_the_model(65495, 10000, 4000000, 65495, 60);
    beside_the_model(88, 100000, 20000, 176, 60);
    beside_the_model(1460, 100000, 1250000, 65536, 120); /* ACKs of super-segments */
}

/* G154: 1 Gbit/s x 300 ms for three hours. */
static void hours_on_a_long_fat_path_overflow_nothing(void **state)
{
    (void)state;
    beside_the_model(1460, 300000, 37500000, 262144, 3 * 3600);
}

/* ---- CUBIC at literal points ---- */

/* In congestion avoidance after a loss at `segments`. */
static void begin_after_loss(struct flow *f, uint32_t count, uint32_t rtt_us)
{
    begin(f, &cc_cubic, count, rtt_us);
    lose(f);
    ack(f, 1); /* t_epoch */
}

/* 9438-4.2a, 9438-4.4, 9438-5.1: W_max 1000, K = cbrt(300 / 0.4) = 9.0856 s. */
static void the_window_follows_the_cubic_function_on_both_sides_of_w_max(void **state)
{
    static const struct {
        uint64_t us;
        double segments;
    } at[] = {{0, 700},        {1000000, 788.6},   {2000000, 857.7},  {5000000, 972.7},
              {9085600, 1000}, {12000000, 1009.9}, {18171200, 1300.0}};
    struct flow f;
    (void)state;
    begin_after_loss(&f, 1000, 50000);
    uint64_t epoch_us = f.now_us;
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        run_until(&f, epoch_us + at[i].us);
        assert_near(segments(&f), at[i].segments, 1);
    }
    end(&f);
}

static void k_is_when_w_max_is_reached(void **state)
{
    static const struct {
        uint32_t w_max;
        uint64_t k_us;
    } of[] = {{100, 4217163}, {10000, 19574338}, {100000, 42171633}};
    (void)state;
    for (size_t i = 0; i < sizeof of / sizeof of[0]; i++) {
        struct flow f;
        begin_after_loss(&f, of[i].w_max, 100000);
        uint64_t epoch_us = f.now_us;
        run_until(&f, epoch_us + of[i].k_us - SECOND);
        assert_true(segments(&f) < of[i].w_max);
        run_until(&f, epoch_us + of[i].k_us);
        assert_near(segments(&f), of[i].w_max, 0.1);
        end(&f);
    }
}

/* 9438-4.2a: K = cbrt(50 / 0.4) is 5 s; two seconds before, it is 0.4 * 2^3 = 3.2 segments less than W_max */
static void where_k_is_a_whole_number_the_window_is_right_to_the_byte(void **state)
{
    struct flow f;
    (void)state;
    begin(&f, &cc_cubic, 500, 50000);
    lose(&f);
    f.cc.cwnd = f.cc.ssthresh = 450 * MSS;
    ack(&f, 1);
    f.now_us += 3 * SECOND - f.rtt_us; /* the target is that of a round trip later */
    ack(&f, f.cc.cwnd);
    assert_int_equal(f.cc.cwnd, 496800);
    end(&f);
}

/* 9438-4.2b */
static void a_long_round_trip_adds_half_a_window_at_most(void **state)
{
    struct flow f;
    (void)state;
    begin_after_loss(&f, 20, 20 * SECOND);
    for (int n = 0; n < 4; n++) {
        uint32_t window = f.cc.cwnd;
        f.now_us += f.rtt_us;
        ack(&f, window); /* in one ACK: nothing compounds */
        assert_int_equal(f.cc.cwnd, window + window / 2);
    }
    end(&f);

    begin(&f, &cc_cubic, 20, 4036u * SECOND);
    f.cc.ssthresh = f.cc.cwnd;
    ack(&f, MSS);
    f.now_us += 60 * SECOND; /* together 2^22 ticks, the cube of which is 0 modulo 2^64 */
    uint32_t before = f.cc.cwnd;
    ack(&f, before);
    assert_int_equal(f.cc.cwnd, before + before / 2);
    end(&f);
}

/* 9438-4.2c */
static void time_without_data_in_flight_does_not_count(void **state)
{
    struct flow f, g;
    (void)state;
    begin_after_loss(&f, 100, 50000);
    begin_after_loss(&g, 100, 50000);
    for (int n = 0; n < 40; n++) {
        round_trip(&f);
        round_trip(&g);
        struct cc_event e = event(&g); /* all is acknowledged; a pause, and the round trip until more is */
        e.flight_bytes = e.acked_bytes = 1;
        cc_on_ack(&g.cc, &e);
        g.now_us += 150000 + g.rtt_us; /* below an RTO, so nobody calls it idle */
        f.now_us += f.rtt_us;
    }
    assert_near(segments(&g), segments(&f), 1);

    uint32_t before = g.cc.cwnd;
    g.idle_app = true;
    for (int n = 0; n < 600; n++) {
        g.now_us += 100000;
        ack(&g, 2 * MSS);
    }
    g.idle_app = false;
    round_trip(&g);
    assert_near(g.cc.cwnd, before, 3);
    end(&f);
    end(&g);
}

static void after_an_idle_time_the_stage_begins_anew(void **state)
{
    struct flow f;
    (void)state;
    begin_after_loss(&f, 100, 50000);
    run_until(&f, f.now_us + 4 * SECOND);
    f.now_us += 60 * SECOND;
    struct cc_event e = event(&f);
    cc_on_idle(&f.cc, &e, 10);
    assert_int_equal(f.cc.cwnd, 10 * MSS);
    f.cc.ssthresh = 10 * MSS;
    round_trip(&f);
    assert_true(f.cc.cwnd < 12 * MSS);
    end(&f);
}

/* 9438-4.3a, 9438-4.3b, 5033-1: 9/17 of a segment a round trip from 14 to 20, then a whole one. */
static void on_a_short_path_the_window_is_that_of_aimd(void **state)
{
    struct flow f;
    (void)state;
    begin_after_loss(&f, 20, 10000);
    for (int n = 1; n <= 11; n++) {
        round_trip(&f);
        assert_near(segments(&f), 14 + n * 9.0 / 17, 1);
    }
    round_trip(&f);
    double from = segments(&f);
    for (int n = 1; n <= 10; n++) {
        round_trip(&f);
        assert_near(segments(&f), from + n, 1);
    }
    end(&f);
}

/* 9438-4.6a, 9438-4.6b */
static void a_loss_leaves_seven_tenths_and_two_segments_at_least(void **state)
{
    struct flow f;
    (void)state;
    begin(&f, &cc_cubic, 100, 50000);
    lose(&f);
    assert_int_equal(f.cc.ssthresh, 70 * MSS);
    assert_int_equal(f.cc.cwnd, 70 * MSS);
    f.cc.cwnd = 2 * MSS;
    lose(&f);
    assert_int_equal(f.cc.cwnd, 2 * MSS);
    end(&f);
}

/* 9438-4.7: the second loss at 700 of 1000: W_max = 700 * 0.85 = 595, K = cbrt(105 / 0.4) = 6.403 s. */
static void a_loss_below_w_max_lowers_w_max_further(void **state)
{
    struct flow f;
    (void)state;
    begin(&f, &cc_cubic, 1000, 50000);
    lose(&f);
    lose(&f);
    assert_int_equal(f.cc.cwnd, 490 * MSS);
    ack(&f, 1);
    uint64_t epoch_us = f.now_us;
    run_until(&f, epoch_us + 5403000);
    assert_near(segments(&f), 594.6, 0.2);
    run_until(&f, epoch_us + 8403000);
    assert_near(segments(&f), 598.2, 0.2);
    end(&f);
}

/* 9438-4.8: K = 0 and W_max = cwnd where congestion avoidance begins: 700 + 0.4 * t^3. */
static void after_a_timeout_the_window_grows_convex_from_ssthresh(void **state)
{
    struct flow f;
    (void)state;
    begin(&f, &cc_cubic, 1000, 50000);
    time_out(&f, false);
    assert_int_equal(f.cc.ssthresh, 700 * MSS);
    assert_int_equal(f.cc.cwnd, MSS);
    while (f.cc.cwnd < f.cc.ssthresh) round_trip(&f);
    uint64_t epoch_us = f.now_us;
    run_until(&f, epoch_us + 8 * SECOND);
    assert_near(segments(&f), 904.8, 1);
    run_until(&f, epoch_us + 10 * SECOND);
    assert_near(segments(&f), 1100, 1);
    end(&f);
}

/* 9438-4.9 */
static void a_spurious_loss_leaves_no_trace(void **state)
{
    struct flow f, g;
    (void)state;
    begin_after_loss(&f, 1000, 50000);
    begin_after_loss(&g, 1000, 50000);
    for (int n = 0; n < 60; n++) {
        round_trip(&f);
        round_trip(&g);
    }
    struct cc before = g.cc;
    lose(&g);
    g.now_us += 20 * SECOND;
    g.cc.cwnd = before.cwnd;
    g.cc.ssthresh = before.ssthresh;
    struct cc_event e = event(&g);
    g.cc.algorithm->on_undo(&g.cc, &e);
    for (int n = 0; n < 200; n++) {
        round_trip(&f);
        round_trip(&g);
        assert_near(segments(&g), segments(&f), 0.1);
    }
    end(&f);
    end(&g);
}

/* G142 */
static void without_losses_the_window_ends_at_the_largest(void **state)
{
    static const uint32_t mss[] = {8, 1460, 65495};
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct flow f;
        begin(&f, &cc_cubic, 1, 100000);
        f.mss = mss[i];
        f.cc.cwnd = f.cc.ssthresh = 10 * f.mss;
        for (int n = 0; n < 200000; n++) { /* five and a half hours */
            f.now_us += f.rtt_us;
            ack(&f, f.cc.cwnd);
        }
        assert_int_equal(f.cc.cwnd, CC_CWND_MAX);
        end(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_window_is_that_of_the_model_ack_for_ack),
        cmocka_unit_test(hours_on_a_long_fat_path_overflow_nothing),
        cmocka_unit_test(the_window_follows_the_cubic_function_on_both_sides_of_w_max),
        cmocka_unit_test(k_is_when_w_max_is_reached),
        cmocka_unit_test(where_k_is_a_whole_number_the_window_is_right_to_the_byte),
        cmocka_unit_test(a_long_round_trip_adds_half_a_window_at_most),
        cmocka_unit_test(time_without_data_in_flight_does_not_count),
        cmocka_unit_test(after_an_idle_time_the_stage_begins_anew),
        cmocka_unit_test(on_a_short_path_the_window_is_that_of_aimd),
        cmocka_unit_test(a_loss_leaves_seven_tenths_and_two_segments_at_least),
        cmocka_unit_test(a_loss_below_w_max_lowers_w_max_further),
        cmocka_unit_test(after_a_timeout_the_window_grows_convex_from_ssthresh),
        cmocka_unit_test(a_spurious_loss_leaves_no_trace),
        cmocka_unit_test(without_losses_the_window_ends_at_the_largest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
