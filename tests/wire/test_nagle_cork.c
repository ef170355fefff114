/* Small writes: Nagle (RFC 9293 3.7.4, RFC 896), TCP_NODELAY, TCP_CORK, MSG_MORE. */
#include "lib/wire.h"

enum { MSS = 1460 };

/* 9293-SHLD-27, 9293-MAY-16, 896-1, 9293-SHLD-7 */
SCENARIO(a_small_segment_waits_while_another_small_one_is_unacknowledged)
{
    wire_passive(w);
    WRITE(w, 10);
    OUT(w, .flags = PSH | ACK, .seq = 1, .ack = 1, .len = 10);
    WRITE(w, 20);
    QUIET(w);
    WRITE(w, 30);
    QUIET(w);
    AT(w, 100 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 11);
    OUT(w, .flags = PSH | ACK, .seq = 11, .ack = 1, .len = 50); /* both in one */
    QUIET(w);
}

/* G123: only the last part that may go pushes, and nothing of the write is left behind */
SCENARIO(a_write_longer_than_mss_and_window_goes_in_parts_of_which_the_last_pushes)
{
    w->peer.mss = 500;
    wire_passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1024);
    WRITE(w, 1300);
    OUT(w, .flags = NOPSH | ACK, .seq = 1, .ack = 1, .len = 500);
    OUT(w, .flags = PSH | ACK, .seq = 501, .ack = 1, .len = 500);
    QUIET(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1001, .wnd = 1024);
    OUT(w, .flags = PSH | ACK, .seq = 1001, .ack = 1, .len = 300);
    QUIET(w);
}

SCENARIO(a_full_segment_never_waits)
{
    wire_passive(w);
    WRITE(w, 10);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    WRITE(w, 1000);
    QUIET(w);
    WRITE(w, 500);
    OUT(w, .flags = ACK, .seq = 11, .ack = 1, .len = MSS);
    QUIET(w);
}

/* 9293-MUST-17 */
SCENARIO(nodelay_sends_each_write_at_once)
{
    wire_passive(w);
    wire_set(w, IPPROTO_TCP, TCP_NODELAY, 1);
    for (uint32_t i = 0; i < 5; i++) {
        WRITE(w, 10);
        OUT(w, .flags = PSH | ACK, .seq = 1 + 10 * i, .ack = 1, .len = 10);
    }
    QUIET(w);
    assert_int_equal(wire_option(w, IPPROTO_TCP, TCP_NODELAY), 1);
}

SCENARIO(setting_nodelay_lets_go_what_waited)
{
    wire_passive(w);
    WRITE(w, 10);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    WRITE(w, 20);
    QUIET(w);
    wire_set(w, IPPROTO_TCP, TCP_NODELAY, 1);
    OUT(w, .flags = ACK, .seq = 11, .ack = 1, .len = 20);
}

SCENARIO(cork_holds_partial_segments_until_it_is_drawn)
{
    wire_passive(w);
    wire_set(w, IPPROTO_TCP, TCP_CORK, 1);
    WRITE(w, 10);
    WRITE(w, 20);
    QUIET(w);
    AT(w, 100 * MS);
    QUIET(w);
    wire_set(w, IPPROTO_TCP, TCP_CORK, 0);
    OUT(w, .flags = PSH | ACK, .seq = 1, .ack = 1, .len = 30);
    QUIET(w);
}

