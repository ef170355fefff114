/* A failing run, reduced: all that it fails without is taken out, by halves, then singly (delta
 * debugging), until nothing more goes. Other luck is tried, for a failure by fewer misfortunes; these
 * are then written down, as a list from which each can be taken. A reduced run fails in the same way:
 * at the same place of the simulator, or it dies. Each trial is a process of its own. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run.h"

enum {
    ITEMS_MAX = LESS_CONNS + PHASES_MAX + 32 + FIRED_MAX,
    TRIAL_S = 20,
    TRIALS_MAX = 10000,
    LUCKS = 300,
    LUCKS_EACH = 60,
    FEW_FIRED = 5,
    EVENTS_FEW = 20,
    PLANTED_SEEDS = 8
};

/* What a trial leaves, also one that dies. */
struct verdict {
    bool done;
    struct world world;
};

enum item_kind { ITEM_OFF, ITEM_CONN, ITEM_PHASE, ITEM_FAULT };

struct item {
    enum item_kind kind;
    uint32_t which; /* ITEM_FAULT: of the list */
    bool out;
};

struct search {
    const struct scenario *scenario;
    uint64_t seed;
    const char *kind;      /* of the failure sought; NULL: the run dies */
    uint64_t bytes_max[2];
    struct misfortune list[FIRED_MAX];
    struct item items[ITEMS_MAX];
    uint32_t count, trials;
    uint32_t luck, lucks; /* so many others are tried before a trial counts as good */
    bool listed;
    struct verdict *verdict; /* shared with the trial */
};

static bool make_less(const struct search *s, struct less *l)
{
    memset(l, 0, sizeof(*l));
    memcpy(l->bytes_max, s->bytes_max, sizeof(l->bytes_max));
    l->luck = s->luck;
    l->listed = s->listed;
    for (uint32_t i = 0; i < s->count; i++) {
        const struct item *it = &s->items[i];
        if (it->kind == ITEM_FAULT && !it->out) {
            if (l->fault_count == LESS_FAULTS) {
                return false;
            }
            l->faults[l->fault_count++] = s->list[it->which];
        } else if (it->out && it->kind == ITEM_OFF) {
            l->off |= it->which;
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
    if (freopen("/dev/null", "w", stdout) == NULL || freopen("/dev/null", "w", stderr) == NULL) {
        _exit(1);
    }
    alarm(TRIAL_S);
    run_reduced(s->scenario, s->seed, l, &s->verdict->world, false);
    s->verdict->done = true;
    _exit(0);
}

/* What is listed and did not happen is not needed. */
static void forget_idle(struct search *s)
{
    const struct world *w = &s->verdict->world;
    for (uint32_t i = 0; i < s->count && w->fired_count <= FIRED_MAX; i++) {
        struct item *it = &s->items[i];
        uint32_t k = 0;
        while (it->kind == ITEM_FAULT && k < w->fired_count &&
               w->fired[k].what != s->list[it->which].what) {
            k++;
        }
        it->out = it->out || (it->kind == ITEM_FAULT && k == w->fired_count);
    }
}

/* Run it with what is still in. True if it fails as it should. */
static bool fails_now(struct search *s)
{
    struct less l;
    if (s->trials++ >= TRIALS_MAX || (!make_less(s, &l) && s->listed)) {
        return false;
    }
    s->verdict->done = false;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        trial(s, &l);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    const struct world *w = &s->verdict->world;
    bool died = !s->verdict->done && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM);
    bool failed = s->verdict->done && w->failed;
    if (s->kind == NULL ? !died : !failed || w->failure_kind != s->kind) {
        return false;
    }
    forget_idle(s);
    return true;
}

static bool fails(struct search *s)
{
    uint32_t luck = s->luck;
    bool failed = fails_now(s);
    for (uint32_t i = 1; i <= s->lucks && !failed; i++) {
        s->luck = i;
        failed = fails_now(s);
    }
    s->luck = failed ? s->luck : luck;
    return failed;
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

/* Other luck may lead to the failure by fewer misfortunes than these. */
static void better_luck(struct search *s)
{
    uint32_t best = s->luck, fewest = fails(s) ? s->verdict->world.fired_count : UINT32_MAX;
    for (uint32_t luck = 1; luck <= LUCKS && fewest > FEW_FIRED; luck++) {
        s->luck = luck;
        if (fails(s) && s->verdict->world.fired_count < fewest) {
            best = luck;
            fewest = s->verdict->world.fired_count;
        }
    }
    s->luck = best;
}

static void fewer_bytes(struct search *s, uint64_t *bytes)
{
    for (uint64_t step = *bytes / 2; step != 0; step /= 2) {
        uint64_t before = *bytes;
        *bytes = before > step ? before - step : 1;
        if (!fails(s)) {
            *bytes = before;
        }
    }
}

static void add(struct search *s, enum item_kind kind, uint32_t which)
{
    if (s->count < ITEMS_MAX) {
        s->items[s->count++] = (struct item){kind, which, false};
    }
}

/* From here on by single misfortunes: those that befell the last failing run. */
static bool list_faults(struct search *s)
{
    if (!fails(s) || s->verdict->world.fired_count > LESS_FAULTS) {
        return false;
    }
    uint32_t count = s->count, fired = s->verdict->world.fired_count;
    memcpy(s->list, s->verdict->world.fired, fired * sizeof(s->list[0]));
    for (uint32_t i = 0; i < fired; i++) {
        add(s, ITEM_FAULT, i);
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
        again = (s->listed ? reduce(s, ITEM_FAULT) : list_faults(s)) || again;
        again = reduce(s, ITEM_OFF) || again;
        again = reduce(s, ITEM_PHASE) || again;
        fewer_bytes(s, &s->bytes_max[0]);
        fewer_bytes(s, &s->bytes_max[1]);
    }
}

/* Misfortunes that are left; UINT32_MAX: they are not known one by one. */
static uint32_t listed(const struct search *s)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        n += s->items[i].kind == ITEM_FAULT && !s->items[i].out;
    }
    return s->listed ? n : UINT32_MAX;
}

