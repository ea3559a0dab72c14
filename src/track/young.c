/* Connections that have done nothing yet but what nearly all do rest as their segments: a lone SYN,
 * which may be one of a flood, or a diary. What comes for one is noted in its diary; what does not
 * fit there wakes it first: its segments are played, and nobody else sees a difference. */
#include "young.h"

#include <assert.h>
#include <string.h>

#include "diary.h"
#include "parcel.h"

enum {
    HEAD_MAX = 96,    /* octets of a parcel before the diary */
    ENTRIES_MAX = 24, /* a longer connection is woken */
    IN_A_ROW_MAX = 3, /* and one that is at it now */
    ROOM = 3,         /* for entries that come next */
    OCTETS_MAX = HEAD_MAX + SF_DIARY_OPEN + (ENTRIES_MAX + ROOM) * SF_DIARY_ENTRY,
};
_Static_assert((int)OCTETS_MAX <= (int)SF_PARCEL_MAX, "a diary is a parcel");

bool sf_young_is(const struct sf_parcel *parcel)
{
    return parcel->row == SF_SHELF_SYNS || sf_parcel_is_diary(parcel);
}

/* --- the first SYN ---------------------------------------------------------------------------- */

/* A connection on the same key left the table just now: the views' slot passes on. */
static bool is_just_finished(const struct sf_tracker *t, const struct sf_segment *seg)
{
    for (const struct sf_flow *flow = t->leaving.first; flow != NULL; flow = flow->next_queued)
        if (flow->hash == seg->hash)
            return true;
    return false;
}

bool sf_young_wait(struct sf_tracker *t, const struct sf_segment *seg)
{
    const struct sf_slot_keeper *slots = t->options.slots;
    if (slots == NULL || t->rests_when_silent || t->options.want_events || !sf_syn_is_plain(seg) ||
        is_just_finished(t, seg) || !slots->may_wait(slots->self, seg))
        return false;
    enum sf_checksum checksum = sf_count_test(seg, 0);
    if (checksum == SF_CHECKSUM_WRONG)
        return false; /* to be noted while its octets are here */
    uint8_t octets[128];
    struct sf_packer packer = {octets, octets + sizeof octets, false};
    sf_syn_pack(&packer, seg, sf_track_peek_id(t), t->now_ns, checksum == SF_CHECKSUM_RIGHT);
    struct sf_parcel parcel = {.row = SF_SHELF_SYNS,
                               .hash = seg->hash,
                               .packet = seg->packet,
                               .ns = t->now_ns,
                               .octets = octets,
                               .len = (size_t)(packer.at - octets)};
    if (sf_shelf_put(t->shelf, &parcel) != 0)
        return false;
    sf_track_new_id(t);
    t->totals.opened++;
    t->totals.opening++;
    return true;
}

/* --- what follows it -------------------------------------------------------------------------- */

/* A diary and its newest entry, if that segment made one. */
struct longer {
    struct sf_diary diary;
    struct sf_diary_entry entry;
    bool has_entry;
};

/* False when the segment cannot be noted. */
static bool note(struct longer *longer, const struct sf_segment *seg,
                 const struct sf_diary_before *before)
{
    struct sf_diary *diary = &longer->diary;
    if (!sf_diary_may_follow(diary, seg, before))
        return false;
    enum sf_checksum checksum = sf_count_test(seg, diary->tested[seg->dir]);
    if (checksum == SF_CHECKSUM_WRONG)
        return false;
    longer->has_entry =
        sf_diary_note(diary, seg, before, checksum == SF_CHECKSUM_RIGHT, &longer->entry);
    return diary->count <= ENTRIES_MAX && diary->in_a_row <= IN_A_ROW_MAX;
}

/* Puts the diary in place of `old`, with room for more while it is open. `head` is what its parcel
 * begins with, `entries` are those before the newest. */
