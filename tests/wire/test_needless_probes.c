/* Tail-loss probes of two connections that are due at the same time (RFC 8985 7.3): what comes while one goes may make
 * the other needless. */
#include "lib/wire.h"

enum { MSS = 1460 };

static uint32_t at(uint32_t segment) { return 1 + segment * MSS; }

static void send_now(struct wire *w, uint32_t first, uint32_t n)
{
    WRITE(w, n * MSS);
    for (uint32_t i = first; i < first + n; i++)
        OUT(w, .flags = ACK, .seq = at(i), .ack = 1, .len = MSS);
    QUIET(w);
}

/* Two probes are due at once, first that of the peer at the next port. */
static void two_probes(struct wire *w, uint32_t first_seq)
{
    AT(w, 300 * MS);
    w->peer_port++;
    OUT(w, .flags = ACK, .seq = first_seq, .ack = 1, .len = MSS);
    w->peer_port--;
}

static void with_another_connection(struct wire *w, int fd[2])
{
    w->peer_port++;
    w->config.tail_loss_probe = 1;
    wire_passive(w);
    fd[1] = w->fd;
    w->peer_port--;
    wire_passive(w);
    fd[0] = w->fd;
}

/* While one goes, the ACK of what the other was for comes. */
SCENARIO(a_probe_that_became_needless_does_not_go)
{
    int fd[2];
    with_another_connection(w, fd);
    AT(w, 100 * MS);
    w->fd = fd[1], w->peer_port++;
    send_now(w, 0, 2);
    w->fd = fd[0], w->peer_port--;
    send_now(w, 0, 2);
    two_probes(w, at(1));
    IN(w, .flags = ACK, .seq = 1, .ack = at(2));
    QUIET(w);
}

/* The same, where a loss before may still turn out to be none, and so is remembered. */
SCENARIO(a_needless_probe_does_not_go_while_a_loss_may_still_be_undone)
{
    int fd[2];
    with_another_connection(w, fd);
    send_now(w, 0, 10);
    AT(w, 100 * MS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(1), at(4)}});
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{at(1), at(10)}});
    send_now(w, 10, 2);
    w->fd = fd[1], w->peer_port++;
    send_now(w, 0, 2);
    w->fd = fd[0], w->peer_port--;
    IN(w, .flags = ACK, .seq = 1, .ack = at(10));
    QUIET(w);
    two_probes(w, at(1));
    IN(w, .flags = ACK, .seq = 1, .ack = at(12));
    QUIET(w);
}

WIRE_MAIN(WIRE_TEST(a_probe_that_became_needless_does_not_go),
          WIRE_TEST(a_needless_probe_does_not_go_while_a_loss_may_still_be_undone))
