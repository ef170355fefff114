#include "frame.h"

#include "bytes.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>

enum { CE = 3, CSUM_OFFSET_TCP = 16 };

/* Find the headers. What is not a whole TCP segment in a sound IPv4 packet is one opaque piece. */
static void look(struct frame *frame)
{
    const uint8_t *ip = frame->bytes;
    if (frame->len_bytes < 20 || ip[0] >> 4 != 4)
        return;
    uint32_t ip_len = (ip[0] & 15u) * 4;
    if (ip_len < 20 || ip_len > frame->len_bytes || get16(ip + 2) != frame->len_bytes)
        return;
    frame->ip_len = frame->head_len = ip_len;
    if (ip[9] != IPPROTO_TCP || (get16(ip + 6) & 0x3fff) || frame->len_bytes < ip_len + 20)
        return;
    uint32_t tcp_len = (ip[ip_len + 12] >> 4) * 4u;
    frame->tcp = tcp_len >= 20 && ip_len + tcp_len <= frame->len_bytes;
    if (frame->tcp)
        frame->head_len += tcp_len;
}

/* Finish a partial checksum in place: the field holds the sum of the pseudo-header. As 0 means
 * "none" in UDP, and is the same number elsewhere, it is sent as all ones. */
static bool finish_in_place(struct frame *frame, const struct virtio_net_hdr *hdr)
{
    uint32_t start = hdr->csum_start, at = start + hdr->csum_offset;
    if (at + 2 > frame->len_bytes)
        return false;
    uint16_t sum = (uint16_t)~sum_fold(sum_of(frame->bytes + start, frame->len_bytes - start));
    sum_store(frame->bytes + at, sum ? sum : 0xffff);
    return true;
}

static bool take_header(struct frame *frame, const struct virtio_net_hdr *hdr)
{
    bool needs_csum = hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
    uint32_t payload = frame->len_bytes - frame->head_len;

    frame->step_bytes = payload;
    frame->pieces = 1;
    if (hdr->gso_type != VIRTIO_NET_HDR_GSO_NONE) {
        if ((hdr->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) != VIRTIO_NET_HDR_GSO_TCPV4 ||
            !frame->tcp || hdr->gso_size == 0)
            return false;
        if (payload > hdr->gso_size) {
            frame->step_bytes = hdr->gso_size;
            frame->pieces = (payload + hdr->gso_size - 1) / hdr->gso_size;
        }
        needs_csum = true;
    }
    if (!needs_csum)
        return true;
    frame->partial = frame->tcp && (frame->pieces > 1 || (hdr->csum_start == frame->ip_len &&
                                                          hdr->csum_offset == CSUM_OFFSET_TCP));
    return frame->partial || finish_in_place(frame, hdr);
}

struct frame *frame_new(const struct virtio_net_hdr *hdr, const void *bytes, size_t len_bytes)
{
    struct frame *frame = len_bytes <= IP_MAX_BYTES ? malloc(sizeof *frame + len_bytes) : NULL;
    if (!frame) {
        errno = len_bytes <= IP_MAX_BYTES ? ENOMEM : EBADMSG;
        return NULL;
    }
    *frame = (struct frame){.refs = 1, .len_bytes = (uint32_t)len_bytes};
    memcpy(frame->bytes, bytes, len_bytes);
    look(frame);
    if (!take_header(frame, hdr)) {
        free(frame);
        errno = EBADMSG;
        return NULL;
    }
    return frame;
}

struct frame *frame_keep(struct frame *frame)
{
    frame->refs++;
    return frame;
}

void frame_drop(struct frame *frame)
{
    if (--frame->refs == 0)
        free(frame);
}

static uint32_t piece_payload(const struct frame *frame, uint32_t i)
{
    uint32_t left = frame->len_bytes - frame->head_len - i * frame->step_bytes;
    return left < frame->step_bytes ? left : frame->step_bytes;
}

uint32_t frame_piece_bytes(const struct frame *frame, uint32_t i)
{
    return frame->head_len + piece_payload(frame, i);
}

bool frame_is_ect(const struct frame *frame)
{
    return frame->ip_len && (frame->bytes[1] & CE) != 0;
}

/* What differs from piece to piece of a super-segment. */
static void count_on(struct wire *wire, const struct frame *frame, uint32_t i)
{
    uint8_t *ip = wire->head, *tcp = wire->head + wire->ip_len;
    put16(ip + 2, wire->head_len + wire->payload_len);
    put16(ip + 4, get16(ip + 4) + i);
    put32(tcp + 4, get32(tcp + 4) + i * frame->step_bytes);
    if (i + 1 < frame->pieces)
        tcp[13] &= (uint8_t)~(TH_FIN | TH_PUSH);
    if (i > 0)
        tcp[13] &= (uint8_t)~FLAG_CWR;
}

void wire_make(struct wire *wire, const struct frame *frame, uint32_t i, bool ce)
{
    memcpy(wire->head, frame->bytes, frame->head_len);
    wire->head_len = frame->head_len;
    wire->ip_len = frame->ip_len;
    wire->payload = frame->bytes + frame->head_len + i * frame->step_bytes;
    wire->payload_len = piece_payload(frame, i);
    wire->tcp = frame->tcp;
    wire->partial = frame->partial;
    if (frame->pieces > 1)
        count_on(wire, frame, i);
    if (ce)
        wire->head[1] |= CE;
    if (ce || frame->pieces > 1)
        ip_checksum(wire->head, wire->ip_len);
}

static uint64_t tcp_sum(const struct wire *wire)
{
    uint32_t tcp_len = wire->head_len - wire->ip_len;
    return sum_of_pseudo(wire->head, tcp_len + wire->payload_len) +
           sum_of(wire->head + wire->ip_len, tcp_len) + sum_of(wire->payload, wire->payload_len);
}

void wire_finish(struct wire *wire)
{
    if (!wire->partial)
        return;
    uint8_t *field = wire->head + wire->ip_len + CSUM_OFFSET_TCP;
    put16(field, 0);
    sum_store_complement(field, tcp_sum(wire));
    wire->partial = false;
}

bool wire_is_right(const struct wire *wire)
{
    return wire->partial || sum_fold(tcp_sum(wire)) == 0xffff;
}
