/* Single calls of an application on its socket, and what must be true of their results. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

#include "sim.h"

static const uint32_t RETRY_US = 10 * MS; /* after a call that found no memory */

bool conn_strict(const struct conn *c)
{
    const struct plan *p = c->plan;
    return !c->world->setup->fragile && p->habits[0].ending < END_RUDE &&
           p->habits[1].ending < END_RUDE;
}

static void done(struct endpoint *ep)
{
    struct conn *c = ep->conn;
    struct world *w = c->world;
    ep->state = EP_DONE;
    bool never = c->end[0].state == EP_DONE && c->end[1].state == EP_UNBORN &&
                 (!conn_strict(c) || c->end[0].error != 0);
    if (!c->over && (never || (c->end[0].state == EP_DONE && c->end[1].state == EP_DONE))) {
        c->over = true;
        w->over++;
        uint32_t next = c->index + CHAINS;
        while (next < w->setup->conns && w->plans[next].absent) {
            next += CHAINS;
        }
        if (next < w->setup->conns && w->plans[next].chained) {
            events_add(&w->events, w->now_us + 1, EVENT_START, next, NULL);
        }
    }
}

void io_close(struct endpoint *ep)
{
    sim_note(ep->conn->world, "conn %u.%u close: sent %llu received %llu eof %d", ep->conn->index,
             ep->side, (unsigned long long)ep->sent, (unsigned long long)ep->received, ep->eof);
    sim_happened(ep->conn->world, 0, "conn %u.%u: close", ep->conn->index, ep->side);
    if (ep->fd >= 0 && mytcp_close(ep->host->stack, ep->fd) != 0) {
        sim_fail(ep->conn->world, "conn %u.%u: close: %s", ep->conn->index, ep->side,
                 strerror(errno));
    }
    if (ep->fd >= 0 && (mytcp_close(ep->host->stack, ep->fd) == 0 || errno != EBADF)) {
        sim_fail(ep->conn->world, "conn %u.%u: a stale descriptor is not EBADF", ep->conn->index,
                 ep->side);
    }
    ep->fd = -1;
    ep->closed = true;
    done(ep);
}

/* Where there is nothing amiss but memory, a connection may fail by a connect() that says so, and then
 * the other side's may. */
static bool scarcity_allows(const struct endpoint *ep, int error)
{
    const struct plan *p = ep->conn->plan;
    return !ep->conn->world->setup->scarce || p->habits[0].ending >= END_RUDE ||
           p->habits[1].ending >= END_RUDE || endpoint_peer(ep)->error != 0 ||
           (ep->state == EP_UNBORN && (error == ENOBUFS || error == ENOMEM));
}

/* A connection that fails: is it allowed to, and with this? */
void io_error(struct endpoint *ep, const char *call, int error)
{
    static const int LEGAL[] = {ECONNRESET, EPIPE, ETIMEDOUT, ECONNREFUSED, ECONNABORTED, ENOBUFS,
                                ENOMEM, EHOSTUNREACH};
    struct world *w = ep->conn->world;
    bool legal = false;
    for (size_t i = 0; i < sizeof(LEGAL) / sizeof(LEGAL[0]); i++) {
        legal = legal || LEGAL[i] == error;
    }
    if (!legal || conn_strict(ep->conn) || !scarcity_allows(ep, error)) {
        sim_fail(w, "conn %u.%u: %s: %s after %llu bytes sent, %llu received", ep->conn->index,
                 ep->side, call, strerror(error), (unsigned long long)ep->sent,
                 (unsigned long long)ep->received);
    }
    ep->error = error;
    ep->aborted = true;
    io_close(ep);
}

/* A call returned -1. True if the endpoint may go on later. */
static void refused(struct endpoint *ep, const char *call, bool reading)
{
    struct world *w = ep->conn->world;
    int error = errno;
    bool told = reading ? ep->told_read : ep->told_write;
    if ((error == ENOBUFS || error == ENOMEM) && w->setup->fragile) {
        error = EAGAIN;
        told = true;
    }
    if (error != EAGAIN) {
        io_error(ep, call, error);
        return;
    }
    if (told && !w->setup->fragile) {
        sim_fail(w, "conn %u.%u: told that it may %s, but %s is EAGAIN", ep->conn->index, ep->side,
                 reading ? "read" : "write", call);
    }
    if (told) { /* no memory: ask again later */
        uint64_t at = w->now_us + RETRY_US;
        *(reading ? &ep->read_at_us : &ep->write_at_us) = at;
        events_add(&w->events, at, EVENT_WAKE, ep->host->index, ep);
    } else {
        *(reading ? &ep->can_read : &ep->can_write) = false;
    }
    ep->told_read = reading ? false : ep->told_read;
    ep->told_write = reading ? ep->told_write : false;
}

