/*
 * mytcp_tun.h - the Linux driver: a TUN device, a clock, entropy, a loop.
 *
 * Three ways to live with it:
 *   1. The application calls it: blocking socket calls, mytcp_wait() and mytcp_poll() run the loop.
 *      One thread, no locks.
 *   2. The application has an event loop: it waits until mytcp_tun_fd() is readable or
 *      mytcp_tun_deadline_us() has come, then calls mytcp_tun_turn(tun, 0). Sockets non-blocking.
 *   3. mytcp_tun_start(): a driver thread runs the loop; every socket call is then thread-safe.
 *
 * In all three, what a socket call makes ready to send is sent before the call returns.
 */
#ifndef MYTCP_TUN_H
#define MYTCP_TUN_H

#include "mytcp.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mytcp_tun mytcp_tun;

struct mytcp_tun_options {
    const char *name;        /* device to open or attach to; NULL or "" lets the kernel choose */
    int fd;                  /* >= 0: an open TUN fd handed in (it is not closed by us); else -1 */
    bool fd_vnet_hdr;        /* with fd: packets there have a virtio-net header of 10 bytes */
    struct in_addr host;     /* if non-zero: set as the host's address of the device, and link up */
    uint32_t host_prefix_len;
    uint32_t mtu_bytes;      /* 0: as the device has it (or config's when it cannot be read) */
    bool no_offload;         /* do without virtio-net header, checksum and segmentation offload */
    const char *pcap_path;   /* NULL, or a file to record every packet in */
};

/*
 * Open the device, complete `config` (MTU, offloads; entropy from getrandom(2) if it is all zero),
 * create the stack and attach to it. On failure returns NULL with errno and a sentence a user can act
 * on in `why` (may be NULL if why_size is 0): EPERM/EACCES (no right to make a device), ENOENT/ENODEV
 * (no /dev/net/tun), EBUSY (name taken), EINVAL (name too long, not a TUN, wrong address), ...
 */
MYTCP_API mytcp_tun *mytcp_tun_open(const struct mytcp_tun_options *options,
                                    struct mytcp_config *config, char *why, size_t why_size);

/* Stop the thread if there is one, destroy the stack, close the device. NULL does nothing. */
MYTCP_API void mytcp_tun_close(mytcp_tun *tun);

MYTCP_API mytcp_stack *mytcp_tun_stack(mytcp_tun *tun);
MYTCP_API const char *mytcp_tun_name(const mytcp_tun *tun);
MYTCP_API bool mytcp_tun_offload(const mytcp_tun *tun); /* super-segments and partial checksums in use */

/* The clock of this driver: CLOCK_MONOTONIC in microseconds. */
MYTCP_API uint64_t mytcp_tun_now_us(void);

/* One turn of the loop: wait up to max_wait_us for a packet or a deadline, take in what is there (a
 * bounded batch), send what is to be sent. Returns the packets moved (0 is possible), or -1: EINTR, or
 * the device's error (ENODEV or EBADFD: it is gone). */
MYTCP_API int mytcp_tun_turn(mytcp_tun *tun, uint64_t max_wait_us);

/* For somebody else's event loop. */
MYTCP_API int mytcp_tun_fd(const mytcp_tun *tun);
MYTCP_API uint64_t mytcp_tun_deadline_us(mytcp_tun *tun);

/* Driver thread on / off. Errors: EBUSY (running), EAGAIN (no thread). */
MYTCP_API int mytcp_tun_start(mytcp_tun *tun);
MYTCP_API int mytcp_tun_stop(mytcp_tun *tun);

/*
 * Look at, and perhaps lose, each packet between device and stack. `out` is the direction as the
 * stack sees it. Return true to let it pass. Called with the driver's lock held; it must not call
 * mytcp functions. NULL takes it away.
 */
typedef bool (*mytcp_tun_filter_fn)(void *ctx, bool out, const struct iovec *iov, int iovcnt);
MYTCP_API int mytcp_tun_filter(mytcp_tun *tun, mytcp_tun_filter_fn filter, void *ctx);

struct mytcp_tun_stats {
    uint64_t reads, writes, read_errors, write_errors, write_retries; /* system calls */
    uint64_t filtered_in, filtered_out;
    uint64_t dropped_short; /* read and thrown away */
    int last_errno;
};
MYTCP_API int mytcp_tun_stats_get(mytcp_tun *tun, struct mytcp_tun_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
