/* Peers, real or not, that want to use everything up (attacks A4): what each
 * costs is bounded, it ends by itself, and who comes honestly is served all the
 * while. */
#include "lib/random.h"
#include "lib/wire_place.h"

static struct wire_packet p;

static unsigned answers(struct wire *w)
{
    unsigned n = 0;
    while (wire_poll(w, &p))
        n++;
    return n;
}

/* A packet of any source, past the harness, which would remember each; returns
 * the answers' number and asserts U2: not more than one, of 60 bytes at most,
 * without data. */
static unsigned spoof(struct wire *w, struct wire_packet *packet, uint32_t source, uint16_t port)
{
    for (int i = 0; i < 4; i++)
        packet->bytes[12 + i] = (uint8_t)(source >> (24 - 8 * i));
    packet->bytes[20] = (uint8_t)(port >> 8);
    packet->bytes[21] = (uint8_t)port;
    wire_fix_ip_checksum(packet);
    wire_fix_tcp_checksum(packet);
    struct mytcp_packet in = {.data = packet->bytes, .len_bytes = packet->len};
    struct mytcp_tx tx;
    unsigned sent = 0;
    assert_true(mytcp_input(w->stack, &in, w->now_us) >= 0);
    for (; mytcp_output(w->stack, &tx, w->now_us) == 1; sent++)
        assert_in_range(tx.len_bytes, 40, 60);
    assert_in_range(sent, 0, 1);
    return sent;
}

/* R01: the table of half-open connections is bounded, a SYN beyond costs no
 * memory, and an honest client needs one round trip as ever */
SCENARIO(a_syn_flood_of_any_sources_keeps_no_client_out)
{
    enum { FLOOD = 20000 };
    static struct wire_packet syn;
    struct random random = {.state = 7};
    w->config.syn_queue_max = 256;
    wire_listen(w, 256);
    wire_build(w, &syn, &(struct wire_segment){.flags = SYN, .mss = 1460});
    unsigned answered = 0;
    uint64_t allocs = 0;
    for (unsigned i = 0; i < FLOOD; i++) {
        if (i == FLOOD / 2)
            allocs = w->allocs;
        uint64_t r = random_u64(&random);
        answered += spoof(w, &syn, 0x0b000000 | ((uint32_t)r & 0xffffff),
                          (uint16_t)(1 + (r >> 40) % 60000));
    }
    assert_int_equal(answered, FLOOD); /* by cookies */
    assert_int_equal(wire_stats(w).half_open, 256);
    assert_true(w->allocs == allocs);
    wire_passive(w);
    assert_true(wire_info(w).by_cookie);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 101);
    READ(w, 100);
    for (uint64_t end = w->now_us + 100 * SEC;
         w->now_us < end;) { /* to whom the harness knows not */
        struct mytcp_tx tx;
        while (mytcp_output(w->stack, &tx, w->now_us) == 1)
            continue;
        uint64_t next = mytcp_next_deadline(w->stack);
        w->now_us = next < end ? next : end;
    }
    assert_int_equal(wire_stats(w).half_open, 0);
}

/* R02: of many guesses at a cookie none is one, and they are answered slowly in
 * the end */
SCENARIO(guessing_at_cookies_opens_nothing)
{
    static struct wire_packet guess;
    struct random random = {.state = 9};
    w->config.syn_cookies = 2;
    w->config.rsts_per_s = 100000;
    wire_syn_received(w); /* so that cookies are out */
    unsigned resets = 0;
    for (unsigned i = 0; i < 20000; i++) {
        uint32_t cookie = (uint32_t)random_u64(&random);
        wire_build(w, &guess,
                   &(struct wire_segment){.flags = ACK, .seq = 1, .ack = cookie, .len = 1});
        resets += spoof(w, &guess, 0x0b000001, (uint16_t)(1 + i % 60000));
    }
    assert_in_range(resets, 900, 1100);
    assert_int_equal(wire_stats(w).syn_cookies_ok, 0);
    FAILS(w, mytcp_accept(w->stack, w->listener, NULL, NULL, 0), EAGAIN);
}

