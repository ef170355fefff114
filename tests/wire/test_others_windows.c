/* Bugs that other stacks had in windows, acceptability and acknowledgments, and fixed. */
#include "lib/wire_place.h"

static struct wire_packet p;

static unsigned answers(struct wire *w)
{
    unsigned n = 0;
    while (wire_poll(w, &p))
        n++;
    return n;
}

static void small_window(struct wire *w)
{
    w->config.rcvbuf_bytes = 20000;
    wire_passive(w);
}

/* G063: old on the left and beyond on the right at once: the middle is taken */
SCENARIO(a_segment_larger_than_the_window_on_both_sides_fills_it)
{
    small_window(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1001);
    uint32_t edge = wire_conn(w)->right_edge;
    IN(w, .flags = ACK, .seq = 501, .ack = 1, .len = edge - 501 + 700);
    OUT(w, .flags = ACK, .seq = 1, .ack = edge, .wnd = WND_ZERO, .sack = {{501, 1001}});
    READ(w, edge - 1);
    wire_again(w);
}

/* G065: the last byte of the window, the first beyond it, and both in one segment */
SCENARIO(the_windows_last_byte_is_taken_and_the_next_is_not)
{
    small_window(w);
    uint32_t edge = wire_conn(w)->right_edge;
    assert_string_equal(IN(w, .flags = ACK, .seq = edge - 1, .ack = 1, .len = 1), "");
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{edge - 1, edge}});
    assert_string_equal(IN(w, .flags = ACK, .seq = edge, .ack = 1, .len = 1), "seq_beyond");
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{edge - 1, edge}});
    IN(w, .flags = ACK, .seq = edge - 2, .ack = 1, .len = 4);
    assert_int_equal(wire_info(w).recv_out_of_order, 2);
}

/* G067: a FIN counts only if its own place is in the window */
SCENARIO(a_fin_beyond_the_window_is_cut_off_with_what_stands_before_it)
{
    small_window(w);
    uint32_t edge = wire_conn(w)->right_edge;
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = edge - 1 + 500);
    OUT(w, .flags = ACK, .seq = 1, .ack = edge, .wnd = WND_ZERO);
    STATE(w, TCP_ESTABLISHED);
    wire_conn(w)->peer_fin = false; /* it is not at its end yet */
    READ(w, edge - 1);
    OUT(w, .flags = ACK, .seq = 1, .ack = edge);
    IN(w, .flags = FIN | ACK, .seq = edge, .ack = 1, .len = 500);
    OUT(w, .flags = ACK, .seq = 1, .ack = edge + 501);
    STATE(w, TCP_CLOSE_WAIT);
    READ(w, 500);
    wire_eof(w);
}

/* G067: the FIN again, in front of which everything is old */
SCENARIO(a_fin_behind_old_data_counts)
{
    small_window(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1001);
    IN(w, .flags = FIN | ACK, .seq = 501, .ack = 1, .len = 500);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1002, .sack = {{501, 1001}});
    STATE(w, TCP_CLOSE_WAIT);
}

/* G069, G070: a window that shrinks below what is in flight: what is sent again stays within it,
 * and there is no endless row of empty packets */
SCENARIO(a_retransmission_stays_within_a_window_that_shrank)
{
    wire_passive(w);
    WRITE(w, 5 * 1460);
    assert_int_equal(answers(w), 5);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1024);
    MARK(w);
    unsigned sent = 0;
    for (int i = 0; i < 8; i++) {
        w->now_us = mytcp_next_deadline(w->stack);
        while (wire_poll(w, &p)) {
            sent++;
            assert_true(p.payload_len > 0);
            if (p.payload_len > 1)
                assert_true(p.seq - wire_conn(w)->iss + p.payload_len <= 1 + 1460);
        }
    }
    assert_in_range(sent, 3, 10);
    IN(w, .flags = ACK, .seq = 1, .ack = 1 + 5 * 1460);
    QUIET(w);
    assert_int_equal(wire_info(w).send_queued, 0);
}

/* G075: old ACKs and ACKs of the unsent leave what is in flight as it is */
SCENARIO(no_ack_makes_the_flight_negative)
{
    wire_passive(w);
    w->config.challenge_acks_per_s = 200;
    WRITE(w, 3000);
    answers(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1461);
    uint32_t flight = wire_info(w).send_unacked;
    static const uint32_t acks[] = {1, 1460, 1461, 3002, 0x80000000, 0xffffffff, 0x7fffffff};
    for (unsigned i = 0; i < 7; i++) {
        IN(w, .flags = ACK, .seq = 1, .ack = acks[i]);
        answers(w);
        assert_int_equal(wire_info(w).send_unacked, flight);
    }
    IN(w, .flags = ACK, .seq = 1, .ack = 3001);
    assert_int_equal(wire_info(w).send_unacked, 0);
}

