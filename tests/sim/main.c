/*
 * sim                                run every class, TAP on standard output
 * sim --scenario NAME [--seed S]     one class, or one run of it
 * sim --seconds N [--seed S]         fresh seeds of every class for N seconds
 *   --trace                          print every packet of the run
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sim.h"

enum { WATCHDOG_S = 60, REPORTS_MAX = 5, SAMPLE = 8 };

/* Sanitizers end by SIGABRT, so that the replay line is printed. A stale pointer is found as well with
 * little freed memory kept aside. */
const char *__asan_default_options(void) __attribute__((visibility("default")));
const char *__asan_default_options(void)
{
    return "abort_on_error=1:quarantine_size_mb=16:malloc_context_size=8";
}
const char *__ubsan_default_options(void) __attribute__((visibility("default")));
const char *__ubsan_default_options(void)
{
    return "abort_on_error=1:print_stacktrace=1";
}

static char replay[160];

/* The run died, or never ends. */
static void on_signal(int number)
{
    ssize_t n = write(STDOUT_FILENO, replay, strlen(replay));
    (void)number;
    (void)n;
    _exit(1);
}

struct totals {
    uint64_t worlds, conns, packets, failures, failed_conns;
    uint64_t slowest_us; /* from calm to the end of the last connection */
};

struct outcome {
    uint64_t hash, digest, streams;
    uint32_t iss[HOSTS];
};

static bool once(struct world *w, const struct setup *s, const uint64_t clock_us[HOSTS],
                 struct outcome *o)
{
    world_run(w, s, clock_us);
    *o = (struct outcome){w->hash, w->digest, 0, {w->iss[0], w->iss[1]}};
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
    bool good = once(w, s, clock_us, &o);
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
    good = once(w, s, clock_us, &o);
    world_free(w);
    if (!good || o.streams != first->streams) {
        snprintf(failure, size, "without super-segments: %s",
                 good ? "other streams" : w->failure);
    }
}

/* One run of one class. True if all oracles are content. */
static bool run_seed(const struct scenario *scenario, uint64_t seed, bool trace, bool sample,
                     struct totals *t)
{
    static struct world w;
    struct setup s;
    struct outcome o;
    struct rng r = rng_make(seed, 4);
    uint64_t clock_us[HOSTS] = {rng_log(&r, 1, (uint64_t)1 << 50), rng_log(&r, 1, 1 << 20)};
    char failure[sizeof(w.failure) + 64] = "";
    snprintf(replay, sizeof(replay),
             "not ok - died # replay: build/tests/sim --seed %llu --scenario %s\n",
             (unsigned long long)seed, scenario->name);
    alarm(WATCHDOG_S);
    scenario_setup(scenario, seed, &s);
    if (s.wrap) { /* a dry run tells the ISNs; clocks (4 us a step) then put them before 2^32 */
        once(&w, &s, clock_us, &o);
        world_free(&w);
        for (uint32_t i = 0; i < HOSTS; i++) {
            clock_us[i] += 4 * (uint64_t)(uint32_t)(0 - o.iss[i] - rng_u32(&r, 1, 100000));
        }
    }
    s.trace = trace;
    once(&w, &s, clock_us, &o);
    count(t, &w);
    world_free(&w);
    snprintf(failure, sizeof(failure), "%s", w.failed ? w.failure : "");
    if (failure[0] == '\0' && sample) {
        again(&w, &s, clock_us, &o, failure, sizeof(failure));
    }
    alarm(0);
    if (failure[0] != '\0') {
        t->failures++;
        printf("# %s seed %llu: %s\n", scenario->name, (unsigned long long)seed, failure);
        fflush(stdout);
    }
    return failure[0] == '\0';
}

/* One class; the seed of its first failure in *bad. */
static bool run_class(const struct scenario *scenario, uint64_t base, uint32_t worlds,
                      uint64_t *bad, struct totals *t)
{
    for (uint32_t i = 0; i < worlds && t->failures < REPORTS_MAX; i++) {
        if (!run_seed(scenario, base + i, false, i % SAMPLE == 0, t) && t->failures == 1) {
            *bad = base + i;
        }
    }
    return t->failures == 0;
}

