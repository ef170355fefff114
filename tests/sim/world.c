/* One run, from two new stacks to two empty ones. */
#include <arpa/inet.h>
#include <endian.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum {
    SAME_TIME_MAX = 2000,          /* turns of the loop without time passing */
    DRAIN_US = 700 * SECOND        /* orphans, FIN-WAIT-2 and TIME-WAIT are gone by then */
};

void sim_fail(struct world *w, const char *format, ...)
{
    va_list args;
    if (w->failed) {
        return;
    }
    w->failed = true;
    w->failure_kind = format;
    int n = snprintf(w->failure, sizeof(w->failure), "at %llu us: ", (unsigned long long)w->now_us);
    va_start(args, format);
    vsnprintf(w->failure + n, sizeof(w->failure) - (size_t)n, format, args);
    va_end(args);
}

void sim_note(struct world *w, const char *format, ...)
{
    va_list args;
    if (!w->trace) {
        return;
    }
    printf("# %12llu ", (unsigned long long)w->now_us);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

void sim_happened(struct world *w, uint64_t same, const char *format, ...)
{
    va_list args;
    if (same != 0 && same == w->last_happened) {
        w->alike++;
        return;
    }
    if (w->journal && w->alike != 0) {
        printf("# %12s and %u more such calls\n", "...", w->alike);
    }
    w->happened++;
    w->last_happened = same;
    w->alike = 0;
    if (!w->journal) {
        return;
    }
    printf("# %12llu ", (unsigned long long)w->now_us);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

uint32_t host_address(uint32_t index)
{
    return htonl(0x0a000001u + index);
}

uint64_t host_now(const struct host *h)
{
    return h->world->now_us + h->clock_us;
}

struct host *host_peer(const struct host *h)
{
    return &h->world->host[1 - h->index];
}

struct endpoint *endpoint_peer(const struct endpoint *ep)
{
    return &ep->conn->end[1 - ep->side];
}

void sim_hash(uint64_t *hash, const void *data, size_t len)
{
    const uint8_t *p = data;
    uint64_t h = *hash;
    for (; len >= 8; p += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, p, sizeof(word));
        h = (h ^ le64toh(word)) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    for (; len != 0; p++, len--) {
        h = (h ^ *p) * 0x100000001b3u;
    }
    *hash = h;
}

/* ------------------------------------------------------------------ start and end ------------ */

static void make_host(struct world *w, uint32_t index, uint64_t clock_us)
{
    struct host *h = &w->host[index];
    uint64_t luck = w->setup->less != NULL ? w->setup->less->luck : 0;
    struct rng entropy = rng_make(w->setup->seed, 100 + index);
    h->world = w;
    h->index = index;
    h->clock_us = clock_us;
    h->rng = rng_make(w->setup->seed, 110 + index);
    w->link[index].faults = w->setup->faults;
    w->link[index].seed = rng_make(w->setup->seed, 10 + index + (luck << 32)).state;
    h->memory = (struct memory){w, rng_make(w->setup->seed, 120 + index + (luck << 32)), 0, 0,
                                w->setup->alloc_fail_ppm, HOSTS + index};
    h->config = w->setup->config[index];
    h->config.addr.s_addr = host_address(index);
    for (size_t i = 0; i < sizeof(h->config.entropy); i++) {
        h->config.entropy[i] = (uint8_t)rng_next(&entropy);
    }
    h->config.alloc = memory_alloc;
    h->config.release = memory_release;
    h->config.alloc_ctx = &h->memory;
    h->mtu = h->config.mtu_bytes;
    h->stack = mytcp_create(&h->config, host_now(h));
    if (h->stack == NULL) {
        sim_fail(w, "no stack");
        return;
    }
    app_listen(h);
    check_baseline(h);
}

static void make_endpoint(struct conn *c, uint32_t side)
{
    struct world *w = c->world;
    struct endpoint *ep = &c->end[side];
    uint32_t dir = c->plan->echo ? 0 : side;
    ep->conn = c;
    ep->side = side;
    ep->host = &w->host[side == 0 ? c->plan->client : 1 - c->plan->client];
    ep->habits = &c->plan->habits[side];
    ep->rng = rng_make(w->setup->seed, 1000 + 2 * (uint64_t)c->index + side);
    ep->fd = -1;
    ep->total = c->plan->bytes[side];
    ep->key = rng_mix(w->setup->seed + 7919 * (2 * (uint64_t)c->index + dir));
    ep->pauses = ep->habits->pauses;
    if (ep->habits->policy == POLICY_POLL) {
        ep->next_polling = ep->host->polling;
        ep->host->polling = ep;
    }
}

/* Does connection i start only when another one has ended? */
static bool waits(const struct world *w, uint32_t i)
{
    while (w->plans[i].chained) {
        i -= CHAINS;
        if (!w->plans[i].absent) {
            return true;
        }
    }
    return false;
}

static void make_conns(struct world *w)
{
    const struct setup *s = w->setup;
    w->plans = scenario_plans(s);
    w->conns = calloc(s->conns, sizeof(*w->conns));
    if (w->conns == NULL) {
        abort();
    }
    for (uint32_t i = 0; i < s->conns; i++) {
        struct conn *c = &w->conns[i];
        c->world = w;
        c->index = i;
        c->plan = &w->plans[i];
        c->port[0] = c->plan->client_port;
        c->port[1] = c->plan->simultaneous ? (uint16_t)(c->plan->client_port + 1) : SERVER_PORT;
        make_endpoint(c, 0);
        make_endpoint(c, 1);
        if (c->plan->absent) {
            c->over = true;
            w->over++;
        } else if (!waits(w, i)) {
            events_add(&w->events, c->plan->start_us, EVENT_START, i, NULL);
        }
    }
}

static void make_world(struct world *w, const struct setup *s, const uint64_t clock_us[HOSTS])
{
    w->setup = s;
    w->calm_us = s->calm_us;
    w->limit_us = s->calm_us + s->grace_us;
    w->rng = rng_make(s->seed, 1);
    w->flood_rng = rng_make(s->seed, 5);
    w->memory_short = false;
    for (uint32_t i = 0; i < HOSTS && !w->failed; i++) {
        make_host(w, i, clock_us[i]);
    }
    make_conns(w);
    for (uint32_t i = 0; i < s->phase_count; i++) {
        events_add(&w->events, s->phases[i].time_us, EVENT_PHASE, i, NULL);
    }
    events_add(&w->events, s->calm_us, EVENT_PHASE, PHASES_MAX, NULL);
    if (s->flood_us != 0) {
        events_add(&w->events, 1, EVENT_FLOOD, 0, NULL);
    }
    w->memory_short = s->alloc_fail_ppm != 0;
}

void world_free(struct world *w)
{
    for (uint32_t i = 0; i < HOSTS; i++) {
        struct host *h = &w->host[i];
        mytcp_destroy(h->stack);
        if (h->memory.bytes != 0 || h->memory.blocks != 0) {
            sim_fail(w, "host %u: %llu bytes in %llu blocks outlive the stack", i,
                     (unsigned long long)h->memory.bytes, (unsigned long long)h->memory.blocks);
        }
        free(h->run);
    }
    events_free(&w->events);
    watch_free(w);
    free(w->conns);
    free(w->plans);
}

/* ------------------------------------------------------------------ the loop ----------------- */

/* Send what there is to send. True if there was anything. */
static bool pump(struct host *h)
{
    struct world *w = h->world;
    struct mytcp_tx tx;
    bool sent = false;
    int got;
    while (!w->failed && (got = mytcp_output(h->stack, &tx, host_now(h))) > 0) {
        struct packet *p = packet_from_tx(&tx);
        if (w->trace) {
            printf("  %12llu host %u ", (unsigned long long)w->now_us, h->index);
            packet_print(stdout, p);
            putchar('\n');
        }
        sim_hash(&w->hash, &w->now_us, sizeof(w->now_us));
        sim_hash(&w->hash, p->data, p->len);
        watch_packet(h, p, &tx);
        link_send(w, h->index, p);
        sent = true;
        if (++w->packets % 1000000 == 0 && w->packets > 20000000) {
            sim_fail(w, "packets without end");
        }
    }
    return sent;
}

static void settle(struct host *h)
{
    struct world *w = h->world;
    for (uint32_t i = 0; !w->failed; i++) {
        bool did = app_run(h);
        if (!pump(h) && !did) {
            break;
        }
        if (i > 100000) {
            sim_fail(w, "host %u: no end of things to do at one time", h->index);
        }
    }
}

static void take_packet(struct world *w, uint32_t host, struct packet *p)
{
    struct host *h = &w->host[host];
    struct mytcp_packet in = {.data = p->data, .len_bytes = p->len, .gso_size = p->gso_size};
    in.gso_type = p->gso_size != 0 ? 1 : 0;
    if (p->needs_csum) {
        in.needs_csum = true;
        in.csum_start = 20;
        in.csum_offset = 16;
    }
    if (rng_chance(&h->rng, 500000)) {
        size_t size = 0;
        in.data = mytcp_input_buffer(h->stack, &size);
        if (in.data != NULL) {
            memcpy(in.data, p->data, p->len);
        } else if (!w->setup->fragile) {
            sim_fail(w, "host %u: no input buffer", host);
        }
    }
    w->serving = w->setup->less != NULL ? watch_conn(w, host, p) : 0;
    int drop = in.data != NULL ? mytcp_input(h->stack, &in, host_now(h)) : 0;
    w->serving = 0;
    if (w->trace) {
        printf("  %12llu host %u took ", (unsigned long long)w->now_us, host);
        packet_print(stdout, p);
        printf(" %s\n", drop > 0 ? mytcp_drop_name((unsigned)drop) : "");
    }
    if (drop < 0) {
        sim_fail(w, "host %u: input gave -1", host);
    }
    free(p);
}

static void change(struct world *w, uint32_t index)
{
    if (index == PHASES_MAX) { /* calm: only the delay and the rate stay */
        for (uint32_t i = 0; i < HOSTS; i++) {
            struct faults *f = &w->link[i].faults;
            f->reorder_ppm = f->loss_ppm = f->burst_ppm = f->dup_ppm = f->corrupt_ppm = 0;
            f->jitter_us = f->mark_ppm = f->loss_every = 0;
            f->cut = false;
            w->link[i].burst_left = 0;
        }
        w->memory_short = false;
        return;
    }
    const struct phase *p = &w->setup->phases[index];
    sim_note(w, "phase %d value %u", (int)p->kind, p->value);
    sim_happened(w, 0, "the network changes: %d %u", (int)p->kind, p->value);
    for (uint32_t i = 0; i < HOSTS; i++) {
        struct faults *f = &w->link[i].faults;
        f->cut = p->kind == PHASE_CUT ? true : p->kind == PHASE_HEAL ? false : f->cut;
        f->mtu = p->kind == PHASE_LINK_MTU ? p->value : f->mtu;
    }
    if (p->kind == PHASE_HOST_MTU) {
        w->host[p->host].mtu = p->value;
        if (mytcp_set_mtu(w->host[p->host].stack, p->value) != 0) {
            sim_fail(w, "set_mtu(%u) fails", p->value);
        }
    }
    for (uint32_t i = 0; p->kind == PHASE_MARK && i < w->setup->conns; i++) {
        for (uint32_t side = 0; side < 2; side++) {
            w->conns[i].end[side].marked = w->conns[i].end[side].received;
        }
    }
    w->stopped = p->kind == PHASE_STOP;
}

static void dispatch(struct world *w)
{
    struct event e = events_take(&w->events);
    if (e.kind == EVENT_PACKET) {
        take_packet(w, e.index, e.what);
    } else if (e.kind == EVENT_START) {
        app_start(&w->conns[e.index]);
    } else if (e.kind == EVENT_WAKE) {
        app_wake(&w->host[e.index], e.what);
    } else if (e.kind == EVENT_PHASE) {
        change(w, e.index);
    } else if (w->over < w->setup->conns && w->now_us < w->calm_us) {
        link_flood(w);
        events_add(&w->events, w->now_us + w->setup->flood_us, EVENT_FLOOD, 0, NULL);
    }
}

static uint64_t host_deadline(struct host *h)
{
    uint64_t d = mytcp_next_deadline(h->stack);
    if (d == MYTCP_NEVER_US) {
        return d;
    }
    return d > host_now(h) ? d - h->clock_us : h->world->now_us;
}

/* Between two events nothing may happen: a deadline is never later than what it announces. */
static void probe(struct world *w, uint64_t next_us)
{
    uint64_t gap = next_us - w->now_us;
    if (gap < 2 || !rng_chance(&w->rng, 20000)) {
        return;
    }
    w->now_us += rng_range(&w->rng, 1, gap - 1);
    for (uint32_t i = 0; i < HOSTS; i++) {
        struct mytcp_tx tx;
        if (mytcp_output(w->host[i].stack, &tx, host_now(&w->host[i])) != 0) {
            sim_fail(w, "host %u sends before its deadline", i);
        }
    }
}

/* Advance to the next thing that happens, and let it. False if there is none. */
static bool turn(struct world *w, uint32_t *same_time)
{
    uint64_t next = events_next(&w->events);
    for (uint32_t i = 0; i < HOSTS; i++) {
        uint64_t d = host_deadline(&w->host[i]);
        next = d < next ? d : next;
    }
    if (next == MYTCP_NEVER_US || next > w->limit_us) {
        return false;
    }
    probe(w, next);
    *same_time = next == w->now_us ? *same_time + 1 : 0;
    if (*same_time > SAME_TIME_MAX) {
        sim_fail(w, "time stands still: deadlines %llu %llu",
                 (unsigned long long)mytcp_next_deadline(w->host[0].stack),
                 (unsigned long long)mytcp_next_deadline(w->host[1].stack));
    }
    w->now_us = next;
    while (!w->failed && events_next(&w->events) <= w->now_us) {
        dispatch(w);
    }
    uint32_t every = w->setup->check_every != 0 ? w->setup->check_every : 4 + 2 * w->setup->conns;
    bool thorough = ++w->steps % every == 0;
    for (uint32_t i = 0; i < HOSTS && !w->failed; i++) {
        settle(&w->host[i]);
        check_stack(&w->host[i], thorough);
    }
    for (uint32_t i = 0; thorough && w->setup->planted_memory && i < w->setup->conns; i++) {
        if (w->conns[i].failures >= 3 && !w->conns[i].over) {
            sim_fail(w, "planted");
        }
    }
    return !w->failed;
}

static void run_until_over(struct world *w)
{
    uint32_t same_time = 0;
    while (!w->failed && !w->stopped && w->over < w->setup->conns) {
        if (!turn(w, &same_time) && !w->failed) {
            check_stuck(w);
        }
    }
    w->finished_us = w->now_us;
}

static void run_until_empty(struct world *w)
{
    uint32_t same_time = 0;
    for (uint32_t i = 0; i < HOSTS && !w->failed; i++) {
        app_unlisten(&w->host[i]);
    }
    w->limit_us = (w->now_us > w->calm_us ? w->now_us : w->calm_us) + DRAIN_US;
    while (!w->failed && turn(w, &same_time)) {
    }
    for (uint32_t i = 0; i < HOSTS && !w->failed; i++) {
        check_end(&w->host[i]);
    }
}

bool world_run(struct world *w, const struct setup *setup, const uint64_t clock_us[HOSTS])
{
    memset(w, 0, sizeof(*w));
    w->trace = setup->trace;
    w->journal = setup->journal;
    make_world(w, setup, clock_us);
    run_until_over(w);
    if (!w->stopped) {
        run_until_empty(w);
    }
    return !w->failed;
}
