/*
 * Every call in every place, and in each of these scenarios every allocation fails: the k-th, once, and from the k-th
 * on. Then the call does what it does otherwise, as far as it says it did; or it is refused with the errno that
 * mytcp.h gives, and nothing has changed. When memory is back it is made again, and all is as if there had always
 * been enough: what can be seen of the sockets, what is sent, what is held, also when all are closed.
 */
#include "lib/wire_figures.h"
#include "lib/wire_place.h"

#include <fcntl.h>
#include <netinet/ip.h>
#include <sys/ioctl.h>

/* ---- the places: w->fd is there ---- */

static int new_socket(struct wire *w)
{
    wire_start(w);
    int fd = mytcp_socket(w->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    return fd;
}

static int bind_to(struct wire *w, uint16_t port)
{
    struct sockaddr_in a = wire_sockaddr(w->our_addr, port);
    return mytcp_bind(w->stack, w->fd, (struct sockaddr *)&a, sizeof(a));
}

static void nowhere(struct wire *w) { wire_start(w); }
static void fresh(struct wire *w) { w->fd = new_socket(w); }

static void bound(struct wire *w)
{
    fresh(w);
    assert_int_equal(bind_to(w, w->our_port), 0);
}

static void listening(struct wire *w)
{
    wire_listen(w, 4);
    w->fd = w->listener;
}

static void somebody_waits(struct wire *w)
{
    wire_syn_received(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    w->fd = w->listener;
}

static void syn_received(struct wire *w)
{
    wire_syn_sent(w);
    IN(w, .flags = SYN, .mss = 1460);
    OUT(w, .flags = SYN | ACK, .ack = 1);
}

static void established(struct wire *w) { wire_passive(w); }

static void with_data(struct wire *w)
{
    wire_passive(w);
    WRITE(w, 1000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 500);
    OUT(w, .flags = ACK, .seq = 1001, .ack = 501);
}

static void watched(struct wire *w)
{
    wire_passive(w);
    assert_int_equal(mytcp_watch(w->stack, w->fd, POLLIN | POLLOUT | MYTCP_ET, 3), 0);
}

static void fin_wait_2(struct wire *w) { wire_go(w, AT_FIN_WAIT_2); }
static void close_wait(struct wire *w) { wire_go(w, AT_CLOSE_WAIT); }
static void closing(struct wire *w) { wire_go(w, AT_CLOSING); }
static void last_ack(struct wire *w) { wire_go(w, AT_LAST_ACK); }

static void reset(struct wire *w)
{
    wire_passive(w);
    IN(w, .flags = RST, .seq = 1);
}

static void descriptors_used_up(struct wire *w) /* as many as their table has room for now */
{
    somebody_waits(w);
    for (int i = 1; i < 1024; i++)
        new_socket(w);
}

/* ---- the calls: `done` bytes have been taken before ---- */

struct call {
    const char *name;
    ssize_t (*make)(struct wire *w, const struct call *c, size_t done);
    int refusal; /* the errno for want of memory; 0: it needs none */
    size_t bytes;
    int level, option, value;
};

#define CALL(name) static ssize_t name(struct wire *w, const struct call *c, size_t done)
#define UNUSED ((void)w, (void)c, (void)done)

static int listener_or_fd(const struct wire *w) { return w->listener >= 0 ? w->listener : w->fd; }

CALL(do_socket) { return UNUSED, mytcp_socket(w->stack, AF_INET, SOCK_STREAM, 0); }
CALL(do_bind_any) { return UNUSED, bind_to(w, 0); }
CALL(do_bind) { return UNUSED, bind_to(w, 4321); }
CALL(do_listen) { return UNUSED, mytcp_listen(w->stack, w->fd, 3); }
CALL(do_accept) { return UNUSED, mytcp_accept(w->stack, listener_or_fd(w), NULL, NULL, SOCK_NONBLOCK); }
CALL(do_shutdown) { return UNUSED, mytcp_shutdown(w->stack, w->fd, c->value); }
CALL(do_close) { return UNUSED, mytcp_close(w->stack, w->fd); }
CALL(do_watch) { return UNUSED, mytcp_watch(w->stack, w->fd, (uint32_t)c->value, 9); }
CALL(do_fcntl) { return UNUSED, mytcp_fcntl(w->stack, w->fd, F_SETFL, c->value); }
CALL(do_set_mtu) { return UNUSED, mytcp_set_mtu(w->stack, 1400); }
CALL(do_attach) { return UNUSED, mytcp_attach(w->stack, NULL); }
CALL(do_consume) { return UNUSED, mytcp_consume(w->stack, w->fd, 7); }

CALL(do_accept_name)
{
    struct sockaddr_in a;
    socklen_t len = sizeof(a);
    return UNUSED, mytcp_accept(w->stack, listener_or_fd(w), (struct sockaddr *)&a, &len, 0);
}

CALL(do_connect)
{
    struct sockaddr_in to = wire_sockaddr(w->peer_addr, 555), from = {0};
    socklen_t len = sizeof(from);
    ssize_t r = mytcp_connect(w->stack, w->fd, (struct sockaddr *)&to, sizeof(to));
    int error = errno;
    mytcp_getsockname(w->stack, w->fd, (struct sockaddr *)&from, &len);
    wire_find(w, w->peer_addr, 555, ntohs(from.sin_port), true); /* whom the harness knows from now on */
    errno = error;
    return UNUSED, r;
}

CALL(do_dissolve)
{
    struct sockaddr to = {.sa_family = AF_UNSPEC};
    return UNUSED, mytcp_connect(w->stack, w->fd, &to, sizeof(to));
}

static uint8_t bytes[200000];

CALL(do_send) { return (void)c, mytcp_send(w->stack, w->fd, bytes, c->bytes - done, c->value); }

CALL(do_sendmsg) /* three pieces, of which some are taken perhaps */
{
    struct iovec iov[3];
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 3};
    size_t left = c->bytes - done;
    for (int i = 2; i >= 0; i--) {
        size_t n = i && left > c->bytes / 3 ? c->bytes / 3 : left;
        iov[i] = (struct iovec){bytes, n};
        left -= n;
    }
    return mytcp_sendmsg(w->stack, w->fd, &msg, c->value);
}

CALL(do_reserve)
{
    struct iovec iov[4];
    return (void)done, mytcp_reserve(w->stack, w->fd, iov, 4, c->bytes);
}

CALL(do_reserve_and_commit)
{
    struct iovec iov[4];
    ssize_t room = mytcp_reserve(w->stack, w->fd, iov, 4, c->bytes - done);
    if (room <= 0)
        return room;
    for (int i = 0; i < 4 && room > 0; i++, room -= (ssize_t)iov[i - 1].iov_len)
        memset(iov[i].iov_base, 0, iov[i].iov_len);
    room = mytcp_reserve(w->stack, w->fd, iov, 4, 0);
    room = mytcp_reserve(w->stack, w->fd, iov, 1, c->bytes - done);
    if (room <= 0)
        return room;
    memset(iov[0].iov_base, 0, iov[0].iov_len);
    return mytcp_commit(w->stack, w->fd, (size_t)room) ? -1 : room;
}

CALL(do_recv)
{
    uint8_t data[300];
    return (void)done, mytcp_recv(w->stack, w->fd, data, c->bytes, c->value);
}

CALL(do_peek)
{
    struct iovec iov[2];
    return UNUSED, mytcp_peek(w->stack, w->fd, iov, 2);
}

CALL(do_setsockopt)
{
    return (void)done, mytcp_setsockopt(w->stack, w->fd, c->level, c->option, &c->value, sizeof(c->value));
}

CALL(do_set_time)
{
    struct timeval t = {.tv_sec = c->value};
    return (void)done, mytcp_setsockopt(w->stack, w->fd, SOL_SOCKET, c->option, &t, sizeof(t));
}

CALL(do_set_linger)
{
    struct linger l = {.l_onoff = 1, .l_linger = c->value};
    return (void)done, mytcp_setsockopt(w->stack, w->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
}

CALL(do_set_congestion)
{
    return (void)done, mytcp_setsockopt(w->stack, w->fd, IPPROTO_TCP, TCP_CONGESTION, c->name,
                                        (socklen_t)strlen(c->name));
}

CALL(do_getsockopt)
{
    int value;
    socklen_t len = sizeof(value);
    return (void)done, mytcp_getsockopt(w->stack, w->fd, c->level, c->option, &value, &len);
}

CALL(do_poll)
{
    struct pollfd p = {.fd = w->fd, .events = POLLIN | POLLOUT};
    return UNUSED, mytcp_poll(w->stack, &p, 1, 0);
}

CALL(do_wait)
{
    struct mytcp_event e;
    return UNUSED, mytcp_wait(w->stack, &e, 1, 0);
}

CALL(do_trace_read)
{
    struct mytcp_trace t;
    return UNUSED, mytcp_trace_read(w->stack, &t, NULL);
}

CALL(do_input_buffer)
{
    size_t size;
    return UNUSED, mytcp_input_buffer(w->stack, &size) ? (ssize_t)size : -1;
}

#define SET(level_, option_, value_)                                                               \
    {#option_, .make = do_setsockopt, .refusal = ENOBUFS, .level = level_, .option = option_, .value = value_}

static const struct call calls[] = {
    {"socket", .make = do_socket, .refusal = ENOBUFS},
    {"bind", .make = do_bind, .refusal = ENOBUFS},
    {"bind to any port", .make = do_bind_any, .refusal = ENOBUFS},
    {"listen", .make = do_listen, .refusal = ENOBUFS},
    {"accept", .make = do_accept, .refusal = ENOBUFS},
    {"accept with the name", .make = do_accept_name, .refusal = ENOBUFS},
    {"connect", .make = do_connect, .refusal = ENOBUFS},
    {"connect to nobody", .make = do_dissolve},
    {"send little", .make = do_send, .refusal = EAGAIN, .bytes = 10},
    {"send some", .make = do_send, .refusal = EAGAIN, .bytes = 5000},
    {"send much", .make = do_send, .refusal = EAGAIN, .bytes = sizeof(bytes)},
    {"send with more to come", .make = do_send, .refusal = EAGAIN, .bytes = 100, .value = MSG_MORE},
    {"send urgent data", .make = do_send, .refusal = EAGAIN, .bytes = 1, .value = MSG_OOB},
    {"sendmsg", .make = do_sendmsg, .refusal = EAGAIN, .bytes = 6000},
    {"sendmsg of much", .make = do_sendmsg, .refusal = EAGAIN, .bytes = sizeof(bytes)},
    {"reserve", .make = do_reserve, .refusal = EAGAIN, .bytes = 5000},
    {"reserve much", .make = do_reserve, .refusal = EAGAIN, .bytes = 100000},
    {"reserve and commit", .make = do_reserve_and_commit, .refusal = EAGAIN, .bytes = 3000},
    {"recv", .make = do_recv, .bytes = 300},
    {"recv nothing", .make = do_recv, .bytes = 0},
    {"look at what came", .make = do_recv, .bytes = 300, .value = MSG_PEEK},
    {"throw away", .make = do_recv, .bytes = 300, .value = MSG_TRUNC},
    {"peek", .make = do_peek},
    {"consume", .make = do_consume},
    {"shutdown reading", .make = do_shutdown, .value = SHUT_RD},
    {"shutdown writing", .make = do_shutdown, .value = SHUT_WR},
    {"shutdown", .make = do_shutdown, .value = SHUT_RDWR},
    {"close", .make = do_close},
    {"watch", .make = do_watch, .value = POLLIN | POLLOUT},
    {"watch no more", .make = do_watch},
    {"poll", .make = do_poll},
    {"wait", .make = do_wait},
    {"fcntl", .make = do_fcntl, .value = O_NONBLOCK},
    {"set_mtu", .make = do_set_mtu},
    {"attach", .make = do_attach},
    {"trace_read", .make = do_trace_read},
    {"input_buffer", .make = do_input_buffer},
    {"reno", .make = do_set_congestion, .refusal = ENOBUFS},
    {"cubic", .make = do_set_congestion, .refusal = ENOBUFS},
    {"bbr", .make = do_set_congestion, .refusal = ENOBUFS},
    {"SO_RCVTIMEO", .make = do_set_time, .refusal = ENOBUFS, .option = SO_RCVTIMEO, .value = 3},
    {"SO_SNDTIMEO", .make = do_set_time, .refusal = ENOBUFS, .option = SO_SNDTIMEO, .value = 4},
    {"SO_LINGER", .make = do_set_linger, .refusal = ENOBUFS, .value = 5},
    {"SO_MAX_PACING_RATE", .make = do_setsockopt, .refusal = ENOBUFS, .level = SOL_SOCKET, .option = SO_MAX_PACING_RATE, .value = 9999},
    SET(SOL_SOCKET, SO_REUSEADDR, 1),
    SET(SOL_SOCKET, SO_KEEPALIVE, 1),
    SET(SOL_SOCKET, SO_OOBINLINE, 1),
    SET(SOL_SOCKET, SO_RCVBUF, 77777),
    SET(SOL_SOCKET, SO_SNDBUF, 88888),
    SET(SOL_SOCKET, SO_RCVLOWAT, 99),
    SET(IPPROTO_TCP, TCP_NODELAY, 1),
    SET(IPPROTO_TCP, TCP_CORK, 1),
    SET(IPPROTO_TCP, TCP_MAXSEG, 1000),
    SET(IPPROTO_TCP, TCP_KEEPIDLE, 11),
    SET(IPPROTO_TCP, TCP_KEEPINTVL, 12),
    SET(IPPROTO_TCP, TCP_KEEPCNT, 13),
    SET(IPPROTO_TCP, TCP_SYNCNT, 14),
    SET(IPPROTO_TCP, TCP_LINGER2, 15),
    SET(IPPROTO_TCP, TCP_DEFER_ACCEPT, 16),
    SET(IPPROTO_TCP, TCP_WINDOW_CLAMP, 17000),
    SET(IPPROTO_TCP, TCP_QUICKACK, 0),
    SET(IPPROTO_TCP, TCP_USER_TIMEOUT, 18000),
    SET(IPPROTO_TCP, TCP_NOTSENT_LOWAT, 19000),
    SET(IPPROTO_IP, IP_TOS, 0x20),
    {"SO_ERROR", .make = do_getsockopt, .level = SOL_SOCKET, .option = SO_ERROR},
    {"TCP_INFO", .make = do_getsockopt, .level = IPPROTO_TCP, .option = TCP_INFO},
};
enum { CALLS = sizeof(calls) / sizeof(*calls) };

/* ---- a call, memory failing ---- */

struct end {
    int64_t result; /* or -errno; the bytes of all tries */
    uint64_t allocs, trace, held_when_closed;
    int errors;
    struct wire_figures after, settled;
};

static void begin(struct wire *w, void (*go)(struct wire *w), uint64_t start_us)
{
    wire_stop(w); /* nothing leaked, the time before */
    w->conn_count = w->packets_in = 0;
    w->trace = w->allocs = w->fail_at = w->fail_from = 0;
    w->fd = w->listener = -1;
    w->log_len = 0;
    w->now_us = w->mark_us = start_us;
    w->peer_port = 40000;
    w->any_payload = true;
    go(w);
}

static int64_t make(struct wire *w, const struct call *c, size_t done)
{
    ssize_t r = c->make(w, c, done);
    return r < 0 ? -errno : r;
}

static void settle(struct wire *w, const int *fds, unsigned count, struct end *e)
{
    const struct linger now = {.l_onoff = 1};
    wire_figures(w, fds, count, &e->after);
    wire_skip_to(w, w->now_us - w->mark_us + 20 * MS);
    wire_figures(w, fds, count, &e->settled);
    for (unsigned i = 0; i < count; i++) {
        int error = 0;
        socklen_t len = sizeof(error);
        mytcp_getsockopt(w->stack, fds[i], SOL_SOCKET, SO_ERROR, &error, &len);
        e->errors = e->errors * 1000 + error;
        mytcp_setsockopt(w->stack, fds[i], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        mytcp_close(w->stack, fds[i]);
    }
    wire_skip_to(w, w->now_us - w->mark_us + 300 * SEC);
    e->trace = w->trace;
    e->held_when_closed = wire_stats(w).memory_bytes - wire_stats(w).memory_cached_bytes;
}

static void agree(struct wire *w, const struct call *c, uint64_t k, const char *when, const char *differ)
{
    if (differ)
        wire_failed(w, __FILE__, __LINE__, "%s, allocation %llu: %s: %s", c->name, (unsigned long long)k, when, differ);
}

/* What a writer that was refused sees of it: no POLLOUT, until a timer says to try again. */
static const char *const none[] = {NULL}, *const writers[] = {"poll", "deadline", NULL};
/* ... and what it took in pieces lies otherwise. */
static const char *const pieces[] = {"poll", "deadline", "memory", NULL}, *const memory[] = {"memory", NULL};

/* The call under the failure that is set; made again until it has its result, memory being back. */
static void try(struct wire *w, const struct call *c, uint64_t k, const int *fds, const struct end *clean,
                struct end *e)
{
    struct wire_figures before, now;
    bool refused = false;
    wire_figures(w, fds, 2, &before);
    w->allocs = 0;
    e->result = make(w, c, 0);
    e->allocs = w->allocs;
    w->fail_at = w->fail_from = 0;
    if (!clean || e->result == clean->result)
        return;
    for (int again = 0; e->result != clean->result && again < 3; again++) {
        if (e->result < 0) {
            agree(w, c, k, "refused with", e->result == -c->refusal ? NULL : strerror((int)-e->result));
            wire_figures(w, fds, 2, &now);
            agree(w, c, k, "refused, but", wire_figures_differ(&before, &now, c->refusal == EAGAIN ? writers : none));
            refused = true;
        }
        size_t done = e->result > 0 ? (size_t)e->result : 0;
        bool in_part = done && c->bytes && done < c->bytes;
        agree(w, c, k, "an odd result", refused || in_part ? NULL : "neither refused nor taken in part");
        int64_t more = make(w, c, c->make == do_reserve ? 0 : done);
        e->result = c->make == do_reserve || more < 0 ? more : (int64_t)done + more;
    }
    agree(w, c, k, "made again", e->result == clean->result ? NULL : "not the result that it has otherwise");
}

static unsigned scenarios, failures;

/* All of one scenario: place and call. */
static void scenario(struct wire *w, void (*go)(struct wire *w), const struct call *c, uint64_t start_us)
{
    static struct end clean, e;
    uint64_t count = 1;
    for (uint64_t run = 0; run <= 2 * count; run++) {
        uint64_t k = (run + 1) / 2;
        begin(w, go, start_us);
        if (run)
            *(run % 2 ? &w->fail_at : &w->fail_from) = k;
        struct end *end = run ? &e : &clean;
        memset(end, 0, sizeof(*end));
        int fds[3] = {w->fd, w->listener, -1};
        try(w, c, k, fds, run ? &clean : NULL, end);
        if (c->make == do_socket || c->make == do_accept || c->make == do_accept_name)
            fds[2] = (int)end->result;
        settle(w, fds, 3, end);
        if (!run) {
            count = clean.allocs;
            continue;
        }
        bool writes = c->refusal == EAGAIN;
        agree(w, c, k, "afterwards", wire_figures_differ(&clean.after, &e.after, writes ? pieces : none));
        agree(w, c, k, "a while later", wire_figures_differ(&clean.settled, &e.settled, writes ? memory : none));
        assert_int_equal(e.trace, clean.trace);
        assert_int_equal(e.errors, clean.errors);
        assert_int_equal(e.held_when_closed, clean.held_when_closed);
        failures++;
    }
    scenarios++;
}

static void all_calls(struct wire *w, void (*go)(struct wire *w))
{
    uint64_t start_us = w->now_us;
    scenarios = failures = 0;
    for (unsigned i = 0; i < CALLS; i++)
        scenario(w, go, &calls[i], start_us);
    begin(w, nowhere, start_us);
    print_message("%u scenarios, %u failures\n", scenarios, failures);
}

/* M08 */
SCENARIO(any_call_may_lack_memory_on_no_socket) { all_calls(w, nowhere); }
SCENARIO(any_call_may_lack_memory_on_a_fresh_socket) { all_calls(w, fresh); }
SCENARIO(any_call_may_lack_memory_on_a_bound_socket) { all_calls(w, bound); }
SCENARIO(any_call_may_lack_memory_on_a_listener) { all_calls(w, listening); }
SCENARIO(any_call_may_lack_memory_on_a_listener_for_whom_somebody_waits)
{
    all_calls(w, somebody_waits);
}
SCENARIO(any_call_may_lack_memory_in_syn_sent) { all_calls(w, wire_syn_sent); }
SCENARIO(any_call_may_lack_memory_in_syn_received) { all_calls(w, syn_received); }
SCENARIO(any_call_may_lack_memory_in_established) { all_calls(w, established); }
/* G146 */
SCENARIO(any_call_may_lack_memory_with_data_on_its_way) { all_calls(w, with_data); }
SCENARIO(any_call_may_lack_memory_on_a_watched_connection) { all_calls(w, watched); }
SCENARIO(any_call_may_lack_memory_in_fin_wait_2) { all_calls(w, fin_wait_2); }
SCENARIO(any_call_may_lack_memory_in_close_wait) { all_calls(w, close_wait); }
SCENARIO(any_call_may_lack_memory_in_closing) { all_calls(w, closing); }
SCENARIO(any_call_may_lack_memory_in_last_ack) { all_calls(w, last_ack); }
SCENARIO(any_call_may_lack_memory_after_a_reset) { all_calls(w, reset); }
SCENARIO(any_call_may_lack_memory_when_descriptors_are_used_up)
{
    all_calls(w, descriptors_used_up);
}

WIRE_MAIN(WIRE_TEST(any_call_may_lack_memory_on_no_socket), WIRE_TEST(any_call_may_lack_memory_on_a_fresh_socket),
          WIRE_TEST(any_call_may_lack_memory_on_a_bound_socket), WIRE_TEST(any_call_may_lack_memory_on_a_listener),
          WIRE_TEST(any_call_may_lack_memory_on_a_listener_for_whom_somebody_waits),
          WIRE_TEST(any_call_may_lack_memory_in_syn_sent), WIRE_TEST(any_call_may_lack_memory_in_syn_received),
          WIRE_TEST(any_call_may_lack_memory_in_established),
          WIRE_TEST(any_call_may_lack_memory_with_data_on_its_way),
          WIRE_TEST(any_call_may_lack_memory_on_a_watched_connection),
          WIRE_TEST(any_call_may_lack_memory_in_fin_wait_2), WIRE_TEST(any_call_may_lack_memory_in_close_wait),
          WIRE_TEST(any_call_may_lack_memory_in_closing), WIRE_TEST(any_call_may_lack_memory_in_last_ack),
          WIRE_TEST(any_call_may_lack_memory_after_a_reset),
          WIRE_TEST(any_call_may_lack_memory_when_descriptors_are_used_up))
