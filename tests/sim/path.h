/* Paths: a network as somebody may have it, what one connection carries over it, and what it should. */
#ifndef SIM_PATH_H
#define SIM_PATH_H

#include "sim.h"

enum path_loss { LOSS_RANDOM, LOSS_PERIODIC, LOSS_BURSTS };

struct path {
    char name[64];
    double rtt_ms, loss_pct, rate_mbit, queue_bdp;
    enum path_loss loss;
    bool reorder;   /* 1 % of packets, by a tenth of the round trip */
    bool bare; /* congestion control alone, as the response functions assume it: large buffers, and each
                  segment is acknowledged at once */
    const char *cc; /* as TCP_CONGESTION names it */
    uint64_t bytes; /* of the transfer */
    bool quick;     /* among those that `make test` runs */
};

struct path_result {
    bool run;
    uint64_t goodput_kbit, retransmitted, timeouts;
    double expected_kbit;
    char failure[200]; /* of an oracle; empty */
};

enum { PATHS_MAX = 1024, PATH_WIRE_BYTES = 1500, PATH_PAYLOAD_BYTES = 1448, PATH_MTU = 1500 };

/* All of them; how many. */
size_t path_list(struct path paths[PATHS_MAX]);
double path_queue_bytes(const struct path *p);
double path_loss_events(const struct path *p); /* a packet; a burst is one */
double path_late_ms(const struct path *p);     /* of a packet that is reordered: this share of them */
#define PATH_REORDER_SHARE 0.01
void path_run(const struct path *p, struct path_result *r, bool trace);

/* One bulk transfer over the path, from host 1. */
void path_setup(struct setup *s, struct plan *plan, const struct path *p);

/* What the congestion control's published behaviour gives over this path, from the client's connect
 * to the end of the stream, in kbit/s. See model.c for what is assumed. */
double model_kbit(const struct path *p);

/* Run them all, or the quick ones, in so many processes. TAP on standard output. The results must be
 * those of the file, and not below LEAST of the model; `update` writes the file anew. */
int paths_main(const char *file, bool quick, bool update, uint32_t jobs, const char *only,
               bool trace);

/* Flows of one bottleneck, against each other. TAP on standard output. */
int fair_main(void);

#endif
