/* Life and death of a stack, its time, and the frame around socket calls. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stack/stack.h"
#include "util/bytes.h"

enum { MTU_MIN = 68, MTU_MAX = 65535 };

int fail(int error)
{
    errno = error;
    return -1;
}

static bool make_tables(struct mytcp_stack *s)
{
    if (table_init(&s->conns, &s->mem, node_hash, s)) return false;
    if (table_init(&s->ports, &s->mem, port_hash, s)) {
        table_free(&s->conns);
        return false;
    }
    size_t replies = REPLY_MAX * sizeof(struct tcp_segment);
    s->replies.segment = mem_alloc(&s->mem, MEM_TABLE, replies);
    s->lent = buf_lend(&s->bufs);
    s->trace.cap = s->config.trace_entries;
    size_t trace = s->trace.cap * sizeof(struct mytcp_trace);
    if (trace) s->trace.entry = mem_alloc(&s->mem, MEM_TABLE, trace);
    if (s->replies.segment && s->lent && (s->trace.entry || !trace)) return true;
    mem_free(&s->mem, MEM_TABLE, s->replies.segment, replies);
    mem_free(&s->mem, MEM_TABLE, s->trace.entry, trace);
    if (s->lent) buf_release(&s->bufs, s->lent);
    buf_pool_free(&s->bufs);
    table_free(&s->conns);
    table_free(&s->ports);
    return false;
}

static void init(struct mytcp_stack *s, const struct mytcp_config *c, uint64_t now_us)
{
    s->config = *c;
    mem_init(&s->mem, c->alloc, c->release, c->alloc_ctx, c->memory_limit_bytes);
    s->mem.used = s->mem.peak = s->mem.by_kind[MEM_TABLE] = sizeof(*s);
    buf_pool_init(&s->bufs, &s->mem);
    sendq_pool_init(&s->chunks, &s->mem);
    config_params(&s->env.params, c);
    s->env.now_us = now_us;
    s->env.mem = &s->mem;
    s->env.bufs = &s->bufs;
    s->env.chunks = &s->chunks;
    s->env.mtu = c->mtu_bytes;
    s->env.gso_max = c->tx_csum ? c->gso_max_bytes : 0; /* a cut-up packet needs its checksums made */
    s->addr = (ip4_addr){load_be32((const uint8_t *)&c->addr)};
    isn_keys_init(&s->keys, c->entropy);
    s->hash_key = siphash_key_load(c->entropy + 8);
    wheel_init(&s->wheel, now_us);
    s->out_tail = &s->out_head;
    s->tw_tail = &s->tw_head;
    s->ready_tail = &s->ready_head;
    reass_init(&s->reass, &s->mem, c->reass_max_bytes, c->reass_timeout_us);
}

mytcp_stack *mytcp_create(const struct mytcp_config *config, uint64_t now_us)
{
    int error = config ? config_check(config) : EINVAL;
    if (error) {
        fail(error);
        return NULL;
    }
    struct mem first; /* the stack's own memory comes from the same place */
    mem_init(&first, config->alloc, config->release, config->alloc_ctx, config->memory_limit_bytes);
    struct mytcp_stack *s = mem_zalloc(&first, MEM_TABLE, sizeof(*s));
    if (s) {
        init(s, config, now_us);
        if (make_tables(s)) return s;
        mem_free(&first, MEM_TABLE, s, sizeof(*s));
    }
    fail(ENOMEM);
    return NULL;
}

/* Who goes on though its descriptor is closed. Nobody waits for it to be ready. */
static bool list_orphan(void *ctx, struct table_node *link)
{
    struct sock **list = ctx, *k = sock_of((struct node *)link);
    k->ready_next = *list;
    *list = k;
    return true;
}

static void free_connections(struct mytcp_stack *s)
{
    for (uint32_t i = 0; i < s->fd_used; i++) {
        struct sock *k = s->fds[i / FD_BLOCK][i % FD_BLOCK].sock;
        if (k) sock_free(s, k); /* half-open ones go with their listeners */
    }
    while (s->tw_head) tw_free(s, s->tw_head);
    struct sock *orphans = NULL;
    table_walk(&s->conns, list_orphan, &orphans);
    for (struct sock *next; orphans; orphans = next) {
        next = orphans->ready_next;
        sock_free(s, orphans);
    }
}

void mytcp_destroy(mytcp_stack *s)
{
    if (!s) return;
    free_connections(s);
    for (uint32_t i = 0; i < s->fd_blocks; i++)
        mem_free(&s->mem, MEM_TABLE, s->fds[i], FD_BLOCK * sizeof(struct fd_slot));
    raw_free_all(s);
    mem_free(&s->mem, MEM_TABLE, s->replies.segment, REPLY_MAX * sizeof(struct tcp_segment));
    mem_free(&s->mem, MEM_TABLE, s->trace.entry, s->trace.cap * sizeof(struct mytcp_trace));
    reass_free(&s->reass);
    pmtu_free(&s->pmtu, &s->mem);
    buf_release(&s->bufs, s->lent);
    buf_pool_free(&s->bufs);
    sendq_pool_free(&s->chunks);
    table_free(&s->conns);
    table_free(&s->ports);
    struct mem m = s->mem;
    explicit_bzero(s, sizeof(*s)); /* the secrets */
    mem_free(&m, MEM_TABLE, s, sizeof(*s));
}

int mytcp_attach(mytcp_stack *s, const struct mytcp_driver *driver)
{
    if (!s) return fail(EINVAL);
    s->driver = driver ? *driver : (struct mytcp_driver){0};
    return 0;
}

int mytcp_set_mtu(mytcp_stack *s, uint32_t mtu_bytes)
{
    if (!s || mtu_bytes < MTU_MIN || mtu_bytes > MTU_MAX) return fail(EINVAL);
    s->env.mtu = s->config.mtu_bytes = mtu_bytes;
    return 0;
}

void stack_time(struct mytcp_stack *s, uint64_t now_us)
{
    s->env.now_us = max_u64(s->env.now_us, now_us);
}

void stack_enter(struct mytcp_stack *s)
{
    if (s->driver.lock) s->driver.lock(s->driver.ctx);
    if (s->driver.now_us) stack_time(s, s->driver.now_us(s->driver.ctx));
}

static bool has_output(const struct mytcp_stack *s)
{
    return s->out_head || s->replies.count || s->raw_head;
}

ssize_t stack_leave(struct mytcp_stack *s, ssize_t result)
{
    if (s->driver.kick && (s->wake || has_output(s))) s->driver.kick(s->driver.ctx);
    s->wake = false;
    if (s->driver.unlock) s->driver.unlock(s->driver.ctx);
    return result < 0 ? fail((int)-result) : result;
}

int stack_block(struct mytcp_stack *s, uint64_t deadline_us)
{
    if (!s->driver.wait || s->env.now_us >= deadline_us) return -EAGAIN;
    if (s->driver.wait(s->driver.ctx, deadline_us)) return errno ? -errno : -EIO;
    if (s->driver.now_us) stack_time(s, s->driver.now_us(s->driver.ctx));
    return 0;
}

uint64_t mytcp_next_deadline(mytcp_stack *s)
{
    if (!s) return MYTCP_NEVER_US;
    return has_output(s) ? 0 : wheel_next(&s->wheel);
}
