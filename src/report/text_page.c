/* Columns, wrapping and colour. Nothing is printed wider than the page. */
#include "text_page.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "human.h"

enum {
    INDENT_SUMMARY = 14,
    WIDE = 100,
    GAP = 2,
    NARROW_GAP = 1,
    VERDICT_LINES = 3,
    ANOMALY_LINES = 200
};

void sf_text_page_line(struct sf_page *page, const char *text)
{
    sf_page_wrap(page, SF_PLAIN, text, strlen(text), 0, 4);
}

static void put_joined_count(struct sf_buffer *text, uint64_t n)
{
    size_t begin = text->len;
    sf_put_human_count(text, n);
    for (size_t i = begin; i < text->len; i++)
        if (text->data[i] == ' ')
            text->data[i] = SF_PAGE_JOINT;
    sf_put_char(text, SF_PAGE_JOINT);
}

static void put_topic(struct sf_page *page, const char *topic, const struct sf_buffer *text)
{
    sf_page_put(page, SF_BOLD, topic, strlen(topic));
    sf_page_spaces(page, INDENT_SUMMARY - strlen(topic));
    sf_page_wrap(page, SF_PLAIN, text->data == NULL ? "" : text->data, text->len, INDENT_SUMMARY,
                 12);
}

static void put_inputs(struct sf_page *page, struct sf_buffer *text,
                       const struct sf_summary *summary)
{
    sf_buffer_clear(text);
    for (size_t i = 0; i < summary->input_count && i < 8; i++) {
        sf_put_text(text, i > 0 ? ", " : "");
        sf_put_plain(text, summary->inputs[i].name);
    }
    if (summary->input_count > 8)
        sf_put_format(text, " and %zu more", summary->input_count - 8);
    put_topic(page, summary->input_count == 1 ? "input" : "inputs", text);
}

static void put_packets(struct sf_page *page, struct sf_buffer *text,
                        const struct sf_summary *summary)
{
    sf_buffer_clear(text);
    sf_put_human_count(text, summary->packets);
    if (summary->packets > 0) {
        sf_put_text(text, ", ");
        sf_put_human_count(text, summary->tcp_packets);
        sf_put_format(text, " of TCP (%.0f %%)",
                      (double)summary->tcp_packets / (double)summary->packets * 100);
    }
    if (summary->dropped > 0) {
        sf_put_text(text, "; the capture dropped ");
        sf_put_human_count(text, summary->dropped);
    }
    if (summary->capture_duplicates > 0) {
        sf_put_text(text, "; captured twice: ");
        sf_put_human_count(text, summary->capture_duplicates);
    }
    put_topic(page, "packets", text);
}

static void put_times(struct sf_page *page, struct sf_buffer *text,
                      const struct sf_summary *summary)
{
    if (!sf_ns_known(summary->first_ns) || !sf_ns_known(summary->last_ns))
        return;
    char first[SF_TIME_TEXT], last[SF_TIME_TEXT];
    sf_time_rfc3339(first, summary->first_ns);
    sf_time_rfc3339(last, summary->last_ns);
    bool is_same_day = strncmp(first, last, 10) == 0;
    sf_buffer_clear(text);
    sf_put_format(text, "%.10s %.12s to %.*s%s%.12s UTC, ", first, first + 11, is_same_day ? 0 : 10,
                  last, is_same_day ? "" : " ", last + 11);
    sf_put_human_span(text, summary->last_ns - summary->first_ns);
    put_topic(page, "time", text);
}

static int compare_counts(const void *left, const void *right)
{
    const struct sf_name_count *a = left, *b = right;
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    return strcmp(a->name, b->name);
}

/* "1 100 handshake, 50 refused": largest first, zeros left away. */
static void put_counts(struct sf_page *page, struct sf_buffer *text, const char *topic,
                       const struct sf_name_count *counts)
{
    struct sf_name_count sorted[SF_ANOMALY_COUNT + 1];
    size_t n = 0;
    for (; counts != NULL && counts->name != NULL && n < SF_ANOMALY_COUNT; counts++)
        if (counts->count > 0)
            sorted[n++] = *counts;
    if (n == 0)
        return;
    qsort(sorted, n, sizeof sorted[0], compare_counts);
    sf_buffer_clear(text);
    for (size_t i = 0; i < n; i++) {
        sf_put_text(text, i > 0 ? ", " : "");
        put_joined_count(text, sorted[i].count);
        sf_put_text(text, sorted[i].name);
    }
    put_topic(page, topic, text);
}

static void put_undecoded(struct sf_page *page, struct sf_buffer *text,
                          const struct sf_summary *summary)
{
    struct sf_name_count counts[SF_VERDICT_COUNT + 1] = {0};
    size_t n = 0;
    for (unsigned v = SF_VERDICT_OK + 1; v < SF_VERDICT_COUNT; v++) {
        counts[n].name = sf_verdict_name((enum sf_verdict)v);
        counts[n++].count = summary->undecoded[v];
    }
    put_counts(page, text, "left out", counts);
}

