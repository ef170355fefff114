/* random.c - scripts by chance: any state, and then anything, the same for the same seed. */
#include "differ/differ.h"

#include "lib/random.h"

#include <stdio.h>
#include <string.h>

/* Chosen with equal chance: what is common stands more than once. */
static const char *const flags[] = {"A", "A", "A", "PA", "PA", "FA", "R", "RA", "S", "SA", "F"};
static const char *const offsets[] = {"0", "0", "0", "0", "0", "10", "-1", "-10", "100", "5000"};
static const char *const acks[] = {"0", "0", "0", "0", "0", "-1", "-5", "1", "-100000", "100000"};
static const char *const lens[] = {"0", "0", "1", "10", "10", "100", "1460"};
static const char *const calls[] = {
    "send 10",  "send 1000", "recv 1000",   "recv 5",        "close",
    "send 5000", "recv 1000", "shutdown wr", "shutdown rdwr", "error",
};

#define ANY(r, list) (list)[random_below((r), sizeof(list) / sizeof(list)[0])]

/* A FIN is in order: of one that is not, Linux tells by SACK, so that all the rest differs. */
static bool random_segment(struct random *r, char *line)
{
    const char *f = ANY(r, flags), *seq = ANY(r, offsets), *ack = ANY(r, acks), *len = ANY(r, lens);
    bool rst = strchr(f, 'R') != NULL, fin = strchr(f, 'F') != NULL;
    seq = fin ? "0" : seq;
    len = rst ? "0" : len;
    snprintf(line, LINE_SIZE, "in %s seq %s ack %s len %s", f, seq, ack, len);
    return fin;
}

/* Behind most a time in which a delayed ACK is sent; no multiple of it is near a retransmission. */
static void random_step(struct scripts *s, struct script *script, struct random *r)
{
    char line[LINE_SIZE];
    bool fin = false;
    if (random_below(r, 4) == 0) {
        snprintf(line, sizeof line, "%s", ANY(r, calls));
    } else {
        fin = random_segment(r, line);
    }
    scripts_add(s, script, line);
    if (random_below(r, 3) > 0 || fin) {
        scripts_add(s, script, "wait 80");
    }
}

void scripts_random(struct scripts *s, const char *file, const struct words *states,
                    unsigned count)
{
    for (unsigned seed = 1; seed <= count; seed++) {
        struct random r = {seed};
        char line[LINE_SIZE];
        const char *state = states->word[random_below(&r, states->count)];
        snprintf(line, sizeof line, "%u from %s", seed, state);
        struct script *script = scripts_new(s, file, line);
        scripts_add(s, script, state);
        for (unsigned n = 3 + random_below(&r, 4); n > 0; n--) {
            random_step(s, script, &r);
        }
        scripts_add(s, script, "after");
    }
}
