/* Fuzz target: a stack with two listeners and up to six peers, connections in any state, packets
 * that are nearly right, socket calls and time between them. */
#include <arpa/inet.h>

#include "fuzz/lib/packet.h"

enum { STEPS_MAX = 120 };

static bool start(struct world *w, struct input *in)
{
    uint8_t a = take8(in), b = take8(in), m = take8(in);
    struct mytcp_config *c = &w->config;
    world_config(w);
    c->memory_limit_bytes = a & 1 ? 1 << 18 : 4 << 20;
    c->tx_csum = a >> 1 & 1;
    c->gso_max_bytes = a & 2 ? 65535 : 0;
    c->syn_cookies = a >> 2 & 1 ? 2 : a >> 3 & 1;
    c->syn_queue_max = a & 16 ? 1 : 1024;
    c->time_wait_max = a & 32 ? 1 : 65536;
    c->trace_entries = a & 64 ? 16 : 0;
    c->mtu_bytes = a & 128 ? 300 : 1500;
    c->timestamps = !(b & 1);
    c->sack = !(b & 2);
    c->window_scaling = !(b & 4);
    c->ooo_ranges_max = b & 8 ? 2 : 256;
    c->rcvbuf_bytes = b & 16 ? 256 : 1 << 16;
    c->sndbuf_bytes = b & 32 ? 256 : 1 << 16;
    c->icmp_per_s = b & 64 ? 1 : 1000;
    c->data_retries = c->syn_retries = b & 64 ? 2 : 15;
    c->pmtu_min_bytes = b & 128 ? 68 : 552;
    c->congestion = (m % 4 + 1u) % 3;
    c->ecn = m >> 2 & 3 ? (m >> 2 & 3u) - 1 : c->ecn;
    c->pacing = m >> 4 & 1;
    c->mtu_probing = m & 32 ? 2 : c->mtu_probing;
    c->quick_acks = m & 64 ? 0 : c->quick_acks;
    c->mtu_bytes = m & 128 ? 9000 : c->mtu_bytes;
    if (!world_start(w))
        return false;
    world_listen(w, LISTEN_PORT, 5);
    world_listen(w, LISTEN_PORT + 1, 0);
    return true;
}

/* ---- the application ---- */

static void connect_to(struct world *w, const struct peer *p)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(p->port)};
    to.sin_addr.s_addr = htonl(p->addr);
    int fd = mytcp_socket(w->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    mytcp_connect(w->stack, fd, (struct sockaddr *)&to, sizeof(to));
    world_remember(w, fd);
}

static void set_option(struct world *w, int fd, struct input *in)
{
    static const int names[][2] = {
        {IPPROTO_TCP, TCP_NODELAY},      {IPPROTO_TCP, TCP_CORK},
        {SOL_SOCKET, SO_KEEPALIVE},      {SOL_SOCKET, SO_RCVBUF},
        {SOL_SOCKET, SO_SNDBUF},         {IPPROTO_TCP, TCP_KEEPIDLE},
        {IPPROTO_TCP, TCP_USER_TIMEOUT}, {IPPROTO_TCP, TCP_MAXSEG},
        {IPPROTO_TCP, TCP_WINDOW_CLAMP}, {IPPROTO_TCP, TCP_DEFER_ACCEPT},
        {IPPROTO_TCP, TCP_QUICKACK},     {IPPROTO_TCP, TCP_LINGER2},
        {SOL_SOCKET, SO_RCVLOWAT},       {IPPROTO_TCP, TCP_NOTSENT_LOWAT},
        {SOL_SOCKET, SO_MAX_PACING_RATE}};
    const int *name = names[take8(in) % (sizeof(names) / sizeof(names[0]))];
    int value = (int)take_size(in, 12);
    mytcp_setsockopt(w->stack, fd, name[0], name[1], &value, sizeof(value));
}

