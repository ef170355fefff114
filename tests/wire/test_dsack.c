/* Duplicates reported by D-SACK (RFC 2883). The stream's byte 1 + n is the RFC's byte n. */
#include "lib/wire.h"

static uint32_t at(uint32_t n)
{
    return 1 + n;
}

/* Bytes [from, to) of the RFC's come. */
static void data(struct wire *w, uint32_t from, uint32_t to)
{
    IN(w, .flags = ACK, .seq = at(from), .ack = 1, .len = to - from);
}

#define ANSWER(w, n, ...)                                                                          \
    OUT(w, .flags = ACK, .seq = 1, .ack = at(n), .sack = {__VA_ARGS__});                           \
    QUIET(w)
#define PLAIN(w, n)                                                                                \
    OUT(w, .flags = ACK, .seq = 1, .ack = at(n));                                                  \
    QUIET(w)
#define B(from, to) {at(from), at(to)}

/* Everything below `end` has come, in segments of 500. */
static void received(struct wire *w, uint32_t end)
{
    wire_passive(w);
    for (uint32_t n = 0; n < end; n += 500) {
        data(w, n, n + 500);
        OUT(w, .flags = ACK, .seq = 1, .ack = at(n + 500));
    }
}

/* RFC 2883 4.1.1 (2883-1, -2: and the next ACK has none) */
SCENARIO(example_1_a_duplicate_segment)
{
    received(w, 4000);
    data(w, 3000, 3500);
    ANSWER(w, 4000, B(3000, 3500));
    data(w, 4000, 4500);
    PLAIN(w, 4500);
}

/* RFC 2883 4.1.2 */
SCENARIO(example_2_an_out_of_order_segment_and_a_duplicate)
{
    received(w, 4000);
    data(w, 4500, 5000);
    ANSWER(w, 4000, B(4500, 5000));
    data(w, 3000, 3500);
    ANSWER(w, 4000, B(3000, 3500), B(4500, 5000));
    data(w, 5000, 5500);
    ANSWER(w, 4000, B(4500, 5500));
}

/* RFC 2883 4.1.3 (2883-3) */
SCENARIO(example_3_a_duplicate_of_an_out_of_order_segment)
{
    received(w, 4000);
    data(w, 4500, 5000);
    ANSWER(w, 4000, B(4500, 5000));
    data(w, 5000, 5500);
    ANSWER(w, 4000, B(4500, 5500));
    data(w, 5000, 5500);
    ANSWER(w, 4000, B(5000, 5500), B(4500, 5500));
}

/* RFC 2883 4.2.1 */
SCENARIO(example_4_one_duplicate_part)
{
    received(w, 1000);
    data(w, 2000, 2500);
    ANSWER(w, 1000, B(2000, 2500));
    data(w, 1000, 1500);
    ANSWER(w, 1500, B(2000, 2500));
    data(w, 1000, 2000);
    ANSWER(w, 2500, B(1000, 1500));
}

/* RFC 2883 4.2.2 (2883-4) */
SCENARIO(example_5_of_two_duplicate_parts_below_the_ack_the_first)
{
    received(w, 1000);
    data(w, 3000, 3500);
    ANSWER(w, 1000, B(3000, 3500));
    data(w, 1000, 1500);
    ANSWER(w, 1500, B(3000, 3500));
    data(w, 2000, 2500);
    ANSWER(w, 1500, B(2000, 2500), B(3000, 3500));
    data(w, 1000, 2500);
    ANSWER(w, 2500, B(1000, 1500), B(3000, 3500));
}

/* RFC 2883 4.2.3 (2883-4) */
SCENARIO(example_6_of_two_duplicate_parts_above_the_ack_the_first)
{
    received(w, 1000);
    data(w, 3500, 4000);
    ANSWER(w, 1000, B(3500, 4000));
    data(w, 1500, 2000);
    ANSWER(w, 1000, B(1500, 2000), B(3500, 4000));
    data(w, 2500, 3000); /* the RFC's 2000-2499, which its last line has as part of 1500-3000 */
    ANSWER(w, 1000, B(2500, 3000), B(1500, 2000), B(3500, 4000));
    data(w, 1500, 3000);
    ANSWER(w, 1000, B(1500, 2000), B(1500, 3000), B(3500, 4000));
}

/* In order, but with its end in what came out of order. */
SCENARIO(a_segment_that_fills_a_hole_and_more_reports_the_rest)
{
    received(w, 1000);
    data(w, 1500, 2000);
    ANSWER(w, 1000, B(1500, 2000));
    data(w, 1000, 1800);
    ANSWER(w, 2000, B(1500, 1800));
}

SCENARIO(without_sack_permitted_no_duplicate_is_reported)
{
    w->peer.sackok = false;
    received(w, 1000);
    data(w, 500, 1000);
    PLAIN(w, 1000);
}

/* RFC 2883 4.3 */
SCENARIO(a_duplicate_that_paws_rejects_is_reported)
{
    w->peer.ts = true;
    w->now_us = 10 * SEC;
    received(w, 1000);
    IN(w, .flags = ACK, .seq = at(0), .ack = 1, .len = 500, .ts = true, .tsval = 1,
       .tsecr = wire_conn(w)->tsval_seen);
    ANSWER(w, 1000, B(0, 500));
}

