/* What an application is told: TCP_INFO and the other reports to the last field, the trace to the
 * last word, options as they were set. The handshake's RTT is 100 ms. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>

#include "lib/wire.h"

enum { MSS = 1460 };

static struct tcp_info tcp_info(struct wire *w)
{
    struct tcp_info i;
    socklen_t len = sizeof(i);
    memset(&i, 0x77, sizeof(i));
    assert_int_equal(mytcp_getsockopt(w->stack, w->fd, IPPROTO_TCP, TCP_INFO, &i, &len), 0);
    return i;
}

/* ---- TCP_INFO ---- */

SCENARIO(tcp_info_of_a_fresh_connection_is_right_in_every_field)
{
    w->peer.ts = true;
    wire_passive(w);
    AT(w, 250 * MS);
    QUIET(w);
    struct tcp_info i = tcp_info(w);
    assert_int_equal(i.tcpi_state, TCP_ESTABLISHED);
    assert_int_equal(i.tcpi_ca_state, TCP_CA_Open);
    assert_int_equal(i.tcpi_retransmits, 0);
    assert_int_equal(i.tcpi_probes, 0);
    assert_int_equal(i.tcpi_backoff, 0);
    assert_int_equal(i.tcpi_options, TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE);
    assert_int_equal(i.tcpi_snd_wscale, 7);
    assert_int_equal(WS(i.tcpi_rcv_wscale), wire_conn(w)->our_scale);
    assert_int_equal(i.tcpi_rto, 300000);
    assert_int_equal(i.tcpi_ato, 40000);
    assert_int_equal(i.tcpi_snd_mss, 1448);
    assert_int_equal(i.tcpi_unacked, 0);
    assert_int_equal(i.tcpi_sacked, 0);
    assert_int_equal(i.tcpi_lost, 0);
    assert_int_equal(i.tcpi_last_data_recv, 250);
    assert_int_equal(i.tcpi_last_ack_recv, 250);
    assert_int_equal(i.tcpi_pmtu, 1500);
    assert_int_equal(i.tcpi_rtt, 100000);
    assert_int_equal(i.tcpi_rttvar, 50000);
    assert_int_equal(i.tcpi_snd_ssthresh, INT32_MAX / 1448);
    assert_int_equal(i.tcpi_snd_cwnd, 10);
    assert_int_equal(i.tcpi_advmss, MSS);
    assert_int_equal(i.tcpi_total_retrans, 0);
}

SCENARIO(tcp_info_of_a_connection_that_lost_something_counts_it_in_segments)
{
    wire_passive(w);
    WRITE(w, 4 * MSS + 1);
    for (uint32_t i = 0; i < 4; i++) OUT(w, .flags = ACK, .seq = 1 + i * MSS, .ack = 1, .len = MSS);
    OUT(w, .flags = ACK, .seq = 1 + 4 * MSS, .ack = 1, .len = 1);
    AT(w, 100 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{1 + MSS, 1 + 3 * MSS}});
    AT(w, 107 * MS);
    QUIET(w);
    struct tcp_info i = tcp_info(w);
    assert_int_equal(i.tcpi_unacked, 5);
    assert_int_equal(i.tcpi_sacked, 2);
    assert_int_equal(i.tcpi_last_data_sent, 107);
    assert_int_equal(i.tcpi_last_ack_recv, 7);
}

SCENARIO(a_connection_that_never_sent_has_zeros_where_others_count)
{
    wire_passive(w);
    struct mytcp_conn_info i = wire_info(w);
    assert_int_equal(i.bytes_sent, 0);
    assert_int_equal(i.bytes_acked, 0);
    assert_int_equal(i.bytes_received, 0);
    assert_int_equal(i.bytes_retransmitted, 0);
    assert_int_equal(i.segments_sent, 0); /* a half-open record does not count */
    assert_int_equal(i.segments_received, 1);
    assert_int_equal(i.send_queued, 0);
    assert_int_equal(i.send_unacked, 0);
    assert_int_equal(i.recv_queued, 0);
    assert_int_equal(i.recv_out_of_order, 0);
    assert_int_equal(i.pacing_Bps, 0);
    assert_int_equal(i.delivery_Bps, 0);
    assert_int_equal(i.again_fast + i.again_rto + i.again_tail + i.window_probes, 0);
    assert_int_equal(i.min_rtt_us, 100000);
    uint8_t whole[240];
    socklen_t len = sizeof(whole);
    assert_int_equal(mytcp_getsockopt(w->stack, w->fd, IPPROTO_TCP, TCP_INFO, whole, &len), 0);
    for (int at = 160; at < 192; at++) assert_int_equal(whole[at], 0); /* delivery_rate and times */
    for (int at = 200; at < 216; at++) assert_int_equal(whole[at], 0); /* bytes_sent, _retrans */
}

/* ---- the trace ---- */

