#include "tcp/tcb.h"

#include "util/bytes.h"

/* A payload of less than this a segment is not worth sending: limits what options may take. */
enum { MSS_FLOOR = 8, IP_TCP_HEADERS = IP4_HEADER_LEN + TCP_HEADER_LEN };

void tcb_init(struct tcb *t, const struct tcp_env *env, const struct tcp_options *opt)
{
    *t = (struct tcb){
        .state = ST_CLOSED,
        .opt = *opt,
        .rexmt_at_us = TIME_NEVER,
        .probe_at_us = TIME_NEVER,
        .delack_at_us = TIME_NEVER,
        .keep_at_us = TIME_NEVER,
        .unacked_us = TIME_NEVER,
        .heard_us = env->now_us,
        .peer_mss = 536, /* RFC 9293 3.7.1: without an MSS option */
        .rcv_mss = 536,
        .quick = (uint8_t)min_u32(env->params.quick_acks, UINT8_MAX),
    };
    rtt_init(&t->rtt, &env->params);
    cc_init(&t->cc, cc_number(env->params.congestion));
}

void tcb_free(struct tcb *t, struct tcp_env *env)
{
    sendq_free(&t->sendq, env->chunks);
    recvq_free(&t->recvq, env->bufs);
    recovery_free(&t->recovery, env->mem);
    cc_free(&t->cc, env->mem);
    mem_free(env->mem, MEM_CONN, t->bulk, sizeof(*t->bulk));
    t->bulk = NULL;
}

static void stop_timers(struct tcb *t)
{
    t->rexmt_at_us = t->probe_at_us = t->delack_at_us = t->keep_at_us = t->unacked_us = TIME_NEVER;
    t->persisting = false;
    if (t->bulk) t->bulk->pacer.wake_us = 0;
}

void tcb_close(struct tcb *t, struct tcp_env *env, int error)
{
    stop_timers(t);
    sendq_drop(&t->sendq, env->chunks, t->sendq.len); /* the application may be writing into what it reserved */
    recovery_free(&t->recovery, env->mem);
    cc_free(&t->cc, env->mem);
    recvq_drop_ooo(&t->recvq, env->bufs);
    t->state = ST_CLOSED;
    tcp_limit_note(t, env);
    t->mark = 0;
    t->error = (uint8_t)error;
    t->soft_error = false;
    t->event |= EVENT_STATE;
}

void tcb_time_wait(struct tcb *t, struct tcp_env *env)
{
    stop_timers(t);
    t->state = ST_TIME_WAIT;
    t->keep_at_us = env->now_us + 2ull * env->params.msl_us;
    t->event |= EVENT_STATE;
}

uint32_t tcb_tsval(const struct tcb *t, const struct tcp_env *env)
{
    return (uint32_t)(env->now_us / env->params.timestamp_clock_us) + t->ts_offset;
}

uint64_t tcb_echo_age(const struct tcb *t, const struct tcp_env *env, const struct tcp_segment *seg)
{
    uint32_t ticks = tcb_tsval(t, env) - seg->tsecr;
    uint64_t age_us = (uint64_t)ticks * env->params.timestamp_clock_us;
    if (!t->ts_ok || !seg->tsecr || ticks > INT32_MAX || age_us > env->now_us) return UINT64_MAX;
    return age_us;
}

uint16_t tcb_mss_offer(const struct tcb *t, const struct tcp_env *env)
{
    uint32_t mss = env->mtu - IP_TCP_HEADERS;
    if (t->opt.maxseg) mss = min_u32(mss, t->opt.maxseg);
    return (uint16_t)mss;
}

uint32_t tcb_mtu_limit(const struct tcb *t, const struct tcp_env *env)
{
    uint32_t mss = t->opt.maxseg ? min_u32(t->peer_mss, t->opt.maxseg) : t->peer_mss;
    return min_u32(env->mtu, mss + IP_TCP_HEADERS);
}

uint32_t tcb_path_mtu(const struct tcb *t, const struct tcp_env *env)
{
    uint32_t limit = tcb_mtu_limit(t, env);
    return t->bulk ? path_mtu_size(&t->bulk->path, limit) : limit;
}

