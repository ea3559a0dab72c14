/* Connections that rest as their segments. */
#ifndef SYNFIN_TRACK_YOUNG_H
#define SYNFIN_TRACK_YOUNG_H

#include "synfin/shelf.h"
#include "track_internal.h"

/* Puts a SYN that would open a connection aside, under the next id. False when it cannot wait. */
bool sf_young_wait(struct sf_tracker *tracker, const struct sf_segment *seg);

/* Whether the parcel is of that kind. */
bool sf_young_is(const struct sf_parcel *parcel);

/* Notes a segment of the connection. False when it cannot be noted, or it is of another kind: then
 * nothing has changed. */
bool sf_young_follow(struct sf_tracker *tracker, const struct sf_segment *seg,
                     const struct sf_parcel *parcel);

/* Takes it off the shelf and plays its segments; NULL on lack of memory, then it is lost. */
struct sf_flow *sf_young_wake(struct sf_tracker *tracker, const struct sf_parcel *parcel,
                              enum sf_wake what_for);

#endif
