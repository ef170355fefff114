/* Opening the Linux driver: what it completes, what it refuses and how it says so. The tests that need
 * a TUN device run in a network namespace of this process's own, or are skipped. */
#include "fake_stack.h"

#include <sched.h>
#include <stddef.h>

static bool have_tun;
static char why_text[256];

static struct mytcp_config config_for_test(void)
{
    return (struct mytcp_config){.addr = {htonl(0x0a090002)}, .mtu_bytes = 1500};
}

static mytcp_tun *open_with(struct mytcp_tun_options options, struct mytcp_config *config)
{
    why_text[0] = '\0';
    return mytcp_tun_open(&options, config, why_text, sizeof why_text);
}

static void assert_refused(struct mytcp_tun_options options, int err, const char *part)
{
    struct mytcp_config config = config_for_test();
    assert_null(open_with(options, &config));
    assert_int_equal(errno, err);
    assert_non_null(strstr(why_text, part));
}

static void missing_arguments_are_refused(void **state)
{
    (void)state;
    struct mytcp_config config = config_for_test();
    const struct mytcp_tun_options options = {.fd = -1};
    assert_null(mytcp_tun_open(NULL, &config, NULL, 0));
    assert_int_equal(errno, EFAULT);
    assert_null(mytcp_tun_open(&options, NULL, NULL, 0));
    assert_int_equal(errno, EFAULT);
    config.addr.s_addr = 0;
    assert_null(open_with(options, &config));
    assert_int_equal(errno, EINVAL);
    assert_string_equal(why_text, "the stack has no address: set config.addr");
}

