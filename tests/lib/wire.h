/*
 * A little language for scenarios on the packet side: segments in, segments out, at literal times.
 *
 *     wire_passive(w);                                     a handshake; the mark is set
 *     IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);  the peer sends
 *     OUT(w, .flags = ACK, .seq = 1, .ack = 11);           exactly this comes next
 *     QUIET(w);                                            and nothing else
 *     AT(w, 300 * MS);                                     nothing until 300 ms after the mark
 *
 * Sequence numbers are relative: the SYN is 0, the first byte of data 1; .seq of IN and .ack of OUT
 * count from the peer's initial number, the others from the stack's. Both start shortly before
 * 2^32. Windows are in bytes, scaled by the harness. Payloads are a pattern of their position in
 * the stream, made and verified here. The packet code here is independent of src/wire, so that bugs
 * do not cancel.
 *
 * Run from the environment: WIRE_ISS and WIRE_IRS say where the numbers start; WIRE_GSO=1 lets the
 * stack build super-segments, which are cut up before a test sees them; WIRE_TRACE is a file that
 * gets a line for each test, which is the same whatever the others say.
 *
 * What is asserted all the time, by no test in particular: see wire_check.c.
 */
#ifndef LIB_WIRE_H
#define LIB_WIRE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mytcp.h"

enum {
    FIN = 0x01,
    SYN = 0x02,
    RST = 0x04,
    PSH = 0x08,
    ACK = 0x10,
    URG = 0x20,
    ECE = 0x40,
    CWR = 0x80,
    /* OUT: PSH must not be set (otherwise PSH is asserted if given, ignored if not) */
    NOPSH = 0x100,
    /* OUT: ACK may be set or not */
    ANYACK = 0x200
};

#define MS ((uint64_t)1000)
#define SEC ((uint64_t)1000000)
#define WS(shift) ((shift) + 1) /* a window scale option; 0 is none */
#define WND_ZERO (-1)           /* a window of 0; 0 is the default (IN) or unchecked (OUT) */

struct wire_sack {
    uint32_t start, end;
};

struct wire_segment {
    unsigned flags;
    uint32_t seq, ack; /* relative; OUT compares both, IN leaves the field ack 0 without the flag */
    uint32_t len;      /* of the payload */
    int64_t wnd;
    uint16_t urg;
    uint16_t mss; /* options of a SYN; OUT: 0 and WS 0 are unchecked */
    int wscale;
    bool sackok;
    bool ts, no_ts; /* IN: given values, or none; otherwise as negotiated. OUT: check tsecr */
    uint32_t tsval, tsecr;
    struct wire_sack sack[4]; /* OUT: exactly these */
    uint16_t gso_size;        /* a super-segment; OUT: unchecked if 0 */
    uint8_t ecn;              /* IN: the ECN field of the IPv4 header */
    bool garbage;             /* IN: a payload of other bytes than the stream's */
    const uint8_t *options;   /* IN: these bytes in place of all options, padded with EOL */
    unsigned options_len;
};

/* A packet as bytes, and what its header says: what was seen, or what is to be tampered with. */
struct wire_packet {
    uint8_t bytes[65664];
    uint32_t len;
    uint16_t gso_size;
    uint8_t gso_type;
    bool needs_csum, csum_valid;
    uint16_t csum_start, csum_offset, hdr_len;
    /* of one seen, in host order */
    uint32_t src, dst;
    uint8_t protocol;
    uint16_t src_port, dst_port;
    uint32_t seq, ack; /* absolute */
    unsigned flags;
    uint16_t wnd, urg; /* as on the wire */
    uint16_t mss;
    int wscale;
    bool sackok, ts;
    uint32_t tsval, tsecr;
    int sacks;
    struct wire_sack sack[4]; /* absolute */
    const uint8_t *payload;   /* of TCP; of another protocol: all behind the IPv4 header */
    uint32_t payload_len;
};

/* What is known of one connection, by its 4-tuple. */
struct wire_conn {
    uint32_t peer_addr;
    uint16_t peer_port, our_port;
    uint32_t iss, irs; /* the stack's and the peer's initial sequence number */
    bool iss_known, syn_in, syn_out, edge_known;
    int our_scale, peer_scale; /* of the SYNs: WS(n) or 0 */
    bool our_ts, peer_ts, our_sack, peer_sack;
    bool our_ecn, peer_ecn; /* the SYNs were ECN-setup ones (RFC 3168 6.1.1) */
    uint32_t tsval_seen, tsval_high;
    uint32_t right_edge;     /* relative to irs: the furthest offered by the stack */
    uint32_t ack_high;       /* relative to irs: the highest acknowledged by the stack */
    uint32_t snd_high;       /* relative to iss: the end of what the stack has sent */
    uint32_t una, peer_edge; /* relative to iss: acknowledged and offered by the peer */
    uint32_t peer_end;       /* relative to irs: the end of what the peer has sent */
    bool peer_fin;
    uint32_t peer_fin_seq;
    uint64_t read_pos, write_pos; /* of the application's streams */
};

