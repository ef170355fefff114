/* Explicit congestion notification (RFC 3168). What may carry ECT and CWR at all is asserted for every packet
 * by the harness. */
#include "lib/wire.h"

enum { ECT0 = 2, CE = 3, MSS = 1460 };

static bool ect(const struct wire_packet *p)
{
    return (p->bytes[1] & 3) == ECT0;
}

static bool negotiated(struct wire *w)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);
    assert_int_equal(mytcp_getsockopt(w->stack, w->fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    return info.tcpi_options & TCPI_OPT_ECN;
}

/* A SYN with these flags; what the SYN-ACK says of ECN. */
static unsigned syn(struct wire *w, unsigned flags)
{
    static struct wire_packet p;
    struct wire_segment s = wire_peer_syn(w, SYN | flags, 0);
    assert_string_equal(wire_in(w, __FILE__, __LINE__, &s), "");
    assert_true(wire_poll(w, &p));
    assert_int_equal(p.flags & (SYN | ACK), SYN | ACK);
    return p.flags & (ECE | CWR);
}

static void accepted(struct wire *w)
{
    w->now_us += w->rtt_us;
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    w->fd = mytcp_accept(w->stack, w->listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(w->fd >= 0);
    MARK(w);
}

/* The peer asks, and gets it. */
static void passive(struct wire *w)
{
    wire_listen(w, 16);
    wire_aim(w, false);
    assert_int_equal(syn(w, ECE | CWR), ECE);
    accepted(w);
    assert_true(negotiated(w));
}

static void no_ecn(struct wire *w)
{
    assert_false(negotiated(w));
    WRITE(w, 100);
    assert_false(ect(OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100)));
    IN(w, .flags = ACK, .seq = 1, .ack = 101, .len = 10, .ecn = CE);
    OUT(w, .flags = ACK, .seq = 101, .ack = 11);
}

/* n segments of new data from `seq` on go; the flags of the first beside ACK and PSH. */
static unsigned sends(struct wire *w, uint32_t seq, unsigned n)
{
    unsigned first = 0;
    for (unsigned i = 0; i < n; i++) {
        static struct wire_packet p;
        assert_true(wire_poll(w, &p));
        assert_int_equal(p.seq - wire_conn(w)->iss, seq + i * MSS);
        assert_int_equal(p.payload_len, MSS);
        assert_true(ect(&p));
        unsigned flags = p.flags & (ECE | CWR);
        if (i == 0)
            first = flags;
        else
            assert_int_equal(flags & CWR, 0);
    }
    QUIET(w);
    return first;
}

/* ---- negotiation ---- */

/* 9293-SHLD-8, 3168-6.1.2a */
SCENARIO(a_peer_that_asks_gets_ecn_and_our_data_is_ect0)
{
    passive(w);
    WRITE(w, 100);
    assert_true(ect(OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100)));
    IN(w, .flags = ACK, .seq = 1, .ack = 101, .len = 10);
    OUT(w, .flags = ACK, .seq = 101, .ack = 11);
}

/* 3168-6.1.1a */
SCENARIO(a_syn_without_both_flags_is_answered_without_ece)
{
    static const unsigned flags[] = {0, ECE, CWR};
    wire_listen(w, 16);
    for (unsigned i = 0; i < 3; i++) {
        w->peer_port++;
        assert_int_equal(syn(w, flags[i]), 0);
        accepted(w);
        no_ecn(w);
    }
}

SCENARIO(configured_away_it_is_refused)
{
    w->config.ecn = 0;
    wire_listen(w, 16);
    assert_int_equal(syn(w, ECE | CWR), 0);
    accepted(w);
    no_ecn(w);
}

/* 3168-6.1.1b: no ECT after a plain SYN, whatever came before */
SCENARIO(a_peer_whose_second_syn_asks_no_more_gets_none)
{
    wire_listen(w, 16);
    assert_int_equal(syn(w, ECE | CWR), ECE);
    assert_int_equal(syn(w, 0), 0);
    accepted(w);
    no_ecn(w);
}

/* RFC 9768 3.1.2: who asks for accurate ECN sets AE too, once a reserved bit, and gets the classic. Here its SYN
 * is one that comes again. */
