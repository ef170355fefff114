/*
 * The simulator: two stacks, a faulty network between them and applications above them, all driven
 * by one seed in virtual time. The same seed gives the same run, packet for packet.
 *
 *   rng       random numbers          packet    packets, without the stack's code
 *   event     what happens when       link      the network and its faults
 *   watch     every packet that a stack sends is legal
 *   app       what the applications do, and that they receive what was sent
 *   check     the oracles that look at a stack from outside
 *   world     one run                 scenario  the classes of runs
 *   plan      what each application will do     main      the command line
 *   scarce    every allocation fails
 *
 * The first oracle that is not content stops the run (sim_fail).
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "less.h"
#include "mytcp.h"
#include "packet.h"
#include "rng.h"

enum {
    HOSTS = 2,
    PHASES_MAX = 16,
    SERVER_PORT = 7000,
    CHAINS = 3, /* of connections that follow each other on one port */
    SCRATCH_BYTES = 65536,
    FLOW_BUCKETS = 256,
    NAME_BUCKETS = 1 << 15,
    MS = 1000,
    SECOND = 1000000
};

struct world;

/* ------------------------------------------------------------------ events ------------------- */

enum event_kind { EVENT_PACKET, EVENT_START, EVENT_WAKE, EVENT_PHASE, EVENT_FLOOD };

struct event {
    uint64_t time_us, order;
    void *what;     /* the packet; the endpoint, or NULL for the acceptor */
    enum event_kind kind;
    uint32_t index; /* host, connection or phase */
};

struct events {
    struct event *heap;
    size_t count, cap;
    uint64_t order;
};

void events_add(struct events *q, uint64_t time_us, enum event_kind kind, uint32_t index,
                void *what);
uint64_t events_next(const struct events *q); /* MYTCP_NEVER_US if there is none */
struct event events_take(struct events *q);
void events_free(struct events *q);

/* ------------------------------------------------------------------ the plan of a run -------- */

/* What the network does in one direction. Chances are in parts per million of packets. */
struct faults {
    uint32_t delay_us, jitter_us;     /* at least 1; jitter is added, in order */
    uint32_t reorder_ppm, reorder_us; /* some packets are late by up to this much */
    uint32_t loss_ppm;
    uint32_t loss_every;              /* and each so manieth packet; 0: none */
    uint32_t spared;                  /* the first packets, which are not lost */
    uint32_t burst_ppm, burst_len;    /* start of a burst of losses, and its length at most */
    uint32_t dup_ppm, corrupt_ppm;
    uint32_t mark_ppm;                /* of ECN-capable packets: marked in place of a loss */
    uint64_t rate_bytes_per_s;        /* 0: no limit */
    uint32_t queue_bytes;             /* of the rate limit */
    uint32_t mtu;                     /* 0: no limit */
    bool silent;                      /* about packets above mtu: they are lost without a word */
    uint32_t batch_us;                /* arrivals come in batches this far apart; 0: singly */
    bool cut;                         /* partition: everything is lost */
};

/* At a time, the network (both ways) or a host changes. */
enum phase_kind { PHASE_CUT, PHASE_HEAL, PHASE_LINK_MTU, PHASE_HOST_MTU,
                  PHASE_MARK, /* remember what each endpoint has received */
                  PHASE_STOP  /* the run ends, whatever is open */
};

struct phase {
    uint64_t time_us;
    enum phase_kind kind;
    uint32_t value, host;
};

/* How an endpoint ends its connection. */
enum ending {
    END_SHUT,  /* shutdown after the last byte, read to the end, close */
    END_CLOSE, /* close after the last byte, if nothing is to come; else as END_SHUT */
    END_RUDE,  /* close in the middle, whatever is unread */
    END_ABORT  /* reset in the middle */
};

enum { POLICY_WATCH, POLICY_EDGE, POLICY_POLL }; /* how an endpoint learns that it may go on */

struct habits {
    uint32_t read_max, write_max; /* bytes of one call */
    uint32_t burst;               /* calls before packets may go */
    uint32_t pause_us, pauses;    /* the reader sleeps up to this long, this often */
    uint32_t zero_copy_ppm, message_ppm, peek_ppm, oob_ppm, toggle_ppm, truncate_ppm;
    uint32_t echo_room;           /* an echo stops reading when it owes this much */
    uint32_t rcvbuf, sndbuf;      /* 0: the default */
    uint32_t maxseg, clamp, lowat;
    bool nodelay, cork, quickack, reno, keepalive;
    int policy;
    enum ending ending;
    uint64_t end_after;           /* END_RUDE, END_ABORT: after this many bytes sent and received */
    bool lazy;                    /* shuts down only after the other side did */
};

struct plan {
    uint32_t client; /* host */
    uint16_t client_port; /* 0: the stack picks */
    uint64_t start_us;
    uint64_t bytes[2]; /* sent by client, server */
    bool echo;         /* the server sends what it receives */
    bool simultaneous; /* both connect */
    bool absent;       /* taken out of a reduced run */
    bool chained;      /* starts when the one before on its port has ended */
    struct habits habits[2];
};

