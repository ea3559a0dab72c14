/* One row of Zeek's conn.log, as plain values: what the zeek view hands to the zeek outputs. */
#ifndef SYNFIN_ZEEK_ROW_H
#define SYNFIN_ZEEK_ROW_H

#include <stdint.h>

#include "synfin/segment.h"
#include "synfin/time.h"

enum { SF_ZEEK_HISTORY = 64 };

/* Counts are SF_COUNT_UNKNOWN (record.h) and times SF_NS_UNKNOWN where Zeek prints "-". */
struct sf_zeek_row {
    struct sf_flow_key key;
    enum sf_dir originator; /* which end of the key is Zeek's originator */
    uint64_t first_packet;
    sf_ns start_ns;
    sf_ns duration_ns;
    sf_ns removed_ns; /* when Zeek's timers would have dropped the connection at the latest */
    const char *conn_state;
    char history[SF_ZEEK_HISTORY]; /* cut at 63 letters */
    uint64_t bytes[SF_DIR_COUNT];  /* of sequence space, by end of the key */
    uint64_t missed_bytes;
    uint64_t packets[SF_DIR_COUNT], ip_bytes[SF_DIR_COUNT];
};

#endif
