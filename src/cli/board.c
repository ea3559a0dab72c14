/* Rings of what was last heard, and the choice of the first few hundred connections among all. */
#include "board.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "synfin/address.h"
#include "synfin/ladder.h"
#include "synfin/where.h"

enum {
    CANDIDATES = 2 * SF_PANEL_ROWS, /* cut to half when full */
    SAMPLES = 16,                   /* of the totals, for rates */
    CLOCK_EVERY = 32,               /* connections between two looks at the clock */
    NEWS_FROM = 2000,               /* anomalies that are looked through for news */
    SEVERITIES = SF_PROBLEM + 1,
};

static const sf_ns LOOK_BUDGET = 10 * SF_MSEC;
static const sf_ns RATE_SPAN = 2 * SF_SEC;
static const sf_ns CLOSED_SHOWN = 60 * SF_SEC;

/* What a ladder and a lookup need of a segment and its judgement. */
struct heard {
    struct sf_flow_key key;
    uint64_t hash, conn, packet;
    sf_ns ts_ns;
    int64_t seq, ack;
    uint64_t window;
    sf_seq raw_seq;
    uint32_t payload_len, labels;
    uint16_t flags;
    int8_t dir, from;
};

struct closed {
    struct sf_record *record; /* in one piece; NULL: none */
    sf_ns told_ns;
};

/* An anomaly, and when it came: events only know how old their connection was. */
struct noted {
    struct sf_event event;
    sf_ns heard_ns;
};

struct candidate {
    struct sf_glance glance;
    const char *outcome; /* NULL: it is open */
    uint64_t rank[3];    /* compared in turn, larger first; then the newer id */
};

struct sample {
    sf_ns t;
    uint64_t packets, octets, opened, dropped;
};

struct sf_board {
    struct heard *heard; /* ring; `heard_count` were put in since the start */
    struct noted *noted; /* the same */
    uint64_t heard_count, noted_count;
    struct closed closed[SEVERITIES][SF_BOARD_CLOSED];
    unsigned closed_next[SEVERITIES];
    sf_ns now_ns; /* of the last look */
    uint64_t octets;

    struct sample samples[SAMPLES];
    unsigned sample_next;

    struct sf_flow_walk walk;
    uint64_t states[SF_ROLE_COUNT][SF_STATE_COUNT]; /* of the round under way */
    uint64_t states_told[SF_ROLE_COUNT][SF_STATE_COUNT];
    bool has_round; /* some round was completed */

    struct sf_panel_wish wish; /* the last one */
    struct sf_where *where;
    struct candidate candidates[CANDIDATES];
    size_t count;
    bool is_full; /* the candidate at SF_PANEL_ROWS - 1 is a floor */
};

struct sf_board *sf_board_new(sf_ns now_ns)
{
    struct sf_board *board = calloc(1, sizeof *board);
    if (board == NULL)
        return NULL;
    board->now_ns = now_ns;
    board->heard = calloc(SF_BOARD_SEGMENTS, sizeof *board->heard);
    board->noted = calloc(SF_BOARD_ANOMALIES, sizeof *board->noted);
    if (board->heard != NULL && board->noted != NULL)
        return board;
    sf_board_free(board);
    return NULL;
}

void sf_board_free(struct sf_board *board)
{
    if (board == NULL)
        return;
    for (int severity = 0; severity < SEVERITIES; severity++)
        for (int i = 0; i < SF_BOARD_CLOSED; i++)
            free(board->closed[severity][i].record);
    sf_where_free(board->where);
    free(board->heard);
    free(board->noted);
    free(board);
}

/* --- hearing ---------------------------------------------------------------------------------- */

