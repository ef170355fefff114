/*
 * tun_state.h - everything that one driver holds: what `mytcp_tun` is inside.
 *
 * With a driver thread, all of it is read and written under `mutex`, but for `patience`, which is
 * the thread's, and for what is set at the opening and never changes (device, stack).
 */
#ifndef MYTCP_LINUX_TUN_STATE_H
#define MYTCP_LINUX_TUN_STATE_H

#include "linux/patience.h"
#include "linux/pcap_file.h"
#include "linux/tun_device.h"
#include "mytcp_tun.h"

#include <pthread.h>

/* A packet that the device could not take at once, copied: the stack's memory may change. */
struct held_packet {
    struct mytcp_tx tx; /* valid while tx.len_bytes > 0; its one iovec is `bytes` */
    uint8_t *bytes;     /* made when first needed */
    uint64_t retry_us;  /* asked again then, at the latest */
};

struct driver_thread {
    bool started_once; /* from then on every call locks, thread or no thread */
    bool running;
    bool stopping;
    pthread_t id;
    pthread_mutex_t gate;  /* taken before `mutex` by all: who waits there cannot be overtaken */
    pthread_mutex_t mutex;
    pthread_cond_t moved;
    unsigned waiters;      /* calls that wait for `moved` */
    int wake_fd;           /* eventfd to end the thread's sleep; -1 until there is one */
    uint64_t sleeps_until_us; /* 0 while the thread is awake: it will look at the deadline itself */
};

struct mytcp_tun {
    mytcp_stack *stack;
    struct tun_device device;
    int control_fd; /* host_config, -1 if there is none */
    struct pcap_file *pcap;
    mytcp_tun_filter_fn filter;
    void *filter_ctx;
    struct mytcp_tun_stats stats;

    struct patience patience;     /* of the thread if there is one, else of the caller */
    uint32_t batch;               /* packets that the next turn reads at most */
    struct held_packet held;
    int gone_errno;               /* the device is gone for good, and why; 0 while it is not */
    uint64_t read_pause_until_us; /* the device fails reads: leave it alone until then */
    uint32_t read_pause_us;       /* how long the last pause was, 0 after a good read */
    uint32_t mtu_bytes;
    uint64_t mtu_checked_us;

    struct driver_thread thread;
};

#endif
