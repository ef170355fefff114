/* Loss recovery through its header: what is believed to be in the network, and what lasts. */
#include "tcp/recovery.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/scarce.h"

enum { MSS = 1000, RTT_US = 100000 };

struct sender {
    struct recovery r;
    struct mem mem;
    struct scarce scarce;
    seq_t una, nxt;
    uint64_t now_us;
    bool sack_ok;
};

static void begin(struct sender *s, uint32_t iss, bool sack_ok)
{
    *s = (struct sender){.una = seq_of(iss), .nxt = seq_of(iss), .now_us = RTT_US, .sack_ok = sack_ok};
    scarce_init(&s->scarce, &s->mem, 1);
    recovery_init(&s->r, seq_sub(s->una, 1));
}

static void end(struct sender *s)
{
    recovery_free(&s->r, &s->mem);
    assert_int_equal(s->mem.used, 0);
}

static uint32_t pipe_of(const struct sender *s) { return recovery_pipe(&s->r, s->una, s->nxt) / MSS; }

static void send_new(struct sender *s, uint32_t segments)
{
    for (uint32_t i = 0; i < segments; i++) {
        struct rate_now now = {.now_us = s->now_us};
        assert_true(recovery_reserve(&s->r, &s->mem));
        recovery_sent(&s->r, s->nxt, MSS, MSS, &now);
        s->nxt = seq_add(s->nxt, MSS);
    }
}

/* All that is lost goes again; returns how many segments that are. */
static uint32_t send_lost(struct sender *s)
{
    uint32_t n = 0, len;
    seq_t start;
    bool force;
    struct rate_now now = {.now_us = s->now_us};
    for (; recovery_next(&s->r, s->una, &start, &len, &force); n += len / MSS)
        recovery_sent_again(&s->r, start, len, &now);
    return n;
}

/* An ACK of `acked` segments; [from, to) is SACKed, in segments from the new SND.UNA on, if to is not 0. */
static struct recovery_news take(struct sender *s, uint32_t acked, uint32_t from, uint32_t to)
{
    s->una = seq_add(s->una, acked * MSS);
    struct sack_block block = {seq_add(s->una, from * MSS), seq_add(s->una, to * MSS)};
    struct recovery_ack a = {.una = s->una,
                             .nxt = s->nxt,
                             .acked = acked * MSS,
                             .blocks = &block,
                             .count = to ? 1 : 0,
                             .mss = MSS,
                             .srtt_us = RTT_US,
                             .now_us = s->now_us,
                             .sack_ok = s->sack_ok,
                             .dup = !acked,
                             .echo_us = UINT64_MAX};
    struct recovery_news news = recovery_ack(&s->r, &s->mem, &a);
    if (news.lost)
        recovery_enter_fast(&s->r, s->una, s->nxt, news.delivered, MSS, s->sack_ok, 20 * MSS, UINT32_MAX);
    assert_null(recovery_check(&s->r, s->una, s->nxt));
    return news;
}

/* 6675-4c: not what is SACKed, nor what is lost, but what went again */
static void the_pipe_is_what_is_in_flight_less_sacked_and_lost_plus_sent_again(void **state)
{
    struct sender s;
    (void)state;
    begin(&s, 0xffffe000, true);
    send_new(&s, 10);
    assert_int_equal(pipe_of(&s), 10);
    s.now_us += RTT_US;
    take(&s, 0, 2, 4);
    assert_int_equal(pipe_of(&s), 8);
    take(&s, 0, 4, 5); /* the third: 0 and 1 are lost */
    assert_int_equal(pipe_of(&s), 5);
    assert_int_equal(recovery_lost(&s.r), 2 * MSS);
    assert_int_equal(send_lost(&s), 2);
    assert_int_equal(pipe_of(&s), 7);
    s.now_us += RTT_US;
    take(&s, 5, 0, 0); /* the rest went before the copies that have arrived: it is lost */
    assert_int_equal(pipe_of(&s), 0);
    assert_int_equal(recovery_lost(&s.r), 5 * MSS);
    end(&s);
}

/* G111: outside of recovery, too */
static void what_was_sacked_and_then_acknowledged_leaves_nothing_behind(void **state)
{
    struct sender s;
    (void)state;
    begin(&s, 1, true);
    for (int round = 0; round < 100; round++) {
        send_new(&s, 10);
        s.now_us += RTT_US;
        take(&s, 0, 8, 10);
        assert_int_equal(pipe_of(&s), 8);
        take(&s, 10, 0, 0);
        assert_int_equal(pipe_of(&s), 0);
        assert_int_equal(recovery_sacked(&s.r), 0);
        assert_int_equal(s.mem.used, 0);
    }
    end(&s);
}

/* 8985-6.2.1: of the last 150 s at least, and of 300 s at most */
static void the_least_round_trip_is_forgotten_after_a_while(void **state)
{
    struct recovery r;
    (void)state;
    recovery_init(&r, seq_of(1));
    recovery_measured(&r, 5000, 1000000);
    recovery_measured(&r, 8000, 2000000);
    assert_int_equal(recovery_min_rtt(&r), 5000);
    recovery_measured(&r, 9000, 151000000);
    assert_int_equal(recovery_min_rtt(&r), 5000);
    recovery_measured(&r, 10000, 299000000);
    assert_int_equal(recovery_min_rtt(&r), 5000);
    recovery_measured(&r, 10000, 301000000);
    assert_int_equal(recovery_min_rtt(&r), 9000);
    recovery_measured(&r, 11000, 700000000);
    assert_int_equal(recovery_min_rtt(&r), 11000);
}

