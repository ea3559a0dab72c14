/* The ladder on paper: an arrow per segment between the states of both ends, sentences below it,
 * and at the end what became of it all. */
#include <inttypes.h>
#include <stdio.h>

#include "human.h"
#include "ladder_internal.h"
#include "record_text.h"

enum {
    NARROW = 64, /* below, states have no column of their own */
    GAP = 1,     /* between columns */
    ARROW_MAX = 56,
    HANGING = 14, /* where the text behind a topic begins */
    LINES = 12,
};

struct layout {
    struct sf_page *page;
    const struct ladder_story *story;
    size_t time, state, arrow, packet; /* widths; state 0: no column */
    unsigned decimals;
    enum sf_tcp_state now[SF_ROLE_COUNT];
    bool is_proved[SF_ROLE_COUNT];
    bool has_assumed; /* some state was printed with '?' */
    size_t change;    /* next entry of the timeline */
    struct sf_buffer text;
};

static void put_text(const struct layout *l, enum sf_style style, const char *text)
{
    sf_page_put(l->page, style, text, strlen(text));
}

static void put_left(const struct layout *l, enum sf_style style, const char *text, size_t width)
{
    size_t columns = sf_text_columns(text, strlen(text));
    put_text(l, style, text);
    sf_page_spaces(l->page, width > columns ? width - columns : 0);
}

static void put_right(const struct layout *l, const char *text, size_t width)
{
    size_t columns = sf_text_columns(text, strlen(text));
    sf_page_spaces(l->page, width > columns ? width - columns : 0);
    put_text(l, SF_PLAIN, text);
}

/* What `text` holds, wrapped from `indent` on, where the cursor stands. */
static void put_paragraph(struct layout *l, enum sf_style style, size_t indent)
{
    sf_page_wrap(l->page, style, l->text.data == NULL ? "" : l->text.data, l->text.len, indent,
                 LINES);
    sf_buffer_clear(&l->text);
}

static size_t sentence_indent(const struct layout *l)
{
    return l->time + GAP;
}

static void put_sentence_lines(struct layout *l, enum sf_style style)
{
    if (l->text.len == 0)
        return;
    sf_page_spaces(l->page, sentence_indent(l));
    put_paragraph(l, style, sentence_indent(l));
}

/* --- widths ----------------------------------------------------------------------------------- */

static size_t digits_of(uint64_t n)
{
    size_t digits = 1;
    for (; n >= 10; n /= 10)
        digits++;
    return digits;
}

static size_t state_width(const struct sf_record *record)
{
    size_t width = strlen(sf_role_name(SF_CLIENT));
    for (size_t i = 0; i < record->timeline_count; i++) {
        const char *name = sf_state_name(record->timeline[i].to);
        size_t len = name != NULL ? strlen(name) + !record->timeline[i].proved : 1;
        width = len > width ? len : width;
    }
    return width;
}

/* Milliseconds where the round trip allows, else microseconds: all times in one unit, so that they
 * can be compared at a glance. */
static unsigned decimals_of(const struct sf_record *record)
{
    sf_ns rtt = sf_typical_rtt(record);
    return sf_ns_known(rtt) && rtt < 10 * SF_MSEC ? 6 : 3;
}

static void measure(struct layout *l)
{
    static const char packet[] = "packet";
    const struct sf_record *record = l->story->record;
    sf_ns duration = sf_ns_known(record->duration_ns) ? record->duration_ns : 0;
    l->decimals = decimals_of(record);
    l->time = digits_of((uint64_t)(duration / SF_SEC)) + 1 + l->decimals;
    l->packet = digits_of(record->last_packet);
    l->packet = l->packet < strlen(packet) ? strlen(packet) : l->packet;
    l->state = l->page->width < NARROW ? 0 : state_width(record);
    size_t others = l->time + GAP + l->packet + GAP + 2 * (l->state > 0 ? l->state + GAP : 0);
    l->arrow = l->page->width > others ? l->page->width - others : 0;
    l->arrow = l->arrow > ARROW_MAX ? ARROW_MAX : l->arrow;
}

