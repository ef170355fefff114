/* Reductions that were mistakes, as the echo of a timestamp shows: Eifel (RFC 3522, 4015). The RTO is 300 ms. */
#include "lib/wire.h"

enum { MSS = 1448 };

static uint32_t at(uint32_t segment) { return 1 + segment * MSS; }

static void assert_undone(struct wire *w, struct mytcp_conn_info before)
{
    assert_true(wire_info(w).cwnd >= before.cwnd);
    assert_int_equal(wire_info(w).ssthresh, before.ssthresh);
}

static void out(struct wire *w, uint32_t segment)
{
    OUT(w, .flags = ACK, .seq = at(segment), .ack = 1, .len = MSS);
}

/* An initial window is in flight; returns the timestamp it went with. */
static uint32_t in_flight(struct wire *w, uint32_t queued)
{
    w->peer.ts = true;
    wire_passive(w);
    WRITE(w, queued * MSS);
    for (uint32_t i = 0; i < queued && i < w->config.initial_window_segments; i++)
        out(w, i);
    QUIET(w);
    return wire_conn(w)->tsval_seen;
}

static void ack(struct wire *w, uint32_t segment, uint32_t echo)
{
    IN(w, .flags = ACK, .seq = 1, .ack = at(segment), .ts = true,
       .tsval = (uint32_t)(w->now_us / 1000), .tsecr = echo);
}

/* RFC 3522 3.2, RFC 4015 3: the first ACK decides */
SCENARIO(an_echo_older_than_the_retransmission_undoes_a_timeout)
{
    uint32_t first = in_flight(w, 12);
    struct mytcp_conn_info before = wire_info(w);
    AT(w, 300 * MS);
    out(w, 0);
    QUIET(w);
    AT(w, 401 * MS); /* longer than the least RTT */
    ack(w, 1, first);
    assert_undone(w, before);
    out(w, 10);
    out(w, 11); /* slow start goes on with this very ACK */
    QUIET(w);
    AT(w, 402 * MS);
    ack(w, 2, first);
    QUIET(w);
    AT(w, 403 * MS);
    ack(w, 10, first);
    ack(w, 12, wire_conn(w)->tsval_seen);
    QUIET(w);
    assert_undone(w, before);
    assert_int_equal(wire_stats(w).retransmitted_segments, 1);
    assert_int_equal(wire_stats(w).fast_recoveries, 0);
}

/* 2525-2.14 */
SCENARIO(an_echo_of_the_retransmission_undoes_nothing)
{
    in_flight(w, 10);
    AT(w, 300 * MS);
    out(w, 0);
    AT(w, 400 * MS);
    ack(w, 1, wire_conn(w)->tsval_seen);
    out(w, 1);
    out(w, 2);
    QUIET(w);
    assert_int_equal(wire_info(w).ssthresh, 5 * MSS);
}

static void sack(struct wire *w, struct wire_sack a, struct wire_sack b, uint32_t una, uint32_t echo)
{
    IN(w, .flags = ACK, .seq = 1, .ack = at(una), .ts = true, .tsval = (uint32_t)(w->now_us / 1000),
       .tsecr = echo, .sack = {a, b});
}

SCENARIO(an_echo_older_than_the_retransmission_undoes_a_fast_recovery)
{
    uint32_t first = in_flight(w, 10);
    struct mytcp_conn_info before = wire_info(w);
    AT(w, 100 * MS);
    sack(w, (struct wire_sack){at(1), at(4)}, (struct wire_sack){0}, 0, first);
    out(w, 0);
    QUIET(w);
    assert_int_equal(wire_info(w).ssthresh, 5 * MSS);
    AT(w, 110 * MS);
    ack(w, 4, first);
    QUIET(w);
    assert_undone(w, before);
    ack(w, 10, first);
    assert_undone(w, before);
    assert_int_equal(wire_stats(w).retransmitted_segments, 1);
}

