/* Blocking calls that send, close and look; and what a driver may be and do. */
#include "lib/wire_driver.h"

#include <fcntl.h>

/* ---- what others do meanwhile ---- */

static void full_buffer_goes(struct wire *w)
{
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1460);
    OUT(w, .flags = ACK, .seq = 1461, .ack = 1, .len = 1460);
    IN(w, .flags = ACK, .seq = 1, .ack = 2921);
}

static void window_update(struct wire *w) /* which changes nothing that anybody waits for */
{
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = 4096);
}

static void data(struct wire *w) { IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10); }
static void reset(struct wire *w) { IN(w, .flags = RST, .seq = 1); }
static void fin_goes(struct wire *w) { OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1); }
static void fin_is_acknowledged(struct wire *w) { IN(w, .flags = ACK, .seq = 1, .ack = 2); }

static void somebody_closes(struct wire *w)
{
    assert_int_equal(mytcp_fcntl(w->stack, w->fd, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
}

static void somebody_shuts_writing(struct wire *w)
{
    assert_int_equal(mytcp_shutdown(w->stack, w->fd, SHUT_WR), 0);
}

/* ---- send ---- */

enum { ROOM = 2920, MORE = 4380 };

/* Established, with that much room to send into. */
static void sending(struct wire *w, wire_step *const *steps)
{
    wire_passive(w);
    wire_set(w, SOL_SOCKET, SO_SNDBUF, ROOM);
    wire_attach(w, steps);
}
#define SENDING(w, ...) sending((w), WIRE_STEPS(__VA_ARGS__))

static ssize_t send_more(struct wire *w, int flags)
{
    uint8_t bytes[MORE];
    for (unsigned i = 0; i < MORE; i++)
        bytes[i] = wire_byte(true, i);
    return mytcp_send(w->stack, w->fd, bytes, sizeof(bytes), flags);
}

SCENARIO(send_waits_until_all_is_taken)
{
    SENDING(w, window_update, full_buffer_goes);
    assert_int_equal(send_more(w, 0), MORE);
    ALL_DONE();
    wire_conn(w)->write_pos = MORE;
    OUT(w, .flags = ACK, .seq = 2921, .ack = 1, .len = 1460);
    QUIET(w);
}

SCENARIO(send_takes_what_there_is_room_for_when_it_must_not_wait)
{
    SENDING(w, NULL);
    assert_int_equal(send_more(w, MSG_DONTWAIT), ROOM);
    FAILS(w, send_more(w, MSG_DONTWAIT), EAGAIN);
    assert_int_equal(wire_driver.waits, 0);
}

SCENARIO(send_gives_up_when_its_time_is_over)
{
    SENDING(w, NULL);
    wire_patience(w, w->fd, SO_SNDTIMEO, 300);
    uint64_t start = w->now_us;
    assert_int_equal(send_more(w, 0), ROOM);
    FAILS(w, send_more(w, 0), EAGAIN);
    assert_int_equal(w->now_us - start, 600 * MS);
}

SCENARIO(send_that_is_interrupted_tells_what_it_took)
{
    SENDING(w, wire_interrupted, wire_interrupted);
    assert_int_equal(send_more(w, 0), ROOM);
    FAILS(w, send_more(w, 0), EINTR);
}

SCENARIO(an_error_while_send_waits_is_for_the_next_call)
{
    SENDING(w, reset);
    assert_int_equal(send_more(w, 0), ROOM);
    FAILS(w, send_more(w, 0), ECONNRESET);
    FAILS(w, send_more(w, 0), EPIPE);
}

SCENARIO(send_ends_when_somebody_shuts_writing)
{
    SENDING(w, somebody_shuts_writing);
    assert_int_equal(send_more(w, 0), ROOM);
    FAILS(w, send_more(w, 0), EPIPE);
}

SCENARIO(send_ends_with_its_socket)
{
    SENDING(w, somebody_closes);
    assert_int_equal(send_more(w, 0), ROOM);
    FAILS(w, send_more(w, 0), EBADF);
}

SCENARIO(send_that_took_nothing_ends_with_its_socket)
{
    SENDING(w, somebody_closes);
    assert_int_equal(send_more(w, MSG_DONTWAIT), ROOM);
    FAILS(w, send_more(w, 0), EBADF);
}

/* ---- close ---- */

static void linger(struct wire *w, int seconds)
{
    struct linger l = {.l_onoff = 1, .l_linger = seconds};
    assert_int_equal(mytcp_setsockopt(w->stack, w->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
}

SCENARIO(close_lingers_until_the_fin_is_acknowledged)
{
    wire_passive(w);
    linger(w, 5);
    wire_attach(w, WIRE_STEPS(fin_goes, fin_is_acknowledged));
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    ALL_DONE();
    FAILS(w, mytcp_close(w->stack, w->fd), EBADF);
    QUIET(w);
}

SCENARIO(close_lingers_no_longer_than_asked)
{
    wire_passive(w);
    linger(w, 5);
    wire_attach(w, WIRE_STEPS(fin_goes));
    uint64_t start = w->now_us;
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    assert_int_equal(w->now_us - start, 5 * SEC);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1); /* it goes on without the application */
    fin_is_acknowledged(w);
    QUIET(w);
}

SCENARIO(close_that_lingers_ends_with_its_socket)
{
    wire_passive(w);
    linger(w, 5);
    wire_attach(w, WIRE_STEPS(fin_goes, somebody_closes));
    FAILS(w, mytcp_close(w->stack, w->fd), EBADF);
    ALL_DONE();
    assert_int_equal(wire_driver.waits, 2);
}

SCENARIO(close_lingers_for_nobody_who_has_nothing_to_wait_for)
{
    wire_passive(w);
    linger(w, 5);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    OUT(w, .flags = ACK, .seq = 1, .ack = 11);
    wire_attach(w, WIRE_NO_STEPS);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0); /* unread data: a reset */
    OUT(w, .flags = RST | ACK, .seq = 1, .ack = 11);
    w->fd = w->listener;
    linger(w, 5);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0); /* a listener */
    assert_int_equal(wire_driver.waits, 0);
}

SCENARIO(close_does_not_linger_when_it_must_not_block)
{
    wire_passive(w);
    linger(w, 5);
    wire_attach(w, WIRE_NO_STEPS);
    assert_int_equal(mytcp_fcntl(w->stack, w->fd, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    assert_int_equal(wire_driver.waits, 0);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
}

/* ---- poll and wait ---- */

SCENARIO(poll_waits_until_something_is_ready)
{
    wire_passive(w);
    wire_attach(w, WIRE_STEPS(window_update, data, wire_interrupted));
    struct pollfd p = {.fd = w->fd, .events = POLLIN};
    assert_int_equal(mytcp_poll(w->stack, &p, 1, -1), 1);
    assert_int_equal(p.revents, POLLIN);
    p.events = POLLPRI;
    FAILS(w, mytcp_poll(w->stack, &p, 1, -1), EINTR);
    ALL_DONE();
    uint64_t start = w->now_us;
    assert_int_equal(mytcp_poll(w->stack, &p, 1, 70), 0);
    assert_int_equal(w->now_us - start, 70 * MS);
}

SCENARIO(wait_waits_until_something_is_ready)
{
    struct mytcp_event e;
    wire_passive(w);
    wire_attach(w, WIRE_STEPS(window_update, data, wire_interrupted));
    assert_int_equal(mytcp_watch(w->stack, w->fd, POLLIN | MYTCP_ET, 7), 0);
    assert_int_equal(mytcp_wait(w->stack, &e, 1, -1), 1);
    assert_true(e.fd == w->fd && e.data == 7 && e.events == POLLIN);
    FAILS(w, mytcp_wait(w->stack, &e, 1, -1), EINTR);
    ALL_DONE();
    uint64_t start = w->now_us;
    assert_int_equal(mytcp_wait(w->stack, &e, 1, 70), 0);
    assert_int_equal(w->now_us - start, 70 * MS);
}

/* ---- the driver ---- */

SCENARIO(a_driver_that_fails_without_saying_why_is_eio)
{
    wire_passive(w);
    wire_attach(w, WIRE_STEPS(wire_broken));
    FAILS(w, mytcp_recv(w->stack, w->fd, &(char){0}, 1, 0), EIO);
}

SCENARIO(a_driver_is_told_when_there_is_something_to_send)
{
    wire_passive(w);
    wire_attach(w, WIRE_NO_STEPS);
    wire_ready(w, w->fd);
    assert_int_equal(wire_driver.kicks, 0);
    WRITE(w, 10);
    assert_int_equal(wire_driver.kicks, 1);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    QUIET(w);
    wire_ready(w, w->fd);
    assert_int_equal(wire_driver.kicks, 1);
    assert_int_equal(mytcp_shutdown(w->stack, w->fd, SHUT_RD), 0); /* who waits in another thread must look */
    assert_int_equal(wire_driver.kicks, 2);
}

static int wait_for_data(void *ctx, uint64_t deadline_us)
{
    (void)deadline_us;
    data(ctx);
    return 0;
}

SCENARIO(a_driver_needs_no_more_than_a_wait)
{
    struct mytcp_driver bare = {.ctx = w, .wait = wait_for_data};
    wire_passive(w);
    assert_int_equal(mytcp_fcntl(w->stack, w->fd, F_SETFL, 0), 0);
    FAILS(w, mytcp_attach(NULL, &bare), EINVAL);
    assert_int_equal(mytcp_attach(w->stack, &bare), 0);
    READ(w, 10);
    assert_int_equal(mytcp_attach(w->stack, NULL), 0);
    wire_again(w);
}

WIRE_MAIN(WIRE_TEST(send_waits_until_all_is_taken),
          WIRE_TEST(send_takes_what_there_is_room_for_when_it_must_not_wait),
          WIRE_TEST(send_gives_up_when_its_time_is_over),
          WIRE_TEST(send_that_is_interrupted_tells_what_it_took),
          WIRE_TEST(an_error_while_send_waits_is_for_the_next_call),
          WIRE_TEST(send_ends_when_somebody_shuts_writing), WIRE_TEST(send_ends_with_its_socket),
          WIRE_TEST(send_that_took_nothing_ends_with_its_socket),
          WIRE_TEST(close_lingers_until_the_fin_is_acknowledged),
          WIRE_TEST(close_lingers_no_longer_than_asked),
          WIRE_TEST(close_that_lingers_ends_with_its_socket),
          WIRE_TEST(close_lingers_for_nobody_who_has_nothing_to_wait_for),
          WIRE_TEST(close_does_not_linger_when_it_must_not_block),
          WIRE_TEST(poll_waits_until_something_is_ready),
          WIRE_TEST(wait_waits_until_something_is_ready),
          WIRE_TEST(a_driver_that_fails_without_saying_why_is_eio),
          WIRE_TEST(a_driver_is_told_when_there_is_something_to_send),
          WIRE_TEST(a_driver_needs_no_more_than_a_wait))
