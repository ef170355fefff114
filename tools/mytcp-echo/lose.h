/* Losing packets on purpose, to watch TCP cure it. */
#ifndef ECHO_LOSE_H
#define ECHO_LOSE_H

#include "mytcp_tun.h"

enum lose_what {
    LOSE_NOTHING,
    LOSE_SYN,     /* an incoming SYN */
    LOSE_SYNACK,  /* an outgoing SYN-ACK */
    LOSE_ACK,     /* the handshake's third segment: an incoming pure ACK of our SYN-ACK */
    LOSE_FIN,     /* an outgoing FIN */
    LOSE_LASTACK, /* the ACK of the second FIN of a connection, whichever side sends it */
    LOSE_PERCENT  /* any packet in either direction, by a fixed sequence of random numbers */
};

/* One lost TCP segment, until trace.c has told of it. */
struct lost {
    bool out;
    struct in_addr peer;
    uint16_t peer_port, local_port;
    uint8_t flags;
    uint32_t seq, ack, len_bytes;
};

/* What is known of one connection: enough to recognise its handshake and its close. Index [1] is
 * ours (out), [0] the peer's. */
struct lose_conn {
    struct in_addr peer;
    uint16_t peer_port, local_port;
    bool syn_seen[2], fin_seen[2];
    uint32_t isn[2];
    uint32_t fin_end[2]; /* the sequence number behind the FIN */
    bool fin_last;       /* the direction of the second FIN */
};

enum { LOSE_CONNS = 64, LOSE_TOLD = 256 };

struct lose {
    enum lose_what what;
    uint32_t left;      /* how many more to lose */
    uint32_t threshold; /* of LOSE_PERCENT: of 2^32 */
    uint64_t random;
    bool keep_told; /* somebody reads told[] */
    unsigned told_first, told_count;
    struct lost told[LOSE_TOLD];
    unsigned next_conn;
    struct lose_conn conns[LOSE_CONNS]; /* the latest ones */
};

/* "syn", "synack:3", "2.5%". Returns whether it could be understood. */
bool lose_parse(struct lose *lose, const char *text);

/* A mytcp_tun_filter_fn; ctx is a struct lose. */
bool lose_filter(void *ctx, bool out, const struct iovec *iov, int iovcnt);

/* The oldest lost segment not told of yet, or NULL; lose_told() takes it away. */
const struct lost *lose_tell(const struct lose *lose);
void lose_told(struct lose *lose);

#endif
