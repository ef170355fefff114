/* A check that cannot fail says nothing: each invariant is broken once, and must say so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tcp/flight.h"
#include "tcp/run.h"
#include "tcp/tcb.h"

static struct mem mem;

static int begin(void **state)
{
    (void)state;
    mem_init(&mem, NULL, NULL, NULL, 1 << 20);
    return 0;
}

static int end(void **state)
{
    (void)state;
    assert_int_equal(mem.used, 0);
    return 0;
}

/* ---- the TCB ---- */

/* A connection in this state that has nothing to do. */
static struct tcb resting(int state, bool fin_queued, bool fin_rcvd)
{
    struct tcb t = {.state = (uint8_t)state,
                    .fin_queued = fin_queued,
                    .fin_rcvd = fin_rcvd,
                    .rexmt_at_us = TIME_NEVER,
                    .probe_at_us = TIME_NEVER,
                    .delack_at_us = TIME_NEVER,
                    .keep_at_us = state == ST_TIME_WAIT ? 1 : TIME_NEVER,
                    .unacked_us = TIME_NEVER};
    t.snd_una = t.snd_nxt = t.snd_max = seq_of(UINT32_MAX);
    t.rcv_nxt = t.rcv_adv = seq_of(7);
    assert_null(tcb_check(&t));
    return t;
}

#define TCB_SAYS(text, from, ...)                                                                  \
    do {                                                                                           \
        struct tcb t = (from);                                                                     \
        __VA_ARGS__;                                                                               \
        assert_string_equal(tcb_check(&t), "tcb: " text);                                          \
    } while (0)

static void each_state_has_the_fins_that_led_to_it(void **state)
{
    (void)state;
    TCB_SAYS("FIN received before SYN", resting(ST_SYN_SENT, false, false), t.fin_rcvd = true);
    TCB_SAYS("FIN in ESTABLISHED", resting(ST_ESTABLISHED, false, false), t.fin_queued = true);
    TCB_SAYS("FIN in ESTABLISHED", resting(ST_ESTABLISHED, false, false), t.fin_rcvd = true);
    TCB_SAYS("CLOSE-WAIT without the peer's FIN", resting(ST_CLOSE_WAIT, false, true), t.fin_queued = true);
    TCB_SAYS("CLOSE-WAIT without the peer's FIN", resting(ST_CLOSE_WAIT, false, true), t.fin_rcvd = false);
    TCB_SAYS("FIN-WAIT with the wrong FINs", resting(ST_FIN_WAIT_1, true, false), t.fin_queued = false);
    TCB_SAYS("FIN-WAIT with the wrong FINs", resting(ST_FIN_WAIT_2, true, false), t.fin_rcvd = true);
    TCB_SAYS("both FINs are due in this state", resting(ST_CLOSING, true, true), t.fin_queued = false);
    TCB_SAYS("both FINs are due in this state", resting(ST_LAST_ACK, true, true), t.fin_rcvd = false);
}

static void sequence_numbers_stand_in_their_order(void **state)
{
    struct tcb rest = resting(ST_ESTABLISHED, false, false), closing = resting(ST_FIN_WAIT_1, true, false);
    (void)state;
    TCB_SAYS("SND.UNA beyond SND.NXT", rest, t.snd_una = seq_of(0));
    TCB_SAYS("SND.NXT beyond what was ever sent", rest, t.snd_nxt = seq_of(0));
    TCB_SAYS("a window probe beyond data in flight", rest, t.snd_nxt = seq_of(0), t.snd_max = seq_of(1));
    TCB_SAYS("more in flight than is queued", rest, t.snd_nxt = t.snd_max = seq_of(0));
    TCB_SAYS("RCV.NXT beyond the window", rest, t.rcv_nxt = seq_of(8));
    TCB_SAYS("FIN sent but not queued", rest, t.fin_sent = true);
    TCB_SAYS("more sent than the FIN", closing, t.fin_sent = true, t.snd_max = seq_of(0));
    TCB_SAYS("FIN sent before the data", closing, t.fin_sent = true, t.sendq.len = 2,
             t.snd_nxt = t.snd_max = seq_of(1));
}

static void who_waits_has_a_timer(void **state)
{
    struct tcb rest = resting(ST_ESTABLISHED, false, false), last = resting(ST_FIN_WAIT_2, true, false);
    (void)state;
    TCB_SAYS("a timer runs in CLOSED", resting(ST_CLOSED, false, false), t.rexmt_at_us = 5);
    TCB_SAYS("data in flight without a timer", rest, t.sendq.len = 1, t.snd_nxt = t.snd_max = seq_of(0));
    TCB_SAYS("data waits without a timer", rest, t.sendq.len = 1);
    TCB_SAYS("FIN-WAIT-2 of nobody without a timer", last, t.orphan = true);
    TCB_SAYS("TIME-WAIT for ever", resting(ST_TIME_WAIT, true, true), t.keep_at_us = TIME_NEVER);
}

