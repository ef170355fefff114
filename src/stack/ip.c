/* Packets in (RFC 1122 3.2): is it a good IPv4 packet, is it for us, whose is it? */
#include <errno.h>
#include <string.h>

#include "stack/stack.h"
#include "wire/icmp.h"

enum { GSO_NONE = 0, GSO_TCPV4 = 1, TCP_CSUM_OFFSET = 16 };

void *mytcp_input_buffer(mytcp_stack *s, size_t *size_bytes)
{
    if (!s || !size_bytes) {
        fail(EINVAL);
        return NULL;
    }
    *size_bytes = s->lent->cap;
    return s->lent->memory;
}

/* What the virtio-net header claims must be what the packet is: it is a hint, never an instruction. */
static enum drop_reason check_checksum(const struct mytcp_packet *p, const struct ip4_header *ip,
                                       const uint8_t *data, size_t len)
{
    if (len < TCP_HEADER_LEN) return DROP_TCP_SHORT;
    if (p->needs_csum) {
        bool place = p->csum_start == ip->header_len && p->csum_offset == TCP_CSUM_OFFSET;
        return place ? DROP_NONE : DROP_VNET_HEADER;
    }
    return p->csum_valid || tcp_checksum_ok(ip, data, len) ? DROP_NONE : DROP_TCP_CHECKSUM;
}

static enum drop_reason input_tcp(struct mytcp_stack *s, const struct mytcp_packet *p,
                                  const struct ip4_header *ip, const uint8_t *packet, struct buf **owner)
{
    struct tcp_segment seg;
    const uint8_t *data = packet + ip->header_len;
    size_t len = (size_t)ip->total_len - ip->header_len;
    enum drop_reason reason = check_checksum(p, ip, data, len);
    if (!reason) reason = tcp_parse(&seg, ip, data, len);
    if (reason) return reason;
    if (p->gso_type == GSO_TCPV4 && p->gso_size && p->gso_size < seg.len) {
        if (seg.flags & (TCP_SYN | TCP_RST)) return DROP_TCP_GSO;
        seg.gso_size = p->gso_size;
    }
    return tcp_demux(s, &seg, owner);
}

static enum drop_reason input_other(struct mytcp_stack *s, const struct ip4_header *ip, uint8_t *packet)
{
    if (ip->protocol == IP4_PROTO_UDP) {
        icmp_send_error(s, ICMP_UNREACHABLE, ICMP_UNREACH_PORT, packet, ip);
        return DROP_UDP_PORT;
    }
    icmp_send_error(s, ICMP_UNREACHABLE, ICMP_UNREACH_PROTOCOL, packet, ip);
    return DROP_IP_PROTOCOL;
}

static enum drop_reason check_addresses(const struct mytcp_stack *s, const struct ip4_header *ip)
{
    if (ip->dst.v != s->addr.v) return DROP_IP_DEST;
    if (!ip4_is_unicast(ip->src) || ip->src.v == s->addr.v) return DROP_IP_SOURCE; /* LAND */
    if (ip4_is_broadcast_of(ip->src, s->addr, s->config.prefix_len)) return DROP_IP_SOURCE;
    return DROP_NONE;
}

static enum drop_reason dispatch(struct mytcp_stack *s, const struct mytcp_packet *p,
                                 const struct ip4_header *ip, uint8_t *packet, struct buf **owner)
{
    if (ip->protocol == IP4_PROTO_TCP) return input_tcp(s, p, ip, packet, owner);
    if (ip->protocol == IP4_PROTO_ICMP) return icmp_input(s, ip, packet);
    return input_other(s, ip, packet);
}

static void arm_reass(struct mytcp_stack *s)
{
    wheel_set(&s->wheel, &s->reass_timer, reass_deadline(&s->reass));
}

/* Put together again, it is a packet like any other, but without the device's hints. */
static enum drop_reason input_fragment(struct mytcp_stack *s, const struct ip4_header *ip,
                                       const uint8_t *packet)
{
    uint8_t *whole = NULL;
    size_t len = 0;
    bool complete = false;
    enum drop_reason reason =
        reass_input(&s->reass, ip, packet, s->env.now_us, &whole, &len, &complete);
    arm_reass(s);
    if (reason || !complete) return reason;
    struct ip4_header h;
    struct buf *nobody = NULL;
    reason = ip4_parse(&h, whole, len);
    return reason ? reason : dispatch(s, &(struct mytcp_packet){0}, &h, whole, &nobody);
}

static enum drop_reason input_packet(struct mytcp_stack *s, const struct mytcp_packet *p,
                                     struct buf **owner)
{
    struct ip4_header ip;
    uint8_t *packet = p->data;
    if (p->gso_type != GSO_NONE && p->gso_type != GSO_TCPV4) return DROP_VNET_HEADER;
    if (p->len_bytes > UINT16_MAX) return DROP_IP_LEN;
    enum drop_reason reason = ip4_parse(&ip, packet, p->len_bytes);
    if (!reason) reason = check_addresses(s, &ip);
    if (reason) return reason;
    if (ip.frag_offset || ip.more_fragments) return input_fragment(s, &ip, packet);
    return dispatch(s, p, &ip, packet, owner);
}

int mytcp_input(mytcp_stack *s, const struct mytcp_packet *packet, uint64_t now_us)
{
    if (!s || !packet || (!packet->data && packet->len_bytes)) return fail(EINVAL);
    stack_time(s, now_us);
    s->stats.packets_in++;
    s->stats.bytes_in += packet->len_bytes;
    struct buf *owner = s->lent;
    const uint8_t *data = packet->data;
    bool lent = data >= owner->memory && data < owner->memory + owner->cap;
    /* Near the ceiling no whole buffer is kept for a packet, so that there is always one to read the
     * next into: the ACKs that free memory must get in. */
    if (!lent || mem_above(&s->mem, MEM_FULL_PERCENT)) owner = NULL;
    struct buf *next = NULL;
    if (owner && packet->len_bytes >= BUF_LINK_BYTES && !(next = buf_lend(&s->bufs))) owner = NULL;
    bool linkable = owner;
    enum drop_reason reason = input_packet(s, packet, &owner);
    if (linkable && !owner) s->lent = next; /* a receive queue has it */
    else if (next) buf_release(&s->bufs, next);
    if (reason) s->stats.drops[reason]++;
    return (int)reason;
}
