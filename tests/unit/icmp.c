/* ICMP (RFC 792, 1122 3.2.2, 1191). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/exact.h"
#include "util/bytes.h"
#include "wire/checksum.h"
#include "wire/icmp.h"

static const ip4_addr A = {0xc0000201}, B = {0xc0000202}, C = {0x0a000001};

static void fix_checksum(uint8_t *at, size_t len, size_t field)
{
    struct checksum c = checksum_start();
    store_be16(at + field, 0);
    checksum_add(&c, at, len);
    store_be16(at + field, checksum_field(&c));
}

static enum drop_reason parse(struct icmp_message *m, const uint8_t *data, size_t len)
{
    uint8_t *exact = exact_copy(data, len);
    enum drop_reason why = icmp_parse(m, exact, len);
    if (why == DROP_NONE) {
        assert_ptr_equal(m->body, exact + 4);
        assert_int_equal(m->body_len, len - 4);
    }
    free(exact); /* m->body is not to be used any more */
    return why;
}

/* An IPv4 packet from A to B of header_len + 20 bytes: NOPs as options, then 1, 2, ... */
static unsigned make_packet(uint8_t *packet, unsigned header_len, uint8_t protocol)
{
    memset(packet, 1, header_len);
    ip4_build(packet, A, B, protocol, 64, 0, (uint16_t)(header_len + 20));
    packet[0] = (uint8_t)(4 << 4 | header_len / 4);
    fix_checksum(packet, header_len, 10);
    for (unsigned i = 0; i < 20; i++)
        packet[header_len + i] = (uint8_t)(i + 1);
    return header_len + 20;
}

/* An error of `type` that quotes the first quote_len bytes of such a packet. */
static unsigned make_error(uint8_t *icmp, uint8_t type, uint8_t code, unsigned header_len,
                           unsigned quote_len)
{
    uint8_t packet[80];
    make_packet(packet, header_len, IP4_PROTO_TCP);
    memset(icmp, 0, 8);
    icmp[0] = type;
    icmp[1] = code;
    memcpy(icmp + 8, packet, quote_len);
    fix_checksum(icmp, 8 + quote_len, 2);
    return 8 + quote_len;
}

