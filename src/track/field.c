/* The table of a connection's fields. The fields of an end are listed once and stand twice: for the
 * client and for the server. */
#include "synfin/field.h"

#include <string.h>

#define FIELD(path_, type_, member, nullable, unit_, values_, text_)                               \
    {                                                                                              \
        .path = path_, .type = SF_FIELD_##type_, .offset = offsetof(struct sf_record, member),     \
        .size = sizeof((const struct sf_record *)0)->member, .is_nullable = nullable,              \
        .unit = unit_, .values = values_, .text = text_                                            \
    }
#define COUNT(path, member, unit, text)          FIELD(path, COUNT, member, false, unit, NULL, text)
#define COUNT_OR_NULL(path, member, unit, text)  FIELD(path, COUNT, member, true, unit, NULL, text)
#define SPAN(path, member, text)                 FIELD(path, DURATION, member, true, "s", NULL, text)
#define CLAIM(path, member, text)                FIELD(path, CLAIM, member, true, "", NULL, text)
#define NAME(path, member, values, text)         FIELD(path, NAME, member, false, "", values, text)
#define NAME_OR_NULL(path, member, values, text) FIELD(path, NAME, member, true, "", values, text)

#define WORD(id, name) " " name

#define STATES                                                                                     \
    "CLOSED SYN-SENT SYN-RECEIVED ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT CLOSING LAST-ACK "  \
    "TIME-WAIT"

