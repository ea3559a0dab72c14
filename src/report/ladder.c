/* Chooses connections, then gathers the steps of their lives: what tells something is kept, long
 * stretches of plain transfer become one count. */
#include "synfin/ladder.h"

#include <inttypes.h>
#include <stdlib.h>

#include "ladder_internal.h"
#include "ranking.h"
#include "record_text.h"
#include "synfin/output.h"

enum {
    PLAIN_FIRST = 3,   /* plain segments shown before a stretch is folded */
    PLAIN_LAST = 2,    /* and after it */
    STEPS_MAX = 2000,  /* beyond, only changes of state are shown */
    SILENCES_MAX = 12, /* named of one connection */
    REOPENINGS_MAX = 4,
    CONTROLS_MAX = 40, /* SYN, FIN and RST that change nothing */
    WIDTH_MAX = 112,   /* longer lines are hard to read */
};

struct sf_ladder {
    struct sf_sink_options options;
    struct sf_ranking ranking;    /* its lines are copies of records */
    struct ladder_story *stories; /* in order of rank */
    struct ladder_story **by_id;
    size_t count;
    uint64_t offered;
};

struct sf_ladder *sf_ladder_new(const struct sf_sink_options *options)
{
    struct sf_ladder *ladder = calloc(1, sizeof *ladder);
    if (ladder == NULL)
        return NULL;
    ladder->options = *options;
    ladder->ranking.bound = options->top != 0 ? options->top : 1;
    ladder->ranking.field = options->sort;
    ladder->ranking.descending = options->sort_descending;
    return ladder;
}

void sf_ladder_free(struct sf_ladder *ladder)
{
    if (ladder == NULL)
        return;
    for (size_t i = 0; i < ladder->count; i++) {
        free(ladder->stories[i].steps);
        free(ladder->stories[i].notes);
    }
    free(ladder->stories);
    free(ladder->by_id);
    sf_ranking_dispose(&ladder->ranking);
    free(ladder);
}

static int keep_record(struct sf_ladder *ladder, struct sf_ranked *rank,
                       const struct sf_record *record, struct sf_error *err)
{
    size_t size = sf_record_packed(record);
    void *piece = malloc(size);
    if (piece == NULL)
        return sf_fail(err, "out of memory");
    sf_record_pack(record, piece);
    int result = sf_ranking_add(&ladder->ranking, rank, piece, size, err);
    free(piece);
    return result;
}

int sf_ladder_offer(struct sf_ladder *ladder, const struct sf_record *record, struct sf_error *err)
{
    struct sf_ranked rank;
    ladder->offered++;
    if (!sf_ranking_wants(&ladder->ranking, record, &rank))
        return 0;
    return keep_record(ladder, &rank, record, err);
}

static int compare_ids(const void *left, const void *right)
{
    const struct ladder_story *a = *(struct ladder_story *const *)left;
    const struct ladder_story *b = *(struct ladder_story *const *)right;
    return a->record->id < b->record->id ? -1 : a->record->id > b->record->id;
}

int sf_ladder_choose(struct sf_ladder *ladder, struct sf_error *err)
{
    sf_ranking_sort(&ladder->ranking);
    size_t count = ladder->ranking.count;
    if (count == 0)
        return 0;
    ladder->stories = calloc(count, sizeof *ladder->stories);
    ladder->by_id = calloc(count, sizeof *ladder->by_id);
    if (ladder->stories == NULL || ladder->by_id == NULL)
        return sf_fail(err, "out of memory");
    ladder->count = count;
    for (size_t i = 0; i < count; i++) {
        ladder->stories[i].record = sf_record_unpack(ladder->ranking.items[i].line);
        ladder->by_id[i] = &ladder->stories[i];
    }
    qsort(ladder->by_id, count, sizeof *ladder->by_id, compare_ids);
    return 0;
}

