/* The path's MTU (RFC 9293 3.7.2): what a connection makes of routers' words, timeouts and probes. What the sizes
 * are is path_mtu.h's business. */
#include <errno.h>

#include "tcp/tcb.h"
#include "util/bytes.h"

enum { HEADERS = IP4_HEADER_LEN + TCP_HEADER_LEN, TIMEOUT_WAIT = 5 /* RFC 4821 7.6.3 */ };

static struct mtu_rules rules(const struct tcp_env *env)
{
    return (struct mtu_rules){.base = env->params.mtu_base_bytes,
                              .floor = env->params.pmtu_min_bytes,
                              .interval_us = env->params.pmtu_timeout_us};
}

/* A probe's loss must be told from all others. */
static bool can_probe(const struct tcb *t, const struct tcp_env *env)
{
    return env->params.mtu_probing && t->sack_ok;
}

static uint32_t current_mss(const struct tcb *t, const struct tcp_env *env)
{
    return tcb_snd_mss(t, env, tcb_option_bytes(t));
}

/* Of the packet in which `s` went first. */
static uint32_t packet_size(const struct tcb *t, seq_t s)
{
    return HEADERS + tcb_option_bytes(t) + recovery_packet(&t->recovery, s, t->snd_una);
}

/* The state of its path, made if there is none; NULL without memory. */
static struct path_mtu *path(struct tcb *t, struct tcp_env *env)
{
    return tcb_bulk(t, env) ? &t->bulk->path : NULL;
}

static bool probing(const struct tcb *t) { return t->bulk && t->bulk->path.probe; }

static uint32_t bytes_retx(const struct tcb *t) { return (uint32_t)t->bulk->bytes_retx; }

/* ---- what others know ---- */

void tcp_path_known(struct tcb *t, struct tcp_env *env, uint32_t mtu, uint32_t high, uint64_t at_us)
{
    struct path_mtu *p = path(t, env);
    if (p) path_mtu_known(p, mtu, high, at_us);
}

bool tcp_path_news(struct tcb *t, const struct tcp_env *env, uint32_t *mtu, uint32_t *high)
{
    if (!t->bulk || !t->bulk->path.news) return false;
    t->bulk->path.news = false;
    *mtu = tcb_path_mtu(t, env);
    *high = t->bulk->path.high;
    return tcb_mtu_limit(t, env) == env->mtu; /* who may not send more knows nothing of what would pass */
}

/* ---- down ---- */

/* Not more packets in flight than before (RFC 4821 4). What had arrived before proves nothing any more. */
static void narrowed(struct tcb *t, const struct tcp_env *env, uint32_t mss_before)
{
    t->cc.cwnd = (uint32_t)((uint64_t)t->cc.cwnd * current_mss(t, env) / mss_before);
    t->path_proven = (uint16_t)min_u32(t->path_proven, tcb_path_mtu(t, env));
}

void tcp_path_claim(struct tcb *t, struct tcp_env *env, uint32_t mtu, seq_t seq)
{
    struct mtu_rules r = rules(env);
    uint32_t mss = current_mss(t, env);
    if (mtu >= packet_size(t, seq)) return; /* it would have passed (RFC 5927 7.2) */
    struct path_mtu *p = path(t, env);
    if (!p || !path_mtu_claim(p, &r, tcb_mtu_limit(t, env), t->path_proven, mtu, seq, env->now_us)) return;
    narrowed(t, env, mss);
    /* What was too large is lost, but says nothing of congestion (RFC 1191 6.4): it goes again at once,
     * smaller. */
    tcp_loss_resend(t, env);
}

static bool black_hole(struct tcb *t, struct tcp_env *env, const struct mtu_rules *r)
{
    uint32_t again = t->retries + 1u;
    bool explained = t->soft_error && t->error != ETIMEDOUT; /* by a router (RFC 4821 7.7) */
    uint32_t size = min_u32(packet_size(t, t->snd_una), tcb_path_mtu(t, env)); /* as it went last */
    /* What nearly every path carries is suspected later, unless more than that was suspected before. */
    bool small = size <= r->base && tcb_path_mtu(t, env) > r->base;
    uint32_t enough = env->params.mtu_black_hole_timeouts * (small ? 2u : 1u);
    if (!env->params.mtu_probing || again < enough || explained) return false;
    struct path_mtu *p = path(t, env);
    if (!p) return false;
    uint64_t at_us = can_probe(t, env) ? env->now_us : env->now_us + min_u64(r->interval_us, INT64_MAX);
    if (!path_mtu_black_hole(p, r, tcb_mtu_limit(t, env), t->path_proven, size, at_us)) return false;
    env->count.mtu_black_holes++;
    return true;
}

/* As many round trips as the window has packets: until congestion would have been the next to be told of (RFC
 * 4821 7.6.2). */
static uint64_t probe_wait_us(const struct tcb *t, const struct tcp_env *env)
{
    return (uint64_t)t->rtt.srtt_us * (t->cc.cwnd / current_mss(t, env) + 1);
}

