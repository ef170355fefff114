/* Fuzz target: two stacks and a wire that loses, doubles, reorders, corrupts and forges. What is
 * read is the beginning of what was written, whatever the wire does, unless it forges sequence
 * numbers. If it forges nothing, all arrives in the end. mytcp_check() holds all the time; all
 * memory comes back. */
#include <arpa/inet.h>
#include <string.h>

#include "fuzz/lib/fuzz.h"
#include "mytcp.h"
#include "util/bytes.h"
#include "wire/checksum.h"
#include "wire/tcp.h"

enum { STEPS_MAX = 150, WIRE_MAX = 32, PACKET_MAX = 65536, PORT = 80, HEALING_STEPS = 3000 };

#define START_US UINT64_C(5000000)

struct packet {
    uint8_t *bytes;
    uint32_t len;
    uint16_t gso_size;
    bool partial; /* the checksum */
};

struct side {
    mytcp_stack *stack;
    int listener, fd;
    uint32_t written, read;
    struct packet wire[WIRE_MAX]; /* on their way from here */
    unsigned count;
    uint64_t blocks;
};

struct world {
    struct side side[2];
    uint64_t now_us;
    bool forged;     /* the wire made up a packet */
    bool forged_seq; /* so that bytes are not where they were written */
};

static const uint8_t *pattern(unsigned side, uint32_t at)
{
    return tape(at + (side ? TAPE_BYTES / 2 + 1 : 0));
}

/* ---- memory ---- */

static void *take(void *ctx, size_t size)
{
    struct side *s = ctx;
    void *memory = malloc(size);
    CHECK(memory, "the fuzzer has no memory");
    memset(memory, 0xa5, size);
    s->blocks++;
    return memory;
}

static void give_back(void *ctx, void *memory, size_t size)
{
    struct side *s = ctx;
    (void)size;
    s->blocks--;
    free(memory);
}

/* ---- the wire ---- */

static void wire_remove(struct side *s, unsigned i)
{
    free(s->wire[i].bytes);
    s->count--;
    memmove(s->wire + i, s->wire + i + 1, (s->count - i) * sizeof(s->wire[0]));
}

static void wire_add(struct side *s, const struct mytcp_tx *tx)
{
    struct packet *p;
    uint32_t at = 0;
    if (s->count == WIRE_MAX)
        return; /* its queue is full */
    p = &s->wire[s->count++];
    *p = (struct packet){.bytes = malloc(tx->len_bytes), .gso_size = tx->gso_size};
    CHECK(p->bytes, "the fuzzer has no memory");
    p->partial = tx->needs_csum;
    for (int i = 0; i < tx->iovcnt; i++) {
        memcpy(p->bytes + at, tx->iov[i].iov_base, tx->iov[i].iov_len);
        at += (uint32_t)tx->iov[i].iov_len;
    }
    p->len = at;
}

static void check(const struct world *w)
{
    for (unsigned i = 0; i < 2; i++) {
        const char *broken = mytcp_check(w->side[i].stack);
        CHECK(!broken, "%s", broken);
    }
}

static void drain(struct world *w)
{
    struct mytcp_tx tx;
    for (unsigned i = 0; i < 2; i++) {
        unsigned sent = 0;
        while (mytcp_output(w->side[i].stack, &tx, w->now_us) == 1) {
            wire_add(&w->side[i], &tx);
            CHECK(++sent < 10000, "output never ends");
        }
        CHECK(mytcp_next_deadline(w->side[i].stack) > w->now_us, "due after it had nothing");
    }
    check(w);
}

/* Packet i of a side's wire reaches the other side. */
static void deliver(struct world *w, unsigned from, unsigned i)
{
    const struct packet *p = &w->side[from].wire[i];
    struct mytcp_packet in = {.data = p->bytes, .len_bytes = p->len, .gso_size = p->gso_size};
    in.gso_type = p->gso_size ? 1 : 0;
    in.needs_csum = p->partial;
    in.csum_start = p->partial ? IP4_HEADER_LEN : 0;
    in.csum_offset = p->partial ? 16 : 0;
    CHECK(mytcp_input(w->side[!from].stack, &in, w->now_us) >= 0, "input");
    drain(w);
}