/* G079: who will send nothing more is told of no window */
SCENARIO(no_window_update_goes_to_a_peer_that_has_closed)
{
    small_window(w);
    uint32_t len = wire_info(w).rcv_wnd;
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = len - 1);
    answers(w);
    STATE(w, TCP_CLOSE_WAIT);
    READ(w, len - 1);
    QUIET(w);
    wire_eof(w);
}

/* G085: what is offered is what is kept, for every scale: all of it is taken, and no byte more */
SCENARIO(a_scaled_window_is_taken_to_its_last_byte)
{
    static const uint32_t buffers[] = {3000, 65535, 65536, 200000, 3000000};
    for (unsigned i = 0; i < sizeof(buffers) / sizeof(*buffers); i++) {
        w->config.rcvbuf_bytes = buffers[i];
        wire_passive(w);
        struct wire_conn *c = wire_conn(w);
        for (int k = 0; k < 4000 && c->right_edge - c->ack_high; k++) {
            uint32_t room = c->right_edge - c->ack_high;
            uint32_t len = room < 1460 ? room : 1460;
            assert_string_equal(IN(w, .flags = ACK, .seq = c->ack_high, .ack = 1, .len = len), "");
            w->now_us += 50 * MS;
            answers(w);
            assert_int_equal(c->right_edge, c->ack_high + wire_info(w).rcv_wnd);
        }
        assert_int_equal(c->right_edge, c->ack_high);
        READ(w, c->ack_high - 1);
        wire_stop(w);
        w->conn_count = 0;
        w->listener = -1;
    }
}

/* G087: a buffer that grows opens the window, and the peer is told */
SCENARIO(a_larger_buffer_opens_a_shut_window)
{
    w->config.rcvbuf_bytes = 8192;
    wire_passive(w);
    struct wire_conn *c = wire_conn(w);
    while (wire_info(w).rcv_wnd) {
        uint32_t room = wire_info(w).rcv_wnd;
        IN(w, .flags = ACK, .seq = c->peer_end, .ack = 1, .len = room < 1460 ? room : 1460);
        w->now_us += 50 * MS;
        answers(w);
    }
    wire_set(w, SOL_SOCKET, SO_RCVBUF, 100000);
    assert_int_equal(answers(w), 1);
    assert_true(c->right_edge - c->ack_high >= 50000);
}

/* G098: timestamps are looked at before the window is */
SCENARIO(an_old_timestamp_is_seen_before_the_sequence_number)
{
    w->peer.ts = true;
    wire_passive(w);
    uint32_t ts = (uint32_t)(w->now_us / 1000);
    assert_string_equal(
        IN(w, .flags = ACK, .seq = 0x40000000, .ack = 1, .len = 10, .ts = true, .tsval = ts - 1000),
        "paws");
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    assert_string_equal(IN(w, .flags = RST, .seq = 0x40000000, .ts = true, .tsval = ts - 1000),
                        "rst_ignored");
    QUIET(w);
}

/* G099: segments without the negotiated timestamps: one policy in all synchronized states, silence
 * (RFC 7323 3.2); a RST needs none */
SCENARIO(segments_without_timestamps_are_dropped_in_every_state)
{
    w->peer.ts = true;
    for (unsigned i = AT_ESTABLISHED; i < WIRE_PLACES; i++) {
        const struct wire_place *at = wire_go(w, i);
        assert_string_equal(
            IN(w, .flags = ACK, .seq = at->rcv_nxt, .ack = at->snd_nxt, .len = 1, .no_ts = true),
            "no_timestamp");
        wire_still(w, at);
        IN(w, .flags = RST, .seq = at->rcv_nxt, .no_ts = true);
        QUIET(w);
        if (at->state)
            STATE(w, TCP_CLOSE);
    }
}

/* G103: what carries no data has SND.NXT, whatever is unacknowledged */
SCENARIO(empty_segments_are_numbered_by_snd_nxt)
{
    wire_passive(w);
    WRITE(w, 3000);
    answers(w);
    IN(w, .flags = ACK, .seq = 101, .ack = 1, .len = 100);
    OUT(w, .flags = ACK, .seq = 3001, .ack = 1, .sack = {{101, 201}});
    IN(w, .flags = ACK, .seq = 1, .ack = 1461, .len = 100);
    OUT(w, .flags = ACK, .seq = 3001, .ack = 201);
    IN(w, .flags = RST, .seq = 205);
    OUT(w, .flags = ACK, .seq = 3001, .ack = 201);
    IN(w, .flags = SYN, .seq = 205);
    OUT(w, .flags = ACK, .seq = 3001, .ack = 201);
}

