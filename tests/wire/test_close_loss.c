/* The close under loss: our FIN, the last ACK, and peers that never answer. RTO is 300 ms (RTT
 * 100). */
#include "lib/wire.h"

/* G057, G217: the same number each time; 300 ms, doubling */
SCENARIO(a_lost_fin_is_sent_again_with_backoff)
{
    wire_passive(w);
    assert_int_equal(mytcp_shutdown(w->stack, w->fd, SHUT_WR), 0);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    AT(w, 300 * MS);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    AT(w, 900 * MS);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    AT(w, 2100 * MS);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    IN(w, .flags = ACK, .seq = 1, .ack = 2);
    QUIET(w);
    STATE(w, TCP_FIN_WAIT2);
}

/* a FIN that left with data comes again with it, or with the part that was lost */
SCENARIO(a_fin_lost_with_its_data_comes_again_with_it)
{
    wire_passive(w);
    WRITE(w, 2000);
    assert_int_equal(mytcp_shutdown(w->stack, w->fd, SHUT_WR), 0);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1460);
    OUT(w, .flags = FIN | ACK, .seq = 1461, .ack = 1, .len = 540);
    AT(w, 100 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1461); /* RTO is now 100 + 4 * 37.5 ms */
    AT(w, 350 * MS);
    OUT(w, .flags = FIN | ACK, .seq = 1461, .ack = 1, .len = 540);
    IN(w, .flags = ACK, .seq = 1, .ack = 2001); /* all but the FIN */
    QUIET(w);
    STATE(w, TCP_FIN_WAIT1);
    assert_true(wire_skip_to(w, 5 * SEC) >= 1);
    IN(w, .flags = ACK, .seq = 1, .ack = 2002);
    STATE(w, TCP_FIN_WAIT2);
}

/* S04, G219 */
SCENARIO(our_fin_is_sent_again_in_closing)
{
    wire_passive(w);
    assert_int_equal(mytcp_shutdown(w->stack, w->fd, SHUT_WR), 0);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    OUT(w, .flags = ACK, .seq = 2, .ack = 2);
    AT(w, 300 * MS);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
    IN(w, .flags = ACK, .seq = 2, .ack = 2);
    QUIET(w);
    assert_int_equal(wire_stats(w).time_wait, 1);
}

/* R07: the last ACK lost: the side in LAST-ACK sends its FIN again ... */
SCENARIO(our_fin_is_sent_again_in_last_ack)
{
    wire_passive(w);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    OUT(w, .flags = ACK, .seq = 1, .ack = 2);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
    AT(w, 300 * MS);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
    AT(w, 900 * MS);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
    IN(w, .flags = ACK, .seq = 2, .ack = 2);
    QUIET(w);
    assert_int_equal(mytcp_next_deadline(w->stack), MYTCP_NEVER_US);
}

/* ... and the side in TIME-WAIT answers it */
SCENARIO(time_wait_answers_the_fin_again_when_the_last_ack_was_lost)
{
    wire_passive(w);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
    OUT(w, .flags = ACK, .seq = 2, .ack = 2);
    AT(w, 300 * MS);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
    OUT(w, .flags = ACK, .seq = 2, .ack = 2);
    AT(w, 900 * MS);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
    OUT(w, .flags = ACK, .seq = 2, .ack = 2);
    QUIET(w);
}

/* the ACK of our FIN lost, and the peer's FIN acknowledges it later */
SCENARIO(the_peers_fin_makes_up_for_the_lost_ack_of_ours)
{
    wire_passive(w);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    AT(w, 200 * MS);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
    OUT(w, .flags = ACK, .seq = 2, .ack = 2);
    QUIET(w);
    AT(w, 59 * SEC);
    assert_int_equal(wire_stats(w).time_wait, 1);
}

/* R07, 9293-GEN-22: orphan_retries 8: 300 ms * (2^n - 1), then nothing after 153.3 s */
SCENARIO(an_orphan_in_fin_wait_1_is_given_up_after_its_retries)
{
    wire_passive(w);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    for (unsigned n = 1; n <= 8; n++) {
        AT(w, 300 * MS * ((1u << n) - 1));
        OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    }
    AT(w, 153300 * MS - 1);
    assert_true(mytcp_next_deadline(w->stack) != MYTCP_NEVER_US);
    wire_skip_to(w, 153300 * MS);
    wire_skip_to(w, 160 * SEC);
    assert_int_equal(mytcp_next_deadline(w->stack), MYTCP_NEVER_US);
}

/* R07 */
SCENARIO(an_orphan_in_last_ack_is_given_up_after_its_retries)
{
    wire_passive(w);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    OUT(w, .flags = ACK, .seq = 1, .ack = 2);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
    assert_in_range(wire_skip_to(w, 153 * SEC), 8, 8);
    wire_skip_to(w, 160 * SEC);
    assert_int_equal(mytcp_next_deadline(w->stack), MYTCP_NEVER_US);
}

/* R05: a peer that holds its window shut cannot hold an orphan's memory for ever */
SCENARIO(an_orphan_with_data_before_a_shut_window_is_given_up)
{
    wire_passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
    WRITE(w, 5000);
    QUIET(w);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    for (int i = 0; i < 10000 && mytcp_next_deadline(w->stack) != MYTCP_NEVER_US; i++)
        wire_skip_to(w, (uint64_t)(i + 1) * SEC);
    assert_int_equal(mytcp_next_deadline(w->stack), MYTCP_NEVER_US);
}

/* 9293-GEN-22 */
SCENARIO(half_closed_and_unanswered_it_times_out)
{
    w->config.data_retries = 2;
    wire_passive(w);
    assert_int_equal(mytcp_shutdown(w->stack, w->fd, SHUT_WR), 0);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    AT(w, 300 * MS);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    AT(w, 900 * MS);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    AT(w, 2100 * MS - 1);
    STATE(w, TCP_FIN_WAIT1);
    wire_skip_to(w, 2200 * MS);
    STATE(w, TCP_CLOSE);
    assert_int_equal(wire_so_error(w), ETIMEDOUT);
}

WIRE_MAIN(WIRE_TEST(a_lost_fin_is_sent_again_with_backoff),
          WIRE_TEST(a_fin_lost_with_its_data_comes_again_with_it),
          WIRE_TEST(our_fin_is_sent_again_in_closing), WIRE_TEST(our_fin_is_sent_again_in_last_ack),
          WIRE_TEST(time_wait_answers_the_fin_again_when_the_last_ack_was_lost),
          WIRE_TEST(the_peers_fin_makes_up_for_the_lost_ack_of_ours),
          WIRE_TEST(an_orphan_in_fin_wait_1_is_given_up_after_its_retries),
          WIRE_TEST(an_orphan_in_last_ack_is_given_up_after_its_retries),
          WIRE_TEST(an_orphan_with_data_before_a_shut_window_is_given_up),
          WIRE_TEST(half_closed_and_unanswered_it_times_out))
