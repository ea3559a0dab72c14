/* Runs a script through the tracker and compares every line with what was found.
 *
 * usage: run_script [--transform NAME] [--dump] SCRIPT
 * Without --transform, plain, and when that is as expected under all transforms. --dump prints the
 * events and records for a comparison with what the program prints of the same packets. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script.h"
#include "synfin/field.h"
#include "synfin/track.h"
#include "wire.h"

enum { CONNECTIONS_MAX = 64, VALUE_TEXT = SF_VERDICT_TEXT };

struct end_seen {
    enum sf_tcp_state state;
    bool proved;
};

/* One connection as its events told it, by the script's own ends. */
struct seen {
    struct end_seen end[SCRIPT_WHO_COUNT];
    enum sf_role role[SCRIPT_WHO_COUNT];
    bool expected[SF_ANOMALY_COUNT]; /* by a line */
    bool has_record;
};

struct run {
    const struct script *script;
    struct sf_tracker *tracker;
    struct wire_frame frame;
    bool dump;
    unsigned failures;
    unsigned line;                         /* 0 when the input is over */
    struct seen seen[CONNECTIONS_MAX + 1]; /* by id */
    struct script_state persist[CONNECTIONS_MAX + 1][SCRIPT_WHO_COUNT]; /* by flow */
    uint64_t conn_of_flow[CONNECTIONS_MAX + 1];
    unsigned records;
};

static void fail(struct run *run, unsigned line, const char *fmt, ...) SF_PRINTF(3, 4);

static void fail(struct run *run, unsigned line, const char *fmt, ...)
{
    va_list args;
    run->failures++;
    printf("%s:", run->script->path);
    if (line != 0)
        printf("%u:", line);
    else
        printf("end:");
    if (strcmp(run->script->transform.name, "plain") != 0)
        printf(" [%s]", run->script->transform.name);
    putchar(' ');
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    putchar('\n');
}

static const char *who_name(enum script_who who)
{
    return who == SCRIPT_CLIENT ? "c" : who == SCRIPT_SERVER ? "s" : "-";
}

static const char *state_text(enum sf_tcp_state state)
{
    return state == SF_STATE_NONE ? "-" : sf_state_name(state);
}

static const char *text_or_null(const char *text)
{
    return text != NULL ? text : "null";
}

static struct seen *seen_of(struct run *run, uint64_t conn)
{
    if (conn > CONNECTIONS_MAX) {
        fail(run, run->line, "connection %llu: more than the runner can hold",
             (unsigned long long)conn);
        return &run->seen[0];
    }
    return &run->seen[conn];
}

static enum script_who who_of(const struct seen *seen, enum sf_role role)
{
    if (role == SF_ROLE_NONE)
        return SCRIPT_NOBODY;
    return seen->role[SCRIPT_CLIENT] == role ? SCRIPT_CLIENT : SCRIPT_SERVER;
}

static bool anomaly_matches(const struct script_anomaly *expected, enum sf_anomaly name,
                            enum script_who end, const char *detail)
{
    return expected->name == name && (expected->end == SCRIPT_NOBODY || expected->end == end) &&
           strncmp(detail, expected->kind, strlen(expected->kind)) == 0;
}

static bool list_has(const struct script_anomaly *list, size_t count, uint64_t record,
                     enum sf_anomaly name, enum script_who end, const char *detail)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].record == record && anomaly_matches(&list[i], name, end, detail))
            return true;
    return false;
}

static bool is_foreseen(const struct run *run, uint64_t conn, enum sf_anomaly name,
                        enum script_who end, const char *detail)
{
    const struct script *script = run->script;
    return list_has(script->at_end, script->at_end_count, conn, name, end, detail) ||
           list_has(script->allowed, script->allowed_count, conn, name, end, detail);
}