static bool replace(struct sf_tracker *t, const struct sf_parcel *old, const struct longer *longer,
                    const uint8_t *head, size_t head_octets, const uint8_t *entries)
{
    bool is_closed = sf_diary_is_closed(&longer->diary);
    uint8_t octets[OCTETS_MAX];
    struct sf_packer packer = {octets, octets + sizeof octets, false};
    size_t before = (size_t)longer->diary.count - longer->has_entry;
    sf_pack_octets(&packer, head, head_octets);
    sf_pack_octets(&packer, &longer->diary, is_closed ? SF_DIARY_CLOSED : SF_DIARY_OPEN);
    if (before > 0)
        sf_pack_octets(&packer, entries, before * SF_DIARY_ENTRY);
    if (longer->has_entry)
        sf_pack_octets(&packer, &longer->entry, SF_DIARY_ENTRY);
    size_t room = is_closed ? 0 : ROOM * SF_DIARY_ENTRY;
    struct sf_parcel parcel = {.row = is_closed ? SF_SHELF_CLOSED_AT_REST : SF_SHELF_OPEN,
                               .hash = old->hash,
                               .packet = t->now_packet,
                               .ns = t->now_ns,
                               .octets = octets,
                               .len = (size_t)(packer.at - octets) + room};
    assert((size_t)(packer.end - packer.at) >= room);
    if (sf_shelf_put(t->shelf, &parcel) != 0)
        return false;
    sf_shelf_take(t->shelf, old);
    return true;
}

/* The answer to a lone SYN: a diary of both. */
static bool begin_diary(struct sf_tracker *t, const struct sf_segment *seg,
                        const struct sf_parcel *parcel)
{
    uint8_t head[HEAD_MAX];
    struct sf_packer packer = {head, head + sizeof head, false};
    struct sf_segment syn;
    bool is_tested;
    uint64_t id = sf_syn_unpack(parcel, &syn, &is_tested);
    struct longer longer = {.diary = sf_diary_begun(&syn, is_tested)};
    if (syn.ts_ns != parcel->ns || /* the clock went back */
        !note(&longer, seg, &(struct sf_diary_before){syn.ts_ns, syn.packet}))
        return false;
    sf_parcel_head_pack(&packer, &syn.key, id);
    assert(!packer.is_full);
    return replace(t, parcel, &longer, head, (size_t)(packer.at - head), NULL);
}

static bool go_on(struct sf_tracker *t, const struct sf_segment *seg,
                  const struct sf_parcel *parcel)
{
    struct longer longer;
    const uint8_t *content = sf_parcel_content(parcel);
    memcpy(&longer.diary, content, SF_DIARY_OPEN);
    bool was_opening = !sf_diary_is_established(&longer.diary);
    if (!note(&longer, seg, &(struct sf_diary_before){parcel->ns, parcel->packet}))
        return false;
    size_t head = (size_t)(content - parcel->octets);
    size_t len = head + SF_DIARY_OPEN + (size_t)longer.diary.count * SF_DIARY_ENTRY;
    if (len > parcel->len || sf_diary_is_closed(&longer.diary)) {
        if (!replace(t, parcel, &longer, parcel->octets, head, content + SF_DIARY_OPEN))
            return false;
    } else {
        uint8_t *octets = sf_shelf_renew(t->shelf, parcel, seg->packet, seg->ts_ns);
        memcpy(octets + head, &longer.diary, SF_DIARY_OPEN);
        memcpy(octets + len - SF_DIARY_ENTRY, &longer.entry, SF_DIARY_ENTRY);
    }
    t->totals.opening -= was_opening && sf_diary_is_established(&longer.diary);
    return true;
}

/* While most of those that go on have room unpacked, they are found there. */
static bool are_many_open(const struct sf_tracker *t)
{
    return sf_flow_table_listed(t->table, SF_FLOWS_OPEN) +
               sf_flow_table_listed(t->table, SF_FLOWS_EMBRYONIC) +
               sf_shelf_count(t->shelf, SF_SHELF_OPEN) +
               sf_shelf_count(t->shelf, SF_SHELF_EMBRYONIC) >=
           t->diaries_from;
}