static void put_damage(struct sf_page *page, struct sf_buffer *text,
                       const struct sf_summary *summary)
{
    for (size_t i = 0; i < summary->input_count; i++) {
        if (!summary->inputs[i].damaged && !summary->inputs[i].unreadable)
            continue;
        sf_buffer_clear(text);
        sf_put_plain(text, summary->inputs[i].error.text);
        put_topic(page, "damaged", text);
    }
}

static void put_findings(struct sf_page *page, struct sf_buffer *text,
                         const struct sf_summary *summary)
{
    for (size_t i = 0; i < summary->finding_count; i++) {
        sf_buffer_clear(text);
        sf_put_text(text, summary->findings[i].detail);
        put_topic(page, summary->findings[i].name, text);
    }
}

void sf_text_page_summary(struct sf_page *page, const struct sf_summary *summary)
{
    struct sf_buffer text = {0};
    put_inputs(page, &text, summary);
    put_packets(page, &text, summary);
    put_undecoded(page, &text, summary);
    put_times(page, &text, summary);
    sf_buffer_clear(&text);
    sf_put_human_count(&text, summary->connections);
    if (summary->evicted > 0)
        sf_put_format(&text, ", %" PRIu64 " given up early for lack of memory", summary->evicted);
    put_topic(page, "connections", &text);
    put_counts(page, &text, "opened", summary->open_how);
    put_counts(page, &text, "closed", summary->close_how);
    put_counts(page, &text, "anomalies", summary->anomalies);
    put_damage(page, &text, summary);
    put_findings(page, &text, summary);
    sf_buffer_dispose(&text);
}

/* A cell inside a ranked line. */
struct cell {
    const char *text;
    size_t len;
};

/* The next cell, up to a tab, a line end or the end; *at moves past it. */
static struct cell next_cell(const char **at)
{
    struct cell cell = {*at, strcspn(*at, "\t\n")};
    *at += cell.len;
    if (**at == '\t')
        ++*at;
    return cell;
}

struct column {
    const char *title;
    bool is_right;
    bool is_wide;   /* only on a wide page */
    bool is_narrow; /* only on a narrow one */
    bool is_hidden;
    size_t width;
};

static const struct column layout[SF_CELLS] = {
    [SF_CELL_SEVERITY] = {.title = " "},
    [SF_CELL_ID] = {.title = "id", .is_right = true},
    [SF_CELL_START] = {.title = "start", .is_wide = true},
    [SF_CELL_CLIENT] = {.title = "client"},
    [SF_CELL_SERVER] = {.title = "server"},
    [SF_CELL_TIME] = {.title = "time", .is_right = true},
    [SF_CELL_SENT] = {.title = "sent", .is_right = true},
    [SF_CELL_RECEIVED] = {.title = "received", .is_right = true},
    [SF_CELL_RTT] = {.title = "rtt", .is_right = true, .is_wide = true},
    [SF_CELL_RESENT] = {.title = "resent", .is_right = true, .is_wide = true},
    [SF_CELL_OUTCOME] = {.title = "end", .is_narrow = true},
    [SF_CELL_OPENED] = {.title = "opened", .is_wide = true},
    [SF_CELL_CLOSED] = {.title = "closed", .is_wide = true},
};

static void measure(struct column *columns, size_t column_count, const struct sf_ranked *items,
                    size_t count)
{
    for (size_t c = 0; c < column_count; c++)
        columns[c].width = strlen(columns[c].title);
    for (size_t i = 0; i < count; i++) {
        const char *at = items[i].line;
        for (size_t c = 0; c < column_count; c++) {
            struct cell cell = next_cell(&at);
            size_t width = sf_text_columns(cell.text, cell.len);
            columns[c].width = width > columns[c].width ? width : columns[c].width;
        }
    }
}

static size_t table_width(const struct column *columns, size_t column_count, size_t gap)
{
    size_t width = 0;
    for (size_t c = 0; c < column_count; c++)
        if (!columns[c].is_hidden)
            width += columns[c].width + (width > 0 ? gap : 0);
    return width;
}

/* Makes the table fit: smaller gaps, then fewer columns, then shorter addresses, of which the
 * longer gives first. Returns the gap. */
