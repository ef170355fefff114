/* Socket calls that open: socket, bind, listen, accept, connect, and the names of both ends. */
#include <errno.h>
#include <string.h>

#include "stack/stack.h"
#include "util/bytes.h"

/* ---- addresses ---- */

static ip4_addr addr_load(const struct in_addr *a) { return (ip4_addr){load_be32((const uint8_t *)a)}; }

static int parse_name(const struct sockaddr *addr, socklen_t len, ip4_addr *ip, uint16_t *port)
{
    struct sockaddr_in in;
    if (!addr) return -EFAULT;
    if (len < sizeof(in)) return -EINVAL;
    memcpy(&in, addr, sizeof(in));
    if (in.sin_family != AF_INET) return -EAFNOSUPPORT;
    *ip = addr_load(&in.sin_addr);
    *port = load_be16((const uint8_t *)&in.sin_port);
    return 0;
}

static int give_name(ip4_addr ip, uint16_t port, struct sockaddr *addr, socklen_t *len)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    if (!addr || !len) return -EFAULT;
    if ((int)*len < 0) return -EINVAL;
    store_be32((uint8_t *)&in.sin_addr, ip.v);
    store_be16((uint8_t *)&in.sin_port, port);
    memcpy(addr, &in, min_u32(*len, sizeof(in)));
    *len = sizeof(in);
    return 0;
}

/* ---- socket ---- */

static int do_socket(struct mytcp_stack *s, int domain, int type, int protocol)
{
    int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (domain != AF_INET) return -EAFNOSUPPORT;
    if (kind < 0 || kind > SOCK_PACKET) return -EINVAL;
    if (kind != SOCK_STREAM) return -ESOCKTNOSUPPORT;
    if (protocol && protocol != IPPROTO_TCP) return -EPROTONOSUPPORT;
    struct sock *k = sock_new(s);
    if (!k) return -ENOBUFS;
    if (type & SOCK_NONBLOCK) k->flags |= SOCK_NONBLOCKING;
    int fd = fd_install(s, k);
    if (fd < 0) sock_free(s, k);
    return fd;
}

int mytcp_socket(mytcp_stack *s, int domain, int type, int protocol)
{
    if (!s) return fail(EINVAL);
    stack_enter(s);
    return (int)stack_leave(s, do_socket(s, domain, type, protocol));
}

/* ---- bind, listen ---- */

static int hold_port(struct mytcp_stack *s, struct sock *k, uint16_t number, bool hard)
{
    bool strict = !(k->flags & SOCK_REUSE);
    if (!port_hold(s, number, strict, hard)) return -ENOBUFS;
    k->active.node.local = s->addr;
    k->active.node.local_port = number;
    k->active.node.strict = strict;
    k->flags |= SOCK_BOUND;
    if (hard) k->flags |= SOCK_BOUND_HARD;
    return 0;
}

static int bind_port(struct mytcp_stack *s, struct sock *k, uint16_t number)
{
    if (!number) number = port_pick_free(s);
    if (!number) return -EADDRINUSE;
    struct port *p = port_find(s, number);
    bool shareable = (k->flags & SOCK_REUSE) && p && !p->strict && !p->listener;
    if (p && !shareable) return -EADDRINUSE;
    return hold_port(s, k, number, true);
}

static int do_bind(struct mytcp_stack *s, int fd, const struct sockaddr *addr, socklen_t len)
{
    ip4_addr ip;
    uint16_t port;
    struct sock *k = fd_sock(s, fd);
    if (!k) return -EBADF;
    int error = parse_name(addr, len, &ip, &port);
    if (error) return error;
    if (ip.v != INADDR_ANY && ip.v != s->addr.v) return -EADDRNOTAVAIL;
    if ((k->flags & SOCK_BOUND) || k->tcb.state != ST_CLOSED) return -EINVAL;
    if (ip.v == INADDR_ANY) k->flags |= SOCK_ANY_ADDR;
    return bind_port(s, k, port);
}

int mytcp_bind(mytcp_stack *s, int fd, const struct sockaddr *addr, socklen_t len)
{
    if (!s) return fail(EINVAL);
    stack_enter(s);
    return (int)stack_leave(s, do_bind(s, fd, addr, len));
}

