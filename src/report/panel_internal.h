/* How the screen's lines are shared out: keys need it to know how far a page goes. */
#ifndef SYNFIN_REPORT_PANEL_INTERNAL_H
#define SYNFIN_REPORT_PANEL_INTERNAL_H

#include "synfin/panel.h"

/* Lines of each part, headings included; 0: there is no room for it. */
struct panel_layout {
    unsigned totals, states, table, news, foot;
};

struct panel_layout sf_panel_layout(const struct sf_panel *panel);

/* Rows of connections and of anomalies that are shown at a time. */
unsigned sf_panel_table_rows(const struct sf_panel *panel);
unsigned sf_panel_news_rows(const struct sf_panel *panel);

#endif
