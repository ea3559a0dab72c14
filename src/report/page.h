/* A terminal's page: columns, wrapping, colour. Nothing is printed wider than the page. */
#ifndef SYNFIN_REPORT_PAGE_H
#define SYNFIN_REPORT_PAGE_H

#include "synfin/anomaly.h"
#include "synfin/buffer.h"

struct sf_page {
    struct sf_buffer *out;
    unsigned width; /* columns */
    bool color, unicode;
};

enum sf_style { SF_PLAIN, SF_BOLD, SF_DIM, SF_RED, SF_YELLOW, SF_REVERSE, SF_STYLES };

/* Text in a style, where the page has colour. */
void sf_page_put(struct sf_page *page, enum sf_style style, const char *text, size_t len);

void sf_page_spaces(struct sf_page *page, size_t n);

/* A blank at which sf_page_wrap() breaks no line. */
#define SF_PAGE_JOINT '\x01'

/* The text in lines of the page's width; the cursor stands at column `indent`, where further lines
 * begin. Ends the line. What does not fit into `lines` is cut with an ellipsis. */
void sf_page_wrap(struct sf_page *page, enum sf_style style, const char *text, size_t len,
                  size_t indent, unsigned lines);

/* Octets of the first `columns` columns of the text. */
size_t sf_page_octets(const char *text, size_t len, size_t columns);

const char *sf_page_ellipsis(const struct sf_page *page);

/* How a severity looks: its colour, and a mark of one column. */
enum sf_style sf_page_severity_style(enum sf_severity severity);
const char *sf_page_severity_mark(const struct sf_page *page, enum sf_severity severity);

#endif
