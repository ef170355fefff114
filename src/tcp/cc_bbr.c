/*
 * BBR, version 3, as drafted in draft-ietf-ccwg-bbr (its state of August 2026; names, order and numbers of
 * sections are the draft's): a model of the path, from what is delivered, how fast and with what losses, says how
 * fast to send and how much may be in flight. Volumes are bytes, rates bytes a second, gains percent.
 *
 * Where the draft leaves a choice: CE marks (3.7) count as loss, and while probing as too much of it. Ranges
 * lost in Startup (5.3.1.3) are counted by the ACKs that tell of them. Chance is a hash of the connection's
 * progress, since nothing here may be random. Without memory for the model the flow is Reno's.
 */
#include "tcp/bbr_model.h"

/* 5.6.1 */
static const struct {
    uint16_t pacing, cwnd;
} gains[] = {
    [BBR_STARTUP] = {277, 200}, [BBR_DRAIN] = {50, 200}, [BBR_DOWN] = {90, 200},     [BBR_CRUISE] = {100, 200},
    [BBR_REFILL] = {100, 200},  [BBR_UP] = {125, 225},   [BBR_PROBE_RTT] = {100, 50}};

enum {
    PACING_MARGIN_PERCENT = 1,
    STARTUP_FULL_LOSS_COUNT = 6,
    DRAIN_ROUNDS = 3,
    RENO_ROUNDS_MAX = 63,
    PROBE_RTT_US = 200000,
    PROBE_WAIT_US = 2 * 1000000 /* and up to a second more */
};

/* A number that nobody outside foretells and that every replay finds again, whatever the clock. */
static uint32_t chance(const struct bbr_run *x)
{
    uint64_t us = x->e->now_us - x->b->cycle_us;
    uint64_t v = us * 0x9e3779b97f4a7c15u ^ x->e->nxt_bytes * 0xbf58476d1ce4e5b9u;
    return (uint32_t)((v ^ v >> 29) * 0x94d049bb133111ebu >> 32);
}

/* ---- cwnd and pacing ---- */

static uint32_t probe_rtt_cwnd(const struct bbr_run *x)
{
    return max_u32(bbr_percent(bbr_bdp(x, x->b->bw), gains[BBR_PROBE_RTT].cwnd), bbr_min_pipe(x));
}

static void save_cwnd(struct bbr_run *x)
{
    struct bbr *b = x->b;
    bool modulated = b->recovering || b->state == BBR_PROBE_RTT;
    b->prior_cwnd = modulated ? max_u32(b->prior_cwnd, x->cc->cwnd) : x->cc->cwnd;
}

static void restore_cwnd(struct bbr_run *x) { x->cc->cwnd = max_u32(x->cc->cwnd, x->b->prior_cwnd); }

static void save_state_upon_loss(struct bbr_run *x)
{
    struct bbr *b = x->b;
    save_cwnd(x);
    b->undo_state = BBR_PROBE_RTT;
    b->undo_bw_shortterm = b->bw_shortterm;
    b->undo_shortterm = b->inflight_shortterm;
    b->undo_longterm = b->inflight_longterm;
}

static void note_loss(struct bbr_run *x)
{
    struct bbr *b = x->b;
    if (!b->loss_in_round) {
        b->loss_round = x->e->delivered;
        if (!b->recovering) save_state_upon_loss(x); /* as it was when the episode began */
    }
    b->loss_in_round = true;
}

static void set_pacing(struct bbr_run *x, uint32_t gain)
{
    uint64_t rate = x->b->bw * gain / 100 * (100 - PACING_MARGIN_PERCENT) / 100 / 1000;
    if (x->b->full_bw_reached || rate > x->cc->pacing_kBps)
        x->cc->pacing_kBps = (uint32_t)min_u64(max_u64(rate, 1), UINT32_MAX);
}

