/* A request's head (RFC 9112 2 to 6). Strict where leniency lets two readers disagree on where a
 * message ends: bare CR, folded lines, space before the colon, both lengths at once. */
#include <string.h>
#include <strings.h>

#include "http.h"

#define BYTES_PATH "/bytes/"
#define BYTES_MAX (UINT64_C(1) << 63)

static void refuse(struct request *request, int status)
{
    if (request->status != 200)
        return;
    request->status = status;
    request->unreadable = status != 404 && status != 405;
}

static bool is_token(const char *text)
{
    static const char allowed[] = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz";
    return *text && text[strspn(text, allowed)] == '\0';
}

/* Decimal digits and nothing else, at most `max`. */
static bool parse_number(const char *text, uint64_t max, uint64_t *out)
{
    uint64_t n = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        unsigned digit = (unsigned)(*text - '0');
        if (n > (max - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *out = n;
    return true;
}

static void parse_version(struct request *request, const char *text)
{
    if (strncmp(text, "HTTP/", 5) || text[5] < '0' || text[5] > '9' || text[6] != '.' ||
        text[7] < '0' || text[7] > '9' || text[8])
        refuse(request, 400);
    else if (text[5] != '1')
        refuse(request, 505);
    request->version_1_0 = !strcmp(text, "HTTP/1.0");
    request->keep = !request->version_1_0;
}

/* The path alone: of "http://host/path?query" too (RFC 9112 3.2.2). */
static char *target_path(char *target)
{
    if (!strncasecmp(target, "http://", 7)) {
        char *slash = strchr(target + 7, '/');
        if (!slash)
            return NULL;
        target = slash;
    }
    target[strcspn(target, "?#")] = '\0';
    return target;
}

static void parse_target(struct request *request, char *target)
{
    char *path = target_path(target);
    request->route = ROUTE_NONE;
    if (!path)
        request->route = ROUTE_PAGE; /* "http://host" */
    else if (!strcmp(path, "/"))
        request->route = ROUTE_PAGE;
    else if (!strcmp(path, "/stats"))
        request->route = ROUTE_STATS;
    else if (!strncmp(path, BYTES_PATH, strlen(BYTES_PATH)) &&
             parse_number(path + strlen(BYTES_PATH), BYTES_MAX, &request->reply_bytes))
        request->route = ROUTE_BYTES;
}

static void parse_method(struct request *request, const char *method)
{
    static const char *const names[] = {"GET", "HEAD", "PUT", "POST"};
    request->method = METHOD_GET;
    while (request->method < METHOD_OTHER && strcmp(method, names[request->method]))
        request->method++;
    if (!is_token(method))
        refuse(request, 400);
}

static void parse_request_line(struct request *request, char *line)
{
    char *target = strchr(line, ' ');
    char *version = target ? strchr(target + 1, ' ') : NULL;
    if (!version || version == target + 1) {
        refuse(request, 400);
        return;
    }
    *target++ = '\0';
    *version++ = '\0';
    parse_version(request, version);
    parse_method(request, line);
    parse_target(request, target);
}

/* Is `token` one of a comma-separated list? */
static bool lists(const char *list, const char *token)
{
    size_t len = strlen(token);
    while (*list) {
        list += strspn(list, ", \t");
        size_t n = strcspn(list, ", \t");
        if (n == len && !strncasecmp(list, token, n))
            return true;
        list += n;
    }
    return false;
}

static void take_field(struct request *request, const char *name, const char *value)
{
    if (!strcasecmp(name, "Content-Length")) {
        if (request->has_length || !parse_number(value, BYTES_MAX, &request->body_bytes))
            refuse(request, 400);
        request->has_length = true;
    } else if (!strcasecmp(name, "Transfer-Encoding")) {
        if (request->chunked)
            refuse(request, 400);
        if (strcasecmp(value, "chunked"))
            refuse(request, 501);
        request->chunked = true;
    } else if (!strcasecmp(name, "Host")) {
        if (request->has_host)
            refuse(request, 400);
        request->has_host = true;
    } else if (!strcasecmp(name, "Connection")) {
        if (lists(value, "close"))
            request->keep = false;
        else if (request->version_1_0 && lists(value, "keep-alive"))
            request->keep = true;
    } else if (!strcasecmp(name, "Expect") && !request->version_1_0) {
        request->expect = true;
        if (strcasecmp(value, "100-continue"))
            refuse(request, 417);
    }
}

static void parse_field(struct request *request, char *line)
{
    char *colon = strchr(line, ':');
    if (!colon) {
        refuse(request, 400);
        return;
    }
    *colon = '\0';
    char *value = colon + 1 + strspn(colon + 1, " \t");
    size_t len = strlen(value);
    while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
        value[--len] = '\0';
    if (is_token(line))
        take_field(request, line, value);
    else
        refuse(request, 400);
}

/* Cut the next line off. Returns the one after it, or NULL at the end or where control characters
 * make the head unreadable. */
static char *cut_line(struct request *request, char *line, const char *end)
{
    char *newline = memchr(line, '\n', (size_t)(end - line));
    if (!newline)
        return NULL;
    char *last = newline > line && newline[-1] == '\r' ? newline - 1 : newline;
    for (const char *c = line; c < last; c++)
        if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f) {
            refuse(request, 400);
            return NULL;
        }
    *last = '\0';
    return newline + 1;
}

void request_parse(struct request *request, char *head, size_t len)
{
    const char *end = head + len;
    char *line = head;
    char *next;

    *request = (struct request){.status = 200, .method = METHOD_OTHER};
    if ((next = cut_line(request, line, end)) != NULL)
        parse_request_line(request, line);
    while (next && request->status == 200 && (next = cut_line(request, line = next, end)) != NULL &&
           *line)
        parse_field(request, line);
    if (request->status != 200)
        return;

    if (!request->has_host && !request->version_1_0)
        refuse(request, 400);
    if (request->chunked && (request->has_length || request->version_1_0))
        refuse(request, 400);
    if (request->method == METHOD_OTHER)
        refuse(request, 405);
    else if (request->method <= METHOD_HEAD && request->route == ROUTE_NONE)
        refuse(request, 404);
}
