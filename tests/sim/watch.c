/* The oracle on the wire: every packet that a stack sends is well-formed, keeps to what was
 * negotiated, never moves its window's right edge or its acknowledgement back, and carries the
 * bytes that the application wrote. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

static int32_t distance(uint32_t from, uint32_t to)
{
    return (int32_t)(to - from);
}

static struct flow *flow_find(struct world *w, uint32_t host, uint16_t lport, uint16_t rport)
{
    uint32_t bucket = ((uint32_t)lport * 31 + rport * 17u + host) % FLOW_BUCKETS;
    struct flow *f = w->flows[bucket];
    while (f != NULL && (f->host != host || f->lport != lport || f->rport != rport)) {
        f = f->next;
    }
    if (f == NULL) {
        f = calloc(1, sizeof(*f));
        if (f == NULL) {
            abort();
        }
        f->host = host;
        f->lport = lport;
        f->rport = rport;
        f->next = w->flows[bucket];
        w->flows[bucket] = f;
    }
    return f;
}

void watch_free(struct world *w)
{
    for (uint32_t i = 0; i < FLOW_BUCKETS; i++) {
        for (struct flow *f = w->flows[i], *next; f != NULL; f = next) {
            next = f->next;
            free(f);
        }
    }
}

static const char *check_form(struct host *h, const struct packet *p, const struct mytcp_tx *tx,
                              const struct segment *s)
{
    uint32_t mtu = h->mtu;
    if (p->len != tx->len_bytes || tx->iovcnt > MYTCP_TX_IOV) {
        return "iovecs that do not sum up";
    }
    if (s->src != host_address(h->index)) {
        return "a foreign source address";
    }
    if (tx->gso_size == 0 && p->len > mtu) {
        return "more than the MTU";
    }
    if (tx->gso_size != 0 && (p->len > h->config.gso_max_bytes || !tx->needs_csum ||
                              s->header_len + (uint32_t)tx->gso_size > mtu ||
                              s->payload_len <= tx->gso_size ||
                              (s->flags & (TH_SYN | TH_RST | TH_URG)) != 0)) {
        return "an illegal super-segment";
    }
    if (tx->needs_csum &&
        (h->config.tx_csum == 0 || tx->csum_start != 20 || tx->csum_offset != 16)) {
        return "an illegal partial checksum";
    }
    if ((tx->needs_csum || tx->gso_size != 0) && tx->hdr_len != s->header_len) {
        return "a wrong hdr_len";
    }
    if (s->reserved != 0 || s->sport == 0 || s->dport == 0) {
        return "reserved bits, or port 0";
    }
    uint8_t control = s->flags & (TH_SYN | TH_FIN | TH_RST);
    if ((control & (control - 1)) != 0 || (s->flags & (TH_SYN | TH_RST | TH_ACK)) == 0) {
        return "an illegal combination of flags";
    }
    if ((s->flags & TH_URG) == 0 && s->urgent != 0) {
        return "an urgent pointer without URG";
    }
    if ((s->flags & TH_SYN) == 0 && (s->mss != 0 || s->wscale >= 0 || s->sack_ok)) {
        return "a SYN's options without SYN";
    }
    if ((s->flags & (TH_SYN | TH_RST)) != 0 && (s->payload_len != 0 || s->sack_count != 0)) {
        return "a SYN or RST with payload or SACK";
    }
    if ((s->flags & TH_ACK) == 0 && s->ack != 0) {
        return "an acknowledgement without ACK";
    }
    return packet_check_sums(p);
}

static const char *see_syn(struct flow *f, const struct segment *s, struct world *w)
{
    if (!f->syn_seen || f->iss != s->seq) {
        struct flow *next = f->next;
        uint32_t host = f->host;
        memset(f, 0, sizeof(*f));
        f->next = next;
        f->host = host;
        f->lport = s->sport;
        f->rport = s->dport;
        f->syn_seen = true;
        f->iss = f->seq_max = s->seq;
        f->ts_first = s->tsval;
        f->endpoint = app_find(w, host, s->sport, s->dport);
        if (f->endpoint != NULL && f->endpoint->conn->index == 0) {
            w->iss[host] = s->seq;
        }
    }
    f->wscale = s->wscale;
    f->ts = s->has_ts;
    f->mss = s->mss > f->mss ? s->mss : f->mss; /* the MTU may change, the SYN go again */
    f->syn_window = s->window;
    if (s->mss == 0) {
        return "a SYN without MSS";
    }
    return NULL;
}

