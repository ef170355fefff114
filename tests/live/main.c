/* main.c - the live helper: options of the side, then a command. */
#include "live/live.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>

static const struct {
    const char *name;
    int (*run)(struct live *l);
    const char *words;
} commands[] = {
    {"echo-full", live_echo_full, "HOST PORT BYTES [BUFFER]"},
    {"many", live_many, "HOST PORT CONNECTIONS BYTES"},
    {"threads", live_threads, "HOST PORT THREADS BYTES"},
    {"reset", live_reset, "HOST PORT"},
    {"half", live_half, "HOST PORT BYTES"},
    {"refused", live_refused, "HOST PORT ERRNO-NAME [USER-TIMEOUT-MS]"},
    {"stuck", live_stuck, "HOST PORT ERRNO-NAME"},
    {"chargen", live_chargen, "HOST PORT BYTES"},
    {"await-reset", live_await_reset, "HOST PORT"},
    {"late", live_late, "HOST PORT MS"},
    {"serve", live_serve, "PORT:KIND..."},
    {"loop", live_loop, "PORT"},
    {"ping", live_ping, "HOST COUNT BYTES"},
    {"udp", live_udp, "HOST PORT"},
    {"flood", live_flood, "HOST PORT PER-SECOND SECONDS"},
    {"differ", live_differ, "PART OUR-ADDRESS OUR-PEER KERNEL-ADDRESS KERNEL-PEER"},
    {"numbers", live_numbers, "BYTES"},
};

int live_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return 1;
}

unsigned long live_number(const struct live *l, int i, unsigned long fallback)
{
    return i < l->argc ? strtoul(l->argv[i], NULL, 10) : fallback;
}

void live_fill(uint8_t *data, size_t len, uint64_t seed, uint64_t offset)
{
    for (size_t i = 0; i < len; i++) {
        data[i] = live_byte(seed, offset + i);
    }
}

size_t live_compare(const uint8_t *data, size_t len, uint64_t seed, uint64_t offset)
{
    size_t i = 0;
    while (i < len && data[i] == live_byte(seed, offset + i)) {
        i++;
    }
    return i;
}

int live_numbers(struct live *l)
{
    uint8_t data[251 * 256];
    size_t left = live_number(l, 0, 0);
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i % 251);
    }
    while (left > 0) {
        size_t n = left < sizeof data ? left : sizeof data;
        if (fwrite(data, 1, n, stdout) != n) {
            return 1;
        }
        left -= n;
    }
    return 0;
}

static int usage(void)
{
    fputs("live [--tun NAME --ip ADDRESS --host ADDRESS/PREFIX [--mtu N] [--no-offload] [--thread]\n"
          "      [--set NAME=VALUE]] COMMAND; without --tun over the kernel's stack\n",
          stderr);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        fprintf(stderr, "  %s %s\n", commands[i].name, commands[i].words);
    }
    return 2;
}

int main(int argc, char **argv)
{
    struct side_options options;
    struct live l = {.argc = 0};
    int i = 1;
    side_defaults(&options);
    for (int words; i < argc && (words = side_option(&options, argv + i)) != 0; i += words) {
        if (words < 0) {
            return usage();
        }
    }
    signal(SIGPIPE, SIG_IGN);
    for (size_t c = 0; i < argc && c < sizeof commands / sizeof commands[0]; c++) {
        if (strcmp(argv[i], commands[c].name) == 0) {
            if (side_open(&l.side, &options) != 0) {
                return 1;
            }
            l.thread = options.thread;
            l.argc = argc - i - 1;
            l.argv = argv + i + 1;
            int rc = commands[c].run(&l);
            side_finish(&l.side, l.thread, 5000);
            return rc;
        }
    }
    return usage();
}
