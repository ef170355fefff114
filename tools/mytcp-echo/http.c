/* The conversation: read a head, take the body, answer, and again. Nothing is read ahead of that, so
 * that pipelined requests wait in the stack's receive queue, and the window bounds them. */
#include "http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* STEP_AGAIN, beside what a step returns: the next phase can go on at once. */
enum { STEP_AGAIN = 1 << 30, STEPS_MAX = 64, PAGE_MAX = 4096 };

/* Send what is left of text. */
static uint32_t flush(struct http *http)
{
    ssize_t n = mytcp_send(http->conn.stack, http->conn.fd, http->text + http->sent,
                           http->len - http->sent, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN ? POLLOUT : STEP_CLOSE;
    http->sent += (size_t)n;
    return http->sent < http->len ? POLLOUT : STEP_AGAIN;
}

static const char *reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 417:
        return "Expectation Failed";
    case 431:
        return "Request Header Fields Too Large";
    case 501:
        return "Not Implemented";
    default:
        return "HTTP Version Not Supported";
    }
}

/* The head of an answer whose body has length_bytes, then what of the body is text. */
static void answer_write(struct http *http, uint64_t length_bytes, const char *type,
                         const char *body)
{
    const struct request *request = &http->request;
    bool said = !request->keep || request->version_1_0;
    char date[40];
    struct tm tm;
    time_t now = time(NULL);

    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
    int n = snprintf(
        http->text, sizeof http->text,
        "HTTP/1.1 %d %s\r\nDate: %s\r\nServer: mytcp-echo\r\nContent-Type: %s\r\n"
        "Content-Length: %llu\r\n%s%s%s\r\n%s",
        request->status, reason(request->status), date, type, (unsigned long long)length_bytes,
        request->status == 405 ? "Allow: GET, HEAD, PUT, POST\r\n" : "", said ? "Connection: " : "",
        said ? (request->keep ? "keep-alive\r\n" : "close\r\n") : "",
        request->method == METHOD_HEAD ? "" : body);
    http->len = (size_t)n;
    http->sent = 0;
}

static uint32_t answer(struct http *http)
{
    const struct request *request = &http->request;
    char body[PAGE_MAX];

    http->requests++;
    http->bytes_left = 0;
    http->phase = HTTP_NEXT;
    if (request->status != 200) {
        snprintf(body, sizeof body, "%d %s\n", request->status, reason(request->status));
    } else if (request->method == METHOD_PUT || request->method == METHOD_POST) {
        snprintf(body, sizeof body, "%llu bytes received\n", (unsigned long long)http->body.total);
    } else if (request->route == ROUTE_BYTES) {
        if (request->method == METHOD_GET)
            http->bytes_left = request->reply_bytes;
        http->conn.position = 0;
        http->phase = HTTP_BYTES;
        answer_write(http, request->reply_bytes, "application/octet-stream", "");
        return STEP_AGAIN;
    } else if (request->route == ROUTE_STATS) {
        stats_write(http, body, sizeof body);
    } else {
        page_write(http, body, sizeof body);
    }
    answer_write(http, strlen(body), "text/plain; charset=utf-8", body);
    return STEP_AGAIN;
}

static uint32_t send_bytes(struct http *http)
{
    for (size_t moved = 0; http->bytes_left > 0;) {
        ssize_t n = send_pattern(&http->conn, &http->conn.server->numbers, http->bytes_left);
        if (n < 0)
            return STEP_CLOSE;
        http->bytes_left -= (uint64_t)n;
        moved += (size_t)n;
        if (n == 0 || moved >= SERVE_BYTES)
            return http->bytes_left ? POLLOUT : STEP_AGAIN;
    }
    http->phase = HTTP_NEXT;
    return STEP_AGAIN;
}

