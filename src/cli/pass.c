/* Events, segments and records go to the outputs as they come. */
#include "pass.h"

#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "ending.h"
#include "synfin/hint.h"

static bool is_wanted(const struct sf_pass *pass, uint64_t conn)
{
    return pass->chosen == NULL || sf_selection_has(pass->chosen, conn);
}

static bool is_live(const struct sf_pass *pass)
{
    return pass->options->interfaces.count > 0;
}

static int take_events(struct sf_pass *pass, struct sf_error *err)
{
    struct sf_event event;
    while (sf_tracker_event(pass->tracker, &event)) {
        if (pass->screen != NULL)
            sf_board_event(sf_screen_board(pass->screen), &event);
        if (pass->outputs == NULL || !is_wanted(pass, event.conn))
            continue;
        if (sf_outputs_event(pass->outputs, &event, err) != 0)
            return -1;
    }
    return 0;
}

static int take_record(struct sf_pass *pass, struct sf_record *record, struct sf_error *err)
{
    sf_views_record(pass->views, record);
    if (pass->screen != NULL)
        sf_board_record(sf_screen_board(pass->screen), record);
    sf_tally_record(&pass->tally, record);
    struct sf_attempt attempt;
    if (sf_attempt_of(record, &attempt))
        sf_findings_add(pass->findings, &attempt);
    if (pass->fail_on != NULL && sf_where_holds(pass->fail_on, record))
        pass->has_failed_on = true;
    if (pass->where != NULL && !sf_where_holds(pass->where, record))
        return 0;
    if (pass->choose != NULL && sf_selection_add(pass->choose, record->id, err) != 0)
        return -1;
    return pass->outputs == NULL ? 0 : sf_outputs_record(pass->outputs, record, err);
}

static int take_zeek_rows(struct sf_pass *pass, struct sf_error *err)
{
    struct sf_zeek_row row;
    while (sf_views_zeek_row(pass->views, &row)) {
        bool is_chosen =
            pass->chosen == NULL || sf_selection_has(&pass->row_packets, row.first_packet);
        if (is_chosen && sf_outputs_zeek_row(pass->outputs, &row, err) != 0)
            return -1;
    }
    return 0;
}

static int take_records(struct sf_pass *pass, struct sf_error *err)
{
    struct sf_record record;
    while (sf_tracker_record(pass->tracker, &record)) /* each may let a row go: none waits long */
        if (take_record(pass, &record, err) != 0 || take_zeek_rows(pass, err) != 0)
            return -1;
    return take_zeek_rows(pass, err);
}

static int take_events_and_records(struct sf_pass *pass, struct sf_error *err)
{
    return take_events(pass, err) != 0 || take_records(pass, err) != 0 ? -1 : 0;
}

/* Events first, then the segment that gave rise to them, then connections that it ended. */
static int take_segment(void *self, const struct sf_segment *segment,
                        const struct sf_packet *packet, struct sf_error *err)
{
    struct sf_pass *pass = self;
    struct sf_judgement judgement;
    void **slot = sf_tracker_segment(pass->tracker, segment, &judgement);
    judgement.wireshark = sf_views_segment(pass->views, segment, slot);
    if (take_events(pass, err) != 0)
        return -1;
    struct sf_segment_line line = {segment, &judgement, judgement.t_ns};
    if (pass->screen != NULL)
        sf_board_segment(sf_screen_board(pass->screen), &line);
    bool is_chosen = is_wanted(pass, judgement.conn);
    if (is_chosen && pass->chosen != NULL && pass->has_zeek_rows &&
        sf_selection_add(&pass->row_packets, segment->packet, err) != 0)
        return -1;
    if (is_chosen && pass->outputs != NULL && pass->outputs->wants_segments &&
        sf_outputs_segment(pass->outputs, &line, err) != 0)
        return -1;
    if (is_chosen && pass->packets != NULL && sf_packet_file_add(pass->packets, packet, err) != 0)
        return -1;
    return take_records(pass, err);
}

SF_APART static int take_news(struct sf_pass *pass, struct sf_error *err)
{
    if (sf_tracker_has_news(pass->tracker))
        return take_events_and_records(pass, err);
    return pass->has_zeek_rows ? take_zeek_rows(pass, err) : 0;
}

