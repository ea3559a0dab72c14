/* Anomalies as they are counted, the events they make, and the sentence that tells each. */
#include <stdlib.h>
#include <string.h>

#include "synfin/address.h"
#include "synfin/writer.h"
#include "track_internal.h"

enum { NOTES_MAX = 200 }; /* names times ends is less: a bound that is never reached */

struct sf_noted *sf_noted_find(const struct sf_flow *flow, enum sf_anomaly name, int end)
{
    for (size_t i = 0; i < flow->note_count; i++)
        if (flow->notes[i].name == (uint8_t)name && flow->notes[i].end == end)
            return &flow->notes[i];
    return NULL;
}

bool sf_noted_any(const struct sf_flow *flow, enum sf_anomaly name)
{
    for (size_t i = 0; i < flow->note_count; i++)
        if (flow->notes[i].name == (uint8_t)name)
            return true;
    return false;
}

void sf_note_drop(struct sf_flow *flow, enum sf_anomaly name, int end)
{
    struct sf_noted *noted = sf_noted_find(flow, name, end);
    if (noted == NULL)
        return;
    size_t i = (size_t)(noted - flow->notes);
    flow->note_count--;
    memmove(noted, noted + 1, (flow->note_count - i) * sizeof *noted);
}

static struct sf_noted *note_add(struct sf_rooms *rooms, struct sf_flow *flow)
{
    if (flow->note_count == flow->note_capacity) {
        unsigned capacity = flow->note_capacity == 0 ? 2 : 2u * flow->note_capacity;
        if (capacity > NOTES_MAX)
            return NULL;
        size_t octets = flow->note_capacity * sizeof *flow->notes;
        struct sf_noted *notes =
            sf_rooms_move(rooms, flow->notes, octets, capacity * sizeof *notes);
        if (notes == NULL)
            return NULL;
        flow->notes = notes;
        flow->note_capacity = (uint16_t)capacity;
    }
    return &flow->notes[flow->note_count++];
}

struct sf_event *sf_event_add(struct sf_tracker *t, const struct sf_flow *flow, int end)
{
    if (!t->options.want_events)
        return NULL;
    if (t->event_count == t->event_capacity) {
        size_t capacity = t->event_capacity == 0 ? 32 : 2 * t->event_capacity;
        struct sf_event *events = realloc(t->events, capacity * sizeof *events);
        if (events == NULL)
            return NULL;
        t->events = events;
        t->event_capacity = capacity;
    }
    struct sf_event *event = &t->events[t->event_count++];
    *event = (struct sf_event){.packet = t->now_packet,
                               .time_ns = t->event_ns,
                               .t_ns = t->event_ns - flow->first_ns,
                               .conn = flow->id,
                               .key = flow->key,
                               .client = (enum sf_dir)flow->client,
                               .end = sf_role_of(flow, end)};
    return event;
}

void sf_note_kind(struct sf_tracker *t, struct sf_flow *flow, enum sf_anomaly name, int end,
                  uint64_t packet, uint64_t value, enum sf_note_kind kind,
                  enum sf_severity severity)
{
    struct sf_noted *noted = sf_noted_find(flow, name, end);
    if (noted == NULL) {
        noted = note_add(t->rooms, flow);
        if (noted == NULL)
            return;
        *noted =
            (struct sf_noted){.first_packet = packet, .name = (uint8_t)name, .end = (int8_t)end};
    }
    if (packet < noted->first_packet) /* judged late, of an earlier packet */
        noted->first_packet = packet;
    if (packet > noted->last_packet)
        noted->last_packet = packet;
    noted->count++;
    noted->value += value;
    noted->kind = (uint8_t)kind;
    if (flow->icmp_sender != NULL)
        memcpy(noted->address, flow->icmp_sender, sizeof noted->address);
    if (severity > noted->severity)
        noted->severity = (uint8_t)severity;
    if (noted->count > 1 && sf_anomaly_is_told_once(name))
        return;
    struct sf_event *event = sf_event_add(t, flow, end);
    if (event == NULL)
        return;
    event->kind = SF_EVENT_ANOMALY;
    event->anomaly = name;
    event->severity = severity;
    sf_note_detail(flow, noted, event->detail);
}

void sf_note(struct sf_tracker *t, struct sf_flow *flow, enum sf_anomaly name, int end,
             uint64_t packet, uint64_t value)
{
    sf_note_kind(t, flow, name, end, packet, value, SF_KIND_NONE, sf_anomaly_severity(name));
}

/* --- sentences -------------------------------------------------------------------------------- */

