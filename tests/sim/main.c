/*
 * sim                                every class, TAP on standard output
 * sim --scenario NAME [--seed S]     one class, or one run of it
 *   --trace                          print every packet of the run
 *   --less WHAT                      without what a reduction has found not to be needed
 *   --times N                        N times as many runs of each class
 *   --seconds N                      every class in turn for N seconds (inf: until told), new seeds
 *   --seed S                         begin with this seed
 *   --jobs N                         in so many processes
 *
 * sim paths [--path NAME [--trace] | --quick]  one connection over every path, beside tests/sim/golden.tsv
 *   --update                         and write that file anew
 * sim relations SEEDS                changes that must change no packet, or no stream
 * sim scarce SCENARIOS [--jobs N]    every allocation of small runs fails, once and from there on
 *   --scenario NAME --seed S --once|--from K [--trace]  in place of SCENARIOS: one run of these
 * sim fair                           flows that share a bottleneck
 * sim shrink                         a run that must fail is reduced to few events
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "path.h"
#include "run.h"

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

static void print_class(const struct scenario *sc, const struct totals *t, unsigned number)
{
    printf("%sok %u - %s", t->failures == 0 ? "" : "not ", number, sc->sentence);
    if (t->failures != 0) {
        printf(" # replay: build/tests/sim --seed %llu --scenario %s",
               (unsigned long long)t->bad_seed, sc->name);
    }
    printf("\n# %s: %llu runs, %llu connections (%llu failed), %llu packets, last one over %.1f"
           " s after the faults, %.1f s\n", sc->name, (unsigned long long)t->worlds,
           (unsigned long long)t->conns, (unsigned long long)t->failed_conns,
           (unsigned long long)t->packets, (double)t->slowest_us / 1e6, t->seconds);
}

static int run_classes(const struct order *order)
{
    struct totals *t = calloc(scenario_count, sizeof(*t)), sum = {0};
    double start = seconds_now();
    unsigned number = 0;
    if (t == NULL) {
        return 2;
    }
    crew_run(order, t);
    for (size_t i = 0; i < scenario_count; i++) {
        if (order->only == NULL || strcmp(order->only, scenarios[i].name) == 0) {
            print_class(&scenarios[i], &t[i], ++number);
            if (t[i].failures != 0) {
                shrink(&scenarios[i], t[i].bad_seed);
            }
            sum.worlds += t[i].worlds;
            sum.conns += t[i].conns;
            sum.packets += t[i].packets;
            sum.failures += t[i].failures;
        }
    }
    printf("1..%u\n# %llu connections in %llu runs, %llu packets, %llu runs failed, %.1f s\n",
           number, (unsigned long long)sum.conns, (unsigned long long)sum.worlds,
           (unsigned long long)sum.packets, (unsigned long long)sum.failures,
           seconds_now() - start);
    free(t);
    return sum.failures != 0;
}

static const struct scenario *find(const char *name)
{
    for (size_t i = 0; i < scenario_count; i++) {
        if (strcmp(name, scenarios[i].name) == 0) {
            return &scenarios[i];
        }
    }
    for (size_t i = 0; i < PLANTED; i++) {
        if (strcmp(name, scenarios_planted[i].name) == 0) {
            return &scenarios_planted[i];
        }
    }
    return NULL;
}

static int run_one(const struct scenario *scenario, uint64_t seed, bool trace)
{
    struct totals t = {0};
    run_signals();
    bool good = run_seed(scenario, seed, trace, true, &t);
    printf("%sok 1 - %s (%llu connections, %llu packets)%s\n1..1\n", good ? "" : "not ",
           scenario->sentence, (unsigned long long)t.conns, (unsigned long long)t.packets,
           good ? "" : " # this is the replay");
    return !good;
}

static int run_less(const struct scenario *scenario, uint64_t seed, const struct less *less)
{
    static struct world w;
    run_signals();
    run_reduced(scenario, seed, less, &w, true);
    printf("# %u events%s%s\n%sok 1 - %s\n1..1\n", w.happened, w.failed ? "; " : "", w.failure,
           w.failed ? "not " : "", scenario->sentence);
    return w.failed;
}

static int usage(void)
{
    fprintf(stderr, "usage: sim [--scenario NAME] [--seed S] [--trace] [--times N] [--seconds N]"
                    " [--jobs N]\n"
                    "       sim paths [--path NAME [--trace]] [--quick] [--update] [--jobs N]\n"
                    "       sim relations SEEDS\n       sim scarce SCENARIOS [--jobs N]\n       sim fair\n"
                    "       sim shrink\nscenarios:");
    for (size_t i = 0; i < scenario_count; i++) {
        fprintf(stderr, " %s", scenarios[i].name);
    }
    fputc('\n', stderr);
    return 2;
}

static int run_paths(int argc, char **argv)
{
    bool quick = false, update = false, trace = false;
    const char *only = NULL;
    uint32_t jobs = 1;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0) {
            quick = true;
        } else if (strcmp(argv[i], "--update") == 0) {
            update = true;
        } else if (strcmp(argv[i], "--trace") == 0) {
            trace = true;
        } else if (i + 1 < argc && strcmp(argv[i], "--path") == 0) {
            only = argv[++i];
        } else if (i + 1 < argc && strcmp(argv[i], "--jobs") == 0) {
            jobs = (uint32_t)strtoul(argv[++i], NULL, 10);
        } else {
            return usage();
        }
    }
    return paths_main("tests/sim/golden.tsv", quick, update, jobs, only, trace);
}

static int run_scarce(int argc, char **argv)
{
    const struct scenario *scenario = NULL;
    uint64_t seeds = 0, seed = 0, k = 0;
    bool once = false, trace = false;
    uint32_t jobs = 1;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--trace") == 0) {
            trace = true;
        } else if (i + 1 < argc && strcmp(argv[i], "--scenario") == 0) {
            scenario = find(argv[++i]);
        } else if (i + 1 < argc && strcmp(argv[i], "--seed") == 0) {
            seed = strtoull(argv[++i], NULL, 10);
        } else if (i + 1 < argc && strcmp(argv[i], "--jobs") == 0) {
            jobs = (uint32_t)strtoul(argv[++i], NULL, 10);
        } else if (i + 1 < argc && argv[i][0] == '-') {
            once = strcmp(argv[i], "--once") == 0;
            k = strtoull(argv[++i], NULL, 10);
        } else {
            seeds = strtoull(argv[i], NULL, 10);
        }
    }
    if (scenario != NULL && k != 0) {
        return scarce_one(scenario, seed, k, once, trace);
    }
    return seeds != 0 && jobs != 0 ? scarce_main(seeds, jobs) : usage();
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "paths") == 0) {
        return run_paths(argc, argv);
    }
    if (argc == 3 && strcmp(argv[1], "relations") == 0) {
        return relations_main(strtoull(argv[2], NULL, 10));
    }
    if (argc > 1 && strcmp(argv[1], "scarce") == 0) {
        return run_scarce(argc, argv);
    }
    if (argc == 2 && strcmp(argv[1], "fair") == 0) {
        return fair_main();
    }
    if (argc == 2 && strcmp(argv[1], "shrink") == 0) {
        return shrink_main();
    }
    struct order order = {.base = 1, .times = 1, .jobs = 1};
    const char *seed = NULL;
    static struct less less;
    bool trace = false, reduced = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--trace") == 0) {
            trace = true;
        } else if (i + 1 < argc && strcmp(argv[i], "--scenario") == 0) {
            order.only = argv[++i];
        } else if (i + 1 < argc && strcmp(argv[i], "--seed") == 0) {
            seed = argv[++i];
        } else if (i + 1 < argc && strcmp(argv[i], "--seconds") == 0) {
            order.seconds = strtod(argv[++i], NULL);
        } else if (i + 1 < argc && strcmp(argv[i], "--less") == 0 && less_parse(&less, argv[i + 1])) {
            reduced = true;
            i++;
        } else if (i + 1 < argc && strcmp(argv[i], "--times") == 0) {
            order.times = strtoull(argv[++i], NULL, 10);
        } else if (i + 1 < argc && strcmp(argv[i], "--jobs") == 0) {
            order.jobs = (uint32_t)strtoul(argv[++i], NULL, 10);
        } else {
            return usage();
        }
    }
    if (order.jobs == 0 || (order.only != NULL && find(order.only) == NULL)) {
        return usage();
    }
    order.base = seed != NULL           ? strtoull(seed, NULL, 10)
                 : order.seconds != 0.0 ? (uint64_t)time(NULL) * 1000
                                        : 1;
    if (reduced && order.only != NULL) {
        return run_less(find(order.only), order.base, &less);
    }
    if (order.only != NULL && seed != NULL && order.seconds == 0 && order.times == 1) {
        return run_one(find(order.only), order.base, trace);
    }
    return run_classes(&order);
}
