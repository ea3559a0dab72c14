/* The formats, each opened by its own file, and the documents they share. */
#ifndef SYNFIN_REPORT_INTERNAL_H
#define SYNFIN_REPORT_INTERNAL_H

#include "synfin/buffer.h"
#include "synfin/sink.h"

/* Each opens its format on a path (NULL or "-": standard output); NULL with *err. */
struct sf_sink *sf_json_open(const char *path, const struct sf_sink_options *options,
                             struct sf_error *err);
struct sf_sink *sf_csv_open(const char *path, const struct sf_sink_options *options,
                            struct sf_error *err);
struct sf_sink *sf_text_open(const char *path, const struct sf_sink_options *options,
                             struct sf_error *err);
struct sf_sink *sf_zeek_open(const char *path, const struct sf_sink_options *options,
                             struct sf_error *err);
struct sf_sink *sf_zeek_json_open(const char *path, const struct sf_sink_options *options,
                                  struct sf_error *err);
struct sf_sink *sf_prom_open(const char *path, const struct sf_sink_options *options,
                             struct sf_error *err);
/* A folder, never standard output. */
struct sf_sink *sf_xplot_open(const char *path, const struct sf_sink_options *options,
                              struct sf_error *err);
struct sf_sink *sf_none_open(const char *path, const struct sf_sink_options *options,
                             struct sf_error *err);

/* The output of lines that a sink's options ask for. 0, or -1 with *err. */
int sf_lines_open(struct sf_output *output, const char *path, const struct sf_sink_options *options,
                  struct sf_error *err);

/* Each appends one JSON line with its line end. 0, or -1 with *err. */
int sf_document_meta(struct sf_buffer *buffer, const struct sf_meta *meta, struct sf_error *err);
int sf_document_end(struct sf_buffer *buffer, const struct sf_summary *summary,
                    struct sf_error *err);

/* An event and a segment as JSON objects without line end. */
void sf_put_json_event(struct sf_buffer *buffer, const struct sf_event *event);
void sf_put_json_segment(struct sf_buffer *buffer, const struct sf_segment_line *line);

#endif
