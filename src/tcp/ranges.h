/*
 * Ranges of received bytes with holes between them: a B+-tree of runs by their place. Adding,
 * removing and finding one cost O(log n) wherever it lies, and touch a few cache lines also among a
 * million. A range stays where it is in memory, and its run may grow into the holes around it.
 */
#ifndef TCP_RANGES_H
#define TCP_RANGES_H

#include <stdint.h>

#include "tcp/run.h"

struct range {
    struct run run;
    uint64_t place; /* within it, for ever: where it began */
};

/* All zero is empty. */
struct ranges {
    struct ranges_node *root;
    uint32_t count;         /* of ranges */
    uint32_t levels, nodes; /* of the tree */
};

/* One with all of `in`, whose first byte stands at `at`; NULL without memory. It must neither
 * overlap nor touch another one. */
struct range *ranges_add(struct ranges *s, struct buf_pool *pool, uint64_t at,
                         struct recvq_data *in);
void ranges_remove(struct ranges *s, struct buf_pool *pool, struct range *r); /* with its buffers */
void ranges_free(struct ranges *s, struct buf_pool *pool); /* all of them */

/* The first that ends at or after `pos`, or NULL. */
struct range *ranges_reaching(const struct ranges *s, uint64_t pos);
struct range *ranges_last(const struct ranges *s);
static inline struct range *ranges_after(const struct ranges *s, const struct run *run)
{
    return ranges_reaching(s, run->end + 1);
}

/* Memory held, as charged: O(n log n). */
uint64_t ranges_held(const struct ranges *s);
/* NULL if every invariant holds, else what does not. In *bytes how many all ranges have. */
const char *ranges_check(const struct ranges *s, uint64_t *bytes);

#endif