SCENARIO(cork_lets_full_segments_go)
{
    wire_passive(w);
    wire_set(w, IPPROTO_TCP, TCP_CORK, 1);
    WRITE(w, MSS + 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    QUIET(w);
    WRITE(w, MSS - 100);
    OUT(w, .flags = ACK, .seq = 1 + MSS, .ack = 1, .len = MSS);
    QUIET(w);
}

SCENARIO(cork_wins_over_nodelay)
{
    wire_passive(w);
    wire_set(w, IPPROTO_TCP, TCP_NODELAY, 1);
    wire_set(w, IPPROTO_TCP, TCP_CORK, 1);
    WRITE(w, 10);
    QUIET(w);
}

SCENARIO(closing_draws_the_cork)
{
    wire_passive(w);
    wire_set(w, IPPROTO_TCP, TCP_CORK, 1);
    WRITE(w, 10);
    QUIET(w);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    OUT(w, .flags = FIN | PSH | ACK, .seq = 1, .ack = 1, .len = 10);
}

/* 9293-MAY-15 */
SCENARIO(msg_more_holds_until_the_write_without_it)
{
    wire_passive(w);
    wire_write(w, __FILE__, __LINE__, 10, MSG_MORE);
    QUIET(w);
    wire_write(w, __FILE__, __LINE__, 20, MSG_MORE);
    QUIET(w);
    WRITE(w, 30);
    OUT(w, .flags = PSH | ACK, .seq = 1, .ack = 1, .len = 60);
    QUIET(w);
}

/* 9293-MUST-61: PSH when the buffer is emptied */
SCENARIO(psh_is_set_on_the_last_segment_of_a_write_only)
{
    w->config.push_each_burst = 0;
    wire_passive(w);
    WRITE(w, 3 * MSS);
    OUT(w, .flags = ACK | NOPSH, .seq = 1, .ack = 1, .len = MSS);
    OUT(w, .flags = ACK | NOPSH, .seq = 1 + MSS, .ack = 1, .len = MSS);
    OUT(w, .flags = PSH | ACK, .seq = 1 + 2 * MSS, .ack = 1, .len = MSS);
}

SCENARIO(a_write_of_nothing_sends_nothing)
{
    wire_passive(w);
    assert_int_equal(mytcp_send(w->stack, w->fd, "", 0, 0), 0);
    assert_int_equal(mytcp_send(w->stack, w->fd, NULL, 0, 0), 0);
    QUIET(w);
}

/* 9293-MUST-60: what is held back for more goes in the end, should nothing follow */
SCENARIO(a_held_back_write_goes_after_a_while)
{
    for (int cork = 0; cork < 2; cork++) {
        w->peer_port++;
        wire_passive(w);
        if (cork)
            wire_set(w, IPPROTO_TCP, TCP_CORK, 1);
        wire_write(w, __FILE__, __LINE__, 10, cork ? 0 : MSG_MORE);
        AT(w, 300 * MS);
        OUT(w, .flags = PSH | ACK, .seq = 1, .ack = 1, .len = 10);
        IN(w, .flags = RST, .seq = 1);
    }
}

/* 2525-2.15, G201 */
SCENARIO(closing_lets_go_what_waited_for_an_ack)
{
    wire_passive(w);
    WRITE(w, 10);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    WRITE(w, 20);
    QUIET(w);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    OUT(w, .flags = FIN | PSH | ACK, .seq = 11, .ack = 1, .len = 20);
}

/* the user timeout is for what the peer does not acknowledge */
SCENARIO(what_a_cork_holds_back_is_no_matter_of_the_user_timeout)
{
    wire_passive(w);
    wire_set(w, IPPROTO_TCP, TCP_USER_TIMEOUT, 100);
    wire_set(w, IPPROTO_TCP, TCP_CORK, 1);
    WRITE(w, 10);
    QUIET(w);
    AT(w, 300 * MS); /* its patience */
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    IN(w, .flags = ACK, .seq = 1, .ack = 11);
    QUIET(w);
    STATE(w, TCP_ESTABLISHED);
}

WIRE_MAIN(WIRE_TEST(a_small_segment_waits_while_another_small_one_is_unacknowledged),
          WIRE_TEST(a_write_longer_than_mss_and_window_goes_in_parts_of_which_the_last_pushes),
          WIRE_TEST(a_full_segment_never_waits), WIRE_TEST(nodelay_sends_each_write_at_once),
          WIRE_TEST(setting_nodelay_lets_go_what_waited),
          WIRE_TEST(cork_holds_partial_segments_until_it_is_drawn),
          WIRE_TEST(cork_lets_full_segments_go), WIRE_TEST(cork_wins_over_nodelay),
          WIRE_TEST(closing_draws_the_cork), WIRE_TEST(msg_more_holds_until_the_write_without_it),
          WIRE_TEST(psh_is_set_on_the_last_segment_of_a_write_only),
          WIRE_TEST(a_write_of_nothing_sends_nothing),
          WIRE_TEST(a_held_back_write_goes_after_a_while),
          WIRE_TEST(closing_lets_go_what_waited_for_an_ack),
          WIRE_TEST(what_a_cork_holds_back_is_no_matter_of_the_user_timeout))
