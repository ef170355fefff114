/* Tail-loss probes (RFC 8985 7). The handshake's RTT is 100 ms: SRTT 100 ms, RTO 300 ms. */
#include <sys/socket.h>

#include "lib/wire.h"

enum { MSS = 1460 };

static uint32_t at(uint32_t segment) { return 1 + segment * MSS; }

static void begin(struct wire *w)
{
    w->config.tail_loss_probe = 1;
    w->config.max_ack_delay_us = 200 * MS;
    wire_passive(w);
}

static void send_now(struct wire *w, uint32_t first, uint32_t n)
{
    WRITE(w, n * MSS);
    for (uint32_t i = first; i < first + n; i++)
        OUT(w, .flags = ACK, .seq = at(i), .ack = 1, .len = MSS);
    QUIET(w);
}

/* 8985-7.2a, 8985-7.2b, 8985-7.3b, 8985-7.3c: 2 SRTT; one probe; an RTO from there */
SCENARIO(after_two_round_trips_the_last_segment_goes_again_and_the_rto_counts_from_there)
{
    begin(w);
    send_now(w, 0, 3);
    AT(w, 200 * MS);
    OUT(w, .flags = ACK, .seq = at(2), .ack = 1, .len = MSS);
    QUIET(w);
    assert_int_equal(wire_stats(w).rto_expired, 0);
    AT(w, 500 * MS);
    OUT(w, .flags = ACK, .seq = at(0), .ack = 1, .len = MSS);
    QUIET(w);
    assert_int_equal(wire_stats(w).rto_expired, 1);
    AT(w, 1100 * MS);
    OUT(w, .flags = ACK, .seq = at(0), .ack = 1, .len = MSS);
    QUIET(w);
}

/* 8985-7.2b: a single segment's ACK may be delayed */
SCENARIO(a_single_segment_is_given_50_ms_more)
{
    w->config.tail_loss_probe = 1;
    wire_passive(w);
    send_now(w, 0, 1);
    AT(w, 250 * MS);
    OUT(w, .flags = ACK, .seq = at(0), .ack = 1, .len = MSS);
    QUIET(w);
}

/* 8985-7.2b */
SCENARIO(the_application_says_how_long_a_peer_may_delay_an_ack)
{
    w->config.rto_min_us = 1000000;
    begin(w);
    send_now(w, 0, 1);
    AT(w, 400 * MS);
    OUT(w, .flags = ACK, .seq = at(0), .ack = 1, .len = MSS);
    QUIET(w);
    AT(w, 1400 * MS);
    OUT(w, .flags = ACK, .seq = at(0), .ack = 1, .len = MSS);
    assert_int_equal(wire_stats(w).rto_expired, 1);
}

/* 8985-7.2b */
SCENARIO(the_probe_is_never_later_than_the_timeout_and_goes_in_its_place)
{
    begin(w);
    send_now(w, 0, 1);
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = at(0), .ack = 1, .len = MSS);
    QUIET(w);
    assert_int_equal(wire_stats(w).rto_expired, 0);
    AT(w, 600 * MS);
    OUT(w, .flags = ACK, .seq = at(0), .ack = 1, .len = MSS);
    assert_int_equal(wire_stats(w).rto_expired, 1);
}

/* 8985-7.2a */
SCENARIO(new_data_and_acks_of_new_data_put_the_probe_off)
{
    w->config.rto_min_us = 1000000;
    begin(w);
    send_now(w, 0, 2);
    AT(w, 150 * MS);
    send_now(w, 2, 2);
    AT(w, 250 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = at(1)); /* 250 ms for that: SRTT (7 * 100 + 250) / 8 */
    AT(w, 250 * MS + 2 * 118750);
    OUT(w, .flags = ACK, .seq = at(3), .ack = 1, .len = MSS);
    QUIET(w);
}

/* 8985-7.3b: beyond cwnd, by one segment */
SCENARIO(a_segment_not_yet_sent_is_preferred)
{
    begin(w);
    WRITE(w, 12 * MSS);
    for (uint32_t i = 0; i < 10; i++)
        OUT(w, .flags = ACK, .seq = at(i), .ack = 1, .len = MSS);
    AT(w, 200 * MS);
    OUT(w, .flags = ACK, .seq = at(10), .ack = 1, .len = MSS);
    QUIET(w);
    AT(w, 500 * MS);
    OUT(w, .flags = ACK, .seq = at(0), .ack = 1, .len = MSS);
    QUIET(w);
}

