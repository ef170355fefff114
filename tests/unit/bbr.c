/* BBR over a bottleneck: the example test cases of draft-ietf-ccwg-bbr, appendix A, by their names there.
 * 10 MB/s and 40 ms, a BDP of 400 segments, where nothing else is said. */
#include "unit/bbr_path.h"

static struct path *new_path(uint32_t rate_kBps, uint32_t rtt_us, uint32_t queue_bytes)
{
    struct path *p = test_malloc(sizeof(*p));
    path_begin(p, rate_kBps, rtt_us, queue_bytes);
    return p;
}

static struct path *usual(void) { return new_path(10000, 40 * MILLI, 800000); }

static void done(struct path *p)
{
    path_end(p);
    test_free(p);
}

static void to_probe_bw(struct path *p) { path_run_to(p, BBR_CRUISE, 3 * SECOND); }

static void startup_ends_on_a_bandwidth_plateau(void **state)
{
    struct path *p = usual();
    (void)state;
    path_run_to(p, BBR_DRAIN, 2 * SECOND);
    assert_true(model(p)->full_bw_now && model(p)->full_bw_reached);
    assert_int_equal(model(p)->full_bw_count, 3);
    assert_in_range(bbr_max_bw(model(p)), 9800000, 10200000);
    assert_int_equal(p->lost, 0);
    done(p);
}

static void startup_doubles_the_rate_each_round_trip(void **state)
{
    struct path *p = new_path(1000000, 40 * MILLI, 80000000);
    (void)state;
    path_run(p, 50 * MILLI);
    for (int round = 0; round < 6; round++) { /* the first is that of the initial window's bursts */
        uint64_t before = bbr_max_bw(model(p));
        path_run(p, 45 * MILLI);
        if (round) assert_true(bbr_max_bw(model(p)) >= before * 18 / 10);
    }
    done(p);
}

static void startup_ends_on_loss_even_if_the_application_is_the_limit(void **state)
{
    struct path *p = usual();
    (void)state;
    p->app_kBps = 5000;
    path_run(p, 2 * SECOND);
    assert_int_equal(model(p)->state, BBR_STARTUP);
    p->lose_permille = 100;
    path_run_to(p, BBR_CRUISE, 2 * SECOND); /* what little is in flight is drained at once */
    assert_true(model(p)->full_bw_reached);
    assert_true(model(p)->inflight_longterm != BBR_UNBOUNDED);
    done(p);
}

static void without_loss_startup_lasts_while_the_application_is_the_limit(void **state)
{
    struct path *p = usual();
    (void)state;
    p->app_kBps = 3000;
    path_run(p, 20 * SECOND);
    assert_false(model(p)->full_bw_reached);
    assert_int_equal(p->seen[BBR_DRAIN], 0);
    done(p);
}

static void drain_ends_when_the_queue_is_gone(void **state)
{
    struct path *p = usual();
    (void)state;
    path_run_to(p, BBR_DRAIN, 2 * SECOND);
    assert_true(p->pipe > 450 * MSS);
    assert_in_range(p->cc.pacing_kBps, 4800, 5100);
    path_run_to(p, BBR_CRUISE, 120 * MILLI); /* DOWN has nothing left to do */
    assert_true(p->pipe <= 410 * MSS);
    done(p);
}

static void drain_ends_after_three_rounds_at_the_latest(void **state)
{
    struct path *p = usual();
    (void)state;
    p->queue_bytes = 8000000;
    path_run(p, 100 * MILLI);
    while (model(p)->full_bw_count < 2) path_run(p, MILLI);
    p->rate_kBps = 3000; /* less than half of what was measured */
    path_run_to(p, BBR_DRAIN, SECOND);
    uint32_t round = model(p)->round_count;
    path_run_to(p, BBR_DOWN, 3 * SECOND);
    assert_int_equal(model(p)->round_count, round + 4);
    assert_true(p->pipe > 700 * MSS);
    done(p);
}

static void down_ends_when_no_queue_is_left(void **state)
{
    struct path *p = usual();
    (void)state;
    path_run_to(p, BBR_DOWN, 5 * SECOND);
    assert_in_range(p->cc.pacing_kBps, 8700, 9100);
    path_run_to(p, BBR_CRUISE, SECOND);
    assert_true(p->pipe <= 410 * MSS);
    assert_in_range(p->cc.pacing_kBps, 9700, 10100);
    done(p);
}

