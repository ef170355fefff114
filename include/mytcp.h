/*
 * mytcp.h - a TCP/IPv4 stack as a library: the stack, its sockets, and its packet side.
 *
 * The core is a function of (packet, time, application call). It makes no system call, reads no
 * clock, draws no random number and has no thread. Three verbs move packets:
 *
 *     mytcp_input()          a packet came in
 *     mytcp_output()         is there a packet to send?
 *     mytcp_next_deadline()  when must mytcp_output() be asked again, if nothing else happens?
 *
 * Everything else looks like BSD sockets with the stack as first argument. mytcp_tun.h is one driver
 * for a Linux TUN device; any other device is a matter of calling the three verbs.
 *
 * Conventions
 *   - Functions that return int or ssize_t return -1 and set errno on failure, with the values that
 *     Linux gives. No function aborts, and none accepts NULL for a pointer unless it says so (a NULL
 *     stack is EINVAL; a NULL user buffer with a non-zero length is EFAULT).
 *   - Time is a uint64_t count of microseconds of any monotonic clock, named ..._us. A time that lies
 *     before one already seen counts as the latest time seen. MYTCP_NEVER_US means never.
 *   - A descriptor is an int >= 0 that carries a generation: after mytcp_close() the same number is
 *     EBADF, never another connection.
 *   - Without a driver attached (mytcp_attach), no call blocks: what would block is EAGAIN (or
 *     EINPROGRESS for connect). Without a driver's lock, a stack may be used by one thread at a time.
 */
#ifndef MYTCP_H
#define MYTCP_H

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MYTCP_API __attribute__((visibility("default")))

#define MYTCP_NEVER_US UINT64_MAX

typedef struct mytcp_stack mytcp_stack;

/* ------------------------------------------------------------------ configuration --------------- */

/*
 * Every limit and policy number. Fill with mytcp_config_init(), then change fields directly or by
 * name with mytcp_config_set(). The stack copies it; later changes have no effect.
 */
struct mytcp_config {
    /* The one address that the stack answers for, and its subnet (for broadcast checks). Required. */
    struct in_addr addr;
    uint32_t prefix_len; /* bits, 0..32; default 24 */

    /* 32 secret random bytes: the source of ISNs, ports, timestamp offsets, cookies and hash keys.
     * Same config and same inputs give the same packets. All zero is refused (EINVAL). */
    uint8_t entropy[32];

    /* Memory: alloc/release default to malloc/free. `release` gets the size that was asked for. */
    void *(*alloc)(void *ctx, size_t size_bytes);
    void (*release)(void *ctx, void *memory, size_t size_bytes);
    void *alloc_ctx;
    uint64_t memory_limit_bytes; /* the one ceiling on all that the stack holds; default 256 MiB */

    /* Device */
    uint32_t mtu_bytes;     /* 68..65535; default 1500 */
    uint32_t gso_max_bytes; /* largest packet that output may build for the device to cut up; 0: none */
    uint32_t tx_csum;       /* 1: output leaves the TCP checksum partial for the device to finish */

    /* Tables */
    uint32_t sockets_max;   /* descriptors, 1..1048576; default 1048576 */
    uint32_t somaxconn;     /* upper limit of a listener's backlog; default 4096 */
    uint32_t syn_queue_max; /* half-open connections of one listener, further bounded by its backlog;
                               default 1024 */
    uint32_t syn_cookies;   /* 0 never, 1 when the SYN queue overflows (default), 2 always */
    uint32_t time_wait_max; /* TIME-WAIT records; the oldest is recycled beyond; default 65536 */
    uint32_t trace_entries; /* segments remembered for mytcp_trace_read(); default 0: no trace */

