/* Timestamps: what is echoed (RFC 7323 4.3), what PAWS drops (5). */
#include "lib/wire.h"

static void with_timestamps(struct wire *w)
{
    w->peer.ts = true;
    w->config.quick_acks = 0;
    wire_passive(w);
}

static uint32_t peer_clock(const struct wire *w) /* what the handshake's last TSval was */
{
    return (uint32_t)(w->now_us / 1000);
}

/* 7323-3.2b: every segment carries them (asserted by the harness), and the echo is the last TSval
 */
SCENARIO(the_ack_echoes_the_segment_that_it_answers)
{
    with_timestamps(w);
    uint32_t ts = peer_clock(w) + 5;
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100, .ts = true, .tsval = ts);
    AT(w, 40 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 101, .ts = true, .tsecr = ts);
}

/* 7323-4.3a */
SCENARIO(a_delayed_ack_echoes_the_earliest_unacknowledged_segment)
{
    with_timestamps(w);
    uint32_t ts = peer_clock(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100, .ts = true, .tsval = ts + 1);
    IN(w, .flags = ACK, .seq = 101, .ack = 1, .len = 100, .ts = true, .tsval = ts + 2);
    IN(w, .flags = ACK, .seq = 201, .ack = 1, .len = 100, .ts = true, .tsval = ts + 3);
    AT(w, 40 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 301, .ts = true, .tsecr = ts + 1);
}

/* 7323-4.3b, 7323-4.3c, 7323-4.3d */
SCENARIO(a_hole_echoes_the_last_in_order_and_its_filler_the_filler)
{
    with_timestamps(w);
    uint32_t ts = peer_clock(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100, .ts = true, .tsval = ts + 1);
    AT(w, 40 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 101, .ts = true, .tsecr = ts + 1);
    IN(w, .flags = ACK, .seq = 201, .ack = 1, .len = 100, .ts = true, .tsval = ts + 3);
    OUT(w, .flags = ACK, .seq = 1, .ack = 101, .ts = true, .tsecr = ts + 1, .sack = {{201, 301}});
    IN(w, .flags = ACK, .seq = 101, .ack = 1, .len = 100, .ts = true, .tsval = ts + 2);
    OUT(w, .flags = ACK, .seq = 1, .ack = 301, .ts = true, .tsecr = ts + 2);
}

/* 7323-5.3-R1 */
SCENARIO(a_segment_with_an_older_timestamp_draws_an_ack_and_is_dropped)
{
    with_timestamps(w);
    uint32_t ts = peer_clock(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100, .ts = true, .tsval = ts + 10);
    AT(w, 40 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 101);
    assert_string_equal(IN(w, .flags = ACK, .seq = 101, .ack = 1, .len = 100, .garbage = true,
                           .ts = true, .tsval = ts + 9),
                        "paws");
    OUT(w, .flags = ACK, .seq = 1, .ack = 101, .ts = true, .tsecr = ts + 10);
    READ(w, 100);
    wire_again(w);
}

/* 7323-5.3-R4: equal is not older */
SCENARIO(a_segment_with_an_equal_timestamp_is_taken)
{
    with_timestamps(w);
    uint32_t ts = peer_clock(w);
    for (uint32_t i = 0; i < 4; i++)
        assert_string_equal(
            IN(w, .flags = ACK, .seq = 1 + 100 * i, .ack = 1, .len = 100, .ts = true, .tsval = ts),
            "");
    READ(w, 400);
}

/* I05: the comparison is modulo 2^32 */
SCENARIO(timestamps_wrap)
{
    wire_aim(w, false);
    wire_listen(w, 4);
    struct wire_conn *c = wire_conn(w);
    IN(w, .flags = SYN, .mss = 1460, .ts = true, .tsval = 0xfffffff0);
    OUT(w, .flags = SYN | ACK, .ack = 1, .ts = true, .tsecr = 0xfffffff0);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .ts = true, .tsval = 0xfffffff8,
       .tsecr = c->tsval_seen);
    w->fd = mytcp_accept(w->stack, w->listener, NULL, NULL, 0);
    assert_string_equal(IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .ts = true, .tsval = 3,
                           .tsecr = c->tsval_seen),
                        "");
    assert_string_equal(IN(w, .flags = ACK, .seq = 11, .ack = 1, .len = 10, .ts = true,
                           .tsval = 0xffffffff, .tsecr = c->tsval_seen),
                        "paws");
    READ(w, 10);
}

/* G099, 7323-3.2d, 7323-3.2e */
SCENARIO(a_segment_without_timestamps_is_dropped_in_silence)
{
    with_timestamps(w);
    assert_string_equal(IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100, .no_ts = true),
                        "no_timestamp");
    QUIET(w);
    wire_again(w);
    STATE(w, TCP_ESTABLISHED);
}

