/*
 * loop.c - an echo server inside someone else's event loop: one epoll that holds the device's fd, and
 * its timeout from the stack's deadline. No call of the stack blocks.
 */
#include "live/live.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>

#define ROOM_BYTES 32768u

struct conn {
    int fd;
    size_t from, to;    /* bytes of data[] still to be echoed */
    bool ended;
    uint8_t data[ROOM_BYTES];
};

static void conn_end(struct live *l, struct conn *c)
{
    mytcp_close(l->side.stack, c->fd);
    free(c);
}

/* Echo until it would block; then watch for what it waits for. */
static void conn_move(struct live *l, struct conn *c)
{
    mytcp_stack *stack = l->side.stack;
    for (;;) {
        ssize_t n;
        if (c->from == c->to) {
            n = c->ended ? 0 : mytcp_recv(stack, c->fd, c->data, ROOM_BYTES, 0);
            if (n <= 0 && (n == 0 || errno != EAGAIN)) {
                conn_end(l, c);
                return;
            }
            if (n < 0) {
                mytcp_watch(stack, c->fd, POLLIN, (uint64_t)(uintptr_t)c);
                return;
            }
            c->from = 0;
            c->to = (size_t)n;
        }
        n = mytcp_send(stack, c->fd, c->data + c->from, c->to - c->from, 0);
        if (n < 0 && errno == EAGAIN) {
            mytcp_watch(stack, c->fd, POLLOUT, (uint64_t)(uintptr_t)c);
            return;
        }
        if (n < 0) {
            conn_end(l, c);
            return;
        }
        c->from += (size_t)n;
    }
}

static void accept_all(struct live *l, int listener)
{
    for (int fd; (fd = mytcp_accept(l->side.stack, listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        struct conn *c = calloc(1, sizeof *c);
        if (c == NULL) {
            mytcp_close(l->side.stack, fd);
            continue;
        }
        c->fd = fd;
        conn_move(l, c);
    }
}

static int timeout_ms(mytcp_tun *tun)
{
    uint64_t deadline_us = mytcp_tun_deadline_us(tun), now_us = mytcp_tun_now_us();
    if (deadline_us == MYTCP_NEVER_US) {
        return -1;
    }
    return deadline_us <= now_us ? 0 : (int)((deadline_us - now_us + 999) / 1000);
}

/* G258: the device's fd and another one in one wait */
static int run(struct live *l, int listener, int epoll, int signals)
{
    for (;;) {
        struct epoll_event ready;
        int n = epoll_wait(epoll, &ready, 1, timeout_ms(l->side.tun));
        if (n < 0 && errno != EINTR) {
            return live_fail("epoll_wait: %s", strerror(errno));
        }
        if (n == 1 && ready.data.fd == signals) {
            return 0;
        }
        if (mytcp_tun_turn(l->side.tun, 0) < 0 && errno != EINTR) {
            return live_fail("turn: %s", strerror(errno));
        }
        struct mytcp_event e[16];
        while ((n = mytcp_wait(l->side.stack, e, 16, 0)) > 0) {
            for (int i = 0; i < n; i++) {
                if (e[i].data == 0) {
                    accept_all(l, listener);
                } else {
                    conn_move(l, (struct conn *)(uintptr_t)e[i].data);
                }
            }
        }
    }
}

int live_loop(struct live *l)
{
    sigset_t set;
    if (l->side.tun == NULL || l->thread) {
        return live_fail("loop is for libmytcp without a thread");
    }
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int signals = signalfd(-1, &set, SFD_CLOEXEC), epoll = epoll_create1(EPOLL_CLOEXEC);
    int listener = side_listener(&l->side, (unsigned)live_number(l, 0, 7), 1024, SOCK_NONBLOCK);
    int tun = mytcp_tun_fd(l->side.tun);
    struct epoll_event a = {.events = EPOLLIN, .data = {.fd = tun}};
    struct epoll_event b = {.events = EPOLLIN, .data = {.fd = signals}};
    if (listener < 0 || mytcp_watch(l->side.stack, listener, POLLIN, 0) != 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, tun, &a) != 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, signals, &b) != 0) {
        return live_fail("set-up: %s", strerror(errno));
    }
    puts("ready");
    fflush(stdout);
    int rc = run(l, listener, epoll, signals);
    mytcp_close(l->side.stack, listener);
    close(epoll);
    close(signals);
    return rc;
}
