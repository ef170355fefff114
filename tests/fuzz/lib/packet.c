#include "fuzz/lib/packet.h"

#include <string.h>

#include "fuzz/lib/device.h"
#include "stack/stack.h"
#include "util/bytes.h"
#include "wire/checksum.h"
#include "wire/icmp.h"
#include "wire/tcp.h"

enum { PACKET_MAX = 65535 + 64, MORE_FRAGMENTS = 0x2000, SPLIT_MAX = 60000 };

/* ---- the next right packet ---- */

static void put_option(struct packet *k, const void *bytes, unsigned len)
{
    if (k->options_len + len > sizeof(k->options))
        return;
    memcpy(k->options + k->options_len, bytes, len);
    k->options_len = (uint8_t)(k->options_len + len);
}

static void put_timestamps(struct packet *k, uint32_t tsval, uint32_t tsecr)
{
    uint8_t option[12] = {1, 1, 8, 10};
    store_be32(option + 4, tsval);
    store_be32(option + 8, tsecr);
    put_option(k, option, sizeof(option));
}

struct packet packet_next(const struct world *w, const struct peer *p, uint32_t len, uint8_t flags)
{
    static const uint8_t syn_options[] = {2, 4, 5, 180, 1, 3, 3, 7, 1, 1, 4, 2};
    struct packet k = {.src = p->addr,
                       .dst = w->to_us,
                       .src_port = p->port,
                       .dst_port = p->local_port,
                       .seq = p->next,
                       .window = p->window,
                       .protocol = IP4_PROTO_TCP,
                       .id = (uint16_t)(w->next_id + 1),
                       .len = len};
    bool opening = !p->heard || (p->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
    k.flags = (uint8_t)(flags | (opening ? TCP_SYN : 0) | (p->heard ? TCP_ACK : 0));
    if (k.flags & TCP_ACK)
        k.ack = p->end;
    if (opening)
        k.len = 0;
    if (opening)
        put_option(&k, syn_options, sizeof(syn_options));
    if (opening || p->has_ts)
        put_timestamps(&k, (uint32_t)(w->now_us / 1000), p->tsval);
    return k;
}

void packet_answer(struct world *w, struct peer *p, uint32_t len, uint8_t flags)
{
    struct packet k = packet_next(w, p, len, flags);
    packet_send(w, &k);
    p->next = k.seq + k.len + !!(k.flags & TCP_SYN) + !!(k.flags & TCP_FIN);
    p->acked = k.ack;
}

void packet_answer_loss(struct world *w, struct peer *p, bool sack)
{
    uint8_t option[12] = {1, 1, 5, 10};
    struct packet k = packet_next(w, p, 0, 0);
    k.ack = p->acked;
    store_be32(option + 4, p->seq);
    store_be32(option + 8, p->end);
    if (sack)
        put_option(&k, option, sizeof(option));
    packet_send(w, &k);
}

/* ---- deviations ---- */

static void spoil_options(struct packet *k, const struct peer *p, struct input *in)
{
    uint8_t how = take8(in), sack[4] = {1, 1, 5, 0}, block[8];
    if (how & 1)
        k->options_len = 0;
    if (how & 2) {
        uint32_t tsval = take_distance(in);
        put_timestamps(k, tsval, p->tsval + take_distance(in));
    }
    if (how & 4) {
        unsigned blocks = 1 + (how >> 4 & 3);
        sack[3] = (uint8_t)(2 + 8 * blocks);
        put_option(k, sack, 4);
        while (blocks--) {
            uint32_t start = p->seq + take_distance(in);
            store_be32(block, start);
            store_be32(block + 4, start + take_distance(in));
            put_option(k, block, sizeof(block));
        }
    }
    if (how & 8) {
        size_t n = take8(in) % 24;
        const uint8_t *bytes = take_bytes(in, &n);
        put_option(k, bytes, (unsigned)n);
    }
}

static void spoil_vnet(struct world *w, struct packet *k, struct input *in)
{
    uint8_t how = take8(in);
    k->gso_type = how & 8 ? take8(in) : 1;
    k->gso_size = how & 16 ? take16(in) : (uint16_t)(1 + take8(in) * 8);
    k->needs_csum = how & 1;
    k->csum_valid = how & 2;
    k->csum_start = how & 32 ? take16(in) : (uint16_t)(20 + k->ip_options_len);
    k->csum_offset = how & 64 ? take8(in) : 16;
    k->lent = how & 128;
    if (k->tcp_checksum_off || k->flip || k->cut)
        w->spoilt = true;
}

static void spoil_ip(struct world *w, struct packet *k, struct input *in)
{
    static const uint8_t protocols[] = {IP4_PROTO_ICMP, IP4_PROTO_UDP, 2};
    uint8_t how = take8(in);
    size_t n = 4u * (how % 4);
    const uint8_t *bytes = how & 4 ? take_bytes(in, &n) : NULL;
    memset(k->ip_options, 1, sizeof(k->ip_options));
    if (bytes)
        memcpy(k->ip_options, bytes, n);
    k->ip_options_len = (uint8_t)(n & ~3u);
    k->tos = how & 8 ? take8(in) : 0;
    k->protocol = how & 16 ? protocols[take8(in) % sizeof(protocols)] : k->protocol;
    k->src = how & 32 ? take32(in) : k->src;
    k->dst = how & 64 ? take32(in) : k->dst;
    if (how & 128) { /* a fragment of who knows what */
        k->fragment = take16(in);
        k->id = take8(in) & 3;
        w->spoilt = true;
    }
}

static void spoil_bytes(struct world *w, struct packet *k, struct input *in)
{
    uint8_t how = take8(in);
    k->ip_checksum_off = how & 1;
    k->tcp_checksum_off = how & 2 ? take16(in) : 0;
    k->cut = how & 4 ? (int32_t)take8(in) - 128 : 0;
    k->flip_at = how & 8 ? take16(in) : 0;
    k->flip = how & 8 ? take8(in) : 0;
    k->split = how & 16 ? (uint16_t)(take8(in) * 8) : 0;
    if (k->needs_csum || k->csum_valid)
        w->spoilt = true;
}

void packet_spoil(struct world *w, struct packet *k, const struct peer *p, struct input *in)
{
    switch (take8(in) % 12) {
    case 0:
        k->flags = take8(in);
        break;
    case 1:
        k->seq += take_distance(in);
        break;
    case 2:
        k->ack = p->end + take_distance(in);
        break;
    case 3:
        k->window = take8(in) & 1 ? take16(in) : take8(in);
        break;
    case 4:
        k->len = take_size(in, 8) % 65000;
        break;
    case 5:
        spoil_options(k, p, in);
        break;
    case 6:
        k->flags |= TCP_URG;
        k->urgent = take16(in);
        break;
    case 7:
        spoil_vnet(w, k, in);
        break;
    case 8:
        spoil_ip(w, k, in);
        break;
    case 9:
        spoil_bytes(w, k, in);
        break;
    case 10:
        k->src_port = (uint16_t)(1000 + take8(in));
        k->dst_port = (uint16_t)(LISTEN_PORT + take8(in) % 3);
        break;
    default: /* as it was before: an old segment again */
        k->seq = p->next - take_size(in, 6);
        k->flags &= (uint8_t)~TCP_SYN;
        break;
    }
}

/* ---- bytes ---- */

static uint32_t build(uint8_t *out, const struct packet *k)
{
    uint32_t header = 20u + k->ip_options_len, options = (k->options_len + 3u) & ~3u;
    uint32_t tcp_len = 20 + options + k->len;
    uint8_t *tcp = out + header;
    if (header + tcp_len > 65535)
        tcp_len = 65535 - header;
    memset(out, 0, header + 20 + options);
    ip4_build(out, (ip4_addr){k->src}, (ip4_addr){k->dst}, k->protocol, 61, k->tos,
              (uint16_t)(header + tcp_len));
    memcpy(out + 20, k->ip_options, k->ip_options_len);
    out[0] = (uint8_t)(0x40 | header / 4);
    store_be16(out + 4, k->id);
    store_be16(out + 6, k->fragment);
    store_be16(tcp, k->src_port);
    store_be16(tcp + 2, k->dst_port);
    store_be32(tcp + 4, k->seq);
    store_be32(tcp + 8, k->ack);
    tcp[12] = (uint8_t)((20 + options) / 4 << 4);
    tcp[13] = k->flags;
    store_be16(tcp + 14, k->window);
    store_be16(tcp + 18, k->urgent);
    memcpy(tcp + 20, k->options, k->options_len);
    memcpy(tcp + 20 + options, world_bytes(false, k->seq + !!(k->flags & TCP_SYN)),
           tcp_len - 20 - options);
    return header + tcp_len;
}

static void mend(uint8_t *bytes, uint32_t len, uint32_t tcp_checksum_off)
{
    uint32_t header = (bytes[0] & 15u) * 4;
    struct checksum ip = checksum_start(), sum = checksum_start();
    if (header < 20 || header > len)
        return;
    store_be16(bytes + 10, 0);
    checksum_add(&ip, bytes, header);
    store_be16(bytes + 10, checksum_field(&ip));
    uint32_t place = bytes[9] == IP4_PROTO_TCP ? 16 : 2;
    if (len - header < place + 2)
        return;
    store_be16(bytes + header + place, 0);
    if (bytes[9] == IP4_PROTO_TCP)
        checksum_add_pseudo(&sum, (ip4_addr){load_be32(bytes + 12)},
                            (ip4_addr){load_be32(bytes + 16)}, IP4_PROTO_TCP, len - header);
    checksum_add(&sum, bytes + header, len - header);
    store_be16(bytes + header + place, (uint16_t)(checksum_field(&sum) + tcp_checksum_off));
}

/* ---- into the stack ---- */

/* A packet from where no connection is proven may cause one packet at most. */
static bool unproven(struct world *w, const uint8_t *bytes, size_t len)
{
    struct ip4_header ip;
    if (ip4_parse(&ip, bytes, len))
        return true;
    if (ip.protocol == IP4_PROTO_ICMP)
        return (size_t)ip.header_len < len && bytes[ip.header_len] == ICMP_ECHO;
    if (ip.protocol != IP4_PROTO_TCP || ip.more_fragments || ip.frag_offset ||
        ip.total_len < ip.header_len + 4)
        return false; /* what it completes is not known here */
    const struct node *n = node_find(w->stack, ip.dst, load_be16(bytes + ip.header_len + 2), ip.src,
                                     load_be16(bytes + ip.header_len));
    return !n || n->kind != NODE_SOCK;
}

static void inject(struct world *w, const uint8_t *bytes, size_t len, const struct packet *how)
{
    size_t room = 0;
    world_drain(w);
    bool limited = unproven(w, bytes, len);
    uint8_t *lent = how && how->lent ? mytcp_input_buffer(w->stack, &room) : NULL;
    uint8_t *data = lent ? lent : malloc(len + !len);
    CHECK(data && (!lent || room >= 65600), "a lent buffer of %zu", room);
    memcpy(data, bytes, len);
    struct mytcp_packet p = {.data = data, .len_bytes = (uint32_t)len};
    if (how) {
        p.gso_size = how->gso_size;
        p.gso_type = how->gso_type;
        p.needs_csum = how->needs_csum;
        p.csum_valid = how->csum_valid;
        p.csum_start = how->csum_start;
        p.csum_offset = how->csum_offset;
    }
    int reason = !w->device || device_in(w->device, &p) ? mytcp_input(w->stack, &p, w->now_us) : 0;
    CHECK(reason >= 0 && mytcp_drop_name((unsigned)reason), "an unknown reason %d", reason);
    if (!lent) {
        memset(data, 0xdd, len);
        free(data);
    }
    world_check(w);
    world_drain(w);
    CHECK(!limited || w->sent <= 1, "%u packets out for one in from nobody known", w->sent);
}

/* In two fragments, the first of k->split bytes. */
static void send_split(struct world *w, const struct packet *k, uint8_t *bytes, uint32_t len)
{
    uint32_t header = 20u + k->ip_options_len, first = k->split;
    static const struct packet plain;
    uint8_t *second = malloc(len);
    CHECK(second, "the fuzzer has no memory");
    memcpy(second, bytes, header);
    memcpy(second + header, bytes + header + first, len - header - first);
    uint32_t second_len = len - first;
    store_be16(bytes + 2, (uint16_t)(header + first));
    store_be16(bytes + 6, MORE_FRAGMENTS);
    store_be16(second + 2, (uint16_t)second_len);
    store_be16(second + 6, (uint16_t)(first / 8));
    for (int i = 0; i < 2; i++) {
        uint8_t *p = i ? second : bytes;
        struct checksum sum = checksum_start();
        store_be16(p + 10, 0);
        checksum_add(&sum, p, header);
        store_be16(p + 10, checksum_field(&sum));
        inject(w, p, i ? second_len : header + first, &plain);
    }
    free(second);
}

void packet_send(struct world *w, const struct packet *k)
{
    uint8_t *bytes = malloc(PACKET_MAX + 128);
    CHECK(bytes, "the fuzzer has no memory");
    memset(bytes, 0, 128);
    uint32_t len = build(bytes, k), header = 20u + k->ip_options_len;
    w->next_id++;
    mend(bytes, len, k->tcp_checksum_off);
    if (k->needs_csum) /* as a virtio-net device leaves it */
        store_be16(bytes + header + 16, 0);
    if (k->ip_checksum_off)
        bytes[10] ^= 1;
    if (k->split && !k->fragment && header + k->split < len) {
        send_split(w, k, bytes, len);
        free(bytes);
        return;
    }
    if (k->flip)
        bytes[k->flip_at % len] ^= k->flip;
    if (k->cut < 0)
        memset(bytes + len, 0x77, (size_t)-k->cut);
    len = k->cut > 0 && (uint32_t)k->cut >= len ? 0 : (uint32_t)((int32_t)len - k->cut);
    inject(w, bytes, len, k);
    free(bytes);
}

void packet_send_raw(struct world *w, const uint8_t *bytes, size_t len, bool fix)
{
    uint8_t *copy = malloc(len + 64);
    CHECK(copy, "the fuzzer has no memory");
    memcpy(copy, bytes, len);
    if (fix && len >= 20) {
        store_be16(copy + 2, (uint16_t)len);
        mend(copy, (uint32_t)len, 0);
        w->spoilt = true;
    }
    inject(w, copy, len, NULL);
    free(copy);
}

void packet_send_icmp(struct world *w, const struct peer *p, struct input *in)
{
    uint8_t bytes[20 + 8 + sizeof(p->quote)], how = take8(in);
    uint32_t len = 28 + p->quote_len;
    memset(bytes, 0, sizeof(bytes));
    ip4_build(bytes, (ip4_addr){p->addr + (how & 1)}, (ip4_addr){w->to_us}, IP4_PROTO_ICMP, 61, 0,
              (uint16_t)len);
    bytes[20] = how & 2 ? take8(in) : ICMP_UNREACHABLE;
    bytes[21] = how & 4 ? take8(in) : ICMP_UNREACH_FRAG_NEEDED;
    store_be16(bytes + 26, take16(in));
    memcpy(bytes + 28, p->quote, p->quote_len);
    if ((how & 8) && p->quote_len >= 28)
        store_be32(bytes + 28 + 24, load_be32(bytes + 28 + 24) + take_distance(in));
    if ((how & 16) && p->quote_len) {
        uint32_t at = 28 + take8(in) % p->quote_len;
        bytes[at] ^= take8(in);
    }
    if (how & 32)
        len -= take8(in) % (p->quote_len + 1);
    store_be16(bytes + 2, (uint16_t)len);
    mend(bytes, len, 0);
    inject(w, bytes, len, NULL);
}
