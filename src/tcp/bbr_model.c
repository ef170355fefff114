#include "tcp/bbr_model.h"

#include "tcp/pace.h"

enum {
    LOSS_THRESH_DEN = 50, /* 1/50: 2 % */
    HEADROOM_PERCENT = 15,
    FULL_BW_ROUNDS = 3,
    EXTRA_ACKED_ROUNDS = 10,
    OFFLOAD_QUANTA = 3,
    MIN_RTT_US = 10 * 1000000,
    PROBE_RTT_INTERVAL_US = 5 * 1000000,
    TIME_MAX_US = 60 * 1000000 /* beyond, a product with a rate might not fit */
};

static bool probing(const struct bbr *b)
{
    return b->state == BBR_STARTUP || b->state == BBR_REFILL || b->state == BBR_UP;
}

static uint64_t volume(uint64_t bw, uint64_t us) { return bw * min_u64(us, TIME_MAX_US) / 1000000; }

/* ---- volumes (5.6.4) ---- */

uint32_t bbr_bdp(const struct bbr_run *x, uint64_t bw)
{
    if (x->b->min_rtt_us == UINT32_MAX) return x->b->initial_cwnd;
    return (uint32_t)min_u64(volume(bw, x->b->min_rtt_us), CC_CWND_MAX);
}

uint32_t bbr_quantized(const struct bbr_run *x, uint32_t cap)
{
    uint32_t quantum = pace_burst(max_u32(x->cc->pacing_kBps, 1), x->e->mss);
    cap = max_u32(max_u32(cap, OFFLOAD_QUANTA * quantum), bbr_min_pipe(x));
    return x->b->state == BBR_UP ? cap + 2 * x->e->mss : cap;
}

uint32_t bbr_inflight(const struct bbr_run *x, uint64_t bw) { return bbr_quantized(x, bbr_bdp(x, bw)); }

uint32_t bbr_inflight_with_headroom(const struct bbr_run *x)
{
    uint32_t most = x->b->inflight_longterm;
    if (most == BBR_UNBOUNDED) return BBR_UNBOUNDED;
    uint32_t headroom = max_u32(x->e->mss, bbr_percent(most, HEADROOM_PERCENT));
    return max_u32(most > headroom ? most - headroom : 0, bbr_min_pipe(x));
}

uint32_t bbr_target_inflight(const struct bbr_run *x) { return min_u32(bbr_bdp(x, x->b->bw), x->cc->cwnd); }

void bbr_start_round(struct bbr_run *x) { x->b->next_round = x->e->delivered; }

void bbr_reset_full_bw(struct bbr *b)
{
    b->full_bw = 0;
    b->full_bw_count = 0;
    b->full_bw_now = false;
}

void bbr_reset_congestion_signals(struct bbr *b)
{
    b->loss_in_round = false;
    b->bw_latest = b->inflight_latest = 0;
}

void bbr_reset_shortterm(struct bbr *b)
{
    b->bw_shortterm = BBR_UNBOUNDED_BW;
    b->inflight_shortterm = BBR_UNBOUNDED;
}

/* ---- losses ---- */

bool bbr_too_high(const struct bbr_run *x)
{
    return x->rs.lost > x->rs.flight / LOSS_THRESH_DEN || (x->rs.lost && !x->e->sack_ok);
}

/* 5.5.10.2: at what volume did losses cross the threshold? */
uint32_t bbr_inflight_at_loss(const struct rate_sample *rs)
{
    uint32_t before = rs->flight > rs->size ? rs->flight - rs->size : 0;
    uint32_t lost_before = rs->lost > rs->size ? rs->lost - rs->size : 0;
    uint32_t safe = before / LOSS_THRESH_DEN;
    uint32_t prefix = safe > lost_before ? safe - lost_before : 0;
    return before + (uint32_t)((uint64_t)prefix * LOSS_THRESH_DEN / (LOSS_THRESH_DEN - 1));
}

/* ---- delivery ---- */

void bbr_update_latest_delivery(struct bbr_run *x)
{
    struct bbr *b = x->b;
    b->loss_round_start = x->rs.any && x->rs.prior >= b->loss_round;
    b->bw_latest = max_u64(b->bw_latest, x->rs.rate_Bps);
    b->inflight_latest = max_u32(b->inflight_latest, x->rs.delivered);
    if (b->loss_round_start) b->loss_round = x->e->delivered;
}

