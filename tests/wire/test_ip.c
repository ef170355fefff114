/* IPv4 and TCP headers that lie, and the device's own (attacks A1, A7; RFC 1122 3.2.1). */
#include "lib/wire.h"

static struct wire_packet good, p;

/* A segment with 10 bytes of data that an established connection would take. */
static void established(struct wire *w)
{
    w->config.quick_acks = 0;
    wire_passive(w);
    wire_build(w, &good, &(struct wire_segment){.flags = ACK, .seq = 1, .ack = 1, .len = 10});
    p = good;
}

/* After all the nonsense the connection is as it was: the good segment is delivered. */
static void unharmed(struct wire *w)
{
    QUIET(w);
    STATE(w, TCP_ESTABLISHED);
    wire_again(w);
    wire_conn(w)->peer_end = 11;
    assert_string_equal(wire_inject(w, &good), "");
    READ(w, 10);
}

static void dropped(struct wire *w, const char *why)
{
    const char *drop = wire_inject(w, &p);
    if (strcmp(drop, why))
        fail_msg("wanted %s, got %s", why, drop);
    QUIET(w);
    p = good;
}

static void fix(void)
{
    wire_fix_ip_checksum(&p);
}

/* P06 */
SCENARIO(every_prefix_of_a_packet_is_dropped)
{
    established(w);
    for (uint32_t len = 0; len < good.len; len++) {
        p.len = len;
        dropped(w, len < 20 ? "short" : "ip_len");
    }
    unharmed(w);
}

/* P02, P05, P06: prefixes with an honest total length */
SCENARIO(every_prefix_with_an_honest_length_is_dropped)
{
    established(w);
    for (uint32_t len = 20; len < good.len; len++) {
        p.len = len;
        p.bytes[2] = 0;
        p.bytes[3] = (uint8_t)len;
        fix();
        dropped(w, len < 40 ? "tcp_short" : "tcp_checksum");
    }
    unharmed(w);
}

/* 1122-3.2.1.1, P03 */
SCENARIO(only_version_4_is_taken)
{
    established(w);
    for (unsigned version = 0; version < 16; version++) {
        if (version == 4)
            continue;
        p.bytes[0] = (uint8_t)(version << 4 | 5);
        fix();
        dropped(w, "ip_version");
    }
    unharmed(w);
}

/* 791-3.1a, P03 */
SCENARIO(header_lengths_below_20_and_beyond_the_packet_are_dropped)
{
    established(w);
    for (unsigned ihl = 0; ihl < 5; ihl++) {
        p.bytes[0] = (uint8_t)(0x40 | ihl);
        dropped(w, "ip_header_len");
    }
    for (unsigned ihl = 6; ihl < 16; ihl++) {
        p.bytes[0] = (uint8_t)(0x40 | ihl);
        p.bytes[3] = 20;
        p.len = 20;
        fix();
        const char *drop = wire_inject(w, &p);
        assert_true(!strcmp(drop, "ip_header_len") || !strcmp(drop, "ip_len") ||
                    !strcmp(drop, "short"));
        p = good;
    }
    unharmed(w);
}

/* P01, P02 */
SCENARIO(total_lengths_that_lie_are_dropped)
{
    static const uint16_t lengths[] = {0, 1, 19, 51, 1500, 65535};
    established(w);
    for (unsigned i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        p.bytes[2] = (uint8_t)(lengths[i] >> 8);
        p.bytes[3] = (uint8_t)lengths[i];
        fix();
        dropped(w, "ip_len");
    }
    unharmed(w);
}

/* 791-3.1a, P04 */
SCENARIO(padding_behind_the_packet_is_no_payload)
{
    established(w);
    memset(good.bytes + good.len, 0x99, 46);
    good.len += 46;
    unharmed(w);
    wire_again(w);
}

SCENARIO(a_bad_ip_checksum_is_dropped)
{
    established(w);
    for (unsigned i = 0; i < 20 * 8; i++) { /* any bit of the header, 1122-3.2.1.2 */
        p.bytes[i / 8] ^= (uint8_t)(1 << i % 8);
        assert_string_not_equal(wire_inject(w, &p), "");
        QUIET(w);
        p = good;
    }
    unharmed(w);
}

