/* SYN-RECEIVED of a passive open (RFC 9293 3.10.7.4). */
#include "lib/wire.h"

static int accept_now(struct wire *w)
{
    return mytcp_accept(w->stack, w->listener, NULL, NULL, SOCK_NONBLOCK);
}

/* 9293-SA-ACK-3 */
SCENARIO(the_third_ack_establishes_and_accept_returns_it)
{
    wire_syn_received(w);
    FAILS(w, accept_now(w), EAGAIN);
    assert_int_equal(wire_ready(w, w->listener), 0);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    QUIET(w);
    assert_int_equal(wire_ready(w, w->listener), POLLIN);
    w->fd = accept_now(w);
    assert_true(w->fd >= 0);
    STATE(w, TCP_ESTABLISHED);
    assert_int_equal(wire_stats(w).opened_passive, 1);
    assert_int_equal(wire_stats(w).half_open, 0);
}

/* G051: the same ISN, as common stacks do (9293-SA-SYN-1) */
SCENARIO(a_duplicate_syn_draws_the_same_syn_ack)
{
    wire_syn_received(w);
    for (int i = 0; i < 3; i++) {
        w->now_us += 50 * MS;
        struct wire_segment syn = wire_peer_syn(w, SYN, 0);
        wire_in(w, __FILE__, __LINE__, &syn);
        OUT(w, .flags = SYN | ACK, .seq = 0, .ack = 1, .mss = 1460);
        QUIET(w);
    }
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    QUIET(w);
    assert_true(accept_now(w) >= 0);
}

/* 9293-SA-ACK-4, G014, G038, G039 */
SCENARIO(an_unacceptable_ack_draws_a_rst_and_changes_nothing)
{
    static const uint32_t acks[] = {0, 2, (uint32_t)-1, 5000, 0x7fffffff};
    wire_syn_received(w);
    for (unsigned i = 0; i < sizeof(acks) / sizeof(*acks); i++) {
        IN(w, .flags = ACK, .seq = 1, .ack = acks[i]);
        OUT(w, .flags = RST, .seq = acks[i]);
        QUIET(w);
    }
    FAILS(w, accept_now(w), EAGAIN);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    QUIET(w);
    assert_true(accept_now(w) >= 0);
}

/* 9293-GEN-13, G054, G207, 9293-SA-RST-4 */
SCENARIO(a_rst_at_rcv_nxt_returns_to_listen_and_the_application_never_knows)
{
    wire_syn_received(w);
    IN(w, .flags = RST, .seq = 1);
    QUIET(w);
    FAILS(w, accept_now(w), EAGAIN);
    assert_int_equal(wire_stats(w).half_open, 0);
    AT(w, 300 * SEC); /* no SYN-ACK any more */
    QUIET(w);
    wire_reincarnate(w, 12345);
    struct wire_segment syn = wire_peer_syn(w, SYN, 0);
    wire_in(w, __FILE__, __LINE__, &syn);
    OUT(w, .flags = SYN | ACK, .seq = 0, .ack = 1);
}

/* 9293-SA-RST-1, 9293-SA-RST-3 */
SCENARIO(a_rst_elsewhere_does_not_reset)
{
    wire_syn_received(w);
    assert_string_equal(IN(w, .flags = RST, .seq = 0), "rst_ignored");
    QUIET(w);
    assert_string_equal(IN(w, .flags = RST, .seq = 1 + 70000), "rst_ignored");
    QUIET(w);
    assert_string_equal(IN(w, .flags = RST, .seq = 2), "rst_challenged");
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    QUIET(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    QUIET(w);
    assert_true(accept_now(w) >= 0);
}

/* 9293-SA-SEQ-5, G055: an unacceptable segment draws an ACK */
SCENARIO(a_segment_outside_the_window_draws_an_ack_and_does_not_establish)
{
    wire_syn_received(w);
    assert_string_equal(IN(w, .flags = ACK, .seq = 1 + 70000, .ack = 1, .len = 10), "seq_beyond");
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    assert_string_equal(IN(w, .flags = ACK, .seq = (uint32_t)-100, .ack = 1, .len = 10), "seq_old");
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    QUIET(w);
    FAILS(w, accept_now(w), EAGAIN);
}

/* 9293-SA-ACK-1 */
SCENARIO(a_segment_without_ack_is_dropped)
{
    wire_syn_received(w);
    assert_string_equal(IN(w, .flags = 0, .seq = 1, .len = 10), "no_ack_flag");
    assert_string_equal(IN(w, .flags = FIN, .seq = 1), "no_ack_flag");
    QUIET(w);
    FAILS(w, accept_now(w), EAGAIN);
}

/* G059, G011 */
SCENARIO(data_on_the_third_ack_is_delivered)
{
    wire_syn_received(w);
    IN(w, .flags = PSH | ACK, .seq = 1, .ack = 1, .len = 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 101);
    QUIET(w);
    w->fd = accept_now(w);
    READ(w, 100);
    wire_again(w);
}

/* G011, G033, G043, 9293-SA-FIN-4 */
SCENARIO(data_and_fin_on_the_third_ack_are_both_taken)
{
    wire_syn_received(w);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 102);
    QUIET(w);
    w->fd = accept_now(w);
    STATE(w, TCP_CLOSE_WAIT);
    READ(w, 100);
    wire_eof(w);
}