static int do_listen(struct mytcp_stack *s, int fd, int backlog)
{
    struct sock *k = fd_sock(s, fd);
    if (!k) return -EBADF;
    if (!k->listener && k->tcb.state != ST_CLOSED) return -EINVAL;
    if (!k->listener && (k->flags & (SOCK_CONNECTED | SOCK_CONNECTING))) return -EINVAL;
    if (!(k->flags & SOCK_BOUND)) {
        int error = bind_port(s, k, 0);
        if (error) return error;
        k->flags |= SOCK_ANY_ADDR;
    }
    /* Linux takes a negative backlog for the largest */
    return listen_start(s, k, backlog < 0 ? s->config.somaxconn : (uint32_t)backlog);
}

int mytcp_listen(mytcp_stack *s, int fd, int backlog)
{
    if (!s) return fail(EINVAL);
    stack_enter(s);
    return (int)stack_leave(s, do_listen(s, fd, backlog));
}

/* ---- accept ---- */

static struct sock *accept_pop(struct sock *l)
{
    struct listener *q = l->listener;
    struct sock *k = q->accept_head;
    q->accept_head = k->list_next;
    if (!q->accept_head) q->accept_tail = NULL;
    q->accept_count--;
    k->list_next = NULL;
    k->flags &= (uint16_t)~SOCK_ACCEPTING;
    return k;
}

static uint64_t timeout_at(const struct mytcp_stack *s, uint64_t timeout_us)
{
    return timeout_us ? s->env.now_us + timeout_us : TIME_NEVER;
}

static int do_accept(struct mytcp_stack *s, int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    struct sock *l = fd_sock(s, fd);
    if (!l) return -EBADF;
    if (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) return -EINVAL;
    if (addr && !len) return -EFAULT;
    uint64_t deadline = timeout_at(s, l->cold ? l->cold->rcvtimeo_us : 0);
    for (;;) {
        if (!l->listener) return -EINVAL;
        if (l->listener->accept_head) break;
        if (l->flags & SOCK_NONBLOCKING) return -EAGAIN;
        int error = stack_block(s, deadline);
        if (error) return error;
        l = fd_sock(s, fd);
        if (!l) return -EBADF;
    }
    int new_fd = fd_install(s, l->listener->accept_head);
    if (new_fd < 0) return new_fd;
    struct sock *k = accept_pop(l);
    if (flags & SOCK_NONBLOCK) k->flags |= SOCK_NONBLOCKING;
    if (addr) give_name(k->active.node.peer, k->active.node.peer_port, addr, len);
    return new_fd;
}

int mytcp_accept(mytcp_stack *s, int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    if (!s) return fail(EINVAL);
    stack_enter(s);
    return (int)stack_leave(s, do_accept(s, fd, addr, len, flags));
}

/* ---- connect ---- */

/* What became of a connect that was begun: 0, the error (once), or -EALREADY. */
static int connect_outcome(struct sock *k)
{
    if (k->error) {
        int error = k->error;
        k->error = 0;
        k->flags &= (uint16_t)~SOCK_CONNECTING;
        return -error;
    }
    if (k->flags & SOCK_CONNECTED) {
        bool first = k->flags & SOCK_CONNECTING;
        k->flags &= (uint16_t)~SOCK_CONNECTING;
        return first ? 0 : -EISCONN;
    }
    if (k->tcb.state == ST_CLOSED) {
        k->flags &= (uint16_t)~SOCK_CONNECTING;
        return -ECONNABORTED;
    }
    return -EALREADY;
}

