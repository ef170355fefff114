#include "lib/recvq_fixture.h"
#include "mytcp.h"

/* Everything readable is what was sent; take it. */
static void take_all(void)
{
    struct iovec iov[8];
    check();
    while (q.readable > 0) {
        uint32_t n = 0;
        int count = recvq_peek(&q, 0, iov, 8);
        for (int i = 0; i < count; i++)
            for (size_t k = 0; k < iov[i].iov_len; k++)
                if (((uint8_t *)iov[i].iov_base)[k] != byte_at(taken + n++))
                    fail_msg("wrong byte at %llu", (unsigned long long)(taken + n - 1));
        assert_true(n > 0);
        recvq_consume(&q, &pool, n);
        taken += n;
    }
    assert_int_equal(taken, nxt);
    check();
}

static void assert_sack(int count, const struct recvq_range *expected)
{
    struct recvq_range got[4];
    assert_int_equal(recvq_sack(&q, got, 4), count);
    for (int i = 0; i < count; i++) {
        assert_int_equal(got[i].start, expected[i].start);
        assert_int_equal(got[i].end, expected[i].end);
    }
}
#define SACK(n, ...) assert_sack(n, (const struct recvq_range[]){__VA_ARGS__})

static void data_in_order_can_be_read_at_once(void **state)
{
    (void)state;
    assert_int_equal(put(0, 100), RECVQ_OK);
    assert_int_equal(nxt, 100);
    assert_int_equal(q.readable, 100);
    assert_int_equal(put(0, 50), RECVQ_OK);
    take_all();
    assert_true(recvq_idle(&q));
}

static void a_short_message_holds_little_memory(void **state)
{
    (void)state;
    assert_int_equal(put_from(0, 5, 256, true), RECVQ_OK);
    assert_false(kept);
    assert_true(recvq_held(&q) <= 512);
    recvq_consume(&q, &pool, 5);
    assert_true(recvq_idle(&q));
}

static void a_lent_buffer_is_kept_when_a_quarter_of_it_is_payload(void **state)
{
    (void)state;
    put_from(0, 16383, 256, true);
    assert_false(kept);
    put_from(0, 16384, 256, true);
    assert_true(kept);
    put_from(5, 16384, 256, true);
    assert_true(kept);
    assert_false(recvq_idle(&q));
    put(0, 5);
    assert_true(recvq_held(&q) <= 4 * (q.readable + sizeof(struct buf)) + 4096);
    take_all();
    assert_true(recvq_idle(&q));
}

static void a_stream_of_small_segments_costs_few_allocations_and_little_memory(void **state)
{
    (void)state;
    for (uint32_t sent = 0; sent < 200000; sent += 10) {
        put(0, 10);
        assert_true(recvq_held(&q) <= 512 + 3 * q.readable);
    }
    assert_true(heap.calls < 30);
    assert_true(recvq_held(&q) <= 200000 + 20000);
    take_all();
}

static void an_empty_segment_changes_nothing(void **state) /* G163 */
{
    (void)state;
    assert_int_equal(put(0, 0), RECVQ_DUPLICATE);
    assert_int_equal(put(7, 0), RECVQ_DUPLICATE);
    assert_true(recvq_idle(&q));
    assert_int_equal(heap.calls, 0);
}

static void copy_and_peek_start_where_they_are_told(void **state)
{
    (void)state;
    uint8_t out[4000];
    struct iovec iov[16];
    for (int i = 0; i < 6; i++)
        put(0, 500);
    for (uint32_t skip = 0; skip <= 3000; skip += 13) {
        uint32_t len = skip % 700;
        uint32_t expected = len < 3000 - skip ? len : 3000 - skip;
        assert_int_equal(recvq_copy(&q, skip, out, len), expected);
        for (uint32_t i = 0; i < expected; i++)
            assert_int_equal(out[i], byte_at(skip + i));
        size_t n = 0;
        int count = recvq_peek(&q, skip, iov, 16);
        for (int i = 0; i < count; i++)
            n += iov[i].iov_len;
        assert_int_equal(n, 3000 - skip);
        if (count > 0)
            assert_int_equal(*(uint8_t *)iov[0].iov_base, byte_at(skip));
    }
    assert_int_equal(recvq_peek(&q, 0, iov, 1), 1);
    assert_int_equal(recvq_peek(&q, 0, iov, 0), 0);
    take_all();
}