bool sf_young_follow(struct sf_tracker *t, const struct sf_segment *seg,
                     const struct sf_parcel *parcel)
{
    if (!t->keeps_diaries || seg->ts_ns != t->now_ns)
        return false;
    if (parcel->row == SF_SHELF_SYNS)
        return are_many_open(t) && begin_diary(t, seg, parcel);
    return parcel->row == SF_SHELF_OPEN && sf_parcel_is_diary(parcel) && go_on(t, seg, parcel);
}

/* --- waking ----------------------------------------------------------------------------------- */

static void play(struct sf_tracker *t, struct sf_flow *flow, const struct sf_segment *seg,
                 bool is_tested)
{
    const struct sf_slot_keeper *slots = t->options.slots;
    struct sf_endpoint *snd = &flow->ep[seg->dir];
    sf_flow_replay(t, flow, seg);
    snd->checksums_tested = (uint8_t)(snd->checksums_tested + is_tested);
    slots->show(slots->self, seg, &flow->view);
}

/* It was counted when it came, and is counted again. */
static struct sf_flow *open_again(struct sf_tracker *t, const struct sf_segment *syn, uint64_t id,
                                  bool was_opening, enum sf_wake what_for)
{
    t->totals.opened--;
    t->totals.opening -= was_opening;
    return sf_flow_open(t, syn, id, what_for);
}

static struct sf_flow *wake_syn(struct sf_tracker *t, const struct sf_parcel *parcel,
                                enum sf_wake what_for)
{
    struct sf_segment seg;
    bool is_tested;
    uint64_t id = sf_syn_unpack(parcel, &seg, &is_tested);
    sf_shelf_take(t->shelf, parcel);
    struct sf_flow *flow = open_again(t, &seg, id, true, what_for);
    if (flow != NULL)
        play(t, flow, &seg, is_tested);
    return flow;
}

/* Each at its time, which was the tracker's then. */
static struct sf_flow *wake_diary(struct sf_tracker *t, const struct sf_parcel *parcel,
                                  enum sf_wake what_for)
{
    uint8_t entries[ENTRIES_MAX * SF_DIARY_ENTRY];
    struct sf_diary diary;
    struct sf_diary_reader reader;
    bool is_closed = parcel->row == SF_SHELF_CLOSED_AT_REST;
    size_t octets = is_closed ? SF_DIARY_CLOSED : SF_DIARY_OPEN;
    const uint8_t *content = sf_parcel_content(parcel);
    const struct sf_flow_key key = sf_parcel_key(parcel);
    uint64_t id = sf_parcel_id(parcel), hash = parcel->hash;
    memcpy(&diary, content, octets);
    memcpy(entries, content + octets, (size_t)diary.count * SF_DIARY_ENTRY);
    sf_shelf_take(t->shelf, parcel);
    sf_diary_read_first(&reader, &diary, entries, &key, hash);
    sf_ns now_ns = t->now_ns;
    t->now_ns = reader.seg.ts_ns;
    struct sf_flow *flow =
        open_again(t, &reader.seg, id, !sf_diary_is_established(&diary), what_for);
    if (flow != NULL) {
        do {
            t->now_ns = reader.seg.ts_ns;
            play(t, flow, &reader.seg, reader.is_tested);
        } while (sf_diary_read_next(&reader));
        assert(flow->is_closed == is_closed);
    }
    t->now_ns = now_ns;
    return flow;
}

struct sf_flow *sf_young_wake(struct sf_tracker *t, const struct sf_parcel *parcel,
                              enum sf_wake what_for)
{
    return parcel->row == SF_SHELF_SYNS ? wake_syn(t, parcel, what_for)
                                        : wake_diary(t, parcel, what_for);
}