void sf_board_segment(struct sf_board *board, const struct sf_segment_line *line)
{
    const struct sf_segment *seg = line->segment;
    const struct sf_judgement *judgement = line->judgement;
    struct heard *heard = &board->heard[board->heard_count++ % SF_BOARD_SEGMENTS];
    board->octets += seg->ip_bytes;
    *heard = (struct heard){.key = seg->key,
                            .hash = seg->hash,
                            .conn = judgement->conn,
                            .packet = seg->packet,
                            .ts_ns = seg->ts_ns,
                            .seq = judgement->seq,
                            .ack = judgement->ack,
                            .window = judgement->window,
                            .raw_seq = seg->seq,
                            .payload_len = seg->payload_len,
                            .labels = judgement->labels,
                            .flags = seg->flags,
                            .dir = (int8_t)seg->dir,
                            .from = (int8_t)judgement->from};
}

void sf_board_event(struct sf_board *board, const struct sf_event *event)
{
    if (event->kind == SF_EVENT_ANOMALY)
        board->noted[board->noted_count++ % SF_BOARD_ANOMALIES] =
            (struct noted){*event, board->now_ns};
}

void sf_board_record(struct sf_board *board, const struct sf_record *record)
{
    unsigned *next = &board->closed_next[record->severity];
    struct closed *closed = &board->closed[record->severity][*next];
    void *piece = malloc(sf_record_packed(record));
    if (piece == NULL)
        return;
    sf_record_pack(record, piece);
    free(closed->record);
    *closed = (struct closed){sf_record_unpack(piece), board->now_ns};
    *next = (*next + 1) % SF_BOARD_CLOSED;
}

/* --- choosing --------------------------------------------------------------------------------- */

static uint64_t known_span(sf_ns span)
{
    return sf_ns_known(span) && span > 0 ? (uint64_t)span : 0;
}

static void rank(struct candidate *candidate, enum sf_panel_sort sort)
{
    const struct sf_glance *glance = &candidate->glance;
    uint64_t *out = candidate->rank;
    uint64_t start = (uint64_t)glance->start_ns;
    bool is_bad = glance->severity >= SF_WARNING;
    switch (sort) {
    case SF_PANEL_BY_SEVERITY: out[0] = glance->severity; break;
    case SF_PANEL_BY_RESENT: out[0] = glance->resent; break;
    case SF_PANEL_BY_RTT: out[0] = known_span(glance->rtt_ns); break;
    case SF_PANEL_BY_BYTES: out[0] = glance->bytes; break;
    case SF_PANEL_BY_AGE: out[0] = ~start; break;
    case SF_PANEL_BY_START:
    case SF_PANEL_SORTS: out[0] = start; break;
    }
    out[1] = is_bad ? glance->resent : 0;
    out[2] = glance->bytes;
}

/* < 0: a stands before b. */
static int compare(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    for (int i = 0; i < 3; i++)
        if (a->rank[i] != b->rank[i])
            return a->rank[i] > b->rank[i] ? -1 : 1;
    return a->glance.id > b->glance.id ? -1 : a->glance.id < b->glance.id;
}

/* In order; the same connection seen twice is one. */
static void settle(struct sf_board *board)
{
    size_t kept = 0;
    qsort(board->candidates, board->count, sizeof board->candidates[0], compare);
    for (size_t i = 0; i < board->count && kept < SF_PANEL_ROWS; i++) {
        if (kept > 0 && board->candidates[kept - 1].glance.id == board->candidates[i].glance.id)
            continue;
        if (kept != i)
            board->candidates[kept] = board->candidates[i];
        kept++;
    }
    board->count = kept;
    board->is_full = kept == SF_PANEL_ROWS;
}

/* Whether it would stand among the rows; its rank is filled. */
static bool is_wanted(const struct sf_board *board, struct candidate *candidate)
{
    rank(candidate, board->wish.sort);
    return !board->is_full || compare(candidate, &board->candidates[SF_PANEL_ROWS - 1]) < 0;
}

static void offer(struct sf_board *board, const struct candidate *candidate)
{
    board->candidates[board->count++] = *candidate;
    if (board->count == CANDIDATES)
        settle(board);
}

