/* SACK from peers that mean harm, or that are strange, and super-segments on a path that narrows. */
#include "lib/random.h"
#include "lib/wire.h"

enum { MSS = 1460, SMALL = 536, UNITS = 300 };

static struct wire_packet p;

static uint32_t drain(struct wire *w)
{
    uint32_t bytes = 0;
    while (wire_poll(w, &p))
        bytes += p.payload_len;
    return bytes;
}

/* The window opens until UNITS small segments are in flight. Returns the relative number of the first. */
static uint32_t much_in_flight(struct wire *w, bool super)
{
    w->config.sndbuf_bytes = 1 << 22;
    w->config.rto_min_us = 30 * SEC;
    w->peer.mss = SMALL;
    if (super) w->config.gso_max_bytes = 65535;
    w->config.tx_csum = super;
    wire_passive(w);
    WRITE(w, 3 * UNITS * SMALL);
    for (int turn = 0;; turn++) {
        assert_true(turn < 40);
        drain(w);
        struct wire_conn *c = wire_conn(w);
        if (c->snd_high - c->una >= UNITS * SMALL) return c->una;
        w->now_us += 100 * MS;
        IN(w, .flags = ACK, .seq = 1, .ack = c->snd_high);
    }
}

/* D12, R11 (CVE-2019-11477, 11478, 5599): every other segment, in no order, four blocks an ACK: no memory is
 * taken for it, and nothing is sent more often than PRR allows */
static void every_other(struct wire *w, bool super)
{
    struct random random = {7};
    uint32_t una = much_in_flight(w, super);
    uint32_t high = wire_conn(w)->snd_high;
    uint32_t memory = wire_info(w).memory_bytes;
    uint64_t resent = 0;
    for (uint32_t i = 0; i < 4000; i++) {
        struct wire_segment s = {.flags = ACK, .seq = 1, .ack = una};
        for (unsigned k = 0; k < 4; k++) {
            uint32_t from = una + (1 + 2 * random_below(&random, UNITS / 2 - 1)) * SMALL;
            s.sack[k] = (struct wire_sack){from, from + SMALL};
        }
        wire_in(w, __FILE__, __LINE__, &s);
        resent += drain(w);
    }
    assert_true(wire_info(w).memory_bytes <= memory + (3 * UNITS * SMALL - (high - una)) / 4);
    assert_in_range(resent, 1, 2 * (uint64_t)UNITS * SMALL);
    w->now_us += 100 * MS; /* reneging: all is thrown away, and must come again */
    for (int turn = 0; turn < 2000 && wire_conn(w)->una < 1 + 3 * UNITS * SMALL; turn++) {
        wire_skip_to(w, w->now_us - w->mark_us + 60 * SEC);
        IN(w, .flags = ACK, .seq = 1, .ack = wire_conn(w)->una + SMALL);
        drain(w);
        IN(w, .flags = ACK, .seq = 1, .ack = wire_conn(w)->snd_high);
        drain(w);
    }
    assert_int_equal(wire_info(w).send_queued, 0);
}

SCENARIO(every_other_segment_sacked_and_then_reneged_on) { every_other(w, false); }

SCENARIO(every_other_piece_of_super_segments_sacked_and_then_reneged_on) { every_other(w, true); }

/* R13: blocks that cut segments apart tell nothing of the pieces; the invariants are checked all along */
SCENARIO(blocks_at_arbitrary_bytes_break_nothing)
{
    struct random random = {11};
    uint32_t una = much_in_flight(w, true);
    for (uint32_t i = 0; i < 4000; i++) {
        struct wire_segment s = {.flags = ACK, .seq = 1};
        uint32_t span = wire_conn(w)->snd_high - una;
        if (span && random_below(&random, 10) == 0) una += random_below(&random, span < 3000 ? span : 3000);
        s.ack = una;
        span = wire_conn(w)->snd_high - una;
        for (unsigned k = 0; k < 4; k++) {
            uint32_t from = una - 2000 + random_below(&random, span + 4000);
            s.sack[k] = (struct wire_sack){from, from - 10 + random_below(&random, 5000)};
        }
        wire_in(w, __FILE__, __LINE__, &s);
        drain(w);
        w->now_us += random_below(&random, 5 * MS);
    }
    assert_int_equal(mytcp_check(w->stack) == NULL, 1);
    IN(w, .flags = ACK, .seq = 1, .ack = wire_conn(w)->snd_high);
    drain(w);
}

/* A segment counts only when all of it was SACKed. */
SCENARIO(a_part_of_a_segment_sacked_is_nothing)
{
    wire_passive(w);
    WRITE(w, 10 * MSS);
    drain(w);
    w->now_us += 100 * MS;
    for (uint32_t i = 1; i < 10; i++) {
        uint32_t from = 1 + i * MSS;
        IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{from + 1, from + MSS}});
        IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{from, from + MSS - 1}});
        QUIET(w);
    }
    assert_int_equal(wire_stats(w).fast_recoveries, 0);
}

/* 2525-2.4, G115, G119, 1191-6.4a with super-segments: what was too big goes again in smaller pieces,
 * which end amid the old ones; what
 * is then lost of those is told apart */
SCENARIO(a_super_segment_goes_again_in_smaller_pieces_when_the_path_narrows)
{
    static struct wire_packet first, notice;
    w->config.gso_max_bytes = 65535;
    w->config.tx_csum = 1;
    wire_passive(w);
    WRITE(w, 10 * MSS);
    first = *OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10 * MSS, .gso_size = MSS);
    wire_build_icmp(w, &notice, 3, 4, 1040, first.bytes, 28);
    assert_string_equal(wire_inject(w, &notice), "");
    uint32_t end = 1;
    while (wire_poll(w, &p)) {
        assert_int_equal(p.seq - wire_conn(w)->iss, end);
        assert_true(p.gso_size ? p.gso_size <= 1000 : p.payload_len <= 1000);
        end += p.payload_len;
    }
    assert_true(end > 1);
    for (int turn = 0; turn < 50 && end < 1 + 10 * MSS; turn++) { /* una lies amid the old pieces */
        w->now_us += 100 * MS;
        IN(w, .flags = ACK, .seq = 1, .ack = end);
        while (wire_poll(w, &p)) {
            assert_int_equal(p.seq - wire_conn(w)->iss, end);
            assert_true(p.gso_size ? p.gso_size <= 1000 : p.payload_len <= 1000);
            end += p.payload_len;
        }
    }
    assert_int_equal(end, 1 + 10 * MSS);
    w->now_us += 100 * MS;
    IN(w, .flags = ACK, .seq = 1, .ack = end - 400);
    unsigned sent = wire_skip_to(w, w->now_us - w->mark_us + 2 * SEC);
    assert_true(sent > 0);
    IN(w, .flags = ACK, .seq = 1, .ack = end);
    assert_int_equal(wire_info(w).send_queued, 0);
    assert_null(mytcp_check(w->stack));
}

WIRE_MAIN(WIRE_TEST(every_other_segment_sacked_and_then_reneged_on),
          WIRE_TEST(every_other_piece_of_super_segments_sacked_and_then_reneged_on),
          WIRE_TEST(blocks_at_arbitrary_bytes_break_nothing),
          WIRE_TEST(a_part_of_a_segment_sacked_is_nothing),
          WIRE_TEST(a_super_segment_goes_again_in_smaller_pieces_when_the_path_narrows))
