/* When an ACK waits and when it does not (RFC 9293 3.8.6.3, RFC 5681 4.2). */
#include "lib/wire.h"

enum { MSS = 1460 };

static void no_quick_acks(struct wire *w)
{
    w->config.quick_acks = 0;
    wire_passive(w);
}

/* 5681-4.2a, 9293-SHLD-18, 9293-MUST-40 */
SCENARIO(one_segment_is_acknowledged_after_40_ms)
{
    no_quick_acks(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    AT(w, 40 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1 + MSS);
    QUIET(w);
    assert_int_equal(mytcp_next_deadline(w->stack), MYTCP_NEVER_US);
}

/* 5681-4.2b, 2525-2.13, G078, 9293-SHLD-19 */
SCENARIO(the_second_full_segment_is_acknowledged_at_once)
{
    no_quick_acks(w);
    for (uint32_t i = 0; i < 5; i++) {
        IN(w, .flags = ACK, .seq = 1 + 2 * i * MSS, .ack = 1, .len = MSS);
        QUIET(w);
        IN(w, .flags = ACK, .seq = 1 + (2 * i + 1) * MSS, .ack = 1, .len = MSS);
        OUT(w, .flags = ACK, .seq = 1, .ack = 1 + 2 * (i + 1) * MSS);
        QUIET(w);
    }
}

/* 5681-4.2a */
SCENARIO(the_time_counts_from_the_first_unacknowledged_segment)
{
    no_quick_acks(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    AT(w, 30 * MS);
    IN(w, .flags = ACK, .seq = 101, .ack = 1, .len = 100);
    AT(w, 40 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 201);
}

SCENARIO(its_time_is_a_setting)
{
    w->config.delayed_ack_us = 200000;
    no_quick_acks(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    AT(w, 200 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1 + MSS);
}

SCENARIO(how_many_segments_share_an_ack_is_a_setting)
{
    w->config.ack_every_segments = 4;
    no_quick_acks(w);
    for (uint32_t i = 0; i < 3; i++) {
        IN(w, .flags = ACK, .seq = 1 + i * MSS, .ack = 1, .len = MSS);
        QUIET(w);
    }
    IN(w, .flags = ACK, .seq = 1 + 3 * MSS, .ack = 1, .len = MSS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1 + 4 * MSS);
}

SCENARIO(the_first_segments_are_acknowledged_at_once)
{
    w->config.quick_acks = 3;
    wire_passive(w);
    for (uint32_t i = 0; i < 3; i++) {
        IN(w, .flags = ACK, .seq = 1 + i * MSS, .ack = 1, .len = MSS);
        OUT(w, .flags = ACK, .seq = 1, .ack = 1 + (i + 1) * MSS);
    }
    IN(w, .flags = ACK, .seq = 1 + 3 * MSS, .ack = 1, .len = MSS);
    MARK(w);
    AT(w, 40 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1 + 4 * MSS);
}

SCENARIO(after_a_delay_in_vain_the_next_are_acknowledged_at_once)
{
    w->config.quick_acks = 2;
    wire_passive(w);
    uint32_t at = 1;
    for (int round = 0; round < 3; round++) {
        for (int i = round ? 1 : 0; i < 2; i++, at += 100) { /* the late one was the first of them */
            IN(w, .flags = ACK, .seq = at, .ack = 1, .len = 100);
            OUT(w, .flags = ACK, .seq = 1, .ack = at + 100);
        }
        IN(w, .flags = ACK, .seq = at, .ack = 1, .len = 100);
        at += 100;
        MARK(w);
        AT(w, 40 * MS);
        OUT(w, .flags = ACK, .seq = 1, .ack = at);
    }
}

/* The peer's Nagle holds back its second write until the first is acknowledged, and we answer both: a delay
 * each time would cost 40 ms for every request, and costs them for one in eight. */
SCENARIO(write_write_read_hardly_ever_waits_for_a_delayed_ack)
{
    static struct wire_packet p;
    wire_passive(w);
    unsigned delays = 0;
    uint32_t theirs = 1, ours = 1;
    for (int request = 0; request < 32; request++) {
        IN(w, .flags = PSH | ACK, .seq = theirs, .ack = ours, .len = 100);
        theirs += 100;
        READ(w, 100);
        if (!wire_poll(w, &p)) {
            MARK(w);
            AT(w, 40 * MS);
            OUT(w, .flags = ACK, .seq = ours, .ack = theirs);
            delays++;
        }
        IN(w, .flags = PSH | ACK, .seq = theirs, .ack = ours, .len = 100);
        theirs += 100;
        READ(w, 100);
        WRITE(w, 50);
        OUT(w, .flags = PSH | ACK, .seq = ours, .ack = theirs, .len = 50);
        ours += 50;
        QUIET(w);
    }
    assert_in_range(delays, 1, 4);
}

/* 9293-SA-TXT-3: data of ours takes the ACK along */
SCENARIO(outgoing_data_carries_the_ack)
{
    no_quick_acks(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    AT(w, 10 * MS);
    WRITE(w, 200);
    OUT(w, .flags = ACK, .seq = 1, .ack = 101, .len = 200);
    AT(w, 100 * MS);
    QUIET(w);
}

/* 9293-MAY-13, 5681-4.2b, 5681-3.2a */
SCENARIO(a_segment_out_of_order_is_acknowledged_at_once)
{
    no_quick_acks(w);
    IN(w, .flags = ACK, .seq = 101, .ack = 1, .len = 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{101, 201}});
    IN(w, .flags = ACK, .seq = 301, .ack = 1, .len = 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{301, 401}, {101, 201}});
    QUIET(w);
}

/* 5681-3.2b */
SCENARIO(a_segment_that_fills_a_hole_in_part_is_acknowledged_at_once)
{
    no_quick_acks(w);
    IN(w, .flags = ACK, .seq = 201, .ack = 1, .len = 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{201, 301}});
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 50);
    OUT(w, .flags = ACK, .seq = 1, .ack = 51, .sack = {{201, 301}});
    IN(w, .flags = ACK, .seq = 51, .ack = 1, .len = 150);
    OUT(w, .flags = ACK, .seq = 1, .ack = 301);
    QUIET(w);
}