/* 5.2.1 */
static void begin(struct bbr_run *x)
{
    struct bbr *b = x->b;
    const struct cc_event *e = x->e;
    if (b->begun) return;
    *b = (struct bbr){.begun = true,
                      .state = BBR_STARTUP,
                      .undo_state = BBR_PROBE_RTT,
                      .initial_cwnd = x->cc->cwnd,
                      .min_rtt_us = e->srtt_us ? e->srtt_us : UINT32_MAX,
                      .min_rtt_at_us = e->now_us,
                      .probe_rtt_min_us = e->srtt_us ? e->srtt_us : UINT32_MAX,
                      .probe_rtt_min_at_us = e->now_us,
                      .cycle_us = e->now_us,
                      .extra_start_us = e->now_us,
                      .inflight_longterm = BBR_UNBOUNDED,
                      .up_acked_per_inc = BBR_UNBOUNDED};
    bbr_reset_shortterm(b);
    uint64_t nominal = x->cc->cwnd * 1000ull / (e->srtt_us ? e->srtt_us : 1000); /* kB/s */
    x->cc->pacing_kBps = (uint32_t)min_u64(max_u64(nominal * gains[BBR_STARTUP].pacing / 100, 1), UINT32_MAX);
}

/* ---- the cycle (5.3.3.9) ---- */

static void start_down(struct bbr_run *x)
{
    struct bbr *b = x->b;
    uint32_t dice = chance(x);
    bbr_reset_congestion_signals(b);
    b->up_acked_per_inc = BBR_UNBOUNDED;
    b->rounds_since_up = dice & 1;
    b->probe_wait_us = PROBE_WAIT_US + (dice >> 1) % 1000000;
    b->cycle_us = x->e->now_us;
    b->ack_phase = ACKS_PROBE_STOPPING;
    bbr_start_round(x);
    b->state = BBR_DOWN;
}

static void start_refill(struct bbr_run *x)
{
    struct bbr *b = x->b;
    bbr_reset_shortterm(b);
    b->up_rounds = 0;
    b->up_acked = 0;
    b->prev_precautionary = false;
    b->ack_phase = ACKS_REFILLING;
    bbr_start_round(x);
    b->state = BBR_REFILL;
}

static void raise_slope(struct bbr_run *x)
{
    struct bbr *b = x->b;
    uint32_t growth = 1u << b->up_rounds;
    b->up_rounds = (uint8_t)min_u32(b->up_rounds + 1u, 30);
    b->up_acked_per_inc = max_u32(x->cc->cwnd / growth, x->e->mss);
}

static void start_up(struct bbr_run *x)
{
    struct bbr *b = x->b;
    b->ack_phase = ACKS_PROBE_STARTING;
    bbr_start_round(x);
    bbr_reset_full_bw(b);
    b->full_bw = x->rs.rate_Bps;
    b->state = BBR_UP;
    raise_slope(x);
}

static bool time_to_probe(struct bbr_run *x)
{
    struct bbr *b = x->b;
    uint32_t reno_rounds = min_u32(bbr_target_inflight(x) / x->e->mss, RENO_ROUNDS_MAX);
    if (x->e->now_us <= b->cycle_us + b->probe_wait_us && b->rounds_since_up < reno_rounds) return false;
    start_refill(x);
    return true;
}

static bool time_to_cruise(const struct bbr_run *x)
{
    return x->e->pipe_bytes <= bbr_inflight_with_headroom(x) && x->e->pipe_bytes <= bbr_inflight(x, bbr_max_bw(x->b));
}

static bool held_by_longterm(const struct bbr_run *x)
{
    return (x->b->limited || x->b->was_limited) && x->cc->cwnd >= x->b->inflight_longterm;
}

static bool time_to_go_down(struct bbr_run *x)
{
    struct bbr *b = x->b;
    if (b->prev_too_high && x->e->flight_bytes + x->e->mss > b->inflight_longterm) {
        b->prev_precautionary = true;
        return true;
    }
    if (!held_by_longterm(x)) return b->full_bw_now;
    bbr_reset_full_bw(b); /* the bound limits it, not the path */
    b->full_bw = x->rs.rate_Bps;
    return false;
}

