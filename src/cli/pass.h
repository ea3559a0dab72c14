/* One reading of the input by one thread: capture -> decode -> tracker -> views -> outputs. */
#ifndef SYNFIN_CLI_PASS_H
#define SYNFIN_CLI_PASS_H

#include "intake.h"
#include "outputs.h"
#include "packet_file.h"
#include "pipeline.h"
#include "progress.h"
#include "sandbox.h"
#include "screen.h"
#include "selection.h"
#include "signals.h"
#include "synfin/finding.h"
#include "synfin/tally.h"
#include "synfin/view.h"
#include "synfin/where.h"
#include "watch.h"

struct sf_pass {
    const struct sf_cli_options *options;
    struct sf_sandbox *sandbox;             /* entered when the inputs are open */
    const struct sf_where *where, *fail_on; /* NULL: not asked for */
    struct sf_outputs *outputs;             /* NULL: the first of two readings */
    struct sf_packet_file *packets;         /* NULL: no -w */
    struct sf_selection *choose;            /* filled with the ids chosen by `where`, or NULL */
    const struct sf_selection *chosen; /* events, segments, rows and packets of these, or NULL */

    struct sf_screen *screen; /* closed by the pass when it ends; NULL: lines do */

    /* The pass's own; zero at first but for the capture of `intake`, which is the caller's. */
    struct sf_intake intake;
    struct sf_tracker *tracker;
    struct sf_views *views;
    struct sf_slot_keeper slots;
    struct sf_signals signals;
    struct sf_progress progress;
    struct sf_watch watch; /* live */
    struct sf_tally tally;
    struct sf_findings *findings;
    bool has_zeek_rows;
    struct sf_selection row_packets; /* those of the chosen connections, where rows are wanted */
    bool has_failed_on;              /* --fail-on held for some connection */
};

/* One reading from meta to end line; complaints go to standard error. */
enum sf_status sf_pass_run(struct sf_pass *pass);

/* A seed that nobody can guess: chosen addresses cannot be made to collide. Results do not depend
 * on it, so that a poor one, where the kernel gives none, only costs time. */
uint64_t sf_pass_seed(void);

#endif
