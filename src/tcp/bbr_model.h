/*
 * BBR's model of the path (draft-ietf-ccwg-bbr 5.5), private to bbr_model.c and cc_bbr.c: what the signals of
 * delivery, round trips and losses say. Volumes are bytes, rates bytes a second, gains percent.
 */
#ifndef TCP_BBR_MODEL_H
#define TCP_BBR_MODEL_H

#include "tcp/cc.h"
#include "util/bytes.h"

enum bbr_state { BBR_STARTUP, BBR_DRAIN, BBR_DOWN, BBR_CRUISE, BBR_REFILL, BBR_UP, BBR_PROBE_RTT };
enum bbr_ack_phase { ACKS_INIT, ACKS_REFILLING, ACKS_PROBE_STARTING, ACKS_PROBE_FEEDBACK, ACKS_PROBE_STOPPING };

enum { BBR_MIN_PIPE_SEGMENTS = 4, BBR_BETA_PERCENT = 70 };
#define BBR_UNBOUNDED UINT32_MAX
#define BBR_UNBOUNDED_BW UINT64_MAX
#define BBR_BW_MAX 100000000000u /* 800 Gbit/s: a product with a time must fit */

struct bbr {
    uint8_t state, ack_phase, undo_state; /* undo_state: BBR_STARTUP, BBR_UP, or BBR_PROBE_RTT for none */
    uint8_t full_bw_count, loss_events, up_rounds;
    bool begun, recovering, idle_restart, round_start, loss_round_start;
    bool full_bw_now, full_bw_reached;
    bool loss_in_round, bw_probe_samples, prev_too_high, prev_precautionary;
    bool limited, was_limited; /* by cwnd, in this round and in the last */
    bool probe_rtt_expired, probe_rtt_round_done;
    uint32_t round_count, drain_start_round, rounds_since_up;
    uint32_t initial_cwnd, prior_cwnd;
    uint64_t next_round, loss_round; /* rounds end when what is sent by then is delivered */
    uint64_t ignore_until;           /* samples of what was sent up to there count as the application's limit */
    /* the model */
    uint64_t bw, max_bw[2], bw_shortterm, bw_latest, full_bw; /* max_bw: of this cycle and the last */
    uint32_t inflight_longterm, inflight_shortterm, inflight_latest;
    uint32_t undo_longterm, undo_shortterm;
    uint64_t undo_bw_shortterm;
    uint32_t min_rtt_us, probe_rtt_min_us;
    uint64_t min_rtt_at_us, probe_rtt_min_at_us, probe_rtt_done_us;
    uint32_t up_acked, up_acked_per_inc;
    uint64_t cycle_us;
    uint32_t probe_wait_us;
    uint64_t extra_start_us, extra_delivered;
    uint32_t extra_acked[2], extra_round; /* the most of the last rounds: two halves of the window */
};

/* One event being worked on. */
struct bbr_run {
    struct bbr *b;
    struct cc *cc;
    const struct cc_event *e;
    struct rate_sample rs;
};

static inline uint32_t bbr_percent(uint32_t of, uint32_t n)
{
    return (uint32_t)min_u64((uint64_t)of * n / 100, BBR_UNBOUNDED);
}
static inline uint64_t bbr_max_bw(const struct bbr *b)
{
    return max_u64(b->max_bw[0], b->max_bw[1]);
}
static inline bool bbr_in_probe_bw(const struct bbr *b)
{
    return b->state >= BBR_DOWN && b->state <= BBR_UP;
}
static inline uint32_t bbr_min_pipe(const struct bbr_run *x)
{
    return BBR_MIN_PIPE_SEGMENTS * x->e->mss;
}

/* ---- volumes (5.6.4) ---- */

uint32_t bbr_bdp(const struct bbr_run *x, uint64_t bw);
/* With what offloading and delayed ACKs need at least. */
uint32_t bbr_quantized(const struct bbr_run *x, uint32_t cap);
uint32_t bbr_inflight(const struct bbr_run *x, uint64_t bw);
uint32_t bbr_inflight_with_headroom(const struct bbr_run *x);
uint32_t bbr_target_inflight(const struct bbr_run *x);

/* ---- losses ---- */

/* Do losses say that more was in flight than the path takes? */
bool bbr_too_high(const struct bbr_run *x);
/* At what volume did losses cross the threshold? */
uint32_t bbr_inflight_at_loss(const struct rate_sample *rs);

/* ---- the steps of an ACK that change the model (5.2.3) ---- */

void bbr_update_latest_delivery(struct bbr_run *x);
void bbr_update_congestion_signals(struct bbr_run *x);
void bbr_update_aggregation(struct bbr_run *x);
void bbr_check_full_bw(struct bbr_run *x);
void bbr_update_min_rtt(struct bbr_run *x);

void bbr_start_round(struct bbr_run *x);
void bbr_reset_full_bw(struct bbr *b);
void bbr_reset_congestion_signals(struct bbr *b);
void bbr_reset_shortterm(struct bbr *b);

#endif