/* The same where nobody asks for segments: after nearly all of them there is nothing to take. */
static int take_quietly(void *self, const struct sf_segment *segment,
                        const struct sf_packet *packet, struct sf_error *err)
{
    struct sf_pass *pass = self;
    (void)packet;
    sf_views_segment(pass->views, segment, sf_tracker_segment(pass->tracker, segment, NULL));
    return pass->has_zeek_rows || sf_tracker_has_news(pass->tracker) ? take_news(pass, err) : 0;
}

static bool is_quiet(const struct sf_pass *pass)
{
    return pass->screen == NULL && pass->packets == NULL && pass->chosen == NULL &&
           (pass->outputs == NULL || !pass->outputs->wants_segments);
}

static int take_quote(void *self, const struct sf_icmp_quote *quote, struct sf_error *err)
{
    struct sf_pass *pass = self;
    sf_tracker_icmp(pass->tracker, quote);
    return take_events_and_records(pass, err);
}

static int take_updates(struct sf_pass *pass, struct sf_error *err)
{
    struct sf_record record;
    while (sf_tracker_update(pass->tracker, &record)) {
        sf_views_update(pass->views, &record);
        if (pass->where != NULL && !sf_where_holds(pass->where, &record))
            continue;
        if (sf_outputs_update(pass->outputs, &record, err) != 0)
            return -1;
    }
    return take_events(pass, err);
}

/* After each batch of a live capture, an empty one too: connections end by the clock as well as by
 * packets, and no line waits for the next. */
static int take_moment(struct sf_pass *pass, size_t count, struct sf_error *err)
{
    if (sf_watch_moment(&pass->watch, &pass->intake, count))
        pass->intake.is_over = true;
    if (take_events_and_records(pass, err) != 0 || take_updates(pass, err) != 0 ||
        sf_outputs_rotate(pass->outputs, &pass->intake.is_over, err) != 0)
        return -1;
    if (atomic_exchange(&pass->signals.want_files, false) &&
        sf_outputs_reopen(pass->outputs, err) != 0)
        return -1;
    return sf_outputs_flush(pass->outputs, err);
}

static struct sf_ending ending_of(const struct sf_pass *pass)
{
    return (struct sf_ending){.intake = &pass->intake,
                              .tracked = sf_tracker_totals(pass->tracker),
                              .tally = &pass->tally,
                              .findings = pass->findings};
}

static int write_interim(struct sf_pass *pass, struct sf_error *err)
{
    if (pass->outputs == NULL || !sf_outputs_interim_due(pass->outputs))
        return 0;
    struct sf_ending ending = ending_of(pass);
    return sf_ending_write_interim(pass->outputs, &ending, err);
}

static int read_packets(struct sf_pass *pass, struct sf_error *err)
{
    struct sf_intake *intake = &pass->intake;
    while (!intake->is_over && (is_live(pass) || !atomic_load(&pass->signals.stop))) {
        size_t count;
        if (sf_intake_take(intake, SF_INTAKE_BATCH, &count, err) != 0)
            return -1;
        if (count == 0 && sf_capture_ended(intake->capture))
            break;
        if (is_live(pass) && take_moment(pass, count, err) != 0)
            return -1;
        if (write_interim(pass, err) != 0)
            return -1;
        if (pass->screen != NULL)
            sf_screen_moment(pass->screen, pass->tracker, sf_intake_packets(intake),
                             intake->verdicts[SF_VERDICT_OK],
                             sf_capture_totals(intake->capture).dropped);
        if (atomic_exchange(&pass->signals.want_line, false))
            sf_ending_tell_statistics(intake, sf_tracker_totals(pass->tracker).connections);
        sf_progress_show(&pass->progress, intake->capture, sf_intake_packets(intake));
        if (pass->outputs != NULL && sf_outputs_gone(pass->outputs) && pass->packets == NULL)
            intake->is_over = true;
    }
    return 0;
}

static void close_screen(struct sf_pass *pass)
{
    sf_screen_close(pass->screen);
    pass->screen = NULL;
}

static int read_all(struct sf_pass *pass, struct sf_error *err)
{
    int result = read_packets(pass, err);
    sf_progress_end(&pass->progress);
    close_screen(pass);
    if (result != 0)
        return -1;
    if (is_live(pass))
        sf_watch_look(&pass->watch);
    sf_tracker_finish(pass->tracker);
    return take_events_and_records(pass, err);
}

uint64_t sf_pass_seed(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        seed = (uint64_t)time(NULL);
    return seed;
}

