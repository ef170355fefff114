/* What goes wrong only when events meet: a timer that fired and an answer that came before the next
 * packet could go, a batch of packets read at once, calls between two turns. */
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "lib/wire.h"

enum { MSS = 1460 };

/* Something else to send comes first, so that what the connection wants to say has to wait. */
static void hold_output(struct wire *w)
{
    uint16_t port = w->our_port;
    w->our_port = 9999; /* nobody is there */
    IN(w, .flags = SYN, .seq = 0);
    w->our_port = port;
}

/* It is sent: whatever was due has expired by now. */
static void release_output(struct wire *w)
{
    static struct wire_packet p;
    assert_true(wire_poll(w, &p));
    assert_true(p.flags & RST);
}

/* both are read before anything is sent */
SCENARIO(a_duplicate_syn_right_before_the_third_ack_sends_no_syn_ack_any_more)
{
    wire_syn_received(w);
    struct wire_segment syn = wire_peer_syn(w, SYN, 0);
    wire_in(w, __FILE__, __LINE__, &syn);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    QUIET(w);
    w->fd = mytcp_accept(w->stack, w->listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(w->fd >= 0);
    WRITE(w, 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    QUIET(w);
}

SCENARIO(a_syn_timeout_right_before_the_syn_ack_sends_no_syn_any_more)
{
    wire_syn_sent(w);
    hold_output(w);
    w->now_us += 1 * SEC;
    release_output(w);
    struct wire_segment syn = wire_peer_syn(w, SYN | ACK, 1);
    wire_in(w, __FILE__, __LINE__, &syn);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    QUIET(w);
}

SCENARIO(a_probe_that_is_due_when_the_fin_is_acknowledged_is_forgotten)
{
    wire_passive(w);
    mytcp_close(w->stack, w->fd);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    w->now_us += 10 * MS;
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
    QUIET(w);
    hold_output(w);
    w->now_us += 1 * SEC;
    release_output(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 2);
    QUIET(w);
}

SCENARIO(a_probe_that_is_due_when_the_window_opens_is_forgotten)
{
    wire_passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
    WRITE(w, 1000);
    QUIET(w);
    hold_output(w);
    w->now_us += 300 * MS;
    release_output(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    QUIET(w);
}

/* a block is in the window only if both its ends are */
SCENARIO(a_sack_block_half_the_sequence_space_away_frees_no_window)
{
    wire_passive(w);
    WRITE(w, 30 * MSS);
    for (uint32_t i = 0; i < 10; i++)
        OUT(w, .flags = ACK, .seq = 1 + i * MSS, .ack = 1, .len = MSS);
    QUIET(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{0x70000000, 0x90000000}});
    QUIET(w);
}

SCENARIO(a_user_timeout_counts_from_the_data_not_from_the_closed_window_before_it)
{
    wire_passive(w);
    wire_set(w, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
    WRITE(w, 1000);
    QUIET(w);
    MARK(w);
    wire_skip_to(w, 4500 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    wire_skip_to(w, 6000 * MS); /* 1.5 s in flight */
    STATE(w, TCP_ESTABLISHED);
}

SCENARIO(a_send_makes_a_reserve_void)
{
    struct iovec iov[2];
    static char data[1 << 20];
    wire_passive(w);
    w->any_payload = true;
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
    ssize_t room = mytcp_reserve(w->stack, w->fd, iov, 1, 100);
    assert_int_equal(room, 100);
    assert_true(mytcp_send(w->stack, w->fd, data, 512, 0) == 512);
    FAILS(w, mytcp_commit(w->stack, w->fd, 100), EINVAL);
    int queued = 0;
    assert_int_equal(mytcp_ioctl(w->stack, w->fd, SIOCOUTQ, &queued), 0);
    assert_int_equal(queued, 512);
}

SCENARIO(a_reserve_does_not_outlive_a_refused_connect)
{
    struct iovec iov[2];
    wire_syn_sent(w);
    assert_int_equal(mytcp_reserve(w->stack, w->fd, iov, 2, 100), 100);
    IN(w, .flags = RST | ACK, .seq = 0, .ack = 1);
    struct sockaddr_in to = wire_sockaddr(w->peer_addr, w->peer_port);
    FAILS(w, mytcp_connect(w->stack, w->fd, (struct sockaddr *)&to, sizeof(to)), ECONNREFUSED);
    FAILS(w, mytcp_connect(w->stack, w->fd, (struct sockaddr *)&to, sizeof(to)), EINPROGRESS);
    FAILS(w, mytcp_commit(w->stack, w->fd, 100), EINVAL);
}

/* the urgent pointer speaks of data, and a SYN carries none */
SCENARIO(urgent_data_before_the_handshake_ends_does_not_mark_the_syn)
{
    wire_syn_sent(w);
    wire_write(w, __FILE__, __LINE__, 10, MSG_OOB);
    w->now_us += 1 * SEC;
    OUT(w, .flags = SYN, .seq = 0);
    struct wire_segment syn = wire_peer_syn(w, SYN | ACK, 1);
    wire_in(w, __FILE__, __LINE__, &syn);
    OUT(w, .flags = ACK | URG, .seq = 1, .ack = 1, .len = 10, .urg = 10);
}

/* 1191 6.3: two narrow hops, one behind the other */
static void too_big(struct wire *w, uint32_t mtu)
{
    static struct wire_packet p;
    struct wire_conn *c = wire_conn(w);
    uint8_t quote[28] = {0x45, 0, 0x05, 0xdc, 0, 0, 0x40, 0, 64, 6};
    uint32_t words[] = {w->our_addr, w->peer_addr};
    for (int i = 0; i < 8; i++) quote[12 + i] = (uint8_t)(words[i / 4] >> (24 - 8 * (i % 4)));
    uint32_t seq = c->iss + 1;
    uint32_t tcp[] = {(uint32_t)w->our_port << 16 | w->peer_port, seq};
    for (int i = 0; i < 8; i++) quote[20 + i] = (uint8_t)(tcp[i / 4] >> (24 - 8 * (i % 4)));
    wire_build_icmp(w, &p, 3, 4, mtu, quote, sizeof(quote));
    wire_inject(w, &p);
}

SCENARIO(a_second_narrower_hop_sends_the_data_again_at_once_too)
{
    wire_passive(w);
    WRITE(w, 1400);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1400);
    too_big(w, 1200);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1160);
    OUT(w, .flags = ACK, .seq = 1161, .ack = 1, .len = 240);
    QUIET(w);
    too_big(w, 800);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 760);
}

/* 2525 2.17: what the peer sent was thrown away, and what we had queued: nobody waits for ever */
SCENARIO(unread_data_at_close_resets_in_last_ack_too)
{
    wire_passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = 10, .wnd = WND_ZERO);
    OUT(w, .flags = ACK, .seq = 1, .ack = 12);
    WRITE(w, 100);
    assert_int_equal(mytcp_shutdown(w->stack, w->fd, SHUT_WR), 0);
    QUIET(w);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    OUT(w, .flags = RST | ACK, .seq = 1, .ack = 12);
    QUIET(w);
}

