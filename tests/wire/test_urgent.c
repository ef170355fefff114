/* Urgent data: in line, with a mark (RFC 9293 3.8.5, RFC 6093). The pointer of IN and
 * OUT is the field's value: the offset from SEG.SEQ to the byte behind the urgent one. */
#include "lib/wire.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

static int at_mark(struct wire *w)
{
    int yes = -1;
    assert_int_equal(mytcp_ioctl(w->stack, w->fd, SIOCATMARK, &yes), 0);
    return yes;
}

/* 9293-MUST-30, 9293-SEND-5, 9293-MUST-62, 6093-1 */
SCENARIO(msg_oob_marks_the_last_byte)
{
    wire_passive(w);
    wire_write(w, __FILE__, __LINE__, 1, MSG_OOB);
    OUT(w, .flags = URG | ACK, .seq = 1, .ack = 1, .len = 1, .urg = 1);
    IN(w, .flags = ACK, .seq = 1, .ack = 2);
    wire_write(w, __FILE__, __LINE__, 100, MSG_OOB);
    OUT(w, .flags = URG | ACK, .seq = 2, .ack = 1, .len = 100, .urg = 100);
    IN(w, .flags = ACK, .seq = 1, .ack = 102);
    WRITE(w, 10); /* urgent mode is over */
    OUT(w, .flags = ACK, .seq = 102, .ack = 1, .len = 10);
}

/* 9293-SEND-5: neither Nagle nor CORK holds back what is urgent */
SCENARIO(urgent_data_waits_for_no_ack)
{
    wire_passive(w);
    WRITE(w, 10);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
    wire_write(w, __FILE__, __LINE__, 1, MSG_OOB);
    OUT(w, .flags = URG | ACK, .seq = 11, .ack = 1, .len = 1, .urg = 1);
    WRITE(w, 10); /* what is behind it is not */
    QUIET(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 12);
    OUT(w, .flags = ACK, .seq = 12, .ack = 1, .len = 10);
    IN(w, .flags = ACK, .seq = 1, .ack = 22);
    wire_set(w, IPPROTO_TCP, TCP_CORK, 1);
    WRITE(w, 10);
    QUIET(w);
    wire_write(w, __FILE__, __LINE__, 1, MSG_OOB);
    OUT(w, .flags = URG | ACK, .seq = 22, .ack = 1, .len = 11, .urg = 11);
}

/* of any length, and beyond the field's reach it says 65535 */
SCENARIO(all_segments_before_the_urgent_byte_say_where_it_is)
{
    wire_passive(w);
    wire_write(w, __FILE__, __LINE__, 3000, MSG_OOB);
    OUT(w, .flags = URG | ACK, .seq = 1, .ack = 1, .len = 1460, .urg = 3000);
    OUT(w, .flags = URG | ACK, .seq = 1461, .ack = 1, .len = 1460, .urg = 1540);
    static struct wire_packet p;
    if (!wire_poll(w, &p)) {
        IN(w, .flags = ACK, .seq = 1, .ack = 2921);
        assert_true(wire_poll(w, &p));
    }
    assert_true(p.flags & URG);
    assert_int_equal(p.urg, 80);
}

SCENARIO(a_retransmission_is_as_urgent)
{
    wire_passive(w);
    wire_write(w, __FILE__, __LINE__, 5, MSG_OOB);
    OUT(w, .flags = URG | ACK, .seq = 1, .ack = 1, .len = 5, .urg = 5);
    AT(w, 300 * MS);
    OUT(w, .flags = URG | ACK, .seq = 1, .ack = 1, .len = 5, .urg = 5);
}

/* 9293-MUST-30, 9293-MUST-33, 9293-RECV-4, 6093-2, 9293-MUST-32: in line, with POLLPRI and a mark
 * before the last urgent byte (as on Linux)
 */
