#include "tcp/path_mtu.h"

#include <stddef.h>

#include "util/bytes.h"

enum { NARROW = 16 /* bytes: a search over less is not worth a probe (RFC 4821 7.3) */ };

/* ---- the search: RFC 4821 7.3 ---- */

/* What links and tunnels commonly have comes first, from below: a probe that fails costs more than one that
 * arrives. Then the limit, then halves. */
static uint32_t step(uint32_t eff, uint32_t high, uint32_t limit)
{
    static const uint16_t common[] = {1024, 1280, 1400, 1420, 1450, 1480, 1492, 1500, 4352, 9000, 32000};
    if (high <= eff) return 0;
    for (unsigned i = 0; i < sizeof(common) / sizeof(common[0]); i++)
        if (common[i] > eff && common[i] <= high) return common[i];
    if (high == limit) return limit;
    return high - eff >= NARROW ? eff + (high - eff + 1) / 2 : 0;
}

static uint32_t high_of(const struct path_mtu *p, uint32_t limit)
{
    return p->high && p->high < limit ? p->high : limit;
}

uint32_t path_mtu_next(const struct path_mtu *p, uint32_t limit, uint64_t now_us)
{
    if (!p->eff || p->eff >= limit || p->probe || p->saved || now_us < p->at_us) return 0;
    uint32_t high = high_of(p, limit), size = p->told && high > p->eff ? high : step(p->eff, high, limit);
    if (size) return size;
    /* Anew. A router that has told the size will do so again: the limit at once. */
    return p->told ? limit : step(p->eff, limit, limit);
}

static uint64_t later(uint64_t now_us, uint64_t interval_us)
{
    return interval_us > UINT64_MAX - now_us ? UINT64_MAX : now_us + interval_us;
}

/* eff or high have changed: the next probe, or the end of the search. */
static void proceed(struct path_mtu *p, const struct mtu_rules *rules, uint64_t now_us, uint64_t wait_us)
{
    bool more = step(p->eff, high_of(p, UINT16_MAX), UINT16_MAX);
    p->at_us = max_u64(p->at_us, later(now_us, more ? wait_us : rules->interval_us));
    p->news = true;
}

/* ---- down ---- */

static void lower(struct path_mtu *p, uint32_t mtu)
{
    p->eff = (uint16_t)mtu;
    p->probe = p->claim = p->saved = 0;
    p->repairing = p->fell = false;
}

/* A router has said it. */
static void lower_told(struct path_mtu *p, const struct mtu_rules *rules, uint32_t mtu, uint64_t now_us)
{
    lower(p, mtu);
    p->high = (uint16_t)mtu;
    p->told = p->news = true;
    p->at_us = later(now_us, rules->interval_us);
}

bool path_mtu_claim(struct path_mtu *p, const struct mtu_rules *rules, uint32_t limit, uint32_t proven,
                    uint32_t mtu, seq_t seq, uint64_t now_us)
{
    uint32_t eff = path_mtu_size(p, limit);
    if (p->probe && mtu < p->probe && mtu >= eff) { /* about the probe: RFC 4821 7.6.2 */
        p->high = (uint16_t)mtu;
        p->told = true;
        p->at_us = later(now_us, rules->interval_us); /* RFC 1191 3: not sooner than 5 minutes */
        return false;
    }
    if (mtu >= eff) return false;
    if (mtu >= proven) {
        lower_told(p, rules, mtu, now_us);
        return true;
    }
    if (p->claim) return false; /* the first is as good as any */
    p->claim = (uint16_t)mtu;
    p->claim_seq = seq;
    return false;
}

void path_mtu_acked(struct path_mtu *p, seq_t una)
{
    if (p->claim && seq_gt(una, p->claim_seq)) p->claim = 0;
}

bool path_mtu_claim_due(struct path_mtu *p, const struct mtu_rules *rules, uint64_t now_us)
{
    if (!p->claim) return false;
    lower_told(p, rules, p->claim, now_us);
    return true;
}