/* 5.5.10.2: the probe went too far. */
static void handle_too_high(struct bbr_run *x)
{
    struct bbr *b = x->b;
    b->prev_too_high = true;
    b->bw_probe_samples = false;
    if (!x->rs.app_limited)
        b->inflight_longterm = max_u32(x->rs.flight, bbr_percent(bbr_target_inflight(x), BBR_BETA_PERCENT));
    if (b->state != BBR_UP) return;
    b->undo_state = BBR_UP;
    start_down(x);
}

static void probe_longterm_upward(struct bbr_run *x)
{
    struct bbr *b = x->b;
    if (!held_by_longterm(x)) return;
    b->up_acked += x->e->delivered_bytes;
    if (b->up_acked >= b->up_acked_per_inc) {
        uint32_t more = b->up_acked / b->up_acked_per_inc;
        b->up_acked -= more * b->up_acked_per_inc;
        b->inflight_longterm =
            (uint32_t)min_u64(b->inflight_longterm + (uint64_t)more * x->e->mss, CC_CWND_MAX);
    }
    if (b->round_start) raise_slope(x);
}

/* True if it decided on a state. */
static bool adapt_longterm(struct bbr_run *x)
{
    struct bbr *b = x->b;
    if (b->ack_phase == ACKS_PROBE_STARTING && b->round_start) b->ack_phase = ACKS_PROBE_FEEDBACK;
    if (b->ack_phase == ACKS_PROBE_STOPPING && b->round_start) {
        b->bw_probe_samples = false;
        b->ack_phase = ACKS_INIT;
        if (bbr_in_probe_bw(b) && !x->rs.app_limited && b->max_bw[0]) { /* AdvanceMaxBwFilter */
            b->max_bw[1] = b->max_bw[0];
            b->max_bw[0] = 0;
        }
        if (bbr_in_probe_bw(b) && b->prev_precautionary && !b->prev_too_high) {
            start_refill(x);
            return true;
        }
    }
    if (bbr_too_high(x) || b->inflight_longterm == BBR_UNBOUNDED) return false;
    b->inflight_longterm = max_u32(b->inflight_longterm, x->rs.flight);
    if (b->state == BBR_UP) probe_longterm_upward(x);
    return false;
}

static void update_cycle(struct bbr_run *x)
{
    struct bbr *b = x->b;
    if (!b->full_bw_reached || adapt_longterm(x)) return;
    if (b->state == BBR_DOWN) {
        if (!time_to_probe(x) && time_to_cruise(x)) b->state = BBR_CRUISE;
    } else if (b->state == BBR_CRUISE) {
        time_to_probe(x);
    } else if (b->state == BBR_REFILL && b->round_start) { /* after one round */
        b->bw_probe_samples = true;
        start_up(x);
    } else if (b->state == BBR_UP && time_to_go_down(x)) {
        b->prev_too_high = false;
        start_down(x);
    }
}

/* ---- Startup, Drain (5.3.1, 5.3.2) ---- */

static void enter_drain(struct bbr_run *x)
{
    x->b->state = BBR_DRAIN;
    x->b->drain_start_round = x->b->round_count;
}

static void leave_startup_for_loss(struct bbr_run *x)
{
    struct bbr *b = x->b;
    b->undo_state = BBR_STARTUP;
    b->full_bw_reached = b->full_bw_now = true;
    b->inflight_longterm = max_u32(bbr_bdp(x, b->bw), b->inflight_latest);
}

static void check_startup_done(struct bbr_run *x)
{
    struct bbr *b = x->b;
    bool many = b->loss_events >= STARTUP_FULL_LOSS_COUNT && b->loss_round_start;
    if (!x->e->sack_ok) many = b->loss_events > 0;
    if (b->state == BBR_STARTUP && !b->full_bw_reached && x->e->recovering && many && bbr_too_high(x))
        leave_startup_for_loss(x);
    if (b->loss_round_start) b->loss_events = 0;
    if (b->state == BBR_STARTUP && b->full_bw_reached) enter_drain(x);
}