    /* Socket buffers, in bytes of payload: what they begin with, and how far they grow by themselves to suit
     * the path and the reader. SO_RCVBUF and SO_SNDBUF, within the same limits, end the growing. */
    uint32_t rcvbuf_bytes;     /* default 128 KiB */
    uint32_t rcvbuf_max_bytes; /* default 64 MiB; the window scale is chosen for it */
    uint32_t sndbuf_bytes;     /* default 64 KiB */
    uint32_t sndbuf_max_bytes; /* default 64 MiB */
    uint32_t notsent_lowat_bytes; /* default of TCP_NOTSENT_LOWAT; default 0: no limit */
    uint32_t ooo_ranges_max;   /* out-of-order ranges of one connection, 1..1048576; default 32768:
                                  64 MiB of which every second packet is lost; one for each 256
                                  bytes of buffer. The farthest gives way, though SACKed. */

    /* Features offered in a SYN (1 or 0); all 1 by default */
    uint32_t timestamps;
    uint32_t window_scaling;
    uint32_t sack;
    uint32_t ecn; /* RFC 3168: 0 never, 1 when the peer asks for it (default), 2 ask for it */

    /* Timers and retries */
    uint32_t msl_us;              /* default 30 s; TIME-WAIT lasts twice that */
    uint32_t time_wait_reuse_us;  /* connect() may take a tuple from TIME-WAIT that old, if both sides
                                     have timestamps (RFC 6191); default 1 s; 0: never */
    uint32_t rto_initial_us;      /* default 1 s (RFC 6298 2.1) */
    uint32_t rto_min_us;          /* default 200 ms; RFC 6298 2.4 says 1 s */
    uint32_t rto_max_us;          /* default 120 s, at least 60 s (RFC 6298 2.5) */
    uint32_t syn_retries;         /* default 7: over 3 minutes (RFC 9293 MUST-23) */
    uint32_t synack_retries;      /* default 5 */
    uint32_t data_retries;        /* R2 for data: default 15 */
    uint32_t orphan_retries;      /* R2 after close(): default 8 */
    uint32_t user_timeout_us;     /* default 0: by retries alone (TCP_USER_TIMEOUT) */
    uint32_t delayed_ack_us;      /* default 40 ms, at most 500 ms (RFC 9293 MUST-40) */
    uint32_t quick_acks;          /* segments ACKed at once at a connection's start, and after an ACK
                                     was delayed in vain; default 16 */
    uint32_t ack_every_segments;  /* default 2 (RFC 5681 4.2) */
    uint32_t keepalive_idle_s;    /* default 7200 */
    uint32_t keepalive_intvl_s;   /* default 75 */
    uint32_t keepalive_probes;    /* default 9 */
    uint32_t fin_wait2_us;        /* orphaned FIN-WAIT-2; default 60 s */
    uint32_t timestamp_clock_us;  /* one tick of the TSval clock; default 1000 */

    /* Congestion control and sending */
    uint32_t congestion;              /* what sockets begin with: 0 reno, 1 cubic (default), 2 bbr */
    uint32_t initial_window_segments; /* default 10 (RFC 6928) */
    uint32_t burst_min_segments;      /* while a cwnd of many is the limit, so many go together; default 2 */
    uint32_t mss_min_bytes;           /* a peer's MSS option counts as at least this; default 88 */
    uint32_t push_each_burst;         /* 1: PSH ends each send burst, not only each write; default 1 */
    uint32_t tail_loss_probe;         /* 1: RFC 8985 7, before an RTO; default 1 */
    uint32_t max_ack_delay_us;        /* a probe of a single segment waits so much longer; default 50 ms */
    uint32_t pacing;                  /* 1: pace the others, too: at 2, later 1.2 cwnd / RTT; default 0 */

    /* Limits on answers. RSTs and ICMP count for each /24 of those who are answered. */
    uint32_t challenge_acks_per_s; /* of one connection (RFC 5961 7); default 10 */
    uint32_t rsts_per_s;           /* for segments that belong to nothing; default 10000 */
    uint32_t icmp_per_s;           /* ICMP errors and echo replies; default 1000 */