/* --- an arrow --------------------------------------------------------------------------------- */

struct strokes {
    const char *line, *right, *left, *bar, *from_left, *from_right;
};

static const struct strokes *strokes_of(const struct sf_page *page)
{
    static const struct strokes unicode = {"\xe2\x94\x80", "\xe2\x96\xb6", "\xe2\x97\x80",
                                           "\xe2\x94\x82", "\xe2\x94\x9c", "\xe2\x94\xa4"};
    static const struct strokes ascii = {"-", ">", "<", "|", "|", "|"};
    return page->unicode ? &unicode : &ascii;
}

static const struct {
    unsigned flag;
    const char *name;
    bool is_detail; /* left away where room is short */
} flag_names[] = {
    {SF_TH_SYN, "SYN", false}, {SF_TH_FIN, "FIN", false}, {SF_TH_RST, "RST", false},
    {SF_TH_PSH, "PSH", true},  {SF_TH_ACK, "ACK", false}, {SF_TH_URG, "URG", false},
    {SF_TH_ECE, "ECE", true},  {SF_TH_CWR, "CWR", true},
};

static void put_flags(struct sf_buffer *out, unsigned flags, bool has_details)
{
    size_t begin = out->len;
    for (size_t i = 0; i < sizeof flag_names / sizeof flag_names[0]; i++) {
        if ((flags & flag_names[i].flag) == 0 || (flag_names[i].is_detail && !has_details))
            continue;
        sf_put_text(out, out->len > begin ? "-" : "");
        sf_put_text(out, flag_names[i].name);
    }
    if (out->len == begin)
        sf_put_text(out, "no flags");
}

/* What stands on the arrow, from everything down to what may not miss. */
enum detail { BARE, WITH_TAG, WITH_ACK, WITH_ALL_FLAGS, WITH_WINDOW };

static void put_label(struct sf_buffer *out, const struct ladder_step *step, enum detail detail)
{
    const char *tag = sf_ladder_tag(step->labels);
    bool has_ack = (step->flags & SF_TH_ACK) != 0;
    put_flags(out, step->flags, detail >= WITH_ALL_FLAGS);
    sf_put_format(out, " seq %" PRId64, step->seq);
    if (has_ack && detail >= WITH_ACK)
        sf_put_format(out, " ack %" PRId64, step->ack);
    if (step->len > 0)
        sf_put_format(out, " len %" PRIu32, step->len);
    if (detail >= WITH_WINDOW && (step->flags & SF_TH_RST) == 0)
        sf_put_format(out, " win %" PRIu64, step->window);
    if (tag != NULL && detail >= WITH_TAG)
        sf_put_format(out, " (%s)", tag);
}

/* As much as fits into `room` columns. The window only on a wide page: there it fits each line. */
static void fit_label(struct layout *l, const struct ladder_step *step, size_t room)
{
    for (int detail = l->arrow >= ARROW_MAX ? WITH_WINDOW : WITH_ALL_FLAGS; detail >= BARE;
         detail--) {
        sf_buffer_clear(&l->text);
        put_label(&l->text, step, (enum detail)detail);
        if (l->text.len <= room)
            return;
    }
    l->text.len = room < l->text.len ? room : l->text.len;
}

static enum sf_severity worst_note(const struct layout *l, const struct ladder_step *step)
{
    enum sf_severity worst = SF_SEVERITY_OK;
    for (size_t i = 0; i < step->note_count; i++) {
        enum sf_severity severity = l->story->notes[step->note_begin + i].severity;
        worst = severity > worst ? severity : worst;
    }
    return worst;
}

static void put_strokes(const struct layout *l, const char *stroke, size_t n)
{
    for (; n > 0; n--)
        sf_put_text(l->page->out, stroke);
}

