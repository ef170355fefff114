/* Loss seen by duplicate ACKs: RFC 5681 3.2, RFC 6582 without SACK, RFC 6675 with it. */
#include "lib/wire.h"

enum { MSS = 1460 };

static uint32_t at(uint32_t segment) /* the sequence number where a segment starts */
{
    return 1 + segment * MSS;
}

/* `queued` segments are written, and the initial window of 10 is in flight. */
static void in_flight(struct wire *w, uint32_t queued, bool sack)
{
    w->peer.sackok = sack;
    wire_passive(w);
    WRITE(w, queued * MSS);
    for (uint32_t i = 0; i < 10; i++)
        OUT(w, .flags = ACK, .seq = at(i), .ack = 1, .len = MSS);
    QUIET(w);
    w->now_us += 100 * MS;
}

static void dup(struct wire *w, uint32_t una)
{
    IN(w, .flags = ACK, .seq = 1, .ack = at(una));
}

/* 5681-3.1g, G106, G149, 5681-3.2c, 6582-1, 6582-2 */
SCENARIO(the_third_duplicate_ack_sends_the_first_segment_again)
{
    in_flight(w, 10, false);
    dup(w, 0);
    QUIET(w);
    dup(w, 0);
    QUIET(w);
    dup(w, 0);
    OUT(w, .flags = ACK, .seq = at(0), .ack = 1, .len = MSS);
    QUIET(w);
    dup(w, 0);
    QUIET(w);
    assert_int_equal(wire_stats(w).fast_recoveries, 1);
    assert_int_equal(wire_info(w).ssthresh, 5 * MSS); /* 5681-3.2f */
    IN(w, .flags = ACK, .seq = 1, .ack = at(10));
    QUIET(w);
    assert_true(wire_info(w).cwnd <= 5 * MSS); /* 5681-3.2i, 6582-3a */
}

/* 5681-3.2d, 3042-1, 3042-2 */
SCENARIO(the_first_two_duplicate_acks_send_one_new_segment_each)
{
    in_flight(w, 20, false);
    uint32_t cwnd = wire_info(w).cwnd;
    dup(w, 0);
    OUT(w, .flags = ACK, .seq = at(10), .ack = 1, .len = MSS);
    QUIET(w);
    dup(w, 0);
    OUT(w, .flags = ACK, .seq = at(11), .ack = 1, .len = MSS);
    QUIET(w);
    assert_int_equal(wire_info(w).cwnd, cwnd);
    dup(w, 0);
    OUT(w, .flags = ACK, .seq = at(0), .ack = 1, .len = MSS);
    QUIET(w);
    assert_int_equal(wire_info(w).ssthresh, 5 * MSS); /* the two new ones do not count */
}

/* G125, G149, 6582-3b: one retransmission for each partial ACK, no timeout */
SCENARIO(a_partial_ack_sends_the_next_hole_at_once)
{
    in_flight(w, 10, false); /* 0, 3 and 6 are lost: seven duplicates */
    for (int i = 0; i < 3; i++)
        dup(w, 0);
    OUT(w, .flags = ACK, .seq = at(0), .ack = 1, .len = MSS);
    for (int i = 0; i < 4; i++)
        dup(w, 0);
    QUIET(w);
    w->now_us += 100 * MS;
    dup(w, 3);
    OUT(w, .flags = ACK, .seq = at(3), .ack = 1, .len = MSS);
    QUIET(w);
    w->now_us += 100 * MS;
    dup(w, 6);
    OUT(w, .flags = ACK, .seq = at(6), .ack = 1, .len = MSS);
    QUIET(w);
    w->now_us += 100 * MS;
    dup(w, 10);
    QUIET(w);
    assert_int_equal(wire_stats(w).rto_expired, 0);
    assert_int_equal(wire_stats(w).fast_recoveries, 1);
    assert_int_equal(wire_info(w).send_queued, 0);
}

/* 6582-2, 6582-4 */
SCENARIO(duplicate_acks_after_a_timeout_start_no_second_recovery)
{
    in_flight(w, 10, false);
    MARK(w);
    AT(w, 200 * MS);
    OUT(w, .flags = ACK, .seq = at(0), .ack = 1, .len = MSS);
    for (int i = 0; i < 5; i++) {
        dup(w, 0);
        QUIET(w);
    }
    assert_int_equal(wire_stats(w).fast_recoveries, 0);
}

