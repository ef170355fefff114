/* Paths that lose packets for their size and tell nobody (RFC 4821): down by timeouts, up by probes. The
 * handshake's RTT is 100 ms: SRTT 100 ms, RTO 300 ms. */
#include "stack/stack.h" /* before cmocka, which has a macro of the name of a function there */
#include "lib/wire.h"

enum { MSS = 1460, BASE = 984 /* payload in 1024 bytes */ };

static struct wire_packet p, first;

/* ---- down ---- */

static void ten_in_flight(struct wire *w)
{
    w->config.mtu_probing = 1;
    wire_passive(w);
    WRITE(w, 10 * MSS);
    first = *OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    for (uint32_t i = 1; i < 10; i++)
        OUT(w, .flags = ACK, .seq = 1 + i * MSS, .ack = 1, .len = MSS);
    QUIET(w);
}

/* 4821-7.7: the second timeout in a row, then half of it, never below the floor; all from seq 1 on */
SCENARIO(full_sized_data_that_times_out_again_goes_smaller)
{
    ten_in_flight(w);
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    QUIET(w);
    AT(w, 900 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = BASE);
    QUIET(w);
    assert_int_equal(wire_info(w).cwnd, BASE);
    assert_int_equal(wire_stats(w).mtu_black_holes, 1);
    AT(w, 2100 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 512);
    AT(w, 4500 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 512);
    QUIET(w);
    assert_int_equal(wire_stats(w).mtu_black_holes, 2);
    IN(w, .flags = ACK, .seq = 1, .ack = 513);
    OUT(w, .flags = ACK, .seq = 513, .ack = 1, .len = 512);
    OUT(w, .flags = ACK, .seq = 1025, .ack = 1, .len = 436); /* up to where the packet had ended */
    QUIET(w);
}

/* 4821-7.7: what is small enough for nearly any path is the last to be suspected, but is */
SCENARIO(small_data_that_times_out_goes_as_it_was)
{
    w->config.mtu_probing = 1;
    wire_passive(w);
    WRITE(w, BASE);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = BASE);
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = BASE);
    AT(w, 900 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = BASE);
    AT(w, 2100 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = BASE);
    assert_int_equal(wire_info(w).snd_mss, MSS);
    AT(w, 4500 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 512);
}

