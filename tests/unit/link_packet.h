/* Packets for the tests of mytcp-link: a TCP segment, and a look at one. */
#ifndef UNIT_LINK_PACKET_H
#define UNIT_LINK_PACKET_H

#include "../../tools/mytcp-link/bytes.h"
#include "../../tools/mytcp-link/frame.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

enum { LINK_IP = 20, LINK_TCP = 32, LINK_HEADERS = LINK_IP + LINK_TCP };

struct link_segment {
    uint32_t seq, ack, len, window, id, tos;
    uint8_t flags, fill;
    bool no_df, partial;
    uint16_t gso_size; /* not 0: a super-segment */
};

/* Write it as a device would hand it over: from port 1000 to 2000, with a timestamp option. */
static inline size_t link_segment_make(const struct link_segment *s, uint8_t *p,
                                       struct virtio_net_hdr *hdr)
{
    size_t len = LINK_HEADERS + s->len;
    *hdr = (struct virtio_net_hdr){0};
    memset(p, 0, LINK_HEADERS);
    p[0] = 0x45;
    p[1] = (uint8_t)s->tos;
    put16(p + 2, (uint32_t)len);
    put16(p + 4, s->id);
    p[6] = s->no_df ? 0 : 0x40;
    p[8] = 64;
    p[9] = IPPROTO_TCP;
    put32(p + 12, 0x0a090001);
    put32(p + 16, 0x0a090002);
    ip_checksum(p, LINK_IP);
    put16(p + 20, 1000);
    put16(p + 22, 2000);
    put32(p + 24, s->seq);
    put32(p + 28, s->ack);
    p[32] = LINK_TCP / 4 << 4;
    p[33] = s->flags;
    put16(p + 34, s->window);
    memcpy(p + 40, "\1\1\10\12\0\0\1\2\0\0\3\4", 12);
    for (uint32_t i = 0; i < s->len; i++)
        p[LINK_HEADERS + i] = (uint8_t)((s->seq + i) * 7 + s->fill);
    if (s->partial || s->gso_size) {
        sum_store(p + 36, sum_of_pseudo(p, LINK_TCP + s->len));
        *hdr = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                       .gso_type = s->gso_size ? VIRTIO_NET_HDR_GSO_TCPV4 : 0,
                                       .gso_size = s->gso_size,
                                       .hdr_len = LINK_HEADERS,
                                       .csum_start = LINK_IP,
                                       .csum_offset = 16};
    } else {
        sum_store_complement(p + 36, sum_of_pseudo(p, LINK_TCP + s->len) +
                                         sum_of(p + LINK_IP, LINK_TCP + s->len));
    }
    return len;
}

static inline struct frame *link_frame(const struct link_segment *s)
{
    static uint8_t bytes[IP_MAX_BYTES];
    struct virtio_net_hdr hdr;
    size_t len = link_segment_make(s, bytes, &hdr);
    return frame_new(&hdr, bytes, len);
}

/* Both checksums of a packet as it lies in memory. */
static inline bool link_sums_ok(const uint8_t *p, size_t len)
{
    return sum_fold(sum_of(p, LINK_IP)) == 0xffff &&
           sum_fold(sum_of_pseudo(p, (uint32_t)len - LINK_IP) +
                    sum_of(p + LINK_IP, len - LINK_IP)) == 0xffff;
}

#endif