static const char *const kind_texts[] = {
    [SF_KIND_NONE] = "",
    [SF_KIND_DEAD_PEER] = "kind=dead_peer: one end sent on, the other answered RST as if it had no "
                          "such connection",
    [SF_KIND_REOPEN] = "kind=reopen: one end opened anew, the other still had the old connection",
    [SF_KIND_SUSPECTED] = "kind=suspected: silent for 15 s or more in spite of three or more "
                          "sendings of its peer",
    [SF_KIND_SYN_RECEIVED] = "stage=syn_received: the SYN-ACK was never acknowledged",
    [SF_KIND_IN_WINDOW] = "a RST in the window but not exact: whether it counted is not known",
    [SF_KIND_NOT_OF_SYN] = "a RST that does not acknowledge the SYN",
    [SF_KIND_CUT_SHORT] = "no answer to the SYN, after which too little was captured",
    [SF_KIND_ACK_UNCONFIRMED] =
        "stage=ack_unconfirmed: the handshake's ACK passed the tap, yet the "
        "server repeated its SYN-ACK",
};

/* {n} is how often, {v} the value added up, {o} the same in octets, {s} and {it} follow {n}, {were}
 * {v}. */
static const char *const patterns[SF_ANOMALY_COUNT] = {
    [SF_ANOMALY_SYN_RETRANSMITTED] = "the SYN was sent {n} more time{s}",
    [SF_ANOMALY_SYN_ACK_RETRANSMITTED] = "the SYN-ACK was sent {n} more time{s}",
    [SF_ANOMALY_UNANSWERED] = "no answer to the SYN",
    [SF_ANOMALY_REFUSED] = "the SYN was answered by RST",
    [SF_ANOMALY_RESET_IN_HANDSHAKE] = "RST before the handshake was complete",
    [SF_ANOMALY_SYN_ISN_CHANGED] = "the SYN came again with another initial sequence number",
    [SF_ANOMALY_SYN_ACK_ISN_CHANGED] = "a SYN-ACK came with another initial sequence number",
    [SF_ANOMALY_SYN_ACK_BAD_ACK] = "the SYN-ACK does not acknowledge the SYN",
    [SF_ANOMALY_SIMULTANEOUS_OPEN] = "the SYNs crossed",
    [SF_ANOMALY_SPLIT_HANDSHAKE] = "the server sent an own SYN in place of a SYN-ACK",
    [SF_ANOMALY_FAST_OPEN] = "{o} in the SYN were accepted",
    [SF_ANOMALY_DATA_BEFORE_ESTABLISHED] = "{o} before the handshake was complete",
    [SF_ANOMALY_MIDSTREAM] = "the capture has no handshake of this connection",
    [SF_ANOMALY_ONE_SIDED] = "only this end's packets were captured",
    [SF_ANOMALY_RETRANSMISSION] = "{n} segment{s} with {o} sent again",
    [SF_ANOMALY_OUT_OF_ORDER] = "{n} segment{s} came after a later one",
    [SF_ANOMALY_DUPLICATE_ACKS] = "{n} duplicate acknowledgement{s}",
    [SF_ANOMALY_CAPTURE_LOSS] = "{o} {were} acknowledged but never captured",
    [SF_ANOMALY_TAP_REORDER] = "{n} packet{s} captured after what answers {it}",
    [SF_ANOMALY_CAPTURE_DUPLICATE] = "{n} packet{s} captured again",
    [SF_ANOMALY_BEYOND_WINDOW] = "{n} segment{s}, up to {o} beyond the peer's window",
    [SF_ANOMALY_ZERO_WINDOW] = "{n} packet{s} advertised a window of 0",
    [SF_ANOMALY_WINDOW_FULL] = "{n} segment{s} filled the peer's window",
    [SF_ANOMALY_ZERO_WINDOW_PROBE] = "{n} probe{s} of the closed window",
    [SF_ANOMALY_KEEP_ALIVE] = "{n} keep-alive{s}",
    [SF_ANOMALY_KEEP_ALIVE_UNANSWERED] = "{n} keep-alive{s} without an answer",
    [SF_ANOMALY_PAWS_VIOLATION] = "{n} segment{s} with a timestamp older than the peer holds",
    [SF_ANOMALY_URGENT] = "{n} segment{s} with urgent data",
    [SF_ANOMALY_OFFLOADED_SEGMENTS] = "{n} captured segment{s} larger than the MSS",
    [SF_ANOMALY_BAD_CHECKSUM] = "{n} wrong TCP checksum{s} among those tested",
    [SF_ANOMALY_PEER_SILENT] = "the last {v} sendings met no packet from the peer",
    [SF_ANOMALY_RESET] = "RST with {o} outstanding",
    [SF_ANOMALY_RESET_AFTER_FIN] = "RST by an end that had sent its FIN",
    [SF_ANOMALY_RESET_INVALID] = "{n} RST{s} outside the receiver's window",
    [SF_ANOMALY_RESET_CHALLENGED] = "a RST in the window, not exact, was answered by an ACK",
    [SF_ANOMALY_RESET_IGNORED] = "a RST that changed nothing: its receiver sent on",
    [SF_ANOMALY_SEGMENT_AFTER_RESET] = "{n} segment{s} after its own RST",
    [SF_ANOMALY_HALF_CLOSED] = "one direction was closed while the other stayed open",
    [SF_ANOMALY_SIMULTANEOUS_CLOSE] = "the FINs crossed",
    [SF_ANOMALY_FIN_RETRANSMITTED] = "the FIN was sent {n} more time{s}",
    [SF_ANOMALY_FIN_UNACKNOWLEDGED] = "the only FIN was never acknowledged",
    [SF_ANOMALY_LAST_ACK_MISSING] = "its FIN was never acknowledged",
    [SF_ANOMALY_DATA_AFTER_FIN] = "{o} beyond its own FIN",
    [SF_ANOMALY_PORT_REUSED] = "these addresses and ports carried an earlier connection",
};

