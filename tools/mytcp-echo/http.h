/* A small HTTP/1.1 server (RFC 9110, 9112). http.c is the conversation, request.c and body.c the
 * parsing, page.c and stats.c the pages. */
#ifndef ECHO_HTTP_H
#define ECHO_HTTP_H

#include "server.h"

enum { HTTP_HEAD_MAX = 8192 };

enum method { METHOD_GET, METHOD_HEAD, METHOD_PUT, METHOD_POST, METHOD_OTHER };
enum route { ROUTE_PAGE, ROUTE_STATS, ROUTE_BYTES, ROUTE_NONE };

struct request {
    int status;      /* 200, or what is wrong with it */
    bool unreadable; /* where it ends is unknown: answer, then close */
    bool version_1_0;
    bool keep;   /* the connection stays open after the answer */
    bool expect; /* 100-continue */
    bool chunked;
    bool has_length;
    bool has_host;
    enum method method;
    enum route route;
    uint64_t body_bytes;  /* with has_length */
    uint64_t reply_bytes; /* ROUTE_BYTES */
};

/* Parse a whole head, up to and with its empty line. The text is written over. */
void request_parse(struct request *request, char *head, size_t len);

enum body_state {
    BODY_COUNTED, /* `left` bytes to come */
    BODY_SIZE,    /* of a chunk: digits */
    BODY_SIZE_EXT,
    BODY_SIZE_LF,
    BODY_CHUNK, /* `left` bytes of a chunk to come */
    BODY_CHUNK_CR,
    BODY_CHUNK_LF,
    BODY_TRAILER, /* at the start of a trailer's line */
    BODY_TRAILER_TEXT,
    BODY_TRAILER_LF,
    BODY_LAST_LF,
    BODY_DONE,
    BODY_BAD
};

struct body {
    enum body_state state;
    uint64_t left, total;
    unsigned digits; /* of the chunk's size */
    unsigned extra;  /* bytes of chunk extensions and trailers: limited */
};

void body_start(struct body *body, const struct request *request);
/* Take what belongs to the body from the front of data. Returns how many bytes that is. */
size_t body_take(struct body *body, const uint8_t *data, size_t len);

struct http {
    struct conn conn;
    enum { HTTP_HEAD, HTTP_BODY, HTTP_ANSWER, HTTP_BYTES, HTTP_NEXT, HTTP_DRAIN } phase;
    struct request request;
    struct body body;
    uint64_t bytes_left; /* of ROUTE_BYTES */
    uint64_t requests;
    size_t len, sent; /* of text: the head so far, or the answer */
    char text[HTTP_HEAD_MAX];
};

uint32_t http_step(struct conn *conn);

/* The page at "/": this connection. Returns its length. */
size_t page_write(const struct http *http, char *to, size_t size);
/* The page at "/stats": the stack. Likewise; cut off where it does not fit. */
size_t stats_write(const struct http *http, char *to, size_t size);

#endif
