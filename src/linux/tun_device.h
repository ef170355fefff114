/*
 * tun_device.h - open, attach to or take over a packet device, and move one packet in or out of it.
 *
 * The device is a TUN interface, or any descriptor that keeps packet boundaries (a socketpair),
 * with or without a virtio-net header of 10 bytes before each packet. While open it never blocks.
 */
#ifndef MYTCP_LINUX_TUN_DEVICE_H
#define MYTCP_LINUX_TUN_DEVICE_H

#include "linux/why.h"
#include "mytcp_tun.h"

#include <net/if.h>

struct tun_device {
    int fd;
    bool owned;    /* opened here: closed here */
    bool tun;      /* a TUN interface with a name, not some other descriptor */
    bool vnet_hdr; /* a virtio-net header precedes each packet */
    bool offload;  /* super-segments and partial checksums may pass in both directions */
    int old_flags; /* of a descriptor handed in, given back at close */
    char name[IFNAMSIZ];
};

/* Open as the options say. -1 with errno and a sentence. */
int tun_device_open(struct tun_device *device, const struct mytcp_tun_options *options,
                    const struct why *why);
void tun_device_close(struct tun_device *device);

#define TUN_DEVICE_SHORT (-2)

/*
 * Read one packet into `buffer` and describe it in *packet. Returns its length; TUN_DEVICE_SHORT
 * for something that is no packet (shorter than the header, or empty); -1 with errno (EAGAIN: there
 * is none). EINTR is handled.
 */
ssize_t tun_device_read(const struct tun_device *device, void *buffer, size_t size_bytes,
                        struct mytcp_packet *packet);

/* Write one packet. Returns 0; -1 with errno; EMSGSIZE if the device took only a part. */
int tun_device_write(const struct tun_device *device, const struct mytcp_tx *tx);

#endif
