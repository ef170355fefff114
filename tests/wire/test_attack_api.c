/* The application's own mistakes, in every state a socket can be in (attacks A8). */
#include <fcntl.h>
#include <sys/ioctl.h>

#include "lib/wire_place.h"

static struct wire_packet p;

static int new_socket(struct wire *w)
{
    wire_start(w);
    int fd = mytcp_socket(w->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    return fd;
}

/* ---- sockets of every kind ---- */

static void fresh(struct wire *w)
{
    w->fd = new_socket(w);
}

static void listening(struct wire *w)
{
    w->fd = new_socket(w);
    assert_int_equal(mytcp_listen(w->stack, w->fd, 1), 0);
}

static void connecting(struct wire *w)
{
    w->our_port++;
    wire_syn_sent(w);
}

static void refused(struct wire *w)
{
    connecting(w);
    IN(w, .flags = RST | ACK, .ack = 1);
}

static void reset(struct wire *w)
{
    wire_passive(w);
    IN(w, .flags = RST, .seq = 1);
}

static void in_place(struct wire *w, unsigned place)
{
    w->our_port = 80;
    wire_go(w, place);
}

enum { FRESH, LISTENING, CONNECTING, REFUSED, RESET, KINDS = RESET + 1 + AT_LAST_ACK };

static void make(struct wire *w, unsigned kind)
{
    static void (*const makers[])(struct wire *) = {fresh, listening, connecting, refused, reset};
    if (kind == RESET)
        w->our_port = 80;
    w->peer_port++;
    if (kind <= RESET)
        makers[kind](w);
    else
        in_place(w, kind - RESET); /* from ESTABLISHED on: a descriptor is needed */
}

static void unmake(struct wire *w)
{
    struct linger now = {.l_onoff = 1};
    mytcp_setsockopt(w->stack, w->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    while (wire_poll(w, &p))
        assert_true(p.flags & RST);
    assert_null(mytcp_check(w->stack));
}

/* M04: nothing, asked for in every state: 0 or an errno of the state, and nothing is queued */
SCENARIO(calls_of_no_bytes_do_nothing_in_every_state)
{
    char byte;
    struct iovec iov = {&byte, 0};
    for (unsigned kind = 0; kind < KINDS; kind++) {
        make(w, kind);
        for (int turn = 0; turn < 2; turn++) {
            struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = (size_t)turn};
            ssize_t got[] = {
                mytcp_send(w->stack, w->fd, &byte, 0, 0), mytcp_send(w->stack, w->fd, NULL, 0, 0),
                mytcp_sendmsg(w->stack, w->fd, &msg, 0),  mytcp_recv(w->stack, w->fd, &byte, 0, 0),
                mytcp_recvmsg(w->stack, w->fd, &msg, 0),  mytcp_commit(w->stack, w->fd, 0),
                mytcp_consume(w->stack, w->fd, 0)};
            for (unsigned i = 0; i < sizeof(got) / sizeof(*got); i++)
                assert_in_range(got[i] + 1, 0, 1);
        }
        QUIET(w);
        if (kind > RESET)
            assert_int_equal(wire_info(w).send_queued, 0);
        unmake(w);
    }
}

/* M05: every option of both levels, in every state, with values and lengths from anywhere: 0 or a
 * defined errno; the socket can be closed as ever */
SCENARIO(any_option_may_be_set_and_read_in_every_state)
{
    static const int levels[] = {SOL_SOCKET, IPPROTO_TCP, IPPROTO_IP, 12345, -1};
    static const int values[] = {0, 1, -1, 7, 65536, 0x7fffffff, (int)0x80000000};
    static const socklen_t lengths[] = {0, 1, 4, 8, 16, 104};
    for (unsigned kind = 0; kind < KINDS; kind++) {
        make(w, kind);
        for (unsigned l = 0; l < 5; l++) {
            for (int name = -1; name < 80; name++) {
                int value[32] = {0};
                value[0] = value[1] = values[(unsigned)(name + 1) % 7];
                socklen_t len = lengths[(unsigned)(name + (int)kind + 1) % 6];
                int r = mytcp_setsockopt(w->stack, w->fd, levels[l], name, value, len);
                assert_true(r == 0 || errno == EINVAL || errno == ENOPROTOOPT || errno == EDOM ||
                            errno == ENOENT || errno == ENOBUFS);
                r = mytcp_getsockopt(w->stack, w->fd, levels[l], name, value, &len);
                assert_true(r == 0 || errno == EINVAL || errno == ENOPROTOOPT ||
                            errno == EOPNOTSUPP);
                assert_true(len <= 104);
            }
        }
        while (wire_poll(w, &p))
            continue;
        unmake(w);
    }
}

/* M06: what POSIX and Linux say of calls that come twice, too early or too late */
SCENARIO(calls_out_of_order_get_their_errno)
{
    struct sockaddr_in to = wire_sockaddr(w->peer_addr, 81), any = wire_sockaddr(0, 4444);
    connecting(w);
    assert_int_equal(mytcp_shutdown(w->stack, w->fd, SHUT_RDWR), 0); /* gives the attempt up */
    QUIET(w);
    assert_int_equal(mytcp_next_deadline(w->stack), MYTCP_NEVER_US);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    fresh(w);
    assert_int_equal(mytcp_bind(w->stack, w->fd, (struct sockaddr *)&any, sizeof(any)), 0);
    FAILS(w, mytcp_bind(w->stack, w->fd, (struct sockaddr *)&any, sizeof(any)), EINVAL);
    assert_int_equal(mytcp_listen(w->stack, w->fd, 1), 0);
    assert_int_equal(mytcp_listen(w->stack, w->fd, 2), 0);
    assert_int_equal(mytcp_shutdown(w->stack, w->fd, SHUT_RD), 0);
    assert_int_equal(mytcp_listen(w->stack, w->fd, 1), 0); /* Linux: a listener again */
    FAILS(w, mytcp_connect(w->stack, w->fd, (struct sockaddr *)&to, sizeof(to)), EISCONN);
    unmake(w);
    refused(w);
    FAILS(w, mytcp_connect(w->stack, w->fd, (struct sockaddr *)&to, sizeof(to)), ECONNREFUSED);
    w->peer_port = 81;
    wire_conn(w);
    FAILS(w, mytcp_connect(w->stack, w->fd, (struct sockaddr *)&to, sizeof(to)), EINPROGRESS);
    OUT(w, .flags = SYN);
    FAILS(w, mytcp_connect(w->stack, w->fd, (struct sockaddr *)&to, sizeof(to)), EALREADY);
    FAILS(w, mytcp_bind(w->stack, w->fd, (struct sockaddr *)&any, sizeof(any)), EINVAL);
    FAILS(w, mytcp_listen(w->stack, w->fd, 1), EINVAL);
    unmake(w);
}

/* M07, G193: closing never fails for want of memory, in any state, and the FIN goes when it can */
SCENARIO(closing_needs_no_memory)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        make(w, kind);
        bool data = kind == RESET + AT_ESTABLISHED || kind == RESET + AT_CLOSE_WAIT;
        if (data)
            WRITE(w, 100);
        w->fail_from = w->allocs + 1;
        assert_int_equal(mytcp_close(w->stack, w->fd), 0);
        while (wire_poll(w, &p))
            continue;
        w->fail_from = 0;
        MARK(w);
        if (data) { /* not even the record of a segment could be had: it goes a little later */
            w->now_us = mytcp_next_deadline(w->stack);
            assert_in_range(w->now_us - w->mark_us, 1, 300 * MS);
            assert_true(wire_poll(w, &p));
            assert_true(p.flags & FIN && p.payload_len == 100);
        }
        wire_skip_to(w, 400 * SEC);
        assert_int_equal(mytcp_next_deadline(w->stack), MYTCP_NEVER_US);
        assert_int_equal(wire_stats(w).sockets, w->listener >= 0);
    }
}

