/*
 * Wire packets on their way into a device: one, or several that follow each other so exactly that
 * a super-segment of them says the same (as a network card's GRO does it). Splitting it again gives
 * the same packets; only the IDs of datagrams that may not be fragmented, which mean nothing (RFC
 * 6864), may differ.
 */
#ifndef LINK_BURST_H
#define LINK_BURST_H

#include "frame.h"

#include <sys/uio.h>

enum { BURST_PACKETS_MAX = 64, BURST_IOV = BURST_PACKETS_MAX + 2 };

struct burst {
    struct wire first;
    uint32_t count;         /* packets; 0: empty */
    uint32_t payload_bytes; /* of all */
    uint32_t id_step;       /* from packet to packet: 1, or 0 */
    uint8_t flags_last;     /* FIN and PSH of the last */
    bool ended;             /* the last one was short, or pushed: nothing may follow */
    struct frame *frames[BURST_PACKETS_MAX];
    struct iovec payload[BURST_PACKETS_MAX];
    int payload_count;
    struct virtio_net_hdr hdr;
    struct iovec iov[BURST_IOV]; /* after burst_close(): header and packet */
    int iovcnt;
};

/* Add the piece if the burst is empty or, with `merge`, if it continues it. Returns whether it did;
 * then the burst keeps the frame. */
bool burst_add(struct burst *burst, struct frame *frame, uint32_t i, bool ce, bool merge);

/* Make it ready to be written. May be called again after that failed. */
void burst_close(struct burst *burst);

/* Forget it. */
void burst_clear(struct burst *burst);

#endif
