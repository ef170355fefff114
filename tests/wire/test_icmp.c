/* ICMP: echo, errors in and out (RFC 792, RFC 1122 3.2.2, RFC 5927). */
#include "lib/wire.h"

static struct wire_packet packet;

static const char *icmp(struct wire *w, uint8_t type, uint8_t code, uint32_t rest, const void *data,
                        uint32_t len)
{
    wire_build_icmp(w, &packet, type, code, rest, data, len);
    return wire_inject(w, &packet);
}

/* An error that quotes a packet of the stack: its IPv4 header and 8 bytes. */
static const char *error_about(struct wire *w, uint8_t type, uint8_t code, uint32_t rest,
                               const struct wire_packet *sent)
{
    return icmp(w, type, code, rest, sent->bytes, 28);
}

/* G227, 1122-3.2.2.6a */
SCENARIO(an_echo_request_is_answered_with_its_own_data)
{
    static const uint32_t sizes[] = {0, 1, 7, 56, 1000, 1471, 1472};
    uint8_t data[1472];
    for (unsigned i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 7);
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        assert_string_equal(icmp(w, 8, 0, 0x12345678 + i, data, sizes[i]), "");
        const struct wire_packet *p = OUT_ICMP(w, 0, 0);
        assert_int_equal(p->payload_len, 8 + sizes[i]);
        assert_memory_equal(p->payload + 4, packet.bytes + 24, 4 + sizes[i]);
        QUIET(w);
    }
}

/* 1122-3.2.2.6a: what would need fragments is cut to the largest packet and sent */
SCENARIO(an_echo_request_too_long_for_the_mtu_is_answered_as_far_as_it_fits)
{
    static uint8_t data[2000];
    for (unsigned i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 7);
    wire_start(w);
    assert_int_equal(mytcp_set_mtu(w->stack, 600), 0);
    w->mtu = 600;
    assert_string_equal(icmp(w, 8, 0, 0x12345678, data, sizeof(data)), "");
    const struct wire_packet *p = OUT_ICMP(w, 0, 0);
    assert_int_equal(p->len, 600);
    assert_memory_equal(p->payload + 4, packet.bytes + 24, 600 - 24);
    QUIET(w);
}

SCENARIO(sixteen_answers_may_wait_and_the_rest_is_dropped)
{
    for (unsigned i = 0; i < 16; i++)
        assert_string_equal(icmp(w, 8, 0, i, "", 0), "");
    assert_string_equal(icmp(w, 8, 0, 16, "", 0), "reply_limit");
    OUT_ICMP(w, 0, 0);
    assert_string_equal(icmp(w, 8, 0, 17, "", 0), "");
} /* those that wait still go with the stack: the harness counts */

SCENARIO(a_limit_of_no_answers_is_silence)
{
    w->config.icmp_per_s = 0;
    assert_string_equal(icmp(w, 8, 0, 1, "", 0), "icmp_limited");
    QUIET(w);
}

SCENARIO(an_answer_without_memory_is_not_given)
{
    wire_start(w);
    w->fail_at = w->allocs + 1;
    assert_string_equal(icmp(w, 8, 0, 1, "", 0), "reply_limit");
    QUIET(w);
    assert_string_equal(icmp(w, 8, 0, 1, "", 0), "");
    OUT_ICMP(w, 0, 0);
}

/* P11, G227 */
SCENARIO(an_echo_request_with_ip_options_is_answered_without_them)
{
    wire_build_icmp(w, &packet, 8, 0, 1, "hello", 5);
    memmove(packet.bytes + 24, packet.bytes + 20, packet.len - 20); /* one word of NOPs */
    memset(packet.bytes + 20, 1, 4);
    packet.len += 4;
    packet.bytes[0] = 0x46;
    packet.bytes[3] = (uint8_t)packet.len;
    wire_fix_ip_checksum(&packet);
    assert_string_equal(wire_inject(w, &packet), "");
    assert_int_equal(OUT_ICMP(w, 0, 0)->len, 20 + 8 + 5);
}

/* 792-1 */
SCENARIO(an_echo_request_with_a_bad_checksum_is_dropped)
{
    wire_build_icmp(w, &packet, 8, 0, 1, "hello", 5);
    packet.bytes[30] ^= 1;
    assert_string_equal(wire_inject(w, &packet), "icmp_bad");
    QUIET(w);
}