/* 5961-4.2a: the peer may have rebooted, and offers none any more */
SCENARIO(a_syn_without_timestamps_is_challenged)
{
    with_timestamps(w);
    assert_string_equal(IN(w, .flags = SYN, .seq = 5000, .no_ts = true), "syn_challenged");
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    STATE(w, TCP_ESTABLISHED);
}

/* 7323-5.2a */
SCENARIO(a_rst_is_not_subject_to_paws)
{
    with_timestamps(w);
    IN(w, .flags = RST, .seq = 1, .ts = true, .tsval = 1);
    STATE(w, TCP_CLOSE);
}

SCENARIO(a_rst_needs_no_timestamps)
{
    with_timestamps(w);
    IN(w, .flags = RST, .seq = 1, .no_ts = true);
    STATE(w, TCP_CLOSE);
}

/* B15, 7323-5.3-R3, 7323-4.3d: a spoofed timestamp must not blind PAWS */
SCENARIO(an_unacceptable_segment_does_not_change_what_is_remembered)
{
    with_timestamps(w);
    uint32_t ts = peer_clock(w);
    IN(w, .flags = ACK, .seq = 0x80000000, .ack = 1, .len = 10, .ts = true, .tsval = ts + 1000000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .ts = true, .tsecr = ts);
    IN(w, .flags = ACK, .seq = 5001, .ack = 1, .len = 10, .ts = true, .tsval = ts + 1000000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .ts = true, .tsecr = ts, .sack = {{5001, 5011}});
    assert_string_equal(
        IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .ts = true, .tsval = ts + 1), "");
    READ(w, 10);
}

/* I05, 7323-5.5 */
SCENARIO(after_24_days_of_silence_any_timestamp_is_good)
{
    with_timestamps(w);
    uint32_t ts = peer_clock(w);
    AT(w, 24ull * 24 * 3600 * SEC + 2 * 3600 * SEC);
    MARK(w);
    assert_string_equal(
        IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .ts = true, .tsval = ts - 0x70000000),
        "");
    READ(w, 10);
}

SCENARIO(after_20_days_of_silence_an_old_timestamp_is_still_old)
{
    with_timestamps(w);
    uint32_t ts = peer_clock(w);
    AT(w, 20ull * 24 * 3600 * SEC);
    assert_string_equal(
        IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .ts = true, .tsval = ts - 1), "paws");
}

/* 7323-3.2f */
SCENARIO(timestamps_that_were_not_negotiated_are_ignored)
{
    wire_passive(w);
    assert_string_equal(IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .ts = true, .tsval = 5),
                        "");
    OUT(w, .flags = ACK, .seq = 1, .ack = 11);
    assert_string_equal(IN(w, .flags = ACK, .seq = 11, .ack = 1, .len = 10, .ts = true, .tsval = 3),
                        "");
    OUT(w, .flags = ACK, .seq = 1, .ack = 21);
    READ(w, 20);
}

/* 7323-4.1a, 7323-5.4a */
SCENARIO(our_clock_ticks_once_a_millisecond)
{
    with_timestamps(w);
    WRITE(w, 10);
    uint32_t before = OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10)->tsval;
    IN(w, .flags = ACK, .seq = 1, .ack = 11);
    AT(w, 10 * SEC);
    WRITE(w, 10);
    uint32_t after = OUT(w, .flags = ACK, .seq = 11, .ack = 1, .len = 10)->tsval;
    assert_int_equal(after - before, 10000);
}

/* 7323-7, B10 */
SCENARIO(each_connection_has_an_offset_of_its_own)
{
    uint32_t tsval[4];
    w->peer.ts = true;
    w->rtt_us = 0;
    for (unsigned i = 0; i < 4; i++) {
        w->peer_port++;
        wire_passive(w);
        tsval[i] = wire_conn(w)->tsval_seen;
        for (unsigned k = 0; k < i; k++)
            assert_true(tsval[i] - tsval[k] > 1000 && tsval[k] - tsval[i] > 1000);
    }
}

/* 9293-MUST-16, G226: options shorten the payload, the MSS option stays */
SCENARIO(data_segments_are_12_bytes_shorter)
{
    with_timestamps(w);
    wire_set(w, IPPROTO_TCP, TCP_NODELAY, 1);
    WRITE(w, 2000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1448);
    OUT(w, .flags = ACK, .seq = 1449, .ack = 1, .len = 552);
}

/* 7323-5.2b is a SHOULD: a RST we send in a connection carries them */
SCENARIO(the_rst_of_an_abort_is_accepted_by_the_harness)
{
    struct linger on = {.l_onoff = 1};
    with_timestamps(w);
    assert_int_equal(mytcp_setsockopt(w->stack, w->fd, SOL_SOCKET, SO_LINGER, &on, sizeof(on)), 0);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    OUT(w, .flags = RST | ANYACK, .seq = 1, .ack = 1);
}

