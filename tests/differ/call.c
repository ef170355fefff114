/* call.c - the application's calls, on either side, and what they return. */
#include "differ/differ.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DATA_MAX = 1 << 20 };

static void tell_result(struct play *p, const char *what, long result, const char *more)
{
    if (result < 0) {
        play_tell(p, "%s: %s", what, strerrorname_np(errno));
    } else {
        play_tell(p, "%s: %ld%s", what, result, more);
    }
}

static struct sockaddr_in name_of(struct in_addr addr, uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = addr};
}

/* A socket bound to the script's port; options that are set later are set on it. */
static int make_socket(struct play *p)
{
    int on = 1;
    struct sockaddr_in here = name_of(p->self, p->self_port);
    int fd = CALL(p, socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CALL(p, setsockopt, fd, SOL_SOCKET, SO_REUSEADDR, &on, (socklen_t)sizeof on);
    CALL(p, setsockopt, fd, SOL_SOCKET, SO_OOBINLINE, &on, (socklen_t)sizeof on);
    if (CALL(p, bind, fd, (struct sockaddr *)&here, (socklen_t)sizeof here) != 0) {
        tell_result(p, "bind", -1, "");
        CALL(p, close, fd);
        return -1;
    }
    return fd;
}

static void do_socket(struct play *p, const struct words *w)
{
    (void)w;
    p->fd = make_socket(p);
}

/* listen [backlog N]: on the socket, if there is one */
static void do_listen(struct play *p, const struct words *w)
{
    p->listener = p->fd >= 0 ? p->fd : make_socket(p);
    p->fd = -1;
    int rc = CALL(p, listen, p->listener, (int)words_number(w, "backlog", 5));
    tell_result(p, "listen", rc, "");
}

static void do_accept(struct play *p, const struct words *w)
{
    (void)w;
    int fd = p->stack ? mytcp_accept(p->stack, p->listener, NULL, NULL, SOCK_NONBLOCK)
                      : accept4(p->listener, NULL, NULL, SOCK_NONBLOCK);
    tell_result(p, "accept", fd < 0 ? -1 : 0, "");
    p->fd = fd >= 0 ? fd : p->fd;
}

static void do_connect(struct play *p, const struct words *w)
{
    (void)w;
    struct sockaddr_in there = name_of(p->peer, p->peer_port);
    p->fd = p->fd >= 0 ? p->fd : make_socket(p);
    tell_result(p, "connect",
                CALL(p, connect, p->fd, (struct sockaddr *)&there, (socklen_t)sizeof there), "");
}

/* send N [more] [oob] */
static void do_send(struct play *p, const struct words *w)
{
    static char data[DATA_MAX];
    size_t len = (size_t)words_number(w, "send", 0);
    int flags = MSG_NOSIGNAL | (words_have(w, "more") ? MSG_MORE : 0) |
                (words_have(w, "oob") ? MSG_OOB : 0);
    if (len > DATA_MAX) {
        fatal("send %zu?", len);
    }
    for (size_t i = 0; i < len; i++) {
        data[i] = (char)stream_byte(p->written + i);
    }
    ssize_t n = CALL(p, send, p->fd, data, len, flags);
    p->written += n > 0 ? (uint64_t)n : 0;
    tell_result(p, "send", n, "");
}

/* recv N [peek]: how many, and the first one that is not of the peer's stream */
static void do_recv(struct play *p, const struct words *w)
{
    static char data[DATA_MAX];
    char wrong[32] = "";
    size_t len = (size_t)words_number(w, "recv", 0);
    if (len > DATA_MAX) {
        fatal("recv %zu?", len);
    }
    ssize_t n = CALL(p, recv, p->fd, data, len, words_have(w, "peek") ? MSG_PEEK : 0);
    int error = errno;
    for (ssize_t i = 0; i < n && wrong[0] == '\0'; i++) {
        if (data[i] != (char)stream_byte(p->read_at + (uint64_t)i)) {
            snprintf(wrong, sizeof wrong, ", others from %zd on", i);
        }
    }
    p->read_at += n > 0 && !words_have(w, "peek") ? (uint64_t)n : 0;
    errno = error;
    tell_result(p, "recv", n, wrong);
}

static void do_shutdown(struct play *p, const struct words *w)
{
    int how = words_have(w, "rd") ? SHUT_RD : words_have(w, "wr") ? SHUT_WR : SHUT_RDWR;
    tell_result(p, "shutdown", CALL(p, shutdown, p->fd, how), "");
}

/* close [listener] */
static void do_close(struct play *p, const struct words *w)
{
    int *fd = words_have(w, "listener") ? &p->listener : &p->fd;
    tell_result(p, "close", CALL(p, close, *fd), "");
    *fd = -1;
}

static const struct {
    const char *name;
    int level, option;
} options[] = {
    {"nodelay", IPPROTO_TCP, TCP_NODELAY},
    {"cork", IPPROTO_TCP, TCP_CORK},
    {"maxseg", IPPROTO_TCP, TCP_MAXSEG},
    {"keepidle", IPPROTO_TCP, TCP_KEEPIDLE},
    {"keepintvl", IPPROTO_TCP, TCP_KEEPINTVL},
    {"keepcnt", IPPROTO_TCP, TCP_KEEPCNT},
    {"syncnt", IPPROTO_TCP, TCP_SYNCNT},
    {"linger2", IPPROTO_TCP, TCP_LINGER2},
    {"defer_accept", IPPROTO_TCP, TCP_DEFER_ACCEPT},
    {"quickack", IPPROTO_TCP, TCP_QUICKACK},
    {"user_timeout", IPPROTO_TCP, TCP_USER_TIMEOUT},
    {"keepalive", SOL_SOCKET, SO_KEEPALIVE},
    {"oobinline", SOL_SOCKET, SO_OOBINLINE},
    {"rcvlowat", SOL_SOCKET, SO_RCVLOWAT},
    {"rcvbuf", SOL_SOCKET, SO_RCVBUF},
    {"sndbuf", SOL_SOCKET, SO_SNDBUF},
};

/* set NAME VALUE, on the connection's socket or else the listener; linger off is negative */
static void do_set(struct play *p, const struct words *w)
{
    int fd = p->fd >= 0 ? p->fd : p->listener, rc = -2;
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (words_have(w, options[i].name)) {
            int value = (int)words_number(w, options[i].name, 0);
            rc = CALL(p, setsockopt, fd, options[i].level, options[i].option, &value,
                      (socklen_t)sizeof value);
        }
    }
    if (words_have(w, "linger")) {
        int seconds = (int)words_number(w, "linger", 0);
        struct linger l = {.l_onoff = seconds >= 0, .l_linger = seconds};
        rc = CALL(p, setsockopt, fd, SOL_SOCKET, SO_LINGER, &l, (socklen_t)sizeof l);
    }
    if (rc == -2) {
        fatal("%s: set what?", p->script->name);
    }
    tell_result(p, "set", rc, "");
}

