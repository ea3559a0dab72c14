/* The kernel deals packets by the hash of what it takes for their addresses and ports: both
 * directions of a connection reach one worker. Where it looks at other addresses than we, the
 * segment goes by mail to the worker that has the connection. */
#include "ring_worker.h"

#include <stdlib.h>
#include <time.h>

/* So old at most are lines that wait for more, and the counts that others see. */
static const sf_ns TELL_EVERY = 20 * SF_MSEC;

static sf_ns machine_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (sf_ns)now.tv_sec * SF_SEC + now.tv_nsec;
}

/* --- what comes out --- */

static int take_event(struct sf_ring_worker *worker, const struct sf_event *event,
                      struct sf_error *err)
{
    for (size_t i = 0; i < SF_OUTPUTS_MAX; i++) {
        struct sf_sink *fork = worker->forks[i];
        if (fork != NULL && fork->event != NULL && fork->event(fork, event, err) != 0)
            return -1;
    }
    return worker->has_direct_events ? sf_desk_event(worker->desk, event, err) : 0;
}

static int take_events(struct sf_ring_worker *worker, struct sf_error *err)
{
    struct sf_event event;
    while (sf_tracker_event(worker->tracker, &event))
        if (take_event(worker, &event, err) != 0)
            return -1;
    return 0;
}

static bool is_chosen(const struct sf_ring_worker *worker, const struct sf_record *record)
{
    const struct sf_where *where = worker->desk->pass->where;
    return where == NULL || sf_where_holds(where, record);
}

static int take_record(struct sf_ring_worker *worker, struct sf_record *record,
                       struct sf_error *err)
{
    sf_views_record(worker->views, record);
    bool is_wanted = is_chosen(worker, record);
    for (size_t i = 0; is_wanted && i < SF_OUTPUTS_MAX; i++) {
        struct sf_sink *fork = worker->forks[i];
        if (fork != NULL && fork->record(fork, record, err) != 0)
            return -1;
    }
    return sf_desk_record(worker->desk, record, is_wanted, err);
}

static int take_records(struct sf_ring_worker *worker, struct sf_error *err)
{
    struct sf_record record;
    while (sf_tracker_record(worker->tracker, &record))
        if (take_record(worker, &record, err) != 0 ||
            sf_desk_rows(worker->desk, worker->views, err) != 0)
            return -1;
    return sf_desk_rows(worker->desk, worker->views, err);
}

static int take_events_and_records(struct sf_ring_worker *worker, struct sf_error *err)
{
    return take_events(worker, err) != 0 || take_records(worker, err) != 0 ? -1 : 0;
}

static int take_update(struct sf_ring_worker *worker, struct sf_record *record,
                       struct sf_error *err)
{
    sf_views_update(worker->views, record);
    if (!is_chosen(worker, record))
        return 0;
    for (size_t i = 0; i < SF_OUTPUTS_MAX; i++) {
        struct sf_sink *fork = worker->forks[i];
        if (fork != NULL && fork->update != NULL && fork->update(fork, record, err) != 0)
            return -1;
    }
    return worker->has_direct_updates ? sf_desk_update(worker->desk, record, err) : 0;
}

static int take_updates(struct sf_ring_worker *worker, struct sf_error *err)
{
    struct sf_record record;
    while (sf_tracker_update(worker->tracker, &record))
        if (take_update(worker, &record, err) != 0)
            return -1;
    return take_events(worker, err);
}

static int tell(struct sf_ring_worker *worker, struct sf_error *err)
{
    sf_desk_count(worker->desk, worker->index, &worker->intake, worker->tracker);
    return sf_desk_lines(worker->desk, worker->forks, err);
}

/* --- what comes in --- */

static int track_segment(struct sf_ring_worker *worker, const struct sf_segment *segment,
                         struct sf_error *err)
{
    sf_views_segment(worker->views, segment, sf_tracker_segment(worker->tracker, segment, NULL));
    if (sf_tracker_has_news(worker->tracker))
        return take_events_and_records(worker, err);
    bool has_rows = worker->desk->pass->outputs->wants_zeek_rows;
    return has_rows ? sf_desk_rows(worker->desk, worker->views, err) : 0;
}

static int track_quote(struct sf_ring_worker *worker, const struct sf_icmp_quote *quote,
                       struct sf_error *err)
{
    sf_tracker_icmp(worker->tracker, quote);
    return take_events_and_records(worker, err);
}

static int take_segment(void *self, const struct sf_segment *segment,
                        const struct sf_packet *packet, struct sf_error *err)
{
    (void)packet;
    return track_segment(self, segment, err);
}

static int take_quote(void *self, const struct sf_icmp_quote *quote, struct sf_error *err)
{
    return track_quote(self, quote, err);
}

