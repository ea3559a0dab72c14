/* Where a sink's text goes: standard output, or a file that appears under its name when whole. */
#ifndef SYNFIN_OUTPUT_H
#define SYNFIN_OUTPUT_H

#include "buffer.h"

struct sf_output {
    struct sf_buffer buffer; /* lines not yet written; sinks put their text here */
    int fd;
    char *path, *part; /* NULL for standard output; part is NULL when written in place */
    bool line_flush;   /* write after each line */
    bool gone;         /* the reader went away: what is put here is dropped */
    bool is_log;       /* read while it grows: written under its name, at its end */
    uint64_t written;  /* octets of the present file, without those still in the buffer */
};

/* True for a pipe, a device, and what /dev/stdout and the like lead to. */
bool sf_output_is_in_place(const char *path);

/* `path` NULL or "-" is standard output. A regular or new file is written as "PATH.part"; anything
 * else in place. 0, or -1 with *err. */
int sf_output_open(struct sf_output *output, const char *path, bool line_flush,
                   struct sf_error *err);

/* A line is complete: writes when enough is waiting, or at once with line_flush. 0, or -1 with
 * *err. A reader that went away is no error: see `gone`. */
int sf_output_line(struct sf_output *output, struct sf_error *err);

/* Writes all that waits. 0, or -1 with *err. */
int sf_output_flush(struct sf_output *output, struct sf_error *err);

/* The same for a file that is read while it grows and may be moved away: it has its name at once.
 */
int sf_output_open_log(struct sf_output *output, const char *path, bool line_flush,
                       struct sf_error *err);

/* True when such a file no longer has its name. */
bool sf_output_was_moved(const struct sf_output *output);

/* Finishes the file and opens the next, of the same kind, at `path`, or with NULL under the same
 * name; standard output goes on as it is. 0, or -1 with *err. */
int sf_output_next(struct sf_output *output, const char *path, struct sf_error *err);

/* Writes all that waits, closes, and gives a file its name. 0, or -1 with *err. */
int sf_output_finish(struct sf_output *output, struct sf_error *err);

/* Gives everything back; a file that was not finished is removed. */
void sf_output_dispose(struct sf_output *output);

#endif
