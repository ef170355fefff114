#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GATHER_DEFAULT_NS UINT64_C(50000)
#define QUEUE_DEFAULT_PACKETS 1000

struct unit {
    const char *name;
    double factor;
};

static const struct unit times[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {0}};
static const struct unit rates[] = {{"bit", 1}, {"kbit", 1e3}, {"mbit", 1e6}, {"gbit", 1e9}, {0}};
static const struct unit sizes[] = {{"", 1}, {"k", 1024}, {"m", 1048576}, {0}};
static const struct unit shares[] = {{"%", 0.01}, {0}};

/* A number and its unit, up to the end of the text or to a comma, which *rest then follows. */
static bool number(const char *text, const struct unit *units, double max, double *out,
                   const char **rest)
{
    char *end;
    if (!strchr("0123456789.", *text) || !*text)
        return false;
    double n = strtod(text, &end);
    size_t len = strcspn(end, ",");
    for (; units->name; units++)
        if ((strlen(units->name) == len && !memcmp(units->name, end, len)) || (n == 0 && len == 0))
            break; /* 0 is 0 in any unit */
    if (end == text || !units->name || !(n * units->factor <= max))
        return false;
    *out = n * units->factor;
    *rest = end[len] ? end + len + 1 : NULL;
    return true;
}

/* The same for a number that nothing follows. */
static bool lone(const char *text, const struct unit *units, double max, double *out)
{
    const char *rest;
    return number(text, units, max, out, &rest) && !rest;
}

static bool whole(const char *text, const struct unit *units, double max, uint64_t *out)
{
    double n;
    if (!lone(text, units, max, &n))
        return false;
    *out = (uint64_t)(n + 0.5);
    return true;
}

static bool take_time(const char *text, uint64_t *ns)
{
    return whole(text, times, 3600e9, ns);
}

static bool take_integer(const char *text, uint64_t *n)
{
    char *end;
    errno = 0;
    *n = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !errno && !*end;
}

/* 256k is bytes, 100p is packets. */
static bool take_amount(const char *text, struct amount *amount)
{
    char digits[24] = "";
    size_t len = strlen(text);
    amount->packets = len > 1 && text[len - 1] == 'p';
    if (!amount->packets)
        return whole(text, sizes, 1e12, &amount->n);
    snprintf(digits, sizeof digits, "%.*s", (int)(len - 1), text);
    return take_integer(digits, &amount->n);
}

/* gemodel:p[,r[,1-h[,1-k]]], as netem has it */
static bool take_gilbert_elliott(const char *text, struct loss *loss)
{
    const char *rest = text;
    double *parts[] = {&loss->to_bad, &loss->to_good, &loss->in_bad, &loss->in_good};
    loss->to_good = -1;
    loss->in_bad = 1;
    loss->in_good = 0;
    for (size_t i = 0; i < 4 && rest; i++)
        if (!number(rest, shares, 1, parts[i], &rest))
            return false;
    if (loss->to_good < 0)
        loss->to_good = 1 - loss->to_bad;
    return !rest;
}

static bool take_loss(const char *text, struct loss *loss)
{
    static const char gemodel[] = "gemodel:";
    if (!strncmp(text, gemodel, sizeof gemodel - 1))
        return take_gilbert_elliott(text + sizeof gemodel - 1, loss);
    return lone(text, shares, 1, &loss->random);
}

static bool take_reorder(const char *text, struct way_settings *way)
{
    const char *rest;
    return number(text, shares, 1, &way->reorder, &rest) && rest &&
           take_time(rest, &way->reorder_ns);
}

bool options_shape(struct way_settings *way, const char *name, const char *value)
{
    if (!strcmp(name, "delay"))
        return take_time(value, &way->delay_ns);
    if (!strcmp(name, "jitter"))
        return take_time(value, &way->jitter_ns);
    if (!strcmp(name, "loss"))
        return take_loss(value, &way->loss);
    if (!strcmp(name, "every"))
        return take_integer(value, &way->loss.every);
    if (!strcmp(name, "reorder"))
        return take_reorder(value, way);
    if (!strcmp(name, "dup"))
        return lone(value, shares, 1, &way->duplicate);
    if (!strcmp(name, "rate"))
        return whole(value, rates, 1e12, &way->rate_bit_s);
    if (!strcmp(name, "queue"))
        return take_amount(value, &way->limit);
    return !strcmp(name, "ecn") && take_amount(value, &way->mark);
}

