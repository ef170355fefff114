/* Packets as bytes: built and parsed without the library's help. */
#include "lib/wire.h"

static void put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v & 0xffff);
}

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] * 256 + p[1]);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

uint8_t wire_byte(bool ours, uint64_t offset)
{
    return (uint8_t)(((uint32_t)offset * 2654435761u >> 24) ^ (ours ? 0x5a : 0));
}

uint16_t wire_sum(const uint8_t *data, uint32_t len, uint64_t start)
{
    uint64_t sum = start;
    for (uint32_t i = 0; i < len; i++)
        sum += i % 2 ? data[i] : (uint64_t)data[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static uint64_t pseudo_sum(const uint8_t *ip, uint32_t len)
{
    uint64_t sum = 6 + (uint64_t)len;
    for (unsigned i = 12; i < 20; i += 2)
        sum += get16(ip + i);
    return sum;
}

void wire_fix_ip_checksum(struct wire_packet *p)
{
    uint32_t header = (p->bytes[0] & 15u) * 4;
    put16(p->bytes + 10, 0);
    put16(p->bytes + 10, wire_sum(p->bytes, header, 0));
}

void wire_fix_tcp_checksum(struct wire_packet *p)
{
    uint32_t header = (p->bytes[0] & 15u) * 4, len = get16(p->bytes + 2) - header;
    uint8_t *tcp = p->bytes + header;
    put16(tcp + 16, 0);
    put16(tcp + 16, wire_sum(tcp, len, pseudo_sum(p->bytes, len)));
}

void wire_build_ip(struct wire *w, struct wire_packet *p, uint8_t protocol, const void *data,
                   uint32_t len)
{
    *p = (struct wire_packet){.len = 20 + len};
    p->bytes[0] = 0x45;
    put16(p->bytes + 2, 20 + len);
    put16(p->bytes + 4, 0x1234);
    put16(p->bytes + 6, 0x4000);
    p->bytes[8] = 61;
    p->bytes[9] = protocol;
    put32(p->bytes + 12, w->peer_addr);
    put32(p->bytes + 16, w->our_addr);
    if (len)
        memcpy(p->bytes + 20, data, len);
    wire_fix_ip_checksum(p);
}

void wire_build_icmp(struct wire *w, struct wire_packet *p, uint8_t type, uint8_t code,
                     uint32_t rest, const void *data, uint32_t len)
{
    uint8_t icmp[2048] = {type, code};
    assert_true(len <= sizeof(icmp) - 8);
    put32(icmp + 4, rest);
    if (len)
        memcpy(icmp + 8, data, len);
    put16(icmp + 2, wire_sum(icmp, 8 + len, 0));
    wire_build_ip(w, p, 1, icmp, 8 + len);
}

static unsigned put_options(uint8_t *o, const struct wire_segment *s, const struct wire_conn *c)
{
    unsigned n = 0;
    if (s->options_len) {
        memcpy(o, s->options, s->options_len);
        n = s->options_len;
    } else {
        if (s->mss) {
            put32(o, 0x02040000u | s->mss);
            n += 4;
        }
        if (s->sackok) {
            put32(o + n, 0x01010402u);
            n += 4;
        }
        if (s->wscale) {
            put32(o + n, 0x01030300u | (uint32_t)(s->wscale - 1));
            n += 4;
        }
        if (s->ts) {
            put32(o + n, 0x0101080au);
            put32(o + n + 4, s->tsval);
            put32(o + n + 8, s->tsecr);
            n += 12;
        }
        unsigned blocks = 0;
        while (blocks < 4 && s->sack[blocks].end != s->sack[blocks].start)
            blocks++;
        if (blocks) {
            put32(o + n, 0x01010500u | (2 + 8 * blocks));
            for (unsigned i = 0; i < blocks; i++) {
                put32(o + n + 4 + 8 * i, c->iss + s->sack[i].start);
                put32(o + n + 8 + 8 * i, c->iss + s->sack[i].end);
            }
            n += 4 + 8 * blocks;
        }
    }
    while (n % 4)
        o[n++] = 0;
    return n;
}

void wire_build(struct wire *w, struct wire_packet *p, const struct wire_segment *given)
{
    struct wire_conn *c = wire_conn(w);
    struct wire_segment s = *given;
    uint8_t options[64] = {0};
    bool scaled = c->our_scale && c->peer_scale && !(s.flags & SYN);

    if (!s.ts && !s.no_ts && c->our_ts && c->peer_ts && !(s.flags & RST)) {
        s.ts = true;
        s.tsval = (uint32_t)(w->now_us / 1000);
        s.tsecr = c->tsval_seen;
    }
    int64_t wnd = s.wnd == WND_ZERO ? 0 : s.wnd ? s.wnd : w->wnd;
    wnd = scaled ? wnd >> (c->peer_scale - 1) : wnd;
    unsigned options_len = put_options(options, &s, c), header = 20 + options_len;

    wire_build_ip(w, p, 6, NULL, 0);
    uint8_t *tcp = p->bytes + 20;
    put16(tcp, w->peer_port);
    put16(tcp + 2, w->our_port);
    put32(tcp + 4, c->irs + s.seq);
    put32(tcp + 8, s.flags & ACK ? c->iss + s.ack : s.ack);
    tcp[12] = (uint8_t)(header / 4 << 4);
    tcp[13] = (uint8_t)s.flags;
    put16(tcp + 14, wnd > 65535 ? 65535u : (unsigned)wnd);
    put16(tcp + 18, s.urg);
    memcpy(tcp + 20, options, options_len);
    for (uint32_t i = 0; i < s.len; i++) {
        uint8_t byte = wire_byte(false, (uint64_t)s.seq + (s.flags & SYN ? 1 : 0) + i - 1);
        tcp[header + i] = s.garbage ? (uint8_t)~byte : byte;
    }
    p->bytes[1] = s.ecn;
    p->len = 20 + header + s.len;
    assert_true(p->len <= 65535);
    put16(p->bytes + 2, p->len);
    wire_fix_ip_checksum(p);
    wire_fix_tcp_checksum(p);
    if (s.gso_size) {
        p->gso_size = s.gso_size;
        p->gso_type = 1;
        p->needs_csum = true;
        p->csum_start = 20;
        p->csum_offset = 16;
        p->hdr_len = (uint16_t)(20 + header);
        put16(tcp + 16, (uint16_t)~wire_sum(NULL, 0, pseudo_sum(p->bytes, header + s.len)));
    }
}

static const char *parse_options(struct wire_packet *p, const uint8_t *o, const uint8_t *end)
{
    while (o < end && *o != 0) {
        if (*o == 1) {
            o++;
            continue;
        }
        if (end - o < 2 || o[1] < 2 || o[1] > end - o)
            return "malformed options"; /* 9293-MUST-68 */
        unsigned kind = o[0], len = o[1];
        if (kind == 2 && len == 4) {
            p->mss = get16(o + 2);
        } else if (kind == 3 && len == 3) {
            p->wscale = WS(o[2]);
        } else if (kind == 4 && len == 2) {
            p->sackok = true;
        } else if (kind == 8 && len == 10) {
            p->ts = true;
            p->tsval = get32(o + 2);
            p->tsecr = get32(o + 6);
        } else if (kind == 5 && len >= 10 && len <= 34 && len % 8 == 2) {
            for (p->sacks = 0; p->sacks < (int)(len - 2) / 8; p->sacks++)
                p->sack[p->sacks] =
                    (struct wire_sack){get32(o + 2 + 8 * p->sacks), get32(o + 6 + 8 * p->sacks)};
        } else {
            return "an option of unknown kind or wrong length";
        }
        o += len;
    }
    for (; o < end; o++)
        if (*o != 0)
            return "bytes behind the end of options"; /* 9293-MUST-69 */
    return NULL;
}

/* Fill in the fields from the bytes; false and why not if they are not a valid IPv4 packet. */
bool wire_parse(struct wire_packet *p, const char **why)
{
    const uint8_t *ip = p->bytes;
    *why = NULL;
    if (p->len < 20 || ip[0] != 0x45 || get16(ip + 2) != p->len)
        *why = "not an IPv4 header of 20 bytes with the right length";
    else if (wire_sum(ip, 20, 0) != 0)
        *why = "IPv4 checksum"; /* 791-3.1b */
    if (*why)
        return false;
    p->src = get32(ip + 12);
    p->dst = get32(ip + 16);
    p->protocol = ip[9];
    p->payload = ip + 20;
    p->payload_len = p->len - 20;
    if (p->protocol == 1 && wire_sum(p->payload, p->payload_len, 0) != 0)
        *why = "ICMP checksum";
    if (p->protocol != 6)
        return *why == NULL;
    const uint8_t *tcp = ip + 20;
    unsigned header = p->len >= 40 ? (tcp[12] >> 4) * 4u : 0;
    if (header < 20 || header > p->len - 20) {
        *why = "TCP data offset";
        return false;
    }
    uint64_t pseudo = pseudo_sum(ip, p->len - 20);
    uint16_t partial = (uint16_t)~wire_sum(NULL, 0, pseudo);
    if (p->needs_csum ? get16(tcp + 16) != partial : wire_sum(tcp, p->len - 20, pseudo) != 0)
        *why = "TCP checksum"; /* 9293-MUST-2 */
    if (tcp[12] & 15)
        *why = "reserved bits"; /* 9293-GEN-3 */
    p->src_port = get16(tcp);
    p->dst_port = get16(tcp + 2);
    p->seq = get32(tcp + 4);
    p->ack = get32(tcp + 8);
    p->flags = tcp[13];
    p->wnd = get16(tcp + 14);
    p->urg = get16(tcp + 18);
    const char *options = parse_options(p, tcp + 20, tcp + header);
    *why = *why ? *why : options;
    p->payload = tcp + header;
    p->payload_len = p->len - 20 - header;
    return *why == NULL;
}
