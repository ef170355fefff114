/* Reassembly within its limits of time and memory (attacks F05-F07). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/exact.h"
#include "lib/fragments.h"

/* F07 */
static void a_datagram_expires_exactly_at_its_own_deadline(void **state)
{
    struct fragments *w = *state;
    assert_int_equal(reass_deadline(&w->reass), UINT64_MAX);
    assert_waits(w, 0, 8, true);
    w->now_us += 10;
    w->id++;
    assert_waits(w, 0, 8, true);
    w->id--;
    w->now_us += 1000;
    assert_waits(w, 8, 8, true); /* which moves nothing */
    assert_int_equal(reass_deadline(&w->reass), T0 + TIMEOUT);
    assert_int_equal(reass_expire(&w->reass, T0 + TIMEOUT - 1, NULL, NULL), 0);
    assert_int_equal(reass_expire(&w->reass, T0 + TIMEOUT, NULL, NULL), 1);
    assert_int_equal(reass_deadline(&w->reass), T0 + 10 + TIMEOUT);
    assert_int_equal(reass_expire(&w->reass, T0 + 10 + TIMEOUT, NULL, NULL), 1);
    assert_int_equal(w->mem.used, 0);
}

/* F06 */
static void a_fragment_after_the_deadline_begins_a_new_datagram(void **state)
{
    struct fragments *w = *state;
    assert_waits(w, 0, 8, true);
    w->now_us += TIMEOUT;
    assert_waits(w, 8, 8, false); /* though nobody has called reass_expire */
    assert_int_equal(reass_expire(&w->reass, w->now_us, NULL, NULL), 1);
    assert_completes(w, 0, 8, true, 16);
}

static void a_discarded_datagram_expires_uncounted_and_its_id_is_free_again(void **state)
{
    struct fragments *w = *state;
    assert_waits(w, 0, 16, true);
    assert_int_equal(give(w, 8, 8, true), DROP_FRAG_OVERLAP);
    assert_int_equal(reass_deadline(&w->reass), T0 + TIMEOUT);
    assert_int_equal(reass_expire(&w->reass, T0 + TIMEOUT, NULL, NULL), 0);
    assert_int_equal(w->mem.used, 0);
    w->now_us += TIMEOUT;
    assert_waits(w, 0, 16, true);
    assert_completes(w, 16, 8, false, 24);
}

static void one_fragment_too_many_discards_the_datagram(void **state)
{
    struct fragments *w = *state;
    for (unsigned i = 0; i < REASS_FRAGMENTS; i++)
        assert_waits(w, i * 8, 8, true);
    assert_int_equal(give(w, REASS_FRAGMENTS * 8, 8, false), DROP_FRAG_LIMIT);
    assert_int_equal(give(w, REASS_FRAGMENTS * 8, 8, false), DROP_FRAG_LIMIT);
    w->id++;
    for (unsigned i = 1; i < REASS_FRAGMENTS; i++)
        assert_waits(w, i * 8, 8, i + 1 < REASS_FRAGMENTS);
    assert_completes(w, 0, 8, true, REASS_FRAGMENTS * 8);
}

/* 1122-3.3.2d */
static void one_datagram_too_many_pushes_out_the_oldest_of_its_source(void **state)
{
    struct fragments *w = *state;
    w->src.v++;
    assert_waits(w, 0, 8, true); /* the oldest of all, of another source */
    w->src = A;
    for (unsigned i = 0; i < REASS_DATAGRAMS; i++) {
        w->id = (uint16_t)(100 + i);
        assert_waits(w, 0, 8, true);
    }
    assert_int_equal(w->reass.evicted, 1);
    w->id = 101;
    assert_completes(w, 8, 8, false, 16);
    w->id = 100; /* is gone: this makes another */
    assert_waits(w, 8, 8, false);
    w->src.v++;
    w->id = 7;
    assert_completes(w, 8, 8, false, 16);
}

/* 1122-3.3.2d */
static void a_new_source_pushes_out_the_oldest_of_all(void **state)
{
    struct fragments *w = *state;
    for (unsigned i = 0; i < REASS_DATAGRAMS; i++) {
        w->id = (uint16_t)i;
        assert_waits(w, 0, 8, true);
    }
    w->src.v++;
    assert_waits(w, 0, 8, true);
    assert_int_equal(w->reass.count, REASS_DATAGRAMS);
    assert_completes(w, 8, 8, false, 16);
    w->src = A;
    w->id = 1;
    assert_completes(w, 8, 8, false, 16);
    w->id = 0;
    assert_waits(w, 8, 8, false);
}

