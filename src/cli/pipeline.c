/* Batches of packets through decoder, tracker and views to the outputs. Where events, segments or
 * packets of chosen connections are asked for, the input is read twice: what a connection becomes
 * is known only at its end. */
#include "pipeline.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#include "config.h"
#include "outputs.h"
#include "packet_file.h"
#include "progress.h"
#include "selection.h"
#include "signals.h"
#include "synfin/capture.h"
#include "synfin/decode.h"
#include "synfin/finding.h"
#include "synfin/track.h"
#include "synfin/view.h"
#include "synfin/where.h"
#include "tally.h"

enum { BATCH = 64 };

/* One reading of the input. */
struct pass {
    const struct sf_cli_options *options;
    const struct sf_where *where, *fail_on; /* NULL: not asked for */
    struct sf_outputs *outputs;             /* NULL: the first of two readings */
    struct sf_packet_file *packets;         /* NULL: no -w */
    struct sf_selection *choose;            /* filled with the ids chosen by `where`, or NULL */
    const struct sf_selection *chosen; /* events, segments and packets of these only, or NULL */

    struct sf_capture *capture;
    struct sf_decoder *decoder;
    struct sf_tracker *tracker;
    struct sf_views *views;
    struct sf_signals signals;
    struct sf_progress progress;

    struct sf_tally tally;
    struct sf_findings *findings;
    uint64_t tcp_packets;
    uint64_t undecoded[SF_VERDICT_COUNT];
    sf_ns first_ns, last_ns;
    uint64_t packets_taken;
    bool is_over;       /* a bound of the user's was reached, or nobody listens */
    bool has_failed_on; /* --fail-on held for some connection */
};

static bool is_live(const struct sf_cli_options *options)
{
    return options->interfaces.count > 0;
}

static bool is_wanted(const struct pass *pass, uint64_t conn)
{
    return pass->chosen == NULL || sf_selection_has(pass->chosen, conn);
}

static int take_events(struct pass *pass, struct sf_error *err)
{
    struct sf_event event;
    while (sf_tracker_event(pass->tracker, &event)) {
        if (pass->outputs == NULL || !is_wanted(pass, event.conn))
            continue;
        if (sf_outputs_event(pass->outputs, &event, err) != 0)
            return -1;
    }
    return 0;
}

static int take_record(struct pass *pass, struct sf_record *record, struct sf_error *err)
{
    sf_views_record(pass->views, record);
    sf_tally_record(&pass->tally, record);
    sf_findings_record(pass->findings, record);
    if (pass->fail_on != NULL && sf_where_holds(pass->fail_on, record))
        pass->has_failed_on = true;
    if (pass->where != NULL && !sf_where_holds(pass->where, record))
        return 0;
    if (pass->choose != NULL && sf_selection_add(pass->choose, record->id, err) != 0)
        return -1;
    return pass->outputs == NULL ? 0 : sf_outputs_record(pass->outputs, record, err);
}

static int take_zeek_rows(struct pass *pass, struct sf_error *err)
{
    struct sf_zeek_row row;
    while (sf_views_zeek_row(pass->views, &row))
        if (sf_outputs_zeek_row(pass->outputs, &row, err) != 0)
            return -1;
    return 0;
}

static int take_records(struct pass *pass, struct sf_error *err)
{
    struct sf_record record;
    while (sf_tracker_record(pass->tracker, &record))
        if (take_record(pass, &record, err) != 0)
            return -1;
    return take_zeek_rows(pass, err);
}

/* Events first, then the segment that gave rise to them, then connections that it ended. */
static int take_segment(struct pass *pass, const struct sf_segment *segment,
                        const struct sf_packet *packet, struct sf_error *err)
{
    struct sf_judgement judgement;
    sf_tracker_segment(pass->tracker, segment, &judgement);
    sf_views_segment(pass->views, segment, &judgement);
    if (take_events(pass, err) != 0)
        return -1;
    bool is_chosen = is_wanted(pass, judgement.conn);
    if (is_chosen && pass->outputs != NULL && pass->outputs->wants_segments) {
        struct sf_segment_line line = {segment, &judgement, judgement.t_ns};
        if (sf_outputs_segment(pass->outputs, &line, err) != 0)
            return -1;
    }
    if (is_chosen && pass->packets != NULL && sf_packet_file_add(pass->packets, packet, err) != 0)
        return -1;
    return take_records(pass, err);
}

