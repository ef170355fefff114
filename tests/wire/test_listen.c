/* LISTEN (RFC 9293 3.10.7.2). */
#include "lib/wire.h"

static void listening(struct wire *w)
{
    wire_aim(w, false);
    wire_listen(w, 4);
}

/* 9293-SA-LISTEN-3, 9293-MUST-14, 7323-2.2b, 2018-2 */
SCENARIO(a_syn_draws_a_syn_ack_that_answers_the_offered_options)
{
    listening(w);
    IN(w, .flags = SYN, .mss = 1460, .wscale = WS(7), .sackok = true);
    const struct wire_packet *p = OUT(w, .flags = SYN | ACK, .ack = 1, .mss = 1460, .sackok = true);
    assert_true(p->wscale != 0);
    assert_false(p->ts);
    QUIET(w);
    assert_int_equal(wire_stats(w).half_open, 1);
}

SCENARIO(a_syn_without_options_draws_a_syn_ack_with_mss_alone)
{
    listening(w);
    IN(w, .flags = SYN, .wnd = 5000);
    const struct wire_packet *p = OUT(w, .flags = SYN | ACK, .ack = 1, .mss = 1460);
    assert_true(!p->wscale && !p->sackok && !p->ts);
    QUIET(w);
}

/* 7323-3.2b: TSecr echoes the SYN's TSval */
SCENARIO(a_syn_with_timestamps_draws_a_syn_ack_that_echoes_them)
{
    listening(w);
    IN(w, .flags = SYN, .mss = 1460, .ts = true, .tsval = 77777, .tsecr = 5);
    OUT(w, .flags = SYN | ACK, .ack = 1, .ts = true, .tsecr = 77777);
    QUIET(w);
}

/* S09, 9293-SA-LISTEN-1 */
SCENARIO(a_segment_with_rst_is_ignored_whatever_else_it_says)
{
    static const unsigned flags[] = {RST, RST | ACK, RST | SYN, RST | SYN | ACK, RST | FIN};
    listening(w);
    for (unsigned i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
        assert_string_equal(IN(w, .flags = flags[i], .seq = 9, .ack = 4), "listen_rst");
        QUIET(w);
    }
    assert_int_equal(wire_stats(w).half_open, 0);
}

/* 9293-GEN-13, S09, 9293-SA-LISTEN-2, G013 */
SCENARIO(a_segment_with_ack_draws_a_rst_with_its_ack_number)
{
    static const unsigned flags[] = {ACK, SYN | ACK, FIN | ACK, PSH | ACK, SYN | FIN | ACK};
    listening(w);
    for (unsigned i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
        const char *drop = IN(w, .flags = flags[i], .seq = 100, .ack = 5000 + i, .len = i);
        assert_true(strcmp(drop, "listen_ack") == 0 || strcmp(drop, "cookie_bad") == 0);
        OUT(w, .flags = RST, .seq = 5000 + i);
        QUIET(w);
    }
    assert_int_equal(wire_stats(w).half_open, 0);
}

/* 9293-SA-LISTEN-5 */
SCENARIO(a_segment_without_syn_ack_and_rst_is_dropped_in_silence)
{
    static const unsigned flags[] = {0, FIN, PSH, URG, FIN | PSH | URG};
    listening(w);
    for (unsigned i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
        assert_string_equal(IN(w, .flags = flags[i], .seq = 1, .len = 3), "listen_flags");
        QUIET(w);
    }
}

/* S08 */
SCENARIO(a_syn_with_fin_opens_nothing)
{
    listening(w);
    assert_string_equal(IN(w, .flags = SYN | FIN), "listen_flags");
    QUIET(w);
    assert_int_equal(wire_stats(w).half_open, 0);
}

/* S09,
 * 9293-SA-LISTEN-4, 9293-GEN-14: what a SYN carries is never delivered twice nor before ESTABLISHED
 */
