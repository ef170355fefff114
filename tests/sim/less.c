/* Runs with parts taken out, and their name on the command line: oHEX.pHEX.bN.cN+N+... (connections out, in
 * runs N-N) .f (listed) HOST:N+... */
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

void less_setup(const struct less *l, struct setup *s)
{
    struct faults *f = &s->faults;
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
            if (l->bytes_max != 0 && p->bytes[side] > l->bytes_max) {
                p->bytes[side] = l->bytes_max;
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

bool less_allows(const struct less *l, uint64_t fault)
{
    bool found = l == NULL || !l->listed;
    for (uint32_t i = 0; !found && i < l->fault_count; i++) {
        found = l->faults[i] == fault;
    }
    return found;
}

void less_print(const struct less *l, char *text, size_t size)
{
    size_t n = (size_t)snprintf(text, size, "o%x.p%x.b%llu.c", l->off, l->phases_out,
                                (unsigned long long)l->bytes_max);
    for (unsigned i = 0; i < LESS_CONNS / 64 && n < size; i++) {
        n += (size_t)snprintf(text + n, size - n, "%s%llx", i == 0 ? "" : "+",
                              (unsigned long long)l->out[i]);
    }
    if (l->listed && n < size) {
        n += (size_t)snprintf(text + n, size - n, ".f");
    }
    for (uint32_t i = 0; l->listed && i < l->fault_count && n < size; i++) {
        n += (size_t)snprintf(text + n, size - n, "%s%llx", i == 0 ? "" : "+",
                              (unsigned long long)l->faults[i]);
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

bool less_parse(struct less *l, const char *text)
{
    int used = 0;
    unsigned long long bytes = 0;
    memset(l, 0, sizeof(*l));
    if (sscanf(text, "o%x.p%x.b%llu.c%n", &l->off, &l->phases_out, &bytes, &used) != 3 || used == 0) {
        return false;
    }
    l->bytes_max = bytes;
    text += used;
    numbers(&text, l->out, LESS_CONNS / 64);
    if (strncmp(text, ".f", 2) == 0) {
        l->listed = true;
        text += 2;
        l->fault_count = numbers(&text, l->faults, LESS_FAULTS);
    }
    return *text == '\0';
}