static void add(struct totals *sum, const struct totals *t)
{
    sum->worlds += t->worlds;
    sum->conns += t->conns;
    sum->packets += t->packets;
    sum->failures += t->failures;
    sum->failed_conns += t->failed_conns;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int run_classes(const char *only, uint64_t base)
{
    struct totals sum = {0};
    double start = seconds();
    unsigned number = 0;
    for (size_t i = 0; i < scenario_count; i++) {
        const struct scenario *sc = &scenarios[i];
        struct totals t = {0};
        uint64_t bad = 0;
        double from = seconds();
        if (only != NULL && strcmp(only, sc->name) != 0) {
            continue;
        }
        bool good = run_class(sc, base, sc->worlds, &bad, &t);
        printf("%sok %u - %s", good ? "" : "not ", ++number, sc->sentence);
        if (!good) {
            printf(" # replay: build/tests/sim --seed %llu --scenario %s", (unsigned long long)bad,
                   sc->name);
        }
        printf("\n# %s: %llu runs, %llu connections (%llu failed), %llu packets, last one over %.1f"
               " s after the faults, %.1f s\n", sc->name, (unsigned long long)t.worlds,
               (unsigned long long)t.conns, (unsigned long long)t.failed_conns,
               (unsigned long long)t.packets, (double)t.slowest_us / 1e6, seconds() - from);
        fflush(stdout);
        add(&sum, &t);
    }
    printf("1..%u\n# %llu connections in %llu runs, %llu packets, %llu runs failed, %.1f s\n",
           number, (unsigned long long)sum.conns, (unsigned long long)sum.worlds,
           (unsigned long long)sum.packets, (unsigned long long)sum.failures, seconds() - start);
    if (number == 0) {
        fprintf(stderr, "no such scenario\n");
    }
    return sum.failures != 0 || number == 0;
}

static int run_seconds(double length, uint64_t base, const char *only)
{
    struct totals sum = {0};
    double start = seconds();
    printf("# base seed %llu\n", (unsigned long long)base);
    for (uint64_t seed = base; seconds() - start < length; seed++) {
        for (size_t i = 0; i < scenario_count && seconds() - start < length; i++) {
            if (only != NULL && strcmp(only, scenarios[i].name) != 0) {
                continue;
            }
            if (!run_seed(&scenarios[i], seed, false, seed % SAMPLE == 0, &sum)) {
                printf("not ok - %s # replay: build/tests/sim --seed %llu --scenario %s\n",
                       scenarios[i].sentence, (unsigned long long)seed, scenarios[i].name);
            }
        }
    }
    printf("# %llu connections in %llu runs, %llu runs failed\n", (unsigned long long)sum.conns,
           (unsigned long long)sum.worlds, (unsigned long long)sum.failures);
    return sum.failures != 0;
}

static int run_one(const char *name, uint64_t seed, bool trace)
{
    struct totals t = {0};
    for (size_t i = 0; i < scenario_count; i++) {
        if (strcmp(name, scenarios[i].name) == 0) {
            bool good = run_seed(&scenarios[i], seed, trace, true, &t);
            printf("%sok 1 - %s (%llu connections, %llu packets)%s\n1..1\n", good ? "" : "not ",
                   scenarios[i].sentence, (unsigned long long)t.conns,
                   (unsigned long long)t.packets, good ? "" : " # this is the replay");
            return !good;
        }
    }
    fprintf(stderr, "no such scenario: %s\n", name);
    return 2;
}

static int usage(void)
{
    fprintf(stderr, "usage: sim [--scenario NAME] [--seed S] [--trace] [--seconds N]\nscenarios:");
    for (size_t i = 0; i < scenario_count; i++) {
        fprintf(stderr, " %s", scenarios[i].name);
    }
    fputc('\n', stderr);
    return 2;
}

int main(int argc, char **argv)
{
    const char *name = NULL, *seed = NULL, *length = NULL;
    bool trace = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--trace") == 0) {
            trace = true;
        } else if (i + 1 < argc && strcmp(argv[i], "--scenario") == 0) {
            name = argv[++i];
        } else if (i + 1 < argc && strcmp(argv[i], "--seed") == 0) {
            seed = argv[++i];
        } else if (i + 1 < argc && strcmp(argv[i], "--seconds") == 0) {
            length = argv[++i];
        } else {
            return usage();
        }
    }
    signal(SIGALRM, on_signal);
    signal(SIGABRT, on_signal);
    uint64_t number = seed != NULL ? strtoull(seed, NULL, 10) : 1;
    if (length != NULL) {
        uint64_t base = seed != NULL ? number : (uint64_t)time(NULL) * 1000;
        return run_seconds(strtod(length, NULL), base, name);
    }
    return name != NULL && seed != NULL ? run_one(name, number, trace) : run_classes(name, number);
}
