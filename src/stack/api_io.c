/* Socket calls that move data: send and recv in their forms, with and without a copy. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "stack/stack.h"
#include "util/bytes.h"

enum { SEND_MEAGRE_BYTES = 2048, IOV_COUNT_MAX = 1024, SEND_BYTES_MAX = 1 << 30 };
/* What one call moves at most, as Linux has it (MAX_RW_COUNT). */
enum { CALL_BYTES_MAX = 0x7ffff000 };
enum { ALLOC_RETRY_US = 10000 };

/* An error of the connection, told once. */
static int take_error(struct sock *k)
{
    int error = k->error;
    k->error = 0;
    return -error;
}

static uint64_t wait_until(const struct mytcp_stack *s, const struct sock *k, int flags, uint64_t timeout_us)
{
    if ((k->flags & SOCK_NONBLOCKING) || (flags & MSG_DONTWAIT)) return 0;
    return timeout_us ? s->env.now_us + timeout_us : TIME_NEVER;
}

/* ---- send ---- */

/* May this socket send? 0, or why not. A connection that is opening may: the data waits. */
static int send_state(struct sock *k)
{
    if (k->error) return take_error(k);
    if (sock_shut(k) & SHUT_FOR_WRITE) return -EPIPE;
    return k->tcb.state == ST_CLOSED || k->tcb.state == ST_LISTEN ? -EPIPE : 0;
}

/* Writable again when memory is roomy; when the allocator refuses though it is, a while later: an application
 * that is told at once would try, fail and be told for ever. */
static void starve(struct mytcp_stack *s, struct sock *k)
{
    if (k->flags & (SOCK_STARVED | SOCK_ACCEPTING)) return;
    k->flags |= SOCK_STARVED;
    k->list_next = s->starved;
    k->list_prev = &s->starved;
    if (s->starved) s->starved->list_prev = &k->list_next;
    s->starved = k;
    if (!wheel_armed(&s->starved_timer) && !mem_above(&s->mem, MEM_ROOMY_PERCENT))
        wheel_set(&s->wheel, &s->starved_timer, s->env.now_us + ALLOC_RETRY_US);
}

/* How much may be queued now. */
static uint32_t send_room(struct mytcp_stack *s, struct sock *k)
{
    uint32_t room = tcp_user_send_room(&k->tcb);
    if (!room || !mem_above(&s->mem, MEM_FULL_PERCENT)) return room;
    if (!k->tcb.sendq.len) return min_u32(room, SEND_MEAGRE_BYTES);
    starve(s, k);
    return 0;
}

/* Queue what there is room for. */
static size_t send_some(struct mytcp_stack *s, struct sock *k, const void *data, size_t len, int flags)
{
    uint32_t room = send_room(s, k);
    uint32_t want = (uint32_t)min_u64(len, min_u32(room, SEND_BYTES_MAX));
    if (!want) return 0;
    uint32_t got = sendq_append(&k->tcb.sendq, &s->chunks, data, want);
    if (got < want) starve(s, k);
    if (!got) return 0;
    tcp_user_sent(&k->tcb, flags & MSG_MORE, (flags & MSG_OOB) && got == len);
    sock_settle(s, k);
    return got;
}

struct source {
    const struct iovec *iov;
    size_t count, skip; /* into the first */
    bool fault;         /* met a piece of NULL */
};

/* Queue from the source until it is empty or there is no room; returns bytes taken. */
static size_t send_source(struct mytcp_stack *s, struct sock *k, struct source *from, int flags)
{
    size_t total = 0;
    while (from->count) {
        size_t left = from->iov->iov_len - from->skip;
        size_t got = 0;
        from->fault = left && !from->iov->iov_base && send_room(s, k);
        if (from->fault) break;
        if (left && from->iov->iov_base)
            got = send_some(s, k, (char *)from->iov->iov_base + from->skip, left, flags);
        total += got;
        from->skip += got;
        if (got < left) break;
        from->iov++;
        from->count--;
        from->skip = 0;
    }
    return total;
}

