/* What congestion control and RTT sampling look like from outside: flights, counted. The RTT is 100 ms. */
#include "lib/wire.h"

enum { MSS = 1460 };

static uint32_t at(uint32_t segment) { return 1 + segment * MSS; }

static void out(struct wire *w, uint32_t first, uint32_t n)
{
    for (uint32_t i = first; i < first + n; i++)
        OUT(w, .flags = ACK, .seq = at(i), .ack = 1, .len = MSS);
    QUIET(w);
}

/* 9293-MUST-19, 5681-2a, 5681-3a, 5681-3.1a, 5681-3.1c, 5681-3.1f: the handshake's ACKs do not count: ten, then twice as
 * many each round trip, and no more than the peer's window */
SCENARIO(slow_start_doubles_the_flight_each_round_trip_up_to_the_peers_window)
{
    w->config.sndbuf_bytes = 1 << 20;
    w->wnd = 65 * MSS;
    wire_passive(w);
    WRITE(w, 400 * MSS);
    out(w, 0, 10);
    w->now_us += 100 * MS;
    for (uint32_t i = 1; i <= 10; i++) {
        IN(w, .flags = ACK, .seq = 1, .ack = at(i));
        out(w, 8 + 2 * i, 2);
    }
    w->now_us += 100 * MS;
    for (uint32_t i = 1; i <= 20; i++) {
        IN(w, .flags = ACK, .seq = 1, .ack = at(10 + i));
        out(w, 28 + 2 * i, 2);
    }
    w->now_us += 100 * MS;
    IN(w, .flags = ACK, .seq = 1, .ack = at(70));
    out(w, 70, 64); /* 65, but the scale is 128 bytes */
}

/* 5681-3.2g, 5681-3.2h, 6582-2: at the third duplicate cwnd is ssthresh and 3, and each further one adds 1: of 12 in
 * flight the eighth lets the first new one go; R15: and no more than eleven can have left the network */
SCENARIO(without_sack_each_duplicate_adds_a_segment_to_ssthresh_and_three)
{
    w->peer.sackok = false;
    wire_passive(w);
    WRITE(w, 30 * MSS);
    out(w, 0, 10);
    w->now_us += 100 * MS;
    for (uint32_t i = 1; i <= 12; i++) {
        IN(w, .flags = ACK, .seq = 1, .ack = 1);
        if (i <= 2) out(w, 9 + i, 1);
        if (i == 3) out(w, 0, 1);
        if (i >= 8 && i <= 11) out(w, 4 + i, 1);
        QUIET(w);
    }
    assert_int_equal(wire_info(w).ssthresh, 5 * MSS);
}

/* 6675-2: SACK tells of a duplicate even if data comes with it, and the window changes */
SCENARIO(with_sack_segments_with_data_and_other_windows_count_as_duplicates)
{
    wire_passive(w);
    WRITE(w, 10 * MSS);
    out(w, 0, 10);
    w->now_us += 100 * MS;
    for (uint32_t i = 1; i <= 3; i++)
        IN(w, .flags = ACK, .seq = 1 + (i - 1) * 100, .ack = 1, .len = 100, .wnd = (1 << 20) + i * 1024,
           .sack = {{at(1), at(i + 1)}});
    OUT(w, .flags = ACK, .seq = at(0), .ack = 301, .len = MSS);
    QUIET(w);
    assert_int_equal(wire_stats(w).fast_recoveries, 1);
}

/* G114: the reordering timer is due just when the third SACK comes */
SCENARIO(timer_and_third_sack_at_once_send_one_copy)
{
    wire_passive(w);
    WRITE(w, 10 * MSS);
    out(w, 0, 10);
    AT(w, 100 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(1), at(2)}});
    AT(w, 125 * MS - 1);
    w->now_us += 1;
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(1), at(4)}});
    out(w, 0, 1);
    assert_int_equal(wire_stats(w).fast_recoveries, 1);
    assert_int_equal(wire_stats(w).retransmitted_segments, 1);
}

