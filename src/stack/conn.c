/* Connections and descriptors: the table, and the upkeep after a verb ran. */
#include <errno.h>

#include "stack/stack.h"
#include "util/bytes.h"

/* ---- the table of connections ---- */

static uint32_t tuple_hash(const struct mytcp_stack *s, ip4_addr local, uint16_t local_port,
                           ip4_addr peer, uint16_t peer_port)
{
    uint32_t ports = (uint32_t)local_port << 16 | peer_port;
    return (uint32_t)siphash_3u32(&s->hash_key, local.v, peer.v, ports);
}

uint32_t node_hash(void *stack, const struct table_node *link)
{
    const struct node *n = (const struct node *)link;
    return tuple_hash(stack, n->local, n->local_port, n->peer, n->peer_port);
}

struct node *node_find(struct mytcp_stack *s, ip4_addr local, uint16_t local_port, ip4_addr peer,
                       uint16_t peer_port)
{
    uint32_t hash = tuple_hash(s, local, local_port, peer, peer_port);
    struct table_node *link = NULL;
    while ((link = table_next(&s->conns, hash, link))) {
        struct node *n = (struct node *)link;
        if (n->peer.v == peer.v && n->peer_port == peer_port && n->local_port == local_port &&
            n->local.v == local.v)
            return n;
    }
    return NULL;
}

void node_insert(struct mytcp_stack *s, struct node *n)
{
    table_insert(&s->conns, &n->link, node_hash(s, &n->link));
    n->in_table = true;
}

void node_remove(struct mytcp_stack *s, struct node *n)
{
    if (!n->in_table) return;
    table_remove(&s->conns, &n->link, node_hash(s, &n->link));
    n->in_table = false;
}

/* RFC 6191, and RFC 9293 3.10.7.4: a connection that follows one in TIME-WAIT starts beyond it. */
seq_t node_isn(const struct mytcp_stack *s, const struct node *n, const seq_t *after_tw)
{
    struct isn_tuple tuple = node_tuple(n);
    seq_t iss = isn_generate(&s->keys, &tuple, s->env.now_us);
    if (after_tw && seq_leq(iss, *after_tw)) iss = seq_add(*after_tw, UINT16_MAX + 2);
    return iss;
}

/* ---- output queue and timer ---- */

void active_enqueue(struct mytcp_stack *s, struct active *a)
{
    if (a->node.queued) return;
    a->node.queued = true;
    a->out_next = NULL;
    a->out_prev = s->out_tail;
    *s->out_tail = a;
    s->out_tail = &a->out_next;
}

void active_dequeue(struct mytcp_stack *s, struct active *a)
{
    if (!a->node.queued) return;
    a->node.queued = false;
    *a->out_prev = a->out_next;
    if (a->out_next) a->out_next->out_prev = a->out_prev;
    else s->out_tail = a->out_prev;
}

/* Deadlines mostly move later: the timer then stays, and looks again when it fires. */
void active_arm(struct mytcp_stack *s, struct active *a, uint64_t deadline_us)
{
    if (wheel_armed(&a->timer) && a->timer.deadline_us <= deadline_us) {
        if (deadline_us == TIME_NEVER) wheel_cancel(&s->wheel, &a->timer);
        return;
    }
    wheel_set(&s->wheel, &a->timer, deadline_us);
}

/* ---- sockets ---- */

struct sock *sock_new(struct mytcp_stack *s)
{
    struct sock *k = mem_zalloc(&s->mem, MEM_CONN, sizeof(*k));
    if (!k) return NULL;
    struct tcp_options opt;
    config_options(&opt, &s->config);
    k->active.node.kind = NODE_SOCK;
    k->fd = -1;
    tcb_init(&k->tcb, &s->env, &opt);
    s->stats.sockets++;
    return k;
}

struct sock_cold *sock_cold(struct mytcp_stack *s, struct sock *k)
{
    if (!k->cold) k->cold = mem_zalloc(&s->mem, MEM_CONN, sizeof(*k->cold));
    return k->cold;
}