/* G101: an empty ACK ahead of a hole needs no answer (RFC 9293), one beyond the window does */
SCENARIO(an_empty_ack_ahead_of_a_hole_changes_nothing)
{
    wire_passive(w);
    assert_string_equal(IN(w, .flags = ACK, .seq = 1001, .ack = 1), "");
    QUIET(w);
    assert_string_equal(IN(w, .flags = ACK, .seq = 0x40000000, .ack = 1), "seq_beyond");
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    OUT(w, .flags = ACK, .seq = 1, .ack = 11);
}

/* G234: a peer of MSS 517, both directions full: a segment a round trip at least */
SCENARIO(a_small_mss_does_not_stall)
{
    w->peer.mss = 517;
    wire_passive(w);
    WRITE(w, 100000);
    uint32_t end = 1;
    unsigned turns = 0;
    for (; end < 100001 && turns < 100; turns++) {
        while (wire_poll(w, &p)) {
            assert_in_range(p.payload_len, 0, 517);
            if (p.payload_len)
                end = p.seq - wire_conn(w)->iss + p.payload_len;
        }
        w->now_us += 10 * MS;
        IN(w, .flags = ACK, .seq = 1 + 517 * turns, .ack = end, .len = 517);
        assert_int_equal(wire_stats(w).rto_expired, 0);
    }
    assert_int_equal(end, 100001);
    assert_in_range(turns, 1, 20);
}

/* G238: a device of 65520 bytes and a small buffer: the window is less than a segment, and yet
 * nothing waits for a timer of seconds */
SCENARIO(a_window_below_one_segment_of_a_large_device_does_not_stall)
{
    w->config.mtu_bytes = 65520;
    w->config.rcvbuf_bytes = 65536;
    w->peer.mss = 65480;
    w->wnd = 30000; /* the peer's is as small: half of it is worth a segment */
    wire_passive(w);
    struct wire_conn *c = wire_conn(w);
    MARK(w);
    while (c->ack_high < 1000000) {
        uint32_t room = c->right_edge - c->peer_end;
        if (room >= 16384)
            IN(w, .flags = PSH | ACK, .seq = c->peer_end, .ack = 1,
               .len = room < 65480 ? room : 65480);
        answers(w);
        if (wire_info(w).recv_queued)
            READ(w, wire_info(w).recv_queued);
        answers(w);
        w->now_us += 1 * MS;
    }
    assert_true(w->now_us - w->mark_us < 100 * MS);
    WRITE(w, 120000);
    MARK(w);
    uint32_t end = 1;
    for (int turn = 0; turn < 50 && end < 120001; turn++) {
        while (wire_poll(w, &p))
            end = p.seq - c->iss + p.payload_len;
        w->now_us += 1 * MS;
        IN(w, .flags = ACK, .seq = c->peer_end, .ack = end);
    }
    assert_int_equal(end, 120001);
    assert_true(w->now_us - w->mark_us < 60 * MS);
}

WIRE_MAIN(WIRE_TEST(a_segment_larger_than_the_window_on_both_sides_fills_it),
          WIRE_TEST(the_windows_last_byte_is_taken_and_the_next_is_not),
          WIRE_TEST(a_fin_beyond_the_window_is_cut_off_with_what_stands_before_it),
          WIRE_TEST(a_fin_behind_old_data_counts),
          WIRE_TEST(a_retransmission_stays_within_a_window_that_shrank),
          WIRE_TEST(no_ack_makes_the_flight_negative),
          WIRE_TEST(no_window_update_goes_to_a_peer_that_has_closed),
          WIRE_TEST(a_scaled_window_is_taken_to_its_last_byte),
          WIRE_TEST(a_larger_buffer_opens_a_shut_window),
          WIRE_TEST(an_old_timestamp_is_seen_before_the_sequence_number),
          WIRE_TEST(segments_without_timestamps_are_dropped_in_every_state),
          WIRE_TEST(empty_segments_are_numbered_by_snd_nxt),
          WIRE_TEST(an_empty_ack_ahead_of_a_hole_changes_nothing),
          WIRE_TEST(a_small_mss_does_not_stall),
          WIRE_TEST(a_window_below_one_segment_of_a_large_device_does_not_stall))