static void dump_event(const struct sf_event *event)
{
    printf("event\t%llu\t%lld\t%llu\t%s\t", (unsigned long long)event->packet,
           (long long)event->t_ns, (unsigned long long)event->conn,
           text_or_null(sf_role_name(event->end)));
    if (event->kind == SF_EVENT_STATE)
        printf("state\t%s\t%s\t%s\t%s\n", text_or_null(sf_state_name(event->from)),
               text_or_null(sf_state_name(event->to)), event->proved ? "true" : "false",
               sf_cause_name(event->cause));
    else
        printf("anomaly\t%s\t%s\t%s\n", sf_anomaly_name(event->anomaly),
               sf_severity_name(event->severity), event->detail);
}

/* An anomaly that the line, the end or a `may` foresees; met[i] says that the line's i-th came. */
static void take_anomaly(struct run *run, const struct script_packet *packet,
                         const struct sf_event *event, bool *met)
{
    struct seen *seen = seen_of(run, event->conn);
    enum script_who end = who_of(seen, event->end);
    for (size_t i = 0; packet != NULL && i < packet->anomaly_count; i++)
        if (anomaly_matches(&packet->anomaly[i], event->anomaly, end, event->detail)) {
            seen->expected[event->anomaly] = met[i] = true;
            return;
        }
    if (!is_foreseen(run, event->conn, event->anomaly, end, event->detail) &&
        !(packet == NULL && seen->expected[event->anomaly]))
        fail(run, run->line, "unexpected %s of %s (%s)", sf_anomaly_name(event->anomaly),
             who_name(end), event->detail);
}

static void take_events(struct run *run, const struct script_packet *packet, bool *met)
{
    struct sf_event event;
    while (sf_tracker_event(run->tracker, &event)) {
        struct seen *seen = seen_of(run, event.conn);
        if (run->dump)
            dump_event(&event);
        if (event.kind == SF_EVENT_ANOMALY) {
            take_anomaly(run, packet, &event, met);
            continue;
        }
        enum script_who who = who_of(seen, event.end);
        if (who == SCRIPT_NOBODY) {
            fail(run, run->line, "a state changes and belongs to neither end");
            continue;
        }
        if (seen->end[who].state != event.from && event.from != SF_STATE_NONE)
            fail(run, run->line, "%s goes from %s to %s but was %s", who_name(who),
                 state_text(event.from), state_text(event.to), state_text(seen->end[who].state));
        seen->end[who] = (struct end_seen){event.to, event.proved};
    }
}

/* What a line says of an end holds until another line says otherwise; whether it is proved is
 * compared on lines that name the state. */
static void check_states(struct run *run, const struct script_packet *packet,
                         const struct seen *seen)
{
    for (int who = 0; who < SCRIPT_WHO_COUNT; who++) {
        struct script_state *expected = &run->persist[packet->flow][who];
        const struct script_state *given = &packet->state[who];
        const struct end_seen *end = &seen->end[who];
        if (given->is_given)
            *expected = *given;
        if (!expected->is_given || expected->is_any)
            continue;
        if (end->state != expected->state)
            fail(run, packet->line, "%s is %s, script says %s", who_name((enum script_who)who),
                 state_text(end->state), state_text(expected->state));
        else if (given->is_given && given->checks_proof && end->proved == given->is_assumed)
            fail(run, packet->line, "%s %s is %s, script says %s", who_name((enum script_who)who),
                 state_text(end->state), end->proved ? "proved" : "assumed",
                 given->is_assumed ? "assumed" : "proved");
    }
}