/* 9293-MUST-3 */
SCENARIO(any_flipped_bit_of_the_segment_is_dropped)
{
    established(w);
    for (unsigned i = 20 * 8; i < good.len * 8; i++) {
        p.bytes[i / 8] ^= (uint8_t)(1 << i % 8);
        assert_string_not_equal(wire_inject(w, &p), "");
        QUIET(w);
        p = good;
    }
    unharmed(w);
}

/* 1122-3.2.1.3b, G045, P17, 9293-MUST-63, LAND */
SCENARIO(sources_that_are_not_unicast_or_are_ours_are_dropped)
{
    static const uint32_t sources[] = {0,          0x00000005, 0x7f000001, 0x7fffffff, 0xe0000001,
                                       0xefffffff, 0xf0000001, 0xffffffff, 0x0a0000ff, 0x0a000001};
    established(w);
    for (unsigned i = 0; i < sizeof(sources) / sizeof(*sources); i++) {
        for (int k = 0; k < 4; k++)
            p.bytes[12 + k] = (uint8_t)(sources[i] >> (24 - 8 * k));
        p.bytes[20] = 0x77; /* nobody's port: an answer would be a RST */
        fix();
        wire_fix_tcp_checksum(&p);
        dropped(w, "ip_source");
    }
    unharmed(w);
}

/* 1122-3.2.1.3a, 9293-MUST-57, 1122-3.2.1.3d */
SCENARIO(destinations_that_are_not_ours_are_dropped)
{
    static const uint32_t destinations[] = {0,          0x7f000001, 0x0a000003, 0x0a0000ff,
                                            0x0a000000, 0xe0000001, 0xffffffff, 0x08080808};
    established(w);
    for (unsigned i = 0; i < sizeof(destinations) / sizeof(*destinations); i++) {
        for (int k = 0; k < 4; k++)
            p.bytes[16 + k] = (uint8_t)(destinations[i] >> (24 - 8 * k));
        fix();
        wire_fix_tcp_checksum(&p);
        dropped(w, "ip_dest");
    }
    unharmed(w);
}

/* 6864-4.1a, 9293-GEN-29: TTL 0 and 1, TOS, ID, DF: of no meaning to the receiver (1122-3.2.1.7b) */
SCENARIO(fields_without_meaning_for_a_receiver_are_ignored)
{
    established(w);
    good.bytes[1] = 0xb8;
    good.bytes[4] = 0xff;
    good.bytes[6] = 0;
    good.bytes[8] = 1;
    wire_fix_ip_checksum(&good);
    unharmed(w);
}

static void with_ip_options(const uint8_t *options, unsigned len)
{
    memmove(p.bytes + 20 + len, p.bytes + 20, p.len - 20);
    memcpy(p.bytes + 20, options, len);
    p.len += len;
    p.bytes[0] = (uint8_t)(0x45 + len / 4);
    p.bytes[3] = (uint8_t)p.len;
    fix();
}

/* 1122-3.2.1.8a, 1122-3.2.1.8b, 6814-1, 9293-MUST-50, 9293-MAY-10, 9293-MAY-11: record route, timestamp, security,
 * stream identifier, traceroute, unknown */
SCENARIO(ip_options_are_skipped_by_length)
{
    static const uint8_t options[] = {1, 7, 3, 4, 68, 4, 5, 0, 130, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                      136, 4, 9, 9, 82, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 30, 4, 9, 9, 0};
    established(w);
    with_ip_options(options, sizeof(options));
    good = p;
    unharmed(w);
}

/* P11, 7126-1 */
SCENARIO(source_routes_and_malformed_ip_options_are_dropped)
{
    static const uint8_t bad[][8] = {{131, 7, 4, 10, 0, 0, 9, 0}, {137, 7, 4, 10, 0, 0, 9, 0},
                                     {7, 0, 0, 0, 0, 0, 0, 0},    {7, 1, 0, 0, 0, 0, 0, 0},
                                     {7, 9, 4, 0, 0, 0, 0, 0},    {1, 1, 1, 1, 1, 1, 1, 7}};
    established(w);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        with_ip_options(bad[i], 8);
        dropped(w, "ip_options");
    }
    unharmed(w);
}

