/* The retransmission timeout (RFC 6298). The handshake's RTT of 100 ms gives 100 + 4 * 50 = 300 ms.
 */
#include "lib/wire.h"

enum { MSS = 1460 };

/* 9293-MUST-19, 6298-1, 8961-4, 6298-2.2, 6298-5.1, 6298-5.4, 6298-5.5, 6298-5.6 */
SCENARIO(lost_data_is_sent_again_at_300_900_2100_ms)
{
    wire_passive(w);
    WRITE(w, 1000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    QUIET(w);
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    AT(w, 900 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    AT(w, 2100 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    QUIET(w);
    assert_int_equal(wire_stats(w).rto_expired, 3);
    assert_int_equal(wire_stats(w).retransmitted_segments, 3);
    assert_int_equal(wire_stats(w).retransmitted_bytes, 3000);
}

SCENARIO(the_active_side_measures_its_handshake_as_well)
{
    wire_active(w);
    WRITE(w, 1000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
}

/* 6298-2.2, 6298-2.3a, 6298-2.3b: 400 ms, then 800 ms: RTO 1200, then 1450 ms */
SCENARIO(two_samples_give_the_estimate_of_rfc_6298)
{
    w->rtt_us = 400 * MS;
    wire_passive(w);
    assert_int_equal(wire_info(w).rto_us, 1200 * MS);
    WRITE(w, 1000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    AT(w, 800 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1001);
    assert_in_range(wire_info(w).srtt_us, 449999, 450001);
    assert_in_range(wire_info(w).rttvar_us, 249999, 250001);
    assert_in_range(wire_info(w).rto_us, 1449990, 1450010);
}

/* 6298-2.4, with a smaller default */
SCENARIO(the_minimum_is_200_ms)
{
    w->rtt_us = 1 * MS;
    wire_passive(w);
    WRITE(w, 1000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    AT(w, 200 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
}

SCENARIO(the_minimum_of_rfc_6298_is_one_setting_away)
{
    w->config.rto_min_us = 1000000;
    wire_passive(w);
    WRITE(w, 1000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    AT(w, 1 * SEC);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    AT(w, 3 * SEC);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
}

/* G131, 6298-5.2 */
SCENARIO(the_timer_stops_when_all_is_acknowledged)
{
    wire_passive(w);
    WRITE(w, 1000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    AT(w, 100 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1001);
    QUIET(w);
    assert_int_equal(mytcp_next_deadline(w->stack), MYTCP_NEVER_US);
}

/* 6298-5.1, G129 */
SCENARIO(the_timer_counts_from_the_first_segment_not_the_last)
{
    wire_passive(w);
    WRITE(w, MSS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    AT(w, 250 * MS);
    WRITE(w, MSS);
    OUT(w, .flags = ACK, .seq = 1 + MSS, .ack = 1, .len = MSS);
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    QUIET(w);
}

/* 6928-5, G130, 6298-5.3: A acknowledged at 100 ms (RTO then 100 + 4 * 37.5 = 250 ms), B again at 350 ms */
SCENARIO(an_ack_of_new_data_restarts_the_timer)
{
    wire_passive(w);
    WRITE(w, MSS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    AT(w, 50 * MS);
    WRITE(w, MSS);
    OUT(w, .flags = ACK, .seq = 1 + MSS, .ack = 1, .len = MSS);
    AT(w, 100 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1 + MSS);
    AT(w, 350 * MS);
    OUT(w, .flags = ACK, .seq = 1 + MSS, .ack = 1, .len = MSS);
}

/* G150: what the peer sends does not touch our timer */
SCENARIO(received_data_does_not_restart_the_timer)
{
    wire_passive(w);
    WRITE(w, 1000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    AT(w, 200 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    OUT(w, .flags = ACK, .seq = 1001, .ack = 101);
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 101, .len = 1000);
}

/* 9293-MUST-18, 8961-2, 6298-3a (Karn), G135 */
SCENARIO(an_ack_of_what_was_sent_twice_is_no_sample)
{
    wire_passive(w);
    struct mytcp_conn_info before = wire_info(w);
    WRITE(w, 1000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    AT(w, 310 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1001);
    assert_int_equal(wire_info(w).srtt_us, before.srtt_us);
    assert_int_equal(wire_info(w).rttvar_us, before.rttvar_us);
}

/* 6298-5.9: the doubled timeout stays until there is a sample */
SCENARIO(the_backoff_stays_until_new_data_is_measured)
{
    wire_passive(w);
    WRITE(w, 1000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    AT(w, 400 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1001);
    MARK(w);
    WRITE(w, 1000);
    OUT(w, .flags = ACK, .seq = 1001, .ack = 1, .len = 1000);
    AT(w, 100 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 2001); /* a sample: 100 + 4 * 37.5 */
    MARK(w);
    WRITE(w, 1000);
    OUT(w, .flags = ACK, .seq = 2001, .ack = 1, .len = 1000);
    AT(w, 250 * MS);
    OUT(w, .flags = ACK, .seq = 2001, .ack = 1, .len = 1000);
}

SCENARIO(the_next_data_after_a_retransmission_waits_for_the_doubled_timeout)
{
    wire_passive(w);
    WRITE(w, 1000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    AT(w, 400 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1001);
    MARK(w);
    WRITE(w, 1000);
    OUT(w, .flags = ACK, .seq = 1001, .ack = 1, .len = 1000);
    AT(w, 600 * MS);
    OUT(w, .flags = ACK, .seq = 1001, .ack = 1, .len = 1000);
}

/* 9293-MUST-19, 9293-TMO-2, 2525-2.14, 6298-5.4, 5681-3.1m: one segment, then slow start over what was lost */
SCENARIO(a_lost_window_is_sent_again_in_slow_start)
{
    wire_passive(w);
    WRITE(w, 10 * MSS);
    for (uint32_t i = 0; i < 10; i++)
        OUT(w, .flags = ACK, .seq = 1 + i * MSS, .ack = 1, .len = MSS);
    QUIET(w);
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    QUIET(w);
    assert_int_equal(wire_info(w).ssthresh, 5 * MSS); /* 5681-3.1k */
    AT(w, 400 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1 + MSS);
    OUT(w, .flags = ACK, .seq = 1 + MSS, .ack = 1, .len = MSS);
    OUT(w, .flags = ACK, .seq = 1 + 2 * MSS, .ack = 1, .len = MSS);
    QUIET(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1 + 10 * MSS); /* G074: the rest had arrived */
    QUIET(w);
    assert_int_equal(wire_info(w).send_queued, 0);
}

/* 3465-2: without SACK an ACK counts for one segment until what was lost is acknowledged; G155: no burst */
SCENARIO(after_a_timeout_an_ack_of_old_data_opens_the_window_by_a_segment)
{
    w->peer.sackok = false;
    wire_passive(w);
    WRITE(w, 10 * MSS);
    for (uint32_t i = 0; i < 10; i++)
        OUT(w, .flags = ACK, .seq = 1 + i * MSS, .ack = 1, .len = MSS);
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    AT(w, 400 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1 + 10 * MSS);
    assert_int_equal(wire_info(w).cwnd, 2 * MSS);
}

/* 7661-1: ten were in flight, so the window grows to twenty by their ACKs, however few are in flight in the end; five
 * show nothing about it */
SCENARIO(a_window_grows_only_while_half_of_it_was_in_use)
{
    wire_passive(w);
    WRITE(w, 10 * MSS);
    for (uint32_t i = 0; i < 10; i++)
        OUT(w, .flags = ACK, .seq = 1 + i * MSS, .ack = 1, .len = MSS);
    w->now_us += 100 * MS;
    for (uint32_t i = 1; i <= 10; i++)
        IN(w, .flags = ACK, .seq = 1, .ack = 1 + i * MSS);
    assert_int_equal(wire_info(w).cwnd, 20 * MSS);
    for (uint32_t round = 0; round < 5; round++) {
        WRITE(w, 5 * MSS);
        for (uint32_t i = 0; i < 5; i++)
            OUT(w, .flags = ACK, .seq = 1 + (10 + 5 * round + i) * MSS, .ack = 1, .len = MSS);
        w->now_us += 100 * MS;
        for (uint32_t i = 1; i <= 5; i++)
            IN(w, .flags = ACK, .seq = 1, .ack = 1 + (10 + 5 * round + i) * MSS);
        assert_int_equal(wire_info(w).cwnd, 20 * MSS);
    }
}

/* 8961-3, 6928-3, 5681-3.1l, G107: ssthresh is not lowered again for the same data */
SCENARIO(repeated_timeouts_lower_ssthresh_once)
{
    wire_passive(w);
    WRITE(w, 10 * MSS);
    for (uint32_t i = 0; i < 10; i++)
        OUT(w, .flags = ACK, .seq = 1 + i * MSS, .ack = 1, .len = MSS);
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    AT(w, 900 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    assert_int_equal(wire_info(w).ssthresh, 5 * MSS);
    assert_int_equal(wire_info(w).cwnd, MSS);
}

/* with timestamps an ACK says which of the two it answers (RFC 7323 4.1) */
SCENARIO(timestamps_give_a_sample_even_from_a_retransmission)
{
    w->peer.ts = true;
    wire_passive(w);
    WRITE(w, 1000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    AT(w, 400 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1001);
    MARK(w);
    WRITE(w, 1000);
    OUT(w, .flags = ACK, .seq = 1001, .ack = 1, .len = 1000);
    AT(w, 250 * MS); /* 100 + 4 * 37.5, and the backoff is gone */
    OUT(w, .flags = ACK, .seq = 1001, .ack = 1, .len = 1000);
}

/* 9293-MUST-20, G173 */
SCENARIO(it_gives_up_after_the_configured_number_of_retries)
{
    w->config.data_retries = 3;
    wire_passive(w);
    WRITE(w, 1000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    for (unsigned n = 1; n <= 3; n++) {
        AT(w, 300 * MS * ((1u << n) - 1));
        OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    }
    AT(w, 4500 * MS - 1);
    STATE(w, TCP_ESTABLISHED);
    wire_skip_to(w, 4500 * MS);
    wire_skip_to(w, 4600 * MS);
    STATE(w, TCP_CLOSE);
    assert_true(wire_ready(w, w->fd) & POLLERR);
    uint8_t byte;
    FAILS(w, mytcp_recv(w->stack, w->fd, &byte, 1, 0), ETIMEDOUT);
    assert_int_equal(mytcp_next_deadline(w->stack), MYTCP_NEVER_US);
}

/* 8961-4, G143, 9293-SHLD-11: at least 100 s by default; the interval is capped at 120 s (6298-2.5) */
SCENARIO(by_default_it_gives_up_after_15_retries)
{
    static const uint64_t late_s[] = {2733, 3933, 5133, 6333, 7533, 8733}; /* tenths */
    wire_passive(w);
    WRITE(w, 1000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    for (unsigned n = 1; n <= 9; n++) {
        AT(w, 300 * MS * ((1u << n) - 1));
        OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    }
    for (unsigned i = 0; i < 6; i++) {
        AT(w, late_s[i] * 100 * MS);
        OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    }
    AT(w, 993300 * MS - 1);
    STATE(w, TCP_ESTABLISHED);
    wire_skip_to(w, 994 * SEC);
    assert_int_equal(wire_so_error(w), ETIMEDOUT);
}

/* 9293-TMO-1, G151, 9293-MUST-21, TCP_USER_TIMEOUT in milliseconds as on Linux */
SCENARIO(it_gives_up_after_the_user_timeout)
{
    wire_passive(w);
    wire_set(w, IPPROTO_TCP, TCP_USER_TIMEOUT, 2000);
    WRITE(w, 1000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    AT(w, 900 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    AT(w, 2000 * MS - 1);
    STATE(w, TCP_ESTABLISHED);
    wire_skip_to(w, 2001 * MS);
    STATE(w, TCP_CLOSE);
    assert_int_equal(wire_so_error(w), ETIMEDOUT);
}

/* the user timeout counts from the first unacknowledged byte, and progress restarts it */
SCENARIO(an_ack_restarts_the_user_timeout)
{
    wire_passive(w);
    wire_set(w, IPPROTO_TCP, TCP_USER_TIMEOUT, 1000);
    AT(w, 30 * SEC); /* idle time does not count */
    MARK(w);
    WRITE(w, 2 * MSS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    OUT(w, .flags = ACK, .seq = 1 + MSS, .ack = 1, .len = MSS);
    AT(w, 250 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1 + MSS);
    wire_skip_to(w, 1249 * MS);
    STATE(w, TCP_ESTABLISHED);
    wire_skip_to(w, 2 * SEC);
    STATE(w, TCP_CLOSE);
}

/* G249: Nothing is timed out by bytes that nobody sent */
SCENARIO(an_idle_connection_has_no_timer)
{
    wire_passive(w);
    assert_int_equal(mytcp_next_deadline(w->stack), MYTCP_NEVER_US);
    AT(w, 10000000 * SEC);
    QUIET(w);
    STATE(w, TCP_ESTABLISHED);
}

/* 5681-4.1: after an idle RTO the burst is the initial window */
SCENARIO(an_idle_connection_restarts_from_the_initial_window)
{
    wire_passive(w);
    for (uint32_t i = 0; i < 20; i++) { /* grow cwnd */
        WRITE(w, 10 * MSS);
        for (uint32_t k = 0; k < 10; k++)
            OUT(w, .flags = ACK, .seq = 1 + (10 * i + k) * MSS, .ack = 1, .len = MSS);
        IN(w, .flags = ACK, .seq = 1, .ack = 1 + 10 * (i + 1) * MSS);
        QUIET(w);
    }
    assert_true(wire_info(w).cwnd > 10 * MSS);
    MARK(w);
    AT(w, 10 * SEC);
    WRITE(w, 40 * MSS);
    unsigned burst = 0;
    static struct wire_packet p;
    while (wire_poll(w, &p))
        burst++;
    assert_int_equal(burst, 10);
}

/* 9293-MUST-20, 9293-SHLD-9, 9293-MUST-47: R1 is three retransmissions: the application can know,
 * and goes on */
SCENARIO(at_r1_so_error_tells_of_the_trouble_once_and_progress_takes_it_back)
{
    wire_passive(w);
    for (uint32_t i = 0; i < 2; i++) {
        MARK(w);
        WRITE(w, 1000);
        OUT(w, .flags = ACK, .seq = 1 + 1000 * i, .ack = 1, .len = 1000);
        while (wire_stats(w).rto_expired < 3 * (i + 1)) {
            assert_int_equal(wire_so_error(w), 0);
            wire_skip_to(w, w->now_us - w->mark_us + 10 * MS);
        }
        if (i == 1)
            IN(w, .flags = ACK, .seq = 1, .ack = 2001);
        else
            assert_int_equal(wire_so_error(w), ETIMEDOUT);
        assert_int_equal(wire_so_error(w), 0);
        STATE(w, TCP_ESTABLISHED);
        if (i == 0)
            IN(w, .flags = ACK, .seq = 1, .ack = 1001);
    }
}

/* 5482-1: the peer's wishes (RFC 5482, option 28) do not change what the application has set, nor
 * anything */
SCENARIO(a_user_timeout_option_changes_nothing)
{
    static const uint8_t option[] = {28, 4, 0, 1, 1, 1, 1, 1}; /* one second */
    wire_passive(w);
    wire_set(w, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .options = option, .options_len = sizeof(option));
    assert_int_equal(wire_option(w, IPPROTO_TCP, TCP_USER_TIMEOUT), 5000);
    WRITE(w, 1000);
    wire_skip_to(w, 5000 * MS - 1);
    STATE(w, TCP_ESTABLISHED);
    wire_skip_to(w, 5001 * MS);
    STATE(w, TCP_CLOSE);
}

/* G143: doublings without end are no overflow */
SCENARIO(after_three_hundred_losses_in_a_row_the_timeout_is_the_longest)
{
    w->config.rto_max_us = 60 * SEC;
    wire_passive(w);
    uint64_t rto_us = 300 * MS;
    for (uint32_t n = 0; n < 300; n++) {
        MARK(w);
        WRITE(w, 1);
        OUT(w, .flags = ACK, .seq = 1 + n, .ack = 1, .len = 1);
        AT(w, rto_us);
        OUT(w, .flags = ACK, .seq = 1 + n, .ack = 1, .len = 1);
        IN(w, .flags = ACK, .seq = 1, .ack = 2 + n); /* of which it is, nobody knows: no measurement */
        rto_us = 2 * rto_us < 60 * SEC ? 2 * rto_us : 60 * SEC;
    }
}

WIRE_MAIN(WIRE_TEST(lost_data_is_sent_again_at_300_900_2100_ms),
          WIRE_TEST(the_active_side_measures_its_handshake_as_well),
          WIRE_TEST(two_samples_give_the_estimate_of_rfc_6298), WIRE_TEST(the_minimum_is_200_ms),
          WIRE_TEST(the_minimum_of_rfc_6298_is_one_setting_away),
          WIRE_TEST(the_timer_stops_when_all_is_acknowledged),
          WIRE_TEST(the_timer_counts_from_the_first_segment_not_the_last),
          WIRE_TEST(an_ack_of_new_data_restarts_the_timer),
          WIRE_TEST(received_data_does_not_restart_the_timer),
          WIRE_TEST(an_ack_of_what_was_sent_twice_is_no_sample),
          WIRE_TEST(the_backoff_stays_until_new_data_is_measured),
          WIRE_TEST(the_next_data_after_a_retransmission_waits_for_the_doubled_timeout),
          WIRE_TEST(a_lost_window_is_sent_again_in_slow_start),
          WIRE_TEST(repeated_timeouts_lower_ssthresh_once),
          WIRE_TEST(timestamps_give_a_sample_even_from_a_retransmission),
          WIRE_TEST(it_gives_up_after_the_configured_number_of_retries),
          WIRE_TEST(by_default_it_gives_up_after_15_retries),
          WIRE_TEST(it_gives_up_after_the_user_timeout),
          WIRE_TEST(an_ack_restarts_the_user_timeout), WIRE_TEST(an_idle_connection_has_no_timer),
          WIRE_TEST(an_idle_connection_restarts_from_the_initial_window),
          WIRE_TEST(at_r1_so_error_tells_of_the_trouble_once_and_progress_takes_it_back),
          WIRE_TEST(a_user_timeout_option_changes_nothing),
          WIRE_TEST(after_a_timeout_an_ack_of_old_data_opens_the_window_by_a_segment),
          WIRE_TEST(a_window_grows_only_while_half_of_it_was_in_use),
          WIRE_TEST(after_three_hundred_losses_in_a_row_the_timeout_is_the_longest))