static int wait_one(struct wire *w, struct mytcp_event *e) { return mytcp_wait(w->stack, e, 1, 0); }

SCENARIO(a_lower_low_water_mark_makes_what_is_there_ready)
{
    struct mytcp_event e;
    wire_passive(w);
    wire_set(w, SOL_SOCKET, SO_RCVLOWAT, 1000);
    assert_int_equal(mytcp_watch(w->stack, w->fd, POLLIN, 7), 0);
    IN(w, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 100);
    assert_int_equal(wait_one(w, &e), 0);
    wire_set(w, SOL_SOCKET, SO_RCVLOWAT, 10);
    assert_int_equal(wait_one(w, &e), 1);
    assert_true(e.events & POLLIN);
    wire_skip_to(w, SEC);
}

SCENARIO(shutting_a_listener_down_wakes_who_watches_it)
{
    struct mytcp_event e;
    wire_listen(w, 5);
    assert_int_equal(mytcp_watch(w->stack, w->listener, POLLIN | MYTCP_ET, 7), 0);
    assert_int_equal(wait_one(w, &e), 0);
    assert_int_equal(mytcp_shutdown(w->stack, w->listener, SHUT_RD), 0);
    assert_int_equal(wait_one(w, &e), 1);
    assert_true(e.events & POLLHUP);
}

