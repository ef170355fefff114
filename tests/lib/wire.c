/* The scenario's verbs: the fixture, segments in and out, time. The application's are in
 * wire_app.c. */
#include "lib/wire.h"

/* ---- memory: every byte comes back, and the k-th allocation may fail ---- */

static void *test_alloc(void *ctx, size_t size)
{
    struct wire *w = ctx;
    w->allocs++;
    if (w->allocs == w->fail_at || (w->fail_from && w->allocs >= w->fail_from))
        return NULL;
    void *memory = malloc(size);
    assert_non_null(memory);
    memset(memory, 0xa5, size); /* U12: what is not initialized shows */
    w->held_bytes += size;
    w->allocs_live++;
    return memory;
}

static void test_release(void *ctx, void *memory, size_t size)
{
    struct wire *w = ctx;
    if (!memory)
        return;
    assert_true(w->held_bytes >= size && w->allocs_live > 0);
    memset(memory, 0xdd, size); /* and the size is what was asked for: ASan */
    w->held_bytes -= size;
    w->allocs_live--;
    free(memory);
}

static uint32_t env_number(const char *name, uint32_t otherwise)
{
    const char *text = getenv(name);
    return text ? (uint32_t)strtoul(text, NULL, 0) : otherwise;
}

int wire_setup(void **state)
{
    struct wire *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    mytcp_config_init(&w->config);
    w->config.tail_loss_probe = 0; /* test_tail_loss_probe.c turns it on */
    w->config.mtu_probing = 0;     /* and test_pmtu_probes.c this */
    w->config.congestion = 0; /* Reno: the windows of RFC 5681, literally */
    w->config.burst_min_segments = 1; /* test_congestion.c has pairs */
    /* a scenario may write all in one call, and read it in one: test_autotune.c begins with the default */
    w->config.rcvbuf_bytes = w->config.sndbuf_bytes = 2 << 20;
    w->our_addr = 0x0a000001;
    w->peer_addr = 0x0a000002;
    w->our_port = 80;
    w->peer_port = 40000;
    w->config.addr.s_addr = htonl(w->our_addr);
    for (unsigned i = 0; i < sizeof(w->config.entropy); i++)
        w->config.entropy[i] = (uint8_t)(i * 37 + 11);
    w->config.alloc = test_alloc;
    w->config.release = test_release;
    w->config.alloc_ctx = w;
    w->iss_target = env_number("WIRE_ISS", UINT32_MAX - 499);
    w->irs = env_number("WIRE_IRS", UINT32_MAX - 999);
    w->now_us = w->mark_us = 1000 * SEC;
    w->rtt_us = 100 * MS;
    w->wnd = 1 << 20;
    w->peer = (struct wire_peer){.mss = 1460, .wscale = WS(7), .sackok = true};
    w->fd = w->listener = -1;
    *state = w;
    return 0;
}

void wire_stop(struct wire *w)
{
    mytcp_destroy(w->stack);
    w->stack = NULL;
    w->cut_at = w->cut.payload_len; /* what waits there goes, too */
    if (w->held_bytes || w->allocs_live)
        wire_failed(w, __FILE__, __LINE__, "leaked %llu bytes in %llu pieces",
                    (unsigned long long)w->held_bytes, (unsigned long long)w->allocs_live);
}

int wire_teardown(void **state)
{
    struct wire *w = *state;
    wire_stop(w);
    wire_trace_end(w);
    free(w);
    return 0;
}

void wire_start(struct wire *w)
{
    if (w->stack)
        return;
    if (env_number("WIRE_GSO", 0) && !w->config.gso_max_bytes && !w->config.tx_csum) {
        w->config.gso_max_bytes = 65535;
        w->config.tx_csum = 1;
        w->cutting = true;
    }
    w->mtu = w->config.mtu_bytes;
    w->stack = mytcp_create(&w->config, w->now_us);
    assert_non_null(w->stack);
}

/* ---- connections ---- */