struct wire_peer { /* what the peer's SYN offers */
    uint16_t mss;
    int wscale;
    bool sackok, ts;
};

enum { WIRE_CONNS = 128, WIRE_LOG = 1 << 16 };

struct wire {
    struct mytcp_config config; /* change it before the first packet or socket */
    mytcp_stack *stack;
    uint64_t now_us, mark_us;
    int fd, listener;
    uint32_t our_addr,
        peer_addr; /* host order; like the ports and irs: those of the next segment in */
    uint16_t our_port, peer_port;
    uint32_t iss_target, irs;
    bool aimed;            /* the next ISS should be iss_target */
    uint32_t rtt_us;       /* of handshakes; default 100 ms */
    int64_t wnd;           /* the peer's default window; default 1 MiB */
    struct wire_peer peer; /* default: MSS 1460, WS(7), SACK, no timestamps */
    bool any_payload;      /* the stack's payloads are not the pattern */
    bool classified;       /* the peer's packets have an IP security option and a precedence */
    unsigned packets_in;
    uint32_t mtu; /* that the stack's packets must fit */
    /* memory */
    uint64_t held_bytes, allocs, allocs_live;
    uint64_t fail_at, fail_from; /* the allocation that fails; the first of all that do; 0: none */
    struct wire_conn conns[WIRE_CONNS];
    unsigned conn_count;
    char log[WIRE_LOG];
    uint64_t trace; /* a hash of all segments: relative numbers, flags, lengths, windows */
    bool cutting;   /* super-segments are built, and cut up here as a device would */
    struct wire_packet cut;
    uint32_t cut_at; /* of its payload, so much has left; all of it: nothing waits */
    size_t log_len;
};

/* cmocka fixture: *state is a struct wire with the default config and no stack yet. */
int wire_setup(void **state);
int wire_teardown(void **state);
/* SCENARIO(a_sentence) { IN(w, ...); ... }, to be listed as WIRE_TEST(a_sentence) in WIRE_MAIN. */
#define SCENARIO(name)                                                                             \
    static void name##_in(struct wire *w);                                                         \
    static void name(void **state)                                                                 \
    {                                                                                              \
        name##_in(*state);                                                                         \
    }                                                                                              \
    static void name##_in(struct wire *w)
#define WIRE_TEST(f) cmocka_unit_test_setup_teardown(f, wire_setup, wire_teardown)
#define WIRE_MAIN(...)                                                                             \
    int main(void)                                                                                 \
    {                                                                                              \
        const struct CMUnitTest tests[] = {__VA_ARGS__};                                           \
        return cmocka_run_group_tests(tests, NULL, NULL);                                          \
    }

/* Make the stack, if there is none yet; done by all below. */
void wire_start(struct wire *w);
void wire_stop(struct wire *w); /* destroy it; all memory must come back */
/* Put the clock where the next connection's ISS, active or passive, is w->iss_target. */
void wire_aim(struct wire *w, bool active);
/* The connection of the current addresses and ports; made if unknown. */
struct wire_conn *wire_conn(struct wire *w);
/* Forget it: the next SYN of either side is a new incarnation, the peer's with this number. */
void wire_reincarnate(struct wire *w, uint32_t irs);

#define IN(w, ...) wire_in((w), __FILE__, __LINE__, &(struct wire_segment){__VA_ARGS__})
#define OUT(w, ...) wire_out((w), __FILE__, __LINE__, &(struct wire_segment){__VA_ARGS__})
#define QUIET(w) wire_quiet((w), __FILE__, __LINE__)
#define AT(w, us) wire_at((w), __FILE__, __LINE__, (us))
#define MARK(w) ((w)->mark_us = (w)->now_us)

/* Returns the drop reason's name, or "" if the segment was taken. */
const char *wire_in(struct wire *w, const char *file, int line, const struct wire_segment *s);
/* Returns what was seen; good until the next OUT. */
const struct wire_packet *wire_out(struct wire *w, const char *file, int line,
                                   const struct wire_segment *s);