static void help(void)
{
    puts("usage: mytcp-link --a END --b END [options]\n\n"
         "Joins two ends by a link that can be slow, long, narrow and lossy, until SIGINT or\n"
         "SIGTERM; then prints what went through. An END is\n"
         "  DEVICE               a TUN device, made if there is none of that name\n"
         "  DEVICE@NAMESPACE     the same in another network namespace: the id of a process in\n"
         "                       it, a name that `ip netns` knows, or a path\n"
         "  unix:PATH            the link listens there for a stack of libmytcp: a program with\n"
         "                       --tun unix:PATH\n"
         "  --a-ip, --b-ip A.B.C.D/P   set the device's address and bring it up\n"
         "  --mtu N              of both devices\n\n"
         "What the link does, both ways unless --ab (a to b) or --ba stands before, up to --both:\n"
         "  --delay 50ms         one way\n"
         "  --jitter 5ms         the delay varies by up to this; the order is kept\n"
         "  --loss 1%            of wire packets, at random\n"
         "  --loss gemodel:P,R,1-H,1-K   in bursts (Gilbert-Elliott): the probabilities, in %, to\n"
         "                       turn bad and good again, and of loss in the bad and good state\n"
         "  --every N            lose each n-th packet\n"
         "  --reorder 1%,3ms     some are later by so much, and others overtake them\n"
         "  --dup 0.1%           some arrive twice\n"
         "  --rate 100mbit       bit, kbit, mbit, gbit; of IP packets\n"
         "  --queue 256k|100p    bytes or packets that wait at most, 0 no limit; default 1000p\n"
         "  --ecn 64k|40p        a queue so long marks packets of ECN-capable transports\n\n"
         "  --seed N             the same chances in every run (default 1)\n"
         "  --gather TIME        what is due between two ticks of this leaves together, and what\n"
         "                       follows each other exactly as one super-segment; 0 writes each\n"
         "                       wire packet at its time (default 50us)\n"
         "  --realtime           go before other programs, to be on time on a busy machine\n"
         "  --stats TIME         print statistics this often\n"
         "  --help               this\n\n"
         "Super-segments are split into wire packets on entry: all of the above counts those.");
}

static int bad(const char *name, const char *value)
{
    fprintf(stderr, "mytcp-link: --%s %s: not understood; --help tells more\n", name, value);
    return -1;
}

/* The options that are not about a direction. */
static bool take_common(struct options *options, const char *name, const char *value)
{
    uint64_t n;
    if (!strcmp(name, "a") || !strcmp(name, "b"))
        options->end[*name - 'a'] = value;
    else if (!strcmp(name, "a-ip") || !strcmp(name, "b-ip"))
        options->address[*name - 'a'] = value;
    else if (!strcmp(name, "gather"))
        return take_time(value, &options->gather_ns);
    else if (!strcmp(name, "stats"))
        return take_time(value, &options->stats_ns);
    else if (!strcmp(name, "seed"))
        return take_integer(value, &options->seed);
    else if (take_integer(value, &n) && n >= 68 && n <= 65535)
        options->mtu_bytes = (uint32_t)n;
    else
        return false;
    return true;
}

enum { HELP = 1, COMMON, SHAPE, REALTIME, BOTH, AB, BA };

/* clang-format off */
static const struct option table[] = {
    {"a", required_argument, NULL, COMMON}, {"b", required_argument, NULL, COMMON},
    {"a-ip", required_argument, NULL, COMMON}, {"b-ip", required_argument, NULL, COMMON},
    {"mtu", required_argument, NULL, COMMON}, {"gather", required_argument, NULL, COMMON},
    {"seed", required_argument, NULL, COMMON}, {"stats", required_argument, NULL, COMMON},
    {"delay", required_argument, NULL, SHAPE}, {"jitter", required_argument, NULL, SHAPE},
    {"loss", required_argument, NULL, SHAPE}, {"every", required_argument, NULL, SHAPE},
    {"reorder", required_argument, NULL, SHAPE}, {"dup", required_argument, NULL, SHAPE},
    {"rate", required_argument, NULL, SHAPE}, {"queue", required_argument, NULL, SHAPE},
    {"ecn", required_argument, NULL, SHAPE},
    {"both", no_argument, NULL, BOTH}, {"ab", no_argument, NULL, AB},
    {"ba", no_argument, NULL, BA}, {"realtime", no_argument, NULL, REALTIME},
    {"help", no_argument, NULL, HELP}, {0}};
/* clang-format on */

int options_read(struct options *options, int argc, char **argv)
{
    int option, index = 0, direction = BOTH;
    *options = (struct options){.gather_ns = GATHER_DEFAULT_NS, .seed = 1};
    for (int i = 0; i < 2; i++)
        options->way[i].limit = (struct amount){QUEUE_DEFAULT_PACKETS, true};
    while ((option = getopt_long(argc, argv, "", table, &index)) != -1) {
        const char *name = table[index].name;
        if (option == HELP) {
            help();
            return 1;
        }
        if (option == COMMON && !take_common(options, name, optarg))
            return bad(name, optarg);
        if (option == '?')
            return -1;
        if (option == REALTIME)
            options->realtime = true;
        if (option == SHAPE) {
            if (direction != BA && !options_shape(&options->way[0], name, optarg))
                return bad(name, optarg);
            if (direction != AB && !options_shape(&options->way[1], name, optarg))
                return bad(name, optarg);
        } else if (option >= BOTH) {
            direction = option;
        }
    }
    if (optind < argc || !options->end[0] || !options->end[1]) {
        fputs("mytcp-link: --a END and --b END are needed, and nothing else; --help tells more\n",
              stderr);
        return -1;
    }
    return 0;
}