SCENARIO(data_on_a_syn_is_delivered_once_after_the_handshake)
{
    struct wire_packet *p = malloc(sizeof(*p));
    listening(w);
    IN(w, .flags = SYN, .mss = 1460, .len = 10);
    assert_true(wire_poll(w, p));
    uint32_t acked = p->ack - wire_conn(w)->irs; /* either policy will do */
    free(p);
    assert_true(acked == 1 || acked == 11);
    IN(w, .flags = ACK, .seq = acked, .ack = 1);
    QUIET(w);
    w->fd = mytcp_accept(w->stack, w->listener, NULL, NULL, 0);
    assert_true(w->fd >= 0);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    OUT(w, .flags = ACK, .seq = 1, .ack = 11);
    READ(w, 10);
    wire_again(w);
}

/* 9293-OPEN-1, G046 */
SCENARIO(syns_of_many_peers_are_each_answered)
{
    listening(w);
    for (unsigned i = 0; i < 4; i++) {
        w->peer_port = (uint16_t)(50000 + i);
        IN(w, .flags = SYN, .mss = 1460);
        OUT(w, .flags = SYN | ACK, .ack = 1);
    }
    QUIET(w);
    assert_int_equal(wire_stats(w).half_open, 4);
}

/* 9293-ABORT-2, G246, 9293-CLOSE-2 */
SCENARIO(closing_the_listener_sends_nothing_and_later_syns_draw_rst)
{
    listening(w);
    assert_int_equal(mytcp_close(w->stack, w->listener), 0);
    QUIET(w);
    assert_string_equal(IN(w, .flags = SYN, .mss = 1460), "no_connection");
    OUT(w, .flags = RST | ACK, .seq = 0, .ack = 1);
    QUIET(w);
}

/* G007: a listener that closes abandons what is half open */
SCENARIO(the_last_ack_of_a_handshake_draws_rst_if_the_listener_has_closed)
{
    wire_syn_received(w);
    assert_int_equal(mytcp_close(w->stack, w->listener), 0);
    struct wire_packet *p = malloc(sizeof(*p));
    while (wire_poll(w, p)) /* the RST may come at once or when asked for */
        assert_true(p->flags & RST);
    free(p);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    OUT(w, .flags = RST, .seq = 1);
    QUIET(w);
    assert_int_equal(wire_stats(w).half_open, 0);
}

/* G034, G035: Linux resets what waits in the accept queue of a listener that closes */
SCENARIO(connections_that_nobody_accepted_are_reset_when_the_listener_closes)
{
    wire_syn_received(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    QUIET(w);
    assert_int_equal(mytcp_close(w->stack, w->listener), 0);
    struct wire_packet *p = malloc(sizeof(*p));
    assert_true(wire_poll(w, p));
    assert_true(p->flags & RST);
    assert_int_equal(p->seq, wire_conn(w)->iss + 1);
    free(p);
    QUIET(w);
}

/* 9293-SHLD-5 in reverse: a SYN without MSS means 536 (9293-MUST-15) */
SCENARIO(a_peer_without_mss_option_gets_segments_of_536_bytes)
{
    w->peer = (struct wire_peer){0};
    wire_passive(w);
    wire_set(w, IPPROTO_TCP, TCP_NODELAY, 1);
    WRITE(w, 1000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 536);
    OUT(w, .flags = ACK, .seq = 537, .ack = 1, .len = 464);
    QUIET(w);
}

SCENARIO(a_syn_for_another_port_draws_rst_and_leaves_the_listener_alone)
{
    listening(w);
    w->our_port = 81;
    IN(w, .flags = SYN, .mss = 1460, .len = 7);
    OUT(w, .flags = RST | ACK, .seq = 0, .ack = 8);
    QUIET(w);
    assert_int_equal(wire_stats(w).half_open, 0);
}

/* 9293-MUST-67: the segments we send respect the smaller of both sides' limits */
SCENARIO(a_peer_with_a_small_mss_gets_segments_of_that_size)
{
    w->peer.mss = 500;
    wire_passive(w);
    wire_set(w, IPPROTO_TCP, TCP_NODELAY, 1);
    WRITE(w, 1200);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 500);
    OUT(w, .flags = ACK, .seq = 501, .ack = 1, .len = 500);
    OUT(w, .flags = ACK, .seq = 1001, .ack = 1, .len = 200);
    QUIET(w);
}

