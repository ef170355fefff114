/* losses.c - scripts by chance: a flight of segments, of which some are lost or come late, and the
 * ACKs that a receiver answers it with. */
#include "differ/differ.h"

#include "lib/random.h"

#include <stdio.h>
#include <string.h>

enum { SEGMENT = 1000, FLIGHT = 10, BLOCKS = 3 };

/* The stream's number where a segment of the flight begins; one segment came before it. */
static unsigned number_of(unsigned segment) { return (segment + 1) * SEGMENT + 1; }

/* The runs of segments beyond a hole: the one with `last` first (RFC 2018 4), then the others. */
static void add_blocks(char *line, unsigned have, unsigned next, unsigned last)
{
    unsigned blocks = 0;
    for (unsigned newest = 2; newest-- > 0;) {
        for (unsigned start = next, end; start < FLIGHT; start = end + 1) {
            for (end = start; end < FLIGHT && have & 1u << end; end++) {
            }
            if (end > start && (start <= last && last < end) == newest && blocks < BLOCKS) {
                size_t n = strlen(line);
                snprintf(line + n, LINE_SIZE - n, "%s%u-%u", blocks++ == 0 ? " sack " : ",",
                         number_of(start), number_of(end));
            }
        }
    }
}

/* What a receiver says that has these segments of the flight, the last one just now. */
static void acknowledge(struct scripts *s, struct script *script, unsigned have, unsigned last,
                        bool sack)
{
    char line[LINE_SIZE];
    unsigned next = 0;
    while (have & 1u << next) {
        next++;
    }
    snprintf(line, sizeof line, "in A upto %u", number_of(next));
    if (sack) {
        add_blocks(line, have, next, last);
    }
    scripts_add(s, script, line);
}

/* The flight arrives, some of it swapped with its neighbour; returns what is there. */
static unsigned arrive(struct scripts *s, struct script *script, struct random *r, bool sack)
{
    unsigned have = 0, order[FLIGHT];
    for (unsigned i = 0; i < FLIGHT; i++) {
        order[i] = i;
    }
    for (unsigned i = 0; i + 1 < FLIGHT; i += 2) {
        if (random_below(r, 5) == 0) {
            order[i] = i + 1;
            order[i + 1] = i;
        }
    }
    for (unsigned i = 0; i < FLIGHT; i++) {
        if (random_below(r, 4) != 0) {
            have |= 1u << order[i];
            acknowledge(s, script, have, order[i], sack);
        }
    }
    return have;
}

/* Then what was sent again arrives: the first segment of it, or all. That takes longer than any
 * round trip measured before: a sooner ACK might be the original's (RFC 8985 6.2 step 2). */
static void repair(struct scripts *s, struct script *script, struct random *r, unsigned have,
                   bool sack)
{
    scripts_add(s, script, "wait 80");
    if (random_below(r, 2) == 0) {
        unsigned hole = 0;
        while (have & 1u << hole) {
            hole++;
        }
        acknowledge(s, script, have | 1u << hole, hole, sack);
        scripts_add(s, script, "wait 80");
    }
    scripts_add(s, script, "in A");
}

void scripts_losses(struct scripts *s, const char *file, const struct words *states,
                    unsigned count)
{
    for (unsigned seed = 1; seed <= count; seed++) {
        struct random r = {seed};
        char name[NAME_SIZE];
        const char *state = states->word[random_below(&r, states->count)];
        bool sack = strstr(state, "no-sack") == NULL;
        snprintf(name, sizeof name, "%u of %s", seed, state);
        struct script *script = scripts_new(s, file, name);
        scripts_add(s, script, state);
        scripts_add(s, script, "send 10000");
        scripts_add(s, script, "wait 40");
        repair(s, script, &r, arrive(s, script, &r, sack), sack);
        scripts_add(s, script, "after");
    }
}
