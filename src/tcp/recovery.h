/*
 * Loss recovery: what of [SND.UNA, SND.NXT) the peer has, what counts as lost, what to send again.
 * NewReno (RFC 6582) without SACK, RFC 6675 with it. A closed mechanism: it works on sequence numbers
 * and bytes, so a super-segment of which a part was lost is resent in that part only.
 *
 * The picture, left to right:   una ....... rtx_next ....... lost_end ....... nxt
 *   unsacked bytes in [una, rtx_next) were retransmitted in this episode and count as in flight,
 *   unsacked bytes in [rtx_next, lost_end) are lost and wait for their turn,
 *   unsacked bytes beyond lost_end are in flight.
 */
#ifndef TCP_RECOVERY_H
#define TCP_RECOVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "util/mem.h"
#include "util/seq.h"
#include "wire/tcp.h"

enum { RECOVERY_DUPTHRESH = 3, RECOVERY_RANGES_MAX = 256 };

enum recovery_mode {
    RECOVERY_NONE,
    RECOVERY_FAST, /* fast recovery */
    RECOVERY_RTO   /* after a retransmission timeout, until what was sent before it is acknowledged */
};

struct sack_board; /* sorted SACKed ranges; allocated by the first SACK block, freed when empty */

struct recovery {
    struct sack_board *board;
    seq_t recover; /* RFC 6582: SND.NXT when the last episode began */
    seq_t rtx_next, lost_end;
    uint32_t dup_bytes; /* without SACK: what the duplicate ACKs say has left the network */
    uint16_t dupacks;
    uint8_t mode;
    bool force; /* the next retransmission is the fast one: not held back by cwnd */
};

void recovery_init(struct recovery *r, seq_t iss);
void recovery_free(struct recovery *r, struct mem *mem);

/* Take in SACK blocks; those outside of (una, nxt] or empty are ignored. True if any byte is news. */
bool recovery_sack(struct recovery *r, struct mem *mem, seq_t una, seq_t nxt,
                   const struct sack_block *blocks, unsigned count);
/* A duplicate ACK without SACK (RFC 5681 2). */
void recovery_dupack(struct recovery *r, seq_t una, seq_t nxt, uint32_t mss);
/* Is something lost that should start fast recovery now? Also extends lost_end inside an episode. */
bool recovery_detect(struct recovery *r, seq_t una, seq_t nxt, uint32_t mss, bool sack_ok);
void recovery_enter_fast(struct recovery *r, seq_t una, seq_t nxt, uint32_t mss, bool sack_ok);
/* Everything unsacked is lost. A scoreboard that starts at una was reneged on and is forgotten. */
void recovery_enter_rto(struct recovery *r, struct mem *mem, seq_t una, seq_t nxt);
/* SND.UNA moved to `una`, by `acked` bytes. True if this ends an episode. */
bool recovery_ack(struct recovery *r, struct mem *mem, seq_t una, seq_t nxt, uint32_t acked,
                  uint32_t mss, bool sack_ok);

/* Bytes believed to be in the network (RFC 6675 4: pipe). */
uint32_t recovery_pipe(const struct recovery *r, seq_t una, seq_t nxt);
uint32_t recovery_sacked(const struct recovery *r);
/* The next run to send again; false if there is none. */
bool recovery_next(const struct recovery *r, seq_t una, seq_t *start, uint32_t *len);
void recovery_sent(struct recovery *r, seq_t end); /* it was sent up to here */

const char *recovery_check(const struct recovery *r, seq_t una, seq_t nxt);

#endif
