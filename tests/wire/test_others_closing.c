/* Bugs that other stacks had in closing connections, and fixed. */
#include "lib/wire_place.h"

static struct wire_packet p;

static void close_now(struct wire *w)
{
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
}

static void shut(struct wire *w)
{
    assert_int_equal(mytcp_shutdown(w->stack, w->fd, SHUT_WR), 0);
}

/* G177: the FIN that ends the connection and the SYN of the next one, read in one batch */
SCENARIO(a_syn_in_the_batch_that_brought_time_wait_opens_anew)
{
    wire_passive(w);
    close_now(w);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
    uint32_t irs = w->irs;
    struct wire_conn old = *wire_conn(w);
    wire_reincarnate(w, irs + 1000);
    IN(w, .flags = SYN, .mss = 1460);
    struct wire_conn fresh = *wire_conn(w);
    *wire_conn(w) = old; /* the ACK of the FIN is the old connection's */
    OUT(w, .flags = ACK, .seq = 2, .ack = 2);
    *wire_conn(w) = fresh;
    OUT(w, .flags = SYN | ACK, .seq = 0, .ack = 1);
    QUIET(w);
    assert_int_equal(wire_stats(w).time_wait, 0);
    assert_int_equal(wire_stats(w).time_wait_reused, 1);
}

/* G174: unread data turns the FIN into a RST, which waits for nothing and moves no number */
SCENARIO(the_rst_of_unread_data_has_snd_nxt_and_waits_for_nothing)
{
    wire_passive(w);
    WRITE(w, 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    OUT(w, .flags = ACK, .seq = 101, .ack = 11);
    close_now(w);
    OUT(w, .flags = RST | ANYACK, .seq = 101, .ack = 11);
    QUIET(w);
    assert_int_equal(wire_stats(w).sockets, 1);
    assert_int_equal(mytcp_next_deadline(w->stack), MYTCP_NEVER_US);
}

/* G179: a linger of zero on a socket that never was connected, and on one that is connecting */
SCENARIO(linger_of_zero_without_a_connection_sends_nothing)
{
    struct linger now = {.l_onoff = 1};
    wire_start(w);
    w->fd = mytcp_socket(w->stack, AF_INET, SOCK_STREAM, 0);
    assert_int_equal(mytcp_setsockopt(w->stack, w->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)),
                     0);
    close_now(w);
    QUIET(w);
    wire_syn_sent(w);
    assert_int_equal(mytcp_setsockopt(w->stack, w->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)),
                     0);
    close_now(w);
    QUIET(w);
    assert_int_equal(wire_stats(w).sockets, 0);
}

/* G187: reading a socket that was closed with data in its queue is EBADF, and never that data */
SCENARIO(what_was_unread_at_close_is_nobodys)
{
    uint8_t data[100];
    wire_passive(w);
    int old = w->fd;
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 101);
    close_now(w);
    OUT(w, .flags = RST | ANYACK, .seq = 1, .ack = 101);
    FAILS(w, mytcp_recv(w->stack, old, data, sizeof(data), 0), EBADF);
    w->peer_port++;
    wire_passive(w);
    FAILS(w, mytcp_recv(w->stack, old, data, sizeof(data), 0), EBADF);
    wire_again(w);
}

/* G191: the end is told once the data is read, in a read of its own, and again whenever asked */
SCENARIO(the_end_of_stream_comes_after_the_data)
{
    uint8_t data[200];
    wire_passive(w);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 102);
    assert_int_equal(mytcp_recv(w->stack, w->fd, data, 60, 0), 60);
    assert_int_equal(mytcp_recv(w->stack, w->fd, data, sizeof(data), MSG_WAITALL), 40);
    wire_eof(w);
    wire_eof(w);
    close_now(w); /* all is read: a FIN, no RST */
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 102);
}

/* G189: our end first, then what the peer still has to say, then its end */
SCENARIO(data_after_our_shutdown_is_read_to_its_end)
{
    wire_passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 101);
    shut(w);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 101);
    READ(w, 50);
    IN(w, .flags = FIN | ACK, .seq = 101, .ack = 2, .len = 100);
    OUT(w, .flags = ACK, .seq = 2, .ack = 202);
    READ(w, 150);
    wire_eof(w);
}

/* G198, G199: close() after a write larger than the window: the FIN is neither early nor lost */
SCENARIO(the_fin_comes_with_the_last_byte_however_long_that_takes)
{
    w->wnd = 1000;
    w->peer.wscale = 0;
    wire_passive(w);
    WRITE(w, 5000);
    close_now(w);
    for (uint32_t at = 1; at < 5001; at += 1000) {
        bool last = at + 1000 == 5001;
        OUT(w, .flags = last ? FIN | ACK : ACK, .seq = at, .ack = 1, .len = 1000);
        if (!last)
            QUIET(w);
        w->wnd = at + 2000 == 5001 ? 1001 : 1000; /* the FIN needs its place */
        IN(w, .flags = ACK, .seq = 1, .ack = at + 1000);
    }
    QUIET(w); /* of the FIN alone there is no ACK yet */
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 5002);
    OUT(w, .flags = ACK, .seq = 5002, .ack = 2);
    assert_int_equal(wire_stats(w).time_wait, 1);
}

