/* The page that a person reads: layout of what the text sink gathered. */
#ifndef SYNFIN_REPORT_TEXT_PAGE_H
#define SYNFIN_REPORT_TEXT_PAGE_H

#include "page.h"
#include "ranking.h"
#include "synfin/sink.h"

/* Cells of a connection, in this order, each ended by a tab in a ranked line. The line goes on with
 * the verdict and its anomalies, each on a line of its own: severity, name, end, packets, detail.
 */
enum sf_text_cell {
    SF_CELL_SEVERITY, /* digit */
    SF_CELL_ID,
    SF_CELL_START,
    SF_CELL_CLIENT,
    SF_CELL_SERVER,
    SF_CELL_TIME,
    SF_CELL_SENT,
    SF_CELL_RECEIVED,
    SF_CELL_RTT,
    SF_CELL_RESENT,
    SF_CELL_OUTCOME,
    SF_CELL_OPENED,
    SF_CELL_CLOSED,
    SF_CELLS,
};

void sf_text_page_summary(struct sf_page *page, const struct sf_summary *summary);

/* Table of the ranked connections, each with its verdict, then their anomalies. */
void sf_text_page_connections(struct sf_page *page, struct sf_ranked *items, size_t count);

/* Table of chosen fields: the ranked lines hold one cell per field. */
void sf_text_page_fields(struct sf_page *page, const struct sf_field *const *fields,
                         size_t field_count, struct sf_ranked *items, size_t count);

/* One plain line. */
void sf_text_page_line(struct sf_page *page, const char *text);

#endif
