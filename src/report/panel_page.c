/* The lines of the live screen. Parts that find no room are left away, the least telling first. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "human.h"
#include "page.h"
#include "panel_internal.h"
#include "record_text.h"

enum {
    LONG_STATES = 112, /* columns from which states stand in full */
    STATES_ROOM = 16,  /* lines below which the table of states is left away */
    NEWS_ROOM = 12,    /* and the anomalies */
};

struct draw {
    struct sf_panel *panel;
    const struct sf_panel_view *view;
    struct sf_buffer text; /* of the line at hand */
    struct sf_buffer *out;
    unsigned lines; /* so far */
};

/* --- room ------------------------------------------------------------------------------------- */

struct panel_layout sf_panel_layout(const struct sf_panel *panel)
{
    struct panel_layout layout = {.totals = 3, .foot = 1};
    unsigned height = panel->height;
    if (height < 6) { /* totals, and a row or two without headings */
        layout.totals = height > 1 ? 2 : 1;
        layout.foot = 0;
    }
    if (height >= STATES_ROOM)
        layout.states = 3;
    unsigned fixed = layout.totals + layout.states + layout.foot;
    unsigned rest = height > fixed ? height - fixed : 0;
    if (height >= NEWS_ROOM)
        layout.news = rest / 3 < 3 ? 3 : rest / 3;
    layout.table = rest - layout.news;
    return layout;
}

unsigned sf_panel_table_rows(const struct sf_panel *panel)
{
    unsigned lines = sf_panel_layout(panel).table;
    return lines > 2 ? lines - 2 : 0;
}

unsigned sf_panel_news_rows(const struct sf_panel *panel)
{
    unsigned lines = sf_panel_layout(panel).news;
    return lines > 1 ? lines - 1 : 0;
}

/* --- lines ------------------------------------------------------------------------------------ */

static void begin_line(struct draw *draw)
{
    if (draw->lines++ > 0)
        sf_put_char(draw->out, '\n');
}

/* The text as a line: cut where it is too wide, to the end of the line where it is reversed. */
static void put_line(struct draw *draw, enum sf_style style)
{
    const struct sf_panel *panel = draw->panel;
    bool is_colour = style == SF_RED || style == SF_YELLOW;
    struct sf_page page = {.out = draw->out,
                           .width = panel->width,
                           .color = !is_colour || panel->color,
                           .unicode = panel->unicode};
    size_t columns = draw->text.len > 0 ? sf_text_columns(draw->text.data, draw->text.len) : 0;
    for (; style == SF_REVERSE && columns < panel->width; columns++)
        sf_put_char(&draw->text, ' ');
    begin_line(draw);
    if (draw->text.len > 0)
        sf_page_put(&page, style, draw->text.data,
                    sf_page_octets(draw->text.data, draw->text.len, panel->width));
    sf_buffer_clear(&draw->text);
}

static void put_blank_lines(struct draw *draw, unsigned until)
{
    while (draw->lines < until)
        put_line(draw, SF_PLAIN);
}

/* Blanks until the text is so many columns wide. */
static void pad(struct sf_buffer *text, size_t begin, size_t columns)
{
    size_t have = text->len > begin ? sf_text_columns(text->data + begin, text->len - begin) : 0;
    for (; have < columns; have++)
        sf_put_char(text, ' ');
}

/* A cell; too wide a text loses its head, since a port or a unit stands at its end. */
static void put_cell(struct draw *draw, const struct sf_buffer *cell, size_t width, bool is_right)
{
    const char *ellipsis = draw->panel->unicode ? "\xe2\x80\xa6" : "~";
    const char *at = cell->len > 0 ? cell->data : "";
    size_t len = cell->len, columns = sf_text_columns(at, len);
    size_t begin = draw->text.len;
    if (columns > width) {
        size_t skip = sf_page_octets(at, len, columns - width + 1);
        sf_put_text(&draw->text, ellipsis);
        at += skip;
        len -= skip;
    }
    for (size_t i = columns; is_right && i < width; i++)
        sf_put_char(&draw->text, ' ');
    sf_put(&draw->text, at, len);
    pad(&draw->text, begin, width);
}