static void note_time(struct pass *pass, sf_ns t)
{
    if (!sf_ns_known(pass->first_ns) || t < pass->first_ns)
        pass->first_ns = t;
    if (!sf_ns_known(pass->last_ns) || t > pass->last_ns)
        pass->last_ns = t;
}

/* Whether the packet lies beyond what -c or --duration allow. */
static bool is_beyond(const struct pass *pass, const struct sf_packet *packet)
{
    const struct sf_cli_options *options = pass->options;
    if (options->packet_limit != 0 && pass->packets_taken >= options->packet_limit)
        return true;
    return options->duration_ns != 0 && sf_ns_known(pass->first_ns) &&
           packet->ts_ns - pass->first_ns > options->duration_ns;
}

static int take_decoded(struct pass *pass, enum sf_verdict verdict,
                        const struct sf_decoded *decoded, const struct sf_packet *packet,
                        struct sf_error *err)
{
    if (verdict == SF_VERDICT_OK) {
        pass->tcp_packets++;
        return take_segment(pass, &decoded->segment, packet, err);
    }
    pass->undecoded[verdict]++;
    if (!decoded->has_quote)
        return 0;
    sf_tracker_icmp(pass->tracker, &decoded->quote);
    return take_events(pass, err) != 0 || take_records(pass, err) != 0 ? -1 : 0;
}

struct decoded_batch {
    struct sf_packet packets[BATCH];
    struct sf_decoded decoded[BATCH];
    enum sf_verdict verdicts[BATCH];
};

/* Decodes from `begin` on and fetches the connections' memory ahead. Returns where it stopped: a
 * segment put together from fragments is borrowed from the decoder and ends the stretch. */
static size_t decode_stretch(struct pass *pass, struct decoded_batch *batch, size_t begin,
                             size_t end)
{
    for (size_t i = begin; i < end; i++) {
        struct sf_decoded *decoded = &batch->decoded[i];
        batch->verdicts[i] = sf_decode(pass->decoder, &batch->packets[i], decoded);
        if (batch->verdicts[i] != SF_VERDICT_OK)
            continue;
        sf_tracker_prefetch(pass->tracker, &decoded->segment);
        if (decoded->segment.from_fragments)
            return i + 1;
    }
    return end;
}

static int take_stretch(struct pass *pass, const struct decoded_batch *batch, size_t begin,
                        size_t end, struct sf_error *err)
{
    for (size_t i = begin; i < end; i++) {
        const struct sf_packet *packet = &batch->packets[i];
        if (is_beyond(pass, packet)) {
            pass->is_over = true;
            return 0;
        }
        pass->packets_taken += !packet->filtered;
        note_time(pass, packet->ts_ns);
        if (take_decoded(pass, batch->verdicts[i], &batch->decoded[i], packet, err) != 0)
            return -1;
    }
    return 0;
}

static int take_batch(struct pass *pass, struct decoded_batch *batch, size_t count,
                      struct sf_error *err)
{
    for (size_t begin = 0; begin < count && !pass->is_over;) {
        size_t end = decode_stretch(pass, batch, begin, count);
        if (take_stretch(pass, batch, begin, end, err) != 0)
            return -1;
        begin = end;
    }
    return 0;
}

static uint64_t packets_so_far(const struct pass *pass)
{
    uint64_t packets = pass->tcp_packets;
    for (unsigned v = 0; v < SF_VERDICT_COUNT; v++)
        packets += pass->undecoded[v];
    return packets;
}

static void print_statistics(struct pass *pass)
{
    struct sf_capture_totals totals = sf_capture_totals(pass->capture);
    struct sf_track_totals tracked = sf_tracker_totals(pass->tracker);
    fprintf(stderr,
            "synfin: %" PRIu64 " packets, %" PRIu64 " of TCP, %" PRIu64
            " connections reported, %" PRIu64 " packets dropped\n",
            packets_so_far(pass), pass->tcp_packets, tracked.connections, totals.dropped);
}

