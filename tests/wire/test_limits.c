/* What a connection waited for and how long, why it sent again, and TCP_INFO that tells of it. The handshake's RTT is
 * 100 ms: SRTT 100 ms, RTO 300 ms. */
#include <netinet/tcp.h>

#include "lib/wire.h"

enum { MSS = 1460 };

static uint32_t at(uint32_t segment) { return 1 + segment * MSS; }

static void out(struct wire *w, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++)
        OUT(w, .flags = ACK, .seq = at(i), .ack = 1, .len = MSS);
}

static void ack(struct wire *w, uint32_t segment) { IN(w, .flags = ACK, .seq = 1, .ack = at(segment)); }

/* In milliseconds; what is not named is 0. */
struct account {
    uint64_t application, window, buffer, network;
};

#define ACCOUNT(w, ...) account((w), __FILE__, __LINE__, (struct account){__VA_ARGS__})

static void account(struct wire *w, const char *file, int line, struct account want)
{
    wire_quiet(w, file, line); /* the stack knows the time */
    struct mytcp_conn_info i = wire_info(w);
    uint64_t busy = want.application + want.window + want.buffer + want.network;
    if (i.busy_us != busy * MS || i.limited_application_us != want.application * MS ||
        i.limited_window_us != want.window * MS || i.limited_buffer_us != want.buffer * MS ||
        i.limited_network_us != want.network * MS)
        wire_failed(w, file, line, "busy %llu us: application %llu, window %llu, buffer %llu, network %llu",
                    (unsigned long long)i.busy_us, (unsigned long long)i.limited_application_us,
                    (unsigned long long)i.limited_window_us, (unsigned long long)i.limited_buffer_us,
                    (unsigned long long)i.limited_network_us);
}

/* ---- for how long ---- */

SCENARIO(with_all_in_flight_the_application_is_the_limit_and_idleness_counts_for_nobody)
{
    wire_passive(w);
    AT(w, 1000 * MS);
    ACCOUNT(w, 0);
    WRITE(w, 2 * MSS);
    out(w, 0, 2);
    AT(w, 1040 * MS);
    ACCOUNT(w, .application = 40);
    AT(w, 1100 * MS);
    ack(w, 2);
    QUIET(w);
    AT(w, 5000 * MS);
    ACCOUNT(w, .application = 100);
    WRITE(w, MSS);
    out(w, 2, 1);
    AT(w, 5070 * MS);
    ack(w, 3);
    QUIET(w);
    ACCOUNT(w, .application = 170);
}

SCENARIO(what_nagle_holds_back_waits_for_the_application)
{
    wire_passive(w);
    WRITE(w, 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    WRITE(w, 100);
    QUIET(w);
    AT(w, 100 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 101);
    OUT(w, .flags = ACK, .seq = 101, .ack = 1, .len = 100);
    ACCOUNT(w, .application = 100);
}

SCENARIO(with_the_congestion_window_full_the_network_is_the_limit)
{
    wire_passive(w);
    WRITE(w, 20 * MSS);
    out(w, 0, 10);
    QUIET(w);
    AT(w, 60 * MS);
    ACCOUNT(w, .network = 60);
    AT(w, 100 * MS);
    ack(w, 10);
    out(w, 10, 10);
    QUIET(w);
    AT(w, 200 * MS);
    ack(w, 20);
    QUIET(w);
    AT(w, 900 * MS);
    ACCOUNT(w, .application = 100, .network = 100);
}

SCENARIO(pacing_is_the_networks)
{
    wire_passive(w);
    wire_set(w, SOL_SOCKET, SO_MAX_PACING_RATE, 146000);
    WRITE(w, 4 * MSS);
    out(w, 0, 2);
    AT(w, 20 * MS);
    out(w, 2, 2);
    QUIET(w);
    AT(w, 50 * MS);
    ACCOUNT(w, .application = 30, .network = 20);
    assert_int_equal(wire_info(w).pacing_Bps, 146000);
}

SCENARIO(lost_data_waits_for_the_network)
{
    wire_passive(w);
    WRITE(w, 10 * MSS);
    out(w, 0, 10);
    QUIET(w);
    AT(w, 100 * MS); /* six are lost, and may go again as the window allows: one after the other */
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(6), at(10)}});
    while (wire_poll(w, &(struct wire_packet){0})) continue;
    AT(w, 130 * MS);
    ACCOUNT(w, .application = 100, .network = 30);
}

