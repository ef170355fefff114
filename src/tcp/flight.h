/*
 * What is in flight: a record for each segment sent and not wholly acknowledged, in order. A record may be a
 * super-segment: it remembers for each of its wire-sized units, in bit masks, whether the peer has it, whether
 * it is presumed lost, and whether it was sent again. So nothing is ever split, and a loss costs only the units
 * that were lost.
 *
 * Finding a sequence number is O(log n). Sets over the records (bitset.h) let walks skip what is done. What is in
 * flight is found in the order of its sending: what was sent once lies in that order, and a list goes through what
 * was sent again, by the last time of each record. So an ACK costs O(log n) and what it tells news of.
 */
#ifndef TCP_FLIGHT_H
#define TCP_FLIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include "tcp/rate.h"
#include "util/mem.h"
#include "util/seq.h"

enum { FLIGHT_UNITS = 64 /* of one record, at most */ };

struct sent {
    seq_t start;
    uint32_t len;  /* sequence space: a FIN counts */
    uint32_t unit; /* all units but the last have this size */
    uint64_t sent_us, again_us;  /* first sent; last retransmission of any unit */
    uint64_t sacked, lost, again; /* by unit: the peer has it; it waits to be sent again; was sent again */
    struct rate_mark rate;       /* of its (last) sending */
    uint32_t older, newer;       /* of the list of what was sent again: slot + 1; 0: none */
    uint32_t *later_us;          /* units went again at different times: by unit, how long after sent_us the last of
                                  * it was. NULL: all at again_us, or there was no memory to tell them apart */
};

struct flight {
    struct sent *ring;
    uint64_t *open, *waiting, *once; /* sets of slots: not all SACKed; some lost and not yet sent again; some sent
                                      * once and neither SACKed nor lost */
    uint32_t cap, head, count; /* cap: a power of 2 */
    uint32_t oldest, newest;   /* of what was sent again, and is neither SACKed nor lost: slot + 1; 0: none */
    uint32_t passed;           /* ... the last that flight_again_before came to */
    uint32_t sacked_bytes, lost_bytes;
    uint32_t sacked_units;
    struct mem *mem;           /* of the last flight_reserve */
    seq_t partial; /* where the resending of a unit stopped in its middle, the path having narrowed */
};

/* Room for one more record; false without memory. */
bool flight_reserve(struct flight *f, struct mem *mem);
void flight_free(struct flight *f, struct mem *mem);
/* A segment goes, behind all others. After flight_reserve. */
struct sent *flight_push(struct flight *f, seq_t start, uint32_t len, uint32_t unit, uint64_t now_us);

static inline struct sent *flight_at(const struct flight *f, uint32_t position)
{
    return &f->ring[(f->head + position) & (f->cap - 1)];
}
/* The position of the record that holds `s`; count if none does. */
uint32_t flight_find(const struct flight *f, seq_t s);
/* The first position >= from in `set` (open, waiting or once); count if there is none. */
uint32_t flight_next(const struct flight *f, const uint64_t *set, uint32_t from);
/* The last of `once` that was sent before what was sent at `us` and ends at `end`; count if there is none. */
uint32_t flight_once_before(const struct flight *f, uint64_t us, seq_t end);
/* Records of which units that were sent again are in flight, by the time of their last retransmission: the first,
 * and what follows; count if there is none. What was lost and is no longer comes last. */
uint32_t flight_again(const struct flight *f);
uint32_t flight_again_next(const struct flight *f, uint32_t position);
/* The last of them that went before what was sent at `us` and ends at `end`. This time may go back only when
 * flight_unmark_lost was called, for each is passed by once. */
uint32_t flight_again_before(struct flight *f, uint64_t us, seq_t end);

static inline unsigned sent_units(const struct sent *r) { return (r->len + r->unit - 1) / r->unit; }
/* Units that are neither SACKed nor lost. */
uint64_t sent_flying(const struct sent *r);
/* Of these units, sent at sent_us, what was sent before what went at `us` and ends at `end` (RFC 8985
 * RACK_sent_after). */
uint64_t sent_before(const struct sent *r, uint64_t units, uint64_t sent_us, uint64_t us, seq_t end);
/* When a unit that was sent again last was. */
uint64_t sent_again_us(const struct sent *r, unsigned unit);
/* Of these units, which were sent again, what last went before what went at `us` and ends at `end`. */
uint64_t sent_again_before(const struct sent *r, uint64_t units, uint64_t us, seq_t end);
/* Units of [from, to) that lie wholly in it, as a mask. */
uint64_t sent_mask(const struct sent *r, seq_t from, seq_t to);
uint32_t sent_bytes(const struct sent *r, uint64_t units);
/* Where the highest of these units ends. */
seq_t sent_end(const struct sent *r, uint64_t units);

/* Change the marks of units, keeping counters, sets and list. Time does not go back. */
void flight_mark_sacked(struct flight *f, uint32_t position, uint64_t units);
void flight_mark_lost(struct flight *f, uint32_t position, uint64_t units);
void flight_mark_again(struct flight *f, uint32_t position, uint64_t units, uint64_t now_us);
/* No longer lost: it was only late. */
void flight_unmark_lost(struct flight *f);
/* Forget what SACK said (reneging). */
void flight_forget_sacked(struct flight *f);
/* Let go of what lies below una: whole records and whole units. */
void flight_trim(struct flight *f, seq_t una);

const char *flight_check(const struct flight *f, seq_t una, seq_t nxt);

#endif
