/* play.c - one script on one side, step by step. */
#include "differ/differ.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const uint32_t IRS = 0xfffffc00, NO_ISS = 0x20000000; /* the peer's numbers wrap soon */

void play_begin(struct play *p, const struct script *script)
{
    p->script = script;
    p->fd = p->listener = -1;
    p->step = 0;
    p->now_us = 0;
    p->open = false;
    p->state = p->bits = 0;
    p->read_at = p->written = 0;
    p->trace.count = 0;
    for (unsigned i = 0; i < FLOWS; i++) {
        p->flow[i] = (struct flow){.iss = NO_ISS, .irs = IRS + (i << 24)};
    }
}

static void tell(struct play *p, bool sent, const char *format, va_list args)
{
    struct trace *t = &p->trace;
    if (t->count == t->room) {
        t->room = t->room * 2 + 32;
        t->line = realloc(t->line, t->room * sizeof *t->line);
        if (t->line == NULL) {
            fatal("no memory");
        }
    }
    struct trace_line *l = &t->line[t->count++];
    vsnprintf(l->text, sizeof l->text, format, args);
    l->step = p->step;
    l->sent = sent;
}

void play_tell(struct play *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tell(p, false, format, args);
    va_end(args);
}

void play_tell_sent(struct play *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tell(p, true, format, args);
    va_end(args);
}

void play_say(struct play *p, const uint8_t *packet, size_t len)
{
    if (p->stack == NULL) {
        if (write(p->tun, packet, len) != (ssize_t)len) {
            fatal("the device takes no packet of %zu bytes", len);
        }
        return;
    }
    struct mytcp_packet in = {.data = (void *)(uintptr_t)packet, .len_bytes = (uint32_t)len};
    mytcp_input(p->stack, &in, p->now_us);
}

void play_heard(struct play *p, const uint8_t *packet, size_t len)
{
    if (p->open) {
        segment_tell(p, packet, len);
    }
}

bool play_act(struct play *p)
{
    uint8_t packet[PACKET_SIZE];
    struct words w;
    if (p->step == p->script->count) {
        return false;
    }
    words_split(&w, p->script->step[p->step]);
    p->now_us += PLAY_STEP_US;
    p->open = true;
    if (strcmp(w.word[0], "wait") == 0) {
        p->now_us += (uint64_t)words_number(&w, "wait", 0) * 1000;
    } else if (strcmp(w.word[0], "in") == 0) {
        play_say(p, packet, segment_make(p, &w, packet));
    } else if (strcmp(w.word[0], "icmp") == 0) {
        play_say(p, packet, segment_make_icmp(p, &w, packet));
    } else if (!call_make(p, &w)) {
        fatal("%s: what is '%s'?", p->script->name, p->script->step[p->step]);
    }
    return true;
}

static const char *bits_text(int bits, char *text, size_t size)
{
    static const struct {
        int bit;
        const char *name;
    } names[] = {{POLLIN, " IN"},   {POLLPRI, " PRI"}, {POLLOUT, " OUT"},
                 {POLLERR, " ERR"}, {POLLHUP, " HUP"}, {POLLRDHUP, " RDHUP"}};
    text[0] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (bits & names[i].bit) {
            size_t n = strlen(text);
            snprintf(text + n, size - n, "%s", names[i].name);
        }
    }
    return text;
}

void play_observe(struct play *p)
{
    char text[48];
    if (!p->open) {
        return;
    }
    int state = call_state(p), bits = call_poll_bits(p);
    if (state != p->state) {
        play_tell(p, "is %s", state ? mytcp_state_name(state) : "gone");
    }
    if (bits != p->bits) {
        play_tell(p, "poll%s", bits_text(bits, text, sizeof text));
    }
    p->state = state;
    p->bits = bits;
    p->open = false;
    p->step++;
}

void play_end(struct play *p)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (p->fd >= 0) {
        CALL(p, setsockopt, p->fd, SOL_SOCKET, SO_LINGER, &now, (socklen_t)sizeof now);
        CALL(p, close, p->fd);
    }
    if (p->listener >= 0) {
        CALL(p, close, p->listener);
    }
    p->fd = p->listener = -1;
}