/* DOWN, CRUISE for 2 to 3 s or 63 rounds, REFILL for a round, UP */
static void bandwidth_is_probed_each_two_to_three_seconds(void **state)
{
    struct path *p = usual();
    (void)state;
    to_probe_bw(p);
    for (int cycle = 0; cycle < 4; cycle++) {
        path_run_to(p, BBR_REFILL, 9 * SECOND);
        assert_in_range(p->now_us - model(p)->cycle_us, 2 * SECOND, 3 * SECOND + 1000);
        uint64_t refill_us = p->now_us;
        path_run_to(p, BBR_UP, SECOND);
        assert_in_range(p->now_us - refill_us, 39 * MILLI, 60 * MILLI);
        path_run_to(p, BBR_DOWN, SECOND);
    }
    done(p);
}

static void at_short_round_trips_it_is_probed_each_63_rounds(void **state)
{
    struct path *p = new_path(10000, 10 * MILLI, 200000);
    (void)state;
    path_run_to(p, BBR_UP, 5 * SECOND);
    path_run_to(p, BBR_DOWN, SECOND);
    uint64_t began_us = p->now_us;
    path_run_to(p, BBR_REFILL, SECOND);
    assert_in_range(p->now_us - began_us, 600 * MILLI, 800 * MILLI);
    done(p);
}

static void up_ends_on_a_bandwidth_plateau(void **state)
{
    struct path *p = usual();
    (void)state;
    path_run_to(p, BBR_UP, 6 * SECOND);
    assert_in_range(p->cc.pacing_kBps, 12000, 12700);
    path_run_to(p, BBR_DOWN, SECOND);
    assert_true(model(p)->full_bw_now);
    assert_int_equal(p->lost, 0);
    assert_true(model(p)->inflight_longterm == BBR_UNBOUNDED);
    done(p);
}

/* 5.6.4: more than what offloading and delayed ACKs need at least is never in flight, so cwnd is the limit */
static void up_ends_on_a_plateau_where_the_window_is_the_limit_too(void **state)
{
    struct path *p = new_path(20, 10 * MILLI, 20000);
    (void)state;
    path_run_to(p, BBR_UP, 60 * SECOND);
    path_run_to(p, BBR_DOWN, 10 * SECOND);
    assert_true(model(p)->limited || model(p)->was_limited);
    assert_true(model(p)->inflight_longterm == BBR_UNBOUNDED);
    done(p);
}

/* 5.6.4 */
static void cruise_leaves_to_others_a_part_of_what_the_path_takes(void **state)
{
    struct path *p = new_path(10000, 40 * MILLI, 40000);
    (void)state;
    path_run_to(p, BBR_UP, 6 * SECOND);
    path_run_to(p, BBR_DOWN, SECOND); /* with losses */
    path_run_to(p, BBR_CRUISE, SECOND);
    uint32_t most = model(p)->inflight_longterm;
    assert_in_range(most, 300 * MSS, 460 * MSS);
    path_run(p, 200 * MILLI);
    assert_int_equal(model(p)->state, BBR_CRUISE);
    assert_int_equal(model(p)->inflight_longterm, most);
    assert_in_range(p->cc.cwnd, most * 84 / 100, most * 85 / 100 + 1);
    done(p);
}

static void up_ends_on_loss_and_the_next_probe_is_careful(void **state)
{
    struct path *p = new_path(10000, 40 * MILLI, 40000);
    (void)state;
    path_run_to(p, BBR_UP, 6 * SECOND);
    path_run_to(p, BBR_DOWN, SECOND);
    assert_true(model(p)->prev_too_high);
    assert_in_range(model(p)->inflight_longterm, 300 * MSS, 460 * MSS);
    p->queue_bytes = 400000;
    path_run_to(p, BBR_UP, 6 * SECOND);
    path_run_to(p, BBR_DOWN, SECOND);
    assert_true(model(p)->prev_precautionary);
    path_run_to(p, BBR_REFILL, SECOND); /* no loss within a round: probe again at once */
    done(p);
}

