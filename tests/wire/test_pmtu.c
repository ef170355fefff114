/* Path MTU discovery (RFC 1191, RFC 5927 7). */
#include "lib/wire.h"

enum { MSS = 1460 };

static struct wire_packet packet;

/* ICMP "fragmentation needed" about a packet of the stack. */
static const char *too_big(struct wire *w, const struct wire_packet *sent, uint16_t mtu)
{
    wire_build_icmp(w, &packet, 3, 4, mtu, sent->bytes, 28);
    return wire_inject(w, &packet);
}

static struct wire_packet first_of_two(struct wire *w)
{
    wire_passive(w);
    WRITE(w, 2 * MSS);
    struct wire_packet first = *OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = MSS);
    OUT(w, .flags = ACK, .seq = 1 + MSS, .ack = 1, .len = MSS);
    QUIET(w);
    return first;
}

/* 1191-3a, 1191-6.4a, 1191-6.4b: smaller at once, and it is no congestion */
SCENARIO(what_was_too_big_is_sent_again_in_smaller_segments)
{
    struct wire_packet first = first_of_two(w);
    uint32_t cwnd = wire_info(w).cwnd;
    assert_string_equal(too_big(w, &first, 1280), "");
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1240);
    uint32_t end = 1241;
    while (wire_poll(w, &packet)) {
        assert_true(packet.payload_len <= 1240);
        assert_int_equal(packet.seq - wire_conn(w)->iss, end);
        end += packet.payload_len;
    }
    assert_true(wire_info(w).cwnd >= cwnd / 2);
    assert_int_equal(wire_info(w).snd_mss, 1240);
    IN(w, .flags = ACK, .seq = 1, .ack = end);
    while (wire_poll(w, &packet))
        assert_true(packet.payload_len <= 1240);
}

/* 1191-6.4a: many notices for one flight are one event */
SCENARIO(repeated_notices_cause_one_round_of_retransmission)
{
    struct wire_packet first = first_of_two(w);
    too_big(w, &first, 1280);
    while (wire_poll(w, &packet))
        continue;
    for (int i = 0; i < 10; i++) {
        too_big(w, &first, 1280);
        QUIET(w);
    }
}

/* B12, 1191-3b */
SCENARIO(the_path_mtu_never_goes_below_the_floor)
{
    static const uint16_t mtus[] = {1, 67, 68, 296, 551};
    struct wire_packet first = first_of_two(w);
    for (unsigned i = 0; i < 5; i++) {
        too_big(w, &first, mtus[i]);
        while (wire_poll(w, &packet))
            continue;
        assert_true(wire_info(w).snd_mss >= 552 - 40);
    }
}

/* B12, 1191-3c */
SCENARIO(the_path_mtu_is_never_raised_by_a_notice)
{
    static const uint16_t mtus[] = {1500, 1501, 9000, 65535};
    struct wire_packet first = first_of_two(w);
    for (unsigned i = 0; i < 4; i++) {
        too_big(w, &first, mtus[i]);
        QUIET(w);
        assert_int_equal(wire_info(w).snd_mss, MSS);
    }
}

/* B12,
 * 1191-3d: an old router gives no number; the next plateau below 1500 is 1492
 */
SCENARIO(a_notice_without_a_number_takes_the_next_plateau)
{
    struct wire_packet first = first_of_two(w);
    too_big(w, &first, 0);
    while (wire_poll(w, &packet))
        continue;
    assert_int_equal(wire_info(w).snd_mss, 1492 - 40);
}

/* B12, 5927-4.1: the quote must be of something in flight */
SCENARIO(a_notice_about_nothing_in_flight_is_ignored)
{
    struct wire_packet first = first_of_two(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1 + 2 * MSS);
    assert_string_equal(too_big(w, &first, 1000), "icmp_unmatched");
    QUIET(w);
    assert_int_equal(wire_info(w).snd_mss, MSS);
    WRITE(w, 100);
    struct wire_packet now = *OUT(w, .flags = ACK, .seq = 1 + 2 * MSS, .ack = 1, .len = 100);
    now.bytes[24] ^= 0x40; /* another sequence number */
    assert_string_equal(too_big(w, &now, 1000), "icmp_unmatched");
    assert_int_equal(wire_info(w).snd_mss, MSS);
}

/* 5927-7.2a: what would have passed was not dropped for its size */
SCENARIO(a_notice_about_a_packet_that_would_have_passed_is_ignored)
{
    wire_passive(w);
    WRITE(w, 960);
    struct wire_packet sent = *OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 960);
    too_big(w, &sent, 1400);
    too_big(w, &sent, 1000);
    QUIET(w);
    assert_int_equal(wire_info(w).snd_mss, MSS);
}

/* 1191-3a: what goes again may be larger than what went first with its beginning */
SCENARIO(a_notice_about_what_was_sent_again_and_cut_anew_is_heeded)
{
    w->config.gso_max_bytes = 65535;
    w->config.tx_csum = 1;
    wire_passive(w);
    WRITE(w, 3 * MSS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 3 * MSS, .gso_size = MSS);
    IN(w, .flags = ACK, .seq = 1, .ack = 1301);
    AT(w, 300 * MS);
    struct wire_packet again = *OUT(w, .flags = ACK, .seq = 1301, .ack = 1, .len = MSS);
    too_big(w, &again, 1400);
    OUT(w, .flags = ACK, .seq = 1301, .ack = 1, .len = 1360);
}

