/*
 * CUBIC (RFC 9438), with HyStart++ for the first slow start. Windows are bytes; the time of the cubic
 * function is in ticks of 1/1024 s, so that its cube fits into 64 bits for any window and any duration.
 * The RFC's fractions are exact: beta_cubic = 7/10, C = 2/5, alpha_cubic = 3 * (1 - 0.7) / (1 + 0.7) = 9/17.
 */
#include "tcp/cc.h"
#include "tcp/hystart.h"
#include "util/bytes.h"

enum {
    TICKS_PER_S = 1024,
    /* From a window of nothing to CC_CWND_MAX with the smallest MSS, 8: cbrt(2^30 / (8 * C)) is 695 s. */
    TICKS_MAX = 700 * TICKS_PER_S,
    ALPHA_NUM = 9,
    ALPHA_DEN = 17
};

/* A stage of congestion avoidance (9438-4.10: HyStart++ comes before the first), and what the last congestion event left for it. */
struct stage {
    uint32_t w_max;      /* 0: unknown, by a timeout or because nothing was lost yet */
    uint32_t cwnd_prior; /* 0: ssthresh was never set */
    uint32_t w_est;
    uint32_t k_ticks;
    uint64_t w_est_rest; /* of w_est, in 1/(ALPHA_DEN * cwnd) bytes */
    uint64_t t_us;       /* since t_epoch, without the times when the application did not use cwnd */
    bool begun;
};

struct cubic {
    struct stage now, undo; /* undo: before the last congestion event (4.9.2) */
    uint64_t acked_at_us;   /* the last ACK, if any, */
    bool drained;           /* ... left nothing in flight: the network may have been idle since */
    struct hystart hystart;
};

static uint64_t ticks_of(uint64_t us) { return us / 125000 * 128 + us % 125000 * 128 / 125000; }

/* The largest integer whose cube is not above v. */
static uint32_t cube_root(uint64_t v)
{
    uint64_t root = 0;
    for (uint64_t bit = UINT64_C(1) << 20; bit; bit >>= 1) {
        uint64_t r = root | bit;
        if (r * r * r <= v) root = r;
    }
    return (uint32_t)root;
}

/* Figure 1 (9438-4.2a): C * (t - K)^3 + W_max. */
static uint32_t w_cubic(const struct stage *s, uint64_t t_us, uint32_t mss)
{
    uint64_t t = ticks_of(t_us), k = s->k_ticks;
    uint64_t d = min_u64(t > k ? t - k : k - t, TICKS_MAX);
    uint64_t bytes = ((d * d * d >> 14) * mss * 2 / 5) >> 16; /* 9438-5.1; in two steps: it must fit */
    if (t < k) return s->w_max > bytes ? (uint32_t)(s->w_max - bytes) : 0;
    return (uint32_t)min_u64(s->w_max + bytes, CC_CWND_MAX);
}

/* 4.2, 4.8, 4.10: the first ACK in congestion avoidance. */
static void begin_stage(struct stage *s, const struct cc *cc, const struct cc_event *e)
{
    if (s->w_max < cc->cwnd) s->w_max = cc->cwnd;
    if (!s->cwnd_prior) s->cwnd_prior = cc->cwnd;
    uint64_t segments = (((uint64_t)(s->w_max - cc->cwnd) * 5) << 30) / (2 * e->mss); /* / C, in ticks^3 */
    s->k_ticks = cube_root(segments);
    s->w_est = cc->cwnd;
    s->w_est_rest = 0;
    s->t_us = 0;
    s->begun = true;
}

/* Figure 4 (9438-4.3a): what Reno's window would be; with Reno's own slope from cwnd_prior on (4.3b). */
static void estimate_reno(struct stage *s, uint32_t cwnd, uint32_t acked_bytes, uint32_t mss)
{
    uint64_t unit = (uint64_t)ALPHA_DEN * cwnd;
    uint64_t alpha = s->w_est >= s->cwnd_prior ? ALPHA_DEN : ALPHA_NUM;
    uint64_t grown = alpha * acked_bytes * mss + s->w_est_rest;
    s->w_est = (uint32_t)min_u64(s->w_est + grown / unit, CC_CWND_MAX);
    s->w_est_rest = grown % unit;
}

