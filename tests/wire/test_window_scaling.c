/* Window scaling (RFC 7323 2). */
#include "lib/wire.h"

/* G237, 7323-2.2a */
SCENARIO(our_scale_lets_the_default_buffer_be_offered)
{
    wire_syn_sent(w);
    assert_true(wire_conn(w)->our_scale);
    assert_true(65535ull << (wire_conn(w)->our_scale - 1) >= w->config.rcvbuf_bytes);
}

/* 7323-2.2b */
SCENARIO(scaling_is_off_both_ways_if_the_syn_ack_lacks_it)
{
    w->peer = (struct wire_peer){.mss = 1460};
    wire_active(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = 60000);
    assert_int_equal(wire_info(w).snd_wnd, 60000);
    assert_false(wire_info(w).wscale_ok);
    assert_int_equal(wire_info(w).snd_wscale, 0);
    assert_int_equal(wire_info(w).rcv_wscale, 0);
    assert_true(wire_info(w).rcv_wnd <= 65535);
}

SCENARIO(it_is_not_offered_when_it_is_configured_away)
{
    w->config.window_scaling = 0;
    wire_syn_received(w);
    assert_int_equal(wire_conn(w)->our_scale, 0);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = 5000);
    w->fd = mytcp_accept(w->stack, w->listener, NULL, NULL, 0);
    assert_int_equal(wire_info(w).snd_wnd, 5000);
}

/* 7323-2.2d, G041 */
SCENARIO(the_window_of_the_syn_ack_is_not_scaled)
{
    wire_syn_sent(w);
    IN(w, .flags = SYN | ACK, .ack = 1, .mss = 1460, .wscale = WS(7), .wnd = 1000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    assert_int_equal(wire_info(w).snd_wnd, 1000);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000 * 128);
    assert_int_equal(wire_info(w).snd_wnd, 1000 * 128);
}

/* 9293-REC-1, G085, 7323-2.3a */
SCENARIO(windows_are_shifted_by_what_the_syn_said)
{
    for (int shift = 0; shift <= 14; shift++) {
        w->peer_port++;
        w->peer.wscale = WS(shift);
        w->wnd = 40000ll << shift;
        wire_passive(w);
        assert_int_equal(wire_info(w).snd_wnd, 40000ull << shift);
        assert_int_equal(wire_info(w).snd_wscale, shift);
        IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = 65535ll << shift);
        assert_int_equal(wire_info(w).snd_wnd, 65535ull << shift);
    }
}

/* 7323-2.3b, I04 */
SCENARIO(a_shift_beyond_14_counts_as_14)
{
    static const int shifts[] = {15, 31, 63, 255};
    for (unsigned i = 0; i < 4; i++) {
        w->peer_port++;
        w->peer.wscale = WS(shifts[i]);
        wire_syn_received(w);
        wire_conn(w)->peer_scale = WS(14);
        IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = 65535ll << 14);
        w->fd = mytcp_accept(w->stack, w->listener, NULL, NULL, 0);
        assert_int_equal(wire_info(w).snd_wscale, 14);
        assert_int_equal(wire_info(w).snd_wnd, 65535ull << 14);
        WRITE(w, 1000);
        OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    }
}

/* 7323-2.2c */
SCENARIO(the_option_in_a_segment_without_syn_is_ignored)
{
    wire_passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wscale = WS(2), .wnd = 12800);
    assert_int_equal(wire_info(w).snd_wscale, 7);
    assert_int_equal(wire_info(w).snd_wnd, 12800);
}

/* 9293-MUST-1: 16 bits are unsigned */
SCENARIO(an_unscaled_window_of_65535_is_not_negative)
{
    w->config.initial_window_segments = 100;
    w->peer = (struct wire_peer){.mss = 1460};
    w->wnd = 65535;
    wire_passive(w);
    assert_int_equal(wire_info(w).snd_wnd, 65535);
    WRITE(w, 100000);
    static struct wire_packet p;
    while (wire_poll(w, &p))
        continue;
    assert_int_equal(wire_info(w).send_unacked, 65535 - 65535 % 1460);
}

/* 7323-2.4b, 7323-2.4a, G066: a segment is in the window if any ACK of ours would have had it
 * there */
SCENARIO(all_that_was_ever_offered_stays_acceptable)
{
    w->config.rcvbuf_bytes = 100000; /* not a multiple of the scale's unit */
    wire_passive(w);
    static struct wire_packet p;
    uint32_t at = 1;
    for (uint32_t i = 0; i < 60; i++) {
        uint32_t edge = wire_conn(w)->right_edge, len = 100 + i;
        assert_string_equal(IN(w, .flags = ACK, .seq = edge - 1, .ack = 1, .len = 1), "");
        assert_string_equal(IN(w, .flags = ACK, .seq = at, .ack = 1, .len = len), "");
        at += len;
        while (wire_poll(w, &p))
            continue;
        READ(w, len);
        while (wire_poll(w, &p))
            continue;
    }
}

/* I03, I04 with the largest window there is */
SCENARIO(a_window_of_a_gigabyte_does_not_overflow)
{
    w->peer.wscale = WS(14);
    w->wnd = 65535ll << 14;
    wire_passive(w);
    WRITE(w, 100000);
    static struct wire_packet p;
    uint32_t sent = 0;
    while (wire_poll(w, &p))
        sent += p.payload_len;
    assert_int_equal(sent, 14600); /* bounded by the congestion window */
}

/* 7323-2.2d */
SCENARIO(the_window_of_our_syn_and_syn_ack_is_not_scaled)
{
    for (int active = 0; active < 2; active++) {
        struct sockaddr_in to = wire_sockaddr(w->peer_addr, ++w->peer_port);
        struct sockaddr_in from = wire_sockaddr(w->our_addr, ++w->our_port);
        if (active) {
            wire_conn(w);
            w->fd = mytcp_socket(w->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
            assert_int_equal(mytcp_bind(w->stack, w->fd, (struct sockaddr *)&from, sizeof(from)), 0);
            FAILS(w, mytcp_connect(w->stack, w->fd, (struct sockaddr *)&to, sizeof(to)), EINPROGRESS);
        } else {
            wire_listen(w, 1);
            IN(w, .flags = SYN, .mss = 1460, .wscale = WS(7));
        }
        const struct wire_packet *p = OUT(w, .flags = active ? SYN : SYN | ACK, .ack = !active);
        assert_true(p->wscale > 1);
        assert_in_range(p->wnd, 65536 - (1 << (p->wscale - 1)), 65535); /* of 4 MiB */
    }
}

WIRE_MAIN(WIRE_TEST(our_scale_lets_the_default_buffer_be_offered),
          WIRE_TEST(scaling_is_off_both_ways_if_the_syn_ack_lacks_it),
          WIRE_TEST(it_is_not_offered_when_it_is_configured_away),
          WIRE_TEST(the_window_of_the_syn_ack_is_not_scaled),
          WIRE_TEST(windows_are_shifted_by_what_the_syn_said),
          WIRE_TEST(a_shift_beyond_14_counts_as_14),
          WIRE_TEST(the_option_in_a_segment_without_syn_is_ignored),
          WIRE_TEST(an_unscaled_window_of_65535_is_not_negative),
          WIRE_TEST(all_that_was_ever_offered_stays_acceptable),
          WIRE_TEST(a_window_of_a_gigabyte_does_not_overflow),
          WIRE_TEST(the_window_of_our_syn_and_syn_ack_is_not_scaled))