/* 1122-3.3.2d, F05 */
static void one_source_holds_at_most_half_of_the_bytes(void **state)
{
    struct fragments *w = *state;
    w->src.v++;
    assert_waits(w, 0, 24, true);
    w->src = A;
    for (unsigned i = 0; i < 1000; i++) {
        w->id = (uint16_t)(1000 + i / 40);
        assert_waits(w, i % 40 * 1480, 1480, true);
        assert_true(w->mem.used <= MAX_BYTES / 2 + 1000);
    }
    assert_true(w->reass.evicted > 0);
    w->src.v++;
    w->id = 7;
    assert_completes(w, 24, 8, false, 32); /* untouched by the flood */
}

/* 1122-3.3.2d */
static void room_for_the_whole_datagram_is_made_within_the_limit(void **state)
{
    struct fragments *w = *state;
    reass_init(&w->reass, &w->mem, 10000, TIMEOUT);
    w->src.v++;
    assert_waits(w, 0, 4000, true);
    w->src = A;
    assert_waits(w, 0, 4000, true);
    assert_completes(w, 4000, 400, false, 4400); /* `give` looks at what is in use */
    assert_int_equal(w->reass.evicted, 1);
    assert_int_equal(w->reass.count, 0);
}

static void a_datagram_above_its_sources_share_is_refused(void **state)
{
    struct fragments *w = *state;
    reass_init(&w->reass, &w->mem, 8000, TIMEOUT);
    assert_waits(w, 0, 1480, true);
    assert_waits(w, 1480, 1480, true);
    assert_int_equal(give(w, 2960, 1480, true), DROP_FRAG_LIMIT);
    assert_int_equal(give(w, 2960, 8, false), DROP_FRAG_LIMIT);
    assert_true(w->mem.used < 200);
}

static void a_limit_of_zero_turns_it_off(void **state)
{
    struct fragments *w = *state;
    reass_init(&w->reass, &w->mem, 0, TIMEOUT);
    assert_int_equal(give(w, 0, 8, true), DROP_FRAG_LIMIT);
    w->reass = (struct reass){0};
    assert_int_equal(give(w, 0, 8, true), DROP_FRAG_LIMIT);
    assert_int_equal(reass_expire(&w->reass, UINT64_MAX, NULL, NULL), 0);
    assert_int_equal(reass_deadline(&w->reass), UINT64_MAX);
    assert_int_equal(w->mem.peak, 0);
}

/* D05, F05: first fragments and lone later ones, of all IDs and many sources */
static void after_a_flood_an_honest_datagram_still_completes(void **state)
{
    struct fragments *w = *state;
    uint32_t seed = 99;
    for (unsigned i = 0; i < 200000; i++) {
        w->src.v = 0x0a000000 | (random_next(&seed) & 0xffff);
        w->id = (uint16_t)random_next(&seed);
        w->now_us += 3;
        bool first = i % 2;
        unsigned offset = first ? 0 : 8 + random_next(&seed) % 8000 * 8;
        assert_int_equal(give(w, offset, first ? 1480 : 16, first), DROP_NONE);
    }
    w->src = A;
    for (unsigned offset = 0; offset < 60 * 1000; offset += 1000)
        assert_waits(w, offset, 1000, true);
    assert_completes(w, 60000, 1000, false, 61000);
}

static unsigned allocations_left;
static void *failing_alloc(void *ctx, size_t size)
{
    (void)ctx;
    return allocations_left-- ? malloc(size) : NULL;
}

static void without_memory_the_datagram_is_discarded_and_nothing_leaks(void **state)
{
    struct fragments *w = *state;
    for (unsigned good = 0; good < 4; good++) {
        allocations_left = good;
        mem_init(&w->mem, failing_alloc, NULL, NULL, 1 << 20);
        reass_init(&w->reass, &w->mem, MAX_BYTES, TIMEOUT);
        enum drop_reason first = give(w, 0, 8, true);
        assert_int_equal(first, good < 2 ? DROP_NO_MEMORY : DROP_NONE);
        allocations_left = first ? 100 : allocations_left;
        if (!first)
            assert_int_equal(give(w, 8, 8, false), DROP_NO_MEMORY);
        assert_int_equal(w->reass.count, good > 0);
        reass_free(&w->reass);
        assert_int_equal(w->mem.used, 0);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fragments_set_up, fragments_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_datagram_expires_exactly_at_its_own_deadline),
        TEST(a_fragment_after_the_deadline_begins_a_new_datagram),
        TEST(a_discarded_datagram_expires_uncounted_and_its_id_is_free_again),
        TEST(one_fragment_too_many_discards_the_datagram),
        TEST(one_datagram_too_many_pushes_out_the_oldest_of_its_source),
        TEST(a_new_source_pushes_out_the_oldest_of_all),
        TEST(one_source_holds_at_most_half_of_the_bytes),
        TEST(room_for_the_whole_datagram_is_made_within_the_limit),
        TEST(a_datagram_above_its_sources_share_is_refused),
        TEST(a_limit_of_zero_turns_it_off),
        TEST(after_a_flood_an_honest_datagram_still_completes),
        TEST(without_memory_the_datagram_is_discarded_and_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
