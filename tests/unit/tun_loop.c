/* The loop of the Linux driver, over a socketpair, with a stack that only remembers. */
#include "fake_stack.h"

#include <stddef.h>

struct world {
    mytcp_tun *tun;
    mytcp_stack *stack;
    int peer; /* the other end of the device */
};

static uint8_t payload[100];

static struct world *open_world(void **state, bool vnet_hdr, const char *pcap_path)
{
    struct world *world = calloc(1, sizeof *world);
    struct mytcp_config config = {.addr = {htonl(0x0a000002)}, .mtu_bytes = 1500};
    char why[200] = "";
    int fds[2];
    assert_non_null(world);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
    const struct mytcp_tun_options options = {
        .fd = fds[0], .fd_vnet_hdr = vnet_hdr, .pcap_path = pcap_path};
    world->peer = fds[1];
    world->tun = mytcp_tun_open(&options, &config, why, sizeof why);
    assert_string_equal(why, "");
    assert_non_null(world->tun);
    world->stack = world->tun->stack;
    *state = world;
    for (size_t i = 0; i < sizeof payload; i++) {
        payload[i] = (uint8_t)i;
    }
    world->stack->tx = (struct mytcp_tx){
        .iov = {{payload, 40}, {payload + 40, 60}}, .iovcnt = 2, .len_bytes = 100};
    read_fault = write_fault = (struct fault){0};
    return world;
}

static int setup(void **state)
{
    (void)open_world(state, true, NULL);
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    int fd = world->tun->device.fd;
    mytcp_tun_close(world->tun);
    (void)close(fd);
    (void)close(world->peer);
    free(world);
    return 0;
}

static void arrive(const struct world *world, struct virtio_net_hdr header, size_t len_bytes)
{
    struct iovec iov[2] = {{&header, sizeof header}, {payload, len_bytes}};
    assert_int_equal(syscall(SYS_writev, world->peer, iov, 2), sizeof header + len_bytes);
}

/* The bytes that came out of the device, -1 if there are none. */
static ssize_t leave(const struct world *world, struct virtio_net_hdr *header, uint8_t *data)
{
    uint8_t all[200];
    ssize_t got = recv(world->peer, all, sizeof all, 0);
    if (got < (ssize_t)sizeof *header) {
        return -1;
    }
    memcpy(header, all, sizeof *header);
    memcpy(data, all + sizeof *header, (size_t)got - sizeof *header);
    return got - (ssize_t)sizeof *header;
}

