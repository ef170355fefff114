/* TCP options, parsed and built (RFC 9293 3.2, 2018, 7323; attacks P07-P09). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/exact.h"
#include "util/bytes.h"
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

/* A segment with these options, which end with the header: NOPs stand before them. */
static enum drop_reason parse_options(struct tcp_segment *s, uint8_t flags, const uint8_t *options,
                                      size_t len)
{
    uint8_t data[TCP_HEADER_MAX + 4];
    unsigned header_len = TCP_HEADER_LEN + (unsigned)(len + 3) / 4 * 4;
    memset(data, 1, sizeof data);
    tcp_build(data, &(struct tcp_segment){.src_port = 1, .dst_port = 2, .flags = flags});
    data[12] = (uint8_t)(header_len / 4 << 4);
    if (len)
        memcpy(data + header_len - len, options, len);
    return parse(s, data, header_len + 4);
}
#define OPTIONS(s, flags, ...)                                                                     \
    parse_options(s, flags, (const uint8_t[]){__VA_ARGS__}, sizeof(uint8_t[]){__VA_ARGS__})

static void linux_syn_options_are_understood(void **state)
{
    (void)state;
    struct tcp_segment s;
    assert_int_equal(OPTIONS(&s, TCP_SYN, 2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3,
                             3, 7),
                     DROP_NONE);
    assert_true(s.has_mss && s.has_wscale && s.has_ts && s.sack_permitted);
    assert_int_equal(s.mss, 1460);
    assert_int_equal(s.wscale, 7);
    assert_int_equal(s.tsval, 0x01020304);
    assert_int_equal(s.tsecr, 0);
    assert_int_equal(s.len, 4);
}

/* P16, 9293-MUST-64 */
static void options_may_stand_at_odd_offsets(void **state)
{
    (void)state;
    struct tcp_segment s;
    assert_int_equal(OPTIONS(&s, TCP_SYN, 1, 2, 4, 2, 1, 1, 3, 3, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0,
                             8, 0),
                     DROP_NONE);
    assert_int_equal(s.mss, 513);
    assert_int_equal(s.wscale, 2);
    assert_int_equal(s.tsval, 9);
    assert_int_equal(s.tsecr, 8);
}

/* P07, 9293-MUST-7: the lengths 0 and 1, one beyond the header, and none at all */
static void a_malformed_list_drops_a_syn_and_ends_the_options_of_another_segment(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[4];
    } bad[] = {{{200, 0, 1, 1}}, {{200, 1, 1, 1}}, {{200, 5, 1, 1}}, {{200, 255, 1, 1}},
               {{1, 1, 1, 200}}, {{2, 0, 1, 1}},   {{8, 10, 1, 1}},  {{5, 34, 1, 1}},
               {{1, 1, 2, 4}},   {{1, 1, 1, 5}}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct tcp_segment s;
        uint8_t options[20] = {8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1};
        memcpy(options + 12, bad[i].bytes, 4);
        assert_int_equal(parse_options(&s, TCP_SYN, options, 16), DROP_TCP_OPTIONS);
        assert_int_equal(parse_options(&s, TCP_SYN | TCP_ACK, options, 16), DROP_TCP_OPTIONS);
        assert_int_equal(parse_options(&s, TCP_ACK, options, 16), DROP_NONE);
        assert_true(s.has_ts); /* what stood before counts */
        assert_int_equal(s.sack_count, 0);
        assert_int_equal(s.len, 4);
    }
}

static void behind_a_malformed_option_nothing_counts(void **state)
{
    (void)state;
    struct tcp_segment s;
    assert_int_equal(OPTIONS(&s, TCP_ACK, 200, 0, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2), DROP_NONE);
    assert_false(s.has_ts);
}

/* P08 */
static void an_option_of_the_wrong_length_is_ignored_and_those_behind_it_count(void **state)
{
    (void)state;
    static const struct {
        uint8_t kind, len;
    } wrong[] = {{2, 2}, {2, 3}, {2, 5},  {3, 2},  {3, 4},  {4, 3},   {4, 4},  {8, 9}, {8, 11},
                 {5, 2}, {5, 3}, {5, 11}, {5, 17}, {5, 30}, {29, 16}, {19, 18}, {253, 4}, {254, 2}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct tcp_segment s;
        uint8_t options[40] = {wrong[i].kind, wrong[i].len};
        memcpy(options + wrong[i].len, (const uint8_t[]){2, 4, 1, 2}, 4);
        assert_int_equal(parse_options(&s, TCP_SYN, options, wrong[i].len + 4u), DROP_NONE);
        assert_true(s.has_mss);
        assert_int_equal(s.mss, 0x0102);
        assert_false(s.has_wscale || s.has_ts || s.sack_permitted || s.sack_count);
    }
}

