/* Fuzz target: the parsers of IPv4, TCP and ICMP on arbitrary bytes in a block of their exact size.
 * What they take is consistent, and what the builders make of it parses to the same again. */
#include <string.h>

#include "fuzz/lib/fuzz.h"
#include "lib/exact.h"
#include "util/bytes.h"
#include "wire/checksum.h"
#include "wire/icmp.h"
#include "wire/tcp.h"

enum { MEND_IP = 1, MEND_PAYLOAD = 2, WHOLE_IS_TCP = 4, WHOLE_IS_ICMP = 8, MEND_LEN = 16 };

static void mend(uint8_t *at, size_t len, size_t field, struct checksum sum)
{
    if (len < field + 2)
        return;
    store_be16(at + field, 0);
    checksum_add(&sum, at, len);
    store_be16(at + field, checksum_field(&sum));
}

static void check_rebuilt_tcp(const struct tcp_segment *s, const struct ip4_header *ip)
{
    struct tcp_segment copy = *s, again;
    copy.len = 0;
    unsigned len = tcp_header_len(&copy);
    CHECK(len >= TCP_HEADER_LEN && len <= TCP_HEADER_MAX && len % 4 == 0, "%u", len);
    uint8_t *out = malloc(len);
    CHECK(out && tcp_build(out, &copy) == len, "length");
    tcp_fill_checksum(out, len, &copy, NULL, 0);
    CHECK(tcp_checksum_ok(ip, out, len), "checksum");
    CHECK(tcp_parse(&again, ip, out, len) == DROP_NONE, "parse what was built");
    CHECK(again.seq.v == s->seq.v && again.ack.v == s->ack.v && again.flags == s->flags, "fields");
    CHECK(again.window == s->window && again.urgent == s->urgent, "fields");
    CHECK(again.src_port == s->src_port && again.dst_port == s->dst_port, "ports");
    CHECK(again.has_mss == s->has_mss && again.mss == s->mss, "MSS");
    CHECK(again.has_wscale == s->has_wscale && again.wscale == s->wscale, "window scale");
    CHECK(again.sack_permitted == s->sack_permitted, "SACK permitted");
    CHECK(again.has_ts == s->has_ts && again.tsval == s->tsval && again.tsecr == s->tsecr, "TS");
    CHECK(again.sack_count <= s->sack_count, "SACK");
    CHECK(memcmp(again.sack, s->sack, again.sack_count * sizeof(s->sack[0])) == 0, "SACK");
    free(out);
}

static void parse_tcp(const struct ip4_header *ip, const uint8_t *data, size_t len)
{
    struct tcp_segment s;
    tcp_checksum_ok(ip, data, len);
    if (tcp_parse(&s, ip, data, len))
        return;
    CHECK(s.payload >= data + TCP_HEADER_LEN && s.payload + s.len == data + len, "payload");
    CHECK(s.sack_count <= TCP_SACK_MAX && s.wscale <= TCP_WSCALE_MAX, "options");
    CHECK(s.src_port && s.dst_port && s.gso_size == 0, "ports");
    CHECK((s.flags & TCP_SYN) || !(s.has_mss || s.has_wscale || s.sack_permitted), "SYN's options");
    check_rebuilt_tcp(&s, ip);
}

static void parse_icmp(const uint8_t *data, size_t len)
{
    struct icmp_message m;
    if (icmp_parse(&m, data, len))
        return;
    CHECK(m.body >= data && m.body + m.body_len == data + len, "body");
    CHECK(!m.quote_ok || m.is_error, "a quote in what is no error");
}

static void check_echo_reply(const struct ip4_header *ip, const uint8_t *packet, uint32_t len)
{
    struct ip4_header h;
    struct icmp_message m;
    uint8_t *copy = exact_copy(packet, len);
    uint8_t *start = icmp_make_echo_reply(copy, ip, 64, &len);
    CHECK(start >= copy && start + len <= copy + ip->total_len, "the reply leaves the request");
    CHECK(ip4_parse(&h, start, len) == DROP_NONE && h.total_len == len, "its header");
    CHECK(h.src.v == ip->dst.v && h.dst.v == ip->src.v, "its addresses");
    CHECK(icmp_parse(&m, start + h.header_len, len - h.header_len) == DROP_NONE, "its checksum");
    free(copy);
}

static void check_error(const struct ip4_header *ip, const uint8_t *packet)
{
    uint8_t *out = malloc(20 + 8 + 60 + 8);
    struct ip4_header h;
    struct icmp_message m;
    CHECK(out, "memory");
    unsigned len =
        icmp_build_error(out, ip->dst, 64, ICMP_UNREACHABLE, ICMP_UNREACH_PORT, packet, ip);
    CHECK(ip4_parse(&h, out, len) == DROP_NONE && h.total_len == len, "header");
    CHECK(icmp_parse(&m, out + 20, len - 20) == DROP_NONE && m.is_error, "message");
    CHECK(m.quoted_src.v == ip->src.v && m.quoted_protocol == ip->protocol, "quote");
    free(out);
}

static void parse_ip(uint8_t *packet, size_t len, unsigned how)
{
    struct ip4_header h;
    size_t header = len ? (packet[0] & 15u) * 4 : 0;
    if ((how & MEND_LEN) && len >= 4)
        store_be16(packet + 2, (uint16_t)len);
    if ((how & MEND_IP) && header >= 20 && header <= len)
        mend(packet, header, 10, checksum_start());
    if (ip4_parse(&h, packet, len))
        return;
    CHECK(h.header_len >= 20 && h.header_len <= 60 && h.header_len % 4 == 0, "header length");
    CHECK(h.header_len <= h.total_len && h.total_len <= len, "total length");
    size_t payload_len = (size_t)h.total_len - h.header_len;
    uint8_t *payload = exact_copy(packet + h.header_len, payload_len);
    struct checksum pseudo = checksum_start();
    checksum_add_pseudo(&pseudo, h.src, h.dst, IP4_PROTO_TCP, (uint32_t)payload_len);
    if (how & MEND_PAYLOAD)
        mend(payload, payload_len, h.protocol == IP4_PROTO_TCP ? 16 : 2,
             h.protocol == IP4_PROTO_TCP ? pseudo : checksum_start());
    if (h.protocol == IP4_PROTO_TCP)
        parse_tcp(&h, payload, payload_len);
    else
        parse_icmp(payload, payload_len);
    if (payload_len >= ICMP_HEADER_LEN)
        check_echo_reply(&h, packet, (uint32_t)len);
    check_error(&h, packet);
    free(payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct input in = {data, len};
    unsigned how = take8(&in);
    uint8_t *packet = exact_copy(in.at, in.left);
    struct ip4_header ip = {.src = {0xc0000201}, .dst = {0xc0000202}, .protocol = IP4_PROTO_TCP};
    if (how & WHOLE_IS_TCP) {
        parse_tcp(&ip, packet, in.left);
    } else if (how & WHOLE_IS_ICMP) {
        if (how & MEND_PAYLOAD)
            mend(packet, in.left, 2, checksum_start());
        parse_icmp(packet, in.left);
    } else {
        parse_ip(packet, in.left, how);
    }
    free(packet);
    return 0;
}
