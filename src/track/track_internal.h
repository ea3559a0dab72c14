/* What the files of the tracker share: the turn (one segment against its connection) and the phases
 * in the order in which track.c runs them. */
#ifndef SYNFIN_TRACK_INTERNAL_H
#define SYNFIN_TRACK_INTERNAL_H

#include "synfin/flow.h"
#include "synfin/flow_table.h"
#include "synfin/shelf.h"
#include "synfin/state.h"
#include "synfin/track.h"

enum sf_resend_cause {
    SF_RESEND_TIMEOUT,
    SF_RESEND_FAST,
    SF_RESEND_TAIL_PROBE, /* RFC 8985 §7 */
    SF_RESEND_SPURIOUS,
    SF_RESEND_OTHER,
};

enum sf_reset_kind {
    SF_RESET_REFUSED,
    SF_RESET_CHALLENGE_FOLLOW_UP,
    SF_RESET_LATE_DATA,
    SF_RESET_AFTER_FIN,
    SF_RESET_NO_CONNECTION,
    SF_RESET_ABORT,
    SF_RESET_LONE,
};

enum sf_reset_validity {
    SF_RESET_EXACT,
    SF_RESET_IN_WINDOW,
    SF_RESET_BELOW,
    SF_RESET_ABOVE,
    SF_RESET_UNKNOWN,
};

enum sf_reset_effect { SF_EFFECT_UNKNOWN, SF_EFFECT_EFFECTIVE, SF_EFFECT_IGNORED };

enum sf_ended_by {
    SF_ENDED_OPEN,
    SF_ENDED_CLOSED,
    SF_ENDED_REUSED,
    SF_ENDED_IDLE,
    SF_ENDED_EVICTED,
    SF_NOT_ENDED, /* an interim record */
};

/* Kinds of half_open and stages of embryonic, for sf_noted.kind; 0 is none. */
enum sf_note_kind {
    SF_KIND_NONE,
    SF_KIND_DEAD_PEER,
    SF_KIND_REOPEN,
    SF_KIND_SUSPECTED,
    SF_KIND_SYN_RECEIVED,
    SF_KIND_ACK_UNCONFIRMED,
    SF_KIND_CUT_SHORT,  /* of unanswered: the capture ended so soon that nothing can be told */
    SF_KIND_NOT_OF_SYN, /* of reset_invalid: in SYN-SENT */
    SF_KIND_IN_WINDOW,  /* of reset_invalid: not exact, and nothing tells what came of it */
};

const char *sf_reset_kind_name(enum sf_reset_kind kind);
const char *sf_reset_validity_name(enum sf_reset_validity validity);
const char *sf_reset_effect_name(enum sf_reset_effect effect);

enum { SF_NO_FIN = 0xff, SF_EITHER_END = -1 };

enum { SF_DROP_SPANS = 256 };

/* Packets that the capture lost, by the time in which it did; in order of time. */
struct sf_drops {
    struct sf_drop_span {
        sf_ns begin_ns, end_ns;
        uint64_t packets;
    } spans[SF_DROP_SPANS];
    size_t count;
    bool is_told; /* the capture says when it drops */
};

/* Flows whose records wait, chained by `next_queued`. */
struct sf_departures {
    struct sf_flow *first, *last;
};

/* Those whose records wait longer: see waiting.c. */
struct sf_waiting {
    struct sf_departures before; /* the first ones */
    size_t before_count;
    struct sf_shelf *shelf;     /* those that came then, packed */
    struct sf_departures after; /* the newest; while there is none, none is packed */
};

/* Connections that leave together, when time moves on or the input is over: they are known by id
 * and place, and woken as their records are fetched. See leaver.c. */
struct sf_leavers {
    struct sf_leaver *items; /* from `at` on, in order of id */
    size_t at, count, capacity;
    uint64_t last_syn;   /* lone SYNs, whose row is in that order, are among them up to this id */
    bool are_under_way;  /* until all are told */
    enum sf_ended_by by; /* what is not closed */
};