/* P08 */
static void the_first_valid_option_of_a_kind_counts(void **state)
{
    (void)state;
    struct tcp_segment s;
    assert_int_equal(OPTIONS(&s, TCP_SYN, 2, 3, 9, 2, 4, 1, 1, 2, 4, 2, 2, 3, 4, 1, 1, 3, 3, 5, 3,
                             3, 6),
                     DROP_NONE);
    assert_int_equal(s.mss, 0x0101);
    assert_int_equal(s.wscale, 5);
    assert_int_equal(OPTIONS(&s, TCP_ACK, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 8, 10, 0, 0, 0, 3, 0, 0, 0,
                             4),
                     DROP_NONE);
    assert_int_equal(s.tsval, 1);
    assert_int_equal(s.tsecr, 2);
    assert_int_equal(OPTIONS(&s, TCP_ACK, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2, 5, 10, 0, 0, 0, 3, 0, 0, 0,
                             4),
                     DROP_NONE);
    assert_int_equal(s.sack_count, 1);
    assert_int_equal(s.sack[0].start.v, 1);
}

/* P08 */
static void behind_the_end_of_list_nothing_counts(void **state)
{
    (void)state;
    struct tcp_segment s;
    assert_int_equal(OPTIONS(&s, TCP_SYN, 0, 2, 4, 1, 1, 7, 0, 0), DROP_NONE);
    assert_false(s.has_mss);
    assert_int_equal(OPTIONS(&s, TCP_SYN, 2, 4, 1, 1, 1, 1, 1, 0), DROP_NONE);
    assert_true(s.has_mss);
}

/* 7323-2.2c */
static void only_a_syn_negotiates(void **state)
{
    (void)state;
    for (unsigned flags = 0; flags < 256; flags++) {
        struct tcp_segment s;
        assert_int_equal(OPTIONS(&s, (uint8_t)flags, 2, 4, 1, 1, 4, 2, 3, 3, 5), DROP_NONE);
        bool syn = flags & TCP_SYN;
        assert_int_equal(s.flags, flags);
        assert_int_equal(s.has_mss, syn);
        assert_int_equal(s.has_wscale, syn);
        assert_int_equal(s.sack_permitted, syn);
        assert_int_equal(s.wscale, syn ? 5 : 0);
    }
}

/* I04, 7323-2.3b */
static void a_window_scale_above_14_is_used_as_14(void **state)
{
    (void)state;
    for (unsigned shift = 0; shift < 256; shift++) {
        struct tcp_segment s;
        assert_int_equal(OPTIONS(&s, TCP_SYN, 3, 3, (uint8_t)shift), DROP_NONE);
        assert_true(s.has_wscale);
        assert_int_equal(s.wscale, shift < 14 ? shift : 14);
    }
}

/* P09, 2018-3 */
static void sack_has_one_to_four_whole_blocks(void **state)
{
    (void)state;
    for (unsigned len = 2; len <= 40; len++) {
        struct tcp_segment s;
        uint8_t options[40] = {5, (uint8_t)len};
        for (unsigned i = 2; i < len; i++)
            options[i] = (uint8_t)i;
        assert_int_equal(parse_options(&s, TCP_ACK, options, len), DROP_NONE);
        unsigned blocks = (len - 2) % 8 ? 0 : (len - 2) / 8;
        assert_int_equal(s.sack_count, blocks <= 4 ? blocks : 0);
        for (unsigned i = 0; i < s.sack_count; i++) {
            assert_int_equal(s.sack[i].start.v, load_be32(options + 2 + 8 * i));
            assert_int_equal(s.sack[i].end.v, load_be32(options + 6 + 8 * i));
        }
        options[1] = (uint8_t)(len + 1); /* beyond the header */
        assert_int_equal(parse_options(&s, TCP_RST, options, len), DROP_NONE);
        assert_int_equal(s.sack_count, 0);
    }
}

static void random_options_do_no_harm(void **state)
{
    (void)state;
    uint32_t seed = 6;
    for (int round = 0; round < 50000; round++) {
        uint8_t options[40];
        size_t len = random_next(&seed) % 41;
        for (size_t i = 0; i < len; i++)
            options[i] = (uint8_t)(random_next(&seed) >> (round % 2 ? 8 : 28));
        struct tcp_segment s;
        enum drop_reason why = parse_options(&s, round % 4 < 2 ? TCP_SYN : TCP_ACK, options, len);
        assert_true(why == DROP_NONE || (round % 4 < 2 && why == DROP_TCP_OPTIONS));
    }
}