/* 9293-GEN-4, P05 */
SCENARIO(data_offsets_that_lie_are_dropped)
{
    established(w);
    for (unsigned offset = 0; offset < 16; offset++) {
        if (offset >= 5 && offset * 4 <= good.len - 20)
            continue;
        p.bytes[32] = (uint8_t)(offset << 4);
        wire_fix_tcp_checksum(&p);
        dropped(w, "tcp_offset");
    }
    unharmed(w);
}

SCENARIO(port_0_is_dropped)
{
    established(w);
    p.bytes[20] = p.bytes[21] = 0;
    wire_fix_tcp_checksum(&p);
    dropped(w, "tcp_port");
    p.bytes[22] = p.bytes[23] = 0;
    wire_fix_tcp_checksum(&p);
    dropped(w, "tcp_port");
    unharmed(w);
}

/* P14: a checksum field that comes out as 0 is a checksum */
SCENARIO(a_tcp_checksum_of_0_is_a_legal_value)
{
    established(w);
    for (unsigned urgent = 0; urgent < 65536; urgent++) { /* the field means nothing without URG */
        good.bytes[38] = (uint8_t)(urgent >> 8);
        good.bytes[39] = (uint8_t)urgent;
        wire_fix_tcp_checksum(&good);
        if (good.bytes[36] == 0 && good.bytes[37] == 0)
            break;
    }
    assert_int_equal(good.bytes[36] | good.bytes[37], 0);
    unharmed(w);
}

/* 9293-MUST-7, P07, P08: options of a data segment; what stands before the malformed one counts */
SCENARIO(malformed_tcp_options_of_a_data_segment_do_no_harm)
{
    static const uint8_t bad[][8] = {{3, 0},       {3, 1},
                                     {2, 255},     {1, 1, 1, 1, 1, 1, 1, 8},
                                     {8, 9, 1, 1}, {5, 3, 1, 1, 1, 1, 1, 1},
                                     {5, 34},      {29, 16},
                                     {19, 18},     {0, 3, 3, 3}};
    wire_passive(w);
    for (uint32_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        IN(w, .flags = ACK, .seq = 1 + 10 * i, .ack = 1, .len = 10, .options = bad[i],
           .options_len = 8);
        OUT(w, .flags = ACK, .seq = 1, .ack = 11 + 10 * i);
    }
    READ(w, 10 * sizeof(bad) / sizeof(*bad));
}

/* P07 */
SCENARIO(malformed_tcp_options_drop_a_syn)
{
    static const uint8_t bad[][8] = {
        {3, 0}, {3, 1}, {2, 255}, {1, 1, 1, 1, 1, 1, 1, 8}, {2, 4, 5, 180, 8, 30}};
    wire_aim(w, false);
    wire_listen(w, 4);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_string_equal(IN(w, .flags = SYN, .options = bad[i], .options_len = 8),
                            "tcp_options");
        QUIET(w);
    }
    assert_int_equal(wire_stats(w).half_open, 0);
}

/* 9293-MUST-4, P08 */
SCENARIO(tcp_options_of_wrong_length_are_ignored_and_the_first_of_two_counts)
{
    static const uint8_t options[] = {2,    3, 9, 1, 3, 2,   8, 4, 1, 1, 2, 4, 0x03,
                                      0xe8, 2, 4, 1, 1, 253, 4, 0, 0, 3, 3, 5, 0};
    wire_aim(w, false);
    wire_listen(w, 4);
    IN(w, .flags = SYN, .options = options, .options_len = sizeof(options));
    struct wire_conn *c = wire_conn(w);
    c->peer_scale = WS(5); /* as good receivers see it */
    OUT(w, .flags = SYN | ACK, .ack = 1);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    w->fd = mytcp_accept(w->stack, w->listener, NULL, NULL, 0);
    assert_int_equal(wire_info(w).peer_mss, 1000);
    assert_int_equal(wire_info(w).snd_wscale, 5);
}