/* ---- secrets ---- */

struct keeper {
    uint8_t freed[1 << 20]; /* what was in memory as it was given back */
    size_t len;
};

static void *keep_alloc(void *ctx, size_t size)
{
    (void)ctx;
    return calloc(1, size); /* all of it is compared later, also what was never written */
}

static void keep_release(void *ctx, void *memory, size_t size)
{
    struct keeper *k = ctx;
    size_t n = size < sizeof(k->freed) - k->len ? size : sizeof(k->freed) - k->len;
    if (memory)
        memcpy(k->freed + k->len, memory, n);
    k->len += memory ? n : 0;
    free(memory);
}

/* M10: the secrets are gone when the stack is */
SCENARIO(a_stack_that_is_destroyed_leaves_no_secret_in_memory)
{
    static struct keeper keeper;
    struct mytcp_config config = w->config;
    config.alloc = keep_alloc;
    config.release = keep_release;
    config.alloc_ctx = &keeper;
    mytcp_stack *s = mytcp_create(&config, 1);
    assert_non_null(s);
    mytcp_destroy(s);
    assert_true(keeper.len > 4096);
    for (size_t i = 0; i + 8 <= keeper.len; i++)
        for (size_t k = 0; k < sizeof(config.entropy); k += 8)
            assert_memory_not_equal(keeper.freed + i, config.entropy + k, 8);
}

