/* ICMP of a host (RFC 792, 1122 3.2.2): echo answered, errors about our segments heeded with suspicion
 * (RFC 5927), errors sent sparingly. */
#include <errno.h>
#include <string.h>

#include "stack/stack.h"
#include "util/bytes.h"
#include "wire/icmp.h"

/* ---- out ---- */

static struct raw_packet *raw_new(struct mytcp_stack *s, uint32_t cap)
{
    if (s->raw_count >= PING_MAX) return NULL;
    struct raw_packet *r = mem_alloc(&s->mem, MEM_RECV, sizeof(*r) + cap);
    if (r) r->cap = cap;
    return r;
}

static void raw_queue(struct mytcp_stack *s, struct raw_packet *r)
{
    r->next = NULL;
    if (s->raw_tail) s->raw_tail->next = r;
    else s->raw_head = r;
    s->raw_tail = r;
    s->raw_count++;
}

static void raw_free(struct mytcp_stack *s, struct raw_packet *r)
{
    if (r) mem_free(&s->mem, MEM_RECV, r, sizeof(*r) + r->cap);
}

void raw_free_all(struct mytcp_stack *s)
{
    raw_free(s, s->raw_sent);
    s->raw_sent = NULL;
    while (raw_take(s)) {}
}

/* The oldest waiting message; it stays until the next is taken. */
struct raw_packet *raw_take(struct mytcp_stack *s)
{
    struct raw_packet *r = s->raw_head;
    raw_free(s, s->raw_sent);
    s->raw_sent = r;
    if (!r) return NULL;
    s->raw_head = r->next;
    if (!s->raw_head) s->raw_tail = NULL;
    s->raw_count--;
    return r;
}

static bool allowed(struct mytcp_stack *s, const struct ip4_header *ip)
{
    return limit_allows(s, &s->icmp_limit, ip->src, s->config.icmp_per_s);
}

/* Never about an ICMP error, a later fragment, or a packet to or from more than one host: the caller has
 * seen to the addresses, and to it that of ICMP only echo requests come here, and of fragments the first. */
void icmp_send_error(struct mytcp_stack *s, uint8_t type, uint8_t code, const uint8_t *packet,
                     const struct ip4_header *ip)
{
    if (!allowed(s, ip)) return;
    struct raw_packet *r = raw_new(s, IP4_HEADER_LEN + ICMP_HEADER_LEN + IP4_HEADER_MAX + ICMP_QUOTE_PAYLOAD);
    if (!r) return;
    r->len = icmp_build_error(r->bytes, s->addr, (uint8_t)s->config.ttl, type, code, packet, ip);
    raw_queue(s, r);
}

/* A datagram whose other fragments did not come (RFC 1122 3.3.2); of ICMP only what is no error for certain. */
void icmp_late(void *stack, const uint8_t *packet, const struct ip4_header *ip)
{
    if (ip->protocol == IP4_PROTO_ICMP && packet[ip->header_len] != ICMP_ECHO) return;
    icmp_send_error(stack, ICMP_TIME_EXCEEDED, ICMP_EXCEEDED_REASSEMBLY, packet, ip);
}

static enum drop_reason echo(struct mytcp_stack *s, const struct ip4_header *ip, const uint8_t *packet)
{
    if (!allowed(s, ip)) return DROP_ICMP_LIMITED;
    struct raw_packet *r = raw_new(s, ip->total_len);
    if (!r) return DROP_REPLY_LIMIT;
    memcpy(r->bytes, packet, ip->total_len);
    /* Fragments are not sent: what would need them is cut short (RFC 1122 3.2.2.6). */
    uint32_t options = ip->header_len - IP4_HEADER_LEN;
    r->len = min_u32(ip->total_len, s->env.mtu + options);
    uint8_t *start = icmp_make_echo_reply(r->bytes, ip, (uint8_t)s->config.ttl, &r->len);
    memmove(r->bytes, start, r->len);
    raw_queue(s, r);
    return DROP_NONE;
}

