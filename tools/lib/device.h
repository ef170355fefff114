/* The options that the programs share: which device, which addresses, which settings. */
#ifndef TOOLS_DEVICE_H
#define TOOLS_DEVICE_H

#include <getopt.h>
#include <stdio.h>

#include "mytcp_tun.h"

struct device {
    struct mytcp_config config;
    struct mytcp_tun_options options;
};

enum { EXIT_USAGE = 2 };

/* For a program's table of long options, and its --help. */
/* clang-format off */
#define DEVICE_LONG_OPTIONS                                                                        \
    {"tun", required_argument, NULL, 't'}, {"ip", required_argument, NULL, 'i'},                   \
    {"host", required_argument, NULL, 'o'}, {"mtu", required_argument, NULL, 'm'},                 \
    {"pcap", required_argument, NULL, 'p'}, {"set", required_argument, NULL, 's'}
/* clang-format on */

void device_init(struct device *device);

/* Take one of the options above. Returns 1, 0 if `option` is none of them, -1 if the value is bad
 * (a message has been printed). `value` must live as long as the device. */
int device_option(struct device *device, int option, const char *value);

/* Parse "A.B.C.D". Returns whether it is one. */
bool device_address(const char *text, struct in_addr *addr);

/* Open it. On failure says why on stderr and returns NULL. */
mytcp_tun *device_open(struct device *device);

/* The part of --help about these options. */
void device_help(FILE *to);
/* Every name that --set takes. */
void device_help_settings(FILE *to);

#endif
