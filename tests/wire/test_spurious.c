/* Reductions that were mistakes, and are undone: F-RTO (RFC 5682), D-SACK (RFC 2883, 3708).
 * Ten segments leave at once; the RTO is 300 ms. */
#include "lib/wire.h"

enum { MSS = 1460 };

static uint32_t at(uint32_t segment) { return 1 + segment * MSS; }

static void out(struct wire *w, uint32_t segment)
{
    OUT(w, .flags = ACK, .seq = at(segment), .ack = 1, .len = MSS);
}

static void ten_in_flight(struct wire *w, uint32_t queued)
{
    wire_passive(w);
    WRITE(w, queued * MSS);
    for (uint32_t i = 0; i < 10; i++)
        out(w, i);
    QUIET(w);
}

static void timed_out(struct wire *w, uint32_t queued)
{
    ten_in_flight(w, queued);
    AT(w, 300 * MS);
    out(w, 0);
    QUIET(w);
    assert_int_equal(wire_info(w).cwnd, MSS);
    assert_int_equal(wire_info(w).ssthresh, 5 * MSS);
}

static void ack(struct wire *w, uint32_t segment)
{
    IN(w, .flags = ACK, .seq = 1, .ack = at(segment));
}

static void sack(struct wire *w, uint32_t una, uint32_t start, uint32_t end)
{
    IN(w, .flags = ACK, .seq = 1, .ack = at(una), .sack = {{at(start), at(end)}});
}

static void assert_undone(struct wire *w, struct mytcp_conn_info before)
{
    assert_true(wire_info(w).cwnd >= before.cwnd);
    assert_int_equal(wire_info(w).ssthresh, before.ssthresh);
}

/* ---- F-RTO ---- */

/* 5682-2, 5682-3: steps 2b and 3b */
static void delay_spike(struct wire *w, bool sackok)
{
    w->peer.sackok = sackok;
    wire_start(w);
    ten_in_flight(w, 20);
    struct mytcp_conn_info before = wire_info(w);
    AT(w, 300 * MS);
    out(w, 0);
    QUIET(w);
    AT(w, 400 * MS);
    ack(w, 1);
    out(w, 10);
    out(w, 11);
    QUIET(w);
    AT(w, 410 * MS);
    ack(w, 2);
    out(w, 12); /* ten were in flight, and slow start goes on */
    QUIET(w);
    assert_undone(w, before);
    AT(w, 420 * MS);
    ack(w, 3);
    out(w, 13);
    out(w, 14);
    QUIET(w);
    AT(w, 430 * MS);
    ack(w, 10);
    for (uint32_t i = 15; i < 20; i++)
        out(w, i);
    QUIET(w);
    ack(w, 20);
    assert_undone(w, before);
    assert_int_equal(wire_stats(w).retransmitted_segments, 1);
    assert_int_equal(wire_stats(w).fast_recoveries, 0);
}

SCENARIO(after_a_delay_spike_new_data_shows_that_the_timeout_was_a_mistake) { delay_spike(w, true); }

SCENARIO(the_same_without_sack) { delay_spike(w, false); }

/* 5682-2: step 2a, a duplicate */
SCENARIO(a_duplicate_ack_after_the_timeout_is_a_real_loss)
{
    timed_out(w, 20);
    AT(w, 310 * MS);
    sack(w, 0, 9, 10);
    QUIET(w);
    AT(w, 400 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = at(1), .sack = {{at(9), at(10)}});
    out(w, 1);
    out(w, 2);
    QUIET(w);
    assert_int_equal(wire_info(w).ssthresh, 5 * MSS);
}

/* 5682-2: step 2a, all at once: it could be the answer to what was sent again */
SCENARIO(an_ack_of_all_that_was_in_flight_proves_nothing)
{
    timed_out(w, 20);
    AT(w, 400 * MS);
    ack(w, 10);
    assert_int_equal(wire_info(w).ssthresh, 5 * MSS);
    assert_true(wire_info(w).cwnd <= 6 * MSS);
}

/* 5682-2: step 2a, less than what was sent again */
SCENARIO(an_ack_of_a_part_of_what_was_sent_again_proves_nothing)
{
    timed_out(w, 20);
    AT(w, 400 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 101);
    static struct wire_packet p;
    while (wire_poll(w, &p)) /* nothing new */
        assert_true(p.seq - wire_conn(w)->iss + p.payload_len <= at(10));
    AT(w, 410 * MS);
    ack(w, 2);
    assert_int_equal(wire_info(w).ssthresh, 5 * MSS);
}

/* 5682-3: step 3a */
SCENARIO(a_duplicate_after_the_new_data_is_a_real_loss)
{
    timed_out(w, 20);
    AT(w, 400 * MS);
    ack(w, 1);
    out(w, 10);
    out(w, 11);
    QUIET(w);
    AT(w, 500 * MS);
    sack(w, 1, 10, 11);
    out(w, 1);
    QUIET(w);
    assert_true(wire_info(w).cwnd <= 3 * MSS);
    assert_int_equal(wire_info(w).ssthresh, 5 * MSS);
    AT(w, 600 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = at(2), .sack = {{at(10), at(11)}});
    out(w, 2);
    out(w, 3);
}