/* 5681-2b: RFC 5681 2: not a duplicate if the window changed, if there is data, if nothing is outstanding;
 * G137, R15 */
SCENARIO(window_updates_are_no_duplicate_acks)
{
    in_flight(w, 10, false);
    for (int i = 1; i <= 6; i++) {
        IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = (1 << 20) + i * 1024);
        QUIET(w);
    }
    assert_int_equal(wire_stats(w).fast_recoveries, 0);
}

/* 5681-2b */
SCENARIO(segments_with_data_are_no_duplicate_acks)
{
    in_flight(w, 10, false);
    for (uint32_t i = 0; i < 6; i++) {
        IN(w, .flags = ACK, .seq = 1 + i * 100, .ack = 1, .len = 100);
        OUT(w, .flags = ACK, .seq = at(10), .ack = 101 + i * 100);
        QUIET(w);
    }
    assert_int_equal(wire_stats(w).fast_recoveries, 0);
}

SCENARIO(data_between_duplicate_acks_does_not_reset_their_count)
{
    in_flight(w, 10, false); /* G138 */
    dup(w, 0);
    dup(w, 0);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    OUT(w, .flags = ACK, .seq = at(10), .ack = 101);
    IN(w, .flags = ACK, .seq = 101, .ack = 1);
    static struct wire_packet p;
    bool again = false;
    while (wire_poll(w, &p))
        again |= p.payload_len && p.seq == wire_conn(w)->iss + 1;
    assert_true(again);
}

SCENARIO(acks_with_nothing_outstanding_are_no_duplicates)
{
    w->peer.sackok = false;
    wire_passive(w);
    for (int i = 0; i < 10; i++)
        IN(w, .flags = ACK, .seq = 1, .ack = 1);
    QUIET(w);
    WRITE(w, 2 * MSS);
    OUT(w, .flags = ACK, .seq = at(0), .ack = 1, .len = MSS);
    OUT(w, .flags = ACK, .seq = at(1), .ack = 1, .len = MSS);
    QUIET(w);
}

/* R15 */
SCENARIO(a_flood_of_duplicate_acks_sends_no_more_than_the_window_and_one_copy)
{
    static struct wire_packet p;
    in_flight(w, 200, false);
    unsigned copies = 0, fresh = 0;
    for (int i = 0; i < 1000; i++) {
        dup(w, 0);
        while (wire_poll(w, &p)) {
            copies += p.seq == wire_conn(w)->iss + 1;
            fresh += p.seq != wire_conn(w)->iss + 1;
        }
    }
    assert_int_equal(copies, 1);
    assert_in_range(fresh, 0, 20);
}

/* 6675-5b: 6675: three segments above a hole */
SCENARIO(three_sacked_segments_above_a_hole_send_it_again)
{
    in_flight(w, 10, true);
    for (uint32_t i = 1; i <= 3; i++) {
        QUIET(w);
        IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(1), at(i + 1)}});
    }
    OUT(w, .flags = ACK, .seq = at(0), .ack = 1, .len = MSS);
    QUIET(w);
    IN(w, .flags = ACK, .seq = 1, .ack = at(4));
    QUIET(w);
}

/* 6675-4d, 6675-5a: exactly the holes, nothing that was SACKed. The second hole is lost as soon as
 * something sent
 * later arrives (8985-6.2.4a: in recovery the reordering window is 0), and goes when PRR lets it. */
SCENARIO(sack_fills_two_holes_in_one_round_trip)
{
    in_flight(w, 10, true); /* 0 and 4 are lost */
    for (uint32_t i = 1; i <= 3; i++)
        IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(1), at(i + 1)}});
    OUT(w, .flags = ACK, .seq = at(0), .ack = 1, .len = MSS);
    QUIET(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(5), at(6)}, {at(1), at(4)}});
    QUIET(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(5), at(7)}, {at(1), at(4)}});
    OUT(w, .flags = ACK, .seq = at(4), .ack = 1, .len = MSS);
    QUIET(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(5), at(8)}, {at(1), at(4)}});
    QUIET(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(5), at(10)}, {at(1), at(4)}});
    QUIET(w);
    IN(w, .flags = ACK, .seq = 1, .ack = at(4), .sack = {{at(5), at(10)}});
    QUIET(w);
    IN(w, .flags = ACK, .seq = 1, .ack = at(10));
    QUIET(w);
    assert_int_equal(wire_stats(w).retransmitted_segments, 2);
    assert_int_equal(wire_stats(w).rto_expired, 0);
}

