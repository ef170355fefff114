/* Bugs that other stacks had in socket calls, events and ICMP, and fixed. */
#include <sys/ioctl.h>

#include "lib/wire_place.h"

static struct wire_packet p;

static unsigned answers(struct wire *w)
{
    unsigned n = 0;
    while (wire_poll(w, &p))
        n++;
    return n;
}

/* G239, G247: a vector that does not fit is taken up to some byte, and goes on from that one */
SCENARIO(a_vector_taken_in_part_goes_on_where_it_stopped)
{
    enum { BYTES = 50000 };
    static uint8_t data[BYTES];
    uint32_t sent = 0, acked = 1;
    w->config.sndbuf_bytes = 8192;
    wire_passive(w);
    for (uint32_t i = 0; i < BYTES; i++)
        data[i] = wire_byte(true, i);
    for (unsigned turn = 0; turn < 200 && acked <= BYTES; turn++) {
        struct iovec iov[5];
        size_t n = 0;
        for (uint32_t at = sent; n < 5 && at < BYTES; n++) { /* pieces of 1, 1001, 2001 ... */
            uint32_t len = 1 + 1000 * (uint32_t)n;
            iov[n] = (struct iovec){data + at, at + len > BYTES ? BYTES - at : len};
            at += (uint32_t)iov[n].iov_len;
        }
        struct msghdr msg = {.msg_iov = iov, .msg_iovlen = n};
        ssize_t taken = n ? mytcp_sendmsg(w->stack, w->fd, &msg, 0) : 0;
        assert_true(taken >= 0 || errno == EAGAIN);
        sent += taken > 0 ? (uint32_t)taken : 0;
        while (wire_poll(w, &p)) /* the harness compares each byte */
            acked = p.seq - wire_conn(w)->iss + p.payload_len;
        w->now_us += 10 * MS;
        IN(w, .flags = ACK, .seq = 1, .ack = acked);
    }
    assert_int_equal(acked, BYTES + 1);
}

/* G241: how much is there to read, asked of every kind of socket */
SCENARIO(fionread_answers_for_every_kind_of_socket)
{
    int n = -1;
    wire_listen(w, 1);
    FAILS(w, mytcp_ioctl(w->stack, w->listener, FIONREAD, &n), EINVAL);
    int fd = mytcp_socket(w->stack, AF_INET, SOCK_STREAM, 0);
    assert_int_equal(mytcp_ioctl(w->stack, fd, FIONREAD, &n), 0);
    assert_int_equal(n, 0);
    wire_passive(w);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = 5);
    assert_int_equal(mytcp_ioctl(w->stack, w->fd, FIONREAD, &n), 0);
    assert_int_equal(n, 5);
    IN(w, .flags = RST, .seq = 7);
    answers(w);
    assert_int_equal(mytcp_ioctl(w->stack, w->fd, FIONREAD, &n), 0);
    assert_int_equal(n, 5);
}

