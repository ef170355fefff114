/* The loop: listeners, connections, and which of them waits for what. */
#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"

enum { BACKLOG = 4096, EVENTS = 256, TICK_MS = 500, SWEEP_US = 1000000, KEEPALIVE_IDLE_S = 60 };

static const struct service services[SERVICES] = {
    {"echo", 7, sizeof(struct conn), 0, echo_step},
    {"discard", 9, sizeof(struct conn), 0, discard_step},
    {"daytime", 13, sizeof(struct conn), 10, daytime_step},
    {"chargen", 19, sizeof(struct conn), 0, chargen_step},
    {"http", 80, sizeof(struct http), 60, http_step},
};

static void conn_close(struct conn *conn)
{
    mytcp_close(conn->stack, conn->fd);
    *conn->link = conn->next;
    if (conn->next)
        conn->next->link = conn->link;
    free(conn);
}

static void conn_step(struct conn *conn)
{
    uint32_t waits_for = conn->service->step(conn);
    if (waits_for != STEP_CLOSE && waits_for != conn->waits_for &&
        mytcp_watch(conn->stack, conn->fd, waits_for, (uintptr_t)conn) < 0)
        waits_for = STEP_CLOSE;
    if (waits_for == STEP_CLOSE) {
        conn_close(conn);
        return;
    }
    conn->waits_for = waits_for;
    conn->active_us = mytcp_tun_now_us();
}

static bool conn_open(struct server *server, const struct service *service, int fd)
{
    struct conn *conn = calloc(1, service->conn_size);
    if (!conn) {
        mytcp_close(server->stack, fd);
        return false;
    }
    conn->server = server;
    conn->stack = server->stack;
    conn->service = service;
    conn->fd = fd;
    conn->next = server->conns;
    conn->link = &server->conns;
    if (conn->next)
        conn->next->link = &conn->next;
    server->conns = conn;
    conn_step(conn);
    return true;
}

/* What is ready stays ready while there is no room for it: look again at the next sweep only. */
static void accept_pause(struct server *server, bool pause)
{
    for (unsigned i = 0; i < SERVICES; i++)
        mytcp_watch(server->stack, server->listeners[i], pause ? 0 : POLLIN, i);
    server->accept_paused = pause;
}

static void accept_all(struct server *server, unsigned which)
{
    for (;;) {
        int fd = mytcp_accept(server->stack, server->listeners[which], NULL, NULL, SOCK_NONBLOCK);
        if (fd < 0 && errno != EAGAIN)
            accept_pause(server, true);
        if (fd < 0)
            return;
        if (!conn_open(server, &services[which], fd)) {
            accept_pause(server, true);
            return;
        }
    }
}

static void sweep(struct server *server)
{
    uint64_t now_us = mytcp_tun_now_us();
    if (now_us - server->swept_us < SWEEP_US)
        return;
    server->swept_us = now_us;
    if (server->accept_paused)
        accept_pause(server, false);
    for (struct conn *conn = server->conns, *next; conn; conn = next) {
        next = conn->next;
        uint64_t limit_us = conn->service->idle_limit_s * UINT64_C(1000000);
        if (limit_us && now_us - conn->active_us > limit_us)
            conn_close(conn);
    }
}

static int listen_on(struct server *server, const struct service *service)
{
    int on = 1;
    int idle_s = KEEPALIVE_IDLE_S;
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(service->port)};
    int fd = mytcp_socket(server->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    if (fd < 0 || mytcp_bind(server->stack, fd, (struct sockaddr *)&addr, sizeof addr) < 0)
        return -1;
    /* accepted sockets inherit these */
    mytcp_setsockopt(server->stack, fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    mytcp_setsockopt(server->stack, fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    mytcp_setsockopt(server->stack, fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    if (mytcp_listen(server->stack, fd, BACKLOG) < 0)
        return -1;
    return fd;
}

/* A table of `copies` times 0..250: a prime period, so that no segment size hides a shift. */
static bool pattern_numbers(struct pattern *pattern)
{
    enum { PERIOD = 251, COPIES = 64 };
    pattern->period = PERIOD * COPIES;
    pattern->bytes = malloc(pattern->period);
    for (size_t i = 0; pattern->bytes && i < pattern->period; i++)
        pattern->bytes[i] = (uint8_t)(i % PERIOD);
    return pattern->bytes != NULL;
}

/* RFC 864: lines of 72 of the 95 printing characters, each line starting one further on. */
static bool pattern_chargen(struct pattern *pattern)
{
    enum { PRINTING = 95, LINE = 72 };
    pattern->period = PRINTING * (LINE + 2);
    uint8_t *to = pattern->bytes = malloc(pattern->period);
    for (int line = 0; to && line < PRINTING; line++) {
        for (int i = 0; i < LINE; i++)
            *to++ = (uint8_t)(' ' + (line + i) % PRINTING);
        *to++ = '\r';
        *to++ = '\n';
    }
    return pattern->bytes != NULL;
}

int server_start(struct server *server)
{
    if (!pattern_chargen(&server->chargen) || !pattern_numbers(&server->numbers)) {
        perror("mytcp-echo");
        return -1;
    }
    for (unsigned i = 0; i < SERVICES; i++) {
        server->listeners[i] = listen_on(server, &services[i]);
        if (server->listeners[i] < 0) {
            fprintf(stderr, "mytcp-echo: port %u: %s\n", services[i].port, strerror(errno));
            return -1;
        }
    }
    accept_pause(server, false);
    return 0;
}

/* With --trace one turn of the driver at a time, so that segments are printed as they pass. */
static int next_events(struct server *server, struct mytcp_event *events)
{
    if (!server->trace)
        return mytcp_wait(server->stack, events, EVENTS, TICK_MS);

    int count = mytcp_wait(server->stack, events, EVENTS, 0);
    if (count >= 0 && mytcp_tun_turn(server->tun, count ? 0 : TICK_MS * 1000) < 0)
        return -1;
    trace_print(server);
    return count;
}

int server_run(struct server *server, const volatile sig_atomic_t *stop)
{
    struct mytcp_event events[EVENTS];

    while (!*stop) {
        int count = next_events(server, events);
        if (count < 0 && errno != EINTR) {
            fprintf(stderr, "mytcp-echo: %s: %s\n", mytcp_tun_name(server->tun), strerror(errno));
            return -1;
        }
        for (int i = 0; i < count; i++) {
            if (events[i].data < SERVICES)
                accept_all(server, (unsigned)events[i].data);
            else
                conn_step((struct conn *)(uintptr_t)events[i].data);
        }
        sweep(server);
    }
    return 0;
}

void server_end(struct server *server)
{
    while (server->conns)
        conn_close(server->conns);
    if (server->trace)
        trace_print(server);
    free(server->chargen.bytes);
    free(server->numbers.bytes);
}