/* What is left, but misfortunes are drawn again, of all kinds. */
static void unlist(struct search *s)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        if (s->items[i].kind != ITEM_FAULT) {
            s->items[kept] = s->items[i];
            s->items[kept].out = s->items[kept].out && s->items[kept].kind != ITEM_OFF;
            kept++;
        }
    }
    s->count = kept;
    s->listed = false;
}

/* By other luck a run can be much smaller: with less in it what is left befalls other packets, and
 * the failure needs its own. */
static void search_by_luck(struct search *s)
{
    unlist(s);
    s->lucks = LUCKS_EACH;
    reduce(s, ITEM_CONN);
    reduce(s, ITEM_PHASE);
    fewer_bytes(s, &s->bytes_max[0]);
    fewer_bytes(s, &s->bytes_max[1]);
    s->lucks = 0;
    better_luck(s);
    search(s);
}

/* With the luck that was, then with other, as long as that leaves fewer misfortunes. */
static void search_all(struct search *s)
{
    static struct search fresh;
    search(s);
    for (bool better = true; better && listed(s) > FEW_FIRED;) {
        fresh = *s;
        search_by_luck(&fresh);
        s->trials = fresh.trials;
        better = listed(&fresh) < listed(s);
        if (better) {
            *s = fresh;
        }
    }
}

/* Run what is left, and tell what happens in it. Returns how many events that are. */
static uint32_t tell(struct search *s)
{
    struct world *w = &s->verdict->world;
    static char text[40 * LESS_FAULTS];
    struct less l;
    make_less(s, &l);
    less_print(&l, text, sizeof(text));
    printf("# reduced in %u trials to:\n", s->trials);
    fflush(stdout);
    if (fork() == 0) {
        setvbuf(stdout, NULL, _IOLBF, 0); /* it may die */
        run_reduced(s->scenario, s->seed, &l, w, true);
        fflush(stdout);
        _exit(0);
    }
    wait(NULL);
    printf("# %u events; %s\n", w->happened, s->kind == NULL ? "died" : w->failure);
    printf("# replay: build/tests/sim --seed %llu --scenario %s --less %s\n",
           (unsigned long long)s->seed, s->scenario->name, text);
    return w->happened;
}

uint32_t shrink(const struct scenario *scenario, uint64_t seed)
{
    static struct search s;
    struct setup setup;
    scenario_setup(scenario, seed, &setup);
    s = (struct search){.scenario = scenario, .seed = seed};
    s.bytes_max[0] = s.bytes_max[1] = setup.bytes_max;
    s.verdict = mmap(NULL, sizeof(*s.verdict), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s.verdict == MAP_FAILED) {
        return 0;
    }
    if (!fails(&s)) { /* not as a death: then as what it is */
        s.kind = s.verdict->world.failure_kind;
        if (!s.verdict->done || !s.verdict->world.failed) {
            printf("# not reduced: alone it does not fail\n");
            munmap(s.verdict, sizeof(*s.verdict));
            return 0;
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
    search_all(&s);
    uint32_t events = tell(&s);
    munmap(s.verdict, sizeof(*s.verdict));
    return events;
}

/* True if enough seeds of it fail, and each is reduced to few events. */
static bool shrinks(const struct scenario *scenario, unsigned number)
{
    uint32_t reduced = 0, most = 0;
    for (uint64_t seed = 1; seed <= PLANTED_SEEDS; seed++) {
        uint32_t events = shrink(scenario, seed);
        reduced += events != 0;
        most = events > most ? events : most;
    }
    bool good = reduced >= PLANTED_SEEDS / 4 && most <= EVENTS_FEW;
    printf("%sok %u - %s: %u of them to at most %u events\n", good ? "" : "not ", number,
           scenario->sentence, reduced, most);
    return good;
}

int shrink_main(void)
{
    bool good = true;
    for (unsigned i = 0; i < PLANTED; i++) {
        good = shrinks(&scenarios_planted[i], i + 1) && good;
    }
    printf("1..%u\n", PLANTED);
    return !good;
}
