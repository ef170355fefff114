/* Opening a TUN device where it is: in this or in another network namespace. */
#ifndef LINK_TUN_H
#define LINK_TUN_H

#include <stdint.h>

/* `spec` is DEVICE or DEVICE@NAMESPACE; address is A.B.C.D/P or NULL; mtu_bytes 0 leaves the
 * device's. Returns a non-blocking descriptor with virtio-net headers of 10 bytes and TCP offloads
 * on, or -1 after a message. */
int tun_open(const char *spec, const char *address, uint32_t mtu_bytes);

#endif
