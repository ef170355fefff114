/* The network: what becomes of a packet between one stack and the other. What befalls the n-th packet
 * of a direction is a function of the seed and n alone. In a run by a list (less.h) it is what the
 * list says of that very packet, so that one misfortune goes and the others stay where they are. */
#include <arpa/inet.h>
#include <stdlib.h>

#include "sim.h"

static const char ROUTER[] = "10.0.0.254";

struct fate {
    struct misfortune bad;
    uint32_t jitter_us;
};

static bool is_burst(struct link *l, struct rng *r)
{
    if (l->burst_left == 0 && rng_chance(r, l->faults.burst_ppm)) {
        l->burst_left = rng_u32(r, 1, l->faults.burst_len);
    }
    if (l->burst_left == 0) {
        return false;
    }
    l->burst_left--;
    return true;
}

/* What was drawn befalls the packet; or what the list says of it. */
static void befall(struct world *w, uint32_t from, const struct packet *p, struct misfortune *m)
{
    const struct setup *s = w->setup;
    uint32_t times = 0;
    if (s->less != NULL || s->planted != 0) {
        m->what = watch_name(&w->host[from], p, &times);
    }
    if (s->planted != 0 && times == s->planted && p->len > 100) {
        sim_fail(w, "planted");
    }
    bool listed = s->less != NULL && s->less->listed;
    bool any = m->lost || m->marked || m->dup_us != 0 || m->corrupt || m->late_us != 0;
    if ((!any && !listed) || !sim_misfortune(w, m)) {
        *m = (struct misfortune){0};
        return;
    }
    sim_happened(w, 0, "packet %llu of host %u is%s%s%s%s%s",
                 (unsigned long long)w->link[from].packets - 1, from, m->lost ? " lost" : "",
                 m->marked ? " marked" : "", m->dup_us != 0 ? " doubled" : "",
                 m->corrupt ? " damaged" : "", m->late_us != 0 ? " late" : "");
}

static struct fate draw(struct world *w, uint32_t from, const struct packet *p)
{
    struct link *l = &w->link[from];
    const struct faults *f = &l->faults;
    uint64_t n = l->packets++;
    struct rng r = rng_make(l->seed, n);
    struct fate fate = {.jitter_us = f->jitter_us != 0 ? rng_u32(&r, 0, f->jitter_us) : 0};
    struct misfortune *m = &fate.bad;
    bool burst = is_burst(l, &r);
    m->lost = rng_chance(&r, f->loss_ppm) || burst ||
              (f->loss_every != 0 && n % f->loss_every == f->loss_every / 2);
    m->marked = rng_chance(&r, f->mark_ppm);
    m->dup_us = rng_chance(&r, f->dup_ppm) ? rng_u32(&r, 1, 50 * MS) : 0;
    m->corrupt = rng_chance(&r, f->corrupt_ppm);
    m->late_us = rng_chance(&r, f->reorder_ppm) ? rng_u32(&r, 1, f->reorder_us) : 0;
    m->lost = m->lost && n >= f->spared;
    m->draw = (uint32_t)n;
    befall(w, from, p, m);
    m->lost = m->lost || f->cut;
    return fate;
}

static void deliver(struct world *w, struct link *l, uint32_t to, struct packet *p,
                    const struct fate *fate, uint64_t sent_us)
{
    uint64_t at = sent_us + l->faults.delay_us + fate->jitter_us;
    if (fate->bad.late_us != 0) {
        at += fate->bad.late_us;
    } else {
        at = at < l->last_us ? l->last_us : at;
        l->last_us = at;
    }
    if (l->faults.batch_us != 0) {
        at += l->faults.batch_us - at % l->faults.batch_us;
    }
    events_add(&w->events, at, EVENT_PACKET, to, p);
}

/* Damage that a checksum must find: bits flipped within a run of 15, or the end missing. Padding
 * behind the packet is no damage: it must be ignored. */
