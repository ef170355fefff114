/*
 * Path MTUs by destination (RFC 1191, 4821), so that a new connection starts with what an earlier
 * one learned. Bounded: the entry set longest ago makes room. How it was learned is the
 * connections' matter (tcp/path_mtu.h).
 */
#ifndef STACK_PMTU_H
#define STACK_PMTU_H

#include <stdint.h>

#include "util/mem.h"
#include "wire/ip4.h"

enum { PMTU_ENTRIES = 64 };

struct pmtu_entry {
    uint64_t expires_us;
    ip4_addr dst;
    uint16_t mtu;
    uint16_t high; /* more than that is known not to pass; 0: nothing is */
};

struct pmtu { /* all-zero is an empty one */
    struct pmtu_entry *entries; /* PMTU_ENTRIES, last set first; NULL until the first is set */
    uint32_t count;
};

/* NULL if nothing is known, or not any more: an entry holds until just before expires_us. */
const struct pmtu_entry *pmtu_get(const struct pmtu *p, ip4_addr dst, uint64_t now_us);
/* Replaces what was known of its dst. Without memory nothing is remembered. */
void pmtu_set(struct pmtu *p, struct mem *mem, struct pmtu_entry entry);
void pmtu_free(struct pmtu *p, struct mem *mem);

#endif
