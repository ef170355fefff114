/* Fragments: strict, small, bounded (attacks A2, RFC 815, RFC 5722). */
#include "lib/wire.h"

static struct wire_packet whole, p;

/* The bytes [from, to) of the whole packet's payload as a fragment. */
static void fragment(uint32_t from, uint32_t to, bool more)
{
    p = (struct wire_packet){.len = 20 + to - from};
    memcpy(p.bytes, whole.bytes, 20);
    memcpy(p.bytes + 20, whole.bytes + 20 + from, to - from);
    p.bytes[2] = (uint8_t)(p.len >> 8);
    p.bytes[3] = (uint8_t)p.len;
    p.bytes[6] = (uint8_t)((more ? 0x20 : 0) | from / 8 >> 8);
    p.bytes[7] = (uint8_t)(from / 8);
    wire_fix_ip_checksum(&p);
}

static const char *send_fragment(struct wire *w, uint32_t from, uint32_t to, bool more)
{
    fragment(from, to, more);
    return wire_inject(w, &p);
}

static uint32_t established(struct wire *w) /* 400 bytes of data: 420 bytes behind the IP header */
{
    wire_passive(w);
    wire_build(w, &whole, &(struct wire_segment){.flags = ACK, .seq = 1, .ack = 1, .len = 400});
    wire_conn(w)->peer_end = 401;
    return whole.len - 20;
}

static void delivered(struct wire *w)
{
    OUT(w, .flags = ACK, .seq = 1, .ack = 401);
    READ(w, 400);
}

SCENARIO(fragments_in_order_make_a_segment)
{
    uint32_t len = established(w);
    assert_string_equal(send_fragment(w, 0, 200, true), "");
    QUIET(w);
    assert_string_equal(send_fragment(w, 200, len, false), "");
    delivered(w);
}

SCENARIO(fragments_in_any_order_make_a_segment)
{
    uint32_t len = established(w);
    send_fragment(w, 304, len, false);
    send_fragment(w, 104, 200, true);
    send_fragment(w, 0, 104, true);
    QUIET(w);
    send_fragment(w, 200, 304, true);
    delivered(w);
}

/* F01: exact duplicates are tolerated */
SCENARIO(a_fragment_twice_is_no_overlap)
{
    uint32_t len = established(w);
    send_fragment(w, 0, 200, true);
    send_fragment(w, 0, 200, true);
    send_fragment(w, 200, len, false);
    delivered(w);
}

/* F01, 5722-1, teardrop */
SCENARIO(any_overlap_discards_the_datagram)
{
    static const uint32_t overlaps[][2] = {{96, 200},  {0, 96},  {16, 104},
                                           {192, 304}, {0, 304}, {104, 192}};
    uint32_t len = established(w);
    for (uint8_t i = 0; i < 6; i++) {
        whole.bytes[5] = i; /* another datagram each */
        send_fragment(w, 0, 104, true);
        send_fragment(w, 104, 200, true);
        const char *drop = send_fragment(w, overlaps[i][0], overlaps[i][1], true);
        bool same = overlaps[i][0] == 0 && overlaps[i][1] == 104;
        if (!same && strcmp(drop, "frag_overlap"))
            fail_msg("overlap %u: %s", i, drop);
        send_fragment(w, 200, len, false);
        QUIET(w);
        wire_again(w);
    }
}

/* F03, ping of death */
SCENARIO(a_fragment_that_ends_beyond_65535_is_dropped)
{
    established(w);
    fragment(0, 104, true);
    p.bytes[6] = 0x1f;
    p.bytes[7] = 0xff;
    wire_fix_ip_checksum(&p);
    assert_string_equal(wire_inject(w, &p), "frag_bad");
    QUIET(w);
}

/* F04, 1858-1 */
SCENARIO(tiny_first_fragments_are_dropped)
{
    established(w);
    for (uint32_t len = 8; len < 20; len += 8) {
        assert_string_equal(send_fragment(w, 0, len, true), "frag_bad");
        QUIET(w);
    }
}

/* F07 */
SCENARIO(a_middle_fragment_that_is_no_multiple_of_8_is_dropped)
{
    established(w);
    assert_string_equal(send_fragment(w, 0, 203, true), "frag_bad");
    QUIET(w);
}

