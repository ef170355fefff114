/* mytcp-echo: what its parts share. One thread, one loop over mytcp_wait(). */
#ifndef ECHO_SERVER_H
#define ECHO_SERVER_H

#include <signal.h>

#include "mytcp_tun.h"

struct server;
struct conn;
struct lose;

/*
 * A service is a function that does what can be done now on one connection, and returns what it
 * waits for next: POLLIN, POLLOUT or both; STEP_CLOSE when the connection is finished (or broken).
 */
enum { STEP_CLOSE = 0 };

struct service {
    const char *name;
    uint16_t port;
    size_t conn_size;      /* of its struct that begins with a struct conn */
    uint32_t idle_limit_s; /* closed when nothing moved for so long; 0: no limit */
    uint32_t (*step)(struct conn *conn);
};

struct conn {
    struct conn *next, **link; /* in server.conns */
    struct server *server;
    mytcp_stack *stack;
    const struct service *service;
    int fd;
    uint32_t waits_for;
    uint64_t active_us;
    uint64_t position; /* in the pattern that is sent; in drain_step, the bytes thrown away */
    bool in_ended;     /* the peer has closed its direction */
};

enum { SERVICES = 5 };

/* Bytes that repeat: byte i of the stream is bytes[i % period]. */
struct pattern {
    uint8_t *bytes;
    size_t period;
};

/* The first sequence numbers of a connection, [1] ours and [0] the peer's, for trace.c. */
struct trace_conn {
    struct in_addr peer;
    uint16_t peer_port, local_port;
    bool known[2];
    uint32_t isn[2];
};

enum { TRACE_CONNS = 64 };

struct server {
    mytcp_tun *tun;
    mytcp_stack *stack;
    struct lose *lose;
    bool trace;
    unsigned trace_next;
    struct trace_conn trace_conns[TRACE_CONNS]; /* the latest ones */
    int listeners[SERVICES];
    bool accept_paused;
    uint64_t swept_us;
    struct conn *conns;
    struct pattern chargen, numbers;
};

/* Listen on every service's port. 0, or -1 after a message on stderr. */
int server_start(struct server *server);
/* Serve until *stop. Returns 0, or -1 after a message when the device is gone. */
int server_run(struct server *server, const volatile sig_atomic_t *stop);
void server_end(struct server *server);

/* trace.c: print what has been traced since the last call. */
void trace_print(struct server *server);

/* ---- for services (services.c) */

enum { SERVE_IOV = 16, SERVE_BYTES = 1 << 20 /* that one step moves at most */ };

/* How many of iov[] the first `bytes` cover. */
int iov_used(const struct iovec *iov, int count, size_t bytes);

/* Queue up to `want` bytes of the pattern at conn->position, which moves on. Returns the number, 0
 * when the send queue is full, -1 when the connection is broken. */
ssize_t send_pattern(struct conn *conn, const struct pattern *pattern, uint64_t want);

/* Throw away what has arrived. Returns whether the connection is still whole; notes its end in
 * in_ended. */
bool discard_input(struct conn *conn);

/* The polite close: our FIN, then throw input away until the peer's, lest unread bytes turn our
 * close into a reset that overtakes the answer. Call it as the step from then on. */
uint32_t drain_step(struct conn *conn);

uint32_t echo_step(struct conn *conn);
uint32_t discard_step(struct conn *conn);
uint32_t daytime_step(struct conn *conn);
uint32_t chargen_step(struct conn *conn);

#endif
