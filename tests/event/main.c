/*
 * The event table: every state x every set of flags x classes of SEQ x classes of ACK x payloads x
 * timestamps, each cell played to a stack and compared with the oracle.
 *
 *     event               all, a process for each state; TAP
 *     event STATE         one state
 *     event STATE CELL    one cell: what it is, what is expected, what happened
 */
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    SEQ_CLASSES = 8,
    ACK_CLASSES = 9,
    LEN_CLASSES = 3,
    TS_CLASSES = 6,
    FLAG_SETS = 64,
    MSS = 1448
};

static const char *const seq_names[SEQ_CLASSES] = {"RCV.NXT",     "RCV.NXT-1",   "RCV.NXT-3000",
                                                   "RCV.NXT+700", "edge-1",      "edge",
                                                   "edge+3000",   "RCV.NXT+2^31"};
static const char *const ack_names[ACK_CLASSES] = {"SND.NXT",
                                                   "SND.UNA",
                                                   "inside",
                                                   "SND.NXT-1",
                                                   "SND.UNA-1",
                                                   "SND.UNA-MAX.SND.WND",
                                                   "SND.UNA-MAX.SND.WND-1",
                                                   "SND.NXT+1",
                                                   "SND.UNA+2^31"};
static const char *const ts_names[TS_CLASSES] = {
    "newer", "none", "equal", "older", "none, not negotiated", "some, not negotiated"};

/* A cell's number is flags, SEQ, ACK, payload and timestamps in one. */
enum { CELLS = FLAG_SETS * SEQ_CLASSES * ACK_CLASSES * LEN_CLASSES * TS_CLASSES };

struct cell {
    unsigned flags;
    int seq, ack, len, ts;
};

static struct cell cell_of(int n)
{
    struct cell c;
    c.ts = n % TS_CLASSES;
    n /= TS_CLASSES;
    c.len = n % LEN_CLASSES;
    n /= LEN_CLASSES;
    c.ack = n % ACK_CLASSES;
    n /= ACK_CLASSES;
    c.seq = n % SEQ_CLASSES;
    c.flags = (unsigned)(n / SEQ_CLASSES);
    return c;
}

static bool negotiated(const struct cell *c) { return c->ts < 4; }

static uint32_t seq_of(const struct event_tcb *t, int class)
{
    uint32_t edge = t->rcv_nxt + t->rcv_wnd;
    const uint32_t value[SEQ_CLASSES] = {
        t->rcv_nxt, t->rcv_nxt - 1, t->rcv_nxt - 3000, t->rcv_nxt + 700,
        edge - 1,   edge,           edge + 3000,       t->rcv_nxt + (1u << 31) + 100};
    return value[class];
}

static uint32_t ack_of(const struct event_tcb *t, int class)
{
    uint32_t oldest = t->snd_una - t->max_snd_wnd;
    const uint32_t value[ACK_CLASSES] = {
        t->snd_nxt,     t->snd_una,     t->snd_una + (t->snd_nxt - t->snd_una) / 2,
        t->snd_nxt - 1, t->snd_una - 1, oldest,
        oldest - 1,     t->snd_nxt + 1, t->snd_una + (1u << 31) + 100};
    return value[class];
}

/* Is there such a cell in this situation, and is it not the same as another? */
static bool exists(const struct situation *s, const struct event_tcb *t, const struct cell *c)
{
    for (int i = 0; i < c->seq; i++)
        if (seq_of(t, i) == seq_of(t, c->seq)) return false;
    for (int i = 0; i < c->ack; i++)
        if (ack_of(t, i) == ack_of(t, c->ack)) return false;
    if (!(c->flags & TH_ACK) && c->ack > 1)
        return false;              /* a field that means nothing: two are enough */
    return s->any_ts || c->ts < 3; /* no timestamps came yet: none is older */
}

static struct event_segment segment_of(const struct event_tcb *t, const struct cell *c)
{
    static const uint32_t lens[LEN_CLASSES] = {0, 1, MSS};
    static const uint32_t tsvals[TS_CLASSES] = {1, 0, 0, UINT32_MAX, 0, 1};
    struct event_segment seg = {.flags = c->flags,
                                .seq = seq_of(t, c->seq),
                                .ack = ack_of(t, c->ack),
                                .len = lens[c->len],
                                .wnd = SEGMENT_WND,
                                .up = SEGMENT_UP};
    seg.has_ts = c->ts != 1 && c->ts != 4;
    seg.tsval = seg.has_ts ? (uint32_t)TS_RECENT + tsvals[c->ts] : 0;
    return seg;
}

/* ---- text ---- */

static void put_flags(FILE *f, unsigned flags)
{
    static const char *const names[6] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG"};
    const char *comma = "";
    for (int i = 0; i < 6; i++) {
        if (!(flags & 1u << i)) continue;
        fprintf(f, "%s%s", comma, names[i]);
        comma = ",";
    }
}

