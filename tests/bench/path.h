/* path.h - the parts of `make bench-paths`: one sender of responses, over either stack, and clients
 * that time what arrives. paths.sh puts them at the two ends of a mytcp-link. */
#ifndef BENCH_PATH_H
#define BENCH_PATH_H

#include "bench/bench.h"

/* If the side's device is called unix:PATH, join the mytcp-link there. 0, or -1 with errno. */
int path_join(struct side_options *options);

/* Serve for ever: a connection asks with 8 bytes, in network order, for so many and gets them. `cc`
 * is the congestion control of its connections, NULL what they have anyway. (A network namespace
 * may not make each one its default; a socket of root's may have any.) */
int path_serve(struct side *s, const char *cc);

/* Ask for bytes without end; print the Mbit/s that arrived in `seconds` after the request. */
int path_bulk(struct side *s, const struct sockaddr_in *to, double seconds, double warm_s);

/* Ask for `count` responses of so many bytes, each on a connection of its own, one every
 * `interval_s` whatever becomes of the others; print for each the ms from the request to its last
 * byte. */
int path_responses(struct side *s, const struct sockaddr_in *to, size_t count, uint64_t bytes,
                   double interval_s);

#endif
