/* The verdicts of the tools people know, by those tools' own rules, fed the same segments. A view
 * keeps its state in a slot that the tracker carries for each pair of addresses and ports; it lives
 * on through every incarnation, since the tools cut connections elsewhere than we do. */
#ifndef SYNFIN_VIEW_H
#define SYNFIN_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "synfin/record.h"
#include "synfin/track.h"
#include "synfin/zeek_row.h"

/* Octets from a slot's begin that a segment of an established connection touches: what to prefetch.
 * Handshake and close need the line after it, too. Slots begin at a cache line. */
enum { SF_VIEW_HOT = 128 };

struct sf_views;

struct sf_view_options {
    bool zeek;             /* conn_state, history, bytes: spec of Zeek 9 */
    bool zeek_checksums;   /* leave segments with a wrong checksum out, as Zeek does without -C */
    bool zeek_rows;        /* queue every row of conn.log for sf_views_zeek_row() */
    bool wireshark_labels; /* per-segment labels besides completeness: tshark 4.0 */
};

/* NULL on lack of memory. */
struct sf_views *sf_views_new(const struct sf_view_options *options);
void sf_views_free(struct sf_views *views);

/* Shows the views one segment, in the order of the capture, after the tracker has judged it; `slot`
 * is what it returned. Returns tshark's labels when they are wanted: sf_judgement.wireshark.
 * Capture duplicates are shown too. */
uint32_t sf_views_segment(struct sf_views *views, const struct sf_segment *seg, void **slot);

/* Fills the zeek and wireshark fields of an interim record. */
void sf_views_update(struct sf_views *views, struct sf_record *record);

/* Fills the record's zeek and wireshark fields; gives the slot's memory back when the record says
 * that no later incarnation uses it (record->view_next_packet is 0). */
void sf_views_record(struct sf_views *views, struct sf_record *record);

/* What the tracker needs to pack the slots of connections that nothing touches. */
struct sf_slot_keeper sf_views_keeper(struct sf_views *views);

/* Takes the next row that is final: cut by Zeek's rules when a later segment of the same addresses
 * and ports was shown, or let go with its slot. False when there is none, or zeek_rows is off. */
bool sf_views_zeek_row(struct sf_views *views, struct sf_zeek_row *out);

#endif
