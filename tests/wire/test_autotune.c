/* Buffers that size themselves (RFC 9293 3.8.6 leaves their size to us). */
#include "lib/wire.h"

enum { MSS = 1460, SUPER = 40 * MSS, STEPS = 10, KIB = 1 << 10, MIB = 1 << 20 };

/* A peer in slow start that sends no faster than its path, seen in steps of a tenth of a round trip: what
 * comes now was sent with the knowledge of ten steps ago. */
struct flow {
    struct {
        uint32_t acked, edge, tsval;
    } known[STEPS];
    uint32_t sent, unread, may_read;
    unsigned held_back; /* steps in which nothing but our window kept it from sending more */
};

static uint32_t lesser(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static void take(struct wire *w, struct flow *f)
{
    uint32_t n = lesser(f->unread, f->may_read);
    if (!n)
        return;
    READ(w, n);
    f->unread -= n;
    f->may_read -= n;
}

static void listen_to(struct wire *w)
{
    static struct wire_packet p;
    while (wire_poll(w, &p))
        continue;
}

/* The ACK of a segment goes before its reader has come. */
static void arrive(struct wire *w, struct flow *f, uint32_t end, uint32_t tsecr)
{
    while (f->sent < end) {
        uint32_t n = lesser(end - f->sent, SUPER);
        IN(w, .flags = ACK, .seq = 1 + f->sent, .ack = 1, .len = n, .gso_size = n > MSS ? MSS : 0,
           .ts = w->peer.ts, .tsval = (uint32_t)(w->now_us / 1000), .tsecr = tsecr);
        f->sent += n;
        f->unread += n;
        listen_to(w);
        take(w, f);
    }
}

/* For so many round trips; the path carries `bdp` in each, the reader takes up to `reads`. */
static void flow(struct wire *w, struct flow *f, unsigned round_trips, uint32_t bdp, uint32_t reads)
{
    const struct wire_conn *c = wire_conn(w);
    for (unsigned i = 0; i < round_trips * STEPS; i++) {
        unsigned k = i % STEPS;
        w->now_us += w->rtt_us / STEPS;
        f->may_read = reads / STEPS;
        if (!f->known[k].edge) { /* the first round trip: an initial window */
            if (i == 0)
                arrive(w, f, 10 * MSS, c->tsval_seen);
        } else {
            uint32_t cwnd = f->known[k].acked + f->known[k].acked + 10 * MSS;
            uint32_t can = lesser(cwnd, f->sent + bdp / STEPS), may = f->known[k].edge - 1;
            f->held_back += may < can;
            arrive(w, f, lesser(can, may), f->known[k].tsval);
        }
        take(w, f);
        listen_to(w);
        f->known[k].acked = c->ack_high - 1;
        f->known[k].edge = c->right_edge;
        f->known[k].tsval = c->tsval_seen;
    }
}

static int buffer(struct wire *w, int name)
{
    return wire_option(w, SOL_SOCKET, name);
}

static void with_default_buffers(struct wire *w)
{
    struct mytcp_config standard;
    mytcp_config_init(&standard);
    w->config.rcvbuf_bytes = standard.rcvbuf_bytes;
    w->config.sndbuf_bytes = standard.sndbuf_bytes;
}

static void path_of_200_ms(struct wire *w, bool timestamps)
{
    with_default_buffers(w);
    w->rtt_us = 200 * MS;
    w->peer.ts = timestamps;
    wire_passive(w);
}

SCENARIO(the_receive_buffer_grows_ahead_of_a_peer_in_slow_start)
{
    struct flow f = {0};
    const uint32_t bdp = 5 * MIB / 2; /* 100 Mbit/s */
    path_of_200_ms(w, true);
    assert_int_equal(buffer(w, SO_RCVBUF), 128 * KIB);
    flow(w, &f, 13, bdp, UINT32_MAX);
    assert_int_equal(f.held_back, 0);
    assert_in_range(buffer(w, SO_RCVBUF), 2 * bdp, 5 * bdp);
    assert_in_range(wire_info(w).rcv_wnd, 2 * bdp, 5 * bdp);
}

SCENARIO(without_timestamps_it_goes_by_our_own_round_trip_time)
{
    struct flow f = {0};
    const uint32_t bdp = 5 * MIB / 2;
    path_of_200_ms(w, false);
    flow(w, &f, 13, bdp, UINT32_MAX);
    assert_int_equal(f.held_back, 0);
    assert_in_range(buffer(w, SO_RCVBUF), 2 * bdp, 5 * bdp);
}

/* a cookie remembers neither when it was sent nor, without timestamps, how long its answer took */
SCENARIO(with_no_round_trip_time_at_all_it_goes_by_windows)
{
    struct flow f = {0};
    w->config.syn_cookies = 2;
    path_of_200_ms(w, false);
    assert_int_equal(wire_info(w).srtt_us, 0);
    flow(w, &f, 30, 5 * MIB / 2, UINT32_MAX);
    assert_in_range(buffer(w, SO_RCVBUF), 5 * MIB, 64 * MIB);
}

SCENARIO(a_slow_reader_gets_no_more_room)
{
    struct flow f = {0};
    path_of_200_ms(w, true);
    flow(w, &f, 60, 5 * MIB / 2, 20000);
    assert_int_equal(buffer(w, SO_RCVBUF), 128 * KIB);
    assert_in_range(wire_info(w).recv_queued, 80 * KIB, 129 * KIB); /* it is what limits */
}

/* half of what the path can do, which is more than the first buffer: it keeps up with its reading, and no more */
SCENARIO(a_reader_at_half_the_rate_gets_what_it_can_use)
{
    struct flow f = {0};
    const uint32_t reads = 5 * MIB / 4;
    path_of_200_ms(w, true);
    flow(w, &f, 60, 2 * reads, reads);
    assert_in_range(buffer(w, SO_RCVBUF), reads, 4 * reads);
}

/* ten segments behind a hole; returns by how much the buffer has grown */
static int behind_a_hole(struct wire *w, const struct flow *f)
{
    int before = buffer(w, SO_RCVBUF);
    for (uint32_t i = 1; i <= 10; i++) {
        IN(w, .flags = ACK, .seq = 1 + f->sent + i * MSS, .ack = 1, .len = MSS, .ts = true,
           .tsval = (uint32_t)(w->now_us / 1000), .tsecr = wire_conn(w)->tsval_seen);
        listen_to(w);
    }
    return buffer(w, SO_RCVBUF) - before;
}

SCENARIO(what_cannot_be_read_for_a_hole_takes_no_room_from_what_follows)
{
    struct flow f = {0};
    path_of_200_ms(w, true);
    flow(w, &f, 8, 5 * MIB / 2, UINT32_MAX);
    assert_int_equal(behind_a_hole(w, &f), 10 * MSS);
}

/* RFC 5681 2: an ACK with another window is no duplicate */
SCENARIO(who_counts_duplicate_acks_sees_the_window_stay)
{
    struct flow f = {0};
    w->peer.sackok = false;
    path_of_200_ms(w, true);
    flow(w, &f, 8, 5 * MIB / 2, UINT32_MAX);
    assert_int_equal(behind_a_hole(w, &f), 0);
}

SCENARIO(the_receive_buffer_stops_at_its_limit)
{
    struct flow f = {0};
    w->config.rcvbuf_max_bytes = 300000;
    path_of_200_ms(w, true);
    flow(w, &f, 20, 5 * MIB / 2, UINT32_MAX);
    assert_int_equal(buffer(w, SO_RCVBUF), 300000);
    assert_in_range(wire_info(w).rcv_wnd, 150000, 300000);
}

SCENARIO(the_scale_is_chosen_for_the_limit)
{
    path_of_200_ms(w, true);
    assert_true(65535ull << (wire_conn(w)->our_scale - 1) >= 64 * MIB - 1024);
}

SCENARIO(so_rcvbuf_ends_the_growing)
{
    struct flow f = {0};
    path_of_200_ms(w, true);
    wire_set(w, SOL_SOCKET, SO_RCVBUF, 100000);
    flow(w, &f, 20, 5 * MIB / 2, UINT32_MAX);
    assert_int_equal(buffer(w, SO_RCVBUF), 100000);
}

SCENARIO(an_accepted_socket_inherits_that_it_was_set)
{
    struct flow f = {0};
    w->rtt_us = 200 * MS;
    wire_listen(w, 5);
    w->fd = w->listener;
    wire_set(w, SOL_SOCKET, SO_RCVBUF, 100000);
    wire_passive(w);
    flow(w, &f, 20, 5 * MIB / 2, UINT32_MAX);
    assert_int_equal(buffer(w, SO_RCVBUF), 100000);
}

/* a quarter of what is left below three quarters of the ceiling is all that one is promised (util/mem.h) */
SCENARIO(windows_stay_within_what_memory_is_left)
{
    struct flow f = {0};
    w->config.memory_limit_bytes = 4 * MIB;
    path_of_200_ms(w, true);
    flow(w, &f, 20, 5 * MIB / 2, UINT32_MAX);
    assert_in_range(wire_info(w).rcv_wnd, 400 * KIB, 768 * KIB);
}

/* ---- sending ---- */

/* Fill the send queue; all that may go goes. */
static uint32_t fill(struct wire *w)
{
    static struct wire_packet p;
    static const char block[16 * KIB];
    ssize_t n;
    do {
        while ((n = mytcp_send(w->stack, w->fd, block, sizeof(block), 0)) > 0)
            continue;
        while (wire_poll(w, &p))
            continue;
        n = mytcp_send(w->stack, w->fd, block, 1, 0);
    } while (n > 0);
    return wire_info(w).send_queued;
}

static void acked_in_full(struct wire *w)
{
    w->now_us += w->rtt_us;
    IN(w, .flags = ACK, .seq = 1, .ack = wire_conn(w)->snd_high);
}

SCENARIO(the_send_buffer_holds_two_congestion_windows)
{
    w->any_payload = true;
    w->wnd = 8 * MIB;
    path_of_200_ms(w, true);
    assert_int_equal(buffer(w, SO_SNDBUF), 64 * KIB);
    assert_int_equal(fill(w), 64 * KIB);
    for (int i = 0; i < 8; i++) {
        acked_in_full(w);
        uint32_t queued = fill(w);
        uint32_t cwnd = wire_info(w).cwnd;
        assert_int_equal(queued, buffer(w, SO_SNDBUF));
        assert_true(queued >= cwnd); /* it never limits */
        assert_true(queued <= 64 * KIB || queued <= 2 * cwnd);
    }
    assert_true(wire_info(w).cwnd > MIB);
}

/* eight times what the path itself holds, and 2 MiB in any case: the window would grow on, for nothing is lost, but all
 * that it adds lies in a queue */
SCENARIO(the_send_buffer_holds_no_more_than_the_path_can_use)
{
    w->any_payload = true;
    w->wnd = 8 * MIB;
    w->config.rto_min_us = 10 * 1000000;
    path_of_200_ms(w, true);
    fill(w);
    acked_in_full(w);
    w->rtt_us = 3000 * MS;
    for (int i = 0; i < 12; i++) {
        fill(w);
        acked_in_full(w);
    }
    assert_true(wire_info(w).cwnd > 3 * MIB / 2);
    assert_int_equal(buffer(w, SO_SNDBUF), 2 * MIB);
    assert_int_equal(wire_stats(w).rto_expired, 0);
}

/* BBR's window doubles while a hole is repaired, too: what is sent by then is three of them. */
SCENARIO(with_bbr_the_send_buffer_holds_three_congestion_windows)
{
    w->any_payload = true;
    w->wnd = 8 * MIB;
    w->config.sndbuf_bytes = 16 * KIB;
    assert_int_equal(mytcp_config_set(&w->config, "congestion", "2"), 0);
    wire_passive(w);
    fill(w);
    acked_in_full(w);
    assert_true(buffer(w, SO_SNDBUF) > 16 * KIB);
    assert_int_equal(buffer(w, SO_SNDBUF), 3 * wire_info(w).cwnd);
}

SCENARIO(the_send_buffer_stops_at_its_limit)
{
    w->any_payload = true;
    w->wnd = 8 * MIB;
    w->config.sndbuf_max_bytes = 100000;
    path_of_200_ms(w, true);
    for (int i = 0; i < 8; i++) {
        fill(w);
        acked_in_full(w);
    }
    assert_int_equal(buffer(w, SO_SNDBUF), 100000);
}

/* What waits for the peer's window waits as well in the application. */
SCENARIO(the_send_buffer_holds_no_more_than_two_of_the_peers_windows)
{
    w->any_payload = true;
    w->wnd = 48 * KIB;
    path_of_200_ms(w, true);
    for (int i = 0; i < 20; i++) {
        fill(w);
        acked_in_full(w);
    }
    assert_int_equal(buffer(w, SO_SNDBUF), 96 * KIB);
}

SCENARIO(so_sndbuf_ends_the_growing)
{
    w->any_payload = true;
    w->wnd = 8 * MIB;
    path_of_200_ms(w, true);
    wire_set(w, SOL_SOCKET, SO_SNDBUF, 50000);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(fill(w), 50000);
        acked_in_full(w);
    }
    assert_int_equal(buffer(w, SO_SNDBUF), 50000);
}

