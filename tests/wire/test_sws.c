/* Silly windows, avoided on both sides (RFC 9293 3.8.6.2). */
#include "lib/wire.h"

enum { MSS = 1460 };

/* 9293-MUST-38, 9293-GEN-26: a crumb of window does not draw a crumb of data */
SCENARIO(the_sender_waits_for_a_window_worth_a_segment)
{
    wire_passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
    WRITE(w, 10 * MSS);
    QUIET(w);
    for (int wnd = 128; wnd < MSS; wnd += 128) {
        IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = wnd);
        QUIET(w);
    }
    MARK(w);
    AT(w, 100 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = 2 * MSS + 256);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    OUT(w, .flags = ACK, .seq = 1 + MSS, .ack = 1, .len = MSS);
    QUIET(w); /* and the rest of the window is again not worth one */
}

/* 9293-GEN-26 (4): the override keeps it from waiting for ever */
SCENARIO(a_small_window_is_used_after_a_while)
{
    wire_passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
    WRITE(w, 10 * MSS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = 512);
    QUIET(w);
    MARK(w);
    assert_true(wire_skip_to(w, 1 * SEC) >= 1);
}

/* 7323-2.4c, 9293-GEN-26 (3), G086: half the largest window ever is worth it, or small buffers would stall */
SCENARIO(a_peer_with_a_small_buffer_gets_half_windows)
{
    w->wnd = 1024;
    wire_passive(w);
    WRITE(w, 3000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1024);
    IN(w, .flags = ACK, .seq = 1, .ack = 1025, .wnd = 512);
    OUT(w, .flags = ACK, .seq = 1025, .ack = 1, .len = 512);
}

/* 9293-MUST-39, 9293-GEN-27, R20 */
SCENARIO(the_receiver_does_not_offer_crumbs)
{
    static struct wire_packet p;
    w->config.rcvbuf_bytes = 20000;
    wire_passive(w);
    struct wire_conn *c = wire_conn(w);
    while (wire_info(w).rcv_wnd) {
        uint32_t room = wire_info(w).rcv_wnd;
        IN(w, .flags = ACK, .seq = c->peer_end, .ack = 1, .len = room < MSS ? room : MSS);
        w->now_us += 50 * MS;
        while (wire_poll(w, &p))
            continue;
    }
    uint32_t edge = c->right_edge, updates = 0, left = wire_info(w).recv_queued;
    for (; left >= 100; left -= 100) {
        READ(w, 100);
        while (wire_poll(w, &p)) {
            if (c->right_edge - edge < MSS)
                wire_failed(w, __FILE__, __LINE__, "the edge moved by %u", c->right_edge - edge);
            edge = c->right_edge;
            updates++;
        }
    }
    assert_in_range(updates, 1, 20000 / MSS);
}

/* G077: a large step is announced at once, not with the next ACK */
SCENARIO(a_window_that_grew_much_is_announced_at_once)
{
    static struct wire_packet p;
    w->config.rcvbuf_bytes = 20000;
    w->config.quick_acks = 0;
    wire_passive(w);
    struct wire_conn *c = wire_conn(w);
    for (int i = 0; i < 12; i++) {
        IN(w, .flags = ACK, .seq = c->peer_end, .ack = 1, .len = MSS);
        while (wire_poll(w, &p))
            continue;
    }
    w->now_us += 100 * MS;
    while (wire_poll(w, &p))
        continue;
    uint32_t edge = c->right_edge;
    READ(w, 12 * MSS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1 + 12 * MSS);
    assert_true(c->right_edge - edge >= 10000);
}

/* U7: whatever is read, set and offered, the right edge never moves left (asserted by the harness)
 */
SCENARIO(a_smaller_receive_buffer_does_not_take_back_what_was_offered)
{
    static struct wire_packet p;
    w->config.rcvbuf_bytes = 65536;
    wire_passive(w);
    struct wire_conn *c = wire_conn(w);
    uint32_t offered = wire_info(w).rcv_wnd;
    wire_set(w, SOL_SOCKET, SO_RCVBUF, 4096);
    for (uint32_t got = 0; got + MSS <= offered; got += MSS) { /* all of it may still come */
        assert_string_equal(IN(w, .flags = ACK, .seq = c->peer_end, .ack = 1, .len = MSS), "");
        while (wire_poll(w, &p))
            continue;
    }
    READ(w, c->peer_end - 1);
    while (wire_poll(w, &p))
        continue;
}

/* G094:
 * The scale's unit must not be a loophole: an edge that is rounded up with each byte never ends */
SCENARIO(one_byte_segments_cannot_push_the_window_beyond_the_buffer)
{
    static struct wire_packet p;
    w->config.rcvbuf_bytes = 8192;
    wire_passive(w);
    struct wire_conn *c = wire_conn(w);
    uint32_t unit = 1u << (c->our_scale - 1);
    for (int i = 0; i < 30000 && wire_info(w).rcv_wnd; i++) {
        IN(w, .flags = ACK, .seq = c->ack_high, .ack = 1, .len = 1);
        w->now_us += 50 * MS;
        while (wire_poll(w, &p))
            continue;
    }
    assert_in_range(wire_info(w).recv_queued, 4096, 2 * 8192 + unit);
}

