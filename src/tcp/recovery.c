#include "tcp/recovery_flight.h"
#include "util/bytes.h"

void recovery_init(struct recovery *r, seq_t iss) { *r = (struct recovery){.recover = iss}; }

void recovery_free(struct recovery *r, struct mem *mem)
{
    if (!r->f) return;
    flight_free(&r->f->sent, mem);
    mem_free(mem, MEM_SEND, r->f, sizeof(*r->f));
    r->f = NULL;
    r->mode = RECOVERY_NONE;
}

void recovery_settle(struct recovery *r, struct mem *mem)
{
    if (r->f->sent.count) return;
    if (!r->f->undo_possible) {
        recovery_free(r, mem);
        return;
    }
    flight_free(&r->f->sent, mem);
    r->f->rate = (struct rate){0};
}

bool recovery_reserve(struct recovery *r, struct mem *mem)
{
    if (!r->f) {
        r->f = mem_zalloc(mem, MEM_SEND, sizeof(*r->f));
        if (!r->f) return false;
        r->f->reorder_at_us = UINT64_MAX;
        r->mode = RECOVERY_NONE;
    }
    if (flight_reserve(&r->f->sent, mem)) return true;
    recovery_settle(r, mem);
    return false;
}

void recovery_sent(struct recovery *r, seq_t start, uint32_t len, uint32_t unit, const struct rate_now *now)
{
    struct recovery_flight *f = r->f;
    if (!f->sent.count) { /* the first */
        f->rack_end = f->fack = f->sent.partial = start;
        f->rack_sent_us = 0;
        if (r->ran_dry) rate_ran_dry(&f->rate, now->delivered, 0);
        r->ran_dry = false;
    }
    struct sent *s = flight_push(&f->sent, start, len, unit, now->now_us);
    rate_sent(&f->rate, &s->rate, now, len);
    if (r->mode == RECOVERY_FAST) f->prr_out += len;
    if (f->frto == 2) f->frto = 3;
}

void recovery_sent_again(struct recovery *r, seq_t start, uint32_t len, const struct rate_now *now)
{
    struct recovery_flight *f = r->f;
    seq_t end = seq_add(start, len);
    f->force = false;
    if (r->mode != RECOVERY_NONE) {
        f->again_end = f->again_us ? seq_max(f->again_end, end) : end;
        if (!f->again_us) f->again_us = now->now_us;
        f->undo_bytes += len;
    }
    if (r->mode == RECOVERY_FAST) f->prr_out += len;
    for (uint32_t i = flight_find(&f->sent, start); i < f->sent.count; i++) {
        struct sent *s = flight_at(&f->sent, i);
        if (seq_geq(s->start, end)) break;
        /* a unit counts when its end went; `partial` remembers a beginning */
        uint64_t units = sent_mask(s, s->start, end) & ~sent_mask(s, s->start, start);
        flight_mark_again(&f->sent, i, units, now->now_us);
        rate_sent(&f->rate, &s->rate, now, len);
    }
    f->sent.partial = end;
}

void recovery_ran_dry(struct recovery *r, uint64_t delivered, uint32_t pipe)
{
    if (r->f) rate_ran_dry(&r->f->rate, delivered, pipe);
    else r->ran_dry = true;
}

void recovery_lose(struct recovery *r, uint32_t position, uint64_t units)
{
    struct recovery_flight *f = r->f;
    uint32_t before = f->sent.lost_bytes;
    flight_mark_lost(&f->sent, position, units);
    if (f->sent.lost_bytes > before)
        rate_lost(&f->rate, &flight_at(&f->sent, position)->rate, f->sent.lost_bytes - before);
}

struct rate_sample recovery_loss(struct recovery *r)
{
    return r->f ? rate_loss(&r->f->rate) : (struct rate_sample){0};
}

/* ---- the least round-trip time ---- */

enum { MIN_RTT_EPOCH_US = 150000000, EPOCHS = 4 };

