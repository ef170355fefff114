/* The handshake under loss: each of its three segments lost, and when to give up. */
#include "lib/wire.h"

/* 6298-2.1, 8961-1, 1122-4.2.3.1, G147, G057, G222:
 * RFC 6298 2.1, 5.5: 1 s, doubling; at least 3 minutes (9293-MUST-23); a cap of 120 s */
SCENARIO(a_lost_syn_is_sent_again_with_backoff_until_connect_times_out)
{
    static const uint64_t at_s[] = {1, 3, 7, 15, 31, 63, 127};
    wire_syn_sent(w);
    for (unsigned i = 0; i < 7; i++) {
        AT(w, at_s[i] * SEC);
        OUT(w, .flags = SYN, .mss = 1460); /* the harness asserts the same ISN */
        QUIET(w);
    }
    AT(w, 247 * SEC - 1);
    STATE(w, TCP_SYN_SENT);
    AT(w, 247 * SEC);
    QUIET(w);
    assert_true(wire_ready(w, w->fd) & POLLERR);
    assert_int_equal(wire_so_error(w), ETIMEDOUT);
    assert_int_equal(mytcp_next_deadline(w->stack), MYTCP_NEVER_US);
    assert_int_equal(wire_stats(w).failed, 1);
}

/* TCP_SYNCNT, 9293-MUST-21 */
SCENARIO(the_application_sets_how_often_a_syn_is_sent_again)
{
    wire_syn_sent(w);
    wire_set(w, IPPROTO_TCP, TCP_SYNCNT, 2);
    AT(w, 1 * SEC);
    OUT(w, .flags = SYN);
    AT(w, 3 * SEC);
    OUT(w, .flags = SYN);
    AT(w, 7 * SEC);
    QUIET(w);
    assert_int_equal(wire_so_error(w), ETIMEDOUT);
}

/* TCP_USER_TIMEOUT counts from the first SYN, too (9293-MUST-22) */
SCENARIO(the_user_timeout_ends_an_attempt_to_connect)
{
    wire_syn_sent(w);
    wire_set(w, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000);
    AT(w, 1 * SEC);
    OUT(w, .flags = SYN);
    AT(w, 3 * SEC);
    OUT(w, .flags = SYN);
    AT(w, 5 * SEC - 1);
    STATE(w, TCP_SYN_SENT);
    wire_skip_to(w, 7 * SEC);
    QUIET(w);
    assert_int_equal(wire_so_error(w), ETIMEDOUT);
}

SCENARIO(a_connection_whose_syn_was_lost_once_works)
{
    wire_syn_sent(w);
    AT(w, 1 * SEC);
    OUT(w, .flags = SYN);
    w->now_us += 100 * MS;
    struct wire_segment syn_ack = wire_peer_syn(w, SYN | ACK, 1);
    wire_in(w, __FILE__, __LINE__, &syn_ack);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    STATE(w, TCP_ESTABLISHED);
    assert_int_equal(wire_info(w).syn_retransmits, 1);
}

