/*
 * flood.c - what a server on the internet hears all day: SYNs from neighbours of HOST that will never
 * answer, and segments with any flags, numbers and port out of nowhere. Raw packets: needs root in
 * the namespace.
 */
#include "live/live.h"

#include <errno.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdlib.h>

/* IPv4 and TCP headers without options; what goes before the TCP header is the pseudo-header until
 * its checksum is there. */
struct packet {
    struct iphdr ip;
    struct tcphdr tcp;
};

static void fill_checksum(struct packet *p)
{
    uint8_t pseudo[12 + sizeof p->tcp] = {0};
    memcpy(pseudo, &p->ip.saddr, 4);
    memcpy(pseudo + 4, &p->ip.daddr, 4);
    pseudo[9] = IPPROTO_TCP;
    pseudo[11] = sizeof p->tcp;
    p->tcp.check = 0;
    memcpy(pseudo + 12, &p->tcp, sizeof p->tcp);
    p->tcp.check = htons(live_checksum(pseudo, sizeof pseudo));
}

/* The n-th packet: every second one a SYN, the others anything. */
static void packet_make(struct packet *p, const struct sockaddr_in *to, unsigned n)
{
    uint32_t neighbour = (ntohl(to->sin_addr.s_addr) & ~255u) | (16u + (unsigned)random() % 224);
    *p = (struct packet){
        .ip = {.version = 4,
               .ihl = 5,
               .ttl = 64,
               .protocol = IPPROTO_TCP,
               .tot_len = htons(sizeof *p),
               .saddr = htonl(neighbour),
               .daddr = to->sin_addr.s_addr},
        .tcp = {.source = htons((uint16_t)(1024 + random() % 60000)),
                .dest = to->sin_port,
                .seq = (uint32_t)random(),
                .ack_seq = (uint32_t)random(),
                .doff = 5,
                .window = (uint16_t)random()},
    };
    if (n % 2 == 0) {
        p->tcp.th_flags = TH_SYN;
        p->tcp.ack_seq = 0;
    } else {
        p->tcp.th_flags = (uint8_t)random();
        p->tcp.dest = n % 4 == 1 ? to->sin_port : (uint16_t)random();
    }
    fill_checksum(p);
}

int live_flood(struct live *l)
{
    struct sockaddr_in to = side_address(l->argc > 0 ? l->argv[0] : "",
                                         (unsigned)live_number(l, 1, 7));
    unsigned long per_second = live_number(l, 2, 1000), seconds = live_number(l, 3, 1);
    int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
    if (fd < 0) {
        return live_fail("raw socket: %s", strerror(errno));
    }
    srandom(7);
    uint64_t start_us = mytcp_tun_now_us();
    for (unsigned n = 0; n < per_second * seconds; n++) {
        struct packet p;
        uint64_t due_us = start_us + n * UINT64_C(1000000) / per_second, now_us = mytcp_tun_now_us();
        if (due_us > now_us) {
            usleep((useconds_t)(due_us - now_us));
        }
        packet_make(&p, &to, n);
        if (sendto(fd, &p, sizeof p, 0, (const struct sockaddr *)&to, sizeof to) < 0 &&
            errno != ENOBUFS) {
            return live_fail("sendto: %s", strerror(errno));
        }
    }
    close(fd);
    return 0;
}
