/* The one way to read a packet: every step is checked against the bytes that are left. A step
 * beyond the end yields 0 (or NULL, or nothing), takes nothing and marks the cursor as failed for
 * good, so that a parser may read a whole header and ask once. */
#ifndef WIRE_CURSOR_H
#define WIRE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/bytes.h"

struct cursor {
    const uint8_t *at;
    size_t left;
    bool failed;
};

static inline struct cursor cursor_of(const uint8_t *data, size_t len)
{
    return (struct cursor){data, len, false};
}

/* The next n bytes. */
static inline const uint8_t *cursor_bytes(struct cursor *c, size_t n)
{
    if (c->failed || n > c->left) {
        c->failed = true;
        return NULL;
    }
    const uint8_t *bytes = c->at;
    c->at += n;
    c->left -= n;
    return bytes;
}

static inline uint8_t cursor_u8(struct cursor *c)
{
    const uint8_t *p = cursor_bytes(c, 1);
    return p ? *p : 0;
}
static inline uint16_t cursor_u16(struct cursor *c)
{
    const uint8_t *p = cursor_bytes(c, 2);
    return p ? load_be16(p) : 0;
}
static inline uint32_t cursor_u32(struct cursor *c)
{
    const uint8_t *p = cursor_bytes(c, 4);
    return p ? load_be32(p) : 0;
}

/* The next n bytes as a cursor of their own; a failed one if there are fewer. */
static inline struct cursor cursor_sub(struct cursor *c, size_t n)
{
    const uint8_t *p = cursor_bytes(c, n);
    return (struct cursor){p, p ? n : 0, !p};
}

#endif
