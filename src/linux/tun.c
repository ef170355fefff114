#include "mytcp_tun.h"

#include "linux/driver.h"
#include "linux/entropy.h"
#include "linux/host_config.h"
#include "linux/turn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GSO_MAX_BYTES 65535 /* what IPv4's total length can say */

static int check_arguments(const struct mytcp_tun_options *options,
                           const struct mytcp_config *config, const struct why *why)
{
    if (options == NULL || config == NULL) {
        return why_fail(why, EFAULT, "options and config must be given");
    }
    if (config->addr.s_addr == 0) {
        return why_fail(why, EINVAL, "the stack has no address: set config.addr");
    }
    if (options->fd < 0 && options->fd_vnet_hdr) {
        return why_fail(why, EINVAL, "fd_vnet_hdr speaks of an fd, and none is given");
    }
    return 0;
}

static int configure_host(struct mytcp_tun *tun, const struct mytcp_tun_options *options,
                          const struct mytcp_config *config, const struct why *why)
{
    tun->control_fd = host_config_open();
    if (tun->control_fd < 0) {
        return why_fail(why, errno, "cannot open a socket to configure %s: %s", tun->device.name,
                        strerror(errno));
    }
    const char *name = tun->device.name;
    if (options->mtu_bytes != 0 &&
        host_config_set_mtu(tun->control_fd, name, options->mtu_bytes, why) < 0) {
        return -1;
    }
    if (options->host.s_addr != 0) {
        host_config_lengthen_queue(tun->control_fd, name);
        return host_config_address(tun->control_fd, name, options->host, options->host_prefix_len,
                                   config->addr, why);
    }
    return 0;
}

static void complete_device(const struct mytcp_tun *tun, const struct mytcp_tun_options *options,
                            struct mytcp_config *config)
{
    uint32_t mtu_bytes = options->mtu_bytes;
    if (tun->device.tun) {
        mtu_bytes = host_config_mtu(tun->control_fd, tun->device.name);
    }
    if (mtu_bytes != 0) {
        config->mtu_bytes = mtu_bytes;
    }
    if (!tun->device.offload) {
        config->gso_max_bytes = 0;
    } else if (config->gso_max_bytes == 0) {
        config->gso_max_bytes = GSO_MAX_BYTES;
    }
    config->tx_csum = tun->device.offload;
}

static int complete_entropy(struct mytcp_config *config, const struct why *why)
{
    static const uint8_t none[sizeof config->entropy];
    if (memcmp(config->entropy, none, sizeof none) == 0 &&
        entropy_fill(config->entropy, sizeof config->entropy) < 0) {
        return why_fail(why, errno, "the kernel gives no random bytes (getrandom): %s",
                        strerror(errno));
    }
    return 0;
}

static int make_stack(struct mytcp_tun *tun, const struct mytcp_config *config,
                      const struct why *why)
{
    const struct mytcp_driver driver = driver_ops(tun);
    tun->stack = mytcp_create(config, mytcp_tun_now_us());
    if (tun->stack == NULL && errno == EINVAL) {
        return why_fail(why, EINVAL, "the stack does not accept its configuration: its address must"
                                     " be a unicast one and every number in its range");
    }
    if (tun->stack == NULL || mytcp_attach(tun->stack, &driver) < 0) {
        return why_fail(why, errno, "cannot make the stack: %s", strerror(errno));
    }
    return 0;
}

static int open_all(struct mytcp_tun *tun, const struct mytcp_tun_options *options,
                    struct mytcp_config *config, const struct why *why)
{
    if (tun_device_open(&tun->device, options, why) < 0) {
        return -1;
    }
    if (tun->device.tun && configure_host(tun, options, config, why) < 0) {
        return -1;
    }
    if (!tun->device.tun && options->host.s_addr != 0) {
        return why_fail(why, EINVAL, "%s is no TUN device: it has no host address to set",
                        tun->device.name);
    }
    complete_device(tun, options, config);
    tun->mtu_bytes = config->mtu_bytes;
    if (complete_entropy(config, why) < 0) {
        return -1;
    }
    if (options->pcap_path != NULL && (tun->pcap = pcap_file_open(options->pcap_path)) == NULL) {
        return why_fail(why, errno, "cannot write the packet file %s: %s", options->pcap_path,
                        strerror(errno));
    }
    return make_stack(tun, config, why);
}

mytcp_tun *mytcp_tun_open(const struct mytcp_tun_options *options, struct mytcp_config *config,
                          char *why_text, size_t why_size)
{
    const struct why why = {why_text, why_size};
    if (check_arguments(options, config, &why) < 0) {
        return NULL;
    }
    struct mytcp_tun *tun = calloc(1, sizeof *tun);
    if (tun == NULL) {
        (void)why_fail(&why, ENOMEM, "out of memory");
        return NULL;
    }
    tun->device.fd = -1;
    tun->control_fd = -1;
    tun->batch = 1;
    driver_init(tun);
    if (open_all(tun, options, config, &why) < 0) {
        int err = errno;
        mytcp_tun_close(tun);
        errno = err;
        return NULL;
    }
    return tun;
}

void mytcp_tun_close(mytcp_tun *tun)
{
    if (tun == NULL) {
        return;
    }
    (void)mytcp_tun_stop(tun);
    mytcp_destroy(tun->stack);
    tun_device_close(&tun->device);
    if (tun->control_fd >= 0) {
        (void)close(tun->control_fd);
    }
    pcap_file_close(tun->pcap);
    driver_free(tun);
    free(tun->held.bytes);
    free(tun);
}

mytcp_stack *mytcp_tun_stack(mytcp_tun *tun)
{
    return tun != NULL ? tun->stack : NULL;
}

const char *mytcp_tun_name(const mytcp_tun *tun)
{
    return tun->device.name;
}

bool mytcp_tun_offload(const mytcp_tun *tun)
{
    return tun->device.offload;
}

int mytcp_tun_fd(const mytcp_tun *tun)
{
    return tun->device.fd;
}

int mytcp_tun_turn(mytcp_tun *tun, uint64_t max_wait_us)
{
    if (tun == NULL) {
        errno = EINVAL;
        return -1;
    }
    int rc;
    driver_lock(tun);
    if (tun->thread.running) { /* it turns the loop: wait until it has moved something */
        uint64_t now_us = mytcp_tun_now_us();
        bool limited = max_wait_us < MYTCP_NEVER_US - now_us;
        rc = driver_wait(tun, limited ? now_us + max_wait_us : MYTCP_NEVER_US);
    } else {
        rc = turn_run(tun, max_wait_us);
    }
    driver_unlock(tun);
    return rc;
}

uint64_t mytcp_tun_deadline_us(mytcp_tun *tun)
{
    driver_lock(tun);
    uint64_t deadline_us = turn_deadline_us(tun);
    driver_unlock(tun);
    return deadline_us;
}

int mytcp_tun_filter(mytcp_tun *tun, mytcp_tun_filter_fn filter, void *ctx)
{
    if (tun == NULL) {
        errno = EINVAL;
        return -1;
    }
    driver_lock(tun);
    tun->filter = filter;
    tun->filter_ctx = ctx;
    driver_unlock(tun);
    return 0;
}

int mytcp_tun_stats_get(mytcp_tun *tun, struct mytcp_tun_stats *stats)
{
    if (tun == NULL || stats == NULL) {
        errno = tun == NULL ? EINVAL : EFAULT;
        return -1;
    }
    driver_lock(tun);
    *stats = tun->stats;
    driver_unlock(tun);
    return 0;
}