static void at_end(struct endpoint *ep)
{
    const struct endpoint *peer = endpoint_peer(ep);
    ep->eof = true;
    ep->eof_us = ep->conn->world->now_us;
    if ((!peer->shut && !(peer->closed && !peer->aborted)) || peer->sent != ep->received) {
        sim_fail(ep->conn->world, "conn %u.%u: end of stream after %llu bytes, %llu sent%s",
                 ep->conn->index, ep->side, (unsigned long long)ep->received,
                 (unsigned long long)peer->sent, peer->shut ? "" : ", which were not all");
    }
}

static void received(struct endpoint *ep, const uint8_t *data, size_t len, uint64_t offset)
{
    struct world *w = ep->conn->world;
    const struct endpoint *peer = endpoint_peer(ep);
    size_t right = data == NULL ? len : pattern_check(w, peer->key, offset, data, len);
    if (right != len || offset + len > peer->sent) {
        sim_fail(w, "conn %u.%u: received a wrong byte at %llu (%llu sent, %zu bytes at %llu)",
                 ep->conn->index, ep->side, (unsigned long long)(offset + right),
                 (unsigned long long)peer->sent, len, (unsigned long long)offset);
    }
}

static ssize_t read_zero_copy(struct endpoint *ep, size_t want)
{
    struct iovec iov[4];
    int count = (int)rng_range(&ep->rng, 1, 4);
    ssize_t n = mytcp_peek(ep->host->stack, ep->fd, iov, count);
    if (n <= 0) {
        return n;
    }
    size_t left = want < (size_t)n ? want : (size_t)n, take = left, at = 0;
    for (int i = 0; i < count && left != 0; i++) {
        size_t part = iov[i].iov_len < left ? iov[i].iov_len : left;
        for (size_t done_len = 0; done_len < part; done_len += SCRATCH_BYTES) {
            size_t run = part - done_len < SCRATCH_BYTES ? part - done_len : SCRATCH_BYTES;
            received(ep, (const uint8_t *)iov[i].iov_base + done_len, run, ep->received + at);
            at += run;
        }
        left -= part;
    }
    if (mytcp_consume(ep->host->stack, ep->fd, take) != 0) {
        sim_fail(ep->conn->world, "conn %u.%u: consume of %zu peeked bytes: %s", ep->conn->index,
                 ep->side, take, strerror(errno));
    }
    return (ssize_t)take;
}

static ssize_t read_plain(struct endpoint *ep, size_t want)
{
    struct world *w = ep->conn->world;
    mytcp_stack *stack = ep->host->stack;
    struct habits *h = ep->habits;
    ssize_t n;
    if (rng_chance(&ep->rng, h->peek_ppm)) {
        n = mytcp_recv(stack, ep->fd, w->scratch, want, MSG_PEEK | MSG_DONTWAIT);
        if (n <= 0) {
            return n;
        }
        received(ep, w->scratch, (size_t)n, ep->received);
    }
    if (rng_chance(&ep->rng, h->truncate_ppm)) {
        n = mytcp_recv(stack, ep->fd, NULL, want, MSG_TRUNC);
        if (n > 0) {
            received(ep, NULL, (size_t)n, ep->received);
        }
        return n;
    }
    if (rng_chance(&ep->rng, h->message_ppm)) {
        size_t first = rng_range(&ep->rng, 0, want);
        struct iovec iov[2] = {{w->scratch, first}, {w->scratch + first, want - first}};
        struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
        n = mytcp_recvmsg(stack, ep->fd, &msg, 0);
    } else {
        n = mytcp_recv(stack, ep->fd, w->scratch, want, 0);
    }
    if (n > 0) {
        received(ep, w->scratch, (size_t)n, ep->received);
    }
    return n;
}

void io_read(struct endpoint *ep)
{
    struct world *w = ep->conn->world;
    struct habits *h = ep->habits;
    size_t want = rng_range(&ep->rng, 1, h->read_max);
    ssize_t n = rng_chance(&ep->rng, h->zero_copy_ppm) ? read_zero_copy(ep, want)
                                                       : read_plain(ep, want);
    if (n < 0) {
        refused(ep, "recv", true);
        return;
    }
    ep->told_read = false;
    if (n == 0) {
        at_end(ep);
        return;
    }
    if ((size_t)n > want) {
        sim_fail(w, "conn %u.%u: recv of %zu gave %zd", ep->conn->index, ep->side, want, n);
    }
    ep->received += (uint64_t)n;
    sim_happened(w, 1 + ep->conn->index, "conn %u.%u: receive %zd bytes",
                 ep->conn->index, ep->side, n);
    if (ep->pauses != 0 && rng_chance(&ep->rng, 300000)) {
        ep->pauses--;
        ep->read_at_us = w->now_us + rng_range(&ep->rng, 1, h->pause_us);
        events_add(&w->events, ep->read_at_us, EVENT_WAKE, ep->host->index, ep);
    }
}

