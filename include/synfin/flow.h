/* What is remembered of one connection: no behaviour. */
#ifndef SYNFIN_FLOW_H
#define SYNFIN_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "synfin/hint.h"
#include "synfin/quantile.h"
#include "synfin/segment.h"

/* A position in one end's sequence space, unwrapped to 64 bits: its SYN is 0, its first octet 1.
 * Where no SYN was captured, 1 is the first octet seen. May be negative for octets before it. */
typedef int64_t sf_offset;
#define SF_OFFSET_NONE INT64_MIN

/* Octets [begin, end) that the tap has not seen though later ones passed, or the peer acknowledged
 * them. */
struct sf_hole {
    sf_offset begin, end;
    sf_ns made_ns;         /* when the segment behind it, or the ACK over it, passed */
    sf_ns acked_ns;        /* when the peer acknowledged it, SF_NS_UNKNOWN: not yet */
    uint64_t packet;       /* that made it, or that acknowledged it first */
    uint32_t ts_val;       /* of the segment that made it, 0: none */
    uint16_t ip_id;        /* the same */
    uint16_t ip_id_before; /* of the packet of this end before that one */
    bool is_judged;        /* reported as capture loss */
    bool is_before;        /* below the first octet seen: it may have passed before the capture */
};

/* A sent and not yet acknowledged piece of sequence space. */
struct sf_sent {
    sf_offset begin, end;
    uint16_t times; /* sent */
    /* of its last sending */
    uint16_t ip_id, checksum;
    uint8_t ttl;
    sf_ns ts_ns;
};

/* A resent piece, remembered so that D-SACK or timestamps may show it was needless. */
struct sf_resent {
    sf_offset begin, end;
    uint64_t packet;
    uint32_t ts_val;
    uint8_t cause; /* enum sf_resend_cause of track */
    bool is_spurious;
};

/* A packet taken for a capture duplicate: what must be counted after all when the receiver reports
 * by D-SACK that it had the octets twice (the network copied it). */
struct sf_copy {
    sf_offset begin, end;
    uint32_t ip_bytes, payload_len;
    uint16_t flags;
    sf_ns ts_ns;
};

/* What an end said in its last packet. */
struct sf_last_packet {
    uint16_t flags, window;
    sf_seq ack;
    uint16_t ip_id;
    bool is_keep_alive, is_probe;
};

/* What an end sent since its peer's last packet. */
struct sf_unheard {
    uint16_t sendings; /* of one thing, repeated or probed */
    uint16_t keep_alives : 15;
    uint16_t is_first : 1; /* its first sending too */
};

/* RFC 6298 §2, from the samples at the tap. */
struct sf_rtt_estimate {
    sf_ns srtt_ns; /* UNKNOWN: no sample yet */
    sf_ns rttvar_ns;
};

enum {
    SF_FINGERPRINTS = 4,
    SF_RESENT_MAX = 16,
    SF_COPIES_MAX = 8,
    SF_HOLES_MAX = 256,
    SF_SENT_MAX = 4096
};

/* One end. "Sent" means seen at the tap. It is laid out in cache lines: a usual segment touches the
 * first two of its receiver, the three from the second on of its sender, and one more when it has
 * octets. In a word of 64 bits what is small or mostly 0 comes last, and what is seldom needed at
 * all stands together: so it takes little room in one that rests (parcel.c of track). */
struct sf_endpoint {
    /* acknowledged by the peer */
    _Alignas(SF_CACHE_LINE) sf_ns late_ns; /* when octets below later ones were sent: late_begin */
    struct sf_rtt_estimate rtt_estimate;
    struct sf_samples rtt;
    struct sf_resent *resent; /* ring of SF_RESENT_MAX, or NULL */
    sf_offset resent_high;    /* end of the furthest piece in the ring */

    /* sequence space */
    _Alignas(SF_CACHE_LINE) sf_seq base; /* sequence number of offset 0 */
    uint8_t state;                       /* enum sf_tcp_state */
    uint8_t shift;                       /* of the window this end advertises */
    uint16_t mss;
    uint8_t dup_acks_in_row; /* for this end's octets */
    bool has_base;           /* base is known or chosen */
    bool has_iss;            /* base is this end's initial sequence number, seen in its SYN */
    bool is_proved;
    bool acked_peer_syn;  /* its ACK covers the peer's SYN */
    bool syn_is_acked;    /* the peer's ACK covers its SYN */
    bool acks_beyond_syn; /* the peer acknowledged octets: the initial window is over */
    bool has_ts_echoed;
    uint16_t sent_count, sent_head, sent_capacity;
    uint16_t hole_count;
    sf_offset snd_nxt;    /* highest SEG.SEQ + SEG.LEN seen */
    sf_offset snd_una;    /* highest acknowledgement by the peer */
    sf_offset right_edge; /* the furthest this end may send by the peer's window; NONE: not known */
    struct sf_sent *sent; /* outstanding segments: a ring of 2^n places, oldest at sent_head */
    uint32_t ts_echoed;   /* newest TSecr sent: the peer's TSval that it holds at least */
    struct sf_unheard unheard;