static void put_arrow(struct layout *l, const struct ladder_step *step)
{
    const struct strokes *s = strokes_of(l->page);
    enum { FIXED = 6 }; /* two ends, the point, a stroke, two blanks */
    if (l->arrow < FIXED)
        return;
    fit_label(l, step, l->arrow - FIXED);
    size_t rest = l->arrow - FIXED - l->text.len;
    bool is_right = step->from == SF_CLIENT;
    sf_put_text(l->page->out, is_right ? s->from_left : s->bar);
    sf_put_text(l->page->out, is_right ? s->line : s->left);
    put_strokes(l, s->line, is_right ? 0 : rest);
    sf_put_char(l->page->out, ' ');
    sf_page_put(l->page, sf_page_severity_style(worst_note(l, step)), l->text.data, l->text.len);
    sf_put_char(l->page->out, ' ');
    put_strokes(l, s->line, is_right ? rest : 0);
    sf_put_text(l->page->out, is_right ? s->right : s->line);
    sf_put_text(l->page->out, is_right ? s->bar : s->from_right);
    sf_buffer_clear(&l->text);
}

static void put_state(struct layout *l, enum sf_role end, bool is_changed)
{
    char text[24];
    const char *name = sf_state_name(l->now[end]);
    bool is_assumed = name != NULL && !l->is_proved[end];
    l->has_assumed = l->has_assumed || is_assumed;
    snprintf(text, sizeof text, "%s%s", name != NULL ? name : "-", is_assumed ? "?" : "");
    put_left(l, is_changed ? SF_BOLD : SF_DIM, text, l->state);
}

static void put_row(struct layout *l, const struct ladder_step *step, const bool *is_changed)
{
    char text[32];
    snprintf(text, sizeof text, "%.*f", (int)l->decimals, (double)step->t_ns / (double)SF_SEC);
    put_right(l, text, l->time);
    sf_page_spaces(l->page, GAP);
    if (l->state > 0) {
        put_state(l, SF_CLIENT, is_changed[SF_CLIENT]);
        sf_page_spaces(l->page, GAP);
    }
    put_arrow(l, step);
    sf_page_spaces(l->page, GAP);
    if (l->state > 0) {
        put_state(l, SF_SERVER, is_changed[SF_SERVER]);
        sf_page_spaces(l->page, GAP);
    }
    snprintf(text, sizeof text, "%" PRIu64, step->packet);
    put_right(l, text, l->packet);
    sf_put_char(l->page->out, '\n');
}

/* On a narrow page the states stand below the arrow, where they change. */
static void put_states_below(struct layout *l, const bool *is_changed)
{
    for (int end = 0; end < SF_ROLE_COUNT; end++) {
        const char *name = sf_state_name(l->now[end]);
        if (l->state > 0 || !is_changed[end] || name == NULL)
            continue;
        l->has_assumed = l->has_assumed || !l->is_proved[end];
        sf_put_format(&l->text, "%s%s is %s%s", l->text.len > 0 ? ", " : "",
                      sf_role_name((enum sf_role)end), name, l->is_proved[end] ? "" : "?");
    }
    put_sentence_lines(l, SF_BOLD);
}

/* --- what the step means ---------------------------------------------------------------------- */

static void put_knowledge(struct layout *l, const struct ladder_context *context,
                          const struct sf_timeline_entry *entries, size_t count, bool is_sender)
{
    enum sf_role from = context->step->from;
    enum sf_role end = is_sender ? from : from == SF_CLIENT ? SF_SERVER : SF_CLIENT;
    struct sf_buffer told = {0};
    for (size_t i = 0; i < count && told.len == 0; i++)
        sf_ladder_tell_knowledge(&told, context, &entries[count - 1 - i], is_sender);
    if (told.len > 0) {
        sf_put_format(&l->text, "%s knows%s: ", sf_role_name(end),
                      is_sender ? " now" : " once this arrives");
        sf_put(&l->text, told.data, told.len);
        size_t indent = sentence_indent(l);
        sf_page_spaces(l->page, indent);
        put_paragraph(l, SF_DIM, indent + 2 < l->page->width ? indent + 2 : indent);
    }
    sf_buffer_dispose(&told);
}

