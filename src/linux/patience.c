#include "linux/patience.h"

#include "mytcp_tun.h"

#include <sched.h>
#include <time.h>

#define SPIN_US 50        /* about what it costs to be woken */
#define SHORT_WAIT_US 100 /* a wait to which being woken has added its part */
#define CREDIT_MAX 8
#define CREDIT_TO_SPIN 4
#define CREDIT_LOST 2 /* by a long wait: at most 3 of them begin with spinning in vain */
#define WAIT_MAX_S 1000000u

static int spin(struct pollfd *fds, nfds_t count, uint64_t until_us)
{
    int ready;
    do {
        (void)sched_yield(); /* the peer may be waiting for this processor */
        ready = poll(fds, count, 0);
    } while (ready == 0 && mytcp_tun_now_us() < until_us);
    return ready;
}

static int sleep_until(struct pollfd *fds, nfds_t count, uint64_t now_us, uint64_t until_us)
{
    struct timespec limit = {0};
    if (until_us == MYTCP_NEVER_US) {
        return ppoll(fds, count, NULL, NULL);
    }
    if (until_us > now_us) {
        uint64_t wait_us = until_us - now_us;
        uint64_t wait_s = wait_us / 1000000u;
        limit.tv_sec = (time_t)(wait_s < WAIT_MAX_S ? wait_s : WAIT_MAX_S);
        limit.tv_nsec = (long)(wait_us % 1000000u) * 1000;
    }
    return ppoll(fds, count, &limit, NULL);
}

static void learn(struct patience *patience, uint64_t waited_us)
{
    if (waited_us > SHORT_WAIT_US) {
        patience->credit -= patience->credit < CREDIT_LOST ? patience->credit : CREDIT_LOST;
    } else if (patience->credit < CREDIT_MAX) {
        patience->credit++;
    }
}

int patience_wait(struct patience *patience, struct pollfd *fds, nfds_t count, uint64_t now_us,
                  uint64_t until_us)
{
    uint64_t start_us = now_us;
    int ready = 0;
    if (patience->credit >= CREDIT_TO_SPIN) {
        uint64_t spin_until_us = now_us + SPIN_US;
        ready = spin(fds, count, spin_until_us < until_us ? spin_until_us : until_us);
        now_us = mytcp_tun_now_us();
    }
    if (ready == 0 && now_us < until_us) {
        ready = sleep_until(fds, count, now_us, until_us);
        now_us = mytcp_tun_now_us();
    }
    learn(patience, now_us - start_us);
    return ready;
}