/* 5927-7.2b: a size that has arrived before is less likely to be wrong than the notice */
SCENARIO(a_notice_of_less_than_what_has_arrived_counts_only_after_a_timeout)
{
    first_of_two(w);
    w->now_us += 100 * MS;
    IN(w, .flags = ACK, .seq = 1, .ack = 1 + 2 * MSS);
    WRITE(w, MSS);
    struct wire_packet sent = *OUT(w, .flags = ACK, .seq = 1 + 2 * MSS, .ack = 1, .len = MSS);
    too_big(w, &sent, 700);
    QUIET(w);
    w->now_us += 100 * MS;
    IN(w, .flags = ACK, .seq = 1, .ack = 1 + 3 * MSS); /* it was forged */
    MARK(w);
    WRITE(w, MSS);
    sent = *OUT(w, .flags = ACK, .seq = 1 + 3 * MSS, .ack = 1, .len = MSS);
    AT(w, wire_info(w).rto_us);
    OUT(w, .flags = ACK, .seq = 1 + 3 * MSS, .ack = 1, .len = MSS);
    too_big(w, &sent, 700);
    QUIET(w);
    AT(w, 3 * wire_info(w).rto_us / 2);
    OUT(w, .flags = ACK, .seq = 1 + 3 * MSS, .ack = 1, .len = 660);
}

/* 1191-6.3b */
SCENARIO(a_path_that_grows_causes_no_retransmission)
{
    w->config.mtu_bytes = w->mtu = 1000;
    wire_passive(w);
    WRITE(w, 960);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 960);
    WRITE(w, 960);
    OUT(w, .flags = ACK, .seq = 961, .ack = 1, .len = 960);
    assert_int_equal(mytcp_set_mtu(w->stack, 1500), 0);
    w->mtu = 1500;
    QUIET(w);
    AT(w, 300 * MS);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 960);
}

/* 9293-MAY-3: also where it says no more than its absence would */
SCENARIO(the_mss_option_is_sent_always)
{
    w->config.mtu_bytes = w->mtu = 576;
    wire_listen(w, 4);
    IN(w, .flags = SYN, .mss = 1460);
    OUT(w, .flags = SYN | ACK, .ack = 1, .mss = 536);
}

/* 1191-7 and 1191-6.4c: shared by destination, and the MSS option stays */
SCENARIO(a_second_connection_to_the_same_host_starts_with_what_was_learned)
{
    struct wire_packet first = first_of_two(w);
    too_big(w, &first, 1280);
    while (wire_poll(w, &packet))
        continue;
    w->peer_port++;
    wire_passive(w); /* asserts MSS 1460 in the SYN-ACK */
    assert_int_equal(wire_info(w).snd_mss, 1240);
    w->peer_addr++;
    wire_passive(w);
    assert_int_equal(wire_info(w).snd_mss, MSS);
}

/* B12, 1191-6.3a: 10 minutes, and no sooner than 5 */
SCENARIO(what_was_learned_is_forgotten_after_ten_minutes)
{
    struct wire_packet first = first_of_two(w);
    too_big(w, &first, 1280);
    while (wire_poll(w, &packet))
        continue;
    IN(w, .flags = ACK, .seq = 1, .ack = 1 + 2 * MSS);
    MARK(w);
    wire_skip_to(w, 599 * SEC);
    w->peer_port++;
    wire_passive(w);
    assert_int_equal(wire_info(w).snd_mss, 1240);
    w->now_us += 10 * SEC;
    w->peer_port++;
    wire_passive(w);
    assert_int_equal(wire_info(w).snd_mss, MSS);
}

SCENARIO(what_was_learned_is_kept_for_ever_if_told_so)
{
    w->config.pmtu_timeout_us = UINT32_MAX;
    struct wire_packet first = first_of_two(w);
    too_big(w, &first, 1280);
    while (wire_poll(w, &packet))
        continue;
    IN(w, .flags = ACK, .seq = 1, .ack = 1 + 2 * MSS);
    MARK(w);
    wire_skip_to(w, 48 * 3600 * SEC);
    assert_int_equal(wire_info(w).snd_mss, 1240);
    w->peer_port++;
    wire_passive(w);
    assert_int_equal(wire_info(w).snd_mss, 1240);
}

/* V07 */
SCENARIO(connections_follow_the_devices_mtu)
{
    wire_passive(w);
    wire_set(w, IPPROTO_TCP, TCP_NODELAY, 1);
    assert_int_equal(mytcp_set_mtu(w->stack, 1000), 0);
    w->mtu = 1000;
    WRITE(w, 1500);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 960);
    OUT(w, .flags = ACK, .seq = 961, .ack = 1, .len = 540);
    IN(w, .flags = ACK, .seq = 1, .ack = 1501);
    assert_int_equal(mytcp_set_mtu(w->stack, 1500), 0);
    w->mtu = 1500;
    WRITE(w, 1500);
    OUT(w, .flags = ACK, .seq = 1501, .ack = 1, .len = MSS);
}

