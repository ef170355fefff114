#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "lib/scarce.h"
#include "tcp/sendq.h"

enum { FULL_CHARGE_MAX = SENDQ_CHUNK_BYTES + 64 };

static struct scarce heap;
static struct mem mem;
static struct sendq_pool pool;
static struct sendq q;
static uint64_t una; /* stream position of offset 0 */

static int begin(void **state)
{
    (void)state;
    scarce_init(&heap, &mem, 1);
    sendq_pool_init(&pool, &mem);
    memset(&q, 0, sizeof(q));
    una = 0;
    return 0;
}

static int end(void **state)
{
    (void)state;
    sendq_free(&q, &pool);
    assert_int_equal(sendq_held(&q), 0);
    sendq_pool_free(&pool);
    assert_int_equal(mem.used, 0);
    assert_int_equal(heap.blocks, 0);
    return 0;
}

static uint8_t byte_at(uint64_t pos)
{
    return (uint8_t)(pos * 2654435761u >> 11);
}

static void check(void)
{
    const char *bad = sendq_check(&q);
    if (bad)
        fail_msg("%s", bad);
    assert_in_range(mem.used, sendq_held(&q), sendq_held(&q) + (uint64_t)pool.free_count * FULL_CHARGE_MAX);
}

static uint32_t append(uint32_t len)
{
    uint8_t *data = malloc(len + 1);
    for (uint32_t i = 0; i < len; i++)
        data[i] = byte_at(una + q.len + i);
    uint32_t before = q.len, n = sendq_append(&q, &pool, data, len);
    assert_int_equal(q.len, before + n);
    free(data);
    return n;
}

static void drop(uint32_t n)
{
    sendq_drop(&q, &pool, n);
    una += n;
}

/* [offset, offset + len) comes out whole and right; returns the iovecs it took. */
static int expect(uint32_t offset, uint32_t len)
{
    struct iovec iov[64];
    int count;
    uint32_t n = 0;
    assert_int_equal(sendq_iov(&q, offset, len, iov, 64, &count), len);
    for (int i = 0; i < count; i++) {
        assert_true(iov[i].iov_len > 0);
        for (size_t k = 0; k < iov[i].iov_len; k++, n++)
            if (((uint8_t *)iov[i].iov_base)[k] != byte_at(una + offset + n))
                fail_msg("wrong byte at %u + %u", offset, n);
    }
    assert_int_equal(n, len);
    assert_true(len > UINT16_MAX || count <= 9); /* so many has a packet room for (TCP_OUT_IOV) */
    return count;
}

/* Write into all that was reserved, as the bytes after the queue's end. */
static void fill(const struct iovec *iov, int count)
{
    uint64_t pos = una + q.len;
    for (int i = 0; i < count; i++)
        for (size_t k = 0; k < iov[i].iov_len; k++)
            ((uint8_t *)iov[i].iov_base)[k] = byte_at(pos++);
}

static uint32_t reserve(uint32_t want, struct iovec *iov, int *count)
{
    uint32_t n = sendq_reserve(&q, &pool, want, iov, count), sum = 0;
    for (int i = 0; i < *count; i++)
        sum += (uint32_t)iov[i].iov_len;
    assert_int_equal(sum, n);
    assert_true(n <= want);
    return n;
}

static void a_short_write_takes_a_small_chunk_and_an_empty_queue_nothing(void **state)
{
    (void)state;
    assert_int_equal(append(0), 0);
    assert_int_equal(sendq_held(&q), 0);
    assert_int_equal(append(5), 5);
    assert_true(sendq_held(&q) <= 512 + 64);
    expect(0, 5);
    drop(5);
    assert_int_equal(sendq_held(&q), 0);
    assert_int_equal(mem.used, 0);
}

static void large_writes_take_full_chunks_that_stay_warm(void **state)
{
    (void)state;
    append(SENDQ_CHUNK_BYTES);
    assert_int_equal(expect(0, SENDQ_CHUNK_BYTES), 1);
    drop(SENDQ_CHUNK_BYTES);
    assert_int_equal(sendq_held(&q), 0);
    assert_int_equal(pool.free_count, 1);
    struct sendq_chunk *warm = pool.free;
    append(SENDQ_CHUNK_BYTES);
    assert_ptr_equal(q.ring[q.head], warm);
    for (int i = 0; i < 100; i++)
        append(SENDQ_CHUNK_BYTES);
    drop(q.len);
    assert_int_equal(pool.free_count, 64);
}

static void a_queue_written_in_small_pieces_has_few_small_chunks(void **state)
{
    (void)state;
    for (int i = 0; i < 40000; i++)
        append(5);
    check();
    assert_true(q.count <= 12);
    assert_true(sendq_held(&q) <= 200000 + SENDQ_CHUNK_BYTES + 4096);
    assert_true(expect(0, 65000) <= 9);
    expect(0, 200000);
}