/* Text at the right end of the line, where there is room. */
static void put_right(struct draw *draw, const char *text)
{
    size_t have = draw->text.len > 0 ? sf_text_columns(draw->text.data, draw->text.len) : 0;
    size_t wanted = sf_text_columns(text, strlen(text));
    if (have + 1 + wanted > draw->panel->width)
        return;
    pad(&draw->text, 0, draw->panel->width - wanted);
    sf_put_text(&draw->text, text);
}

/* --- totals ----------------------------------------------------------------------------------- */

/* "0", "12", "12.3 k": of something a second. */
static void put_rate(struct sf_buffer *text, double rate)
{
    static const char *const units[] = {"", " k", " M", " G", " T"};
    size_t unit = 0;
    for (; rate >= 999.5 && unit + 1 < sizeof units / sizeof units[0]; unit++)
        rate /= 1000;
    bool is_small = rate > 0 && rate < 9.95;
    sf_put_format(text, is_small || (unit > 0 && rate < 99.5) ? "%.1f%s" : "%.0f%s", rate,
                  units[unit]);
}

static void put_number(struct sf_buffer *text, const char *before, uint64_t n, const char *after)
{
    sf_put_text(text, before);
    sf_put_human_count(text, n);
    sf_put_text(text, after);
}

/* Whole seconds: what is younger is no matter of age. */
static void put_age(struct sf_buffer *text, sf_ns age)
{
    if (age < SF_SEC)
        sf_put_text(text, "< 1 s");
    else if (age < 60 * SF_SEC)
        sf_put_format(text, "%d s", (int)(age / SF_SEC));
    else
        sf_put_human_span(text, age);
}

static void put_title(struct draw *draw)
{
    const struct sf_panel_view *view = draw->view;
    sf_put_text(&draw->text, "synfin  ");
    sf_put_plain(&draw->text, view->source);
    sf_put_text(&draw->text, "  ");
    put_age(&draw->text, view->now_ns - view->begin_ns);
    put_right(draw, draw->panel->is_paused ? "PAUSED  p goes on" : "h help  q quit");
    put_line(draw, SF_REVERSE);
}

static void put_packets(struct draw *draw)
{
    const struct sf_panel_view *view = draw->view;
    struct sf_buffer *text = &draw->text;
    put_number(text, "packets ", view->packets, "  ");
    put_rate(text, view->packet_rate);
    put_number(text, "/s   dropped ", view->dropped, "");
    if (view->dropped > 0) {
        sf_put_text(text, "  ");
        put_rate(text, view->drop_rate);
        sf_put_text(text, "/s");
    }
    put_number(text, "   TCP ", view->tcp_packets, "  ");
    put_rate(text, view->bit_rate);
    sf_put_text(text, view->bit_rate < 999.5 ? " bit/s" : "bit/s");
    put_line(draw, view->dropped > 0 ? SF_RED : SF_PLAIN);
}

static void put_connections(struct draw *draw)
{
    const struct sf_panel_view *view = draw->view;
    struct sf_buffer *text = &draw->text;
    put_number(text, "connections ", view->opened, "  ");
    put_rate(text, view->open_rate);
    put_number(text, "/s   open ", view->open, "");
    put_number(text, "   in handshake ", view->opening, "");
    put_number(text, "   reported ", view->reported, "");
    put_line(draw, SF_PLAIN);
}

/* --- states ----------------------------------------------------------------------------------- */

/* Both ends CLOSED is not open: no column. */
static const struct {
    const char *title; /* of a column: 7 columns */
    const char *code;  /* of an end in a pair */
    const char *name;  /* of both ends */
} states[SF_STATE_COUNT] = {
    [SF_STATE_NONE] = {"", "-", "-"},
    [SF_CLOSED] = {" CLOSED", "CL", "CLOSED"},
    [SF_SYN_SENT] = {"SYN-SNT", "SS", "SYN-SENT"},
    [SF_SYN_RECEIVED] = {"SYN-RCV", "SR", "SYN-RCVD"},
    [SF_ESTABLISHED] = {"  ESTAB", "ES", "ESTAB"},
    [SF_FIN_WAIT_1] = {" FIN-W1", "FW1", "FIN-W1"},
    [SF_FIN_WAIT_2] = {" FIN-W2", "FW2", "FIN-W2"},
    [SF_CLOSE_WAIT] = {"CLOSE-W", "CW", "CLOSE-W"},
    [SF_CLOSING] = {"CLOSING", "CG", "CLOSING"},
    [SF_LAST_ACK] = {"LAST-AC", "LA", "LAST-ACK"},
    [SF_TIME_WAIT] = {" TIME-W", "TW", "TIME-W"},
};