static void check_drain_done(struct bbr_run *x)
{
    struct bbr *b = x->b;
    if (b->state != BBR_DRAIN) return;
    bool late = b->round_count > b->drain_start_round + DRAIN_ROUNDS;
    if (late || x->e->pipe_bytes <= bbr_inflight(x, b->bw)) start_down(x);
}

/* ---- ProbeRTT (5.3.4) ---- */

static void check_probe_rtt_done(struct bbr_run *x)
{
    struct bbr *b = x->b;
    if (!b->probe_rtt_done_us || x->e->now_us <= b->probe_rtt_done_us) return;
    b->probe_rtt_min_at_us = x->e->now_us; /* the next is due after this */
    restore_cwnd(x);
    bbr_reset_shortterm(b);
    b->state = BBR_STARTUP;
    if (!b->full_bw_reached) return;
    start_down(x);
    b->state = BBR_CRUISE;
}

static void handle_probe_rtt(struct bbr_run *x)
{
    struct bbr *b = x->b;
    b->ignore_until = x->e->delivered + x->e->pipe_bytes + 1; /* MarkConnectionAppLimited */
    if (!b->probe_rtt_done_us && x->e->pipe_bytes <= probe_rtt_cwnd(x)) {
        b->probe_rtt_done_us = x->e->now_us + PROBE_RTT_US;
        b->probe_rtt_round_done = false;
        bbr_start_round(x);
    } else if (b->probe_rtt_done_us) {
        b->probe_rtt_round_done |= b->round_start;
        if (b->probe_rtt_round_done) check_probe_rtt_done(x);
    }
}

static void check_probe_rtt(struct bbr_run *x)
{
    struct bbr *b = x->b;
    if (b->state != BBR_PROBE_RTT && b->probe_rtt_expired && !b->idle_restart) {
        save_cwnd(x);
        b->state = BBR_PROBE_RTT;
        b->probe_rtt_done_us = 0;
        b->ack_phase = ACKS_PROBE_STOPPING;
        bbr_start_round(x);
    }
    if (b->state == BBR_PROBE_RTT) handle_probe_rtt(x);
    if (x->rs.delivered) b->idle_restart = false;
}

/* ---- control ---- */

static uint32_t bound_for_model(const struct bbr_run *x, uint32_t cwnd)
{
    const struct bbr *b = x->b;
    uint32_t cap = BBR_UNBOUNDED;
    if (b->state == BBR_PROBE_RTT || b->state == BBR_CRUISE) cap = bbr_inflight_with_headroom(x);
    else if (bbr_in_probe_bw(b)) cap = b->inflight_longterm;
    cap = max_u32(min_u32(cap, b->inflight_shortterm), bbr_min_pipe(x));
    return min_u32(cwnd, cap);
}

static void set_cwnd(struct bbr_run *x)
{
    const struct bbr *b = x->b;
    uint32_t extra = max_u32(b->extra_acked[0], b->extra_acked[1]), cwnd = x->cc->cwnd;
    uint32_t most = bbr_quantized(x, bbr_percent(bbr_bdp(x, b->bw), gains[b->state].cwnd) + extra);
    uint32_t grown = min_u32(cwnd + x->e->delivered_bytes, CC_CWND_MAX);
    if (b->full_bw_reached) cwnd = min_u32(grown, most);
    else if (cwnd < most || x->e->delivered < b->initial_cwnd) cwnd = grown;
    cwnd = max_u32(cwnd, bbr_min_pipe(x));
    if (b->state == BBR_PROBE_RTT) cwnd = min_u32(cwnd, probe_rtt_cwnd(x));
    x->cc->cwnd = bound_for_model(x, cwnd);
}

/* ---- verbs (5.2) ---- */

static struct bbr_run run_of(struct cc *cc, const struct cc_event *e, const struct rate_sample *rs)
{
    struct bbr_run x = {.b = cc->state, .cc = cc, .e = e, .rs = *rs};
    begin(&x);
    x.rs.rate_Bps = min_u64(x.rs.rate_Bps, BBR_BW_MAX);
    if (rs->any && rs->prior < x.b->ignore_until) x.rs.app_limited = true;
    return x;
}

