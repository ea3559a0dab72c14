/* A stretch of octets that the parsers walk: a mapped file, never copied, or a buffer over a
 * stream. */
#include "capture_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The size of a mapped file is looked at again, and its pages are fetched at once, in such steps;
 * pages behind the reader are given back in larger ones. */
static const size_t stretch = (size_t)1 << 20;
static const size_t release_step = (size_t)8 << 20;

/* Stays in a second-level cache while its octets are walked. */
static const size_t buffer_min = (size_t)256 << 10;

/* The kernel's limit for users, 16 times its default: fewer changes between writer and reader. */
static const int pipe_size = 1 << 20;

/* A file that is cut while it is mapped makes every access behind its new end a SIGBUS, wherever
 * in the program the packet is read. The handler puts zero pages there and notes it; the capture
 * looks at the size again before it hands out a batch, drops what lies behind, and reports the cut.
 * What is left: packets of the current batch that the caller reads after the cut may have turned to
 * zeros, which decode as malformed. A signal handler has no argument but what is in file scope,
 * hence these two variables; captures are opened and closed by one thread at a time. */
static struct sf_mapping *_Atomic mappings;
static struct sigaction previous_action;

static bool replace_pages(struct sf_mapping *map, uintptr_t fault)
{
    uintptr_t begin = (uintptr_t)map->begin;
    if (fault < begin || fault - begin >= map->len)
        return false;
    uintptr_t page = fault - (fault - begin) % map->page;
    void *zeros = mmap((void *)page, begin + map->len - page, PROT_READ,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (zeros == MAP_FAILED)
        return false;
    if (!map->has_lost_pages || page < map->lost)
        map->lost = page;
    map->has_lost_pages = 1;
    return true;
}

static void on_sigbus(int signo, siginfo_t *info, void *context)
{
    (void)context;
    int saved = errno;
    bool is_ours = false;
    for (struct sf_mapping *map = atomic_load(&mappings); map != NULL && !is_ours; map = map->next)
        is_ours = replace_pages(map, (uintptr_t)info->si_addr);
    if (!is_ours)
        sigaction(signo, &previous_action, NULL); /* the access is repeated and fails there */
    errno = saved;
}

static void watch_mapping(struct sf_mapping *map)
{
    if (atomic_load(&mappings) == NULL) {
        struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};
        sigemptyset(&action.sa_mask);
        sigaction(SIGBUS, &action, &previous_action);
    }
    map->next = atomic_load(&mappings);
    atomic_store(&mappings, map);
}

static void forget_mapping(struct sf_mapping *map)
{
    struct sf_mapping *first = atomic_load(&mappings);
    if (first == map)
        atomic_store(&mappings, map->next);
    for (; first != NULL; first = first->next) {
        if (first->next == map)
            first->next = map->next;
    }
    if (atomic_load(&mappings) == NULL)
        sigaction(SIGBUS, &previous_action, NULL);
}

static bool map_file(struct sf_window *window, int fd, uint64_t size, uint64_t start)
{
    if (size == 0 || start >= size || size > SIZE_MAX / 2)
        return false;
    void *begin = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (begin == MAP_FAILED)
        return false;
    madvise(begin, (size_t)size, MADV_SEQUENTIAL);
    window->map = (struct sf_mapping){
        .begin = begin, .len = (size_t)size, .page = (size_t)sysconf(_SC_PAGESIZE)};
    window->base = window->map.begin + start;
    window->at = window->base;
    window->end = window->base;
    window->fd = fd;
    window->is_mapped = true;
    watch_mapping(&window->map);
    return true;
}

static int open_stream(struct sf_window *window, int fd, const volatile sig_atomic_t *stop,
                       struct sf_error *err)
{
    if (sf_stream_open(&window->stream, fd, stop, err) != 0)
        return -1;
    window->buffer = malloc(buffer_min);
    if (window->buffer == NULL) {
        sf_stream_close(window->stream);
        window->stream = NULL;
        return sf_fail(err, "%s", strerror(ENOMEM));
    }
    window->capacity = buffer_min;
    window->base = window->buffer;
    window->at = window->buffer;
    window->end = window->buffer;
    return 0;
}

static bool is_compressed(int fd, uint64_t start)
{
    uint8_t magic[SF_MAGIC_LEN];
    ssize_t got = pread(fd, magic, sizeof magic, (off_t)start);
    return got > 0 && sf_stream_compression(magic, (size_t)got) != NULL;
}

int sf_window_open(struct sf_window *window, int fd, uint64_t size_max,
                   const volatile sig_atomic_t *stop, struct sf_error *err)
{
    struct stat st;
    *window = (struct sf_window){.fd = -1};
    int failure = fstat(fd, &st) != 0 ? errno : S_ISDIR(st.st_mode) ? EISDIR : 0;
    if (failure != 0) {
        close(fd);
        return sf_fail(err, "%s", strerror(failure));
    }
    if (S_ISFIFO(st.st_mode))
        fcntl(fd, F_SETPIPE_SZ, pipe_size); /* where it is refused, reading is only slower */
    if (!S_ISREG(st.st_mode))
        return open_stream(window, fd, stop, err);
    /* Standard input may have been read in part by whoever came before. */
    off_t start = lseek(fd, 0, SEEK_CUR);
    window->file_size = (uint64_t)st.st_size < size_max ? (uint64_t)st.st_size : size_max;
    window->file_start = start > 0 ? (uint64_t)start : 0;
    if (!is_compressed(fd, window->file_start) &&
        map_file(window, fd, window->file_size, window->file_start))
        return 0;
    return open_stream(window, fd, stop, err);
}