/* A detail names its kind or stage itself: "kind=dead_peer: one end ...". */
static const char *plain_detail(const char *detail)
{
    size_t word = strcspn(detail, "= ");
    return detail[word] == '=' ? detail + word + 1 : detail;
}

static void put_anomaly_name(struct layout *l, enum sf_anomaly name, enum sf_role end)
{
    const char *role = sf_role_name(end);
    sf_put_text(&l->text, sf_anomaly_name(name));
    if (role != NULL)
        sf_put_format(&l->text, " (%s)", role);
}

static void put_mark(struct layout *l, enum sf_severity severity)
{
    const char *mark = sf_page_severity_mark(l->page, severity);
    put_text(l, sf_page_severity_style(severity), mark);
    sf_put_char(l->page->out, ' ');
}

/* "half_open (server): dead_peer: one end ... A crash or restart ...". */
static void put_note(struct layout *l, const struct ladder_note *note)
{
    size_t indent = sentence_indent(l);
    struct sf_buffer sentence = {0};
    sf_page_spaces(l->page, indent);
    put_mark(l, note->severity);
    put_anomaly_name(l, note->name, note->end);
    sf_put_text(&l->text, ": ");
    sf_put_plain(&sentence, plain_detail(note->detail));
    sf_ladder_tell_anomaly(&sentence, note->name);
    sf_put(&l->text, sentence.data == NULL ? "" : sentence.data, sentence.len);
    put_paragraph(l, sf_page_severity_style(note->severity), indent + 2);
    sf_buffer_dispose(&sentence);
}

static void put_notes(struct layout *l, size_t begin, size_t count)
{
    for (size_t i = 0; i < count; i++)
        put_note(l, &l->story->notes[begin + i]);
}

/* --- what was left away ----------------------------------------------------------------------- */

static void put_between(struct layout *l)
{
    size_t indent = sentence_indent(l);
    sf_page_spaces(l->page, indent);
    put_text(l, SF_DIM, l->page->unicode ? "\xe2\x8b\xae " : ": ");
    put_paragraph(l, SF_DIM, indent + 2);
}

static void put_fold(struct layout *l, const struct ladder_fold *fold)
{
    if (fold->segments == 0)
        return;
    sf_put_human_count(&l->text, fold->segments);
    sf_put_text(&l->text, fold->segments == 1 ? " segment" : " segments");
    for (int end = 0; end < SF_ROLE_COUNT; end++) {
        if (fold->octets[end] == 0)
            continue;
        sf_put_text(&l->text, ", ");
        sf_put_human_octets(&l->text, fold->octets[end]);
        sf_put_format(&l->text, "%s from the %s", fold->octets[end] < 1000 ? " octets" : "",
                      sf_role_name((enum sf_role)end));
    }
    sf_ladder_tell_labels(&l->text, fold->labels);
    sf_put_text(&l->text, ", in ");
    sf_put_human_span(&l->text, fold->end_ns - fold->begin_ns);
    put_between(l);
}

static void put_silence(struct layout *l, sf_ns silence)
{
    if (silence == 0)
        return;
    sf_put_human_span(&l->text, silence);
    sf_put_text(&l->text, " of silence");
    put_between(l);
}

/* --- a step ----------------------------------------------------------------------------------- */

static void apply_change(struct layout *l, const struct sf_timeline_entry *entry,
                         bool is_changed[SF_ROLE_COUNT])
{
    enum sf_role end = entry->end;
    if (end == SF_ROLE_NONE)
        return;
    if (l->now[end] != entry->to || l->is_proved[end] != entry->proved)
        is_changed[end] = true;
    l->now[end] = entry->to;
    l->is_proved[end] = entry->proved;
}

/* Takes the timeline's entries up to that packet; returns how many are of the packet itself, which
 * are the last ones taken. `before` gets the states that the packet met. */