/* G205, U3: a RST is never answered, not even with data on it or with our FIN in flight; and after
 * a full close there is none of ours */
SCENARIO(no_rst_answers_a_rst_in_any_state)
{
    for (unsigned i = 0; i < WIRE_PLACES; i++) {
        const struct wire_place *at = wire_go(w, i);
        IN(w, .flags = RST | ACK, .seq = 0x40000000, .ack = 7, .len = 5);
        QUIET(w);
        IN(w, .flags = RST, .seq = at->rcv_nxt, .len = 5);
        QUIET(w);
        IN(w, .flags = RST, .seq = at->rcv_nxt);
        QUIET(w);
        if (at->state)
            close_now(w);
        QUIET(w);
    }
}

/* G206: each order in which two ends close, our application as soon as it reads the end */
SCENARIO(every_order_of_closing_ends_with_nothing_left)
{
    for (unsigned order = 0; order < 8; order++) {
        bool we_first = order & 1, acked = order & 2, half = order & 4;
        w->peer_port++;
        wire_passive(w);
        uint32_t nxt = 1, snd = 1;
        if (we_first) {
            half ? shut(w) : close_now(w);
            OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
            snd = 2;
        }
        IN(w, .flags = FIN | ACK, .seq = 1, .ack = we_first && acked ? 2 : 1);
        nxt = 2;
        OUT(w, .flags = ACK, .seq = snd, .ack = nxt);
        if (!we_first || half) {
            wire_eof(w);
            if (!we_first && half)
                shut(w);
            close_now(w);
        }
        if (!we_first) {
            OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
            IN(w, .flags = ACK, .seq = 2, .ack = 2);
        } else if (!acked) {
            IN(w, .flags = ACK, .seq = 2, .ack = 2);
        }
        QUIET(w);
        assert_int_equal(wire_stats(w).sockets, 1);
        assert_int_equal(wire_stats(w).time_wait, we_first);
        MARK(w);
        wire_skip_to(w, 61 * SEC);
        assert_int_equal(mytcp_next_deadline(w->stack), MYTCP_NEVER_US);
    }
}

/* G210: data and FIN in one segment: the data first, then the end; also in FIN-WAIT-2 */
SCENARIO(a_fin_with_data_ends_behind_its_data)
{
    wire_go(w, AT_FIN_WAIT_2);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 2, .len = 100);
    OUT(w, .flags = ACK, .seq = 2, .ack = 102);
    READ(w, 100);
    wire_eof(w);
    assert_int_equal(wire_stats(w).time_wait, 1);
}

/* G182: a connection that ended with an error is freed by close(), and sends nothing */
SCENARIO(a_connection_that_failed_is_freed_by_close)
{
    for (unsigned i = AT_ESTABLISHED; i <= AT_LAST_ACK; i++) {
        const struct wire_place *at = wire_go(w, i);
        IN(w, .flags = RST, .seq = at->rcv_nxt);
        assert_int_equal(wire_stats(w).sockets, 2);
        close_now(w);
        QUIET(w);
        assert_int_equal(wire_stats(w).sockets, 1);
    }
}

/* G217: the FIN that goes again has its number, also when an ACK of the data before it came with
 * the peer's own FIN */
SCENARIO(a_fin_sent_again_has_its_number_after_an_ack_of_the_data)
{
    wire_passive(w);
    WRITE(w, 100);
    shut(w);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = 100);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 101);
    OUT(w, .flags = ACK, .seq = 102, .ack = 2);
    STATE(w, TCP_CLOSING);
    MARK(w);
    w->now_us = mytcp_next_deadline(w->stack);
    while (!wire_poll(w, &p))
        w->now_us = mytcp_next_deadline(w->stack);
    assert_int_equal(p.flags & (FIN | ACK), FIN | ACK);
    assert_int_equal(p.seq - wire_conn(w)->iss, 101);
    assert_int_equal(p.payload_len, 0);
    IN(w, .flags = ACK, .seq = 2, .ack = 102);
    assert_int_equal(wire_stats(w).time_wait, 1);
}

WIRE_MAIN(WIRE_TEST(a_syn_in_the_batch_that_brought_time_wait_opens_anew),
          WIRE_TEST(the_rst_of_unread_data_has_snd_nxt_and_waits_for_nothing),
          WIRE_TEST(linger_of_zero_without_a_connection_sends_nothing),
          WIRE_TEST(what_was_unread_at_close_is_nobodys),
          WIRE_TEST(the_end_of_stream_comes_after_the_data),
          WIRE_TEST(data_after_our_shutdown_is_read_to_its_end),
          WIRE_TEST(the_fin_comes_with_the_last_byte_however_long_that_takes),
          WIRE_TEST(no_rst_answers_a_rst_in_any_state),
          WIRE_TEST(every_order_of_closing_ends_with_nothing_left),
          WIRE_TEST(a_fin_with_data_ends_behind_its_data),
          WIRE_TEST(a_connection_that_failed_is_freed_by_close),
          WIRE_TEST(a_fin_sent_again_has_its_number_after_an_ack_of_the_data))
