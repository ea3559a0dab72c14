/* The summary is made here from the counts of whoever read the input. */
#include "ending.h"

#include <inttypes.h>
#include <string.h>

#include "config.h"

int sf_ending_write_meta(struct sf_outputs *outputs, const struct sf_cli_options *options,
                         struct sf_error *err)
{
    bool is_live = options->interfaces.count > 0;
    const struct sf_word_list *inputs = is_live ? &options->interfaces : &options->files;
    struct sf_meta meta = {.version = SYNFIN_VERSION,
                           .inputs = inputs->words,
                           .input_count = inputs->count,
                           .options = options->given.words,
                           .option_count = options->given.count};
    return sf_outputs_meta(outputs, &meta, err);
}

static bool any_input_damaged(const struct sf_input_report *reports, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (reports[i].damaged)
            return true;
    return false;
}

static void summarize(const struct sf_ending *ending, struct sf_summary *out)
{
    const struct sf_intake *intake = ending->intake;
    bool is_one = ending->inputs == NULL;
    struct sf_capture_totals captured =
        is_one ? sf_capture_totals(intake->capture) : ending->captured;
    *out = (struct sf_summary){
        .packets = sf_intake_packets(intake),
        .tcp_packets = intake->verdicts[SF_VERDICT_OK],
        .connections = ending->tracked.connections,
        .capture_duplicates = ending->tracked.capture_duplicates,
        .dropped = captured.dropped,
        .is_dropped_known = captured.is_dropped_known,
        .evicted = ending->tracked.evicted,
        .late_segments = ending->tracked.late_segments,
        .open = ending->tracked.open,
        .opening = ending->tracked.opening,
        .first_ns = intake->first_ns,
        .last_ns = intake->last_ns,
        .open_how = ending->tally->open_how,
        .close_how = ending->tally->close_how,
        .anomalies = ending->tally->anomalies,
    };
    memcpy(out->undecoded, intake->verdicts, sizeof out->undecoded);
    out->undecoded[SF_VERDICT_OK] = 0;
    out->input_count = ending->input_count;
    out->inputs = is_one ? sf_capture_reports(intake->capture, &out->input_count) : ending->inputs;
    out->truncated_input = any_input_damaged(out->inputs, out->input_count);
    out->findings = sf_findings_list(ending->findings, &out->finding_count);
}

int sf_ending_write(struct sf_outputs *outputs, const struct sf_ending *ending,
                    struct sf_error *err)
{
    struct sf_summary summary;
    summarize(ending, &summary);
    return sf_outputs_finish(outputs, &summary, err);
}

int sf_ending_write_interim(struct sf_outputs *outputs, const struct sf_ending *ending,
                            struct sf_error *err)
{
    struct sf_summary summary;
    summarize(ending, &summary);
    return sf_outputs_interim(outputs, &summary, err);
}

void sf_ending_tell_failed(struct sf_capture *capture, const struct sf_cli_options *options)
{
    const struct sf_input_report *report;
    while ((report = sf_capture_failed(capture)) != NULL)
        if (!options->quiet)
            fprintf(stderr, "synfin: %s\n", report->error.text);
}

bool sf_ending_tell_inputs(struct sf_capture *capture, const struct sf_cli_options *options)
{
    size_t count;
    bool is_partial = false;
    const struct sf_input_report *reports = sf_capture_reports(capture, &count);
    for (size_t i = 0; i < count; i++)
        is_partial = is_partial || reports[i].damaged || reports[i].unreadable;
    sf_ending_tell_failed(capture, options);
    return sf_ending_tell_dropped(sf_capture_totals(capture).dropped, options) || is_partial;
}

bool sf_ending_tell_dropped(uint64_t dropped, const struct sf_cli_options *options)
{
    if (dropped > 0 && !options->quiet)
        fprintf(stderr, "synfin: %" PRIu64 " packets were dropped while capturing\n", dropped);
    return dropped > 0;
}

void sf_ending_tell_statistics(const struct sf_intake *intake, uint64_t connections)
{
    sf_ending_tell_counts(intake, connections, sf_capture_totals(intake->capture).dropped);
}

void sf_ending_tell_counts(const struct sf_intake *intake, uint64_t connections, uint64_t dropped)
{
    fprintf(stderr,
            "synfin: %" PRIu64 " packets, %" PRIu64 " of TCP, %" PRIu64
            " connections reported, %" PRIu64 " packets dropped\n",
            sf_intake_packets(intake), intake->verdicts[SF_VERDICT_OK], connections, dropped);
}