static void functions_on_no_driver_are_errors(void **state)
{
    (void)state;
    struct mytcp_tun_stats stats;
    mytcp_tun_close(NULL);
    assert_null(mytcp_tun_stack(NULL));
    errno = 0;
    assert_int_equal(mytcp_tun_turn(NULL, 0), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(mytcp_tun_start(NULL), -1);
    assert_int_equal(mytcp_tun_stop(NULL), -1);
    assert_int_equal(mytcp_tun_filter(NULL, NULL, NULL), -1);
    assert_int_equal(mytcp_tun_stats_get(NULL, &stats), -1);
}

static void a_bad_name_is_refused_before_anything_is_opened(void **state)
{
    (void)state;
    assert_refused((struct mytcp_tun_options){.fd = -1, .name = "a-name-of-16-char"}, EINVAL,
                   "is too long: a device name has at most 15 characters");
    assert_refused((struct mytcp_tun_options){.fd = -1, .name = "a/b"}, EINVAL, "is no device name");
    assert_refused((struct mytcp_tun_options){.fd = -1, .name = "a b"}, EINVAL, "is no device name");
    assert_refused((struct mytcp_tun_options){.fd = -1, .name = ".."}, EINVAL, "is no device name");
}

/* V08, V09 */
static void an_fd_that_is_no_device_is_refused_and_left_as_it_was(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_refused((struct mytcp_tun_options){.fd = fds[0]}, EINVAL, "for reading and writing");
    assert_false(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    (void)close(fds[0]);
    (void)close(fds[1]);
    assert_refused((struct mytcp_tun_options){.fd = fds[0]}, EBADF, "cannot be used");
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_refused((struct mytcp_tun_options){.fd = fds[0]}, EINVAL, "is a stream socket");
    (void)close(fds[0]);
    (void)close(fds[1]);
    assert_refused((struct mytcp_tun_options){.fd = -1, .fd_vnet_hdr = true}, EINVAL, "none is given");
}

static void an_fd_handed_in_is_given_back_as_it_was(void **state)
{
    (void)state;
    int fds[2];
    struct mytcp_config config = config_for_test();
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
    mytcp_tun *tun = open_with((struct mytcp_tun_options){.fd = fds[0]}, &config);
    assert_non_null(tun);
    assert_int_equal(mytcp_tun_fd(tun), fds[0]);
    assert_int_equal(mytcp_tun_turn(tun, 0), 0); /* does not block */
    mytcp_tun_close(tun);
    assert_int_equal(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void the_config_is_completed_as_the_device_allows(void **state)
{
    (void)state;
    int fds[2];
    static const uint8_t none[32];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
    for (int i = 0; i < 3; i++) {
        struct mytcp_config config = config_for_test();
        bool offload = i == 0;
        mytcp_tun *tun = open_with((struct mytcp_tun_options){.fd = fds[0],
                                                              .fd_vnet_hdr = i < 2,
                                                              .no_offload = i == 1,
                                                              .mtu_bytes = 9000},
                                   &config);
        assert_non_null(tun);
        assert_int_equal(mytcp_tun_offload(tun), offload);
        assert_int_equal(config.gso_max_bytes, offload ? 65535 : 0);
        assert_int_equal(config.tx_csum, offload);
        assert_int_equal(config.mtu_bytes, 9000);
        assert_memory_not_equal(config.entropy, none, sizeof none);
        mytcp_tun_close(tun);
    }
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void given_entropy_is_kept(void **state)
{
    (void)state;
    int fds[2];
    struct mytcp_config config = config_for_test();
    config.entropy[31] = 1;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
    mytcp_tun *tun = open_with((struct mytcp_tun_options){.fd = fds[0]}, &config);
    assert_non_null(tun);
    assert_int_equal(config.entropy[0], 0);
    assert_int_equal(config.entropy[31], 1);
    mytcp_tun_close(tun);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void a_packet_file_that_cannot_be_made_is_an_error(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
    assert_refused((struct mytcp_tun_options){.fd = fds[0], .pcap_path = "/no/such/folder/file"},
                   ENOENT, "cannot write the packet file /no/such/folder/file");
    assert_refused((struct mytcp_tun_options){.fd = fds[0], .host = {htonl(0x0a090001)}}, EINVAL,
                   "it has no host address to set");
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void assert_bad_addresses(const char *host, uint32_t prefix_len, const char *stack, int err,
                                 const char *part)
{
    const struct why why = {why_text, sizeof why_text};
    struct in_addr ours, theirs;
    assert_int_equal(inet_pton(AF_INET, host, &ours), 1);
    assert_int_equal(inet_pton(AF_INET, stack, &theirs), 1);
    assert_int_equal(host_config_address(-1, "tun0", ours, prefix_len, theirs, &why), -1);
    assert_int_equal(errno, err);
    assert_non_null(strstr(why_text, part));
}

static void wrong_addresses_are_refused_with_what_is_wrong(void **state)
{
    (void)state;
    assert_bad_addresses("10.9.0.1", 33, "10.9.0.2", EINVAL, "/33 is no prefix length");
    assert_bad_addresses("10.9.0.1", 24, "10.9.0.1", EINVAL, "cannot both have the address 10.9.0.1");
    assert_bad_addresses("10.9.0.1", 24, "10.9.1.2", EINVAL, "is not in the subnet of 10.9.0.1/24");
    assert_bad_addresses("10.9.0.0", 24, "10.9.0.2", EINVAL, "is no address for a host");
    assert_bad_addresses("10.9.0.255", 24, "10.9.0.2", EINVAL, "is no address for a host");
    assert_bad_addresses("224.0.0.1", 24, "224.0.0.2", EINVAL, "is no address for a host");
    assert_bad_addresses("127.0.0.1", 24, "127.0.0.2", EINVAL, "is no address for a host");
    assert_bad_addresses("0.0.0.1", 24, "0.0.0.2", EINVAL, "is no address for a host");
}

/* ---- with a TUN device ---- */

static struct mytcp_tun_options real_device(void)
{
    return (struct mytcp_tun_options){
        .fd = -1, .name = "mytcp0", .host = {htonl(0x0a090001)}, .host_prefix_len = 24};
}

static short link_flags(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct ifreq request = {.ifr_name = "mytcp0"};
    assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &request), 0);
    (void)close(fd);
    return request.ifr_flags;
}

static void a_device_is_made_and_its_host_side_set_up(void **state)
{
    (void)state;
    struct mytcp_tun_options options = real_device();
    struct mytcp_config config = config_for_test();
    if (!have_tun) {
        skip();
    }
    options.mtu_bytes = 1400;
    mytcp_tun *tun = open_with(options, &config);
    assert_string_equal(why_text, "");
    assert_non_null(tun);
    assert_string_equal(mytcp_tun_name(tun), "mytcp0");
    assert_true(mytcp_tun_offload(tun));
    assert_int_equal(config.mtu_bytes, 1400);
    assert_true(link_flags() & IFF_UP);
    assert_true(host_owns(options.host));
    config.addr = options.host;
    options.host.s_addr = htonl(0x0a090003);
    options.name = "mytcp1";
    assert_null(open_with(options, &config));
    assert_int_equal(errno, EADDRINUSE);
    assert_non_null(strstr(why_text, "10.9.0.1 belongs to this host already"));
    mytcp_tun_close(tun);
    assert_int_equal(if_nametoindex("mytcp0"), 0);
}

static void a_device_of_two_addresses_needs_no_subnet(void **state)
{
    (void)state;
    struct mytcp_tun_options options = real_device();
    struct mytcp_config config = config_for_test();
    if (!have_tun) {
        skip();
    }
    options.host_prefix_len = 32;
    config.addr.s_addr = htonl(0xc0a80101);
    mytcp_tun *tun = open_with(options, &config);
    assert_string_equal(why_text, "");
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = 7, .sin_addr = config.addr};
    assert_int_equal(connect(fd, (struct sockaddr *)&peer, sizeof peer), 0); /* there is a route */
    assert_int_equal(send(fd, "x", 1, 0), 1);
    for (int i = 0; i < 100 && mytcp_tun_stack(tun)->taken == 0; i++) {
        assert_true(mytcp_tun_turn(tun, 10000) >= 0);
    }
    assert_true(mytcp_tun_stack(tun)->taken > 0);
    (void)close(fd);
    mytcp_tun_close(tun);
}

static void a_name_in_use_is_busy(void **state)
{
    (void)state;
    struct mytcp_config config = config_for_test();
    if (!have_tun) {
        skip();
    }
    mytcp_tun *tun = open_with(real_device(), &config);
    assert_non_null(tun);
    assert_refused(real_device(), EBUSY, "mytcp0 is in use by another program");
    assert_refused((struct mytcp_tun_options){.fd = -1, .name = "lo"}, EBUSY,
                   "the name lo is taken by a device that is not a plain TUN");
    mytcp_tun_close(tun);
}

/* V07 */
static void the_stack_follows_the_devices_mtu(void **state)
{
    (void)state;
    struct mytcp_config config = config_for_test();
    const struct why why = {why_text, sizeof why_text};
    if (!have_tun) {
        skip();
    }
    mytcp_tun *tun = open_with(real_device(), &config);
    assert_non_null(tun);
    assert_int_equal(host_config_set_mtu(tun->control_fd, "mytcp0", 1300, &why), 0);
    uint64_t now_us = mytcp_tun_now_us();
    assert_true(turn_pass(tun, now_us) >= 0);
    assert_int_equal(tun->stack->config.mtu_bytes, 1300);
    assert_int_equal(host_config_set_mtu(tun->control_fd, "mytcp0", 1200, &why), 0);
    assert_true(turn_pass(tun, now_us + 999999) >= 0);
    assert_int_equal(tun->stack->config.mtu_bytes, 1300);
    assert_true(turn_pass(tun, now_us + 1000000) >= 0);
    assert_int_equal(tun->stack->config.mtu_bytes, 1200);
    mytcp_tun_close(tun);
}

/* V07 */
static void a_device_that_is_down_loses_packets_until_it_is_up_again(void **state)
{
    (void)state;
    struct mytcp_config config = config_for_test();
    static uint8_t packet[40] = {0x45, [3] = 40, [8] = 64, [9] = 6};
    if (!have_tun) {
        skip();
    }
    mytcp_tun *tun = open_with(real_device(), &config);
    assert_non_null(tun);
    struct ifreq request = {.ifr_name = "mytcp0", .ifr_flags = 0};
    assert_int_equal(ioctl(tun->control_fd, SIOCSIFFLAGS, &request), 0);
    tun->stack->tx = (struct mytcp_tx){.iov = {{packet, 40}}, .iovcnt = 1, .len_bytes = 40};
    tun->stack->tx_count = 2;
    while (tun->stack->tx_count > 0) {
        assert_true(mytcp_tun_turn(tun, 0) >= 0);
    }
    assert_int_equal(tun->stats.write_errors, 2);
    assert_int_equal(tun->stats.last_errno, EIO);
    request.ifr_flags = IFF_UP;
    assert_int_equal(ioctl(tun->control_fd, SIOCSIFFLAGS, &request), 0);
    tun->stack->tx_count = 1;
    assert_true(mytcp_tun_turn(tun, 0) >= 1);
    assert_int_equal(tun->stats.write_errors, 2);
    mytcp_tun_close(tun);
}

static void a_persistent_device_is_attached_to_and_an_fd_of_it_taken_over(void **state)
{
    (void)state;
    struct mytcp_config config = config_for_test();
    if (!have_tun) {
        skip();
    }
    mytcp_tun *tun = open_with(real_device(), &config);
    assert_non_null(tun);
    assert_int_equal(ioctl(tun->device.fd, TUNSETPERSIST, 1UL), 0);
    mytcp_tun_close(tun);
    assert_true(if_nametoindex("mytcp0") != 0);
    tun = open_with((struct mytcp_tun_options){.fd = -1, .name = "mytcp0", .no_offload = true},
                    &config);
    assert_non_null(tun);
    assert_false(mytcp_tun_offload(tun));
    assert_int_equal(config.tx_csum, 0);
    mytcp_tun *second = open_with((struct mytcp_tun_options){.fd = tun->device.fd}, &config);
    assert_non_null(second);
    assert_string_equal(mytcp_tun_name(second), "mytcp0");
    assert_int_equal(ioctl(tun->device.fd, TUNSETPERSIST, 0UL), 0);
    mytcp_tun_close(second);
    mytcp_tun_close(tun);
}

/* V07 */
static void a_device_that_is_deleted_is_gone(void **state)
{
    (void)state;
    struct mytcp_config config = config_for_test();
    if (!have_tun) {
        skip();
    }
    mytcp_tun *tun = open_with(real_device(), &config);
    assert_non_null(tun);
    if (system("ip link delete mytcp0") != 0) {
        mytcp_tun_close(tun);
        skip(); /* no iproute2 */
    }
    while (mytcp_tun_turn(tun, MYTCP_NEVER_US) >= 0) {
    }
    assert_int_equal(errno, EBADFD);
    mytcp_tun_close(tun);
}

static void without_the_right_the_way_to_it_is_named(void **state)
{
    (void)state;
    const struct why why = {why_text, sizeof why_text};
    (void)explain_refusal("tun7", EPERM, &why);
    assert_int_equal(errno, EPERM);
    assert_non_null(strstr(why_text, "no right to make tun7: it needs CAP_NET_ADMIN"));
    assert_non_null(strstr(why_text, "unshare -rn"));
}

int main(void)
{
    have_tun = (unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0) &&
               access("/dev/net/tun", R_OK | W_OK) == 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_arguments_are_refused),
        cmocka_unit_test(functions_on_no_driver_are_errors),
        cmocka_unit_test(a_bad_name_is_refused_before_anything_is_opened),
        cmocka_unit_test(an_fd_that_is_no_device_is_refused_and_left_as_it_was),
        cmocka_unit_test(an_fd_handed_in_is_given_back_as_it_was),
        cmocka_unit_test(the_config_is_completed_as_the_device_allows),
        cmocka_unit_test(given_entropy_is_kept),
        cmocka_unit_test(a_packet_file_that_cannot_be_made_is_an_error),
        cmocka_unit_test(wrong_addresses_are_refused_with_what_is_wrong),
        cmocka_unit_test(without_the_right_the_way_to_it_is_named),
        cmocka_unit_test(a_device_is_made_and_its_host_side_set_up),
        cmocka_unit_test(a_device_of_two_addresses_needs_no_subnet),
        cmocka_unit_test(a_name_in_use_is_busy),
        cmocka_unit_test(the_stack_follows_the_devices_mtu),
        cmocka_unit_test(a_device_that_is_down_loses_packets_until_it_is_up_again),
        cmocka_unit_test(a_persistent_device_is_attached_to_and_an_fd_of_it_taken_over),
        cmocka_unit_test(a_device_that_is_deleted_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