static int open_core(struct sf_pass *pass, struct sf_error *err)
{
    const struct sf_cli_options *options = pass->options;
    const struct sf_outputs *outputs = pass->outputs;
    struct sf_track_options track = {.linger_ns = options->linger_ns,
                                     .idle_timeout_ns = options->idle_timeout_ns,
                                     .max_memory = options->max_memory,
                                     .want_events = pass->screen != NULL ||
                                                    (outputs != NULL && outputs->wants_events)};
    if (is_live(pass)) {
        track.report_after_ns = sf_watch_report_after;
        track.handshake_due_ns = sf_watch_handshake_due;
        track.update_interval_ns = outputs->wants_updates ? options->update_interval_ns : 0;
    }
    struct sf_view_options view = {.zeek = true,
                                   .zeek_rows = outputs != NULL && outputs->wants_zeek_rows,
                                   .wireshark_labels = outputs != NULL && outputs->wants_segments};
    pass->views = sf_views_new(&view);
    if (pass->views != NULL) {
        pass->slots = sf_views_keeper(pass->views);
        track.slots = pass->screen == NULL ? &pass->slots : NULL; /* it shows those that rest */
    }
    pass->tracker = sf_tracker_new(&track);
    pass->findings = sf_findings_new();
    if (pass->tracker == NULL || pass->views == NULL || pass->findings == NULL)
        return sf_fail(err, "out of memory");
    sf_tally_init(&pass->tally);
    if (is_live(pass))
        sf_watch_begin(&pass->watch, options, pass->intake.capture, pass->tracker);
    pass->intake.tracker = pass->tracker;
    pass->has_zeek_rows = view.zeek_rows;
    pass->intake.taker = (struct sf_taker){
        .segment = is_quiet(pass) ? take_quietly : take_segment, .quote = take_quote, .self = pass};
    return sf_intake_begin(&pass->intake, sf_pass_seed(), err);
}

static void close_pass(struct sf_pass *pass)
{
    sf_findings_free(pass->findings);
    sf_views_free(pass->views);
    sf_tracker_free(pass->tracker);
    sf_intake_dispose(&pass->intake);
    sf_selection_dispose(&pass->row_packets);
}

static int write_end(struct sf_pass *pass, struct sf_error *err)
{
    struct sf_ending ending = ending_of(pass);
    return sf_ending_write(pass->outputs, &ending, err);
}

static int read_and_write(struct sf_pass *pass, struct sf_error *err)
{
    sf_progress_begin(&pass->progress, pass->options);
    pass->signals.reopens = pass->outputs != NULL && sf_outputs_can_reopen(pass->outputs);
    sf_signals_start(&pass->signals, pass->intake.capture);
    if (pass->screen != NULL && sf_screen_start(pass->screen, &pass->signals) != 0)
        close_screen(pass);
    int result =
        pass->outputs == NULL ? 0 : sf_ending_write_meta(pass->outputs, pass->options, err);
    if (result == 0)
        result = read_all(pass, err);
    if (result == 0 && pass->packets != NULL)
        result = sf_packet_file_finish(pass->packets, err);
    if (result == 0 && pass->outputs != NULL)
        result = write_end(pass, err);
    sf_signals_end(&pass->signals);
    return result;
}

/* From the tracker to the end line. */
static int open_and_read(struct sf_pass *pass, struct sf_error *err)
{
    pass->intake.options = pass->options;
    if (open_core(pass, err) != 0)
        return -1;
    if (pass->screen != NULL && sf_screen_take(pass->screen) != 0)
        close_screen(pass);
    return sf_sandbox_enter(pass->sandbox, err) != 0 ? -1 : read_and_write(pass, err);
}

static enum sf_status run(struct sf_pass *pass)
{
    struct sf_error err = {0};
    int result = open_and_read(pass, &err);
    close_screen(pass);
    bool is_partial =
        pass->outputs != NULL && sf_ending_tell_inputs(pass->intake.capture, pass->options);
    if (result != 0)
        return sf_fail_run(&err);
    if (is_partial)
        return SF_STATUS_PARTIAL;
    return pass->has_failed_on ? SF_STATUS_MATCHED : SF_STATUS_OK;
}

enum sf_status sf_pass_run(struct sf_pass *pass)
{
    enum sf_status status = run(pass);
    close_pass(pass);
    return status;
}
