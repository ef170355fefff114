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
    uint32_t (*hash)(void *ctx, const struct table_node *node); /* of a stored node, for resizing */
    void *ctx;
    struct table_node **buckets, **old; /* while growing, old[moved..] still holds nodes */
    uint32_t mask, old_mask, moved;
    size_t count;
};

/* Returns 0, or -1 without memory. */
int table_init(struct table *t, struct mem *mem, uint32_t (*hash)(void *, const struct table_node *),
               void *ctx);
void table_free(struct table *t); /* the nodes are the caller's */
/* Insertion cannot fail: without memory to grow, chains get longer. */
void table_insert(struct table *t, struct table_node *node, uint32_t hash);
void table_remove(struct table *t, struct table_node *node, uint32_t hash);
/* The chain(s) to search for `hash`: call with *it = NULL first, then with the last node returned. */
struct table_node *table_next(const struct table *t, uint32_t hash, const struct table_node *last);
/* Walk all nodes in no particular order; stops when fn returns false. The table must not change. */
void table_walk(const struct table *t, bool (*fn)(void *ctx, struct table_node *node), void *ctx);

#endif
