/* TIME-WAIT in 64 bytes a connection: a queue in order of expiry, since all last equally long. */
#include "stack/stack.h"
#include "util/bytes.h"

/* The first expires at tw_head_us; the others' low bits say how much later. */
static void arm(struct mytcp_stack *s)
{
    if (s->tw_head) wheel_set(&s->wheel, &s->tw_timer, s->tw_head_us);
    else wheel_cancel(&s->wheel, &s->tw_timer);
}

static void append(struct mytcp_stack *s, struct tw *w)
{
    uint64_t expires_us = s->env.now_us + 2ull * s->env.params.msl_us;
    w->expires_us = (uint32_t)expires_us;
    w->next = NULL;
    w->prev = s->tw_tail;
    *s->tw_tail = w;
    s->tw_tail = &w->next;
    if (s->tw_head != w) return;
    s->tw_head_us = expires_us;
    arm(s);
}

static void unlink_tw(struct mytcp_stack *s, struct tw *w)
{
    bool first = s->tw_head == w;
    *w->prev = w->next;
    if (w->next) w->next->prev = w->prev;
    else s->tw_tail = w->prev;
    if (!first) return;
    if (s->tw_head) s->tw_head_us += (uint32_t)(s->tw_head->expires_us - w->expires_us);
    arm(s);
}

void tw_free(struct mytcp_stack *s, struct tw *w)
{
    unlink_tw(s, w);
    node_remove(s, &w->node);
    port_drop(s, w->node.local_port, w->node.strict, false);
    mem_free(&s->mem, MEM_TW, w, sizeof(*w));
    s->tw_count--;
}

/* One last answer is due when the connection gets here: the ACK of the peer's FIN. */
static void answer(struct mytcp_stack *s, const struct node *n, struct tcb *t)
{
    struct tcp_out out;
    while (tcp_output(t, &s->env, &out)) reply_from(s, n, &out.seg);
}

void tw_begin(struct mytcp_stack *s, struct sock *k)
{
    struct node *n = &k->active.node;
    answer(s, n, &k->tcb);
    if (s->tw_count >= s->config.time_wait_max) {
        s->stats.time_wait_recycled++;
        tw_free(s, s->tw_head);
    }
    struct tw *w = mem_zalloc(&s->mem, MEM_TW, sizeof(*w));
    if (!w && s->tw_head) { /* the oldest gives way */
        s->stats.time_wait_recycled++;
        tw_free(s, s->tw_head);
        w = mem_zalloc(&s->mem, MEM_TW, sizeof(*w));
    }
    if (!w) return;
    port_join(s, n->local_port, n->strict);
    w->node = (struct node){.local = n->local, .peer = n->peer, .local_port = n->local_port,
                            .peer_port = n->peer_port, .kind = NODE_TIME_WAIT, .strict = n->strict,
                            .tos = k->tcb.opt.tos};
    time_wait_pack(&w->rec, &k->tcb);
    node_remove(s, n); /* the record takes its place */
    node_insert(s, &w->node);
    s->tw_count++;
    append(s, w);
}

bool tw_outlived(const struct mytcp_stack *s, const struct node *n)
{
    const struct tw *w = (const struct tw *)n;
    if (n->kind != NODE_TIME_WAIT || !s->config.time_wait_reuse_us) return false;
    if (!w->rec.ts_ok) return false;
    uint32_t left_us = w->expires_us - (uint32_t)s->env.now_us; /* 2 MSL is far below 2^32 us */
    uint32_t age_us = 2 * s->env.params.msl_us - left_us;
    return age_us >= max_u32(s->config.time_wait_reuse_us, s->config.timestamp_clock_us);
}

enum drop_reason tw_input(struct mytcp_stack *s, struct tw *w, const struct tcp_segment *seg)
{
    struct tcb t;
    struct buf *nobody = NULL;
    time_wait_unpack(&t, &w->rec, &s->env);
    enum drop_reason reason = tcp_input(&t, &s->env, seg, &nobody).drop; /* never answered by a RST */
    bool restarted = t.keep_at_us != TIME_NEVER; /* by the FIN, again */
    answer(s, &w->node, &t);
    w->rec.challenges = t.challenges;
    w->rec.challenge_s = t.challenge_s & 7u;
    w->rec.ts_recent = t.ts_recent;
    if (restarted) {
        unlink_tw(s, w);
        append(s, w);
    }
    return reason ? reason : DROP_TIME_WAIT;
}

void tw_expire(struct mytcp_stack *s)
{
    while (s->tw_head && s->tw_head_us <= s->env.now_us) tw_free(s, s->tw_head);
}
