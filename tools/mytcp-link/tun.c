#include "tun.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of the device's ring: a link that is scheduled late must find what came meanwhile. */
enum { QUEUE_PACKETS = 4096 };

static int fail(const char *name, const char *what)
{
    fprintf(stderr, "mytcp-link: %s: %s: %s\n", name, what, strerror(errno));
    return -1;
}

/* A process id, a name, or a path. */
static int namespace_open(const char *where)
{
    char path[256];
    if (strchr(where, '/'))
        snprintf(path, sizeof path, "%s", where);
    else if (strspn(where, "0123456789") == strlen(where))
        snprintf(path, sizeof path, "/proc/%s/ns/net", where);
    else
        snprintf(path, sizeof path, "/run/netns/%s", where);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static int attach(const char *name, struct ifreq *request)
{
    int header_bytes = (int)sizeof(struct virtio_net_hdr);
    unsigned long offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO_ECN;
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return fail(name, "cannot open /dev/net/tun");
    request->ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
    if (ioctl(fd, TUNSETIFF, request) < 0 || ioctl(fd, TUNSETVNETHDRSZ, &header_bytes) < 0 ||
        ioctl(fd, TUNSETOFFLOAD, offloads) < 0) {
        fail(name, "cannot attach to this TUN device");
        (void)close(fd);
        return -1;
    }
    return fd;
}

static int set_address(int control, struct ifreq *request, const char *address)
{
    char text[INET_ADDRSTRLEN] = "";
    struct sockaddr_in in = {.sin_family = AF_INET};
    const char *slash = strchr(address, '/');
    unsigned long prefix_len = slash ? strtoul(slash + 1, NULL, 10) : 0;

    if (slash && (size_t)(slash - address) < sizeof text)
        memcpy(text, address, (size_t)(slash - address));
    if (inet_pton(AF_INET, text, &in.sin_addr) != 1 || prefix_len < 1 || prefix_len > 32) {
        errno = EINVAL;
        return -1;
    }
    memcpy(&request->ifr_addr, &in, sizeof in);
    if (ioctl(control, SIOCSIFADDR, request) < 0)
        return -1;
    in.sin_addr.s_addr = htonl(UINT32_MAX << (32 - prefix_len));
    memcpy(&request->ifr_netmask, &in, sizeof in);
    return ioctl(control, SIOCSIFNETMASK, request);
}

static int bring_up(int control, struct ifreq *request)
{
    if (ioctl(control, SIOCGIFFLAGS, request) < 0)
        return -1;
    request->ifr_flags |= IFF_UP;
    return ioctl(control, SIOCSIFFLAGS, request);
}

static int configure(struct ifreq *request, const char *address, uint32_t mtu_bytes)
{
    const char *name = request->ifr_name;
    int result = 0, control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (control < 0)
        return fail(name, "cannot make a socket to configure it");
    request->ifr_qlen = QUEUE_PACKETS;
    (void)ioctl(control, SIOCSIFTXQLEN, request);
    request->ifr_mtu = (int)mtu_bytes;
    if (mtu_bytes && ioctl(control, SIOCSIFMTU, request) < 0)
        result = fail(name, "cannot set the MTU");
    else if (address && set_address(control, request, address) < 0)
        result = fail(name, "cannot set the address");
    else if (address && bring_up(control, request) < 0)
        result = fail(name, "cannot bring up the link");
    (void)close(control);
    return result;
}

static int open_here(const char *name, const char *address, uint32_t mtu_bytes)
{
    struct ifreq request = {0};
    if (strlen(name) >= IFNAMSIZ) {
        errno = ENAMETOOLONG;
        return fail(name, "no name of a device");
    }
    strcpy(request.ifr_name, name);
    int fd = attach(name, &request);
    if (fd >= 0 && configure(&request, address, mtu_bytes) < 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

int tun_open(const char *spec, const char *address, uint32_t mtu_bytes)
{
    char name[IFNAMSIZ] = "";
    const char *at = strchr(spec, '@');
    if (!at)
        return open_here(spec, address, mtu_bytes);

    int fd = -1;
    int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), there = namespace_open(at + 1);
    snprintf(name, sizeof name, "%.*s", (int)(at - spec), spec);
    if (home < 0 || there < 0 || setns(there, CLONE_NEWNET) < 0) {
        fail(spec, "cannot enter the network namespace");
    } else {
        fd = open_here(name, address, mtu_bytes);
        if (setns(home, CLONE_NEWNET) < 0) {
            fail(spec, "cannot come back from the network namespace");
            fd = -1;
        }
    }
    if (home >= 0)
        (void)close(home);
    if (there >= 0)
        (void)close(there);
    return fd;
}
