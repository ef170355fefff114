/*
 * side.h - one end of a connection, on either stack: the kernel's sockets or libmytcp's.
 *
 * The live tests and the bench run the same programs over both, so that what differs is the stack
 * alone. Every function is the socket call of its name; `stack` NULL means the kernel.
 */
#ifndef LIVE_SIDE_H
#define LIVE_SIDE_H

#include "mytcp.h"
#include "mytcp_tun.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

struct side {
    mytcp_tun *tun;     /* NULL: the kernel's stack */
    mytcp_stack *stack;
    int epoll;          /* of the kernel's side, made on first use; -1 before */
};

struct side_options {
    struct mytcp_tun_options tun;
    struct mytcp_config config;
    bool thread;        /* run the driver thread */
};

struct side_event {
    uint32_t events;    /* POLLIN, POLLOUT, POLLERR, POLLHUP */
    uint64_t data;
};

#define SIDE_EVENTS_MAX 64

static inline void side_defaults(struct side_options *o)
{
    memset(o, 0, sizeof *o);
    o->tun.fd = -1;
    mytcp_config_init(&o->config);
}

/*
 * Take one option of the command line, argv[0] and perhaps argv[1]; returns how many words it was,
 * 0 if it is none of ours, -1 if it is wrong.
 */
static inline int side_option(struct side_options *o, char **argv)
{
    if (strcmp(argv[0], "--no-offload") == 0) {
        o->tun.no_offload = true;
        return 1;
    }
    if (strcmp(argv[0], "--thread") == 0) {
        o->thread = true;
        return 1;
    }
    if (strncmp(argv[0], "--", 2) != 0) {
        return 0;
    }
    if (argv[1] == NULL) {
        return -1;
    }
    if (strcmp(argv[0], "--tun") == 0) {
        o->tun.name = argv[1];
    } else if (strcmp(argv[0], "--ip") == 0) {
        return inet_pton(AF_INET, argv[1], &o->config.addr) == 1 ? 2 : -1;
    } else if (strcmp(argv[0], "--host") == 0) {
        char host[32];
        unsigned prefix = 24;
        if (sscanf(argv[1], "%31[0-9.]/%u", host, &prefix) < 1) {
            return -1;
        }
        o->tun.host_prefix_len = prefix;
        return inet_pton(AF_INET, host, &o->tun.host) == 1 ? 2 : -1;
    } else if (strcmp(argv[0], "--mtu") == 0) {
        unsigned mtu;
        if (sscanf(argv[1], "%u", &mtu) != 1) {
            return -1;
        }
        o->tun.mtu_bytes = mtu;
    } else if (strcmp(argv[0], "--set") == 0) {
        char name[48];
        const char *value = strchr(argv[1], '=');
        if (value == NULL || (size_t)(value - argv[1]) >= sizeof name) {
            return -1;
        }
        memcpy(name, argv[1], (size_t)(value - argv[1]));
        name[value - argv[1]] = '\0';
        return mytcp_config_set(&o->config, name, value + 1) == 0 ? 2 : -1;
    } else {
        return -1;
    }
    return 2;
}

/* 0, or -1 with the reason on stderr. Without --tun this is the kernel's side. */
static inline int side_open(struct side *s, struct side_options *o)
{
    char why[256] = "";
    memset(s, 0, sizeof *s);
    s->epoll = -1;
    if (o->tun.name == NULL) {
        return 0;
    }
    s->tun = mytcp_tun_open(&o->tun, &o->config, why, sizeof why);
    if (s->tun == NULL) {
        fprintf(stderr, "%s\n", why);
        return -1;
    }
    s->stack = mytcp_tun_stack(s->tun);
    if (o->thread && mytcp_tun_start(s->tun) != 0) {
        perror("mytcp_tun_start");
        return -1;
    }
    return 0;
}

/* Let libmytcp finish its closing (FINs, last ACKs) for at most max_ms, then take it down. */
static inline void side_finish(struct side *s, bool thread, unsigned max_ms)
{
    if (s->tun == NULL) {
        return;
    }
    uint64_t end_us = mytcp_tun_now_us() + max_ms * UINT64_C(1000);
    struct mytcp_stats st;
    do {
        if (thread) {
            usleep(10000);
        } else if (mytcp_tun_turn(s->tun, 10000) < 0) {
            break;
        }
    } while (mytcp_stats_get(s->stack, &st) == 0 && st.sockets > 0 && mytcp_tun_now_us() < end_us);
    mytcp_tun_close(s->tun);
}

static inline int side_socket(struct side *s, int flags)
{
    return s->stack ? mytcp_socket(s->stack, AF_INET, SOCK_STREAM | flags, 0)
                    : socket(AF_INET, SOCK_STREAM | flags | SOCK_CLOEXEC, 0);
}