/* clang-format off */
#define END_FIELDS(p, e)                                                                           \
    FIELD(p ".ip", TEXT, e.ip, false, "", NULL, "address"),                                        \
    COUNT(p ".port", e.port, "", "port"),                                                          \
    NAME_OR_NULL(p ".state", e.state, STATES,                                                      \
        "RFC 9293 state after the end's last event; null: it sent nothing, nothing is proved"),    \
    CLAIM(p ".state_proved", e.state_proved, "what is on the wire proves the state; else assumed"),\
    COUNT_OR_NULL(p ".isn", e.isn, "", "initial sequence number; null without a SYN"),             \
    COUNT_OR_NULL(p ".mss", e.mss, "octets", "maximum segment size its SYN announced"),            \
    COUNT_OR_NULL(p ".window_scale", e.window_scale, "bits", "window shift its SYN announced"),    \
    CLAIM(p ".sack_permitted", e.sack_permitted, "its SYN permitted selective acknowledgements"),  \
    CLAIM(p ".timestamps", e.timestamps, "its SYN carried the timestamps option"),                 \
    CLAIM(p ".ecn.negotiated", e.ecn_negotiated, "the SYNs agreed on congestion notification"),    \
    COUNT(p ".ecn.ce", e.ecn_ce, "packets", "its packets that came marked: congestion met"),       \
    COUNT(p ".ecn.ece", e.ecn_ece, "packets", "its packets that echo a mark (ECE)"),               \
    COUNT(p ".ecn.cwr", e.ecn_cwr, "packets", "its packets that say: window reduced (CWR)"),       \
    CLAIM(p ".mptcp", e.mptcp, "its SYN carried the Multipath TCP option"),                        \
    CLAIM(p ".fast_open_cookie", e.fast_open_cookie, "its SYN carried a fast open cookie"),        \
    COUNT_OR_NULL(p ".ttl.min", e.ttl_min, "hops", "smallest TTL or hop limit of its packets"),    \
    COUNT_OR_NULL(p ".ttl.max", e.ttl_max, "hops", "largest TTL or hop limit of its packets"),     \
    COUNT(p ".packets", e.packets, "packets", "packets it sent"),                                  \
    COUNT(p ".ip_bytes", e.ip_bytes, "octets", "octets of its IP packets, headers included"),      \
    COUNT(p ".payload_bytes", e.payload_bytes, "octets", "octets of data sent, repeats counted"),  \
    COUNT(p ".data_packets", e.data_packets, "packets", "packets with data, repeats counted"),     \
    COUNT(p ".acks", e.acks, "packets", "packets with the ACK bit"),                               \
    COUNT(p ".pure_acks", e.pure_acks, "packets", "packets that only acknowledge"),                \
    COUNT(p ".syns", e.syns, "packets", "packets with the SYN bit"),                               \
    COUNT(p ".fins", e.fins, "packets", "packets with the FIN bit"),                               \
    COUNT(p ".rsts", e.rsts, "packets", "packets with the RST bit"),                               \
    COUNT(p ".pushes", e.pushes, "packets", "packets with the PSH bit"),                           \
    COUNT(p ".urgents", e.urgents, "packets", "packets with the URG bit"),                         \
    COUNT(p ".unique_bytes", e.unique_bytes, "octets", "distinct octets of its stream captured"),  \
    COUNT_OR_NULL(p ".stream_bytes", e.stream_bytes, "octets",                                     \
        "sequence space its data used, by the highest number seen; SYN and FIN not counted"),      \
    COUNT_OR_NULL(p ".missing_bytes", e.missing_bytes, "octets",                                   \
        "octets the peer acknowledged that were never captured"),                                  \
    COUNT(p ".retransmitted_packets", e.retransmitted_packets, "packets",                          \
        "packets sent again: data, SYN, SYN-ACK or FIN"),                                          \
    COUNT(p ".retransmitted_bytes", e.retransmitted_bytes, "octets", "octets of data sent again"), \
    COUNT(p ".retransmissions.timeout", e.retransmissions_timeout, "packets",                      \
        "sent again after a retransmission timeout or silence"),                                   \
    COUNT(p ".retransmissions.fast", e.retransmissions_fast, "packets",                            \
        "sent again on duplicate or selective acknowledgements"),                                  \
    COUNT(p ".retransmissions.tail_loss_probe", e.retransmissions_tail_probe, "packets",           \
        "the last segment again before the timeout, to provoke an answer (RFC 8985)"),             \
    COUNT(p ".retransmissions.spurious", e.retransmissions_spurious, "packets",                    \
        "sent again though the original had arrived"),                                             \
    COUNT(p ".out_of_order_packets", e.out_of_order_packets, "packets",                            \
        "packets that came after a later one, first time sent"),                                   \
    COUNT(p ".duplicate_acks", e.duplicate_acks, "packets",                                        \
        "acknowledgements it repeated while octets were outstanding"),                             \
    COUNT(p ".sack_packets", e.sack_packets, "packets", "packets with SACK blocks"),               \
    COUNT(p ".dsack_packets", e.dsack_packets, "packets", "packets that report a double (D-SACK)"),\
    COUNT(p ".keep_alives", e.keep_alives, "packets", "keep-alive probes it sent"),                \
    COUNT(p ".zero_window_probes", e.zero_window_probes, "packets",                                \
        "probes it sent into the peer's closed window"),                                           \
    COUNT(p ".zero_windows", e.zero_windows, "packets", "packets that advertised no room"),        \
    SPAN(p ".zero_window_time", e.zero_window_time_ns,                                             \
        "time without room: from the first zero to the first non-zero window, summed"),            \
    COUNT(p ".window_full", e.window_full, "packets", "its packets that filled the peer's window"),\
    COUNT_OR_NULL(p ".window.min", e.window_min, "octets", "smallest window advertised, scaled"),  \
    COUNT_OR_NULL(p ".window.max", e.window_max, "octets", "largest window advertised, scaled"),   \
    COUNT_OR_NULL(p ".window.last", e.window_last, "octets", "last window advertised, scaled"),    \
    COUNT_OR_NULL(p ".in_flight_max", e.in_flight_max, "octets", "most octets outstanding at once"),\
    COUNT_OR_NULL(p ".initial_window_bytes", e.initial_window_bytes, "octets",                     \
        "octets sent before the first acknowledgement of data"),                                   \
    COUNT_OR_NULL(p ".segment.min", e.segment_min, "octets", "smallest segment with data"),        \
    COUNT_OR_NULL(p ".segment.max", e.segment_max, "octets", "largest segment with data"),         \
    FIELD(p ".segment.avg", REAL, e.segment_avg, true, "octets", NULL, "mean segment with data"),  \
    COUNT(p ".rtt.samples", e.rtt.samples, "",                                                     \
        "round trips measured: its octets until acknowledged, at the tap, none sent again"),       \
    SPAN(p ".rtt.min", e.rtt.min_ns, "shortest round trip"),                                       \
    SPAN(p ".rtt.avg", e.rtt.avg_ns, "mean round trip"),                                           \
    SPAN(p ".rtt.max", e.rtt.max_ns, "longest round trip"),                                        \
    SPAN(p ".rtt.stdev", e.rtt.stdev_ns, "standard deviation of round trips"),                     \
    SPAN(p ".rtt.p50", e.rtt.p50_ns, "median round trip"),                                         \
    SPAN(p ".rtt.p95", e.rtt.p95_ns, "round trip that 95 of 100 do not exceed"),                   \
    FIELD(p ".throughput", REAL, e.throughput, true, "octets/s", NULL,                             \
        "distinct octets a second between its first and last data"),                               \
    COUNT(p ".response_time.samples", e.response_time.samples, "",                                 \
        "requests answered: last octet of the peer's turn to the first of its own"),               \
    SPAN(p ".response_time.min", e.response_time.min_ns, "shortest response time"),                \
    SPAN(p ".response_time.avg", e.response_time.avg_ns, "mean response time"),                    \
    SPAN(p ".response_time.max", e.response_time.max_ns, "longest response time"),                 \
    SPAN(p ".idle_max", e.idle_max_ns, "longest time between two of its packets"),                 \
    COUNT(p ".capture_duplicates", e.capture_duplicates, "packets",                                \
        "its packets captured more than once; counted nowhere else")

