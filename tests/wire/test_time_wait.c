/* TIME-WAIT (RFC 9293 3.6.1, 3.10.7.4; RFC 6191, RFC 1337). */
#include "lib/wire.h"

/* Everything is sent and closed; our FIN was at 1, the peer's at 1; the mark is the entry. */
static void time_wait(struct wire *w)
{
    wire_passive(w);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
    OUT(w, .flags = ACK, .seq = 2, .ack = 2);
    QUIET(w);
    assert_int_equal(wire_stats(w).time_wait, 1);
    MARK(w);
}

/* 9293-MUST-13, 9293-TMO-3; MSL 30 s by default */
SCENARIO(it_lasts_two_msl_and_then_the_record_is_gone)
{
    time_wait(w);
    AT(w, 60 * SEC - 1);
    QUIET(w);
    assert_int_equal(wire_stats(w).time_wait, 1);
    AT(w, 60 * SEC);
    QUIET(w);
    assert_int_equal(wire_stats(w).time_wait, 0);
    assert_int_equal(mytcp_next_deadline(w->stack), MYTCP_NEVER_US);
    IN(w, .flags = ACK, .seq = 2, .ack = 2);
    OUT(w, .flags = RST, .seq = 2);
}

SCENARIO(its_length_is_a_setting)
{
    w->config.msl_us = 500000;
    time_wait(w);
    AT(w, 1 * SEC);
    QUIET(w);
    assert_int_equal(wire_stats(w).time_wait, 0);
}

/* S05, 9293-SA-ACK-14, 9293-SA-FIN-9: the FIN again means that our last ACK was lost */
SCENARIO(a_repeated_fin_is_acknowledged_again_and_restarts_the_time)
{
    time_wait(w);
    AT(w, 57 * SEC);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
    OUT(w, .flags = ACK, .seq = 2, .ack = 2);
    QUIET(w);
    AT(w, 117 * SEC - 1);
    QUIET(w);
    assert_int_equal(wire_stats(w).time_wait, 1);
    AT(w, 117 * SEC);
    QUIET(w);
    assert_int_equal(wire_stats(w).time_wait, 0);
}

/* 1337-1, S05 */
SCENARIO(a_rst_is_ignored)
{
    static const uint32_t seqs[] = {2, 1, 3, 100, 0x80000000};
    time_wait(w);
    for (unsigned i = 0; i < 5; i++) {
        assert_string_equal(IN(w, .flags = RST, .seq = seqs[i]), "rst_ignored");
        QUIET(w);
    }
    AT(w, 60 * SEC - 1);
    assert_int_equal(wire_stats(w).time_wait, 1);
}

/* S05, 1337-2 */
SCENARIO(old_data_draws_an_ack_and_does_not_restart_the_time)
{
    time_wait(w);
    AT(w, 30 * SEC);
    for (uint32_t end = 1; end <= 2; end++) { /* at last where the FIN ended */
        IN(w, .flags = ACK, .seq = end - 100, .ack = 2, .len = 100);
        OUT(w, .flags = ACK, .seq = 2, .ack = 2);
        QUIET(w);
    }
    AT(w, 60 * SEC);
    QUIET(w);
    assert_int_equal(wire_stats(w).time_wait, 0);
}

/* G079: nothing is said unasked */
SCENARIO(an_acceptable_empty_ack_is_not_answered)
{
    time_wait(w);
    IN(w, .flags = ACK, .seq = 2, .ack = 2);
    QUIET(w);
}

/* 6191-3: what is left of the old connection has none, and PAWS knows it by that */
SCENARIO(a_syn_with_timestamps_after_a_connection_without_opens_a_new_one)
{
    time_wait(w);
    wire_reincarnate(w, w->irs - 100000);
    IN(w, .flags = SYN, .mss = 1460, .ts = true, .tsval = 7);
    OUT(w, .flags = SYN | ACK, .seq = 0, .ack = 1, .ts = true, .tsecr = 7);
    assert_int_equal(wire_stats(w).time_wait_reused, 1);
}

