/* A stack whose device is one end of a mytcp-link: a Unix socket in place of a TUN. */
#ifndef TOOLS_JOIN_H
#define TOOLS_JOIN_H

#include <stdbool.h>

/* Is this the name of such a device, "unix:PATH"? */
bool join_is(const char *name);

/* Connect to it: a descriptor for mytcp_tun_options.fd, with virtio-net headers; -1 with errno. */
int join_open(const char *name);

#endif