/* F02 */
SCENARIO(two_last_fragments_with_different_ends_never_complete)
{
    uint32_t len = established(w);
    send_fragment(w, 200, len, false);
    assert_string_not_equal(send_fragment(w, 200, len - 8, false), "");
    send_fragment(w, 0, 200, true);
    QUIET(w);
    wire_again(w);
}

SCENARIO(data_beyond_the_last_fragment_never_completes)
{
    uint32_t len = established(w);
    send_fragment(w, 104, 200, false);
    assert_string_not_equal(send_fragment(w, 200, len, true), "");
    send_fragment(w, 0, 104, true);
    QUIET(w);
    wire_again(w);
}

/* F07: the identification, source, destination and protocol must all agree */
SCENARIO(fragments_of_different_datagrams_do_not_mix)
{
    uint32_t len = established(w);
    send_fragment(w, 0, 200, true);
    whole.bytes[5] ^= 1;
    send_fragment(w, 200, len, false);
    QUIET(w);
    whole.bytes[5] ^= 1;
    whole.bytes[15] ^= 4;
    send_fragment(w, 200, len, false);
    QUIET(w);
    whole.bytes[15] ^= 4;
    send_fragment(w, 200, len, false);
    delivered(w);
}

/* F06, 1122-3.3.2d: 15 s by default */
SCENARIO(what_does_not_complete_in_time_is_forgotten)
{
    uint32_t len = established(w);
    MARK(w);
    send_fragment(w, 0, 200, true);
    AT(w, 15 * SEC - 1);
    QUIET(w);
    assert_int_equal(wire_drops(w, "frag_timeout"), 0);
    AT(w, 15 * SEC);
    OUT_ICMP(w, 11, 1);
    QUIET(w);
    assert_int_equal(wire_drops(w, "frag_timeout"), 1);
    send_fragment(w, 200, len, false);
    QUIET(w);
    wire_again(w);
}

/* 1122-3.3.2c: whoever sent the first fragment is told, and no more often than of other errors */
SCENARIO(a_timeout_is_told_of_when_the_first_fragment_came)
{
    w->config.icmp_per_s = 5;
    uint32_t len = established(w);
    MARK(w);
    send_fragment(w, 200, len, false);
    AT(w, 15 * SEC);
    QUIET(w);
    assert_int_equal(wire_drops(w, "frag_timeout"), 1);
    MARK(w);
    send_fragment(w, 0, 200, true);
    struct wire_packet sent = p;
    AT(w, 15 * SEC);
    const struct wire_packet *told = OUT_ICMP(w, 11, 1);
    assert_int_equal(told->dst, w->peer_addr);
    assert_int_equal(told->payload_len, 8 + 28);
    assert_memory_equal(told->payload + 8, sent.bytes, 28);
    assert_int_equal(wire_drops(w, "frag_timeout"), 2);
    for (uint8_t i = 0; i < 20; i++) {
        whole.bytes[4] = i;
        send_fragment(w, 0, 200, true);
    }
    w->now_us += 20 * SEC;
    unsigned errors = 0;
    for (; wire_poll(w, &p); errors++)
        continue;
    assert_in_range(errors, 1, 5);
}

/* 1122-3.3.2c, 1122-3.2.2e: an overlap is no timeout; and no error about an error */
SCENARIO(a_timeout_of_what_must_not_be_answered_is_not_told_of)
{
    static const uint8_t types[] = {0, 3, 8, 11, 12, 13, 99};
    uint8_t data[400] = {0};
    established(w);
    send_fragment(w, 0, 104, true);
    send_fragment(w, 96, 200, true);
    w->now_us += 16 * SEC;
    QUIET(w);
    for (unsigned i = 0; i < sizeof(types); i++) {
        wire_build_icmp(w, &whole, types[i], 0, 0, data, sizeof(data));
        send_fragment(w, 0, 200, true);
        w->now_us += 16 * SEC;
        if (types[i] == 8)
            OUT_ICMP(w, 11, 1);
        QUIET(w);
    }
}