/* 8985-7.3b */
SCENARIO(what_the_peers_window_does_not_allow_is_no_probe)
{
    w->wnd = 3 * MSS;
    w->peer.wscale = 0;
    begin(w);
    WRITE(w, 5 * MSS);
    for (uint32_t i = 0; i < 3; i++)
        OUT(w, .flags = ACK, .seq = at(i), .ack = 1, .len = MSS);
    AT(w, 200 * MS);
    OUT(w, .flags = ACK, .seq = at(2), .ack = 1, .len = MSS);
    QUIET(w);
}

SCENARIO(the_probe_carries_the_fin)
{
    begin(w);
    WRITE(w, 2 * MSS);
    assert_int_equal(mytcp_shutdown(w->stack, w->fd, SHUT_WR), 0);
    static struct wire_packet p;
    uint32_t end = 0;
    while (wire_poll(w, &p))
        end = p.seq - wire_conn(w)->iss + p.payload_len + (p.flags & FIN ? 1 : 0);
    assert_int_equal(end, at(2) + 1);
    wire_skip_to(w, 199 * MS);
    QUIET(w);
    w->now_us += 1 * MS;
    assert_true(wire_poll(w, &p));
    assert_true(p.flags & FIN);
    QUIET(w);
}

SCENARIO(of_a_super_segment_the_probe_is_the_last_piece)
{
    w->config.gso_max_bytes = 65535;
    w->config.tx_csum = 1;
    begin(w);
    WRITE(w, 5 * MSS + 7);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 5 * MSS + 7, .gso_size = MSS);
    AT(w, 200 * MS);
    OUT(w, .flags = ACK, .seq = at(5), .ack = 1, .len = 7);
    QUIET(w);
}

/* 8985-4a */
SCENARIO(there_is_no_probe_without_sack)
{
    w->peer.sackok = false;
    begin(w);
    send_now(w, 0, 3);
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = at(0), .ack = 1, .len = MSS);
    QUIET(w);
    assert_int_equal(wire_stats(w).rto_expired, 1);
}

/* 8985-7.2a, 8985-8: once something is SACKed, the reordering timer takes over */
SCENARIO(there_is_no_probe_once_something_is_sacked)
{
    begin(w);
    send_now(w, 0, 3);
    AT(w, 100 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(2), at(3)}});
    AT(w, 125 * MS);
    OUT(w, .flags = ACK, .seq = at(0), .ack = 1, .len = MSS);
    QUIET(w);
    static struct wire_packet p;
    assert_int_equal(wire_skip_to(w, 299 * MS), 0);
    assert_false(wire_poll(w, &p));
}

/* Lost: the last of three. The probe of 500 ms (with rto_min 1 s) mends it at 600 ms. */
static void last_is_lost(struct wire *w)
{
    w->config.rto_min_us = 1000000;
    begin(w);
    send_now(w, 0, 3);
    AT(w, 100 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = at(2));
    AT(w, 500 * MS);
    OUT(w, .flags = ACK, .seq = at(2), .ack = 1, .len = MSS);
    QUIET(w);
    AT(w, 600 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = at(3));
    QUIET(w);
}

/* 8985-7.4a, 8985-7.4b: the ACK beyond the probe decides, and once */
SCENARIO(a_loss_repaired_by_the_probe_reduces_cwnd_once)
{
    last_is_lost(w);
    uint32_t before = wire_info(w).cwnd;
    assert_true(before >= 10 * MSS);
    send_now(w, 3, 6);
    AT(w, 700 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = at(5));
    assert_int_equal(wire_info(w).ssthresh, 3 * MSS); /* half of what was in flight */
    uint32_t cwnd = wire_info(w).cwnd;
    assert_in_range(cwnd, 3 * MSS, 4 * MSS);
    IN(w, .flags = ACK, .seq = 1, .ack = at(9));
    assert_int_equal(wire_info(w).ssthresh, 3 * MSS);
    assert_true(wire_info(w).cwnd >= cwnd);
    assert_int_equal(wire_stats(w).fast_recoveries, 0);
    assert_int_equal(wire_stats(w).rto_expired, 0);
}

