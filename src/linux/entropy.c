#include "linux/entropy.h"

#include <errno.h>
#include <stdint.h>
#include <sys/random.h>

int entropy_fill(void *bytes, size_t len_bytes)
{
    uint8_t *next = bytes;
    while (len_bytes > 0) {
        ssize_t got = getrandom(next, len_bytes, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            errno = got == 0 ? EIO : errno;
            return -1;
        }
        next += got;
        len_bytes -= (size_t)got;
    }
    return 0;
}
