/* segment.c - the peer's packets from words, and words from those it is sent. */
#include "differ/differ.h"

#include "util/bytes.h"
#include "wire/checksum.h"
#include "wire/ip4.h"
#include "wire/tcp.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char FLAG_LETTERS[] = "FSRPAUEC";

uint8_t stream_byte(uint64_t offset)
{
    return (uint8_t)('a' + (offset + offset / 26) % 26);
}

static uint8_t flags_from(const char *letters)
{
    unsigned flags = 0;
    for (; *letters != '\0' && *letters != '-'; letters++) {
        const char *at = strchr(FLAG_LETTERS, *letters);
        if (at == NULL) {
            fatal("no such flag: %s", letters);
        }
        flags |= 1u << (at - FLAG_LETTERS);
    }
    return (uint8_t)flags;
}

static uint32_t now_ms(const struct play *p) { return 1000 + (uint32_t)(p->now_us / 1000); }

/* "sack 11-21,31-41": relative to the initial number */
static void take_sack(struct tcp_segment *s, const char *list, uint32_t iss)
{
    unsigned start, end;
    int used;
    while (list != NULL && s->sack_count < TCP_SACK_MAX &&
           sscanf(list, "%u-%u%n", &start, &end, &used) == 2) {
        s->sack[s->sack_count++] = (struct sack_block){{iss + start}, {iss + end}};
        list = list[used] == ',' ? list + used + 1 : NULL;
    }
}

static void take_options(struct tcp_segment *s, const struct words *w, const struct play *p,
                         struct flow *f)
{
    f->ts |= s->flags & TCP_SYN && words_have(w, "ts");
    s->has_mss = words_have(w, "mss");
    s->mss = (uint16_t)words_number(w, "mss", 0);
    s->has_wscale = words_have(w, "ws");
    s->wscale = (uint8_t)words_number(w, "ws", 0);
    s->sack_permitted = words_have(w, "sackok");
    s->has_ts = (f->ts && !words_have(w, "nots")) || words_have(w, "ts");
    s->tsval = now_ms(p) + (uint32_t)words_number(w, "tsval", 0);
    s->tsecr = s->flags & TCP_ACK ? f->tsval_seen : 0;
    s->tsecr += (uint32_t)words_number(w, "ecr", 0);
    take_sack(s, words_after(w, "sack"), f->iss);
}

/* What the peer has sent in order goes on, if this begins there or before. */
static void note_sent(struct flow *f, const struct tcp_segment *s)
{
    seq_t next = {f->irs + f->rcv_end}, end = seq_add(s->seq, tcp_segment_space(s));
    if (!(s->flags & TCP_RST) && seq_leq(s->seq, next) && seq_gt(end, next)) {
        f->rcv_end = end.v - f->irs;
    }
}

static struct flow *flow_of(struct play *p, const struct words *w, unsigned *number)
{
    *number = (unsigned)words_number(w, "flow", 0);
    if (*number >= FLOWS) {
        fatal("flow %u?", *number);
    }
    return &p->flow[*number];
}

static ip4_addr address(struct in_addr a) { return (ip4_addr){ntohl(a.s_addr)}; }

/* "opt 0204ffff..." behind the other options */
static unsigned put_raw_options(uint8_t *tcp, unsigned header_len, const char *hex)
{
    unsigned byte, n = header_len;
    for (; hex != NULL && sscanf(hex, "%2x", &byte) == 1; hex += 2) {
        tcp[n++] = (uint8_t)byte;
    }
    while (n % 4 != 0) {
        tcp[n++] = 0;
    }
    tcp[12] = (uint8_t)(n / 4 << 4);
    return n;
}

