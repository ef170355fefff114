/* differ_message.c - send and recv in their forms, in every state. */
#include "live/differ.h"

enum { ROOM = 64, MANY = 1025 };

struct form {
    const char *name;
    void (*run)(struct differ *d, int fd, const struct form *f);
    size_t len;
    int flags;
};

/* ---- recv ---- */

static void note_data(struct differ *d, ssize_t n, const char *data, const char *what)
{
    char text[ROOM + 1] = "";
    note(d, n, "%s", what);
    if (n > 0 && n <= ROOM) {
        memcpy(text, data, (size_t)n);
        note_text(d, text, "data");
    }
}

/* Not on the stack: for a huge length Linux says EFAULT where the address space ends within 2 GiB. */
static void do_recv(struct differ *d, int fd, const struct form *f)
{
    static char data[ROOM];
    memset(data, 0, sizeof data);
    note_data(d, CALL(d, recv, fd, data, f->len, f->flags), data, "recv");
    note_data(d, CALL(d, recv, fd, data, f->len, f->flags), data, "recv again");
}

static void recv_null(struct differ *d, int fd, const struct form *f)
{
    note(d, CALL(d, recv, fd, NULL, f->len, f->flags), "recv");
}

static void recv_message(struct differ *d, int fd, const struct form *f)
{
    static const char full_name[sizeof(struct sockaddr_in)];
    char data[ROOM] = "", name[sizeof full_name], control[ROOM];
    struct iovec iov[2] = {{data, 4}, {data + 4, f->len}};
    struct msghdr msg = {.msg_name = name,
                         .msg_namelen = sizeof name,
                         .msg_iov = iov,
                         .msg_iovlen = 2,
                         .msg_control = control,
                         .msg_controllen = sizeof control,
                         .msg_flags = 99};
    ssize_t n = CALL(d, recvmsg, fd, &msg, f->flags);
    note_data(d, n, data, "recvmsg");
    if (n >= 0) {
        note(d, (long)msg.msg_namelen, "name length");
        note(d, (long)msg.msg_controllen, "control length");
        note(d, msg.msg_flags, "flags");
    }
}

/* ---- send ---- */

static void do_send(struct differ *d, int fd, const struct form *f)
{
    static const char data[ROOM] = "abcdefghijklmnopqrstuvwxyz";
    note(d, CALL(d, send, fd, data, f->len, f->flags | MSG_NOSIGNAL), "send");
    settle(d);
    note(d, CALL(d, send, fd, data, f->len, f->flags | MSG_NOSIGNAL), "send again");
}

static void send_null(struct differ *d, int fd, const struct form *f)
{
    note(d, CALL(d, send, fd, NULL, f->len, f->flags | MSG_NOSIGNAL), "send");
}

static void send_name(struct differ *d, int fd, const struct form *f)
{
    char data[ROOM] = "abcdefgh";
    struct sockaddr_in to = peer_address(d, 7);
    struct iovec iov[2] = {{data, 4}, {data + 4, 4}};
    struct msghdr msg = {
        .msg_name = &to, .msg_namelen = (socklen_t)f->len, .msg_iov = iov, .msg_iovlen = 2};
    note(d, CALL(d, sendmsg, fd, &msg, f->flags | MSG_NOSIGNAL), "sendmsg");
}

/* ---- vectors, the same in both directions ---- */

static void vector(struct differ *d, int fd, struct iovec *iov, size_t count)
{
    struct msghdr out = {.msg_iov = iov, .msg_iovlen = count}, in = out;
    note(d, CALL(d, sendmsg, fd, &out, MSG_NOSIGNAL), "sendmsg");
    note(d, CALL(d, recvmsg, fd, &in, 0), "recvmsg");
}

static void no_message(struct differ *d, int fd, const struct form *f)
{
    (void)f;
    note(d, CALL(d, sendmsg, fd, NULL, MSG_NOSIGNAL), "sendmsg");
    note(d, CALL(d, recvmsg, fd, NULL, 0), "recvmsg");
}

static void no_vector(struct differ *d, int fd, const struct form *f)
{
    vector(d, fd, NULL, f->len);
}

static void many_pieces(struct differ *d, int fd, const struct form *f)
{
    static char byte;
    struct iovec iov[MANY];
    for (int i = 0; i < MANY; i++) {
        iov[i] = (struct iovec){&byte, i < 3};
    }
    vector(d, fd, iov, f->len);
}

static void null_piece(struct differ *d, int fd, const struct form *f)
{
    char data[4] = "abcd";
    struct iovec iov[2] = {{data, 0}, {NULL, f->len}};
    vector(d, fd, iov, 2);
}

