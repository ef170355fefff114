/*
 * bench.h - the parts of the bench. The same servers and clients run over the kernel's stack and over
 * libmytcp; the ceiling is a responder on the bare device that does no TCP work.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "live/side.h"

#include <time.h>

#define BENCH_PORT 5001
#define BENCH_BULK_BYTES (256u * 1024)   /* one call's worth of bulk data */
#define BENCH_RATE_CLIENTS 32            /* connections in the making at once */
#define BENCH_RATE_BYTES 64

int bench_fail(const char *what);        /* with errno's text on stderr; returns 1 */

static inline double bench_now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* server.c: says "ready", then serves ROLE for ever (idle: until `count` connections have come) */
int bench_serve(struct side *s, const char *role, size_t count);

/* client.c: prints the result */
int bench_client(struct side *s, const char *role, const struct sockaddr_in *to, double seconds,
                 size_t size);
int bench_rate(struct side *s, const struct sockaddr_in *to, double seconds);
int bench_idle(struct side *s, const struct sockaddr_in *to, size_t count);

/* ceiling.c: answer on the device by formula; the role `dial` is a client */
int bench_ceiling(const char *device, const char *role, const struct sockaddr_in *self,
                  const struct sockaddr_in *to, double seconds);

#endif
