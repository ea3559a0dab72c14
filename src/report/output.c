/* Buffered writing to a descriptor; a file is written beside its name and renamed when whole. */
#include "synfin/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FLUSH_OCTETS = 1 << 16 };

static const char *name_of(const struct sf_output *output)
{
    return output->path != NULL ? output->path : "standard output";
}

/* /dev/stdout leads to what is open, be it a file: beside such a link nothing can be made. */
static bool is_of_the_system(const char *path)
{
    struct stat st;
    bool is_there = strncmp(path, "/dev/", 5) == 0 || strncmp(path, "/proc/", 6) == 0;
    return is_there && lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

/* A name that is taken by something other than a file cannot be renamed onto. */
bool sf_output_is_in_place(const char *path)
{
    struct stat st;
    return is_of_the_system(path) || (stat(path, &st) == 0 && !S_ISREG(st.st_mode));
}

static int open_output(struct sf_output *output, const char *path, struct sf_error *err)
{
    if (path == NULL || strcmp(path, "-") == 0)
        return 0;
    output->path = strdup(path);
    if (output->path == NULL)
        return sf_fail(err, "out of memory");
    if (!output->is_log && !sf_output_is_in_place(path) &&
        asprintf(&output->part, "%s.part", path) < 0) {
        output->part = NULL;
        return sf_fail(err, "out of memory");
    }
    output->fd = open(output->part != NULL ? output->part : path,
                      O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY |
                          (output->is_log ? O_APPEND : 0), /* who cuts it need not tell us */
                      0666);
    if (output->fd >= 0)
        return 0;
    sf_fail(err, "%s: %s", path, strerror(errno));
    free(output->part);
    output->part = NULL;
    return -1;
}

int sf_output_open(struct sf_output *output, const char *path, bool line_flush,
                   struct sf_error *err)
{
    *output = (struct sf_output){.fd = STDOUT_FILENO, .line_flush = line_flush};
    return open_output(output, path, err);
}

int sf_output_open_log(struct sf_output *output, const char *path, bool line_flush,
                       struct sf_error *err)
{
    *output = (struct sf_output){.fd = STDOUT_FILENO, .line_flush = line_flush, .is_log = true};
    return open_output(output, path, err);
}

bool sf_output_was_moved(const struct sf_output *output)
{
    struct stat named, own;
    if (!output->is_log || output->path == NULL || fstat(output->fd, &own) != 0)
        return false;
    return stat(output->path, &named) != 0 || named.st_dev != own.st_dev ||
           named.st_ino != own.st_ino;
}

int sf_output_flush(struct sf_output *output, struct sf_error *err)
{
    const char *at = output->buffer.data;
    size_t left = output->gone ? 0 : output->buffer.len;
    while (left > 0) {
        ssize_t n = write(output->fd, at, left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EPIPE) {
            output->gone = true;
            break;
        }
        if (n < 0)
            return sf_fail(err, "%s: %s", name_of(output), strerror(errno));
        at += n;
        left -= (size_t)n;
        output->written += (uint64_t)n;
    }
    sf_buffer_clear(&output->buffer);
    return sf_buffer_check(&output->buffer, err);
}

int sf_output_line(struct sf_output *output, struct sf_error *err)
{
    if (!output->line_flush && output->buffer.len < FLUSH_OCTETS)
        return sf_buffer_check(&output->buffer, err);
    return sf_output_flush(output, err);
}

int sf_output_finish(struct sf_output *output, struct sf_error *err)
{
    if (sf_output_flush(output, err) != 0)
        return -1;
    if (output->path == NULL)
        return 0;
    int closed = close(output->fd);
    output->fd = -1;
    if (closed != 0)
        return sf_fail(err, "%s: %s", output->path, strerror(errno));
    if (output->part == NULL)
        return 0;
    if (rename(output->part, output->path) != 0)
        return sf_fail(err, "%s: %s", output->path, strerror(errno));
    free(output->part);
    output->part = NULL;
    return 0;
}

int sf_output_next(struct sf_output *output, const char *path, struct sf_error *err)
{
    struct sf_output next = {.fd = -1, .line_flush = output->line_flush, .is_log = output->is_log};
    if (output->path == NULL)
        return sf_output_flush(output, err);
    if (sf_output_finish(output, err) != 0 ||
        open_output(&next, path != NULL ? path : output->path, err) != 0) {
        sf_output_dispose(&next);
        return -1;
    }
    sf_output_dispose(output);
    *output = next;
    return 0;
}

void sf_output_dispose(struct sf_output *output)
{
    if (output->path != NULL && output->fd >= 0)
        close(output->fd);
    if (output->part != NULL)
        unlink(output->part);
    free(output->part);
    free(output->path);
    sf_buffer_dispose(&output->buffer);
    *output = (struct sf_output){.fd = -1};
}
