/* A ring of segments seen, read by whoever wants to see what happens; and their form as a line of text. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "stack/stack.h"
#include "util/bytes.h"

void trace_mark(struct trace_mark *m, const struct node *n)
{
    *m = (struct trace_mark){.before = ST_CLOSED, .after = ST_CLOSED};
    if (!n) return;
    m->known = true;
    if (n->kind == NODE_SOCK) {
        const struct tcb *t = &((const struct sock *)n)->tcb;
        m->before = t->state;
        m->iss = t->iss;
        m->irs = t->irs;
        m->snd_wscale = t->snd_wscale;
        m->rcv_wscale = t->rcv_wscale;
        m->ca_state = sock_ca_state(t);
        m->cwnd = t->cc.cwnd;
        m->ssthresh = t->cc.ssthresh;
        m->srtt_us = t->rtt.srtt_us;
        m->in_flight = tcb_pipe(t);
        m->pacing_kBps = tcb_pacing_kBps(t);
        m->delivery_Bps = t->bulk ? t->bulk->rate_Bps : 0;
    } else if (n->kind == NODE_HALF) {
        const struct half_open *h = &((const struct half *)n)->rec;
        m->before = ST_SYN_RCVD;
        m->iss = h->iss;
        m->irs = h->irs;
        m->snd_wscale = h->snd_wscale;
        m->rcv_wscale = h->rcv_wscale;
    } else {
        m->before = ST_TIME_WAIT;
        m->known = false; /* the record has no room for the initial numbers */
    }
    m->after = m->before;
}

static struct mytcp_trace *trace_slot(struct mytcp_stack *s)
{
    struct trace_ring *r = &s->trace;
    if (r->count == r->cap) {
        r->lost++;
        return NULL;
    }
    return &r->entry[(r->head + r->count++) % r->cap];
}

void trace_add(struct mytcp_stack *s, bool out, const struct tcp_segment *seg, const struct trace_mark *m,
               bool retransmission, enum drop_reason drop)
{
    struct mytcp_trace *e = s->trace.cap ? trace_slot(s) : NULL;
    if (!e) return;
    bool syn = seg->flags & TCP_SYN;
    uint8_t scale = out ? m->rcv_wscale : m->snd_wscale;
    seq_t seq_base = out ? m->iss : m->irs, ack_base = out ? m->irs : m->iss;
    if (syn) seq_base = seg->seq;
    *e = (struct mytcp_trace){
        .time_us = s->env.now_us,
        .out = out,
        .peer_port = out ? seg->dst_port : seg->src_port,
        .local_port = out ? seg->src_port : seg->dst_port,
        .flags = seg->flags,
        .seq = seg->seq.v,
        .ack = seg->ack.v,
        .seq_rel = m->known || syn ? seq_len(seq_base, seg->seq) : seg->seq.v,
        .ack_rel = m->known && (seg->flags & TCP_ACK) ? seq_len(ack_base, seg->ack) : seg->ack.v,
        .len_bytes = seg->len,
        .window_bytes = syn ? seg->window : (uint32_t)seg->window << scale,
        .gso_size = seg->gso_size,
        .mss = syn && seg->has_mss ? seg->mss : 0,
        .wscale = (int8_t)(syn && seg->has_wscale ? seg->wscale : -1),
        .sack_blocks = seg->sack_count,
        .has_ts = seg->has_ts,
        .retransmission = retransmission,
        .tsval = seg->tsval,
        .tsecr = seg->tsecr,
        .state_before = m->before,
        .state_after = m->after,
        .drop = (uint8_t)drop,
        .ca_state = m->ca_state,
        .cwnd = m->cwnd,
        .ssthresh = m->ssthresh,
        .srtt_us = m->srtt_us,
        .in_flight = m->in_flight,
        .pacing_Bps = m->pacing_kBps * UINT64_C(1000),
        .delivery_Bps = m->delivery_Bps,
    };
    store_be32((uint8_t *)&e->peer, (out ? seg->dst : seg->src).v);
}

