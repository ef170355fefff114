/* TCP headers and checksums (RFC 9293 3.1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/exact.h"
#include "util/bytes.h"
#include "wire/checksum.h"
#include "wire/tcp.h"

static const struct ip4_header IP = {
    .src = {0xc0000201}, .dst = {0xc0000202}, .protocol = IP4_PROTO_TCP, .tos = 0x03};

static enum drop_reason parse(struct tcp_segment *s, const uint8_t *data, size_t len)
{
    uint8_t *exact = exact_copy(data, len);
    enum drop_reason why = tcp_parse(s, &IP, exact, len);
    if (why == DROP_NONE) {
        assert_true(s->payload >= exact + TCP_HEADER_LEN);
        assert_true(s->payload + s->len == exact + len);
        assert_true(s->sack_count <= TCP_SACK_MAX && s->wscale <= TCP_WSCALE_MAX);
    }
    free(exact); /* s->payload is not to be used any more */
    return why;
}

static const struct tcp_segment PLAIN = {
    .src = {0xc0000201}, .dst = {0xc0000202}, .src_port = 40000, .dst_port = 80,
    .seq = {0xfffffff0}, .ack = {0x12345678}, .window = 0xfedc, .urgent = 0x1234, .tos = 3};

/* One of each kind that appears on a wire; the payload is 0, 1, ... */
static unsigned golden(unsigned which, struct tcp_segment *s, uint8_t packet[200])
{
    *s = PLAIN;
    s->len = which * 7 % 120;
    s->flags = (uint8_t)(which * 37 | TCP_ACK);
    if (which % 2) {
        s->has_ts = true;
        s->tsval = 0xdeadbeef;
        s->tsecr = 0x01020304;
    }
    if (which % 4 >= 2) {
        s->sack_count = (uint8_t)(1 + which / 4 % 3);
        for (unsigned i = 0; i < s->sack_count; i++)
            s->sack[i] = (struct sack_block){seq_of(0xffffff00 + 1000 * i), seq_of(500 + 1000 * i)};
    } else if (s->flags & TCP_SYN) {
        s->has_mss = s->has_wscale = s->sack_permitted = true;
        s->mss = 1460;
        s->wscale = (uint8_t)(which % 15);
    }
    unsigned header_len = tcp_build(packet, s);
    for (unsigned i = 0; i < s->len; i++)
        packet[header_len + i] = (uint8_t)i;
    struct iovec payload = {packet + header_len, s->len};
    tcp_fill_checksum(packet, header_len, s, &payload, 1);
    return header_len + s->len;
}
enum { GOLDEN = 200 };

static void assert_same(const struct tcp_segment *a, const struct tcp_segment *b)
{
    assert_int_equal(a->src.v, b->src.v);
    assert_int_equal(a->dst.v, b->dst.v);
    assert_int_equal(a->src_port, b->src_port);
    assert_int_equal(a->dst_port, b->dst_port);
    assert_int_equal(a->seq.v, b->seq.v);
    assert_int_equal(a->ack.v, b->ack.v);
    assert_int_equal(a->window, b->window);
    assert_int_equal(a->urgent, b->urgent);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->tos, b->tos);
    assert_int_equal(a->len, b->len);
    assert_int_equal(a->has_mss, b->has_mss);
    assert_int_equal(a->mss, b->mss);
    assert_int_equal(a->has_wscale, b->has_wscale);
    assert_int_equal(a->wscale, b->wscale);
    assert_int_equal(a->sack_permitted, b->sack_permitted);
    assert_int_equal(a->has_ts, b->has_ts);
    assert_int_equal(a->tsval, b->tsval);
    assert_int_equal(a->tsecr, b->tsecr);
    assert_int_equal(a->sack_count, b->sack_count);
    for (unsigned i = 0; i < a->sack_count; i++) {
        assert_int_equal(a->sack[i].start.v, b->sack[i].start.v);
        assert_int_equal(a->sack[i].end.v, b->sack[i].end.v);
    }
}

static void what_is_built_parses_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < GOLDEN; i++) {
        struct tcp_segment built, parsed;
        uint8_t packet[200];
        unsigned len = golden(i, &built, packet);
        assert_int_equal(parse(&parsed, packet, len), DROP_NONE);
        assert_same(&built, &parsed);
        assert_true(tcp_checksum_ok(&IP, packet, len));
    }
}

/* D01, P06 */
static void every_prefix_is_dropped_or_has_less_payload(void **state)
{
    (void)state;
    for (unsigned i = 0; i < GOLDEN; i++) {
        struct tcp_segment built, parsed;
        uint8_t packet[200];
        unsigned whole = golden(i, &built, packet), header_len = tcp_header_len(&built);
        for (unsigned len = 0; len < whole; len++) {
            enum drop_reason want = len < TCP_HEADER_LEN ? DROP_TCP_SHORT
                                    : len < header_len   ? DROP_TCP_OFFSET
                                                         : DROP_NONE;
            assert_int_equal(parse(&parsed, packet, len), want);
            uint8_t *exact = exact_copy(packet, len);
            assert_false(tcp_checksum_ok(&IP, exact, len));
            free(exact);
        }
    }
}