/* Live and nothing came: connections still end by the clock. */
static int take_silence(struct pass *pass, struct sf_error *err)
{
    struct timespec now;
    if (!is_live(pass->options) || clock_gettime(CLOCK_REALTIME, &now) != 0)
        return 0;
    sf_tracker_tick(pass->tracker, (sf_ns)now.tv_sec * SF_SEC + now.tv_nsec);
    return take_events(pass, err) != 0 || take_records(pass, err) != 0 ? -1 : 0;
}

static int read_all(struct pass *pass, struct sf_error *err)
{
    struct decoded_batch *batch = malloc(sizeof *batch);
    if (batch == NULL)
        return sf_fail(err, "out of memory");
    int result = 0;
    while (result == 0 && !pass->is_over && !atomic_load(&pass->signals.stop)) {
        size_t count = sf_capture_next(pass->capture, batch->packets, BATCH);
        if (count == 0 && sf_capture_ended(pass->capture))
            break;
        result = count == 0 ? take_silence(pass, err) : take_batch(pass, batch, count, err);
        if (atomic_exchange(&pass->signals.want_line, false))
            print_statistics(pass);
        sf_progress_show(&pass->progress, pass->capture, packets_so_far(pass));
        if (pass->outputs != NULL && sf_outputs_gone(pass->outputs) && pass->packets == NULL)
            pass->is_over = true;
    }
    free(batch);
    sf_progress_end(&pass->progress);
    if (result != 0)
        return -1;
    sf_tracker_finish(pass->tracker);
    return take_events(pass, err) != 0 || take_records(pass, err) != 0 ? -1 : 0;
}

/* A seed that nobody can guess: chosen addresses cannot be made to collide. Results do not depend
 * on it, so that a poor one, where the kernel gives none, only costs time. */
static uint64_t random_seed(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        seed = (uint64_t)time(NULL);
    return seed;
}

static int open_core(struct pass *pass, struct sf_error *err)
{
    const struct sf_cli_options *options = pass->options;
    struct sf_decode_options decode = {.vlan_key = options->vlan_key,
                                       .verify_checksums = options->verify_checksums,
                                       .hash_seed = random_seed()};
    struct sf_track_options track = {.linger_ns = options->linger_ns,
                                     .idle_timeout_ns = options->idle_timeout_ns,
                                     .max_memory = options->max_memory,
                                     .want_events =
                                         pass->outputs != NULL && pass->outputs->wants_events};
    struct sf_view_options view = {
        .zeek = true,
        .zeek_rows = pass->outputs != NULL && pass->outputs->wants_zeek_rows,
        .wireshark_labels = pass->outputs != NULL && pass->outputs->wants_segments};
    pass->decoder = sf_decoder_new(&decode);
    pass->tracker = sf_tracker_new(&track);
    pass->views = sf_views_new(&view);
    pass->findings = sf_findings_new();
    if (pass->decoder == NULL || pass->tracker == NULL || pass->views == NULL ||
        pass->findings == NULL)
        return sf_fail(err, "out of memory");
    sf_tally_init(&pass->tally);
    pass->first_ns = pass->last_ns = SF_NS_UNKNOWN;
    return 0;
}

static void close_pass(struct pass *pass)
{
    sf_findings_free(pass->findings);
    sf_views_free(pass->views);
    sf_tracker_free(pass->tracker);
    sf_decoder_free(pass->decoder);
    if (pass->capture != NULL)
        sf_capture_close(pass->capture);
}

static int open_capture(struct pass *pass, bool *usage, struct sf_error *err)
{
    const struct sf_cli_options *options = pass->options;
    struct sf_capture_options capture = {
        .files = options->files.words,
        .file_count = options->files.count,
        .interfaces = options->interfaces.words,
        .interface_count = options->interfaces.count,
        .filter = options->filter,
        .strict = options->strict,
        .snaplen = (uint32_t)options->snaplen,
        .buffer_mib = (uint32_t)options->buffer_mib,
        .promiscuous = options->promiscuous,
    };
    return sf_capture_open(&pass->capture, &capture, usage, err);
}

