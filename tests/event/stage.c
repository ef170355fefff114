/* The harness: packets in and out, and what can be seen after a segment. */
#include "stage.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "story.h"

enum { IP_HEADER = 20, TCP_HEADER = 20, PACKET_MAX = 2048 };

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v);
}

static uint32_t get16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }
static uint32_t get32(const uint8_t *p) { return get16(p) << 16 | get16(p + 2); }

static uint8_t byte_at(uint32_t seq) { return (uint8_t)(seq * 31 + (seq >> 8) * 7); }

void stage_wrong(struct stage *st, const char *what)
{
    if (!st->wrong[0]) snprintf(st->wrong, sizeof(st->wrong), "%s", what);
}

/* ---- packets ---- */

static uint32_t put_options(uint8_t *o, const struct event_segment *seg)
{
    static const uint8_t of_syn[] = {2, 4, 5, 180, 3, 3, PEER_SCALE, 4, 2, 1, 1, 1};
    uint32_t n = 0;
    if (seg->flags & TH_SYN) {
        memcpy(o, of_syn, sizeof(of_syn));
        n = sizeof(of_syn);
    }
    if (seg->has_ts) {
        memcpy(o + n, "\1\1\10\12", 4);
        put32(o + n + 4, seg->tsval);
        put32(o + n + 8, 0);
        n += 12;
    }
    return n;
}

static void put_ip(uint8_t *d, uint32_t len)
{
    uint32_t sum = 0;
    memset(d, 0, IP_HEADER);
    d[0] = 0x45;
    put16(d + 2, len);
    d[6] = 0x40;
    d[8] = 64;
    d[9] = IPPROTO_TCP;
    put32(d + 12, PEER_ADDR);
    put32(d + 16, OUR_ADDR);
    for (int i = 0; i < IP_HEADER; i += 2) sum += get16(d + i);
    sum = (sum & 0xffff) + (sum >> 16);
    put16(d + 10, ~((sum & 0xffff) + (sum >> 16)));
}

void stage_say(struct stage *st, const struct event_segment *seg)
{
    uint8_t d[PACKET_MAX], *t = d + IP_HEADER;
    uint32_t options = put_options(t + TCP_HEADER, seg), header = TCP_HEADER + options;
    uint32_t len = IP_HEADER + header + seg->len;
    put_ip(d, len);
    put16(t, PEER_PORT);
    put16(t + 2, OUR_PORT);
    put32(t + 4, seg->seq);
    put32(t + 8, seg->ack);
    t[12] = (uint8_t)(header << 2);
    t[13] = (uint8_t)seg->flags;
    put16(t + 14, seg->wnd);
    put16(t + 16, 0);
    put16(t + 18, seg->up);
    for (uint32_t i = 0; i < seg->len; i++)
        t[header + i] = byte_at(seg->seq + !!(seg->flags & TH_SYN) + i);
    /* the device has verified the checksum: that is tested elsewhere */
    struct mytcp_packet p = {.data = d, .len_bytes = len, .csum_valid = true};
    if (mytcp_input(st->stack, &p, st->now_us) < 0) stage_wrong(st, "mytcp_input failed");
}

static void get_options(struct heard *h, const uint8_t *o, const uint8_t *end)
{
    while (o < end && *o) {
        if (*o == 8) {
            h->answer.has_ts = true;
            h->answer.tsecr = get32(o + 6);
        }
        if (*o == 3) h->scale = o[2];
        o += *o == 1 ? 1 : o[1];
    }
}

bool stage_hear(struct stage *st, struct heard *h)
{
    uint8_t d[PACKET_MAX];
    const uint8_t *t = d + IP_HEADER;
    struct mytcp_tx tx;
    uint32_t len = 0;
    if (mytcp_output(st->stack, &tx, st->now_us) <= 0) return false;
    for (int i = 0; i < tx.iovcnt && len + tx.iov[i].iov_len <= sizeof(d); i++) {
        memcpy(d + len, tx.iov[i].iov_base, tx.iov[i].iov_len);
        len += (uint32_t)tx.iov[i].iov_len;
    }
    uint32_t header = (uint32_t)(t[12] >> 4) * 4;
    if (len != tx.len_bytes || d[9] != IPPROTO_TCP || get16(t + 2) != PEER_PORT ||
        IP_HEADER + header > len)
        stage_wrong(st, "a packet of a strange kind was sent");
    unsigned flags = t[13];
    *h = (struct heard){.answer = {.flags = flags, .seq = get32(t + 4), .ack = get32(t + 8)},
                        .wnd = get16(t + 14),
                        .len = len - IP_HEADER - header};
    get_options(h, t + TCP_HEADER, t + header);
    return true;
}

/* ---- observation ---- */

static void hear_answers(struct stage *st, struct event_outcome *o)
{
    struct heard h;
    while (stage_hear(st, &h)) {
        if (h.len) stage_wrong(st, "data was sent in answer");
        if (o->answers == EVENT_ANSWERS) stage_wrong(st, "too many answers");
        else o->answer[o->answers++] = h.answer;
    }
}

