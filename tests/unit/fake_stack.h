/*
 * fake_stack.h - the driver compiled onto a stack that only remembers what it is told, and onto system
 * calls that fail when told to. Include it first, in place of the driver's headers.
 */
#ifndef TESTS_FAKE_STACK_H
#define TESTS_FAKE_STACK_H

#define mytcp_create fake_create
#define mytcp_destroy fake_destroy
#define mytcp_input_buffer fake_input_buffer
#define mytcp_input fake_input
#define mytcp_output fake_output
#define mytcp_next_deadline fake_next_deadline
#define mytcp_set_mtu fake_set_mtu
#define mytcp_attach fake_attach
#define readv fake_readv
#define writev fake_writev

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

#include <setjmp.h>
#include <stdarg.h>
#include <sys/syscall.h>

#include <cmocka.h>

struct mytcp_stack {
    struct mytcp_config config;
    struct mytcp_driver driver;
    uint8_t buffer[65600];
    struct mytcp_packet last; /* `data` points into `buffer` */
    uint64_t last_us;         /* when it came, as we are told */
    unsigned taken, outputs_asked;
    struct mytcp_tx tx; /* given `tx_count` times */
    unsigned tx_count;
    uint64_t deadline_us; /* kept until output is asked at or after it */
};

/* What the next system calls do: `count` times fail with `err`, or do a short write if err is 0. */
struct fault {
    unsigned count;
    int err;
};
static struct fault read_fault, write_fault;

ssize_t fake_readv(int fd, const struct iovec *iov, int iovcnt)
{
    if (read_fault.count > 0) {
        read_fault.count--;
        errno = read_fault.err;
        return -1;
    }
    return syscall(SYS_readv, fd, iov, iovcnt);
}

ssize_t fake_writev(int fd, const struct iovec *iov, int iovcnt)
{
    if (write_fault.count > 0) {
        write_fault.count--;
        errno = write_fault.err;
        return write_fault.err == 0 ? 1 : -1;
    }
    return syscall(SYS_writev, fd, iov, iovcnt);
}

mytcp_stack *fake_create(const struct mytcp_config *config, uint64_t now_us)
{
    (void)now_us;
    struct mytcp_stack *stack = calloc(1, sizeof *stack);
    assert_non_null(stack);
    stack->config = *config;
    stack->deadline_us = MYTCP_NEVER_US;
    return stack;
}

void fake_destroy(mytcp_stack *stack)
{
    free(stack);
}

int fake_attach(mytcp_stack *stack, const struct mytcp_driver *driver)
{
    stack->driver = *driver;
    return 0;
}

void *fake_input_buffer(mytcp_stack *stack, size_t *size_bytes)
{
    *size_bytes = sizeof stack->buffer;
    return stack->buffer;
}

int fake_input(mytcp_stack *stack, const struct mytcp_packet *packet, uint64_t now_us)
{
    stack->last = *packet;
    stack->last_us = now_us;
    stack->taken++;
    return 0;
}

int fake_output(mytcp_stack *stack, struct mytcp_tx *tx, uint64_t now_us)
{
    stack->outputs_asked++;
    if (now_us >= stack->deadline_us) {
        stack->deadline_us = MYTCP_NEVER_US;
    }
    if (stack->tx_count == 0) {
        return 0;
    }
    stack->tx_count--;
    *tx = stack->tx;
    return 1;
}

uint64_t fake_next_deadline(mytcp_stack *stack)
{
    return stack->tx_count > 0 ? 0 : stack->deadline_us;
}

int fake_set_mtu(mytcp_stack *stack, uint32_t mtu_bytes)
{
    stack->config.mtu_bytes = mtu_bytes;
    return 0;
}

#endif
