/* For the tests of congestion control: a flow that always has data to send. */
#ifndef UNIT_CC_FLOW_H
#define UNIT_CC_FLOW_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tcp/cc.h"

enum { MSS = 1000, SECOND = 1000000 };

struct flow {
    struct mem mem;
    struct cc cc;
    uint64_t now_us, una;
    uint32_t rtt_us, mss;
    bool idle_app;
};

static inline void begin(struct flow *f, const struct cc_algorithm *algorithm, uint32_t segments,
                         uint32_t rtt_us)
{
    *f = (struct flow){.now_us = 5 * SECOND, .rtt_us = rtt_us, .mss = MSS};
    mem_init(&f->mem, NULL, NULL, NULL, 1 << 20);
    cc_init(&f->cc, algorithm);
    f->cc.cwnd = segments * MSS;
}

static inline void end(struct flow *f)
{
    cc_free(&f->cc, &f->mem);
    assert_int_equal(f->mem.used, 0);
}

static inline struct cc_event event(struct flow *f)
{
    return (struct cc_event){.now_us = f->now_us,
                             .mem = &f->mem,
                             .mss = f->mss,
                             .flight_bytes = f->cc.cwnd,
                             .una_bytes = f->una,
                             .nxt_bytes = f->una + f->cc.cwnd,
                             .rtt_us = f->rtt_us,
                             .srtt_us = f->rtt_us,
                             .limited = !f->idle_app};
}

static inline void ack(struct flow *f, uint32_t bytes)
{
    uint32_t before = f->cc.cwnd;
    f->una += bytes;
    struct cc_event e = event(f);
    e.acked_bytes = e.delivered_bytes = bytes;
    cc_on_ack(&f->cc, &e);
    assert_true(f->cc.cwnd >= before); /* G109 */
    assert_true(f->cc.cwnd <= CC_CWND_MAX);
}

static inline void lose(struct flow *f)
{
    struct cc_event e = event(f);
    cc_on_loss(&f->cc, &e);
}

static inline void time_out(struct flow *f, bool again)
{
    struct cc_event e = event(f);
    cc_on_rto(&f->cc, &e, again);
}

/* A window in ACKs of two segments, evenly over a round trip. */
static inline void round_trip(struct flow *f)
{
    uint32_t window = f->cc.cwnd, step = 2 * f->mss;
    uint64_t start_us = f->now_us;
    for (uint32_t done = 0; done < window; done += step) {
        if (step > window - done) step = window - done;
        f->now_us = start_us + (uint64_t)f->rtt_us * (done + step) / window;
        ack(f, step);
    }
}

static inline void run_until(struct flow *f, uint64_t us)
{
    while (f->now_us < us) round_trip(f);
}

static inline void assert_near(double is, double should, double percent)
{
    double off = is > should ? is - should : should - is;
    if (off > should * percent / 100) fail_msg("%f should be %f", is, should);
}

static inline double segments(const struct flow *f) { return (double)f->cc.cwnd / MSS; }

#endif