/* "synfin: FILE: what happened" for each input that was damaged or could not be read. */
static bool report_inputs(const struct pass *pass)
{
    size_t count;
    bool is_partial = false;
    const struct sf_input_report *reports = sf_capture_reports(pass->capture, &count);
    for (size_t i = 0; i < count; i++) {
        if (!reports[i].damaged && !reports[i].unreadable)
            continue;
        is_partial = true;
        if (!pass->options->quiet)
            fprintf(stderr, "synfin: %s\n", reports[i].error.text);
    }
    uint64_t dropped = sf_capture_totals(pass->capture).dropped;
    if (dropped > 0 && !pass->options->quiet)
        fprintf(stderr, "synfin: %" PRIu64 " packets were dropped while capturing\n", dropped);
    return is_partial || dropped > 0;
}

static bool any_input_damaged(const struct sf_input_report *reports, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (reports[i].damaged)
            return true;
    return false;
}

static int write_end(struct pass *pass, struct sf_error *err)
{
    struct sf_track_totals tracked = sf_tracker_totals(pass->tracker);
    struct sf_summary summary = {
        .packets = packets_so_far(pass),
        .tcp_packets = pass->tcp_packets,
        .connections = tracked.connections,
        .capture_duplicates = tracked.capture_duplicates,
        .dropped = sf_capture_totals(pass->capture).dropped,
        .evicted = tracked.evicted,
        .late_segments = tracked.late_segments,
        .first_ns = pass->first_ns,
        .last_ns = pass->last_ns,
        .open_how = pass->tally.open_how,
        .close_how = pass->tally.close_how,
        .anomalies = pass->tally.anomalies,
    };
    memcpy(summary.undecoded, pass->undecoded, sizeof summary.undecoded);
    summary.inputs = sf_capture_reports(pass->capture, &summary.input_count);
    summary.truncated_input = any_input_damaged(summary.inputs, summary.input_count);
    summary.findings = sf_findings_list(pass->findings, &summary.finding_count);
    return sf_outputs_finish(pass->outputs, &summary, err);
}

static int write_meta(struct pass *pass, struct sf_error *err)
{
    const struct sf_cli_options *options = pass->options;
    const struct sf_word_list *inputs = is_live(options) ? &options->interfaces : &options->files;
    struct sf_meta meta = {.version = SYNFIN_VERSION,
                           .inputs = inputs->words,
                           .input_count = inputs->count,
                           .options = options->given.words,
                           .option_count = options->given.count};
    return sf_outputs_meta(pass->outputs, &meta, err);
}

static enum sf_status fail_usage(const struct sf_error *err)
{
    fprintf(stderr, "synfin: %s\n", err->text);
    return SF_STATUS_USAGE;
}

static enum sf_status fail_run(const struct sf_error *err)
{
    fprintf(stderr, "synfin: %s\n", err->text);
    return SF_STATUS_FAILED;
}

/* One reading from open to end line. */
static enum sf_status run_pass(struct pass *pass)
{
    struct sf_error err = {0};
    bool is_filter_bad = false;
    if (open_capture(pass, &is_filter_bad, &err) != 0)
        return is_filter_bad ? fail_usage(&err) : fail_run(&err);
    if (open_core(pass, &err) != 0)
        return fail_run(&err);
    sf_progress_begin(&pass->progress, pass->options);
    sf_signals_start(&pass->signals, pass->capture);
    int result = pass->outputs == NULL ? 0 : write_meta(pass, &err);
    if (result == 0)
        result = read_all(pass, &err);
    sf_signals_end(&pass->signals);
    if (result == 0 && pass->packets != NULL)
        result = sf_packet_file_finish(pass->packets, &err);
    if (result == 0 && pass->outputs != NULL)
        result = write_end(pass, &err);
    bool is_partial = pass->outputs != NULL && report_inputs(pass);
    if (result != 0)
        return fail_run(&err);
    if (is_partial)
        return SF_STATUS_PARTIAL;
    return pass->has_failed_on ? SF_STATUS_MATCHED : SF_STATUS_OK;
}

