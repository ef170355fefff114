/* client.c - active ends with every byte checked. */
#include "live/live.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define CHUNK_BYTES 65536u

/* A blocking connection, or -1 with errno. */
static int connect_to(struct live *l, int flags, uint32_t buffer_bytes)
{
    struct sockaddr_in a = side_address(l->argc > 0 ? l->argv[0] : "", (unsigned)live_number(l, 1, 0));
    int fd = side_socket(&l->side, flags);
    if (fd < 0) {
        return -1;
    }
    if (buffer_bytes > 0) {
        int bytes = (int)buffer_bytes;
        side_set(&l->side, fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
        side_set(&l->side, fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    }
    if (side_connect(&l->side, fd, &a) != 0 && errno != EINPROGRESS) {
        int error = errno;
        side_close(&l->side, fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* One stream sent and expected back. */
struct stream {
    int fd;
    uint64_t seed, total, sent, received;
    bool shut, ended;
};

/* Send what goes without blocking: the bytes taken, or -1. Shuts down after the last. */
static ssize_t stream_send(struct side *s, struct stream *st)
{
    uint8_t data[CHUNK_BYTES];
    size_t len = st->total - st->sent < sizeof data ? (size_t)(st->total - st->sent) : sizeof data;
    ssize_t n = 0;
    if (len > 0) {
        live_fill(data, len, st->seed, st->sent);
        n = side_send(s, st->fd, data, len, MSG_DONTWAIT);
        if (n < 0) {
            return errno == EAGAIN || errno == ENOTCONN ? 0 : -1;
        }
        st->sent += (uint64_t)n;
    }
    if (st->sent == st->total && !st->shut) {
        st->shut = true;
        return side_shutdown(s, st->fd) == 0 ? n : -1;
    }
    return n;
}

/* Read and check what is there: 0, or 1 with the complaint made. */
static int stream_receive(struct side *s, struct stream *st)
{
    uint8_t data[CHUNK_BYTES];
    ssize_t n = side_recv(s, st->fd, data, sizeof data, MSG_DONTWAIT);
    if (n < 0) {
        return errno == EAGAIN ? 0 : live_fail("stream %llu: recv: %s", (unsigned long long)st->seed,
                                               strerror(errno));
    }
    if (n == 0) {
        st->ended = true;
        return st->received == st->total
                   ? 0
                   : live_fail("stream %llu ended after %llu of %llu bytes",
                               (unsigned long long)st->seed, (unsigned long long)st->received,
                               (unsigned long long)st->total);
    }
    size_t good = live_compare(data, (size_t)n, st->seed, st->received);
    st->received += (uint64_t)n;
    if (good < (size_t)n || st->received > st->total) {
        return live_fail("stream %llu: byte %llu is wrong", (unsigned long long)st->seed,
                         (unsigned long long)(st->received - (uint64_t)n + good));
    }
    return 0;
}

/* Move one stream until it has ended: 0 or 1. */
static int stream_run(struct side *s, struct stream *st)
{
    while (!st->ended) {
        struct pollfd p = {.fd = st->fd, .events = POLLIN};
        p.events = (short)(p.events | (st->shut ? 0 : POLLOUT));
        int n = side_poll(s, &p, 1, 20000);
        if (n <= 0) {
            return live_fail("stuck: %llu of %llu bytes sent, %llu back (%s)",
                             (unsigned long long)st->sent, (unsigned long long)st->total,
                             (unsigned long long)st->received, n == 0 ? "20 s" : strerror(errno));
        }
        if ((p.revents & POLLOUT) != 0 && !st->shut && stream_send(s, st) < 0) {
            return live_fail("send after %llu bytes: %s", (unsigned long long)st->sent,
                             strerror(errno));
        }
        if ((p.revents & ~POLLOUT) != 0 && stream_receive(s, st) != 0) {
            return 1;
        }
    }
    return 0;
}

/*
 * Do not read until nothing more can be sent for half a second: by then the echo server is blocked in
 * its sending and both windows are closed. Then everything must flow again.
 */
int live_echo_full(struct live *l)
{
    struct stream st = {.seed = 1, .total = live_number(l, 2, 1000000)};
    st.fd = connect_to(l, 0, (uint32_t)live_number(l, 3, 0));
    if (st.fd < 0) {
        return live_fail("connect: %s", strerror(errno));
    }
    for (int n; st.sent < st.total;) {
        struct pollfd p = {.fd = st.fd, .events = POLLOUT};
        n = side_poll(&l->side, &p, 1, 500);
        if (n == 0) {
            break;
        }
        if (n < 0 || stream_send(&l->side, &st) < 0) {
            return live_fail("filling, after %llu bytes: %s", (unsigned long long)st.sent,
                             strerror(errno));
        }
    }
    if (st.sent == st.total) {
        return live_fail("%llu bytes did not fill both directions", (unsigned long long)st.total);
    }
    printf("both directions full after %llu bytes\n", (unsigned long long)st.sent);
    int rc = stream_run(&l->side, &st);
    side_close(&l->side, st.fd);
    return rc;
}

/* All connections open before the first byte is sent. */
int live_many(struct live *l)
{
    size_t count = live_number(l, 2, 1000), left = count;
    struct stream *st = calloc(count, sizeof *st);
    struct pollfd *p = calloc(count, sizeof *p);
    if (st == NULL || p == NULL) {
        return live_fail("no memory");
    }
    for (size_t i = 0; i < count; i++) {
        st[i] = (struct stream){.seed = i, .total = live_number(l, 3, 1000)};
        st[i].fd = connect_to(l, SOCK_NONBLOCK, 0);
        if (st[i].fd < 0) {
            return live_fail("connection %zu: %s", i, strerror(errno));
        }
        p[i] = (struct pollfd){.fd = st[i].fd, .events = POLLOUT};
    }
    while (left > 0) {
        if (side_poll(&l->side, p, count, 20000) <= 0) {
            return live_fail("stuck with %zu of %zu connections unfinished", left, count);
        }
        for (size_t i = 0; i < count; i++) {
            if ((p[i].revents & (POLLERR | POLLNVAL)) != 0) {
                return live_fail("connection %zu: %s", i, strerror(side_error(&l->side, st[i].fd)));
            }
            if ((p[i].revents & POLLOUT) != 0 && stream_send(&l->side, &st[i]) < 0) {
                return live_fail("connection %zu: send: %s", i, strerror(errno));
            }
            if ((p[i].revents & (POLLIN | POLLHUP)) != 0 && stream_receive(&l->side, &st[i]) != 0) {
                return 1;
            }
            p[i].events = (short)(st[i].shut ? POLLIN : POLLIN | POLLOUT);
            if (st[i].ended && p[i].fd >= 0) {
                p[i].fd = -1; /* stays open until all have ended */
                left--;
            }
        }
    }
    for (size_t i = 0; i < count; i++) {
        side_close(&l->side, st[i].fd);
    }
    free(st);
    free(p);
    return 0;
}

struct worker {
    struct live *l;
    pthread_t thread;
    uint64_t seed;
    int rc;
};

/* Write a chunk, read it back, with blocking calls only. */
static void *work(void *arg)
{
    struct worker *w = arg;
    uint8_t out[8192], in[8192];
    uint64_t total = live_number(w->l, 3, 100000);
    int fd = connect_to(w->l, 0, 0);
    w->rc = fd < 0 ? live_fail("thread: connect: %s", strerror(errno)) : 0;
    for (uint64_t at = 0; at < total && w->rc == 0; at += sizeof out) {
        live_fill(out, sizeof out, w->seed, at);
        ssize_t n = -1;
        if (side_send_all(&w->l->side, fd, out, sizeof out) == 0) {
            n = side_recv(&w->l->side, fd, in, sizeof in, MSG_WAITALL);
        }
        if (n != (ssize_t)sizeof in || memcmp(in, out, sizeof in) != 0) {
            w->rc = live_fail("thread %llu at byte %llu: %s", (unsigned long long)w->seed,
                              (unsigned long long)at, n < 0 ? strerror(errno) : "wrong bytes");
        }
    }
    if (w->rc == 0 && (side_shutdown(&w->l->side, fd) != 0 ||
                       side_recv(&w->l->side, fd, in, sizeof in, 0) != 0)) {
        w->rc = live_fail("thread %llu: no clean end", (unsigned long long)w->seed);
    }
    side_close(&w->l->side, fd);
    return NULL;
}

int live_threads(struct live *l)
{
    struct worker w[64];
    size_t count = live_number(l, 2, 8);
    int rc = 0;
    for (size_t i = 0; i < count && i < 64; i++) {
        w[i] = (struct worker){.l = l, .seed = i + 1};
        if (pthread_create(&w[i].thread, NULL, work, &w[i]) != 0) {
            return live_fail("no thread");
        }
    }
    for (size_t i = 0; i < count && i < 64; i++) {
        pthread_join(w[i].thread, NULL);
        rc |= w[i].rc;
    }
    return rc;
}

int live_half(struct live *l)
{
    struct stream st = {.seed = 7, .total = live_number(l, 2, 100000)};
    st.fd = connect_to(l, 0, 0);
    if (st.fd < 0) {
        return live_fail("connect: %s", strerror(errno));
    }
    while (!st.shut) {
        struct pollfd p = {.fd = st.fd, .events = POLLOUT};
        if (side_poll(&l->side, &p, 1, 10000) <= 0 || stream_send(&l->side, &st) < 0) {
            return live_fail("sending stopped at %llu bytes", (unsigned long long)st.sent);
        }
    }
    usleep(200000); /* the FIN is long there: what comes now comes to a half-closed end */
    int rc = stream_run(&l->side, &st);
    side_close(&l->side, st.fd);
    return rc;
}

int live_chargen(struct live *l)
{
    uint64_t total = live_number(l, 2, 1000000), at = 0;
    uint8_t data[CHUNK_BYTES];
    int fd = connect_to(l, 0, 0);
    if (fd < 0) {
        return live_fail("connect: %s", strerror(errno));
    }
    while (at < total) {
        ssize_t n = side_recv(&l->side, fd, data, sizeof data, 0);
        if (n <= 0) {
            return live_fail("after %llu bytes: %s", (unsigned long long)at,
                             n == 0 ? "the end" : strerror(errno));
        }
        for (ssize_t i = 0; i < n; i++, at++) {
            uint64_t line = at / 74, column = at % 74; /* 72 characters, CR, LF */
            uint8_t want = column == 72 ? '\r' : column == 73 ? '\n'
                                                              : (uint8_t)(' ' + (line + column) % 95);
            if (data[i] != want) {
                return live_fail("byte %llu is %02x, RFC 864's pattern says %02x",
                                 (unsigned long long)at, data[i], want);
            }
        }
    }
    side_close(&l->side, fd);
    return 0;
}