/* 5682-2: nothing new: conventional */
SCENARIO(without_new_data_the_lost_goes_again)
{
    timed_out(w, 10);
    AT(w, 400 * MS);
    ack(w, 1);
    out(w, 1);
    out(w, 2);
    QUIET(w);
    AT(w, 500 * MS);
    ack(w, 2);
    assert_int_equal(wire_info(w).ssthresh, 5 * MSS);
}

/* 5682-1 */
SCENARIO(the_second_timeout_of_the_same_data_is_conventional)
{
    timed_out(w, 20);
    AT(w, 900 * MS);
    out(w, 0);
    QUIET(w);
    AT(w, 1000 * MS);
    ack(w, 1);
    out(w, 1);
    out(w, 2);
    QUIET(w);
    AT(w, 1010 * MS);
    ack(w, 2);
    assert_int_equal(wire_info(w).ssthresh, 5 * MSS);
}

/* 6675-5.1a, 6675-6, 5682-4 */
SCENARIO(a_timeout_in_fast_recovery_is_conventional)
{
    ten_in_flight(w, 20);
    AT(w, 100 * MS);
    sack(w, 0, 7, 10);
    out(w, 0);
    out(w, 1);
    out(w, 2);
    QUIET(w);
    AT(w, 400 * MS); /* 300 after it went again */
    out(w, 0);
    QUIET(w);
    AT(w, 500 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = at(1), .sack = {{at(7), at(10)}});
    out(w, 1);
    out(w, 2);
    QUIET(w);
}

/* 8985-6.3: what was sent lately is not lost yet */
SCENARIO(a_timeout_does_not_send_again_what_was_sent_lately)
{
    wire_passive(w);
    WRITE(w, 3 * MSS);
    for (uint32_t i = 0; i < 3; i++)
        out(w, i);
    AT(w, 250 * MS);
    WRITE(w, 2 * MSS);
    out(w, 3);
    out(w, 4);
    AT(w, 300 * MS);
    out(w, 0);
    QUIET(w);
    AT(w, 340 * MS);
    ack(w, 1);
    QUIET(w); /* cwnd is 2, and 3 and 4 are in flight */
    AT(w, 350 * MS);
    sack(w, 1, 3, 5);
    out(w, 1);
    out(w, 2);
    QUIET(w);
    AT(w, 450 * MS);
    ack(w, 5);
    assert_int_equal(wire_stats(w).retransmitted_bytes, 3 * MSS);
}

/* 5682-2: one new segment is enough, and nothing old goes beside it */
SCENARIO(one_new_segment_is_enough)
{
    ten_in_flight(w, 11);
    struct mytcp_conn_info before = wire_info(w);
    AT(w, 300 * MS);
    out(w, 0);
    AT(w, 400 * MS);
    ack(w, 1);
    out(w, 10);
    QUIET(w);
    AT(w, 410 * MS);
    ack(w, 2);
    QUIET(w);
    assert_undone(w, before);
    assert_int_equal(wire_stats(w).retransmitted_segments, 1);
}

/* 5682-2: the advertised window has no room for anything new: conventional */
SCENARIO(without_room_in_the_window_the_lost_goes_again)
{
    w->wnd = 10 * MSS;
    w->peer.wscale = 0;
    timed_out(w, 20);
    AT(w, 400 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = at(1), .wnd = 9 * MSS);
    out(w, 1);
    out(w, 2);
    QUIET(w);
    AT(w, 500 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = at(2), .wnd = 8 * MSS);
    assert_int_equal(wire_info(w).ssthresh, 5 * MSS);
}

/* ---- D-SACK ---- */

static void fast_recovery_of_0(struct wire *w)
{
    ten_in_flight(w, 10);
    AT(w, 100 * MS);
    sack(w, 0, 1, 4);
    out(w, 0);
    QUIET(w);
    assert_int_equal(wire_info(w).ssthresh, 5 * MSS);
}

/* 2883-5, RFC 3708 */
SCENARIO(when_all_that_was_sent_again_was_a_duplicate_the_reduction_is_undone)
{
    fast_recovery_of_0(w);
    AT(w, 110 * MS);
    ack(w, 4);
    assert_int_equal(wire_info(w).ssthresh, 5 * MSS);
    AT(w, 200 * MS);
    sack(w, 4, 0, 1);
    assert_int_equal(wire_info(w).cwnd, 10 * MSS);
    assert_true(wire_info(w).ssthresh > 10 * MSS);
    QUIET(w);
}