    /* each packet */
    _Alignas(SF_CACHE_LINE) sf_ns last_ns;
    sf_ns idle_max_ns;
    uint64_t packets, ip_bytes;
    sf_ns ts_recent_ns;
    struct sf_last_packet last;
    bool has_window, is_window_zero;
    bool is_window_scaled; /* min and max are of scaled windows */
    bool saw_timestamps;
    uint8_t print_next, ttl_min, ttl_max, checksums_tested;
    uint32_t window_now; /* windows are in octets, scaled where the scale is known */

    /* its latest packets, to recognise one that is captured twice: see duplicate.c of track */
    uint64_t prints[SF_FINGERPRINTS], sightings[SF_FINGERPRINTS];

    /* packets with octets */
    uint64_t payload_bytes, data_packets, unique_bytes;
    sf_ns last_data_ns;
    uint64_t in_flight_max;
    uint32_t segment_min, window_min;
    uint32_t segment_max, window_max;
    uint32_t pushes, window_full;

    /* What only the opening, the close, a turn of the talk and few segments touch. */
    struct sf_samples response;
    sf_ns first_data_ns;
    uint64_t initial_window; /* octets, once acks_beyond_syn: until then it is unique_bytes */
    uint64_t other_packets;  /* neither counted as data nor bare ACKs */
    sf_offset fin;           /* of its FIN, SF_OFFSET_NONE until seen */
    uint32_t zero_windows;
    bool has_wscale;

    uint32_t syns, rsts;
    uint32_t syn_acks, urgents; /* syn_acks: of the syns */
    uint32_t fins, ecn_ece;
    uint32_t without_ack, ecn_cwr; /* without_ack: packets that acknowledge nothing */
    uint8_t assumed_from;          /* state before an assumption, for taking it back */
    bool acked_peer_fin, fin_acked;
    uint8_t wscale_sent;
    uint16_t syn_options;  /* SF_OPT_ flags of its SYN */
    uint8_t syn_flags_ecn; /* ECE and CWR of its SYN, shifted as in flags */
    bool has_sent;         /* a segment other than a lone RST was seen from this end */
    sf_offset low;         /* first offset seen */
    sf_offset proof; /* its ACK beyond this offset of the peer proves the assumption; or NONE */
    uint32_t ecn_ce;
    uint32_t syn_data; /* octets carried by its SYN */

    /* What few connections need. */
    sf_offset late_begin;   /* octets from here on that were sent before late_ns may have waited */
                            /* for those sent then: their ACK gives no sample */
    sf_offset sack_high;    /* right edge of the highest SACK block the peer sent, or NONE */
    sf_offset suspect;      /* end of a segment too far ahead to be believed at once, or NONE */
    sf_offset probe_end;    /* after an unacknowledged window probe octet, or NONE */
    struct sf_hole *holes;  /* from hole_head on: sorted, disjoint */
    sf_offset judged_below; /* what holes below it tell is known */
    uint64_t holes_lost; /* octets of holes dropped when SF_HOLES_MAX was reached, acknowledged */
    sf_seq fin_ack;      /* the lowest ACK that its FIN carried, in whichever sending */
    bool has_fin_ack;
    uint16_t hole_head, hole_capacity; /* head: place of the first */
    bool saw_mptcp, saw_fast_open;
    uint8_t resent_next, copy_next;
    uint8_t recovery; /* what began the latest recovery from loss: enum sf_resend_cause */
    sf_offset
        recover; /* what had been sent then: it ends when that is acknowledged; RFC 6582 §3.2 */
    sf_ns window_turn_ns; /* when its window became zero, or opened again */
    sf_ns zero_time_ns;
    uint64_t resent_packets, resent_bytes;
    uint32_t resent_by[4]; /* by enum sf_resend_cause but OTHER */
    uint32_t out_of_order, duplicate_acks, sack_packets, dsack_packets;
    uint32_t keep_alives, window_probes, capture_duplicates;
    uint64_t keep_alive_packet; /* the last one */
    struct sf_copy *copies;     /* ring of SF_COPIES_MAX: the last capture duplicates, or NULL */
};

/* Octets of an end: from its begin those that a usual segment touches of its receiver, and those
 * that handshake and close touch as well; from `base` those that it touches of its sender. */
enum {
    SF_ENDPOINT_RECEIVER = offsetof(struct sf_endpoint, last_ns),
    SF_ENDPOINT_CHANGE = offsetof(struct sf_endpoint, late_begin),
    SF_ENDPOINT_SENDER =
        offsetof(struct sf_endpoint, payload_bytes) - offsetof(struct sf_endpoint, base),
};
_Static_assert(offsetof(struct sf_endpoint, base) == SF_CACHE_LINE &&
                   offsetof(struct sf_endpoint, last_ns) == 2 * SF_CACHE_LINE &&
                   offsetof(struct sf_endpoint, prints) == 3 * SF_CACHE_LINE &&
                   offsetof(struct sf_endpoint, payload_bytes) == 4 * SF_CACHE_LINE &&
                   offsetof(struct sf_endpoint, response) == 5 * SF_CACHE_LINE &&
                   offsetof(struct sf_endpoint, syns) == 6 * SF_CACHE_LINE,
               "each group is a cache line");