/* One field is another, and the checksum right again. */
static void forge(struct world *w, struct packet *p, struct input *in)
{
    uint8_t *tcp = p->bytes + IP4_HEADER_LEN, what = take8(in);
    uint32_t len = p->len - IP4_HEADER_LEN;
    struct checksum sum = checksum_start();
    switch (what % 6) {
    case 0:
        store_be32(tcp + 4, load_be32(tcp + 4) + take_distance(in));
        w->forged_seq = true;
        break;
    case 1:
        store_be32(tcp + 8, load_be32(tcp + 8) + take_distance(in));
        break;
    case 2: /* not SYN: what it opens counts from elsewhere */
        tcp[13] = (uint8_t)((tcp[13] & TCP_SYN) | (take8(in) & ~TCP_SYN));
        break;
    case 3:
        store_be16(tcp + 14, take16(in));
        break;
    case 4:
        store_be16(tcp + 18, take16(in));
        break;
    default: /* an option's byte */
        if ((tcp[12] >> 4) * 4 > TCP_HEADER_LEN)
            tcp[20 + take8(in) % ((tcp[12] >> 4) * 4u - 20)] ^= take8(in);
    }
    w->forged = true;
    if (p->partial)
        return;
    store_be16(tcp + 16, 0);
    checksum_add_pseudo(&sum, (ip4_addr){load_be32(p->bytes + 12)},
                        (ip4_addr){load_be32(p->bytes + 16)}, IP4_PROTO_TCP, len);
    checksum_add(&sum, tcp, len);
    store_be16(tcp + 16, checksum_field(&sum));
}

static void wire_step(struct world *w, struct input *in)
{
    uint8_t what = take8(in);
    unsigned from = what & 1, i;
    struct side *s = &w->side[from];
    if (s->count == 0)
        return;
    i = what & 128 ? take8(in) % s->count : 0;
    struct packet *p = &s->wire[i];
    switch (what / 2 % 8) {
    case 0: /* lost */
        break;
    case 1: /* doubled */
        deliver(w, from, i);
        return;
    case 2: /* corrupted: the checksum sees one byte; where there is none, the wire is memory */
        if (!p->partial)
            p->bytes[take16(in) % p->len] ^= take8(in);
        deliver(w, from, i);
        break;
    case 3: /* cut, or something behind it */
        p->len = p->len > 1 ? 1 + take16(in) % p->len : p->len;
        deliver(w, from, i);
        break;
    case 4:
        if (what & 64 && p->len >= IP4_HEADER_LEN + TCP_HEADER_LEN)
            forge(w, p, in);
        deliver(w, from, i);
        break;
    default:
        deliver(w, from, i);
    }
    wire_remove(s, i);
}

/* ---- the application ---- */

static void settle(struct world *w)
{
    struct side *b = &w->side[1];
    if (b->fd < 0)
        b->fd = mytcp_accept(b->stack, b->listener, NULL, NULL, SOCK_NONBLOCK);
}

static void write_some(struct world *w, unsigned i, uint32_t len)
{
    struct side *s = &w->side[i];
    ssize_t n = mytcp_send(s->stack, s->fd, pattern(i, s->written), len, 0);
    s->written += n > 0 ? (uint32_t)n : 0;
}

static ssize_t read_some(struct world *w, unsigned i, uint32_t len)
{
    static uint8_t data[PACKET_MAX];
    struct side *s = &w->side[i];
    ssize_t n = mytcp_recv(s->stack, s->fd, data, len, 0);
    CHECK(n <= 0 || w->forged_seq || memcmp(data, pattern(!i, s->read), (size_t)n) == 0,
          "side %u: wrong bytes after %u", i, s->read);
    s->read += n > 0 ? (uint32_t)n : 0;
    CHECK(w->forged_seq || s->read <= w->side[!i].written, "side %u: more than was written", i);
    return n;
}

static void pass(struct world *w, uint64_t most_us)
{
    uint64_t next_us = mytcp_next_deadline(w->side[0].stack);
    if (next_us > mytcp_next_deadline(w->side[1].stack))
        next_us = mytcp_next_deadline(w->side[1].stack);
    uint64_t until_us = w->now_us + most_us;
    w->now_us = next_us < until_us ? next_us : until_us;
    drain(w);
}

