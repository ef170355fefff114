/* The places where a source can be broken, and how.
 *
 *     mutants [--seed N] FILE...                  a line a mutation, in an order that the seed
 * draws: FILE LINE OFFSET LENGTH OPERATOR REPLACEMENT, with tabs between mutants --apply FILE
 * OFFSET LENGTH TEXT     the file with it, on standard output */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mutate/scan.h"

static struct {
    struct {
        uint64_t draw;
        char *line;
    } * all;
    size_t count, room;
    uint64_t state; /* of the random numbers */
} found;

static uint64_t draw(void) /* SplitMix64 */
{
    uint64_t z = found.state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* ---- what a mutation is ---- */

/* Bytes FROM to END become TEXT. */
static void replace(const struct source *s, size_t first, size_t from, size_t end,
                    const char *operator, const char * text)
{
    char line[1000];
    snprintf(line, sizeof(line), "%s\t%u\t%zu\t%zu\t%s\t%s", s->name, s->token[first].line, from,
             end - from, operator, text);
    if (found.count == found.room) {
        found.room = found.room ? 2 * found.room : 1024;
        found.all = realloc(found.all, found.room * sizeof(found.all[0]));
    }
    found.all[found.count].draw = draw();
    found.all[found.count++].line = strdup(line);
}

/* Tokens FIRST to LAST become BEFORE, what they are if KEEP, and AFTER. */
static void change(const struct source *s, size_t first, size_t last, const char *operator,
                   const char * before, bool keep, const char *after)
{
    size_t from = s->token[first].at, end = s->token[last].at + s->token[last].len;
    char text[600];
    if (first > last || end - from > 400) return;
    snprintf(text, sizeof(text), "%s%.*s%s", before, keep ? (int)(end - from) : 0, s->text + from,
             after);
    for (char *c = text; *c; c++) /* what went over several lines goes over them no more */
        if (*c == '\n' || *c == '\t') *c = ' ';
    if (!keep || !strstr(text, "/*")) replace(s, first, from, end, operator, text);
}

static void swap(const struct source *s, size_t i, const char *operator, const char * text)
{
    change(s, i, i, operator, text, false, "");
}

/* ---- operators ---- */

static bool is_any(const struct source *s, size_t i, const char *const *words)
{
    while (*words && !is(s, i, *words))
        words++;
    return *words;
}

/* Does token I end a value, so that a sign after it is binary? */
static bool ends_value(const struct source *s, size_t i)
{
    static const char *const words[] = {"return", "case", "sizeof", "else", "do", NULL};
    if (is(s, i, ")") || is(s, i, "]")) return true;
    return (s->token[i].kind == NAME || s->token[i].kind == NUMBER) && !is_any(s, i, words);
}

static const struct {
    const char *from, *to[2], *operator;
    bool binary; /* the sign is another thing where no value stands before it */
} swaps[] = {
    {"<", {"<=", ">="}, "relation", false},
    {">", {">=", "<="}, "relation", false},
    {"<=", {"<", ">"}, "relation", false},
    {">=", {">", "<"}, "relation", false},
    {"==", {"!="}, "relation", false},
    {"!=", {"=="}, "relation", false},
    {"&&", {"||"}, "logic", false},
    {"||", {"&&"}, "logic", false},
    {"+", {"-"}, "arithmetic", true},
    {"-", {"+"}, "arithmetic", true},
    {"*", {"/"}, "arithmetic", true},
    {"/", {"*"}, "arithmetic", true},
    {"<<", {">>"}, "bits", false},
    {">>", {"<<"}, "bits", false},
    {"&", {"|"}, "bits", true},
    {"|", {"&"}, "bits", true},
    {"+=", {"-=", "="}, "assignment", false},
    {"-=", {"+="}, "assignment", false},
    {"|=", {"&=", "="}, "assignment", false},
    {"&=", {"|="}, "assignment", false},
    {"++", {"--"}, "arithmetic", false},
    {"--", {"++"}, "arithmetic", false},
    {"true", {"false"}, "constant", false},
    {"false", {"true"}, "constant", false},
    {"min_u32", {"max_u32"}, "min and max", false},
    {"max_u32", {"min_u32"}, "min and max", false},
    {"min_u64", {"max_u64"}, "min and max", false},
    {"max_u64", {"min_u64"}, "min and max", false},
    {"seq_max", {"seq_min"}, "min and max", false},
    {"seq_min", {"seq_max"}, "min and max", false},
    {"seq_lt", {"seq_leq", "seq_geq"}, "relation", false},
    {"seq_leq", {"seq_lt", "seq_gt"}, "relation", false},
    {"seq_gt", {"seq_geq", "seq_leq"}, "relation", false},
    {"seq_geq", {"seq_gt", "seq_lt"}, "relation", false},
    {"seq_add", {"seq_sub"}, "arithmetic", false},
    {"seq_sub", {"seq_add"}, "arithmetic", false},
    {"snd_una", {"snd_nxt"}, "other name", false},
    {"snd_nxt", {"snd_una", "snd_max"}, "other name", false},
    {"snd_max", {"snd_nxt"}, "other name", false},
    {"rcv_adv", {"rcv_nxt"}, "other name", false},
    {"cwnd", {"ssthresh"}, "other name", false},
    {"ssthresh", {"cwnd"}, "other name", false},
};

static void swap_words(const struct source *s, size_t i)
{
    for (size_t k = 0; k < sizeof(swaps) / sizeof(swaps[0]); k++) {
        if (!is(s, i, swaps[k].from) || (swaps[k].binary && !ends_value(s, i - 1))) continue;
        for (size_t n = 0; n < 2 && swaps[k].to[n]; n++)
            swap(s, i, swaps[k].operator, swaps[k].to[n]);
    }
}

/* One more, one less. */
static void off_by_one(const struct source *s, size_t i)
{
    if (s->token[i].kind != NUMBER) return;
    bool zero = s->token[i].len == 1 && s->text[s->token[i].at] == '0';
    change(s, i, i, "constant", "(", true, " + 1)");
    if (!zero) change(s, i, i, "constant", "(", true, " - 1)");
}

/* Where the operand of && or || or ?: ends that begins beside I, going forward or backward. */
static size_t operand_end(const struct source *s, size_t i, bool forward)
{
    static const char *const borders[] = {"&&",     "||", "?", ":",  ",",  ";", "=",
                                          "return", "{",  "}", "+=", "|=", NULL};
    size_t around = s->token[i].around, last = i;
    for (i = forward ? i + 1 : i - 1;; i = forward ? i + 1 : i - 1) {
        if (i == around || (around < s->tokens && i == s->token[around].mate) ||
            is_any(s, i, borders))
            return last;
        if (s->token[i].mate && s->token[i].around == around) i = s->token[i].mate;
        last = i;
    }
}

static void drop_operands(const struct source *s, size_t i)
{
    bool and = is(s, i, "&&");
    if (and || is(s, i, "||")) {
        change(s, operand_end(s, i, false), i - 1, "condition", and? "true" : "false", false, "");
        change(s, i + 1, operand_end(s, i, true), "condition", and? "true" : "false", false, "");
    }
    if (is(s, i, "?")) change(s, operand_end(s, i, false), i - 1, "negation", "!(", true, ")");
    if (is(s, i, "!") && !ends_value(s, i - 1)) swap(s, i, "negation", "");
}

static void conditions(const struct source *s, size_t i)
{
    bool branch = is(s, i, "if");
    if ((!branch && !is(s, i, "while")) || !is(s, i + 1, "(")) return;
    size_t first = i + 2, last = s->token[i + 1].mate - 1;
    change(s, first, last, "negation", "!(", true, ")");
    if (branch) change(s, first, last, "condition", "false", false, "");
    if (branch) change(s, first, last, "condition", "true", false, "");
}

/* A name in capitals, joined to others by |. */
static void drop_flags(const struct source *s, size_t i)
{
    const struct token *t = &s->token[i];
    if (t->kind != NAME || t->len < 2) return;
    for (size_t k = 0; k < t->len; k++)
        if (islower((unsigned char)s->text[t->at + k])) return;
    if (is(s, i - 1, "|")) change(s, i - 1, i, "flag", "", false, "");
    else if (is(s, i + 1, "|")) change(s, i, i + 1, "flag", "", false, "");
}

static void statements(const struct source *s, size_t i)
{
    static const char *const kept[] = {"if",     "for",      "while",   "switch", "do",     "else",
                                       "case",   "default",  "struct",  "const",  "static", "enum",
                                       "union",  "goto",     "char",    "bool",   "int",    "void",
                                       "size_t", "unsigned", "uint8_t", "seq_t",  NULL};
    size_t end = i;
    if (!s->token[i].starts || is_any(s, i, kept) || (s->token[i].kind != NAME && !is(s, i, "(")))
        return;
    while (!is(s, end, ";"))
        end = s->token[end].mate > end ? s->token[end].mate : end + 1;
    if (is(s, i, "return") && end > i + 1) {
        change(s, i + 1, end - 1, "result", "0", false, "");
        change(s, i + 1, end - 1, "result", "1", false, "");
        change(s, i + 1, end - 1, "result", "!(", true, ")");
    } else if (end == i + 1 || s->token[i + 1].kind != NAME) {
        change(s, i, end - 1, "statement", "", false, "");
    }
}

static void mutations_of(const char *name)
{
    struct source s;
    scan(&s, name);
    for (size_t i = 1; i < s.tokens; i++) {
        if (!s.token[i].code) continue;
        swap_words(&s, i);
        off_by_one(&s, i);
        drop_operands(&s, i);
        conditions(&s, i);
        drop_flags(&s, i);
        statements(&s, i);
    }
    scan_free(&s);
}

/* ---- what is asked ---- */

static int by_draw(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Lines stay where they are: what was removed leaves its ends of lines. */
static void apply(char **argument)
{
    struct source s;
    scan(&s, argument[0]);
    size_t from = strtoul(argument[1], NULL, 10), end = from + strtoul(argument[2], NULL, 10);
    fwrite(s.text, 1, from, stdout);
    fputs(argument[3], stdout);
    for (size_t i = from; i < end; i++)
        if (s.text[i] == '\n') putchar('\n');
    fwrite(s.text + end, 1, s.len - end, stdout);
    scan_free(&s);
}

int main(int argc, char **argv)
{
    int i = 1;
    if (argc == 6 && strcmp(argv[1], "--apply") == 0) {
        apply(argv + 2);
        return 0;
    }
    if (argc > 2 && strcmp(argv[1], "--seed") == 0) {
        found.state = strtoull(argv[2], NULL, 10);
        i = 3;
    }
    for (; i < argc; i++)
        mutations_of(argv[i]);
    if (found.count) qsort(found.all, found.count, sizeof(found.all[0]), by_draw);
    for (size_t k = 0; k < found.count; k++) {
        puts(found.all[k].line);
        free(found.all[k].line);
    }
    free(found.all);
    return 0;
}
