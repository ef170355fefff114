/* The small services: echo (RFC 862), discard (863), daytime (867), character generator (864). */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "server.h"

enum { SEND_CHUNK_BYTES = 256 * 1024, DRAIN_LIMIT_BYTES = 1 << 20 };

int iov_used(const struct iovec *iov, int count, size_t bytes)
{
    int used = 0;
    while (used < count && bytes > 0) {
        bytes -= iov[used].iov_len < bytes ? iov[used].iov_len : bytes;
        used++;
    }
    return used;
}

static void pattern_copy(const struct pattern *pattern, uint64_t position, uint8_t *to, size_t len)
{
    size_t from = (size_t)(position % pattern->period);
    while (len > 0) {
        size_t n = pattern->period - from < len ? pattern->period - from : len;
        memcpy(to, pattern->bytes + from, n);
        to += n;
        len -= n;
        from = 0;
    }
}

ssize_t send_pattern(struct conn *conn, const struct pattern *pattern, uint64_t want)
{
    struct iovec iov[SERVE_IOV];
    size_t chunk = want < SEND_CHUNK_BYTES ? (size_t)want : SEND_CHUNK_BYTES;
    ssize_t room = mytcp_reserve(conn->stack, conn->fd, iov, SERVE_IOV, chunk);
    if (room < 0)
        return errno == EAGAIN ? 0 : -1;

    size_t size = (size_t)room < chunk ? (size_t)room : chunk;
    size_t done = 0;
    for (int i = 0; i < SERVE_IOV && done < size; i++) {
        size_t n = iov[i].iov_len < size - done ? iov[i].iov_len : size - done;
        pattern_copy(pattern, conn->position + done, iov[i].iov_base, n);
        done += n;
    }
    if (mytcp_commit(conn->stack, conn->fd, done) < 0)
        return -1;
    conn->position += done;
    return (ssize_t)done;
}

bool discard_input(struct conn *conn)
{
    for (size_t moved = 0; moved < SERVE_BYTES && !conn->in_ended;) {
        struct iovec iov[SERVE_IOV];
        ssize_t n = mytcp_peek(conn->stack, conn->fd, iov, SERVE_IOV);
        if (n < 0)
            return errno == EAGAIN;
        if (n == 0)
            conn->in_ended = true;
        else if (mytcp_consume(conn->stack, conn->fd, (size_t)n) < 0)
            return false;
        moved += (size_t)n;
    }
    return true;
}

/* Reads nothing while the send queue is full: then the peer's own window closes, and memory is
 * bounded. */
uint32_t echo_step(struct conn *conn)
{
    for (size_t moved = 0; moved < SERVE_BYTES;) {
        struct iovec iov[SERVE_IOV];
        ssize_t have = mytcp_peek(conn->stack, conn->fd, iov, SERVE_IOV);
        if (have < 0)
            return errno == EAGAIN ? POLLIN : STEP_CLOSE;
        if (have == 0)
            return STEP_CLOSE; /* all is queued: close() sends it, then FIN */

        struct msghdr msg = {.msg_iov = iov,
                             .msg_iovlen = (size_t)iov_used(iov, SERVE_IOV, (size_t)have)};
        ssize_t sent = mytcp_sendmsg(conn->stack, conn->fd, &msg, MSG_DONTWAIT);
        if (sent < 0)
            return errno == EAGAIN ? POLLOUT : STEP_CLOSE;
        if (mytcp_consume(conn->stack, conn->fd, (size_t)sent) < 0)
            return STEP_CLOSE;
        if (sent < have)
            return POLLOUT;
        moved += (size_t)sent;
    }
    return POLLIN;
}

uint32_t discard_step(struct conn *conn)
{
    return discard_input(conn) && !conn->in_ended ? POLLIN : STEP_CLOSE;
}

uint32_t drain_step(struct conn *conn)
{
    if (mytcp_shutdown(conn->stack, conn->fd, SHUT_WR) < 0)
        return STEP_CLOSE;
    for (;;) {
        struct iovec iov[SERVE_IOV];
        ssize_t n = mytcp_peek(conn->stack, conn->fd, iov, SERVE_IOV);
        if (n < 0)
            return errno == EAGAIN ? POLLIN : STEP_CLOSE;
        conn->position += (uint64_t)n;
        if (n == 0 || mytcp_consume(conn->stack, conn->fd, (size_t)n) < 0 ||
            conn->position > DRAIN_LIMIT_BYTES)
            return STEP_CLOSE;
    }
}

uint32_t daytime_step(struct conn *conn)
{
    if (!conn->waits_for) {
        char line[64];
        struct tm tm;
        time_t now = time(NULL);
        size_t len =
            strftime(line, sizeof line, "%A, %B %d, %Y %H:%M:%S-UTC\r\n", gmtime_r(&now, &tm));
        if (mytcp_send(conn->stack, conn->fd, line, len, MSG_DONTWAIT) != (ssize_t)len)
            return STEP_CLOSE;
    }
    return drain_step(conn);
}

uint32_t chargen_step(struct conn *conn)
{
    size_t moved = 0;
    ssize_t n = 1;

    if (!discard_input(conn))
        return STEP_CLOSE;
    while (moved < SERVE_BYTES && n > 0) {
        n = send_pattern(conn, &conn->server->chargen, SEND_CHUNK_BYTES);
        if (n < 0)
            return STEP_CLOSE;
        moved += (size_t)n;
    }
    return conn->in_ended ? POLLOUT : POLLOUT | POLLIN;
}
