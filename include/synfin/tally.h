/* Connections counted by how they opened and closed and by what went wrong. */
#ifndef SYNFIN_TALLY_H
#define SYNFIN_TALLY_H

#include "synfin/sink.h"

enum { SF_TALLY_NAMES = 16 };

/* Each list ends with a NULL name. */
struct sf_tally {
    struct sf_name_count open_how[SF_TALLY_NAMES];
    struct sf_name_count close_how[SF_TALLY_NAMES];
    uint64_t pairs[SF_TALLY_NAMES][SF_TALLY_NAMES]; /* by the places of both names in the lists */
    struct sf_name_count anomalies[SF_ANOMALY_COUNT + 1]; /* connections that have it */
    char names[512];                                      /* of open_how and close_how */
};

void sf_tally_init(struct sf_tally *tally);

void sf_tally_record(struct sf_tally *tally, const struct sf_record *record);

/* Adds what another one counted. */
void sf_tally_add(struct sf_tally *tally, const struct sf_tally *other);

#endif