/* Header, payload and checksums; the stream's first byte stands behind the SYN. */
static size_t finish(const struct tcp_segment *s, const struct words *w, uint32_t irs,
                     uint8_t *packet)
{
    uint8_t *tcp = packet + IP4_HEADER_LEN;
    unsigned header_len = put_raw_options(tcp, tcp_build(tcp, s), words_after(w, "opt"));
    uint32_t at = s->seq.v - irs - !(s->flags & TCP_SYN);
    for (uint32_t i = 0; i < s->len; i++) {
        tcp[header_len + i] = words_have(w, "other") ? 'X' : stream_byte(at + i);
    }
    struct iovec payload = {tcp + header_len, s->len};
    tcp_fill_checksum(tcp, header_len, s, &payload, 1);
    tcp[16] ^= words_have(w, "badsum");
    size_t len = IP4_HEADER_LEN + header_len + s->len;
    uint8_t ecn = words_have(w, "ce") ? 3 : words_have(w, "ect") ? 2 : 0;
    ip4_build(packet, s->src, s->dst, IP4_PROTO_TCP, 64, ecn, (uint16_t)len);
    return len;
}

size_t segment_make(struct play *p, const struct words *w, uint8_t *packet)
{
    unsigned number;
    struct flow *f = flow_of(p, w, &number);
    struct tcp_segment s = {.src = address(p->peer), .dst = address(p->self)};
    s.src_port = (uint16_t)(p->peer_port + number);
    s.dst_port = p->self_port;
    s.flags = flags_from(w->count > 1 ? w->word[1] : "-");
    s.seq.v = f->irs + f->rcv_end + (uint32_t)words_number(w, "seq", 0);
    if (s.flags & TCP_ACK || words_have(w, "ack")) { /* of all but `ack`, or up to `upto` */
        long ack = words_number(w, "ack", 0) + f->snd_end;
        s.ack.v = f->iss + (uint32_t)words_number(w, "upto", ack);
    }
    s.window = (uint16_t)words_number(w, "win", 65535);
    s.urgent = (uint16_t)words_number(w, "urg", 0);
    s.len = (uint32_t)words_number(w, "len", 0);
    if (s.len > PACKET_SIZE - IP4_HEADER_LEN - TCP_HEADER_MAX) {
        fatal("too long: %u", s.len);
    }
    take_options(&s, w, p, f);
    if (!words_have(w, "badsum")) {
        note_sent(f, &s);
    }
    return finish(&s, w, f->irs, packet);
}

/* "icmp TYPE CODE [mtu N] [seq N]": about the segment at that number, or else the last one heard */
size_t segment_make_icmp(struct play *p, const struct words *w, uint8_t *packet)
{
    const struct flow *f = &p->flow[0];
    uint8_t *icmp = packet + IP4_HEADER_LEN, *quoted = icmp + 8, *tcp = quoted + IP4_HEADER_LEN;
    if (w->count < 3) {
        fatal("icmp TYPE CODE");
    }
    memset(icmp, 0, 8 + IP4_HEADER_LEN + 8);
    icmp[0] = (uint8_t)atoi(w->word[1]);
    icmp[1] = (uint8_t)atoi(w->word[2]);
    store_be16(icmp + 6, (uint16_t)words_number(w, "mtu", 0));
    ip4_build(quoted, address(p->self), address(p->peer), IP4_PROTO_TCP, 64, 0, 1500);
    store_be16(tcp, p->self_port);
    store_be16(tcp + 2, p->peer_port);
    store_be32(tcp + 4, f->iss + (uint32_t)words_number(w, "seq", f->last));
    size_t len = 8 + IP4_HEADER_LEN + 8;
    struct checksum sum = checksum_start();
    checksum_add(&sum, icmp, len);
    store_be16(icmp + 2, checksum_field(&sum));
    len += IP4_HEADER_LEN;
    ip4_build(packet, address(p->peer), address(p->self), IP4_PROTO_ICMP, 64, 0, (uint16_t)len);
    return len;
}

/* ---- what is sent ---- */

static void flags_text(unsigned flags, char *text)
{
    for (unsigned i = 0; FLAG_LETTERS[i] != '\0'; i++) {
        if (flags & 1u << i) {
            *text++ = FLAG_LETTERS[i];
        }
    }
    *text = '\0';
}

