/* What ICMP tells a connection (RFC 9293 3.9.2.2, RFC 5927). */
#include "tcp/tcb.h"

void tcp_icmp_error(struct tcb *t, struct tcp_env *env, int error, bool hard)
{
    if (hard && !tcb_synchronized(t)) { /* an active open */
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
