/* kernel.c - all scripts at once on Linux, each by its own clock, through one TUN device. */
#include "differ/differ.h"

#include "util/bytes.h"
#include "wire/checksum.h"
#include "wire/ip4.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* A step made so late is not the script's: its times keep further than that from timers. */
enum { LATE_US = 10000, APART_MIN_US = 500, APART_MAX_US = 20000, PATIENCE_US = 35000000 };
enum { NETWORK = 0x0a090000, SERIALS = 50000, FIRST_ADDRESS = 300, FIRST_PORT = 1024 };

struct stage { /* a play, and the world's time */
    struct play *play;
    const struct script *script;
    uint64_t began_us, due_us; /* due: UINT64_MAX when it is not on */
    unsigned serial;           /* of the attempt, among all */
};

struct kernel {
    struct stage *stage;
    unsigned count;
    int tun;
    struct stage **queue; /* of attempts, by serial: begun ones and those that wait */
    unsigned begun, queued;
    uint64_t start_us, apart_us; /* when the next may begin; later while plays come late */
};

static uint64_t clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int open_device(const char *name)
{
    struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "%s", name);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) != 0) {
        fatal("%s: %s", name, strerror(errno));
    }
    return fd;
}

/* A device that was just opened drops what is sent, until its queue is made: it carries once an
 * ICMP echo is answered. */
static void await_answer(int tun)
{
    uint8_t echo[IP4_HEADER_LEN + 8] = {0}, answer[PACKET_SIZE], *icmp = echo + IP4_HEADER_LEN;
    struct pollfd f = {.fd = tun, .events = POLLIN};
    ip4_build(echo, (ip4_addr){NETWORK + 2}, (ip4_addr){NETWORK + 1}, IP4_PROTO_ICMP, 64, 0,
              sizeof echo);
    icmp[0] = 8;
    struct checksum sum = checksum_start();
    checksum_add(&sum, icmp, 8);
    store_be16(icmp + 2, checksum_field(&sum));
    for (int tries = 0; tries < 500; tries++) {
        (void)!write(tun, echo, sizeof echo); /* refused while the device is down */
        for (; poll(&f, 1, 10) > 0;) {
            ssize_t n = read(tun, answer, sizeof answer);
            if (n == sizeof echo && answer[9] == IP4_PROTO_ICMP) {
                return;
            }
        }
    }
    fatal("the device carries nothing");
}

/* Where that is allowed, nobody comes before a script whose time has come: all of them are less
 * than a second's work. Returns what was so before. */
static int put_first(void)
{
    struct sched_param first = {.sched_priority = 1};
    int before = sched_getscheduler(0);
    sched_setscheduler(0, SCHED_FIFO, &first);
    return before;
}

static void put_back(int before)
{
    struct sched_param ordinary = {.sched_priority = 0};
    sched_setscheduler(0, before, &ordinary);
}

static void put_in_queue(struct kernel *k, struct stage *s)
{
    s->due_us = UINT64_MAX;
    k->queue[k->queued++] = s;
}

/* Every attempt has an address and ports of its own: what is left of the last one is not met. */
static void raise_curtain(struct kernel *k)
{
    struct stage *s = k->queue[k->begun];
    struct play *p = s->play;
    s->serial = k->begun++;
    p->stack = NULL;
    p->tun = k->tun;
    p->self.s_addr = htonl(NETWORK + 1);
    p->peer.s_addr = htonl(NETWORK + FIRST_ADDRESS + s->serial);
    p->self_port = (uint16_t)(FIRST_PORT + s->serial);
    p->peer_port = 40000;
    play_begin(p, s->script);
    s->began_us = s->due_us = clock_us();
    k->start_us = s->began_us + k->apart_us;
}

static void hear(struct kernel *k)
{
    uint8_t packet[PACKET_SIZE];
    ssize_t n;
    while ((n = read(k->tun, packet, sizeof packet)) > 0) {
        unsigned host = n < 20 ? 0 : (unsigned)packet[18] << 8 | packet[19];
        if (packet[0] >> 4 != 4 || host - FIRST_ADDRESS >= k->begun) {
            continue; /* not of a script: IPv6's router solicitations */
        }
        struct stage *s = k->queue[host - FIRST_ADDRESS];
        if (s->serial == host - FIRST_ADDRESS && s->due_us != UINT64_MAX) {
            play_heard(s->play, packet, (size_t)n);
        }
    }
}

/* Packets until somebody's time has come. */
static void hear_until(struct kernel *k, uint64_t due_us)
{
    struct pollfd f = {.fd = k->tun, .events = POLLIN};
    hear(k);
    for (uint64_t now_us; (now_us = clock_us()) < due_us; hear(k)) {
        uint64_t left_us = due_us - now_us;
        struct timespec t = {(time_t)(left_us / 1000000), (long)(left_us % 1000000) * 1000};
        ppoll(&f, 1, &t, NULL);
    }
}

/* At the end of a step: look, and make the next. */
static void go_on(struct kernel *k, struct stage *s)
{
    struct play *p = s->play;
    if (clock_us() - s->due_us > LATE_US) {
        play_end(p);
        put_in_queue(k, s);
        k->apart_us += k->apart_us < APART_MAX_US ? k->apart_us / 16 : 0;
        return;
    }
    play_observe(p);
    if (play_act(p)) {
        s->due_us = s->began_us + p->now_us;
        return;
    }
    play_end(p);
    s->due_us = UINT64_MAX;
    k->apart_us -= k->apart_us > APART_MIN_US ? k->apart_us / 64 : 0;
}

static struct stage *next_due(const struct kernel *k)
{
    struct stage *next = &k->stage[0];
    for (unsigned i = 1; i < k->count; i++) {
        next = k->stage[i].due_us < next->due_us ? &k->stage[i] : next;
    }
    return next;
}

/* False: there are some that the machine does not let keep their times. */
static bool play_all(struct kernel *k)
{
    uint64_t end_us = clock_us() + PATIENCE_US;
    while (k->queued < SERIALS && clock_us() < end_us) {
        struct stage *s = next_due(k);
        uint64_t start_us = k->begun < k->queued ? k->start_us : UINT64_MAX;
        if (s->due_us == UINT64_MAX && start_us == UINT64_MAX) {
            return true;
        }
        if (start_us < s->due_us) {
            hear_until(k, start_us);
            raise_curtain(k);
        } else {
            hear_until(k, s->due_us);
            go_on(k, s);
        }
    }
    return false;
}

bool kernel_play(struct play *plays, const struct scripts *scripts, const char *device,
                 unsigned *again)
{
    struct kernel k = {.count = scripts->count, .apart_us = APART_MIN_US};
    k.tun = open_device(device);
    await_answer(k.tun);
    k.stage = calloc(k.count, sizeof *k.stage);
    k.queue = calloc(SERIALS, sizeof *k.queue);
    if (k.stage == NULL || k.queue == NULL) {
        fatal("no memory");
    }
    for (unsigned i = 0; i < k.count; i++) {
        k.stage[i] = (struct stage){.play = &plays[i], .script = &scripts->script[i]};
        put_in_queue(&k, &k.stage[i]);
    }
    int before = put_first();
    bool all = play_all(&k);
    put_back(before);
    *again = k.begun - k.count;
    close(k.tun);
    free(k.stage);
    free(k.queue);
    return all;
}
