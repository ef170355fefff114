/* A segment of the trace as a line of text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "mytcp.h"

/* A segment of 10 bytes, sent in ESTABLISHED 1.5 s after the beginning. */
static struct mytcp_trace segment(void)
{
    return (struct mytcp_trace){.time_us = 1500000,
                                .out = true,
                                .peer.s_addr = htonl(0xc0000202),
                                .peer_port = 4000,
                                .local_port = 80,
                                .flags = TH_ACK,
                                .seq_rel = 1,
                                .ack_rel = 7,
                                .len_bytes = 10,
                                .window_bytes = 5000,
                                .wscale = -1,
                                .state_before = TCP_ESTABLISHED,
                                .state_after = TCP_ESTABLISHED};
}

static void assert_line(const struct mytcp_trace *t, const char *wanted)
{
    char line[400];
    assert_int_equal(mytcp_trace_format(t, line, sizeof(line)), strlen(wanted));
    assert_string_equal(line, wanted);
}

static void a_segment_says_who_what_and_in_which_state(void **state)
{
    struct mytcp_trace t = segment();
    (void)state;
    assert_line(&t, "1.500000 out 192.0.2.2:4000 < :80 ACK seq=1 ack=7 len=10 win=5000 [ESTABLISHED > ESTABLISHED]");
    t.out = false;
    t.flags = 0; /* and so no acknowledgement either */
    t.state_after = TCP_CLOSE;
    assert_line(&t, "1.500000 in  192.0.2.2:4000 > :80 - seq=1 len=10 win=5000 [ESTABLISHED > CLOSED]");
}

static void a_syn_says_what_it_offers(void **state)
{
    struct mytcp_trace t = segment();
    (void)state;
    t.flags = TH_SYN;
    t.len_bytes = 0;
    t.mss = 1460;
    t.wscale = 7;
    assert_line(&t, "1.500000 out 192.0.2.2:4000 < :80 SYN seq=1 len=0 win=5000 mss=1460 wscale=7 "
                    "[ESTABLISHED > ESTABLISHED]");
}

static void what_is_special_about_a_segment_is_said(void **state)
{
    struct mytcp_trace t = segment();
    (void)state;
    t.flags = TH_FIN | TH_PUSH | TH_ACK;
    t.sack_blocks = 2;
    t.gso_size = 1448;
    t.retransmission = true;
    t.drop = 1;
    char wanted[200];
    snprintf(wanted, sizeof(wanted), "1.500000 out 192.0.2.2:4000 < :80 FIN,PSH,ACK seq=1 ack=7 len=10 win=5000 sack=2 "
                                     "gso=1448 again dropped=%s [ESTABLISHED > ESTABLISHED]",
             mytcp_drop_name(1));
    assert_line(&t, wanted);
}

static void data_sent_says_what_let_it_go(void **state)
{
    struct mytcp_trace t = segment();
    (void)state;
    t.cwnd = 14600;
    t.ssthresh = 7300;
    t.in_flight = 1460;
    t.srtt_us = 20000;
    t.ca_state = 3;
#define HEAD "1.500000 out 192.0.2.2:4000 < :80 ACK seq=1 ack=7 len=10 win=5000 [ESTABLISHED > ESTABLISHED]"
#define PACE " cwnd=14600 ssthresh=7300 flight=1460 srtt=20000us recovery"
    assert_line(&t, HEAD PACE);
    t.pacing_Bps = 125000;
    assert_line(&t, HEAD PACE " pacing=125000");
    t.delivery_Bps = 99000;
    assert_line(&t, HEAD PACE " pacing=125000 delivery=99000");
    t.ca_state = 5; /* no such state: somebody made that up */
    assert_line(&t, HEAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_segment_says_who_what_and_in_which_state),
        cmocka_unit_test(a_syn_says_what_it_offers),
        cmocka_unit_test(what_is_special_about_a_segment_is_said),
        cmocka_unit_test(data_sent_says_what_let_it_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
