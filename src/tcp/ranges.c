#include "tcp/ranges.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum { FAN = 31 /* a node takes 504 bytes */ };

/* What hangs at a node is a range in the lowest level, 1, and a node of the next lower one above.
 * The key of a range is its place, that of a node is its own first key. No node is empty. */
struct ranges_node {
    uint32_t count;
    uint64_t key[FAN];
    void *at[FAN];
};

/* How many keys are at or before `key`. */
static unsigned rank(const struct ranges_node *n, uint64_t key)
{
    unsigned lo = 0, hi = n->count;
    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        if (n->key[mid] <= key)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void move(struct ranges_node *to, unsigned i, const struct ranges_node *from, unsigned k,
                 unsigned count)
{
    memmove(to->key + i, from->key + k, count * sizeof(to->key[0]));
    memmove(to->at + i, from->at + k, count * sizeof(to->at[0]));
}

static void open_at(struct ranges_node *n, unsigned i, uint64_t key, void *at)
{
    move(n, i + 1, n, i, n->count - i);
    n->key[i] = key;
    n->at[i] = at;
    n->count++;
}

static void close_at(struct ranges_node *n, unsigned i)
{
    n->count--;
    move(n, i, n, i + 1, n->count - i);
}

static void free_node(struct ranges *s, struct mem *mem, struct ranges_node *n)
{
    mem_free(mem, MEM_RECV, n, sizeof(*n));
    s->nodes--;
}

/* ---- finding ---- */

struct range *ranges_reaching(const struct ranges *s, uint64_t pos)
{
    const struct ranges_node *n = s->root;
    void *next = NULL; /* the first behind pos hangs there, so many levels below */
    uint32_t below = 0;
    for (uint32_t level = s->levels; level > 0; level--) {
        unsigned i = rank(n, pos);
        if (i < n->count) {
            next = n->at[i];
            below = level - 1;
        }
        if (i == 0)
            break; /* of the root only: all are behind */
        struct range *before = n->at[i - 1];
        if (level == 1 && before->run.end >= pos)
            return before;
        n = n->at[i - 1];
    }
    for (; below > 0; below--)
        next = ((struct ranges_node *)next)->at[0];
    return next;
}

struct range *ranges_last(const struct ranges *s)
{
    void *last = s->root;
    for (uint32_t level = s->levels; level > 0; level--) {
        const struct ranges_node *n = last;
        last = n->at[n->count - 1];
    }
    return last;
}

/* ---- adding ---- */

static struct ranges_node *take_spare(struct ranges_node **spare)
{
    struct ranges_node *n = *spare;
    *spare = n->at[0];
    n->count = 0;
    return n;
}

/* As many nodes as adding `key` will need: for each full one on its way, from below, and a root. */
static bool reserve(struct ranges *s, struct mem *mem, uint64_t key, struct ranges_node **spare)
{
    const struct ranges_node *n = s->root;
    unsigned need = 1;
    *spare = NULL;
    for (uint32_t level = s->levels; level > 0; level--) {
        unsigned i = rank(n, key);
        need = n->count == FAN ? need + 1 : 0;
        n = n->at[i > 0 ? i - 1 : 0];
    }
    for (; need > 0; need--) {
        struct ranges_node *more = mem_alloc(mem, MEM_RECV, sizeof(*more));
        if (!more)
            break;
        more->at[0] = *spare;
        *spare = more;
        s->nodes++;
    }
    if (need == 0)
        return true;
    while (*spare)
        free_node(s, mem, take_spare(spare));
    return false;
}

/* Hang it at n, as number i. Returns a new right half if n was full. */
static struct ranges_node *hang(struct ranges_node *n, unsigned i, uint64_t key, void *at,
                                struct ranges_node **spare)
{
    struct ranges_node *right = NULL;
    if (n->count == FAN) {
        unsigned keep = i == FAN ? FAN : FAN / 2; /* what comes in order leaves full nodes behind */
        right = take_spare(spare);
        right->count = FAN - keep;
        move(right, 0, n, keep, right->count);
        n->count = keep;
        if (i >= keep) {
            i -= keep;
            n = right;
        }
    }
    open_at(n, i, key, at);
    return right;
}

static struct ranges_node *add(struct ranges_node *n, uint32_t level, struct range *r,
                               struct ranges_node **spare)
{
    unsigned i = rank(n, r->place);
    if (level == 1)
        return hang(n, i, r->place, r, spare);
    i -= i > 0;
    struct ranges_node *child = n->at[i], *right = add(child, level - 1, r, spare);
    n->key[i] = child->key[0];
    return right ? hang(n, i + 1, right->key[0], right, spare) : NULL;
}

static bool add_to_tree(struct ranges *s, struct mem *mem, struct range *r)
{
    struct ranges_node *spare;
    if (!reserve(s, mem, r->place, &spare))
        return false;
    struct ranges_node *left = s->root, *right = left ? add(left, s->levels, r, &spare) : NULL;
    if (!left || right) {
        s->root = take_spare(&spare);
        s->levels++;
        if (left) {
            open_at(s->root, 0, left->key[0], left);
            open_at(s->root, 1, right->key[0], right);
        } else {
            open_at(s->root, 0, r->place, r);
        }
    }
    s->count++;
    return true;
}

static void free_range(struct range *r, struct buf_pool *pool)
{
    run_free(&r->run, pool);
    mem_free(pool->mem, MEM_RECV, r, sizeof(*r));
}

struct range *ranges_add(struct ranges *s, struct buf_pool *pool, uint64_t at,
                         struct recvq_data *in)
{
    struct range *r = mem_alloc(pool->mem, MEM_RECV, sizeof(*r));
    if (!r)
        return NULL;
    *r = (struct range){.run = {.start = at, .end = at}, .place = at};
    run_append(&r->run, pool, in, 0, in->len);
    if (r->run.head && add_to_tree(s, pool->mem, r))
        return r;
    free_range(r, pool);
    return NULL;
}

/* ---- removing ---- */

/* Child i of n has lost one: it is poured together with a neighbour if both are mostly empty. */
static void settle(struct ranges *s, struct mem *mem, struct ranges_node *n, unsigned i)
{
    unsigned k = i > 0 ? i - 1 : 0;
    struct ranges_node *left = n->at[k], *right = k + 1 < n->count ? n->at[k + 1] : NULL;
    if (!right) {
        if (left->count > 0)
            return;
        free_node(s, mem, left);
        close_at(n, k);
    } else if (left->count == 0 || right->count == 0 || left->count + right->count <= FAN / 2) {
        move(left, left->count, right, 0, right->count);
        left->count += right->count;
        free_node(s, mem, right);
        close_at(n, k + 1);
        n->key[k] = left->key[0];
    }
}

static void remove_below(struct ranges *s, struct mem *mem, struct ranges_node *n, uint32_t level,
                         uint64_t key)
{
    unsigned i = rank(n, key) - 1;
    if (level == 1) {
        close_at(n, i);
        return;
    }
    struct ranges_node *child = n->at[i];
    remove_below(s, mem, child, level - 1, key);
    n->key[i] = child->key[0];
    settle(s, mem, n, i);
}

void ranges_remove(struct ranges *s, struct buf_pool *pool, struct range *r)
{
    remove_below(s, pool->mem, s->root, s->levels, r->place);
    s->count--;
    free_range(r, pool);
    while (s->levels > 0 && s->root->count <= (s->levels > 1)) {
        struct ranges_node *root = s->root;
        s->root = root->count > 0 ? root->at[0] : NULL;
        s->levels--;
        free_node(s, pool->mem, root);
    }
}

void ranges_free(struct ranges *s, struct buf_pool *pool)
{
    while (s->count > 0)
        ranges_remove(s, pool, ranges_last(s));
}

/* ---- all of them ---- */

uint64_t ranges_held(const struct ranges *s)
{
    uint64_t held = s->nodes * sizeof(*s->root) + s->count * sizeof(struct range);
    for (const struct range *r = ranges_reaching(s, 0); r; r = ranges_after(s, &r->run))
        held += run_held(&r->run);
    return held;
}

static const char *check_node(const struct ranges_node *n, uint32_t level, uint32_t *nodes)
{
    const char *bad = NULL;
    ++*nodes;
    if (n->count == 0 || n->count > FAN)
        return "ranges: a node is empty or too full";
    for (uint32_t i = 0; i < n->count && !bad; i++) {
        const struct ranges_node *child = n->at[i];
        if (n->key[i] != (level > 1 ? child->key[0] : ((const struct range *)n->at[i])->place))
            return "ranges: a key is not the first of what hangs there";
        if (i > 0 && n->key[i] <= n->key[i - 1])
            return "ranges: keys are out of order";
        bad = level > 1 ? check_node(child, level - 1, nodes) : NULL;
    }
    return bad;
}

const char *ranges_check(const struct ranges *s, uint64_t *bytes)
{
    uint32_t nodes = 0, count = 0;
    uint64_t end = 0;
    *bytes = 0;
    const char *bad = s->root ? check_node(s->root, s->levels, &nodes) : NULL;
    for (const struct range *r = bad ? NULL : ranges_reaching(s, 0); r && !bad;
         r = ranges_after(s, &r->run)) {
        if ((count++ && r->run.start <= end) || r->run.start > r->place || r->run.end <= r->place)
            return "ranges: they touch, overlap or are not where they began";
        bad = run_check(&r->run);
        end = r->run.end;
        *bytes += r->run.end - r->run.start;
    }
    if (!bad && (nodes != s->nodes || count != s->count))
        bad = "ranges: not as many as counted";
    return bad;
}