struct wire_conn *wire_find(struct wire *w, uint32_t addr, uint16_t peer_port, uint16_t our_port,
                            bool make)
{
    for (unsigned i = 0; i < w->conn_count; i++) {
        struct wire_conn *c = &w->conns[i];
        if (c->peer_addr == addr && c->peer_port == peer_port && c->our_port == our_port)
            return c;
    }
    if (!make)
        return NULL;
    assert_true(w->conn_count < WIRE_CONNS);
    struct wire_conn *c = &w->conns[w->conn_count++];
    *c = (struct wire_conn){
        .peer_addr = addr, .peer_port = peer_port, .our_port = our_port, .irs = w->irs};
    return c;
}

struct wire_conn *wire_conn(struct wire *w)
{
    return wire_find(w, w->peer_addr, w->peer_port, w->our_port, true);
}

void wire_reincarnate(struct wire *w, uint32_t irs)
{
    struct wire_conn *c = wire_conn(w);
    *c = (struct wire_conn){
        .peer_addr = c->peer_addr, .peer_port = c->peer_port, .our_port = c->our_port, .irs = irs};
}

/* ---- the story so far, and how it ends ---- */

void wire_logf(struct wire *w, const char *format, ...)
{
    va_list args;
    if (w->log_len > WIRE_LOG - 512) { /* keep the newer half */
        w->log_len -= WIRE_LOG / 2;
        memmove(w->log, w->log + WIRE_LOG / 2, w->log_len);
    }
    w->log_len += (size_t)snprintf(w->log + w->log_len, 64, "  %12.3f ms  ",
                                   (double)(int64_t)(w->now_us - w->mark_us) / 1000);
    va_start(args, format);
    int n = vsnprintf(w->log + w->log_len, 400, format, args);
    va_end(args);
    w->log_len += (size_t)(n < 400 ? n : 399);
    w->log[w->log_len++] = '\n';
    w->log[w->log_len] = 0;
}

void wire_failed(struct wire *w, const char *file, int line, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    const char *rest = w->log_len > 6000 ? strchr(w->log + w->log_len - 6000, '\n') + 1 : w->log;
    while (*rest) { /* by the line, since cmocka cuts long texts */
        size_t len = strcspn(rest, "\n");
        print_error("%.*s\n", (int)len, rest);
        rest += len + (rest[len] == '\n');
    }
    print_error("%s:%d: %s\n", file, line, text);
    _fail(file, line);
    abort();
}

/* D07 */
static void check_stack(struct wire *w, const char *file, int line)
{
    const char *broken = mytcp_check(w->stack);
    if (broken)
        wire_failed(w, file, line, "invariant broken: %s", broken);
}

/* ---- segments in ---- */

static void note_sent_by_peer(struct wire_conn *c, const struct wire_packet *p, bool taken)
{
    uint32_t end = p->seq - c->irs + p->payload_len + !!(p->flags & SYN) + !!(p->flags & FIN);
    if ((p->flags & SYN) && !c->syn_in) {
        c->syn_in = true;
        c->peer_scale = p->wscale;
        c->peer_ts = p->ts;
        c->peer_sack = p->sackok;
        c->peer_ecn = wire_ecn_setup(p->flags);
    }
    /* a number out of nowhere says nothing about the stream */
    if ((int32_t)(end - c->peer_end) > 0 && end - c->ack_high < 1u << 30)
        c->peer_end = end;
    if (taken && (p->flags & FIN)) {
        c->peer_fin = true;
        c->peer_fin_seq = end - 1;
    }
    if (!taken || (p->flags & RST))
        return;
    uint32_t ack = p->flags & ACK ? p->ack - c->iss : 1, edge;
    if ((int32_t)(ack - c->snd_high) > 0)
        ack = c->snd_high;
    bool scaled = c->our_scale && c->peer_scale && !(p->flags & SYN);
    edge = ack + ((uint32_t)p->wnd << (scaled ? c->peer_scale - 1 : 0));
    if ((int32_t)(ack - c->una) > 0)
        c->una = ack;
    if ((int32_t)(edge - c->peer_edge) > 0)
        c->peer_edge = edge;
}

