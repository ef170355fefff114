/* Blocking calls that open, accept and receive; those that send, close and look are in test_blocking_send.c. */
#include "lib/wire_driver.h"

#include <fcntl.h>

/* ---- what others do meanwhile ---- */

static void peers_syn(struct wire *w)
{
    struct wire_segment syn = wire_peer_syn(w, SYN, 0);
    wire_in(w, __FILE__, __LINE__, &syn);
    OUT(w, .flags = SYN | ACK, .ack = 1);
}

static void peers_syn_ack(struct wire *w)
{
    OUT(w, .flags = SYN);
    struct wire_segment syn_ack = wire_peer_syn(w, SYN | ACK, 1);
    wire_in(w, __FILE__, __LINE__, &syn_ack);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
}

static void peers_own_syn(struct wire *w) /* simultaneously */
{
    OUT(w, .flags = SYN);
    struct wire_segment syn = wire_peer_syn(w, SYN, 0);
    wire_in(w, __FILE__, __LINE__, &syn);
    OUT(w, .flags = SYN | ACK, .ack = 1);
}

static void refusal(struct wire *w)
{
    OUT(w, .flags = SYN);
    IN(w, .flags = RST | ACK, .ack = 1);
}

static void peers_ack(struct wire *w) { IN(w, .flags = ACK, .seq = 1, .ack = 1); }
static void data_60(struct wire *w) { IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 60); }
static void data_40_more(struct wire *w) { IN(w, .flags = ACK, .seq = 61, .ack = 1, .len = 40); }
static void fin_after_60(struct wire *w) { IN(w, .flags = ACK | FIN, .seq = 61, .ack = 1); }
static void reset_after_60(struct wire *w) { IN(w, .flags = RST, .seq = 61); }

static void window_update(struct wire *w) /* which changes nothing that anybody waits for */
{
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = 2000);
}