static int post_to_all(struct sf_ring_worker *worker, const struct sf_mail *mail,
                       struct sf_error *err)
{
    for (unsigned i = 0; i < worker->count; i++)
        if (sf_exchange_post(worker->exchange, i, mail, err) != 0)
            return -1;
    return 0;
}

/* All segments of a tunnelled connection come this way; of one whose packets were cut into
 * fragments only those, and the kernel alone knows where the others go. */
static int take_stray(void *self, const struct sf_decoded *decoded, struct sf_error *err)
{
    struct sf_ring_worker *worker = self;
    struct sf_mail mail = {.kind = SF_MAIL_QUOTE};
    if (decoded->has_quote) {
        mail.ts_ns = decoded->quote.ts_ns;
        mail.quote = decoded->quote;
        return post_to_all(worker, &mail, err);
    }
    mail.ts_ns = decoded->segment.ts_ns;
    mail.segment = decoded->segment;
    mail.kind = decoded->segment.tunnel_count > 0 ? SF_MAIL_OWNED : SF_MAIL_KNOWN;
    if (mail.kind == SF_MAIL_KNOWN)
        return post_to_all(worker, &mail, err);
    uint32_t place = sf_flow_key_place(&mail.segment.key);
    return sf_exchange_post(worker->exchange, place * worker->count >> SF_PLACE_BITS, &mail, err);
}

static int open_mail(struct sf_ring_worker *worker, const struct sf_mail *mail,
                     struct sf_error *err)
{
    if (mail->kind == SF_MAIL_QUOTE)
        return track_quote(worker, &mail->quote, err);
    struct sf_segment segment = mail->segment;
    if (mail->kind == SF_MAIL_KNOWN && !sf_tracker_knows(worker->tracker, &segment))
        return 0;
    if (mail->kind == SF_MAIL_OWNED)
        segment.packet = sf_intake_accept(&worker->intake);
    return track_segment(worker, &segment, err);
}

static int take_mail(struct sf_ring_worker *worker, struct sf_error *err)
{
    const struct sf_mail *mail;
    sf_ns now_ns = machine_time();
    sf_ns until_ns = sf_exchange_all_reached(worker->exchange);
    while ((mail = sf_exchange_take(worker->exchange, worker->index, until_ns, now_ns)) != NULL)
        if (open_mail(worker, mail, err) != 0)
            return -1;
    return 0;
}

/* --- the run --- */

/* Who is ahead of others while too much mail waits lets them catch up. */
static bool must_wait(const struct sf_ring_worker *worker)
{
    return sf_exchange_is_full(worker->exchange) &&
           sf_capture_complete_until(worker->intake.capture) >
               sf_exchange_all_reached(worker->exchange);
}

static int read_batch(struct sf_ring_worker *worker, size_t *count, struct sf_error *err)
{
    struct sf_exchange *exchange = worker->exchange;
    struct sf_capture *capture = worker->intake.capture;
    const struct timespec shortly = {.tv_nsec = 1000000};
    *count = 0;
    if (must_wait(worker)) {
        nanosleep(&shortly, NULL);
        return 0;
    }
    sf_capture_wait(capture, sf_exchange_wake_fd(exchange, worker->index),
                    sf_exchange_is_busy(exchange));
    if (sf_intake_take(&worker->intake, SF_INTAKE_BATCH, count, err) != 0)
        return -1;
    sf_exchange_reach(exchange, worker->index, sf_capture_complete_until(capture));
    return 0;
}

/* Connections end by the clock as well as by packets, and no line waits for the next. */
static int take_moment(struct sf_ring_worker *worker, size_t count, struct sf_error *err)
{
    struct sf_desk *desk = worker->desk;
    if (sf_watch_moment(&worker->watch, &worker->intake, count) || worker->intake.is_over)
        atomic_store(&desk->is_over, true);
    if (take_events_and_records(worker, err) != 0 || take_updates(worker, err) != 0)
        return -1;
    sf_ns now_ns = machine_time(), since = now_ns - worker->told_ns;
    if (count > 0 && worker->intake.is_full && since >= 0 && since < TELL_EVERY)
        return 0;
    worker->told_ns = now_ns;
    return tell(worker, err);
}

static int read_all(struct sf_ring_worker *worker, struct sf_error *err)
{
    struct sf_capture *capture = worker->intake.capture;
    while (!sf_capture_ended(capture) && !atomic_load(&worker->desk->is_over)) {
        size_t count;
        if (!worker->is_stopping && atomic_load(&worker->desk->is_stopping)) {
            worker->is_stopping = true;
            sf_capture_stop(capture);
        }
        if (read_batch(worker, &count, err) != 0 || take_mail(worker, err) != 0 ||
            take_moment(worker, count, err) != 0)
            return -1;
    }
    return 0;
}

