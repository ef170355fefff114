#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/random.h"
#include "util/siphash.h"
#include "util/table.h"

enum {
    MOST = 20000,
    MOVED_AT_ONCE = 48, /* stored nodes hashed by one change: resizing's share */
    CHAIN = 16,         /* nodes with one hash's bucket, at load 1 */
    SMALLEST = 16 * sizeof(void *),
};

struct item {
    struct table_node node; /* first, so that a node is its item */
    uint32_t key;
    bool in, seen;
};

struct world {
    struct mem mem;
    struct table table;
    struct random random;
    bool refuse;          /* memory */
    unsigned hashed;      /* nodes that the table asked the hash of */
    unsigned count;
    struct item items[MOST];
};

static uint32_t hash_of(uint32_t key)
{
    const struct siphash_key secret = {1, 2};
    return (uint32_t)siphash_3u32(&secret, key, 0, 0);
}

static uint32_t node_hash(void *ctx, const struct table_node *node)
{
    struct world *w = ctx;
    w->hashed++;
    return hash_of(((const struct item *)node)->key);
}

static void *dirty_alloc(void *ctx, size_t size)
{
    struct world *w = ctx;
    void *memory = w->refuse ? NULL : malloc(size);
    if (memory)
        memset(memory, 0xa5, size);
    return memory;
}

static void plain_release(void *ctx, void *memory, size_t size)
{
    (void)ctx;
    (void)size;
    free(memory);
}

static struct world *new_world(uint64_t seed)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->random.state = seed;
    for (uint32_t i = 0; i < MOST; i++)
        w->items[i].key = i;
    mem_init(&w->mem, dirty_alloc, plain_release, w, SIZE_MAX);
    assert_int_equal(table_init(&w->table, &w->mem, node_hash, w), 0);
    return w;
}

static void end_world(struct world *w)
{
    table_free(&w->table);
    assert_int_equal(w->mem.used, 0);
    free(w);
}

/* Searches as a user of the table does; adds the length of the chain to *steps. */
static struct item *find(struct world *w, uint32_t key, unsigned *steps)
{
    uint32_t hash = hash_of(key);
    struct table_node *node = NULL;
    while ((node = table_next(&w->table, hash, node)) != NULL) {
        ++*steps;
        if (((struct item *)node)->key == key)
            return (struct item *)node;
    }
    return NULL;
}

static void check_find(struct world *w, struct item *it)
{
    unsigned steps = 0;
    assert_ptr_equal(find(w, it->key, &steps), it->in ? it : NULL);
    if (!w->refuse)
        assert_true(steps <= CHAIN);
}

static void toggle(struct world *w, struct item *it)
{
    w->hashed = 0;
    if (it->in)
        table_remove(&w->table, &it->node, hash_of(it->key));
    else
        table_insert(&w->table, &it->node, hash_of(it->key));
    assert_true(w->hashed <= MOVED_AT_ONCE);
    it->in = !it->in;
    w->count += it->in ? 1u : UINT32_MAX;
    assert_int_equal(w->table.count, w->count);
}

static bool see(void *ctx, struct table_node *node)
{
    struct item *it = (struct item *)node;
    unsigned *seen = ctx;
    assert_true(it->in);
    assert_false(it->seen);
    it->seen = true;
    ++*seen;
    return true;
}

static void check_walk(struct world *w)
{
    unsigned seen = 0;
    table_walk(&w->table, see, &seen);
    assert_int_equal(seen, w->count);
    for (unsigned i = 0; i < MOST; i++)
        w->items[i].seen = false;
}

static struct item *any_item(struct world *w, bool in)
{
    uint32_t i = random_below(&w->random, MOST);
    while (w->items[i].in != in)
        i = (i + 1) % MOST;
    return &w->items[i];
}

/* Random changes until `target` items are in; each one's lookup, and some others', are checked. */
static void drift_to(struct world *w, unsigned target)
{
    bool growing = w->count < target;
    for (unsigned i = 0; w->count != target; i++) {
        bool back = w->count > 0 && random_below(&w->random, 4) == 0;
        struct item *it = any_item(w, growing ? back : !back);
        toggle(w, it);
        check_find(w, it);
        check_find(w, &w->items[random_below(&w->random, MOST)]);
        if (i % 512 == 0)
            check_walk(w);
    }
}

static void it_agrees_with_a_naive_model_while_growing_and_shrinking(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct world *w = new_world(seed);
        const unsigned targets[] = {100, 3, 17, 16, 5000, 4000, 6000, 18000, 300, 0, 2000};
        for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
            drift_to(w, targets[i]);
            for (unsigned j = 0; j < MOST; j++)
                check_find(w, &w->items[j]);
        }
        end_world(w);
    }
}

static void a_walk_during_a_resize_sees_every_node_once(void **state)
{
    (void)state;
    struct world *w = new_world(4);
    unsigned resizing = 0;
    for (unsigned i = 0; i < 600; i++) {
        toggle(w, &w->items[i]);
        resizing += w->table.old != NULL;
        check_walk(w);
    }
    assert_true(resizing > 100);
    for (unsigned i = 600; i-- > 0;) {
        toggle(w, &w->items[i]);
        resizing += w->table.old != NULL;
        check_walk(w);
    }
    assert_true(resizing > 200);
    end_world(w);
}

