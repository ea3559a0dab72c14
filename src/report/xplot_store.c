/* Plots by connection, their text within a bound, and the files that it becomes. */
#include "xplot.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of one graph before it is written, and at most of all before the longest silent ones are. */
static const size_t WRITE_OCTETS = 1 << 16, HELD_OCTETS = 1 << 26;
enum { BUCKETS_FIRST = 1024, NAME_TEXT = 48 };

/* --- by connection ---------------------------------------------------------------------------- */

/* Ids count up: their low bits spread. */
static struct sf_plot **place_of(const struct sf_plots *plots, uint64_t conn)
{
    struct sf_plot **at = &plots->buckets[conn & (plots->bucket_count - 1)];
    while (*at != NULL && (*at)->conn != conn)
        at = &(*at)->next;
    return at;
}

static int grow(struct sf_plots *plots)
{
    size_t count = plots->bucket_count == 0 ? BUCKETS_FIRST : plots->bucket_count * 2;
    struct sf_plot **buckets = calloc(count, sizeof(struct sf_plot *));
    if (buckets == NULL)
        return -1;
    for (size_t i = 0; i < plots->bucket_count; i++) {
        for (struct sf_plot *plot = plots->buckets[i], *next; plot != NULL; plot = next) {
            next = plot->next;
            plot->next = buckets[plot->conn & (count - 1)];
            buckets[plot->conn & (count - 1)] = plot;
        }
    }
    free(plots->buckets);
    plots->buckets = buckets;
    plots->bucket_count = count;
    return 0;
}

struct sf_plot *sf_plots_of(struct sf_plots *plots, uint64_t conn, struct sf_error *err)
{
    struct sf_plot **at = place_of(plots, conn);
    if (*at != NULL)
        return *at;
    if (plots->count == plots->bucket_count && grow(plots) == 0)
        at = place_of(plots, conn);
    *at = calloc(1, sizeof **at);
    if (*at == NULL) {
        sf_fail(err, "out of memory");
        return NULL;
    }
    (*at)->conn = conn;
    plots->count++;
    return *at;
}

/* --- those that hold text --------------------------------------------------------------------- */

static void unlink_holder(struct sf_plots *plots, struct sf_plot *plot)
{
    if (plot->held == 0)
        return;
    *(plot->older != NULL ? &plot->older->newer : &plots->oldest) = plot->newer;
    *(plot->newer != NULL ? &plot->newer->older : &plots->newest) = plot->older;
    plot->older = plot->newer = NULL;
    plots->held -= plot->held;
    plot->held = 0;
}

static void link_holder(struct sf_plots *plots, struct sf_plot *plot)
{
    plot->held = plot->graph[SF_FROM_0].text.capacity + plot->graph[SF_FROM_1].text.capacity;
    if (plot->held == 0)
        return;
    plots->held += plot->held;
    plot->older = plots->newest;
    *(plots->newest != NULL ? &plots->newest->newer : &plots->oldest) = plot;
    plots->newest = plot;
}

/* --- files ------------------------------------------------------------------------------------ */

static const char *name_file(char out[NAME_TEXT], const struct sf_plot *plot, enum sf_dir dir)
{
    const char *role = sf_role_name(dir == plot->client ? SF_CLIENT : SF_SERVER);
    snprintf(out, NAME_TEXT, "%" PRIu64 "_%s.xpl", plot->conn, role);
    return out;
}

/* Which end is the client may only be seen later: until then a file is known by its direction. */
static const char *name_part(char out[NAME_TEXT], const struct sf_plot *plot, enum sf_dir dir)
{
    snprintf(out, NAME_TEXT, "%" PRIu64 "_%d.xpl.part", plot->conn, (int)dir);
    return out;
}

static int fail_file(const struct sf_plots *plots, const struct sf_plot *plot, enum sf_dir dir,
                     struct sf_error *err)
{
    char name[NAME_TEXT];
    const char *cause = strerror(errno);
    return sf_fail(err, "%s/%s: %s", plots->folder, name_file(name, plot, dir), cause);
}