static void put_state_counts(struct draw *draw, enum sf_role role)
{
    struct sf_buffer cell = {0};
    sf_put_text(&draw->text, sf_role_name(role));
    for (int state = SF_SYN_SENT; state <= SF_TIME_WAIT; state++) {
        uint64_t count = draw->view->states[role][state];
        sf_buffer_clear(&cell);
        if (count < 1000000)
            sf_put_count(&cell, count);
        else
            sf_put_human_octets(&cell, count);
        if (count >= 1000000)
            cell.len--; /* "1.2 MB" without its B */
        sf_put_char(&draw->text, ' ');
        put_cell(draw, &cell, 7, true);
    }
    put_line(draw, SF_PLAIN);
    sf_buffer_dispose(&cell);
}

static void put_states(struct draw *draw)
{
    sf_put_text(&draw->text, "ends  ");
    for (int state = SF_SYN_SENT; state <= SF_TIME_WAIT; state++)
        sf_put_format(&draw->text, " %s", states[state].title);
    put_line(draw, SF_DIM);
    put_state_counts(draw, SF_CLIENT);
    put_state_counts(draw, SF_SERVER);
}

/* --- connections ------------------------------------------------------------------------------ */

static void put_state(struct sf_buffer *cell, const struct sf_panel_row *row, bool is_long)
{
    enum sf_tcp_state client = row->state[SF_CLIENT], server = row->state[SF_SERVER];
    if (row->outcome != NULL) {
        sf_put_text(cell, row->outcome);
    } else if (is_long) {
        const char *name = sf_state_name(client), *other = sf_state_name(server);
        sf_put_text(cell, name != NULL ? name : "-");
        if (client != server)
            sf_put_format(cell, "/%s", other != NULL ? other : "-");
    } else if (client == server || client == SF_SYN_SENT) {
        sf_put_text(cell, states[server > client ? server : client].name);
    } else {
        sf_put_format(cell, "%s/%s", states[client].code, states[server].code);
    }
}

enum column {
    COLUMN_CLIENT,
    COLUMN_SERVER,
    COLUMN_STATE,
    COLUMN_RTT,
    COLUMN_RESENT,
    COLUMN_BYTES,
    COLUMN_AGE,
    COLUMNS
};

/* Of a width of 0: takes its part of what is left. */
static const struct {
    const char *title;
    unsigned width, width_long;
    unsigned from; /* columns of the terminal below which it is left away */
    bool is_right;
} columns[COLUMNS] = {
    [COLUMN_CLIENT] = {"client", 0, 0, 0, false}, [COLUMN_SERVER] = {"server", 0, 0, 0, false},
    [COLUMN_STATE] = {"state", 10, 23, 0, false}, [COLUMN_RTT] = {"rtt", 7, 7, 56, true},
    [COLUMN_RESENT] = {"again", 5, 5, 64, true},  [COLUMN_BYTES] = {"bytes", 6, 6, 72, true},
    [COLUMN_AGE] = {"age", 6, 6, 80, true},
};

static unsigned width_of(const struct sf_panel *panel, enum column column)
{
    bool is_long = panel->width >= LONG_STATES;
    unsigned fixed = 2;
    if (panel->width < columns[column].from)
        return 0;
    if (columns[column].width > 0)
        return is_long ? columns[column].width_long : columns[column].width;
    for (int i = COLUMN_STATE; i < COLUMNS; i++) {
        unsigned width = width_of(panel, (enum column)i);
        fixed += width > 0 ? width + 1 : 0;
    }
    return panel->width > fixed + 12 ? (panel->width - fixed) / 2 - 1 : 5;
}