/* ---- in ---- */

/* The errno of each unreachable code as Linux maps it, and whether it is hard (RFC 1122 4.2.3.9). */
struct unreachable {
    int error;
    bool hard;
};

static struct unreachable unreachable_meaning(uint8_t code)
{
    static const struct unreachable meanings[] = {
        {ENETUNREACH, false}, {EHOSTUNREACH, false}, {ENOPROTOOPT, true},   {ECONNREFUSED, true},
        {EMSGSIZE, false},    {EOPNOTSUPP, false},   {ENETUNREACH, true},   {EHOSTDOWN, true},
        {ENONET, true},       {ENETUNREACH, true},   {EHOSTUNREACH, true},  {ENETUNREACH, false},
        {EHOSTUNREACH, false}, {EHOSTUNREACH, true}, {EHOSTUNREACH, true},  {EHOSTUNREACH, true}};
    return code < 16 ? meanings[code] : (struct unreachable){EHOSTUNREACH, false};
}

/* RFC 1191: what the router says, bounded below. An old router says 0: the next plateau below the packet's size
 * is tried. */
static uint32_t claimed_mtu(const struct mytcp_stack *s, const struct icmp_message *m)
{
    static const uint16_t plateaus[] = {32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68};
    uint32_t mtu = m->mtu;
    if (!mtu) {
        uint32_t size = min_u32(m->quoted_total_len, s->env.mtu);
        for (size_t i = 0; i < sizeof(plateaus) / sizeof(plateaus[0]) && !mtu; i++)
            if (plateaus[i] < size) mtu = plateaus[i];
    }
    return max_u32(mtu, s->config.pmtu_min_bytes);
}

static enum drop_reason error_for_sock(struct mytcp_stack *s, struct sock *k, const struct icmp_message *m)
{
    struct tcb *t = &k->tcb;
    seq_t quoted = seq_of(m->quoted_seq);
    /* only about what is in flight (RFC 5927 4.1) */
    bool in_flight = seq_geq(quoted, t->snd_una) && seq_lt(quoted, t->snd_max);
    if (!in_flight) return DROP_ICMP_UNMATCHED;
    if (m->type == ICMP_UNREACHABLE && m->code == ICMP_UNREACH_FRAG_NEEDED) {
        tcp_path_claim(t, &s->env, claimed_mtu(s, m), quoted);
    } else {
        struct unreachable u = {EHOSTUNREACH, false};
        if (m->type == ICMP_UNREACHABLE) u = unreachable_meaning(m->code);
        if (m->type == ICMP_PARAMETER_PROBLEM) u.error = EPROTO;
        tcp_icmp_error(t, &s->env, u.error, u.hard);
    }
    sock_settle(s, k);
    return DROP_NONE;
}

static enum drop_reason input_error(struct mytcp_stack *s, const struct icmp_message *m)
{
    if (m->type == ICMP_SOURCE_QUENCH || m->type == ICMP_REDIRECT) return DROP_ICMP_IGNORED; /* RFC 6633 */
    if (!m->quote_ok || m->quoted_protocol != IP4_PROTO_TCP || m->quoted_src.v != s->addr.v)
        return DROP_ICMP_UNMATCHED;
    struct node *n = node_find(s, m->quoted_src, m->quoted_src_port, m->quoted_dst, m->quoted_dst_port);
    if (!n || n->kind != NODE_SOCK) return DROP_ICMP_UNMATCHED;
    return error_for_sock(s, sock_of(n), m);
}

enum drop_reason icmp_input(struct mytcp_stack *s, const struct ip4_header *ip, uint8_t *packet)
{
    struct icmp_message m;
    enum drop_reason reason =
        icmp_parse(&m, packet + ip->header_len, (size_t)ip->total_len - ip->header_len);
    if (reason) return reason;
    if (m.type == ICMP_ECHO && m.code == 0) return echo(s, ip, packet);
    return m.is_error ? input_error(s, &m) : DROP_ICMP_IGNORED;
}
