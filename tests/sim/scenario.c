/* The classes of runs: each draws a network, two configurations and a mix of applications. */
#include <string.h>

#include "sim.h"

enum {
    BYTES_FACTOR = 8, /* most transfers are far shorter than the longest */
    BYTES_MOST = 16 * 1024 * 1024
};

static void some_conns(struct setup *s, struct rng *r, uint32_t low, uint32_t high,
                       uint64_t bytes_max)
{
    s->conns = (uint32_t)rng_log(r, low, high);
    s->bytes_max = BYTES_FACTOR * bytes_max / s->conns + 2000;
    s->bytes_max = s->bytes_max < BYTES_MOST ? s->bytes_max : BYTES_MOST;
}

static void patient(struct setup *s)
{
    for (uint32_t i = 0; i < HOSTS; i++) { /* lossy beyond what the default retries are made for */
        s->config[i].syn_retries = 15;
        s->config[i].synack_retries = 15;
        s->config[i].orphan_retries = 15;
        s->config[i].data_retries = 30;
    }
}

static void clean(struct setup *s, struct rng *r)
{
    some_conns(s, r, 1, 50, 3000000);
}

static void lossy(struct setup *s, struct rng *r, uint32_t ppm, uint64_t bytes)
{
    some_conns(s, r, 1, 50, bytes);
    s->faults.loss_ppm = ppm;
    s->calm_us = rng_range(r, 5, 120) * SECOND;
    patient(s);
}

static void loss1(struct setup *s, struct rng *r)
{
    lossy(s, r, 10000, 2000000);
}

static void loss5(struct setup *s, struct rng *r)
{
    lossy(s, r, 50000, 1500000);
}

static void loss20(struct setup *s, struct rng *r)
{
    lossy(s, r, 200000, 800000);
}

static void burst(struct setup *s, struct rng *r)
{
    lossy(s, r, rng_u32(r, 0, 5000), 1500000);
    s->faults.burst_ppm = rng_u32(r, 1000, 20000);
    s->faults.burst_len = rng_u32(r, 2, 60);
}

static void reorder(struct setup *s, struct rng *r)
{
    some_conns(s, r, 1, 50, 2000000);
    s->faults.reorder_ppm = (uint32_t)rng_log(r, 1000, 800000);
    s->faults.reorder_us = (uint32_t)rng_log(r, 10, 500 * MS);
}

static void duplicate(struct setup *s, struct rng *r)
{
    some_conns(s, r, 1, 50, 2000000);
    s->faults.dup_ppm = (uint32_t)rng_log(r, 10000, 500000);
    s->cookies = false;
}

static void corrupt(struct setup *s, struct rng *r)
{
    lossy(s, r, 0, 1500000);
    s->faults.corrupt_ppm = (uint32_t)rng_log(r, 1000, 150000);
}

static void jitter(struct setup *s, struct rng *r)
{
    some_conns(s, r, 1, 50, 2000000);
    s->faults.jitter_us = (uint32_t)rng_log(r, 100, 300 * MS);
    s->faults.batch_us = rng_chance(r, 500000) ? (uint32_t)rng_log(r, 10, 20 * MS) : 0;
}

static void narrow(struct setup *s, struct rng *r)
{
    some_conns(s, r, 1, 30, 1000000);
    s->faults.rate_bytes_per_s = rng_log(r, 100000, 10000000);
    uint32_t mtu_a = s->config[0].mtu_bytes, mtu_b = s->config[1].mtu_bytes;
    s->faults.queue_bytes = rng_u32(r, 3, 20) * (mtu_a > mtu_b ? mtu_a : mtu_b);
    s->spread_us = 5 * SECOND;
    patient(s);
}

