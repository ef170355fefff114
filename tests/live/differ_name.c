/* differ_name.c - what there is to do before a connection: socket, bind, listen, and who has a
 * port. */
#include "live/differ.h"

#include <stdlib.h>

static void sockets(struct differ *d)
{
    static const struct {
        int domain, type, protocol;
    } in[] = {
        {AF_INET, SOCK_STREAM, 0},
        {AF_INET, SOCK_STREAM, IPPROTO_TCP},
        {AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP},
        {AF_INET, SOCK_STREAM, IPPROTO_UDP},
        {AF_INET, SOCK_STREAM, 255},
        {AF_INET, SOCK_STREAM, 256},
        {AF_INET, SOCK_STREAM, -1},
        {AF_INET, SOCK_STREAM, INT_MAX},
        {AF_INET, SOCK_DGRAM, IPPROTO_TCP},
        {AF_INET, SOCK_SEQPACKET, 0},
        {AF_INET, SOCK_RDM, 0},
        {AF_INET, SOCK_RAW, 0},
        {AF_INET, SOCK_RAW, -1},
        {AF_INET, 0, 0},
        {AF_INET, 7, 0},
        {AF_INET, 9, 0},
        {AF_INET, 10, 0},
        {AF_INET, 11, 0},
        {AF_INET, 12, 0},
        {AF_INET, 15, 0},
        {AF_INET, -1, 0},
        {AF_INET, SOCK_STREAM | 0x100, 0},
        {AF_INET, SOCK_STREAM | 0x1000, 0},
        {AF_UNSPEC, SOCK_STREAM, 0},
        {-1, SOCK_STREAM, 0},
        {46, SOCK_STREAM, 0},
        {1000, SOCK_STREAM, 0},
        {1000, SOCK_STREAM | 0x100, 0},
        {1000, -1, -1},
    };
    for (size_t i = 0; i < sizeof in / sizeof in[0]; i++) {
        differ_case(d, "socket %d, %#x, %d", in[i].domain, (unsigned)in[i].type, in[i].protocol);
        int fd = CALL(d, socket, in[i].domain, in[i].type, in[i].protocol);
        note_fd(d, fd, "socket");
        if (fd >= 0) {
            note(d, CALL(d, fcntl, fd, F_GETFL, 0), "F_GETFL");
            CALL(d, close, fd);
        }
    }
}

/* bind and connect to every kind of address. */
static void addresses(struct differ *d)
{
    static const struct {
        const char *name, *address;
    } in[] = {
        {"any", "0.0.0.0"},          {"multicast", "224.0.0.1"},  {"broadcast", "255.255.255.255"},
        {"class E", "240.0.0.1"},    {"foreign", "198.51.100.7"}, {"this net", "0.0.0.5"},
        {"subnet broadcast", "*255"}, {"subnet", "*0"},
    };
    for (size_t i = 0; i < sizeof in / sizeof in[0]; i++) {
        struct sockaddr_in a = self_address(d, 0);
        if (in[i].address[0] == '*') {
            ((uint8_t *)&a.sin_addr)[3] = (uint8_t)atoi(in[i].address + 1);
        } else {
            inet_pton(AF_INET, in[i].address, &a.sin_addr);
        }
        differ_case(d, "address %s", in[i].name);
        int fd = subject_socket(d);
        int rc = subject_bind(d, fd, &a);
        note(d, rc, "bind");
        note(d, rc == 0 ? subject_bind(d, fd, &a) : -2, "bind again");
        CALL(d, close, fd);
        fd = subject_socket(d);
        a.sin_port = htons(9);
        note(d, subject_connect(d, fd, &a), "connect");
        settle(d);
        note(d, poll_bits(d, fd), "poll");
        note(d, subject_connect(d, fd, &a), "connect again");
        note(d, take_so_error(d, fd), "SO_ERROR");
        CALL(d, close, fd);
        settle(d);
    }
    differ_case(d, "connect to port 0");
    int fd = subject_socket(d);
    struct sockaddr_in a = peer_address(d, 0);
    note(d, subject_connect(d, fd, &a), "connect");
    settle(d);
    note(d, take_so_error(d, fd), "SO_ERROR");
    note(d, poll_bits(d, fd), "poll");
    CALL(d, close, fd);
}

static void set_reuse(struct differ *d, int fd, int on)
{
    CALL(d, setsockopt, fd, SOL_SOCKET, SO_REUSEADDR, &on, (socklen_t)sizeof on);
}

/* A first socket in each way of having a port; a second one that wants it too. */
enum holder {
    BOUND,
    LISTENS,
    CONNECTED,
    ACCEPTED,
    TIME_WAIT,
    CLIENT_TIME_WAIT,
    UNBOUND_CLIENT,
    HOLDERS
};
static const char *const holder_names[HOLDERS] = {
    "bound", "listening", "bound and connected", "accepted, listener closed",
    "TIME-WAIT of one accepted", "TIME-WAIT of a bound client", "connected without bind"};

static unsigned hold_as_server(struct differ *d, enum holder how, int reuse, bool any,
                               struct spot *s)
{
    struct sockaddr_in a = self_address(d, 0);
    if (any) {
        a.sin_addr.s_addr = INADDR_ANY;
    }
    s->fd = subject_socket(d);
    set_reuse(d, s->fd, reuse);
    subject_bind(d, s->fd, &a);
    unsigned port = port_of(d, s->fd);
    if (how == BOUND) {
        return port;
    }
    CALL(d, listen, s->fd, 5);
    if (how == LISTENS) {
        return port;
    }
    a = self_address(d, port);
    s->peer = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    connect(s->peer, (struct sockaddr *)&a, sizeof a);
    settle(d);
    s->other = subject_accept(d, s->fd, NULL, NULL, SOCK_NONBLOCK);
    CALL(d, close, s->fd);
    s->fd = -1;
    return port;
}

