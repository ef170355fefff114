/* Packets that lie about themselves, and what they may draw as an answer
 * (attacks A1). */
#include "lib/wire_place.h"

static struct wire_packet p, q;

static void set16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static unsigned answers(struct wire *w)
{
    unsigned n = 0;
    while (wire_poll(w, &q))
        n++;
    return n;
}

/* P03: every version and header length, with every real length; nothing is read
 * beyond (ASan) */
SCENARIO(only_headers_that_fit_are_read)
{
    wire_start(w);
    wire_conn(w);
    for (uint32_t len = 0; len <= 80; len++) {
        for (unsigned first = 0; first < 256; first++) {
            uint8_t zeros[80] = {0};
            wire_build_ip(w, &p, 6, zeros, 60);
            p.len = len;
            p.bytes[0] = (uint8_t)first;
            set16(p.bytes + 2, len);
            unsigned header = first % 16 * 4;
            if (header >= 20)
                wire_fix_ip_checksum(&p);
            const char *drop = wire_inject(w, &p);
            assert_string_not_equal(drop, "");
            bool fits = first / 16 == 4 && header >= 20 && header <= len;
            bool of_ip = !strcmp(drop, "short") || !strncmp(drop, "ip_", 3);
            if (fits ? of_ip && strcmp(drop, "ip_options") : !of_ip)
                wire_failed(w, __FILE__, __LINE__, "%u bytes, first %02x: %s", len, first, drop);
        }
    }
    QUIET(w);
}

/* P05: every data offset with every length of the segment */
SCENARIO(only_tcp_headers_that_fit_are_read)
{
    wire_start(w);
    wire_conn(w);
    for (uint32_t len = 0; len <= 80; len++) {
        for (unsigned offset = 0; offset < 16; offset++) {
            uint8_t tcp[80] = {0x9c, 0x40, 0, 80};
            tcp[12] = (uint8_t)(offset << 4);
            tcp[13] = RST; /* never answered */
            wire_build_ip(w, &p, 6, tcp, len);
            if (len >= 20)
                wire_fix_tcp_checksum(&p);
            const char *drop = wire_inject(w, &p);
            const char *wanted = len < 20                         ? "tcp_short"
                                 : offset < 5 || offset * 4 > len ? "tcp_offset"
                                                                  : "no_connection";
            if (strcmp(drop, wanted))
                wire_failed(w, __FILE__, __LINE__, "%u bytes, offset %u: %s", len, offset, drop);
        }
    }
    QUIET(w);
}

/* P06, P16: every prefix of packets of every kind, at every alignment, with
 * nothing to read behind */
SCENARIO(every_prefix_of_every_kind_of_packet_is_survived)
{
    static const struct wire_segment kinds[] = {
        {.flags = SYN, .mss = 1460, .wscale = WS(7), .sackok = true, .ts = true, .tsval = 1},
        {.flags = SYN | ACK, .ack = 1, .mss = 1460},
        {.flags = ACK, .seq = 1, .ack = 1, .len = 33},
        {.flags = ACK, .seq = 1, .ack = 1, .sack = {{1, 9}, {20, 30}, {40, 50}, {60, 70}}},
        {.flags = FIN | ACK | URG, .seq = 1, .ack = 1, .len = 7, .urg = 9, .ts = true},
        {.flags = RST | ACK, .seq = 2, .ack = 1},
        {.flags = ACK, .seq = 1, .ack = 1, .len = 300, .gso_size = 100}};
    w->config.rsts_per_s = 1 << 20;
    w->config.challenge_acks_per_s = 200;
    wire_passive(w);
    for (unsigned k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
        wire_build(w, &p, &kinds[k]);
        wire_conn(w)->peer_end = 400; /* a cut super-segment with the device's word is one */
        for (uint32_t len = p.len; len-- > 0;) {
            struct wire_packet cut = p;
            cut.len = len;
            assert_string_not_equal(wire_inject(w, &cut), "");
            assert_int_equal(answers(w), 0);
            if (len < 20) /* and with an honest total length: the TCP checksum tells */
                continue;
            set16(cut.bytes + 2, len);
            wire_fix_ip_checksum(&cut);
            wire_inject(w, &cut);
            assert_in_range(answers(w), 0, 1); /* U2 */
        }
    }
}

