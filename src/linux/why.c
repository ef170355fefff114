#include "linux/why.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int why_fail(const struct why *why, int err, const char *format, ...)
{
    if (why->size_bytes > 0) {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(why->text, why->size_bytes, format, args);
        va_end(args);
    }
    errno = err;
    return -1;
}