static void the_least_round_trip_is_measured_again_after_five_seconds(void **state)
{
    struct path *p = usual();
    (void)state;
    to_probe_bw(p);
    p->rtt_us = 50 * MILLI; /* nothing will confirm the old minimum */
    path_run_to(p, BBR_PROBE_RTT, 6 * SECOND);
    uint64_t began_us = p->now_us;
    path_run(p, 100 * MILLI);
    assert_true(p->cc.cwnd <= 260 * MSS);
    path_run_to(p, BBR_CRUISE, SECOND);
    assert_in_range(p->now_us - began_us, 200 * MILLI, 400 * MILLI);
    assert_true(p->cc.cwnd >= 400 * MSS);
    assert_in_range(bbr_max_bw(model(p)), 9800000, 10200000); /* its low samples do not count */
    path_run(p, 6 * SECOND);
    assert_in_range(model(p)->min_rtt_us, 50 * MILLI, 52 * MILLI);
    done(p);
}

static void after_idleness_there_is_no_need_to_measure_it(void **state)
{
    struct path *p = usual();
    (void)state;
    to_probe_bw(p);
    p->silent = true;
    path_run(p, 8 * SECOND);
    p->silent = false;
    path_fill(p);
    assert_true(model(p)->idle_restart);
    assert_in_range(p->cc.pacing_kBps, 9700, 10100);
    path_run(p, SECOND);
    assert_false(model(p)->idle_restart);
    assert_int_equal(p->seen[BBR_PROBE_RTT], 0);
    done(p);
}

static void from_probe_rtt_in_startup_it_goes_back_to_startup(void **state)
{
    struct path *p = usual();
    (void)state;
    p->app_kBps = 3000;
    path_run(p, SECOND);
    p->rtt_us = 60 * MILLI;
    path_run_to(p, BBR_PROBE_RTT, 8 * SECOND);
    path_run_to(p, BBR_STARTUP, SECOND);
    assert_false(model(p)->full_bw_reached);
    done(p);
}

static void aggregation_of_acks_gets_room_in_the_window(void **state)
{
    struct path *p = usual();
    (void)state;
    to_probe_bw(p);
    p->hold_ack_us = 30 * MILLI;
    path_run(p, 3 * SECOND);
    assert_true(max_u32(model(p)->extra_acked[0], model(p)->extra_acked[1]) >= 150 * MSS);
    assert_in_range(path_goodput(p, 4 * SECOND), 9300, 10000);
    done(p);
}

static void a_path_of_less_than_a_segment_keeps_four_in_flight(void **state)
{
    struct path *p = new_path(20, 10 * MILLI, 20000);
    (void)state;
    path_run(p, 30 * SECOND);
    assert_true(p->cc.cwnd >= 4 * MSS && p->cc.cwnd <= 12 * MSS);
    assert_in_range(path_goodput(p, 20 * SECOND), 17, 20);
    done(p);
}

static void ten_times_the_bandwidth_is_found(void **state)
{
    struct path *p = new_path(1250, 40 * MILLI, 100000);
    (void)state;
    path_run(p, 10 * SECOND);
    p->rate_kBps = 12500;
    p->queue_bytes = 1000000;
    path_run(p, 10 * SECOND);
    assert_in_range(path_goodput(p, 5 * SECOND), 11500, 12500);
    done(p);
}

static void a_tenth_of_the_bandwidth_is_adapted_to(void **state)
{
    struct path *p = new_path(12500, 40 * MILLI, 500000);
    (void)state;
    path_run(p, 10 * SECOND);
    p->rate_kBps = 1250;
    p->queue_bytes = 50000;
    path_run(p, 1500 * MILLI);
    assert_true(model(p)->bw_shortterm < 2000000);
    path_run(p, 12 * SECOND);
    assert_true(bbr_max_bw(model(p)) <= 1400000);
    assert_in_range(path_goodput(p, 5 * SECOND), 1050, 1250);
    done(p);
}

static void one_percent_of_loss_costs_little(void **state)
{
    struct path *p = usual();
    (void)state;
    p->lose_permille = 10;
    path_run(p, 5 * SECOND);
    assert_true(path_goodput(p, 20 * SECOND) >= 7000);
    done(p);
}

