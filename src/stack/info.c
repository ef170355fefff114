/* What is going on: statistics, one connection's story, digest, invariants. */
#include <errno.h>
#include <string.h>

#include "stack/stack.h"
#include "util/bytes.h"

_Static_assert(DROP_COUNT <= MYTCP_DROPS_MAX, "mytcp_stats.drops is too short");

const char *mytcp_drop_name(unsigned reason)
{
    static const char *const names[] = {"none",
#define X(name, text) text,
                                        DROP_REASONS(X)
#undef X
    };
    return reason < DROP_COUNT ? names[reason] : NULL;
}

const char *mytcp_state_name(int state) { return tcp_state_name(state); }

int mytcp_stats_get(mytcp_stack *s, struct mytcp_stats *stats)
{
    if (!s || !stats) return fail(EINVAL);
    stack_enter(s);
    const struct tcp_counters *c = &s->env.count;
    *stats = s->stats;
    stats->opened_active = c->opened_active;
    stats->opened_passive = c->opened_passive;
    stats->failed = c->failed;
    stats->reset_in = c->reset_in;
    stats->reset_out += c->reset_out;
    stats->retransmitted_segments = c->retx_segments;
    stats->retransmitted_bytes = c->retx_bytes;
    stats->rto_expired = c->rto_expired;
    stats->fast_recoveries = c->fast_recoveries;
    stats->challenge_acks = c->challenge_acks;
    stats->challenge_acks_limited = c->challenge_acks_limited;
    stats->mtu_black_holes = c->mtu_black_holes;
    stats->mtu_probes = c->mtu_probes;
    stats->mtu_probes_lost = c->mtu_probes_lost;
    stats->memory_refused = s->mem.refused;
    stats->memory_bytes = s->mem.used;
    stats->memory_peak_bytes = s->mem.peak;
    stats->memory_cached_bytes = buf_pool_held(&s->bufs) + sendq_pool_held(&s->chunks);
    stats->half_open = s->half_count;
    stats->time_wait = s->tw_count;
    return (int)stack_leave(s, 0);
}

/* ---- one connection ---- */

static uint32_t unacked_bytes(const struct tcb *t)
{
    return min_u32(tcb_in_flight(t), t->sendq.len);
}

enum { LINUX_CA_OPEN, LINUX_CA_DISORDER, LINUX_CA_CWR, LINUX_CA_RECOVERY, LINUX_CA_LOSS };

uint8_t sock_ca_state(const struct tcb *t)
{
    if (t->recovery.mode == RECOVERY_FAST) return LINUX_CA_RECOVERY;
    if (t->recovery.mode == RECOVERY_RTO) return LINUX_CA_LOSS;
    if (t->cwr_due || t->cwr_sent) return LINUX_CA_CWR;
    return recovery_sacked(&t->recovery) ? LINUX_CA_DISORDER : LINUX_CA_OPEN;
}

static uint32_t times_again(const struct tcb *t, int cause) { return t->bulk ? t->bulk->retx[cause] : 0; }

