#include "util/table.h"

/*
 * Both arrays have a power of two of buckets. While resizing, nodes whose hash agrees modulo the
 * smaller size form a group; groups below `moved` live in the new array, the others in the old one.
 * So every hash has exactly one chain at any time, and a new array needs no clearing: a bucket is
 * written when its group moves.
 */
#define MIN_BUCKETS 16u
#define MAX_BUCKETS (1u << 28)
/* Groups moved by each insertion and removal. Growing doubles at load 1, so it ends at load 1.25 of
 * the old size; shrinking halves at load 1/4, so it keeps up with removals down to none. */
#define MOVES_PER_CHANGE 4

static struct table_node **new_buckets(struct table *t, uint32_t count)
{
    return mem_alloc(t->mem, MEM_TABLE, (size_t)count * sizeof *t->buckets);
}

static void free_buckets(struct table *t, struct table_node **buckets, uint32_t mask)
{
    mem_free(t->mem, MEM_TABLE, buckets, ((size_t)mask + 1) * sizeof *buckets);
}

static uint32_t group_mask(const struct table *t)
{
    return t->old && t->old_mask < t->mask ? t->old_mask : t->mask;
}

static struct table_node **chain_of(const struct table *t, uint32_t hash)
{
    if (t->old && (hash & group_mask(t)) >= t->moved)
        return &t->old[hash & t->old_mask];
    return &t->buckets[hash & t->mask];
}

static void move_group(struct table *t)
{
    uint32_t step = group_mask(t) + 1, group = t->moved;
    for (uint32_t i = group; i <= t->mask; i += step)
        t->buckets[i] = NULL;
    for (uint32_t i = group; i <= t->old_mask; i += step) {
        struct table_node *node = t->old[i];
        while (node) {
            struct table_node *rest = node->next;
            struct table_node **head = &t->buckets[t->hash(t->ctx, node) & t->mask];
            node->next = *head;
            *head = node;
            node = rest;
        }
    }
    if (++t->moved == step) {
        free_buckets(t, t->old, t->old_mask);
        t->old = NULL;
    }
}

static void begin_resize(struct table *t, uint32_t count)
{
    struct table_node **buckets = new_buckets(t, count);
    if (!buckets)
        return;
    t->old = t->buckets;
    t->old_mask = t->mask;
    t->buckets = buckets;
    t->mask = count - 1;
    t->moved = 0;
}

/* A resize that found no memory is not tried again at each change, but 16 times per doubling. */
static void resize_if_worth(struct table *t)
{
    if (t->old || (t->count & (t->mask >> 4)) != 0)
        return;
    if (t->count > t->mask && t->mask < MAX_BUCKETS - 1)
        begin_resize(t, (t->mask + 1) * 2);
    else if (t->mask >= MIN_BUCKETS && t->count <= (t->mask + 1) / 4)
        begin_resize(t, (t->mask + 1) / 2);
}

static void after_change(struct table *t)
{
    resize_if_worth(t);
    for (int i = 0; t->old && i < MOVES_PER_CHANGE; i++)
        move_group(t);
}

int table_init(struct table *t, struct mem *mem,
               uint32_t (*hash)(void *ctx, const struct table_node *node), void *ctx)
{
    *t = (struct table){.mem = mem, .hash = hash, .ctx = ctx, .mask = MIN_BUCKETS - 1};
    t->buckets = mem_zalloc(mem, MEM_TABLE, MIN_BUCKETS * sizeof *t->buckets);
    return t->buckets ? 0 : -1;
}

void table_free(struct table *t)
{
    free_buckets(t, t->buckets, t->mask);
    free_buckets(t, t->old, t->old_mask);
    *t = (struct table){0};
}

void table_insert(struct table *t, struct table_node *node, uint32_t hash)
{
    struct table_node **chain = chain_of(t, hash);
    node->next = *chain;
    *chain = node;
    t->count++;
    after_change(t);
}

void table_remove(struct table *t, struct table_node *node, uint32_t hash)
{
    struct table_node **link = chain_of(t, hash);
    while (*link && *link != node)
        link = &(*link)->next;
    if (!*link)
        return;
    *link = node->next;
    node->next = NULL;
    t->count--;
    after_change(t);
}

struct table_node *table_next(const struct table *t, uint32_t hash, const struct table_node *last)
{
    return last ? last->next : *chain_of(t, hash);
}

static bool walk_chain(struct table_node *node, bool (*fn)(void *, struct table_node *), void *ctx)
{
    while (node) {
        struct table_node *rest = node->next;
        if (!fn(ctx, node))
            return false;
        node = rest;
    }
    return true;
}

void table_walk(const struct table *t, bool (*fn)(void *ctx, struct table_node *node), void *ctx)
{
    uint32_t groups = group_mask(t);
    for (uint32_t i = 0; i <= t->mask; i++)
        if ((!t->old || (i & groups) < t->moved) && !walk_chain(t->buckets[i], fn, ctx))
            return;
    for (uint32_t i = 0; t->old && i <= t->old_mask; i++)
        if ((i & groups) >= t->moved && !walk_chain(t->old[i], fn, ctx))
            return;
}
