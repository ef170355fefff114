/* differ_story.c - sequences of calls over a connection's life, where one changes what the next
 * gives. */
#include "live/differ.h"

#include <sys/time.h>

static ssize_t say(struct differ *d, const struct spot *s, const char *text)
{
    return CALL(d, send, s->fd, text, strlen(text), MSG_NOSIGNAL);
}

static void note_read(struct differ *d, const struct spot *s, size_t room, const char *what)
{
    char data[64] = "";
    ssize_t n = CALL(d, recv, s->fd, data, room, 0);
    note(d, n, "%s", what);
    if (n > 0) {
        data[n] = '\0';
        note_text(d, data, "data");
    }
}

static void note_peer_read(struct differ *d, const struct spot *s, const char *what)
{
    char data[64];
    settle(d);
    note(d, recv(s->peer, data, sizeof data, 0), "%s", what);
}

/* connect again and again: after refusal, after establishment, after the end. */
static void connects(struct differ *d)
{
    struct sockaddr_in good, bad;
    int l = peer_listen(d, 5, &good);
    close(peer_listen(d, 5, &bad));
    struct spot s = {subject_socket(d), -1, -1, -1};
    differ_case(d, "connect: refused, then to a listener");
    note(d, subject_connect(d, s.fd, &bad), "connect");
    settle(d);
    note(d, poll_bits(d, s.fd), "poll");
    note(d, subject_connect(d, s.fd, &bad), "connect tells");
    note(d, poll_bits(d, s.fd), "poll when told");
    note(d, subject_connect(d, s.fd, &good), "connect anew");
    settle(d);
    note(d, poll_bits(d, s.fd), "poll");
    note(d, subject_connect(d, s.fd, &good), "connect");
    note(d, subject_connect(d, s.fd, &good), "connect again");
    s.peer = peer_accept(d, l);
    note(d, say(d, &s, "hello"), "send");
    note_peer_read(d, &s, "the peer reads");
    spot_leave(d, &s);

    s = (struct spot){subject_socket(d), -1, -1, -1};
    differ_case(d, "connect: refused, told by SO_ERROR");
    note(d, subject_connect(d, s.fd, &bad), "connect");
    settle(d);
    note(d, take_so_error(d, s.fd), "SO_ERROR");
    note(d, take_so_error(d, s.fd), "SO_ERROR again");
    note(d, subject_connect(d, s.fd, &good), "connect tells");
    note(d, subject_connect(d, s.fd, &good), "connect anew");
    settle(d);
    note(d, subject_connect(d, s.fd, &good), "connect");
    spot_leave(d, &s);
    close(l);
}

/* A connection ends; may the socket have another? */
static void reconnect(struct differ *d, const char *state)
{
    struct sockaddr_in a;
    struct spot s;
    int l = peer_listen(d, 5, &a);
    spot_enter_named(d, state, &s);
    differ_case(d, "reconnect after %s", state);
    unsigned port = port_of(d, s.fd);
    while (CALL(d, recv, s.fd, &a, 0, MSG_DONTWAIT) < 0 && errno != EAGAIN && errno != ENOTCONN) {
    }
    note(d, subject_connect(d, s.fd, &a), "connect");
    settle(d);
    note(d, subject_connect(d, s.fd, &a), "connect again");
    settle(d);
    note(d, subject_connect(d, s.fd, &a), "connect once more");
    settle(d);
    note(d, poll_bits(d, s.fd), "poll");
    int peer = accept4(l, NULL, NULL, SOCK_NONBLOCK);
    note_fd(d, peer, "the peer accepts");
    if (peer >= 0) {
        note(d, say(d, &s, "once more"), "send");
        settle(d);
        char data[64];
        note(d, recv(peer, data, sizeof data, 0), "the peer reads");
        (void)!send(peer, "yes", 3, 0);
        settle(d);
        note_read(d, &s, 60, "recv");
        note(d, port_of(d, s.fd) == port, "the same port");
        peer_reset(d, &peer);
    }
    spot_leave(d, &s);
    close(l);
}