/* G153, 6298-5.7: no sample from a SYN sent twice (Karn), so data starts with 3 s */
SCENARIO(after_a_lost_syn_the_first_datas_timeout_is_3_s)
{
    wire_syn_sent(w);
    AT(w, 1 * SEC);
    OUT(w, .flags = SYN);
    w->now_us += 100 * MS;
    struct wire_segment syn_ack = wire_peer_syn(w, SYN | ACK, 1);
    wire_in(w, __FILE__, __LINE__, &syn_ack);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    MARK(w);
    WRITE(w, 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    AT(w, 3 * SEC);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    AT(w, 9 * SEC);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
}

static void first_flight(struct wire *w, unsigned lost, unsigned expected)
{
    static const uint64_t at_s[] = {0, 1, 3};
    wire_syn_sent(w);
    for (unsigned i = 1; i <= lost; i++) {
        AT(w, at_s[i] * SEC);
        OUT(w, .flags = SYN);
    }
    w->now_us += 100 * MS;
    struct wire_segment syn_ack = wire_peer_syn(w, SYN | ACK, 1);
    wire_in(w, __FILE__, __LINE__, &syn_ack);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    WRITE(w, 20 * 1460);
    for (unsigned i = 0; i < expected; i++)
        OUT(w, .flags = ACK, .seq = 1 + i * 1460, .ack = 1, .len = 1460);
    QUIET(w);
}

/* 6928-2: one loss may be chance */
SCENARIO(after_one_lost_syn_the_initial_window_is_whole) { first_flight(w, 1, 10); }

/* 6928-2, 5681-3.1d */
SCENARIO(after_two_lost_syns_the_initial_window_is_one_segment) { first_flight(w, 2, 1); }

/* 6298-3a, 6298-5.7: the echo tells which SYN was answered, and that is a sample */
SCENARIO(with_timestamps_a_lost_syn_leaves_a_sample)
{
    w->peer.ts = true;
    wire_syn_sent(w);
    AT(w, 1 * SEC);
    OUT(w, .flags = SYN);
    w->now_us += 100 * MS;
    struct wire_segment syn_ack = wire_peer_syn(w, SYN | ACK, 1);
    wire_in(w, __FILE__, __LINE__, &syn_ack);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    MARK(w);
    WRITE(w, 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    AT(w, 300 * MS); /* 100 + 4 * 50 */
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
}

/* R21, G005, G053, G057: cure 1: the server's own retransmission, same ISN (G047) */
SCENARIO(a_lost_syn_ack_is_sent_again_with_backoff_until_forgotten)
{
    static const uint64_t at_s[] = {1, 3, 7, 15, 31};
    wire_syn_received(w);
    for (unsigned i = 0; i < 5; i++) {
        AT(w, at_s[i] * SEC);
        OUT(w, .flags = SYN | ACK, .seq = 0, .ack = 1, .mss = 1460);
        QUIET(w);
    }
    AT(w, 63 * SEC - 1);
    assert_int_equal(wire_stats(w).half_open, 1);
    AT(w, 63 * SEC);
    QUIET(w);
    assert_int_equal(wire_stats(w).half_open, 0); /* G005, G053 */
    FAILS(w, mytcp_accept(w->stack, w->listener, NULL, NULL, 0), EAGAIN);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    OUT(w, .flags = RST, .seq = 1);
}

/* G133 */
SCENARIO(the_syn_ack_sent_again_establishes)
{
    wire_syn_received(w);
    AT(w, 1 * SEC);
    OUT(w, .flags = SYN | ACK, .seq = 0, .ack = 1);
    w->now_us += 50 * MS;
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    QUIET(w);
    w->fd = mytcp_accept(w->stack, w->listener, NULL, NULL, 0);
    assert_true(w->fd >= 0);
    assert_int_equal(wire_info(w).syn_retransmits, 1);
    MARK(w);
    AT(w, 100 * SEC); /* no SYN-ACK any more */
    QUIET(w);
}

/* cure 2: the client's SYN again */
SCENARIO(the_clients_syn_sent_again_draws_the_lost_syn_ack)
{
    wire_syn_received(w);
    AT(w, 1 * SEC - 1);
    struct wire_segment syn = wire_peer_syn(w, SYN, 0);
    wire_in(w, __FILE__, __LINE__, &syn);
    OUT(w, .flags = SYN | ACK, .seq = 0, .ack = 1);
    QUIET(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    QUIET(w);
    assert_true(mytcp_accept(w->stack, w->listener, NULL, NULL, 0) >= 0);
}

/* third ACK lost, case 1: nobody has data; the SYN-ACK comes again and is answered again */
SCENARIO(third_ack_lost_and_nobody_has_data)
{
    wire_syn_received(w);
    AT(w, 1 * SEC);
    OUT(w, .flags = SYN | ACK, .seq = 0, .ack = 1);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    QUIET(w);
    assert_true(mytcp_accept(w->stack, w->listener, NULL, NULL, 0) >= 0);
}

/* the same as the client sees it: a SYN-ACK in ESTABLISHED */
SCENARIO(a_syn_ack_that_comes_again_is_acknowledged_again)
{
    wire_active(w);
    for (int i = 0; i < 3; i++) {
        IN(w, .flags = SYN | ACK, .seq = 0, .ack = 1);
        OUT(w, .flags = ACK, .seq = 1, .ack = 1);
        QUIET(w);
    }
    STATE(w, TCP_ESTABLISHED);
}

/* case 2: the client's data carries the ACK; it establishes and is delivered */
SCENARIO(third_ack_lost_and_the_client_has_data)
{
    wire_syn_received(w);
    AT(w, 200 * MS);
    IN(w, .flags = PSH | ACK, .seq = 1, .ack = 1, .len = 500);
    OUT(w, .flags = ACK, .seq = 1, .ack = 501);
    QUIET(w);
    w->fd = mytcp_accept(w->stack, w->listener, NULL, NULL, 0);
    READ(w, 500);
    AT(w, 100 * SEC);
    QUIET(w);
}

/* and when only the second of the client's segments arrives first */
SCENARIO(third_ack_lost_and_the_clients_data_comes_out_of_order)
{
    wire_syn_received(w);
    IN(w, .flags = ACK, .seq = 501, .ack = 1, .len = 500);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{501, 1001}});
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 500);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1001);
    w->fd = mytcp_accept(w->stack, w->listener, NULL, NULL, 0);
    READ(w, 1000);
}