SCENARIO(a_duplicate_is_acknowledged_at_once)
{
    no_quick_acks(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    AT(w, 40 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 101);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 101, .sack = {{1, 101}});
    QUIET(w);
}

SCENARIO(a_fin_is_acknowledged_at_once)
{
    no_quick_acks(w);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 102);
    QUIET(w);
}

/* 9293-MUST-58, 9293-MUST-59: a batch is acknowledged as one */
SCENARIO(segments_that_came_together_draw_one_ack)
{
    no_quick_acks(w);
    for (uint32_t i = 0; i < 10; i++)
        IN(w, .flags = ACK, .seq = 1 + i * MSS, .ack = 1, .len = MSS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1 + 10 * MSS);
    QUIET(w);
}

SCENARIO(an_ack_is_never_acknowledged)
{
    no_quick_acks(w);
    for (int i = 0; i < 10; i++)
        IN(w, .flags = ACK, .seq = 1, .ack = 1);
    AT(w, 10 * SEC);
    QUIET(w);
}

/* 2525-2.13: "full-sized" has the options counted */
SCENARIO(with_timestamps_the_second_full_segment_is_acknowledged_at_once_too)
{
    enum { FULL = MSS - 12 };
    w->peer.ts = true;
    no_quick_acks(w);
    for (uint32_t i = 0; i < 20; i++) {
        IN(w, .flags = ACK, .seq = 1 + 2 * i * FULL, .ack = 1, .len = FULL);
        QUIET(w);
        IN(w, .flags = ACK, .seq = 1 + (2 * i + 1) * FULL, .ack = 1, .len = FULL);
        OUT(w, .flags = ACK, .seq = 1, .ack = 1 + 2 * (i + 1) * FULL);
        QUIET(w);
    }
}

SCENARIO(with_no_delay_each_segment_is_acknowledged_at_once)
{
    w->config.quick_acks = 0;
    w->config.delayed_ack_us = 0;
    wire_passive(w);
    for (uint32_t end = 11; end <= 41; end += 10) {
        IN(w, .flags = ACK, .seq = end - 10, .ack = 1, .len = 10);
        OUT(w, .flags = ACK, .seq = 1, .ack = end);
        QUIET(w);
    }
}

SCENARIO(an_ack_that_waits_goes_when_the_application_is_in_a_hurry)
{
    no_quick_acks(w);
    wire_set(w, IPPROTO_TCP, TCP_QUICKACK, 1); /* nothing waits */
    QUIET(w);
    wire_set(w, IPPROTO_TCP, TCP_QUICKACK, 0);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    QUIET(w);
    wire_set(w, IPPROTO_TCP, TCP_QUICKACK, 1);
    OUT(w, .flags = ACK, .seq = 1, .ack = 101);
    QUIET(w);
}

/* a write that cannot go does not swallow the ACK that is due */
SCENARIO(an_ack_that_is_due_goes_though_a_write_must_wait)
{
    wire_passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1460, .wnd = WND_ZERO);
    IN(w, .flags = ACK, .seq = 1461, .ack = 1, .len = 1460, .wnd = WND_ZERO);
    WRITE(w, 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 2921);
    QUIET(w);
}

WIRE_MAIN(WIRE_TEST(one_segment_is_acknowledged_after_40_ms),
          WIRE_TEST(the_second_full_segment_is_acknowledged_at_once),
          WIRE_TEST(the_time_counts_from_the_first_unacknowledged_segment),
          WIRE_TEST(its_time_is_a_setting), WIRE_TEST(how_many_segments_share_an_ack_is_a_setting),
          WIRE_TEST(the_first_segments_are_acknowledged_at_once),
          WIRE_TEST(after_a_delay_in_vain_the_next_are_acknowledged_at_once),
          WIRE_TEST(write_write_read_hardly_ever_waits_for_a_delayed_ack),
          WIRE_TEST(outgoing_data_carries_the_ack),
          WIRE_TEST(a_segment_out_of_order_is_acknowledged_at_once),
          WIRE_TEST(a_segment_that_fills_a_hole_in_part_is_acknowledged_at_once),
          WIRE_TEST(a_duplicate_is_acknowledged_at_once), WIRE_TEST(a_fin_is_acknowledged_at_once),
          WIRE_TEST(segments_that_came_together_draw_one_ack),
          WIRE_TEST(an_ack_is_never_acknowledged),
          WIRE_TEST(an_ack_that_waits_goes_when_the_application_is_in_a_hurry),
          WIRE_TEST(with_timestamps_the_second_full_segment_is_acknowledged_at_once_too),
          WIRE_TEST(with_no_delay_each_segment_is_acknowledged_at_once),
          WIRE_TEST(an_ack_that_is_due_goes_though_a_write_must_wait))
