/* All outputs of a run as one. */
#ifndef SYNFIN_CLI_OUTPUTS_H
#define SYNFIN_CLI_OUTPUTS_H

#include "options.h"
#include "rotation.h"
#include "synfin/sink.h"

enum { SF_OUTPUTS_MAX = 16 };

struct sf_outputs {
    struct sf_sink *sinks[SF_OUTPUTS_MAX];
    struct sf_rotation rotations[SF_OUTPUTS_MAX]; /* of live files; zero: it is one file */
    struct sf_meta meta;                          /* for the next files; its texts are borrowed */
    size_t count;
    /* some sink prints them */
    bool wants_events, wants_segments, wants_zeek_rows, wants_updates;
    bool is_forked[SF_OUTPUTS_MAX]; /* events and records come as lines that workers have printed */
    bool wants_interim;             /* live, and some sink shows how things stand */
    sf_ns interim_ns;               /* of the machine's clock: when sinks were last told so */
    const struct sf_field *fields[1024];
    struct sf_sink_options sink_options;
};

/* Opens what -o, --json, --fields and so on ask for. 0, or -1 with *err; *usage tells a usage error
 * from a file that cannot be made. Disposed by the caller either way. */
int sf_outputs_open(struct sf_outputs *outputs, const struct sf_cli_options *options, bool *usage,
                    struct sf_error *err);

/* The path of the n-th output of the options, -w being the last, or NULL: it is standard output. */
const char *sf_outputs_path(const struct sf_cli_options *options, size_t n, bool *is_folder);

/* 0, or -1 with *err when an output, or what is written beside it, is an input, too, or when two
 * outputs are one file: one of them would be lost. */
int sf_outputs_check(const struct sf_cli_options *options, struct sf_error *err);

/* Each hands on to every sink whose reader is still there; the first error ends it: -1, *err. */
int sf_outputs_meta(struct sf_outputs *outputs, const struct sf_meta *meta, struct sf_error *err);
int sf_outputs_event(struct sf_outputs *outputs, const struct sf_event *event,
                     struct sf_error *err);
int sf_outputs_segment(struct sf_outputs *outputs, const struct sf_segment_line *line,
                       struct sf_error *err);
int sf_outputs_record(struct sf_outputs *outputs, const struct sf_record *record,
                      struct sf_error *err);
int sf_outputs_update(struct sf_outputs *outputs, const struct sf_record *record,
                      struct sf_error *err);
int sf_outputs_zeek_row(struct sf_outputs *outputs, const struct sf_zeek_row *row,
                        struct sf_error *err);
/* Whole lines for the sink that is forked at that place. */
int sf_outputs_lines(struct sf_outputs *outputs, size_t i, const char *text, size_t len,
                     struct sf_error *err);
/* True when sinks should be told how things stand: every 15 s, if one wants it. */
bool sf_outputs_interim_due(struct sf_outputs *outputs);
int sf_outputs_interim(struct sf_outputs *outputs, const struct sf_summary *summary,
                       struct sf_error *err);
int sf_outputs_finish(struct sf_outputs *outputs, const struct sf_summary *summary,
                      struct sf_error *err);

/* Whether some output is a file that another may follow. */
bool sf_outputs_can_reopen(const struct sf_outputs *outputs);

/* Those that were moved away are finished, and begun anew under their names. 0, or -1 with *err. */
int sf_outputs_reopen(struct sf_outputs *outputs, struct sf_error *err);

/* Begins the next files of those whose time is over (-G); *is_over when -W allows none. Files that
 * are long enough (-C) are followed by others as lines come. 0, or -1 with *err. */
int sf_outputs_rotate(struct sf_outputs *outputs, bool *is_over, struct sf_error *err);

/* Writes the lines that wait. 0, or -1 with *err. */
int sf_outputs_flush(struct sf_outputs *outputs, struct sf_error *err);

/* True when nobody listens any more. */
bool sf_outputs_gone(const struct sf_outputs *outputs);

void sf_outputs_dispose(struct sf_outputs *outputs);

#endif
