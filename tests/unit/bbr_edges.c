/* BBR where a path hardly ever leads it: the model is put there by hand. */
#include "unit/bbr_path.h"

static struct path *at(uint8_t state, uint64_t within_us)
{
    struct path *p = test_malloc(sizeof(*p));
    path_begin(p, 10000, 40 * MILLI, 800000);
    if (state == BBR_STARTUP) path_run(p, 100 * MILLI);
    else path_run_to(p, state, within_us);
    assert_int_equal(model(p)->state, state);
    return p;
}

static void done(struct path *p)
{
    path_end(p);
    test_free(p);
}

/* 5.5.11.2: only who is elsewhere goes back, and a measurement of the round trip is not broken off */
static void an_undo_leaves_probe_rtt_alone(void **state)
{
    static const uint8_t before[] = {BBR_STARTUP, BBR_UP};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct path *p = at(BBR_CRUISE, 3 * SECOND);
        struct cc_event e = path_event(p);
        model(p)->state = BBR_PROBE_RTT;
        model(p)->undo_state = before[i];
        cc_on_undo(&p->cc, &e);
        assert_int_equal(model(p)->state, BBR_PROBE_RTT);
        assert_int_equal(model(p)->full_bw_reached, before[i] != BBR_STARTUP);
        assert_int_equal(model(p)->undo_state, BBR_PROBE_RTT);
        done(p);
    }
}

static void an_undo_where_nothing_was_left_stays(void **state)
{
    static const uint8_t states[] = {BBR_STARTUP, BBR_UP};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct path *p = at(states[i], 9 * SECOND);
        struct cc_event e = path_event(p);
        model(p)->undo_state = states[i];
        cc_on_undo(&p->cc, &e);
        assert_int_equal(model(p)->state, states[i]);
        done(p);
    }
}

/* 5.3.1.3: counting ends where the counter does */
static void any_number_of_losses_is_counted_without_beginning_anew(void **state)
{
    struct path *p = at(BBR_STARTUP, 0);
    struct cc_event e = path_event(p);
    (void)state;
    e.loss = (struct rate_sample){.any = true, .flight = 400 * MSS, .lost = MSS, .size = MSS};
    for (int i = 0; i < 300; i++) cc_on_lost(&p->cc, &e);
    assert_int_equal(model(p)->loss_events, UINT8_MAX);
    done(p);
}

/* 5.4.1: idle before little enough was in flight, so that the measurement has not even begun */
static void idleness_does_not_end_a_probe_rtt_that_has_not_begun_to_measure(void **state)
{
    struct path *p = at(BBR_CRUISE, 3 * SECOND);
    struct cc_event e = path_event(p);
    (void)state;
    model(p)->state = BBR_PROBE_RTT;
    model(p)->probe_rtt_done_us = 0;
    cc_on_idle(&p->cc, &e, 10);
    assert_int_equal(model(p)->state, BBR_PROBE_RTT);
    done(p);
}

/* 5.5.6: a round whose samples told no rate leaves the last cycle's */
static void a_cycle_that_measured_nothing_forgets_nothing(void **state)
{
    struct path *p = at(BBR_CRUISE, 3 * SECOND);
    struct cc_event e = path_event(p);
    (void)state;
    model(p)->max_bw[0] = 0;
    model(p)->max_bw[1] = 7000000;
    model(p)->ack_phase = ACKS_PROBE_STOPPING;
    e.delivered_bytes = e.acked_bytes = MSS;
    e.rate = (struct rate_sample){.any = true, .prior = model(p)->next_round, .flight = MSS, .delivered = MSS};
    cc_on_ack(&p->cc, &e);
    assert_int_equal(model(p)->ack_phase, ACKS_INIT);
    assert_int_equal(model(p)->max_bw[1], 7000000);
    done(p);
}