static void mtu(struct setup *s, struct rng *r)
{
    some_conns(s, r, 1, 30, 2000000);
    s->phase_count = rng_u32(r, 1, 10);
    for (uint32_t i = 0; i < s->phase_count; i++) {
        struct phase *p = &s->phases[i];
        p->kind = rng_chance(r, 600000) ? PHASE_LINK_MTU : PHASE_HOST_MTU;
        p->time_us = rng_log(r, 1000, 5 * SECOND);
        p->host = rng_u32(r, 0, 1);
        p->value = rng_u32(r, 576, 1500);
    }
    s->faults.mtu = rng_chance(r, 300000) ? rng_u32(r, 576, 1400) : 0;
    s->faults.loss_ppm = rng_chance(r, 300000) ? 10000 : 0;
    s->faults.delay_us = (uint32_t)rng_log(r, 1000, 50 * MS);
    s->faults.silent = rng_chance(r, 300000);
    for (int i = 0; i < 2; i++)
        s->config[i].mtu_probing = rng_chance(r, 500000) ? 1 : 2;
}

static void partition(struct setup *s, struct rng *r)
{
    uint64_t at = 0;
    some_conns(s, r, 1, 50, 2000000);
    s->phase_count = 2 * rng_u32(r, 1, 4);
    for (uint32_t i = 0; i < s->phase_count; i += 2) {
        at += rng_log(r, 1000, 3 * SECOND);
        s->phases[i] = (struct phase){at, PHASE_CUT, 0, 0};
        at += rng_log(r, 100 * MS, 20 * SECOND);
        s->phases[i + 1] = (struct phase){at, PHASE_HEAL, 0, 0};
    }
    s->calm_us = at;
    patient(s);
}

static void mixture(struct setup *s, struct rng *r)
{
    partition(s, r);
    s->bytes_max = s->bytes_max / 2 + 1;
    s->faults.loss_ppm = (uint32_t)rng_log(r, 100, 100000);
    s->faults.dup_ppm = (uint32_t)rng_log(r, 100, 100000);
    s->faults.reorder_ppm = (uint32_t)rng_log(r, 100, 300000);
    s->faults.reorder_us = (uint32_t)rng_log(r, 100, 100 * MS);
    s->faults.corrupt_ppm = (uint32_t)rng_log(r, 100, 30000);
    s->faults.jitter_us = (uint32_t)rng_log(r, 1, 20 * MS);
    s->slow_ppm = s->small_ppm = 100000;
}

static void active(struct setup *s, struct rng *r)
{
    mixture(s, r);
    s->conns = rng_u32(r, 1, 12);
    s->bytes_max = 200000;
    s->simultaneous = true;
    if (rng_chance(r, 300000)) {
        memset(&s->faults, 0, sizeof(s->faults));
        s->faults.delay_us = 10 * MS;
        s->phase_count = 0;
    }
}

static void full(struct setup *s, struct rng *r)
{
    s->conns = (uint32_t)rng_log(r, 1, 8);
    s->bytes_max = 3000000 / s->conns;
    s->echo_only = true;
    s->slow_ppm = 500000;
    s->small_ppm = 500000;
    s->faults.loss_ppm = rng_chance(r, 300000) ? 10000 : 0;
}

static void small(struct setup *s, struct rng *r)
{
    some_conns(s, r, 1, 50, 300000);
    s->bytes_max = 20000;
    s->small_ppm = 1000000;
    s->slow_ppm = 500000;
    s->tiny_reads = true;
    s->faults.loss_ppm = rng_chance(r, 300000) ? 20000 : 0;
    s->calm_us = 30 * SECOND;
}

static void no_memory(struct setup *s, struct rng *r)
{
    mixture(s, r);
    s->fragile = true;
    s->alloc_fail_ppm = (uint32_t)rng_log(r, 100, 500000);
    s->calm_us = rng_range(r, 1, 60) * SECOND;
}

static void ceiling(struct setup *s, struct rng *r)
{
    some_conns(s, r, 5, 60, 4000000);
    s->bytes_max = s->bytes_max < 1000000 ? s->bytes_max : 1000000;
    s->fragile = true;
    s->slow_ppm = 300000;
    s->faults.loss_ppm = rng_chance(r, 500000) ? 20000 : 0;
    for (uint32_t i = 0; i < HOSTS; i++) {
        s->config[i].memory_limit_bytes = rng_log(r, 600000, 4000000) + 40000 * s->conns;
        s->config[i].sockets_max = 1024;
    }
}

