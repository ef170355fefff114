/* Numbers that nobody may guess (RFC 6528, 6056, 7323 7.1, 4987), by statistics of a million each: chi-square over
 * 256 or 64 classes, and Wald and Wolfowitz' runs test. Each test is two-sided at the level of 10^-4 (a generator
 * that is too even fails, too); the secrets are fixed, so that a result is always the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tcp/isn.h"

enum { N = 1000000 };

static struct isn_keys keys_of(unsigned instance)
{
    struct isn_keys keys;
    uint8_t entropy[32];
    for (unsigned i = 0; i < sizeof(entropy); i++)
        entropy[i] = (uint8_t)(i * 37 + 11);
    memcpy(entropy, &instance, sizeof(instance)); /* one bit differs, say */
    isn_keys_init(&keys, entropy);
    return keys;
}

/* ---- the two tests ---- */

/* The quantiles of 0.00005 and 0.99995 by Wilson and Hilferty. */
static const struct {
    unsigned classes;
    double low, high;
} chi_square[] = {{256, 176.3, 352.5}, {64, 28.2, 116.5}};

static void assert_even(const char *what, const uint32_t *count, unsigned classes, double n)
{
    unsigned row = classes == chi_square[0].classes ? 0 : 1;
    double sum = 0, expected = n / classes;
    for (unsigned i = 0; i < classes; i++)
        sum += (count[i] - expected) * (count[i] - expected) / expected;
    if (sum < chi_square[row].low || sum > chi_square[row].high)
        fail_msg("%s: chi-square of %u classes is %.1f", what, classes, sum);
}

struct series {
    uint32_t byte[4][256], step[4][256]; /* of the values, and of the differences of neighbours */
    uint32_t high, runs, last;
    uint32_t n;
};

static void add(struct series *s, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        s->byte[i][value >> 8 * i & 0xff]++;
        if (s->n)
            s->step[i][(value - s->last) >> 8 * i & 0xff]++;
    }
    s->high += value >> 31;
    s->runs += !s->n || (value ^ s->last) >> 31;
    s->last = value;
    s->n++;
}

static void assert_random(const char *what, const struct series *s)
{
    for (unsigned i = 0; i < 4; i++) {
        assert_even(what, s->byte[i], 256, s->n);
        assert_even(what, s->step[i], 256, s->n - 1);
    }
    double n = s->n, above = s->high, below = n - above, pairs = 2 * above * below;
    double mean = pairs / n + 1, variance = pairs * (pairs - n) / (n * n * (n - 1));
    double off = s->runs - mean;
    if (off * off > 3.8906 * 3.8906 * variance)
        fail_msg("%s: %u runs, expected %.0f", what, s->runs, mean);
}

/* ---- tuples as an attacker would try them: one part counts, the others stand still ---- */

enum { BY_PEER_PORT, BY_LOCAL_PORT, BY_PEER, WAYS };

static struct isn_tuple tuple_of(unsigned way, uint32_t i)
{
    struct isn_tuple t = {{0x0a000001}, {0x0a000002}, 80, 40000};
    if (way == BY_PEER_PORT)
        t.peer_port = (uint16_t)i;
    if (way == BY_LOCAL_PORT)
        t.local_port = (uint16_t)i;
    t.peer.v += way == BY_PEER ? i : i >> 16;
    return t;
}

/* B08, 6528-1: over tuples that count up, with the clock stopped and going */
static void initial_numbers_of_neighbouring_tuples_are_random(void **state)
{
    (void)state;
    struct isn_keys keys = keys_of(1);
    for (unsigned way = 0; way < WAYS; way++) {
        for (uint64_t step_us = 0; step_us <= 40; step_us += 40) {
            struct series s = {0};
            for (uint32_t i = 0; i < N; i++) {
                struct isn_tuple t = tuple_of(way, i);
                add(&s, isn_generate(&keys, &t, 1000000 + i * step_us).v);
            }
            assert_random("ISN", &s);
        }
    }
}