/* What lies before the first byte was never received. */
SCENARIO(bytes_before_the_stream_are_no_duplicate)
{
    received(w, 1000);
    IN(w, .flags = ACK, .seq = (uint32_t)-400, .ack = 1, .len = 500, .garbage = true);
    PLAIN(w, 1000);
}

SCENARIO(the_duplicate_of_data_before_the_fin_is_reported)
{
    received(w, 1000);
    IN(w, .flags = FIN | ACK, .seq = at(1000), .ack = 1);
    PLAIN(w, 1001);
    data(w, 500, 1000);
    ANSWER(w, 1001, B(500, 1000));
    IN(w, .flags = FIN | ACK, .seq = at(500), .ack = 1, .len = 500);
    ANSWER(w, 1001, B(500, 1000));
}

/* Were it not the one it lies in that comes second, the block would read as an ordinary one. */
SCENARIO(a_duplicate_whose_block_does_not_come_second_is_not_reported)
{
    received(w, 1000);
    data(w, 1500, 2000);
    ANSWER(w, 1000, B(1500, 2000));
    data(w, 1500, 2000);
    data(w, 3000, 3500);
    ANSWER(w, 1000, B(3000, 3500), B(1500, 2000));
}

/* 2883-2: the device would copy the block into every piece of a super-segment */
SCENARIO(data_that_carries_the_report_is_no_super_segment)
{
    w->config.gso_max_bytes = 65535;
    w->config.tx_csum = 1;
    received(w, 1000);
    data(w, 500, 1000);
    WRITE(w, 10000);
    const struct wire_packet *p =
        OUT(w, .flags = ACK, .seq = 1, .ack = at(1000), .len = 1448, .sack = {B(500, 1000)});
    assert_int_equal(p->gso_size, 0);
    p = OUT(w, .flags = ACK, .seq = 1449, .ack = at(1000), .len = 8552);
    assert_int_equal(p->gso_size, 1460);
}

/* RFC 2883 5: a duplicate that is told with a later ACK, and would not be second in it, is an ordinary block there */
SCENARIO(a_duplicate_behind_newer_data_is_not_told)
{
    received(w, 0);
    data(w, 100, 200);
    ANSWER(w, 0, B(100, 200));
    data(w, 100, 150); /* twice; and before that is answered */
    data(w, 300, 400);
    ANSWER(w, 0, B(300, 400), B(100, 200));
}

/* A peer of so small an MSS has room for one block. */
static void one_block(struct wire *w)
{
    w->config.mss_min_bytes = 8;
    w->peer.mss = 24;
    received(w, 0);
}

SCENARIO(where_one_block_has_room_a_duplicate_below_the_ack_is_told_alone)
{
    one_block(w);
    data(w, 0, 50);
    PLAIN(w, 50);
    data(w, 100, 200);
    ANSWER(w, 50, B(100, 200));
    data(w, 0, 50);
    ANSWER(w, 50, B(0, 50));
}

SCENARIO(where_one_block_has_room_a_duplicate_above_the_ack_is_not_told)
{
    one_block(w);
    data(w, 100, 200);
    ANSWER(w, 0, B(100, 200));
    data(w, 100, 150);
    ANSWER(w, 0, B(100, 200));
}

/* a SYN within the stream is challenged (RFC 5961 4.2), not taken for a duplicate of data */
SCENARIO(a_syn_with_data_is_no_duplicate)
{
    wire_passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 101);
    IN(w, .flags = SYN, .seq = 1, .len = 10, .garbage = true);
    OUT(w, .flags = ACK, .seq = 1, .ack = 101);
    QUIET(w);
}

WIRE_MAIN(WIRE_TEST(example_1_a_duplicate_segment),
          WIRE_TEST(example_2_an_out_of_order_segment_and_a_duplicate),
          WIRE_TEST(example_3_a_duplicate_of_an_out_of_order_segment),
          WIRE_TEST(example_4_one_duplicate_part),
          WIRE_TEST(example_5_of_two_duplicate_parts_below_the_ack_the_first),
          WIRE_TEST(example_6_of_two_duplicate_parts_above_the_ack_the_first),
          WIRE_TEST(a_segment_that_fills_a_hole_and_more_reports_the_rest),
          WIRE_TEST(without_sack_permitted_no_duplicate_is_reported),
          WIRE_TEST(a_duplicate_that_paws_rejects_is_reported),
          WIRE_TEST(bytes_before_the_stream_are_no_duplicate),
          WIRE_TEST(the_duplicate_of_data_before_the_fin_is_reported),
          WIRE_TEST(a_duplicate_whose_block_does_not_come_second_is_not_reported),
          WIRE_TEST(data_that_carries_the_report_is_no_super_segment),
          WIRE_TEST(a_duplicate_behind_newer_data_is_not_told),
          WIRE_TEST(where_one_block_has_room_a_duplicate_below_the_ack_is_told_alone),
          WIRE_TEST(where_one_block_has_room_a_duplicate_above_the_ack_is_not_told),
          WIRE_TEST(a_syn_with_data_is_no_duplicate))
