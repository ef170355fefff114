/* client.c - what is measured is measured here, over either stack. */
#include "bench/bench.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

#define SAMPLES_MAX 1000000u

static char bulk[BENCH_BULK_BYTES];

static int dial(struct side *s, const struct sockaddr_in *to)
{
    int on = 1, fd = side_socket(s, 0);
    if (fd < 0 || side_connect(s, fd, to) != 0 ||
        side_set(s, fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
        return -1;
    }
    return fd;
}

/* Send for so long, then wait until the server has taken all of it. Gbit/s. */
static int sink(struct side *s, int fd, double seconds)
{
    uint64_t total = 0;
    double start = bench_now_s();
    while (bench_now_s() - start < seconds) {
        ssize_t n = side_send(s, fd, bulk, sizeof bulk, 0);
        if (n < 0) {
            return bench_fail("send");
        }
        total += (uint64_t)n;
    }
    if (side_shutdown(s, fd) != 0 || side_recv(s, fd, bulk, 1, 0) != 0) {
        return bench_fail("end of sending");
    }
    printf("%.4f\n", (double)total * 8e-9 / (bench_now_s() - start));
    return 0;
}

static int source(struct side *s, int fd, double seconds)
{
    uint64_t total = 0;
    double start = bench_now_s();
    while (bench_now_s() - start < seconds) {
        ssize_t n = side_recv(s, fd, bulk, sizeof bulk, 0);
        if (n <= 0) {
            return bench_fail("recv");
        }
        total += (uint64_t)n;
    }
    printf("%.4f\n", (double)total * 8e-9 / (bench_now_s() - start));
    return 0;
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Microseconds at the median and at the 99th percentile. */
static int pong(struct side *s, int fd, double seconds, size_t size)
{
    static float sample_us[SAMPLES_MAX];
    size_t n = 0;
    double start = bench_now_s(), before = start, after = start;
    while (after - start < seconds && n < SAMPLES_MAX) {
        if (side_send_all(s, fd, bulk, size) != 0 ||
            side_recv(s, fd, bulk, size, size > 1 ? MSG_WAITALL : 0) != (ssize_t)size) {
            return bench_fail("ping-pong");
        }
        after = bench_now_s();
        sample_us[n++] = (float)((after - before) * 1e6);
        before = after;
    }
    qsort(sample_us, n, sizeof sample_us[0], by_size);
    printf("%.3f %.3f\n", (double)sample_us[n / 2], (double)sample_us[n * 99 / 100]);
    return 0;
}

int bench_client(struct side *s, const char *role, const struct sockaddr_in *to, double seconds,
                 size_t size)
{
    int fd = dial(s, to);
    if (fd < 0 || size == 0 || size > sizeof bulk) {
        return bench_fail("connect");
    }
    if (strcmp(role, "sink") == 0) {
        return sink(s, fd, seconds);
    }
    return strcmp(role, "source") == 0 ? source(s, fd, seconds) : pong(s, fd, seconds, size);
}

/* Start another connection of the rate; it goes on when it is writable. */
static int rate_start(struct side *s, const struct sockaddr_in *to)
{
    int fd = side_socket(s, SOCK_NONBLOCK);
    if (fd < 0 || (side_connect(s, fd, to) != 0 && errno != EINPROGRESS)) {
        return bench_fail("connect");
    }
    side_watch(s, fd, POLLOUT, (uint64_t)fd);
    return 0;
}

/* Connect, send, get it back, close: whole conversations a second. */
int bench_rate(struct side *s, const struct sockaddr_in *to, double seconds)
{
    char data[BENCH_RATE_BYTES] = {0};
    struct side_event e[SIDE_EVENTS_MAX];
    uint64_t done = 0;
    double start = bench_now_s();
    for (int i = 0; i < BENCH_RATE_CLIENTS; i++) {
        if (rate_start(s, to) != 0) {
            return 1;
        }
    }
    while (bench_now_s() - start < seconds) {
        int n = side_wait(s, e, 1000);
        if (n <= 0) {
            return bench_fail("stuck");
        }
        for (int i = 0; i < n; i++) {
            int fd = (int)e[i].data;
            if ((e[i].events & POLLOUT) != 0) {
                if (side_send(s, fd, data, sizeof data, MSG_DONTWAIT) != sizeof data) {
                    return bench_fail("send");
                }
                side_watch(s, fd, POLLIN, (uint64_t)fd);
                continue;
            }
            if (side_recv(s, fd, data, sizeof data, MSG_DONTWAIT) != sizeof data) {
                return bench_fail("recv");
            }
            side_close(s, fd);
            done++;
            if (rate_start(s, to) != 0) {
                return 1;
            }
        }
    }
    printf("%.0f\n", (double)done / (bench_now_s() - start));
    return 0;
}

/* Open `count` connections, a byte each, and keep them until killed. */
int bench_idle(struct side *s, const struct sockaddr_in *to, size_t count)
{
    struct rlimit limit;
    char byte = 'i';
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (size_t i = 0; i <= count; i++) {
        int fd = side_socket(s, 0);
        if (fd < 0 || side_connect(s, fd, to) != 0 || side_send(s, fd, "i", 1, 0) != 1 ||
            (i == 0 && side_recv(s, fd, &byte, 1, 0) != 1)) {
            return bench_fail("idle connection");
        }
    }
    for (;;) {
        pause();
    }
}
