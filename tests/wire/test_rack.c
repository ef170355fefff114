/* RACK (RFC 8985 6): loss by time. The RTT is 100 ms, so that a quarter of the least RTT is 25 ms. Where segments
 * are sent a millisecond apart, times tell them apart; else sequence numbers do. */
#include "lib/wire.h"

enum { MSS = 1460 };

static uint32_t at(uint32_t segment) { return 1 + segment * MSS; }

static void out(struct wire *w, uint32_t segment)
{
    OUT(w, .flags = ACK, .seq = at(segment), .ack = 1, .len = MSS);
}

/* Segments first .. first + n - 1 leave, 1 ms apart. */
static void spaced(struct wire *w, uint32_t first, uint32_t n)
{
    for (uint32_t i = first; i < first + n; i++) {
        WRITE(w, MSS);
        out(w, i);
        QUIET(w);
        w->now_us += 1 * MS;
    }
}

static void ack(struct wire *w, uint32_t segment)
{
    IN(w, .flags = ACK, .seq = 1, .ack = at(segment));
}

static void sack(struct wire *w, uint32_t una, uint32_t start, uint32_t end)
{
    IN(w, .flags = ACK, .seq = 1, .ack = at(una), .sack = {{at(start), at(end)}});
}

/* 2018-5c, 9937-2, 8985-6.2.5a, 8985-6.2.5b, 8985-6.2.4a: one SACK above the hole; 100 ms after 0 was sent,
 * plus min RTT / 4 */
SCENARIO(fewer_than_three_sacked_segments_wait_for_a_quarter_of_the_least_rtt)
{
    wire_passive(w);
    spaced(w, 0, 3);
    AT(w, 101 * MS);
    sack(w, 0, 1, 2); /* RACK.rtt 100 ms */
    AT(w, 125 * MS);
    out(w, 0);
    QUIET(w);
    assert_int_equal(wire_stats(w).fast_recoveries, 1);
}

/* 8985-6.2.5b: the timer waits for the latest */
SCENARIO(the_timer_waits_for_the_latest_of_the_overdue)
{
    wire_passive(w);
    spaced(w, 0, 4);
    AT(w, 103 * MS);
    sack(w, 0, 3, 4);
    AT(w, 127 * MS); /* 2 was sent at 2 ms */
    out(w, 0);
    QUIET(w);
}

/* 8985-6.2.4a */
SCENARIO(three_sacked_segments_need_no_waiting)
{
    wire_passive(w);
    spaced(w, 0, 4);
    AT(w, 103 * MS);
    sack(w, 0, 1, 4);
    out(w, 0);
    QUIET(w);
}

/* 8985-6.2.4a: nor does one in recovery: 0 and 9 are lost, and then one of two new ones */
SCENARIO(in_recovery_one_sacked_segment_needs_no_waiting)
{
    wire_passive(w);
    spaced(w, 0, 10);
    WRITE(w, 2 * MSS);
    AT(w, 103 * MS);
    sack(w, 0, 1, 4);
    out(w, 0);
    out(w, 10);
    AT(w, 108 * MS);
    sack(w, 0, 1, 9);
    out(w, 11);
    AT(w, 203 * MS);
    ack(w, 9);
    out(w, 9);
    AT(w, 208 * MS);
    sack(w, 9, 11, 12);
    out(w, 10);
    QUIET(w);
}

/* 0 arrives late, after 1: reordering is seen. Ends at 200 ms, with 2 segments acknowledged. */
static void reordering(struct wire *w)
{
    wire_passive(w);
    spaced(w, 0, 2);
    AT(w, 101 * MS);
    sack(w, 0, 1, 2);
    AT(w, 110 * MS);
    ack(w, 2);
    QUIET(w);
    assert_int_equal(wire_stats(w).retransmitted_segments, 0);
    AT(w, 200 * MS);
    MARK(w);
}

/* 8985-6.2.3, 8985-6.2.4a: now three wait, too, and so do the further ones in recovery */
SCENARIO(where_reordering_was_seen_even_three_wait)
{
    reordering(w);
    spaced(w, 2, 8);
    AT(w, 101 * MS);
    for (uint32_t i = 3; i < 7; i++) {
        sack(w, 2, 3, i + 1);
        QUIET(w);
        w->now_us += 1 * MS;
    }
    AT(w, 125 * MS);
    out(w, 2);
    QUIET(w);
}