static void fill_cell(const struct draw *draw, const struct sf_panel_row *row, enum column column,
                      struct sf_buffer *cell)
{
    const struct sf_panel_end *client = &row->end[SF_CLIENT], *server = &row->end[SF_SERVER];
    sf_ns end = row->outcome != NULL ? row->end_ns : draw->view->now_ns;
    switch (column) {
    case COLUMN_CLIENT: sf_put_socket(cell, client->ip, client->port); break;
    case COLUMN_SERVER: sf_put_socket(cell, server->ip, server->port); break;
    case COLUMN_STATE: put_state(cell, row, draw->panel->width >= LONG_STATES); break;
    case COLUMN_RTT:
        if (sf_ns_known(row->rtt_ns))
            sf_put_human_span(cell, row->rtt_ns);
        else
            sf_put_char(cell, '-');
        break;
    case COLUMN_RESENT: sf_put_count(cell, row->resent); break;
    case COLUMN_BYTES: sf_put_human_octets(cell, row->bytes); break;
    case COLUMN_AGE: put_age(cell, end - row->start_ns); break;
    case COLUMNS: break;
    }
}

static void put_mark(struct draw *draw, enum sf_severity severity)
{
    struct sf_page page = {.unicode = draw->panel->unicode};
    sf_put_text(&draw->text, sf_page_severity_mark(&page, severity));
    sf_put_char(&draw->text, ' ');
}

static void put_row(struct draw *draw, const struct sf_panel_row *row, bool is_selected)
{
    struct sf_buffer cell = {0};
    put_mark(draw, row->severity);
    for (int i = 0; i < COLUMNS; i++) {
        unsigned width = width_of(draw->panel, (enum column)i);
        if (width == 0)
            continue;
        sf_buffer_clear(&cell);
        fill_cell(draw, row, (enum column)i, &cell);
        put_cell(draw, &cell, width, columns[i].is_right);
        sf_put_char(&draw->text, ' ');
    }
    put_line(draw, is_selected ? SF_REVERSE : sf_page_severity_style(row->severity));
    sf_buffer_dispose(&cell);
}

static void put_column_titles(struct draw *draw)
{
    sf_put_text(&draw->text, "  ");
    for (int i = 0; i < COLUMNS; i++) {
        unsigned width = width_of(draw->panel, (enum column)i);
        if (width == 0)
            continue;
        sf_put_format(&draw->text, columns[i].is_right ? "%*s " : "%-*s ", (int)width,
                      columns[i].title);
    }
    put_line(draw, SF_DIM);
}

/* The selected connection keeps its light while it moves about the table; scrolls to it. */
static void settle_rows(struct sf_panel *panel, const struct sf_panel_view *view, size_t seen)
{
    if (panel->selected_id == 0)
        panel->row_at = 0;
    for (size_t i = 0; i < view->row_count; i++)
        if (panel->selected_id != 0 && view->rows[i].id == panel->selected_id)
            panel->row_at = i;
    if (panel->row_at >= view->row_count)
        panel->row_at = view->row_count > 0 ? view->row_count - 1 : 0;
    if (panel->row_at < panel->row_top)
        panel->row_top = panel->row_at;
    if (seen > 0 && panel->row_at >= panel->row_top + seen)
        panel->row_top = panel->row_at - seen + 1;
    if (panel->row_top + seen > view->row_count)
        panel->row_top = view->row_count > seen ? view->row_count - seen : 0;
}

static void put_table_heading(struct draw *draw, size_t seen)
{
    const struct sf_panel *panel = draw->panel;
    const struct sf_panel_view *view = draw->view;
    char place[64];
    size_t last = panel->row_top + seen < view->row_count ? panel->row_top + seen : view->row_count;
    sf_put_format(&draw->text, "connections by %s", sf_panel_sort_name(panel->wish.sort));
    if (panel->wish.filter[0] != '\0') {
        sf_put_text(&draw->text, "  where ");
        sf_put_plain(&draw->text, panel->wish.filter);
    }
    snprintf(place, sizeof place, "%zu-%zu of %zu%s", view->row_count > 0 ? panel->row_top + 1 : 0,
             last, view->row_count, view->row_count == SF_PANEL_ROWS ? " kept" : "");
    put_right(draw, place);
    put_line(draw, SF_BOLD);
}

