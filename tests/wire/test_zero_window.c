/* Zero windows, the peer's and ours (RFC 9293 3.8.6.1). RTO is 300 ms. */
#include "lib/wire.h"

enum { MSS = 1460 };

/* A probe is one byte at SND.UNA, or nothing just below it; both force an answer. */
static void probe(struct wire *w, uint32_t una)
{
    static struct wire_packet p;
    assert_true(wire_poll(w, &p));
    uint32_t seq = p.seq - wire_conn(w)->iss;
    assert_true((seq == una && p.payload_len == 1) || (seq == una - 1 && p.payload_len == 0));
    QUIET(w);
}

static void shut_by_peer(struct wire *w)
{
    wire_passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
    WRITE(w, 3000);
    QUIET(w);
    MARK(w);
}

/* 9293-MUST-36, 9293-SHLD-29, 9293-SHLD-30, G122 */
SCENARIO(a_zero_window_is_probed_after_an_rto_and_then_with_backoff)
{
    shut_by_peer(w);
    for (unsigned n = 1; n <= 6; n++) {
        AT(w, 300 * MS * ((1u << n) - 1));
        probe(w, 1);
        IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
        QUIET(w);
    }
}

SCENARIO(a_window_that_opens_lets_data_go_at_once)
{
    shut_by_peer(w);
    AT(w, 100 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    OUT(w, .flags = ACK, .seq = 1 + MSS, .ack = 1, .len = MSS);
}

/* the update was lost; the answer to the probe brings it; nothing is lost of what was cut (G141) */
SCENARIO(the_answer_to_a_probe_opens_the_window)
{
    shut_by_peer(w);
    AT(w, 300 * MS);
    static struct wire_packet p;
    assert_true(wire_poll(w, &p));
    uint32_t taken = p.payload_len; /* the peer now has room for the probe's byte */
    IN(w, .flags = ACK, .seq = 1, .ack = 1 + taken);
    OUT(w, .flags = ACK, .seq = 1 + taken, .ack = 1, .len = MSS);
}

/* 6429-1, R04, 9293-MUST-37 */
SCENARIO(a_peer_that_answers_probes_is_never_given_up)
{
    shut_by_peer(w);
    unsigned probes = 0;
    static struct wire_packet p;
    while (w->now_us < w->mark_us + 24 * 3600 * SEC) {
        w->now_us = mytcp_next_deadline(w->stack);
        while (wire_poll(w, &p)) {
            probes++;
            IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
        }
    }
    STATE(w, TCP_ESTABLISHED);
    assert_in_range(probes, 24 * 30, 24 * 3600); /* backs off, to 120 s at most */
    assert_int_equal(wire_stats(w).rto_expired, 0);
}

/* G145: bytes are appended to others of which the probe has taken one. The next segment's first piece
 * is odd, and its checksum right (wire_parse looks). */
SCENARIO(an_odd_rest_and_what_is_appended_go_with_a_right_checksum)
{
    wire_passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
    WRITE(w, 400);
    MARK(w);
    AT(w, 300 * MS);
    static struct wire_packet p;
    assert_true(wire_poll(w, &p));
    assert_int_equal(p.payload_len, 1);
    WRITE(w, 1000);
    IN(w, .flags = ACK, .seq = 1, .ack = 2);
    OUT(w, .flags = PSH | ACK, .seq = 2, .ack = 1, .len = 1399);
}

/* a peer that does not is (G141) */
SCENARIO(probes_without_any_answer_end_in_etimedout)
{
    w->config.data_retries = 4;
    shut_by_peer(w);
    wire_skip_to(w, 100 * SEC);
    STATE(w, TCP_CLOSE);
    assert_int_equal(wire_so_error(w), ETIMEDOUT);
}

/* G070: the window closes with data in flight: that data is the probe (9293-MUST-35) */
SCENARIO(data_in_flight_when_the_window_shuts_is_sent_again_if_lost)
{
    wire_passive(w);
    WRITE(w, 2 * MSS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    OUT(w, .flags = ACK, .seq = 1 + MSS, .ack = 1, .len = MSS);
    w->now_us += 100 * MS;
    IN(w, .flags = ACK, .seq = 1, .ack = 1 + MSS, .wnd = WND_ZERO);
    QUIET(w);
    assert_in_range(wire_skip_to(w, 2 * SEC), 1, 4);
    STATE(w, TCP_ESTABLISHED);
}

/* 7323-2.4c, 9293-MUST-34, 9293-SHLD-15, G069 */
SCENARIO(a_window_that_shrinks_below_snd_nxt_stops_new_data)
{
    wire_passive(w);
    WRITE(w, 20 * MSS);
    for (uint32_t i = 0; i < 10; i++)
        OUT(w, .flags = ACK, .seq = 1 + i * MSS, .ack = 1, .len = MSS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1 + MSS, .wnd = 2048);
    QUIET(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1 + 10 * MSS, .wnd = 1 << 20);
    OUT(w, .flags = ACK, .seq = 1 + 10 * MSS, .ack = 1, .len = MSS);
}

/* --- our own --- */

static void shut_by_us(struct wire *w)
{
    w->config.rcvbuf_bytes = 8192;
    wire_passive(w);
    static struct wire_packet p;
    struct wire_conn *c = wire_conn(w);
    for (int i = 0; i < 1000 && wire_info(w).rcv_wnd; i++) {
        uint32_t end = c->peer_end, room = wire_info(w).rcv_wnd;
        IN(w, .flags = ACK, .seq = end, .ack = 1, .len = room < MSS ? room : MSS);
        while (wire_poll(w, &p))
            continue;
        w->now_us += 50 * MS;
        while (wire_poll(w, &p))
            continue;
    }
    assert_int_equal(wire_info(w).rcv_wnd, 0);
    assert_true(wire_info(w).recv_queued >= 8192 - 2048);
    MARK(w);
}

/* 9293-SA-SEQ-3, 9293-MAY-8, 9293-GEN-25, S10, G090 */
SCENARIO(a_probe_of_our_zero_window_is_answered)
{
    shut_by_us(w);
    uint32_t end = wire_conn(w)->peer_end;
    IN(w, .flags = ACK, .seq = end, .ack = 1, .len = 1); /* one byte beyond */
    OUT(w, .flags = ACK, .seq = 1, .ack = end, .wnd = WND_ZERO);
    IN(w, .flags = ACK, .seq = end - 1, .ack = 1); /* Linux's probe */
    OUT(w, .flags = ACK, .seq = 1, .ack = end, .wnd = WND_ZERO);
    QUIET(w);
}

/* 9293-SA-SEQ-1: at zero window ACK, URG and RST still count; the FIN needs no window (S10) */
SCENARIO(acks_are_taken_at_zero_window)
{
    shut_by_us(w);
    uint32_t end = wire_conn(w)->peer_end;
    WRITE(w, 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = end, .len = 100);
    assert_string_equal(IN(w, .flags = ACK, .seq = end, .ack = 101), "");
    QUIET(w);
    assert_int_equal(wire_info(w).send_queued, 0);
}

/* 9293-SA-SEQ-3, 9293-GEN-30 */
SCENARIO(acks_that_come_with_data_are_taken_at_zero_window)
{
    shut_by_us(w); /* both directions full: the peer's data is too much, its ACK is not */
    uint32_t end = wire_conn(w)->peer_end;
    WRITE(w, 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = end, .len = 100);
    IN(w, .flags = ACK, .seq = end, .ack = 101, .len = 1);
    OUT(w, .flags = ACK, .seq = 101, .ack = end, .wnd = WND_ZERO);
    QUIET(w);
    assert_int_equal(wire_info(w).send_queued, 0);
}

/* 9293-MUST-66, S10 */
SCENARIO(a_rst_is_taken_at_zero_window)
{
    shut_by_us(w);
    IN(w, .flags = RST, .seq = wire_conn(w)->peer_end);
    QUIET(w);
    STATE(w, TCP_CLOSE);
}

/* S10 */
SCENARIO(a_fin_is_taken_at_zero_window)
{
    shut_by_us(w);
    uint32_t end = wire_conn(w)->peer_end;
    IN(w, .flags = FIN | ACK, .seq = end, .ack = 1);
    OUT(w, .flags = ACK, .seq = 1, .ack = end + 1);
    STATE(w, TCP_CLOSE_WAIT);
}

/* 9293-RECV-5, G087, G102 */
SCENARIO(reading_opens_the_window_and_says_so)
{
    shut_by_us(w);
    uint32_t queued = wire_info(w).recv_queued;
    READ(w, queued);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1 + queued);
    QUIET(w);
    assert_true(wire_info(w).rcv_wnd >= 4096);
}

/* the update was lost: the peer's probe brings it again */
SCENARIO(a_probe_after_a_lost_update_is_answered_with_the_open_window)
{
    shut_by_us(w);
    uint32_t end = wire_conn(w)->peer_end;
    READ(w, wire_info(w).recv_queued);
    OUT(w, .flags = ACK, .seq = 1, .ack = end);
    IN(w, .flags = ACK, .seq = end - 1, .ack = 1);
    OUT(w, .flags = ACK, .seq = 1, .ack = end);
    IN(w, .flags = ACK, .seq = end, .ack = 1, .len = 1000);
    READ(w, 1000);
}

/* 9293-MUST-66 */
SCENARIO(an_urgent_pointer_is_taken_at_zero_window)
{
    shut_by_us(w);
    uint32_t end = wire_conn(w)->peer_end;
    IN(w, .flags = URG | ACK, .seq = end, .ack = 1, .urg = 100);
    assert_true(wire_ready(w, w->fd) & POLLPRI);
}

/* 9293-SA-SEQ-1: at zero window only RCV.NXT is acceptable */
SCENARIO(an_empty_segment_elsewhere_at_zero_window_is_answered_and_its_ack_ignored)
{
    shut_by_us(w);
    uint32_t end = wire_conn(w)->peer_end;
    WRITE(w, 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = end, .len = 100);
    assert_string_equal(IN(w, .flags = ACK, .seq = end + 1, .ack = 101), "seq_beyond");
    OUT(w, .flags = ACK, .seq = 101, .ack = end, .wnd = WND_ZERO);
    assert_string_equal(IN(w, .flags = ACK, .seq = end - 1, .ack = 101), "seq_old");
    OUT(w, .flags = ACK, .seq = 101, .ack = end, .wnd = WND_ZERO);
    assert_int_equal(wire_info(w).send_unacked, 100);
}

static void ten_in_flight(struct wire *w)
{
    wire_passive(w);
    WRITE(w, 20 * MSS);
    for (uint32_t i = 0; i < 10; i++)
        OUT(w, .flags = ACK, .seq = 1 + i * MSS, .ack = 1, .len = MSS);
}

/* 9293-SHLD-16: what lies within the shrunken window is sent again as ever, the rest is not
 * (9293-MAY-7) */
SCENARIO(old_data_within_a_shrunken_window_is_sent_again)
{
    static struct wire_packet p;
    ten_in_flight(w);
    w->now_us += 10 * MS;
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = 5 * MSS);
    QUIET(w);
    uint32_t again = 0;
    for (int turn = 0; turn < 20; turn++) {
        w->now_us = mytcp_next_deadline(w->stack);
        while (wire_poll(w, &p)) {
            uint32_t seq = p.seq - wire_conn(w)->iss;
            assert_true(seq + p.payload_len <= 1 + 5 * MSS + 128);
            again += seq == 1 && p.payload_len == MSS;
        }
        if (again)
            break;
    }
    assert_int_equal(again, 1);
}

