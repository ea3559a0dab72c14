/* The tracker: segments in, events and finished connections out.
 *
 * Rules of inference:
 * 1. A segment is evidence about its sender. Per segment, in this order: what the sender has
 *    provably received (the peer's SYN or FIN lies below its ACK); what it sends (RST, SYN, FIN);
 *    what its peer may now be assumed to have received (an ACK of SYN, an ACK of FIN, a RST), since
 *    nothing acknowledges those. Within a segment RFC 9293 §3.10.7.4's order holds.
 * 2. A state reached by assumption is marked so, and taken back when the peer sends again what the
 *    assumption said had arrived.
 * 3. Without a SYN an end starts in ESTABLISHED, assumed; no initial sequence number is invented.
 * 4. A connection ends by closing and lingering, by a new SYN on its addresses and ports, by a
 * bound that the user set, or with the input; never because it was idle.
 * 5. The tap may lose packets. "Unknown" is a value. */
#ifndef SYNFIN_TRACK_H
#define SYNFIN_TRACK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "synfin/decode.h"
#include "synfin/pack.h"
#include "synfin/record.h"
#include "synfin/segment.h"

enum sf_event_kind { SF_EVENT_STATE, SF_EVENT_ANOMALY };

struct sf_event {
    uint64_t packet; /* at which it became known: events come in packet order */
    sf_ns time_ns;   /* of that packet */
    sf_ns t_ns;      /* the same since the connection's start */
    uint64_t conn;   /* id of the connection */
    struct sf_flow_key key;
    enum sf_dir client; /* which end of the key is the client, by the roles known then */
    enum sf_role end;   /* by the roles known at that packet; NONE when it belongs to neither */
    enum sf_event_kind kind;
    /* SF_EVENT_STATE */
    enum sf_tcp_state from, to;
    bool proved;
    enum sf_cause cause;
    /* SF_EVENT_ANOMALY */
    enum sf_anomaly anomaly;
    enum sf_severity severity;
    char detail[SF_DETAIL_TEXT];
};

/* Labels of a segment, synfin's own judgement and, from the wireshark view, tshark's. */
#define SF_LABELS(X)                                                                               \
    X(RETRANSMISSION, "retransmission")                                                            \
    X(FAST_RETRANSMISSION, "fast_retransmission")                                                  \
    X(SPURIOUS_RETRANSMISSION, "spurious_retransmission")                                          \
    X(OUT_OF_ORDER, "out_of_order")                                                                \
    X(DUPLICATE_ACK, "duplicate_ack")                                                              \
    X(LOST_SEGMENT, "lost_segment")                                                                \
    X(ACK_LOST_SEGMENT, "ack_lost_segment")                                                        \
    X(ZERO_WINDOW, "zero_window")                                                                  \
    X(ZERO_WINDOW_PROBE, "zero_window_probe")                                                      \
    X(ZERO_WINDOW_PROBE_ACK, "zero_window_probe_ack")                                              \
    X(WINDOW_UPDATE, "window_update")                                                              \
    X(WINDOW_FULL, "window_full")                                                                  \
    X(KEEP_ALIVE, "keep_alive")                                                                    \
    X(KEEP_ALIVE_ACK, "keep_alive_ack")                                                            \
    X(REUSED_PORTS, "reused_ports")                                                                \
    X(CAPTURE_DUPLICATE, "capture_duplicate")                                                      \
    X(TAP_REORDER, "tap_reorder")

enum sf_label {
#define X(id, name) SF_LABEL_##id,
    SF_LABELS(X)
#undef X
        SF_LABEL_COUNT
};
const char *sf_label_name(enum sf_label label);

