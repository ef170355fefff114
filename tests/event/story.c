/* How a stack gets into each state. In the states that can have it, 700 bytes in two segments are
 * in flight and 1000 were acknowledged; the peer has sent 500, which were read; its largest window
 * was 1000. */
#include "story.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PEER_WND = 1000,
    BEFORE_WRAP = 350, /* how far below 2^32 SND.UNA and RCV.NXT are */
    ACKED = 1000,
    RECEIVED = 500,
    RCVBUF = 32768,
    SMALL_RCVBUF = 2048,
    MS = 1000
};

/* ---- words ---- */

static void say(struct stage *st, unsigned flags, uint32_t seq, uint32_t ack, uint32_t len)
{
    struct event_tcb *t = &st->tcb;
    st->now_us += MS;
    stage_say(st, &(struct event_segment){.flags = flags,
                                          .seq = seq,
                                          .ack = ack,
                                          .len = len,
                                          .wnd = flags & TH_SYN ? PEER_WND : PEER_WND >> PEER_SCALE,
                                          .has_ts = st->ts,
                                          .tsval = (uint32_t)TS_RECENT});
    t->snd_wl1 = seq;
    if (flags & TH_ACK) t->snd_una = t->snd_wl2 = ack;
}

/* Exactly this is sent now, or the story is wrong. */
static void hear(struct stage *st, unsigned flags, uint32_t len)
{
    struct event_tcb *t = &st->tcb;
    struct heard h;
    if (!stage_hear(st, &h) || (h.answer.flags & ~(unsigned)TH_PUSH) != flags || h.len != len) {
        stage_wrong(st, "the story expected another segment");
        return;
    }
    if (flags & TH_SYN) {
        t->iss = t->snd_una = h.answer.seq;
        st->rcv_scale = h.scale;
    }
    if (flags & TH_ACK) {
        unsigned scale = flags & TH_SYN ? 0 : st->rcv_scale;
        uint32_t edge = h.answer.ack + (h.wnd << scale), known = t->rcv_nxt + t->rcv_wnd;
        if ((int32_t)(edge - known) < 0) edge = known;
        t->rcv_nxt = t->last_ack_sent = h.answer.ack;
        t->rcv_wnd = edge - t->rcv_nxt;
    }
    t->snd_nxt = h.answer.seq + len + !!(flags & TH_SYN) + !!(flags & TH_FIN);
}

static void write_out(struct stage *st, uint32_t len)
{
    static const uint8_t data[ACKED];
    if (mytcp_send(st->stack, st->fd, data, len, 0) != (ssize_t)len) stage_wrong(st, "send");
    hear(st, TH_ACK, len);
}

static void read_in(struct stage *st, uint32_t len)
{
    uint8_t data[RECEIVED];
    if (mytcp_recv(st->stack, st->fd, data, len, 0) != (ssize_t)len) stage_wrong(st, "recv");
}

static void ack_all(struct stage *st) { say(st, TH_ACK, st->tcb.rcv_nxt, st->tcb.snd_nxt, 0); }

static void peer_fin(struct stage *st)
{
    say(st, TH_ACK | TH_FIN, st->tcb.rcv_nxt, st->tcb.snd_una, 0);
    st->tcb.fin_received = true;
    hear(st, TH_ACK, 0);
}

static void our_fin(struct stage *st)
{
    if (mytcp_shutdown(st->stack, st->fd, SHUT_WR) != 0) stage_wrong(st, "shutdown");
    hear(st, TH_ACK | TH_FIN, 0);
}

static void app_closes(struct stage *st)
{
    mytcp_close(st->stack, st->fd);
    st->fd = -1;
    st->tcb.closed = true;
}

static void enter(struct stage *st, int state) { st->tcb.state = state; }

/* ---- the states ---- */

static void in_closed(struct stage *st) { enter(st, TCP_CLOSE); }