static uint32_t take_body(struct http *http)
{
    for (size_t moved = 0; moved < SERVE_BYTES && http->body.state < BODY_DONE;) {
        struct iovec iov[SERVE_IOV];
        ssize_t have = mytcp_peek(http->conn.stack, http->conn.fd, iov, SERVE_IOV);
        if (have <= 0)
            return have < 0 && errno == EAGAIN ? POLLIN : STEP_CLOSE;
        size_t taken = 0, left = (size_t)have;
        for (int i = 0; i < SERVE_IOV && left > 0 && http->body.state < BODY_DONE; i++) {
            size_t len = iov[i].iov_len < left ? iov[i].iov_len : left;
            taken += body_take(&http->body, iov[i].iov_base, len);
            left -= len;
        }
        if (mytcp_consume(http->conn.stack, http->conn.fd, taken) < 0)
            return STEP_CLOSE;
        moved += taken;
    }
    if (http->body.state < BODY_DONE)
        return POLLIN;
    if (http->body.state == BODY_BAD) {
        http->request.status = 400;
        http->request.keep = false;
    }
    http->phase = HTTP_ANSWER;
    return STEP_AGAIN;
}

/* A head is whole at its first empty line. Lines may end in LF alone (RFC 9112 2.2). */
static bool head_ends(const struct http *http)
{
    const char *end = http->text + http->len;
    return (http->len >= 2 && end[-1] == '\n' && end[-2] == '\n') ||
           (http->len >= 3 && end[-1] == '\n' && end[-2] == '\r' && end[-3] == '\n');
}

/* Copy up to the head's end. Returns the bytes copied; *whole says whether it ended. */
static size_t head_take(struct http *http, const char *from, size_t len, bool *whole)
{
    size_t i = 0;
    while (i < len && !*whole && http->len < sizeof http->text) {
        char c = from[i++];
        if (http->len == 0 && (c == '\r' || c == '\n'))
            continue; /* empty lines before a request are ignored (RFC 9112 2.2) */
        http->text[http->len++] = c;
        *whole = head_ends(http);
    }
    return i;
}

static uint32_t head_done(struct http *http)
{
    struct request *request = &http->request;

    request_parse(request, http->text, http->len);
    body_start(&http->body, request);
    http->len = http->sent = 0;
    if (request->status != 200 && (request->unreadable || request->expect))
        request->keep = false; /* the body stays where it is */
    else if (http->body.state != BODY_DONE) {
        if (request->expect) {
            static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
            memcpy(http->text, go_on, http->len = sizeof go_on - 1);
        }
        http->phase = HTTP_BODY;
        return STEP_AGAIN;
    }
    http->phase = HTTP_ANSWER;
    return STEP_AGAIN;
}

static uint32_t read_head(struct http *http)
{
    bool whole = false;
    while (!whole && http->len < sizeof http->text) {
        struct iovec iov[1];
        ssize_t have = mytcp_peek(http->conn.stack, http->conn.fd, iov, 1);
        if (have <= 0)
            return have < 0 && errno == EAGAIN ? POLLIN : STEP_CLOSE;
        size_t taken = head_take(http, iov[0].iov_base, (size_t)have, &whole);
        if (mytcp_consume(http->conn.stack, http->conn.fd, taken) < 0)
            return STEP_CLOSE;
    }
    if (whole)
        return head_done(http);
    http->request = (struct request){.status = 431, .method = METHOD_OTHER};
    http->len = http->sent = 0;
    http->phase = HTTP_ANSWER;
    return STEP_AGAIN;
}

static uint32_t next_request(struct http *http)
{
    http->len = http->sent = 0;
    http->conn.position = 0;
    http->phase = http->request.keep ? HTTP_HEAD : HTTP_DRAIN;
    return STEP_AGAIN;
}

static uint32_t phase_step(struct http *http)
{
    switch (http->phase) {
    case HTTP_HEAD:
        return read_head(http);
    case HTTP_BODY:
        return take_body(http);
    case HTTP_ANSWER:
        return answer(http);
    case HTTP_BYTES:
        return send_bytes(http);
    case HTTP_NEXT:
        return next_request(http);
    default:
        return drain_step(&http->conn);
    }
}

uint32_t http_step(struct conn *conn)
{
    struct http *http = (struct http *)conn;
    for (int i = 0; i < STEPS_MAX; i++) {
        bool unsent = http->phase != HTTP_HEAD && http->sent < http->len;
        uint32_t next = unsent ? flush(http) : phase_step(http);
        if (next != STEP_AGAIN)
            return next;
    }
    return POLLIN | POLLOUT; /* let others have their turn */
}