static void unstarve(struct sock *k)
{
    if (!(k->flags & SOCK_STARVED)) return;
    *k->list_prev = k->list_next;
    if (k->list_next) k->list_next->list_prev = k->list_prev;
    k->flags &= (uint16_t)~SOCK_STARVED;
}

unsigned sock_shut(const struct sock *k)
{
    unsigned shut = k->shut;
    if (k->tcb.fin_rcvd) shut |= SHUT_FOR_READ;
    if (k->tcb.fin_queued) shut |= SHUT_FOR_WRITE;
    return shut;
}

void sock_release_port(struct mytcp_stack *s, struct sock *k)
{
    if (!(k->flags & SOCK_BOUND)) return;
    port_drop(s, k->active.node.local_port, k->active.node.strict, k->flags & SOCK_BOUND_HARD);
    k->flags &= (uint16_t)~(SOCK_BOUND | SOCK_BOUND_HARD | SOCK_PORT_GIVEN);
}

void sock_free(struct mytcp_stack *s, struct sock *k)
{
    if (k->listener) listen_stop(s, k);
    if (k->fd >= 0) fd_release(s, k->fd);
    ready_remove(s, k);
    unstarve(k);
    active_dequeue(s, &k->active);
    wheel_cancel(&s->wheel, &k->active.timer);
    node_remove(s, &k->active.node);
    sock_release_port(s, k);
    tcb_free(&k->tcb, &s->env);
    mem_free(&s->mem, MEM_CONN, k->cold, sizeof(*k->cold));
    mem_free(&s->mem, MEM_CONN, k, sizeof(*k));
    s->stats.sockets--;
}

static void tell_events(struct mytcp_stack *s, struct sock *k)
{
    struct tcb *t = &k->tcb;
    if (!t->event) return;
    k->pending |= t->event;
    t->event = 0;
    if (k->watch) ready_add(s, k);
}

/* CLOSED or TIME-WAIT: the connection leaves the table; the socket lives on until its owner closes it. */
static void leave_table(struct mytcp_stack *s, struct sock *k)
{
    struct tcb *t = &k->tcb;
    bool time_wait = t->state == ST_TIME_WAIT;
    if (time_wait) tw_begin(s, k);
    node_remove(s, &k->active.node);
    if (time_wait) tcb_close(t, &s->env, 0);
    if (t->error && !t->orphan) k->error = t->error;
    k->shut = SHUT_FOR_BOTH;
    if (!(k->flags & SOCK_PORT_GIVEN)) sock_release_port(s, k);
    wheel_cancel(&s->wheel, &k->active.timer);
    active_dequeue(s, &k->active);
}

/* The RST goes out by itself: the TCB is not there any more when output looks. */
static int abort_connection(struct mytcp_stack *s, struct sock *k)
{
    struct tcb *t = &k->tcb;
    struct tcp_out out;
    if (t->state == ST_CLOSED) return 0;
    if (t->state == ST_SYN_SENT) return ECONNRESET; /* nobody knows of us yet */
    if (t->state == ST_CLOSING || t->state == ST_LAST_ACK) return 0; /* 3.10.5: the peer is done */
    t->mark = MARK_RST;
    tcp_output(t, &s->env, &out);
    reply_from(s, &k->active.node, &out.seg);
    return ECONNRESET;
}

