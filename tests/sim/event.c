#include <stdlib.h>

#include "sim.h"

static bool before(const struct event *a, const struct event *b)
{
    return a->time_us != b->time_us ? a->time_us < b->time_us : a->order < b->order;
}

void events_add(struct events *q, uint64_t time_us, enum event_kind kind, uint32_t index,
                void *what)
{
    if (q->count == q->cap) {
        q->cap = q->cap == 0 ? 64 : 2 * q->cap;
        q->heap = realloc(q->heap, q->cap * sizeof(*q->heap));
        if (q->heap == NULL) {
            abort();
        }
    }
    struct event e = {time_us, q->order++, what, kind, index};
    size_t i = q->count++;
    for (; i != 0 && before(&e, &q->heap[(i - 1) / 2]); i = (i - 1) / 2) {
        q->heap[i] = q->heap[(i - 1) / 2];
    }
    q->heap[i] = e;
}

uint64_t events_next(const struct events *q)
{
    return q->count == 0 ? MYTCP_NEVER_US : q->heap[0].time_us;
}

struct event events_take(struct events *q)
{
    struct event first = q->heap[0], last = q->heap[--q->count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= q->count) {
            break;
        }
        if (child + 1 < q->count && before(&q->heap[child + 1], &q->heap[child])) {
            child++;
        }
        if (!before(&q->heap[child], &last)) {
            break;
        }
        q->heap[i] = q->heap[child];
        i = child;
    }
    q->heap[i] = last;
    return first;
}

void events_free(struct events *q)
{
    for (size_t i = 0; i < q->count; i++) {
        if (q->heap[i].kind == EVENT_PACKET) {
            free(q->heap[i].what);
        }
    }
    free(q->heap);
}
