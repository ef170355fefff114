/*
 * An end of the link: a TUN device, perhaps in another network namespace, or a stack in another
 * process that connects to a Unix socket (SOCK_SEQPACKET; each packet behind a virtio-net header).
 */
#ifndef LINK_END_H
#define LINK_END_H

#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct end {
    char name[128];
    int fd;          /* -1: nobody is connected */
    int listener;    /* of a Unix socket; -1: a TUN device */
    bool blocked;    /* takes nothing until it is writable */
    uint64_t write_errors;
    int last_errno;
};

/*
 * `spec` is DEVICE, DEVICE@NAMESPACE (a process id, a name that ip netns knows, or a path) or
 * unix:PATH. `address` (A.B.C.D/P, or NULL) is set on the device and the link brought up;
 * mtu_bytes 0 leaves the device's. Returns 0, or -1 after a message.
 */
int end_open(struct end *end, const char *spec, const char *address, uint32_t mtu_bytes);
void end_close(struct end *end);

/* What to poll: the descriptor, or the listener while nobody is connected. */
int end_poll_fd(const struct end *end);

/* A packet: its bytes; 0: there is none now (it may also have been a new connection, or the end of
 * one); -1: the device is gone. */
ssize_t end_read(struct end *end, struct virtio_net_hdr *hdr, void *bytes, size_t size_bytes);

/* Returns 1 if it is written, 0 if it is dropped, -1 if it must be tried again (`blocked`). */
int end_write(struct end *end, const struct iovec *iov, int iovcnt);

#endif