/* Acknowledgement and window. */
static const char *see_ack(struct flow *f, const struct flow *peer, const struct segment *s)
{
    bool syn = (s->flags & TH_SYN) != 0;
    if (f->peer_gone || f->peer_fin_acked || !peer->syn_seen) {
        return NULL;
    }
    if (syn && !f->edge_known && distance(peer->iss + 1, s->ack) < 0) {
        f->peer_gone = true; /* it answers the SYN of a connection before this, which came late, or twice */
        return NULL;
    }
    if (!syn && !f->data_seen) {
        f->data_seen = true;
        f->scaled = f->wscale >= 0 && peer->wscale >= 0;
        f->peer_ts = f->ts && peer->ts;
    }
    if (!f->edge_known) {
        f->edge_known = true;
        f->ack = peer->iss + 1;
        f->edge = f->ack + f->syn_window;
    }
    if (syn && f->data_seen) {
        return NULL; /* a SYN,ACK again: it says what it said before */
    }
    uint32_t window = (uint32_t)s->window << (!syn && f->scaled ? f->wscale : 0);
    if (distance(f->ack, s->ack) < 0) {
        return "an acknowledgement that moves back";
    }
    if (peer->fin_seen && s->ack == peer->fin_seq + 1) {
        f->peer_fin_acked = true; /* from here on the window means nothing */
        return NULL;
    }
    if (distance(f->edge, s->ack + window) < 0) {
        return "a window whose right edge moves back";
    }
    f->ack = s->ack;
    f->edge = s->ack + window;
    for (unsigned i = 0; i < s->sack_count; i++) {
        const struct segment_sack *b = &s->sack[i];
        bool dsack = i == 0 && distance(s->ack, b->right) <= 0;
        if (distance(b->left, b->right) <= 0 || distance(f->edge, b->right) > 1 ||
            distance(peer->seq_max, b->right) > 0 ||
            (!dsack && distance(s->ack, b->left) <= 0)) {
            return "a SACK block of what cannot have come";
        }
    }
    return NULL;
}

static const char *see_payload(struct world *w, struct flow *f, const struct flow *peer,
                               const struct segment *s, const struct mytcp_tx *tx)
{
    uint32_t piece = tx->gso_size != 0 ? tx->gso_size : s->payload_len;
    uint32_t end = s->seq + s->payload_len;
    f->seq_max = distance(f->seq_max, end) > 0 ? end : f->seq_max;
    if (peer->mss != 0 && piece + s->options_len > (peer->mss > 88 ? peer->mss : 88u)) {
        return "more payload than the peer's MSS allows";
    }
    if (peer->edge_known && distance(peer->edge, end) > (s->payload_len == 1 ? 1 : 0) &&
        s->payload_len != 0) {
        return "data beyond the peer's window";
    }
    if (f->endpoint == NULL || s->payload_len == 0) {
        return NULL;
    }
    uint64_t offset = s->seq - f->iss - 1;
    if (distance(f->iss + 1, s->seq) < 0) {
        return s->payload_len <= 1 ? NULL : "data before the stream";
    }
    if (offset + s->payload_len > f->endpoint->sent) {
        return "bytes that nobody wrote";
    }
    for (uint32_t at = 0; at < s->payload_len; at += SCRATCH_BYTES) {
        uint32_t n = s->payload_len - at < SCRATCH_BYTES ? s->payload_len - at : SCRATCH_BYTES;
        if (pattern_check(w, f->endpoint->key, offset + at, s->payload + at, n) != n) {
            return "wrong bytes at their place in the stream";
        }
    }
    return NULL;
}