/* An end of a story that is not yet told: anomalies as they are counted. */
struct sf_noted {
    uint64_t first_packet, last_packet, count;
    uint64_t value; /* octets, milliseconds ...: what the detail sentence says, by name */
    uint8_t name;   /* enum sf_anomaly */
    int8_t end;     /* enum sf_dir, -1 neither */
    uint8_t severity;
    uint8_t kind;        /* by name: the kind or stage of the detail */
    uint8_t address[16]; /* of an ICMP error: its sender */
};

struct sf_change {
    uint64_t packet;
    sf_ns ts_ns;
    uint8_t dir, from, to, cause;
    bool proved;
};

/* The RST that took effect. */
struct sf_reset {
    uint64_t packet; /* 0: none */
    sf_ns ts_ns;
    uint8_t by;                     /* enum sf_dir */
    uint8_t kind, validity, effect; /* enums of track */
    uint8_t state_before[SF_DIR_COUNT];
    bool proved_before[SF_DIR_COUNT];
    uint64_t outstanding[SF_DIR_COUNT]; /* octets that each end had unacknowledged */
    sf_offset snd_nxt; /* of its sender: an ACK beyond proves that the receiver went on */
    sf_ns rtt_ns;      /* of its sender's octets, before it */
};

enum sf_role_basis { SF_ROLE_BY_FIRST_PACKET, SF_ROLE_BY_PORT, SF_ROLE_BY_SYN_ACK, SF_ROLE_BY_SYN };

/* SYNs on a live connection, waiting for the answer that tells whether they open a new one. */
struct sf_pending {
    struct sf_segment *segments;
    uint64_t id; /* reserved for the connection that they may open */
    uint8_t count;
    uint8_t dir;
};

/* What every segment touches comes first, here and in the ends. */
struct sf_flow {
    struct sf_flow_key key;
    sf_seq alternative_iss; /* of a second SYN-ACK, until the peer acknowledges one */
    uint8_t client;         /* enum sf_dir: which end of the key is the client */
    uint8_t last_dir;       /* who sent the last packet */
    int8_t last_data_dir;   /* -1: none */
    bool is_steady;         /* nothing waits or is missing: see steady.c of track */
    bool is_scaled;         /* while steady: both ends scale their windows */
    bool is_scale_known;    /* while steady: whether they do is known */
    uint64_t hash;
    uint64_t id;
    sf_ns first_ns, last_ns;
    uint64_t first_packet, last_packet;
    sf_ns last_data_ns;
    void *view;
    struct sf_endpoint ep[SF_DIR_COUNT];

    /* opening */
    sf_ns syn_ns, syn_ack_ns, ack_ns;
    sf_ns fin_ns;      /* of the latest first FIN of an end */
    uint8_t first_fin; /* enum sf_dir, 0xff: none */
    bool is_closed;
    uint8_t role_basis; /* enum sf_role_basis */
    bool has_syn_ack, has_alternative;
    bool role_needs_data; /* the first sender of data decides */
    bool is_midstream, is_simultaneous, is_split, is_fast_open, is_refused;
    bool fins_crossed;
    bool is_opening;  /* an end is in SYN-SENT or SYN-RECEIVED */
    bool is_queued;   /* its record waits to be fetched */
    bool is_tomb;     /* its record is out, or waits: what still comes is only counted */
    uint8_t ended_by; /* enum of track, when it left the table */

    struct sf_change *changes;
    struct sf_noted *notes;
    uint16_t change_count, change_capacity, note_count, note_capacity;

    sf_ns touched_ns; /* the tracker's clock when it was put on its list: lists are in its order */
    struct sf_flow *older, *newer; /* list of the table, by last packet */

    /* What few connections need, as in the ends; what is asked of each segment that is not steady
     * comes first, in the line of the above. */
    struct sf_pending *pending;
    uint64_t challenge_packet; /* a RST in the window, not exact, waits for a challenge ACK; 0:
                                * none, or it is judged */
    struct sf_reset reset;
    sf_ns challenge_ns; /* of that RST, or UNKNOWN */
    uint8_t challenge_by;
    uint8_t alternative_dir; /* enum sf_dir: who sent that SYN-ACK */
    uint8_t vlan_count, tunnel_count;
    uint16_t vlan[SF_VLAN_MAX];
    uint8_t tunnel_kind[SF_TUNNEL_MAX];
    bool met_time_wait; /* its SYN came while the other end was in TIME-WAIT */
    uint32_t tunnel_id[SF_TUNNEL_MAX];
    uint64_t view_next_packet;
    const uint8_t *icmp_sender; /* while an ICMP error is being noted */
    uint64_t dropped;           /* packets the capture lost while it was open, as known at last */
    uint64_t told_packet;       /* last_packet of its latest interim record */
    struct sf_flow *next_queued;
};

#endif
