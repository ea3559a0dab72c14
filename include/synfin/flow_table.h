/* Every connection that is remembered, found by its key. One table a worker. */
#ifndef SYNFIN_FLOW_TABLE_H
#define SYNFIN_FLOW_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "synfin/flow.h"

struct sf_flow_table;

/* Lists of the table, each in the order in which flows were last touched in it: connections whose
 * handshake is not complete, or of which only one end has spoken; other open ones, closed ones that
 * linger, and those whose record is out already. */
enum sf_flow_list {
    SF_FLOWS_EMBRYONIC,
    SF_FLOWS_OPEN,
    SF_FLOWS_CLOSED,
    SF_FLOWS_REPORTED,
    SF_FLOW_LIST_COUNT
};

/* NULL on lack of memory. The table owns every flow it hands out, removed ones too until they are
 * released. */
struct sf_flow_table *sf_flow_table_new(void);
void sf_flow_table_free(struct sf_flow_table *table);

/* The flow of that key, or NULL. `hash` is the key's, as in sf_segment. */
struct sf_flow *sf_flow_table_find(const struct sf_flow_table *table, const struct sf_flow_key *key,
                                   uint64_t hash);

/* Ask the processor for what sf_flow_table_find() will read first; then, once that has come, for
 * the flow that it will probably find, as far as a usual segment touches it. Returns that flow, or
 * NULL. It stays readable as long as the table, whatever becomes of it. */
void sf_flow_table_prefetch(const struct sf_flow_table *table, uint64_t hash);
const struct sf_flow *sf_flow_table_prefetch_flow(const struct sf_flow_table *table,
                                                  const struct sf_segment *seg);

/* Adds a flow that is zero but for key and hash, on the list EMBRYONIC. The key must not be there.
 * NULL on lack of memory. */
struct sf_flow *sf_flow_table_add(struct sf_flow_table *table, const struct sf_flow_key *key,
                                  uint64_t hash);

/* The same of a flow that is about to be removed: it is on its list, but is not found, nor counted
 * by sf_flow_table_count(). */
struct sf_flow *sf_flow_table_add_aside(struct sf_flow_table *table, const struct sf_flow_key *key,
                                        uint64_t hash);

/* Takes the flow out of table and list; it stays readable until sf_flow_table_release(). */
void sf_flow_table_remove(struct sf_flow_table *table, struct sf_flow *flow);

/* Gives a removed flow's memory back, with all it owns but `view`. */
void sf_flow_table_release(struct sf_flow_table *table, struct sf_flow *flow);

/* Gives back the same of a flow in the table, which becomes as sf_flow_table_add() makes them, but
 * stays where it is, without key and hash. */
void sf_flow_table_clear(struct sf_flow_table *table, struct sf_flow *flow);

/* Gives back what a flow in the table holds outside itself; `view` stays. */
void sf_flow_table_trim(struct sf_flow_table *table, struct sf_flow *flow);

/* Where the flows' arrays sent, changes, notes and samples are. */
struct sf_rooms *sf_flow_table_rooms(struct sf_flow_table *table);

/* Puts the flow at the newest end of a list. */
void sf_flow_table_touch(struct sf_flow_table *table, struct sf_flow *flow, enum sf_flow_list list);

/* Puts the flow where it belongs by touched_ns, in a list that is in that order; without memory for
 * that, at the newest end. */
void sf_flow_table_place(struct sf_flow_table *table, struct sf_flow *flow, enum sf_flow_list list);

/* The flow touched longest ago, or NULL. */
struct sf_flow *sf_flow_table_oldest(const struct sf_flow_table *table, enum sf_flow_list list);

/* The same among those that follow each other by `newer`: not those that sf_flow_table_place() put
 * before or between others. */
struct sf_flow *sf_flow_table_chained(const struct sf_flow_table *table, enum sf_flow_list list);

/* Wakes the flow at `due_ns`, up to a second later; a wake-up set before is forgotten. Removing the
 * flow forgets it too. */
void sf_flow_table_wake(struct sf_flow_table *table, struct sf_flow *flow, sf_ns due_ns);

/* The next flow whose time has come, or NULL: of the seconds that have passed since it was last
 * asked, in no order. Due times further ahead than `longest_ns` are of a clock that was set back
 * since, and have come. */
struct sf_flow *sf_flow_table_due(struct sf_flow_table *table, sf_ns now_ns, sf_ns longest_ns);

size_t sf_flow_table_count(const struct sf_flow_table *table);

/* How many of them are on that list. */
size_t sf_flow_table_listed(const struct sf_flow_table *table, enum sf_flow_list list);

/* Octets held by the table and its flows' fixed parts. */
uint64_t sf_flow_table_memory(const struct sf_flow_table *table);

/* Writes all flows, in no order, into an array of at least sf_flow_table_count() places. */
void sf_flow_table_all(const struct sf_flow_table *table, struct sf_flow **out);

/* Where a walk over all flows stands: zero at the beginning. It may go on after any change of the
 * table: blocks of flows stay where they are. What comes meanwhile may be passed over. */
struct sf_flow_walk {
    const void *block;
    size_t at;
    bool is_under_way;
};

/* The next flow, or NULL at the end, when the walk is at the beginning again. */
const struct sf_flow *sf_flow_table_walk(const struct sf_flow_table *table,
                                         struct sf_flow_walk *walk);

#endif
