/* The list of paths, and one transfer over one of them. */
#include <stdlib.h>
#include <string.h>

#include "path.h"

enum { NEVER_CALM_S = 100000000, LOSSES = 200, BURST_PACKETS = 4, HANDSHAKE_PACKETS = 4, BUFFER_BYTES = 128 << 20 };

double path_queue_bytes(const struct path *p)
{
    double bytes = p->rate_mbit * 125 * p->rtt_ms * p->queue_bdp;
    return bytes < 30000 ? 30000 : bytes;
}

double path_loss_events(const struct path *p)
{
    return p->loss_pct / 100 / (p->loss == LOSS_BURSTS ? (1 + BURST_PACKETS) / 2.0 : 1);
}

double path_late_ms(const struct path *p)
{
    double late_ms = p->rtt_ms / 10;
    return late_ms < 0.2 ? 0.2 : late_ms > 5 ? 5 : late_ms;
}

/* Long enough for the mean to show: many losses, or round trips at full rate, or cycles of BBR. */
static uint64_t length(const struct path *p)
{
    bool bbr = strcmp(p->cc, "bbr") == 0;
    double least_s = bbr ? 2 : 5, seconds = p->rtt_ms * 0.05 < least_s ? least_s : p->rtt_ms * 0.05;
    double bytes = p->rate_mbit * 125e3 * seconds;
    if (p->loss_pct > 0 && !bbr) {
        return (uint64_t)(LOSSES / path_loss_events(p) * PATH_PAYLOAD_BYTES);
    }
    return (uint64_t)(bbr ? 4 * bytes : bytes);
}

struct list {
    struct path *paths;
    size_t count;
};

static void add(struct list *l, struct path p)
{
    static const char *const LOSS[] = {"", "-periodic", "-bursts"};
    if (l->count == PATHS_MAX) {
        abort();
    }
    bool whole = p.bytes == 0;
    p.bytes = whole ? length(&p) : p.bytes;
    int n = snprintf(p.name, sizeof(p.name), "%s-%gms-%gMbit-%gbdp", p.cc, p.rtt_ms, p.rate_mbit,
                     p.queue_bdp);
    if (p.loss_pct > 0) {
        n += snprintf(p.name + n, sizeof(p.name) - (size_t)n, "-loss%g%s", p.loss_pct, LOSS[p.loss]);
    }
    if (!whole) {
        n += snprintf(p.name + n, sizeof(p.name) - (size_t)n, "-%llukB",
                      (unsigned long long)p.bytes / 1000);
    }
    snprintf(p.name + n, sizeof(p.name) - (size_t)n, "%s", p.reorder ? "-reorder" : "");
    l->paths[l->count++] = p;
}

/* Those of tests/bench/paths.sh. */
static void add_bench(struct list *l, const char *cc)
{
    static const struct {
        double rtt_ms, loss_pct, rate_mbit, queue_bdp;
        bool reorder;
    } BENCH[] = {
        {1, 0, 1000, 2.0, 0},   {1, 0, 100, 0.5, 1},     {1, 0.1, 1000, 0.5, 0},
        {1, 0.1, 100, 2.0, 1},  {1, 1, 100, 2.0, 0},     {1, 1, 1000, 0.5, 1},
        {1, 3, 10, 2.0, 0},     {1, 3, 1000, 2.0, 1},    {20, 0, 1000, 0.2, 0},
        {20, 0, 100, 1.0, 1},   {20, 0.1, 1000, 1.0, 0}, {20, 0.1, 10, 0.5, 1},
        {20, 1, 100, 1.0, 0},   {20, 1, 1000, 0.2, 1},   {20, 3, 10, 1.0, 0},
        {20, 3, 100, 0.2, 1},   {100, 0, 10, 1.0, 0},    {100, 0, 1000, 0.2, 1},
        {100, 0.1, 100, 0.2, 0}, {100, 0.1, 1000, 1.0, 1}, {100, 1, 10, 1.0, 0},
        {100, 1, 100, 0.2, 1},  {100, 3, 10, 0.2, 0},    {100, 3, 100, 1.0, 1},
        {300, 0, 100, 1.0, 0},  {300, 0, 10, 0.2, 1},    {300, 0.1, 10, 0.2, 0},
        {300, 0.1, 100, 1.0, 1}, {300, 1, 10, 1.0, 0},   {300, 1, 100, 0.2, 1},
        {300, 3, 10, 1.0, 0},   {300, 3, 100, 1.0, 1},   {20, 0, 10, 5.0, 0},
        {100, 0, 1000, 1.0, 0},
    };
    for (size_t i = 0; i < sizeof(BENCH) / sizeof(BENCH[0]); i++) {
        add(l, (struct path){.rtt_ms = BENCH[i].rtt_ms, .loss_pct = BENCH[i].loss_pct,
                             .rate_mbit = BENCH[i].rate_mbit, .queue_bdp = BENCH[i].queue_bdp,
                             .reorder = BENCH[i].reorder, .cc = cc, .quick = i % 3 == 0});
    }
}

/* Every combination; loss of each kind and reordering in turn. */
static void add_grid(struct list *l, const char *cc)
{
    static const double RTT[] = {1, 5, 20, 50, 100, 300}, LOSS[] = {0, 0.1, 0.3, 1, 3};
    static const double RATE[] = {2, 20, 200}, QUEUE[] = {0.3, 1.5};
    unsigned n = 0;
    for (unsigned i = 0; i < 6 * 5 * 3 * 2; i++) {
        struct path p = {.rtt_ms = RTT[i % 6], .loss_pct = LOSS[i / 6 % 5],
                         .rate_mbit = RATE[i / 30 % 3], .queue_bdp = QUEUE[i / 90], .cc = cc,
                         .bare = true};
        p.loss = p.loss_pct > 0 ? (enum path_loss)(n++ % 3) : LOSS_RANDOM;
        if (p.loss == LOSS_PERIODIC && p.loss_pct > 1) {
            p.loss = LOSS_RANDOM; /* in windows of a few segments the mean says little of one rhythm */
        }
        p.reorder = i % 4 == 1;
        add(l, p);
    }
}