static size_t squeeze(const struct sf_page *page, struct column *columns)
{
    static const enum sf_text_cell dispensable[] = {SF_CELL_START, SF_CELL_RTT, SF_CELL_TIME};
    if (table_width(columns, SF_CELLS, GAP) <= page->width)
        return GAP;
    for (size_t i = 0; i < sizeof dispensable / sizeof dispensable[0]; i++)
        if (table_width(columns, SF_CELLS, NARROW_GAP) > page->width)
            columns[dispensable[i]].is_hidden = true;
    size_t width = table_width(columns, SF_CELLS, NARROW_GAP);
    size_t *client = &columns[SF_CELL_CLIENT].width, *server = &columns[SF_CELL_SERVER].width;
    for (; width > page->width && *client + *server > 16; width--)
        --*(*client > *server ? client : server);
    return NARROW_GAP;
}

static enum sf_severity severity_of(struct cell cell)
{
    unsigned severity = cell.len == 1 ? (unsigned)(cell.text[0] - '0') : 0;
    return severity <= SF_PROBLEM ? (enum sf_severity)severity : SF_SEVERITY_OK;
}

/* The cell in its column's width; what is too long loses its beginning (a port stands at the end)
 * or, in the last column, its end. */
static void put_cell(struct sf_page *page, const struct column *column, struct cell cell,
                     enum sf_style style, bool is_last)
{
    size_t columns = sf_text_columns(cell.text, cell.len);
    if (columns > column->width) {
        size_t cut = sf_page_octets(cell.text, cell.len, columns - column->width + 1);
        sf_put_text(page->out, sf_page_ellipsis(page));
        sf_page_put(page, style, cell.text + cut, cell.len - cut);
        return;
    }
    if (column->is_right)
        sf_page_spaces(page, column->width - columns);
    sf_page_put(page, style, cell.text, cell.len);
    if (!column->is_right && !is_last)
        sf_page_spaces(page, column->width - columns);
}

static size_t last_shown(const struct column *columns, size_t column_count)
{
    size_t last = 0;
    for (size_t c = 0; c < column_count; c++)
        if (!columns[c].is_hidden)
            last = c;
    return last;
}

static void put_titles(struct sf_page *page, const struct column *columns, size_t column_count,
                       size_t gap)
{
    size_t last = last_shown(columns, column_count);
    for (size_t c = 0; c <= last; c++) {
        struct cell title = {columns[c].title, strlen(columns[c].title)};
        if (columns[c].is_hidden)
            continue;
        put_cell(page, &columns[c], title, SF_BOLD, c == last);
        if (c != last)
            sf_page_spaces(page, gap);
    }
    sf_put_char(page->out, '\n');
}

/* Returns what follows the row's cells in the line. */
static const char *put_row(struct sf_page *page, const struct column *columns, size_t gap,
                           const char *line)
{
    size_t last = last_shown(columns, SF_CELLS);
    unsigned severity = 0;
    for (size_t c = 0; c < SF_CELLS; c++) {
        struct cell cell = next_cell(&line);
        enum sf_style style = SF_PLAIN;
        if (c == SF_CELL_SEVERITY) {
            severity = severity_of(cell);
            cell.text = sf_page_severity_mark(page, severity);
            cell.len = strlen(cell.text);
        }
        if (columns[c].is_hidden)
            continue;
        if (c == SF_CELL_SEVERITY || c == SF_CELL_OUTCOME || c == SF_CELL_CLOSED)
            style = sf_page_severity_style(severity);
        put_cell(page, &columns[c], cell, style, c == last);
        if (c != last)
            sf_page_spaces(page, gap);
    }
    sf_put_char(page->out, '\n');
    return line + (*line == '\n');
}

static void put_verdict(struct sf_page *page, const struct column *columns, size_t gap,
                        const char *line)
{
    size_t indent = columns[SF_CELL_SEVERITY].width + columns[SF_CELL_ID].width + 2 * gap;
    struct cell verdict = {line, strcspn(line, "\n")};
    if (verdict.len == 0)
        return;
    sf_page_spaces(page, indent);
    sf_page_wrap(page, SF_DIM, verdict.text, verdict.len, indent, VERDICT_LINES);
}

/* The part of a ranked line that lists its anomalies. */
static const char *anomalies_of(const struct sf_ranked *item)
{
    const char *line = strchr(item->line, '\n');
    if (line != NULL)
        line = strchr(line + 1, '\n');
    return line != NULL ? line + 1 : "";
}

struct anomaly_widths {
    size_t id, name, end, packets;
};

static void widen(size_t *width, struct cell cell)
{
    size_t columns = sf_text_columns(cell.text, cell.len);
    *width = columns > *width ? columns : *width;
}

static size_t measure_anomalies(struct anomaly_widths *widths, const struct sf_ranked *items,
                                size_t count)
{
    size_t lines = 0;
    for (size_t i = 0; i < count; i++)
        for (const char *at = anomalies_of(&items[i]); *at != '\0'; lines++) {
            next_cell(&at);
            widen(&widths->name, next_cell(&at));
            widen(&widths->end, next_cell(&at));
            widen(&widths->packets, next_cell(&at));
            next_cell(&at);
            at += *at == '\n';
        }
    return lines;
}

