/* mytcp-link: super-segments become wire packets, and partial checksums whole ones. */
#include "../../tools/mytcp-link/bytes.c" /* a program's parts: they are in no library */
#include "../../tools/mytcp-link/frame.c"

#include "link_packet.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* The i-th wire packet, whole, as it would be written. */
static size_t piece_of(const struct frame *frame, uint32_t i, bool ce, uint8_t *out)
{
    struct wire wire;
    wire_make(&wire, frame, i, ce);
    wire_finish(&wire);
    memcpy(out, wire.head, wire.head_len);
    memcpy(out + wire.head_len, wire.payload, wire.payload_len);
    return wire.head_len + wire.payload_len;
}

static void a_super_segment_becomes_packets_of_the_given_size(void **state)
{
    struct link_segment s = {.seq = UINT32_MAX - 2000, .ack = 77, .len = 1400 * 3 + 1,
                             .window = 500, .id = 0xfffe, .flags = TH_ACK, .gso_size = 1400};
    struct frame *frame = link_frame(&s);
    uint8_t whole[LINK_HEADERS + 1400 * 3 + 1], p[2000];
    struct virtio_net_hdr hdr;
    (void)state;
    link_segment_make(&s, whole, &hdr);
    assert_int_equal(frame->pieces, 4);
    for (uint32_t i = 0; i < 4; i++) {
        size_t len = piece_of(frame, i, false, p), payload = i < 3 ? 1400 : 1;
        assert_int_equal(len, LINK_HEADERS + payload);
        assert_int_equal(len, frame_piece_bytes(frame, i));
        assert_int_equal(get16(p + 2), len);
        assert_int_equal(get16(p + 4), (0xfffe + i) & 0xffff);
        assert_int_equal(get32(p + 24), s.seq + i * 1400);
        assert_int_equal(get32(p + 28), 77);
        assert_int_equal(get16(p + 34), 500);
        assert_memory_equal(p + 40, whole + 40, 12);
        assert_memory_equal(p + LINK_HEADERS, whole + LINK_HEADERS + i * 1400, payload);
        assert_true(link_sums_ok(p, len));
    }
    frame_drop(frame);
}

static void fin_and_psh_go_with_the_last_and_cwr_with_the_first(void **state)
{
    struct link_segment s = {.len = 300, .gso_size = 100,
                             .flags = TH_ACK | TH_FIN | TH_PUSH | FLAG_CWR};
    struct frame *frame = link_frame(&s);
    uint8_t p[200], flags[3];
    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(link_sums_ok(p, piece_of(frame, i, false, p)));
        flags[i] = p[33];
    }
    assert_int_equal(flags[0], TH_ACK | FLAG_CWR);
    assert_int_equal(flags[1], TH_ACK);
    assert_int_equal(flags[2], TH_ACK | TH_FIN | TH_PUSH);
    frame_drop(frame);
}

static void ece_goes_with_all(void **state)
{
    struct link_segment s = {.len = 200, .gso_size = 100, .flags = TH_ACK | 0x40};
    uint8_t bytes[400], p[200];
    struct virtio_net_hdr hdr;
    (void)state;
    size_t len = link_segment_make(&s, bytes, &hdr);
    hdr.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
    struct frame *frame = frame_new(&hdr, bytes, len);
    for (uint32_t i = 0; i < 2; i++) {
        piece_of(frame, i, false, p);
        assert_int_equal(p[33], TH_ACK | 0x40);
    }
    frame_drop(frame);
}

static void a_mark_is_on_the_piece_that_met_the_queue(void **state)
{
    struct link_segment s = {.len = 200, .gso_size = 100, .flags = TH_ACK, .tos = 2};
    struct frame *frame = link_frame(&s);
    uint8_t p[200];
    (void)state;
    assert_true(frame_is_ect(frame));
    assert_true(link_sums_ok(p, piece_of(frame, 0, true, p)));
    assert_int_equal(p[1], 3);
    assert_true(link_sums_ok(p, piece_of(frame, 1, false, p)));
    assert_int_equal(p[1], 2);
    frame_drop(frame);
}

static void a_plain_packet_stays_as_it_is_also_when_it_is_wrong(void **state)
{
    struct link_segment s = {.seq = 5, .len = 99, .flags = TH_ACK};
    uint8_t bytes[LINK_HEADERS + 99], p[200];
    struct virtio_net_hdr hdr;
    (void)state;
    size_t len = link_segment_make(&s, bytes, &hdr);
    for (int wrong = 0; wrong < 2; wrong++) {
        bytes[36] ^= (uint8_t)wrong;
        struct frame *frame = frame_new(&hdr, bytes, len);
        assert_int_equal(piece_of(frame, 0, false, p), len);
        assert_memory_equal(p, bytes, len);
        frame_drop(frame);
    }
}