void sock_dissolve(struct mytcp_stack *s, struct sock *k)
{
    struct tcp_options opt = k->tcb.opt;
    const struct cc_algorithm *algorithm = k->tcb.cc.algorithm;
    bool idle = k->tcb.state == ST_CLOSED; /* only bound, perhaps: it stays so */
    if (k->listener) listen_stop(s, k);
    int error = abort_connection(s, k);
    if (error) k->error = (uint8_t)error;
    node_remove(s, &k->active.node);
    wheel_cancel(&s->wheel, &k->active.timer);
    active_dequeue(s, &k->active);
    unstarve(k);
    tcb_free(&k->tcb, &s->env);
    tcb_init(&k->tcb, &s->env, &opt);
    cc_init(&k->tcb.cc, algorithm);
    if (!idle && !(k->flags & SOCK_PORT_GIVEN)) sock_release_port(s, k);
    if (!(k->flags & SOCK_ADDR_GIVEN)) k->active.node.local = (ip4_addr){INADDR_ANY};
    k->active.node.peer = (ip4_addr){INADDR_ANY};
    k->active.node.peer_port = 0;
    k->phase = PHASE_UNCONNECTED;
    k->shut = 0;
    k->tcb.event = EVENT_STATE;
    tell_events(s, k);
}

void sock_settle(struct mytcp_stack *s, struct sock *k)
{
    struct tcb *t = &k->tcb;
    path_share(s, k);
    if (t->state == ST_CLOSED || t->state == ST_TIME_WAIT) {
        if (k->active.node.in_table) leave_table(s, k);
        if (t->orphan) {
            sock_free(s, k);
            return;
        }
    } else {
        if (t->mark) active_enqueue(s, &k->active);
        active_arm(s, &k->active, tcb_deadline(t));
        if (!t->sendq.len && (t->event & EVENT_WRITABLE)) unstarve(k); /* a little always goes */
    }
    tell_events(s, k);
}

void sock_feed_starved(struct mytcp_stack *s)
{
    while (s->starved) {
        struct sock *k = s->starved;
        unstarve(k);
        k->tcb.event |= EVENT_WRITABLE;
        tell_events(s, k);
    }
}

/* ---- descriptors ---- */

static struct fd_slot *fd_at(const struct mytcp_stack *s, uint32_t index)
{
    return &s->fds[index / FD_BLOCK][index % FD_BLOCK];
}

/* A slot never used before. */
static int fd_extend(struct mytcp_stack *s, uint32_t *index)
{
    if (s->fd_used >= s->config.sockets_max) return -EMFILE;
    if (s->fd_used == s->fd_blocks * FD_BLOCK) {
        struct fd_slot *block = mem_zalloc(&s->mem, MEM_TABLE, FD_BLOCK * sizeof(*block));
        if (!block) return -ENOBUFS;
        s->fds[s->fd_blocks++] = block;
    }
    *index = s->fd_used++;
    fd_at(s, *index)->generation = 1;
    return 0;
}

int fd_install(struct mytcp_stack *s, struct sock *k)
{
    uint32_t index;
    if (s->fd_free_head) { /* oldest first, so that a number comes back as late as possible */
        index = s->fd_free_head - 1;
        s->fd_free_head = fd_at(s, index)->next_free;
        if (!s->fd_free_head) s->fd_free_tail = 0;
    } else {
        int error = fd_extend(s, &index);
        if (error) return error;
    }
    struct fd_slot *slot = fd_at(s, index);
    slot->sock = k;
    k->fd = (int)(slot->generation << FD_INDEX_BITS | index);
    return k->fd;
}

void fd_release(struct mytcp_stack *s, int fd)
{
    uint32_t index = (uint32_t)fd & ((1u << FD_INDEX_BITS) - 1);
    struct fd_slot *slot = fd_at(s, index);
    slot->sock->fd = -1;
    slot->sock = NULL;
    slot->generation = slot->generation == 2047 ? 1 : slot->generation + 1;
    slot->next_free = 0;
    if (s->fd_free_tail) fd_at(s, s->fd_free_tail - 1)->next_free = index + 1;
    else s->fd_free_head = index + 1;
    s->fd_free_tail = index + 1;
}

struct sock *fd_sock(struct mytcp_stack *s, int fd)
{
    uint32_t index = (uint32_t)fd & ((1u << FD_INDEX_BITS) - 1);
    if (fd < 0 || index >= s->fd_used) return NULL;
    struct fd_slot *slot = fd_at(s, index);
    return slot->generation == (uint32_t)fd >> FD_INDEX_BITS ? slot->sock : NULL;
}
