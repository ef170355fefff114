/* Keepalive (RFC 9293 3.8.4). */
#include "lib/wire.h"

static void keeping_alive(struct wire *w)
{
    wire_passive(w);
    wire_set(w, IPPROTO_TCP, TCP_KEEPIDLE, 10);
    wire_set(w, IPPROTO_TCP, TCP_KEEPINTVL, 5);
    wire_set(w, IPPROTO_TCP, TCP_KEEPCNT, 3);
    wire_set(w, SOL_SOCKET, SO_KEEPALIVE, 1);
    QUIET(w);
    MARK(w);
}

/* 9293-MUST-25 */
SCENARIO(by_default_an_idle_connection_sends_nothing)
{
    wire_passive(w);
    assert_int_equal(wire_option(w, SOL_SOCKET, SO_KEEPALIVE), 0);
    AT(w, 30ull * 24 * 3600 * SEC);
    QUIET(w);
}

/* 9293-MUST-28 */
SCENARIO(the_default_idle_time_is_two_hours)
{
    wire_passive(w);
    wire_set(w, SOL_SOCKET, SO_KEEPALIVE, 1);
    assert_int_equal(wire_option(w, IPPROTO_TCP, TCP_KEEPIDLE), 7200);
    AT(w, 7200 * SEC);
    OUT(w, .flags = ACK, .seq = 0, .ack = 1);
}

/* 9293-MAY-5, 9293-MUST-27, 9293-SHLD-12 */
SCENARIO(a_probe_goes_when_nothing_was_heard_for_the_idle_time)
{
    keeping_alive(w);
    AT(w, 10 * SEC);
    OUT(w, .flags = ACK, .seq = 0, .ack = 1); /* SND.NXT - 1, no data */
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    QUIET(w);
    AT(w, 20 * SEC);
    OUT(w, .flags = ACK, .seq = 0, .ack = 1);
}

/* 9293-MUST-26 */
SCENARIO(an_arriving_segment_restarts_the_idle_time)
{
    keeping_alive(w);
    AT(w, 9 * SEC);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    OUT(w, .flags = ACK, .seq = 1, .ack = 11);
    AT(w, 19 * SEC);
    OUT(w, .flags = ACK, .seq = 0, .ack = 11);
}

/* G173 */
SCENARIO(unanswered_probes_end_in_etimedout)
{
    keeping_alive(w);
    AT(w, 10 * SEC);
    OUT(w, .flags = ACK, .seq = 0, .ack = 1);
    AT(w, 15 * SEC);
    OUT(w, .flags = ACK, .seq = 0, .ack = 1);
    AT(w, 20 * SEC);
    OUT(w, .flags = ACK, .seq = 0, .ack = 1);
    AT(w, 25 * SEC - 1);
    STATE(w, TCP_ESTABLISHED);
    w->now_us++;
    static struct wire_packet p;
    while (wire_poll(w, &p)) /* Linux says goodbye by a RST */
        assert_true(p.flags & RST);
    STATE(w, TCP_CLOSE);
    assert_int_equal(wire_so_error(w), ETIMEDOUT);
}

/* 9293-MUST-29 */
SCENARIO(one_unanswered_probe_means_nothing)
{
    keeping_alive(w);
    AT(w, 10 * SEC);
    OUT(w, .flags = ACK, .seq = 0, .ack = 1);
    AT(w, 15 * SEC);
    OUT(w, .flags = ACK, .seq = 0, .ack = 1);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    AT(w, 25 * SEC);
    OUT(w, .flags = ACK, .seq = 0, .ack = 1);
    AT(w, 30 * SEC);
    OUT(w, .flags = ACK, .seq = 0, .ack = 1);
    AT(w, 35 * SEC);
    OUT(w, .flags = ACK, .seq = 0, .ack = 1);
    STATE(w, TCP_ESTABLISHED);
}

