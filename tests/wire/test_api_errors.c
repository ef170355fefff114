/* Sockets, addresses and configurations that cannot be, and calls in the wrong state: the errno
 * that Linux gives, or that mytcp.h states (attacks A8). Calls that move data or look are in
 * test_api_io.c. */
#include "lib/wire.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/ioctl.h>

static int new_socket(struct wire *w)
{
    wire_start(w);
    int fd = mytcp_socket(w->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    return fd;
}

static int bind_to(struct wire *w, int fd, uint32_t addr, uint16_t port)
{
    struct sockaddr_in a = wire_sockaddr(addr, port);
    return mytcp_bind(w->stack, fd, (struct sockaddr *)&a, sizeof(a));
}

static int connect_to(struct wire *w, int fd, uint32_t addr, uint16_t port)
{
    struct sockaddr_in a = wire_sockaddr(addr, port);
    return mytcp_connect(w->stack, fd, (struct sockaddr *)&a, sizeof(a));
}

/* 9293-ABORT-1, 9293-STATUS-1, 9293-SEND-1, 9293-RECV-1, 9293-CLOSE-1, M01 */
static void all_calls_are_ebadf(struct wire *w, int fd)
{
    mytcp_stack *s = w->stack;
    struct sockaddr_in a = wire_sockaddr(w->peer_addr, 1);
    struct sockaddr *sa = (struct sockaddr *)&a;
    socklen_t len = sizeof(a), four = 4;
    char byte = 0;
    struct iovec iov = {&byte, 1};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    struct mytcp_conn_info info;
    int value = 0;
    FAILS(w, mytcp_bind(s, fd, sa, len), EBADF);
    FAILS(w, mytcp_listen(s, fd, 1), EBADF);
    FAILS(w, mytcp_accept(s, fd, NULL, NULL, 0), EBADF);
    FAILS(w, mytcp_connect(s, fd, sa, len), EBADF);
    FAILS(w, mytcp_send(s, fd, &byte, 1, 0), EBADF);
    FAILS(w, mytcp_sendmsg(s, fd, &msg, 0), EBADF);
    FAILS(w, mytcp_recv(s, fd, &byte, 1, 0), EBADF);
    FAILS(w, mytcp_recvmsg(s, fd, &msg, 0), EBADF);
    FAILS(w, mytcp_peek(s, fd, &iov, 1), EBADF);
    FAILS(w, mytcp_consume(s, fd, 0), EBADF);
    FAILS(w, mytcp_reserve(s, fd, &iov, 1, 1), EBADF);
    FAILS(w, mytcp_commit(s, fd, 0), EBADF);
    FAILS(w, mytcp_shutdown(s, fd, SHUT_WR), EBADF);
    FAILS(w, mytcp_close(s, fd), EBADF);
    FAILS(w, mytcp_getsockname(s, fd, sa, &len), EBADF);
    FAILS(w, mytcp_getpeername(s, fd, sa, &len), EBADF);
    FAILS(w, mytcp_setsockopt(s, fd, IPPROTO_TCP, TCP_NODELAY, &value, 4), EBADF);
    FAILS(w, mytcp_getsockopt(s, fd, IPPROTO_TCP, TCP_NODELAY, &value, &four), EBADF);
    FAILS(w, mytcp_fcntl(s, fd, F_GETFL, 0), EBADF);
    FAILS(w, mytcp_ioctl(s, fd, FIONREAD, &value), EBADF);
    FAILS(w, mytcp_watch(s, fd, POLLIN, 0), EBADF);
    FAILS(w, mytcp_conn_info_get(s, fd, &info), EBADF);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int ready = mytcp_poll(s, &p, 1, 0);
    assert_int_equal(ready, fd < 0 ? 0 : 1);
    assert_int_equal(p.revents, fd < 0 ? 0 : POLLNVAL);
}

SCENARIO(descriptors_that_never_were_are_ebadf)
{
    static const int fds[] = {-1, INT_MIN, 0, 1, 5, 1000, 1048576, INT_MAX};
    wire_start(w);
    for (unsigned i = 0; i < sizeof(fds) / sizeof(*fds); i++)
        all_calls_are_ebadf(w, fds[i]);
}

/* M02: the number of a closed descriptor is never another connection */
SCENARIO(a_closed_descriptor_is_ebadf_for_ever)
{
    int old = new_socket(w);
    assert_int_equal(mytcp_close(w->stack, old), 0);
    all_calls_are_ebadf(w, old);
    for (int i = 0; i < 100; i++) {
        int fd = new_socket(w);
        assert_int_not_equal(fd, old);
        FAILS(w, mytcp_listen(w->stack, old, 1), EBADF);
        assert_int_equal(mytcp_close(w->stack, fd), 0);
    }
}

SCENARIO(a_stack_of_null_is_einval)
{
    struct sockaddr_in a = wire_sockaddr(w->peer_addr, 1);
    struct sockaddr *sa = (struct sockaddr *)&a;
    struct mytcp_stats stats;
    struct mytcp_event event;
    struct pollfd p = {.fd = 0};
    char byte = 0;
    FAILS(w, mytcp_socket(NULL, AF_INET, SOCK_STREAM, 0), EINVAL);
    FAILS(w, mytcp_bind(NULL, 0, sa, sizeof(a)), EINVAL);
    FAILS(w, mytcp_listen(NULL, 0, 1), EINVAL);
    FAILS(w, mytcp_accept(NULL, 0, NULL, NULL, 0), EINVAL);
    FAILS(w, mytcp_connect(NULL, 0, sa, sizeof(a)), EINVAL);
    FAILS(w, mytcp_send(NULL, 0, &byte, 1, 0), EINVAL);
    FAILS(w, mytcp_recv(NULL, 0, &byte, 1, 0), EINVAL);
    FAILS(w, mytcp_close(NULL, 0), EINVAL);
    FAILS(w, mytcp_shutdown(NULL, 0, SHUT_WR), EINVAL);
    FAILS(w, mytcp_poll(NULL, &p, 1, 0), EINVAL);
    FAILS(w, mytcp_wait(NULL, &event, 1, 0), EINVAL);
    FAILS(w, mytcp_stats_get(NULL, &stats), EINVAL);
    mytcp_destroy(NULL);
}

SCENARIO(socket_takes_tcp_over_ipv4_only)
{
    wire_start(w);
    FAILS(w, mytcp_socket(w->stack, AF_INET6, SOCK_STREAM, 0), EAFNOSUPPORT);
    FAILS(w, mytcp_socket(w->stack, AF_UNIX, SOCK_STREAM, 0), EAFNOSUPPORT);
    FAILS(w, mytcp_socket(w->stack, AF_INET, SOCK_DGRAM, 0), ESOCKTNOSUPPORT);
    FAILS(w, mytcp_socket(w->stack, AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
    FAILS(w, mytcp_socket(w->stack, AF_INET, SOCK_STREAM | 0x100000, 0), EINVAL);
    assert_true(mytcp_socket(w->stack, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP) >= 0);
}

/* 9293-OPEN-5 */
SCENARIO(too_many_sockets_are_emfile)
{
    w->config.sockets_max = 3;
    int fd = new_socket(w);
    new_socket(w);
    new_socket(w);
    FAILS(w, mytcp_socket(w->stack, AF_INET, SOCK_STREAM, 0), EMFILE);
    assert_int_equal(mytcp_close(w->stack, fd), 0);
    new_socket(w);
}

/* G243 */
SCENARIO(accepting_with_all_descriptors_in_use_is_emfile_and_loses_nothing)
{
    w->config.sockets_max = 2;
    wire_syn_received(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    int fd = new_socket(w);
    FAILS(w, mytcp_accept(w->stack, w->listener, NULL, NULL, 0), EMFILE);
    assert_int_equal(mytcp_close(w->stack, fd), 0);
    assert_true(mytcp_accept(w->stack, w->listener, NULL, NULL, 0) >= 0);
}

SCENARIO(accept_that_cannot_give_the_name_takes_no_descriptor)
{
    struct sockaddr_in name;
    w->config.sockets_max = 2;
    wire_syn_received(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    for (int i = 0; i < 3; i++) {
        socklen_t len = (socklen_t)-1;
        FAILS(w, mytcp_accept(w->stack, w->listener, (struct sockaddr *)&name, &len, 0), EINVAL);
        FAILS(w, mytcp_accept(w->stack, w->listener, (struct sockaddr *)&name, NULL, 0), EFAULT);
    }
    assert_true(mytcp_accept(w->stack, w->listener, NULL, NULL, 0) >= 0);
}

/* 9293-MUST-43, G255, M06 */
SCENARIO(bind_checks_its_address)
{
    struct sockaddr_in a = wire_sockaddr(w->our_addr, 80);
    int fd = new_socket(w), other = new_socket(w);
    FAILS(w, mytcp_bind(w->stack, fd, NULL, sizeof(a)), EFAULT);
    FAILS(w, mytcp_bind(w->stack, fd, (struct sockaddr *)&a, sizeof(a) - 1), EINVAL);
    FAILS(w, mytcp_bind(w->stack, fd, (struct sockaddr *)&a, 0), EINVAL);
    a.sin_family = AF_INET6;
    FAILS(w, mytcp_bind(w->stack, fd, (struct sockaddr *)&a, sizeof(a)), EAFNOSUPPORT);
    FAILS(w, bind_to(w, fd, w->peer_addr, 80), EADDRNOTAVAIL);
    FAILS(w, bind_to(w, fd, 0x7f000001, 80), EADDRNOTAVAIL);
    assert_int_equal(bind_to(w, fd, 0, 80), 0);
    FAILS(w, bind_to(w, fd, 0, 81), EINVAL);
    FAILS(w, bind_to(w, other, w->our_addr, 80), EADDRINUSE); /* G255 */
    assert_int_equal(mytcp_listen(w->stack, fd, 1), 0);
    FAILS(w, bind_to(w, other, 0, 80), EADDRINUSE);
    assert_int_equal(bind_to(w, other, 0, 0), 0);
    struct sockaddr_in name;
    socklen_t len = sizeof(name);
    assert_int_equal(mytcp_getsockname(w->stack, other, (struct sockaddr *)&name, &len), 0);
    assert_in_range(ntohs(name.sin_port), w->config.port_min, w->config.port_max);
}

/* 9293-MUST-46, 9293-OPEN-2, G058 */
SCENARIO(connect_checks_its_address)
{
    struct sockaddr_in a = wire_sockaddr(w->peer_addr, 80);
    int fd = new_socket(w);
    FAILS(w, mytcp_connect(w->stack, fd, NULL, sizeof(a)), EFAULT);
    FAILS(w, mytcp_connect(w->stack, fd, (struct sockaddr *)&a, 3), EINVAL);
    a.sin_family = AF_INET6;
    FAILS(w, mytcp_connect(w->stack, fd, (struct sockaddr *)&a, sizeof(a)), EAFNOSUPPORT);
    FAILS(w, connect_to(w, fd, 0xffffffff, 80), ENETUNREACH);
    FAILS(w, connect_to(w, fd, 0xe0000001, 80), ENETUNREACH);
    FAILS(w, connect_to(w, fd, 0x0a0000ff, 80), ENETUNREACH);
    assert_int_equal(connect_to(w, fd, 0, 80), -1);
    assert_int_not_equal(errno, EINPROGRESS);
    QUIET(w);
    w->peer_port = 81;
    FAILS(w, connect_to(w, fd, w->peer_addr, 81), EINPROGRESS);
}

/* 9293-OPEN-7, M06 */
SCENARIO(connecting_twice_is_ealready_then_eisconn)
{
    wire_syn_sent(w);
    FAILS(w, connect_to(w, w->fd, w->peer_addr, w->peer_port), EALREADY);
    struct wire_segment syn_ack = wire_peer_syn(w, SYN | ACK, 1);
    wire_in(w, __FILE__, __LINE__, &syn_ack);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    connect_to(w, w->fd, w->peer_addr, w->peer_port); /* Linux reports the success once */
    FAILS(w, connect_to(w, w->fd, w->peer_addr, w->peer_port), EISCONN);
    FAILS(w, mytcp_listen(w->stack, w->fd, 1), EINVAL);
}

/* 9293-OPEN-4 */
SCENARIO(a_four_tuple_in_use_is_eaddrinuse_or_eaddrnotavail)
{
    wire_active(w);
    int other = new_socket(w);
    if (bind_to(w, other, w->our_addr, w->our_port) == 0) {
        assert_int_equal(connect_to(w, other, w->peer_addr, w->peer_port), -1);
        assert_true(errno == EADDRINUSE || errno == EADDRNOTAVAIL);
    } else {
        assert_int_equal(errno, EADDRINUSE);
    }
}

/* B09 */
SCENARIO(no_port_left_is_eaddrnotavail)
{
    w->config.port_min = 20000;
    w->config.port_max = 20002;
    wire_start(w);
    static struct wire_packet p;
    for (uint16_t port = 20000; port <= 20002; port++) {
        w->our_port = port;
        wire_conn(w);
        FAILS(w, connect_to(w, new_socket(w), w->peer_addr, w->peer_port), EINPROGRESS);
    }
    while (wire_poll(w, &p))
        continue;
    FAILS(w, connect_to(w, new_socket(w), w->peer_addr, w->peer_port), EADDRNOTAVAIL);
    for (uint16_t port = 20000; port <= 20002; port++) { /* another destination: all are free */
        w->our_port = port;
        w->peer_port = 50000;
        wire_conn(w);
    }
    FAILS(w, connect_to(w, new_socket(w), w->peer_addr, 50000), EINPROGRESS);
}

/* G209, G214 */
SCENARIO(a_fresh_socket_can_do_little)
{
    int fd = new_socket(w);
    char byte = 0;
    struct sockaddr_in a;
    socklen_t len = sizeof(a);
    FAILS(w, mytcp_recv(w->stack, fd, &byte, 1, 0), ENOTCONN);
    assert_int_equal(mytcp_send(w->stack, fd, &byte, 1, 0), -1);
    assert_true(errno == ENOTCONN || errno == EPIPE); /* mytcp.h; Linux */
    FAILS(w, mytcp_shutdown(w->stack, fd, SHUT_WR), ENOTCONN);
    FAILS(w, mytcp_shutdown(w->stack, fd, SHUT_RDWR), ENOTCONN);
    FAILS(w, mytcp_accept(w->stack, fd, NULL, NULL, 0), EINVAL);
    FAILS(w, mytcp_getpeername(w->stack, fd, (struct sockaddr *)&a, &len), ENOTCONN);
    assert_int_equal(mytcp_getsockname(w->stack, fd, (struct sockaddr *)&a, &len), 0);
    assert_int_equal(wire_ready(w, fd) & POLLHUP, POLLHUP); /* as Linux */
    assert_int_equal(mytcp_close(w->stack, fd), 0);         /* G209 */
    assert_int_equal(wire_stats(w).sockets, 0);
}

/* 9293-OPEN-6, M06, 9293-SEND-2 */
SCENARIO(a_listener_can_do_little_else)
{
    char byte = 0;
    struct sockaddr_in a;
    socklen_t len = sizeof(a);
    wire_listen(w, 4);
    FAILS(w, mytcp_recv(w->stack, w->listener, &byte, 1, 0), ENOTCONN);
    assert_int_equal(mytcp_send(w->stack, w->listener, &byte, 1, 0), -1);
    assert_true(errno == ENOTCONN || errno == EPIPE);
    assert_int_equal(connect_to(w, w->listener, w->peer_addr, 1), -1);
    assert_true(errno == EOPNOTSUPP || errno == EISCONN); /* mytcp.h and POSIX; Linux */
    FAILS(w, mytcp_getpeername(w->stack, w->listener, (struct sockaddr *)&a, &len), ENOTCONN);
    FAILS(w, mytcp_accept(w->stack, w->listener, NULL, NULL, 0), EAGAIN);
    FAILS(w, mytcp_accept(w->stack, w->listener, NULL, NULL, 0x7000000), EINVAL);
    QUIET(w);
}

SCENARIO(a_vector_that_is_not_there_is_efault)
{
    struct msghdr msg = {.msg_iovlen = 1};
    wire_passive(w);
    FAILS(w, mytcp_sendmsg(w->stack, w->fd, &msg, 0), EFAULT);
    FAILS(w, mytcp_recvmsg(w->stack, w->fd, &msg, 0), EFAULT);
    FAILS(w, mytcp_recvmsg(w->stack, w->fd, &msg, MSG_TRUNC), EFAULT);
    QUIET(w);
}

/* what was read before the piece that is not there is given, not lost */
SCENARIO(a_piece_that_is_not_there_ends_the_read_before_it)
{
    char data[5];
    struct iovec pieces[] = {{data, sizeof(data)}, {NULL, 5}};
    struct msghdr msg = {.msg_iov = pieces, .msg_iovlen = 2};
    wire_passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    assert_int_equal(mytcp_recvmsg(w->stack, w->fd, &msg, 0), 5);
    for (unsigned i = 0; i < sizeof(data); i++)
        assert_int_equal((uint8_t)data[i], wire_byte(false, i));
    wire_conn(w)->read_pos += 5;
    READ(w, 5);
}

/* as tcp(7): MSG_TRUNC reads, and gives nothing */
SCENARIO(what_is_read_with_msg_trunc_goes_nowhere)
{
    uint8_t data[10];
    memset(data, 0x77, sizeof(data));
    wire_passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 20);
    assert_int_equal(mytcp_recv(w->stack, w->fd, data, sizeof(data), MSG_TRUNC), 10);
    for (unsigned i = 0; i < sizeof(data); i++)
        assert_int_equal(data[i], 0x77);
    wire_conn(w)->read_pos += 10;
    READ(w, 10);
}

SCENARIO(an_option_that_needs_memory_is_enobufs_without)
{
    struct timeval second = {.tv_sec = 1};
    int fd, value = 3;
    wire_start(w);
    fd = mytcp_socket(w->stack, AF_INET, SOCK_STREAM, 0);
    w->fail_from = w->allocs + 1;
    FAILS(w, mytcp_setsockopt(w->stack, fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &value, sizeof(value)), ENOBUFS);
    FAILS(w, mytcp_setsockopt(w->stack, fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second)), ENOBUFS);
    w->fail_from = 0;
    assert_int_equal(mytcp_setsockopt(w->stack, fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second)), 0);
    assert_int_equal(mytcp_setsockopt(w->stack, fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &value, sizeof(value)), 0);
}

/* a descriptor that was closed is used again before a new one is made, for ever */
SCENARIO(descriptors_come_back)
{
    wire_start(w);
    int first = mytcp_socket(w->stack, AF_INET, SOCK_STREAM, 0), fd = first;
    uint64_t held = w->held_bytes;
    for (int i = 0; i < 5000; i++) {
        assert_int_equal(mytcp_close(w->stack, fd), 0);
        fd = mytcp_socket(w->stack, AF_INET, SOCK_STREAM, 0);
        assert_true(fd >= 0);
        assert_int_equal(w->held_bytes, held);
    }
}

/* 9293-MUST-40, 5681-4.2a, M09 */
SCENARIO(configurations_that_cannot_be_are_einval)
{
    struct mytcp_config bad;
    uint64_t now = w->now_us;
    static const uint32_t addresses[] = {0, 0x7f000001, 0xe0000001, 0xffffffff};
    for (unsigned i = 0; i < 4; i++) {
        bad = w->config;
        bad.addr.s_addr = htonl(addresses[i]);
        assert_null(mytcp_create(&bad, now));
        assert_int_equal(errno, EINVAL);
    }
    bad = w->config;
    memset(bad.entropy, 0, sizeof(bad.entropy)); /* M09 */
    assert_null(mytcp_create(&bad, now));
    assert_int_equal(errno, EINVAL);
    bad = w->config;
    bad.mtu_bytes = 67;
    assert_null(mytcp_create(&bad, now));
    assert_int_equal(errno, EINVAL);
    bad = w->config;
    bad.ttl = 0; /* 1122-3.2.1.7a */
    assert_null(mytcp_create(&bad, now));
    assert_int_equal(errno, EINVAL);
    bad = w->config;
    bad.delayed_ack_us = 500001;
    assert_null(mytcp_create(&bad, now));
    assert_int_equal(errno, EINVAL);
    assert_null(mytcp_create(NULL, now));
    assert_int_equal(errno, EINVAL);
}

SCENARIO(configuration_by_name_checks_name_and_value)
{
    FAILS(w, mytcp_config_set(&w->config, "nonesuch", "1"), ENOENT);
    FAILS(w, mytcp_config_set(&w->config, "rto_min_us", "12x"), EINVAL);
    FAILS(w, mytcp_config_set(&w->config, "rto_min_us", ""), EINVAL);
    FAILS(w, mytcp_config_set(&w->config, "rto_min_us", "-1"), EINVAL);
    FAILS(w, mytcp_config_set(&w->config, "mtu_bytes", "70000"), ERANGE);
    FAILS(w, mytcp_config_set(&w->config, "mtu_bytes", "99999999999999999999"), ERANGE);
    assert_int_equal(mytcp_config_set(&w->config, "rto_min_us", "1000000"), 0);
    assert_int_equal(w->config.rto_min_us, 1000000);
    unsigned n = 0;
    for (const char *name; (name = mytcp_config_name(n)); n++)
        assert_true(strlen(name) > 2);
    assert_in_range(n, 40, 100);
}

/* 9293-MUST-44 */
SCENARIO(connecting_without_bind_takes_the_stacks_address_and_a_port_of_its_choice)
{
    struct sockaddr_in name;
    socklen_t len = sizeof(name);
    int fd = new_socket(w);
    FAILS(w, connect_to(w, fd, w->peer_addr, w->peer_port), EINPROGRESS);
    assert_int_equal(mytcp_getsockname(w->stack, fd, (struct sockaddr *)&name, &len), 0);
    assert_int_equal(ntohl(name.sin_addr.s_addr), w->our_addr);
    w->our_port = ntohs(name.sin_port);
    assert_in_range(w->our_port, w->config.port_min, w->config.port_max);
    wire_conn(w);
    OUT(w, .flags = SYN); /* the harness looks at its source */
}

WIRE_MAIN(WIRE_TEST(descriptors_that_never_were_are_ebadf),
          WIRE_TEST(a_closed_descriptor_is_ebadf_for_ever), WIRE_TEST(a_stack_of_null_is_einval),
          WIRE_TEST(socket_takes_tcp_over_ipv4_only), WIRE_TEST(too_many_sockets_are_emfile),
          WIRE_TEST(accepting_with_all_descriptors_in_use_is_emfile_and_loses_nothing),
          WIRE_TEST(accept_that_cannot_give_the_name_takes_no_descriptor),
          WIRE_TEST(bind_checks_its_address), WIRE_TEST(connect_checks_its_address),
          WIRE_TEST(connecting_twice_is_ealready_then_eisconn),
          WIRE_TEST(a_four_tuple_in_use_is_eaddrinuse_or_eaddrnotavail),
          WIRE_TEST(no_port_left_is_eaddrnotavail), WIRE_TEST(a_fresh_socket_can_do_little),
          WIRE_TEST(a_listener_can_do_little_else), WIRE_TEST(a_vector_that_is_not_there_is_efault),
          WIRE_TEST(configurations_that_cannot_be_are_einval),
          WIRE_TEST(configuration_by_name_checks_name_and_value),
          WIRE_TEST(connecting_without_bind_takes_the_stacks_address_and_a_port_of_its_choice),
          WIRE_TEST(a_piece_that_is_not_there_ends_the_read_before_it),
          WIRE_TEST(what_is_read_with_msg_trunc_goes_nowhere),
          WIRE_TEST(an_option_that_needs_memory_is_enobufs_without),
          WIRE_TEST(descriptors_come_back))
