/* When a RST is sent, and exactly which (RFC 9293 3.5.2, 3.10.7.1). */
#include "lib/wire.h"

/* 9293-GEN-2, G061, S08, 9293-SA-CLOSED-2: <SEQ=0><ACK=SEG.SEQ+SEG.LEN>; SYN and FIN count */
SCENARIO(a_segment_without_ack_to_a_closed_port_draws_rst_ack_behind_it)
{
    static const struct {
        unsigned flags;
        uint32_t len, acked;
    } cases[] = {{SYN, 0, 1}, {SYN, 10, 11},     {FIN, 0, 1}, {FIN, 5, 6},
                 {0, 0, 0},   {PSH, 1400, 1400}, {URG, 1, 1}, {SYN | FIN, 3, 5}};
    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *drop = IN(w, .flags = cases[i].flags, .seq = 700, .len = cases[i].len);
        assert_string_equal(drop, "no_connection");
        OUT(w, .flags = RST | ACK, .seq = 0, .ack = 700 + cases[i].acked);
        QUIET(w);
    }
    assert_int_equal(wire_stats(w).reset_out, sizeof(cases) / sizeof(*cases));
}

/* 9293-SA-CLOSED-3, 9293-GEN-12: <SEQ=SEG.ACK>, no ACK flag */
SCENARIO(a_segment_with_ack_to_a_closed_port_draws_rst_with_its_ack_number)
{
    static const unsigned flags[] = {ACK, SYN | ACK, FIN | ACK, PSH | ACK, URG | ACK};
    for (unsigned i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
        IN(w, .flags = flags[i], .seq = 3, .ack = 0xffffff00 + 100 * i, .len = 10 * i);
        OUT(w, .flags = RST, .seq = 0xffffff00 + 100 * i);
        QUIET(w);
    }
}

/* G205, 9293-SA-CLOSED-1, U3, G173 */
SCENARIO(a_rst_to_a_closed_port_is_never_answered)
{
    static const unsigned flags[] = {RST, RST | ACK, RST | SYN, RST | FIN | ACK, 0xff};
    for (unsigned i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
        assert_string_equal(IN(w, .flags = flags[i], .seq = 3, .ack = 4), "no_connection");
        QUIET(w);
    }
}

/* second group: a connection in a non-synchronized state answers an unacceptable ACK */
SCENARIO(a_non_synchronized_state_resets_by_the_ack_number_of_what_it_cannot_accept)
{
    wire_syn_sent(w);
    IN(w, .flags = SYN | ACK, .ack = 4000);
    OUT(w, .flags = RST, .seq = 4000);
    STATE(w, TCP_SYN_SENT);
}

/* third group, 9293-GEN-16, 9293-GEN-17 */
SCENARIO(a_synchronized_state_answers_the_unacceptable_with_an_ack_only)
{
    wire_passive(w);
    IN(w, .flags = ACK, .seq = (uint32_t)-5000, .ack = 1, .len = 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    IN(w, .flags = ACK, .seq = 1, .ack = 2, .len = 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    QUIET(w);
    STATE(w, TCP_ESTABLISHED);
}

/* B07: the RST path keeps to the same rules (DF, ID 0: asserted by the harness) */
SCENARIO(a_rst_carries_no_options_and_no_data)
{
    IN(w, .flags = SYN, .mss = 1460, .wscale = WS(7), .sackok = true, .ts = true, .tsval = 4);
    const struct wire_packet *p = OUT(w, .flags = RST | ACK, .seq = 0, .ack = 1);
    assert_int_equal(p->len, 40);
}

/* D09: the limit of the config; U2 */
SCENARIO(resets_of_strangers_are_limited_per_second)
{
    w->config.rsts_per_s = 5;
    unsigned sent = 0;
    static struct wire_packet p;
    for (int i = 0; i < 20; i++) {
        w->peer_port = (uint16_t)(1000 + i);
        IN(w, .flags = SYN);
        while (wire_poll(w, &p))
            sent++;
    }
    assert_in_range(sent, 1, 5);
    w->now_us += 1 * SEC;
    IN(w, .flags = SYN);
    OUT(w, .flags = RST | ACK, .seq = 0, .ack = 1);
}

SCENARIO(resets_for_which_there_is_no_room_are_not_sent)
{
    static struct wire_packet p;
    unsigned sent = 0;
    for (int i = 0; i < 256; i++)
        assert_string_equal(IN(w, .flags = SYN), "no_connection");
    assert_string_equal(IN(w, .flags = SYN), "reply_limit");
    while (wire_poll(w, &p))
        sent++;
    assert_int_equal(sent, 256);
    assert_int_equal(wire_stats(w).reset_out, 256);
    assert_string_equal(IN(w, .flags = SYN), "no_connection");
    OUT(w, .flags = RST | ACK, .seq = 0, .ack = 1);
}

SCENARIO(a_limit_of_no_resets_is_silence)
{
    w->config.rsts_per_s = 0;
    assert_string_equal(IN(w, .flags = SYN), "reply_limit");
    QUIET(w);
}

/* 9293-GEN-12, Figure 10: data for a connection that is gone aborts the sender */
SCENARIO(a_peer_that_lost_its_connection_resets_ours_by_our_ack_number)
{
    wire_passive(w);
    WRITE(w, 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    IN(w, .flags = RST, .seq = 1); /* <SEQ=SEG.ACK> of what we sent */
    QUIET(w);
    FAILS(w, mytcp_send(w->stack, w->fd, "x", 1, 0), ECONNRESET);
    FAILS(w, mytcp_send(w->stack, w->fd, "x", 1, 0), EPIPE);
    assert_int_equal(wire_stats(w).reset_in, 1);
}

/* 9293-ABORT-4, 9293-MAY-1: linger of zero */
SCENARIO(an_abort_sends_one_rst_at_snd_nxt)
{
    struct linger on = {.l_onoff = 1, .l_linger = 0};
    wire_passive(w);
    WRITE(w, 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    assert_int_equal(mytcp_setsockopt(w->stack, w->fd, SOL_SOCKET, SO_LINGER, &on, sizeof(on)), 0);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    OUT(w, .flags = RST | ANYACK, .seq = 101, .ack = 1);
    QUIET(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 101);
    OUT(w, .flags = RST, .seq = 101);
    QUIET(w);
    assert_int_equal(wire_stats(w).sockets, 1); /* the listener */
}

WIRE_MAIN(WIRE_TEST(a_segment_without_ack_to_a_closed_port_draws_rst_ack_behind_it),
          WIRE_TEST(a_segment_with_ack_to_a_closed_port_draws_rst_with_its_ack_number),
          WIRE_TEST(a_rst_to_a_closed_port_is_never_answered),
          WIRE_TEST(a_non_synchronized_state_resets_by_the_ack_number_of_what_it_cannot_accept),
          WIRE_TEST(a_synchronized_state_answers_the_unacceptable_with_an_ack_only),
          WIRE_TEST(a_rst_carries_no_options_and_no_data),
          WIRE_TEST(resets_of_strangers_are_limited_per_second),
          WIRE_TEST(resets_for_which_there_is_no_room_are_not_sent),
          WIRE_TEST(a_limit_of_no_resets_is_silence),
          WIRE_TEST(a_peer_that_lost_its_connection_resets_ours_by_our_ack_number),
          WIRE_TEST(an_abort_sends_one_rst_at_snd_nxt))