    /* IPv4 */
    uint32_t ttl;                /* default 64 */
    uint32_t reass_max_bytes;    /* default 256 KiB, 0 turns reassembly off */
    uint32_t reass_timeout_us;   /* default 15 s; then the sender is told by ICMP (RFC 1122 3.3.2) */
    uint32_t pmtu_min_bytes;     /* floor of a learned path MTU; default 552 */
    uint32_t pmtu_timeout_us;    /* after this a larger path MTU than the learned one is tried; default
                                    600 s, at least 300 s (RFC 1191 3), UINT32_MAX: never */
    uint32_t mtu_probing;        /* packets lost for their size alone, without a word from a router (RFC
                                    4821): 0 not looked for; 1 (default) found by timeouts, and the path
                                    searched by probes from then on; 2 searched from the beginning */
    uint32_t mtu_base_bytes;     /* size of packets that such a search begins with; default 1024 */
    uint32_t mtu_black_hole_timeouts; /* of full-sized data in a row, until it goes smaller; default 2. Data of up to
                                       * mtu_base_bytes: twice as many */
    uint32_t port_min, port_max; /* ephemeral ports; default 16384..65535 */
};

/* Fill `config` with the defaults. addr and entropy stay zero. */
MYTCP_API void mytcp_config_init(struct mytcp_config *config);

/*
 * Set one number by its field's name ("rto_min_us", "1000000"; decimal). "addr" takes dotted form.
 * Errors: ENOENT no such name, EINVAL not a number, ERANGE out of the field's range.
 */
MYTCP_API int mytcp_config_set(struct mytcp_config *config, const char *name, const char *value);

/* The i-th settable name, or NULL past the last: for a tool's --help. */
MYTCP_API const char *mytcp_config_name(unsigned i);

/* ------------------------------------------------------------------ the stack ------------------- */

/*
 * Make a stack. `now_us` is the first time it sees. Errors: EINVAL (an address that is not unicast, no
 * entropy, a number out of range), ENOMEM. Free with mytcp_destroy(), which sends nothing and makes
 * every descriptor invalid; destroying NULL does nothing.
 */
MYTCP_API mytcp_stack *mytcp_create(const struct mytcp_config *config, uint64_t now_us);
MYTCP_API void mytcp_destroy(mytcp_stack *stack);

/* ------------------------------------------------------------------ the packet side ------------- */

/* An IPv4 packet with what a virtio-net header says about it (all zero: a plain packet). */
struct mytcp_packet {
    void *data;           /* the IPv4 header */
    uint32_t len_bytes;   /* of the packet */
    uint16_t gso_size;    /* payload bytes of each wire packet if this is a super-segment, else 0 */
    uint8_t gso_type;     /* VIRTIO_NET_HDR_GSO_*: 0 none, 1 TCPv4, others are dropped */
    bool needs_csum;      /* the TCP checksum is partial: the sender trusts its own memory */
    bool csum_valid;      /* the device has verified the checksum */
    uint16_t csum_start;  /* with needs_csum: where the checksummed part starts, from `data` */
    uint16_t csum_offset; /* with needs_csum: where the checksum stands, from csum_start */
};

/*
 * Borrow a buffer to read the next packet into: it has at least 65,600 bytes at the returned address.
 * It belongs to the stack; it is good until the next call of mytcp_input(), which may keep it. The
 * same buffer comes back until one is kept; however short memory is, there always is one. NULL and
 * EINVAL for a NULL argument. Packets may also be handed in from anywhere else; they are then copied.
 */
MYTCP_API void *mytcp_input_buffer(mytcp_stack *stack, size_t *size_bytes);

/*
 * A packet came in. Returns 0 if it was taken, else the reason it was dropped (> 0: an index into
 * mytcp_stats.drops and mytcp_drop_name()); -1 and EINVAL for a NULL argument. `packet->data` need
 * not be aligned. Nothing is sent from here: ask mytcp_output().
 */
MYTCP_API int mytcp_input(mytcp_stack *stack, const struct mytcp_packet *packet, uint64_t now_us);

#define MYTCP_TX_IOV 10

/* A packet to send: headers and payload as they lie in memory. */
struct mytcp_tx {
    struct iovec iov[MYTCP_TX_IOV];
    int iovcnt;
    uint32_t len_bytes;   /* sum of the iovecs */
    uint16_t gso_size;    /* 0, or the device must cut the payload into pieces of this size */
    bool needs_csum;      /* the device must finish the checksum (only with config tx_csum) */
    uint16_t hdr_len;     /* IPv4 and TCP header bytes */
    uint16_t csum_start;  /* from the packet's start */
    uint16_t csum_offset; /* from csum_start */
};

