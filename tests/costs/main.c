/* What a packet costs under attack, from 10^2 to 10^6 of what the attacker piles up: nanoseconds (the
 * median), or, linked with a core compiled with -fsanitize-coverage=trace-pc, steps (mean/largest),
 * which are the basic blocks gone through and the same on every run. There it asserts that the mean at
 * the end is at most twice that at 10^2, give or take 50, that no packet takes more than STEPS_MAX,
 * and the stack's end no more than END_MAX for each of what was piled up.
 * `costs [LARGEST]`, by default 1000000; TAP. An ACK may find all lost that is in flight, once for each time it
 * was sent: of attacks by SACK the mean alone is bounded. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mytcp.h"

static uint64_t steps; /* counted by the instrumented core; 0 for ever otherwise */
void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void)
{
    steps++;
}

enum { FIN = 1, SYN = 2, ACK = 16, MEASURED = 2000, MSS = 88, STEPS_MAX = 20000, END_MAX = 500 };

static mytcp_stack *stack;
static int listener;
static uint64_t now_us;
static uint8_t packet[200];
static struct {
    uint32_t src, seq, ack;
    uint16_t port, wnd;
    uint8_t flags;
} h;
static uint32_t our_iss;
static uint64_t out_bytes; /* of payload sent since asked */

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v);
}

static void give(const void *options, unsigned options_len, unsigned payload)
{
    unsigned len = 40 + options_len + payload, sum = 0;
    memset(packet, 0, len);
    packet[0] = 0x45;
    put16(packet + 2, len);
    packet[8] = 64;
    packet[9] = 6;
    put32(packet + 12, h.src);
    put32(packet + 16, 0x0a000001);
    for (unsigned i = 0; i < 20; i += 2)
        sum += (unsigned)packet[i] << 8 | packet[i + 1];
    put16(packet + 10, ~((sum & 0xffff) + (sum >> 16)));
    put16(packet + 20, h.port);
    put16(packet + 22, 80);
    put32(packet + 24, h.seq);
    put32(packet + 28, h.ack);
    packet[32] = (uint8_t)((5 + options_len / 4) << 4);
    packet[33] = h.flags;
    put16(packet + 34, h.wnd);
    if (options_len)
        memcpy(packet + 40, options, options_len);
    struct mytcp_packet in = {.data = packet, .len_bytes = len, .csum_valid = true};
    mytcp_input(stack, &in, now_us);
}

static void take(void)
{
    struct mytcp_tx tx;
    while (mytcp_output(stack, &tx, now_us) == 1) {
        const uint8_t *p = tx.iov[0].iov_base;
        if (p[33] & SYN)
            our_iss = (uint32_t)p[24] << 24 | (uint32_t)p[25] << 16 | (uint32_t)p[26] << 8 | p[27];
        out_bytes += tx.len_bytes - tx.hdr_len;
    }
}

static uint32_t draw(void)
{
    static uint64_t state = 1;
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(state >> 32);
}

/* ---- the stack, and one connection ---- */

static void begin(void (*set)(struct mytcp_config *c))
{
    struct mytcp_config config;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(80)};
    mytcp_config_init(&config);
    config.addr.s_addr = htonl(0x0a000001);
    memset(config.entropy, 7, sizeof(config.entropy));
    config.memory_limit_bytes = UINT64_C(8) << 30;
    config.somaxconn = config.syn_queue_max = 1 << 20;
    config.congestion = config.tail_loss_probe = 0;
    set(&config);
    now_us = 1000000;
    stack = mytcp_create(&config, now_us);
    listener = mytcp_socket(stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    mytcp_bind(stack, listener, (struct sockaddr *)&a, sizeof(a));
    mytcp_listen(stack, listener, 1 << 20);
}

static int connected_from(uint32_t src, uint16_t port)
{
    static const uint8_t options[12] = {2, 4, 0, MSS, 4, 2, 1, 1, 3, 3, 14, 1};
    h.src = src;
    h.port = port;
    h.seq = h.ack = 0;
    h.wnd = 65535;
    h.flags = SYN;
    give(options, sizeof(options), 0);
    take();
    h.flags = ACK;
    h.seq = 1;
    h.ack = our_iss + 1;
    give(NULL, 0, 0);
    take();
    return mytcp_accept(stack, listener, NULL, NULL, SOCK_NONBLOCK);
}

static int connected(void)
{
    return connected_from(0x0b000001, 1000);
}

/* ---- the attacks: how n is piled up, and one packet more ---- */

static void plain(struct mytcp_config *c)
{
    c->syn_cookies = 0;
}

