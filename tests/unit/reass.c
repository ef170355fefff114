/* IPv4 reassembly (RFC 791 3.2, 815, 5722, 1858, 3128, 3168 5.3; attacks F01-F08). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/exact.h"
#include "stack/reass.h"
#include "util/bytes.h"
#include "wire/checksum.h"

enum { TIMEOUT = 15000000, MAX_BYTES = 256 * 1024, T0 = 1000 };
static const ip4_addr A = {0xc0000201}, B = {0xc0000202};

static uint8_t content[65536 + 2000]; /* what the datagrams hold, at their offsets */

struct world {
    struct mem mem;
    struct reass reass;
    uint64_t now_us;
    /* of the next fragment */
    ip4_addr src, dst;
    uint16_t id;
    uint8_t protocol, tos;
    unsigned options_len;
    const uint8_t *bytes;
    /* of the last */
    uint8_t *datagram;
    size_t len;
    bool complete;
};

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    if (!w)
        return -1;
    uint32_t seed = 1;
    for (size_t i = 0; i < sizeof content; i++)
        content[i] = (uint8_t)(random_next(&seed) >> 8);
    content[12] = 0x50; /* a TCP header's data offset */
    mem_init(&w->mem, NULL, NULL, NULL, 1 << 20);
    reass_init(&w->reass, &w->mem, MAX_BYTES, TIMEOUT);
    w->now_us = T0;
    w->src = A;
    w->dst = B;
    w->id = 7;
    w->protocol = IP4_PROTO_UDP;
    w->bytes = content;
    *state = w;
    return 0;
}

/* Whatever a test does, all memory comes back. */
static int tear_down(void **state)
{
    struct world *w = *state;
    reass_free(&w->reass);
    int bad = w->mem.used != 0 || w->reass.used_bytes != 0 || w->reass.count != 0;
    free(w);
    return bad;
}

/* One fragment, in a block of its exact size that is gone after the call. */
static enum drop_reason give(struct world *w, unsigned offset, unsigned len, bool more)
{
    unsigned header_len = IP4_HEADER_LEN + w->options_len;
    uint8_t *packet = malloc(header_len + len);
    assert_non_null(packet);
    memset(packet, 1, header_len);
    ip4_build(packet, w->src, w->dst, w->protocol, 64, w->tos, (uint16_t)(header_len + len));
    packet[0] = (uint8_t)(4 << 4 | header_len / 4);
    store_be16(packet + 4, w->id);
    store_be16(packet + 6, (uint16_t)(offset / 8 | (more ? 0x2000u : 0)));
    store_be16(packet + 10, 0);
    struct checksum c = checksum_start();
    checksum_add(&c, packet, header_len);
    store_be16(packet + 10, checksum_field(&c));
    if (len)
        memcpy(packet + header_len, w->bytes + (w->bytes == content ? offset : 0), len);

    struct ip4_header h;
    assert_int_equal(ip4_parse(&h, packet, header_len + len), DROP_NONE);
    enum drop_reason why =
        reass_input(&w->reass, &h, packet, w->now_us, &w->datagram, &w->len, &w->complete);
    memset(packet, 0xdd, header_len + len);
    free(packet);
    assert_int_equal(w->mem.used, w->reass.used_bytes);
    assert_int_equal(w->mem.by_kind[MEM_REASS], w->reass.used_bytes);
    assert_true(w->reass.used_bytes <= w->reass.max_bytes);
    assert_true(w->reass.count <= REASS_DATAGRAMS);
    if (why)
        assert_false(w->complete);
    return why;
}

static void assert_waits(struct world *w, unsigned offset, unsigned len, bool more)
{
    assert_int_equal(give(w, offset, len, more), DROP_NONE);
    assert_false(w->complete);
}

static void assert_whole(struct world *w, size_t payload_len)
{
    struct ip4_header h;
    assert_true(w->complete);
    assert_int_equal(w->len, IP4_HEADER_LEN + payload_len);
    assert_int_equal(ip4_parse(&h, w->datagram, w->len), DROP_NONE);
    assert_int_equal(h.header_len, IP4_HEADER_LEN);
    assert_int_equal(h.total_len, w->len);
    assert_int_equal(h.src.v, w->src.v);
    assert_int_equal(h.dst.v, w->dst.v);
    assert_int_equal(h.id, w->id);
    assert_int_equal(h.protocol, w->protocol);
    assert_false(h.more_fragments);
    assert_int_equal(h.frag_offset, 0);
    assert_memory_equal(w->datagram + IP4_HEADER_LEN, content, payload_len);
}

static void assert_completes(struct world *w, unsigned offset, unsigned len, bool more, size_t whole)
{
    assert_int_equal(give(w, offset, len, more), DROP_NONE);
    assert_whole(w, whole);
}

