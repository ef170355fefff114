/* script.c - scripts from files: definitions, scripts, and products of definitions. */
#include "differ/differ.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fatal(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(2);
}

/* As snprintf; what does not fit is an error of the script. */
static void put(char *to, size_t room, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (vsnprintf(to, room, format, args) >= (int)room) {
        fatal("too long: %s", to);
    }
    va_end(args);
}

/* ---- words ---- */

void words_split(struct words *w, const char *text)
{
    put(w->text, sizeof w->text, "%s", text);
    w->count = 0;
    for (char *at = strtok(w->text, " \t"); at != NULL; at = strtok(NULL, " \t")) {
        if (w->count == sizeof w->word / sizeof w->word[0]) {
            fatal("too many words: %s", text);
        }
        w->word[w->count++] = at;
    }
}

const char *words_after(const struct words *w, const char *key)
{
    for (unsigned i = 0; i + 1 < w->count; i++) {
        if (strcmp(w->word[i], key) == 0) {
            return w->word[i + 1];
        }
    }
    return NULL;
}

bool words_have(const struct words *w, const char *key)
{
    for (unsigned i = 0; i < w->count; i++) {
        if (strcmp(w->word[i], key) == 0) {
            return true;
        }
    }
    return false;
}

long words_number(const struct words *w, const char *key, long otherwise)
{
    const char *value = words_after(w, key);
    char *end;
    if (value == NULL) {
        return otherwise;
    }
    long number = strtol(value, &end, 0);
    if (*end != '\0') {
        fatal("not a number behind %s: %s", key, value);
    }
    return number;
}

/* ---- scripts ---- */

static void *grown(void *array, unsigned count, unsigned *room, size_t size)
{
    if (count < *room) {
        return array;
    }
    *room = *room * 2 + 8;
    array = realloc(array, *room * size);
    if (array == NULL) {
        fatal("no memory");
    }
    return array;
}

static struct script *new_script(struct script **list, unsigned *count, unsigned *room)
{
    *list = grown(*list, *count, room, sizeof **list);
    struct script *script = &(*list)[(*count)++];
    memset(script, 0, sizeof *script);
    return script;
}

struct script *scripts_new(struct scripts *s, const char *file, const char *name)
{
    struct script *script = new_script(&s->script, &s->count, &s->room);
    put(script->name, sizeof script->name, "%s/%s", file, name);
    return script;
}

/* The last one of that name. */
static const struct script *find_def(const struct scripts *s, const char *name)
{
    const struct script *last = NULL;
    for (unsigned i = 0; i < s->def_count; i++) {
        last = strcmp(s->def[i].name, name) == 0 ? &s->def[i] : last;
    }
    return last;
}

void scripts_add(struct scripts *s, struct script *script, const char *line)
{
    const struct script *def = find_def(s, line);
    if (def == script) {
        fatal("%s is defined by itself", line);
    }
    for (unsigned i = 0; def != NULL && i < def->count; i++) {
        scripts_add(s, script, def->step[i]);
    }
    if (def == NULL) {
        script->step = grown(script->step, script->count, &script->room, sizeof *script->step);
        put(script->step[script->count++], LINE_SIZE, "%s", line);
    }
}

static void add_def(struct scripts *s, struct script *script, const char *name)
{
    if (find_def(s, name) == NULL) {
        fatal("%s: nothing is defined as %s", script->name, name);
    }
    scripts_add(s, script, name);
}

/* Each state with each event, and `after`. */
static void multiply(struct scripts *s, const char *file, const struct words *states,
                     const struct words *events)
{
    for (unsigned i = 0; i < states->count; i++) {
        for (unsigned j = 1; j < events->count; j++) {
            char name[NAME_SIZE];
            put(name, sizeof name, "%s: %s", states->word[i], events->word[j]);
            struct script *script = scripts_new(s, file, name);
            add_def(s, script, states->word[i]);
            add_def(s, script, events->word[j]);
            add_def(s, script, "after");
        }
    }
}

/* Definitions are of one file. */
static void forget_defs(struct scripts *s)
{
    for (unsigned i = 0; i < s->def_count; i++) {
        free(s->def[i].step);
    }
    s->def_count = 0;
}

struct reading { /* of a file */
    struct scripts *scripts;
    char file[NAME_SIZE], states[WORDS_SIZE];
    bool states_done; /* they were multiplied: the next ones are others */
};

/* A line that begins in the first column; the script that the next lines belong to. */
static struct script *headline(struct reading *r, const char *line)
{
    struct scripts *s = r->scripts;
    struct words states, words;
    words_split(&words, line);
    if (strcmp(words.word[0], "def") == 0) {
        struct script *def = new_script(&s->def, &s->def_count, &s->def_room);
        put(def->name, sizeof def->name, "%s", line + 4);
        return def;
    }
    if (strcmp(words.word[0], "script") == 0) {
        return scripts_new(s, r->file, line + 7);
    }
    if (strcmp(words.word[0], "states") == 0) {
        size_t n = r->states_done ? 0 : strlen(r->states);
        put(r->states + n, sizeof r->states - n, "%s", line + 6);
        r->states_done = false;
    } else if (strcmp(words.word[0], "events") == 0) {
        words_split(&states, r->states);
        multiply(s, r->file, &states, &words);
        r->states_done = true;
    } else if (strcmp(words.word[0], "random") == 0) {
        words_split(&states, r->states);
        scripts_random(s, r->file, &states, (unsigned)words_number(&words, "random", 0));
    } else if (strcmp(words.word[0], "losses") == 0) {
        words_split(&states, r->states);
        scripts_losses(s, r->file, &states, (unsigned)words_number(&words, "losses", 0));
    } else {
        fatal("%s: what is '%s'?", r->file, line);
    }
    return NULL;
}

void scripts_load(struct scripts *s, const char *path)
{
    char text[WORDS_SIZE];
    struct reading r = {.scripts = s};
    struct script *open = NULL;
    const char *slash = strrchr(path, '/');
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        fatal("cannot read %s", path);
    }
    put(r.file, sizeof r.file, "%s", slash != NULL ? slash + 1 : path);
    r.file[strcspn(r.file, ".")] = '\0';
    forget_defs(s);
    while (fgets(text, sizeof text, f) != NULL) {
        text[strcspn(text, "#\n")] = '\0';
        for (size_t n = strlen(text); n > 0 && isspace((unsigned char)text[n - 1]); n--) {
            text[n - 1] = '\0';
        }
        if (text[0] != '\0' && text[0] != ' ') {
            open = headline(&r, text);
        } else if (text[0] != '\0' && open != NULL) {
            scripts_add(s, open, text + strspn(text, " "));
        }
    }
    fclose(f);
}

void scripts_free(struct scripts *s)
{
    for (unsigned i = 0; i < s->count; i++) {
        free(s->script[i].step);
    }
    forget_defs(s);
    free(s->script);
    free(s->def);
}
