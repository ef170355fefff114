/* RFC 1071 against a reference that sums a 16-bit word at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/exact.h"
#include "wire/checksum.h"

static uint16_t reference(const uint8_t *p, size_t len)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i++) {
        sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)sum;
}

static uint16_t whole(const uint8_t *p, size_t len)
{
    struct checksum c = checksum_start();
    checksum_add(&c, p, len);
    assert_int_equal(c.len, len);
    return checksum_fold(&c);
}

static void fill(uint8_t *p, size_t len, uint32_t seed)
{
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)(random_next(&seed) >> 11);
}

/* 1071-1, P14, P16, G235 */
static void every_length_and_alignment_sums_as_the_reference(void **state)
{
    (void)state;
    for (size_t alignment = 0; alignment < 8; alignment++)
        for (size_t len = 0; len <= 1600; len++) {
            uint8_t *block = malloc(alignment + len + 1);
            assert_non_null(block);
            fill(block, alignment + len, (uint32_t)(1 + alignment * 2000 + len));
            uint8_t *exact = exact_copy(block, alignment + len);
            assert_int_equal(whole(exact + alignment, len), reference(exact + alignment, len));
            free(exact);
            free(block);
        }
}

/* P14 */
static void any_split_into_chunks_gives_the_same_sum(void **state)
{
    (void)state;
    uint8_t data[1501];
    uint32_t seed = 77;
    for (int round = 0; round < 4000; round++) {
        size_t len = 1 + random_next(&seed) % sizeof data;
        fill(data, len, seed);
        unsigned chunks = 2 + (unsigned)round % 8;
        struct checksum c = checksum_start();
        size_t at = 0;
        for (unsigned i = 0; i + 1 < chunks; i++) {
            size_t take = random_next(&seed) % (len - at + 1) / 2 | 1;
            if (take > len - at)
                take = len - at;
            checksum_add(&c, data + at, take);
            at += take;
        }
        checksum_add(&c, data + at, len - at);
        assert_int_equal(checksum_fold(&c), reference(data, len));
    }
}

static void one_byte_at_a_time_is_the_same_too(void **state)
{
    (void)state;
    uint8_t data[257];
    fill(data, sizeof data, 5);
    struct checksum c = checksum_start();
    for (size_t i = 0; i < sizeof data; i++) {
        checksum_add(&c, data + i, 1);
        assert_int_equal(checksum_fold(&c), reference(data, i + 1));
    }
}

/* P14 */
static void carries_run_through_the_whole_chain(void **state)
{
    (void)state;
    static uint8_t ones[65536];
    memset(ones, 0xff, sizeof ones);
    for (size_t len = 1; len <= 300; len++)
        assert_int_equal(whole(ones, len), reference(ones, len));
    assert_int_equal(whole(ones, sizeof ones), 0xffff);

    /* and one more on top of a full accumulator, at every place of a stride */
    for (size_t i = 0; i < 128; i++) {
        ones[i] = 0;
        assert_int_equal(whole(ones, 136), reference(ones, 136));
        ones[i] = 0xff;
    }
    struct checksum c = checksum_start();
    for (int i = 0; i < 100000; i++)
        checksum_add(&c, ones, 3);
    assert_int_equal(checksum_fold(&c), 0xffff);
}

/* P14 */
static void zeros_sum_to_plus_zero_and_their_field_is_ffff(void **state)
{
    (void)state;
    const uint8_t zeros[100] = {0};
    struct checksum c = checksum_start();
    checksum_add(&c, zeros, sizeof zeros);
    assert_int_equal(checksum_fold(&c), 0);
    assert_int_equal(checksum_field(&c), 0xffff);
}

/* P14 */
static void a_field_of_zero_is_right_when_the_rest_sums_to_ffff(void **state)
{
    (void)state;
    uint8_t data[] = {0xff, 0xf0, 0x00, 0x0f, 0, 0};
    struct checksum c = checksum_start();
    checksum_add(&c, data, sizeof data);
    assert_int_equal(checksum_fold(&c), 0xffff);
    assert_int_equal(checksum_field(&c), 0);
    assert_true(checksum_ok(&c));
    /* the other zero of ones' complement is as good */
    data[4] = data[5] = 0xff;
    c = checksum_start();
    checksum_add(&c, data, sizeof data);
    assert_true(checksum_ok(&c));
}

static void the_field_makes_the_sum_right_and_any_flipped_bit_wrong(void **state)
{
    (void)state;
    uint8_t data[61];
    fill(data, sizeof data, 9);
    data[10] = data[11] = 0;
    struct checksum c = checksum_start();
    checksum_add(&c, data, sizeof data);
    uint16_t field = checksum_field(&c);
    data[10] = (uint8_t)(field >> 8);
    data[11] = (uint8_t)field;
    for (unsigned bit = 0; bit <= sizeof data * 8; bit++) {
        if (bit < sizeof data * 8)
            data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        c = checksum_start();
        checksum_add(&c, data, sizeof data);
        assert_int_equal(checksum_ok(&c), bit == sizeof data * 8);
        if (bit < sizeof data * 8)
            data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void the_pseudo_header_counts_as_its_twelve_bytes(void **state)
{
    (void)state;
    const uint8_t bytes[12] = {192, 0, 2, 1, 198, 51, 100, 255, 0, 6, 0xfe, 0xdc};
    struct checksum c = checksum_start();
    checksum_add_pseudo(&c, (ip4_addr){0xc0000201}, (ip4_addr){0xc63364ff}, 6, 0xfedc);
    assert_int_equal(checksum_fold(&c), reference(bytes, sizeof bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_and_alignment_sums_as_the_reference),
        cmocka_unit_test(any_split_into_chunks_gives_the_same_sum),
        cmocka_unit_test(one_byte_at_a_time_is_the_same_too),
        cmocka_unit_test(carries_run_through_the_whole_chain),
        cmocka_unit_test(zeros_sum_to_plus_zero_and_their_field_is_ffff),
        cmocka_unit_test(a_field_of_zero_is_right_when_the_rest_sums_to_ffff),
        cmocka_unit_test(the_field_makes_the_sum_right_and_any_flipped_bit_wrong),
        cmocka_unit_test(the_pseudo_header_counts_as_its_twelve_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
