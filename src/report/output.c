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

/* A name that is taken by something other than a file cannot be renamed onto. */
static bool is_in_place(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

int sf_output_open(struct sf_output *output, const char *path, bool line_flush,
                   struct sf_error *err)
{
    *output = (struct sf_output){.fd = STDOUT_FILENO, .line_flush = line_flush};
    if (path == NULL || strcmp(path, "-") == 0)
        return 0;
    output->path = strdup(path);
    if (output->path == NULL)
        return sf_fail(err, "out of memory");
    if (!is_in_place(path) && asprintf(&output->part, "%s.part", path) < 0) {
        output->part = NULL;
        return sf_fail(err, "out of memory");
    }
    output->fd = open(output->part != NULL ? output->part : path,
                      O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
    if (output->fd >= 0)
        return 0;
    sf_fail(err, "%s: %s", path, strerror(errno));
    free(output->part);
    output->part = NULL;
    return -1;
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

static int find_free_name(struct sf_output *output)
{
    char *path = NULL;
    for (unsigned n = 1; access(path != NULL ? path : output->path, F_OK) == 0; n++) {
        free(path);
        if (asprintf(&path, "%s%u", output->path, n) < 0)
            return -1;
    }
    if (path == NULL)
        return 0;
    free(output->path);
    output->path = path;
    return 0;
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
    if (output->keeps_old && find_free_name(output) != 0)
        return sf_fail(err, "out of memory");
    if (rename(output->part, output->path) != 0)
        return sf_fail(err, "%s: %s", output->path, strerror(errno));
    free(output->part);
    output->part = NULL;
    return 0;
}

int sf_output_next(struct sf_output *output, const char *path, struct sf_error *err)
{
    bool line_flush = output->line_flush;
    if (output->path == NULL)
        return sf_output_flush(output, err);
    char *same = path == NULL ? strdup(output->path) : NULL;
    if (path == NULL && same == NULL)
        return sf_fail(err, "out of memory");
    int result = sf_output_finish(output, err);
    if (result == 0) {
        sf_output_dispose(output);
        result = sf_output_open(output, same != NULL ? same : path, line_flush, err);
        output->keeps_old = same != NULL;
    }
    free(same);
    return result;
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