struct stop {
    unsigned seen, at;
};

static bool stop_in_time(void *ctx, struct table_node *node)
{
    struct stop *stop = ctx;
    (void)node;
    return ++stop->seen < stop->at;
}

/* also in the old buckets of a table that grows */
static void a_walk_stops_when_told(void **state)
{
    (void)state;
    struct world *w = new_world(5);
    for (unsigned i = 0; i < 50 || !w->table.old; i++)
        toggle(w, &w->items[i]);
    for (unsigned at = 1; at <= w->count; at++) {
        struct stop stop = {.at = at};
        table_walk(&w->table, stop_in_time, &stop);
        assert_int_equal(stop.seen, at);
    }
    end_world(w);
}

static bool free_node(void *ctx, struct table_node *node)
{
    ++*(unsigned *)ctx;
    free(node);
    return true;
}

static void a_last_walk_may_free_the_nodes(void **state)
{
    (void)state;
    struct world *w = new_world(6);
    for (uint32_t i = 0; i < 300; i++) {
        struct item *it = calloc(1, sizeof *it);
        it->key = i;
        table_insert(&w->table, &it->node, hash_of(i));
    }
    unsigned freed = 0;
    table_walk(&w->table, free_node, &freed);
    assert_int_equal(freed, 300);
    end_world(w);
}

static void memory_follows_the_number_of_nodes_both_ways(void **state)
{
    (void)state;
    struct world *w = new_world(7);
    for (unsigned i = 0; i < MOST; i++) {
        toggle(w, &w->items[i]);
        assert_true(w->mem.used <= SMALLEST + 3 * sizeof(void *) * w->count);
    }
    assert_true(w->mem.used >= MOST / 2 * sizeof(void *));
    for (unsigned i = 0; i < MOST; i++) {
        toggle(w, &w->items[i]);
        assert_true(w->mem.used <= 2 * SMALLEST + 12 * sizeof(void *) * w->count);
    }
    assert_int_equal(w->mem.used, SMALLEST);
    end_world(w);
}

/* Growing is then merely late, and asking for memory is not repeated at every change. */
static void without_memory_it_works_with_longer_chains_and_grows_later(void **state)
{
    (void)state;
    struct world *w = new_world(8);
    drift_to(w, 1000);
    w->refuse = true;
    uint64_t refused_before = w->mem.refused;
    drift_to(w, 4000);
    for (unsigned i = 0; i < MOST; i++)
        check_find(w, &w->items[i]);
    check_walk(w);
    assert_in_range(w->mem.refused - refused_before, 1, 500);
    size_t used = w->mem.used;
    w->refuse = false;
    drift_to(w, 8000);
    assert_true(w->mem.used > 2 * used);
    for (unsigned i = 0; i < MOST; i++)
        check_find(w, &w->items[i]);
    w->refuse = true; /* nor does shrinking need memory that is not there */
    drift_to(w, 0);
    end_world(w);
}

static void without_memory_for_the_first_array_it_says_so(void **state)
{
    (void)state;
    struct mem mem;
    struct table t;
    mem_init(&mem, NULL, NULL, NULL, 16);
    assert_int_equal(table_init(&t, &mem, node_hash, NULL), -1);
    table_free(&t);
    assert_int_equal(mem.used, 0);
}

static uint32_t same_hash(void *ctx, const struct table_node *node)
{
    (void)ctx;
    (void)node;
    return 0xffffffff;
}

/* R17 */
static void nodes_with_one_hash_are_kept_apart_by_the_caller(void **state)
{
    (void)state;
    struct mem mem;
    struct table t;
    struct table_node nodes[200];
    mem_init(&mem, NULL, NULL, NULL, SIZE_MAX);
    assert_int_equal(table_init(&t, &mem, same_hash, NULL), 0);
    for (unsigned i = 0; i < 200; i++)
        table_insert(&t, &nodes[i], 0xffffffff);
    for (unsigned i = 0; i < 200; i += 2)
        table_remove(&t, &nodes[i], 0xffffffff);
    unsigned found = 0;
    for (struct table_node *n = NULL; (n = table_next(&t, 0xffffffff, n)) != NULL; found++)
        assert_int_equal((n - nodes) % 2, 1);
    assert_int_equal(found, 100);
    assert_null(table_next(&t, 0, NULL));
    table_remove(&t, &nodes[0], 0xffffffff); /* not in it: nothing happens */
    assert_int_equal(t.count, 100);
    table_free(&t);
    assert_int_equal(mem.used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_agrees_with_a_naive_model_while_growing_and_shrinking),
        cmocka_unit_test(a_walk_during_a_resize_sees_every_node_once),
        cmocka_unit_test(a_walk_stops_when_told),
        cmocka_unit_test(a_last_walk_may_free_the_nodes),
        cmocka_unit_test(memory_follows_the_number_of_nodes_both_ways),
        cmocka_unit_test(without_memory_it_works_with_longer_chains_and_grows_later),
        cmocka_unit_test(without_memory_for_the_first_array_it_says_so),
        cmocka_unit_test(nodes_with_one_hash_are_kept_apart_by_the_caller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