/* What was found of one segment; filled by sf_tracker_segment(). */
struct sf_judgement {
    uint64_t conn;      /* id of the connection it was given to */
    enum sf_role from;  /* its sender's role, as known at this packet */
    int64_t seq, ack;   /* relative: the SYN is 0, the first octet 1; ack is 0 without ACK bit */
    uint64_t window;    /* octets, scaled where the scale is known */
    uint32_t labels;    /* bits 1 << SF_LABEL_x, synfin's own */
    uint32_t wireshark; /* the same, tshark's; left 0 here, see view.h */
    sf_ns rtt_ns;       /* sample that this segment's ACK gives, or SF_NS_UNKNOWN */
    uint64_t in_flight; /* octets its sender has outstanding after it */
    sf_ns t_ns;         /* since the connection's start */
};

struct sf_flow;

/* What the owner of the slots does for the tracker, which packs connections that nothing touches.
 * Young ones are kept as their segments only, and a slot comes into being when these are shown
 * later. */
struct sf_slot_keeper {
    void *self;
    /* Whether that SYN, which would begin a slot, may be shown later. */
    bool (*may_wait)(const void *self, const struct sf_segment *seg);
    /* Whether what follows such a SYN may be shown later, too. */
    bool (*may_follow)(const void *self);
    void (*show)(void *self, const struct sf_segment *seg, void **slot);
    /* Packs the slot of a flow, and gives its memory back. False, and nothing is changed, when it
     * has to stay. */
    bool (*pack)(void *self, const struct sf_flow *flow, struct sf_packer *packer);
    /* The slot again, or NULL on lack of memory; the flow is as it was but for its slot. */
    void *(*unpack)(void *self, const struct sf_flow *flow, struct sf_unpacker *unpacker);
};

struct sf_track_options {
    sf_ns linger_ns;       /* a closed connection absorbs late segments for so long */
    sf_ns report_after_ns; /* live: its record comes so long after its close already, and from then
                            * until linger_ns its segments are counted in late_segments only; 0: its
                            * record comes after linger_ns, and they are part of it */
    sf_ns idle_timeout_ns; /* 0: none */
    uint64_t max_memory;   /* octets, 0: none */
    bool want_events;
    /* A connection's id is the number of its first packet: several trackers share the input, and
     * who knows them all gives the ids. */
    bool ids_by_packet;
    /* Several trackers count their connections together: the last id that was given; NULL: each for
     * itself. */
    _Atomic uint64_t *ids_given;
    /* For sf_tracker_update(), 0: never. */
    sf_ns update_interval_ns; /* between two records of an open connection */
    sf_ns handshake_due_ns;   /* what has not opened so long after its first packet is noted */
    const struct sf_slot_keeper *slots; /* NULL: no connection is packed, and no SYN waits */
    size_t unpacked_max; /* connections; 0: as is best. Otherwise all that can rest do at once */
    unsigned shares;     /* trackers that divide them; 0: this one has all */
};

/* Totals for the `end` line, since the start; and what the table holds now. */
struct sf_track_totals {
    uint64_t opened;             /* connections begun */
    uint64_t connections;        /* records handed out */
    uint64_t capture_duplicates; /* packets */
    uint64_t evicted;
    uint64_t late_segments; /* of connections whose record was out: in no record */
    uint64_t open;          /* now: not closed */
    uint64_t opening;       /* of them: the handshake is not complete */
};

struct sf_tracker;

/* NULL on lack of memory. Owns every connection until it is handed out as a record. */
struct sf_tracker *sf_tracker_new(const struct sf_track_options *options);
void sf_tracker_free(struct sf_tracker *tracker);

/* Hints that the segment's connection will be needed soon: in this order, with other work between
 * them, since each step reads what the one before has asked for. The second one tells which
 * connection the third is for, which is only a guess, or NULL. */
void sf_tracker_prefetch_place(const struct sf_tracker *tracker, const struct sf_segment *seg);
const struct sf_flow *sf_tracker_prefetch_flow(const struct sf_tracker *tracker,
                                               const struct sf_segment *seg);
void sf_tracker_prefetch_parts(const struct sf_tracker *tracker, const struct sf_flow *flow,
                               const struct sf_segment *seg);