static void a_partial_checksum_is_finished(void **state)
{
    struct link_segment s = {.seq = 5, .len = 99, .flags = TH_ACK, .partial = true};
    struct frame *frame = link_frame(&s);
    uint8_t p[200];
    (void)state;
    assert_true(link_sums_ok(p, piece_of(frame, 0, false, p)));
    frame_drop(frame);
}

/* UDP of IPv4, with and without a sum of zero; and what is not IPv4 at all. */
static void a_partial_checksum_of_another_protocol_is_finished(void **state)
{
    uint8_t udp[32] = {0x45, [3] = 32, [9] = IPPROTO_UDP, [12] = 10, [16] = 10, [25] = 12};
    uint8_t other[48] = {0x60, [6] = 58, [44] = 0x12, [45] = 0x35};
    struct virtio_net_hdr hdr = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 20,
                                 .csum_offset = 6};
    (void)state;
    sum_store(udp + 26, sum_of_pseudo(udp, 12));
    struct frame *frame = frame_new(&hdr, udp, sizeof udp);
    uint64_t sum = sum_of_pseudo(frame->bytes, 12) + sum_of(frame->bytes + 20, 12);
    assert_int_equal(sum_fold(sum), 0xffff);
    frame_drop(frame);

    uint16_t fill = (uint16_t)(0xffff - sum_fold(sum_of(udp + 20, 12))); /* the field comes to 0 */
    memcpy(udp + 28, &fill, 2);
    frame = frame_new(&hdr, udp, sizeof udp);
    assert_int_equal(get16(frame->bytes + 26), 0xffff);
    frame_drop(frame);

    hdr.csum_start = 40;
    hdr.csum_offset = 2;
    frame = frame_new(&hdr, other, sizeof other);
    assert_int_equal(get16(frame->bytes + 42), (uint16_t)~0x1235);
    frame_drop(frame);
}

static void a_header_that_contradicts_the_packet_is_refused(void **state)
{
    struct link_segment s = {.len = 200, .gso_size = 100, .flags = TH_ACK};
    uint8_t bytes[400];
    struct virtio_net_hdr hdr, wrong;
    (void)state;
    size_t len = link_segment_make(&s, bytes, &hdr);
    for (int i = 0; i < 4; i++) {
        wrong = hdr;
        if (i == 0)
            wrong.gso_size = 0;
        if (i == 1)
            wrong.gso_type = VIRTIO_NET_HDR_GSO_UDP;
        if (i == 2)
            wrong.gso_type = 0, wrong.csum_start = 0xffff;
        if (i == 3)
            bytes[9] = IPPROTO_UDP;
        errno = 0;
        assert_null(frame_new(&wrong, bytes, len));
        assert_int_equal(errno, EBADMSG);
    }
}

static void every_cut_of_a_packet_is_survived(void **state)
{
    struct link_segment s = {.len = 20, .gso_size = 3, .flags = TH_ACK};
    uint8_t bytes[100];
    struct virtio_net_hdr hdr;
    (void)state;
    size_t whole = link_segment_make(&s, bytes, &hdr);
    for (size_t len = 0; len < whole; len++) {
        struct virtio_net_hdr none = {0};
        assert_null(frame_new(&hdr, bytes, len)); /* the IPv4 header says more */
        struct frame *frame = frame_new(&none, bytes, len);
        assert_int_equal(frame->ip_len, 0);
        assert_int_equal(frame_piece_bytes(frame, 0), len);
        frame_drop(frame);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_super_segment_becomes_packets_of_the_given_size),
        cmocka_unit_test(fin_and_psh_go_with_the_last_and_cwr_with_the_first),
        cmocka_unit_test(ece_goes_with_all),
        cmocka_unit_test(a_mark_is_on_the_piece_that_met_the_queue),
        cmocka_unit_test(a_plain_packet_stays_as_it_is_also_when_it_is_wrong),
        cmocka_unit_test(a_partial_checksum_is_finished),
        cmocka_unit_test(a_partial_checksum_of_another_protocol_is_finished),
        cmocka_unit_test(a_header_that_contradicts_the_packet_is_refused),
        cmocka_unit_test(every_cut_of_a_packet_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