static void cookies(struct mytcp_config *c)
{
    c->syn_cookies = 1;
}

static void syn_any(uint32_t i)
{
    (void)i;
    h.flags = SYN;
    h.src = 0x0b000000 | (draw() & 0xffffff);
    h.port = (uint16_t)(1 + draw() % 60000);
    h.seq = draw();
    give(NULL, 0, 0);
    take();
}

static void flood(uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        syn_any(i);
}

/* One that we close first. */
static void leave(uint32_t i)
{
    mytcp_close(stack, connected_from(0x0b000001 + (i >> 14), (uint16_t)(1000 + (i & 0x3fff))));
    take();
}

static void leave_many(uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        leave(i);
}

static uint32_t past; /* connections that have come and gone */

static void come_and_go(uint32_t i)
{
    (void)i;
    leave(past++);
    h.flags = FIN | ACK;
    h.ack = our_iss + 2;
    give(NULL, 0, 0);
    take();
}

static void past_many(uint32_t n)
{
    for (past = 0; past < n;)
        come_and_go(past);
}

static void remembering(struct mytcp_config *c)
{
    c->time_wait_max = c->sockets_max = 1 << 20;
}

static void wide(struct mytcp_config *c)
{
    c->rcvbuf_bytes = c->rcvbuf_max_bytes = c->sndbuf_bytes = c->sndbuf_max_bytes = 1u << 29;
    c->initial_window_segments = 1000;
    c->quick_acks = 0;
}

static void unlimited(struct mytcp_config *c)
{
    wide(c);
    c->ooo_ranges_max = 1 << 20;
}

static void byte_at(uint32_t seq)
{
    h.seq = seq;
    give(NULL, 0, 1);
    take();
}

static void anywhere(uint32_t i)
{
    (void)i;
    byte_at(2 + 2 * (draw() % (1 << 27)));
}

static void scatter(uint32_t n)
{
    connected();
    for (uint32_t i = 0; i < n; i++)
        anywhere(i);
}

static uint32_t next_seq;

static void above(uint32_t i)
{
    (void)i;
    byte_at(next_seq);
    next_seq += 2;
}

static void below(uint32_t i)
{
    (void)i;
    byte_at(next_seq);
    next_seq -= 2;
}

static void ascend(uint32_t n)
{
    connected();
    next_seq = 2;
    for (uint32_t i = 0; i < n; i++)
        above(i);
}

static void descend(uint32_t n)
{
    connected();
    next_seq = 2 * (n + MEASURED + 1);
    for (uint32_t i = 0; i < n; i++)
        below(i);
}

/* ... and now the bytes between. */
static void ascend_again(uint32_t n)
{
    ascend(n);
    next_seq = 1;
}

static uint32_t flight; /* segments */

/* One block in an ACK. */
static void sack_one(uint32_t first, uint32_t end)
{
    uint8_t options[12] = {1, 1, 5, 10};
    put32(options + 4, h.ack + MSS * first);
    put32(options + 8, h.ack + MSS * end);
    give(options, sizeof(options), 0);
    take();
}

/* A copy arrives, and the next that is lost may go. */
static uint32_t mended;

static void mend(uint32_t i)
{
    (void)i;
    mended = mended % (flight - 5) + 1;
    sack_one(mended, mended + 1);
}

/* Every other segment of the flight, four at random in each ACK. */
static void sack(uint32_t i)
{
    uint8_t options[36] = {1, 1, 5, 34};
    (void)i;
    for (unsigned k = 0; k < 4; k++) {
        uint32_t at = h.ack + MSS * (1 + 2 * (draw() % (flight / 2 - 1)));
        put32(options + 4 + 8 * k, at);
        put32(options + 8 + 8 * k, at + MSS);
    }
    now_us += 10;
    give(options, sizeof(options), 0);
    take();
}

static void in_flight(uint32_t n)
{
    static uint8_t data[1 << 20];
    int fd = connected();
    uint32_t base = h.ack;
    uint64_t sent = 0;
    for (flight = 0; flight < n;) { /* slow start doubles it each time */
        while (mytcp_send(stack, fd, data, sizeof(data), 0) > 0 && flight < n)
            if (sent > UINT64_C(400) << 20)
                break;
        out_bytes = 0;
        take();
        flight = (uint32_t)(out_bytes / MSS);
        sent += out_bytes;
        if (flight >= n || !out_bytes)
            break;
        now_us += 1000;
        h.ack = base + (uint32_t)sent;
        give(NULL, 0, 0);
    }
}

/* ... half of it lost, and much of that sent again: each ACK of four lets four go. */
static void resent(uint32_t n)
{
    in_flight(n);
    for (uint32_t i = 0; i < n / 8; i++)
        sack(i);
}

