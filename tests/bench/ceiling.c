/*
 * ceiling.c - what the device itself carries. A responder that knows no connections: every answer is
 * a formula over the packet that came in (sequence and acknowledgement swapped), nothing is kept,
 * checked, timed or resent. What libmytcp loses against this is the cost of being a TCP.
 */
#include "bench/bench.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

enum { ISS = 1000, WSCALE = 14, MSS = 1460, HEADERS = 40, SUPER = 44 * MSS,
       LOOKS = 100 };

struct segment {
    uint32_t src, dst;  /* network order */
    uint16_t sport, dport, window;
    uint32_t seq, ack;
    uint8_t flags;
    const uint8_t *options;
    size_t options_len;
    const uint8_t *data;
    size_t len;
};

static uint32_t get(const uint8_t *p, int bytes)
{
    uint32_t v = 0;
    while (bytes-- > 0) {
        v = v << 8 | *p++;
    }
    return v;
}

static void put(uint8_t *p, uint32_t v, int bytes)
{
    while (bytes-- > 0) {
        *p++ = (uint8_t)(v >> (bytes * 8));
    }
}

static uint16_t fold(uint64_t sum)
{
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)sum;
}

static bool parse(struct segment *g, const uint8_t *p, size_t len)
{
    if (len < HEADERS || p[0] != 0x45 || p[9] != IPPROTO_TCP) {
        return false;
    }
    size_t header = 20 + (size_t)(p[32] >> 4) * 4;
    memcpy(&g->src, p + 12, 4);
    memcpy(&g->dst, p + 16, 4);
    g->sport = (uint16_t)get(p + 20, 2);
    g->dport = (uint16_t)get(p + 22, 2);
    g->seq = get(p + 24, 4);
    g->ack = get(p + 28, 4);
    g->flags = p[33];
    g->window = (uint16_t)get(p + 34, 2);
    g->options = p + HEADERS;
    g->options_len = header - HEADERS;
    g->data = p + header;
    g->len = len - header;
    return header <= len;
}

/* Write a segment, its checksum left to the device, cut by the device if it is long. */
static void emit(int tun, const struct segment *g)
{
    uint8_t h[HEADERS + 8] = {0x45};
    size_t header = HEADERS + g->options_len, total = header + g->len;
    struct virtio_net_hdr v = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 20,
                               .csum_offset = 16};
    if (g->len > MSS) {
        v.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
        v.gso_size = MSS;
        v.hdr_len = (uint16_t)header;
    }
    put(h + 2, (uint32_t)total, 2);
    put(h + 6, 0x4000, 2);
    h[8] = 64;
    h[9] = IPPROTO_TCP;
    memcpy(h + 12, &g->src, 4);
    memcpy(h + 16, &g->dst, 4);
    uint64_t addresses = (uint64_t)get(h + 12, 2) + get(h + 14, 2) + get(h + 16, 2) + get(h + 18, 2);
    put(h + 10, (uint16_t)~fold(0x4500 + total + 0x4000 + 0x4006 + addresses), 2);
    put(h + 20, g->sport, 2);
    put(h + 22, g->dport, 2);
    put(h + 24, g->seq, 4);
    put(h + 28, g->ack, 4);
    h[32] = (uint8_t)((5 + g->options_len / 4) << 4);
    h[33] = g->flags;
    put(h + 34, g->window, 2);
    put(h + 36, fold(addresses + IPPROTO_TCP + total - 20), 2);
    if (g->options_len > 0) {
        memcpy(h + HEADERS, g->options, g->options_len);
    }
    struct iovec iov[3] = {{&v, sizeof v}, {h, header}, {(void *)(uintptr_t)g->data, g->len}};
    if (writev(tun, iov, g->len > 0 ? 3 : 2) < 0 && errno != EAGAIN) {
        bench_fail("write");
    }
}

static const uint8_t syn_options[8] = {2, 4, MSS >> 8, MSS & 255, 1, 3, 3, WSCALE};

/* The segment that answers: addresses turned round, everything received acknowledged. */
static struct segment answer(const struct segment *in, uint8_t flags)
{
    struct segment g = {.src = in->dst, .dst = in->src, .sport = in->dport, .dport = in->sport,
                        .seq = in->ack, .ack = in->seq + (uint32_t)in->len, .flags = flags,
                        .window = 65535};
    g.ack += (in->flags & (TH_SYN | TH_FIN)) != 0;
    if ((in->flags & (TH_SYN | TH_ACK)) == TH_SYN) {
        g.seq = ISS;
        g.options = syn_options;
        g.options_len = sizeof syn_options;
    }
    return g;
}

/* The sending of the role `source`: all that is to be known is how far the peer has room. */
struct flow {
    struct segment next; /* its seq is the next to be sent */
    uint32_t edge;       /* the peer's window ends here */
    uint8_t shift;
    bool open;
};

static uint8_t window_shift(const struct segment *syn)
{
    for (size_t i = 0; i + 2 < syn->options_len; i += syn->options[i] == 1 ? 1 : syn->options[i + 1]) {
        if (syn->options[i] == 3) {
            return syn->options[i + 2];
        }
        if (syn->options[i] == 0 || (syn->options[i] != 1 && syn->options[i + 1] == 0)) {
            break;
        }
    }
    return 0;
}

static void flow_input(struct flow *f, const struct segment *in)
{
    if ((in->flags & TH_SYN) != 0) {
        f->shift = window_shift(in);
    } else if ((in->flags & (TH_RST | TH_FIN)) != 0) {
        f->open = false;
    } else if (!f->open) {
        f->next = answer(in, TH_ACK);
        f->open = true;
    }
    f->edge = in->ack + ((uint32_t)in->window << f->shift);
}