/* 2883-3: reported inside of a larger block above the ACK */
SCENARIO(a_duplicate_inside_of_the_second_block_counts)
{
    ten_in_flight(w, 10);
    AT(w, 100 * MS);
    sack(w, 0, 2, 6);
    out(w, 0);
    QUIET(w);
    sack(w, 0, 2, 7);
    out(w, 1);
    QUIET(w);
    AT(w, 110 * MS);
    sack(w, 0, 1, 7);
    QUIET(w);
    AT(w, 200 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(1), at(2)}, {at(1), at(7)}});
    assert_int_equal(wire_info(w).ssthresh, 5 * MSS); /* one of two */
    AT(w, 201 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = at(7), .sack = {{at(0), at(1)}});
    assert_int_equal(wire_info(w).cwnd, 17 * MSS); /* and slow start goes on */
    assert_true(wire_info(w).ssthresh > 10 * MSS);
}

SCENARIO(a_block_above_the_ack_is_no_duplicate)
{
    fast_recovery_of_0(w);
    AT(w, 110 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(4), at(5)}, {at(1), at(4)}});
    assert_int_equal(wire_info(w).ssthresh, 5 * MSS);
    assert_true(wire_info(w).cwnd < 10 * MSS);
}

/* the last D-SACK comes behind the ACK that ends the recovery, when nothing is in flight any more */
SCENARIO(a_duplicate_reported_when_recovery_is_over_undoes_it_as_well)
{
    fast_recovery_of_0(w);
    AT(w, 110 * MS);
    ack(w, 10);
    assert_int_equal(wire_info(w).cwnd, 5 * MSS);
    AT(w, 200 * MS);
    sack(w, 10, 0, 1);
    assert_int_equal(wire_info(w).cwnd, 10 * MSS);
    assert_true(wire_info(w).ssthresh > 10 * MSS);
    sack(w, 10, 0, 1);
    QUIET(w);
}

/* Found by the simulator: the loss was noted, and nothing came of it until a later ACK or the RTO. */
SCENARIO(a_late_report_of_a_duplicate_beside_a_new_loss_undoes_the_one_and_mends_the_other)
{
    fast_recovery_of_0(w);
    AT(w, 110 * MS);
    ack(w, 10);
    WRITE(w, 5 * MSS);
    for (uint32_t i = 10; i < 15; i++)
        out(w, i);
    AT(w, 210 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = at(10), .sack = {{at(0), at(1)}, {at(11), at(14)}});
    out(w, 10);
    QUIET(w);
    assert_int_equal(wire_stats(w).fast_recoveries, 2);
    assert_int_equal(wire_info(w).ssthresh, 5 * MSS / 2);
    AT(w, 310 * MS);
    sack(w, 15, 10, 11); /* that was a mistake, too */
    assert_int_equal(wire_info(w).cwnd, 15 * MSS); /* and slow start goes on */
    assert_true(wire_info(w).ssthresh > 10 * MSS);
}

SCENARIO(a_duplicate_reported_a_round_trip_later_undoes_nothing)
{
    fast_recovery_of_0(w);
    AT(w, 110 * MS);
    ack(w, 10);
    WRITE(w, 2 * MSS);
    out(w, 10);
    out(w, 11);
    AT(w, 210 * MS);
    ack(w, 12);
    AT(w, 220 * MS);
    sack(w, 12, 0, 1);
    assert_int_equal(wire_info(w).ssthresh, 5 * MSS);
}

WIRE_MAIN(WIRE_TEST(after_a_delay_spike_new_data_shows_that_the_timeout_was_a_mistake),
          WIRE_TEST(the_same_without_sack), WIRE_TEST(a_duplicate_ack_after_the_timeout_is_a_real_loss),
          WIRE_TEST(an_ack_of_all_that_was_in_flight_proves_nothing),
          WIRE_TEST(an_ack_of_a_part_of_what_was_sent_again_proves_nothing),
          WIRE_TEST(a_duplicate_after_the_new_data_is_a_real_loss),
          WIRE_TEST(without_new_data_the_lost_goes_again),
          WIRE_TEST(the_second_timeout_of_the_same_data_is_conventional),
          WIRE_TEST(a_timeout_in_fast_recovery_is_conventional),
          WIRE_TEST(a_timeout_does_not_send_again_what_was_sent_lately),
          WIRE_TEST(when_all_that_was_sent_again_was_a_duplicate_the_reduction_is_undone),
          WIRE_TEST(a_duplicate_inside_of_the_second_block_counts),
          WIRE_TEST(a_block_above_the_ack_is_no_duplicate),
          WIRE_TEST(one_new_segment_is_enough),
          WIRE_TEST(without_room_in_the_window_the_lost_goes_again),
          WIRE_TEST(a_duplicate_reported_when_recovery_is_over_undoes_it_as_well),
          WIRE_TEST(a_late_report_of_a_duplicate_beside_a_new_loss_undoes_the_one_and_mends_the_other),
          WIRE_TEST(a_duplicate_reported_a_round_trip_later_undoes_nothing))
