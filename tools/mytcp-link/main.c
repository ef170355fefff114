/* mytcp-link: a link between two TUN devices, or a device and a stack, shaped in userspace. */
#include "end.h"
#include "options.h"
#include "stats.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

enum { EXIT_USAGE = 2, READS_IN_A_TURN = 32 };

static volatile sig_atomic_t stop; /* a signal handler can reach nothing else */

static void on_signal(int signal)
{
    (void)signal;
    stop = 1;
}

struct link {
    struct options options;
    struct end ends[2];
    struct way ways[2]; /* ways[i] leads from ends[i] to the other */
    uint64_t stats_due_ns;
    sigset_t while_waiting;
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

/* Only ppoll() lets them in, so that none falls between looking at `stop` and waiting. */
static void catch_signals(struct link *link)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t caught;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&caught);
    sigaddset(&caught, SIGINT);
    sigaddset(&caught, SIGTERM);
    sigprocmask(SIG_BLOCK, &caught, &link->while_waiting);
}

/* Read what is there, within bounds. Returns whether the device still exists. */
static bool enter(struct link *link, int i)
{
    static uint8_t bytes[IP_MAX_BYTES + 1];
    struct virtio_net_hdr hdr;
    for (int reads = 0; reads < READS_IN_A_TURN; reads++) {
        ssize_t n = end_read(&link->ends[i], &hdr, bytes, sizeof bytes);
        if (n <= 0)
            return n == 0;
        way_enter(&link->ways[i], &hdr, bytes, (size_t)n, now_ns());
    }
    return true;
}

static void leave(struct link *link, int i)
{
    struct end *to = &link->ends[!i];
    struct burst *burst;
    uint64_t now = now_ns();
    if (way_wake_ns(&link->ways[i]) > now) /* woken for something else: let more gather */
        return;
    while (!to->blocked && (burst = way_leave(&link->ways[i], now)) != NULL) {
        int result = end_write(to, burst->iov, burst->iovcnt);
        if (result >= 0)
            way_left(&link->ways[i], result > 0);
    }
}

static void show(struct link *link)
{
    if (link->options.stats_ns == 0 || now_ns() < link->stats_due_ns)
        return;
    stats_print(stdout, link->ways, link->ends);
    link->stats_due_ns += link->options.stats_ns;
}

static uint64_t next_wake_ns(const struct link *link)
{
    uint64_t wake = link->options.stats_ns ? link->stats_due_ns : UINT64_MAX;
    for (int i = 0; i < 2; i++)
        if (!link->ends[!i].blocked && way_wake_ns(&link->ways[i]) < wake)
            wake = way_wake_ns(&link->ways[i]);
    return wake;
}

static int await(struct link *link, struct pollfd fds[2])
{
    uint64_t wake = next_wake_ns(link), now = now_ns();
    uint64_t wait = wake > now ? wake - now : 0;
    struct timespec timeout = {(time_t)(wait / 1000000000u), (long)(wait % 1000000000u)};

    for (int i = 0; i < 2; i++)
        fds[i] = (struct pollfd){
            .fd = end_poll_fd(&link->ends[i]),
            .events = (short)(POLLIN | (link->ends[i].blocked ? POLLOUT : 0)),
        };
    return ppoll(fds, 2, wake == UINT64_MAX ? NULL : &timeout, &link->while_waiting);
}

static int run(struct link *link)
{
    struct pollfd fds[2];
    while (!stop) {
        int ready = await(link, fds);
        for (int i = 0; i < 2 && ready > 0; i++) {
            if (fds[i].revents & (POLLOUT | POLLERR | POLLHUP))
                link->ends[i].blocked = false;
            if ((fds[i].revents & ~POLLOUT) && !enter(link, i)) {
                fprintf(stderr, "mytcp-link: %s: %s\n", link->ends[i].name, strerror(errno));
                return EXIT_FAILURE;
            }
        }
        leave(link, 0);
        leave(link, 1);
        show(link);
    }
    return EXIT_SUCCESS;
}

/* Timers that fire when they should. */
static void be_punctual(bool realtime)
{
    struct sched_param lowest = {.sched_priority = 1};
    (void)prctl(PR_SET_TIMERSLACK, 1UL);
    if (realtime && sched_setscheduler(0, SCHED_RR, &lowest) < 0)
        perror("mytcp-link: --realtime is not granted");
}

static int open_and_run(struct link *link)
{
    const struct options *o = &link->options;
    for (int i = 0; i < 2; i++) {
        if (end_open(&link->ends[i], o->end[i], o->address[i], o->mtu_bytes) < 0)
            return EXIT_FAILURE;
        way_init(&link->ways[i], &o->way[i], o->gather_ns, o->seed * 2 + (uint64_t)i);
    }
    catch_signals(link);
    be_punctual(o->realtime);
    link->stats_due_ns = now_ns() + o->stats_ns;
    printf("mytcp-link: %s and %s are joined\n", o->end[0], o->end[1]);
    fflush(stdout);
    int result = run(link);
    stats_print(stdout, link->ways, link->ends);
    return result;
}

int main(int argc, char **argv)
{
    struct link link = {.ends = {{.fd = -1, .listener = -1}, {.fd = -1, .listener = -1}}};
    switch (options_read(&link.options, argc, argv)) {
    case 0:
        break;
    case 1:
        return EXIT_SUCCESS;
    default:
        return EXIT_USAGE;
    }
    int result = open_and_run(&link);
    for (int i = 0; i < 2; i++) {
        end_close(&link.ends[i]);
        way_free(&link.ways[i]);
    }
    return result;
}
