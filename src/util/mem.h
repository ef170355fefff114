/* All memory of a stack: one ceiling, charged by kind before it is taken. */
#ifndef UTIL_MEM_H
#define UTIL_MEM_H

#include <stddef.h>
#include <stdint.h>

enum mem_kind {
    MEM_TABLE,  /* hash table, descriptors, the stack itself */
    MEM_CONN,   /* connections and sockets */
    MEM_HALF,   /* half-open records */
    MEM_TW,     /* TIME-WAIT records */
    MEM_SEND,   /* send queues */
    MEM_RECV,   /* receive queues, in order and not, and packets on their way in */
    MEM_REASS,  /* fragments */
    MEM_KINDS
};

/*
 * The steps near the ceiling, in percent of it. Windows are promised out of what is left below TIGHT, and
 * above it caches are given back. Above FULL no packet's buffer is kept whole, SYNs are dropped, data out of
 * order is let go, who has something to read takes no more data, and who has something queued to send
 * queues no more, until things are ROOMY. A connection that holds nothing can always go on, so nobody waits
 * for memory in a circle.
 */
enum { MEM_TIGHT_PERCENT = 75, MEM_ROOMY_PERCENT = 85, MEM_FULL_PERCENT = 90 };

struct mem {
    void *(*alloc)(void *ctx, size_t size);
    void (*release)(void *ctx, void *memory, size_t size);
    void *ctx;
    size_t limit;
    size_t used;
    size_t peak;
    uint64_t refused; /* by the ceiling or the allocator */
    size_t by_kind[MEM_KINDS];
};

/* NULL alloc and release mean malloc and free. */
void mem_init(struct mem *m, void *(*alloc)(void *ctx, size_t size),
              void (*release)(void *ctx, void *memory, size_t size), void *ctx, size_t limit);
/* NULL if the ceiling or the allocator refuses. Not zeroed. */
void *mem_alloc(struct mem *m, enum mem_kind kind, size_t size);
void *mem_zalloc(struct mem *m, enum mem_kind kind, size_t size);
/* With the kind and size it was allocated with. NULL: nothing. */
void mem_free(struct mem *m, enum mem_kind kind, void *memory, size_t size);
/* Is more than `percent` of the ceiling in use? */
int mem_above(const struct mem *m, unsigned percent);
/* What one connection may count on: a part of what is left below TIGHT. */
size_t mem_share(const struct mem *m);

#endif
