/* What a worker finds out waits until all workers have read as far: only then it is known how many
 * connections began before. Then its records are made, printed into chunks and sent. */
#include "worker.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK_OCTETS = 1 << 18 };

/* A connection that left; its record waits in the tracker, in the same order. */
struct sf_departure {
    struct sf_key key;
    struct sf_record_views views;
};

struct sf_dated_row {
    struct sf_key key;
    struct sf_zeek_row row;
};

/* Room for one more in an array whose items from `begin` on are in use. NULL with *err. */
static void *room_for_one(void *array, size_t *capacity, size_t count, size_t size,
                          struct sf_error *err)
{
    if (count < *capacity)
        return array;
    size_t larger = *capacity == 0 ? 64 : 2 * *capacity;
    void *moved = realloc(array, larger * size);
    if (moved == NULL)
        sf_fail(err, "out of memory");
    else
        *capacity = larger;
    return moved;
}

/* --- what is found out --- */

static int keep_rows(struct sf_worker *worker, struct sf_key key, struct sf_error *err)
{
    struct sf_zeek_row row;
    while (sf_views_zeek_row(worker->views, &row)) {
        struct sf_dated_row *rows =
            room_for_one(worker->rows, &worker->row_capacity, worker->row_count, sizeof *rows, err);
        if (rows == NULL)
            return -1;
        worker->rows = rows;
        rows[worker->row_count++] = (struct sf_dated_row){key, row};
    }
    return 0;
}

static int keep_all_departures(struct sf_worker *worker, uint64_t packet, struct sf_error *err)
{
    while (sf_tracker_departed(worker->tracker, &worker->leaving)) {
        struct sf_departure *departures =
            room_for_one(worker->departures, &worker->departure_capacity, worker->departure_count,
                         sizeof *departures, err);
        if (departures == NULL)
            return -1;
        worker->departures = departures;
        struct sf_key key = {packet, worker->leaving.id};
        sf_views_record(worker->views, &worker->leaving);
        departures[worker->departure_count++] = (struct sf_departure){key, worker->leaving.views};
        if (keep_rows(worker, key, err) != 0)
            return -1;
    }
    return 0;
}

/* Connections that ended at the packet: nearly always none. */
static inline int keep_departures(struct sf_worker *worker, uint64_t packet, struct sf_error *err)
{
    return sf_tracker_has_news(worker->tracker) ? keep_all_departures(worker, packet, err) : 0;
}

static int take_segment(void *self, const struct sf_segment *segment,
                        const struct sf_packet *packet, struct sf_error *err)
{
    struct sf_worker *worker = self;
    (void)packet;
    void **slot = sf_tracker_segment(worker->tracker, segment, NULL);
    if (sf_tracker_has_begun(worker->tracker, segment->packet)) {
        uint64_t bit = (segment->packet - 1) % SF_EPOCH_PACKETS;
        worker->births[bit / 64] |= UINT64_C(1) << bit % 64;
    }
    sf_views_segment(worker->views, segment, slot);
    if (worker->has_zeek_rows && keep_rows(worker, (struct sf_key){segment->packet, 0}, err) != 0)
        return -1;
    return keep_departures(worker, segment->packet, err);
}

static int take_quote(void *self, const struct sf_icmp_quote *quote, struct sf_error *err)
{
    struct sf_worker *worker = self;
    sf_tracker_icmp(worker->tracker, quote);
    return keep_departures(worker, quote->packet, err);
}

static int take_other(void *self, uint64_t packet, sf_ns ts_ns, struct sf_error *err)
{
    struct sf_worker *worker = self;
    sf_tracker_pass(worker->tracker, packet, ts_ns);
    return keep_departures(worker, packet, err);
}

/* --- what is told --- */

static int begin_chunk(struct sf_worker *worker, struct sf_error *err)
{
    if (worker->chunk == NULL)
        worker->chunk = sf_crew_chunk(worker->crew, worker->index);
    return worker->chunk != NULL ? 0 : sf_crew_check(worker->crew, err);
}

static void send_chunk(struct sf_worker *worker, struct sf_key reach, bool is_last)
{
    struct sf_chunk *chunk = worker->chunk;
    for (size_t i = 0; i < SF_OUTPUTS_MAX; i++) {
        struct sf_buffer *lines = worker->forks[i] != NULL ? worker->forks[i]->lines : NULL;
        if (lines == NULL)
            continue;
        struct sf_buffer empty = chunk->streams[SF_STREAM_SINKS + i].octets;
        chunk->streams[SF_STREAM_SINKS + i].octets = *lines;
        *lines = empty;
    }
    chunk->reach = reach;
    worker->chunk = NULL;
    sf_crew_send(worker->crew, worker->index, is_last);
}