/* D11 */
static void check_drop_counted(struct wire *w, const struct mytcp_stats *before, int reason)
{
    struct mytcp_stats after = wire_stats(w);
    for (int i = 1; i < MYTCP_DROPS_MAX; i++) { /* U8 */
        const char *name = mytcp_drop_name((unsigned)i);
        if (name && strcmp(name, "frag_timeout") &&
            after.drops[i] != before->drops[i] + (i == reason))
            wire_failed(w, __FILE__, __LINE__, "drop reason %d given, but %s counted %d times",
                        reason, name, (int)(after.drops[i] - before->drops[i]));
    }
    if (after.packets_in != before->packets_in + 1)
        wire_failed(w, __FILE__, __LINE__, "packets_in did not count it");
}

const char *wire_inject(struct wire *w, const struct wire_packet *p)
{
    struct mytcp_packet packet = {.len_bytes = p->len,
                                  .gso_size = p->gso_size,
                                  .gso_type = p->gso_type,
                                  .needs_csum = p->needs_csum,
                                  .csum_valid = p->csum_valid,
                                  .csum_start = p->csum_start,
                                  .csum_offset = p->csum_offset};
    unsigned shift =
        w->packets_in % 4; /* any alignment, and nothing to read behind the end: ASan */
    size_t room = 0;
    uint8_t *own = malloc(p->len + shift ? p->len + shift : 1), *lent = NULL;

    wire_start(w);
    assert_non_null(own);
    if (++w->packets_in % 2) /* both ways in, alternating */
        lent = mytcp_input_buffer(w->stack, &room);
    packet.data = lent ? lent : own + shift;
    if (lent && room < 65600)
        wire_failed(w, __FILE__, __LINE__, "a lent buffer of %zu bytes", room);
    memcpy(packet.data, p->bytes, p->len);
    struct mytcp_stats before = wire_stats(w);
    int reason = mytcp_input(w->stack, &packet, w->now_us);
    memset(own, 0xee, p->len + shift); /* what was copied no longer refers to it */
    free(own);
    check_drop_counted(w, &before, reason);
    check_stack(w, __FILE__, __LINE__);
    if (reason < 0)
        wire_failed(w, __FILE__, __LINE__, "mytcp_input: %s", strerror(errno));
    const char *name = reason ? mytcp_drop_name((unsigned)reason) : "";
    if (!name)
        wire_failed(w, __FILE__, __LINE__, "drop reason %d has no name", reason);
    return name;
}

/* Top secret, and to be delivered at once (RFC 1108, RFC 791). */
static void classify(struct wire_packet *p)
{
    static const uint8_t option[12] = {130, 11, 0x3d, 0xe0};
    memmove(p->bytes + 20 + sizeof(option), p->bytes + 20, p->len - 20);
    memcpy(p->bytes + 20, option, sizeof(option));
    p->len += (uint32_t)sizeof(option);
    p->bytes[0] = 0x45 + sizeof(option) / 4;
    p->bytes[1] |= 0xe0;
    p->bytes[2] = (uint8_t)(p->len >> 8);
    p->bytes[3] = (uint8_t)p->len;
    wire_fix_ip_checksum(p);
}

const char *wire_in(struct wire *w, const char *file, int line, const struct wire_segment *s)
{
    static struct wire_packet p; /* large; of no consequence between calls */
    char text[300];
    const char *why;

    wire_start(w);
    wire_build(w, &p, s);
    struct wire_packet parsed = p;
    bool whole = s->options_len || s->gso_size || wire_parse(&parsed, &why);
    if (s->options_len || s->gso_size) {
        wire_parse(&parsed, &why);
        parsed.flags = s->flags;
    }
    if (!whole)
        wire_failed(w, file, line, "the harness built a bad packet: %s", why);
    struct wire_conn *c = wire_conn(w);
    wire_format(text, sizeof(text), &parsed, c, false);
    wire_logf(w, "> %s", text);
    if (w->classified)
        classify(&p);
    wire_trace(w, &parsed, c, false);
    const char *drop = wire_inject(w, &p);
    if (*drop)
        wire_logf(w, "  dropped: %s", drop);
    note_sent_by_peer(c, &parsed, !*drop);
    return drop;
}

/* ---- segments out ---- */

