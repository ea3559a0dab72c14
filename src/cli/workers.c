/* The workers' threads, and the writer, which is the thread that started them. */
#include "workers.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "ending.h"
#include "worker.h"

/* By default: more cores do not help, since each worker reads all. */
enum { CORES_MAX = 16 };
/* Octets of input worth another thread. */
static const double WORTH_A_WORKER = 4e6;

struct party {
    struct sf_pass *pass;
    struct sf_crew *crew;
    struct sf_worker *workers;
    pthread_t threads[SF_CREW_MAX];
    unsigned count, started;
    struct sf_sink *sink; /* whose lines are being written */
};

/* --- how many --- */

/* Lines before a connection's end, and bounds that ask how much all have, want one thread. */
static bool can_share(const struct sf_pass *pass)
{
    const struct sf_cli_options *options = pass->options;
    const struct sf_outputs *outputs = pass->outputs;
    if (outputs == NULL || pass->packets != NULL || pass->chosen != NULL || pass->screen != NULL ||
        options->max_memory > 0 || outputs->wants_events || outputs->wants_segments)
        return false;
    for (size_t i = 0; i < outputs->count; i++)
        if (outputs->sinks[i]->record != NULL && outputs->sinks[i]->fork == NULL)
            return false;
    return sf_capture_can_have_twins(pass->intake.capture);
}

static unsigned usable_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int cores = CPU_COUNT(&set);
    return cores > CORES_MAX ? CORES_MAX : (unsigned)cores;
}

/* Live, segments are printed by who sees them in their order. */
static bool can_share_rings(const struct sf_pass *pass)
{
    return pass->screen == NULL && pass->outputs != NULL && !pass->outputs->wants_segments;
}

unsigned sf_workers_count(const struct sf_pass *pass)
{
    uint64_t asked = pass->options->workers;
    if (pass->options->interfaces.count > 0) {
        uint64_t most = can_share_rings(pass) && asked > 1 ? asked : 1;
        return most < SF_CREW_MAX ? (unsigned)most : SF_CREW_MAX;
    }
    if (asked == 1 || !can_share(pass))
        return 1;
    if (asked > 1)
        return asked < SF_CREW_MAX ? (unsigned)asked : SF_CREW_MAX;
    if (pass->options->idle_timeout_ns > 0 || pass->options->packet_limit > 0 ||
        pass->options->duration_ns > 0)
        return 1;
    double worth = (double)sf_capture_size(pass->intake.capture) / WORTH_A_WORKER;
    unsigned cores = usable_cores();
    return worth < cores ? 1 + (unsigned)worth : cores;
}

/* --- the writer --- */

static int write_attempt(void *self, const char *octets, size_t len, struct sf_error *err)
{
    struct party *party = self;
    struct sf_attempt attempt;
    (void)len;
    (void)err;
    memcpy(&attempt, octets, sizeof attempt);
    sf_findings_add(party->pass->findings, &attempt);
    return 0;
}

static int write_row(void *self, const char *octets, size_t len, struct sf_error *err)
{
    struct party *party = self;
    struct sf_zeek_row row;
    (void)len;
    memcpy(&row, octets, sizeof row);
    return sf_outputs_zeek_row(party->pass->outputs, &row, err);
}

static int write_lines(void *self, const char *octets, size_t len, struct sf_error *err)
{
    struct party *party = self;
    return party->sink->gone ? 0 : party->sink->put_lines(party->sink, octets, len, err);
}

static int write_chunks(struct party *party, struct sf_chunk *const *chunks, size_t count,
                        struct sf_key limit, struct sf_error *err)
{
    struct sf_outputs *outputs = party->pass->outputs;
    if (sf_chunks_merge(chunks, count, SF_STREAM_ATTEMPTS, limit, write_attempt, party, err) != 0 ||
        sf_chunks_merge(chunks, count, SF_STREAM_ROWS, limit, write_row, party, err) != 0)
        return -1;
    for (size_t i = 0; i < outputs->count; i++) {
        party->sink = outputs->sinks[i];
        if (sf_chunks_merge(chunks, count, SF_STREAM_SINKS + i, limit, write_lines, party, err) !=
            0)
            return -1;
    }
    return 0;
}

static struct sf_key least_reach(struct sf_chunk *const *chunks, size_t count)
{
    struct sf_key least = chunks[0]->reach;
    for (size_t i = 1; i < count; i++)
        if (sf_key_before(chunks[i]->reach, least))
            least = chunks[i]->reach;
    return least;
}

static int write_all(struct party *party, struct sf_error *err)
{
    struct sf_chunk *chunks[SF_CREW_MAX];
    size_t count;
    while ((count = sf_crew_receive(party->crew, chunks)) > 0) {
        struct sf_key limit = least_reach(chunks, count);
        if (write_chunks(party, chunks, count, limit, err) != 0)
            return -1;
        sf_crew_release(party->crew, limit);
        if (sf_outputs_gone(party->pass->outputs))
            sf_crew_stop(party->crew);
    }
    return sf_crew_check(party->crew, err);
}

/* --- the threads --- */

/* Worker 0, once a batch. */
static void show(struct sf_worker *worker)
{
    struct party *party = worker->show_to;
    struct sf_pass *pass = party->pass;
    if (atomic_load(&pass->signals.stop))
        sf_crew_stop(party->crew);
    if (atomic_exchange(&pass->signals.want_line, false))
        sf_ending_tell_statistics(&worker->intake, sf_crew_records(party->crew));
    sf_progress_show(&pass->progress, worker->intake.capture, sf_intake_packets(&worker->intake));
}

static void *run_worker(void *argument)
{
    sf_worker_run(argument);
    return NULL;
}

