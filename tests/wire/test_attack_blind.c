/* The attacker off the path, who guesses numbers (RFC 5961, RFC 4953), in every state; and what his
 * spoofed packets must not teach. */
#include "lib/random.h"
#include "lib/wire_place.h"

static void expect_drop(struct wire *w, const char *got, const char *wanted)
{
    if (strcmp(got, wanted))
        wire_failed(w, __FILE__, __LINE__, "wanted the drop \"%s\", got \"%s\"", wanted, got);
}

/* How far the window reaches, from the peer's initial number. */
static uint32_t edge(struct wire *w)
{
    return wire_conn(w)->right_edge;
}

/* B01, G082, 5961-3.2a: the exact number resets, the window is challenged, all else is silence */
SCENARIO(a_rst_resets_at_rcv_nxt_only_in_every_state)
{
    w->config.rcvbuf_bytes = 20000;
    for (unsigned i = 0; i < WIRE_PLACES; i++) {
        const struct wire_place *at = wire_go(w, i);
        bool waits = i == AT_TIME_WAIT; /* RFC 1337: ignored wherever it is */
        uint32_t nxt = at->rcv_nxt, end = edge(w) + nxt - 1; /* a FIN moves it along */
        const uint32_t inside[] = {nxt + 1, nxt + 1000, end - 1};
        const uint32_t outside[] = {nxt - 1, end, end + 1, nxt + 0x7fffffff, nxt + 0x80000000,
                                    nxt - 5000};
        for (unsigned k = 0; k < sizeof(inside) / sizeof(*inside); k++) {
            expect_drop(w, IN(w, .flags = RST, .seq = inside[k]),
                        waits ? "rst_ignored" : "rst_challenged");
            if (!waits)
                OUT(w, .flags = ACK, .seq = at->snd_nxt, .ack = nxt);
            wire_still(w, at);
        }
        for (unsigned k = 0; k < sizeof(outside) / sizeof(*outside); k++) {
            expect_drop(w, IN(w, .flags = RST, .seq = outside[k]), "rst_ignored");
            wire_still(w, at);
        }
        expect_drop(w, IN(w, .flags = RST, .seq = nxt), waits ? "rst_ignored" : "");
        if (waits)
            wire_still(w, at);
        else
            wire_gone(w, at);
    }
}

/* B02, G071, 5961-4.2a: a SYN never resets, and is never data */
SCENARIO(a_syn_is_challenged_in_every_synchronized_state)
{
    static const uint32_t offsets[] = {0,          1,          (uint32_t)-1, (uint32_t)-2,
                                       10000,      0x7fffffff, 0x80000000,   0x80000001};
    w->config.challenge_acks_per_s = 200;
    for (unsigned i = AT_ESTABLISHED; i < AT_TIME_WAIT; i++) {
        const struct wire_place *at = wire_go(w, i);
        for (unsigned k = 0; k < 2 * sizeof(offsets) / sizeof(*offsets); k++) {
            uint32_t seq = at->rcv_nxt + offsets[k / 2];
            IN(w, .flags = k % 2 ? SYN | ACK : SYN, .seq = seq, .ack = at->snd_nxt, .len = k % 3);
            OUT(w, .flags = ACK, .seq = at->snd_nxt, .ack = at->rcv_nxt);
            wire_still(w, at);
        }
        assert_int_equal(wire_info(w).recv_out_of_order, 0);
        IN(w, .flags = RST, .seq = at->rcv_nxt);
    }
}