/* 9293-SHLD-17: that nobody acknowledges what lies beyond is no reason to give up */
SCENARIO(data_beyond_a_shrunken_window_does_not_time_the_connection_out)
{
    static struct wire_packet p;
    w->config.data_retries = 5;
    ten_in_flight(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1 + 2 * MSS, .wnd = MSS - 1460 % 128);
    IN(w, .flags = ACK, .seq = 1, .ack = 1 + 3 * MSS, .wnd = WND_ZERO);
    MARK(w);
    while (w->now_us < w->mark_us + 3600 * SEC) {
        w->now_us = mytcp_next_deadline(w->stack);
        while (wire_poll(w, &p))
            IN(w, .flags = ACK, .seq = 1, .ack = 1 + 3 * MSS, .wnd = WND_ZERO);
    }
    STATE(w, TCP_ESTABLISHED);
    IN(w, .flags = ACK, .seq = 1, .ack = 1 + 3 * MSS);
    assert_true(wire_poll(w, &p) && p.payload_len == MSS);
}

/* 2525-2.12: one octet read of a full buffer is no window; octets that probe it take nothing away,
 * and the ACKs
 * that come with them count */
SCENARIO(probes_while_the_window_waits_to_open_do_not_lock_up)
{
    static struct wire_packet p;
    shut_by_us(w);
    uint32_t end = wire_conn(w)->peer_end;
    WRITE(w, 10 * MSS);
    for (uint32_t i = 0; i < 10; i++) {
        READ(w, 1);
        while (wire_poll(w, &p))
            assert_int_equal(p.ack - wire_conn(w)->irs, end);
        IN(w, .flags = ACK, .seq = end, .ack = 1 + (i + 1) * MSS, .len = 1);
        assert_true(wire_poll(w, &p));
        assert_int_equal(p.ack - wire_conn(w)->irs, end);
        assert_in_range(wire_info(w).rcv_wnd, 0, 128);
    }
    assert_int_equal(wire_info(w).send_queued, 0);
}