/* 5681-4.3b, 6675-5d: a loss among what recovery sent new is found by the ACK that ends it, and that is the next
 * episode: no timeout is needed, and cwnd falls twice */
SCENARIO(the_ack_that_ends_a_recovery_may_begin_the_next)
{
    static const uint8_t sent[] = {10, 11, 0, 99, 12, 99, 13, 99, 99}; /* 99: nothing */
    in_flight(w, 30, true);
    for (uint32_t i = 0; i < 9; i++) {
        IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(1), at(i + 2)}});
        if (sent[i] < 99) OUT(w, .flags = ACK, .seq = at(sent[i]), .ack = 1, .len = MSS);
        QUIET(w);
        w->now_us += 15 * MS;
    }
    assert_int_equal(wire_info(w).ssthresh, 5 * MSS);
    w->now_us += 55 * MS; /* 12, sent 30 ms before 13, is lost */
    IN(w, .flags = ACK, .seq = 1, .ack = at(12), .sack = {{at(13), at(14)}});
    OUT(w, .flags = ACK, .seq = at(12), .ack = 1, .len = MSS);
    assert_int_equal(wire_stats(w).fast_recoveries, 2);
    assert_int_equal(wire_info(w).ssthresh, 2 * MSS);
    assert_int_equal(wire_stats(w).rto_expired, 0);
}

/* 5681-3.2e: no news, no segment */
SCENARIO(duplicate_acks_without_news_in_sack_send_nothing)
{
    in_flight(w, 20, true);
    for (int i = 0; i < 10; i++) {
        dup(w, 0);
        QUIET(w);
    }
    assert_int_equal(wire_stats(w).fast_recoveries, 0);
}

/* R13, 2018-3 */
SCENARIO(sack_blocks_of_nonsense_are_ignored)
{
    in_flight(w, 10, true);
    uint32_t una = at(1);
    IN(w, .flags = ACK, .seq = 1, .ack = una);
    static const struct wire_sack bad[] = {{0x80000000, 0x80001000},     /* far away */
                                           {1 + 10 * MSS, 1 + 20 * MSS}, /* never sent */
                                           {1 + 5 * MSS, 1 + 2 * MSS},   /* backwards */
                                           {1, 1 + MSS},                 /* below UNA */
                                           {(uint32_t)-5000, 1},
                                           {1 + 2 * MSS, 1 + 50 * MSS}};
    for (unsigned k = 0; k < 4; k++)
        for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
            IN(w, .flags = ACK, .seq = 1, .ack = una, .sack = {bad[i]});
            QUIET(w);
        }
    assert_int_equal(wire_stats(w).fast_recoveries, 0);
    IN(w, .flags = ACK, .seq = 1, .ack = at(10));
    QUIET(w);
    assert_int_equal(wire_info(w).send_queued, 0);
}

/* 6675-4a, 2018-8a: what was SACKed is kept until acknowledged, and sent again if reneged on */
SCENARIO(data_that_the_peer_reneged_on_is_sent_again)
{
    in_flight(w, 10, true);
    for (uint32_t i = 1; i <= 9; i++)
        IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(1), at(i + 1)}});
    OUT(w, .flags = ACK, .seq = at(0), .ack = 1, .len = MSS);
    QUIET(w);
    IN(w, .flags = ACK, .seq = 1, .ack = at(1)); /* and the rest was thrown away */
    static struct wire_packet p;
    uint32_t end = at(1);
    for (int turn = 0; turn < 200 && end != at(10); turn++) {
        w->now_us += 100 * MS;
        while (wire_poll(w, &p)) {
            uint32_t seq = p.seq - wire_conn(w)->iss;
            if (seq == end)
                end += p.payload_len;
        }
        IN(w, .flags = ACK, .seq = 1, .ack = end);
    }
    assert_int_equal(end, at(10));
}

