/* Bugs that other stacks had in opening connections, and fixed. */
#include "lib/wire_place.h"

static struct wire_packet p;

static int new_socket(struct wire *w)
{
    wire_start(w);
    int fd = mytcp_socket(w->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    return fd;
}

/* G006: between bind() and listen() a port is nobody's */
SCENARIO(a_bound_socket_that_does_not_listen_answers_nothing)
{
    struct sockaddr_in a = wire_sockaddr(w->our_addr, w->our_port);
    w->fd = new_socket(w);
    assert_int_equal(mytcp_bind(w->stack, w->fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_string_equal(IN(w, .flags = SYN, .mss = 1460), "no_connection");
    OUT(w, .flags = RST | ACK, .seq = 0, .ack = 1);
    assert_int_equal(mytcp_listen(w->stack, w->fd, 1), 0);
    w->listener = w->fd;
    wire_reincarnate(w, w->irs);
    wire_passive(w);
}

/* G017: a third ACK without the timestamps that were negotiated turns them off for good, both ways;
 * the other segments without them are dropped in silence (RFC 7323 3.2) */
SCENARIO(a_third_ack_without_timestamps_does_without_them)
{
    w->peer.ts = true;
    wire_syn_received(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .no_ts = true);
    wire_conn(w)->peer_ts = false; /* the harness: none from here on */
    QUIET(w);
    w->fd = mytcp_accept(w->stack, w->listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(w->fd >= 0);
    assert_false(wire_info(w).timestamps_ok);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .no_ts = true);
    OUT(w, .flags = ACK, .seq = 1, .ack = 11);
    READ(w, 10);
}

/* G021, U14: the errno is that of the last attempt, not of an earlier one */
SCENARIO(connect_tells_the_error_of_this_attempt)
{
    struct sockaddr_in to = wire_sockaddr(w->peer_addr, w->peer_port);
    wire_syn_sent(w);
    IN(w, .flags = RST | ACK, .ack = 1);
    FAILS(w, mytcp_connect(w->stack, w->fd, (struct sockaddr *)&to, sizeof(to)), ECONNREFUSED);
    wire_reincarnate(w, w->irs);
    FAILS(w, mytcp_connect(w->stack, w->fd, (struct sockaddr *)&to, sizeof(to)), EINPROGRESS);
    MARK(w);
    wire_skip_to(w, 400 * SEC);
    FAILS(w, mytcp_connect(w->stack, w->fd, (struct sockaddr *)&to, sizeof(to)), ETIMEDOUT);
    assert_int_equal(wire_so_error(w), 0);
}

/* G021: nor is it left of an attempt that was dissolved, though nobody asked for it */
SCENARIO(an_attempt_begins_without_the_error_of_the_one_before)
{
    struct sockaddr_in to = wire_sockaddr(w->peer_addr, w->peer_port);
    struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    wire_syn_sent(w);
    assert_int_equal(mytcp_connect(w->stack, w->fd, &nowhere, sizeof(nowhere)), 0);
    assert_true(wire_ready(w, w->fd) & POLLERR); /* ECONNRESET */
    FAILS(w, mytcp_connect(w->stack, w->fd, (struct sockaddr *)&to, sizeof(to)), EINPROGRESS);
    assert_int_equal(wire_ready(w, w->fd), 0);
    assert_int_equal(wire_so_error(w), 0);
}

/* G027: whose listener has gone: an ACK and an ICMP error about the SYN-ACK find nobody */
SCENARIO(what_comes_for_a_handshake_without_its_listener_finds_nobody)
{
    wire_syn_received(w);
    wire_reincarnate(w, w->irs);
    IN(w, .flags = SYN, .mss = 1460, .wscale = WS(7), .sackok = true);
    struct wire_packet syn_ack = *OUT(w, .flags = SYN | ACK, .ack = 1);
    assert_int_equal(mytcp_close(w->stack, w->listener), 0);
    w->listener = -1;
    for (uint8_t code = 0; code < 16; code++) {
        wire_build_icmp(w, &p, 3, code, 0, syn_ack.bytes, 28);
        assert_string_equal(wire_inject(w, &p), "icmp_unmatched");
    }
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 5);
    OUT(w, .flags = RST, .seq = 1);
    QUIET(w);
    assert_int_equal(wire_stats(w).sockets, 0);
}

/* G031: the trace records the SYN, and what answers it, before there is a connection to speak of */
SCENARIO(the_trace_is_kept_from_the_first_syn_on)
{
    struct mytcp_trace t;
    char line[200];
    unsigned lines = 0;
    w->config.trace_entries = 64;
    wire_syn_sent(w);
    IN(w, .flags = ACK, .seq = 9, .ack = 7); /* what the trace cannot make relative */
    while (wire_poll(w, &p))
        continue;
    IN(w, .flags = RST | ACK, .ack = 1);
    w->peer_port++;
    IN(w, .flags = SYN | FIN | RST, .len = 3);
    while (mytcp_trace_read(w->stack, &t, NULL)) {
        assert_in_range(mytcp_trace_format(&t, line, sizeof(line)), 20, sizeof(line) - 1);
        assert_int_equal(mytcp_trace_format(&t, line, 1), mytcp_trace_format(&t, NULL, 0));
        lines++;
    }
    assert_in_range(lines, 5, 8);
}

SCENARIO(the_trace_of_what_ended_says_so_though_somebody_listens_there)
{
    struct mytcp_trace t, last = {0};
    w->config.trace_entries = 64;
    wire_syn_received(w);
    IN(w, .flags = RST, .seq = 1);
    while (mytcp_trace_read(w->stack, &t, NULL))
        last = t;
    assert_int_equal(last.state_before, TCP_SYN_RECV);
    assert_int_equal(last.state_after, TCP_CLOSE);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    assert_int_equal(mytcp_trace_read(w->stack, &t, NULL), 1);
    assert_int_equal(t.state_before, TCP_LISTEN);
    assert_int_equal(t.state_after, TCP_LISTEN);
}

/* G034, G035, G250: who never was accepted never tells; what its listener refuses is counted */
SCENARIO(nothing_is_told_of_a_connection_that_nobody_accepted)
{
    struct mytcp_event event[4];
    wire_listen(w, 0);
    assert_int_equal(mytcp_watch(w->stack, w->listener, POLLIN, 1), 0);
    wire_syn_received(w);
    assert_int_equal(mytcp_wait(w->stack, event, 4, 0), 0);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    assert_int_equal(mytcp_wait(w->stack, event, 4, 0), 1);
    w->peer_port++;
    IN(w, .flags = SYN, .mss = 1460);
    assert_int_equal(wire_drops(w, "listen_backlog"), 1);
    w->peer_port--;
    assert_int_equal(mytcp_close(w->stack, w->listener), 0);
    OUT(w, .flags = RST | ACK, .seq = 1, .ack = 1);
    assert_int_equal(mytcp_wait(w->stack, event, 4, 0), 0);
    FAILS(w, mytcp_accept(w->stack, w->listener, NULL, NULL, 0), EBADF);
    assert_int_equal(wire_stats(w).sockets, 0);
}

/* G042: what the SYN-ACK permits is used by the active side */
SCENARIO(the_active_side_learns_sack_from_the_syn_ack)
{
    wire_active(w);
    assert_true(wire_info(w).sack_ok);
    IN(w, .flags = ACK, .seq = 101, .ack = 1, .len = 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{101, 201}});
}

/* G049, U13: a failed connect is one event, and the socket is good for another try */
SCENARIO(a_failed_connect_is_one_event)
{
    struct mytcp_event event[4];
    struct sockaddr_in to = wire_sockaddr(w->peer_addr, w->peer_port);
    wire_syn_sent(w);
    assert_int_equal(mytcp_watch(w->stack, w->fd, POLLIN | POLLOUT | MYTCP_ET, 1), 0);
    mytcp_wait(w->stack, event, 4, 0);
    IN(w, .flags = RST | ACK, .ack = 1);
    assert_int_equal(mytcp_wait(w->stack, event, 4, 0), 1);
    assert_true(event[0].events & POLLERR && event[0].events & POLLHUP);
    assert_int_equal(mytcp_wait(w->stack, event, 4, 0), 0);
    FAILS(w, mytcp_connect(w->stack, w->fd, (struct sockaddr *)&to, sizeof(to)), ECONNREFUSED);
    wire_reincarnate(w, w->irs);
    FAILS(w, mytcp_connect(w->stack, w->fd, (struct sockaddr *)&to, sizeof(to)), EINPROGRESS);
    OUT(w, .flags = SYN);
    struct wire_segment syn_ack = wire_peer_syn(w, SYN | ACK, 1);
    wire_in(w, __FILE__, __LINE__, &syn_ack);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    STATE(w, TCP_ESTABLISHED);
}

/* G062: without memory for its record a SYN is dropped and counted; its next try may do better */
SCENARIO(a_syn_without_memory_is_dropped_and_comes_again)
{
    wire_listen(w, 4);
    w->fail_from = w->allocs + 1;
    assert_string_equal(IN(w, .flags = SYN, .mss = 1460), "no_memory");
    QUIET(w);
    w->fail_from = 0;
    IN(w, .flags = SYN, .mss = 1460);
    OUT(w, .flags = SYN | ACK, .ack = 1);
    w->fail_from = w->allocs + 1; /* nor for the socket of the third ACK */
    assert_string_equal(IN(w, .flags = ACK, .seq = 1, .ack = 1), "no_memory");
    QUIET(w);
    w->fail_from = 0;
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    OUT(w, .flags = ACK, .seq = 1, .ack = 11);
    w->fd = mytcp_accept(w->stack, w->listener, NULL, NULL, 0);
    READ(w, 10);
}

/* G061: the RST that refuses a SYN acknowledges it, or the client would not believe it */
SCENARIO(a_refused_syn_is_acknowledged_by_its_rst)
{
    w->our_port = 9999;
    for (uint32_t len = 0; len < 3; len++) {
        IN(w, .flags = SYN, .mss = 1460, .len = len);
        OUT(w, .flags = RST | ACK, .seq = 0, .ack = 1 + len);
    }
    QUIET(w);
}

/* G183: gauges count what there is, however it ended */
SCENARIO(gauges_come_back_to_zero)
{
    for (unsigned i = 0; i < WIRE_PLACES; i++) {
        const struct wire_place *at = wire_go(w, i);
        struct linger now = {.l_onoff = 1};
        if (at->state) {
            mytcp_setsockopt(w->stack, w->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
            assert_int_equal(mytcp_close(w->stack, w->fd), 0);
            FAILS(w, mytcp_close(w->stack, w->fd), EBADF);
        }
        while (wire_poll(w, &p))
            continue;
        IN(w, .flags = RST, .seq = at->rcv_nxt);
        MARK(w);
        wire_skip_to(w, 100 * SEC);
        struct mytcp_stats s = wire_stats(w);
        assert_int_equal(s.sockets, 1);
        assert_int_equal(s.half_open, 0);
        assert_int_equal(s.time_wait, 0);
    }
}

WIRE_MAIN(WIRE_TEST(a_bound_socket_that_does_not_listen_answers_nothing),
          WIRE_TEST(a_third_ack_without_timestamps_does_without_them),
          WIRE_TEST(connect_tells_the_error_of_this_attempt),
          WIRE_TEST(an_attempt_begins_without_the_error_of_the_one_before),
          WIRE_TEST(what_comes_for_a_handshake_without_its_listener_finds_nobody),
          WIRE_TEST(the_trace_is_kept_from_the_first_syn_on),
          WIRE_TEST(the_trace_of_what_ended_says_so_though_somebody_listens_there),
          WIRE_TEST(nothing_is_told_of_a_connection_that_nobody_accepted),
          WIRE_TEST(the_active_side_learns_sack_from_the_syn_ack),
          WIRE_TEST(a_failed_connect_is_one_event),
          WIRE_TEST(a_syn_without_memory_is_dropped_and_comes_again),
          WIRE_TEST(a_refused_syn_is_acknowledged_by_its_rst), WIRE_TEST(gauges_come_back_to_zero))