/* 9293-MUST-36: what waits may be the FIN alone */
SCENARIO(a_fin_that_finds_the_window_shut_is_the_probe)
{
    wire_passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
    mytcp_shutdown(w->stack, w->fd, SHUT_WR);
    QUIET(w);
    MARK(w);
    AT(w, 300 * MS);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO); /* no room for it */
    AT(w, 900 * MS);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    QUIET(w);
    STATE(w, TCP_FIN_WAIT1);
    IN(w, .flags = ACK, .seq = 1, .ack = 2);
    STATE(w, TCP_FIN_WAIT2);
    assert_int_equal(wire_stats(w).rto_expired, 0);
}

/* A FIN takes a place in the window, too. */
SCENARIO(a_fin_waits_for_room_behind_data_that_fills_the_window)
{
    wire_passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = 128);
    WRITE(w, 128);
    mytcp_shutdown(w->stack, w->fd, SHUT_WR);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 128);
    QUIET(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 129, .wnd = 128);
    OUT(w, .flags = FIN | ACK, .seq = 129, .ack = 1);
    QUIET(w);
}

SCENARIO(what_a_timeout_lost_waits_while_the_window_is_shut)
{
    wire_passive(w);
    WRITE(w, MSS + 100);
    mytcp_shutdown(w->stack, w->fd, SHUT_WR);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    OUT(w, .flags = FIN | ACK, .seq = 1 + MSS, .ack = 1, .len = 100);
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    AT(w, 400 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1 + MSS, .wnd = WND_ZERO);
    QUIET(w);
    AT(w, 1000 * MS); /* the doubled RTO */
    probe(w, 1 + MSS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1 + MSS);
    OUT(w, .flags = FIN | ACK, .seq = 1 + MSS, .ack = 1, .len = 100);
    QUIET(w);
}

