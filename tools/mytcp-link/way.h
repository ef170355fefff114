/*
 * One direction of the link. A frame goes in, is split into wire packets, and each of them meets,
 * in this order: the queue (dropped when full, marked when long), the sender of limited rate, loss,
 * duplication, delay with jitter, reordering. What has arrived comes out in bursts.
 */
#ifndef LINK_WAY_H
#define LINK_WAY_H

#include "burst.h"
#include "heap.h"
#include "loss.h"
#include "queue.h"

struct way_settings {
    uint64_t delay_ns;
    uint64_t jitter_ns;   /* more or less than the delay by up to this, evenly; the order is kept */
    struct loss loss;
    double reorder;       /* probability of being late by reorder_ns, so that others overtake */
    uint64_t reorder_ns;
    double duplicate;
    uint64_t rate_bit_s;  /* 0: no limit */
    struct amount limit;  /* of the queue */
    struct amount mark;   /* a queue of this length marks ECN-capable packets */
};

enum { LATE_BUCKETS = 40 };

struct way_stats {
    uint64_t frames_in, frames_bad;
    uint64_t packets_in, bytes_in; /* wire packets */
    uint64_t lost, dropped_queue, dropped_memory, dropped_end;
    uint64_t marked, reordered, duplicated;
    uint64_t packets_out, bytes_out, bursts_out;
    uint64_t late[LATE_BUCKETS]; /* packets late by less than 2^i ns */
    uint64_t late_max_ns;
};

struct way {
    struct way_settings settings;
    uint64_t gather_ns; /* what is due between two ticks of this goes out together; 0: no merging */
    struct chance chance;
    struct queue queue;
    struct heap heap;
    uint64_t last_due_ns; /* of those in order */
    uint64_t held_bytes;
    struct burst burst;   /* taken from the heap and not written yet */
    struct way_stats stats;
};

void way_init(struct way *way, const struct way_settings *settings, uint64_t gather_ns,
              uint64_t seed);
void way_free(struct way *way);

/* Something was read from the device. */
void way_enter(struct way *way, const struct virtio_net_hdr *hdr, const void *bytes,
               size_t len_bytes, uint64_t now_ns);

/* When to ask way_leave(); UINT64_MAX: not before something enters. */
uint64_t way_wake_ns(const struct way *way);

/* The next burst that is due, or NULL. It stays the next until way_left(). */
struct burst *way_leave(struct way *way, uint64_t now_ns);

/* It was written, or the far end does not take it: `taken` false. */
void way_left(struct way *way, bool taken);

/* The lateness that this share of the packets did not exceed, to a power of two. */
uint64_t way_late_ns(const struct way_stats *stats, double share);

#endif
