/* judge.c - two traces compared, and each difference judged. */
#include "differ/differ.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DECISIONS = 400, SAID = 400, MANY = 64 };

/* A line of decisions.tsv: what differs where, by patterns; do the two go on alike; why it may. */
struct decision {
    char text[1000];
    char *script, *state, *step, *kernel, *ours, *then, *reason;
    unsigned used;
};

struct decisions {
    struct decision decision[DECISIONS];
    unsigned count;
};

static struct decisions *read_decisions(const char *path)
{
    struct decisions *all = calloc(1, sizeof *all);
    FILE *f = fopen(path, "r");
    if (all == NULL || f == NULL) {
        fatal("cannot read %s", path);
    }
    for (struct decision *d = all->decision; fgets(d->text, sizeof d->text, f) != NULL;) {
        char *at = d->text;
        at[strcspn(at, "\n")] = '\0';
        if (at[0] == '#' || at[0] == '\0') {
            continue;
        }
        d->script = strsep(&at, "\t");
        d->state = strsep(&at, "\t");
        d->step = strsep(&at, "\t");
        d->kernel = strsep(&at, "\t");
        d->ours = strsep(&at, "\t");
        d->then = strsep(&at, "\t");
        d->reason = at;
        if (at == NULL || ++all->count == DECISIONS) {
            fatal("%s: not seven columns, or too many lines: %s", path, d->text);
        }
        d++;
    }
    fclose(f);
    return all;
}

struct difference {
    const char *script, *state, *step;
    char kernel[SAID], ours[SAID];
};

static const struct decision *decision_on(struct decisions *all, const struct difference *x)
{
    for (unsigned i = 0; i < all->count; i++) {
        struct decision *d = &all->decision[i];
        if (fnmatch(d->script, x->script, 0) == 0 && fnmatch(d->state, x->state, 0) == 0 &&
            fnmatch(d->step, x->step, 0) == 0 && fnmatch(d->kernel, x->kernel, 0) == 0 &&
            fnmatch(d->ours, x->ours, 0) == 0) {
            d->used++;
            return d;
        }
    }
    return NULL;
}

/* ---- comparison ---- */

static void append(char *text, const char *line)
{
    size_t n = strlen(text);
    snprintf(text + n, SAID - n, "%s%s", n > 0 && line[0] != '\0' ? "; " : "", line);
}

struct lines {
    const struct trace_line *line[MANY];
    unsigned count;
};

static bool waits(const struct script *script, unsigned step)
{
    return step < script->count && strncmp(script->step[step], "wait ", 5) == 0;
}

/* Of a step: the segments sent, or all else. */
static void collect(struct lines *l, const struct trace *t, unsigned step, bool sent)
{
    for (unsigned i = 0; i < t->count && l->count < MANY; i++) {
        if (t->line[i].step == step && t->line[i].sent == sent) {
            l->line[l->count++] = &t->line[i];
        }
    }
}

static bool same_line(const struct trace_line *a, const struct trace_line *b)
{
    return strcmp(a->text, b->text) == 0;
}

/* What they say without what they have in common at either end. */
static void contrast(const struct lines *a, const struct lines *b, char *said, char *say)
{
    unsigned start = 0, enda = a->count, endb = b->count;
    while (start < enda && start < endb && same_line(a->line[start], b->line[start])) {
        start++;
    }
    while (enda > start && endb > start && same_line(a->line[enda - 1], b->line[endb - 1])) {
        enda--, endb--;
    }
    for (unsigned i = start; i < enda; i++) {
        append(said, a->line[i]->text);
    }
    for (unsigned i = start; i < endb; i++) {
        append(say, b->line[i]->text);
    }
}

/*
 * A step and the wait behind it are one: what is acknowledged may be so at once or a little later
 * (RFC 9293 3.8.6.3), and the order between what is sent and what a call shows says nothing.
 */
static bool joined(const struct script *script, unsigned step)
{
    return step > 0 && waits(script, step) && !waits(script, step - 1);
}

static bool differ(struct difference *x, const struct script *script, const struct play *kernel,
                   const struct play *ours, unsigned step)
{
    x->kernel[0] = x->ours[0] = '\0';
    for (int sent = 1; sent >= 0; sent--) {
        struct lines theirs = {.count = 0}, mine = {.count = 0};
        for (unsigned i = step; i == step || (i == step + 1 && joined(script, i)); i++) {
            collect(&theirs, &kernel->trace, i, sent);
            collect(&mine, &ours->trace, i, sent);
        }
        contrast(&theirs, &mine, x->kernel, x->ours);
    }
    bool different = x->kernel[0] != '\0' || x->ours[0] != '\0';
    append(x->kernel, x->kernel[0] == '\0' ? "-" : "");
    append(x->ours, x->ours[0] == '\0' ? "-" : "");
    x->script = script->name;
    x->step = script->step[step];
    return different;
}

/* The socket's, as the step began. */
static const char *state_before(const struct play *p, unsigned step)
{
    const char *state = "none";
    for (unsigned i = 0; i < p->trace.count && p->trace.line[i].step < step; i++) {
        if (strncmp(p->trace.line[i].text, "is ", 3) == 0) {
            state = p->trace.line[i].text + 3;
        }
    }
    return state;
}

/* Up to the difference after which the two are in different situations. */
static void compare(const struct script *script, const struct play *kernel,
                    const struct play *ours, struct decisions *all, struct verdict *v)
{
    struct difference x;
    bool same = true, parted = false, wrong = false;
    for (unsigned i = 0; i < script->count && !parted; i++) {
        if (joined(script, i) || !differ(&x, script, kernel, ours, i)) {
            continue;
        }
        x.state = state_before(ours, i);
        same = false;
        const struct decision *d = decision_on(all, &x);
        if (d == NULL) {
            printf("%s\t%s\t%s\t%s\t%s\n", x.script, x.state, x.step, x.kernel, x.ours);
            wrong = true;
        }
        parted = d == NULL || strcmp(d->then, "part") == 0;
    }
    v->scripts++;
    v->same += same;
    v->wrong += wrong;
    v->decided += !same && !wrong;
}

/* Is the decision about a file that was played? */
static bool concerns(const struct decision *d, const struct scripts *scripts)
{
    size_t len = strcspn(d->script, "/") + 1;
    for (unsigned i = 0; i < scripts->count; i++) {
        if (strncmp(scripts->script[i].name, d->script, len) == 0) {
            return true;
        }
    }
    return false;
}

struct verdict judge(const struct scripts *scripts, const struct play *kernel,
                     const struct play *ours, const char *decisions_path)
{
    struct verdict v = {.scripts = 0};
    struct decisions *all = read_decisions(decisions_path);
    for (unsigned i = 0; i < scripts->count; i++) {
        compare(&scripts->script[i], &kernel[i], &ours[i], all, &v);
    }
    for (unsigned i = 0; i < all->count; i++) {
        const struct decision *d = &all->decision[i];
        if (d->used == 0 && concerns(d, scripts)) {
            printf("no difference any more: %s, %s (%s)\n", d->script, d->step, d->reason);
            v.wrong++;
        }
    }
    free(all);
    return v;
}

void trace_print(const struct play *p, const char *side)
{
    printf("%s on %s\n", p->script->name, side);
    for (unsigned i = 0; i < p->script->count; i++) {
        printf("    %s\n", p->script->step[i]);
        for (unsigned j = 0; j < p->trace.count; j++) {
            if (p->trace.line[j].step == i) {
                printf("        %s\n", p->trace.line[j].text);
            }
        }
    }
}