SCENARIO(a_peer_that_asks_for_accurate_ecn_gets_the_classic)
{
    static struct wire_packet p;
    wire_listen(w, 16);
    wire_aim(w, false);
    assert_int_equal(syn(w, ECE | CWR), ECE);
    struct wire_segment s = wire_peer_syn(w, SYN | ECE | CWR, 0);
    wire_build(w, &p, &s);
    p.bytes[32] |= 1;
    wire_fix_tcp_checksum(&p);
    assert_string_equal(wire_inject(w, &p), "");
    assert_true(wire_poll(w, &p));
    assert_int_equal(p.flags & (SYN | ACK | ECE | CWR), SYN | ACK | ECE);
    accepted(w);
    assert_true(negotiated(w));
}

static void ask(struct wire *w)
{
    w->config.ecn = 2;
    wire_start(w);
    wire_aim(w, true);
    w->fd = mytcp_socket(w->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in from = wire_sockaddr(w->our_addr, w->our_port);
    struct sockaddr_in to = wire_sockaddr(w->peer_addr, w->peer_port);
    assert_int_equal(mytcp_bind(w->stack, w->fd, (struct sockaddr *)&from, sizeof(from)), 0);
    FAILS(w, mytcp_connect(w->stack, w->fd, (struct sockaddr *)&to, sizeof(to)), EINPROGRESS);
    wire_conn(w);
    OUT(w, .flags = SYN | ECE | CWR);
    MARK(w);
}

static void answer(struct wire *w, unsigned flags)
{
    struct wire_segment s = wire_peer_syn(w, SYN | ACK | flags, 1);
    wire_in(w, __FILE__, __LINE__, &s);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
}

SCENARIO(asked_for_it_is_used_if_the_syn_ack_agrees)
{
    ask(w);
    assert_false(negotiated(w)); /* not yet */
    answer(w, ECE);
    assert_true(negotiated(w));
    WRITE(w, 100);
    assert_true(ect(OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100)));
}

SCENARIO(it_is_not_used_if_the_syn_ack_is_silent)
{
    ask(w);
    answer(w, 0);
    no_ecn(w);
}

/* 3168-6.1.1b */
SCENARIO(a_syn_ack_that_reflects_both_flags_does_not_agree)
{
    ask(w);
    answer(w, ECE | CWR);
    no_ecn(w);
}

SCENARIO(by_default_we_do_not_ask_and_an_unasked_ece_means_nothing)
{
    wire_syn_sent(w);
    answer(w, ECE);
    no_ecn(w);
}

/* 3168-6.1.1d, 3168-6.1.1b */
SCENARIO(the_third_syn_asks_no_more_and_a_late_agreement_means_nothing)
{
    ask(w);
    AT(w, 1 * SEC);
    OUT(w, .flags = SYN | ECE | CWR);
    AT(w, 3 * SEC);
    OUT(w, .flags = SYN);
    answer(w, ECE);
    no_ecn(w);
}

SCENARIO(simultaneous_opens_that_both_ask_agree)
{
    ask(w);
    assert_int_equal(syn(w, ECE | CWR), ECE);
    struct wire_segment s = wire_peer_syn(w, SYN | ACK | ECE, 1);
    wire_in(w, __FILE__, __LINE__, &s);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    assert_true(negotiated(w));
}

SCENARIO(a_cookie_keeps_it_in_the_timestamp)
{
    w->config.syn_cookies = 2;
    w->peer.ts = true;
    passive(w);
    WRITE(w, 100);
    assert_true(ect(OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100)));
    w->peer_port++;
    assert_int_equal(syn(w, 0), 0);
    accepted(w);
    no_ecn(w);
}

SCENARIO(a_cookie_without_a_timestamp_cannot)
{
    w->config.syn_cookies = 2;
    wire_listen(w, 16);
    assert_int_equal(syn(w, ECE | CWR), 0);
    accepted(w);
    no_ecn(w);
}

/* ---- the receiver ---- */

/* 3168-6.1.3a */
SCENARIO(ce_is_echoed_until_cwr_comes)
{
    passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100, .ecn = ECT0);
    OUT(w, .flags = ACK, .seq = 1, .ack = 101);
    IN(w, .flags = ACK, .seq = 101, .ack = 1, .len = 100, .ecn = CE);
    OUT(w, .flags = ACK | ECE, .seq = 1, .ack = 201);
    IN(w, .flags = ACK, .seq = 201, .ack = 1, .len = 100, .ecn = ECT0);
    OUT(w, .flags = ACK | ECE, .seq = 1, .ack = 301);
    WRITE(w, 10); /* on data, too */
    assert_true(ect(OUT(w, .flags = ACK | ECE, .seq = 1, .ack = 301, .len = 10)));
    IN(w, .flags = ACK | CWR, .seq = 301, .ack = 11, .len = 100, .ecn = ECT0);
    OUT(w, .flags = ACK, .seq = 11, .ack = 401);
    IN(w, .flags = ACK, .seq = 401, .ack = 11, .len = 100, .ecn = CE);
    OUT(w, .flags = ACK | ECE, .seq = 11, .ack = 501);
    IN(w, .flags = ACK | CWR, .seq = 501, .ack = 11, .len = 100, .ecn = CE); /* both: marked again */
    OUT(w, .flags = ACK | ECE, .seq = 11, .ack = 601);
}