static void put_place(struct sf_writer *w, char place, const struct sf_noted *noted)
{
    switch (place) {
    case 'n': sf_write_number(w, noted->count); break;
    case 'v': sf_write_number(w, noted->value); break;
    case 'o':
        sf_write_number(w, noted->value);
        sf_write(w, noted->value == 1 ? " octet" : " octets");
        break;
    case 'w': sf_write(w, noted->value == 1 ? "was" : "were"); break;
    case 's': sf_write(w, noted->count == 1 ? "" : "s"); break;
    case 'i': sf_write(w, noted->count == 1 ? "it" : "them"); break;
    default: break;
    }
}

static void put_pattern(struct sf_writer *w, const char *pattern, const struct sf_noted *noted)
{
    const char *open;
    while ((open = strchr(pattern, '{')) != NULL) {
        sf_write_octets(w, pattern, (size_t)(open - pattern));
        put_place(w, open[1], noted);
        pattern = strchr(open, '}') + 1;
    }
    sf_write(w, pattern);
}

/* Linked to causes where they are known. */
static void put_causes(struct sf_writer *w, const struct sf_endpoint *ep)
{
    static const char *const names[] = {"by timeout", "fast", "as tail-loss probe", "needless"};
    bool first = true;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (ep->resent_by[i] == 0)
            continue;
        sf_write(w, first ? " (" : ", ");
        first = false;
        sf_write_number(w, ep->resent_by[i]);
        sf_write(w, " ");
        sf_write(w, names[i]);
    }
    if (!first)
        sf_write(w, ")");
}

static void put_dropped(struct sf_writer *w, const struct sf_flow *flow,
                        const struct sf_noted *noted)
{
    put_pattern(w, "{o} {were} never captured; the capture dropped ", noted);
    sf_write_number(w, flow->dropped);
    sf_write(w, flow->dropped == 1 ? " packet meanwhile" : " packets meanwhile");
}

static void put_icmp(struct sf_writer *w, const struct sf_noted *noted)
{
    char sender[48];
    sf_write(w, noted->kind == 4 ? "ICMP type " : "ICMPv6 type ");
    sf_write_number(w, noted->value >> 8 & 0xff);
    sf_write(w, " code ");
    sf_write_number(w, noted->value & 0xff);
    sf_write(w, " from ");
    sf_write(w, sf_address_text(sender, noted->address, noted->kind));
}

void sf_note_detail(const struct sf_flow *flow, const struct sf_noted *noted,
                    char out[SF_DETAIL_TEXT])
{
    struct sf_writer w = sf_writer_of(out, SF_DETAIL_TEXT);
    if (noted->name == SF_ANOMALY_ICMP_ERROR)
        put_icmp(&w, noted);
    else if (noted->name == SF_ANOMALY_CAPTURE_LOSS && flow->dropped > 0)
        put_dropped(&w, flow, noted);
    else if (patterns[noted->name] == NULL || noted->kind != SF_KIND_NONE)
        sf_write(&w, kind_texts[noted->kind]);
    else
        put_pattern(&w, patterns[noted->name], noted);
    if (noted->name == SF_ANOMALY_RETRANSMISSION && noted->end >= 0)
        put_causes(&w, &flow->ep[noted->end]);
}
