/* The ends of a connection: every order of closing (RFC 9293 3.6, 3.10.4, 3.10.5). */
#include "lib/wire.h"

static void fin_wait_1(struct wire *w)
{
    wire_passive(w);
    assert_int_equal(mytcp_shutdown(w->stack, w->fd, SHUT_WR), 0);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    QUIET(w);
    STATE(w, TCP_FIN_WAIT1);
}

static void fin_wait_2(struct wire *w)
{
    fin_wait_1(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 2);
    QUIET(w);
    STATE(w, TCP_FIN_WAIT2);
}

static void close_wait(struct wire *w)
{
    wire_passive(w);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    OUT(w, .flags = ACK, .seq = 1, .ack = 2); /* 9293-SA-FIN-2: at once */
    QUIET(w);
    STATE(w, TCP_CLOSE_WAIT);
}

static void last_ack(struct wire *w)
{
    close_wait(w);
    assert_int_equal(mytcp_shutdown(w->stack, w->fd, SHUT_WR), 0);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
    QUIET(w);
    STATE(w, TCP_LAST_ACK);
}

static void closing(struct wire *w)
{
    fin_wait_1(w);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    OUT(w, .flags = ACK, .seq = 2, .ack = 2);
    QUIET(w);
    STATE(w, TCP_CLOSING);
}

static void expect_gone(struct wire *w)
{
    struct mytcp_stats stats = wire_stats(w);
    QUIET(w);
    assert_int_equal(stats.sockets, w->listener >= 0 ? 1 : 0);
    IN(w, .flags = ACK, .seq = 2, .ack = 2);
    OUT(w, .flags = RST, .seq = 2);
    QUIET(w);
}

/* 9293-SA-FIN-7, G206, 9293-GEN-19, Figure 12, our side first */
SCENARIO(we_close_first_then_the_peer)
{
    fin_wait_2(w);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
    OUT(w, .flags = ACK, .seq = 2, .ack = 2);
    QUIET(w);
    assert_int_equal(wire_stats(w).time_wait, 1);
    wire_eof(w);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    QUIET(w);
}

/* 9293-SA-FIN-4, 9293-MUST-12, 9293-GEN-21, G206, 9293-GEN-19, Figure 12, the other side */
SCENARIO(the_peer_closes_first_then_we)
{
    close_wait(w);
    wire_eof(w);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
    IN(w, .flags = ACK, .seq = 2, .ack = 2);
    QUIET(w);
    assert_int_equal(mytcp_next_deadline(w->stack), MYTCP_NEVER_US);
    expect_gone(w);
    assert_int_equal(wire_stats(w).time_wait, 0);
}

/* G206, S04, 9293-GEN-20, Figure 13; 9293-SA-FIN-6, 9293-SA-ACK-12 */
SCENARIO(both_close_at_once)
{
    closing(w);
    IN(w, .flags = ACK, .seq = 2, .ack = 2);
    QUIET(w);
    assert_int_equal(wire_stats(w).time_wait, 1);
}

/* 9293-SA-FIN-5, G199 */
SCENARIO(a_fin_that_acknowledges_ours_goes_straight_to_time_wait)
{
    fin_wait_1(w);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
    OUT(w, .flags = ACK, .seq = 2, .ack = 2);
    QUIET(w);
    assert_int_equal(wire_stats(w).time_wait, 1);
}

/* G189, 9293-GEN-18, 9293-RECV-3: half-close, their direction stays open */
SCENARIO(data_is_received_after_our_fin)
{
    fin_wait_2(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 2, .len = 1000);
    OUT(w, .flags = ACK, .seq = 2, .ack = 1001);
    READ(w, 1000);
    IN(w, .flags = FIN | ACK, .seq = 1001, .ack = 2, .len = 10);
    OUT(w, .flags = ACK, .seq = 2, .ack = 1012);
    READ(w, 10);
    wire_eof(w);
}