struct sf_tracker {
    struct sf_track_options options;
    struct sf_drops drops;
    uint64_t begun_packet; /* at which an id was taken last */
    struct sf_flow_table *table;
    struct sf_rooms *rooms;  /* of the flows' arrays */
    struct sf_shelf *shelf;  /* connections that rest: rest.c */
    size_t unpacked_max;     /* 0: none rests because there are many */
    bool rests_when_silent;  /* live */
    bool has_packed_waiting; /* some connection for whose SYNs sf_rest_wake_waiting() is */
    bool keeps_diaries;      /* young.c, */
    size_t diaries_from;     /* when so many are open */
    struct sf_leavers leavers;
    sf_ns due_ns;        /* until then no connection ends by the clock; UNKNOWN: to be worked out */
    sf_ns now_ns;        /* latest time of any packet */
    uint64_t now_packet; /* the segment at hand, for events */
    sf_ns event_ns;      /* its time, or that of an expiry: packets may come late */
    uint64_t next_id;
    bool has_next_id; /* of a count that trackers share: next_id is taken from it already */
    struct sf_track_totals totals; /* but for `open` */

    struct sf_event *events; /* queue: [event_head, event_count) are waiting */
    size_t event_head, event_count, event_capacity;

    struct sf_departures leaving; /* finished by the last call */
    struct sf_waiting finished;   /* before, and not yet fetched */
    bool is_leaving_unsorted;
    struct sf_flow *handed_out;         /* record given to the caller, released next */
    struct sf_timeline_entry *timeline; /* of the record handed out */
    struct sf_anomaly_entry *anomalies;
    size_t timeline_capacity, anomaly_capacity;
};

/* One segment against its connection. Offsets are in the sender's space, `ack` in the receiver's.
 */
struct sf_turn {
    struct sf_tracker *tracker;
    struct sf_flow *flow;
    const struct sf_segment *seg;
    struct sf_endpoint *snd, *rcv;
    enum sf_dir dir;
    uint32_t labels;
    sf_offset begin;      /* of SEG.SEQ */
    sf_offset data_begin; /* after a SYN */
    sf_offset data_end;   /* after the payload */
    sf_offset end;        /* SEG.SEQ + SEG.LEN */
    sf_offset snd_nxt_before;
    sf_offset una_before; /* the receiver's snd_una */
    sf_offset ack;        /* valid when has_ack */
    bool has_ack;         /* a believable acknowledgement */
    bool is_stray;        /* numbers too far off to be this connection's */
    bool is_keep_alive, is_probe;
    bool is_syn_again, is_fin_again, is_other_iss;
    bool is_fin_late; /* its FIN's number lies before others that passed, or were acknowledged */
    bool sends_new_data;
    bool is_replay; /* a waiting SYN given to the connection it opened */
    sf_ns rtt_ns;
    sf_ns idle_ns; /* since the sender's packet before, 0: none */
};

static inline void sf_turn_begin(struct sf_turn *turn, struct sf_tracker *tracker,
                                 struct sf_flow *flow, const struct sf_segment *seg, bool is_replay)
{
    *turn = (struct sf_turn){.tracker = tracker,
                             .flow = flow,
                             .seg = seg,
                             .snd = &flow->ep[seg->dir],
                             .rcv = &flow->ep[sf_dir_other(seg->dir)],
                             .dir = seg->dir,
                             .is_replay = is_replay,
                             .rtt_ns = SF_NS_UNKNOWN};
}

/* Puts the flow at the newest end of a list of the table. Not its packet's time counts but the
 * tracker's, which never goes back: when it expires depends on no other flow of the list. */
static inline void sf_flow_touch(struct sf_tracker *tracker, struct sf_flow *flow,
                                 enum sf_flow_list list)
{
    flow->touched_ns = tracker->now_ns;
    sf_flow_table_touch(tracker->table, flow, list);
}

/* A RST took effect, as far as is known. */
static inline bool sf_flow_has_reset(const struct sf_flow *flow)
{
    return flow->reset.packet != 0 && flow->reset.effect != SF_EFFECT_IGNORED;
}

