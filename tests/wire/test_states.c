/* The same call or segment in each state of a close (RFC 9293 3.10): what differs and what does not. */
#include "lib/wire.h"

#include <fcntl.h>

static const int closing_states[] = {TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCP_CLOSE_WAIT,
                                     TCP_CLOSING,   TCP_LAST_ACK,  TCP_TIME_WAIT};
enum { STATES = 6 };

static bool peer_has_closed(int state) { return state != TCP_FIN_WAIT1 && state != TCP_FIN_WAIT2; }

/* A socket whose connection is in TIME-WAIT has left it behind: CLOSED, as on Linux. */
static void stands(struct wire *w, int state)
{
    STATE(w, state == TCP_TIME_WAIT ? TCP_CLOSE : state);
}

/* Into that state. `len` bytes of the peer's come with its FIN, or in its place, and stay unread. */
static void enter(struct wire *w, int state, uint32_t len)
{
    bool passive = state == TCP_CLOSE_WAIT || state == TCP_LAST_ACK;
    uint32_t una = 1;
    w->peer_port++;
    w->rtt_us = 1 * MS; /* no timer of another one fires meanwhile */
    wire_passive(w);
    if (passive) {
        IN(w, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = len);
        OUT(w, .flags = ACK, .seq = 1, .ack = 2 + len);
    }
    if (state != TCP_CLOSE_WAIT) {
        assert_int_equal(mytcp_shutdown(w->stack, w->fd, SHUT_WR), 0);
        OUT(w, .flags = FIN | ACK, .seq = 1, .ack = passive ? 2 + len : 1);
    }
    if (state == TCP_FIN_WAIT2 || state == TCP_TIME_WAIT) {
        IN(w, .flags = ACK, .seq = 1, .ack = 2);
        una = 2;
    }
    if (!passive && peer_has_closed(state)) {
        IN(w, .flags = FIN | ACK, .seq = 1, .ack = una, .len = len);
        OUT(w, .flags = ACK, .seq = 2, .ack = 2 + len);
    }
    QUIET(w);
    stands(w, state);
}

static uint32_t snd_una(int state) { return state == TCP_FIN_WAIT2 || state == TCP_TIME_WAIT ? 2 : 1; }

static uint32_t rcv_nxt(int state) { return peer_has_closed(state) ? 2 : 1; }

/* 9293-OPEN-7 */
SCENARIO(connecting_a_connection_is_eisconn_and_sends_nothing)
{
    for (unsigned i = 0; i < STATES; i++) {
        enter(w, closing_states[i], 0);
        struct sockaddr_in to = wire_sockaddr(w->peer_addr, 999);
        FAILS(w, mytcp_connect(w->stack, w->fd, (struct sockaddr *)&to, sizeof(to)), EISCONN);
        FAILS(w, mytcp_listen(w->stack, w->fd, 1), EINVAL);
        QUIET(w);
        stands(w, closing_states[i]);
    }
}

/* 9293-SEND-6, 9293-CLOSE-6, 9293-CLOSE-8 */
SCENARIO(after_our_fin_nothing_can_be_sent_and_closing_again_sends_nothing)
{
    for (unsigned i = 0; i < STATES; i++) {
        enter(w, closing_states[i], 0);
        if (closing_states[i] == TCP_CLOSE_WAIT)
            continue;
        FAILS(w, mytcp_send(w->stack, w->fd, "x", 1, 0), EPIPE);
        mytcp_shutdown(w->stack, w->fd, SHUT_WR);
        QUIET(w);
        assert_int_equal(mytcp_close(w->stack, w->fd), 0);
        QUIET(w);
    }
}

/* 9293-RECV-6, 9293-RECV-7 */
SCENARIO(what_came_before_the_peers_fin_is_read_first_then_the_end)
{
    for (unsigned i = 0; i < STATES; i++) {
        enter(w, closing_states[i], 10);
        if (!peer_has_closed(closing_states[i]))
            continue;
        READ(w, 10);
        wire_eof(w);
        wire_eof(w);
    }
}

