/* Super-segments, in and out: the same as many of the MSS. */
#include "lib/wire.h"

enum { MSS = 1460 };

static struct wire_packet p;

static void drain(struct wire *w)
{
    while (wire_poll(w, &p))
        continue;
}

/* V04 */
SCENARIO(a_received_super_segment_is_one_segment_with_one_ack)
{
    wire_passive(w);
    IN(w, .flags = PSH | ACK, .seq = 1, .ack = 1, .len = 44 * MSS, .gso_size = MSS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1 + 44 * MSS);
    QUIET(w);
    READ(w, 44 * MSS);
    assert_int_equal(wire_stats(w).segments_in, 3);
}

/* it holds more than two segments, so that its ACK is never delayed */
SCENARIO(its_ack_is_not_delayed)
{
    w->config.quick_acks = 0;
    wire_passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 2 * MSS, .gso_size = MSS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1 + 2 * MSS);
    QUIET(w);
}

/* V04 */
SCENARIO(a_super_segment_with_fin_closes)
{
    wire_passive(w);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = 10 * MSS, .gso_size = MSS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 2 + 10 * MSS);
    READ(w, 10 * MSS);
    wire_eof(w);
}

/* V04 */
SCENARIO(a_super_segment_beyond_the_window_is_trimmed)
{
    w->config.rcvbuf_bytes = 20000;
    wire_passive(w);
    uint32_t wnd = wire_info(w).rcv_wnd;
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 60000, .gso_size = MSS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1 + wnd, .wnd = WND_ZERO);
    READ(w, wnd);
    wire_again(w);
}

/* V04 */
SCENARIO(super_segments_out_of_order_and_overlapping_are_joined)
{
    wire_passive(w);
    IN(w, .flags = ACK, .seq = 1 + 20 * MSS, .ack = 1, .len = 20 * MSS, .gso_size = MSS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{1 + 20 * MSS, 1 + 40 * MSS}});
    IN(w, .flags = ACK, .seq = 1 + 10 * MSS, .ack = 1, .len = 20 * MSS, .gso_size = MSS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1,
        .sack = {{1 + 20 * MSS, 1 + 30 * MSS}, {1 + 10 * MSS, 1 + 40 * MSS}});
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 44 * MSS, .gso_size = MSS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1 + 44 * MSS,
        .sack = {{1 + 10 * MSS, 1 + 40 * MSS}});
    READ(w, 44 * MSS);
}

/* V04: metamorphic: any cutting of a stream delivers the same bytes and ends with the same ACK */
SCENARIO(any_cutting_into_segments_delivers_the_same)
{
    static const uint32_t cuts[][4] = {{1, 1, 1, 1}, {2, 2, 2, 2}, {10, 1, 4, 1}, {40, 3, 1, 8}};
    for (unsigned i = 0; i < 4; i++) {
        w->peer_port++;
        wire_passive(w);
        uint32_t at = 0, turn = 0;
        while (at < 100) {
            uint32_t n = cuts[i][turn++ % 4];
            n = n > 100 - at ? 100 - at : n;
            IN(w, .flags = ACK, .seq = 1 + at * MSS, .ack = 1, .len = n * MSS,
               .gso_size = n > 1 ? MSS : 0);
            drain(w);
            at += n;
        }
        assert_int_equal(wire_conn(w)->ack_high, 1 + 100 * MSS);
        READ(w, 100 * MSS);
        wire_again(w);
    }
}

/* --- out --- */

static void offloading(struct wire *w)
{
    w->config.gso_max_bytes = 65535;
    w->config.tx_csum = 1;
    wire_passive(w);
}

SCENARIO(much_data_leaves_in_one_super_segment)
{
    offloading(w);
    WRITE(w, 10 * MSS);
    OUT(w, .flags = PSH | ACK, .seq = 1, .ack = 1, .len = 10 * MSS, .gso_size = MSS);
    QUIET(w);
}

