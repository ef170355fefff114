/* A host's memory: counted, and at times there is none. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

/* Is this the allocation from which on they fail, or in the time that they do? */
static bool is_scarce(struct world *w)
{
    const struct setup *s = w->setup;
    if (s->alloc_fail_from == 0 || w->conns == NULL || ++w->allocs < s->alloc_fail_from) {
        return false;
    }
    if (w->allocs == s->alloc_fail_from) {
        sim_note(w, "memory is short for %llu us", (unsigned long long)s->alloc_fail_us);
        w->scarce_until_us = w->now_us + s->alloc_fail_us;
        w->limit_us += s->alloc_fail_us;
        return true;
    }
    return w->now_us < w->scarce_until_us;
}

/* An allocation by what it is, so that a run with less has it too: its size, whose connection's event
 * it comes with, and the how manieth such it is. */
static uint64_t alloc_name(struct memory *m, size_t size)
{
    struct world *w = m->world;
    uint64_t name = rng_mix(rng_mix((uint64_t)m->number << 32 | w->serving) + size);
    uint32_t times = ++w->named[name % NAME_BUCKETS];
    return (uint64_t)m->number << 32 | rng_mix(name + times) >> 32;
}

static void allocation_fails(struct memory *m, size_t size)
{
    struct world *w = m->world;
    sim_happened(w, 0, "host %u: allocation of %zu bytes fails", m->number - HOSTS, size);
    if (w->serving != 0 && w->conns != NULL) {
        w->conns[w->serving - 1].failures++;
    }
}

void *memory_alloc(void *ctx, size_t size)
{
    struct memory *m = ctx;
    struct misfortune failure = {0};
    if (m->world->memory_short && m->world->setup->less != NULL) {
        failure.what = alloc_name(m, size);
    }
    if (m->world->memory_short && rng_chance(&m->rng, m->fail_ppm) &&
        sim_misfortune(m->world, &failure)) {
        allocation_fails(m, size);
        return NULL;
    }
    if (is_scarce(m->world)) {
        return NULL;
    }
    void *p = malloc(size);
    m->bytes += p != NULL ? size : 0;
    m->blocks += p != NULL;
    return p;
}

void memory_release(void *ctx, void *p, size_t size)
{
    struct memory *m = ctx;
    if (p != NULL) {
        m->bytes -= size;
        m->blocks--;
        memset(p, 0xdd, size); /* nothing freed is read or sent */
        free(p);
    }
}
