/*
 * Loss recovery: what was lost, what to send again, and whether that was a mistake. RACK-TLP (RFC 8985) with
 * SACK; NewReno (RFC 6582) without; PRR (RFC 6937) spreads the reduction; F-RTO (RFC 5682), Eifel (RFC 3522, 4015)
 * and D-SACK (RFC 2883, 3708) find reductions that were not deserved. A closed mechanism: it works on sequence
 * numbers, bytes and times, and says what happened; congestion control and timers are the caller's.
 */
#ifndef TCP_RECOVERY_H
#define TCP_RECOVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "tcp/rate.h"
#include "util/mem.h"
#include "util/seq.h"
#include "wire/tcp.h"

enum { RECOVERY_DUPTHRESH = 3 };

enum recovery_mode {
    RECOVERY_NONE,
    RECOVERY_FAST, /* fast recovery */
    RECOVERY_RTO,  /* after a retransmission timeout, until what was sent before it is acknowledged */
    RECOVERY_REPAIR /* one packet was lost for its size: it goes again, and there is no congestion */
};

struct recovery_flight; /* all that matters only while something is in flight, or while a D-SACK may still
                         * tell that the last episode was a mistake; else NULL */

struct recovery {
    struct recovery_flight *f;
    seq_t recover;          /* RFC 6582: SND.NXT when the last episode began */
    seq_t probe_end;        /* RFC 8985 TLP.end_seq, while probing */
    seq_t dsack_round;      /* RFC 8985 RACK.dsack_round, while there is one */
    uint32_t min_rtt_us[2]; /* the least of this epoch and of the last; 0: none */
    uint8_t mode;
    uint8_t reo_mult;       /* RACK.reo_wnd_mult - 1 */
    uint8_t reo_persist;    /* recoveries until that is forgotten */
    bool reordering : 1;    /* RACK.reordering_seen */
    bool dsack_rounds : 1;
    bool probing : 1;       /* a tail-loss probe went, and what became of it is not known */
    bool probe_again : 1;   /* ... which was a retransmission */
    bool unmeasured : 1;    /* no RTT was measured since the last probe */
    bool ran_dry : 1;       /* there was nothing to send when nothing was in flight */
    unsigned epoch : 2;     /* of min_rtt_us, modulo 4 */
};

/* An ACK as recovery sees it. */
struct recovery_ack {
    seq_t una, nxt;         /* after it; `una` is its ACK number */
    uint32_t acked;         /* by how much SND.UNA moved */
    const struct sack_block *blocks;
    unsigned count;
    uint32_t mss, srtt_us;
    uint64_t now_us;
    uint64_t delivered;     /* of the connection, before it */
    bool sack_ok;
    bool dup;               /* RFC 5681 2 */
    uint64_t echo_us;       /* when the timestamp that it echoes was ours, at the latest; UINT64_MAX: no echo */
};

struct recovery_news {
    uint32_t delivered;     /* bytes newly known to have arrived */
    uint32_t rtt_us;        /* of the newest segment delivered that was sent once; 0: none */
    struct rate_sample rate;
    bool lost;              /* fast recovery should begin: reduce, then recovery_enter_fast */
    bool more_lost;         /* this ACK told of losses not known before */
    bool ended;             /* the episode is over */
    bool undo;              /* ... or was lately, and was a mistake: what it had reduced: */
    uint32_t prior_cwnd, prior_ssthresh;
    uint32_t held_bytes;    /* ... and what was delivered meanwhile, and now */
    bool probe_repaired;    /* a tail-loss probe mended a loss: reduce, without an episode (RFC 8985 7.4) */
    bool sack_news;
    uint32_t largest;       /* bytes of the largest packet newly delivered that was sent once */
};

/* What became of one wire packet that is in flight. */
enum recovery_fate {
    FATE_UNKNOWN, /* nothing in flight begins there, or its end is not known yet */
    FATE_ARRIVED,
    FATE_LOST,
    FATE_LOST_ALONE /* and nothing else is */
};

void recovery_init(struct recovery *r, seq_t iss);
void recovery_free(struct recovery *r, struct mem *mem);