/* Scaling is in force when both SYNs carried the option, and not when one had none. It is not known
 * without both, nor when the capture cut the options off. */
static inline bool sf_flow_is_scale_known(const struct sf_flow *flow)
{
    bool are_known[SF_DIR_COUNT];
    for (int dir = 0; dir < SF_DIR_COUNT; dir++) {
        const struct sf_endpoint *ep = &flow->ep[dir];
        are_known[dir] = ep->has_wscale || !(ep->syn_options & SF_OPT_TRUNCATED);
        if (!ep->has_iss)
            return false;
    }
    bool has_none =
        (are_known[0] && !flow->ep[0].has_wscale) || (are_known[1] && !flow->ep[1].has_wscale);
    return has_none || (are_known[0] && are_known[1]);
}

/* --- numbers -------------------------------------------------------------------------------- */

/* The offset of a sequence number, taken as near as possible to `near`. */
static inline sf_offset sf_offset_of(const struct sf_endpoint *ep, sf_seq seq, sf_offset near)
{
    return near + sf_seq_distance(sf_seq_add(ep->base, (uint32_t)near), seq);
}

static inline sf_seq sf_seq_at(const struct sf_endpoint *ep, sf_offset offset)
{
    return sf_seq_add(ep->base, (uint32_t)offset);
}

/* Best estimate of the connection's round-trip time at the tap, or SF_NS_UNKNOWN. */
sf_ns sf_flow_rtt(const struct sf_flow *flow);

/* How long the tap may deliver late what the ends saw in order: min(RTT, 50 ms). */
sf_ns sf_flow_tap_delay(const struct sf_flow *flow);

/* Octets sent and not acknowledged; SYN and FIN are not among them. */
static inline uint64_t sf_outstanding(const struct sf_endpoint *ep)
{
    sf_offset una = ep->snd_una < 1 ? 1 : ep->snd_una;
    bool has_fin = ep->fin != SF_OFFSET_NONE && ep->snd_nxt > ep->fin;
    sf_offset end = has_fin ? ep->fin : ep->snd_nxt;
    return end > una ? (uint64_t)(end - una) : 0;
}

/* --- note.c: anomalies and their sentences -----------------------------------------------------
 */

/* Counts an anomaly of an end (or SF_EITHER_END) and queues the event. `value` is added up. */
void sf_note(struct sf_tracker *tracker, struct sf_flow *flow, enum sf_anomaly name, int end,
             uint64_t packet, uint64_t value);
void sf_note_kind(struct sf_tracker *tracker, struct sf_flow *flow, enum sf_anomaly name, int end,
                  uint64_t packet, uint64_t value, enum sf_note_kind kind,
                  enum sf_severity severity);
static inline void sf_turn_note(struct sf_turn *turn, enum sf_anomaly name, uint64_t value)
{
    sf_note(turn->tracker, turn->flow, name, (int)turn->dir, turn->seg->packet, value);
}
struct sf_noted *sf_noted_find(const struct sf_flow *flow, enum sf_anomaly name, int end);
bool sf_noted_any(const struct sf_flow *flow, enum sf_anomaly name);

/* Takes an anomaly back that later packets disproved. */
void sf_note_drop(struct sf_flow *flow, enum sf_anomaly name, int end);

void sf_note_detail(const struct sf_flow *flow, const struct sf_noted *noted,
                    char out[SF_DETAIL_TEXT]);

/* Room for an event, or NULL when events are not wanted or memory lacks. */
struct sf_event *sf_event_add(struct sf_tracker *tracker, const struct sf_flow *flow, int end);

static inline enum sf_role sf_role_of(const struct sf_flow *flow, int end)
{
    return end < 0 ? SF_ROLE_NONE : end == (int)flow->client ? SF_CLIENT : SF_SERVER;
}

/* --- life.c: states ----------------------------------------------------------------------------
 */

