/* The sizes of a path at the edges that a connection rarely comes to; its life is in tests/wire/test_pmtu*.c. */
#include "tcp/path_mtu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct mtu_rules rules = {.base = 1024, .floor = 552, .interval_us = 600000000};

static const seq_t first = {1000};

static void a_path_as_wide_as_the_limit_is_not_probed(void **state)
{
    struct path_mtu p = {0};
    (void)state;
    assert_int_equal(path_mtu_size(&p, 1500), 1500);
    assert_int_equal(path_mtu_next(&p, 1500, UINT64_MAX), 0);
}

/* TCP_MAXSEG may lower the limit below what the search had come to. */
static void the_search_ends_at_a_limit_that_was_lowered(void **state)
{
    struct path_mtu p = {.eff = 1280, .high = 1492};
    (void)state;
    assert_int_equal(path_mtu_next(&p, 1500, 0), 1400);
    assert_int_equal(path_mtu_next(&p, 1350, 0), 1350);
    assert_int_equal(path_mtu_next(&p, 1280, 0), 0);
}

/* Ethernet, what tunnels leave of it, and others. Halving alone would stop some bytes below. */
static void the_mtu_of_a_common_link_is_found_to_the_byte(void **state)
{
    static const uint16_t links[] = {1280, 1400, 1420, 1450, 1480, 1492, 1500, 4352, 9000, 32000};
    (void)state;
    for (unsigned i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
        struct path_mtu p = {.eff = 1024};
        uint64_t now_us = 0;
        seq_t seq = first;
        uint32_t size;
        while ((size = path_mtu_next(&p, UINT16_MAX, now_us++)) && size != p.high) {
            path_mtu_probe_sent(&p, size, seq, UINT16_MAX);
            if (size > links[i]) {
                path_mtu_probe_failed(&p, &rules, now_us, 0);
                continue;
            }
            path_mtu_probe_arrived(&p, UINT16_MAX, seq, 0);
            path_mtu_trial(&p, &rules, UINT16_MAX, p.trial_end, 0, now_us);
            seq = p.trial_end;
        }
        assert_int_equal(path_mtu_size(&p, UINT16_MAX), links[i]);
    }
}

/* 1191-6.3a */
static void an_interval_without_end_never_searches_anew(void **state)
{
    const struct mtu_rules never = {.base = 1024, .floor = 552, .interval_us = UINT64_MAX};
    struct path_mtu p = {0};
    (void)state;
    assert_true(path_mtu_claim(&p, &never, 1500, 0, 1300, first, 5));
    assert_int_equal(path_mtu_size(&p, 1500), 1300);
    assert_int_equal(path_mtu_next(&p, 1500, UINT64_MAX - 1), 0);
}

static void a_claim_while_a_probe_is_in_flight_is_about_the_probe_only_between_it_and_the_rest(void **state)
{
    struct path_mtu p = {.eff = 1024, .high = 1500};
    (void)state;
    path_mtu_probe_sent(&p, 1400, first, 1500);
    assert_false(path_mtu_claim(&p, &rules, 1500, 0, 1400, first, 5)); /* as large as the probe: it says nothing */
    assert_int_equal(p.high, 1500);
    assert_false(path_mtu_claim(&p, &rules, 1500, 0, 1300, first, 5));
    assert_int_equal(p.high, 1300);
    assert_int_equal(p.probe, 1400);
    assert_true(path_mtu_claim(&p, &rules, 1500, 0, 900, first, 5)); /* what is sent is too large as well */
    assert_int_equal(path_mtu_size(&p, 1500), 900);
    assert_int_equal(p.probe, 0);
}

static void a_claim_while_a_lost_probe_is_repaired_ends_the_probe(void **state)
{
    struct path_mtu p = {.eff = 1024, .high = 1500};
    (void)state;
    path_mtu_probe_sent(&p, 1400, first, 1500);
    path_mtu_probe_lost(&p);
    assert_true(path_mtu_claim(&p, &rules, 1500, 0, 900, first, 5));
    assert_null(path_mtu_check(&p));
}

/* A raise that was on trial is taken back by a black hole; then a packet of before the fall arrives after all. */
static void what_arrives_after_a_fall_raises_the_searchs_bound_too(void **state)
{
    struct path_mtu p = {.eff = 1280, .high = 1500};
    (void)state;
    path_mtu_probe_sent(&p, 1400, first, 1500);
    path_mtu_probe_arrived(&p, 1500, seq_add(first, 1400), 0);
    assert_int_equal(path_mtu_size(&p, 1500), 1400);
    assert_true(path_mtu_black_hole(&p, &rules, 1500, 1280, 1400, 5));
    assert_int_equal(path_mtu_size(&p, 1500), 1280);
    assert_int_equal(p.high, 1399);
    path_mtu_arrived(&p, 1400, 1500);
    assert_int_equal(path_mtu_size(&p, 1500), 1400);
    assert_null(path_mtu_check(&p));
    assert_int_equal(path_mtu_next(&p, 1500, UINT64_MAX), 1420); /* the search goes on from there */
}

/* A probe of 1280 bytes has arrived where 1024 passed before: 1280 are on trial. */
static struct path_mtu on_trial(void)
{
    struct path_mtu p = {0};
    path_mtu_known(&p, 1024, 1500, 0);
    path_mtu_probe_sent(&p, 1280, seq_of(1), 1500);
    path_mtu_probe_arrived(&p, 1500, seq_of(2000), 0);
    assert_int_equal(path_mtu_size(&p, 1500), 1280);
    return p;
}

static const struct mtu_rules trial_rules = {.base = 1024, .floor = 552, .interval_us = 600000000};

static void a_trial_with_many_losses_is_undone(void **state)
{
    (void)state;
    struct path_mtu p = on_trial();
    path_mtu_trial(&p, &trial_rules, 1500, seq_of(3000), 100000, 1);
    assert_int_equal(path_mtu_size(&p, 1500), 1024);
    assert_null(path_mtu_check(&p));
}

static void losses_on_a_device_that_has_narrowed_say_nothing_of_a_trial(void **state)
{
    (void)state;
    struct path_mtu p = on_trial();
    path_mtu_trial(&p, &trial_rules, 600, seq_of(3000), 100000, 1);
    assert_null(path_mtu_check(&p));
    assert_int_equal(path_mtu_size(&p, 600), 600);
    assert_int_equal(path_mtu_size(&p, 1500), 1280);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trial_with_many_losses_is_undone),
        cmocka_unit_test(losses_on_a_device_that_has_narrowed_say_nothing_of_a_trial),
        cmocka_unit_test(a_path_as_wide_as_the_limit_is_not_probed),
        cmocka_unit_test(the_search_ends_at_a_limit_that_was_lowered),
        cmocka_unit_test(the_mtu_of_a_common_link_is_found_to_the_byte),
        cmocka_unit_test(an_interval_without_end_never_searches_anew),
        cmocka_unit_test(a_claim_while_a_lost_probe_is_repaired_ends_the_probe),
        cmocka_unit_test(a_claim_while_a_probe_is_in_flight_is_about_the_probe_only_between_it_and_the_rest),
        cmocka_unit_test(what_arrives_after_a_fall_raises_the_searchs_bound_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
