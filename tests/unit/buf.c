#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "lib/scarce.h"
#include "tcp/buf.h"

static struct scarce heap;
static struct mem mem;
static struct buf_pool pool;

static int begin(void **state)
{
    (void)state;
    scarce_init(&heap, &mem, 1);
    buf_pool_init(&pool, &mem);
    return 0;
}

static int end(void **state)
{
    (void)state;
    buf_pool_free(&pool);
    assert_int_equal(mem.used, 0);
    assert_int_equal(heap.blocks, 0);
    return 0;
}

static void the_buffer_released_last_is_lent_first(void **state)
{
    (void)state;
    struct buf *a = buf_lend(&pool), *b = buf_lend(&pool);
    assert_int_equal(a->cap, BUF_LENT_BYTES);
    memset(a->memory, 1, a->cap);
    a->start = 40;
    a->len = 100;
    a->next = b;
    buf_release(&pool, b);
    buf_release(&pool, a);
    uint64_t calls = heap.calls;
    struct buf *again = buf_lend(&pool);
    assert_ptr_equal(again, a);
    assert_null(again->next);
    assert_int_equal(again->start, 0);
    assert_int_equal(again->len, 0);
    assert_int_equal(again->cap, BUF_LENT_BYTES);
    assert_int_equal(heap.calls, calls);
    buf_release(&pool, again);
}

static void only_so_many_lent_buffers_are_kept_warm(void **state)
{
    (void)state;
    struct buf *out[BUF_LENT_CACHED + 5];
    for (int i = 0; i < BUF_LENT_CACHED + 5; i++)
        out[i] = buf_lend(&pool);
    assert_int_equal(mem.by_kind[MEM_RECV], (BUF_LENT_CACHED + 5) * (size_t)buf_charge(out[0]));
    size_t charge = buf_charge(out[0]);
    for (int i = 0; i < BUF_LENT_CACHED + 5; i++)
        buf_release(&pool, out[i]);
    assert_int_equal(pool.free_count, BUF_LENT_CACHED);
    assert_int_equal(mem.used, BUF_LENT_CACHED * charge);
}

static void a_compact_buffer_has_the_room_asked_for_and_at_most_twice_of_it(void **state)
{
    (void)state;
    for (uint32_t cap = 0; cap <= 70000; cap += cap < 600 ? 1 : 977) {
        struct buf *b = buf_compact(&pool, cap);
        assert_true(b->cap >= cap);
        assert_true(buf_charge(b) <= 256 || buf_charge(b) < 2 * (cap + sizeof(*b)));
        memset(b->memory, 0x5a, b->cap);
        buf_release(&pool, b);
    }
}

static void want_of_memory_empties_the_cache_before_it_is_reported(void **state)
{
    (void)state;
    struct buf *a = buf_lend(&pool);
    buf_release(&pool, a);
    mem.limit = mem.used + 100;
    struct buf *b = buf_compact(&pool, 300);
    assert_non_null(b);
    assert_int_equal(pool.free_count, 0);
    mem.limit = mem.used;
    assert_null(buf_compact(&pool, 1));
    assert_null(buf_lend(&pool));
    buf_release(&pool, b);
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_buffer_released_last_is_lent_first),
        T(only_so_many_lent_buffers_are_kept_warm),
        T(a_compact_buffer_has_the_room_asked_for_and_at_most_twice_of_it),
        T(want_of_memory_empties_the_cache_before_it_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