static void check_findings(struct run *run, const struct script_packet *packet,
                           const struct sf_judgement *found)
{
    if (packet->rtt == SCRIPT_RTT_NONE && sf_ns_known(found->rtt_ns))
        fail(run, packet->line, "rtt is %.9f, script says none", (double)found->rtt_ns / 1e9);
    if (packet->rtt == SCRIPT_RTT_IS && found->rtt_ns != packet->rtt_ns)
        fail(run, packet->line, "rtt is %.9f, script says %.9f",
             sf_ns_known(found->rtt_ns) ? (double)found->rtt_ns / 1e9 : NAN,
             (double)packet->rtt_ns / 1e9);
    if (packet->checks_window && found->window != packet->found_window)
        fail(run, packet->line, "window is %" PRIu64 ", script says %" PRIu32, found->window,
             packet->found_window);
    for (int i = 0; i < SF_LABEL_COUNT; i++)
        if ((packet->labels & ~found->labels) >> i & 1)
            fail(run, packet->line, "the label %s is missing", sf_label_name((enum sf_label)i));
}

static void check_met(struct run *run, const struct script_packet *packet, const bool *met,
                      uint64_t conn)
{
    for (size_t i = 0; i < packet->anomaly_count; i++) {
        const struct script_anomaly *anomaly = &packet->anomaly[i];
        seen_of(run, conn)->expected[anomaly->name] = true;
        if (!met[i])
            fail(run, packet->line, "no %s%s%s%s%s here", sf_anomaly_name(anomaly->name),
                 anomaly->end == SCRIPT_NOBODY ? "" : " of ",
                 anomaly->end == SCRIPT_NOBODY ? "" : who_name(anomaly->end),
                 anomaly->kind[0] ? " " : "", anomaly->kind);
    }
}

/* field values */

static bool number_matches(const char *expected, double value)
{
    char *end;
    double n = strtod(expected, &end);
    return *end == '\0' && fabs(n - value) <= 1e-9 * fmax(1.0, fabs(n));
}

static void value_text(char out[VALUE_TEXT], const struct sf_field *field,
                       const struct sf_record *record)
{
    const void *at = sf_field_at(field, record);
    strcpy(out, "null");
    switch (field->type) {
    case SF_FIELD_COUNT:
        if (*(const uint64_t *)at != SF_COUNT_UNKNOWN)
            snprintf(out, VALUE_TEXT, "%llu", (unsigned long long)*(const uint64_t *)at);
        return;
    case SF_FIELD_REAL:
        if (!isnan(*(const double *)at))
            snprintf(out, VALUE_TEXT, "%.17g", *(const double *)at);
        return;
    case SF_FIELD_TIME: sf_time_rfc3339(out, *(const sf_ns *)at); return;
    case SF_FIELD_DURATION: {
        sf_ns ns = *(const sf_ns *)at;
        if (sf_ns_known(ns))
            snprintf(out, VALUE_TEXT, "%s%lld.%09lld", ns < 0 ? "-" : "", llabs(ns / SF_SEC),
                     llabs(ns % SF_SEC));
        return;
    }
    case SF_FIELD_NAME:
        snprintf(out, VALUE_TEXT, "%s", text_or_null(*(const char *const *)at));
        return;
    case SF_FIELD_TEXT:
        if (*(const char *)at != '\0')
            snprintf(out, VALUE_TEXT, "%.*s", VALUE_TEXT - 1, (const char *)at);
        return;
    case SF_FIELD_CLAIM: {
        enum sf_tri claim = *(const enum sf_tri *)at;
        strcpy(out, claim == SF_TRI_TRUE ? "true" : claim == SF_TRI_FALSE ? "false" : "null");
        return;
    }
    case SF_FIELD_SEVERITY: strcpy(out, sf_severity_name(*(const enum sf_severity *)at)); return;
    case SF_FIELD_VLANS:
    case SF_FIELD_TUNNELS:
    case SF_FIELD_TIMELINE:
    case SF_FIELD_ANOMALIES: strcpy(out, "list"); return;
    }
}

static bool is_number(enum sf_field_type type)
{
    return type == SF_FIELD_COUNT || type == SF_FIELD_REAL || type == SF_FIELD_DURATION;
}