static void a_packet_comes_in_with_what_its_header_says(void **state)
{
    struct world *world = *state;
    arrive(world,
           (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                   .gso_type = VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN,
                                   .gso_size = 1448,
                                   .csum_start = 20,
                                   .csum_offset = 16},
           60);
    assert_int_equal(turn_pass(world->tun, 1000), 1);
    assert_int_equal(world->stack->last.len_bytes, 60);
    assert_ptr_equal(world->stack->last.data, world->stack->buffer);
    assert_int_equal(world->stack->last.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
    assert_int_equal(world->stack->last.gso_size, 1448);
    assert_true(world->stack->last.needs_csum);
    assert_false(world->stack->last.csum_valid);
    assert_int_equal(world->stack->last.csum_start, 20);
    assert_int_equal(world->stack->last.csum_offset, 16);
    assert_memory_equal(world->stack->buffer, payload, 60);
}

static void a_checksum_that_the_device_has_verified_is_passed_on(void **state)
{
    struct world *world = *state;
    arrive(world, (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_DATA_VALID}, 60);
    assert_int_equal(turn_pass(world->tun, 1000), 1);
    assert_true(world->stack->last.csum_valid);
    assert_false(world->stack->last.needs_csum);
}

static void a_super_segment_goes_out_with_its_header(void **state)
{
    struct world *world = *state;
    struct virtio_net_hdr header;
    uint8_t data[200];
    world->stack->tx.gso_size = 20;
    world->stack->tx.needs_csum = true;
    world->stack->tx.hdr_len = 40;
    world->stack->tx.csum_start = 20;
    world->stack->tx.csum_offset = 16;
    world->stack->tx_count = 1;
    assert_int_equal(turn_pass(world->tun, 1000), 1);
    assert_int_equal(leave(world, &header, data), 100);
    assert_memory_equal(data, payload, 100);
    assert_int_equal(header.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
    assert_int_equal(header.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
    assert_int_equal(header.gso_size, 20);
    assert_int_equal(header.hdr_len, 40);
    assert_int_equal(header.csum_start, 20);
    assert_int_equal(header.csum_offset, 16);
}

static void a_plain_packet_goes_out_with_an_empty_header(void **state)
{
    static const struct virtio_net_hdr empty;
    struct world *world = *state;
    struct virtio_net_hdr header;
    uint8_t data[200];
    world->stack->tx_count = 1;
    assert_int_equal(turn_pass(world->tun, 1000), 1);
    assert_int_equal(leave(world, &header, data), 100);
    assert_memory_equal(&header, &empty, sizeof empty);
}

/* The process may have had to wait for a processor since it looked at the clock, and the packet may be newer than that:
 * with the turn's time a round trip would seem shorter than it was. */
static void a_packet_has_the_time_at_which_it_was_read(void **state)
{
    struct world *world = *state;
    uint64_t turn_us = mytcp_tun_now_us() - 1000000; /* the process was preempted for a second */
    arrive(world, (struct virtio_net_hdr){0}, 60);
    uint64_t arrived_us = mytcp_tun_now_us();
    assert_int_equal(turn_pass(world->tun, turn_us), 1);
    assert_true(world->stack->last_us >= arrived_us);
    assert_true(world->stack->last_us <= mytcp_tun_now_us());
    arrive(world, (struct virtio_net_hdr){0}, 60); /* each packet of a batch its own */
    arrive(world, (struct virtio_net_hdr){0}, 60);
    arrived_us = mytcp_tun_now_us();
    assert_int_equal(turn_pass(world->tun, turn_us), 2);
    assert_true(world->stack->last_us >= arrived_us);
}

/* V10 */
static void the_batch_doubles_while_packets_keep_coming(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 10; i++) {
        arrive(world, (struct virtio_net_hdr){0}, 60);
    }
    assert_int_equal(turn_pass(world->tun, 1000), 1);
    assert_int_equal(turn_pass(world->tun, 1000), 2);
    assert_int_equal(turn_pass(world->tun, 1000), 4);
    assert_int_equal(turn_pass(world->tun, 1000), 3);
    assert_int_equal(turn_pass(world->tun, 1000), 0);
    arrive(world, (struct virtio_net_hdr){0}, 60);
    arrive(world, (struct virtio_net_hdr){0}, 60);
    assert_int_equal(turn_pass(world->tun, 1000), 1);
}

/* V01 */
static void what_is_too_short_for_a_packet_is_counted(void **state)
{
    struct world *world = *state;
    assert_int_equal(send(world->peer, payload, 5, 0), 5);
    assert_int_equal(send(world->peer, payload, 0, 0), 0);
    arrive(world, (struct virtio_net_hdr){0}, 0);
    arrive(world, (struct virtio_net_hdr){0}, 60);
    for (int i = 0; i < 4; i++) {
        assert_true(turn_pass(world->tun, 1000) >= 0);
    }
    assert_int_equal(world->tun->stats.dropped_short, 3);
    assert_int_equal(world->tun->stats.read_errors, 0);
    assert_int_equal(world->stack->taken, 1);
}

/* V08, M12 */
static void interrupted_system_calls_are_done_again(void **state)
{
    struct world *world = *state;
    struct virtio_net_hdr header;
    uint8_t data[200];
    read_fault = write_fault = (struct fault){2, EINTR};
    arrive(world, (struct virtio_net_hdr){0}, 60);
    world->stack->tx_count = 1;
    assert_int_equal(turn_pass(world->tun, 1000), 2);
    assert_int_equal(world->stack->taken, 1);
    assert_int_equal(leave(world, &header, data), 100);
}

/* V08 */
static void a_packet_that_the_device_cannot_take_now_goes_first_later(void **state)
{
    struct world *world = *state;
    struct virtio_net_hdr header;
    uint8_t data[200];
    uint8_t old[100];
    write_fault = (struct fault){2, EAGAIN};
    world->stack->tx_count = 3;
    assert_int_equal(turn_output(world->tun, 1000), 1);
    assert_int_equal(world->stack->tx_count, 2);
    assert_true(turn_pollfd(world->tun, 1000).events & POLLOUT);
    assert_int_equal(turn_deadline_us(world->tun), 1000 + RETRY_US);
    memcpy(old, payload, sizeof old);
    memset(payload, 'y', sizeof payload); /* the stack's memory is its own again */
    assert_int_equal(turn_output(world->tun, 1500), 0);
    assert_int_equal(world->tun->stats.write_retries, 2);
    assert_int_equal(turn_output(world->tun, 2500), 2);
    assert_int_equal(leave(world, &header, data), 100);
    assert_memory_equal(data, old, sizeof old);
    assert_int_equal(leave(world, &header, data), 100);
    assert_int_equal(data[0], 'y');
    assert_false(turn_pollfd(world->tun, 2500).events & POLLOUT);
}

/* V06 */
static void a_packet_that_the_device_refuses_is_lost_and_counted(void **state)
{
    struct world *world = *state;
    struct virtio_net_hdr header;
    uint8_t data[200];
    static const int refusals[] = {ENOBUFS, ENOMEM, EIO, EINVAL, EPIPE, 0 /* a short write */};
    unsigned count = sizeof refusals / sizeof refusals[0];
    for (unsigned i = 0; i < count; i++) {
        write_fault = (struct fault){1, refusals[i]};
        world->stack->tx_count = 2;
        assert_int_equal(turn_pass(world->tun, 1000), 2);
        assert_int_equal(leave(world, &header, data), 100);
        assert_int_equal(leave(world, &header, data), -1);
        assert_int_equal(world->tun->stats.write_errors, i + 1);
    }
    assert_int_equal(world->tun->stats.last_errno, EMSGSIZE);
}

/* V07, V08 */
static void a_device_that_fails_reads_is_left_alone_longer_and_longer(void **state)
{
    struct world *world = *state;
    uint64_t now_us = 1000;
    static const uint64_t pauses_us[] = {10000, 20000, 40000, 80000, 100000, 100000};
    arrive(world, (struct virtio_net_hdr){0}, 60);
    for (unsigned i = 0; i < 6; i++) {
        read_fault = (struct fault){1, EIO};
        assert_int_equal(turn_pass(world->tun, now_us), 0);
        assert_int_equal(turn_deadline_us(world->tun), now_us + pauses_us[i]);
        assert_int_equal(turn_pollfd(world->tun, now_us).fd, -1);
        assert_int_equal(turn_pass(world->tun, now_us + pauses_us[i] - 1), 0);
        now_us += pauses_us[i];
    }
    assert_int_equal(world->tun->stats.read_errors, 6);
    assert_int_equal(turn_pass(world->tun, now_us), 1); /* up again */
    assert_int_equal(turn_pass(world->tun, now_us), 0);
    assert_int_equal(turn_deadline_us(world->tun), MYTCP_NEVER_US);
    assert_int_equal(turn_pollfd(world->tun, now_us).fd, world->tun->device.fd);
}

static void a_device_that_has_recovered_and_is_silent_is_slept_on(void **state)
{
    struct world *world = *state;
    read_fault = (struct fault){1, EIO};
    assert_int_equal(turn_pass(world->tun, 1000), 0);
    assert_int_equal(turn_pass(world->tun, 1000 + PAUSE_MIN_US), 0);
    assert_int_equal(turn_deadline_us(world->tun), MYTCP_NEVER_US);
}

/* V07 */
static void a_device_that_is_gone_ends_turns_and_blocking_calls(void **state)
{
    struct world *world = *state;
    read_fault = (struct fault){1, EBADFD};
    assert_int_equal(mytcp_tun_turn(world->tun, MYTCP_NEVER_US), -1);
    assert_int_equal(errno, EBADFD);
    errno = 0;
    assert_int_equal(world->stack->driver.wait(world->tun, MYTCP_NEVER_US), -1);
    assert_int_equal(errno, EBADFD);
}

static void a_closed_other_end_is_a_device_that_is_gone(void **state)
{
    struct world *world = *state;
    arrive(world, (struct virtio_net_hdr){0}, 60);
    (void)close(world->peer);
    world->stack->tx_count = 1;
    assert_int_equal(mytcp_tun_turn(world->tun, 0), 2);
    assert_int_equal(mytcp_tun_turn(world->tun, MYTCP_NEVER_US), -1);
    assert_int_equal(errno, ENODEV);
}

static bool lose_ours(void *ctx, bool out, const struct iovec *iov, int iovcnt)
{
    (void)iov;
    *(int *)ctx += iovcnt;
    return !out;
}

static bool lose_theirs(void *ctx, bool out, const struct iovec *iov, int iovcnt)
{
    return !lose_ours(ctx, out, iov, iovcnt);
}

static void a_filter_loses_packets_in_either_direction(void **state)
{
    struct world *world = *state;
    struct virtio_net_hdr header;
    uint8_t data[200];
    int seen = 0;
    arrive(world, (struct virtio_net_hdr){0}, 60);
    world->stack->tx_count = 1;
    assert_int_equal(mytcp_tun_filter(world->tun, lose_ours, &seen), 0);
    assert_int_equal(mytcp_tun_turn(world->tun, 0), 2);
    assert_int_equal(world->stack->taken, 1);
    assert_int_equal(leave(world, &header, data), -1);
    assert_int_equal(seen, 3);
    arrive(world, (struct virtio_net_hdr){0}, 60);
    world->stack->tx_count = 1;
    assert_int_equal(mytcp_tun_filter(world->tun, lose_theirs, &seen), 0);
    assert_int_equal(mytcp_tun_turn(world->tun, 0), 2);
    assert_int_equal(world->stack->taken, 1);
    assert_int_equal(leave(world, &header, data), 100);
    struct mytcp_tun_stats stats;
    assert_int_equal(mytcp_tun_stats_get(world->tun, &stats), 0);
    assert_int_equal(stats.filtered_in, 1);
    assert_int_equal(stats.filtered_out, 1);
}

static void packets_are_recorded_once_the_loop_is_idle(void **state)
{
    char path[] = "/tmp/mytcp-pcap-XXXXXX";
    uint8_t file[400];
    uint32_t word;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    struct world *world = open_world(state, true, path);
    arrive(world, (struct virtio_net_hdr){0}, 60);
    world->stack->tx_count = 1;
    assert_int_equal(mytcp_tun_turn(world->tun, 0), 2);
    assert_int_equal(mytcp_tun_turn(world->tun, 0), 0);
    ssize_t len_bytes = read(fd, file, sizeof file);
    (void)close(fd);
    (void)unlink(path);
    assert_int_equal(len_bytes, 24 + 16 + 60 + 16 + 100);
    memcpy(&word, file, 4);
    assert_int_equal(word, 0xa1b2c3d4);
    memcpy(&word, file + 20, 4);
    assert_int_equal(word, 101);
    memcpy(&word, file + 24 + 8, 4);
    assert_int_equal(word, 60);
    assert_memory_equal(file + 24 + 16, payload, 60);
    memcpy(&word, file + 24 + 16 + 60 + 12, 4);
    assert_int_equal(word, 100);
    assert_memory_equal(file + 24 + 16 + 60 + 16, payload, 100);
}

static void a_waiting_call_is_woken_by_the_thread(void **state)
{
    struct world *world = *state;
    const struct mytcp_driver *driver = &world->stack->driver;
    assert_int_equal(mytcp_tun_start(world->tun), 0);
    assert_int_equal(mytcp_tun_start(world->tun), -1);
    assert_int_equal(errno, EBUSY);
    for (unsigned i = 1; i <= 100; i++) {
        arrive(world, (struct virtio_net_hdr){0}, 60);
        driver->lock(driver->ctx);
        while (world->stack->taken < i) {
            assert_int_equal(driver->wait(driver->ctx, MYTCP_NEVER_US), 0);
        }
        driver->unlock(driver->ctx);
    }
    assert_int_equal(mytcp_tun_stop(world->tun), 0);
    assert_int_equal(mytcp_tun_stop(world->tun), 0);
}

static void a_call_that_sets_an_earlier_deadline_wakes_the_thread(void **state)
{
    struct world *world = *state;
    const struct mytcp_driver *driver = &world->stack->driver;
    assert_int_equal(mytcp_tun_start(world->tun), 0);
    for (unsigned i = 0; i < 100; i++) {
        driver->lock(driver->ctx);
        world->stack->deadline_us = mytcp_tun_now_us() + 100;
        driver->unlock(driver->ctx);
        driver->lock(driver->ctx);
        while (world->stack->deadline_us != MYTCP_NEVER_US) {
            assert_int_equal(driver->wait(driver->ctx, MYTCP_NEVER_US), 0);
        }
        driver->unlock(driver->ctx);
    }
    /* closing stops the thread */
}

/* G025 */
static void what_a_call_makes_ready_is_sent_while_it_waits(void **state)
{
    struct world *world = *state;
    const struct mytcp_driver *driver = &world->stack->driver;
    struct virtio_net_hdr header;
    uint8_t data[200];
    assert_int_equal(mytcp_tun_start(world->tun), 0);
    for (unsigned i = 0; i < 10; i++) {
        driver->lock(driver->ctx);
        world->stack->tx_count = 1;
        uint64_t patient_until_us = mytcp_tun_now_us() + 5000000;
        (void)driver->wait(driver->ctx, patient_until_us);
        assert_true(mytcp_tun_now_us() < patient_until_us);
        assert_int_equal(leave(world, &header, data), 100);
        driver->unlock(driver->ctx);
    }
}

static void what_a_call_makes_ready_is_sent_at_once(void **state)
{
    struct world *world = *state;
    const struct mytcp_driver *driver = &world->stack->driver;
    struct virtio_net_hdr header;
    uint8_t data[200];
    assert_int_equal(mytcp_tun_start(world->tun), 0);
    driver->lock(driver->ctx);
    world->stack->tx_count = 1;
    driver->kick(driver->ctx);
    assert_int_equal(leave(world, &header, data), 100);
    driver->unlock(driver->ctx);
}

static void a_device_gone_ends_the_waits_for_the_thread(void **state)
{
    struct world *world = *state;
    const struct mytcp_driver *driver = &world->stack->driver;
    assert_int_equal(mytcp_tun_start(world->tun), 0);
    (void)close(world->peer);
    driver->lock(driver->ctx);
    while (driver->wait(driver->ctx, MYTCP_NEVER_US) == 0) {
    }
    assert_int_equal(errno, ENODEV);
    driver->unlock(driver->ctx);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_packet_comes_in_with_what_its_header_says),
        TEST(a_checksum_that_the_device_has_verified_is_passed_on),
        TEST(a_super_segment_goes_out_with_its_header),
        TEST(a_plain_packet_goes_out_with_an_empty_header),
        TEST(a_packet_has_the_time_at_which_it_was_read),
        TEST(the_batch_doubles_while_packets_keep_coming),
        TEST(what_is_too_short_for_a_packet_is_counted),
        TEST(interrupted_system_calls_are_done_again),
        TEST(a_packet_that_the_device_cannot_take_now_goes_first_later),
        TEST(a_packet_that_the_device_refuses_is_lost_and_counted),
        TEST(a_device_that_fails_reads_is_left_alone_longer_and_longer),
        TEST(a_device_that_has_recovered_and_is_silent_is_slept_on),
        TEST(a_device_that_is_gone_ends_turns_and_blocking_calls),
        TEST(a_closed_other_end_is_a_device_that_is_gone),
        TEST(a_filter_loses_packets_in_either_direction),
        cmocka_unit_test_teardown(packets_are_recorded_once_the_loop_is_idle, teardown),
        TEST(a_waiting_call_is_woken_by_the_thread),
        TEST(a_call_that_sets_an_earlier_deadline_wakes_the_thread),
        TEST(what_a_call_makes_ready_is_sent_at_once),
        TEST(what_a_call_makes_ready_is_sent_while_it_waits),
        TEST(a_device_gone_ends_the_waits_for_the_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
