/* Who may have which port: bind, listen and connect beside each other, and when there is none left. */
#include "lib/wire.h"

static int new_socket(struct wire *w, int reuse)
{
    wire_start(w);
    int fd = mytcp_socket(w->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    if (reuse)
        assert_int_equal(mytcp_setsockopt(w->stack, fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse)), 0);
    return fd;
}

static int bind_to(struct wire *w, int fd, uint16_t port)
{
    struct sockaddr_in a = wire_sockaddr(INADDR_ANY, port);
    return mytcp_bind(w->stack, fd, (struct sockaddr *)&a, sizeof(a));
}

static int connect_to(struct wire *w, int fd, uint16_t port)
{
    struct sockaddr_in a = wire_sockaddr(w->peer_addr, port);
    return mytcp_connect(w->stack, fd, (struct sockaddr *)&a, sizeof(a));
}

static uint16_t port_of(struct wire *w, int fd)
{
    struct sockaddr_in a;
    socklen_t len = sizeof(a);
    assert_int_equal(mytcp_getsockname(w->stack, fd, (struct sockaddr *)&a, &len), 0);
    return ntohs(a.sin_port);
}

static void reuse(struct wire *w, int fd, int on)
{
    assert_int_equal(mytcp_setsockopt(w->stack, fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
}

SCENARIO(a_port_is_shared_only_if_all_agree)
{
    int a = new_socket(w, 0), b = new_socket(w, 1), c = new_socket(w, 0), d = new_socket(w, 1);
    assert_int_equal(bind_to(w, a, 80), 0);
    FAILS(w, bind_to(w, b, 80), EADDRINUSE);
    reuse(w, a, 1); /* it agrees later */
    reuse(w, a, 1);
    assert_int_equal(bind_to(w, b, 80), 0);
    FAILS(w, bind_to(w, c, 80), EADDRINUSE);
    reuse(w, b, 0);
    FAILS(w, bind_to(w, d, 80), EADDRINUSE);
    assert_int_equal(mytcp_close(w->stack, b), 0);
    assert_int_equal(bind_to(w, d, 80), 0);
    assert_int_equal(port_of(w, d), 80);
}

SCENARIO(one_of_those_who_share_a_port_listens)
{
    int a = new_socket(w, 1), b = new_socket(w, 1), c = new_socket(w, 1);
    assert_int_equal(bind_to(w, a, 80), 0);
    assert_int_equal(bind_to(w, b, 80), 0);
    assert_int_equal(mytcp_listen(w->stack, a, 1), 0);
    FAILS(w, mytcp_listen(w->stack, b, 1), EADDRINUSE);
    FAILS(w, bind_to(w, c, 80), EADDRINUSE);
    assert_int_equal(mytcp_close(w->stack, a), 0);
    assert_int_equal(mytcp_listen(w->stack, b, 1), 0);
}

SCENARIO(listen_picks_a_port_if_there_is_one)
{
    w->config.port_min = w->config.port_max = 20000;
    int a = new_socket(w, 0), b = new_socket(w, 0), c = new_socket(w, 0);
    assert_int_equal(mytcp_listen(w->stack, a, 1), 0);
    assert_int_equal(port_of(w, a), 20000);
    FAILS(w, mytcp_listen(w->stack, b, 1), EADDRINUSE);
    FAILS(w, bind_to(w, c, 0), EADDRINUSE);
    assert_int_equal(port_of(w, b) | port_of(w, c), 0);
    assert_int_equal(mytcp_close(w->stack, a), 0);
    assert_int_equal(mytcp_listen(w->stack, b, 1), 0);
    assert_int_equal(port_of(w, b), 20000);
}

/* 9293-OPEN-4 */
SCENARIO(two_who_share_a_port_cannot_connect_to_the_same_peer)
{
    int a = new_socket(w, 1), b = new_socket(w, 1);
    assert_int_equal(bind_to(w, a, 80), 0);
    assert_int_equal(bind_to(w, b, 80), 0);
    FAILS(w, connect_to(w, a, 99), EINPROGRESS);
    FAILS(w, connect_to(w, b, 99), EADDRNOTAVAIL);
    FAILS(w, connect_to(w, b, 98), EINPROGRESS);
}

/* B09 */
SCENARIO(connect_takes_no_port_that_somebody_has_by_name)
{
    w->config.port_min = 20000;
    w->config.port_max = 20003;
    int listener = new_socket(w, 0), bound = new_socket(w, 0), one = new_socket(w, 0), two = new_socket(w, 0);
    assert_int_equal(bind_to(w, listener, 20000), 0);
    assert_int_equal(mytcp_listen(w->stack, listener, 1), 0);
    assert_int_equal(bind_to(w, bound, 20001), 0);
    FAILS(w, connect_to(w, one, 99), EINPROGRESS);
    FAILS(w, connect_to(w, two, 99), EINPROGRESS);
    assert_int_equal(port_of(w, one) + port_of(w, two), 20002 + 20003);
    FAILS(w, connect_to(w, new_socket(w, 0), 99), EADDRNOTAVAIL);
    int elsewhere = new_socket(w, 0); /* to another peer the same ports are good */
    FAILS(w, connect_to(w, elsewhere, 98), EINPROGRESS);
    assert_in_range(port_of(w, elsewhere), 20002, 20003);
}

/* A connection from our_port that the peer refuses. */
static void refused(struct wire *w, int fd)
{
    wire_conn(w);
    FAILS(w, connect_to(w, fd, w->peer_port), EINPROGRESS);
    OUT(w, .flags = SYN);
    IN(w, .flags = RST | ACK, .ack = 1);
}

/* as Linux */
SCENARIO(a_port_that_was_given_outlives_its_connection_and_one_that_was_picked_does_not)
{
    w->config.port_min = w->config.port_max = w->our_port;
    int named = new_socket(w, 0), picked = new_socket(w, 0), other = new_socket(w, 0);
    assert_int_equal(bind_to(w, named, w->our_port), 0);
    refused(w, named);
    FAILS(w, bind_to(w, picked, 0), EADDRINUSE);
    assert_int_equal(mytcp_close(w->stack, named), 0);
    assert_int_equal(bind_to(w, picked, 0), 0);
    wire_reincarnate(w, 5000);
    refused(w, picked);
    assert_int_equal(bind_to(w, other, 0), 0);
    assert_int_equal(port_of(w, other), w->our_port);
}

SCENARIO(a_socket_whose_connection_has_ended_has_no_say_in_its_old_port)
{
    w->config.port_min = w->config.port_max = w->our_port;
    int old = new_socket(w, 0), owner = new_socket(w, 0);
    refused(w, old);
    assert_int_equal(bind_to(w, owner, w->our_port), 0);
    reuse(w, old, 1);
    FAILS(w, bind_to(w, new_socket(w, 1), w->our_port), EADDRINUSE);
}

SCENARIO(the_port_of_a_listener_that_is_gone_is_good_for_other_peers_though_one_stays)
{
    w->config.port_min = w->config.port_max = w->our_port;
    wire_passive(w);
    FAILS(w, connect_to(w, new_socket(w, 0), 98), EADDRNOTAVAIL);
    assert_int_equal(mytcp_close(w->stack, w->listener), 0);
    int elsewhere = new_socket(w, 0);
    FAILS(w, connect_to(w, elsewhere, 98), EINPROGRESS);
    assert_int_equal(port_of(w, elsewhere), w->our_port);
}

/* RFC 6191 lets the tuple go, but the port is somebody else's by now */
SCENARIO(connect_takes_no_tuple_from_time_wait_whose_port_has_a_new_owner)
{
    w->config.port_min = w->config.port_max = w->our_port;
    w->peer.ts = true;
    wire_start(w);
    w->fd = new_socket(w, 1);
    wire_conn(w);
    FAILS(w, connect_to(w, w->fd, w->peer_port), EINPROGRESS);
    OUT(w, .flags = SYN);
    struct wire_segment syn_ack = wire_peer_syn(w, SYN | ACK, 1);
    wire_in(w, __FILE__, __LINE__, &syn_ack);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
    OUT(w, .flags = ACK, .seq = 2, .ack = 2);
    MARK(w);
    AT(w, 2 * SEC);
    int owner = new_socket(w, 1), other = new_socket(w, 0);
    assert_int_equal(bind_to(w, owner, w->our_port), 0);
    FAILS(w, connect_to(w, other, w->peer_port), EADDRNOTAVAIL);
    assert_int_equal(mytcp_listen(w->stack, owner, 1), 0);
    FAILS(w, connect_to(w, other, w->peer_port), EADDRNOTAVAIL);
    assert_int_equal(mytcp_close(w->stack, owner), 0);
    wire_reincarnate(w, 5000);
    FAILS(w, connect_to(w, other, w->peer_port), EINPROGRESS);
    OUT(w, .flags = SYN);
}

WIRE_MAIN(WIRE_TEST(a_port_is_shared_only_if_all_agree), WIRE_TEST(one_of_those_who_share_a_port_listens),
          WIRE_TEST(listen_picks_a_port_if_there_is_one),
          WIRE_TEST(two_who_share_a_port_cannot_connect_to_the_same_peer),
          WIRE_TEST(connect_takes_no_port_that_somebody_has_by_name),
          WIRE_TEST(a_port_that_was_given_outlives_its_connection_and_one_that_was_picked_does_not),
          WIRE_TEST(a_socket_whose_connection_has_ended_has_no_say_in_its_old_port),
          WIRE_TEST(the_port_of_a_listener_that_is_gone_is_good_for_other_peers_though_one_stays),
          WIRE_TEST(connect_takes_no_tuple_from_time_wait_whose_port_has_a_new_owner))
