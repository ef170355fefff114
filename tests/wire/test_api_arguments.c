/* Odd arguments, call by call: each draws its errno and changes nothing. What is common to all descriptors is in
 * test_api_errors.c and test_api_io.c. */
#include "lib/wire.h"

#include <fcntl.h>
#include <sys/ioctl.h>

/* M06 */
SCENARIO(no_call_takes_null_for_a_stack_or_for_what_it_fills)
{
    struct sockaddr_in a = wire_sockaddr(w->peer_addr, 1);
    struct sockaddr *sa = (struct sockaddr *)&a;
    struct mytcp_conn_info info;
    struct mytcp_trace trace;
    struct iovec iov;
    struct msghdr msg = {.msg_iovlen = 0};
    socklen_t len = sizeof(a);
    int value = 0;
    wire_start(w);
    FAILS(w, mytcp_sendmsg(NULL, 0, &msg, 0), EINVAL);
    FAILS(w, mytcp_recvmsg(NULL, 0, &msg, 0), EINVAL);
    FAILS(w, mytcp_peek(NULL, 0, &iov, 1), EINVAL);
    FAILS(w, mytcp_consume(NULL, 0, 0), EINVAL);
    FAILS(w, mytcp_reserve(NULL, 0, &iov, 1, 1), EINVAL);
    FAILS(w, mytcp_commit(NULL, 0, 0), EINVAL);
    FAILS(w, mytcp_getsockname(NULL, 0, sa, &len), EINVAL);
    FAILS(w, mytcp_getpeername(NULL, 0, sa, &len), EINVAL);
    FAILS(w, mytcp_setsockopt(NULL, 0, IPPROTO_TCP, TCP_NODELAY, &value, 4), EINVAL);
    FAILS(w, mytcp_getsockopt(NULL, 0, IPPROTO_TCP, TCP_NODELAY, &value, &len), EINVAL);
    FAILS(w, mytcp_fcntl(NULL, 0, F_GETFL, 0), EINVAL);
    FAILS(w, mytcp_ioctl(NULL, 0, FIONREAD, &value), EINVAL);
    FAILS(w, mytcp_watch(NULL, 0, POLLIN, 0), EINVAL);
    FAILS(w, mytcp_conn_info_get(NULL, 0, &info), EINVAL);
    FAILS(w, mytcp_stats_get(w->stack, NULL), EINVAL);
    FAILS(w, mytcp_trace_read(NULL, &trace, NULL), EINVAL);
    FAILS(w, mytcp_trace_read(w->stack, NULL, NULL), EINVAL);
    FAILS(w, mytcp_trace_format(NULL, (char[8]){0}, 8), EINVAL);
    FAILS(w, mytcp_trace_format(&trace, NULL, 8), EINVAL);
    FAILS(w, mytcp_set_mtu(NULL, 1500), EINVAL);
    assert_int_equal(mytcp_next_deadline(NULL), MYTCP_NEVER_US);
    assert_int_equal(mytcp_digest(NULL), 0);
    assert_non_null(mytcp_check(NULL));
}

SCENARIO(socket_knows_families_types_and_protocols)
{
    static const struct {
        int domain, type, protocol, error;
    } wrong[] = {
        {-1, SOCK_STREAM, 0, EAFNOSUPPORT},           {AF_MAX, SOCK_STREAM, 0, EAFNOSUPPORT},
        {AF_INET, 11, 0, EINVAL},                     {AF_INET, SOCK_STREAM, -1, EINVAL},
        {AF_INET, SOCK_STREAM, 263, EINVAL},          {AF_INET, SOCK_RAW, 0, EPROTONOSUPPORT},
        {AF_INET, SOCK_STREAM, 262, EPROTONOSUPPORT}, {AF_INET, SOCK_DGRAM, IPPROTO_TCP, EPROTONOSUPPORT},
        {AF_INET, SOCK_SEQPACKET, 0, ESOCKTNOSUPPORT}};
    wire_start(w);
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        FAILS(w, mytcp_socket(w->stack, wrong[i].domain, wrong[i].type, wrong[i].protocol), wrong[i].error);
    assert_int_equal(wire_stats(w).sockets, 0);
}

static int bind_family(struct wire *w, int fd, sa_family_t family, uint32_t addr)
{
    struct sockaddr_in a = wire_sockaddr(addr, 80);
    a.sin_family = family;
    return mytcp_bind(w->stack, fd, (struct sockaddr *)&a, sizeof(a));
}

