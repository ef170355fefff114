/* A failing run, reduced: all that it fails without is taken out, by halves, then singly (delta debugging),
 * until nothing more goes. A reduced run fails in the same way: at the same place of the simulator, or it
 * dies. Each trial is a process of its own. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run.h"

enum { ITEMS_MAX = LESS_CONNS + PHASES_MAX + 32 + FIRED_MAX, TRIAL_S = 20, TRIALS_MAX = 3000 };

/* What a trial tells. */
struct verdict {
    bool done, failed;
    const char *kind; /* of failure: its format */
    uint32_t fired_count;
    uint64_t fired[FIRED_MAX];
};

enum item_kind { ITEM_OFF, ITEM_CONN, ITEM_PHASE, ITEM_FAULT };

struct item {
    enum item_kind kind;
    uint64_t which;
    bool out;
};

struct search {
    const struct scenario *scenario;
    uint64_t seed;
    const char *kind;      /* of the failure sought; NULL: the run dies */
    uint64_t bytes_max;
    struct item items[ITEMS_MAX];
    uint32_t count, trials;
    bool listed;
    struct verdict *verdict; /* shared with the trial */
};

static bool make_less(const struct search *s, struct less *l)
{
    memset(l, 0, sizeof(*l));
    l->bytes_max = s->bytes_max;
    l->listed = s->listed;
    for (uint32_t i = 0; i < s->count; i++) {
        const struct item *it = &s->items[i];
        if (it->kind == ITEM_FAULT && !it->out) {
            if (l->fault_count == LESS_FAULTS) {
                return false;
            }
            l->faults[l->fault_count++] = it->which;
        } else if (it->out && it->kind == ITEM_OFF) {
            l->off |= (uint32_t)it->which;
        } else if (it->out && it->kind == ITEM_PHASE) {
            l->phases_out |= 1u << it->which;
        } else if (it->out && it->kind == ITEM_CONN) {
            l->out[it->which / 64] |= (uint64_t)1 << (it->which % 64);
        }
    }
    return true;
}

static void trial(struct search *s, const struct less *l)
{
    static struct world w;
    if (freopen("/dev/null", "w", stdout) == NULL || freopen("/dev/null", "w", stderr) == NULL) {
        _exit(1);
    }
    alarm(TRIAL_S);
    run_reduced(s->scenario, s->seed, l, &w, false);
    s->verdict->failed = w.failed;
    s->verdict->kind = w.failure_kind;
    s->verdict->fired_count = w.fired_count;
    memcpy(s->verdict->fired, w.fired, sizeof(w.fired));
    s->verdict->done = true;
    _exit(0);
}

/* Run it with what is still in. True if it fails as it should. */
static bool fails(struct search *s)
{
    struct less l;
    if (s->trials++ >= TRIALS_MAX || (!make_less(s, &l) && s->listed)) {
        return false;
    }
    memset(s->verdict, 0, sizeof(*s->verdict));
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        trial(s, &l);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    if (!s->verdict->done) {
        return s->kind == NULL && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM);
    }
    return s->verdict->failed && s->verdict->kind == s->kind;
}

/* Take out all items of a kind that are not needed. True if any went. */
static bool reduce(struct search *s, enum item_kind kind)
{
    uint32_t at[ITEMS_MAX], n = 0;
    bool any = false;
    for (uint32_t i = 0; i < s->count; i++) {
        if (s->items[i].kind == kind && !s->items[i].out) {
            at[n++] = i;
        }
    }
    for (uint32_t size = n; size != 0; size /= 2) {
        for (uint32_t from = 0; from < n; from += size) {
            bool gone[ITEMS_MAX], new = false;
            for (uint32_t i = from; i < n && i < from + size; i++) {
                gone[i] = s->items[at[i]].out;
                new = new || !gone[i];
                s->items[at[i]].out = true;
            }
            if (new && fails(s)) {
                any = true;
                continue;
            }
            for (uint32_t i = from; i < n && i < from + size; i++) {
                s->items[at[i]].out = gone[i];
            }
        }
    }
    return any;
}

static void fewer_bytes(struct search *s)
{
    for (uint64_t step = s->bytes_max / 2; step != 0; step /= 2) {
        uint64_t before = s->bytes_max;
        s->bytes_max = before > step ? before - step : 1;
        if (!fails(s)) {
            s->bytes_max = before;
        }
    }
}

static void add(struct search *s, enum item_kind kind, uint64_t which)
{
    if (s->count < ITEMS_MAX) {
        s->items[s->count++] = (struct item){kind, which, false};
    }
}

/* From here on by single misfortunes: those that befell the last failing run. */
static bool list_faults(struct search *s)
{
    if (!fails(s) || !s->verdict->done || s->verdict->fired_count > LESS_FAULTS) {
        return false;
    }
    uint32_t count = s->count;
    for (uint32_t i = 0; i < s->verdict->fired_count; i++) {
        add(s, ITEM_FAULT, s->verdict->fired[i]);
    }
    s->listed = true;
    if (!fails(s)) {
        s->listed = false;
        s->count = count;
    }
    return s->listed;
}

static void search(struct search *s)
{
    for (bool again = true; again && s->trials < TRIALS_MAX;) {
        again = reduce(s, ITEM_CONN);
        again = reduce(s, ITEM_OFF) || again;
        again = reduce(s, ITEM_PHASE) || again;
        fewer_bytes(s);
        again = (s->listed ? reduce(s, ITEM_FAULT) : list_faults(s)) || again;
    }
}

void shrink(const struct scenario *scenario, uint64_t seed)
{
    static struct search s;
    static struct world w;
    struct setup setup;
    struct less l;
    static char text[20 * LESS_FAULTS];
    scenario_setup(scenario, seed, &setup);
    s = (struct search){.scenario = scenario, .seed = seed, .bytes_max = setup.bytes_max};
    s.verdict = mmap(NULL, sizeof(*s.verdict), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s.verdict == MAP_FAILED) {
        return;
    }
    if (!fails(&s)) { /* not as a death: then as what it is */
        s.kind = s.verdict->kind;
        if (!s.verdict->failed) {
            printf("# not reduced: it fails in comparison only\n");
            return;
        }
    }
    for (uint32_t i = 0; i < setup.conns && i < LESS_CONNS; i++) {
        add(&s, ITEM_CONN, i);
    }
    for (uint32_t bit = 1; bit < OFF_ENDS; bit *= 2) {
        add(&s, ITEM_OFF, bit);
    }
    for (uint32_t i = 0; i < setup.phase_count; i++) {
        add(&s, ITEM_PHASE, i);
    }
    search(&s);
    make_less(&s, &l);
    less_print(&l, text, sizeof(text));
    printf("# reduced in %u trials to:\n", s.trials);
    fflush(stdout);
    if (fork() == 0) {
        run_reduced(scenario, seed, &l, &w, true);
        printf("# %u events; %s\n", w.happened, w.failure);
        fflush(stdout);
        _exit(0);
    }
    wait(NULL);
    printf("# replay: build/tests/sim --seed %llu --scenario %s --less %s\n", (unsigned long long)seed,
           scenario->name, text);
    munmap(s.verdict, sizeof(*s.verdict));
}
