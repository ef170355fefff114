#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { RELAY_IOV = 16, CHUNK_BYTES = 256 * 1024 };

static int fail(struct relay *relay, const char *what)
{
    relay->what = what;
    return -1;
}

/* Wait, if that is wanted, for the device, its deadline, and whichever stream there is a use for;
 * then let the driver run. Signals come in here. */
static int relay_turn(struct relay *relay, bool wait)
{
    struct pollfd fds[] = {{.fd = mytcp_tun_fd(relay->tun), .events = POLLIN},
                           {.fd = relay->wants_in ? STDIN_FILENO : -1, .events = POLLIN},
                           {.fd = relay->wants_out ? relay->out : -1, .events = POLLOUT}};
    uint64_t deadline_us = mytcp_tun_deadline_us(relay->tun);
    uint64_t now_us = mytcp_tun_now_us();
    uint64_t left_us = wait && deadline_us > now_us ? deadline_us - now_us : 0;
    bool forever = wait && deadline_us == MYTCP_NEVER_US;
    struct timespec left = {.tv_sec = (time_t)(left_us / 1000000),
                            .tv_nsec = (long)(left_us % 1000000) * 1000};

    if (*relay->stop) {
        errno = EINTR;
        return fail(relay, "stopped");
    }
    if (ppoll(fds, 3, forever ? NULL : &left, &relay->while_waiting) < 0 && errno != EINTR)
        return fail(relay, "poll");
    if (mytcp_tun_turn(relay->tun, 0) < 0 && errno != EINTR)
        return fail(relay, mytcp_tun_name(relay->tun));
    return 0;
}

static int wait_for(struct relay *relay, int fd, short events)
{
    struct pollfd ready = {.fd = fd, .events = events};
    while (mytcp_poll(relay->stack, &ready, 1, 0) == 0)
        if (relay_turn(relay, true) < 0)
            return -1;
    return 0;
}

int relay_connect(struct relay *relay, const struct sockaddr_in *addr)
{
    relay->what = "connect";
    relay->fd = mytcp_socket(relay->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (relay->fd < 0)
        return -1;
    if (mytcp_connect(relay->stack, relay->fd, (const struct sockaddr *)addr, sizeof *addr) == 0)
        return 0;
    if (errno != EINPROGRESS || wait_for(relay, relay->fd, POLLOUT) < 0)
        return -1;

    int error = 0;
    socklen_t len = sizeof error;
    if (mytcp_getsockopt(relay->stack, relay->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        return -1;
    errno = error;
    return error ? -1 : 0;
}

int relay_accept(struct relay *relay, const struct sockaddr_in *addr)
{
    relay->what = "listen";
    int listener = mytcp_socket(relay->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (listener < 0 ||
        mytcp_bind(relay->stack, listener, (const struct sockaddr *)addr, sizeof *addr) < 0 ||
        mytcp_listen(relay->stack, listener, 0) < 0 || wait_for(relay, listener, POLLIN) < 0)
        return -1;
    relay->fd = mytcp_accept(relay->stack, listener, NULL, NULL, SOCK_NONBLOCK);
    if (relay->fd < 0)
        return fail(relay, "accept");
    return mytcp_close(relay->stack, listener);
}

/* A pipe's reader may be the one that feeds us: writing must not block. A pipe can be opened once
 * more, so that O_NONBLOCK is ours alone; what else stdout may be is polled only. */
static int open_stdout(void)
{
    struct stat stat;
    if (fstat(STDOUT_FILENO, &stat) == 0 && S_ISFIFO(stat.st_mode)) {
        int fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0)
            return fd;
    }
    return STDOUT_FILENO;
}

/* From stdin straight into the send queue. Returns 1 if something moved, 0, or -1. */
static int pump_in(struct relay *relay)
{
    struct iovec iov[RELAY_IOV];
    struct pollfd ready = {.fd = STDIN_FILENO, .events = POLLIN};

    if (relay->in_ended)
        return 0;
    ssize_t room = mytcp_reserve(relay->stack, relay->fd, iov, RELAY_IOV, CHUNK_BYTES);
    if (room < 0 && errno != EAGAIN)
        return fail(relay, "send");
    relay->wants_in = room > 0;
    if (room <= 0 || poll(&ready, 1, 0) <= 0)
        return 0;

    int count = 0;
    for (size_t covered = 0; count < RELAY_IOV && covered < (size_t)room; count++)
        covered += iov[count].iov_len;
    ssize_t n = readv(STDIN_FILENO, iov, count);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : fail(relay, "stdin");
    if (n > 0)
        return mytcp_commit(relay->stack, relay->fd, (size_t)n) < 0 ? fail(relay, "send") : 1;
    relay->in_ended = true;
    relay->wants_in = false;
    return mytcp_shutdown(relay->stack, relay->fd, SHUT_WR) < 0 ? fail(relay, "shutdown") : 1;
}

/* From the receive queue straight to stdout. Returns as pump_in. */
static int pump_out(struct relay *relay)
{
    struct iovec iov[RELAY_IOV];

    relay->wants_out = false;
    if (relay->peer_ended)
        return 0;
    ssize_t have = mytcp_peek(relay->stack, relay->fd, iov, RELAY_IOV);
    if (have < 0)
        return errno == EAGAIN ? 0 : fail(relay, "receive");
    relay->peer_ended = have == 0;
    if (relay->peer_ended)
        return 1;

    int count = 0;
    for (size_t covered = 0; count < RELAY_IOV && covered < (size_t)have; count++)
        covered += iov[count].iov_len;
    ssize_t n = writev(relay->out, iov, count);
    relay->wants_out = n < have;
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : fail(relay, "stdout");
    return mytcp_consume(relay->stack, relay->fd, (size_t)n) < 0 ? fail(relay, "receive") : 1;
}

/* Both streams have ended: is our FIN acknowledged too? */
static bool closed(struct relay *relay)
{
    struct mytcp_conn_info info;
    return mytcp_conn_info_get(relay->stack, relay->fd, &info) < 0 || info.state == TCP_CLOSE ||
           info.state == TCP_TIME_WAIT;
}

int relay_run(struct relay *relay)
{
    relay->out = open_stdout();
    while (!relay->in_ended || !relay->peer_ended || !closed(relay)) {
        int in = pump_in(relay);
        int out = in < 0 ? -1 : pump_out(relay);
        if (in < 0 || out < 0)
            return -1;
        if (relay_turn(relay, in + out == 0) < 0)
            return -1;
    }
    relay->what = "close";
    return mytcp_close(relay->stack, relay->fd);
}

void relay_abort(struct relay *relay)
{
    struct linger linger = {.l_onoff = 1};
    if (relay->fd < 0)
        return;
    mytcp_setsockopt(relay->stack, relay->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    mytcp_close(relay->stack, relay->fd);
    mytcp_tun_turn(relay->tun, 0);
}