static void fill_info(const struct mytcp_stack *s, const struct sock *k, struct mytcp_conn_info *i)
{
    const struct tcb *t = &k->tcb;
    uint64_t now = s->env.now_us;
    *i = (struct mytcp_conn_info){
        .state = t->state,
        .iss = t->iss.v,
        .irs = t->irs.v,
        .snd_una = t->snd_una.v,
        .snd_nxt = t->snd_nxt.v,
        .snd_wnd = t->snd_wnd,
        .rcv_nxt = t->rcv_nxt.v,
        .rcv_wnd = tcb_rcv_wnd(t),
        .snd_mss = (uint16_t)tcb_snd_mss(t, &s->env, tcb_option_bytes(t)),
        .peer_mss = t->peer_mss,
        .snd_wscale = t->snd_wscale,
        .rcv_wscale = t->rcv_wscale,
        .wscale_ok = t->wscale_ok,
        .timestamps_ok = t->ts_ok,
        .sack_ok = t->sack_ok,
        .by_cookie = t->by_cookie,
        .passive = t->passive,
        .srtt_us = t->rtt.srtt_us,
        .rttvar_us = t->rtt.rttvar_us,
        .rto_us = rtt_backed_off(&t->rtt, &s->env.params, t->backoff),
        .cwnd = t->cc.cwnd,
        .ssthresh = t->cc.ssthresh,
        .backoff = t->backoff,
        .syn_retransmits = t->syn_retx,
        .handshake_us = t->handshake_us,
        .bytes_sent = tcb_bytes_sent(t),
        .bytes_acked = t->bytes_acked,
        .bytes_received = t->bytes_received,
        .bytes_retransmitted = t->bulk ? t->bulk->bytes_retx : 0,
        .segments_sent = t->segs_out,
        .segments_received = t->segs_in,
        .send_queued = t->sendq.len,
        .send_unacked = unacked_bytes(t),
        .recv_queued = t->recvq.readable,
        .recv_out_of_order = t->recvq.ooo_bytes,
        .memory_bytes = (uint32_t)sizeof(*k) + tcb_held(t),
        .ca_state = sock_ca_state(t),
        .min_rtt_us = recovery_min_rtt(&t->recovery),
        .pacing_Bps = tcb_pacing_kBps(t) * UINT64_C(1000),
        .delivery_Bps = t->bulk ? t->bulk->rate_Bps : 0,
        .delivery_app_limited = t->bulk && t->bulk->rate_app_limited,
        .again_fast = times_again(t, RETX_FAST),
        .again_rto = times_again(t, RETX_RTO),
        .again_tail = times_again(t, RETX_TAIL),
        .window_probes = times_again(t, RETX_WINDOW),
        .busy_us = tcp_limited_us(t, LIMIT_IDLE, now),
        .limited_application_us = tcp_limited_us(t, LIMIT_APPLICATION, now),
        .limited_window_us = tcp_limited_us(t, LIMIT_WINDOW, now),
        .limited_buffer_us = tcp_limited_us(t, LIMIT_BUFFER, now),
        .limited_network_us = tcp_limited_us(t, LIMIT_NETWORK, now),
    };
}

static int do_conn_info(struct mytcp_stack *s, int fd, struct mytcp_conn_info *info)
{
    struct sock *k = fd_sock(s, fd);
    if (!k) return -EBADF;
    if (!info) return -EFAULT;
    fill_info(s, k, info);
    return 0;
}

int mytcp_conn_info_get(mytcp_stack *s, int fd, struct mytcp_conn_info *info)
{
    if (!s) return fail(EINVAL);
    stack_enter(s);
    return (int)stack_leave(s, do_conn_info(s, fd, info));
}

static uint32_t in_segments(uint32_t bytes, uint32_t mss) { return (bytes + mss - 1) / mss; }

static void fill_head(const struct mytcp_stack *s, const struct tcb *t, struct tcp_info *i)
{
    uint32_t mss = tcb_snd_mss(t, &s->env, tcb_option_bytes(t));
    uint64_t now = s->env.now_us;
    i->tcpi_state = t->state;
    i->tcpi_ca_state = sock_ca_state(t);
    i->tcpi_retransmits = t->persisting ? 0 : t->backoff;
    i->tcpi_probes = t->probes;
    i->tcpi_backoff = t->backoff;
    if (t->ts_ok) i->tcpi_options |= TCPI_OPT_TIMESTAMPS;
    if (t->sack_ok) i->tcpi_options |= TCPI_OPT_SACK;
    if (t->wscale_ok) i->tcpi_options |= TCPI_OPT_WSCALE;
    if (t->ecn_ok && tcb_synchronized(t)) i->tcpi_options |= TCPI_OPT_ECN;
    i->tcpi_snd_wscale = t->snd_wscale & 0xfu;
    i->tcpi_rcv_wscale = t->rcv_wscale & 0xfu;
    i->tcpi_rto = rtt_backed_off(&t->rtt, &s->env.params, t->backoff);
    i->tcpi_ato = s->env.params.delayed_ack_us;
    i->tcpi_snd_mss = mss;
    i->tcpi_rcv_mss = t->rcv_mss;
    i->tcpi_unacked = in_segments(unacked_bytes(t), mss);
    i->tcpi_sacked = in_segments(recovery_sacked(&t->recovery), mss);
    i->tcpi_lost = in_segments(recovery_lost(&t->recovery), mss);
    i->tcpi_last_data_sent = (uint32_t)((now - t->sent_us) / 1000);
    i->tcpi_last_data_recv = (uint32_t)((now - t->heard_us) / 1000);
    i->tcpi_last_ack_recv = i->tcpi_last_data_recv;
    i->tcpi_pmtu = tcb_path_mtu(t, &s->env);
    i->tcpi_rtt = t->rtt.srtt_us;
    i->tcpi_rttvar = t->rtt.rttvar_us;
    i->tcpi_snd_ssthresh = min_u32(t->cc.ssthresh / mss, INT32_MAX);
    i->tcpi_snd_cwnd = t->cc.cwnd / mss;
    i->tcpi_advmss = tcb_mss_offer(t, &s->env);
    i->tcpi_rcv_space = t->opt.rcvbuf;
    for (int cause = 0; cause < RETX_WINDOW; cause++) i->tcpi_total_retrans += times_again(t, cause);
}