SCENARIO(received_urgent_data_is_in_line_and_reading_stops_at_the_mark)
{
    wire_passive(w);
    IN(w, .flags = URG | ACK, .seq = 1, .ack = 1, .len = 10, .urg = 6);
    OUT(w, .flags = ACK, .seq = 1, .ack = 11);
    assert_true(wire_ready(w, w->fd) & POLLPRI);
    assert_int_equal(at_mark(w), 0);
    uint8_t data[100];
    assert_int_equal(mytcp_recv(w->stack, w->fd, data, sizeof(data), 0), 5);
    assert_int_equal(at_mark(w), 1);
    assert_int_equal(mytcp_recv(w->stack, w->fd, data + 5, 95, 0), 5);
    assert_int_equal(at_mark(w), 0);
    assert_int_equal(wire_ready(w, w->fd) & POLLPRI, 0);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(data[i], wire_byte(false, i));
    wire_again(w);
}

SCENARIO(recv_of_oob_is_einval)
{
    uint8_t byte;
    wire_passive(w);
    IN(w, .flags = URG | ACK, .seq = 1, .ack = 1, .len = 10, .urg = 6);
    FAILS(w, mytcp_recv(w->stack, w->fd, &byte, 1, MSG_OOB), EINVAL);
}

/* D04, 9293-GEN-5, 9293-GEN-28, P10, URGENT/11: the pointer is never an index or a length */
SCENARIO(absurd_pointers_harm_nothing)
{
    static const uint16_t pointers[] = {0, 1, 99, 100, 101, 102, 5000, 32767, 32768, 65534, 65535};
    uint8_t data[200];
    wire_passive(w);
    uint32_t at = 1;
    for (unsigned i = 0; i < sizeof(pointers) / sizeof(*pointers); i++, at += 100) {
        IN(w, .flags = URG | ACK, .seq = at, .ack = 1, .len = 100, .urg = pointers[i]);
        static struct wire_packet p;
        while (wire_poll(w, &p))
            continue;
        uint32_t got = 0;
        for (int turn = 0; turn < 4 && got < 100; turn++) {
            ssize_t n = mytcp_recv(w->stack, w->fd, data + got, sizeof(data) - got, 0);
            got += n > 0 ? (uint32_t)n : 0;
        }
        assert_int_equal(got, 100);
        for (uint32_t k = 0; k < 100; k++)
            assert_int_equal(data[k], wire_byte(false, at - 1 + k));
    }
}

SCENARIO(a_pointer_without_the_flag_means_nothing)
{
    wire_passive(w);
    IN(w, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .urg = 6);
    assert_int_equal(wire_ready(w, w->fd) & POLLPRI, 0);
    READ(w, 10);
}

/* an urgent segment without data, and urgent with zero window, FIN, SYN (P10) */
SCENARIO(urg_on_empty_segments_and_on_fin_is_harmless)
{
    wire_passive(w);
    IN(w, .flags = URG | ACK, .seq = 1, .ack = 1, .urg = 100);
    QUIET(w);
    IN(w, .flags = URG | ACK, .seq = 1, .ack = 1, .len = 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 101);
    IN(w, .flags = URG | FIN | ACK, .seq = 101, .ack = 1, .urg = 9);
    OUT(w, .flags = ACK, .seq = 1, .ack = 102);
    uint8_t data[200];
    uint32_t got = 0;
    for (ssize_t n; (n = mytcp_recv(w->stack, w->fd, data + got, sizeof(data) - got, 0)) > 0;)
        got += (uint32_t)n;
    assert_int_equal(got, 100);
    STATE(w, TCP_CLOSE_WAIT);
}

/* P10: not even the octet that the segment begins with, which is yet to come */
SCENARIO(a_pointer_of_0_marks_nothing)
{
    wire_passive(w);
    IN(w, .flags = URG | ACK, .seq = 101, .ack = 1, .len = 100);
    OUT(w, .flags = ACK, .seq = 1, .ack = 1, .sack = {{101, 201}});
    assert_int_equal(wire_ready(w, w->fd) & POLLPRI, 0);
}

/* the pointer of a later segment never moves the mark back */
SCENARIO(a_pointer_that_goes_back_is_ignored)
{
    uint8_t data[100];
    wire_passive(w);
    IN(w, .flags = URG | ACK, .seq = 1, .ack = 1, .len = 10, .urg = 30);
    IN(w, .flags = URG | ACK, .seq = 11, .ack = 1, .len = 40, .urg = 5);
    static struct wire_packet p;
    while (wire_poll(w, &p))
        continue;
    assert_int_equal(mytcp_recv(w->stack, w->fd, data, sizeof(data), 0), 29);
    assert_int_equal(at_mark(w), 1);
}

