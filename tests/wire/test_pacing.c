/* Pacing: bursts at literal times, super-segments whole, and nothing of it unless it is asked for. */
#include "lib/wire.h"

enum { MSS = 1460 };

static uint32_t at(uint32_t segment) { return 1 + segment * MSS; }

static void out(struct wire *w, uint32_t segment, uint32_t count)
{
    OUT(w, .flags = ACK, .seq = at(segment), .ack = 1, .len = count * MSS,
        .gso_size = (uint16_t)(count > 1 ? MSS : 0));
}

static void max_rate(struct wire *w, unsigned Bps)
{
    wire_set(w, SOL_SOCKET, SO_MAX_PACING_RATE, (int)Bps);
}

SCENARIO(without_pacing_the_window_goes_at_once)
{
    wire_passive(w);
    WRITE(w, 20 * MSS);
    for (uint32_t i = 0; i < 10; i++) out(w, i, 1);
    QUIET(w);
}

/* 10 segments of window in 100 ms, twice: 292 kB/s, so that two segments take 10 ms */
SCENARIO(in_slow_start_twice_the_window_goes_in_a_round_trip)
{
    w->config.pacing = 1;
    wire_passive(w);
    WRITE(w, 40 * MSS);
    for (uint32_t i = 0; i < 10; i += 2) {
        AT(w, i * 5 * MS);
        out(w, i, 1);
        out(w, i + 1, 1);
        QUIET(w);
    }
    AT(w, 100 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = at(2)); /* 12 segments of window: 350 kB/s */
    out(w, 10, 1);
    out(w, 11, 1);
    QUIET(w);
    IN(w, .flags = ACK, .seq = 1, .ack = at(4));
    QUIET(w);
    AT(w, 100 * MS + 8333);
    QUIET(w);
}

/* a millisecond of 29,200 kB/s is 20 segments */
SCENARIO(a_burst_is_one_super_segment)
{
    w->config.pacing = 1;
    w->config.gso_max_bytes = 65535;
    w->config.tx_csum = 1;
    w->config.initial_window_segments = 100;
    w->rtt_us = 10 * MS;
    wire_passive(w);
    WRITE(w, 200 * MSS);
    for (uint32_t i = 0; i < 5; i++) {
        AT(w, i * MS);
        out(w, 20 * i, 20);
        QUIET(w);
    }
}

SCENARIO(a_socket_can_be_held_to_a_rate)
{
    wire_passive(w);
    max_rate(w, 146000);
    WRITE(w, 5 * MSS);
    out(w, 0, 1);
    out(w, 1, 1);
    AT(w, 20 * MS);
    out(w, 2, 1);
    out(w, 3, 1);
    QUIET(w);
    IN(w, .flags = ACK, .seq = 1, .ack = at(4));
    AT(w, 40 * MS);
    OUT(w, .flags = PSH | ACK, .seq = at(4), .ack = 1, .len = MSS);
    QUIET(w);
}

/* nothing is in flight, data waits, and only the pacing's timer runs: no window probe */
SCENARIO(a_slow_rate_outlasts_the_flight)
{
    wire_passive(w);
    max_rate(w, 2000);
    WRITE(w, 4 * MSS);
    out(w, 0, 1);
    out(w, 1, 1);
    AT(w, 100 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = at(2));
    AT(w, 1460 * MS);
    out(w, 2, 1);
    OUT(w, .flags = PSH | ACK, .seq = at(3), .ack = 1, .len = MSS);
    QUIET(w);
}

SCENARIO(retransmissions_are_paced)
{
    wire_passive(w);
    max_rate(w, 146000);
    WRITE(w, 8 * MSS);
    for (uint32_t i = 0; i < 8; i += 2) {
        AT(w, i * 10 * MS);
        out(w, i, 1);
        OUT(w, .flags = ACK, .seq = at(i + 1), .ack = 1, .len = MSS);
    }
    AT(w, 79 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(2), at(3)}});
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(2), at(5)}});
    QUIET(w);
    AT(w, 80 * MS);
    out(w, 0, 1);
    QUIET(w);
}

SCENARIO(the_rate_is_read_back_in_both_sizes_and_can_be_lifted)
{
    unsigned narrow = 0;
    uint64_t wide = 0;
    socklen_t narrow_len = sizeof(narrow), wide_len = sizeof(wide);
    wire_passive(w);
    assert_int_equal(mytcp_getsockopt(w->stack, w->fd, SOL_SOCKET, SO_MAX_PACING_RATE, &narrow, &narrow_len), 0);
    assert_int_equal(mytcp_getsockopt(w->stack, w->fd, SOL_SOCKET, SO_MAX_PACING_RATE, &wide, &wide_len), 0);
    assert_true(narrow == ~0u && wide == UINT64_MAX && narrow_len == 4 && wide_len == 8);
    wide = 1234567;
    assert_int_equal(mytcp_setsockopt(w->stack, w->fd, SOL_SOCKET, SO_MAX_PACING_RATE, &wide, sizeof(wide)), 0);
    assert_int_equal(wire_option(w, SOL_SOCKET, SO_MAX_PACING_RATE), 1234567);
    wide = 0x100000005;
    assert_int_equal(mytcp_setsockopt(w->stack, w->fd, SOL_SOCKET, SO_MAX_PACING_RATE, &wide, sizeof(wide)), 0);
    assert_int_equal(wire_option(w, SOL_SOCKET, SO_MAX_PACING_RATE), -1);
    max_rate(w, 1000);
    max_rate(w, ~0u);
    assert_int_equal(wire_option(w, SOL_SOCKET, SO_MAX_PACING_RATE), -1);
    WRITE(w, 10 * MSS);
    for (uint32_t i = 0; i < 9; i++) out(w, i, 1);
    OUT(w, .flags = PSH | ACK, .seq = at(9), .ack = 1, .len = MSS);
    QUIET(w);
}

/* Without memory for its clock it goes unpaced, rather than not at all. */
SCENARIO(pacing_that_finds_no_memory_holds_nothing_back)
{
    wire_passive(w);
    max_rate(w, 146000);
    WRITE(w, MSS);
    w->fail_at = w->allocs + 1;
    out(w, 0, 1);
    WRITE(w, 4 * MSS);
    out(w, 1, 1); /* two more, which now count */
    out(w, 2, 1);
    AT(w, 20 * MS);
    out(w, 3, 1);
    OUT(w, .flags = PSH | ACK, .seq = at(4), .ack = 1, .len = MSS);
    QUIET(w);
}

WIRE_MAIN(WIRE_TEST(without_pacing_the_window_goes_at_once),
          WIRE_TEST(in_slow_start_twice_the_window_goes_in_a_round_trip),
          WIRE_TEST(a_burst_is_one_super_segment),
          WIRE_TEST(a_socket_can_be_held_to_a_rate),
          WIRE_TEST(a_slow_rate_outlasts_the_flight),
          WIRE_TEST(retransmissions_are_paced),
          WIRE_TEST(the_rate_is_read_back_in_both_sizes_and_can_be_lifted),
          WIRE_TEST(pacing_that_finds_no_memory_holds_nothing_back))
