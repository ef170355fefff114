/*
 * Pacing: when the next segment may go, so that what is sent comes at a rate. It goes in bursts, since a
 * segment at a time would break super-segments and cost a wake-up each: as Linux's TSO autosizing makes them,
 * about a millisecond of the rate, at least two segments and at most 64 KiB. A burst is one super-segment, or
 * as many packets where there are none. A closed mechanism, all zero at its beginning.
 */
#ifndef TCP_PACE_H
#define TCP_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pacer {
    uint64_t next_ns; /* when the next burst may begin */
    uint64_t wake_us; /* somebody waits until then; 0: nobody */
    uint32_t left;    /* of this burst, in bytes */
    bool waited;      /* for the next burst */
};

/* A burst at this rate (1000 bytes a second): whole segments. */
uint32_t pace_burst(uint32_t rate_kBps, uint32_t mss);
/* How much may go now. */
uint32_t pace_room(struct pacer *p, uint32_t rate_kBps, uint32_t mss, uint64_t now_us);
/* That was not enough: p->wake_us is when there will be more. */
void pace_wait(struct pacer *p);
/* So much went. */
void pace_sent(struct pacer *p, uint32_t rate_kBps, uint32_t bytes);

#endif