/* 4.3 to 4.5: the larger of both windows; never less than it is (9438-4.2b). */
static void avoid_congestion(struct stage *s, struct cc *cc, const struct cc_event *e, uint32_t acked_bytes)
{
    uint32_t cwnd = cc->cwnd;
    acked_bytes = min_u32(acked_bytes, cwnd);
    estimate_reno(s, cwnd, acked_bytes, e->mss);
    if (w_cubic(s, s->t_us, e->mss) < s->w_est) {
        cc->cwnd = max_u32(cwnd, s->w_est);
        return;
    }
    uint32_t target = max_u32(w_cubic(s, s->t_us + e->srtt_us, e->mss), cwnd);
    target = min_u32(target, cwnd + cwnd / 2);
    uint64_t grown = (uint64_t)(target - cwnd) * acked_bytes + cc->acked; /* 9438-4.4 */
    cc->cwnd = min_u32(cwnd + (uint32_t)(grown / cwnd), CC_CWND_MAX);
    cc->acked = (uint32_t)(grown % cwnd);
}

/* The time since the last ACK, without that in which nothing was in flight (9438-4.2c): after the first
 * round trip of it, that is. */
static uint64_t busy_us(struct cubic *c, const struct cc_event *e)
{
    uint64_t us = c->acked_at_us ? e->now_us - c->acked_at_us : 0;
    if (c->drained) us = min_u64(us, e->srtt_us);
    c->acked_at_us = e->now_us;
    c->drained = e->acked_bytes >= e->flight_bytes;
    return us;
}

static void cubic_on_ack(struct cc *cc, const struct cc_event *e)
{
    struct cubic *c = cc->state;
    if (!c) {
        cc_reno.on_ack(cc, e);
        return;
    }
    uint64_t us = busy_us(c, e);
    if (cc_first_slow_start(cc)) {
        hystart_on_ack(&c->hystart, cc, e);
        return;
    }
    if (!e->limited) return; /* 9438-5.8; nor does t go on */
    uint32_t acked_bytes = cc_slow_start(cc, e->acked_bytes);
    if (cc->cwnd < cc->ssthresh) c->now.begun = false;
    if (cc->cwnd < cc->ssthresh || !acked_bytes) return;
    if (c->now.begun) c->now.t_us += us;
    else begin_stage(&c->now, cc, e);
    avoid_congestion(&c->now, cc, e, acked_bytes);
}

static void cubic_on_loss(struct cc *cc, const struct cc_event *e)
{
    struct cubic *c = cc->state;
    if (!c) {
        cc_reno.on_loss(cc, e);
        return;
    }
    struct stage *s = &c->now;
    c->undo = *s;
    s->begun = false;
    s->cwnd_prior = cc->cwnd;
    uint64_t cwnd = cc->cwnd, ssthresh = (uint64_t)e->flight_bytes * 7 / 10; /* 9438-4.6b */
    if (e->timeout) s->w_max = 0; /* 9438-4.8: that of the next stage's beginning */
    else s->w_max = (uint32_t)(cwnd < s->w_max ? cwnd * 17 / 20 : cwnd); /* 9438-4.7: (1 + beta) / 2 */
    cc->ssthresh = max_u32((uint32_t)ssthresh, 2 * e->mss);
}

/* 9438-4.9: the stage goes on where it was; the episode does not count to its time. */
static void cubic_on_undo(struct cc *cc, const struct cc_event *e)
{
    struct cubic *c = cc->state;
    c->now = c->undo;
    c->acked_at_us = e->now_us;
}

/* The path may be another by now. */
static void cubic_on_idle(struct cc *cc, const struct cc_event *e)
{
    struct cubic *c = cc->state;
    (void)e;
    c->now.begun = false;
    c->hystart = (struct hystart){0};
}

const struct cc_algorithm cc_cubic = {
    .name = "cubic",
    .state_bytes = sizeof(struct cubic),
    .on_ack = cubic_on_ack,
    .on_loss = cubic_on_loss,
    .on_undo = cubic_on_undo,
    .on_idle = cubic_on_idle,
};
