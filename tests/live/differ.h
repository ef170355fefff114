/*
 * differ.h - the same socket calls, once on the kernel's sockets and once on libmytcp's.
 *
 * A case brings a socket (the subject) into some state and makes calls on it; what each gives,
 * return value and errno, becomes a line of a transcript. Every case runs on both stacks; the lines
 * must be the same, but for the differences that differ.c lists with their reasons. The other end
 * of the subject's connections is always a kernel socket, called directly.
 */
#ifndef LIVE_DIFFER_H
#define LIVE_DIFFER_H

#include "live/live.h"

#include <errno.h>
#include <limits.h>
#include <sys/ioctl.h>

struct differ {
    struct side side;          /* the subject's stack; the kernel's if side.stack is NULL */
    struct in_addr self, peer; /* addresses of the subject and of the sockets it talks to */
    struct transcript *out;
};

/* The socket call of that name, made by the subject. */
#define CALL(d, name, ...)                                                                         \
    ((d)->side.stack ? mytcp_##name((d)->side.stack, __VA_ARGS__) : name(__VA_ARGS__))

static inline int subject_accept(struct differ *d, int fd, struct sockaddr *addr, socklen_t *len,
                                 int flags)
{
    return d->side.stack ? mytcp_accept(d->side.stack, fd, addr, len, flags)
                         : accept4(fd, addr, len, flags);
}

/* ---- transcript (differ.c) ---- */

/* The lines that follow belong to this case. */
void differ_case(struct differ *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* One line: what was done, and what came of it: the number, or errno's name if it is -1. */
void note(struct differ *d, long result, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void note_fd(struct differ *d, int fd, const char *what); /* a descriptor counts as 0 */
void note_text(struct differ *d, const char *text, const char *what);
/* Addresses by role: self, peer, any; ports as 0 or given. */
void note_name(struct differ *d, int result, const struct sockaddr_in *name, socklen_t len,
               const char *what);

/* ---- the world around the subject (differ_state.c) ---- */

struct spot {
    int fd;            /* the subject; -1 where it is closed */
    int other;         /* a second socket of the subject's side, or -1 */
    int peer;          /* the kernel's end, or -1 */
    int peer_listener; /* or -1 */
};

struct state {
    const char *name;
    void (*arrive)(struct differ *d, struct spot *s);
};

extern const struct state differ_states[]; /* ends with a NULL name */

void spot_enter(struct differ *d, const struct state *state, struct spot *s);
void spot_enter_named(struct differ *d, const char *name, struct spot *s);
void spot_leave(struct differ *d, struct spot *s);

/* Until nothing moves any more. */
void settle(struct differ *d);
void settle_ms(struct differ *d, unsigned ms); /* for so long */
int subject_socket(struct differ *d);       /* non-blocking, SO_OOBINLINE on */
struct sockaddr_in self_address(struct differ *d, unsigned port);
struct sockaddr_in peer_address(struct differ *d, unsigned port);
int peer_listen(struct differ *d, int backlog, struct sockaddr_in *address);
int peer_accept(struct differ *d, int listener);
void peer_reset(struct differ *d, int *fd); /* closes it by a RST */
unsigned port_of(struct differ *d, int fd); /* of a subject's socket */
int subject_bind(struct differ *d, int fd, const struct sockaddr_in *address);
int subject_connect(struct differ *d, int fd, const struct sockaddr_in *address);
int poll_bits(struct differ *d, int fd);
int take_so_error(struct differ *d, int fd);
/* poll, SO_ERROR, and what the peer reads: a line each. */
void note_aftermath(struct differ *d, const struct spot *s);

/* ---- the cases ---- */

void differ_calls(struct differ *d);     /* differ_call.c: every call in every state */
void differ_messages(struct differ *d);  /* differ_message.c: send and recv forms in every state */
void differ_options(struct differ *d);   /* differ_option.c: options, with every kind of value */
void differ_names(struct differ *d);     /* differ_name.c: socket, bind, listen, ports in use */
void differ_stories(struct differ *d);   /* differ_story.c: sequences over a connection's life */

#endif
