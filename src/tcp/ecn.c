/* Explicit congestion notification (RFC 3168 6.1). The receiver's half: what the network marked is echoed by
 * ECE until CWR says that the sender knows. The sender's half: data goes as ECN-capable; loss.c answers ECE by
 * a reduction; the next new data tells of it by CWR. */
#include "tcp/tcb.h"

enum { IP_ECN_MASK = 3, IP_ECN_ECT0 = 2, IP_ECN_CE = 3, ECN_SYNS = 2 };

bool tcp_ecn_setup(const struct tcp_segment *syn)
{
    unsigned flags = syn->flags & (TCP_ECE | TCP_CWR);
    return flags == (syn->flags & TCP_ACK ? TCP_ECE : TCP_ECE | TCP_CWR);
}

uint8_t tcp_ecn_syn_flags(struct tcb *t)
{
    if (t->state == ST_SYN_RCVD) return t->ecn_ok ? TCP_ECE : 0;
    if (t->syn_retx >= ECN_SYNS) t->ecn_ok = false; /* perhaps the path eats such SYNs (6.1.1.1) */
    return t->ecn_ok ? TCP_ECE | TCP_CWR : 0;
}

void tcp_ecn_input(struct tcb *t, const struct tcp_segment *seg)
{
    if (!t->ecn_ok || !seg->len) return;
    if (seg->flags & TCP_CWR) t->ecn_echo = false;
    if ((seg->tos & IP_ECN_MASK) == IP_ECN_CE) t->ecn_echo = true;
}

void tcp_ecn_new_data(struct tcb *t, struct tcp_segment *seg)
{
    bool again = seq_lt(seg->seq, t->snd_max); /* a window probe had its first octet */
    if (!t->ecn_ok || !seg->len || again) return;
    seg->tos |= IP_ECN_ECT0;
    if (!t->cwr_due) return;
    seg->flags |= TCP_CWR;
    t->cwr_due = false;
    t->cwr_sent = true;
    t->cwr_seq = seg->seq;
}
