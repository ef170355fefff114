/* differ_state.c - the states that a socket can be in, and how it gets there. */
#include "live/differ.h"

#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>

enum { SETTLE_US = 200, FULL_BUFFER = 16384 };

/* ---- the peer and the subject's habits ---- */

void settle(struct differ *d)
{
    if (d->side.tun == NULL) {
        usleep(SETTLE_US / 10); /* over loopback all has happened, unless softirqs are late */
        return;
    }
    for (int quiet = 0; quiet < 2;) {
        quiet = mytcp_tun_turn(d->side.tun, SETTLE_US) > 0 ? 0 : quiet + 1;
    }
}

void settle_ms(struct differ *d, unsigned ms)
{
    uint64_t end_us = mytcp_tun_now_us() + ms * UINT64_C(1000);
    while (mytcp_tun_now_us() < end_us) {
        if (d->side.tun == NULL) {
            usleep(SETTLE_US);
        } else {
            mytcp_tun_turn(d->side.tun, SETTLE_US);
        }
    }
}

int subject_socket(struct differ *d)
{
    int on = 1;
    int fd = CALL(d, socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd >= 0) {
        CALL(d, setsockopt, fd, SOL_SOCKET, SO_OOBINLINE, &on, (socklen_t)sizeof on);
    }
    return fd;
}

static struct sockaddr_in address(struct in_addr host, unsigned port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = host};
}

struct sockaddr_in self_address(struct differ *d, unsigned port) { return address(d->self, port); }
struct sockaddr_in peer_address(struct differ *d, unsigned port) { return address(d->peer, port); }

int peer_listen(struct differ *d, int backlog, struct sockaddr_in *a)
{
    socklen_t len = sizeof *a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    *a = peer_address(d, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)a, sizeof *a) != 0 || listen(fd, backlog) != 0 ||
        getsockname(fd, (struct sockaddr *)a, &len) != 0) {
        perror("the peer's listener");
        exit(1);
    }
    return fd;
}

int peer_accept(struct differ *d, int listener)
{
    settle(d);
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0) {
        perror("the peer's accept");
        exit(1);
    }
    int quick = 1; /* so that a FIN is acknowledged at once */
    setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &quick, sizeof quick);
    return fd;
}