/* ... unless the new connection would have none either */
SCENARIO(a_syn_with_timestamps_that_we_do_not_use_needs_a_larger_number)
{
    static struct wire_packet p;
    w->config.timestamps = 0;
    time_wait(w);
    IN(w, .flags = SYN, .seq = (uint32_t)-500, .ts = true, .tsval = 7);
    while (wire_poll(w, &p))
        assert_int_equal(p.flags & (SYN | RST), 0);
    assert_int_equal(wire_stats(w).time_wait_reused, 0);
}

/* S06,
 * 9293-MAY-2, 9293-SA-SYN-3, 6191-3, 6191-5: without timestamps a larger sequence number decides */
SCENARIO(a_syn_beyond_the_last_sequence_number_opens_a_new_connection)
{
    time_wait(w);
    uint32_t old_iss = wire_conn(w)->iss;
    wire_reincarnate(w, w->irs + 2);
    IN(w, .flags = SYN, .mss = 1460);
    OUT(w, .flags = SYN | ACK, .seq = 0, .ack = 1);
    assert_true((int32_t)(wire_conn(w)->iss - (old_iss + 2)) > 0); /* 9293-MAY-2 (1) */
    assert_int_equal(wire_stats(w).time_wait_reused, 1);
    w->now_us += 10 * MS;
    IN(w, .flags = ACK, .seq = 1, .ack = 1);
    QUIET(w);
    assert_true(mytcp_accept(w->stack, w->listener, NULL, NULL, 0) >= 0);
}

/* S06, 6191-4, 6191-5: the FIN's own number is not larger */
SCENARIO(a_syn_within_the_old_sequence_space_opens_nothing)
{
    static const uint32_t seqs[] = {1, 0, (uint32_t)-1, 0x80000005};
    time_wait(w);
    for (unsigned i = 0; i < 4; i++) {
        static struct wire_packet p;
        IN(w, .flags = SYN, .seq = seqs[i]);
        while (wire_poll(w, &p)) /* RFC 9293 would ACK it, RFC 6191 be silent */
            assert_int_equal(p.flags & (SYN | RST), 0);
    }
    assert_int_equal(wire_stats(w).half_open, 0);
    assert_int_equal(wire_stats(w).time_wait, 1);
}

/* 9293-SHLD-4, S06, 6191-1 */
SCENARIO(a_syn_with_a_newer_timestamp_opens_a_new_connection_whatever_its_number)
{
    w->peer.ts = true;
    time_wait(w);
    uint32_t last = (uint32_t)(w->now_us / 1000);
    AT(w, 5 * SEC);
    wire_reincarnate(w, w->irs - 100000);
    IN(w, .flags = SYN, .mss = 1460, .ts = true, .tsval = last + 1);
    OUT(w, .flags = SYN | ACK, .seq = 0, .ack = 1, .ts = true, .tsecr = last + 1);
    assert_int_equal(wire_stats(w).time_wait_reused, 1);
}

SCENARIO(a_syn_with_an_equal_timestamp_needs_a_larger_number)
{
    w->peer.ts = true;
    time_wait(w);
    uint32_t last = (uint32_t)(w->now_us / 1000);
    static struct wire_packet p;
    IN(w, .flags = SYN, .seq = (uint32_t)-500, .ts = true, .tsval = last);
    while (wire_poll(w, &p))
        assert_int_equal(p.flags & (SYN | RST), 0);
    wire_reincarnate(w, w->irs + 2);
    IN(w, .flags = SYN, .mss = 1460, .ts = true, .tsval = last);
    OUT(w, .flags = SYN | ACK, .seq = 0, .ack = 1);
}

