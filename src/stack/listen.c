/* The passive side until it is established: the SYN queue of compact records, SYN cookies when it
 * overflows, the accept queue. */
#include <errno.h>

#include "stack/stack.h"
#include "util/bytes.h"

enum { HALF_MAX_FLOOR = 8 };

/* ---- half-open records ---- */

void half_free(struct mytcp_stack *s, struct half *h)
{
    struct listener *l = h->listener->listener;
    *h->prev = h->next;
    if (h->next) h->next->prev = h->prev;
    l->half_count--;
    s->half_count--;
    node_remove(s, &h->active.node);
    wheel_cancel(&s->wheel, &h->active.timer);
    port_drop(s, h->active.node.local_port, h->active.node.strict, false);
    active_dequeue(s, &h->active);
    mem_free(&s->mem, MEM_HALF, h, sizeof(*h));
}

static void node_from_segment(struct node *n, const struct tcp_segment *seg, bool strict)
{
    *n = (struct node){.local = seg->dst, .peer = seg->src, .local_port = seg->dst_port,
                       .peer_port = seg->src_port, .kind = NODE_HALF, .strict = strict};
}

static struct half *half_new(struct mytcp_stack *s, struct sock *l, const struct tcp_segment *seg)
{
    struct half *h = mem_zalloc(&s->mem, MEM_HALF, sizeof(*h));
    if (!h) return NULL;
    node_from_segment(&h->active.node, seg, l->active.node.strict);
    port_join(s, seg->dst_port, l->active.node.strict);
    h->listener = l;
    h->next = l->listener->halves;
    h->prev = &l->listener->halves;
    if (h->next) h->next->prev = &h->next;
    l->listener->halves = h;
    l->listener->half_count++;
    s->half_count++;
    node_insert(s, &h->active.node);
    return h;
}

/* The TCB that ran for a record goes back into it; true if the record lives on. */
static bool half_settle(struct mytcp_stack *s, struct half *h, struct tcb *t)
{
    if (t->state != ST_SYN_RCVD) {
        half_free(s, h);
        return false;
    }
    half_open_pack(&h->rec, t);
    if (t->mark) active_enqueue(s, &h->active);
    return true;
}

void half_timeout(struct mytcp_stack *s, struct half *h)
{
    struct tcb t;
    half_open_unpack(&t, &h->rec, &s->env, &h->listener->tcb.opt);
    t.rexmt_at_us = s->env.now_us;
    tcp_timeout(&t, &s->env);
    if (half_settle(s, h, &t)) active_arm(s, &h->active, t.rexmt_at_us);
}

bool half_output(struct mytcp_stack *s, struct half *h, struct tcp_out *out)
{
    struct tcb t;
    half_open_unpack(&t, &h->rec, &s->env, &h->listener->tcb.opt);
    t.rexmt_at_us = h->active.timer.prev ? h->active.timer.deadline_us : TIME_NEVER;
    bool sent = tcp_output(&t, &s->env, out);
    half_open_pack(&h->rec, &t);
    active_arm(s, &h->active, t.rexmt_at_us);
    return sent;
}

/* ---- the accept queue ---- */

static bool accept_full(const struct listener *l) { return l->accept_count > l->backlog; }

static void accept_push(struct mytcp_stack *s, struct sock *l, struct sock *k)
{
    struct listener *q = l->listener;
    k->list_next = NULL;
    if (q->accept_tail) q->accept_tail->list_next = k;
    else q->accept_head = k;
    q->accept_tail = k;
    q->accept_count++;
    k->flags |= SOCK_ACCEPTING;
    l->pending |= EVENT_READABLE;
    if (l->watch) ready_add(s, l);
}

/* A TCB is established: make it a socket in the queue. NULL without memory. */
static struct sock *promote(struct mytcp_stack *s, struct sock *l, const struct node *n, struct tcb *t)
{
    struct sock *k = sock_new(s);
    if (!k) return NULL;
    if (l->cold && !sock_cold(s, k)) {
        sock_free(s, k);
        return NULL;
    }
    port_join(s, n->local_port, n->strict);
    k->active.node = *n;
    k->active.node.kind = NODE_SOCK;
    k->active.node.in_table = k->active.node.queued = false;
    k->tcb = *t;
    k->flags = SOCK_BOUND | (l->flags & (SOCK_REUSE | SOCK_LINGER | SOCK_OOBINLINE));
    k->phase = PHASE_CONNECTED;
    k->linger_s = l->linger_s;
    if (!l->cold) return k;
    k->cold->rcvlowat = l->cold->rcvlowat;
    k->cold->rcvtimeo_us = l->cold->rcvtimeo_us;
    k->cold->sndtimeo_us = l->cold->sndtimeo_us;
    return k;
}

static void enter_queue(struct mytcp_stack *s, struct sock *l, struct sock *k)
{
    path_begin(s, k);
    node_insert(s, &k->active.node);
    accept_push(s, l, k);
    sock_settle(s, k);
}

