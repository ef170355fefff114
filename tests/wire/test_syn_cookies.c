/* SYN cookies: handshakes without state (RFC 4987 3.6). */
#include "lib/wire.h"

static void cookies_always(struct wire *w)
{
    w->config.syn_cookies = 2;
    wire_listen(w, 16);
}

static int accept_now(struct wire *w)
{
    return mytcp_accept(w->stack, w->listener, NULL, NULL, SOCK_NONBLOCK);
}

/* 4987-2 */
SCENARIO(a_cookie_handshake_establishes_without_half_open_state)
{
    cookies_always(w);
    wire_passive(w);
    struct mytcp_conn_info info = wire_info(w);
    assert_true(info.by_cookie);
    assert_int_equal(wire_stats(w).syn_cookies_sent, 1);
    assert_int_equal(wire_stats(w).syn_cookies_ok, 1);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 101);
    READ(w, 100);
    WRITE(w, 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 101, .len = 100);
}

/* R01 */
SCENARIO(a_syn_takes_no_memory)
{
    cookies_always(w);
    IN(w, .flags = SYN, .mss = 1460);
    OUT(w, .flags = SYN | ACK, .ack = 1);
    uint64_t live = w->allocs_live;
    for (unsigned i = 0; i < 100; i++) {
        w->peer_port++;
        IN(w, .flags = SYN, .mss = 1460);
        OUT(w, .flags = SYN | ACK, .ack = 1);
    }
    assert_int_equal(wire_stats(w).half_open, 0);
    assert_true(w->allocs_live <= live + 2); /* a buffer to read into, perhaps */
    AT(w, 100 * SEC);                        /* and no SYN-ACK is ever sent again */
    QUIET(w);
}

SCENARIO(a_syn_for_whose_answer_there_is_no_room_is_dropped)
{
    static struct wire_packet p;
    cookies_always(w);
    for (unsigned i = 0; i < 256; i++)
        assert_string_equal(IN(w, .flags = SYN, .mss = 1460), "");
    assert_string_equal(IN(w, .flags = SYN, .mss = 1460), "reply_limit");
    assert_int_equal(wire_stats(w).syn_cookies_sent, 256);
    while (wire_poll(w, &p))
        continue;
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    assert_true(accept_now(w) >= 0);
}

/* M08: the cookie comes again with whatever the peer sends next */
SCENARIO(a_cookie_that_finds_no_memory_is_good_later)
{
    int wait_for = 40;
    cookies_always(w);
    assert_int_equal(
        mytcp_setsockopt(w->stack, w->listener, SOL_SOCKET, SO_RCVLOWAT, &wait_for, sizeof(wait_for)), 0);
    IN(w, .flags = SYN, .mss = 1460);
    OUT(w, .flags = SYN | ACK, .ack = 1);
    for (unsigned fails = 1; fails <= 2; fails++) { /* the socket; its rare options */
        w->fail_at = w->allocs + fails;
        assert_string_equal(IN(w, .flags = ACK, .seq = 1, .ack = 1), "no_memory");
        assert_int_equal(wire_stats(w).opened_passive, 0);
        assert_int_equal(wire_stats(w).syn_cookies_ok, 0);
        FAILS(w, accept_now(w), EAGAIN);
    }
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    assert_int_equal(wire_stats(w).opened_passive, 1);
    w->fd = accept_now(w);
    assert_int_equal(wire_option(w, SOL_SOCKET, SO_RCVLOWAT), 40);
}

/* the MSS survives, rounded down to what the cookie can say */
SCENARIO(the_peers_mss_is_respected)
{
    static const uint16_t mss[] = {536, 1000, 1300, 1440, 1460, 8960};
    cookies_always(w);
    for (unsigned i = 0; i < 6; i++) {
        w->peer_port++;
        w->peer.mss = mss[i];
        wire_passive(w);
        assert_true(wire_info(w).peer_mss <= mss[i] && wire_info(w).peer_mss >= mss[i] / 2);
    }
}