/* 5.5.11: the bounds are as before, and the probe goes on */
static void a_loss_that_was_none_is_undone(void **state)
{
    struct path *p = usual();
    (void)state;
    path_run_to(p, BBR_UP, 6 * SECOND);
    path_run(p, 40 * MILLI);
    struct cc_event e = path_event(p);
    uint32_t cwnd = p->cc.cwnd;
    e.loss = (struct rate_sample){.any = true, .flight = 400 * MSS, .lost = 20 * MSS, .size = 20 * MSS};
    cc_on_loss(&p->cc, &e);
    cc_on_lost(&p->cc, &e);
    assert_int_equal(model(p)->state, BBR_DOWN);
    assert_true(model(p)->inflight_longterm != BBR_UNBOUNDED);
    cc_on_undo(&p->cc, &e);
    assert_int_equal(model(p)->state, BBR_REFILL);
    assert_true(model(p)->inflight_longterm == BBR_UNBOUNDED);
    assert_int_equal(p->cc.cwnd, cwnd);
    done(p);
}

/* 5.5.10.2: of a flight of 400, two percent are lost after 380 and 8 more */
static void the_volume_at_which_losses_crossed_the_threshold_is_found(void **state)
{
    struct rate_sample rs = {.flight = 400 * MSS, .lost = 20 * MSS, .size = 20 * MSS};
    (void)state;
    assert_in_range(bbr_inflight_at_loss(&rs), 380 * MSS + 7754, 380 * MSS + 7756);
    rs.lost = 22 * MSS; /* 2 were lost before */
    assert_in_range(bbr_inflight_at_loss(&rs), 380 * MSS + 5713, 380 * MSS + 5715);
    rs.lost = 40 * MSS; /* 20 were */
    assert_int_equal(bbr_inflight_at_loss(&rs), 380 * MSS);
}

static void without_memory_the_flow_is_renos(void **state)
{
    struct path *p = usual();
    (void)state;
    p->mem.limit = 1;
    path_run(p, SECOND);
    assert_null(p->cc.state);
    assert_true(p->cc.cwnd > 20 * MSS);
    done(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(startup_ends_on_a_bandwidth_plateau),
        cmocka_unit_test(startup_doubles_the_rate_each_round_trip),
        cmocka_unit_test(startup_ends_on_loss_even_if_the_application_is_the_limit),
        cmocka_unit_test(without_loss_startup_lasts_while_the_application_is_the_limit),
        cmocka_unit_test(drain_ends_when_the_queue_is_gone),
        cmocka_unit_test(drain_ends_after_three_rounds_at_the_latest),
        cmocka_unit_test(down_ends_when_no_queue_is_left),
        cmocka_unit_test(bandwidth_is_probed_each_two_to_three_seconds),
        cmocka_unit_test(at_short_round_trips_it_is_probed_each_63_rounds),
        cmocka_unit_test(up_ends_on_a_bandwidth_plateau),
        cmocka_unit_test(up_ends_on_a_plateau_where_the_window_is_the_limit_too),
        cmocka_unit_test(cruise_leaves_to_others_a_part_of_what_the_path_takes),
        cmocka_unit_test(up_ends_on_loss_and_the_next_probe_is_careful),
        cmocka_unit_test(the_least_round_trip_is_measured_again_after_five_seconds),
        cmocka_unit_test(after_idleness_there_is_no_need_to_measure_it),
        cmocka_unit_test(from_probe_rtt_in_startup_it_goes_back_to_startup),
        cmocka_unit_test(aggregation_of_acks_gets_room_in_the_window),
        cmocka_unit_test(a_path_of_less_than_a_segment_keeps_four_in_flight),
        cmocka_unit_test(ten_times_the_bandwidth_is_found),
        cmocka_unit_test(a_tenth_of_the_bandwidth_is_adapted_to),
        cmocka_unit_test(one_percent_of_loss_costs_little),
        cmocka_unit_test(a_loss_that_was_none_is_undone),
        cmocka_unit_test(the_volume_at_which_losses_crossed_the_threshold_is_found),
        cmocka_unit_test(without_memory_the_flow_is_renos),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
