/* Where a request's body ends: by its length, or by its chunks (RFC 9112 7.1). */
#include "http.h"

enum { EXTRA_MAX = 8192 };

void body_start(struct body *body, const struct request *request)
{
    *body = (struct body){.state = BODY_DONE};
    if (request->chunked) {
        body->state = BODY_SIZE;
    } else if (request->body_bytes > 0) {
        body->state = BODY_COUNTED;
        body->left = request->body_bytes;
    }
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static enum body_state expect(uint8_t c, uint8_t wanted, enum body_state next)
{
    return c == wanted ? next : BODY_BAD;
}

static enum body_state size_byte(struct body *body, uint8_t c)
{
    int digit = hex_digit(c);
    if (digit >= 0) {
        if (++body->digits > 15) /* keeps sizes below 2^60 */
            return BODY_BAD;
        body->left = body->left << 4 | (unsigned)digit;
        return BODY_SIZE;
    }
    if (body->digits == 0)
        return BODY_BAD;
    if (c == '\r')
        return BODY_SIZE_LF;
    return c == ';' || c == ' ' || c == '\t' ? BODY_SIZE_EXT : BODY_BAD;
}

/* Text that means nothing to us, up to its CR. */
static enum body_state extra_byte(struct body *body, uint8_t c, enum body_state same,
                                  enum body_state end)
{
    if (c == '\r')
        return end;
    if (c == '\n' || ++body->extra > EXTRA_MAX)
        return BODY_BAD;
    return same;
}

static enum body_state framing_byte(struct body *body, uint8_t c)
{
    switch (body->state) {
    case BODY_SIZE:
        return size_byte(body, c);
    case BODY_SIZE_EXT:
        return extra_byte(body, c, BODY_SIZE_EXT, BODY_SIZE_LF);
    case BODY_SIZE_LF:
        return expect(c, '\n', body->left ? BODY_CHUNK : BODY_TRAILER);
    case BODY_CHUNK_CR:
        return expect(c, '\r', BODY_CHUNK_LF);
    case BODY_CHUNK_LF:
        body->digits = 0;
        return expect(c, '\n', BODY_SIZE);
    case BODY_TRAILER:
        return extra_byte(body, c, BODY_TRAILER_TEXT, BODY_LAST_LF);
    case BODY_TRAILER_TEXT:
        return extra_byte(body, c, BODY_TRAILER_TEXT, BODY_TRAILER_LF);
    case BODY_TRAILER_LF:
        return expect(c, '\n', BODY_TRAILER);
    case BODY_LAST_LF:
        return expect(c, '\n', BODY_DONE);
    default:
        return BODY_BAD;
    }
}

size_t body_take(struct body *body, const uint8_t *data, size_t len)
{
    size_t i = 0;
    while (i < len && body->state < BODY_DONE) {
        if (body->state != BODY_COUNTED && body->state != BODY_CHUNK) {
            body->state = framing_byte(body, data[i++]);
            continue;
        }
        size_t n = body->left < len - i ? (size_t)body->left : len - i;
        i += n;
        body->left -= n;
        body->total += n;
        if (body->left == 0)
            body->state = body->state == BODY_CHUNK ? BODY_CHUNK_CR : BODY_DONE;
    }
    return i;
}
