/*
 * faulty_calls.h - the driver compiled onto system calls that fail when told to, and onto a clock that
 * moves only when something waits. Include it first, in place of the driver's headers; the stack is
 * the real one.
 */
#ifndef TESTS_FAULTY_CALLS_H
#define TESTS_FAULTY_CALLS_H

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { RESULT_SHORT = -1, RESULT_ZERO = -2, RESULT_LONG = -3 }; /* in place of an errno */

/* The `at`-th call of the kinds in question and those after it, `count` in all, give `result`. */
static struct {
    int fd; /* on this descriptor only; -1: on any */
    unsigned at, count;
    int result;
    unsigned seen, struck;
} fault = {.fd = -1};

static uint64_t clock_us = 1000000;

static void fault_set(int fd, unsigned at, unsigned count, int result)
{
    fault.fd = fd;
    fault.at = at;
    fault.count = count;
    fault.result = result;
    fault.seen = fault.struck = 0;
}

static void fault_clear(void)
{
    fault_set(-1, 0, 0, 0);
}

/* Does this call fail? Then with errno set, unless the result is none. */
static bool strikes(int fd)
{
    if (fault.fd >= 0 && fd != fault.fd) {
        return false;
    }
    unsigned n = fault.seen++;
    if (n < fault.at || n - fault.at >= fault.count) {
        return false;
    }
    fault.struck++;
    errno = fault.result > 0 ? fault.result : 0;
    return true;
}

static size_t total_bytes(const struct iovec *iov, int iovcnt)
{
    size_t sum = 0;
    for (int i = 0; i < iovcnt; i++) {
        sum += iov[i].iov_len;
    }
    return sum;
}

/* What a call for `len` bytes returns instead. */
static ssize_t odd_result(size_t len)
{
    switch (fault.result) {
    case RESULT_SHORT:
        return (ssize_t)(len < 7 ? len : 7);
    case RESULT_ZERO:
        return 0;
    case RESULT_LONG:
        return (ssize_t)len + 1;
    default:
        return -1;
    }
}

static ssize_t faulty_readv(int fd, const struct iovec *iov, int iovcnt)
{
    return strikes(fd) ? odd_result(total_bytes(iov, iovcnt)) : readv(fd, iov, iovcnt);
}

static ssize_t faulty_read(int fd, void *to, size_t len)
{
    return strikes(fd) ? odd_result(len) : read(fd, to, len);
}

static ssize_t faulty_writev(int fd, const struct iovec *iov, int iovcnt)
{
    return strikes(fd) ? odd_result(total_bytes(iov, iovcnt)) : writev(fd, iov, iovcnt);
}

static ssize_t faulty_getrandom(void *to, size_t len, unsigned flags)
{
    return strikes(-1) ? (fault.result == RESULT_LONG ? -1 : odd_result(len))
                       : getrandom(to, len, flags);
}

static int faulty_open(const char *path, int flags, ...)
{
    return strikes(-1) ? -1 : open(path, flags);
}

static int faulty_ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    va_start(args, request);
    void *arg = va_arg(args, void *);
    va_end(args);
    return strikes(fd) ? -1 : ioctl(fd, request, arg);
}

static int faulty_fcntl(int fd, int command, ...)
{
    va_list args;
    va_start(args, command);
    int arg = va_arg(args, int);
    va_end(args);
    return strikes(fd) ? -1 : fcntl(fd, command, arg);
}

static int faulty_socket(int domain, int type, int protocol)
{
    return strikes(-1) ? -1 : socket(domain, type, protocol);
}

static int faulty_getifaddrs(struct ifaddrs **all)
{
    return strikes(-1) ? -1 : getifaddrs(all);
}

static int faulty_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    (void)timeout_ms;
    return strikes(fds[0].fd) ? -1 : poll(fds, count, 0);
}

/* Nothing sleeps: the clock goes on instead. */
static int faulty_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *limit,
                        const sigset_t *mask)
{
    (void)mask;
    if (strikes(fds[0].fd)) {
        return -1;
    }
    int ready = poll(fds, count, 0);
    if (ready == 0) {
        clock_us += limit == NULL ? 1000000
                                  : (uint64_t)limit->tv_sec * 1000000 + (uint64_t)limit->tv_nsec / 1000;
    }
    return ready;
}

static int faulty_clock_gettime(clockid_t clock, struct timespec *now)
{
    (void)clock;
    clock_us++; /* or a loop that looks at it would never end */
    *now = (struct timespec){(time_t)(clock_us / 1000000), (long)(clock_us % 1000000) * 1000};
    return 0;
}

#define readv faulty_readv
#define read faulty_read
#define writev faulty_writev
#define getrandom faulty_getrandom
#define open faulty_open
#define ioctl faulty_ioctl
#define fcntl faulty_fcntl
#define socket faulty_socket
#define getifaddrs faulty_getifaddrs
#define poll faulty_poll
#define ppoll faulty_ppoll
#define clock_gettime faulty_clock_gettime

#include "linux/clock.c"
#include "linux/driver.c"
#include "linux/entropy.c"
#include "linux/host_config.c"
#include "linux/patience.c"
#include "linux/pcap_file.c"
#include "linux/tun.c"
#include "linux/tun_device.c"
#include "linux/turn.c"
#include "linux/why.c"

#undef readv
#undef read
#undef writev
#undef getrandom
#undef open
#undef ioctl
#undef fcntl
#undef socket
#undef getifaddrs
#undef poll
#undef ppoll
#undef clock_gettime

#endif
