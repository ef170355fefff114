/*
 * patience.h - wait for a descriptor, awake for a moment first if that has paid off lately.
 *
 * To be woken from poll(2) takes 10 to 50 us when the processor has gone idle, often more than
 * everything else that a request and its answer cost. So where the last waits have been short, the
 * next one begins with looking again and again for up to 50 us. Where they have been long it does
 * not: an idle driver uses no processor time. Between two looks the processor is offered to others:
 * the peer may need this very one to answer.
 */
#ifndef MYTCP_LINUX_PATIENCE_H
#define MYTCP_LINUX_PATIENCE_H

#include <poll.h>
#include <stdint.h>

struct patience {
    uint8_t credit; /* how short the last waits were; starts at 0 */
};

/* Wait until one of `fds` is ready (> 0) or until `until_us` (0). -1: EINTR. */
int patience_wait(struct patience *patience, struct pollfd *fds, nfds_t count, uint64_t now_us,
                  uint64_t until_us);

#endif
