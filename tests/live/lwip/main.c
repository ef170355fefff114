/*
 * main.c - lwIP (liblwip of Debian) as the other end: a host on a TUN device of its own, with the
 * kernel between the two as the router. Speaks lwIP's socket calls, blocking, a thread a connection.
 *
 *     lwip DEVICE ADDRESS serve               echo on port 7, discard on 9, chargen on 19, until SIGTERM
 *     lwip DEVICE ADDRESS echo HOST BYTES     send numbers to port 7 of HOST, check what comes back
 *     lwip DEVICE ADDRESS read HOST BYTES     check so many bytes of RFC 864's pattern from port 19
 */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <lwip/ip4.h>
#include <lwip/netif.h>
#include <lwip/sockets.h>
#include <lwip/tcpip.h>

enum { MTU_BYTES = 1500, CHUNK_BYTES = 65536, LINES_BYTES = 74 * 95, STUCK_MS = 20000 };

struct host {
    int tun;
    ip4_addr_t address;
    struct netif netif;
    sem_t ready;
};

static int complain(const char *what)
{
    fprintf(stderr, "lwip: %s: %s\n", what, strerror(errno));
    return 1;
}

/* ---- the device ---- */

static int tun_open(const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    if (fd >= 0 && ioctl(fd, TUNSETIFF, &request) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static err_t packet_out(struct netif *netif, struct pbuf *p, const ip4_addr_t *to)
{
    struct host *host = netif->state;
    uint8_t data[MTU_BYTES];
    (void)to;
    uint16_t len = pbuf_copy_partial(p, data, sizeof data, 0);
    return write(host->tun, data, len) == len ? ERR_OK : ERR_IF;
}

static void *packets_in(void *arg)
{
    struct host *host = arg;
    uint8_t data[MTU_BYTES];
    for (ssize_t n; (n = read(host->tun, data, sizeof data)) >= 0 || errno == EINTR || errno == EIO;) {
        struct pbuf *p = n > 0 ? pbuf_alloc(PBUF_RAW, (uint16_t)n, PBUF_RAM) : NULL;
        if (p == NULL) {
            continue;
        }
        pbuf_take(p, data, (uint16_t)n);
        if (host->netif.input(p, &host->netif) != ERR_OK) {
            pbuf_free(p);
        }
    }
    return NULL;
}

static err_t netif_start(struct netif *netif)
{
    netif->mtu = MTU_BYTES;
    netif->output = packet_out;
    netif->flags = NETIF_FLAG_UP | NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

static void stack_start(void *arg)
{
    struct host *host = arg;
    ip4_addr_t mask, none = {0};
    IP4_ADDR(&mask, 255, 255, 255, 0);
    netif_add(&host->netif, &host->address, &mask, &none, host, netif_start, tcpip_input);
    netif_set_default(&host->netif);
    sem_post(&host->ready);
}

/* ---- sockets ---- */

static void fill(uint8_t *data, size_t len, uint64_t at)
{
    for (size_t i = 0; i < len; i++) {
        data[i] = (uint8_t)((at + i) % 251);
    }
}

/* RFC 864: lines of 72 characters, CR, LF */
static uint8_t chargen(uint64_t at)
{
    uint64_t line = at / 74, column = at % 74;
    return column == 72 ? '\r' : column == 73 ? '\n' : (uint8_t)(' ' + (line + column) % 95);
}

static bool send_all(int fd, const uint8_t *data, size_t len)
{
    while (len > 0) {
        ssize_t n = lwip_send(fd, data, len, 0);
        if (n <= 0) {
            return false;
        }
        data += n;
        len -= (size_t)n;
    }
    return true;
}

struct task {
    int fd, port;
};

static void *serve(void *arg)
{
    struct task task = *(struct task *)arg;
    uint8_t data[8192];
    ssize_t n;
    free(arg);
    switch (task.port) {
    case 7:
        while ((n = lwip_recv(task.fd, data, sizeof data, 0)) > 0 &&
               send_all(task.fd, data, (size_t)n)) {
        }
        break;
    case 9:
        while (lwip_recv(task.fd, data, sizeof data, 0) > 0) {
        }
        break;
    default:
        for (size_t i = 0; i < LINES_BYTES; i++) {
            data[i] = chargen(i);
        }
        while (send_all(task.fd, data, LINES_BYTES)) {
        }
    }
    lwip_close(task.fd);
    return NULL;
}

static void *accept_all(void *arg)
{
    const struct task *listener = arg;
    for (;;) {
        pthread_t thread;
        struct task *task = malloc(sizeof *task);
        if (task == NULL || (task->fd = lwip_accept(listener->fd, NULL, NULL)) < 0) {
            free(task);
            return NULL;
        }
        task->port = listener->port;
        if (pthread_create(&thread, NULL, serve, task) == 0) {
            pthread_detach(thread);
        }
    }
}

static int serve_all(void)
{
    static struct task listeners[] = {{.port = 7}, {.port = 9}, {.port = 19}};
    for (size_t i = 0; i < sizeof listeners / sizeof listeners[0]; i++) {
        struct task *l = &listeners[i];
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)l->port)};
        pthread_t thread;
        l->fd = lwip_socket(AF_INET, SOCK_STREAM, 0);
        if (lwip_bind(l->fd, (struct sockaddr *)&a, sizeof a) != 0 || lwip_listen(l->fd, 64) != 0 ||
            pthread_create(&thread, NULL, accept_all, l) != 0) {
            return complain("listen");
        }
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        pause();
    }
}