static void three_timeouts(struct wire *w, uint32_t then)
{
    wire_passive(w);
    WRITE(w, MSS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    AT(w, 900 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    AT(w, 2100 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = then);
}

SCENARIO(how_many_timeouts_make_a_black_hole_is_a_setting)
{
    w->config.mtu_probing = 1;
    w->config.mtu_black_hole_timeouts = 3;
    three_timeouts(w, BASE);
}

/* the stack's own advice of R1 (9293-SHLD-9) explains nothing */
SCENARIO(a_black_hole_may_take_longer_than_r1)
{
    w->config.mtu_probing = 1;
    w->config.mtu_black_hole_timeouts = 5;
    three_timeouts(w, MSS);
    AT(w, 4500 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    AT(w, 9300 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = BASE);
}

SCENARIO(black_holes_may_be_ignored)
{
    w->config.mtu_probing = 0;
    three_timeouts(w, MSS);
}

/* 4821-7.7: eff_pmtu falls to search_low, which is the largest that has arrived (4821 7.1) */
SCENARIO(the_largest_size_that_has_arrived_is_tried_first)
{
    w->config.mtu_probing = 1;
    wire_passive(w);
    WRITE(w, 1300);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1300);
    w->now_us += 100 * MS;
    IN(w, .flags = ACK, .seq = 1, .ack = 1301);
    MARK(w);
    WRITE(w, 2 * MSS);
    OUT(w, .flags = ACK, .seq = 1301, .ack = 1, .len = MSS);
    OUT(w, .flags = ACK, .seq = 1301 + MSS, .ack = 1, .len = MSS);
    AT(w, 250 * MS); /* two samples of 100 ms */
    OUT(w, .flags = ACK, .seq = 1301, .ack = 1, .len = MSS);
    AT(w, 750 * MS);
    OUT(w, .flags = ACK, .seq = 1301, .ack = 1, .len = 1300);
    AT(w, 1750 * MS);
    OUT(w, .flags = ACK, .seq = 1301, .ack = 1, .len = BASE);
}

/* 4821-7.7: "and there was not an ICMP message indicating a reason" */
SCENARIO(a_timeout_that_a_router_explains_is_no_black_hole)
{
    ten_in_flight(w);
    wire_build_icmp(w, &p, 3, 0, 0, first.bytes, 28);
    assert_string_equal(wire_inject(w, &p), "");
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    AT(w, 900 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    AT(w, 2100 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
}

/* RFC 4821 7.1: a large packet that is acknowledged after all is an implicit probe */
SCENARIO(what_arrives_after_all_was_not_too_large)
{
    ten_in_flight(w);
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    AT(w, 900 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = BASE);
    assert_int_equal(wire_info(w).snd_mss, BASE);
    IN(w, .flags = ACK, .seq = 1, .ack = 1 + 10 * MSS);
    assert_int_equal(wire_info(w).snd_mss, MSS);
}

/* ---- up: one probe ---- */

/* 4821-7.2: eff_pmtu at search_low, 1024 by default; search_high is the MTU. The first probe goes first. */
static void searching(struct wire *w)
{
    w->config.mtu_probing = 2;
    wire_passive(w);
}

static void probe_and_nine(struct wire *w)
{
    searching(w);
    WRITE(w, 1240 + 9 * BASE);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1240);
    for (uint32_t i = 0; i < 9; i++)
        OUT(w, .flags = ACK, .seq = 1241 + i * BASE, .ack = 1, .len = BASE);
    QUIET(w);
    assert_int_equal(wire_stats(w).mtu_probes, 1);
}

/* 4821-4b, 4821-7.1, 4821-7.2, 4821-7.6: above search_low; a success raises both, not cwnd */
SCENARIO(a_probe_that_arrives_raises_the_size)
{
    probe_and_nine(w);
    assert_int_equal(wire_info(w).snd_mss, BASE);
    uint32_t cwnd = wire_info(w).cwnd;
    AT(w, 100 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1241);
    assert_int_equal(wire_info(w).snd_mss, 1240);
    assert_in_range(wire_info(w).cwnd, cwnd, cwnd + 1240); /* RFC 4821 4: not by the change of size */
    IN(w, .flags = ACK, .seq = 1, .ack = 1241 + 9 * BASE);
    WRITE(w, 3 * 1240);
    for (uint32_t i = 0; i < 3; i++)
        OUT(w, .flags = ACK, .seq = 1241 + 9 * BASE + i * 1240, .ack = 1, .len = 1240);
}

/* 4821-7.1: search_low and the first hop are settings; the peer's MSS is a limit as well (1191-3.1) */
SCENARIO(a_search_begins_where_it_is_told_and_ends_at_the_peers_mss)
{
    w->config.mtu_base_bytes = 700;
    w->peer.mss = 960;
    searching(w);
    WRITE(w, 960 + 4 * 660);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 960); /* the limit: nothing common lies below */
    for (uint32_t i = 0; i < 4; i++)
        OUT(w, .flags = ACK, .seq = 961 + i * 660, .ack = 1, .len = 660);
    IN(w, .flags = ACK, .seq = 1, .ack = 961 + 4 * 660);
    WRITE(w, 40 * 960);
    while (wire_poll(w, &p))
        assert_int_equal(p.payload_len, 960);
    assert_int_equal(wire_stats(w).mtu_probes, 1);
}

/* 4821-4a, 4821-7.6: the probe's loss alone reduces nothing; its data goes again at the old size */
SCENARIO(a_probe_lost_alone_is_no_congestion)
{
    probe_and_nine(w);
    struct mytcp_conn_info before = wire_info(w);
    AT(w, 100 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{1241, 1241 + 9 * BASE}});
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = BASE);
    OUT(w, .flags = ACK, .seq = 1 + BASE, .ack = 1, .len = 1240 - BASE);
    QUIET(w);
    AT(w, 200 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1241 + 9 * BASE);
    struct mytcp_conn_info after = wire_info(w);
    assert_true(after.cwnd >= before.cwnd);
    assert_int_equal(after.ssthresh, before.ssthresh);
    assert_int_equal(after.snd_mss, BASE);
    assert_int_equal(wire_stats(w).fast_recoveries, 0);
    assert_int_equal(wire_stats(w).rto_expired, 0);
    assert_int_equal(wire_stats(w).mtu_probes_lost, 1);
}