/* P18 */
SCENARIO(frames_of_any_size_are_dropped_whole)
{
    static uint8_t huge[70000];
    static const uint32_t sizes[] = {0, 1, 19, 65536, 65600, 70000};
    wire_start(w);
    memset(huge, 0x45, sizeof(huge));
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        struct mytcp_packet packet = {.data = huge, .len_bytes = sizes[i]};
        int reason = mytcp_input(w->stack, &packet, w->now_us);
        assert_true(reason > 0);
        assert_string_equal(mytcp_drop_name((unsigned)reason), sizes[i] < 20 ? "short" : "ip_len");
        QUIET(w);
    }
    wire_passive(w); /* longer than our MTU is the sender's affair: taken whole */
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 9000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 9001);
    READ(w, 9000);
}

/* P09: SACK options that promise more than there is, also where they make no
 * sense */
SCENARIO(sack_options_that_lie_are_ignored)
{
    static const uint8_t lies[][12] = {{5, 10, 0, 0, 0, 1, 0, 0, 0, 9, 5, 18},
                                       {5, 34, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0},
                                       {5, 2, 5, 3, 1, 5, 11, 1, 1, 1, 1, 1},
                                       {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 5, 10}};
    wire_passive(w);
    WRITE(w, 5000);
    while (wire_poll(w, &q))
        continue;
    uint32_t unacked = wire_info(w).send_unacked;
    for (unsigned i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
        IN(w, .flags = ACK, .seq = 1, .ack = 1, .options = lies[i], .options_len = 12);
        IN(w, .flags = SYN, .seq = 0, .options = lies[i], .options_len = 12);
        assert_in_range(answers(w), 0, 1); /* a challenge, or nothing to a malformed SYN */
        IN(w, .flags = RST, .seq = 0, .options = lies[i], .options_len = 12);
        QUIET(w);
    }
    assert_int_equal(wire_info(w).send_unacked, unacked);
    assert_int_equal(wire_stats(w).retransmitted_segments, 0);
    STATE(w, TCP_ESTABLISHED);
}

/* P10: the pointer of an urgent segment says nothing but where, in any state
 * and on any flag */
SCENARIO(an_urgent_pointer_is_harmless_in_every_state)
{
    static const uint16_t pointers[] = {0, 1, 9, 10, 11, 32767, 32768, 65535};
    w->config.challenge_acks_per_s = 200;
    for (unsigned i = AT_ESTABLISHED; i < AT_TIME_WAIT; i++) {
        const struct wire_place *at = wire_go(w, i);
        for (unsigned k = 0; k < 8; k++) {
            IN(w, .flags = URG | ACK, .seq = at->rcv_nxt, .ack = 1, .urg = pointers[k]);
            IN(w, .flags = URG | SYN, .seq = at->rcv_nxt, .urg = pointers[k]);
            OUT(w, .flags = ACK, .seq = at->snd_nxt, .ack = at->rcv_nxt);
            IN(w, .flags = URG | RST, .seq = at->rcv_nxt - 1, .urg = pointers[k]);
            wire_still(w, at);
        }
        at->rcv_nxt == 2 ? wire_eof(w) : wire_again(w);
        IN(w, .flags = RST, .seq = at->rcv_nxt);
    }
}

/* P10: across the wrap, with the window shut, and moved back by a later segment
 */
SCENARIO(an_urgent_pointer_with_the_window_shut_takes_no_memory)
{
    w->config.rcvbuf_bytes = w->config.rcvbuf_max_bytes = 8192;
    wire_passive(w);
    while (wire_info(w).rcv_wnd) {
        uint32_t room = wire_info(w).rcv_wnd;
        IN(w, .flags = URG | ACK, .seq = wire_conn(w)->peer_end, .ack = 1,
           .len = room < 1000 ? room : 1000, .urg = 65535);
        w->now_us += 50 * MS;
        answers(w);
    }
    uint64_t held = wire_stats(w).memory_bytes;
    for (unsigned i = 0; i < 1000; i++) {
        IN(w, .flags = URG | ACK, .seq = wire_conn(w)->ack_high, .ack = 1,
           .urg = (uint16_t)(65535 - 65 * i));
        assert_int_equal(answers(w), 0);
        IN(w, .flags = URG | ACK, .seq = wire_conn(w)->ack_high, .ack = 1, .len = 1000,
           .garbage = true, .urg = (uint16_t)(65535 - 65 * i)); /* nor is text beyond the window */
        assert_int_equal(answers(w), 1);
    }
    assert_int_equal(wire_stats(w).memory_bytes, held);
}

