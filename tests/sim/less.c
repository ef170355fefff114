/* Runs with parts taken out, and their name on the command line: oHEX.pHEX.lN.bN,N.cHEX+HEX+...
 * (connections out, 64 a number) .f (listed) HEX:WHAT+HEX:WHAT+..., where WHAT is X (lost), M (marked),
 * and C (corrupt), L (late), D (doubled) with a number. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

static bool is_off(const struct less *l, uint32_t what)
{
    return (l->off & what) != 0;
}

static void set_config(struct mytcp_config *c)
{
    struct mytcp_config old = *c;
    mytcp_config_init(c);
    c->memory_limit_bytes = old.memory_limit_bytes;
    c->sockets_max = old.sockets_max;
    c->syn_queue_max = old.syn_queue_max;
    c->syn_cookies = old.syn_cookies;
    c->syn_retries = old.syn_retries;
    c->synack_retries = old.synack_retries;
    c->orphan_retries = old.orphan_retries;
    c->data_retries = old.data_retries;
}

/* One in 1 to 32 of the misfortunes. */
static void try_luck(struct setup *s, uint32_t luck)
{
    uint32_t share = luck != 0 ? 1u << luck % 6 : 1;
    s->faults.mark_ppm /= share;
    s->faults.dup_ppm /= share;
    s->faults.corrupt_ppm /= share;
    s->faults.reorder_ppm /= share;
    s->faults.loss_ppm /= share;
    s->faults.burst_ppm /= share;
    s->alloc_fail_ppm /= share;
}

void less_setup(const struct less *l, struct setup *s)
{
    struct faults *f = &s->faults;
    s->check_every = 1; /* no other connection is needed for a look at the right time */
    try_luck(s, l->luck);
    for (uint32_t i = 0; i < HOSTS && is_off(l, OFF_CONFIG); i++) {
        set_config(&s->config[i]);
    }
    f->jitter_us = is_off(l, OFF_JITTER) ? 0 : f->jitter_us;
    f->batch_us = is_off(l, OFF_JITTER) ? 0 : f->batch_us;
    f->rate_bytes_per_s = is_off(l, OFF_RATE) ? 0 : f->rate_bytes_per_s;
    f->mark_ppm = is_off(l, OFF_MARKS) ? 0 : f->mark_ppm;
    f->dup_ppm = is_off(l, OFF_DUP) ? 0 : f->dup_ppm;
    f->corrupt_ppm = is_off(l, OFF_CORRUPT) ? 0 : f->corrupt_ppm;
    f->reorder_ppm = is_off(l, OFF_REORDER) ? 0 : f->reorder_ppm;
    f->loss_ppm = is_off(l, OFF_LOSS) ? 0 : f->loss_ppm;
    f->burst_ppm = is_off(l, OFF_BURSTS) ? 0 : f->burst_ppm;
    s->flood_us = is_off(l, OFF_FLOOD) ? 0 : s->flood_us;
    s->alloc_fail_ppm = is_off(l, OFF_MEMORY) ? 0 : s->alloc_fail_ppm;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < s->phase_count; i++) {
        if ((l->phases_out >> i & 1) == 0) {
            s->phases[kept++] = s->phases[i];
        }
    }
    s->phase_count = kept;
}

static void plain(struct habits *h)
{
    h->read_max = h->write_max = h->echo_room = SCRATCH_BYTES;
    h->burst = 8;
    h->pauses = 0;
    h->zero_copy_ppm = h->message_ppm = h->peek_ppm = h->oob_ppm = h->toggle_ppm = h->truncate_ppm = 0;
    h->policy = POLICY_WATCH;
    h->lazy = false;
}

static void no_options(struct habits *h)
{
    h->rcvbuf = h->sndbuf = h->maxseg = h->clamp = h->lowat = 0;
    h->nodelay = h->cork = h->quickack = h->reno = false;
}

void less_plans(const struct less *l, struct plan *plans, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct plan *p = &plans[i];
        p->absent = i < LESS_CONNS && (l->out[i / 64] >> (i % 64) & 1) != 0;
        p->start_us = is_off(l, OFF_SPREAD) ? 1 : p->start_us;
        for (uint32_t side = 0; side < 2; side++) {
            if (l->bytes_max[side] != 0 && p->bytes[side] > l->bytes_max[side]) {
                p->bytes[side] = l->bytes_max[side];
            }
            if (is_off(l, OFF_HABITS)) {
                plain(&p->habits[side]);
            }
            if (is_off(l, OFF_OPTIONS)) {
                no_options(&p->habits[side]);
            }
        }
    }
}