static size_t take_changes(struct layout *l, uint64_t packet,
                           enum sf_tcp_state before[SF_ROLE_COUNT], bool is_changed[SF_ROLE_COUNT])
{
    const struct sf_timeline_entry *entries = l->story->record->timeline;
    size_t count = l->story->record->timeline_count;
    for (; l->change < count && entries[l->change].packet < packet; l->change++)
        apply_change(l, &entries[l->change], is_changed);
    memcpy(before, l->now, sizeof l->now);
    size_t begin = l->change;
    for (; l->change < count && entries[l->change].packet == packet; l->change++)
        apply_change(l, &entries[l->change], is_changed);
    return l->change - begin;
}

static bool has_own_reset(const struct ladder_step *step, const struct sf_timeline_entry *entries,
                          size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (entries[i].cause == SF_CAUSE_SENT_RST && entries[i].end == step->from)
            return true;
    return false;
}

static void put_step(struct layout *l, const struct ladder_step *step)
{
    bool is_changed[SF_ROLE_COUNT] = {false};
    struct ladder_context context = {.record = l->story->record, .step = step};
    put_fold(l, &step->before);
    put_silence(l, step->silence_ns);
    if (!step->is_segment) {
        put_notes(l, step->note_begin, step->note_count);
        return;
    }
    size_t count = take_changes(l, step->packet, context.before, is_changed);
    const struct sf_timeline_entry *entries = l->story->record->timeline + l->change - count;
    put_row(l, step, is_changed);
    put_states_below(l, is_changed);
    if ((step->flags & SF_TH_RST) != 0 && !has_own_reset(step, entries, count))
        sf_ladder_tell_reset(&l->text, &context, count);
    for (size_t i = 0; i < count; i++)
        sf_ladder_tell_change(&l->text, &context, &entries[i]);
    sf_ladder_tell_moments(&l->text, &context);
    put_sentence_lines(l, SF_PLAIN);
    put_knowledge(l, &context, entries, count, true);
    put_knowledge(l, &context, entries, count, false);
    put_notes(l, step->note_begin, step->note_count);
}

/* --- head and end ----------------------------------------------------------------------------- */

static void put_head(struct layout *l)
{
    const struct sf_record *record = l->story->record;
    char start[SF_TIME_TEXT];
    sf_put_format(&l->text, "connection %" PRIu64 ": client ", record->id);
    sf_put_end(&l->text, &record->end[SF_CLIENT]);
    sf_put_text(&l->text, ", server ");
    sf_put_end(&l->text, &record->end[SF_SERVER]);
    put_paragraph(l, SF_BOLD, 0);
    sf_time_rfc3339(start, record->start_ns);
    sf_put_format(&l->text, "from %.10s %.12s UTC, ", start, start + 11);
    uint64_t packets = record->end[SF_CLIENT].packets + record->end[SF_SERVER].packets;
    sf_put_human_count(&l->text, packets);
    sf_put_text(&l->text, packets == 1 ? " packet in " : " packets in ");
    sf_put_human_span(&l->text, record->duration_ns);
    put_paragraph(l, SF_PLAIN, 0);
    sf_put_char(l->page->out, '\n');
}

static void put_titles(struct layout *l)
{
    put_right(l, "time", l->time);
    sf_page_spaces(l->page, GAP);
    if (l->state > 0) {
        put_left(l, SF_BOLD, sf_role_name(SF_CLIENT), l->state + GAP + l->arrow + GAP);
        put_left(l, SF_BOLD, sf_role_name(SF_SERVER), l->state + GAP);
    } else {
        size_t server = strlen(sf_role_name(SF_SERVER));
        put_left(l, SF_BOLD, sf_role_name(SF_CLIENT), l->arrow > server ? l->arrow - server : 0);
        put_left(l, SF_BOLD, sf_role_name(SF_SERVER), server + GAP);
    }
    put_right(l, "packet", l->packet);
    sf_put_char(l->page->out, '\n');
}