SCENARIO(names_are_checked_as_far_as_they_are_read)
{
    struct sockaddr_in a = wire_sockaddr(w->peer_addr, 1);
    socklen_t negative = (socklen_t)-1, none = 0;
    wire_start(w);
    int fd = mytcp_socket(w->stack, AF_INET, SOCK_STREAM, 0);
    FAILS(w, mytcp_connect(w->stack, fd, (struct sockaddr *)&a, 1), EINVAL);
    FAILS(w, mytcp_connect(w->stack, fd, (struct sockaddr *)&a, 1000), EINVAL);
    FAILS(w, mytcp_getsockname(w->stack, fd, (struct sockaddr *)&a, &negative), EINVAL);
    assert_int_equal(mytcp_getsockname(w->stack, fd, NULL, &none), 0);
    assert_int_equal(none, sizeof(a));
    FAILS(w, bind_family(w, fd, AF_UNSPEC, w->our_addr), EAFNOSUPPORT);
    assert_int_equal(bind_family(w, fd, AF_UNSPEC, INADDR_ANY), 0); /* as Linux, for old programs */
}

SCENARIO(messages_are_checked_before_they_are_sent)
{
    uint8_t bytes[20];
    struct iovec iov[2] = {{bytes, 10}, {NULL, 10}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2, .msg_name = bytes, .msg_namelen = (socklen_t)-1};
    wire_passive(w);
    FAILS(w, mytcp_sendmsg(w->stack, w->fd, &msg, 0), EINVAL);
    msg.msg_namelen = 0;
    for (unsigned i = 0; i < 10; i++)
        bytes[i] = wire_byte(true, i);
    assert_int_equal(mytcp_sendmsg(w->stack, w->fd, &msg, 0), 10); /* as far as it is there */
    wire_conn(w)->write_pos = 10;
    msg.msg_name = NULL;
    msg.msg_iov = &iov[1];
    msg.msg_iovlen = 1;
    FAILS(w, mytcp_sendmsg(w->stack, w->fd, &msg, 0), EFAULT);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    IN(w, .flags = ACK, .seq = 1, .ack = 11, .len = 20);
    OUT(w, .flags = ACK, .seq = 11, .ack = 21);
    FAILS(w, mytcp_recvmsg(w->stack, w->fd, &msg, 0), EFAULT);
    msg.msg_iov = iov;
    msg.msg_iovlen = 2;
    assert_int_equal(mytcp_recvmsg(w->stack, w->fd, &msg, MSG_WAITALL), 10);
    wire_conn(w)->read_pos = 10;
    READ(w, 10);
}

SCENARIO(a_message_taken_in_part_goes_without_its_rest)
{
    uint8_t bytes[300];
    struct iovec iov[2] = {{bytes, 300}, {bytes, 10}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = wire_byte(true, i);
    wire_passive(w);
    wire_set(w, SOL_SOCKET, SO_SNDBUF, 300);
    assert_int_equal(mytcp_sendmsg(w->stack, w->fd, &msg, 0), 300);
    wire_conn(w)->write_pos = 300;
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 300);
}

