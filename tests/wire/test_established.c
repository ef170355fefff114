/* ESTABLISHED: acceptability (RFC 9293 3.10.7.4), and RFC 5961's answers to the blind. */
#include "lib/wire.h"

static const uint32_t WINDOW = 20000; /* made small, so that its edge is near */

static uint32_t offered(struct wire *w)
{
    return wire_info(w).rcv_wnd;
}

static void established(struct wire *w)
{
    w->config.rcvbuf_bytes = WINDOW;
    w->config.quick_acks = 0; /* an ACK at once means a reason to send one */
    wire_passive(w);
}

/* 9293-SA-TXT-2, 9293-SA-TXT-3, 9293-SA-TXT-1 */
SCENARIO(data_in_order_is_delivered_and_acknowledged)
{
    established(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    READ(w, 1000);
    IN(w, .flags = ACK, .seq = 1001, .ack = 1, .len = 1000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 2001);
    READ(w, 1000);
    wire_again(w);
}

/* G065, 9293-SA-SEQ-2, first row of the table: SEG.LEN = 0 */
SCENARIO(an_empty_segment_is_acceptable_from_rcv_nxt_to_the_windows_last_byte)
{
    established(w);
    uint32_t wnd = offered(w);
    assert_string_equal(IN(w, .flags = ACK, .seq = 1, .ack = 1), "");
    assert_string_equal(IN(w, .flags = ACK, .seq = wnd, .ack = 1), "");
    QUIET(w);
    assert_string_equal(IN(w, .flags = ACK, .seq = 1 + wnd + 1, .ack = 1), "seq_beyond");
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    assert_string_equal(IN(w, .flags = ACK, .seq = 0x80000002, .ack = 1), "seq_old");
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    QUIET(w);
}

/* keepalives and zero window probes of the peer have SEQ = RCV.NXT - 1 */
SCENARIO(an_empty_segment_one_below_rcv_nxt_is_answered)
{
    established(w);
    IN(w, .flags = ACK, .seq = 0, .ack = 1);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    QUIET(w);
}

/* 9293-SA-SEQ-4, 9293-SA-SEQ-5 */
SCENARIO(data_wholly_before_the_window_draws_an_ack)
{
    established(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    READ(w, 1000);
    AT(w, 40 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1001);
    assert_string_equal(IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000, .garbage = true),
                        "seq_old");
    OUT(w, .flags = ACK, .seq = 1, .ack = 1001, .sack = {{1, 1001}});
    QUIET(w);
    wire_again(w);
}

/* 9293-SA-SEQ-4, 9293-SA-SEQ-5 */
SCENARIO(data_wholly_beyond_the_window_draws_an_ack)
{
    established(w);
    assert_string_equal(IN(w, .flags = ACK, .seq = 1 + offered(w), .ack = 1, .len = 1),
                        "seq_beyond");
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    QUIET(w);
    assert_int_equal(wire_info(w).recv_out_of_order, 0);
}

/* 9293-SA-SEQ-4, 9293-SA-SEQ-6, G063: the old part is cut off, the new is taken */
SCENARIO(data_partly_before_the_window_is_trimmed)
{
    established(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    READ(w, 1000);
    IN(w, .flags = ACK, .seq = 501, .ack = 1, .len = 1000);
    READ(w, 500);
    wire_again(w);
    AT(w, 40 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1501, .sack = {{501, 1001}});
}

/* 9293-SA-SEQ-4, 9293-SA-SEQ-6, G065, G095: never a byte beyond what was offered */
SCENARIO(data_partly_beyond_the_window_is_trimmed)
{
    established(w);
    uint32_t wnd = offered(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = wnd + 500);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1 + wnd, .wnd = WND_ZERO);
    QUIET(w);
    READ(w, wnd);
    wire_again(w);
}

/* S08, 9293-SA-ACK-1 */
SCENARIO(a_segment_without_ack_flag_is_dropped_in_silence)
{
    established(w);
    assert_string_equal(IN(w, .flags = PSH, .seq = 1, .len = 10), "no_ack_flag");
    assert_string_equal(IN(w, .flags = 0, .seq = 1), "no_ack_flag");
    assert_string_equal(IN(w, .flags = FIN, .seq = 1), "no_ack_flag");
    QUIET(w);
    wire_again(w);
    STATE(w, TCP_ESTABLISHED);
}

/* 9293-MUST-12, B01, 9293-SA-RST-2, 5961-3.2a */
SCENARIO(a_rst_at_rcv_nxt_resets)
{
    established(w);
    IN(w, .flags = RST, .seq = 1);
    QUIET(w);
    assert_true(wire_ready(w, w->fd) & POLLERR && wire_ready(w, w->fd) & POLLHUP);
    assert_int_equal(wire_so_error(w), ECONNRESET);
    assert_int_equal(mytcp_next_deadline(w->stack), MYTCP_NEVER_US);
    wire_eof(w); /* the error is reported once */
}

/* the ACK field of a RST in a synchronized state does not matter */
SCENARIO(a_rst_at_rcv_nxt_resets_whatever_its_ack_says)
{
    established(w);
    IN(w, .flags = RST | ACK, .seq = 1, .ack = 0x7000000);
    QUIET(w);
    assert_int_equal(wire_so_error(w), ECONNRESET);
}

/* 5961-3.2a, G082, 9293-SA-RST-3, B01 */
SCENARIO(a_rst_elsewhere_in_the_window_draws_a_challenge_ack)
{
    established(w);
    uint32_t wnd = offered(w), seqs[] = {2, 100, wnd - 1, wnd};
    for (unsigned i = 0; i < 4; i++) {
        assert_string_equal(IN(w, .flags = RST, .seq = seqs[i]), "rst_challenged");
        OUT(w, .flags = ACK, .seq = 1, .ack = 1);
        QUIET(w);
    }
    STATE(w, TCP_ESTABLISHED);
    assert_int_equal(wire_stats(w).challenge_acks, 4);
}

/* 5961-3.2a, 9293-SA-SEQ-5, B01, G071, G082, 9293-SA-RST-1 */
SCENARIO(a_rst_outside_the_window_is_dropped_in_silence)
{
    established(w);
    uint32_t wnd = offered(w), seqs[] = {0, (uint32_t)-1000, 1 + wnd + 1, 0x80000001, 0x40000000};
    for (unsigned i = 0; i < 5; i++) {
        assert_string_equal(IN(w, .flags = RST, .seq = seqs[i]), "rst_ignored");
        QUIET(w);
    }
    STATE(w, TCP_ESTABLISHED);
}

/* G190: what came before the reset stays readable */
SCENARIO(data_before_a_reset_stays_readable)
{
    established(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    IN(w, .flags = RST, .seq = 101);
    QUIET(w);
    READ(w, 100);
    uint8_t byte;
    FAILS(w, mytcp_recv(w->stack, w->fd, &byte, 1, 0), ECONNRESET);
    wire_eof(w);
}

/* G071, 9293-SA-SYN-2, 9293-SA-SYN-4, 5961-4.2a, B02 */
SCENARIO(a_syn_anywhere_draws_a_challenge_ack_and_resets_nothing)
{
    static const uint32_t seqs[] = {0, 1, 2, 10000, (uint32_t)-1, 0x80000000};
    established(w);
    for (unsigned i = 0; i < 6; i++) {
        w->now_us += 1 * SEC; /* the limit is not the subject */
        const char *drop = IN(w, .flags = i % 2 ? SYN : SYN | ACK, .seq = seqs[i], .ack = 1);
        assert_string_not_equal(drop, "");
        OUT(w, .flags = ACK, .seq = 1, .ack = 1);
        QUIET(w);
    }
    STATE(w, TCP_ESTABLISHED);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    READ(w, 10);
}

/* S07, 5961-4.2b: a peer that did reboot answers the challenge with a RST at our RCV.NXT */
SCENARIO(a_rebooted_peer_gets_rid_of_the_old_connection)
{
    established(w);
    IN(w, .flags = SYN, .seq = 777777);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    IN(w, .flags = RST, .seq = 1);
    QUIET(w);
    assert_int_equal(wire_so_error(w), ECONNRESET);
}

/* G029: a SYN is never queued as data */
SCENARIO(data_on_a_syn_in_the_window_is_not_taken)
{
    established(w);
    IN(w, .flags = SYN | ACK, .seq = 50, .ack = 1, .len = 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    assert_int_equal(wire_info(w).recv_out_of_order, 0);
}

/* 5961-7a */
SCENARIO(challenge_acks_are_limited_per_second)
{
    established(w);
    unsigned sent = 0;
    static struct wire_packet p;
    for (int i = 0; i < 100; i++) {
        IN(w, .flags = i % 2 ? RST : SYN, .seq = 5);
        while (wire_poll(w, &p))
            sent++;
    }
    assert_in_range(sent, 1, w->config.challenge_acks_per_s);
    assert_int_equal(wire_stats(w).challenge_acks, sent);
    assert_int_equal(wire_stats(w).challenge_acks_limited, 100 - sent);
    w->now_us += 2 * SEC;
    IN(w, .flags = RST, .seq = 5);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
}

/* 5961-7b, CVE-2016-5696, B06 */
SCENARIO(another_connections_budget_of_challenge_acks_is_untouched)
{
    static struct wire_packet p;
    established(w);
    w->peer_port++;
    wire_passive(w);
    for (int i = 0; i < 100; i++) {
        IN(w, .flags = SYN, .seq = 5);
        while (wire_poll(w, &p))
            continue;
    }
    w->peer_port--;
    for (int i = 0; i < 3; i++) {
        IN(w, .flags = SYN, .seq = 5);
        OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    }
}

/* R16, G075, 9293-SA-ACK-7 */
SCENARIO(an_ack_of_what_was_not_sent_draws_an_ack_and_its_data_is_dropped)
{
    established(w);
    assert_string_equal(IN(w, .flags = ACK, .seq = 1, .ack = 2, .len = 10), "ack_unsent");
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    QUIET(w);
    wire_again(w);
    assert_string_equal(IN(w, .flags = ACK, .seq = 1, .ack = 0x70000000), "ack_unsent");
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    QUIET(w);
}

/* B03, 9293-SA-ACK-6 */
SCENARIO(data_with_an_old_ack_in_range_is_taken)
{
    established(w);
    WRITE(w, 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    IN(w, .flags = ACK, .seq = 1, .ack = 101);
    assert_string_equal(IN(w, .flags = ACK, .seq = 1, .ack = 51, .len = 10), "");
    READ(w, 10);
}

/* 9293-MAY-12, 9293-SA-ACK-2, 5961-5.2a, B03, B04: the lower bound is MAX.SND.WND below SND.UNA,
 * and never below
 * what was really sent */
SCENARIO(data_with_an_ack_of_long_ago_draws_an_ack_and_is_dropped)
{
    established(w);
    WRITE(w, 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    IN(w, .flags = ACK, .seq = 1, .ack = 101);
    QUIET(w);
    assert_string_equal(
        IN(w, .flags = ACK, .seq = 1, .ack = 101 - (1u << 20) - 1, .len = 10, .garbage = true),
        "ack_too_old");
    OUT(w, .flags = ACK, .seq = 101, .ack = 1);
    assert_string_equal(
        IN(w, .flags = ACK, .seq = 1, .ack = 0x90000000, .len = 10, .garbage = true),
        "ack_too_old");
    OUT(w, .flags = ACK, .seq = 101, .ack = 1);
    assert_string_equal(
        IN(w, .flags = ACK, .seq = 1, .ack = (uint32_t)-50, .len = 10, .garbage = true),
        "ack_too_old"); /* B04 */
    OUT(w, .flags = ACK, .seq = 101, .ack = 1);
    QUIET(w);
    wire_again(w);
}

/* G093, 9293-SA-ACK-5, 9293-GEN-7 */
SCENARIO(acks_full_and_partial_release_what_they_cover)
{
    established(w);
    wire_set(w, IPPROTO_TCP, TCP_NODELAY, 1);
    WRITE(w, 2000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1460);
    OUT(w, .flags = ACK, .seq = 1461, .ack = 1, .len = 540);
    IN(w, .flags = ACK, .seq = 1, .ack = 701);
    assert_int_equal(wire_info(w).send_unacked, 1300);
    IN(w, .flags = ACK, .seq = 1, .ack = 1461);
    assert_int_equal(wire_info(w).send_unacked, 540);
    IN(w, .flags = ACK, .seq = 1, .ack = 2001);
    QUIET(w);
    assert_int_equal(wire_info(w).send_queued, 0);
    assert_int_equal(mytcp_next_deadline(w->stack), MYTCP_NEVER_US);
}

/* 9293-SA-ACK-8, 9293-GEN-24, B17, G089 */
SCENARIO(only_newer_segments_change_the_send_window)
{
    established(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100, .wnd = 512 * 1024);
    assert_int_equal(wire_info(w).snd_wnd, 512 * 1024);
    IN(w, .flags = ACK, .seq = 101, .ack = 1, .wnd = 384 * 1024); /* same WL1 and WL2: an update */
    assert_int_equal(wire_info(w).snd_wnd, 384 * 1024);
    IN(w, .flags = ACK, .seq = 51, .ack = 1, .len = 100, .wnd = 128 * 1024); /* SEG.SEQ < SND.WL1 */
    assert_int_equal(wire_info(w).snd_wnd, 384 * 1024);
}

/* 9293-MUST-5, 9293-MUST-6 */
SCENARIO(options_in_any_segment_are_skipped_or_taken)
{
    static const uint8_t odd[] = {1, 1, 200, 6, 1, 2, 3, 4, 253, 2, 1, 0};
    established(w);
    assert_string_equal(IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .options = odd,
                           .options_len = sizeof(odd)),
                        "");
    READ(w, 10);
    IN(w, .flags = FIN | ACK, .seq = 11, .ack = 1, .options = odd, .options_len = sizeof(odd));
    OUT(w, .flags = ACK, .seq = 1, .ack = 12);
    STATE(w, TCP_CLOSE_WAIT);
}

/* G083, B16: two ends that disagree do not exchange ACKs for ever */
SCENARIO(unacceptable_empty_segments_are_answered_at_a_limited_rate)
{
    static struct wire_packet p;
    established(w);
    unsigned sent = 0;
    for (int i = 0; i < 1000; i++) {
        IN(w, .flags = ACK, .seq = 0x80000000, .ack = 1);
        while (wire_poll(w, &p))
            sent++;
    }
    assert_in_range(sent, 1, 2 * w->config.challenge_acks_per_s);
}

/* P15, 9293-GEN-3: reserved bits, ECE and CWR without negotiation mean nothing */
SCENARIO(reserved_and_ecn_bits_are_ignored)
{
    static struct wire_packet p;
    established(w);
    wire_build(w, &p,
               &(struct wire_segment){.flags = ACK | ECE | CWR, .seq = 1, .ack = 1, .len = 10});
    p.bytes[32] |= 0x0f;
    wire_fix_tcp_checksum(&p);
    assert_string_equal(wire_inject(w, &p), "");
    READ(w, 10);
}

/* 9293-SHLD-2: what it carries may say why */
SCENARIO(a_rst_with_data_resets)
{
    established(w);
    IN(w, .flags = RST, .seq = 1, .len = 20, .garbage = true);
    QUIET(w);
    assert_int_equal(wire_so_error(w), ECONNRESET);
    wire_eof(w);
}

/* 5961-5.2b: the largest window ever, also when a smaller one stands now */
SCENARIO(an_old_ack_is_judged_by_the_largest_window_ever)
{
    w->wnd = 4096;
    established(w);
    static struct wire_packet p;
    for (uint32_t end = 1; end < 20001; end = wire_conn(w)->snd_high) { /* far more than a window */
        if (end == 1)
            WRITE(w, 20000);
        while (wire_poll(w, &p))
            continue;
        IN(w, .flags = ACK, .seq = 1, .ack = wire_conn(w)->snd_high, .wnd = 4096);
    }
    IN(w, .flags = ACK, .seq = 1, .ack = 20001, .wnd = 512);
    assert_int_equal(wire_info(w).snd_wnd, 512);
    assert_string_equal(
        IN(w, .flags = ACK, .seq = 1, .ack = 20001 - 4097, .len = 10, .garbage = true), "ack_too_old");
    OUT(w, .flags = ACK, .seq = 20001, .ack = 1);
    assert_string_equal(IN(w, .flags = ACK, .seq = 1, .ack = 20001 - 4096, .len = 10), "");
    READ(w, 10);
}

/* 9293-SA-SEQ-6: what lies beyond the window is cut off, a FIN there included */
SCENARIO(a_fin_beyond_the_window_is_cut_off)
{
    established(w);
    uint32_t wnd = offered(w);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = wnd + 1);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1 + wnd, .wnd = WND_ZERO);
    STATE(w, TCP_ESTABLISHED);
    READ(w, wnd);
    wire_again(w);
}

WIRE_MAIN(WIRE_TEST(data_in_order_is_delivered_and_acknowledged),
          WIRE_TEST(an_empty_segment_is_acceptable_from_rcv_nxt_to_the_windows_last_byte),
          WIRE_TEST(an_empty_segment_one_below_rcv_nxt_is_answered),
          WIRE_TEST(data_wholly_before_the_window_draws_an_ack),
          WIRE_TEST(data_wholly_beyond_the_window_draws_an_ack),
          WIRE_TEST(data_partly_before_the_window_is_trimmed),
          WIRE_TEST(data_partly_beyond_the_window_is_trimmed),
          WIRE_TEST(a_segment_without_ack_flag_is_dropped_in_silence),
          WIRE_TEST(a_rst_at_rcv_nxt_resets),
          WIRE_TEST(a_rst_at_rcv_nxt_resets_whatever_its_ack_says),
          WIRE_TEST(a_rst_elsewhere_in_the_window_draws_a_challenge_ack),
          WIRE_TEST(a_rst_outside_the_window_is_dropped_in_silence),
          WIRE_TEST(data_before_a_reset_stays_readable),
          WIRE_TEST(a_syn_anywhere_draws_a_challenge_ack_and_resets_nothing),
          WIRE_TEST(a_rebooted_peer_gets_rid_of_the_old_connection),
          WIRE_TEST(data_on_a_syn_in_the_window_is_not_taken),
          WIRE_TEST(challenge_acks_are_limited_per_second),
          WIRE_TEST(another_connections_budget_of_challenge_acks_is_untouched),
          WIRE_TEST(an_ack_of_what_was_not_sent_draws_an_ack_and_its_data_is_dropped),
          WIRE_TEST(data_with_an_old_ack_in_range_is_taken),
          WIRE_TEST(data_with_an_ack_of_long_ago_draws_an_ack_and_is_dropped),
          WIRE_TEST(acks_full_and_partial_release_what_they_cover),
          WIRE_TEST(only_newer_segments_change_the_send_window),
          WIRE_TEST(options_in_any_segment_are_skipped_or_taken),
          WIRE_TEST(unacceptable_empty_segments_are_answered_at_a_limited_rate),
          WIRE_TEST(reserved_and_ecn_bits_are_ignored),
          WIRE_TEST(a_rst_with_data_resets),
          WIRE_TEST(an_old_ack_is_judged_by_the_largest_window_ever),
          WIRE_TEST(a_fin_beyond_the_window_is_cut_off))
