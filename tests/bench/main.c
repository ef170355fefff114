/* main.c - the bench's programs; run.sh puts them together. */
#include "bench/path.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

int bench_fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    return 1;
}

static int usage(void)
{
    fputs("bench [--core N] [--tun NAME --ip A --host A/P [--set NAME=VALUE]] COMMAND\n"
          "  serve sink|source|pong|rate|idle|sink0|source0 [COUNT]   (0: without a copy)\n"
          "  client sink|source|pong|rate|idle HOST SECONDS [BYTES or COUNT]\n"
          "  serve path [CC]\n"
          "  client path-bulk HOST SECONDS [WARM-UP]; client path-responses HOST COUNT BYTES INTERVAL-S\n"
          "  ceiling DEVICE sink|source|pong|dial ADDRESS [HOST SECONDS]\n",
          stderr);
    return 2;
}

static void pin(unsigned core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    sched_setaffinity(0, sizeof set, &set); /* where there is one core only, so be it */
}

static int run(struct side *s, int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[0], "serve") == 0) {
        if (strcmp(argv[1], "path") == 0) {
            return path_serve(s, argc > 2 ? argv[2] : NULL);
        }
        return bench_serve(s, argv[1], argc > 2 ? strtoul(argv[2], NULL, 10) : 0);
    }
    if (argc >= 4 && strcmp(argv[0], "client") == 0) {
        struct sockaddr_in to = side_address(argv[2], BENCH_PORT);
        double seconds = strtod(argv[3], NULL);
        size_t number = argc > 4 ? strtoul(argv[4], NULL, 10) : 1;
        if (strcmp(argv[1], "path-bulk") == 0) {
            return path_bulk(s, &to, seconds, argc > 4 ? (double)number : 0);
        }
        if (strcmp(argv[1], "path-responses") == 0) {
            return path_responses(s, &to, (size_t)seconds, number,
                                  argc > 5 ? strtod(argv[5], NULL) : 1);
        }
        if (strcmp(argv[1], "rate") == 0) {
            return bench_rate(s, &to, seconds);
        }
        return strcmp(argv[1], "idle") == 0 ? bench_idle(s, &to, number)
                                            : bench_client(s, argv[1], &to, seconds, number);
    }
    if (argc >= 4 && strcmp(argv[0], "ceiling") == 0) {
        struct sockaddr_in self = side_address(argv[3], BENCH_PORT);
        struct sockaddr_in to = side_address(argc > 4 ? argv[4] : argv[3], BENCH_PORT);
        return bench_ceiling(argv[1], argv[2], &self, &to, argc > 5 ? strtod(argv[5], NULL) : 0);
    }
    return usage();
}

int main(int argc, char **argv)
{
    struct side_options options;
    struct side side;
    int i = 1;
    side_defaults(&options);
    signal(SIGPIPE, SIG_IGN);
    for (int words; i < argc; i += words) {
        if (strcmp(argv[i], "--core") == 0 && i + 1 < argc) {
            pin((unsigned)strtoul(argv[i + 1], NULL, 10));
            words = 2;
        } else if ((words = side_option(&options, argv + i)) < 0) {
            return usage();
        } else if (words == 0) {
            break;
        }
    }
    if (path_join(&options) != 0) {
        return bench_fail(options.tun.name);
    }
    if (side_open(&side, &options) != 0) {
        return 1;
    }
    return run(&side, argc - i, argv + i);
}
