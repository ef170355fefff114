#include "wire/icmp.h"

#include <string.h>

#include "util/bytes.h"
#include "wire/checksum.h"
#include "wire/cursor.h"

enum { FRAG_OFFSET_MASK = 0x1fff, ECN_MASK = 3 };

static bool is_error(uint8_t type)
{
    return type == ICMP_UNREACHABLE || type == ICMP_SOURCE_QUENCH || type == ICMP_REDIRECT ||
           type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETER_PROBLEM;
}

/* The quote is read for itself and not by ip4_parse: it is cut short, and routers on the way have
 * changed its TTL, not always its checksum. */
static void parse_quote(struct icmp_message *m, struct cursor c)
{
    uint8_t version_ihl = cursor_u8(&c);
    size_t header_len = (version_ihl & 15) * 4u;
    cursor_u8(&c); /* TOS */
    uint16_t total_len = cursor_u16(&c);
    cursor_u16(&c); /* ID */
    bool later_fragment = cursor_u16(&c) & FRAG_OFFSET_MASK;
    cursor_u8(&c); /* TTL */
    uint8_t protocol = cursor_u8(&c);
    cursor_u16(&c); /* checksum */
    uint32_t src = cursor_u32(&c), dst = cursor_u32(&c);
    if (c.failed || version_ihl >> 4 != 4 || header_len < IP4_HEADER_LEN)
        return;
    m->quoted_src.v = src;
    m->quoted_dst.v = dst;
    m->quoted_protocol = protocol;
    m->quoted_total_len = total_len;

    cursor_bytes(&c, header_len - IP4_HEADER_LEN);
    if (c.failed || c.left < ICMP_QUOTE_PAYLOAD || later_fragment)
        return;
    m->quote_ok = true;
    m->quoted_src_port = cursor_u16(&c);
    m->quoted_dst_port = cursor_u16(&c);
    if (protocol == IP4_PROTO_TCP)
        m->quoted_seq = cursor_u32(&c);
}

enum drop_reason icmp_parse(struct icmp_message *m, const uint8_t *data, size_t len)
{
    if (len < ICMP_HEADER_LEN)
        return DROP_ICMP_BAD;
    struct checksum sum = checksum_start();
    checksum_add(&sum, data, len);
    if (!checksum_ok(&sum))
        return DROP_ICMP_BAD;

    struct cursor c = cursor_of(data, len);
    *m = (struct icmp_message){.type = cursor_u8(&c)};
    m->code = cursor_u8(&c);
    cursor_u16(&c); /* the checksum */
    m->body = c.at;
    m->body_len = (uint32_t)c.left;
    m->is_error = is_error(m->type);
    if (!m->is_error)
        return DROP_NONE;
    cursor_u16(&c); /* unused, or a pointer, or half a gateway */
    uint16_t mtu = cursor_u16(&c);
    if (m->type == ICMP_UNREACHABLE && m->code == ICMP_UNREACH_FRAG_NEEDED)
        m->mtu = mtu;
    parse_quote(m, c);
    return DROP_NONE;
}

static void write_header(uint8_t *icmp, uint8_t type, uint8_t code, uint32_t len)
{
    icmp[0] = type;
    icmp[1] = code;
    store_be16(icmp + 2, 0);
    struct checksum sum = checksum_start();
    checksum_add(&sum, icmp, len);
    store_be16(icmp + 2, checksum_field(&sum));
}

uint8_t *icmp_make_echo_reply(uint8_t *packet, const struct ip4_header *ip, uint8_t ttl,
                              uint32_t *len)
{
    uint32_t icmp_len = min_u32(*len, ip->total_len) - ip->header_len;
    uint8_t *icmp = packet + ip->header_len;
    write_header(icmp, ICMP_ECHO_REPLY, 0, icmp_len);
    /* RFC 1122 3.2.2: a reply has its request's TOS; the ECN bits mark that one packet only. */
    *len = IP4_HEADER_LEN + icmp_len;
    ip4_build(icmp - IP4_HEADER_LEN, ip->dst, ip->src, IP4_PROTO_ICMP, ttl,
              (uint8_t)(ip->tos & ~ECN_MASK), (uint16_t)*len);
    return icmp - IP4_HEADER_LEN;
}

unsigned icmp_build_error(uint8_t *out, ip4_addr src, uint8_t ttl, uint8_t type, uint8_t code,
                          const uint8_t *packet, const struct ip4_header *ip)
{
    uint32_t quote_len = min_u32(ip->total_len, ip->header_len + (uint32_t)ICMP_QUOTE_PAYLOAD);
    uint32_t len = IP4_HEADER_LEN + ICMP_HEADER_LEN + quote_len;
    uint8_t *icmp = out + IP4_HEADER_LEN;
    store_be32(icmp + 4, 0);
    memcpy(icmp + ICMP_HEADER_LEN, packet, quote_len);
    write_header(icmp, type, code, ICMP_HEADER_LEN + quote_len);
    ip4_build(out, src, ip->src, IP4_PROTO_ICMP, ttl, 0, (uint16_t)len);
    return len;
}
