#include "lib/wire_figures.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/ip.h>
#include <sys/ioctl.h>

static void note(struct wire_figures *f, const char *name, int fd, int number, int64_t value)
{
    assert_true(f->count < WIRE_FIGURES);
    f->figure[f->count].name = name;
    f->figure[f->count].fd = fd;
    f->figure[f->count].number = number;
    f->figure[f->count++].value = value;
}

static int64_t outcome(int64_t result) { return result < 0 ? -errno : result; }

static void note_name(struct wire *w, int fd, struct wire_figures *f, bool peer)
{
    struct sockaddr_in a = {0};
    socklen_t len = sizeof(a);
    int r = peer ? mytcp_getpeername(w->stack, fd, (struct sockaddr *)&a, &len)
                 : mytcp_getsockname(w->stack, fd, (struct sockaddr *)&a, &len);
    uint16_t port = ntohs(a.sin_port);
    bool drawn = !peer && port >= w->config.port_min && port <= w->config.port_max;
    note(f, peer ? "getpeername" : "getsockname", fd, 0, outcome(r));
    note(f, peer ? "peer's address" : "address", fd, 0, ntohl(a.sin_addr.s_addr));
    note(f, peer ? "peer's port" : "port", fd, 0, drawn ? w->config.port_min : port);
}

static void note_options(struct wire *w, int fd, struct wire_figures *f)
{
    static const int levels[] = {SOL_SOCKET, IPPROTO_TCP, IPPROTO_IP};
    for (unsigned l = 0; l < 3; l++)
        for (int name = 0; name < 64; name++) {
            uint8_t value[16] = {0};
            socklen_t len = sizeof(value);
            bool takes = levels[l] == SOL_SOCKET && name == SO_ERROR;
            if (takes || (levels[l] == IPPROTO_TCP && name == TCP_INFO))
                continue;
            int r = mytcp_getsockopt(w->stack, fd, levels[l], name, value, &len);
            uint64_t sum = 0;
            for (unsigned i = 0; i < sizeof(value); i++)
                sum = sum * 257 + value[i];
            if (r == 0)
                note(f, "option", fd, levels[l] * 1000 + name, (int64_t)sum);
        }
}

static void note_queues(struct wire *w, int fd, struct wire_figures *f)
{
    static const unsigned long requests[] = {FIONREAD, SIOCATMARK, SIOCOUTQ, SIOCOUTQNSD};
    for (int i = 0; i < 4; i++) {
        int n = 0, r = mytcp_ioctl(w->stack, fd, requests[i], &n);
        note(f, "ioctl", fd, i, r < 0 ? -errno : n);
    }
    note(f, "flags", fd, 0, outcome(mytcp_fcntl(w->stack, fd, F_GETFL, 0)));
    note(f, "poll", fd, 0, fd < 0 ? 0 : wire_ready(w, fd));
}

static void note_connection(struct wire *w, int fd, struct wire_figures *f)
{
    struct mytcp_conn_info i;
    int r = mytcp_conn_info_get(w->stack, fd, &i);
    note(f, "conn_info", fd, 0, outcome(r));
    if (r < 0)
        return;
    const int64_t values[] = {i.state, i.snd_una - i.iss, i.snd_nxt - i.iss, i.snd_wnd, i.rcv_nxt - i.irs,
                              i.rcv_wnd, i.snd_mss, i.peer_mss, i.snd_wscale, i.rcv_wscale, i.wscale_ok,
                              i.timestamps_ok, i.sack_ok, i.srtt_us, i.rttvar_us, i.rto_us, i.cwnd, i.ssthresh,
                              i.backoff, i.syn_retransmits, (int64_t)i.bytes_sent, (int64_t)i.bytes_acked,
                              (int64_t)i.bytes_received, (int64_t)i.segments_sent, (int64_t)i.segments_received,
                              i.send_queued, i.send_unacked, i.recv_queued, i.recv_out_of_order, i.ca_state,
                              i.min_rtt_us, (int64_t)i.pacing_Bps};
    for (unsigned n = 0; n < sizeof(values) / sizeof(*values); n++)
        note(f, "conn_info field", fd, (int)n, values[n]);
    note(f, "memory of the connection", fd, 0, i.memory_bytes);
}

static void note_stack(struct wire *w, struct wire_figures *f)
{
    struct mytcp_stats s = wire_stats(w);
    const uint64_t values[] = {s.packets_in, s.packets_out, s.bytes_in, s.bytes_out, s.segments_in,
                               s.segments_out, s.opened_active, s.opened_passive, s.failed, s.reset_in,
                               s.reset_out, s.retransmitted_segments, s.rto_expired, s.challenge_acks,
                               s.time_wait_recycled, s.time_wait_reused, s.sockets, s.half_open, s.time_wait};
    for (unsigned n = 0; n < sizeof(values) / sizeof(*values); n++)
        note(f, "stats field", -1, (int)n, (int64_t)values[n]);
    for (int n = 0; n < MYTCP_DROPS_MAX; n++)
        if (s.drops[n])
            note(f, "drops", -1, n, (int64_t)s.drops[n]);
    note(f, "memory in use", -1, 0, (int64_t)(s.memory_bytes - s.memory_cached_bytes));
    note(f, "deadline", -1, 0, (int64_t)mytcp_next_deadline(w->stack));
    note(f, "invariants", -1, 0, mytcp_check(w->stack) != NULL);
}

void wire_figures(struct wire *w, const int *fds, unsigned count, struct wire_figures *f)
{
    memset(f, 0, sizeof(*f));
    for (unsigned i = 0; i < count; i++) {
        note_name(w, fds[i], f, false);
        note_name(w, fds[i], f, true);
        note_options(w, fds[i], f);
        note_queues(w, fds[i], f);
        note_connection(w, fds[i], f);
    }
    note_stack(w, f);
}

static bool spared(const char *name, const char *const *but)
{
    for (; *but; but++)
        if (strncmp(name, *but, strlen(*but)) == 0)
            return true;
    return false;
}

const char *wire_figures_differ(const struct wire_figures *a, const struct wire_figures *b,
                                const char *const *but)
{
    static char text[200];
    for (unsigned i = 0; i < a->count && i < b->count; i++) {
        if (strcmp(a->figure[i].name, b->figure[i].name) == 0 && spared(a->figure[i].name, but))
            continue;
        if (strcmp(a->figure[i].name, b->figure[i].name) == 0 &&
            a->figure[i].number == b->figure[i].number && a->figure[i].value == b->figure[i].value)
            continue;
        snprintf(text, sizeof(text), "%s %d of %d: %lld became %s %d: %lld", a->figure[i].name,
                 a->figure[i].number, a->figure[i].fd, (long long)a->figure[i].value, b->figure[i].name,
                 b->figure[i].number, (long long)b->figure[i].value);
        return text;
    }
    return a->count == b->count ? NULL : "another number of figures";
}
