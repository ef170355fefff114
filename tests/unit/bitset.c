/* Sets of numbers, against an array of flags. */
#include "util/bitset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "lib/random.h"

enum { STEPS = 3000 };

static uint32_t naive_next(const bool *in, uint32_t size, uint32_t from)
{
    while (from < size && !in[from]) from++;
    return from;
}

static uint32_t naive_prev(const bool *in, uint32_t size, uint32_t from)
{
    while (from && !in[from]) from--;
    return in[from] ? from : size;
}

static void compare(const uint64_t *set, const bool *in, uint32_t size, struct random *random)
{
    uint32_t from = random_below(random, size);
    assert_int_equal(bitset_has(set, from), in[from]);
    assert_int_equal(bitset_next(set, size, from), naive_next(in, size, from));
    assert_int_equal(bitset_prev(set, size, from), naive_prev(in, size, from));
    assert_int_equal(bitset_next(set, size, 0), naive_next(in, size, 0));
    assert_int_equal(bitset_prev(set, size, size - 1), naive_prev(in, size, size - 1));
    assert_int_equal(bitset_next(set, size, size), size);
}

static void neighbours_are_what_an_array_of_flags_says(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 4, 63, 64, 65, 128, 4095, 4096, 4097, 1 << 14, 300000};
    struct random random = {1};
    for (unsigned s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        uint32_t size = sizes[s];
        uint64_t *set = calloc(bitset_words(size), sizeof(*set));
        bool *in = calloc(size, sizeof(*in));
        assert_true(set && in);
        for (uint32_t step = 0; step < STEPS; step++) {
            uint32_t number = random_below(&random, size), many = random_below(&random, 100);
            bool on = random_below(&random, 8) < (step / 500 % 2 ? 1u : 6u); /* it empties, it fills */
            for (uint32_t i = number; i < size && i <= number + many; i++) {
                bitset_put(set, size, i, on);
                in[i] = on;
            }
            compare(set, in, size, &random);
        }
        free(set);
        free(in);
    }
}

static void a_lone_number_is_found_from_the_other_end(void **state)
{
    (void)state;
    enum { SIZE = 64 * 64 * 64 };
    uint64_t *set = calloc(bitset_words(SIZE), sizeof(*set));
    assert_non_null(set);
    for (uint32_t i = 0; i < SIZE; i += 61) {
        bitset_put(set, SIZE, i, true);
        assert_int_equal(bitset_next(set, SIZE, 0), i);
        assert_int_equal(bitset_prev(set, SIZE, SIZE - 1), i);
        bitset_put(set, SIZE, i, false);
        assert_int_equal(bitset_next(set, SIZE, 0), SIZE);
        assert_int_equal(bitset_prev(set, SIZE, SIZE - 1), SIZE);
    }
    free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(neighbours_are_what_an_array_of_flags_says),
                                       cmocka_unit_test(a_lone_number_is_found_from_the_other_end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