/* The next entry as text, without its time. */
static void traced(struct wire *w, const char *want)
{
    struct mytcp_trace t;
    char line[400], what[400], peer[INET_ADDRSTRLEN];
    struct in_addr addr = {htonl(w->peer_addr)};
    assert_int_equal(mytcp_trace_read(w->stack, &t, NULL), 1);
    assert_true(mytcp_trace_format(&t, line, sizeof(line)) == (int)strlen(line));
    inet_ntop(AF_INET, &addr, peer, sizeof(peer));
    snprintf(what, sizeof(what), "%s %s:%u %s :%u %s", t.out ? "out" : "in ", peer, w->peer_port,
             t.out ? "<" : ">", w->our_port, want);
    assert_string_equal(strchr(line, ' ') + 1, what);
}

SCENARIO(the_trace_of_a_passive_open_says_each_option_and_both_states)
{
    char win[20];
    w->config.trace_entries = 100;
    wire_passive(w);
    IN(w, .flags = ACK | PSH, .seq = 101, .ack = 1, .len = 10);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{101, 111}});
    IN(w, .flags = ACK, .seq = 0x40000000, .ack = 1, .len = 10);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{101, 111}});
    traced(w, "SYN seq=0 len=0 win=65535 mss=1460 wscale=7 [LISTEN > SYN-RECEIVED]");
    struct mytcp_trace t;
    assert_int_equal(mytcp_trace_read(w->stack, &t, NULL), 1);
    assert_true(t.out && t.wscale == wire_conn(w)->our_scale - 1 && t.mss == 1460);
    assert_int_equal(t.state_before, TCP_SYN_RECV);
    traced(w, "ACK seq=1 ack=1 len=0 win=1048576 [SYN-RECEIVED > ESTABLISHED]");
    traced(w, "PSH,ACK seq=101 ack=1 len=10 win=1048576 [ESTABLISHED > ESTABLISHED]");
    assert_int_equal(mytcp_trace_read(w->stack, &t, NULL), 1);
    snprintf(win, sizeof(win), "%u", wire_conn(w)->right_edge - 1);
    assert_true(t.out && t.sack_blocks == 1 && t.ack_rel == 1);
    assert_int_equal(t.window_bytes, strtoul(win, NULL, 10));
    traced(w, "ACK seq=1073741824 ack=1 len=10 win=1048576 dropped=seq_beyond "
              "[ESTABLISHED > ESTABLISHED]");
}

SCENARIO(the_trace_says_what_went_again)
{
    struct mytcp_trace t;
    char line[400];
    w->config.trace_entries = 100;
    wire_passive(w);
    WRITE(w, 10);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    unsigned again = 0, data = 0;
    while (mytcp_trace_read(w->stack, &t, NULL) == 1) {
        mytcp_trace_format(&t, line, sizeof(line));
        data += t.out && t.len_bytes == 10;
        again += t.retransmission;
        assert_int_equal(t.retransmission, strstr(line, " again") != NULL);
        assert_int_equal(t.retransmission, data == 2);
    }
    assert_int_equal(again, 1);
}

SCENARIO(a_full_trace_counts_what_it_lost_and_says_so_once)
{
    struct mytcp_trace t;
    uint64_t lost = 99;
    w->config.trace_entries = 2;
    wire_passive(w);
    assert_int_equal(mytcp_trace_read(w->stack, &t, &lost), 1);
    assert_int_equal(lost, 1);
    assert_int_equal(t.flags, SYN); /* the oldest are kept */
    assert_int_equal(mytcp_trace_read(w->stack, &t, &lost), 1);
    assert_int_equal(lost, 0);
    assert_int_equal(mytcp_trace_read(w->stack, &t, &lost), 0);
}

SCENARIO(the_trace_checks_its_pointers)
{
    struct mytcp_trace t = {.flags = SYN};
    char text[10];
    wire_start(w);
    FAILS(w, mytcp_trace_read(w->stack, NULL, NULL), EINVAL);
    FAILS(w, mytcp_trace_read(NULL, &t, NULL), EINVAL);
    FAILS(w, mytcp_trace_format(NULL, text, sizeof(text)), EINVAL);
    FAILS(w, mytcp_trace_format(&t, NULL, 1), EINVAL);
    int whole = mytcp_trace_format(&t, NULL, 0);
    assert_int_equal(mytcp_trace_format(&t, text, sizeof(text)), whole);
    assert_int_equal(strlen(text), sizeof(text) - 1);
}

/* ---- options ---- */

