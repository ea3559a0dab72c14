/* One row per connection, quoted by RFC 4180; lines end as that asks, with CR and LF. */
#include <stdlib.h>

#include "field_text.h"
#include "ranking.h"
#include "raw.h"
#include "report_internal.h"
#include "synfin/output.h"

enum { FIELDS_MAX = 512 };

struct csv_sink {
    struct sf_sink sink;
    struct sf_output output;
    const struct sf_field *fields[FIELDS_MAX];
    size_t field_count;
    struct sf_ranking ranking; /* rows wait here when an order was asked for */
    struct sf_buffer cell, row;
};

static struct csv_sink *csv_of(struct sf_sink *sink)
{
    return (struct csv_sink *)sink;
}

/* The text is quoted when it has what separates or quotes; line ends it never has. */
static void put_text(struct csv_sink *csv, struct sf_buffer *row, const char *text)
{
    const char *special = strpbrk(text, ",\"");
    if (special == NULL) {
        sf_put_plain(row, text);
        return;
    }
    sf_put_char(row, '"');
    sf_buffer_clear(&csv->cell);
    sf_put_plain(&csv->cell, text);
    sf_put_char(&csv->cell, '\0');
    const char *at = csv->cell.failed ? "" : csv->cell.data;
    for (const char *quote; (quote = strchr(at, '"')) != NULL; at = quote + 1) {
        sf_put(row, at, (size_t)(quote + 1 - at));
        sf_put_char(row, '"');
    }
    sf_put_text(row, at);
    sf_put_char(row, '"');
}

/* After the separator; two thirds of the fields are counts. */
static void put_count(struct sf_buffer *row, const char *separator, uint64_t n)
{
    char *at = sf_buffer_reserve(row, SF_RAW_ROOM);
    if (at == NULL)
        return;
    *at = *separator;
    at += *separator != '\0';
    if (n < 10)
        *at++ = (char)('0' + n);
    else if (n != SF_COUNT_UNKNOWN)
        at = sf_digits(at, n);
    row->len = (size_t)(at - row->data);
}

static int end_row(struct csv_sink *csv, struct sf_error *err)
{
    int result = sf_output_line(&csv->output, err);
    csv->sink.gone = csv->output.gone;
    return result;
}

static int put_header(struct sf_sink *sink, const struct sf_meta *meta, struct sf_error *err)
{
    struct csv_sink *csv = csv_of(sink);
    (void)meta;
    for (size_t i = 0; i < csv->field_count; i++) {
        if (i > 0)
            sf_put_char(&csv->output.buffer, ',');
        sf_put_text(&csv->output.buffer, csv->fields[i]->path);
    }
    sf_put(&csv->output.buffer, "\r\n", 2);
    return end_row(csv, err);
}

static void put_row(struct csv_sink *csv, struct sf_buffer *out, const struct sf_record *record)
{
    for (size_t i = 0; i < csv->field_count; i++) {
        const struct sf_field *field = csv->fields[i];
        const void *value = sf_field_at(field, record);
        const char *separator = i > 0 ? "," : "";
        if (field->type == SF_FIELD_COUNT) {
            put_count(out, separator, *(const uint64_t *)value);
            continue;
        }
        sf_put(out, separator, i > 0);
        if (field->type == SF_FIELD_TEXT)
            put_text(csv, out, value);
        else
            sf_put_field_text(out, field, record); /* has nothing to be quoted */
    }
    sf_put(out, "\r\n", 2);
}

static int put_record(struct sf_sink *sink, const struct sf_record *record, struct sf_error *err)
{
    struct csv_sink *csv = csv_of(sink);
    put_row(csv, &csv->output.buffer, record);
    return sf_buffer_check(&csv->cell, err) != 0 ? -1 : end_row(csv, err);
}

static int next_file(struct sf_sink *sink, const char *path, struct sf_error *err)
{
    return sf_output_next(&csv_of(sink)->output, path, err);
}

static int rank_record(struct sf_sink *sink, const struct sf_record *record, struct sf_error *err)
{
    struct csv_sink *csv = csv_of(sink);
    struct sf_ranked rank;
    if (!sf_ranking_wants(&csv->ranking, record, &rank))
        return 0;
    sf_buffer_clear(&csv->row);
    put_row(csv, &csv->row, record);
    if (sf_buffer_check(&csv->cell, err) != 0 || sf_buffer_check(&csv->row, err) != 0)
        return -1;
    return sf_ranking_add(&csv->ranking, &rank, csv->row.data, csv->row.len, err);
}

