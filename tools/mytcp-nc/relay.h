/* One connection, and stdin and stdout beside it, in an event loop of the program's own: poll(2) on
 * the driver's descriptor and the two streams, with the driver's deadline. */
#ifndef NC_RELAY_H
#define NC_RELAY_H

#include <signal.h>

#include "mytcp_tun.h"

struct relay {
    mytcp_tun *tun;
    mytcp_stack *stack;
    int fd;
    int out;          /* stdout, or a descriptor of the same pipe that does not block */
    bool in_ended;    /* stdin is at its end, and our FIN is queued */
    bool peer_ended;  /* the peer's stream is at its end, and all of it is written */
    bool wants_in;    /* there is room for what stdin may bring */
    bool wants_out;   /* there is something to write */
    const char *what; /* what was being done, for the error message */
    const volatile sig_atomic_t *stop;
    sigset_t while_waiting; /* the signals that are let in only while waiting */
};

/* Each returns 0, or -1 with errno and `what`. */
int relay_connect(struct relay *relay, const struct sockaddr_in *addr);
int relay_accept(struct relay *relay, const struct sockaddr_in *addr);
int relay_run(struct relay *relay);

/* Reset the connection, if there is one. */
void relay_abort(struct relay *relay);

#endif