void sf_life_segment(struct sf_turn *turn); /* anything but RST */
void sf_life_reset(struct sf_turn *turn);   /* an acceptable RST */
void sf_life_end_old(struct sf_turn *turn); /* one that ends its receiver's older connection */
void sf_life_restore(struct sf_turn *turn, enum sf_dir dir); /* the RST was ignored */
void sf_life_update_closed(struct sf_tracker *tracker, struct sf_flow *flow);
bool sf_flow_both_fins_acked(const struct sf_flow *flow);
/* Each end opened by itself: no SYN-ACK waits for an ACK, the two cross as the SYNs did. */
static inline bool sf_flow_syns_crossed(const struct sf_flow *flow)
{
    return flow->is_simultaneous && !flow->is_split;
}
/* The first change of that cause and end (enum sf_dir), or NULL. */
const struct sf_change *sf_flow_change(const struct sf_flow *flow, enum sf_cause cause, int dir);

/* --- hole.c: what the tap has not seen ---------------------------------------------------------
 */

struct sf_fill {
    uint64_t octets;      /* of the segment that lay in holes */
    struct sf_hole first; /* the first hole that it touched, as it was */
};

static inline struct sf_hole *sf_hole_at(const struct sf_endpoint *ep, size_t i)
{
    return &ep->holes[ep->hole_head + i];
}

void sf_hole_add(struct sf_endpoint *ep, const struct sf_hole *hole);
/* Which is the first that ends after `offset`; hole_count: none does. */
size_t sf_hole_after(const struct sf_endpoint *ep, sf_offset offset);
struct sf_fill sf_hole_fill(struct sf_endpoint *ep, sf_offset begin, sf_offset end);
/* Marks what lies below `ack` as acknowledged. */
void sf_hole_acknowledge(struct sf_endpoint *ep, sf_offset ack, sf_ns now_ns, uint64_t packet);
/* Octets below the peer's acknowledgement that were never captured, from the first seen on. */
uint64_t sf_hole_missing(const struct sf_endpoint *ep);

/* --- sent.c: outstanding segments and the round-trip samples they give -------------------------
 */

void sf_sent_add(struct sf_rooms *rooms, struct sf_endpoint *ep, sf_offset begin, sf_offset end,
                 const struct sf_segment *seg);
/* Marks what overlaps as sent again, and makes one piece of many; returns the time of the last
 * sending before, or UNKNOWN. */
sf_ns sf_sent_again(struct sf_endpoint *ep, sf_offset begin, sf_offset end,
                    const struct sf_segment *seg);
/* The piece that begins and ends there, or NULL. */
const struct sf_sent *sf_sent_find(const struct sf_endpoint *ep, sf_offset begin, sf_offset end);
/* Forgets what is acknowledged; returns the sample, or SF_NS_UNKNOWN (Karn). */
sf_ns sf_sent_acknowledge(struct sf_endpoint *ep, sf_offset ack, sf_ns now_ns);
bool sf_sent_is_boundary(const struct sf_endpoint *ep, sf_offset offset);
void sf_rtt_update(struct sf_rtt_estimate *estimate, sf_ns sample_ns); /* RFC 6298 §2 */

/* --- drop.c -------------------------------------------------------------------------------------
 */

/* Packets that the capture lost while the connection was open. */
uint64_t sf_dropped_during(const struct sf_tracker *tracker, const struct sf_flow *flow);

/* --- the phases --------------------------------------------------------------------------------
 */

bool sf_duplicate_check(struct sf_turn *turn); /* duplicate.c: one packet captured twice? */
/* Whether packet number `packet` of the capture comes too late to be the second capture of one that
 * the connection has had: so many pass in a millisecond only at two million a second. */
static inline bool sf_duplicate_is_out_of_reach(const struct sf_flow *flow, uint64_t packet)
{
    enum { REACH = 2000 };
    return packet > flow->last_packet && packet - flow->last_packet > REACH;
}
void sf_duplicate_forget(struct sf_endpoint *ep);
/* Before each packet of the flow what is out of reach is forgotten: so it is the same for one that
 * rested meanwhile, without its prints, and for one that did not. False: that was so. */
