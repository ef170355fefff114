#include "fuzz/lib/world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "fuzz/lib/device.h"
#include "util/bytes.h"
#include "wire/icmp.h"
#include "wire/tcp.h"

enum { DRAIN_MAX = 100000, ALLOC_MAX = 64 << 20 };

const uint8_t *world_bytes(bool ours, uint32_t seq)
{
    return tape(seq + (ours ? TAPE_BYTES / 2 + 1 : 0));
}

/* ---- memory ---- */

static void *take(void *ctx, size_t size)
{
    struct world *w = ctx;
    w->allocs++;
    if (size > ALLOC_MAX || (w->refuse_one_in && w->allocs % w->refuse_one_in == 0))
        return NULL;
    void *memory = malloc(size);
    CHECK(memory, "the fuzzer has no memory");
    memset(memory, w->fill, size);
    w->held_bytes += size;
    w->blocks++;
    return memory;
}

static void give_back(void *ctx, void *memory, size_t size)
{
    struct world *w = ctx;
    CHECK(w->blocks && w->held_bytes >= size, "released more than was taken");
    w->held_bytes -= size;
    w->blocks--;
    free(memory);
}

/* ---- life and death ---- */

void world_config(struct world *w)
{
    struct mytcp_config *c = &w->config;
    mytcp_config_init(c);
    c->addr.s_addr = htonl(OUR_ADDR);
    memset(c->entropy, 7, sizeof(c->entropy));
    c->alloc = take;
    c->release = give_back;
    c->alloc_ctx = w;
    c->memory_limit_bytes = 4 << 20;
    c->rcvbuf_bytes = c->sndbuf_bytes = 1 << 16;
    c->rcvbuf_max_bytes = c->sndbuf_max_bytes = 1 << 18;
    w->to_us = OUR_ADDR;
    w->now_us = 5 * SEC;
    for (unsigned i = 0; i < PEERS; i++)
        w->peer[i] = (struct peer){.addr = OUR_ADDR + 1 + i % 3,
                                   .port = (uint16_t)(1000 + i),
                                   .local_port = (uint16_t)(LISTEN_PORT + i / 3),
                                   .next = 0u - 100 + i,
                                   .window = 500};
}

bool world_start(struct world *w)
{
    w->stack = mytcp_create(&w->config, w->now_us);
    if (!w->stack)
        CHECK(w->blocks == 0, "a stack that was refused leaves memory behind");
    return w->stack;
}

void world_stop(struct world *w)
{
    mytcp_destroy(w->stack);
    CHECK(w->blocks == 0 && w->held_bytes == 0, "%llu blocks were never released",
          (unsigned long long)w->blocks);
}

/* ---- checks of the state ---- */

static bool before(uint32_t a, uint32_t b)
{
    return a - b > UINT32_MAX / 2;
}

/* One connection as the application sees it: what never goes back. */
static void check_end(struct world *w, struct end *e)
{
    struct mytcp_conn_info i;
    if (mytcp_conn_info_get(w->stack, e->fd, &i) || i.state == TCP_LISTEN)
        return;
    uint32_t edge = i.rcv_nxt + i.rcv_wnd;
    if (!e->known || e->iss != i.iss || e->irs != i.irs) {
        bool same = e->known && e->iss == i.iss; /* the peer's SYN came */
        *e = (struct end){.fd = e->fd,
                          .iss = i.iss,
                          .irs = i.irs,
                          .known = true,
                          .written = same ? e->written : 0};
    } else if (i.state != TCP_CLOSE) {
        CHECK(!before(i.snd_una, e->snd_una), "SND.UNA went back");
        CHECK(!before(i.rcv_nxt, e->rcv_nxt), "RCV.NXT went back");
        CHECK(!before(edge, e->edge) || i.state != TCP_ESTABLISHED, "the window's edge went back");
    }
    if (i.state == TCP_CLOSE)
        e->written = 0; /* a new connect at the same time has the same ISS */
    e->snd_una = i.snd_una;
    e->rcv_nxt = i.rcv_nxt;
    e->edge = edge;
}

/* U1, with the sanitizers; what a packet costs is measured in tests/costs. */
void world_check(struct world *w)
{
    struct mytcp_stats stats;
    const char *broken = mytcp_check(w->stack);
    CHECK(!broken, "%s", broken);
    CHECK(mytcp_stats_get(w->stack, &stats) == 0, "stats");
    CHECK(stats.memory_bytes <= w->config.memory_limit_bytes, "above the ceiling");
    CHECK(stats.memory_bytes == w->held_bytes, "%llu bytes charged, %llu held",
          (unsigned long long)stats.memory_bytes, (unsigned long long)w->held_bytes);
    for (unsigned i = 0; i < w->ends; i++)
        check_end(w, &w->end[i]);
}

