/*
 * host_config.h - the host's side of the device: address, MTU, link state.
 */
#ifndef MYTCP_LINUX_HOST_CONFIG_H
#define MYTCP_LINUX_HOST_CONFIG_H

#include "linux/why.h"

#include <netinet/in.h>
#include <stdint.h>

/* A socket for the calls below, in the network namespace that the device is in. -1 and errno. */
int host_config_open(void);

/*
 * Give the device's host side the address `host`/`prefix_len` and bring the link up. `stack` is the
 * address at the other end of the device: it must be another one, must not belong to the host
 * already, and must be reachable through this subnet (with a prefix of 32 it gets a route of its
 * own). -1 with errno and a sentence: EINVAL, EADDRINUSE, EPERM, ...
 */
int host_config_address(int fd, const char *name, struct in_addr host, uint32_t prefix_len,
                        struct in_addr stack, const struct why *why);

/*
 * Let the device hold a burst of many connections: its queue of 500 packets would lose half of
 * 1,000 SYNs that come at once. Best effort.
 */
void host_config_lengthen_queue(int fd, const char *name);

int host_config_set_mtu(int fd, const char *name, uint32_t mtu_bytes, const struct why *why);

/* The device's MTU, or 0 if it cannot be read. */
uint32_t host_config_mtu(int fd, const char *name);

#endif