/* 3168-6.1.3b */
SCENARIO(a_delayed_ack_echoes_any_mark)
{
    w->config.quick_acks = 0;
    passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS, .ecn = CE);
    QUIET(w);
    IN(w, .flags = ACK, .seq = 1 + MSS, .ack = 1, .len = MSS, .ecn = ECT0);
    OUT(w, .flags = ACK | ECE, .seq = 1, .ack = 1 + 2 * MSS);
}

/* 3168-6.1.5b */
SCENARIO(a_mark_on_data_outside_the_window_is_ignored)
{
    passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100, .ecn = ECT0);
    OUT(w, .flags = ACK, .seq = 1, .ack = 101);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100, .ecn = CE);
    OUT(w, .flags = ACK, .seq = 1, .ack = 101, .sack = {{1, 101}});
    IN(w, .flags = ACK, .seq = 101, .ack = 1, .len = 100, .ecn = ECT0);
    OUT(w, .flags = ACK, .seq = 1, .ack = 201);
}

/* 3168-6.1.6b */
SCENARIO(a_mark_on_a_window_probe_is_echoed)
{
    w->config.rcvbuf_bytes = 5000;
    passive(w);
    uint32_t wnd = wire_info(w).rcv_wnd;
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = wnd);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1 + wnd, .wnd = WND_ZERO);
    IN(w, .flags = ACK, .seq = 1 + wnd, .ack = 1, .len = 1, .ecn = CE);
    OUT(w, .flags = ACK | ECE, .seq = 1, .ack = 1 + wnd, .wnd = WND_ZERO);
}

SCENARIO(a_rst_echoes_nothing)
{
    passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100, .ecn = CE);
    OUT(w, .flags = ACK | ECE, .seq = 1, .ack = 101);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    OUT(w, .flags = RST | ACK, .seq = 1, .ack = 101);
}

/* ---- the sender ---- */

/* 3168-6.1.2b, 3168-6.1.2c, 3168-6.1.2e: the window of ten segments becomes five; all ACKs of it have ECE */
SCENARIO(ece_halves_the_window_once_a_window_and_cwr_tells_of_it_once)
{
    passive(w);
    WRITE(w, 40 * MSS);
    assert_int_equal(sends(w, 1, 10), 0);
    w->now_us += w->rtt_us;
    for (uint32_t i = 1; i <= 5; i++) {
        IN(w, .flags = ACK | ECE, .seq = 1, .ack = 1 + i * MSS);
        assert_int_equal(wire_info(w).cwnd, 5 * MSS);
        QUIET(w);
    }
    assert_int_equal(wire_info(w).ca_state, TCP_CA_CWR);
    for (uint32_t i = 6; i <= 10; i++) { /* self-clocked again */
        IN(w, .flags = ACK | ECE, .seq = 1, .ack = 1 + i * MSS);
        assert_int_equal(sends(w, 1 + (i + 4) * MSS, 1), i == 6 ? CWR : 0);
        assert_int_equal(wire_info(w).cwnd, 5 * MSS);
    }
    assert_int_equal(wire_info(w).ca_state, TCP_CA_CWR); /* told, but not known to have arrived */
    w->now_us += w->rtt_us; /* CWR has arrived: from here on it may grow */
    for (uint32_t i = 11; i <= 15; i++) {
        IN(w, .flags = ACK, .seq = 1, .ack = 1 + i * MSS);
        assert_int_equal(sends(w, 1 + (i + 4) * MSS, i < 15 ? 1 : 2), 0);
    }
    assert_int_equal(wire_info(w).cwnd, 6 * MSS);
    w->now_us += w->rtt_us;
    IN(w, .flags = ACK | ECE, .seq = 1, .ack = 1 + 16 * MSS); /* a new mark */
    assert_int_equal(wire_info(w).cwnd, 3 * MSS);
}