/* 9293-SA-SYN-1: back to LISTEN; the peer's next try finds it there */
SCENARIO(a_syn_with_another_number_in_the_window_returns_to_listen)
{
    wire_syn_received(w);
    IN(w, .flags = SYN, .seq = 300);
    QUIET(w);
    assert_int_equal(wire_stats(w).half_open, 0);
    wire_reincarnate(w, w->irs + 300);
    struct wire_segment syn = wire_peer_syn(w, SYN, 0);
    wire_in(w, __FILE__, __LINE__, &syn);
    OUT(w, .flags = SYN | ACK, .seq = 0, .ack = 1);
}

SCENARIO(a_syn_with_another_number_beyond_the_window_draws_an_ack)
{
    wire_syn_received(w);
    assert_string_equal(IN(w, .flags = SYN, .seq = 100000), "seq_beyond"); /* RFC 5961 is for later states */
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    QUIET(w);
    assert_int_equal(wire_stats(w).half_open, 1);
}

/* 9293-SA-ACK-3, 7323-2.2c: the window of the third ACK is scaled, the SYN's is not */
SCENARIO(the_third_acks_window_is_scaled)
{
    wire_syn_received(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = 256 * 1024);
    w->fd = accept_now(w);
    assert_int_equal(wire_info(w).snd_wnd, 256 * 1024);
}

/* R19, G207 */
SCENARIO(a_connection_reset_while_it_waits_to_be_accepted_is_still_given)
{
    wire_syn_received(w); /* R19 */
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    IN(w, .flags = RST, .seq = 1);
    QUIET(w);
    w->fd = accept_now(w);
    assert_true(w->fd >= 0);
    uint8_t byte;
    FAILS(w, mytcp_recv(w->stack, w->fd, &byte, 1, 0), ECONNRESET);
}

/* 5961-7a: ten in each second, not ten in all */
SCENARIO(challenge_acks_are_limited_by_the_second_here_too)
{
    wire_syn_received(w);
    for (int second = 0; second < 2; second++) {
        for (int i = 0; i < 10; i++) {
            IN(w, .flags = RST, .seq = 2);
            OUT(w, .flags = ACK, .seq = 1, .ack = 1);
        }
        IN(w, .flags = RST, .seq = 2);
        QUIET(w);
        w->now_us += 1 * SEC;
        if (!second)
            OUT(w, .flags = SYN | ACK, .ack = 1);
    }
}

/* a reset then is an attempt that failed; and it leaves the listener its port */
SCENARIO(a_reset_counts_as_a_failed_attempt_and_the_port_stays_taken)
{
    struct sockaddr_in same = wire_sockaddr(w->our_addr, w->our_port);
    wire_syn_received(w);
    assert_string_equal(IN(w, .flags = RST, .seq = 1), "");
    QUIET(w);
    assert_int_equal(wire_stats(w).failed, 1);
    int fd = mytcp_socket(w->stack, AF_INET, SOCK_STREAM, 0);
    FAILS(w, mytcp_bind(w->stack, fd, (struct sockaddr *)&same, sizeof(same)), EADDRINUSE);
}

WIRE_MAIN(WIRE_TEST(challenge_acks_are_limited_by_the_second_here_too),
          WIRE_TEST(the_third_ack_establishes_and_accept_returns_it),
          WIRE_TEST(a_duplicate_syn_draws_the_same_syn_ack),
          WIRE_TEST(an_unacceptable_ack_draws_a_rst_and_changes_nothing),
          WIRE_TEST(a_rst_at_rcv_nxt_returns_to_listen_and_the_application_never_knows),
          WIRE_TEST(a_rst_elsewhere_does_not_reset),
          WIRE_TEST(a_segment_outside_the_window_draws_an_ack_and_does_not_establish),
          WIRE_TEST(a_segment_without_ack_is_dropped),
          WIRE_TEST(data_on_the_third_ack_is_delivered),
          WIRE_TEST(data_and_fin_on_the_third_ack_are_both_taken),
          WIRE_TEST(a_syn_with_another_number_in_the_window_returns_to_listen),
          WIRE_TEST(a_syn_with_another_number_beyond_the_window_draws_an_ack),
          WIRE_TEST(the_third_acks_window_is_scaled),
          WIRE_TEST(a_connection_reset_while_it_waits_to_be_accepted_is_still_given),
          WIRE_TEST(a_reset_counts_as_a_failed_attempt_and_the_port_stays_taken))