/*
 * Run what is due at `now_us` and give the next packet. Returns 1 with *tx filled, 0 when there is
 * nothing to send now, -1 and EINVAL for NULL. The memory that tx points to is good until the next
 * call of any function on this stack. A packet that the device refuses may be forgotten: to TCP it is
 * a lost one.
 */
MYTCP_API int mytcp_output(mytcp_stack *stack, struct mytcp_tx *tx, uint64_t now_us);

/* When to call mytcp_output() at the latest: 0 means now, MYTCP_NEVER_US means after the next input or
 * socket call. May be earlier than anything really happens, never later. */
MYTCP_API uint64_t mytcp_next_deadline(mytcp_stack *stack);

/* The device's MTU changed: 68..65535 bytes, else EINVAL. Connections follow. */
MYTCP_API int mytcp_set_mtu(mytcp_stack *stack, uint32_t mtu_bytes);

/* ------------------------------------------------------------------ drivers --------------------- */

/*
 * What a driver gives to make blocking calls block and calls from several threads safe. All members
 * may be NULL. The core calls them from the outermost layer of a socket call only, never from input or
 * output, and never while it is in the middle of a change.
 */
struct mytcp_driver {
    void *ctx;
    void (*lock)(void *ctx);   /* taken at the start of every socket call; not recursive */
    void (*unlock)(void *ctx);
    uint64_t (*now_us)(void *ctx); /* the same clock that input and output see */
    /* Called with the lock held when a call must block: move packets, return when something may have
     * changed or `deadline_us` has passed. Returns 0, or -1 with errno (EINTR, or the device's error),
     * which becomes the call's. May release the lock meanwhile. */
    int (*wait)(void *ctx, uint64_t deadline_us);
    /* Called with the lock held after a call that left something to send. */
    void (*kick)(void *ctx);
};

/* Attach a driver (copied), or detach with NULL. */
MYTCP_API int mytcp_attach(mytcp_stack *stack, const struct mytcp_driver *driver);

/* ------------------------------------------------------------------ sockets --------------------- */

/*
 * As socket(2): AF_INET, SOCK_STREAM (| SOCK_NONBLOCK, SOCK_CLOEXEC is accepted and means nothing),
 * protocol 0 or IPPROTO_TCP. Errors: EAFNOSUPPORT, ESOCKTNOSUPPORT, EPROTONOSUPPORT, EINVAL, EMFILE,
 * ENOBUFS.
 */
MYTCP_API int mytcp_socket(mytcp_stack *stack, int domain, int type, int protocol);

/* As bind(2). INADDR_ANY or the stack's own address; port 0 picks one at connect or listen time (at
 * bind time for getsockname). Errors: EBADF, EFAULT, EINVAL (bound already, short address),
 * EAFNOSUPPORT, EADDRNOTAVAIL, EADDRINUSE, ENOBUFS. */
MYTCP_API int mytcp_bind(mytcp_stack *stack, int fd, const struct sockaddr *addr, socklen_t len);

/* As listen(2): a backlog of n holds n + 1 completed connections; a negative one is the largest.
 * Binds to an ephemeral port if unbound. A second call changes the backlog. Errors: EBADF, EINVAL
 * (connected, or was), EADDRINUSE, ENOBUFS. */
MYTCP_API int mytcp_listen(mytcp_stack *stack, int fd, int backlog);

/* As accept4(2); flags: SOCK_NONBLOCK. addr and len may be NULL. Errors: EBADF, EINVAL (not
 * listening), EAGAIN, EMFILE, ENOBUFS, EFAULT; none of them loses a connection. One that was reset
 * while it waited is still given; its error comes from the first call on it. */
MYTCP_API int mytcp_accept(mytcp_stack *stack, int fd, struct sockaddr *addr, socklen_t *len, int flags);

