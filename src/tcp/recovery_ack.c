/* What an ACK says: what it delivers, what is lost now (RACK, or NewReno), and whether a reduction was a
 * mistake. */
#include "tcp/recovery_flight.h"
#include "util/bytes.h"

enum { REO_MULT_MAX = 16, REO_PERSIST = 16 };

/* What an ACK has delivered so far, as it is walked through. */
struct delivery {
    uint32_t bytes;
    seq_t fack;         /* RACK.fack before: its blocks are not in the order of arrival */
    uint64_t newest_us; /* send time of the newest delivered that was sent once */
    bool once;          /* there was one */
    uint32_t largest;   /* ... in bytes */
};

/* ---- what an ACK delivers ---- */

/* RFC 8985 6.2 step 2: the newest segment delivered. Of what was sent again, an old echo in the ACK that covers it
 * tells that the original arrived. The ACK that SACKs it tells nothing: a receiver takes no timestamp from what
 * came out of order (RFC 7323 4.3), and what a tail-loss probe brings to light would wait for the RTO. */
static void rack_update(struct recovery *r, uint64_t sent_us, seq_t end, bool again,
                        const struct recovery_ack *a)
{
    struct recovery_flight *f = r->f;
    uint64_t rtt = a->now_us - sent_us;
    if (again && a->echo_us < sent_us && seq_leq(end, a->una)) return;
    if (again && rtt < recovery_min_rtt(r)) return; /* more likely the original */
    if (sent_us < f->rack_sent_us) return;
    if (sent_us == f->rack_sent_us && !seq_gt(end, f->rack_end)) return;
    f->rack_sent_us = sent_us;
    f->rack_end = end;
    f->rack_rtt_us = (uint32_t)min_u64(rtt, UINT32_MAX);
}

/* A record has one mark, that of its last sending, which says nothing of units that went before it. Nor of what
 * arrives sooner than the least round trip after it, which is rather the original: it would end a round early. */
static void take_rate(struct recovery *r, const struct sent *s, uint64_t once, uint64_t again,
                      const struct recovery_ack *a)
{
    struct rate *rate = &r->f->rate;
    uint64_t last = 0;
    if (once && !s->again) rate_arrived(rate, &s->rate, s->sent_us, sent_end(s, once));
    for (uint64_t left = again; left; left &= left - 1)
        if (sent_again_us(s, ctz_u64(left)) == s->again_us) last |= left & ~(left - 1);
    if (last && a->now_us - s->again_us >= recovery_min_rtt(r))
        rate_arrived(rate, &s->rate, s->again_us, sent_end(s, last));
}

/* Units of one record have arrived. */
static void deliver(struct recovery *r, uint32_t position, uint64_t units,
                    const struct recovery_ack *a, struct delivery *d)
{
    struct recovery_flight *f = r->f;
    struct sent *s = flight_at(&f->sent, position);
    uint64_t once = units & ~s->again, again = units & s->again;
    d->bytes += sent_bytes(s, units);
    if (once) {
        seq_t end = sent_end(s, once);
        if (seq_lt(end, d->fack)) r->reordering = true; /* 6.2 step 3 */
        rack_update(r, s->sent_us, end, false, a);
        if (!d->once || s->sent_us > d->newest_us) d->newest_us = s->sent_us;
        d->once = true;
        d->largest = max_u32(d->largest, min_u32(s->unit, s->len));
    }
    for (uint64_t left = again; left; left &= left - 1)
        rack_update(r, sent_again_us(s, ctz_u64(left)), sent_end(s, left & ~(left - 1)), true, a);
    take_rate(r, s, once, again, a);
    f->fack = seq_max(f->fack, sent_end(s, units));
    flight_mark_sacked(&f->sent, position, units);
}

static void deliver_range(struct recovery *r, seq_t from, seq_t to, const struct recovery_ack *a,
                          struct delivery *d)
{
    struct flight *sent = &r->f->sent;
    uint32_t i = flight_next(sent, sent->open, flight_find(sent, from));
    for (; i < sent->count; i = flight_next(sent, sent->open, i + 1)) {
        struct sent *s = flight_at(sent, i);
        if (seq_geq(s->start, to)) break;
        uint64_t units = sent_mask(s, from, to) & ~s->sacked;
        if (units) deliver(r, i, units, a, d);
    }
}

