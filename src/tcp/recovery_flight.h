/* Private to recovery*.c: what recovery keeps while something is in flight. */
#ifndef TCP_RECOVERY_FLIGHT_H
#define TCP_RECOVERY_FLIGHT_H

#include "tcp/flight.h"
#include "tcp/recovery.h"

struct recovery_flight {
    struct flight sent;
    struct rate rate;
    /* RACK (RFC 8985 5.3) */
    uint64_t rack_sent_us; /* when the newest delivered segment was sent */
    seq_t rack_end;
    uint32_t rack_rtt_us;
    seq_t fack;            /* the highest delivered */
    uint64_t reorder_at_us;
    uint32_t most_in_flight; /* in this round trip */
    /* PRR */
    uint32_t prr_delivered, prr_out, recover_fs;
    /* undo: what the last episode had reduced, and until when a D-SACK may say so */
    uint32_t prior_cwnd, prior_ssthresh;
    uint32_t undo_bytes;   /* it sent again, and no D-SACK reported */
    seq_t undo_end;        /* set when it ends */
    uint64_t again_us;     /* when its first retransmission went, or an earlier episode's of which the copies are
                            * not all acknowledged; 0: none did */
    seq_t again_end;       /* ... and where they end */
    bool undo_possible;
    /* F-RTO */
    uint8_t frto;          /* 0 off, 1 the first was resent, 2 something new is to go, 3 it went */
    /* NewReno without SACK */
    uint32_t dup_bytes;
    uint16_t dupacks;
    bool force;
};

/* These units are lost. */
void recovery_lose(struct recovery *r, uint32_t position, uint64_t units);
/* When nothing is in flight: let go of what is of no more use. */
void recovery_settle(struct recovery *r, struct mem *mem);
/* RACK.reo_wnd (recovery_ack.c). */
uint32_t recovery_reo_wnd(const struct recovery *r, uint32_t srtt_us);
/* Without SACK: the first unit at una is presumed lost (recovery_ack.c). */
void recovery_lose_first(struct recovery *r, seq_t una);

#endif
