#include "wire/tcp.h"

#include "util/bytes.h"
#include "wire/checksum.h"
#include "wire/cursor.h"

enum {
    OPTION_EOL = 0,
    OPTION_NOP = 1,
    OPTION_MSS = 2,
    OPTION_WSCALE = 3,
    OPTION_SACK_PERMITTED = 4,
    OPTION_SACK = 5,
    OPTION_TIMESTAMP = 8
};
/* Whole options with kind and length; a SACK option has SACK_BLOCK bytes more for each block. */
enum { LEN_MSS = 4, LEN_WSCALE = 3, LEN_SACK_PERMITTED = 2, LEN_SACK = 2, LEN_TIMESTAMP = 10 };
enum { SACK_BLOCK = 8, CHECKSUM_AT = 16 };
_Static_assert((TCP_HEADER_MAX - TCP_HEADER_LEN - LEN_SACK) / SACK_BLOCK <= TCP_SACK_MAX,
               "as many blocks as a header holds have room");

/* ---- parsing ---- */

static void parse_sack(struct tcp_segment *s, struct cursor *body)
{
    if (s->sack_count || body->left % SACK_BLOCK)
        return;
    while (body->left > 0) {
        seq_t start = seq_of(cursor_u32(body)), end = seq_of(cursor_u32(body));
        s->sack[s->sack_count++] = (struct sack_block){start, end};
    }
}

/* `body` is what stands behind kind and length. */
static void parse_option(struct tcp_segment *s, uint8_t kind, struct cursor *body)
{
    bool syn = s->flags & TCP_SYN;
    size_t len = body->left + 2;
    if (kind == OPTION_TIMESTAMP && len == LEN_TIMESTAMP && !s->has_ts) {
        s->has_ts = true;
        s->tsval = cursor_u32(body);
        s->tsecr = cursor_u32(body);
    } else if (kind == OPTION_SACK) {
        parse_sack(s, body);
    } else if (kind == OPTION_MSS && len == LEN_MSS && syn && !s->has_mss) {
        s->has_mss = true;
        s->mss = cursor_u16(body);
    } else if (kind == OPTION_WSCALE && len == LEN_WSCALE && syn && !s->has_wscale) {
        s->has_wscale = true;
        s->wscale = (uint8_t)min_u32(cursor_u8(body), TCP_WSCALE_MAX);
    } else if (kind == OPTION_SACK_PERMITTED && len == LEN_SACK_PERMITTED && syn) {
        s->sack_permitted = true;
    }
}

/* Returns false if the list is malformed (RFC 9293 MUST-7). */
static bool parse_options(struct tcp_segment *s, struct cursor c)
{
    while (c.left > 0) {
        uint8_t kind = cursor_u8(&c);
        if (kind == OPTION_EOL)
            return true;
        if (kind == OPTION_NOP)
            continue;
        uint8_t len = cursor_u8(&c);
        if (len < 2)
            return false;
        struct cursor body = cursor_sub(&c, len - 2u);
        if (body.failed)
            return false;
        parse_option(s, kind, &body);
    }
    return true;
}

enum drop_reason tcp_parse(struct tcp_segment *s, const struct ip4_header *ip, const uint8_t *data,
                           size_t len)
{
    if (len < TCP_HEADER_LEN)
        return DROP_TCP_SHORT;
    struct cursor c = cursor_of(data, len);
    *s = (struct tcp_segment){.src = ip->src, .dst = ip->dst, .tos = ip->tos};
    s->src_port = cursor_u16(&c);
    s->dst_port = cursor_u16(&c);
    s->seq = seq_of(cursor_u32(&c));
    s->ack = seq_of(cursor_u32(&c));
    size_t header_len = (cursor_u8(&c) >> 4) * 4u;
    s->flags = cursor_u8(&c);
    s->window = cursor_u16(&c);
    cursor_u16(&c); /* the checksum */
    s->urgent = cursor_u16(&c);

    if (header_len < TCP_HEADER_LEN || header_len > len)
        return DROP_TCP_OFFSET;
    if (s->src_port == 0 || s->dst_port == 0)
        return DROP_TCP_PORT;
    if (!parse_options(s, cursor_sub(&c, header_len - TCP_HEADER_LEN)) && (s->flags & TCP_SYN))
        return DROP_TCP_OPTIONS;
    s->len = (uint32_t)c.left;
    s->payload = cursor_bytes(&c, c.left);
    return DROP_NONE;
}

bool tcp_checksum_ok(const struct ip4_header *ip, const uint8_t *data, size_t len)
{
    struct checksum sum = checksum_start();
    checksum_add_pseudo(&sum, ip->src, ip->dst, IP4_PROTO_TCP, (uint32_t)len);
    checksum_add(&sum, data, len);
    return checksum_ok(&sum);
}