/* B03, 5961-5.2a: MAX.SND.WND below SND.UNA is the last ACK that is taken, SND.NXT the first */
SCENARIO(an_ack_is_taken_from_the_largest_window_below_snd_una_up_to_snd_nxt)
{
    enum { WINDOW = 2000, SENT = 3000 };
    w->peer.wscale = 0;
    w->wnd = WINDOW;
    wire_passive(w);
    wire_set(w, IPPROTO_TCP, TCP_NODELAY, 1);
    for (uint32_t at = 1; at < 1 + SENT; at += 1000) {
        WRITE(w, 1000);
        OUT(w, .flags = ACK, .seq = at, .ack = 1, .len = 1000);
        IN(w, .flags = ACK, .seq = 1, .ack = at + 1000);
    }
    WRITE(w, 500);
    OUT(w, .flags = ACK, .seq = 1 + SENT, .ack = 1, .len = 500);
    uint32_t una = 1 + SENT, nxt = una + 500;
    const struct {
        uint32_t ack;
        const char *drop;
    } cases[] = {{una - WINDOW - 1, "ack_too_old"}, {una - WINDOW, ""}, {una - 1, ""},
                 {una - 0x70000000, "ack_too_old"}, {nxt + 1, "ack_unsent"}, {nxt, ""}};
    for (uint32_t i = 0, seq = 1; i < sizeof(cases) / sizeof(*cases); i++) {
        bool bad = *cases[i].drop;
        expect_drop(w, IN(w, .flags = ACK, .seq = seq, .ack = cases[i].ack, .len = 10,
                          .garbage = bad),
                    cases[i].drop);
        seq += bad ? 0 : 10;
        OUT(w, .flags = ACK, .seq = nxt, .ack = seq);
        QUIET(w);
    }
    READ(w, 30);
}

/* B05: a FIN counts only at RCV.NXT, once all before it is there, and with an ACK that can be */
SCENARIO(a_forged_fin_does_not_close)
{
    static const uint32_t seqs[] = {0, 2, 500, 0x80000001, (uint32_t)-1000};
    static const uint32_t bad_acks[] = {2, 0x70000000, (uint32_t)-5};
    w->config.challenge_acks_per_s = 200;
    const struct wire_place *at = wire_go(w, AT_ESTABLISHED);
    static struct wire_packet p;
    for (unsigned i = 0; i < sizeof(seqs) / sizeof(*seqs); i++) {
        IN(w, .flags = FIN | ACK, .seq = seqs[i], .ack = 1);
        OUT(w, .flags = ACK, .seq = 1, .ack = 1);
        wire_still(w, at);
    }
    for (unsigned i = 0; i < sizeof(bad_acks) / sizeof(*bad_acks); i++) {
        IN(w, .flags = FIN | ACK, .seq = 1, .ack = bad_acks[i]);
        OUT(w, .flags = ACK, .seq = 1, .ack = 1);
        wire_still(w, at);
    }
    IN(w, .flags = FIN, .seq = 1);
    wire_still(w, at);
    wire_conn(w)->peer_fin = false; /* none of them was the peer's */
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 3000); /* over the places of the early ones */
    while (wire_poll(w, &p))
        assert_int_equal(p.ack - wire_conn(w)->irs, 3001);
    READ(w, 3000);
    wire_again(w);
    STATE(w, TCP_ESTABLISHED);
}

/* B15, CVE-2005-0356: a timestamp far ahead, in segments that are not taken, must not blind PAWS */
SCENARIO(a_segment_whose_ack_cannot_be_teaches_no_timestamp)
{
    static const uint32_t bad_acks[] = {100, 0x70000000, (uint32_t)-5};
    w->peer.ts = true;
    wire_passive(w);
    uint32_t ts = (uint32_t)(w->now_us / 1000), far = ts + (1u << 30);
    for (unsigned i = 0; i < sizeof(bad_acks) / sizeof(*bad_acks); i++) {
        IN(w, .flags = ACK, .seq = 1, .ack = bad_acks[i], .len = 10, .garbage = true, .ts = true,
           .tsval = far);
        OUT(w, .flags = ACK, .seq = 1, .ack = 1, .ts = true, .tsecr = ts);
    }
    IN(w, .flags = SYN, .seq = 1, .ts = true, .tsval = far);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .ts = true, .tsecr = ts);
    IN(w, .flags = 0, .seq = 1, .len = 10, .garbage = true, .ts = true, .tsval = far);
    QUIET(w);
    expect_drop(w, IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .ts = true, .tsval = ts), "");
    OUT(w, .flags = ACK, .seq = 1, .ack = 11, .ts = true, .tsecr = ts);
    READ(w, 10);
}

/* B15: an echo of a time that has not come is no measurement */
SCENARIO(an_echo_from_the_future_is_no_sample)
{
    w->peer.ts = true;
    wire_passive(w);
    uint32_t rto = wire_info(w).rto_us, sent, ts = (uint32_t)(w->now_us / 1000);
    for (uint32_t at = 1; at < 501; at += 100) {
        WRITE(w, 100);
        sent = OUT(w, .flags = ACK, .seq = at, .ack = 1, .len = 100)->tsval;
        w->now_us += 100 * MS;
        IN(w, .flags = ACK, .seq = 1, .ack = at + 100, .ts = true, .tsval = ts + at,
           .tsecr = sent + 100000 * at);
        assert_true(wire_info(w).rto_us <= rto);
        assert_true(wire_info(w).srtt_us <= 200 * MS);
    }
}

