/* mytcp-echo: echo, discard, daytime, chargen and a small HTTP server on a TUN device. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/device.h"
#include "lose.h"
#include "server.h"

enum { TRACE_ENTRIES = 4096 };

static volatile sig_atomic_t stop; /* a signal handler can reach nothing else */

static void on_signal(int signal)
{
    (void)signal;
    stop = 1;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void help(void)
{
    puts("usage: mytcp-echo --tun NAME --ip A.B.C.D --host A.B.C.D/P [--mtu N] [--pcap FILE]\n"
         "                  [--lose WHAT] [--trace] [--set NAME=VALUE]...\n\n"
         "Serves echo (port 7), discard (9), daytime (13), chargen (19) and HTTP (80) on a TUN\n"
         "device until SIGINT or SIGTERM. At http://IP/ is a page about the very connection that\n"
         "asks for it, at /stats what the stack has counted; /bytes/N is N bytes, of which byte i\n"
         "is i modulo 251; PUT and POST answer how much they got.\n");
    device_help(stdout);
    puts("  --lose WHAT          lose the first packet (with :N the first N) that is\n"
         "                         syn      an incoming SYN\n"
         "                         synack   an outgoing SYN-ACK\n"
         "                         ack      an incoming ACK of a SYN-ACK, without data\n"
         "                         fin      an outgoing FIN\n"
         "                         lastack  the ACK of a connection's second FIN, either way\n"
         "                       or, with 5%, 5 % of all packets both ways: the same ones in\n"
         "                       each run\n"
         "  --trace              print a line for each segment: sequence numbers relative to\n"
         "                       each side's first, the state before and after\n"
         "  --help               this");
    device_help_settings(stdout);
}

/* Returns 0 to go on, 1 if help was asked for, -1 after a message. */
static int options_read(int argc, char **argv, struct device *device, struct server *server)
{
    static const struct option options[] = {DEVICE_LONG_OPTIONS,
                                            {"lose", required_argument, NULL, 'l'},
                                            {"trace", no_argument, NULL, 'T'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        int taken = device_option(device, option, optarg);
        if (taken < 0)
            return -1;
        if (taken)
            continue;
        if (option == 'h')
            return 1;
        if (option == 'T') {
            server->trace = server->lose->keep_told = true;
        } else if (option != 'l') {
            return -1;
        } else if (!lose_parse(server->lose, optarg)) {
            fprintf(stderr, "mytcp-echo: --lose %s: not syn, synack, ack, fin or lastack, nor N%%\n",
                    optarg);
            return -1;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "mytcp-echo: %s: no arguments are expected\n", argv[optind]);
        return -1;
    }
    if (!device->options.name || !device->config.addr.s_addr) {
        fputs("mytcp-echo: --tun and --ip are needed\n", stderr);
        return -1;
    }
    return 0;
}

static void announce(const struct device *device, const mytcp_tun *tun)
{
    char ip[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &device->config.addr, ip, sizeof ip);
    printf("mytcp-echo: %s on %s, %s offloads: echo 7, discard 9, daytime 13, chargen 19, http 80\n",
           ip, mytcp_tun_name(tun), mytcp_tun_offload(tun) ? "with" : "without");
    fflush(stdout);
}

static int serve(struct device *device, struct server *server)
{
    if (server->trace && device->config.trace_entries == 0)
        device->config.trace_entries = TRACE_ENTRIES;
    catch_signals();
    server->tun = device_open(device);
    if (!server->tun)
        return EXIT_FAILURE;
    server->stack = mytcp_tun_stack(server->tun);
    if (server->lose->what != LOSE_NOTHING)
        mytcp_tun_filter(server->tun, lose_filter, server->lose);

    int result = server_start(server);
    if (result == 0) {
        announce(device, server->tun);
        result = server_run(server, &stop);
    }
    server_end(server);
    mytcp_tun_close(server->tun);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct device device;
    struct lose lose = {0};
    struct server server = {.lose = &lose};

    device_init(&device);
    switch (options_read(argc, argv, &device, &server)) {
    case 0:
        return serve(&device, &server);
    case 1:
        help();
        return EXIT_SUCCESS;
    default:
        fputs("mytcp-echo --help tells more\n", stderr);
        return EXIT_USAGE;
    }
}