static inline bool sf_duplicate_forget_far(struct sf_flow *flow, uint64_t packet)
{
    if (!sf_duplicate_is_out_of_reach(flow, packet))
        return true;
    sf_duplicate_forget(&flow->ep[0]);
    sf_duplicate_forget(&flow->ep[1]);
    return false;
}
/* The receiver had these octets twice: what looked like a second capture was a second packet. */
void sf_duplicate_on_network(struct sf_turn *turn, sf_offset begin, sf_offset end);
/* What two captures of one packet have in common. */
uint64_t sf_duplicate_print(const struct sf_segment *seg);
/* Whether it looks like another capture of the one before, wherever that was. */
bool sf_duplicate_is(const struct sf_segment *before, const struct sf_segment *seg);
void sf_duplicate_remember(struct sf_endpoint *snd, const struct sf_segment *seg, uint64_t print);
void sf_count_segment(struct sf_turn *turn); /* count.c: what needs no judgement */
/* Of each end so many segments are tested: enough to tell offload, too few to cost time. */
enum { SF_TESTED_MAX = 8 };
/* Whether a segment's checksum is right, when `tested` of its end have been tested before. */
enum sf_checksum { SF_CHECKSUM_UNTESTED, SF_CHECKSUM_RIGHT, SF_CHECKSUM_WRONG };
enum sf_checksum sf_count_test_now(const struct sf_segment *seg);
static inline enum sf_checksum sf_count_test(const struct sf_segment *seg, unsigned tested)
{
    bool may_test =
        tested < SF_TESTED_MAX && seg->payload_cap >= seg->payload_len && seg->ip_cap != 0;
    return may_test ? sf_count_test_now(seg) : SF_CHECKSUM_UNTESTED;
}
/* Its pieces that need no turn: times and packet numbers; the first segments' checksums. */
void sf_count_time(struct sf_flow *flow, struct sf_endpoint *snd, const struct sf_segment *seg);
void sf_count_tested(struct sf_tracker *t, struct sf_flow *flow, const struct sf_segment *seg,
                     enum sf_checksum checksum);
static inline void sf_count_checksum(struct sf_tracker *t, struct sf_flow *flow,
                                     const struct sf_segment *seg)
{
    enum sf_checksum checksum = sf_count_test(seg, flow->ep[seg->dir].checksums_tested);
    if (checksum != SF_CHECKSUM_UNTESTED)
        sf_count_tested(t, flow, seg, checksum);
}
/* One more sending of what was sent before, or a probe: to be forgotten when the peer is heard. */
void sf_count_repeat(struct sf_endpoint *snd);
void sf_sequence_locate(struct sf_turn *turn);  /* sequence.c: offsets, stray or not */
void sf_sequence_segment(struct sf_turn *turn); /* sequence.c: new, again, hole, keep-alive */
/* A segment too far off to be believed: its octets are counted, nothing moves. */
void sf_sequence_stray(struct sf_turn *turn);
void sf_ack_segment(struct sf_turn *turn); /* ack.c: what the ACK says */
/* With the first acknowledged octet the initial window is over (RFC 5681 §3.1). */
static inline void sf_ack_end_initial(struct sf_endpoint *rcv, sf_offset ack)
{
    if (rcv->acks_beyond_syn || ack <= 1)
        return;
    rcv->acks_beyond_syn = true;
    rcv->initial_window = rcv->unique_bytes;
}
void sf_ack_judge_losses(struct sf_tracker *tracker, struct sf_flow *flow, sf_ns now_ns,
                         bool final);
/* window.c: what the segment advertises, scaled where both ends announced a scale. */
uint32_t sf_window_of(const struct sf_turn *turn);
void sf_window_segment(struct sf_turn *turn); /* window.c: what the sender grants */
/* Once scaling is in force only scaled windows count: those in SYNs are not comparable. */
void sf_window_extremes(struct sf_endpoint *snd, uint32_t window, bool is_scaled);
void sf_window_check(struct sf_turn *turn); /* window.c: does it fit what it was granted */
void sf_window_note_beyond(struct sf_turn *turn);
void sf_open_alternative(struct sf_turn *turn); /* open.c: which of two SYN-ACKs counts */
void sf_open_segment(struct sf_turn *turn);     /* open.c: SYNs and the handshake's facts */
void sf_reset_segment(struct sf_turn *turn);    /* reset.c: a RST */
void sf_reset_aftermath(struct sf_turn *turn);  /* reset.c: any other segment after one */
void sf_role_segment(struct sf_turn *turn);     /* role.c */
void sf_role_begin(struct sf_flow *flow, const struct sf_segment *seg);