static void bbr_on_ack(struct cc *cc, const struct cc_event *e)
{
    if (!cc->state) {
        cc_reno.on_ack(cc, e);
        return;
    }
    struct bbr_run x = run_of(cc, e, &e->rate);
    struct bbr *b = x.b;
    if (b->recovering && !e->recovering) restore_cwnd(&x);
    b->recovering = e->recovering;
    if (!e->delivered_bytes) return;
    bbr_update_latest_delivery(&x);
    bbr_update_congestion_signals(&x);
    bbr_update_aggregation(&x);
    bbr_check_full_bw(&x);
    check_startup_done(&x);
    check_drain_done(&x);
    update_cycle(&x);
    bbr_update_min_rtt(&x);
    check_probe_rtt(&x);
    if (b->loss_round_start) {
        b->bw_latest = x.rs.rate_Bps;
        b->inflight_latest = x.rs.delivered;
    }
    b->bw = min_u64(bbr_max_bw(b), b->bw_shortterm);
    set_pacing(&x, gains[b->state].pacing);
    set_cwnd(&x);
}

static void bbr_on_lost(struct cc *cc, const struct cc_event *e)
{
    struct bbr_run x = run_of(cc, e, &e->loss);
    note_loss(&x);
    if (x.b->loss_events < UINT8_MAX) x.b->loss_events++;
    if (!x.b->bw_probe_samples || !bbr_too_high(&x)) return;
    x.rs.flight = bbr_inflight_at_loss(&x.rs);
    handle_too_high(&x);
}

static void bbr_on_loss(struct cc *cc, const struct cc_event *e)
{
    if (!cc->state) {
        cc_reno.on_loss(cc, e);
        return;
    }
    struct bbr_run x = run_of(cc, e, &e->rate);
    if (!e->ece) {
        save_state_upon_loss(&x);
        x.b->recovering = true;
        return;
    }
    note_loss(&x);
    if (x.b->bw_probe_samples) handle_too_high(&x);
    else if (x.b->state == BBR_STARTUP) leave_startup_for_loss(&x);
}

/* 5.5.11.2 */
static void bbr_on_undo(struct cc *cc, const struct cc_event *e)
{
    struct bbr_run x = run_of(cc, e, &e->rate);
    struct bbr *b = x.b;
    restore_cwnd(&x);
    b->loss_in_round = false;
    bbr_reset_full_bw(b);
    b->bw_shortterm = max_u64(b->bw_shortterm, b->undo_bw_shortterm);
    b->inflight_shortterm = max_u32(b->inflight_shortterm, b->undo_shortterm);
    b->inflight_longterm = max_u32(b->inflight_longterm, b->undo_longterm);
    if (b->undo_state == BBR_STARTUP) {
        b->full_bw_reached = false;
        if (b->state != BBR_PROBE_RTT) b->state = BBR_STARTUP;
    } else if (b->undo_state == BBR_UP && b->state != BBR_UP && b->state != BBR_PROBE_RTT) {
        start_refill(&x);
    }
    b->undo_state = BBR_PROBE_RTT;
}

/* 5.4.1 */
static void bbr_on_idle(struct cc *cc, const struct cc_event *e)
{
    struct bbr_run x = run_of(cc, e, &e->rate);
    x.b->idle_restart = true;
    x.b->extra_start_us = e->now_us;
    if (bbr_in_probe_bw(x.b)) set_pacing(&x, 100);
    else if (x.b->state == BBR_PROBE_RTT) check_probe_rtt_done(&x);
}

const struct cc_algorithm cc_bbr = {
    .name = "bbr",
    .state_bytes = sizeof(struct bbr),
    .own_cwnd = true,
    .on_ack = bbr_on_ack,
    .on_lost = bbr_on_lost,
    .on_loss = bbr_on_loss,
    .on_undo = bbr_on_undo,
    .on_idle = bbr_on_idle,
};
