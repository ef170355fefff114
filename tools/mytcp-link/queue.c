#include "queue.h"

#include <stdlib.h>

enum { SLOTS_MIN = 256 };

#define NS_OF_BYTE_AT_BIT_S UINT64_C(8000000000)

void queue_free(struct queue *queue)
{
    free(queue->slots);
    queue->slots = NULL;
}

void queue_drain(struct queue *queue, uint64_t now_ns)
{
    while (queue->packets > 0 && queue->slots[queue->first].leaves_ns <= now_ns) {
        queue->bytes -= queue->slots[queue->first].len_bytes;
        queue->first = (queue->first + 1) & (queue->slots_count - 1);
        queue->packets--;
    }
}

bool queue_holds(const struct queue *queue, struct amount amount)
{
    return amount.n > 0 && (amount.packets ? queue->packets : queue->bytes) >= amount.n;
}

static bool is_full(const struct queue *queue, uint32_t len_bytes)
{
    if (queue->limit.n == 0 || queue->packets == 0)
        return false;
    return queue->limit.packets ? queue->packets >= queue->limit.n
                                : queue->bytes + len_bytes > queue->limit.n;
}

static bool make_room(struct queue *queue)
{
    size_t count = queue->slots_count ? queue->slots_count * 2 : SLOTS_MIN;
    if (queue->packets < queue->slots_count)
        return true;
    struct queue_slot *slots = malloc(count * sizeof *slots);
    if (!slots)
        return false;
    for (size_t i = 0; i < queue->packets; i++)
        slots[i] = queue->slots[(queue->first + i) & (queue->slots_count - 1)];
    free(queue->slots);
    queue->slots = slots;
    queue->slots_count = count;
    queue->first = 0;
    return true;
}

bool queue_enter(struct queue *queue, uint32_t len_bytes, uint64_t now_ns, uint64_t *leaves_ns)
{
    *leaves_ns = now_ns;
    if (queue->rate_bit_s == 0)
        return true;
    if (is_full(queue, len_bytes) || !make_room(queue))
        return false;
    if (queue->free_ns < now_ns) {
        queue->free_ns = now_ns;
        queue->remainder = 0;
    }
    uint64_t work = len_bytes * NS_OF_BYTE_AT_BIT_S + queue->remainder;
    queue->free_ns += work / queue->rate_bit_s;
    queue->remainder = work % queue->rate_bit_s;
    queue->slots[(queue->first + queue->packets) & (queue->slots_count - 1)] =
        (struct queue_slot){queue->free_ns, len_bytes};
    queue->packets++;
    queue->bytes += len_bytes;
    if (queue->bytes > queue->bytes_peak)
        queue->bytes_peak = queue->bytes;
    *leaves_ns = queue->free_ns;
    return true;
}
