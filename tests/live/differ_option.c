/* differ_option.c - every option, read and written with every kind of value, in several states. */
#include "live/differ.h"

#include <sys/time.h>

struct option_name {
    const char *name;
    int level, number;
};

#define OPTION(level, number) {#number, level, number}

static const struct option_name integers[] = {
    OPTION(SOL_SOCKET, SO_REUSEADDR),      OPTION(SOL_SOCKET, SO_KEEPALIVE),
    OPTION(SOL_SOCKET, SO_OOBINLINE),      OPTION(SOL_SOCKET, SO_RCVBUF),
    OPTION(SOL_SOCKET, SO_SNDBUF),         OPTION(SOL_SOCKET, SO_RCVLOWAT),
    OPTION(SOL_SOCKET, SO_TYPE),           OPTION(SOL_SOCKET, SO_DOMAIN),
    OPTION(SOL_SOCKET, SO_PROTOCOL),       OPTION(SOL_SOCKET, SO_ACCEPTCONN),
    OPTION(SOL_SOCKET, SO_ERROR),          OPTION(IPPROTO_TCP, TCP_NODELAY),
    OPTION(IPPROTO_TCP, TCP_CORK),         OPTION(IPPROTO_TCP, TCP_MAXSEG),
    OPTION(IPPROTO_TCP, TCP_KEEPIDLE),     OPTION(IPPROTO_TCP, TCP_KEEPINTVL),
    OPTION(IPPROTO_TCP, TCP_KEEPCNT),      OPTION(IPPROTO_TCP, TCP_SYNCNT),
    OPTION(IPPROTO_TCP, TCP_LINGER2),      OPTION(IPPROTO_TCP, TCP_DEFER_ACCEPT),
    OPTION(IPPROTO_TCP, TCP_WINDOW_CLAMP), OPTION(IPPROTO_TCP, TCP_QUICKACK),
    OPTION(IPPROTO_TCP, TCP_USER_TIMEOUT), OPTION(IPPROTO_TCP, TCP_NOTSENT_LOWAT),
    OPTION(IPPROTO_IP, IP_TOS),
};

static const struct option_name unknown[] = {
    {"level -1", -1, 1},           {"level 12345", 12345, 1},     {"level UDP", IPPROTO_UDP, 1},
    {"SOL_SOCKET 9999", SOL_SOCKET, 9999}, {"TCP 9999", IPPROTO_TCP, 9999},
    {"TCP -1", IPPROTO_TCP, -1},   {"SOL_SOCKET -1", SOL_SOCKET, -1},
};

static const int values[] = {INT_MIN, -1,  0,   1,    2,     3,     7,     40,     87,     88,
                             127,     128, 255, 1000, 32767, 32768, 65535, 100000, INT_MAX};

static void note_get(struct differ *d, int fd, const struct option_name *o, const char *what)
{
    int v = 0;
    socklen_t len = sizeof v;
    char value[16];
    if (CALL(d, getsockopt, fd, o->level, o->number, &v, &len) != 0) {
        note(d, -1, "%s", what);
        return;
    }
    snprintf(value, sizeof value, "%d", v);
    note_text(d, value, what);
}

static void sweep_values(struct differ *d, int fd, const struct option_name *o)
{
    note_get(d, fd, o, "default");
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char what[32];
        long rc = CALL(d, setsockopt, fd, o->level, o->number, &values[i], (socklen_t)sizeof(int));
        note(d, rc, "set %d", values[i]);
        snprintf(what, sizeof what, "after %d", values[i]);
        note_get(d, fd, o, what);
    }
}

static void sweep_lengths(struct differ *d, int fd, const struct option_name *o)
{
    static const socklen_t lengths[] = {0, 1, 2, 3, 4, 5, 8, 200, (socklen_t)-1};
    static const char one[256] = {1};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        char got[256];
        socklen_t len = lengths[i];
        memset(got, 0x5a, sizeof got);
        note(d, CALL(d, setsockopt, fd, o->level, o->number, one, len), "set length %d", (int)len);
        note(d, CALL(d, getsockopt, fd, o->level, o->number, got, &len), "get length %d",
             (int)lengths[i]);
        note(d, (long)len, "length after %d", (int)lengths[i]);
        note(d, len < sizeof got ? got[len] : 0, "byte beyond %d", (int)lengths[i]);
    }
}

static void sweep_nulls(struct differ *d, int fd, const struct option_name *o)
{
    char v[256];
    socklen_t len = sizeof v, none = 0, bad = (socklen_t)-1;
    note(d, CALL(d, setsockopt, fd, o->level, o->number, NULL, (socklen_t)sizeof(int)), "set NULL");
    note(d, CALL(d, setsockopt, fd, o->level, o->number, NULL, 0), "set NULL length 0");
    note(d, CALL(d, getsockopt, fd, o->level, o->number, v, NULL), "get no length");
    note(d, CALL(d, getsockopt, fd, o->level, o->number, NULL, &len), "get to NULL");
    note(d, CALL(d, getsockopt, fd, o->level, o->number, NULL, &none), "get to NULL length 0");
    note(d, CALL(d, getsockopt, fd, o->level, o->number, NULL, &bad), "get to NULL length -1");
}

static void sweep(struct differ *d, const char *state, const struct option_name *o)
{
    static void (*const kinds[])(struct differ *, int, const struct option_name *) = {
        sweep_values, sweep_lengths, sweep_nulls};
    static const char *const names[] = {"values", "lengths", "NULL"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct spot s;
        spot_enter_named(d, state, &s);
        differ_case(d, "%s: %s %s", state, o->name, names[i]);
        kinds[i](d, s.fd, o);
        spot_leave(d, &s);
    }
}

/* ---- structures ---- */

