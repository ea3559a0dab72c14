/* The order of connections in a report, and the first N of it: worst first, or by a field. */
#ifndef SYNFIN_REPORT_RANKING_H
#define SYNFIN_REPORT_RANKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "synfin/error.h"
#include "synfin/field.h"

struct sf_ranked {
    uint64_t id;
    bool is_null;       /* null ranks last, whatever the direction */
    uint64_t number[3]; /* compared in turn, larger first */
    char text[64];      /* then this, smaller first */
    char *line;         /* what the sink prints for it; owned */
    size_t len;
};

/* Zero is a ranking without bound, worst first. */
struct sf_ranking {
    uint64_t bound;               /* keep so many, 0: all */
    const struct sf_field *field; /* NULL: worst first */
    bool descending;
    struct sf_ranked *items; /* a heap, the last in rank at [0], until sorted */
    size_t count, capacity;
};

/* Whether the record would be kept now; *rank is filled for sf_ranking_add(). */
bool sf_ranking_wants(const struct sf_ranking *ranking, const struct sf_record *record,
                      struct sf_ranked *rank);

/* Keeps a copy of the line under that rank and drops what falls out. 0, or -1 with *err. */
int sf_ranking_add(struct sf_ranking *ranking, struct sf_ranked *rank, const char *line, size_t len,
                   struct sf_error *err);

/* Moves what the other one keeps, under the same order and bound, into the ranking. 0, or -1 with
 * *err; the other one is empty either way. */
int sf_ranking_join(struct sf_ranking *ranking, struct sf_ranking *other, struct sf_error *err);

/* Puts the items in order, first in rank at [0]; nothing may be added afterwards. */
void sf_ranking_sort(struct sf_ranking *ranking);

void sf_ranking_dispose(struct sf_ranking *ranking);

#endif
