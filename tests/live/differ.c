/* differ.c - run every case on both stacks and compare; the differences that are meant. */
#include "live/differ.h"

#include <fnmatch.h>
#include <stdarg.h>
#include <stdlib.h>

/* ---- transcript ---- */

struct line {
    char about[80]; /* the case */
    char step[48];
    char value[32];
};

struct transcript {
    struct line *line;
    size_t count, room;
    char about[80];
};

void differ_case(struct differ *d, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(d->out->about, sizeof d->out->about, format, args);
    va_end(args);
}

static struct line *add_line(struct differ *d)
{
    struct transcript *t = d->out;
    if (t->count == t->room) {
        t->room = t->room * 2 + 1024;
        t->line = realloc(t->line, t->room * sizeof *t->line);
        if (t->line == NULL) {
            abort();
        }
    }
    struct line *l = &t->line[t->count++];
    memcpy(l->about, t->about, sizeof l->about);
    return l;
}

void note(struct differ *d, long result, const char *format, ...)
{
    int error = errno;
    struct line *l = add_line(d);
    va_list args;
    va_start(args, format);
    vsnprintf(l->step, sizeof l->step, format, args);
    va_end(args);
    if (result == -1) {
        const char *name = strerrorname_np(error);
        snprintf(l->value, sizeof l->value, "%s", name != NULL ? name : "?");
    } else {
        snprintf(l->value, sizeof l->value, "%ld", result);
    }
}

void note_fd(struct differ *d, int fd, const char *what) { note(d, fd < 0 ? fd : 0, "%s", what); }

void note_text(struct differ *d, const char *text, const char *what)
{
    struct line *l = add_line(d);
    snprintf(l->step, sizeof l->step, "%s", what);
    snprintf(l->value, sizeof l->value, "'%.28s'", text);
}

void note_name(struct differ *d, int result, const struct sockaddr_in *name, socklen_t len,
               const char *what)
{
    uint32_t who = name->sin_addr.s_addr;
    note(d, result, "%s", what);
    note(d, (long)len, "length");
    note(d, name->sin_family, "family");
    note(d, name->sin_port != 0, "port");
    const char *role = who ? "?" : "any";
    if (who == d->self.s_addr || who == d->peer.s_addr) {
        role = who == d->self.s_addr ? "self" : "peer";
    }
    note_text(d, role, "address");
}

/* ---- what may differ ---- */

/* Each must occur, or it is no difference any more. */
static const struct {
    const char *part, *pattern; /* of "case: step" */
    const char *reason;
} known[] = {
    {"calls", "*: SIOCOUTQ*: value",
     "bytes of payload; Linux subtracts sequence numbers, those of FINs and of past attempts too"},
    {"calls", "*: accept with*: accept afterwards", "a failed accept leaves the connection queued"},
    {"calls", "pending: accept with*: then the peer's recv", "... where Linux closes it"},
    {"messages", "connecting: *send*: send*", "data waits for the handshake (RFC 9293 3.10.2)"},
    {"messages", "connecting: *iovec*: sendmsg", "the same"},
    {"messages", "connecting: a* NULL piece: sendmsg", "the same"},
    {"options", "*: SO_???BUF values: default", "of payload, not doubled, with other bounds"},
    {"options", "*: SO_???BUF values: after*", "the same"},
    {"options", "inherited: SO_???BUF: get", "the same"},
    {"options", "*: TCP_WINDOW_CLAMP values: default", "none, where Linux tells its buffer's"},
    {"options", "*: TCP_WINDOW_CLAMP values: after*", "the least is half of the smallest buffer"},
    {"options", "inherited: TCP_WINDOW_CLAMP: get", "the same"},
    {"options", "*: TCP_DEFER_ACCEPT values: after*", "no rounding; 255 at most"},
    {"options", "*: TCP_MAXSEG values: default", "536 without a connection, after one as before"},
    {"options", "*: TCP_MAXSEG values: after*", "it acts at once, not from the next connection on"},
    {"options", "*: SO_???TIMEO: seconds after*", "not rounded to ticks"},
    {"options", "*: SO_???TIMEO: its 10 ms", "the same"},
    {"options", "*: linger: l_linger after*", "65535 seconds at most"},
    {"stories", "connect in TIME-WAIT: *", "a second must pass, though bind() named the port"},
    {"names", "socket 2, 0xa, 0: socket", "there are no packet sockets"},
    {"names", "address any: *", "there is no loopback: refused at once"},
    {"names", "connect to port 0: *", "refused at once"},
    {"names", "address multicast: bind*", "only the stack's own address can be bound"},
    {"names", "address *broadcast: bind*", "the same"},
    {"names", "address subnet: bind*", "the same"},
    {"names", "address subnet: *", "host number 0 is a broadcast address (RFC 1122 3.3.6)"},
    {"names", "address foreign: *", "everything is reached through the device"},
};

