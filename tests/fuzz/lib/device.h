/* The driver's end of a device, and the far end: what goes in as bytes with a virtio-net header is
 * what the driver makes of it, and the other way. */
#ifndef FUZZ_LIB_DEVICE_H
#define FUZZ_LIB_DEVICE_H

#include <linux/virtio_net.h>

#include "fuzz/lib/fuzz.h"
#include "linux/tun_device.h"

struct device {
    struct tun_device near, far;
    uint8_t spoil[sizeof(struct virtio_net_hdr)]; /* bits of the next header in that are turned */
};

/* Both ends, with or without headers. */
void device_open(struct device *d, bool vnet_hdr);
void device_close(struct device *d);
/* The packet goes through, into its own memory, and is what the driver read; false if nothing. */
bool device_in(struct device *d, struct mytcp_packet *p);
/* What the stack sends is read at the far end as it was sent. */
void device_out(struct device *d, const struct mytcp_tx *tx, const uint8_t *bytes);

#endif
