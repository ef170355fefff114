/*
 * The stack: many connections behind one address. What every file of this folder shares.
 *
 *   config.c     names, defaults, checks           stack.c     life and death, time, memory policy
 *   ip.c         packets in: IPv4, to whom?        icmp.c      ICMP in and out
 *   demux.c      segments in: to which connection? listen.c    half-open connections, SYN cookies
 *   send.c       packets out                       timewait.c  TIME-WAIT records
 *   conn.c       connections' upkeep after a verb  port.c      who has which port
 *   api*.c       the socket calls                  ready.c     poll, watch, wait
 *   sockopt.c    options                           control.c   fcntl and ioctl
 *   path.c       path MTUs by host                 reass.h, pmtu.h: closed mechanisms
 *   info.c       statistics, digest, checks        trace.c     segments seen
 */
#ifndef STACK_STACK_H
#define STACK_STACK_H

#include "mytcp.h"
#include "stack/pmtu.h"
#include "stack/reass.h"
#include "stack/tcp_info.h"
#include "tcp/isn.h"
#include "util/bucket.h"
#include "util/table.h"
#include "util/wheel.h"

/* ---- what stands in the connection table, by 4-tuple ---- */

enum node_kind { NODE_SOCK, NODE_HALF, NODE_TIME_WAIT };

struct node {
    struct table_node link;
    ip4_addr local, peer;
    uint16_t local_port, peer_port;
    uint8_t tos;       /* of what a record sends: the Diffserv field */
    uint8_t kind : 4;
    bool in_table : 1;
    bool queued : 1;   /* waits in the output queue */
    bool strict : 1;   /* holds its port without SO_REUSEADDR */
};

/* A node that has timers and may send by itself. */
struct active {
    struct node node;
    struct active *out_next, **out_prev;
    struct wheel_timer timer;
};

struct half {
    struct active active;
    struct half *next, **prev; /* among those of its listener */
    struct sock *listener;
    struct half_open rec;
};

struct tw {
    struct node node;
    struct tw *next, **prev; /* in order of expiry */
    uint32_t expires_us;     /* low bits */
    struct time_wait rec;
};

/* What only a listening socket has. */
struct listener {
    uint32_t backlog;
    uint32_t half_count, half_max;
    uint32_t accept_count;
    struct half *halves;
    struct sock *accept_head, *accept_tail;
    uint32_t defer_accept_s;
};

enum sock_flag {
    SOCK_NONBLOCKING = 1 << 0,
    SOCK_REUSE = 1 << 1,
    SOCK_BOUND = 1 << 2,      /* has a port reference */
    SOCK_BOUND_HARD = 1 << 3, /* ... by bind() */
    SOCK_PORT_GIVEN = 1 << 4, /* bind() named the port: it stays when the connection ends */
    SOCK_ADDR_GIVEN = 1 << 5, /* bind() named the address */
    SOCK_LINGER = 1 << 6,
    SOCK_ACCEPTING = 1 << 7,  /* waits in an accept queue */
    SOCK_STARVED = 1 << 8,    /* a send was refused for want of memory */
    SOCK_ON_READY = 1 << 9,
    SOCK_OOBINLINE = 1 << 10
};

/* What connect() knows, as Linux's socket layer does. */
enum sock_phase {
    PHASE_UNCONNECTED,
    PHASE_CONNECTING,   /* connect() was called, its outcome not yet told */
    PHASE_CONNECTED,    /* told, or accepted; it stays so when the connection has ended */
    PHASE_DISCONNECTING /* shut down after it had failed: good for nothing but AF_UNSPEC */
};

enum sock_shut { SHUT_FOR_READ = 1, SHUT_FOR_WRITE = 2, SHUT_FOR_BOTH = 3 };

