/* --trace: a line for each segment, in the order in which they passed. */
#include <stdio.h>

#include "lose.h"
#include "server.h"

static struct trace_conn *conn_of(struct server *server, const struct mytcp_trace *trace)
{
    for (unsigned i = 0; i < TRACE_CONNS; i++) {
        struct trace_conn *conn = &server->trace_conns[i];
        if (conn->peer.s_addr == trace->peer.s_addr && conn->peer_port == trace->peer_port &&
            conn->local_port == trace->local_port)
            return conn;
    }
    struct trace_conn *conn = &server->trace_conns[server->trace_next++ % TRACE_CONNS];
    *conn = (struct trace_conn){trace->peer, trace->peer_port, trace->local_port, {0}, {0}};
    return conn;
}

/* The stack's small records, as of TIME-WAIT, know the first sequence numbers no more; we do. */
static void make_relative(struct server *server, struct mytcp_trace *trace)
{
    struct trace_conn *conn = conn_of(server, trace);
    if (trace->flags & TH_SYN) {
        conn->known[trace->out] = true;
        conn->isn[trace->out] = trace->seq;
    }
    if (conn->known[trace->out])
        trace->seq_rel = trace->seq - conn->isn[trace->out];
    if (conn->known[!trace->out] && (trace->flags & TH_ACK))
        trace->ack_rel = trace->ack - conn->isn[!trace->out];
}

static void print_line(struct server *server, struct mytcp_trace *trace, bool lost)
{
    char line[512];
    make_relative(server, trace);
    mytcp_trace_format(trace, line, sizeof line);
    printf("%s%s\n", line, lost ? "  (lost)" : "");
}

/* A segment that the stack never saw has its line made here; its states are not known. */
static void print_lost(struct server *server, const struct lost *lost)
{
    struct mytcp_trace trace = {
        .time_us = mytcp_tun_now_us(),
        .out = lost->out,
        .peer = lost->peer,
        .peer_port = lost->peer_port,
        .local_port = lost->local_port,
        .flags = lost->flags,
        .seq = lost->seq,
        .ack = lost->ack,
        .seq_rel = lost->seq,
        .ack_rel = lost->ack,
        .len_bytes = lost->len_bytes,
        .wscale = -1,
    };
    print_line(server, &trace, true);
}

static bool same(const struct lost *lost, const struct mytcp_trace *trace)
{
    return trace->out && lost->out && lost->peer.s_addr == trace->peer.s_addr &&
           lost->peer_port == trace->peer_port && lost->local_port == trace->local_port &&
           lost->seq == trace->seq && lost->ack == trace->ack && lost->flags == trace->flags &&
           lost->len_bytes == trace->len_bytes;
}

void trace_print(struct server *server)
{
    struct mytcp_trace trace;
    uint64_t missed = 0;
    const struct lost *lost;

    while (mytcp_trace_read(server->stack, &trace, &missed) == 1) {
        if (missed)
            printf("... %llu segments not shown ...\n", (unsigned long long)missed);
        while ((lost = lose_tell(server->lose)) != NULL && !lost->out) {
            print_lost(server, lost);
            lose_told(server->lose);
        }
        bool is_lost = lost && same(lost, &trace);
        print_line(server, &trace, is_lost);
        if (is_lost)
            lose_told(server->lose);
    }
    while ((lost = lose_tell(server->lose)) != NULL) {
        print_lost(server, lost);
        lose_told(server->lose);
    }
    fflush(stdout);
}