/* R12: an absurd MSS counts as mss_min_bytes */
SCENARIO(a_peer_with_an_absurd_mss_gets_segments_of_the_configured_floor)
{
    static const uint16_t mss[] = {1, 8, 20, 47};
    w->peer = (struct wire_peer){0};
    wire_aim(w, false);
    wire_listen(w, 16);
    for (unsigned i = 0; i < sizeof(mss) / sizeof(*mss); i++) {
        w->peer_port++;
        w->peer.mss = mss[i];
        wire_passive(w);
        wire_set(w, IPPROTO_TCP, TCP_NODELAY, 1);
        WRITE(w, 100);
        OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 88);
        OUT(w, .flags = ACK, .seq = 89, .ack = 1, .len = 12);
        QUIET(w);
        IN(w, .flags = RST, .seq = 1);
    }
}

static int listen_beside(struct wire *w)
{
    struct sockaddr_in a = wire_sockaddr(w->our_addr, w->our_port);
    int on = 1, fd = mytcp_socket(w->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(mytcp_setsockopt(w->stack, fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    assert_int_equal(mytcp_bind(w->stack, fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(mytcp_listen(w->stack, fd, 4), 0);
    return fd;
}

/* 9293-MUST-41 */
SCENARIO(listening_on_the_port_of_connections_leaves_them_alone)
{
    int on = 1;
    wire_listen(w, 4);
    assert_int_equal(
        mytcp_setsockopt(w->stack, w->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    wire_passive(w);
    assert_int_equal(mytcp_close(w->stack, w->listener), 0);
    w->listener = listen_beside(w);
    QUIET(w);
    STATE(w, TCP_ESTABLISHED);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    OUT(w, .flags = ACK, .seq = 1, .ack = 11);
    READ(w, 10);
    w->peer_port++;
    IN(w, .flags = SYN, .mss = 1460);
    OUT(w, .flags = SYN | ACK, .ack = 1);
}

/* 9293-MUST-42: beside a connection in SYN-SENT, and in SYN-RECEIVED */
SCENARIO(a_port_can_be_listened_on_while_a_connection_opens_from_it)
{
    for (int crossed = 0; crossed < 2; crossed++) {
        int on = 1;
        struct sockaddr_in to = wire_sockaddr(w->peer_addr, ++w->peer_port);
        struct sockaddr_in from = wire_sockaddr(w->our_addr, ++w->our_port);
        wire_start(w);
        wire_conn(w);
        int fd = mytcp_socket(w->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        mytcp_setsockopt(w->stack, fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        assert_int_equal(mytcp_bind(w->stack, fd, (struct sockaddr *)&from, sizeof(from)), 0);
        FAILS(w, mytcp_connect(w->stack, fd, (struct sockaddr *)&to, sizeof(to)), EINPROGRESS);
        OUT(w, .flags = SYN);
        struct wire_segment syn = wire_peer_syn(w, crossed ? SYN : SYN | ACK, crossed ? 0 : 1);
        if (crossed) {
            wire_in(w, __FILE__, __LINE__, &syn);
            OUT(w, .flags = SYN | ACK, .ack = 1);
        }
        listen_beside(w);
        w->peer_port++;
        IN(w, .flags = SYN, .mss = 1460);
        OUT(w, .flags = SYN | ACK, .ack = 1);
        w->peer_port--;
        if (crossed) {
            IN(w, .flags = ACK, .seq = 1, .ack = 1);
        } else {
            wire_in(w, __FILE__, __LINE__, &syn);
            OUT(w, .flags = ACK, .seq = 1, .ack = 1);
        }
        w->fd = fd;
        STATE(w, TCP_ESTABLISHED);
    }
}

/* 7413-2, 7413-4.2a: nobody asked for TCP Fast Open: its option, with a cookie or without, means
 * nothing, and
 * what comes with the SYN is left for the peer to send again */
SCENARIO(a_fast_open_cookie_is_ignored)
{
    static const uint8_t asks[] = {2, 4, 5, 180, 34, 2, 1, 1}, has[] = {34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1};
    wire_listen(w, 4);
    for (unsigned i = 0; i < 2; i++) {
        w->peer_port++;
        IN(w, .flags = SYN, .len = 100, .options = i ? has : asks,
           .options_len = i ? sizeof(has) : sizeof(asks));
        const struct wire_packet *p = OUT(w, .flags = SYN | ACK, .ack = 1);
        assert_int_equal(p->len, 44); /* an MSS option alone */
    }
    assert_int_equal(mytcp_accept(w->stack, w->listener, NULL, NULL, 0), -1);
}

/* 1122-3.3.3b, 1122-3.3.2b: what can be received, less 40, is offered; what can be sent goes in one packet */
SCENARIO(the_mtu_is_a_setting)
{
    static const uint32_t mtus[] = {68, 576, 1280, 9000, 65535};
    for (unsigned i = 0; i < sizeof(mtus) / sizeof(*mtus); i++) {
        w->config.mtu_bytes = mtus[i];
        w->peer.mss = 65495;
        w->fd = w->listener = -1;
        wire_passive(w); /* looks at the MSS option */
        WRITE(w, 70000);
        assert_int_equal(OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = mtus[i] - 40)->len, mtus[i]);
        wire_stop(w);
        wire_reincarnate(w, w->irs);
    }
}

/* whatever became of what was half open, a port whose listener is closed can be had again */
SCENARIO(a_closed_listeners_port_is_free_for_connections)
{
    w->config.port_min = w->config.port_max = w->our_port;
    wire_syn_received(w);
    IN(w, .flags = RST, .seq = 1);
    QUIET(w);
    assert_int_equal(mytcp_close(w->stack, w->listener), 0);
    struct sockaddr_in to = wire_sockaddr(w->peer_addr, 9);
    int fd = mytcp_socket(w->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    FAILS(w, mytcp_connect(w->stack, fd, (struct sockaddr *)&to, sizeof(to)), EINPROGRESS);
}

WIRE_MAIN(WIRE_TEST(a_syn_draws_a_syn_ack_that_answers_the_offered_options),
          WIRE_TEST(a_syn_without_options_draws_a_syn_ack_with_mss_alone),
          WIRE_TEST(a_syn_with_timestamps_draws_a_syn_ack_that_echoes_them),
          WIRE_TEST(a_segment_with_rst_is_ignored_whatever_else_it_says),
          WIRE_TEST(a_segment_with_ack_draws_a_rst_with_its_ack_number),
          WIRE_TEST(a_segment_without_syn_ack_and_rst_is_dropped_in_silence),
          WIRE_TEST(a_syn_with_fin_opens_nothing),
          WIRE_TEST(data_on_a_syn_is_delivered_once_after_the_handshake),
          WIRE_TEST(syns_of_many_peers_are_each_answered),
          WIRE_TEST(closing_the_listener_sends_nothing_and_later_syns_draw_rst),
          WIRE_TEST(the_last_ack_of_a_handshake_draws_rst_if_the_listener_has_closed),
          WIRE_TEST(connections_that_nobody_accepted_are_reset_when_the_listener_closes),
          WIRE_TEST(a_peer_without_mss_option_gets_segments_of_536_bytes),
          WIRE_TEST(a_syn_for_another_port_draws_rst_and_leaves_the_listener_alone),
          WIRE_TEST(a_peer_with_a_small_mss_gets_segments_of_that_size),
          WIRE_TEST(a_peer_with_an_absurd_mss_gets_segments_of_the_configured_floor),
          WIRE_TEST(listening_on_the_port_of_connections_leaves_them_alone),
          WIRE_TEST(a_port_can_be_listened_on_while_a_connection_opens_from_it),
          WIRE_TEST(a_fast_open_cookie_is_ignored),
          WIRE_TEST(the_mtu_is_a_setting),
          WIRE_TEST(a_closed_listeners_port_is_free_for_connections))