static void what_was_peeked_stays_where_it_is_while_more_arrives(void **state)
{
    (void)state;
    struct iovec before[4], after[4];
    put(0, 100);
    put(150, 20);
    recvq_peek(&q, 0, before, 4);
    put(0, 50); /* closes the hole */
    put(0, 30000);
    recvq_peek(&q, 0, after, 4);
    assert_ptr_equal(after[0].iov_base, before[0].iov_base);
    take_all();
}

/* G157 G170 */
static void a_retransmission_that_overlaps_what_waits_delivers_all_of_it(void **state)
{
    (void)state;
    assert_int_equal(put(100, 100), RECVQ_OOO);
    assert_false(recvq_idle(&q));
    assert_int_equal(put(300, 50), RECVQ_OOO);
    assert_int_equal(put(0, 320), RECVQ_OK);
    assert_int_equal(nxt, 350);
    assert_int_equal(q.ooo_bytes, 0);
    take_all();
    assert_true(recvq_idle(&q));
}

static void a_longer_segment_at_the_same_place_adds_only_its_end(void **state) /* G158 */
{
    (void)state;
    put(100, 100);
    assert_int_equal(put(100, 150), RECVQ_OOO);
    assert_int_equal(q.ooo_bytes, 150);
    SACK(1, {100, 250});
    assert_int_equal(put(100, 150), RECVQ_DUPLICATE);
    assert_int_equal(put(120, 20), RECVQ_DUPLICATE);
    put(0, 100);
    assert_int_equal(nxt, 250);
    take_all();
}

static void the_first_arrival_of_a_byte_wins(void **state)
{
    (void)state;
    uint8_t liar[64], out[40];
    uint32_t advance;
    memset(liar, 0, sizeof(liar));
    put(10, 10);
    put(30, 5);
    struct recvq_data in = {liar, 40, NULL};
    assert_int_equal(recvq_insert(&q, &pool, 0, &in, 256, &advance), RECVQ_OK);
    assert_int_equal(advance, 40);
    recvq_copy(&q, 0, out, 40);
    for (uint32_t i = 0; i < 40; i++)
        assert_int_equal(out[i], (i >= 10 && i < 20) || (i >= 30 && i < 35) ? byte_at(i) : 0);
}

static void sack_blocks_go_when_their_data_is_in_order_or_dropped(void **state) /* G159 */
{
    (void)state;
    put(100, 10);
    put(200, 10);
    put(0, 100);
    SACK(1, {90, 100});
    recvq_drop_ooo(&q, &pool);
    SACK(0, {0, 0});
    assert_int_equal(q.ooo_bytes, 0);
    put(0, 90);
    assert_int_equal(nxt, 200);
    take_all();
    assert_true(recvq_idle(&q));
}

static void overlapping_and_touching_ranges_become_one(void **state) /* G165 */
{
    (void)state;
    put(100, 10);
    put(120, 10);
    put(140, 10);
    put(110, 10);
    SACK(2, {100, 130}, {140, 150});
    put(90, 100);
    SACK(1, {90, 190});
    assert_int_equal(q.ooo_bytes, 100);
    put(80, 10); /* touches in front */
    put(75, 8);  /* overlaps in front */
    SACK(1, {75, 190});
    put(0, 75);
    assert_int_equal(nxt, 190);
    take_all();
}

static void the_block_just_changed_is_reported_first(void **state) /* G166, RFC 2018 4 */
{
    (void)state;
    put(100, 10);
    put(300, 10);
    put(200, 10);
    SACK(3, {200, 210}, {300, 310}, {100, 110});
    put(100, 10); /* a duplicate triggers an ACK as well */
    SACK(3, {100, 110}, {200, 210}, {300, 310});
    put(310, 5);
    SACK(3, {300, 315}, {100, 110}, {200, 210});
    put(400, 1);
    put(500, 1);
    SACK(4, {500, 501}, {400, 401}, {300, 315}, {100, 110});
    put(401, 99); /* joins the two newest: an older one takes the place */
    SACK(4, {400, 501}, {300, 315}, {100, 110}, {200, 210});
    struct recvq_range two[2];
    assert_int_equal(recvq_sack(&q, two, 2), 2);
    assert_int_equal(two[0].start, 400);
    assert_int_equal(two[1].start, 300);
}

/* D03 */
static void offsets_up_to_the_largest_window_are_unsigned(void **state) /* G161 G167 */
{
    (void)state;
    put(1u << 30, 10);
    put(0x80000000u, 10);
    put(0xfffffff0u, 15);
    SACK(3, {0xfffffff0u, 0xffffffffu}, {0x80000000u, 0x8000000au}, {1u << 30, (1u << 30) + 10});
    put(0, 10);
    SACK(3, {0xffffffe6u, 0xfffffff5u}, {0x7ffffff6u, 0x80000000u},
         {(1u << 30) - 10, 1u << 30});
    take_all();
}

