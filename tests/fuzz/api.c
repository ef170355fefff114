/* Fuzz target: any call of the API with any argument, on a stack of any configuration. Peers answer
 * honestly now and then, and a driver may make calls block, so that every state is reached. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

#include "fuzz/lib/packet.h"

enum { STEPS_MAX = 150, ROOM = 4096, WAITS_MAX = 8 };

struct api {
    struct world world;
    struct input *in;
    bool locked;
    unsigned waits;
    uint8_t *room; /* ROOM bytes in a block of its own */
};

/* ---- the driver ---- */

static void lock(void *ctx)
{
    struct api *a = ctx;
    CHECK(!a->locked, "locked twice");
    a->locked = true;
}

static void unlock(void *ctx)
{
    struct api *a = ctx;
    CHECK(a->locked, "unlocked twice");
    a->locked = false;
}

static uint64_t now_us(void *ctx)
{
    return ((struct api *)ctx)->world.now_us;
}

static void kick(void *ctx)
{
    CHECK(((struct api *)ctx)->locked, "a kick without the lock");
}

/* As a driver with a thread would: the lock is released, packets move, other calls may be made. */
static int wait(void *ctx, uint64_t deadline_us)
{
    struct api *a = ctx;
    struct world *w = &a->world;
    CHECK(a->locked, "waits without the lock");
    if (++a->waits % WAITS_MAX == 0) {
        errno = a->waits & 16 ? EINTR : EIO;
        return -1;
    }
    a->locked = false;
    uint8_t what = take8(a->in);
    struct peer *p = &w->peer[what % PEERS];
    if (what & 128)
        packet_answer(w, p, what & 64 ? 700 : 0, what & 32 ? 1 : 0);
    else if (what & 64 && w->ends)
        mytcp_close(w->stack, w->end[what % w->ends].fd);
    else if (what & 32 || deadline_us == MYTCP_NEVER_US)
        world_pass(w, 100 * MS);
    else
        world_pass(w, deadline_us > w->now_us ? deadline_us - w->now_us : 0);
    a->locked = true;
    return 0;
}

static void attach(struct api *a)
{
    struct mytcp_driver d = {a, lock, unlock, now_us, wait, kick};
    uint8_t how = take8(a->in);
    mytcp_attach(a->world.stack, how & 1 ? &d : NULL);
}

/* ---- arguments, all drawn before the call: their order is then the same with every compiler ----
 */

struct args {
    uint8_t what;
    int fd;
    struct end *end; /* that one's, or any */
    int i[3];
    size_t len;
    uint32_t size[2];
    uint8_t null; /* a bit for each pointer that is NULL */
    const struct sockaddr *addr;
    struct sockaddr_in sin;
    socklen_t sin_len;
};

static int any_int(struct api *a)
{
    static const int special[] = {0, 1, -1, INT_MAX, INT_MIN, 65535, 65536, 88};
    uint8_t how = take8(a->in);
    return how < 128 ? how - 8 : how < 200 ? special[how % 8] : (int)take32(a->in);
}

static size_t any_len(struct api *a)
{
    static const size_t special[] = {0, 1, SIZE_MAX, SSIZE_MAX, (size_t)SSIZE_MAX + 1, UINT32_MAX};
    uint8_t how = take8(a->in);
    return how < 200 ? how : special[how % 6];
}

static void draw_addr(struct api *a, struct args *g)
{
    uint8_t how = take8(a->in);
    const struct peer *p = &a->world.peer[how % PEERS];
    uint32_t addr = p->addr;
    uint16_t port = p->port;
    if (how & 128) {
        addr = how & 64 ? take32(a->in) : how & 32 ? OUR_ADDR : INADDR_ANY;
        port = how & 16 ? take16(a->in) : (uint16_t)(LISTEN_PORT + take8(a->in) % 4);
    }
    g->sin = (struct sockaddr_in){.sin_family = how == 254 ? take8(a->in) : AF_INET};
    g->sin.sin_addr.s_addr = htonl(addr);
    g->sin.sin_port = htons(port);
    g->sin_len = how == 255 ? (socklen_t)any_int(a) : sizeof(g->sin);
}

static void draw(struct api *a, struct args *g)
{
    static struct end nobody;
    const struct world *w = &a->world;
    *g = (struct args){.what = take8(a->in), .end = &nobody};
    nobody = (struct end){.fd = -1};
    uint8_t which = take8(a->in);
    if (w->ends)
        g->end = &a->world.end[which % w->ends];
    g->fd = which < 250 ? g->end->fd : which & 1 ? -1 : (int)take32(a->in);
    for (int i = 0; i < 3; i++)
        g->i[i] = any_int(a);
    g->len = any_len(a);
    for (int i = 0; i < 2; i++)
        g->size[i] = take_size(a->in, 9);
    g->null = take8(a->in);
    g->null = g->null >= 240 ? g->null : 0; /* 1111 and which */
    draw_addr(a, g);
    g->addr = g->null & 1 ? NULL : (struct sockaddr *)&g->sin;
}

