/* differ_call.c - every call that moves no data, in every state. */
#include "live/differ.h"

#include <linux/sockios.h>

struct probe {
    const char *name;
    void (*run)(struct differ *d, int fd, long arg);
    long arg;
};

static void get_bits(struct differ *d, int fd, long arg)
{
    (void)arg;
    note(d, poll_bits(d, fd), "poll");
    struct pollfd p = {.fd = fd, .events = 0};
    long n = CALL(d, poll, &p, 1, 0);
    note(d, n < 0 ? n : p.revents, "poll for nothing");
}

static void so_error(struct differ *d, int fd, long arg)
{
    (void)arg;
    note(d, take_so_error(d, fd), "SO_ERROR");
    note(d, take_so_error(d, fd), "SO_ERROR again");
}

static void tcp_state(struct differ *d, int fd, long arg)
{
    struct tcp_info info = {.tcpi_state = 0};
    socklen_t len = sizeof info.tcpi_state;
    (void)arg;
    long rc = CALL(d, getsockopt, fd, IPPROTO_TCP, TCP_INFO, &info, &len);
    for (int i = 0; i < 100 && rc == 0 && info.tcpi_state == TCP_FIN_WAIT1; i++) {
        settle_ms(d, 1); /* the peer may take its time to acknowledge */
        rc = CALL(d, getsockopt, fd, IPPROTO_TCP, TCP_INFO, &info, &len);
    }
    note(d, rc < 0 ? rc : info.tcpi_state, "TCP_INFO");
}

static void shut(struct differ *d, int fd, long how)
{
    note(d, CALL(d, shutdown, fd, (int)how), "shutdown");
}

static void shut_twice(struct differ *d, int fd, long how)
{
    note(d, CALL(d, shutdown, fd, (int)how), "shutdown");
    settle(d);
    note(d, CALL(d, shutdown, fd, (int)how), "shutdown again");
}

/* The name with so much room for it; LONG_MIN: no length at all. */
static void name_of(struct differ *d, int fd, long room, bool peer)
{
    struct sockaddr_in a = {.sin_family = 0};
    socklen_t len = (socklen_t)room, *lp = room == LONG_MIN ? NULL : &len;
    int rc = peer ? CALL(d, getpeername, fd, (struct sockaddr *)&a, lp)
                  : CALL(d, getsockname, fd, (struct sockaddr *)&a, lp);
    note_name(d, rc, &a, len, "name");
}
static void sock_name(struct differ *d, int fd, long room) { name_of(d, fd, room, false); }
static void peer_name(struct differ *d, int fd, long room) { name_of(d, fd, room, true); }

static void sock_name_null(struct differ *d, int fd, long room)
{
    socklen_t len = (socklen_t)room;
    note(d, CALL(d, getsockname, fd, NULL, &len), "getsockname");
    note(d, CALL(d, getpeername, fd, NULL, &len), "getpeername");
}

static void do_listen(struct differ *d, int fd, long backlog)
{
    note(d, CALL(d, listen, fd, (int)backlog), "listen");
}

static void do_bind(struct differ *d, int fd, long len)
{
    struct sockaddr_in a = self_address(d, 0);
    note(d, CALL(d, bind, fd, (struct sockaddr *)&a, (socklen_t)len), "bind");
}

static void do_bind_family(struct differ *d, int fd, long family)
{
    struct sockaddr_in a = self_address(d, 0);
    a.sin_family = (sa_family_t)family;
    note(d, subject_bind(d, fd, &a), "bind");
    a.sin_addr.s_addr = INADDR_ANY;
    note(d, subject_bind(d, fd, &a), "bind to any");
}

static void do_bind_null(struct differ *d, int fd, long len)
{
    note(d, CALL(d, bind, fd, NULL, (socklen_t)len), "bind");
}

