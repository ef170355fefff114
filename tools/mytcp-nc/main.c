/* mytcp-nc: stdin to a TCP connection and back, over the library and a TUN device of its own. */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/device.h"
#include "relay.h"

static volatile sig_atomic_t stop; /* a signal handler can reach nothing else */

static void on_signal(int signal)
{
    (void)signal;
    stop = 1;
}

/* Only relay_turn() lets them in, so that none falls between looking at `stop` and waiting. */
static void catch_signals(struct relay *relay)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t caught;

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&caught);
    sigaddset(&caught, SIGINT);
    sigaddset(&caught, SIGTERM);
    sigprocmask(SIG_BLOCK, &caught, &relay->while_waiting);
    relay->stop = &stop;
}

static void help(void)
{
    puts("usage: mytcp-nc [options] HOST PORT\n"
         "       mytcp-nc [options] -l PORT\n\n"
         "Connects to HOST (an IPv4 address), or with -l waits for one connection; then copies\n"
         "stdin to it and what comes back to stdout. The end of stdin closes that direction only;\n"
         "the program ends when both directions have. Its exit status is then 0, 1 after an error,\n"
         "2 for bad usage.\n\n"
         "  -l                   listen");
    device_help(stdout);
    puts("  --help               this\n\n"
         "Without --tun, --ip and --host: --tun mytcp0 --ip 10.9.8.2 --host 10.9.8.1/24");
    device_help_settings(stdout);
}

struct target {
    bool listens;
    struct sockaddr_in addr;
};

static bool parse_port(const char *text, struct target *target)
{
    char *end;
    errno = 0;
    unsigned long n = strtoul(text, &end, 10);
    target->addr.sin_family = AF_INET;
    target->addr.sin_port = htons((uint16_t)n);
    if (!errno && !*end && n >= 1 && n <= 65535)
        return true;
    fprintf(stderr, "mytcp-nc: %s: not a port\n", text);
    return false;
}

static bool parse_target(int argc, char **argv, struct target *target)
{
    if (argc != (target->listens ? 1 : 2)) {
        fprintf(stderr, "mytcp-nc: %s\n",
                target->listens ? "-l PORT is needed" : "HOST PORT is needed");
        return false;
    }
    if (target->listens || device_address(argv[0], &target->addr.sin_addr))
        return parse_port(argv[argc - 1], target);
    fprintf(stderr, "mytcp-nc: %s: not an IPv4 address\n", argv[0]);
    return false;
}

/* Where nothing was said, a network of our own. */
static void default_device(struct device *device)
{
    if (device->options.name || device->config.addr.s_addr || device->options.host.s_addr)
        return;
    device_option(device, 't', "mytcp0");
    device_option(device, 'i', "10.9.8.2");
    device_option(device, 'o', "10.9.8.1/24");
}

/* Returns 0 to go on, 1 if help was asked for, -1 after a message. */
static int options_read(int argc, char **argv, struct device *device, struct target *target)
{
    static const struct option options[] = {
        DEVICE_LONG_OPTIONS, {"help", no_argument, NULL, 'h'}, {0}};
    int option;

    while ((option = getopt_long(argc, argv, "hl", options, NULL)) != -1) {
        int taken = device_option(device, option, optarg);
        if (option == 'h')
            return 1;
        if (option == 'l')
            target->listens = true;
        else if (taken <= 0)
            return -1;
    }
    default_device(device);
    if (!device->options.name || !device->config.addr.s_addr) {
        fputs("mytcp-nc: --tun and --ip are needed, or none of the device's options\n", stderr);
        return -1;
    }
    return parse_target(argc - optind, argv + optind, target) ? 0 : -1;
}

static int run(struct device *device, const struct target *target)
{
    struct relay relay = {.fd = -1};
    catch_signals(&relay);
    relay.tun = device_open(device);
    if (!relay.tun)
        return EXIT_FAILURE;
    relay.stack = mytcp_tun_stack(relay.tun);

    int result = target->listens ? relay_accept(&relay, &target->addr)
                                 : relay_connect(&relay, &target->addr);
    if (result == 0)
        result = relay_run(&relay);
    if (result < 0) {
        fprintf(stderr, "mytcp-nc: %s: %s\n", relay.what, stop ? "interrupted" : strerror(errno));
        relay_abort(&relay);
    }
    mytcp_tun_close(relay.tun);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct device device;
    struct target target = {0};

    device_init(&device);
    switch (options_read(argc, argv, &device, &target)) {
    case 0:
        return run(&device, &target);
    case 1:
        help();
        return EXIT_SUCCESS;
    default:
        fputs("mytcp-nc --help tells more\n", stderr);
        return EXIT_USAGE;
    }
}
