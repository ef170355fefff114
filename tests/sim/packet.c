#include "packet.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { IP_HEADER = 20, TCP_HEADER = 20, QUOTED = 8 };

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v);
}

/* RFC 1071, a word of four bytes at a time; folded to 16 bits, not complemented. */
static uint32_t sum16(const uint8_t *p, size_t len, uint64_t sum)
{
    for (; len >= 4; p += 4, len -= 4) {
        uint32_t word;
        memcpy(&word, p, sizeof(word));
        sum += ntohl(word);
    }
    if (len >= 2) {
        sum += get16(p);
        p += 2;
        len -= 2;
    }
    if (len != 0) {
        sum += (uint32_t)*p << 8;
    }
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint32_t)sum;
}

static uint32_t pseudo_sum(const struct packet *p, uint32_t tcp_len)
{
    return sum16(p->data + 12, 8, 6 + (uint64_t)tcp_len);
}

struct packet *packet_new(uint32_t len)
{
    struct packet *p = malloc(sizeof(*p) + len);
    if (p == NULL) {
        abort();
    }
    p->len = len;
    p->gso_size = 0;
    p->needs_csum = false;
    return p;
}

struct packet *packet_from_tx(const struct mytcp_tx *tx)
{
    uint32_t len = 0;
    for (int i = 0; i < tx->iovcnt; i++) {
        len += (uint32_t)tx->iov[i].iov_len;
    }
    struct packet *p = packet_new(len);
    uint32_t at = 0;
    for (int i = 0; i < tx->iovcnt; i++) {
        if (tx->iov[i].iov_len != 0) {
            memcpy(p->data + at, tx->iov[i].iov_base, tx->iov[i].iov_len);
            at += (uint32_t)tx->iov[i].iov_len;
        }
    }
    p->gso_size = tx->gso_size;
    p->needs_csum = tx->needs_csum;
    return p;
}

struct packet *packet_copy(const struct packet *p, uint32_t len)
{
    struct packet *c = packet_new(len);
    uint32_t n = len < p->len ? len : p->len;
    memcpy(c->data, p->data, n);
    memset(c->data + n, 0xa5, len - n);
    c->gso_size = p->gso_size;
    c->needs_csum = p->needs_csum;
    return c;
}

/* One option of kind and length with its value at v. */
static const char *parse_option(struct segment *s, uint8_t kind, uint8_t len, const uint8_t *v)
{
    if (kind == 2) {
        s->mss = len == 4 ? get16(v) : 0;
        return len == 4 ? NULL : "an MSS option of the wrong length";
    }
    if (kind == 3) {
        s->wscale = (int8_t)v[0];
        return len == 3 && v[0] <= 14 ? NULL : "a bad window scale option";
    }
    if (kind == 4) {
        s->sack_ok = true;
        return len == 2 ? NULL : "a SACK-permitted option of the wrong length";
    }
    if (kind == 5) {
        s->sack_count = (uint8_t)((len - 2) / 8);
        if ((len - 2) % 8 != 0 || s->sack_count == 0 || s->sack_count > 4) {
            return "a SACK option of the wrong length";
        }
        for (unsigned i = 0; i < s->sack_count; i++) {
            s->sack[i] = (struct segment_sack){get32(v + 8 * i), get32(v + 8 * i + 4)};
        }
        return NULL;
    }
    if (kind == 8) {
        s->has_ts = true;
        s->tsval = get32(v);
        s->tsecr = get32(v + 4);
        return len == 10 ? NULL : "a timestamps option of the wrong length";
    }
    return "an option of unknown kind";
}

static const char *parse_options(struct segment *s, const uint8_t *o, uint32_t len)
{
    for (uint32_t i = 0; i < len;) {
        if (o[i] == 0) {
            return NULL;
        }
        if (o[i] == 1) {
            i++;
            continue;
        }
        if (i + 2 > len || o[i + 1] < 2 || i + o[i + 1] > len) {
            return "an option beyond the header";
        }
        const char *bad = parse_option(s, o[i], o[i + 1], o + i + 2);
        if (bad != NULL) {
            return bad;
        }
        i += o[i + 1];
    }
    return NULL;
}

