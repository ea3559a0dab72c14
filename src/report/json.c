/* JSON lines: meta, then events, segments and connections as they come, then end. */
#include <stdlib.h>

#include "json_shape.h"
#include "ranking.h"
#include "report_internal.h"
#include "synfin/output.h"

struct json_sink {
    struct sf_sink sink;
    struct sf_output output;
    struct sf_json_shape own_shape;
    const struct sf_json_shape *shape; /* a fork uses the sink's */
    struct sf_ranking ranking;         /* connections wait here when an order was asked for */
    struct sf_buffer line;
};

static struct json_sink *json_of(struct sf_sink *sink)
{
    return (struct json_sink *)sink;
}

static int end_line(struct json_sink *json, struct sf_error *err)
{
    sf_put_char(&json->output.buffer, '\n');
    int result = sf_output_line(&json->output, err);
    json->sink.gone = json->output.gone;
    return result;
}

static int put_meta(struct sf_sink *sink, const struct sf_meta *meta, struct sf_error *err)
{
    struct json_sink *json = json_of(sink);
    if (sf_document_meta(&json->output.buffer, meta, err) != 0)
        return -1;
    return end_line(json, err);
}

static int put_segment(struct sf_sink *sink, const struct sf_segment_line *line,
                       struct sf_error *err)
{
    struct json_sink *json = json_of(sink);
    sf_put_json_segment(&json->output.buffer, line);
    return end_line(json, err);
}

static int put_event(struct sf_sink *sink, const struct sf_event *event, struct sf_error *err)
{
    struct json_sink *json = json_of(sink);
    sf_put_json_event(&json->output.buffer, event);
    return end_line(json, err);
}

static int put_record(struct sf_sink *sink, const struct sf_record *record, struct sf_error *err)
{
    struct json_sink *json = json_of(sink);
    sf_json_shape_put(json->shape, &json->output.buffer, "connection", record);
    return end_line(json, err);
}

static int put_update(struct sf_sink *sink, const struct sf_record *record, struct sf_error *err)
{
    struct json_sink *json = json_of(sink);
    sf_json_shape_put(json->shape, &json->output.buffer, "connection.update", record);
    return end_line(json, err);
}

static int next_file(struct sf_sink *sink, const char *path, struct sf_error *err)
{
    return sf_output_next(&json_of(sink)->output, path, err);
}

static int rank_record(struct sf_sink *sink, const struct sf_record *record, struct sf_error *err)
{
    struct json_sink *json = json_of(sink);
    struct sf_ranked rank;
    if (!sf_ranking_wants(&json->ranking, record, &rank))
        return 0;
    sf_buffer_clear(&json->line);
    sf_json_shape_put(json->shape, &json->line, "connection", record);
    if (sf_buffer_check(&json->line, err) != 0)
        return -1;
    return sf_ranking_add(&json->ranking, &rank, json->line.data, json->line.len, err);
}

static int finish(struct sf_sink *sink, const struct sf_summary *summary, struct sf_error *err)
{
    struct json_sink *json = json_of(sink);
    sf_ranking_sort(&json->ranking);
    for (size_t i = 0; i < json->ranking.count; i++) {
        sf_put(&json->output.buffer, json->ranking.items[i].line, json->ranking.items[i].len);
        if (end_line(json, err) != 0)
            return -1;
    }
    if (sf_document_end(&json->output.buffer, summary, err) != 0 || end_line(json, err) != 0)
        return -1;
    return sf_output_finish(&json->output, err);
}

static int put_lines(struct sf_sink *sink, const char *text, size_t len, struct sf_error *err)
{
    struct json_sink *json = json_of(sink);
    sf_put(&json->output.buffer, text, len);
    int result = sf_output_line(&json->output, err);
    json->sink.gone = json->output.gone;
    return result;
}

static int print(struct sf_sink *sink, const char *type, const struct sf_record *record,
                 struct sf_error *err)
{
    struct json_sink *json = json_of(sink);
    sf_json_shape_put(json->shape, &json->line, type, record);
    sf_put_char(&json->line, '\n');
    return sf_buffer_check(&json->line, err);
}

static int print_record(struct sf_sink *sink, const struct sf_record *record, struct sf_error *err)
{
    return print(sink, "connection", record, err);
}

static int print_update(struct sf_sink *sink, const struct sf_record *record, struct sf_error *err)
{
    return print(sink, "connection.update", record, err);
}

static int print_event(struct sf_sink *sink, const struct sf_event *event, struct sf_error *err)
{
    struct json_sink *json = json_of(sink);
    sf_put_json_event(&json->line, event);
    sf_put_char(&json->line, '\n');
    return sf_buffer_check(&json->line, err);
}

static int join(struct sf_sink *sink, struct sf_sink *fork, struct sf_error *err)
{
    return sf_ranking_join(&json_of(sink)->ranking, &json_of(fork)->ranking, err);
}

static void close_json(struct sf_sink *sink)
{
    struct json_sink *json = json_of(sink);
    sf_output_dispose(&json->output);
    sf_json_shape_dispose(&json->own_shape);
    sf_ranking_dispose(&json->ranking);
    sf_buffer_dispose(&json->line);
    free(json);
}

static struct sf_sink *fork_json(struct sf_sink *sink, struct sf_error *err)
{
    const struct json_sink *json = json_of(sink);
    struct json_sink *fork = calloc(1, sizeof *fork);
    if (fork == NULL) {
        sf_fail(err, "out of memory");
        return NULL;
    }
    bool is_ranked = sink->record == rank_record;
    fork->shape = json->shape;
    fork->ranking.field = json->ranking.field;
    fork->ranking.descending = json->ranking.descending;
    fork->ranking.bound = json->ranking.bound;
    fork->sink = (struct sf_sink){.name = sink->name,
                                  .event = sink->event != NULL ? print_event : NULL,
                                  .record = is_ranked ? rank_record : print_record,
                                  .update = is_ranked ? NULL : print_update,
                                  .lines = is_ranked ? NULL : &fork->line,
                                  .close = close_json};
    return &fork->sink;
}

struct sf_sink *sf_json_open(const char *path, const struct sf_sink_options *options,
                             struct sf_error *err)
{
    struct json_sink *json = calloc(1, sizeof *json);
    if (json == NULL) {
        sf_fail(err, "out of memory");
        return NULL;
    }
    bool is_ranked = options->sort != NULL || options->top != 0;
    json->ranking.field = options->sort;
    json->ranking.descending = options->sort_descending;
    json->ranking.bound = options->top;
    json->sink = (struct sf_sink){.name = "json",
                                  .meta = put_meta,
                                  .segment = options->segments ? put_segment : NULL,
                                  .event = options->events ? put_event : NULL,
                                  .record = is_ranked ? rank_record : put_record,
                                  .update = is_ranked ? NULL : put_update,
                                  .next_file = is_ranked ? NULL : next_file,
                                  .finish = finish,
                                  .close = close_json,
                                  .fork = fork_json,
                                  .put_lines = put_lines,
                                  .join = join,
                                  .output = &json->output};
    json->shape = &json->own_shape;
    if (sf_json_shape_make(&json->own_shape, options->fields, options->field_count, err) == 0 &&
        sf_lines_open(&json->output, path, options, err) == 0)
        return &json->sink;
    close_json(&json->sink);
    return NULL;
}
