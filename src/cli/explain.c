/* Two readings of the same files: the first chooses connections, the second tells their lives. */
#include "explain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "options.h"
#include "outputs.h"
#include "pipeline.h"
#include "progress.h"
#include "sandbox.h"
#include "synfin/capture.h"
#include "synfin/decode.h"
#include "synfin/ladder.h"
#include "synfin/track.h"
#include "synfin/where.h"

enum { BATCH = 64, TOP_CHOSEN = 5 };

struct explain {
    struct sf_cli_options options;
    struct sf_sandbox sandbox;
    char **words; /* for options: without --conn */
    int word_count;
    uint64_t *conns; /* ids of --conn */
    size_t conn_count;
    struct sf_outputs outputs; /* what the terminal can show */
    struct sf_where *where;
    struct sf_ladder *ladder;
    uint64_t connections;
    bool is_partial; /* some input was damaged, or packets were dropped */
};

/* One reading of the input. */
struct reading {
    struct explain *explain;
    struct sf_capture *capture;
    struct sf_decoder *decoder;
    struct sf_tracker *tracker;
    struct sf_progress progress;
    bool is_telling; /* the second */
    bool is_over;
    sf_ns first_ns;
    uint64_t packets, packets_taken;
};

/* --- words ------------------------------------------------------------------------------------ */

static int take_conn(struct explain *explain, const char *text, struct sf_error *err)
{
    char *end;
    errno = 0;
    uint64_t id = text == NULL ? 0 : strtoull(text, &end, 10);
    if (id == 0 || errno != 0 || *end != '\0' || text[0] < '0' || text[0] > '9')
        return sf_fail(err, "--conn needs the id of a connection (synfin FILE lists them)");
    explain->conns[explain->conn_count++] = id;
    return 0;
}

/* Takes --conn ID and --conn=ID out; all other words are those of any reading of files. */
static int take_words(struct explain *explain, int count, char **words, struct sf_error *err)
{
    explain->words = calloc((size_t)count + 1, sizeof *explain->words);
    explain->conns = calloc((size_t)count + 1, sizeof *explain->conns);
    if (explain->words == NULL || explain->conns == NULL)
        return sf_fail(err, "out of memory");
    for (int i = 0; i < count; i++) {
        int result = 0;
        if (strcmp(words[i], "--conn") == 0) {
            result = take_conn(explain, i + 1 < count ? words[i + 1] : NULL, err);
            i++;
        } else if (strncmp(words[i], "--conn=", 7) == 0) {
            result = take_conn(explain, words[i] + 7, err);
        } else {
            explain->words[explain->word_count++] = words[i];
        }
        if (result != 0)
            return -1;
    }
    return 0;
}

static int check_options(const struct sf_cli_options *options, struct sf_error *err)
{
    const struct {
        bool is_given;
        const char *name;
    } misfits[] = {
        {options->interfaces.count > 0, "-i"},   {options->outputs.count > 0, "-o"},
        {options->events, "--events"},           {options->segments, "--segments"},
        {options->fields != NULL, "--fields"},   {options->write_path != NULL, "-w"},
        {options->fail_on != NULL, "--fail-on"},
    };
    for (size_t i = 0; i < sizeof misfits / sizeof misfits[0]; i++)
        if (misfits[i].is_given)
            return sf_fail(err, "explain does not take %s", misfits[i].name);
    if (options->files.count == 0)
        return sf_fail(err, "usage: synfin explain FILE ... [--conn ID | --where EXPR]");
    return 0;
}

/* --- input that can be read twice ------------------------------------------------------------- */

