/* mytcp-link: one direction as a whole: when what comes out, and in which order. */
#include "../../tools/mytcp-link/burst.c" /* a program's parts: they are in no library */
#include "../../tools/mytcp-link/bytes.c"
#include "../../tools/mytcp-link/frame.c"
#include "../../tools/mytcp-link/heap.c"
#include "../../tools/mytcp-link/loss.c"
#include "../../tools/mytcp-link/options.c"
#include "../../tools/mytcp-link/queue.c"
#include "../../tools/mytcp-link/way.c"

#include "link_packet.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)

/* A way from words as of the command line: NAME VALUE ... NULL. */
static struct way way_of(uint64_t gather_ns, uint64_t seed, ...)
{
    struct way_settings settings = {0};
    struct way way;
    const char *name;
    va_list words;
    va_start(words, seed);
    while ((name = va_arg(words, const char *)) != NULL)
        assert_true(options_shape(&settings, name, va_arg(words, const char *)));
    va_end(words);
    way_init(&way, &settings, gather_ns, seed);
    return way;
}

static void put(struct way *way, uint32_t seq, uint32_t len, uint16_t gso_size, uint64_t now_ns)
{
    static uint8_t bytes[IP_MAX_BYTES];
    struct virtio_net_hdr hdr;
    struct link_segment s = {.seq = seq, .id = seq, .len = len, .flags = TH_ACK, .tos = 2,
                             .gso_size = gso_size};
    size_t n = link_segment_make(&s, bytes, &hdr);
    way_enter(way, &hdr, bytes, n, now_ns);
}

/* The next burst: when, and its first sequence number; false if there is none under way. */
static bool take(struct way *way, uint64_t *when_ns, uint32_t *seq)
{
    *when_ns = way_wake_ns(way);
    if (*when_ns == UINT64_MAX)
        return false;
    struct burst *burst = way_leave(way, *when_ns);
    assert_non_null(burst);
    *seq = get32(burst->first.head + 24);
    way_left(way, true);
    return true;
}

static void a_packet_comes_after_the_delay_and_not_before(void **state)
{
    struct way way = way_of(0, 1, "delay", "10ms", NULL);
    (void)state;
    put(&way, 1, 100, 0, 5);
    assert_int_equal(way_wake_ns(&way), 5 + 10 * MS);
    assert_null(way_leave(&way, 4 + 10 * MS));
    assert_non_null(way_leave(&way, 5 + 10 * MS));
    way_left(&way, true);
    assert_int_equal(way_wake_ns(&way), UINT64_MAX);
    way_free(&way);
}

static void the_rate_spaces_the_pieces_of_a_super_segment(void **state)
{
    struct way way = way_of(0, 1, "delay", "1ms", "rate", "8mbit", NULL);
    uint64_t when_ns;
    uint32_t seq;
    (void)state;
    put(&way, 1, 3000, 1000, 0);
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(take(&way, &when_ns, &seq));
        assert_int_equal(when_ns, MS + (i + 1) * 1052000);
        assert_int_equal(seq, 1 + i * 1000);
    }
    way_free(&way);
}

static void what_is_due_together_goes_as_one(void **state)
{
    struct way way = way_of(50000, 1, "delay", "1ms", NULL);
    (void)state;
    put(&way, 0, 1000, 0, 0);
    assert_int_equal(way_wake_ns(&way), MS); /* alone: on time */
    put(&way, 1000, 1000, 0, 50001);
    assert_int_equal(way_wake_ns(&way), MS);
    put(&way, 2000, 1000, 0, 100000);
    assert_int_equal(way_leave(&way, MS)->count, 1);
    way_left(&way, true);
    assert_int_equal(way_wake_ns(&way), MS + 100000);
    struct burst *burst = way_leave(&way, MS + 100000);
    assert_int_equal(burst->count, 1); /* the IDs do not follow each other */
    way_left(&way, true);
    way_leave(&way, MS + 100000);
    way_left(&way, true);
    put(&way, 0, 3000, 1000, 0);
    assert_int_equal(way_leave(&way, 10 * MS)->count, 3);
    way_left(&way, true);
    assert_int_equal(way.stats.bursts_out, 4);
    assert_int_equal(way.stats.packets_out, 6);
    way_free(&way);
}

static void jitter_stays_within_bounds_and_keeps_the_order(void **state)
{
    struct way way = way_of(0, 1, "delay", "10ms", "jitter", "4ms", NULL);
    uint64_t when_ns, min_ns = UINT64_MAX, max_ns = 0;
    uint32_t seq;
    (void)state;
    for (uint32_t i = 0; i < 2000; i++)
        put(&way, i, 10, 0, i * MS);
    for (uint32_t i = 0; i < 2000; i++) {
        assert_true(take(&way, &when_ns, &seq));
        assert_int_equal(seq, i);
        uint64_t delay_ns = when_ns - i * MS;
        min_ns = delay_ns < min_ns ? delay_ns : min_ns;
        max_ns = delay_ns > max_ns ? delay_ns : max_ns;
    }
    assert_in_range(min_ns, 6 * MS, 7 * MS);
    assert_in_range(max_ns, 13 * MS, 14 * MS);
    way_free(&way);
}

