#include "tcp/hystart.h"

#include "util/bytes.h"

/* RFC 9406 4.3 */
enum {
    RTT_THRESH_MIN_US = 4000,
    RTT_THRESH_MAX_US = 16000,
    RTT_DIVISOR = 8,
    RTT_SAMPLES = 8,
    CSS_GROWTH_DIVISOR = 4, /* 9406-8: at least 2 */
    CSS_ROUNDS = 5,
    /* L. RFC 9406 4.3 says 8 for who does not pace. A peer that coalesces answers a super-segment by one ACK
     * for all its 45 segments; 8 of them would make slow start three times as long. */
    UNPACED_SEGMENTS = 64
};

/* 9406-1: what was SND.NXT at its beginning ends a round. */
static void next_round(struct hystart *h, const struct cc_event *e)
{
    h->round_end = e->nxt_bytes;
    h->last_min_rtt_us = h->min_rtt_us;
    h->min_rtt_us = 0;
    h->samples = 0;
    if (h->baseline_us) h->css_rounds++;
}

/* 9406-2, 9406-4. Pacing smooths the burst that an ACK of many segments lets go. */
static uint32_t growth(const struct hystart *h, const struct cc *cc, const struct cc_event *e)
{
    uint32_t bytes = e->acked_bytes;
    if (!cc->pacing_kBps) bytes = min_u32(bytes, UNPACED_SEGMENTS * e->mss);
    return h->baseline_us ? bytes / CSS_GROWTH_DIVISOR : bytes;
}

static void sample(struct hystart *h, uint32_t rtt_us)
{
    if (!h->min_rtt_us || rtt_us < h->min_rtt_us) h->min_rtt_us = rtt_us;
    if (h->samples < RTT_SAMPLES) h->samples++;
    if (h->samples < RTT_SAMPLES) return;
    if (h->baseline_us) { /* 9406-5: was the rise none? */
        if (h->min_rtt_us < h->baseline_us) h->baseline_us = 0;
        return;
    }
    if (!h->last_min_rtt_us) return;
    uint32_t thresh_us = min_u32(h->last_min_rtt_us / RTT_DIVISOR, RTT_THRESH_MAX_US);
    thresh_us = max_u32(thresh_us, RTT_THRESH_MIN_US);
    if (h->min_rtt_us >= h->last_min_rtt_us + thresh_us) { /* 9406-3 */
        h->baseline_us = h->min_rtt_us;
        h->css_rounds = 0;
    }
}

void hystart_on_ack(struct hystart *h, struct cc *cc, const struct cc_event *e)
{
    if (e->una_bytes >= h->round_end) next_round(h, e);
    if (h->baseline_us && h->css_rounds >= CSS_ROUNDS) { /* 9406-6: the round it began in counts */
        cc->ssthresh = cc->cwnd;
        return;
    }
    if (e->limited) cc->cwnd = min_u32(cc->cwnd + growth(h, cc, e), CC_CWND_MAX);
    if (e->rtt_us) sample(h, e->rtt_us);
}
