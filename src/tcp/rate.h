/*
 * Delivery rate: how fast the network takes what is sent, a sample an ACK (draft-ietf-ccwg-bbr 4.1, before it
 * draft-cheng-iccrg-delivery-rate-estimation). Each segment sent carries a mark, which says how much had been
 * delivered by then; the newest segment that an ACK delivers gives the sample: what was delivered since, over
 * the longer of the times in which it was sent and acknowledged. A sample during which the application had
 * nothing to send says so. A closed mechanism, all zero when nothing is in flight.
 */
#ifndef TCP_RATE_H
#define TCP_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "util/seq.h"

/* P.* of the draft, kept with each segment in flight. Counts are modulo 2^32. */
struct rate_mark {
    uint32_t delivered, lost; /* by then */
    uint32_t flight;          /* in flight then, this included */
    uint32_t send_us, ack_us; /* how long before it the sending, and the arriving, of the sample's beginning was */
    bool app_limited;
};

/* RS.* of the draft. */
struct rate_sample {
    uint64_t rate_Bps;  /* 0: no reliable sample */
    uint64_t prior;     /* delivered when the segment was sent */
    uint32_t delivered; /* since then */
    uint32_t flight;    /* when the segment was sent, it included */
    uint32_t lost;      /* found lost since then */
    uint32_t size;      /* what of the segment is lost (rate_loss) */
    bool any;           /* there is a segment to speak of */
    bool app_limited;
};

struct rate {
    uint64_t delivered_us;  /* C.delivered_time */
    uint64_t first_sent_us; /* C.first_send_time */
    uint64_t app_limited;   /* samples are until so much is delivered; 0: they are not */
    uint32_t lost;          /* C.lost */
    struct rate_mark newest;
    seq_t end;              /* ... ends there */
    bool any;               /* ... was delivered by this ACK */
    struct rate_sample worst;
};

/* What the connection knows when something goes. */
struct rate_now {
    uint64_t now_us;
    uint64_t delivered; /* so far, acknowledged or SACKed */
    uint32_t pipe;      /* in flight before it */
};

void rate_sent(struct rate *r, struct rate_mark *m, const struct rate_now *now, uint32_t len);
/* A segment arrived that was sent at sent_us and ends at `end`. */
void rate_arrived(struct rate *r, const struct rate_mark *m, uint64_t sent_us, seq_t end);
/* The ACK is done; all told so much is delivered. Intervals below min_rtt_us tell nothing. */
struct rate_sample rate_take(struct rate *r, uint64_t delivered, uint64_t now_us, uint32_t min_rtt_us);
/* `bytes` of a segment are found lost. */
void rate_lost(struct rate *r, const struct rate_mark *m, uint32_t bytes);
/* Of the segments found lost since the last call, the one during whose flight the largest part of it was lost;
 * .any is false if there was none. */
struct rate_sample rate_loss(struct rate *r);
/* More could have been sent, but there is nothing. */
void rate_ran_dry(struct rate *r, uint64_t delivered, uint32_t pipe);

#endif
