/* A token bucket: `burst` events at once, `per_second` in the long run. All-zero is a full one. */
#ifndef UTIL_BUCKET_H
#define UTIL_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct bucket {
    uint64_t last_us;
    uint64_t spent_micro; /* millionths of a token, so that refilling rounds nothing away */
};

#define BUCKET_TOKEN UINT64_C(1000000)

/*
 * May one more event happen now? Rate and burst may differ from call to call, and be 0. A clock that
 * went backwards refills nothing and counts on from there.
 */
static inline bool bucket_take(struct bucket *b, uint64_t now_us, uint32_t per_second,
                               uint32_t burst)
{
    uint64_t elapsed_us = now_us > b->last_us ? now_us - b->last_us : 0;
    b->last_us = now_us;
    if (per_second != 0 && elapsed_us > b->spent_micro / per_second)
        b->spent_micro = 0;
    else
        b->spent_micro -= elapsed_us * per_second; /* no more than was spent, by the test above */
    if (b->spent_micro + BUCKET_TOKEN > burst * BUCKET_TOKEN)
        return false;
    b->spent_micro += BUCKET_TOKEN;
    return true;
}

#endif