static struct candidate closed_candidate(const struct sf_record *record)
{
    const struct sf_record_end *client = &record->end[SF_CLIENT], *server = &record->end[SF_SERVER];
    sf_ns rtt = record->open_rtt_ns, from_client = client->rtt.p50_ns;
    if (!sf_ns_known(rtt))
        rtt = from_client > server->rtt.p50_ns ? from_client : server->rtt.p50_ns;
    return (struct candidate){
        .outcome = sf_record_outcome(record),
        .glance = {.key = record->key,
                   .id = record->id,
                   .client = record->client,
                   .start_ns = record->start_ns,
                   .last_ns = record->end_ns,
                   .severity = record->severity,
                   .rtt_ns = rtt,
                   .resent = client->retransmitted_packets + server->retransmitted_packets,
                   .bytes = client->unique_bytes + server->unique_bytes}};
}

static bool fits(const struct sf_board *board, struct sf_tracker *tracker,
                 const struct sf_glance *glance)
{
    struct sf_record record;
    return board->where == NULL ||
           (sf_tracker_peek(tracker, glance, &record) && sf_where_holds(board->where, &record));
}

static void offer_open(struct sf_board *board, struct sf_tracker *tracker,
                       const struct sf_glance *glance)
{
    struct candidate candidate = {.glance = *glance};
    if (is_wanted(board, &candidate) && fits(board, tracker, glance))
        offer(board, &candidate);
}

static void offer_closed(struct sf_board *board)
{
    for (int severity = SEVERITIES - 1; severity >= 0; severity--)
        for (int i = 0; i < SF_BOARD_CLOSED; i++) {
            const struct closed *closed = &board->closed[severity][i];
            if (closed->record == NULL || board->now_ns - closed->told_ns > CLOSED_SHOWN)
                continue;
            struct candidate candidate = closed_candidate(closed->record);
            if (is_wanted(board, &candidate) &&
                (board->where == NULL || sf_where_holds(board->where, closed->record)))
                offer(board, &candidate);
        }
}

/* The rows of the last look, as they stand now: this one may not come round to them. */
static void offer_again(struct sf_board *board, struct sf_tracker *tracker)
{
    size_t count = board->count, kept = 0;
    for (size_t i = 0; i < count; i++) {
        struct candidate candidate = board->candidates[i];
        if (candidate.outcome != NULL || !sf_tracker_glance_again(tracker, &candidate.glance) ||
            !fits(board, tracker, &candidate.glance))
            continue;
        rank(&candidate, board->wish.sort);
        board->candidates[kept++] = candidate;
    }
    board->count = kept;
}

static sf_ns stopwatch(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (sf_ns)now.tv_sec * SF_SEC + now.tv_nsec;
}

static void end_round(struct sf_board *board)
{
    memcpy(board->states_told, board->states, sizeof board->states);
    memset(board->states, 0, sizeof board->states);
    board->has_round = true;
}

/* Goes on around the table until the round or the time is over. */
static void look_around(struct sf_board *board, struct sf_tracker *tracker)
{
    struct sf_glance glance;
    sf_ns begin = stopwatch();
    for (unsigned seen = 1;; seen++) {
        if (!sf_tracker_glance(tracker, &board->walk, &glance)) {
            end_round(board);
            return;
        }
        board->states[SF_CLIENT][glance.state[SF_CLIENT]]++;
        board->states[SF_SERVER][glance.state[SF_SERVER]]++;
        offer_open(board, tracker, &glance);
        if (seen % CLOCK_EVERY == 0 && stopwatch() - begin > LOOK_BUDGET)
            return;
    }
}