static void do_connect(struct differ *d, int fd, long len)
{
    struct sockaddr_in a;
    int l = peer_listen(d, 5, &a);
    note(d, CALL(d, connect, fd, (struct sockaddr *)&a, (socklen_t)len), "connect");
    settle(d);
    note(d, CALL(d, connect, fd, (struct sockaddr *)&a, (socklen_t)len), "connect again");
    settle(d);
    note(d, CALL(d, connect, fd, (struct sockaddr *)&a, (socklen_t)len), "connect once more");
    note(d, poll_bits(d, fd), "poll");
    close(l);
}

static void do_connect_family(struct differ *d, int fd, long family)
{
    struct sockaddr_in a;
    int l = peer_listen(d, 5, &a);
    a.sin_family = (sa_family_t)family;
    note(d, subject_connect(d, fd, &a), "connect");
    note(d, poll_bits(d, fd), "poll");
    note(d, subject_connect(d, fd, &a), "connect again");
    close(l);
}

static void do_connect_null(struct differ *d, int fd, long len)
{
    note(d, CALL(d, connect, fd, NULL, (socklen_t)len), "connect");
}

static void do_accept(struct differ *d, int fd, long flags)
{
    int got = subject_accept(d, fd, NULL, NULL, (int)flags);
    note_fd(d, got, "accept");
    if (got >= 0) {
        note(d, CALL(d, fcntl, got, F_GETFL, 0), "F_GETFL of the new one");
        note(d, poll_bits(d, got), "poll of the new one");
        CALL(d, close, got);
    }
    got = subject_accept(d, fd, NULL, NULL, (int)flags);
    note_fd(d, got, "accept again");
}

/* accept with so much room for the name; LONG_MIN: no length at all. */
static void accept_name(struct differ *d, int fd, long room)
{
    struct sockaddr_in a = {.sin_family = 0};
    socklen_t len = (socklen_t)room, *lp = room == LONG_MIN ? NULL : &len;
    int got = subject_accept(d, fd, (struct sockaddr *)&a, lp, 0);
    note_name(d, got < 0 ? got : 0, &a, len, "accept");
    if (got >= 0) {
        CALL(d, close, got);
    } else {
        note_fd(d, subject_accept(d, fd, NULL, NULL, 0), "accept afterwards");
    }
}

static void accept_no_address(struct differ *d, int fd, long room)
{
    socklen_t len = (socklen_t)room;
    note_fd(d, subject_accept(d, fd, NULL, &len, 0), "accept");
    note(d, (long)len, "length");
}

static void control(struct differ *d, int fd, long request)
{
    int v = 77;
    long rc = CALL(d, ioctl, fd, (unsigned long)request, &v);
    note(d, rc, "ioctl");
    note(d, v, "value");
}

static void control_null(struct differ *d, int fd, long request)
{
    note(d, CALL(d, ioctl, fd, (unsigned long)request, NULL), "ioctl");
}

static void flags_of(struct differ *d, int fd, long arg)
{
    note(d, CALL(d, fcntl, fd, F_GETFL, 0), "F_GETFL");
    note(d, CALL(d, fcntl, fd, F_SETFL, (int)arg), "F_SETFL");
    note(d, CALL(d, fcntl, fd, F_GETFL, 0), "F_GETFL");
}

static void unknown_fcntl(struct differ *d, int fd, long cmd)
{
    note(d, CALL(d, fcntl, fd, (int)cmd, 0), "fcntl");
}

static void do_close(struct differ *d, int fd, long arg)
{
    (void)arg;
    note(d, CALL(d, close, fd), "close");
    settle(d);
}