/* R02: when none can be out any more, no number is one */
SCENARIO(cookies_are_not_looked_for_when_none_is_out)
{
    w->config.syn_cookies = 1;
    wire_listen(w, 4);
    assert_string_equal(IN(w, .flags = ACK, .seq = 1, .ack = 5), "listen_ack");
    OUT(w, .flags = RST, .seq = 5);
    wire_stop(w);
    w->config.syn_cookies = 2;
    w->listener = -1;
    wire_syn_received(w);
    AT(w, 127 * SEC);
    assert_string_equal(IN(w, .flags = ACK, .seq = 1, .ack = 5), "cookie_bad");
    OUT(w, .flags = RST, .seq = 5);
    AT(w, 128 * SEC);
    assert_string_equal(IN(w, .flags = ACK, .seq = 1, .ack = 1), "listen_ack");
    OUT(w, .flags = RST, .seq = 1);
}

/* R03: silent connections cost what they cost, up to the ceiling; those there
 * are go on, and there is room for a new one as soon as one of them is let go
 */
SCENARIO(silent_connections_are_bounded_by_the_ceiling)
{
    w->config.memory_limit_bytes = 1 << 20;
    w->config.somaxconn = w->config.syn_queue_max = 1 << 20;
    w->config.syn_cookies = 0;
    wire_listen(w, 1 << 20);
    wire_passive(w);
    int good = w->fd, last = -1;
    uint16_t good_port = w->peer_port;
    unsigned made = 0;
    for (unsigned i = 0; i < 10000; i++) {
        w->peer_port = (uint16_t)(1000 + i);
        w->conn_count = 1;
        IN(w, .flags = SYN, .mss = 1460);
        if (!wire_poll(w, &p))
            break;
        IN(w, .flags = ACK, .seq = 1, .ack = 1);
        int fd = mytcp_accept(w->stack, w->listener, NULL, NULL, 0);
        made += fd >= 0;
        last = fd >= 0 ? fd : last;
        assert_true(w->held_bytes <= w->config.memory_limit_bytes);
    }
    assert_in_range(made, 500, 2000);
    w->peer_port = good_port;
    w->fd = good;
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 101);
    READ(w, 100);
    struct linger now = {.l_onoff = 1};
    for (int k = 0; k < 200; k++) {
        int fd = last - k;
        mytcp_setsockopt(w->stack, fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        mytcp_close(w->stack, fd);
    }
    struct mytcp_tx tx;
    while (mytcp_output(w->stack, &tx, w->now_us) == 1)
        continue;
    w->conn_count = 1;
    w->peer_port = 999;
    wire_passive(w);
}

/* R04, R05: windows of 0 and 1, for ever: what is held is bounded, probes get
 * rare, and the user timeout ends it if the application wants */
SCENARIO(a_peer_that_never_reads_is_probed_rarely_and_ended_by_the_user_timeout)
{
    static uint8_t data[1 << 20];
    w->any_payload = true;
    w->config.sndbuf_bytes = 65536;
    w->peer.wscale = 0;
    wire_passive(w);
    wire_set(w, IPPROTO_TCP, TCP_USER_TIMEOUT, 1000 * 1000);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
    assert_in_range(mytcp_send(w->stack, w->fd, data, sizeof(data), 0), 60000, 2 * 65536);
    uint32_t held = wire_info(w).memory_bytes;
    MARK(w);
    unsigned probes = 0, late = 0;
    for (bool one = true; w->now_us < w->mark_us + 990 * SEC; one = !one) {
        w->now_us = mytcp_next_deadline(w->stack);
        unsigned n = answers(w);
        probes += n;
        late += w->now_us > w->mark_us + 500 * SEC ? n : 0;
        IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
        assert_true(wire_info(w).memory_bytes <= held);
    }
    assert_in_range(probes, 5, 30);
    assert_in_range(late, 1, 6);
    STATE(w, TCP_ESTABLISHED);
    wire_skip_to(w, 1200 * SEC);
    STATE(w, TCP_CLOSE);
    assert_int_equal(wire_so_error(w), ETIMEDOUT);
}