static void some_are_late_and_others_overtake_them(void **state)
{
    struct way way = way_of(0, 1, "delay", "10ms", "reorder", "10%,3ms", NULL);
    uint64_t when_ns;
    uint32_t seq, late = 0;
    (void)state;
    for (uint32_t i = 0; i < 1000; i++)
        put(&way, i, 10, 0, i * MS);
    for (uint32_t i = 0; i < 1000; i++) {
        assert_true(take(&way, &when_ns, &seq));
        assert_true(when_ns == (seq + 10) * MS || when_ns == (seq + 13) * MS);
        late += when_ns == (seq + 13) * MS;
    }
    assert_in_range(late, 70, 130);
    assert_int_equal(late, way.stats.reordered);
    way_free(&way);
}

static void some_come_twice(void **state)
{
    struct way way = way_of(0, 1, "dup", "10%", NULL);
    uint64_t when_ns;
    uint32_t seq, count = 0;
    (void)state;
    for (uint32_t i = 0; i < 1000; i++)
        put(&way, i, 10, 0, i);
    while (take(&way, &when_ns, &seq))
        count++;
    assert_in_range(count, 1070, 1130);
    assert_int_equal(count, 1000 + way.stats.duplicated);
    way_free(&way);
}

static void a_long_queue_marks_and_a_full_one_drops(void **state)
{
    struct way way = way_of(0, 1, "rate", "8mbit", "queue", "10p", "ecn", "4p", NULL);
    uint8_t tos[10];
    (void)state;
    put(&way, 0, 1200, 100, 0); /* twelve packets at once */
    for (int i = 0; i < 10; i++) {
        struct burst *burst = way_leave(&way, way_wake_ns(&way));
        assert_non_null(burst);
        tos[i] = burst->first.head[1];
        way_left(&way, true);
    }
    assert_memory_equal(tos, "\2\2\2\2\3\3\3\3\3\3", 10);
    assert_int_equal(way.stats.marked, 6);
    assert_int_equal(way.stats.dropped_queue, 2);
    assert_int_equal(way_wake_ns(&way), UINT64_MAX);
    way_free(&way);
}

static uint64_t digest(uint64_t seed)
{
    struct way way = way_of(0, seed, "delay", "5ms", "jitter", "2ms", "loss", "5%", "loss",
                            "gemodel:1%,20%", "reorder", "2%,1ms", "dup", "1%", "rate", "20mbit",
                            "queue", "64k", NULL);
    uint64_t when_ns, sum = 0;
    uint32_t seq;
    for (uint32_t i = 0; i < 2000; i++)
        put(&way, i, 1000, 0, i * 300000);
    while (take(&way, &when_ns, &seq))
        sum = (sum + when_ns) * 31 + seq;
    way_free(&way);
    return sum;
}

static void the_same_seed_gives_the_same_link(void **state)
{
    (void)state;
    assert_true(digest(1) == digest(1));
    assert_false(digest(1) == digest(2));
}

static void what_the_far_end_refuses_is_tried_again(void **state)
{
    struct way way = way_of(50000, 1, NULL, NULL);
    (void)state;
    put(&way, 0, 300, 100, 0);
    struct burst *burst = way_leave(&way, 0);
    assert_int_equal(burst->count, 3);
    assert_ptr_equal(way_leave(&way, 1), burst);
    assert_int_equal(burst->count, 3);
    assert_int_equal(get16(burst->first.head + 2), LINK_HEADERS + 300);
    way_left(&way, false);
    assert_int_equal(way.stats.dropped_end, 3);
    assert_null(way_leave(&way, 2));
    way_free(&way);
}

static void words_that_mean_nothing_are_refused(void **state)
{
    static const char *const wrong[][2] = {
        {"delay", "5"}, {"delay", "ms"}, {"delay", "-1ms"}, {"delay", "nan"}, {"delay", "5ms,"},
        {"loss", "1"}, {"loss", "101%"}, {"loss", "gemodel:"}, {"loss", "gemodel:1%,2%,3%,4%,5%"},
        {"reorder", "1%"}, {"reorder", "1%,"}, {"rate", "10"}, {"rate", "10mb"}, {"queue", "p"},
        {"queue", "1q"}, {"queue", "-1p"}, {"every", "x"}, {"every", ""}, {"speed", "1mbit"}};
    struct way_settings way;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(options_shape(&way, wrong[i][0], wrong[i][1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packet_comes_after_the_delay_and_not_before),
        cmocka_unit_test(the_rate_spaces_the_pieces_of_a_super_segment),
        cmocka_unit_test(what_is_due_together_goes_as_one),
        cmocka_unit_test(jitter_stays_within_bounds_and_keeps_the_order),
        cmocka_unit_test(some_are_late_and_others_overtake_them),
        cmocka_unit_test(some_come_twice),
        cmocka_unit_test(a_long_queue_marks_and_a_full_one_drops),
        cmocka_unit_test(the_same_seed_gives_the_same_link),
        cmocka_unit_test(what_the_far_end_refuses_is_tried_again),
        cmocka_unit_test(words_that_mean_nothing_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