/* 7323-5.3-R2: a new timestamp makes nothing acceptable that is outside of the window */
SCENARIO(a_newer_timestamp_does_not_excuse_a_segment_outside_the_window)
{
    with_timestamps(w);
    uint32_t ts = peer_clock(w);
    WRITE(w, 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    assert_string_equal(IN(w, .flags = ACK, .seq = (uint32_t)-999, .ack = 101, .len = 10, .garbage = true,
                           .ts = true, .tsval = ts + 1),
                        "seq_old");
    OUT(w, .flags = ACK, .seq = 101, .ack = 1, .ts = true, .tsecr = ts);
    assert_string_equal(IN(w, .flags = ACK, .seq = 2 + wire_info(w).rcv_wnd, .ack = 101, .len = 10,
                           .garbage = true, .ts = true, .tsval = ts + 1),
                        "seq_beyond");
    OUT(w, .flags = ACK, .seq = 101, .ack = 1, .ts = true, .tsecr = ts);
    assert_int_equal(wire_info(w).send_unacked, 100);
}

/* An echo of before our clock began is no echo of ours: neither a measurement, nor a sign that the first
 * transmission arrived. */
SCENARIO(an_echo_older_than_the_clock_says_nothing)
{
    w->peer.ts = true;
    wire_passive(w);
    WRITE(w, 2000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1448);
    uint32_t sent = OUT(w, .flags = ACK, .seq = 1449, .ack = 1, .len = 552)->tsval;
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1448);
    AT(w, 400 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1449, .ts = true, .tsval = peer_clock(w), .tsecr = sent - (1u << 30));
    OUT(w, .flags = ACK, .seq = 1449, .ack = 1, .len = 552); /* not undone */
    QUIET(w);
    assert_int_equal(wire_info(w).srtt_us, 100 * MS);
}

/* an echo of what we have not said yet measures nothing */
SCENARIO(an_echo_from_the_future_is_no_measurement)
{
    with_timestamps(w);
    uint32_t srtt_us = wire_info(w).srtt_us;
    WRITE(w, 100);
    uint32_t sent = OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100)->tsval;
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100); /* so that only an echo measures */
    AT(w, 320 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 101, .ts = true, .tsval = peer_clock(w), .tsecr = sent + 5000);
    QUIET(w);
    assert_int_equal(wire_info(w).srtt_us, srtt_us);
}

/* nor one on a connection that agreed to none */
SCENARIO(an_echo_without_an_agreement_is_no_measurement)
{
    w->config.tail_loss_probe = false;
    wire_passive(w);
    uint32_t srtt_us = wire_info(w).srtt_us;
    WRITE(w, 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    AT(w, 320 * MS);
    uint32_t now = (uint32_t)(w->now_us / 1000);
    IN(w, .flags = ACK, .seq = 1, .ack = 101, .ts = true, .tsval = now, .tsecr = now - 7000);
    QUIET(w);
    assert_int_equal(wire_info(w).srtt_us, srtt_us);
}

WIRE_MAIN(WIRE_TEST(the_ack_echoes_the_segment_that_it_answers),
          WIRE_TEST(a_delayed_ack_echoes_the_earliest_unacknowledged_segment),
          WIRE_TEST(a_hole_echoes_the_last_in_order_and_its_filler_the_filler),
          WIRE_TEST(a_segment_with_an_older_timestamp_draws_an_ack_and_is_dropped),
          WIRE_TEST(a_segment_with_an_equal_timestamp_is_taken), WIRE_TEST(timestamps_wrap),
          WIRE_TEST(a_segment_without_timestamps_is_dropped_in_silence),
          WIRE_TEST(a_syn_without_timestamps_is_challenged),
          WIRE_TEST(a_rst_is_not_subject_to_paws), WIRE_TEST(a_rst_needs_no_timestamps),
          WIRE_TEST(an_unacceptable_segment_does_not_change_what_is_remembered),
          WIRE_TEST(after_24_days_of_silence_any_timestamp_is_good),
          WIRE_TEST(after_20_days_of_silence_an_old_timestamp_is_still_old),
          WIRE_TEST(timestamps_that_were_not_negotiated_are_ignored),
          WIRE_TEST(our_clock_ticks_once_a_millisecond),
          WIRE_TEST(each_connection_has_an_offset_of_its_own),
          WIRE_TEST(data_segments_are_12_bytes_shorter),
          WIRE_TEST(the_rst_of_an_abort_is_accepted_by_the_harness),
          WIRE_TEST(a_newer_timestamp_does_not_excuse_a_segment_outside_the_window),
          WIRE_TEST(an_echo_older_than_the_clock_says_nothing),
          WIRE_TEST(an_echo_from_the_future_is_no_measurement),
          WIRE_TEST(an_echo_without_an_agreement_is_no_measurement))