SCENARIO(data_is_received_while_our_fin_is_unacknowledged)
{
    fin_wait_1(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    OUT(w, .flags = ACK, .seq = 2, .ack = 1001);
    READ(w, 1000);
    STATE(w, TCP_FIN_WAIT1);
}

/* 9293-CLOSE-7, 9293-SEND-4, 9293-SA-ACK-11, G211: half-close, our direction stays open */
SCENARIO(data_is_sent_after_the_peers_fin)
{
    close_wait(w);
    WRITE(w, 1000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 2, .len = 1000);
    IN(w, .flags = ACK, .seq = 2, .ack = 1001);
    QUIET(w);
    assert_int_equal(wire_info(w).send_queued, 0);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    OUT(w, .flags = FIN | ACK, .seq = 1001, .ack = 2);
    IN(w, .flags = ACK, .seq = 2, .ack = 1002);
    QUIET(w);
}

/* G201, 9293-CLOSE-5, G198: the FIN follows the last byte, in its segment if it fits */
SCENARIO(the_fin_follows_all_data)
{
    wire_passive(w);
    WRITE(w, 3000);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1460);
    OUT(w, .flags = ACK, .seq = 1461, .ack = 1, .len = 1460);
    OUT(w, .flags = FIN | PSH | ACK, .seq = 2921, .ack = 1, .len = 80); /* G201 */
    QUIET(w);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 3002);
    OUT(w, .flags = ACK, .seq = 3002, .ack = 2);
    assert_int_equal(wire_stats(w).time_wait, 1);
}

/* G171: a full window delays the FIN but not the state */
SCENARIO(the_fin_waits_for_a_full_window_but_the_state_does_not)
{
    w->wnd = 1024;
    wire_passive(w);
    WRITE(w, 3000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1024);
    assert_int_equal(mytcp_shutdown(w->stack, w->fd, SHUT_WR), 0);
    STATE(w, TCP_FIN_WAIT1);
    QUIET(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1025, .wnd = 4096);
    OUT(w, .flags = ACK, .seq = 1025, .ack = 1, .len = 1460);
    OUT(w, .flags = FIN | ACK, .seq = 2485, .ack = 1, .len = 516);
    QUIET(w);
}

/* G199, 9293-SA-ACK-9 */
SCENARIO(an_ack_of_data_alone_does_not_leave_fin_wait_1)
{
    wire_passive(w);
    WRITE(w, 100);
    assert_int_equal(mytcp_shutdown(w->stack, w->fd, SHUT_WR), 0);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = 100);
    IN(w, .flags = ACK, .seq = 1, .ack = 101);
    QUIET(w);
    STATE(w, TCP_FIN_WAIT1);
    IN(w, .flags = ACK, .seq = 1, .ack = 102);
    STATE(w, TCP_FIN_WAIT2);
}

/* 9293-CLOSE-7, 9293-SA-ACK-13, G175 */
SCENARIO(only_the_ack_of_our_fin_leaves_last_ack)
{
    last_ack(w);
    IN(w, .flags = ACK, .seq = 2, .ack = 1);
    QUIET(w);
    STATE(w, TCP_LAST_ACK);
    IN(w, .flags = ACK, .seq = 2, .ack = 2);
    STATE(w, TCP_CLOSE);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    expect_gone(w);
}

/* 9293-SA-FIN-8 */
SCENARIO(a_repeated_fin_is_acknowledged_again_and_changes_nothing)
{
    close_wait(w);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    OUT(w, .flags = ACK, .seq = 1, .ack = 2);
    QUIET(w);
    STATE(w, TCP_CLOSE_WAIT);
    assert_int_equal(mytcp_shutdown(w->stack, w->fd, SHUT_WR), 0);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    OUT(w, .flags = ACK, .seq = 2, .ack = 2);
    QUIET(w);
    STATE(w, TCP_LAST_ACK);
}

SCENARIO(a_repeated_fin_in_closing_is_acknowledged_again)
{
    closing(w);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    OUT(w, .flags = ACK, .seq = 2, .ack = 2);
    QUIET(w);
    STATE(w, TCP_CLOSING);
}

/* 9293-RECV-6, G210, 9293-SA-FIN-3, B05 */
SCENARIO(a_fin_above_a_hole_waits_for_the_hole)
{
    wire_passive(w);
    IN(w, .flags = FIN | ACK, .seq = 101, .ack = 1, .len = 50);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{101, 152}});
    STATE(w, TCP_ESTABLISHED);
    wire_again(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 152);
    STATE(w, TCP_CLOSE_WAIT);
    READ(w, 150);
    wire_eof(w);
}