static struct tcp_info_tail tail_of(const struct mytcp_stack *s, const struct tcb *t)
{
    uint64_t now = s->env.now_us, mss = tcb_snd_mss(t, &s->env, tcb_option_bytes(t));
    uint32_t pacing = tcb_pacing_kBps(t), most = t->opt.max_pacing_Bps;
    return (struct tcp_info_tail){
        .pacing_rate = pacing ? pacing * UINT64_C(1000) : UINT64_MAX,
        .max_pacing_rate = most ? most : UINT64_MAX,
        .bytes_acked = t->bytes_acked,
        .bytes_received = t->bytes_received,
        .segs_out = t->segs_out,
        .segs_in = t->segs_in,
        .notsent_bytes = tcp_user_unsent(t),
        .min_rtt = recovery_min_rtt(&t->recovery),
        .delivery_rate = t->bulk ? t->bulk->rate_Bps : 0,
        .busy_time = tcp_limited_us(t, LIMIT_IDLE, now),
        .rwnd_limited = tcp_limited_us(t, LIMIT_WINDOW, now),
        .sndbuf_limited = tcp_limited_us(t, LIMIT_BUFFER, now),
        .delivered = (uint32_t)((tcb_delivered(t) + mss - 1) / mss),
        .bytes_sent = tcb_bytes_sent(t),
        .bytes_retrans = t->bulk ? t->bulk->bytes_retx : 0,
        .reord_seen = t->recovery.reordering,
        .snd_wnd = t->snd_wnd,
        .rcv_wnd = tcb_rcv_wnd(t),
    };
}

/* The first bit-field of its byte: which bit that is depends on the machine. */
static uint8_t first_bit(void)
{
    const struct {
        uint8_t first : 1, others : 7;
    } bits = {.first = 1};
    uint8_t byte;
    memcpy(&byte, &bits, sizeof(byte));
    return byte;
}

void sock_tcp_info(const struct mytcp_stack *s, const struct sock *k, union tcp_info_whole *i)
{
    const struct tcb *t = &k->tcb;
    struct tcp_info_tail tail = tail_of(s, t);
    memset(i, 0, sizeof(*i));
    fill_head(s, t, &i->head);
    if (t->bulk && t->bulk->rate_app_limited) i->bytes[TCP_INFO_APP_LIMITED] |= first_bit();
    memcpy(i->bytes + TCP_INFO_HEAD_BYTES, &tail, sizeof(tail));
}

/* ---- digest ---- */

static void digest_path(const struct tcb *t, uint32_t m[6])
{
    m[0] = t->path_proven;
    if (!t->bulk) return;
    const struct path_mtu *p = &t->bulk->path;
    m[1] = (uint32_t)p->eff << 16 | p->high;
    m[2] = (uint32_t)p->probe << 16 | p->claim;
    m[3] = (uint32_t)p->saved << 16 | (uint32_t)(p->repairing | p->told << 1 | p->fell << 2 | p->news << 3);
    m[4] = (uint32_t)p->at_us;
    m[5] = (uint32_t)(p->at_us >> 32);
}

