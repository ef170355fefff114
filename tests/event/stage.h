/*
 * A stack brought into a state by a short scripted story, one segment played to it, and all that
 * can be observed from outside. What the oracle is told of the connection comes from the script and
 * from what was seen on the wire, not from the stack's memory.
 */
#ifndef EVENT_STAGE_H
#define EVENT_STAGE_H

#include "oracle.h"
#include "mytcp.h"

struct stage {
    mytcp_stack *stack;
    uint64_t now_us, time_wait_us; /* when TIME-WAIT was entered */
    int listener, fd;
    bool ts;         /* the peer's SYN has timestamps */
    uint32_t unread; /* bytes that the application has left in the queue */
    unsigned rcv_scale;
    struct event_tcb tcb;
    char wrong[200]; /* the script went wrong: how; or nothing */
};

struct situation {
    const char *name; /* of the state, as in RFC 9293 */
    const char *what; /* ... and more exactly */
    void (*build)(struct stage *);
    bool any_ts; /* the connection can be with and without timestamps */
};
extern const struct situation situations[];
extern const int situation_count;

enum {
    SEGMENT_UP = 1,    /* the urgent pointer */
    SEGMENT_WND = 500, /* a window that differs from those before */
    TS_RECENT = -1     /* TSval of all the story's segments: 2^32 - 1 */
};

/* Made at `start_us`, and brought there. */
void stage_open(struct stage *st, const struct situation *s, bool ts, uint64_t start_us);
void stage_close(struct stage *st);
/* When to start so that the sequence numbers of both sides wrap in the middle of what is in flight.
 */
uint64_t stage_start_us(const struct situation *s, bool ts);
/* Play one segment. `expected` says only what there is to look at. */
struct event_outcome stage_play(struct stage *st, const struct event_segment *seg,
                                const struct event_outcome *expected);

#endif
