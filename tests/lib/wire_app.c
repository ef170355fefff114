/* The application's side of a scenario, and whole handshakes in one line. */
#include "lib/wire.h"

struct sockaddr_in wire_sockaddr(uint32_t addr, uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(addr)};
}

static int new_socket(mytcp_stack *stack, uint32_t addr, uint16_t port)
{
    struct sockaddr_in a = wire_sockaddr(addr, port);
    int fd = mytcp_socket(stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(mytcp_bind(stack, fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static int start_connect(mytcp_stack *stack, const struct wire *w)
{
    struct sockaddr_in to = wire_sockaddr(w->peer_addr, w->peer_port);
    int fd = new_socket(stack, w->our_addr, w->our_port);
    assert_int_equal(mytcp_connect(stack, fd, (struct sockaddr *)&to, sizeof(to)), -1);
    assert_int_equal(errno, EINPROGRESS);
    return fd;
}

/* The ISS that a second stack of the same secrets uses now for the same 4-tuple. */
static uint32_t probe_iss(struct wire *w, bool active)
{
    struct mytcp_config config = w->config;
    struct wire_segment syn = wire_peer_syn(w, SYN, 0);
    static struct wire_packet p;
    struct mytcp_packet in = {.data = p.bytes};
    struct mytcp_tx tx;
    uint8_t headers[128];

    config.alloc = NULL;
    config.release = NULL;
    mytcp_stack *scratch = mytcp_create(&config, w->now_us);
    assert_non_null(scratch);
    if (active) {
        start_connect(scratch, w);
    } else {
        assert_int_equal(mytcp_listen(scratch, new_socket(scratch, w->our_addr, w->our_port), 1),
                         0);
        wire_build(w, &p, &syn);
        in.len_bytes = p.len;
        assert_int_equal(mytcp_input(scratch, &in, w->now_us), 0);
    }
    assert_int_equal(mytcp_output(scratch, &tx, w->now_us), 1);
    uint32_t n = 0;
    for (int i = 0; i < tx.iovcnt && n + tx.iov[i].iov_len <= sizeof(headers); i++) {
        memcpy(headers + n, tx.iov[i].iov_base, tx.iov[i].iov_len);
        n += (uint32_t)tx.iov[i].iov_len;
    }
    assert_true(n >= 40);
    mytcp_destroy(scratch);
    return (uint32_t)headers[24] << 24 | (uint32_t)headers[25] << 16 | (uint32_t)headers[26] << 8 |
           headers[27];
}

void wire_aim(struct wire *w, bool active)
{
    if (w->config.syn_cookies == 2)
        return;
    /* RFC 6528: the ISS moves by one each 4 us, so that waiting brings it anywhere */
    w->now_us += 4 * (uint64_t)(w->iss_target - probe_iss(w, active));
    MARK(w);
    w->aimed = true;
    wire_start(w);
}

struct wire_segment wire_peer_syn(struct wire *w, unsigned flags, uint32_t ack)
{
    struct wire_segment s = {.flags = flags,
                             .ack = ack,
                             .mss = w->peer.mss,
                             .wscale = w->peer.wscale,
                             .sackok = w->peer.sackok,
                             .ts = w->peer.ts,
                             .wnd = w->wnd};
    if (s.ts) {
        s.tsval = (uint32_t)(w->now_us / 1000);
        s.tsecr = flags & ACK ? wire_conn(w)->tsval_seen : 0;
    }
    return s;
}

void wire_listen(struct wire *w, int backlog)
{
    wire_start(w);
    w->listener = new_socket(w->stack, w->our_addr, w->our_port);
    assert_int_equal(mytcp_listen(w->stack, w->listener, backlog), 0);
}

static void expect_syn(struct wire *w, unsigned flags, uint32_t ack)
{
    uint16_t mss = (uint16_t)(w->config.mtu_bytes - 40);
    OUT(w, .flags = flags, .seq = 0, .ack = ack, .mss = mss);
    if (w->aimed && wire_conn(w)->iss - w->iss_target > 2000)
        print_message("note: the ISS is %u, not the one aimed at\n", wire_conn(w)->iss);
    w->aimed = false;
}

void wire_syn_received(struct wire *w)
{
    if (w->listener < 0) {
        wire_aim(w, false);
        wire_listen(w, 16);
    }
    struct wire_segment syn = wire_peer_syn(w, SYN, 0);
    assert_string_equal(wire_in(w, __FILE__, __LINE__, &syn), "");
    expect_syn(w, SYN | ACK, 1);
    QUIET(w);
    MARK(w);
}

void wire_passive(struct wire *w)
{
    wire_syn_received(w);
    w->now_us += w->rtt_us;
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    QUIET(w);
    w->fd = mytcp_accept(w->stack, w->listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(w->fd >= 0);
    STATE(w, TCP_ESTABLISHED);
    MARK(w);
}

void wire_syn_sent(struct wire *w)
{
    wire_aim(w, true);
    wire_conn(w);
    w->fd = start_connect(w->stack, w);
    expect_syn(w, SYN, 0);
    QUIET(w);
    STATE(w, TCP_SYN_SENT);
    MARK(w);
}

void wire_active(struct wire *w)
{
    wire_syn_sent(w);
    w->now_us += w->rtt_us;
    struct wire_segment syn_ack = wire_peer_syn(w, SYN | ACK, 1);
    wire_in(w, __FILE__, __LINE__, &syn_ack);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    QUIET(w);
    STATE(w, TCP_ESTABLISHED);
    assert_int_equal(wire_so_error(w), 0);
    MARK(w);
}

void wire_write(struct wire *w, const char *file, int line, size_t n, int flags)
{
    struct wire_conn *c = wire_conn(w);
    uint8_t *data = malloc(n ? n : 1);
    assert_non_null(data);
    for (size_t i = 0; i < n; i++)
        data[i] = wire_byte(true, c->write_pos + i);
    errno = 0;
    ssize_t taken = mytcp_send(w->stack, w->fd, data, n, flags);
    free(data);
    if (taken != (ssize_t)n)
        wire_failed(w, file, line, "send of %zu took %zd: %s", n, taken, strerror(errno));
    c->write_pos += n;
    wire_logf(w, "  app sends %zu", n);
}

void wire_read(struct wire *w, const char *file, int line, size_t n)
{
    struct wire_conn *c = wire_conn(w);
    uint8_t *data = malloc(n ? n : 1);
    assert_non_null(data);
    errno = 0;
    ssize_t got = mytcp_recv(w->stack, w->fd, data, n, 0);
    if (got != (ssize_t)n) {
        free(data);
        wire_failed(w, file, line, "recv of %zu gave %zd: %s", n, got, strerror(errno));
    }
    for (size_t i = 0; i < n; i++) {
        if (data[i] != wire_byte(false, c->read_pos + i)) {
            free(data);
            wire_failed(w, file, line, "wrong byte at %llu", (unsigned long long)(c->read_pos + i));
        }
    }
    free(data);
    c->read_pos += n;
    wire_logf(w, "  app receives %zu", n);
}

void wire_fails(struct wire *w, const char *file, int line, const char *what, long result,
                int error)
{
    if (result != -1 || errno != error)
        wire_failed(w, file, line, "%s: wanted -1 and %s, got %ld and %s", what, strerror(error),
                    result, result == -1 ? strerror(errno) : "no error");
}

void wire_state(struct wire *w, const char *file, int line, int state)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);
    if (mytcp_getsockopt(w->stack, w->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        wire_failed(w, file, line, "TCP_INFO: %s", strerror(errno));
    if (info.tcpi_state != state)
        wire_failed(w, file, line, "state: wanted %s, got %s", mytcp_state_name(state),
                    mytcp_state_name(info.tcpi_state));
}

void wire_eof(struct wire *w)
{
    uint8_t byte;
    assert_int_equal(mytcp_recv(w->stack, w->fd, &byte, 1, 0), 0);
}

void wire_again(struct wire *w)
{
    uint8_t byte;
    FAILS(w, mytcp_recv(w->stack, w->fd, &byte, 1, 0), EAGAIN);
}

short wire_ready(struct wire *w, int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP};
    assert_true(mytcp_poll(w->stack, &p, 1, 0) >= 0);
    return p.revents;
}

int wire_option(struct wire *w, int level, int name)
{
    int value = 0;
    socklen_t len = sizeof(value);
    assert_int_equal(mytcp_getsockopt(w->stack, w->fd, level, name, &value, &len), 0);
    return value;
}

void wire_set(struct wire *w, int level, int name, int value)
{
    assert_int_equal(mytcp_setsockopt(w->stack, w->fd, level, name, &value, sizeof(value)), 0);
}

int wire_so_error(struct wire *w)
{
    return wire_option(w, SOL_SOCKET, SO_ERROR);
}

struct mytcp_conn_info wire_info(struct wire *w)
{
    struct mytcp_conn_info info;
    assert_int_equal(mytcp_conn_info_get(w->stack, w->fd, &info), 0);
    return info;
}

struct mytcp_stats wire_stats(struct wire *w)
{
    struct mytcp_stats stats;
    assert_int_equal(mytcp_stats_get(w->stack, &stats), 0);
    return stats;
}

uint64_t wire_drops(struct wire *w, const char *name)
{
    struct mytcp_stats stats = wire_stats(w);
    for (unsigned i = 1; i < MYTCP_DROPS_MAX && mytcp_drop_name(i); i++)
        if (strcmp(mytcp_drop_name(i), name) == 0)
            return stats.drops[i];
    fail_msg("no drop reason is called %s", name);
    return 0;
}
