#include "lib/wire_place.h"

static void shut(struct wire *w)
{
    assert_int_equal(mytcp_shutdown(w->stack, w->fd, SHUT_WR), 0);
}

static void fin_wait_1(struct wire *w)
{
    wire_passive(w);
    shut(w);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
}

static void fin_wait_2(struct wire *w)
{
    fin_wait_1(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 2);
}

static void close_wait(struct wire *w)
{
    wire_passive(w);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    OUT(w, .flags = ACK, .seq = 1, .ack = 2);
}

static void closing(struct wire *w)
{
    fin_wait_1(w);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    OUT(w, .flags = ACK, .seq = 2, .ack = 2);
}

static void last_ack(struct wire *w)
{
    close_wait(w);
    shut(w);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
}

static void time_wait(struct wire *w)
{
    wire_passive(w);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
    OUT(w, .flags = ACK, .seq = 2, .ack = 2);
}

const struct wire_place wire_places[WIRE_PLACES] = {
    {"SYN-RECEIVED", wire_syn_received, 0, 1, 1},
    {"ESTABLISHED", wire_passive, TCP_ESTABLISHED, 1, 1},
    {"FIN-WAIT-1", fin_wait_1, TCP_FIN_WAIT1, 2, 1},
    {"FIN-WAIT-2", fin_wait_2, TCP_FIN_WAIT2, 2, 1},
    {"CLOSE-WAIT", close_wait, TCP_CLOSE_WAIT, 1, 2},
    {"CLOSING", closing, TCP_CLOSING, 2, 2},
    {"LAST-ACK", last_ack, TCP_LAST_ACK, 2, 2},
    {"TIME-WAIT", time_wait, 0, 2, 2}};

const struct wire_place *wire_go(struct wire *w, unsigned place)
{
    const struct wire_place *p = &wire_places[place];
    w->peer_port++;
    p->go(w);
    wire_logf(w, "  in %s", p->name);
    wire_still(w, p);
    return p;
}

void wire_still(struct wire *w, const struct wire_place *place)
{
    QUIET(w);
    if (place->state)
        STATE(w, place->state);
    else if (place == &wire_places[AT_TIME_WAIT])
        assert_int_equal(wire_stats(w).time_wait, 1);
    else
        assert_int_equal(wire_stats(w).half_open, 1);
}

void wire_gone(struct wire *w, const struct wire_place *place)
{
    QUIET(w);
    if (place->state)
        STATE(w, TCP_CLOSE);
    IN(w, .flags = ACK, .seq = place->rcv_nxt, .ack = place->snd_nxt);
    OUT(w, .flags = RST, .seq = place->snd_nxt);
    QUIET(w);
}
