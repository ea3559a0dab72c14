/* Time-sequence graphs in tcptrace's xplot form: what is remembered of each while it is drawn, and
 * where its text waits and goes. */
#ifndef SYNFIN_REPORT_XPLOT_H
#define SYNFIN_REPORT_XPLOT_H

#include "report_internal.h"

/* The octets that one end sent, and the peer's answers to them. Zero is an empty graph. */
struct sf_graph {
    struct sf_buffer text; /* drawn and not yet written */
    bool has_octets;       /* a SYN, a FIN or data was drawn: worth a file */
    bool has_file;         /* its first text was written */
    bool has_title, has_high, has_acks;
    int64_t high;     /* end of the highest segment drawn */
    sf_ns ack_ns;     /* of the last acknowledgement that did not go back */
    int64_t ack;      /* where the green line stands */
    int64_t edge;     /* where the yellow line stands: the last octet allowed, and one */
    unsigned repeats; /* of that acknowledgement, while octets were outstanding */
};

struct sf_plot {
    uint64_t conn;
    struct sf_graph graph[SF_DIR_COUNT]; /* by sender */
    enum sf_dir client;                  /* as known so far */
    size_t held;                         /* octets of both texts, as counted in sf_plots */
    struct sf_plot *next;                /* in its bucket */
    struct sf_plot *older, *newer;       /* among those that hold text, by last segment */
};

/* The plots of all open connections. No file stays open: text is appended when there is enough of
 * it, or when all texts together reach their bound; a file gets its name when it is whole. */
struct sf_plots {
    char *folder;
    int folder_fd;
    struct sf_plot **buckets;
    size_t bucket_count, count; /* buckets: a power of two */
    struct sf_plot *oldest, *newest;
    size_t held, held_max; /* octets */
};

/* Appends the segment to the graph of its sender, and what it acknowledges, allows or resets to the
 * graph of its receiver. A lack of memory shows in the texts. */
void sf_plot_draw(struct sf_plot *plot, const struct sf_segment_line *line);

/* The folder is made when it is missing. Of `max_memory` octets, 0: no bound, texts that wait take
 * an eighth at most. 0, or -1 with *err; disposed by the caller either way. */
int sf_plots_open(struct sf_plots *plots, const char *folder, uint64_t max_memory,
                  struct sf_error *err);

/* The connection's plot, an empty one when there was none; NULL with *err on lack of memory. */
struct sf_plot *sf_plots_of(struct sf_plots *plots, uint64_t conn, struct sf_error *err);

/* Something was drawn: writes what no longer needs to wait. 0, or -1 with *err. */
int sf_plots_drawn(struct sf_plots *plots, struct sf_plot *plot, struct sf_error *err);

/* The connection is over: its graphs become FOLDER/ID_client.xpl and FOLDER/ID_server.xpl, where
 * there was something to draw. 0, or -1 with *err; its plot is gone either way. */
int sf_plots_end(struct sf_plots *plots, uint64_t conn, enum sf_dir client, struct sf_error *err);

/* Gives everything back; what did not come to its end is removed. */
void sf_plots_dispose(struct sf_plots *plots);

#endif