/* P11: what has IP options and draws an answer: the answer has none, and the
 * right length */
SCENARIO(answers_to_packets_with_ip_options_have_none)
{
    static const uint8_t options[][4] = {{1, 1, 1, 1}, {7, 3, 4, 0}, {68, 4, 5, 0}, {148, 4, 0, 0}};
    w->our_port = 9999;
    for (uint32_t words = 1; words <= 10; words++) {
        for (unsigned k = 0; k < 4; k++) {
            wire_build(w, &p, &(struct wire_segment){.flags = SYN, .seq = 7});
            memmove(p.bytes + 20 + 4 * words, p.bytes + 20, 20);
            for (uint32_t i = 0; i < words; i++)
                memcpy(p.bytes + 20 + 4 * i, options[k], 4);
            p.bytes[0] = (uint8_t)(0x45 + words);
            p.len += 4 * words;
            set16(p.bytes + 2, p.len);
            wire_fix_ip_checksum(&p);
            assert_string_equal(wire_inject(w, &p), "no_connection");
            assert_int_equal(OUT(w, .flags = RST | ACK, .seq = 0, .ack = 8)->len, 40);
            QUIET(w);
        }
    }
}

/* P12: an ICMP error about an ICMP error, about a fragment, and about nothing
 * of ours */
SCENARIO(an_error_about_an_error_draws_nothing)
{
    uint8_t quote[36] = {0x45, 0,  0, 36, 0, 0,  0x40, 0, 64, 1, 0,
                         0,    10, 0, 0,  1, 10, 0,    0, 2,  3, 1};
    for (unsigned type = 0; type < 256; type++) {
        quote[20] = (uint8_t)type;
        for (unsigned code = 0; code < 16; code++) {
            wire_build_icmp(w, &p, 3, (uint8_t)code, 0, quote, sizeof(quote));
            assert_string_not_equal(wire_inject(w, &p), "");
        }
        QUIET(w);
    }
}

/* P13: tunnels with an inner packet longer than the outer one; limited, and
 * never opened */
SCENARIO(packets_within_packets_are_not_opened)
{
    wire_passive(w);
    wire_build(w, &p, &(struct wire_segment){.flags = RST, .seq = 1});
    for (uint32_t len = 0; len <= p.len; len += 4) {
        wire_build_ip(w, &q, 4, p.bytes, len);
        struct wire_packet outer = q;
        assert_string_equal(wire_inject(w, &outer), "ip_protocol");
        OUT_ICMP(w, 3, 2);
        QUIET(w);
    }
    STATE(w, TCP_ESTABLISHED);
}

/* P17: a SYN from an address that nobody can have opens nothing, on a listener
 * too */
SCENARIO(a_syn_from_an_impossible_address_opens_nothing)
{
    static const uint32_t sources[] = {0,          0x7f000001, 0xe0000001, 0xf0000001,
                                       0xffffffff, 0x0a0000ff, 0x0a000000, 0x0a000001};
    wire_listen(w, 4);
    for (unsigned i = 0; i < sizeof(sources) / sizeof(*sources); i++) {
        w->peer_addr = sources[i];
        w->peer_port = i % 2 ? w->our_port : 40000; /* LAND */
        assert_string_equal(IN(w, .flags = SYN, .mss = 1460), "ip_source");
        QUIET(w);
    }
    assert_int_equal(wire_stats(w).half_open, 0);
}

WIRE_MAIN(WIRE_TEST(only_headers_that_fit_are_read), WIRE_TEST(only_tcp_headers_that_fit_are_read),
          WIRE_TEST(every_prefix_of_every_kind_of_packet_is_survived),
          WIRE_TEST(frames_of_any_size_are_dropped_whole),
          WIRE_TEST(sack_options_that_lie_are_ignored),
          WIRE_TEST(an_urgent_pointer_is_harmless_in_every_state),
          WIRE_TEST(an_urgent_pointer_with_the_window_shut_takes_no_memory),
          WIRE_TEST(answers_to_packets_with_ip_options_have_none),
          WIRE_TEST(an_error_about_an_error_draws_nothing),
          WIRE_TEST(packets_within_packets_are_not_opened),
          WIRE_TEST(a_syn_from_an_impossible_address_opens_nothing))
