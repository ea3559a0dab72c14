/* Connections that are still in the tracker's table: in brief, for choosing among many; as a
 * record, for telling one. */
#ifndef SYNFIN_GLANCE_H
#define SYNFIN_GLANCE_H

#include <stdbool.h>

#include "synfin/flow_table.h"
#include "synfin/track.h"

/* A connection as it stands. Cheap to make: nothing is worked out. */
struct sf_glance {
    struct sf_flow_key key;
    uint64_t hash;
    uint64_t id;
    enum sf_dir client; /* which end of the key is the client */
    sf_ns start_ns, last_ns;
    enum sf_tcp_state state[SF_ROLE_COUNT];
    enum sf_severity severity; /* of what was noted so far */
    sf_ns rtt_ns;              /* of the handshake, else smoothed; or SF_NS_UNKNOWN */
    uint64_t packets, bytes;   /* of both ends; bytes are distinct octets */
    uint64_t resent;           /* packets of both ends that were sent again */
};

/* The next connection of the table that is not closed; false at the end of the round. Zero is the
 * walk's beginning; the tracker may do anything between two calls. */
bool sf_tracker_glance(const struct sf_tracker *tracker, struct sf_flow_walk *walk,
                       struct sf_glance *out);

/* The same connection as it stands now; false when it is closed or has left the table. */
bool sf_tracker_glance_again(const struct sf_tracker *tracker, struct sf_glance *glance);

/* Its record so far: how it ended is not concluded, ended_by is NULL, zeek's and wireshark's fields
 * are unknown. False when it is closed or has left the table. Lists as of sf_tracker_record(). */
bool sf_tracker_peek(struct sf_tracker *tracker, const struct sf_glance *glance,
                     struct sf_record *out);

#endif
