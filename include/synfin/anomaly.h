/* What can go wrong in a connection's life: one closed list of names, severities and definitions.
 */
#ifndef SYNFIN_ANOMALY_H
#define SYNFIN_ANOMALY_H

#include <stdbool.h>

enum sf_severity { SF_SEVERITY_OK, SF_NOTE, SF_WARNING, SF_PROBLEM };

/* X(id, name, severity, definition). The order is that of a life: opening, progress, closing. */
#define SF_ANOMALIES(X)                                                                            \
    X(SYN_RETRANSMITTED, "syn_retransmitted", WARNING,                                             \
      "the SYN was sent again with the same initial sequence number (RFC 6298)")                   \
    X(SYN_ACK_RETRANSMITTED, "syn_ack_retransmitted", WARNING,                                     \
      "the SYN-ACK was sent again: it, or the ACK of it, was lost or ignored")                     \
    X(UNANSWERED, "unanswered", PROBLEM,                                                           \
      "a SYN that nothing answered, nor did a RST of its sender end the attempt")                  \
    X(REFUSED, "refused", PROBLEM, "the SYN was answered by RST: no listener, or a firewall")      \
    X(EMBRYONIC, "embryonic", PROBLEM,                                                             \
      "a SYN-ACK was seen, never acknowledged, and no RST ended it; operators call this "          \
      "half-open")                                                                                 \
    X(RESET_IN_HANDSHAKE, "reset_in_handshake", WARNING,                                           \
      "a RST ended the handshake before it was complete: a scan, or an end that gave up")          \
    X(SYN_ISN_CHANGED, "syn_isn_changed", WARNING,                                                 \
      "a SYN was repeated with another initial sequence number before it was answered")            \
    X(SYN_ACK_ISN_CHANGED, "syn_ack_isn_changed", WARNING,                                         \
      "a second SYN-ACK carried another initial sequence number")                                  \
    X(SYN_ACK_BAD_ACK, "syn_ack_bad_ack", WARNING,                                                 \
      "a SYN-ACK did not acknowledge the SYN it should answer (RFC 9293 §3.10.7.3)")               \
    X(SIMULTANEOUS_OPEN, "simultaneous_open", NOTE,                                                \
      "both ends sent a SYN before they saw the other's (RFC 9293 §3.5, Figure 7)")                \
    X(SPLIT_HANDSHAKE, "split_handshake", WARNING,                                                 \
      "the server answered the SYN by an own SYN in place of a SYN-ACK")                           \
    X(FAST_OPEN, "fast_open", NOTE, "data in the SYN was acknowledged by the SYN-ACK (RFC 7413)")  \
    X(DATA_BEFORE_ESTABLISHED, "data_before_established", WARNING,                                 \
      "data was sent before the handshake was complete, without fast open")                        \
    X(MIDSTREAM, "midstream", NOTE, "the capture began after the connection was opened")           \
    X(ONE_SIDED, "one_sided", NOTE, "only one direction of the connection was captured")           \
    X(ICMP_ERROR, "icmp_error", WARNING, "an ICMP error quoted one of the connection's segments")  \
    X(RETRANSMISSION, "retransmission", WARNING, "octets already sent were sent again")            \
    X(OUT_OF_ORDER, "out_of_order", NOTE,                                                          \
      "a segment came after a later one of the same flight, first time sent")                      \
    X(DUPLICATE_ACKS, "duplicate_acks", NOTE,                                                      \
      "the same acknowledgement again while octets were outstanding (RFC 5681)")                   \
    X(CAPTURE_LOSS, "capture_loss", NOTE,                                                          \
      "octets that the peer acknowledged, or beside drops of the capture, were never captured")    \
    X(TAP_REORDER, "tap_reorder", NOTE,                                                            \
      "the tap delivered packets in another order than the ends saw them")                         \
    X(CAPTURE_DUPLICATE, "capture_duplicate", NOTE,                                                \
      "one packet was captured more than once (mirror port, several interfaces)")                  \
    X(BEYOND_WINDOW, "beyond_window", WARNING, "octets were sent beyond the peer's window")        \
    X(ZERO_WINDOW, "zero_window", WARNING, "the receiver advertised no room (RFC 9293 §3.8.6)")    \
    X(WINDOW_FULL, "window_full", NOTE, "the sender filled the peer's window to its edge")         \
    X(ZERO_WINDOW_PROBE, "zero_window_probe", NOTE,                                                \
      "the sender probed a closed window (RFC 9293 §3.8.6.1)")                                     \
    X(KEEP_ALIVE, "keep_alive", NOTE,                                                              \
      "an idle end asked whether its peer is there (RFC 9293 §3.8.4)")                             \
    X(KEEP_ALIVE_UNANSWERED, "keep_alive_unanswered", PROBLEM, "a keep-alive got no answer")       \
    X(PAWS_VIOLATION, "paws_violation", WARNING,                                                   \
      "a timestamp older than the peer has accepted (RFC 7323 §5)")                                \
    X(URGENT, "urgent", NOTE, "the urgent pointer was used (RFC 9293 §3.8.5)")                     \
    X(OFFLOADED_SEGMENTS, "offloaded_segments", NOTE,                                              \
      "captured segments larger than the MSS: the card or the kernel joins packets (GRO, TSO)")    \
    X(BAD_CHECKSUM, "bad_checksum", NOTE,                                                          \
      "a wrong TCP checksum: usually checksum offload at the capturing host")                      \
    X(PEER_SILENT, "peer_silent", WARNING,                                                         \
      "the last three or more transmissions of an end got no answer at all")                       \
    X(RESET, "reset", WARNING,                                                                     \
      "a RST ended the connection; a problem when octets were outstanding")                        \
    X(RESET_AFTER_FIN, "reset_after_fin", NOTE, "an end that had sent its FIN sent a RST")         \
    X(RESET_INVALID, "reset_invalid", WARNING,                                                     \
      "a RST outside the receiver's window, or that does not acknowledge its SYN: dropped")        \
    X(RESET_CHALLENGED, "reset_challenged", WARNING,                                               \
      "a RST in the window but not exact was answered by a challenge ACK (RFC 5961)")              \
    X(RESET_IGNORED, "reset_ignored", WARNING, "the receiver of a RST went on")                    \
    X(SEGMENT_AFTER_RESET, "segment_after_reset", NOTE, "an end sent on after its own RST")        \
    X(HALF_OPEN, "half_open", PROBLEM,                                                             \
      "one end has the connection, the other has lost it (RFC 9293 §3.5.1)")                       \
    X(HALF_CLOSED, "half_closed", NOTE,                                                            \
      "one end closed its direction, the other went on (RFC 9293 §3.6)")                           \
    X(SIMULTANEOUS_CLOSE, "simultaneous_close", NOTE,                                              \
      "the FINs crossed (RFC 9293 §3.6, Figure 13)")                                               \
    X(FIN_RETRANSMITTED, "fin_retransmitted", WARNING, "the FIN was sent again")                   \
    X(FIN_UNACKNOWLEDGED, "fin_unacknowledged", WARNING, "the only FIN was never acknowledged")    \
    X(LAST_ACK_MISSING, "last_ack_missing", NOTE,                                                  \
      "both FINs were seen, that of this end was never acknowledged")                              \
    X(DATA_AFTER_FIN, "data_after_fin", WARNING, "an end sent data beyond its own FIN")            \
    X(PORT_REUSED, "port_reused", NOTE,                                                            \
      "the connection reuses the addresses and ports of an earlier one")

enum sf_anomaly {
#define X(id, name, severity, text) SF_ANOMALY_##id,
    SF_ANOMALIES(X)
#undef X
        SF_ANOMALY_COUNT
};

const char *sf_anomaly_name(enum sf_anomaly anomaly);
const char *sf_anomaly_text(enum sf_anomaly anomaly);
enum sf_severity sf_anomaly_severity(enum sf_anomaly anomaly);

/* True for what the tap's place makes common (offload): of each end only the first one is an event,
 * though all are counted. */
bool sf_anomaly_is_told_once(enum sf_anomaly anomaly);

/* "ok" "note" "warning" "problem" */
const char *sf_severity_name(enum sf_severity severity);

#endif