uint32_t tcb_snd_mss(const struct tcb *t, const struct tcp_env *env, unsigned option_bytes)
{
    uint32_t mss = tcb_path_mtu(t, env) - IP_TCP_HEADERS;
    return mss > option_bytes + MSS_FLOOR ? mss - option_bytes : MSS_FLOOR;
}

struct cc_event tcb_cc_event(const struct tcb *t, const struct tcp_env *env)
{
    return (struct cc_event){.now_us = env->now_us,
                             .mem = env->mem,
                             .mss = tcb_snd_mss(t, env, tcb_option_bytes(t)),
                             .flight_bytes = tcb_pipe(t),
                             .una_bytes = t->bytes_acked,
                             .nxt_bytes = t->bytes_acked + tcb_in_flight(t),
                             .srtt_us = t->rtt.srtt_us,
                             .delivered = tcb_delivered(t),
                             .pipe_bytes = tcb_pipe(t),
                             .sack_ok = t->sack_ok,
                             .recovering = !recovery_calm(&t->recovery)};
}

uint32_t tcb_pacing_kBps(const struct tcb *t)
{
    uint32_t rate = t->cc.pacing_kBps, max = t->opt.max_pacing_Bps;
    if (!max) return rate;
    max = max_u32(max / 1000, 1);
    return rate ? min_u32(rate, max) : max;
}

struct tcp_bulk *tcb_bulk(struct tcb *t, const struct tcp_env *env)
{
    if (!t->bulk) t->bulk = mem_zalloc(env->mem, MEM_CONN, sizeof(*t->bulk));
    return t->bulk;
}

uint64_t tcb_bytes_sent(const struct tcb *t)
{
    uint32_t unacked = tcb_in_flight(t);
    if (unacked && seq_eq(t->snd_una, t->iss)) unacked--; /* the SYN */
    if (unacked && t->fin_sent) unacked--;
    return t->bytes_acked + unacked + (t->bulk ? t->bulk->bytes_retx : 0);
}

uint32_t tcb_window_left(const struct tcb *t, seq_t from)
{
    seq_t edge = seq_add(t->snd_una, t->snd_wnd);
    return seq_lt(from, edge) ? seq_len(from, edge) : 0;
}

uint64_t tcb_delivered(const struct tcb *t) { return t->bytes_acked + recovery_sacked(&t->recovery); }

uint32_t tcb_in_flight(const struct tcb *t) { return seq_len(t->snd_una, t->snd_nxt); }

uint32_t tcb_pipe(const struct tcb *t) { return recovery_pipe(&t->recovery, t->snd_una, t->snd_nxt); }

uint8_t tcb_wscale_for(uint32_t bytes)
{
    uint8_t shift = 0;
    while (shift < TCP_WSCALE_MAX && ((bytes - 1) >> shift) > UINT16_MAX) shift++;
    return shift;
}

/* The buffer for the window's purposes: what the scale cannot say is as good as no buffer. */
static uint32_t window_buffer(const struct tcb *t) { return max_u32(t->opt.rcvbuf, 2u << t->rcv_wscale); }

uint32_t tcb_first_window(const struct tcb *t)
{
    return min_u32(window_buffer(t), UINT16_MAX) & ~((1u << t->rcv_wscale) - 1);
}

/* The edge up to which there is room now. */
static seq_t roomy_edge(const struct tcb *t, const struct tcp_env *env)
{
    uint32_t buffer = window_buffer(t);
    uint32_t room = buffer > t->recvq.readable ? buffer - t->recvq.readable : 0;
    if (t->opt.window_clamp) room = min_u32(room, max_u32(t->opt.window_clamp, 1u << t->rcv_wscale));
    /* Near the ceiling nobody is promised more than a part of what is left; but who has read all that
     * came may always have two segments more. */
    uint64_t left = mem_share(env->mem);
    if (!t->recvq.readable) left = max_u64(left, 2u * tcb_mss_offer(t, env) + (1u << t->rcv_wscale));
    room = (uint32_t)min_u64(room, left);
    return seq_add(t->rcv_nxt, room);
}

/* The same as the window field can say it. */
static seq_t offerable_edge(const struct tcb *t, const struct tcp_env *env)
{
    uint32_t units = min_u32(seq_len(t->rcv_nxt, roomy_edge(t, env)) >> t->rcv_wscale, UINT16_MAX);
    return seq_add(t->rcv_nxt, units << t->rcv_wscale);
}