/* ---- packets out ---- */

static void see(struct world *w, const struct tcp_segment *s, const uint8_t *bytes, uint32_t len)
{
    for (unsigned i = 0; i < PEERS; i++) {
        struct peer *p = &w->peer[i];
        if (p->addr != s->dst.v || p->port != s->dst_port || (s->flags & TCP_RST))
            continue;
        p->heard = true;
        p->local_port = s->src_port;
        p->flags = s->flags;
        p->seq = s->seq.v;
        p->end = s->seq.v + tcp_segment_space(s);
        p->has_ts = s->has_ts;
        p->tsval = s->tsval;
        if (s->flags & TCP_ACK)
            p->ack = s->ack.v;
        p->quote_len = len < sizeof(p->quote) ? len : (uint32_t)sizeof(p->quote);
        memcpy(p->quote, bytes, p->quote_len);
    }
}

static void check_tcp(struct world *w, const struct mytcp_tx *tx, const struct ip4_header *ip,
                      uint8_t *bytes)
{
    struct tcp_segment s;
    uint8_t *data = bytes + ip->header_len;
    size_t len = (size_t)ip->total_len - ip->header_len;
    CHECK(tcp_parse(&s, ip, data, len) == DROP_NONE, "a segment that does not parse");
    if (tx->needs_csum) {
        uint8_t want[20 + 40];
        unsigned header = (unsigned)(len - s.len);
        memcpy(want, data, header);
        tcp_fill_partial_checksum(want, header, &s);
        CHECK(memcmp(want + 16, data + 16, 2) == 0, "partial checksum");
        CHECK(tx->csum_start == ip->header_len && tx->csum_offset == 16, "its place");
    } else {
        CHECK(tcp_checksum_ok(ip, data, len), "TCP checksum");
    }
    if (tx->gso_size) {
        CHECK(tx->needs_csum && w->config.tx_csum && s.len > tx->gso_size, "super-segment");
        CHECK(tx->len_bytes <= w->config.gso_max_bytes && tx->hdr_len == tx->len_bytes - s.len,
              "GSO");
        CHECK(!(s.flags & (TCP_SYN | TCP_RST | TCP_URG)), "a super-segment with SYN, RST or URG");
    }
    CHECK((s.flags & (TCP_SYN | TCP_ACK | TCP_RST)) != 0, "no flag that every segment has");
    CHECK(!(s.flags & TCP_SYN) || !(s.flags & (TCP_FIN | TCP_RST)), "SYN with FIN or RST");
    CHECK(!(s.flags & (TCP_SYN | TCP_RST)) || s.len == 0, "SYN or RST with data");
    CHECK(memcmp(s.payload, world_bytes(true, s.seq.v), s.len) == 0, "wrong bytes sent at %u",
          s.seq.v);
    see(w, &s, bytes, ip->total_len);
}

static void check_sent(struct world *w, const struct mytcp_tx *tx)
{
    uint32_t len = 0;
    uint8_t *bytes = malloc(tx->len_bytes);
    CHECK(bytes && tx->iovcnt > 0 && tx->iovcnt <= MYTCP_TX_IOV, "iovecs");
    for (int i = 0; i < tx->iovcnt; i++) {
        CHECK(len + tx->iov[i].iov_len <= tx->len_bytes, "len_bytes is not the iovecs' sum");
        memcpy(bytes + len, tx->iov[i].iov_base, tx->iov[i].iov_len);
        len += (uint32_t)tx->iov[i].iov_len;
    }
    for (uint32_t i = 0; i + 4 <= len; i += 4)
        w->sent_hash = (w->sent_hash ^ load_be32(bytes + i)) * UINT64_C(0x100000001b3);
    if (w->device)
        device_out(w->device, tx, bytes);
    struct ip4_header ip;
    struct icmp_message m;
    CHECK(len == tx->len_bytes, "len_bytes is not the iovecs' sum");
    CHECK(ip4_parse(&ip, bytes, len) == DROP_NONE && ip.total_len == len, "IPv4 header");
    CHECK(ip.header_len == 20 && ip.id == 0 && ip.dont_fragment && !ip.more_fragments,
          "IPv4 header");
    CHECK(ip.src.v == OUR_ADDR && ip4_is_unicast(ip.dst) && ip.ttl == w->config.ttl, "addresses");
    CHECK(tx->gso_size || len <= w->config.mtu_bytes || w->config.mtu_bytes < 128, "above the MTU");
    if (ip.protocol == IP4_PROTO_TCP)
        check_tcp(w, tx, &ip, bytes);
    else
        CHECK(ip.protocol == IP4_PROTO_ICMP && icmp_parse(&m, bytes + 20, len - 20) == DROP_NONE,
              "ICMP");
    free(bytes);
}