static const struct sf_field fields[] = {
    COUNT("id", id, "", "1, 2, 3 ... by first packet"),
    FIELD("uid", TEXT, uid, false, "", NULL, "the same in every run, from addresses, ISN and start"),
    FIELD("community_id", TEXT, community_id, false, "", NULL, "Community ID v1, seed 0"),
    FIELD("start", TIME, start_ns, false, "", NULL, "time of the first packet"),
    FIELD("end", TIME, end_ns, false, "", NULL, "time of the last packet"),
    FIELD("duration", DURATION, duration_ns, false, "s", NULL, "end less start"),
    COUNT("first_packet", first_packet, "", "number of its first packet in the input"),
    COUNT("last_packet", last_packet, "", "number of its last packet in the input"),
    NAME("role_basis", role_basis, "syn syn_ack port first_packet", "why the client is the client"),
    FIELD("vlan", VLANS, vlan, false, "", NULL, "VLAN ids of the first packet, outer first"),
    FIELD("tunnel", TUNNELS, tunnel, false, "", NULL, "tunnels of the first packet, outer first"),
    NAME("open.how", open_how, &(SF_OPENINGS(WORD))[1], "how it was opened"),
    SPAN("open.syn_ack_delay", open_syn_ack_delay_ns, "SYN to SYN-ACK: the way to the server"),
    SPAN("open.ack_delay", open_ack_delay_ns, "SYN-ACK to ACK: the way to the client"),
    SPAN("open.rtt", open_rtt_ns, "round trip of the handshake, the sum of both"),
    NAME("close.how", close_how, &(SF_CLOSINGS(WORD))[1], "how it was closed"),
    NAME_OR_NULL("close.first", close_first, "client server", "who sent the first FIN"),
    NAME_OR_NULL("close.reset.by", reset_by, "client server", "who sent the RST that took effect"),
    COUNT_OR_NULL("close.reset.packet", reset_packet, "", "number of that packet"),
    NAME_OR_NULL("close.reset.kind", reset_kind,
        "refused no_connection abort after_fin late_data challenge_follow_up lone",
        "why it was sent"),
    NAME_OR_NULL("close.reset.validity", reset_validity, "exact in_window below above unknown",
        "its number against the receiver's window"),
    NAME_OR_NULL("close.reset.effect", reset_effect, "effective unknown",
        "whether the receiver fell silent"),
    NAME("ended_by", ended_by, "closed reused idle evicted capture_end", "why the record ends here"),
    COUNT_OR_NULL("capture.dropped_during", dropped_during, "packets",
        "packets the capture dropped meanwhile; null: it does not say"),
    FIELD("severity", SEVERITY, severity, false, "", "ok note warning problem",
        "the worst of its anomalies"),
    FIELD("verdict", TEXT, verdict, false, "", NULL,
        "what happened, who did it, the evidence: one sentence"),
    END_FIELDS("client", end[SF_CLIENT]),
    END_FIELDS("server", end[SF_SERVER]),
    FIELD("timeline", TIMELINE, timeline, false, "", NULL, "each change of an end's state"),
    FIELD("anomalies", ANOMALIES, anomalies, false, "", NULL, "what went wrong, with the packets"),
    NAME_OR_NULL("zeek.conn_state", views.zeek_conn_state,
        "S0 S1 SF REJ S2 S3 RSTO RSTR RSTOS0 RSTRH SH SHR OTH", "Zeek's connection state"),
    FIELD("zeek.history", TEXT, views.zeek_history, true, "", NULL, "Zeek's history letters"),
    COUNT_OR_NULL("zeek.orig_bytes", views.zeek_orig_bytes, "octets", "Zeek's count, originator"),
    COUNT_OR_NULL("zeek.resp_bytes", views.zeek_resp_bytes, "octets", "Zeek's count, responder"),
    COUNT_OR_NULL("zeek.missed_bytes", views.zeek_missed_bytes, "octets", "octets Zeek calls missed"),
    NAME_OR_NULL("zeek.originator", views.zeek_originator, "client server", "Zeek's originator"),
    COUNT_OR_NULL("zeek.records", views.zeek_records, "", "rows Zeek would cut the connection into"),
    COUNT_OR_NULL("wireshark.completeness", views.wireshark_completeness, "",
        "tshark's tcp.completeness of the stream"),
};
/* clang-format on */

enum { FIELDS = sizeof fields / sizeof fields[0] };

const struct sf_field *sf_fields(size_t *count)
{
    *count = FIELDS;
    return fields;
}

const struct sf_field *sf_field_find(const char *path)
{
    for (size_t i = 0; i < FIELDS; i++)
        if (strcmp(fields[i].path, path) == 0)
            return &fields[i];
    return NULL;
}

const struct sf_field *sf_field_decides(const char *object_path)
{
    static const struct {
        const char *object, *by;
    } deciders[] = {
        {"close.reset", "close.reset.by"},
        {"zeek", "zeek.conn_state"},
    };
    for (size_t i = 0; i < sizeof deciders / sizeof deciders[0]; i++)
        if (strcmp(deciders[i].object, object_path) == 0)
            return sf_field_find(deciders[i].by);
    return NULL;
}
