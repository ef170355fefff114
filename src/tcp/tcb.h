/*
 * The transmission control block: the state of one connection (RFC 9293 3.3.1), and nothing else. It
 * knows no addresses, no table, no clock. The verbs around it:
 *
 *   user.c       3.10.1-6   what the application asks
 *   handshake.c  3.10.7.2-3 SYN arrives in LISTEN, segments in SYN-SENT
 *   input.c      3.10.7.4   segment arrives in any other state
 *   loss.c       3.8.1-2    what an ACK means for recovery and congestion control
 *   ecn.c        3.8.2      marks of congestion, both ways
 *   tune.c       3.8.6      buffers that size themselves
 *   path.c       3.7.2      the path's MTU: what is lost for its size
 *   timeout.c    3.10.8     deadlines
 *   output.c     3.8        what is the next segment, if any?
 *   limit.c                 ... and if there is none, what for: an account
 *
 * Input and timeout mark (state, `mark`, deadlines); output looks.
 *
 *                              +--------+
 *                  passive:    | CLOSED |  active:
 *                  see         +--------+  open
 *                  compact.h    |      |   mark SYN
 *                               |      v
 *   +----------+  SYN      +----+   +----------+
 *   | SYN_RCVD |<----------|        | SYN_SENT |
 *   +----------+  (simultaneous)<---+----------+
 *        | ACK of SYN                    | SYN,ACK
 *        +-------------+   +-------------+
 *                      v   v
 *    close: FIN   +-------------+   FIN arrives
 *     +-----------| ESTABLISHED |-------------+
 *     v           +-------------+             v
 *   +------------+                      +------------+
 *   | FIN_WAIT_1 |--FIN--> CLOSING      | CLOSE_WAIT |
 *   +------------+           |          +------------+
 *     | ACK of FIN           | ACK of FIN      | close: FIN
 *     v                      v                 v
 *   +------------+  FIN   +-----------+   +----------+
 *   | FIN_WAIT_2 |------->| TIME_WAIT |   | LAST_ACK |--ACK of FIN--> CLOSED
 *   +------------+        +-----------+   +----------+
 */
#ifndef TCP_TCB_H
#define TCP_TCB_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "tcp/buf.h"
#include "tcp/cc.h"
#include "tcp/pace.h"
#include "tcp/params.h"
#include "tcp/path_mtu.h"
#include "tcp/recovery.h"
#include "tcp/recvq.h"
#include "tcp/rtt.h"
#include "tcp/sendq.h"
#include "util/drop.h"
#include "util/seq.h"
#include "wire/tcp.h"

#define TIME_NEVER UINT64_MAX

/* Numbered as Linux numbers them (TCP_INFO). */
enum tcp_state {
    ST_ESTABLISHED = 1,
    ST_SYN_SENT,
    ST_SYN_RCVD,
    ST_FIN_WAIT_1,
    ST_FIN_WAIT_2,
    ST_TIME_WAIT,
    ST_CLOSED,
    ST_CLOSE_WAIT,
    ST_LAST_ACK,
    ST_LISTEN,
    ST_CLOSING
};

/* Reasons to send, set by input, user calls and timeouts; cleared by output. */
enum tcp_mark {
    MARK_ACK = 1 << 0,       /* acknowledge now */
    MARK_SYN = 1 << 1,       /* (re)send SYN or SYN,ACK */
    MARK_RST = 1 << 2,       /* abort: the last thing this connection says */
    MARK_PROBE = 1 << 3,     /* zero-window probe, or the override of sender SWS avoidance */
    MARK_KEEPALIVE = 1 << 4, /* keepalive probe */
    MARK_LOOK = 1 << 5,      /* something changed: see whether data may go */
    MARK_TAIL = 1 << 6       /* tail-loss probe */
};

/* What the application should be told, set by all verbs; taken by the stack. */
enum tcp_event {
    EVENT_READABLE = 1 << 0, /* data */
    EVENT_WRITABLE = 1 << 1, /* the send queue got shorter */
    EVENT_STATE = 1 << 2,    /* established, half closed, closed, error: news for whoever watches */
    EVENT_URGENT = 1 << 3
};