/* Else a round of slow start would be over before RACK has waited for the hole. */
SCENARIO(where_reordering_was_seen_the_window_grows_by_what_is_sacked)
{
    reordering(w);
    spaced(w, 2, 10);
    WRITE(w, 10 * MSS);
    QUIET(w);
    AT(w, 101 * MS);
    for (uint32_t i = 0; i < 3; i++) {
        sack(w, 2, 3, i + 4);
        out(w, 12 + 2 * i); /* in slow start: two for one */
        out(w, 13 + 2 * i);
        QUIET(w);
        w->now_us += 1 * MS;
    }
    assert_int_equal(wire_info(w).cwnd, 13 * MSS);
    AT(w, 125 * MS);
    out(w, 2);
    QUIET(w);
    assert_int_equal(wire_info(w).ssthresh, 13 * MSS / 2);
}

/* 8985-6.2.3: the blocks of one ACK come in no order */
SCENARIO(blocks_in_one_ack_are_no_reordering)
{
    wire_passive(w);
    spaced(w, 0, 8);
    AT(w, 107 * MS); /* 0 is lost, and so are the ACKs of 1 to 3 */
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(5), at(8)}, {at(1), at(4)}});
    out(w, 0);
    out(w, 4);
    QUIET(w);
}

/* 8985-6.1, 8985-6.2.5a: the loss of a retransmission shows when something sent later arrives */
SCENARIO(a_lost_retransmission_is_found_by_a_later_delivery_and_not_by_a_timeout)
{
    w->config.rto_min_us = 1000000;
    wire_passive(w);
    spaced(w, 0, 6);
    AT(w, 103 * MS);
    sack(w, 0, 1, 4);
    out(w, 0); /* is lost again */
    WRITE(w, 2 * MSS);
    AT(w, 104 * MS);
    sack(w, 0, 1, 5);
    out(w, 6);
    AT(w, 105 * MS);
    sack(w, 0, 1, 6);
    out(w, 7);
    QUIET(w);
    AT(w, 204 * MS);
    sack(w, 0, 1, 7);
    out(w, 0);
    QUIET(w);
    AT(w, 304 * MS);
    ack(w, 8);
    QUIET(w);
    assert_int_equal(wire_stats(w).rto_expired, 0);
    assert_int_equal(wire_stats(w).fast_recoveries, 1);
    assert_int_equal(wire_stats(w).retransmitted_segments, 2);
}

/* 8985-6.2.2: what is acknowledged sooner than the least RTT after it went again is the original */
SCENARIO(the_ack_of_an_original_does_not_make_its_copy_a_measure)
{
    wire_passive(w);
    spaced(w, 0, 8);
    AT(w, 103 * MS);
    sack(w, 0, 1, 4);
    out(w, 0);
    AT(w, 120 * MS); /* 4 to 7 are on their way */
    ack(w, 4);
    QUIET(w);
    AT(w, 140 * MS);
    ack(w, 8);
    assert_int_equal(wire_stats(w).retransmitted_segments, 1);
}

/* --- D-SACK widens the window --- */

/* A flight of two, of which the first is found lost after the reordering window. If it was only late, a D-SACK
 * tells when all is acknowledged. */
static void lose_one(struct wire *w, uint32_t i, uint64_t window_us, bool late)
{
    MARK(w);
    spaced(w, i, 2);
    AT(w, 101 * MS);
    sack(w, i, i + 1, i + 2);
    AT(w, 100 * MS + window_us);
    out(w, i);
    QUIET(w);
    AT(w, 300 * MS);
    ack(w, i + 2);
    if (late) sack(w, i + 2, i, i + 1);
    QUIET(w);
    AT(w, 2 * SEC);
}