static void flow_send(struct flow *f, int tun)
{
    static const uint8_t data[SUPER];
    f->next.data = data;
    f->next.len = SUPER;
    for (int i = 0; i < 4 && f->open && (int32_t)(f->edge - f->next.seq) >= SUPER; i++) {
        emit(tun, &f->next);
        f->next.seq += SUPER;
    }
}

/* What a server answers, by the flags alone. */
static void serve(int tun, const char *role, const struct segment *in)
{
    struct segment g = answer(in, TH_ACK);
    if ((in->flags & TH_RST) != 0) {
        return;
    }
    if ((in->flags & TH_SYN) != 0) {
        g.flags = TH_SYN | TH_ACK;
    } else if ((in->flags & TH_FIN) != 0) {
        g.flags = TH_FIN | TH_ACK;
    } else if (in->len == 0) {
        return;
    } else if (strcmp(role, "pong") == 0) {
        g.flags = TH_PUSH | TH_ACK;
        g.data = in->data;
        g.len = in->len;
    }
    emit(tun, &g);
}

/* The role `dial`: a SYN from the next port whenever a conversation has ended. */
struct dialer {
    struct segment syn;
    uint64_t done;
};

static void dialer_syn(struct dialer *d, int tun)
{
    d->syn.sport = (uint16_t)(d->syn.sport == 65535 ? 1024 : d->syn.sport + 1);
    d->syn.seq += 64000;
    emit(tun, &d->syn);
}

static void dialer_input(struct dialer *d, int tun, const struct segment *in)
{
    static const uint8_t data[BENCH_RATE_BYTES];
    struct segment g = answer(in, TH_ACK);
    if ((in->flags & TH_SYN) != 0) {
        g.flags = TH_PUSH | TH_ACK;
        g.data = data;
        g.len = sizeof data;
    } else if ((in->flags & TH_FIN) != 0) {
        emit(tun, &g);
        d->done++;
        dialer_syn(d, tun);
        return;
    } else if (in->len > 0) {
        g.flags = TH_FIN | TH_ACK;
    } else {
        return;
    }
    emit(tun, &g);
}

static int open_device(const char *name)
{
    struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
    int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (strlen(name) >= sizeof r.ifr_name) {
        return -1;
    }
    strcpy(r.ifr_name, name);
    if (tun < 0 || ioctl(tun, TUNSETIFF, &r) != 0 ||
        ioctl(tun, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4) != 0) {
        return -1;
    }
    return tun;
}

/* Wait for a packet: false when there is none for now. Before it sleeps it looks again for some time:
 * what it must show is the device at its best, not how soon a sleeping core wakes up. */
static bool next_packet(int tun, struct segment *in, int timeout_ms)
{
    static uint8_t packet[sizeof(struct virtio_net_hdr) + 65536];
    for (int looks = LOOKS;;) {
        ssize_t n = read(tun, packet, sizeof packet);
        if (n > (ssize_t)sizeof(struct virtio_net_hdr)) {
            if (parse(in, packet + sizeof(struct virtio_net_hdr),
                      (size_t)n - sizeof(struct virtio_net_hdr))) {
                return true;
            }
            continue;
        }
        struct pollfd p = {.fd = tun, .events = POLLIN};
        if (timeout_ms != 0 && looks-- > 0) {
            continue;
        }
        if (timeout_ms == 0 || poll(&p, 1, timeout_ms) <= 0) {
            return false;
        }
    }
}

static int dial(int tun, const struct sockaddr_in *self, const struct sockaddr_in *to, double seconds)
{
    struct dialer d = {.syn = {.src = self->sin_addr.s_addr, .dst = to->sin_addr.s_addr,
                               .sport = 1024, .dport = BENCH_PORT, .flags = TH_SYN, .window = 65535,
                               .options = syn_options, .options_len = sizeof syn_options}};
    struct segment in;
    double start = bench_now_s();
    for (int i = 0; i < BENCH_RATE_CLIENTS; i++) {
        dialer_syn(&d, tun);
    }
    while (bench_now_s() - start < seconds) {
        if (next_packet(tun, &in, 1000)) {
            dialer_input(&d, tun, &in);
        }
    }
    printf("%.0f\n", (double)d.done / (bench_now_s() - start));
    return 0;
}

int bench_ceiling(const char *device, const char *role, const struct sockaddr_in *self,
                  const struct sockaddr_in *to, double seconds)
{
    struct flow flow = {.open = false};
    struct segment in;
    int tun = open_device(device);
    if (tun < 0) {
        return bench_fail(device);
    }
    puts("ready");
    fflush(stdout);
    if (strcmp(role, "dial") == 0) {
        struct pollfd up = {.fd = 0, .events = POLLIN};
        poll(&up, 1, 5000); /* the script gives the device its address, then says so */
        return dial(tun, self, to, seconds);
    }
    for (;;) {
        if (strcmp(role, "source") != 0) {
            if (next_packet(tun, &in, -1)) {
                serve(tun, role, &in);
            }
            continue;
        }
        while (next_packet(tun, &in, flow.open && (int32_t)(flow.edge - flow.next.seq) >= SUPER
                                         ? 0 : 1000)) {
            if ((in.flags & TH_SYN) != 0) {
                serve(tun, role, &in);
            }
            flow_input(&flow, &in);
            flow_send(&flow, tun);
        }
        flow_send(&flow, tun);
    }
}