/* The views' fields are compared where views run: in the command-line test. */
static bool is_of_a_view(const char *path)
{
    return strncmp(path, "zeek.", 5) == 0 || strncmp(path, "wireshark.", 10) == 0;
}

/* Short words for the most asked fields. */
static const char *path_of(const char *word)
{
    static const struct {
        const char *word, *path;
    } aliases[] = {
        {"conn", "zeek.conn_state"},
        {"history", "zeek.history"},
        {"open", "open.how"},
        {"close", "close.how"},
        {"end", "close.how"},
        {"first", "close.first"},
        {"client-octets", "client.unique_bytes"},
        {"server-octets", "server.unique_bytes"},
    };
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++)
        if (strcmp(aliases[i].word, word) == 0)
            return aliases[i].path;
    return word;
}

static void check_result(struct run *run, const struct script_result *result,
                         const struct sf_record *record)
{
    const char *path = path_of(result->path);
    if (is_of_a_view(path))
        return;
    const struct sf_field *field = sf_field_find(path);
    char value[VALUE_TEXT];
    if (field == NULL) {
        fail(run, result->line, "no field %s", path);
        return;
    }
    value_text(value, field, record);
    if (strcmp(value, result->value) == 0)
        return;
    if (is_number(field->type) && strcmp(value, "null") != 0 &&
        number_matches(result->value, strtod(value, NULL)))
        return;
    fail(run, result->line, "record %llu: %s is %s, script says %s", (unsigned long long)record->id,
         path, value, result->value);
}

static void check_saying(struct run *run, const struct script_saying *saying,
                         const struct sf_record *record)
{
    if (strstr(record->verdict, saying->text) == NULL)
        fail(run, saying->line, "record %llu: the verdict is: %s", (unsigned long long)record->id,
             record->verdict);
}

static const struct sf_anomaly_entry *entry_of(const struct sf_record *record, enum sf_anomaly name)
{
    for (size_t i = 0; i < record->anomaly_count; i++)
        if (record->anomalies[i].name == name)
            return &record->anomalies[i];
    return NULL;
}

static void check_anomalies(struct run *run, const struct sf_record *record)
{
    const struct script *script = run->script;
    const struct seen *seen = seen_of(run, record->id);
    for (size_t i = 0; i < record->anomaly_count; i++) {
        const struct sf_anomaly_entry *entry = &record->anomalies[i];
        enum script_who end = who_of(seen, entry->end);
        if (!seen->expected[entry->name] &&
            !is_foreseen(run, record->id, entry->name, end, entry->detail))
            fail(run, 0, "record %llu: unexpected %s of %s (%s)", (unsigned long long)record->id,
                 sf_anomaly_name(entry->name), who_name(end), entry->detail);
    }
    for (int i = 0; i < SF_ANOMALY_COUNT; i++)
        if (seen->expected[i] && entry_of(record, (enum sf_anomaly)i) == NULL)
            fail(run, 0, "record %llu: no %s", (unsigned long long)record->id,
                 sf_anomaly_name((enum sf_anomaly)i));
    for (size_t i = 0; i < script->at_end_count; i++) {
        const struct script_anomaly *wanted = &script->at_end[i];
        bool met = wanted->record != record->id;
        for (size_t k = 0; k < record->anomaly_count; k++)
            met |= anomaly_matches(wanted, record->anomalies[k].name,
                                   who_of(seen, record->anomalies[k].end),
                                   record->anomalies[k].detail);
        if (!met)
            fail(run, 0, "record %llu: no %s %s %s", (unsigned long long)record->id,
                 sf_anomaly_name(wanted->name), who_name(wanted->end), wanted->kind);
    }
}