static void update_round(struct bbr_run *x)
{
    struct bbr *b = x->b;
    bool limited = x->e->flight_bytes + x->e->mss > x->cc->cwnd;
    b->round_start = x->rs.any && x->rs.prior >= b->next_round;
    if (b->round_start) {
        bbr_start_round(x);
        b->round_count++;
        b->rounds_since_up++;
        b->was_limited = b->limited;
        b->limited = false;
    }
    b->limited |= limited;
}

/* 5.5.10.3, once a round */
static void adapt_lower_bounds(struct bbr_run *x)
{
    struct bbr *b = x->b;
    if (probing(b) || !b->loss_in_round) return;
    if (b->bw_shortterm == BBR_UNBOUNDED_BW) b->bw_shortterm = bbr_max_bw(b);
    if (b->inflight_shortterm == BBR_UNBOUNDED) b->inflight_shortterm = x->cc->cwnd;
    b->bw_shortterm = max_u64(b->bw_latest, b->bw_shortterm * BBR_BETA_PERCENT / 100);
    b->inflight_shortterm = max_u32(b->inflight_latest, bbr_percent(b->inflight_shortterm, BBR_BETA_PERCENT));
}

void bbr_update_congestion_signals(struct bbr_run *x)
{
    struct bbr *b = x->b;
    uint64_t rate = x->rs.rate_Bps;
    update_round(x);
    if (rate && (rate >= bbr_max_bw(b) || !x->rs.app_limited)) b->max_bw[0] = max_u64(b->max_bw[0], rate);
    if (!b->loss_round_start) return;
    adapt_lower_bounds(x);
    b->loss_in_round = false;
}

/* 5.5.9: what came beyond the expected; the window slides by halves. */
void bbr_update_aggregation(struct bbr_run *x)
{
    struct bbr *b = x->b;
    uint64_t expected = volume(b->bw, x->e->now_us - b->extra_start_us);
    if (b->extra_delivered <= expected) {
        b->extra_delivered = expected = 0;
        b->extra_start_us = x->e->now_us;
    }
    b->extra_delivered += x->e->delivered_bytes;
    uint32_t extra = (uint32_t)min_u64(b->extra_delivered - expected, x->cc->cwnd);
    uint32_t half = b->full_bw_reached ? EXTRA_ACKED_ROUNDS / 2 : 1;
    if (b->round_start && b->round_count - b->extra_round >= half) {
        b->extra_round = b->round_count;
        b->extra_acked[1] = b->extra_acked[0];
        b->extra_acked[0] = 0;
    }
    b->extra_acked[0] = max_u32(b->extra_acked[0], extra);
}

void bbr_check_full_bw(struct bbr_run *x)
{
    struct bbr *b = x->b;
    if (b->full_bw_now || !b->round_start || x->rs.app_limited) return;
    if (x->rs.rate_Bps >= b->full_bw + b->full_bw / 4) { /* still growing */
        bbr_reset_full_bw(b);
        b->full_bw = x->rs.rate_Bps;
        return;
    }
    b->full_bw_count++;
    b->full_bw_now = b->full_bw_count >= FULL_BW_ROUNDS;
    if (b->full_bw_now) b->full_bw_reached = true;
}

void bbr_update_min_rtt(struct bbr_run *x)
{
    struct bbr *b = x->b;
    uint64_t now = x->e->now_us;
    uint32_t rtt_us = x->e->rtt_us;
    b->probe_rtt_expired = now > b->probe_rtt_min_at_us + PROBE_RTT_INTERVAL_US;
    if (rtt_us && (rtt_us < b->probe_rtt_min_us || b->probe_rtt_expired)) {
        b->probe_rtt_min_us = rtt_us;
        b->probe_rtt_min_at_us = now;
    }
    if (b->probe_rtt_min_us >= b->min_rtt_us && now <= b->min_rtt_at_us + MIN_RTT_US) return;
    b->min_rtt_us = b->probe_rtt_min_us;
    b->min_rtt_at_us = b->probe_rtt_min_at_us;
}