/* Options that the application sets (all live in the TCB; 0 means the default unless noted). */
struct tcp_options {
    uint32_t rcvbuf, sndbuf;       /* bytes of payload, now (tune.c) */
    uint32_t user_timeout_ms;      /* 0: none */
    uint32_t notsent_lowat;        /* that much may wait to be sent for the first time; 0: no limit */
    uint32_t window_clamp;         /* 0: none */
    uint32_t max_pacing_Bps;       /* 0: none */
    uint32_t fin_wait2_us;         /* how long FIN-WAIT-2 lasts after close() */
    uint16_t keep_idle_s, keep_intvl_s;
    uint16_t maxseg;               /* 0: none */
    uint8_t keep_probes, syn_count; /* syn_count 0: the stack's */
    uint8_t tos;           /* of the IPv4 header: the Diffserv field, without the ECN bits */
    bool nodelay : 1, cork : 1, keepalive : 1;
    bool rcvbuf_fixed : 1, sndbuf_fixed : 1; /* as the application set them */
};

/* Why old data went again. */
enum tcp_retx {
    RETX_FAST, /* SACK, RACK or duplicate ACKs told of a loss */
    RETX_RTO,  /* the timer did */
    RETX_TAIL, /* a tail-loss probe */
    RETX_WINDOW, /* a probe of the closed window: an octet beyond it, new or again */
    RETX_CAUSES
};

/* Why no more goes out (limit.c). */
enum tcp_limit {
    LIMIT_IDLE,        /* nothing is queued, nor in flight */
    LIMIT_APPLICATION, /* all that was written is in flight, or held back as it asked (Nagle, TCP_CORK) */
    LIMIT_WINDOW,      /* the peer's */
    LIMIT_BUFFER,      /* all that the send buffer holds is in flight, and more could be */
    LIMIT_NETWORK,     /* cwnd, or its pacing; lost data waits */
    LIMITS,
    LIMIT_BY_OTHERS = LIMIT_WINDOW /* from there on it is not the application's doing */
};

/* What only a connection has that paces what it sends, had to wait with it or to send again, or knows a narrow
 * path. */
struct tcp_bulk {
    struct pacer pacer;
    struct path_mtu path;
    uint64_t bytes_retx;
    uint64_t limited_us[LIMITS - LIMIT_BY_OTHERS]; /* less the time when it began, while it lasts */
    uint64_t rate_Bps;     /* of delivery, the last sample that tells something; 0: none yet */
    uint32_t retx[RETX_CAUSES];
    bool rate_app_limited; /* rate_Bps is of a time in which the application was the limit */
};

struct tcb {
    uint8_t state;
    uint8_t mark;
    uint8_t event;
    uint8_t error; /* errno why it closed, or of the last soft error */

    bool passive : 1, by_cookie : 1;
    bool wscale_ok : 1, ts_ok : 1, sack_ok : 1;
    bool orphan : 1;       /* the application has closed it: nobody reads */
    bool fin_queued : 1;   /* FIN stands after the last byte of sendq */
    bool fin_sent : 1;     /* ... and was sent: snd_nxt counts it */
    bool fin_rcvd : 1;     /* rcv_nxt counts it */
    bool fin_ahead : 1;    /* a FIN came out of order, at rcv_fin */
    bool urgent_rcv : 1;   /* rcv_up is ahead of what was read */
    bool urgent_snd : 1;   /* snd_up is beyond snd_una */
    bool persisting : 1;   /* rexmt_at is the persist timer */
    bool soft_error : 1;   /* error is only advice (RFC 1122 4.2.3.9) */
    bool more : 1;         /* MSG_MORE: hold back a partial segment */
    bool ecn_ok : 1;       /* ECN was negotiated, or is asked for */
    bool ecn_echo : 1;     /* CE was seen: ECE until CWR comes */
    bool cwr_due : 1;      /* cwnd was reduced: new data is to tell by CWR */
    bool cwr_sent : 1;     /* ... does, at cwr_seq, and is not acknowledged yet */
    uint8_t snd_wscale, rcv_wscale;
    uint8_t backoff;       /* doublings of the timeout (RTO or persist); ended by an RTT sample */
    uint8_t retries;       /* retransmission timeouts since anything was acknowledged */
    uint8_t probes;        /* keepalives without an answer */
    uint8_t quick;         /* ACKs still to send at once */
    uint8_t syn_retx;
    uint8_t limit;         /* enum tcp_limit, now */

