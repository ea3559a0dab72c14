/* The commands by name; anything else is options and files. */
#include "command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "doctor.h"
#include "explain.h"
#include "options.h"
#include "pipeline.h"
#include "synfin/capture.h"
#include "synfin/vocabulary.h"

static int fail_usage(const char *text)
{
    fprintf(stderr, "synfin: %s\n", text);
    return SF_STATUS_USAGE;
}

/* A reader that went away is no error; a full disk is. */
static int check_output(void)
{
    if ((fflush(stdout) == 0 && !ferror(stdout)) || errno == EPIPE)
        return SF_STATUS_OK;
    fprintf(stderr, "synfin: standard output: %s\n", strerror(errno));
    return SF_STATUS_FAILED;
}

static int run_fields(int count, char **words)
{
    (void)words;
    if (count > 0)
        return fail_usage("usage: synfin fields");
    sf_vocabulary_fields(stdout);
    return check_output();
}

static int run_anomalies(int count, char **words)
{
    struct sf_error err;
    if (count > 1)
        return fail_usage("usage: synfin anomalies [NAME]");
    if (count == 0)
        sf_vocabulary_anomalies(stdout);
    else if (sf_vocabulary_anomaly(stdout, words[0], &err) != 0)
        return fail_usage(err.text);
    return check_output();
}

static int run_schema(int count, char **words)
{
    struct sf_error err;
    (void)words;
    if (count > 0)
        return fail_usage("usage: synfin schema");
    if (sf_vocabulary_schema(stdout, &err) == 0)
        return check_output();
    fprintf(stderr, "synfin: %s\n", err.text);
    return SF_STATUS_FAILED;
}

static int list_interfaces(void)
{
    struct sf_error err;
    if (sf_capture_list_interfaces(stdout, &err) == 0)
        return check_output();
    fprintf(stderr, "synfin: %s\n", err.text);
    return SF_STATUS_FAILED;
}

static int run_options(const struct sf_cli_options *options)
{
    if (options->want_help) {
        sf_options_help(stdout);
        return check_output();
    }
    if (options->want_version) {
        printf("synfin %s\n", SYNFIN_VERSION);
        return check_output();
    }
    return options->list_interfaces ? list_interfaces() : (int)sf_pipeline_run(options);
}

static int run_packets(int count, char **words)
{
    struct sf_cli_options options;
    struct sf_error err;
    int status = sf_options_parse(&options, count, words, &err) == 0 ? run_options(&options)
                                                                     : fail_usage(err.text);
    sf_options_dispose(&options);
    return status;
}

static int run_absent(int count, char **words)
{
    (void)count;
    (void)words;
    return fail_usage("this command is not built in yet");
}

static const struct {
    const char *name;
    int (*run)(int count, char **words); /* the words after the command */
} commands[] = {
    {"explain", sf_explain_run}, {"fields", run_fields}, {"anomalies", run_anomalies},
    {"schema", run_schema},      {"sql", run_absent},    {"doctor", sf_doctor_run},
};

int sf_command_run(int count, char **words)
{
    signal(SIGPIPE, SIG_IGN); /* a write tells it, too: see check_output() */
    if (count == 0) {
        sf_options_help(stderr);
        return SF_STATUS_USAGE;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(words[0], commands[i].name) == 0)
            return commands[i].run(count - 1, words + 1);
    return run_packets(count, words);
}