/* Another filter or order makes the rows of the earlier part of a round worthless. */
static void take_wish(struct sf_board *board, const struct sf_panel_wish *wish)
{
    struct sf_error err;
    bool is_other_filter = strcmp(wish->filter, board->wish.filter) != 0;
    if (is_other_filter) {
        sf_where_free(board->where);
        board->where = wish->filter[0] != '\0' ? sf_where_compile(wish->filter, &err) : NULL;
    }
    if (is_other_filter || wish->sort != board->wish.sort) {
        board->count = 0;
        board->walk = (struct sf_flow_walk){0};
        memset(board->states, 0, sizeof board->states);
    }
    board->wish = *wish;
}

static void choose(struct sf_board *board, struct sf_tracker *tracker)
{
    board->is_full = false;
    offer_again(board, tracker);
    offer_closed(board);
    look_around(board, tracker);
    settle(board);
}

/* --- the view --------------------------------------------------------------------------------- */

static void fill_ends(struct sf_panel_end end[SF_ROLE_COUNT], const struct sf_flow_key *key,
                      enum sf_dir client)
{
    enum sf_dir dir[SF_ROLE_COUNT] = {client, sf_dir_other(client)};
    for (int role = 0; role < SF_ROLE_COUNT; role++) {
        sf_address_text(end[role].ip, key->addr[dir[role]], key->scope.ip_version);
        end[role].port = key->port[dir[role]];
    }
}

static void fill_rows(const struct sf_board *board, struct sf_panel_view *view)
{
    view->row_count = board->count;
    for (size_t i = 0; i < board->count; i++) {
        const struct sf_glance *glance = &board->candidates[i].glance;
        view->rows[i] = (struct sf_panel_row){.id = glance->id,
                                              .state = {glance->state[0], glance->state[1]},
                                              .outcome = board->candidates[i].outcome,
                                              .severity = glance->severity,
                                              .start_ns = glance->start_ns,
                                              .end_ns = glance->last_ns,
                                              .rtt_ns = glance->rtt_ns,
                                              .resent = glance->resent,
                                              .bytes = glance->bytes};
        fill_ends(view->rows[i].end, &glance->key, glance->client);
    }
}

static struct sf_panel_news *find_news(struct sf_panel_view *view, const struct sf_event *event)
{
    for (size_t i = 0; i < view->news_count; i++) {
        struct sf_panel_news *news = &view->news[i];
        if (news->conn == event->conn && news->name == event->anomaly && news->whose == event->end)
            return news;
    }
    return NULL;
}

/* What one connection does again and again is one piece of news. */
static void add_news(struct sf_panel_view *view, const struct noted *noted)
{
    const struct sf_event *event = &noted->event;
    struct sf_panel_news *news = find_news(view, event);
    if (news != NULL) {
        news->count++;
        return;
    }
    if (view->news_count == SF_PANEL_NEWS)
        return;
    news = &view->news[view->news_count++];
    *news = (struct sf_panel_news){.conn = event->conn,
                                   .ts_ns = noted->heard_ns,
                                   .name = event->anomaly,
                                   .severity = event->severity,
                                   .whose = event->end,
                                   .count = 1};
    fill_ends(news->end, &event->key, event->client);
    memcpy(news->detail, event->detail, sizeof news->detail);
}

static void fill_news(const struct sf_board *board, struct sf_panel_view *view)
{
    uint64_t kept = board->noted_count < NEWS_FROM ? board->noted_count : NEWS_FROM;
    view->news_count = 0;
    for (uint64_t i = 1; i <= kept; i++) {
        const struct noted *noted = &board->noted[(board->noted_count - i) % SF_BOARD_ANOMALIES];
        if (noted->event.severity >= board->wish.least)
            add_news(view, noted);
    }
}

static double per_second(uint64_t now, uint64_t before, sf_ns span)
{
    return span > 0 && now > before ? (double)(now - before) * 1e9 / (double)span : 0;
}