struct sock {
    struct active active;
    int fd;                  /* -1: nobody has it */
    uint16_t flags;
    uint16_t linger_s;
    uint8_t error;           /* SO_ERROR, reported once */
    uint8_t pending;         /* events not yet looked at by mytcp_wait (edge-triggered) */
    uint8_t phase;           /* enum sock_phase */
    uint8_t shut;            /* enum sock_shut: by shutdown(); both when a connection has ended */
    uint32_t watch;
    struct sock *list_next, **list_prev; /* accept queue, or the starved (prev: those only) */
    struct sock *ready_next, **ready_prev;
    uint64_t watch_data;
    struct listener *listener;
    struct sock_cold *cold;  /* options that hardly anybody sets; NULL: their defaults */
    struct tcb tcb;
};

/* connect() was called, and neither has it succeeded nor failed. (Of passive opens there is no socket yet.) */
static inline bool sock_opening(const struct sock *k)
{
    return k->tcb.state == ST_SYN_SENT || k->tcb.state == ST_SYN_RCVD;
}

struct sock_cold {
    uint64_t rcvtimeo_us, sndtimeo_us; /* 0: none */
    uint32_t rcvlowat;
    uint32_t defer_accept_s;
};

/* ---- ports ---- */

struct port {
    struct table_node link;
    uint16_t number;
    uint32_t users;  /* sockets, half-open ones, TIME-WAITs */
    uint32_t strict; /* of them, without SO_REUSEADDR */
    uint32_t bound;  /* of them, by bind() */
    struct sock *listener;
};

/* ---- answers that need no connection ---- */

enum { REPLY_MAX = 256, PING_MAX = 16 };

struct reply_ring {
    struct tcp_segment *segment; /* REPLY_MAX of them */
    uint32_t head, count;
};

struct raw_packet { /* an ICMP message ready to go */
    struct raw_packet *next;
    uint32_t len, cap;
    uint8_t bytes[];
};

#define FD_INDEX_BITS 20
#define FD_BLOCK 1024
#define FD_BLOCKS (1 << FD_INDEX_BITS) / FD_BLOCK

struct fd_slot {
    struct sock *sock;
    uint32_t generation; /* 1..2047 */
    uint32_t next_free;  /* index + 1 */
};

struct trace_ring {
    struct mytcp_trace *entry;
    uint32_t cap, head, count;
    uint64_t lost;
};

/* Answers to who has no connection are limited by whose they are: a keyed choice by the /24. Were there
 * one limit for all, anybody could tell from his own answers how many others get (as SADDNS did). */
enum { LIMIT_BUCKETS = 128 };
struct limiter {
    struct bucket bucket[LIMIT_BUCKETS];
};

struct mytcp_stack {
    struct mytcp_config config;
    struct mytcp_driver driver;
    struct mem mem;
    struct tcp_env env;
    struct buf_pool bufs;
    struct sendq_pool chunks;
    ip4_addr addr;
    struct isn_keys keys;
    struct siphash_key hash_key;

    struct table conns, ports;
    struct wheel wheel;
    struct wheel_timer tw_timer, reass_timer;
    struct active *out_head, **out_tail;
    struct tw *tw_head, **tw_tail;
    uint64_t tw_head_us; /* when the first expires */
    uint32_t tw_count, half_count;

    struct fd_slot *fds[FD_BLOCKS];
    uint32_t fd_blocks, fd_used, fd_free_head, fd_free_tail;
    struct sock *ready_head, **ready_tail;
    struct sock *starved;
    struct wheel_timer starved_timer; /* runs when the allocator refused them, not the ceiling */

    struct buf *lent;
    struct reply_ring replies;
    struct raw_packet *raw_head, *raw_tail, *raw_sent;
    uint32_t raw_count;
    struct limiter icmp_limit, rst_limit, cookie_limit;
    uint64_t cookies_until_us; /* a cookie that was sent may come back until then */
    struct reass reass;
    struct pmtu pmtu;
    uint64_t connects; /* so far: for port selection */
    bool wake;         /* a call of one thread ended the wait of another */

    struct trace_ring trace;
    struct mytcp_stats stats;
    uint8_t tx_header[IP4_HEADER_LEN + TCP_HEADER_MAX];
};

/* ---- stack.c ---- */