/* 8985-6.2.4b: by a quarter of the least RTT for each round with a D-SACK, for 16 recoveries */
SCENARIO(a_dsack_widens_the_window_by_a_quarter_of_the_least_rtt_for_16_recoveries)
{
    w->config.rto_min_us = 1000000;
    reordering(w);
    lose_one(w, 2, 25 * MS, true);
    lose_one(w, 4, 50 * MS, true);
    for (uint32_t i = 0; i < 16; i++)
        lose_one(w, 6 + 2 * i, 75 * MS, false);
    lose_one(w, 38, 25 * MS, false);
    assert_int_equal(wire_stats(w).rto_expired, 0);
}

/* 8985-6.2.4b */
SCENARIO(several_dsacks_of_one_round_count_once)
{
    w->config.rto_min_us = 1000000;
    reordering(w);
    spaced(w, 2, 3);
    AT(w, 101 * MS);
    sack(w, 2, 3, 4);
    AT(w, 125 * MS);
    out(w, 2);
    AT(w, 130 * MS);
    ack(w, 4);
    for (int i = 0; i < 3; i++)
        sack(w, 4, 2, 3);
    AT(w, 140 * MS);
    ack(w, 5);
    AT(w, 2 * SEC);
    lose_one(w, 5, 50 * MS, false);
}

/* 8985-6.2.4a: never more than SRTT, of which nothing but samples of 101 ms come */
SCENARIO(the_window_is_never_wider_than_srtt)
{
    w->config.rto_min_us = 1000000;
    reordering(w);
    uint32_t next = 2;
    for (uint64_t i = 1; i <= 4; i++, next += 2)
        lose_one(w, next, i * 25 * MS, true);
    for (int i = 0; i < 3; i++, next += 2)
        lose_one(w, next, wire_info(w).srtt_us, true);
}

/* --- measuring --- */

/* 8985-6.2.1: the path has become longer, and so does the window, when the old measurements are five minutes old */
SCENARIO(the_least_rtt_is_that_of_the_last_minutes)
{
    w->config.rto_min_us = 1000000;
    reordering(w);
    for (uint32_t i = 2; i < 6; i++) { /* 400 ms now */
        AT(w, i * 100 * SEC);
        MARK(w);
        spaced(w, i, 1);
        AT(w, 400 * MS);
        ack(w, i + 1);
        MARK(w);
    }
    AT(w, 1 * SEC);
    MARK(w);
    spaced(w, 6, 2);
    AT(w, 401 * MS);
    sack(w, 6, 7, 8);
    AT(w, 500 * MS);
    out(w, 6);
    QUIET(w);
}

/* 8985-6.2.2: the echo tells that the first copy arrived, not the second: that one's time is no measure for what was
 * sent in between */
SCENARIO(an_echo_older_than_the_last_copy_does_not_make_it_a_measure)
{
    enum { LEN = MSS - 12 };
    w->config.rto_min_us = 1000000;
    w->peer.ts = true;
    wire_passive(w);
    for (uint32_t i = 0; i < 6; i++) {
        WRITE(w, LEN);
        OUT(w, .flags = ACK, .seq = 1 + i * LEN, .ack = 1, .len = LEN);
        w->now_us += 1 * MS;
    }
    uint32_t first = wire_conn(w)->tsval_seen;
    struct wire_segment s = {.flags = ACK, .seq = 1, .ack = 1, .ts = true, .tsecr = first};
    s.tsval = (uint32_t)(w->now_us / 1000);
    for (uint32_t i = 4; i <= 7; i++) { /* SACKed to there, at 99 + i ms */
        AT(w, (i == 7 ? 204 : 99 + i) * MS);
        s.sack[0] = (struct wire_sack){1 + LEN, 1 + i * LEN};
        wire_in(w, __FILE__, __LINE__, &s);
        if (i == 4) {
            OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = LEN);
            s.tsecr = wire_conn(w)->tsval_seen;
            WRITE(w, 2 * LEN);
        } else if (i < 7) {
            OUT(w, .flags = ACK, .seq = 1 + (i + 1) * LEN, .ack = 1, .len = LEN);
        }
    }
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = LEN); /* the copy seems to be lost */
    QUIET(w);
    AT(w, 310 * MS); /* no: it was late */
    s.ack = 1 + 7 * LEN;
    s.sack[0] = (struct wire_sack){0};
    wire_in(w, __FILE__, __LINE__, &s);
    QUIET(w);
    AT(w, 311 * MS);
    s.ack = 1 + 8 * LEN;
    wire_in(w, __FILE__, __LINE__, &s);
    QUIET(w);
    assert_int_equal(wire_stats(w).retransmitted_segments, 2);
}