static void cookies(struct setup *s, struct rng *r)
{
    some_conns(s, r, 10, 60, 500000);
    s->cookies = true;
    s->flood_us = (uint32_t)rng_log(r, 500, 20 * MS);
    s->calm_us = 10 * SECOND;
    for (uint32_t i = 0; i < HOSTS; i++) {
        s->config[i].syn_queue_max = rng_u32(r, 1, 64);
        s->config[i].syn_cookies = rng_u32(r, 1, 2);
    }
    s->faults.loss_ppm = rng_chance(r, 300000) ? 20000 : 0;
    s->fragile = s->faults.loss_ppm != 0; /* the third ACK lost: nobody remembers the connection */
}

static void time_wait(struct setup *s, struct rng *r)
{
    s->conns = rng_u32(r, 20, 60);
    s->bytes_max = 5000;
    s->chained = true;
    s->faults.loss_ppm = rng_chance(r, 300000) ? 20000 : 0;
    s->calm_us = 60 * SECOND;
    s->grace_us = 61 * (uint64_t)s->conns * SECOND; /* the client may have to wait each time */
}

static void many(struct setup *s, struct rng *r)
{
    s->conns = rng_u32(r, 200, 400);
    s->bytes_max = 3000;
    s->spread_us = rng_log(r, 1000, 2 * SECOND);
    s->faults.loss_ppm = rng_chance(r, 500000) ? 10000 : 0;
    s->faults.rate_bytes_per_s = rng_chance(r, 500000) ? 10000000 : 0;
    s->faults.queue_bytes = 100000;
    s->rude_ppm = rng_chance(r, 500000) ? 100000 : 0;
    patient(s);
}

static void rude(struct setup *s, struct rng *r)
{
    mixture(s, r);
    s->conns = rng_u32(r, 5, 50);
    s->bytes_max = 100000;
    s->rude_ppm = 600000;
}

static void local(struct setup *s, struct rng *r)
{
    some_conns(s, r, 1, 50, 8000000);
    s->local = true;
    for (uint32_t i = 0; i < HOSTS; i++) {
        s->config[i].gso_max_bytes = 65535;
        s->config[i].tx_csum = 1;
    }
    s->faults.loss_ppm = rng_chance(r, 500000) ? (uint32_t)rng_log(r, 100, 50000) : 0;
    s->faults.reorder_ppm = rng_chance(r, 300000) ? 50000 : 0;
    s->faults.reorder_us = 2000;
    s->faults.dup_ppm = rng_chance(r, 300000) ? 50000 : 0;
}

static void wrap(struct setup *s, struct rng *r)
{
    mixture(s, r);
    s->conns = rng_u32(r, 1, 3);
    s->bytes_max = 300000;
    s->wrap = true;
}

static void planted(struct setup *s, struct rng *r)
{
    mixture(s, r);
    s->planted = 3;
}

static void planted_loss(struct setup *s, struct rng *r)
{
    loss20(s, r);
    s->planted = 6;
}

static void planted_memory(struct setup *s, struct rng *r)
{
    no_memory(s, r);
    s->alloc_fail_ppm = 50000;
    s->planted_memory = true;
}