/* Time never goes back. */
void stack_time(struct mytcp_stack *s, uint64_t now_us);
/* Around every socket call; leave turns a negative result into -1 and errno. */
void stack_enter(struct mytcp_stack *s);
ssize_t stack_leave(struct mytcp_stack *s, ssize_t result);
/* Let the driver work until something may have changed: 0, -EAGAIN without a driver or when the deadline
 * has passed, or the driver's error. */
int stack_block(struct mytcp_stack *s, uint64_t deadline_us);
/* -1 with errno set. */
int fail(int error);

/* ---- conn.c ---- */

static inline struct sock *sock_of(struct node *n) { return (struct sock *)n; }
static inline struct half *half_of(struct node *n) { return (struct half *)n; }
static inline struct tw *tw_of(struct node *n) { return (struct tw *)n; }

uint32_t node_hash(void *stack, const struct table_node *link);
struct node *node_find(struct mytcp_stack *s, ip4_addr local, uint16_t local_port, ip4_addr peer,
                       uint16_t peer_port);
void node_insert(struct mytcp_stack *s, struct node *n);
void node_remove(struct mytcp_stack *s, struct node *n);
static inline struct isn_tuple node_tuple(const struct node *n)
{
    return (struct isn_tuple){n->local, n->peer, n->local_port, n->peer_port};
}

/* An initial sequence number for its tuple; beyond that of its last incarnation, if that is known. */
seq_t node_isn(const struct mytcp_stack *s, const struct node *n, const seq_t *after_tw);

struct sock *sock_new(struct mytcp_stack *s);
/* Its rare options, made when first needed; NULL without memory. */
struct sock_cold *sock_cold(struct mytcp_stack *s, struct sock *k);
/* Is the next byte to be read the urgent one (api_io.c)? */
bool sock_at_mark(const struct sock *k);
/* In which directions nothing more comes or goes, FINs included. */
unsigned sock_shut(const struct sock *k);
/* The port, if it has one, is somebody else's. */
void sock_release_port(struct mytcp_stack *s, struct sock *k);
/* As new, but for its options and what bind() named; a connection is reset, a listener stopped. */
void sock_dissolve(struct mytcp_stack *s, struct sock *k);
/* Take everything away, at once and silently. */
void sock_free(struct mytcp_stack *s, struct sock *k);
/* After any verb ran on its TCB: table, timers, output queue, events. May free it. */
void sock_settle(struct mytcp_stack *s, struct sock *k);
/* Wait in the output queue, or no more. */
void active_enqueue(struct mytcp_stack *s, struct active *a);
void active_dequeue(struct mytcp_stack *s, struct active *a);
void active_arm(struct mytcp_stack *s, struct active *a, uint64_t deadline_us);
/* Those that were refused memory for sending may try again. */
void sock_feed_starved(struct mytcp_stack *s);

int fd_install(struct mytcp_stack *s, struct sock *k); /* the descriptor or -errno */
void fd_release(struct mytcp_stack *s, int fd);
struct sock *fd_sock(struct mytcp_stack *s, int fd);   /* NULL: EBADF */

/* ---- port.c ---- */

uint32_t port_hash(void *stack, const struct table_node *link);
struct port *port_find(struct mytcp_stack *s, uint16_t number);
/* One more user; false without memory. */
bool port_hold(struct mytcp_stack *s, uint16_t number, bool strict, bool bound);
/* One more user of a port that somebody has: that needs no memory. */
void port_join(struct mytcp_stack *s, uint16_t number, bool strict);
void port_drop(struct mytcp_stack *s, uint16_t number, bool strict, bool bound);
/* A port that nobody has, for bind(0): or 0. */
uint16_t port_pick_free(struct mytcp_stack *s);
/* A port whose tuple to this peer is free, or its TIME-WAIT outlived, for connect(): or 0. */
uint16_t port_pick_connect(struct mytcp_stack *s, ip4_addr peer, uint16_t peer_port);

/* ---- listen.c ---- */

enum drop_reason listen_input(struct mytcp_stack *s, struct sock *l, const struct tcp_segment *seg,
                              struct buf **owner, const seq_t *after_tw);
struct tcp_verdict half_input(struct mytcp_stack *s, struct half *h, const struct tcp_segment *seg,
                              struct buf **owner);