/* RFC 2883: the first block reports a duplicate if it lies below the ACK, or inside the second block. */
static bool is_dsack(const struct recovery_ack *a)
{
    const struct sack_block *b = a->blocks;
    if (!a->count || seq_leq(b[0].end, b[0].start)) return false;
    if (seq_leq(b[0].end, a->una)) return true;
    return a->count > 1 && seq_geq(b[0].start, b[1].start) && seq_leq(b[0].end, b[1].end);
}

/* RFC 8985 6.2 step 4: the window for reordering was too small. It grows once a round trip. */
static void take_dsack(struct recovery *r, const struct recovery_ack *a)
{
    uint32_t len = seq_len(a->blocks[0].start, a->blocks[0].end);
    if (r->f) r->f->undo_bytes -= min_u32(r->f->undo_bytes, len);
    if (r->dsack_rounds) return;
    r->dsack_rounds = true;
    r->dsack_round = a->nxt;
    r->reo_persist = REO_PERSIST;
    if (r->reo_mult < REO_MULT_MAX) r->reo_mult++;
}

/* ---- what is lost ---- */

uint32_t recovery_reo_wnd(const struct recovery *r, uint32_t srtt_us)
{
    bool enough = r->f->sent.sacked_units >= RECOVERY_DUPTHRESH;
    if (!r->reordering && (!recovery_calm(r) || enough)) return 0;
    uint64_t wnd = (uint64_t)(r->reo_mult + 1) * recovery_min_rtt(r) / 4;
    return (uint32_t)min_u64(wnd, srtt_us);
}

/* What was sent once, from the oldest to the first that is too young. Returns when the last is not any more; 0:
 * none is. */
static uint64_t lose_once(struct recovery *r, uint64_t wait, uint64_t now_us)
{
    struct recovery_flight *f = r->f;
    struct flight *sent = &f->sent;
    for (uint32_t i = flight_next(sent, sent->once, 0); i < sent->count; i = flight_next(sent, sent->once, i + 1)) {
        const struct sent *s = flight_at(sent, i);
        uint64_t units = sent_before(s, sent_flying(s) & ~s->again, s->sent_us, f->rack_sent_us, f->rack_end);
        if (!units) return 0;
        if (s->sent_us + wait > now_us)
            return flight_at(sent, flight_once_before(sent, f->rack_sent_us, f->rack_end))->sent_us + wait;
        recovery_lose(r, i, units);
    }
    return 0;
}

/* ... and what was sent again. */
static uint64_t lose_again(struct recovery *r, uint64_t wait, uint64_t now_us)
{
    struct recovery_flight *f = r->f;
    struct flight *sent = &f->sent;
    uint64_t old_us = now_us >= wait ? now_us - wait + 1 : 0; /* what went before that is lost */
    for (uint32_t next, i = flight_again(sent); i < sent->count; i = next) {
        const struct sent *s = flight_at(sent, i);
        uint64_t units = sent_again_before(s, sent_flying(s) & s->again, f->rack_sent_us, f->rack_end);
        uint64_t old = sent_again_before(s, units, old_us, s->start), young = units & ~old;
        if (!units) return 0;
        next = flight_again_next(sent, i);
        if (old) recovery_lose(r, i, old);
        if (!young) continue;
        uint32_t last = flight_again_before(sent, f->rack_sent_us, f->rack_end);
        if (last < sent->count) return flight_at(sent, last)->again_us + wait;
        return sent_again_us(s, 63u - (unsigned)__builtin_clzll(young)) + wait;
    }
    return 0;
}

/* RFC 8985 6.2 step 5. Returns whether anything is newly lost; sets the reordering timer. */
static bool rack_detect(struct recovery *r, uint64_t now_us, uint32_t srtt_us)
{
    struct recovery_flight *f = r->f;
    uint64_t wait = (uint64_t)f->rack_rtt_us + recovery_reo_wnd(r, srtt_us);
    uint32_t lost_before = f->sent.lost_bytes;
    f->reorder_at_us = UINT64_MAX;
    if (!f->rack_sent_us) return false;
    uint64_t once_us = lose_once(r, wait, now_us), again_us = lose_again(r, wait, now_us);
    if (once_us || again_us) f->reorder_at_us = max_u64(once_us, again_us);
    return f->sent.lost_bytes > lost_before;
}

