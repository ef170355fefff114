/*
 * Every system call of the driver, in its turn, fails in every way: at the opening
 * that is an error with its reason and nothing left open, or it does not matter; in the middle of a
 * transfer no byte is lost, whatever a device says that is still there, and whatever it says at its
 * end, calls return.
 */
#include "faulty_calls.h"

#include <dirent.h>
#include <setjmp.h>

#include <cmocka.h>

#define TOTAL_BYTES 60000u

static const int transient[] = {EAGAIN, EINTR, EIO, ENOBUFS, ENOMEM, ENETDOWN,
                                RESULT_SHORT, RESULT_ZERO, RESULT_LONG};
static const int fatal[] = {EBADF, EBADFD, ENODEV};
static bool have_tun;

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static unsigned open_descriptors(void)
{
    unsigned n = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return n;
}

/* ---- the opening ---- */

static mytcp_tun *open_device(char *why, size_t size)
{
    const struct mytcp_tun_options options = {.fd = -1,
                                              .name = "mytcp0",
                                              .host = {htonl(0x0a090001)},
                                              .host_prefix_len = 24,
                                              .mtu_bytes = 1400};
    struct mytcp_config config;
    mytcp_config_init(&config);
    config.addr.s_addr = htonl(0x0a090002);
    why[0] = '\0';
    return mytcp_tun_open(&options, &config, why, size);
}

static void open_with_fault(unsigned at, int result)
{
    char why[256];
    unsigned before = open_descriptors();
    fault_set(-1, at, 1, result);
    mytcp_tun *tun = open_device(why, sizeof why);
    int err = errno;
    fault_clear();
    if (tun == NULL) {
        assert_int_not_equal(err, 0);
        assert_string_not_equal(why, "");
    } else {
        assert_true(mytcp_tun_turn(tun, 0) >= 0);
        mytcp_tun_close(tun);
    }
    assert_int_equal(open_descriptors(), before);
}

static void an_opening_survives_any_failure_of_any_call(void **state)
{
    (void)state;
    char why[256];
    if (!have_tun) {
        skip();
    }
    fault_set(-1, UINT32_MAX, 0, 0);
    mytcp_tun *tun = open_device(why, sizeof why);
    assert_string_equal(why, "");
    assert_non_null(tun);
    unsigned calls = fault.seen;
    mytcp_tun_close(tun);
    assert_true(calls > 10);
    for (unsigned at = 0; at < calls; at++) {
        for (size_t i = 0; i < COUNT(fatal); i++) {
            open_with_fault(at, fatal[i]);
        }
        for (size_t i = 0; i < COUNT(transient) && transient[i] > 0; i++) {
            open_with_fault(at, transient[i]);
        }
        open_with_fault(at, EPERM);
    }
    print_message("%u system calls open a device\n", calls);
}

static void without_entropy_it_refuses_to_start(void **state)
{
    (void)state;
    static const int results[] = {EIO, ENOSYS, EAGAIN, RESULT_ZERO};
    for (size_t i = 0; i < COUNT(results); i++) {
        uint8_t secret[32];
        fault_set(-1, 0, 1000, results[i]);
        assert_int_equal(entropy_fill(secret, sizeof secret), -1);
        assert_int_not_equal(errno, 0);
    }
    uint8_t secret[32] = {0}, none[32] = {0};
    fault_set(-1, 0, 3, RESULT_SHORT); /* goes on for the rest */
    assert_int_equal(entropy_fill(secret, sizeof secret), 0);
    assert_memory_not_equal(secret + 24, none + 24, 8);
    fault_clear();
}