    seq_t iss, irs;
    seq_t snd_una, snd_nxt;
    seq_t snd_max;         /* beyond snd_nxt only by a zero-window probe's byte */
    seq_t snd_wl1, snd_wl2;
    uint32_t snd_wnd, snd_wnd_max;
    seq_t snd_sml;         /* end of the last partial segment sent (Nagle, Minshall's variant) */
    seq_t snd_up;
    seq_t rcv_nxt;
    seq_t rcv_adv;         /* right edge: the furthest ever offered; never moves back */
    seq_t rcv_room;        /* ... of that, what there was room for: the scale rounds up */
    seq_t rcv_acked;       /* Last.ACK.sent (RFC 7323) */
    seq_t rcv_up, rcv_fin;
    seq_t tune_from;       /* read so far when this round trip began (tune.c) */
    uint32_t tune_at;      /* ... by our timestamps, or in microseconds */
    uint32_t tune_taken;   /* the most that was read in one of them, beyond what then waited */

    uint16_t peer_mss;     /* from its SYN, bounded below */
    uint16_t path_proven;  /* the largest packet that has arrived (RFC 5927 7.2: maxsizeacked) */
    uint16_t rcv_mss;      /* the largest segment seen: what "full-sized" means */
    uint16_t challenge_s;  /* second of the last challenge ACK, modulo 2^16 */
    uint8_t challenges;    /* in that second */
    uint16_t dsack_len;    /* data that came twice, for the next ACK to tell (RFC 2883); 0: none */
    seq_t dsack;           /* ... from here on */

    uint32_t ts_recent, ts_recent_s; /* and when it was set, in seconds */
    uint32_t ts_offset;

    struct rtt rtt;
    seq_t rtt_seq;         /* one RTT sample a round trip: the next when this is acknowledged */
    struct cc cc;
    struct recovery recovery;
    struct tcp_bulk *bulk; /* NULL: none yet, or no memory */

    struct sendq sendq;
    struct recvq recvq;

    /* deadlines; TIME_NEVER: not running */
    uint64_t rexmt_at_us;  /* RTO, SYN, persist */
    uint64_t probe_at_us;  /* tail-loss probe (RFC 8985 7) */
    uint64_t delack_at_us;
    uint64_t keep_at_us;   /* keepalive in synchronized states, 2 MSL and FIN-WAIT-2 limit later */
    uint64_t unacked_us;   /* since when something is unacknowledged (user timeout); TIME_NEVER: nothing */
    uint64_t heard_us;     /* last segment from the peer */
    uint64_t sent_us;      /* last data sent (idle restart) */

    struct tcp_options opt;

    uint64_t bytes_acked, bytes_received;
    uint64_t busy_us;      /* something was queued or in flight; less the time when it began, while it lasts */
    uint32_t segs_in, segs_out;
    uint32_t handshake_us;
    seq_t cwr_seq;
};

/* Counters of the whole stack that the verbs keep. */
struct tcp_counters {
    uint64_t opened_active, opened_passive, failed, reset_in, reset_out;
    uint64_t retx_segments, retx_bytes, rto_expired, fast_recoveries;
    uint64_t challenge_acks, challenge_acks_limited;
    uint64_t mtu_black_holes, mtu_probes, mtu_probes_lost;
};

/* What every verb gets: the time, the policy, the memory. */
struct tcp_env {
    uint64_t now_us;
    struct tcp_params params;
    struct mem *mem;
    struct buf_pool *bufs;
    struct sendq_pool *chunks;
    struct tcp_counters count;
    uint32_t mtu;     /* of the device */
    uint32_t gso_max; /* bytes of the largest packet to build, 0: none larger than the MTU */
};

/* A TCB in CLOSED with all options at their defaults. */
void tcb_init(struct tcb *t, const struct tcp_env *env, const struct tcp_options *opt);
/* Let go of all queues. */
void tcb_free(struct tcb *t, struct tcp_env *env);
/* Leave for CLOSED, with the errno to report (0: none): timers stop, unsent data goes, what was received
 * stays readable. */