/* 9293-MUST-26: the retransmission timer watches over data */
SCENARIO(with_data_outstanding_there_are_no_probes)
{
    static struct wire_packet p;
    keeping_alive(w);
    WRITE(w, 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    while (w->now_us < w->mark_us + 40 * SEC) {
        w->now_us = mytcp_next_deadline(w->stack);
        while (wire_poll(w, &p))
            assert_int_equal(p.payload_len, 100);
    }
}

/* 9293-MUST-24 */
SCENARIO(it_can_be_turned_off_again)
{
    keeping_alive(w);
    wire_set(w, SOL_SOCKET, SO_KEEPALIVE, 0);
    AT(w, 1000 * SEC);
    QUIET(w);
}

/* a peer that rebooted answers the probe with a RST */
SCENARIO(a_peer_without_the_connection_resets_it)
{
    keeping_alive(w);
    AT(w, 10 * SEC);
    OUT(w, .flags = ACK, .seq = 0, .ack = 1);
    IN(w, .flags = RST, .seq = 1);
    assert_int_equal(wire_so_error(w), ECONNRESET);
}

SCENARIO(half_closed_connections_are_probed_too)
{
    keeping_alive(w);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    OUT(w, .flags = ACK, .seq = 1, .ack = 2);
    AT(w, 10 * SEC);
    OUT(w, .flags = ACK, .seq = 0, .ack = 2);
}

/* the peer's probes, from our side: with and without a byte of garbage */
SCENARIO(the_peers_probes_are_answered)
{
    wire_passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    OUT(w, .flags = ACK, .seq = 1, .ack = 11);
    IN(w, .flags = ACK, .seq = 10, .ack = 1);
    OUT(w, .flags = ACK, .seq = 1, .ack = 11);
    IN(w, .flags = ACK, .seq = 10, .ack = 1, .len = 1, .garbage = true);
    OUT(w, .flags = ACK, .seq = 1, .ack = 11, .sack = {{10, 11}});
    READ(w, 10);
    wire_again(w);
}

/* The SEQ of a probe is old: the peer answers it, but does not look at its ACK. So an ACK that is due has to
 * go by itself, or a peer whose every retransmission meets a probe never learns that we have the data. */
SCENARIO(an_ack_that_is_due_does_not_go_in_the_probe)
{
    keeping_alive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    OUT(w, .flags = ACK, .seq = 1, .ack = 11);
    MARK(w);
    wire_skip_to(w, 10 * SEC);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10); /* again: the ACK was lost */
    OUT(w, .flags = ACK, .seq = 1, .ack = 11, .sack = {{1, 11}});
    OUT(w, .flags = ACK, .seq = 0, .ack = 11);
    QUIET(w);
}

SCENARIO(with_our_half_closed_the_peer_is_probed_until_the_application_goes)
{
    wire_passive(w);
    wire_set(w, IPPROTO_TCP, TCP_KEEPIDLE, 10);
    assert_int_equal(mytcp_shutdown(w->stack, w->fd, SHUT_WR), 0);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    IN(w, .flags = ACK, .seq = 1, .ack = 2);
    QUIET(w);
    STATE(w, TCP_FIN_WAIT2);
    MARK(w);
    wire_set(w, SOL_SOCKET, SO_KEEPALIVE, 1); /* this arms it */
    AT(w, 10 * SEC);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
}

WIRE_MAIN(WIRE_TEST(by_default_an_idle_connection_sends_nothing),
          WIRE_TEST(the_default_idle_time_is_two_hours),
          WIRE_TEST(a_probe_goes_when_nothing_was_heard_for_the_idle_time),
          WIRE_TEST(an_arriving_segment_restarts_the_idle_time),
          WIRE_TEST(unanswered_probes_end_in_etimedout),
          WIRE_TEST(one_unanswered_probe_means_nothing),
          WIRE_TEST(with_data_outstanding_there_are_no_probes),
          WIRE_TEST(it_can_be_turned_off_again), WIRE_TEST(a_peer_without_the_connection_resets_it),
          WIRE_TEST(half_closed_connections_are_probed_too),
          WIRE_TEST(the_peers_probes_are_answered),
          WIRE_TEST(an_ack_that_is_due_does_not_go_in_the_probe),
          WIRE_TEST(with_our_half_closed_the_peer_is_probed_until_the_application_goes))