/* the same for a FIN without data; it may be kept or come again */
SCENARIO(a_bare_fin_above_a_hole_does_not_close)
{
    wire_passive(w);
    IN(w, .flags = FIN | ACK, .seq = 101, .ack = 1);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    STATE(w, TCP_ESTABLISHED);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    struct wire_packet *p = malloc(sizeof(*p));
    assert_true(wire_poll(w, p));
    if (p->ack - wire_conn(w)->irs == 101) {
        IN(w, .flags = FIN | ACK, .seq = 101, .ack = 1);
        OUT(w, .flags = ACK, .seq = 1, .ack = 102);
    }
    free(p);
    STATE(w, TCP_CLOSE_WAIT);
}

/* 9293-SA-TXT-4: data behind a FIN is impossible */
SCENARIO(data_after_the_peers_fin_is_not_delivered)
{
    close_wait(w);
    assert_string_equal(IN(w, .flags = ACK, .seq = 2, .ack = 1, .len = 10), "data_after_fin");
    static struct wire_packet p;
    while (wire_poll(w, &p)) /* an ACK is allowed */
        assert_int_equal(p.ack - wire_conn(w)->irs, 2);
    wire_eof(w);
    STATE(w, TCP_CLOSE_WAIT);
}

/* 9293-SHLD-3, 2525-2.17, R06: RFC 1122 4.2.2.13, data that nobody can read any more */
SCENARIO(data_after_close_draws_a_rst)
{
    wire_passive(w);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    IN(w, .flags = ACK, .seq = 1, .ack = 2);
    QUIET(w);
    assert_string_equal(IN(w, .flags = ACK, .seq = 1, .ack = 2, .len = 10), "data_after_close");
    OUT(w, .flags = RST | ANYACK, .seq = 2, .ack = 1);
    expect_gone(w);
}

/* 9293-SHLD-3, G174, 2525-2.17, R23 */
SCENARIO(closing_with_unread_data_sends_a_rst)
{
    wire_passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    OUT(w, .flags = ACK, .seq = 1, .ack = 11);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    OUT(w, .flags = RST | ANYACK, .seq = 1, .ack = 11);
    expect_gone(w);
}

/* R06 */
SCENARIO(an_orphan_in_fin_wait_2_is_forgotten_after_its_time)
{
    wire_passive(w);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    IN(w, .flags = ACK, .seq = 1, .ack = 2);
    QUIET(w);
    MARK(w);
    AT(w, 60 * SEC - 1);
    IN(w, .flags = ACK, .seq = 1, .ack = 2); /* still there: silence */
    QUIET(w);
    AT(w, 61 * SEC);
    QUIET(w);
    expect_gone(w);
}

SCENARIO(fin_wait_2_of_an_open_socket_waits_for_ever)
{
    fin_wait_2(w);
    AT(w, 100000 * SEC);
    QUIET(w);
    STATE(w, TCP_FIN_WAIT2);
    IN(w, .flags = ACK, .seq = 1, .ack = 2, .len = 10);
    OUT(w, .flags = ACK, .seq = 2, .ack = 11);
    READ(w, 10);
}

/* 9293-SEND-6, 9293-CLOSE-6, 9293-CLOSE-8 */
SCENARIO(writing_after_shutdown_is_epipe_and_shutting_again_sends_nothing)
{
    fin_wait_1(w);
    FAILS(w, mytcp_send(w->stack, w->fd, "x", 1, 0), EPIPE);
    assert_int_equal(mytcp_shutdown(w->stack, w->fd, SHUT_WR), 0);
    QUIET(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 2);
    FAILS(w, mytcp_send(w->stack, w->fd, "x", 1, 0), EPIPE);
    assert_int_equal(mytcp_shutdown(w->stack, w->fd, SHUT_WR), 0);
    QUIET(w);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
    OUT(w, .flags = ACK, .seq = 2, .ack = 2);
    FAILS(w, mytcp_send(w->stack, w->fd, "x", 1, 0), EPIPE);
    QUIET(w);
}