static int begin_connect(struct mytcp_stack *s, struct sock *k, ip4_addr peer, uint16_t peer_port)
{
    struct node *n = &k->active.node;
    if (!peer_port || peer.v == INADDR_ANY) return -ECONNREFUSED;
    if (!ip4_is_unicast(peer) || ip4_is_broadcast_of(peer, s->addr, s->config.prefix_len))
        return -ENETUNREACH;
    if (peer.v == s->addr.v) return -ECONNREFUSED; /* there is no loopback: packets leave by the device */
    if (!(k->flags & SOCK_BOUND)) {
        uint16_t number = port_pick_connect(s, peer, peer_port);
        int error = number ? hold_port(s, k, number, false) : -EADDRNOTAVAIL;
        if (error) return error;
    } else if (node_find(s, s->addr, n->local_port, peer, peer_port)) {
        return -EADDRNOTAVAIL;
    }
    n->peer = peer;
    n->peer_port = peer_port;
    struct isn_tuple tuple = node_tuple(n);
    struct tcp_options opt = k->tcb.opt;
    const struct cc_algorithm *algorithm = k->tcb.cc.algorithm;
    tcb_free(&k->tcb, &s->env);
    tcb_init(&k->tcb, &s->env, &opt);
    cc_init(&k->tcb.cc, algorithm);
    if (k->cold) k->cold->reserved = 0;
    k->tcb.path_mtu = (uint16_t)pmtu_get(&s->pmtu, peer, s->env.now_us);
    tcp_open_active(&k->tcb, &s->env, isn_generate(&s->keys, &tuple, s->env.now_us),
                    isn_ts_offset(&s->keys, &tuple));
    node_insert(s, n);
    k->flags |= SOCK_CONNECTING;
    k->flags &= (uint16_t)~(SOCK_CONNECTED | SOCK_WRITE_SHUT);
    sock_settle(s, k);
    return 0;
}

static int do_connect(struct mytcp_stack *s, int fd, const struct sockaddr *addr, socklen_t len)
{
    ip4_addr peer;
    uint16_t port;
    struct sock *k = fd_sock(s, fd);
    if (!k) return -EBADF;
    int error = parse_name(addr, len, &peer, &port);
    if (error) return error;
    if (k->listener) return -EISCONN;
    bool begun = k->tcb.state != ST_CLOSED || (k->flags & SOCK_CONNECTING);
    if (begun) {
        error = connect_outcome(k);
        if (error != -EALREADY || (k->flags & SOCK_NONBLOCKING)) return error;
    } else {
        if (k->flags & SOCK_CONNECTED) return -EISCONN;
        error = begin_connect(s, k, peer, port);
        if (error) return error;
    }
    uint64_t deadline = timeout_at(s, k->cold ? k->cold->sndtimeo_us : 0);
    while ((error = connect_outcome(k)) == -EALREADY) {
        if (k->flags & SOCK_NONBLOCKING) return -EINPROGRESS;
        error = stack_block(s, deadline);
        if (error) return error == -EAGAIN ? -EINPROGRESS : error;
        k = fd_sock(s, fd);
        if (!k) return -EBADF;
    }
    return error;
}

int mytcp_connect(mytcp_stack *s, int fd, const struct sockaddr *addr, socklen_t len)
{
    if (!s) return fail(EINVAL);
    stack_enter(s);
    return (int)stack_leave(s, do_connect(s, fd, addr, len));
}

/* ---- names ---- */

static int do_getsockname(struct mytcp_stack *s, int fd, struct sockaddr *addr, socklen_t *len)
{
    struct sock *k = fd_sock(s, fd);
    if (!k) return -EBADF;
    bool any = !(k->flags & SOCK_BOUND) || ((k->flags & SOCK_ANY_ADDR) && !k->active.node.peer_port);
    return give_name((ip4_addr){any ? INADDR_ANY : s->addr.v}, k->active.node.local_port, addr, len);
}

int mytcp_getsockname(mytcp_stack *s, int fd, struct sockaddr *addr, socklen_t *len)
{
    if (!s) return fail(EINVAL);
    stack_enter(s);
    return (int)stack_leave(s, do_getsockname(s, fd, addr, len));
}

static int do_getpeername(struct mytcp_stack *s, int fd, struct sockaddr *addr, socklen_t *len)
{
    struct sock *k = fd_sock(s, fd);
    if (!k) return -EBADF;
    if (k->tcb.state == ST_CLOSED || k->tcb.state == ST_SYN_SENT || k->listener) return -ENOTCONN;
    return give_name(k->active.node.peer, k->active.node.peer_port, addr, len);
}

int mytcp_getpeername(mytcp_stack *s, int fd, struct sockaddr *addr, socklen_t *len)
{
    if (!s) return fail(EINVAL);
    stack_enter(s);
    return (int)stack_leave(s, do_getpeername(s, fd, addr, len));
}
