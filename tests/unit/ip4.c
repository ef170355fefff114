/* IPv4 headers (RFC 791 3.1, RFC 1122 3.2.1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/exact.h"
#include "util/bytes.h"
#include "wire/checksum.h"
#include "wire/ip4.h"

static const ip4_addr A = {0xc0000201}, B = {0xc0000202};

static void fix_checksum(uint8_t *packet, size_t header_len)
{
    struct checksum c = checksum_start();
    store_be16(packet + 10, 0);
    checksum_add(&c, packet, header_len);
    store_be16(packet + 10, checksum_field(&c));
}

/* A header of ihl words with NOPs as options, whatever ihl is. */
static void make(uint8_t packet[80], unsigned version, unsigned ihl, unsigned total_len)
{
    memset(packet, 1, 80);
    ip4_build(packet, A, B, IP4_PROTO_TCP, 64, 0, (uint16_t)total_len);
    packet[0] = (uint8_t)(version << 4 | ihl);
    fix_checksum(packet, ihl * 4);
}

static enum drop_reason parse_exact(struct ip4_header *h, const uint8_t *packet, size_t len)
{
    uint8_t *exact = exact_copy(packet, len);
    enum drop_reason why = ip4_parse(h, exact, len);
    free(exact);
    return why;
}

/* `options` in a header of its own, then parsed. */
static enum drop_reason parse_options(const uint8_t *options, size_t len)
{
    uint8_t packet[80];
    struct ip4_header h;
    unsigned ihl = 5 + (unsigned)(len + 3) / 4;
    make(packet, 4, ihl, ihl * 4);
    memset(packet + 20, 1, 40); /* NOPs before, so that the list ends with the header */
    memcpy(packet + ihl * 4 - len, options, len);
    fix_checksum(packet, ihl * 4);
    return parse_exact(&h, packet, ihl * 4);
}
#define OPTIONS(...) parse_options((const uint8_t[]){__VA_ARGS__}, sizeof(uint8_t[]){__VA_ARGS__})

/* P03 */
static void version_header_length_and_real_length_are_checked_in_every_combination(void **state)
{
    (void)state;
    for (unsigned version = 0; version < 16; version++)
        for (unsigned ihl = 0; ihl < 16; ihl++)
            for (unsigned len = 0; len <= 80; len++) {
                uint8_t packet[80];
                struct ip4_header h;
                make(packet, version, ihl, len);
                enum drop_reason want = len < 20                         ? DROP_SHORT
                                        : version != 4                   ? DROP_IP_VERSION
                                        : ihl < 5 || ihl * 4 > len       ? DROP_IP_HEADER_LEN
                                                                         : DROP_NONE;
                assert_int_equal(parse_exact(&h, packet, len), want);
                if (want == DROP_NONE)
                    assert_int_equal(h.header_len, ihl * 4);
            }
}

/* P01, P02 */
static void the_total_length_must_lie_between_header_and_packet(void **state)
{
    (void)state;
    uint8_t packet[80];
    struct ip4_header h;
    for (unsigned ihl = 5; ihl <= 15; ihl++)
        for (unsigned total = 0; total <= 82; total++) {
            make(packet, 4, ihl, total);
            bool good = total >= ihl * 4 && total <= 80;
            assert_int_equal(parse_exact(&h, packet, 80), good ? DROP_NONE : DROP_IP_LEN);
        }
    make(packet, 4, 5, 65535);
    assert_int_equal(parse_exact(&h, packet, 80), DROP_IP_LEN);
}

/* P04 */
static void bytes_beyond_the_total_length_are_padding(void **state)
{
    (void)state;
    uint8_t packet[80];
    struct ip4_header h;
    for (unsigned padding = 0; padding <= 46; padding++) {
        make(packet, 4, 5, 24);
        assert_int_equal(parse_exact(&h, packet, 24 + padding), DROP_NONE);
        assert_int_equal(h.total_len, 24);
    }
}

/* D01, P06 */
static void every_prefix_is_dropped_without_reading_beyond(void **state)
{
    (void)state;
    struct ip4_header h;
    for (unsigned ihl = 5; ihl <= 15; ihl++) {
        uint8_t packet[80];
        make(packet, 4, ihl, 80);
        for (size_t len = 0; len < 80; len++)
            assert_int_not_equal(parse_exact(&h, packet, len), DROP_NONE);
        assert_int_equal(parse_exact(&h, packet, 80), DROP_NONE);
    }
}

