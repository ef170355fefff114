#include "tcp/rate.h"

#include "util/bytes.h"

static uint32_t since(uint64_t then_us, uint64_t now_us) { return (uint32_t)min_u64(now_us - then_us, UINT32_MAX); }

void rate_sent(struct rate *r, struct rate_mark *m, const struct rate_now *now, uint32_t len)
{
    if (!now->pipe) r->first_sent_us = r->delivered_us = now->now_us;
    *m = (struct rate_mark){.delivered = (uint32_t)now->delivered,
                            .lost = r->lost,
                            .flight = now->pipe + len,
                            .send_us = since(r->first_sent_us, now->now_us),
                            .ack_us = since(r->delivered_us, now->now_us),
                            .app_limited = r->app_limited != 0};
}

void rate_arrived(struct rate *r, const struct rate_mark *m, uint64_t sent_us, seq_t end)
{
    bool newest = sent_us > r->first_sent_us || (sent_us == r->first_sent_us && seq_gt(end, r->end));
    if (r->any && !newest) return;
    r->any = true;
    r->newest = *m;
    r->first_sent_us = sent_us;
    r->end = end;
}

/* What a mark says when so much is delivered. */
static struct rate_sample sample(const struct rate *r, const struct rate_mark *m, uint64_t delivered)
{
    int32_t more = (int32_t)((uint32_t)delivered - m->delivered); /* less: the peer has reneged */
    uint32_t since_then = more > 0 ? (uint32_t)more : 0;
    return (struct rate_sample){.prior = delivered - since_then,
                                .delivered = since_then,
                                .flight = m->flight,
                                .lost = r->lost - m->lost,
                                .any = true,
                                .app_limited = m->app_limited};
}

struct rate_sample rate_take(struct rate *r, uint64_t delivered, uint64_t now_us, uint32_t min_rtt_us)
{
    r->delivered_us = now_us;
    if (r->app_limited && delivered > r->app_limited) r->app_limited = 0;
    if (!r->any) return (struct rate_sample){0};
    struct rate_sample s = sample(r, &r->newest, delivered);
    uint64_t ack_us = now_us - r->first_sent_us + r->newest.ack_us;
    uint64_t interval_us = max_u64(ack_us, r->newest.send_us);
    if (interval_us && interval_us >= min_rtt_us) s.rate_Bps = s.delivered * 1000000ull / interval_us;
    r->any = false;
    return s;
}

void rate_lost(struct rate *r, const struct rate_mark *m, uint32_t bytes)
{
    struct rate_sample *w = &r->worst;
    r->lost += bytes;
    uint32_t lost = r->lost - m->lost;
    if (w->any && (uint64_t)lost * w->flight <= (uint64_t)w->lost * m->flight) return;
    *w = (struct rate_sample){
        .flight = m->flight, .lost = lost, .size = bytes, .any = true, .app_limited = m->app_limited};
}

struct rate_sample rate_loss(struct rate *r)
{
    struct rate_sample s = r->worst;
    r->worst.any = false;
    return s;
}

void rate_ran_dry(struct rate *r, uint64_t delivered, uint32_t pipe)
{
    r->app_limited = max_u64(delivered + pipe, 1);
}