void recovery_measured(struct recovery *r, uint32_t rtt_us, uint64_t now_us)
{
    unsigned epoch = now_us / MIN_RTT_EPOCH_US % EPOCHS;
    if (epoch != r->epoch) {
        r->min_rtt_us[1] = epoch == (r->epoch + 1u) % EPOCHS ? r->min_rtt_us[0] : 0;
        r->min_rtt_us[0] = 0;
        r->epoch = epoch % EPOCHS;
    }
    if (!r->min_rtt_us[0] || rtt_us < r->min_rtt_us[0]) r->min_rtt_us[0] = rtt_us;
}

uint32_t recovery_min_rtt(const struct recovery *r)
{
    uint32_t now = r->min_rtt_us[0], before = r->min_rtt_us[1];
    return !before || now < before ? now : before;
}

/* ---- episodes ---- */

static void begin_episode(struct recovery *r, seq_t nxt, uint32_t prior_cwnd, uint32_t prior_ssthresh)
{
    struct recovery_flight *f = r->f;
    r->recover = nxt;
    f->prior_cwnd = prior_cwnd;
    f->prior_ssthresh = prior_ssthresh;
    f->undo_possible = true;
    /* While something that an earlier episode sent again is not acknowledged, its copies' echoes prove nothing:
     * they are older than this episode's first retransmission, too. */
    if (seq_geq(flight_at(&f->sent, 0)->start, f->again_end)) f->again_us = f->undo_bytes = 0;
    f->force = true;
    r->probing = false;
}

void recovery_enter_fast(struct recovery *r, seq_t una, seq_t nxt, uint32_t delivered, uint32_t mss,
                         bool sack_ok, uint32_t prior_cwnd, uint32_t prior_ssthresh)
{
    struct recovery_flight *f = r->f;
    r->mode = RECOVERY_FAST;
    begin_episode(r, nxt, prior_cwnd, prior_ssthresh);
    f->prr_delivered = f->prr_out = 0;
    /* 9937-4: what recovery will see delivered */
    f->recover_fs = max_u32(seq_len(una, nxt) - f->sent.sacked_bytes + delivered, mss);
    if (!sack_ok) recovery_lose_first(r, una);
}

void recovery_enter_repair(struct recovery *r, seq_t end)
{
    r->mode = RECOVERY_REPAIR;
    begin_episode(r, end, 0, 0);
    r->f->undo_possible = false;
}

/* RFC 8985 6.3: what was sent an RTT ago and is not SACKed, and in any case the first. */
static void lose_old(struct recovery *r, const struct recovery_ack *now)
{
    struct flight *sent = &r->f->sent;
    bool rack = now && now->sack_ok;
    uint32_t rtt_us = r->f->rack_rtt_us || !rack ? r->f->rack_rtt_us : now->srtt_us;
    uint64_t wait = rack ? (uint64_t)rtt_us + recovery_reo_wnd(r, now->srtt_us) : 0;
    uint64_t old_us = rack && now->now_us >= wait ? now->now_us - wait + 1 : 0; /* what went before that is */
    for (uint32_t i = flight_next(sent, sent->open, 0); i < sent->count;
         i = flight_next(sent, sent->open, i + 1)) {
        struct sent *s = flight_at(sent, i);
        uint64_t units = sent_mask(s, s->start, seq_add(s->start, s->len));
        uint64_t first = i ? 0 : 1;
        if (rack && s->sent_us + wait > now->now_us) units &= s->again | first;
        uint64_t again = units & s->again;
        if (rack) units &= ~(again & ~sent_again_before(s, again, old_us, s->start)) | first;
        recovery_lose(r, i, units);
    }
}