/* 8985-7.4b, case 1: the D-SACK comes when nothing is in flight any more */
SCENARIO(a_probe_reported_as_duplicate_reduces_nothing)
{
    last_is_lost(w); /* no: the original's ACK was late */
    struct mytcp_conn_info before = wire_info(w);
    AT(w, 610 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = at(3), .sack = {{at(2), at(3)}});
    send_now(w, 3, 6);
    AT(w, 710 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = at(9));
    assert_int_equal(wire_info(w).ssthresh, before.ssthresh);
    assert_true(wire_info(w).cwnd >= before.cwnd);
}

/* 8985-7.4b, case 1: ... or with the ACK that covers it */
SCENARIO(a_probe_reported_as_duplicate_at_once_reduces_nothing)
{
    begin(w);
    send_now(w, 0, 3);
    AT(w, 200 * MS);
    OUT(w, .flags = ACK, .seq = at(2), .ack = 1, .len = MSS);
    struct mytcp_conn_info before = wire_info(w);
    AT(w, 300 * MS); /* the ACK before this one was lost */
    IN(w, .flags = ACK, .seq = 1, .ack = at(3), .sack = {{at(2), at(3)}});
    send_now(w, 3, 2);
    AT(w, 400 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = at(5));
    assert_int_equal(wire_info(w).ssthresh, before.ssthresh);
    assert_true(wire_info(w).cwnd >= before.cwnd);
}

/* 8985-7.4b, case 2: a peer without D-SACK */
SCENARIO(a_duplicate_ack_without_sack_tells_the_same)
{
    last_is_lost(w);
    struct mytcp_conn_info before = wire_info(w);
    send_now(w, 3, 2);
    AT(w, 610 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = at(3));
    AT(w, 700 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = at(5));
    assert_int_equal(wire_info(w).ssthresh, before.ssthresh);
    assert_true(wire_info(w).cwnd >= before.cwnd);
}

SCENARIO(a_probe_of_new_data_reduces_nothing)
{
    begin(w);
    WRITE(w, 12 * MSS);
    for (uint32_t i = 0; i < 10; i++)
        OUT(w, .flags = ACK, .seq = at(i), .ack = 1, .len = MSS);
    struct mytcp_conn_info before = wire_info(w);
    AT(w, 200 * MS);
    OUT(w, .flags = ACK, .seq = at(10), .ack = 1, .len = MSS);
    AT(w, 300 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = at(11));
    OUT(w, .flags = ACK, .seq = at(11), .ack = 1, .len = MSS);
    AT(w, 400 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = at(12));
    assert_int_equal(wire_info(w).ssthresh, before.ssthresh);
    assert_true(wire_info(w).cwnd >= before.cwnd);
}

/* the SACK of the probe lets RACK find what else was lost at the tail */
SCENARIO(the_sack_of_the_probe_starts_fast_recovery_of_the_tail)
{
    w->config.rto_min_us = 1000000;
    begin(w);
    send_now(w, 0, 5); /* 2, 3 and 4 are lost */
    AT(w, 100 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = at(2));
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = at(4), .ack = 1, .len = MSS);
    AT(w, 400 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = at(2), .sack = {{at(4), at(5)}});
    OUT(w, .flags = ACK, .seq = at(2), .ack = 1, .len = MSS);
    AT(w, 500 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = at(3), .sack = {{at(4), at(5)}});
    OUT(w, .flags = ACK, .seq = at(3), .ack = 1, .len = MSS);
    AT(w, 600 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = at(5));
    QUIET(w);
    assert_int_equal(wire_stats(w).fast_recoveries, 1);
    assert_int_equal(wire_stats(w).rto_expired, 0);
}

/* ... and with timestamps, though a SACK of what came out of order echoes an old one (RFC 7323 4.3) */
SCENARIO(the_old_echo_in_the_sack_of_the_probe_hides_nothing)
{
    enum { LEN = MSS - 12 };
    w->config.rto_min_us = 1000000;
    w->peer.ts = true;
    begin(w);
    WRITE(w, 3 * LEN);
    for (uint32_t i = 0; i < 3; i++)
        OUT(w, .flags = ACK, .seq = 1 + i * LEN, .ack = 1, .len = LEN);
    uint32_t first = wire_conn(w)->tsval_seen;
    AT(w, 200 * MS);
    OUT(w, .flags = ACK, .seq = 1 + 2 * LEN, .ack = 1, .len = LEN);
    AT(w, 300 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .ts = true, .tsval = (uint32_t)(w->now_us / 1000), .tsecr = first,
       .sack = {{1 + 2 * LEN, 1 + 3 * LEN}});
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = LEN);
    assert_int_equal(wire_stats(w).rto_expired, 0);
}

