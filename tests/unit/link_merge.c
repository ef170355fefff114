/* mytcp-link: wire packets become a super-segment only where splitting it gives the same again. */
#include "../../tools/mytcp-link/burst.c" /* a program's parts: they are in no library */
#include "../../tools/mytcp-link/bytes.c"
#include "../../tools/mytcp-link/frame.c"

#include "link_packet.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Add a segment of its own; returns whether the burst took it. */
static bool add(struct burst *burst, const struct link_segment *s)
{
    struct frame *frame = link_frame(s);
    bool taken = burst_add(burst, frame, 0, false, true);
    frame_drop(frame);
    return taken;
}

static size_t write_out(struct burst *burst, uint8_t *out)
{
    size_t len = 0;
    burst_close(burst);
    for (int i = 1; i < burst->iovcnt; i++) {
        memcpy(out + len, burst->iov[i].iov_base, burst->iov[i].iov_len);
        len += burst->iov[i].iov_len;
    }
    return len;
}

static void what_was_split_is_merged_and_splits_the_same(void **state)
{
    static uint8_t before[IP_MAX_BYTES], after[IP_MAX_BYTES];
    struct link_segment s = {.seq = UINT32_MAX - 2000, .len = 40 * 1448 + 7, .id = 9, .window = 3,
                             .flags = TH_ACK | TH_PUSH | FLAG_CWR, .gso_size = 1448};
    struct virtio_net_hdr hdr;
    struct burst burst = {.count = 0};
    (void)state;
    size_t len = link_segment_make(&s, before, &hdr);
    struct frame *frame = frame_new(&hdr, before, len);
    for (uint32_t i = 0; i < frame->pieces; i++)
        assert_true(burst_add(&burst, frame, i, false, true));
    frame_drop(frame);
    assert_int_equal(write_out(&burst, after), len);
    assert_memory_equal(after, before, len);
    assert_int_equal(burst.hdr.gso_size, 1448);
    assert_int_equal(burst.hdr.gso_type, VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN);
    assert_int_equal(burst.hdr.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
    assert_int_equal(burst.hdr.csum_start, LINK_IP);
    assert_int_equal(burst.iovcnt, 3); /* neighbours in memory are one */
    burst_clear(&burst);
}

static const struct link_segment first = {.seq = 1000, .len = 100, .flags = TH_ACK, .id = 5};
static const struct link_segment second = {.seq = 1100, .len = 100, .flags = TH_ACK, .id = 6};

static bool pair(struct link_segment a, struct link_segment b)
{
    struct burst burst = {.count = 0};
    assert_true(add(&burst, &a));
    bool merged = add(&burst, &b);
    burst_clear(&burst);
    return merged;
}

/* Whether `first` and `second`, a and b, are merged after the change. */
#define AFTER(change, expected)                                                                    \
    do {                                                                                           \
        struct link_segment a = first, b = second;                                                 \
        change;                                                                                    \
        assert_int_equal(pair(a, b), expected);                                                    \
    } while (0)

static void neighbours_of_different_frames_are_merged(void **state)
{
    uint8_t p[400];
    struct burst burst = {.count = 0};
    struct link_segment last = {.seq = 1200, .len = 60, .flags = TH_ACK | TH_PUSH, .id = 7};
    (void)state;
    assert_true(add(&burst, &first));
    assert_true(add(&burst, &second));
    assert_true(add(&burst, &last));
    assert_int_equal(write_out(&burst, p), LINK_HEADERS + 260);
    assert_int_equal(get16(p + 2), LINK_HEADERS + 260);
    assert_int_equal(p[33], TH_ACK | TH_PUSH);
    assert_int_equal(burst.hdr.gso_size, 100);
    burst_clear(&burst);
}

/* V05 */
static void nothing_that_differs_is_merged(void **state)
{
    (void)state;
    AFTER((void)0, true);
    AFTER(b.seq++, false);
    AFTER(b.ack++, false);
    AFTER(b.window++, false);
    AFTER(b.tos = 3, false);
    AFTER(b.len = 101, false);
    AFTER(b.len = 0, false);
    AFTER(b.id = 7, false);
    AFTER(b.flags |= 0x40, false);
    AFTER(b.flags |= FLAG_CWR, false);
    AFTER(b.flags |= TH_RST, false);
    AFTER(b.flags |= TH_SYN, false);
    AFTER(b.flags |= TH_URG, false);
    AFTER(a.flags |= TH_PUSH, false);
    AFTER(a.flags |= TH_FIN, false);
    AFTER(a.no_df = true, false);
    AFTER(b.flags |= TH_FIN, true);
    AFTER(a.flags |= FLAG_CWR, true);
}

static void an_id_that_stands_still_means_nothing_with_df_alone(void **state)
{
    (void)state;
    AFTER(a.id = b.id, true);
    AFTER(a.id = b.id; a.no_df = b.no_df = true, false);
    AFTER(a.no_df = b.no_df = true, true);
}

static void nothing_follows_a_short_one(void **state)
{
    struct burst burst = {.count = 0};
    struct link_segment small = second, third = {.seq = 1150, .len = 50, .flags = TH_ACK, .id = 7};
    (void)state;
    assert_true(add(&burst, &first));
    small.len = 50;
    assert_true(add(&burst, &small));
    assert_false(add(&burst, &third));
    burst_clear(&burst);
}

static void a_wrong_checksum_is_not_covered_up(void **state)
{
    uint8_t bytes[400];
    struct virtio_net_hdr hdr;
    (void)state;
    for (int which = 0; which < 2; which++) {
        struct burst burst = {.count = 0};
        for (int i = 0; i < 2; i++) {
            size_t len = link_segment_make(i ? &second : &first, bytes, &hdr);
            bytes[LINK_HEADERS + 5] ^= i == which;
            struct frame *frame = frame_new(&hdr, bytes, len);
            assert_int_equal(burst_add(&burst, frame, 0, false, true), i == 0);
            frame_drop(frame);
        }
        burst_clear(&burst);
    }
}

static void a_super_segment_is_no_longer_than_ip_allows(void **state)
{
    static uint8_t out[2 * IP_MAX_BYTES];
    struct burst burst = {.count = 0};
    struct link_segment s = {.len = 9000, .flags = TH_ACK};
    unsigned count = 0;
    (void)state;
    while (add(&burst, &s)) {
        s.seq += s.len;
        s.id++;
        count++;
    }
    assert_int_equal(count, 7);
    assert_int_equal(write_out(&burst, out), LINK_HEADERS + 7 * 9000);
    burst_clear(&burst);
}

static void without_merging_each_is_alone(void **state)
{
    struct burst burst = {.count = 0};
    struct link_segment s = first;
    uint8_t p[200];
    (void)state;
    s.gso_size = 50;
    struct frame *frame = link_frame(&s);
    assert_true(burst_add(&burst, frame, 0, false, false));
    assert_false(burst_add(&burst, frame, 1, false, false));
    assert_int_equal(write_out(&burst, p), LINK_HEADERS + 50);
    assert_true(link_sums_ok(p, LINK_HEADERS + 50));
    assert_int_equal(burst.hdr.gso_type, 0);
    assert_int_equal(burst.hdr.flags, 0);
    burst_clear(&burst);
    frame_drop(frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_split_is_merged_and_splits_the_same),
        cmocka_unit_test(neighbours_of_different_frames_are_merged),
        cmocka_unit_test(nothing_that_differs_is_merged),
        cmocka_unit_test(an_id_that_stands_still_means_nothing_with_df_alone),
        cmocka_unit_test(nothing_follows_a_short_one),
        cmocka_unit_test(a_wrong_checksum_is_not_covered_up),
        cmocka_unit_test(a_super_segment_is_no_longer_than_ip_allows),
        cmocka_unit_test(without_merging_each_is_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