static void step(struct world *w, struct input *in)
{
    static const uint64_t steps_us[] = {100, 10000, 300000, 60000000};
    uint8_t what = take8(in);
    unsigned i = what >> 7;
    switch (what % 8) {
    case 0:
        write_some(w, i, take_size(in, 8));
        break;
    case 1:
        read_some(w, i, take_size(in, 8));
        break;
    case 2:
        pass(w, steps_us[what / 8 % 4]);
        break;
    case 3:
        if (what & 64)
            mytcp_shutdown(w->side[i].stack, w->side[i].fd, SHUT_WR);
        break;
    default:
        wire_step(w, in);
    }
    drain(w);
    settle(w);
}

/* ---- the whole ---- */

static void open_side(struct world *w, unsigned i, uint8_t how)
{
    struct side *s = &w->side[i];
    struct mytcp_config c;
    mytcp_config_init(&c);
    c.addr.s_addr = htonl(0xc0000201 + i);
    memset(c.entropy, (int)(7 + i), sizeof(c.entropy));
    c.alloc = take;
    c.release = give_back;
    c.alloc_ctx = s;
    c.rcvbuf_bytes = how & 1 ? 2000 : 1 << 16;
    c.sndbuf_max_bytes = c.rcvbuf_max_bytes = 1 << 16;
    c.sack = !(how & 2);
    c.timestamps = !(how & 4);
    c.tx_csum = how & 8 ? 1 : 0;
    c.gso_max_bytes = how & 8 ? 65535 : 0;
    c.congestion = how >> 4 & 3u;
    c.congestion = c.congestion == 3 ? 1 : c.congestion;
    c.syn_cookies = how & 64 ? 2 : 1;
    c.mtu_bytes = how & 128 ? 300 : 1500;
    s->stack = mytcp_create(&c, w->now_us);
    CHECK(s->stack, "create");
    s->fd = s->listener = -1;
}

static void connect_both(struct world *w)
{
    struct side *a = &w->side[0], *b = &w->side[1];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    to.sin_addr.s_addr = htonl(0xc0000202);
    b->listener = mytcp_socket(b->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK(mytcp_bind(b->stack, b->listener, (struct sockaddr *)&to, sizeof(to)) == 0, "bind");
    CHECK(mytcp_listen(b->stack, b->listener, 5) == 0, "listen");
    a->fd = mytcp_socket(a->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    mytcp_connect(a->stack, a->fd, (struct sockaddr *)&to, sizeof(to));
    drain(w);
}

/* Or not yet begun. */
static bool alive(const struct side *s)
{
    struct mytcp_conn_info info;
    return s->fd < 0 || mytcp_conn_info_get(s->stack, s->fd, &info) || info.state != TCP_CLOSE;
}

/* The wire is good now: all that was written arrives. */
static void heal(struct world *w)
{
    for (unsigned n = 0; n < HEALING_STEPS; n++) {
        for (unsigned i = 0; i < 2; i++) {
            if (w->side[i].count) {
                deliver(w, i, 0);
                wire_remove(&w->side[i], 0);
            }
            settle(w);
            if (w->side[i].fd >= 0)
                read_some(w, i, PACKET_MAX);
        }
        if (!w->side[0].count && !w->side[1].count)
            pass(w, 60000000);
        if (w->side[0].read == w->side[1].written && w->side[1].read == w->side[0].written)
            return;
        if (!alive(&w->side[0]) || !alive(&w->side[1]))
            return; /* the wire was bad for too long; or an ACK beyond lost data proved no cookie */
    }
    CHECK(w->forged, "stuck: %u of %u and %u of %u bytes", w->side[0].read, w->side[1].written,
          w->side[1].read, w->side[0].written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct input in = {data, len};
    static struct world world;
    struct world *w = &world;
    *w = (struct world){.now_us = START_US};
    for (unsigned i = 0; i < 2; i++)
        open_side(w, i, take8(&in));
    connect_both(w);
    for (unsigned i = 0; i < STEPS_MAX && in.left; i++)
        step(w, &in);
    heal(w);
    for (unsigned i = 0; i < 2; i++) {
        while (w->side[i].count)
            wire_remove(&w->side[i], 0);
        mytcp_destroy(w->side[i].stack);
        CHECK(w->side[i].blocks == 0, "memory is left");
    }
    return 0;
}
