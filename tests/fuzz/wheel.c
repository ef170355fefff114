/* Fuzz target: the timer wheel beside a list that is kept sorted. */
#include <string.h>

#include "fuzz/lib/fuzz.h"
#include "util/wheel.h"

enum { TIMERS = 40, STEPS_MAX = 300 };

struct world {
    struct wheel wheel;
    uint64_t now_us;
    struct wheel_timer timer[TIMERS];
    struct wheel_timer *sorted[TIMERS]; /* as they will pop */
    uint64_t due_us[TIMERS];            /* of sorted[] */
    unsigned count;
};

static void model_cancel(struct world *w, const struct wheel_timer *t)
{
    for (unsigned i = 0; i < w->count; i++) {
        if (w->sorted[i] != t)
            continue;
        w->count--;
        memmove(w->sorted + i, w->sorted + i + 1, (w->count - i) * sizeof(w->sorted[0]));
        memmove(w->due_us + i, w->due_us + i + 1, (w->count - i) * sizeof(w->due_us[0]));
    }
}

static void model_set(struct world *w, struct wheel_timer *t, uint64_t due_us)
{
    unsigned i = w->count;
    if (due_us < w->now_us)
        due_us = w->now_us;
    for (; i > 0 && w->due_us[i - 1] > due_us; i--) {
        w->sorted[i] = w->sorted[i - 1];
        w->due_us[i] = w->due_us[i - 1];
    }
    w->sorted[i] = t;
    w->due_us[i] = due_us;
    w->count++;
}

static void pop(struct world *w, uint64_t now_us)
{
    struct wheel_timer *got = wheel_pop(&w->wheel, now_us), *want = NULL;
    if (now_us > w->now_us)
        w->now_us = now_us;
    if (w->count && w->due_us[0] <= w->now_us)
        want = w->sorted[0];
    CHECK(got == want, "popped another than the first");
    if (got)
        model_cancel(w, got);
}

/* U11: as many are armed as were set and neither popped nor cancelled. */
static void check(const struct world *w)
{
    uint64_t next_us = wheel_next(&w->wheel);
    CHECK((next_us == WHEEL_NEVER) == (w->count == 0), "next is never, or is not");
    bool due = w->count && w->due_us[0] <= w->now_us;
    CHECK((next_us == w->now_us) == due || w->count == 0, "now, and nothing is due");
    CHECK(w->count == 0 || due || next_us <= w->due_us[0], "next is late");
    unsigned armed = 0;
    for (unsigned i = 0; i < TIMERS; i++)
        armed += wheel_armed(&w->timer[i]);
    CHECK(armed == w->count, "%u armed instead of %u", armed, w->count);
}

/* Any distance: a few bits at any place. */
static uint64_t take_time(struct input *in)
{
    uint8_t shift = take8(in) % 64;
    return (uint64_t)take8(in) << shift;
}

static void step(struct world *w, struct input *in)
{
    uint8_t what = take8(in);
    struct wheel_timer *t = &w->timer[what / 4 % TIMERS];
    uint64_t due_us;
    switch (what % 4) {
    case 0:
        wheel_cancel(&w->wheel, t);
        model_cancel(w, t);
        break;
    case 1:
        due_us = w->now_us + take_time(in); /* it may wrap into the past */
        wheel_set(&w->wheel, t, due_us);
        model_cancel(w, t);
        if (due_us != WHEEL_NEVER)
            model_set(w, t, due_us);
        break;
    case 2:
        due_us = take8(in);
        pop(w, w->now_us > due_us ? w->now_us - due_us : 0);
        break;
    default:
        due_us = what & 128 ? wheel_next(&w->wheel) : w->now_us + take_time(in);
        if (due_us != WHEEL_NEVER)
            pop(w, due_us);
    }
    check(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct input in = {data, len};
    static struct world world;
    struct world *w = &world;
    *w = (struct world){.now_us = take_time(&in)};
    wheel_init(&w->wheel, w->now_us);
    for (unsigned i = 0; i < STEPS_MAX && in.left; i++)
        step(w, &in);
    while (w->count)
        pop(w, UINT64_MAX - 1);
    CHECK(wheel_next(&w->wheel) == WHEEL_NEVER, "an empty wheel has a deadline");
    return 0;
}