/* Marks persist while nothing tells the peer: no new data, no second reduction. */
SCENARIO(ece_before_cwr_could_be_sent_is_the_same_mark)
{
    passive(w);
    WRITE(w, 10 * MSS);
    assert_int_equal(sends(w, 1, 10), 0);
    w->now_us += w->rtt_us;
    for (uint32_t i = 1; i <= 10; i++)
        IN(w, .flags = ACK | ECE, .seq = 1, .ack = 1 + i * MSS);
    assert_int_equal(wire_info(w).cwnd, 5 * MSS);
    WRITE(w, 2 * MSS);
    assert_int_equal(sends(w, 1 + 10 * MSS, 2), CWR);
    IN(w, .flags = ACK | ECE, .seq = 1, .ack = 1 + 10 * MSS, .wnd = 500000); /* of before */
    assert_int_equal(wire_info(w).cwnd, 5 * MSS);
    w->now_us += w->rtt_us;
    IN(w, .flags = ACK | ECE, .seq = 1, .ack = 1 + 12 * MSS); /* marked again */
    assert_true(wire_info(w).cwnd < 5 * MSS);
}

/* 3168-6.1.2b: a loss beside a mark is the same congestion; 3168-6.1.5a, 3168-6.1.2e by the harness */
SCENARIO(a_mark_and_a_loss_in_one_window_reduce_once)
{
    passive(w);
    WRITE(w, 40 * MSS);
    assert_int_equal(sends(w, 1, 10), 0);
    w->now_us += w->rtt_us;
    IN(w, .flags = ACK | ECE, .seq = 1, .ack = 1 + MSS);
    uint32_t ssthresh = wire_info(w).ssthresh;
    for (uint32_t i = 3; i <= 6; i++)
        IN(w, .flags = ACK | ECE, .seq = 1, .ack = 1 + MSS,
           .sack = {{1 + 2 * MSS, 1 + i * MSS}});
    const struct wire_packet *p = OUT(w, .flags = ACK, .seq = 1 + MSS, .ack = 1, .len = MSS);
    assert_false(ect(p));
    assert_int_equal(wire_info(w).ssthresh, ssthresh);
}

SCENARIO(a_loss_is_told_by_cwr_on_the_first_new_data)
{
    passive(w);
    WRITE(w, 40 * MSS);
    assert_int_equal(sends(w, 1, 10), 0);
    w->now_us += w->rtt_us;
    for (uint32_t i = 2; i <= 4; i++)
        IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{1 + MSS, 1 + i * MSS}});
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    w->now_us += w->rtt_us;
    IN(w, .flags = ACK, .seq = 1, .ack = 1 + 10 * MSS);
    static struct wire_packet q;
    assert_true(wire_poll(w, &q));
    assert_true(q.flags & CWR);
    while (wire_poll(w, &q))
        assert_false(q.flags & CWR);
}

/* 3168-6.1.6a */
SCENARIO(a_window_probe_has_neither_ect_nor_cwr)
{
    passive(w);
    WRITE(w, 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    IN(w, .flags = ACK | ECE, .seq = 1, .ack = 101, .wnd = WND_ZERO);
    WRITE(w, 100);
    QUIET(w);
    static struct wire_packet p;
    while (!wire_poll(w, &p))
        w->now_us += 10 * MS;
    assert_int_equal(p.payload_len, 1);
    assert_false(ect(&p) || p.flags & CWR);
    IN(w, .flags = ACK, .seq = 1, .ack = 101); /* open again; the octet goes a second time */
    assert_false(ect(OUT(w, .flags = ACK, .seq = 101, .ack = 1, .len = 100)));
    WRITE(w, 100);
    IN(w, .flags = ACK, .seq = 1, .ack = 201);
    assert_true(ect(OUT(w, .flags = ACK | CWR, .seq = 201, .ack = 1, .len = 100)));
}

/* The device would copy CWR into every piece of a super-segment. */
SCENARIO(cwr_goes_on_a_packet_of_its_own_before_super_segments)
{
    w->config.gso_max_bytes = 65535;
    w->config.tx_csum = 1;
    passive(w);
    WRITE(w, 60 * MSS);
    const struct wire_packet *p = OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10 * MSS);
    assert_true(ect(p) && p->gso_size == MSS);
    w->now_us += w->rtt_us;
    IN(w, .flags = ACK | ECE, .seq = 1, .ack = 1 + 10 * MSS);
    p = OUT(w, .flags = ACK | CWR, .seq = 1 + 10 * MSS, .ack = 1, .len = MSS);
    assert_int_equal(p->gso_size, 0);
    p = OUT(w, .flags = ACK, .seq = 1 + 11 * MSS, .ack = 1, .len = 4 * MSS);
    assert_true(ect(p) && p->gso_size == MSS);
}