static struct ladder_story *find_story(const struct sf_ladder *ladder, uint64_t id)
{
    size_t low = 0, high = ladder->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint64_t at = ladder->by_id[middle]->record->id;
        if (at == id)
            return ladder->by_id[middle];
        if (at < id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* Room for one more item in an array that doubles. */
static void *grow(void *items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return items;
    size_t wanted = *capacity == 0 ? 16 : 2 * *capacity;
    void *grown = realloc(items, wanted * size);
    if (grown != NULL)
        *capacity = wanted;
    return grown;
}

int sf_ladder_event(struct sf_ladder *ladder, const struct sf_event *event, struct sf_error *err)
{
    struct ladder_story *story = find_story(ladder, event->conn);
    if (story == NULL || event->kind != SF_EVENT_ANOMALY)
        return 0;
    bool *is_heard = &story->is_heard[event->anomaly][event->end + 1];
    if (*is_heard)
        return 0;
    *is_heard = true;
    struct ladder_note *notes =
        grow(story->notes, story->note_count, &story->note_capacity, sizeof *notes);
    if (notes == NULL)
        return sf_fail(err, "out of memory");
    story->notes = notes;
    struct ladder_note *note = &notes[story->note_count++];
    *note = (struct ladder_note){.packet = event->packet,
                                 .t_ns = event->t_ns,
                                 .name = event->anomaly,
                                 .end = event->end,
                                 .severity = event->severity};
    memcpy(note->detail, event->detail, sizeof note->detail);
    return 0;
}

static int push_step(struct ladder_story *story, const struct ladder_step *step,
                     struct sf_error *err)
{
    struct ladder_step *steps =
        grow(story->steps, story->step_count, &story->step_capacity, sizeof *steps);
    if (steps == NULL)
        return sf_fail(err, "out of memory");
    story->steps = steps;
    steps[story->step_count] = *step;
    steps[story->step_count++].before = story->fold;
    story->fold = (struct ladder_fold){0};
    return 0;
}

static int push_recent(struct ladder_story *story, struct sf_error *err)
{
    for (unsigned i = 0; i < story->recent_count; i++)
        if (push_step(story, &story->recent[i], err) != 0)
            return -1;
    story->recent_count = 0;
    return 0;
}

static void fold_step(struct ladder_fold *fold, const struct ladder_step *step)
{
    if (fold->segments++ == 0)
        fold->begin_ns = step->t_ns;
    fold->end_ns = step->t_ns;
    fold->octets[step->from] += step->len;
    for (unsigned label = 0; label < SF_LABEL_COUNT; label++)
        fold->labels[label] += step->labels >> label & 1;
}

/* Waits among the recent ones; the oldest of them fall into the fold, at first more than one, so
 * that a fold never stands for so little that it might have been shown. */
static void wait_or_fold(struct ladder_story *story, const struct ladder_step *step)
{
    unsigned room = story->fold.segments > 0 ? PLAIN_LAST : LADDER_RECENT;
    if (story->recent_count == room) {
        unsigned folded = room - PLAIN_LAST + 1;
        for (unsigned i = 0; i < folded; i++)
            fold_step(&story->fold, &story->recent[i]);
        story->recent_count -= folded;
        memmove(story->recent, story->recent + folded,
                story->recent_count * sizeof story->recent[0]);
    }
    story->recent[story->recent_count++] = *step;
}

/* The moments of a segment, each told once or a few times in a life. */
static unsigned find_moments(struct ladder_story *story, const struct ladder_step *step)
{
    static const uint32_t no_data = 1u << SF_LABEL_KEEP_ALIVE | 1u << SF_LABEL_ZERO_WINDOW_PROBE |
                                    1u << SF_LABEL_CAPTURE_DUPLICATE;
    unsigned moments = 0;
    enum sf_role peer = step->from == SF_CLIENT ? SF_SERVER : SF_CLIENT;
    bool is_data = step->len > 0 && (step->labels & no_data) == 0 &&
                   (step->flags & (SF_TH_RST | SF_TH_SYN)) == 0;
    if (is_data && !story->has_sent_data[step->from])
        moments |= LADDER_FIRST_DATA;
    story->has_sent_data[step->from] = story->has_sent_data[step->from] || is_data;
    bool is_ack = (step->flags & (SF_TH_ACK | SF_TH_SYN | SF_TH_RST | SF_TH_FIN)) == SF_TH_ACK;
    if (is_ack && story->has_sent_data[peer] && !story->has_acked_data && step->ack > 1) {
        moments |= LADDER_FIRST_ACK;
        story->has_acked_data = true;
    }
    if ((step->flags & SF_TH_SYN) != 0 && (step->flags & SF_TH_ACK) == 0 && step->len > 0)
        moments |= LADDER_SYN_DATA;
    bool is_closed = step->window == 0 && (step->flags & SF_TH_RST) == 0;
    if (story->is_window_closed[step->from] && step->window > 0 &&
        story->reopenings < REOPENINGS_MAX) {
        moments |= LADDER_REOPENED;
        story->reopenings++;
    }
    story->is_window_closed[step->from] = is_closed;
    return moments;
}

/* Whether some end's state changes at the step. */
static bool changes_state(struct ladder_story *story, const struct ladder_step *step)
{
    const struct sf_record *record = story->record;
    while (story->change < record->timeline_count &&
           record->timeline[story->change].packet < step->packet)
        story->change++;
    return story->change < record->timeline_count &&
           record->timeline[story->change].packet == step->packet;
}

/* 0 unless nobody spoke for longer than anybody waits. */
static sf_ns find_silence(struct ladder_story *story, sf_ns t_ns)
{
    sf_ns rtt = sf_typical_rtt(story->record);
    sf_ns bound = sf_ns_known(rtt) && 10 * rtt > SF_SEC ? 10 * rtt : SF_SEC;
    bool is_first = story->step_count == 0 && story->recent_count == 0;
    sf_ns gap = is_first ? 0 : t_ns - story->last_ns;
    story->last_ns = t_ns;
    if (gap <= bound || story->silences == SILENCES_MAX)
        return 0;
    story->silences++;
    return gap;
}

/* A SYN is judged before it is known whether it opens a new connection or meets the old one: its
 * number may be the old one's. */
static int64_t sequence_of(const struct ladder_story *story, enum sf_role from,
                           const struct sf_segment_line *line)
{
    bool is_syn = (line->segment->flags & SF_TH_SYN) != 0;
    bool is_first = line->segment->seq.n == (uint32_t)story->record->end[from].isn;
    bool is_known = story->record->end[from].isn != SF_COUNT_UNKNOWN;
    return is_syn && is_known && is_first ? 0 : line->judgement->seq;
}

static int take_step(struct ladder_story *story, struct ladder_step *step, struct sf_error *err)
{
    bool is_change = changes_state(story, step);
    bool is_copy = (step->labels & 1u << SF_LABEL_CAPTURE_DUPLICATE) != 0;
    if (is_copy && !is_change && step->note_count == 0)
        return 0;
    bool is_control = (step->flags & (SF_TH_SYN | SF_TH_FIN | SF_TH_RST)) != 0;
    bool is_shown = is_control && !is_copy && story->controls < CONTROLS_MAX;
    bool is_notable =
        step->silence_ns > 0 || step->moments != 0 || step->note_count > 0 || is_shown;
    story->controls += is_shown;
    if (is_change || (is_notable && story->step_count < STEPS_MAX)) {
        story->plain_run = 0;
        return push_recent(story, err) != 0 ? -1 : push_step(story, step, err);
    }
    if (story->plain_run < PLAIN_FIRST && story->step_count < STEPS_MAX) {
        story->plain_run++;
        return push_step(story, step, err);
    }
    wait_or_fold(story, step);
    return 0;
}

/* Notes of packets before this one belong to no segment: an ICMP error, the end of the input. */
static int take_stray_notes(struct ladder_story *story, uint64_t below, struct sf_error *err)
{
    while (story->note_taken < story->note_count &&
           story->notes[story->note_taken].packet < below) {
        const struct ladder_note *note = &story->notes[story->note_taken];
        struct ladder_step step = {.packet = note->packet,
                                   .t_ns = note->t_ns,
                                   .from = SF_ROLE_NONE,
                                   .note_begin = story->note_taken,
                                   .note_count = 1};
        story->note_taken++;
        if (push_recent(story, err) != 0 || push_step(story, &step, err) != 0)
            return -1;
        story->plain_run = 0;
    }
    return 0;
}

/* Takes the notes of this packet. The event's role is what was known then: when the ends have
 * changed their roles since, so does the note. */
static void take_notes(struct ladder_story *story, struct ladder_step *step, bool is_swapped)
{
    step->note_begin = story->note_taken;
    for (; story->note_taken < story->note_count; story->note_taken++) {
        struct ladder_note *note = &story->notes[story->note_taken];
        if (is_swapped && note->end != SF_ROLE_NONE)
            note->end = note->end == SF_CLIENT ? SF_SERVER : SF_CLIENT;
        step->note_count++;
    }
}

int sf_ladder_segment(struct sf_ladder *ladder, const struct sf_segment_line *line,
                      struct sf_error *err)
{
    const struct sf_judgement *judgement = line->judgement;
    struct ladder_story *story = find_story(ladder, judgement->conn);
    if (story == NULL)
        return 0;
    enum sf_role from = line->segment->dir == story->record->client ? SF_CLIENT : SF_SERVER;
    struct ladder_step step = {.is_segment = true,
                               .packet = line->segment->packet,
                               .t_ns = line->segment->ts_ns - story->record->start_ns,
                               .from = from,
                               .flags = line->segment->flags,
                               .raw_seq = line->segment->seq.n,
                               .seq = sequence_of(story, from, line),
                               .ack = judgement->ack,
                               .len = line->segment->payload_len,
                               .window = judgement->window,
                               .labels = judgement->labels};
    if (take_stray_notes(story, step.packet, err) != 0)
        return -1;
    take_notes(story, &step, judgement->from != from);
    step.silence_ns = find_silence(story, step.t_ns);
    step.moments = find_moments(story, &step);
    return take_step(story, &step, err);
}

static int finish_story(struct ladder_story *story, struct sf_error *err)
{
    return push_recent(story, err);
}

/* How to see the others. */
static void put_others(struct sf_page *page, const struct sf_ladder *ladder, uint64_t connections)
{
    struct sf_buffer text = {0};
    bool is_choice = ladder->offered < connections; /* the user's */
    if (connections == 0)
        sf_put_text(&text, "no TCP connection in the input");
    else if (ladder->count == 0)
        sf_put_format(&text, "no connection fits: the input has %" PRIu64, connections);
    else if (ladder->count < ladder->offered && is_choice)
        sf_put_format(&text, "%zu of %" PRIu64 " chosen connections explained; --top N shows more",
                      ladder->count, ladder->offered);
    else if (ladder->count < ladder->offered)
        sf_put_format(&text,
                      "%zu of %" PRIu64 " connections explained%s; --conn ID or --where EXPR "
                      "chooses another, --top N shows more",
                      ladder->count, connections,
                      ladder->options.sort == NULL ? ", the worst first" : "");
    if (text.len > 0) {
        sf_put_text(page->out, ladder->count > 0 ? "\n" : "");
        sf_page_wrap(page, SF_DIM, text.data, text.len, 0, 4);
    }
    sf_buffer_dispose(&text);
}

static struct sf_page page_of(const struct sf_ladder *ladder, struct sf_buffer *out)
{
    unsigned width = ladder->options.width;
    return (struct sf_page){.out = out,
                            .width = width < WIDTH_MAX ? width : WIDTH_MAX,
                            .color = ladder->options.color,
                            .unicode = ladder->options.unicode};
}

int sf_ladder_write(struct sf_ladder *ladder, struct sf_buffer *out, struct sf_error *err)
{
    struct sf_page page = page_of(ladder, out);
    for (size_t i = 0; i < ladder->count; i++) {
        if (finish_story(&ladder->stories[i], err) != 0)
            return -1;
        sf_put_text(out, i > 0 ? "\n\n" : "");
        sf_ladder_page(&page, &ladder->stories[i]);
    }
    return sf_buffer_check(out, err);
}

int sf_ladder_print(struct sf_ladder *ladder, uint64_t connections, struct sf_error *err)
{
    struct sf_output output = {0};
    if (sf_output_open(&output, NULL, false, err) != 0)
        return -1;
    int result = sf_ladder_write(ladder, &output.buffer, err);
    struct sf_page page = page_of(ladder, &output.buffer);
    put_others(&page, ladder, connections);
    if (result == 0)
        result = sf_output_finish(&output, err);
    sf_output_dispose(&output);
    return result;
}
