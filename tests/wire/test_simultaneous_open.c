/* Crossing SYNs (RFC 9293 3.5, Figure 7). */
#include "lib/wire.h"

static void crossed(struct wire *w)
{
    wire_syn_sent(w);
    struct wire_segment syn = wire_peer_syn(w, SYN, 0);
    wire_in(w, __FILE__, __LINE__, &syn);
    OUT(w, .flags = SYN | ACK, .seq = 0, .ack = 1,
        .mss = 1460); /* 9293-SA-SYNSENT-11: our first ISS */
    QUIET(w);
    STATE(w, TCP_SYN_RECV);
    assert_int_equal(wire_info(w).snd_wnd, UINT16_MAX); /* the SYN's, which is not scaled */
}

/* 9293-MUST-10, 9293-GEN-9, S02 */
SCENARIO(crossing_syns_are_answered_and_the_syn_ack_establishes)
{
    crossed(w);
    struct wire_segment syn_ack = wire_peer_syn(w, SYN | ACK, 1);
    wire_in(w, __FILE__, __LINE__, &syn_ack);
    static struct wire_packet p;
    while (wire_poll(w, &p)) /* an ACK may come, though none is needed */
        assert_int_equal(p.flags, ACK);
    STATE(w, TCP_ESTABLISHED);
    assert_int_equal(wire_so_error(w), 0);
    assert_true(wire_ready(w, w->fd) & POLLOUT);
}

/* 9293-MUST-10, 9293-GEN-9 */
SCENARIO(crossing_syns_are_answered_and_a_bare_ack_establishes)
{
    crossed(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    QUIET(w);
    STATE(w, TCP_ESTABLISHED);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    OUT(w, .flags = ACK, .seq = 1, .ack = 11);
    READ(w, 10);
}

/* G042: the options of both SYNs count */
SCENARIO(options_are_negotiated_in_crossing_syns)
{
    w->peer.ts = true;
    crossed(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    struct mytcp_conn_info info = wire_info(w);
    assert_true(info.wscale_ok && info.sack_ok && info.timestamps_ok);
    assert_int_equal(info.snd_wscale, 7);
}

/* S02 */
SCENARIO(a_lost_syn_ack_of_ours_is_sent_again)
{
    crossed(w);
    AT(w, 1 * SEC);
    OUT(w, .flags = SYN | ACK, .seq = 0, .ack = 1);
    AT(w, 3 * SEC);
    OUT(w, .flags = SYN | ACK, .seq = 0, .ack = 1);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    QUIET(w);
    STATE(w, TCP_ESTABLISHED);
}

/* S02 */
SCENARIO(the_peers_syn_again_draws_our_syn_ack_again)
{
    crossed(w);
    struct wire_segment syn = wire_peer_syn(w, SYN, 0);
    wire_in(w, __FILE__, __LINE__, &syn);
    OUT(w, .flags = SYN | ACK, .seq = 0, .ack = 1);
    QUIET(w);
    STATE(w, TCP_SYN_RECV);
}

/* S02, 9293-MUST-11, 9293-SA-RST-5, G015 */
SCENARIO(a_rst_refuses_since_the_open_was_active)
{
    crossed(w);
    IN(w, .flags = RST, .seq = 1);
    QUIET(w);
    assert_int_equal(wire_so_error(w), ECONNREFUSED);
    assert_int_equal(mytcp_next_deadline(w->stack), MYTCP_NEVER_US);
}

SCENARIO(an_unacceptable_ack_draws_a_rst_and_changes_nothing)
{
    crossed(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 7);
    OUT(w, .flags = RST, .seq = 7);
    STATE(w, TCP_SYN_RECV);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    STATE(w, TCP_ESTABLISHED);
}

/* as where data waits, too: in SYN-RECEIVED one thing is sent again, the SYN,ACK */
SCENARIO(closing_in_syn_received_sends_the_fin_when_established)
{
    crossed(w);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    QUIET(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    QUIET(w);
}

SCENARIO(it_gives_up_in_the_end)
{
    crossed(w);
    wire_skip_to(w, 400 * SEC);
    assert_int_equal(wire_so_error(w), ETIMEDOUT);
    assert_int_equal(mytcp_next_deadline(w->stack), MYTCP_NEVER_US);
}

/* G083, S03: there is no loop through the device; nobody answers, and it ends */
SCENARIO(a_socket_that_connects_to_itself_fails_in_the_end)
{
    w->peer_addr = w->our_addr;
    w->our_port = w->peer_port = 5000;
    wire_start(w);
    wire_conn(w);
    struct sockaddr_in self = wire_sockaddr(w->our_addr, 5000);
    w->fd = mytcp_socket(w->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(mytcp_bind(w->stack, w->fd, (struct sockaddr *)&self, sizeof(self)), 0);
    assert_int_equal(mytcp_connect(w->stack, w->fd, (struct sockaddr *)&self, sizeof(self)), -1);
    if (errno != EINPROGRESS)
        return;
    assert_in_range(wire_skip_to(w, 400 * SEC), 0, 8);
    assert_int_equal(wire_so_error(w), ETIMEDOUT);
}

/* 9293-SHLD-26: hard errors are for who is still opening (RFC 5927) */
SCENARIO(a_hard_error_ends_an_open_that_crossed_another)
{
    static struct wire_packet notice;
    wire_syn_sent(w);
    struct wire_segment syn = wire_peer_syn(w, SYN, 0);
    wire_in(w, __FILE__, __LINE__, &syn);
    struct wire_packet sent = *OUT(w, .flags = SYN | ACK, .seq = 0, .ack = 1);
    wire_build_icmp(w, &notice, 3, 3, 0, sent.bytes, 28);
    assert_string_equal(wire_inject(w, &notice), "");
    STATE(w, TCP_CLOSE);
    assert_int_equal(wire_so_error(w), ECONNREFUSED);
    QUIET(w);
}

/* 9293-SA-SYNSENT-9: the peer's SYN has told its window, but an octet and the FIN behind it wait all the same */
SCENARIO(data_and_fin_wait_until_the_crossed_syns_are_acknowledged)
{
    wire_syn_sent(w);
    WRITE(w, 1);
    struct wire_segment syn = wire_peer_syn(w, SYN, 0);
    wire_in(w, __FILE__, __LINE__, &syn);
    OUT(w, .flags = SYN | ACK, .seq = 0, .ack = 1);
    assert_int_equal(mytcp_shutdown(w->stack, w->fd, SHUT_WR), 0);
    QUIET(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = 1);
    QUIET(w);
}

WIRE_MAIN(WIRE_TEST(crossing_syns_are_answered_and_the_syn_ack_establishes),
          WIRE_TEST(crossing_syns_are_answered_and_a_bare_ack_establishes),
          WIRE_TEST(options_are_negotiated_in_crossing_syns),
          WIRE_TEST(a_lost_syn_ack_of_ours_is_sent_again),
          WIRE_TEST(the_peers_syn_again_draws_our_syn_ack_again),
          WIRE_TEST(a_rst_refuses_since_the_open_was_active),
          WIRE_TEST(an_unacceptable_ack_draws_a_rst_and_changes_nothing),
          WIRE_TEST(closing_in_syn_received_sends_the_fin_when_established),
          WIRE_TEST(it_gives_up_in_the_end),
          WIRE_TEST(a_socket_that_connects_to_itself_fails_in_the_end),
          WIRE_TEST(a_hard_error_ends_an_open_that_crossed_another),
          WIRE_TEST(data_and_fin_wait_until_the_crossed_syns_are_acknowledged))