static const char *check_flow(struct host *h, const struct segment *s, const struct mytcp_tx *tx)
{
    struct world *w = h->world;
    if (s->dst != host_address(1 - h->index) || (s->flags & TH_RST) != 0) {
        return NULL;
    }
    struct flow *f = flow_find(w, h->index, s->sport, s->dport);
    struct flow *peer = flow_find(w, 1 - h->index, s->dport, s->sport);
    const char *bad = (s->flags & TH_SYN) != 0 ? see_syn(f, s, w) : NULL;
    if (bad != NULL || !f->syn_seen) {
        return bad;
    }
    if ((s->flags & TH_ACK) != 0 && (bad = see_ack(f, peer, s)) != NULL) {
        return bad;
    }
    if ((s->flags & TH_SYN) == 0 && f->data_seen && f->peer_ts != s->has_ts) {
        return "timestamps otherwise than negotiated";
    }
    if ((s->flags & TH_FIN) != 0) {
        uint32_t fin = s->seq + s->payload_len;
        if (f->fin_seen && f->fin_seq != fin) {
            return "a FIN that moves";
        }
        f->fin_seen = true;
        f->fin_seq = fin;
        f->seq_max = distance(f->seq_max, fin + 1) > 0 ? fin + 1 : f->seq_max;
    }
    if (f->fin_seen && distance(f->fin_seq, s->seq + s->payload_len) > 0 &&
        (s->payload_len != 0 || distance(f->fin_seq + 1, s->seq) > 0)) {
        return "a sequence number beyond the FIN";
    }
    return see_payload(w, f, peer, s, tx);
}

/* What is left of a packet when its connection's first numbers and timestamps could be any. */
static void note_shape(struct host *h, const struct packet *p, const struct segment *s)
{
    struct world *w = h->world;
    const struct flow *f = flow_find(w, h->index, s->sport, s->dport);
    const struct flow *peer = flow_find(w, 1 - h->index, s->dport, s->sport);
    bool known = s->dst == host_address(1 - h->index) && f->syn_seen && peer->syn_seen;
    bool ack = known && (s->flags & TH_ACK) != 0;
    bool seq = known && (s->seq != 0 || (s->flags & TH_RST) == 0); /* 0: RFC 9293 3.10.7.1 */
    uint32_t shape[16] = {h->index, s->sport, s->dport, s->flags, seq ? s->seq - f->iss : 0,
                          ack ? s->ack - peer->iss : 0, s->window, s->urgent, s->mss,
                          (uint32_t)s->wscale, s->has_ts ? s->tsval - f->ts_first : 0,
                          s->has_ts && ack ? s->tsecr - peer->ts_first : 0, s->sack_ok, p->gso_size,
                          s->options_len, s->payload_len};
    sim_hash(&w->shape, &w->now_us, sizeof(w->now_us));
    sim_hash(&w->shape, shape, sizeof(shape));
    for (unsigned i = 0; i < s->sack_count; i++) {
        uint32_t block[2] = {s->sack[i].left - peer->iss, s->sack[i].right - peer->iss};
        sim_hash(&w->shape, block, sizeof(block));
    }
}

void watch_packet(struct host *h, const struct packet *p, const struct mytcp_tx *tx)
{
    struct segment s;
    if (packet_is_icmp(p)) {
        return;
    }
    const char *bad = packet_parse(p, &s);
    if (bad == NULL) {
        bad = check_form(h, p, tx, &s);
    }
    if (bad == NULL) {
        bad = check_flow(h, &s, tx);
    }
    if (bad == NULL) {
        note_shape(h, p, &s);
    }
    if (bad != NULL) {
        sim_fail(h->world, "host %u sent %s: seq %u len %u ack %u win %u flags %02x", h->index, bad,
                 s.seq, s.payload_len, s.ack, s.window, s.flags);
    }
}

uint32_t watch_conn(struct world *w, uint32_t to, const struct packet *p)
{
    struct segment s;
    if (packet_is_icmp(p) || packet_parse(p, &s) != NULL) {
        return 0;
    }
    const struct endpoint *ep = app_find(w, to, s.dport, s.sport);
    return ep != NULL ? ep->conn->index + 1 : 0;
}

uint64_t watch_name(struct host *h, const struct packet *p, uint32_t *times)
{
    struct world *w = h->world;
    struct segment s;
    uint64_t name = 1 + h->index;
    if (!packet_is_icmp(p) && packet_parse(p, &s) == NULL) {
        const struct flow *f = flow_find(w, h->index, s.sport, s.dport);
        const struct flow *peer = flow_find(w, 1 - h->index, s.dport, s.sport);
        uint8_t control = s.flags & (TH_SYN | TH_FIN | TH_RST);
        bool bare = control == 0 && s.payload_len == 0;
        name = rng_mix(name << 16 | (f->endpoint != NULL ? f->endpoint->conn->index + 1 : 0));
        name = rng_mix(name ^ (uint64_t)control << 40 ^ (uint64_t)bare << 32 ^
                       (bare ? s.ack - peer->iss : s.seq - f->iss));
    }
    *times = ++w->named[name % NAME_BUCKETS];
    return rng_mix(name + *times) >> 32;
}