static void flatten(struct wire *w, struct wire_packet *p, const struct mytcp_tx *tx)
{
    *p = (struct wire_packet){.gso_size = tx->gso_size,
                              .needs_csum = tx->needs_csum,
                              .hdr_len = tx->hdr_len,
                              .csum_start = tx->csum_start,
                              .csum_offset = tx->csum_offset};
    if (tx->iovcnt < 1 || tx->iovcnt > MYTCP_TX_IOV)
        wire_failed(w, __FILE__, __LINE__, "%d iovecs", tx->iovcnt);
    for (int i = 0; i < tx->iovcnt; i++) {
        if (p->len + tx->iov[i].iov_len > sizeof(p->bytes))
            wire_failed(w, __FILE__, __LINE__, "a packet of more than %zu bytes", sizeof(p->bytes));
        memcpy(p->bytes + p->len, tx->iov[i].iov_base, tx->iov[i].iov_len);
        p->len += (uint32_t)tx->iov[i].iov_len;
    }
    if (p->len != tx->len_bytes)
        wire_failed(w, __FILE__, __LINE__, "len_bytes %u, but the iovecs hold %u", tx->len_bytes,
                    p->len);
}

bool wire_poll(struct wire *w, struct wire_packet *p)
{
    struct mytcp_tx tx;
    char text[300];

    wire_start(w);
    if (wire_next_piece(w, p))
        return true;
    uint64_t promised = mytcp_next_deadline(w->stack);
    int got = mytcp_output(w->stack, &tx, w->now_us);
    if (got < 0)
        wire_failed(w, __FILE__, __LINE__, "mytcp_output: %s", strerror(errno));
    if (got == 0) {
        uint64_t next = mytcp_next_deadline(w->stack);
        if (next <= w->now_us)
            wire_failed(w, __FILE__, __LINE__,
                        "nothing to send, but the deadline %llu is not in the future of %llu",
                        (unsigned long long)next, (unsigned long long)w->now_us);
        check_stack(w, __FILE__, __LINE__);
        return false;
    }
    flatten(w, p, &tx);
    const char *wrong = wire_check_sent(w, p);
    wire_format(text, sizeof(text), p, wire_find(w, p->dst, p->dst_port, p->src_port, false), true);
    wire_logf(w, "< %s", text);
    if (wrong)
        wire_failed(w, __FILE__, __LINE__, "a bad packet was sent: %s", wrong);
    if (promised > w->now_us)
        wire_failed(w, __FILE__, __LINE__, "sent %llu us before the promised deadline",
                    (unsigned long long)(promised - w->now_us));
    check_stack(w, __FILE__, __LINE__);
    if (w->cutting && p->gso_size)
        wire_cut(w, p);
    else
        wire_trace(w, p, wire_find(w, p->dst, p->dst_port, p->src_port, false), true);
    return true;
}

static size_t differ(char *text, size_t n, const char *what, int64_t wanted, int64_t got)
{
    if (wanted == got || n > 400)
        return n;
    return n + (size_t)snprintf(text + n, 100, "%s%s: wanted %lld, got %lld", n ? "; " : "", what,
                                (long long)wanted, (long long)got);
}

static size_t compare_sack(char *text, size_t n, const struct wire_segment *s,
                           const struct wire_packet *p, const struct wire_conn *c)
{
    int blocks = 0;
    while (blocks < 4 && s->sack[blocks].start != s->sack[blocks].end)
        blocks++;
    n = differ(text, n, "SACK blocks", blocks, p->sacks);
    for (int i = 0; i < blocks && i < p->sacks; i++) {
        n = differ(text, n, "SACK start", s->sack[i].start, p->sack[i].start - c->irs);
        n = differ(text, n, "SACK end", s->sack[i].end, p->sack[i].end - c->irs);
    }
    return n;
}