static void call(struct world *w, struct input *in)
{
    uint8_t what = take8(in);
    struct end *e = &w->end[take8(in) % w->ends];
    switch (what % 11) {
    case 0:
        connect_to(w, &w->peer[what / 11 % PEERS]);
        break;
    case 1:
        world_remember(w, mytcp_accept(w->stack, e->fd, NULL, NULL, SOCK_NONBLOCK));
        break;
    case 2:
        world_send(w, e, take_size(in, 9), what & 128 ? MSG_MORE : what & 64 ? MSG_OOB : 0);
        break;
    case 3:
        world_recv(w, e, take_size(in, 9), what & 128 ? MSG_PEEK : what & 64 ? MSG_TRUNC : 0);
        break;
    case 4:
        mytcp_shutdown(w->stack, e->fd, what / 11 % 3);
        break;
    case 5:
        mytcp_close(w->stack, e->fd);
        break;
    case 6:
        set_option(w, e->fd, in);
        break;
    case 7: {
        uint32_t want = take_size(in, 9);
        world_reserve(w, e, want, take_size(in, 9));
        break;
    }
    case 8:
        world_peek(w, e, take_size(in, 9));
        break;
    case 9:
        mytcp_listen(w->stack, e->fd, take8(in));
        break;
    default: {
        struct linger l = {.l_onoff = 1, .l_linger = 0};
        mytcp_setsockopt(w->stack, e->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
    }
    }
    world_check(w);
}

/* ---- steps ---- */

static void pass(struct world *w, struct input *in)
{
    static const uint64_t steps[] = {1, MS, 41 * MS, 210 * MS, 1100 * MS, 61 * SEC, 7201 * SEC};
    uint8_t how = take8(in) % 8;
    world_drain(w);
    if (how < 7)
        world_pass(w, steps[how]);
    else if (w->quiet_until_us != MYTCP_NEVER_US)
        world_pass(w, w->quiet_until_us - w->now_us);
}

static void change(struct world *w, struct input *in)
{
    uint8_t how = take8(in);
    if (how < 128) {
        w->refuse_one_in = how < 64 ? 0 : how & 7;
        return;
    }
    w->config.mtu_bytes = 68 + take_size(in, 6);
    CHECK(mytcp_set_mtu(w->stack, w->config.mtu_bytes) == 0, "set_mtu");
    world_drain(w);
}

static void spoilt(struct world *w, struct peer *p, struct input *in, uint8_t how)
{
    struct packet k = packet_next(w, p, how & 64 ? take8(in) : 0, 0);
    for (unsigned i = 0; i <= (how & 3u); i++)
        packet_spoil(w, &k, p, in);
    packet_send(w, &k);
    if (how & 128) /* and it stands by it */
        p->next = k.seq + k.len + !!(k.flags & 1);
}

static void step(struct world *w, struct input *in)
{
    uint8_t what = take8(in), how = take8(in);
    struct peer *p = &w->peer[how % PEERS];
    switch (what % 8) {
    case 0:
        packet_answer(w, p, what & 128 ? take_size(in, 8) : 0, what & 64 ? 1 : 0);
        break;
    case 1:
        for (unsigned i = 0; i <= (what >> 6); i++)
            packet_answer_loss(w, p, what & 32);
        break;
    case 2:
        spoilt(w, p, in, what);
        break;
    case 3:
    case 4:
        call(w, in);
        break;
    case 5:
        pass(w, in);
        break;
    case 6:
        if (what & 128)
            change(w, in);
        else
            packet_send_icmp(w, p, in);
        break;
    default:
        if (what & 128) {
            p->window = take_size(in, 8) & UINT16_MAX;
        } else if (what & 64) {
            p->heard = false; /* it begins anew */
            p->next += take_distance(in);
        } else {
            size_t n = how;
            const uint8_t *bytes = take_bytes(in, &n);
            packet_send_raw(w, bytes, n, what & 32);
        }
    }
}

/* What came out, as a number. */
static uint64_t run(const uint8_t *data, size_t len, uint8_t fill)
{
    static struct world world;
    struct input in = {data, len};
    struct world *w = &world;
    world = (struct world){.fill = fill};
    if (!start(w, &in))
        return 0;
    for (unsigned i = 0; i < STEPS_MAX && in.left; i++)
        step(w, &in);
    world_drain(w);
    world_check(w);
    uint64_t digest = mytcp_digest(w->stack) ^ w->sent_hash;
    world_stop(w);
    return digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint64_t digest = run(data, len, 0xa5);
    if (len % 8 == 0)
        CHECK(run(data, len, 0) == digest, "it depends on what fresh memory holds");
    return 0;
}
