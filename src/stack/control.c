/* fcntl and ioctl on a socket. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "stack/stack.h"
#include "util/bytes.h"

static int set_nonblocking(struct sock *k, bool on)
{
    if (on) k->flags |= SOCK_NONBLOCKING;
    else k->flags &= (uint16_t)~SOCK_NONBLOCKING;
    return 0;
}

static int do_fcntl(struct mytcp_stack *s, int fd, int cmd, int arg)
{
    struct sock *k = fd_sock(s, fd);
    if (!k) return -EBADF;
    if (cmd == F_GETFL) return O_RDWR | (k->flags & SOCK_NONBLOCKING ? O_NONBLOCK : 0);
    if (cmd == F_SETFL) return set_nonblocking(k, arg & O_NONBLOCK);
    return -EINVAL;
}

int mytcp_fcntl(mytcp_stack *s, int fd, int cmd, int arg)
{
    if (!s) return fail(EINVAL);
    stack_enter(s);
    return (int)stack_leave(s, do_fcntl(s, fd, cmd, arg));
}

static int do_ioctl(struct mytcp_stack *s, int fd, unsigned long request, int *arg)
{
    struct sock *k = fd_sock(s, fd);
    if (!k) return -EBADF;
    const struct tcb *t = &k->tcb;
    uint32_t sent = min_u32(tcb_in_flight(t), t->sendq.len);
    bool queue = request == FIONREAD || request == SIOCOUTQ || request == SIOCOUTQNSD;
    if (!queue && request != FIONBIO && request != SIOCATMARK) return -ENOTTY;
    if (queue && k->listener) return -EINVAL;
    if (!arg) return -EFAULT;
    if (request == FIONBIO) return set_nonblocking(k, *arg != 0);
    if (request == SIOCATMARK) *arg = sock_at_mark(k);
    else if (request == FIONREAD) *arg = (int)t->recvq.readable;
    else if (request == SIOCOUTQ) *arg = (int)t->sendq.len;
    else *arg = (int)(t->sendq.len - sent);
    return 0;
}

int mytcp_ioctl(mytcp_stack *s, int fd, unsigned long request, int *arg)
{
    if (!s) return fail(EINVAL);
    stack_enter(s);
    return (int)stack_leave(s, do_ioctl(s, fd, request, arg));
}
