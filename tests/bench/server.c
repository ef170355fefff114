/* server.c - single-threaded servers. Bulk and ping-pong use blocking calls, one connection after the
 * other; the rate is served from an event loop. */
#include "bench/bench.h"

#include <errno.h>
#include <stdlib.h>

static char bulk[BENCH_BULK_BYTES];

static void sink(struct side *s, int fd)
{
    while (side_recv(s, fd, bulk, sizeof bulk, 0) > 0) {
    }
}

static void source(struct side *s, int fd)
{
    while (side_send(s, fd, bulk, sizeof bulk, 0) > 0) {
    }
}

static void pong(struct side *s, int fd)
{
    int on = 1;
    ssize_t n;
    side_set(s, fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    while ((n = side_recv(s, fd, bulk, sizeof bulk, 0)) > 0 &&
           side_send_all(s, fd, bulk, (size_t)n) == 0) {
    }
}

/* Block until fd has what `events` says. */
static bool await(struct side *s, int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    return mytcp_poll(s->stack, &p, 1, -1) == 1 && (p.revents & events) != 0;
}

static void sink_in_place(struct side *s, int fd)
{
    for (;;) {
        struct iovec iov[64];
        ssize_t n = mytcp_peek(s->stack, fd, iov, 64);
        if (n > 0) {
            mytcp_consume(s->stack, fd, (size_t)n);
        } else if (n == 0 || errno != EAGAIN || !await(s, fd, POLLIN)) {
            return;
        }
    }
}

/* The application has its bytes written already: what is measured is the stack. */
static void source_in_place(struct side *s, int fd)
{
    for (;;) {
        struct iovec iov[64];
        ssize_t n = mytcp_reserve(s->stack, fd, iov, 64, sizeof bulk);
        if (n > 0) {
            if (mytcp_commit(s->stack, fd, (size_t)n) != 0) {
                return;
            }
        } else if (errno != EAGAIN || !await(s, fd, POLLOUT)) {
            return;
        }
    }
}

static int one_by_one(struct side *s, int listener, void (*serve)(struct side *s, int fd))
{
    for (;;) {
        int fd = side_accept(s, listener, 0);
        if (fd < 0) {
            return bench_fail("accept");
        }
        serve(s, fd);
        side_close(s, fd);
    }
}

/* Echo what is there; close at its end. */
static void rate_event(struct side *s, int fd)
{
    char data[BENCH_RATE_BYTES * 4];
    ssize_t n = side_recv(s, fd, data, sizeof data, MSG_DONTWAIT);
    if (n > 0 && side_send(s, fd, data, (size_t)n, MSG_DONTWAIT) == n) {
        return;
    }
    if (n >= 0 || errno != EAGAIN) {
        side_close(s, fd);
    }
}

static int rate(struct side *s, int listener)
{
    struct side_event e[SIDE_EVENTS_MAX];
    side_watch(s, listener, POLLIN, UINT64_MAX);
    for (;;) {
        int n = side_wait(s, e, -1);
        for (int i = 0; i < n; i++) {
            if (e[i].data != UINT64_MAX) {
                rate_event(s, (int)e[i].data);
                continue;
            }
            for (int fd; (fd = side_accept(s, listener, SOCK_NONBLOCK)) >= 0;) {
                side_watch(s, fd, POLLIN, (uint64_t)fd);
            }
        }
        if (n < 0 && errno != EINTR) {
            return bench_fail("wait");
        }
    }
}

/* Resident bytes of this process; slab bytes of the kernel (for the kernel's own connections). */
static long resident_bytes(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL || fscanf(f, "%*d %ld", &pages) != 1) {
        pages = 0;
    }
    if (f != NULL) {
        fclose(f);
    }
    return pages * sysconf(_SC_PAGESIZE);
}

static long slab_bytes(void)
{
    char line[128];
    long kib = 0;
    FILE *f = fopen("/proc/meminfo", "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "Slab: %ld", &kib) == 1) {
            break;
        }
    }
    if (f != NULL) {
        fclose(f);
    }
    return kib * 1024;
}

static long stack_bytes(struct side *s)
{
    struct mytcp_stats st = {.memory_bytes = 0};
    if (s->stack != NULL) {
        mytcp_stats_get(s->stack, &st);
    }
    return (long)st.memory_bytes;
}

/* Take `count` connections that each send one byte; print bytes a connection: stack, resident, slab. */
static int idle(struct side *s, int listener, size_t count)
{
    char byte;
    int last = side_accept(s, listener, 0); /* the first one makes every lazy thing be there */
    if (last < 0 || side_recv(s, last, &byte, 1, 0) != 1) {
        return bench_fail("first connection");
    }
    long stack = stack_bytes(s), resident = resident_bytes(), slab = slab_bytes();
    side_send(s, last, "g", 1, 0);
    for (size_t i = 0; i < count; i++) {
        int fd = side_accept(s, listener, 0);
        if (fd < 0 || side_recv(s, fd, &byte, 1, 0) != 1) {
            return bench_fail("connection");
        }
    }
    struct pollfd none = {.fd = last, .events = POLLIN};
    side_poll(s, &none, 1, 300); /* let delayed ACKs and what else is pending pass */
    printf("idle %ld %ld %ld\n", (stack_bytes(s) - stack) / (long)count,
           (resident_bytes() - resident) / (long)count, (slab_bytes() - slab) / (long)count);
    fflush(stdout);
    side_recv(s, last, &byte, 1, 0);
    return 0;
}

int bench_serve(struct side *s, const char *role, size_t count)
{
    static const struct {
        const char *name;
        void (*serve)(struct side *s, int fd);
        bool in_place;
    } roles[] = {
        {"sink", sink, false},          {"source", source, false},          {"pong", pong, false},
        {"sink0", sink_in_place, true}, {"source0", source_in_place, true},
    };
    bool event_loop = strcmp(role, "rate") == 0;
    int listener = side_listener(s, BENCH_PORT, 4096, event_loop ? SOCK_NONBLOCK : 0);
    if (listener < 0) {
        return bench_fail("listen");
    }
    puts("ready");
    fflush(stdout);
    if (event_loop) {
        return rate(s, listener);
    }
    if (strcmp(role, "idle") == 0) {
        return idle(s, listener, count);
    }
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        if (strcmp(role, roles[i].name) == 0 && !(roles[i].in_place && s->stack == NULL)) {
            return one_by_one(s, listener, roles[i].serve);
        }
    }
    errno = EINVAL;
    return bench_fail(role);
}
