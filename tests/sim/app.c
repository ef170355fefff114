/* The applications: connect and accept, then read and write by their habits until both directions
 * have ended. They learn that they may go on as programs do: by mytcp_wait or mytcp_poll. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum { EVENTS = 64, LISTENER_DATA = 0x7fffffff, ACCEPT_RETRY_US = 10 * MS };

static void enqueue(struct endpoint *ep)
{
    struct host *h = ep->host;
    if (ep->queued || ep->state == EP_DONE || ep->state == EP_UNBORN) {
        return;
    }
    if (h->run_count == h->run_cap) {
        h->run_cap = h->run_cap == 0 ? 64 : 2 * h->run_cap;
        h->run = realloc(h->run, h->run_cap * sizeof(struct endpoint *));
        if (h->run == NULL) {
            abort();
        }
    }
    ep->queued = true;
    h->run[h->run_count++] = ep;
}

static uint64_t write_limit(const struct endpoint *ep)
{
    return ep->side == 1 && ep->conn->plan->echo ? ep->received : ep->total;
}

static bool wants_read(const struct endpoint *ep)
{
    if (ep->eof || ep->conn->world->now_us < ep->read_at_us) {
        return false;
    }
    return !(ep->side == 1 && ep->conn->plan->echo) ||
           ep->received - ep->sent < ep->habits->echo_room;
}

static bool wants_write(const struct endpoint *ep)
{
    return !ep->shut && ep->sent < write_limit(ep) && ep->conn->world->now_us >= ep->write_at_us;
}

/* ------------------------------------------------------------------ sockets ------------------ */

static void set(struct endpoint *ep, int level, int name, uint32_t value)
{
    int v = (int)value;
    if (value != 0 && mytcp_setsockopt(ep->host->stack, ep->fd, level, name, &v, sizeof(v)) != 0 &&
        !ep->conn->world->setup->fragile) {
        sim_fail(ep->conn->world, "setsockopt(%d, %d, %d): %s", level, name, v, strerror(errno));
    }
}

static void set_options(struct endpoint *ep)
{
    const struct habits *h = ep->habits;
    set(ep, SOL_SOCKET, SO_RCVBUF, h->rcvbuf);
    set(ep, SOL_SOCKET, SO_SNDBUF, h->sndbuf);
    set(ep, SOL_SOCKET, SO_KEEPALIVE, h->keepalive);
    set(ep, IPPROTO_TCP, TCP_KEEPIDLE, h->keepalive ? 1 : 0);
    set(ep, IPPROTO_TCP, TCP_KEEPINTVL, h->keepalive ? 5 : 0);
    set(ep, IPPROTO_TCP, TCP_KEEPCNT, h->keepalive ? 100 : 0);
    set(ep, IPPROTO_TCP, TCP_NODELAY, h->nodelay);
    set(ep, IPPROTO_TCP, TCP_QUICKACK, h->quickack);
    set(ep, IPPROTO_TCP, TCP_WINDOW_CLAMP, h->clamp);
    set(ep, IPPROTO_TCP, TCP_NOTSENT_LOWAT, h->lowat);
    if (h->cork) {
        set(ep, IPPROTO_TCP, TCP_CORK, 1);
        ep->corked = true;
    }
    if (h->reno && mytcp_setsockopt(ep->host->stack, ep->fd, IPPROTO_TCP, TCP_CONGESTION, "reno",
                                    4) != 0 && !ep->conn->world->setup->fragile) {
        sim_fail(ep->conn->world, "TCP_CONGESTION reno: %s", strerror(errno));
    }
}

static void watch(struct endpoint *ep)
{
    uint32_t want = 0;
    if ((ep->state != EP_CONNECTING && ep->state != EP_OPEN) ||
        ep->habits->policy == POLICY_POLL) {
        return;
    }
    if (ep->habits->policy == POLICY_EDGE) {
        want = POLLIN | POLLOUT | POLLRDHUP | MYTCP_ET;
    } else if (ep->state == EP_CONNECTING) {
        want = POLLOUT;
    } else {
        want = (wants_read(ep) && !ep->can_read ? POLLIN | POLLRDHUP : 0u) |
               (wants_write(ep) && !ep->can_write ? POLLOUT : 0u);
    }
    if (want == ep->watching) {
        return;
    }
    uint64_t data = 2u * ep->conn->index + ep->side;
    if (mytcp_watch(ep->host->stack, ep->fd, want, data) == 0) {
        ep->watching = want;
        return;
    }
    if (!ep->conn->world->setup->fragile) {
        sim_fail(ep->conn->world, "watch: %s", strerror(errno));
        return;
    }
    ep->can_read = ep->can_write = true; /* no memory to be told: ask */
    ep->told_read = ep->told_write = true;
    events_add(&ep->conn->world->events, ep->conn->world->now_us + ACCEPT_RETRY_US, EVENT_WAKE,
               ep->host->index, ep);
}