SCENARIO(an_mtu_out_of_range_is_einval)
{
    wire_start(w);
    FAILS(w, mytcp_set_mtu(w->stack, 67), EINVAL);
    FAILS(w, mytcp_set_mtu(w->stack, 65536), EINVAL);
    FAILS(w, mytcp_set_mtu(NULL, 1500), EINVAL);
    assert_int_equal(mytcp_set_mtu(w->stack, 68), 0);
    assert_int_equal(mytcp_set_mtu(w->stack, 65535), 0);
}

/* what was in flight at the old size is retransmitted at the new */
SCENARIO(a_retransmission_fits_the_new_mtu)
{
    first_of_two(w);
    assert_int_equal(mytcp_set_mtu(w->stack, 1000), 0);
    w->mtu = 1000;
    wire_skip_to(w, 2 * SEC); /* the harness asserts the lengths */
    assert_true(wire_stats(w).retransmitted_segments >= 1);
}

/* G225: an MTU hardly larger than the headers */
SCENARIO(the_smallest_mtu_works)
{
    w->config.mtu_bytes = 68;
    w->peer.mss = 28;
    w->config.mss_min_bytes = 8;
    wire_passive(w);
    WRITE(w, 100);
    uint32_t sent = 0;
    for (int i = 0; i < 20 && sent < 100; i++) {
        while (wire_poll(w, &packet))
            sent = packet.seq - wire_conn(w)->iss - 1 + packet.payload_len;
        IN(w, .flags = ACK, .seq = 1, .ack = 1 + sent);
    }
    assert_int_equal(sent, 100);
}

/* 1191-3d: below the size of the packet, not at it */
SCENARIO(a_plateau_that_is_the_packets_size_is_no_help)
{
    w->config.mtu_bytes = 1492;
    wire_passive(w);
    WRITE(w, 1452);
    struct wire_packet sent = *OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1452);
    too_big(w, &sent, 0);
    while (wire_poll(w, &packet))
        continue;
    assert_int_equal(wire_info(w).snd_mss, 1006 - 40);
}

/* 1191-3d: nor is a quote believed that says more than the device can carry */
SCENARIO(a_quote_larger_than_the_device_is_taken_for_the_devices_size)
{
    struct wire_packet first = first_of_two(w);
    first.bytes[2] = 9000 >> 8;
    first.bytes[3] = 9000 & 0xff;
    too_big(w, &first, 0);
    while (wire_poll(w, &packet))
        continue;
    assert_int_equal(wire_info(w).snd_mss, 1492 - 40);
}

/* 5927-7.2a: nor was what went behind it, for all that is in flight together */
SCENARIO(a_notice_is_weighed_against_its_own_packet_and_not_the_flight)
{
    wire_passive(w);
    wire_set(w, IPPROTO_TCP, TCP_NODELAY, 1);
    WRITE(w, 960);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 960);
    WRITE(w, 960);
    struct wire_packet second = *OUT(w, .flags = ACK, .seq = 961, .ack = 1, .len = 960);
    too_big(w, &second, 1000);
    QUIET(w);
    assert_int_equal(wire_info(w).snd_mss, MSS);
    too_big(w, &second, 999);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 959);
}

WIRE_MAIN(WIRE_TEST(what_was_too_big_is_sent_again_in_smaller_segments),
          WIRE_TEST(repeated_notices_cause_one_round_of_retransmission),
          WIRE_TEST(the_path_mtu_never_goes_below_the_floor),
          WIRE_TEST(the_path_mtu_is_never_raised_by_a_notice),
          WIRE_TEST(a_notice_without_a_number_takes_the_next_plateau),
          WIRE_TEST(a_notice_about_nothing_in_flight_is_ignored),
          WIRE_TEST(a_second_connection_to_the_same_host_starts_with_what_was_learned),
          WIRE_TEST(what_was_learned_is_forgotten_after_ten_minutes),
          WIRE_TEST(what_was_learned_is_kept_for_ever_if_told_so),
          WIRE_TEST(connections_follow_the_devices_mtu), WIRE_TEST(an_mtu_out_of_range_is_einval),
          WIRE_TEST(a_retransmission_fits_the_new_mtu), WIRE_TEST(the_smallest_mtu_works),
          WIRE_TEST(the_mss_option_is_sent_always),
          WIRE_TEST(a_notice_about_a_packet_that_would_have_passed_is_ignored),
          WIRE_TEST(a_notice_about_what_was_sent_again_and_cut_anew_is_heeded),
          WIRE_TEST(a_notice_of_less_than_what_has_arrived_counts_only_after_a_timeout),
          WIRE_TEST(a_path_that_grows_causes_no_retransmission),
          WIRE_TEST(a_plateau_that_is_the_packets_size_is_no_help),
          WIRE_TEST(a_quote_larger_than_the_device_is_taken_for_the_devices_size),
          WIRE_TEST(a_notice_is_weighed_against_its_own_packet_and_not_the_flight))