/* 4821-4a, 4821-7.6: a loss beside it is congestion, and says nothing of the size: the same is tried again */
SCENARIO(a_probe_lost_with_others_is_congestion_and_is_tried_again)
{
    probe_and_nine(w);
    uint32_t cwnd = wire_info(w).cwnd;
    AT(w, 100 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{1241 + BASE, 1241 + 9 * BASE}});
    while (wire_poll(w, &p))
        continue;
    assert_int_equal(wire_stats(w).fast_recoveries, 1);
    AT(w, 200 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1241 + 9 * BASE);
    assert_true(wire_info(w).cwnd < cwnd);
    assert_int_equal(wire_stats(w).mtu_probes_lost, 0);
    WRITE(w, 1240 + 4 * BASE);
    OUT(w, .flags = ACK, .seq = 1241 + 9 * BASE, .ack = 1, .len = 1240);
}

/* CUBIC that counts what it is told. */
static struct cc_algorithm spy;
static unsigned losses_told;

static void note_loss(struct cc *cc, const struct cc_event *e)
{
    (void)cc;
    (void)e;
    losses_told++;
}

static void spied_on(struct wire *w)
{
    probe_and_nine(w);
    struct cc *cc = &fd_sock(w->stack, w->fd)->tcb.cc;
    spy = cc_cubic;
    spy.on_lost = note_loss;
    cc->algorithm = &spy;
    if (!cc->state) cc->state = mem_zalloc(&w->stack->mem, MEM_CONN, spy.state_bytes);
    losses_told = 0;
    AT(w, 100 * MS);
}

/* 4821-4a, 4821-7.6: nor does an algorithm hear of it that wants to know of every loss, as BBR does */
SCENARIO(congestion_control_is_not_told_of_a_probe_lost_alone)
{
    spied_on(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{1241, 1241 + 9 * BASE}});
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = BASE);
    OUT(w, .flags = ACK, .seq = 1 + BASE, .ack = 1, .len = 1240 - BASE);
    WRITE(w, 2 * BASE);
    OUT(w, .flags = ACK, .seq = 1241 + 9 * BASE, .ack = 1, .len = BASE);
    OUT(w, .flags = ACK, .seq = 1241 + 10 * BASE, .ack = 1, .len = BASE);
    AT(w, 200 * MS); /* not with later ACKs either */
    IN(w, .flags = ACK, .seq = 1, .ack = 1241 + 9 * BASE);
    IN(w, .flags = ACK, .seq = 1, .ack = 1241 + 11 * BASE);
    assert_int_equal(losses_told, 0);
    assert_int_equal(wire_stats(w).mtu_probes_lost, 1);
}

SCENARIO(congestion_control_is_told_of_a_probe_lost_with_others)
{
    spied_on(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{1241 + BASE, 1241 + 9 * BASE}});
    assert_int_equal(losses_told, 1);
}

/* 4821-4a: what is found lost while the probe's data goes again */
SCENARIO(a_loss_found_after_the_probes_is_congestion)
{
    probe_and_nine(w);
    AT(w, 100 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{1241, 1241 + 4 * BASE}});
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = BASE);
    OUT(w, .flags = ACK, .seq = 1 + BASE, .ack = 1, .len = 1240 - BASE);
    assert_int_equal(wire_stats(w).fast_recoveries, 0);
    AT(w, 110 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1,
       .sack = {{1241 + 5 * BASE, 1241 + 9 * BASE}, {1241, 1241 + 4 * BASE}});
    OUT(w, .flags = ACK, .seq = 1241 + 4 * BASE, .ack = 1, .len = BASE);
    assert_int_equal(wire_stats(w).fast_recoveries, 1);
    AT(w, 200 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1241 + 9 * BASE);
    assert_int_equal(wire_stats(w).mtu_probes_lost, 0);
}