static void put_table(struct draw *draw, unsigned lines)
{
    struct sf_panel *panel = draw->panel;
    const struct sf_panel_view *view = draw->view;
    unsigned until = draw->lines + lines;
    size_t seen = sf_panel_table_rows(panel);
    settle_rows(panel, view, seen);
    if (lines > 0)
        put_table_heading(draw, seen);
    if (lines > 1)
        put_column_titles(draw);
    for (size_t i = panel->row_top; i < view->row_count && draw->lines < until; i++)
        put_row(draw, &view->rows[i], i == panel->row_at && !panel->is_in_news);
    if (view->row_count == 0 && draw->lines < until) {
        sf_put_text(&draw->text, panel->wish.filter[0] != '\0' ? "  none fits" : "  none yet");
        put_line(draw, SF_DIM);
    }
    put_blank_lines(draw, until);
}

/* --- anomalies -------------------------------------------------------------------------------- */

/* Hours, minutes and seconds where the person sits. */
static void put_clock(struct sf_buffer *text, sf_ns t)
{
    time_t seconds = (time_t)(t / SF_SEC);
    struct tm tm;
    char clock[16] = "        ";
    if (localtime_r(&seconds, &tm) != NULL)
        strftime(clock, sizeof clock, "%H:%M:%S", &tm);
    sf_put_text(text, clock);
}

static void put_news_line(struct draw *draw, const struct sf_panel_news *news, bool is_selected)
{
    const struct sf_panel_end *client = &news->end[SF_CLIENT], *server = &news->end[SF_SERVER];
    struct sf_buffer *text = &draw->text;
    put_clock(text, news->ts_ns);
    sf_put_char(text, ' ');
    put_mark(draw, news->severity);
    sf_put_text(text, sf_anomaly_name(news->name));
    if (news->count > 1)
        sf_put_format(text, " %s%" PRIu64, draw->panel->unicode ? "\xc3\x97" : "x", news->count);
    if (news->whose != SF_ROLE_NONE)
        sf_put_format(text, " (%s)", sf_role_name(news->whose));
    sf_put_text(text, "  ");
    sf_put_socket(text, client->ip, client->port);
    sf_put_text(text, draw->panel->unicode ? " \xe2\x86\x92 " : " > ");
    sf_put_socket(text, server->ip, server->port);
    if (news->detail[0] != '\0')
        sf_put_text(text, "  ");
    sf_put_plain(text, news->detail);
    put_line(draw, is_selected ? SF_REVERSE : sf_page_severity_style(news->severity));
}

static void put_news(struct draw *draw, unsigned lines)
{
    struct sf_panel *panel = draw->panel;
    const struct sf_panel_view *view = draw->view;
    static const char *const least[] = {[SF_SEVERITY_OK] = "newest anomalies",
                                        [SF_NOTE] = "newest anomalies",
                                        [SF_WARNING] = "newest warnings and problems",
                                        [SF_PROBLEM] = "newest problems"};
    unsigned until = draw->lines + lines;
    if (panel->news_top >= view->news_count)
        panel->news_top = view->news_count > 0 ? view->news_count - 1 : 0;
    if (lines == 0)
        return;
    sf_put_text(&draw->text, least[panel->wish.least]);
    if (panel->news_top > 0)
        sf_put_format(&draw->text, ", from the %zu. on", panel->news_top + 1);
    put_line(draw, SF_BOLD);
    for (size_t i = panel->news_top; i < view->news_count && draw->lines < until; i++)
        put_news_line(draw, &view->news[i], panel->is_in_news && i == panel->news_top);
    put_blank_lines(draw, until);
}

/* --- the last line ---------------------------------------------------------------------------- */

static void put_foot(struct draw *draw)
{
    const struct sf_panel *panel = draw->panel;
    static const char *const keys =
        "s sort  a anomalies  / filter  p pause  Enter ladder  Tab other part";
    bool is_edit = panel->mode == SF_PANEL_EDIT;
    if (is_edit) {
        size_t len = strlen(panel->edit);
        size_t room = panel->width > 8 ? panel->width - 8 : 1;
        sf_put_format(&draw->text, "where: %s_", panel->edit + (len > room ? len - room : 0));
    } else {
        sf_put_plain(&draw->text, panel->notice[0] != '\0' ? panel->notice : keys);
    }
    put_line(draw, is_edit ? SF_BOLD : panel->notice[0] != '\0' ? SF_YELLOW : SF_DIM);
}

/* --- the pages -------------------------------------------------------------------------------- */