/* The record, its timeline and the events tell one story. */
static void check_story(struct run *run, const struct sf_record *record)
{
    const struct seen *seen = seen_of(run, record->id);
    struct end_seen at[SF_ROLE_COUNT] = {{SF_STATE_NONE, false}, {SF_STATE_NONE, false}};
    for (size_t i = 0; i < record->timeline_count; i++) {
        const struct sf_timeline_entry *entry = &record->timeline[i];
        if (entry->end != SF_CLIENT && entry->end != SF_SERVER) {
            fail(run, 0, "a timeline entry belongs to neither end");
            return;
        }
        if (entry->from != at[entry->end].state)
            fail(run, 0, "the timeline of the %s jumps from %s to %s", sf_role_name(entry->end),
                 state_text(at[entry->end].state), state_text(entry->from));
        at[entry->end] = (struct end_seen){entry->to, entry->proved};
    }
    for (int role = 0; role < SF_ROLE_COUNT; role++) {
        const char *state = text_or_null(record->end[role].state);
        const struct end_seen *told = &seen->end[who_of(seen, (enum sf_role)role)];
        if (strcmp(state, text_or_null(sf_state_name(at[role].state))) != 0)
            fail(run, 0, "the %s's state is %s, its timeline ends in %s",
                 sf_role_name((enum sf_role)role), state, state_text(at[role].state));
        if (strcmp(state, text_or_null(sf_state_name(told->state))) != 0)
            fail(run, 0, "the %s's state is %s, its events end in %s",
                 sf_role_name((enum sf_role)role), state, state_text(told->state));
        if (record->end[role].state != NULL &&
            (record->end[role].state_proved == SF_TRI_TRUE) != told->proved)
            fail(run, 0, "the %s's state is %s in the record only",
                 sf_role_name((enum sf_role)role), told->proved ? "assumed" : "proved");
    }
}

static void dump_record(const struct sf_record *record)
{
    size_t count;
    const struct sf_field *fields = sf_fields(&count);
    const unsigned long long id = record->id;
    for (size_t i = 0; i < count; i++) {
        char value[VALUE_TEXT];
        value_text(value, &fields[i], record);
        if (!is_of_a_view(fields[i].path) && strcmp(value, "list") != 0)
            printf("field\t%llu\t%s\t%s\n", id, fields[i].path, value);
    }
    for (size_t i = 0; i < record->timeline_count; i++) {
        const struct sf_timeline_entry *entry = &record->timeline[i];
        printf("timeline\t%llu\t%llu\t%lld\t%s\t%s\t%s\t%s\t%s\n", id,
               (unsigned long long)entry->packet, (long long)entry->t_ns,
               text_or_null(sf_role_name(entry->end)), text_or_null(sf_state_name(entry->from)),
               text_or_null(sf_state_name(entry->to)), entry->proved ? "true" : "false",
               sf_cause_name(entry->cause));
    }
    for (size_t i = 0; i < record->anomaly_count; i++) {
        const struct sf_anomaly_entry *entry = &record->anomalies[i];
        printf("anomaly\t%llu\t%s\t%s\t%s\t%llu\t%llu\t%llu\t%s\n", id,
               sf_anomaly_name(entry->name), text_or_null(sf_role_name(entry->end)),
               sf_severity_name(entry->severity), (unsigned long long)entry->count,
               (unsigned long long)entry->first_packet, (unsigned long long)entry->last_packet,
               entry->detail);
    }
}

static void take_records(struct run *run)
{
    struct sf_record record;
    while (sf_tracker_record(run->tracker, &record)) {
        struct seen *seen = seen_of(run, record.id);
        run->records++;
        if (seen->has_record)
            fail(run, run->line, "a second record with id %llu", (unsigned long long)record.id);
        seen->has_record = true;
        if (run->dump)
            dump_record(&record);
        check_story(run, &record);
        check_anomalies(run, &record);
        for (size_t i = 0; i < run->script->result_count; i++)
            if (run->script->results[i].record == record.id)
                check_result(run, &run->script->results[i], &record);
        for (size_t i = 0; i < run->script->saying_count; i++)
            if (run->script->sayings[i].record == record.id)
                check_saying(run, &run->script->sayings[i], &record);
    }
}