static void a_full_table_gives_the_farthest_range_for_a_nearer_one(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(put_from(100 + 10 * i, 2, 8, false), RECVQ_OOO);
    assert_int_equal(put_from(300, 2, 8, false), RECVQ_NO_ROOM);
    assert_int_equal(put_from(50, 2, 8, false), RECVQ_OOO);
    SACK(4, {50, 52}, {160, 162}, {150, 152}, {140, 142});
    assert_int_equal(put_from(172, 2, 8, false), RECVQ_NO_ROOM); /* that one is gone */
    assert_int_equal(put_from(162, 5, 8, false), RECVQ_OOO);     /* growing costs no place */
    assert_int_equal(q.ooo_bytes, 8 * 2 + 5);
    assert_int_equal(put_from(80, 1, 4, false), RECVQ_OOO); /* one for one, if the bound is less */
    assert_int_equal(q.ooo_bytes, 1 + 7 * 2);
    check();
}

static void a_range_that_there_is_no_memory_for_changes_nothing(void **state)
{
    (void)state;
    static const uint32_t refused_at[] = {0, 20, 256, 290}; /* the range, or its buffer */
    for (uint32_t n = 0; n <= 4; n++) { /* among none, others, and where one had to give way */
        size_t used = mem.used;
        for (unsigned i = 0; i < 4; i++) {
            mem.limit = used + refused_at[i];
            assert_int_equal(put_from(50, 2, 4, false), RECVQ_NO_MEMORY);
            assert_int_equal(mem.used, used);
            assert_int_equal(q.ooo_bytes, 2 * n);
            check();
        }
        mem.limit = SIZE_MAX;
        assert_int_equal(put_from(100 + 10 * n, 2, 4, false), n < 4 ? RECVQ_OOO : RECVQ_NO_ROOM);
    }
    SACK(4, {130, 132}, {120, 122}, {110, 112}, {100, 102});
}

static void data_in_order_is_taken_when_the_table_is_full(void **state) /* R10 G162 */
{
    (void)state;
    for (uint32_t i = 0; i < 256; i++)
        assert_int_equal(put(10 + 2 * i, 1), RECVQ_OOO);
    assert_int_equal(put(10 + 2 * 256, 1), RECVQ_NO_ROOM);
    assert_int_equal(put(0, 5), RECVQ_OK);
    assert_int_equal(put(0, 6), RECVQ_OK);
    assert_int_equal(nxt, 11);
    take_all();
}

static void a_segment_over_several_holes_fills_them_all(void **state)
{
    (void)state;
    for (int lent = 0; lent < 2; lent++) {
        for (int order = 0; order < 2; order++) {
            put(20000, 3000);
            put(30000, 10);
            put(52000, 5000);
            if (order) {
                assert_int_equal(put_from(1, 60000, 256, lent), RECVQ_OOO);
                SACK(1, {1, 60001});
                put(0, 1);
            } else {
                assert_int_equal(put_from(0, 60001, 256, lent), RECVQ_OK);
            }
            assert_int_equal(q.readable, 60001);
            take_all();
            assert_true(recvq_idle(&q));
        }
    }
}

/* 1-byte segments out of order, in shapes that cost other stacks a walk through all. */
enum { SMACK = 100000 };

/* R09 */
static void one_byte_segments_ascending_make_one_packed_range(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= SMACK; i++)
        assert_int_equal(put(i, 1), RECVQ_OOO);
    SACK(1, {1, SMACK + 1});
    assert_true(heap.calls < 40);
    assert_true(recvq_held(&q) <= SMACK + 20000);
    assert_int_equal(put(0, 1), RECVQ_OK);
    assert_int_equal(nxt, SMACK + 1);
    take_all();
}

/* R09 */
static void one_byte_segments_descending_make_one_packed_range(void **state)
{
    (void)state;
    for (uint32_t i = SMACK; i >= 1; i--)
        assert_int_equal(put(i, 1), RECVQ_OOO);
    SACK(1, {1, SMACK + 1});
    assert_true(heap.calls < 40);
    assert_true(recvq_held(&q) <= SMACK + 20000);
    put(0, 1);
    assert_int_equal(nxt, SMACK + 1);
    take_all();
}

