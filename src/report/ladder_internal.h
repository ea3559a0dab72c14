/* A connection's story as it is gathered, told and laid out. */
#ifndef SYNFIN_REPORT_LADDER_INTERNAL_H
#define SYNFIN_REPORT_LADDER_INTERNAL_H

#include "page.h"
#include "synfin/ladder.h"

/* An anomaly at the packet where its name was first heard of that end. */
struct ladder_note {
    uint64_t packet;
    sf_ns t_ns;
    enum sf_anomaly name;
    enum sf_role end;
    enum sf_severity severity;
    char detail[SF_DETAIL_TEXT];
};

/* Segments left away. */
struct ladder_fold {
    uint64_t segments;
    uint64_t octets[SF_ROLE_COUNT];
    uint64_t labels[SF_LABEL_COUNT];
    sf_ns begin_ns, end_ns;
};

/* What is worth a sentence though no state changes. */
enum ladder_moment {
    LADDER_FIRST_DATA = 1,
    LADDER_FIRST_ACK = 2,
    LADDER_REOPENED = 4, /* a window of 0 has room again */
    LADDER_SYN_DATA = 8,
    LADDER_MOMENTS = 4,
};

struct ladder_step {
    struct ladder_fold before; /* what was left away between the step before and this one */
    sf_ns silence_ns;          /* named before it; 0: none */
    bool is_segment;           /* else only its notes: something beside the connection's segments */
    uint64_t packet;
    sf_ns t_ns;
    enum sf_role from;
    unsigned flags, moments;
    uint32_t raw_seq; /* as in the packet */
    int64_t seq, ack;
    uint32_t len;
    uint64_t window;
    uint32_t labels;
    size_t note_begin, note_count;
};

enum { LADDER_RECENT = 4 };

struct ladder_story {
    const struct sf_record *record;
    struct ladder_step *steps;
    size_t step_count, step_capacity;
    struct ladder_note *notes;
    size_t note_count, note_capacity, note_taken;
    bool is_heard[SF_ANOMALY_COUNT][SF_ROLE_COUNT + 1];

    struct ladder_step recent[LADDER_RECENT]; /* plain ones, not yet shown or folded */
    unsigned recent_count;
    struct ladder_fold fold;
    unsigned plain_run; /* plain segments shown since the last notable one */

    sf_ns last_ns;
    size_t change; /* next entry of the record's timeline */
    unsigned silences, reopenings, controls;
    bool has_sent_data[SF_ROLE_COUNT], is_window_closed[SF_ROLE_COUNT];
    bool has_acked_data;
};

/* Who and what a sentence speaks of. */
struct ladder_context {
    const struct sf_record *record;
    const struct ladder_step *step;
    enum sf_tcp_state before[SF_ROLE_COUNT]; /* states of both ends before the step */
};

/* Appends what a change of state means; nothing when there is nothing to say. */
void sf_ladder_tell_change(struct sf_buffer *out, const struct ladder_context *context,
                           const struct sf_timeline_entry *entry);

/* Appends what a RST means that does not change its sender's state; `change_count`: how many other
 * changes there are at its packet. */
void sf_ladder_tell_reset(struct sf_buffer *out, const struct ladder_context *context,
                          size_t change_count);

/* Appends what both ends know after that change, or nothing. `is_sender`: of the step's sender. */
void sf_ladder_tell_knowledge(struct sf_buffer *out, const struct ladder_context *context,
                              const struct sf_timeline_entry *entry, bool is_sender);

void sf_ladder_tell_moments(struct sf_buffer *out, const struct ladder_context *context);

/* Appends why that anomaly happens and what follows from it. */
void sf_ladder_tell_anomaly(struct sf_buffer *out, enum sf_anomaly anomaly);

/* One word or two for the arrow, or NULL. */
const char *sf_ladder_tag(uint32_t labels);

/* Appends ", 2 sent again, 1 keep-alive". */
void sf_ladder_tell_labels(struct sf_buffer *out, const uint64_t labels[SF_LABEL_COUNT]);

/* The whole story as a page. */
void sf_ladder_page(struct sf_page *page, const struct ladder_story *story);

#endif
