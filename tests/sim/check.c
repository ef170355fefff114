/* The oracles that look at a stack from outside. */
#include <string.h>

#include "sim.h"

enum { CACHES_BYTES = 7 * 1024 * 1024 /* what a stack may keep warm when nothing is left */ };

void check_baseline(struct host *h)
{
    struct mytcp_stats stats;
    mytcp_stats_get(h->stack, &stats);
    h->baseline_bytes = h->memory.bytes;
    h->uncounted_bytes = h->memory.bytes - stats.memory_bytes;
}

void check_stack(struct host *h, bool thorough)
{
    struct world *w = h->world;
    if (h->memory.bytes > h->config.memory_limit_bytes) {
        sim_fail(w, "host %u: %llu bytes held, %llu allowed", h->index,
                 (unsigned long long)h->memory.bytes,
                 (unsigned long long)h->config.memory_limit_bytes);
    }
    if (!thorough || w->failed) {
        return;
    }
    const char *broken = mytcp_check(h->stack);
    struct mytcp_stats stats;
    if (broken != NULL) {
        sim_fail(w, "host %u: mytcp_check: %s", h->index, broken);
    }
    if (mytcp_stats_get(h->stack, &stats) != 0) {
        sim_fail(w, "host %u: no statistics", h->index);
    } else if (stats.memory_bytes > h->config.memory_limit_bytes ||
               stats.half_open > h->config.syn_queue_max ||
               stats.time_wait > h->config.time_wait_max) {
        sim_fail(w, "host %u: a limit is exceeded: %llu bytes, %llu half-open, %llu TIME-WAIT",
                 h->index, (unsigned long long)stats.memory_bytes,
                 (unsigned long long)stats.half_open, (unsigned long long)stats.time_wait);
    }
    if (h->memory.bytes - stats.memory_bytes != h->uncounted_bytes) {
        sim_fail(w, "host %u: %llu bytes held, but %llu said to be", h->index,
                 (unsigned long long)h->memory.bytes, (unsigned long long)stats.memory_bytes);
    }
    w->digest = rng_mix(w->digest ^ mytcp_digest(h->stack));
}

void check_end(struct host *h)
{
    struct world *w = h->world;
    struct mytcp_stats stats;
    mytcp_stats_get(h->stack, &stats);
    if (stats.sockets != 0 || stats.half_open != 0 || stats.time_wait != 0) {
        sim_fail(w, "host %u still has %llu sockets, %llu half-open, %llu TIME-WAIT", h->index,
                 (unsigned long long)stats.sockets, (unsigned long long)stats.half_open,
                 (unsigned long long)stats.time_wait);
    }
    if (h->memory.bytes > h->baseline_bytes + CACHES_BYTES) {
        sim_fail(w, "host %u: %llu bytes held when all is closed, %llu at the start", h->index,
                 (unsigned long long)h->memory.bytes, (unsigned long long)h->baseline_bytes);
    }
    check_stack(h, true);
}

static void describe(struct world *w, struct endpoint *ep)
{
    struct mytcp_conn_info i;
    if (ep->state == EP_DONE || ep->fd < 0) {
        sim_fail(w, "stuck: conn %u.%u is in state %d of the application", ep->conn->index,
                 ep->side, (int)ep->state);
        return;
    }
    struct pollfd p = {ep->fd, POLLIN | POLLOUT | POLLRDHUP, 0};
    memset(&i, 0, sizeof(i));
    mytcp_poll(ep->host->stack, &p, 1, 0);
    mytcp_conn_info_get(ep->host->stack, ep->fd, &i);
    sim_fail(w,
             "stuck: conn %u.%u (%s%s) has sent %llu of %llu, received %llu of %llu, eof %d, shut"
             " %d, can %d%d, watches %x, poll %x; %s una %u nxt %u wnd %u rcv_nxt %u rcv_wnd %u,"
             " queued %u/%u, ooo %u, rto %u backoff %u cwnd %u",
             ep->conn->index, ep->side, ep->conn->plan->echo ? "echo, " : "",
             ep->state == EP_OPEN ? "open" : "connecting", (unsigned long long)ep->sent,
             (unsigned long long)ep->total, (unsigned long long)ep->received,
             (unsigned long long)endpoint_peer(ep)->sent, ep->eof, ep->shut, ep->can_read,
             ep->can_write, ep->watching, (unsigned)p.revents, mytcp_state_name(i.state), i.snd_una,
             i.snd_nxt, i.snd_wnd, i.rcv_nxt, i.rcv_wnd, i.send_queued, i.recv_queued,
             i.recv_out_of_order, i.rto_us, i.backoff, i.cwnd);
}

void check_stuck(struct world *w)
{
    for (uint32_t i = 0; i < w->setup->conns; i++) {
        struct conn *c = &w->conns[i];
        if (!c->over) {
            for (uint32_t side = 0; side < 2; side++) {
                struct endpoint *ep = &c->end[side];
                if (w->trace && ep->fd >= 0) {
                    describe(w, ep);
                    printf("# %s\n", w->failure);
                    w->failed = false;
                }
            }
            describe(w, c->end[0].state == EP_DONE ? &c->end[1] : &c->end[0]);
        }
    }
    sim_fail(w, "stuck when all connections had ended");
}