/* ---- SYN cookies ---- */

static enum drop_reason send_cookie(struct mytcp_stack *s, struct sock *l, const struct tcp_segment *seg,
                                    const struct node *n, uint32_t ts_offset)
{
    struct half_open h;
    struct isn_tuple tuple = node_tuple(n);
    half_open_begin(&h, &s->env, &l->tcb.opt, seg, seq_of(0), ts_offset);
    h.iss = cookie_make(&s->keys, &tuple, seg->seq, h.peer_mss, s->env.now_us);
    if (!h.ts_ok) h.sack_ok = h.wscale_ok = h.ecn_ok = false; /* no place to keep them */
    struct tcb t;
    struct tcp_out out;
    half_open_unpack(&t, &h, &s->env, &l->tcb.opt);
    tcp_output(&t, &s->env, &out); /* the SYN,ACK */
    if (h.ts_ok) out.seg.tsval = cookie_tsval(out.seg.tsval, &h);
    if (!reply_from(s, n, &out.seg)) return DROP_REPLY_LIMIT;
    s->stats.syn_cookies_sent++;
    s->cookies_until_us = s->env.now_us + COOKIE_LIFE_US;
    return DROP_NONE;
}

/* If none was sent while it could still come back, there is nothing to guess. */
static bool cookies_are_out(const struct mytcp_stack *s)
{
    return s->env.now_us < s->cookies_until_us;
}

enum { COOKIE_GUESSES_PER_S = 1000 };

/* An ACK for nothing known: perhaps the third of a handshake that we keep no record of. */
static enum drop_reason cookie_input(struct mytcp_stack *s, struct sock *l,
                                     const struct tcp_segment *seg, struct buf **owner)
{
    struct node n;
    uint16_t peer_mss;
    node_from_segment(&n, seg, l->active.node.strict);
    struct isn_tuple tuple = node_tuple(&n);
    seq_t irs = seq_sub(seg->seq, 1), iss = seq_sub(seg->ack, 1);
    bool recent = cookies_are_out(s);
    if (!recent || !cookie_check(&s->keys, &tuple, irs, iss, s->env.now_us, &peer_mss)) {
        if (recent && !limit_allows(s, &s->cookie_limit, seg->src, COOKIE_GUESSES_PER_S))
            return DROP_COOKIE_BAD; /* guessing is answered slowly */
        return reply_rst(s, seg, recent ? DROP_COOKIE_BAD : DROP_LISTEN_ACK);
    }
    if (accept_full(l->listener)) return DROP_LISTEN_BACKLOG;
    struct half_open h = {.irs = irs, .iss = iss, .peer_mss = peer_mss, .window = seg->window,
                          .sent = true, .by_cookie = true, .ts_ok = seg->has_ts};
    h.born_us = (uint32_t)s->env.now_us;
    h.ts_offset = isn_ts_offset(&s->keys, &tuple);
    h.ts_recent = seg->tsval;
    if (seg->has_ts) cookie_options(&h, seg->tsecr);
    if (h.wscale_ok) h.rcv_wscale = tcb_wscale_for(s->env.params.rcvbuf_max_bytes);
    struct tcb t;
    half_open_unpack(&t, &h, &s->env, &l->tcb.opt);
    cc_init(&t.cc, l->tcb.cc.algorithm);
    struct tcp_verdict v = tcp_input(&t, &s->env, seg, owner);
    struct sock *k = promote(s, l, &n, &t);
    if (!k) { /* the peer's next segment brings the cookie again */
        tcb_free(&t, &s->env);
        s->env.count.opened_passive--;
        return DROP_NO_MEMORY;
    }
    s->stats.syn_cookies_ok++;
    enter_queue(s, l, k);
    return v.drop;
}

/* ---- SYN-RECEIVED ---- */

/* TCP_DEFER_ACCEPT: a bare ACK does not wake the application; the timer asks the client again. */
static bool deferred(const struct sock *l, struct half_open *h, const struct tcp_segment *seg)
{
    if (!l->listener->defer_accept_s || tcp_segment_space(seg)) return false;
    uint32_t waited_s = ((1u << h->syn_retx) - 1);
    if (waited_s >= l->listener->defer_accept_s) return false;
    return seq_eq(seg->ack, seq_add(h->iss, 1));
}

/* Does it acknowledge not our SYN,ACK, but a cookie? */
static bool good_cookie(struct mytcp_stack *s, const struct half *h, const struct tcp_segment *seg)
{
    uint16_t peer_mss;
    struct isn_tuple tuple = node_tuple(&h->active.node);
    seq_t iss = seq_sub(seg->ack, 1);
    return cookies_are_out(s) && !seq_eq(iss, h->rec.iss) &&
           cookie_check(&s->keys, &tuple, seq_sub(seg->seq, 1), iss, s->env.now_us, &peer_mss);
}

