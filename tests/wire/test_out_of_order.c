/* Segments out of order: kept, joined, trimmed, bounded (RFC 9293 3.10.7.4). */
#include "lib/wire.h"

static struct wire_packet seen;

static void drain(struct wire *w)
{
    while (wire_poll(w, &seen))
        continue;
}

static void piece(struct wire *w, uint32_t from, uint32_t to, bool garbage)
{
    IN(w, .flags = ACK, .seq = 1 + from, .ack = 1, .len = to - from, .garbage = garbage);
    drain(w);
}

/* 9293-SA-SEQ-7, 9293-SHLD-31, 2525-2.5, G170 */
SCENARIO(any_order_of_five_segments_delivers_the_stream)
{
    static const uint8_t orders[][5] = {{4, 3, 2, 1, 0}, {1, 0, 3, 2, 4}, {2, 4, 0, 1, 3},
                                        {0, 2, 4, 3, 1}, {3, 1, 4, 2, 0}, {4, 0, 3, 1, 2}};
    wire_passive(w);
    for (unsigned o = 0; o < 6; o++) {
        for (unsigned i = 0; i < 5; i++)
            piece(w, 500 * o + 100u * orders[o][i], 500 * o + 100u * orders[o][i] + 100, false);
        READ(w, 500);
        wire_again(w);
    }
}

/* 9293-SA-SEQ-7, 9293-RECV-3, 9293-SA-TXT-1 */
SCENARIO(nothing_is_delivered_before_the_hole_is_filled)
{
    wire_passive(w);
    piece(w, 100, 300, false);
    wire_again(w);
    assert_int_equal(wire_ready(w, w->fd) & POLLIN, 0);
    piece(w, 0, 99, false);
    READ(w, 99);
    wire_again(w);
    piece(w, 99, 100, false);
    READ(w, 201);
}

/* 9293-SA-SEQ-6: first arrival of a byte wins, so that nobody rewrites the stream later */
SCENARIO(overlaps_do_not_replace_what_came_first)
{
    wire_passive(w);
    piece(w, 100, 200, false);
    piece(w, 100, 200, true);
    piece(w, 120, 150, true);
    piece(w, 300, 400, false);
    piece(w, 0, 100, false);
    piece(w, 200, 300, false);
    piece(w, 0, 400, true);
    READ(w, 400);
}

/* G157, G165 */
SCENARIO(a_segment_over_several_holes_fills_them_all)
{
    wire_passive(w);
    piece(w, 100, 200, false);
    piece(w, 300, 400, false);
    piece(w, 500, 600, false);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 700);
    OUT(w, .flags = ACK, .seq = 1, .ack = 701, .sack = {{101, 201}});
    READ(w, 700);
}

SCENARIO(duplicates_out_of_order_are_acknowledged_and_change_nothing)
{
    wire_passive(w);
    piece(w, 100, 200, false);
    uint32_t held = wire_info(w).recv_out_of_order;
    IN(w, .flags = ACK, .seq = 101, .ack = 1, .len = 100);
    assert_true(wire_poll(w, &seen));
    assert_int_equal(seen.ack - wire_conn(w)->irs, 1);
    assert_int_equal(wire_info(w).recv_out_of_order, held);
}

/* R10, G127, G162: a full table never keeps the in-order segment out */
SCENARIO(the_in_order_segment_is_taken_when_the_ranges_are_used_up)
{
    w->config.ooo_ranges_max = 4;
    wire_passive(w);
    for (uint32_t i = 1; i <= 10; i++)
        piece(w, 200 * i, 200 * i + 100, false);
    piece(w, 0, 200, false);
    READ(w, 300);
    for (uint32_t i = 1; i <= 10; i++) /* what was dropped comes again */
        piece(w, 200 * i, 200 * i + 200, false);
    READ(w, 1900);
}

/* D12: the farthest gives way to a nearer one */
SCENARIO(beyond_the_limit_nearer_ranges_are_kept)
{
    w->config.ooo_ranges_max = 2;
    wire_passive(w);
    piece(w, 1000, 1100, false);
    piece(w, 800, 900, false);
    piece(w, 600, 700, false);
    piece(w, 0, 600, false);
    READ(w, 700);
    piece(w, 700, 800, false);
    READ(w, 200);
}

/* R09: however small the segments, what they hold is paid for by the buffer */
SCENARIO(bytes_out_of_order_hold_no_more_memory_than_twice_the_buffer)
{
    enum { BUFFER = 16384, BYTES = 2000 };
    w->config.rcvbuf_bytes = w->config.rcvbuf_max_bytes = BUFFER;
    wire_passive(w);
    struct mytcp_stats before = wire_stats(w);
    for (uint32_t i = 1; i < BYTES; i += 2)
        piece(w, i, i + 1, false);
    struct mytcp_stats after = wire_stats(w);
    uint64_t cached = after.memory_cached_bytes - before.memory_cached_bytes;
    assert_in_range(after.memory_bytes - before.memory_bytes - cached, BUFFER, 2 * BUFFER);
    for (uint32_t i = 0; i < BYTES; i++)
        piece(w, i, i + 1, false);
    READ(w, BYTES);
}

/* R09: bytes one by one, every second missing; all is bounded and right in the end */
SCENARIO(one_byte_segments_in_reverse_are_taken)
{
    w->config.quick_acks = 0;
    wire_passive(w);
    for (uint32_t i = 400; i-- > 1;)
        if (i % 2)
            piece(w, i, i + 1, false);
    for (uint32_t i = 400; i-- > 0;)
        if (i % 2 == 0)
            piece(w, i, i + 1, false);
    for (uint32_t i = 0; i < 400; i++)
        piece(w, i, i + 1, false);
    READ(w, 400);
}

/* G158: at the window's right edge */
SCENARIO(a_longer_copy_at_the_windows_edge_is_trimmed)
{
    w->config.rcvbuf_bytes = 8192;
    wire_passive(w);
    uint32_t wnd = wire_info(w).rcv_wnd;
    piece(w, wnd - 100, wnd, false);
    piece(w, wnd - 100, wnd + 400, true);
    assert_int_equal(wire_info(w).recv_out_of_order, 100);
    for (uint32_t at = 0; at < wnd - 100; at += 700)
        piece(w, at, at + 700 > wnd - 100 ? wnd - 100 : at + 700, false);
    READ(w, wnd);
}

SCENARIO(a_reset_frees_what_waits_out_of_order)
{
    wire_passive(w);
    piece(w, 1000, 2000, false);
    IN(w, .flags = RST, .seq = 1);
    STATE(w, TCP_CLOSE);
    assert_int_equal(wire_info(w).recv_out_of_order, 0);
}

WIRE_MAIN(WIRE_TEST(any_order_of_five_segments_delivers_the_stream),
          WIRE_TEST(nothing_is_delivered_before_the_hole_is_filled),
          WIRE_TEST(overlaps_do_not_replace_what_came_first),
          WIRE_TEST(a_segment_over_several_holes_fills_them_all),
          WIRE_TEST(duplicates_out_of_order_are_acknowledged_and_change_nothing),
          WIRE_TEST(the_in_order_segment_is_taken_when_the_ranges_are_used_up),
          WIRE_TEST(beyond_the_limit_nearer_ranges_are_kept),
          WIRE_TEST(bytes_out_of_order_hold_no_more_memory_than_twice_the_buffer),
          WIRE_TEST(one_byte_segments_in_reverse_are_taken),
          WIRE_TEST(a_longer_copy_at_the_windows_edge_is_trimmed),
          WIRE_TEST(a_reset_frees_what_waits_out_of_order))