/* R04: a window of one byte, then none, then one ... moves a byte at a time and
 * makes no storm */
SCENARIO(a_window_of_one_byte_now_and_then_makes_no_storm)
{
    w->peer.wscale = 0;
    wire_passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
    WRITE(w, 5000);
    unsigned sent = 0;
    MARK(w);
    for (unsigned i = 0; i < 1000; i++) {
        w->now_us += 10 * MS;
        IN(w, .flags = ACK, .seq = 1, .ack = wire_conn(w)->snd_high, .wnd = i % 2 ? WND_ZERO : 1);
        sent += answers(w);
    }
    assert_in_range(sent, 0, 40); /* in 10 s */
    STATE(w, TCP_ESTABLISHED);
}

/* R06, G178: TCP_LINGER2 says how long an orphan waits for the peer's FIN */
SCENARIO(how_long_fin_wait_2_lasts_is_a_setting_of_the_socket)
{
    wire_passive(w);
    wire_set(w, IPPROTO_TCP, TCP_LINGER2, 5);
    assert_int_equal(wire_option(w, IPPROTO_TCP, TCP_LINGER2), 5);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    IN(w, .flags = ACK, .seq = 1, .ack = 2);
    MARK(w);
    AT(w, 5 * SEC - 1);
    assert_int_equal(wire_stats(w).sockets, 2);
    AT(w, 5 * SEC);
    QUIET(w);
    assert_int_equal(wire_stats(w).sockets, 1);
}

/* R07, G218, U10, CVE-2015-5358: every closing state of an orphan ends, whatever
 * window and RST the peer shows, and nothing is left of it */
SCENARIO(every_closing_state_of_an_orphan_ends_by_itself)
{
    for (unsigned i = 0; i < WIRE_PLACES; i++) {
        const struct wire_place *at = wire_go(w, i);
        if (at->state)
            assert_int_equal(mytcp_close(w->stack, w->fd), 0);
        answers(w);
        IN(w, .flags = RST, .seq = 0x40000000);
        if (at->state)
            IN(w, .flags = ACK, .seq = at->rcv_nxt, .ack = 1, .wnd = WND_ZERO);
        MARK(w);
        wire_skip_to(w, 400 * SEC);
        assert_int_equal(mytcp_next_deadline(w->stack), MYTCP_NEVER_US);
        struct mytcp_stats stats = wire_stats(w);
        assert_int_equal(stats.sockets, 1);
        assert_int_equal(stats.half_open + stats.time_wait, 0);
    }
}