/* 9293-SA-RST-6 */
SCENARIO(a_rst_ends_the_states_before_the_peers_fin_is_acknowledged)
{
    static void (*const states[])(struct wire *) = {fin_wait_1, fin_wait_2, close_wait};
    for (unsigned i = 0; i < 3; i++) {
        w->peer_port++;
        states[i](w);
        IN(w, .flags = RST, .seq = i == 2 ? 2 : 1);
        QUIET(w);
        STATE(w, TCP_CLOSE);
        int error = wire_so_error(w);
        assert_true(error == ECONNRESET ||
                    (i == 2 && error == EPIPE)); /* Linux: EPIPE in CLOSE-WAIT */
        assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    }
    assert_int_equal(mytcp_next_deadline(w->stack), MYTCP_NEVER_US);
}

/* 9293-SA-RST-7, G218 */
SCENARIO(a_rst_ends_closing_and_last_ack)
{
    static void (*const states[])(struct wire *) = {closing, last_ack};
    for (unsigned i = 0; i < 2; i++) {
        w->peer_port++;
        states[i](w);
        IN(w, .flags = RST, .seq = 2);
        QUIET(w);
        STATE(w, TCP_CLOSE);
        assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    }
    assert_int_equal(mytcp_next_deadline(w->stack), MYTCP_NEVER_US);
    assert_int_equal(wire_stats(w).time_wait, 0);
}

/* G179, G194, G205, 9293-ABORT-4, 9293-ABORT-5 */
SCENARIO(an_abort_sends_a_rst_except_where_the_peer_knows_already)
{
    static void (*const states[])(struct wire *) = {wire_passive, fin_wait_1, fin_wait_2,
                                                    close_wait,   closing,    last_ack};
    struct linger on = {.l_onoff = 1, .l_linger = 0};
    for (unsigned i = 0; i < 6; i++) {
        w->peer_port++;
        states[i](w);
        assert_int_equal(mytcp_setsockopt(w->stack, w->fd, SOL_SOCKET, SO_LINGER, &on, sizeof(on)),
                         0);
        assert_int_equal(mytcp_close(w->stack, w->fd), 0);
        if (i < 4)
            OUT(w, .flags = RST | ANYACK, .seq = i == 1 || i == 2 ? 2 : 1, .ack = i == 3 ? 2 : 1);
        expect_gone(w);
    }
    assert_int_equal(mytcp_next_deadline(w->stack), MYTCP_NEVER_US);
}

/* 9293-GEN-21, G185, G191, U13 */
SCENARIO(readiness_follows_the_close)
{
    struct mytcp_event event;
    wire_passive(w);
    assert_int_equal(wire_ready(w, w->fd), POLLOUT);
    assert_int_equal(mytcp_watch(w->stack, w->fd, POLLIN | POLLRDHUP | MYTCP_ET, 1), 0);
    assert_int_equal(mytcp_wait(w->stack, &event, 1, 0), 0);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    OUT(w, .flags = ACK, .seq = 1, .ack = 2);
    assert_int_equal(wire_ready(w, w->fd), POLLIN | POLLOUT | POLLRDHUP);
    assert_int_equal(mytcp_wait(w->stack, &event, 1, 0), 1); /* the end is an event, once */
    assert_int_equal(event.events, POLLIN | POLLRDHUP);
    assert_int_equal(mytcp_wait(w->stack, &event, 1, 0), 0);
    assert_int_equal(mytcp_shutdown(w->stack, w->fd, SHUT_WR), 0);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
    assert_int_equal(wire_ready(w, w->fd), POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
}

/* SHUT_RD is local: Linux goes on acknowledging */
SCENARIO(shutting_down_reading_sends_nothing)
{
    wire_passive(w);
    assert_int_equal(mytcp_shutdown(w->stack, w->fd, SHUT_RD), 0);
    QUIET(w);
    wire_eof(w);
    STATE(w, TCP_ESTABLISHED);
}

/* D10, 9293-SA-SEQ-5, G073, G081, G097: unacceptable segments are answered in the closing states,
 * too */
SCENARIO(an_unacceptable_segment_draws_an_ack_in_every_closing_state)
{
    static void (*const states[])(struct wire *) = {fin_wait_1, fin_wait_2, close_wait, closing,
                                                    last_ack};
    static const uint32_t nxt[] = {1, 1, 2, 2, 2}, seq[] = {2, 2, 1, 2, 2};
    for (unsigned i = 0; i < 5; i++) {
        w->peer_port++;
        states[i](w);
        IN(w, .flags = ACK, .seq = (uint32_t)-3000, .ack = 1, .len = 100, .garbage = true);
        OUT(w, .flags = ACK, .seq = seq[i], .ack = nxt[i]);
        QUIET(w);
        IN(w, .flags = ACK, .seq = nxt[i], .ack = seq[i] + 1);
        OUT(w, .flags = ACK, .seq = seq[i], .ack = nxt[i]);
        QUIET(w);
        IN(w, .flags = RST, .seq = nxt[i]);
    }
}

/* 2525-2.17: what was not read is thrown away, and said to be, in LAST-ACK as well */
SCENARIO(an_abort_in_last_ack_with_unread_data_is_a_reset)
{
    struct linger abort = {.l_onoff = 1};
    wire_passive(w);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = 10);
    OUT(w, .flags = ACK, .seq = 1, .ack = 12);
    mytcp_shutdown(w->stack, w->fd, SHUT_WR);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 12);
    STATE(w, TCP_LAST_ACK);
    assert_int_equal(mytcp_setsockopt(w->stack, w->fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort)), 0);
    mytcp_close(w->stack, w->fd);
    OUT(w, .flags = RST | ACK, .seq = 2, .ack = 12);
    QUIET(w);
}