/* P12 */
SCENARIO(icmp_of_every_short_length_is_dropped)
{
    for (uint32_t len = 0; len < 8; len++) {
        static const uint8_t zeros[8] = {8};
        wire_build_ip(w, &packet, 1, zeros, len);
        assert_string_equal(wire_inject(w, &packet), "icmp_bad");
        QUIET(w);
    }
}

/* B13, 1122-3.2.2a, 1122-3.2.2.7, 1122-3.2.2.8, 1122-3.2.2.9, 6633-1 */
SCENARIO(other_types_draw_nothing)
{
    static const uint8_t types[] = {0, 4, 5, 6, 9, 10, 13, 14, 15, 16, 17, 18, 30, 42, 255};
    uint8_t quote[28] = {0x45};
    for (unsigned i = 0; i < sizeof(types); i++) {
        assert_string_not_equal(icmp(w, types[i], 0, 0, quote, sizeof(quote)), "");
        QUIET(w);
    }
}

SCENARIO(echo_replies_are_limited)
{
    unsigned sent = 0;
    w->config.icmp_per_s = 5;
    for (int i = 0; i < 50; i++) {
        icmp(w, 8, 0, 1, "x", 1);
        while (wire_poll(w, &packet))
            sent++;
    }
    assert_in_range(sent, 1, 5);
    assert_true(wire_drops(w, "icmp_limited") >= 45);
    w->now_us += 1 * SEC;
    icmp(w, 8, 0, 1, "x", 1);
    OUT_ICMP(w, 0, 0);
}

/* 1122-3.2.2.6b, U3 */
SCENARIO(an_echo_request_to_a_broadcast_address_draws_nothing)
{
    static const uint32_t addresses[] = {0xffffffff, 0x0a0000ff, 0x0a000000, 0xe0000001};
    for (unsigned i = 0; i < 4; i++) {
        uint32_t own = w->our_addr;
        w->our_addr = addresses[i];
        wire_build_icmp(w, &packet, 8, 0, 1, "x", 1);
        w->our_addr = own;
        assert_string_equal(wire_inject(w, &packet), "ip_dest");
        QUIET(w);
    }
}

/* --- errors in: the state decides (RFC 5927) --- */

