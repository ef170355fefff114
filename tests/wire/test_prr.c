/* Proportional Rate Reduction (RFC 6937, with RFC 9937's bound) in the two examples of RFC 6937 3.1: 20 segments
 * are in flight; ssthresh becomes 10. */
#include "lib/wire.h"

enum { MSS = 1460 };

static uint32_t at(uint32_t segment) { return 1 + segment * MSS; }

static void twenty_in_flight(struct wire *w, uint32_t queued)
{
    w->config.initial_window_segments = 20;
    wire_passive(w);
    WRITE(w, queued * MSS);
    for (uint32_t i = 0; i < 20; i++)
        OUT(w, .flags = ACK, .seq = at(i), .ack = 1, .len = MSS);
    QUIET(w);
    w->now_us += 100 * MS;
}

static void out(struct wire *w, uint32_t segment)
{
    OUT(w, .flags = ACK, .seq = at(segment), .ack = 1, .len = MSS);
}

/* 6675-4e, 6675-5c, 5681-4.3a, 6937-1, 6937-2, 6937-3, 6937-5, 9937-4: RecoverFS is 22 less the 2 that
 * were SACKed before, so a segment goes for
 * each 2 delivered, the first at once, until what is in flight has come down to ssthresh */
SCENARIO(one_loss_of_twenty_halves_the_rate_and_keeps_the_clock)
{
    static const char sent[] = "NNR N N N N N N N  "; /* for the ACKs 1 to 19 */
    twenty_in_flight(w, 29);
    uint32_t fresh = 20;
    for (uint32_t ack = 1; ack <= 19; ack++) {
        IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(1), at(ack + 1)}});
        if (sent[ack - 1] == 'N') out(w, fresh++);
        if (sent[ack - 1] == 'R') out(w, 0);
        QUIET(w);
    }
    assert_int_equal(fresh, 29);
    assert_int_equal(wire_info(w).ssthresh, 10 * MSS);
    w->now_us += 100 * MS;
    IN(w, .flags = ACK, .seq = 1, .ack = at(22)); /* all that was in flight when recovery began */
    QUIET(w);
    assert_int_equal(wire_info(w).cwnd, 10 * MSS);
    assert_int_equal(wire_stats(w).retransmitted_segments, 1);
}

/* 6937-4, 9937-1: the bound without growth while SND.UNA stands still: one for one */
static void fifteen_lost(struct wire *w)
{
    twenty_in_flight(w, 40);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(15), at(16)}});
    out(w, 20);
    w->now_us += 1 * MS;
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(15), at(17)}});
    out(w, 21);
    QUIET(w);
    for (uint32_t i = 0; i < 3; i++) {
        w->now_us += 1 * MS;
        IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(15), at(18 + i)}});
        out(w, i);
        QUIET(w);
    }
}

SCENARIO(fifteen_losses_of_twenty_go_again_one_for_one) { fifteen_lost(w); }

/* 6675-5e, 6937-4, 9937-1: SND.UNA advances and nothing more is lost: slow start, one more for each ACK, up to
 * ssthresh */
SCENARIO(progress_without_more_loss_lets_the_resending_grow)
{
    fifteen_lost(w);
    w->now_us += 98 * MS;
    IN(w, .flags = ACK, .seq = 1, .ack = at(1), .sack = {{at(15), at(22)}}); /* 20 and 21, too: 3 + 1 */
    for (uint32_t i = 3; i < 7; i++)
        out(w, i);
    QUIET(w);
    uint32_t next = 7;
    for (uint32_t ack = 2; ack <= 3; ack++, next += 2) {
        w->now_us += 1 * MS;
        IN(w, .flags = ACK, .seq = 1, .ack = at(ack), .sack = {{at(15), at(22)}});
        out(w, next);
        out(w, next + 1);
        QUIET(w);
    }
    assert_int_equal(wire_stats(w).fast_recoveries, 1);
    assert_int_equal(wire_info(w).ssthresh, 10 * MSS);
    w->now_us += 98 * MS;
    IN(w, .flags = ACK, .seq = 1, .ack = at(7), .sack = {{at(15), at(22)}}); /* 4 + 1 */
    for (uint32_t i = 11; i < 15; i++)
        out(w, i);
    out(w, 22);
    QUIET(w);
    w->now_us += 1 * MS;
    IN(w, .flags = ACK, .seq = 1, .ack = at(11), .sack = {{at(15), at(22)}});
    for (uint32_t i = 23; i < 28; i++) /* 4 + 1, which is ssthresh again */
        out(w, i);
    QUIET(w);
    w->now_us += 100 * MS;
    IN(w, .flags = ACK, .seq = 1, .ack = at(22));
    assert_int_equal(wire_info(w).cwnd, 10 * MSS);
}

/* 9937-1: an ACK that tells of more loss lets nothing grow */
SCENARIO(an_ack_that_tells_of_more_loss_lets_nothing_grow)
{
    twenty_in_flight(w, 40);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(9), at(10)}});
    out(w, 20);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(9), at(11)}});
    out(w, 21);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(9), at(12)}}); /* 0 to 8: pipe 10 */
    out(w, 0);
    QUIET(w);
    w->now_us += 100 * MS; /* 12 to 18 are lost as well: pipe 4 */
    IN(w, .flags = ACK, .seq = 1, .ack = at(1), .sack = {{at(19), at(20)}, {at(9), at(12)}});
    static struct wire_packet p;
    uint32_t n = 0;
    while (wire_poll(w, &p))
        n++;
    assert_int_equal(n, 2); /* as many as were delivered */
}