/* 8985-7.3a */
SCENARIO(there_is_no_second_probe_while_the_firsts_outcome_is_unknown)
{
    last_is_lost(w);
    MARK(w);
    send_now(w, 3, 3);
    AT(w, 1000 * MS);
    OUT(w, .flags = ACK, .seq = at(3), .ack = 1, .len = MSS);
    QUIET(w);
    assert_int_equal(wire_stats(w).rto_expired, 1);
}

/* 8985-7.3a: the ACK of what was sent twice is no sample, and only a sample allows the next */
SCENARIO(without_a_new_rtt_sample_there_is_no_second_probe)
{
    last_is_lost(w);
    IN(w, .flags = ACK, .seq = 1, .ack = at(3), .sack = {{at(2), at(3)}});
    MARK(w);
    send_now(w, 3, 3);
    AT(w, 1000 * MS);
    OUT(w, .flags = ACK, .seq = at(3), .ack = 1, .len = MSS);
    QUIET(w);
    assert_int_equal(wire_stats(w).rto_expired, 1);
}

/* 8985-7.3a */
SCENARIO(after_a_new_rtt_sample_there_is_a_second_probe)
{
    last_is_lost(w);
    MARK(w);
    send_now(w, 3, 3);
    AT(w, 100 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = at(4)); /* 100 ms, again and again */
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = at(5), .ack = 1, .len = MSS);
    QUIET(w);
    assert_int_equal(wire_stats(w).rto_expired, 0);
}

/* 8985-7.3a: with timestamps, the probe's own ACK is one */
SCENARIO(an_echoed_timestamp_is_a_sample)
{
    w->peer.ts = true;
    w->config.rto_min_us = 1000000;
    begin(w);
    enum { LEN = MSS - 12 };
    WRITE(w, LEN);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = LEN);
    AT(w, 400 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = LEN);
    AT(w, 500 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1 + LEN, .sack = {{1, 1 + LEN}});
    MARK(w);
    WRITE(w, 2 * LEN);
    OUT(w, .flags = ACK, .seq = 1 + LEN, .ack = 1, .len = LEN);
    OUT(w, .flags = ACK, .seq = 1 + 2 * LEN, .ack = 1, .len = LEN);
    AT(w, 200 * MS);
    OUT(w, .flags = ACK, .seq = 1 + 2 * LEN, .ack = 1, .len = LEN);
    QUIET(w);
}

SCENARIO(the_setting_turns_it_off)
{
    wire_passive(w);
    send_now(w, 0, 3);
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = at(0), .ack = 1, .len = MSS);
    QUIET(w);
}

/* 8985-7.4b: a duplicate ACK that brings news of other data says nothing of the probe */
SCENARIO(an_ack_that_sacks_newer_data_is_no_duplicate_of_the_probe)
{
    last_is_lost(w);
    send_now(w, 3, 2);
    AT(w, 610 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = at(3), .sack = {{at(4), at(5)}});
    AT(w, 612 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = at(5));
    assert_int_equal(wire_info(w).ssthresh, 2 * MSS); /* it had mended a loss */
}

/* 3168-6.1.2b, 8985-7.4b: once a window, whoever tells of it */
SCENARIO(a_loss_mended_by_the_probe_in_a_window_reduced_for_a_mark_reduces_nothing_more)
{
    w->config.ecn = 1;
    w->config.tail_loss_probe = 1;
    w->config.rto_min_us = 1000000;
    wire_listen(w, 5);
    struct wire_segment syn = wire_peer_syn(w, SYN | ECE | CWR, 0);
    wire_in(w, __FILE__, __LINE__, &syn);
    OUT(w, .flags = SYN | ACK | ECE, .seq = 0, .ack = 1);
    w->now_us += w->rtt_us;
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    w->fd = mytcp_accept(w->stack, w->listener, NULL, NULL, SOCK_NONBLOCK);
    MARK(w);
    send_now(w, 0, 8);
    AT(w, 200 * MS);
    OUT(w, .flags = ACK, .seq = at(7), .ack = 1, .len = MSS);
    send_now(w, 8, 1);
    AT(w, 250 * MS);
    IN(w, .flags = ACK | ECE, .seq = 1, .ack = at(1));
    QUIET(w);
    assert_int_equal(wire_info(w).ssthresh, 9 * MSS / 2); /* nine were in flight */
    AT(w, 300 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = at(9));
    assert_int_equal(wire_info(w).ssthresh, 9 * MSS / 2);
    assert_true(wire_info(w).cwnd >= 9 * MSS / 2);
}