static void note_heard(struct flow *f, const struct tcp_segment *s)
{
    if (s->flags & TCP_RST) {
        return; /* its number is often the peer's own */
    }
    if (s->flags & TCP_SYN) {
        f->iss = s->seq.v;
        f->iss_known = true;
        f->snd_end = 0;
    }
    seq_t end = seq_add(s->seq, tcp_segment_space(s));
    f->last = s->seq.v - f->iss;
    if (f->iss_known && seq_gt(end, (seq_t){f->iss + f->snd_end})) {
        f->snd_end = end.v - f->iss;
    }
    if (s->has_ts) {
        f->tsval_seen = s->tsval;
    }
}

static bool payload_is_right(const struct tcp_segment *s, const struct flow *f)
{
    uint32_t i = 0;
    while (i < s->len && s->payload[i] == stream_byte(s->seq.v - f->iss - 1 + i)) {
        i++;
    }
    return i == s->len;
}

static void tell_options(char *text, size_t size, const struct tcp_segment *s,
                         const struct flow *f)
{
    size_t n = 0;
    if (s->has_mss) {
        n += (size_t)snprintf(text + n, size - n, " mss %u", s->mss);
    }
    n += (size_t)snprintf(text + n, size - n, "%s%s", s->has_wscale ? " ws" : "",
                          s->sack_permitted ? " sackok" : "");
    if (s->has_ts) {
        n += (size_t)snprintf(text + n, size - n, " ts ecr %u", s->tsecr);
    }
    for (unsigned i = 0; i < s->sack_count; i++) {
        n += (size_t)snprintf(text + n, size - n, "%s%u-%u", i == 0 ? " sack " : ",",
                              s->sack[i].start.v - f->irs, s->sack[i].end.v - f->irs);
    }
}

static void tell_tcp(struct play *p, unsigned number, const struct tcp_segment *s, bool reserved)
{
    struct flow *f = &p->flow[number];
    char flags[10], options[72] = "", len[16] = "", urg[16] = "", where[12] = "";
    note_heard(f, s);
    flags_text(s->flags & ~(unsigned)TCP_PSH, flags); /* Linux's places depend on its pacing rate */
    tell_options(options, sizeof options, s, f);
    if (s->len > 0) {
        snprintf(len, sizeof len, " len %u", s->len);
    }
    if (s->flags & TCP_URG) {
        snprintf(urg, sizeof urg, " urg %u", s->urgent);
    }
    if (number > 0) {
        snprintf(where, sizeof where, " flow %u", number);
    }
    bool numberless = s->flags & TCP_RST && s->seq.v == 0;
    uint32_t seq = numberless ? 0 : s->seq.v - f->iss;
    bool closed = s->window == 0 && !(s->flags & TCP_RST);
    play_tell_sent(p, "%s%s seq %d ack %d%s%s%s%s%s%s%s", flags, reserved ? "+" : "", (int32_t)seq,
                   s->flags & TCP_ACK ? (int32_t)(s->ack.v - f->irs) : 0, len, urg,
                   closed ? " win 0" : "", options, s->tos & 3 ? " ect" : "",
                   payload_is_right(s, f) ? "" : " wrong bytes", where);
}

void segment_tell(struct play *p, const uint8_t *packet, size_t len)
{
    struct ip4_header ip;
    struct tcp_segment s;
    if (ip4_parse(&ip, packet, len) != DROP_NONE) {
        play_tell_sent(p, "a broken packet of %zu bytes", len);
        return;
    }
    const uint8_t *body = packet + ip.header_len;
    size_t body_len = (size_t)ip.total_len - ip.header_len;
    if (ip.protocol != IP4_PROTO_TCP) {
        play_tell_sent(p, "icmp %u %u", body[0], body[1]);
    } else if (!tcp_checksum_ok(&ip, body, body_len) ||
               tcp_parse(&s, &ip, body, body_len) != DROP_NONE) {
        play_tell_sent(p, "a broken segment of %zu bytes", body_len);
    } else if ((unsigned)(s.dst_port - p->peer_port) >= FLOWS) {
        play_tell_sent(p, "a segment to another port");
    } else {
        tell_tcp(p, (unsigned)(s.dst_port - p->peer_port), &s, body[12] & 15);
    }
}
