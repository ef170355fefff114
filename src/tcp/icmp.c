/* What ICMP tells a connection (RFC 9293 3.9.2.2, RFC 5927, RFC 1191). */
#include "tcp/tcb.h"
#include "util/bytes.h"

void tcp_path_mtu(struct tcb *t, struct tcp_env *env, uint32_t mtu)
{
    t->path_mtu = (uint16_t)min_u32(mtu, UINT16_MAX);
    if (!tcb_synchronized(t) || seq_eq(t->snd_una, t->snd_nxt)) return;
    /* What was too large is lost, but says nothing of congestion (RFC 1191 6.3): it goes again at once,
     * smaller, with the window as it is. */
    tcp_loss_resend(t, env);
}

void tcp_icmp_error(struct tcb *t, struct tcp_env *env, int error, bool hard)
{
    bool opening = t->state == ST_SYN_SENT || (t->state == ST_SYN_RCVD && !t->passive);
    if (opening && hard) {
        env->count.failed++;
        tcb_close(t, env, error);
        return;
    }
    tcp_soft_error(t, error);
}

void tcp_soft_error(struct tcb *t, int error)
{
    t->error = (uint8_t)error;
    t->soft_error = true;
}