/* Since the latest sample that is two seconds old, or the oldest there is. */
static void fill_rates(struct sf_board *board, const struct sample *now, struct sf_panel_view *view)
{
    const struct sample *before = NULL;
    for (unsigned i = 1; i <= SAMPLES; i++) {
        const struct sample *sample = &board->samples[(board->sample_next + SAMPLES - i) % SAMPLES];
        if (sample->t == 0)
            break;
        before = sample;
        if (now->t - sample->t >= RATE_SPAN)
            break;
    }
    board->samples[board->sample_next] = *now;
    board->sample_next = (board->sample_next + 1) % SAMPLES;
    if (before == NULL)
        return;
    sf_ns span = now->t - before->t;
    view->packet_rate = per_second(now->packets, before->packets, span);
    view->bit_rate = 8 * per_second(now->octets, before->octets, span);
    view->open_rate = per_second(now->opened, before->opened, span);
    view->drop_rate = per_second(now->dropped, before->dropped, span);
}

static void fill_totals(struct sf_board *board, const struct sf_tracker *tracker,
                        const struct sf_board_totals *totals, struct sf_panel_view *view)
{
    struct sf_track_totals tracked = sf_tracker_totals(tracker);
    view->now_ns = totals->now_ns;
    view->packets = totals->packets;
    view->tcp_packets = totals->tcp_packets;
    view->dropped = totals->dropped;
    view->opened = tracked.opened;
    view->open = tracked.open;
    view->opening = tracked.opening;
    view->reported = tracked.connections;
    memcpy(view->states, board->has_round ? board->states_told : board->states,
           sizeof view->states);
    struct sample now = {totals->now_ns, totals->packets, board->octets, tracked.opened,
                         totals->dropped};
    fill_rates(board, &now, view);
}

/* --- the ladder ------------------------------------------------------------------------------- */

static const struct sf_record *find_closed(const struct sf_board *board, uint64_t id)
{
    for (int severity = 0; severity < SEVERITIES; severity++)
        for (int i = 0; i < SF_BOARD_CLOSED; i++) {
            const struct sf_record *record = board->closed[severity][i].record;
            if (record != NULL && record->id == id)
                return record;
        }
    return NULL;
}

/* The oldest that a ring of so many places still holds. */
static uint64_t first_kept(uint64_t count, uint64_t places)
{
    return count > places ? count - places : 0;
}

/* Where the tracker keeps the connection, by what was heard of it last. */
static bool find_open(const struct sf_board *board, uint64_t id, struct sf_glance *out)
{
    for (size_t i = 0; i < board->count; i++)
        if (board->candidates[i].glance.id == id) {
            *out = board->candidates[i].glance;
            return board->candidates[i].outcome == NULL;
        }
    for (uint64_t i = board->heard_count; i > first_kept(board->heard_count, SF_BOARD_SEGMENTS);
         i--) {
        const struct heard *heard = &board->heard[(i - 1) % SF_BOARD_SEGMENTS];
        if (heard->conn == id) {
            *out = (struct sf_glance){.key = heard->key, .hash = heard->hash, .id = id};
            return true;
        }
    }
    return false;
}

static int tell_heard(struct sf_ladder *ladder, const struct heard *heard, struct sf_error *err)
{
    struct sf_segment segment = {.key = heard->key,
                                 .dir = (enum sf_dir)heard->dir,
                                 .packet = heard->packet,
                                 .ts_ns = heard->ts_ns,
                                 .seq = heard->raw_seq,
                                 .flags = heard->flags,
                                 .payload_len = heard->payload_len};
    struct sf_judgement judgement = {.conn = heard->conn,
                                     .from = (enum sf_role)heard->from,
                                     .seq = heard->seq,
                                     .ack = heard->ack,
                                     .window = heard->window,
                                     .labels = heard->labels};
    struct sf_segment_line line = {.segment = &segment, .judgement = &judgement};
    return sf_ladder_segment(ladder, &line, err);
}