static struct sockaddr_in address(uint32_t addr, uint16_t port)
{
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};
    sin.sin_addr.s_addr = htonl(addr);
    return sin;
}

static int bound_socket(struct stage *st)
{
    struct sockaddr_in a = address(OUR_ADDR, OUR_PORT);
    int one = 1, fd = mytcp_socket(st->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    mytcp_setsockopt(st->stack, fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (mytcp_bind(st->stack, fd, (struct sockaddr *)&a, sizeof(a)) != 0) stage_wrong(st, "bind");
    return fd;
}

static void in_listen(struct stage *st)
{
    st->listener = bound_socket(st);
    if (mytcp_listen(st->stack, st->listener, 8) != 0) stage_wrong(st, "listen");
    enter(st, TCP_LISTEN);
}

static void in_syn_sent(struct stage *st)
{
    struct sockaddr_in a = address(PEER_ADDR, PEER_PORT);
    st->fd = bound_socket(st);
    mytcp_connect(st->stack, st->fd, (struct sockaddr *)&a, sizeof(a));
    hear(st, TH_SYN, 0);
    st->tcb.timestamps = true; /* offered */
    enter(st, TCP_SYN_SENT);
}

static void syn_arrives(struct stage *st)
{
    say(st, TH_SYN, st->tcb.irs, 0, 0);
    hear(st, TH_SYN | TH_ACK, 0);
    st->tcb.snd_wnd = st->tcb.max_snd_wnd = PEER_WND;
    st->tcb.timestamps = st->ts;
    st->tcb.snd_scale = PEER_SCALE;
    enter(st, TCP_SYN_RECV);
}

static void in_syn_received_active(struct stage *st)
{
    in_syn_sent(st);
    syn_arrives(st);
}

static void in_syn_received(struct stage *st)
{
    in_listen(st);
    st->tcb.passive = true;
    syn_arrives(st);
}

/* Nothing in flight. */
static void opened(struct stage *st)
{
    in_syn_received(st);
    ack_all(st);
    st->fd = mytcp_accept(st->stack, st->listener, NULL, NULL, SOCK_NONBLOCK);
    if (st->fd < 0) stage_wrong(st, "accept");
    say(st, TH_ACK, st->tcb.rcv_nxt, st->tcb.snd_nxt, RECEIVED);
    hear(st, TH_ACK, 0);
    read_in(st, RECEIVED);
    write_out(st, ACKED);
    ack_all(st);
    enter(st, TCP_ESTABLISHED);
}

static void in_established(struct stage *st)
{
    opened(st);
    write_out(st, 300);
    write_out(st, 400);
}

static void in_established_zero_window(struct stage *st)
{
    int room = SMALL_RCVBUF;
    in_listen(st);
    mytcp_setsockopt(st->stack, st->listener, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    st->tcb.passive = true;
    syn_arrives(st);
    ack_all(st);
    st->fd = mytcp_accept(st->stack, st->listener, NULL, NULL, SOCK_NONBLOCK);
    while (st->tcb.rcv_wnd && !st->wrong[0]) {
        uint32_t len = st->tcb.rcv_wnd < 1024 ? st->tcb.rcv_wnd : 1024;
        say(st, TH_ACK, st->tcb.rcv_nxt, st->tcb.snd_nxt, len);
        hear(st, TH_ACK, 0);
        st->unread += len;
    }
    write_out(st, 300);
    write_out(st, 400);
    enter(st, TCP_ESTABLISHED);
}

static void in_fin_wait_1(struct stage *st)
{
    in_established(st);
    our_fin(st);
    enter(st, TCP_FIN_WAIT1);
}

static void in_fin_wait_2(struct stage *st)
{
    in_fin_wait_1(st);
    ack_all(st);
    enter(st, TCP_FIN_WAIT2);
}

static void in_fin_wait_1_closed(struct stage *st)
{
    in_fin_wait_1(st);
    app_closes(st);
}

static void in_fin_wait_2_closed(struct stage *st)
{
    in_fin_wait_2(st);
    app_closes(st);
}

static void in_close_wait(struct stage *st)
{
    in_established(st);
    peer_fin(st);
    enter(st, TCP_CLOSE_WAIT);
}

static void in_closing(struct stage *st)
{
    in_fin_wait_1(st);
    peer_fin(st);
    enter(st, TCP_CLOSING);
}

static void in_last_ack(struct stage *st)
{
    in_close_wait(st);
    our_fin(st);
    enter(st, TCP_LAST_ACK);
}

static void in_last_ack_closed(struct stage *st)
{
    in_last_ack(st);
    app_closes(st);
}

static void in_time_wait(struct stage *st)
{
    in_fin_wait_2(st);
    peer_fin(st);
    enter(st, TCP_TIME_WAIT);
    st->tcb.listening = true;
    st->tcb.max_snd_wnd = UINT16_MAX; /* RFC 5961 5.2: "may be hard-coded to a maximum" */
    st->time_wait_us = st->now_us;
    st->now_us += 10000 * MS;
}

static void in_time_wait_alone(struct stage *st)
{
    in_time_wait(st);
    mytcp_close(st->stack, st->listener);
    st->listener = -1;
    st->tcb.listening = false;
}

const struct situation situations[] = {
    /* 9293-SA-CLOSED-1, 9293-SA-CLOSED-2, 9293-SA-CLOSED-3, 9293-SA-FIN-1 */
    {"CLOSED", "no socket", in_closed, false},
    /* 9293-SA-LISTEN-1, 9293-SA-LISTEN-2, 9293-SA-LISTEN-3, 9293-SA-LISTEN-4, 9293-SA-LISTEN-5 */
    {"LISTEN", "a listener", in_listen, false},
    /* 9293-SA-SYNSENT-1, 9293-SA-SYNSENT-2, 9293-SA-SYNSENT-3, 9293-SA-SYNSENT-4, 9293-SA-SYNSENT-5,
     * 9293-SA-SYNSENT-8, 9293-SA-SYNSENT-10, 9293-SA-SYNSENT-11, 9293-SA-SYNSENT-12, 5961-3.2b */
    {"SYN-SENT", "an active open", in_syn_sent, false},
    /* 9293-SA-RST-4, 9293-SA-SYN-1, 9293-SA-ACK-3, 9293-SA-ACK-4, 9293-SA-FIN-4, 5961-3.2a */
    {"SYN-RECEIVED", "a passive open, a record in the SYN queue", in_syn_received, true},
    /* 9293-SA-RST-5, 9293-MUST-10 */
    {"SYN-RECEIVED-active", "a simultaneous open", in_syn_received_active, true},
    /* 9293-SA-SEQ-2, 9293-SA-SEQ-4, 9293-SA-SEQ-5, 9293-SA-SEQ-6, 9293-SA-SEQ-7, 9293-SA-RST-1, 9293-SA-RST-2,
     * 9293-SA-RST-3, 9293-SA-RST-6, 9293-SA-SYN-2, 9293-SA-SYN-4, 9293-SA-ACK-1, 9293-SA-ACK-2, 9293-SA-ACK-5,
     * 9293-SA-ACK-6, 9293-SA-ACK-7, 9293-SA-ACK-8, 9293-SA-URG-1, 9293-SA-TXT-1, 9293-SA-TXT-2, 9293-SA-TXT-3,
     * 9293-SA-FIN-2, 9293-SA-FIN-3, 9293-SA-FIN-4, 5961-3.2a, 5961-4.2a, 5961-5.2a, 7323-3.2d, 7323-3.2f,
     * 7323-5.3-R1, 7323-5.3-R3 */
    {"ESTABLISHED", "data in flight", in_established, true},
    /* 9293-SA-SEQ-1, 9293-SA-SEQ-3 */
    {"ESTABLISHED-full", "our window is 0", in_established_zero_window, true},
    /* 9293-SA-ACK-9, 9293-SA-FIN-5, 9293-SA-FIN-6 */
    {"FIN-WAIT-1", "data and FIN in flight", in_fin_wait_1, true},
    /* 9293-SHLD-3 */
    {"FIN-WAIT-1-closed", "and the application has closed", in_fin_wait_1_closed, true},
    /* 9293-SA-FIN-7 */
    {"FIN-WAIT-2", "the peer's side is open", in_fin_wait_2, true},
    {"FIN-WAIT-2-closed", "and the application has closed", in_fin_wait_2_closed, true},
    /* 9293-SA-ACK-11, 9293-SA-URG-3, 9293-SA-TXT-4, 9293-SA-FIN-8 */
    {"CLOSE-WAIT", "data in flight", in_close_wait, true},
    /* 9293-SA-ACK-12, 9293-SA-RST-7 */
    {"CLOSING", "data and FIN in flight", in_closing, true},
    /* 9293-SA-ACK-13 */
    {"LAST-ACK", "data and FIN in flight", in_last_ack, true},
    {"LAST-ACK-closed", "and the application has closed", in_last_ack_closed, true},
    /* 9293-SA-ACK-14, 9293-SA-FIN-9, 9293-SA-SYN-3, 9293-SHLD-4, 1337-1, 6191-1, 6191-2, 6191-3, 6191-5 */
    {"TIME-WAIT", "a listener stands behind", in_time_wait, true},
    {"TIME-WAIT-alone", "no listener", in_time_wait_alone, true},
};
const int situation_count = sizeof(situations) / sizeof(situations[0]);

/* ---- ends ---- */

void stage_open(struct stage *st, const struct situation *s, bool ts, uint64_t start_us)
{
    struct mytcp_config config;
    mytcp_config_init(&config);
    config.addr.s_addr = htonl(OUR_ADDR);
    for (unsigned i = 0; i < sizeof(config.entropy); i++)
        config.entropy[i] = (uint8_t)(i * 37 + 11);
    config.rcvbuf_bytes = RCVBUF;
    config.delayed_ack_us = 0; /* "send an acknowledgment" now, to be seen */
    config.challenge_acks_per_s = 255;
    config.tail_loss_probe = 0;
    config.trace_entries = 64;
    *st = (struct stage){.now_us = start_us, .listener = -1, .fd = -1, .ts = ts || !s->any_ts};
    st->stack = mytcp_create(&config, start_us);
    if (!st->stack) abort();
    uint32_t irs = UINT32_MAX - BEFORE_WRAP - RECEIVED;
    st->tcb = (struct event_tcb){.irs = irs,
                                 .rcv_nxt = irs + 1,
                                 .rcv_wnd = RCVBUF,
                                 .iss = irs,
                                 .snd_una = irs,
                                 .snd_nxt = irs + 1,
                                 .max_snd_wnd = PEER_WND,
                                 .snd_wnd = 0,
                                 .ts_recent = (uint32_t)TS_RECENT};
    if (s->build == in_established_zero_window) st->tcb.rcv_wnd = 0; /* the offer is seen */
    s->build(st);
    struct heard h;
    if (stage_hear(st, &h)) stage_wrong(st, "the story's end is not quiet");
}

void stage_close(struct stage *st)
{
    mytcp_destroy(st->stack);
    st->stack = NULL;
}

/* RFC 6528: the ISS moves by one each 4 us, so that waiting brings it anywhere. */
uint64_t stage_start_us(const struct situation *s, bool ts)
{
    uint64_t start_us = 1000000000;
    struct stage st;
    stage_open(&st, s, ts, start_us);
    uint32_t target = UINT32_MAX - BEFORE_WRAP - ACKED;
    start_us += 4 * (uint64_t)(target - st.tcb.iss);
    stage_close(&st);
    return start_us;
}