struct setup {
    uint64_t seed;
    uint32_t conns;
    struct mytcp_config config[HOSTS]; /* all but address, entropy and allocator */
    struct faults faults;              /* both ways; differ in their random stream only */
    struct phase phases[PHASES_MAX];
    uint32_t phase_count;
    uint64_t calm_us;   /* faults stop here */
    uint64_t grace_us;  /* then all is over within this */
    bool local;         /* super-segments pass whole */
    bool cookies;       /* a stray connection may be conjured up by a replayed cookie */
    bool fragile;       /* connections may fail with an error */
    bool wrap;          /* sequence numbers of the first connection wrap early */
    uint32_t alloc_fail_ppm;
    uint64_t alloc_fail_from; /* this allocation fails, of those of both hosts; 0: none */
    uint64_t alloc_fail_us;   /* and those after it for so long */
    bool scarce;              /* fragile, but only for want of memory */
    uint32_t flood_us;  /* a spoofed SYN to host 1 each so often; 0: none */
    uint64_t bytes_max; /* of one direction of one connection */
    uint64_t spread_us; /* connections start within this time */
    uint32_t rude_ppm;  /* ends END_RUDE or END_ABORT */
    uint32_t slow_ppm;  /* slow readers */
    uint32_t small_ppm; /* small buffers */
    bool echo_only, simultaneous, chained, tiny_reads;
    bool trace, journal;
    const struct plan *plans; /* NULL: drawn from all of the above */
    const struct less *less;  /* what is taken out; NULL: nothing */
    uint32_t write_num, write_den; /* calls that write are so many times as long; 0: as planned */
    bool swapped;             /* clients where servers were planned, and servers where clients were */
    uint32_t planted;         /* not 0: an oracle is not content when the same data goes so often */
    bool planted_memory;      /* one sees now and then for which connection three allocations failed */
    uint32_t check_every;     /* turns between thorough checks; 0: often */
};

/* ------------------------------------------------------------------ the run ------------------ */

struct link {
    struct faults faults;
    uint64_t seed, packets;    /* of its misfortunes; how many it was given */
    uint64_t free_ns, last_us; /* the wire is free; the last arrival in order */
    uint32_t burst_left;
};

/* What one host's packets of one connection showed. */
struct flow {
    struct flow *next;
    uint32_t host;
    uint16_t lport, rport;
    bool syn_seen, data_seen, edge_known, peer_fin_acked, peer_gone, fin_seen, scaled, ts, peer_ts;
    int8_t wscale;
    uint16_t mss, syn_window;
    uint32_t iss, ack, edge, fin_seq, seq_max;
    uint32_t ts_first; /* the SYN's timestamp */
    struct endpoint *endpoint;
};

struct memory {
    struct world *world;
    struct rng rng;
    uint64_t bytes, blocks;
    uint32_t fail_ppm;
    uint32_t number; /* HOSTS + the host's: of its allocations among the misfortunes */
};

struct host {
    struct world *world;
    uint32_t index;
    mytcp_stack *stack;
    struct mytcp_config config;
    struct memory memory;
    uint64_t clock_us;   /* its clock is ahead of virtual time by this */
    uint32_t mtu;
    int listener;
    uint64_t accept_at_us;
    struct rng rng;
    struct endpoint **run; /* endpoints with something to do */
    uint32_t run_count, run_cap;
    struct endpoint *polling; /* endpoints that ask by mytcp_poll */
    uint64_t baseline_bytes;  /* held when nothing has happened yet */
    uint64_t uncounted_bytes; /* held, but not in its statistics */
};

enum endpoint_state { EP_UNBORN, EP_CONNECTING, EP_OPEN, EP_DONE };

struct endpoint {
    struct conn *conn;
    uint32_t side; /* 0 client, 1 server */
    struct host *host;
    struct habits *habits;
    struct rng rng;
    int fd;
    enum endpoint_state state;
    uint64_t key; /* of the bytes it sends */
    uint64_t total, sent, received;
    uint64_t read_at_us, write_at_us; /* sleeps until then */
    bool eof, shut, corked, closed, aborted;
    bool can_read, can_write, told_read, told_write, queued;
    uint32_t watching, pauses;
    int error;
    uint64_t eof_us, marked;
    struct endpoint *next_polling;
};

struct conn {
    struct world *world;
    uint32_t index;
    struct plan *plan;
    uint16_t port[2]; /* of client, server; host order */
    uint32_t birth;   /* the how manieth connect() it was; 0: not yet */
    uint32_t failures; /* allocations that failed while it was served */
    bool over;
    struct endpoint end[2];
};