/* Without SACK: `units` more at una are presumed lost. */
void recovery_lose_first(struct recovery *r, seq_t una)
{
    struct flight *sent = &r->f->sent;
    uint32_t i = flight_find(sent, una);
    struct sent *s = flight_at(sent, i);
    uint32_t unit = seq_gt(una, s->start) ? seq_len(s->start, una) / s->unit : 0;
    recovery_lose(r, i, 1ull << unit);
    r->f->force = true;
}

static bool newreno_dup(struct recovery *r, const struct recovery_ack *a)
{
    struct recovery_flight *f = r->f;
    if (r->mode == RECOVERY_RTO) return false; /* echoes of what was in flight before */
    if (f->dupacks < UINT16_MAX) f->dupacks++;
    /* Forged duplicates inflate no further than what was in flight when the episode began. */
    uint32_t flight = seq_len(a->una, r->mode == RECOVERY_FAST ? r->recover : a->nxt);
    uint32_t most = flight > a->mss ? flight - a->mss : 0;
    f->dup_bytes = max_u32(f->dup_bytes, min_u32(f->dup_bytes + a->mss, most));
    return r->mode == RECOVERY_NONE && f->dupacks >= RECOVERY_DUPTHRESH && seq_gt(a->una, r->recover);
}

/* RFC 6582 3.2 step 3, partial: the next hole starts at una. */
static void newreno_partial(struct recovery *r, const struct recovery_ack *a)
{
    struct recovery_flight *f = r->f;
    uint32_t deflate = a->acked > a->mss ? a->acked - a->mss : 0;
    f->dup_bytes -= min_u32(f->dup_bytes, deflate);
    recovery_lose_first(r, a->una);
}

/* ---- was it a mistake? ---- */

static bool spurious(struct recovery *r, const struct recovery_ack *a, const struct delivery *d)
{
    struct recovery_flight *f = r->f;
    if (!f->undo_possible) return false;
    /* D-SACK: everything that was sent again was a duplicate. It mostly tells when the episode is over. */
    if (f->again_us && !f->undo_bytes) return true;
    if (r->mode == RECOVERY_NONE) return false;
    /* Eifel: the ACK echoes a timestamp older than our first retransmission: the original arrived. */
    if (a->acked && a->echo_us < f->again_us) return true;
    /* F-RTO (SACK-enhanced): after the timeout, something never resent arrives before our resending could
     * have drawn its ACK */
    return r->mode == RECOVERY_RTO && f->frto >= 2 && d->once && a->acked;
}

static void frto_step(struct recovery *r, const struct recovery_ack *a)
{
    struct recovery_flight *f = r->f;
    if (r->mode != RECOVERY_RTO || !f->frto) return;
    bool all = seq_geq(a->una, r->recover), part = seq_lt(a->una, f->sent.partial); /* of what was resent */
    bool tries = a->acked && f->frto == 1 && !all && !part;
    f->frto = tries ? 2 : 0; /* 2b: new data is tried; 2a, 3a: a real loss, since 3b was undone before */
}

static void end_episode(struct recovery *r, const struct recovery_ack *a)
{
    struct recovery_flight *f = r->f;
    r->mode = RECOVERY_NONE;
    f->dup_bytes = 0;
    f->dupacks = 0;
    f->force = false;
    f->undo_end = a->nxt;
    f->undo_possible = f->undo_possible && f->again_us && a->sack_ok;
    f->frto = 0;
    f->reorder_at_us = UINT64_MAX;
    if (r->reo_persist && !--r->reo_persist) r->reo_mult = 0; /* RFC 8985 6.2 step 4 */
}

static void undo(struct recovery *r, const struct recovery_ack *a, struct recovery_news *news)
{
    struct recovery_flight *f = r->f;
    news->undo = true;
    news->prior_cwnd = f->prior_cwnd;
    news->prior_ssthresh = f->prior_ssthresh;
    news->held_bytes = news->delivered + (r->mode == RECOVERY_FAST ? f->prr_delivered : 0);
    f->undo_possible = false;
    if (r->mode == RECOVERY_FAST) r->reordering = true; /* what was taken for lost was overtaken */
    if (r->mode == RECOVERY_NONE) return;
    flight_unmark_lost(&f->sent);
    f->rack_sent_us = 0; /* the copies' times say nothing of what their originals' ACKs deliver */
    end_episode(r, a);
}

