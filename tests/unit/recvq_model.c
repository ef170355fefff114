/* The receive queue beside a naive model of it. */
#include "lib/recvq_fixture.h"

/* ---- against a naive model: an array of bytes that are there or not ---- */

enum { MODEL_BYTES = 1 << 20 };

struct model {
    uint8_t value[MODEL_BYTES];
    bool there[MODEL_BYTES]; /* at taken .. nxt + window */
    struct random random;
    uint32_t window, ooo_max;
};
static struct model m;

static size_t slot(uint64_t pos)
{
    return (size_t)(pos % MODEL_BYTES);
}

/* The next run at or after `pos` and before `limit`; start == limit if none. */
static struct recvq_range run_after(uint64_t pos, uint64_t limit)
{
    while (pos < limit && !m.there[slot(pos)])
        pos++;
    struct recvq_range r = {(uint32_t)(pos - nxt), 0};
    while (pos < limit && m.there[slot(pos)])
        pos++;
    r.end = (uint32_t)(pos - nxt);
    return r;
}

static uint32_t model_runs(struct recvq_range *last)
{
    uint32_t count = 0;
    uint64_t limit = nxt + m.window + 1;
    struct recvq_range r = run_after(nxt, limit);
    for (; r.start < r.end; r = run_after(nxt + r.end, limit)) {
        count++;
        *last = r;
    }
    return count;
}

/* May the real queue's result differ from the model's? Only for want of memory. */
static enum recvq_result model_expects(uint32_t offset, uint32_t len, struct recvq_range *evict)
{
    uint32_t there = 0;
    struct recvq_range last = {0, 0};
    *evict = last;
    for (uint32_t i = 0; i < len; i++)
        there += m.there[slot(nxt + offset + i)];
    if (offset == 0)
        return RECVQ_OK;
    if (there == len)
        return RECVQ_DUPLICATE;
    if (there > 0 || m.there[slot(nxt + offset - 1)] || m.there[slot(nxt + offset + len)])
        return RECVQ_OOO;
    if (model_runs(&last) < m.ooo_max)
        return RECVQ_OOO;
    if (last.start < offset)
        return RECVQ_NO_ROOM;
    *evict = last;
    return RECVQ_OOO;
}

static void model_store(uint64_t pos, uint64_t to, uint64_t from_pos, const uint8_t *data)
{
    for (; pos < to; pos++) {
        if (!m.there[slot(pos)])
            m.value[slot(pos)] = data[pos - from_pos];
        m.there[slot(pos)] = true;
    }
}

static void model_clear(struct recvq_range r)
{
    for (uint32_t i = r.start; i < r.end; i++)
        m.there[slot(nxt + i)] = false;
}

/* With at most 4 ranges SACK tells all of them: what is there beyond RCV.NXT, exactly. After a
 * failure to allocate, take over what was kept; it must be what was there, or be of the segment. */
static void model_follows(uint32_t offset, uint32_t len, const uint8_t *data)
{
    struct recvq_range ranges[4];
    int count = recvq_sack(&q, ranges, 4);
    for (uint32_t i = 0; i <= m.window; i++) {
        bool there = false;
        for (int k = 0; k < count; k++)
            there = there || (i >= ranges[k].start && i < ranges[k].end);
        if (there && !m.there[slot(nxt + i)]) {
            assert_in_range(i, offset, offset + len - 1);
            model_store(nxt + i, nxt + i + 1, nxt + offset, data);
        }
        assert_int_equal(m.there[slot(nxt + i)], there);
    }
}

static void model_checks_sack(uint32_t offset, bool touched)
{
    struct recvq_range ranges[4], last;
    uint32_t runs = model_runs(&last);
    int count = recvq_sack(&q, ranges, 4);
    assert_int_equal(count, runs < 4 ? runs : 4);
    for (int i = 0; i < count; i++) {
        struct recvq_range r = run_after(nxt + ranges[i].start, nxt + m.window + 1);
        assert_int_equal(r.start, ranges[i].start);
        assert_int_equal(r.end, ranges[i].end);
        assert_false(m.there[slot(nxt + r.start - 1)] && r.start > 0);
        for (int k = 0; k < i; k++)
            assert_int_not_equal(ranges[k].start, r.start);
    }
    if (touched && offset > 0)
        assert_true(count > 0 && ranges[0].start <= offset && offset < ranges[0].end);
}

static void model_checks_overlap(uint32_t offset, uint32_t len)
{
    struct recvq_range r = {offset, offset + len};
    struct recvq_range first = run_after(nxt + r.start, nxt + r.end);
    assert_int_equal(recvq_overlap(&q, &r), first.start < first.end);
    if (first.start < first.end) {
        assert_int_equal(r.start, first.start);
        assert_int_equal(r.end, first.end);
    }
}

