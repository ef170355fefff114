/* trouble.c - connections that end badly, as they should. */
#include "live/live.h"

#include <errno.h>
#include <stdlib.h>

static int open_socket(struct live *l, struct sockaddr_in *a)
{
    *a = side_address(l->argc > 0 ? l->argv[0] : "", (unsigned)live_number(l, 1, 0));
    return side_socket(&l->side, 0);
}

static int expect(const char *call, const char *name, int error)
{
    const char *got = error == 0 ? "success" : strerrorname_np(error);
    return got != NULL && strcmp(got, name) == 0
               ? 0
               : live_fail("%s gave %s, not %s", call, got != NULL ? got : "?", name);
}

int live_reset(struct live *l)
{
    struct sockaddr_in a;
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    int fd = open_socket(l, &a);
    if (fd < 0 || side_connect(&l->side, fd, &a) != 0) {
        return live_fail("connect: %s", strerror(errno));
    }
    if (side_send(&l->side, fd, "reset\n", 6, 0) != 6 ||
        side_set(&l->side, fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) != 0) {
        return live_fail("send or SO_LINGER: %s", strerror(errno));
    }
    return side_close(&l->side, fd) == 0 ? 0 : live_fail("close: %s", strerror(errno));
}

int live_refused(struct live *l)
{
    struct sockaddr_in a;
    unsigned timeout_ms = (unsigned)live_number(l, 3, 0);
    int fd = open_socket(l, &a);
    if (fd < 0 || l->argc < 3) {
        return live_fail("socket: %s", strerror(errno));
    }
    if (timeout_ms > 0 && side_set(&l->side, fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms,
                                   sizeof timeout_ms) != 0) {
        return live_fail("TCP_USER_TIMEOUT: %s", strerror(errno));
    }
    int error = side_connect(&l->side, fd, &a) == 0 ? 0 : errno;
    side_close(&l->side, fd);
    return expect("connect", l->argv[2], error);
}

/* Says "connected", then sends a line every 20 ms until a call fails. */
/* A line at least every 20 ms until a call fails, for ten seconds at most: its name, and errno; "" if none did. */
static const char *send_until_failure(struct live *l, int fd)
{
    char data[64];
    uint64_t end_us = mytcp_tun_now_us() + 10000000;
    while (mytcp_tun_now_us() < end_us) {
        if (side_send(&l->side, fd, "line\n", 5, 0) < 0) {
            return "send";
        }
        struct pollfd p = {.fd = fd, .events = POLLIN};
        side_poll(&l->side, &p, 1, 20);
        if (side_recv(&l->side, fd, data, sizeof data, MSG_DONTWAIT) < 0 && errno != EAGAIN) {
            return "recv";
        }
    }
    return "";
}

/* Says "connected", then sends until that fails. */
int live_stuck(struct live *l)
{
    struct sockaddr_in a;
    unsigned timeout_ms = 2000;
    int fd = open_socket(l, &a);
    if (fd < 0 || l->argc < 3 || side_connect(&l->side, fd, &a) != 0 ||
        side_set(&l->side, fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms) != 0) {
        return live_fail("connect or TCP_USER_TIMEOUT: %s", strerror(errno));
    }
    puts("connected");
    fflush(stdout);
    const char *call = send_until_failure(l, fd);
    int error = errno;
    side_close(&l->side, fd);
    return call[0] != '\0' ? expect(call, l->argv[2], error)
                           : live_fail("nothing failed for ten seconds");
}

int live_await_reset(struct live *l)
{
    struct sockaddr_in a;
    char data[4096];
    ssize_t n;
    int fd = open_socket(l, &a);
    if (fd < 0 || side_connect(&l->side, fd, &a) != 0 || side_send(&l->side, fd, "x", 1, 0) != 1) {
        return live_fail("connect or send: %s", strerror(errno));
    }
    while ((n = side_recv(&l->side, fd, data, sizeof data, 0)) > 0) {
    }
    int error = n == 0 ? 0 : errno;
    side_close(&l->side, fd);
    return expect("recv", "ECONNRESET", error);
}

/* Prints how long connect and the echo took together, without the wait. */
int live_late(struct live *l)
{
    struct sockaddr_in a;
    char data[8];
    int fd = open_socket(l, &a);
    uint64_t start_us = mytcp_tun_now_us();
    if (fd < 0 || side_connect(&l->side, fd, &a) != 0) {
        return live_fail("connect: %s", strerror(errno));
    }
    uint64_t took_us = mytcp_tun_now_us() - start_us;
    usleep((unsigned)live_number(l, 2, 0) * 1000);
    start_us = mytcp_tun_now_us();
    if (side_send(&l->side, fd, "late\n", 5, 0) != 5 ||
        side_recv(&l->side, fd, data, 5, MSG_WAITALL) != 5 || memcmp(data, "late\n", 5) != 0) {
        return live_fail("no echo: %s", strerror(errno));
    }
    took_us += mytcp_tun_now_us() - start_us;
    printf("%llu\n", (unsigned long long)(took_us / 1000));
    return side_close(&l->side, fd) == 0 ? 0 : live_fail("close: %s", strerror(errno));
}