/* Receiver's silly-window avoidance: a smaller step of the edge is not offered. */
static uint32_t edge_step(const struct tcb *t, const struct tcp_env *env)
{
    uint32_t most = window_buffer(t);
    if (t->opt.window_clamp) most = min_u32(most, t->opt.window_clamp);
    return max_u32(min_u32(most / 2, tcb_mss_offer(t, env)), 1u << t->rcv_wscale);
}

uint16_t tcb_offer_window(struct tcb *t, const struct tcp_env *env)
{
    seq_t edge = offerable_edge(t, env), roomy = roomy_edge(t, env);
    bool enough = seq_gt(edge, t->rcv_adv) && seq_len(t->rcv_adv, edge) >= edge_step(t, env);
    if (t->state == ST_SYN_RCVD) enough = false; /* a half-open record remembers no later edge */
    uint32_t units = 0;
    if (enough) units = seq_len(t->rcv_nxt, edge) >> t->rcv_wscale;
    seq_t offered = seq_add(t->rcv_nxt, units << t->rcv_wscale);
    if (seq_lt(offered, t->rcv_adv)) {
        /* The old edge stands. Where the scale cannot say it, say the next it can: never less. */
        units = (tcb_rcv_wnd(t) + (1u << t->rcv_wscale) - 1) >> t->rcv_wscale;
        units = min_u32(units, UINT16_MAX);
        offered = seq_add(t->rcv_nxt, units << t->rcv_wscale);
    }
    t->rcv_adv = seq_max(t->rcv_adv, offered);
    /* without room it would only follow RCV.NXT, and bound nothing */
    if (seq_gt(roomy, t->rcv_nxt)) t->rcv_room = seq_max(t->rcv_room, roomy);
    return (uint16_t)units;
}

bool tcb_window_update_due(const struct tcb *t, const struct tcp_env *env)
{
    seq_t edge = offerable_edge(t, env);
    if (!seq_gt(edge, t->rcv_adv)) return false;
    uint32_t growth = seq_len(t->rcv_adv, edge), left = tcb_rcv_wnd(t);
    if (growth < edge_step(t, env)) return false;
    /* While the peer has plenty left, the next ACK says it early enough. */
    uint32_t buffer = window_buffer(t);
    return growth >= buffer / 2 || left < max_u32(buffer / 4, 2u * t->rcv_mss);
}

void tcb_challenge_ack(struct tcb *t, struct tcp_env *env)
{
    uint16_t second = (uint16_t)(env->now_us / 1000000);
    if (second != t->challenge_s) {
        t->challenge_s = second;
        t->challenges = 0;
    }
    if (t->challenges >= min_u32(env->params.challenge_acks_per_s, UINT8_MAX)) {
        env->count.challenge_acks_limited++;
        return;
    }
    t->challenges++;
    env->count.challenge_acks++;
    t->mark |= MARK_ACK;
}

void tcb_arm_rexmt(struct tcb *t, struct tcp_env *env)
{
    t->rexmt_at_us = env->now_us + rtt_backed_off(&t->rtt, &env->params, t->backoff);
}

void tcb_arm_keepalive(struct tcb *t, const struct tcp_env *env)
{
    if (!t->opt.keepalive || !tcb_synchronized(t)) return;
    uint64_t idle_at = t->heard_us + t->opt.keep_idle_s * 1000000ull;
    t->keep_at_us = max_u64(idle_at, env->now_us);
}

uint64_t tcb_deadline(const struct tcb *t)
{
    uint64_t at = min_u64(min_u64(t->rexmt_at_us, t->delack_at_us), t->keep_at_us);
    at = min_u64(at, min_u64(t->probe_at_us, recovery_reorder_at(&t->recovery)));
    if (t->bulk && t->bulk->pacer.wake_us) at = min_u64(at, t->bulk->pacer.wake_us);
    if (t->opt.user_timeout_ms && t->unacked_us != TIME_NEVER)
        at = min_u64(at, t->unacked_us + t->opt.user_timeout_ms * 1000ull);
    return at;
}

uint32_t tcb_held(const struct tcb *t) { return sendq_held(&t->sendq) + recvq_held(&t->recvq); }

