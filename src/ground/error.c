/* One sentence into a fixed buffer: nothing here can fail. */
#include "synfin/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int sf_fail(struct sf_error *err, const char *fmt, ...)
{
    if (err == NULL)
        return -1;
    va_list args;
    va_start(args, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    return -1;
}

int sf_fail_prefix(struct sf_error *err, const char *prefix)
{
    if (err == NULL)
        return -1;
    char old[sizeof err->text];
    memcpy(old, err->text, sizeof old);
    int used = snprintf(err->text, sizeof err->text, "%s: ", prefix);
    size_t at = used < 0 ? 0 : (size_t)used;
    if (at < sizeof err->text - 1) {
        size_t room = sizeof err->text - 1 - at;
        size_t len = strnlen(old, room);
        memcpy(err->text + at, old, len);
        err->text[at + len] = '\0';
    }
    return -1;
}
