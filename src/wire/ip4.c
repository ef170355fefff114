#include "wire/ip4.h"

#include "util/bytes.h"
#include "wire/checksum.h"
#include "wire/cursor.h"

enum { FLAG_DF = 0x4000, FLAG_MF = 0x2000, OFFSET_MASK = 0x1fff };
enum { OPTION_EOL = 0, OPTION_NOP = 1, OPTION_LSRR = 131, OPTION_SSRR = 137 };

/* Are the options well formed (RFC 791 3.1) and without a source route (RFC 7126 4.3)? */
static bool options_ok(struct cursor c)
{
    while (c.left > 0) {
        uint8_t kind = cursor_u8(&c);
        if (kind == OPTION_EOL)
            return true;
        if (kind == OPTION_NOP)
            continue;
        uint8_t len = cursor_u8(&c);
        if (len < 2 || kind == OPTION_LSRR || kind == OPTION_SSRR)
            return false;
        cursor_bytes(&c, len - 2u);
        if (c.failed)
            return false;
    }
    return true;
}

enum drop_reason ip4_parse(struct ip4_header *h, const uint8_t *packet, size_t len)
{
    if (len < IP4_HEADER_LEN)
        return DROP_SHORT;
    struct cursor c = cursor_of(packet, len);
    uint8_t version_ihl = cursor_u8(&c);
    if (version_ihl >> 4 != 4)
        return DROP_IP_VERSION;
    h->header_len = (uint8_t)((version_ihl & 15) * 4);
    if (h->header_len < IP4_HEADER_LEN || h->header_len > len)
        return DROP_IP_HEADER_LEN;
    h->tos = cursor_u8(&c);
    h->total_len = cursor_u16(&c);
    if (h->total_len < h->header_len || h->total_len > len)
        return DROP_IP_LEN;

    struct checksum sum = checksum_start();
    checksum_add(&sum, packet, h->header_len);
    if (!checksum_ok(&sum))
        return DROP_IP_CHECKSUM;

    h->id = cursor_u16(&c);
    uint16_t fragment = cursor_u16(&c);
    h->dont_fragment = fragment & FLAG_DF;
    h->more_fragments = fragment & FLAG_MF;
    h->frag_offset = (uint16_t)((fragment & OFFSET_MASK) * 8);
    h->ttl = cursor_u8(&c);
    h->protocol = cursor_u8(&c);
    cursor_u16(&c); /* the checksum */
    h->src.v = cursor_u32(&c);
    h->dst.v = cursor_u32(&c);
    if (!options_ok(cursor_sub(&c, h->header_len - (size_t)IP4_HEADER_LEN)))
        return DROP_IP_OPTIONS;
    return DROP_NONE;
}

void ip4_build(uint8_t out[IP4_HEADER_LEN], ip4_addr src, ip4_addr dst, uint8_t protocol,
               uint8_t ttl, uint8_t tos, uint16_t total_len)
{
    out[0] = 4 << 4 | IP4_HEADER_LEN / 4;
    out[1] = tos;
    store_be16(out + 2, total_len);
    store_be16(out + 4, 0); /* RFC 6864 4.1: an atomic datagram needs no ID */
    store_be16(out + 6, FLAG_DF);
    out[8] = ttl;
    out[9] = protocol;
    store_be16(out + 10, 0);
    store_be32(out + 12, src.v);
    store_be32(out + 16, dst.v);
    struct checksum sum = checksum_start();
    checksum_add(&sum, out, IP4_HEADER_LEN);
    store_be16(out + 10, checksum_field(&sum));
}

bool ip4_is_unicast(ip4_addr a)
{
    uint32_t net = a.v >> 24;
    return net != 0 && net != 127 && net < 224;
}

bool ip4_is_broadcast_of(ip4_addr a, ip4_addr local, unsigned prefix_len)
{
    if (prefix_len > 30) /* RFC 3021: a link of two has none */
        return false;
    uint32_t host = UINT32_MAX >> prefix_len;
    if ((a.v ^ local.v) & ~host)
        return false;
    return (a.v & host) == host || (a.v & host) == 0;
}