static size_t chunk_octets(const struct sf_worker *worker)
{
    size_t octets = worker->chunk->streams[SF_STREAM_ROWS].octets.len +
                    worker->chunk->streams[SF_STREAM_ATTEMPTS].octets.len;
    for (size_t i = 0; i < SF_OUTPUTS_MAX; i++)
        if (worker->forks[i] != NULL && worker->forks[i]->lines != NULL)
            octets += worker->forks[i]->lines->len;
    return octets;
}

static int tell_row(struct sf_worker *worker, struct sf_key key, const struct sf_zeek_row *row,
                    struct sf_error *err)
{
    struct sf_stream *stream = &worker->chunk->streams[SF_STREAM_ROWS];
    sf_put(&stream->octets, (const char *)row, sizeof *row);
    return sf_stream_end_piece(stream, &stream->octets, key, err);
}

static int print_record(struct sf_worker *worker, struct sf_key key, const struct sf_record *record,
                        struct sf_error *err)
{
    for (size_t i = 0; i < SF_OUTPUTS_MAX; i++) {
        struct sf_sink *fork = worker->forks[i];
        if (fork == NULL)
            continue;
        if (fork->record(fork, record, err) != 0)
            return -1;
        struct sf_stream *stream = &worker->chunk->streams[SF_STREAM_SINKS + i];
        if (fork->lines != NULL && sf_stream_end_piece(stream, fork->lines, key, err) != 0)
            return -1;
    }
    return 0;
}

/* Its id is still the packet that began it. */
static int tell_record(struct sf_worker *worker, struct sf_key key, struct sf_record *record,
                       struct sf_error *err)
{
    const struct sf_pass *pass = worker->pass;
    struct sf_stream *stream = &worker->chunk->streams[SF_STREAM_ATTEMPTS];
    struct sf_attempt attempt;
    record->id = sf_crew_id(worker->crew, record->id);
    sf_tally_record(&worker->tally, record);
    if (sf_attempt_of(record, &attempt)) {
        sf_put(&stream->octets, (const char *)&attempt, sizeof attempt);
        if (sf_stream_end_piece(stream, &stream->octets, key, err) != 0)
            return -1;
    }
    if (pass->fail_on != NULL && sf_where_holds(pass->fail_on, record))
        worker->has_failed_on = true;
    if (pass->where != NULL && !sf_where_holds(pass->where, record))
        return 0;
    return print_record(worker, key, record, err);
}

/* Called between keys: a chunk reaches a key when all pieces of that key are in it. */
static int make_room(struct sf_worker *worker, struct sf_key reach, struct sf_error *err)
{
    if (chunk_octets(worker) < CHUNK_OCTETS)
        return 0;
    send_chunk(worker, reach, false);
    return begin_chunk(worker, err);
}

/* Rows up to the key go first: a connection's rows stand under its key. */
static int tell_rows(struct sf_worker *worker, struct sf_key limit, struct sf_error *err)
{
    for (; worker->row_begin < worker->row_count; worker->row_begin++) {
        const struct sf_dated_row *dated = &worker->rows[worker->row_begin];
        if (sf_key_before(limit, dated->key))
            break;
        if (tell_row(worker, dated->key, &dated->row, err) != 0)
            return -1;
    }
    return 0;
}

static int tell_departures(struct sf_worker *worker, struct sf_key limit, struct sf_error *err)
{
    struct sf_record record;
    for (; worker->departure_begin < worker->departure_count; worker->departure_begin++) {
        const struct sf_departure *departure = &worker->departures[worker->departure_begin];
        if (sf_key_before(limit, departure->key))
            break;
        sf_tracker_record(worker->tracker, &record);
        record.views = departure->views;
        if (tell_rows(worker, departure->key, err) != 0 ||
            tell_record(worker, departure->key, &record, err) != 0 ||
            make_room(worker, departure->key, err) != 0)
            return -1;
    }
    return tell_rows(worker, limit, err);
}

static void forget_told(struct sf_worker *worker)
{
    worker->departure_count -= worker->departure_begin;
    if (worker->departure_begin > 0 && worker->departure_count > 0)
        memmove(worker->departures, worker->departures + worker->departure_begin,
                worker->departure_count * sizeof *worker->departures);
    worker->row_count -= worker->row_begin;
    if (worker->row_begin > 0 && worker->row_count > 0)
        memmove(worker->rows, worker->rows + worker->row_begin,
                worker->row_count * sizeof *worker->rows);
    worker->departure_begin = worker->row_begin = 0;
}

static struct sf_key end_of_epochs(uint64_t epochs)
{
    /* what comes at the end of the input is not yet known */
    uint64_t packet = epochs == SF_CREW_ALL ? UINT64_MAX - 1 : epochs * SF_EPOCH_PACKETS;
    return (struct sf_key){packet, UINT64_MAX};
}

