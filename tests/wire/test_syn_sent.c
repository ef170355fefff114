/* SYN-SENT (RFC 9293 3.10.7.3) and what becomes of connect(). */
#include "lib/wire.h"

/* 1122-3.3.2b, 9293-OPEN-3, 9293-MUST-14, 9293-SHLD-5 */
SCENARIO(connect_sends_a_syn_with_all_options)
{
    wire_aim(w, true);
    wire_syn_sent(w);
    assert_true(wire_conn(w)->our_scale && wire_conn(w)->our_sack && wire_conn(w)->our_ts);
    assert_int_equal(wire_ready(w, w->fd), 0);
}

/* 9293-SA-SYNSENT-3, 9293-SA-SYNSENT-8, 9293-GEN-8 */
SCENARIO(a_syn_ack_establishes_and_is_acknowledged_at_once)
{
    wire_active(w);
    assert_true(wire_ready(w, w->fd) & POLLOUT);
    assert_int_equal(wire_stats(w).opened_active, 1);
}

/* The RST that answers an unacceptable ACK; our SYN may follow at once (G023). Returns whether it
 * did. */
static unsigned reset_by(struct wire *w, uint32_t ack)
{
    static struct wire_packet p;
    unsigned syns = 0;
    OUT(w, .flags = RST, .seq = ack);
    while (wire_poll(w, &p)) {
        assert_int_equal(p.flags, SYN);
        syns++;
    }
    assert_in_range(syns, 0, 1);
    return syns;
}

/* 9293-SA-SYNSENT-3, B18, G030, G215, 9293-SA-SYNSENT-1, G037 */
SCENARIO(an_ack_of_what_was_not_sent_draws_a_rst_and_changes_nothing)
{
    static const uint32_t acks[] = {0, 2, (uint32_t)-1, 1000, 0x80000000};
    wire_syn_sent(w);
    unsigned syns = 0;
    for (unsigned i = 0; i < sizeof(acks) / sizeof(*acks); i++) {
        assert_string_equal(IN(w, .flags = SYN | ACK, .ack = acks[i]), "syn_sent_ack");
        syns += reset_by(w, acks[i]);
        assert_string_equal(IN(w, .flags = ACK, .seq = 7, .ack = acks[i]), "syn_sent_ack");
        syns += reset_by(w, acks[i]);
        STATE(w, TCP_SYN_SENT);
    }
    assert_in_range(syns, 0, 3); /* G030: a loop with such a peer is bounded */
    AT(w, 1 * SEC);
    OUT(w, .flags = SYN);
}

/* G215, 9293-SA-SYNSENT-2 */
SCENARIO(a_rst_with_an_unacceptable_ack_is_dropped_in_silence)
{
    wire_syn_sent(w);
    assert_string_equal(IN(w, .flags = RST | ACK, .ack = 0), "syn_sent_rst");
    assert_string_equal(IN(w, .flags = RST | ACK, .ack = 2), "syn_sent_rst");
    QUIET(w);
    STATE(w, TCP_SYN_SENT);
}

/* 9293-SA-SYNSENT-6, G049, G215, 9293-SA-SYNSENT-4 */
SCENARIO(a_rst_that_acknowledges_the_syn_refuses_the_connection)
{
    wire_syn_sent(w);
    IN(w, .flags = RST | ACK, .ack = 1);
    QUIET(w);
    assert_int_equal(wire_ready(w, w->fd) & (POLLERR | POLLHUP | POLLOUT),
                     POLLERR | POLLHUP | POLLOUT);
    assert_int_equal(wire_so_error(w), ECONNREFUSED);
    assert_int_equal(wire_so_error(w), 0);
    assert_int_equal(mytcp_next_deadline(w->stack), MYTCP_NEVER_US);
}

/* 9293-SA-SYNSENT-5, 5961-3.2b */
SCENARIO(a_rst_without_ack_is_dropped_in_silence)
{
    wire_syn_sent(w);
    assert_string_equal(IN(w, .flags = RST), "syn_sent_rst");
    assert_string_equal(IN(w, .flags = RST | SYN), "syn_sent_rst");
    QUIET(w);
    STATE(w, TCP_SYN_SENT);
}

/* 9293-SA-SYNSENT-12, 9293-SA-FIN-1, B18 */
SCENARIO(a_segment_without_syn_and_rst_is_dropped)
{
    wire_syn_sent(w);
    assert_string_equal(IN(w, .flags = ACK, .seq = 1, .ack = 1), "syn_sent_flags");
    assert_string_equal(IN(w, .flags = FIN | ACK, .seq = 1, .ack = 1), "syn_sent_flags");
    assert_string_equal(IN(w, .flags = FIN, .seq = 1), "syn_sent_flags");
    assert_string_equal(IN(w, .flags = 0, .seq = 1, .len = 4), "syn_sent_flags");
    QUIET(w);
    STATE(w, TCP_SYN_SENT);
}