static const struct probe probes[] = {
    {"poll", get_bits, 0},
    {"SO_ERROR", so_error, 0},
    {"TCP_INFO", tcp_state, 0},
    {"shutdown RD", shut, SHUT_RD},
    {"shutdown WR", shut, SHUT_WR},
    {"shutdown RDWR", shut, SHUT_RDWR},
    {"shutdown 3", shut, 3},
    {"shutdown -1", shut, -1},
    {"shutdown WR twice", shut_twice, SHUT_WR},
    {"shutdown RD twice", shut_twice, SHUT_RD},
    {"getsockname", sock_name, sizeof(struct sockaddr_in)},
    {"getsockname short", sock_name, 4},
    {"getsockname 0", sock_name, 0},
    {"getsockname -1", sock_name, -1},
    {"getsockname 100", sock_name, 100},
    {"getsockname no length", sock_name, LONG_MIN},
    {"getpeername", peer_name, sizeof(struct sockaddr_in)},
    {"getpeername short", peer_name, 4},
    {"getpeername -1", peer_name, -1},
    {"getpeername no length", peer_name, LONG_MIN},
    {"names to NULL", sock_name_null, 16},
    {"names to NULL, no room", sock_name_null, 0},
    {"listen", do_listen, 5},
    {"listen -1", do_listen, -1},
    {"listen huge", do_listen, INT_MAX},
    {"bind", do_bind, sizeof(struct sockaddr_in)},
    {"bind short", do_bind, sizeof(struct sockaddr_in) - 1},
    {"bind length 0", do_bind, 0},
    {"bind length -1", do_bind, -1},
    {"bind length 200", do_bind, 200},
    {"bind AF_INET6", do_bind_family, AF_INET6},
    {"bind AF_UNSPEC", do_bind_family, AF_UNSPEC},
    {"bind AF_UNIX", do_bind_family, AF_UNIX},
    {"bind NULL", do_bind_null, sizeof(struct sockaddr_in)},
    {"bind NULL length 0", do_bind_null, 0},
    {"connect", do_connect, sizeof(struct sockaddr_in)},
    {"connect short", do_connect, sizeof(struct sockaddr_in) - 1},
    {"connect length 1", do_connect, 1},
    {"connect length -1", do_connect, -1},
    {"connect AF_INET6", do_connect_family, AF_INET6},
    {"connect AF_UNSPEC", do_connect_family, AF_UNSPEC},
    {"connect NULL", do_connect_null, sizeof(struct sockaddr_in)},
    {"connect NULL length 0", do_connect_null, 0},
    {"accept", do_accept, 0},
    {"accept SOCK_NONBLOCK", do_accept, SOCK_NONBLOCK},
    {"accept bad flags", do_accept, 1},
    {"accept with name", accept_name, sizeof(struct sockaddr_in)},
    {"accept with short name", accept_name, 4},
    {"accept with name -1", accept_name, -1},
    {"accept without length", accept_name, LONG_MIN},
    {"accept without address", accept_no_address, 16},
    {"FIONREAD", control, FIONREAD},
    {"SIOCOUTQ", control, SIOCOUTQ},
    {"SIOCOUTQNSD", control, SIOCOUTQNSD},
    {"SIOCATMARK", control, SIOCATMARK},
    {"FIONBIO", control, FIONBIO},
    {"ioctl unknown", control, 0x12345678},
    {"FIONREAD NULL", control_null, FIONREAD},
    {"SIOCOUTQ NULL", control_null, SIOCOUTQ},
    {"FIONBIO NULL", control_null, FIONBIO},
    {"ioctl unknown NULL", control_null, 0x12345678},
    {"F_SETFL", flags_of, 0},
    {"fcntl unknown", unknown_fcntl, 12345},
    {"close", do_close, 0},
};

void differ_calls(struct differ *d)
{
    for (const struct state *state = differ_states; state->name != NULL; state++) {
        for (size_t i = 0; i < sizeof probes / sizeof probes[0]; i++) {
            struct spot s;
            spot_enter(d, state, &s);
            differ_case(d, "%s: %s", state->name, probes[i].name);
            probes[i].run(d, s.fd, probes[i].arg);
            if (probes[i].run == do_close && d->side.stack == NULL && s.fd >= 0) {
                s.fd = 1 << 30;
            }
            note_aftermath(d, &s);
            spot_leave(d, &s);
        }
    }
}