static void model_insert(uint32_t offset, uint32_t len)
{
    uint32_t advance = 0, version = random_below(&m.random, 4);
    struct buf *b = random_below(&m.random, 2) ? buf_lend(&pool) : NULL;
    uint8_t *data = b ? b->memory + random_below(&m.random, BUF_LENT_BYTES - len + 1) : malloc(len);
    for (uint32_t i = 0; i < len; i++)
        data[i] = (uint8_t)(byte_at(nxt + offset + i) + 77 * version);
    uint8_t *copy = malloc(len);
    memcpy(copy, data, len);

    model_checks_overlap(offset, len);
    struct recvq_range evict;
    enum recvq_result expected = model_expects(offset, len, &evict);
    struct recvq_data in = {data, len, b};
    uint64_t refused = mem.refused;
    enum recvq_result result = recvq_insert(&q, &pool, offset, &in, m.ooo_max, &advance);
    refused = mem.refused - refused;
    if (in.owner) {
        memset(data, 0xee, len);
        buf_release(&pool, b);
    }
    if (!b)
        free(data);

    if (result != expected)
        assert_true(refused > 0 && result == RECVQ_NO_MEMORY);
    if (offset == 0) {
        uint64_t to = result == RECVQ_OK ? nxt + len : nxt + advance;
        model_store(nxt, to, nxt, copy);
        while (result == RECVQ_OK && m.there[slot(to)])
            to++;
        assert_int_equal(advance, to - nxt);
        nxt = to;
    } else {
        assert_int_equal(advance, 0);
        if (result == RECVQ_OOO)
            model_clear(evict);
        if (refused > 0)
            model_follows(offset, len, copy);
        else if (result == RECVQ_OOO)
            model_store(nxt + offset, nxt + offset + len, nxt + offset, copy);
    }
    model_checks_sack(offset, result == RECVQ_DUPLICATE || (result == RECVQ_OOO && refused == 0));
    free(copy);
}

static void model_consume(uint32_t n)
{
    static uint8_t out[MODEL_BYTES];
    uint32_t skip = n > 0 ? random_below(&m.random, n) : 0;
    assert_int_equal(recvq_copy(&q, skip, out + skip, n - skip), n - skip);
    assert_int_equal(recvq_copy(&q, 0, out, skip), skip);
    for (uint32_t i = 0; i < n; i++) {
        if (out[i] != m.value[slot(taken + i)])
            fail_msg("wrong byte");
        m.there[slot(taken + i)] = false;
    }
    recvq_consume(&q, &pool, n);
    taken += n;
}

/* A window, a largest segment and a table size; failing allocations need a table of 4 at most. */
static void model_run(uint64_t seed, uint32_t steps, uint32_t window, uint32_t segment_max,
                      uint32_t ooo_max, uint32_t refused_percent)
{
    memset(&m.there, 0, sizeof(m.there));
    m.random.state = seed;
    m.window = window;
    m.ooo_max = ooo_max;
    heap.refused_percent = refused_percent;
    for (uint32_t i = 0; i < steps; i++) {
        uint32_t longest = random_below(&m.random, 4) ? segment_max / 8 : segment_max;
        uint32_t len = 1 + random_below(&m.random, longest);
        bool ahead = random_below(&m.random, 3) > 0;
        uint32_t offset = ahead ? random_below(&m.random, window - len + 1) : 0;
        if (random_below(&m.random, 200) == 0) {
            recvq_drop_ooo(&q, &pool);
            model_clear((struct recvq_range){0, window + 1});
        } else {
            model_insert(offset, len);
        }
        check();
        assert_int_equal(q.readable, nxt - taken);
        if (q.readable > 0 && (random_below(&m.random, 4) == 0 || q.readable > MODEL_BYTES / 2))
            model_consume(1 + random_below(&m.random, q.readable));
    }
    model_consume(q.readable);
    heap.refused_percent = 0;
    recvq_drop_ooo(&q, &pool);
    assert_true(recvq_idle(&q));
    nxt = taken;
}

static void small_segments_in_a_small_window_do_what_the_model_does(void **state)
{
    (void)state;
    model_run(11, 30000, 600, 60, 4, 0);
    model_run(12, 30000, 1500, 100, 16, 0);
    model_run(13, 20000, 1500, 40, 256, 0);
    model_run(14, 20000, 300, 16, 1, 0);
}

static void large_segments_do_what_the_model_does(void **state)
{
    (void)state;
    model_run(21, 1500, 200000, 65000, 8, 0);
    model_run(22, 1500, 200000, 20000, 64, 0);
}

static void allocations_that_fail_cost_bytes_but_never_give_a_wrong_one(void **state)
{
    (void)state;
    model_run(31, 30000, 600, 60, 4, 30);
    model_run(32, 20000, 1500, 400, 3, 60);
    model_run(33, 1000, 200000, 65000, 4, 30);
    model_run(34, 10000, 300, 300, 2, 95);
}