/* Detail beside the rest where it fits, below it otherwise. */
static void put_detail(struct sf_page *page, const struct anomaly_widths *widths,
                       struct cell detail, size_t packets_len)
{
    size_t indent = 1 + widths->id + widths->name + widths->end + widths->packets + 5 * GAP;
    size_t below = 1 + widths->id + 2 * GAP;
    if (detail.len == 0) {
        sf_put_char(page->out, '\n');
        return;
    }
    if (indent + sf_text_columns(detail.text, detail.len) <= page->width) {
        sf_page_spaces(page, widths->packets - packets_len + GAP);
        sf_page_wrap(page, SF_DIM, detail.text, detail.len, indent, 1);
        return;
    }
    sf_put_char(page->out, '\n');
    sf_page_spaces(page, below + GAP);
    sf_page_wrap(page, SF_DIM, detail.text, detail.len, below + GAP, 2);
}

static const char *put_anomaly(struct sf_page *page, const struct anomaly_widths *widths,
                               uint64_t id, const char *at)
{
    enum sf_severity severity = severity_of(next_cell(&at));
    struct cell name = next_cell(&at), end = next_cell(&at), packets = next_cell(&at);
    struct cell detail = next_cell(&at);
    const char *mark = sf_page_severity_mark(page, severity);
    struct column columns[] = {{.width = 1},
                               {.width = widths->id, .is_right = true},
                               {.width = widths->name},
                               {.width = widths->end}};
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRIu64, id);
    const struct cell cells[] = {{mark, strlen(mark)}, {digits, strlen(digits)}, name, end};
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++) {
        put_cell(page, &columns[i], cells[i],
                 i == 0 || i == 2 ? sf_page_severity_style(severity) : SF_PLAIN, false);
        sf_page_spaces(page, GAP);
    }
    sf_put(page->out, packets.text, packets.len);
    put_detail(page, widths, detail, packets.len);
    return at + (*at == '\n');
}

static void put_anomalies(struct sf_page *page, const struct sf_ranked *items, size_t count,
                          size_t id_width)
{
    struct anomaly_widths widths = {.id = id_width};
    size_t lines = measure_anomalies(&widths, items, count), printed = 0;
    if (lines == 0)
        return;
    sf_put_char(page->out, '\n');
    sf_page_put(page, SF_BOLD, "anomalies", strlen("anomalies"));
    sf_put_char(page->out, '\n');
    for (size_t i = 0; i < count; i++)
        for (const char *at = anomalies_of(&items[i]); *at != '\0'; printed++) {
            if (printed == ANOMALY_LINES) {
                sf_put_format(page->out, "and %zu more (--json has all)\n", lines - printed);
                return;
            }
            at = put_anomaly(page, &widths, items[i].id, at);
        }
}

void sf_text_page_connections(struct sf_page *page, struct sf_ranked *items, size_t count)
{
    struct column columns[SF_CELLS];
    if (count == 0)
        return;
    memcpy(columns, layout, sizeof columns);
    bool is_wide = page->width >= WIDE;
    for (size_t c = 0; c < SF_CELLS; c++)
        columns[c].is_hidden = is_wide ? columns[c].is_narrow : columns[c].is_wide;
    measure(columns, SF_CELLS, items, count);
    columns[SF_CELL_SEVERITY].width = 1;
    size_t gap = squeeze(page, columns);
    sf_put_char(page->out, '\n');
    put_titles(page, columns, SF_CELLS, gap);
    for (size_t i = 0; i < count; i++)
        put_verdict(page, columns, gap, put_row(page, columns, gap, items[i].line));
    put_anomalies(page, items, count, columns[SF_CELL_ID].width);
}

static bool is_number(const struct sf_field *field)
{
    return field->type == SF_FIELD_COUNT || field->type == SF_FIELD_REAL ||
           field->type == SF_FIELD_DURATION;
}

void sf_text_page_fields(struct sf_page *page, const struct sf_field *const *fields,
                         size_t field_count, struct sf_ranked *items, size_t count)
{
    struct column *columns = calloc(field_count, sizeof *columns);
    if (columns == NULL) {
        page->out->failed = true;
        return;
    }
    for (size_t c = 0; c < field_count; c++) {
        columns[c].title = fields[c]->path;
        columns[c].is_right = is_number(fields[c]);
    }
    measure(columns, field_count, items, count);
    put_titles(page, columns, field_count, GAP);
    for (size_t i = 0; i < count; i++) {
        const char *at = items[i].line;
        for (size_t c = 0; c < field_count; c++) {
            bool is_last = c + 1 == field_count;
            put_cell(page, &columns[c], next_cell(&at), SF_PLAIN, is_last);
            sf_page_spaces(page, is_last ? 0 : GAP);
        }
        sf_put_char(page->out, '\n');
    }
    free(columns);
}
