/* The table of formats, and how an -o argument names one. */
#include "synfin/sink.h"

#include <string.h>

#include "report_internal.h"
#include "synfin/output.h"

typedef struct sf_sink *open_function(const char *path, const struct sf_sink_options *options,
                                      struct sf_error *err);

static const struct sf_sink_format formats[] = {
    {"text", "txt", "a table for a person, worst first (the default)"},
    {"json", "json", "JSON lines, one per connection"},
    {"csv", "csv", "one row per connection, RFC 4180"},
    {"zeek", "log", "the rows of Zeek's conn.log, by Zeek's rules"},
    {"zeek-json", NULL, "the same, one JSON object a line"},
    {"xplot", NULL, "time-sequence graphs as tcptrace draws them: xplot:DIR"},
    {"prom", "prom", "metrics for node_exporter's textfile collector"},
    {"none", NULL, "nothing: for measuring"},
    {NULL, NULL, NULL},
};

static const struct {
    open_function *open;
    bool needs_folder; /* standard output will not do */
} openers[] = {
    {sf_text_open, false},      {sf_json_open, false}, {sf_csv_open, false},  {sf_zeek_open, false},
    {sf_zeek_json_open, false}, {sf_xplot_open, true}, {sf_prom_open, false}, {sf_none_open, false},
};

/* Names of the field's other formats, so that asking for them is told from a typing error. */
static const char *const absent[] = {"sqlite", "html", "db"};

static const struct {
    const char *extension, *format;
} extensions[] = {{"ndjson", "json"}, {"jsonl", "json"}};

const struct sf_sink_format *sf_sink_formats(void)
{
    return formats;
}

static int find_format(const char *name, size_t len)
{
    for (int i = 0; formats[i].name != NULL; i++)
        if (strlen(formats[i].name) == len && strncmp(formats[i].name, name, len) == 0)
            return i;
    return -1;
}

static int find_extension(const char *extension)
{
    for (int i = 0; formats[i].name != NULL; i++)
        if (formats[i].extension != NULL && strcmp(formats[i].extension, extension) == 0)
            return i;
    for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++)
        if (strcmp(extensions[i].extension, extension) == 0)
            return find_format(extensions[i].format, strlen(extensions[i].format));
    return -1;
}

static int fail_format(const char *name, size_t len, struct sf_error *err)
{
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
        if (strlen(absent[i]) == len && strncmp(absent[i], name, len) == 0)
            return sf_fail(err, "output format not built in: %.*s", (int)len, name);
    return sf_fail(
        err,
        "unknown output format: %.*s (text, json, csv, zeek, zeek-json, xplot, prom, none, "
        "or a file name ending in .txt .json .ndjson .csv .log .prom)",
        (int)len, name);
}

static bool is_path_missing(int format, const char *path)
{
    if (path == NULL || strcmp(path, "-") == 0)
        return openers[format].needs_folder;
    return path[0] == '\0';
}

/* What an -o argument asks for: "FORMAT", "FORMAT:PATH" or "PATH.EXTENSION". */
struct request {
    int format;       /* negative: none that is known */
    const char *path; /* NULL: not given */
    const char *name; /* of the format, for messages */
    size_t name_len;
};

static struct request understand(const char *argument)
{
    size_t len = strcspn(argument, ":");
    struct request request = {.format = find_format(argument, len),
                              .path = argument[len] == ':' ? argument + len + 1 : NULL,
                              .name = argument,
                              .name_len = len};
    if (request.format >= 0 || (request.path != NULL && strchr(argument, '/') == NULL))
        return request;
    const char *dot = strrchr(argument, '.');
    request.path = argument;
    request.format = dot != NULL ? find_extension(dot + 1) : -1;
    if (request.format < 0 && dot != NULL)
        request.name = dot + 1;
    request.name_len = strlen(request.name);
    return request;
}

struct sf_sink *sf_sink_open(const char *argument, const struct sf_sink_options *options,
                             bool *usage, struct sf_error *err)
{
    struct request request = understand(argument);
    int format = request.format;
    *usage = format < 0 || is_path_missing(format, request.path);
    if (!*usage)
        return openers[format].open(options->path != NULL ? options->path : request.path, options,
                                    err);
    if (format >= 0 && openers[format].needs_folder)
        sf_fail(err, "%s needs a folder: %s:DIR", request.name, formats[format].name);
    else if (format >= 0)
        sf_fail(err, "%s needs a file name after the colon", request.name);
    else
        fail_format(request.name, request.name_len, err);
    return NULL;
}

int sf_lines_open(struct sf_output *output, const char *path, const struct sf_sink_options *options,
                  struct sf_error *err)
{
    return options->is_log ? sf_output_open_log(output, path, options->line_flush, err)
                           : sf_output_open(output, path, options->line_flush, err);
}

const char *sf_sink_path(const char *argument, bool *is_folder)
{
    struct request request = understand(argument);
    bool is_standard_output = request.path == NULL || strcmp(request.path, "-") == 0;
    *is_folder = request.format >= 0 && openers[request.format].needs_folder;
    return is_standard_output ? NULL : request.path;
}