static void acknowledged_chunks_are_let_go_of(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        append(SENDQ_CHUNK_BYTES);
    uint32_t held = sendq_held(&q);
    drop(SENDQ_CHUNK_BYTES - 1);
    assert_int_equal(sendq_held(&q), held);
    drop(1);
    assert_true(sendq_held(&q) <= held - SENDQ_CHUNK_BYTES);
    expect(0, q.len);
    drop(3 * SENDQ_CHUNK_BYTES + 5);
    assert_int_equal(q.count, 6);
    expect(0, q.len);
    drop(0);
    assert_int_equal(q.len, 6 * SENDQ_CHUNK_BYTES - 5);
}

static void iovecs_that_run_out_cut_the_answer_short(void **state)
{
    (void)state;
    struct iovec iov[3];
    int count;
    for (int i = 0; i < 6; i++)
        append(SENDQ_CHUNK_BYTES);
    assert_int_equal(sendq_iov(&q, 10, q.len, iov, 3, &count), 3 * SENDQ_CHUNK_BYTES - 10);
    assert_int_equal(count, 3);
    assert_int_equal(sendq_iov(&q, 10, 20, iov, 0, &count), 0);
    assert_int_equal(count, 0);
    assert_int_equal(sendq_iov(&q, 10, 0, iov, 3, &count), 0);
    assert_int_equal(sendq_iov(&q, q.len, 1, iov, 3, &count), 0);
    assert_int_equal(sendq_iov(&q, q.len - 1, 9, iov, 3, &count), 1);
    memset(&iov, 0, sizeof(iov));
    sendq_free(&q, &pool);
    assert_int_equal(sendq_iov(&q, 0, 1, iov, 3, &count), 0);
}

/* G254 */
static void every_fill_level_of_a_small_queue_reads_back_at_every_offset(void **state)
{
    (void)state;
    for (uint32_t len = 1; len <= 1400; len += len < 470 ? 67 : 1) {
        for (uint32_t dropped = 0; dropped < len; dropped += 1 + len / 9) {
            append(len / 2);
            append(len - len / 2);
            drop(dropped);
            check();
            for (uint32_t offset = 0; offset < q.len; offset += 1 + q.len / 7)
                for (uint32_t n = 1; n <= q.len - offset; n += 1 + q.len / 5)
                    expect(offset, n);
            drop(q.len);
            assert_int_equal(sendq_held(&q), 0);
        }
    }
}

/* G198, G254 */
static void the_ring_wraps_at_every_fill_level(void **state)
{
    (void)state;
    for (uint32_t chunks = 1; chunks <= 9; chunks++) {
        for (uint32_t i = 0; i < chunks; i++)
            append(SENDQ_CHUNK_BYTES);
        for (uint32_t i = 0; i < 20; i++) {
            append(SENDQ_CHUNK_BYTES);
            drop(SENDQ_CHUNK_BYTES);
            check();
            for (uint32_t c = 0; c < chunks; c++)
                expect(c * SENDQ_CHUNK_BYTES + i, 3);
        }
        drop(q.len);
    }
}

static void what_is_reserved_and_committed_is_queued(void **state)
{
    (void)state;
    struct iovec iov[2];
    int count = 2;
    assert_int_equal(reserve(100, iov, &count), 100);
    assert_int_equal(count, 1);
    assert_int_equal(q.len, 0);
    assert_int_equal(sendq_reserved(&q), 100);
    fill(iov, count);
    sendq_commit(&q, 60);
    assert_int_equal(sendq_reserved(&q), 0);
    assert_int_equal(q.len, 60);
    count = 2;
    assert_int_equal(reserve(5000, iov, &count), 5000); /* the tail's room and a new chunk */
    assert_int_equal(sendq_reserved(&q), 5000);
    assert_int_equal(count, 2);
    fill(iov, count);
    check();
    sendq_commit(&q, 5000);
    check();
    expect(0, 5060);
    count = 1;
    uint32_t n = reserve(100000, iov, &count);
    assert_int_equal(count, 1);
    fill(iov, count);
    sendq_commit(&q, n);
    expect(0, q.len);
    drop(q.len);
    append(100); /* a tail with some room: one piece was asked for, and it alone is given */
    iov[1] = (struct iovec){&count, 77};
    count = 1;
    assert_true(reserve(100000, iov, &count) < 100000);
    assert_int_equal(count, 1);
    assert_true(iov[1].iov_base == &count && iov[1].iov_len == 77);
    count = 0;
    assert_int_equal(reserve(5, iov, &count), 0);
    count = 2;
    assert_int_equal(reserve(0, iov, &count), 0);
    assert_int_equal(count, 0);
}