/* 8985-4b: the times of segments are finer than a quarter of 400 us */
SCENARIO(on_a_short_path_the_reordering_window_is_100_us)
{
    w->rtt_us = 400;
    wire_passive(w);
    WRITE(w, 2 * MSS);
    out(w, 0, 2);
    AT(w, 400);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(1), at(2)}});
    AT(w, 500);
    out(w, 0, 1);
}

/* 6298-3b: each round trip has its sample */
SCENARIO(each_round_trip_is_measured)
{
    wire_passive(w);
    uint32_t srtt_us = wire_info(w).srtt_us;
    for (uint32_t i = 0; i < 10; i++) {
        WRITE(w, MSS);
        out(w, i, 1);
        w->now_us += 200 * MS;
        IN(w, .flags = ACK, .seq = 1, .ack = at(i + 1));
        assert_true(wire_info(w).srtt_us > srtt_us);
        srtt_us = wire_info(w).srtt_us;
    }
}

/* 7323-4.2, G121, 7323-4.1b: one sample of a window, however many ACKs there are; none of an ACK that covers nothing */
SCENARIO(ten_acks_of_one_window_are_one_sample)
{
    enum { LEN = MSS - 12 };
    w->peer.ts = true;
    wire_passive(w);
    WRITE(w, 11 * LEN);
    for (uint32_t i = 0; i < 10; i++)
        OUT(w, .flags = ACK, .seq = 1 + i * LEN, .ack = 1, .len = LEN);
    w->now_us += 200 * MS;
    uint32_t first = wire_conn(w)->tsval_seen, before = wire_info(w).srtt_us;
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .ts = true, .tsval = (uint32_t)(w->now_us / 1000), .tsecr = first);
    assert_int_equal(wire_info(w).srtt_us, before);
    uint32_t srtt_us = 0;
    for (uint32_t i = 1; i <= 10; i++) {
        IN(w, .flags = ACK, .seq = 1, .ack = 1 + i * LEN, .ts = true, .tsval = (uint32_t)(w->now_us / 1000),
           .tsecr = first);
        if (i == 1) srtt_us = wire_info(w).srtt_us;
        assert_int_equal(wire_info(w).srtt_us, srtt_us);
        w->now_us += 1 * MS;
    }
    assert_in_range(srtt_us, before + 1, before + 15 * MS);
}

/* 2018-5a: the segment at the left edge goes again after a timeout, though the peer claims to have it */
SCENARIO(what_is_claimed_from_the_left_edge_on_is_sent_again)
{
    wire_passive(w);
    WRITE(w, 3 * MSS);
    out(w, 0, 3);
    AT(w, 100 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(0), at(3)}});
    QUIET(w);
    AT(w, 300 * MS);
    out(w, 0, 1);
}

/* R13, 2018-8a, 6675-4a: all above the hole is SACKed, and thrown away; the ACK of the copy shows it, and all of it
 * comes again, once */
SCENARIO(what_a_peer_reneged_on_comes_again_after_one_timeout)
{
    wire_passive(w);
    WRITE(w, 10 * MSS);
    out(w, 0, 10);
    AT(w, 100 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(1), at(10)}});
    out(w, 0, 1);
    AT(w, 200 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = at(1));
    AT(w, 500 * MS);
    out(w, 1, 1);
    uint32_t next = 2;
    for (uint32_t una = 2; una <= 10; una++) {
        w->now_us += 100 * MS;
        IN(w, .flags = ACK, .seq = 1, .ack = at(una));
        static struct wire_packet p;
        while (wire_poll(w, &p)) {
            assert_int_equal(p.seq - wire_conn(w)->iss, at(next));
            next++;
        }
    }
    assert_int_equal(next, 10);
    assert_int_equal(wire_stats(w).rto_expired, 1);
    assert_int_equal(wire_info(w).send_queued, 0);
}

