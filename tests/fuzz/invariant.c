/* What must hold of every record, whatever the packets were. */
#include "invariant.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "synfin/field.h"

/* The tracker keeps so many changes of state at most: a timeline as long may be cut. */
enum { TIMELINE_MAX = 4096 };

void invariant_hold(bool holds, const char *claim, const char *about, const char *file, int line)
{
    if (holds)
        return;
    fprintf(stderr, "%s:%d: does not hold: %s (%s)\n", file, line, claim, about);
    abort();
}

/* --- each field by its type ------------------------------------------------------------------- */

static bool is_one_of(const char *value, const char *values)
{
    size_t len = strlen(value);
    for (const char *at = values; (at = strstr(at, value)) != NULL; at++)
        if ((at == values || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
            return true;
    return false;
}

static void check_name(const struct sf_field *field, const char *value)
{
    INVARIANT(value != NULL || field->is_nullable, field->path);
    if (value != NULL && field->values != NULL)
        INVARIANT(is_one_of(value, field->values), field->path);
}

static void check_field(const struct sf_field *field, const struct sf_record *record)
{
    const void *at = sf_field_at(field, record);
    switch (field->type) {
    case SF_FIELD_COUNT:
        INVARIANT(*(const uint64_t *)at != SF_COUNT_UNKNOWN || field->is_nullable, field->path);
        break;
    case SF_FIELD_REAL: {
        double real = *(const double *)at;
        INVARIANT(!isnan(real) || field->is_nullable, field->path);
        INVARIANT(isnan(real) || (real >= 0 && isfinite(real)), field->path);
        break;
    }
    case SF_FIELD_TIME: INVARIANT(sf_ns_known(*(const sf_ns *)at), field->path); break;
    case SF_FIELD_DURATION: {
        sf_ns span = *(const sf_ns *)at;
        INVARIANT(sf_ns_known(span) || field->is_nullable, field->path);
        INVARIANT(!sf_ns_known(span) || span >= 0, field->path);
        break;
    }
    case SF_FIELD_NAME: check_name(field, *(const char *const *)at); break;
    case SF_FIELD_CLAIM: {
        enum sf_tri claim = *(const enum sf_tri *)at;
        INVARIANT(claim == SF_TRI_FALSE || claim == SF_TRI_TRUE || field->is_nullable, field->path);
        break;
    }
    case SF_FIELD_TEXT:
    case SF_FIELD_SEVERITY:
    case SF_FIELD_VLANS:
    case SF_FIELD_TUNNELS:
    case SF_FIELD_TIMELINE:
    case SF_FIELD_ANOMALIES: break;
    }
}

/* --- the parts of a record against each other --------------------------------------------------
 */

static void check_times(const struct sf_times *times, const char *about)
{
    bool has_samples = times->samples > 0;
    INVARIANT(sf_ns_known(times->min_ns) == has_samples, about);
    INVARIANT(sf_ns_known(times->avg_ns) == has_samples, about);
    INVARIANT(sf_ns_known(times->p50_ns) == has_samples, about);
    INVARIANT(times->min_ns <= times->avg_ns && times->avg_ns <= times->max_ns, about);
    INVARIANT(times->min_ns <= times->p50_ns && times->p50_ns <= times->p95_ns, about);
    INVARIANT(times->p95_ns <= times->max_ns, about);
}

static void check_parts(const struct sf_record_end *end, const char *about)
{
    INVARIANT(end->unique_bytes <= end->payload_bytes, about);
    INVARIANT(end->retransmitted_bytes <= end->payload_bytes, about);
    INVARIANT(end->data_packets <= end->packets, about);
    INVARIANT(end->acks <= end->packets, about);
    INVARIANT(end->pure_acks <= end->acks, about);
    INVARIANT(end->syns <= end->packets && end->fins <= end->packets, about);
    INVARIANT(end->rsts <= end->packets && end->pushes <= end->packets, about);
    INVARIANT(end->retransmitted_packets <= end->packets, about);
    INVARIANT(end->out_of_order_packets <= end->packets, about);
    INVARIANT(end->retransmissions_timeout + end->retransmissions_fast +
                      end->retransmissions_spurious <=
                  end->retransmitted_packets,
              about);
    INVARIANT(end->duplicate_acks <= end->packets, about);
    INVARIANT(end->dsack_packets <= end->sack_packets && end->sack_packets <= end->packets, about);
    INVARIANT(end->keep_alives + end->zero_window_probes <= end->packets, about);
    INVARIANT(end->zero_windows <= end->packets && end->window_full <= end->packets, about);
}

static void check_end(const struct sf_record *record, enum sf_role role)
{
    const struct sf_record_end *end = &record->end[role];
    const char *about = sf_role_name(role);
    check_parts(end, about);
    check_times(&end->rtt, about);
    check_times(&end->response_time, about);
    INVARIANT((end->data_packets > 0) == (end->segment_max != SF_COUNT_UNKNOWN), about);
    INVARIANT(end->data_packets == 0 || end->segment_min <= end->segment_max, about);
    INVARIANT(end->window_min <= end->window_max, about);
    INVARIANT(end->ttl_min <= end->ttl_max, about);
    /* A lone RST proves nothing of its sender; nor does a SYN that was nobody's. */
    INVARIANT(end->packets <= end->syns + end->rsts || end->state != NULL, about);
    INVARIANT((end->packets > 1) == sf_ns_known(end->idle_max_ns), about);
    INVARIANT(!sf_ns_known(end->idle_max_ns) || end->idle_max_ns <= record->duration_ns, about);
    INVARIANT(end->missing_bytes <= end->stream_bytes + 1, about); /* a FIN may be missing */
}

static void check_timeline(const struct sf_record *record, enum sf_role role)
{
    const char *about = sf_role_name(role);
    enum sf_tcp_state state = SF_STATE_NONE;
    enum sf_tri proved = SF_TRI_UNKNOWN;
    uint64_t packet = 0;
    for (size_t i = 0; i < record->timeline_count; i++) {
        const struct sf_timeline_entry *entry = &record->timeline[i];
        if (entry->end != role)
            continue;
        INVARIANT(entry->from == state, about);
        INVARIANT(entry->to != SF_STATE_NONE, about);
        INVARIANT(entry->packet >= packet && entry->packet <= record->last_packet, about);
        INVARIANT(entry->packet >= record->first_packet, about);
        INVARIANT(entry->t_ns >= 0 && entry->t_ns <= record->duration_ns, about);
        state = entry->to;
        proved = (enum sf_tri)entry->proved;
        packet = entry->packet;
    }
    if (record->timeline_count >= TIMELINE_MAX)
        return;
    INVARIANT(record->end[role].state == sf_state_name(state), about);
    INVARIANT(record->end[role].state_proved == proved, about);
}

static void check_anomalies(const struct sf_record *record)
{
    enum sf_severity worst = SF_SEVERITY_OK;
    for (size_t i = 0; i < record->anomaly_count; i++) {
        const struct sf_anomaly_entry *entry = &record->anomalies[i];
        const char *about = sf_anomaly_name(entry->name);
        INVARIANT(entry->count >= 1, about);
        INVARIANT(entry->first_packet <= entry->last_packet, about);
        INVARIANT(entry->first_packet >= record->first_packet, about);
        INVARIANT(entry->detail[0] != '\0', about);
        INVARIANT(memchr(entry->detail, '\0', sizeof entry->detail) != NULL, about);
        for (size_t j = 0; j < i; j++)
            INVARIANT(record->anomalies[j].name != entry->name ||
                          record->anomalies[j].end != entry->end,
                      about);
        worst = entry->severity > worst ? entry->severity : worst;
    }
    INVARIANT(record->severity == worst, "severity");
}

static void check_close(const struct sf_record *record)
{
    bool is_reset = strcmp(record->close_how, "reset") == 0;
    INVARIANT(is_reset == (record->reset_by != NULL), "close.reset");
    INVARIANT((record->reset_kind != NULL) == is_reset, "close.reset.kind");
    INVARIANT(!is_reset || (record->reset_packet >= record->first_packet &&
                            record->reset_packet <= record->last_packet),
              "close.reset.packet");
    bool is_none = strcmp(record->close_how, "none") == 0;
    INVARIANT(is_reset || is_none == (record->close_first == NULL), "close.first");
}

void invariant_record(const struct sf_record *record)
{
    size_t count;
    const struct sf_field *fields = sf_fields(&count);
    for (size_t i = 0; i < count; i++)
        check_field(&fields[i], record);
    INVARIANT(record->first_packet <= record->last_packet, "packets");
    INVARIANT(record->start_ns <= record->end_ns, "times");
    INVARIANT(record->duration_ns == record->end_ns - record->start_ns, "times");
    INVARIANT(record->end[SF_CLIENT].packets + record->end[SF_SERVER].packets > 0, "packets");
    INVARIANT(strlen(record->verdict) > 0, "verdict");
    INVARIANT(strlen(record->uid) > 0, "uid");
    for (int role = 0; role < SF_ROLE_COUNT; role++) {
        check_end(record, (enum sf_role)role);
        check_timeline(record, (enum sf_role)role);
    }
    check_anomalies(record);
    check_close(record);
}

/* --- a whole run ------------------------------------------------------------------------------ */

static struct invariant_conn *conn_of(struct invariant_run *run, uint64_t id)
{
    INVARIANT(id >= 1 && id <= run->segments, "id");
    if (id >= run->capacity) {
        size_t capacity = 2 * (size_t)id + 16;
        run->conns = realloc(run->conns, capacity * sizeof *run->conns);
        if (run->conns == NULL)
            abort();
        memset(run->conns + run->capacity, 0, (capacity - run->capacity) * sizeof *run->conns);
        run->capacity = capacity;
    }
    return &run->conns[id];
}

void invariant_run_event(struct invariant_run *run, const struct sf_event *event)
{
    struct invariant_conn *conn = conn_of(run, event->conn);
    INVARIANT(!conn->is_done, "an event after its connection's record");
    switch (event->kind) {
    case SF_EVENT_STATE:
        INVARIANT(event->from != event->to || event->cause == SF_CAUSE_PROVED ||
                      event->cause == SF_CAUSE_RETRACTED,
                  "event");
        conn->changes++;
        break;
    case SF_EVENT_ANOMALY:
        INVARIANT(event->detail[0] != '\0', sf_anomaly_name(event->anomaly));
        conn->anomalies++;
        break;
    }
}

void invariant_run_record(struct invariant_run *run, const struct sf_record *record,
                          bool has_events)
{
    invariant_record(record);
    struct invariant_conn *conn = conn_of(run, record->id);
    INVARIANT(!conn->is_done, "id");
    conn->is_done = true;
    run->records++;
    for (int role = 0; role < SF_ROLE_COUNT; role++) {
        run->packets += record->end[role].packets + record->end[role].capture_duplicates;
        run->duplicates += record->end[role].capture_duplicates;
    }
    if (!has_events)
        return;
    uint64_t anomalies = 0;
    for (size_t i = 0; i < record->anomaly_count; i++) {
        const struct sf_anomaly_entry *entry = &record->anomalies[i];
        anomalies += sf_anomaly_is_told_once(entry->name) ? 1 : entry->count;
    }
    INVARIANT(anomalies <= conn->anomalies, "anomalies without events");
    if (record->timeline_count < TIMELINE_MAX)
        INVARIANT(record->timeline_count == conn->changes, "timeline and events");
}

void invariant_run_end(struct invariant_run *run, const struct sf_track_totals *totals)
{
    INVARIANT(run->packets == run->segments, "every segment is in one record");
    INVARIANT(run->records == totals->connections, "connections");
    INVARIANT(run->duplicates == totals->capture_duplicates, "capture duplicates");
    free(run->conns);
    *run = (struct invariant_run){0};
}
