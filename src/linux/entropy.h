/*
 * entropy.h - secret random bytes from the kernel.
 *
 * A process that forks shares its stack's secrets, and the device, with its child: only one of the
 * two may go on using them. Nothing here detects that.
 */
#ifndef MYTCP_LINUX_ENTROPY_H
#define MYTCP_LINUX_ENTROPY_H

#include <stddef.h>

/* Fill `bytes` from getrandom(2), waiting for the kernel's generator to be seeded. -1 and errno:
 * there are none, and nothing weaker is a substitute: refuse to start. */
int entropy_fill(void *bytes, size_t len_bytes);

#endif