/* --- steady.c: the segment that only goes on -----------------------------------------------------
 */

/* Works out whether nothing in the flow waits, is missing or is about to change: is_steady. */
void sf_steady_settle(struct sf_flow *flow);
/* On a flow for which that holds: does what the phases would do and returns true, or touches
 * nothing and returns false because the segment needs them. `out` may be NULL. */
bool sf_steady_segment(struct sf_tracker *t, struct sf_flow *flow, const struct sf_segment *seg,
                       struct sf_judgement *out);
/* The same for one that came earlier. */
bool sf_steady_again(struct sf_tracker *t, struct sf_flow *flow, const struct sf_segment *seg);

/* --- departure.c: connections that left the table ------------------------------------------------
 */

void sf_departures_add(struct sf_departures *list, struct sf_flow *flow);
/* NULL when there is none. */
struct sf_flow *sf_departures_take(struct sf_departures *list);
void sf_departures_sort(struct sf_departures *list); /* by id */

/* --- waiting.c: those whose records are fetched later -------------------------------------------
 */

/* The views have let go of the one before. */
void sf_waiting_add(struct sf_tracker *tracker, struct sf_flow *flow);
/* The one that waits longest, NULL when none does. */
struct sf_flow *sf_waiting_take(struct sf_tracker *tracker);
void sf_waiting_dispose(struct sf_tracker *tracker);

/* --- reuse.c: a SYN on a known key -------------------------------------------------------------
 */

enum sf_reuse {
    SF_REUSE_NO,   /* the segment belongs to the connection */
    SF_REUSE_NEW,  /* it opens a new one */
    SF_REUSE_WAIT, /* the answer will tell; keep the segment aside */
    SF_REUSE_DECIDED /* the waiting SYNs open a new one, and this segment belongs to it */,
    SF_REUSE_REOPEN /* this RST ends the old connection, then the waiting SYNs open a new one */,
    SF_REUSE_REFUSE /* the waiting SYNs belong to the old connection after all */,
    SF_REUSE_SETTLE /* the waiting SYNs met silence: first what they were is settled */,
};
enum sf_reuse sf_reuse_judge(const struct sf_flow *flow, const struct sf_segment *seg);
int sf_reuse_keep(struct sf_flow *flow, const struct sf_segment *seg, uint64_t id);
/* What the SYN that waits since just now is in the connection that it may open: its own times and
 * numbers. A SYN-ACK is from the server, for a SYN that was not captured. */
void sf_reuse_tell(const struct sf_pending *pending, const struct sf_segment *seg,
                   struct sf_judgement *out);
/* The SYNs that waited opened nothing: they are stray packets of the connection. */
void sf_reuse_absorb(struct sf_tracker *tracker, struct sf_flow *flow);

/* --- track.c: what others need of it -----------------------------------------------------------
 */

/* The id that the next connection gets, and taking it. */
uint64_t sf_track_peek_id(struct sf_tracker *tracker);
uint64_t sf_track_new_id(struct sf_tracker *tracker);
/* Live: when to look after the flow again. */
void sf_track_wake_later(struct sf_tracker *tracker, struct sf_flow *flow);
/* What a connection is woken for: to go on, or to be taken out of the table at once. */
enum sf_wake { SF_WAKE_TO_STAY, SF_WAKE_TO_LEAVE };
/* A flow as sf_flow_table_add() makes them, or NULL. */
struct sf_flow *sf_flow_add(struct sf_tracker *tracker, const struct sf_flow_key *key,
                            uint64_t hash, enum sf_wake what_for);
