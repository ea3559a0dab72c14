/* What the live screen shows, gathered while the capture runs: the last segments, anomalies and
 * closed connections, and now and then a look at the open ones. All by the capture's thread. */
#ifndef SYNFIN_CLI_BOARD_H
#define SYNFIN_CLI_BOARD_H

#include "synfin/glance.h"
#include "synfin/panel.h"
#include "synfin/sink.h"

struct sf_board;

/* So many are remembered; rows as SF_PANEL_ROWS. */
enum {
    SF_BOARD_SEGMENTS = 100000,
    SF_BOARD_ANOMALIES = 10000,
    SF_BOARD_CLOSED = 128, /* of each severity */
};

/* Counted by others. */
struct sf_board_totals {
    uint64_t packets, tcp_packets, dropped;
    sf_ns now_ns; /* of the machine's clock, which stamps the packets */
};

/* NULL on lack of memory. `now_ns` as in the totals. */
struct sf_board *sf_board_new(sf_ns now_ns);
void sf_board_free(struct sf_board *board);

/* As they come; nothing is allocated but for a record. */
void sf_board_segment(struct sf_board *board, const struct sf_segment_line *line);
void sf_board_event(struct sf_board *board, const struct sf_event *event);
void sf_board_record(struct sf_board *board, const struct sf_record *record);

/* Fills the view (but for `source` and `begin_ns`) with what the wish asks for, and *story with the
 * ladder when one is wanted. Takes 10 ms at most for the open connections: where that does not
 * reach around the table, the next call goes on; the rows are the best of all seen so far.
 */
void sf_board_look(struct sf_board *board, struct sf_tracker *tracker,
                   const struct sf_board_totals *totals, const struct sf_panel_wish *wish,
                   const struct sf_sink_options *terminal, struct sf_panel_view *view,
                   struct sf_buffer *story);

#endif