/* P09, I01 for all flips: whatever a segment with good checksums says, invariants hold */
SCENARIO(any_flipped_bit_under_good_checksums_breaks_nothing)
{
    struct mytcp_tx tx;
    wire_passive(w);
    wire_build(
        w, &good,
        &(struct wire_segment){
            .flags = ACK, .seq = 1, .ack = 1, .len = 4, .mss = 9, .sack = {{1, 5}}, .urg = 3});
    for (unsigned i = 20 * 8; i < good.len * 8; i++) {
        p = good;
        p.bytes[i / 8] ^= (uint8_t)(1 << i % 8);
        wire_fix_tcp_checksum(&p);
        wire_inject(w, &p);
        while (mytcp_output(w->stack, &tx, w->now_us) == 1)
            continue;
    }
}

/* --- the device's word: virtio-net headers that lie --- */

/* V02 */
SCENARIO(a_partial_checksum_is_taken_only_where_it_belongs)
{
    established(w);
    static const uint16_t starts[] = {0, 19, 21, 22, 40, 65535},
                          offsets[] = {0, 6, 15, 17, 18, 65535};
    for (unsigned i = 0; i < 6; i++) {
        p.needs_csum = true;
        p.bytes[36] ^= 0x55;
        p.csum_start = starts[i];
        p.csum_offset = 16;
        dropped(w, "vnet_header");
        p.needs_csum = true;
        p.bytes[36] ^= 0x55;
        p.csum_start = 20;
        p.csum_offset = offsets[i];
        dropped(w, "vnet_header");
    }
    good.needs_csum = true;
    good.csum_start = 20;
    good.csum_offset = 16;
    good.bytes[36] ^= 0x55; /* partial: anything may stand here */
    unharmed(w);
}

/* V02 */
SCENARIO(a_checksum_that_the_device_verified_is_believed)
{
    established(w);
    good.csum_valid = true;
    good.bytes[36] ^= 0x55;
    unharmed(w);
}

/* V03 */
SCENARIO(super_segments_that_cannot_be_are_dropped)
{
    established(w);
    for (unsigned type = 2; type < 256; type++) {
        p.gso_type = (uint8_t)type;
        p.gso_size = 4;
        assert_string_not_equal(wire_inject(w, &p), "");
        QUIET(w);
        p = good;
    }
    unharmed(w);
}

/* V03: what is said beside the packet is a hint; the packet says what it is */
SCENARIO(a_super_segment_of_one_piece_or_none_is_a_plain_segment)
{
    static const uint16_t sizes[] = {0, 10, 11, 65535};
    wire_passive(w);
    for (uint32_t i = 0; i < 4; i++) {
        wire_build(w, &p,
                   &(struct wire_segment){.flags = ACK, .seq = 1 + 10 * i, .ack = 1, .len = 10});
        p.gso_type = 1;
        p.gso_size = sizes[i];
        assert_string_equal(wire_inject(w, &p), "");
        wire_conn(w)->peer_end = 11 + 10 * i;
        OUT(w, .flags = ACK, .seq = 1, .ack = 11 + 10 * i);
    }
    READ(w, 40);
}

SCENARIO(a_super_segment_with_syn_or_rst_is_dropped)
{
    established(w);
    static const uint8_t flags[] = {SYN, SYN | ACK, RST, RST | ACK, SYN | FIN};
    for (unsigned i = 0; i < sizeof(flags); i++) {
        p.gso_type = 1;
        p.gso_size = 5;
        p.bytes[33] = flags[i];
        wire_fix_tcp_checksum(&p);
        dropped(w, "tcp_gso");
    }
    unharmed(w);
}