/* Tells all that is known of the epochs that all workers have read; waits for them as need be. */
static int tell_complete(struct sf_worker *worker, struct sf_error *err)
{
    for (;;) {
        uint64_t complete;
        if (!sf_crew_wait(worker->crew, worker->index, worker->told, &complete))
            return sf_crew_check(worker->crew, err);
        if (complete == worker->told)
            return 0;
        struct sf_key limit = end_of_epochs(complete);
        if (begin_chunk(worker, err) != 0 || tell_departures(worker, limit, err) != 0)
            return -1;
        send_chunk(worker, limit, false);
        forget_told(worker);
        worker->told = complete;
    }
}

/* Connections that were still there when the input ended. */
static int tell_rest(struct sf_worker *worker, struct sf_error *err)
{
    struct sf_record record;
    if (begin_chunk(worker, err) != 0)
        return -1;
    sf_tracker_finish(worker->tracker);
    while (sf_tracker_record(worker->tracker, &record)) {
        struct sf_key key = {UINT64_MAX, record.id};
        sf_views_record(worker->views, &record);
        if (keep_rows(worker, key, err) != 0 || tell_rows(worker, key, err) != 0)
            return -1;
        forget_told(worker);
        if (tell_record(worker, key, &record, err) != 0 || make_room(worker, key, err) != 0)
            return -1;
    }
    send_chunk(worker, (struct sf_key){UINT64_MAX, UINT64_MAX}, true);
    return 0;
}

/* --- the run --- */

/* *has_ended: there is nothing more to read. */
static int read_epoch(struct sf_worker *worker, bool *has_ended, struct sf_error *err)
{
    struct sf_intake *intake = &worker->intake;
    memset(worker->births, 0, sizeof worker->births);
    for (size_t left = SF_EPOCH_PACKETS, count; left > 0 && !*has_ended; left -= count) {
        if (sf_intake_take(intake, left, &count, err) != 0)
            return -1;
        *has_ended = intake->is_over || (count == 0 && sf_capture_ended(intake->capture));
        if (worker->show != NULL)
            worker->show(worker);
    }
    return 0;
}

static int work(struct sf_worker *worker, struct sf_error *err)
{
    for (bool has_ended = false; !has_ended;) {
        if (read_epoch(worker, &has_ended, err) != 0)
            return -1;
        has_ended = sf_crew_tell(worker->crew, worker->index, worker->births, has_ended);
        if (tell_complete(worker, err) != 0)
            return -1;
    }
    return tell_rest(worker, err);
}

void sf_worker_run(struct sf_worker *worker)
{
    struct sf_error err = {0};
    if (work(worker, &err) != 0)
        sf_crew_fail(worker->crew, &err);
}

static int open_forks(struct sf_worker *worker, struct sf_error *err)
{
    const struct sf_outputs *outputs = worker->pass->outputs;
    for (size_t i = 0; i < outputs->count; i++) {
        struct sf_sink *sink = outputs->sinks[i];
        if (sink->record == NULL)
            continue;
        worker->forks[i] = sink->fork(sink, err);
        if (worker->forks[i] == NULL)
            return -1;
    }
    return 0;
}

int sf_worker_open(struct sf_worker *worker, uint64_t hash_seed, struct sf_error *err)
{
    const struct sf_cli_options *options = worker->pass->options;
    struct sf_track_options track = {.linger_ns = options->linger_ns,
                                     .idle_timeout_ns = options->idle_timeout_ns,
                                     .ids_by_packet = true,
                                     .shares = worker->intake.shares};
    struct sf_view_options view = {.zeek = true,
                                   .zeek_rows = worker->pass->outputs->wants_zeek_rows};
    worker->has_zeek_rows = view.zeek_rows;
    sf_tally_init(&worker->tally);
    worker->views = sf_views_new(&view);
    if (worker->views != NULL) {
        worker->slots = sf_views_keeper(worker->views);
        track.slots = &worker->slots;
    }
    worker->tracker = sf_tracker_new(&track);
    if (worker->tracker == NULL || worker->views == NULL)
        return sf_fail(err, "out of memory");
    worker->intake.options = options;
    worker->intake.tracker = worker->tracker;
    worker->intake.taker = (struct sf_taker){
        .segment = take_segment, .quote = take_quote, .other = take_other, .self = worker};
    if (sf_intake_begin(&worker->intake, hash_seed, err) != 0)
        return -1;
    return open_forks(worker, err);
}

void sf_worker_dispose(struct sf_worker *worker)
{
    for (size_t i = 0; i < SF_OUTPUTS_MAX; i++)
        if (worker->forks[i] != NULL)
            worker->forks[i]->close(worker->forks[i]);
    sf_views_free(worker->views);
    sf_tracker_free(worker->tracker);
    sf_intake_dispose(&worker->intake);
    free(worker->departures);
    free(worker->rows);
}