SCENARIO(with_the_peers_window_full_that_is_the_limit)
{
    w->wnd = 23 * 128; /* two segments and a little */
    wire_passive(w);
    WRITE(w, 4 * MSS);
    out(w, 0, 2);
    QUIET(w);
    AT(w, 100 * MS);
    ACCOUNT(w, .window = 100);
    ack(w, 2);
    out(w, 2, 2);
    QUIET(w);
    AT(w, 200 * MS);
    ack(w, 4);
    QUIET(w);
    AT(w, 900 * MS);
    ACCOUNT(w, .application = 100, .window = 100);
}

SCENARIO(a_shut_window_is_the_peers_limit_though_nothing_is_in_flight)
{
    wire_passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .wnd = WND_ZERO);
    WRITE(w, MSS);
    QUIET(w);
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1);
    QUIET(w);
    AT(w, 350 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    QUIET(w);
    AT(w, 400 * MS);
    ACCOUNT(w, .application = 50, .window = 350);
    assert_int_equal(wire_info(w).window_probes, 1);
    assert_int_equal(wire_info(w).bytes_retransmitted, 0);
    assert_int_equal(wire_info(w).bytes_sent, MSS);
}

/* as Linux: until the writer is told that there is room, which is at a third of it */
SCENARIO(a_full_send_buffer_is_the_limit_until_a_third_of_it_is_free)
{
    wire_passive(w);
    wire_set(w, SOL_SOCKET, SO_SNDBUF, 6 * MSS);
    WRITE(w, 6 * MSS);
    out(w, 0, 6);
    QUIET(w);
    AT(w, 100 * MS);
    ACCOUNT(w, .buffer = 100);
    ack(w, 1);
    QUIET(w);
    AT(w, 110 * MS);
    ack(w, 2);
    QUIET(w);
    AT(w, 150 * MS);
    ACCOUNT(w, .application = 40, .buffer = 110);
    ack(w, 6);
    QUIET(w);
    AT(w, 900 * MS);
    ACCOUNT(w, .application = 40, .buffer = 110);
}

SCENARIO(a_full_send_buffer_that_fills_the_congestion_window_is_not)
{
    wire_passive(w);
    wire_set(w, SOL_SOCKET, SO_SNDBUF, 10 * MSS);
    WRITE(w, 10 * MSS);
    out(w, 0, 10);
    QUIET(w);
    AT(w, 100 * MS);
    ACCOUNT(w, .network = 100);
}

SCENARIO(a_reset_ends_the_account)
{
    wire_passive(w);
    WRITE(w, 20 * MSS);
    out(w, 0, 10);
    QUIET(w);
    AT(w, 50 * MS);
    IN(w, .flags = RST | ACK, .seq = 1, .ack = 1);
    AT(w, 900 * MS);
    ACCOUNT(w, .network = 50);
    assert_int_equal(wire_info(w).bytes_sent, 10 * MSS);
}

/* ---- how fast ---- */

/* 10 segments in 100 ms, which were all there was; then 20, which were not */
SCENARIO(the_delivery_rate_says_whether_the_application_was_the_limit)
{
    wire_passive(w);
    WRITE(w, 40 * MSS);
    out(w, 0, 10);
    QUIET(w);
    AT(w, 100 * MS);
    ack(w, 10);
    out(w, 10, 20);
    assert_int_equal(wire_info(w).delivery_Bps, 146000);
    assert_true(wire_info(w).delivery_app_limited);
    AT(w, 200 * MS);
    ack(w, 30);
    out(w, 30, 10);
    assert_int_equal(wire_info(w).delivery_Bps, 292000);
    assert_false(wire_info(w).delivery_app_limited);
    QUIET(w);
    AT(w, 300 * MS); /* those went before it was known that there were no more */
    ack(w, 40);
    assert_int_equal(wire_info(w).delivery_Bps, 146000);
    QUIET(w);
    WRITE(w, 5 * MSS);
    out(w, 40, 5);
    AT(w, 400 * MS); /* less, for want of data: that says nothing of the network */
    ack(w, 45);
    assert_int_equal(wire_info(w).delivery_Bps, 146000);
    assert_false(wire_info(w).delivery_app_limited);
    assert_int_equal(wire_info(w).min_rtt_us, 100000);
}