int mytcp_trace_read(mytcp_stack *s, struct mytcp_trace *trace, uint64_t *lost)
{
    if (!s || !trace) return fail(EINVAL);
    stack_enter(s);
    struct trace_ring *r = &s->trace;
    if (lost) {
        *lost = r->lost;
        r->lost = 0;
    }
    int have = r->count > 0;
    if (have) {
        *trace = r->entry[r->head];
        r->head = (r->head + 1) % r->cap;
        r->count--;
    }
    return (int)stack_leave(s, have);
}

static void flag_names(uint8_t flags, char text[40])
{
    static const char *const names[] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"};
    static const uint8_t order[] = {1, 0, 2, 3, 4, 5, 6, 7};
    text[0] = 0;
    for (size_t i = 0; i < 8; i++) {
        if (!(flags & (1u << order[i]))) continue;
        if (text[0]) strcat(text, ",");
        strcat(text, names[order[i]]);
    }
    if (!text[0]) strcpy(text, "-");
}

/* What let data go, or holds it back; nothing for other segments. */
static void format_pace(const struct mytcp_trace *t, char text[160])
{
    static const char *const states[] = {"open", "disorder", "CWR", "recovery", "loss"};
    text[0] = 0;
    if (!t->out || !t->len_bytes || !t->cwnd || t->ca_state >= sizeof(states) / sizeof(states[0])) return;
    int at = snprintf(text, 160, " cwnd=%u ssthresh=%u flight=%u srtt=%uus %s", t->cwnd, t->ssthresh, t->in_flight,
                      t->srtt_us, states[t->ca_state]);
    if (t->pacing_Bps)
        at += snprintf(text + at, 160 - (size_t)at, " pacing=%llu", (unsigned long long)t->pacing_Bps);
    if (t->delivery_Bps)
        snprintf(text + at, 160 - (size_t)at, " delivery=%llu", (unsigned long long)t->delivery_Bps);
}

int mytcp_trace_format(const struct mytcp_trace *t, char *text, size_t size_bytes)
{
    char peer[INET_ADDRSTRLEN], flags[40], extra[128] = "", ack[24] = "", pace[160];
    if (!t || (!text && size_bytes)) return fail(EINVAL);
    inet_ntop(AF_INET, &t->peer, peer, sizeof(peer));
    flag_names(t->flags, flags);
    format_pace(t, pace);
    if (t->flags & TCP_ACK) snprintf(ack, sizeof(ack), " ack=%u", t->ack_rel);
    size_t at = 0;
    if (t->mss) at += (size_t)snprintf(extra + at, sizeof(extra) - at, " mss=%u", t->mss);
    if (t->wscale >= 0) at += (size_t)snprintf(extra + at, sizeof(extra) - at, " wscale=%d", t->wscale);
    if (t->sack_blocks) at += (size_t)snprintf(extra + at, sizeof(extra) - at, " sack=%u", t->sack_blocks);
    if (t->gso_size) at += (size_t)snprintf(extra + at, sizeof(extra) - at, " gso=%u", t->gso_size);
    if (t->retransmission) at += (size_t)snprintf(extra + at, sizeof(extra) - at, " again");
    if (t->drop) snprintf(extra + at, sizeof(extra) - at, " dropped=%s", mytcp_drop_name(t->drop));
    return snprintf(text, size_bytes, "%llu.%06llu %s %s:%u %s :%u %s seq=%u%s len=%u win=%u%s [%s > %s]%s",
                    (unsigned long long)(t->time_us / 1000000), (unsigned long long)(t->time_us % 1000000),
                    t->out ? "out" : "in ", peer, t->peer_port, t->out ? "<" : ">", t->local_port, flags,
                    t->seq_rel, ack, t->len_bytes, t->window_bytes, extra,
                    tcp_state_name(t->state_before), tcp_state_name(t->state_after), pace);
}
