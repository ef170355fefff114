/* mytcp-echo's HTTP: heads and bodies, good and bad. */
#include "../../tools/mytcp-echo/body.c" /* a program's parts: they are in no library */
#include "../../tools/mytcp-echo/request.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct request parse(const char *text)
{
    char head[512];
    struct request request;
    size_t len = strlen(text);
    assert_true(len < sizeof head);
    memcpy(head, text, len);
    request_parse(&request, head, len);
    return request;
}

static void a_plain_request_is_understood(void **state)
{
    struct request r = parse("GET /bytes/9223372036854775808?x HTTP/1.1\r\nhOST: a\r\n\r\n");
    (void)state;
    assert_int_equal(r.status, 200);
    assert_int_equal(r.method, METHOD_GET);
    assert_int_equal(r.route, ROUTE_BYTES);
    assert_true(r.reply_bytes == UINT64_C(1) << 63);
    assert_true(r.keep);
    r = parse("HEAD http://a/ HTTP/1.0\nConnection: x, Keep-Alive\n\n");
    assert_int_equal(r.status, 200);
    assert_int_equal(r.route, ROUTE_PAGE);
    assert_true(r.keep && r.version_1_0);
    assert_int_equal(parse("GET /stats HTTP/1.1\r\nHost: a\r\n\r\n").route, ROUTE_STATS);
    r = parse("PUT /any HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\nExpect: 100-continue\r\n"
              "Connection: close\r\n\r\n");
    assert_int_equal(r.status, 200);
    assert_true(r.expect && !r.keep && r.body_bytes == 7);
}

static void a_wrong_head_gets_its_status(void **state)
{
    static const struct {
        int status;
        const char *head;
    } wrong[] = {
        {400, "nonsense\r\n\r\n"},
        {400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {400, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"},
        {400, "GET / http/1.1\r\nHost: a\r\n\r\n"},
        {400, "G(T / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n"},
        {400, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"},
        {400, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n"},
        {400, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n"},
        {400, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {400, "PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {501, "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"},
        {417, "PUT / HTTP/1.1\r\nHost: a\r\nExpect: wonders\r\n\r\n"},
        {404, "GET /bytes/9223372036854775809 HTTP/1.1\r\nHost: a\r\n\r\n"},
        {404, "GET /bytes/ HTTP/1.1\r\nHost: a\r\n\r\n"},
        {405, "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct request r = parse(wrong[i].head);
        if (r.status != wrong[i].status)
            fail_msg("%d for: %s", r.status, wrong[i].head);
        assert_int_equal(r.unreadable, wrong[i].status != 404 && wrong[i].status != 405);
    }
}

/* Feed it in pieces of each size; the state and the count are the same every time. */
static void chunks(const char *text, enum body_state state, uint64_t total, size_t rest)
{
    size_t len = strlen(text);
    for (size_t piece = 1; piece <= len; piece++) {
        struct request request = {.chunked = true};
        struct body body;
        size_t at = 0;
        body_start(&body, &request);
        while (at < len && body.state < BODY_DONE)
            at += body_take(&body, (const uint8_t *)text + at, piece < len - at ? piece : len - at);
        assert_int_equal(body.state, state);
        if (state == BODY_DONE) {
            assert_int_equal(body.total, total);
            assert_int_equal(len - at, rest);
        }
    }
}

static void a_chunked_body_ends_where_it_should(void **state)
{
    (void)state;
    chunks("0\r\n\r\n", BODY_DONE, 0, 0);
    chunks("5\r\nabcde\r\nA;x=\"y\"\r\n0123456789\r\n00\r\nT: v\r\nU: w\r\n\r\nGET", BODY_DONE, 15, 3);
    chunks("5\r\nabc", BODY_CHUNK, 0, 0);
#define FOUR "0001\r\na\r\n0001\r\nb\r\n0001\r\nc\r\n0001\r\nd\r\n"
    chunks(FOUR FOUR "0\r\n\r\n", BODY_DONE, 8, 0);
}

static void a_malformed_chunked_body_is_bad(void **state)
{
    (void)state;
    chunks("\r\n", BODY_BAD, 0, 0);
    chunks("x\r\n", BODY_BAD, 0, 0);
    chunks("5\nabcde\r\n0\r\n\r\n", BODY_BAD, 0, 0);
    chunks("2\r\nabc\r\n0\r\n\r\n", BODY_BAD, 0, 0);
    chunks("fffffffffffffffff\r\n", BODY_BAD, 0, 0);
    chunks("-1\r\n", BODY_BAD, 0, 0);
    chunks("0\r\nT: v\n\r\n", BODY_BAD, 0, 0);
}

static void a_counted_body_leaves_the_next_request_alone(void **state)
{
    struct request request = {.has_length = true, .body_bytes = 5};
    struct body body;
    (void)state;
    body_start(&body, &request);
    assert_int_equal(body_take(&body, (const uint8_t *)"abcdeGET", 8), 5);
    assert_int_equal(body.state, BODY_DONE);
    assert_int_equal(body.total, 5);
    request.body_bytes = 0;
    body_start(&body, &request);
    assert_int_equal(body.state, BODY_DONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_request_is_understood),
        cmocka_unit_test(a_wrong_head_gets_its_status),
        cmocka_unit_test(a_chunked_body_ends_where_it_should),
        cmocka_unit_test(a_malformed_chunked_body_is_bad),
        cmocka_unit_test(a_counted_body_leaves_the_next_request_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