SCENARIO(the_send_buffer_stays_within_what_memory_is_left)
{
    w->any_payload = true;
    w->wnd = 8 * MIB;
    w->config.memory_limit_bytes = 1 * MIB;
    path_of_200_ms(w, true);
    for (int i = 0; i < 8; i++) {
        fill(w);
        assert_true(wire_stats(w).memory_bytes <= w->config.memory_limit_bytes / 100 * 80);
        acked_in_full(w);
    }
    assert_true(wire_info(w).cwnd > 256 * KIB); /* which would have liked twice that */
    assert_in_range(buffer(w, SO_SNDBUF), 64 * KIB, 512 * KIB);
}

WIRE_MAIN(WIRE_TEST(the_receive_buffer_grows_ahead_of_a_peer_in_slow_start),
          WIRE_TEST(without_timestamps_it_goes_by_our_own_round_trip_time),
          WIRE_TEST(with_no_round_trip_time_at_all_it_goes_by_windows),
          WIRE_TEST(a_slow_reader_gets_no_more_room),
          WIRE_TEST(a_reader_at_half_the_rate_gets_what_it_can_use),
          WIRE_TEST(what_cannot_be_read_for_a_hole_takes_no_room_from_what_follows),
          WIRE_TEST(who_counts_duplicate_acks_sees_the_window_stay),
          WIRE_TEST(the_receive_buffer_stops_at_its_limit),
          WIRE_TEST(the_scale_is_chosen_for_the_limit), WIRE_TEST(so_rcvbuf_ends_the_growing),
          WIRE_TEST(an_accepted_socket_inherits_that_it_was_set),
          WIRE_TEST(windows_stay_within_what_memory_is_left),
          WIRE_TEST(the_send_buffer_holds_two_congestion_windows),
          WIRE_TEST(the_send_buffer_holds_no_more_than_the_path_can_use),
          WIRE_TEST(with_bbr_the_send_buffer_holds_three_congestion_windows),
          WIRE_TEST(the_send_buffer_stops_at_its_limit),
          WIRE_TEST(the_send_buffer_holds_no_more_than_two_of_the_peers_windows),
          WIRE_TEST(so_sndbuf_ends_the_growing),
          WIRE_TEST(the_send_buffer_stays_within_what_memory_is_left))
