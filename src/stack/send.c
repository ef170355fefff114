/* Packets out: answers of no connection first, then each connection in turn. */
#include <errno.h>
#include <string.h>

#include "stack/stack.h"
#include "util/bytes.h"

enum { TCP_CSUM_OFFSET = 16 };

/* ---- answers of no connection: at most one small segment for one received ---- */

bool reply_queue(struct mytcp_stack *s, const struct tcp_segment *seg)
{
    struct reply_ring *r = &s->replies;
    if (r->count == REPLY_MAX) return false;
    r->segment[(r->head + r->count++) % REPLY_MAX] = *seg;
    return true;
}

bool limit_allows(struct mytcp_stack *s, struct limiter *l, ip4_addr peer, uint32_t per_second)
{
    uint32_t which = (uint32_t)siphash_3u32(&s->hash_key, peer.v >> 8, 0, 0) % LIMIT_BUCKETS;
    return bucket_take(&l->bucket[which], s->env.now_us, per_second, per_second);
}

enum drop_reason reply_rst(struct mytcp_stack *s, const struct tcp_segment *seg, enum drop_reason why)
{
    struct tcp_segment rst;
    if (!tcp_rst_for(seg, &rst)) return why;
    if (!limit_allows(s, &s->rst_limit, seg->src, s->config.rsts_per_s)) return DROP_REPLY_LIMIT;
    if (!reply_queue(s, &rst)) return DROP_REPLY_LIMIT;
    s->stats.reset_out++;
    return why;
}

static void address(struct tcp_segment *seg, const struct node *n)
{
    seg->src = n->local;
    seg->dst = n->peer;
    seg->src_port = n->local_port;
    seg->dst_port = n->peer_port;
}

bool reply_from(struct mytcp_stack *s, const struct node *n, const struct tcp_segment *seg)
{
    struct tcp_segment copy = *seg;
    address(&copy, n);
    copy.tos |= n->tos;
    copy.payload = NULL;
    return reply_queue(s, &copy);
}

/* ---- building ---- */

static void build(struct mytcp_stack *s, const struct tcp_out *out, struct mytcp_tx *tx)
{
    const struct tcp_segment *seg = &out->seg;
    uint8_t *ip = s->tx_header, *tcp = ip + IP4_HEADER_LEN;
    unsigned tcp_len = tcp_build(tcp, seg);
    uint32_t total = IP4_HEADER_LEN + tcp_len + seg->len;
    ip4_build(ip, seg->src, seg->dst, IP4_PROTO_TCP, (uint8_t)s->config.ttl, seg->tos, (uint16_t)total);
    *tx = (struct mytcp_tx){.iovcnt = out->iovcnt + 1,
                            .len_bytes = total,
                            .gso_size = seg->gso_size,
                            .hdr_len = (uint16_t)(IP4_HEADER_LEN + tcp_len),
                            .csum_start = IP4_HEADER_LEN,
                            .csum_offset = TCP_CSUM_OFFSET};
    tx->iov[0] = (struct iovec){ip, IP4_HEADER_LEN + tcp_len};
    memcpy(tx->iov + 1, out->iov, (size_t)out->iovcnt * sizeof(out->iov[0]));
    tx->needs_csum = s->config.tx_csum;
    if (tx->needs_csum) tcp_fill_partial_checksum(tcp, tcp_len, seg);
    else tcp_fill_checksum(tcp, tcp_len, seg, out->iov, out->iovcnt);
    s->stats.segments_out++;
}

static bool send_reply(struct mytcp_stack *s, struct mytcp_tx *tx)
{
    struct reply_ring *r = &s->replies;
    if (!r->count) return false;
    struct tcp_out out = {.seg = r->segment[r->head]};
    r->head = (r->head + 1) % REPLY_MAX;
    r->count--;
    if (s->trace.cap) {
        struct trace_mark m;
        trace_mark(&m, node_find(s, out.seg.src, out.seg.src_port, out.seg.dst, out.seg.dst_port));
        trace_add(s, true, &out.seg, &m, false, DROP_NONE);
    }
    build(s, &out, tx);
    return true;
}

static bool send_raw(struct mytcp_stack *s, struct mytcp_tx *tx)
{
    struct raw_packet *r = raw_take(s);
    if (!r) return false;
    *tx = (struct mytcp_tx){.iovcnt = 1, .len_bytes = r->len};
    tx->iov[0] = (struct iovec){r->bytes, r->len};
    return true;
}

/* The next segment of this connection. It goes to the end of the queue, so that all have their turn. */
static bool send_active(struct mytcp_stack *s, struct active *a, struct mytcp_tx *tx)
{
    struct tcp_out out;
    struct trace_mark m;
    active_dequeue(s, a);
    if (s->trace.cap) trace_mark(&m, &a->node);
    bool is_sock = a->node.kind == NODE_SOCK;
    bool sent = is_sock ? tcp_output(&sock_of(&a->node)->tcb, &s->env, &out)
                        : half_output(s, half_of(&a->node), &out);
    if (sent) {
        address(&out.seg, &a->node);
        if (s->trace.cap) {
            m.after = is_sock ? sock_of(&a->node)->tcb.state : ST_SYN_RCVD;
            trace_add(s, true, &out.seg, &m, out.retransmission, DROP_NONE);
        }
        build(s, &out, tx);
        active_enqueue(s, a);
    }
    if (is_sock) sock_settle(s, sock_of(&a->node));
    return sent;
}

/* ---- the verb ---- */

static void expire_one(struct mytcp_stack *s, struct wheel_timer *timer)
{
    if (timer == &s->tw_timer) {
        tw_expire(s);
    } else if (timer == &s->starved_timer) {
        return; /* relieve_memory feeds them */
    } else if (timer == &s->reass_timer) {
        s->stats.drops[DROP_FRAG_TIMEOUT] += reass_expire(&s->reass, s->env.now_us, icmp_late, s);
        wheel_set(&s->wheel, &s->reass_timer, reass_deadline(&s->reass));
    } else {
        struct active *a = (struct active *)((char *)timer - offsetof(struct active, timer));
        if (a->node.kind == NODE_HALF) {
            half_timeout(s, half_of(&a->node));
        } else {
            tcp_timeout(&sock_of(&a->node)->tcb, &s->env);
            sock_settle(s, sock_of(&a->node));
        }
    }
}

static void relieve_memory(struct mytcp_stack *s)
{
    if (mem_above(&s->mem, MEM_TIGHT_PERCENT)) { /* caches first */
        buf_pool_free(&s->bufs);
        sendq_pool_free(&s->chunks);
    }
    if (s->starved && !wheel_armed(&s->starved_timer) && !mem_above(&s->mem, MEM_ROOMY_PERCENT))
        sock_feed_starved(s);
}

int mytcp_output(mytcp_stack *s, struct mytcp_tx *tx, uint64_t now_us)
{
    if (!s || !tx) return fail(EINVAL);
    stack_time(s, now_us);
    struct wheel_timer *timer;
    while ((timer = wheel_pop(&s->wheel, s->env.now_us))) expire_one(s, timer);
    relieve_memory(s);
    bool sent = send_reply(s, tx) || send_raw(s, tx);
    while (!sent && s->out_head) sent = send_active(s, s->out_head, tx);
    if (!sent) return 0;
    s->stats.packets_out++;
    s->stats.bytes_out += tx->len_bytes;
    return 1;
}
