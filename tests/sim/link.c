/* The network: what becomes of a packet between one stack and the other. */
#include <arpa/inet.h>
#include <stdlib.h>

#include "sim.h"

static const char ROUTER[] = "10.0.0.254";

static void deliver(struct world *w, struct link *l, uint32_t to, struct packet *p,
                    uint64_t sent_us)
{
    const struct faults *f = &l->faults;
    uint64_t at = sent_us + f->delay_us;
    if (f->jitter_us != 0) {
        at += rng_range(&l->rng, 0, f->jitter_us);
    }
    if (rng_chance(&l->rng, f->reorder_ppm)) {
        at += rng_range(&l->rng, 1, f->reorder_us);
    } else {
        at = at < l->last_us ? l->last_us : at;
        l->last_us = at;
    }
    if (f->batch_us != 0) {
        at += f->batch_us - at % f->batch_us;
    }
    events_add(&w->events, at, EVENT_PACKET, to, p);
}

/* Damage that a checksum must find: bits flipped within a run of 15, or the end missing. Padding
 * behind the packet is no damage: it must be ignored. */
static struct packet *corrupted(struct link *l, struct packet *p)
{
    uint64_t kind = rng_range(&l->rng, 0, 9);
    struct packet *c;
    if (kind == 0) {
        c = packet_copy(p, rng_u32(&l->rng, 0, p->len - 1));
    } else if (kind == 1) {
        c = packet_copy(p, p->len + rng_u32(&l->rng, 1, 46));
    } else {
        c = packet_copy(p, p->len);
        uint32_t first = rng_u32(&l->rng, 0, 8 * p->len - 1);
        uint32_t bits = kind < 5 ? 1 : rng_u32(&l->rng, 1, 0x7fff) | 1;
        for (uint32_t i = 0; i < 15 && first + i < 8 * p->len; i++) {
            uint32_t at = first + i;
            c->data[at / 8] ^= (uint8_t)(((bits >> i) & 1) << (7 - at % 8));
        }
    }
    free(p);
    return c;
}

static bool is_lost(struct link *l)
{
    if (l->faults.cut) {
        return true;
    }
    if (l->burst_left == 0 && rng_chance(&l->rng, l->faults.burst_ppm)) {
        l->burst_left = rng_u32(&l->rng, 1, l->faults.burst_len);
    }
    if (l->burst_left != 0) {
        l->burst_left--;
        return true;
    }
    return rng_chance(&l->rng, l->faults.loss_ppm);
}

/* When the last byte is on the wire, or false if the queue before it is full. */
static bool queue_in(struct world *w, struct link *l, uint32_t len, uint64_t *sent_us)
{
    *sent_us = w->now_us;
    if (l->faults.rate_bytes_per_s == 0) {
        return true;
    }
    uint64_t start = l->free_us > w->now_us ? l->free_us : w->now_us;
    uint64_t waiting = (start - w->now_us) * l->faults.rate_bytes_per_s / SECOND;
    if (waiting != 0 && waiting + len > l->faults.queue_bytes) {
        return false;
    }
    l->free_us = start + (uint64_t)len * SECOND / l->faults.rate_bytes_per_s + 1;
    *sent_us = l->free_us;
    return true;
}

static void send_one(struct world *w, uint32_t from, struct packet *p)
{
    struct link *l = &w->link[from];
    uint64_t sent_us;
    w->wire_packets++;
    if (packet_dst(p) != host_address(1 - from) || is_lost(l)) {
        free(p);
        return;
    }
    uint32_t size = p->len;
    if (p->gso_size != 0) {
        size = p->gso_size + 20u + (p->data[32] >> 4) * 4u; /* of one piece */
    }
    if (l->faults.mtu != 0 && size > l->faults.mtu) {
        if (!is_lost(&w->link[1 - from])) {
            struct packet *icmp = packet_frag_needed(p, inet_addr(ROUTER), (uint16_t)l->faults.mtu);
            events_add(&w->events, w->now_us + l->faults.delay_us, EVENT_PACKET, from, icmp);
        }
        free(p);
        return;
    }
    if (!queue_in(w, l, p->len, &sent_us)) {
        free(p);
        return;
    }
    if (rng_chance(&l->rng, l->faults.mark_ppm)) {
        packet_mark(p);
    }
    if (rng_chance(&l->rng, l->faults.dup_ppm)) {
        uint64_t later = sent_us + l->faults.delay_us + rng_range(&l->rng, 0, 50 * MS);
        events_add(&w->events, later, EVENT_PACKET, 1 - from, packet_copy(p, p->len));
    }
    if (rng_chance(&l->rng, l->faults.corrupt_ppm)) {
        p = corrupted(l, p);
    }
    deliver(w, l, 1 - from, p, sent_us);
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
    struct rng *r = &w->link[0].rng;
    uint32_t src = htonl(0x0a010000u + rng_u32(r, 1, 0xfffe));
    struct packet *p = packet_syn(src, host_address(1), (uint16_t)rng_u32(r, 1, 65535), SERVER_PORT,
                                  (uint32_t)rng_next(r));
    events_add(&w->events, w->now_us, EVENT_PACKET, 1, p);
}