/* M09: one system call after the other fails; that of getrandom ends the opening, and no stack runs on zeroes */
static void an_opening_without_entropy_is_refused(void **state)
{
    static const uint8_t none[32];
    unsigned refused = 0;
    int fds[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
    unsigned before = open_descriptors();
    for (unsigned at = 0; at < 20; at++) {
        const struct mytcp_tun_options options = {.fd = fds[0], .fd_vnet_hdr = true, .mtu_bytes = 1500};
        struct mytcp_config config;
        char why[256] = "";
        mytcp_config_init(&config);
        config.addr.s_addr = htonl(0x0a000001);
        fault_set(-1, at, 1, ENOSYS);
        mytcp_tun *tun = mytcp_tun_open(&options, &config, why, sizeof why);
        int err = errno;
        fault_clear();
        if (tun != NULL) {
            assert_memory_not_equal(config.entropy, none, sizeof none);
        } else if (strstr(why, "getrandom") != NULL) {
            assert_int_equal(err, ENOSYS);
            refused++;
        }
        mytcp_tun_close(tun);
        assert_int_equal(open_descriptors(), before);
    }
    assert_int_equal(refused, 1);
    close(fds[0]);
    close(fds[1]);
}

/* ---- a transfer ---- */

/* `a` sends to `b`, which sends it back; the device of `a` is the faulty one. */
struct world {
    mytcp_tun *a, *b;
    int fd_a, fd_b, client, listener, server;
    uint32_t sent, echoed, returned;
    uint8_t pending[4096];
    uint32_t pending_len, pending_at;
    bool shut, server_ended, client_ended;
};

static mytcp_tun *make_end(int fd, uint32_t address, uint8_t entropy)
{
    const struct mytcp_tun_options options = {.fd = fd, .fd_vnet_hdr = true, .mtu_bytes = 1500};
    struct mytcp_config config;
    char why[256] = "";
    mytcp_config_init(&config);
    config.addr.s_addr = htonl(address);
    memset(config.entropy, entropy, sizeof config.entropy);
    mytcp_tun *tun = mytcp_tun_open(&options, &config, why, sizeof why);
    assert_string_equal(why, "");
    assert_non_null(tun);
    return tun;
}

static void world_make(struct world *w)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(7)};
    int fds[2];
    memset(w, 0, sizeof *w);
    clock_us = 1000000;
    fault_clear();
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
    w->fd_a = fds[0];
    w->fd_b = fds[1];
    w->a = make_end(fds[0], 0x0a000001, 1);
    w->b = make_end(fds[1], 0x0a000002, 2);
    w->listener = mytcp_socket(w->b->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(mytcp_bind(w->b->stack, w->listener, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(mytcp_listen(w->b->stack, w->listener, 5), 0);
    w->server = -1;
    w->client = mytcp_socket(w->a->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    to.sin_addr.s_addr = htonl(0x0a000002);
    assert_int_equal(mytcp_connect(w->a->stack, w->client, (struct sockaddr *)&to, sizeof to), -1);
    assert_int_equal(errno, EINPROGRESS);
}

static void world_free(struct world *w)
{
    fault_clear();
    mytcp_tun_close(w->a);
    mytcp_tun_close(w->b);
    close(w->fd_a);
    close(w->fd_b);
}

static uint8_t byte_at(uint32_t at)
{
    return (uint8_t)(at * 7 + (at >> 8));
}

static void client_step(struct world *w)
{
    mytcp_stack *s = w->a->stack;
    uint8_t data[4096];
    if (w->sent < TOTAL_BYTES) {
        uint32_t len = TOTAL_BYTES - w->sent < sizeof data ? TOTAL_BYTES - w->sent : sizeof data;
        for (uint32_t i = 0; i < len; i++) {
            data[i] = byte_at(w->sent + i);
        }
        ssize_t n = mytcp_send(s, w->client, data, len, MSG_DONTWAIT);
        w->sent += n > 0 ? (uint32_t)n : 0;
    } else if (!w->shut) {
        w->shut = mytcp_shutdown(s, w->client, SHUT_WR) == 0;
    }
    ssize_t n = mytcp_recv(s, w->client, data, sizeof data, MSG_DONTWAIT);
    for (ssize_t i = 0; i < n; i++) {
        assert_int_equal(data[i], byte_at(w->returned + (uint32_t)i));
    }
    w->returned += n > 0 ? (uint32_t)n : 0;
    w->client_ended |= n == 0;
    assert_true(n >= 0 || errno == EAGAIN || errno == ENOTCONN);
}

static void server_step(struct world *w)
{
    mytcp_stack *s = w->b->stack;
    if (w->server < 0) {
        w->server = mytcp_accept(s, w->listener, NULL, NULL, SOCK_NONBLOCK);
        return;
    }
    if (w->pending_at == w->pending_len && !w->server_ended) {
        ssize_t n = mytcp_recv(s, w->server, w->pending, sizeof w->pending, MSG_DONTWAIT);
        w->pending_at = 0;
        w->pending_len = n > 0 ? (uint32_t)n : 0;
        if (n == 0) {
            w->server_ended = true;
            assert_int_equal(mytcp_close(s, w->server), 0);
        }
    }
    if (w->pending_at < w->pending_len) {
        ssize_t n = mytcp_send(s, w->server, w->pending + w->pending_at,
                               w->pending_len - w->pending_at, MSG_DONTWAIT);
        w->pending_at += n > 0 ? (uint32_t)n : 0;
    }
}

/* Both ends in turn, until all came back: within two minutes of the clock's. */
static void world_run(struct world *w)
{
    uint64_t limit_us = clock_us + 120000000;
    while (!w->client_ended) {
        client_step(w);
        server_step(w);
        int moved = mytcp_tun_turn(w->a, 0);
        moved |= mytcp_tun_turn(w->b, 0);
        if (moved <= 0) { /* sleep until something comes or is due at either */
            uint64_t due_us = mytcp_tun_deadline_us(w->b);
            (void)mytcp_tun_turn(w->a, due_us > clock_us ? due_us - clock_us : 0);
        }
        assert_true(clock_us < limit_us);
    }
    assert_int_equal(w->returned, TOTAL_BYTES);
}

static unsigned calls_of_a_transfer(void)
{
    struct world w;
    world_make(&w);
    fault_set(w.fd_a, UINT32_MAX, 0, 0);
    world_run(&w);
    unsigned calls = fault.seen;
    world_free(&w);
    return calls;
}

static void transfer_with_faults(unsigned count)
{
    unsigned calls = calls_of_a_transfer(), struck = 0;
    assert_true(calls > 30);
    for (size_t i = 0; i < COUNT(transient); i++) {
        for (unsigned at = 0; at < calls; at++) {
            struct world w;
            world_make(&w);
            fault_set(w.fd_a, at, count, transient[i]);
            world_run(&w);
            struck += fault.struck;
            world_free(&w);
        }
    }
    print_message("%u of a transfer's calls on the device failed, in %u places\n", struck, calls);
    assert_true(struck >= calls * COUNT(transient));
}

static void no_byte_is_lost_when_a_call_on_the_device_fails(void **state)
{
    (void)state;
    transfer_with_faults(1);
}

static void no_byte_is_lost_when_five_calls_in_a_row_fail(void **state)
{
    (void)state;
    transfer_with_faults(5);
}

/* Nor does anything spin: where the device is gone a turn says so at once and for ever. */
static void a_device_that_is_gone_ends_every_wait(void **state)
{
    (void)state;
    unsigned calls = calls_of_a_transfer();
    for (size_t i = 0; i < COUNT(fatal); i++) {
        for (unsigned at = 0; at < calls; at++) {
            struct world w;
            uint8_t byte;
            world_make(&w);
            fault_set(w.fd_a, at, UINT32_MAX, fatal[i]);
            int moved = 0, err = 0;
            for (int n = 0; n < 10000 && moved >= 0; n++) {
                client_step(&w);
                server_step(&w);
                moved = mytcp_tun_turn(w.a, 1000);
                err = errno;
                (void)mytcp_tun_turn(w.b, 0);
            }
            assert_int_equal(moved, -1);
            assert_int_equal(err, fatal[i]);
            assert_int_equal(mytcp_fcntl(w.a->stack, w.client, F_SETFL, 0), 0);
            ssize_t got;
            while ((got = mytcp_recv(w.a->stack, w.client, &byte, 1, 0)) == 1) {
            }
            assert_true(got == 0 ? w.server_ended : errno == fatal[i]); /* 0: the end had come */
            world_free(&w);
        }
    }
}

int main(void)
{
    have_tun = (unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0) &&
               access("/dev/net/tun", R_OK | W_OK) == 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_opening_survives_any_failure_of_any_call),
        cmocka_unit_test(without_entropy_it_refuses_to_start),
        cmocka_unit_test(an_opening_without_entropy_is_refused),
        cmocka_unit_test(no_byte_is_lost_when_a_call_on_the_device_fails),
        cmocka_unit_test(no_byte_is_lost_when_five_calls_in_a_row_fail),
        cmocka_unit_test(a_device_that_is_gone_ends_every_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