void tcb_close(struct tcb *t, struct tcp_env *env, int error);
/* To TIME-WAIT for 2 MSL. */
void tcb_time_wait(struct tcb *t, struct tcp_env *env);

static inline bool tcb_synchronized(const struct tcb *t)
{
    return t->state != ST_CLOSED && t->state != ST_LISTEN && t->state != ST_SYN_SENT &&
           t->state != ST_SYN_RCVD;
}
/* May the peer still send data? */
static inline bool tcb_receiving(const struct tcb *t)
{
    return t->state == ST_ESTABLISHED || t->state == ST_FIN_WAIT_1 || t->state == ST_FIN_WAIT_2;
}
/* May we still send data that is queued? */
static inline bool tcb_sending(const struct tcb *t)
{
    return t->state == ST_ESTABLISHED || t->state == ST_CLOSE_WAIT || t->state == ST_FIN_WAIT_1 ||
           t->state == ST_CLOSING || t->state == ST_LAST_ACK;
}

static inline uint32_t tcb_rcv_wnd(const struct tcb *t) { return seq_len(t->rcv_nxt, t->rcv_adv); }
/* Our TSval now: a clock of timestamp_clock_us plus an offset of this connection's own. */
uint32_t tcb_tsval(const struct tcb *t, const struct tcp_env *env);
/* How long ago, in whole ticks, the TSval that the segment echoes was ours; UINT64_MAX: it echoes none, or one of the
 * future or of before our clock began. */
uint64_t tcb_echo_age(const struct tcb *t, const struct tcp_env *env, const struct tcp_segment *seg);
/* MSS option that we send (RFC 6691): the device's MTU less 40, less still if TCP_MAXSEG says so. */
uint16_t tcb_mss_offer(const struct tcb *t, const struct tcp_env *env);
/* The largest packet that may ever go, whatever the path (RFC 1191 3.1): the device's MTU, or less if the peer's
 * MSS or TCP_MAXSEG says so. */
uint32_t tcb_mtu_limit(const struct tcb *t, const struct tcp_env *env);
/* The largest that goes now, but for a probe (RFC 4821 eff_pmtu). */
uint32_t tcb_path_mtu(const struct tcb *t, const struct tcp_env *env);
/* Payload of a full wire segment when `option_bytes` of TCP options go with it. */
uint32_t tcb_snd_mss(const struct tcb *t, const struct tcp_env *env, unsigned option_bytes);
/* What congestion control is told, with what every event has filled in. */
struct cc_event tcb_cc_event(const struct tcb *t, const struct tcp_env *env);
static inline unsigned tcb_option_bytes(const struct tcb *t) { return t->ts_ok ? 12 : 0; }
/* How fast it may send, in 1000 bytes a second; 0: as fast as may be. */
uint32_t tcb_pacing_kBps(const struct tcb *t);
/* Its bulk, made if there is none; NULL without memory. */
struct tcp_bulk *tcb_bulk(struct tcb *t, const struct tcp_env *env);
/* Sent so far, what went again included. */
uint64_t tcb_bytes_sent(const struct tcb *t);
/* What lies between `from` and the end of the peer's window. */
uint32_t tcb_window_left(const struct tcb *t, seq_t from);
/* Delivered so far, acknowledged or SACKed. */
uint64_t tcb_delivered(const struct tcb *t);
/* Sequence space sent and not acknowledged; and what of it is believed to be in the network. */
uint32_t tcb_in_flight(const struct tcb *t);
uint32_t tcb_pipe(const struct tcb *t);
/* The window shift that lets a buffer of `bytes` be offered (RFC 7323 2.2). */
uint8_t tcb_wscale_for(uint32_t bytes);
/* The window beside a SYN, which is not scaled: in units of the scale all the same, so that a scaled field can
 * say the same edge. */
