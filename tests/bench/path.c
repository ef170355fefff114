#include "bench/path.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/un.h>

enum { CONNS_MAX = 4096, RESPONSE_TIMEOUT_S = 60 };

/* One connection of either end. */
struct conn {
    int fd;          /* -1: this place is free */
    bool started;    /* the request has come, or has been sent */
    uint64_t left;   /* bytes still to be sent, or to come */
    double begin_s;
};

static struct conn conns[CONNS_MAX];
static char data[BENCH_BULK_BYTES];

int path_join(struct side_options *options)
{
    static const char prefix[] = "unix:";
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const char *name = options->tun.name;
    if (name == NULL || strncmp(name, prefix, sizeof prefix - 1) != 0) {
        return 0;
    }
    snprintf(to.sun_path, sizeof to.sun_path, "%s", name + sizeof prefix - 1);
    options->tun.fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    options->tun.fd_vnet_hdr = true;
    return connect(options->tun.fd, (const struct sockaddr *)&to, sizeof to);
}

static void start_empty(void)
{
    for (size_t i = 0; i < CONNS_MAX; i++) {
        conns[i].fd = -1;
    }
}

static struct conn *free_place(void)
{
    for (size_t i = 0; i < CONNS_MAX; i++) {
        if (conns[i].fd < 0) {
            return &conns[i];
        }
    }
    return NULL;
}

static void end(struct side *s, struct conn *c)
{
    side_close(s, c->fd);
    c->fd = -1;
}

/* ---- the server ---- */

static void take_connections(struct side *s, int listener)
{
    for (int fd; (fd = side_accept(s, listener, SOCK_NONBLOCK)) >= 0;) {
        struct conn *c = free_place();
        if (c == NULL) {
            side_close(s, fd);
            continue;
        }
        *c = (struct conn){.fd = fd};
        side_watch(s, fd, POLLIN, (uint64_t)(c - conns));
    }
}

static void respond(struct side *s, struct conn *c)
{
    while (c->left > 0) {
        size_t len = c->left < sizeof data ? (size_t)c->left : sizeof data;
        ssize_t n = side_send(s, c->fd, data, len, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) {
            side_watch(s, c->fd, POLLOUT, (uint64_t)(c - conns));
            return;
        }
        if (n < 0) {
            end(s, c);
            return;
        }
        c->left -= (uint64_t)n;
    }
    side_shutdown(s, c->fd);
    side_watch(s, c->fd, POLLIN, (uint64_t)(c - conns));
}

static void server_event(struct side *s, struct conn *c)
{
    uint64_t request;
    if (c->fd < 0) {
        return;
    }
    if (c->started && c->left > 0) {
        respond(s, c);
        return;
    }
    ssize_t n = side_recv(s, c->fd, &request, sizeof request, MSG_DONTWAIT);
    if (n == (ssize_t)sizeof request && !c->started) {
        c->started = true;
        c->left = be64toh(request);
        respond(s, c);
    } else if (n >= 0 || errno != EAGAIN) {
        end(s, c);
    }
}

int path_serve(struct side *s, const char *cc)
{
    struct side_event e[SIDE_EVENTS_MAX];
    int listener = side_listener(s, BENCH_PORT, 4096, SOCK_NONBLOCK);
    if (listener < 0) {
        return bench_fail("listen");
    }
    if (cc != NULL &&
        side_set(s, listener, IPPROTO_TCP, TCP_CONGESTION, cc, (socklen_t)strlen(cc)) != 0) {
        return bench_fail(cc);
    }
    start_empty();
    side_watch(s, listener, POLLIN, UINT64_MAX);
    puts("ready");
    fflush(stdout);
    for (;;) {
        int n = side_wait(s, e, -1);
        for (int i = 0; i < n; i++) {
            if (e[i].data == UINT64_MAX) {
                take_connections(s, listener);
            } else {
                server_event(s, &conns[e[i].data]);
            }
        }
        if (n < 0 && errno != EINTR) {
            return bench_fail("wait");
        }
    }
}

