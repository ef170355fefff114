/*
 * A driver for scenarios with calls that block: its wait() is the scenario's next step, as another thread or the
 * network would make it; when there is none left the clock goes to the deadline.
 */
#ifndef LIB_WIRE_DRIVER_H
#define LIB_WIRE_DRIVER_H

#include "lib/wire.h"

typedef void wire_step(struct wire *w);

/* Steps that are no steps: wait() fails, with EINTR or without any errno. */
wire_step wire_interrupted, wire_broken;

struct wire_driver {
    struct wire *w;
    wire_step *const *next; /* up to NULL */
    unsigned waits, kicks;
    bool locked;
};
extern struct wire_driver wire_driver;

/* From here on w->fd and w->listener block, and these are the steps. */
#define WIRE_STEPS(...) (wire_step *const[]) { __VA_ARGS__, NULL }
#define WIRE_NO_STEPS (wire_step *const[]) { NULL }
void wire_attach(struct wire *w, wire_step *const *steps);
#define ALL_DONE() assert_null(*wire_driver.next)

/* SO_RCVTIMEO or SO_SNDTIMEO */
void wire_patience(struct wire *w, int fd, int name, unsigned ms);

#endif