const struct scenario scenarios[] = {
    {"clean", "over a faultless network every byte arrives", 50, clean},
    {"loss1", "1 % loss loses no byte", 50, loss1},
    {"loss5", "5 % loss loses no byte", 50, loss5},
    {"loss20", "20 % loss loses no byte", 50, loss20},
    {"burst", "bursts of losses lose no byte", 50, burst},
    {"reorder", "reordered packets make ordered streams", 50, reorder},
    {"duplicate", "duplicated packets deliver nothing twice", 50, duplicate},
    {"corrupt", "corrupted packets corrupt no stream", 50, corrupt},
    {"jitter", "jitter and batches stall nothing", 50, jitter},
    {"rate", "a slow link with a tiny queue starves nobody", 40, narrow},
    {"mtu", "a path that narrows in mid-stream is followed", 50, mtu},
    {"partition", "connections outlive partitions", 50, partition},
    {"mixture", "all faults together lose no byte", 50, mixture},
    {"active", "simultaneous opens make one connection", 80, active},
    {"full", "echoes with both directions full do not deadlock", 40, full},
    {"small", "small buffers and zero windows pass everything on", 50, small},
    {"nomemory", "failing allocations corrupt nothing", 60, no_memory},
    {"ceiling", "a low memory ceiling is kept", 40, ceiling},
    {"cookies", "a SYN flood keeps no genuine client out", 40, cookies},
    {"timewait", "the same port connects again through TIME-WAIT", 25, time_wait},
    {"many", "many short connections leave nothing behind", 15, many},
    {"rude", "resets and closes in the middle leave nothing behind", 60, rude},
    {"local", "whole super-segments arrive whole", 50, local},
    {"wrap", "sequence numbers wrap without a trace", 40, wrap},
};
const struct scenario scenarios_planted[PLANTED] = {
    {"planted", "failing runs are reduced", 1, planted},
    {"plantedloss", "and where nothing but losses leads to the failure", 1, planted_loss},
    {"plantedmemory", "and where it is for want of memory", 1, planted_memory},
};
const size_t scenario_count = sizeof(scenarios) / sizeof(scenarios[0]);

/* What every run varies, whatever its class. */
static void vary(struct mytcp_config *c, struct rng *r)
{
    static const uint32_t MTUS[] = {1500, 1500, 1500, 1500, 1400, 576, 9000};
    c->mtu_bytes = MTUS[rng_range(r, 0, sizeof(MTUS) / sizeof(MTUS[0]) - 1)];
    if (rng_chance(r, 500000)) {
        c->gso_max_bytes = rng_chance(r, 500000) ? 65535 : rng_u32(r, 4000, 65535);
        c->tx_csum = 1;
    } else {
        c->tx_csum = rng_u32(r, 0, 1);
    }
    c->timestamps = !rng_chance(r, 100000);
    c->window_scaling = !rng_chance(r, 100000);
    c->sack = !rng_chance(r, 150000);
    if (rng_chance(r, 300000)) {
        c->delayed_ack_us = rng_u32(r, 1, 500) * MS;
        c->quick_acks = rng_u32(r, 0, 16);
        c->ooo_ranges_max = rng_u32(r, 4, 64);
        c->initial_window_segments = rng_u32(r, 1, 10);
    }
    if (rng_chance(r, 200000)) {
        c->rto_min_us = SECOND;
    }
    c->ecn = rng_u32(r, 0, 2);
    c->congestion = rng_u32(r, 0, 2);
    c->pacing = rng_u32(r, 0, 1);
}

void scenario_setup(const struct scenario *scenario, uint64_t seed, struct setup *s)
{
    bool brief = seed % 1000 > 100; /* many more connections in the same time */
    memset(s, 0, sizeof(*s));
    for (const char *c = scenario->name; *c != '\0'; c++) {
        seed = rng_mix(seed + (uint64_t)*c); /* no two classes draw the same */
    }
    s->seed = seed;
    struct rng r = rng_make(seed, 2);
    s->faults.delay_us = (uint32_t)rng_log(&r, 20, 80 * MS);
    s->faults.mark_ppm = rng_chance(&r, 500000) ? (uint32_t)rng_log(&r, 1000, 300000) : 0;
    s->calm_us = 30 * SECOND;
    s->grace_us = 400ull * SECOND;
    s->spread_us = 300 * MS;
    s->slow_ppm = 20000;
    s->small_ppm = 20000;
    for (uint32_t i = 0; i < HOSTS; i++) {
        mytcp_config_init(&s->config[i]);
        vary(&s->config[i], &r);
    }
    scenario->make(s, &r);
    s->bytes_max = brief ? s->bytes_max / 8 + 1 : s->bytes_max;
}