/* R08: a full table of TIME-WAIT keeps no new connection out */
SCENARIO(a_full_time_wait_table_keeps_nobody_out)
{
    w->config.time_wait_max = 8;
    for (unsigned i = 0; i < 40; i++) {
        w->peer_port++;
        wire_passive(w);
        assert_int_equal(mytcp_close(w->stack, w->fd), 0);
        OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
        IN(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
        OUT(w, .flags = ACK, .seq = 2, .ack = 2);
        assert_in_range(wire_stats(w).time_wait, 1, 8);
    }
    MARK(w);
    AT(w, 61 * SEC);
    assert_int_equal(wire_stats(w).time_wait, 0);
}

/* R19: clients that reset while they wait do not hold their places; each is
 * still given */
SCENARIO(a_queue_of_reset_connections_is_given_and_then_free)
{
    wire_listen(w, 3);
    for (unsigned i = 0; i < 4; i++) {
        w->peer_port++;
        wire_syn_received(w);
        IN(w, .flags = ACK, .seq = 1, .ack = 1);
        IN(w, .flags = RST, .seq = 1);
        QUIET(w);
    }
    w->peer_port++;
    assert_string_equal(IN(w, .flags = SYN, .mss = 1460), "listen_backlog");
    for (unsigned i = 0; i < 4; i++) {
        w->fd = mytcp_accept(w->stack, w->listener, NULL, NULL, SOCK_NONBLOCK);
        assert_true(w->fd >= 0);
        assert_int_equal(wire_so_error(w), ECONNRESET);
        assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    }
    w->peer_port++;
    wire_passive(w);
}

/* R20: reading byte by byte, with a peer that fills whatever it is offered: few
 * updates, no stall */
SCENARIO(a_slow_reader_causes_few_updates_and_no_stall)
{
    w->config.rcvbuf_bytes = 8192;
    wire_passive(w);
    struct wire_conn *c = wire_conn(w);
    uint32_t sent = 0, segments = 0;
    for (unsigned i = 0; i < 30000; i++) {
        uint32_t room = c->right_edge - c->peer_end;
        if (room >= 536 || (room && i % 1000 == 0)) {
            uint32_t len = room < 1460 ? room : 1460;
            IN(w, .flags = ACK, .seq = c->peer_end, .ack = 1, .len = len);
            segments++;
        }
        if (wire_info(w).recv_queued)
            READ(w, 1);
        sent += answers(w);
        w->now_us += 100;
    }
    assert_in_range(c->read_pos, 29000, 30000);
    assert_in_range(sent, 1, 3 * segments + 5);
    assert_in_range(segments, 15, 120);
}

/* R21: spoofed segments of each kind to open and shut ports: one answer at
 * most, and a SYN-ACK again a few times only, ever more slowly */
SCENARIO(nothing_spoofed_is_answered_by_more)
{
    wire_passive(w);
    uint16_t ports[] = {80, 9999};
    for (unsigned k = 0; k < 2; k++) {
        w->our_port = ports[k];
        for (unsigned flags = 0; flags < 256; flags++) {
            wire_build(
                w, &p,
                &(struct wire_segment){.flags = flags, .seq = flags, .ack = 7, .len = flags % 3});
            struct wire_packet packet = p;
            spoof(w, &packet, 0x0b000001 + (flags << 8), 4000);
        }
    }
    uint64_t half_open = wire_stats(w).half_open;
    assert_in_range(half_open, 1, 64);
    struct mytcp_tx tx;
    unsigned again = 0;
    for (uint64_t next; (next = mytcp_next_deadline(w->stack)) != MYTCP_NEVER_US;) {
        w->now_us = next > w->now_us ? next : w->now_us;
        while (mytcp_output(w->stack, &tx, w->now_us) == 1)
            again++;
    }
    assert_int_equal(again, half_open * w->config.synack_retries);
}

/* U4: whatever strangers send, to a connection, the listener and nobody, another connection is as
 * it was */
SCENARIO(packets_of_others_leave_a_connection_as_it_was)
{
    struct random random = {.state = 3};
    wire_passive(w);
    WRITE(w, 5000);
    answers(w);
    IN(w, .flags = ACK, .seq = 501, .ack = 1, .len = 100);
    answers(w);
    int bystander = w->fd;
    struct mytcp_conn_info before = wire_info(w), after;
    wire_go(w, AT_ESTABLISHED);
    w->any_payload = true;
    for (unsigned i = 0; i < 20000; i++) {
        static const uint32_t seqs[] = {0, 1, 2, 1000, 65000, 0x40000000, 0x80000000};
        w->conn_count = 2; /* forget the strangers */
        w->our_port = i % 3 ? 80 : 9999;
        wire_build(w, &p,
                   &(struct wire_segment){.flags = random_below(&random, 256) & ~(unsigned)URG,
                                          .seq = seqs[random_below(&random, 7)],
                                          .ack = seqs[random_below(&random, 7)],
                                          .len = random_below(&random, 3) * 700});
        struct wire_packet packet = p;
        struct mytcp_packet in = {.data = packet.bytes, .len_bytes = packet.len};
        struct mytcp_tx tx;
        assert_true(mytcp_input(w->stack, &in, w->now_us) >= 0);
        while (mytcp_output(w->stack, &tx, w->now_us) == 1)
            continue;
        if (i % 50 == 0) /* a connection that was reset comes again, from another port */
            w->peer_port = (uint16_t)(41000 + i / 50);
    }
    w->fd = bystander;
    after = wire_info(w);
    const uint64_t fields[][2] = {{before.snd_una, after.snd_una},
                                  {before.snd_nxt, after.snd_nxt},
                                  {before.snd_wnd, after.snd_wnd},
                                  {before.rcv_nxt, after.rcv_nxt},
                                  {before.rcv_wnd, after.rcv_wnd},
                                  {before.srtt_us, after.srtt_us},
                                  {before.rto_us, after.rto_us},
                                  {before.cwnd, after.cwnd},
                                  {before.ssthresh, after.ssthresh},
                                  {before.segments_sent, after.segments_sent},
                                  {before.segments_received, after.segments_received},
                                  {before.bytes_received, after.bytes_received},
                                  {before.recv_out_of_order, after.recv_out_of_order},
                                  {before.memory_bytes, after.memory_bytes},
                                  {TCP_ESTABLISHED, (uint64_t)after.state}};
    for (unsigned i = 0; i < sizeof(fields) / sizeof(*fields); i++)
        assert_int_equal(fields[i][0], fields[i][1]);
    assert_null(mytcp_check(w->stack));
}

/* R24: the steps near the ceiling: data that is taken stays, the rest is
 * refused without a lie (the harness watches the right edge), and when the
 * reader comes everything goes on */
SCENARIO(near_the_ceiling_transfers_go_on_by_turns)
{
    enum { PEERS = 6, BYTES = 200000 };
    uint32_t delivered[PEERS] = {0};
    int fds[PEERS];
    w->config.memory_limit_bytes = 1 << 19;
    for (unsigned i = 0; i < PEERS; i++) {
        w->peer_port = (uint16_t)(1000 + i);
        wire_passive(w);
        fds[i] = w->fd;
    }
    for (unsigned turn = 0; turn < 20000; turn++) {
        unsigned i = turn % PEERS;
        w->peer_port = (uint16_t)(1000 + i);
        w->fd = fds[i];
        struct wire_conn *c = wire_conn(w);
        uint32_t at = c->ack_high, room = c->right_edge - at, left = 1 + BYTES - at;
        uint32_t len = left < 1460 ? left : 1460;
        len = room < len ? room : len;
        if (len && turn % 7 == 0 && room > 2 * len && left > 2 * len) /* a hole now and then */
            IN(w, .flags = ACK, .seq = at + len, .ack = 1, .len = len);
        else if (len)
            IN(w, .flags = ACK, .seq = at, .ack = 1, .len = len);
        else if (left)
            IN(w, .flags = ACK, .seq = at - 1, .ack = 1); /* a probe */
        answers(w);
        assert_true(w->held_bytes <= w->config.memory_limit_bytes);
        if (turn / PEERS % 50 >= 40 && wire_info(w).recv_queued) {
            uint32_t n = wire_info(w).recv_queued;
            READ(w, n);
            delivered[i] += n;
            answers(w);
        }
        w->now_us += 5 * MS;
        answers(w);
    }
    for (unsigned i = 0; i < PEERS; i++)
        assert_int_equal(delivered[i], BYTES);
}

WIRE_MAIN(WIRE_TEST(a_syn_flood_of_any_sources_keeps_no_client_out),
          WIRE_TEST(guessing_at_cookies_opens_nothing),
          WIRE_TEST(cookies_are_not_looked_for_when_none_is_out),
          WIRE_TEST(silent_connections_are_bounded_by_the_ceiling),
          WIRE_TEST(a_peer_that_never_reads_is_probed_rarely_and_ended_by_the_user_timeout),
          WIRE_TEST(a_window_of_one_byte_now_and_then_makes_no_storm),
          WIRE_TEST(how_long_fin_wait_2_lasts_is_a_setting_of_the_socket),
          WIRE_TEST(every_closing_state_of_an_orphan_ends_by_itself),
          WIRE_TEST(a_full_time_wait_table_keeps_nobody_out),
          WIRE_TEST(a_queue_of_reset_connections_is_given_and_then_free),
          WIRE_TEST(a_slow_reader_causes_few_updates_and_no_stall),
          WIRE_TEST(nothing_spoofed_is_answered_by_more),
          WIRE_TEST(packets_of_others_leave_a_connection_as_it_was),
          WIRE_TEST(near_the_ceiling_transfers_go_on_by_turns))