/* 0 and then 2 are late: on a path that reorders the window grows by what is SACKed */
SCENARIO(the_window_grows_once_by_what_came_before_an_undone_recovery_and_in_it)
{
    uint32_t first = in_flight(w, 10);
    AT(w, 100 * MS);
    sack(w, (struct wire_sack){at(1), at(2)}, (struct wire_sack){0}, 0, first);
    ack(w, 2, first);
    sack(w, (struct wire_sack){at(3), at(5)}, (struct wire_sack){0}, 2, first);
    assert_int_equal(wire_info(w).cwnd, 14 * MSS);
    AT(w, 125 * MS);
    out(w, 2);
    sack(w, (struct wire_sack){at(3), at(7)}, (struct wire_sack){0}, 2, first);
    assert_int_equal(wire_info(w).ssthresh, 4 * MSS);
    AT(w, 130 * MS);
    ack(w, 10, first);
    QUIET(w);
    assert_int_equal(wire_info(w).cwnd, 20 * MSS); /* ten more by ten segments */
}

/* the undoing does not hide a loss: the next news finds it, no timeout is needed */
SCENARIO(what_is_really_lost_is_found_after_an_undoing)
{
    w->config.initial_window_segments = 20;
    uint32_t first = in_flight(w, 20); /* 0 is late, 5 and 6 are lost */
    AT(w, 100 * MS);
    for (uint32_t i = 2; i <= 5; i++) {
        sack(w, (struct wire_sack){at(1), at(i)}, (struct wire_sack){0}, 0, first);
        if (i == 4) out(w, 0);
        QUIET(w);
    }
    struct wire_sack above = {at(7), at(8)};
    sack(w, above, (struct wire_sack){at(1), at(5)}, 0, first);
    out(w, 5);
    QUIET(w); /* 6 waits */
    AT(w, 110 * MS);
    sack(w, above, (struct wire_sack){0}, 5, first);
    QUIET(w);
    assert_int_equal(wire_info(w).cwnd, 25 * MSS);
    AT(w, 111 * MS);
    above.end = at(10);
    sack(w, above, (struct wire_sack){0}, 5, first);
    QUIET(w);
    AT(w, 136 * MS); /* the RTT of 9 and a quarter: what came late before shows that this path reorders */
    out(w, 6);
    QUIET(w);
    AT(w, 211 * MS);
    ack(w, 20, wire_conn(w)->tsval_seen);
    assert_int_equal(wire_stats(w).fast_recoveries, 2);
    assert_int_equal(wire_stats(w).rto_expired, 0);
}

/* What an earlier episode sent again echoes a time before this episode's first retransmission as well, although the
 * original was lost. An undoing for each such ACK would let a whole window go each time. */
SCENARIO(the_echo_of_an_earlier_episodes_copy_undoes_nothing)
{
    uint32_t first = in_flight(w, 10); /* 0, 4 and 5 are lost */
    AT(w, 100 * MS);
    sack(w, (struct wire_sack){at(1), at(4)}, (struct wire_sack){0}, 0, first);
    out(w, 0);
    uint32_t copy = wire_conn(w)->tsval_seen;
    QUIET(w);
    struct mytcp_conn_info before = wire_info(w);
    AT(w, 400 * MS); /* the copy is late */
    out(w, 0);
    QUIET(w);
    AT(w, 450 * MS);
    ack(w, 4, copy);
    assert_true(wire_info(w).cwnd < before.cwnd);
    assert_true(wire_info(w).ssthresh <= before.ssthresh);
    assert_int_equal(wire_stats(w).fast_recoveries, 1);
    out(w, 4);
    out(w, 5);
    QUIET(w);
}

WIRE_MAIN(WIRE_TEST(an_echo_older_than_the_retransmission_undoes_a_timeout),
          WIRE_TEST(an_echo_of_the_retransmission_undoes_nothing),
          WIRE_TEST(an_echo_older_than_the_retransmission_undoes_a_fast_recovery),
          WIRE_TEST(the_window_grows_once_by_what_came_before_an_undone_recovery_and_in_it),
          WIRE_TEST(what_is_really_lost_is_found_after_an_undoing),
          WIRE_TEST(the_echo_of_an_earlier_episodes_copy_undoes_nothing))
