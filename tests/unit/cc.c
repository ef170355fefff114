/* Congestion control: Reno by the letter of RFC 5681, and what holds for every algorithm. */
#include "cc_flow.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "lib/random.h"
#include "mytcp.h"

/* ---- Reno ---- */

/* 9293-MUST-19, 5681-3.1i, 5681-3.1j */
static void reno_starts_slowly_to_ssthresh_and_adds_a_segment_a_window_after_it(void **state)
{
    struct flow f;
    (void)state;
    begin(&f, &cc_reno, 10, 100000);
    f.cc.ssthresh = 14 * MSS;
    ack(&f, MSS);
    assert_int_equal(f.cc.cwnd, 11 * MSS); /* RFC 5681 (2) */
    ack(&f, 2 * MSS);
    assert_int_equal(f.cc.cwnd, 13 * MSS);
    ack(&f, 2 * MSS); /* one up to ssthresh, one counts for congestion avoidance */
    assert_int_equal(f.cc.cwnd, 14 * MSS);
    for (int n = 0; n < 12; n++) ack(&f, MSS);
    assert_int_equal(f.cc.cwnd, 14 * MSS);
    ack(&f, MSS); /* RFC 5681 (3): the 14th */
    assert_int_equal(f.cc.cwnd, 15 * MSS);
    for (int n = 0; n < 15; n++) ack(&f, MSS);
    assert_int_equal(f.cc.cwnd, 16 * MSS);
    end(&f);
}

static void the_largest_window_is_the_end_of_renos_growth(void **state)
{
    struct flow f;
    (void)state;
    begin(&f, &cc_reno, 10, 100000);
    f.cc.ssthresh = 10 * MSS;
    f.cc.cwnd = CC_CWND_MAX - MSS / 2;
    ack(&f, CC_CWND_MAX);
    assert_int_equal(f.cc.cwnd, CC_CWND_MAX);
    for (int i = 0; i < 3; i++) ack(&f, CC_CWND_MAX);
    assert_int_equal(f.cc.cwnd, CC_CWND_MAX);
    end(&f);
}

static void reno_halves_what_is_in_flight_and_keeps_two_segments(void **state)
{
    struct flow f;
    (void)state;
    begin(&f, &cc_reno, 40, 100000);
    lose(&f);
    assert_int_equal(f.cc.ssthresh, 20 * MSS); /* RFC 5681 (4) */
    assert_int_equal(f.cc.cwnd, 20 * MSS);
    f.cc.cwnd = 3 * MSS;
    lose(&f);
    assert_int_equal(f.cc.ssthresh, 2 * MSS);
    end(&f);
}

static void after_a_timeout_reno_has_one_segment_and_the_first_ssthresh(void **state)
{
    struct flow f;
    (void)state;
    begin(&f, &cc_reno, 40, 100000);
    time_out(&f, false);
    assert_int_equal(f.cc.ssthresh, 20 * MSS);
    assert_int_equal(f.cc.cwnd, MSS);
    time_out(&f, true);
    assert_int_equal(f.cc.ssthresh, 20 * MSS);
    assert_int_equal(f.cc.cwnd, MSS);
    end(&f);
}

static void a_window_that_is_not_used_does_not_grow(void **state)
{
    const struct cc_algorithm *const all[] = {&cc_reno, &cc_cubic};
    (void)state;
    for (int i = 0; i < 4; i++) { /* 9438-5.8, 9438-4.6c: in both phases */
        struct flow f;
        begin(&f, all[i / 2], 20, 100000);
        if (i % 2) f.cc.ssthresh = 20 * MSS;
        f.idle_app = true;
        for (int n = 0; n < 100; n++) round_trip(&f);
        assert_int_equal(f.cc.cwnd, 20 * MSS);
        end(&f);
    }
}

/* 6928-1, 6928-3: ten segments, or what 14600 bytes hold, or two; the configuration says another number */
static void the_initial_window_is_that_of_rfc_6928(void **state)
{
    static const uint32_t mss[] = {536, 1460, 1461, 7300, 7301, 9000};
    static const uint32_t window[] = {5360, 14600, 14600, 14600, 14602, 18000};
    struct flow f;
    (void)state;
    begin(&f, &cc_reno, 1, 100000);
    for (unsigned i = 0; i < sizeof(mss) / sizeof(mss[0]); i++) {
        cc_set_initial_window(&f.cc, mss[i], 10);
        assert_int_equal(f.cc.cwnd, window[i]);
    }
    cc_set_initial_window(&f.cc, 1460, 3);
    assert_int_equal(f.cc.cwnd, 3 * 1460);
    f.mss = 1460;
    time_out(&f, false);
    assert_int_equal(f.cc.cwnd, 1460);
    end(&f);
}

/* ---- every algorithm ---- */