/* case 3: the server has data, which may not leave before its SYN-ACK is acknowledged. Only a
 * simultaneous open gives the application a descriptor in SYN-RECEIVED to write to. */
SCENARIO(third_ack_lost_and_the_server_has_data)
{
    wire_syn_sent(w);
    struct wire_segment syn = wire_peer_syn(w, SYN, 0);
    wire_in(w, __FILE__, __LINE__, &syn);
    OUT(w, .flags = SYN | ACK, .seq = 0, .ack = 1);
    STATE(w, TCP_SYN_RECV);
    WRITE(w, 500);
    QUIET(w);
    AT(w, 1 * SEC); /* the SYN-ACK, and never the data */
    OUT(w, .flags = SYN | ACK, .seq = 0, .ack = 1);
    QUIET(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 500);
    QUIET(w);
}

/* a half-open connection is small */
SCENARIO(a_half_open_connection_holds_128_bytes_at_most)
{
    wire_syn_received(w);
    uint64_t before = w->held_bytes;
    for (int i = 0; i < 10; i++) {
        w->peer_port++;
        IN(w, .flags = SYN, .mss = 1460);
        OUT(w, .flags = SYN | ACK, .ack = 1);
        QUIET(w);
    }
    if (w->held_bytes > before + 10 * 128 + 4096)
        fail_msg("10 half-open connections took %llu bytes",
                 (unsigned long long)(w->held_bytes - before));
}

/* as on Linux, TCP_SYNCNT of a listener is for its SYN,ACKs */
SCENARIO(a_listeners_syncnt_is_how_often_a_syn_ack_goes_again)
{
    wire_listen(w, 16);
    w->fd = w->listener;
    wire_set(w, IPPROTO_TCP, TCP_SYNCNT, 2);
    wire_syn_received(w);
    MARK(w);
    AT(w, 1 * SEC);
    OUT(w, .flags = SYN | ACK, .seq = 0, .ack = 1);
    AT(w, 3 * SEC);
    OUT(w, .flags = SYN | ACK, .seq = 0, .ack = 1);
    AT(w, 200 * SEC);
    QUIET(w);
    assert_int_equal(wire_stats(w).half_open, 0);
}

WIRE_MAIN(WIRE_TEST(a_lost_syn_is_sent_again_with_backoff_until_connect_times_out),
          WIRE_TEST(the_application_sets_how_often_a_syn_is_sent_again),
          WIRE_TEST(the_user_timeout_ends_an_attempt_to_connect),
          WIRE_TEST(a_connection_whose_syn_was_lost_once_works),
          WIRE_TEST(after_a_lost_syn_the_first_datas_timeout_is_3_s),
          WIRE_TEST(a_lost_syn_ack_is_sent_again_with_backoff_until_forgotten),
          WIRE_TEST(the_syn_ack_sent_again_establishes),
          WIRE_TEST(the_clients_syn_sent_again_draws_the_lost_syn_ack),
          WIRE_TEST(third_ack_lost_and_nobody_has_data),
          WIRE_TEST(a_syn_ack_that_comes_again_is_acknowledged_again),
          WIRE_TEST(third_ack_lost_and_the_client_has_data),
          WIRE_TEST(third_ack_lost_and_the_clients_data_comes_out_of_order),
          WIRE_TEST(third_ack_lost_and_the_server_has_data),
          WIRE_TEST(a_half_open_connection_holds_128_bytes_at_most),
          WIRE_TEST(after_one_lost_syn_the_initial_window_is_whole),
          WIRE_TEST(after_two_lost_syns_the_initial_window_is_one_segment),
          WIRE_TEST(with_timestamps_a_lost_syn_leaves_a_sample),
          WIRE_TEST(a_listeners_syncnt_is_how_often_a_syn_ack_goes_again))