void half_timeout(struct mytcp_stack *s, struct half *h);
bool half_output(struct mytcp_stack *s, struct half *h, struct tcp_out *out);
void half_free(struct mytcp_stack *s, struct half *h);
/* listen() was called; and the listener goes away: everything that waits there is reset. */
int listen_start(struct mytcp_stack *s, struct sock *k, uint32_t backlog);
void listen_stop(struct mytcp_stack *s, struct sock *k);

/* ---- timewait.c ---- */

/* Make a record of a TCB in TIME-WAIT; without memory there is none. */
void tw_begin(struct mytcp_stack *s, struct sock *k);
enum drop_reason tw_input(struct mytcp_stack *s, struct tw *w, const struct tcp_segment *seg);
/* May connect() have its tuple? By RFC 6191's reasoning: with timestamps on both sides whatever the old
 * connection left in the network is older than all that a new one sends. */
bool tw_outlived(const struct mytcp_stack *s, const struct node *n);
void tw_free(struct mytcp_stack *s, struct tw *w);
void tw_expire(struct mytcp_stack *s);

/* ---- demux.c, ip.c, icmp.c, send.c ---- */

enum drop_reason tcp_demux(struct mytcp_stack *s, const struct tcp_segment *seg, struct buf **owner);
enum drop_reason icmp_input(struct mytcp_stack *s, const struct ip4_header *ip, uint8_t *packet);
void icmp_send_error(struct mytcp_stack *s, uint8_t type, uint8_t code, const uint8_t *packet,
                     const struct ip4_header *ip);
/* A reass_late of the stack. */
void icmp_late(void *stack, const uint8_t *packet, const struct ip4_header *ip);
/* Queue an answer from no connection; false if there is no room for it. */
bool reply_queue(struct mytcp_stack *s, const struct tcp_segment *seg);
/* May there be one more answer to this peer now? */
bool limit_allows(struct mytcp_stack *s, struct limiter *l, ip4_addr peer, uint32_t per_second);
enum drop_reason reply_rst(struct mytcp_stack *s, const struct tcp_segment *seg, enum drop_reason why);
/* The next segment of a node's own goes out that way (TIME-WAIT): false without room. */
bool reply_from(struct mytcp_stack *s, const struct node *n, const struct tcp_segment *seg);
struct raw_packet *raw_take(struct mytcp_stack *s);
void raw_free_all(struct mytcp_stack *s);

/* ---- path.c ---- */

/* A connection begins with what others know; and shares what it has found. */
void path_begin(struct mytcp_stack *s, struct sock *k);
void path_share(struct mytcp_stack *s, struct sock *k);

/* ---- ready.c ---- */

uint32_t sock_poll(const struct mytcp_stack *s, const struct sock *k);
void ready_add(struct mytcp_stack *s, struct sock *k);
void ready_remove(struct mytcp_stack *s, struct sock *k);
bool sock_writable(const struct mytcp_stack *s, const struct sock *k);

/* ---- info.c, trace.c ---- */

void sock_tcp_info(const struct mytcp_stack *s, const struct sock *k, union tcp_info_whole *info);
/* Of congestion control, as Linux numbers them. */
uint8_t sock_ca_state(const struct tcb *t);

struct trace_mark { /* the connection before and after */
    int before, after;
    seq_t iss, irs;
    bool known;
    uint8_t snd_wscale, rcv_wscale;
    uint8_t ca_state;
    uint32_t cwnd, ssthresh, srtt_us, in_flight, pacing_kBps;
    uint64_t delivery_Bps;
};
void trace_mark(struct trace_mark *m, const struct node *n);
void trace_add(struct mytcp_stack *s, bool out, const struct tcp_segment *seg, const struct trace_mark *m,
               bool retransmission, enum drop_reason drop);

/* ---- config.c ---- */

int config_check(const struct mytcp_config *c); /* 0 or an errno */
void config_params(struct tcp_params *p, const struct mytcp_config *c);
void config_options(struct tcp_options *o, const struct mytcp_config *c);

#endif
