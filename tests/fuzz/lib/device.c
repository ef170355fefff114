#include "fuzz/lib/device.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

void device_open(struct device *d, bool vnet_hdr)
{
    int fds[2], room = 1 << 20;
    char text[200];
    struct why why = {text, sizeof(text)};
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds) == 0, "socketpair");
    for (int i = 0; i < 2; i++) {
        struct mytcp_tun_options options = {.fd = fds[i], .fd_vnet_hdr = vnet_hdr};
        CHECK(setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)) == 0, "SO_SNDBUF");
        CHECK(tun_device_open(i ? &d->far : &d->near, &options, &why) == 0, "%s", text);
    }
}

void device_close(struct device *d)
{
    int near = d->near.fd, far = d->far.fd;
    tun_device_close(&d->near);
    tun_device_close(&d->far);
    close(near);
    close(far);
}

bool device_in(struct device *d, struct mytcp_packet *p)
{
    struct virtio_net_hdr header = {.gso_type = p->gso_type, .gso_size = p->gso_size};
    struct iovec iov[2] = {{&header, sizeof(header)}, {p->data, p->len_bytes}};
    struct mytcp_packet got = {0};
    uint8_t *bytes = (uint8_t *)&header;
    uint32_t len = p->len_bytes;
    header.flags = (uint8_t)((p->needs_csum ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0) |
                             (p->csum_valid ? VIRTIO_NET_HDR_F_DATA_VALID : 0));
    header.csum_start = p->csum_start;
    header.csum_offset = p->csum_offset;
    for (size_t i = 0; i < sizeof(header); i++)
        bytes[i] ^= d->spoil[i];
    int first = d->near.vnet_hdr ? 0 : 1;
    CHECK(writev(d->far.fd, iov + first, 2 - first) >= 0, "%s", strerror(errno));
    ssize_t n = tun_device_read(&d->near, p->data, len, &got);
    CHECK(n == (len ? (ssize_t)len : TUN_DEVICE_SHORT), "%zd read instead of %u", n, len);
    if (n <= 0)
        return false;
    CHECK(got.data == p->data && got.len_bytes == len, "another packet");
    *p = got;
    return true;
}

void device_out(struct device *d, const struct mytcp_tx *tx, const uint8_t *bytes)
{
    static uint8_t room[1 << 16];
    struct mytcp_packet got = {0};
    CHECK(tun_device_write(&d->near, tx) == 0, "%s", strerror(errno));
    ssize_t n = tun_device_read(&d->far, room, sizeof(room), &got);
    CHECK(n == (ssize_t)tx->len_bytes && memcmp(room, bytes, (size_t)n) == 0, "%zd bytes read", n);
    if (!d->near.vnet_hdr)
        return;
    CHECK(got.needs_csum == tx->needs_csum && got.gso_size == tx->gso_size && !got.csum_valid &&
              got.gso_type == (tx->gso_size ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_NONE),
          "its description is another");
    if (tx->needs_csum)
        CHECK(got.csum_start == tx->csum_start && got.csum_offset == tx->csum_offset,
              "the checksum's place is another");
}
