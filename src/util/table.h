/* An intrusive hash table that grows and shrinks a few buckets at a time: no operation is ever
 * linear in its size. The caller brings hashes (keyed) and compares keys. */
#ifndef UTIL_TABLE_H
#define UTIL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/mem.h"

struct table_node {
    struct table_node *next;
};

struct table {
    struct mem *mem;
    /* Of a stored node, as given to table_insert; called when resizing moves it. */
    uint32_t (*hash)(void *ctx, const struct table_node *node);
    void *ctx;
    struct table_node **buckets, **old; /* old: NULL, or the array that a resize still moves from */
    uint32_t mask, old_mask, moved;
    size_t count;
};

/* Returns 0, or -1 without memory. */
int table_init(struct table *t, struct mem *mem,
               uint32_t (*hash)(void *ctx, const struct table_node *node), void *ctx);
void table_free(struct table *t); /* the nodes are the caller's */
/* Insertion cannot fail: without memory to grow, chains get longer. */
void table_insert(struct table *t, struct table_node *node, uint32_t hash);
void table_remove(struct table *t, struct table_node *node, uint32_t hash);
/* The chain to search for `hash`: call with last = NULL first, then with the node returned. */
struct table_node *table_next(const struct table *t, uint32_t hash, const struct table_node *last);
/* Walk all nodes in no particular order; stops when fn returns false. The table must not change,
 * except that fn may free the node if table_free is all that follows. Linear, of course. */
void table_walk(const struct table *t, bool (*fn)(void *ctx, struct table_node *node), void *ctx);

#endif
