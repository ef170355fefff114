/* main.c - differ DEVICE DECISIONS [--set NAME=VALUE]... [--show PATTERN] FILE... */
#include "differ/differ.h"

#include <arpa/inet.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct wish {
    struct mytcp_config config; /* of libmytcp's side */
    struct scripts scripts;
    const char *show; /* print the traces of these scripts */
};

static void set(struct mytcp_config *config, char *setting)
{
    char *value = strchr(setting, '=');
    if (value == NULL) {
        fatal("--set NAME=VALUE");
    }
    *value++ = '\0';
    if (mytcp_config_set(config, setting, value) != 0) {
        fatal("no such setting: %s=%s", setting, value);
    }
}

static void take_words(struct wish *w, char **argv)
{
    for (; *argv != NULL; argv++) {
        if (strncmp(*argv, "--", 2) != 0) {
            scripts_load(&w->scripts, *argv);
        } else if (argv[1] == NULL) {
            fatal("%s what?", *argv);
        } else if (strcmp(*argv, "--set") == 0) {
            set(&w->config, *++argv);
        } else if (strcmp(*argv, "--show") == 0) {
            w->show = *++argv;
        } else {
            fatal("what is %s?", *argv);
        }
    }
    if (w->scripts.count == 0) {
        fatal("no scripts");
    }
}

/* The same addresses and ports as on the kernel's side. */
static void play_ours(struct play *ours, const struct play *kernel, const struct script *script,
                      const struct mytcp_config *config)
{
    ours->self = kernel->self;
    ours->peer = kernel->peer;
    ours->self_port = kernel->self_port;
    ours->peer_port = kernel->peer_port;
    ours_play(ours, script, config);
}

int main(int argc, char **argv)
{
    struct wish w = {.show = NULL};
    mytcp_config_init(&w.config);
    w.config.prefix_len = 16;
    if (argc < 4) {
        fatal("differ DEVICE DECISIONS [--set NAME=VALUE] [--show PATTERN] FILE...");
    }
    take_words(&w, argv + 3);
    struct play *plays = calloc(2 * w.scripts.count, sizeof *plays);
    struct play *ours = plays + w.scripts.count;
    if (plays == NULL) {
        fatal("no memory");
    }
    unsigned again;
    if (!kernel_play(plays, &w.scripts, argv[1], &again)) {
        printf("the machine is too busy: %u plays came late, and there is no end of it\n", again);
        return 77; /* as tests/live skips */
    }
    for (unsigned i = 0; i < w.scripts.count; i++) {
        play_ours(&ours[i], &plays[i], &w.scripts.script[i], &w.config);
        if (w.show != NULL && fnmatch(w.show, w.scripts.script[i].name, 0) == 0) {
            trace_print(&plays[i], "Linux");
            trace_print(&ours[i], "libmytcp");
        }
    }
    struct verdict v = judge(&w.scripts, plays, ours, argv[2]);
    printf("# %u scripts: %u the same, %u differ by decision, %u differ (%u plays were late)\n",
           v.scripts, v.same, v.decided, v.wrong, again);
    for (unsigned i = 0; i < 2 * w.scripts.count; i++) {
        free(plays[i].trace.line);
    }
    free(plays);
    scripts_free(&w.scripts);
    return v.wrong != 0;
}