void recovery_enter_rto(struct recovery *r, seq_t una, seq_t nxt, const struct recovery_ack *now,
                        uint32_t prior_cwnd, uint32_t prior_ssthresh, bool again)
{
    struct recovery_flight *f = r->f;
    struct flight *sent = &f->sent;
    /* The peer would have acknowledged what it holds at una: it threw it away (RFC 2018 8). */
    if (flight_at(sent, 0)->sacked & 1) flight_forget_sacked(sent);
    bool first = r->mode == RECOVERY_NONE && !again;
    r->mode = RECOVERY_RTO;
    if (!again) begin_episode(r, nxt, prior_cwnd, prior_ssthresh);
    else f->undo_possible = false;
    r->recover = nxt;
    f->force = true;
    f->dup_bytes = 0;
    f->dupacks = 0;
    f->frto = first;
    r->probing = false;
    f->reorder_at_us = UINT64_MAX;
    sent->partial = una;
    lose_old(r, now);
}

/* What is due and not yet out, as whole segments: the rest of one counts for all of it, as in the RFC's own
 * tables, and what went too much is missing from the next. A short last segment delivered lets one go. */
static uint32_t whole_segments(uint64_t due, uint32_t out, uint32_t mss)
{
    if (due <= out) return 0;
    return (uint32_t)min_u64((due - out + mss - 1) / mss * mss, UINT32_MAX / 2);
}

uint32_t recovery_prr_cwnd(struct recovery *r, uint32_t pipe, uint32_t ssthresh, uint32_t delivered,
                           uint32_t mss, bool progress)
{
    struct recovery_flight *f = r->f;
    uint32_t send;
    f->prr_delivered += delivered;
    if (pipe > ssthresh) {
        uint64_t due = ((uint64_t)f->prr_delivered * ssthresh + f->recover_fs - 1) / f->recover_fs;
        send = whole_segments(due, f->prr_out, mss);
    } else {
        uint32_t limit = max_u32(whole_segments(f->prr_delivered, f->prr_out, mss), delivered);
        if (progress) limit += mss; /* slow start reduction bound, while nothing more is lost */
        send = min_u32(ssthresh - pipe, limit);
    }
    /* the fast retransmission itself; and with nothing in the network no ACK could let anything go */
    if (f->force || !pipe) send = max_u32(send, mss);
    return pipe + send;
}

uint32_t recovery_most_in_flight(struct recovery *r, uint32_t pipe, bool new_round_trip)
{
    if (!r->f) return pipe;
    if (new_round_trip || r->f->most_in_flight < pipe) r->f->most_in_flight = pipe;
    return r->f->most_in_flight;
}

/* ---- questions ---- */

uint32_t recovery_sacked(const struct recovery *r) { return r->f ? r->f->sent.sacked_bytes : 0; }

uint32_t recovery_lost(const struct recovery *r) { return r->f ? r->f->sent.lost_bytes : 0; }

/* Of a lost unit that goes again in pieces, the path having narrowed: what is on its way. */
static uint32_t resent_part(const struct recovery *r, seq_t una)
{
    const struct flight *sent = &r->f->sent;
    uint32_t i = sent->lost_bytes && seq_gt(sent->partial, una) ? flight_next(sent, sent->waiting, 0) : sent->count;
    if (i == sent->count) return 0;
    const struct sent *s = flight_at(sent, i);
    seq_t from = seq_add(s->start, ctz_u64(s->lost) * s->unit);
    bool inside = seq_gt(sent->partial, from) && seq_lt(sent->partial, seq_add(from, s->unit));
    return inside ? seq_len(seq_max(from, una), sent->partial) : 0;
}

uint32_t recovery_pipe(const struct recovery *r, seq_t una, seq_t nxt)
{
    uint32_t flight = seq_len(una, nxt);
    if (!r->f) return flight;
    uint32_t gone = r->f->sent.sacked_bytes + r->f->sent.lost_bytes + r->f->dup_bytes;
    flight += resent_part(r, una);
    return flight > gone ? flight - gone : 0;
}