SCENARIO(of_a_segment_acknowledged_in_part_the_probe_is_the_rest)
{
    begin(w);
    WRITE(w, 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    AT(w, 100 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 41);
    AT(w, 400 * MS); /* the RTO, which is sooner than two round trips and 200 ms */
    OUT(w, .flags = ACK, .seq = 41, .ack = 1, .len = 60);
    QUIET(w);
    assert_int_equal(wire_stats(w).rto_expired, 0);
}

/* 9293-MUST-34: the window's edge holds for a probe as well */
SCENARIO(a_small_tail_goes_again_as_it_was_though_more_waits_for_the_window)
{
    w->wnd = 100 * 128;
    begin(w);
    WRITE(w, 8 * MSS);
    for (uint32_t i = 0; i < 8; i++)
        OUT(w, .flags = ACK, .seq = at(i), .ack = 1, .len = MSS);
    WRITE(w, 100 * 128 - 8 * MSS);
    OUT(w, .flags = ACK, .seq = at(8), .ack = 1, .len = 100 * 128 - 8 * MSS);
    WRITE(w, 500);
    QUIET(w);
    AT(w, 200 * MS);
    OUT(w, .flags = ACK, .seq = at(8), .ack = 1, .len = 100 * 128 - 8 * MSS);
    QUIET(w);
}

WIRE_MAIN(WIRE_TEST(after_two_round_trips_the_last_segment_goes_again_and_the_rto_counts_from_there),
          WIRE_TEST(a_single_segment_is_given_50_ms_more),
          WIRE_TEST(the_application_says_how_long_a_peer_may_delay_an_ack),
          WIRE_TEST(the_probe_is_never_later_than_the_timeout_and_goes_in_its_place),
          WIRE_TEST(new_data_and_acks_of_new_data_put_the_probe_off),
          WIRE_TEST(a_segment_not_yet_sent_is_preferred),
          WIRE_TEST(what_the_peers_window_does_not_allow_is_no_probe),
          WIRE_TEST(the_probe_carries_the_fin),
          WIRE_TEST(of_a_super_segment_the_probe_is_the_last_piece),
          WIRE_TEST(there_is_no_probe_without_sack),
          WIRE_TEST(there_is_no_probe_once_something_is_sacked),
          WIRE_TEST(a_loss_repaired_by_the_probe_reduces_cwnd_once),
          WIRE_TEST(a_probe_reported_as_duplicate_reduces_nothing),
          WIRE_TEST(a_probe_reported_as_duplicate_at_once_reduces_nothing),
          WIRE_TEST(a_duplicate_ack_without_sack_tells_the_same),
          WIRE_TEST(a_probe_of_new_data_reduces_nothing),
          WIRE_TEST(the_sack_of_the_probe_starts_fast_recovery_of_the_tail),
          WIRE_TEST(there_is_no_second_probe_while_the_firsts_outcome_is_unknown),
          WIRE_TEST(without_a_new_rtt_sample_there_is_no_second_probe),
          WIRE_TEST(after_a_new_rtt_sample_there_is_a_second_probe),
          WIRE_TEST(an_echoed_timestamp_is_a_sample),
          WIRE_TEST(the_setting_turns_it_off),
          WIRE_TEST(the_old_echo_in_the_sack_of_the_probe_hides_nothing),
          WIRE_TEST(an_ack_that_sacks_newer_data_is_no_duplicate_of_the_probe),
          WIRE_TEST(a_loss_mended_by_the_probe_in_a_window_reduced_for_a_mark_reduces_nothing_more),
          WIRE_TEST(of_a_segment_acknowledged_in_part_the_probe_is_the_rest),
          WIRE_TEST(a_small_tail_goes_again_as_it_was_though_more_waits_for_the_window))
