/* All paths, and the table of their results that the project keeps, so that a change is seen. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "path.h"

static const double LEAST = 0.9; /* of what the model expects */

/* The next path of each process is the next that nobody has taken. */
struct counter {
    size_t next;
};

static bool is_chosen(const struct path *p, bool quick, const char *only)
{
    return only != NULL ? strcmp(only, p->name) == 0 : !quick || p->quick;
}

/* Fills results, by path, in so many processes. */
static void run_all(const struct path *paths, size_t count, const bool *chosen,
                    struct path_result *results, struct counter *counter, uint32_t jobs, bool trace)
{
    fflush(stdout);
    for (uint32_t i = 0; i < jobs; i++) {
        if (fork() != 0) {
            continue;
        }
        size_t at;
        while ((at = __atomic_fetch_add(&counter->next, 1, __ATOMIC_RELAXED)) < count) {
            if (chosen[at]) {
                path_run(&paths[at], &results[at], trace);
                fflush(stdout);
            }
        }
        _exit(0);
    }
    while (wait(NULL) > 0) {
    }
}

/* A line of the table, without its newline. */
static void line_of(const struct path *p, const struct path_result *r, char *line, size_t size)
{
    snprintf(line, size, "%.63s\t%llu\t%llu\t%llu", p->name, (unsigned long long)r->goodput_kbit,
             (unsigned long long)r->retransmitted, (unsigned long long)r->timeouts);
}

/* What the file says of this path; empty if nothing. */
static void recorded(FILE *file, const char *name, char *line, size_t size)
{
    size_t len = strlen(name);
    line[0] = '\0';
    if (file == NULL) {
        return;
    }
    rewind(file);
    while (fgets(line, (int)size, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, name, len) == 0 && line[len] == '\t') {
            return;
        }
    }
    line[0] = '\0';
}

/* One line of TAP. True if all is well; where packets are reordered, no less is expected (G113). */
static bool report(unsigned number, const struct path *p, const struct path_result *r,
                   const char *before)
{
    char now[160];
    double ratio = r->expected_kbit > 0 ? (double)r->goodput_kbit / r->expected_kbit : 0;
    line_of(p, r, now, sizeof(now));
    const char *why = !r->run                                      ? "it died"
                      : r->failure[0] != '\0'                      ? r->failure
                      : ratio < LEAST                              ? "too little"
                      : before != NULL && strcmp(now, before) != 0 ? "the table says otherwise"
                                                                   : NULL;
    printf("%sok %u - %s carries %.2f of %.2f expected Mbit/s (%.2fx), %llu segments again, %llu"
           " timeouts\n", why == NULL ? "" : "not ", number, p->name,
           (double)r->goodput_kbit / 1000, r->expected_kbit / 1000, ratio,
           (unsigned long long)r->retransmitted, (unsigned long long)r->timeouts);
    if (why != NULL) {
        printf("# %s%s%s\n", why, before != NULL ? ": " : "", before != NULL ? before : "");
    }
    return why == NULL;
}

static bool write_table(const char *name, const struct path *paths,
                        const struct path_result *results, size_t count)
{
    FILE *file = fopen(name, "w");
    char line[160];
    if (file == NULL) {
        return false;
    }
    fputs("path\tgoodput kbit/s\tsegments sent again\ttimeouts\n", file);
    for (size_t i = 0; i < count; i++) {
        line_of(&paths[i], &results[i], line, sizeof(line));
        fprintf(file, "%s\n", line);
    }
    return fclose(file) == 0;
}

int paths_main(const char *name, bool quick, bool update, uint32_t jobs, const char *only,
               bool trace)
{
    static struct path paths[PATHS_MAX];
    static bool chosen[PATHS_MAX];
    size_t count = path_list(paths), size = sizeof(struct path_result) * PATHS_MAX;
    char *shared = mmap(NULL, size + sizeof(struct counter), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct path_result *results = (void *)shared;
    unsigned number = 0, failed = 0;
    if (shared == MAP_FAILED) {
        return 2;
    }
    for (size_t i = 0; i < count; i++) {
        chosen[i] = update || is_chosen(&paths[i], quick, only);
    }
    run_all(paths, count, chosen, results, (struct counter *)(shared + size), jobs, trace);
    FILE *file = update || quick ? NULL : fopen(name, "r");
    for (size_t i = 0; i < count; i++) {
        char before[160];
        if (chosen[i]) {
            recorded(file, paths[i].name, before, sizeof(before));
            failed += !report(++number, &paths[i], &results[i], file != NULL ? before : NULL);
        }
    }
    if (file != NULL) {
        fclose(file);
    } else if (!update && !quick) {
        printf("# no table: %s\n", name);
    }
    printf("1..%u\n# %u paths failed\n", number, failed);
    return (update && !write_table(name, paths, results, count)) || failed != 0;
}