/* M11: stacks know nothing of each other, not even those of one configuration */
SCENARIO(two_stacks_are_two_hosts)
{
    mytcp_stack *first;
    uint64_t digest;
    wire_passive(w);
    first = w->stack;
    digest = mytcp_digest(first);
    struct wire second = *w;
    second.stack = NULL;
    second.conn_count = 0;
    second.fd = second.listener = -1;
    wire_passive(&second);
    IN(&second, .flags = RST, .seq = 1);
    FAILS(&second, mytcp_recv(second.stack, second.fd, (char[1]){0}, 1, 0), ECONNRESET);
    assert_int_equal(mytcp_digest(first), digest);
    mytcp_destroy(second.stack);
    w->held_bytes = second.held_bytes, w->allocs_live = second.allocs_live;
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    OUT(w, .flags = ACK, .seq = 1, .ack = 11);
    READ(w, 10);
}

/* G221, G213, U13: the last event comes once, and none after close() */
SCENARIO(no_event_comes_after_close)
{
    struct mytcp_event event[4];
    for (unsigned i = AT_ESTABLISHED; i <= AT_LAST_ACK; i++) {
        const struct wire_place *at = wire_go(w, i);
        assert_int_equal(mytcp_watch(w->stack, w->fd, POLLIN | POLLOUT | MYTCP_ET, i), 0);
        mytcp_wait(w->stack, event, 4, 0);
        assert_int_equal(mytcp_wait(w->stack, event, 4, 0), 0);
        IN(w, .flags = RST, .seq = at->rcv_nxt);
        assert_int_equal(mytcp_wait(w->stack, event, 4, 0), 1); /* G203 */
        assert_true(event[0].events & POLLHUP && event[0].data == i);
        assert_int_equal(mytcp_wait(w->stack, event, 4, 0), 0);
        assert_int_equal(mytcp_close(w->stack, w->fd), 0);
        assert_int_equal(mytcp_wait(w->stack, event, 4, 0), 0);
    }
    wire_go(w, AT_ESTABLISHED);
    assert_int_equal(mytcp_watch(w->stack, w->fd, POLLIN | POLLOUT, 9), 0);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    IN(w, .flags = ACK, .seq = 1, .ack = 2);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
    OUT(w, .flags = ACK, .seq = 2, .ack = 2);
    assert_int_equal(mytcp_wait(w->stack, event, 4, 0), 0);
}

WIRE_MAIN(WIRE_TEST(calls_of_no_bytes_do_nothing_in_every_state),
          WIRE_TEST(any_option_may_be_set_and_read_in_every_state),
          WIRE_TEST(calls_out_of_order_get_their_errno), WIRE_TEST(closing_needs_no_memory),
          WIRE_TEST(a_stack_that_is_destroyed_leaves_no_secret_in_memory),
          WIRE_TEST(two_stacks_are_two_hosts), WIRE_TEST(no_event_comes_after_close))