uint32_t tcb_first_window(const struct tcb *t);
/* The window field for the next segment; moves rcv_adv right if there is room to offer. */
uint16_t tcb_offer_window(struct tcb *t, const struct tcp_env *env);
/* Would an update now move the edge by enough to be worth a segment (RFC 9293 3.8.6.2.2)? */
bool tcb_window_update_due(const struct tcb *t, const struct tcp_env *env);
/* An answer of RFC 5961 7: MARK_ACK unless this second's allowance is used up. */
void tcb_challenge_ack(struct tcb *t, struct tcp_env *env);
void tcb_arm_rexmt(struct tcb *t, struct tcp_env *env);
/* The keepalive deadline from what was last heard. */
void tcb_arm_keepalive(struct tcb *t, const struct tcp_env *env);
uint64_t tcb_deadline(const struct tcb *t);
/* Bytes of memory that it holds beside itself. */
uint32_t tcb_held(const struct tcb *t);

const char *tcp_state_name(int state);
/* Every invariant of its state; NULL if all hold. */
const char *tcb_check(const struct tcb *t);

/* ---- the verbs ---- */

/* user.c */
void tcp_open_active(struct tcb *t, struct tcp_env *env, seq_t iss, uint32_t ts_offset);
/* Data was appended to sendq. */
void tcp_user_sent(struct tcb *t, bool more, bool urgent);
/* n bytes were taken from recvq. */
void tcp_user_received(struct tcb *t, struct tcp_env *env);
void tcp_user_shutdown_write(struct tcb *t);
/* close(): nobody will read or write any more. With RST if `abort`, or if something is unread. */
void tcp_user_close(struct tcb *t, struct tcp_env *env, bool abort);
/* What was written and never sent. */
uint32_t tcp_user_unsent(const struct tcb *t);
/* How much may be appended to sendq now. */
uint32_t tcp_user_send_room(const struct tcb *t);

/* What input says of a segment. */
struct tcp_verdict {
    enum drop_reason drop; /* DROP_NONE: taken */
    bool reply_rst;        /* answer it by the RST of RFC 9293 3.5.2 for it (tcp_rst_for) */
};
struct tcp_verdict tcp_input(struct tcb *t, struct tcp_env *env, const struct tcp_segment *seg,
                             struct buf **owner);
struct tcp_verdict tcp_input_syn_sent(struct tcb *t, struct tcp_env *env,
                                      const struct tcp_segment *seg, struct buf **owner);
/* Options and window of a SYN or SYN,ACK from the peer. */
void tcp_learn_syn(struct tcb *t, const struct tcp_env *env, const struct tcp_segment *seg);
/* Our SYN is acknowledged by the segment: on to ESTABLISHED, with a first RTT if it tells one. */
void tcp_handshake_done(struct tcb *t, struct tcp_env *env, const struct tcp_segment *seg);
/* What is left of a segment when its SYN is done with. */
void tcp_skip_syn(struct tcp_segment *seg);
/* What of the segment's data is a duplicate: for the next ACK, if SACK was negotiated. */
void tcp_note_duplicate(struct tcb *t, const struct tcp_segment *seg);
/* URG, text and FIN of a segment whose ACK was good: the last steps of 3.10.7.4. */
enum drop_reason tcp_input_text(struct tcb *t, struct tcp_env *env, const struct tcp_segment *seg,
                                struct buf **owner);
/* The RST that answers a segment no connection wants (RFC 9293 3.5.2 group 1); false if it is a RST. */
bool tcp_rst_for(const struct tcp_segment *seg, struct tcp_segment *rst);

/* ecn.c: is this an ECN-setup SYN or SYN,ACK? */
bool tcp_ecn_setup(const struct tcp_segment *syn);
/* What our SYN or SYN,ACK says. */
uint8_t tcp_ecn_syn_flags(struct tcb *t);
/* CWR and CE of data that is acceptable. */
void tcp_ecn_input(struct tcb *t, const struct tcp_segment *seg);
/* The marks of new data that goes, before SND.MAX moves. */
void tcp_ecn_new_data(struct tcb *t, struct tcp_segment *seg);

/* limit.c: why no more goes now. Whenever output has nothing more to send, and at the end. */
void tcp_limit_note(struct tcb *t, const struct tcp_env *env);
/* For how long that has been so; LIMIT_IDLE: for how long it has not been idle. */
uint64_t tcp_limited_us(const struct tcb *t, enum tcp_limit limit, uint64_t now_us);