static struct sockaddr_in address(const struct host *h, uint16_t port)
{
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};
    sin.sin_addr.s_addr = host_address(h->index);
    return sin;
}

/* Socket, bind and connect; 0, or errno. */
static int try_connect(struct endpoint *ep)
{
    struct conn *c = ep->conn;
    mytcp_stack *stack = ep->host->stack;
    ep->fd = mytcp_socket(stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (ep->fd < 0) {
        return errno;
    }
    set_options(ep);
    if (c->port[ep->side] != 0) {
        struct sockaddr_in own = address(ep->host, c->port[ep->side]);
        int on = 1;
        mytcp_setsockopt(stack, ep->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (mytcp_bind(stack, ep->fd, (struct sockaddr *)&own, sizeof(own)) != 0) {
            return errno;
        }
    }
    struct sockaddr_in to = address(host_peer(ep->host), c->port[1 - ep->side]);
    if (mytcp_connect(stack, ep->fd, (struct sockaddr *)&to, sizeof(to)) != 0 &&
        errno != EINPROGRESS) {
        return errno;
    }
    struct sockaddr_in own;
    socklen_t len = sizeof(own);
    if (mytcp_getsockname(stack, ep->fd, (struct sockaddr *)&own, &len) != 0) {
        return errno;
    }
    c->port[ep->side] = ntohs(own.sin_port);
    return 0;
}

static void start_side(struct endpoint *ep)
{
    struct world *w = ep->conn->world;
    uint16_t port = ep->conn->port[ep->side];
    w->serving = ep->conn->index + 1;
    int error = try_connect(ep);
    w->serving = 0;
    sim_happened(w, 0, "conn %u.%u: connect", ep->conn->index, ep->side);
    sim_note(w, "conn %u.%u connect from %u: %d", ep->conn->index, ep->side,
             ep->conn->port[ep->side], error);
    if (error == 0) {
        ep->conn->birth = ++w->births;
        ep->state = EP_CONNECTING;
        watch(ep);
        enqueue(ep);
        return;
    }
    if ((error == EADDRINUSE || error == EADDRNOTAVAIL) && port != 0) { /* TIME-WAIT goes on */
        mytcp_close(ep->host->stack, ep->fd);
        ep->fd = -1;
        events_add(&w->events, w->now_us + 500 * MS, EVENT_START, ep->conn->index, NULL);
        return;
    }
    io_error(ep, "connect", error);
}

void app_start(struct conn *c)
{
    start_side(&c->end[0]);
    if (c->plan->simultaneous) {
        start_side(&c->end[1]);
    }
}

/* ------------------------------------------------------------------ the listening side ------- */

void app_listen(struct host *h)
{
    struct sockaddr_in own = address(h, SERVER_PORT);
    int on = 1;
    h->listener = mytcp_socket(h->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    mytcp_setsockopt(h->stack, h->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (h->listener < 0 ||
        mytcp_bind(h->stack, h->listener, (struct sockaddr *)&own, sizeof(own)) != 0 ||
        mytcp_listen(h->stack, h->listener, 4096) != 0 ||
        mytcp_watch(h->stack, h->listener, POLLIN, LISTENER_DATA) != 0) {
        sim_fail(h->world, "listen: %s", strerror(errno));
    }
}

void app_unlisten(struct host *h)
{
    if (mytcp_close(h->stack, h->listener) != 0) {
        sim_fail(h->world, "close of a listener: %s", strerror(errno));
    }
    h->listener = -1;
}

struct endpoint *app_find(struct world *w, uint32_t host, uint16_t lport, uint16_t rport)
{
    struct endpoint *found = NULL;
    for (uint32_t i = 0; i < w->setup->conns; i++) {
        struct conn *c = &w->conns[i];
        uint32_t side = c->plan->client == host ? 0 : 1;
        if (c->port[side] == lport && c->port[1 - side] == rport && c->birth != 0 &&
            (found == NULL || c->birth > found->conn->birth)) {
            found = &c->end[side];
        }
    }
    return found;
}

static void accepted(struct host *h, int fd, const struct sockaddr_in *from)
{
    struct endpoint *ep = app_find(h->world, h->index, SERVER_PORT, ntohs(from->sin_port));
    if (ep == NULL || ep->side == 0 || ep->state != EP_UNBORN ||
        from->sin_addr.s_addr != host_address(1 - h->index)) {
        h->world->strays++;
        if (!h->world->setup->cookies) {
            sim_fail(h->world, "host %u: a connection from port %u that nobody made", h->index,
                     ntohs(from->sin_port));
        }
        mytcp_close(h->stack, fd);
        return;
    }
    sim_note(h->world, "conn %u.1 accepted", ep->conn->index);
    sim_happened(h->world, 0, "conn %u.1: accept", ep->conn->index);
    ep->fd = fd;
    ep->state = EP_OPEN;
    ep->can_read = ep->can_write = true;
    set_options(ep);
    enqueue(ep);
}

static void run_listener(struct host *h)
{
    for (;;) {
        struct sockaddr_in from;
        socklen_t len = sizeof(from);
        int fd = mytcp_accept(h->stack, h->listener, (struct sockaddr *)&from, &len, SOCK_NONBLOCK);
        if (fd >= 0) {
            accepted(h, fd, &from);
            continue;
        }
        if (errno == EAGAIN) {
            return;
        }
        if (!h->world->setup->fragile) {
            sim_fail(h->world, "accept: %s", strerror(errno));
            return;
        }
        mytcp_watch(h->stack, h->listener, 0, LISTENER_DATA); /* no memory: again later */
        events_add(&h->world->events, h->world->now_us + ACCEPT_RETRY_US, EVENT_WAKE, h->index,
                   NULL);
        return;
    }
}

/* ------------------------------------------------------------------ going on ----------------- */

static void connecting(struct endpoint *ep)
{
    int error = 0;
    socklen_t len = sizeof(error);
    if (mytcp_getsockopt(ep->host->stack, ep->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0) {
        error = errno;
    }
    if (error != 0) {
        io_error(ep, "connect", error);
        return;
    }
    ep->state = EP_OPEN;
    ep->can_read = true;
    ep->told_read = ep->told_write = false;
}

/* What an endpoint does besides reading and writing. True if it did anything. */
static bool turn_to_end(struct endpoint *ep)
{
    const struct habits *h = ep->habits;
    struct conn *c = ep->conn;
    if (h->ending >= END_RUDE && ep->sent + ep->received >= h->end_after) {
        if (h->ending == END_ABORT) {
            struct linger linger = {1, 0};
            mytcp_setsockopt(ep->host->stack, ep->fd, SOL_SOCKET, SO_LINGER, &linger,
                             sizeof(linger));
        }
        ep->aborted = h->ending == END_ABORT;
        io_close(ep);
        return true;
    }
    bool echo = ep->side == 1 && c->plan->echo;
    bool all_sent = ep->sent == write_limit(ep) && (!echo || ep->eof);
    if (all_sent && !ep->shut && (!h->lazy || ep->eof)) {
        bool nothing_to_come = ep->eof || (c->plan->bytes[1 - ep->side] == 0 &&
                                           !(ep->side == 0 && c->plan->echo));
        if (h->ending == END_CLOSE && nothing_to_come) {
            io_close(ep);
            return true;
        }
        ep->shut = true;
        sim_happened(c->world, 0, "conn %u.%u: shutdown", c->index, ep->side);
        if (mytcp_shutdown(ep->host->stack, ep->fd, SHUT_WR) != 0) {
            io_error(ep, "shutdown", errno == ENOTCONN ? ECONNRESET : errno);
        }
        return true;
    }
    if (ep->shut && ep->eof) {
        io_close(ep);
        return true;
    }
    return false;
}

static void calls(struct endpoint *ep)
{
    for (uint32_t i = 0; i < ep->habits->burst && !ep->conn->world->failed; i++) {
        bool did = false;
        if (ep->state == EP_CONNECTING && ep->can_write) {
            connecting(ep);
            did = true;
        }
        if (ep->state == EP_OPEN && ep->can_read && wants_read(ep)) {
            io_read(ep);
            did = true;
        }
        if (ep->state == EP_OPEN && ep->can_write && wants_write(ep)) {
            io_write(ep, write_limit(ep));
            did = true;
        }
        if (ep->state == EP_OPEN && ep->corked && ep->sent == write_limit(ep)) {
            int off = 0;
            ep->corked = false;
            mytcp_setsockopt(ep->host->stack, ep->fd, IPPROTO_TCP, TCP_CORK, &off, sizeof(off));
        }
        if (ep->state == EP_OPEN) {
            did = turn_to_end(ep) || did;
        }
        if (!did) {
            watch(ep);
            return;
        }
    }
    watch(ep);
    enqueue(ep);
}

static void step(struct endpoint *ep)
{
    struct world *w = ep->conn->world;
    w->serving = ep->conn->index + 1;
    calls(ep);
    w->serving = 0;
}

static void notify(struct endpoint *ep, uint32_t events)
{
    bool level = ep->habits->policy != POLICY_EDGE;
    if (ep->state != EP_CONNECTING && ep->state != EP_OPEN) {
        sim_fail(ep->conn->world, "conn %u.%u: an event %x after close", ep->conn->index, ep->side,
                 events);
        return;
    }
    if ((events & (POLLIN | POLLRDHUP | POLLERR | POLLHUP)) != 0) {
        ep->can_read = true;
        ep->told_read = level;
    }
    if ((events & (POLLOUT | POLLERR | POLLHUP)) != 0) {
        ep->can_write = true;
        ep->told_write = level;
    }
    enqueue(ep);
}

/* Some endpoints ask with mytcp_poll what mytcp_wait tells the others. */
static void poll_one(struct endpoint *ep)
{
    bool connecting_now = ep->state == EP_CONNECTING;
    bool read = !connecting_now && wants_read(ep) && !ep->can_read;
    bool write = (connecting_now || wants_write(ep)) && !ep->can_write;
    struct pollfd p = {ep->fd, 0, 0};
    if ((!connecting_now && ep->state != EP_OPEN) || (!read && !write)) {
        return;
    }
    p.events = (short)((read ? POLLIN | POLLRDHUP : 0) | (write ? POLLOUT : 0));
    if (mytcp_poll(ep->host->stack, &p, 1, 0) != (p.revents != 0)) {
        sim_fail(ep->conn->world, "poll counts wrongly");
    }
    if ((p.revents & POLLNVAL) != 0) {
        sim_fail(ep->conn->world, "conn %u.%u: POLLNVAL of an open socket", ep->conn->index,
                 ep->side);
    } else if (p.revents != 0) {
        notify(ep, (uint32_t)p.revents);
    }
}

static void poll_all(struct host *h)
{
    for (struct endpoint *ep = h->polling; ep != NULL && !h->world->failed; ep = ep->next_polling) {
        poll_one(ep);
    }
}

void app_wake(struct host *h, struct endpoint *ep)
{
    if (ep != NULL) {
        enqueue(ep);
    } else if (h->listener >= 0) {
        mytcp_watch(h->stack, h->listener, POLLIN, LISTENER_DATA);
        run_listener(h);
    }
}

bool app_run(struct host *h)
{
    struct world *w = h->world;
    struct mytcp_event events[EVENTS];
    int n = mytcp_wait(h->stack, events, EVENTS, 0);
    if (n < 0) {
        sim_fail(w, "wait: %s", strerror(errno));
        return false;
    }
    for (int i = 0; i < n; i++) {
        uint64_t d = events[i].data;
        if (d == LISTENER_DATA) {
            run_listener(h);
        } else {
            notify(&w->conns[d / 2].end[d % 2], events[i].events);
        }
    }
    poll_all(h);
    uint32_t count = h->run_count;
    for (uint32_t i = 0; i < count && !w->failed; i++) {
        struct endpoint *ep = h->run[i];
        ep->queued = false;
        if (ep->state != EP_DONE) {
            step(ep);
        }
    }
    h->run_count -= count;
    if (h->run_count != 0) {
        memmove(h->run, h->run + count, h->run_count * sizeof(struct endpoint *));
    }
    return n != 0 || count != 0;
}
