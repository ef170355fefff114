/* What is under way: wire packets by the time when they are due, first come first among equals. */
#ifndef LINK_HEAP_H
#define LINK_HEAP_H

#include "frame.h"

struct flight {
    uint64_t due_ns;
    uint64_t order;
    struct frame *frame;
    uint32_t piece;
    bool ce;
};

struct heap {
    struct flight *flights;
    size_t count, room;
    uint64_t order; /* of the next one */
};

void heap_free(struct heap *heap); /* drops the frames */

/* `flight.order` is set here. Takes the reference over. False: no memory, nothing has changed. */
bool heap_push(struct heap *heap, struct flight flight);

/* The earliest, or NULL; and take it away (its reference goes to the caller). */
const struct flight *heap_first(const struct heap *heap);
void heap_pop(struct heap *heap);

/* When the second one is due; UINT64_MAX if there is none. */
uint64_t heap_second_ns(const struct heap *heap);

#endif