/* 9293-SHLD-26, B11, G022, U14, 1122-3.2.2.1c */
SCENARIO(a_hard_error_about_our_syn_fails_connect_with_its_errno)
{
    static const struct {
        uint8_t code;
        int error;
    } cases[] = {{2, ENOPROTOOPT}, {3, ECONNREFUSED}};
    for (unsigned i = 0; i < 2; i++) {
        w->peer_port++;
        w->our_port++;
        struct sockaddr_in to = wire_sockaddr(w->peer_addr, w->peer_port);
        struct sockaddr_in from = wire_sockaddr(w->our_addr, w->our_port);
        wire_start(w);
        wire_conn(w);
        w->fd = mytcp_socket(w->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        assert_int_equal(mytcp_bind(w->stack, w->fd, (struct sockaddr *)&from, sizeof(from)), 0);
        FAILS(w, mytcp_connect(w->stack, w->fd, (struct sockaddr *)&to, sizeof(to)), EINPROGRESS);
        struct wire_packet *syn = malloc(sizeof(*syn));
        assert_true(wire_poll(w, syn));
        assert_string_equal(error_about(w, 3, cases[i].code, 0, syn), "");
        free(syn);
        QUIET(w);
        assert_int_equal(wire_so_error(w), cases[i].error);
        assert_int_equal(mytcp_next_deadline(w->stack), MYTCP_NEVER_US);
    }
}

/* 5461-1,
 * G021, 9293-MUST-56, 1122-3.2.2.1b: the attempt goes on, but the reason is known at its end */
SCENARIO(a_soft_error_about_our_syn_becomes_the_errno_of_the_failure)
{
    wire_aim(w, true);
    struct sockaddr_in to = wire_sockaddr(w->peer_addr, w->peer_port);
    struct sockaddr_in from = wire_sockaddr(w->our_addr, w->our_port);
    wire_conn(w);
    w->fd = mytcp_socket(w->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(mytcp_bind(w->stack, w->fd, (struct sockaddr *)&from, sizeof(from)), 0);
    FAILS(w, mytcp_connect(w->stack, w->fd, (struct sockaddr *)&to, sizeof(to)), EINPROGRESS);
    struct wire_packet *syn = malloc(sizeof(*syn));
    assert_true(wire_poll(w, syn));
    assert_string_equal(error_about(w, 3, 1, 0, syn), "");
    free(syn);
    wire_skip_to(w, 400 * SEC);
    assert_int_equal(wire_so_error(w), EHOSTUNREACH);
}

/* B13, 5927-5.2a, B11 */
SCENARIO(no_error_aborts_an_established_connection)
{
    wire_passive(w);
    WRITE(w, 1000);
    struct wire_packet sent = *OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    for (uint8_t code = 0; code < 16; code++)
        if (code != 4)
            error_about(w, 3, code, 0, &sent);
    error_about(w, 11, 0, 0, &sent);
    error_about(w, 12, 0, 0, &sent);
    error_about(w, 4, 0, 0, &sent); /* 6633-2: source quench */
    error_about(w, 5, 1, 0x0a000009, &sent);
    QUIET(w);
    STATE(w, TCP_ESTABLISHED);
    IN(w, .flags = ACK, .seq = 1, .ack = 1001);
    QUIET(w);
}

/* G230, 5927-4.1, B11, 1122-3.2.2c: each part of the quote must fit */
SCENARIO(an_error_that_quotes_nothing_in_flight_is_ignored)
{
    wire_aim(w, true);
    struct sockaddr_in to = wire_sockaddr(w->peer_addr, w->peer_port);
    struct sockaddr_in from = wire_sockaddr(w->our_addr, w->our_port);
    wire_conn(w);
    w->fd = mytcp_socket(w->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(mytcp_bind(w->stack, w->fd, (struct sockaddr *)&from, sizeof(from)), 0);
    FAILS(w, mytcp_connect(w->stack, w->fd, (struct sockaddr *)&to, sizeof(to)), EINPROGRESS);
    struct wire_packet *syn = malloc(sizeof(*syn)), *bad = malloc(sizeof(*bad));
    assert_true(wire_poll(w, syn));
    static const unsigned wrong[] = {9, 12, 15, 16, 19, 20, 21, 22, 23, 24, 25, 26, 27};
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        *bad = *syn;
        bad->bytes[wrong[i]] ^= 0x10; /* protocol, addresses, ports, sequence number */
        wire_fix_ip_checksum(bad);
        assert_string_not_equal(error_about(w, 3, 3, 0, bad), "");
        QUIET(w);
        STATE(w, TCP_SYN_SENT);
    }
    free(bad);
    free(syn);
}

/* 9293-MUST-54, 5927-5.2b */
SCENARIO(an_error_is_for_the_connection_that_it_quotes)
{
    wire_passive(w);
    int other = w->fd;
    WRITE(w, 1000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    w->peer_port++;
    wire_passive(w);
    WRITE(w, 1000);
    struct wire_packet sent = *OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    error_about(w, 3, 1, 0, &sent);
    assert_int_equal(wire_so_error(w), EHOSTUNREACH);
    error_about(w, 3, 4, 800, &sent);
    assert_int_equal(wire_info(w).snd_mss, 760);
    w->fd = other;
    assert_int_equal(wire_so_error(w), 0);
    assert_int_equal(wire_info(w).snd_mss, 1460);
}

/* 9293-MUST-55, 1122-3.2.2.2 */
SCENARIO(source_quench_and_redirect_change_nothing)
{
    static const uint8_t types[] = {4, 5, 5, 5, 5}, codes[] = {0, 0, 1, 2, 3};
    wire_passive(w);
    WRITE(w, 1000);
    struct wire_packet sent = *OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    struct mytcp_conn_info before = wire_info(w);
    for (unsigned i = 0; i < sizeof(types); i++) {
        assert_string_equal(error_about(w, types[i], codes[i], 0x0a000009, &sent), "icmp_ignored");
        QUIET(w);
        assert_int_equal(wire_info(w).cwnd, before.cwnd);
        assert_int_equal(wire_info(w).ssthresh, before.ssthresh);
        assert_int_equal(wire_info(w).snd_mss, before.snd_mss);
        assert_int_equal(wire_so_error(w), 0);
    }
}

/* 1122-3.2.2.4, 1122-3.2.2.5 */
SCENARIO(time_exceeded_and_parameter_problem_are_told)
{
    static const struct {
        uint8_t type, code;
        int error;
    } cases[] = {{11, 0, EHOSTUNREACH}, {11, 1, EHOSTUNREACH}, {12, 0, EPROTO}, {12, 1, EPROTO}};
    wire_passive(w);
    WRITE(w, 1000);
    struct wire_packet sent = *OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    for (unsigned i = 0; i < 4; i++) {
        assert_string_equal(error_about(w, cases[i].type, cases[i].code, 0, &sent), "");
        assert_int_equal(wire_so_error(w), cases[i].error);
        STATE(w, TCP_ESTABLISHED);
    }
}

/* P12 */
SCENARIO(an_error_with_a_short_or_broken_quote_is_dropped)
{
    wire_passive(w);
    WRITE(w, 1000);
    struct wire_packet sent = *OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    for (uint32_t len = 0; len < 28; len++) {
        assert_string_not_equal(icmp(w, 3, 3, 0, sent.bytes, len), "");
        QUIET(w);
    }
    for (unsigned ihl = 0; ihl < 16; ihl++) {
        sent.bytes[0] = (uint8_t)(0x40 | ihl);
        icmp(w, 3, 3, 0, sent.bytes, 28);
        QUIET(w);
    }
    STATE(w, TCP_ESTABLISHED);
}

/* --- errors out --- */

/* 1122-3.2.2.1a, 1122-3.2.2b, G231 */
SCENARIO(udp_to_us_draws_port_unreachable)
{
    uint8_t udp[30] = {0x30, 0x39, 0, 53, 0, 30};
    wire_build_ip(w, &packet, 17, udp, sizeof(udp));
    struct wire_packet original = packet;
    assert_string_equal(wire_inject(w, &packet), "udp_port");
    const struct wire_packet *p = OUT_ICMP(w, 3, 3);
    assert_int_equal(p->payload_len, 8 + 28);
    assert_memory_equal(p->payload + 8, original.bytes, 28);
    assert_int_equal(p->bytes[1], 0); /* 1122-3.2.2d: TOS */
    QUIET(w);
}

/* 791-3.1d, P13 */
SCENARIO(an_unknown_protocol_draws_protocol_unreachable)
{
    static const uint8_t protocols[] = {4, 41, 47, 50, 132, 255}; /* P13 */
    uint8_t body[40] = {0x45};
    for (unsigned i = 0; i < sizeof(protocols); i++) {
        wire_build_ip(w, &packet, protocols[i], body, sizeof(body));
        assert_string_equal(wire_inject(w, &packet), "ip_protocol");
        const struct wire_packet *p = OUT_ICMP(w, 3, 2);
        assert_int_equal(p->payload_len, 8 + 28);
        QUIET(w);
    }
}

/* 1122-3.3.8, 1812-2 */
SCENARIO(errors_are_limited)
{
    unsigned sent = 0;
    uint8_t udp[30] = {0};
    w->config.icmp_per_s = 5;
    for (int i = 0; i < 50; i++) {
        wire_build_ip(w, &packet, 17, udp, sizeof(udp));
        wire_inject(w, &packet);
        while (wire_poll(w, &packet))
            sent++;
    }
    assert_in_range(sent, 1, 5);
}

/* 1122-3.2.2e, U3 */
SCENARIO(what_must_not_be_answered_is_not)
{
    uint8_t udp[30] = {0};
    static const uint32_t sources[] = {0, 0x7f000001, 0xe0000001, 0xffffffff, 0x0a0000ff};
    for (unsigned i = 0; i < 5; i++) {
        uint32_t peer = w->peer_addr;
        w->peer_addr = sources[i];
        wire_build_ip(w, &packet, 17, udp, sizeof(udp));
        w->peer_addr = peer;
        assert_string_equal(wire_inject(w, &packet), "ip_source");
        QUIET(w);
    }
    wire_build_ip(w, &packet, 17, udp, 24); /* a later fragment */
    packet.bytes[6] = 0;
    packet.bytes[7] = 100;
    wire_fix_ip_checksum(&packet);
    wire_inject(w, &packet);
    QUIET(w);
    uint32_t own = w->our_addr;
    w->our_addr = 0x0a0000ff;
    wire_build_ip(w, &packet, 17, udp, sizeof(udp));
    w->our_addr = own;
    wire_inject(w, &packet);
    QUIET(w);
}

/* P11: the quote's options are not copied blindly */
SCENARIO(an_error_about_a_packet_with_options_quotes_its_whole_header)
{
    uint8_t body[48];
    memset(body, 1, 40);
    memset(body + 40, 0x77, 8);
    wire_build_ip(w, &packet, 132, body, sizeof(body));
    packet.bytes[0] = 0x4f;
    wire_fix_ip_checksum(&packet);
    wire_inject(w, &packet);
    const struct wire_packet *p = OUT_ICMP(w, 3, 2);
    assert_int_equal(p->payload_len, 8 + 60 + 8);
    assert_memory_equal(p->payload + 8, packet.bytes, 68);
}

/* 9293-SHLD-25, 9293-MUST-47, 9293-MUST-56, G186 */
SCENARIO(a_soft_error_of_a_connection_can_be_asked_for_until_there_is_progress)
{
    wire_passive(w);
    WRITE(w, 1000);
    struct wire_packet sent = *OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    error_about(w, 3, 1, 0, &sent);
    assert_int_equal(wire_so_error(w), EHOSTUNREACH);
    assert_int_equal(wire_so_error(w), 0);
    error_about(w, 3, 1, 0, &sent);
    IN(w, .flags = ACK, .seq = 1, .ack = 1001);
    assert_int_equal(wire_so_error(w), 0);
    STATE(w, TCP_ESTABLISHED);
}

/* its octet is beyond SND.NXT, and in flight all the same */
SCENARIO(an_error_about_a_zero_window_probe_is_about_the_connection)
{
    wire_passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
    WRITE(w, 1000);
    AT(w, 300 * MS);
    struct wire_packet probe = *OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1);
    assert_string_equal(error_about(w, 3, 1, 0, &probe), "");
    assert_int_equal(wire_so_error(w), EHOSTUNREACH);
    STATE(w, TCP_ESTABLISHED);
}

WIRE_MAIN(WIRE_TEST(an_error_about_a_zero_window_probe_is_about_the_connection),
          WIRE_TEST(an_echo_request_is_answered_with_its_own_data),
          WIRE_TEST(an_echo_request_too_long_for_the_mtu_is_answered_as_far_as_it_fits),
          WIRE_TEST(sixteen_answers_may_wait_and_the_rest_is_dropped),
          WIRE_TEST(a_limit_of_no_answers_is_silence), WIRE_TEST(an_answer_without_memory_is_not_given),
          WIRE_TEST(an_echo_request_with_ip_options_is_answered_without_them),
          WIRE_TEST(an_echo_request_with_a_bad_checksum_is_dropped),
          WIRE_TEST(icmp_of_every_short_length_is_dropped), WIRE_TEST(other_types_draw_nothing),
          WIRE_TEST(echo_replies_are_limited),
          WIRE_TEST(an_echo_request_to_a_broadcast_address_draws_nothing),
          WIRE_TEST(a_hard_error_about_our_syn_fails_connect_with_its_errno),
          WIRE_TEST(a_soft_error_about_our_syn_becomes_the_errno_of_the_failure),
          WIRE_TEST(no_error_aborts_an_established_connection),
          WIRE_TEST(an_error_that_quotes_nothing_in_flight_is_ignored),
          WIRE_TEST(an_error_is_for_the_connection_that_it_quotes),
          WIRE_TEST(source_quench_and_redirect_change_nothing),
          WIRE_TEST(time_exceeded_and_parameter_problem_are_told),
          WIRE_TEST(an_error_with_a_short_or_broken_quote_is_dropped),
          WIRE_TEST(udp_to_us_draws_port_unreachable),
          WIRE_TEST(an_unknown_protocol_draws_protocol_unreachable), WIRE_TEST(errors_are_limited),
          WIRE_TEST(what_must_not_be_answered_is_not),
          WIRE_TEST(an_error_about_a_packet_with_options_quotes_its_whole_header),
          WIRE_TEST(a_soft_error_of_a_connection_can_be_asked_for_until_there_is_progress))
