#include "join.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PREFIX "unix:"

bool join_is(const char *name)
{
    return !strncmp(name, PREFIX, strlen(PREFIX));
}

int join_open(const char *name)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const char *path = name + strlen(PREFIX);
    if (strlen(path) >= sizeof to.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(to.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof to) < 0) {
        int err = errno;
        (void)close(fd);
        errno = err;
        return -1;
    }
    return fd;
}
