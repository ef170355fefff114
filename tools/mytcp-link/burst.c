#include "burst.h"

#include "bytes.h"

#include <netinet/tcp.h>

enum { ID = 4, DF = 0x40, SEQ = 4, FLAGS = 13, CHECKSUM = 16, LAST = TH_FIN | TH_PUSH };

static void start(struct burst *burst, const struct wire *wire)
{
    burst->first = *wire;
    burst->id_step = 1;
    burst->flags_last = 0;
    burst->payload_bytes = 0;
    burst->payload_count = 0;
    const uint8_t *flags = wire->head + wire->ip_len + FLAGS;
    burst->ended = !wire->tcp || wire->payload_len == 0 ||
                   (*flags & (LAST | TH_SYN | TH_RST | TH_URG)) != 0;
}

static void append(struct burst *burst, struct frame *frame, const struct wire *wire)
{
    int n = burst->payload_count;
    struct iovec *last = n > 0 ? &burst->payload[n - 1] : NULL;
    burst->frames[burst->count++] = frame_keep(frame);
    burst->payload_bytes += wire->payload_len;
    if (last && (uint8_t *)last->iov_base + last->iov_len == wire->payload)
        last->iov_len += wire->payload_len;
    else
        burst->payload[burst->payload_count++] =
            (struct iovec){(void *)(uintptr_t)wire->payload, wire->payload_len};
}

/* Every byte of the IPv4 header but length, ID and checksum. */
static bool same_ip(const uint8_t *a, const uint8_t *b, uint32_t ip_len)
{
    return !memcmp(a, b, 2) && !memcmp(a + 6, b + 6, 4) && !memcmp(a + 12, b + 12, ip_len - 12);
}

/* Every byte of the TCP header but sequence number, flags and checksum. */
static bool same_tcp(const uint8_t *a, const uint8_t *b, uint32_t tcp_len)
{
    return !memcmp(a, b, 4) && !memcmp(a + 8, b + 8, 5) && !memcmp(a + 14, b + 14, 2) &&
           !memcmp(a + 18, b + 18, tcp_len - 18);
}

static bool id_follows(struct burst *burst, const uint8_t *ip)
{
    uint32_t gap = (get16(ip + ID) - get16(burst->first.head + ID)) & 0xffff;
    if (burst->count == 1 && gap == 0 && (ip[6] & DF))
        burst->id_step = 0;
    return gap == burst->id_step * burst->count;
}

static bool follows(struct burst *burst, const struct wire *next)
{
    const struct wire *first = &burst->first;
    uint32_t ip_len = first->ip_len, tcp_len = first->head_len - ip_len;
    const uint8_t *ip = first->head, *tcp = ip + ip_len, *tcp2 = next->head + ip_len;

    if (burst->ended || burst->count == BURST_PACKETS_MAX || !next->tcp ||
        next->ip_len != ip_len || next->head_len != first->head_len || next->payload_len == 0 ||
        next->payload_len > first->payload_len ||
        first->head_len + burst->payload_bytes + next->payload_len > IP_MAX_BYTES)
        return false;
    return same_ip(ip, next->head, ip_len) && same_tcp(tcp, tcp2, tcp_len) &&
           get32(tcp2 + SEQ) == get32(tcp + SEQ) + burst->payload_bytes &&
           (tcp[FLAGS] & ~FLAG_CWR) == (tcp2[FLAGS] & ~LAST) && id_follows(burst, next->head);
}

bool burst_add(struct burst *burst, struct frame *frame, uint32_t i, bool ce, bool merge)
{
    struct wire wire;
    wire_make(&wire, frame, i, ce);
    if (burst->count == 0) {
        start(burst, &wire);
        append(burst, frame, &wire);
        return true;
    }
    if (!merge || !follows(burst, &wire) || !wire_is_right(&wire) || !wire_is_right(&burst->first))
        return false;
    burst->first.partial = true; /* known to be right: need not be looked at again */
    burst->flags_last = wire.head[wire.ip_len + FLAGS] & LAST;
    burst->ended = burst->flags_last || wire.payload_len < burst->first.payload_len;
    append(burst, frame, &wire);
    return true;
}

static void make_super(struct burst *burst)
{
    struct wire *head = &burst->first;
    uint8_t *tcp = head->head + head->ip_len;
    uint32_t len = head->head_len + burst->payload_bytes;

    put16(head->head + 2, len);
    ip_checksum(head->head, head->ip_len);
    tcp[FLAGS] |= burst->flags_last;
    sum_store(tcp + CHECKSUM, sum_of_pseudo(head->head, len - head->ip_len));
    burst->hdr = (struct virtio_net_hdr){
        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
        .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
        .gso_size = (uint16_t)head->payload_len,
        .hdr_len = (uint16_t)head->head_len,
        .csum_start = (uint16_t)head->ip_len,
        .csum_offset = CHECKSUM,
    };
    if (tcp[FLAGS] & FLAG_CWR)
        burst->hdr.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
}

void burst_close(struct burst *burst)
{
    burst->hdr = (struct virtio_net_hdr){0};
    if (burst->count > 1)
        make_super(burst);
    else
        wire_finish(&burst->first);
    burst->iov[0] = (struct iovec){&burst->hdr, sizeof burst->hdr};
    burst->iov[1] = (struct iovec){burst->first.head, burst->first.head_len};
    memcpy(burst->iov + 2, burst->payload, (size_t)burst->payload_count * sizeof *burst->iov);
    burst->iovcnt = 2 + burst->payload_count;
}

void burst_clear(struct burst *burst)
{
    for (uint32_t i = 0; i < burst->count; i++)
        frame_drop(burst->frames[i]);
    burst->count = 0;
}