static void *maybe(const struct args *g, uint8_t bit, void *pointer)
{
    return g->null & bit ? NULL : pointer;
}

/* ---- calls: each returns what the call returned ---- */

static long call_open(struct api *a, struct args *g)
{
    struct world *w = &a->world;
    int fd, type = g->what & 64 ? SOCK_STREAM : SOCK_STREAM | SOCK_NONBLOCK;
    switch (g->what % 5) {
    case 0:
        fd = g->what & 128 ? mytcp_socket(w->stack, g->i[0], g->i[1], g->i[2])
                           : mytcp_socket(w->stack, AF_INET, type, 0);
        world_remember(w, fd);
        return fd;
    case 1:
        return mytcp_bind(w->stack, g->fd, g->addr, g->sin_len);
    case 2:
        return mytcp_listen(w->stack, g->fd, g->i[0]);
    case 3:
        if (g->sin_len > sizeof(g->sin) && g->sin_len <= INT_MAX)
            g->sin_len = sizeof(g->sin);
        fd = mytcp_accept(w->stack, g->fd, maybe(g, 1, &g->sin), maybe(g, 2, &g->sin_len),
                          g->what & 128 ? g->i[0] : 0);
        world_remember(w, fd);
        return fd;
    default:
        return mytcp_connect(w->stack, g->fd, g->addr, g->sin_len);
    }
}

/* What the pattern of the stream allows. */
static long call_move(struct api *a, struct args *g)
{
    struct world *w = &a->world;
    int flags = g->what & 128 ? g->i[0] : 0;
    switch (g->what % 4) {
    case 0:
        world_send(w, g->end, g->size[0], flags);
        break;
    case 1:
        world_recv(w, g->end, g->size[0], flags);
        break;
    case 2:
        world_reserve(w, g->end, g->size[0], g->size[1]);
        break;
    default:
        world_peek(w, g->end, g->size[0]);
    }
    return 0;
}

/* What moves nothing: bad lengths, pointers, vectors. */
static long call_badly(struct api *a, struct args *g)
{
    struct world *w = &a->world;
    struct iovec iov[3] = {{NULL, g->len}, {a->room, SIZE_MAX}, {a->room, 1}};
    struct msghdr msg = {.msg_iov = maybe(g, 1, iov), .msg_iovlen = g->size[0] % 4};
    if (g->what & 128)
        msg.msg_iovlen = msg.msg_iov ? 1025 + g->size[0] : g->size[0];
    switch (g->what % 6) {
    case 0:
        return mytcp_sendmsg(w->stack, g->fd, maybe(g, 2, &msg), g->i[0]);
    case 1:
        return mytcp_recvmsg(w->stack, g->fd, maybe(g, 2, &msg), g->i[0] | MSG_PEEK);
    case 2:
        return mytcp_send(w->stack, g->fd, NULL, g->len, g->i[0]);
    case 3:
        return mytcp_recv(w->stack, g->fd, NULL, g->len, g->i[0] | MSG_PEEK);
    case 4:
        return mytcp_peek(w->stack, g->fd, maybe(g, 1, iov), g->i[0] > 0 ? 0 : g->i[0]);
    default:
        return mytcp_reserve(w->stack, g->fd, maybe(g, 1, iov), g->i[0] > 0 ? 0 : g->i[0], g->len);
    }
}

static long call_option(struct api *a, struct args *g)
{
    struct world *w = &a->world;
    int level = g->what & 64 ? IPPROTO_TCP : g->what & 32 ? g->i[2] : SOL_SOCKET;
    int name = (int)(g->size[0] % 70);
    socklen_t len = g->what & 128 ? (socklen_t)g->len : g->size[1] % 5 * 4;
    if (len > ROOM && len <= INT_MAX)
        len = ROOM;
    memset(a->room, 0, ROOM);
    memcpy(a->room, g->i, sizeof(g->i));
    if (g->what & 1)
        return mytcp_setsockopt(w->stack, g->fd, level, name, maybe(g, 1, a->room), len);
    return mytcp_getsockopt(w->stack, g->fd, level, name, maybe(g, 1, a->room), maybe(g, 2, &len));
}

static long call_end(struct api *a, struct args *g)
{
    static const unsigned long requests[] = {FIONBIO,  FIONREAD,    SIOCATMARK,
                                             SIOCOUTQ, SIOCOUTQNSD, 1};
    struct world *w = &a->world;
    switch (g->what % 5) {
    case 0:
        return mytcp_shutdown(w->stack, g->fd, g->what & 128 ? g->i[0] : g->what % 3);
    case 1:
        return mytcp_close(w->stack, g->fd);
    case 2:
        return mytcp_fcntl(w->stack, g->fd, g->what & 128 ? F_SETFL : g->i[0], g->i[1]);
    case 3:
        return mytcp_ioctl(w->stack, g->fd, requests[g->what / 5 % 6], maybe(g, 1, &g->i[0]));
    default: /* more than there is, never less: the pattern would not know */
        if (g->what & 128)
            return mytcp_consume(w->stack, g->fd, SIZE_MAX - g->size[0]);
        return mytcp_commit(w->stack, g->fd, SIZE_MAX - g->size[0]);
    }
}