const char *packet_parse(const struct packet *p, struct segment *s)
{
    const uint8_t *d = p->data;
    memset(s, 0, sizeof(*s));
    s->wscale = -1;
    if (p->len < IP_HEADER + TCP_HEADER) {
        return "shorter than its headers";
    }
    if (d[0] != 0x45) {
        return "not IPv4 with a plain header";
    }
    if (get16(d + 2) != p->len) {
        return "an IPv4 length that is not the packet's";
    }
    if (get16(d + 4) != 0 || get16(d + 6) != 0x4000) {
        return "an IPv4 ID or fragment field that is not 0 and DF";
    }
    if (d[8] == 0 || d[9] != 6) {
        return "a TTL of 0, or not TCP";
    }
    const uint8_t *t = d + IP_HEADER;
    memcpy(&s->src, d + 12, 4);
    memcpy(&s->dst, d + 16, 4);
    s->sport = get16(t);
    s->dport = get16(t + 2);
    s->seq = get32(t + 4);
    s->ack = get32(t + 8);
    uint32_t header = (uint32_t)(t[12] >> 4) * 4;
    s->reserved = t[12] & 15;
    s->flags = t[13];
    s->window = get16(t + 14);
    s->urgent = get16(t + 18);
    if (header < TCP_HEADER || IP_HEADER + header > p->len) {
        return "a TCP data offset beyond the packet";
    }
    s->header_len = (uint16_t)(IP_HEADER + header);
    s->options_len = (uint16_t)(header - TCP_HEADER);
    s->payload = d + s->header_len;
    s->payload_len = p->len - s->header_len;
    return parse_options(s, t + TCP_HEADER, s->options_len);
}

bool packet_is_icmp(const struct packet *p)
{
    return p->len >= IP_HEADER && p->data[9] == 1;
}

uint32_t packet_dst(const struct packet *p)
{
    uint32_t dst = 0;
    if (p->len >= IP_HEADER) {
        memcpy(&dst, p->data + 16, 4);
    }
    return dst;
}

const char *packet_check_sums(const struct packet *p)
{
    uint32_t tcp_len = p->len - IP_HEADER;
    if (sum16(p->data, IP_HEADER, 0) != 0xffff) {
        return "a wrong IPv4 checksum";
    }
    if (!p->needs_csum) {
        return sum16(p->data + IP_HEADER, tcp_len, pseudo_sum(p, tcp_len)) == 0xffff
                   ? NULL
                   : "a wrong TCP checksum";
    }
    uint32_t partial = get16(p->data + IP_HEADER + 16);
    uint32_t want = pseudo_sum(p, tcp_len);
    return partial == want ? NULL : "a partial TCP checksum that is not the pseudo-header's";
}

static void set_sums(struct packet *p)
{
    uint32_t tcp_len = p->len - IP_HEADER;
    put16(p->data + 10, 0);
    put16(p->data + 10, ~sum16(p->data, IP_HEADER, 0));
    put16(p->data + IP_HEADER + 16, 0);
    put16(p->data + IP_HEADER + 16,
          ~sum16(p->data + IP_HEADER, tcp_len, pseudo_sum(p, tcp_len)));
}

void packet_mark(struct packet *p)
{
    if ((p->data[1] & 3) != 0) {
        p->data[1] |= 3;
        put16(p->data + 10, 0);
        put16(p->data + 10, ~sum16(p->data, IP_HEADER, 0));
    }
}

void packet_finish_checksum(struct packet *p)
{
    if (p->needs_csum) {
        set_sums(p);
        p->needs_csum = false;
    }
}