static int start(struct party *party, struct sf_error *err)
{
    for (; party->started < party->count; party->started++)
        if (pthread_create(&party->threads[party->started], NULL, run_worker,
                           &party->workers[party->started]) != 0)
            return sf_fail(err, "a worker's thread cannot be started");
    return 0;
}

static int run_threads(struct party *party, struct sf_error *err)
{
    int result = start(party, err);
    if (result == 0)
        result = write_all(party, err);
    if (result != 0)
        sf_crew_fail(party->crew, err);
    for (unsigned i = 0; i < party->started; i++)
        pthread_join(party->threads[i], NULL);
    sf_progress_end(&party->pass->progress);
    return result;
}

static int open_capture(struct party *party, struct sf_worker *worker, struct sf_error *err)
{
    struct sf_capture *first = party->pass->intake.capture;
    if (worker->index == 0) {
        worker->intake.capture = first;
        return 0;
    }
    return sf_intake_open_twin(&worker->intake.capture, first, party->pass->options, err);
}

static int open_workers(struct party *party, struct sf_error *err)
{
    uint64_t seed = sf_pass_seed();
    party->crew = sf_crew_new(party->count);
    party->workers = calloc(party->count, sizeof *party->workers);
    if (party->crew == NULL || party->workers == NULL)
        return sf_fail(err, "out of memory");
    for (unsigned i = 0; i < party->count; i++) {
        struct sf_worker *worker = &party->workers[i];
        worker->pass = party->pass;
        worker->crew = party->crew;
        worker->index = i;
        worker->intake.share = i;
        worker->intake.shares = party->count;
        worker->show = i == 0 ? show : NULL;
        worker->show_to = party;
        if (open_capture(party, worker, err) != 0 || sf_worker_open(worker, seed, err) != 0)
            return -1;
    }
    return 0;
}

static void close_workers(struct party *party)
{
    for (unsigned i = 0; party->workers != NULL && i < party->count; i++) {
        struct sf_worker *worker = &party->workers[i];
        sf_worker_dispose(worker);
        if (i > 0 && worker->intake.capture != NULL)
            sf_capture_close(worker->intake.capture);
    }
    free(party->workers);
    sf_crew_free(party->crew);
}

/* --- the end --- */

/* All read the same, unless a file was cut meanwhile: then it counts who got least. */
static const struct sf_intake *least_intake(const struct party *party)
{
    const struct sf_intake *least = &party->workers[0].intake;
    for (unsigned i = 1; i < party->count; i++)
        if (sf_intake_packets(&party->workers[i].intake) < sf_intake_packets(least))
            least = &party->workers[i].intake;
    return least;
}

static int join_forks(struct party *party, const struct sf_worker *worker, struct sf_error *err)
{
    struct sf_outputs *outputs = party->pass->outputs;
    for (size_t i = 0; i < outputs->count; i++) {
        struct sf_sink *sink = outputs->sinks[i];
        if (worker->forks[i] != NULL && sink->join != NULL &&
            sink->join(sink, worker->forks[i], err) != 0)
            return -1;
    }
    return 0;
}

static int join_workers(struct party *party, struct sf_track_totals *tracked, struct sf_error *err)
{
    struct sf_pass *pass = party->pass;
    for (unsigned i = 0; i < party->count; i++) {
        const struct sf_worker *worker = &party->workers[i];
        struct sf_track_totals totals = sf_tracker_totals(worker->tracker);
        sf_track_totals_add(tracked, &totals);
        sf_tally_add(&pass->tally, &worker->tally);
        pass->has_failed_on = pass->has_failed_on || worker->has_failed_on;
        if (join_forks(party, worker, err) != 0)
            return -1;
    }
    return 0;
}

static int write_end(struct party *party, struct sf_error *err)
{
    struct sf_pass *pass = party->pass;
    struct sf_ending ending = {
        .intake = least_intake(party), .tally = &pass->tally, .findings = pass->findings};
    if (join_workers(party, &ending.tracked, err) != 0)
        return -1;
    return sf_ending_write(pass->outputs, &ending, err);
}

static int read_and_write(struct party *party, struct sf_error *err)
{
    struct sf_pass *pass = party->pass;
    sf_progress_begin(&pass->progress, pass->options);
    sf_signals_start(&pass->signals, NULL);
    int result = sf_ending_write_meta(pass->outputs, pass->options, err);
    if (result == 0)
        result = run_threads(party, err);
    if (result == 0)
        result = write_end(party, err);
    sf_signals_end(&pass->signals);
    return result;
}

static enum sf_status run(struct party *party)
{
    struct sf_error err = {0};
    struct sf_pass *pass = party->pass;
    if (open_workers(party, &err) != 0 || sf_sandbox_enter(pass->sandbox, &err) != 0)
        return sf_fail_run(&err);
    int result = read_and_write(party, &err);
    bool is_partial = sf_ending_tell_inputs(least_intake(party)->capture, pass->options);
    if (result != 0)
        return sf_fail_run(&err);
    if (is_partial)
        return SF_STATUS_PARTIAL;
    return pass->has_failed_on ? SF_STATUS_MATCHED : SF_STATUS_OK;
}

enum sf_status sf_workers_run(struct sf_pass *pass, unsigned count)
{
    struct party party = {.pass = pass, .count = count};
    struct sf_error err = {0};
    sf_tally_init(&pass->tally);
    pass->findings = sf_findings_new();
    enum sf_status status;
    if (pass->findings == NULL) {
        sf_fail(&err, "out of memory");
        status = sf_fail_run(&err);
    } else {
        status = run(&party);
    }
    close_workers(&party);
    sf_findings_free(pass->findings);
    return status;
}