/* 9293-SA-SYNSENT-10 */
SCENARIO(data_and_fin_on_the_syn_ack_are_taken)
{
    w->peer = (struct wire_peer){.mss = 1460};
    wire_syn_sent(w);
    IN(w, .flags = SYN | ACK | FIN, .ack = 1, .mss = 1460, .len = 5);
    OUT(w, .flags = ACK, .seq = 1, .ack = 7);
    QUIET(w);
    STATE(w, TCP_CLOSE_WAIT);
    READ(w, 5);
    wire_eof(w);
}

/* 9293-SA-SYNSENT-9, 9293-SEND-3, G018: written before the handshake, sent with or after it */
SCENARIO(data_written_in_syn_sent_is_sent_once_established)
{
    wire_syn_sent(w);
    WRITE(w, 100);
    QUIET(w);
    struct wire_segment syn_ack = wire_peer_syn(w, SYN | ACK, 1);
    wire_in(w, __FILE__, __LINE__, &syn_ack);
    struct wire_packet *p = malloc(sizeof(*p));
    assert_true(wire_poll(w, p));
    if (p->payload_len == 0) /* a bare ACK first is allowed */
        assert_true(wire_poll(w, p));
    assert_int_equal(p->payload_len, 100);
    assert_int_equal(p->seq - wire_conn(w)->iss, 1);
    free(p);
    QUIET(w);
}

/* 9293-RECV-2, G019 */
SCENARIO(recv_in_syn_sent_would_block)
{
    wire_syn_sent(w);
    wire_again(w);
}

/* 9293-CLOSE-3, 9293-ABORT-3 */
SCENARIO(closing_in_syn_sent_sends_nothing_and_a_late_syn_ack_draws_rst)
{
    wire_syn_sent(w);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    QUIET(w);
    assert_string_equal(IN(w, .flags = SYN | ACK, .ack = 1), "no_connection");
    OUT(w, .flags = RST, .seq = 1);
    AT(w, 10 * SEC);
    QUIET(w);
}

/* 7323-2.2b: what the peer does not offer is off */
SCENARIO(options_that_the_syn_ack_lacks_are_off)
{
    w->peer = (struct wire_peer){.mss = 1000};
    wire_active(w);
    struct mytcp_conn_info info = wire_info(w);
    assert_false(info.wscale_ok || info.timestamps_ok || info.sack_ok);
    assert_int_equal(info.peer_mss, 1000);
    WRITE(w, 1000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    QUIET(w);
}

/* S07,
 * G023, 9293-GEN-11: half-open discovery. The old connection's ACK draws our RST, and then our SYN
 * again opens the new one. */
SCENARIO(the_ack_of_an_old_incarnation_is_reset_and_the_syn_repeated)
{
    wire_syn_sent(w);
    IN(w, .flags = ACK, .seq = 500, .ack = 300);
    assert_int_equal(reset_by(w, 300), 1);
    w->now_us += 10 * MS;
    struct wire_segment syn_ack = wire_peer_syn(w, SYN | ACK, 1);
    wire_in(w, __FILE__, __LINE__, &syn_ack);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    STATE(w, TCP_ESTABLISHED);
}

/* 9293-GEN-10, Figure 8: an old duplicate SYN seen by the peer */
SCENARIO(recovery_from_an_old_duplicate_syn)
{
    wire_syn_sent(w);
    IN(w, .flags = SYN | ACK, .ack = (uint32_t)-99, .mss = 1460);
    reset_by(w, (uint32_t)-99);
    wire_conn(w)->irs += 100000; /* the peer starts afresh for the real SYN */
    IN(w, .flags = SYN | ACK, .ack = 1, .mss = 1460);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    STATE(w, TCP_ESTABLISHED);
}

WIRE_MAIN(WIRE_TEST(connect_sends_a_syn_with_all_options),
          WIRE_TEST(a_syn_ack_establishes_and_is_acknowledged_at_once),
          WIRE_TEST(an_ack_of_what_was_not_sent_draws_a_rst_and_changes_nothing),
          WIRE_TEST(a_rst_with_an_unacceptable_ack_is_dropped_in_silence),
          WIRE_TEST(a_rst_that_acknowledges_the_syn_refuses_the_connection),
          WIRE_TEST(a_rst_without_ack_is_dropped_in_silence),
          WIRE_TEST(a_segment_without_syn_and_rst_is_dropped),
          WIRE_TEST(data_and_fin_on_the_syn_ack_are_taken),
          WIRE_TEST(data_written_in_syn_sent_is_sent_once_established),
          WIRE_TEST(recv_in_syn_sent_would_block),
          WIRE_TEST(closing_in_syn_sent_sends_nothing_and_a_late_syn_ack_draws_rst),
          WIRE_TEST(options_that_the_syn_ack_lacks_are_off),
          WIRE_TEST(the_ack_of_an_old_incarnation_is_reset_and_the_syn_repeated),
          WIRE_TEST(recovery_from_an_old_duplicate_syn))
