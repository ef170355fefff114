/* Readiness: poll(2), and a wait whose cost is what is ready. Events are pulled; nothing calls back. */
#include <errno.h>

#include "stack/stack.h"
#include "util/bytes.h"

enum { WATCHABLE = POLLIN | POLLOUT | POLLPRI | POLLRDHUP | POLLERR | POLLHUP | POLLRDNORM | POLLWRNORM };

bool sock_writable(const struct mytcp_stack *s, const struct sock *k)
{
    /* As Linux: writable when a third of the buffer is free, so that writers wake for something, and what waits
     * to be sent is down to half of TCP_NOTSENT_LOWAT. */
    const struct tcb *t = &k->tcb;
    uint32_t room = t->opt.sndbuf > t->sendq.len ? t->opt.sndbuf - t->sendq.len : 0;
    uint32_t lowat = t->opt.notsent_lowat;
    bool sent = !lowat || tcp_user_unsent(t) < lowat / 2 + lowat % 2;
    (void)s;
    return room >= (t->opt.sndbuf + 2) / 3 && sent && !(k->flags & SOCK_STARVED);
}

static uint32_t poll_connection(const struct mytcp_stack *s, const struct sock *k)
{
    const struct tcb *t = &k->tcb;
    uint32_t lowat = k->cold && k->cold->rcvlowat ? k->cold->rcvlowat : 1, mask = 0;
    unsigned shut = sock_shut(k);
    if (shut == SHUT_FOR_BOTH || t->state == ST_CLOSED) mask |= POLLHUP;
    if (shut & SHUT_FOR_READ) mask |= POLLIN | POLLRDNORM | POLLRDHUP;
    if (sock_opening(k)) return mask;
    if (t->recvq.readable >= min_u32(lowat, t->opt.rcvbuf)) mask |= POLLIN | POLLRDNORM;
    if ((shut & SHUT_FOR_WRITE) || sock_writable(s, k)) mask |= POLLOUT | POLLWRNORM;
    if (t->urgent_rcv) mask |= POLLPRI;
    return mask;
}

uint32_t sock_poll(const struct mytcp_stack *s, const struct sock *k)
{
    if (k->listener) return k->listener->accept_head ? POLLIN | POLLRDNORM : 0;
    return poll_connection(s, k) | (k->error ? POLLERR : 0);
}

void ready_add(struct mytcp_stack *s, struct sock *k)
{
    if (k->flags & SOCK_ON_READY) return;
    k->flags |= SOCK_ON_READY;
    k->ready_next = NULL;
    k->ready_prev = s->ready_tail;
    *s->ready_tail = k;
    s->ready_tail = &k->ready_next;
}

void ready_remove(struct mytcp_stack *s, struct sock *k)
{
    if (!(k->flags & SOCK_ON_READY)) return;
    k->flags &= (uint16_t)~SOCK_ON_READY;
    *k->ready_prev = k->ready_next;
    if (k->ready_next) k->ready_next->ready_prev = k->ready_prev;
    else s->ready_tail = k->ready_prev;
}

/* ---- watch and wait ---- */

static int do_watch(struct mytcp_stack *s, int fd, uint32_t events, uint64_t data)
{
    struct sock *k = fd_sock(s, fd);
    if (!k) return -EBADF;
    if (events & ~((uint32_t)WATCHABLE | MYTCP_ET)) return -EINVAL;
    k->watch = events ? events | POLLERR | POLLHUP : 0;
    k->watch_data = data;
    k->pending = UINT8_MAX; /* what is so already counts as a change */
    if (events) ready_add(s, k);
    else ready_remove(s, k);
    return 0;
}

int mytcp_watch(mytcp_stack *s, int fd, uint32_t events, uint64_t data)
{
    if (!s) return fail(EINVAL);
    stack_enter(s);
    return (int)stack_leave(s, do_watch(s, fd, events, data));
}

/* The news that may change what is watched: the others are no edge. */
static uint8_t news_for(uint32_t watch)
{
    unsigned news = EVENT_STATE;
    if (watch & (POLLIN | POLLRDNORM)) news |= EVENT_READABLE;
    if (watch & (POLLOUT | POLLWRNORM)) news |= EVENT_WRITABLE;
    if (watch & POLLPRI) news |= EVENT_URGENT;
    return (uint8_t)news;
}

/* One pass over the ready list; those that are (level-triggered) go to its end, so that all are seen. */
static int collect(struct mytcp_stack *s, struct mytcp_event *events, int max)
{
    int count = 0;
    struct sock *last = NULL, *k;
    while (count < max && (k = s->ready_head) && k != last) {
        uint32_t mask = sock_poll(s, k) & k->watch;
        bool edge = k->watch & MYTCP_ET;
        ready_remove(s, k);
        if (!mask || (edge && !(k->pending & news_for(k->watch)))) continue;
        k->pending = 0;
        events[count++] = (struct mytcp_event){.data = k->watch_data, .fd = k->fd, .events = mask};
        if (edge) continue;
        ready_add(s, k);
        if (!last) last = k;
    }
    return count;
}

static uint64_t deadline_after(const struct mytcp_stack *s, int timeout_ms)
{
    return timeout_ms < 0 ? TIME_NEVER : s->env.now_us + (uint64_t)timeout_ms * 1000;
}

static int do_wait(struct mytcp_stack *s, struct mytcp_event *events, int max, int timeout_ms)
{
    if (max <= 0) return -EINVAL;
    if (!events) return -EFAULT;
    uint64_t deadline = deadline_after(s, timeout_ms);
    for (;;) {
        int count = collect(s, events, max);
        if (count || !timeout_ms) return count;
        int error = stack_block(s, deadline);
        if (error) return error == -EAGAIN ? 0 : error;
    }
}

int mytcp_wait(mytcp_stack *s, struct mytcp_event *events, int max, int timeout_ms)
{
    if (!s) return fail(EINVAL);
    stack_enter(s);
    return (int)stack_leave(s, do_wait(s, events, max, timeout_ms));
}

/* ---- poll ---- */

static int poll_once(struct mytcp_stack *s, struct pollfd *fds, nfds_t count)
{
    int ready = 0;
    for (nfds_t i = 0; i < count; i++) {
        fds[i].revents = 0;
        if (fds[i].fd < 0) continue;
        struct sock *k = fd_sock(s, fds[i].fd);
        uint32_t wanted = (uint32_t)(uint16_t)fds[i].events | POLLERR | POLLHUP;
        fds[i].revents = k ? (short)(sock_poll(s, k) & wanted) : POLLNVAL;
        ready += fds[i].revents != 0;
    }
    return ready;
}

static int do_poll(struct mytcp_stack *s, struct pollfd *fds, nfds_t count, int timeout_ms)
{
    if (!fds && count) return -EFAULT;
    if (count > s->config.sockets_max) return -EINVAL;
    uint64_t deadline = deadline_after(s, timeout_ms);
    for (;;) {
        int ready = poll_once(s, fds, count);
        if (ready || !timeout_ms) return ready;
        int error = stack_block(s, deadline);
        if (error) return error == -EAGAIN ? 0 : error;
    }
}

int mytcp_poll(mytcp_stack *s, struct pollfd *fds, nfds_t count, int timeout_ms)
{
    if (!s) return fail(EINVAL);
    stack_enter(s);
    return (int)stack_leave(s, do_poll(s, fds, count, timeout_ms));
}
