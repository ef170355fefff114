/* IPv4 reassembly (RFC 791 3.2, 815, 5722, 1858, 3128, 3168 5.3; attacks F01-F04, F06-F08). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/exact.h"
#include "lib/fragments.h"

/* 815-1: five fragments in each of their 120 orders */
static void fragments_in_any_order_make_the_datagram(void **state)
{
    struct fragments *w = *state;
    for (unsigned order = 0; order < 120; order++) {
        unsigned left[5] = {0, 1, 2, 3, 4}, code = order;
        w->id = (uint16_t)order;
        for (unsigned n = 5; n > 0; n--) {
            unsigned pick = code % n, f = left[pick];
            code /= n;
            left[pick] = left[n - 1];
            unsigned len = f == 4 ? 5 : 8 * (f + 1);
            unsigned offset = 8 * (f * (f + 1) / 2);
            assert_int_equal(give(w, offset, len, f < 4), DROP_NONE);
            assert_int_equal(w->complete, n == 1);
        }
        assert_whole(w, 85);
    }
    assert_int_equal(w->reass.count, 0);
}

/* 1122-3.3.2a, 791-3.2e */
static void the_largest_datagram_is_put_together_and_a_larger_one_dropped(void **state)
{
    struct fragments *w = *state;
    for (unsigned offset = 0; offset + 1480 < 65515; offset += 1480)
        assert_waits(w, offset, 1480, true);
    unsigned last = 65515 / 1480 * 1480;
    assert_int_equal(give(w, last, 65516 - last, false), DROP_FRAG_BAD);
    assert_completes(w, last, 65515 - last, false, 65515);
}

/* F03: the ping of death */
static void a_fragment_beyond_the_largest_datagram_is_dropped(void **state)
{
    struct fragments *w = *state;
    assert_int_equal(give(w, 65528, 8, false), DROP_FRAG_BAD);
    assert_int_equal(give(w, 65528, 1, false), DROP_FRAG_BAD);
    assert_int_equal(give(w, 65000, 1400, true), DROP_FRAG_BAD);
    assert_int_equal(w->reass.count, 0);
    assert_waits(w, 65512, 3, false);
}

static void impossible_lengths_are_dropped(void **state)
{
    struct fragments *w = *state;
    for (unsigned len = 0; len <= 64; len++) {
        enum drop_reason want = len == 0 || len % 8 ? DROP_FRAG_BAD : DROP_NONE;
        w->id++;
        assert_int_equal(give(w, 0, len, true), want);
        assert_int_equal(give(w, 1600, len, true), want);
    }
    assert_int_equal(give(w, 3200, 0, false), DROP_FRAG_BAD);
}

/* F01 */
static void any_overlap_discards_the_datagram_for_good(void **state)
{
    static const struct {
        unsigned offset, len;
        bool more;
    } overlaps[] = {{32, 40, true},  {56, 16, true}, {48, 8, true},  {24, 64, true}, {40, 24, true},
                    {40, 16, true},  {48, 16, true}, {24, 24, true}, {32, 10, false},
                    {56, 8, false},  {40, 24, false}, {0, 96, true}};
    struct fragments *w = *state;
    for (size_t i = 0; i < sizeof overlaps / sizeof *overlaps; i++) {
        w->id++;
        assert_waits(w, 40, 24, true);
        if (overlaps[i].offset == 40 && overlaps[i].len == 24) {
            w->bytes = fragments_content + 1; /* the same place, other bytes */
            assert_int_equal(give(w, 40, 24, true), DROP_FRAG_OVERLAP);
            w->bytes = fragments_content;
        } else {
            assert_int_equal(give(w, overlaps[i].offset, overlaps[i].len, overlaps[i].more),
                             DROP_FRAG_OVERLAP);
        }
        assert_int_equal(give(w, 40, 24, true), DROP_FRAG_OVERLAP);
        assert_int_equal(give(w, 0, 40, true), DROP_FRAG_OVERLAP);
        assert_int_equal(give(w, 64, 8, false), DROP_FRAG_OVERLAP);
    }
}

/* F01 by brute force: of two fragments that share a byte none is ever delivered */
static void two_fragments_that_share_a_byte_are_never_delivered(void **state)
{
    struct fragments *w = *state;
    for (unsigned start = 0; start < 6; start++)
        for (unsigned end = start + 1; end <= 6; end++) {
            w->id++;
            assert_waits(w, 16, 16, true);
            enum drop_reason why = give(w, start * 8, (end - start) * 8, true);
            bool apart = end <= 2 || start >= 4, copy = start == 2 && end == 4;
            assert_int_equal(why, apart || copy ? DROP_NONE : DROP_FRAG_OVERLAP);
        }
}

