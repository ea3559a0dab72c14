/* The default output: gathers what the page needs of the worst connections, prints it at the end.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "field_text.h"
#include "human.h"
#include "ranking.h"
#include "record_text.h"
#include "report_internal.h"
#include "synfin/output.h"
#include "text_page.h"

enum { TOP_DEFAULT = 50 };

struct text_sink {
    struct sf_sink sink;
    struct sf_output output;
    struct sf_sink_options options; /* its list of fields outlives the sink */
    struct sf_ranking ranking;
    struct sf_buffer line;
    uint64_t records; /* taken; not all are shown */
};

static struct text_sink *text_of(struct sf_sink *sink)
{
    return (struct text_sink *)sink;
}

static void end_cell(struct sf_buffer *line)
{
    sf_put_char(line, '\t');
}

static void put_end(struct sf_buffer *line, const struct sf_record_end *end)
{
    sf_put_end(line, end);
    end_cell(line);
}

static void put_clock(struct sf_buffer *line, sf_ns t)
{
    char text[SF_TIME_TEXT];
    if (sf_ns_known(t) && sf_time_rfc3339(text, t) >= 23)
        sf_put(line, strchr(text, 'T') + 1, 12);
    end_cell(line);
}

static void put_octets(struct sf_buffer *line, uint64_t octets)
{
    if (octets != SF_COUNT_UNKNOWN)
        sf_put_human_octets(line, octets);
    end_cell(line);
}

static void put_span(struct sf_buffer *line, sf_ns span)
{
    if (sf_ns_known(span))
        sf_put_human_span(line, span);
    end_cell(line);
}

static void put_name(struct sf_buffer *line, const char *name)
{
    if (name != NULL)
        sf_put_text(line, name);
    end_cell(line);
}

static void put_cells(struct sf_buffer *line, const struct sf_record *record)
{
    const struct sf_record_end *client = &record->end[SF_CLIENT];
    const struct sf_record_end *server = &record->end[SF_SERVER];
    sf_put_count(line, (uint64_t)record->severity);
    end_cell(line);
    sf_put_count(line, record->id);
    end_cell(line);
    put_clock(line, record->start_ns);
    put_end(line, client);
    put_end(line, server);
    put_span(line, record->duration_ns);
    put_octets(line, client->unique_bytes);
    put_octets(line, server->unique_bytes);
    put_span(line, sf_typical_rtt(record));
    sf_put_count(line, client->retransmitted_packets + server->retransmitted_packets);
    end_cell(line);
    put_name(line, sf_record_outcome(record));
    put_name(line, record->open_how);
    put_name(line, record->close_how);
    sf_put_char(line, '\n');
}

static void put_anomaly(struct sf_buffer *line, const struct sf_anomaly_entry *entry)
{
    const char *role = sf_role_name(entry->end);
    sf_put_count(line, (uint64_t)entry->severity);
    end_cell(line);
    put_name(line, sf_anomaly_name(entry->name));
    put_name(line, role != NULL ? role : "");
    sf_put_anomaly_packets(line, entry);
    end_cell(line);
    sf_put_plain(line, entry->detail);
    sf_put_char(line, '\n');
}

static void put_fields(struct text_sink *text, const struct sf_record *record)
{
    for (size_t i = 0; i < text->options.field_count; i++) {
        size_t before = text->line.len;
        sf_put_field_text(&text->line, text->options.fields[i], record);
        if (text->line.len == before)
            sf_put_char(&text->line, '-');
        end_cell(&text->line);
    }
}

static void put_line(struct text_sink *text, const struct sf_record *record)
{
    sf_buffer_clear(&text->line);
    if (text->options.fields != NULL) {
        put_fields(text, record);
        return;
    }
    put_cells(&text->line, record);
    sf_put_plain(&text->line, record->verdict);
    sf_put_char(&text->line, '\n');
    for (size_t i = 0; i < record->anomaly_count; i++)
        put_anomaly(&text->line, &record->anomalies[i]);
}

static int put_record(struct sf_sink *sink, const struct sf_record *record, struct sf_error *err)
{
    struct text_sink *text = text_of(sink);
    struct sf_ranked rank;
    text->records++;
    if (!sf_ranking_wants(&text->ranking, record, &rank))
        return 0;
    put_line(text, record);
    if (sf_buffer_check(&text->line, err) != 0)
        return -1;
    return sf_ranking_add(&text->ranking, &rank, text->line.data, text->line.len, err);
}

static void say_what_is_shown(const struct text_sink *text, struct sf_page *page,
                              const struct sf_summary *summary)
{
    char line[160];
    if (text->ranking.count == text->records && text->records == summary->connections)
        return;
    snprintf(line, sizeof line, "%zu of %" PRIu64 " connections shown%s", text->ranking.count,
             summary->connections,
             text->ranking.count < text->records ? "; --top 0 shows all" : "");
    sf_text_page_line(page, "");
    sf_text_page_line(page, line);
}

static int finish(struct sf_sink *sink, const struct sf_summary *summary, struct sf_error *err)
{
    struct text_sink *text = text_of(sink);
    struct sf_page page = {.out = &text->output.buffer,
                           .width = text->options.width,
                           .color = text->options.color,
                           .unicode = text->options.unicode};
    sf_ranking_sort(&text->ranking);
    if (text->options.fields != NULL) {
        sf_text_page_fields(&page, text->options.fields, text->options.field_count,
                            text->ranking.items, text->ranking.count);
    } else {
        sf_text_page_summary(&page, summary);
        sf_text_page_connections(&page, text->ranking.items, text->ranking.count);
        say_what_is_shown(text, &page, summary);
    }
    int result = sf_output_finish(&text->output, err);
    text->sink.gone = text->output.gone;
    return result;
}

static int join(struct sf_sink *sink, struct sf_sink *fork, struct sf_error *err)
{
    text_of(sink)->records += text_of(fork)->records;
    return sf_ranking_join(&text_of(sink)->ranking, &text_of(fork)->ranking, err);
}

static void close_text(struct sf_sink *sink)
{
    struct text_sink *text = text_of(sink);
    sf_output_dispose(&text->output);
    sf_ranking_dispose(&text->ranking);
    sf_buffer_dispose(&text->line);
    free(text);
}

/* Without an output. NULL with *err. */
static struct text_sink *new_text(const struct sf_sink_options *options, struct sf_error *err)
{
    struct text_sink *text = calloc(1, sizeof *text);
    if (text == NULL) {
        sf_fail(err, "out of memory");
        return NULL;
    }
    text->options = *options;
    text->ranking.bound = options->top != 0 ? options->top : TOP_DEFAULT;
    text->ranking.field = options->sort;
    text->ranking.descending = options->sort_descending;
    text->sink = (struct sf_sink){.name = "text", .record = put_record, .close = close_text};
    return text;
}

static struct sf_sink *fork_text(struct sf_sink *sink, struct sf_error *err)
{
    struct text_sink *fork = new_text(&text_of(sink)->options, err);
    return fork == NULL ? NULL : &fork->sink;
}

struct sf_sink *sf_text_open(const char *path, const struct sf_sink_options *options,
                             struct sf_error *err)
{
    struct text_sink *text = new_text(options, err);
    if (text == NULL)
        return NULL;
    text->sink.finish = finish;
    text->sink.fork = fork_text;
    text->sink.join = join;
    if (sf_output_open(&text->output, path, false, err) == 0)
        return &text->sink;
    close_text(&text->sink);
    return NULL;
}
