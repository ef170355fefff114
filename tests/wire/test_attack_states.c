/* State machines, numbers and clocks driven to where nobody goes (attacks A5, A6). */
#include "lib/wire_place.h"

static struct wire_packet p;

static unsigned answers(struct wire *w)
{
    unsigned n = 0;
    while (wire_poll(w, &p))
        n++;
    return n;
}

/* S08: flags that make no sense together, in every synchronized state: an ACK at most */
SCENARIO(impossible_flags_change_no_state)
{
    static const unsigned flags[] = {0,
                                     FIN,
                                     PSH,
                                     URG,
                                     FIN | URG,
                                     SYN | FIN,
                                     SYN | RST,
                                     SYN | FIN | ACK,
                                     FIN | PSH | URG,
                                     SYN | FIN | PSH | URG | ACK};
    w->config.challenge_acks_per_s = 200;
    for (unsigned i = AT_ESTABLISHED; i < AT_TIME_WAIT; i++) {
        const struct wire_place *at = wire_go(w, i);
        for (unsigned k = 0; k < 2 * sizeof(flags) / sizeof(*flags); k++) {
            if (flags[k / 2] & RST && k % 2)
                continue; /* at RCV.NXT it is a RST */
            assert_string_not_equal(
                IN(w, .flags = flags[k / 2], .seq = at->rcv_nxt + !(k % 2), .ack = 1), "");
            assert_in_range(answers(w), 0, 1);
            wire_still(w, at);
        }
        IN(w, .flags = RST, .seq = at->rcv_nxt);
    }
}

/* S02: crossing SYNs, and each of the segments that follow comes twice */
SCENARIO(crossing_syns_survive_duplicates_of_everything)
{
    wire_syn_sent(w);
    struct wire_segment syn = wire_peer_syn(w, SYN, 0), syn_ack = wire_peer_syn(w, SYN | ACK, 1);
    for (int i = 0; i < 2; i++) {
        wire_in(w, __FILE__, __LINE__, &syn);
        OUT(w, .flags = SYN | ACK, .seq = 0, .ack = 1);
    }
    for (int i = 0; i < 2; i++) {
        wire_in(w, __FILE__, __LINE__, &syn_ack);
        while (wire_poll(w, &p))
            assert_int_equal(p.flags, ACK);
        STATE(w, TCP_ESTABLISHED);
    }
    wire_in(w, __FILE__, __LINE__, &syn);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    STATE(w, TCP_ESTABLISHED);
    assert_int_equal(wire_stats(w).opened_active, 1);
}