/* 815-3 */
static void an_exact_copy_of_a_fragment_is_ignored(void **state)
{
    struct fragments *w = *state;
    assert_waits(w, 0, 24, true);
    assert_waits(w, 0, 24, true);
    assert_waits(w, 48, 5, false);
    size_t used = w->mem.used;
    assert_waits(w, 48, 5, false);
    assert_waits(w, 0, 24, true);
    assert_int_equal(w->mem.used, used);
    assert_completes(w, 24, 24, true, 53);
}

static void a_copy_that_differs_in_more_fragments_is_no_copy(void **state)
{
    struct fragments *w = *state;
    assert_waits(w, 8, 8, false);
    assert_int_equal(give(w, 8, 8, true), DROP_FRAG_OVERLAP);
    assert_int_equal(give(w, 0, 8, true), DROP_FRAG_OVERLAP);
}

/* F02 */
static void it_never_completes_with_a_hole(void **state)
{
    struct fragments *w = *state;
    assert_waits(w, 24, 8, false);
    assert_waits(w, 0, 8, true);
    assert_waits(w, 0, 8, true);
    assert_waits(w, 16, 8, true);
    assert_completes(w, 8, 8, true, 32);
}

/* F02, 815-2 */
static void without_the_last_fragment_it_never_completes(void **state)
{
    struct fragments *w = *state;
    for (unsigned offset = 0; offset < 400; offset += 8)
        assert_waits(w, offset, 8, true);
}

/* F02 */
static void two_different_ends_discard_the_datagram(void **state)
{
    static const struct {
        unsigned offset;
        bool more;
        unsigned second;
        bool second_more;
    } cases[] = {{32, false, 64, false}, {64, false, 32, false}, {64, true, 32, false},
                 {32, false, 40, true},  {32, false, 64, true}};
    struct fragments *w = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        w->id++;
        assert_waits(w, cases[i].offset, 8, cases[i].more);
        assert_int_equal(give(w, cases[i].second, 8, cases[i].second_more), DROP_FRAG_BAD);
        assert_int_equal(give(w, 0, 32, true), DROP_FRAG_BAD);
    }
}

/* F04, 1858-1 */
static void a_first_fragment_holds_the_whole_tcp_header(void **state)
{
    struct fragments *w = *state;
    w->protocol = IP4_PROTO_TCP;
    for (unsigned words = 0; words < 16; words++)
        for (unsigned len = 8; len <= 72; len += 8) {
            fragments_content[12] = (uint8_t)(words << 4);
            w->id++;
            bool good = len >= 20 && len >= words * 4;
            assert_int_equal(give(w, 0, len, true), good ? DROP_NONE : DROP_FRAG_BAD);
        }
}

/* 1858-1 */
static void a_tcp_fragment_at_offset_8_is_dropped(void **state)
{
    struct fragments *w = *state;
    w->protocol = IP4_PROTO_TCP;
    assert_int_equal(give(w, 8, 24, true), DROP_FRAG_BAD);
    assert_int_equal(give(w, 8, 24, false), DROP_FRAG_BAD);
    assert_waits(w, 0, 24, true);
    assert_completes(w, 24, 24, false, 48);
    w->protocol = IP4_PROTO_UDP;
    assert_waits(w, 8, 24, true);
}

/* F07, 791-3.2d */
static void the_same_id_of_another_source_destination_or_protocol_is_another_datagram(void **state)
{
    struct fragments *w = *state;
    assert_waits(w, 0, 24, true);
    w->src.v++;
    assert_waits(w, 24, 8, false);
    w->src = A;
    w->dst.v++;
    assert_waits(w, 24, 8, false);
    w->dst = B;
    w->protocol = IP4_PROTO_ICMP;
    assert_waits(w, 24, 8, false);
    w->protocol = IP4_PROTO_UDP;
    w->id++;
    assert_waits(w, 24, 8, false);
    w->id--;
    assert_int_equal(w->reass.count, 5);
    assert_completes(w, 24, 8, false, 32);
}

/* F06, 791-3.1f */
static void options_of_fragments_are_left_out(void **state)
{
    struct fragments *w = *state;
    w->options_len = 40;
    assert_waits(w, 0, 24, true);
    w->options_len = 8;
    assert_completes(w, 24, 9, false, 33);
    assert_int_equal(w->datagram[0], 0x45);
}