/* Nothing that only counts holds a probe up. */
SCENARIO(a_probe_needs_no_memory)
{
    wire_passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
    QUIET(w);
    MARK(w);
    WRITE(w, 100);
    w->fail_from = w->allocs + 1;
    QUIET(w);
    AT(w, 300 * MS);
    probe(w, 1);
    AT(w, 900 * MS);
    probe(w, 1);
    w->fail_from = 0;
    IN(w, .flags = ACK, .seq = 1, .ack = 2);
    OUT(w, .flags = ACK, .seq = 2, .ack = 1, .len = 99);
}

/* A loss that may still turn out to be none is remembered; the octet of a probe is not. */
SCENARIO(a_probes_octet_is_acknowledged_while_the_last_loss_may_still_be_undone)
{
    static struct wire_packet notice;
    wire_passive(w);
    WRITE(w, 5 * MSS);
    for (uint32_t i = 0; i < 5; i++)
        OUT(w, .flags = ACK, .seq = 1 + i * MSS, .ack = 1, .len = MSS);
    for (uint32_t i = 2; i < 5; i++)
        IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{1 + MSS, 1 + i * MSS}});
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    QUIET(w);
    AT(w, 100 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1 + 5 * MSS, .wnd = WND_ZERO);
    WRITE(w, 100);
    QUIET(w);
    w->now_us = mytcp_next_deadline(w->stack);
    struct wire_packet sent = *OUT(w, .flags = ACK, .seq = 1 + 5 * MSS, .ack = 1, .len = 1);
    /* a router's word about it is heard, but it was not too large */
    wire_build_icmp(w, &notice, 3, 4, 552, sent.bytes, 28);
    assert_string_equal(wire_inject(w, &notice), "");
    assert_int_equal(wire_info(w).snd_mss, MSS);
    IN(w, .flags = ACK, .seq = 1, .ack = 2 + 5 * MSS);
    OUT(w, .flags = ACK, .seq = 2 + 5 * MSS, .ack = 1, .len = 99);
    IN(w, .flags = ACK, .seq = 1, .ack = 101 + 5 * MSS, .sack = {{1, 1 + MSS}}); /* too late */
    assert_int_equal(wire_info(w).ssthresh, 5 * MSS / 2);
}

