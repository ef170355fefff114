/*
 * The bottleneck: a drop-tail queue in front of a sender of constant rate. Nothing is kept waiting
 * here: when a packet will have left is known when it comes. Bytes are those of IP packets.
 */
#ifndef LINK_QUEUE_H
#define LINK_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* So many bytes, or so many packets. */
struct amount {
    uint64_t n;
    bool packets;
};

struct queue_slot {
    uint64_t leaves_ns;
    uint32_t len_bytes;
};

struct queue {
    uint64_t rate_bit_s; /* 0: no limit, and nothing ever waits */
    struct amount limit; /* 0: none */
    uint64_t bytes, bytes_peak; /* waiting, with what is being sent */
    size_t packets;
    uint64_t free_ns;    /* when the last one that waits will have left */
    uint64_t remainder;  /* of the division by the rate: no packet leaves late for rounding */
    struct queue_slot *slots; /* a ring of the `packets` that wait, of a power of two */
    size_t first, slots_count;
};

void queue_free(struct queue *queue);

/* Forget what has left by now. */
void queue_drain(struct queue *queue, uint64_t now_ns);

/* Does as much wait as `amount` says, or more? (0: never.) After queue_drain(). */
bool queue_holds(const struct queue *queue, struct amount amount);

/* A packet comes, after queue_drain(). Returns false if it is dropped: the queue would be longer
 * than its limit (an empty queue takes any packet) or there is no memory. */
bool queue_enter(struct queue *queue, uint32_t len_bytes, uint64_t now_ns, uint64_t *leaves_ns);

#endif