static void without_memory_cubic_is_reno(void **state)
{
    struct flow f, g;
    (void)state;
    begin(&f, &cc_reno, 20, 50000);
    begin(&g, &cc_cubic, 20, 50000);
    g.mem.limit = 0;
    for (int n = 0; n < 50; n++) {
        if (n % 20 == 5) {
            lose(&f);
            lose(&g);
        }
        round_trip(&f);
        round_trip(&g);
        assert_int_equal(f.cc.cwnd, g.cc.cwnd);
        assert_int_equal(f.cc.ssthresh, g.cc.ssthresh);
    }
    struct cc_event e = event(&g);
    cc_on_idle(&g.cc, &e, 10);
    cc_on_undo(&g.cc, &e);
    assert_null(g.cc.state);
    end(&f);
    end(&g);
}

/* G109, and no undefined arithmetic: ack() looks. */
static void whatever_happens_no_ack_lowers_the_window(void **state)
{
    struct random r = {7};
    struct flow f;
    (void)state;
    begin(&f, &cc_cubic, 10, 50000);
    for (int n = 0; n < 300000; n++) {
        uint32_t what = random_below(&r, 1000);
        f.now_us += random_below(&r, what < 5 ? UINT32_MAX : 100000);
        if (what % 50 == 0) f.rtt_us = 1 + random_below(&r, what < 20 ? UINT32_MAX - 1 : 500000);
        if (what % 100 == 1) f.mss = 8 + random_below(&r, 65488);
        if (what % 100 == 2) f.idle_app = !f.idle_app;
        if (what == 500) f.cc.cwnd = 1 + random_below(&r, CC_CWND_MAX);
        struct cc_event e = event(&f);
        if (what == 10 || what == 11) lose(&f);
        if (what == 12) time_out(&f, random_below(&r, 2));
        if (what == 13) cc_on_idle(&f.cc, &e, 10);
        if (what == 14) cc_on_undo(&f.cc, &e);
        if (what == 15) f.cc.ssthresh = UINT32_MAX / 2;
        ack(&f, 1 + random_below(&r, what < 100 ? CC_CWND_MAX : 100000));
    }
    end(&f);
}

static void a_window_never_in_use_needs_no_memory(void **state)
{
    struct flow f;
    (void)state;
    begin(&f, &cc_cubic, 10, 50000);
    f.idle_app = true;
    ack(&f, MSS);
    assert_null(f.cc.state);
    f.idle_app = false;
    ack(&f, MSS);
    assert_non_null(f.cc.state);
    end(&f);
}

static void an_algorithm_has_a_name_and_a_number(void **state)
{
    (void)state;
    assert_ptr_equal(cc_find("reno"), &cc_reno);
    assert_ptr_equal(cc_find("cubic"), &cc_cubic);
    assert_ptr_equal(cc_find("bbr"), &cc_bbr);
    assert_null(cc_find("cubicle"));
    assert_null(cc_find(""));
    assert_ptr_equal(cc_number(0), &cc_reno);
    assert_ptr_equal(cc_number(1), &cc_cubic);
    assert_ptr_equal(cc_number(2), &cc_bbr);
}

/* 9293-MAY-18 */
static void the_configuration_says_what_a_socket_begins_with(void **state)
{
    static const char *const names[] = {"reno", "cubic", "bbr"};
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct mytcp_config c;
        char name[16] = "", number[2] = {(char)('0' + i), '\0'};
        socklen_t len = sizeof(name);
        mytcp_config_init(&c);
        memset(c.entropy, 1, sizeof(c.entropy));
        assert_int_equal(mytcp_config_set(&c, "addr", "10.0.0.1"), 0);
        assert_int_equal(mytcp_config_set(&c, "congestion", number), 0);
        assert_int_equal(mytcp_config_set(&c, "congestion", "9"), -1);
        mytcp_stack *s = mytcp_create(&c, 1);
        int fd = mytcp_socket(s, AF_INET, SOCK_STREAM, 0);
        assert_true(fd >= 0);
        assert_int_equal(mytcp_getsockopt(s, fd, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
        assert_string_equal(name, names[i]);
        mytcp_destroy(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reno_starts_slowly_to_ssthresh_and_adds_a_segment_a_window_after_it),
        cmocka_unit_test(the_largest_window_is_the_end_of_renos_growth),
        cmocka_unit_test(reno_halves_what_is_in_flight_and_keeps_two_segments),
        cmocka_unit_test(after_a_timeout_reno_has_one_segment_and_the_first_ssthresh),
        cmocka_unit_test(a_window_that_is_not_used_does_not_grow),
        cmocka_unit_test(the_initial_window_is_that_of_rfc_6928),
        cmocka_unit_test(without_memory_cubic_is_reno),
        cmocka_unit_test(whatever_happens_no_ack_lowers_the_window),
        cmocka_unit_test(a_window_never_in_use_needs_no_memory),
        cmocka_unit_test(an_algorithm_has_a_name_and_a_number),
        cmocka_unit_test(the_configuration_says_what_a_socket_begins_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