/* AF_UNSPEC dissolves; bind, listen, connect afterwards. */
static void dissolved(struct differ *d, const char *state)
{
    struct sockaddr_in to, none = {.sin_family = AF_UNSPEC}, a = self_address(d, 0);
    struct spot s;
    int l = peer_listen(d, 5, &to);
    spot_enter_named(d, state, &s);
    differ_case(d, "dissolve %s", state);
    note(d, subject_connect(d, s.fd, &none), "connect to nothing");
    note_aftermath(d, &s);
    note(d, port_of(d, s.fd) != 0, "it has a port");
    note_read(d, &s, 60, "recv");
    note(d, say(d, &s, "x"), "send");
    note(d, subject_bind(d, s.fd, &a), "bind");
    note(d, subject_connect(d, s.fd, &to), "connect");
    settle(d);
    note(d, poll_bits(d, s.fd), "poll");
    note_read(d, &s, 60, "recv");
    note(d, say(d, &s, "x"), "send");
    note(d, subject_connect(d, s.fd, &none), "connect to nothing again");
    note(d, CALL(d, listen, s.fd, 1), "listen");
    note(d, poll_bits(d, s.fd), "poll");
    spot_leave(d, &s);
    close(l);
}

/* Both halves closed in turn, with data. */
static void half_closes(struct differ *d)
{
    struct spot s;
    spot_enter_named(d, "established", &s);
    differ_case(d, "half-close");
    note(d, say(d, &s, "question"), "send");
    note(d, CALL(d, shutdown, s.fd, SHUT_WR), "shutdown");
    note_peer_read(d, &s, "the peer reads");
    note_peer_read(d, &s, "the peer reads the end");
    note(d, poll_bits(d, s.fd), "poll");
    note(d, say(d, &s, "x"), "send");
    (void)!send(s.peer, "answer", 6, 0);
    settle(d);
    note(d, poll_bits(d, s.fd), "poll with data");
    note_read(d, &s, 3, "recv some");
    shutdown(s.peer, SHUT_WR);
    settle(d);
    note(d, poll_bits(d, s.fd), "poll at both ends' end");
    note_read(d, &s, 60, "recv the rest");
    note_read(d, &s, 60, "recv the end");
    note_read(d, &s, 60, "recv the end again");
    note(d, poll_bits(d, s.fd), "poll");
    note(d, say(d, &s, "x"), "send");
    note(d, take_so_error(d, s.fd), "SO_ERROR");
    spot_leave(d, &s);

    spot_enter_named(d, "shut read", &s);
    differ_case(d, "data after shutdown for reading");
    (void)!send(s.peer, "late", 4, 0);
    settle(d);
    note(d, poll_bits(d, s.fd), "poll");
    note_read(d, &s, 60, "recv");
    note_read(d, &s, 60, "recv again");
    note(d, say(d, &s, "x"), "send");
    note_peer_read(d, &s, "the peer reads");
    spot_leave(d, &s);
}

/* After a RST each call tells of it once, or not. */
static void errors_once(struct differ *d, const char *state)
{
    struct spot s;
    spot_enter_named(d, state, &s);
    differ_case(d, "once: send, send, recv after %s", state);
    note(d, say(d, &s, "x"), "send");
    note(d, say(d, &s, "x"), "send again");
    note_read(d, &s, 60, "recv");
    note_read(d, &s, 60, "recv again");
    note_aftermath(d, &s);
    spot_leave(d, &s);
    spot_enter_named(d, state, &s);
    differ_case(d, "once: recv, recv, send after %s", state);
    note_read(d, &s, 4, "recv");
    note_read(d, &s, 60, "recv again");
    note_read(d, &s, 60, "recv once more");
    note(d, say(d, &s, "x"), "send");
    note(d, say(d, &s, "x"), "send again");
    note_aftermath(d, &s);
    spot_leave(d, &s);
    spot_enter_named(d, state, &s);
    differ_case(d, "once: shutdown after %s", state);
    note(d, CALL(d, shutdown, s.fd, SHUT_WR), "shutdown");
    note_read(d, &s, 60, "recv");
    note_read(d, &s, 60, "recv again");
    note_aftermath(d, &s);
    spot_leave(d, &s);
}