/* F08 */
static void a_later_fragment_that_looks_like_a_segment_is_not_delivered_alone(void **state)
{
    static const uint8_t syn[24] = {0x9c, 0x40, 0, 80, [12] = 0x50, [13] = 2, [15] = 1};
    struct fragments *w = *state;
    w->protocol = IP4_PROTO_TCP;
    w->bytes = syn;
    assert_waits(w, 16, 24, true);
    assert_waits(w, 40, 24, false);
    assert_int_equal(reass_expire(&w->reass, T0 + TIMEOUT, NULL, NULL), 1);
}

static void the_datagram_lasts_until_the_next_fragment(void **state)
{
    struct fragments *w = *state;
    assert_waits(w, 0, 8, true);
    assert_completes(w, 8, 8, false, 16);
    reass_expire(&w->reass, T0 + 10 * (uint64_t)TIMEOUT, NULL, NULL);
    assert_whole(w, 16);
    assert_true(w->mem.used > 0);
    w->protocol = IP4_PROTO_TCP;
    assert_int_equal(give(w, 8, 8, true), DROP_FRAG_BAD);
    assert_int_equal(w->mem.used, 0);
}

/* 3168-5.3a */
static void congestion_experienced_by_one_fragment_marks_the_datagram(void **state)
{
    struct fragments *w = *state;
    for (uint8_t first = 0; first < 4; first++)
        for (uint8_t second = 0; second < 4; second++) {
            w->id++;
            w->tos = (uint8_t)(0xb8 | first);
            assert_waits(w, 0, 8, true);
            w->tos = (uint8_t)(0xb8 | second);
            enum drop_reason why = give(w, 8, 8, false);
            bool ce = first == 3 || second == 3, not_ect = first == 0 || second == 0;
            assert_int_equal(why, ce && not_ect ? DROP_FRAG_BAD : DROP_NONE);
            if (!why)
                assert_int_equal(w->datagram[1], 0xb8 | (ce ? 3 : first));
        }
}

/* Random fragments of few datagrams: what is delivered is always what was sent. */
static void whatever_is_delivered_is_what_one_sender_sent(void **state)
{
    struct fragments *w = *state;
    uint32_t seed = 12345;
    unsigned delivered = 0;
    for (unsigned i = 0; i < 100000; i++) {
        w->now_us += random_next(&seed) % 400000;
        w->id = (uint16_t)(random_next(&seed) % 3);
        unsigned start = random_next(&seed) % 4, end = start + 1 + random_next(&seed) % (4 - start);
        bool honest = random_next(&seed) % 8;
        if (honest) /* pieces of 16 bytes, 61 in all */
            end = start + 1;
        unsigned len = (end - start) * 16 - (end == 4 && honest ? 3 : 0);
        give(w, start * 16, len, !honest ? random_next(&seed) % 2 : end < 4);
        if (w->complete) {
            assert_whole(w, w->len - IP4_HEADER_LEN);
            delivered++;
        }
        reass_expire(&w->reass, w->now_us, NULL, NULL);
    }
    assert_true(delivered > 100);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fragments_set_up, fragments_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(fragments_in_any_order_make_the_datagram),
        TEST(the_largest_datagram_is_put_together_and_a_larger_one_dropped),
        TEST(a_fragment_beyond_the_largest_datagram_is_dropped),
        TEST(impossible_lengths_are_dropped),
        TEST(any_overlap_discards_the_datagram_for_good),
        TEST(two_fragments_that_share_a_byte_are_never_delivered),
        TEST(an_exact_copy_of_a_fragment_is_ignored),
        TEST(a_copy_that_differs_in_more_fragments_is_no_copy),
        TEST(it_never_completes_with_a_hole),
        TEST(without_the_last_fragment_it_never_completes),
        TEST(two_different_ends_discard_the_datagram),
        TEST(a_first_fragment_holds_the_whole_tcp_header),
        TEST(a_tcp_fragment_at_offset_8_is_dropped),
        TEST(the_same_id_of_another_source_destination_or_protocol_is_another_datagram),
        TEST(options_of_fragments_are_left_out),
        TEST(a_later_fragment_that_looks_like_a_segment_is_not_delivered_alone),
        TEST(the_datagram_lasts_until_the_next_fragment),
        TEST(congestion_experienced_by_one_fragment_marks_the_datagram),
        TEST(whatever_is_delivered_is_what_one_sender_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