/* Sums, so that the order of the table does not matter. */
static bool digest_node(void *ctx, struct table_node *link)
{
    const struct node *n = (const struct node *)link;
    static const struct siphash_key key = {0x6d79746370, 0x646967657374};
    uint32_t m[30] = {n->kind, n->local.v, n->peer.v, (uint32_t)n->local_port << 16 | n->peer_port};
    if (n->kind == NODE_SOCK) {
        const struct tcb *t = &((const struct sock *)n)->tcb;
        uint64_t deadline = tcb_deadline(t);
        uint32_t state[] = {t->state,         t->mark,        t->iss.v,        t->irs.v,
                            t->snd_una.v,     t->snd_nxt.v,   t->snd_wnd,      t->rcv_nxt.v,
                            t->rcv_adv.v,     t->cc.cwnd,     t->cc.ssthresh,  t->rtt.srtt_us,
                            t->sendq.len,     t->recvq.readable, t->recvq.ooo_bytes, t->ts_recent,
                            (uint32_t)deadline, (uint32_t)(deadline >> 32), t->backoff, t->recovery.mode};
        memcpy(m + 4, state, sizeof(state));
        digest_path(t, m + 4 + sizeof(state) / sizeof(state[0]));
    } else if (n->kind == NODE_HALF) {
        const struct half_open *h = &((const struct half *)n)->rec;
        m[4] = h->irs.v;
        m[5] = h->iss.v;
        m[6] = h->syn_retx;
    } else {
        const struct time_wait *w = &((const struct tw *)n)->rec;
        m[4] = w->snd_nxt.v;
        m[5] = w->rcv_nxt.v;
    }
    uint8_t bytes[sizeof(m)];
    for (size_t i = 0; i < sizeof(m) / sizeof(m[0]); i++) store_be32(bytes + 4 * i, m[i]);
    *(uint64_t *)ctx += siphash(&key, bytes, sizeof(bytes));
    return true;
}

uint64_t mytcp_digest(mytcp_stack *s)
{
    if (!s) return 0;
    uint64_t sum = s->env.now_us * 0x9e3779b97f4a7c15u + s->mem.used;
    table_walk(&s->conns, digest_node, &sum);
    return sum;
}

/* ---- invariants ---- */

struct checker {
    const char *broken;
    uint32_t halves, time_waits;
};

static bool check_node(void *ctx, struct table_node *link)
{
    struct checker *c = ctx;
    const struct node *n = (const struct node *)link;
    c->halves += n->kind == NODE_HALF;
    c->time_waits += n->kind == NODE_TIME_WAIT;
    if (n->kind != NODE_SOCK) return true;
    const struct sock *k = (const struct sock *)n;
    uint64_t deadline = tcb_deadline(&k->tcb);
    c->broken = tcb_check(&k->tcb);
    if (!c->broken && k->tcb.mark && !n->queued) c->broken = "stack: a mark, but not in the output queue";
    if (!c->broken && deadline != TIME_NEVER &&
        (!wheel_armed(&k->active.timer) || k->active.timer.deadline_us > deadline))
        c->broken = "stack: a deadline without a timer";
    return !c->broken;
}

const char *mytcp_check(mytcp_stack *s)
{
    if (!s) return "stack: NULL";
    struct checker c = {NULL, 0, 0};
    table_walk(&s->conns, check_node, &c);
    if (c.broken) return c.broken;
    if (c.halves != s->half_count) return "stack: half-open connections miscounted";
    if (c.time_waits != s->tw_count) return "stack: TIME-WAIT records miscounted";
    if (s->mem.used > s->mem.limit) return "stack: more memory in use than the ceiling allows";
    size_t sum = 0;
    for (int i = 0; i < MEM_KINDS; i++) sum += s->mem.by_kind[i];
    return sum == s->mem.used ? NULL : "stack: memory miscounted";
}