static long call_ready(struct api *a, struct args *g)
{
    struct world *w = &a->world;
    struct mytcp_event events[4];
    struct pollfd fds[4] = {
        {g->fd, (short)g->size[0], 0}, {g->end->fd, POLLIN, 0}, {-1, 0, 0}, {0}};
    switch (g->what % 3) {
    case 0:
        return mytcp_poll(w->stack, maybe(g, 1, fds), g->what & 128 ? UINT_MAX : g->what / 3 % 5,
                          g->i[0]);
    case 1:
        return mytcp_watch(w->stack, g->fd, g->size[0], g->size[1]);
    default:
        return mytcp_wait(w->stack, maybe(g, 1, events), g->what & 128 ? g->i[1] % 5 : 4, g->i[0]);
    }
}

static long call_look(struct api *a, struct args *g)
{
    struct world *w = &a->world;
    struct mytcp_conn_info info;
    struct mytcp_trace trace;
    uint64_t lost;
    char text[256];
    if (g->sin_len > sizeof(g->sin) && g->sin_len <= INT_MAX)
        g->sin_len = sizeof(g->sin);
    switch (g->what % 6) {
    case 0:
        return mytcp_getsockname(w->stack, g->fd, maybe(g, 1, &g->sin), maybe(g, 2, &g->sin_len));
    case 1:
        return mytcp_getpeername(w->stack, g->fd, maybe(g, 1, &g->sin), maybe(g, 2, &g->sin_len));
    case 2:
        return mytcp_conn_info_get(w->stack, g->fd, maybe(g, 1, &info));
    case 3:
        while (mytcp_trace_read(w->stack, &trace, maybe(g, 1, &lost)) == 1)
            CHECK(mytcp_trace_format(&trace, text, g->size[0] % sizeof(text)) > 0, "trace");
        return 0;
    case 4:
        CHECK(mytcp_digest(w->stack) == mytcp_digest(w->stack), "digest");
        return 0;
    default:
        attach(a);
        return 0;
    }
}

/* ---- the network ---- */

static long network(struct api *a)
{
    static const uint64_t steps[] = {0, 1, 50 * MS, SEC, 61 * SEC};
    struct world *w = &a->world;
    uint8_t what = take8(a->in);
    struct peer *p = &w->peer[what / 4 % PEERS];
    if (what % 4 == 0) {
        world_pass(w, steps[take8(a->in) % 5]);
    } else if (what % 4 == 1 && what & 128) {
        p->heard = false;
        p->next += 100000;
        p->local_port = (uint16_t)(LISTEN_PORT + take8(a->in) % 4);
    } else {
        packet_answer(w, p, what & 64 ? take_size(a->in, 6) : 0, what & 128 ? 1 : 0);
    }
    return 0;
}

/* ---- steps ---- */

static void step(struct api *a)
{
    static long (*const calls[])(struct api *, struct args *) = {call_open, call_open,  call_move,
                                                                 call_move, call_badly, call_option,
                                                                 call_end,  call_ready, call_look};
    const uint8_t count = sizeof(calls) / sizeof(calls[0]);
    unsigned which = take8(a->in) % (count + 3u);
    struct args g;
    errno = 0;
    if (which < count)
        draw(a, &g);
    long result = which < count ? calls[which](a, &g) : network(a);
    CHECK(result >= -1 && (result >= 0 || errno > 0), "%ld, errno %d", result, errno);
    CHECK(!a->locked, "the lock is still held");
    world_drain(&a->world);
    world_check(&a->world);
}

/* Any number that a config takes, within what a fuzzer can bear. */
static void configure(struct api *a)
{
    struct mytcp_config *c = &a->world.config;
    world_config(&a->world);
    for (unsigned n = take8(a->in) % 8; n > 0; n--) {
        const char *name = mytcp_config_name(take8(a->in) % 64);
        char value[24];
        uint32_t number = take_size(a->in, 20);
        snprintf(value, sizeof(value), "%u", number);
        if (name)
            mytcp_config_set(c, name, value);
    }
    if (c->sndbuf_max_bytes > 1 << 18)
        c->sndbuf_max_bytes = 1 << 18;
    if (c->sndbuf_bytes > c->sndbuf_max_bytes)
        c->sndbuf_bytes = c->sndbuf_max_bytes;
    if (c->trace_entries > 1000)
        c->trace_entries = 1000;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct api api;
    struct input in = {data, len};
    struct api *a = &api;
    api = (struct api){.in = &in, .room = malloc(ROOM)};
    CHECK(a->room, "the fuzzer has no memory");
    configure(a);
    if (world_start(&a->world)) {
        attach(a);
        for (unsigned i = 0; i < STEPS_MAX && in.left; i++)
            step(a);
        world_stop(&a->world);
    }
    free(a->room);
    return 0;
}