/* 792-1, P12, 792-3 */
static void a_message_below_8_bytes_or_with_a_wrong_checksum_is_dropped(void **state)
{
    (void)state;
    uint8_t data[40] = {ICMP_ECHO, 0, 0, 0, 1, 2, 3, 4, 5};
    struct icmp_message m;
    for (size_t len = 0; len <= sizeof data; len++) {
        if (len >= 4)
            fix_checksum(data, len, 2);
        assert_int_equal(parse(&m, data, len), len < 8 ? DROP_ICMP_BAD : DROP_NONE);
    }
    for (unsigned bit = 0; bit < sizeof data * 8; bit++) {
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(parse(&m, data, sizeof data), DROP_ICMP_BAD);
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void only_five_types_are_errors(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        uint8_t data[80];
        struct icmp_message m;
        unsigned len = make_error(data, (uint8_t)type, 0, 20, 28);
        assert_int_equal(parse(&m, data, len), DROP_NONE);
        bool error = type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
        assert_int_equal(m.type, type);
        assert_int_equal(m.is_error, error);
        assert_int_equal(m.quote_ok, error);
    }
}

static void the_quote_names_the_connection_and_the_sequence_number(void **state)
{
    (void)state;
    for (unsigned header_len = 20; header_len <= 60; header_len += 4) {
        uint8_t data[120];
        struct icmp_message m;
        unsigned len =
            make_error(data, ICMP_UNREACHABLE, ICMP_UNREACH_PORT, header_len, header_len + 8);
        assert_int_equal(parse(&m, data, len), DROP_NONE);
        assert_int_equal(m.code, ICMP_UNREACH_PORT);
        assert_true(m.quote_ok);
        assert_int_equal(m.quoted_src.v, A.v);
        assert_int_equal(m.quoted_dst.v, B.v);
        assert_int_equal(m.quoted_protocol, IP4_PROTO_TCP);
        assert_int_equal(m.quoted_total_len, header_len + 20);
        assert_int_equal(m.quoted_src_port, 0x0102);
        assert_int_equal(m.quoted_dst_port, 0x0304);
        assert_int_equal(m.quoted_seq, 0x05060708);
    }
}

/* P12 */
static void a_quote_cut_short_is_not_ok_and_not_read_beyond(void **state)
{
    (void)state;
    for (unsigned header_len = 20; header_len <= 60; header_len += 20)
        for (unsigned quoted = 0; quoted < header_len + 8; quoted++) {
            uint8_t data[120];
            struct icmp_message m;
            unsigned len =
                make_error(data, ICMP_UNREACHABLE, ICMP_UNREACH_PORT, header_len, quoted);
            assert_int_equal(parse(&m, data, len), DROP_NONE);
            assert_true(m.is_error);
            assert_false(m.quote_ok);
            assert_int_equal(m.quoted_src_port, 0);
            assert_int_equal(m.quoted_src.v, quoted >= 20 ? A.v : 0);
        }
}

static bool quote_ok_with(unsigned at, uint8_t value)
{
    uint8_t data[120];
    struct icmp_message m;
    unsigned len = make_error(data, ICMP_UNREACHABLE, ICMP_UNREACH_PORT, 20, 28);
    data[8 + at] = value;
    fix_checksum(data, len, 2);
    assert_int_equal(parse(&m, data, len), DROP_NONE);
    return m.quote_ok;
}

/* P12 */
static void a_quote_that_is_no_ipv4_header_or_a_later_fragment_is_not_ok(void **state)
{
    (void)state;
    assert_true(quote_ok_with(0, 0x45));
    assert_false(quote_ok_with(0, 0x65));
    assert_false(quote_ok_with(0, 0x44));
    assert_false(quote_ok_with(0, 0x4f));
    assert_false(quote_ok_with(7, 1));
    assert_false(quote_ok_with(6, 0x10));
    assert_true(quote_ok_with(6, 0x20)); /* a first fragment */
    assert_true(quote_ok_with(8, 3));    /* a TTL counted down without its checksum */
}

static void only_a_quote_of_tcp_has_a_sequence_number(void **state)
{
    (void)state;
    uint8_t data[80];
    struct icmp_message m;
    unsigned len = make_error(data, ICMP_UNREACHABLE, ICMP_UNREACH_PORT, 20, 28);
    data[8 + 9] = IP4_PROTO_UDP;
    fix_checksum(data, len, 2);
    assert_int_equal(parse(&m, data, len), DROP_NONE);
    assert_true(m.quote_ok);
    assert_int_equal(m.quoted_protocol, IP4_PROTO_UDP);
    assert_int_equal(m.quoted_seq, 0);
}

/* 1191-3a */
static void only_fragmentation_needed_has_an_mtu(void **state)
{
    (void)state;
    for (uint8_t code = 0; code < 16; code++) {
        uint8_t data[80];
        struct icmp_message m;
        unsigned len = make_error(data, ICMP_UNREACHABLE, code, 20, 28);
        store_be16(data + 6, 1280);
        fix_checksum(data, len, 2);
        assert_int_equal(parse(&m, data, len), DROP_NONE);
        assert_int_equal(m.mtu, code == ICMP_UNREACH_FRAG_NEEDED ? 1280 : 0);
    }
}

/* G227, 792-2, 1122-3.2.2.6a, P11 */
static void an_echo_is_answered_with_its_data_and_without_its_options(void **state)
{
    (void)state;
    for (unsigned header_len = 20; header_len <= 60; header_len += 4)
        for (unsigned data_len = 8; data_len <= 20; data_len++) {
            uint8_t packet[100];
            make_packet(packet, header_len, IP4_PROTO_ICMP);
            packet[1] = 0xb8 | 3;
            store_be16(packet + 2, (uint16_t)(header_len + data_len));
            packet[header_len] = ICMP_ECHO;
            fix_checksum(packet, header_len, 10);
            fix_checksum(packet + header_len, data_len, 2);
            struct ip4_header ip, reply_ip;
            struct icmp_message m;
            uint32_t len = header_len + data_len + 9; /* with padding */
            uint8_t *exact = exact_copy(packet, len);
            assert_int_equal(ip4_parse(&ip, exact, len), DROP_NONE);

            uint8_t *reply = icmp_make_echo_reply(exact, &ip, 61, &len);
            assert_int_equal(len, 20 + data_len);
            assert_ptr_equal(reply, exact + header_len - 20);
            assert_int_equal(ip4_parse(&reply_ip, reply, len), DROP_NONE);
            assert_int_equal(reply_ip.src.v, B.v);
            assert_int_equal(reply_ip.dst.v, A.v);
            assert_int_equal(reply_ip.ttl, 61);
            assert_int_equal(reply_ip.tos, 0xb8);
            assert_int_equal(reply_ip.total_len, len);
            assert_int_equal(reply_ip.protocol, IP4_PROTO_ICMP);
            assert_int_equal(parse(&m, reply + 20, len - 20), DROP_NONE);
            assert_int_equal(m.type, ICMP_ECHO_REPLY);
            assert_int_equal(m.code, 0);
            assert_memory_equal(reply + 24, packet + header_len + 4, data_len - 4);
            free(exact);
        }
}

/* 1122-3.2.2.6c */
static void an_echo_reply_can_be_cut_short(void **state)
{
    (void)state;
    uint8_t packet[100];
    struct ip4_header ip;
    struct icmp_message m;
    uint32_t whole = make_packet(packet, 24, IP4_PROTO_ICMP), len = 24 + 11;
    packet[24] = ICMP_ECHO;
    assert_int_equal(ip4_parse(&ip, packet, whole), DROP_NONE);
    uint8_t *reply = icmp_make_echo_reply(packet, &ip, 64, &len);
    assert_int_equal(len, 31);
    assert_int_equal(parse(&m, reply + 20, 11), DROP_NONE);
}

/* G231, 1122-3.2.2b and d */
static void an_error_quotes_the_header_and_8_bytes_with_tos_0(void **state)
{
    (void)state;
    for (unsigned header_len = 20; header_len <= 60; header_len += 4) {
        uint8_t packet[100], room[20 + 8 + 60 + 8];
        struct ip4_header ip, error_ip;
        struct icmp_message m;
        unsigned len = make_packet(packet, header_len, IP4_PROTO_UDP);
        packet[1] = 0x17;
        fix_checksum(packet, header_len, 10);
        assert_int_equal(ip4_parse(&ip, packet, len), DROP_NONE);
        memset(room, 0xee, sizeof room);
        uint8_t *out = exact_copy(room, 20 + 8 + header_len + 8);
        unsigned out_len =
            icmp_build_error(out, C, 60, ICMP_UNREACHABLE, ICMP_UNREACH_PORT, packet, &ip);
        assert_int_equal(out_len, 20 + 8 + header_len + 8);

        assert_int_equal(ip4_parse(&error_ip, out, out_len), DROP_NONE);
        assert_int_equal(error_ip.src.v, C.v);
        assert_int_equal(error_ip.dst.v, A.v);
        assert_int_equal(error_ip.tos, 0);
        assert_int_equal(error_ip.ttl, 60);
        assert_int_equal(error_ip.header_len, 20);
        assert_int_equal(parse(&m, out + 20, out_len - 20), DROP_NONE);
        assert_int_equal(m.type, ICMP_UNREACHABLE);
        assert_int_equal(m.code, ICMP_UNREACH_PORT);
        assert_true(m.quote_ok);
        assert_int_equal(load_be32(out + 24), 0);
        assert_memory_equal(out + 28, packet, header_len + 8);
        free(out);
    }
}

/* G231 */
static void an_error_about_a_tiny_packet_quotes_what_there_is(void **state)
{
    (void)state;
    for (unsigned payload = 0; payload < 8; payload++) {
        uint8_t packet[20], out[96];
        struct ip4_header ip;
        struct icmp_message m;
        ip4_build(packet, A, B, 132, 64, 0, 20);
        assert_int_equal(ip4_parse(&ip, packet, 20), DROP_NONE);
        uint8_t whole[28] = {0};
        memcpy(whole, packet, 20);
        ip.total_len = (uint16_t)(20 + payload);
        uint8_t *exact = exact_copy(whole, ip.total_len);
        unsigned len =
            icmp_build_error(out, B, 64, ICMP_UNREACHABLE, ICMP_UNREACH_PROTOCOL, exact, &ip);
        assert_int_equal(len, 20 + 8 + 20 + payload);
        assert_int_equal(parse(&m, out + 20, len - 20), DROP_NONE);
        assert_false(m.quote_ok);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_below_8_bytes_or_with_a_wrong_checksum_is_dropped),
        cmocka_unit_test(only_five_types_are_errors),
        cmocka_unit_test(the_quote_names_the_connection_and_the_sequence_number),
        cmocka_unit_test(a_quote_cut_short_is_not_ok_and_not_read_beyond),
        cmocka_unit_test(a_quote_that_is_no_ipv4_header_or_a_later_fragment_is_not_ok),
        cmocka_unit_test(only_a_quote_of_tcp_has_a_sequence_number),
        cmocka_unit_test(only_fragmentation_needed_has_an_mtu),
        cmocka_unit_test(an_echo_is_answered_with_its_data_and_without_its_options),
        cmocka_unit_test(an_echo_reply_can_be_cut_short),
        cmocka_unit_test(an_error_quotes_the_header_and_8_bytes_with_tos_0),
        cmocka_unit_test(an_error_about_a_tiny_packet_quotes_what_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
