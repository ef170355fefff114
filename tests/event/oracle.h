/*
 * The other side of the event table: what RFC 9293 section 3.10.7 says of a segment that arrives,
 * by its text, and of the policies decided where texts differ, each with its clause. It shares no
 * code with the stack, and knows only numbers that were seen on the wire.
 */
#ifndef EVENT_ORACLE_H
#define EVENT_ORACLE_H

#include <netinet/tcp.h> /* TCP_ESTABLISHED, ... and TH_FIN, ... */
#include <stdbool.h>
#include <stdint.h>

struct event_tcb {
    int state;
    bool passive;   /* opened from LISTEN */
    bool closed;    /* by the application: nobody will read */
    bool listening; /* TIME-WAIT: a listener would take a new connection */
    bool timestamps, fin_received;
    uint32_t iss, snd_una, snd_nxt, snd_wnd, max_snd_wnd, snd_wl1, snd_wl2;
    unsigned snd_scale; /* shift of the windows that the peer sends */
    uint32_t irs, rcv_nxt, rcv_wnd, ts_recent, last_ack_sent;
};

struct event_segment {
    unsigned flags;
    uint32_t seq, ack, len;
    uint16_t wnd; /* as in the field */
    uint32_t up;  /* of the urgent pointer */
    bool has_ts;
    uint32_t tsval;
};

struct event_answer {
    unsigned flags;
    uint32_t seq, ack; /* ack: 0 without the flag */
    bool fresh_iss;    /* seq is a new ISS, which nobody can foretell */
    bool has_ts;       /* of a RST not said */
    uint32_t tsecr;
};

enum { EVENT_ANSWERS = 3 };

struct event_outcome {
    struct event_tcb tcb; /* as it is after the segment */
    int answers;
    struct event_answer answer[EVENT_ANSWERS];
    uint32_t delivered; /* bytes to the application */
    int error;          /* errno that it is told, or 0 */
    bool urgent;        /* it is told of urgent data */
    bool restarted;     /* the 2 MSL of TIME-WAIT began anew */
};

struct event_outcome event_oracle(const struct event_tcb *tcb, const struct event_segment *segment);

#endif