const char *sf_window_compression(const struct sf_window *window)
{
    return window->stream != NULL ? sf_stream_format(window->stream) : NULL;
}

bool sf_window_was_cut(struct sf_window *window, uint64_t *size)
{
    struct stat st;
    uint64_t left = window->map.len;
    if (window->map.has_lost_pages)
        left = window->map.lost - (uintptr_t)window->map.begin;
    if (fstat(window->fd, &st) == 0 && (uint64_t)st.st_size < left)
        left = (uint64_t)st.st_size;
    if (left == window->map.len)
        return false;
    if (left < window->file_start)
        left = window->file_start;
    const uint8_t *limit = window->map.begin + left;
    if (window->end > limit)
        window->end = limit;
    if (window->at > limit)
        window->at = limit;
    *size = left - window->file_start;
    sf_fail(&window->fault, "the file was cut while it was read");
    return true;
}

static void release_behind(struct sf_window *window)
{
    size_t behind = (size_t)(window->at - window->map.begin);
    behind -= behind % window->map.page;
    if (behind - window->map.released < release_step)
        return;
    /* Packets of the current batch may lie there: their pages come back when they are read. */
    void *from = (void *)((uintptr_t)window->map.begin + window->map.released);
    madvise(from, behind - window->map.released, MADV_DONTNEED);
    window->map.released = behind;
}

/* One system call instead of a page fault for every 16 pages; older kernels refuse, no matter. */
static void fetch_pages(const struct sf_mapping *map, size_t begin, size_t end)
{
#ifdef MADV_POPULATE_READ
    begin -= begin % map->page;
    madvise((void *)((uintptr_t)map->begin + begin), end - begin, MADV_POPULATE_READ);
#else
    (void)map, (void)begin, (void)end;
#endif
}

static enum sf_fill fill_mapped(struct sf_window *window, size_t n)
{
    uint64_t left;
    if (sf_window_was_cut(window, &left))
        return (uint64_t)(window->end - window->at) >= n ? SF_FILL_READY : SF_FILL_SHORT;
    if (!window->map.has_lost_pages)
        release_behind(window);
    size_t at = (size_t)(window->at - window->map.begin);
    size_t ahead = window->map.len - at;
    size_t want = n > stretch ? n : stretch;
    if (want > ahead)
        want = ahead;
    fetch_pages(&window->map, (size_t)(window->end - window->map.begin), at + want);
    window->end = window->at + want;
    return want >= n ? SF_FILL_READY : SF_FILL_SHORT;
}

/* Moves what is unread to the front of a buffer that holds at least n octets. */
static int make_room(struct sf_window *window, size_t n)
{
    size_t unread = (size_t)(window->end - window->at);
    window->origin = sf_window_offset(window);
    memmove(window->buffer, window->at, unread);
    if (n > window->capacity) {
        uint8_t *larger = realloc(window->buffer, n);
        if (larger != NULL) {
            window->buffer = larger;
            window->capacity = n;
        }
    }
    window->base = window->buffer;
    window->at = window->buffer;
    window->end = window->buffer + unread;
    return n > window->capacity ? sf_fail(&window->fault, "%s", strerror(ENOMEM)) : 0;
}

static enum sf_fill fill_buffer(struct sf_window *window, size_t n)
{
    if (window->is_pinned)
        return SF_FILL_LATER;
    if (window->fault.text[0] != '\0' || make_room(window, n) != 0)
        return SF_FILL_SHORT;
    while ((size_t)(window->end - window->at) < n) {
        size_t used = (size_t)(window->end - window->buffer);
        ssize_t got = sf_stream_read(window->stream, window->buffer + used, window->capacity - used,
                                     &window->fault);
        if (got <= 0)
            return SF_FILL_SHORT;
        window->end += got;
    }
    return SF_FILL_READY;
}

enum sf_fill sf_window_fill(struct sf_window *window, size_t n)
{
    return window->is_mapped ? fill_mapped(window, n) : fill_buffer(window, n);
}

uint64_t sf_window_consumed(const struct sf_window *window)
{
    if (window->stream != NULL)
        return window->file_start + sf_stream_consumed(window->stream);
    return window->is_mapped ? (uint64_t)(window->at - window->map.begin) : 0;
}

void sf_window_close(struct sf_window *window)
{
    if (window->is_mapped) {
        forget_mapping(&window->map);
        munmap((void *)(uintptr_t)window->map.begin, window->map.len);
        close(window->fd);
    }
    sf_stream_close(window->stream);
    free(window->buffer);
    *window = (struct sf_window){.fd = -1};
}