static void put_topic(struct layout *l, const char *topic)
{
    put_left(l, SF_BOLD, topic, HANGING);
    put_paragraph(l, SF_PLAIN, HANGING);
}

static void put_total(struct layout *l, const char *before, uint64_t n, const char *after)
{
    if (n == 0 || n == SF_COUNT_UNKNOWN)
        return;
    sf_put_text(&l->text, before);
    sf_put_human_count(&l->text, n);
    sf_put_text(&l->text, after);
}

static void put_end_totals(struct layout *l, enum sf_role role)
{
    const struct sf_record_end *end = &l->story->record->end[role];
    bool is_assumed = end->state != NULL && end->state_proved == SF_TRI_FALSE;
    l->has_assumed = l->has_assumed || is_assumed;
    sf_put_format(&l->text, "%s%s; ", end->state != NULL ? end->state : "no state known",
                  is_assumed ? "?" : "");
    sf_put_human_count(&l->text, end->unique_bytes);
    sf_put_format(&l->text, " octet%s in ", end->unique_bytes == 1 ? "" : "s");
    sf_put_human_count(&l->text, end->packets);
    sf_put_format(&l->text, " packet%s", end->packets == 1 ? "" : "s");
    put_total(l, ", ", end->retransmitted_packets, " of them sent again");
    put_total(l, ", ", end->missing_bytes, " octets not captured");
    if (end->rtt.samples > 0 && sf_ns_known(end->rtt.p50_ns)) {
        sf_put_text(&l->text, "; acknowledged after ");
        sf_put_human_span(&l->text, end->rtt.p50_ns);
        sf_put_text(&l->text, end->rtt.samples > 1 ? " (median)" : "");
    }
    if (end->zero_windows > 0 && sf_ns_known(end->zero_window_time_ns)) {
        sf_put_text(&l->text, "; without room for ");
        sf_put_human_span(&l->text, end->zero_window_time_ns);
    }
    put_topic(l, sf_role_name(role));
}

static void put_anomaly(struct layout *l, const struct sf_anomaly_entry *entry, bool is_first)
{
    put_left(l, SF_BOLD, is_first ? "anomalies" : "", HANGING);
    put_mark(l, entry->severity);
    put_anomaly_name(l, entry->name, entry->end);
    sf_put_text(&l->text, ", ");
    sf_put_anomaly_packets(&l->text, entry);
    if (entry->detail[0] != '\0') {
        sf_put_text(&l->text, ": ");
        sf_put_plain(&l->text, plain_detail(entry->detail));
    }
    put_paragraph(l, SF_PLAIN, HANGING + 2);
}

static void put_end_block(struct layout *l)
{
    const struct sf_record *record = l->story->record;
    sf_put_char(l->page->out, '\n');
    sf_put_plain(&l->text, record->verdict);
    put_topic(l, "verdict");
    put_end_totals(l, SF_CLIENT);
    put_end_totals(l, SF_SERVER);
    for (size_t i = 0; i < record->anomaly_count; i++)
        put_anomaly(l, &record->anomalies[i], i == 0);
    if (!l->has_assumed)
        return;
    sf_put_text(&l->text, "assumed: the packets lead there, but none proves it");
    put_topic(l, "?");
}

/* Anomalies that only the end of the connection or of the input showed. */
static void put_last_notes(struct layout *l)
{
    const struct ladder_story *story = l->story;
    if (story->note_taken == story->note_count)
        return;
    sf_put_text(&l->text, "nothing more was captured");
    put_between(l);
    put_notes(l, story->note_taken, story->note_count - story->note_taken);
}

void sf_ladder_page(struct sf_page *page, const struct ladder_story *story)
{
    struct layout l = {.page = page, .story = story};
    measure(&l);
    put_head(&l);
    put_titles(&l);
    for (size_t i = 0; i < story->step_count; i++)
        put_step(&l, &story->steps[i]);
    put_last_notes(&l);
    put_end_block(&l);
    sf_buffer_dispose(&l.text);
}