/* No piece with data follows the first: nothing is to be waited for. */
SCENARIO(a_message_whose_last_piece_is_empty_goes_at_once)
{
    uint8_t bytes[100];
    struct iovec iov[2] = {{bytes, 100}, {bytes, 0}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = wire_byte(true, i);
    wire_passive(w);
    assert_int_equal(mytcp_sendmsg(w->stack, w->fd, &msg, 0), 100);
    wire_conn(w)->write_pos = 100;
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
}

SCENARIO(zero_copy_calls_check_where_they_may_write)
{
    struct iovec iov;
    wire_passive(w);
    FAILS(w, mytcp_reserve(w->stack, w->fd, NULL, 1, 10), EFAULT);
    FAILS(w, mytcp_reserve(w->stack, w->fd, &iov, 0, 10), EINVAL);
    FAILS(w, mytcp_peek(w->stack, w->fd, &iov, -1), EINVAL);
    assert_int_equal(mytcp_reserve(w->stack, w->fd, &iov, 1, 0), 0);
    assert_int_equal(mytcp_reserve(w->stack, w->fd, &iov, 1, 10), 10);
    assert_int_equal(mytcp_reserve(w->stack, w->fd, &iov, 1, 0), 0);
    FAILS(w, mytcp_commit(w->stack, w->fd, 10), EINVAL); /* the second undid the first */
    FAILS(w, mytcp_conn_info_get(w->stack, w->fd, NULL), EFAULT);
    wire_set(w, SOL_SOCKET, SO_SNDBUF, 300);
    WRITE(w, 300);
    FAILS(w, mytcp_reserve(w->stack, w->fd, &iov, 1, 10), EAGAIN);
    assert_int_equal(mytcp_reserve(w->stack, w->fd, &iov, 1, 0), 0);
}

/* Between reserve and commit anything may come in, by another thread if there is a driver's. */
SCENARIO(what_is_reserved_stays_though_the_connection_ends)
{
    struct iovec iov;
    wire_passive(w);
    WRITE(w, 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    assert_int_equal(mytcp_reserve(w->stack, w->fd, &iov, 1, 10), 10);
    IN(w, .flags = ACK, .seq = 1, .ack = 101);
    memset(iov.iov_base, 1, 10);
    IN(w, .flags = RST, .seq = 1);
    memset(iov.iov_base, 2, 10);
    FAILS(w, mytcp_commit(w->stack, w->fd, 10), ECONNRESET);
    FAILS(w, mytcp_commit(w->stack, w->fd, 10), EPIPE);
    FAILS(w, mytcp_reserve(w->stack, w->fd, &iov, 1, 10), EPIPE);
}

SCENARIO(ioctl_knows_its_requests)
{
    int on = 1, n = -1;
    wire_passive(w);
    FAILS(w, mytcp_ioctl(w->stack, w->fd, FIOASYNC, &on), ENOTTY);
    assert_int_equal(mytcp_ioctl(w->stack, w->fd, FIONBIO, &on), 0);
    assert_int_equal(mytcp_fcntl(w->stack, w->fd, F_GETFL, 0), O_RDWR | O_NONBLOCK);
    assert_int_equal(mytcp_ioctl(w->stack, w->fd, FIONBIO, &(int){0}), 0);
    assert_int_equal(mytcp_fcntl(w->stack, w->fd, F_GETFL, 0), O_RDWR);
    assert_int_equal(mytcp_ioctl(w->stack, w->fd, SIOCATMARK, &n), 0);
    assert_int_equal(n, 0);
    FAILS(w, mytcp_ioctl(w->stack, w->listener, FIONREAD, &n), EINVAL);
    assert_int_equal(mytcp_ioctl(w->stack, w->listener, SIOCATMARK, &n), 0);
}

/* ---- options ---- */

static int set_int(struct wire *w, int level, int name, int value)
{
    return mytcp_setsockopt(w->stack, w->fd, level, name, &value, sizeof(value));
}

static int set_time(struct wire *w, int name, long s, long us)
{
    struct timeval t = {.tv_sec = s, .tv_usec = us};
    return mytcp_setsockopt(w->stack, w->fd, SOL_SOCKET, name, &t, sizeof(t));
}

static struct timeval get_time(struct wire *w, int name)
{
    struct timeval t;
    socklen_t len = sizeof(t);
    assert_int_equal(mytcp_getsockopt(w->stack, w->fd, SOL_SOCKET, name, &t, &len), 0);
    return t;
}

static void fresh_socket(struct wire *w)
{
    wire_start(w);
    w->fd = mytcp_socket(w->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_true(w->fd >= 0);
}

SCENARIO(options_refuse_what_linux_refuses)
{
    fresh_socket(w);
    FAILS(w, set_int(w, IPPROTO_TCP, TCP_MAXSEG, 87), EINVAL);
    FAILS(w, set_int(w, IPPROTO_TCP, TCP_MAXSEG, 32768), EINVAL);
    FAILS(w, set_int(w, IPPROTO_TCP, TCP_USER_TIMEOUT, -1), EINVAL);
    FAILS(w, set_time(w, SO_RCVTIMEO, 1, -1), EDOM);
    FAILS(w, set_time(w, SO_SNDTIMEO, 1, 1000000), EDOM);
    FAILS(w, mytcp_setsockopt(w->stack, w->fd, IPPROTO_TCP, TCP_CONGESTION, NULL, 5), EFAULT);
    FAILS(w, mytcp_setsockopt(w->stack, w->fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 0), EINVAL);
    FAILS(w, mytcp_setsockopt(w->stack, w->fd, SOL_SOCKET, SO_LINGER, &(int){1}, 4), EINVAL);
    FAILS(w, mytcp_setsockopt(w->stack, w->fd, SOL_SOCKET, SO_RCVTIMEO, &(int){1}, 4), EINVAL);
    FAILS(w, mytcp_setsockopt(w->stack, w->fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, (socklen_t)-1), EINVAL);
    FAILS(w, mytcp_getsockopt(w->stack, w->fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, &(socklen_t){(socklen_t)-1}),
          EINVAL);
    assert_int_equal(wire_option(w, IPPROTO_TCP, TCP_MAXSEG), 536);
    assert_int_equal(wire_option(w, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
}

SCENARIO(options_with_a_default_have_a_value_that_means_it)
{
    fresh_socket(w);
    int wait_s = wire_option(w, IPPROTO_TCP, TCP_LINGER2);
    wire_set(w, IPPROTO_TCP, TCP_LINGER2, 7);
    assert_int_equal(wire_option(w, IPPROTO_TCP, TCP_LINGER2), 7);
    wire_set(w, IPPROTO_TCP, TCP_LINGER2, 0);
    assert_int_equal(wire_option(w, IPPROTO_TCP, TCP_LINGER2), wait_s);
    wire_set(w, IPPROTO_TCP, TCP_LINGER2, -5);
    assert_int_equal(wire_option(w, IPPROTO_TCP, TCP_LINGER2), -1);
    wire_set(w, IPPROTO_TCP, TCP_WINDOW_CLAMP, -1); /* the smallest there is */
    assert_int_equal(wire_option(w, IPPROTO_TCP, TCP_WINDOW_CLAMP), 128);
    wire_set(w, IPPROTO_TCP, TCP_WINDOW_CLAMP, 0);
    assert_int_equal(wire_option(w, IPPROTO_TCP, TCP_WINDOW_CLAMP), 0);
    wire_set(w, IPPROTO_TCP, TCP_MAXSEG, 1000);
    assert_int_equal(wire_option(w, IPPROTO_TCP, TCP_MAXSEG), 1000);
    wire_set(w, IPPROTO_TCP, TCP_MAXSEG, 0);
    assert_int_equal(wire_option(w, IPPROTO_TCP, TCP_MAXSEG), 536);
    assert_int_equal(wire_option(w, SOL_SOCKET, SO_RCVLOWAT), 1);
    assert_int_equal(wire_option(w, IPPROTO_TCP, TCP_DEFER_ACCEPT), 0);
    wire_set(w, IPPROTO_TCP, TCP_DEFER_ACCEPT, 300);
    assert_int_equal(wire_option(w, IPPROTO_TCP, TCP_DEFER_ACCEPT), 255);
    assert_int_equal(wire_option(w, SOL_SOCKET, SO_RCVLOWAT), 1); /* though there is room for rare options now */
    wire_set(w, IPPROTO_TCP, TCP_DEFER_ACCEPT, -1);
    assert_int_equal(wire_option(w, IPPROTO_TCP, TCP_DEFER_ACCEPT), 0);
}

SCENARIO(times_are_kept_as_far_as_they_make_sense)
{
    fresh_socket(w);
    assert_int_equal(get_time(w, SO_RCVTIMEO).tv_sec, 0);
    assert_int_equal(get_time(w, SO_SNDTIMEO).tv_sec, 0);
    assert_int_equal(set_time(w, SO_RCVTIMEO, 3, 250000), 0);
    assert_int_equal(get_time(w, SO_RCVTIMEO).tv_sec, 3);
    assert_int_equal(get_time(w, SO_RCVTIMEO).tv_usec, 250000);
    assert_int_equal(get_time(w, SO_SNDTIMEO).tv_usec, 0);
    assert_int_equal(set_time(w, SO_SNDTIMEO, -1, 0), 0); /* at once */
    assert_int_equal(get_time(w, SO_SNDTIMEO).tv_usec, 1);
    assert_int_equal(set_time(w, SO_SNDTIMEO, 1L << 40, 0), 0); /* never */
    assert_int_equal(get_time(w, SO_SNDTIMEO).tv_usec, 0);
}

SCENARIO(the_window_clamp_of_a_connection_stays)
{
    wire_passive(w);
    FAILS(w, set_int(w, IPPROTO_TCP, TCP_WINDOW_CLAMP, 0), EINVAL);
    wire_set(w, IPPROTO_TCP, TCP_WINDOW_CLAMP, 5000);
    assert_int_equal(wire_option(w, IPPROTO_TCP, TCP_WINDOW_CLAMP), 5000);
}

SCENARIO(maxseg_is_what_a_connection_may_send_and_a_listener_would_offer)
{
    wire_passive(w);
    assert_int_equal(wire_option(w, IPPROTO_TCP, TCP_MAXSEG), 1460);
    w->fd = w->listener;
    assert_int_equal(wire_option(w, IPPROTO_TCP, TCP_MAXSEG), 536);
    wire_set(w, IPPROTO_TCP, TCP_MAXSEG, 700);
    assert_int_equal(wire_option(w, IPPROTO_TCP, TCP_MAXSEG), 700);
}

SCENARIO(keepalive_turned_off_sends_no_more_probes)
{
    wire_passive(w);
    wire_set(w, SOL_SOCKET, SO_KEEPALIVE, 0); /* it was off */
    wire_set(w, IPPROTO_TCP, TCP_KEEPIDLE, 10);
    wire_set(w, SOL_SOCKET, SO_KEEPALIVE, 1);
    AT(w, 5 * SEC);
    wire_set(w, SOL_SOCKET, SO_KEEPALIVE, 0);
    AT(w, 100 * SEC);
    QUIET(w);
}

/* ---- configurations ---- */

static void refused(const struct mytcp_config *config)
{
    errno = 0;
    assert_null(mytcp_create(config, 0));
    assert_int_equal(errno, EINVAL);
}

/* M09 */
SCENARIO(configurations_that_contradict_themselves_are_einval)
{
    struct mytcp_config c = w->config;
    c.port_min = 2000;
    c.port_max = 1999;
    refused(&c);
    c = w->config;
    c.rto_min_us = 60000001;
    refused(&c);
    c = w->config;
    c.release = NULL; /* memory of one place, given back at another */
    refused(&c);
    c = w->config;
    c.addr.s_addr = htonl(0x0a0000ff); /* the broadcast address of its own subnet */
    refused(&c);
}

SCENARIO(an_address_can_be_set_by_name)
{
    struct mytcp_config c = w->config;
    assert_int_equal(mytcp_config_set(&c, "addr", "192.0.2.7"), 0);
    assert_int_equal(ntohl(c.addr.s_addr), 0xc0000207);
    FAILS(w, mytcp_config_set(&c, "addr", "192.0.2"), EINVAL);
    FAILS(w, mytcp_config_set(&c, "addr", NULL), EINVAL);
    FAILS(w, mytcp_config_set(&c, NULL, "1"), EINVAL);
    FAILS(w, mytcp_config_set(NULL, "addr", "192.0.2.7"), EINVAL);
}

/* M02: the same slot again and again, through all its generations and around */
SCENARIO(a_descriptor_number_comes_back_after_two_thousand_others)
{
    w->config.sockets_max = 1;
    wire_start(w);
    int first = mytcp_socket(w->stack, AF_INET, SOCK_STREAM, 0), last = -1;
    for (int i = 0; i < 2047; i++) {
        int fd = i ? mytcp_socket(w->stack, AF_INET, SOCK_STREAM, 0) : first;
        assert_true(fd >= 0 && fd != last && (i == 0 || fd != first));
        FAILS(w, mytcp_socket(w->stack, AF_INET, SOCK_STREAM, 0), EMFILE);
        assert_int_equal(mytcp_close(w->stack, fd), 0);
        last = fd;
    }
    assert_int_equal(mytcp_socket(w->stack, AF_INET, SOCK_STREAM, 0), first);
}

WIRE_MAIN(WIRE_TEST(no_call_takes_null_for_a_stack_or_for_what_it_fills),
          WIRE_TEST(socket_knows_families_types_and_protocols),
          WIRE_TEST(names_are_checked_as_far_as_they_are_read),
          WIRE_TEST(messages_are_checked_before_they_are_sent),
          WIRE_TEST(a_message_taken_in_part_goes_without_its_rest),
          WIRE_TEST(a_message_whose_last_piece_is_empty_goes_at_once),
          WIRE_TEST(zero_copy_calls_check_where_they_may_write), WIRE_TEST(what_is_reserved_stays_though_the_connection_ends),
          WIRE_TEST(ioctl_knows_its_requests),
          WIRE_TEST(options_refuse_what_linux_refuses),
          WIRE_TEST(options_with_a_default_have_a_value_that_means_it),
          WIRE_TEST(times_are_kept_as_far_as_they_make_sense),
          WIRE_TEST(the_window_clamp_of_a_connection_stays),
          WIRE_TEST(maxseg_is_what_a_connection_may_send_and_a_listener_would_offer),
          WIRE_TEST(keepalive_turned_off_sends_no_more_probes),
          WIRE_TEST(configurations_that_contradict_themselves_are_einval),
          WIRE_TEST(an_address_can_be_set_by_name),
          WIRE_TEST(a_descriptor_number_comes_back_after_two_thousand_others))