enum { KNOWN = sizeof known / sizeof known[0] };

static bool is_known(const struct line *l, const char *part, unsigned used[KNOWN])
{
    char label[sizeof l->about + sizeof l->step + 2];
    snprintf(label, sizeof label, "%s: %s", l->about, l->step);
    for (size_t i = 0; i < KNOWN; i++) {
        if (strcmp(known[i].part, part) == 0 && fnmatch(known[i].pattern, label, 0) == 0) {
            used[i]++;
            return true;
        }
    }
    return false;
}

/* ---- comparison ---- */

static bool same_case(const struct transcript *t, size_t i, const char *about)
{
    return i < t->count && strcmp(t->line[i].about, about) == 0;
}

/* One case, from *k and *o on; what one stack answers may change what is asked next. */
static unsigned compare_case(const struct transcript *kernel, const struct transcript *ours,
                             size_t *k, size_t *o, const char *part, unsigned used[KNOWN])
{
    const char *about = kernel->line[*k].about;
    unsigned different = 0;
    bool parted = false;
    while (same_case(kernel, *k, about) && same_case(ours, *o, about) && !parted) {
        const struct line *theirs = &kernel->line[*k], *mine = &ours->line[*o];
        parted = strcmp(theirs->step, mine->step) != 0;
        if (!parted && strcmp(theirs->value, mine->value) != 0 && !is_known(theirs, part, used)) {
            printf("%s: %s: %s, the kernel's is %s\n", about, mine->step, mine->value,
                   theirs->value);
            different++;
        }
        *k += !parted;
        *o += !parted;
    }
    for (; same_case(kernel, *k, about); (*k)++) {
    }
    for (; same_case(ours, *o, about); (*o)++) {
    }
    return different;
}

static unsigned compare(const struct transcript *kernel, const struct transcript *ours,
                        const char *part)
{
    unsigned used[KNOWN] = {0}, different = 0;
    size_t k = 0, o = 0;
    while (k < kernel->count && same_case(ours, o, kernel->line[k].about)) {
        different += compare_case(kernel, ours, &k, &o, part, used);
    }
    if (k < kernel->count || o < ours->count) {
        printf("the cases part at '%s'\n", kernel->line[k < kernel->count ? k : 0].about);
        different++;
    }
    for (size_t i = 0; i < KNOWN; i++) {
        if (used[i] == 0 && strcmp(known[i].part, part) == 0) {
            printf("no difference any more: %s (%s)\n", known[i].pattern, known[i].reason);
            different++;
        }
    }
    return different;
}

/* ---- the command ---- */

static const struct {
    const char *name;
    void (*run)(struct differ *d);
} parts[] = {
    {"calls", differ_calls},
    {"messages", differ_messages},
    {"options", differ_options},
    {"names", differ_names},
    {"stories", differ_stories},
};

static int parse(struct in_addr *a, const char *text) { return inet_pton(AF_INET, text, a) == 1; }

/* PART OUR-ADDRESS OUR-PEER KERNEL-ADDRESS KERNEL-PEER */
int live_differ(struct live *l)
{
    struct transcript out[2] = {{.count = 0}, {.count = 0}};
    struct differ kernel = {.side = {.epoll = -1}, .out = &out[0]};
    struct differ ours = {.side = l->side, .out = &out[1]};
    if (l->argc != 5 || l->side.stack == NULL || !parse(&ours.self, l->argv[1]) ||
        !parse(&ours.peer, l->argv[2]) || !parse(&kernel.self, l->argv[3]) ||
        !parse(&kernel.peer, l->argv[4])) {
        return live_fail("differ PART OUR-ADDRESS OUR-PEER KERNEL-ADDRESS KERNEL-PEER");
    }
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (strcmp(parts[i].name, l->argv[0]) == 0) {
            parts[i].run(&kernel);
            parts[i].run(&ours);
        }
    }
    unsigned different = compare(&out[0], &out[1], l->argv[0]);
    printf("%zu answers compared, %u differ\n", out[0].count, different);
    free(out[0].line);
    free(out[1].line);
    return different != 0 || out[0].count == 0;
}