static void what_the_parts_say_is_heard(void **state)
{
    struct tcb rest = resting(ST_ESTABLISHED, false, false), t;
    struct tcp_bulk bulk = {.path = {.probe = 1500}};
    struct sendq_pool chunks;
    (void)state;
    t = rest;
    t.recvq.readable = 1;
    assert_string_equal(tcb_check(&t), "recvq: buffers hold less than the run");
    t = rest;
    t.rexmt_at_us = 1;
    t.sendq.len = 1;
    assert_string_equal(tcb_check(&t), "sendq: len is not the sum of the chunks");
    t = rest;
    t.bulk = &bulk;
    assert_string_equal(tcb_check(&t), "path_mtu: a probe that is no larger than the rest");
    t = rest;
    t.rexmt_at_us = 1;
    t.snd_nxt = t.snd_max = seq_of(0);
    sendq_pool_init(&chunks, &mem);
    assert_int_equal(sendq_append(&t.sendq, &chunks, "x", 1), 1);
    assert_string_equal(tcb_check(&t), "recovery: bytes in flight that nobody remembers");
    sendq_free(&t.sendq, &chunks);
}

static void what_is_lost_belongs_to_an_episode(void **state)
{
    struct tcb t = resting(ST_ESTABLISHED, false, false);
    struct rate_now now = {.now_us = 1};
    struct sendq_pool chunks;
    (void)state;
    t.rexmt_at_us = 1;
    t.snd_nxt = t.snd_max = seq_of(0);
    sendq_pool_init(&chunks, &mem);
    assert_int_equal(sendq_append(&t.sendq, &chunks, "x", 1), 1);
    assert_true(recovery_reserve(&t.recovery, &mem));
    recovery_sent(&t.recovery, t.snd_una, 1, 1, &now);
    recovery_enter_rto(&t.recovery, t.snd_una, t.snd_nxt, NULL, 0, 0, false);
    assert_null(tcb_check(&t));
    t.recovery.mode = RECOVERY_NONE;
    assert_string_equal(tcb_check(&t), "tcb: a loss outside of an episode");
    recovery_free(&t.recovery, &mem);
    sendq_free(&t.sendq, &chunks);
}

static void a_state_has_the_name_of_the_rfc(void **state)
{
    (void)state;
    assert_string_equal(tcp_state_name(ST_ESTABLISHED), "ESTABLISHED");
    assert_string_equal(tcp_state_name(ST_CLOSING), "CLOSING");
    assert_string_equal(tcp_state_name(0), "?");
    assert_string_equal(tcp_state_name(ST_CLOSING + 1), "?");
}


static void no_buffer_asks_for_a_larger_shift_than_there_is(void **state)
{
    (void)state;
    assert_int_equal(tcb_wscale_for(65536), 0);
    assert_int_equal(tcb_wscale_for(65537), 1);
    assert_int_equal(tcb_wscale_for(1u << 30), 14);
    assert_int_equal(tcb_wscale_for(UINT32_MAX), 14);
}

/* ---- the path's MTU ---- */

static void a_probe_is_larger_than_what_is_sent_and_what_is_sent_is_tried(void **state)
{
    static const char *const small = "path_mtu: a probe that is no larger than the rest";
    (void)state;
    assert_null(path_mtu_check(&(struct path_mtu){.eff = 1024, .probe = 1280, .high = 1400}));
    assert_string_equal(path_mtu_check(&(struct path_mtu){.probe = 1280}), small);
    assert_string_equal(path_mtu_check(&(struct path_mtu){.eff = 1280, .probe = 1280}), small);
    assert_null(path_mtu_check(&(struct path_mtu){.high = 1400}));
    assert_string_equal(path_mtu_check(&(struct path_mtu){.eff = 1401, .high = 1400}),
                        "path_mtu: more is sent than is tried");
    assert_null(path_mtu_check(&(struct path_mtu){.eff = 1024, .probe = 1280, .repairing = true}));
    assert_string_equal(path_mtu_check(&(struct path_mtu){.repairing = true}),
                        "path_mtu: a probe that is not there is repaired");
}

/* ---- what is in flight ---- */

/* Records of two units of 50: the first went again, the second is SACKed, the third is lost, the fourth went again. */
static struct flight four_records(void)
{
    struct flight f = {0};
    for (uint32_t i = 0; i < 4; i++) {
        assert_true(flight_reserve(&f, &mem));
        flight_push(&f, seq_of(100 * i - 100), 100, 50, 10 + i);
    }
    flight_mark_lost(&f, 0, 3);
    flight_mark_again(&f, 0, 3, 20);
    flight_mark_sacked(&f, 1, 3);
    flight_mark_lost(&f, 2, 3);
    flight_mark_lost(&f, 3, 3);
    flight_mark_again(&f, 3, 3, 21);
    return f;
}

