/* Time-sequence graphs for xplot: a file per connection and direction, as tcptrace -S draws them,
 * with synfin's judgement in the labels. */
#include "xplot.h"

#include <stdlib.h>
#include <string.h>

struct xplot_sink {
    struct sf_sink sink;
    struct sf_plots plots;
};

static struct xplot_sink *xplot_of(struct sf_sink *sink)
{
    return (struct xplot_sink *)sink;
}

static int draw_segment(struct sf_sink *sink, const struct sf_segment_line *line,
                        struct sf_error *err)
{
    struct sf_plots *plots = &xplot_of(sink)->plots;
    const struct sf_judgement *judgement = line->judgement;
    if (judgement->conn == 0)
        return 0; /* the tracker had no memory for its connection */
    struct sf_plot *plot = sf_plots_of(plots, judgement->conn, err);
    if (plot == NULL)
        return -1;
    if (judgement->from != SF_ROLE_NONE) {
        enum sf_dir dir = line->segment->dir;
        plot->client = judgement->from == SF_CLIENT ? dir : sf_dir_other(dir);
    }
    sf_plot_draw(plot, line);
    return sf_plots_drawn(plots, plot, err);
}

static int end_record(struct sf_sink *sink, const struct sf_record *record, struct sf_error *err)
{
    return sf_plots_end(&xplot_of(sink)->plots, record->id, record->client, err);
}

static void close_xplot(struct sf_sink *sink)
{
    sf_plots_dispose(&xplot_of(sink)->plots);
    free(sink);
}

struct sf_sink *sf_xplot_open(const char *path, const struct sf_sink_options *options,
                              struct sf_error *err)
{
    struct xplot_sink *xplot = calloc(1, sizeof *xplot);
    if (xplot == NULL) {
        sf_fail(err, "out of memory");
        return NULL;
    }
    xplot->sink = (struct sf_sink){
        .name = "xplot", .segment = draw_segment, .record = end_record, .close = close_xplot};
    if (sf_plots_open(&xplot->plots, path, options->max_memory, err) == 0)
        return &xplot->sink;
    close_xplot(&xplot->sink);
    return NULL;
}
