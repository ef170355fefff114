#include "end.h"

#include "tun.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { SOCKET_BUFFER_BYTES = 8 << 20 };

#define UNIX_PREFIX "unix:"

static int fail(const char *name, const char *what)
{
    fprintf(stderr, "mytcp-link: %s: %s: %s\n", name, what, strerror(errno));
    return -1;
}

static int listen_at(struct end *end, const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof at.sun_path) {
        errno = ENAMETOOLONG;
        return fail(path, "cannot listen");
    }
    strcpy(at.sun_path, path);
    end->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (end->listener < 0)
        return fail(path, "cannot make a socket");
    (void)unlink(path);
    if (bind(end->listener, (const struct sockaddr *)&at, sizeof at) < 0 ||
        listen(end->listener, 1) < 0)
        return fail(path, "cannot listen");
    return 0;
}

int end_open(struct end *end, const char *spec, const char *address, uint32_t mtu_bytes)
{
    *end = (struct end){.fd = -1, .listener = -1};
    snprintf(end->name, sizeof end->name, "%s", spec);
    if (!strncmp(spec, UNIX_PREFIX, strlen(UNIX_PREFIX)))
        return listen_at(end, spec + strlen(UNIX_PREFIX));
    end->fd = tun_open(spec, address, mtu_bytes);
    return end->fd < 0 ? -1 : 0;
}

void end_close(struct end *end)
{
    if (end->fd >= 0)
        (void)close(end->fd);
    if (end->listener >= 0) {
        (void)close(end->listener);
        (void)unlink(end->name + strlen(UNIX_PREFIX));
    }
}

int end_poll_fd(const struct end *end)
{
    return end->fd >= 0 ? end->fd : end->listener;
}

/* A burst of super-segments must find room, as it does in a device's ring. */
static void take_connection(struct end *end)
{
    int bytes = SOCKET_BUFFER_BYTES;
    end->fd = accept4(end->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    end->blocked = false;
    if (end->fd >= 0 &&
        setsockopt(end->fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) < 0)
        (void)setsockopt(end->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

/* The stack is gone; the next may come. */
static void hang_up(struct end *end)
{
    (void)close(end->fd);
    end->fd = -1;
    end->blocked = false;
}

ssize_t end_read(struct end *end, struct virtio_net_hdr *hdr, void *bytes, size_t size_bytes)
{
    struct iovec iov[2] = {{hdr, sizeof *hdr}, {bytes, size_bytes}};
    if (end->fd < 0) {
        take_connection(end);
        return 0;
    }
    ssize_t n = readv(end->fd, iov, 2);
    if (n > (ssize_t)sizeof *hdr)
        return n - (ssize_t)sizeof *hdr;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (end->listener >= 0) {
        hang_up(end);
        return 0;
    }
    return n < 0 ? -1 : 0;
}

int end_write(struct end *end, const struct iovec *iov, int iovcnt)
{
    if (end->fd < 0)
        return 0;
    ssize_t n;
    do {
        n = writev(end->fd, iov, iovcnt);
    } while (n < 0 && errno == EINTR);
    if (n >= 0)
        return 1;
    if (errno == EAGAIN) {
        end->blocked = true;
        return -1;
    }
    end->write_errors++;
    end->last_errno = errno;
    if (end->listener >= 0)
        hang_up(end);
    return 0;
}