static void every_flipped_bit_of_a_header_is_noticed(void **state)
{
    (void)state;
    uint8_t packet[80];
    struct ip4_header h;
    make(packet, 4, 7, 80);
    for (unsigned bit = 0; bit < 28 * 8; bit++) {
        packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_not_equal(parse_exact(&h, packet, 80), DROP_NONE);
        packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    packet[15] ^= 1;
    assert_int_equal(parse_exact(&h, packet, 80), DROP_IP_CHECKSUM);
}

/* P16 */
static void every_field_is_read_at_any_alignment(void **state)
{
    (void)state;
    uint8_t block[40];
    for (size_t at = 0; at < 8; at++) {
        uint8_t *p = block + at;
        ip4_build(p, A, (ip4_addr){0xfedcba98}, 200, 7, 0xb9, 20);
        store_be16(p + 4, 0xabcd);
        store_be16(p + 6, 0x2000 | 0x1fff);
        fix_checksum(p, 20);
        struct ip4_header h;
        assert_int_equal(ip4_parse(&h, p, 20), DROP_NONE);
        assert_int_equal(h.src.v, A.v);
        assert_int_equal(h.dst.v, 0xfedcba98);
        assert_int_equal(h.total_len, 20);
        assert_int_equal(h.id, 0xabcd);
        assert_int_equal(h.frag_offset, 65528);
        assert_int_equal(h.header_len, 20);
        assert_int_equal(h.protocol, 200);
        assert_int_equal(h.ttl, 7);
        assert_int_equal(h.tos, 0xb9);
        assert_false(h.dont_fragment);
        assert_true(h.more_fragments);
    }
}

/* 1812-3 and 1122-3.2.1.7b */
static void the_reserved_flag_and_a_ttl_of_zero_do_no_harm(void **state)
{
    (void)state;
    uint8_t packet[80];
    struct ip4_header h;
    make(packet, 4, 5, 20);
    packet[6] |= 0x80;
    packet[8] = 0;
    fix_checksum(packet, 20);
    assert_int_equal(parse_exact(&h, packet, 20), DROP_NONE);
    assert_true(h.dont_fragment);
    assert_int_equal(h.frag_offset, 0);
}

/* 791-3.1e, 1122-3.2.1.8a */
static void options_are_walked_by_their_length(void **state)
{
    (void)state;
    assert_int_equal(OPTIONS(0), DROP_NONE);
    assert_int_equal(OPTIONS(1, 1, 1, 1), DROP_NONE);
    assert_int_equal(OPTIONS(7, 7, 4, 1, 2, 3, 4, 0), DROP_NONE);       /* record route */
    assert_int_equal(OPTIONS(68, 8, 5, 0, 0, 0, 0, 0), DROP_NONE);      /* timestamp */
    assert_int_equal(OPTIONS(148, 4, 0, 0), DROP_NONE);                 /* router alert */
    assert_int_equal(OPTIONS(136, 4, 0, 1), DROP_NONE);                 /* stream identifier */
    assert_int_equal(OPTIONS(0x9e, 2), DROP_NONE);                      /* unknown */
    assert_int_equal(OPTIONS(0, 131, 3, 4, 9, 0), DROP_NONE);          /* behind the end */
}

/* P11 */
static void malformed_options_are_dropped(void **state)
{
    (void)state;
    assert_int_equal(OPTIONS(7), DROP_IP_OPTIONS); /* a kind as the last byte */
    assert_int_equal(OPTIONS(7, 0, 0, 0), DROP_IP_OPTIONS);
    assert_int_equal(OPTIONS(7, 1, 0, 0), DROP_IP_OPTIONS);
    assert_int_equal(OPTIONS(7, 5, 0, 0), DROP_IP_OPTIONS);
    assert_int_equal(OPTIONS(7, 255, 0, 0), DROP_IP_OPTIONS);
    assert_int_equal(OPTIONS(1, 1, 7, 3), DROP_IP_OPTIONS);
    assert_int_equal(OPTIONS(7, 4, 4, 0), DROP_NONE);
}

/* P11, 7126-1 */
static void source_routes_are_dropped(void **state)
{
    (void)state;
    assert_int_equal(OPTIONS(131, 7, 4, 1, 2, 3, 4, 0), DROP_IP_OPTIONS);
    assert_int_equal(OPTIONS(137, 7, 4, 1, 2, 3, 4, 0), DROP_IP_OPTIONS);
    assert_int_equal(OPTIONS(1, 148, 4, 0, 0, 131, 3, 4), DROP_IP_OPTIONS);
}

/* P11 */
static void random_options_end_within_the_header(void **state)
{
    (void)state;
    uint32_t seed = 4;
    for (int round = 0; round < 20000; round++) {
        uint8_t packet[80];
        struct ip4_header h;
        unsigned ihl = 6 + random_next(&seed) % 10;
        make(packet, 4, ihl, ihl * 4);
        for (unsigned i = 20; i < ihl * 4; i++) /* small lengths are the interesting ones */
            packet[i] = (uint8_t)(random_next(&seed) >> (round % 2 ? 8 : 28));
        fix_checksum(packet, ihl * 4);
        enum drop_reason why = parse_exact(&h, packet, ihl * 4);
        assert_true(why == DROP_NONE || why == DROP_IP_OPTIONS);
    }
}

/* G226, G229 */
static void what_is_built_has_df_no_id_and_parses_back(void **state)
{
    (void)state;
    uint8_t out[20];
    struct ip4_header h;
    memset(out, 0xee, sizeof out);
    ip4_build(out, A, B, IP4_PROTO_ICMP, 63, 0x10, 20);
    assert_int_equal(parse_exact(&h, out, 20), DROP_NONE);
    assert_int_equal(h.src.v, A.v);
    assert_int_equal(h.dst.v, B.v);
    assert_int_equal(h.protocol, IP4_PROTO_ICMP);
    assert_int_equal(h.ttl, 63);
    assert_int_equal(h.tos, 0x10);
    assert_int_equal(h.id, 0);
    assert_true(h.dont_fragment);
    assert_false(h.more_fragments);
    assert_int_equal(h.frag_offset, 0);
    assert_int_equal(load_be16(out + 6), 0x4000);
}

/* P17 */
static void unicast_is_what_one_host_may_have(void **state)
{
    (void)state;
    static const uint32_t yes[] = {0x01000000, 0x0a000001, 0x7effffff, 0x80000000, 0xdfffffff};
    static const uint32_t no[] = {0,          1,          0x00ffffff, 0x7f000000,
                                  0x7f000001, 0x7fffffff, 0xe0000000, 0xefffffff,
                                  0xf0000000, 0xfffffffe, 0xffffffff};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        assert_true(ip4_is_unicast((ip4_addr){yes[i]}));
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        assert_false(ip4_is_unicast((ip4_addr){no[i]}));
}

static bool broadcast(uint32_t a, unsigned prefix_len)
{
    return ip4_is_broadcast_of((ip4_addr){a}, (ip4_addr){0x0a010203}, prefix_len);
}

/* 1122-3.3.6 */
static void a_subnet_has_two_broadcast_addresses_and_a_link_of_two_hosts_none(void **state)
{
    (void)state;
    assert_true(broadcast(0x0a0102ff, 24));
    assert_true(broadcast(0x0a010200, 24));
    assert_false(broadcast(0x0a010203, 24));
    assert_false(broadcast(0x0a0103ff, 24));
    assert_true(broadcast(0x0affffff, 8));
    assert_true(broadcast(0x0a010203, 30));
    assert_false(broadcast(0x0a010203, 31));
    assert_false(broadcast(0x0a010202, 31));
    assert_false(broadcast(0x0a010203, 32));
    assert_true(broadcast(0xffffffff, 0));
    assert_true(broadcast(0, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_header_length_and_real_length_are_checked_in_every_combination),
        cmocka_unit_test(the_total_length_must_lie_between_header_and_packet),
        cmocka_unit_test(bytes_beyond_the_total_length_are_padding),
        cmocka_unit_test(every_prefix_is_dropped_without_reading_beyond),
        cmocka_unit_test(every_flipped_bit_of_a_header_is_noticed),
        cmocka_unit_test(every_field_is_read_at_any_alignment),
        cmocka_unit_test(the_reserved_flag_and_a_ttl_of_zero_do_no_harm),
        cmocka_unit_test(options_are_walked_by_their_length),
        cmocka_unit_test(malformed_options_are_dropped),
        cmocka_unit_test(source_routes_are_dropped),
        cmocka_unit_test(random_options_end_within_the_header),
        cmocka_unit_test(what_is_built_has_df_no_id_and_parses_back),
        cmocka_unit_test(unicast_is_what_one_host_may_have),
        cmocka_unit_test(a_subnet_has_two_broadcast_addresses_and_a_link_of_two_hosts_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
