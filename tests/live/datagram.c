/* datagram.c - the IPv4 host beside TCP: ICMP echo, and what answers a UDP datagram. */
#include "live/live.h"

#include <errno.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>

uint16_t live_checksum(const uint8_t *data, size_t len)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i++) {
        sum += (uint32_t)data[i] << (i % 2 == 0 ? 8 : 0);
    }
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~(sum + (sum >> 16));
}

/* Wait for the reply to `request`, past whatever else the raw socket hears. */
static int await_reply(int fd, const uint8_t *request, size_t len)
{
    uint8_t data[65536];
    for (;;) {
        ssize_t n = recv(fd, data, sizeof data, 0);
        if (n < 0) {
            return live_fail("no echo reply: %s", strerror(errno));
        }
        size_t header = (size_t)(data[0] & 15) * 4;
        if (n > 0 && data[header] == ICMP_ECHOREPLY) {
            return (size_t)n == header + len && memcmp(data + header + 4, request + 4, len - 4) == 0
                       ? 0
                       : live_fail("the echo reply differs from the request");
        }
    }
}

int live_ping(struct live *l)
{
    struct sockaddr_in a = side_address(l->argc > 0 ? l->argv[0] : "", 0);
    size_t len = 8 + live_number(l, 2, 56);
    uint8_t request[65536] = {ICMP_ECHO, 0, 0, 0, 0x12, 0x34};
    struct timeval limit = {.tv_sec = 3};
    int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
    if (fd < 0 || len > sizeof request ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0) {
        return live_fail("raw socket: %s", strerror(errno));
    }
    for (unsigned long i = 0; i < live_number(l, 1, 1); i++) {
        request[2] = request[3] = 0;
        request[7] = (uint8_t)i;
        live_fill(request + 8, len - 8, i, 0);
        uint16_t sum = live_checksum(request, len);
        request[2] = (uint8_t)(sum >> 8);
        request[3] = (uint8_t)sum;
        if (sendto(fd, request, len, 0, (const struct sockaddr *)&a, sizeof a) != (ssize_t)len) {
            return live_fail("sendto: %s", strerror(errno));
        }
        if (await_reply(fd, request, len) != 0) {
            return 1;
        }
    }
    close(fd);
    return 0;
}

int live_udp(struct live *l)
{
    struct sockaddr_in a = side_address(l->argc > 0 ? l->argv[0] : "",
                                        (unsigned)live_number(l, 1, 9999));
    struct timeval limit = {.tv_sec = 3};
    char byte = 'u';
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0 ||
        connect(fd, (const struct sockaddr *)&a, sizeof a) != 0 || send(fd, &byte, 1, 0) != 1) {
        return live_fail("datagram: %s", strerror(errno));
    }
    ssize_t n = recv(fd, &byte, 1, 0);
    int error = n < 0 ? errno : 0;
    close(fd);
    return error == ECONNREFUSED ? 0 : live_fail("no port unreachable: %s", strerror(error));
}
