/* connect() to AF_UNSPEC, attempts that failed, sockets that are shut down too early: what is left
 * of a socket when its connection is gone, as Linux has it. */
#include "lib/wire_place.h"

static int connect_to(struct wire *w, int fd, uint16_t port)
{
    struct sockaddr_in a = wire_sockaddr(w->peer_addr, port);
    return mytcp_connect(w->stack, fd, (struct sockaddr *)&a, sizeof(a));
}

static void dissolve(struct wire *w, int fd)
{
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    assert_int_equal(mytcp_connect(w->stack, fd, &none, sizeof(none.sa_family)), 0);
    assert_null(mytcp_check(w->stack));
}

static struct sockaddr_in name_of(struct wire *w, int fd)
{
    struct sockaddr_in a;
    socklen_t len = sizeof(a);
    assert_int_equal(mytcp_getsockname(w->stack, fd, (struct sockaddr *)&a, &len), 0);
    return a;
}

SCENARIO(a_dissolved_connection_is_reset_and_the_socket_connects_anew)
{
    wire_active(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    OUT(w, .flags = ACK, .seq = 1, .ack = 11);
    dissolve(w, w->fd);
    OUT(w, .flags = RST | ACK, .seq = 1, .ack = 11);
    QUIET(w);
    assert_int_equal(wire_ready(w, w->fd), POLLOUT | POLLHUP | POLLERR);
    assert_int_equal(wire_so_error(w), ECONNRESET);
    FAILS(w, mytcp_recv(w->stack, w->fd, (char[1]){0}, 1, 0), ENOTCONN);
    FAILS(w, connect_to(w, w->fd, 99), EINPROGRESS);
}

SCENARIO(a_dissolved_attempt_goes_silently)
{
    wire_syn_sent(w);
    dissolve(w, w->fd);
    QUIET(w);
    assert_int_equal(wire_so_error(w), ECONNRESET);
    assert_int_equal(mytcp_next_deadline(w->stack), MYTCP_NEVER_US);
    assert_int_equal(mytcp_listen(w->stack, w->fd, 1), 0);
}

SCENARIO(a_dissolved_listener_resets_who_waits_and_keeps_what_bind_named)
{
    wire_passive(w); /* the accepted one stays */
    w->peer_port++;
    wire_syn_received(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    dissolve(w, w->listener);
    OUT(w, .flags = RST | ACK, .seq = 1, .ack = 1);
    QUIET(w);
    struct sockaddr_in a = name_of(w, w->listener);
    assert_int_equal(ntohs(a.sin_port), w->our_port);
    FAILS(w, mytcp_bind(w->stack, w->listener, (struct sockaddr *)&a, sizeof(a)), EINVAL);
    assert_int_equal(mytcp_listen(w->stack, w->listener, 1), 0);
    assert_int_equal(wire_ready(w, w->fd), POLLOUT);
}

/* 3.10.5: there is nobody left to reset */
SCENARIO(a_connection_whose_peer_is_done_is_dissolved_silently)
{
    static const unsigned places[] = {AT_CLOSING, AT_LAST_ACK};
    for (unsigned i = 0; i < 2; i++) {
        wire_go(w, places[i]);
        dissolve(w, w->fd);
        QUIET(w);
        STATE(w, TCP_CLOSE);
        assert_int_equal(wire_so_error(w), 0);
    }
}

/* G049, G202: The options live on, and so does what was chosen before connect(). */
SCENARIO(options_outlive_a_failed_attempt)
{
    wire_syn_sent(w);
    wire_set(w, IPPROTO_TCP, TCP_NODELAY, 1);
    IN(w, .flags = RST | ACK, .ack = 1);
    FAILS(w, connect_to(w, w->fd, 99), ECONNREFUSED);
    assert_int_equal(wire_ready(w, w->fd), POLLOUT | POLLHUP);
    assert_int_equal(wire_option(w, IPPROTO_TCP, TCP_NODELAY), 1);
    FAILS(w, connect_to(w, w->fd, 99), EINPROGRESS);
    FAILS(w, connect_to(w, w->fd, 99), EALREADY);
}

/* G181 */
SCENARIO(a_port_that_bind_did_not_name_is_free_when_the_connection_has_ended)
{
    wire_start(w);
    w->fd = mytcp_socket(w->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int other = mytcp_socket(w->stack, AF_INET, SOCK_STREAM, 0);
    FAILS(w, connect_to(w, w->fd, 99), EINPROGRESS);
    struct sockaddr_in a = name_of(w, w->fd);
    FAILS(w, mytcp_bind(w->stack, other, (struct sockaddr *)&a, sizeof(a)), EADDRINUSE);
    assert_int_equal(mytcp_shutdown(w->stack, w->fd, SHUT_RD), 0);
    assert_int_equal(name_of(w, w->fd).sin_addr.s_addr, INADDR_ANY);
    assert_int_equal(mytcp_bind(w->stack, other, (struct sockaddr *)&a, sizeof(a)), 0);
    QUIET(w);
}

SCENARIO(a_connection_that_was_told_stays_connected_when_it_has_ended)
{
    wire_active(w);
    assert_int_equal(connect_to(w, w->fd, w->peer_port), 0);
    FAILS(w, connect_to(w, w->fd, w->peer_port), EISCONN);
    IN(w, .flags = RST, .seq = 1);
    FAILS(w, connect_to(w, w->fd, w->peer_port), EISCONN);
    assert_int_equal(wire_so_error(w), ECONNRESET);
    FAILS(w, mytcp_listen(w->stack, w->fd, 1), EINVAL);
    FAILS(w, mytcp_shutdown(w->stack, w->fd, SHUT_WR), ENOTCONN);
}

/* M06 */
SCENARIO(shutting_down_a_failed_attempt_leaves_it_good_for_nothing)
{
    wire_syn_sent(w);
    IN(w, .flags = RST | ACK, .ack = 1);
    FAILS(w, mytcp_shutdown(w->stack, w->fd, SHUT_RDWR), ENOTCONN);
    FAILS(w, connect_to(w, w->fd, 99), EINVAL);
    dissolve(w, w->fd);
    FAILS(w, connect_to(w, w->fd, 99), EINPROGRESS);
}

WIRE_MAIN(WIRE_TEST(a_dissolved_connection_is_reset_and_the_socket_connects_anew),
          WIRE_TEST(a_dissolved_attempt_goes_silently),
          WIRE_TEST(a_dissolved_listener_resets_who_waits_and_keeps_what_bind_named),
          WIRE_TEST(a_connection_whose_peer_is_done_is_dissolved_silently),
          WIRE_TEST(options_outlive_a_failed_attempt),
          WIRE_TEST(a_port_that_bind_did_not_name_is_free_when_the_connection_has_ended),
          WIRE_TEST(a_connection_that_was_told_stays_connected_when_it_has_ended),
          WIRE_TEST(shutting_down_a_failed_attempt_leaves_it_good_for_nothing))
