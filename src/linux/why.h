/*
 * why.h - a failure's errno together with a sentence that its reader can act on.
 */
#ifndef MYTCP_LINUX_WHY_H
#define MYTCP_LINUX_WHY_H

#include <stddef.h>

struct why {
    char *text; /* may be NULL if size_bytes is 0 */
    size_t size_bytes;
};

/* Write the sentence, set errno to `err`, return -1. */
__attribute__((format(printf, 3, 4))) int why_fail(const struct why *why, int err,
                                                   const char *format, ...);

#endif
