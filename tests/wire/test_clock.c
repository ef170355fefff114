/* Clocks that misbehave: they jump ahead by hours, stand still, or go back. Nothing is lost, nothing is stuck. */
#include "lib/wire_place.h"

#define HOURS (3600 * SEC)

static struct wire_packet p;

/* A hundred bytes each way, and both acknowledged: the connection works. `ours` and `peers` were sent before. */
static void exchange(struct wire *w, uint32_t ours, uint32_t peers)
{
    WRITE(w, 100);
    OUT(w, .flags = ACK, .seq = 1 + ours, .ack = 1 + peers, .len = 100);
    IN(w, .flags = ACK, .seq = 1 + peers, .ack = 101 + ours, .len = 100);
    while (wire_poll(w, &p)) /* at once, or delayed */
        continue;
    READ(w, 100);
}

/* I06 */
SCENARIO(an_ack_that_comes_hours_later_is_an_ack)
{
    wire_passive(w);
    WRITE(w, 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    w->now_us += 5 * HOURS; /* before output was asked again */
    IN(w, .flags = ACK, .seq = 1, .ack = 101);
    QUIET(w);
    exchange(w, 100, 0);
}

/* I06: what was due in between is due once, not as often as it would have been */
SCENARIO(a_timer_that_is_hours_late_fires_once)
{
    wire_passive(w);
    WRITE(w, 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    w->now_us += 5 * HOURS;
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    QUIET(w);
    assert_int_equal(wire_stats(w).rto_expired, 1);
    IN(w, .flags = ACK, .seq = 1, .ack = 101);
    exchange(w, 100, 0);
}

/* I06: the process slept for a night: whoever has an owner is there still, whoever has none has ended */
SCENARIO(every_state_outlives_a_night_or_ends)
{
    for (unsigned place = 0; place < WIRE_PLACES; place++) {
        const struct wire_place *at = wire_go(w, place);
        w->now_us += 9 * HOURS;
        while (wire_poll(w, &p))
            continue;
        bool silent = at->state == TCP_ESTABLISHED || at->state == TCP_CLOSE_WAIT || at->state == TCP_FIN_WAIT2;
        if (silent)
            STATE(w, at->state);
        wire_skip_to(w, w->now_us - w->mark_us + 1 * HOURS); /* the others ask in vain */
        assert_int_equal(wire_stats(w).half_open + wire_stats(w).time_wait, 0);
        if (!at->state)
            continue; /* they had no owner */
        STATE(w, silent ? at->state : TCP_CLOSE);
        assert_int_equal(mytcp_close(w->stack, w->fd), 0);
        wire_skip_to(w, w->now_us - w->mark_us + 1 * HOURS);
        assert_int_equal(wire_stats(w).sockets, 1); /* the listener */
    }
}

/* I06 */
SCENARIO(a_whole_connection_fits_in_one_microsecond)
{
    w->rtt_us = 0;
    wire_passive(w);
    for (uint32_t i = 0; i < 50; i++)
        exchange(w, i * 100, i * 100);
    WRITE(w, 40000);
    for (uint32_t una = 5000; una < 45000;) {
        while (wire_poll(w, &p))
            continue;
        uint32_t high = wire_conn(w)->snd_high - 1;
        assert_true(high > una); /* each ACK lets something go */
        una = high;
        IN(w, .flags = ACK, .seq = 5001, .ack = una + 1);
    }
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    OUT(w, .flags = FIN | ACK, .seq = 45001, .ack = 5001);
    IN(w, .flags = FIN | ACK, .seq = 5001, .ack = 45002);
    OUT(w, .flags = ACK, .seq = 45002, .ack = 5002);
    QUIET(w);
    assert_int_equal(wire_stats(w).time_wait, 1);
}

/* I06: paced data waits for the clock, and goes when it moves */
SCENARIO(what_is_paced_waits_while_the_clock_stands_still)
{
    w->config.pacing = 1;
    wire_passive(w);
    WRITE(w, 14600);
    while (wire_poll(w, &p))
        continue;
    uint32_t first = wire_conn(w)->snd_high;
    assert_in_range(first, 1461, 14600);
    for (int i = 0; i < 100; i++)
        QUIET(w);
    wire_skip_to(w, 100 * MS);
    assert_int_equal(wire_conn(w)->snd_high, 14601);
}

/* I06: a time that was seen before counts as the latest, for packets as for output */
SCENARIO(a_clock_that_goes_back_loses_nothing)
{
    wire_passive(w);
    w->now_us += 2 * SEC;
    exchange(w, 0, 0);
    uint64_t latest = w->now_us;
    w->now_us -= 2 * HOURS < w->now_us ? 2 * HOURS : w->now_us;
    exchange(w, 100, 100);
    WRITE(w, 100);
    OUT(w, .flags = ACK, .seq = 201, .ack = 201, .len = 100); /* which is lost */
    w->now_us += 1;
    QUIET(w);
    assert_in_range(mytcp_next_deadline(w->stack), latest + 1, latest + 3 * SEC);
    w->now_us = latest;
    MARK(w);
    assert_int_equal(wire_skip_to(w, 500 * MS), 1); /* sent again, by the latest time seen */
    IN(w, .flags = ACK, .seq = 201, .ack = 301);
    exchange(w, 300, 200);
}

/* I06: one moment from the far future, as by a bit that fell over, and then as before */
SCENARIO(a_moment_of_the_far_future_stops_no_connection)
{
    static const uint64_t jumps_us[] = {UINT64_C(1) << 40, UINT64_C(1) << 52, INT64_MAX};
    for (unsigned i = 0; i < 3; i++) {
        uint64_t now_us = w->now_us;
        w->peer_port++;
        wire_passive(w);
        exchange(w, 0, 0);
        w->now_us += jumps_us[i];
        exchange(w, 100, 100);
        w->now_us = now_us;
        exchange(w, 200, 200);
        assert_int_equal(mytcp_close(w->stack, w->fd), 0);
        OUT(w, .flags = FIN | ACK, .seq = 301, .ack = 301);
        IN(w, .flags = FIN | ACK, .seq = 301, .ack = 302);
        OUT(w, .flags = ACK, .seq = 302, .ack = 302);
        QUIET(w);
    }
}

WIRE_MAIN(WIRE_TEST(an_ack_that_comes_hours_later_is_an_ack),
          WIRE_TEST(a_timer_that_is_hours_late_fires_once),
          WIRE_TEST(every_state_outlives_a_night_or_ends),
          WIRE_TEST(a_whole_connection_fits_in_one_microsecond),
          WIRE_TEST(what_is_paced_waits_while_the_clock_stands_still),
          WIRE_TEST(a_clock_that_goes_back_loses_nothing),
          WIRE_TEST(a_moment_of_the_far_future_stops_no_connection))
