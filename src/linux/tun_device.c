#include "linux/tun_device.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/virtio_net.h>

#define TUN_PATH "/dev/net/tun"

/* ioctl requests are unsigned long in glibc and int in musl; TUN takes flags by value. */
static int set_by_value(int fd, unsigned long request, unsigned value)
{
    return ioctl(fd, request, (unsigned long)value);
}

static int check_name(const char *name, const struct why *why)
{
    if (strlen(name) >= IFNAMSIZ) {
        return why_fail(why, EINVAL, "\"%s\" is too long: a device name has at most %d characters",
                        name, IFNAMSIZ - 1);
    }
    for (const char *c = name; *c != '\0'; c++) {
        if (*c == '/' || *c == ':' || isspace((unsigned char)*c)) {
            return why_fail(why, EINVAL, "\"%s\" is no device name: it has a slash, colon or space",
                            name);
        }
    }
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return why_fail(why, EINVAL, "\"%s\" is no device name", name);
    }
    return 0;
}

static int open_tun_file(const struct why *why)
{
    int fd = open(TUN_PATH, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0) {
        return fd;
    }
    int err = errno;
    switch (err) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
        return why_fail(why, err,
                        "there is no " TUN_PATH ": load the module (modprobe tun), or give the"
                        " container the device (--device " TUN_PATH ")");
    case EACCES:
    case EPERM:
        return why_fail(why, err, "no permission to open " TUN_PATH ": run as root, or open it to"
                                  " all (chmod 666 " TUN_PATH ")");
    default:
        return why_fail(why, err, "cannot open " TUN_PATH ": %s", strerror(err));
    }
}

/* Say why TUNSETIFF refused. */
static int explain_refusal(const char *name, int err, const struct why *why)
{
    bool exists = if_nametoindex(name) != 0;
    switch (err) {
    case EPERM:
        return why_fail(why, err, "no right to %s %s: it needs CAP_NET_ADMIN in the network"
                                  " namespace; run as root, or in one of your own (unshare -rn)",
                        exists ? "attach to" : "make", name[0] != '\0' ? name : "a TUN device");
    case EBUSY:
        return why_fail(why, err, "%s is in use by another program: stop it or choose another name",
                        name);
    case EINVAL:
        if (exists) {
            return why_fail(why, EBUSY, "the name %s is taken by a device that is not a plain TUN"
                                        " (a TAP, a multi-queue TUN, ...): choose another",
                            name);
        }
        return why_fail(why, err, "the kernel does not accept the device name \"%s\"", name);
    default:
        return why_fail(why, err, "cannot make the TUN device \"%s\": %s", name, strerror(err));
    }
}

/* Make or attach to the interface, with a virtio-net header if the kernel has such. */
static int set_interface(struct tun_device *device, bool want_vnet_hdr, const struct why *why)
{
    struct ifreq request = {0};
    memcpy(request.ifr_name, device->name, sizeof request.ifr_name);
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    if (want_vnet_hdr) {
        request.ifr_flags |= IFF_VNET_HDR;
    }
    int rc = ioctl(device->fd, TUNSETIFF, &request);
    if (rc < 0 && errno == EINVAL && want_vnet_hdr) {
        request.ifr_flags = IFF_TUN | IFF_NO_PI;
        want_vnet_hdr = false;
        rc = ioctl(device->fd, TUNSETIFF, &request);
    }
    if (rc < 0) {
        return explain_refusal(device->name, errno, why);
    }
    memcpy(device->name, request.ifr_name, sizeof device->name);
    device->name[IFNAMSIZ - 1] = '\0';
    device->vnet_hdr = want_vnet_hdr;
    return 0;
}

/*
 * Fix the header's length and turn the offloads on or off. A device that refuses them is used
 * without. Off is said too: a persistent device keeps what its last user has set, and without the
 * header its super-segments would come as giants with half a checksum.
 */
static int set_offload(struct tun_device *device, bool want, const struct why *why)
{
    int header_bytes = (int)sizeof(struct virtio_net_hdr);
    if (device->vnet_hdr && ioctl(device->fd, TUNSETVNETHDRSZ, &header_bytes) < 0) {
        return why_fail(why, errno, "%s does not accept a virtio-net header of %d bytes: %s",
                        device->name, header_bytes, strerror(errno));
    }
    device->offload = device->vnet_hdr && want &&
                      set_by_value(device->fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4) == 0;
    if (!device->offload) {
        (void)set_by_value(device->fd, TUNSETOFFLOAD, 0);
    }
    return 0;
}

static int open_by_name(struct tun_device *device, const struct mytcp_tun_options *options,
                        const struct why *why)
{
    const char *name = options->name != NULL ? options->name : "";
    if (check_name(name, why) < 0) {
        return -1;
    }
    (void)snprintf(device->name, sizeof device->name, "%s", name);
    device->fd = open_tun_file(why);
    if (device->fd < 0) {
        return -1;
    }
    device->owned = true;
    device->tun = true;
    if (set_interface(device, !options->no_offload, why) < 0) {
        return -1;
    }
    return set_offload(device, !options->no_offload, why);
}