/* What the peer sees when the subject closes. */
static void closing(struct differ *d, const char *state, int onoff, int seconds)
{
    struct linger linger = {.l_onoff = onoff, .l_linger = seconds};
    struct spot s;
    spot_enter_named(d, state, &s);
    differ_case(d, "close %s, linger %d %d", state, onoff, seconds);
    note(d, CALL(d, setsockopt, s.fd, SOL_SOCKET, SO_LINGER, &linger, (socklen_t)sizeof linger),
         "SO_LINGER");
    note(d, CALL(d, close, s.fd), "close");
    s.fd = -1;
    if (s.peer >= 0) {
        settle_ms(d, 3);
        struct pollfd p = {.fd = s.peer, .events = POLLIN | POLLOUT | POLLRDHUP};
        poll(&p, 1, 0);
        note(d, p.revents, "the peer polls");
        note_peer_read(d, &s, "the peer reads");
        (void)!send(s.peer, "x", 1, MSG_NOSIGNAL);
        settle_ms(d, 3);
        note_peer_read(d, &s, "the peer reads after sending");
        note(d, send(s.peer, "x", 1, MSG_NOSIGNAL), "the peer sends");
    }
    spot_leave(d, &s);
}

/* Blocking calls with a limit. */
static void timeouts(struct differ *d)
{
    static char block[65536];
    struct timeval limit = {.tv_usec = 50000};
    struct spot s;
    struct sockaddr_in a;
    char data[8];
    spot_enter_named(d, "established", &s);
    differ_case(d, "timeouts");
    CALL(d, fcntl, s.fd, F_SETFL, 0);
    CALL(d, setsockopt, s.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, (socklen_t)sizeof limit);
    CALL(d, setsockopt, s.fd, SOL_SOCKET, SO_SNDTIMEO, &limit, (socklen_t)sizeof limit);
    uint64_t from_us = mytcp_tun_now_us();
    note(d, CALL(d, recv, s.fd, data, sizeof data, 0), "recv");
    uint64_t took_us = mytcp_tun_now_us() - from_us;
    note(d, took_us >= 45000 && took_us < 1000000, "it took its time");
    (void)!send(s.peer, "abc", 3, 0);
    note(d, CALL(d, recv, s.fd, data, sizeof data, MSG_WAITALL), "recv all");
    while (CALL(d, send, s.fd, block, sizeof block, MSG_NOSIGNAL) >= 0) {
    }
    note(d, -1, "send when full");
    spot_leave(d, &s);

    spot_enter_named(d, "listening", &s);
    differ_case(d, "timeout of accept");
    CALL(d, fcntl, s.fd, F_SETFL, 0);
    CALL(d, setsockopt, s.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, (socklen_t)sizeof limit);
    note_fd(d, subject_accept(d, s.fd, NULL, NULL, 0), "accept");
    spot_leave(d, &s);

    spot_enter_named(d, "connecting", &s);
    differ_case(d, "timeout of connect");
    socklen_t len = sizeof a;
    getsockname(s.peer_listener, (struct sockaddr *)&a, &len);
    int fd = CALL(d, socket, AF_INET, SOCK_STREAM, 0);
    CALL(d, setsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, &limit, (socklen_t)sizeof limit);
    note(d, subject_connect(d, fd, &a), "connect");
    note(d, subject_connect(d, fd, &a), "connect again");
    note(d, CALL(d, recv, fd, data, sizeof data, MSG_DONTWAIT), "recv");
    CALL(d, close, fd);
    spot_leave(d, &s);
}

/* Urgent data, in line. */
static void urgent(struct differ *d)
{
    struct spot s;
    int mark = -1;
    spot_enter_named(d, "urgent", &s);
    differ_case(d, "urgent data");
    for (int i = 0; i < 4; i++) {
        CALL(d, ioctl, s.fd, SIOCATMARK, &mark);
        note(d, mark, "at the mark");
        note(d, poll_bits(d, s.fd), "poll");
        note_read(d, &s, 60, "recv");
    }
    note(d, CALL(d, send, s.fd, "abc", 3, MSG_OOB | MSG_NOSIGNAL), "send urgent");
    settle(d);
    struct pollfd p = {.fd = s.peer, .events = POLLPRI | POLLIN};
    poll(&p, 1, 0);
    note(d, p.revents, "the peer polls");
    char data[8];
    note(d, recv(s.peer, data, sizeof data, MSG_OOB), "the peer's urgent byte");
    note_text(d, (char[]){data[0], '\0'}, "it is");
    note(d, recv(s.peer, data, sizeof data, 0), "the peer reads");
    spot_leave(d, &s);
}