static void every_flipped_bit_breaks_the_checksum_and_nothing_else(void **state)
{
    (void)state;
    for (unsigned i = 0; i < GOLDEN; i++) {
        struct tcp_segment built, parsed;
        uint8_t packet[200];
        unsigned len = golden(i, &built, packet);
        for (unsigned bit = 0; bit < len * 8; bit++) {
            packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_false(tcp_checksum_ok(&IP, packet, len));
            parse(&parsed, packet, len);
            packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        struct ip4_header other = IP;
        other.src.v ^= 1u << i % 32;
        assert_false(tcp_checksum_ok(&other, packet, len));
    }
}

/* P05, 9293-GEN-4 */
static void the_data_offset_must_lie_within_the_segment(void **state)
{
    (void)state;
    for (unsigned offset = 0; offset < 16; offset++)
        for (unsigned len = 0; len <= 80; len++) {
            uint8_t data[80];
            struct tcp_segment s;
            memset(data, 1, sizeof data);
            data[12] = (uint8_t)(offset << 4);
            enum drop_reason want = len < 20                       ? DROP_TCP_SHORT
                                    : offset < 5 || offset * 4 > len ? DROP_TCP_OFFSET
                                                                   : DROP_NONE;
            assert_int_equal(parse(&s, data, len), want);
            if (want == DROP_NONE)
                assert_int_equal(s.len, len - offset * 4);
        }
}

static void port_zero_is_dropped(void **state)
{
    (void)state;
    uint8_t data[20];
    struct tcp_segment s = PLAIN;
    tcp_build(data, &s);
    store_be16(data, 0);
    assert_int_equal(parse(&s, data, 20), DROP_TCP_PORT);
    tcp_build(data, &PLAIN);
    store_be16(data + 2, 0);
    assert_int_equal(parse(&s, data, 20), DROP_TCP_PORT);
}

/* 9293-GEN-3, P15 */
static void reserved_bits_are_ignored_and_never_sent(void **state)
{
    (void)state;
    uint8_t data[20];
    struct tcp_segment s;
    tcp_build(data, &PLAIN);
    assert_int_equal(data[12], 0x50);
    data[12] |= 0x0f;
    assert_int_equal(parse(&s, data, 20), DROP_NONE);
    assert_same(&s, &PLAIN);
}

/* P14: split anywhere, an old value in the field */
static void the_checksum_runs_over_all_pieces_of_the_payload(void **state)
{
    (void)state;
    uint8_t header[20], payload[1501];
    uint32_t seed = 3;
    for (unsigned len = 1; len <= sizeof payload; len += 2) {
        struct tcp_segment s = PLAIN;
        s.len = len;
        for (unsigned i = 0; i < len; i++)
            payload[i] = (uint8_t)(random_next(&seed) >> 8);
        uint32_t cut = random_next(&seed) % (len + 1);
        struct iovec pieces[] = {{payload, cut}, {NULL, 0}, {payload + cut, len - cut}};
        tcp_build(header, &s);
        store_be16(header + 16, 0x5a5a);
        tcp_fill_checksum(header, 20, &s, pieces, 3);

        uint8_t packet[20 + sizeof payload];
        memcpy(packet, header, 20);
        memcpy(packet + 20, payload, len);
        assert_true(tcp_checksum_ok(&IP, packet, 20 + len));
    }
}

/* P14 */
static void zero_is_a_legal_checksum(void **state)
{
    (void)state;
    struct tcp_segment s = PLAIN;
    uint8_t packet[22];
    struct iovec payload = {packet + 20, 2};
    s.len = 2;
    tcp_build(packet, &s);
    store_be16(packet + 20, 0);
    tcp_fill_checksum(packet, 20, &s, &payload, 1);
    /* what the checksum was moves into the payload, where it leaves 0 to the field */
    store_be16(packet + 20, load_be16(packet + 16));
    tcp_fill_checksum(packet, 20, &s, &payload, 1);
    assert_int_equal(load_be16(packet + 16), 0);
    assert_true(tcp_checksum_ok(&IP, packet, sizeof packet));
    store_be16(packet + 16, 0xffff);
    assert_true(tcp_checksum_ok(&IP, packet, sizeof packet));
}

static void finishing_a_partial_checksum_gives_the_full_one(void **state)
{
    (void)state;
    static uint8_t packet[20 + 65000];
    for (uint32_t len = 0; len <= 65000; len += len < 1600 ? 1 : 4000) {
        struct tcp_segment s = PLAIN;
        struct iovec payload = {packet + 20, len};
        s.len = len;
        s.gso_size = 1448;
        tcp_build(packet, &s);
        memset(packet + 20, (int)len, len);
        tcp_fill_checksum(packet, 20, &s, &payload, 1);
        uint16_t full = load_be16(packet + 16);

        tcp_fill_partial_checksum(packet, 20, &s);
        struct checksum device = checksum_start(); /* sums from csum_start on, the field included */
        checksum_add(&device, packet, 20 + len);
        assert_int_equal(checksum_field(&device), full);
    }
}

/* 9293-GEN-2 */
static void sequence_space_counts_syn_and_fin(void **state)
{
    (void)state;
    struct tcp_segment s = {.len = 10, .flags = TCP_SYN | TCP_FIN};
    assert_int_equal(tcp_segment_space(&s), 12);
    s.flags = TCP_FIN | TCP_ACK;
    assert_int_equal(tcp_segment_space(&s), 11);
    s.flags = TCP_RST;
    assert_int_equal(tcp_segment_space(&s), 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_built_parses_back),
        cmocka_unit_test(every_prefix_is_dropped_or_has_less_payload),
        cmocka_unit_test(every_flipped_bit_breaks_the_checksum_and_nothing_else),
        cmocka_unit_test(the_data_offset_must_lie_within_the_segment),
        cmocka_unit_test(port_zero_is_dropped),
        cmocka_unit_test(reserved_bits_are_ignored_and_never_sent),
        cmocka_unit_test(the_checksum_runs_over_all_pieces_of_the_payload),
        cmocka_unit_test(zero_is_a_legal_checksum),
        cmocka_unit_test(finishing_a_partial_checksum_gives_the_full_one),
        cmocka_unit_test(sequence_space_counts_syn_and_fin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