static unsigned hold_as_client(struct differ *d, enum holder how, int reuse, bool any,
                               struct spot *s)
{
    struct sockaddr_in to, a = self_address(d, 0);
    if (any) {
        a.sin_addr.s_addr = INADDR_ANY;
    }
    s->peer_listener = peer_listen(d, 5, &to);
    s->other = subject_socket(d);
    set_reuse(d, s->other, reuse);
    if (how != UNBOUND_CLIENT) {
        subject_bind(d, s->other, &a);
    }
    subject_connect(d, s->other, &to);
    s->peer = peer_accept(d, s->peer_listener);
    return port_of(d, s->other);
}

static unsigned hold(struct differ *d, enum holder how, int reuse, bool any, struct spot *s)
{
    bool client = how == CONNECTED || how == CLIENT_TIME_WAIT || how == UNBOUND_CLIENT;
    unsigned port = client ? hold_as_client(d, how, reuse, any, s)
                           : hold_as_server(d, how, reuse, any, s);
    if (how == TIME_WAIT || how == CLIENT_TIME_WAIT) {
        CALL(d, close, s->other);
        s->other = -1;
        settle(d);
        close(s->peer);
        s->peer = -1;
        settle(d);
    }
    return port;
}

static void conflict(struct differ *d, enum holder how, int reuse1, bool any1, int reuse2,
                     bool any2)
{
    struct spot s = {-1, -1, -1, -1};
    struct sockaddr_in to, a = self_address(d, hold(d, how, reuse1, any1, &s));
    differ_case(d, "port %s%s%s, wanted%s%s", holder_names[how], any1 ? " on any" : "",
                reuse1 ? " with reuse" : "", any2 ? " on any" : "", reuse2 ? " with reuse" : "");
    if (any2) {
        a.sin_addr.s_addr = INADDR_ANY;
    }
    int fd = subject_socket(d);
    set_reuse(d, fd, reuse2);
    int rc = subject_bind(d, fd, &a);
    note(d, rc, "bind");
    if (rc == 0) {
        note(d, CALL(d, listen, fd, 5), "listen");
        note(d, s.fd >= 0 ? CALL(d, listen, s.fd, 5) : -2, "the first listens");
        int third = subject_socket(d);
        set_reuse(d, third, 1);
        note(d, subject_bind(d, third, &a), "a third binds");
        CALL(d, close, third);
    }
    CALL(d, close, fd);
    fd = subject_socket(d);
    set_reuse(d, fd, reuse2);
    if (rc == 0 && subject_bind(d, fd, &a) == 0) {
        int l = peer_listen(d, 5, &to);
        note(d, subject_connect(d, fd, &to), "connect from there");
        settle(d);
        note(d, poll_bits(d, fd), "poll");
        close(l);
    }
    CALL(d, close, fd);
    spot_leave(d, &s);
}

static void conflicts(struct differ *d)
{
    for (int how = 0; how < HOLDERS; how++) {
        for (int i = 0; i < 16; i++) {
            conflict(d, (enum holder)how, i & 1, i & 2, (i & 4) != 0, i & 8);
        }
    }
}

/* Two sockets share a port by SO_REUSEADDR; then one takes the option back. */
static void reuse_taken_back(struct differ *d)
{
    struct sockaddr_in a = self_address(d, 0);
    int one = subject_socket(d), two = subject_socket(d), three = subject_socket(d);
    differ_case(d, "SO_REUSEADDR taken back");
    set_reuse(d, one, 1);
    set_reuse(d, two, 1);
    set_reuse(d, three, 1);
    note(d, subject_bind(d, one, &a), "bind one");
    a = self_address(d, port_of(d, one));
    set_reuse(d, one, 0);
    note(d, subject_bind(d, two, &a), "bind two");
    set_reuse(d, one, 1);
    note(d, subject_bind(d, three, &a), "bind three");
    note(d, CALL(d, listen, three, 1), "three listens");
    note(d, CALL(d, listen, one, 1), "one listens");
    CALL(d, close, three);
    note(d, CALL(d, listen, one, 1), "one listens when three is closed");
    CALL(d, close, one);
    CALL(d, close, two);
}

/* The same tuple twice. */
static void same_tuple(struct differ *d)
{
    struct sockaddr_in to, a = self_address(d, 0);
    int l = peer_listen(d, 5, &to);
    int one = subject_socket(d), two = subject_socket(d);
    differ_case(d, "the same tuple");
    set_reuse(d, one, 1);
    set_reuse(d, two, 1);
    note(d, subject_bind(d, one, &a), "bind one");
    a = self_address(d, port_of(d, one));
    note(d, subject_bind(d, two, &a), "bind two");
    note(d, subject_connect(d, one, &to), "connect one");
    settle(d);
    note(d, subject_connect(d, two, &to), "connect two");
    settle(d);
    note(d, poll_bits(d, two), "poll two");
    note(d, take_so_error(d, two), "SO_ERROR of two");
    CALL(d, close, one);
    CALL(d, close, two);
    close(l);
    settle(d);
}

void differ_names(struct differ *d)
{
    sockets(d);
    addresses(d);
    conflicts(d);
    reuse_taken_back(d);
    same_tuple(d);
}