/* So many octets come in segments of `len`, and all that they draw has gone a second later. */
static void arrive(struct wire *w, uint32_t octets, uint32_t len)
{
    static struct wire_packet p;
    for (uint32_t at = 0; at < octets; at += len) {
        IN(w, .flags = ACK, .seq = 1 + at, .ack = 1, .len = len);
        while (wire_poll(w, &p))
            continue;
    }
    w->now_us += 1 * SEC;
    while (wire_poll(w, &p))
        continue;
}

/* with room enough left, an update is worth it from half the buffer on, and not before */
SCENARIO(half_a_buffer_read_is_announced_at_once_and_a_byte_less_is_not)
{
    enum { BUFFER = 65536, UNIT = 1024, FIRST = BUFFER - UNIT, HALF = BUFFER / 2, SENT = 40960 };
    enum { TO_READ = HALF - UNIT }; /* the first window was a unit less than the buffer */
    static char data[HALF];
    int buffer = BUFFER;
    wire_listen(w, 4);
    assert_int_equal(mytcp_setsockopt(w->stack, w->listener, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer)), 0);
    wire_passive(w);
    arrive(w, SENT, UNIT);
    assert_int_equal(wire_conn(w)->ack_high, 1 + SENT);
    assert_int_equal(wire_conn(w)->right_edge, 1 + FIRST);
    assert_int_equal(mytcp_recv(w->stack, w->fd, data, TO_READ - 1, 0), TO_READ - 1);
    QUIET(w);
    assert_int_equal(mytcp_recv(w->stack, w->fd, data, 1, 0), 1);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1 + SENT, .wnd = FIRST - SENT + HALF);
    QUIET(w);
}

/* A listener with such a buffer, and a window that can say each byte of it. */
static void listening(struct wire *w, int buffer)
{
    w->peer.wscale = 0;
    wire_listen(w, 4);
    w->fd = w->listener;
    wire_set(w, SOL_SOCKET, SO_RCVBUF, buffer);
}

/* with little room left, an update is worth it from a segment on, and not before */
SCENARIO(a_segment_read_of_a_full_buffer_is_announced_at_once_and_a_byte_less_is_not)
{
    enum { BUFFER = 20000, SEGMENTS = 12, LEFT = BUFFER - SEGMENTS * MSS };
    static char data[MSS];
    listening(w, BUFFER);
    wire_passive(w);
    arrive(w, SEGMENTS * MSS, MSS);
    assert_int_equal(wire_conn(w)->right_edge, 1 + BUFFER);
    assert_int_equal(mytcp_recv(w->stack, w->fd, data, MSS - 1, 0), MSS - 1);
    QUIET(w);
    assert_int_equal(mytcp_recv(w->stack, w->fd, data, 1, 0), 1);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1 + SEGMENTS * MSS, .wnd = LEFT + MSS);
    QUIET(w);
}

/* of itself, not of the buffer behind it: the peer may well wait for that half */
SCENARIO(a_clamped_window_opens_by_halves)
{
    enum { BUFFER = 20000, CLAMP = 2000, LEN = CLAMP / 2 };
    w->config.quick_acks = 100;
    listening(w, BUFFER);
    wire_set(w, IPPROTO_TCP, TCP_WINDOW_CLAMP, CLAMP);
    wire_passive(w);
    for (uint32_t got = LEN; got < 3 * BUFFER; got += LEN) {
        IN(w, .flags = ACK, .seq = 1 + got - LEN, .ack = 1, .len = LEN);
        uint32_t edge = got + CLAMP > BUFFER ? got + CLAMP : BUFFER; /* of the SYN: all */
        OUT(w, .flags = ACK, .seq = 1, .ack = 1 + got, .wnd = edge - got);
        READ(w, LEN);
        QUIET(w);
    }
}

/* 9293-GEN-26 (4): what goes must be remembered */
SCENARIO(a_small_window_waits_for_the_next_turn_if_there_is_no_memory)
{
    wire_passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
    WRITE(w, 10 * MSS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = 512);
    QUIET(w);
    MARK(w);
    w->fail_from = w->allocs + 1;
    AT(w, 300 * MS);
    QUIET(w);
    w->fail_from = 0;
    QUIET(w);
    AT(w, 900 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 512);
    QUIET(w);
}

WIRE_MAIN(WIRE_TEST(one_byte_segments_cannot_push_the_window_beyond_the_buffer),
          WIRE_TEST(the_sender_waits_for_a_window_worth_a_segment),
          WIRE_TEST(a_small_window_is_used_after_a_while),
          WIRE_TEST(a_peer_with_a_small_buffer_gets_half_windows),
          WIRE_TEST(the_receiver_does_not_offer_crumbs),
          WIRE_TEST(a_window_that_grew_much_is_announced_at_once),
          WIRE_TEST(a_smaller_receive_buffer_does_not_take_back_what_was_offered),
          WIRE_TEST(half_a_buffer_read_is_announced_at_once_and_a_byte_less_is_not),
          WIRE_TEST(a_segment_read_of_a_full_buffer_is_announced_at_once_and_a_byte_less_is_not),
          WIRE_TEST(a_clamped_window_opens_by_halves),
          WIRE_TEST(a_small_window_waits_for_the_next_turn_if_there_is_no_memory))