/* G243: accept() that fails for want of a descriptor or memory gives the connection later, once */
SCENARIO(a_failed_accept_keeps_the_connection)
{
    wire_syn_received(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    OUT(w, .flags = ACK, .seq = 1, .ack = 11);
    struct sockaddr_in a;
    FAILS(w, mytcp_accept(w->stack, w->listener, (struct sockaddr *)&a, NULL, 0), EFAULT);
    w->fail_from = w->allocs + 1;
    w->fd = mytcp_accept(w->stack, w->listener, NULL, NULL, SOCK_NONBLOCK);
    w->fail_from = 0;
    if (w->fd < 0)
        w->fd = mytcp_accept(w->stack, w->listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(w->fd >= 0);
    READ(w, 10);
    FAILS(w, mytcp_accept(w->stack, w->listener, NULL, NULL, SOCK_NONBLOCK), EAGAIN);
}

/* G245: sixty days with keepalives, a little data a day, and timestamps that wrap in 49.7 */
SCENARIO(sixty_days_pass)
{
    w->peer.ts = true;
    wire_passive(w);
    wire_set(w, SOL_SOCKET, SO_KEEPALIVE, 1);
    uint32_t at = 1;
    unsigned probes = 0;
    for (int day = 0; day < 60; day++) {
        uint64_t evening = w->now_us + 86400 * SEC;
        while (w->now_us < evening) {
            uint64_t next = mytcp_next_deadline(w->stack);
            w->now_us = next < evening ? next : evening;
            while (wire_poll(w, &p)) {
                probes++;
                IN(w, .flags = ACK, .seq = at, .ack = at);
            }
        }
        WRITE(w, 10);
        OUT(w, .flags = ACK, .seq = at, .ack = at, .len = 10);
        IN(w, .flags = ACK, .seq = at, .ack = at + 10, .len = 10);
        at += 10;
        w->now_us += 40 * MS; /* at the latest */
        OUT(w, .flags = ACK, .seq = at, .ack = at);
    }
    assert_in_range(probes, 60 * 11, 60 * 12);
    READ(w, 600);
}

/* G249, U10: with nothing to do there is nothing to be called for */
SCENARIO(an_idle_stack_asks_for_nothing)
{
    for (unsigned i = AT_ESTABLISHED; i <= AT_CLOSE_WAIT; i++) {
        wire_go(w, i);
        if (i == AT_FIN_WAIT_1)
            IN(w, .flags = ACK, .seq = 1, .ack = 2);
        QUIET(w);
        assert_int_equal(mytcp_next_deadline(w->stack), MYTCP_NEVER_US);
    }
}

/* G251: what becomes ready while events are being collected, is told the next time */
SCENARIO(what_becomes_ready_between_two_waits_is_told)
{
    struct mytcp_event event[1];
    int fds[3];
    uint16_t ports[3];
    unsigned told = 0;
    for (unsigned i = 0; i < 3; i++) {
        wire_go(w, AT_ESTABLISHED);
        fds[i] = w->fd;
        ports[i] = w->peer_port;
        assert_int_equal(mytcp_watch(w->stack, w->fd, POLLIN | MYTCP_ET, i), 0);
    }
    for (unsigned i = 0; i < 2; i++) {
        w->peer_port = ports[i];
        IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    }
    for (unsigned i = 0; mytcp_wait(w->stack, event, 1, 0) == 1; i++) {
        told |= 1u << event[0].data;
        if (i == 0) {
            w->peer_port = ports[2];
            IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
            w->peer_port = ports[event[0].data]; /* and more for the one being served */
            IN(w, .flags = ACK, .seq = 11, .ack = 1, .len = 10);
        }
        w->fd = fds[event[0].data];
        w->peer_port = ports[event[0].data];
        READ(w, wire_info(w).recv_queued);
        assert_in_range(i, 0, 4);
    }
    assert_int_equal(told, 7);
    answers(w);
}

/* G242, M02: a descriptor that is closed while somebody waits on it, and its number used again */
SCENARIO(closing_what_is_watched_disturbs_nobody_else)
{
    struct mytcp_event event[4];
    wire_go(w, AT_ESTABLISHED);
    int old = w->fd;
    uint16_t port = w->peer_port;
    assert_int_equal(mytcp_watch(w->stack, old, POLLIN, 1), 0);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    OUT(w, .flags = ACK, .seq = 1, .ack = 11);
    assert_int_equal(mytcp_close(w->stack, old), 0); /* ready, and not collected */
    OUT(w, .flags = RST | ANYACK, .seq = 1, .ack = 11);
    assert_int_equal(mytcp_wait(w->stack, event, 4, 0), 0);
    w->peer_port = port;
    wire_go(w, AT_ESTABLISHED);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    assert_int_equal(mytcp_wait(w->stack, event, 4, 0), 0); /* nobody watches this one */
    struct pollfd fds[2] = {{.fd = old, .events = POLLIN}, {.fd = w->fd, .events = POLLIN}};
    assert_int_equal(mytcp_poll(w->stack, fds, 2, 0), 2);
    assert_int_equal(fds[0].revents, POLLNVAL);
    assert_int_equal(fds[1].revents, POLLIN);
    OUT(w, .flags = ACK, .seq = 1, .ack = 11);
}

/* G257: writable is what has room worth a write, and is told when that comes about */
SCENARIO(a_writable_event_comes_when_there_is_room)
{
    static uint8_t data[65536];
    struct mytcp_event event[4];
    w->any_payload = true;
    w->config.sndbuf_bytes = 8192;
    wire_passive(w);
    assert_int_equal(mytcp_watch(w->stack, w->fd, POLLOUT | MYTCP_ET, 1), 0);
    assert_int_equal(mytcp_wait(w->stack, event, 4, 0), 1);
    while (mytcp_send(w->stack, w->fd, data, sizeof(data), 0) > 0)
        continue;
    assert_int_equal(mytcp_wait(w->stack, event, 4, 0), 0);
    answers(w);
    IN(w, .flags = ACK, .seq = 1, .ack = wire_conn(w)->snd_high);
    assert_int_equal(mytcp_wait(w->stack, event, 4, 0), 1);
    assert_int_equal(event[0].events, POLLOUT);
    assert_true(mytcp_send(w->stack, w->fd, data, 1, 0) == 1);
    answers(w);
}

/* G227: an echo with another code than 0 is none; a reply has our TTL, whatever the request's */
SCENARIO(an_echo_reply_is_a_packet_of_our_own)
{
    wire_start(w);
    for (uint8_t code = 1; code; code = (uint8_t)(code << 1)) {
        wire_build_icmp(w, &p, 8, code, 1, "x", 1);
        assert_string_equal(wire_inject(w, &p), "icmp_ignored");
        QUIET(w);
    }
    wire_build_icmp(w, &p, 8, 0, 1, "hello", 5);
    p.bytes[1] = 0xb8;
    p.bytes[8] = 1;
    wire_fix_ip_checksum(&p);
    p.bytes[p.len++] = 'x'; /* padding is not echoed */
    wire_inject(w, &p);
    const struct wire_packet *reply = OUT_ICMP(w, 0, 0);
    assert_int_equal(reply->len, 33);
    assert_int_equal(reply->bytes[8], w->config.ttl);
}

/* G226: of the device's MTU and the peer's MSS, the smaller, less the options that go with it */
SCENARIO(segments_fit_the_mtu_with_their_options)
{
    static const uint32_t mtus[] = {576, 1280, 1500, 9000, 65535};
    for (unsigned i = 0; i < 10; i++) {
        w->config.mtu_bytes = mtus[i / 2];
        w->peer.mss = 1400;
        w->peer.ts = i % 2;
        wire_passive(w);
        wire_set(w, IPPROTO_TCP, TCP_NODELAY, 1);
        IN(w, .flags = ACK, .seq = 101, .ack = 1, .len = 100); /* a hole: SACK goes along */
        answers(w);
        WRITE(w, 3000);
        uint32_t mtu = mtus[i / 2], mss = mtu - 40 < 1400 ? mtu - 40 : 1400;
        uint32_t len = mss - (i % 2 ? 24 : 12);
        assert_true(wire_poll(w, &p));
        assert_in_range(p.payload_len, len - 12, mss - (i % 2 ? 12 : 0));
        answers(w);
        wire_stop(w);
        w->conn_count = 0;
        w->listener = -1;
    }
}

WIRE_MAIN(WIRE_TEST(a_vector_taken_in_part_goes_on_where_it_stopped),
          WIRE_TEST(fionread_answers_for_every_kind_of_socket),
          WIRE_TEST(a_failed_accept_keeps_the_connection), WIRE_TEST(sixty_days_pass),
          WIRE_TEST(an_idle_stack_asks_for_nothing),
          WIRE_TEST(what_becomes_ready_between_two_waits_is_told),
          WIRE_TEST(closing_what_is_watched_disturbs_nobody_else),
          WIRE_TEST(a_writable_event_comes_when_there_is_room),
          WIRE_TEST(an_echo_reply_is_a_packet_of_our_own),
          WIRE_TEST(segments_fit_the_mtu_with_their_options))