static int state_after(struct stage *st)
{
    struct mytcp_trace trace;
    int state = -1;
    while (mytcp_trace_read(st->stack, &trace, NULL) == 1)
        if (!trace.out) state = trace.state_after;
    return state;
}

/* All that can be read, which must be the right bytes from `next` on. */
static void read_all(struct stage *st, struct event_outcome *o, uint32_t next)
{
    uint8_t data[4096];
    ssize_t n;
    while ((n = mytcp_recv(st->stack, st->fd, data, sizeof(data), 0)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            if (data[i] != byte_at(next + (uint32_t)i))
                stage_wrong(st, "a wrong byte was delivered");
        next += (uint32_t)n;
        o->delivered += (uint32_t)n;
    }
    if (n == 0) o->tcb.fin_received = true;
    else if (errno != EAGAIN) stage_wrong(st, "recv gives an error that SO_ERROR did not");
}

static void ask_application(struct stage *st, struct event_outcome *o, uint32_t next)
{
    struct pollfd p = {.fd = st->fd, .events = POLLPRI};
    struct mytcp_conn_info info;
    socklen_t len = sizeof(o->error);
    o->urgent = mytcp_poll(st->stack, &p, 1, 0) > 0 && (p.revents & POLLPRI);
    mytcp_getsockopt(st->stack, st->fd, SOL_SOCKET, SO_ERROR, &o->error, &len);
    mytcp_conn_info_get(st->stack, st->fd, &info);
    o->tcb.snd_una = info.snd_una;
    o->tcb.snd_wnd = info.snd_wnd;
    read_all(st, o, next);
    o->delivered -= st->unread;
}

/* Old data draws an ACK in every state with a connection, which says SND.NXT, RCV.NXT and TS.Recent. */
static void ask_peer_side(struct stage *st, struct event_outcome *o,
                          const struct event_tcb *expected)
{
    struct event_segment old = {.flags = TH_ACK,
                                .seq = expected->irs - 5000,
                                .ack = expected->snd_una,
                                .len = 1,
                                .has_ts = expected->timestamps,
                                .tsval = (uint32_t)TS_RECENT + 100};
    struct heard h;
    while (stage_hear(st, &h)) continue; /* window updates, since the application has read */
    stage_say(st, &old);
    o->tcb.rcv_nxt = o->tcb.snd_nxt = 0;
    if (!stage_hear(st, &h)) return;
    o->tcb.rcv_nxt = h.answer.ack;
    o->tcb.snd_nxt = h.answer.seq;
    if (h.answer.has_ts) o->tcb.ts_recent = h.answer.tsecr;
    if (h.answer.has_ts != expected->timestamps)
        stage_wrong(st, "the probe's ACK: timestamps or not");
}

/* Is TIME-WAIT still there when its time would be over, had it not been restarted? */
static void ask_time(struct stage *st, struct event_outcome *o)
{
    struct mytcp_stats stats;
    struct heard h;
    st->now_us = st->time_wait_us + 60000000 + 1000;
    while (stage_hear(st, &h)) continue;
    mytcp_stats_get(st->stack, &stats);
    o->restarted = stats.time_wait > 0;
}

struct event_outcome stage_play(struct stage *st, const struct event_segment *seg,
                                const struct event_outcome *expected)
{
    struct event_outcome o = {.tcb = st->tcb};
    const struct event_tcb *after = &expected->tcb;
    bool was_time_wait = st->tcb.state == TCP_TIME_WAIT;
    state_after(st);
    stage_say(st, seg);
    o.tcb.state = state_after(st);
    hear_answers(st, &o);
    if (st->tcb.state == TCP_SYN_RECV && st->tcb.passive) {
        struct mytcp_stats stats;
        mytcp_stats_get(st->stack, &stats);
        if (o.tcb.state == TCP_CLOSE && !stats.half_open)
            o.tcb.state = TCP_LISTEN; /* which stands behind */
    }
    if (st->fd < 0 && st->listener >= 0)
        st->fd = mytcp_accept(st->stack, st->listener, NULL, NULL, SOCK_NONBLOCK);
    o.tcb.fin_received = false;
    if (st->fd >= 0)
        ask_application(st, &o, after->irs + 1 + st->tcb.rcv_nxt - st->tcb.irs - 1 - st->unread);
    if (o.tcb.state != TCP_CLOSE && o.tcb.state != TCP_LISTEN && o.tcb.state != TCP_SYN_SENT &&
        o.tcb.state == after->state)
        ask_peer_side(st, &o, after);
    if (was_time_wait && o.tcb.state == TCP_TIME_WAIT) ask_time(st, &o);
    const char *broken = mytcp_check(st->stack);
    if (broken) stage_wrong(st, broken);
    return o;
}
