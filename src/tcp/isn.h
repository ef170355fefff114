/* Secrets turned into numbers: initial sequence numbers (RFC 6528), timestamp offsets (RFC 7323 7.1), SYN
 * cookies (RFC 4987 3.6), ephemeral ports (RFC 6056). Pure functions of key, tuple and time. */
#ifndef TCP_ISN_H
#define TCP_ISN_H

#include "tcp/compact.h"
#include "util/siphash.h"

struct isn_tuple {
    ip4_addr local, peer;
    uint16_t local_port, peer_port;
};

struct isn_keys {
    struct siphash_key isn, ts, cookie, port;
};

/* Four keys from 32 bytes of entropy. */
void isn_keys_init(struct isn_keys *k, const uint8_t entropy[32]);
/* ISN = M + F(tuple, secret), M a clock of 4 us. */
seq_t isn_generate(const struct isn_keys *k, const struct isn_tuple *tuple, uint64_t now_us);
uint32_t isn_ts_offset(const struct isn_keys *k, const struct isn_tuple *tuple);
/* Where the search for an ephemeral port starts, for a peer and a count of connects so far. */
uint32_t isn_port_start(const struct isn_keys *k, const struct isn_tuple *tuple, uint64_t count);

enum { COOKIE_AGE_MAX = 2, COOKIE_LIFE_US = COOKIE_AGE_MAX * 64000000 };

/* The ISN that carries what a half-open record would: 24 bits of MAC, 5 of a 64 s clock, 3 of MSS. With
 * timestamps the window scale, SACK and ECN go into the low 6 bits of TSval, like Linux. */
seq_t cookie_make(const struct isn_keys *k, const struct isn_tuple *tuple, seq_t irs, uint16_t peer_mss,
                  uint64_t now_us);
/* Is `iss` a cookie of ours for this tuple, at most two clock steps old? Gives the MSS. */
bool cookie_check(const struct isn_keys *k, const struct isn_tuple *tuple, seq_t irs, seq_t iss,
                  uint64_t now_us, uint16_t *peer_mss);
/* The TSval of a SYN,ACK with a cookie: at most 64 ticks behind `tsval`. */
uint32_t cookie_tsval(uint32_t tsval, const struct half_open *h);
void cookie_options(struct half_open *h, uint32_t tsecr);

#endif