/* 4821-4a: ECN's word of congestion holds beside a lost probe */
SCENARIO(a_mark_beside_a_lost_probe_is_heeded)
{
    w->config.ecn = 1;
    w->config.mtu_probing = 2;
    wire_listen(w, 5);
    struct wire_segment syn = wire_peer_syn(w, SYN | ECE | CWR, 0);
    wire_in(w, __FILE__, __LINE__, &syn);
    OUT(w, .flags = SYN | ACK | ECE, .seq = 0, .ack = 1);
    w->now_us += w->rtt_us;
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    w->fd = mytcp_accept(w->stack, w->listener, NULL, NULL, SOCK_NONBLOCK);
    WRITE(w, 1240 + 9 * BASE);
    while (wire_poll(w, &p))
        continue;
    uint32_t cwnd = wire_info(w).cwnd;
    w->now_us += 100 * MS;
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{1241, 1241 + 8 * BASE}});
    while (wire_poll(w, &p))
        continue;
    IN(w, .flags = ACK | ECE, .seq = 1, .ack = 1, .sack = {{1241, 1241 + 9 * BASE}});
    assert_true(wire_info(w).cwnd < cwnd);
}

/* 4821-7.4, 4821-7.6: a timeout is congestion, and its probe's size is not tried for five times as long */
SCENARIO(a_probe_that_times_out_is_congestion)
{
    probe_and_nine(w);
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = BASE);
    QUIET(w);
    assert_int_equal(wire_info(w).cwnd, BASE);
    AT(w, 400 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1 + BASE, .sack = {{1241, 1241 + 9 * BASE}});
    OUT(w, .flags = ACK, .seq = 1 + BASE, .ack = 1, .len = 1240 - BASE);
    AT(w, 500 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1241 + 9 * BASE);
    WRITE(w, 12 * BASE);
    OUT(w, .flags = ACK, .seq = 1241 + 9 * BASE, .ack = 1, .len = BASE);
}

/* 4821-7.4: three segments must follow it */
SCENARIO(no_probe_goes_with_too_little_behind_it)
{
    searching(w);
    WRITE(w, 1240 + 3 * BASE - 1);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = BASE);
}

/* 4821-7.4 */
SCENARIO(no_probe_goes_into_a_small_window)
{
    w->wnd = 1240 + 3 * BASE - 1;
    w->peer.wscale = 0;
    searching(w);
    WRITE(w, 10 * BASE);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = BASE);
}

/* 4821-7.4 */
SCENARIO(no_probe_goes_while_something_is_missing)
{
    searching(w);
    WRITE(w, 4 * BASE); /* all without a probe, for want of data */
    for (uint32_t i = 0; i < 4; i++)
        OUT(w, .flags = ACK, .seq = 1 + i * BASE, .ack = 1, .len = BASE);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{1 + BASE, 1 + 2 * BASE}});
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = BASE);
    WRITE(w, 8 * BASE);
    while (wire_poll(w, &p))
        assert_true(p.payload_len <= BASE);
    assert_int_equal(wire_stats(w).mtu_probes, 0);
}

/* 4821-7.4: at most one */
SCENARIO(no_probe_goes_beside_another)
{
    searching(w);
    WRITE(w, 100 * MSS);
    unsigned large = 0;
    while (wire_poll(w, &p))
        large += p.payload_len > BASE;
    assert_int_equal(large, 1);
}

/* 4821-7.4: a timely report of losses needs SACK: without it there is no probe */
SCENARIO(without_sack_no_probe_goes)
{
    w->peer.sackok = false;
    searching(w);
    WRITE(w, 10 * BASE);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = BASE);
    assert_int_equal(wire_stats(w).mtu_probes, 0);
}

/* among super-segments the probe is one packet by itself */
SCENARIO(a_probe_is_one_packet_among_super_segments)
{
    w->config.gso_max_bytes = 65535;
    w->config.tx_csum = 1;
    searching(w);
    WRITE(w, 1240 + 8 * BASE);
    assert_int_equal(OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1240)->gso_size, 0);
    OUT(w, .flags = ACK, .seq = 1241, .ack = 1, .len = 8 * BASE, .gso_size = BASE);
    AT(w, 100 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{1241, 1241 + 8 * BASE}});
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = BASE);
    OUT(w, .flags = ACK, .seq = 1 + BASE, .ack = 1, .len = 1240 - BASE);
    IN(w, .flags = ACK, .seq = 1, .ack = 1241 + 8 * BASE);
    assert_int_equal(wire_stats(w).mtu_probes_lost, 1);
    assert_int_equal(wire_stats(w).fast_recoveries, 0);
}