void world_drain(struct world *w)
{
    struct mytcp_tx tx;
    w->sent = 0;
    while (mytcp_output(w->stack, &tx, w->now_us) == 1) {
        check_sent(w, &tx);
        CHECK(++w->sent < DRAIN_MAX, "output never ends");
    }
    w->quiet_until_us = mytcp_next_deadline(w->stack);
    CHECK(w->quiet_until_us > w->now_us, "a deadline that is due after output had nothing");
}

void world_pass(struct world *w, uint64_t us)
{
    world_drain(w);
    uint64_t quiet_until_us = w->quiet_until_us;
    w->now_us += us;
    world_drain(w);
    CHECK(w->now_us >= quiet_until_us || w->sent == 0, "sent before its deadline");
    world_check(w);
}

/* ---- the application ---- */

void world_remember(struct world *w, int fd)
{
    if (fd >= 0)
        w->end[w->ends < FDS ? w->ends++ : (unsigned)fd % FDS] = (struct end){.fd = fd};
    world_check(w);
}

void world_listen(struct world *w, uint16_t port, int backlog)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = mytcp_socket(w->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    world_remember(w, fd);
    mytcp_bind(w->stack, fd, (struct sockaddr *)&any, sizeof(any));
    mytcp_listen(w->stack, fd, backlog);
}

void world_send(struct world *w, struct end *e, uint32_t len, int flags)
{
    uint8_t *data = malloc(len + !len);
    CHECK(data, "the fuzzer has no memory");
    check_end(w, e);
    memcpy(data, world_bytes(true, e->iss + 1 + e->written), len);
    ssize_t n = mytcp_send(w->stack, e->fd, data, len, flags);
    CHECK(n <= (ssize_t)len, "took more than there is");
    if (n > 0)
        e->written += (uint32_t)n;
    free(data);
}

void world_reserve(struct world *w, struct end *e, uint32_t want, uint32_t commit)
{
    struct iovec iov[4];
    memset(iov, 0, sizeof(iov));
    check_end(w, e);
    ssize_t n = mytcp_reserve(w->stack, e->fd, iov, 4, want);
    uint32_t done = 0;
    for (int i = 0; n > 0 && done < (uint32_t)n; i++) {
        CHECK(i < 4, "more reserved than the iovecs hold");
        memcpy(iov[i].iov_base, world_bytes(true, e->iss + 1 + e->written + done), iov[i].iov_len);
        done += (uint32_t)iov[i].iov_len;
    }
    commit = commit > done ? done : commit;
    if (n > 0 && mytcp_commit(w->stack, e->fd, commit) == 0)
        e->written += commit;
}

static void check_received(const struct world *w, const struct end *e, const uint8_t *got,
                           size_t len, uint32_t skip)
{
    uint32_t seq = e->irs + 1 + e->read + skip;
    CHECK(w->spoilt || memcmp(got, world_bytes(false, seq), len) == 0, "wrong bytes received at %u",
          seq);
}

void world_recv(struct world *w, struct end *e, uint32_t len, int flags)
{
    uint8_t *data = malloc(len + !len);
    CHECK(data, "the fuzzer has no memory");
    check_end(w, e);
    ssize_t n = mytcp_recv(w->stack, e->fd, data, len, flags);
    CHECK(n <= (ssize_t)len, "gave more than there is room for");
    if (n > 0 && !(flags & MSG_TRUNC))
        check_received(w, e, data, (size_t)n, 0);
    if (n > 0 && !(flags & MSG_PEEK))
        e->read += (uint32_t)n;
    free(data);
}

void world_peek(struct world *w, struct end *e, uint32_t consume)
{
    struct iovec iov[4];
    memset(iov, 0, sizeof(iov));
    check_end(w, e);
    ssize_t n = mytcp_peek(w->stack, e->fd, iov, 4);
    uint32_t done = 0;
    for (int i = 0; n > 0 && done < (uint32_t)n; i++) {
        CHECK(i < 4, "more than the iovecs hold");
        check_received(w, e, iov[i].iov_base, iov[i].iov_len, done);
        done += (uint32_t)iov[i].iov_len;
    }
    consume = consume > done ? done : consume;
    if (n > 0 && consume) {
        CHECK(mytcp_consume(w->stack, e->fd, consume) == 0, "consume");
        e->read += consume;
    }
}