static int write_whole(int fd, const char *at, size_t left)
{
    while (left > 0) {
        ssize_t n = write(fd, at, left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        at += n;
        left -= (size_t)n;
    }
    return 0;
}

/* Appends the graph's text to its file, which it begins when there is none. */
static int write_graph(struct sf_plots *plots, struct sf_plot *plot, enum sf_dir dir,
                       struct sf_error *err)
{
    struct sf_graph *graph = &plot->graph[dir];
    char part[NAME_TEXT];
    if (sf_buffer_check(&graph->text, err) != 0)
        return -1;
    if (graph->text.len == 0)
        return 0;
    int fd = openat(plots->folder_fd, name_part(part, plot, dir),
                    O_WRONLY | O_CREAT | O_CLOEXEC | (graph->has_file ? O_APPEND : O_TRUNC), 0666);
    if (fd < 0)
        return fail_file(plots, plot, dir, err);
    graph->has_file = true;
    int written = write_whole(fd, graph->text.data, graph->text.len);
    int cause = errno;
    bool is_closed = close(fd) == 0;
    if (written != 0)
        errno = cause;
    if (written != 0 || !is_closed)
        return fail_file(plots, plot, dir, err);
    sf_buffer_clear(&graph->text);
    return 0;
}

static int write_both(struct sf_plots *plots, struct sf_plot *plot, struct sf_error *err)
{
    for (int dir = 0; dir < SF_DIR_COUNT; dir++) {
        if (write_graph(plots, plot, (enum sf_dir)dir, err) != 0)
            return -1;
        sf_buffer_dispose(&plot->graph[dir].text);
    }
    return 0;
}

static int write_full(struct sf_plots *plots, struct sf_plot *plot, struct sf_error *err)
{
    for (int dir = 0; dir < SF_DIR_COUNT; dir++) {
        const struct sf_buffer *text = &plot->graph[dir].text;
        if (!text->failed && text->len < WRITE_OCTETS)
            continue;
        if (write_graph(plots, plot, (enum sf_dir)dir, err) != 0)
            return -1;
    }
    return 0;
}

int sf_plots_drawn(struct sf_plots *plots, struct sf_plot *plot, struct sf_error *err)
{
    if (write_full(plots, plot, err) != 0)
        return -1;
    unlink_holder(plots, plot);
    link_holder(plots, plot);
    while (plots->held > plots->held_max) {
        struct sf_plot *oldest = plots->oldest;
        if (write_both(plots, oldest, err) != 0)
            return -1;
        unlink_holder(plots, oldest);
    }
    return 0;
}

static void remove_part(const struct sf_plots *plots, struct sf_plot *plot, enum sf_dir dir)
{
    char part[NAME_TEXT];
    if (plot->graph[dir].has_file)
        unlinkat(plots->folder_fd, name_part(part, plot, dir), 0);
    plot->graph[dir].has_file = false;
}

static int finish_graph(struct sf_plots *plots, struct sf_plot *plot, enum sf_dir dir,
                        struct sf_error *err)
{
    struct sf_graph *graph = &plot->graph[dir];
    char part[NAME_TEXT], name[NAME_TEXT];
    if (!graph->has_octets)
        return 0;
    sf_put_text(&graph->text, "go\n");
    if (write_graph(plots, plot, dir, err) != 0)
        return -1;
    if (renameat(plots->folder_fd, name_part(part, plot, dir), plots->folder_fd,
                 name_file(name, plot, dir)) != 0)
        return fail_file(plots, plot, dir, err);
    graph->has_file = false;
    return 0;
}

static void free_plot(struct sf_plots *plots, struct sf_plot *plot)
{
    unlink_holder(plots, plot);
    for (int dir = 0; dir < SF_DIR_COUNT; dir++) {
        remove_part(plots, plot, (enum sf_dir)dir);
        sf_buffer_dispose(&plot->graph[dir].text);
    }
    plots->count--;
    free(plot);
}

int sf_plots_end(struct sf_plots *plots, uint64_t conn, enum sf_dir client, struct sf_error *err)
{
    struct sf_plot **at = place_of(plots, conn), *plot = *at;
    if (plot == NULL)
        return 0;
    *at = plot->next;
    plot->client = client;
    int result = finish_graph(plots, plot, client, err);
    if (result == 0)
        result = finish_graph(plots, plot, sf_dir_other(client), err);
    free_plot(plots, plot);
    return result;
}

int sf_plots_open(struct sf_plots *plots, const char *folder, uint64_t max_memory,
                  struct sf_error *err)
{
    bool is_narrow = max_memory != 0 && max_memory / 8 < HELD_OCTETS;
    *plots = (struct sf_plots){.folder_fd = -1,
                               .held_max = is_narrow ? (size_t)(max_memory / 8) : HELD_OCTETS};
    plots->folder = strdup(folder);
    if (plots->folder == NULL || grow(plots) != 0)
        return sf_fail(err, "out of memory");
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return sf_fail(err, "%s: %s", folder, strerror(errno));
    plots->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return plots->folder_fd >= 0 ? 0 : sf_fail(err, "%s: %s", folder, strerror(errno));
}

void sf_plots_dispose(struct sf_plots *plots)
{
    for (size_t i = 0; i < plots->bucket_count; i++) {
        while (plots->buckets[i] != NULL) {
            struct sf_plot *plot = plots->buckets[i];
            plots->buckets[i] = plot->next;
            free_plot(plots, plot);
        }
    }
    assert(plots->count == 0 && plots->held == 0);
    free(plots->buckets);
    free(plots->folder);
    if (plots->folder_fd >= 0)
        close(plots->folder_fd);
    *plots = (struct sf_plots){.folder_fd = -1};
}