/* R02, 4987-4 */
SCENARIO(with_timestamps_window_scale_and_sack_survive)
{
    w->peer.ts = true;
    cookies_always(w);
    wire_passive(w);
    struct mytcp_conn_info info = wire_info(w);
    assert_true(info.timestamps_ok && info.wscale_ok && info.sack_ok);
    assert_int_equal(info.snd_wscale, 7);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = 512 * 1024, .len = 10);
    OUT(w, .flags = ACK, .seq = 1, .ack = 11);
    assert_int_equal(wire_info(w).snd_wnd, 512 * 1024);
}

SCENARIO(without_timestamps_they_are_not_offered)
{
    cookies_always(w);
    wire_syn_received(w);
    assert_false(wire_conn(w)->our_scale || wire_conn(w)->our_sack);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = 20000);
    w->fd = accept_now(w);
    assert_int_equal(wire_info(w).snd_wnd, 20000);
}

/* R02, 4987-3 */
SCENARIO(a_forged_cookie_draws_a_rst)
{
    cookies_always(w);
    wire_syn_received(w);
    for (uint32_t wrong = 2; wrong < 2000; wrong += 13) {
        IN(w, .flags = ACK, .seq = 1, .ack = wrong);
        OUT(w, .flags = RST, .seq = wrong);
    }
    IN(w, .flags = ACK, .seq = 2, .ack = 1); /* another sequence number than the SYN's */
    OUT(w, .flags = RST, .seq = 1);
    FAILS(w, accept_now(w), EAGAIN);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    QUIET(w);
    assert_true(accept_now(w) >= 0);
}

/* 4987-3, R02 */
SCENARIO(a_cookie_of_another_peer_draws_a_rst)
{
    cookies_always(w);
    wire_syn_received(w);
    uint32_t cookie = wire_conn(w)->iss + 1;
    w->peer_port++;
    IN(w, .flags = ACK, .seq = 1, .ack = cookie); /* iss is unknown here, so this is absolute */
    OUT(w, .flags = RST, .seq = cookie);
    FAILS(w, accept_now(w), EAGAIN);
}

/* 4987-3, R02 */
SCENARIO(a_stale_cookie_draws_a_rst)
{
    cookies_always(w);
    wire_syn_received(w);
    AT(w, 300 * SEC);
    w->peer_port++; /* cookies are still in use */
    IN(w, .flags = SYN, .mss = 1460);
    OUT(w, .flags = SYN | ACK, .ack = 1);
    w->peer_port--;
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    OUT(w, .flags = RST, .seq = 1);
    FAILS(w, accept_now(w), EAGAIN);
}

/* 4987-3, R02 */
SCENARIO(a_cookie_of_half_a_minute_ago_is_good)
{
    cookies_always(w);
    wire_syn_received(w);
    AT(w, 30 * SEC);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    QUIET(w);
    assert_true(accept_now(w) >= 0);
}

/* an ACK without a SYN before is no connection when cookies are off or were never sent (RFC 4987)
 */
SCENARIO(without_cookies_an_ack_to_a_listener_draws_a_rst)
{
    w->config.syn_cookies = 0;
    wire_listen(w, 16);
    IN(w, .flags = ACK, .seq = 1, .ack = 77);
    OUT(w, .flags = RST, .seq = 77);
}

/* R02, G003 */
SCENARIO(a_rst_with_a_good_cookie_opens_nothing)
{
    cookies_always(w);
    wire_syn_received(w);
    IN(w, .flags = RST | ACK, .seq = 1, .ack = 1);
    QUIET(w);
    FAILS(w, accept_now(w), EAGAIN);
}

/* R02, G002: the ACK was lost, or comes together with data */
SCENARIO(data_completes_a_cookie_handshake)
{
    cookies_always(w);
    wire_syn_received(w);
    IN(w, .flags = PSH | ACK, .seq = 1, .ack = 1, .len = 100);
    IN(w, .flags = PSH | ACK, .seq = 101, .ack = 1, .len = 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 201);
    w->fd = accept_now(w);
    READ(w, 200);
}

/* 4987-5 */
SCENARIO(data_on_the_syn_is_not_acknowledged)
{
    cookies_always(w);
    IN(w, .flags = SYN, .mss = 1460, .len = 10);
    OUT(w, .flags = SYN | ACK, .ack = 1);
}

