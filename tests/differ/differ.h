/*
 * differ.h - the same script of segments and calls, once for Linux and once for libmytcp.
 *
 * A script is lines of text (README.md says which). Played on one of the two it gives a trace: what
 * the calls returned, which segments were sent, how state and poll bits changed, by steps of the
 * script. The traces must be the same, but for what decisions.tsv lists with its reasons.
 */
#ifndef DIFFER_DIFFER_H
#define DIFFER_DIFFER_H

#include "mytcp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NAME_SIZE = 80, LINE_SIZE = 128, WORDS_SIZE = 512, FLOWS = 4, PACKET_SIZE = 2048 };

/* ---- scripts (script.c, random.c) ---- */

/* The words of a line. */
struct words {
    char text[WORDS_SIZE];
    char *word[64];
    unsigned count;
};

void words_split(struct words *w, const char *text);
/* The word behind `key`, or NULL. */
const char *words_after(const struct words *w, const char *key);
bool words_have(const struct words *w, const char *key);
long words_number(const struct words *w, const char *key, long otherwise);

struct script {
    char name[NAME_SIZE]; /* file/name */
    char (*step)[LINE_SIZE];
    unsigned count, room;
};

struct scripts {
    struct script *script;
    unsigned count, room;
    struct script *def; /* what lines may name; of one file */
    unsigned def_count, def_room;
};

/* All of a file, or the end of the program with the reason. */
void scripts_load(struct scripts *s, const char *path);
/* Seeded ones, each beginning in one of the states: anything, or a flight with losses. */
void scripts_random(struct scripts *s, const char *file, const struct words *states,
                    unsigned count);
void scripts_losses(struct scripts *s, const char *file, const struct words *states,
                    unsigned count);
struct script *scripts_new(struct scripts *s, const char *file, const char *name);
/* A line, or the lines that it stands for. */
void scripts_add(struct scripts *s, struct script *script, const char *line);
void scripts_free(struct scripts *s);
void fatal(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* ---- playing one on one side (play.c) ---- */

struct flow { /* one connection of the peer's, by its port */
    uint32_t iss, irs;         /* the initial numbers: of what is played, and of the peer */
    bool iss_known, ts;        /* the peer's segments carry timestamps */
    uint32_t snd_end, rcv_end; /* relative: the ends of what either has sent in order */
    uint32_t last;             /* relative: where the last segment heard began */
    uint32_t tsval_seen;
};

struct trace_line {
    unsigned step;
    bool sent; /* a segment; else what a call returned or showed */
    char text[LINE_SIZE];
};

struct trace {
    struct trace_line *line;
    unsigned count, room;
};

struct play {
    const struct script *script;
    mytcp_stack *stack; /* NULL: the kernel's */
    int tun;            /* of the kernel's */
    struct in_addr self, peer;
    uint16_t self_port, peer_port; /* the flow's number is added to the peer's */
    int fd, listener;              /* or -1 */
    struct flow flow[FLOWS];
    unsigned step;
    uint64_t now_us; /* since it began, by the script's waits and PLAY_STEP_US a step */
    bool open;       /* a step was made and goes on until now_us */
    int state, bits; /* as last told */
    uint64_t read_at; /* of the peer's stream, by the application */
    uint64_t written; /* of the application's stream */
    struct trace trace;
};

enum { PLAY_STEP_US = 100 };

void play_begin(struct play *p, const struct script *script);
/* Make the next step; false if there is none. What is sent until now_us is then to be given to
 * play_heard; play_observe ends the step, if there is one. */
bool play_act(struct play *p);
void play_observe(struct play *p);
void play_end(struct play *p); /* forget the connection: reset, not told */
/* A packet was sent. */
void play_heard(struct play *p, const uint8_t *packet, size_t len);
/* A line of the trace: of a call, of a segment. */
void play_tell(struct play *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
void play_tell_sent(struct play *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A packet to it. */
void play_say(struct play *p, const uint8_t *packet, size_t len);

/* ---- packets (segment.c) ---- */

/* The packet that "in FLAGS ..." or "icmp TYPE CODE ..." stands for; the play takes note of it. */
size_t segment_make(struct play *p, const struct words *w, uint8_t *packet);
size_t segment_make_icmp(struct play *p, const struct words *w, uint8_t *packet);
/* The line of the trace for a packet that was sent. */
void segment_tell(struct play *p, const uint8_t *packet, size_t len);
/* The byte at an offset of the peer's stream, or of the application's. */
uint8_t stream_byte(uint64_t offset);

/* ---- calls (call.c) ---- */

/* Makes the call; false if it is none. */
bool call_make(struct play *p, const struct words *w);
int call_state(struct play *p);     /* TCP_INFO's, 0 without a socket */
int call_poll_bits(struct play *p); /* 0 without a socket */

#define CALL(p, name, ...)                                                                         \
    ((p)->stack ? mytcp_##name((p)->stack, __VA_ARGS__) : name(__VA_ARGS__))

/* ---- the two sides (kernel.c, ours.c) ---- */

/* All scripts at once through the device, in real time. A play that could not keep its times begins
 * anew; `again` counts that. False if there is no end of it: the machine is too busy. */
bool kernel_play(struct play *plays, const struct scripts *scripts, const char *device,
                 unsigned *again);
void ours_play(struct play *play, const struct script *script, const struct mytcp_config *config);

/* ---- comparison (judge.c) ---- */

struct verdict {
    unsigned scripts, same, decided, wrong; /* scripts: as they end; wrong ones are printed */
};

/* Also a decision of these scripts' files that is no difference any more counts as wrong. */
struct verdict judge(const struct scripts *scripts, const struct play *kernel,
                     const struct play *ours, const char *decisions_path);
void trace_print(const struct play *p, const char *side);

#endif
