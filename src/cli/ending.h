/* What is said before the first line and after the last: meta, end, damaged inputs. */
#ifndef SYNFIN_CLI_ENDING_H
#define SYNFIN_CLI_ENDING_H

#include "intake.h"
#include "outputs.h"
#include "synfin/finding.h"
#include "synfin/tally.h"

/* What was counted over the whole input, or live up to now. */
struct sf_ending {
    const struct sf_intake *intake;
    const struct sf_input_report *inputs; /* of several captures; NULL: those of the intake's */
    size_t input_count;
    struct sf_capture_totals captured; /* the same */
    struct sf_track_totals tracked;
    const struct sf_tally *tally;
    struct sf_findings *findings;
};

/* Each 0, or -1 with *err. */
int sf_ending_write_meta(struct sf_outputs *outputs, const struct sf_cli_options *options,
                         struct sf_error *err);
int sf_ending_write(struct sf_outputs *outputs, const struct sf_ending *ending,
                    struct sf_error *err);
int sf_ending_write_interim(struct sf_outputs *outputs, const struct sf_ending *ending,
                            struct sf_error *err);

/* "synfin: FILE: what happened" on standard error, unless quiet, for each input that was damaged or
 * could not be read since this was last called. */
void sf_ending_tell_failed(struct sf_capture *capture, const struct sf_cli_options *options);

/* The same, and how many packets were dropped. True when there ever was such an input, or drops. */
bool sf_ending_tell_inputs(struct sf_capture *capture, const struct sf_cli_options *options);

/* How many packets were dropped; true when any were. */
bool sf_ending_tell_dropped(uint64_t dropped, const struct sf_cli_options *options);

/* The line that USR1 asks for. */
void sf_ending_tell_statistics(const struct sf_intake *intake, uint64_t connections);
void sf_ending_tell_counts(const struct sf_intake *intake, uint64_t connections, uint64_t dropped);

#endif