/* 6191-4, S06 */
SCENARIO(a_syn_with_an_older_timestamp_opens_nothing)
{
    static struct wire_packet p;
    w->peer.ts = true;
    time_wait(w);
    IN(w, .flags = SYN, .seq = 5000, .ts = true, .tsval = (uint32_t)(w->now_us / 1000) - 1);
    while (wire_poll(w, &p))
        assert_int_equal(p.flags & (SYN | RST), 0);
    assert_int_equal(wire_stats(w).half_open, 0);
    assert_int_equal(wire_stats(w).time_wait, 1);
}

/* 6191-2 */
SCENARIO(a_syn_without_timestamps_after_a_connection_with_them_needs_a_larger_number)
{
    static struct wire_packet p;
    w->peer.ts = true;
    time_wait(w);
    IN(w, .flags = SYN, .seq = (uint32_t)-500, .no_ts = true);
    while (wire_poll(w, &p))
        assert_int_equal(p.flags & (SYN | RST), 0);
    wire_reincarnate(w, w->irs + 1000);
    IN(w, .flags = SYN, .mss = 1460);
    OUT(w, .flags = SYN | ACK, .seq = 0, .ack = 1);
}

/* without a listener there is nothing to open; the old connection answers */
SCENARIO(a_syn_with_no_listener_left_does_not_end_time_wait)
{
    static struct wire_packet p;
    time_wait(w);
    assert_int_equal(mytcp_close(w->stack, w->listener), 0);
    IN(w, .flags = SYN, .seq = 5000);
    while (wire_poll(w, &p))
        assert_int_equal(p.flags & SYN, 0);
    assert_int_equal(wire_stats(w).half_open, 0);
}