/* B16: what a spoofed byte desynchronizes: each end answers the other's ACKs, a few times only */
SCENARIO(an_ack_storm_dies)
{
    static struct wire_packet p;
    wire_passive(w);
    unsigned acks = 0;
    for (unsigned i = 0; i < 10000; i++) { /* every ACK of ours comes back as one of unsent data */
        IN(w, .flags = ACK, .seq = 1, .ack = 2);
        while (wire_poll(w, &p))
            acks++;
    }
    assert_in_range(acks, 1, w->config.challenge_acks_per_s);
    for (unsigned i = 0; i < 10; i++) { /* but data is acknowledged each time */
        IN(w, .flags = ACK, .seq = (uint32_t)-999, .ack = 1, .len = 100);
        OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    }
}

/* B17: windows of old segments, huge and shut */
SCENARIO(old_segments_do_not_change_the_send_window)
{
    wire_passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1001);
    IN(w, .flags = ACK, .seq = 1001, .ack = 1);
    uint32_t window = wire_info(w).snd_wnd;
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000, .wnd = 65535 << 7);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1001, .sack = {{1, 1001}});
    IN(w, .flags = ACK, .seq = 901, .ack = 1, .len = 150, .wnd = 65535 << 7);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1051, .sack = {{901, 1001}});
    IN(w, .flags = ACK, .seq = 501, .ack = 1, .len = 600, .wnd = WND_ZERO);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1101, .sack = {{501, 1051}});
    assert_int_equal(wire_info(w).snd_wnd, window);
}

static void to_nobody(struct wire *w, uint32_t source)
{
    w->peer_addr = source;
    w->our_port = 9999;
    IN(w, .flags = SYN);
}

/* Of 200 other networks, how many are still answered? */
static unsigned answered(struct wire *w, void (*ask)(struct wire *w, uint32_t source))
{
    static struct wire_packet p;
    unsigned answers = 0;
    for (uint32_t i = 0; i < 200; i++) {
        w->conn_count = 0;
        ask(w, 0x0b000001 + i * 256);
        while (wire_poll(w, &p))
            answers += p.dst == w->peer_addr;
    }
    return answers;
}

static void drain(struct wire *w, void (*ask)(struct wire *w, uint32_t source))
{
    static struct wire_packet p;
    unsigned answers = 0;
    for (int i = 0; i < 50; i++) {
        ask(w, 0x0c000001);
        while (wire_poll(w, &p))
            answers++;
    }
    assert_int_equal(answers, 5);
}

/* B14: what one asks from an answer's limit is not missed by another (SADDNS) */
SCENARIO(who_uses_up_his_resets_uses_up_nobody_elses)
{
    w->config.rsts_per_s = 5;
    drain(w, to_nobody);
    assert_in_range(answered(w, to_nobody), 190, 200);
}

static void ping(struct wire *w, uint32_t source)
{
    static struct wire_packet p;
    w->peer_addr = source;
    wire_build_icmp(w, &p, 8, 0, 1, "x", 1);
    wire_inject(w, &p);
}

static void udp(struct wire *w, uint32_t source)
{
    static struct wire_packet p;
    uint8_t datagram[30] = {0};
    w->peer_addr = source;
    wire_build_ip(w, &p, 17, datagram, sizeof(datagram));
    wire_inject(w, &p);
}

/* B14 */
SCENARIO(who_uses_up_his_icmp_uses_up_nobody_elses)
{
    w->config.icmp_per_s = 5;
    drain(w, ping);
    assert_in_range(answered(w, udp), 190, 200);
    w->now_us += 10 * SEC;
    drain(w, udp);
    assert_in_range(answered(w, ping), 190, 200);
}

static void no_counter(struct wire *w, const struct wire_packet *p)
{
    if (p->bytes[4] | p->bytes[5] || p->bytes[6] != 0x40)
        wire_failed(w, __FILE__, __LINE__, "an ID of %02x%02x, flags %02x", p->bytes[4],
                    p->bytes[5], p->bytes[6]);
}

