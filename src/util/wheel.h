/*
 * A hierarchical timer wheel with exact deadlines: 11 levels of 64 slots, the lowest one microsecond
 * wide. Adding, moving and cancelling are O(1); advancing costs O(expired + levels), not O(time passed),
 * since bitmaps find the next used slot.
 */
#ifndef UTIL_WHEEL_H
#define UTIL_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHEEL_LEVELS 11
#define WHEEL_SLOTS 64
#define WHEEL_NEVER UINT64_MAX

struct wheel_timer {
    struct wheel_timer *next, **prev; /* prev: the pointer that points here; NULL: not armed */
    uint64_t deadline_us;
};

struct wheel {
    uint64_t now_us; /* everything up to here has expired */
    uint64_t used[WHEEL_LEVELS];
    struct wheel_timer *slots[WHEEL_LEVELS][WHEEL_SLOTS];
    struct wheel_timer *due; /* found expired, not yet popped; in order of deadline */
    struct wheel_timer **due_tail;
};

void wheel_init(struct wheel *w, uint64_t now_us);
/* Arm, or move if armed. A deadline in the past is due at the next wheel_pop. WHEEL_NEVER disarms. */
void wheel_set(struct wheel *w, struct wheel_timer *t, uint64_t deadline_us);
void wheel_cancel(struct wheel *w, struct wheel_timer *t);
static inline bool wheel_armed(const struct wheel_timer *t) { return t->prev != NULL; }
/* Move time forward (backwards is ignored) and give one timer that is due, disarmed; NULL if none. */
struct wheel_timer *wheel_pop(struct wheel *w, uint64_t now_us);
/* A time at or before the earliest deadline, exact when the slot it lies in holds few timers (16);
 * WHEEL_NEVER if nothing is armed. Never in the past of now_us unless something is due: then now_us. */
uint64_t wheel_next(const struct wheel *w);

#endif