/* R08 */
SCENARIO(beyond_the_cap_the_oldest_record_is_recycled)
{
    w->config.time_wait_max = 3;
    for (int i = 0; i < 5; i++) {
        w->peer_port++;
        wire_passive(w);
        assert_int_equal(mytcp_close(w->stack, w->fd), 0);
        OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
        IN(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
        OUT(w, .flags = ACK, .seq = 2, .ack = 2);
        QUIET(w);
    }
    assert_int_equal(wire_stats(w).time_wait, 3);
    assert_int_equal(wire_stats(w).time_wait_recycled, 2);
    w->peer_port -= 4; /* the first is gone, the last is not */
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
    OUT(w, .flags = RST, .seq = 2);
    w->peer_port += 4;
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
    OUT(w, .flags = ACK, .seq = 2, .ack = 2);
}

/* One more connection gets here, when of the allocations the first so many fail. */
static void arrive_without_memory(struct wire *w, unsigned failures)
{
    w->peer_port++;
    wire_passive(w);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    if (failures == 1)
        w->fail_at = w->allocs + 1;
    else if (failures)
        w->fail_from = w->allocs + 1;
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
    w->fail_from = 0;
    OUT(w, .flags = ACK, .seq = 2, .ack = 2);
    QUIET(w);
}

/* R08, M08 */
SCENARIO(without_memory_the_oldest_record_gives_way)
{
    arrive_without_memory(w, 1); /* and there is no older one: it does without */
    assert_int_equal(wire_stats(w).time_wait, 0);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
    OUT(w, .flags = RST, .seq = 2);
    arrive_without_memory(w, 0);
    arrive_without_memory(w, 1);
    assert_int_equal(wire_stats(w).time_wait, 1);
    assert_int_equal(wire_stats(w).time_wait_recycled, 1);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
    OUT(w, .flags = ACK, .seq = 2, .ack = 2);
    arrive_without_memory(w, 2); /* and though it did, there was none */
    assert_int_equal(wire_stats(w).time_wait, 0);
    assert_int_equal(wire_stats(w).time_wait_recycled, 2);
}

/* R08: the budget */
SCENARIO(a_record_holds_64_bytes_at_most)
{
    wire_passive(w);
    wire_skip_to(w, 1 * SEC);
    uint64_t before = w->held_bytes;
    for (int i = 0; i < 20; i++) {
        w->peer_port++;
        wire_passive(w);
        assert_int_equal(mytcp_close(w->stack, w->fd), 0);
        OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
        IN(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
        OUT(w, .flags = ACK, .seq = 2, .ack = 2);
        QUIET(w);
    }
    assert_int_equal(wire_stats(w).time_wait, 20);
    uint64_t grown = w->held_bytes > before ? w->held_bytes - before : 0;
    if (grown > 20 * 64 + 4096) /* tables may have grown by a page or so */
        fail_msg("20 records took %llu bytes", (unsigned long long)grown);
}

/* timestamps of the old connection protect it: the ACKs of TIME-WAIT carry them */
SCENARIO(its_acks_carry_timestamps_if_the_connection_did)
{
    w->peer.ts = true;
    time_wait(w);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
    OUT(w, .flags = ACK, .seq = 2, .ack = 2); /* the harness asserts that the option is there */
}

/* An active connection from the one port there is; closed by us, in TIME-WAIT. */
static void active_time_wait(struct wire *w)
{
    w->config.port_min = w->config.port_max = w->our_port;
    wire_active(w);
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    OUT(w, .flags = FIN | ACK, .seq = 1, .ack = 1);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 2);
    OUT(w, .flags = ACK, .seq = 2, .ack = 2);
    QUIET(w);
    assert_int_equal(wire_stats(w).time_wait, 1);
    MARK(w);
}

static int connect_again(struct wire *w)
{
    struct sockaddr_in to = wire_sockaddr(w->peer_addr, w->peer_port);
    w->fd = mytcp_socket(w->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int result = mytcp_connect(w->stack, w->fd, (struct sockaddr *)&to, sizeof(to));
    return result ? errno : 0;
}

/* RFC 6191 2, for the active side; as Linux's tcp_tw_reuse */
SCENARIO(connect_takes_the_tuple_of_a_time_wait_of_a_second_with_timestamps)
{
    w->peer.ts = true;
    active_time_wait(w);
    uint32_t old_end = wire_conn(w)->iss + 2, old_tsval = wire_conn(w)->tsval_high;
    AT(w, 1 * SEC - 1);
    QUIET(w);
    assert_int_equal(connect_again(w), EADDRNOTAVAIL);
    AT(w, 1 * SEC);
    QUIET(w);
    wire_reincarnate(w, 5000);
    assert_int_equal(connect_again(w), EINPROGRESS);
    const struct wire_packet *p = OUT(w, .flags = SYN, .seq = 0);
    assert_true((int32_t)(p->seq - old_end) > 0);
    assert_true((int32_t)(p->tsval - old_tsval) > 0);
    assert_int_equal(wire_stats(w).time_wait, 0);
    assert_int_equal(wire_stats(w).time_wait_reused, 1);
    IN(w, .flags = SYN | ACK, .seq = 0, .ack = 1, .mss = 1460, .ts = true, .tsval = 9,
       .tsecr = p->tsval);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1);
    STATE(w, TCP_ESTABLISHED);
}

SCENARIO(the_new_initial_number_lies_beyond_an_old_connection_that_outran_the_clock)
{
    w->peer.ts = true;
    w->any_payload = true;
    w->config.port_min = w->config.port_max = w->our_port;
    w->wnd = 1 << 22;
    wire_active(w);
    static char block[1 << 20];
    assert_int_equal(mytcp_send(w->stack, w->fd, block, sizeof(block), 0), sizeof(block));
    assert_int_equal(mytcp_close(w->stack, w->fd), 0);
    struct wire_packet p;
    uint32_t acked = 1;
    while (acked < sizeof(block) + 2) {
        while (wire_poll(w, &p)) acked = p.seq - wire_conn(w)->iss + p.payload_len + (p.flags & FIN);
        IN(w, .flags = ACK, .seq = 1, .ack = acked);
    }
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = acked);
    OUT(w, .flags = ACK, .seq = acked, .ack = 2);
    MARK(w);
    uint32_t old_end = wire_conn(w)->iss + acked;
    AT(w, 1 * SEC);
    QUIET(w);
    wire_reincarnate(w, 5000);
    assert_int_equal(connect_again(w), EINPROGRESS);
    assert_int_equal(OUT(w, .flags = SYN, .seq = 0)->seq, old_end + 65537);
}