/* B06, CVE-2016-5696: the challenges that one connection has beside 300 random amounts of attack
 * on another: always the same, so that no test of any level can tell the amounts apart */
SCENARIO(the_challenges_left_to_one_connection_say_nothing_of_another)
{
    struct random random = {.state = 5};
    static struct wire_packet p;
    wire_passive(w);
    uint16_t ours = w->peer_port++;
    wire_passive(w);
    uint16_t victim = w->peer_port;
    for (int trial = 0; trial < 300; trial++) {
        w->now_us += 3 * SEC + random_below(&random, 1000000);
        w->peer_port = victim;
        for (unsigned n = random_below(&random, 20); n-- > 0;)
            IN(w, .flags = n % 2 ? SYN : RST, .seq = 2 + random_below(&random, 60000));
        w->peer_port = ours;
        while (wire_poll(w, &p))
            assert_int_equal(p.dst_port, victim);
        unsigned mine = 0;
        for (unsigned n = 0; n < w->config.challenge_acks_per_s + 5; n++) {
            IN(w, .flags = RST, .seq = 5);
            mine += wire_poll(w, &p);
        }
        assert_int_equal(mine, w->config.challenge_acks_per_s);
    }
}

/* B07, G026, G229: DF and no counter, on whatever is sent, to whomever */
SCENARIO(no_packet_of_any_kind_tells_a_counter)
{
    for (int turn = 0; turn < 3; turn++) {
        w->peer_addr += (uint32_t)turn;
        wire_syn_received(w);
        IN(w, .flags = SYN);
        no_counter(w, OUT(w, .flags = SYN | ACK, .ack = 1));
        w->peer_port++;
        wire_passive(w);
        WRITE(w, 100);
        no_counter(w, OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100));
        IN(w, .flags = RST, .seq = 5);
        no_counter(w, OUT(w, .flags = ACK, .seq = 101, .ack = 1));
        ping(w, w->peer_addr);
        no_counter(w, OUT_ICMP(w, 0, 0));
        udp(w, w->peer_addr);
        no_counter(w, OUT_ICMP(w, 3, 3));
        uint16_t port = w->our_port;
        w->our_port = 9999;
        IN(w, .flags = SYN);
        no_counter(w, OUT(w, .flags = RST | ACK, .ack = 1));
        w->our_port = port;
        w->peer_port++;
    }
}

/* B18: a server that splits the handshake: a bare ACK first, then its SYN */
SCENARIO(a_split_handshake_is_a_simultaneous_open_or_nothing)
{
    wire_syn_sent(w);
    expect_drop(w, IN(w, .flags = ACK, .seq = 500, .ack = 1), "syn_sent_flags");
    QUIET(w);
    STATE(w, TCP_SYN_SENT);
    struct wire_segment syn = wire_peer_syn(w, SYN, 0);
    wire_in(w, __FILE__, __LINE__, &syn);
    OUT(w, .flags = SYN | ACK, .seq = 0, .ack = 1);
    STATE(w, TCP_SYN_RECV); /* and not established before our SYN is acknowledged */
}

WIRE_MAIN(WIRE_TEST(a_rst_resets_at_rcv_nxt_only_in_every_state),
          WIRE_TEST(a_syn_is_challenged_in_every_synchronized_state),
          WIRE_TEST(an_ack_is_taken_from_the_largest_window_below_snd_una_up_to_snd_nxt),
          WIRE_TEST(a_forged_fin_does_not_close),
          WIRE_TEST(a_segment_whose_ack_cannot_be_teaches_no_timestamp),
          WIRE_TEST(an_echo_from_the_future_is_no_sample), WIRE_TEST(an_ack_storm_dies),
          WIRE_TEST(old_segments_do_not_change_the_send_window),
          WIRE_TEST(who_uses_up_his_resets_uses_up_nobody_elses),
          WIRE_TEST(who_uses_up_his_icmp_uses_up_nobody_elses),
          WIRE_TEST(the_challenges_left_to_one_connection_say_nothing_of_another),
          WIRE_TEST(no_packet_of_any_kind_tells_a_counter),
          WIRE_TEST(a_split_handshake_is_a_simultaneous_open_or_nothing))