static int copy_to_file(int from, int to, struct sf_error *err)
{
    char buffer[65536];
    ssize_t n;
    while ((n = read(from, buffer, sizeof buffer)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sf_fail(err, "-: %s", strerror(errno));
        for (ssize_t done = 0, part; done < n; done += part) {
            part = write(to, buffer + done, (size_t)(n - done));
            if (part < 0)
                return sf_fail(err, "copy of standard input: %s", strerror(errno));
        }
    }
    return 0;
}

/* Puts a nameless file with all of standard input in its place, unless it is a file already. */
static int keep_standard_input(struct sf_error *err)
{
    struct stat st;
    if (fstat(STDIN_FILENO, &st) == 0 && S_ISREG(st.st_mode))
        return 0;
    FILE *copy = tmpfile();
    if (copy == NULL)
        return sf_fail(err, "copy of standard input: %s", strerror(errno));
    int result = copy_to_file(STDIN_FILENO, fileno(copy), err);
    if (result == 0 && dup2(fileno(copy), STDIN_FILENO) < 0)
        result = sf_fail(err, "copy of standard input: %s", strerror(errno));
    fclose(copy);
    return result;
}

static int check_inputs(const struct sf_word_list *files, struct sf_error *err)
{
    struct stat st;
    for (size_t i = 0; i < files->count; i++) {
        if (strcmp(files->words[i], "-") == 0) {
            if (keep_standard_input(err) != 0)
                return -1;
        } else if (stat(files->words[i], &st) == 0 && !S_ISREG(st.st_mode)) {
            return sf_fail(err, "%s: explain reads twice: it needs regular files or -",
                           files->words[i]);
        }
    }
    return 0;
}

/* --- a reading -------------------------------------------------------------------------------- */

static bool is_chosen(const struct explain *explain, const struct sf_record *record)
{
    if (explain->where != NULL && !sf_where_holds(explain->where, record))
        return false;
    for (size_t i = 0; i < explain->conn_count; i++)
        if (explain->conns[i] == record->id)
            return true;
    return explain->conn_count == 0;
}

static int take_records(struct reading *r, struct sf_error *err)
{
    struct explain *explain = r->explain;
    struct sf_record record;
    while (sf_tracker_record(r->tracker, &record)) {
        if (r->is_telling)
            continue;
        explain->connections++;
        if (is_chosen(explain, &record) && sf_ladder_offer(explain->ladder, &record, err) != 0)
            return -1;
    }
    return 0;
}

static int take_events(struct reading *r, struct sf_error *err)
{
    struct sf_event event;
    while (sf_tracker_event(r->tracker, &event))
        if (r->is_telling && sf_ladder_event(r->explain->ladder, &event, err) != 0)
            return -1;
    return 0;
}

static int take_segment(struct reading *r, const struct sf_segment *segment, struct sf_error *err)
{
    struct sf_judgement judgement;
    sf_tracker_segment(r->tracker, segment, &judgement);
    struct sf_segment_line line = {segment, &judgement, judgement.t_ns};
    if (take_events(r, err) != 0)
        return -1;
    if (r->is_telling && sf_ladder_segment(r->explain->ladder, &line, err) != 0)
        return -1;
    return take_records(r, err);
}

/* Whether the packet lies beyond what --duration allows; none that -c does not was read. */
static bool is_beyond(const struct reading *r, const struct sf_packet *packet)
{
    const struct sf_cli_options *options = &r->explain->options;
    return options->duration_ns != 0 && r->packets > 0 &&
           packet->ts_ns - r->first_ns > options->duration_ns;
}

static int take_packet(struct reading *r, const struct sf_packet *packet, struct sf_error *err)
{
    struct sf_decoded decoded;
    if (is_beyond(r, packet)) {
        r->is_over = true;
        return 0;
    }
    r->packets_taken += !packet->filtered;
    if (r->packets++ == 0 || packet->ts_ns < r->first_ns)
        r->first_ns = packet->ts_ns;
    if (sf_decode(r->decoder, packet, &decoded) == SF_VERDICT_OK)
        return take_segment(r, &decoded.segment, err);
    if (!decoded.has_quote)
        return 0;
    sf_tracker_icmp(r->tracker, &decoded.quote);
    return take_events(r, err) != 0 || take_records(r, err) != 0 ? -1 : 0;
}

static int read_all(struct reading *r, struct sf_error *err)
{
    struct sf_packet packets[BATCH];
    while (!r->is_over) {
        size_t most = sf_packets_left(&r->explain->options, r->packets_taken, BATCH);
        size_t count = sf_capture_next(r->capture, packets, most);
        if (count == 0)
            break;
        for (size_t i = 0; i < count && !r->is_over; i++)
            if (take_packet(r, &packets[i], err) != 0)
                return -1;
        sf_progress_show(&r->progress, r->capture, r->packets);
    }
    sf_tracker_finish(r->tracker);
    return take_events(r, err) != 0 || take_records(r, err) != 0 ? -1 : 0;
}

static int open_reading(struct reading *r, bool *is_usage, struct sf_error *err)
{
    const struct sf_cli_options *options = &r->explain->options;
    struct sf_capture_options capture = {.files = options->files.words,
                                         .file_count = options->files.count,
                                         .filter = options->filter,
                                         .strict = options->strict,
                                         .read_ahead = options->workers != 1};
    struct sf_decode_options decode = {.vlan_key = options->vlan_key,
                                       .verify_checksums = options->verify_checksums};
    struct sf_track_options track = {.linger_ns = options->linger_ns,
                                     .idle_timeout_ns = options->idle_timeout_ns,
                                     .max_memory = options->max_memory,
                                     .want_events = r->is_telling};
    lseek(STDIN_FILENO, 0, SEEK_SET);
    if (sf_capture_open(&r->capture, &capture, is_usage, err) != 0)
        return -1;
    r->decoder = sf_decoder_new(&decode);
    r->tracker = sf_tracker_new(&track);
    return r->decoder != NULL && r->tracker != NULL ? 0 : sf_fail(err, "out of memory");
}

/* "synfin: FILE: what happened" for each input that was damaged or could not be read. */
static void report_inputs(struct reading *r)
{
    size_t count;
    const struct sf_input_report *reports = sf_capture_reports(r->capture, &count);
    bool is_quiet = r->explain->options.quiet;
    for (size_t i = 0; i < count; i++) {
        if (!reports[i].damaged && !reports[i].unreadable)
            continue;
        r->explain->is_partial = true;
        if (!is_quiet)
            fprintf(stderr, "synfin: %s\n", reports[i].error.text);
    }
    uint64_t dropped = sf_capture_totals(r->capture).dropped;
    if (dropped > 0 && !is_quiet)
        fprintf(stderr, "synfin: %" PRIu64 " packets were dropped while capturing\n", dropped);
    r->explain->is_partial = r->explain->is_partial || dropped > 0;
}

static int run_reading(struct reading *r, struct sf_error *err)
{
    sf_progress_begin(&r->progress, &r->explain->options);
    int result = read_all(r, err);
    sf_progress_end(&r->progress);
    if (r->is_telling)
        report_inputs(r);
    return result;
}

static void close_reading(struct reading *r)
{
    sf_tracker_free(r->tracker);
    sf_decoder_free(r->decoder);
    if (r->capture != NULL)
        sf_capture_close(r->capture);
    *r = (struct reading){.explain = r->explain};
}

/* --- the command ------------------------------------------------------------------------------ */

/* Terminal, colour and order are what the outputs of any run would be told. */
static int open_ladder(struct explain *explain, bool *is_usage, struct sf_error *err)
{
    static const char *no_output[] = {"none"};
    struct sf_cli_options options = explain->options;
    options.outputs = (struct sf_word_list){.words = no_output, .count = 1};
    if (sf_outputs_open(&explain->outputs, &options, is_usage, err) != 0)
        return -1;
    struct sf_sink_options *sink = &explain->outputs.sink_options;
    bool has_chosen = explain->conn_count > 0 || explain->where != NULL;
    if (sink->top == 0 && has_chosen)
        sink->top = explain->conn_count > TOP_CHOSEN ? explain->conn_count : TOP_CHOSEN;
    explain->ladder = sf_ladder_new(sink);
    return explain->ladder != NULL ? 0 : sf_fail(err, "out of memory");
}

static int prepare(struct explain *explain, int count, char **words, bool *is_usage,
                   struct sf_error *err)
{
    *is_usage = true;
    if (take_words(explain, count, words, err) != 0 ||
        sf_options_parse(&explain->options, explain->word_count, explain->words, err) != 0 ||
        check_options(&explain->options, err) != 0)
        return -1;
    const char *where = explain->options.where;
    explain->where = where != NULL ? sf_where_compile(where, err) : NULL;
    if (where != NULL && explain->where == NULL)
        return -1;
    if (open_ladder(explain, is_usage, err) != 0)
        return -1;
    if (sf_sandbox_begin(&explain->sandbox, &explain->options, err) != 0)
        return -1;
    *is_usage = false;
    return check_inputs(&explain->options.files, err);
}

/* Both readings of it share one place in the file, and it need not be opened again. */
static bool has_standard_input(const struct explain *explain)
{
    for (size_t i = 0; i < explain->options.files.count; i++)
        if (strcmp(explain->options.files.words[i], "-") == 0)
            return true;
    return false;
}

/* The second reading's files are opened before the sandbox keeps it from them, but for standard
 * input, of which both readings share the place: the first must have ended, its threads too. */
static int read_twice(struct explain *explain, struct reading *first, struct reading *second,
                      bool *is_usage, struct sf_error *err)
{
    bool is_late = has_standard_input(explain);
    if (open_reading(first, is_usage, err) != 0 ||
        (!is_late && open_reading(second, is_usage, err) != 0) ||
        sf_sandbox_enter(&explain->sandbox, err) != 0 || run_reading(first, err) != 0 ||
        sf_ladder_choose(explain->ladder, err) != 0)
        return -1;
    close_reading(first);
    if (is_late && open_reading(second, is_usage, err) != 0)
        return -1;
    return run_reading(second, err);
}

static int tell(struct explain *explain, bool *is_usage, struct sf_error *err)
{
    struct reading first = {.explain = explain};
    struct reading second = {.explain = explain, .is_telling = true};
    int result = read_twice(explain, &first, &second, is_usage, err);
    close_reading(&first);
    close_reading(&second);
    return result == 0 ? sf_ladder_print(explain->ladder, explain->connections, err) : -1;
}

int sf_explain_run(int count, char **words)
{
    struct sf_error err = {0};
    bool is_usage = false;
    int status = SF_STATUS_OK;
    struct explain *explain = calloc(1, sizeof *explain);
    if (explain == NULL)
        return SF_STATUS_FAILED;
    if (prepare(explain, count, words, &is_usage, &err) != 0 || tell(explain, &is_usage, &err) != 0)
        status = is_usage ? SF_STATUS_USAGE : SF_STATUS_FAILED;
    else if (explain->is_partial)
        status = SF_STATUS_PARTIAL;
    if (status != SF_STATUS_OK && status != SF_STATUS_PARTIAL)
        fprintf(stderr, "synfin: %s\n", err.text);
    sf_ladder_free(explain->ladder);
    sf_where_free(explain->where);
    sf_outputs_dispose(&explain->outputs);
    sf_options_dispose(&explain->options);
    free(explain->conns);
    free(explain->words);
    free(explain);
    return status;
}