/* ---- why again ---- */

static void causes(struct wire *w, uint32_t fast, uint32_t rto, uint32_t tail)
{
    struct mytcp_conn_info i = wire_info(w);
    struct tcp_info info;
    socklen_t len = sizeof(info);
    assert_int_equal(i.again_fast, fast);
    assert_int_equal(i.again_rto, rto);
    assert_int_equal(i.again_tail, tail);
    assert_int_equal(mytcp_getsockopt(w->stack, w->fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    assert_int_equal(info.tcpi_total_retrans, fast + rto + tail);
    assert_int_equal(info.tcpi_ca_state, i.ca_state);
}

SCENARIO(retransmissions_are_counted_by_their_cause)
{
    w->config.tail_loss_probe = 1;
    wire_passive(w);
    WRITE(w, 4 * MSS);
    out(w, 0, 4);
    causes(w, 0, 0, 0);
    assert_int_equal(wire_info(w).ca_state, TCP_CA_Open);
    AT(w, 100 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(1), at(4)}});
    out(w, 0, 1);
    causes(w, 1, 0, 0);
    assert_int_equal(wire_info(w).ca_state, TCP_CA_Recovery);
    AT(w, 200 * MS);
    ack(w, 4);
    assert_int_equal(wire_info(w).ca_state, TCP_CA_Open);
    WRITE(w, 2 * MSS);
    out(w, 4, 2);
    AT(w, 400 * MS); /* two round trips */
    out(w, 5, 1);
    causes(w, 1, 0, 1);
    AT(w, 700 * MS); /* an RTO later */
    out(w, 4, 1);
    causes(w, 1, 1, 1);
    assert_int_equal(wire_info(w).ca_state, TCP_CA_Loss);
    assert_int_equal(wire_info(w).bytes_retransmitted, 3 * MSS);
    assert_int_equal(wire_info(w).bytes_sent, 9 * MSS);
}

/* ---- the trace ---- */

SCENARIO(the_trace_says_what_let_data_go)
{
    struct mytcp_trace t;
    char line[400];
    w->config.trace_entries = 100;
    wire_passive(w);
    WRITE(w, 20 * MSS);
    out(w, 0, 9);
    while (mytcp_trace_read(w->stack, &t, NULL)) continue;
    out(w, 9, 1);
    AT(w, 100 * MS);
    ack(w, 10);
    out(w, 10, 3);
    do {
        assert_int_equal(mytcp_trace_read(w->stack, &t, NULL), 1);
    } while (t.out); /* the tenth segment, where it did not go with the nine */
    mytcp_trace_format(&t, line, sizeof(line));
    assert_null(strstr(line, "cwnd"));
    assert_int_equal(mytcp_trace_read(w->stack, &t, NULL), 1);
    assert_int_equal(t.cwnd, 20 * MSS);
    assert_int_equal(t.in_flight, 0);
    assert_int_equal(t.srtt_us, 100000);
    assert_int_equal(t.delivery_Bps, 146000);
    mytcp_trace_format(&t, line, sizeof(line));
    assert_non_null(strstr(line, " [ESTABLISHED > ESTABLISHED] cwnd=29200 ssthresh=2147483647 flight=0 srtt=100000us "
                                 "open delivery=146000"));
}

/* ---- TCP_INFO ---- */

enum { /* of struct tcp_info in <linux/tcp.h> */
    APP_LIMITED = 7,
    PACING_RATE = 104,
    MAX_PACING_RATE = 112,
    BYTES_ACKED = 120,
    NOTSENT_BYTES = 144,
    MIN_RTT = 148,
    DELIVERY_RATE = 160,
    BUSY_TIME = 168,
    RWND_LIMITED = 176,
    SNDBUF_LIMITED = 184,
    BYTES_SENT = 200,
    SND_WND = 228,
    ALL_BYTES = 240
};

static uint64_t wide(const uint8_t *info, int offset)
{
    uint64_t v;
    memcpy(&v, info + offset, sizeof(v));
    return v;
}

static uint32_t narrow(const uint8_t *info, int offset)
{
    uint32_t v;
    memcpy(&v, info + offset, sizeof(v));
    return v;
}

