/*
 * Congestion control: how much may be in flight. A closed mechanism behind one small interface: an
 * algorithm is a table of functions over struct cc and a file of its own. What is lost, and what to send
 * again, is recovery.h's business.
 */
#ifndef TCP_CC_H
#define TCP_CC_H

#include <stdint.h>

struct cc_algorithm;

struct cc {
    const struct cc_algorithm *algorithm;
    uint32_t cwnd, ssthresh; /* bytes */
    uint32_t acked;          /* of the current window, in congestion avoidance */
};

struct cc_algorithm {
    const char *name;
    void (*init)(struct cc *cc);
    /* New data was acknowledged outside of recovery, with the window in use (not application-limited). */
    void (*on_ack)(struct cc *cc, uint32_t acked_bytes, uint32_t mss, uint64_t now_us);
    /* A loss episode starts: set ssthresh from what is in flight. */
    void (*on_loss)(struct cc *cc, uint32_t flight_bytes, uint32_t mss, uint64_t now_us);
};

enum { CC_NAME_MAX = 16 };

/* By name ("reno"), or NULL. "" gives the default. */
const struct cc_algorithm *cc_find(const char *name);

void cc_init(struct cc *cc, const struct cc_algorithm *algorithm);
/* RFC 6928: min(segments * MSS, max(2 * MSS, 14600)) for the default of 10. */
void cc_set_initial_window(struct cc *cc, uint32_t mss, uint32_t segments);
void cc_on_ack(struct cc *cc, uint32_t acked_bytes, uint32_t mss, uint64_t now_us);
/* Enter fast recovery: cwnd becomes ssthresh. */
void cc_on_loss(struct cc *cc, uint32_t flight_bytes, uint32_t mss, uint64_t now_us);
/* A retransmission timeout (RFC 5681 3.1 (4)): one segment. `again`: the same data timed out before, and
 * ssthresh keeps the value of the first time. */
void cc_on_rto(struct cc *cc, uint32_t flight_bytes, uint32_t mss, int again, uint64_t now_us);
/* RFC 5681 4.1: idle for longer than an RTO, so restart from the initial window. */
void cc_on_idle(struct cc *cc, uint32_t mss, uint32_t segments);

extern const struct cc_algorithm cc_reno;

#endif
