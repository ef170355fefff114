#include "tcp/compact.h"

#include "util/bytes.h"

/* The allowance of a second is used up in that second only; of which the record has the low bits. */
static void unpack_challenges(struct tcb *t, const struct tcp_env *env, uint8_t challenges, uint8_t second,
                              uint8_t mask)
{
    t->challenge_s = (uint16_t)(env->now_us / 1000000);
    t->challenges = second == (t->challenge_s & mask) ? challenges : 0;
}

void half_open_begin(struct half_open *h, const struct tcp_env *env, const struct tcp_options *opt,
                     const struct tcp_segment *syn, seq_t iss, uint32_t ts_offset)
{
    struct tcb t;
    tcb_init(&t, env, opt);
    t.ts_ok = env->params.timestamps;
    t.sack_ok = env->params.sack;
    t.ecn_ok = env->params.ecn;
    t.wscale_ok = env->params.window_scaling;
    t.rcv_wscale = tcb_wscale_for(env->params.rcvbuf_max_bytes);
    tcp_learn_syn(&t, env, syn);
    *h = (struct half_open){.irs = syn->seq, .iss = iss, .ts_offset = ts_offset};
    h->born_us = (uint32_t)env->now_us;
    h->peer_mss = t.peer_mss;
    h->window = syn->window;
    h->snd_wscale = t.snd_wscale;
    h->rcv_wscale = t.rcv_wscale;
    h->ts_ok = t.ts_ok;
    h->sack_ok = t.sack_ok;
    h->ecn_ok = t.ecn_ok;
    h->wscale_ok = t.wscale_ok;
    h->ts_recent = t.ts_recent;
    h->mark = MARK_SYN;
}

void half_open_unpack(struct tcb *t, const struct half_open *h, const struct tcp_env *env,
                      const struct tcp_options *opt)
{
    tcb_init(t, env, opt);
    t->state = ST_SYN_RCVD;
    t->passive = true;
    t->by_cookie = h->by_cookie;
    t->iss = t->snd_una = t->snd_nxt = t->snd_max = t->snd_sml = t->snd_up = h->iss;
    if (h->sent) t->snd_nxt = t->snd_max = seq_add(h->iss, 1);
    t->irs = h->irs;
    t->rcv_nxt = t->rcv_acked = t->rcv_up = seq_add(h->irs, 1);
    t->peer_mss = h->peer_mss;
    t->rcv_mss = (uint16_t)min_u32(t->rcv_mss, tcb_mss_offer(t, env));
    t->snd_wnd = t->snd_wnd_max = h->window;
    t->snd_wl1 = h->irs;
    t->snd_wscale = h->snd_wscale;
    t->rcv_wscale = h->rcv_wscale;
    t->rcv_adv = t->rcv_room = seq_add(t->rcv_nxt, tcb_first_window(t));
    t->ts_ok = h->ts_ok;
    t->sack_ok = h->sack_ok;
    t->ecn_ok = h->ecn_ok;
    t->wscale_ok = h->wscale_ok;
    t->ts_recent = h->ts_recent;
    t->ts_recent_s = (uint32_t)(env->now_us / 1000000);
    t->ts_offset = h->ts_offset;
    t->syn_retx = t->backoff = h->syn_retx;
    t->mark = h->mark;
    unpack_challenges(t, env, h->challenges, h->challenge_s, UINT8_MAX);
    t->sent_us = env->now_us - (uint32_t)((uint32_t)env->now_us - h->born_us);
    recovery_init(&t->recovery, h->iss);
}

void half_open_pack(struct half_open *h, const struct tcb *t)
{
    h->sent = seq_gt(t->snd_nxt, t->iss);
    h->syn_retx = t->syn_retx;
    h->mark = t->mark;
    h->challenges = t->challenges;
    h->challenge_s = (uint8_t)t->challenge_s;
    h->ts_recent = t->ts_recent;
    h->ecn_ok = t->ecn_ok;
}

void time_wait_pack(struct time_wait *w, const struct tcb *t)
{
    uint32_t units = (tcb_rcv_wnd(t) + (1u << t->rcv_wscale) - 1) >> t->rcv_wscale; /* never less */
    *w = (struct time_wait){.snd_nxt = t->snd_nxt,
                            .rcv_nxt = t->rcv_nxt,
                            .ts_recent = t->ts_recent,
                            .ts_offset = t->ts_offset,
                            .window = (uint16_t)min_u32(units, UINT16_MAX),
                            .challenges = t->challenges,
                            .challenge_s = t->challenge_s & 7u,
                            .rcv_wscale = t->rcv_wscale & 15u,
                            .ts_ok = t->ts_ok};
}

void time_wait_unpack(struct tcb *t, const struct time_wait *w, const struct tcp_env *env)
{
    tcb_init(t, env, &(struct tcp_options){.rcvbuf = 0});
    t->state = ST_TIME_WAIT;
    t->orphan = t->fin_queued = t->fin_sent = t->fin_rcvd = true;
    t->snd_una = t->snd_nxt = t->snd_max = t->snd_sml = t->snd_up = w->snd_nxt;
    t->iss = seq_sub(w->snd_nxt, 1);
    t->rcv_nxt = t->rcv_acked = t->rcv_up = w->rcv_nxt;
    t->irs = seq_sub(w->rcv_nxt, 1);
    t->rcv_wscale = w->rcv_wscale;
    t->rcv_adv = t->rcv_room = seq_add(w->rcv_nxt, (uint32_t)w->window << w->rcv_wscale);
    t->snd_wnd_max = UINT16_MAX;
    t->bytes_acked = UINT16_MAX; /* an old ACK is an old ACK */
    t->ts_ok = w->ts_ok;
    t->ts_recent = w->ts_recent;
    t->ts_recent_s = (uint32_t)(env->now_us / 1000000);
    t->ts_offset = w->ts_offset;
    unpack_challenges(t, env, w->challenges, w->challenge_s, 7);
    recovery_init(&t->recovery, w->snd_nxt);
}

bool time_wait_reusable(const struct time_wait *w, const struct tcp_env *env, const struct tcp_segment *syn)
{
    if (syn->has_ts && env->params.timestamps) {
        if (!w->ts_ok) return true; /* what is left of the old connection has none: PAWS knows it */
        int32_t newer = seq_diff(seq_of(syn->tsval), seq_of(w->ts_recent));
        if (newer) return newer > 0;
    }
    return seq_geq(syn->seq, w->rcv_nxt); /* its FIN was the last number used */
}