/* As connect(2). An attempt's end is told once, by SO_ERROR or the next connect(); that next one
 * begins anew if the attempt failed. A connection that has ended stays connected (EISCONN). An
 * address of family AF_UNSPEC makes the socket as new, but for its options and what bind() named:
 * it resets a connection, with ECONNRESET left in SO_ERROR, and stops a listener. Errors: EBADF,
 * EFAULT, EINVAL, EAFNOSUPPORT, EISCONN (or listening), EALREADY, EINPROGRESS (non-blocking, or no
 * driver), EADDRNOTAVAIL (no port left, or the tuple is in use), ENETUNREACH (broadcast,
 * multicast), ECONNREFUSED (at once for port 0 and addresses of this host, where nobody is),
 * ECONNABORTED (ended with its error told), ETIMEDOUT, EHOSTUNREACH, ENOPROTOOPT, ENOBUFS. */
MYTCP_API int mytcp_connect(mytcp_stack *stack, int fd, const struct sockaddr *addr, socklen_t len);

/*
 * As send(2) and sendmsg(2). Flags: MSG_DONTWAIT, MSG_MORE, MSG_OOB (RFC 9293 3.8.5: marks the last
 * byte urgent), MSG_NOSIGNAL (there is never a signal); others mean nothing, as on Linux. Returns
 * the bytes taken, which may be fewer when not blocking. A connection that is opening takes data,
 * which waits (RFC 9293 3.10.2; Linux: EAGAIN). Errors: EBADF, EFAULT, EPIPE (shut down, closed,
 * never connected), EAGAIN (no room; or no memory, and POLLOUT waits for that), the connection's
 * pending error (ECONNRESET, ETIMEDOUT, ...; reported once), EOPNOTSUPP (MSG_FASTOPEN), EMSGSIZE
 * (more than IOV_MAX iovecs), EINVAL (a length beyond SSIZE_MAX), EINTR.
 */
MYTCP_API ssize_t mytcp_send(mytcp_stack *stack, int fd, const void *data, size_t len_bytes, int flags);
MYTCP_API ssize_t mytcp_sendmsg(mytcp_stack *stack, int fd, const struct msghdr *msg, int flags);

/*
 * As recv(2) and recvmsg(2). Flags: MSG_DONTWAIT, MSG_PEEK, MSG_WAITALL, MSG_TRUNC (count and throw
 * away); others mean nothing. Returns 0 at end of stream, and after a peer's FIN for ever, though a
 * reset may follow: SO_ERROR and send tell of that. Data that came before a reset stays readable
 * before the error is reported. Asking for 0 bytes waits for data like any other read. MSG_OOB is
 * EINVAL: urgent data is in line, use SO_OOBINLINE's mark (SIOCATMARK of mytcp_ioctl): a read stops
 * at the mark. Errors as for send, with ENOTCONN (listening, never connected) in place of EPIPE.
 */
MYTCP_API ssize_t mytcp_recv(mytcp_stack *stack, int fd, void *data, size_t len_bytes, int flags);
MYTCP_API ssize_t mytcp_recvmsg(mytcp_stack *stack, int fd, struct msghdr *msg, int flags);

/*
 * Receive without a copy: fill iov[0..count) with received bytes as they lie in memory, without
 * taking them; then mytcp_consume() takes the first n. The memory is good until the next consume, recv
 * or close of this descriptor. Returns the bytes covered, 0 at end of stream; never blocks (EAGAIN).
 * consume: EINVAL if n is more than there is.
 */
MYTCP_API ssize_t mytcp_peek(mytcp_stack *stack, int fd, struct iovec *iov, int count);
MYTCP_API int mytcp_consume(mytcp_stack *stack, int fd, size_t n_bytes);

/*
 * Send without a copy: get room for up to want_bytes at the send queue's end, write into it, then
 * mytcp_commit() queues the first n. A reserve without commit costs nothing and is undone by the next
 * send, reserve, commit, connect or close; the memory is good until then, though the connection may end.
 * Returns the room covered; never blocks (EAGAIN, also without memory). commit: EINVAL beyond it.
 */