/* 8985-9.3a: what the timer finds lost in recovery goes when ACKs let it */
SCENARIO(the_reordering_timer_lets_nothing_go_that_no_ack_has_let_go)
{
    w->config.rto_min_us = 1000000;
    reordering(w);
    spaced(w, 2, 10);
    AT(w, 110 * MS);
    sack(w, 2, 5, 6); /* sent at 3 ms: 107 */
    AT(w, 134 * MS);  /* 4 was sent at 2 ms */
    out(w, 2);
    QUIET(w);
    AT(w, 140 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = at(2), .sack = {{at(11), at(12)}, {at(5), at(6)}}); /* 131 ms */
    QUIET(w);
    AT(w, 230 * MS); /* at 8 + 131 + 25 ms, 6 to 10 were found lost */
    QUIET(w);
    AT(w, 234 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = at(3), .sack = {{at(11), at(12)}, {at(5), at(6)}});
    out(w, 3);
    out(w, 4);
    QUIET(w);
}

/* --- super-segments --- */

static void super(struct wire *w, uint32_t n)
{
    w->config.gso_max_bytes = 65535;
    w->config.tx_csum = 1;
    wire_passive(w);
    WRITE(w, n * MSS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = n * MSS, .gso_size = MSS);
    QUIET(w);
}

/* only what was lost, and what is lost together goes together */
SCENARIO(of_a_super_segment_only_the_lost_pieces_go_again)
{
    super(w, 10);
    AT(w, 100 * MS); /* 1, 4 and 5 */
    IN(w, .flags = ACK, .seq = 1, .ack = at(1), .sack = {{at(2), at(4)}, {at(6), at(10)}});
    out(w, 1);
    OUT(w, .flags = ACK, .seq = at(4), .ack = 1, .len = 2 * MSS, .gso_size = MSS);
    QUIET(w);
    AT(w, 200 * MS);
    ack(w, 10);
    QUIET(w);
    assert_int_equal(wire_stats(w).rto_expired, 0);
    assert_int_equal(wire_stats(w).retransmitted_bytes, 3 * MSS);
}

SCENARIO(the_last_piece_and_the_fin_behind_it_go_again_together)
{
    w->config.gso_max_bytes = 65535;
    w->config.tx_csum = 1;
    wire_passive(w);
    wire_set(w, IPPROTO_TCP, TCP_CORK, 1);
    WRITE(w, 3 * MSS - 7);
    assert_int_equal(mytcp_shutdown(w->stack, w->fd, SHUT_WR), 0);
    static struct wire_packet p;
    uint32_t end = 1;
    while (wire_poll(w, &p))
        end = p.seq - wire_conn(w)->iss + p.payload_len + (p.flags & FIN ? 1 : 0);
    assert_int_equal(end, at(3) - 7 + 1);
    ack(w, 2);
    static struct wire_packet q;
    while (!wire_poll(w, &q))
        w->now_us += 1 * MS;
    assert_int_equal(q.seq - wire_conn(w)->iss, at(2));
    assert_int_equal(q.payload_len, MSS - 7);
    assert_true(q.flags & FIN);
    QUIET(w);
    IN(w, .flags = ACK, .seq = 1, .ack = at(3) - 7 + 1);
    STATE(w, TCP_FIN_WAIT2);
}

SCENARIO(a_fin_alone_goes_again_alone)
{
    super(w, 3);
    assert_int_equal(mytcp_shutdown(w->stack, w->fd, SHUT_WR), 0);
    OUT(w, .flags = FIN | ACK, .seq = at(3), .ack = 1);
    AT(w, 100 * MS);
    ack(w, 3);
    AT(w, 350 * MS);
    OUT(w, .flags = FIN | ACK, .seq = at(3), .ack = 1);
    QUIET(w);
}

