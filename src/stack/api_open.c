/* Socket calls that open: socket, bind, listen, accept, connect, and the names of both ends. */
#include <errno.h>
#include <string.h>

#include "stack/stack.h"
#include "util/bytes.h"

/* ---- addresses ---- */

static ip4_addr addr_load(const struct in_addr *a) { return (ip4_addr){load_be32((const uint8_t *)a)}; }

struct name {
    sa_family_t family;
    ip4_addr ip;
    uint16_t port;
};

/* Can it be read at all? */
static int check_name(const struct sockaddr *addr, socklen_t len)
{
    if (len > sizeof(struct sockaddr_storage)) return -EINVAL;
    return len && !addr ? -EFAULT : 0;
}

/* The whole of it, of whatever family: a bind or connect to an IPv4 address needs no less. */
static int parse_name(const struct sockaddr *addr, socklen_t len, struct name *name)
{
    struct sockaddr_in in;
    if (len < sizeof(in)) return -EINVAL;
    memcpy(&in, addr, sizeof(in));
    *name = (struct name){.family = in.sin_family, .ip = addr_load(&in.sin_addr)};
    name->port = load_be16((const uint8_t *)&in.sin_port);
    return 0;
}

static int give_name(ip4_addr ip, uint16_t port, struct sockaddr *addr, socklen_t *len)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    if (!len) return -EFAULT;
    if ((int)*len < 0) return -EINVAL;
    if (*len && !addr) return -EFAULT;
    store_be32((uint8_t *)&in.sin_addr, ip.v);
    store_be16((uint8_t *)&in.sin_port, port);
    if (*len) memcpy(addr, &in, min_u32(*len, sizeof(in)));
    *len = sizeof(in);
    return 0;
}

/* ---- socket ---- */

/* Linux's numbers that no header gives. */
enum { SOCK_TYPE_MASK = 0xf, PROTOCOL_MAX = IPPROTO_MPTCP + 1 };

static int do_socket(struct mytcp_stack *s, int domain, int type, int protocol)
{
    int kind = type & SOCK_TYPE_MASK;
    bool other = kind == SOCK_RAW || (kind == SOCK_DGRAM && protocol == IPPROTO_TCP);
    if (type & ~(SOCK_TYPE_MASK | SOCK_NONBLOCK | SOCK_CLOEXEC)) return -EINVAL;
    if (domain < 0 || domain >= AF_MAX) return -EAFNOSUPPORT;
    if (kind > SOCK_PACKET) return -EINVAL;
    if (domain != AF_INET) return -EAFNOSUPPORT;
    if (protocol < 0 || protocol >= PROTOCOL_MAX) return -EINVAL;
    if (kind != SOCK_STREAM && !other) return -ESOCKTNOSUPPORT;
    if (other || (protocol && protocol != IPPROTO_TCP)) return -EPROTONOSUPPORT;
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
    struct name name;
    struct sock *k = fd_sock(s, fd);
    if (!k) return -EBADF;
    int error = check_name(addr, len);
    if (!error) error = parse_name(addr, len, &name);
    if (error) return error;
    bool any = name.ip.v == INADDR_ANY;
    if (name.family != AF_INET && (name.family != AF_UNSPEC || !any)) return -EAFNOSUPPORT;
    if (!any && name.ip.v != s->addr.v) return -EADDRNOTAVAIL;
    if (k->flags & SOCK_BOUND) return -EINVAL;
    error = bind_port(s, k, name.port);
    if (error) return error;
    k->active.node.local = name.ip;
    k->flags &= (uint16_t)~(SOCK_ADDR_GIVEN | SOCK_PORT_GIVEN);
    if (!any) k->flags |= SOCK_ADDR_GIVEN;
    if (name.port) k->flags |= SOCK_PORT_GIVEN;
    return 0;
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
    if (k->phase != PHASE_UNCONNECTED) return -EINVAL;
    bool bound = k->flags & SOCK_BOUND;
    int error = bound ? 0 : bind_port(s, k, 0);
    if (error) return error;
    /* Linux takes a negative backlog for the largest */
    error = listen_start(s, k, backlog < 0 ? s->config.somaxconn : (uint32_t)backlog);
    if (error && !bound) { /* nothing has happened */
        sock_release_port(s, k);
        k->active.node.local_port = 0;
    }
    return error;
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
    struct sock *k = l->listener->accept_head;
    int new_fd = fd_install(s, k);
    if (new_fd < 0) return new_fd;
    int error = addr ? give_name(k->active.node.peer, k->active.node.peer_port, addr, len) : 0;
    if (error) { /* it stays in the queue; Linux loses it */
        fd_release(s, new_fd);
        return error;
    }
    accept_pop(l);
    if (flags & SOCK_NONBLOCK) k->flags |= SOCK_NONBLOCKING;
    return new_fd;
}