/* 4987-1, R01: overflow turns cookies on, and everyone gets in */
SCENARIO(a_full_syn_queue_turns_to_cookies)
{
    w->config.syn_queue_max = 4;
    wire_listen(w, 64);
    for (unsigned i = 0; i < 20; i++) {
        w->peer_port = (uint16_t)(20000 + i);
        IN(w, .flags = SYN, .mss = 1460);
        OUT(w, .flags = SYN | ACK, .ack = 1);
    }
    assert_int_equal(wire_stats(w).half_open, 4);
    assert_int_equal(wire_stats(w).syn_cookies_sent, 16);
    for (unsigned i = 0; i < 20; i++) {
        w->peer_port = (uint16_t)(20000 + i);
        IN(w, .flags = ACK, .seq = 1, .ack = 1);
        QUIET(w);
        assert_true(accept_now(w) >= 0);
    }
    assert_int_equal(wire_stats(w).opened_passive, 20);
}

/* G001: a client whose SYN was answered in both ways is not reset */
SCENARIO(a_syn_again_after_the_queue_emptied_does_not_hurt)
{
    w->config.syn_queue_max = 1;
    wire_listen(w, 64);
    IN(w, .flags = SYN, .mss = 1460);
    OUT(w, .flags = SYN | ACK, .ack = 1);
    w->peer_port++;
    IN(w, .flags = SYN, .mss = 1460);
    OUT(w, .flags = SYN | ACK, .ack = 1); /* by cookie */
    w->peer_port--;
    IN(w, .flags = RST, .seq = 1); /* room again */
    w->peer_port++;
    uint32_t first_iss = wire_conn(w)->iss;
    wire_conn(w)->iss_known = false;
    IN(w, .flags = SYN, .mss = 1460);
    OUT(w, .flags = SYN | ACK, .ack = 1);
    uint32_t second_iss = wire_conn(w)->iss;
    IN(w, .flags = ACK, .seq = 1, .ack = first_iss - second_iss + 1);
    static struct wire_packet p;
    if (first_iss != second_iss && wire_poll(w, &p)) /* RFC 9293 resets what it cannot tell ... */
        assert_true(p.flags & RST);
    IN(w, .flags = ACK, .seq = 1, .ack = 1); /* ... but the newer handshake lives */
    assert_true(accept_now(w) >= 0);
}

SCENARIO(a_full_syn_queue_without_cookies_drops_syns)
{
    w->config.syn_queue_max = 2;
    w->config.syn_cookies = 0;
    wire_listen(w, 64);
    for (unsigned i = 0; i < 2; i++) {
        w->peer_port++;
        IN(w, .flags = SYN, .mss = 1460);
        OUT(w, .flags = SYN | ACK, .ack = 1);
    }
    w->peer_port++;
    assert_string_equal(IN(w, .flags = SYN, .mss = 1460), "syn_queue");
    QUIET(w);
}

WIRE_MAIN(WIRE_TEST(a_cookie_handshake_establishes_without_half_open_state),
          WIRE_TEST(a_syn_takes_no_memory),
          WIRE_TEST(a_syn_for_whose_answer_there_is_no_room_is_dropped),
          WIRE_TEST(a_cookie_that_finds_no_memory_is_good_later), WIRE_TEST(the_peers_mss_is_respected),
          WIRE_TEST(with_timestamps_window_scale_and_sack_survive),
          WIRE_TEST(without_timestamps_they_are_not_offered),
          WIRE_TEST(a_forged_cookie_draws_a_rst), WIRE_TEST(a_cookie_of_another_peer_draws_a_rst),
          WIRE_TEST(a_stale_cookie_draws_a_rst), WIRE_TEST(a_cookie_of_half_a_minute_ago_is_good),
          WIRE_TEST(without_cookies_an_ack_to_a_listener_draws_a_rst),
          WIRE_TEST(a_rst_with_a_good_cookie_opens_nothing),
          WIRE_TEST(data_completes_a_cookie_handshake),
          WIRE_TEST(data_on_the_syn_is_not_acknowledged),
          WIRE_TEST(a_full_syn_queue_turns_to_cookies),
          WIRE_TEST(a_syn_again_after_the_queue_emptied_does_not_hurt),
          WIRE_TEST(a_full_syn_queue_without_cookies_drops_syns))