/* Finite transfers: the ramp. */
static void add_short(struct list *l, const char *cc)
{
    static const double RTT[] = {1, 20, 100, 300}, RATE[] = {10, 100, 1000};
    static const uint64_t BYTES[] = {30000, 300000, 3000000};
    for (unsigned i = 0; i < 36; i++) {
        add(l, (struct path){.rtt_ms = RTT[i % 4], .rate_mbit = RATE[i / 4 % 3], .queue_bdp = 1,
                             .bytes = BYTES[i / 12], .cc = cc,
                             .quick = i % 4 == 1 || i % 4 == 2});
    }
}

/* Where a flow should hold the rate of its link, whatever the queue, and at 1 % of random loss. */
static void add_bbr(struct list *l)
{
    static const double RTT[] = {1, 20, 100, 300}, RATE[] = {10, 100}, QUEUE[] = {0.3, 1.5};
    for (unsigned i = 0; i < 32; i++) {
        add(l, (struct path){.rtt_ms = RTT[i % 4], .rate_mbit = RATE[i / 4 % 2],
                             .queue_bdp = QUEUE[i / 8 % 2], .loss_pct = i / 16, .cc = "bbr",
                             .bare = true, .quick = i % 8 < 3});
    }
}

size_t path_list(struct path paths[PATHS_MAX])
{
    static const char *const CC[] = {"cubic", "reno"};
    struct list l = {paths, 0};
    for (size_t i = 0; i < sizeof(CC) / sizeof(CC[0]); i++) {
        add_bench(&l, CC[i]);
        add_grid(&l, CC[i]);
        add_short(&l, CC[i]);
    }
    add_bbr(&l);
    return l.count;
}

static void set_faults(struct faults *f, const struct path *p)
{
    uint32_t loss_ppm = (uint32_t)(p->loss_pct * 10000 + 0.5);
    f->delay_us = (uint32_t)(p->rtt_ms * 500);
    f->rate_bytes_per_s = (uint64_t)(p->rate_mbit * 125000);
    f->queue_bytes = (uint32_t)path_queue_bytes(p);
    f->spared = HANDSHAKE_PACKETS;
    if (p->loss == LOSS_RANDOM) {
        f->loss_ppm = loss_ppm;
    } else if (p->loss == LOSS_PERIODIC && loss_ppm != 0) {
        f->loss_every = 1000000 / loss_ppm;
    } else {
        f->burst_ppm = (uint32_t)(path_loss_events(p) * 1e6);
        f->burst_len = BURST_PACKETS;
    }
    if (p->reorder) {
        f->reorder_ppm = (uint32_t)(PATH_REORDER_SHARE * 1e6 + 0.5);
        f->reorder_us = (uint32_t)(path_late_ms(p) * 1000 + 0.5);
    }
}

/* As the configuration wants it. */
static const char *number_of(const char *cc)
{
    return strcmp(cc, "reno") == 0 ? "0" : strcmp(cc, "cubic") == 0 ? "1" : "2";
}

void path_setup(struct setup *s, struct plan *plan, const struct path *p)
{
    memset(s, 0, sizeof(*s));
    s->seed = 1;
    s->conns = 1;
    s->plans = plan;
    s->calm_us = (uint64_t)NEVER_CALM_S * SECOND;
    s->check_every = 20000;
    set_faults(&s->faults, p);
    for (uint32_t i = 0; i < HOSTS; i++) {
        struct mytcp_config *c = &s->config[i];
        mytcp_config_init(c);
        c->mtu_bytes = PATH_MTU;
        c->gso_max_bytes = 65535;
        c->tx_csum = 1;
        c->ack_every_segments = p->bare ? 1 : c->ack_every_segments;
        c->memory_limit_bytes = 8ull * BUFFER_BYTES;
        if (p->bare) { /* congestion control alone; elsewhere buffers find their size by themselves */
            c->rcvbuf_bytes = c->rcvbuf_max_bytes = BUFFER_BYTES;
            c->sndbuf_bytes = c->sndbuf_max_bytes = BUFFER_BYTES;
        }
        mytcp_config_set(c, "congestion", number_of(p->cc));
    }
    struct habits h = {.read_max = SCRATCH_BYTES, .write_max = SCRATCH_BYTES, .burst = 16};
    *plan = (struct plan){.start_us = 1, .bytes = {0, p->bytes}, .habits = {h, h}};
}

void path_run(const struct path *p, struct path_result *r, bool trace)
{
    static struct world w;
    struct setup s;
    struct plan plan;
    struct mytcp_stats stats = {0};
    const uint64_t clock_us[HOSTS] = {1000, 2000};
    path_setup(&s, &plan, p);
    s.trace = trace;
    world_run(&w, &s, clock_us);
    mytcp_stats_get(w.host[1].stack, &stats);
    uint64_t us = w.conns[0].end[0].eof_us;
    world_free(&w);
    *r = (struct path_result){.run = true, .expected_kbit = model_kbit(p)};
    r->goodput_kbit = us != 0 ? p->bytes * 8000 / us : 0;
    r->retransmitted = stats.retransmitted_segments;
    r->timeouts = stats.rto_expired;
    snprintf(r->failure, sizeof(r->failure), "%.190s", w.failed ? w.failure : "");
}
