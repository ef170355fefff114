/* Fragments of one made-up datagram, fed to a struct reass one by one. */
#ifndef TESTS_LIB_FRAGMENTS_H
#define TESTS_LIB_FRAGMENTS_H

#include "stack/reass.h"

enum { TIMEOUT = 15000000, MAX_BYTES = 256 * 1024, T0 = 1000 };
#define A ((ip4_addr){0xc0000201})
#define B ((ip4_addr){0xc0000202})

extern uint8_t fragments_content[65536 + 2000]; /* what the datagrams hold, at their offsets */

struct fragments {
    struct mem mem;
    struct reass reass;
    uint64_t now_us;
    /* of the next fragment */
    ip4_addr src, dst;
    uint16_t id;
    uint8_t protocol, tos;
    unsigned options_len;
    const uint8_t *bytes;
    /* of the last */
    uint8_t *datagram;
    size_t len;
    bool complete;
};

int fragments_set_up(void **state);
/* Whatever a test does, all memory comes back. */
int fragments_tear_down(void **state);

/* One fragment, in a block of its exact size that is gone after the call. */
enum drop_reason give(struct fragments *w, unsigned offset, unsigned len, bool more);
void assert_waits(struct fragments *w, unsigned offset, unsigned len, bool more);
void assert_whole(struct fragments *w, size_t payload_len);
void assert_completes(struct fragments *w, unsigned offset, unsigned len, bool more, size_t whole);

#endif
