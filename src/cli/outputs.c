/* Opens the sinks that the options ask for and hands every line to each. */
#include "outputs.h"

#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "synfin/near.h"
#include "synfin/output.h"

/* The usual scrape comes once a minute: what it reads is then never older than a quarter of that.
 */
static const sf_ns INTERIM = 15 * SF_SEC;

enum { WIDTH_DEFAULT = 80, WIDTH_MIN = 40, WIDTH_MAX = 1000 };

static int fail_field(const char *path, size_t len, struct sf_error *err)
{
    size_t count;
    const struct sf_field *fields = sf_fields(&count);
    struct sf_near near = sf_near_begin(path, len);
    for (size_t i = 0; i < count; i++)
        sf_near_offer(&near, fields[i].path);
    if (near.best != NULL)
        return sf_fail(err, "unknown field %.*s; did you mean %s?", (int)len, path, near.best);
    return sf_fail(err, "unknown field %.*s (synfin fields lists them)", (int)len, path);
}

/* A field, or every field of an object: "client.rtt". How many were added. */
static size_t choose(struct sf_outputs *outputs, const char *path, size_t len)
{
    size_t count, added = 0;
    const struct sf_field *fields = sf_fields(&count);
    for (size_t i = 0; i < count; i++) {
        bool is_it = strncmp(fields[i].path, path, len) == 0 &&
                     (fields[i].path[len] == '\0' || fields[i].path[len] == '.');
        size_t room = sizeof outputs->fields / sizeof outputs->fields[0];
        if (!is_it || outputs->sink_options.field_count == room)
            continue;
        outputs->fields[outputs->sink_options.field_count++] = &fields[i];
        added++;
    }
    return added;
}

static int choose_fields(struct sf_outputs *outputs, const char *list, struct sf_error *err)
{
    if (list == NULL)
        return 0;
    for (const char *at = list;; at++) {
        size_t len = strcspn(at, ",");
        if (len == 0)
            return sf_fail(err, "--fields %s: a name is missing", list);
        if (choose(outputs, at, len) == 0)
            return fail_field(at, len, err);
        at += len;
        if (*at == '\0')
            break;
    }
    outputs->sink_options.fields = outputs->fields;
    return 0;
}

static int choose_order(struct sf_outputs *outputs, const char *sort, struct sf_error *err)
{
    if (sort == NULL)
        return 0;
    bool descending = sort[0] == '-';
    const char *path = sort + descending;
    outputs->sink_options.sort = sf_field_find(path);
    outputs->sink_options.sort_descending = descending;
    return outputs->sink_options.sort != NULL ? 0 : fail_field(path, strlen(path), err);
}