void peer_reset(struct differ *d, int *fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(*fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(*fd);
    *fd = -1;
    settle(d);
}

int subject_bind(struct differ *d, int fd, const struct sockaddr_in *a)
{
    return CALL(d, bind, fd, (const struct sockaddr *)a, (socklen_t)sizeof *a);
}

int subject_connect(struct differ *d, int fd, const struct sockaddr_in *a)
{
    return CALL(d, connect, fd, (const struct sockaddr *)a, (socklen_t)sizeof *a);
}

unsigned port_of(struct differ *d, int fd)
{
    struct sockaddr_in a = {.sin_port = 0};
    socklen_t len = sizeof a;
    CALL(d, getsockname, fd, (struct sockaddr *)&a, &len);
    return ntohs(a.sin_port);
}

int poll_bits(struct differ *d, int fd)
{
    struct pollfd p = {.fd = fd,
                       .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP | POLLRDNORM | POLLWRNORM |
                                 POLLRDBAND | POLLWRBAND};
    return CALL(d, poll, &p, 1, 0) < 0 ? -1 : p.revents;
}

int take_so_error(struct differ *d, int fd)
{
    int error = 0;
    socklen_t len = sizeof error;
    return CALL(d, getsockopt, fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 ? error : -1;
}

void note_aftermath(struct differ *d, const struct spot *s)
{
    char data[8];
    settle(d);
    note(d, poll_bits(d, s->fd), "then poll");
    note(d, take_so_error(d, s->fd), "then SO_ERROR");
    if (s->peer >= 0) {
        note(d, recv(s->peer, data, sizeof data, MSG_PEEK), "then the peer's recv");
    }
}

/* ---- the states ---- */

static void fresh(struct differ *d, struct spot *s) { s->fd = subject_socket(d); }

static void bound(struct differ *d, struct spot *s)
{
    struct sockaddr_in a = self_address(d, 0);
    fresh(d, s);
    subject_bind(d, s->fd, &a);
}

static void listening(struct differ *d, struct spot *s)
{
    bound(d, s);
    CALL(d, listen, s->fd, 5);
}

/* A connection of the peer's to the subject's listener. */
static int peer_connect(struct differ *d, int listener)
{
    struct sockaddr_in a = self_address(d, port_of(d, listener));
    struct sockaddr_in from = peer_address(d, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    bind(fd, (struct sockaddr *)&from, sizeof from);
    connect(fd, (struct sockaddr *)&a, sizeof a);
    settle(d);
    return fd;
}

static void pending(struct differ *d, struct spot *s)
{
    listening(d, s);
    s->peer = peer_connect(d, s->fd);
}

static void listener_shut(struct differ *d, struct spot *s)
{
    listening(d, s);
    CALL(d, shutdown, s->fd, SHUT_RD);
}

/* A full backlog answers no SYN. */
static void connecting(struct differ *d, struct spot *s)
{
    struct sockaddr_in a;
    s->peer_listener = peer_listen(d, 0, &a);
    s->other = subject_socket(d);
    subject_connect(d, s->other, &a);
    settle(d);
    fresh(d, s);
    subject_connect(d, s->fd, &a);
    settle(d);
}

static void connecting_shut(struct differ *d, struct spot *s)
{
    connecting(d, s);
    CALL(d, shutdown, s->fd, SHUT_RDWR);
}

static void refused(struct differ *d, struct spot *s)
{
    struct sockaddr_in a;
    close(peer_listen(d, 1, &a));
    fresh(d, s);
    subject_connect(d, s->fd, &a);
    settle(d);
}

static void refused_told(struct differ *d, struct spot *s)
{
    refused(d, s);
    take_so_error(d, s->fd);
}

static void established(struct differ *d, struct spot *s)
{
    struct sockaddr_in a;
    s->peer_listener = peer_listen(d, 5, &a);
    fresh(d, s);
    subject_connect(d, s->fd, &a);
    s->peer = peer_accept(d, s->peer_listener);
}

static void accepted(struct differ *d, struct spot *s)
{
    pending(d, s);
    s->other = s->fd;
    s->fd = subject_accept(d, s->other, NULL, NULL, SOCK_NONBLOCK);
}

static void unspec(struct differ *d, struct spot *s)
{
    struct sockaddr_in a = {.sin_family = AF_UNSPEC};
    established(d, s);
    subject_connect(d, s->fd, &a);
    settle(d);
}

static void peer_says(struct differ *d, struct spot *s, const char *text, int flags)
{
    (void)!send(s->peer, text, strlen(text), flags | MSG_NOSIGNAL);
    settle(d);
}

static void readable(struct differ *d, struct spot *s)
{
    established(d, s);
    peer_says(d, s, "0123456789", 0);
}

static void urgent(struct differ *d, struct spot *s)
{
    established(d, s);
    peer_says(d, s, "012", MSG_OOB);
    peer_says(d, s, "3456", 0);
}

static void peer_fin(struct differ *d, struct spot *s)
{
    established(d, s);
    shutdown(s->peer, SHUT_WR);
    settle(d);
}

static void data_and_peer_fin(struct differ *d, struct spot *s)
{
    readable(d, s);
    shutdown(s->peer, SHUT_WR);
    settle(d);
}

static void shut(struct differ *d, struct spot *s, int how)
{
    established(d, s);
    CALL(d, shutdown, s->fd, how);
    settle(d);
}

static void own_fin(struct differ *d, struct spot *s) { shut(d, s, SHUT_WR); }
static void shut_read(struct differ *d, struct spot *s) { shut(d, s, SHUT_RD); }
static void shut_both(struct differ *d, struct spot *s) { shut(d, s, SHUT_RDWR); }

static void shut_read_with_data(struct differ *d, struct spot *s)
{
    readable(d, s);
    CALL(d, shutdown, s->fd, SHUT_RD);
}

static void own_fin_then_peer_fin(struct differ *d, struct spot *s)
{
    own_fin(d, s);
    shutdown(s->peer, SHUT_WR);
    settle(d);
}

static void peer_fin_then_own_fin(struct differ *d, struct spot *s)
{
    peer_fin(d, s);
    CALL(d, shutdown, s->fd, SHUT_WR);
    settle(d);
}

static void reset(struct differ *d, struct spot *s)
{
    established(d, s);
    peer_reset(d, &s->peer);
}

static void reset_told(struct differ *d, struct spot *s)
{
    reset(d, s);
    take_so_error(d, s->fd);
}

static void reset_with_data(struct differ *d, struct spot *s)
{
    readable(d, s);
    peer_reset(d, &s->peer);
}

static void reset_after_own_fin(struct differ *d, struct spot *s)
{
    own_fin(d, s);
    peer_reset(d, &s->peer);
}

static void reset_after_peer_fin(struct differ *d, struct spot *s)
{
    peer_fin(d, s);
    peer_reset(d, &s->peer);
}

static void reset_while_pending(struct differ *d, struct spot *s)
{
    pending(d, s);
    peer_reset(d, &s->peer);
}

static void accepted_after_reset(struct differ *d, struct spot *s)
{
    reset_while_pending(d, s);
    s->other = s->fd;
    s->fd = subject_accept(d, s->other, NULL, NULL, SOCK_NONBLOCK);
}

/* All that the peer has got is known to be acknowledged: no ACK is on its way to make room. */
static void until_acknowledged(struct differ *d, struct spot *s, ssize_t sent)
{
    for (int i = 0; i < 2000; i++) {
        int queued = 0, arrived = 0;
        settle(d);
        CALL(d, ioctl, s->fd, SIOCOUTQ, &queued);
        ioctl(s->peer, FIONREAD, &arrived);
        if (queued + arrived == sent) {
            return;
        }
    }
}

static void full(struct differ *d, struct spot *s)
{
    static const char data[4096];
    int small = FULL_BUFFER;
    ssize_t sent = 0, n;
    established(d, s);
    CALL(d, setsockopt, s->fd, SOL_SOCKET, SO_SNDBUF, &small, (socklen_t)sizeof small);
    for (int refusals = 0; refusals < 2;) {
        while ((n = CALL(d, send, s->fd, data, sizeof data, MSG_NOSIGNAL)) > 0) {
            sent += n;
            refusals = 0;
        }
        refusals++;
        until_acknowledged(d, s, sent);
    }
}

static void closed(struct differ *d, struct spot *s)
{
    established(d, s);
    CALL(d, close, s->fd);
    settle(d);
    if (d->side.stack == NULL) {
        s->fd = 1 << 30; /* the kernel gives numbers anew at once */
    }
}

static void never(struct differ *d, struct spot *s)
{
    (void)d;
    s->fd = -1;
}

const struct state differ_states[] = {
    {"fresh", fresh},
    {"bound", bound},
    {"listening", listening},
    {"pending", pending},
    {"listener shut", listener_shut},
    {"connecting", connecting},
    {"connecting shut", connecting_shut},
    {"refused", refused},
    {"refused told", refused_told},
    {"established", established},
    {"accepted", accepted},
    {"unspec", unspec},
    {"readable", readable},
    {"urgent", urgent},
    {"peer FIN", peer_fin},
    {"data and peer FIN", data_and_peer_fin},
    {"own FIN", own_fin},
    {"shut read", shut_read},
    {"shut read with data", shut_read_with_data},
    {"shut both", shut_both},
    {"own FIN then peer FIN", own_fin_then_peer_fin},
    {"peer FIN then own FIN", peer_fin_then_own_fin},
    {"reset", reset},
    {"reset told", reset_told},
    {"reset with data", reset_with_data},
    {"reset after own FIN", reset_after_own_fin},
    {"reset after peer FIN", reset_after_peer_fin},
    {"reset while pending", reset_while_pending},
    {"accepted after reset", accepted_after_reset},
    {"full", full},
    {"closed", closed},
    {"never", never},
    {NULL, NULL},
};

void spot_enter(struct differ *d, const struct state *state, struct spot *s)
{
    *s = (struct spot){-1, -1, -1, -1};
    state->arrive(d, s);
}

void spot_enter_named(struct differ *d, const char *name, struct spot *s)
{
    const struct state *state = differ_states;
    while (strcmp(state->name, name) != 0) {
        state++;
    }
    spot_enter(d, state, s);
}

void spot_leave(struct differ *d, struct spot *s)
{
    if (s->peer >= 0) {
        peer_reset(d, &s->peer);
    }
    if (s->fd >= 0) {
        CALL(d, close, s->fd);
    }
    if (s->other >= 0) {
        CALL(d, close, s->other);
    }
    if (s->peer_listener >= 0) {
        close(s->peer_listener);
    }
    settle(d);
}
