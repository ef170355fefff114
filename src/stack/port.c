/* Who has which port. An entry exists while anybody uses its number. */
#include "stack/stack.h"

static uint32_t hash_number(const struct mytcp_stack *s, uint16_t number)
{
    return (uint32_t)siphash_3u32(&s->hash_key, number, 0, 0);
}

uint32_t port_hash(void *stack, const struct table_node *link)
{
    return hash_number(stack, ((const struct port *)link)->number);
}

struct port *port_find(struct mytcp_stack *s, uint16_t number)
{
    struct table_node *link = NULL;
    uint32_t hash = hash_number(s, number);
    while ((link = table_next(&s->ports, hash, link)))
        if (((struct port *)link)->number == number) return (struct port *)link;
    return NULL;
}

bool port_hold(struct mytcp_stack *s, uint16_t number, bool strict, bool bound)
{
    struct port *p = port_find(s, number);
    if (!p) {
        p = mem_zalloc(&s->mem, MEM_TABLE, sizeof(*p));
        if (!p) return false;
        p->number = number;
        table_insert(&s->ports, &p->link, hash_number(s, number));
    }
    p->users++;
    p->strict += strict;
    p->bound += bound;
    return true;
}

void port_join(struct mytcp_stack *s, uint16_t number, bool strict)
{
    struct port *p = port_find(s, number);
    p->users++;
    p->strict += strict;
}

void port_drop(struct mytcp_stack *s, uint16_t number, bool strict, bool bound)
{
    struct port *p = port_find(s, number);
    p->users--;
    p->strict -= strict;
    p->bound -= bound;
    if (p->users) return;
    table_remove(&s->ports, &p->link, hash_number(s, number));
    mem_free(&s->mem, MEM_TABLE, p, sizeof(*p));
}

/* RFC 6056 3.3.3, double hashing in its simple form: start at a keyed random place, then step on. */
static uint16_t pick(struct mytcp_stack *s, ip4_addr peer, uint16_t peer_port,
                     bool (*usable)(struct mytcp_stack *, uint16_t, ip4_addr, uint16_t))
{
    struct isn_tuple tuple = {s->addr, peer, 0, peer_port};
    uint32_t range = s->config.port_max - s->config.port_min + 1;
    uint32_t start = isn_port_start(&s->keys, &tuple, s->connects++);
    for (uint32_t i = 0; i < range; i++) {
        uint16_t number = (uint16_t)(s->config.port_min + (start + i) % range);
        if (usable(s, number, peer, peer_port)) return number;
    }
    return 0;
}

static bool usable_free(struct mytcp_stack *s, uint16_t number, ip4_addr peer, uint16_t peer_port)
{
    (void)peer;
    (void)peer_port;
    return !port_find(s, number);
}

static bool usable_connect(struct mytcp_stack *s, uint16_t number, ip4_addr peer, uint16_t peer_port)
{
    struct port *p = port_find(s, number);
    return !p || (!p->listener && !p->bound && !node_find(s, s->addr, number, peer, peer_port));
}

/* When none is usable_connect: each is somebody's, by listen(), by bind(), or by that very tuple. */
static bool usable_after(struct mytcp_stack *s, uint16_t number, ip4_addr peer, uint16_t peer_port)
{
    struct port *p = port_find(s, number);
    return !p->listener && !p->bound && tw_outlived(s, node_find(s, s->addr, number, peer, peer_port));
}

uint16_t port_pick_free(struct mytcp_stack *s) { return pick(s, (ip4_addr){0}, 0, usable_free); }

uint16_t port_pick_connect(struct mytcp_stack *s, ip4_addr peer, uint16_t peer_port)
{
    uint16_t number = pick(s, peer, peer_port, usable_connect);
    return number ? number : pick(s, peer, peer_port, usable_after);
}
