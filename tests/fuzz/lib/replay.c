/* A fuzz target without libFuzzer: run it over the files and folders given, one input after the
 * other. Speaks TAP; an input that fails ends the program, and its name is the last line. */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz/lib/fuzz.h"

enum { INPUT_MAX = 1 << 20, PATH_LEN = 4096 };

static unsigned inputs;

static void replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    CHECK(file, "cannot open %s", path);
    uint8_t *all = malloc(INPUT_MAX);
    CHECK(all, "no memory");
    size_t len = fread(all, 1, INPUT_MAX, file);
    fclose(file);
    uint8_t *exact = malloc(len + !len); /* a block of the exact size, as libFuzzer has it */
    CHECK(exact, "no memory");
    memcpy(exact, all, len);
    free(all);
    printf("# %s\n", path);
    fflush(stdout);
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    inputs++;
}

static void replay(const char *path);

static void replay_folder(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    CHECK(count >= 0, "cannot read %s", path);
    for (int i = 0; i < count; i++) {
        char name[PATH_LEN];
        snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.')
            replay(name);
        free(entries[i]);
    }
    free(entries);
}

static void replay(const char *path)
{
    struct stat status;
    CHECK(stat(path, &status) == 0, "there is no %s", path);
    if (S_ISDIR(status.st_mode))
        replay_folder(path);
    else
        replay_file(path);
}

int main(int argc, char **argv)
{
    printf("1..1\n");
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    printf("%s 1 - %u inputs replayed\n", inputs ? "ok" : "not ok", inputs);
    return inputs ? 0 : 1;
}