SCENARIO(a_super_segment_in_is_marked_as_a_whole)
{
    passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10 * MSS, .gso_size = MSS, .ecn = CE);
    OUT(w, .flags = ACK | ECE, .seq = 1, .ack = 1 + 10 * MSS);
    IN(w, .flags = ACK | CWR, .seq = 1 + 10 * MSS, .ack = 1, .len = 10 * MSS, .gso_size = MSS,
       .ecn = ECT0);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1 + 20 * MSS);
}

/* The threshold of the algorithm before is nothing to one that has the window for itself. */
SCENARIO(a_mark_after_a_change_to_bbr_leaves_the_window_to_it)
{
    w->config.sndbuf_bytes = 1 << 20;
    passive(w);
    WRITE(w, 400 * MSS);
    assert_int_equal(sends(w, 1, 10), 0);
    w->now_us += w->rtt_us;
    IN(w, .flags = ACK | ECE, .seq = 1, .ack = 1 + 10 * MSS);
    assert_int_equal(sends(w, 1 + 10 * MSS, 5), CWR);
    assert_int_equal(wire_info(w).ssthresh, 5 * MSS);
    assert_int_equal(mytcp_setsockopt(w->stack, w->fd, IPPROTO_TCP, TCP_CONGESTION, "bbr", 3), 0);
    for (int i = 0; i < 4; i++) {
        wire_skip_to(w, w->now_us + w->rtt_us - w->mark_us);
        IN(w, .flags = ACK, .seq = 1, .ack = wire_conn(w)->snd_high);
    }
    uint32_t cwnd = wire_info(w).cwnd;
    assert_true(cwnd > 10 * MSS);
    wire_skip_to(w, w->now_us + w->rtt_us - w->mark_us);
    IN(w, .flags = ACK | ECE, .seq = 1, .ack = wire_conn(w)->una + MSS);
    assert_true(wire_info(w).cwnd > cwnd / 2);
}

WIRE_MAIN(WIRE_TEST(a_peer_that_asks_gets_ecn_and_our_data_is_ect0),
          WIRE_TEST(a_syn_without_both_flags_is_answered_without_ece),
          WIRE_TEST(configured_away_it_is_refused),
          WIRE_TEST(a_peer_whose_second_syn_asks_no_more_gets_none),
          WIRE_TEST(a_peer_that_asks_for_accurate_ecn_gets_the_classic),
          WIRE_TEST(asked_for_it_is_used_if_the_syn_ack_agrees),
          WIRE_TEST(it_is_not_used_if_the_syn_ack_is_silent),
          WIRE_TEST(a_syn_ack_that_reflects_both_flags_does_not_agree),
          WIRE_TEST(by_default_we_do_not_ask_and_an_unasked_ece_means_nothing),
          WIRE_TEST(the_third_syn_asks_no_more_and_a_late_agreement_means_nothing),
          WIRE_TEST(simultaneous_opens_that_both_ask_agree),
          WIRE_TEST(a_cookie_keeps_it_in_the_timestamp),
          WIRE_TEST(a_cookie_without_a_timestamp_cannot),
          WIRE_TEST(ce_is_echoed_until_cwr_comes),
          WIRE_TEST(a_delayed_ack_echoes_any_mark),
          WIRE_TEST(a_mark_on_data_outside_the_window_is_ignored),
          WIRE_TEST(a_mark_on_a_window_probe_is_echoed),
          WIRE_TEST(a_rst_echoes_nothing),
          WIRE_TEST(ece_halves_the_window_once_a_window_and_cwr_tells_of_it_once),
          WIRE_TEST(ece_before_cwr_could_be_sent_is_the_same_mark),
          WIRE_TEST(a_mark_and_a_loss_in_one_window_reduce_once),
          WIRE_TEST(a_loss_is_told_by_cwr_on_the_first_new_data),
          WIRE_TEST(a_window_probe_has_neither_ect_nor_cwr),
          WIRE_TEST(cwr_goes_on_a_packet_of_its_own_before_super_segments),
          WIRE_TEST(a_super_segment_in_is_marked_as_a_whole),
          WIRE_TEST(a_mark_after_a_change_to_bbr_leaves_the_window_to_it))
