/* What becomes of an MTU probe (RFC 4821 7.6) when more happens than its arrival or its loss, and of all that a path
 * teaches when there is no memory for it. The handshake's RTT is 100 ms: SRTT 100 ms, RTO 300 ms. */
#include "lib/wire.h"

enum { MSS = 1460, BASE = 984 /* payload in 1024 bytes */, PROBE = 1240 };

static struct wire_packet p;

static void out(struct wire *w, uint32_t seq, uint32_t len)
{
    OUT(w, .flags = ACK, .seq = seq, .ack = 1, .len = len);
}

/* `before` segments, the probe, and three more, all at once. */
static uint32_t probe_behind(struct wire *w, uint32_t before)
{
    w->config.mtu_probing = 2;
    wire_passive(w);
    for (uint32_t i = 0; i < before; i++) {
        WRITE(w, BASE);
        out(w, 1 + i * BASE, BASE);
    }
    WRITE(w, PROBE + 3 * BASE);
    uint32_t seq = 1 + before * BASE;
    out(w, seq, PROBE);
    for (uint32_t i = 0; i < 3; i++)
        out(w, seq + PROBE + i * BASE, BASE);
    QUIET(w);
    assert_int_equal(wire_stats(w).mtu_probes, 1);
    return seq;
}

/* All is acknowledged: nothing was learned of the size, which is tried again as soon as cwnd lets it. */
static void is_tried_again(struct wire *w, uint32_t end)
{
    uint32_t largest = 0;
    for (unsigned i = 0; i < 5 && wire_stats(w).mtu_probes == 1; i++) {
        IN(w, .flags = ACK, .seq = 1, .ack = end);
        assert_int_equal(wire_info(w).snd_mss, BASE);
        WRITE(w, 5 * BASE);
        for (; wire_poll(w, &p); end += p.payload_len)
            largest = p.payload_len > largest ? p.payload_len : largest;
    }
    assert_int_equal(largest, PROBE);
    assert_int_equal(wire_stats(w).mtu_probes, 2);
    assert_int_equal(wire_stats(w).mtu_probes_lost, 0);
}

/* 4821-7.6 */
SCENARIO(a_timeout_of_what_went_before_the_probe_says_nothing_of_it)
{
    uint32_t seq = probe_behind(w, 2);
    AT(w, 300 * MS);
    out(w, 1, BASE);
    QUIET(w);
    AT(w, 400 * MS);
    is_tried_again(w, seq + PROBE + 3 * BASE);
}

/* 4821-7.6: which of the two arrived? */
SCENARIO(a_probe_that_goes_again_as_the_tail_of_the_flight_says_nothing)
{
    w->config.mtu_probing = 2;
    w->config.tail_loss_probe = 1;
    wire_passive(w);
    uint32_t before = (wire_info(w).cwnd - PROBE) / BASE, seq = 1 + before * BASE;
    for (uint32_t i = 0; i < before; i++) {
        WRITE(w, BASE);
        out(w, 1 + i * BASE, BASE);
    }
    WRITE(w, PROBE + 3 * BASE);
    out(w, seq, PROBE);
    QUIET(w); /* cwnd holds the rest back */
    AT(w, 50 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = 8192); /* and the peer withdraws what it had offered */
    AT(w, 200 * MS);
    out(w, seq, BASE);
    QUIET(w);
    AT(w, 250 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = seq + PROBE);
    for (uint32_t i = 0; i < 3; i++)
        out(w, seq + PROBE + i * BASE, BASE);
    is_tried_again(w, seq + PROBE + 3 * BASE);
}

/* 4821-7.6 */
SCENARIO(a_loss_before_the_probe_leaves_it_alone)
{
    uint32_t seq = probe_behind(w, 2);
    AT(w, 100 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{1 + BASE, seq}});
    AT(w, 125 * MS);
    out(w, 1, BASE);
    QUIET(w);
    assert_int_equal(wire_stats(w).fast_recoveries, 1);
    AT(w, 225 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = seq + PROBE + 3 * BASE);
    assert_int_equal(wire_info(w).snd_mss, PROBE);
}