static void put_cell(FILE *f, const struct cell *c)
{
    static const char *const lens[LEN_CLASSES] = {"0", "1", "MSS"};
    fprintf(f, "<SEQ=%s><ACK=%s><CTL=", seq_names[c->seq], ack_names[c->ack]);
    put_flags(f, c->flags);
    fprintf(f, "> text %s, timestamp %s", lens[c->len], ts_names[c->ts]);
}

/* Sequence numbers count from the initial ones of before the segment. */
static void put_outcome(FILE *f, const struct event_tcb *from, const struct event_outcome *o)
{
    fprintf(f, "%s", mytcp_state_name(o->tcb.state));
    for (int i = 0; i < o->answers; i++) {
        const struct event_answer *w = &o->answer[i];
        if (w->fresh_iss) fprintf(f, " <SEQ=new");
        else fprintf(f, " <SEQ=%d", (int)(w->seq - from->iss));
        if (w->flags & TH_ACK) fprintf(f, " ACK=%d", (int)(w->ack - from->irs));
        fprintf(f, " CTL=");
        put_flags(f, w->flags);
        if (w->has_ts) fprintf(f, " TSecr=%d", (int)w->tsecr);
        fprintf(f, ">");
    }
    fprintf(f, " RCV.NXT %d SND.NXT %d SND.UNA %d SND.WND %u", (int)(o->tcb.rcv_nxt - from->irs),
            (int)(o->tcb.snd_nxt - from->iss), (int)(o->tcb.snd_una - from->iss), o->tcb.snd_wnd);
    if (o->tcb.timestamps) fprintf(f, " TS.Recent %d", (int)o->tcb.ts_recent);
    if (o->delivered) fprintf(f, ", %u bytes", o->delivered);
    if (o->tcb.fin_received) fprintf(f, ", end of stream");
    if (o->error) fprintf(f, ", %s", strerror(o->error));
    if (o->urgent) fprintf(f, ", urgent");
    if (o->restarted) fprintf(f, ", 2 MSL anew");
}

/* ---- a cell ---- */

/* What cannot be seen from outside is not compared: the observation takes it over. */
static void blur(const struct stage *st, struct event_outcome *want, struct event_outcome *got)
{
    int state = want->tcb.state;
    bool connection = state != TCP_CLOSE && state != TCP_LISTEN && state != TCP_SYN_SENT;
    bool reopened = want->answers && want->answer[0].fresh_iss;
    for (int i = 0; i < want->answers && i < got->answers; i++) {
        if (want->answer[i].fresh_iss) got->answer[i].fresh_iss = true, got->answer[i].seq = 0;
        if (!(got->answer[i].flags & TH_ACK)) got->answer[i].ack = 0;
        if (want->answer[i].flags & TH_RST) got->answer[i].has_ts = false, got->answer[i].tsecr = 0;
    }
    if (!connection) want->tcb.rcv_nxt = got->tcb.rcv_nxt;
    if (!connection || !want->tcb.timestamps) want->tcb.ts_recent = got->tcb.ts_recent;
    got->tcb.timestamps = want->tcb.timestamps; /* the probe has compared it */
    if (!connection || reopened) want->tcb.snd_nxt = got->tcb.snd_nxt;
    if (!connection || reopened || st->fd < 0 || state == TCP_TIME_WAIT) {
        want->tcb.snd_una = got->tcb.snd_una;
        want->tcb.snd_wnd = got->tcb.snd_wnd;
    }
    if (st->fd < 0 || want->error) want->tcb.fin_received = got->tcb.fin_received;
    if (st->fd < 0) want->error = 0, want->urgent = false, want->delivered = 0;
    if (st->tcb.state != TCP_TIME_WAIT || state != TCP_TIME_WAIT) want->restarted = got->restarted;
}

static bool same_answers(const struct event_outcome *want, const struct event_outcome *got)
{
    if (want->answers != got->answers) return false;
    for (int i = 0; i < want->answers; i++) {
        const struct event_answer *a = &want->answer[i], *b = &got->answer[i];
        if (a->flags != b->flags || a->seq != b->seq || a->ack != b->ack ||
            a->has_ts != b->has_ts || a->tsecr != b->tsecr)
            return false;
    }
    return true;
}

static bool same(const struct event_outcome *want, const struct event_outcome *got)
{
    const struct event_tcb *a = &want->tcb, *b = &got->tcb;
    return same_answers(want, got) && a->state == b->state && a->rcv_nxt == b->rcv_nxt &&
           a->snd_nxt == b->snd_nxt && a->snd_una == b->snd_una && a->snd_wnd == b->snd_wnd &&
           a->ts_recent == b->ts_recent && a->fin_received == b->fin_received && want->delivered == got->delivered &&
           want->error == got->error && want->urgent == got->urgent &&
           want->restarted == got->restarted;
}

/* ---- a state ---- */

/* Cells that fail alike are told of once. */
struct complaint {
    char text[1000];
    int count, first;
};
enum { COMPLAINTS = 40 };

struct table {
    const struct situation *s;
    uint64_t start_us[2];    /* without timestamps, with */
    struct event_tcb tcb[2]; /* what the story gives, each time */
    int cells, failed, complaints;
    struct complaint complaint[COMPLAINTS];
};

