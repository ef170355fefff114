/* mytcp-link: the bottleneck's rate to the nanosecond, its limit to the byte. */
#include "../../tools/mytcp-link/queue.c" /* a program's part: it is in no library */

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static bool enter(struct queue *queue, uint32_t len_bytes, uint64_t now_ns, uint64_t *leaves_ns)
{
    queue_drain(queue, now_ns);
    return queue_enter(queue, len_bytes, now_ns, leaves_ns);
}

static void packets_leave_at_the_rate(void **state)
{
    struct queue queue = {.rate_bit_s = 100000000};
    uint64_t leaves_ns;
    (void)state;
    for (uint64_t i = 1; i <= 1000; i++) {
        assert_true(enter(&queue, 1500, 5, &leaves_ns));
        assert_int_equal(leaves_ns, 5 + i * 120000);
    }
    assert_int_equal(queue.bytes_peak, 1500000);
    queue_free(&queue);
}

static void no_time_is_lost_by_rounding(void **state)
{
    struct queue queue = {.rate_bit_s = 7000000000};
    uint64_t leaves_ns = 0;
    (void)state;
    for (int i = 0; i < 7000; i++)
        assert_true(enter(&queue, 1, 0, &leaves_ns));
    assert_int_equal(leaves_ns, 8000);
    queue_free(&queue);
}

static void an_idle_sender_saves_nothing_up(void **state)
{
    struct queue queue = {.rate_bit_s = 8000000};
    uint64_t leaves_ns;
    (void)state;
    assert_true(enter(&queue, 100, 0, &leaves_ns));
    assert_int_equal(leaves_ns, 100000);
    assert_true(enter(&queue, 100, 1000000, &leaves_ns));
    assert_int_equal(leaves_ns, 1100000);
    queue_free(&queue);
}

static void a_full_queue_drops_the_tail_by_bytes(void **state)
{
    struct queue queue = {.rate_bit_s = 8000000, .limit = {3000, false}};
    uint64_t leaves_ns;
    (void)state;
    assert_true(enter(&queue, 1500, 0, &leaves_ns));
    assert_true(enter(&queue, 1500, 0, &leaves_ns));
    assert_false(enter(&queue, 1, 0, &leaves_ns));
    assert_false(enter(&queue, 1, 1499999, &leaves_ns)); /* the first has all but left */
    assert_true(enter(&queue, 1, 1500000, &leaves_ns));
    assert_int_equal(leaves_ns, 3001000);
    queue_free(&queue);
}

static void a_full_queue_drops_the_tail_by_packets(void **state)
{
    struct queue queue = {.rate_bit_s = 8000000, .limit = {2, true}};
    uint64_t leaves_ns;
    (void)state;
    assert_true(enter(&queue, 60, 0, &leaves_ns));
    assert_true(enter(&queue, 60000, 0, &leaves_ns));
    assert_false(enter(&queue, 60, 59999, &leaves_ns));
    assert_true(enter(&queue, 60, 60000, &leaves_ns));
    queue_free(&queue);
}

static void an_empty_queue_takes_any_packet(void **state)
{
    struct queue queue = {.rate_bit_s = 8000000, .limit = {100, false}};
    uint64_t leaves_ns;
    (void)state;
    assert_true(enter(&queue, 1500, 0, &leaves_ns));
    assert_false(enter(&queue, 60, 0, &leaves_ns));
    queue_free(&queue);
}

static void without_a_rate_nothing_waits(void **state)
{
    struct queue queue = {.limit = {1, true}};
    uint64_t leaves_ns;
    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_true(enter(&queue, 1500, 42, &leaves_ns));
        assert_int_equal(leaves_ns, 42);
    }
    assert_false(queue_holds(&queue, (struct amount){1, false}));
}

static void its_length_is_told_in_bytes_and_packets(void **state)
{
    struct queue queue = {.rate_bit_s = 8000000};
    uint64_t leaves_ns;
    (void)state;
    enter(&queue, 1000, 0, &leaves_ns);
    enter(&queue, 500, 0, &leaves_ns);
    assert_true(queue_holds(&queue, (struct amount){1500, false}));
    assert_false(queue_holds(&queue, (struct amount){1501, false}));
    assert_true(queue_holds(&queue, (struct amount){2, true}));
    assert_false(queue_holds(&queue, (struct amount){0, true}));
    queue_drain(&queue, 1000000);
    assert_int_equal(queue.bytes, 500);
    queue_free(&queue);
}

static void its_ring_grows_while_it_turns(void **state)
{
    struct queue queue = {.rate_bit_s = 8000000000};
    uint64_t leaves_ns, expected_ns = 0, now_ns = 0;
    (void)state;
    for (int i = 0; i < 5000; i++) { /* one leaves for each two that come */
        for (int k = 0; k < 2; k++) {
            assert_true(enter(&queue, 100, now_ns, &leaves_ns));
            expected_ns += 100;
            assert_int_equal(leaves_ns, expected_ns);
        }
        now_ns += 100;
    }
    queue_drain(&queue, now_ns);
    assert_int_equal(queue.packets, 5000);
    assert_int_equal(queue.bytes, 500000);
    queue_free(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_leave_at_the_rate),
        cmocka_unit_test(no_time_is_lost_by_rounding),
        cmocka_unit_test(an_idle_sender_saves_nothing_up),
        cmocka_unit_test(a_full_queue_drops_the_tail_by_bytes),
        cmocka_unit_test(a_full_queue_drops_the_tail_by_packets),
        cmocka_unit_test(an_empty_queue_takes_any_packet),
        cmocka_unit_test(without_a_rate_nothing_waits),
        cmocka_unit_test(its_length_is_told_in_bytes_and_packets),
        cmocka_unit_test(its_ring_grows_while_it_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
