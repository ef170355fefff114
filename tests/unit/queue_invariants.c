/* The queues' own checks, each invariant broken once. What the queues keep to themselves is laid out here as there,
 * for nobody else may see it: a layout that has changed makes these tests fail. */
#include "lib/recvq_fixture.h"
#include "tcp/ranges.h"
#include "tcp/sendq.h"

/* ---- received: as in recvq.c and ranges.c ---- */

struct recvq_ooo {
    uint64_t nxt, recent[4];
    uint32_t recent_count;
    struct ranges ranges;
};

struct ranges_node {
    uint32_t count;
    uint64_t key[31];
    void *at[31];
};

/* Two ranges, which one node holds. */
static struct ranges_node *node(void) { return q.ooo->ranges.root; }
static struct range *range(unsigned i) { return node()->at[i]; }

#define RECVQ_SAYS(text, ...)                                                                      \
    do {                                                                                           \
        struct recvq before = q;                                                                   \
        struct recvq_ooo ooo = *q.ooo;                                                             \
        struct ranges_node root = *node();                                                         \
        struct range ranges[2] = {*range(0), *range(1)};                                           \
        __VA_ARGS__;                                                                               \
        assert_string_equal(recvq_check(&q), text);                                                \
        q = before;                                                                                \
        *q.ooo = ooo;                                                                              \
        *node() = root;                                                                            \
        for (unsigned i = 0; i < 2; i++) *range(i) = ranges[i];                                    \
        assert_null(recvq_check(&q));                                                              \
    } while (0)

static void received_ranges_lie_apart_and_in_order(void **state)
{
    (void)state;
    put(0, 10);
    put(10, 5);
    put(30, 5);
    RECVQ_SAYS("recvq: buffers hold less than the run", q.readable++);
    RECVQ_SAYS("ranges: not as many as counted", q.ooo->ranges.count++);
    RECVQ_SAYS("ranges: not as many as counted", q.ooo->ranges.nodes++);
    RECVQ_SAYS("ranges: a node is empty or too full", node()->count = 0);
    RECVQ_SAYS("ranges: a node is empty or too full", node()->count = 32);
    RECVQ_SAYS("ranges: a key is not the first of what hangs there", node()->key[0]++);
    RECVQ_SAYS("ranges: keys are out of order", range(1)->place = node()->key[1] = node()->key[0]);
    const char *touch = "ranges: they touch, overlap or are not where they began";
    RECVQ_SAYS(touch, range(1)->run.start = range(0)->run.end);
    RECVQ_SAYS(touch, range(1)->run.end = range(1)->run.start);
    RECVQ_SAYS(touch, range(0)->run.start++);
    RECVQ_SAYS("recvq: buffers hold less than the run", range(1)->run.end++);
    RECVQ_SAYS("recvq: no range, or one that is in order", q.ooo->nxt = range(0)->run.start);
    RECVQ_SAYS("recvq: ooo_bytes is not the sum of the ranges", q.ooo_bytes++);
    RECVQ_SAYS("recvq: ooo_bytes without ranges", q.ooo = NULL);
}

static void what_sack_told_last_is_there_still_and_remembered_once(void **state)
{
    (void)state;
    put(10, 5);
    put(30, 5);
    RECVQ_SAYS("recvq: a remembered range is gone", q.ooo->recent[0] = range(1)->run.end);
    RECVQ_SAYS("recvq: a remembered range is gone", q.ooo->recent[0] = range(0)->run.end);
    RECVQ_SAYS("recvq: a range is remembered twice", q.ooo->recent[1] = q.ooo->recent[0]);
}

/* ---- to send: as in sendq.c ---- */

struct sendq_chunk {
    struct sendq_chunk *next;
    uint32_t cap, pos, start, end, reserved; /* and the memory */
};

static struct sendq_pool chunks;
static struct sendq sent;

/* Three chunks: two full ones, and one that has room. */
static struct sendq_chunk *chunk(unsigned i) { return sent.ring[i]; }

#define SENDQ_SAYS(text, ...)                                                                      \
    do {                                                                                           \
        struct sendq before = sent;                                                                \
        struct sendq_chunk was[3] = {*chunk(0), *chunk(1), *chunk(2)};                             \
        __VA_ARGS__;                                                                               \
        assert_string_equal(sendq_check(&sent), "sendq: " text);                                   \
        sent = before;                                                                             \
        for (unsigned i = 0; i < 3; i++) *chunk(i) = was[i];                                       \
        assert_null(sendq_check(&sent));                                                           \
    } while (0)

static void chunks_to_send_follow_each_other_and_are_full_but_for_the_last(void **state)
{
    static const uint8_t data[9000];
    (void)state;
    sendq_pool_init(&chunks, &mem);
    for (uint32_t len = 100; len <= sizeof(data); len *= 3) sendq_append(&sent, &chunks, data, len);
    assert_int_equal(sent.count, 3);
    SENDQ_SAYS("lengths out of range", sent.len = 1u << 31);
    SENDQ_SAYS("lengths out of range", sent.cap = 2);
    SENDQ_SAYS("a chunk's run lies outside its memory", chunk(2)->start = chunk(2)->end + 1);
    SENDQ_SAYS("a chunk's run lies outside its memory", chunk(2)->end = chunk(2)->cap + 1);
    SENDQ_SAYS("positions do not follow each other", chunk(1)->pos++);
    SENDQ_SAYS("a hole between chunks", chunk(1)->start = 1);
    SENDQ_SAYS("a hole between chunks", chunk(1)->end--);
    SENDQ_SAYS("room left too early", chunk(0)->end--);
    SENDQ_SAYS("an acknowledged chunk is kept", chunk(0)->start = chunk(0)->cap);
    SENDQ_SAYS("len is not the sum of the chunks", sent.len++);
    sendq_free(&sent, &chunks);
    sendq_pool_free(&chunks);
}

#define INVARIANT(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        INVARIANT(received_ranges_lie_apart_and_in_order),
        INVARIANT(what_sack_told_last_is_there_still_and_remembered_once),
        INVARIANT(chunks_to_send_follow_each_other_and_are_full_but_for_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