const char *tcp_state_name(int state)
{
    static const char *const names[] = {
        "?",        "ESTABLISHED", "SYN-SENT",   "SYN-RECEIVED", "FIN-WAIT-1", "FIN-WAIT-2",
        "TIME-WAIT", "CLOSED",     "CLOSE-WAIT", "LAST-ACK",     "LISTEN",     "CLOSING"};
    return state > 0 && state < (int)(sizeof(names) / sizeof(names[0])) ? names[state] : names[0];
}

static const char *check_sequences(const struct tcb *t)
{
    if (seq_gt(t->snd_una, t->snd_nxt)) return "tcb: SND.UNA beyond SND.NXT";
    if (seq_gt(t->snd_nxt, t->snd_max)) return "tcb: SND.NXT beyond what was ever sent";
    if (seq_lt(t->snd_una, t->snd_nxt) && !seq_eq(t->snd_nxt, t->snd_max))
        return "tcb: a window probe beyond data in flight";
    if (tcb_in_flight(t) > t->sendq.len + t->fin_sent)
        return "tcb: more in flight than is queued";
    if (seq_gt(t->rcv_nxt, t->rcv_adv)) return "tcb: RCV.NXT beyond the window";
    if (t->fin_sent && !t->fin_queued) return "tcb: FIN sent but not queued";
    if (t->fin_sent && !seq_eq(t->snd_nxt, t->snd_max)) return "tcb: more sent than the FIN";
    if (t->fin_sent && t->sendq.len && tcb_in_flight(t) != t->sendq.len + 1)
        return "tcb: FIN sent before the data";
    return NULL;
}

/* Every state has a running timer or waits for the application or the peer by right. */
static const char *check_liveness(const struct tcb *t)
{
    bool unacked = seq_lt(t->snd_una, t->snd_nxt);
    if (t->mark || t->state == ST_CLOSED) return NULL; /* output will look at it; or it is over */
    if (unacked && t->rexmt_at_us == TIME_NEVER) return "tcb: data in flight without a timer";
    bool paced = t->bulk && t->bulk->pacer.wake_us;
    if (tcb_sending(t) && t->sendq.len && t->rexmt_at_us == TIME_NEVER && !paced)
        return "tcb: data waits without a timer";
    if (t->state == ST_FIN_WAIT_2 && t->orphan && t->keep_at_us == TIME_NEVER)
        return "tcb: FIN-WAIT-2 of nobody without a timer";
    if (t->state == ST_TIME_WAIT && t->keep_at_us == TIME_NEVER) return "tcb: TIME-WAIT for ever";
    return NULL;
}

static const char *check_state(const struct tcb *t)
{
    switch (t->state) {
    case ST_CLOSED:
        return tcb_deadline(t) == TIME_NEVER ? NULL : "tcb: a timer runs in CLOSED";
    case ST_SYN_SENT:
        return t->fin_rcvd ? "tcb: FIN received before SYN" : NULL;
    case ST_ESTABLISHED:
        return t->fin_queued || t->fin_rcvd ? "tcb: FIN in ESTABLISHED" : NULL;
    case ST_CLOSE_WAIT:
        return t->fin_queued || !t->fin_rcvd ? "tcb: CLOSE-WAIT without the peer's FIN" : NULL;
    case ST_FIN_WAIT_1:
    case ST_FIN_WAIT_2:
        return !t->fin_queued || t->fin_rcvd ? "tcb: FIN-WAIT with the wrong FINs" : NULL;
    case ST_CLOSING:
    case ST_LAST_ACK:
        return t->fin_queued && t->fin_rcvd ? NULL : "tcb: both FINs are due in this state";
    default:
        return NULL;
    }
}

const char *tcb_check(const struct tcb *t)
{
    const char *broken = check_state(t);
    if (!broken && tcb_synchronized(t)) broken = check_sequences(t);
    if (!broken) broken = check_liveness(t);
    if (!broken) broken = recvq_check(&t->recvq);
    if (!broken) broken = sendq_check(&t->sendq);
    if (!broken && t->bulk) broken = path_mtu_check(&t->bulk->path);
    if (!broken && tcb_synchronized(t)) broken = recovery_check(&t->recovery, t->snd_una, t->snd_nxt);
    if (!broken && t->recovery.mode == RECOVERY_NONE && recovery_lost(&t->recovery))
        broken = "tcb: a loss outside of an episode";
    return broken;
}
