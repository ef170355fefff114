/*
 * A flow over one bottleneck, for the tests of BBR: a rate, a delay, a queue with tail drop, chance losses, and
 * a sender that obeys cwnd and pacing. What is lost is not sent again: only rates and volumes matter here. A
 * loss is known when something sent later is acknowledged.
 */
#ifndef UNIT_BBR_PATH_H
#define UNIT_BBR_PATH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "tcp/bbr_model.h"
#include "tcp/pace.h"

enum { MSS = 1000, PACKETS = 1 << 16, SECOND = 1000000, MILLI = 1000 };

struct packet {
    struct rate_mark mark;
    uint64_t sent_us, ack_us; /* ack_us 0: dropped */
    bool sacked;
};

struct path {
    /* the link, to be changed at any time */
    uint32_t rate_kBps, rtt_us, queue_bytes;
    uint32_t lose_permille;
    uint32_t app_kBps;        /* what the application writes; 0: always something */
    uint32_t hold_ack_us;     /* ACKs come together, at multiples of this */
    bool silent;              /* the application writes nothing */
    /* the flow */
    struct mem mem;
    struct cc cc;
    struct rate rate;
    struct pacer pacer;
    struct packet packet[PACKETS];
    uint64_t first, next;     /* packets in flight or not yet settled: [first, next) */
    uint64_t now_us, link_free_us, app_free_us, recover;
    uint64_t delivered, lost; /* bytes */
    uint32_t pipe, srtt_us;
    uint64_t random;
    /* what was seen */
    void (*watch)(struct path *p);
    unsigned seen[7];         /* how often each state was entered */
    uint64_t entered_us;      /* when the present one was */
    uint8_t state;
};

static inline struct bbr *model(struct path *p) { return p->cc.state; }

static inline void path_begin(struct path *p, uint32_t rate_kBps, uint32_t rtt_us, uint32_t queue_bytes)
{
    memset(p, 0, sizeof(*p));
    p->rate_kBps = rate_kBps;
    p->rtt_us = p->srtt_us = rtt_us;
    p->queue_bytes = queue_bytes;
    p->now_us = 5 * SECOND;
    mem_init(&p->mem, NULL, NULL, NULL, 1 << 20);
    cc_init(&p->cc, &cc_bbr);
    cc_set_initial_window(&p->cc, MSS, 10);
}

static inline void path_end(struct path *p)
{
    cc_free(&p->cc, &p->mem);
    assert_int_equal(p->mem.used, 0);
}

static inline struct cc_event path_event(struct path *p)
{
    return (struct cc_event){.now_us = p->now_us,
                             .mem = &p->mem,
                             .mss = MSS,
                             .una_bytes = p->first * MSS,
                             .nxt_bytes = p->next * MSS,
                             .flight_bytes = p->pipe,
                             .pipe_bytes = p->pipe,
                             .srtt_us = p->srtt_us,
                             .delivered = p->delivered,
                             .limited = true,
                             .sack_ok = true,
                             .recovering = p->first < p->recover};
}

static inline uint32_t path_chance(struct path *p)
{
    p->random = p->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(p->random >> 33);
}

static inline void path_send(struct path *p)
{
    struct packet *k = &p->packet[p->next % PACKETS];
    struct rate_now now = {.now_us = p->now_us, .delivered = p->delivered, .pipe = p->pipe};
    uint64_t begin_us = max_u64(p->now_us, p->link_free_us);
    bool drop = (begin_us - p->now_us) * p->rate_kBps / 1000 > p->queue_bytes;
    drop |= p->lose_permille && path_chance(p) % 1000 < p->lose_permille;
    *k = (struct packet){.sent_us = p->now_us};
    rate_sent(&p->rate, &k->mark, &now, MSS);
    if (!drop) {
        p->link_free_us = begin_us + MSS * 1000ull / p->rate_kBps;
        k->ack_us = p->link_free_us + p->rtt_us;
        if (p->hold_ack_us) k->ack_us += p->hold_ack_us - k->ack_us % p->hold_ack_us;
    }
    p->next++;
    p->pipe += MSS;
    if (p->cc.pacing_kBps) pace_sent(&p->pacer, p->cc.pacing_kBps, MSS);
    if (p->app_kBps) p->app_free_us = max_u64(p->app_free_us, p->now_us) + MSS * 1000ull / p->app_kBps;
}