SCENARIO(connect_never_takes_the_tuple_of_a_time_wait_without_timestamps)
{
    active_time_wait(w);
    AT(w, 60 * SEC - 1);
    QUIET(w);
    assert_int_equal(connect_again(w), EADDRNOTAVAIL);
    AT(w, 60 * SEC);
    QUIET(w);
    wire_reincarnate(w, 5000);
    assert_int_equal(connect_again(w), EINPROGRESS);
    OUT(w, .flags = SYN, .seq = 0);
}

SCENARIO(connect_takes_no_tuple_from_time_wait_when_told_so)
{
    w->peer.ts = true;
    w->config.time_wait_reuse_us = 0;
    active_time_wait(w);
    AT(w, 60 * SEC - 1);
    QUIET(w);
    assert_int_equal(connect_again(w), EADDRNOTAVAIL);
}

/* 7323-4.3a: the record remembers the newest timestamp that it has seen */
SCENARIO(its_acks_echo_the_last_timestamp_that_came)
{
    w->peer.ts = true;
    time_wait(w);
    uint32_t now = (uint32_t)(w->now_us / 1000) + 500;
    IN(w, .flags = ACK, .seq = 2, .ack = 2, .ts = true, .tsval = now);
    QUIET(w);
    IN(w, .flags = FIN | ACK, .seq = 1, .ack = 2, .ts = true, .tsval = now);
    OUT(w, .flags = ACK, .seq = 2, .ack = 2, .ts = true, .tsecr = now);
}

WIRE_MAIN(WIRE_TEST(without_memory_the_oldest_record_gives_way),
          WIRE_TEST(connect_takes_the_tuple_of_a_time_wait_of_a_second_with_timestamps),
          WIRE_TEST(the_new_initial_number_lies_beyond_an_old_connection_that_outran_the_clock),
          WIRE_TEST(connect_never_takes_the_tuple_of_a_time_wait_without_timestamps),
          WIRE_TEST(connect_takes_no_tuple_from_time_wait_when_told_so),
          WIRE_TEST(it_lasts_two_msl_and_then_the_record_is_gone),
          WIRE_TEST(its_length_is_a_setting),
          WIRE_TEST(a_repeated_fin_is_acknowledged_again_and_restarts_the_time),
          WIRE_TEST(a_rst_is_ignored),
          WIRE_TEST(old_data_draws_an_ack_and_does_not_restart_the_time),
          WIRE_TEST(an_acceptable_empty_ack_is_not_answered),
          WIRE_TEST(a_syn_beyond_the_last_sequence_number_opens_a_new_connection),
          WIRE_TEST(a_syn_within_the_old_sequence_space_opens_nothing),
          WIRE_TEST(a_syn_with_timestamps_after_a_connection_without_opens_a_new_one),
          WIRE_TEST(a_syn_with_timestamps_that_we_do_not_use_needs_a_larger_number),
          WIRE_TEST(a_syn_with_a_newer_timestamp_opens_a_new_connection_whatever_its_number),
          WIRE_TEST(a_syn_with_an_equal_timestamp_needs_a_larger_number),
          WIRE_TEST(a_syn_with_an_older_timestamp_opens_nothing),
          WIRE_TEST(a_syn_without_timestamps_after_a_connection_with_them_needs_a_larger_number),
          WIRE_TEST(a_syn_with_no_listener_left_does_not_end_time_wait),
          WIRE_TEST(beyond_the_cap_the_oldest_record_is_recycled),
          WIRE_TEST(a_record_holds_64_bytes_at_most),
          WIRE_TEST(its_acks_carry_timestamps_if_the_connection_did),
          WIRE_TEST(its_acks_echo_the_last_timestamp_that_came))
