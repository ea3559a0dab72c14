/* The workers' threads; who started them looks after files, signals and the clock meanwhile, and
 * reports what is open at the end. */
#include "ring_workers.h"

#include <stdlib.h>
#include <time.h>

#include "ring_worker.h"

enum { ROUND_MS = 50 };

struct party {
    struct sf_pass *pass;
    struct sf_exchange *exchange;
    struct sf_desk desk;
    struct sf_ring_worker *workers;
    pthread_t *threads;
    unsigned count, started;
    sf_ns begun_ns; /* of the machine's clock */
};

static sf_ns machine_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now); /* the clock that stamps the packets */
    return (sf_ns)now.tv_sec * SF_SEC + now.tv_nsec;
}

/* --- while they work --- */

/* Under the desk's lock. */
static int look_after_outputs(struct party *party, struct sf_error *err)
{
    struct sf_pass *pass = party->pass;
    struct sf_outputs *outputs = pass->outputs;
    bool is_over = false;
    if (sf_outputs_rotate(outputs, &is_over, err) != 0)
        return -1;
    if (atomic_exchange(&pass->signals.want_files, false) && sf_outputs_reopen(outputs, err) != 0)
        return -1;
    if (is_over || sf_outputs_gone(outputs))
        atomic_store(&party->desk.is_over, true);
    struct sf_intake sum;
    if (sf_outputs_interim_due(outputs)) {
        struct sf_ending ending = sf_desk_sum(&party->desk, &sum);
        return sf_ending_write_interim(outputs, &ending, err);
    }
    if (atomic_exchange(&pass->signals.want_line, false)) {
        struct sf_ending ending = sf_desk_sum(&party->desk, &sum);
        sf_ending_tell_counts(&sum, ending.tracked.connections, ending.captured.dropped);
    }
    return 0;
}

/* Waits for a round; false when no worker is left. */
static bool wait_round(struct party *party)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += ROUND_MS * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    if (party->desk.working > 0)
        pthread_cond_timedwait(&party->desk.has_ended, &party->desk.lock, &until);
    return party->desk.working > 0;
}

static int look_after(struct party *party, struct sf_error *err)
{
    struct sf_desk *desk = &party->desk;
    int result = 0;
    pthread_mutex_lock(&desk->lock);
    while (result == 0 && wait_round(party)) {
        if (atomic_load(&party->pass->signals.stop))
            atomic_store(&desk->is_stopping, true);
        result = look_after_outputs(party, err);
    }
    if (result != 0)
        atomic_store(&desk->is_over, true);
    pthread_mutex_unlock(&desk->lock);
    return result;
}

static void *run_worker(void *argument)
{
    sf_ring_worker_run(argument);
    return NULL;
}

static int start(struct party *party, struct sf_error *err)
{
    party->desk.working = party->count;
    for (; party->started < party->count; party->started++) {
        if (pthread_create(&party->threads[party->started], NULL, run_worker,
                           &party->workers[party->started]) == 0)
            continue;
        atomic_store(&party->desk.is_over, true);
        for (unsigned i = party->started; i < party->count; i++)
            sf_exchange_reach(party->exchange, i, INT64_MAX); /* who waits for it need not */
        return sf_fail(err, "a worker's thread cannot be started");
    }
    return 0;
}

static int run_threads(struct party *party, struct sf_error *err)
{
    struct sf_desk *desk = &party->desk;
    int result = start(party, err);
    if (result == 0)
        result = look_after(party, err);
    for (unsigned i = 0; i < party->started; i++)
        pthread_join(party->threads[i], NULL);
    if (result == 0 && desk->has_failed)
        result = sf_fail(err, "%s", desk->error.text);
    return result;
}

/* --- the end --- */

struct rest {
    struct sf_record record;
    bool is_there;
};

static struct rest *least(struct rest *rests, unsigned count)
{
    struct rest *first = NULL;
    for (unsigned i = 0; i < count; i++)
        if (rests[i].is_there && (first == NULL || rests[i].record.id < first->record.id))
            first = &rests[i];
    return first;
}

static int take_last_events(struct party *party, struct sf_ring_worker *worker,
                            struct sf_error *err)
{
    struct sf_event event;
    while (sf_tracker_event(worker->tracker, &event))
        if (sf_outputs_event(party->pass->outputs, &event, err) != 0)
            return -1;
    return 0;
}

/* What is open is reported in the order of ids over all workers. */
static int report_rests(struct party *party, struct rest *rests, struct sf_error *err)
{
    struct rest *rest;
    const struct sf_where *where = party->pass->where;
    for (unsigned i = 0; i < party->count; i++) {
        struct sf_ring_worker *worker = &party->workers[i];
        sf_tracker_finish(worker->tracker);
        if (take_last_events(party, worker, err) != 0)
            return -1;
        rests[i].is_there = sf_ring_worker_rest(worker, &rests[i].record);
    }
    while ((rest = least(rests, party->count)) != NULL) {
        struct sf_ring_worker *worker = &party->workers[rest - rests];
        bool is_chosen = where == NULL || sf_where_holds(where, &rest->record);
        if (sf_desk_record(&party->desk, &rest->record, is_chosen, err) != 0 ||
            sf_desk_rows(&party->desk, worker->views, err) != 0)
            return -1;
        rest->is_there = sf_ring_worker_rest(worker, &rest->record);
    }
    return 0;
}

