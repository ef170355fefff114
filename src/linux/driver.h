/*
 * driver.h - what the stack is given to block, to lock and to send at once; and the driver thread.
 *
 * Without a thread, nothing is locked and a blocking call turns the loop itself. From the first
 * start of a thread on, every call locks.
 */
#ifndef MYTCP_LINUX_DRIVER_H
#define MYTCP_LINUX_DRIVER_H

#include "linux/tun_state.h"

/* Make what locking needs, and free it. */
void driver_init(struct mytcp_tun *tun);
void driver_free(struct mytcp_tun *tun);

struct mytcp_driver driver_ops(struct mytcp_tun *tun);

void driver_lock(void *tun);
void driver_unlock(void *tun);

/* As mytcp_driver.wait: with the lock held. */
int driver_wait(void *tun, uint64_t deadline_us);

#endif