/* tune.c: a round trip begins; text came, and may end it; the application has read; an ACK came. */
void tcp_tune_begin(struct tcb *t, const struct tcp_env *env);
void tcp_tune_arrival(struct tcb *t, const struct tcp_env *env, const struct tcp_segment *seg);
void tcp_tune_read(struct tcb *t, const struct tcp_env *env);
void tcp_tune_send(struct tcb *t, const struct tcp_env *env);

/* icmp.c: there is no way (RFC 9293 3.9.2.2, RFC 5927). */
void tcp_icmp_error(struct tcb *t, struct tcp_env *env, int error, bool hard);
/* Advice, and the reason should the connection time out; progress takes it back (RFC 9293 3.9.1.8). */
void tcp_soft_error(struct tcb *t, int error);

/* path.c: the path's MTU. Others have found it: packets of `mtu` pass, whether larger ones up to `high` do is not
 * known (0: whatever may go), and from at_us on they may be tried again. */
void tcp_path_known(struct tcb *t, struct tcp_env *env, uint32_t mtu, uint32_t high, uint64_t at_us);
/* The same of this connection, if there is news that others may use; once. */
bool tcp_path_news(struct tcb *t, const struct tcp_env *env, uint32_t *mtu, uint32_t *high);
/* A router says that what was sent at `seq` is too large for it (RFC 1191). */
void tcp_path_claim(struct tcb *t, struct tcp_env *env, uint32_t mtu, seq_t seq);
/* What an ACK tells: `arrived` is the payload of the largest packet delivered; mode: recovery's, before. */
void tcp_path_ack(struct tcb *t, struct tcp_env *env, uint32_t arrived, uint8_t mode);
/* Data timed out: was it too large? Before tcp_loss_rto. */
void tcp_path_timeout(struct tcb *t, struct tcp_env *env);
/* Something is lost: is it the probe, and nothing else (RFC 4821 7.6.2)? */
bool tcp_path_probe_lost(struct tcb *t);
/* The payload of the MTU probe to send now, with so many bytes queued and room for so many in flight; 0: none. */
uint32_t tcp_path_probe(struct tcb *t, const struct tcp_env *env, unsigned option_bytes, uint32_t queued,
                        uint32_t room);
/* A probe goes; a segment goes again. */
void tcp_path_probe_sent(struct tcb *t, struct tcp_env *env, const struct tcp_segment *seg);
void tcp_path_sent_again(struct tcb *t, seq_t seq);

void tcp_timeout(struct tcb *t, struct tcp_env *env);

/* loss.c: an ACK that is good, for recovery and congestion control; SND.UNA follows. */
void tcp_loss_ack(struct tcb *t, struct tcp_env *env, const struct tcp_segment *seg, bool dup);
/* The rate follows the window, if it is to be paced and its congestion control sets no rate. */
void tcp_loss_pace(struct tcb *t, const struct tcp_env *env);
/* The reordering timer, and the RTO. */
void tcp_loss_reorder(struct tcb *t, struct tcp_env *env);
void tcp_loss_rto(struct tcb *t, struct tcp_env *env);
/* What is in flight goes again, through no fault of the network. */
void tcp_loss_resend(struct tcb *t, struct tcp_env *env);
/* Schedule the tail-loss probe, if one may be. */
void tcp_loss_arm_probe(struct tcb *t, struct tcp_env *env);

/* In so many chunks of a send queue do 64 KiB lie at most: each is as large as what was queued before it. */
enum { TCP_OUT_IOV = 9 };
struct tcp_out {
    struct tcp_segment seg; /* addresses and ports are the stack's to fill */
    struct iovec iov[TCP_OUT_IOV];
    int iovcnt;
    bool retransmission;
};
/* The next segment to send now, if any; it counts as sent. */
bool tcp_output(struct tcb *t, struct tcp_env *env, struct tcp_out *out);
/* How much cwnd must have room for beside what is in flight, before some of more goes. */
uint32_t tcp_room_min(const struct tcb *t, const struct tcp_env *env, uint32_t pipe, uint32_t mss);

#endif
