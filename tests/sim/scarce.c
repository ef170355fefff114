/*
 * Every allocation fails: a small run of each class is made once to count the allocations of both hosts, then
 * twice for each of them: with that one failing, and with it and all that follow failing for a while. Beyond
 * what is true of every run, a connection may fail only by connect() that says ENOBUFS or ENOMEM: whatever
 * else finds no memory is a loss that TCP makes good, or a call that may be made again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run.h"

enum { REPORTS_MAX = 3, CLASSES_MAX = 64, LONGEST_US = 20 * SECOND };

struct tally {
    uint64_t seeds, allocs, runs, refused, failures;
};

/* The class's run as the seed draws it, but with few bytes of few connections. */
static void draw(const struct scenario *scenario, uint64_t seed, struct setup *s)
{
    scenario_setup(scenario, seed, s);
    struct rng r = rng_make(s->seed, 6);
    uint32_t most = s->chained ? CHAINS + 2 : rng_u32(&r, 1, 3);
    s->conns = s->conns < most ? s->conns : most;
    s->bytes_max = rng_log(&r, 500, 30000);
    s->scarce = !s->fragile && !s->cookies; /* nobody remembers a lost third ACK then */
    s->fragile = true;
    s->alloc_fail_ppm = 0;
}

/* One run in which allocation k is the first that fails; returns how many there were. */
static uint64_t run(const struct scenario *scenario, uint64_t seed, uint64_t k, bool once, bool trace,
                    struct tally *t)
{
    static struct world w;
    static const uint64_t CLOCK_US[HOSTS] = {1000 * MS, 2000 * MS};
    struct setup s;
    struct outcome o;
    struct rng r = rng_make(seed, k);
    char replay[120];
    draw(scenario, seed, &s);
    s.trace = trace;
    s.alloc_fail_from = k;
    s.alloc_fail_us = once ? 0 : rng_log(&r, 1, LONGEST_US);
    snprintf(replay, sizeof(replay), "scarce --scenario %s --seed %llu %s %llu", scenario->name,
             (unsigned long long)seed, once ? "--once" : "--from", (unsigned long long)k);
    run_guard(replay);
    run_once(&w, &s, CLOCK_US, &o);
    for (uint32_t i = 0; i < s.conns; i++) {
        t->refused += w.conns[i].end[0].error != 0 || w.conns[i].end[1].error != 0;
    }
    world_free(&w);
    t->runs++;
    t->failures += w.failed;
    if (w.failed) {
        printf("# %s\n# replay: build/tests/sim %s\n", w.failure, replay);
        fflush(stdout);
    }
    return w.allocs;
}

static void every_allocation(const struct scenario *scenario, uint64_t seed, struct tally *t)
{
    uint64_t count = run(scenario, seed, UINT64_MAX, true, false, t);
    t->seeds++;
    t->allocs += count;
    for (uint64_t k = 1; k <= count && t->failures < REPORTS_MAX; k++) {
        run(scenario, seed, k, true, false, t);
        run(scenario, seed, k, false, false, t);
    }
}

static void work(struct tally *tallies, uint64_t seeds, uint32_t first, uint32_t jobs)
{
    run_signals();
    for (uint64_t i = first; i < seeds; i += jobs) {
        size_t class = i % scenario_count;
        if (tallies[class].failures < REPORTS_MAX) {
            every_allocation(&scenarios[class], 101 + i / scenario_count, &tallies[class]);
        }
    }
}

/* Processes that share nothing but where they count; true if all of them live to the end. */
static bool work_side_by_side(struct tally tallies[][CLASSES_MAX], uint64_t seeds, uint32_t jobs)
{
    bool good = true;
    fflush(stdout);
    for (uint32_t i = 0; i < jobs; i++) {
        if (fork() == 0) {
            work(tallies[i], seeds, i, jobs);
            fflush(stdout);
            _exit(0);
        }
    }
    for (uint32_t i = 0; i < jobs; i++) {
        int status = 1;
        good = wait(&status) > 0 && status == 0 && good;
    }
    return good;
}

static uint64_t print_class(size_t class, struct tally tallies[][CLASSES_MAX], uint32_t jobs)
{
    struct tally t = {0};
    for (uint32_t i = 0; i < jobs; i++) {
        t.seeds += tallies[i][class].seeds;
        t.allocs += tallies[i][class].allocs;
        t.runs += tallies[i][class].runs;
        t.refused += tallies[i][class].refused;
        t.failures += tallies[i][class].failures;
    }
    printf("%sok %zu - %s, whichever allocation fails, once or for a while\n", t.failures == 0 ? "" : "not ",
           class + 1, scenarios[class].sentence);
    printf("# %s: %llu scenarios, %llu allocations, %llu runs, %llu connections not made\n",
           scenarios[class].name, (unsigned long long)t.seeds, (unsigned long long)t.allocs,
           (unsigned long long)t.runs, (unsigned long long)t.refused);
    return t.failures;
}

int scarce_main(uint64_t seeds, uint32_t jobs)
{
    size_t size = sizeof(struct tally[CLASSES_MAX]) * jobs;
    void *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || scenario_count > CLASSES_MAX) {
        abort();
    }
    bool good = work_side_by_side(shared, seeds, jobs);
    for (size_t class = 0; class < scenario_count; class++) {
        good = print_class(class, shared, jobs) == 0 && good;
    }
    munmap(shared, size);
    printf("1..%zu\n", scenario_count);
    return !good;
}

int scarce_one(const struct scenario *scenario, uint64_t seed, uint64_t k, bool once, bool trace)
{
    struct tally t = {0};
    run_signals();
    run(scenario, seed, k, once, trace, &t);
    printf("%sok 1 - %s\n1..1\n", t.failures == 0 ? "" : "not ", scenario->sentence);
    return t.failures != 0;
}