/* ---- building ---- */

/* Bytes of all options but SACK blocks; each group is padded with NOPs to a multiple of 4. */
static unsigned fixed_options_len(const struct tcp_segment *s)
{
    unsigned len = 0;
    if (s->has_mss)
        len += LEN_MSS;
    if (s->has_ts)
        len += LEN_TIMESTAMP + 2; /* behind SACK-permitted or two NOPs */
    else if (s->sack_permitted)
        len += LEN_SACK_PERMITTED + 2;
    if (s->has_wscale)
        len += LEN_WSCALE + 1;
    return len;
}

static unsigned sack_blocks_that_fit(const struct tcp_segment *s)
{
    unsigned room = TCP_HEADER_MAX - TCP_HEADER_LEN - fixed_options_len(s);
    return min_u32(s->sack_count, (room - LEN_SACK - 2) / SACK_BLOCK);
}

unsigned tcp_header_len(const struct tcp_segment *s)
{
    unsigned blocks = sack_blocks_that_fit(s);
    unsigned sack_len = blocks ? LEN_SACK + 2 + blocks * SACK_BLOCK : 0;
    return TCP_HEADER_LEN + fixed_options_len(s) + sack_len;
}

static uint8_t *put4(uint8_t *p, unsigned a, unsigned b, unsigned c, unsigned d)
{
    store_be32(p, (uint32_t)a << 24 | b << 16 | c << 8 | d);
    return p + 4;
}

static uint8_t *put_fixed_options(uint8_t *p, const struct tcp_segment *s)
{
    if (s->has_mss)
        p = put4(p, OPTION_MSS, LEN_MSS, s->mss >> 8, s->mss & 0xff);
    if (s->has_ts) {
        if (s->sack_permitted)
            p = put4(p, OPTION_SACK_PERMITTED, LEN_SACK_PERMITTED, OPTION_TIMESTAMP, LEN_TIMESTAMP);
        else
            p = put4(p, OPTION_NOP, OPTION_NOP, OPTION_TIMESTAMP, LEN_TIMESTAMP);
        store_be32(p, s->tsval);
        store_be32(p + 4, s->tsecr);
        p += 8;
    } else if (s->sack_permitted) {
        p = put4(p, OPTION_NOP, OPTION_NOP, OPTION_SACK_PERMITTED, LEN_SACK_PERMITTED);
    }
    if (s->has_wscale)
        p = put4(p, OPTION_NOP, OPTION_WSCALE, LEN_WSCALE, s->wscale);
    return p;
}

static void put_sack(uint8_t *p, const struct tcp_segment *s)
{
    unsigned blocks = sack_blocks_that_fit(s);
    if (blocks == 0)
        return;
    p = put4(p, OPTION_NOP, OPTION_NOP, OPTION_SACK, LEN_SACK + blocks * SACK_BLOCK);
    for (unsigned i = 0; i < blocks; i++, p += SACK_BLOCK) {
        store_be32(p, s->sack[i].start.v);
        store_be32(p + 4, s->sack[i].end.v);
    }
}

unsigned tcp_build(uint8_t *out, const struct tcp_segment *s)
{
    unsigned header_len = tcp_header_len(s);
    store_be16(out, s->src_port);
    store_be16(out + 2, s->dst_port);
    store_be32(out + 4, s->seq.v);
    store_be32(out + 8, s->ack.v);
    out[12] = (uint8_t)(header_len / 4 << 4);
    out[13] = s->flags;
    store_be16(out + 14, s->window);
    store_be16(out + CHECKSUM_AT, 0);
    store_be16(out + 18, s->urgent);
    put_sack(put_fixed_options(out + TCP_HEADER_LEN, s), s);
    return header_len;
}

static struct checksum pseudo_sum(unsigned header_len, const struct tcp_segment *s)
{
    struct checksum sum = checksum_start();
    checksum_add_pseudo(&sum, s->src, s->dst, IP4_PROTO_TCP, header_len + s->len);
    return sum;
}

void tcp_fill_checksum(uint8_t *header, unsigned header_len, const struct tcp_segment *s,
                       const struct iovec *payload, int count)
{
    struct checksum sum = pseudo_sum(header_len, s);
    store_be16(header + CHECKSUM_AT, 0);
    checksum_add(&sum, header, header_len);
    for (int i = 0; i < count; i++)
        checksum_add(&sum, payload[i].iov_base, payload[i].iov_len);
    store_be16(header + CHECKSUM_AT, checksum_field(&sum));
}

void tcp_fill_partial_checksum(uint8_t *header, unsigned header_len, const struct tcp_segment *s)
{
    struct checksum sum = pseudo_sum(header_len, s);
    store_be16(header + CHECKSUM_AT, checksum_fold(&sum));
}