void tcp_path_timeout(struct tcb *t, struct tcp_env *env)
{
    struct mtu_rules r = rules(env);
    uint32_t mss = current_mss(t, env);
    bool claimed = t->bulk && path_mtu_claim_due(&t->bulk->path, &r, env->now_us);
    if (claimed || black_hole(t, env, &r)) {
        narrowed(t, env, mss);
    } else if (probing(t)) {
        struct path_mtu *p = &t->bulk->path;
        if (!seq_eq(p->probe_seq, t->snd_una)) path_mtu_probe_unclear(p);
        else path_mtu_probe_failed(p, &r, env->now_us, TIMEOUT_WAIT * probe_wait_us(t, env));
    }
}

/* ---- probes ---- */

uint32_t tcp_path_probe(struct tcb *t, const struct tcp_env *env, unsigned option_bytes, uint32_t queued,
                        uint32_t room)
{
    struct path_mtu *p = t->bulk ? &t->bulk->path : NULL;
    if (!p || !p->eff) return 0;
    if (!can_probe(t, env)) { /* RFC 1191 6.3: back to the limit, and what is too large will be told again */
        if (env->now_us >= p->at_us) *p = (struct path_mtu){0};
        return 0;
    }
    uint32_t size = path_mtu_next(p, tcb_mtu_limit(t, env), env->now_us);
    if (!size) return 0;
    /* RFC 4821 7.4: nothing lost, and three more behind it, by which its loss would be found */
    uint32_t payload = size - HEADERS - option_bytes;
    uint32_t enough = payload + RECOVERY_DUPTHRESH * tcb_snd_mss(t, env, option_bytes);
    bool clear = t->recovery.mode == RECOVERY_NONE && !recovery_sacked(&t->recovery);
    if (!clear || t->cwr_due || t->urgent_snd) return 0;
    return room >= payload && queued >= enough && t->cc.cwnd >= enough ? payload : 0;
}

void tcp_path_probe_sent(struct tcb *t, struct tcp_env *env, const struct tcp_segment *seg)
{
    uint32_t size = IP4_HEADER_LEN + tcp_header_len(seg) + seg->len;
    path_mtu_probe_sent(&t->bulk->path, size, seg->seq, tcb_mtu_limit(t, env));
    env->count.mtu_probes++;
}

/* Before its fate was known: an ACK would not tell which of the two it is for. */
void tcp_path_sent_again(struct tcb *t, seq_t seq)
{
    if (!probing(t) || t->bulk->path.repairing || !seq_eq(t->bulk->path.probe_seq, seq)) return;
    path_mtu_probe_unclear(&t->bulk->path);
}

bool tcp_path_probe_lost(struct tcb *t)
{
    if (!probing(t)) return false;
    struct path_mtu *p = &t->bulk->path;
    enum recovery_fate fate = recovery_fate(&t->recovery, p->probe_seq);
    if (fate == FATE_LOST_ALONE && t->recovery.mode == RECOVERY_NONE) {
        path_mtu_probe_lost(p);
        recovery_enter_repair(&t->recovery, seq_add(p->probe_seq, recovery_lost(&t->recovery)));
        return true;
    }
    /* with others: that may have been congestion (RFC 4821 7.6.4) */
    if (fate >= FATE_LOST || p->repairing) path_mtu_probe_unclear(p);
    return false;
}

/* What an ACK says of the probe. */
static void probe_outcome(struct tcb *t, struct tcp_env *env, struct path_mtu *p, uint8_t mode)
{
    struct mtu_rules r = rules(env);
    if (p->repairing) {
        if (mode != RECOVERY_REPAIR || t->recovery.mode != RECOVERY_NONE) return;
        path_mtu_probe_failed(p, &r, env->now_us, probe_wait_us(t, env));
        env->count.mtu_probes_lost++;
    } else if (seq_gt(t->snd_una, p->probe_seq) || recovery_fate(&t->recovery, p->probe_seq) == FATE_ARRIVED) {
        path_mtu_probe_arrived(p, tcb_mtu_limit(t, env), t->snd_nxt, bytes_retx(t));
    }
}

void tcp_path_ack(struct tcb *t, struct tcp_env *env, uint32_t arrived, uint8_t mode)
{
    uint32_t limit = tcb_mtu_limit(t, env), size = 0;
    if (arrived) size = min_u32(arrived + HEADERS + tcb_option_bytes(t), limit);
    t->path_proven = (uint16_t)max_u32(t->path_proven, size);
    if (!t->bulk) return;
    struct mtu_rules r = rules(env);
    struct path_mtu *p = &t->bulk->path;
    path_mtu_acked(p, t->snd_una);
    if (p->probe) probe_outcome(t, env, p, mode);
    path_mtu_arrived(p, size, limit);
    path_mtu_trial(p, &r, limit, t->snd_una, bytes_retx(t), env->now_us);
}