static bool compare(char *text, const struct wire_segment *s, const struct wire_packet *p,
                    const struct wire_conn *c)
{
    unsigned ignore = (s->flags & (PSH | NOPSH) ? 0 : PSH) | (s->flags & ANYACK ? ACK : 0);
    bool scaled = c->our_scale && c->peer_scale && !(p->flags & SYN);
    int64_t wnd = (int64_t)p->wnd << (scaled ? c->our_scale - 1 : 0);
    size_t n = 0;

    n = differ(text, n, "flags", s->flags & 0xffu & ~ignore, p->flags & ~ignore);
    n = differ(text, n, "seq", (int32_t)s->seq, (int32_t)(p->seq - c->iss));
    if (p->flags & ACK)
        n = differ(text, n, "ack", (int32_t)s->ack, (int32_t)(p->ack - c->irs));
    n = differ(text, n, "len", s->len, p->payload_len);
    if (s->wnd)
        n = differ(text, n, "wnd", s->wnd == WND_ZERO ? 0 : s->wnd, wnd);
    if (s->flags & URG)
        n = differ(text, n, "urg", s->urg, p->urg);
    if (s->mss)
        n = differ(text, n, "mss", s->mss, p->mss);
    if (s->wscale)
        n = differ(text, n, "wscale", s->wscale - 1, p->wscale - 1);
    if (s->sackok)
        n = differ(text, n, "sackok", 1, p->sackok);
    if (s->ts)
        n = differ(text, n, "tsecr", s->tsecr, p->ts ? (int64_t)p->tsecr : -1);
    if (s->gso_size)
        n = differ(text, n, "gso", s->gso_size, p->gso_size);
    return compare_sack(text, n, s, p, c) == 0;
}

const struct wire_packet *wire_out(struct wire *w, const char *file, int line,
                                   const struct wire_segment *s)
{
    static struct wire_packet p;
    char text[1024] = "";

    if (!wire_poll(w, &p))
        wire_failed(w, file, line, "nothing was sent");
    if (p.protocol != 6 || p.dst != w->peer_addr || p.dst_port != w->peer_port ||
        p.src_port != w->our_port)
        wire_failed(w, file, line, "a packet of someone else: protocol %d, port %u to %08x:%u",
                    p.protocol, p.src_port, p.dst, p.dst_port);
    if (!compare(text, s, &p, wire_conn(w)))
        wire_failed(w, file, line, "%s", text);
    return &p;
}

const struct wire_packet *wire_out_icmp(struct wire *w, const char *file, int line, int type,
                                        int code)
{
    static struct wire_packet p;
    if (!wire_poll(w, &p))
        wire_failed(w, file, line, "nothing was sent");
    if (p.protocol != 1 || p.payload_len < 8 || p.payload[0] != type || p.payload[1] != code ||
        p.dst != w->peer_addr)
        wire_failed(w, file, line, "wanted ICMP %d/%d", type, code);
    return &p;
}

void wire_quiet(struct wire *w, const char *file, int line)
{
    static struct wire_packet p;
    if (wire_poll(w, &p))
        wire_failed(w, file, line, "sent where silence was wanted");
}

/* ---- time ---- */

static unsigned run_to(struct wire *w, uint64_t until, const char *file, int line)
{
    static struct wire_packet p;
    unsigned sent = 0;
    for (unsigned turns = 0;; turns++) {
        if (turns > 200000)
            wire_failed(w, __FILE__, __LINE__, "the stack never comes to rest");
        while (wire_poll(w, &p)) {
            sent++;
            if (file)
                wire_failed(w, file, line, "sent too early");
        }
        uint64_t next = mytcp_next_deadline(w->stack);
        if (next >= until)
            break;
        w->now_us = next;
    }
    return sent;
}

void wire_at(struct wire *w, const char *file, int line, uint64_t us)
{
    uint64_t until = w->mark_us + us;
    if (until < w->now_us)
        wire_failed(w, file, line, "that is in the past");
    if (until == w->now_us)
        return;
    run_to(w, until, file, line);
    if (w->now_us < until - 1) { /* a deadline may be early, never late */
        w->now_us = until - 1;
        wire_quiet(w, file, line);
    }
    w->now_us = until;
}

unsigned wire_skip_to(struct wire *w, uint64_t us)
{
    unsigned sent = run_to(w, w->mark_us + us, NULL, 0);
    w->now_us = w->mark_us + us;
    return sent;
}