static ssize_t send_blocking(struct mytcp_stack *s, struct sock *k, struct source *from, int flags)
{
    int fd = k->fd;
    uint64_t deadline = wait_until(s, k, flags, k->cold ? k->cold->sndtimeo_us : 0);
    ssize_t total = 0;
    for (;;) {
        int error = send_state(k);
        if (error) {
            if (total && error != -EPIPE) k->error = (uint8_t)-error; /* for the next call */
            return total ? total : error;
        }
        total += (ssize_t)send_source(s, k, from, flags);
        if (!from->count) return total;
        if (from->fault) return total ? total : -EFAULT;
        error = stack_block(s, deadline);
        if (error) return total ? total : error;
        k = fd_sock(s, fd);
        if (!k) return total ? total : -EBADF;
    }
}

ssize_t mytcp_send(mytcp_stack *s, int fd, const void *data, size_t len_bytes, int flags)
{
    struct iovec iov = {(void *)(uintptr_t)data, min_u64(len_bytes, CALL_BYTES_MAX)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    return mytcp_sendmsg(s, fd, &msg, flags);
}

/* Sum of the lengths, as far as one call goes; or why the message is no good. */
static ssize_t message_total(const struct msghdr *msg)
{
    const struct iovec *iov = msg->msg_iov;
    size_t count = msg->msg_iovlen, total = 0;
    if (msg->msg_name && (int)msg->msg_namelen < 0) return -EINVAL;
    if (count > IOV_COUNT_MAX) return -EMSGSIZE;
    if (count && !iov) return -EFAULT;
    for (size_t i = 0; i < count; i++) {
        if (iov[i].iov_len > (size_t)SSIZE_MAX) return -EINVAL;
        total = min_u64(total + iov[i].iov_len, CALL_BYTES_MAX);
    }
    return (ssize_t)total;
}

static ssize_t do_sendmsg(struct mytcp_stack *s, int fd, const struct msghdr *msg, int flags)
{
    struct sock *k = fd_sock(s, fd);
    if (!k) return -EBADF;
    if (!msg) return -EFAULT;
    ssize_t total = message_total(msg);
    if (total < 0) return total;
    if (flags & MSG_FASTOPEN) return -EOPNOTSUPP;
    if (!total) return send_state(k);
    struct source from = {.iov = msg->msg_iov, .count = msg->msg_iovlen};
    return send_blocking(s, k, &from, flags);
}

ssize_t mytcp_sendmsg(mytcp_stack *s, int fd, const struct msghdr *msg, int flags)
{
    if (!s) return fail(EINVAL);
    stack_enter(s);
    return stack_leave(s, do_sendmsg(s, fd, msg, flags));
}

/* ---- send without a copy ---- */

static ssize_t do_reserve(struct mytcp_stack *s, int fd, struct iovec *iov, int count, size_t want)
{
    struct sock *k = fd_sock(s, fd);
    if (!k) return -EBADF;
    if (!iov) return -EFAULT;
    if (count <= 0) return -EINVAL;
    int error = send_state(k);
    if (error) return error;
    uint32_t room = min_u32(send_room(s, k), SEND_BYTES_MAX);
    uint32_t got = sendq_reserve(&k->tcb.sendq, &s->chunks, (uint32_t)min_u64(want, room), iov, &count);
    if (!got && room && want) starve(s, k);
    return got || !want ? (ssize_t)got : -EAGAIN;
}

ssize_t mytcp_reserve(mytcp_stack *s, int fd, struct iovec *iov, int count, size_t want_bytes)
{
    if (!s) return fail(EINVAL);
    stack_enter(s);
    return stack_leave(s, do_reserve(s, fd, iov, count, want_bytes));
}

static int do_commit(struct mytcp_stack *s, int fd, size_t n)
{
    struct sock *k = fd_sock(s, fd);
    if (!k) return -EBADF;
    int error = send_state(k);
    if (!error && n > sendq_reserved(&k->tcb.sendq)) return -EINVAL;
    sendq_commit(&k->tcb.sendq, error ? 0 : (uint32_t)n);
    sendq_trim(&k->tcb.sendq, &s->chunks);
    if (error) return error;
    tcp_user_sent(&k->tcb, false, false);
    sock_settle(s, k);
    return 0;
}

int mytcp_commit(mytcp_stack *s, int fd, size_t n_bytes)
{
    if (!s) return fail(EINVAL);
    stack_enter(s);
    return (int)stack_leave(s, n_bytes ? do_commit(s, fd, n_bytes) : fd_sock(s, fd) ? 0 : -EBADF);
}

/* ---- recv ---- */

/* Nothing is readable: 0 is the end of the stream, -EAGAIN not yet, else the error. As on Linux the
 * end stays the end, whatever came after the peer's FIN: the error is for those who send. */
static int recv_state(struct sock *k)
{
    if (k->tcb.fin_rcvd) return 0;
    if (k->error) return take_error(k);
    if (k->shut & SHUT_FOR_READ) return 0;
    return k->tcb.state == ST_CLOSED || k->tcb.state == ST_LISTEN ? -ENOTCONN : -EAGAIN;
}

/* A read stops at the urgent mark (RFC 6093 3.2); one that starts there passes it. */
static uint32_t until_mark(const struct tcb *t, uint32_t skip, uint32_t len)
{
    if (!t->urgent_rcv) return len;
    seq_t from = seq_add(seq_sub(t->rcv_nxt, t->recvq.readable + t->fin_rcvd), skip);
    seq_t last = seq_sub(t->rcv_up, 1); /* the urgent octet itself */
    if (!seq_gt(last, from)) return len;
    return min_u32(len, seq_len(from, last));
}

/* Is the octet `skip` bytes from here the urgent one? */
static bool at_mark(const struct tcb *t, uint32_t skip)
{
    seq_t from = seq_add(seq_sub(t->rcv_nxt, t->recvq.readable + t->fin_rcvd), skip);
    return t->urgent_rcv && seq_eq(from, seq_sub(t->rcv_up, 1));
}

bool sock_at_mark(const struct sock *k) { return at_mark(&k->tcb, 0); }

static void took(struct mytcp_stack *s, struct sock *k, uint32_t n)
{
    struct tcb *t = &k->tcb;
    recvq_consume(&t->recvq, &s->bufs, n);
    if (t->urgent_rcv) {
        seq_t from = seq_sub(t->rcv_nxt, t->recvq.readable + t->fin_rcvd);
        if (seq_geq(from, t->rcv_up)) t->urgent_rcv = false;
    }
    tcp_user_received(t, &s->env);
    sock_settle(s, k);
}

struct sink {
    const struct iovec *iov;
    size_t count, skip;
    bool peek, discard;
    bool fault; /* met a piece of NULL */
    uint32_t peeked;
};

/* Fill the sink with what is readable; returns bytes. */
static size_t recv_some(struct mytcp_stack *s, struct sock *k, struct sink *to)
{
    struct tcb *t = &k->tcb;
    uint32_t total = 0, avail = t->recvq.readable - to->peeked;
    avail = until_mark(t, to->peeked, avail);
    while (to->count && total < avail) {
        size_t left = to->iov->iov_len - to->skip;
        uint32_t n = (uint32_t)min_u64(left, avail - total);
        to->fault = n && !to->discard && !to->iov->iov_base;
        if (to->fault) break;
        if (!to->discard && n)
            recvq_copy(&t->recvq, to->peeked + total, (char *)to->iov->iov_base + to->skip, n);
        total += n;
        to->skip += n;
        if (to->skip < to->iov->iov_len) break;
        to->iov++;
        to->count--;
        to->skip = 0;
    }
    if (to->peek) to->peeked += total;
    else if (total) took(s, k, total);
    return total;
}

/* Who wants nothing waits for something, too: so Linux has it. */
static uint32_t recv_low_water(const struct sock *k, int flags, size_t want)
{
    uint32_t lowat = k->cold && k->cold->rcvlowat ? k->cold->rcvlowat : 1;
    return max_u32((uint32_t)(flags & MSG_WAITALL ? want : min_u64(lowat, want)), 1);
}

static ssize_t recv_blocking(struct mytcp_stack *s, struct sock *k, struct sink *to, size_t want, int flags)
{
    int fd = k->fd;
    uint64_t deadline = wait_until(s, k, flags, k->cold ? k->cold->rcvtimeo_us : 0);
    size_t total = 0, target = recv_low_water(k, flags, want);
    for (;;) {
        if (!total || !at_mark(&k->tcb, to->peeked)) total += recv_some(s, k, to);
        bool marked = total && at_mark(&k->tcb, to->peeked); /* a read stops there */
        bool full = !to->count && k->tcb.recvq.readable;
        if (to->fault && !total) return -EFAULT;
        if (total >= target || marked || full || to->fault) return (ssize_t)total;
        if (total && (k->error || recv_state(k) == 0)) return (ssize_t)total;
        int state = total ? -EAGAIN : recv_state(k);
        if (state != -EAGAIN) return state;
        int error = stack_block(s, deadline);
        if (error) return total ? (ssize_t)total : error;
        k = fd_sock(s, fd);
        if (!k) return total ? (ssize_t)total : -EBADF;
    }
}

static ssize_t do_recvmsg(struct mytcp_stack *s, int fd, struct msghdr *msg, int flags)
{
    struct sock *k = fd_sock(s, fd);
    if (!k) return -EBADF;
    if (!msg) return -EFAULT;
    ssize_t want = message_total(msg);
    if (want < 0) return want;
    if (flags & MSG_ERRQUEUE) return -EAGAIN; /* there is never anything in it */
    if (k->listener) return -ENOTCONN;
    if (flags & MSG_OOB) return -EINVAL;
    struct sink to = {.iov = msg->msg_iov, .count = msg->msg_iovlen, .peek = flags & MSG_PEEK,
                      .discard = flags & MSG_TRUNC};
    ssize_t got = recv_blocking(s, k, &to, (size_t)want, flags);
    if (got < 0) return got;
    msg->msg_flags = flags & MSG_CMSG_CLOEXEC;
    msg->msg_namelen = 0;
    msg->msg_controllen = 0;
    return got;
}

ssize_t mytcp_recvmsg(mytcp_stack *s, int fd, struct msghdr *msg, int flags)
{
    if (!s) return fail(EINVAL);
    stack_enter(s);
    return stack_leave(s, do_recvmsg(s, fd, msg, flags));
}

ssize_t mytcp_recv(mytcp_stack *s, int fd, void *data, size_t len_bytes, int flags)
{
    struct iovec iov = {data, min_u64(len_bytes, CALL_BYTES_MAX)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    return mytcp_recvmsg(s, fd, &msg, flags);
}

/* ---- recv without a copy ---- */

static ssize_t do_peek(struct mytcp_stack *s, int fd, struct iovec *iov, int count)
{
    struct sock *k = fd_sock(s, fd);
    if (!k) return -EBADF;
    if (!iov) return -EFAULT;
    if (count <= 0) return -EINVAL;
    if (!k->tcb.recvq.readable) return recv_state(k);
    int filled = recvq_peek(&k->tcb.recvq, 0, iov, count);
    ssize_t total = 0;
    for (int i = 0; i < filled; i++) total += (ssize_t)iov[i].iov_len;
    return total;
}

ssize_t mytcp_peek(mytcp_stack *s, int fd, struct iovec *iov, int count)
{
    if (!s) return fail(EINVAL);
    stack_enter(s);
    return stack_leave(s, do_peek(s, fd, iov, count));
}

static int do_consume(struct mytcp_stack *s, int fd, size_t n)
{
    struct sock *k = fd_sock(s, fd);
    if (!k) return -EBADF;
    if (n > k->tcb.recvq.readable) return -EINVAL;
    if (n) took(s, k, (uint32_t)n);
    return 0;
}

int mytcp_consume(mytcp_stack *s, int fd, size_t n_bytes)
{
    if (!s) return fail(EINVAL);
    stack_enter(s);
    return (int)stack_leave(s, do_consume(s, fd, n_bytes));
}
