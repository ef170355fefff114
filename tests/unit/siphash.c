#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/random.h"
#include "util/siphash.h"

/* SipHash-2-4 with key 00..0f of the first 0 to 63 bytes of 00, 01, 02, ... */
static const uint64_t reference[64] = {
    0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d,
    0xcf2794e0277187b7, 0x18765564cd99a68d, 0xcbc9466e58fee3ce, 0xab0200f58b01d137,
    0x93f5f5799a932462, 0x9e0082df0ba9e4b0, 0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
    0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee, 0xa129ca6149be45e5,
    0x3f2acc7f57c29bdb, 0x699ae9f52cbe4794, 0x4bc1b3f0968dd39c, 0xbb6dc91da77961bd,
    0xbed65cf21aa2ee98, 0xd0f2cbb02e3b67c7, 0x93536795e3a33e88, 0xa80c038ccd5ccec8,
    0xb8ad50c6f649af94, 0xbce192de8a85b8ea, 0x17d835b85bbb15f3, 0x2f2e6163076bcfad,
    0xde4daaaca71dc9a5, 0xa6a2506687956571, 0xad87a3535c49ef28, 0x32d892fad841c342,
    0x7127512f72f27cce, 0xa7f32346f95978e3, 0x12e0b01abb051238, 0x15e034d40fa197ae,
    0x314dffbe0815a3b4, 0x027990f029623981, 0xcadcd4e59ef40c4d, 0x9abfd8766a33735c,
    0x0e3ea96b5304a7d0, 0xad0c42d6fc585992, 0x187306c89bc215a9, 0xd4a60abcf3792b95,
    0xf935451de4f21df2, 0xa9538f0419755787, 0xdb9acddff56ca510, 0xd06c98cd5c0975eb,
    0xe612a3cb9ecba951, 0xc766e62cfcadaf96, 0xee64435a9752fe72, 0xa192d576b245165a,
    0x0a8787bf8ecb74b2, 0x81b3e73d20b49b6f, 0x7fa8220ba3b2ecea, 0x245731c13ca42499,
    0xb78dbfaf3a8d83bd, 0xea1ad565322a1a0b, 0x60e61c23a3795013, 0x6606d7e446282b93,
    0x6ca4ecb15c5f91e1, 0x9f626da15c9625f3, 0xe51b38608ef25f57, 0x958a324ceb064572,
};

static struct siphash_key reference_key(void)
{
    uint8_t bytes[16];
    for (uint8_t i = 0; i < sizeof bytes; i++)
        bytes[i] = i;
    return siphash_key_load(bytes);
}

static void the_key_is_loaded_little_endian(void **state)
{
    (void)state;
    struct siphash_key key = reference_key();
    assert_true(key.k0 == UINT64_C(0x0706050403020100));
    assert_true(key.k1 == UINT64_C(0x0f0e0d0c0b0a0908));
}

static void the_example_of_the_paper_comes_out(void **state)
{
    (void)state;
    struct siphash_key key = reference_key();
    uint8_t input[15];
    for (uint8_t i = 0; i < sizeof input; i++)
        input[i] = i;
    assert_true(siphash(&key, input, sizeof input) == UINT64_C(0xa129ca6149be45e5));
}

static void all_reference_vectors_come_out_at_any_alignment(void **state)
{
    (void)state;
    struct siphash_key key = reference_key();
    uint8_t room[64 + 8];
    for (size_t shift = 0; shift < 8; shift++) {
        for (uint8_t i = 0; i < 64; i++)
            room[shift + i] = i;
        for (size_t len = 0; len < 64; len++)
            assert_true(siphash(&key, room + shift, len) == reference[len]);
    }
}

static void three_words_hash_as_their_little_endian_bytes(void **state)
{
    (void)state;
    struct random r = {1};
    for (int i = 0; i < 1000; i++) {
        struct siphash_key key = {random_u64(&r), random_u64(&r)};
        uint32_t words[3];
        uint8_t bytes[12];
        for (unsigned j = 0; j < 12; j++) {
            if (j % 4 == 0)
                words[j / 4] = (uint32_t)random_u64(&r);
            bytes[j] = (uint8_t)(words[j / 4] >> (8 * (j % 4)));
        }
        assert_true(siphash_3u32(&key, words[0], words[1], words[2]) ==
                    siphash(&key, bytes, sizeof bytes));
    }
}

static void every_bit_of_key_and_input_changes_the_hash(void **state)
{
    (void)state;
    struct siphash_key key = reference_key();
    uint64_t plain = siphash_3u32(&key, 1, 2, 3);
    for (unsigned bit = 0; bit < 64; bit++) {
        struct siphash_key other0 = {key.k0 ^ UINT64_C(1) << bit, key.k1};
        struct siphash_key other1 = {key.k0, key.k1 ^ UINT64_C(1) << bit};
        assert_true(siphash_3u32(&other0, 1, 2, 3) != plain);
        assert_true(siphash_3u32(&other1, 1, 2, 3) != plain);
    }
    for (unsigned bit = 0; bit < 32; bit++) {
        assert_true(siphash_3u32(&key, 1 ^ UINT32_C(1) << bit, 2, 3) != plain);
        assert_true(siphash_3u32(&key, 1, 2 ^ UINT32_C(1) << bit, 3) != plain);
        assert_true(siphash_3u32(&key, 1, 2, 3 ^ UINT32_C(1) << bit) != plain);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_key_is_loaded_little_endian),
        cmocka_unit_test(the_example_of_the_paper_comes_out),
        cmocka_unit_test(all_reference_vectors_come_out_at_any_alignment),
        cmocka_unit_test(three_words_hash_as_their_little_endian_bytes),
        cmocka_unit_test(every_bit_of_key_and_input_changes_the_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
