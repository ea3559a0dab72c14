/* Metrics in the text format of Prometheus 0.0.4, for node_exporter's textfile collector: a file
 * that is replaced as a whole, live every few seconds. What counts connections counts those that
 * reach a sink: with --where the chosen ones. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "report_internal.h"
#include "synfin/finding.h"
#include "synfin/output.h"
#include "synfin/tally.h"

/* Upper bounds of the buckets: from a local host to a satellite that loses packets. */
static const struct {
    sf_ns below;
    const char *label;
} buckets[] = {
    {100 * SF_USEC, "0.0001"},
    {250 * SF_USEC, "0.00025"},
    {500 * SF_USEC, "0.0005"},
    {SF_MSEC, "0.001"},
    {2500 * SF_USEC, "0.0025"},
    {5 * SF_MSEC, "0.005"},
    {10 * SF_MSEC, "0.01"},
    {25 * SF_MSEC, "0.025"},
    {50 * SF_MSEC, "0.05"},
    {100 * SF_MSEC, "0.1"},
    {250 * SF_MSEC, "0.25"},
    {500 * SF_MSEC, "0.5"},
    {SF_SEC, "1"},
    {2500 * SF_MSEC, "2.5"},
    {5 * SF_SEC, "5"},
    {10 * SF_SEC, "10"},
};

enum { BUCKETS = sizeof buckets / sizeof buckets[0] };

struct histogram {
    uint64_t counts[BUCKETS + 1]; /* each without those of the buckets below; the last: +Inf */
    sf_ns sum_ns;
};

/* One observation per connection and histogram, where the value is known. */
static const struct series {
    const char *name, *help, *label;
    size_t offset; /* of the span in the record */
} series[] = {
    {"handshake_delay_seconds",
     "Time that the server (SYN to SYN-ACK) and the client (SYN-ACK to ACK) took in the handshake.",
     "of=\"server\"", offsetof(struct sf_record, open_syn_ack_delay_ns)},
    {"handshake_delay_seconds", NULL, "of=\"client\"",
     offsetof(struct sf_record, open_ack_delay_ns)},
    {"rtt_seconds",
     "Median time until the data of an end was acknowledged, at the point of capture.",
     "from=\"client\"", offsetof(struct sf_record, end[SF_CLIENT].rtt.p50_ns)},
    {"rtt_seconds", NULL, "from=\"server\"", offsetof(struct sf_record, end[SF_SERVER].rtt.p50_ns)},
};

enum { SERIES = sizeof series / sizeof series[0] };

struct prom_sink {
    struct sf_sink sink;
    char *path; /* NULL: standard output */
    char version[32];
    struct sf_tally tally;
    uint64_t records, by_severity[SF_PROBLEM + 1];
    struct histogram histograms[SERIES];
};

static struct prom_sink *prom_of(struct sf_sink *sink)
{
    return (struct prom_sink *)sink;
}

/* --- counting --------------------------------------------------------------------------------- */

static int take_meta(struct sf_sink *sink, const struct sf_meta *meta, struct sf_error *err)
{
    struct prom_sink *prom = prom_of(sink);
    (void)err;
    snprintf(prom->version, sizeof prom->version, "%s", meta->version);
    return 0;
}

static void observe(struct histogram *histogram, sf_ns value)
{
    size_t at = 0;
    while (at < BUCKETS && value > buckets[at].below)
        at++;
    histogram->counts[at]++;
    if (__builtin_add_overflow(histogram->sum_ns, value, &histogram->sum_ns))
        histogram->sum_ns = INT64_MAX;
}

static int take_record(struct sf_sink *sink, const struct sf_record *record, struct sf_error *err)
{
    struct prom_sink *prom = prom_of(sink);
    (void)err;
    prom->records++;
    prom->by_severity[record->severity]++;
    sf_tally_record(&prom->tally, record);
    for (size_t i = 0; i < SERIES; i++) {
        sf_ns value = *(const sf_ns *)((const char *)record + series[i].offset);
        if (sf_ns_known(value) && value >= 0)
            observe(&prom->histograms[i], value);
    }
    return 0;
}

