/*
 * All that an application can see of a stack and of some of its sockets, as a list of named numbers: to be compared
 * before and after what must change nothing, or after two ways to the same end. SO_ERROR is not among them, since
 * to read it is to take it; nor are ephemeral ports, which are drawn.
 */
#ifndef LIB_WIRE_FIGURES_H
#define LIB_WIRE_FIGURES_H

#include "lib/wire.h"

enum { WIRE_FIGURES = 512 };

struct wire_figures {
    unsigned count;
    struct {
        const char *name;
        int fd, number; /* of an option; of a drop reason */
        int64_t value;
    } figure[WIRE_FIGURES];
};

/* Of each descriptor, also of one that is none. */
void wire_figures(struct wire *w, const int *fds, unsigned count, struct wire_figures *f);
/* NULL if they agree, but for those whose name begins with one of `but` (a list up to NULL); else the difference in
 * words, good until the next call. */
const char *wire_figures_differ(const struct wire_figures *a, const struct wire_figures *b,
                                const char *const *but);

#endif