/* Before something new is sent: room to remember it. False without memory. */
bool recovery_reserve(struct recovery *r, struct mem *mem);
/* New sequence space [start, start + len) went, in wire segments of `unit`. */
void recovery_sent(struct recovery *r, seq_t start, uint32_t len, uint32_t unit, const struct rate_now *now);
/* Old space was sent again. */
void recovery_sent_again(struct recovery *r, seq_t start, uint32_t len, const struct rate_now *now);
/* More could have gone, but there is nothing to send (rate.h). */
void recovery_ran_dry(struct recovery *r, uint64_t delivered, uint32_t pipe);
/* What was found lost since the last call (rate.h). */
struct rate_sample recovery_loss(struct recovery *r);

/* A round trip was measured: RACK.min_RTT is the least of the last 150 to 300 s (8985-6.2.1). */
void recovery_measured(struct recovery *r, uint32_t rtt_us, uint64_t now_us);
uint32_t recovery_min_rtt(const struct recovery *r);

struct recovery_news recovery_ack(struct recovery *r, struct mem *mem, const struct recovery_ack *a);
/* The reordering timer (RFC 8985 6.2) fired: is something lost that was not before? */
bool recovery_reorder_timeout(struct recovery *r, const struct recovery_ack *now);
/* delivered: by the ACK that begins it. */
void recovery_enter_fast(struct recovery *r, seq_t una, seq_t nxt, uint32_t delivered, uint32_t mss,
                         bool sack_ok, uint32_t prior_cwnd, uint32_t prior_ssthresh);
/* What is not SACKed is lost, but for what was sent less than a round trip and the reordering window before
 * `now` (RFC 8985 6.3; NULL or without SACK: all of it). SACK marks that start at una were reneged on and are
 * forgotten. `again`: the same data had timed out before. */
void recovery_enter_rto(struct recovery *r, seq_t una, seq_t nxt, const struct recovery_ack *now,
                        uint32_t prior_cwnd, uint32_t prior_ssthresh, bool again);
/* What lies before `end` was lost for its size alone. What else is found lost begins fast recovery. */
void recovery_enter_repair(struct recovery *r, seq_t end);
/* cwnd during fast recovery, after an ACK that delivered this much (RFC 6937, with RFC 9937's bound). */
uint32_t recovery_prr_cwnd(struct recovery *r, uint32_t pipe, uint32_t ssthresh, uint32_t delivered,
                           uint32_t mss, bool progress);

/* Bytes believed to be in the network. */
uint32_t recovery_pipe(const struct recovery *r, seq_t una, seq_t nxt);
/* The most that was in flight in this round trip, of which this is an ACK, pipe being what was before it. */
uint32_t recovery_most_in_flight(struct recovery *r, uint32_t pipe, bool new_round_trip);
uint32_t recovery_sacked(const struct recovery *r);
uint32_t recovery_lost(const struct recovery *r);
/* The next run to send again; false if there is none. *force: it is not held back by cwnd. */
bool recovery_next(const struct recovery *r, seq_t una, seq_t *start, uint32_t *len, bool *force);
/* F-RTO asks for new data instead, for one round trip; no more may go. */
bool recovery_wants_new(const struct recovery *r);
void recovery_no_new(struct recovery *r);
/* Something else reduces cwnd as well: to undo the last episode would be wrong. */
void recovery_deserved(struct recovery *r);
/* The last unit sent, for a tail-loss probe. */
void recovery_tail(const struct recovery *r, seq_t *start, uint32_t *len);
/* Bytes from una on that may have gone in one packet with `s`: those it was first sent with and, if it went again,
 * what follows in the same record. 0: it is not in flight, or the SYN or
 * a window probe. */
uint32_t recovery_packet(const struct recovery *r, seq_t s, seq_t una);
/* Of the packet that is a record by itself, and starts there; something is in flight. */
enum recovery_fate recovery_fate(const struct recovery *r, seq_t start);
/* Neither in an episode that reduced, nor after one's timeout? */
static inline bool recovery_calm(const struct recovery *r)
{
    return r->mode == RECOVERY_NONE || r->mode == RECOVERY_REPAIR;
}

/* Tail-loss probe: may one be scheduled; it was sent (again: a retransmission). */
bool recovery_may_probe(const struct recovery *r, bool sack_ok);
void recovery_probe_sent(struct recovery *r, seq_t nxt, bool again);
/* When the reordering timer must fire; UINT64_MAX: not. */
uint64_t recovery_reorder_at(const struct recovery *r);

const char *recovery_check(const struct recovery *r, seq_t una, seq_t nxt);

#endif