static struct packet *corrupted(struct rng *r, struct packet *p)
{
    uint64_t kind = rng_range(r, 0, 9);
    struct packet *c;
    if (kind == 0) {
        c = packet_copy(p, rng_u32(r, 0, p->len - 1));
    } else if (kind == 1) {
        c = packet_copy(p, p->len + rng_u32(r, 1, 46));
    } else {
        c = packet_copy(p, p->len);
        uint32_t first = rng_u32(r, 0, 8 * p->len - 1);
        uint32_t bits = kind < 5 ? 1 : rng_u32(r, 1, 0x7fff) | 1;
        for (uint32_t i = 0; i < 15 && first + i < 8 * p->len; i++) {
            uint32_t at = first + i;
            c->data[at / 8] ^= (uint8_t)(((bits >> i) & 1) << (7 - at % 8));
        }
    }
    free(p);
    return c;
}

/* When the last byte is on the wire, or false if the queue before it is full. */
static bool queue_in(struct world *w, struct link *l, uint32_t len, uint64_t *sent_us)
{
    uint64_t rate = l->faults.rate_bytes_per_s, now_ns = 1000 * w->now_us;
    *sent_us = w->now_us;
    if (rate == 0) {
        return true;
    }
    uint64_t start_ns = l->free_ns > now_ns ? l->free_ns : now_ns;
    uint64_t waiting = (start_ns - now_ns) / 1000 * rate / SECOND;
    if (waiting != 0 && waiting + len > l->faults.queue_bytes) {
        return false;
    }
    l->free_ns = start_ns + len * 1000000000ull / rate;
    *sent_us = l->free_ns / 1000 + 1;
    return true;
}

/* The packet is too long for the link: its router says so, if it does, and if that gets through. */
static void too_long(struct world *w, uint32_t from, const struct packet *p)
{
    if (!w->link[from].faults.silent && !draw(w, 1 - from, p).bad.lost) {
        uint16_t mtu = (uint16_t)w->link[from].faults.mtu;
        events_add(&w->events, w->now_us + w->link[from].faults.delay_us, EVENT_PACKET, from,
                   packet_frag_needed(p, inet_addr(ROUTER), mtu));
    }
}

static void send_one(struct world *w, uint32_t from, struct packet *p)
{
    struct link *l = &w->link[from];
    uint64_t sent_us;
    struct fate fate = draw(w, from, p);
    w->wire_packets++;
    uint32_t size = p->len;
    if (p->gso_size != 0) {
        size = p->gso_size + 20u + (p->data[32] >> 4) * 4u; /* of one piece */
    }
    bool long_one = l->faults.mtu != 0 && size > l->faults.mtu;
    if (packet_dst(p) != host_address(1 - from) || fate.bad.lost || long_one ||
        !queue_in(w, l, p->len, &sent_us)) {
        if (long_one && !fate.bad.lost) {
            too_long(w, from, p);
        }
        free(p);
        return;
    }
    if (fate.bad.marked) {
        packet_mark(p);
    }
    if (fate.bad.dup_us != 0) {
        events_add(&w->events, sent_us + l->faults.delay_us + fate.bad.dup_us, EVENT_PACKET, 1 - from,
                   packet_copy(p, p->len));
    }
    if (fate.bad.corrupt) {
        struct rng bits = rng_make(l->seed + 1, fate.bad.draw);
        p = corrupted(&bits, p);
    }
    deliver(w, l, 1 - from, p, &fate, sent_us);
}

void link_send(struct world *w, uint32_t from, struct packet *p)
{
    if (w->setup->local) {
        send_one(w, from, p);
        return;
    }
    if (p->gso_size == 0) {
        packet_finish_checksum(p);
        send_one(w, from, p);
        return;
    }
    struct packet *piece;
    for (uint32_t i = 0; (piece = packet_piece(p, i)) != NULL; i++) {
        send_one(w, from, piece);
    }
    free(p);
}

void link_flood(struct world *w)
{
    uint32_t src = htonl(0x0a010000u + rng_u32(&w->flood_rng, 1, 0xfffe));
    uint16_t sport = rng_u32(&w->flood_rng, 1, 65535) & 0xffff;
    struct packet *p = packet_syn(src, host_address(1), sport, SERVER_PORT,
                                  (uint32_t)rng_next(&w->flood_rng));
    events_add(&w->events, w->now_us, EVENT_PACKET, 1, p);
}