/* --- printing --------------------------------------------------------------------------------- */

static void put_head(struct sf_buffer *out, const char *name, const char *type, const char *help)
{
    sf_put_format(out, "# HELP synfin_%s %s\n# TYPE synfin_%s %s\n", name, help, name, type);
}

static void put_sample(struct sf_buffer *out, const char *name, const char *labels, uint64_t value)
{
    sf_put_format(out, "synfin_%s%s ", name, labels);
    sf_put_count(out, value);
    sf_put_char(out, '\n');
}

/* {label="value"} of words that need no quoting. */
static void put_named(struct sf_buffer *out, const char *name, const char *label, const char *value,
                      uint64_t count)
{
    char labels[96];
    snprintf(labels, sizeof labels, "{%s=\"%s\"}", label, value);
    put_sample(out, name, labels, count);
}

static void put_connections(struct sf_buffer *out, const struct prom_sink *prom)
{
    const struct sf_tally *tally = &prom->tally;
    put_head(out, "connections_total", "counter",
             "Connections by how they opened and closed, counted when they are reported.");
    for (size_t open = 0; tally->open_how[open].name != NULL; open++)
        for (size_t close = 0; tally->close_how[close].name != NULL; close++) {
            char labels[96];
            snprintf(labels, sizeof labels, "{open=\"%s\",close=\"%s\"}",
                     tally->open_how[open].name, tally->close_how[close].name);
            put_sample(out, "connections_total", labels, tally->pairs[open][close]);
        }
    put_head(out, "connection_severity_total", "counter",
             "Connections by the worst severity of their anomalies.");
    for (int severity = SF_SEVERITY_OK; severity <= SF_PROBLEM; severity++)
        put_named(out, "connection_severity_total", "severity",
                  sf_severity_name((enum sf_severity)severity), prom->by_severity[severity]);
    put_head(out, "connection_anomalies_total", "counter",
             "Connections that have the anomaly, each counted once.");
    for (const struct sf_name_count *i = tally->anomalies; i->name != NULL; i++)
        put_named(out, "connection_anomalies_total", "anomaly", i->name, i->count);
}

static void put_histogram(struct sf_buffer *out, const struct series *of,
                          const struct histogram *histogram)
{
    uint64_t total = 0;
    if (of->help != NULL)
        put_head(out, of->name, "histogram", of->help);
    for (size_t i = 0; i <= BUCKETS; i++) {
        total += histogram->counts[i];
        sf_put_format(out, "synfin_%s_bucket{%s,le=\"%s\"} ", of->name, of->label,
                      i < BUCKETS ? buckets[i].label : "+Inf");
        sf_put_count(out, total);
        sf_put_char(out, '\n');
    }
    sf_put_format(out, "synfin_%s_sum{%s} ", of->name, of->label);
    sf_put_seconds(out, histogram->sum_ns);
    sf_put_format(out, "\nsynfin_%s_count{%s} ", of->name, of->label);
    sf_put_count(out, total);
    sf_put_char(out, '\n');
}

static void put_undecoded(struct sf_buffer *out, const struct sf_summary *summary)
{
    put_head(out, "undecoded_packets_total", "counter",
             "Packets that gave no TCP segment, by reason.");
    for (int i = SF_VERDICT_OK + 1; i < SF_VERDICT_COUNT; i++)
        put_named(out, "undecoded_packets_total", "reason", sf_verdict_name((enum sf_verdict)i),
                  summary->undecoded[i]);
}

static void put_findings(struct sf_buffer *out, const struct sf_summary *summary)
{
    put_head(out, "findings", "gauge", "Floods and scans found over many connections.");
    for (const struct sf_finding_kind *kind = sf_finding_kinds(); kind->name != NULL; kind++) {
        uint64_t count = 0;
        for (size_t i = 0; i < summary->finding_count; i++)
            count += strcmp(summary->findings[i].name, kind->name) == 0;
        put_named(out, "findings", "finding", kind->name, count);
    }
}