SCENARIO(one_segments_worth_is_no_super_segment)
{
    offloading(w);
    WRITE(w, MSS);
    const struct wire_packet *one = OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    assert_int_equal(one->gso_size, 0);
    assert_true(one->needs_csum);
}

/* a partial last piece may ride along, but not against Nagle */
SCENARIO(the_stream_is_the_same_as_without_super_segments)
{
    offloading(w);
    wire_set(w, IPPROTO_TCP, TCP_NODELAY, 1);
    uint32_t end = 1;
    WRITE(w, 300000);
    for (int turn = 0; turn < 100 && end < 300001; turn++) {
        while (wire_poll(w, &p)) {
            assert_int_equal(p.seq - wire_conn(w)->iss, end); /* no gap, no repetition */
            end += p.payload_len;
        }
        w->now_us += 10 * MS;
        IN(w, .flags = ACK, .seq = 1, .ack = end);
    }
    assert_int_equal(end, 300001);
    assert_int_equal(wire_stats(w).retransmitted_segments, 0);
}

SCENARIO(a_super_segment_stays_within_the_peers_window)
{
    w->wnd = 5 * MSS + 700; /* asserted by the harness */
    w->peer.wscale = 0;
    offloading(w);
    WRITE(w, 20 * MSS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 5 * MSS, .gso_size = MSS);
    QUIET(w);
}

SCENARIO(with_timestamps_the_pieces_are_12_bytes_shorter)
{
    w->peer.ts = true;
    offloading(w);
    WRITE(w, 10 * 1448);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10 * 1448, .gso_size = 1448);
}

SCENARIO(a_lost_super_segment_comes_again_by_timeout_in_its_first_piece)
{
    offloading(w);
    WRITE(w, 10 * MSS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10 * MSS, .gso_size = MSS);
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    QUIET(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1 + MSS);
    OUT(w, .flags = ACK, .seq = 1 + MSS, .ack = 1, .len = 2 * MSS, .gso_size = MSS);
    QUIET(w);
}

SCENARIO(an_ack_into_the_middle_of_a_super_segment_counts)
{
    offloading(w);
    WRITE(w, 10 * MSS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10 * MSS, .gso_size = MSS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1 + 3 * MSS + 7);
    assert_int_equal(wire_info(w).send_unacked, 7 * MSS - 7);
}

/* 9293-SHLD-28; the checksum of data sent without tx_csum is full even in offload setups of GSO 0
 * */
SCENARIO(without_offloads_everything_is_plain)
{
    wire_passive(w);
    WRITE(w, 10 * MSS);
    for (uint32_t i = 0; i < 10; i++) {
        const struct wire_packet *one =
            OUT(w, .flags = ACK, .seq = 1 + i * MSS, .ack = 1, .len = MSS);
        assert_true(one->gso_size == 0 && !one->needs_csum);
    }
}

WIRE_MAIN(WIRE_TEST(a_received_super_segment_is_one_segment_with_one_ack),
          WIRE_TEST(its_ack_is_not_delayed), WIRE_TEST(a_super_segment_with_fin_closes),
          WIRE_TEST(a_super_segment_beyond_the_window_is_trimmed),
          WIRE_TEST(super_segments_out_of_order_and_overlapping_are_joined),
          WIRE_TEST(any_cutting_into_segments_delivers_the_same),
          WIRE_TEST(much_data_leaves_in_one_super_segment),
          WIRE_TEST(one_segments_worth_is_no_super_segment),
          WIRE_TEST(the_stream_is_the_same_as_without_super_segments),
          WIRE_TEST(a_super_segment_stays_within_the_peers_window),
          WIRE_TEST(with_timestamps_the_pieces_are_12_bytes_shorter),
          WIRE_TEST(a_lost_super_segment_comes_again_by_timeout_in_its_first_piece),
          WIRE_TEST(an_ack_into_the_middle_of_a_super_segment_counts),
          WIRE_TEST(without_offloads_everything_is_plain))