/* Whether connections are so few that they stay in the cache: then hints only cost time. */
bool sf_tracker_is_small(const struct sf_tracker *tracker);

/* Gives one segment to its connection, opening one where there is none. Time moves on to the
 * segment's, which may first end lingering connections: fetch records and events after each call.
 * On return *out, when not NULL, says what was found. Returns where the slot of the views (view.h)
 * for these addresses and ports is, which starts as NULL; or NULL when they are not to be shown the
 * segment: they have told the connection, will be shown it later, or there was no memory. */
void **sf_tracker_segment(struct sf_tracker *tracker, const struct sf_segment *seg,
                          struct sf_judgement *out);

/* Whether an id was given out at packet number `packet`, the latest one: with ids_by_packet, that.
 */
bool sf_tracker_has_begun(const struct sf_tracker *tracker, uint64_t packet);

/* Whether there is a connection that the segment could belong to. */
bool sf_tracker_knows(struct sf_tracker *tracker, const struct sf_segment *seg);

/* An ICMP error that quotes a segment: noted in its connection, if there is one. */
void sf_tracker_icmp(struct sf_tracker *tracker, const struct sf_icmp_quote *quote);

/* A segment or quote that another tracker takes: time moves on as with one of its own. */
void sf_tracker_pass(struct sf_tracker *tracker, uint64_t packet, sf_ns ts_ns);

/* Whether time that moves on to then would end connections. While it would not, and no other
 * function but sf_tracker_segment() and sf_tracker_icmp() is called, it is enough to pass the
 * latest of the packets that came before the next own one. */
bool sf_tracker_is_due(const struct sf_tracker *tracker, sf_ns ts_ns);

/* Moves time on without a packet (live: idle interface). More than a minute back, it is taken for a
 * clock that was set, and what was due by the old clock is due now. */
void sf_tracker_tick(struct sf_tracker *tracker, sf_ns now_ns);

/* The capture lost so many packets between the two times (0: it says that it lost none): told to
 * the records of connections that were open then, and what they lack is the capture's loss. */
void sf_tracker_dropped(struct sf_tracker *tracker, sf_ns begin_ns, sf_ns end_ns, uint64_t packets);

/* Looks after connections that time alone has changed: notes handshakes that are overdue, and gives
 * the next open connection that is due for an interim record and had a packet since the last, whose
 * ended_by is NULL and which lacks what only the end tells. False when there is none (for the next
 * second). Fetch events after each call; the record's lists stay valid until the next call of any
 * function of the tracker. */
bool sf_tracker_update(struct sf_tracker *tracker, struct sf_record *out);

/* The input is over: every connection that is left becomes a record. */
void sf_tracker_finish(struct sf_tracker *tracker);

/* Takes the next event / finished connection; false when there is none. Connections that one call
 * ended come in order of id. The event's connection may
 * be among the records waiting: fetch events first. A record's lists stay valid until the next call
 * of any function of the tracker. */
bool sf_tracker_event(struct sf_tracker *tracker, struct sf_event *out);
bool sf_tracker_record(struct sf_tracker *tracker, struct sf_record *out);

/* Takes the next connection that the last call ended, its record to be fetched later; false when
 * there is none. Fills of *out what the views need, see record.h, and the id. */
bool sf_tracker_departed(struct sf_tracker *tracker, struct sf_record *out);

/* Whether there is an event to be fetched, or a finished connection that was not yet taken by
 * sf_tracker_record() or sf_tracker_departed(): after nearly every call there is nothing. */
bool sf_tracker_has_news(const struct sf_tracker *tracker);

struct sf_track_totals sf_tracker_totals(const struct sf_tracker *tracker);

/* Adds those of another tracker, which saw other connections. */
void sf_track_totals_add(struct sf_track_totals *sum, const struct sf_track_totals *totals);

#endif