static void note_roles(struct run *run, const struct script_packet *packet,
                       const struct sf_judgement *found)
{
    struct seen *seen = seen_of(run, found->conn);
    if (found->from == SF_ROLE_NONE)
        return;
    seen->role[packet->who] = found->from;
    seen->role[!packet->who] = found->from == SF_CLIENT ? SF_SERVER : SF_CLIENT;
}

static void run_packet(struct run *run, const struct script_packet *packet, uint64_t number)
{
    bool met[SCRIPT_ANOMALIES] = {false};
    struct sf_judgement found = {0};
    run->line = packet->line;
    if (packet->is_icmp) {
        struct sf_icmp_quote quote;
        wire_quote(&quote, run->script, packet, number);
        sf_tracker_icmp(run->tracker, &quote);
        take_events(run, packet, met);
        check_met(run, packet, met, run->conn_of_flow[packet->flow]);
        return;
    }
    struct sf_segment segment;
    wire_build(&run->frame, run->script, packet, WIRE_ETHERNET);
    wire_segment(&segment, &run->frame, run->script, packet, number);
    sf_tracker_segment(run->tracker, &segment, &found);
    note_roles(run, packet, &found);
    take_events(run, packet, met);
    if (run->conn_of_flow[packet->flow] != found.conn)
        memset(run->persist[packet->flow], 0, sizeof run->persist[0]);
    run->conn_of_flow[packet->flow] = found.conn;
    check_met(run, packet, met, found.conn);
    check_states(run, packet, seen_of(run, found.conn));
    check_findings(run, packet, &found);
    take_records(run);
}

static unsigned run_script(const struct script *script, bool dump)
{
    const struct sf_track_options options = {.linger_ns = 60 * SF_SEC, .want_events = true};
    struct run *run = calloc(1, sizeof *run);
    if (run == NULL)
        abort();
    run->script = script;
    run->dump = dump;
    run->tracker = sf_tracker_new(&options);
    for (size_t i = 0; i <= CONNECTIONS_MAX; i++)
        run->seen[i].role[SCRIPT_SERVER] = SF_SERVER;
    for (size_t i = 0; i < script->packet_count; i++)
        run_packet(run, &script->packets[i], i + 1);
    run->line = 0;
    sf_tracker_finish(run->tracker);
    take_events(run, NULL, NULL);
    take_records(run);
    if (run->records != script->connections)
        fail(run, 0, "%u connections, script says %u", run->records, script->connections);
    unsigned failures = run->failures;
    sf_tracker_free(run->tracker);
    free(run);
    return failures;
}

static unsigned run_file(const char *path, const struct script_transform *transform, bool dump)
{
    struct script script;
    struct sf_error err;
    if (script_read(&script, path, transform, &err) != 0) {
        printf("%s\n", err.text);
        return 1;
    }
    bool is_told = !(script.needs_ipv4 && transform->ipv6);
    unsigned failures = is_told ? run_script(&script, dump) : 0;
    script_dispose(&script);
    return failures;
}

int main(int argc, char **argv)
{
    const struct script_transform *only = NULL;
    bool dump = false;
    int i = 1;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        if (strcmp(argv[i], "--dump") == 0)
            dump = true;
        else if (strcmp(argv[i], "--transform") == 0 && i + 1 < argc)
            only = script_transform_find(argv[++i]);
    }
    if (i + 1 != argc) {
        fputs("usage: run_script [--transform NAME] [--dump] SCRIPT\n", stderr);
        return 2;
    }
    size_t count;
    const struct script_transform *transforms = script_transforms(&count);
    unsigned failures = 0;
    if (only != NULL)
        return run_file(argv[i], only, dump) != 0;
    for (size_t k = 0; k < count && (k != 1 || failures == 0); k++)
        failures += run_file(argv[i], &transforms[k], dump);
    return failures != 0;
}
