/* C as the mutation tool sees it: a file's tokens outside of comments and the preprocessor, and
 * which of them are code that runs. */
#ifndef MUTATE_SCAN_H
#define MUTATE_SCAN_H

#include <stdbool.h>
#include <stddef.h>

enum token_kind { NAME, NUMBER, TEXT, PUNCTUATOR };

struct token {
    enum token_kind kind;
    size_t at, len; /* in the file */
    unsigned line;
    size_t mate;   /* of a bracket: the other one */
    size_t around; /* the bracket that it stands in; itself outside of all */
    bool code;     /* in a function's body, and not of an assertion */
    bool starts;   /* a statement */
};

struct source {
    const char *name;
    char *text;
    size_t len;
    struct token *token;
    size_t tokens;
};

/* Reads and divides a file; what cannot be read ends the program. */
void scan(struct source *s, const char *name);
void scan_free(struct source *s);

/* Is token I this word or sign? */
bool is(const struct source *s, size_t i, const char *text);

#endif
