/* Which packets the wire loses. All models that are set act at once, on every wire packet. */
#ifndef LINK_LOSS_H
#define LINK_LOSS_H

#include "chance.h"

struct loss {
    double random;   /* independent of each other */
    uint64_t every;  /* each n-th one; 0: none */
    uint64_t passed; /* packets since the last n-th */
    /* Gilbert-Elliott: bursts. In the words of netem: p, r, 1-h, 1-k. */
    double to_bad, to_good; /* before each packet; to_bad 0 turns the model off */
    double in_bad, in_good; /* probability of loss in each state */
    bool bad;
};

/* Is the next packet lost? */
bool loss_next(struct loss *loss, struct chance *chance);

#endif
