/*
 * Congestion control: how much may be in flight, and how fast. A closed mechanism behind one small
 * interface: an algorithm is a table of functions over struct cc and a file of its own. What is lost, and
 * what to send again, is recovery.h's business.
 */
#ifndef TCP_CC_H
#define TCP_CC_H

#include <stdbool.h>
#include <stdint.h>

#include "tcp/rate.h"
#include "util/mem.h"

struct cc_algorithm;

struct cc {
    const struct cc_algorithm *algorithm;
    void *state;             /* the algorithm's own, made when first needed; NULL: none yet, or no memory */
    uint32_t cwnd, ssthresh; /* bytes */
    uint32_t acked;          /* what congestion avoidance carries over to the next ACK: below cwnd */
    uint32_t pacing_kBps;    /* send no faster than this many 1000 bytes a second; 0: as they come */
};

/* What happened, for all verbs below. Fields that a verb has no use for are 0. */
struct cc_event {
    uint64_t now_us;
    struct mem *mem;
    uint32_t mss;
    uint32_t acked_bytes;     /* newly acknowledged */
    uint32_t delivered_bytes; /* newly known to have arrived: acknowledged or SACKed */
    uint32_t flight_bytes;    /* in the network before this */
    uint64_t una_bytes;       /* SND.UNA and SND.NXT as bytes since the beginning, by which an algorithm */
    uint64_t nxt_bytes;       /* ... tells its round trips apart: SND.NXT of now was reached by SND.UNA */
    uint32_t rtt_us;          /* measured by this ACK; 0: nothing */
    uint32_t srtt_us;
    uint64_t delivered;       /* of the connection: acknowledged or SACKed so far */
    uint32_t pipe_bytes;      /* in the network now */
    struct rate_sample rate;  /* what this ACK says of the delivery rate */
    struct rate_sample loss;  /* what was found lost (on_lost) */
    bool sack_ok;
    bool recovering;          /* in a loss episode, after this */
    bool limited;             /* the window was in use: it may grow (RFC 7661 in Linux's form) */
    bool ece;                 /* the ACK says that the network marked data (RFC 3168) */
    bool timeout;             /* the loss was found by the retransmission timer */
};

struct cc_algorithm {
    const char *name;
    uint32_t state_bytes; /* of cc->state, zeroed when made; 0: none */
    /* cwnd and the pacing rate are the algorithm's alone, once it has state: on_ack comes with every ACK, in
     * recovery and after an undo, too, and neither losses nor idleness change cwnd but an RTO. */
    bool own_cwnd;
    /* New data was acknowledged outside of recovery. `state` may be NULL for want of memory, or because the
     * window was never in use. */
    void (*on_ack)(struct cc *cc, const struct cc_event *e);
    /* A loss episode or an ECN signal (RFC 3168 6.1.2): set ssthresh. The caller sets cwnd. */
    void (*on_loss)(struct cc *cc, const struct cc_event *e);
    /* Something was found lost, in an episode, which has begun then, or not: e->loss. NULL: nothing to do. */
    void (*on_lost)(struct cc *cc, const struct cc_event *e);
    /* The last loss was none (RFC 4015): cwnd and ssthresh are restored already. NULL: nothing to undo. */
    void (*on_undo)(struct cc *cc, const struct cc_event *e);
    /* Idle for longer than an RTO; with own_cwnd: data goes that the application had not ready when nothing was
     * in flight. NULL: nothing to do. */
    void (*on_idle)(struct cc *cc, const struct cc_event *e);
};

enum { CC_NAME_MAX = 16, CC_CWND_MAX = 1u << 30 /* the largest window that scaling can say */ };

/* By name ("reno"), or NULL. */
const struct cc_algorithm *cc_find(const char *name);
/* By its number in the configuration: 0 reno, 1 cubic, 2 bbr. */
const struct cc_algorithm *cc_number(uint32_t number);

void cc_init(struct cc *cc, const struct cc_algorithm *algorithm);
/* Change the algorithm; cwnd and ssthresh stay. */
void cc_switch(struct cc *cc, const struct cc_algorithm *algorithm, struct mem *mem);
void cc_free(struct cc *cc, struct mem *mem);

/* Is cwnd the algorithm's alone? */
static inline bool cc_owns_cwnd(const struct cc *cc) { return cc->algorithm->own_cwnd && cc->state; }

/* RFC 6928: min(segments * MSS, max(2 * MSS, 14600)) for the default of 10. */
void cc_set_initial_window(struct cc *cc, uint32_t mss, uint32_t segments);
void cc_on_ack(struct cc *cc, const struct cc_event *e);
void cc_on_lost(struct cc *cc, const struct cc_event *e);
void cc_on_undo(struct cc *cc, const struct cc_event *e);
/* Enter fast recovery: cwnd becomes ssthresh. */
void cc_on_loss(struct cc *cc, const struct cc_event *e);
/* A retransmission timeout (RFC 5681 3.1 (4)): one segment; beside what is in flight if cwnd is the algorithm's,
 * which is the caller's to set, as he finds out what that is. `again`: the same data timed out before, and
 * ssthresh keeps the value of the first time. */
void cc_on_rto(struct cc *cc, const struct cc_event *e, bool again);
/* Pace at what the window comes to in a round trip, as Linux does: twice that in slow start, 1.2 times later, so
 * that the window and not the pacing is the limit. For algorithms that set no rate themselves. */
void cc_pace(struct cc *cc, const struct cc_event *e);
/* RFC 5681 4.1: idle for longer than an RTO, so restart from the initial window, unless cwnd is its own. */
void cc_on_idle(struct cc *cc, const struct cc_event *e, uint32_t segments);

/* ---- for algorithms ---- */

/* Is this the first slow start, which no loss has ended yet? */
static inline bool cc_first_slow_start(const struct cc *cc) { return cc->ssthresh > CC_CWND_MAX; }
/* Slow start: cwnd grows by what was acknowledged, up to ssthresh. What is left of the bytes is for
 * congestion avoidance. */
uint32_t cc_slow_start(struct cc *cc, uint32_t acked_bytes);

extern const struct cc_algorithm cc_reno, cc_cubic, cc_bbr;

#endif
