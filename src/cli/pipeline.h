/* The way of a packet: capture -> decode -> tracker -> views -> outputs. */
#ifndef SYNFIN_CLI_PIPELINE_H
#define SYNFIN_CLI_PIPELINE_H

#include "options.h"

/* What the process ends with. */
enum sf_status {
    SF_STATUS_OK = 0,
    SF_STATUS_FAILED = 1,  /* nothing usable, or an output could not be written */
    SF_STATUS_USAGE = 2,   /* also a bad filter or expression */
    SF_STATUS_PARTIAL = 3, /* input cut, damaged, one of several unreadable, or packets dropped */
    SF_STATUS_MATCHED = 4, /* --fail-on held */
};

/* Reads all input and writes all outputs; complaints go to standard error. */
enum sf_status sf_pipeline_run(const struct sf_cli_options *options);

/* Each complains on standard error and says what the process ends with. */
enum sf_status sf_fail_usage(const struct sf_error *err);
enum sf_status sf_fail_run(const struct sf_error *err);

#endif