/* only where our FIN went is there nothing left to reset */
SCENARIO(an_abort_in_last_ack_before_the_fin_went_sends_a_reset)
{
    struct linger now = {.l_onoff = 1};
    wire_passive(w);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
    OUT(w, .flags = ACK, .seq = 1, .ack = 2);
    WRITE(w, 10);
    assert_int_equal(mytcp_shutdown(w->stack, w->fd, SHUT_WR), 0);
    STATE(w, TCP_LAST_ACK);
    QUIET(w);
    mytcp_setsockopt(w->stack, w->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    OUT(w, .flags = RST | ACK, .seq = 1, .ack = 2);
    QUIET(w);
}

WIRE_MAIN(WIRE_TEST(we_close_first_then_the_peer), WIRE_TEST(the_peer_closes_first_then_we),
          WIRE_TEST(both_close_at_once),
          WIRE_TEST(a_fin_that_acknowledges_ours_goes_straight_to_time_wait),
          WIRE_TEST(data_is_received_after_our_fin),
          WIRE_TEST(data_is_received_while_our_fin_is_unacknowledged),
          WIRE_TEST(data_is_sent_after_the_peers_fin), WIRE_TEST(the_fin_follows_all_data),
          WIRE_TEST(the_fin_waits_for_a_full_window_but_the_state_does_not),
          WIRE_TEST(an_ack_of_data_alone_does_not_leave_fin_wait_1),
          WIRE_TEST(only_the_ack_of_our_fin_leaves_last_ack),
          WIRE_TEST(a_repeated_fin_is_acknowledged_again_and_changes_nothing),
          WIRE_TEST(a_repeated_fin_in_closing_is_acknowledged_again),
          WIRE_TEST(a_fin_above_a_hole_waits_for_the_hole),
          WIRE_TEST(a_bare_fin_above_a_hole_does_not_close),
          WIRE_TEST(data_after_the_peers_fin_is_not_delivered),
          WIRE_TEST(data_after_close_draws_a_rst), WIRE_TEST(closing_with_unread_data_sends_a_rst),
          WIRE_TEST(an_orphan_in_fin_wait_2_is_forgotten_after_its_time),
          WIRE_TEST(fin_wait_2_of_an_open_socket_waits_for_ever),
          WIRE_TEST(writing_after_shutdown_is_epipe_and_shutting_again_sends_nothing),
          WIRE_TEST(a_rst_ends_the_states_before_the_peers_fin_is_acknowledged),
          WIRE_TEST(a_rst_ends_closing_and_last_ack),
          WIRE_TEST(an_abort_sends_a_rst_except_where_the_peer_knows_already),
          WIRE_TEST(readiness_follows_the_close), WIRE_TEST(shutting_down_reading_sends_nothing),
          WIRE_TEST(an_unacceptable_segment_draws_an_ack_in_every_closing_state),
          WIRE_TEST(an_abort_in_last_ack_with_unread_data_is_a_reset),
          WIRE_TEST(an_abort_in_last_ack_before_the_fin_went_sends_a_reset))