/* G001: the first SYN was answered by a cookie, the second found room in the queue; both arrive */
SCENARIO(a_cookie_is_good_although_a_later_syn_found_room_in_the_queue)
{
    w->config.syn_queue_max = 1;
    wire_listen(w, 64);
    IN(w, .flags = SYN, .mss = 1460);
    OUT(w, .flags = SYN | ACK, .ack = 1);
    w->peer_port++;
    IN(w, .flags = SYN, .mss = 1460);
    OUT(w, .flags = SYN | ACK, .ack = 1); /* by cookie */
    uint32_t cookie = wire_conn(w)->iss;
    w->peer_port--;
    IN(w, .flags = RST, .seq = 1); /* room again */
    w->peer_port++;
    w->now_us += SEC;
    wire_conn(w)->iss_known = false;
    IN(w, .flags = SYN, .mss = 1460);
    OUT(w, .flags = SYN | ACK, .ack = 1);
    uint32_t second = wire_conn(w)->iss;
    IN(w, .flags = ACK, .seq = 1, .ack = cookie - second + 1);
    QUIET(w);
    assert_int_equal(wire_stats(w).half_open, 0);
    w->fd = mytcp_accept(w->stack, w->listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(w->fd >= 0);
}

/* what frees memory is an ACK, and it must get in */
SCENARIO(there_is_a_buffer_to_read_into_however_much_is_queued_to_send)
{
    static char data[1 << 20];
    static struct wire_packet p;
    size_t room;
    w->config.memory_limit_bytes = 1 << 20;
    w->any_payload = true;
    wire_passive(w);
    wire_build(w, &p, &(struct wire_segment){.flags = ACK, .seq = 1, .ack = 1, .len = 20000});
    uint8_t *lent = mytcp_input_buffer(w->stack, &room);
    assert_non_null(lent);
    memcpy(lent, p.bytes, p.len);
    struct mytcp_packet packet = {.data = lent, .len_bytes = p.len, .gso_type = 1, .gso_size = MSS};
    assert_int_equal(mytcp_input(w->stack, &packet, w->now_us), 0);
    while (mytcp_send(w->stack, w->fd, data, sizeof(data), MSG_DONTWAIT) > 0) {}
    assert_non_null(mytcp_input_buffer(w->stack, &room));
}

SCENARIO(an_empty_piece_at_the_end_of_a_message_holds_nothing_back)
{
    char data[100];
    wire_passive(w);
    w->any_payload = true;
    struct iovec iov[2] = {{data, sizeof(data)}, {data, 0}};
    memset(data, 'x', sizeof(data));
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
    assert_int_equal(mytcp_sendmsg(w->stack, w->fd, &m, 0), 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
}

WIRE_MAIN(WIRE_TEST(a_cookie_is_good_although_a_later_syn_found_room_in_the_queue),
          WIRE_TEST(there_is_a_buffer_to_read_into_however_much_is_queued_to_send),
          WIRE_TEST(an_empty_piece_at_the_end_of_a_message_holds_nothing_back),
          WIRE_TEST(a_duplicate_syn_right_before_the_third_ack_sends_no_syn_ack_any_more),
          WIRE_TEST(a_syn_timeout_right_before_the_syn_ack_sends_no_syn_any_more),
          WIRE_TEST(a_probe_that_is_due_when_the_window_opens_is_forgotten),
          WIRE_TEST(a_sack_block_half_the_sequence_space_away_frees_no_window),
          WIRE_TEST(a_user_timeout_counts_from_the_data_not_from_the_closed_window_before_it),
          WIRE_TEST(a_send_makes_a_reserve_void),
          WIRE_TEST(a_reserve_does_not_outlive_a_refused_connect),
          WIRE_TEST(urgent_data_before_the_handshake_ends_does_not_mark_the_syn),
          WIRE_TEST(a_second_narrower_hop_sends_the_data_again_at_once_too),
          WIRE_TEST(unread_data_at_close_resets_in_last_ack_too),
          WIRE_TEST(a_lower_low_water_mark_makes_what_is_there_ready),
          WIRE_TEST(shutting_a_listener_down_wakes_who_watches_it),
          WIRE_TEST(a_probe_that_is_due_when_the_fin_is_acknowledged_is_forgotten))