/* ---- many thousand ranges: place i has 1 to 49 bytes, and holes of 1 to 49 lie between ---- */

enum { PLACES = 20000, APART = 50 };

static bool here[PLACES];
static uint32_t order[PLACES], count;

static uint32_t place(uint32_t i)
{
    return i * APART + 1;
}

static uint32_t place_len(uint32_t i)
{
    return 1 + (uint32_t)byte_at(i) % (APART - 1);
}

static void shuffle(void)
{
    for (uint32_t i = 0; i < PLACES; i++) {
        uint32_t k = random_below(&m.random, i + 1);
        order[i] = order[k];
        order[k] = i;
    }
}

/* The ranges are the places that are here. */
static void compare_places(void)
{
    struct recvq_range r = {0, UINT32_MAX};
    check();
    for (uint32_t i = 0; i < PLACES; i++) {
        if (!here[i])
            continue;
        assert_true(recvq_overlap(&q, &r));
        assert_int_equal(r.start, place(i));
        assert_int_equal(r.end, place(i) + place_len(i));
        r = (struct recvq_range){r.end, UINT32_MAX};
    }
    assert_false(recvq_overlap(&q, &r));
}

static void put_place(uint32_t i, uint32_t ooo_max)
{
    static uint32_t last; /* nothing is here behind it */
    uint64_t refused = mem.refused;
    enum recvq_result got = put_from(place(i), place_len(i), ooo_max, false);
    if (mem.refused > refused) {
        assert_int_equal(got, RECVQ_NO_MEMORY);
        return;
    }
    for (last = count ? last : 0; last && !here[last];)
        last--;
    bool full = count == ooo_max;
    assert_int_equal(got, full && i > last ? RECVQ_NO_ROOM : RECVQ_OOO);
    if (got == RECVQ_NO_ROOM)
        return;
    here[last] = here[last] && !full;
    here[i] = true;
    count += !full;
    last = i > last ? i : last;
}

/* The hole before place i, and the place if it is not here: again until it is in. */
static void fill(uint32_t i, bool at_the_front)
{
    uint64_t refused, to = place(i) + place_len(i);
    do {
        refused = mem.refused;
        uint32_t from = i ? place(i - 1) + place_len(i - 1) : 0;
        from = at_the_front ? (uint32_t)nxt : from ? from : 1;
        if (from < to)
            put_from(from - (uint32_t)nxt, (uint32_t)(to - from), PLACES, false);
    } while (mem.refused > refused);
}

static void many(uint64_t seed, uint32_t ooo_max, uint32_t refused_percent, bool from_the_front)
{
    m.random.state = seed;
    heap.refused_percent = refused_percent;
    memset(here, 0, sizeof(here));
    nxt = taken = count = 0;
    shuffle();
    for (uint32_t i = 0; i < PLACES; i++) {
        put_place(order[i], ooo_max);
        if (i % 1009 == 0 || i == PLACES - 1)
            compare_places();
    }
    assert_in_range(count, ooo_max < PLACES / 2 ? ooo_max : PLACES / 2, ooo_max);
    shuffle();
    for (uint32_t i = 0; i < PLACES; i++) {
        fill(from_the_front ? i : order[i], from_the_front);
        if (i % 1009 == 0)
            check();
    }
    heap.refused_percent = 0;
    if (!from_the_front)
        put(0, 1);
    assert_int_equal(nxt, place(PLACES - 1) + place_len(PLACES - 1));
    static uint8_t out[PLACES * APART];
    assert_int_equal(recvq_copy(&q, 0, out, q.readable), nxt);
    for (uint32_t i = 0; i < nxt; i++)
        if (out[i] != byte_at(i))
            fail_msg("wrong byte at %u", i);
    recvq_consume(&q, &pool, q.readable);
    assert_true(recvq_idle(&q));
}

/* R09 */
static void many_thousand_ranges_in_random_order_become_the_stream(void **state)
{
    (void)state;
    many(41, PLACES, 0, false);
    many(42, PLACES, 0, true);
    many(43, PLACES / 4, 0, false); /* most give way, and come again */
    many(44, PLACES / 4, 0, true);
}

static void many_thousand_ranges_survive_allocations_that_fail(void **state)
{
    (void)state;
    many(51, PLACES, 20, false);
    many(52, PLACES, 20, true);
    many(53, PLACES / 4, 20, false);
    many(54, PLACES / 4, 20, true);
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(small_segments_in_a_small_window_do_what_the_model_does),
        T(large_segments_do_what_the_model_does),
        T(allocations_that_fail_cost_bytes_but_never_give_a_wrong_one),
        T(many_thousand_ranges_in_random_order_become_the_stream),
        T(many_thousand_ranges_survive_allocations_that_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
