/* A segment arrived: which connection is it for? An established tuple, else TIME-WAIT, else a listener,
 * else nobody, who answers with a RST (RFC 9293 3.10.7.1). */
#include "stack/stack.h"

static struct sock *listener_of(struct mytcp_stack *s, uint16_t number)
{
    struct port *p = port_find(s, number);
    return p ? p->listener : NULL;
}

static enum drop_reason to_nobody(struct mytcp_stack *s, const struct tcp_segment *seg,
                                  struct buf **owner, const seq_t *after_tw)
{
    struct sock *l = listener_of(s, seg->dst_port);
    if (l) return listen_input(s, l, seg, owner, after_tw);
    return reply_rst(s, seg, DROP_NO_CONNECTION);
}

/* A SYN may end TIME-WAIT early and begin anew (RFC 6191, RFC 9293 3.10.7.4 fourth). */
static enum drop_reason to_time_wait(struct mytcp_stack *s, struct tw *w, const struct tcp_segment *seg,
                                     struct buf **owner)
{
    bool syn = (seg->flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
    if (syn && listener_of(s, seg->dst_port) && time_wait_reusable(&w->rec, &s->env, seg)) {
        seq_t after = w->rec.snd_nxt;
        s->stats.time_wait_reused++;
        tw_free(s, w);
        return to_nobody(s, seg, owner, &after);
    }
    return tw_input(s, w, seg);
}

static enum drop_reason to_sock(struct mytcp_stack *s, struct sock *k, const struct tcp_segment *seg,
                                struct buf **owner)
{
    struct tcp_verdict v = tcp_input(&k->tcb, &s->env, seg, owner);
    /* near the ceiling what is out of order goes first: the peer still has it */
    if (k->tcb.recvq.ooo && mem_above(&s->mem, MEM_FULL_PERCENT))
        recvq_drop_ooo(&k->tcb.recvq, &s->bufs);
    if (v.reply_rst) reply_rst(s, seg, v.drop);
    sock_settle(s, k);
    return v.drop;
}

static enum drop_reason to_half(struct mytcp_stack *s, struct half *h, const struct tcp_segment *seg,
                                struct buf **owner)
{
    struct tcp_verdict v = half_input(s, h, seg, owner);
    if (v.reply_rst) reply_rst(s, seg, v.drop);
    return v.drop;
}

/* For the trace: who is there before and after, which need not be the same node. */
static void mark_now(struct mytcp_stack *s, const struct tcp_segment *seg, struct trace_mark *m)
{
    if (!s->trace.cap) return;
    struct node *n = node_find(s, seg->dst, seg->dst_port, seg->src, seg->src_port);
    trace_mark(m, n);
    if (!n && listener_of(s, seg->dst_port)) m->before = m->after = ST_LISTEN;
}

enum drop_reason tcp_demux(struct mytcp_stack *s, const struct tcp_segment *seg, struct buf **owner)
{
    struct node *n = node_find(s, seg->dst, seg->dst_port, seg->src, seg->src_port);
    struct trace_mark before = {0}, after = {0};
    enum drop_reason reason;
    mark_now(s, seg, &before);
    s->stats.segments_in++;
    if (!n) reason = to_nobody(s, seg, owner, NULL);
    else if (n->kind == NODE_SOCK) reason = to_sock(s, sock_of(n), seg, owner);
    else if (n->kind == NODE_HALF) reason = to_half(s, half_of(n), seg, owner);
    else reason = to_time_wait(s, tw_of(n), seg, owner);
    mark_now(s, seg, &after);
    int state = after.after == ST_LISTEN && before.before != ST_LISTEN ? ST_CLOSED : after.after;
    struct trace_mark m = before.known ? before : after; /* the initial sequence numbers */
    m.before = before.before;
    m.after = state;
    trace_add(s, false, seg, &m, false, reason);
    return reason;
}