/* 9293-SHLD-13 */
SCENARIO(the_stack_is_never_urgent_unasked)
{
    wire_passive(w);
    WRITE(w, 1000);
    const struct wire_packet *p = OUT(w, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
    assert_int_equal(p->flags & URG, 0);
    assert_int_equal(p->urg, 0);
}

/* 9293-MUST-31, 7323-A1: as far ahead as the field can say, until it can say where */
SCENARIO(an_urgent_byte_beyond_the_fields_reach_is_65535_ahead)
{
    static struct wire_packet p;
    wire_passive(w);
    wire_write(w, __FILE__, __LINE__, 100000, MSG_OOB);
    for (uint32_t end = 1; end < 100001; end = wire_conn(w)->snd_high) {
        while (wire_poll(w, &p)) {
            uint32_t left = 100001 - (p.seq - wire_conn(w)->iss);
            assert_true(p.flags & URG);
            assert_int_equal(p.urg, left < 65535 ? left : 65535);
        }
        w->now_us += 10 * MS;
        IN(w, .flags = ACK, .seq = 1, .ack = wire_conn(w)->snd_high);
    }
    WRITE(w, 1);
    OUT(w, .flags = ACK, .seq = 100001, .ack = 1, .len = 1);
}

static int urgent_events(struct wire *w)
{
    struct mytcp_event event;
    static struct wire_packet p;
    while (wire_poll(w, &p))
        continue;
    return mytcp_wait(w->stack, &event, 1, 0);
}

/* 9293-MUST-32, 9293-SA-URG-1, 9293-SA-URG-2: once for a pointer, and again when it advances */
SCENARIO(each_advance_of_the_pointer_is_told_once)
{
    wire_passive(w);
    assert_int_equal(mytcp_watch(w->stack, w->fd, POLLPRI | MYTCP_ET, 7), 0);
    for (uint32_t i = 0; i < 5; i++) {
        IN(w, .flags = URG | ACK, .seq = 1 + 10 * i, .ack = 1, .len = 10, .urg = (uint16_t)(100 - 10 * i));
        assert_int_equal(urgent_events(w), i == 0);
    }
    IN(w, .flags = URG | ACK, .seq = 51, .ack = 1, .len = 10, .urg = 200);
    assert_int_equal(urgent_events(w), 1);
    assert_int_equal(urgent_events(w), 0);
}

/* without a mark nothing stops a read, wherever the numbers are */
SCENARIO(without_urgent_data_a_read_goes_across_number_zero)
{
    static char data[8 * 1460];
    wire_passive(w);
    for (uint32_t i = 0; i < 8; i++)
        IN(w, .flags = ACK, .seq = 1 + i * 1460, .ack = 1, .len = 1460);
    assert_int_equal(mytcp_recv(w->stack, w->fd, data, sizeof(data), 0), (int)sizeof(data));
}

WIRE_MAIN(WIRE_TEST(msg_oob_marks_the_last_byte),
          WIRE_TEST(urgent_data_waits_for_no_ack),
          WIRE_TEST(all_segments_before_the_urgent_byte_say_where_it_is),
          WIRE_TEST(a_retransmission_is_as_urgent),
          WIRE_TEST(received_urgent_data_is_in_line_and_reading_stops_at_the_mark),
          WIRE_TEST(recv_of_oob_is_einval), WIRE_TEST(absurd_pointers_harm_nothing),
          WIRE_TEST(a_pointer_without_the_flag_means_nothing),
          WIRE_TEST(urg_on_empty_segments_and_on_fin_is_harmless),
          WIRE_TEST(a_pointer_of_0_marks_nothing), WIRE_TEST(a_pointer_that_goes_back_is_ignored),
          WIRE_TEST(the_stack_is_never_urgent_unasked),
          WIRE_TEST(an_urgent_byte_beyond_the_fields_reach_is_65535_ahead),
          WIRE_TEST(each_advance_of_the_pointer_is_told_once),
          WIRE_TEST(without_urgent_data_a_read_goes_across_number_zero))
