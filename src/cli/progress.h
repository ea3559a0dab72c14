/* How far the reading is, on standard error. */
#ifndef SYNFIN_CLI_PROGRESS_H
#define SYNFIN_CLI_PROGRESS_H

#include "options.h"
#include "synfin/capture.h"

struct sf_progress {
    bool is_shown;
    bool has_line;            /* a line stands on the terminal */
    unsigned skipped;         /* batches since the clock was looked at */
    sf_ns begin_ns, shown_ns; /* of the machine's clock */
};

/* Shown for files when standard error is a terminal, or as --progress says. */
void sf_progress_begin(struct sf_progress *progress, const struct sf_cli_options *options);

/* Called per batch; draws at most five times a second. */
void sf_progress_show(struct sf_progress *progress, const struct sf_capture *capture,
                      uint64_t packets);

/* Takes the line away. */
void sf_progress_end(struct sf_progress *progress);

#endif