/* A connection that begins with the segment. NULL on lack of memory. */
struct sf_flow *sf_flow_open(struct sf_tracker *tracker, const struct sf_segment *seg, uint64_t id,
                             enum sf_wake what_for);
bool sf_track_has_limits(const struct sf_tracker *tracker);

/* --- phases.c: one segment ---------------------------------------------------------------------
 */

/* Runs the segment through the phases; *turn then says what was found. */
void sf_turn_run(struct sf_turn *turn, struct sf_tracker *tracker, struct sf_flow *flow,
                 const struct sf_segment *seg, bool is_replay);
void sf_turn_judgement(const struct sf_turn *turn, struct sf_judgement *out);
/* The same for a segment that came earlier. */
void sf_flow_replay(struct sf_tracker *tracker, struct sf_flow *flow, const struct sf_segment *seg);
/* Keeps count of the connections that are opening; `now`: whether this one is. */
void sf_flow_count_opening(struct sf_tracker *tracker, struct sf_flow *flow, bool now);
/* The list that it belongs on unless it is closed: open once both ends have spoken and the SYN-ACK,
 * if one was seen, is acknowledged. */
static inline enum sf_flow_list sf_flow_list_of(const struct sf_flow *flow)
{
    bool have_spoken = flow->ep[0].packets > 0 && flow->ep[1].packets > 0;
    return have_spoken && !flow->is_opening ? SF_FLOWS_OPEN : SF_FLOWS_EMBRYONIC;
}

/* --- leave.c: time moves on, connections leave -------------------------------------------------
 */

/* Concludes the connection, takes it out of the table and queues its record. */
void sf_leave_finish(struct sf_tracker *tracker, struct sf_flow *flow, enum sf_ended_by ended_by);
/* One of those that leave is asked for: it has left. */
void sf_leave_early(struct sf_tracker *tracker, const struct sf_parcel *parcel);
/* Those that leave and whose records were not fetched leave at once. */
void sf_leave_rest(struct sf_tracker *tracker);
/* A connection whose record is out is not waited for any longer. */
void sf_leave_forget_tomb(struct sf_tracker *tracker, struct sf_flow *flow);
void sf_leave_forget_tombs(struct sf_tracker *tracker);
/* Finishes all, in no order: without memory for that of ids. */
void sf_leave_unsorted(struct sf_tracker *tracker);
/* The record handed out last is done with. */
void sf_leave_release_now(struct sf_tracker *tracker);
static inline void sf_leave_release(struct sf_tracker *tracker)
{
    if (tracker->handed_out != NULL)
        sf_leave_release_now(tracker);
}
/* Moves time on, which may end connections. */
void sf_leave_advance(struct sf_tracker *tracker, sf_ns now);
/* Keeps to --max-memory. */
void sf_leave_evict(struct sf_tracker *tracker);

/* --- rest.c: connections that nothing touches --------------------------------------------------
 */

/* 0, or -1 on lack of memory. Dispose gives back what rests, too. */
int sf_rest_init(struct sf_tracker *tracker);
void sf_rest_dispose(struct sf_tracker *tracker);

/* The connection of that key if it rests, woken; NULL when it does not. */
struct sf_flow *sf_rest_wake_key(struct sf_tracker *tracker, const struct sf_flow_key *key,
                                 uint64_t hash);

/* The connection of that key, woken when it rested; NULL when there is none. */
static inline struct sf_flow *sf_rest_find(struct sf_tracker *tracker,
                                           const struct sf_flow_key *key, uint64_t hash)
{
    struct sf_flow *flow = sf_flow_table_find(tracker->table, key, hash);
    return flow != NULL ? flow : sf_rest_wake_key(tracker, key, hash);
}

/* The same for a segment; but when that was noted for later, which needs `is_noted` to be told,
 * then it says so and there is no connection. */
struct sf_flow *sf_rest_wake_for(struct sf_tracker *tracker, const struct sf_segment *seg,
                                 bool *is_noted);

/* Packs a connection that was touched longest ago, when too many are unpacked. No pointer to a
 * connection of the table may be in use. */