/* RFC 4821 7.6.2: a router's word about the probe is taken; nothing is tried for as long as it stands */
SCENARIO(a_router_may_say_how_large_the_probe_might_have_been)
{
    searching(w);
    WRITE(w, 1240 + 9 * BASE);
    struct wire_packet probe = *OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1240);
    while (wire_poll(w, &p))
        continue;
    wire_build_icmp(w, &p, 3, 4, 1100, probe.bytes, 28);
    assert_string_equal(wire_inject(w, &p), "");
    QUIET(w);
    assert_int_equal(wire_info(w).snd_mss, BASE);
    AT(w, 100 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{1241, 1241 + 9 * BASE}});
    while (wire_poll(w, &p))
        continue;
    IN(w, .flags = ACK, .seq = 1, .ack = 1241 + 9 * BASE);
    for (uint64_t at_s = 1; at_s <= 600; at_s += 599) { /* RFC 1191 3: 5 minutes at least */
        w->now_us = w->mark_us + at_s * SEC + (at_s == 600 ? 100 * MS : 0);
        uint32_t end = wire_conn(w)->snd_high;
        WRITE(w, 12 * BASE);
        OUT(w, .flags = ACK, .seq = end, .ack = 1, .len = at_s == 1 ? BASE : 1060);
        while (wire_poll(w, &p))
            continue;
        IN(w, .flags = ACK, .seq = 1, .ack = wire_conn(w)->snd_high);
    }
}

/* 1191-7, 4821-7.7: nor that of a black hole */
SCENARIO(a_black_hole_found_is_shared_when_something_has_come_through)
{
    ten_in_flight(w);
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    AT(w, 900 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = BASE);
    uint16_t port = w->peer_port;
    int fd = w->fd;
    w->peer_port++;
    wire_passive(w);
    assert_int_equal(wire_info(w).snd_mss, MSS); /* nobody knows yet whether it was the size */
    w->peer_port = port;
    w->fd = fd;
    WRITE(w, 4 * BASE);
    for (uint32_t end = 1 + BASE; wire_info(w).send_queued;) {
        IN(w, .flags = ACK, .seq = 1, .ack = end);
        while (wire_poll(w, &p))
            end = p.seq - wire_conn(w)->iss + p.payload_len;
    }
    w->peer_port += 2;
    wire_passive(w);
    assert_int_equal(wire_info(w).snd_mss, BASE);
}

WIRE_MAIN(WIRE_TEST(full_sized_data_that_times_out_again_goes_smaller),
          WIRE_TEST(small_data_that_times_out_goes_as_it_was),
          WIRE_TEST(how_many_timeouts_make_a_black_hole_is_a_setting),
          WIRE_TEST(a_black_hole_may_take_longer_than_r1),
          WIRE_TEST(black_holes_may_be_ignored),
          WIRE_TEST(the_largest_size_that_has_arrived_is_tried_first),
          WIRE_TEST(a_timeout_that_a_router_explains_is_no_black_hole),
          WIRE_TEST(what_arrives_after_all_was_not_too_large),
          WIRE_TEST(a_probe_that_arrives_raises_the_size),
          WIRE_TEST(a_search_begins_where_it_is_told_and_ends_at_the_peers_mss),
          WIRE_TEST(a_probe_lost_alone_is_no_congestion),
          WIRE_TEST(congestion_control_is_not_told_of_a_probe_lost_alone),
          WIRE_TEST(congestion_control_is_told_of_a_probe_lost_with_others),
          WIRE_TEST(a_probe_lost_with_others_is_congestion_and_is_tried_again),
          WIRE_TEST(a_loss_found_after_the_probes_is_congestion),
          WIRE_TEST(a_mark_beside_a_lost_probe_is_heeded),
          WIRE_TEST(a_probe_that_times_out_is_congestion),
          WIRE_TEST(no_probe_goes_with_too_little_behind_it),
          WIRE_TEST(no_probe_goes_into_a_small_window),
          WIRE_TEST(no_probe_goes_while_something_is_missing),
          WIRE_TEST(no_probe_goes_beside_another),
          WIRE_TEST(without_sack_no_probe_goes),
          WIRE_TEST(a_probe_is_one_packet_among_super_segments),
          WIRE_TEST(a_router_may_say_how_large_the_probe_might_have_been),
          WIRE_TEST(a_black_hole_found_is_shared_when_something_has_come_through))
