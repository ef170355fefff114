/* Calls that move data, set options or look: bad pointers, absurd lengths, unknown names; and what
 * they say when all is well (attacks A8). */
#include "lib/wire.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

static int new_socket(struct wire *w)
{
    wire_start(w);
    int fd = mytcp_socket(w->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    return fd;
}

/* M04, I08 */
SCENARIO(io_checks_its_pointers_and_lengths)
{
    char data[8] = "";
    struct iovec big[2] = {{data, SIZE_MAX}, {data, 2}}, null = {NULL, 5}, ok = {data, 1};
    struct msghdr msg = {.msg_iov = big, .msg_iovlen = 2};
    wire_passive(w);
    FAILS(w, mytcp_send(w->stack, w->fd, NULL, 1, 0), EFAULT);
    FAILS(w, mytcp_sendmsg(w->stack, w->fd, NULL, 0), EFAULT);
    FAILS(w, mytcp_sendmsg(w->stack, w->fd, &msg, 0), EINVAL);
    msg = (struct msghdr){.msg_iov = &null, .msg_iovlen = 1};
    FAILS(w, mytcp_sendmsg(w->stack, w->fd, &msg, 0), EFAULT);
    msg = (struct msghdr){.msg_iov = NULL, .msg_iovlen = 1};
    FAILS(w, mytcp_sendmsg(w->stack, w->fd, &msg, 0), EFAULT);
    msg = (struct msghdr){.msg_iov = &ok, .msg_iovlen = IOV_MAX + 1};
    FAILS(w, mytcp_sendmsg(w->stack, w->fd, &msg, 0), EMSGSIZE);
    FAILS(w, mytcp_send(w->stack, w->fd, data, 1, MSG_FASTOPEN), EOPNOTSUPP);
    FAILS(w, mytcp_recv(w->stack, w->fd, data, 1, MSG_ERRQUEUE), EAGAIN);
    QUIET(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 4);
    OUT(w, .flags = ACK, .seq = 1, .ack = 5);
    FAILS(w, mytcp_recv(w->stack, w->fd, NULL, 1, 0), EFAULT);
    assert_int_equal(mytcp_recv(w->stack, w->fd, data, SIZE_MAX, MSG_PEEK), 4);
    FAILS(w, mytcp_recvmsg(w->stack, w->fd, NULL, 0), EFAULT);
    assert_int_equal(mytcp_recv(w->stack, w->fd, data, 0, 0), 0);
    assert_int_equal(mytcp_recv(w->stack, w->fd, data, sizeof(data), MSG_PEEK), 4);
    READ(w, 4);
    wire_again(w);
}

SCENARIO(scattered_reads_and_writes_keep_their_order)
{
    uint8_t out[100], a[3], b[1], c[50];
    struct iovec give[3] = {{out, 10}, {out + 10, 0}, {out + 10, 90}};
    struct iovec take[3] = {{a, 3}, {b, 1}, {c, 50}};
    struct msghdr msg = {.msg_iov = give, .msg_iovlen = 3};
    wire_passive(w);
    for (unsigned i = 0; i < 100; i++)
        out[i] = wire_byte(true, i);
    assert_int_equal(mytcp_sendmsg(w->stack, w->fd, &msg, 0), 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    IN(w, .flags = ACK, .seq = 1, .ack = 101, .len = 40);
    OUT(w, .flags = ACK, .seq = 101, .ack = 41);
    msg = (struct msghdr){.msg_iov = take, .msg_iovlen = 3};
    assert_int_equal(mytcp_recvmsg(w->stack, w->fd, &msg, 0), 40);
    assert_int_equal(a[2], wire_byte(false, 2));
    assert_int_equal(b[0], wire_byte(false, 3));
    assert_int_equal(c[35], wire_byte(false, 39));
}

SCENARIO(the_end_of_stream_stays_the_end_when_a_reset_follows)
{
    char byte;
    wire_passive(w);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    OUT(w, .flags = ACK, .seq = 1, .ack = 2);
    IN(w, .flags = RST, .seq = 2);
    wire_eof(w);
    wire_eof(w);
    FAILS(w, mytcp_send(w->stack, w->fd, "x", 1, 0), EPIPE);
    assert_int_equal(wire_so_error(w), 0);
    FAILS(w, mytcp_recv(w->stack, w->fd, &byte, 1, MSG_OOB), EINVAL);
}

/* G091 */
SCENARIO(the_zero_copy_calls_check_their_counts)
{
    struct iovec iov[4];
    wire_passive(w);
    FAILS(w, mytcp_peek(w->stack, w->fd, iov, 4), EAGAIN);
    FAILS(w, mytcp_consume(w->stack, w->fd, 1), EINVAL);
    FAILS(w, mytcp_commit(w->stack, w->fd, 1), EINVAL);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 101);
    FAILS(w, mytcp_peek(w->stack, w->fd, NULL, 1), EFAULT);
    assert_int_equal(mytcp_peek(w->stack, w->fd, iov, 4), 100);
    assert_int_equal(((uint8_t *)iov[0].iov_base)[0], wire_byte(false, 0));
    FAILS(w, mytcp_consume(w->stack, w->fd, 101), EINVAL);
    assert_int_equal(mytcp_consume(w->stack, w->fd, 60), 0);
    wire_conn(w)->read_pos = 60;
    READ(w, 40);
    ssize_t room = mytcp_reserve(w->stack, w->fd, iov, 4, 100);
    assert_true(room >= 1 && room <= 100);
    FAILS(w, mytcp_commit(w->stack, w->fd, (size_t)room + 1), EINVAL);
    for (size_t i = 0; i < iov[0].iov_len && i < (size_t)room; i++)
        ((uint8_t *)iov[0].iov_base)[i] = wire_byte(true, i);
    uint32_t n = iov[0].iov_len < 10 ? (uint32_t)iov[0].iov_len : 10;
    room = mytcp_reserve(w->stack, w->fd, iov, 4, 100);
    assert_true(room >= 1);
    for (size_t i = 0; i < iov[0].iov_len && i < (size_t)room; i++)
        ((uint8_t *)iov[0].iov_base)[i] = wire_byte(true, i);
    assert_int_equal(mytcp_commit(w->stack, w->fd, n), 0);
    OUT(w, .flags = ACK, .seq = 1, .ack = 101, .len = n);
    IN(w, .flags = FIN | ACK, .seq = 101, .ack = 1 + n);
    OUT(w, .flags = ACK, .seq = 1 + n, .ack = 102);
    assert_int_equal(mytcp_peek(w->stack, w->fd, iov, 4), 0);
}

/* G257: a full send queue: EAGAIN, and POLLOUT says when there is room (9293-SEND-3, G253) */
SCENARIO(a_full_send_queue_is_eagain)
{
    static uint8_t big[100000];
    w->any_payload = true;
    w->config.sndbuf_bytes = 8192;
    wire_passive(w);
    ssize_t taken = mytcp_send(w->stack, w->fd, big, sizeof(big), 0);
    assert_in_range(taken, 1, 16384);
    FAILS(w, mytcp_send(w->stack, w->fd, big, 1, 0), EAGAIN);
    assert_int_equal(wire_ready(w, w->fd) & POLLOUT, 0);
    static struct wire_packet p;
    while (wire_poll(w, &p))
        continue;
    IN(w, .flags = ACK, .seq = 1, .ack = wire_conn(w)->snd_high);
    assert_int_equal(wire_ready(w, w->fd) & POLLOUT, POLLOUT);
}

/* M05 */
SCENARIO(socket_options_check_everything)
{
    int value = 1, fd = new_socket(w);
    socklen_t len = sizeof(value);
    struct timeval bad = {.tv_sec = 1, .tv_usec = 2000000};
    mytcp_stack *s = w->stack;
    FAILS(w, mytcp_setsockopt(s, fd, 12345, 1, &value, 4), ENOPROTOOPT);
    FAILS(w, mytcp_setsockopt(s, fd, SOL_SOCKET, 12345, &value, 4), ENOPROTOOPT);
    FAILS(w, mytcp_setsockopt(s, fd, IPPROTO_TCP, 12345, &value, 4), ENOPROTOOPT);
    FAILS(w, mytcp_getsockopt(s, fd, SOL_SOCKET, 12345, &value, &len), ENOPROTOOPT);
    FAILS(w, mytcp_getsockopt(s, fd, IPPROTO_TCP, 12345, &value, &len), ENOPROTOOPT);
    FAILS(w, mytcp_setsockopt(s, fd, IPPROTO_TCP, TCP_NODELAY, NULL, 4), EFAULT);
    FAILS(w, mytcp_setsockopt(s, fd, IPPROTO_TCP, TCP_NODELAY, &value, 3), EINVAL);
    FAILS(w, mytcp_setsockopt(s, fd, SOL_SOCKET, SO_KEEPALIVE, &value, 0), EINVAL);
    FAILS(w, mytcp_getsockopt(s, fd, IPPROTO_TCP, TCP_NODELAY, NULL, &len), EFAULT);
    FAILS(w, mytcp_getsockopt(s, fd, IPPROTO_TCP, TCP_NODELAY, &value, NULL), EFAULT);
    FAILS(w, mytcp_setsockopt(s, fd, SOL_SOCKET, SO_ERROR, &value, 4), ENOPROTOOPT);
    FAILS(w, mytcp_setsockopt(s, fd, SOL_SOCKET, SO_TYPE, &value, 4), ENOPROTOOPT);
    FAILS(w, mytcp_setsockopt(s, fd, SOL_SOCKET, SO_RCVTIMEO, &bad, sizeof(bad)), EDOM);
    FAILS(w, mytcp_setsockopt(s, fd, IPPROTO_TCP, TCP_CONGESTION, "nonesuch", 8), ENOENT);
    static const int zero_is_bad[] = {TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_SYNCNT};
    for (unsigned i = 0; i < 4; i++) {
        value = 0;
        FAILS(w, mytcp_setsockopt(s, fd, IPPROTO_TCP, zero_is_bad[i], &value, 4), EINVAL);
        value = -1;
        FAILS(w, mytcp_setsockopt(s, fd, IPPROTO_TCP, zero_is_bad[i], &value, 4), EINVAL);
        value = INT_MAX;
        FAILS(w, mytcp_setsockopt(s, fd, IPPROTO_TCP, zero_is_bad[i], &value, 4), EINVAL);
    }
    value = 1;
    FAILS(w, mytcp_setsockopt(s, fd, IPPROTO_TCP, TCP_MAXSEG, &value, 4), EINVAL);
}

/* M05 */
SCENARIO(socket_options_read_back)
{
    static const int names[][2] = {
        {SOL_SOCKET, SO_REUSEADDR},  {SOL_SOCKET, SO_KEEPALIVE},     {IPPROTO_TCP, TCP_NODELAY},
        {IPPROTO_TCP, TCP_CORK},     {SOL_SOCKET, SO_RCVBUF},        {SOL_SOCKET, SO_SNDBUF},
        {IPPROTO_TCP, TCP_KEEPIDLE}, {IPPROTO_TCP, TCP_KEEPINTVL},   {IPPROTO_TCP, TCP_KEEPCNT},
        {IPPROTO_TCP, TCP_SYNCNT},   {IPPROTO_TCP, TCP_USER_TIMEOUT}};
    static const int values[] = {1, 1, 1, 1, 50000, 60000, 33, 44, 5, 6, 7777};
    w->fd = new_socket(w);
    for (unsigned i = 0; i < sizeof(values) / sizeof(*values); i++) {
        wire_set(w, names[i][0], names[i][1], values[i]);
        assert_int_equal(wire_option(w, names[i][0], names[i][1]), values[i]);
    }
    assert_int_equal(wire_option(w, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
    assert_int_equal(wire_option(w, SOL_SOCKET, SO_DOMAIN), AF_INET);
    assert_int_equal(wire_option(w, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
    assert_int_equal(wire_option(w, SOL_SOCKET, SO_ACCEPTCONN), 0);
    assert_int_equal(wire_option(w, SOL_SOCKET, SO_ERROR), 0);
}

/* an option's value is cut to the room given, and never written beyond it */
SCENARIO(getsockopt_cuts_to_the_length_given)
{
    uint8_t room[200];
    struct sockaddr_in a;
    w->fd = new_socket(w);
    for (socklen_t want = 0; want <= sizeof(room); want++) {
        socklen_t len = want;
        memset(room, 0x77, sizeof(room));
        assert_int_equal(mytcp_getsockopt(w->stack, w->fd, IPPROTO_TCP, TCP_INFO, room, &len), 0);
        assert_true(len <= want);
        for (socklen_t i = len; i < sizeof(room); i++)
            assert_int_equal(room[i], 0x77);
    }
    socklen_t len = 3;
    assert_int_equal(mytcp_getsockname(w->stack, w->fd, (struct sockaddr *)&a, &len), 0);
    assert_int_equal(len, sizeof(a));
    FAILS(w, mytcp_getsockname(w->stack, w->fd, NULL, &len), EFAULT);
    FAILS(w, mytcp_getsockname(w->stack, w->fd, (struct sockaddr *)&a, NULL), EFAULT);
}

SCENARIO(fcntl_and_ioctl_know_what_they_know)
{
    int n = -1;
    wire_passive(w);
    assert_int_equal(mytcp_fcntl(w->stack, w->fd, F_GETFL, 0) & O_NONBLOCK, O_NONBLOCK);
    assert_int_equal(mytcp_fcntl(w->stack, w->fd, F_SETFL, 0), 0);
    assert_int_equal(mytcp_fcntl(w->stack, w->fd, F_GETFL, 0) & O_NONBLOCK, 0);
    FAILS(w, mytcp_fcntl(w->stack, w->fd, F_DUPFD, 0), EINVAL);
    FAILS(w, mytcp_ioctl(w->stack, w->fd, 0x12345678, &n), ENOTTY);
    FAILS(w, mytcp_ioctl(w->stack, w->fd, FIONREAD, NULL), EFAULT);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 55);
    assert_int_equal(mytcp_ioctl(w->stack, w->fd, FIONREAD, &n), 0);
    assert_int_equal(n, 55);
    WRITE(w, 20000);
    static struct wire_packet p;
    while (wire_poll(w, &p))
        continue;
    assert_int_equal(mytcp_ioctl(w->stack, w->fd, SIOCOUTQ, &n), 0);
    assert_int_equal(n, 20000);
    assert_int_equal(mytcp_ioctl(w->stack, w->fd, SIOCOUTQNSD, &n), 0);
    assert_int_equal(n, 20000 - 14600);
}

/* without a driver nothing blocks, whatever the flags say */
SCENARIO(a_blocking_socket_without_a_driver_is_eagain)
{
    char byte;
    wire_passive(w);
    assert_int_equal(mytcp_fcntl(w->stack, w->fd, F_SETFL, 0), 0);
    FAILS(w, mytcp_recv(w->stack, w->fd, &byte, 1, 0), EAGAIN);
    FAILS(w, mytcp_recv(w->stack, w->fd, &byte, 1, MSG_WAITALL), EAGAIN);
}

SCENARIO(shutdown_checks_how)
{
    wire_passive(w);
    FAILS(w, mytcp_shutdown(w->stack, w->fd, 3), EINVAL);
    FAILS(w, mytcp_shutdown(w->stack, w->fd, -1), EINVAL);
    STATE(w, TCP_ESTABLISHED);
}

SCENARIO(poll_and_wait_check_their_arguments)
{
    struct mytcp_event event;
    struct pollfd p[3] = {{.fd = -5}, {.fd = 777}, {.fd = 0}};
    wire_passive(w);
    FAILS(w, mytcp_poll(w->stack, NULL, 1, 0), EFAULT);
    assert_int_equal(mytcp_poll(w->stack, NULL, 0, 0), 0);
    p[2] = (struct pollfd){.fd = w->fd, .events = POLLOUT};
    assert_int_equal(mytcp_poll(w->stack, p, 3, 0), 2);
    assert_int_equal(p[0].revents, 0);
    assert_int_equal(p[1].revents, POLLNVAL);
    assert_int_equal(p[2].revents, POLLOUT);
    FAILS(w, mytcp_wait(w->stack, &event, 0, 0), EINVAL);
    FAILS(w, mytcp_wait(w->stack, &event, -1, 0), EINVAL);
    FAILS(w, mytcp_wait(w->stack, NULL, 1, 0), EFAULT);
    FAILS(w, mytcp_watch(w->stack, w->fd, 0x100000, 0), EINVAL);
}

/* U13 */
SCENARIO(wait_reports_what_is_watched)
{
    struct mytcp_event event[4];
    wire_passive(w);
    assert_int_equal(mytcp_wait(w->stack, event, 4, 0), 0);
    assert_int_equal(mytcp_watch(w->stack, w->fd, POLLIN, 0x1234567890), 0);
    assert_int_equal(mytcp_wait(w->stack, event, 4, 0), 0);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    assert_int_equal(mytcp_wait(w->stack, event, 4, 0), 1);
    assert_int_equal(event[0].fd, w->fd);
    assert_int_equal(event[0].data, 0x1234567890);
    assert_int_equal(event[0].events, POLLIN);
    assert_int_equal(mytcp_wait(w->stack, event, 4, 0), 1); /* level */
    READ(w, 10);
    assert_int_equal(mytcp_wait(w->stack, event, 4, 0), 0);
    assert_int_equal(mytcp_watch(w->stack, w->fd, POLLIN | MYTCP_ET, 1), 0);
    IN(w, .flags = ACK, .seq = 11, .ack = 1, .len = 10);
    assert_int_equal(mytcp_wait(w->stack, event, 4, 0), 1);
    assert_int_equal(mytcp_wait(w->stack, event, 4, 0), 0); /* edge */
    IN(w, .flags = ACK, .seq = 21, .ack = 1, .len = 10);
    assert_int_equal(mytcp_wait(w->stack, event, 4, 0), 1);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    assert_int_equal(mytcp_wait(w->stack, event, 4, 0), 0);
}

/* G186 */
SCENARIO(an_error_is_reported_once)
{
    char byte = 0;
    wire_passive(w);
    IN(w, .flags = RST, .seq = 1);
    FAILS(w, mytcp_recv(w->stack, w->fd, &byte, 1, 0), ECONNRESET);
    assert_int_equal(mytcp_recv(w->stack, w->fd, &byte, 1, 0), 0);
    FAILS(w, mytcp_send(w->stack, w->fd, &byte, 1, 0), EPIPE);
    assert_int_equal(wire_so_error(w), 0);
}

/* 1122-3.2.1.6 */
SCENARIO(the_diffserv_field_is_0_unless_set)
{
    wire_passive(w);
    assert_int_equal(wire_option(w, IPPROTO_IP, IP_TOS), 0);
    WRITE(w, 10);
    assert_int_equal(OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10)->bytes[1], 0);
}

/* 1122-3.4: so is the TTL, in what a connection sends and in answers of none; wire_check.c looks */
SCENARIO(the_configured_ttl_is_in_all_that_goes)
{
    w->config.ttl = 9;
    wire_passive(w);
    WRITE(w, 10);
    assert_int_equal(OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10)->bytes[8], 9);
    w->our_port++;
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    assert_int_equal(OUT(w, .flags = RST, .seq = 1)->bytes[8], 9);
}

/* 9293-MUST-48, 9293-SHLD-21, 9293-SHLD-22, 9293-SHLD-23, 1122-3.4: the Diffserv field is the application's, in
 * every segment, and may change */
SCENARIO(ip_tos_is_in_all_that_a_connection_sends)
{
    wire_listen(w, 4);
    w->fd = w->listener;
    wire_set(w, IPPROTO_IP, IP_TOS, 46 << 2 | 3);
    assert_int_equal(wire_option(w, IPPROTO_IP, IP_TOS), 46 << 2); /* the ECN bits are TCP's */
    IN(w, .flags = SYN, .mss = 1460);
    assert_int_equal(OUT(w, .flags = SYN | ACK, .ack = 1)->bytes[1], 0xb8);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    w->fd = mytcp_accept(w->stack, w->listener, NULL, NULL, SOCK_NONBLOCK);
    WRITE(w, 10);
    assert_int_equal(OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10)->bytes[1], 0xb8);
    static struct wire_packet again;
    while (!wire_poll(w, &again))
        w->now_us += 10 * MS;
    assert_int_equal(again.payload_len, 10);
    assert_int_equal(again.bytes[1], 0xb8);
    wire_set(w, IPPROTO_IP, IP_TOS, 0x28);
    IN(w, .flags = ACK, .seq = 1, .ack = 11, .len = 10);
    assert_int_equal(OUT(w, .flags = ACK, .seq = 11, .ack = 11)->bytes[1], 0x28);
    READ(w, 10);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    assert_int_equal(OUT(w, .flags = FIN | ACK, .seq = 11, .ack = 11)->bytes[1], 0x28);
    IN(w, .flags = FIN | ACK, .seq = 11, .ack = 12);
    assert_int_equal(OUT(w, .flags = ACK, .seq = 12, .ack = 12)->bytes[1], 0x28);
    IN(w, .flags = FIN | ACK, .seq = 11, .ack = 12); /* TIME-WAIT says it again */
    assert_int_equal(OUT(w, .flags = ACK, .seq = 12, .ack = 12)->bytes[1], 0x28);
}

WIRE_MAIN(WIRE_TEST(io_checks_its_pointers_and_lengths),
          WIRE_TEST(scattered_reads_and_writes_keep_their_order),
          WIRE_TEST(the_end_of_stream_stays_the_end_when_a_reset_follows),
          WIRE_TEST(the_zero_copy_calls_check_their_counts), WIRE_TEST(a_full_send_queue_is_eagain),
          WIRE_TEST(socket_options_check_everything), WIRE_TEST(socket_options_read_back),
          WIRE_TEST(getsockopt_cuts_to_the_length_given),
          WIRE_TEST(fcntl_and_ioctl_know_what_they_know),
          WIRE_TEST(a_blocking_socket_without_a_driver_is_eagain), WIRE_TEST(shutdown_checks_how),
          WIRE_TEST(poll_and_wait_check_their_arguments), WIRE_TEST(wait_reports_what_is_watched),
          WIRE_TEST(an_error_is_reported_once),
          WIRE_TEST(the_diffserv_field_is_0_unless_set),
          WIRE_TEST(the_configured_ttl_is_in_all_that_goes),
          WIRE_TEST(ip_tos_is_in_all_that_a_connection_sends))
