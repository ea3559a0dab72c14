/* Where records, events and segments go: one sink per output format. */
#ifndef SYNFIN_SINK_H
#define SYNFIN_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "synfin/buffer.h"
#include "synfin/capture.h"
#include "synfin/decode.h"
#include "synfin/error.h"
#include "synfin/field.h"
#include "synfin/track.h"
#include "synfin/zeek_row.h"

/* What stands before the first record. */
struct sf_meta {
    const char *version;
    const char *const *inputs;
    size_t input_count;
    const char *const *options; /* "name=value" of every option that changes results; never -j */
    size_t option_count;
};

/* What stands after the last. */
struct sf_summary {
    uint64_t packets, tcp_packets;
    uint64_t undecoded[SF_VERDICT_COUNT]; /* [OK] is 0 */
    uint64_t connections, capture_duplicates, dropped, evicted, late_segments;
    uint64_t open, opening; /* in the table now: not closed; of them, still in the handshake */
    bool is_dropped_known;  /* else dropped is 0 */
    const struct sf_input_report *inputs;
    size_t input_count;
    bool truncated_input;
    sf_ns first_ns, last_ns; /* of all packets; SF_NS_UNKNOWN when there was none */
    /* Counts over all connections, by name; ended by a NULL name. */
    struct sf_name_count {
        const char *name;
        uint64_t count;
    } const *open_how, *close_how, *anomalies;
    /* Findings over many connections. */
    struct sf_finding {
        const char *name;            /* "syn_flood" "port_scan" "host_scan" */
        const char *source, *target; /* address texts, NULL: many */
        uint64_t connections;
        sf_ns first_ns, last_ns;
        char detail[SF_DETAIL_TEXT];
    } const *findings;
    size_t finding_count;
};

struct sf_sink_options {
    const char *path; /* in place of the one that the argument names, NULL: that */
    const struct sf_field *const *fields; /* chosen by --fields, NULL: the format's own */
    size_t field_count;
    const struct sf_field *sort; /* NULL: the format's own order */
    bool sort_descending;
    uint64_t top; /* 0: the format's own bound */
    bool events, segments;
    bool color;
    unsigned width; /* of the terminal, columns */
    bool unicode;
    bool line_flush;     /* after each line */
    uint64_t max_memory; /* what a sink holds back takes a small part of it; 0: no bound */
    bool is_log;         /* a file is read while it grows: see sf_output_open_log() */
};

/* A segment line: the judgement beside what stood in the packet. */
struct sf_segment_line {
    const struct sf_segment *segment;
    const struct sf_judgement *judgement;
    sf_ns t_ns; /* since the connection's start */
};

/* Every function may be NULL: the sink does not care. A row of the zeek view belongs to no record:
 * it comes when it is final, whatever the records are. `interim`: live, every few seconds, how
 * things stand. Each returns 0, or -1 with *err (a write
 * failed). A sink whose reader went away returns 0 and becomes silent; see `gone`. */
struct sf_output;

struct sf_sink {
    const char *name;
    int (*meta)(struct sf_sink *sink, const struct sf_meta *meta, struct sf_error *err);
    int (*segment)(struct sf_sink *sink, const struct sf_segment_line *line, struct sf_error *err);
    int (*event)(struct sf_sink *sink, const struct sf_event *event, struct sf_error *err);
    int (*record)(struct sf_sink *sink, const struct sf_record *record, struct sf_error *err);
    /* An interim record of a connection that is open. */
    int (*update)(struct sf_sink *sink, const struct sf_record *record, struct sf_error *err);
    int (*zeek_row)(struct sf_sink *sink, const struct sf_zeek_row *row, struct sf_error *err);
    int (*interim)(struct sf_sink *sink, const struct sf_summary *summary, struct sf_error *err);
    int (*finish)(struct sf_sink *sink, const struct sf_summary *summary, struct sf_error *err);
    /* The file is complete by itself but for what stands only after the last record; the next one
     * is at `path` as in sf_output_next(), and meta comes again. NULL: what the sink writes makes
     * sense only as a whole. */
    int (*next_file)(struct sf_sink *sink, const char *path, struct sf_error *err);
    void (*close)(struct sf_sink *sink); /* frees the sink; also after an error */
    struct sf_output *output; /* where its lines go, NULL: it is not lines that it writes */

    /* Several workers: a fork of the sink takes the events and records of one of them. It prints
     * each into `lines`, which its owner takes from there and puts into the sink itself, or, where
     * `lines` is NULL, keeps them until it joins. It has no other function and is closed by its
     * owner before the sink. A sink that takes records and has no `fork` wants a single worker. */
    struct sf_sink *(*fork)(struct sf_sink *sink, struct sf_error *err);
    struct sf_buffer *lines;
    int (*put_lines)(struct sf_sink *sink, const char *text, size_t len, struct sf_error *err);
    int (*join)(struct sf_sink *sink, struct sf_sink *fork, struct sf_error *err);
    bool gone; /* the reader of a pipe went away: nothing more need be computed for it */
};

/* Opens an output from its -o argument: "FORMAT", "FORMAT:FILE" or "FILE.EXT"; "-" is standard
 * output. A file is written beside its name and renamed when whole. NULL with *err when the format
 * is unknown (then *usage is true) or the file cannot be made. */
struct sf_sink *sf_sink_open(const char *argument, const struct sf_sink_options *options,
                             bool *usage, struct sf_error *err);

/* Where an -o argument writes: a file, or with *is_folder files beneath it. NULL for standard
 * output, and for what names no place. */
const char *sf_sink_path(const char *argument, bool *is_folder);

/* Name, file extension and one-line description of each format, ended by a NULL name. */
struct sf_sink_format {
    const char *name, *extension, *text;
};
const struct sf_sink_format *sf_sink_formats(void);

#endif
