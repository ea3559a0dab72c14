/* The finished connection as plain values: what every report, view and test reads. */
#ifndef SYNFIN_RECORD_H
#define SYNFIN_RECORD_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "synfin/anomaly.h"
#include "synfin/quantile.h"
#include "synfin/segment.h"
#include "synfin/tcp.h"
#include "synfin/time.h"

/* "Not known", printed as null: UINT64_MAX for counts, NAN for reals, NULL for names,
 * SF_NS_UNKNOWN for times and spans, SF_TRI_UNKNOWN for claims. */
#define SF_COUNT_UNKNOWN UINT64_MAX
enum sf_tri { SF_TRI_FALSE = 0, SF_TRI_TRUE = 1, SF_TRI_UNKNOWN = -1 };

/* The two ends by role; indexes sf_record.end. */
enum sf_role { SF_CLIENT, SF_SERVER, SF_ROLE_COUNT, SF_ROLE_NONE = -1 };

/* "client" "server"; NULL for NONE. */
const char *sf_role_name(enum sf_role role);

/* Why an end's state changed. */
#define SF_CAUSES(X)                                                                               \
    X(SENT_SYN, "sent SYN")                                                                        \
    X(SENT_SYN_ACK, "sent SYN-ACK")                                                                \
    X(SENT_FIN, "sent FIN")                                                                        \
    X(SENT_RST, "sent RST")                                                                        \
    X(SENT_SEGMENT, "sent a segment")                                                              \
    X(ACKED_SYN, "acknowledged the peer's SYN")                                                    \
    X(ACKED_FIN, "acknowledged the peer's FIN")                                                    \
    X(SYN_ACKED, "its SYN was acknowledged")                                                       \
    X(FIN_ACKED, "its FIN was acknowledged")                                                       \
    X(GOT_RST, "was sent a RST")                                                                   \
    X(PROVED, "proved by what it sent")                                                            \
    X(RETRACTED, "retracted")

enum sf_cause {
#define X(id, name) SF_CAUSE_##id,
    SF_CAUSES(X)
#undef X
        SF_CAUSE_COUNT
};
const char *sf_cause_name(enum sf_cause cause);

/* How it opened: the first that fits. */
#define SF_OPENINGS(X)                                                                             \
    X(ONE_SIDED, "one_sided")                                                                      \
    X(SIMULTANEOUS, "simultaneous")                                                                \
    X(SPLIT, "split")                                                                              \
    X(FAST_OPEN, "fast_open")                                                                      \
    X(HANDSHAKE, "handshake")                                                                      \
    X(REFUSED, "refused")                                                                          \
    X(SYN_ACK_ONLY, "syn_ack_only")                                                                \
    X(INCOMPLETE, "incomplete")                                                                    \
    X(UNANSWERED, "unanswered")                                                                    \
    X(MIDSTREAM, "midstream")

enum sf_opening {
#define X(id, name) SF_OPENING_##id,
    SF_OPENINGS(X)
#undef X
        SF_OPENING_COUNT
};
const char *sf_opening_name(enum sf_opening opening);

#define SF_CLOSINGS(X)                                                                             \
    X(FIN, "fin")                                                                                  \
    X(SIMULTANEOUS, "simultaneous")                                                                \
    X(FIN_UNACKED, "fin_unacked")                                                                  \
    X(HALF_CLOSED, "half_closed")                                                                  \
    X(RESET, "reset")                                                                              \
    X(NONE, "none")

enum sf_closing {
#define X(id, name) SF_CLOSING_##id,
    SF_CLOSINGS(X)
#undef X
        SF_CLOSING_COUNT
};
const char *sf_closing_name(enum sf_closing closing);

struct sf_timeline_entry {
    uint64_t packet;
    sf_ns t_ns; /* since the connection's start */
    enum sf_role end;
    enum sf_tcp_state from, to; /* from is SF_STATE_NONE in an end's first entry */
    bool proved;
    enum sf_cause cause;
};

enum { SF_DETAIL_TEXT = 160, SF_VERDICT_TEXT = 512 };

struct sf_anomaly_entry {
    enum sf_anomaly name;
    enum sf_role end; /* whose doing it is, SF_ROLE_NONE when it belongs to neither */
    enum sf_severity severity;
    uint64_t count;
    uint64_t first_packet, last_packet;
    char detail[SF_DETAIL_TEXT]; /* a sentence; begins with "kind=x: " or "stage=x: " where there is
                                    one */
};