const struct misfortune *less_find(const struct less *l, uint64_t what)
{
    for (uint32_t i = 0; i < l->fault_count; i++) {
        if (l->faults[i].what == what) {
            return &l->faults[i];
        }
    }
    return NULL;
}

bool sim_misfortune(struct world *w, struct misfortune *m)
{
    const struct less *less = w->setup->less;
    if (less != NULL && less->listed) {
        const struct misfortune *told = less_find(less, m->what);
        if (told == NULL) {
            return false;
        }
        *m = *told;
    }
    if (w->fired_count < FIRED_MAX) {
        w->fired[w->fired_count] = *m;
    }
    w->fired_count++;
    return true;
}

static size_t print_fault(const struct misfortune *m, char *text, size_t size)
{
    size_t n = (size_t)snprintf(text, size, "%llx:%s%s", (unsigned long long)m->what,
                                m->lost ? "X" : "", m->marked ? "M" : "");
    if (m->corrupt && n < size) {
        n += (size_t)snprintf(text + n, size - n, "C%x", m->draw);
    }
    if (m->late_us != 0 && n < size) {
        n += (size_t)snprintf(text + n, size - n, "L%x", m->late_us);
    }
    if (m->dup_us != 0 && n < size) {
        n += (size_t)snprintf(text + n, size - n, "D%x", m->dup_us);
    }
    return n;
}

void less_print(const struct less *l, char *text, size_t size)
{
    size_t n = (size_t)snprintf(text, size, "o%x.p%x.l%u.b%llu,%llu.c", l->off, l->phases_out,
                                l->luck, (unsigned long long)l->bytes_max[0],
                                (unsigned long long)l->bytes_max[1]);
    for (unsigned i = 0; i < LESS_CONNS / 64 && n < size; i++) {
        n += (size_t)snprintf(text + n, size - n, "%s%llx", i == 0 ? "" : "+",
                              (unsigned long long)l->out[i]);
    }
    if (l->listed && n < size) {
        n += (size_t)snprintf(text + n, size - n, ".f");
    }
    for (uint32_t i = 0; l->listed && i < l->fault_count && n < size; i++) {
        n += (size_t)snprintf(text + n, size - n, "%s", i == 0 ? "" : "+");
        n += n < size ? print_fault(&l->faults[i], text + n, size - n) : 0;
    }
}

/* Hexadecimal numbers with + between; how many. */
static uint32_t numbers(const char **at, uint64_t *to, uint32_t max)
{
    uint32_t count = 0;
    char *end;
    while (count < max) {
        to[count] = strtoull(*at, &end, 16);
        if (end == *at) {
            break;
        }
        count++;
        *at = end + (*end == '+');
        if (*end != '+') {
            break;
        }
    }
    return count;
}

static bool parse_fault(const char **at, struct misfortune *m)
{
    char *end;
    *m = (struct misfortune){.what = strtoull(*at, &end, 16)};
    for (*at = end + (*end == ':'); **at != '\0' && **at != '+'; *at = end) {
        uint32_t number = (uint32_t)strtoul(*at + 1, &end, 16);
        m->lost = m->lost || **at == 'X';
        m->marked = m->marked || **at == 'M';
        m->corrupt = m->corrupt || **at == 'C';
        m->draw = **at == 'C' ? number : m->draw;
        m->late_us = **at == 'L' ? number : m->late_us;
        m->dup_us = **at == 'D' ? number : m->dup_us;
        if (strchr("XMCLD", **at) == NULL) {
            return false;
        }
        end = strchr("XM", **at) != NULL ? (char *)*at + 1 : end;
    }
    *at += **at == '+';
    return true;
}

bool less_parse(struct less *l, const char *text)
{
    int used = 0;
    unsigned long long bytes[2] = {0};
    memset(l, 0, sizeof(*l));
    if (sscanf(text, "o%x.p%x.l%u.b%llu,%llu.c%n", &l->off, &l->phases_out, &l->luck, &bytes[0],
               &bytes[1], &used) != 5 || used == 0) {
        return false;
    }
    l->bytes_max[0] = bytes[0];
    l->bytes_max[1] = bytes[1];
    text += used;
    numbers(&text, l->out, LESS_CONNS / 64);
    if (strncmp(text, ".f", 2) == 0) {
        l->listed = true;
        text += 2;
        while (*text != '\0' && l->fault_count < LESS_FAULTS) {
            if (!parse_fault(&text, &l->faults[l->fault_count++])) {
                return false;
            }
        }
    }
    return *text == '\0';
}