struct world {
    const struct setup *setup;
    uint64_t now_us, limit_us, calm_us;
    struct events events;
    struct link link[HOSTS]; /* from host i */
    struct host host[HOSTS];
    struct plan *plans;
    struct conn *conns;
    uint32_t births, over;   /* connections that have begun, and ended */
    struct flow *flows[FLOW_BUCKETS];
    uint16_t named[NAME_BUCKETS]; /* packets and allocations by the hash of their name */
    uint32_t serving;        /* 1 + the connection whose packet or call is under way; 0: none */
    struct rng rng, flood_rng;
    uint64_t hash;           /* of every packet and its time */
    uint64_t shape;          /* the same, numbers and timestamps counted from their connection's first */
    uint64_t packets, wire_packets, steps, strays;
    uint64_t digest;         /* of both stacks along the way */
    uint32_t iss[HOSTS];     /* of the first connection */
    uint64_t finished_us;    /* when the last connection ended */
    bool memory_short;       /* allocation may fail now */
    uint64_t allocs, scarce_until_us; /* of both hosts, once these are made */
    bool trace, failed, stopped;
    char failure[600];
    const char *failure_kind; /* its format: the same for failures of the same kind */
    struct misfortune fired[FIRED_MAX];
    uint32_t fired_count;
    bool journal;             /* tell what happens, for people */
    uint32_t happened, alike; /* events; and calls after the last that count with it */
    uint64_t last_happened;
    uint8_t scratch[SCRATCH_BYTES], expected[SCRATCH_BYTES];
};

/* Record what is wrong; the run ends. Only the first counts. */
void sim_fail(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_note(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* An event of the journal: a call or a misfortune. Those in a row with the same `same`,
 * not 0, count as one: data that moves on a connection. */
void sim_happened(struct world *w, uint64_t same, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Does a misfortune befall m->what? In a run by a list: what that says, and *m is then that. */
bool sim_misfortune(struct world *w, struct misfortune *m);

/* memory: for a stack's configuration; ctx is its struct memory. */
void *memory_alloc(void *ctx, size_t size);
void memory_release(void *ctx, void *p, size_t size);

uint32_t host_address(uint32_t index); /* network order */
uint64_t host_now(const struct host *h);
struct host *host_peer(const struct host *h);
struct endpoint *endpoint_peer(const struct endpoint *ep);

/* link: a stack sent p, which is taken over. */
void link_send(struct world *w, uint32_t from, struct packet *p);
void link_flood(struct world *w); /* one spoofed SYN */

void sim_hash(uint64_t *hash, const void *data, size_t len);

/* watch: look at a packet that a stack sends. */
void watch_packet(struct host *h, const struct packet *p, const struct mytcp_tx *tx);
void watch_free(struct world *w);
/* 1 + the connection that a packet for host `to` is for; 0: none. */
uint32_t watch_conn(struct world *w, uint32_t to, const struct packet *p);
/* A packet that h sends by what it is, so that a run with less has it too: whose it is, where it stands
 * in its stream, and the how manieth such it is (*times). */
uint64_t watch_name(struct host *h, const struct packet *p, uint32_t *times);

/* pattern: the bytes of a stream are a function of its key and their offset. */
void pattern_fill(uint64_t key, uint64_t offset, uint8_t *out, size_t len);
/* `len` if all are right, else the index of the first wrong one */
size_t pattern_check(struct world *w, uint64_t key, uint64_t offset, const uint8_t *data,
                     size_t len);

/* app */
/* The side of the latest connection that sends from this host's port to that one; or NULL. */
struct endpoint *app_find(struct world *w, uint32_t host, uint16_t lport, uint16_t rport);
void app_start(struct conn *c);                   /* time to connect */
void app_wake(struct host *h, struct endpoint *ep); /* a sleep is over; NULL: of the acceptor */
bool app_run(struct host *h);                     /* true if anything was done */
void app_listen(struct host *h);
void app_unlisten(struct host *h);
void io_read(struct endpoint *ep);                /* one call of the receiving kind */
void io_write(struct endpoint *ep, uint64_t limit); /* one call of the sending kind, up to limit */
void io_error(struct endpoint *ep, const char *call, int error);
void io_close(struct endpoint *ep);
bool conn_strict(const struct conn *c);           /* must end without an error */

/* check: the oracles that look at a stack from outside */
void check_baseline(struct host *h);             /* before anything happens */
void check_stack(struct host *h, bool thorough); /* the ceiling; thorough: every invariant */
void check_stuck(struct world *w);               /* nothing happens any more: say where */
void check_end(struct host *h);                  /* after everything: nothing is left */

/* world */
bool world_run(struct world *w, const struct setup *setup, const uint64_t clock_us[HOSTS]);
void world_free(struct world *w);

/* scenario */
struct scenario {
    const char *name, *sentence;
    uint32_t worlds; /* in the default run */
    void (*make)(struct setup *s, struct rng *r);
};
extern const struct scenario scenarios[];
extern const size_t scenario_count;
enum { PLANTED = 3 };
extern const struct scenario scenarios_planted[PLANTED]; /* fail, for the tests of the reduction */
void scenario_setup(const struct scenario *scenario, uint64_t seed, struct setup *s);
/* The plan of every connection of a run; freed with free(). */
struct plan *scenario_plans(const struct setup *s);

#endif