int mytcp_accept(mytcp_stack *s, int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    if (!s) return fail(EINVAL);
    stack_enter(s);
    return (int)stack_leave(s, do_accept(s, fd, addr, len, flags));
}

/* ---- connect ---- */

/* How the attempt has ended: 0 or the error; in either case it is told with this. */
static int connect_outcome(struct mytcp_stack *s, struct sock *k)
{
    if (k->tcb.state != ST_CLOSED) {
        k->phase = PHASE_CONNECTED;
        return 0;
    }
    int error = k->error ? k->error : ECONNABORTED;
    k->error = 0;
    sock_dissolve(s, k);
    return -error;
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
    }
    struct node *old = node_find(s, s->addr, n->local_port, peer, peer_port);
    if (old && !tw_outlived(s, old)) return -EADDRNOTAVAIL;
    n->local = s->addr;
    n->peer = peer;
    n->peer_port = peer_port;
    seq_t iss = node_isn(s, n, old ? &tw_of(old)->rec.snd_nxt : NULL);
    struct isn_tuple tuple = node_tuple(n);
    path_begin(s, k);
    tcp_open_active(&k->tcb, &s->env, iss, isn_ts_offset(&s->keys, &tuple));
    if (old) {
        s->stats.time_wait_reused++;
        tw_free(s, tw_of(old));
    }
    node_insert(s, n);
    k->phase = PHASE_CONNECTING;
    k->error = 0; /* what is left of another attempt */
    sock_settle(s, k);
    return 0;
}

/* In a phase where connect() may begin: the errno of "not yet", or why it cannot. */
static int try_connect(struct mytcp_stack *s, struct sock *k, const struct sockaddr *addr,
                       socklen_t len)
{
    struct name to;
    if (k->phase == PHASE_CONNECTING) return -EALREADY;
    if (k->phase == PHASE_CONNECTED) return -EISCONN;
    if (k->phase == PHASE_DISCONNECTING) return -EINVAL;
    if (k->tcb.state != ST_CLOSED) return -EISCONN; /* it listens */
    int error = parse_name(addr, len, &to);
    if (error) return error;
    if (to.family != AF_INET) return -EAFNOSUPPORT;
    error = begin_connect(s, k, to.ip, to.port);
    return error ? error : -EINPROGRESS;
}

static int do_connect(struct mytcp_stack *s, int fd, const struct sockaddr *addr, socklen_t len)
{
    struct sock *k = fd_sock(s, fd);
    if (!k) return -EBADF;
    int error = check_name(addr, len);
    if (error) return error;
    if (len < sizeof(addr->sa_family)) return -EINVAL;
    sa_family_t family;
    memcpy(&family, addr, sizeof(family));
    if (family == AF_UNSPEC) {
        sock_dissolve(s, k);
        s->wake = true;
        return 0;
    }
    int pending = try_connect(s, k, addr, len);
    if (k->phase != PHASE_CONNECTING) return pending;
    uint64_t deadline = timeout_at(s, k->cold ? k->cold->sndtimeo_us : 0);
    while (sock_opening(k)) {
        if (k->flags & SOCK_NONBLOCKING) return pending;
        error = stack_block(s, deadline);
        if (error) return error == -EAGAIN ? pending : error;
        k = fd_sock(s, fd);
        if (!k) return -EBADF;
    }
    if (k->phase != PHASE_CONNECTING) return -EPIPE; /* dissolved by another thread */
    return connect_outcome(s, k);
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
    return give_name(k->active.node.local, k->active.node.local_port, addr, len);
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
