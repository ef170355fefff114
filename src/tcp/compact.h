/*
 * Connections that are hardly there: half-open ones of the passive side (SYN-RECEIVED) and those in
 * TIME-WAIT, kept in a few bytes. To act on a segment, a record is unpacked into a TCB, the ordinary verbs
 * run on that, and it is packed again: there is one SYN-RECEIVED and one TIME-WAIT, not two.
 */
#ifndef TCP_COMPACT_H
#define TCP_COMPACT_H

#include "tcp/tcb.h"

struct half_open {
    seq_t irs, iss;
    uint32_t ts_recent, ts_offset;
    uint32_t born_us; /* low bits of when the SYN came: for the handshake's duration */
    uint16_t peer_mss, window;
    uint8_t snd_wscale, rcv_wscale, syn_retx, mark;
    uint8_t challenges, challenge_s; /* in which second, low bits */
    bool ts_ok : 1, sack_ok : 1, wscale_ok : 1, ecn_ok : 1, sent : 1, by_cookie : 1;
    bool acked : 1; /* TCP_DEFER_ACCEPT: the bare third ACK was seen and set aside */
};

/* A SYN came in LISTEN (3.10.7.2, third): the record of the new connection, SYN,ACK marked. */
void half_open_begin(struct half_open *h, const struct tcp_env *env, const struct tcp_options *opt,
                     const struct tcp_segment *syn, seq_t iss, uint32_t ts_offset);
void half_open_unpack(struct tcb *t, const struct half_open *h, const struct tcp_env *env,
                      const struct tcp_options *opt);
/* Only what can change in SYN-RECEIVED. */
void half_open_pack(struct half_open *h, const struct tcb *t);

struct time_wait {
    seq_t snd_nxt, rcv_nxt;
    uint32_t ts_recent, ts_offset;
    uint16_t window; /* that we still offer, as in the field */
    uint8_t challenges;
    uint8_t challenge_s : 3; /* in which second, low bits */
    uint8_t rcv_wscale : 4;
    uint8_t ts_ok : 1;
};

void time_wait_pack(struct time_wait *w, const struct tcb *t);
void time_wait_unpack(struct tcb *t, const struct time_wait *w, const struct tcp_env *env);
/* May this SYN take over from TIME-WAIT (RFC 6191 2, RFC 9293 3.10.7.4 fourth)? */
bool time_wait_reusable(const struct time_wait *w, const struct tcp_env *env, const struct tcp_segment *syn);

#endif