/* ---- the ACK ---- */

static void sample(struct recovery *r, const struct recovery_ack *a, const struct delivery *d,
                   struct recovery_news *news)
{
    news->delivered = d->bytes;
    news->largest = d->largest;
    if (d->once || (a->echo_us != UINT64_MAX && a->acked)) r->unmeasured = false;
    if (d->once) {
        news->rtt_us = max_u32((uint32_t)min_u64(a->now_us - d->newest_us, INT32_MAX), 1);
        recovery_measured(r, news->rtt_us, a->now_us);
    }
    if (d->bytes)
        news->rate = rate_take(&r->f->rate, a->delivered + d->bytes, a->now_us, recovery_min_rtt(r));
}

/* RFC 8985 7.4.2: did a retransmitted probe repair a loss? Only an ACK beyond it tells, unless one before
 * says that the original had arrived as well. */
static bool probe_outcome(struct recovery *r, const struct recovery_ack *a, bool dsack)
{
    if (!r->probing || seq_lt(a->una, r->probe_end)) return false;
    bool both = dsack || (a->dup && !a->count), beyond = seq_gt(a->una, r->probe_end);
    if (r->probe_again && !both && !beyond) return false;
    r->probing = false;
    return r->probe_again && !both;
}

/* Is the episode over? Before new losses are looked for, which begin the next. */
static void look_for_end(struct recovery *r, const struct recovery_ack *a, struct recovery_news *news)
{
    if (r->mode != RECOVERY_NONE && seq_geq(a->una, r->recover)) {
        news->ended = true;
        end_episode(r, a);
    }
    if (r->mode == RECOVERY_NONE && a->acked && !news->ended) /* far-away values would wrap around */
        r->recover = seq_sub(a->una, 1);
}

struct recovery_news recovery_ack(struct recovery *r, struct mem *mem, const struct recovery_ack *a)
{
    struct recovery_news news = {0};
    struct recovery_flight *f = r->f;
    struct delivery d = {0};
    bool dsack = a->sack_ok && is_dsack(a);
    news.probe_repaired = probe_outcome(r, a, dsack);
    if (seq_geq(a->una, r->dsack_round)) r->dsack_rounds = false;
    if (f && r->mode == RECOVERY_NONE && seq_gt(a->una, f->undo_end)) f->undo_possible = false;
    if (dsack) take_dsack(r, a);
    if (!f) return news;
    d.fack = f->fack;
    if (a->acked && f->sent.count) /* the last ACK may have ended inside the first unit */
        deliver_range(r, flight_at(&f->sent, 0)->start, a->una, a, &d);
    for (unsigned i = 0; a->sack_ok && i < a->count; i++) {
        struct sack_block b = a->blocks[i];
        uint32_t before = d.bytes;
        if (seq_leq(b.start, a->una) || seq_geq(b.start, a->nxt)) continue;
        if (seq_leq(b.end, b.start) || seq_gt(b.end, a->nxt)) continue;
        deliver_range(r, b.start, b.end, a, &d);
        news.sack_news |= d.bytes > before;
    }
    flight_trim(&f->sent, a->una);
    if (seq_lt(f->sent.partial, a->una)) f->sent.partial = a->una;
    sample(r, a, &d, &news);
    if (a->acked) f->dupacks = 0;
    if (spurious(r, a, &d)) undo(r, a, &news);
    frto_step(r, a);
    look_for_end(r, a, &news);
    if (!a->sack_ok) {
        if (a->dup) news.lost = newreno_dup(r, a);
        else if (a->acked && r->mode == RECOVERY_FAST) newreno_partial(r, a);
    } else if (d.bytes) {
        news.more_lost = rack_detect(r, a->now_us, a->srtt_us);
        news.lost = news.more_lost && r->mode == RECOVERY_REPAIR;
        if (r->mode == RECOVERY_NONE) news.lost = f->sent.lost_bytes; /* also of the last episode's new data */
    }
    recovery_settle(r, mem);
    return news;
}

bool recovery_reorder_timeout(struct recovery *r, const struct recovery_ack *now)
{
    return rack_detect(r, now->now_us, now->srtt_us);
}