static void linger_values(struct differ *d, int fd)
{
    static const struct linger in[] = {{0, 0},  {1, 0},     {1, 5},      {1, -1},
                                       {0, 77}, {2, 65536}, {1, INT_MAX}, {1, INT_MIN}};
    for (size_t i = 0; i < sizeof in / sizeof in[0]; i++) {
        struct linger out = {.l_onoff = 99};
        socklen_t len = sizeof out;
        note(d, CALL(d, setsockopt, fd, SOL_SOCKET, SO_LINGER, &in[i], len), "set %d %d",
             in[i].l_onoff, in[i].l_linger);
        note(d, CALL(d, getsockopt, fd, SOL_SOCKET, SO_LINGER, &out, &len), "get");
        note(d, out.l_onoff, "l_onoff");
        note(d, out.l_linger, "l_linger after %d %d", in[i].l_onoff, in[i].l_linger);
    }
    struct linger off = {.l_onoff = 0};
    CALL(d, setsockopt, fd, SOL_SOCKET, SO_LINGER, &off, (socklen_t)sizeof off);
}

static void timeout_values(struct differ *d, int fd, int name)
{
    static const struct timeval in[] = {{0, 0},       {1, 500000}, {0, 1},
                                        {0, 999999},  {0, 1000000}, {0, -1},
                                        {-1, 0},      {5, -5},     {-5, 5},
                                        {86400, 0},   {LONG_MAX, 0}, {LONG_MAX / 2, 1}};
    for (size_t i = 0; i < sizeof in / sizeof in[0]; i++) {
        struct timeval out = {99, 99};
        socklen_t len = sizeof out;
        note(d, CALL(d, setsockopt, fd, SOL_SOCKET, name, &in[i], len), "set %ld %ld",
             (long)in[i].tv_sec, (long)in[i].tv_usec);
        note(d, CALL(d, getsockopt, fd, SOL_SOCKET, name, &out, &len), "get");
        note(d, (long)out.tv_sec, "seconds after %ld %ld", (long)in[i].tv_sec, (long)in[i].tv_usec);
        note(d, (long)out.tv_usec / 10000, "its 10 ms");
    }
}

static void congestion_values(struct differ *d, int fd)
{
    static const char *const in[] = {"reno", "nonsense", "", "cubic", "renominee", "reno"};
    for (size_t i = 0; i < sizeof in / sizeof in[0]; i++) {
        char out[32] = "";
        socklen_t len = sizeof out;
        socklen_t size = (socklen_t)strlen(in[i]);
        note(d, CALL(d, setsockopt, fd, IPPROTO_TCP, TCP_CONGESTION, in[i], size), "set '%s'",
             in[i]);
        note(d, CALL(d, getsockopt, fd, IPPROTO_TCP, TCP_CONGESTION, out, &len), "get");
        note(d, (long)len, "length");
        out[sizeof out - 1] = '\0';
        note_text(d, out, "name");
    }
}

static void structures(struct differ *d, const char *state)
{
    static const struct option_name wide[] = {
        OPTION(SOL_SOCKET, SO_LINGER),       OPTION(SOL_SOCKET, SO_RCVTIMEO),
        OPTION(SOL_SOCKET, SO_SNDTIMEO),     OPTION(IPPROTO_TCP, TCP_CONGESTION),
        OPTION(IPPROTO_TCP, TCP_INFO),
    };
    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++) {
        sweep(d, state, &wide[i]);
    }
    struct spot s;
    spot_enter_named(d, state, &s);
    differ_case(d, "%s: linger", state);
    linger_values(d, s.fd);
    differ_case(d, "%s: SO_RCVTIMEO", state);
    timeout_values(d, s.fd, SO_RCVTIMEO);
    differ_case(d, "%s: SO_SNDTIMEO", state);
    timeout_values(d, s.fd, SO_SNDTIMEO);
    differ_case(d, "%s: congestion", state);
    congestion_values(d, s.fd);
    spot_leave(d, &s);
}

/* What a listener's socket hands to those that it gives. */
static void inherited(struct differ *d)
{
    for (size_t i = 0; i < sizeof integers / sizeof integers[0]; i++) {
        struct spot s;
        int v = integers[i].number == SO_RCVBUF || integers[i].number == SO_SNDBUF ? 50000 : 1;
        spot_enter_named(d, "listening", &s);
        differ_case(d, "inherited: %s", integers[i].name);
        if (integers[i].level == IPPROTO_TCP && integers[i].number == TCP_MAXSEG) {
            v = 500;
        }
        note(d, CALL(d, setsockopt, s.fd, integers[i].level, integers[i].number, &v,
                     (socklen_t)sizeof v), "set on the listener");
        struct sockaddr_in a = self_address(d, port_of(d, s.fd));
        s.other = s.fd;
        s.peer = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(s.peer, (struct sockaddr *)&a, sizeof a);
        settle(d);
        (void)!send(s.peer, "x", 1, MSG_NOSIGNAL); /* TCP_DEFER_ACCEPT waits for it */
        settle(d);
        s.fd = subject_accept(d, s.other, NULL, NULL, SOCK_NONBLOCK);
        note_fd(d, s.fd, "accept");
        note_get(d, s.fd, &integers[i], "get");
        spot_leave(d, &s);
    }
}

void differ_options(struct differ *d)
{
    static const char *const states[] = {"fresh", "listening", "connecting", "established",
                                         "reset told", "never"};
    for (size_t s = 0; s < sizeof states / sizeof states[0]; s++) {
        for (size_t i = 0; i < sizeof integers / sizeof integers[0]; i++) {
            sweep(d, states[s], &integers[i]);
        }
        for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
            sweep(d, states[s], &unknown[i]);
        }
        structures(d, states[s]);
    }
    inherited(d);
}
