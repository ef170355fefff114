/*
 * A stack with its application and its peers, all in the fuzzer's hand.
 *
 * The peers know of a connection what they have seen of it, so that a packet made for it (packet.h)
 * is right unless it is spoilt on purpose. Both streams are a pattern of the absolute sequence
 * number: whoever receives a byte knows what it must be, whatever was lost, forged or cut up.
 *
 * Checked all the time: what mytcp_check() checks; every packet sent is valid and holds the right
 * bytes; all memory is below the ceiling, counted right, and comes back; RCV.NXT, SND.UNA and the
 * right edge of the window never go back; mytcp_next_deadline() is never late, and after output has
 * nothing more to give it is not now.
 */
#ifndef FUZZ_LIB_WORLD_H
#define FUZZ_LIB_WORLD_H

#include "fuzz/lib/fuzz.h"
#include "mytcp.h"

#define MS ((uint64_t)1000)
#define SEC ((uint64_t)1000000)
#define OUR_ADDR UINT32_C(0xc0000201) /* 192.0.2.1 */

enum {
    PEERS = 6,       /* by address and port */
    FDS = 16,        /* that the application remembers, closed ones included */
    LISTEN_PORT = 80 /* and the next, with SYN cookies when its short queue is full */
};

struct device;

struct peer {
    uint32_t addr;
    uint16_t port, local_port; /* local_port: of the stack, as last heard from */
    uint32_t next;             /* the sequence number of what it sends next */
    uint32_t acked;            /* what it has acknowledged */
    uint16_t window;
    bool heard; /* of the last segment to it: */
    uint8_t flags;
    uint32_t seq, end, ack, tsval;
    bool has_ts;
    uint8_t quote[68]; /* its first bytes */
    uint32_t quote_len;
};

/* The application's side of a connection. */
struct end {
    int fd;
    uint32_t iss, irs;
    bool known; /* the numbers above and below are of a connection */
    uint32_t written, read;
    uint32_t snd_una, rcv_nxt, edge;
};

struct world {
    struct mytcp_config config;
    mytcp_stack *stack;
    uint64_t now_us;
    uint64_t quiet_until_us; /* mytcp_next_deadline() after the last output */
    struct peer peer[PEERS];
    struct end end[FDS];
    unsigned ends;
    bool spoilt;    /* a packet went in whose payload nobody vouches for */
    uint32_t to_us; /* destination of forged packets */
    uint16_t next_id;
    unsigned sent;      /* packets, by the last world_drain */
    uint64_t sent_hash; /* of all their bytes so far */
    struct device *device; /* that packets pass through (device.h); NULL: none */
    /* memory */
    uint64_t held_bytes, blocks;
    uint8_t refuse_one_in; /* allocations; 0: none */
    uint8_t fill;          /* what fresh memory holds: nothing may depend on it */
    uint32_t allocs;
};

/* A config that suits a fuzzer (small buffers), then the stack; false if it refuses. */
void world_config(struct world *w);
bool world_start(struct world *w);
/* Destroy it; all memory must come back. */
void world_stop(struct world *w);

/* All checks of the stack's state. */
void world_check(struct world *w);
/* Take all that the stack has to send, verify it, let the peers see it. */
void world_drain(struct world *w);
/* Let time pass; before the deadline nothing may be sent. */
void world_pass(struct world *w, uint64_t us);
/* A listening socket, remembered. */
void world_listen(struct world *w, uint16_t port, int backlog);
/* The socket calls that the streams' pattern needs. */
void world_remember(struct world *w, int fd);
void world_send(struct world *w, struct end *e, uint32_t len, int flags);
void world_recv(struct world *w, struct end *e, uint32_t len, int flags);
void world_reserve(struct world *w, struct end *e, uint32_t want, uint32_t commit);
void world_peek(struct world *w, struct end *e, uint32_t consume);

const uint8_t *world_bytes(bool ours, uint32_t seq); /* TAPE_SPARE of them */

#endif