/* 5.5.6: nor does one in which the application was the limit */
static void a_cycle_that_measured_the_application_forgets_nothing(void **state)
{
    struct path *p = at(BBR_CRUISE, 3 * SECOND);
    struct cc_event e = path_event(p);
    (void)state;
    model(p)->max_bw[0] = 3000000;
    model(p)->max_bw[1] = 7000000;
    model(p)->ack_phase = ACKS_PROBE_STOPPING;
    e.delivered_bytes = e.acked_bytes = MSS;
    e.rate = (struct rate_sample){.any = true,
                                  .prior = model(p)->next_round,
                                  .rate_Bps = 1000000,
                                  .flight = MSS,
                                  .delivered = MSS,
                                  .app_limited = true};
    cc_on_ack(&p->cc, &e);
    assert_int_equal(model(p)->ack_phase, ACKS_INIT);
    assert_int_equal(bbr_max_bw(model(p)), 7000000);
    assert_int_equal(model(p)->max_bw[0], 3000000);
    done(p);
}

/* 5.3.3: the volume that loss has bounded is tried upwards in UP alone */
static void only_a_probe_raises_the_bound_that_holds_the_window(void **state)
{
    static const uint8_t states[] = {BBR_UP, BBR_REFILL};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct path *p = at(states[i], 9 * SECOND);
        struct bbr *b = model(p);
        b->inflight_longterm = p->cc.cwnd = 500 * MSS;
        b->limited = b->was_limited = true;
        b->up_acked = 0;
        b->up_acked_per_inc = 2 * MSS;
        struct cc_event e = path_event(p);
        e.delivered_bytes = e.acked_bytes = 4 * MSS;
        e.rate = (struct rate_sample){.any = true, .flight = 400 * MSS, .delivered = 4 * MSS};
        cc_on_ack(&p->cc, &e);
        assert_int_equal(b->state, states[i]);
        assert_int_equal(b->inflight_longterm, (states[i] == BBR_UP ? 502 : 500) * MSS);
        done(p);
    }
}

/* 5.2.1: where even the initial window is less than a kilobyte a second */
static void the_first_rate_of_a_very_long_path_is_low_and_not_none(void **state)
{
    struct path *p = test_malloc(sizeof(*p));
    (void)state;
    path_begin(p, 1, 20 * SECOND, 100000);
    struct cc_event e = path_event(p);
    cc_on_rto(&p->cc, &e, false);
    assert_int_equal(p->cc.pacing_kBps, 1);
    done(p);
}

/* 5.5.10: more than two percent */
static void two_percent_of_loss_is_not_too_much_and_an_octet_more_is(void **state)
{
    struct cc_event e = {.sack_ok = true};
    struct bbr_run x = {.e = &e, .rs = {.flight = 400 * MSS, .lost = 8 * MSS}};
    (void)state;
    assert_false(bbr_too_high(&x));
    x.rs.lost++;
    assert_true(bbr_too_high(&x));
}

/* 5.5.10: without SACK any loss is too much */
static void without_sack_one_loss_is_too_much(void **state)
{
    struct cc_event e = {.sack_ok = true};
    struct bbr_run x = {.e = &e, .rs = {.flight = 400 * MSS, .lost = MSS}};
    (void)state;
    assert_false(bbr_too_high(&x));
    e.sack_ok = false;
    assert_true(bbr_too_high(&x));
    x.rs.lost = 0;
    assert_false(bbr_too_high(&x));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_undo_leaves_probe_rtt_alone),
        cmocka_unit_test(an_undo_where_nothing_was_left_stays),
        cmocka_unit_test(any_number_of_losses_is_counted_without_beginning_anew),
        cmocka_unit_test(idleness_does_not_end_a_probe_rtt_that_has_not_begun_to_measure),
        cmocka_unit_test(a_cycle_that_measured_nothing_forgets_nothing),
        cmocka_unit_test(a_cycle_that_measured_the_application_forgets_nothing),
        cmocka_unit_test(only_a_probe_raises_the_bound_that_holds_the_window),
        cmocka_unit_test(the_first_rate_of_a_very_long_path_is_low_and_not_none),
        cmocka_unit_test(two_percent_of_loss_is_not_too_much_and_an_octet_more_is),
        cmocka_unit_test(without_sack_one_loss_is_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
