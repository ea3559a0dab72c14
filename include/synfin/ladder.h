/* A connection's life as a ladder on the terminal, for people: what each segment said, the states
 * of both ends after it, and why. The input is read twice: the first reading chooses and learns how
 * each life ends, the second gathers its steps. */
#ifndef SYNFIN_LADDER_H
#define SYNFIN_LADDER_H

#include <stdbool.h>
#include <stdint.h>

#include "synfin/buffer.h"
#include "synfin/error.h"
#include "synfin/sink.h"

struct sf_ladder;

/* Of the options `sort`, `top` (0: one), `color`, `width` and `unicode` count. NULL on lack of
 * memory. */
struct sf_ladder *sf_ladder_new(const struct sf_sink_options *options);
void sf_ladder_free(struct sf_ladder *ladder);

/* First reading: a connection to choose from. The worst `top` are kept, or the first in the order
 * of `sort`. 0, or -1 with *err. */
int sf_ladder_offer(struct sf_ladder *ladder, const struct sf_record *record, struct sf_error *err);

/* The first reading is over. 0, or -1 with *err. */
int sf_ladder_choose(struct sf_ladder *ladder, struct sf_error *err);

/* Second reading, in the order of a sink's calls: events before their segment. Those of connections
 * that were not chosen are passed over. 0, or -1 with *err. */
int sf_ladder_event(struct sf_ladder *ladder, const struct sf_event *event, struct sf_error *err);
int sf_ladder_segment(struct sf_ladder *ladder, const struct sf_segment_line *line,
                      struct sf_error *err);

/* Appends the chosen connections, worst first. 0, or -1 with *err. */
int sf_ladder_write(struct sf_ladder *ladder, struct sf_buffer *out, struct sf_error *err);

/* Writes the chosen connections to standard output, worst first. `connections`: how many the input
 * has. A reader that went away is no error. 0, or -1 with *err. */
int sf_ladder_print(struct sf_ladder *ladder, uint64_t connections, struct sf_error *err);

#endif