/* ---- the clients ---- */

static int ask(struct side *s, int fd, uint64_t bytes)
{
    uint64_t request = htobe64(bytes);
    return side_send(s, fd, &request, sizeof request, MSG_DONTWAIT) == sizeof request ? 0 : -1;
}

int path_bulk(struct side *s, const struct sockaddr_in *to, double seconds, double warm_s)
{
    int fd = side_socket(s, 0);
    uint64_t total = 0;
    if (fd < 0 || side_connect(s, fd, to) != 0 || ask(s, fd, UINT64_MAX) != 0) {
        return bench_fail("connect");
    }
    double begin_s = bench_now_s() + warm_s, left_s;
    while ((left_s = begin_s + seconds - bench_now_s()) > 0) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        side_poll(s, &p, 1, (int)(left_s * 1000) + 1);
        ssize_t n = side_recv(s, fd, data, sizeof data, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            return bench_fail("recv");
        }
        total += n > 0 && bench_now_s() >= begin_s ? (uint64_t)n : 0;
    }
    printf("%.4f\n", (double)total * 8e-6 / (bench_now_s() - begin_s));
    return 0;
}

static int begin(struct side *s, const struct sockaddr_in *to, uint64_t bytes)
{
    struct conn *c = free_place();
    int fd = side_socket(s, SOCK_NONBLOCK);
    if (c == NULL || fd < 0 || (side_connect(s, fd, to) != 0 && errno != EINPROGRESS)) {
        return bench_fail("connect");
    }
    *c = (struct conn){.fd = fd, .left = bytes};
    return side_watch(s, fd, POLLOUT, (uint64_t)(c - conns));
}

/* Returns 1 when the response is whole, 0 until then, -1 if it will never be. */
static int client_event(struct side *s, struct conn *c)
{
    if (!c->started) {
        c->started = true;
        c->begin_s = bench_now_s();
        return ask(s, c->fd, c->left) < 0
                   ? -1
                   : side_watch(s, c->fd, POLLIN, (uint64_t)(c - conns));
    }
    for (;;) {
        ssize_t n = side_recv(s, c->fd, data, sizeof data, MSG_DONTWAIT);
        if (n <= 0) {
            return n < 0 && errno == EAGAIN ? 0 : -1;
        }
        c->left -= (uint64_t)n;
        if (c->left == 0) {
            return 1;
        }
    }
}

int path_responses(struct side *s, const struct sockaddr_in *to, size_t count, uint64_t bytes,
                   double interval_s)
{
    struct side_event e[SIDE_EVENTS_MAX];
    size_t begun = 0, done = 0;
    double start_s = bench_now_s();
    double give_up_s = start_s + (double)count * interval_s + RESPONSE_TIMEOUT_S;
    start_empty();
    while (done < count && bench_now_s() < give_up_s) {
        double next_s = begun < count ? start_s + (double)begun * interval_s : give_up_s;
        double wait_s = next_s - bench_now_s();
        if (wait_s <= 0 && begun < count) {
            begun++;
            if (begin(s, to, bytes) != 0) {
                return 1;
            }
            continue;
        }
        int n = side_wait(s, e, (int)(wait_s * 1000) + 1);
        for (int i = 0; i < n; i++) {
            struct conn *c = &conns[e[i].data];
            int result = c->fd < 0 ? 0 : client_event(s, c);
            if (result == 0) {
                continue;
            }
            printf("%.3f\n",
                   (result > 0 ? bench_now_s() - c->begin_s : RESPONSE_TIMEOUT_S) * 1e3);
            end(s, c);
            done++;
        }
    }
    for (; done < count; done++) {
        printf("%.3f\n", RESPONSE_TIMEOUT_S * 1e3);
    }
    return 0;
}