void wire_quiet(struct wire *w, const char *file, int line);
/* Go to `us` after the mark; nothing may be sent before. */
void wire_at(struct wire *w, const char *file, int line, uint64_t us);
/* Go to there, whatever is sent; returns how many packets were. */
unsigned wire_skip_to(struct wire *w, uint64_t us);
/* The next packet sent now, verified; false if there is none. */
bool wire_poll(struct wire *w, struct wire_packet *p);
#define OUT_ICMP(w, type, code) wire_out_icmp((w), __FILE__, __LINE__, (type), (code))
const struct wire_packet *wire_out_icmp(struct wire *w, const char *file, int line, int type,
                                        int code);

/* Packets as bytes: build, tamper, mend, inject. */
void wire_build(struct wire *w, struct wire_packet *p, const struct wire_segment *s);
void wire_build_ip(struct wire *w, struct wire_packet *p, uint8_t protocol, const void *data,
                   uint32_t len);
void wire_build_icmp(struct wire *w, struct wire_packet *p, uint8_t type, uint8_t code,
                     uint32_t rest, const void *data, uint32_t len);
void wire_fix_ip_checksum(struct wire_packet *p);
void wire_fix_tcp_checksum(struct wire_packet *p);
const char *wire_inject(struct wire *w, const struct wire_packet *p);
uint16_t wire_sum(const uint8_t *data, uint32_t len, uint64_t start); /* RFC 1071, complemented */
bool wire_parse(struct wire_packet *p, const char **why);

/* One-line handshakes with w->peer: the socket is w->fd, established, and the mark is set. */
void wire_listen(struct wire *w, int backlog); /* w->listener on our_addr:our_port */
void wire_passive(struct wire *w);
void wire_syn_received(struct wire *w); /* its first half: the SYN-ACK is out */
void wire_active(struct wire *w);
void wire_syn_sent(struct wire *w); /* its first half: the SYN is out; times count from there */
/* The SYN of w->peer, as IN's segment. */
struct wire_segment wire_peer_syn(struct wire *w, unsigned flags, uint32_t ack);

/* The application's side; streams are patterns, too. */
#define WRITE(w, n) wire_write((w), __FILE__, __LINE__, (n), 0)
#define READ(w, n) wire_read((w), __FILE__, __LINE__, (n))
#define FAILS(w, expression, error)                                                                \
    wire_fails((w), __FILE__, __LINE__, #expression, (errno = 0, (long)(expression)), (error))
#define STATE(w, state) wire_state((w), __FILE__, __LINE__, (state))
void wire_write(struct wire *w, const char *file, int line, size_t n, int flags);
void wire_read(struct wire *w, const char *file, int line, size_t n); /* exactly n, right ones */
void wire_fails(struct wire *w, const char *file, int line, const char *what, long result,
                int error);
void wire_state(struct wire *w, const char *file, int line, int state);
void wire_eof(struct wire *w);                        /* recv gives 0 */
void wire_again(struct wire *w);                      /* recv gives EAGAIN */
short wire_ready(struct wire *w, int fd);             /* poll's bits of all */
int wire_option(struct wire *w, int level, int name); /* getsockopt of w->fd */
void wire_set(struct wire *w, int level, int name, int value);
int wire_so_error(struct wire *w);
struct mytcp_conn_info wire_info(struct wire *w);
struct mytcp_stats wire_stats(struct wire *w);
uint64_t wire_drops(struct wire *w, const char *name);
struct sockaddr_in wire_sockaddr(uint32_t addr, uint16_t port);

/* wire_trace.c: a segment's part in the trace; a line of it for the whole test; a super-segment to
 * cut up (p becomes its first piece); its next piece. */
void wire_trace(struct wire *w, const struct wire_packet *p, const struct wire_conn *c, bool out);
void wire_trace_end(const struct wire *w);
void wire_cut(struct wire *w, struct wire_packet *p);
bool wire_next_piece(struct wire *w, struct wire_packet *p);

/* The byte at an offset of the stack's stream (ours) or the peer's. */
uint8_t wire_byte(bool ours, uint64_t offset);

/* Do these flags make an ECN-setup SYN or SYN-ACK? */
static inline bool wire_ecn_setup(unsigned flags)
{
    return (flags & (ECE | CWR)) == (flags & ACK ? ECE : ECE | CWR);
}
/* Asserted for every packet that the stack sends (wire_check.c). NULL, or what is wrong. */
const char *wire_check_sent(struct wire *w, struct wire_packet *p);
struct wire_conn *wire_find(struct wire *w, uint32_t addr, uint16_t peer_port, uint16_t our_port,
                            bool make);
void wire_format(char *text, size_t size, const struct wire_packet *p, const struct wire_conn *c,
                 bool out);
void wire_logf(struct wire *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
void wire_failed(struct wire *w, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5), noreturn));

#endif
