/* mytcp-link: what the models of loss come to over many packets. */
#include "../../tools/mytcp-link/loss.c" /* a program's part: it is in no library */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { PACKETS = 1000000 };

struct run {
    unsigned lost, bursts;
};

static struct run run(struct loss loss, uint64_t seed)
{
    struct chance chance = {seed};
    struct run run = {0, 0};
    bool before = false;
    for (int i = 0; i < PACKETS; i++) {
        bool lost = loss_next(&loss, &chance);
        run.lost += lost;
        run.bursts += lost && !before;
        before = lost;
    }
    return run;
}

static void random_loss_keeps_its_share_and_is_independent(void **state)
{
    struct run one = run((struct loss){.random = 0.01}, 1);
    (void)state;
    assert_in_range(one.lost, 9700, 10300);
    assert_in_range(one.bursts, one.lost * 98 / 100, one.lost * 100 / 100);
}

static void the_same_seed_loses_the_same_and_another_does_not(void **state)
{
    struct loss loss = {.random = 0.5};
    (void)state;
    assert_int_equal(run(loss, 7).lost, run(loss, 7).lost);
    assert_int_not_equal(run(loss, 7).lost, run(loss, 8).lost);
}

/* Bad for p / (p + r) of the time, for 1 / r packets at a time. */
static void gilbert_elliott_loses_in_bursts(void **state)
{
    struct loss loss = {.to_bad = 0.01, .to_good = 0.25, .in_bad = 1, .in_good = 0};
    struct run one = run(loss, 1);
    (void)state;
    assert_in_range(one.lost, 36500, 40500); /* 1 / 26 is 38,462 */
    assert_in_range(one.lost * 100 / one.bursts, 380, 420);
}

static void gilbert_elliott_may_lose_in_the_good_state_and_pass_in_the_bad(void **state)
{
    struct loss loss = {.to_bad = 0.1, .to_good = 0.1, .in_bad = 0.5, .in_good = 0.1};
    (void)state;
    assert_in_range(run(loss, 1).lost, 296000, 304000);
}

static void each_nth_is_lost(void **state)
{
    struct loss loss = {.every = 3};
    struct chance chance = {1};
    (void)state;
    for (int i = 1; i <= 12; i++)
        assert_int_equal(loss_next(&loss, &chance), i % 3 == 0);
}

static void models_add_up(void **state)
{
    (void)state;
    assert_in_range(run((struct loss){.random = 0.1, .every = 10}, 1).lost, 188500, 191500);
}

static void without_a_model_nothing_is_lost(void **state)
{
    (void)state;
    assert_int_equal(run((struct loss){.random = 0}, 1).lost, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_loss_keeps_its_share_and_is_independent),
        cmocka_unit_test(the_same_seed_loses_the_same_and_another_does_not),
        cmocka_unit_test(gilbert_elliott_loses_in_bursts),
        cmocka_unit_test(gilbert_elliott_may_lose_in_the_good_state_and_pass_in_the_bad),
        cmocka_unit_test(each_nth_is_lost),
        cmocka_unit_test(models_add_up),
        cmocka_unit_test(without_a_model_nothing_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
