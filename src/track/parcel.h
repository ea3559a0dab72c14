/* Connections and lone SYNs as parcels for the shelf, and back. */
#ifndef SYNFIN_TRACK_PARCEL_H
#define SYNFIN_TRACK_PARCEL_H

#include "synfin/pack.h"
#include "synfin/shelf.h"
#include "track_internal.h"

/* Whether the parcel is of the connection on the key at `wanted`. */
bool sf_parcel_is(const void *wanted, const struct sf_parcel *parcel);

/* Id and key of the connection. */
uint64_t sf_parcel_id(const struct sf_parcel *parcel);
struct sf_flow_key sf_parcel_key(const struct sf_parcel *parcel);

/* Whether SYNs wait for the answer that tells whose they are. Not for lone SYNs. */
bool sf_parcel_has_waiting(const struct sf_parcel *parcel);

/* Whether it is a diary (diary.h). Not for lone SYNs. */
bool sf_parcel_is_diary(const struct sf_parcel *parcel);

/* What a diary's parcel begins with; sf_parcel_content() is what follows. */
void sf_parcel_head_pack(struct sf_packer *packer, const struct sf_flow_key *key, uint64_t id);
const uint8_t *sf_parcel_content(const struct sf_parcel *parcel);

/* Options that a SYN or its answer may have to be plain. */
enum {
    SF_SYN_OPTIONS = SF_OPT_HAS_MSS | SF_OPT_HAS_WSCALE | SF_OPT_HAS_SACK_PERMITTED |
                     SF_OPT_HAS_TIMESTAMPS | SF_OPT_HAS_MD5
};

/* Whether a SYN says no more than sf_syn_pack() keeps. */
bool sf_syn_is_plain(const struct sf_segment *seg);

/* `now`: when it is put aside. `is_tested`: its checksum was right. */
void sf_syn_pack(struct sf_packer *packer, const struct sf_segment *seg, uint64_t id, sf_ns now,
                 bool is_tested);

/* The SYN as it was, but without its octets. Returns the id. */
uint64_t sf_syn_unpack(const struct sf_parcel *parcel, struct sf_segment *seg, bool *is_tested);

/* Packs the flow, which then owns nothing but what sf_flow_table_release() gives back. `now_packet`
 * is the latest packet's number. */
void sf_flow_pack(struct sf_packer *packer, struct sf_flow *flow, uint64_t now_packet,
                  const struct sf_slot_keeper *keeper);

/* Fills a flow just added to the table, or cleared: all of it that is unpacked must be zero before.
 * Without keeper the slot of the views is left out. */
void sf_flow_unpack(const struct sf_parcel *parcel, struct sf_rooms *rooms, struct sf_flow *flow,
                    const struct sf_slot_keeper *keeper);

/* small.c: the numbers of `small`, a copy of `flow` that has lost what is packed elsewhere, are
 * made small and packed; `base` is a time that most are near. Read back, into a flow of zeros, they
 * are small until the samples are there. `first_rtts`: the first round trip of each end that was
 * kept, 0 without, whether or not there was memory for the samples. */
void sf_numbers_pack(struct sf_packer *packer, struct sf_flow *small, const struct sf_flow *flow,
                     sf_ns base);
void sf_numbers_unpack(struct sf_unpacker *unpacker, struct sf_flow *flow);
void sf_numbers_grow(struct sf_flow *flow, const sf_ns first_rtts[SF_DIR_COUNT], sf_ns base);

#endif
