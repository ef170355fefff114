#include "mutate/scan.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool is(const struct source *s, size_t i, const char *text)
{
    return i < s->tokens && strlen(text) == s->token[i].len &&
           memcmp(s->text + s->token[i].at, text, s->token[i].len) == 0;
}

static void read_all(struct source *s)
{
    FILE *f = fopen(s->name, "r");
    long len = -1;
    if (f && fseek(f, 0, SEEK_END) == 0) len = ftell(f);
    if (len >= 0) s->text = calloc(1, (size_t)len + 1);
    if (!s->text || fseek(f, 0, SEEK_SET) != 0 ||
        fread(s->text, 1, (size_t)len, f) != (size_t)len) {
        perror(s->name);
        exit(2);
    }
    s->len = (size_t)len;
    fclose(f);
}

/* ---- tokens ---- */

static size_t past_comment(const char *t, size_t at)
{
    const char *end = strstr(t + at + 2, "*/");
    return end ? (size_t)(end - t) + 2 : strlen(t);
}

/* A directive goes to the end of its line, or of the line that its last backslash continues. */
static size_t past_directive(const char *t, size_t at)
{
    while (t[at] && t[at] != '\n') {
        if (t[at] == '/' && t[at + 1] == '*') at = past_comment(t, at);
        else at += t[at] == '\\' && t[at + 1] ? 2 : 1;
    }
    return at;
}

static size_t past_quoted(const char *t, size_t at)
{
    char quote = t[at++];
    while (t[at] && t[at] != quote)
        at += t[at] == '\\' ? 2 : 1;
    return at + 1;
}

static size_t sign_len(const char *t)
{
    static const char *const signs[] = {"<<=", ">>=", "...", "->", "++", "--", "<<", ">>",
                                        "<=",  ">=",  "==",  "!=", "&&", "||", "+=", "-=",
                                        "*=",  "/=",  "%=",  "&=", "|=", "^="};
    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
        if (strncmp(t, signs[i], strlen(signs[i])) == 0) return strlen(signs[i]);
    return 1;
}

static struct token next(const char *t, size_t at)
{
    struct token token = {.kind = PUNCTUATOR, .at = at};
    size_t end = at;
    if (t[at] == '"' || t[at] == '\'') {
        token.kind = TEXT;
        end = past_quoted(t, at);
    } else if (isalnum((unsigned char)t[at]) || t[at] == '_') {
        token.kind = isdigit((unsigned char)t[at]) ? NUMBER : NAME;
        while (isalnum((unsigned char)t[end]) || t[end] == '_' ||
               (token.kind == NUMBER && t[end] == '.'))
            end++;
    } else {
        end += sign_len(t + at);
    }
    token.len = end - at;
    return token;
}

static void divide(struct source *s)
{
    const char *t = s->text;
    unsigned line = 1;
    bool fresh = true; /* nothing but blanks on this line so far */
    for (size_t at = 0, from = 0; at < s->len; from = at) {
        if (t[at] == '/' && t[at + 1] == '*') {
            at = past_comment(t, at);
        } else if (t[at] == '#' && fresh) {
            at = past_directive(t, at);
        } else if (isspace((unsigned char)t[at])) {
            fresh = fresh || t[at] == '\n';
            at++;
        } else {
            s->token[s->tokens] = next(t, at);
            s->token[s->tokens].line = line;
            at += s->token[s->tokens++].len;
            fresh = false;
        }
        for (; from < at && from < s->len; from++)
            line += t[from] == '\n';
    }
}

/* ---- what is code ---- */

static void pair_brackets(struct source *s)
{
    size_t *open = calloc(s->tokens + 1, sizeof(*open)), depth = 0;
    for (size_t i = 0; i < s->tokens; i++) {
        s->token[i].around = depth ? open[depth - 1] : i;
        if (is(s, i, "(") || is(s, i, "[") || is(s, i, "{")) {
            open[depth++] = i;
        } else if (depth && (is(s, i, ")") || is(s, i, "]") || is(s, i, "}"))) {
            s->token[i].mate = open[--depth];
            s->token[i].around = s->token[open[depth]].around;
            s->token[open[depth]].mate = i;
        }
    }
    free(open);
}

/* The name of the function whose body's brace is at I, or 0. */
static size_t function_name(const struct source *s, size_t i)
{
    return i > 2 && is(s, i - 1, ")") ? s->token[i - 1].mate - 1 : 0;
}

/* Invariants as code are the tests' oracles: mutated, they say less, and no behaviour changes. */
static bool is_oracle(const struct source *s, size_t name)
{
    const char *first = s->text + s->token[name].at, *end = first + s->token[name].len;
    bool check = strncmp(first, "check_", 6) == 0 || strncmp(end - 6, "_check", 6) == 0;
    return check && is(s, name - 1, "*") && is(s, name - 2, "char");
}

static bool is_assertion(const struct source *s, size_t i)
{
    return is(s, i, "assert") || is(s, i, "_Static_assert");
}

static bool starts_statement(const struct source *s, size_t i)
{
    if (!is(s, s->token[i].around, "{")) return false;
    if (is(s, i - 1, ")")) {
        size_t word = s->token[i - 1].mate - 1;
        return is(s, word, "if") || is(s, word, "for") || is(s, word, "while") ||
               is(s, word, "switch");
    }
    return is(s, i - 1, ";") || is(s, i - 1, "{") || is(s, i - 1, "}") || is(s, i - 1, "else") ||
           is(s, i - 1, "do");
}

static void find_code(struct source *s)
{
    for (size_t i = 0; i < s->tokens; i++) {
        if (!is(s, i, "{")) continue;
        size_t name = function_name(s, i), end = s->token[i].mate;
        bool oracle = name && is_oracle(s, name);
        for (size_t k = i + 1; name && !oracle && k < end; k++) {
            struct token *t = &s->token[k];
            if (is_assertion(s, k) && is(s, k + 1, "(")) k = s->token[k + 1].mate;
            else t->code = true;
            t->starts = t->code && starts_statement(s, k);
        }
        if (end > i) i = end;
    }
}

void scan(struct source *s, const char *name)
{
    *s = (struct source){.name = name};
    read_all(s);
    s->token = calloc(s->len + 1, sizeof(*s->token));
    divide(s);
    pair_brackets(s);
    find_code(s);
}

void scan_free(struct source *s)
{
    free(s->text);
    free(s->token);
}
