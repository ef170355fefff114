/* Runs: a seed of a class at a time, and many of them side by side. */
#ifndef SIM_RUN_H
#define SIM_RUN_H

#include "sim.h"

enum { SAMPLE = 8 /* each so manieth seed is run again, for what must be the same */ };

struct totals {
    uint64_t worlds, conns, packets, failures, failed_conns;
    uint64_t slowest_us; /* from calm to the end of the last connection */
    uint64_t bad_seed;   /* of the first failure */
    double seconds;
};

/* A run that dies says how to replay it: by `replay`, the program's arguments. One that never ends
 * dies a minute after run_guard(). */
void run_signals(void);
void run_guard(const char *replay);

/* One run of one class. True if all oracles are content. */
bool run_seed(const struct scenario *scenario, uint64_t seed, bool trace, bool sample,
              struct totals *t);

/* What can be compared of two runs. */
struct outcome {
    uint64_t hash, shape, digest, streams;
    uint32_t iss[HOSTS];
};

bool run_once(struct world *w, const struct setup *s, const uint64_t clock_us[HOSTS], struct outcome *o);

/* Relations between runs, over so many seeds of every class. TAP on standard output. */
int relations_main(uint64_t seeds);

/* Every allocation of small runs of all classes fails, in so many scenarios; TAP. Or one run: where
 * allocation k fails, once or with all that follow for a while. */
int scarce_main(uint64_t seeds, uint32_t jobs);
int scarce_one(const struct scenario *scenario, uint64_t seed, uint64_t k, bool once, bool trace);

/* The run with something taken out; the journal, if wanted, on standard output. */
void run_reduced(const struct scenario *scenario, uint64_t seed, const struct less *less, struct world *w,
                 bool journal);

/* What a crew of processes is to do: seeds base ... of every class, or of one. */
struct order {
    const char *only;     /* NULL: every class */
    uint64_t base, times; /* so many times the class's number of worlds */
    double seconds;       /* 0: by number; else each class in turn, until this has passed */
    uint32_t jobs;
};

/* Do it in `jobs` processes; totals by class to t[scenario_count]. Runs that die are failures too. */
void crew_run(const struct order *order, struct totals *t);

double seconds_now(void);

#endif