/* $COLUMNS, else what the terminal says. */
static unsigned terminal_width(void)
{
    struct winsize size = {0};
    const char *columns = getenv("COLUMNS");
    long width = columns != NULL ? strtol(columns, NULL, 10) : 0;
    if (width <= 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        width = size.ws_col;
    if (width <= 0)
        return WIDTH_DEFAULT;
    return width < WIDTH_MIN ? WIDTH_MIN : width > WIDTH_MAX ? WIDTH_MAX : (unsigned)width;
}

/* NO_COLOR, when it is set and not empty, says never; --color wins over it. */
static bool wants_color(enum sf_when when)
{
    const char *no_color = getenv("NO_COLOR");
    if (when == SF_WHEN_AUTO && no_color != NULL && no_color[0] != '\0')
        return false;
    return sf_when_holds(when, stdout);
}

static int check_json_only(const struct sf_outputs *outputs, struct sf_error *err)
{
    bool has_json = false;
    for (size_t i = 0; i < outputs->count; i++)
        has_json = has_json || strcmp(outputs->sinks[i]->name, "json") == 0;
    bool asked = outputs->sink_options.events || outputs->sink_options.segments;
    return asked && !has_json ? sf_fail(err, "--events and --segments need --json or -o FILE.json")
                              : 0;
}

static bool is_standard_output(const char *argument)
{
    const char *colon = strchr(argument, ':');
    if (colon != NULL)
        return strcmp(colon + 1, "-") == 0;
    return strchr(argument, '.') == NULL && strcmp(argument, "none") != 0;
}

static int check_standard_output(const char *const *words, size_t count, const char *write_path,
                                 struct sf_error *err)
{
    const char *first = write_path != NULL && strcmp(write_path, "-") == 0 ? "-w -" : NULL;
    for (size_t i = 0; i < count; i++) {
        if (!is_standard_output(words[i]))
            continue;
        if (first != NULL)
            return sf_fail(err, "two outputs to standard output: %s and -o %s", first, words[i]);
        first = words[i];
    }
    return 0;
}

const char *sf_outputs_path(const struct sf_cli_options *options, size_t n, bool *is_folder)
{
    *is_folder = false;
    if (n < options->outputs.count)
        return sf_sink_path(options->outputs.words[n], is_folder);
    const char *path = options->write_path;
    return path == NULL || strcmp(path, "-") == 0 ? NULL : path;
}

static bool is_input(const struct sf_cli_options *options, const struct stat *output)
{
    struct stat st;
    for (size_t i = 0; i < options->files.count; i++) {
        const char *path = options->files.words[i];
        int result = strcmp(path, "-") == 0 ? fstat(STDIN_FILENO, &st) : stat(path, &st);
        if (result == 0 && st.st_dev == output->st_dev && st.st_ino == output->st_ino)
            return true;
    }
    return false;
}

/* Whether `path` is the file of the output `other`, or what is written before it has that name. */
static bool is_file_of(const char *other, const char *path)
{
    size_t len = strlen(other);
    return strncmp(path, other, len) == 0 &&
           (path[len] == '\0' || strcmp(path + len, ".part") == 0);
}

/* Whether an output before the n-th one is in the way of that path. */
static bool is_taken(const struct sf_cli_options *options, size_t n, const char *path)
{
    bool is_folder;
    for (size_t i = 0; i < n; i++) {
        const char *other = sf_outputs_path(options, i, &is_folder);
        if (other != NULL && !is_folder && (is_file_of(other, path) || is_file_of(path, other)))
            return true;
    }
    return false;
}

int sf_outputs_check(const struct sf_cli_options *options, struct sf_error *err)
{
    struct stat st;
    for (size_t i = 0; i <= options->outputs.count; i++) {
        bool is_folder;
        const char *path = sf_outputs_path(options, i, &is_folder);
        if (path == NULL || is_folder)
            continue;
        bool is_file = stat(path, &st) != 0 || S_ISREG(st.st_mode);
        if (is_file && is_taken(options, i, path))
            return sf_fail(err, "%s: two outputs to one file", path);
        char part[PATH_MAX];
        snprintf(part, sizeof part, "%s.part", path);
        const char *const written[] = {path, part};
        for (size_t k = 0; k < 2; k++)
            if (stat(written[k], &st) == 0 && S_ISREG(st.st_mode) && is_input(options, &st))
                return sf_fail(err, "%s is an input, too: writing it would destroy it", written[k]);
    }
    return 0;
}

static sf_ns machine_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now); /* file names tell it */
    return (sf_ns)now.tv_sec * SF_SEC + now.tv_nsec;
}

static uint64_t octets_of(const struct sf_sink *sink)
{
    return sink->output->written + sink->output->buffer.len;
}

/* `path` NULL: the same name again. */
static int begin_file(struct sf_outputs *outputs, size_t i, const char *path, struct sf_error *err)
{
    struct sf_sink *sink = outputs->sinks[i];
    if (sink->next_file(sink, path, err) != 0)
        return -1;
    return sink->meta == NULL ? 0 : sink->meta(sink, &outputs->meta, err);
}

static int rotate(struct sf_outputs *outputs, size_t i, sf_ns now, struct sf_error *err)
{
    struct sf_rotation *rotation = &outputs->rotations[i];
    if (sf_rotation_next(rotation, now, err) != 0)
        return -1;
    return begin_file(outputs, i, rotation->path, err);
}

static int make_room(struct sf_outputs *outputs, size_t i, struct sf_error *err)
{
    struct sf_rotation *rotation = &outputs->rotations[i];
    if (rotation->options == NULL || rotation->options->rotate_megabytes == 0)
        return 0;
    sf_ns same = rotation->begun_ns; /* by size alone: time is looked at elsewhere */
    if (!sf_rotation_is_due(rotation, same, octets_of(outputs->sinks[i])))
        return 0;
    return rotate(outputs, i, same, err);
}

bool sf_outputs_can_reopen(const struct sf_outputs *outputs)
{
    for (size_t i = 0; i < outputs->count; i++)
        if (outputs->rotations[i].options != NULL)
            return true;
    return false;
}

int sf_outputs_reopen(struct sf_outputs *outputs, struct sf_error *err)
{
    for (size_t i = 0; i < outputs->count; i++)
        if (outputs->rotations[i].options != NULL &&
            sf_output_was_moved(outputs->sinks[i]->output) &&
            begin_file(outputs, i, NULL, err) != 0)
            return -1;
    return 0;
}