/* Peek and a partial read at the urgent mark; low water. */
static void low_water(struct differ *d)
{
    struct spot s;
    int low = 20;
    spot_enter_named(d, "readable", &s);
    differ_case(d, "SO_RCVLOWAT above what is there");
    note(d, CALL(d, setsockopt, s.fd, SOL_SOCKET, SO_RCVLOWAT, &low, (socklen_t)sizeof low), "set");
    note(d, poll_bits(d, s.fd), "poll");
    note_read(d, &s, 4, "recv");
    note(d, poll_bits(d, s.fd), "poll");
    (void)!send(s.peer, "01234567890123456789", 20, 0);
    settle(d);
    note(d, poll_bits(d, s.fd), "poll when enough");
    spot_leave(d, &s);
}

/* From the port of a TIME-WAIT to the same peer: not at once, but when timestamps have moved on. */
static void after_time_wait(struct differ *d)
{
    struct sockaddr_in to, a = self_address(d, 0);
    struct spot s = {subject_socket(d), -1, -1, peer_listen(d, 5, &to)};
    int on = 1;
    for (int i = 0; i < 3; i++) {
        static const char *const when[] = {"before", "in", "a second into"};
        differ_case(d, "connect %s TIME-WAIT", when[i]);
        CALL(d, setsockopt, s.fd, SOL_SOCKET, SO_REUSEADDR, &on, (socklen_t)sizeof on);
        note(d, subject_bind(d, s.fd, &a), "bind");
        note(d, subject_connect(d, s.fd, &to), "connect");
        settle(d);
        note(d, poll_bits(d, s.fd), "poll");
        s.peer = accept4(s.peer_listener, NULL, NULL, SOCK_NONBLOCK);
        note_fd(d, s.peer, "the peer accepts");
        a = self_address(d, port_of(d, s.fd));
        CALL(d, close, s.fd);
        settle(d);
        if (s.peer >= 0) {
            close(s.peer);
            settle(d);
        }
        s.fd = subject_socket(d);
        settle_ms(d, i == 1 ? 2200 : 0);
    }
    s.peer = -1;
    spot_leave(d, &s);
}

/* Not inline: the compiler would see that the arguments are wrong. */
__attribute__((noinline)) static int poll_of(struct differ *d, struct pollfd *p, nfds_t n)
{
    return CALL(d, poll, p, n, 1);
}

/* Bad arguments of poll. */
static void polls(struct differ *d)
{
    struct pollfd p[2] = {{.fd = -1, .events = POLLIN, .revents = 77},
                          {.fd = 1 << 30, .revents = 77}};
    differ_case(d, "poll");
    note(d, poll_of(d, NULL, 0), "nothing");
    note(d, poll_of(d, NULL, 1), "NULL");
    note(d, poll_of(d, p, 2), "a negative and a bad descriptor");
    note(d, p[0].revents, "of the negative one");
    note(d, p[1].revents, "of the bad one");
    note(d, poll_of(d, p, 1), "a negative one");
    note(d, poll_of(d, p, (nfds_t)1 << 30), "too many");
}

void differ_stories(struct differ *d)
{
    static const char *const ends[] = {"own FIN then peer FIN", "peer FIN then own FIN", "reset",
                                       "reset told", "reset after own FIN", "connecting shut",
                                       "refused", "refused told", "listener shut", "unspec"};
    static const char *const resets[] = {"reset", "reset told", "reset with data", "refused",
                                         "reset after own FIN", "reset after peer FIN",
                                         "accepted after reset"};
    static const char *const alive[] = {"fresh", "bound", "listening", "pending", "connecting",
                                        "established", "readable", "peer FIN", "own FIN",
                                        "shut read", "data and peer FIN", "reset", "refused"};
    connects(d);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        reconnect(d, ends[i]);
    }
    for (size_t i = 0; i < sizeof resets / sizeof resets[0]; i++) {
        errors_once(d, resets[i]);
    }
    for (size_t i = 0; i < sizeof alive / sizeof alive[0]; i++) {
        dissolved(d, alive[i]);
        closing(d, alive[i], 0, 0);
        closing(d, alive[i], 1, 0);
        closing(d, alive[i], 1, 1);
    }
    half_closes(d);
    timeouts(d);
    after_time_wait(d);
    urgent(d);
    low_water(d);
    polls(d);
}
