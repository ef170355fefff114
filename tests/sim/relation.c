/* Metamorphic relations: a run changed in a way that must not matter delivers the same streams, or
 * is the same packet for packet. */
#include <stdlib.h>
#include <string.h>

#include "run.h"

struct relation {
    const char *sentence;
    bool same_packets; /* all that can be told of them; else the streams are the same */
    void (*change)(struct setup *s, uint64_t clock_us[HOSTS], const struct outcome *first);
};

/* Every 4 us of clock is one number on; to as little before 2^32 as comes. Only in whole steps, since
 * some things go by the clock's phase: timestamps by the millisecond (a cookie's by 64), challenge
 * ACKs by the second, cookies by 64 s, the periods of the least round-trip time by 600 s. */
static void shift_numbers(struct setup *s, uint64_t clock_us[HOSTS], const struct outcome *first)
{
    const uint64_t step_us = 4800ull * SECOND; /* the least that all of these divide */
    (void)s;
    for (uint32_t i = 0; i < HOSTS; i++) {
        uint64_t best = 0, best_left = UINT64_MAX;
        for (uint64_t k = 1; k <= 40000; k++) {
            uint32_t left = 0 - first->iss[i] - (uint32_t)(k * step_us / 4);
            if (left < best_left) {
                best = k;
                best_left = left;
            }
        }
        clock_us[i] += best * step_us;
    }
}

static void no_super_segments(struct setup *s, uint64_t clock_us[HOSTS], const struct outcome *first)
{
    (void)clock_us, (void)first;
    s->config[0].gso_max_bytes = s->config[1].gso_max_bytes = 0;
}

static void split_writes(struct setup *s, uint64_t clock_us[HOSTS], const struct outcome *first)
{
    (void)clock_us, (void)first;
    s->write_num = 1;
    s->write_den = 7;
}

static void merge_writes(struct setup *s, uint64_t clock_us[HOSTS], const struct outcome *first)
{
    (void)clock_us, (void)first;
    s->write_num = 50;
    s->write_den = 1;
}

static void double_packets(struct setup *s, uint64_t clock_us[HOSTS], const struct outcome *first)
{
    (void)clock_us, (void)first;
    s->faults.dup_ppm = 1000000;
    s->flood_us = 0;
    for (uint32_t i = 0; i < HOSTS; i++) { /* a cookie that comes twice conjures up a second connection */
        s->config[i].syn_cookies = 0;
        s->config[i].syn_queue_max = 4096;
    }
}

static void swap_roles(struct setup *s, uint64_t clock_us[HOSTS], const struct outcome *first)
{
    (void)clock_us, (void)first;
    s->swapped = true;
}

static void slow_time(struct setup *s, uint64_t clock_us[HOSTS], const struct outcome *first)
{
    struct faults *f = &s->faults;
    (void)clock_us, (void)first;
    f->delay_us *= 3;
    f->jitter_us *= 3;
    f->reorder_us *= 3;
    f->rate_bytes_per_s = (f->rate_bytes_per_s + 2) / 3;
    for (uint32_t i = 0; i < s->phase_count; i++) {
        s->phases[i].time_us *= 3;
    }
    s->spread_us *= 3;
    s->calm_us *= 3;
    s->grace_us *= 3;
}

static const struct relation RELATIONS[] = {
    {"the packets are the same with shifted clocks and sequence numbers", true, shift_numbers},
    {"the streams are the same without super-segments", false, no_super_segments},
    {"the streams are the same when writes are split", false, split_writes},
    {"the streams are the same when writes are merged", false, merge_writes},
    {"the streams are the same when every packet comes twice", false, double_packets},
    {"the streams are the same when clients and servers change places", false, swap_roles},
    {"the streams are the same when all times are three times as long", false, slow_time},
};

/* Does the relation hold for a seed of a class? */
static bool holds(const struct relation *r, const struct scenario *scenario, uint64_t seed)
{
    static struct world w;
    struct setup s;
    struct outcome first, second;
    uint64_t clock_us[HOSTS] = {1000 * MS, 2000 * MS};
    const char *why = NULL;
    scenario_setup(scenario, seed, &s);
    if (!r->same_packets && (s.fragile || s.rude_ppm != 0 || s.wrap)) {
        return true; /* there is no one stream that it must deliver */
    }
    bool good = run_once(&w, &s, clock_us, &first);
    world_free(&w);
    if (good) {
        r->change(&s, clock_us, &first);
        good = run_once(&w, &s, clock_us, &second);
        world_free(&w);
    }
    if (!good) {
        why = w.failure;
    } else if (first.streams != second.streams) {
        why = "other streams";
    } else if (r->same_packets && first.shape != second.shape) {
        why = "other packets";
    }
    if (why != NULL) {
        printf("# %s seed %llu: %s\n", scenario->name, (unsigned long long)seed, why);
    }
    return why == NULL;
}

int relations_main(uint64_t seeds)
{
    unsigned failed = 0, count = sizeof(RELATIONS) / sizeof(RELATIONS[0]);
    for (unsigned i = 0; i < count; i++) {
        unsigned wrong = 0;
        for (uint64_t seed = 101; seed < 101 + seeds && wrong < 3; seed++) { /* of short transfers */
            for (size_t class = 0; class < scenario_count && wrong < 3; class++) {
                wrong += !holds(&RELATIONS[i], &scenarios[class], seed);
            }
        }
        printf("%sok %u - %s\n", wrong == 0 ? "" : "not ", i + 1, RELATIONS[i].sentence);
        fflush(stdout);
        failed += wrong != 0;
    }
    printf("1..%u\n", count);
    return failed != 0;
}
