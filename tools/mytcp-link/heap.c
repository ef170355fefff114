#include "heap.h"

#include <stdlib.h>

enum { ROOM_MIN = 256 };

static bool before(const struct flight *a, const struct flight *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

void heap_free(struct heap *heap)
{
    for (size_t i = 0; i < heap->count; i++)
        frame_drop(heap->flights[i].frame);
    free(heap->flights);
    *heap = (struct heap){0};
}

bool heap_push(struct heap *heap, struct flight flight)
{
    if (heap->count == heap->room) {
        size_t room = heap->room ? heap->room * 2 : ROOM_MIN;
        struct flight *flights = realloc(heap->flights, room * sizeof *flights);
        if (!flights)
            return false;
        heap->flights = flights;
        heap->room = room;
    }
    flight.order = heap->order++;
    size_t i = heap->count++;
    for (; i > 0 && before(&flight, &heap->flights[(i - 1) / 2]); i = (i - 1) / 2)
        heap->flights[i] = heap->flights[(i - 1) / 2];
    heap->flights[i] = flight;
    return true;
}

const struct flight *heap_first(const struct heap *heap)
{
    return heap->count ? heap->flights : NULL;
}

void heap_pop(struct heap *heap)
{
    struct flight *flights = heap->flights;
    struct flight last = flights[--heap->count];
    size_t i = 0, child;
    while ((child = 2 * i + 1) < heap->count) {
        if (child + 1 < heap->count && before(&flights[child + 1], &flights[child]))
            child++;
        if (!before(&flights[child], &last))
            break;
        flights[i] = flights[child];
        i = child;
    }
    flights[i] = last;
}

uint64_t heap_second_ns(const struct heap *heap)
{
    uint64_t left_ns = heap->count > 1 ? heap->flights[1].due_ns : UINT64_MAX;
    uint64_t right_ns = heap->count > 2 ? heap->flights[2].due_ns : UINT64_MAX;
    return left_ns < right_ns ? left_ns : right_ns;
}
