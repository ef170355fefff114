/*
 * Frames and wire packets. A frame is what was read from a device: a packet, or a
 * super-segment that stands for many. On the link there are wire packets only: pieces of a frame,
 * which they share.
 */
#ifndef LINK_FRAME_H
#define LINK_FRAME_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HEAD_MAX_BYTES = 60 + 60, IP_MAX_BYTES = 65535, FLAG_CWR = 0x80 };

struct frame {
    uint32_t refs;
    uint32_t len_bytes;
    uint32_t ip_len;     /* of the IPv4 header; 0: not IPv4, or not as IPv4 should be */
    uint32_t head_len;   /* what each piece has of its own: IPv4 and, of TCP, the TCP header */
    uint32_t step_bytes; /* of payload in each wire packet but the last */
    uint32_t pieces;
    bool tcp;            /* a whole segment: not a fragment */
    bool partial;        /* the TCP checksum is still to be made: it will be right */
    uint8_t bytes[];
};

/* Copy what was read. NULL with errno: ENOMEM, or EBADMSG where the virtio-net header contradicts
 * the packet. A partial checksum of anything but TCP is finished here. */
struct frame *frame_new(const struct virtio_net_hdr *hdr, const void *bytes, size_t len_bytes);

struct frame *frame_keep(struct frame *frame);
void frame_drop(struct frame *frame);

/* The i-th piece: length of the IP packet. */
uint32_t frame_piece_bytes(const struct frame *frame, uint32_t i);

/* Does its IPv4 header say that its transport understands ECN (RFC 3168)? */
bool frame_is_ect(const struct frame *frame);

/* A wire packet. The headers are its own, but for a checksum that may be partial. */
struct wire {
    uint8_t head[HEAD_MAX_BYTES];
    uint32_t head_len, ip_len;
    const uint8_t *payload; /* in the frame */
    uint32_t payload_len;
    bool tcp, partial;
};

/* Make the i-th piece: length, ID and sequence number counted on; FIN and PSH on the last only, CWR
 * on the first only; `ce` marks it "congestion experienced". */
void wire_make(struct wire *wire, const struct frame *frame, uint32_t i, bool ce);

/* Make the TCP checksum if it is partial. */
void wire_finish(struct wire *wire);

/* Is the TCP checksum right, or will it be? */
bool wire_is_right(const struct wire *wire);

#endif