static int write_end(struct party *party, struct sf_error *err)
{
    struct sf_outputs *outputs = party->pass->outputs;
    struct sf_intake sum;
    struct rest *rests = calloc(party->count, sizeof *rests);
    if (rests == NULL)
        return sf_fail(err, "out of memory");
    for (size_t i = 0; i < outputs->count; i++)
        outputs->is_forked[i] = false;
    int result = report_rests(party, rests, err);
    free(rests);
    if (result != 0)
        return -1;
    for (unsigned i = 0; i < party->count; i++)
        sf_desk_count(&party->desk, i, &party->workers[i].intake, party->workers[i].tracker);
    struct sf_ending ending = sf_desk_sum(&party->desk, &sum);
    return sf_ending_write(outputs, &ending, err);
}

static int read_and_write(struct party *party, struct sf_error *err)
{
    struct sf_pass *pass = party->pass;
    pass->signals.reopens = sf_outputs_can_reopen(pass->outputs);
    sf_signals_start(&pass->signals, NULL);
    int result = sf_ending_write_meta(pass->outputs, pass->options, err);
    if (result == 0)
        result = sf_outputs_flush(pass->outputs, err);
    if (result == 0)
        result = run_threads(party, err);
    if (result == 0)
        result = write_end(party, err);
    sf_signals_end(&pass->signals);
    return result;
}

/* --- opening and closing --- */

static int open_workers(struct party *party, struct sf_error *err)
{
    struct sf_pass *pass = party->pass;
    for (unsigned i = 0; i < party->count; i++) {
        struct sf_ring_worker *worker = &party->workers[i];
        worker->desk = &party->desk;
        worker->exchange = party->exchange;
        worker->index = i;
        worker->count = party->count;
        worker->intake.capture = i == 0 ? pass->intake.capture : NULL;
        if (i > 0 && sf_intake_open_twin(&worker->intake.capture, pass->intake.capture,
                                         pass->options, err) != 0)
            return -1;
    }
    sf_ns begin_ns = machine_time(); /* all share the packets from now on */
    uint64_t seed = sf_pass_seed();
    for (unsigned i = 0; i < party->count; i++) {
        sf_capture_begin(party->workers[i].intake.capture, begin_ns);
        if (sf_ring_worker_open(&party->workers[i], seed, err) != 0)
            return -1;
    }
    return 0;
}

static int open_party(struct party *party, struct sf_error *err)
{
    sf_tally_init(&party->pass->tally);
    party->pass->findings = sf_findings_new();
    party->workers = calloc(party->count, sizeof *party->workers);
    party->threads = calloc(party->count, sizeof *party->threads);
    if (sf_desk_init(&party->desk, party->pass, party->count, err) != 0)
        return -1;
    if (party->pass->findings == NULL || party->workers == NULL || party->threads == NULL)
        return sf_fail(err, "out of memory");
    party->exchange = sf_exchange_new(party->count, err);
    return party->exchange == NULL ? -1 : open_workers(party, err);
}

static void close_party(struct party *party)
{
    for (unsigned i = 0; party->workers != NULL && i < party->count; i++) {
        struct sf_ring_worker *worker = &party->workers[i];
        sf_ring_worker_dispose(worker);
        if (i > 0 && worker->intake.capture != NULL)
            sf_capture_close(worker->intake.capture);
    }
    free(party->workers);
    free(party->threads);
    sf_exchange_free(party->exchange);
    sf_desk_dispose(&party->desk);
    sf_findings_free(party->pass->findings);
}

static bool tell_inputs(struct party *party)
{
    struct sf_intake sum;
    const struct sf_cli_options *options = party->pass->options;
    struct sf_ending ending = sf_desk_sum(&party->desk, &sum);
    bool is_partial = false;
    for (size_t i = 0; i < ending.input_count; i++) {
        const struct sf_input_report *input = &ending.inputs[i];
        is_partial = is_partial || input->damaged || input->unreadable;
        if (!options->quiet && !input->is_told && (input->damaged || input->unreadable))
            fprintf(stderr, "synfin: %s\n", input->error.text);
    }
    return sf_ending_tell_dropped(ending.captured.dropped, options) || is_partial;
}

static enum sf_status run(struct party *party)
{
    struct sf_error err = {0};
    struct sf_pass *pass = party->pass;
    if (open_party(party, &err) != 0 || sf_sandbox_enter(pass->sandbox, &err) != 0)
        return sf_fail_run(&err);
    int result = read_and_write(party, &err);
    bool is_partial = tell_inputs(party);
    if (result != 0)
        return sf_fail_run(&err);
    if (is_partial)
        return SF_STATUS_PARTIAL;
    return pass->has_failed_on ? SF_STATUS_MATCHED : SF_STATUS_OK;
}

enum sf_status sf_ring_workers_run(struct sf_pass *pass, unsigned count)
{
    struct party party = {.pass = pass, .count = count};
    enum sf_status status = run(&party);
    close_party(&party);
    return status;
}
