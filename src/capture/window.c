/* A stretch of octets that the parsers walk: a buffer over a file or over a stream. A file is read
 * into it, not mapped: for a buffer that stays in a second-level cache, copying costs the kernel no
 * more than setting up pages, and no header is waited for from memory (a GiB of full packets: 0.20
 * s against 0.24 s; of headers only, the same). A file that is cut meanwhile just ends. */
#include "capture_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A buffer begins small, since of a thousand files that are merged most wait for their time; it
 * stays in a second-level cache while its octets are walked. */
static const size_t buffer_min = (size_t)16 << 10, buffer_max = (size_t)256 << 10;

/* The kernel's limit for users, 16 times its default: fewer changes between writer and reader. */
static const int pipe_size = 1 << 20;

static bool is_compressed(int fd, uint64_t start)
{
    uint8_t magic[SF_MAGIC_LEN];
    ssize_t got = pread(fd, magic, sizeof magic, (off_t)start);
    return got > 0 && sf_stream_compression(magic, (size_t)got) != NULL;
}

/* A regular file, plain or compressed. Standard input may have been read in part by whoever came
 * before. */
static int open_file(struct sf_window *window, int fd, uint64_t size, const atomic_bool *stop,
                     struct sf_error *err)
{
    off_t start = lseek(fd, 0, SEEK_CUR);
    window->file_size = size;
    window->file_start = start > 0 ? (uint64_t)start : 0;
    if (is_compressed(fd, window->file_start))
        return sf_stream_open(&window->stream, fd, stop, err);
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    window->is_file = true;
    window->fd = fd;
    window->file_at = window->file_start;
    return 0;
}

int sf_window_open(struct sf_window *window, int fd, uint64_t size_max, const atomic_bool *stop,
                   struct sf_error *err)
{
    struct stat st;
    *window = (struct sf_window){0};
    int failure = fstat(fd, &st) != 0 ? errno : S_ISDIR(st.st_mode) ? EISDIR : 0;
    if (failure != 0) {
        close(fd);
        return sf_fail(err, "%s", strerror(failure));
    }
    if (S_ISFIFO(st.st_mode))
        fcntl(fd, F_SETPIPE_SZ, pipe_size); /* where it is refused, reading is only slower */
    uint64_t size = (uint64_t)st.st_size < size_max ? (uint64_t)st.st_size : size_max;
    bool has_size = S_ISREG(st.st_mode) && size > 0; /* those of /proc say 0 */
    return has_size ? open_file(window, fd, size, stop, err)
                    : sf_stream_open(&window->stream, fd, stop, err);
}

const char *sf_window_compression(const struct sf_window *window)
{
    return window->stream != NULL ? sf_stream_format(window->stream) : NULL;
}

static size_t larger_of(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* For n octets, and for more than before where all that fitted was walked. */
static size_t wanted_capacity(const struct sf_window *window, size_t n)
{
    size_t next = 4 * window->capacity;
    if (next > buffer_max)
        next = window->capacity;
    return larger_of(larger_of(next, buffer_min), n);
}

/* Moves what is unread to the front of a buffer that holds at least n octets. */
static int make_room(struct sf_window *window, size_t n)
{
    size_t unread = (size_t)(window->end - window->at);
    size_t capacity = wanted_capacity(window, n);
    window->origin = sf_window_offset(window);
    if (unread > 0)
        memmove(window->buffer, window->at, unread);
    if (capacity > window->capacity) {
        uint8_t *larger = realloc(window->buffer, capacity);
        if (larger != NULL) {
            window->buffer = larger;
            window->capacity = capacity;
        }
    }
    window->base = window->buffer;
    window->at = window->buffer;
    window->end = window->buffer + unread;
    return n > window->capacity ? sf_fail(&window->fault, "%s", strerror(ENOMEM)) : 0;
}

/* Of a file, what it was when it was opened: another reader of it finds the same end. */
static ssize_t read_file(struct sf_window *window, uint8_t *buf, size_t len)
{
    ssize_t got;
    if (window->file_at >= window->file_size)
        return 0;
    if (len > window->file_size - window->file_at)
        len = (size_t)(window->file_size - window->file_at);
    do {
        got = pread(window->fd, buf, len, (off_t)window->file_at);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return sf_fail(&window->fault, "%s", strerror(errno));
    if (got == 0)
        return sf_fail(&window->fault, "the file was cut while it was read");
    window->file_at += (uint64_t)got;
    return got;
}

/* Of a stream; with the second large buffer it is a long one. */
static ssize_t read_stream(struct sf_window *window, uint8_t *buf, size_t len)
{
    bool is_long = window->capacity >= buffer_max && window->origin >= buffer_max;
    if (window->ahead == NULL && window->may_read_ahead && is_long && window->file_size > 0)
        window->ahead = sf_ahead_start(window->stream);
    return window->ahead != NULL ? sf_ahead_read(window->ahead, buf, len, &window->fault)
                                 : sf_stream_read(window->stream, buf, len, &window->fault);
}

static uint64_t stream_consumed(const struct sf_window *window)
{
    return window->ahead != NULL ? sf_ahead_consumed(window->ahead)
                                 : sf_stream_consumed(window->stream);
}

enum sf_fill sf_window_fill(struct sf_window *window, size_t n)
{
    if (window->is_pinned)
        return SF_FILL_LATER;
    if (window->fault.text[0] != '\0' || make_room(window, n) != 0)
        return SF_FILL_SHORT;
    while ((size_t)(window->end - window->at) < n) {
        size_t used = (size_t)(window->end - window->buffer), room = window->capacity - used;
        uint8_t *to = window->buffer + used;
        ssize_t got = window->is_file ? read_file(window, to, room) : read_stream(window, to, room);
        if (got <= 0)
            return SF_FILL_SHORT;
        window->end += got;
    }
    return SF_FILL_READY;
}

uint64_t sf_window_consumed(const struct sf_window *window)
{
    return window->is_file ? window->file_at - (uint64_t)(window->end - window->at)
                           : window->file_start + stream_consumed(window);
}

void sf_window_end(struct sf_window *window)
{
    sf_ahead_end(window->ahead);
    window->ahead = NULL;
}

void sf_window_close(struct sf_window *window)
{
    sf_window_end(window);
    if (window->is_file)
        close(window->fd);
    sf_stream_close(window->stream);
    free(window->buffer);
    *window = (struct sf_window){0};
}