/* G117: all is lost but the last four, and the first quarter has gone again: the next to go is far from the beginning. */
static void half_mended(uint32_t n)
{
    in_flight(n);
    now_us += 1000;
    sack_one(flight - 4, flight);
    mended = 0;
    for (uint32_t i = 0; i < n / 4; i++)
        mend(i);
}

static void colliding(uint32_t i) /* in any hash that adds or xors addresses and ports */
{
    h.flags = SYN;
    h.src = 0x0b000000 + (i << 10 & 0xfffc00) + (i >> 14);
    h.port = (uint16_t)(60000 - (h.src & 0x3ff));
    h.seq = 0;
    give(NULL, 0, 0);
    take();
}

static void collide(uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        colliding(i);
}

static const struct attack {
    const char *id, *what;
    void (*set)(struct mytcp_config *c);
    void (*pile)(uint32_t n);
    void (*one)(uint32_t i);
    bool amortised; /* one packet may pay for many */
} attacks[] = {
    {"R01", "SYN, n half-open", plain, flood, syn_any, false},
    {"R01c", "SYN by cookie, n before", cookies, flood, syn_any, false},
    {"R08", "connection and close, n in TIME-WAIT", remembering, past_many, come_and_go, false},
    {"R08o", "SYN, n closed and not acknowledged", remembering, leave_many, syn_any, false},
    {"R09", "1-byte segment among n ranges", unlimited, scatter, anywhere, false},
    {"R09u", "1-byte segment behind n ranges", unlimited, ascend, above, false},
    {"R09d", "1-byte segment before n, one gives way", wide, descend, below, false},
    {"R09f", "1-byte segment in order, n ranges", unlimited, ascend_again, above, false},
    {"R11", "ACK of 4 SACK blocks, n in flight", wide, resent, sack, true},
    {"G117", "ACK of one copy, n lost", wide, half_mended, mend, true},
    {"R17", "SYN again of n tuples that collide", plain, collide, colliding, false},
};

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

struct cost {
    double median_ns, mean_steps, max_steps;
    double end_steps; /* to destroy the stack, for each of n */
};

/* U1, G117: what one packet costs when n of the same kind came before. */
static struct cost measure(const struct attack *a, uint32_t n)
{
    static uint64_t ns[MEASURED];
    struct cost c = {0};
    begin(a->set);
    a->pile(n);
    uint32_t count = n < MEASURED ? n : MEASURED; /* n ACKs at least have something to tell of */
    for (uint32_t i = 0; i < count; i++) {
        struct timespec from, to;
        uint64_t before = steps;
        clock_gettime(CLOCK_MONOTONIC, &from);
        a->one(i);
        clock_gettime(CLOCK_MONOTONIC, &to);
        ns[i] = (uint64_t)((to.tv_sec - from.tv_sec) * 1000000000 + to.tv_nsec - from.tv_nsec);
        double took = (double)(steps - before);
        c.mean_steps += took / count;
        c.max_steps = took > c.max_steps ? took : c.max_steps;
    }
    qsort(ns, count, sizeof(ns[0]), compare);
    c.median_ns = (double)ns[count / 2];
    uint64_t before = steps;
    mytcp_destroy(stack);
    c.end_steps = (double)(steps - before) / n;
    return c;
}

int main(int argc, char **argv)
{
    uint32_t largest = argc > 1 ? (uint32_t)atoi(argv[1]) : 1000000;
    unsigned count = sizeof(attacks) / sizeof(attacks[0]);
    int bad = 0;
    printf("1..%u\n", count);
    for (unsigned i = 0; i < count; i++) {
        struct cost first = {0}, last = {0};
        double worst = 0;
        printf("# %-4s %-38s", attacks[i].id, attacks[i].what);
        for (uint32_t n = 100; n <= largest; n *= 10) {
            last = measure(&attacks[i], n);
            first = n == 100 ? last : first;
            worst = last.max_steps > worst ? last.max_steps : worst;
            if (steps)
                printf("  %6.0f/%-6.0f %3.0f", last.mean_steps, last.max_steps, last.end_steps);
            else
                printf("  %6.0f ns", last.median_ns);
            fflush(stdout);
        }
        bool flat = last.mean_steps <= 2 * first.mean_steps + 50;
        flat &= last.end_steps <= END_MAX;
        flat &= attacks[i].amortised || worst <= STEPS_MAX;
        printf("\n%s %u - %s is flat\n", flat ? "ok" : "not ok", i + 1, attacks[i].id);
        bad += !flat;
    }
    return bad != 0;
}