static void somebody_closes(struct wire *w)
{
    assert_int_equal(mytcp_fcntl(w->stack, w->fd, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
}

static void somebody_closes_the_listener(struct wire *w)
{
    assert_int_equal(mytcp_close(w->stack, w->listener), 0);
}

static void somebody_shuts_the_listener(struct wire *w)
{
    assert_int_equal(mytcp_shutdown(w->stack, w->listener, SHUT_RD), 0);
}

static void somebody_dissolves(struct wire *w)
{
    struct sockaddr unspecified = {.sa_family = AF_UNSPEC};
    assert_int_equal(mytcp_connect(w->stack, w->fd, &unspecified, sizeof(unspecified)), 0);
}

/* ---- accept ---- */

static int accept_one(struct wire *w) { return mytcp_accept(w->stack, w->listener, NULL, NULL, 0); }

static void listening(struct wire *w)
{
    wire_aim(w, false);
    wire_listen(w, 4);
}

SCENARIO(accept_waits_for_a_connection)
{
    listening(w);
    wire_attach(w, WIRE_STEPS(peers_syn, peers_ack));
    w->fd = accept_one(w);
    assert_true(w->fd >= 0);
    ALL_DONE();
    assert_int_equal(mytcp_fcntl(w->stack, w->fd, F_GETFL, 0), O_RDWR); /* it blocks, as it was asked */
    STATE(w, TCP_ESTABLISHED);
}

SCENARIO(accept_gives_up_when_its_time_is_over)
{
    listening(w);
    wire_patience(w, w->listener, SO_RCVTIMEO, 1500);
    wire_attach(w, WIRE_STEPS(peers_syn));
    uint64_t start = w->now_us;
    FAILS(w, accept_one(w), EAGAIN);
    assert_int_equal(w->now_us - start, 1500 * MS);
    assert_int_equal(wire_driver.waits, 2);
}

SCENARIO(accept_ends_with_its_listener)
{
    listening(w);
    wire_attach(w, WIRE_STEPS(wire_interrupted, somebody_shuts_the_listener));
    FAILS(w, accept_one(w), EINTR);
    FAILS(w, accept_one(w), EINVAL);
    assert_int_equal(mytcp_listen(w->stack, w->listener, 1), 0);
    wire_attach(w, WIRE_STEPS(somebody_closes_the_listener));
    FAILS(w, accept_one(w), EBADF);
    ALL_DONE();
}

/* ---- connect ---- */

static int connect_now(struct wire *w)
{
    struct sockaddr_in to = wire_sockaddr(w->peer_addr, w->peer_port);
    return mytcp_connect(w->stack, w->fd, (struct sockaddr *)&to, sizeof(to));
}

/* A socket about to connect, and its steps. */
static void connecting(struct wire *w, wire_step *const *steps)
{
    struct sockaddr_in here = wire_sockaddr(w->our_addr, w->our_port);
    if (!w->stack)
        wire_aim(w, true);
    w->fd = mytcp_socket(w->stack, AF_INET, SOCK_STREAM, 0);
    assert_int_equal(mytcp_bind(w->stack, w->fd, (struct sockaddr *)&here, sizeof(here)), 0);
    wire_conn(w);
    wire_attach(w, steps);
}
#define CONNECTING(w, ...) connecting((w), WIRE_STEPS(__VA_ARGS__))

SCENARIO(connect_waits_for_the_handshake)
{
    CONNECTING(w, wire_interrupted, peers_syn_ack);
    FAILS(w, connect_now(w), EINTR); /* the attempt goes on */
    assert_int_equal(connect_now(w), 0);
    ALL_DONE();
    STATE(w, TCP_ESTABLISHED);
    FAILS(w, connect_now(w), EISCONN);
}

SCENARIO(connect_waits_for_the_end_of_a_simultaneous_open)
{
    CONNECTING(w, peers_own_syn, peers_ack);
    assert_int_equal(connect_now(w), 0);
    ALL_DONE();
    STATE(w, TCP_ESTABLISHED);
}

SCENARIO(connect_tells_of_a_refusal)
{
    CONNECTING(w, refusal);
    FAILS(w, connect_now(w), ECONNREFUSED);
    ALL_DONE();
    assert_int_equal(wire_so_error(w), 0); /* it is told once */
}

SCENARIO(connect_whose_error_was_told_otherwise_was_aborted)
{
    CONNECTING(w, wire_interrupted);
    FAILS(w, connect_now(w), EINTR);
    refusal(w);
    assert_int_equal(wire_so_error(w), ECONNREFUSED);
    FAILS(w, connect_now(w), ECONNABORTED);
}

SCENARIO(connect_gives_up_when_its_time_is_over)
{
    CONNECTING(w, NULL);
    wire_patience(w, w->fd, SO_SNDTIMEO, 700);
    uint64_t start = w->now_us;
    FAILS(w, connect_now(w), EINPROGRESS);
    FAILS(w, connect_now(w), EALREADY);
    assert_int_equal(w->now_us - start, 1400 * MS);
}

SCENARIO(connect_ends_with_its_socket)
{
    CONNECTING(w, somebody_dissolves, somebody_closes);
    FAILS(w, connect_now(w), EPIPE);
    FAILS(w, connect_now(w), EBADF);
    ALL_DONE();
}

/* As in SYN-SENT, but the peer knows of us: the FIN follows when the handshake is done. */
SCENARIO(shutting_down_in_syn_received_ends_the_attempt)
{
    CONNECTING(w, wire_interrupted);
    FAILS(w, connect_now(w), EINTR);
    peers_own_syn(w);
    STATE(w, TCP_SYN_RECV);
    assert_int_equal(mytcp_shutdown(w->stack, w->fd, SHUT_WR), 0);
    FAILS(w, connect_now(w), EINVAL);
    peers_ack(w);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    STATE(w, TCP_FIN_WAIT1);
}

/* ---- recv ---- */

static ssize_t recv_100(struct wire *w, int flags)
{
    static uint8_t data[100];
    return mytcp_recv(w->stack, w->fd, data, sizeof(data), flags);
}

SCENARIO(recv_waits_for_data)
{
    wire_passive(w);
    wire_attach(w, WIRE_STEPS(window_update, data_60));
    assert_int_equal(recv_100(w, 0), 60);
    ALL_DONE();
    FAILS(w, recv_100(w, MSG_DONTWAIT), EAGAIN);
    wire_attach(w, WIRE_STEPS(wire_interrupted, reset_after_60));
    FAILS(w, recv_100(w, 0), EINTR);
    FAILS(w, recv_100(w, 0), ECONNRESET);
    assert_int_equal(recv_100(w, 0), 0);
}

SCENARIO(recv_waits_for_all_if_asked)
{
    wire_passive(w);
    wire_attach(w, WIRE_STEPS(data_60, data_40_more));
    assert_int_equal(recv_100(w, MSG_WAITALL | MSG_PEEK), 100);
    ALL_DONE();
    assert_int_equal(recv_100(w, MSG_WAITALL), 100);
    wire_conn(w)->read_pos = 100;
}

SCENARIO(recv_gives_what_there_is_at_the_end_of_its_patience)
{
    wire_passive(w);
    wire_patience(w, w->fd, SO_RCVTIMEO, 250);
    wire_attach(w, WIRE_STEPS(data_60));
    uint64_t start = w->now_us;
    assert_int_equal(recv_100(w, MSG_WAITALL), 60);
    FAILS(w, recv_100(w, 0), EAGAIN);
    assert_int_equal(w->now_us - start, 500 * MS);
}

SCENARIO(recv_waits_for_as_much_as_the_low_water_mark)
{
    wire_passive(w);
    wire_set(w, SOL_SOCKET, SO_RCVLOWAT, 80);
    wire_attach(w, WIRE_STEPS(data_60, data_40_more));
    assert_int_equal(recv_100(w, 0), 100);
    ALL_DONE();
}

static void recv_60_then(struct wire *w, wire_step *then)
{
    wire_skip_to(w, w->now_us - w->mark_us); /* what is still to be sent to others */
    w->peer_port++;
    wire_passive(w);
    wire_attach(w, WIRE_STEPS(data_60, then));
    assert_int_equal(recv_100(w, MSG_WAITALL), 60);
    ALL_DONE();
    mytcp_attach(w->stack, NULL);
}

SCENARIO(recv_gives_what_there_is_when_no_more_can_come)
{
    recv_60_then(w, wire_interrupted);
    recv_60_then(w, fin_after_60);
    assert_int_equal(recv_100(w, 0), 0);
    recv_60_then(w, reset_after_60);
    FAILS(w, recv_100(w, 0), ECONNRESET);
    recv_60_then(w, somebody_closes);
    FAILS(w, recv_100(w, 0), EBADF);
}

SCENARIO(recv_ends_with_its_socket)
{
    wire_passive(w);
    wire_attach(w, WIRE_STEPS(somebody_closes));
    FAILS(w, recv_100(w, 0), EBADF);
    ALL_DONE();
}

/* It is there already, and waiting would be for something else. */
SCENARIO(recv_of_all_stops_at_the_urgent_mark_at_once)
{
    uint8_t data[100];
    wire_passive(w);
    IN(w, .flags = ACK | URG, .seq = 1, .ack = 1, .len = 100, .urg = 61);
    OUT(w, .flags = ACK, .seq = 1, .ack = 101);
    wire_attach(w, WIRE_NO_STEPS);
    assert_int_equal(mytcp_recv(w->stack, w->fd, data, 100, MSG_WAITALL | MSG_PEEK), 60);
    assert_int_equal(mytcp_recv(w->stack, w->fd, data, 100, MSG_WAITALL), 60);
    assert_int_equal(mytcp_recv(w->stack, w->fd, data, 40, MSG_WAITALL), 40);
    assert_int_equal(wire_driver.waits, 0);
}

static void urgent_next(struct wire *w)
{
    IN(w, .flags = ACK | URG, .seq = 61, .ack = 1, .len = 40, .urg = 1);
}

SCENARIO(recv_of_all_stops_at_an_urgent_mark_that_comes_while_it_waits)
{
    wire_passive(w);
    wire_attach(w, WIRE_STEPS(data_60, urgent_next));
    assert_int_equal(recv_100(w, MSG_WAITALL), 60);
    ALL_DONE();
    assert_int_equal(recv_100(w, 0), 40);
}

WIRE_MAIN(WIRE_TEST(accept_waits_for_a_connection), WIRE_TEST(accept_gives_up_when_its_time_is_over),
          WIRE_TEST(accept_ends_with_its_listener), WIRE_TEST(connect_waits_for_the_handshake),
          WIRE_TEST(connect_waits_for_the_end_of_a_simultaneous_open), WIRE_TEST(connect_tells_of_a_refusal),
          WIRE_TEST(connect_whose_error_was_told_otherwise_was_aborted),
          WIRE_TEST(connect_gives_up_when_its_time_is_over), WIRE_TEST(connect_ends_with_its_socket),
          WIRE_TEST(shutting_down_in_syn_received_ends_the_attempt), WIRE_TEST(recv_waits_for_data),
          WIRE_TEST(recv_waits_for_all_if_asked),
          WIRE_TEST(recv_waits_for_as_much_as_the_low_water_mark),
          WIRE_TEST(recv_gives_what_there_is_at_the_end_of_its_patience),
          WIRE_TEST(recv_gives_what_there_is_when_no_more_can_come), WIRE_TEST(recv_ends_with_its_socket),
          WIRE_TEST(recv_of_all_stops_at_the_urgent_mark_at_once),
          WIRE_TEST(recv_of_all_stops_at_an_urgent_mark_that_comes_while_it_waits))
