/* Connections counted by how they opened and closed and by what went wrong. */
#ifndef SYNFIN_TALLY_H
#define SYNFIN_TALLY_H

#include "synfin/sink.h"

/* Each list stands in the order of its enum and ends with a NULL name. */
struct sf_tally {
    struct sf_name_count open_how[SF_OPENING_COUNT + 1];
    struct sf_name_count close_how[SF_CLOSING_COUNT + 1];
    uint64_t pairs[SF_OPENING_COUNT][SF_CLOSING_COUNT];
    struct sf_name_count anomalies[SF_ANOMALY_COUNT + 1]; /* connections that have it */
};

void sf_tally_init(struct sf_tally *tally);

void sf_tally_record(struct sf_tally *tally, const struct sf_record *record);

/* Adds what another one counted. */
void sf_tally_add(struct sf_tally *tally, const struct sf_tally *other);

#endif