/* Of the octet that probed the window nothing is known: it goes again, with what follows. */
SCENARIO(a_small_window_that_opens_after_a_probe_is_filled_from_its_octet_on)
{
    shut_by_peer(w);
    AT(w, 300 * MS);
    probe(w, 1);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = 512);
    QUIET(w);
    AT(w, 600 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 512);
    QUIET(w);
}

WIRE_MAIN(WIRE_TEST(a_zero_window_is_probed_after_an_rto_and_then_with_backoff),
          WIRE_TEST(a_window_that_opens_lets_data_go_at_once),
          WIRE_TEST(the_answer_to_a_probe_opens_the_window),
          WIRE_TEST(a_peer_that_answers_probes_is_never_given_up),
          WIRE_TEST(an_odd_rest_and_what_is_appended_go_with_a_right_checksum),
          WIRE_TEST(probes_without_any_answer_end_in_etimedout),
          WIRE_TEST(data_in_flight_when_the_window_shuts_is_sent_again_if_lost),
          WIRE_TEST(a_window_that_shrinks_below_snd_nxt_stops_new_data),
          WIRE_TEST(a_probe_of_our_zero_window_is_answered),
          WIRE_TEST(acks_are_taken_at_zero_window),
          WIRE_TEST(acks_that_come_with_data_are_taken_at_zero_window),
          WIRE_TEST(a_rst_is_taken_at_zero_window), WIRE_TEST(a_fin_is_taken_at_zero_window),
          WIRE_TEST(reading_opens_the_window_and_says_so),
          WIRE_TEST(a_probe_after_a_lost_update_is_answered_with_the_open_window),
          WIRE_TEST(an_urgent_pointer_is_taken_at_zero_window),
          WIRE_TEST(an_empty_segment_elsewhere_at_zero_window_is_answered_and_its_ack_ignored),
          WIRE_TEST(old_data_within_a_shrunken_window_is_sent_again),
          WIRE_TEST(data_beyond_a_shrunken_window_does_not_time_the_connection_out),
          WIRE_TEST(probes_while_the_window_waits_to_open_do_not_lock_up),
          WIRE_TEST(a_fin_that_finds_the_window_shut_is_the_probe),
          WIRE_TEST(a_fin_waits_for_room_behind_data_that_fills_the_window),
          WIRE_TEST(what_a_timeout_lost_waits_while_the_window_is_shut),
          WIRE_TEST(a_probe_needs_no_memory),
          WIRE_TEST(a_probes_octet_is_acknowledged_while_the_last_loss_may_still_be_undone),
          WIRE_TEST(a_small_window_that_opens_after_a_probe_is_filled_from_its_octet_on))
