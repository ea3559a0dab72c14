/* What must hold of every record, whatever the packets were. */
#ifndef SYNFIN_TESTS_INVARIANT_H
#define SYNFIN_TESTS_INVARIANT_H

#include <stdbool.h>

#include "synfin/record.h"
#include "synfin/track.h"

/* Aborts with the claim and what it was about when the claim does not hold. */
#define INVARIANT(claim, about) invariant_hold(claim, #claim, about, __FILE__, __LINE__)
void invariant_hold(bool holds, const char *claim, const char *about, const char *file, int line);

/* All that one record tells, taken by itself. */
void invariant_record(const struct sf_record *record);

/* What the records, events and totals of one run tell together. Zero is the state before. */
struct invariant_run {
    uint64_t segments;   /* given to the tracker */
    uint64_t packets;    /* of the records, capture duplicates included */
    uint64_t duplicates; /* of the records */
    uint64_t records;
    struct invariant_conn {
        uint64_t changes, anomalies; /* events */
        bool is_done;                /* its record was seen */
    } * conns;                       /* by id */
    size_t capacity;
};

/* Checks the event and counts it. */
void invariant_run_event(struct invariant_run *run, const struct sf_event *event);

/* Checks the record, also against its events when `has_events`. */
void invariant_run_record(struct invariant_run *run, const struct sf_record *record,
                          bool has_events);

/* The run is over: checks the sums and gives the memory back. */
void invariant_run_end(struct invariant_run *run, const struct sf_track_totals *totals);

#endif
