/* --trace: a line for each segment, in the order in which they passed. */
#include <stdio.h>

#include "lose.h"
#include "server.h"

static void print_line(const struct mytcp_trace *trace, bool lost)
{
    char line[512];
    mytcp_trace_format(trace, line, sizeof line);
    printf("%s%s\n", line, lost ? "  (lost)" : "");
}

/* A segment that the stack never saw has its line made here; its states are not known. */
static void print_lost(const struct lost *lost)
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
        .seq_rel = lost->seq_rel,
        .ack_rel = lost->ack_rel,
        .len_bytes = lost->len_bytes,
        .wscale = -1,
    };
    print_line(&trace, true);
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
            print_lost(lost);
            lose_told(server->lose);
        }
        bool is_lost = lost && same(lost, &trace);
        print_line(&trace, is_lost);
        if (is_lost)
            lose_told(server->lose);
    }
    while ((lost = lose_tell(server->lose)) != NULL) {
        print_lost(lost);
        lose_told(server->lose);
    }
    fflush(stdout);
}
