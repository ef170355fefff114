/*
 * serve.c - servers with a thread a connection and blocking calls: on the kernel's stack as the other
 * end of libmytcp's active opens, on libmytcp's with --thread as the proof that calls from many
 * threads are safe.
 */
#include "live/live.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct task {
    struct side *side;
    int fd;
    void (*serve)(struct side *s, int fd);
};

static void serve_echo(struct side *s, int fd)
{
    static const size_t size = 65536;
    uint8_t *data = malloc(size);
    ssize_t n;
    while (data != NULL && (n = side_recv(s, fd, data, size, 0)) > 0 &&
           side_send_all(s, fd, data, (size_t)n) == 0) {
    }
    free(data);
}

static void serve_discard(struct side *s, int fd)
{
    uint8_t data[16384];
    while (side_recv(s, fd, data, sizeof data, 0) > 0) {
    }
}

static void serve_chargen(struct side *s, int fd)
{
    char data[74 * 95];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (char)(' ' + (i / 74 + i % 74) % 95);
        data[i] = i % 74 == 72 ? '\r' : i % 74 == 73 ? '\n' : data[i];
    }
    while (side_send_all(s, fd, data, sizeof data) == 0) {
    }
}

static void serve_reset(struct side *s, int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    char byte;
    side_recv(s, fd, &byte, 1, 0);
    side_set(s, fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

/* Keep the connection, read nothing: the peer's sending must stop at the window. */
static void serve_hold(struct side *s, int fd)
{
    (void)s;
    (void)fd;
    for (;;) {
        pause();
    }
}

/* The client is slow to close: say something only after its end was seen. */
static void serve_after(struct side *s, int fd)
{
    serve_discard(s, fd);
    side_send_all(s, fd, "after\n", 6);
}

static const struct {
    const char *name;
    void (*serve)(struct side *s, int fd);
} kinds[] = {
    {"echo", serve_echo},   {"discard", serve_discard}, {"chargen", serve_chargen},
    {"reset", serve_reset}, {"hold", serve_hold},       {"after", serve_after},
};

static void *run_connection(void *arg)
{
    struct task t = *(struct task *)arg;
    free(arg);
    t.serve(t.side, t.fd);
    side_close(t.side, t.fd);
    return NULL;
}

static void *run_listener(void *arg)
{
    struct task *t = arg;
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&small, 256 * 1024);
    for (;;) {
        int fd = side_accept(t->side, t->fd, 0);
        struct task *c = fd < 0 ? NULL : malloc(sizeof *c);
        pthread_t thread;
        if (c == NULL) {
            fprintf(stderr, "accept: %s\n", strerror(errno));
            return NULL;
        }
        *c = (struct task){t->side, fd, t->serve};
        if (pthread_create(&thread, &small, run_connection, c) != 0) {
            side_close(t->side, fd);
            free(c);
        }
    }
}

int live_serve(struct live *l)
{
    static struct task tasks[16];
    sigset_t set;
    int sig;
    if (l->side.tun != NULL && !l->thread) {
        return live_fail("serve needs --thread over libmytcp");
    }
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < l->argc && i < 16; i++) {
        const char *kind = strchr(l->argv[i], ':');
        tasks[i] = (struct task){.side = &l->side};
        for (size_t k = 0; kind != NULL && k < sizeof kinds / sizeof kinds[0]; k++) {
            if (strcmp(kind + 1, kinds[k].name) == 0) {
                tasks[i].serve = kinds[k].serve;
            }
        }
        tasks[i].fd = side_listener(&l->side, (unsigned)live_number(l, i, 0), 1024, 0);
        if (tasks[i].serve == NULL || tasks[i].fd < 0) {
            return live_fail("%s: %s", l->argv[i], strerror(errno));
        }
        pthread_t thread;
        if (pthread_create(&thread, NULL, run_listener, &tasks[i]) != 0) {
            return live_fail("no thread");
        }
    }
    puts("ready");
    fflush(stdout);
    sigwait(&set, &sig);
    _exit(0); /* the threads are in the middle of calls: what stays open is the kernel's to end */
}
