/*
 * turn.h - one turn of the loop: what is there goes into the stack, what the stack has goes out.
 *
 * None of these takes the driver's lock; with a driver thread the caller holds it.
 */
#ifndef MYTCP_LINUX_TURN_H
#define MYTCP_LINUX_TURN_H

#include "linux/tun_state.h"

#include <poll.h>

/* Send all that the stack has to send. Returns the packets moved. */
int turn_output(struct mytcp_tun *tun, uint64_t now_us);

/* Take in a batch, then send, without waiting. Returns the packets moved, or -1 with errno: the
 * device is gone. */
int turn_pass(struct mytcp_tun *tun, uint64_t now_us);

/* When there is something to do even if no packet comes; 0 is now. */
uint64_t turn_deadline_us(struct mytcp_tun *tun);

/* What to wait for: the device, as far as it is of use now. */
struct pollfd turn_pollfd(const struct mytcp_tun *tun, uint64_t now_us);

/* The whole turn of a caller without a driver thread, as mytcp_tun_turn() says. */
int turn_run(struct mytcp_tun *tun, uint64_t max_wait_us);

#endif
