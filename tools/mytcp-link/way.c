#include "way.h"

#include <errno.h>

#define HELD_BYTES_MAX (UINT64_C(1) << 30) /* under way in one direction; more is dropped */

void way_init(struct way *way, const struct way_settings *settings, uint64_t gather_ns,
              uint64_t seed)
{
    *way = (struct way){.settings = *settings, .gather_ns = gather_ns, .chance = {seed}};
    way->queue.rate_bit_s = settings->rate_bit_s;
    way->queue.limit = settings->limit;
}

void way_free(struct way *way)
{
    burst_clear(&way->burst);
    heap_free(&way->heap);
    queue_free(&way->queue);
}

/* When a packet that leaves the sender now arrives. */
static uint64_t arrival(struct way *way, uint64_t leaves_ns)
{
    const struct way_settings *s = &way->settings;
    uint64_t delay_ns = s->delay_ns;
    if (s->jitter_ns > 0) {
        uint64_t low_ns = delay_ns > s->jitter_ns ? delay_ns - s->jitter_ns : 0;
        uint64_t span_ns = delay_ns + s->jitter_ns - low_ns;
        delay_ns = low_ns + (uint64_t)(chance_next(&way->chance) * (double)span_ns);
    }
    uint64_t due_ns = leaves_ns + delay_ns;
    if (due_ns < way->last_due_ns)
        due_ns = way->last_due_ns;
    if (chance_hits(&way->chance, s->reorder)) {
        way->stats.reordered++;
        return due_ns + s->reorder_ns;
    }
    way->last_due_ns = due_ns;
    return due_ns;
}

static void fly(struct way *way, struct frame *frame, uint32_t piece, bool ce, uint64_t leaves_ns)
{
    struct flight flight = {arrival(way, leaves_ns), 0, frame, piece, ce};
    uint32_t len_bytes = frame_piece_bytes(frame, piece);
    if (way->held_bytes + len_bytes > HELD_BYTES_MAX || !heap_push(&way->heap, flight)) {
        way->stats.dropped_memory++;
        return;
    }
    frame_keep(frame);
    way->held_bytes += len_bytes;
}

static void enter_packet(struct way *way, struct frame *frame, uint32_t piece, uint64_t now_ns)
{
    uint32_t len_bytes = frame_piece_bytes(frame, piece);
    uint64_t leaves_ns;

    way->stats.packets_in++;
    way->stats.bytes_in += len_bytes;
    bool ce = queue_holds(&way->queue, way->settings.mark) && frame_is_ect(frame);
    if (!queue_enter(&way->queue, len_bytes, now_ns, &leaves_ns)) {
        way->stats.dropped_queue++;
        return;
    }
    way->stats.marked += ce;
    if (loss_next(&way->settings.loss, &way->chance)) {
        way->stats.lost++;
        return;
    }
    fly(way, frame, piece, ce, leaves_ns);
    if (chance_hits(&way->chance, way->settings.duplicate)) {
        way->stats.duplicated++;
        fly(way, frame, piece, ce, leaves_ns);
    }
}

void way_enter(struct way *way, const struct virtio_net_hdr *hdr, const void *bytes,
               size_t len_bytes, uint64_t now_ns)
{
    way->stats.frames_in++;
    struct frame *frame = frame_new(hdr, bytes, len_bytes);
    if (!frame) {
        if (errno == EBADMSG)
            way->stats.frames_bad++;
        else
            way->stats.dropped_memory++;
        return;
    }
    queue_drain(&way->queue, now_ns);
    for (uint32_t i = 0; i < frame->pieces; i++)
        enter_packet(way, frame, i, now_ns);
    frame_drop(frame);
}

/* One alone is on time. Several wait for the next of common ticks: both ways share a wake-up. */
uint64_t way_wake_ns(const struct way *way)
{
    if (way->burst.count > 0)
        return 0; /* it was not taken */
    const struct flight *first = heap_first(&way->heap);
    if (!first)
        return UINT64_MAX;
    if (way->gather_ns == 0)
        return first->due_ns;
    uint64_t tick_ns = (first->due_ns / way->gather_ns + 1) * way->gather_ns;
    return heap_second_ns(&way->heap) <= tick_ns ? tick_ns : first->due_ns;
}

static void note_lateness(struct way_stats *stats, uint64_t late_ns)
{
    unsigned bucket = 0;
    while (bucket + 1 < LATE_BUCKETS && late_ns >> bucket)
        bucket++;
    stats->late[bucket]++;
    if (late_ns > stats->late_max_ns)
        stats->late_max_ns = late_ns;
}

struct burst *way_leave(struct way *way, uint64_t now_ns)
{
    const struct flight *first;
    while ((first = heap_first(&way->heap)) != NULL && first->due_ns <= now_ns) {
        struct frame *frame = first->frame;
        uint32_t len_bytes = frame_piece_bytes(frame, first->piece);
        if (!burst_add(&way->burst, frame, first->piece, first->ce, way->gather_ns > 0))
            break;
        note_lateness(&way->stats, now_ns - first->due_ns);
        way->held_bytes -= len_bytes;
        heap_pop(&way->heap);
        frame_drop(frame);
    }
    if (way->burst.count == 0)
        return NULL;
    burst_close(&way->burst);
    return &way->burst;
}

void way_left(struct way *way, bool taken)
{
    struct burst *burst = &way->burst;
    if (taken) {
        way->stats.bursts_out++;
        way->stats.packets_out += burst->count;
        way->stats.bytes_out += burst->payload_bytes + burst->count * burst->first.head_len;
    } else {
        way->stats.dropped_end += burst->count;
    }
    burst_clear(burst);
}

uint64_t way_late_ns(const struct way_stats *stats, double share)
{
    uint64_t all = 0, seen = 0;
    for (unsigned i = 0; i < LATE_BUCKETS; i++)
        all += stats->late[i];
    for (unsigned i = 0; i < LATE_BUCKETS; i++) {
        seen += stats->late[i];
        if ((double)seen >= share * (double)all)
            return all ? UINT64_C(1) << i : 0;
    }
    return stats->late_max_ns;
}