static inline void path_fill(struct path *p)
{
    struct cc_event e = path_event(p);
    bool dry = p->silent || (p->app_kBps && p->app_free_us > p->now_us);
    if (!dry && !p->pipe && p->rate.app_limited && cc_owns_cwnd(&p->cc)) cc_on_idle(&p->cc, &e, 10);
    while (p->pipe + MSS <= p->cc.cwnd && p->next - p->first < PACKETS) {
        if (p->silent || (p->app_kBps && p->app_free_us > p->now_us)) {
            rate_ran_dry(&p->rate, p->delivered, p->pipe);
            break;
        }
        if (p->cc.pacing_kBps && pace_room(&p->pacer, p->cc.pacing_kBps, MSS, p->now_us) < MSS) {
            pace_wait(&p->pacer);
            break;
        }
        path_send(p);
    }
}

/* What was sent before `i` and dropped is known to be now. */
static inline void path_find_lost(struct path *p, uint64_t i)
{
    for (uint64_t j = p->first; j < i; j++) {
        struct packet *k = &p->packet[j % PACKETS];
        if (k->ack_us || k->sacked) continue;
        k->sacked = true;
        p->pipe -= MSS;
        p->lost += MSS;
        rate_lost(&p->rate, &k->mark, MSS);
    }
}

static inline void path_see(struct path *p)
{
    struct bbr *b = model(p);
    if (b && b->begun && b->state != p->state) {
        p->state = b->state;
        p->seen[p->state]++;
        p->entered_us = p->now_us;
    }
    if (p->watch && b && b->begun) p->watch(p);
}

/* All ACKs that come at `us`, as one. */
static inline void path_ack(struct path *p, uint64_t us)
{
    p->now_us = us;
    struct cc_event e = path_event(p);
    uint32_t bytes = 0;
    uint64_t newest = 0;
    for (uint64_t i = p->first; i < p->next; i++) {
        struct packet *k = &p->packet[i % PACKETS];
        if (k->ack_us > us) break;
        if (!k->ack_us || k->sacked) continue;
        k->sacked = true;
        bytes += MSS;
        p->pipe -= MSS;
        rate_arrived(&p->rate, &k->mark, k->sent_us, seq_of((uint32_t)((i + 1) * MSS)));
        newest = i;
        e.rtt_us = (uint32_t)(us - k->sent_us);
    }
    path_find_lost(p, newest);
    while (p->first < p->next && p->packet[p->first % PACKETS].sacked) p->first++;
    p->delivered += bytes;
    p->srtt_us = (p->srtt_us * 7 + e.rtt_us) / 8;
    e.acked_bytes = e.delivered_bytes = bytes;
    e.delivered = p->delivered;
    e.pipe_bytes = p->pipe;
    e.rate = rate_take(&p->rate, p->delivered, us, p->rtt_us);
    e.loss = rate_loss(&p->rate);
    if (e.loss.any && newest >= p->recover) {
        cc_on_loss(&p->cc, &e);
        p->recover = p->next;
    }
    if (e.loss.any) cc_on_lost(&p->cc, &e);
    e.recovering = newest < p->recover;
    cc_on_ack(&p->cc, &e);
    path_see(p);
}

static inline uint64_t path_next_ack_us(const struct path *p)
{
    for (uint64_t i = p->first; i < p->next; i++) {
        const struct packet *k = &p->packet[i % PACKETS];
        if (k->ack_us && !k->sacked) return k->ack_us;
    }
    return UINT64_MAX;
}

static inline void path_run_until(struct path *p, uint64_t us)
{
    while (p->now_us < us) {
        path_fill(p);
        uint64_t at_us = min_u64(path_next_ack_us(p), us);
        if (p->pacer.wake_us > p->now_us) at_us = min_u64(at_us, p->pacer.wake_us);
        if (p->app_kBps && p->app_free_us > p->now_us) at_us = min_u64(at_us, p->app_free_us);
        if (at_us == path_next_ack_us(p)) {
            path_ack(p, at_us);
        } else {
            p->now_us = max_u64(at_us, p->now_us);
            /* all of a flight is lost: nothing will tell, but a timer does */
            if (p->pipe && path_next_ack_us(p) == UINT64_MAX) {
                path_find_lost(p, p->next);
                p->first = p->next;
            }
        }
    }
}

static inline void path_run(struct path *p, uint64_t us) { path_run_until(p, p->now_us + us); }

/* Run until the state is entered; fails if it takes longer than `us`. */
static inline void path_run_to(struct path *p, uint8_t state, uint64_t us)
{
    uint64_t limit_us = p->now_us + us;
    unsigned before = p->seen[state];
    while (p->seen[state] == before && p->now_us < limit_us) path_run(p, 100);
    if (p->seen[state] == before) fail_msg("state %d was not entered, but %d", state, p->state);
}

/* kB/s over the next `us`. */
static inline uint32_t path_goodput(struct path *p, uint64_t us)
{
    uint64_t before = p->delivered;
    path_run(p, us);
    return (uint32_t)((p->delivered - before) * 1000 / us);
}

#endif