/* 6582-5: `recover` does not wrap around to the future, however much goes without a loss */
static void after_gigabytes_without_a_loss_three_duplicates_are_a_loss(void **state)
{
    struct sender s;
    (void)state;
    begin(&s, 12345, false);
    for (uint64_t sent = 0; sent < 3ull << 30; sent += 60000 * MSS) {
        for (int i = 0; i < 60; i++) {
            struct rate_now now = {.now_us = s.now_us};
            assert_true(recovery_reserve(&s.r, &s.mem));
            recovery_sent(&s.r, s.nxt, 1000 * MSS, 1000 * MSS, &now);
            s.nxt = seq_add(s.nxt, 1000 * MSS);
        }
        s.now_us += RTT_US;
        take(&s, 60000, 0, 0);
    }
    send_new(&s, 5);
    assert_false(take(&s, 0, 0, 0).lost);
    assert_false(take(&s, 0, 0, 0).lost);
    assert_true(take(&s, 0, 0, 0).lost);
    end(&s);
}

/* With nothing in the network no ACK would ever come: something must go, whatever PRR has counted. */
static void an_empty_network_gets_a_segment(void **state)
{
    struct sender s;
    (void)state;
    begin(&s, 1, true);
    send_new(&s, 10);
    s.now_us += RTT_US;
    take(&s, 0, 7, 10);
    assert_int_equal(recovery_prr_cwnd(&s.r, 0, 5 * MSS, 3 * MSS, MSS, false), 3 * MSS);
    send_lost(&s);
    assert_int_equal(recovery_prr_cwnd(&s.r, 2 * MSS, 5 * MSS, 0, MSS, false), 2 * MSS);
    assert_int_equal(recovery_prr_cwnd(&s.r, 0, 5 * MSS, 0, MSS, false), MSS);
    end(&s);
}

/* Found by fuzzing: a segment acknowledged in two pieces, as when the path narrows, was never delivered. */
static void a_segment_counts_as_delivered_when_the_ack_of_its_end_comes(void **state)
{
    struct sender s;
    (void)state;
    begin(&s, 0u - MSS, true);
    send_new(&s, 3);
    s.now_us += RTT_US;
    struct recovery_ack a = {.una = seq_add(s.una, MSS + MSS / 2),
                             .nxt = s.nxt,
                             .acked = MSS + MSS / 2,
                             .mss = MSS,
                             .srtt_us = RTT_US,
                             .now_us = s.now_us,
                             .sack_ok = true,
                             .echo_us = UINT64_MAX};
    assert_int_equal(recovery_ack(&s.r, &s.mem, &a).delivered, MSS);
    a.una = seq_add(s.una, 2 * MSS);
    a.acked = MSS / 2;
    assert_int_equal(recovery_ack(&s.r, &s.mem, &a).delivered, MSS);
    end(&s);
}

/* A super-segment of which two packets are lost, found so, and sent again at different times. draft-ietf-ccwg-bbr
 * 4.1.2.3 takes a packet's state of its own sending. The record has the second copy's only: by that the first copy,
 * which arrives earlier, would have come in no time, and a round would end that has hardly begun. */
static void a_copy_gives_no_delivery_rate_by_the_mark_of_a_later_one(void **state)
{
    struct sender s;
    struct rate_now now = {.now_us = RTT_US};
    (void)state;
    begin(&s, 0xffffe000, true);
    assert_true(recovery_reserve(&s.r, &s.mem));
    recovery_sent(&s.r, s.nxt, 20 * MSS, MSS, &now);
    s.nxt = seq_add(s.nxt, 20 * MSS);
    s.now_us += RTT_US;
    take(&s, 0, 1, 5); /* 0 is lost */
    assert_int_equal(send_lost(&s), 1);
    s.now_us += RTT_US / 2;
    take(&s, 0, 6, 12); /* 5 is */
    assert_int_equal(send_lost(&s), 1);
    s.now_us += RTT_US / 2;
    struct recovery_news news = take(&s, 5, 0, 0);
    assert_int_equal(news.delivered, MSS);
    assert_false(news.rate.any);
    s.now_us += RTT_US / 2;
    news = take(&s, 7, 0, 0);
    assert_int_equal(news.delivered, MSS);
    assert_true(news.rate.any);
    assert_int_equal(news.rate.rate_Bps, MSS * 10); /* a segment in a round trip */
    end(&s);
}

/* ... nor does what arrives too soon to be a copy: it is the original, and late. */
static void an_original_gives_no_delivery_rate_by_the_mark_of_its_copy(void **state)
{
    struct sender s;
    (void)state;
    begin(&s, 0xffffe000, true);
    send_new(&s, 10);
    s.now_us += RTT_US;
    take(&s, 1, 0, 0);
    take(&s, 0, 1, 5);
    assert_int_equal(send_lost(&s), 1);
    s.now_us += RTT_US / 10;
    struct recovery_news news = take(&s, 5, 0, 0);
    assert_int_equal(news.delivered, MSS);
    assert_false(news.rate.any);
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pipe_is_what_is_in_flight_less_sacked_and_lost_plus_sent_again),
        cmocka_unit_test(what_was_sacked_and_then_acknowledged_leaves_nothing_behind),
        cmocka_unit_test(the_least_round_trip_is_forgotten_after_a_while),
        cmocka_unit_test(after_gigabytes_without_a_loss_three_duplicates_are_a_loss),
        cmocka_unit_test(an_empty_network_gets_a_segment),
        cmocka_unit_test(a_segment_counts_as_delivered_when_the_ack_of_its_end_comes),
        cmocka_unit_test(a_copy_gives_no_delivery_rate_by_the_mark_of_a_later_one),
        cmocka_unit_test(an_original_gives_no_delivery_rate_by_the_mark_of_its_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