static int finish(struct sf_sink *sink, const struct sf_summary *summary, struct sf_error *err)
{
    struct csv_sink *csv = csv_of(sink);
    (void)summary;
    sf_ranking_sort(&csv->ranking);
    for (size_t i = 0; i < csv->ranking.count; i++) {
        sf_put(&csv->output.buffer, csv->ranking.items[i].line, csv->ranking.items[i].len);
        if (end_row(csv, err) != 0)
            return -1;
    }
    return sf_output_finish(&csv->output, err);
}

static int put_lines(struct sf_sink *sink, const char *text, size_t len, struct sf_error *err)
{
    struct csv_sink *csv = csv_of(sink);
    sf_put(&csv->output.buffer, text, len);
    return end_row(csv, err);
}

static int print_record(struct sf_sink *sink, const struct sf_record *record, struct sf_error *err)
{
    struct csv_sink *csv = csv_of(sink);
    put_row(csv, &csv->row, record);
    return sf_buffer_check(&csv->cell, err) != 0 ? -1 : sf_buffer_check(&csv->row, err);
}

static int join(struct sf_sink *sink, struct sf_sink *fork, struct sf_error *err)
{
    return sf_ranking_join(&csv_of(sink)->ranking, &csv_of(fork)->ranking, err);
}

static void close_csv(struct sf_sink *sink)
{
    struct csv_sink *csv = csv_of(sink);
    sf_output_dispose(&csv->output);
    sf_ranking_dispose(&csv->ranking);
    sf_buffer_dispose(&csv->cell);
    sf_buffer_dispose(&csv->row);
    free(csv);
}

/* Without a choice: every field but the timeline, which is a list that a cell cannot hold well. */
static void choose_fields(struct csv_sink *csv, const struct sf_sink_options *options)
{
    size_t count;
    const struct sf_field *table = sf_fields(&count);
    size_t wanted = options->fields != NULL ? options->field_count : count;
    for (size_t i = 0; i < wanted && csv->field_count < FIELDS_MAX; i++) {
        const struct sf_field *field = options->fields != NULL ? options->fields[i] : &table[i];
        if (options->fields != NULL || field->type != SF_FIELD_TIMELINE)
            csv->fields[csv->field_count++] = field;
    }
}

static struct sf_sink *fork_csv(struct sf_sink *sink, struct sf_error *err)
{
    const struct csv_sink *csv = csv_of(sink);
    struct csv_sink *fork = calloc(1, sizeof *fork);
    if (fork == NULL) {
        sf_fail(err, "out of memory");
        return NULL;
    }
    bool is_ranked = sink->record == rank_record;
    memcpy(fork->fields, csv->fields, sizeof fork->fields);
    fork->field_count = csv->field_count;
    fork->ranking.field = csv->ranking.field;
    fork->ranking.descending = csv->ranking.descending;
    fork->ranking.bound = csv->ranking.bound;
    fork->sink = (struct sf_sink){.name = sink->name,
                                  .record = is_ranked ? rank_record : print_record,
                                  .lines = is_ranked ? NULL : &fork->row,
                                  .close = close_csv};
    return &fork->sink;
}

struct sf_sink *sf_csv_open(const char *path, const struct sf_sink_options *options,
                            struct sf_error *err)
{
    struct csv_sink *csv = calloc(1, sizeof *csv);
    if (csv == NULL) {
        sf_fail(err, "out of memory");
        return NULL;
    }
    bool is_ranked = options->sort != NULL || options->top != 0;
    choose_fields(csv, options);
    csv->ranking.field = options->sort;
    csv->ranking.descending = options->sort_descending;
    csv->ranking.bound = options->top;
    csv->sink = (struct sf_sink){.name = "csv",
                                 .meta = put_header,
                                 .record = is_ranked ? rank_record : put_record,
                                 .next_file = is_ranked ? NULL : next_file,
                                 .finish = finish,
                                 .close = close_csv,
                                 .fork = fork_csv,
                                 .put_lines = put_lines,
                                 .join = join,
                                 .output = &csv->output};
    if (sf_lines_open(&csv->output, path, options, err) == 0)
        return &csv->sink;
    close_csv(&csv->sink);
    return NULL;
}
