/* The whole search for a path's MTU (RFC 4821 7), over a path that carries what is not too large and says nothing
 * of the rest. */
#include "lib/wire.h"

enum { HEADERS = 40, BASE = 984 /* payload in 1024 bytes */ };

static struct wire_packet p;

struct path {
    uint32_t mtu, every; /* of larger packets each every-th passes all the same; 0: none */
    uint32_t largest, passed, probes, last_probe;
    uint64_t probed_us;
    bool got[1 << 22]; /* by offset in the stream */
    uint32_t una;
};

static struct path path;

static void arrive(struct wire *w, struct path *r)
{
    uint32_t at = p.seq - wire_conn(w)->iss - 1, piece = p.gso_size ? p.gso_size : p.payload_len;
    uint32_t eff = wire_info(w).snd_mss;
    for (uint32_t from = 0; from < p.payload_len; from += piece) {
        uint32_t n = p.payload_len - from < piece ? p.payload_len - from : piece;
        if (n > eff) { /* 4821-7.1: only a probe */
            assert_true(n + HEADERS != r->last_probe || r->every || w->now_us - r->probed_us > 300 * SEC);
            r->last_probe = n + HEADERS;
            r->probed_us = w->now_us;
            r->probes++;
        }
        bool lucky = r->every && n + HEADERS > r->mtu && ++r->passed % r->every == 0;
        if (n + HEADERS > r->mtu && !lucky)
            continue;
        r->largest = n > r->largest ? n : r->largest;
        memset(r->got + at + from, 1, n);
    }
}

/* One round trip: what was sent arrives, or not, and all of it is acknowledged. */
static void round_trip(struct wire *w, struct path *r)
{
    while (wire_poll(w, &p))
        arrive(w, r);
    w->now_us += 100 * MS;
    while (r->got[r->una])
        r->una++;
    struct wire_segment ack = {.flags = ACK, .seq = 1, .ack = r->una + 1};
    uint32_t end = wire_conn(w)->snd_high, blocks = 0;
    for (uint32_t i = r->una; i < end && blocks < 3;) {
        while (i < end && !r->got[i])
            i++;
        uint32_t start = i;
        while (i < end && r->got[i])
            i++;
        if (i > start)
            ack.sack[blocks++] = (struct wire_sack){start + 1, i + 1};
    }
    wire_in(w, __FILE__, __LINE__, &ack);
}

static void transfer(struct wire *w, struct path *r, unsigned round_trips)
{
    while (round_trips--) {
        if (wire_info(w).send_queued < 100000)
            WRITE(w, 50000);
        round_trip(w, r);
    }
}

static void again(struct wire *w)
{
    wire_stop(w);
    w->peer_port++;
    w->fd = w->listener = -1;
    w->log_len = 0;
}

static void set_out(struct wire *w, unsigned probing, uint32_t mtu)
{
    path = (struct path){.mtu = mtu};
    w->config.mtu_probing = probing;
    w->wnd = 12000; /* so that the window, and with it the waiting, stays small */
    wire_passive(w);
}

/* 4821-7.6: the search finds what passes, to within 16 bytes, without a timeout; 4821-7.3: and rests then */
SCENARIO(a_search_finds_the_size_of_the_path)
{
    static const uint32_t mtus[] = {1024, 1100, 1279, 1280, 1350, 1420, 1476, 1492, 1500};
    for (unsigned i = 0; i < sizeof(mtus) / sizeof(mtus[0]); i++) {
        again(w);
        set_out(w, 2, mtus[i]);
        transfer(w, &path, 250);
        uint32_t probes = path.probes;
        assert_in_range(wire_info(w).snd_mss, mtus[i] - HEADERS - 15, mtus[i] - HEADERS);
        assert_int_equal(wire_stats(w).rto_expired, 0);
        assert_int_equal(wire_stats(w).fast_recoveries, 0);
        assert_in_range(path.probes, 1, 12);
        w->now_us += 290 * SEC;
        transfer(w, &path, 20);
        assert_int_equal(path.probes, probes);
        w->now_us += 310 * SEC; /* 10 minutes after its end it begins anew */
        transfer(w, &path, 20);
        assert_true(path.probes > probes || mtus[i] == 1500);
    }
}

/* 4821-7.7 and 4821-7.6 together: down by timeouts, then up */
SCENARIO(a_transfer_through_a_black_hole_goes_on_and_finds_its_size)
{
    set_out(w, 1, 1280);
    WRITE(w, 50000);
    for (int i = 0; i < 10; i++) {
        while (wire_poll(w, &p))
            arrive(w, &path);
        w->now_us += 100 * MS;
    }
    assert_int_equal(wire_stats(w).mtu_black_holes, 1);
    transfer(w, &path, 250);
    assert_in_range(wire_info(w).snd_mss, 1280 - HEADERS - 15, 1280 - HEADERS);
    assert_int_equal(wire_stats(w).rto_expired, 2);
    assert_int_equal(path.largest, 1240);
}

/* 4821-7.6: after a failure as many round trips as the window has packets */
SCENARIO(between_two_failures_lie_as_many_round_trips_as_the_window_has_packets)
{
    set_out(w, 2, 1024);
    transfer(w, &path, 2);
    assert_int_equal(wire_stats(w).mtu_probes_lost, 1);
    uint32_t packets = wire_info(w).cwnd / wire_info(w).snd_mss;
    transfer(w, &path, packets + 1);
    assert_int_equal(path.probes, 1);
    transfer(w, &path, 1);
    assert_int_equal(path.probes, 2);
}

/* 4821-7.8: one in two of the larger passes: the raise is taken back */
SCENARIO(a_raise_after_which_much_is_lost_is_taken_back)
{
    set_out(w, 2, 1024);
    path.every = 2;
    path.passed = 1; /* the probe is lucky */
    transfer(w, &path, 2);
    assert_int_equal(wire_info(w).snd_mss, 1240);
    transfer(w, &path, 30);
    assert_int_equal(wire_info(w).snd_mss, BASE);
    uint32_t probes = path.probes;
    transfer(w, &path, 100);
    assert_int_equal(path.probes, probes); /* not for the interval */
}

/* 1191-7: another connection to the same host need not find out by itself */
SCENARIO(what_a_search_has_found_is_shared)
{
    set_out(w, 2, 1280);
    transfer(w, &path, 250);
    uint16_t mss = wire_info(w).snd_mss;
    while (wire_info(w).send_queued)
        round_trip(w, &path);
    w->peer_port++;
    path = (struct path){.mtu = 1280};
    wire_passive(w);
    assert_int_equal(wire_info(w).snd_mss, mss);
    transfer(w, &path, 20);
    assert_int_equal(path.probes, 0); /* nor search again */
}

WIRE_MAIN(WIRE_TEST(a_search_finds_the_size_of_the_path),
          WIRE_TEST(a_transfer_through_a_black_hole_goes_on_and_finds_its_size),
          WIRE_TEST(between_two_failures_lie_as_many_round_trips_as_the_window_has_packets),
          WIRE_TEST(a_raise_after_which_much_is_lost_is_taken_back),
          WIRE_TEST(what_a_search_has_found_is_shared))
