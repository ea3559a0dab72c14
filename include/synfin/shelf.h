/* Connections that nothing touches, each as a parcel of octets: found by the hash of their key, and
 * in the order in which they were put. What the octets say is known to who put them. */
#ifndef SYNFIN_SHELF_H
#define SYNFIN_SHELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "synfin/time.h"

struct sf_shelf;

/* Rows of the shelf: lone SYNs, then as the lists of flow_table.h; those that closed while they
 * rested have another order than those that came to rest when they were closed. */
enum sf_shelf_row {
    SF_SHELF_SYNS,
    SF_SHELF_EMBRYONIC,
    SF_SHELF_OPEN,
    SF_SHELF_CLOSED,
    SF_SHELF_CLOSED_AT_REST,
    SF_SHELF_ROW_COUNT
};

enum { SF_PARCEL_MAX = 16 << 10 }; /* octets */

struct sf_parcel {
    enum sf_shelf_row row;
    uint64_t hash;
    uint64_t packet; /* last one of the connection, below 2^46 */
    sf_ns ns;        /* when it was touched last */
    const uint8_t *octets;
    size_t len;   /* may come back rounded up */
    uint64_t ref; /* place on the shelf, set by it */
};

/* NULL on lack of memory. A row keeps the order in which parcels are put, unless its bit is set in
 * `loose_rows`: then a parcel goes where another one has left room. */
struct sf_shelf *sf_shelf_new(unsigned loose_rows);
void sf_shelf_free(struct sf_shelf *shelf);

/* Puts a copy into its row, at the newest end where there is an order. 0, or -1 on lack of memory.
 */
int sf_shelf_put(struct sf_shelf *shelf, const struct sf_parcel *parcel);

/* The parcel of that hash for which `is` holds. Octets given out stay valid until something is put
 * or taken. */
bool sf_shelf_find(const struct sf_shelf *shelf, uint64_t hash,
                   bool (*is)(const void *wanted, const struct sf_parcel *parcel),
                   const void *wanted, struct sf_parcel *out);

/* Sets by which packet and when a parcel, just given out, was touched last. Returns its octets, to
 * be changed in place. Not of a row that keeps an order. */
uint8_t *sf_shelf_renew(struct sf_shelf *shelf, const struct sf_parcel *parcel, uint64_t packet,
                        sf_ns ns);

/* Ask the processor for what sf_shelf_find() will read first; then, once that has come, for the
 * parcel that it will probably find. */
void sf_shelf_prefetch(const struct sf_shelf *shelf, uint64_t hash);
void sf_shelf_prefetch_parcel(const struct sf_shelf *shelf, uint64_t hash);
/* For the parcel of a reference: sf_shelf_at(). */
void sf_shelf_prefetch_at(const struct sf_shelf *shelf, uint64_t ref);

/* Takes a parcel, just given out, off the shelf. */
void sf_shelf_take(struct sf_shelf *shelf, const struct sf_parcel *parcel);

/* The parcel of the row that was put first, or of a loose row, some parcel. */
bool sf_shelf_oldest(const struct sf_shelf *shelf, enum sf_shelf_row row, struct sf_parcel *out);

/* The one put after `parcel` in its row; of a loose row, the next one of all. */
bool sf_shelf_next(const struct sf_shelf *shelf, const struct sf_parcel *parcel,
                   struct sf_parcel *out);

/* The parcel at a place. From sf_shelf_settle() on, places do not change, nothing is found any
 * more, and nothing is put in loose rows. */
void sf_shelf_at(const struct sf_shelf *shelf, uint64_t ref, struct sf_parcel *out);
void sf_shelf_settle(struct sf_shelf *shelf);

/* While it is held, places do not change in rows that keep an order. */
void sf_shelf_hold(struct sf_shelf *shelf, bool is_held);

/* `ns` of the parcel last put in the row, SF_NS_UNKNOWN: none yet. */
sf_ns sf_shelf_newest_ns(const struct sf_shelf *shelf, enum sf_shelf_row row);

size_t sf_shelf_count(const struct sf_shelf *shelf, enum sf_shelf_row row);

/* Octets held; those of the oldest chunk of each row that wait to be given back not counted. */
uint64_t sf_shelf_memory(const struct sf_shelf *shelf);

#endif