static void do_error(struct play *p, const struct words *w)
{
    int error = 0;
    socklen_t len = sizeof error;
    (void)w;
    if (CALL(p, getsockopt, p->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0) {
        tell_result(p, "error", -1, "");
    } else {
        play_tell(p, "error: %s", error ? strerrorname_np(error) : "none");
    }
}

/* queues: what may be read, and what is not acknowledged */
static void do_queues(struct play *p, const struct words *w)
{
    int in = 0, mark = 0;
    (void)w;
    tell_result(p, "FIONREAD", CALL(p, ioctl, p->fd, FIONREAD, &in) < 0 ? -1 : in, "");
    tell_result(p, "SIOCATMARK", CALL(p, ioctl, p->fd, SIOCATMARK, &mark) < 0 ? -1 : mark, "");
}

static const struct {
    const char *name;
    void (*make)(struct play *p, const struct words *w);
} calls[] = {
    {"socket", do_socket}, {"listen", do_listen},     {"accept", do_accept},
    {"send", do_send},     {"connect", do_connect},   {"recv", do_recv},
    {"close", do_close},   {"shutdown", do_shutdown}, {"set", do_set},
    {"error", do_error},   {"queues", do_queues},
};

bool call_make(struct play *p, const struct words *w)
{
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        if (strcmp(w->word[0], calls[i].name) == 0) {
            calls[i].make(p, w);
            return true;
        }
    }
    return false;
}

int call_state(struct play *p)
{
    struct tcp_info info = {.tcpi_state = 0};
    socklen_t len = sizeof info;
    if (p->fd < 0 || CALL(p, getsockopt, p->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0) {
        return 0;
    }
    return info.tcpi_state;
}

int call_poll_bits(struct play *p)
{
    struct pollfd f = {.fd = p->fd >= 0 ? p->fd : p->listener,
                       .events = POLLIN | POLLPRI | POLLOUT | POLLRDHUP};
    return f.fd >= 0 && CALL(p, poll, &f, 1, 0) > 0 ? f.revents : 0;
}