MYTCP_API ssize_t mytcp_reserve(mytcp_stack *stack, int fd, struct iovec *iov, int count, size_t want_bytes);
MYTCP_API int mytcp_commit(mytcp_stack *stack, int fd, size_t n_bytes);

/* As shutdown(2): SHUT_RD (data that comes is still taken and readable), SHUT_WR, SHUT_RDWR. As on
 * Linux a listener shut for reading is a listener no more, and an attempt to connect is given up.
 * Errors: EBADF, EINVAL, ENOTCONN. */
MYTCP_API int mytcp_shutdown(mytcp_stack *stack, int fd, int how);

/* As close(2). The descriptor is gone at once; the connection ends by itself: FIN after the queued
 * data, RST if unread data is thrown away (RFC 2525 2.17) or SO_LINGER is {1, 0}. With SO_LINGER {1, n}
 * and a driver, a blocking socket waits up to n seconds. Errors: EBADF. */
MYTCP_API int mytcp_close(mytcp_stack *stack, int fd);

MYTCP_API int mytcp_getsockname(mytcp_stack *stack, int fd, struct sockaddr *addr, socklen_t *len);
MYTCP_API int mytcp_getpeername(mytcp_stack *stack, int fd, struct sockaddr *addr, socklen_t *len);

/*
 * SOL_SOCKET: SO_REUSEADDR SO_KEEPALIVE SO_LINGER SO_OOBINLINE SO_RCVBUF SO_SNDBUF (no doubling; bytes
 * of payload; once set, the buffer no longer sizes itself) SO_RCVLOWAT SO_RCVTIMEO SO_SNDTIMEO
 * SO_MAX_PACING_RATE (bytes a second, 4 or 8 bytes long; from 2^32 - 1 on there is no limit; one turns
 * pacing on); read-only SO_ERROR SO_TYPE SO_DOMAIN SO_PROTOCOL SO_ACCEPTCONN.
 * IPPROTO_TCP: TCP_NODELAY TCP_CORK TCP_MAXSEG TCP_KEEPIDLE TCP_KEEPINTVL TCP_KEEPCNT TCP_SYNCNT
 * TCP_LINGER2 TCP_DEFER_ACCEPT TCP_WINDOW_CLAMP TCP_QUICKACK TCP_USER_TIMEOUT TCP_CONGESTION
 * TCP_NOTSENT_LOWAT; read-only TCP_INFO (struct tcp_info of <linux/tcp.h>, as far as tcpi_rehash,
 * cut to the length given; the shorter one of <netinet/tcp.h> is its beginning).
 * IPPROTO_IP: IP_TOS (the Diffserv field of all that the connection sends; the ECN bits are TCP's own).
 * SO_ERROR also tells, once, of what is not the end: an ICMP error about data in flight, or ETIMEDOUT when
 * the same data was sent three times again in vain (RFC 9293 3.9.1.8); progress takes that back.
 * An accepted socket inherits its listener's. Values are clamped and refused as on Linux, but:
 * SO_LINGER's seconds reach to 65535, TCP_DEFER_ACCEPT's to 255, TCP_WINDOW_CLAMP is 128 at least,
 * and TCP_MAXSEG acts at once. Errors: EBADF, EFAULT, EINVAL, ENOPROTOOPT, EOPNOTSUPP (get, of an
 * unknown level), EDOM, ENOENT, ENOBUFS (set, of what hardly anybody sets).
 */
MYTCP_API int mytcp_setsockopt(mytcp_stack *stack, int fd, int level, int name, const void *value, socklen_t len);
MYTCP_API int mytcp_getsockopt(mytcp_stack *stack, int fd, int level, int name, void *value, socklen_t *len);

/* F_GETFL, F_SETFL with O_NONBLOCK (others: EINVAL); and FIONBIO, FIONREAD, SIOCATMARK, SIOCOUTQ
 * (unacknowledged), SIOCOUTQNSD (unsent), in bytes of payload (others: ENOTTY; the queues of a
 * listener: EINVAL). */
