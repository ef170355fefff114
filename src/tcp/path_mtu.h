/*
 * The path MTU of one connection: lowered by what routers say (RFC 1191, believed as RFC 5927 7.2 has it) or,
 * where they say nothing, by timeouts; raised again by probes (RFC 4821). A closed mechanism: it knows sizes,
 * times and sequence numbers; what is a timeout and what was lost, the caller says.
 *
 * All sizes are of whole IPv4 packets. `limit` is the largest that may ever go: the first hop's MTU, or what the
 * peer's MSS makes of it. `proven` is the largest that has arrived.
 *
 *        proven <= eff             high        limit
 *   ...-----|-------|---------------|------------|
 *                   |   probes      |
 *              what is sent    nothing larger is tried before at_us; then the search begins anew
 */
#ifndef TCP_PATH_MTU_H
#define TCP_PATH_MTU_H

#include <stdbool.h>
#include <stdint.h>

#include "util/seq.h"

enum { PATH_MTU_TRIAL = 32 };

struct path_mtu { /* all-zero: as wide as the limit */
    uint64_t at_us;      /* no probe before; where the search has ended, it begins anew then */
    seq_t probe_seq, claim_seq, trial_end;
    uint32_t trial_retx; /* bytes sent again when the trial began */
    uint16_t eff;        /* RFC 4821 eff_pmtu; 0: the limit */
    uint16_t high;       /* RFC 4821 search_high; 0: the limit */
    uint16_t probe;      /* in flight; 0: none */
    uint16_t claim;      /* not believed yet; 0: none */
    uint16_t saved;      /* eff before a raise that is on trial; 0: none is */
    bool repairing : 1;  /* the probe was lost, and nothing else: what it held is on its way again */
    bool told : 1;       /* high is what a router said */
    bool fell : 1;       /* eff is a guess: nobody has said so, and nothing has arrived yet */
    bool news : 1;       /* for other connections on the path */
};

/* What is the same for all connections. */
struct mtu_rules {
    uint32_t base, floor; /* what a black hole is answered with first; and at the least */
    uint64_t interval_us; /* from the end of a search to the next; UINT64_MAX: never */
};

static inline uint32_t path_mtu_size(const struct path_mtu *p, uint32_t limit)
{
    return p->eff && p->eff < limit ? p->eff : limit;
}

/* What other connections found: packets of `mtu` pass; up to `high` is not known; from at_us on search anew. */
void path_mtu_known(struct path_mtu *p, uint32_t mtu, uint32_t high, uint64_t at_us);

/* A packet of this size arrived, and was sent only once. After a fall without a word from a router, a larger
 * one's arrival shows that the size was not to blame. */
void path_mtu_arrived(struct path_mtu *p, uint32_t size, uint32_t limit);

/* A router says that the packet at `seq`, which is in flight, was too large for a link of `mtu`. True: eff was
 * lowered. A claim that is less than what has arrived before is kept until the data at `seq` is acknowledged (and
 * dropped), or times out (and believed): RFC 5927 7.2. */
bool path_mtu_claim(struct path_mtu *p, const struct mtu_rules *rules, uint32_t limit, uint32_t proven,
                    uint32_t mtu, seq_t seq, uint64_t now_us);
/* SND.UNA is there. */
void path_mtu_acked(struct path_mtu *p, seq_t una);
/* Something timed out: is there a claim about what is in flight? True: eff was lowered. */
bool path_mtu_claim_due(struct path_mtu *p, const struct mtu_rules *rules, uint64_t now_us);

/* Packets of `size` time out again and again, and nobody says why (RFC 4821 7.7). True: eff was lowered; the
 * search upwards begins at at_us. */
bool path_mtu_black_hole(struct path_mtu *p, const struct mtu_rules *rules, uint32_t limit, uint32_t proven,
                         uint32_t size, uint64_t at_us);

/* The size of the probe that should go now, if one can; 0: none. */
uint32_t path_mtu_next(const struct path_mtu *p, uint32_t limit, uint64_t now_us);

/* The probe's life: it goes; it was lost, alone (and is sent again); and what became of it. */
void path_mtu_probe_sent(struct path_mtu *p, uint32_t size, seq_t seq, uint32_t limit);
void path_mtu_probe_lost(struct path_mtu *p);
/* retx: bytes sent again by this connection so far. The raise is on trial for as long as it takes to acknowledge
 * PATH_MTU_TRIAL packets after the probe, which ended at `end`. */
void path_mtu_probe_arrived(struct path_mtu *p, uint32_t limit, seq_t end, uint32_t retx);
/* wait_us: until the next. */
void path_mtu_probe_failed(struct path_mtu *p, const struct mtu_rules *rules, uint64_t now_us,
                           uint64_t wait_us);
void path_mtu_probe_unclear(struct path_mtu *p);
/* RFC 4821 7.8: more than a tenth of what was sent since the raise went again: it is taken back. */
void path_mtu_trial(struct path_mtu *p, const struct mtu_rules *rules, uint32_t limit, seq_t una, uint32_t retx,
                    uint64_t now_us);

const char *path_mtu_check(const struct path_mtu *p);

#endif