/* R09 */
static void every_second_byte_costs_bounded_memory(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < SMACK; i++)
        assert_int_equal(put(1 + 2 * i, 1), i < 256 ? RECVQ_OOO : RECVQ_NO_ROOM);
    assert_true(recvq_held(&q) <= 256 * 336);
    uint64_t calls = heap.calls;
    for (uint32_t i = 2 * SMACK; i > 512; i -= 2)
        assert_int_equal(put(1 + i, 1), RECVQ_NO_ROOM);
    assert_int_equal(heap.calls, calls); /* what is refused costs nothing */
    recvq_drop_ooo(&q, &pool);
    for (uint32_t i = SMACK; i > 0; i--) /* descending: each evicts the farthest */
        assert_int_equal(put(1 + 2 * i, 1), RECVQ_OOO);
    assert_true(recvq_held(&q) <= 256 * 336);
    check();
}

/* R09 */
static void filling_every_second_byte_later_leaves_no_byte_with_a_buffer_of_its_own(void **state)
{
    (void)state;
    for (uint32_t start = 0; start < SMACK; start += 512) {
        for (uint32_t i = 1; i < 512; i += 2)
            put(start + i + 1, 1);
        for (uint32_t i = 1; i < 512; i += 2)
            put(start + i + 1 + 1, 1);
    }
    check();
    assert_true(recvq_held(&q) <= 4 * q.ooo_bytes);
    put(0, 2);
    assert_int_equal(q.ooo_bytes, 0);
    assert_true(recvq_held(&q) <= 4 * q.readable);
    take_all();
}

/* What a slow start that overshoots leaves of the largest window. */
static void every_second_packet_of_the_largest_buffer_is_kept(void **state)
{
    (void)state;
    enum { PACKET = 1448 };
    struct mytcp_config config;
    mytcp_config_init(&config);
    uint32_t max = config.ooo_ranges_max, pairs = config.rcvbuf_max_bytes / (2 * PACKET);
    for (uint32_t i = 0; i < pairs; i++)
        assert_int_equal(put_from((2 * i + 1) * PACKET, PACKET, max, false), RECVQ_OOO);
    check();
    assert_int_equal(q.ooo_bytes, pairs * PACKET);
    for (uint32_t i = 0; i < pairs; i++)
        assert_int_equal(put_from(0, PACKET, max, false), RECVQ_OK);
    assert_int_equal(nxt, 2 * pairs * PACKET);
    take_all();
    assert_true(recvq_idle(&q));
}

static void want_of_memory_keeps_the_part_that_fits(void **state)
{
    (void)state;
    put(0, 100);
    uint32_t room = q.tail->cap - q.tail->start - q.tail->len;
    mem.limit = mem.used;
    assert_int_equal(put(0, room + 10), RECVQ_NO_MEMORY);
    assert_int_equal(nxt, 100 + room);
    assert_int_equal(put(0, 10), RECVQ_NO_MEMORY);
    assert_int_equal(put(5, 10), RECVQ_NO_MEMORY);
    assert_int_equal(nxt, 100 + room);
    mem.limit = SIZE_MAX;
    assert_int_equal(put(0, 10), RECVQ_OK);
    take_all();
    assert_true(recvq_idle(&q));
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(data_in_order_can_be_read_at_once),
        T(a_short_message_holds_little_memory),
        T(a_lent_buffer_is_kept_when_a_quarter_of_it_is_payload),
        T(a_stream_of_small_segments_costs_few_allocations_and_little_memory),
        T(an_empty_segment_changes_nothing),
        T(copy_and_peek_start_where_they_are_told),
        T(what_was_peeked_stays_where_it_is_while_more_arrives),
        T(a_retransmission_that_overlaps_what_waits_delivers_all_of_it),
        T(a_longer_segment_at_the_same_place_adds_only_its_end),
        T(the_first_arrival_of_a_byte_wins),
        T(sack_blocks_go_when_their_data_is_in_order_or_dropped),
        T(overlapping_and_touching_ranges_become_one),
        T(the_block_just_changed_is_reported_first),
        T(offsets_up_to_the_largest_window_are_unsigned),
        T(a_full_table_gives_the_farthest_range_for_a_nearer_one),
        T(a_range_that_there_is_no_memory_for_changes_nothing),
        T(data_in_order_is_taken_when_the_table_is_full),
        T(a_segment_over_several_holes_fills_them_all),
        T(one_byte_segments_ascending_make_one_packed_range),
        T(one_byte_segments_descending_make_one_packed_range),
        T(every_second_byte_costs_bounded_memory),
        T(filling_every_second_byte_later_leaves_no_byte_with_a_buffer_of_its_own),
        T(every_second_packet_of_the_largest_buffer_is_kept),
        T(want_of_memory_keeps_the_part_that_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
