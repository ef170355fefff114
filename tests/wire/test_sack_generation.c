/* What our SACK blocks say (RFC 2018 4). Segments have 500 bytes; segment n starts at 1 + 500 n. */
#include "lib/wire.h"

static uint32_t at(uint32_t segment)
{
    return 1 + 500 * segment;
}

static void segment(struct wire *w, uint32_t n)
{
    IN(w, .flags = ACK, .seq = at(n), .ack = 1, .len = 500);
}

/* RFC 2018 7 case 2: the first is lost, each ACK's block grows */
SCENARIO(one_hole_is_reported_by_one_growing_block)
{
    wire_passive(w);
    for (uint32_t n = 1; n < 8; n++) {
        segment(w, n);
        OUT(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(1), at(n + 1)}});
        QUIET(w);
    }
    segment(w, 0);
    OUT(w, .flags = ACK, .seq = 1, .ack = at(8));
    QUIET(w);
    READ(w, 8 * 500);
}

/* RFC 2018 7 case 3: every second is lost; most recent first (2018-4b, 2018-4c, 2018-4d, G166) */
SCENARIO(several_holes_are_reported_most_recent_first)
{
    wire_passive(w);
    segment(w, 1);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(1), at(2)}});
    segment(w, 3);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(3), at(4)}, {at(1), at(2)}});
    segment(w, 5);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1,
        .sack = {{at(5), at(6)}, {at(3), at(4)}, {at(1), at(2)}});
    segment(w, 7);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1,
        .sack = {{at(7), at(8)}, {at(5), at(6)}, {at(3), at(4)}, {at(1), at(2)}});
    segment(w, 9); /* four fit */
    OUT(w, .flags = ACK, .seq = 1, .ack = 1,
        .sack = {{at(9), at(10)}, {at(7), at(8)}, {at(5), at(6)}, {at(3), at(4)}});
    segment(w, 2); /* joins 1 and 3 */
    OUT(w, .flags = ACK, .seq = 1, .ack = 1,
        .sack = {{at(1), at(4)}, {at(9), at(10)}, {at(7), at(8)}, {at(5), at(6)}});
    segment(w, 0); /* G159: what became in order is reported no more */
    OUT(w, .flags = ACK, .seq = 1, .ack = at(4),
        .sack = {{at(9), at(10)}, {at(7), at(8)}, {at(5), at(6)}});
}

SCENARIO(with_timestamps_three_blocks_fit)
{
    w->peer.ts = true;
    wire_passive(w);
    for (uint32_t n = 1; n <= 5; n += 2) {
        segment(w, n);
        static struct wire_packet p;
        assert_true(wire_poll(w, &p));
    }
    segment(w, 7);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1,
        .sack = {{at(7), at(8)}, {at(5), at(6)}, {at(3), at(4)}});
}

/* 2018-4a */
SCENARIO(without_sack_permitted_there_are_no_blocks)
{
    w->peer.sackok = false;
    wire_passive(w);
    segment(w, 1);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    segment(w, 2);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    QUIET(w);
}

SCENARIO(it_is_not_offered_when_it_is_configured_away)
{
    w->config.sack = 0;
    wire_passive(w);
    assert_false(wire_conn(w)->our_sack);
    segment(w, 1);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
}

/* our data carries them as well, at the price of payload */
SCENARIO(data_segments_carry_blocks_and_stay_within_the_mtu)
{
    wire_passive(w);
    segment(w, 1);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(1), at(2)}});
    WRITE(w, 5000);
    static struct wire_packet p;
    uint32_t sent = 0;
    while (wire_poll(w, &p))
        sent += p.payload_len;
    assert_int_equal(sent, 5000);
}

/* a FIN takes a sequence number: told, the sender knows its last segment to have come */
SCENARIO(the_block_of_a_fin_behind_a_hole_covers_it)
{
    wire_passive(w);
    IN(w, .flags = FIN | ACK, .seq = at(1), .ack = 1, .len = 500);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(1), at(2) + 1}});
    segment(w, 0);
    OUT(w, .flags = ACK, .seq = 1, .ack = at(2) + 1);
    STATE(w, TCP_CLOSE_WAIT);
}

/* 2018-8b: of two ranges the farthest gives way to a third */
SCENARIO(what_was_discarded_is_reported_no_more)
{
    w->config.ooo_ranges_max = 2;
    wire_passive(w);
    segment(w, 5);
    segment(w, 3);
    wire_skip_to(w, w->now_us);
    segment(w, 1);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(1), at(2)}, {at(3), at(4)}});
    segment(w, 2); /* and the next block has what is there only */
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(1), at(4)}});
    segment(w, 0);
    OUT(w, .flags = ACK, .seq = 1, .ack = at(4));
}

/* 28 octets a segment: two blocks take 20, and the third would leave no room for data */
SCENARIO(on_a_narrow_path_blocks_leave_room_for_data)
{
    w->config.mss_min_bytes = 8;
    w->peer.mss = 28;
    wire_passive(w);
    for (uint32_t n = 1; n <= 5; n += 2) {
        segment(w, n);
        static struct wire_packet p;
        assert_true(wire_poll(w, &p));
        assert_true(p.len <= 68);
    }
    WRITE(w, 16);
    for (uint32_t seq = 1; seq < 17; seq += 8)
        OUT(w, .flags = ACK, .seq = seq, .ack = 1, .len = 8, .sack = {{at(5), at(6)}, {at(3), at(4)}});
    QUIET(w);
}

WIRE_MAIN(WIRE_TEST(one_hole_is_reported_by_one_growing_block),
          WIRE_TEST(several_holes_are_reported_most_recent_first),
          WIRE_TEST(with_timestamps_three_blocks_fit),
          WIRE_TEST(without_sack_permitted_there_are_no_blocks),
          WIRE_TEST(it_is_not_offered_when_it_is_configured_away),
          WIRE_TEST(data_segments_carry_blocks_and_stay_within_the_mtu),
          WIRE_TEST(the_block_of_a_fin_behind_a_hole_covers_it),
          WIRE_TEST(what_was_discarded_is_reported_no_more),
          WIRE_TEST(on_a_narrow_path_blocks_leave_room_for_data))
