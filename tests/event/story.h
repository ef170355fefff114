/* Between the stories that bring a stack into a state and the harness they are told with. */
#ifndef EVENT_STORY_H
#define EVENT_STORY_H

#include "stage.h"

enum {
    OUR_ADDR = 0x0a000001,
    PEER_ADDR = 0x0a000002,
    OUR_PORT = 80,
    PEER_PORT = 40000,
    PEER_SCALE = 2
};

struct heard {
    struct event_answer answer;
    uint32_t wnd, len;
    unsigned scale; /* of a SYN */
};

void stage_say(struct stage *st, const struct event_segment *seg);
/* The next segment that the stack sends now. */
bool stage_hear(struct stage *st, struct heard *h);
void stage_wrong(struct stage *st, const char *what);

#endif