static void a_reserve_outlives_an_acknowledgement_of_everything(void **state)
{
    (void)state;
    struct iovec iov[2];
    for (uint32_t commit = 0; commit <= 5000; commit += 250) {
        int count = 2;
        append(100);
        assert_int_equal(reserve(5000, iov, &count), 5000);
        drop(100);
        fill(iov, count);
        sendq_commit(&q, commit);
        check();
        expect(0, commit);
        drop(commit);
        sendq_trim(&q, &pool);
        assert_int_equal(sendq_held(&q), 0);
    }
}

static void an_append_or_a_trim_undoes_a_reserve(void **state)
{
    (void)state;
    struct iovec iov[2];
    int count = 2;
    reserve(70000, iov, &count);
    fill(iov, count);
    append(300);
    expect(0, 300);
    count = 2;
    reserve(70000, iov, &count);
    append(90000);
    check();
    expect(0, 90300);
    drop(q.len);
    assert_int_equal(sendq_held(&q), 0);
    count = 2;
    reserve(10, iov, &count);
    count = 2;
    assert_int_equal(reserve(60000, iov, &count), 60000); /* the small one is not in the way */
    sendq_commit(&q, 0);
    sendq_trim(&q, &pool);
    assert_int_equal(sendq_held(&q), 0);
    append(1);
    sendq_trim(&q, &pool);
    expect(0, 1);
}

static void an_empty_queue_settles_for_a_small_chunk(void **state)
{
    (void)state;
    mem.limit = 1000;
    uint32_t n = append(70000);
    assert_in_range(n, 400, 512);
    assert_int_equal(append(70000), 0);
    expect(0, n);
    drop(n);
    mem.limit = 0;
    assert_int_equal(append(1), 0);
    assert_int_equal(sendq_held(&q), 0);
}

/* Random writes, reserves, acknowledgements and failures; every byte queued is checked. */
static void model_run(uint64_t seed, uint32_t steps, uint32_t write_max, uint32_t queue_max,
                      uint32_t refused_percent)
{
    struct random random = {seed};
    struct iovec iov[3];
    heap.refused_percent = refused_percent;
    for (uint32_t i = 0; i < steps; i++) {
        uint32_t n = random_below(&random, write_max), len = q.len;
        switch (random_below(&random, 4)) {
        case 0:
            if (q.len < queue_max) {
                uint64_t refused = mem.refused;
                assert_true(append(n) == n || mem.refused > refused);
            }
            break;
        case 1:
            if (q.len < queue_max) {
                int count = (int)random_below(&random, 4);
                uint32_t got = reserve(n, iov, &count);
                if (random_below(&random, 2))
                    drop(random_below(&random, 4) ? random_below(&random, q.len + 1) : q.len);
                fill(iov, count);
                sendq_commit(&q, random_below(&random, 3) ? random_below(&random, got + 1) : got);
                sendq_trim(&q, &pool);
            }
            break;
        default:
            drop(random_below(&random, 8) ? random_below(&random, q.len / 2 + 1) : q.len);
            assert_true(q.len <= len);
        }
        check();
        if (q.len == 0)
            assert_int_equal(sendq_held(&q), 0);
        else
            expect(n % q.len, 1 + random_below(&random, q.len - n % q.len));
        if (q.len)
            expect(0, q.len < UINT16_MAX ? q.len : UINT16_MAX);
    }
    heap.refused_percent = 0;
    drop(q.len);
    assert_int_equal(sendq_held(&q), 0);
}

static void random_use_never_gives_a_wrong_byte(void **state)
{
    (void)state;
    model_run(1, 40000, 60, 3000, 0);
    model_run(2, 20000, 1500, 20000, 0);
    model_run(3, 1500, 200000, 1000000, 0);
    model_run(4, 5000, 5000, 70000, 0);
}

static void failing_allocations_cost_room_but_never_a_byte(void **state)
{
    (void)state;
    model_run(4, 40000, 60, 3000, 30);
    model_run(5, 20000, 1500, 20000, 60);
    model_run(6, 1500, 200000, 1000000, 40);
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_short_write_takes_a_small_chunk_and_an_empty_queue_nothing),
        T(large_writes_take_full_chunks_that_stay_warm),
        T(a_queue_written_in_small_pieces_has_few_small_chunks),
        T(acknowledged_chunks_are_let_go_of),
        T(iovecs_that_run_out_cut_the_answer_short),
        T(every_fill_level_of_a_small_queue_reads_back_at_every_offset),
        T(the_ring_wraps_at_every_fill_level),
        T(what_is_reserved_and_committed_is_queued),
        T(a_reserve_outlives_an_acknowledgement_of_everything),
        T(an_append_or_a_trim_undoes_a_reserve),
        T(an_empty_queue_settles_for_a_small_chunk),
        T(random_use_never_gives_a_wrong_byte),
        T(failing_allocations_cost_room_but_never_a_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