/* 9293-SA-TXT-4: and not answered */
SCENARIO(text_behind_the_peers_fin_is_ignored)
{
    for (unsigned i = 0; i < STATES; i++) {
        int state = closing_states[i];
        enter(w, state, 0);
        if (!peer_has_closed(state))
            continue;
        IN(w, .flags = ACK, .seq = 2, .ack = snd_una(state), .len = 10, .garbage = true);
        QUIET(w);
        wire_eof(w);
        stands(w, state);
    }
}

/* 9293-SA-URG-1, 9293-SA-URG-3 */
SCENARIO(an_urgent_pointer_counts_until_the_peers_fin)
{
    for (unsigned i = 0; i < STATES; i++) {
        int state = closing_states[i];
        enter(w, state, 0);
        IN(w, .flags = URG | ACK, .seq = rcv_nxt(state), .ack = snd_una(state), .urg = 5);
        QUIET(w);
        assert_int_equal(!!(wire_ready(w, w->fd) & POLLPRI), !peer_has_closed(state));
    }
}

/* 9293-ABORT-5 */
SCENARIO(an_abort_after_both_fins_sends_nothing)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    static const int states[] = {TCP_CLOSING, TCP_LAST_ACK, TCP_TIME_WAIT};
    for (unsigned i = 0; i < 3; i++) {
        enter(w, states[i], 0);
        assert_int_equal(
            mytcp_setsockopt(w->stack, w->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
        assert_int_equal(mytcp_close(w->stack, w->fd), 0);
        QUIET(w);
    }
    assert_int_equal(wire_stats(w).sockets, 1); /* the listener */
}

static void named(struct wire *w, int fd, int state, const char *name)
{
    struct mytcp_conn_info info;
    assert_int_equal(mytcp_conn_info_get(w->stack, fd, &info), 0);
    assert_int_equal(info.state, state);
    assert_string_equal(mytcp_state_name(info.state), name);
}

/* 9293-STATUS-2 */
SCENARIO(every_state_is_told_by_its_name)
{
    static const char *const names[] = {"FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK"};
    struct mytcp_trace last, t = {.state_after = 0};
    w->config.trace_entries = 1000;
    wire_syn_sent(w);
    named(w, w->fd, TCP_SYN_SENT, "SYN-SENT");
    struct wire_segment syn = wire_peer_syn(w, SYN, 0);
    wire_in(w, __FILE__, __LINE__, &syn);
    OUT(w, .flags = SYN | ACK, .seq = 0, .ack = 1);
    named(w, w->fd, TCP_SYN_RECV, "SYN-RECEIVED");
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    named(w, w->fd, TCP_ESTABLISHED, "ESTABLISHED");
    assert_int_equal(wire_info(w).rto_us, w->config.rto_initial_us);
    WRITE(w, 1000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    IN(w, .flags = ACK, .seq = 1, .ack = 601, .len = 10, .wnd = 12800);
    struct mytcp_conn_info c = wire_info(w);
    assert_true(c.snd_una - c.iss == 601 && c.snd_nxt - c.iss == 1001 && c.rcv_nxt - c.irs == 11);
    assert_true(c.snd_wnd == 12800 && c.recv_queued == 10);
    assert_true(c.send_queued == 400 && c.send_unacked == 400);
    assert_true(c.bytes_acked == 600 && c.bytes_received == 10 && c.bytes_sent == 1000);
    IN(w, .flags = RST, .seq = 11);
    named(w, w->fd, TCP_CLOSE, "CLOSED");
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    for (unsigned i = 0; i < STATES; i++) {
        enter(w, closing_states[i], 0);
        if (closing_states[i] != TCP_TIME_WAIT)
            named(w, w->fd, closing_states[i], names[i]);
    }
    while (mytcp_trace_read(w->stack, &last, NULL) == 1)
        t = last;
    assert_string_equal(mytcp_state_name(t.state_after), "TIME-WAIT");
    named(w, w->listener, TCP_LISTEN, "LISTEN");
}

/* 9293-SA-LISTEN-6, 9293-SA-SEC-1, 9293-SA-SEC-2, 9293-GEN-29: a host without levels of security
 * ignores
 * what says so, and precedence means nothing to TCP (RFC 9293 A.1, RFC 2873) */
SCENARIO(security_and_precedence_are_ignored_from_listen_to_the_end)
{
    w->classified = true;
    wire_passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    OUT(w, .flags = ACK, .seq = 1, .ack = 11);
    w->classified = false; /* and when it changes */
    IN(w, .flags = ACK, .seq = 11, .ack = 1, .len = 10);
    OUT(w, .flags = ACK, .seq = 1, .ack = 21);
    w->classified = true;
    READ(w, 20);
    for (unsigned i = 0; i < STATES; i++)
        enter(w, closing_states[i], 0);
}

/* 9293-SA-SYNSENT-7 */
SCENARIO(security_and_precedence_of_a_syn_ack_are_ignored)
{
    w->classified = true;
    wire_active(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    READ(w, 10);
}

/* The driver of a blocking call: our FIN goes out, the peer acknowledges it. */
static int peer_acknowledges_the_fin(void *ctx, uint64_t deadline_us)
{
    struct wire *w = ctx;
    (void)deadline_us;
    OUT(w, .flags = FIN | PSH | ACK, .seq = 1, .ack = 1, .len = 10);
    w->now_us += 50 * MS;
    IN(w, .flags = ACK, .seq = 1, .ack = 12);
    return 0;
}

static uint64_t clock_us(void *ctx) { return ((struct wire *)ctx)->now_us; }

/* 9293-SA-ACK-10 */
SCENARIO(a_lingering_close_returns_when_our_fin_is_acknowledged)
{
    struct mytcp_driver driver = {.ctx = w, .now_us = clock_us, .wait = peer_acknowledges_the_fin};
    struct linger linger = {.l_onoff = 1, .l_linger = 5};
    wire_passive(w);
    assert_int_equal(mytcp_attach(w->stack, &driver), 0);
    assert_int_equal(
        mytcp_setsockopt(w->stack, w->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    assert_int_equal(mytcp_fcntl(w->stack, w->fd, F_SETFL, 0), 0);
    WRITE(w, 10);
    uint64_t before = w->now_us;
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    assert_int_equal(w->now_us, before + 50 * MS);
    assert_int_equal(mytcp_attach(w->stack, NULL), 0);
    QUIET(w);
    assert_int_equal(wire_stats(w).sockets, 2); /* the TCB is kept: FIN-WAIT-2 */
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 12);
    OUT(w, .flags = ACK, .seq = 12, .ack = 2);
    assert_int_equal(wire_stats(w).time_wait, 1);
}

WIRE_MAIN(WIRE_TEST(connecting_a_connection_is_eisconn_and_sends_nothing),
          WIRE_TEST(after_our_fin_nothing_can_be_sent_and_closing_again_sends_nothing),
          WIRE_TEST(what_came_before_the_peers_fin_is_read_first_then_the_end),
          WIRE_TEST(text_behind_the_peers_fin_is_ignored),
          WIRE_TEST(an_urgent_pointer_counts_until_the_peers_fin),
          WIRE_TEST(an_abort_after_both_fins_sends_nothing),
          WIRE_TEST(every_state_is_told_by_its_name),
          WIRE_TEST(security_and_precedence_are_ignored_from_listen_to_the_end),
          WIRE_TEST(security_and_precedence_of_a_syn_ack_are_ignored),
          WIRE_TEST(a_lingering_close_returns_when_our_fin_is_acknowledged))