static void assert_built(const struct tcp_segment *s, const uint8_t *options, unsigned len)
{
    uint8_t out[TCP_HEADER_MAX];
    memset(out, 0xee, sizeof out);
    assert_int_equal(tcp_header_len(s), 20 + len);
    assert_int_equal(tcp_build(out, s), 20 + len);
    assert_int_equal(out[12], (20 + len) / 4 << 4);
    assert_int_equal(load_be16(out + 16), 0);
    assert_memory_equal(out + 20, options, len);
    for (unsigned i = 20 + len; i < sizeof out; i++)
        assert_int_equal(out[i], 0xee);
}
#define BUILT(s, ...)                                                                              \
    assert_built(s, (const uint8_t[]){__VA_ARGS__}, sizeof(uint8_t[]){__VA_ARGS__})

static void options_are_laid_out_as_by_linux(void **state)
{
    (void)state;
    struct tcp_segment s = {.flags = TCP_SYN, .has_mss = true, .mss = 1460};
    BUILT(&s, 2, 4, 5, 0xb4);
    s.sack_permitted = true;
    BUILT(&s, 2, 4, 5, 0xb4, 1, 1, 4, 2);
    s.has_wscale = true;
    s.wscale = 9;
    BUILT(&s, 2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 9);
    s.has_ts = true;
    s.tsval = 0x0a0b0c0d;
    BUILT(&s, 2, 4, 5, 0xb4, 4, 2, 8, 10, 10, 11, 12, 13, 0, 0, 0, 0, 1, 3, 3, 9);
    s.sack_permitted = false;
    BUILT(&s, 2, 4, 5, 0xb4, 1, 1, 8, 10, 10, 11, 12, 13, 0, 0, 0, 0, 1, 3, 3, 9);
    s = (struct tcp_segment){.has_ts = true, .tsecr = 1, .sack_count = 1, .sack = {{{2}, {3}}}};
    BUILT(&s, 1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 5, 10, 0, 0, 0, 2, 0, 0, 0, 3);
}

static void sack_blocks_that_do_not_fit_are_left_off(void **state)
{
    (void)state;
    for (unsigned ts = 0; ts < 2; ts++)
        for (unsigned count = 0; count <= 4; count++) {
            struct tcp_segment s = {.src_port = 1, .dst_port = 2}, parsed;
            uint8_t out[TCP_HEADER_MAX];
            s.has_ts = ts;
            s.sack_count = (uint8_t)count;
            for (unsigned i = 0; i < 4; i++)
                s.sack[i] = (struct sack_block){seq_of(10 * i), seq_of(10 * i + 5)};
            unsigned len = tcp_build(out, &s);
            assert_true(len <= TCP_HEADER_MAX && len % 4 == 0);
            assert_int_equal(parse(&parsed, out, len), DROP_NONE);
            assert_int_equal(parsed.sack_count, ts && count > 3 ? 3 : count);
            for (unsigned i = 0; i < parsed.sack_count; i++)
                assert_int_equal(parsed.sack[i].start.v, 10 * i);
        }
    struct tcp_segment all = {.has_mss = true, .has_ts = true, .has_wscale = true,
                              .sack_permitted = true, .sack_count = 4};
    assert_int_equal(tcp_header_len(&all), 20 + 20 + 4 + 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linux_syn_options_are_understood),
        cmocka_unit_test(options_may_stand_at_odd_offsets),
        cmocka_unit_test(a_malformed_list_drops_a_syn_and_ends_the_options_of_another_segment),
        cmocka_unit_test(behind_a_malformed_option_nothing_counts),
        cmocka_unit_test(an_option_of_the_wrong_length_is_ignored_and_those_behind_it_count),
        cmocka_unit_test(the_first_valid_option_of_a_kind_counts),
        cmocka_unit_test(behind_the_end_of_list_nothing_counts),
        cmocka_unit_test(only_a_syn_negotiates),
        cmocka_unit_test(a_window_scale_above_14_is_used_as_14),
        cmocka_unit_test(sack_has_one_to_four_whole_blocks),
        cmocka_unit_test(random_options_do_no_harm),
        cmocka_unit_test(options_are_laid_out_as_by_linux),
        cmocka_unit_test(sack_blocks_that_do_not_fit_are_left_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
