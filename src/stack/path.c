/* What connections to the same host know of the path to it together (RFC 4821 5.2). */
#include "stack/stack.h"
#include "util/bytes.h"

void path_begin(struct mytcp_stack *s, struct sock *k)
{
    const struct pmtu_entry *e = pmtu_get(&s->pmtu, k->active.node.peer, s->env.now_us);
    if (e) tcp_path_known(&k->tcb, &s->env, e->mtu, e->high, e->expires_us);
    else if (s->config.mtu_probing == 2)
        tcp_path_known(&k->tcb, &s->env, s->config.mtu_base_bytes, 0, 0);
}

void path_share(struct mytcp_stack *s, struct sock *k)
{
    uint32_t mtu, high;
    if (!tcp_path_news(&k->tcb, &s->env, &mtu, &high)) return;
    uint64_t interval_us = s->env.params.pmtu_timeout_us;
    pmtu_set(&s->pmtu, &s->mem,
             (struct pmtu_entry){.expires_us = s->env.now_us + min_u64(interval_us, INT64_MAX),
                                 .dst = k->active.node.peer,
                                 .mtu = (uint16_t)mtu,
                                 .high = (uint16_t)high});
}