static int dial(const char *name, int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = lwip_socket(AF_INET, SOCK_STREAM, 0);
    inet_pton(AF_INET, name, &a.sin_addr);
    return fd >= 0 && lwip_connect(fd, (struct sockaddr *)&a, sizeof a) == 0 ? fd : -1;
}

/* Send and read at once; shut down after the last byte; everything must come back, then the end. */
static int echo(const char *name, uint64_t total)
{
    static uint8_t data[CHUNK_BYTES], want[CHUNK_BYTES];
    uint64_t sent = 0, got = 0;
    int fd = dial(name, 7);
    if (fd < 0) {
        return complain("connect");
    }
    for (ssize_t n = 1; n != 0;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        p.events = (short)(p.events | (sent < total ? POLLOUT : 0));
        if (lwip_poll(&p, 1, STUCK_MS) <= 0) {
            fprintf(stderr, "stuck after %llu bytes sent, %llu back\n", (unsigned long long)sent,
                    (unsigned long long)got);
            return 1;
        }
        if ((p.revents & POLLOUT) != 0 && sent < total) {
            size_t len = total - sent < 4096 ? (size_t)(total - sent) : 4096;
            fill(data, len, sent);
            n = lwip_send(fd, data, len, MSG_DONTWAIT);
            sent += n > 0 ? (uint64_t)n : 0;
            if (sent == total && lwip_shutdown(fd, SHUT_WR) != 0) {
                return complain("shutdown");
            }
            n = 1;
        }
        if ((p.revents & ~POLLOUT) != 0) {
            n = lwip_recv(fd, data, sizeof data, MSG_DONTWAIT);
            fill(want, n > 0 ? (size_t)n : 0, got);
            if (n < 0 || memcmp(data, want, (size_t)n) != 0) {
                return complain(n < 0 ? "recv" : "wrong bytes");
            }
            got += (uint64_t)n;
        }
    }
    lwip_close(fd);
    printf("%llu bytes back\n", (unsigned long long)got);
    return got != total;
}

static int read_pattern(const char *name, uint64_t total)
{
    static uint8_t data[CHUNK_BYTES];
    uint64_t at = 0;
    int fd = dial(name, 19);
    while (fd >= 0 && at < total) {
        ssize_t n = lwip_recv(fd, data, sizeof data, 0);
        if (n <= 0) {
            return complain("recv");
        }
        for (ssize_t i = 0; i < n; i++, at++) {
            if (data[i] != chargen(at)) {
                return complain("wrong bytes");
            }
        }
    }
    return fd < 0 ? complain("connect") : lwip_close(fd) != 0;
}

int main(int argc, char **argv)
{
    static struct host host;
    pthread_t reader;
    if (argc < 4 || (host.tun = tun_open(argv[1])) < 0) {
        return complain(argc < 4 ? "DEVICE ADDRESS serve | echo HOST BYTES | read HOST BYTES" : argv[1]);
    }
    host.address.addr = inet_addr(argv[2]);
    sem_init(&host.ready, 0, 0);
    tcpip_init(stack_start, &host);
    sem_wait(&host.ready);
    if (pthread_create(&reader, NULL, packets_in, &host) != 0) {
        return complain("thread");
    }
    if (strcmp(argv[3], "serve") == 0) {
        return serve_all();
    }
    if (argc < 6) {
        return 2;
    }
    /* the script gives the device its address once it is there; connect() tries again by itself */
    uint64_t total = strtoull(argv[5], NULL, 10);
    return strcmp(argv[3], "echo") == 0 ? echo(argv[4], total) : read_pattern(argv[4], total);
}