#define FLIGHT_SAYS(text, ...)                                                                     \
    do {                                                                                           \
        struct flight kept = f;                                                                    \
        uint8_t ring[4 * sizeof(struct sent) + 3 * sizeof(uint64_t)];                              \
        memcpy(ring, f.ring, sizeof(ring));                                                        \
        __VA_ARGS__;                                                                               \
        assert_string_equal(flight_check(&f, una, nxt), "flight: " text);                          \
        f = kept;                                                                                  \
        memcpy(f.ring, ring, sizeof(ring));                                                        \
        assert_null(flight_check(&f, una, nxt));                                                   \
    } while (0)

static void the_records_of_what_is_in_flight_fit_together(void **state)
{
    const seq_t una = seq_of(UINT32_MAX - 99), nxt = seq_of(300);
    struct flight f = four_records();
    (void)state;
    FLIGHT_SAYS("an impossible record", f.ring[1].len = 0);
    FLIGHT_SAYS("an impossible record", f.ring[1].unit = 0);
    FLIGHT_SAYS("an impossible record", f.ring[1].unit = 1);
    FLIGHT_SAYS("a gap between records", f.ring[0].start = seq_add(una, 1));
    FLIGHT_SAYS("a gap between records", f.ring[1].start = seq_of(1));
    FLIGHT_SAYS("a mark beyond the record", f.ring[1].sacked |= 4);
    FLIGHT_SAYS("SACKed and lost", f.ring[2].sacked = 1);
    FLIGHT_SAYS("records do not reach SND.NXT", f.ring[3].len = 99);
    FLIGHT_SAYS("bytes without a record", f.count = 0);
    FLIGHT_SAYS("bytes miscounted", f.sacked_bytes++);
    FLIGHT_SAYS("bytes miscounted", f.lost_bytes--);
    FLIGHT_SAYS("bytes miscounted", f.sacked_units++);
    flight_free(&f, &mem);
}

static void the_sets_over_the_records_hold_what_the_records_say(void **state)
{
    const seq_t una = seq_of(UINT32_MAX - 99), nxt = seq_of(300);
    struct flight f = four_records();
    (void)state;
    FLIGHT_SAYS("waiting", f.waiting[0] ^= 1);
    FLIGHT_SAYS("open", f.open[0] ^= 2);
    FLIGHT_SAYS("once", f.once[0] ^= 4);
    FLIGHT_SAYS("sent again, and not in the list", f.ring[3].older = 0);
    FLIGHT_SAYS("the list's way back", f.ring[3].older = 2);
    FLIGHT_SAYS("the list's way back", f.ring[0].newer = 1); /* it goes round */
    f.count = 3;
    assert_string_equal(flight_check(&f, una, seq_of(200)), "flight: the list has what is not in flight");
    f.count = 4;
    FLIGHT_SAYS("the list's end", f.newest = 1);
    flight_free(&f, &mem);
}

/* ---- received runs ---- */

static void buffers_hold_what_the_run_says(void **state)
{
    struct buf_pool pool;
    buf_pool_init(&pool, &mem);
    struct buf *b = buf_compact(&pool, 100);
    struct run r = {.start = 10, .end = 30, .head = b, .tail = b};
    (void)state;
    b->start = 5;
    b->len = 20;
    b->next = NULL;
    assert_null(run_check(&r));
    b->len = 0;
    assert_string_equal(run_check(&r), "recvq: a buffer's run lies outside its memory");
    b->len = b->cap;
    assert_string_equal(run_check(&r), "recvq: a buffer's run lies outside its memory");
    b->len = 20;
    b->start = b->cap + 1;
    assert_string_equal(run_check(&r), "recvq: a buffer's run lies outside its memory");
    b->start = 5;
    r.end = 29;
    assert_string_equal(run_check(&r), "recvq: buffers hold more than the run");
    r.end = 31;
    assert_string_equal(run_check(&r), "recvq: buffers hold less than the run");
    r.end = 30;
    r.tail = NULL;
    assert_string_equal(run_check(&r), "recvq: the tail is not the last buffer");
    r.tail = b;
    run_free(&r, &pool);
    buf_pool_free(&pool);
}

#define INVARIANT(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        INVARIANT(each_state_has_the_fins_that_led_to_it),
        INVARIANT(sequence_numbers_stand_in_their_order),
        INVARIANT(who_waits_has_a_timer),
        INVARIANT(what_the_parts_say_is_heard),
        INVARIANT(what_is_lost_belongs_to_an_episode),
        INVARIANT(a_state_has_the_name_of_the_rfc),
        INVARIANT(no_buffer_asks_for_a_larger_shift_than_there_is),
        INVARIANT(a_probe_is_larger_than_what_is_sent_and_what_is_sent_is_tried),
        INVARIANT(the_records_of_what_is_in_flight_fit_together),
        INVARIANT(the_sets_over_the_records_hold_what_the_records_say),
        INVARIANT(buffers_hold_what_the_run_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