int sf_outputs_rotate(struct sf_outputs *outputs, bool *is_over, struct sf_error *err)
{
    sf_ns now = machine_time();
    for (size_t i = 0; i < outputs->count; i++) {
        struct sf_rotation *rotation = &outputs->rotations[i];
        if (rotation->options == NULL || !sf_rotation_is_due(rotation, now, 0))
            continue;
        *is_over = *is_over || sf_rotation_is_last(rotation, now);
        if (!*is_over && rotate(outputs, i, now, err) != 0)
            return -1;
    }
    return 0;
}

/* A file that others may follow gets its name from the rotation. */
static struct sf_sink *open_sink(struct sf_outputs *outputs, const char *argument,
                                 const struct sf_cli_options *options, bool *usage,
                                 struct sf_error *err)
{
    bool is_folder;
    struct sf_sink_options sink_options = outputs->sink_options;
    struct sf_rotation *rotation = &outputs->rotations[outputs->count];
    const char *path = sf_sink_path(argument, &is_folder);
    bool may_rotate = options->interfaces.count > 0 && path != NULL && !is_folder;
    if (may_rotate && sf_rotation_begin(rotation, options, path, machine_time(), err) != 0)
        return NULL;
    sink_options.path = rotation->path;
    sink_options.is_log = may_rotate && options->rotate_ns == 0 && options->rotate_megabytes == 0;
    struct sf_sink *sink = sf_sink_open(argument, &sink_options, usage, err);
    if (sink == NULL)
        return NULL;
    if (sink->next_file == NULL)
        sf_rotation_dispose(rotation);
    outputs->sinks[outputs->count++] = sink;
    return sink;
}

static int check_rotation(const struct sf_outputs *outputs, const struct sf_cli_options *options,
                          struct sf_error *err)
{
    bool is_asked = options->rotate_ns != 0 || options->rotate_megabytes != 0;
    if (!is_asked || sf_outputs_can_reopen(outputs))
        return 0;
    return sf_fail(err, "-G and -C need -i and an output into a file in the order of time: "
                        "-o json:FILE, csv, zeek or zeek-json");
}

static int open_sinks(struct sf_outputs *outputs, const struct sf_cli_options *options, bool *usage,
                      struct sf_error *err)
{
    static const char *const text_only[] = {"text"};
    size_t count = options->outputs.count;
    const char *const *words = options->outputs.words;
    if (count == 0) {
        words = text_only;
        count = 1;
    }
    if (count > SF_OUTPUTS_MAX ||
        check_standard_output(words, count, options->write_path, err) != 0) {
        *usage = true;
        return count > SF_OUTPUTS_MAX ? sf_fail(err, "more than %d outputs", SF_OUTPUTS_MAX) : -1;
    }
    for (size_t i = 0; i < count; i++) {
        struct sf_sink *sink = open_sink(outputs, words[i], options, usage, err);
        if (sink == NULL)
            return -1;
        outputs->wants_events = outputs->wants_events || sink->event != NULL;
        outputs->wants_segments = outputs->wants_segments || sink->segment != NULL;
        outputs->wants_interim =
            outputs->wants_interim || (options->interfaces.count > 0 && sink->interim != NULL);
        outputs->wants_zeek_rows = outputs->wants_zeek_rows || sink->zeek_row != NULL;
        outputs->wants_updates = outputs->wants_updates || sink->update != NULL;
    }
    *usage = true;
    return check_json_only(outputs, err) != 0 ? -1 : check_rotation(outputs, options, err);
}

int sf_outputs_open(struct sf_outputs *outputs, const struct sf_cli_options *options, bool *usage,
                    struct sf_error *err)
{
    *outputs = (struct sf_outputs){0};
    *usage = true;
    if (options->rotate_files != 0 && options->rotate_ns == 0 && options->rotate_megabytes == 0)
        return sf_fail(err, "-W needs -C or -G");
    if (choose_fields(outputs, options->fields, err) != 0 ||
        choose_order(outputs, options->sort, err) != 0)
        return -1;
    struct sf_sink_options *sink = &outputs->sink_options;
    sink->top = options->has_top && options->top == 0 ? UINT64_MAX : options->top;
    sink->events = options->events;
    sink->segments = options->segments;
    sink->color = wants_color(options->color);
    sink->width = terminal_width();
    sink->unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    sink->line_flush = options->line_flush;
    sink->max_memory = options->max_memory;
    return open_sinks(outputs, options, usage, err);
}