static inline int side_bind(struct side *s, int fd, const struct sockaddr_in *a)
{
    return s->stack ? mytcp_bind(s->stack, fd, (const struct sockaddr *)a, sizeof *a)
                    : bind(fd, (const struct sockaddr *)a, sizeof *a);
}

static inline int side_listen(struct side *s, int fd, int backlog)
{
    return s->stack ? mytcp_listen(s->stack, fd, backlog) : listen(fd, backlog);
}

static inline int side_accept(struct side *s, int fd, int flags)
{
    return s->stack ? mytcp_accept(s->stack, fd, NULL, NULL, flags) : accept4(fd, NULL, NULL, flags);
}

static inline int side_connect(struct side *s, int fd, const struct sockaddr_in *a)
{
    return s->stack ? mytcp_connect(s->stack, fd, (const struct sockaddr *)a, sizeof *a)
                    : connect(fd, (const struct sockaddr *)a, sizeof *a);
}

static inline ssize_t side_send(struct side *s, int fd, const void *data, size_t len, int flags)
{
    return s->stack ? mytcp_send(s->stack, fd, data, len, flags)
                    : send(fd, data, len, flags | MSG_NOSIGNAL);
}

static inline ssize_t side_recv(struct side *s, int fd, void *data, size_t len, int flags)
{
    return s->stack ? mytcp_recv(s->stack, fd, data, len, flags) : recv(fd, data, len, flags);
}

static inline int side_shutdown(struct side *s, int fd)
{
    return s->stack ? mytcp_shutdown(s->stack, fd, SHUT_WR) : shutdown(fd, SHUT_WR);
}

static inline int side_close(struct side *s, int fd)
{
    return s->stack ? mytcp_close(s->stack, fd) : close(fd);
}

static inline int side_set(struct side *s, int fd, int level, int name, const void *v, socklen_t len)
{
    return s->stack ? mytcp_setsockopt(s->stack, fd, level, name, v, len)
                    : setsockopt(fd, level, name, v, len);
}

static inline int side_error(struct side *s, int fd)
{
    int error = 0;
    socklen_t len = sizeof error;
    int rc = s->stack ? mytcp_getsockopt(s->stack, fd, SOL_SOCKET, SO_ERROR, &error, &len)
                      : getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    return rc == 0 ? error : -1;
}

static inline int side_poll(struct side *s, struct pollfd *p, nfds_t n, int timeout_ms)
{
    return s->stack ? mytcp_poll(s->stack, p, n, timeout_ms) : poll(p, n, timeout_ms);
}

/* Watch `events` of fd, level-triggered; 0 stops. */
static inline int side_watch(struct side *s, int fd, uint32_t events, uint64_t data)
{
    if (s->stack) {
        return mytcp_watch(s->stack, fd, events, data);
    }
    if (s->epoll < 0) {
        s->epoll = epoll_create1(EPOLL_CLOEXEC);
    }
    struct epoll_event e = {.events = events, .data = {.u64 = data}};
    if (events == 0) {
        return epoll_ctl(s->epoll, EPOLL_CTL_DEL, fd, NULL);
    }
    int rc = epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e);
    return rc == 0 ? 0 : epoll_ctl(s->epoll, EPOLL_CTL_MOD, fd, &e);
}

/* Up to SIDE_EVENTS_MAX events. */
static inline int side_wait(struct side *s, struct side_event *out, int timeout_ms)
{
    if (s->stack) {
        struct mytcp_event e[SIDE_EVENTS_MAX];
        int n = mytcp_wait(s->stack, e, SIDE_EVENTS_MAX, timeout_ms);
        for (int i = 0; i < n; i++) {
            out[i] = (struct side_event){e[i].events, e[i].data};
        }
        return n;
    }
    struct epoll_event e[SIDE_EVENTS_MAX];
    int n = epoll_wait(s->epoll, e, SIDE_EVENTS_MAX, timeout_ms);
    for (int i = 0; i < n; i++) {
        out[i] = (struct side_event){e[i].events, e[i].data.u64};
    }
    return n;
}

static inline struct sockaddr_in side_address(const char *host, unsigned port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, host, &a.sin_addr) != 1) {
        a.sin_family = AF_UNSPEC;
    }
    return a;
}

/* A listening socket on any address, or -1 with errno. */
static inline int side_listener(struct side *s, unsigned port, int backlog, int flags)
{
    struct sockaddr_in a = side_address("0.0.0.0", port);
    int on = 1;
    int fd = side_socket(s, flags);
    if (fd < 0 || side_set(s, fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        side_bind(s, fd, &a) != 0 || side_listen(s, fd, backlog) != 0) {
        return -1;
    }
    return fd;
}

/* send all of it on a blocking socket: 0, or -1 */
static inline int side_send_all(struct side *s, int fd, const void *data, size_t len)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = side_send(s, fd, p, len, 0);
        if (n < 0) {
            return -1;
        }
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

#endif
