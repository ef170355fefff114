#include "linux/host_config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#define QUEUE_PACKETS 4096

struct dotted {
    char text[INET_ADDRSTRLEN];
};

static struct dotted dotted(struct in_addr addr)
{
    struct dotted out = {{0}};
    (void)inet_ntop(AF_INET, &addr, out.text, sizeof out.text);
    return out;
}

static uint32_t mask_of(uint32_t prefix_len)
{
    return prefix_len == 0 ? 0 : UINT32_MAX << (32 - prefix_len);
}

int host_config_open(void)
{
    return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static struct ifreq request_for(const char *name)
{
    struct ifreq request = {0};
    (void)snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    return request;
}

/* Run one SIOCSIF... call; `what` completes the sentence "cannot ...". */
static int set(int fd, unsigned long call, struct ifreq *request, const char *what,
               const struct why *why)
{
    if (ioctl(fd, call, request) == 0) {
        return 0;
    }
    int err = errno;
    if (err == EPERM || err == EACCES) {
        return why_fail(why, err, "no right to %s of %s: it needs CAP_NET_ADMIN; run as root, or in"
                                  " a namespace of your own (unshare -rn), or set it beforehand and"
                                  " leave the option out",
                        what, request->ifr_name);
    }
    return why_fail(why, err, "cannot %s of %s: %s", what, request->ifr_name, strerror(err));
}

static int set_address(int fd, unsigned long call, const char *name, struct in_addr addr,
                       const char *what, const struct why *why)
{
    struct ifreq request = request_for(name);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = addr};
    memcpy(&request.ifr_addr, &in, sizeof in);
    return set(fd, call, &request, what, why);
}

static bool is_unicast(uint32_t addr)
{
    uint32_t first = addr >> 24;
    return first != 0 && first != 127 && first < 224;
}

/* Is `addr` one of the host's own? (To try a bind() would be shorter, but that succeeds with any
 * address in a namespace that has none yet.) */
static bool host_owns(struct in_addr addr)
{
    struct ifaddrs *all;
    bool owns = false;
    if (getifaddrs(&all) < 0) {
        return false;
    }
    for (const struct ifaddrs *one = all; one != NULL && !owns; one = one->ifa_next) {
        struct sockaddr_in in;
        if (one->ifa_addr != NULL && one->ifa_addr->sa_family == AF_INET) {
            memcpy(&in, one->ifa_addr, sizeof in);
            owns = in.sin_addr.s_addr == addr.s_addr;
        }
    }
    freeifaddrs(all);
    return owns;
}

static int check_addresses(struct in_addr host, uint32_t prefix_len, struct in_addr stack,
                           const struct why *why)
{
    if (prefix_len > 32) {
        return why_fail(why, EINVAL, "/%u is no prefix length: it is 0 to 32", prefix_len);
    }
    uint32_t mask = mask_of(prefix_len);
    uint32_t addr = ntohl(host.s_addr);
    if (!is_unicast(addr) ||
        (prefix_len < 31 && ((addr & ~mask) == 0 || (addr & ~mask) == ~mask))) {
        return why_fail(why, EINVAL, "%s/%u is no address for a host: it must be one of the"
                                     " subnet's hosts, not the subnet or its broadcast address",
                        dotted(host).text, prefix_len);
    }
    if (host.s_addr == stack.s_addr) {
        return why_fail(why, EINVAL, "host and stack are two machines to each other and cannot both"
                                     " have the address %s: give one of them another",
                        dotted(host).text);
    }
    if (prefix_len < 32 && (ntohl(stack.s_addr) & mask) != (addr & mask)) {
        return why_fail(why, EINVAL, "the host could not reach the stack: %s is not in the subnet"
                                     " of %s/%u",
                        dotted(stack).text, dotted(host).text, prefix_len);
    }
    if (host_owns(stack)) {
        return why_fail(why, EADDRINUSE, "%s belongs to this host already: give the stack an"
                                         " address that nobody has",
                        dotted(stack).text);
    }
    return 0;
}

static int bring_up(int fd, const char *name, const struct why *why)
{
    struct ifreq request = request_for(name);
    if (ioctl(fd, SIOCGIFFLAGS, &request) < 0) {
        return why_fail(why, errno, "cannot read the state of %s: %s", name, strerror(errno));
    }
    if ((request.ifr_flags & IFF_UP) != 0) {
        return 0;
    }
    request.ifr_flags |= IFF_UP;
    return set(fd, SIOCSIFFLAGS, &request, "bring up the link", why);
}

int host_config_address(int fd, const char *name, struct in_addr host, uint32_t prefix_len,
                        struct in_addr stack, const struct why *why)
{
    if (check_addresses(host, prefix_len, stack, why) < 0) {
        return -1;
    }
    struct in_addr mask = {htonl(mask_of(prefix_len))};
    if (set_address(fd, SIOCSIFADDR, name, host, "set the address", why) < 0 ||
        set_address(fd, SIOCSIFNETMASK, name, mask, "set the netmask", why) < 0) {
        return -1;
    }
    if (prefix_len == 32 &&
        set_address(fd, SIOCSIFDSTADDR, name, stack, "set the peer address", why) < 0) {
        return -1;
    }
    return bring_up(fd, name, why);
}

void host_config_lengthen_queue(int fd, const char *name)
{
    struct ifreq request = request_for(name);
    if (ioctl(fd, SIOCGIFTXQLEN, &request) == 0 && request.ifr_qlen < QUEUE_PACKETS) {
        request.ifr_qlen = QUEUE_PACKETS;
        (void)ioctl(fd, SIOCSIFTXQLEN, &request);
    }
}

int host_config_set_mtu(int fd, const char *name, uint32_t mtu_bytes, const struct why *why)
{
    struct ifreq request = request_for(name);
    if (mtu_bytes < 68 || mtu_bytes > 65535) {
        return why_fail(why, EINVAL, "%u is no MTU: it is 68 to 65535 bytes", mtu_bytes);
    }
    request.ifr_mtu = (int)mtu_bytes;
    return set(fd, SIOCSIFMTU, &request, "set the MTU", why);
}

uint32_t host_config_mtu(int fd, const char *name)
{
    struct ifreq request = request_for(name);
    if (ioctl(fd, SIOCGIFMTU, &request) < 0 || request.ifr_mtu <= 0) {
        return 0;
    }
    return (uint32_t)request.ifr_mtu;
}