struct packet *packet_piece(const struct packet *super, uint32_t i)
{
    const uint8_t *t = super->data + IP_HEADER;
    uint32_t header = IP_HEADER + (uint32_t)(t[12] >> 4) * 4;
    uint32_t payload = super->len - header;
    uint32_t from = i * super->gso_size;
    if (from >= payload) {
        return NULL;
    }
    uint32_t n = payload - from < super->gso_size ? payload - from : super->gso_size;
    struct packet *p = packet_new(header + n);
    memcpy(p->data, super->data, header);
    memcpy(p->data + header, super->data + header + from, n);
    put16(p->data + 2, p->len);
    put32(p->data + IP_HEADER + 4, get32(t + 4) + from);
    if (from + n < payload) {
        p->data[IP_HEADER + 13] &= (uint8_t) ~(TH_FIN | TH_PUSH); /* the last piece carries them */
    }
    set_sums(p);
    return p;
}

struct packet *packet_frag_needed(const struct packet *p, uint32_t router, uint16_t mtu)
{
    struct packet *icmp = packet_new(IP_HEADER + 8 + IP_HEADER + QUOTED);
    uint8_t *d = icmp->data;
    memset(d, 0, icmp->len);
    d[0] = 0x45;
    put16(d + 2, icmp->len);
    d[8] = 64;
    d[9] = 1;
    memcpy(d + 12, &router, 4);
    memcpy(d + 16, p->data + 12, 4);
    put16(d + 10, ~sum16(d, IP_HEADER, 0));
    d[20] = 3;
    d[21] = 4;
    put16(d + 26, mtu);
    memcpy(d + 28, p->data, IP_HEADER + QUOTED);
    put16(d + 22, ~sum16(d + IP_HEADER, icmp->len - IP_HEADER, 0));
    return icmp;
}

struct packet *packet_syn(uint32_t src, uint32_t dst, uint16_t sport, uint16_t dport, uint32_t seq)
{
    struct packet *p = packet_new(IP_HEADER + TCP_HEADER + 4);
    uint8_t *d = p->data;
    memset(d, 0, p->len);
    d[0] = 0x45;
    put16(d + 2, p->len);
    put16(d + 6, 0x4000);
    d[8] = 64;
    d[9] = 6;
    memcpy(d + 12, &src, 4);
    memcpy(d + 16, &dst, 4);
    uint8_t *t = d + IP_HEADER;
    put16(t, sport);
    put16(t + 2, dport);
    put32(t + 4, seq);
    t[12] = 6 << 4;
    t[13] = TH_SYN;
    put16(t + 14, 65535);
    t[20] = 2;
    t[21] = 4;
    put16(t + 22, 1460);
    set_sums(p);
    return p;
}

void packet_print(FILE *out, const struct packet *p)
{
    struct segment s;
    const char *bad = packet_parse(p, &s);
    if (packet_is_icmp(p)) {
        fprintf(out, "ICMP %u/%u len %u", p->data[20], p->data[21], p->len);
        return;
    }
    fprintf(out, "%u > %u %s%s%s%s%s%s seq %u ack %u win %u len %u", s.sport, s.dport,
            s.flags & TH_SYN ? "S" : "", s.flags & TH_FIN ? "F" : "", s.flags & TH_RST ? "R" : "",
            s.flags & TH_PUSH ? "P" : "", s.flags & TH_URG ? "U" : "", s.flags & TH_ACK ? "." : "",
            s.seq, s.ack, s.window, s.payload_len);
    if (s.mss != 0) {
        fprintf(out, " mss %u", s.mss);
    }
    if (s.wscale >= 0) {
        fprintf(out, " ws %d", s.wscale);
    }
    if (s.has_ts) {
        fprintf(out, " ts %u/%u", s.tsval, s.tsecr);
    }
    for (unsigned i = 0; i < s.sack_count; i++) {
        fprintf(out, " sack %u-%u", s.sack[i].left, s.sack[i].right);
    }
    if (p->gso_size != 0) {
        fprintf(out, " gso %u", p->gso_size);
    }
    if (bad != NULL) {
        fprintf(out, " [%s]", bad);
    }
}