/* S04: FINs that cross, each of them and each ACK twice */
SCENARIO(crossing_fins_survive_duplicates_of_everything)
{
    wire_go(w, AT_CLOSING);
    for (int i = 0; i < 2; i++) {
        IN(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
        OUT(w, .flags = ACK, .seq = 2, .ack = 2);
    }
    IN(w, .flags = ACK, .seq = 2, .ack = 2);
    QUIET(w);
    assert_int_equal(wire_stats(w).time_wait, 1);
    IN(w, .flags = ACK, .seq = 2, .ack = 2);
    QUIET(w);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
    OUT(w, .flags = ACK, .seq = 2, .ack = 2);
    assert_int_equal(wire_stats(w).time_wait, 1);
}

/* S09, G050: the connection comes before the listener, whatever arrives for its tuple */
SCENARIO(an_established_tuple_comes_before_the_listener)
{
    const struct wire_place *at = wire_go(w, AT_ESTABLISHED);
    IN(w, .flags = SYN, .seq = 5000, .mss = 1460);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    wire_still(w, at);
    assert_int_equal(wire_stats(w).half_open, 0);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    OUT(w, .flags = ACK, .seq = 1, .ack = 11);
}

/* A lent buffer with a super-segment of `len` bytes of the stream at `at` in it: only its first and
 * last four bytes are written, and say where they are. */
static void give(struct wire *w, uint64_t at, uint32_t len)
{
    size_t room;
    uint32_t lead = (uint32_t)at, trail = (uint32_t)(at + len - 4);
    uint8_t *lent = mytcp_input_buffer(w->stack, &room);
    assert_non_null(lent);
    wire_build(w, &p,
               &(struct wire_segment){.flags = ACK, .seq = 1 + lead, .ack = 1, .gso_size = 1460});
    p.len += len;
    p.bytes[2] = (uint8_t)(p.len >> 8);
    p.bytes[3] = (uint8_t)p.len;
    wire_fix_ip_checksum(&p);
    memcpy(lent, p.bytes, 40);
    memcpy(lent + 40, &lead, 4);
    memcpy(lent + 40 + len - 4, &trail, 4);
    struct mytcp_packet in = {
        .data = lent, .len_bytes = p.len, .gso_type = 1, .gso_size = 1460, .csum_valid = true};
    int drop = mytcp_input(w->stack, &in, w->now_us);
    if (drop)
        wire_failed(w, __FILE__, __LINE__, "at %llu: %s", (unsigned long long)at,
                    mytcp_drop_name((unsigned)drop));
}

/* What was given is there, in order, without copying 4 GiB of it. */
static void take(struct wire *w, uint64_t at, uint32_t len)
{
    uint8_t ends[4];
    uint32_t lead = (uint32_t)at, trail = (uint32_t)(at + len - 4);
    assert_int_equal(mytcp_recv(w->stack, w->fd, ends, 4, 0), 4);
    assert_memory_equal(ends, &lead, 4);
    assert_int_equal(mytcp_recv(w->stack, w->fd, NULL, len - 8, MSG_TRUNC), len - 8);
    assert_int_equal(mytcp_recv(w->stack, w->fd, ends, 4, 0), 4);
    assert_memory_equal(ends, &trail, 4);
}

/* I03: 4 GiB and more in one connection, with holes on both sides of each wrap, and FIN behind */
SCENARIO(more_than_4_gib_arrive_in_order)
{
    enum { LEN = 60000 };
    const uint64_t total = (9ull << 30) / LEN * LEN;
    struct mytcp_tx tx;
    wire_passive(w);
    for (uint64_t at = 0; at < total;) {
        if ((at / LEN) % 64 == 32 && at + 3 * LEN <= total) { /* the third first */
            give(w, at + 2 * LEN, LEN);
            give(w, at + LEN, LEN);
            give(w, at, LEN);
            for (unsigned i = 0; i < 3; i++, at += LEN)
                take(w, at, LEN);
        } else {
            give(w, at, LEN);
            take(w, at, LEN);
            at += LEN;
        }
        while (mytcp_output(w->stack, &tx, w->now_us) == 1)
            continue;
        if ((at / LEN) % 4096 == 0)
            assert_null(mytcp_check(w->stack));
    }
    assert_int_equal(wire_info(w).bytes_received, total);
    assert_int_equal(wire_info(w).rcv_nxt, (uint32_t)(wire_conn(w)->irs + 1 + total));
    wire_conn(w)->ack_high = wire_conn(w)->peer_end = (uint32_t)total + 1;
    wire_conn(w)->edge_known = false;
    IN(w, .flags = FIN | ACK, .seq = (uint32_t)total + 1, .ack = 1);
    OUT(w, .flags = ACK, .seq = 1, .ack = (uint32_t)total + 2);
    wire_eof(w);
}

/* I03: the same the other way, with a loss now and then */
SCENARIO(more_than_4_gib_are_sent_in_order)
{
    const uint64_t total = 9ull << 30;
    w->any_payload = true;
    w->config.gso_max_bytes = 65535;
    w->config.tx_csum = 1;
    w->config.sndbuf_bytes = 1 << 20;
    wire_passive(w);
    uint64_t queued = 0, sent = 0, acked = 0;
    uint32_t iss = wire_conn(w)->iss, losses = 0;
    while (sent < total) {
        struct iovec iov[16];
        struct mytcp_tx tx;
        acked = sent; /* a round behind, so that SND.UNA and SND.NXT wrap apart */
        ssize_t room = mytcp_reserve(w->stack, w->fd, iov, 16, 1 << 20);
        if (room > 0) {
            assert_int_equal(mytcp_commit(w->stack, w->fd, (size_t)room), 0);
            queued += (uint64_t)room;
        }
        while (mytcp_output(w->stack, &tx, w->now_us) == 1) {
            const uint8_t *h = tx.iov[0].iov_base;
            uint32_t seq =
                (uint32_t)h[24] << 24 | (uint32_t)h[25] << 16 | (uint32_t)h[26] << 8 | h[27];
            uint32_t offset = seq - iss - 1 - (uint32_t)sent;
            if (offset == 0 && sent / 1000003 > losses) /* the first of these is lost */
                losses += 100;
            else if (offset == 0)
                sent += tx.len_bytes - tx.hdr_len;
            assert_true(sent <= queued);
        }
        w->now_us += 1 * MS;
        wire_build(w, &p,
                   &(struct wire_segment){.flags = ACK, .seq = 1, .ack = 1 + (uint32_t)acked});
        struct mytcp_packet in = {.data = p.bytes, .len_bytes = p.len};
        assert_int_equal(mytcp_input(w->stack, &in, w->now_us), 0);
        if (mytcp_next_deadline(w->stack) != MYTCP_NEVER_US && room < 0)
            w->now_us += 1 * MS;
    }
    assert_int_equal(wire_info(w).bytes_acked, acked);
    assert_true(losses >= 5000);
    assert_null(mytcp_check(w->stack));
    struct linger now = {.l_onoff = 1};
    mytcp_setsockopt(w->stack, w->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

/* I05: our own clock wraps, also one of a microsecond, every 71 minutes */
SCENARIO(our_timestamps_wrap_without_anybody_noticing)
{
    static const uint32_t clocks[] = {1, 1000, 1000000};
    for (unsigned i = 0; i < 3; i++) {
        w->config.timestamp_clock_us = clocks[i];
        w->peer.ts = true;
        w->peer_port++;
        wire_passive(w);
        uint64_t period = (uint64_t)clocks[i] << 32;
        for (unsigned step = 0; step < 20; step++) { /* the harness: TSval never goes back */
            WRITE(w, 100);
            uint32_t seq = 1 + step * 100;
            OUT(w, .flags = ACK, .seq = seq, .ack = 1 + 10 * step, .len = 100);
            w->now_us += 20 * MS;
            IN(w, .flags = ACK, .seq = 1 + 10 * step, .ack = seq + 100, .len = 10);
            answers(w);
            assert_true(wire_info(w).srtt_us < 200 * MS + 2 * clocks[i]);
            w->now_us += period / 9;
            answers(w);
        }
        wire_stop(w);
        w->conn_count = 0;
        w->listener = -1;
    }
}

/* I06: a clock that leaps an hour, 49.7 days and a year: one retransmission, and no storm */
SCENARIO(a_clock_that_leaps_causes_no_storm)
{
    static const uint64_t leaps_s[] = {3600, 4294967, 4294968, 365 * 86400};
    for (unsigned i = 0; i < 4; i++) {
        w->peer_port++;
        wire_passive(w);
        wire_set(w, SOL_SOCKET, SO_KEEPALIVE, 1);
        WRITE(w, 5000);
        for (uint32_t k = 0; k < 4; k++)
            wire_poll(w, &p);
        QUIET(w);
        w->now_us += leaps_s[i] * SEC;
        assert_in_range(answers(w), 1, 2);
        assert_true(wire_info(w).rto_us <= 120 * SEC);
        IN(w, .flags = ACK, .seq = 1, .ack = 5001);
        answers(w);
        STATE(w, TCP_ESTABLISHED);
        assert_true(wire_info(w).rto_us <= 120 * SEC);
        IN(w, .flags = RST, .seq = 1);
    }
}

/* I06: a clock that stands still: all that has no time to wait for goes on */
SCENARIO(a_clock_that_stands_still_stops_nothing_that_does_not_wait)
{
    w->rtt_us = 0;
    wire_passive(w);
    WRITE(w, 100000);
    uint32_t acked = 1;
    for (int i = 0; i < 100 && acked < 100001; i++) {
        answers(w);
        acked = wire_conn(w)->snd_high;
        IN(w, .flags = ACK, .seq = 1, .ack = acked);
    }
    assert_int_equal(acked, 100001);
    for (unsigned i = 0; i < 100; i++)
        IN(w, .flags = ACK, .seq = 1 + 100 * i, .ack = acked, .len = 100);
    OUT(w, .flags = ACK, .seq = acked, .ack = 10001);
    assert_true(wire_info(w).rto_us >= w->config.rto_min_us);
}

/* I07, G143: a hundred retries and hundreds of duplicate ACKs: counters that do not turn over */
SCENARIO(counters_of_retries_and_duplicates_do_not_turn_over)
{
    w->config.data_retries = 100;
    w->peer.sackok = false;
    wire_passive(w);
    WRITE(w, 20000);
    answers(w);
    for (unsigned i = 0; i < 70000; i++) {
        IN(w, .flags = ACK, .seq = 1, .ack = 1);
        if (i % 1000 == 0)
            assert_true(answers(w) < 20);
    }
    answers(w);
    uint64_t retransmitted = wire_stats(w).retransmitted_segments;
    assert_in_range(retransmitted, 1, 20);
    MARK(w);
    unsigned retries = 0;
    uint64_t last = w->now_us;
    while (mytcp_next_deadline(w->stack) != MYTCP_NEVER_US) {
        w->now_us = mytcp_next_deadline(w->stack);
        if (!answers(w))
            continue;
        retries++;
        assert_true(w->now_us - last <= w->config.rto_max_us);
        last = w->now_us;
    }
    assert_in_range(retries, 95, 101);
    assert_int_equal(wire_so_error(w), ETIMEDOUT);
}

WIRE_MAIN(WIRE_TEST(impossible_flags_change_no_state),
          WIRE_TEST(crossing_syns_survive_duplicates_of_everything),
          WIRE_TEST(crossing_fins_survive_duplicates_of_everything),
          WIRE_TEST(an_established_tuple_comes_before_the_listener),
          WIRE_TEST(more_than_4_gib_arrive_in_order), WIRE_TEST(more_than_4_gib_are_sent_in_order),
          WIRE_TEST(our_timestamps_wrap_without_anybody_noticing),
          WIRE_TEST(a_clock_that_leaps_causes_no_storm),
          WIRE_TEST(a_clock_that_stands_still_stops_nothing_that_does_not_wait),
          WIRE_TEST(counters_of_retries_and_duplicates_do_not_turn_over))