/* Events stand before the segment at which they became known. *told: segments of it. */
static int tell_all(const struct sf_board *board, uint64_t id, struct sf_ladder *ladder,
                    uint64_t *told, struct sf_error *err)
{
    uint64_t event = first_kept(board->noted_count, SF_BOARD_ANOMALIES);
    for (uint64_t i = first_kept(board->heard_count, SF_BOARD_SEGMENTS); i <= board->heard_count;
         i++) {
        const struct heard *heard =
            i < board->heard_count ? &board->heard[i % SF_BOARD_SEGMENTS] : NULL;
        if (heard != NULL && heard->conn != id)
            continue;
        for (; event < board->noted_count; event++) {
            const struct sf_event *at = &board->noted[event % SF_BOARD_ANOMALIES].event;
            if (heard != NULL && at->packet > heard->packet)
                break;
            if (at->conn == id && sf_ladder_event(ladder, at, err) != 0)
                return -1;
        }
        if (heard != NULL && tell_heard(ladder, heard, err) != 0)
            return -1;
        *told += heard != NULL;
    }
    return 0;
}

static uint64_t packets_of(const struct sf_record *record)
{
    uint64_t packets = 0;
    for (int role = 0; role < SF_ROLE_COUNT; role++)
        packets += record->end[role].packets + record->end[role].capture_duplicates;
    return packets;
}

static int write_story(const struct sf_board *board, const struct sf_record *record,
                       const struct sf_sink_options *terminal, struct sf_buffer *story,
                       struct sf_error *err)
{
    struct sf_sink_options options = {.top = 1,
                                      .color = terminal->color,
                                      .unicode = terminal->unicode,
                                      .width = board->wish.width};
    struct sf_buffer page = {0};
    uint64_t told = 0, packets = packets_of(record);
    struct sf_ladder *ladder = sf_ladder_new(&options);
    int result = ladder != NULL ? 0 : sf_fail(err, "out of memory");
    if (result == 0 &&
        (sf_ladder_offer(ladder, record, err) != 0 || sf_ladder_choose(ladder, err) != 0 ||
         tell_all(board, record->id, ladder, &told, err) != 0 ||
         sf_ladder_write(ladder, &page, err) != 0))
        result = -1;
    if (result == 0 && told < packets) {
        sf_put_text(story, "the first ");
        if (packets - told > 1)
            sf_put_count(story, packets - told);
        sf_put_format(story, "%s not shown: the last %d of all are remembered\n\n",
                      packets - told > 1 ? " packets are" : "packet is", (int)SF_BOARD_SEGMENTS);
    }
    if (result == 0)
        sf_put(story, page.data, page.len);
    sf_buffer_dispose(&page);
    sf_ladder_free(ladder);
    return result;
}

static void tell_story(struct sf_board *board, struct sf_tracker *tracker,
                       const struct sf_sink_options *terminal, struct sf_panel_view *view,
                       struct sf_buffer *story)
{
    struct sf_error err;
    struct sf_glance glance;
    struct sf_record record;
    uint64_t id = board->wish.story_id;
    const struct sf_record *found = find_closed(board, id);
    if (found == NULL && find_open(board, id, &glance) &&
        sf_tracker_peek(tracker, &glance, &record))
        found = &record;
    view->is_story_lost = found == NULL;
    sf_buffer_clear(story);
    if (found != NULL && write_story(board, found, terminal, story, &err) != 0) {
        sf_buffer_clear(story);
        sf_put_text(story, err.text);
    }
}

void sf_board_look(struct sf_board *board, struct sf_tracker *tracker,
                   const struct sf_board_totals *totals, const struct sf_panel_wish *wish,
                   const struct sf_sink_options *terminal, struct sf_panel_view *view,
                   struct sf_buffer *story)
{
    board->now_ns = totals->now_ns;
    take_wish(board, wish);
    choose(board, tracker);
    fill_totals(board, tracker, totals, view);
    fill_rows(board, view);
    fill_news(board, view);
    view->wish = *wish;
    if (wish->story_id != 0)
        tell_story(board, tracker, terminal, view, story);
}