/* A TUN descriptor that somebody else has opened: what it is, it says itself. */
static int adopt_tun(struct tun_device *device, const struct ifreq *state,
                     const struct mytcp_tun_options *options, const struct why *why)
{
    if ((state->ifr_flags & IFF_TUN) == 0) {
        return why_fail(why, EINVAL, "fd %d is a TAP device (%s): a TUN is needed", device->fd,
                        state->ifr_name);
    }
    if ((state->ifr_flags & IFF_NO_PI) == 0) {
        return why_fail(why, EINVAL, "fd %d (%s) has packet information before each packet: open it"
                                     " with IFF_NO_PI",
                        device->fd, state->ifr_name);
    }
    memcpy(device->name, state->ifr_name, sizeof device->name);
    device->name[IFNAMSIZ - 1] = '\0';
    device->tun = true;
    device->vnet_hdr = (state->ifr_flags & IFF_VNET_HDR) != 0;
    return set_offload(device, !options->no_offload, why);
}

static int adopt(struct tun_device *device, const struct mytcp_tun_options *options,
                 const struct why *why)
{
    int flags = fcntl(options->fd, F_GETFL);
    if (flags < 0 || fcntl(options->fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        return why_fail(why, errno, "fd %d cannot be used: %s", options->fd, strerror(errno));
    }
    device->fd = options->fd;
    device->old_flags = flags;
    if ((flags & O_ACCMODE) != O_RDWR) {
        return why_fail(why, EINVAL, "fd %d is not open for reading and writing", device->fd);
    }
    struct ifreq state = {0};
    if (ioctl(device->fd, TUNGETIFF, &state) == 0) {
        return adopt_tun(device, &state, options, why);
    }
    if (errno == EBADFD) {
        return why_fail(why, EBADFD, "fd %d is a TUN descriptor without a device (TUNSETIFF)",
                        device->fd);
    }
    int type = 0;
    socklen_t type_len = sizeof type;
    if (getsockopt(device->fd, SOL_SOCKET, SO_TYPE, &type, &type_len) == 0 && type == SOCK_STREAM) {
        return why_fail(why, EINVAL, "fd %d is a stream socket, which does not keep packets apart:"
                                     " use SOCK_SEQPACKET or SOCK_DGRAM",
                        device->fd);
    }
    device->vnet_hdr = options->fd_vnet_hdr;
    device->offload = options->fd_vnet_hdr && !options->no_offload;
    (void)snprintf(device->name, sizeof device->name, "fd%d", device->fd);
    return 0;
}

int tun_device_open(struct tun_device *device, const struct mytcp_tun_options *options,
                    const struct why *why)
{
    *device = (struct tun_device){.fd = -1};
    int rc = options->fd >= 0 ? adopt(device, options, why) : open_by_name(device, options, why);
    if (rc < 0) {
        int err = errno;
        tun_device_close(device);
        errno = err;
    }
    return rc;
}

void tun_device_close(struct tun_device *device)
{
    if (device->fd < 0) {
        return;
    }
    if (device->owned) {
        (void)close(device->fd);
    } else {
        (void)fcntl(device->fd, F_SETFL, device->old_flags);
    }
    device->fd = -1;
}

static void describe(const struct virtio_net_hdr *header, struct mytcp_packet *packet)
{
    packet->gso_size = header->gso_size;
    packet->gso_type = header->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
    packet->needs_csum = (header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0;
    packet->csum_valid = (header->flags & VIRTIO_NET_HDR_F_DATA_VALID) != 0;
    packet->csum_start = header->csum_start;
    packet->csum_offset = header->csum_offset;
}

ssize_t tun_device_read(const struct tun_device *device, void *buffer, size_t size_bytes,
                        struct mytcp_packet *packet)
{
    struct virtio_net_hdr header;
    size_t header_bytes = device->vnet_hdr ? sizeof header : 0;
    struct iovec iov[2] = {{&header, sizeof header}, {buffer, size_bytes}};
    ssize_t got;
    do {
        got = device->vnet_hdr ? readv(device->fd, iov, 2) : read(device->fd, buffer, size_bytes);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return -1;
    }
    if ((size_t)got <= header_bytes || (size_t)got - header_bytes > size_bytes) {
        return TUN_DEVICE_SHORT; /* or more than there was room for, which no kernel says */
    }
    *packet = (struct mytcp_packet){.data = buffer,
                                    .len_bytes = (uint32_t)((size_t)got - header_bytes)};
    if (device->vnet_hdr) {
        describe(&header, packet);
    }
    return (ssize_t)packet->len_bytes;
}

static void put_header(const struct mytcp_tx *tx, struct virtio_net_hdr *header)
{
    *header = (struct virtio_net_hdr){0};
    if (tx->needs_csum) {
        header->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        header->csum_start = tx->csum_start;
        header->csum_offset = tx->csum_offset;
    }
    if (tx->gso_size != 0) {
        header->gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
        header->gso_size = tx->gso_size;
        header->hdr_len = tx->hdr_len; /* so much the kernel keeps in the head, the rest in pages */
    }
}

int tun_device_write(const struct tun_device *device, const struct mytcp_tx *tx)
{
    struct virtio_net_hdr header;
    struct iovec iov[1 + MYTCP_TX_IOV];
    struct iovec *first = &iov[1];
    size_t len_bytes = tx->len_bytes;
    memcpy(first, tx->iov, (size_t)tx->iovcnt * sizeof *first);
    if (device->vnet_hdr) {
        put_header(tx, &header);
        iov[0] = (struct iovec){&header, sizeof header};
        first = iov;
        len_bytes += sizeof header;
    }
    ssize_t sent;
    do {
        sent = writev(device->fd, first, (int)(&iov[1 + tx->iovcnt] - first));
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0 && (size_t)sent != len_bytes) {
        errno = EMSGSIZE;
        return -1;
    }
    return sent < 0 ? -1 : 0;
}