SCENARIO(setting_any_option_gives_zero)
{
    static const struct {
        int level, name, value, read;
    } all[] = {
        {SOL_SOCKET, SO_REUSEADDR, 1, 1},          {SOL_SOCKET, SO_KEEPALIVE, 1, 1},
        {SOL_SOCKET, SO_OOBINLINE, 1, 1},          {SOL_SOCKET, SO_RCVBUF, 50000, 50000},
        {SOL_SOCKET, SO_SNDBUF, 60000, 60000},     {SOL_SOCKET, SO_RCVLOWAT, 7, 7},
        {IPPROTO_TCP, TCP_NODELAY, 1, 1},          {IPPROTO_TCP, TCP_CORK, 1, 1},
        {IPPROTO_TCP, TCP_CORK, 0, 0},             {IPPROTO_TCP, TCP_MAXSEG, 1000, 1000},
        {IPPROTO_TCP, TCP_KEEPIDLE, 33, 33},       {IPPROTO_TCP, TCP_KEEPINTVL, 44, 44},
        {IPPROTO_TCP, TCP_KEEPCNT, 5, 5},          {IPPROTO_TCP, TCP_SYNCNT, 6, 6},
        {IPPROTO_TCP, TCP_LINGER2, 9, 9},          {IPPROTO_TCP, TCP_DEFER_ACCEPT, 3, 3},
        {IPPROTO_TCP, TCP_WINDOW_CLAMP, 9999, 9999}, {IPPROTO_TCP, TCP_QUICKACK, 1, 1},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, 777, 777}, {IPPROTO_TCP, TCP_NOTSENT_LOWAT, 5000, 5000},
        {IPPROTO_IP, IP_TOS, 0x28, 0x28},          {IPPROTO_TCP, TCP_QUICKACK, 0, 0},
        {SOL_SOCKET, SO_KEEPALIVE, 0, 0},          {SOL_SOCKET, SO_REUSEADDR, 0, 0},
    };
    wire_start(w);
    w->fd = mytcp_socket(w->stack, AF_INET, SOCK_STREAM, 0);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        int value = all[i].value;
        assert_int_equal(mytcp_setsockopt(w->stack, w->fd, all[i].level, all[i].name, &value, sizeof(value)), 0);
        assert_int_equal(wire_option(w, all[i].level, all[i].name), all[i].read);
    }
}

SCENARIO(a_socket_is_nonblocking_if_made_so)
{
    wire_start(w);
    int blocks = mytcp_socket(w->stack, AF_INET, SOCK_STREAM, 0);
    int asks = mytcp_socket(w->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(mytcp_fcntl(w->stack, blocks, F_GETFL, 0) & O_NONBLOCK, 0);
    assert_int_equal(mytcp_fcntl(w->stack, asks, F_GETFL, 0) & O_NONBLOCK, O_NONBLOCK);
}

SCENARIO(the_trace_of_a_syn_without_a_scale_says_none)
{
    struct mytcp_trace t;
    w->config.trace_entries = 100;
    w->peer.wscale = 0;
    wire_syn_received(w);
    assert_int_equal(mytcp_trace_read(w->stack, &t, NULL), 1);
    assert_true(t.flags == SYN && t.wscale == -1);
    assert_int_equal(mytcp_trace_read(w->stack, &t, NULL), 1);
    assert_true(t.flags == (SYN | ACK) && t.wscale == -1);
}

/* as tcp(7): before a connection what was asked for, or RFC 9293's 536; then what goes */
SCENARIO(tcp_maxseg_is_the_connections_once_there_is_one)
{
    wire_start(w);
    w->fd = mytcp_socket(w->stack, AF_INET, SOCK_STREAM, 0);
    assert_int_equal(wire_option(w, IPPROTO_TCP, TCP_MAXSEG), 536);
    w->peer.mss = 1300;
    wire_passive(w);
    assert_int_equal(wire_option(w, IPPROTO_TCP, TCP_MAXSEG), 1300);
    wire_set(w, IPPROTO_TCP, TCP_MAXSEG, 1200);
    assert_int_equal(wire_option(w, IPPROTO_TCP, TCP_MAXSEG), 1200);
}

SCENARIO(a_wait_for_edges_is_told_of_the_end_of_the_stream)
{
    struct mytcp_event event[2];
    wire_passive(w);
    assert_int_equal(mytcp_watch(w->stack, w->fd, POLLIN | MYTCP_ET, 1), 0);
    assert_int_equal(mytcp_wait(w->stack, event, 2, 0), 0);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    assert_int_equal(mytcp_wait(w->stack, event, 2, 0), 1);
    assert_int_equal(event[0].events & POLLIN, POLLIN);
    assert_int_equal(mytcp_wait(w->stack, event, 2, 0), 0);
}

WIRE_MAIN(WIRE_TEST(tcp_info_of_a_fresh_connection_is_right_in_every_field),
          WIRE_TEST(tcp_info_of_a_connection_that_lost_something_counts_it_in_segments),
          WIRE_TEST(a_connection_that_never_sent_has_zeros_where_others_count),
          WIRE_TEST(the_trace_of_a_passive_open_says_each_option_and_both_states),
          WIRE_TEST(the_trace_says_what_went_again),
          WIRE_TEST(a_full_trace_counts_what_it_lost_and_says_so_once),
          WIRE_TEST(the_trace_checks_its_pointers),
          WIRE_TEST(setting_any_option_gives_zero),
          WIRE_TEST(a_socket_is_nonblocking_if_made_so),
          WIRE_TEST(the_trace_of_a_syn_without_a_scale_says_none),
          WIRE_TEST(tcp_maxseg_is_the_connections_once_there_is_one),
          WIRE_TEST(a_wait_for_edges_is_told_of_the_end_of_the_stream))
