/*
 * live.h - what the parts of the live helper share. Every command gets its side and the words after
 * its name, and returns the exit status: 0, or 1 with a line on stderr that says what went wrong.
 */
#ifndef LIVE_LIVE_H
#define LIVE_LIVE_H

#include "live/side.h"

struct live {
    struct side side;
    bool thread;        /* the driver thread runs: blocking calls from many threads */
    int argc;
    char **argv;        /* NULL-terminated */
};

int live_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The i-th word as a number; the fallback if there is none. */
unsigned long live_number(const struct live *l, int i, unsigned long fallback);

/* Byte at `offset` of the stream number `seed`: no period that any buffer size divides. */
static inline uint8_t live_byte(uint64_t seed, uint64_t offset)
{
    uint64_t x = (offset >> 3) + seed * UINT64_C(0x9e3779b97f4a7c15);
    x *= UINT64_C(0xd6e8feb86659fd93);
    x ^= x >> 32;
    return (uint8_t)(x >> ((offset & 7) * 8));
}

void live_fill(uint8_t *data, size_t len, uint64_t seed, uint64_t offset);
/* The index of the first wrong byte, or len. */
size_t live_compare(const uint8_t *data, size_t len, uint64_t seed, uint64_t offset);

/* clients: client.c */
int live_echo_full(struct live *l); /* HOST PORT BYTES [BUFFER]: fill both directions, then check all */
int live_many(struct live *l);      /* HOST PORT CONNECTIONS BYTES: all open at once, each byte checked */
int live_threads(struct live *l);   /* HOST PORT THREADS BYTES: blocking calls, a thread each */
int live_reset(struct live *l);     /* HOST PORT: connect, send, reset by SO_LINGER {1, 0} */
int live_half(struct live *l);      /* HOST PORT BYTES: send, shut down, only then read all of it */
int live_refused(struct live *l);   /* HOST PORT ERRNO-NAME [USER-TIMEOUT-MS]: connect must fail so */
int live_stuck(struct live *l);     /* HOST PORT ERRNO-NAME: send until a call fails; it must be so */
int live_chargen(struct live *l);   /* HOST PORT BYTES: read, check the pattern of RFC 864 */
int live_await_reset(struct live *l); /* HOST PORT: connect; the peer must reset */
int live_late(struct live *l);      /* HOST PORT MS: connect, wait, then echo one line; prints ms */

/* servers: serve.c and loop.c */
int live_serve(struct live *l);     /* PORT:KIND...: echo discard chargen reset hold after */
int live_loop(struct live *l);      /* PORT: echo by someone else's epoll, non-blocking (libmytcp) */

/* datagrams: datagram.c */
int live_ping(struct live *l);      /* HOST COUNT BYTES: ICMP echo, the reply's bytes checked */
int live_udp(struct live *l);       /* HOST PORT: a datagram must be answered by port unreachable */

/* RFC 1071, of up to 65535 bytes */
uint16_t live_checksum(const uint8_t *data, size_t len);

/* flood.c */
int live_flood(struct live *l);     /* HOST PORT PER-SECOND SECONDS: SYNs from strangers, segments out of nowhere */

/* both stacks side by side: differ.c */
int live_differ(struct live *l);    /* PART, four addresses: the same calls give the same answers */

int live_numbers(struct live *l);   /* BYTES: to stdout what mytcp-echo serves at /bytes/BYTES */

#endif
