/*
 * A hierarchical timer wheel with exact deadlines: 11 levels of 64 slots, the lowest one
 * microsecond wide. Adding, moving and cancelling are O(1). Advancing costs nothing for the time
 * passed, since bitmaps find the next used slot, and for each timer at most one step a level over
 * its whole life. The timers of a slot step down together: that one turn costs in proportion.
 *
 * Timers pop in order of deadline, and in the order of arming among equal deadlines. One set for
 * now or the past counts as set for now.
 */
#ifndef UTIL_WHEEL_H
#define UTIL_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHEEL_LEVELS 11
#define WHEEL_SLOTS 64
#define WHEEL_NEVER UINT64_MAX

struct wheel_timer { /* all-zero is a disarmed one; stays at its address while armed */
    struct wheel_timer *next, **prev; /* prev: the pointer that points here; NULL: not armed */
    uint64_t deadline_us; /* as set; not to be written by others while armed */
};

struct wheel_list {
    struct wheel_timer *first;
    struct wheel_timer **tail; /* the last one's next; meaningless in an empty list */
};

struct wheel {
    uint64_t now_us; /* everything up to here has expired */
    uint64_t used[WHEEL_LEVELS];
    struct wheel_list slots[WHEEL_LEVELS][WHEEL_SLOTS];
    struct wheel_list due; /* expired, not yet popped; in the order they will be */
};

/* The wheel too stays at its address. */
void wheel_init(struct wheel *w, uint64_t now_us);
/* Arm, or move if armed. One in the past is due at the next wheel_pop. WHEEL_NEVER disarms. */
void wheel_set(struct wheel *w, struct wheel_timer *t, uint64_t deadline_us);
void wheel_cancel(struct wheel *w, struct wheel_timer *t);
static inline bool wheel_armed(const struct wheel_timer *t) { return t->prev != NULL; }
/* Move time forward (backwards is ignored) and give one due timer, disarmed; NULL if none. */
struct wheel_timer *wheel_pop(struct wheel *w, uint64_t now_us);
/* A time at or before the earliest deadline, exact when the slot it lies in holds few timers (16);
 * WHEEL_NEVER if nothing is armed. After now_us, unless something is due: then now_us. */
uint64_t wheel_next(const struct wheel *w);

#endif