/* 8985-6.2.2: the time of what arrives is its own, also if it went as part of a super-segment of which another part
 * has gone again since (the wire programs run with super-segments, too). */
SCENARIO(what_went_again_earlier_tells_nothing_of_what_was_sent_later)
{
    wire_passive(w);
    WRITE(w, 20 * MSS);
    for (uint32_t i = 0; i < 10; i++) out(w, i);
    QUIET(w); /* 0, 1 and 2 are lost */
    for (uint32_t i = 0; i < 3; i++) {
        AT(w, (100 + 10 * i) * MS);
        sack(w, 0, 3, 6 + i);
        out(w, i);
        QUIET(w);
    }
    AT(w, 130 * MS);
    sack(w, 0, 3, 10);
    out(w, 10);
    out(w, 11);
    QUIET(w);
    AT(w, 210 * MS);
    sack(w, 0, 1, 2); /* 0 is lost once more */
    out(w, 0);
    out(w, 12);
    QUIET(w);
    AT(w, 311 * MS);
    sack(w, 0, 2, 3); /* went at 120 ms: before 10 and 11 */
    out(w, 13);
    QUIET(w);
}

/* 8985-6.2.5a: after a timeout, too, and then it is no second reduction */
SCENARIO(the_timer_finds_losses_after_a_timeout_as_well)
{
    w->config.rto_min_us = 300 * MS;
    reordering(w);
    WRITE(w, 2 * MSS);
    out(w, 2);
    out(w, 3);
    AT(w, 290 * MS);
    WRITE(w, 3 * MSS);
    for (uint32_t i = 4; i < 7; i++)
        out(w, i);
    AT(w, 300 * MS); /* what was sent 10 ms ago is not lost yet */
    out(w, 2);
    AT(w, 390 * MS);
    sack(w, 2, 5, 6);
    AT(w, 400 * MS);
    sack(w, 4, 5, 6);
    uint32_t ssthresh = wire_info(w).ssthresh;
    AT(w, 415 * MS); /* RTT and a quarter after they were sent, both before 2 was again */
    out(w, 4);
    out(w, 6);
    QUIET(w);
    assert_int_equal(wire_info(w).ssthresh, ssthresh);
    assert_int_equal(wire_stats(w).fast_recoveries, 0);
}

WIRE_MAIN(WIRE_TEST(fewer_than_three_sacked_segments_wait_for_a_quarter_of_the_least_rtt),
          WIRE_TEST(the_timer_waits_for_the_latest_of_the_overdue),
          WIRE_TEST(three_sacked_segments_need_no_waiting),
          WIRE_TEST(in_recovery_one_sacked_segment_needs_no_waiting),
          WIRE_TEST(where_reordering_was_seen_even_three_wait),
          WIRE_TEST(where_reordering_was_seen_the_window_grows_by_what_is_sacked),
          WIRE_TEST(blocks_in_one_ack_are_no_reordering),
          WIRE_TEST(a_lost_retransmission_is_found_by_a_later_delivery_and_not_by_a_timeout),
          WIRE_TEST(the_ack_of_an_original_does_not_make_its_copy_a_measure),
          WIRE_TEST(a_dsack_widens_the_window_by_a_quarter_of_the_least_rtt_for_16_recoveries),
          WIRE_TEST(several_dsacks_of_one_round_count_once),
          WIRE_TEST(the_window_is_never_wider_than_srtt),
          WIRE_TEST(of_a_super_segment_only_the_lost_pieces_go_again),
          WIRE_TEST(the_last_piece_and_the_fin_behind_it_go_again_together),
          WIRE_TEST(a_fin_alone_goes_again_alone),
          WIRE_TEST(the_least_rtt_is_that_of_the_last_minutes),
          WIRE_TEST(an_echo_older_than_the_last_copy_does_not_make_it_a_measure),
          WIRE_TEST(the_reordering_timer_lets_nothing_go_that_no_ack_has_let_go),
          WIRE_TEST(what_went_again_earlier_tells_nothing_of_what_was_sent_later),
          WIRE_TEST(the_timer_finds_losses_after_a_timeout_as_well))
