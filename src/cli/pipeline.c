/* Expressions, outputs and what they need: one reading of the input, or two. Where events, segments
 * or packets of chosen connections are asked for, the input is read twice: what a connection
 * becomes is known only at its end. */
#include "pipeline.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "pass.h"
#include "ring_workers.h"
#include "workers.h"

enum sf_status sf_fail_usage(const struct sf_error *err)
{
    fprintf(stderr, "synfin: %s\n", err->text);
    return SF_STATUS_USAGE;
}

enum sf_status sf_fail_run(const struct sf_error *err)
{
    fprintf(stderr, "synfin: %s\n", err->text);
    return SF_STATUS_FAILED;
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
static bool needs_two_readings(const struct sf_pass *pass)
{
    const struct sf_outputs *outputs = pass->outputs;
    return pass->options->where != NULL &&
           (outputs->wants_events || outputs->wants_segments || outputs->wants_zeek_rows ||
            pass->options->write_path != NULL);
}

static enum sf_status run_with(struct sf_pass *pass, struct sf_capture *capture)
{
    pass->intake.capture = capture;
    unsigned workers = sf_workers_count(pass);
    if (workers <= 1)
        return sf_pass_run(pass);
    return pass->options->interfaces.count > 0 ? sf_ring_workers_run(pass, workers)
                                               : sf_workers_run(pass, workers);
}

/* The connections are chosen by a reading of their own. */
static enum sf_status choose_connections(const struct sf_pass *like, struct sf_selection *selection)
{
    struct sf_error err;
    bool is_usage = false;
    struct sf_capture *capture;
    struct sf_pass first = *like;
    first.outputs = NULL;
    first.packets = NULL;
    first.fail_on = NULL;
    first.choose = selection;
    if (sf_intake_open_capture(&capture, like->options, &is_usage, &err) != 0)
        return is_usage ? sf_fail_usage(&err) : sf_fail_run(&err);
    enum sf_status status = run_with(&first, capture);
    sf_capture_close(capture);
    if (status != SF_STATUS_OK || !atomic_load(&first.signals.stop))
        return status;
    sf_fail(&err, "interrupted in the first of two readings: nothing is told");
    return sf_fail_run(&err);
}

static enum sf_status run_passes(const struct sf_pass *like, struct sf_selection *selection)
{
    struct sf_error err;
    bool is_usage = false;
    struct sf_capture *capture; /* opened before the first reading's sandbox keeps it from files */
    struct sf_pass pass = *like;
    pass.screen = sf_screen_open(like->options);
    if (sf_intake_open_capture(&capture, like->options, &is_usage, &err) != 0) {
        sf_screen_close(pass.screen);
        return is_usage ? sf_fail_usage(&err) : sf_fail_run(&err);
    }
    enum sf_status status = SF_STATUS_OK;
    if (needs_two_readings(like)) {
        status = choose_connections(like, selection);
        pass.chosen = selection;
    }
    if (status == SF_STATUS_OK)
        status = run_with(&pass, capture);
    sf_capture_close(capture);
    return status;
}

static int check_input(const struct sf_pass *pass, struct sf_error *err)
{
    if (!needs_two_readings(pass) || are_regular_files(&pass->options->files))
        return 0;
    return sf_fail(err, "--where with --events, --segments, -o xplot, -o zeek or -w needs regular "
                        "files: the input is read twice");
}

static int open_writers(struct sf_pass *pass, struct sf_outputs *outputs,
                        struct sf_packet_file *packets, bool *is_usage, struct sf_error *err)
{
    const char *path = pass->options->write_path;
    pass->outputs = outputs;
    if (sf_outputs_open(outputs, pass->options, is_usage, err) != 0)
        return -1;
    *is_usage = check_input(pass, err) != 0;
    if (*is_usage || (path != NULL && sf_packet_file_open(packets, path, err) != 0))
        return -1;
    pass->packets = path != NULL ? packets : NULL;
    return sf_sandbox_check(pass->sandbox, err);
}

/* An output that root could write and the user whom it becomes cannot. */
static enum sf_status fail_writers(const struct sf_rights *rights, struct sf_error *err)
{
    char prefix[96];
    snprintf(prefix, sizeof prefix, "as user %.63s (see -Z)", rights->name);
    if (rights->name[0] != '\0')
        sf_fail_prefix(err, prefix);
    return sf_fail_run(err);
}

/* What is written belongs to the user whom -Z names. */
static enum sf_status open_writers_and_run(struct sf_pass *pass, struct sf_outputs *outputs)
{
    struct sf_error err;
    struct sf_rights *rights = &pass->sandbox->rights;
    struct sf_packet_file packets = {0};
    struct sf_selection selection = {0};
    bool is_usage = false;
    if (sf_rights_borrow(rights, &err) != 0)
        return sf_fail_run(&err);
    int result = open_writers(pass, outputs, &packets, &is_usage, &err);
    sf_rights_give_back(rights);
    enum sf_status status;
    if (result == 0)
        status = run_passes(pass, &selection);
    else
        status = is_usage ? sf_fail_usage(&err) : fail_writers(rights, &err);
    sf_packet_file_dispose(&packets);
    sf_selection_dispose(&selection);
    return status;
}

static enum sf_status open_outputs_and_run(struct sf_pass *pass)
{
    struct sf_error err;
    struct sf_outputs *outputs = calloc(1, sizeof *outputs);
    if (outputs == NULL) {
        sf_fail(&err, "out of memory");
        return sf_fail_run(&err);
    }
    enum sf_status status = open_writers_and_run(pass, outputs);
    sf_outputs_dispose(outputs);
    free(outputs);
    return status;
}

static int check_options(const struct sf_cli_options *options, struct sf_error *err)
{
    if (options->files.count == 0 && options->interfaces.count == 0)
        return sf_fail(err, "no input: a capture file, - for standard input, or -i IFACE "
                            "(synfin --help)");
    if (options->interfaces.count > 0 && options->write_path != NULL)
        return sf_fail(err, "-w needs regular files: the packets are read a second time");
    return sf_outputs_check(options, err);
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
    struct sf_sandbox sandbox;
    struct sf_pass pass = {.options = options, .sandbox = &sandbox};
    enum sf_status status;
    if (check_options(options, &err) != 0 || sf_sandbox_begin(&sandbox, options, &err) != 0 ||
        compile(options->where, &where, &err) != 0 ||
        compile(options->fail_on, &fail_on, &err) != 0) {
        status = sf_fail_usage(&err);
    } else {
        pass.where = where;
        pass.fail_on = fail_on;
        status = open_outputs_and_run(&pass);
    }
    sf_where_free(where);
    sf_where_free(fail_on);
    return status;
}