/* the stack's own edge */
SCENARIO(null_arguments_of_the_packet_side_are_einval)
{
    struct mytcp_packet packet = {.len_bytes = 20};
    struct mytcp_tx tx;
    wire_start(w);
    FAILS(w, mytcp_input(NULL, &packet, 0), EINVAL);
    FAILS(w, mytcp_input(w->stack, NULL, w->now_us), EINVAL);
    FAILS(w, mytcp_input(w->stack, &packet, w->now_us), EINVAL);
    FAILS(w, mytcp_output(NULL, &tx, 0), EINVAL);
    FAILS(w, mytcp_output(w->stack, NULL, w->now_us), EINVAL);
    assert_null(mytcp_input_buffer(NULL, &(size_t){0}));
    assert_null(mytcp_input_buffer(w->stack, NULL));
}

/* also beyond the buffer that the stack lends */
SCENARIO(a_packet_may_lie_anywhere)
{
    uint8_t memory[3 * 64];
    wire_start(w);
    int nowhere = mytcp_input(w->stack, &(struct mytcp_packet){.data = NULL}, w->now_us);
    assert_string_equal(mytcp_drop_name((unsigned)nowhere), "short"); /* no bytes, wherever they lie */
    wire_build(w, &p, &(struct wire_segment){.flags = SYN});
    for (unsigned i = 0; i < 3; i++) {
        struct mytcp_packet packet = {.data = memory + i * 64, .len_bytes = p.len};
        memcpy(packet.data, p.bytes, p.len);
        assert_string_equal(mytcp_drop_name((unsigned)mytcp_input(w->stack, &packet, w->now_us)), "no_connection");
    }
}

/* I06: a clock that goes back counts as the latest time seen */
SCENARIO(time_never_goes_back)
{
    struct mytcp_tx tx;
    wire_passive(w);
    WRITE(w, 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    assert_int_equal(mytcp_output(w->stack, &tx, 0), 0);
    assert_int_equal(mytcp_output(w->stack, &tx, w->now_us - 5 * SEC), 0);
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    assert_null(mytcp_check(w->stack));
}

WIRE_MAIN(WIRE_TEST(every_prefix_of_a_packet_is_dropped),
          WIRE_TEST(every_prefix_with_an_honest_length_is_dropped),
          WIRE_TEST(only_version_4_is_taken),
          WIRE_TEST(header_lengths_below_20_and_beyond_the_packet_are_dropped),
          WIRE_TEST(total_lengths_that_lie_are_dropped),
          WIRE_TEST(padding_behind_the_packet_is_no_payload),
          WIRE_TEST(a_bad_ip_checksum_is_dropped),
          WIRE_TEST(any_flipped_bit_of_the_segment_is_dropped),
          WIRE_TEST(sources_that_are_not_unicast_or_are_ours_are_dropped),
          WIRE_TEST(destinations_that_are_not_ours_are_dropped),
          WIRE_TEST(fields_without_meaning_for_a_receiver_are_ignored),
          WIRE_TEST(ip_options_are_skipped_by_length),
          WIRE_TEST(source_routes_and_malformed_ip_options_are_dropped),
          WIRE_TEST(data_offsets_that_lie_are_dropped), WIRE_TEST(port_0_is_dropped),
          WIRE_TEST(a_tcp_checksum_of_0_is_a_legal_value),
          WIRE_TEST(malformed_tcp_options_of_a_data_segment_do_no_harm),
          WIRE_TEST(malformed_tcp_options_drop_a_syn),
          WIRE_TEST(tcp_options_of_wrong_length_are_ignored_and_the_first_of_two_counts),
          WIRE_TEST(any_flipped_bit_under_good_checksums_breaks_nothing),
          WIRE_TEST(a_partial_checksum_is_taken_only_where_it_belongs),
          WIRE_TEST(a_checksum_that_the_device_verified_is_believed),
          WIRE_TEST(super_segments_that_cannot_be_are_dropped),
          WIRE_TEST(a_super_segment_of_one_piece_or_none_is_a_plain_segment),
          WIRE_TEST(a_super_segment_with_syn_or_rst_is_dropped),
          WIRE_TEST(null_arguments_of_the_packet_side_are_einval), WIRE_TEST(a_packet_may_lie_anywhere),
          WIRE_TEST(time_never_goes_back))