/* Others may still send mail, and learn of drops. */
static int await_others(struct sf_ring_worker *worker, struct sf_error *err)
{
    const struct timespec shortly = {.tv_nsec = 2000000};
    sf_watch_look(&worker->watch);
    sf_exchange_reach(worker->exchange, worker->index, INT64_MAX);
    while (sf_exchange_all_reached(worker->exchange) != INT64_MAX) {
        if (take_mail(worker, err) != 0 || tell(worker, err) != 0)
            return -1;
        nanosleep(&shortly, NULL);
    }
    sf_watch_look(&worker->watch);
    return take_mail(worker, err) != 0 ? -1 : tell(worker, err);
}

void sf_ring_worker_run(struct sf_ring_worker *worker)
{
    struct sf_error err = {0};
    int result = read_all(worker, &err);
    if (result == 0)
        result = await_others(worker, &err);
    else
        sf_exchange_reach(worker->exchange, worker->index, INT64_MAX);
    sf_desk_leave(worker->desk, result == 0 ? NULL : &err);
}

bool sf_ring_worker_rest(struct sf_ring_worker *worker, struct sf_record *record)
{
    if (!sf_tracker_record(worker->tracker, record))
        return false;
    sf_views_record(worker->views, record);
    return true;
}

/* --- opening --- */

static int open_forks(struct sf_ring_worker *worker, struct sf_error *err)
{
    struct sf_outputs *outputs = worker->desk->pass->outputs;
    for (size_t i = 0; i < outputs->count; i++) {
        struct sf_sink *sink = outputs->sinks[i];
        struct sf_sink *fork = NULL;
        if (sink->record != NULL && sink->fork != NULL && (fork = sink->fork(sink, err)) == NULL)
            return -1;
        if (fork != NULL && fork->lines == NULL) { /* it would keep them until the end */
            fork->close(fork);
            fork = NULL;
        }
        worker->forks[i] = fork;
        outputs->is_forked[i] = fork != NULL;
        worker->has_direct_events |= fork == NULL && sink->event != NULL;
        worker->has_direct_updates |= fork == NULL && sink->update != NULL;
    }
    return 0;
}

static struct sf_track_options track_options(const struct sf_ring_worker *worker)
{
    const struct sf_pass *pass = worker->desk->pass;
    const struct sf_cli_options *options = pass->options;
    return (struct sf_track_options){
        .linger_ns = options->linger_ns,
        .idle_timeout_ns = options->idle_timeout_ns,
        .max_memory = options->max_memory / worker->count,
        .want_events = pass->outputs->wants_events,
        .ids_given = sf_exchange_ids(worker->exchange),
        .report_after_ns = sf_watch_report_after,
        .handshake_due_ns = sf_watch_handshake_due,
        .update_interval_ns = pass->outputs->wants_updates ? options->update_interval_ns : 0};
}

static int open_core(struct sf_ring_worker *worker, struct sf_error *err)
{
    struct sf_view_options view = {.zeek = true,
                                   .zeek_rows = worker->desk->pass->outputs->wants_zeek_rows};
    struct sf_track_options track = track_options(worker);
    worker->views = sf_views_new(&view);
    if (worker->views != NULL) {
        worker->slots = sf_views_keeper(worker->views);
        track.slots = &worker->slots;
    }
    worker->tracker = sf_tracker_new(&track);
    return worker->tracker != NULL && worker->views != NULL ? 0 : sf_fail(err, "out of memory");
}

int sf_ring_worker_open(struct sf_ring_worker *worker, uint64_t hash_seed, struct sf_error *err)
{
    struct sf_intake *intake = &worker->intake;
    const struct sf_cli_options *options = worker->desk->pass->options;
    if (open_core(worker, err) != 0)
        return -1;
    worker->watch.exchange = worker->exchange;
    worker->watch.is_silent = worker->index != 0;
    sf_watch_begin(&worker->watch, options, intake->capture, worker->tracker);
    intake->options = options;
    intake->tracker = worker->tracker;
    intake->common = sf_exchange_common(worker->exchange);
    intake->taker = (struct sf_taker){
        .segment = take_segment, .quote = take_quote, .stray = take_stray, .self = worker};
    if (sf_intake_begin(intake, hash_seed, err) != 0 || open_forks(worker, err) != 0)
        return -1;
    sf_desk_count(worker->desk, worker->index, intake, worker->tracker);
    return 0;
}

void sf_ring_worker_dispose(struct sf_ring_worker *worker)
{
    for (size_t i = 0; i < SF_OUTPUTS_MAX; i++)
        if (worker->forks[i] != NULL)
            worker->forks[i]->close(worker->forks[i]);
    sf_views_free(worker->views);
    sf_tracker_free(worker->tracker);
    sf_intake_dispose(&worker->intake);
}