/* 815-1: five fragments in each of their 120 orders */
static void fragments_in_any_order_make_the_datagram(void **state)
{
    struct world *w = *state;
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
    struct world *w = *state;
    for (unsigned offset = 0; offset + 1480 < 65515; offset += 1480)
        assert_waits(w, offset, 1480, true);
    unsigned last = 65515 / 1480 * 1480;
    assert_int_equal(give(w, last, 65516 - last, false), DROP_FRAG_BAD);
    assert_completes(w, last, 65515 - last, false, 65515);
}

/* F03: the ping of death */
static void a_fragment_beyond_the_largest_datagram_is_dropped(void **state)
{
    struct world *w = *state;
    assert_int_equal(give(w, 65528, 8, false), DROP_FRAG_BAD);
    assert_int_equal(give(w, 65528, 1, false), DROP_FRAG_BAD);
    assert_int_equal(give(w, 65000, 1400, true), DROP_FRAG_BAD);
    assert_int_equal(w->reass.count, 0);
    assert_waits(w, 65512, 3, false);
}

static void impossible_lengths_are_dropped(void **state)
{
    struct world *w = *state;
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
                    {40, 16, true},  {48, 16, true}, {24, 24, true}, {32, 10, false}, {56, 8, false},
                    {40, 24, false}, {0, 96, true}};
    struct world *w = *state;
    for (size_t i = 0; i < sizeof overlaps / sizeof *overlaps; i++) {
        w->id++;
        assert_waits(w, 40, 24, true);
        if (overlaps[i].offset == 40 && overlaps[i].len == 24) {
            w->bytes = content + 1; /* the same place, other bytes */
            assert_int_equal(give(w, 40, 24, true), DROP_FRAG_OVERLAP);
            w->bytes = content;
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
    struct world *w = *state;
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
    struct world *w = *state;
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
    struct world *w = *state;
    assert_waits(w, 8, 8, false);
    assert_int_equal(give(w, 8, 8, true), DROP_FRAG_OVERLAP);
    assert_int_equal(give(w, 0, 8, true), DROP_FRAG_OVERLAP);
}

/* F02 */
static void it_never_completes_with_a_hole(void **state)
{
    struct world *w = *state;
    assert_waits(w, 24, 8, false);
    assert_waits(w, 0, 8, true);
    assert_waits(w, 0, 8, true);
    assert_waits(w, 16, 8, true);
    assert_completes(w, 8, 8, true, 32);
}

/* F02, 815-2 */
static void without_the_last_fragment_it_never_completes(void **state)
{
    struct world *w = *state;
    for (unsigned offset = 0; offset < 400; offset += 8)
        assert_waits(w, offset, 8, true);
}

static void two_different_ends_discard_the_datagram(void **state)
{
    static const struct {
        unsigned offset;
        bool more;
        unsigned second;
        bool second_more;
    } cases[] = {{32, false, 64, false}, {64, false, 32, false}, {64, true, 32, false},
                 {32, false, 40, true},  {32, false, 64, true}};
    struct world *w = *state;
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
    struct world *w = *state;
    w->protocol = IP4_PROTO_TCP;
    for (unsigned words = 0; words < 16; words++)
        for (unsigned len = 8; len <= 72; len += 8) {
            content[12] = (uint8_t)(words << 4);
            w->id++;
            bool good = len >= 20 && len >= words * 4;
            assert_int_equal(give(w, 0, len, true), good ? DROP_NONE : DROP_FRAG_BAD);
        }
}

static void a_tcp_fragment_at_offset_8_is_dropped(void **state)
{
    struct world *w = *state;
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
    struct world *w = *state;
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

/* F07 */
static void a_datagram_expires_exactly_at_its_own_deadline(void **state)
{
    struct world *w = *state;
    assert_int_equal(reass_deadline(&w->reass), UINT64_MAX);
    assert_waits(w, 0, 8, true);
    w->now_us += 10;
    w->id++;
    assert_waits(w, 0, 8, true);
    w->id--;
    w->now_us += 1000;
    assert_waits(w, 8, 8, true); /* which moves nothing */
    assert_int_equal(reass_deadline(&w->reass), T0 + TIMEOUT);
    assert_int_equal(reass_expire(&w->reass, T0 + TIMEOUT - 1), 0);
    assert_int_equal(reass_expire(&w->reass, T0 + TIMEOUT), 1);
    assert_int_equal(reass_deadline(&w->reass), T0 + 10 + TIMEOUT);
    assert_int_equal(reass_expire(&w->reass, T0 + 10 + TIMEOUT), 1);
    assert_int_equal(w->mem.used, 0);
}

/* F06 */
static void a_fragment_after_the_deadline_begins_a_new_datagram(void **state)
{
    struct world *w = *state;
    assert_waits(w, 0, 8, true);
    w->now_us += TIMEOUT;
    assert_waits(w, 8, 8, false); /* though nobody has called reass_expire */
    assert_int_equal(reass_expire(&w->reass, w->now_us), 1);
    assert_completes(w, 0, 8, true, 16);
}

static void a_discarded_datagram_expires_uncounted_and_its_id_is_free_again(void **state)
{
    struct world *w = *state;
    assert_waits(w, 0, 16, true);
    assert_int_equal(give(w, 8, 8, true), DROP_FRAG_OVERLAP);
    assert_int_equal(reass_deadline(&w->reass), T0 + TIMEOUT);
    assert_int_equal(reass_expire(&w->reass, T0 + TIMEOUT), 0);
    assert_int_equal(w->mem.used, 0);
    w->now_us += TIMEOUT;
    assert_waits(w, 0, 16, true);
    assert_completes(w, 16, 8, false, 24);
}

/* F06, 791-3.1f */
static void options_of_fragments_are_left_out(void **state)
{
    struct world *w = *state;
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
    struct world *w = *state;
    w->protocol = IP4_PROTO_TCP;
    w->bytes = syn;
    assert_waits(w, 16, 24, true);
    assert_waits(w, 40, 24, false);
    assert_int_equal(reass_expire(&w->reass, T0 + TIMEOUT), 1);
}

static void the_datagram_lasts_until_the_next_fragment(void **state)
{
    struct world *w = *state;
    assert_waits(w, 0, 8, true);
    assert_completes(w, 8, 8, false, 16);
    reass_expire(&w->reass, T0 + 10 * (uint64_t)TIMEOUT);
    assert_whole(w, 16);
    assert_true(w->mem.used > 0);
    w->protocol = IP4_PROTO_TCP;
    assert_int_equal(give(w, 8, 8, true), DROP_FRAG_BAD);
    assert_int_equal(w->mem.used, 0);
}

/* 3168-5.3a */
static void congestion_experienced_by_one_fragment_marks_the_datagram(void **state)
{
    struct world *w = *state;
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

static void one_fragment_too_many_discards_the_datagram(void **state)
{
    struct world *w = *state;
    for (unsigned i = 0; i < REASS_FRAGMENTS; i++)
        assert_waits(w, i * 8, 8, true);
    assert_int_equal(give(w, REASS_FRAGMENTS * 8, 8, false), DROP_FRAG_LIMIT);
    assert_int_equal(give(w, REASS_FRAGMENTS * 8, 8, false), DROP_FRAG_LIMIT);
    w->id++;
    for (unsigned i = 1; i < REASS_FRAGMENTS; i++)
        assert_waits(w, i * 8, 8, i + 1 < REASS_FRAGMENTS);
    assert_completes(w, 0, 8, true, REASS_FRAGMENTS * 8);
}

static void one_datagram_too_many_pushes_out_the_oldest_of_its_source(void **state)
{
    struct world *w = *state;
    w->src.v++;
    assert_waits(w, 0, 8, true); /* the oldest of all, of another source */
    w->src = A;
    for (unsigned i = 0; i < REASS_DATAGRAMS; i++) {
        w->id = (uint16_t)(100 + i);
        assert_waits(w, 0, 8, true);
    }
    assert_int_equal(w->reass.evicted, 1);
    w->id = 101;
    assert_completes(w, 8, 8, false, 16);
    w->id = 100; /* is gone: this makes another */
    assert_waits(w, 8, 8, false);
    w->src.v++;
    w->id = 7;
    assert_completes(w, 8, 8, false, 16);
}

static void a_new_source_pushes_out_the_oldest_of_all(void **state)
{
    struct world *w = *state;
    for (unsigned i = 0; i < REASS_DATAGRAMS; i++) {
        w->id = (uint16_t)i;
        assert_waits(w, 0, 8, true);
    }
    w->src.v++;
    assert_waits(w, 0, 8, true);
    assert_int_equal(w->reass.count, REASS_DATAGRAMS);
    assert_completes(w, 8, 8, false, 16);
    w->src = A;
    w->id = 1;
    assert_completes(w, 8, 8, false, 16);
    w->id = 0;
    assert_waits(w, 8, 8, false);
}

static void one_source_holds_at_most_half_of_the_bytes(void **state)
{
    struct world *w = *state;
    w->src.v++;
    assert_waits(w, 0, 24, true);
    w->src = A;
    for (unsigned i = 0; i < 1000; i++) {
        w->id = (uint16_t)(1000 + i / 40);
        assert_waits(w, i % 40 * 1480, 1480, true);
        assert_true(w->mem.used <= MAX_BYTES / 2 + 1000);
    }
    assert_true(w->reass.evicted > 0);
    w->src.v++;
    w->id = 7;
    assert_completes(w, 24, 8, false, 32); /* untouched by the flood */
}

static void a_datagram_above_its_sources_share_is_refused(void **state)
{
    struct world *w = *state;
    reass_init(&w->reass, &w->mem, 8000, TIMEOUT);
    assert_waits(w, 0, 1480, true);
    assert_waits(w, 1480, 1480, true);
    assert_int_equal(give(w, 2960, 1480, true), DROP_FRAG_LIMIT);
    assert_int_equal(give(w, 2960, 8, false), DROP_FRAG_LIMIT);
    assert_true(w->mem.used < 200);
}

static void a_limit_of_zero_turns_it_off(void **state)
{
    struct world *w = *state;
    reass_init(&w->reass, &w->mem, 0, TIMEOUT);
    assert_int_equal(give(w, 0, 8, true), DROP_FRAG_LIMIT);
    w->reass = (struct reass){0};
    assert_int_equal(give(w, 0, 8, true), DROP_FRAG_LIMIT);
    assert_int_equal(reass_expire(&w->reass, UINT64_MAX), 0);
    assert_int_equal(reass_deadline(&w->reass), UINT64_MAX);
    assert_int_equal(w->mem.peak, 0);
}

/* F05: floods of first and of last fragments from many sources, some by the million in all */
static void after_a_flood_an_honest_datagram_still_completes(void **state)
{
    struct world *w = *state;
    uint32_t seed = 99;
    for (unsigned i = 0; i < 200000; i++) {
        w->src.v = 0x0a000000 | (random_next(&seed) & 0xffff);
        w->id = (uint16_t)random_next(&seed);
        w->now_us += 3;
        bool first = i % 2;
        unsigned offset = first ? 0 : 8 + random_next(&seed) % 8000 * 8;
        assert_int_equal(give(w, offset, first ? 1480 : 16, first), DROP_NONE);
    }
    w->src = A;
    for (unsigned offset = 0; offset < 60 * 1000; offset += 1000)
        assert_waits(w, offset, 1000, true);
    assert_completes(w, 60000, 1000, false, 61000);
}

static unsigned allocations_left;
static void *failing_alloc(void *ctx, size_t size)
{
    (void)ctx;
    return allocations_left-- ? malloc(size) : NULL;
}

static void without_memory_the_datagram_is_discarded_and_nothing_leaks(void **state)
{
    struct world *w = *state;
    for (unsigned good = 0; good < 4; good++) {
        allocations_left = good;
        mem_init(&w->mem, failing_alloc, NULL, NULL, 1 << 20);
        reass_init(&w->reass, &w->mem, MAX_BYTES, TIMEOUT);
        enum drop_reason first = give(w, 0, 8, true);
        assert_int_equal(first, good < 2 ? DROP_NO_MEMORY : DROP_NONE);
        allocations_left = first ? 100 : allocations_left;
        if (!first)
            assert_int_equal(give(w, 8, 8, false), DROP_NO_MEMORY);
        assert_int_equal(w->reass.count, good > 0);
        reass_free(&w->reass);
        assert_int_equal(w->mem.used, 0);
    }
}

/* Random fragments of few datagrams: what is delivered is always what was sent. */
static void whatever_is_delivered_is_what_one_sender_sent(void **state)
{
    struct world *w = *state;
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
        reass_expire(&w->reass, w->now_us);
    }
    assert_true(delivered > 100);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

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
        TEST(a_datagram_expires_exactly_at_its_own_deadline),
        TEST(a_fragment_after_the_deadline_begins_a_new_datagram),
        TEST(a_discarded_datagram_expires_uncounted_and_its_id_is_free_again),
        TEST(options_of_fragments_are_left_out),
        TEST(a_later_fragment_that_looks_like_a_segment_is_not_delivered_alone),
        TEST(the_datagram_lasts_until_the_next_fragment),
        TEST(congestion_experienced_by_one_fragment_marks_the_datagram),
        TEST(one_fragment_too_many_discards_the_datagram),
        TEST(one_datagram_too_many_pushes_out_the_oldest_of_its_source),
        TEST(a_new_source_pushes_out_the_oldest_of_all),
        TEST(one_source_holds_at_most_half_of_the_bytes),
        TEST(a_datagram_above_its_sources_share_is_refused),
        TEST(a_limit_of_zero_turns_it_off),
        TEST(after_a_flood_an_honest_datagram_still_completes),
        TEST(without_memory_the_datagram_is_discarded_and_nothing_leaks),
        TEST(whatever_is_delivered_is_what_one_sender_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