static ssize_t write_zero_copy(struct endpoint *ep, size_t want)
{
    struct iovec iov[4];
    memset(iov, 0, sizeof(iov));
    int count = (int)rng_range(&ep->rng, 1, 4);
    ssize_t room = mytcp_reserve(ep->host->stack, ep->fd, iov, count, want);
    if (room <= 0) {
        return room;
    }
    if ((size_t)room > want) {
        sim_fail(ep->conn->world, "conn %u.%u: reserve of %zu gave %zd", ep->conn->index, ep->side,
                 want, room);
        return -1;
    }
    if (rng_chance(&ep->rng, 50000)) { /* thinks better of it, and sends plainly */
        pattern_fill(ep->key, ep->sent, ep->conn->world->scratch, 1);
        return mytcp_send(ep->host->stack, ep->fd, ep->conn->world->scratch, 1, 0);
    }
    size_t n = rng_chance(&ep->rng, 200000) ? rng_range(&ep->rng, 1, (uint64_t)room) : (size_t)room;
    size_t at = 0;
    for (int i = 0; i < count && at < n; i++) {
        size_t part = iov[i].iov_len < n - at ? iov[i].iov_len : n - at;
        pattern_fill(ep->key, ep->sent + at, iov[i].iov_base, part);
        at += part;
    }
    if (mytcp_commit(ep->host->stack, ep->fd, n) != 0) {
        sim_fail(ep->conn->world, "conn %u.%u: commit of %zu reserved bytes: %s", ep->conn->index,
                 ep->side, n, strerror(errno));
    }
    return (ssize_t)n;
}

static ssize_t write_plain(struct endpoint *ep, size_t want, bool more_to_come)
{
    uint8_t *data = ep->conn->world->scratch;
    mytcp_stack *stack = ep->host->stack;
    pattern_fill(ep->key, ep->sent, data, want);
    int flags = MSG_NOSIGNAL;
    if (rng_chance(&ep->rng, ep->habits->oob_ppm)) {
        flags |= MSG_OOB;
    }
    if (more_to_come && rng_chance(&ep->rng, ep->habits->toggle_ppm)) {
        flags |= MSG_MORE;
    }
    if (rng_chance(&ep->rng, ep->habits->message_ppm)) {
        size_t first = rng_range(&ep->rng, 0, want);
        struct iovec iov[2] = {{data, first}, {data + first, want - first}};
        struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
        return mytcp_sendmsg(stack, ep->fd, &msg, flags);
    }
    return mytcp_send(stack, ep->fd, data, want, flags);
}

/* What the calls that only look say must agree with each other. */
static void inspect(struct endpoint *ep)
{
    mytcp_stack *stack = ep->host->stack;
    struct mytcp_conn_info i;
    int readable = -1, unacked = -1, unsent = -1;
    if (mytcp_conn_info_get(stack, ep->fd, &i) != 0 ||
        mytcp_ioctl(stack, ep->fd, FIONREAD, &readable) != 0 ||
        mytcp_ioctl(stack, ep->fd, SIOCOUTQ, &unacked) != 0 ||
        mytcp_ioctl(stack, ep->fd, SIOCOUTQNSD, &unsent) != 0) {
        sim_fail(ep->conn->world, "conn %u.%u: no information: %s", ep->conn->index, ep->side,
                 strerror(errno));
        return;
    }
    if ((uint32_t)readable > i.recv_queued || (uint32_t)unacked != i.send_queued ||
        unsent > unacked || i.bytes_acked > ep->sent || i.send_queued > ep->sent ||
        i.bytes_received < ep->received) {
        sim_fail(ep->conn->world,
                 "conn %u.%u: FIONREAD %d of %u, SIOCOUTQ %d of %u, unsent %d, acked %llu of %llu,"
                 " received %llu of %llu", ep->conn->index, ep->side, readable, i.recv_queued,
                 unacked, i.send_queued, unsent, (unsigned long long)i.bytes_acked,
                 (unsigned long long)ep->sent, (unsigned long long)ep->received,
                 (unsigned long long)i.bytes_received);
    }
}

void io_write(struct endpoint *ep, uint64_t limit)
{
    struct habits *h = ep->habits;
    size_t want = rng_range(&ep->rng, 1, h->write_max);
    if (want > limit - ep->sent) {
        want = (size_t)(limit - ep->sent);
    }
    if (rng_chance(&ep->rng, 20000)) {
        inspect(ep);
    }
    if (rng_chance(&ep->rng, h->toggle_ppm)) {
        int on = ep->corked ? 0 : 1;
        ep->corked = !ep->corked;
        mytcp_setsockopt(ep->host->stack, ep->fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
    }
    bool more_to_come = want < limit - ep->sent;
    ssize_t n = rng_chance(&ep->rng, h->zero_copy_ppm) ? write_zero_copy(ep, want)
                                                       : write_plain(ep, want, more_to_come);
    if (n < 0) {
        refused(ep, "send", false);
        return;
    }
    ep->told_write = false;
    if (n == 0 || (size_t)n > want) {
        sim_fail(ep->conn->world, "conn %u.%u: send of %zu gave %zd", ep->conn->index, ep->side,
                 want, n);
        return;
    }
    ep->sent += (uint64_t)n;
    sim_happened(ep->conn->world, 1 + ep->conn->index, "conn %u.%u: send %zd bytes",
                 ep->conn->index, ep->side, n);
}