struct tcp_verdict half_input(struct mytcp_stack *s, struct half *h, const struct tcp_segment *seg,
                              struct buf **owner)
{
    struct sock *l = h->listener;
    bool plain_ack = (seg->flags & (TCP_ACK | TCP_RST | TCP_SYN)) == TCP_ACK;
    /* Full: let the client's retransmission try again, as if the ACK had been lost. */
    if (plain_ack && accept_full(l->listener)) return (struct tcp_verdict){.drop = DROP_LISTEN_BACKLOG};
    if (plain_ack && deferred(l, &h->rec, seg)) return (struct tcp_verdict){.drop = DROP_NONE};
    if (plain_ack && good_cookie(s, h, seg)) { /* the SYN before this one was answered without a record */
        half_free(s, h);
        return (struct tcp_verdict){.drop = cookie_input(s, l, seg, owner)};
    }
    struct tcb t;
    half_open_unpack(&t, &h->rec, &s->env, &l->tcb.opt);
    cc_init(&t.cc, l->tcb.cc.algorithm);
    struct tcp_verdict v = tcp_input(&t, &s->env, seg, owner);
    if (t.state == ST_SYN_RCVD || t.state == ST_CLOSED) {
        half_settle(s, h, &t);
        return v;
    }
    struct sock *k = promote(s, l, &h->active.node, &t);
    if (!k) { /* the record stays: the client's next segment may have more luck */
        tcb_free(&t, &s->env);
        s->env.count.opened_passive--;
        return (struct tcp_verdict){.drop = DROP_NO_MEMORY};
    }
    half_free(s, h);
    enter_queue(s, l, k);
    return v;
}

/* ---- LISTEN (RFC 9293 3.10.7.2) ---- */

static enum drop_reason listen_syn(struct mytcp_stack *s, struct sock *l, const struct tcp_segment *seg,
                                   const seq_t *after_tw)
{
    struct node n;
    if (accept_full(l->listener)) return DROP_LISTEN_BACKLOG;
    if (mem_above(&s->mem, MEM_FULL_PERCENT)) return DROP_NO_MEMORY;
    node_from_segment(&n, seg, l->active.node.strict);
    struct isn_tuple tuple = node_tuple(&n);
    uint32_t ts_offset = isn_ts_offset(&s->keys, &tuple);
    bool full = l->listener->half_count >= l->listener->half_max;
    if (full && !s->config.syn_cookies) return DROP_SYN_QUEUE;
    if (full || s->config.syn_cookies == 2) return send_cookie(s, l, seg, &n, ts_offset);
    struct half *h = half_new(s, l, seg);
    if (!h) return DROP_NO_MEMORY;
    seq_t iss = node_isn(s, &n, after_tw);
    half_open_begin(&h->rec, &s->env, &l->tcb.opt, seg, iss, ts_offset);
    active_enqueue(s, &h->active);
    return DROP_NONE;
}

enum drop_reason listen_input(struct mytcp_stack *s, struct sock *l, const struct tcp_segment *seg,
                              struct buf **owner, const seq_t *after_tw)
{
    if (seg->flags & TCP_RST) return DROP_LISTEN_RST;
    if ((seg->flags & (TCP_ACK | TCP_SYN)) == TCP_ACK) return cookie_input(s, l, seg, owner);
    if (seg->flags & TCP_ACK) return reply_rst(s, seg, DROP_LISTEN_ACK);
    if (!(seg->flags & TCP_SYN) || (seg->flags & TCP_FIN)) return DROP_LISTEN_FLAGS;
    return listen_syn(s, l, seg, after_tw);
}

int listen_start(struct mytcp_stack *s, struct sock *k, uint32_t backlog)
{
    if (!k->listener) {
        struct port *p = port_find(s, k->active.node.local_port);
        if (p->listener) return -EADDRINUSE;
        k->listener = mem_zalloc(&s->mem, MEM_CONN, sizeof(*k->listener));
        if (!k->listener) return -ENOBUFS;
        p->listener = k;
        k->tcb.state = ST_LISTEN;
    }
    struct listener *l = k->listener;
    l->backlog = min_u32(backlog, s->config.somaxconn);
    l->half_max = min_u32(s->config.syn_queue_max, max_u32(l->backlog, HALF_MAX_FLOOR));
    if (k->cold) l->defer_accept_s = k->cold->defer_accept_s;
    return 0;
}

void listen_stop(struct mytcp_stack *s, struct sock *k)
{
    struct listener *l = k->listener;
    while (l->halves) half_free(s, l->halves);
    while (l->accept_head) {
        struct sock *waiting = l->accept_head;
        l->accept_head = waiting->list_next;
        waiting->flags &= (uint16_t)~SOCK_ACCEPTING;
        tcp_user_close(&waiting->tcb, &s->env, true);
        sock_settle(s, waiting);
    }
    port_find(s, k->active.node.local_port)->listener = NULL;
    mem_free(&s->mem, MEM_CONN, l, sizeof(*l));
    k->listener = NULL;
    k->tcb.state = ST_CLOSED;
}