/* 791-3.2a */
SCENARIO(a_datagram_of_576_bytes_may_come_in_the_smallest_fragments)
{
    uint8_t data[548] = {1, 2, 3};
    wire_build_icmp(w, &whole, 8, 0, 7, data, sizeof(data));
    for (uint32_t at = 0; at < 552; at += 8) {
        send_fragment(w, at, at + 8, true);
        QUIET(w);
    }
    send_fragment(w, 552, 556, false);
    assert_int_equal(OUT_ICMP(w, 0, 0)->payload_len, 556);
}

/* F05 */
SCENARIO(a_flood_of_first_fragments_is_bounded_and_real_ones_still_complete)
{
    w->config.reass_max_bytes = 65536;
    uint32_t len = established(w);
    uint64_t before = w->held_bytes;
    for (unsigned i = 0; i < 2000; i++) {
        whole.bytes[4] = (uint8_t)(i >> 8);
        whole.bytes[5] = (uint8_t)i;
        send_fragment(w, 0, 200, true);
    }
    assert_true(w->held_bytes <= before + 2 * 65536 + 70000); /* and a lent buffer */
    w->now_us += 20 * SEC;
    while (wire_poll(w, &p))
        assert_int_equal(p.protocol, 1);
    whole.bytes[4] = 0x99;
    send_fragment(w, 0, 200, true);
    send_fragment(w, 200, len, false);
    delivered(w);
}

SCENARIO(reassembly_can_be_turned_off)
{
    w->config.reass_max_bytes = 0;
    uint32_t len = established(w);
    assert_string_not_equal(send_fragment(w, 0, 200, true), "");
    assert_string_not_equal(send_fragment(w, 200, len, false), "");
    QUIET(w);
    wire_again(w);
}

/* F08 */
SCENARIO(a_later_fragment_never_reaches_tcp_by_itself)
{
    established(w);
    wire_build(w, &whole, &(struct wire_segment){.flags = RST, .seq = 1});
    whole.bytes[6] = 0;
    whole.bytes[7] = 10;
    wire_fix_ip_checksum(&whole);
    wire_inject(w, &whole);
    QUIET(w);
    STATE(w, TCP_ESTABLISHED);
}

/* a fragmented echo of more than the MTU; 1122-3.2.2.6c allows a truncated answer */
SCENARIO(a_fragmented_ping_within_the_mtu_is_answered)
{
    uint8_t data[1000] = {1, 2, 3};
    wire_build_icmp(w, &whole, 8, 0, 7, data, sizeof(data));
    send_fragment(w, 0, 504, true);
    QUIET(w);
    send_fragment(w, 504, 1008, false);
    assert_int_equal(OUT_ICMP(w, 0, 0)->payload_len, 1008);
}

WIRE_MAIN(WIRE_TEST(fragments_in_order_make_a_segment),
          WIRE_TEST(fragments_in_any_order_make_a_segment),
          WIRE_TEST(a_fragment_twice_is_no_overlap), WIRE_TEST(any_overlap_discards_the_datagram),
          WIRE_TEST(a_fragment_that_ends_beyond_65535_is_dropped),
          WIRE_TEST(tiny_first_fragments_are_dropped),
          WIRE_TEST(a_middle_fragment_that_is_no_multiple_of_8_is_dropped),
          WIRE_TEST(two_last_fragments_with_different_ends_never_complete),
          WIRE_TEST(data_beyond_the_last_fragment_never_completes),
          WIRE_TEST(fragments_of_different_datagrams_do_not_mix),
          WIRE_TEST(what_does_not_complete_in_time_is_forgotten),
          WIRE_TEST(a_timeout_is_told_of_when_the_first_fragment_came),
          WIRE_TEST(a_timeout_of_what_must_not_be_answered_is_not_told_of),
          WIRE_TEST(a_datagram_of_576_bytes_may_come_in_the_smallest_fragments),
          WIRE_TEST(a_flood_of_first_fragments_is_bounded_and_real_ones_still_complete),
          WIRE_TEST(reassembly_can_be_turned_off),
          WIRE_TEST(a_later_fragment_never_reaches_tcp_by_itself),
          WIRE_TEST(a_fragmented_ping_within_the_mtu_is_answered))