static void get_info(struct wire *w, uint8_t *info)
{
    socklen_t len = ALL_BYTES;
    assert_int_equal(mytcp_getsockopt(w->stack, w->fd, IPPROTO_TCP, TCP_INFO, info, &len), 0);
    assert_int_equal(len, ALL_BYTES);
}

SCENARIO(tcp_info_has_linuxs_longer_layout)
{
    uint8_t info[ALL_BYTES];
    w->wnd = 23 * 128;
    wire_passive(w);
    WRITE(w, 4 * MSS);
    out(w, 0, 2);
    QUIET(w);
    AT(w, 100 * MS);
    get_info(w, info);
    assert_true(wide(info, PACING_RATE) == UINT64_MAX && wide(info, MAX_PACING_RATE) == UINT64_MAX);
    assert_int_equal(narrow(info, NOTSENT_BYTES), 2 * MSS);
    ack(w, 2);
    out(w, 2, 2);
    QUIET(w);
    wire_set(w, SOL_SOCKET, SO_MAX_PACING_RATE, 5000000);
    AT(w, 150 * MS);
    QUIET(w);
    get_info(w, info);
    assert_int_equal(info[APP_LIMITED] & 0x81, info[APP_LIMITED]);
    assert_int_not_equal(info[APP_LIMITED], 0);
    assert_int_equal(wide(info, MAX_PACING_RATE), 5000000);
    assert_int_equal(wide(info, BYTES_ACKED), 2 * MSS);
    assert_int_equal(narrow(info, NOTSENT_BYTES), 0);
    assert_int_equal(narrow(info, MIN_RTT), 100000);
    assert_int_equal(wide(info, DELIVERY_RATE), 29200);
    assert_int_equal(wide(info, BUSY_TIME), 150000);
    assert_int_equal(wide(info, RWND_LIMITED), 100000);
    assert_int_equal(wide(info, SNDBUF_LIMITED), 0);
    assert_int_equal(wide(info, BYTES_SENT), 4 * MSS);
    assert_int_equal(narrow(info, SND_WND), 23 * 128);
}

SCENARIO(tcp_info_is_filled_as_far_as_the_callers_length_reaches)
{
    uint8_t whole[ALL_BYTES], room[ALL_BYTES + 20];
    wire_passive(w);
    WRITE(w, 20 * MSS);
    out(w, 0, 10);
    AT(w, 100 * MS);
    QUIET(w);
    get_info(w, whole);
    for (socklen_t want = 0; want <= sizeof(room); want++) {
        socklen_t len = want, given = want < ALL_BYTES ? want : ALL_BYTES;
        memset(room, 0x77, sizeof(room));
        assert_int_equal(mytcp_getsockopt(w->stack, w->fd, IPPROTO_TCP, TCP_INFO, room, &len), 0);
        assert_int_equal(len, given);
        assert_memory_equal(room, whole, given);
        for (size_t i = given; i < sizeof(room); i++) assert_int_equal(room[i], 0x77);
    }
    socklen_t negative = (socklen_t)-1;
    FAILS(w, mytcp_getsockopt(w->stack, w->fd, IPPROTO_TCP, TCP_INFO, room, &negative), EINVAL);
}

WIRE_MAIN(WIRE_TEST(with_all_in_flight_the_application_is_the_limit_and_idleness_counts_for_nobody),
          WIRE_TEST(what_nagle_holds_back_waits_for_the_application),
          WIRE_TEST(with_the_congestion_window_full_the_network_is_the_limit),
          WIRE_TEST(pacing_is_the_networks),
          WIRE_TEST(lost_data_waits_for_the_network),
          WIRE_TEST(with_the_peers_window_full_that_is_the_limit),
          WIRE_TEST(a_shut_window_is_the_peers_limit_though_nothing_is_in_flight),
          WIRE_TEST(a_full_send_buffer_is_the_limit_until_a_third_of_it_is_free),
          WIRE_TEST(a_full_send_buffer_that_fills_the_congestion_window_is_not),
          WIRE_TEST(a_reset_ends_the_account),
          WIRE_TEST(the_delivery_rate_says_whether_the_application_was_the_limit),
          WIRE_TEST(retransmissions_are_counted_by_their_cause),
          WIRE_TEST(the_trace_says_what_let_data_go),
          WIRE_TEST(tcp_info_has_linuxs_longer_layout),
          WIRE_TEST(tcp_info_is_filled_as_far_as_the_callers_length_reaches))
