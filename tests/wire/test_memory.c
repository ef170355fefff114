/* Memory that fails, and memory that ends. */
#include "lib/wire.h"

static struct wire_packet p;

enum { BYTES = 6000, TURNS = 400 };

/* What a peer that never gives up does: it sends what is not acknowledged, it acknowledges what
 * came. Everything but `sockets` is learned from packets, so that any refusal is only a loss to it.
 */
struct patient_peer {
    uint32_t acked;    /* by the stack, of our stream: relative */
    uint32_t received; /* of the stack's stream */
    bool established, fin_in, reset;
};

static void peer_listens(struct wire *w, struct patient_peer *peer)
{
    while (wire_poll(w, &p)) {
        struct wire_conn *c = wire_conn(w);
        if (p.protocol != 6 || p.dst_port != w->peer_port)
            continue;
        if (p.flags & RST) {
            peer->reset = peer->established; /* before, nobody listened yet */
            continue;
        }
        if (p.flags & SYN)
            peer->established = true;
        if (p.flags & ACK && (int32_t)(p.ack - c->irs - peer->acked) > 0)
            peer->acked = p.ack - c->irs;
        uint32_t seq = p.seq - c->iss + !!(p.flags & SYN);
        if (p.payload_len && seq <= peer->received && seq + p.payload_len > peer->received)
            peer->received = seq + p.payload_len;
        if (p.flags & FIN && seq + p.payload_len == peer->received) {
            peer->received++;
            peer->fin_in = true;
        }
    }
}

static void peer_speaks(struct wire *w, const struct patient_peer *peer, int turn)
{
    if (!peer->established) {
        struct wire_segment syn = wire_peer_syn(w, SYN, 0);
        wire_in(w, __FILE__, __LINE__, &syn);
        return;
    }
    uint32_t at = peer->acked ? peer->acked : 1, end = 1 + BYTES;
    if (turn % 3 == 0 && at + 2000 < end) /* out of order now and then */
        IN(w, .flags = ACK, .seq = at + 1000, .ack = peer->received, .len = 1000);
    if (at < end)
        IN(w, .flags = ACK, .seq = at, .ack = peer->received,
           .len = end - at < 1000 ? end - at : 1000);
    else if (at == end)
        IN(w, .flags = FIN | ACK, .seq = end, .ack = peer->received);
    else
        IN(w, .flags = ACK, .seq = end + 1, .ack = peer->received);
}