MYTCP_API int mytcp_fcntl(mytcp_stack *stack, int fd, int cmd, int arg);
MYTCP_API int mytcp_ioctl(mytcp_stack *stack, int fd, unsigned long request, int *arg);

/* ------------------------------------------------------------------ readiness ------------------- */

/* As poll(2) with this stack's descriptors (negative ones are skipped, bad ones give POLLNVAL).
 * timeout_ms: 0 returns at once, -1 has no limit; without a driver it never waits. */
MYTCP_API int mytcp_poll(mytcp_stack *stack, struct pollfd *fds, nfds_t count, int timeout_ms);

#define MYTCP_ET 0x8000u /* edge-triggered: report a change once */

struct mytcp_event {
    uint64_t data;   /* as given to mytcp_watch */
    int fd;
    uint32_t events; /* POLLIN POLLOUT POLLERR POLLHUP POLLRDHUP POLLPRI */
};

/* Watch a descriptor: POLL* bits, optionally | MYTCP_ET; 0 stops. POLLERR and POLLHUP are always
 * watched while any is. close() ends it. Errors: EBADF, EINVAL (unknown bit). */
MYTCP_API int mytcp_watch(mytcp_stack *stack, int fd, uint32_t events, uint64_t data);

/* Collect up to `max` ready descriptors among those watched; the cost is O(ready). timeout_ms as for
 * poll. Level-triggered unless MYTCP_ET. Errors: EINVAL, EFAULT, EINTR. */
MYTCP_API int mytcp_wait(mytcp_stack *stack, struct mytcp_event *events, int max, int timeout_ms);

/* ------------------------------------------------------------------ what is going on ------------ */

#define MYTCP_DROPS_MAX 96
#define MYTCP_STATES 11

/* Counters since the stack was made, and gauges. */
struct mytcp_stats {
    uint64_t packets_in, packets_out; /* IPv4 packets (a super-segment is one) */
    uint64_t bytes_in, bytes_out;     /* of IPv4 packets */
    uint64_t segments_in, segments_out;           /* TCP */
    uint64_t drops[MYTCP_DROPS_MAX];              /* by reason; [0] is unused */
    uint64_t opened_active, opened_passive;       /* connections that became established */
    uint64_t failed, reset_in, reset_out;         /* attempts that failed; RSTs */
    uint64_t retransmitted_segments, retransmitted_bytes, rto_expired, fast_recoveries;
    uint64_t challenge_acks, challenge_acks_limited;
    uint64_t mtu_black_holes; /* packets found to be lost for their size, without a word from a router */
    uint64_t mtu_probes, mtu_probes_lost;         /* larger packets tried; of them, lost alone */
    uint64_t syn_cookies_sent, syn_cookies_ok;
    uint64_t time_wait_recycled, time_wait_reused; /* by the cap; by a SYN of either side */
    uint64_t memory_refused;                       /* charges that the ceiling refused */
    uint64_t memory_bytes, memory_peak_bytes;      /* gauge, and its highest value */
    uint64_t memory_cached_bytes; /* of memory_bytes: a few MiB at most of free buffers, kept for the
                                     next data and given back when memory is short */
    uint64_t sockets, half_open, time_wait;        /* gauges */
};
MYTCP_API int mytcp_stats_get(mytcp_stack *stack, struct mytcp_stats *stats);

/* The short name of a drop reason ("ip_checksum"), or NULL beyond the last. */
MYTCP_API const char *mytcp_drop_name(unsigned reason);

/* RFC 9293 name of a state numbered as in Linux's enum (TCP_ESTABLISHED = 1 ...), or "?". */
MYTCP_API const char *mytcp_state_name(int state);

/*
 * One connection: what TCP_INFO has no room for. Times in us, sizes in bytes.
 *
 * It is busy while something is queued or in flight, and all of that time is one of the limited_*: what kept it from
 * sending more. The application: all it wrote was in flight, or it wanted it held back (Nagle, TCP_CORK). The peer's
 * window. The send buffer: all that it holds was in flight. The network: the congestion window, or pacing.
 */