static void put_overview(struct draw *draw)
{
    struct panel_layout layout = sf_panel_layout(draw->panel);
    bool has_error = draw->panel->error[0] != '\0';
    put_title(draw);
    if (layout.totals > 1)
        put_packets(draw);
    if (layout.totals > 2)
        put_connections(draw);
    if (layout.states > 0)
        put_states(draw);
    put_table(draw, layout.table);
    put_news(draw, layout.news - (has_error && layout.news > 0));
    if (has_error && layout.news > 0) {
        sf_put_plain(&draw->text, draw->panel->error);
        put_line(draw, SF_RED);
    }
    if (layout.foot > 0)
        put_foot(draw);
}

static void put_help(struct draw *draw)
{
    static const char *const lines[] = {
        "s            sort the connections: severity, retransmissions, round trip, bytes,",
        "             oldest, newest; open ones, and the worst closed in the last minute",
        "/            show only those for which an expression holds, as --where takes it:",
        "             severity >= \"warning\" and server.port == 443; empty shows all",
        "a            anomalies: all, warnings and problems, problems only",
        "p            pause: the screen stays, the capture goes on",
        "Enter        the ladder of the selected connection, from what is remembered",
        "Tab          arrows move the anomalies, and back",
        "arrows, PgUp, PgDn, Home, End   move;   Esc back;   q quit",
        "",
        "state        of client/server: ES established, SS SYN-SENT, SR SYN-RECEIVED,",
        "             FW1 FW2 FIN-WAIT, CW CLOSE-WAIT, CG CLOSING, LA LAST-ACK,",
        "             TW TIME-WAIT, CL CLOSED; of a closed one how it ended",
        "rtt          of the handshake, else of the data; again: packets sent again",
        "dropped      by the kernel: what is told of the connections has gaps then",
    };
    put_title(draw);
    put_line(draw, SF_PLAIN);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0] && draw->lines < draw->panel->height;
         i++) {
        sf_put_text(&draw->text, lines[i]);
        put_line(draw, SF_PLAIN);
    }
    put_blank_lines(draw, draw->panel->height);
}

static size_t count_lines(const struct sf_buffer *story)
{
    size_t lines = 0;
    for (size_t i = 0; i < story->len; i++)
        lines += story->data[i] == '\n';
    return lines;
}

/* The ladder brings its own styles and fits the width that was wished for. */
static void put_story_lines(struct draw *draw, const struct sf_buffer *story)
{
    struct sf_panel *panel = draw->panel;
    size_t count = count_lines(story), seen = panel->height > 1 ? panel->height - 1 : 1;
    const char *at = story->data, *end = story->data + story->len;
    size_t last = count > seen ? count - seen : 0;
    if (panel->story_top > last)
        panel->story_top = last;
    for (size_t line = 0; at < end && draw->lines < panel->height; line++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((stop != NULL ? stop : end) - at);
        if (line >= panel->story_top) {
            begin_line(draw);
            sf_put(draw->out, at, len);
        }
        at += len + 1;
    }
}

static void put_story(struct draw *draw, const struct sf_buffer *story)
{
    const struct sf_panel *panel = draw->panel;
    bool is_here = draw->view->wish.story_id == panel->wish.story_id;
    sf_put_format(&draw->text, "connection %" PRIu64, panel->wish.story_id);
    put_right(draw, panel->is_paused ? "PAUSED  Esc back" : "arrows, PgUp, PgDn  Esc back");
    put_line(draw, SF_REVERSE);
    if (is_here && draw->view->is_story_lost) {
        sf_put_text(&draw->text, "It was closed more than a minute ago and is not remembered.");
        put_line(draw, SF_PLAIN);
    } else if (is_here && story->len > 0) {
        put_story_lines(draw, story);
    }
    put_blank_lines(draw, panel->height);
}

void sf_panel_draw(struct sf_panel *panel, const struct sf_panel_view *view,
                   const struct sf_buffer *story, struct sf_buffer *out)
{
    struct draw draw = {.panel = panel, .view = view, .out = out};
    switch (panel->mode) {
    case SF_PANEL_TABLE:
    case SF_PANEL_EDIT: put_overview(&draw); break;
    case SF_PANEL_STORY: put_story(&draw, story); break;
    case SF_PANEL_HELP: put_help(&draw); break;
    }
    sf_buffer_dispose(&draw.text);
}
