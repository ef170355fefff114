/* One seed of one class: a run, and sometimes the same again otherwise. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run.h"

enum { WATCHDOG_S = 60 };

static char death[160];

/* The run died, or never ends. */
static void on_signal(int number)
{
    ssize_t n = write(STDOUT_FILENO, death, strlen(death));
    (void)number;
    (void)n;
    _exit(1);
}

void run_signals(void)
{
    signal(SIGALRM, on_signal);
    signal(SIGABRT, on_signal);
    signal(SIGSEGV, on_signal);
}

void run_guard(const char *replay)
{
    snprintf(death, sizeof(death), "not ok - died # replay: build/tests/sim %s\n", replay);
    alarm(WATCHDOG_S);
}

bool run_once(struct world *w, const struct setup *s, const uint64_t clock_us[HOSTS], struct outcome *o)
{
    world_run(w, s, clock_us);
    *o = (struct outcome){w->hash, w->shape, w->digest, 0, {w->iss[0], w->iss[1]}};
    for (uint32_t i = 0; i < s->conns; i++) {
        for (uint32_t side = 0; side < 2; side++) {
            o->streams = rng_mix(o->streams ^ w->conns[i].end[side].received);
        }
    }
    for (uint32_t i = 0; i < HOSTS && !w->failed; i++) {
        o->digest = rng_mix(o->digest ^ mytcp_digest(w->host[i].stack));
    }
    return !w->failed;
}

static void count(struct totals *t, const struct world *w)
{
    t->worlds++;
    t->conns += w->setup->conns;
    t->packets += w->packets;
    for (uint32_t i = 0; i < w->setup->conns; i++) {
        t->failed_conns += w->conns[i].end[0].error != 0 || w->conns[i].end[1].error != 0;
    }
    if (w->finished_us > w->calm_us && w->finished_us - w->calm_us > t->slowest_us) {
        t->slowest_us = w->finished_us - w->calm_us;
    }
}

/* Run again: the same seed gives the same packets, and without super-segments the same streams. */
static void again(struct world *w, struct setup *s, const uint64_t clock_us[HOSTS],
                  const struct outcome *first, char *failure, size_t size)
{
    struct outcome o;
    s->trace = false;
    bool good = run_once(w, s, clock_us, &o);
    world_free(w);
    if (!good || o.hash != first->hash || o.digest != first->digest) {
        snprintf(failure, size, "the second run of the same seed differs: %s",
                 good ? o.hash != first->hash ? "packets" : "digest" : w->failure);
        return;
    }
    if (s->fragile || s->rude_ppm != 0) {
        return;
    }
    for (uint32_t i = 0; i < HOSTS; i++) {
        s->config[i].gso_max_bytes = 0;
    }
    good = run_once(w, s, clock_us, &o);
    world_free(w);
    if (!good || o.streams != first->streams) {
        snprintf(failure, size, "without super-segments: %s",
                 good ? "other streams" : w->failure);
    }
}

/* What the seed draws, without what is taken out. */
static void draw(const struct scenario *scenario, uint64_t seed, const struct less *less, struct world *w,
                 struct setup *s, uint64_t clock_us[HOSTS])
{
    struct rng r = rng_make(seed, 4);
    struct outcome o;
    clock_us[0] = rng_log(&r, 1, (uint64_t)1 << 50);
    clock_us[1] = rng_log(&r, 1, 1 << 20);
    scenario_setup(scenario, seed, s);
    if (less != NULL) {
        s->less = less;
        less_setup(less, s);
    }
    if (s->wrap) { /* a dry run tells the ISNs; clocks (4 us a step) then put them before 2^32 */
        run_once(w, s, clock_us, &o);
        world_free(w);
        for (uint32_t i = 0; i < HOSTS; i++) {
            clock_us[i] += 4 * (uint64_t)(uint32_t)(0 - o.iss[i] - rng_u32(&r, 1, 100000));
        }
    }
}

void run_reduced(const struct scenario *scenario, uint64_t seed, const struct less *less, struct world *w,
                 bool journal)
{
    struct setup s;
    struct outcome o;
    uint64_t clock_us[HOSTS];
    draw(scenario, seed, less, w, &s, clock_us);
    s.journal = journal;
    run_once(w, &s, clock_us, &o);
    world_free(w);
}

bool run_seed(const struct scenario *scenario, uint64_t seed, bool trace, bool sample,
              struct totals *t)
{
    static struct world w;
    struct setup s;
    struct outcome o;
    uint64_t clock_us[HOSTS];
    char failure[sizeof(w.failure) + 64] = "";
    char replay[80];
    snprintf(replay, sizeof(replay), "--seed %llu --scenario %s", (unsigned long long)seed,
             scenario->name);
    run_guard(replay);
    draw(scenario, seed, NULL, &w, &s, clock_us);
    s.trace = trace;
    run_once(&w, &s, clock_us, &o);
    count(t, &w);
    world_free(&w);
    snprintf(failure, sizeof(failure), "%s", w.failed ? w.failure : "");
    if (failure[0] == '\0' && sample) {
        again(&w, &s, clock_us, &o, failure, sizeof(failure));
    }
    alarm(0);
    if (failure[0] != '\0') {
        t->bad_seed = t->failures++ == 0 ? seed : t->bad_seed;
        printf("# %s seed %llu: %s\n", scenario->name, (unsigned long long)seed, failure);
        fflush(stdout);
    }
    return failure[0] == '\0';
}

