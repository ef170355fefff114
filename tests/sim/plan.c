/* What each application of a run will do, drawn before it starts. */
#include <stdlib.h>

#include "sim.h"

enum { ROUND_TRIPS = 200 };

static void buffers(struct habits *h, struct rng *r, const struct setup *s)
{
    if (rng_chance(r, s->small_ppm)) {
        h->rcvbuf = rng_chance(r, 700000) ? (uint32_t)rng_log(r, 256, 8192) : 0;
        h->sndbuf = rng_chance(r, 700000) ? (uint32_t)rng_log(r, 256, 8192) : 0;
    } else if (rng_chance(r, 200000)) {
        h->rcvbuf = (uint32_t)rng_log(r, 8192, 262144);
        h->sndbuf = (uint32_t)rng_log(r, 8192, 262144);
    }
    h->clamp = rng_chance(r, 30000) ? rng_u32(r, 2000, 60000) : 0;
    h->lowat = rng_chance(r, 50000) ? rng_u32(r, 1000, 60000) : 0;
}

/* `bytes` is what passes through this endpoint: it bounds the number of calls. */
static void habits(struct habits *h, struct rng *r, const struct setup *s, uint64_t bytes)
{
    uint64_t least = bytes / (s->tiny_reads ? 20000 : 300) + 1;
    h->burst = (uint32_t)rng_log(r, 1, 15);
    h->read_max = (uint32_t)rng_log(r, 1, SCRATCH_BYTES);
    h->write_max = (uint32_t)rng_log(r, 1, SCRATCH_BYTES);
    least = least < SCRATCH_BYTES ? least : SCRATCH_BYTES;
    h->read_max = h->read_max < least ? (uint32_t)least : h->read_max;
    h->write_max = h->write_max < least ? (uint32_t)least : h->write_max;
    if (rng_chance(r, s->slow_ppm)) {
        h->pauses = rng_u32(r, 1, 20);
        h->pause_us = (uint32_t)rng_log(r, 1000, 2 * SECOND);
    }
    h->zero_copy_ppm = rng_chance(r, 400000) ? rng_u32(r, 0, 1000000) : 0;
    h->message_ppm = rng_chance(r, 200000) ? 300000 : 0;
    h->peek_ppm = rng_chance(r, 100000) ? 200000 : 0;
    h->oob_ppm = rng_chance(r, 100000) ? 100000 : 0;
    h->toggle_ppm = rng_chance(r, 100000) ? 200000 : 0;
    h->truncate_ppm = rng_chance(r, 50000) ? 200000 : 0;
    h->echo_room = (uint32_t)rng_log(r, 1, SCRATCH_BYTES);
    h->echo_room = h->echo_room < least ? (uint32_t)least : h->echo_room;
    h->nodelay = rng_chance(r, 300000);
    h->cork = rng_chance(r, 50000);
    h->quickack = rng_chance(r, 100000);
    h->reno = rng_chance(r, 200000);
    h->keepalive = rng_chance(r, 100000);
    h->policy = rng_chance(r, 400000)   ? POLICY_EDGE
                : rng_chance(r, 150000) ? POLICY_POLL
                                        : POLICY_WATCH;
    h->ending = rng_chance(r, 300000) ? END_CLOSE : END_SHUT;
    buffers(h, r, s);
}

static uint64_t size(struct rng *r, uint64_t bytes_max)
{
    return rng_chance(r, 50000) ? 0 : rng_log(r, 1, bytes_max);
}

/* A small buffer passes little on in a round trip. */
static void bound_bytes(struct plan *p)
{
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t buffer = i < 2 ? p->habits[i].rcvbuf : p->habits[i - 2].sndbuf;
        for (uint32_t side = 0; side < 2 && buffer != 0; side++) {
            uint64_t most = (uint64_t)buffer * ROUND_TRIPS;
            p->bytes[side] = p->bytes[side] < most ? p->bytes[side] : most;
        }
    }
}

static void draw(struct plan *p, struct rng *r, const struct setup *s, uint32_t index)
{
    uint64_t kind = rng_range(r, 0, 4);
    p->client = rng_u32(r, 0, 1);
    p->start_us = rng_range(r, 1, s->spread_us);
    p->echo = s->echo_only || kind < 2;
    p->bytes[0] = p->echo || kind != 2 ? size(r, s->bytes_max) : 0;
    p->bytes[1] = !p->echo && kind != 3 ? size(r, s->bytes_max) : 0;
    for (uint32_t side = 0; side < 2; side++) {
        uint64_t bytes = p->echo ? 2 * p->bytes[0] : p->bytes[0] + p->bytes[1];
        struct habits *h = &p->habits[side];
        habits(h, r, s, bytes);
        if (rng_chance(r, s->rude_ppm / 2)) {
            h->ending = rng_chance(r, 500000) ? END_RUDE : END_ABORT;
            h->end_after = rng_range(r, 0, bytes);
        }
    }
    if (s->fragile || p->habits[0].ending >= END_RUDE || p->habits[1].ending >= END_RUDE) {
        p->habits[0].keepalive = p->habits[1].keepalive = true; /* a lost RST says nothing */
    }
    bound_bytes(p);
    if (!p->echo) {
        p->habits[rng_range(r, 0, 1)].lazy = rng_chance(r, 300000);
    }
    if (s->simultaneous) {
        p->simultaneous = true;
        p->client_port = (uint16_t)(10000 + 2 * index);
    }
    if (s->chained) {
        p->client = 0;
        p->client_port = (uint16_t)(9000 + index % CHAINS);
        p->chained = index >= CHAINS;
    }
    if (s->wrap && index == 0) {
        p->client_port = 9000;
        p->start_us = 1000;
    }
}

struct plan *scenario_plans(const struct setup *s)
{
    struct rng r = rng_make(s->seed, 3);
    struct plan *plans = calloc(s->conns, sizeof(*plans));
    if (plans == NULL) {
        abort();
    }
    for (uint32_t i = 0; i < s->conns; i++) {
        if (s->plans != NULL) {
            plans[i] = s->plans[i];
        } else {
            draw(&plans[i], &r, s, i);
        }
    }
    for (uint32_t i = 0; i < s->conns; i++) {
        plans[i].client = s->swapped ? 1 - plans[i].client : plans[i].client;
        for (uint32_t side = 0; side < 2 && s->write_den != 0; side++) {
            uint32_t *max = &plans[i].habits[side].write_max;
            *max = *max * s->write_num / s->write_den;
            *max = *max == 0 ? 1 : *max > SCRATCH_BYTES ? SCRATCH_BYTES : *max;
        }
    }
    if (s->less != NULL) {
        less_plans(s->less, plans, s->conns);
    }
    return plans;
}
