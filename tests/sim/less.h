/* Less: what is left of a failing run when all that it does not need is taken away. */
#ifndef SIM_LESS_H
#define SIM_LESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct setup;
struct plan;

enum { LESS_CONNS = 512, LESS_FAULTS = 1024, FIRED_MAX = 1024 };

/* What can be taken out of a whole run. */
enum less_off {
    OFF_HABITS = 1 << 0,   /* applications read and write all they can, and nothing else */
    OFF_OPTIONS = 1 << 1,  /* socket options */
    OFF_CONFIG = 1 << 2,   /* the stacks have the default configuration, but for its sizes of memory */
    OFF_JITTER = 1 << 3,
    OFF_RATE = 1 << 4,
    OFF_MARKS = 1 << 5,
    OFF_DUP = 1 << 6,
    OFF_CORRUPT = 1 << 7,
    OFF_REORDER = 1 << 8,
    OFF_LOSS = 1 << 9,
    OFF_BURSTS = 1 << 10,
    OFF_FLOOD = 1 << 11,
    OFF_MEMORY = 1 << 12,  /* allocations do not fail */
    OFF_SPREAD = 1 << 13,  /* connections start at once */
    OFF_ENDS = 1 << 14,    /* a constant */
    OFF_ALL = OFF_ENDS - 1
};

/* What befalls a packet, or an allocation. */
struct misfortune {
    uint64_t what;            /* the packet by its name (watch_name), or the allocation by its */
    bool lost, marked, corrupt;
    uint32_t late_us, dup_us; /* 0: not */
    uint32_t draw;            /* corrupt: of which bits */
};

struct less {
    uint32_t off;
    uint32_t phases_out;           /* bit i: phase i does not come */
    uint64_t out[LESS_CONNS / 64]; /* bit i: connection i is not made */
    uint64_t bytes_max[2];         /* of a connection, from client and server; 0: as planned */
    uint32_t luck;                 /* not 0: misfortunes are drawn anew, and mostly fewer */
    bool listed;                   /* no misfortunes but these */
    uint32_t fault_count;
    struct misfortune faults[LESS_FAULTS];
};

/* Take it out of a run. */
void less_setup(const struct less *l, struct setup *s);
void less_plans(const struct less *l, struct plan *plans, uint32_t count);
/* What the list says of a packet or allocation; NULL: nothing. */
const struct misfortune *less_find(const struct less *l, uint64_t what);

/* One word on the command line; false if it is not one. */
void less_print(const struct less *l, char *text, size_t size);
bool less_parse(struct less *l, const char *text);

/* Reduce the failing run of a seed, print what still happens in it, and the line that replays it.
 * Returns how many events that are; 0: not reduced. */
struct scenario;
uint32_t shrink(const struct scenario *scenario, uint64_t seed);
/* A run that must fail is reduced to few events; TAP. */
int shrink_main(void);

#endif
