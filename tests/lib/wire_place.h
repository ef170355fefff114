/* The states that a connection of a passive open passes through, and how to get there: for tests
 * that do the same thing in all of them. */
#ifndef LIB_WIRE_PLACE_H
#define LIB_WIRE_PLACE_H

#include "lib/wire.h"

struct wire_place {
    const char *name;
    void (*go)(struct wire *w);
    int state; /* of the descriptor; 0 where there is none: SYN-RECEIVED, TIME-WAIT */
    uint32_t snd_nxt, rcv_nxt;
};

enum { AT_SYN_RECEIVED, AT_ESTABLISHED, AT_FIN_WAIT_1, AT_FIN_WAIT_2, AT_CLOSE_WAIT, AT_CLOSING,
       AT_LAST_ACK, AT_TIME_WAIT, WIRE_PLACES };

extern const struct wire_place wire_places[WIRE_PLACES];

/* A connection of its own, that is of another peer port, in that state. */
const struct wire_place *wire_go(struct wire *w, unsigned place);
/* It is there still, and nothing was sent that the test did not see. */
void wire_still(struct wire *w, const struct wire_place *place);
/* It is gone: whoever asks is answered by a RST. */
void wire_gone(struct wire *w, const struct wire_place *place);

#endif