/* One piece, then two, of this length: only lengths that fail before anything is touched. */
static void long_pieces(struct differ *d, int fd, const struct form *f)
{
    char data[4] = "abcd";
    struct iovec iov[2] = {{data, f->len}, {data, f->len}};
    vector(d, fd, iov, 1);
    vector(d, fd, iov, 2);
}

static const struct form forms[] = {
    {"recv", do_recv, 4, 0},
    {"recv more", do_recv, ROOM, 0},
    {"recv nothing", do_recv, 0, 0},
    {"recv PEEK", do_recv, 4, MSG_PEEK},
    {"recv PEEK nothing", do_recv, 0, MSG_PEEK},
    {"recv DONTWAIT", do_recv, 8, MSG_DONTWAIT},
    {"recv WAITALL", do_recv, ROOM, MSG_WAITALL},
    {"recv PEEK WAITALL", do_recv, ROOM, MSG_PEEK | MSG_WAITALL},
    {"recv TRUNC", do_recv, 4, MSG_TRUNC},
    {"recv TRUNC PEEK", do_recv, 4, MSG_TRUNC | MSG_PEEK},
    {"recv OOB", do_recv, 4, MSG_OOB},
    {"recv OOB PEEK", do_recv, 4, MSG_OOB | MSG_PEEK},
    {"recv unknown flag", do_recv, 4, 0x01000000},
    {"recv unknown flag 2", do_recv, 4, MSG_FIN | MSG_SYN},
    {"recv CMSG_CLOEXEC", do_recv, 4, MSG_CMSG_CLOEXEC},
    {"recv ERRQUEUE", do_recv, 4, MSG_ERRQUEUE},
    {"recv huge", do_recv, SIZE_MAX, 0},
    {"recv half huge", do_recv, (size_t)SSIZE_MAX, 0},
    {"recv to NULL", recv_null, 4, 0},
    {"recv nothing to NULL", recv_null, 0, 0},
    {"recv TRUNC to NULL", recv_null, 4, MSG_TRUNC},
    {"recvmsg", recv_message, 10, 0},
    {"recvmsg PEEK", recv_message, 10, MSG_PEEK},
    {"recvmsg CMSG_CLOEXEC", recv_message, 10, MSG_CMSG_CLOEXEC},
    {"send", do_send, 4, 0},
    {"send nothing", do_send, 0, 0},
    {"send DONTWAIT", do_send, 4, MSG_DONTWAIT},
    {"send MORE", do_send, 4, MSG_MORE},
    {"send OOB", do_send, 4, MSG_OOB},
    {"send OOB nothing", do_send, 0, MSG_OOB},
    {"send unknown flag", do_send, 4, 0x01000000},
    {"send PEEK WAITALL TRUNC", do_send, 4, MSG_PEEK | MSG_WAITALL | MSG_TRUNC},
    {"send EOR", do_send, 4, MSG_EOR},
    {"send DONTROUTE", do_send, 4, MSG_DONTROUTE},
    {"send CONFIRM", do_send, 4, MSG_CONFIRM},
    {"send from NULL", send_null, 4, 0},
    {"send nothing from NULL", send_null, 0, 0},
    {"sendmsg with a name", send_name, sizeof(struct sockaddr_in), 0},
    {"sendmsg with a short name", send_name, 3, 0},
    {"sendmsg with a name of -1", send_name, (size_t)-1, 0},
    {"no msghdr", no_message, 0, 0},
    {"no iovec", no_vector, 1, 0},
    {"iovec NULL, count 0", no_vector, 0, 0},
    {"1024 iovecs", many_pieces, MANY - 1, 0},
    {"1025 iovecs", many_pieces, MANY, 0},
    {"SIZE_MAX iovecs", many_pieces, SIZE_MAX, 0},
    {"a NULL piece", null_piece, 4, 0},
    {"an empty NULL piece", null_piece, 0, 0},
    {"pieces of SIZE_MAX", long_pieces, SIZE_MAX, 0},
    {"pieces of SSIZE_MAX + 1", long_pieces, (size_t)SSIZE_MAX + 1, 0},
};

void differ_messages(struct differ *d)
{
    for (const struct state *state = differ_states; state->name != NULL; state++) {
        for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
            struct spot s;
            spot_enter(d, state, &s);
            differ_case(d, "%s: %s", state->name, forms[i].name);
            forms[i].run(d, s.fd, &forms[i]);
            note_aftermath(d, &s);
            spot_leave(d, &s);
        }
    }
}