static void put_totals(struct sf_buffer *out, const struct sf_summary *summary, uint64_t records)
{
    const struct {
        const char *name, *type, *help;
        uint64_t value;
    } totals[] = {
        {"packets_total", "counter", "Packets read.", summary->packets},
        {"tcp_packets_total", "counter", "Packets that gave a TCP segment.", summary->tcp_packets},
        {"capture_duplicates_total", "counter", "TCP packets captured more than once.",
         summary->capture_duplicates},
        {"late_segments_total", "counter",
         "Segments that came after their connection had been reported.", summary->late_segments},
        {"evicted_connections_total", "counter",
         "Connections reported early because --max-memory was reached.", summary->evicted},
        {"records_written_total", "counter", "Connections reported.", records},
        {"open_connections", "gauge", "Connections in the table that are not closed.",
         summary->open},
        {"embryonic_connections", "gauge", "Open connections whose handshake is not complete.",
         summary->opening},
    };
    for (size_t i = 0; i < sizeof totals / sizeof totals[0]; i++) {
        put_head(out, totals[i].name, totals[i].type, totals[i].help);
        put_sample(out, totals[i].name, "", totals[i].value);
    }
    if (!summary->is_dropped_known) /* a classic pcap does not tell: no series, not 0 */
        return;
    put_head(out, "dropped_packets_total", "counter",
             "Packets that the kernel dropped while capturing.");
    put_sample(out, "dropped_packets_total", "", summary->dropped);
}

static int write_metrics(struct sf_sink *sink, const struct sf_summary *summary,
                         struct sf_error *err)
{
    struct prom_sink *prom = prom_of(sink);
    struct sf_output output;
    int result = sf_output_open(&output, prom->path, false, err);
    struct sf_buffer *out = &output.buffer;
    if (result == 0) {
        put_head(out, "build_info", "gauge", "The version of synfin that wrote this.");
        put_named(out, "build_info", "version", prom->version, 1);
        put_totals(out, summary, prom->records);
        put_undecoded(out, summary);
        put_connections(out, prom);
        for (size_t i = 0; i < SERIES; i++)
            put_histogram(out, &series[i], &prom->histograms[i]);
        put_findings(out, summary);
        result = sf_output_finish(&output, err);
        sink->gone = output.gone;
    }
    sf_output_dispose(&output);
    return result;
}

static void close_prom(struct sf_sink *sink)
{
    free(prom_of(sink)->path);
    free(sink);
}

/* Whether a file can be made there is told now, not in fifteen seconds. */
static int try_path(const char *path, bool *is_file, struct sf_error *err)
{
    struct sf_output output;
    int result = sf_output_open(&output, path, false, err);
    *is_file = output.part != NULL;
    sf_output_dispose(&output);
    return result;
}

struct sf_sink *sf_prom_open(const char *path, const struct sf_sink_options *options,
                             struct sf_error *err)
{
    (void)options;
    bool is_file = false;
    struct prom_sink *prom = calloc(1, sizeof *prom);
    if (prom == NULL) {
        sf_fail(err, "out of memory");
        return NULL;
    }
    prom->sink = (struct sf_sink){.name = "prom",
                                  .meta = take_meta,
                                  .record = take_record,
                                  .finish = write_metrics,
                                  .close = close_prom};
    sf_tally_init(&prom->tally);
    prom->path = path != NULL ? strdup(path) : NULL;
    if (path != NULL && prom->path == NULL)
        sf_fail(err, "out of memory");
    else if (try_path(path, &is_file, err) == 0) {
        prom->sink.interim = is_file ? write_metrics : NULL; /* a stream has one end */
        return &prom->sink;
    }
    close_prom(&prom->sink);
    return NULL;
}