struct mytcp_conn_info {
    int state;                      /* TCP_ESTABLISHED, ... */
    uint32_t iss, irs;              /* initial sequence numbers, ours and the peer's */
    uint32_t snd_una, snd_nxt, snd_wnd, rcv_nxt, rcv_wnd; /* absolute */
    uint16_t snd_mss, peer_mss;     /* what we send at most; what the peer's SYN said */
    uint8_t snd_wscale, rcv_wscale; /* shift counts */
    bool wscale_ok, timestamps_ok, sack_ok, by_cookie, passive;
    uint32_t srtt_us, rttvar_us, rto_us;
    uint32_t cwnd, ssthresh;
    uint8_t backoff;                /* RTOs in a row */
    uint8_t syn_retransmits;        /* of our SYN or SYN-ACK until it was acknowledged */
    uint32_t handshake_us;          /* from our SYN or SYN-ACK to its acknowledgement */
    uint64_t bytes_sent, bytes_acked, bytes_received, bytes_retransmitted;
    uint64_t segments_sent, segments_received;
    uint32_t send_queued, send_unacked, recv_queued, recv_out_of_order;
    uint32_t memory_bytes;          /* held by this connection */
    uint8_t ca_state;               /* as Linux's: 0 open, 1 disorder, 2 CWR, 3 recovery, 4 loss */
    uint32_t min_rtt_us;            /* the least of the last minutes */
    uint64_t pacing_Bps;            /* bytes a second; 0: not paced */
    uint64_t delivery_Bps;          /* how fast the network took data, lately; 0: it was never put to the test */
    bool delivery_app_limited;      /* ... while there was no more to send */
    uint32_t again_fast, again_rto, again_tail; /* segments sent again: SACK, RACK or duplicate ACKs told of their
                                       loss; the timeout did; as a tail-loss probe */
    uint32_t window_probes;         /* an octet beyond a closed window */
    uint64_t busy_us, limited_application_us, limited_window_us, limited_buffer_us, limited_network_us;
};
MYTCP_API int mytcp_conn_info_get(mytcp_stack *stack, int fd, struct mytcp_conn_info *info);

/* One segment seen, as recorded when config trace_entries > 0. */
struct mytcp_trace {
    uint64_t time_us;
    bool out;                       /* direction */
    struct in_addr peer;
    uint16_t peer_port, local_port; /* host order */
    uint8_t flags;                  /* TH_FIN ... of <netinet/tcp.h> */
    uint32_t seq, ack;              /* absolute */
    uint32_t seq_rel, ack_rel;      /* relative to the initial ones, where those are known */
    uint32_t len_bytes;             /* payload */
    uint32_t window_bytes;          /* scaled */
    uint16_t gso_size, mss;         /* mss: of a SYN, else 0 */
    int8_t wscale;                  /* of a SYN, else -1 */
    uint8_t sack_blocks;
    bool has_ts, retransmission;
    uint32_t tsval, tsecr;
    int state_before, state_after;  /* TCP_CLOSE where there is no connection */
    uint8_t drop;                   /* reason, 0 if taken */
    uint8_t ca_state;               /* of the connection before it, as in mytcp_conn_info; 0 without one */
    uint32_t cwnd, ssthresh, srtt_us, in_flight;
    uint64_t pacing_Bps, delivery_Bps;
};

/* Take the oldest recorded segment: 1, or 0 if there is none. When the ring is full the newest are
 * lost and counted in *lost (may be NULL), which is then set to 0. */
MYTCP_API int mytcp_trace_read(mytcp_stack *stack, struct mytcp_trace *trace, uint64_t *lost);

/* One line of text without newline, cut to size: like snprintf, returns the full length. */
MYTCP_API int mytcp_trace_format(const struct mytcp_trace *trace, char *text, size_t size_bytes);

/* A digest of the whole state, for tests of determinism: same inputs, same number. */
MYTCP_API uint64_t mytcp_digest(mytcp_stack *stack);

/* Check every invariant of every connection and queue; NULL if all hold, else what is broken (a
 * constant string). Costs O(connections): for tests. */
MYTCP_API const char *mytcp_check(mytcp_stack *stack);

#ifdef __cplusplus
}
#endif
#endif