/* cwnd is 15, and so much of 30 to 48 is in flight. */
static void avoiding_congestion(struct wire *w, uint32_t burst)
{
    w->config.burst_min_segments = burst;
    w->config.initial_window_segments = 30;
    wire_passive(w);
    WRITE(w, 30 * MSS);
    out(w, 0, 30);
    w->now_us += 100 * MS;
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(1), at(4)}});
    out(w, 0, 1);
    w->now_us += 100 * MS;
    IN(w, .flags = ACK, .seq = 1, .ack = at(30));
    WRITE(w, 19 * MSS);
    out(w, 30, 15);
    w->now_us += 100 * MS;
}

static void ack(struct wire *w, uint32_t segment)
{
    w->now_us += 1 * MS;
    IN(w, .flags = ACK, .seq = 1, .ack = at(segment));
}

/* while the window is the limit, and not what is there to send */
SCENARIO(in_congestion_avoidance_segments_go_in_pairs)
{
    avoiding_congestion(w, 2);
    uint64_t network_us = wire_info(w).limited_network_us;
    ack(w, 31);
    QUIET(w);
    ack(w, 32);
    assert_int_equal(wire_info(w).limited_network_us - network_us, 102 * MS); /* since they went */
    out(w, 45, 2);
    ack(w, 33);
    QUIET(w);
    ack(w, 34);
    out(w, 47, 2);
}

SCENARIO(the_last_segment_waits_for_no_other)
{
    avoiding_congestion(w, 2);
    ack(w, 33);
    out(w, 45, 3);
    ack(w, 34);
    out(w, 48, 1);
}

/* a sixth of what is in flight, at most */
SCENARIO(in_a_small_window_each_goes_alone)
{
    avoiding_congestion(w, 3);
    ack(w, 31);
    out(w, 45, 1);
    ack(w, 32);
    out(w, 46, 1);
}

/* 5681-4.1: nothing new was written for longer than an RTO, but the flight is still being acknowledged */
SCENARIO(who_still_hears_acks_is_not_idle_and_keeps_the_window)
{
    wire_passive(w);
    WRITE(w, 10 * MSS);
    out(w, 0, 10);
    w->now_us += 100 * MS;
    IN(w, .flags = ACK, .seq = 1, .ack = at(10));
    WRITE(w, 20 * MSS);
    out(w, 10, 20);
    for (uint32_t i = 1; i <= 5; i++) {
        w->now_us += 100 * MS;
        IN(w, .flags = ACK, .seq = 1, .ack = at(10 + i));
        QUIET(w);
    }
    assert_true(wire_info(w).rto_us < 500 * MS);
    assert_in_range(wire_info(w).cwnd, 21 * MSS, 25 * MSS);
    WRITE(w, 5 * MSS);
    out(w, 30, 5);
}

WIRE_MAIN(WIRE_TEST(slow_start_doubles_the_flight_each_round_trip_up_to_the_peers_window),
          WIRE_TEST(without_sack_each_duplicate_adds_a_segment_to_ssthresh_and_three),
          WIRE_TEST(with_sack_segments_with_data_and_other_windows_count_as_duplicates),
          WIRE_TEST(timer_and_third_sack_at_once_send_one_copy),
          WIRE_TEST(on_a_short_path_the_reordering_window_is_100_us), WIRE_TEST(each_round_trip_is_measured),
          WIRE_TEST(ten_acks_of_one_window_are_one_sample),
          WIRE_TEST(what_is_claimed_from_the_left_edge_on_is_sent_again),
          WIRE_TEST(what_a_peer_reneged_on_comes_again_after_one_timeout),
          WIRE_TEST(in_congestion_avoidance_segments_go_in_pairs), WIRE_TEST(the_last_segment_waits_for_no_other),
          WIRE_TEST(in_a_small_window_each_goes_alone),
          WIRE_TEST(who_still_hears_acks_is_not_idle_and_keeps_the_window))
