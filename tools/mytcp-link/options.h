/* The command line of mytcp-link. */
#ifndef LINK_OPTIONS_H
#define LINK_OPTIONS_H

#include "way.h"

struct options {
    const char *end[2];     /* --a, --b */
    const char *address[2]; /* --a-ip, --b-ip */
    uint32_t mtu_bytes;
    struct way_settings way[2]; /* [0] from a to b */
    uint64_t gather_ns;
    uint64_t seed;
    bool realtime;
    uint64_t stats_ns;      /* print statistics this often; 0: at the end alone */
};

/* Returns 0 to go on, 1 if help was asked for (and printed), -1 after a message. */
int options_read(struct options *options, int argc, char **argv);

/* The value of one option of a direction ("delay", "50ms"). Returns whether it is one. */
bool options_shape(struct way_settings *way, const char *name, const char *value);

#endif