static void complain(struct table *t, int n, const char *text)
{
    int i = 0;
    t->failed++;
    while (i < t->complaints && strcmp(t->complaint[i].text, text) != 0) i++;
    if (i == COMPLAINTS) return;
    struct complaint *c = &t->complaint[i];
    if (i == t->complaints) {
        t->complaints++;
        snprintf(c->text, sizeof(c->text), "%s", text);
        c->first = n;
    }
    c->count++;
}

/* S01 */
static void play_cell(struct table *t, int n, bool always_say)
{
    struct cell c = cell_of(n);
    bool ts = negotiated(&c);
    if (!exists(t->s, &t->tcb[ts], &c)) return;
    struct stage st;
    stage_open(&st, t->s, ts, t->start_us[ts]);
    struct event_segment seg = segment_of(&st.tcb, &c);
    struct event_outcome want = event_oracle(&st.tcb, &seg);
    struct event_outcome got = stage_play(&st, &seg, &want);
    t->cells++;
    blur(&st, &want, &got);
    bool good = same(&want, &got) && !st.wrong[0];
    if (!good || always_say) {
        char text[sizeof(t->complaint[0].text)];
        FILE *f = fmemopen(text, sizeof(text), "w");
        fprintf(f, "#   expected: ");
        put_outcome(f, &st.tcb, &want);
        fprintf(f, "\n#   got:      ");
        put_outcome(f, &st.tcb, &got);
        if (st.wrong[0]) fprintf(f, "\n#   %s", st.wrong);
        fputc(0, f);
        fclose(f);
        if (always_say) printf("%s\n", text);
        if (!good) complain(t, n, text);
    }
    stage_close(&st);
}

static void put_complaints(const struct table *t)
{
    for (int i = 0; i < t->complaints; i++) {
        const struct complaint *c = &t->complaint[i];
        struct cell cell = cell_of(c->first);
        printf("# %s: ", t->s->name);
        put_cell(stdout, &cell);
        printf("\n%s\n#   %d cells differ like this; see one: event %s %d\n", c->text, c->count,
               t->s->name, c->first);
    }
}

static void prepare(struct table *t, const struct situation *s)
{
    *t = (struct table){.s = s};
    for (int ts = 0; ts < 2; ts++) {
        struct stage st;
        t->start_us[ts] = stage_start_us(s, ts);
        stage_open(&st, s, ts, t->start_us[ts]);
        t->tcb[ts] = st.tcb;
        stage_close(&st);
    }
}

/* The whole table of a state, as a line of TAP. */
static bool play_state(int number, const struct situation *s)
{
    static struct table t;
    prepare(&t, s);
    for (int n = 0; n < CELLS; n++) play_cell(&t, n, false);
    put_complaints(&t);
    printf("%s %d - %s (%s): %d cells", t.failed ? "not ok" : "ok", number, s->name, s->what,
           t.cells);
    if (t.failed) printf(", %d differ", t.failed);
    printf("\n");
    fflush(stdout);
    return !t.failed;
}

/* ---- all states, as many at once as there are processors ---- */

struct job {
    pid_t pid;
    FILE *output;
};

static void start_job(struct job *j, int i)
{
    j->output = tmpfile();
    if (!j->output) abort();
    fflush(stdout);
    j->pid = fork();
    if (j->pid != 0) return;
    dup2(fileno(j->output), STDOUT_FILENO);
    dup2(fileno(j->output), STDERR_FILENO);
    exit(play_state(i + 1, &situations[i]) ? 0 : 1);
}

static bool end_job(struct job *j, int i)
{
    char line[1024];
    int status = 0;
    waitpid(j->pid, &status, 0);
    rewind(j->output);
    while (fgets(line, sizeof(line), j->output)) fputs(line, stdout);
    fclose(j->output);
    if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
        printf("not ok %d - %s ended with status %d\n", i + 1, situations[i].name, status);
    fflush(stdout);
    return status == 0;
}

static bool play_all(void)
{
    struct job jobs[64] = {{0}};
    int at_once = (int)sysconf(_SC_NPROCESSORS_ONLN), good = 0;
    printf("1..%d\n", situation_count);
    for (int i = 0; i < situation_count + at_once; i++) {
        if (i >= at_once) good += end_job(&jobs[i - at_once], i - at_once);
        if (i < situation_count) start_job(&jobs[i], i);
    }
    return good == situation_count;
}

static const struct situation *situation_named(const char *name)
{
    for (int i = 0; i < situation_count; i++)
        if (strcmp(situations[i].name, name) == 0) return &situations[i];
    fprintf(stderr, "event: no state is called %s\n", name);
    exit(2);
}

int main(int argc, char **argv)
{
    if (argc < 2) return play_all() ? 0 : 1;
    const struct situation *s = situation_named(argv[1]);
    if (argc < 3) return play_state(1, s) ? 0 : 1;
    static struct table t;
    int n = atoi(argv[2]);
    struct cell c = cell_of(n);
    prepare(&t, s);
    printf("# %s (%s): ", s->name, s->what);
    put_cell(stdout, &c);
    printf("\n");
    play_cell(&t, n, true);
    return t.failed ? 1 : 0;
}
