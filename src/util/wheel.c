#include "util/wheel.h"

/*
 * A timer's level is the highest base-64 digit in which its deadline differs from now, its slot is
 * the deadline's digit there. Hence, at any moment:
 *   - where a timer stands follows from its deadline and now alone: to cancel it needs no more;
 *   - equal deadlines share a slot, and lower levels and lower slots expire first;
 *   - moving now within the time before the first used slot changes no timer's place.
 * Lists are in the order of arming and opening a slot keeps it, so equals expire in that order.
 */
#define DIGIT_BITS 6
#define FEW_TIMERS 16 /* as many does wheel_next look through */

_Static_assert(1 << DIGIT_BITS == WHEEL_SLOTS, "a digit is a slot");
_Static_assert(DIGIT_BITS * WHEEL_LEVELS >= 64, "every time has its level");

struct place {
    unsigned level, slot;
};

/* Of a deadline after now. */
static struct place place_of(const struct wheel *w, uint64_t deadline_us)
{
    unsigned highest = 63 - (unsigned)__builtin_clzll(deadline_us ^ w->now_us);
    unsigned level = highest / DIGIT_BITS;
    return (struct place){level, (unsigned)(deadline_us >> (level * DIGIT_BITS)) % WHEEL_SLOTS};
}

/* The slot that opens first, and when; false if all are empty. */
static bool first_slot(const struct wheel *w, struct place *first, uint64_t *start_us)
{
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        if (w->used[level] == 0)
            continue;
        unsigned slot = (unsigned)__builtin_ctzll(w->used[level]), shift = level * DIGIT_BITS;
        uint64_t digits_above = (w->now_us >> shift) & ~(uint64_t)(WHEEL_SLOTS - 1);
        *first = (struct place){level, slot};
        *start_us = (digits_above | slot) << shift;
        return true;
    }
    return false;
}

static void append(struct wheel_list *list, struct wheel_timer *t)
{
    t->next = NULL;
    t->prev = list->first ? list->tail : &list->first;
    *t->prev = t;
    list->tail = &t->next;
}

static void insert(struct wheel *w, struct wheel_timer *t)
{
    if (t->deadline_us <= w->now_us) {
        append(&w->due, t);
        return;
    }
    struct place p = place_of(w, t->deadline_us);
    append(&w->slots[p.level][p.slot], t);
    w->used[p.level] |= UINT64_C(1) << p.slot;
}

/* Let now reach the start of a slot: its timers are due or go to lower levels. */
static void open_slot(struct wheel *w, struct place p, uint64_t start_us)
{
    struct wheel_timer *list = w->slots[p.level][p.slot].first;
    w->slots[p.level][p.slot].first = NULL;
    w->used[p.level] &= ~(UINT64_C(1) << p.slot);
    w->now_us = start_us;
    while (list) {
        struct wheel_timer *rest = list->next;
        insert(w, list);
        list = rest;
    }
}

static void advance(struct wheel *w, uint64_t now_us)
{
    struct place first;
    uint64_t start_us;
    while (first_slot(w, &first, &start_us) && start_us <= now_us)
        open_slot(w, first, start_us);
    w->now_us = now_us;
}

void wheel_init(struct wheel *w, uint64_t now_us)
{
    *w = (struct wheel){.now_us = now_us};
}

void wheel_set(struct wheel *w, struct wheel_timer *t, uint64_t deadline_us)
{
    wheel_cancel(w, t);
    t->deadline_us = deadline_us;
    if (deadline_us != WHEEL_NEVER)
        insert(w, t);
}

/* t was the last of its list: the list ends earlier now, or is empty. */
static void unlinked_last(struct wheel *w, const struct wheel_timer *t)
{
    if (t->deadline_us <= w->now_us) {
        w->due.tail = t->prev;
        return;
    }
    struct place p = place_of(w, t->deadline_us);
    struct wheel_list *list = &w->slots[p.level][p.slot];
    list->tail = t->prev;
    if (!list->first)
        w->used[p.level] &= ~(UINT64_C(1) << p.slot);
}

void wheel_cancel(struct wheel *w, struct wheel_timer *t)
{
    if (!wheel_armed(t))
        return;
    *t->prev = t->next;
    if (t->next)
        t->next->prev = t->prev;
    else
        unlinked_last(w, t);
    t->next = NULL;
    t->prev = NULL;
}

struct wheel_timer *wheel_pop(struct wheel *w, uint64_t now_us)
{
    if (now_us > w->now_us)
        advance(w, now_us);
    struct wheel_timer *t = w->due.first;
    if (t)
        wheel_cancel(w, t);
    return t;
}

uint64_t wheel_next(const struct wheel *w)
{
    struct place first;
    uint64_t start_us, earliest_us = WHEEL_NEVER;
    if (w->due.first)
        return w->now_us;
    if (!first_slot(w, &first, &start_us))
        return WHEEL_NEVER;
    if (first.level == 0)
        return start_us;
    unsigned count = 0;
    for (const struct wheel_timer *t = w->slots[first.level][first.slot].first; t;
         t = t->next) {
        if (++count > FEW_TIMERS)
            return start_us;
        if (t->deadline_us < earliest_us)
            earliest_us = t->deadline_us;
    }
    return earliest_us;
}