/* 4821-7.6 */
SCENARIO(what_a_lost_probe_held_and_is_lost_again_is_congestion)
{
    uint32_t seq = probe_behind(w, 0), end = seq + PROBE + 3 * BASE;
    AT(w, 100 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{seq + PROBE, end}});
    out(w, 1, BASE);
    out(w, 1 + BASE, PROBE - BASE);
    WRITE(w, 2 * BASE);
    out(w, end, BASE);
    out(w, end + BASE, BASE);
    QUIET(w);
    assert_int_equal(wire_stats(w).fast_recoveries, 0);
    AT(w, 200 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{seq + PROBE, end + 2 * BASE}});
    assert_int_equal(wire_stats(w).fast_recoveries, 1);
    out(w, 1, BASE);
    out(w, 1 + BASE, PROBE - BASE);
    QUIET(w);
    AT(w, 300 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = end + 2 * BASE);
    assert_int_equal(wire_info(w).snd_mss, BASE);
    assert_int_equal(wire_stats(w).mtu_probes_lost, 0);
}

/* ---- without memory ---- */

static const char *too_big(struct wire *w, const struct wire_packet *sent, uint16_t mtu)
{
    wire_build_icmp(w, &p, 3, 4, mtu, sent->bytes, 28);
    return wire_inject(w, &p);
}

static struct wire_packet one_in_flight(struct wire *w)
{
    wire_passive(w);
    WRITE(w, MSS);
    struct wire_packet sent = *OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    QUIET(w);
    return sent;
}

SCENARIO(a_notice_that_finds_no_memory_is_heeded_when_it_comes_again)
{
    struct wire_packet sent = one_in_flight(w);
    w->fail_from = w->allocs + 1;
    assert_string_equal(too_big(w, &sent, 1280), "");
    QUIET(w);
    assert_int_equal(wire_info(w).snd_mss, MSS);
    w->fail_from = 0;
    assert_string_equal(too_big(w, &sent, 1280), "");
    out(w, 1, 1240);
    out(w, 1241, MSS - 1240);
    QUIET(w);
}

SCENARIO(a_black_hole_that_finds_no_memory_is_found_at_the_next_timeout)
{
    w->config.mtu_probing = 1;
    one_in_flight(w);
    w->fail_from = w->allocs + 1;
    AT(w, 300 * MS);
    out(w, 1, MSS);
    AT(w, 900 * MS);
    out(w, 1, MSS);
    QUIET(w);
    w->fail_from = 0;
    AT(w, 2100 * MS);
    out(w, 1, BASE);
    assert_int_equal(wire_stats(w).mtu_black_holes, 1);
}

SCENARIO(a_connection_without_memory_for_what_is_known_of_its_path_begins_as_if_nothing_were)
{
    struct wire_packet sent = one_in_flight(w);
    too_big(w, &sent, 1280);
    out(w, 1, 1240);
    out(w, 1241, MSS - 1240);
    w->peer_port++;
    wire_syn_received(w);
    w->now_us += w->rtt_us;
    w->fail_at = w->allocs + 2; /* the socket is the first */
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    w->fd = mytcp_accept(w->stack, w->listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(w->fd >= 0);
    assert_int_equal(wire_info(w).snd_mss, MSS);
    w->peer_port++;
    wire_passive(w);
    assert_int_equal(wire_info(w).snd_mss, 1240);
}

/* 1191-6.3a: who may not probe tries the limit again, of its own accord, after ten minutes */
SCENARIO(without_probes_the_limit_is_tried_again_after_ten_minutes)
{
    struct wire_packet sent = one_in_flight(w);
    too_big(w, &sent, 1280);
    out(w, 1, 1240);
    out(w, 1241, MSS - 1240);
    IN(w, .flags = ACK, .seq = 1, .ack = 1 + MSS);
    AT(w, 599 * SEC);
    WRITE(w, MSS);
    out(w, 1 + MSS, 1240);
    out(w, 1 + MSS + 1240, MSS - 1240);
    IN(w, .flags = ACK, .seq = 1, .ack = 1 + 2 * MSS);
    AT(w, 601 * SEC);
    WRITE(w, 100);
    out(w, 1 + 2 * MSS, 100);
    WRITE(w, MSS);
    out(w, 101 + 2 * MSS, MSS);
    QUIET(w);
}

WIRE_MAIN(WIRE_TEST(a_timeout_of_what_went_before_the_probe_says_nothing_of_it),
          WIRE_TEST(a_probe_that_goes_again_as_the_tail_of_the_flight_says_nothing),
          WIRE_TEST(a_loss_before_the_probe_leaves_it_alone),
          WIRE_TEST(what_a_lost_probe_held_and_is_lost_again_is_congestion),
          WIRE_TEST(a_notice_that_finds_no_memory_is_heeded_when_it_comes_again),
          WIRE_TEST(a_black_hole_that_finds_no_memory_is_found_at_the_next_timeout),
          WIRE_TEST(a_connection_without_memory_for_what_is_known_of_its_path_begins_as_if_nothing_were),
          WIRE_TEST(without_probes_the_limit_is_tried_again_after_ten_minutes))
