/* Many runs, in several processes that share nothing but the board on which they count. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "run.h"

enum { JOBS_MAX = 64, CLASSES_MAX = 64, REPORTS_MAX = 5 };

/* What one process has counted, and where it is. */
struct board {
    struct totals totals[CLASSES_MAX];
    size_t class;
    uint64_t turn; /* of the class, or of all classes */
    bool finished;
};

double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool is_chosen(const struct order *order, size_t class)
{
    return order->only == NULL || strcmp(order->only, scenarios[class].name) == 0;
}

static void one(const struct order *order, struct board *b, size_t class, uint64_t turn)
{
    uint64_t seed = order->base + turn;
    struct totals *t = &b->totals[class];
    b->class = class;
    if (is_chosen(order, class) && t->failures < REPORTS_MAX) {
        double from = seconds_now();
        run_seed(&scenarios[class], seed, false, seed % SAMPLE == 0, t);
        t->seconds += seconds_now() - from;
    }
}

/* Go on from where the board says. */
static void work(const struct order *order, struct board *b, double end)
{
    if (order->seconds == 0) {
        for (size_t class = b->class; class < scenario_count; class++, b->turn %= order->jobs) {
            for (; b->turn < order->times * scenarios[class].worlds; b->turn += order->jobs) {
                one(order, b, class, b->turn);
            }
        }
    } else {
        for (; seconds_now() < end; b->turn += order->jobs) {
            for (size_t i = 0; i < scenario_count && seconds_now() < end; i++) {
                one(order, b, i, b->turn);
            }
        }
    }
    b->finished = true;
}

static pid_t hire(const struct order *order, struct board *b, double end)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        run_signals();
        work(order, b, end);
        fflush(stdout);
        _exit(0);
    }
    return pid;
}

/* The run that killed its process is a failure; another process goes on behind it. */
static void bury(const struct order *order, struct board *b)
{
    struct totals *t = &b->totals[b->class];
    uint64_t seed = order->base + b->turn;
    t->bad_seed = t->failures++ == 0 ? seed : t->bad_seed;
    b->turn += order->jobs;
}

static void add(struct totals *sum, const struct totals *t)
{
    if (sum->failures == 0) {
        sum->bad_seed = t->bad_seed;
    }
    sum->worlds += t->worlds;
    sum->conns += t->conns;
    sum->packets += t->packets;
    sum->failures += t->failures;
    sum->failed_conns += t->failed_conns;
    sum->seconds += t->seconds;
    sum->slowest_us = t->slowest_us > sum->slowest_us ? t->slowest_us : sum->slowest_us;
}

void crew_run(const struct order *order, struct totals *t)
{
    struct board *boards = mmap(NULL, sizeof(*boards) * order->jobs, PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pids[JOBS_MAX];
    double end = seconds_now() + order->seconds;
    if (boards == MAP_FAILED || order->jobs > JOBS_MAX || scenario_count > CLASSES_MAX) {
        abort();
    }
    for (uint32_t i = 0; i < order->jobs; i++) {
        boards[i].turn = i;
        pids[i] = hire(order, &boards[i], end);
    }
    for (uint32_t i = 0; i < order->jobs; i++) {
        while (pids[i] > 0 && waitpid(pids[i], NULL, 0) == pids[i] && !boards[i].finished) {
            bury(order, &boards[i]);
            pids[i] = hire(order, &boards[i], end);
        }
        for (size_t class = 0; class < scenario_count; class++) {
            add(&t[class], &boards[i].totals[class]);
        }
    }
    munmap(boards, sizeof(*boards) * order->jobs);
}
