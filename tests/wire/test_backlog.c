/* The accept queue: a backlog of n holds n + 1 completed connections. */
#include "lib/wire.h"

static void complete(struct wire *w, uint16_t port)
{
    w->peer_port = port;
    IN(w, .flags = SYN, .mss = 1460);
    OUT(w, .flags = SYN | ACK, .ack = 1);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    QUIET(w);
}

static int accept_now(struct wire *w)
{
    return mytcp_accept(w->stack, w->listener, NULL, NULL, SOCK_NONBLOCK);
}

/* G009, R19 */
static void holds(struct wire *w, int backlog, unsigned wanted)
{
    wire_listen(w, backlog);
    for (unsigned i = 0; i < wanted; i++)
        complete(w, (uint16_t)(1000 + i));
    w->peer_port = 2000;
    assert_string_equal(IN(w, .flags = SYN, .mss = 1460), "listen_backlog"); /* dropped, no RST */
    QUIET(w);
    for (unsigned i = 0; i < wanted; i++)
        assert_true(accept_now(w) >= 0);
    FAILS(w, accept_now(w), EAGAIN);
    IN(w, .flags = SYN, .mss = 1460); /* its next try */
    OUT(w, .flags = SYN | ACK, .ack = 1);
}

/* G009, R19 */
SCENARIO(a_backlog_of_0_holds_1)
{
    holds(w, 0, 1);
}

SCENARIO(a_backlog_of_1_holds_2)
{
    holds(w, 1, 2);
}

/* G009 */
SCENARIO(a_backlog_of_5_holds_6)
{
    holds(w, 5, 6);
}

SCENARIO(the_backlog_is_bounded_by_somaxconn)
{
    w->config.somaxconn = 3;
    holds(w, 1000, 4);
}

/* G009: Linux: unsigned, so that it means as much as possible */
SCENARIO(a_negative_backlog_is_the_largest)
{
    w->config.somaxconn = 3;
    holds(w, -1, 4);
}

/* G010: dropped in silence; whatever the client sends later completes it */
SCENARIO(the_last_ack_that_finds_the_queue_full_is_dropped_and_completes_later)
{
    wire_listen(w, 1);
    w->peer_port = 3000;
    IN(w, .flags = SYN, .mss = 1460);
    OUT(w, .flags = SYN | ACK, .ack = 1);
    complete(w, 1000);
    complete(w, 1001);
    w->peer_port = 3000;
    assert_string_equal(IN(w, .flags = ACK, .seq = 1, .ack = 1), "listen_backlog");
    QUIET(w);
    assert_true(accept_now(w) >= 0);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    OUT(w, .flags = ACK, .seq = 1, .ack = 11);
    assert_true(accept_now(w) >= 0);
    w->fd = accept_now(w);
    READ(w, 10);
}

SCENARIO(accept_gives_connections_in_the_order_of_their_completion)
{
    struct sockaddr_in peer;
    socklen_t len;
    wire_listen(w, 8);
    for (uint16_t port = 1000; port < 1005; port++)
        complete(w, port);
    for (uint16_t port = 1000; port < 1005; port++) {
        len = sizeof(peer);
        int fd = mytcp_accept(w->stack, w->listener, (struct sockaddr *)&peer, &len, 0);
        assert_true(fd >= 0);
        assert_int_equal(len, sizeof(peer));
        assert_int_equal(ntohs(peer.sin_port), port);
        assert_int_equal(ntohl(peer.sin_addr.s_addr), w->peer_addr);
    }
}

SCENARIO(listening_again_changes_the_backlog)
{
    wire_listen(w, 0);
    complete(w, 1000);
    assert_int_equal(mytcp_listen(w->stack, w->listener, 1), 0);
    complete(w, 1001);
    w->peer_port = 1002;
    assert_string_equal(IN(w, .flags = SYN, .mss = 1460), "listen_backlog");
}

/* data and FIN arrive while nobody accepts */
SCENARIO(a_connection_in_the_queue_receives)
{
    wire_listen(w, 1);
    complete(w, 1000);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = 50);
    OUT(w, .flags = ACK, .seq = 1, .ack = 52);
    w->fd = accept_now(w);
    READ(w, 50);
    wire_eof(w);
}

SCENARIO(an_accepted_socket_inherits_the_listeners_options)
{
    wire_listen(w, 1);
    int on = 1, idle = 77;
    assert_int_equal(
        mytcp_setsockopt(w->stack, w->listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
    assert_int_equal(
        mytcp_setsockopt(w->stack, w->listener, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle)), 0);
    complete(w, 1000);
    w->fd = accept_now(w);
    assert_int_equal(wire_option(w, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(wire_option(w, IPPROTO_TCP, TCP_KEEPIDLE), 77);
}

/* TCP_DEFER_ACCEPT: not readable before there is data */
SCENARIO(defer_accept_waits_for_data)
{
    wire_listen(w, 4);
    int seconds = 5;
    assert_int_equal(mytcp_setsockopt(w->stack, w->listener, IPPROTO_TCP, TCP_DEFER_ACCEPT,
                                      &seconds, sizeof(seconds)),
                     0);
    w->peer_port = 1000;
    IN(w, .flags = SYN, .mss = 1460);
    OUT(w, .flags = SYN | ACK, .ack = 1);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    QUIET(w);
    FAILS(w, accept_now(w), EAGAIN);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    OUT(w, .flags = ACK, .seq = 1, .ack = 11);
    w->fd = accept_now(w);
    READ(w, 10);
}

SCENARIO(defer_accept_is_content_with_a_bare_ack_when_its_time_is_over)
{
    wire_listen(w, 4);
    int seconds = 5;
    assert_int_equal(mytcp_setsockopt(w->stack, w->listener, IPPROTO_TCP, TCP_DEFER_ACCEPT,
                                      &seconds, sizeof(seconds)),
                     0);
    IN(w, .flags = SYN, .mss = 1460);
    OUT(w, .flags = SYN | ACK, .ack = 1);
    MARK(w);
    for (unsigned s = 1; s <= 7; s = 2 * s + 1) {
        IN(w, .flags = ACK, .seq = 1, .ack = 1);
        FAILS(w, accept_now(w), EAGAIN);
        AT(w, s * SEC);
        OUT(w, .flags = SYN | ACK, .ack = 1);
    }
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    w->fd = accept_now(w);
    STATE(w, TCP_ESTABLISHED);
}

WIRE_MAIN(WIRE_TEST(a_backlog_of_0_holds_1), WIRE_TEST(a_backlog_of_1_holds_2),
          WIRE_TEST(a_backlog_of_5_holds_6), WIRE_TEST(the_backlog_is_bounded_by_somaxconn),
          WIRE_TEST(a_negative_backlog_is_the_largest),
          WIRE_TEST(the_last_ack_that_finds_the_queue_full_is_dropped_and_completes_later),
          WIRE_TEST(accept_gives_connections_in_the_order_of_their_completion),
          WIRE_TEST(listening_again_changes_the_backlog),
          WIRE_TEST(a_connection_in_the_queue_receives),
          WIRE_TEST(an_accepted_socket_inherits_the_listeners_options),
          WIRE_TEST(defer_accept_waits_for_data),
          WIRE_TEST(defer_accept_is_content_with_a_bare_ack_when_its_time_is_over))
