/* The live screen without its terminal: what is shown, what the person chose, keys in, lines out.
 */
#ifndef SYNFIN_PANEL_H
#define SYNFIN_PANEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "synfin/buffer.h"
#include "synfin/record.h"

enum { SF_PANEL_ROWS = 500, SF_PANEL_NEWS = 200, SF_PANEL_FILTER = 256 };

struct sf_panel_end {
    char ip[48];
    uint16_t port;
};

/* A connection of the table: open, or closed not long ago. */
struct sf_panel_row {
    uint64_t id;
    struct sf_panel_end end[SF_ROLE_COUNT];
    enum sf_tcp_state state[SF_ROLE_COUNT];
    const char *outcome; /* in a word; NULL: it is open */
    enum sf_severity severity;
    sf_ns start_ns, end_ns; /* end: of its last packet so far */
    sf_ns rtt_ns;           /* or SF_NS_UNKNOWN */
    uint64_t resent, bytes;
};

/* An anomaly, of one connection and end, however often it was heard. */
struct sf_panel_news {
    uint64_t conn;
    struct sf_panel_end end[SF_ROLE_COUNT];
    sf_ns ts_ns; /* of the latest */
    enum sf_anomaly name;
    enum sf_severity severity;
    enum sf_role whose;
    uint64_t count;
    char detail[SF_DETAIL_TEXT];
};

enum sf_panel_sort {
    SF_PANEL_BY_SEVERITY,
    SF_PANEL_BY_RESENT,
    SF_PANEL_BY_RTT,
    SF_PANEL_BY_BYTES,
    SF_PANEL_BY_AGE,
    SF_PANEL_BY_START,
    SF_PANEL_SORTS,
};

/* What the person wants to see; to be fetched by whoever makes the view. */
struct sf_panel_wish {
    enum sf_panel_sort sort;
    enum sf_severity least;       /* of anomalies */
    char filter[SF_PANEL_FILTER]; /* an expression that compiles, or empty */
    uint64_t story_id;            /* connection whose ladder is wanted, 0: none */
    unsigned width;               /* of the ladder */
};

/* Everything that is shown, as plain values. */
struct sf_panel_view {
    const char *source; /* interfaces */
    sf_ns begin_ns, now_ns;
    uint64_t packets, tcp_packets, dropped; /* since the beginning */
    uint64_t opened, open, opening, reported;
    double packet_rate, bit_rate, open_rate, drop_rate; /* a second, of the last few */
    uint64_t states[SF_ROLE_COUNT][SF_STATE_COUNT];     /* ends of open connections */
    struct sf_panel_row rows[SF_PANEL_ROWS];            /* first in rank first */
    size_t row_count;
    struct sf_panel_news news[SF_PANEL_NEWS]; /* newest first */
    size_t news_count;
    bool is_story_lost;        /* the connection is not remembered any more */
    struct sf_panel_wish wish; /* that this fulfils */
};

enum sf_panel_mode { SF_PANEL_TABLE, SF_PANEL_EDIT, SF_PANEL_STORY, SF_PANEL_HELP };

struct sf_panel {
    struct sf_panel_wish wish;
    enum sf_panel_mode mode;
    bool is_paused;         /* the view is to stay as it is */
    bool is_in_news;        /* arrows move the anomalies, not the table */
    uint64_t selected_id;   /* row that Enter opens, 0: the first */
    size_t row_top, row_at; /* of the table: first shown, selected */
    size_t news_top;
    size_t story_top; /* first line shown */
    char edit[SF_PANEL_FILTER];
    char error[160];  /* what is wrong with the expression; or empty */
    char notice[160]; /* said by another part of the program; or empty */
    unsigned width, height;
    bool color, unicode;
};

/* Keys besides printable ASCII. */
enum sf_panel_key {
    SF_KEY_UP = 256,
    SF_KEY_DOWN,
    SF_KEY_PAGE_UP,
    SF_KEY_PAGE_DOWN,
    SF_KEY_HOME,
    SF_KEY_END,
    SF_KEY_ENTER,
    SF_KEY_ESCAPE,
    SF_KEY_BACKSPACE,
    SF_KEY_TAB,
};

/* Takes a key. True when the program is to end. */
bool sf_panel_key(struct sf_panel *panel, const struct sf_panel_view *view, int key);

/* Appends exactly `height` lines, none wider than `width`, the last without line end; styles as
 * SGR sequences. `story` is the ladder that the view's wish is about. Moves what the panel shows
 * when the view or the size has changed. */
void sf_panel_draw(struct sf_panel *panel, const struct sf_panel_view *view,
                   const struct sf_buffer *story, struct sf_buffer *out);

/* "severity", "retransmissions" ... */
const char *sf_panel_sort_name(enum sf_panel_sort sort);

#endif
