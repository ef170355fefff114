/* Socket calls that end: shutdown, close. */
#include <errno.h>

#include "stack/stack.h"

static int do_shutdown(struct mytcp_stack *s, int fd, int how)
{
    struct sock *k = fd_sock(s, fd);
    if (!k) return -EBADF;
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) return -EINVAL;
    struct tcb *t = &k->tcb;
    bool closed = t->state == ST_CLOSED;
    s->wake = true;
    if (k->phase == PHASE_CONNECTING)
        k->phase = closed || sock_opening(k) ? PHASE_DISCONNECTING : PHASE_CONNECTED;
    /* as Linux: a listener shut for reading listens no more, an attempt to connect is given up */
    if (k->listener && how == SHUT_WR) return 0;
    if (k->listener || t->state == ST_SYN_SENT) {
        sock_dissolve(s, k);
        return 0;
    }
    if (how != SHUT_WR) k->shut |= SHUT_FOR_READ;
    if (how != SHUT_RD) k->shut |= SHUT_FOR_WRITE;
    if (how != SHUT_RD) tcp_user_shutdown_write(t);
    t->event |= EVENT_STATE;
    sock_settle(s, k);
    return closed ? -ENOTCONN : 0;
}

int mytcp_shutdown(mytcp_stack *s, int fd, int how)
{
    if (!s) return fail(EINVAL);
    stack_enter(s);
    return (int)stack_leave(s, do_shutdown(s, fd, how));
}

/* SO_LINGER with a time: wait for the peer to acknowledge everything, FIN included. */
static void linger(struct mytcp_stack *s, int fd, uint64_t deadline_us)
{
    struct sock *k;
    while ((k = fd_sock(s, fd)) && tcb_sending(&k->tcb))
        if (stack_block(s, deadline_us)) return;
}

static int do_close(struct mytcp_stack *s, int fd)
{
    struct sock *k = fd_sock(s, fd);
    if (!k) return -EBADF;
    s->wake = true;
    bool lingers = (k->flags & SOCK_LINGER) && k->linger_s && !(k->flags & SOCK_NONBLOCKING);
    bool abort = (k->flags & SOCK_LINGER) && !k->linger_s;
    bool unread = k->tcb.recvq.readable > 0;
    if (lingers && !unread && tcb_synchronized(&k->tcb)) {
        tcp_user_shutdown_write(&k->tcb);
        sock_settle(s, k);
        linger(s, fd, s->env.now_us + k->linger_s * 1000000ull);
        k = fd_sock(s, fd);
        if (!k) return -EBADF;
    }
    if (k->listener) listen_stop(s, k);
    ready_remove(s, k);
    k->watch = 0;
    fd_release(s, fd);
    tcp_user_close(&k->tcb, &s->env, abort);
    recvq_free(&k->tcb.recvq, &s->bufs);
    sock_settle(s, k);
    return 0;
}

int mytcp_close(mytcp_stack *s, int fd)
{
    if (!s) return fail(EINVAL);
    stack_enter(s);
    return (int)stack_leave(s, do_close(s, fd));
}