/* Calls one function of every sink that has it and still has a reader. */
#define HAND_ON(outputs, function, ...)                                                            \
    for (size_t i = 0; i < (outputs)->count; i++) {                                                \
        struct sf_sink *sink = (outputs)->sinks[i];                                                \
        if (sink->function != NULL && !sink->gone && sink->function(sink, __VA_ARGS__) != 0)       \
            return -1;                                                                             \
    }                                                                                              \
    return 0

/* The same with a line, for which there must be room in the file. */
#define HAND_LINE(outputs, function, line, err)                                                    \
    for (size_t i = 0; i < (outputs)->count; i++) {                                                \
        struct sf_sink *sink = (outputs)->sinks[i];                                                \
        if (sink->function == NULL || sink->gone || (outputs)->is_forked[i])                       \
            continue;                                                                              \
        if (make_room(outputs, i, err) != 0 || sink->function(sink, line, err) != 0)               \
            return -1;                                                                             \
    }                                                                                              \
    return 0

int sf_outputs_meta(struct sf_outputs *outputs, const struct sf_meta *meta, struct sf_error *err)
{
    outputs->meta = *meta;
    HAND_ON(outputs, meta, meta, err);
}

int sf_outputs_event(struct sf_outputs *outputs, const struct sf_event *event, struct sf_error *err)
{
    HAND_LINE(outputs, event, event, err);
}

int sf_outputs_segment(struct sf_outputs *outputs, const struct sf_segment_line *line,
                       struct sf_error *err)
{
    HAND_LINE(outputs, segment, line, err);
}

int sf_outputs_record(struct sf_outputs *outputs, const struct sf_record *record,
                      struct sf_error *err)
{
    HAND_LINE(outputs, record, record, err);
}

int sf_outputs_update(struct sf_outputs *outputs, const struct sf_record *record,
                      struct sf_error *err)
{
    HAND_LINE(outputs, update, record, err);
}

int sf_outputs_zeek_row(struct sf_outputs *outputs, const struct sf_zeek_row *row,
                        struct sf_error *err)
{
    HAND_LINE(outputs, zeek_row, row, err);
}

int sf_outputs_lines(struct sf_outputs *outputs, size_t i, const char *text, size_t len,
                     struct sf_error *err)
{
    struct sf_sink *sink = outputs->sinks[i];
    const struct sf_rotation *rotation = &outputs->rotations[i];
    bool is_bounded = rotation->options != NULL && rotation->options->rotate_megabytes != 0;
    while (len > 0 && !sink->gone) {
        const char *end = is_bounded ? memchr(text, '\n', len) : NULL;
        size_t part = end == NULL ? len : (size_t)(end + 1 - text);
        if (make_room(outputs, i, err) != 0 || sink->put_lines(sink, text, part, err) != 0)
            return -1;
        text += part;
        len -= part;
    }
    return 0;
}

bool sf_outputs_interim_due(struct sf_outputs *outputs)
{
    struct timespec clock;
    if (!outputs->wants_interim || clock_gettime(CLOCK_MONOTONIC, &clock) != 0)
        return false;
    sf_ns now = (sf_ns)clock.tv_sec * SF_SEC + clock.tv_nsec;
    if (now - outputs->interim_ns < INTERIM)
        return false;
    outputs->interim_ns = now;
    return true;
}

int sf_outputs_interim(struct sf_outputs *outputs, const struct sf_summary *summary,
                       struct sf_error *err)
{
    HAND_ON(outputs, interim, summary, err);
}

int sf_outputs_finish(struct sf_outputs *outputs, const struct sf_summary *summary,
                      struct sf_error *err)
{
    HAND_ON(outputs, finish, summary, err);
}

int sf_outputs_flush(struct sf_outputs *outputs, struct sf_error *err)
{
    for (size_t i = 0; i < outputs->count; i++) {
        struct sf_sink *sink = outputs->sinks[i];
        if (sink->output == NULL || sink->gone)
            continue;
        if (sf_output_flush(sink->output, err) != 0)
            return -1;
        sink->gone = sink->output->gone;
    }
    return 0;
}

bool sf_outputs_gone(const struct sf_outputs *outputs)
{
    for (size_t i = 0; i < outputs->count; i++)
        if (!outputs->sinks[i]->gone)
            return false;
    return outputs->count > 0;
}

void sf_outputs_dispose(struct sf_outputs *outputs)
{
    for (size_t i = 0; i < outputs->count; i++)
        outputs->sinks[i]->close(outputs->sinks[i]);
    for (size_t i = 0; i < SF_OUTPUTS_MAX; i++)
        sf_rotation_dispose(&outputs->rotations[i]);
    outputs->count = 0;
}