/* B08: a thousand stacks with secrets that hardly differ have nothing in common */
static void initial_numbers_of_other_stacks_are_unrelated(void **state)
{
    (void)state;
    struct series s = {0}, same = {0};
    struct isn_keys first = keys_of(0);
    for (unsigned instance = 1; instance <= 1000; instance++) {
        struct isn_keys keys = keys_of(instance);
        for (uint32_t i = 0; i < 1000; i++) {
            struct isn_tuple t = tuple_of(BY_PEER_PORT, i);
            uint32_t iss = isn_generate(&keys, &t, 1000000).v;
            add(&s, iss);
            add(&same, iss ^ isn_generate(&first, &t, 1000000).v);
        }
    }
    assert_random("ISN of a thousand stacks", &s);
    assert_random("ISN beside another stack's", &same);
}

/* B10, 7323-7: the offsets of timestamps, alone and beside the ISN of the same tuple */
static void timestamp_offsets_are_random_and_say_nothing_of_the_isn(void **state)
{
    (void)state;
    struct isn_keys keys = keys_of(2);
    for (unsigned way = 0; way < WAYS; way++) {
        struct series s = {0}, beside = {0};
        for (uint32_t i = 0; i < N; i++) {
            struct isn_tuple t = tuple_of(way, i);
            uint32_t offset = isn_ts_offset(&keys, &t);
            add(&s, offset);
            add(&beside, offset - isn_generate(&keys, &t, 0).v);
        }
        assert_random("timestamp offset", &s);
        assert_random("timestamp offset beside the ISN", &beside);
    }
}

enum { PORTS = 49152, PORT_CLASSES = 64 };

static uint32_t port_of(const struct isn_keys *keys, uint32_t peer, uint64_t count)
{
    struct isn_tuple t = {{0x0a000001}, {peer}, 0, 443};
    return isn_port_start(keys, &t, count) % PORTS;
}

/* B09, 6056-1: ports to one destination, from one connect to the next, and as seen by one destination what
 * another gets at the same time */
static void ports_are_even_and_tell_nothing_of_the_next_or_of_others(void **state)
{
    (void)state;
    struct isn_keys keys = keys_of(3);
    uint32_t even[PORT_CLASSES] = {0}, next[PORT_CLASSES] = {0}, other[PORT_CLASSES] = {0};
    static uint8_t seen[PORTS];
    uint32_t last = 0, distinct = 0;
    for (uint32_t i = 0; i < N; i++) {
        uint32_t port = port_of(&keys, 0x0a000002, i), theirs = port_of(&keys, 0x0a000003, i + 1);
        even[port * PORT_CLASSES / PORTS]++;
        if (i)
            next[(port + PORTS - last) % PORTS * PORT_CLASSES / PORTS]++;
        other[(theirs + PORTS - port) % PORTS * PORT_CLASSES / PORTS]++;
        distinct += !seen[port];
        seen[port] = 1;
        last = port;
    }
    assert_even("ports", even, PORT_CLASSES, N);
    assert_even("the next port", next, PORT_CLASSES, N - 1);
    assert_even("another's port", other, PORT_CLASSES, N);
    assert_int_equal(distinct, PORTS); /* more than 15 bits of them */
}

/* R02: of a cookie the 24 bits that must be guessed are random, and none is another peer's */
static void cookies_are_random_in_all_but_their_clock_and_mss(void **state)
{
    (void)state;
    struct isn_keys keys = keys_of(4);
    uint32_t count[3][256] = {0}, good = 0;
    uint16_t mss;
    for (uint32_t i = 0; i < N; i++) {
        struct isn_tuple t = tuple_of(BY_PEER_PORT, i);
        seq_t cookie = cookie_make(&keys, &t, seq_of(1000), 1460, 1000000);
        for (unsigned k = 0; k < 3; k++)
            count[k][cookie.v >> (8 + 8 * k) & 0xff]++;
        t.peer_port ^= 1;
        good += cookie_check(&keys, &t, seq_of(1000), cookie, 1000000, &mss);
    }
    for (unsigned k = 0; k < 3; k++)
        assert_even("cookies", count[k], 256, N);
    assert_in_range(good, 0, 1); /* 2^-24 each: two or more have a chance of 0.002 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(initial_numbers_of_neighbouring_tuples_are_random),
        cmocka_unit_test(initial_numbers_of_other_stacks_are_unrelated),
        cmocka_unit_test(timestamp_offsets_are_random_and_say_nothing_of_the_isn),
        cmocka_unit_test(ports_are_even_and_tell_nothing_of_the_next_or_of_others),
        cmocka_unit_test(cookies_are_random_in_all_but_their_clock_and_mss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
