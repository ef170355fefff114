/*
 * Reassembly of IPv4 fragments (RFC 791 3.2, 815): strict, small and bounded.
 *
 * A datagram is known by source, destination, protocol and ID. Fragments that overlap discard it
 * whole (RFC 5722's rule), and so do two different ends; only an exact copy of a fragment is
 * ignored. What has been discarded stays so: until its deadline nothing completes it. The deadline
 * is fixed by the first fragment to arrive, and nothing moves it.
 *
 * Memory is charged as MEM_REASS. Of max_bytes one source may hold half in fragments. When there is
 * no room the oldest datagram of the same source gives way, else the oldest of all.
 */
#ifndef STACK_REASS_H
#define STACK_REASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/drop.h"
#include "util/mem.h"
#include "wire/ip4.h"

enum {
    REASS_DATAGRAMS = 64, /* at a time */
    REASS_FRAGMENTS = 70, /* of one datagram: 576 bytes may come in the smallest pieces (RFC 791 3.2) */
    REASS_QUOTE = IP4_HEADER_MAX + 8 /* bytes of the first fragment, for an error about it */
};

struct reass_datagram;

struct reass {
    struct mem *mem;
    size_t max_bytes, used_bytes;
    uint64_t timeout_us;
    struct reass_datagram *oldest, **newest; /* in order of arrival, hence of deadlines */
    unsigned count;
    uint64_t evicted; /* datagrams that gave way to others */
    uint8_t *finished; /* the datagram given last */
    size_t finished_size;
};

/* With max_bytes 0, and in a struct of zeros, every fragment is DROP_FRAG_LIMIT. */
void reass_init(struct reass *r, struct mem *mem, size_t max_bytes, uint64_t timeout_us);
void reass_free(struct reass *r); /* and is empty again, ready for use */

/*
 * Take one fragment: `h` as ip4_parse made it from `packet`, its offset or more_fragments set.
 *
 * With DROP_NONE the fragment counts as taken, and if it completed its datagram, *complete is true
 * and *datagram the whole packet of *len bytes: the first fragment's header without options, DF as
 * it was, total length and checksum put right. It is the module's, until the next reass_input or
 * reass_free. If a fragment came with ECN's CE mark, the datagram has it (RFC 3168 5.3).
 *
 * DROP_FRAG_BAD: an impossible offset or length, or a TCP header cut in pieces (RFC 1858, 3128):
 * the fragment alone is dropped. Two different ends, or CE beside Not-ECT: the datagram is
 * discarded.
 * DROP_FRAG_OVERLAP: the datagram is discarded.
 * DROP_FRAG_LIMIT: too many fragments, or more bytes than a source or the module may hold, and
 * DROP_NO_MEMORY, refused by `mem`: the datagram is discarded.
 * A fragment of a discarded datagram gets the reason again that discarded it.
 */
enum drop_reason reass_input(struct reass *r, const struct ip4_header *h, const uint8_t *packet,
                             uint64_t now_us, uint8_t **datagram, size_t *len, bool *complete);

/* When reass_expire is to be called next; UINT64_MAX if nothing waits. */
uint64_t reass_deadline(const struct reass *r);
/* Forget what is due. Returns how many datagrams timed out; those discarded before do not count. `late` is told of
 * each of them whose first fragment had come: its header and REASS_QUOTE bytes of it, or all; NULL: nobody is. */
typedef void reass_late(void *ctx, const uint8_t *packet, const struct ip4_header *ip);
unsigned reass_expire(struct reass *r, uint64_t now_us, reass_late *late, void *ctx);

#endif