static int try_listen(struct wire *w)
{
    struct sockaddr_in a = wire_sockaddr(w->our_addr, w->our_port);
    int fd = mytcp_socket(w->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (mytcp_bind(w->stack, fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
        mytcp_listen(w->stack, fd, 4) == 0)
        return fd;
    assert_true(errno == ENOBUFS || errno == ENOMEM);
    assert_int_equal(mytcp_close(w->stack, fd), 0);
    return -1;
}

/* The application echoes until end of stream, then closes. Returns true when it is done. */
static bool application(struct wire *w, uint64_t *echoed)
{
    uint8_t data[1500];
    if (w->listener < 0)
        w->listener = try_listen(w);
    if (w->listener >= 0 && w->fd < 0)
        w->fd = mytcp_accept(w->stack, w->listener, NULL, NULL, SOCK_NONBLOCK);
    if (w->fd < 0)
        return false;
    for (;;) {
        ssize_t n = mytcp_recv(w->stack, w->fd, data, sizeof(data), MSG_PEEK);
        if (n <= 0) {
            if (n < 0 && errno == EAGAIN)
                return false;
            mytcp_close(w->stack, w->fd);
            return true;
        }
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(data[i], wire_byte(false, *echoed + (uint64_t)i)); /* U6 */
        for (ssize_t i = 0; i < n; i++)
            data[i] = wire_byte(true, *echoed + (uint64_t)i);
        ssize_t sent = mytcp_send(w->stack, w->fd, data, (size_t)n, 0);
        if (sent < 0) {
            assert_true(errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM || errno == EPIPE ||
                        errno == ECONNRESET);
            return false;
        }
        assert_int_equal(mytcp_recv(w->stack, w->fd, data, (size_t)sent, MSG_TRUNC), sent);
        *echoed += (uint64_t)sent;
    }
}

/* An echo of BYTES both ways through a connection, from the stack's creation to its end. Returns
 * whether all went through. */
static bool echo(struct wire *w)
{
    struct patient_peer peer = {.received = 1};
    uint64_t echoed = 0;
    bool done = false;
    w->mtu = w->config.mtu_bytes;
    w->stack = mytcp_create(&w->config, w->now_us);
    if (!w->stack) {
        assert_int_equal(errno, ENOMEM);
        return false;
    }
    for (int turn = 0; turn < TURNS && !(peer.fin_in && done) && !peer.reset; turn++) {
        if (!done)
            done = application(w, &echoed);
        peer_listens(w, &peer);
        peer_speaks(w, &peer, turn);
        peer_listens(w, &peer);
        w->now_us += 50 * MS;
    }
    assert_true(peer.received <= BYTES + 2);
    return peer.fin_in && echoed == BYTES;
}

static void again(struct wire *w)
{
    wire_stop(w); /* asserts that nothing leaked */
    wire_reincarnate(w, w->irs);
    w->allocs = w->fail_at = w->fail_from = 0;
    w->fd = w->listener = -1;
    w->log_len = 0;
}

/* D08, G062, M08: once, for every allocation there is; the connection gets over it */
SCENARIO(any_single_allocation_may_fail_and_all_bytes_arrive)
{
    assert_true(echo(w));
    uint64_t count = w->allocs;
    assert_in_range(count, 3, 10000);
    again(w);
    for (uint64_t k = 1; k <= count; k++) {
        w->fail_at = k;
        bool made = echo(w);
        if (!made && w->stack) /* only creation may be refused for good */
            wire_failed(w, __FILE__, __LINE__,
                        "allocation %llu of %llu: the echo did not go through",
                        (unsigned long long)k, (unsigned long long)count);
        again(w);
    }
}

/* M08: for ever from then on; no crash, no leak, no wrong byte */
SCENARIO(all_allocations_may_fail_from_any_point_on)
{
    assert_true(echo(w));
    uint64_t count = w->allocs;
    again(w);
    for (uint64_t k = 1; k <= count; k++) {
        w->fail_from = k;
        echo(w);
        again(w);
    }
}

/* M08 */
SCENARIO(any_allocation_of_a_stacks_creation_may_fail)
{
    w->config.trace_entries = 10;
    wire_start(w);
    uint64_t count = w->allocs;
    for (uint64_t run = 0; run < 2 * count; run++) {
        again(w);
        *(run % 2 ? &w->fail_at : &w->fail_from) = 1 + run / 2;
        errno = 0;
        assert_null(mytcp_create(&w->config, w->now_us));
        assert_int_equal(errno, ENOMEM);
        assert_int_equal(w->held_bytes, 0);
        w->fail_at = w->fail_from = 0;
        wire_start(w);
        w->fail_from = w->allocs + 1; /* to go it needs none */
    }
    assert_in_range(count, 6, 6);
}

/* 9293-OPEN-5, M08 */
SCENARIO(any_allocation_of_a_connect_may_fail)
{
    for (uint64_t k = 1; k < 60; k++) {
        w->fail_at = k;
        w->stack = mytcp_create(&w->config, w->now_us);
        w->mtu = w->config.mtu_bytes;
        if (w->stack) {
            struct sockaddr_in to = wire_sockaddr(w->peer_addr, w->peer_port);
            int fd = mytcp_socket(w->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
            if (fd >= 0) {
                int r = mytcp_connect(w->stack, fd, (struct sockaddr *)&to, sizeof(to));
                assert_true(r == -1 &&
                            (errno == EINPROGRESS || errno == ENOBUFS || errno == ENOMEM));
                struct sockaddr_in name;
                socklen_t len = sizeof(name);
                assert_int_equal(mytcp_getsockname(w->stack, fd, (struct sockaddr *)&name, &len),
                                 0);
                w->our_port = ntohs(name.sin_port);
                if (w->our_port) {
                    wire_conn(w);
                    wire_reincarnate(w, w->irs);
                }
                wire_skip_to(w, w->now_us - w->mark_us + 10 * SEC);
            }
        }
        again(w);
    }
}

/* M08: told at once, it would try, be refused and be told again without end */
SCENARIO(a_writer_refused_by_the_allocator_is_told_to_go_on_a_while_later)
{
    struct mytcp_event e;
    wire_passive(w);
    assert_int_equal(mytcp_watch(w->stack, w->fd, POLLOUT | MYTCP_ET, 0), 0);
    assert_int_equal(mytcp_wait(w->stack, &e, 1, 0), 1);
    w->fail_from = w->allocs + 1;
    FAILS(w, mytcp_send(w->stack, w->fd, "x", 1, 0), EAGAIN);
    for (int i = 0; i < 3; i++) {
        QUIET(w);
        assert_int_equal(mytcp_wait(w->stack, &e, 1, 0), 0);
        assert_in_range(mytcp_next_deadline(w->stack), w->now_us + 1, w->now_us + 10 * MS);
        AT(w, w->now_us - w->mark_us + 10 * MS);
        QUIET(w);
        assert_int_equal(mytcp_wait(w->stack, &e, 1, 0), 1);
        FAILS(w, mytcp_send(w->stack, w->fd, "x", 1, 0), EAGAIN);
    }
    w->fail_from = 0;
    AT(w, w->now_us - w->mark_us + 10 * MS);
    QUIET(w);
    assert_int_equal(mytcp_wait(w->stack, &e, 1, 0), 1);
    WRITE(w, 1);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1);
}

/* R24, U5: one ceiling on all that the stack holds */
SCENARIO(nothing_is_held_beyond_the_ceiling)
{
    w->config.memory_limit_bytes = 2 << 20;
    wire_passive(w);
    uint32_t at = 0;
    for (unsigned i = 0; i < 3000; i++) { /* holes for ever, with nobody reading */
        at += 2000;
        IN(w, .flags = ACK, .seq = 1 + (at & 0x3ffff), .ack = 1, .len = 1000);
        while (wire_poll(w, &p))
            continue;
        assert_true(w->held_bytes <= w->config.memory_limit_bytes);
        assert_true(wire_stats(w).memory_bytes <= w->config.memory_limit_bytes);
        assert_true(wire_stats(w).memory_peak_bytes <= w->config.memory_limit_bytes);
    }
}

/* R24: without an answer the peer would wait for its timeout, and double it */
SCENARIO(data_for_which_there_is_no_memory_is_refused_with_an_ack)
{
    w->config.memory_limit_bytes = 1 << 20;
    wire_passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 101);
    while (wire_stats(w).memory_bytes <= w->config.memory_limit_bytes / 100 * 91)
        assert_true(mytcp_socket(w->stack, AF_INET, SOCK_STREAM, 0) >= 0);
    assert_string_equal(IN(w, .flags = ACK, .seq = 101, .ack = 1, .len = 100), "no_memory");
    OUT(w, .flags = ACK, .seq = 1, .ack = 101);
    QUIET(w);
    READ(w, 100);
    assert_string_equal(IN(w, .flags = ACK, .seq = 101, .ack = 1, .len = 100), "");
}

/* R01, R24 */
SCENARIO(syn_floods_stay_below_the_ceiling_and_a_connection_goes_on)
{
    w->config.memory_limit_bytes = 2 << 20;
    w->config.syn_queue_max = 100000;
    w->config.somaxconn = 100000;
    wire_aim(w, false);
    wire_listen(w, 100000);
    wire_passive(w);
    uint16_t good = w->peer_port;
    struct wire_packet *syn = malloc(sizeof(*syn));
    wire_build(w, syn, &(struct wire_segment){.flags = SYN, .mss = 1460});
    for (unsigned i = 0; i < 20000; i++) {
        struct mytcp_packet packet = {.data = syn->bytes, .len_bytes = syn->len};
        struct mytcp_tx tx;
        syn->bytes[15] = (uint8_t)(5 + i % 100);
        syn->bytes[20] = (uint8_t)(1 + i / 256 % 200);
        syn->bytes[21] = (uint8_t)i;
        wire_fix_ip_checksum(syn);
        wire_fix_tcp_checksum(syn);
        assert_true(mytcp_input(w->stack, &packet, w->now_us) >= 0);
        unsigned answers = 0;
        while (mytcp_output(w->stack, &tx, w->now_us) == 1)
            answers++;
        assert_in_range(answers, 0, 1); /* U2 */
        assert_true(w->held_bytes <= w->config.memory_limit_bytes);
    }
    free(syn);
    assert_null(mytcp_check(w->stack));
    w->peer_port = good;
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1001);
    READ(w, 1000);
}