/* 6675-5.1b, 6298-5.4 with SACK: the marks survive, so only the hole goes again */
SCENARIO(after_a_timeout_only_what_was_not_sacked_is_sent_again)
{
    in_flight(w, 10, true);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(8), at(10)}});
    QUIET(w);
    MARK(w);
    AT(w, 25 * MS); /* 8985-6.2.4a: a quarter of the least RTT later it is no reordering */
    OUT(w, .flags = ACK, .seq = at(0), .ack = 1, .len = MSS);
    QUIET(w); /* and that is lost, too: 6298-5, an RTO later */
    AT(w, 325 * MS);
    OUT(w, .flags = ACK, .seq = at(0), .ack = 1, .len = MSS);
    QUIET(w);
    IN(w, .flags = ACK, .seq = 1, .ack = at(1), .sack = {{at(8), at(10)}});
    OUT(w, .flags = ACK, .seq = at(1), .ack = 1, .len = MSS);
    OUT(w, .flags = ACK, .seq = at(2), .ack = 1, .len = MSS);
    QUIET(w);
    IN(w, .flags = ACK, .seq = 1, .ack = at(8));
    static struct wire_packet p;
    while (wire_poll(w, &p))
        assert_true(p.seq - wire_conn(w)->iss >= at(8));
}

/* G126: a super-segment's loss: only the lost part goes again */
SCENARIO(of_a_super_segment_only_the_lost_part_is_sent_again)
{
    static struct wire_packet p;
    w->config.gso_max_bytes = 65535;
    w->config.tx_csum = 1;
    wire_passive(w);
    WRITE(w, 10 * MSS);
    uint32_t sent = 0;
    while (wire_poll(w, &p))
        sent += p.payload_len;
    assert_int_equal(sent, 10 * MSS);
    w->now_us += 100 * MS;
    IN(w, .flags = ACK, .seq = 1, .ack = at(2), .sack = {{at(3), at(7)}});
    OUT(w, .flags = ACK, .seq = at(2), .ack = 1, .len = MSS);
    QUIET(w);
}

/* 6582-2: what was sent before the first recovery ended says nothing of a second loss */
SCENARIO(duplicate_acks_of_all_that_was_in_flight_then_start_no_second_recovery)
{
    in_flight(w, 10, false);
    for (int i = 0; i < 3; i++)
        dup(w, 0);
    OUT(w, .flags = ACK, .seq = at(0), .ack = 1, .len = MSS);
    dup(w, 10);
    WRITE(w, 2 * MSS);
    OUT(w, .flags = ACK, .seq = at(10), .ack = 1, .len = MSS);
    OUT(w, .flags = ACK, .seq = at(11), .ack = 1, .len = MSS);
    for (int i = 0; i < 5; i++) {
        dup(w, 10);
        QUIET(w);
    }
    assert_int_equal(wire_stats(w).fast_recoveries, 1);
}

WIRE_MAIN(WIRE_TEST(the_third_duplicate_ack_sends_the_first_segment_again),
          WIRE_TEST(the_first_two_duplicate_acks_send_one_new_segment_each),
          WIRE_TEST(a_partial_ack_sends_the_next_hole_at_once),
          WIRE_TEST(duplicate_acks_after_a_timeout_start_no_second_recovery),
          WIRE_TEST(window_updates_are_no_duplicate_acks),
          WIRE_TEST(segments_with_data_are_no_duplicate_acks),
          WIRE_TEST(data_between_duplicate_acks_does_not_reset_their_count),
          WIRE_TEST(acks_with_nothing_outstanding_are_no_duplicates),
          WIRE_TEST(a_flood_of_duplicate_acks_sends_no_more_than_the_window_and_one_copy),
          WIRE_TEST(three_sacked_segments_above_a_hole_send_it_again),
          WIRE_TEST(sack_fills_two_holes_in_one_round_trip),
          WIRE_TEST(duplicate_acks_without_news_in_sack_send_nothing),
          WIRE_TEST(sack_blocks_of_nonsense_are_ignored),
          WIRE_TEST(data_that_the_peer_reneged_on_is_sent_again),
          WIRE_TEST(after_a_timeout_only_what_was_not_sacked_is_sent_again),
          WIRE_TEST(of_a_super_segment_only_the_lost_part_is_sent_again),
          WIRE_TEST(the_ack_that_ends_a_recovery_may_begin_the_next),
          WIRE_TEST(duplicate_acks_of_all_that_was_in_flight_then_start_no_second_recovery))