struct sf_record_end {
    char ip[48]; /* RFC 5952 for IPv6 */
    uint64_t port;
    const char *state; /* NULL: sent nothing and nothing is proved of it */
    enum sf_tri state_proved;
    uint64_t isn;
    uint64_t mss, window_scale; /* as announced in its SYN */
    enum sf_tri sack_permitted, timestamps;
    enum sf_tri ecn_negotiated;
    uint64_t ecn_ce, ecn_ece, ecn_cwr; /* packets sent with CE, ECE, CWR */
    enum sf_tri mptcp, fast_open_cookie;
    uint64_t ttl_min, ttl_max;
    uint64_t packets, ip_bytes, payload_bytes, data_packets, acks, pure_acks;
    uint64_t syns, fins, rsts, pushes, urgents;
    uint64_t unique_bytes, stream_bytes, missing_bytes;
    uint64_t retransmitted_packets, retransmitted_bytes;
    uint64_t retransmissions_timeout, retransmissions_fast, retransmissions_tail_probe;
    uint64_t retransmissions_spurious;
    uint64_t out_of_order_packets, duplicate_acks, sack_packets, dsack_packets;
    uint64_t keep_alives, zero_window_probes, zero_windows;
    sf_ns zero_window_time_ns;
    uint64_t window_full;
    uint64_t window_min, window_max, window_last; /* octets, scaled */
    uint64_t in_flight_max, initial_window_bytes;
    uint64_t segment_min, segment_max;
    double segment_avg;
    struct sf_times rtt;
    double throughput; /* unique octets a second */
    struct sf_times response_time;
    sf_ns idle_max_ns;
    uint64_t capture_duplicates;
};

/* What other tools make of the connection. */
struct sf_record_views {
    const char *zeek_conn_state; /* NULL: the zeek object is null as a whole */
    char zeek_history[64];
    uint64_t zeek_orig_bytes, zeek_resp_bytes, zeek_missed_bytes; /* unknown where Zeek prints - */
    const char *zeek_originator;                                  /* "client" "server" */
    uint64_t zeek_records;
    uint64_t wireshark_completeness; /* unknown: no view ran */
};

struct sf_record {
    uint64_t id;
    char uid[24];
    char community_id[40];
    sf_ns start_ns, end_ns, duration_ns;
    uint64_t first_packet, last_packet;
    const char *role_basis; /* "syn" "syn_ack" "port" "first_packet" */
    uint8_t vlan_count, tunnel_count;
    uint16_t vlan[SF_VLAN_MAX];
    struct {
        const char *type;
        uint64_t id;
    } tunnel[SF_TUNNEL_MAX];

    const char *open_how;
    sf_ns open_syn_ack_delay_ns, open_ack_delay_ns, open_rtt_ns;
    const char *close_how;
    const char *close_first; /* "client" "server" NULL */
    const char *reset_by;    /* NULL: close.reset is null as a whole */
    uint64_t reset_packet;
    const char *reset_kind, *reset_validity, *reset_effect;
    const char *ended_by;    /* "closed" "reused" "idle" "evicted" "capture_end"; NULL: interim */
    uint64_t dropped_during; /* packets the capture lost meanwhile */
    enum sf_severity severity;
    char verdict[SF_VERDICT_TEXT];

    struct sf_record_end end[SF_ROLE_COUNT];

    /* Owned by the tracker, valid during the sink call. */
    const struct sf_timeline_entry *timeline;
    size_t timeline_count;
    const struct sf_anomaly_entry *anomalies;
    size_t anomaly_count;

    struct sf_record_views views;

    /* Not fields: what the names of open_how and close_how stand for. */
    enum sf_opening opening;
    enum sf_closing closing;

    /* Not fields: what the views need to fill theirs. */
    struct sf_flow_key key;
    enum sf_dir client;        /* which end of the key is the client */
    void *view;                /* content of the slot, may be NULL */
    uint64_t view_next_packet; /* first packet of the next incarnation in the same slot, 0: none */
};

/* How it ended, or, when it never was open, what became of the attempt; "open" when it did not end.
 */
const char *sf_record_outcome(const struct sf_record *record);

/* Octets of the record with both its lists behind it, in one piece. */
size_t sf_record_packed(const struct sf_record *record);

/* Writes that piece to `out`, aligned as by malloc. */
void sf_record_pack(const struct sf_record *record, void *out);

/* The record in such a piece, or in a copy of its octets: its lists are those in the same piece. */
struct sf_record *sf_record_unpack(void *piece);

#endif