/* G155, 8985-9.3a: what is lost at once does not leave at once */
SCENARIO(a_mass_of_losses_is_no_burst)
{
    twenty_in_flight(w, 20);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(17), at(20)}});
    for (uint32_t i = 0; i < 3; i++) /* three were delivered */
        out(w, i);
    QUIET(w);
}

/* 9937-3, 8985-9.3b: with PRR a lost retransmission costs no second reduction */
SCENARIO(at_the_end_cwnd_is_ssthresh_though_a_retransmission_was_lost)
{
    twenty_in_flight(w, 20);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(2), at(20)}});
    out(w, 0);
    out(w, 1);
    QUIET(w);
    w->now_us += 100 * MS;
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(1), at(20)}}); /* 1, sent after 0, is there */
    out(w, 0);
    QUIET(w);
    w->now_us += 100 * MS;
    IN(w, .flags = ACK, .seq = 1, .ack = at(20));
    assert_int_equal(wire_info(w).ssthresh, 10 * MSS);
    assert_int_equal(wire_info(w).cwnd, 10 * MSS);
    assert_int_equal(wire_stats(w).rto_expired, 0);
}

/* 9937-3: the originals of most arrive before it is their turn to go again: three went, 5 are in
 * flight */
SCENARIO(an_end_that_comes_early_lifts_cwnd_to_ssthresh)
{
    fifteen_lost(w);
    w->now_us += 100 * MS;
    IN(w, .flags = ACK, .seq = 1, .ack = at(22));
    assert_int_equal(wire_info(w).cwnd, 10 * MSS);
}

/* A short segment delivered lets a whole one go, and a round trip is saved. */
SCENARIO(the_short_last_segment_counts_for_a_whole_one)
{
    wire_passive(w);
    WRITE(w, 5 * MSS + 1000);
    for (uint32_t i = 0; i < 5; i++)
        out(w, i);
    OUT(w, .flags = ACK, .seq = at(5), .ack = 1, .len = 1000);
    AT(w, 100 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(2), at(3)}});
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(2), at(4)}});
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(2), at(5)}});
    out(w, 0);
    QUIET(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(2), at(5) + 1000}});
    out(w, 1);
    QUIET(w);
}

/* 6937-1: DeliveredData is what arrived, not what the ACK number passes over: four of ten had
 * been SACKed. 6937-4: and no more goes than ssthresh has room for */
SCENARIO(what_was_sacked_before_lets_nothing_go_when_it_is_acknowledged)
{
    twenty_in_flight(w, 40); /* 0 to 5 and 10 to 15 are lost */
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(6), at(10)}});
    out(w, 0);
    QUIET(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(16), at(20)}, {at(6), at(10)}});
    for (uint32_t i = 1; i < 6; i++) out(w, i);
    out(w, 10);
    out(w, 11);
    QUIET(w); /* eight arrived, eight went */
    w->now_us += 100 * MS;
    IN(w, .flags = ACK, .seq = 1, .ack = at(10), .sack = {{at(16), at(20)}});
    for (uint32_t i = 12; i < 16; i++) out(w, i);
    for (uint32_t i = 20; i < 23; i++) out(w, i);
    QUIET(w); /* six arrived, and one more for the progress */
}

/* R14: what is acknowledged byte by byte lets no more go than what is acknowledged at once */
SCENARIO(divided_acks_in_recovery_gain_nothing)
{
    twenty_in_flight(w, 40);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(9), at(12)}});
    static struct wire_packet p;
    uint32_t bytes = 0;
    while (wire_poll(w, &p)) bytes += p.payload_len;
    for (uint32_t i = 1; i <= MSS; i += 20) {
        IN(w, .flags = ACK, .seq = 1, .ack = 1 + i, .sack = {{at(9), at(12)}});
        while (wire_poll(w, &p)) bytes += p.payload_len;
    }
    assert_in_range(bytes, 2 * MSS, 3 * MSS); /* eight are in flight, ten is ssthresh */
}

WIRE_MAIN(WIRE_TEST(one_loss_of_twenty_halves_the_rate_and_keeps_the_clock),
          WIRE_TEST(fifteen_losses_of_twenty_go_again_one_for_one),
          WIRE_TEST(progress_without_more_loss_lets_the_resending_grow),
          WIRE_TEST(an_ack_that_tells_of_more_loss_lets_nothing_grow),
          WIRE_TEST(a_mass_of_losses_is_no_burst),
          WIRE_TEST(at_the_end_cwnd_is_ssthresh_though_a_retransmission_was_lost),
          WIRE_TEST(an_end_that_comes_early_lifts_cwnd_to_ssthresh),
          WIRE_TEST(the_short_last_segment_counts_for_a_whole_one),
          WIRE_TEST(what_was_sacked_before_lets_nothing_go_when_it_is_acknowledged),
          WIRE_TEST(divided_acks_in_recovery_gain_nothing))