bool path_mtu_black_hole(struct path_mtu *p, const struct mtu_rules *rules, uint32_t limit, uint32_t proven,
                         uint32_t size, uint64_t at_us)
{
    uint32_t eff = path_mtu_size(p, limit), saved = p->saved;
    uint32_t mtu = saved ? saved : max_u32(proven, rules->base), top = min_u32(size, eff);
    if (mtu >= top) mtu = top > rules->base ? rules->base : top / 2; /* what had arrived does so no more */
    mtu = max_u32(mtu, rules->floor);
    if (mtu >= top) return false;
    lower(p, mtu);
    if (mtu == saved) p->high = (uint16_t)(eff - 1);
    p->at_us = max_u64(p->at_us, at_us);
    p->told = false;
    p->fell = true;
    return true;
}

/* ---- up ---- */

static void raise(struct path_mtu *p, uint32_t mtu, uint32_t limit)
{
    p->eff = mtu < limit ? (uint16_t)mtu : 0;
    if (p->high && p->high < mtu) p->high = p->eff;
    p->fell = false;
    p->news = true;
}

void path_mtu_arrived(struct path_mtu *p, uint32_t size, uint32_t limit)
{
    if (!p->fell || size < p->eff) return;
    raise(p, size, limit);
}

void path_mtu_known(struct path_mtu *p, uint32_t mtu, uint32_t high, uint64_t at_us)
{
    p->eff = (uint16_t)mtu;
    p->high = (uint16_t)high;
    p->told = high == mtu;
    p->at_us = step(mtu, high_of(p, UINT16_MAX), UINT16_MAX) ? 0 : at_us;
}

/* ---- probes ---- */

void path_mtu_probe_sent(struct path_mtu *p, uint32_t size, seq_t seq, uint32_t limit)
{
    if (size > high_of(p, limit)) p->high = 0; /* the search begins anew */
    p->told = false;
    p->probe = (uint16_t)size;
    p->probe_seq = seq;
}

void path_mtu_probe_lost(struct path_mtu *p) { p->repairing = true; }

void path_mtu_probe_arrived(struct path_mtu *p, uint32_t limit, seq_t end, uint32_t retx)
{
    p->saved = p->eff;
    p->trial_end = seq_add(end, PATH_MTU_TRIAL * p->probe);
    p->trial_retx = retx;
    raise(p, p->probe, limit);
    p->probe = 0;
}

void path_mtu_probe_failed(struct path_mtu *p, const struct mtu_rules *rules, uint64_t now_us, uint64_t wait_us)
{
    if (!p->high || p->high >= p->probe) p->high = (uint16_t)(p->probe - 1);
    path_mtu_probe_unclear(p);
    proceed(p, rules, now_us, wait_us);
}

void path_mtu_probe_unclear(struct path_mtu *p)
{
    p->probe = 0;
    p->repairing = false;
}

void path_mtu_trial(struct path_mtu *p, const struct mtu_rules *rules, uint32_t limit, seq_t una, uint32_t retx,
                    uint64_t now_us)
{
    if (!p->saved) return;
    uint32_t size = path_mtu_size(p, limit);
    if (size <= p->saved) { /* the device has narrowed: what is on trial does not go any more */
        p->saved = 0;
        return;
    }
    bool worse = retx - p->trial_retx > PATH_MTU_TRIAL * size / 10;
    if (!worse && seq_lt(una, p->trial_end)) return;
    if (worse) {
        p->eff = p->saved;
        p->high = (uint16_t)(size - 1);
    }
    p->saved = 0;
    if (p->eff) proceed(p, rules, now_us, worse ? rules->interval_us : 0);
}

const char *path_mtu_check(const struct path_mtu *p)
{
    if (p->probe && (!p->eff || p->probe <= p->eff)) return "path_mtu: a probe that is no larger than the rest";
    if (p->repairing && !p->probe) return "path_mtu: a probe that is not there is repaired";
    if (p->high && p->eff && p->high < p->eff) return "path_mtu: more is sent than is tried";
    return NULL;
}