static bool are_regular_files(const struct sf_word_list *files)
{
    struct stat st;
    for (size_t i = 0; i < files->count; i++)
        if (stat(files->words[i], &st) != 0 || !S_ISREG(st.st_mode))
            return false;
    return files->count > 0;
}

/* What is known of a connection only at its end decides over lines before it. */
static bool needs_two_readings(const struct pass *pass)
{
    const struct sf_outputs *outputs = pass->outputs;
    return pass->options->where != NULL &&
           (outputs->wants_events || outputs->wants_segments || pass->options->write_path != NULL);
}

static enum sf_status run_passes(const struct pass *like, struct sf_selection *selection)
{
    struct pass pass = *like;
    if (needs_two_readings(like)) {
        struct pass first = *like;
        first.outputs = NULL;
        first.packets = NULL;
        first.fail_on = NULL;
        first.choose = selection;
        enum sf_status status = run_pass(&first);
        close_pass(&first);
        if (status != SF_STATUS_OK)
            return status;
        pass.chosen = selection;
    }
    enum sf_status status = run_pass(&pass);
    close_pass(&pass);
    return status;
}

static enum sf_status open_packets_and_run(struct pass *pass)
{
    struct sf_error err;
    struct sf_packet_file packets = {0};
    struct sf_selection selection = {0};
    const char *path = pass->options->write_path;
    if (path != NULL && sf_packet_file_open(&packets, path, &err) != 0)
        return fail_run(&err);
    pass->packets = path != NULL ? &packets : NULL;
    enum sf_status status = run_passes(pass, &selection);
    sf_packet_file_dispose(&packets);
    sf_selection_dispose(&selection);
    return status;
}

static int check_input(const struct pass *pass, struct sf_error *err)
{
    if (!needs_two_readings(pass) || are_regular_files(&pass->options->files))
        return 0;
    return sf_fail(err, "--where with --events, --segments, -o xplot or -w needs regular files: "
                        "the input is read twice");
}

static enum sf_status open_outputs_and_run(struct pass *pass)
{
    struct sf_error err;
    bool is_usage = false;
    struct sf_outputs *outputs = calloc(1, sizeof *outputs);
    enum sf_status status;
    if (outputs == NULL) {
        sf_fail(&err, "out of memory");
        return fail_run(&err);
    }
    pass->outputs = outputs;
    if (sf_outputs_open(outputs, pass->options, &is_usage, &err) != 0)
        status = is_usage ? fail_usage(&err) : fail_run(&err);
    else if (check_input(pass, &err) != 0)
        status = fail_usage(&err);
    else
        status = open_packets_and_run(pass);
    sf_outputs_dispose(outputs);
    free(outputs);
    return status;
}

static int check_options(const struct sf_cli_options *options, struct sf_error *err)
{
    if (options->files.count == 0 && !is_live(options))
        return sf_fail(err, "no input: a capture file, - for standard input, or -i IFACE "
                            "(synfin --help)");
    if (is_live(options) && options->write_path != NULL)
        return sf_fail(err, "-w needs regular files: the packets are read a second time");
    if (options->user != NULL)
        return sf_fail(err, "-Z is not built in yet");
    return 0;
}

/* NULL for an expression that was not given; -1 for one that does not compile. */
static int compile(const char *text, struct sf_where **out, struct sf_error *err)
{
    *out = text == NULL ? NULL : sf_where_compile(text, err);
    return text != NULL && *out == NULL ? -1 : 0;
}

enum sf_status sf_pipeline_run(const struct sf_cli_options *options)
{
    struct sf_error err;
    struct sf_where *where = NULL, *fail_on = NULL;
    struct pass pass = {.options = options};
    enum sf_status status;
    if (check_options(options, &err) != 0 || compile(options->where, &where, &err) != 0 ||
        compile(options->fail_on, &fail_on, &err) != 0) {
        status = fail_usage(&err);
    } else {
        pass.where = where;
        pass.fail_on = fail_on;
        status = open_outputs_and_run(&pass);
    }
    sf_where_free(where);
    sf_where_free(fail_on);
    return status;
}
