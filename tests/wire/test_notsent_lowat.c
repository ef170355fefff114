/* TCP_NOTSENT_LOWAT, as on Linux: how much may wait to be sent for the first time. */
#include "lib/wire.h"

enum { MSS = 1460, LOWAT = 16000 };

static ssize_t write_much(struct wire *w)
{
    static const char block[200000];
    return mytcp_send(w->stack, w->fd, block, sizeof(block), 0);
}

static void all_that_may_goes(struct wire *w)
{
    static struct wire_packet p;
    while (wire_poll(w, &p))
        continue;
}

static bool writable(struct wire *w)
{
    return wire_ready(w, w->fd) & POLLOUT;
}

static void begin(struct wire *w, int lowat)
{
    w->any_payload = true;
    wire_passive(w);
    wire_set(w, IPPROTO_TCP, TCP_NOTSENT_LOWAT, lowat);
}

SCENARIO(no_more_waits_to_be_sent_than_that)
{
    begin(w, LOWAT);
    assert_int_equal(write_much(w), LOWAT);
    FAILS(w, write_much(w), EAGAIN);
    all_that_may_goes(w);
    assert_int_equal(wire_info(w).send_unacked, 10 * MSS);
    assert_int_equal(write_much(w), 10 * MSS); /* what went makes room, acknowledged or not */
    FAILS(w, write_much(w), EAGAIN);
}

SCENARIO(it_is_writable_when_less_than_half_of_that_waits)
{
    w->wnd = 7680; /* 5 segments */
    begin(w, LOWAT);
    assert_true(writable(w));
    write_much(w);
    assert_false(writable(w));
    all_that_may_goes(w);
    assert_false(writable(w)); /* 8700 wait */
    IN(w, .flags = ACK, .seq = 1, .ack = 1 + MSS);
    assert_false(writable(w)); /* nothing has gone yet */
    all_that_may_goes(w);
    assert_true(writable(w)); /* 7240 */
}

/* The sending makes it so, not an acknowledgement: nobody waits a round trip more. */
SCENARIO(sending_wakes_who_waits_for_it)
{
    struct mytcp_event event;
    begin(w, LOWAT);
    write_much(w);
    assert_int_equal(mytcp_watch(w->stack, w->fd, POLLOUT | MYTCP_ET, 7), 0);
    assert_int_equal(mytcp_wait(w->stack, &event, 1, 0), 0);
    all_that_may_goes(w);
    assert_int_equal(mytcp_wait(w->stack, &event, 1, 0), 1);
    assert_int_equal(event.events, POLLOUT);
}

SCENARIO(the_default_is_a_setting)
{
    w->config.notsent_lowat_bytes = LOWAT;
    begin(w, 0); /* the default again */
    assert_int_equal(write_much(w), LOWAT);
    wire_set(w, IPPROTO_TCP, TCP_NOTSENT_LOWAT, -1); /* no limit */
    assert_true(writable(w));
    assert_int_equal(write_much(w), 200000);
    wire_set(w, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 0);
    FAILS(w, write_much(w), EAGAIN);
}

/* a tiny mark does not make tiny segments */
SCENARIO(one_segment_may_always_wait)
{
    begin(w, 1);
    assert_int_equal(write_much(w), MSS);
    assert_false(writable(w));
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    assert_true(writable(w));
}

WIRE_MAIN(WIRE_TEST(no_more_waits_to_be_sent_than_that),
          WIRE_TEST(it_is_writable_when_less_than_half_of_that_waits),
          WIRE_TEST(sending_wakes_who_waits_for_it), WIRE_TEST(the_default_is_a_setting),
          WIRE_TEST(one_segment_may_always_wait))
