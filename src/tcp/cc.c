#include "tcp/cc.h"

#include <string.h>

#include "util/bytes.h"

static const struct cc_algorithm *const algorithms[] = {&cc_reno, &cc_cubic, &cc_bbr};

enum { ALGORITHMS = sizeof(algorithms) / sizeof(algorithms[0]) };

const struct cc_algorithm *cc_find(const char *name)
{
    for (unsigned i = 0; i < ALGORITHMS; i++)
        if (!strcmp(name, algorithms[i]->name)) return algorithms[i];
    return NULL;
}

const struct cc_algorithm *cc_number(uint32_t number)
{
    return algorithms[min_u32(number, ALGORITHMS - 1)];
}

void cc_init(struct cc *cc, const struct cc_algorithm *algorithm)
{
    /* ssthresh starts arbitrarily high (RFC 5681 3.1) */
    *cc = (struct cc){.algorithm = algorithm, .ssthresh = UINT32_MAX / 2};
}

void cc_free(struct cc *cc, struct mem *mem)
{
    mem_free(mem, MEM_CONN, cc->state, cc->algorithm->state_bytes);
    cc->state = NULL;
}

void cc_switch(struct cc *cc, const struct cc_algorithm *algorithm, struct mem *mem)
{
    cc_free(cc, mem);
    cc->algorithm = algorithm;
    cc->acked = cc->pacing_kBps = 0;
}

void cc_set_initial_window(struct cc *cc, uint32_t mss, uint32_t segments)
{
    uint64_t window = (uint64_t)mss * segments;
    if (segments == 10) window = min_u64(window, max_u32(2 * mss, 14600));
    cc->cwnd = (uint32_t)min_u64(window, CC_CWND_MAX);
}

static void need_state(struct cc *cc, struct mem *mem)
{
    if (!cc->state && cc->algorithm->state_bytes)
        cc->state = mem_zalloc(mem, MEM_CONN, cc->algorithm->state_bytes);
}

void cc_on_ack(struct cc *cc, const struct cc_event *e)
{
    if (e->limited) need_state(cc, e->mem); /* who talks little stays small */
    cc->algorithm->on_ack(cc, e);
}

void cc_on_lost(struct cc *cc, const struct cc_event *e)
{
    if (cc->algorithm->on_lost && cc->state) cc->algorithm->on_lost(cc, e);
}

void cc_on_undo(struct cc *cc, const struct cc_event *e)
{
    if (cc->algorithm->on_undo && cc->state) cc->algorithm->on_undo(cc, e);
}

void cc_on_loss(struct cc *cc, const struct cc_event *e)
{
    need_state(cc, e->mem);
    cc->algorithm->on_loss(cc, e);
    if (cc_owns_cwnd(cc)) return;
    cc->cwnd = cc->ssthresh;
    cc->acked = 0;
}

void cc_on_rto(struct cc *cc, const struct cc_event *e, bool again)
{
    struct cc_event loss = *e;
    loss.timeout = true;
    need_state(cc, e->mem);
    if (!again) cc->algorithm->on_loss(cc, &loss);
    if (cc_owns_cwnd(cc)) return;
    cc->cwnd = e->mss;
    cc->acked = 0;
}

void cc_on_idle(struct cc *cc, const struct cc_event *e, uint32_t segments)
{
    struct cc restart = *cc;
    cc_set_initial_window(&restart, e->mss, segments);
    if (!cc_owns_cwnd(cc)) cc->cwnd = min_u32(cc->cwnd, restart.cwnd);
    cc->acked = 0;
    if (cc->algorithm->on_idle && cc->state) cc->algorithm->on_idle(cc, e);
}

void cc_pace(struct cc *cc, const struct cc_event *e)
{
    uint64_t window = max_u32(cc->cwnd, e->flight_bytes);
    uint32_t percent = cc->cwnd < cc->ssthresh / 2 ? 200 : 120;
    uint64_t kBps = e->srtt_us ? window * 10 * percent / e->srtt_us : 0; /* not measured: not paced */
    cc->pacing_kBps = (uint32_t)min_u64(kBps, UINT32_MAX);
}

uint32_t cc_slow_start(struct cc *cc, uint32_t acked_bytes)
{
    if (cc->cwnd >= cc->ssthresh) return acked_bytes;
    /* The ACK of a super-segment counts for all it covers; slow start stops at ssthresh. */
    uint32_t grow = min_u32(acked_bytes, cc->ssthresh - cc->cwnd);
    cc->cwnd = min_u32(cc->cwnd + grow, CC_CWND_MAX);
    return acked_bytes - grow;
}
