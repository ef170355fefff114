/* SYN cookies: what of the peer's MSS comes back. Their life is in tests/wire/test_syn_cookies.c. */
#include "tcp/isn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static uint16_t comes_back(uint16_t mss)
{
    static const uint8_t entropy[32] = {1, 2, 3};
    struct isn_keys keys;
    struct isn_tuple tuple = {.local_port = 80, .peer_port = 4000};
    uint16_t back = 0;
    isn_keys_init(&keys, entropy);
    seq_t cookie = cookie_make(&keys, &tuple, seq_of(7), mss, 1000000);
    assert_true(cookie_check(&keys, &tuple, seq_of(7), cookie, 2000000, &back));
    return back;
}

static void the_mss_is_the_next_below_that_a_cookie_can_say_or_the_least(void **state)
{
    static const uint16_t mss[][2] = {{8, 88},      {87, 88},     {88, 88},     {535, 88},   {536, 536},
                                      {1459, 1440}, {1460, 1460}, {8959, 1460}, {8960, 8960}, {65535, 8960}};
    (void)state;
    for (unsigned i = 0; i < sizeof(mss) / sizeof(mss[0]); i++)
        assert_int_equal(comes_back(mss[i][0]), mss[i][1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mss_is_the_next_below_that_a_cookie_can_say_or_the_least),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