/* G182, U5: what a connection took comes back when it ends */
SCENARIO(after_a_connection_memory_is_as_before)
{
    uint64_t held[6];
    w->config.msl_us = 1000000;
    for (int i = 0; i < 6; i++) {
        w->peer_port++;
        wire_passive(w);
        WRITE(w, 50000);
        for (int turn = 0; turn < 20; turn++) {
            while (wire_poll(w, &p))
                continue;
            IN(w, .flags = ACK, .seq = 1, .ack = wire_conn(w)->snd_high);
        }
        IN(w, .flags = ACK, .seq = 3000, .ack = 50001, .len = 1000);
        while (wire_poll(w, &p))
            continue;
        assert_int_equal(mytcp_close(w->stack, w->fd), 0);
        while (wire_poll(w, &p))
            continue;
        IN(w, .flags = RST, .seq = 1);
        wire_skip_to(w, w->now_us - w->mark_us + 10 * SEC);
        held[i] = wire_stats(w).memory_bytes - wire_stats(w).memory_cached_bytes;
        assert_int_equal(held[i], held[0]);
    }
    assert_int_equal(wire_stats(w).sockets, 1);
}

/* U5: also what goes on without its socket */
SCENARIO(a_stack_that_ends_gives_all_memory_back_whoever_still_closes)
{
    w->rtt_us = 1 * MS;
    for (int i = 0; i < 6; i++) {
        w->peer_port++;
        wire_passive(w);
        assert_int_equal(mytcp_close(w->stack, w->fd), 0);
        OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
        if (i % 2)
            continue;
        IN(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
        OUT(w, .flags = ACK, .seq = 2, .ack = 2);
    }
    assert_int_equal(wire_stats(w).sockets, 1 + 3);
    assert_int_equal(wire_stats(w).time_wait, 3);
    wire_stop(w);
    assert_int_equal(w->held_bytes, 0);
}

/* the tables' share included; the budget is 512, the goal 320 */
SCENARIO(an_idle_connection_holds_576_bytes_at_most)
{
    wire_passive(w);
    wire_skip_to(w, 1 * SEC);
    uint64_t before = wire_stats(w).memory_bytes;
    for (int i = 0; i < 64; i++) {
        w->peer_port++;
        wire_passive(w);
        IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
        OUT(w, .flags = ACK, .seq = 1, .ack = 101);
        READ(w, 100);
        WRITE(w, 100);
        OUT(w, .flags = ACK, .seq = 1, .ack = 101, .len = 100);
        IN(w, .flags = ACK, .seq = 101, .ack = 101);
        QUIET(w);
    }
    uint64_t each = (wire_stats(w).memory_bytes - before) / 64;
    print_message("an idle connection holds %llu bytes\n", (unsigned long long)each);
    assert_in_range(each, 0, 576);
}

/* U9: determinism: same inputs, same digest */
SCENARIO(the_same_inputs_give_the_same_digest)
{
    uint64_t digest[2];
    uint64_t start = w->now_us;
    for (int run = 0; run < 2; run++) {
        w->now_us = start;
        assert_true(echo(w));
        digest[run] = mytcp_digest(w->stack);
        again(w);
        w->packets_in = 0;
    }
    assert_int_equal(digest[0], digest[1]);
}

WIRE_MAIN(WIRE_TEST(any_single_allocation_may_fail_and_all_bytes_arrive),
          WIRE_TEST(all_allocations_may_fail_from_any_point_on),
          WIRE_TEST(any_allocation_of_a_stacks_creation_may_fail),
          WIRE_TEST(any_allocation_of_a_connect_may_fail),
          WIRE_TEST(a_writer_refused_by_the_allocator_is_told_to_go_on_a_while_later),
          WIRE_TEST(nothing_is_held_beyond_the_ceiling),
          WIRE_TEST(data_for_which_there_is_no_memory_is_refused_with_an_ack),
          WIRE_TEST(syn_floods_stay_below_the_ceiling_and_a_connection_goes_on),
          WIRE_TEST(after_a_connection_memory_is_as_before),
          WIRE_TEST(a_stack_that_ends_gives_all_memory_back_whoever_still_closes),
          WIRE_TEST(an_idle_connection_holds_576_bytes_at_most),
          WIRE_TEST(the_same_inputs_give_the_same_digest))