bool recovery_next(const struct recovery *r, seq_t una, seq_t *start, uint32_t *len, bool *force)
{
    if (!r->f || r->f->frto == 3) return false;
    const struct flight *sent = &r->f->sent;
    uint32_t i = flight_next(sent, sent->waiting, 0);
    if (i >= sent->count) return false;
    const struct sent *s = flight_at(sent, i);
    unsigned first = ctz_u64(s->lost);
    uint64_t run = s->lost >> first;
    unsigned n = ~run ? ctz_u64(~run) : FLIGHT_UNITS;
    seq_t from = seq_add(s->start, first * s->unit);
    seq_t end = seq_add(s->start, min_u32((first + n) * s->unit, s->len));
    seq_t unit_end = seq_add(s->start, min_u32((first + 1) * s->unit, s->len));
    if (seq_gt(sent->partial, from) && seq_lt(sent->partial, unit_end)) from = sent->partial;
    from = seq_max(from, una);
    *start = from;
    *len = seq_len(from, end);
    *force = r->f->force;
    return true;
}

bool recovery_wants_new(const struct recovery *r)
{
    return r->f && r->mode == RECOVERY_RTO && r->f->frto >= 2;
}

void recovery_no_new(struct recovery *r)
{
    if (r->f->frto == 2) r->f->frto = 0;
}

void recovery_deserved(struct recovery *r)
{
    if (r->f) r->f->undo_possible = false;
}

void recovery_tail(const struct recovery *r, seq_t *start, uint32_t *len)
{
    const struct sent *s = flight_at(&r->f->sent, r->f->sent.count - 1);
    unsigned last = sent_units(s) - 1;
    *start = seq_add(s->start, last * s->unit);
    *len = s->len - last * s->unit;
}

uint32_t recovery_packet(const struct recovery *r, seq_t s, seq_t una)
{
    uint32_t i = r->f ? flight_find(&r->f->sent, s) : 0;
    if (!r->f || i == r->f->sent.count) return 0;
    const struct sent *rec = flight_at(&r->f->sent, i);
    uint32_t unit = seq_len(rec->start, s) / rec->unit, from = unit * rec->unit;
    uint32_t end = min_u32(from + rec->unit, rec->len);
    /* What goes again is cut anew, from its beginning on: what follows may have gone along. */
    uint64_t along = rec->again >> unit & 1 ? ~rec->sacked >> unit >> 1 : 0;
    for (; along & 1 && end < rec->len; along >>= 1) end = min_u32(end + rec->unit, rec->len);
    if (seq_gt(una, seq_add(rec->start, from))) from = seq_len(rec->start, una);
    return end - from;
}

enum recovery_fate recovery_fate(const struct recovery *r, seq_t start)
{
    const struct sent *s = flight_at(&r->f->sent, flight_find(&r->f->sent, start));
    if (!seq_eq(s->start, start)) return FATE_UNKNOWN;
    if (s->sacked) return FATE_ARRIVED;
    if (!s->lost) return FATE_UNKNOWN;
    return r->f->sent.lost_bytes == s->len ? FATE_LOST_ALONE : FATE_LOST;
}

bool recovery_may_probe(const struct recovery *r, bool sack_ok)
{
    return sack_ok && r->f && r->f->sent.count && r->mode == RECOVERY_NONE && !r->probing &&
           !r->unmeasured && !r->f->sent.sacked_bytes;
}

void recovery_probe_sent(struct recovery *r, seq_t nxt, bool again)
{
    r->probing = r->unmeasured = true;
    r->probe_again = again;
    r->probe_end = nxt;
}

uint64_t recovery_reorder_at(const struct recovery *r) { return r->f ? r->f->reorder_at_us : UINT64_MAX; }

const char *recovery_check(const struct recovery *r, seq_t una, seq_t nxt)
{
    if (!r->f) return seq_eq(una, nxt) ? NULL : "recovery: bytes in flight that nobody remembers";
    return flight_check(&r->f->sent, una, nxt);
}