void sf_rest_pack(struct sf_tracker *tracker);

/* Live: packs the flow, of which nothing is due, if it has been silent for long. True: it is no
 * longer in the table. */
bool sf_rest_pack_silent(struct sf_tracker *tracker, struct sf_flow *flow);
/* The same with those of the lists whose order counts, a few at a time. */
void sf_rest_pack_oldest(struct sf_tracker *tracker);

/* The connection of a list that was touched longest ago. */
struct sf_oldest {
    struct sf_flow *flow;    /* or NULL: it rests */
    struct sf_parcel parcel; /* then */
    sf_ns touched_ns;
};
bool sf_rest_oldest(const struct sf_tracker *tracker, enum sf_flow_list list,
                    struct sf_oldest *out);
/* Its flow, woken, to be taken out of the table; NULL on lack of memory, then it is lost. */
struct sf_flow *sf_rest_wake(struct sf_tracker *tracker, const struct sf_oldest *oldest);
/* The same of a parcel. */
struct sf_flow *sf_rest_wake_parcel(struct sf_tracker *tracker, const struct sf_parcel *parcel);

/* Embryonic connections, resting or not. */
size_t sf_rest_embryonic_count(const struct sf_tracker *tracker);
/* Connections that rest and are not closed. */
size_t sf_rest_open_count(const struct sf_tracker *tracker);
size_t sf_rest_count(const struct sf_tracker *tracker); /* of all, resting or not */
/* Octets that connections take, resting or not. */
uint64_t sf_rest_memory(const struct sf_tracker *tracker);

/* Wakes the connections with waiting SYNs; places on the shelf do not change any more. */
void sf_rest_wake_waiting(struct sf_tracker *tracker);

/* --- leaver.c: connections that leave together --------------------------------------------------
 */

typedef bool sf_is_due(const struct sf_tracker *tracker, enum sf_flow_list list, sf_ns touched_ns);

/* Begins with those that rest and for which `is_due` holds, of each row from the oldest on. What
 * there is no memory for is due again later. Until the end, what rests in order stays where it is.
 */
void sf_leavers_begin(struct sf_tracker *tracker, sf_is_due *is_due);
/* Begins with all connections, which end with the input. -1 on lack of memory. */
int sf_leavers_begin_last(struct sf_tracker *tracker);
/* In order of id, woken, each to be taken out of the table; NULL when none is left. */
struct sf_flow *sf_leavers_next(struct sf_tracker *tracker);
uint64_t sf_leavers_next_id(const struct sf_tracker *tracker); /* UINT64_MAX: none is left */
/* Whether it is one of them; taking it out of its turn. */
bool sf_leavers_have(const struct sf_tracker *tracker, const struct sf_parcel *parcel);
struct sf_flow *sf_leavers_pull(struct sf_tracker *tracker, const struct sf_parcel *parcel);
/* All are told. */
void sf_leavers_end(struct sf_tracker *tracker);
void sf_leavers_dispose(struct sf_tracker *tracker);

/* --- record.c ----------------------------------------------------------------------------------
 */

/* Notes what only the end of a story tells. */
void sf_record_conclude(struct sf_tracker *tracker, struct sf_flow *flow);
/* Of *out only what the views need and the id. */
void sf_record_identify(const struct sf_flow *flow, struct sf_record *out);
/* Notes a handshake that should be complete by now, or takes the note back. */
void sf_record_note_overdue(struct sf_tracker *tracker, struct sf_flow *flow);
void sf_record_fill(struct sf_tracker *tracker, struct sf_flow *flow, struct sf_record *out);
/* Of one that is still open: ended_by is NULL, what only the end tells is not concluded. */
void sf_record_fill_open(struct sf_tracker *tracker, struct sf_flow *flow, struct sf_record *out);
void sf_record_verdict(const struct sf_flow *flow, struct sf_record *record);
void sf_record_uid(const struct sf_flow *flow, char out[24]);
void sf_record_community_id(const struct sf_flow_key *key, char out[40]);

#endif
