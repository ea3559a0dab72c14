/* The verdict: one or two sentences for a person: what happened, who did it, which packets show it.
 */
#include <string.h>

#include "synfin/record.h"
#include "synfin/writer.h"
#include "track_internal.h"

/* To the nearest tenth of the unit, or the nearest unit: "2.4 s", "2 s". */
static void say_rounded(struct sf_writer *s, sf_ns span, sf_ns unit, bool is_whole,
                        const char *name)
{
    sf_ns step = is_whole ? unit : unit / 10;
    uint64_t steps = (uint64_t)(span / step + (span % step >= step - step / 2));
    sf_write_number(s, is_whole ? steps : steps / 10);
    if (!is_whole) {
        sf_write(s, ".");
        sf_write_number(s, steps % 10);
    }
    sf_write(s, name);
}

/* A span in the unit a person would choose. */
static void say_span(struct sf_writer *s, sf_ns span)
{
    static const struct {
        sf_ns below, unit;
        bool is_whole;
        const char *name;
    } units[] = {
        {SF_MSEC, SF_USEC, true, " us"},         {10 * SF_MSEC, SF_MSEC, false, " ms"},
        {SF_SEC, SF_MSEC, true, " ms"},          {10 * SF_SEC, SF_SEC, false, " s"},
        {120 * SF_SEC, SF_SEC, true, " s"},      {7200 * SF_SEC, 60 * SF_SEC, true, " min"},
        {INT64_MAX, 3600 * SF_SEC, false, " h"},
    };
    size_t i = 0;
    while (span >= units[i].below && units[i].below < INT64_MAX)
        i++;
    if (span < 0)
        sf_write(s, "-");
    say_rounded(s, span < 0 ? -span : span, units[i].unit, units[i].is_whole, units[i].name);
}

static enum sf_role other(enum sf_role role)
{
    return role == SF_CLIENT ? SF_SERVER : SF_CLIENT;
}

static void say_role(struct sf_writer *s, enum sf_role role)
{
    sf_write_octets(s, role == SF_CLIENT ? "client" : "server", 6);
}

static void say_capital(struct sf_writer *s, enum sf_role role)
{
    sf_write_octets(s, role == SF_CLIENT ? "Client" : "Server", 6);
}

static inline void say_number(struct sf_writer *s, const char *before, uint64_t n,
                              const char *after)
{
    sf_write(s, before);
    sf_write_number(s, n);
    sf_write(s, after);
}

static const struct sf_anomaly_entry *anomaly(const struct sf_record *r, enum sf_anomaly name)
{
    for (size_t i = 0; i < r->anomaly_count; i++)
        if (r->anomalies[i].name == name)
            return &r->anomalies[i];
    return NULL;
}

static enum sf_role reset_role(const struct sf_flow *flow)
{
    return sf_role_of(flow, flow->reset.by);
}

/* The first change of that cause, or NULL. */
static const struct sf_change *change(const struct sf_flow *flow, enum sf_cause cause,
                                      enum sf_role end)
{
    return sf_flow_change(flow, cause, end == SF_CLIENT ? flow->client : 1 - flow->client);
}

static void say_count(struct sf_writer *s, uint64_t octets)
{
    say_number(s, "", octets, octets == 1 ? " octet" : " octets");
}

/* What of an end that was not captured its peer acknowledged. */
static void say_octets_of_one(struct sf_writer *s, const struct sf_record *r, enum sf_role seen)
{
    uint64_t acknowledged = r->end[other(seen)].stream_bytes;
    say_count(s, r->end[seen].unique_bytes);
    sf_write(s, " from the ");
    say_role(s, seen);
    sf_write(s, "; the ");
    say_role(s, other(seen));
    sf_write(s, "'s packets were not captured");
    if (acknowledged == 0)
        return;
    sf_write(s, ", ");
    say_count(s, acknowledged);
    sf_write(s, " of its were acknowledged");
}

/* Distinct octets. */
static void say_octets(struct sf_writer *s, const struct sf_record *r)
{
    const struct sf_record_end *client = &r->end[SF_CLIENT], *server = &r->end[SF_SERVER];
    if (client->packets == 0 || server->packets == 0) {
        say_octets_of_one(s, r, client->packets > 0 ? SF_CLIENT : SF_SERVER);
    } else if (client->unique_bytes == 0 && server->unique_bytes == 0) {
        bool missing = client->missing_bytes > 0 || server->missing_bytes > 0;
        bool is_whole = !missing && r->opening != SF_OPENING_MIDSTREAM;
        sf_write(s, is_whole ? "no data was sent" : "no data was captured");
    } else {
        say_count(s, client->unique_bytes);
        say_number(s, " from the client, ", server->unique_bytes, " from the server");
    }
}

/* --- openings that did not succeed -------------------------------------------------------------
 */

static void say_unanswered(struct sf_writer *s, const struct sf_flow *flow,
                           const struct sf_record *r)
{
    const struct sf_record_end *client = &r->end[SF_CLIENT];
    if (r->reset_by != NULL && r->end[SF_SERVER].packets == 0) {
        say_number(s, "Client gave its own SYN up by RST (packet ", r->reset_packet,
                   ") before any answer.");
        return;
    }
    const struct sf_anomaly_entry *reopen = anomaly(r, SF_ANOMALY_HALF_OPEN);
    if (reopen != NULL) {
        say_number(s, "The server answered the client's SYN (packet ", r->first_packet,
                   ") out of an older connection");
        say_number(s, ", which the client then reset (packet ", reopen->first_packet,
                   "): half-open; no SYN-ACK followed.");
        return;
    }
    bool is_silent = r->end[SF_SERVER].packets == 0;
    say_number(s,
               is_silent ? "Nothing answered the client's SYN (packet "
                         : "No SYN-ACK answered the client's SYN (packet ",
               r->first_packet, ")");
    if (client->syns > 1)
        say_number(s, ", sent ", client->syns, " times");
    if (client->syns > 1 && is_silent) {
        sf_write(s, " over ");
        say_span(s, r->duration_ns);
    }
    if (!is_silent) {
        sf_write(s, "; what the server sent is of another connection, or its SYN-ACK was not "
                    "captured.");
        return;
    }
    const struct sf_anomaly_entry *icmp = anomaly(r, SF_ANOMALY_ICMP_ERROR);
    const struct sf_noted *noted = sf_noted_find(flow, SF_ANOMALY_UNANSWERED, flow->client);
    bool is_cut_short = noted != NULL && noted->kind == SF_KIND_CUT_SHORT;
    if (icmp == NULL) {
        sf_write(s, is_cut_short ? "; too little was captured after it to tell why."
                                 : ": filtered, or no such host.");
        return;
    }
    sf_write(s, " but ");
    sf_write(s, icmp->detail);
    say_number(s, " (packet ", icmp->first_packet, ").");
}

static void say_refused(struct sf_writer *s, const struct sf_flow *flow, const struct sf_record *r)
{
    const struct sf_anomaly_entry *refused = anomaly(r, SF_ANOMALY_REFUSED);
    const struct sf_change *got = change(flow, SF_CAUSE_GOT_RST, SF_CLIENT);
    say_number(s, "Server refused the connection by RST (packet ",
               refused != NULL ? refused->first_packet : r->last_packet, ")");
    if (got != NULL && got->ts_ns > flow->first_ns) {
        sf_write(s, ", ");
        say_span(s, got->ts_ns - flow->first_ns);
        say_number(s, " after the SYN (packet ", r->first_packet, ")");
    }
    if (refused != NULL && refused->count > 1) {
        say_number(s, ", and ", refused->count - 1, " SYN");
        sf_write(s, refused->count > 2 ? "s" : "");
        say_number(s, " more (to packet ", refused->last_packet, ")");
    }
    sf_write(s, ": nothing listens there, or a firewall answers.");
}

static void say_incomplete(struct sf_writer *s, const struct sf_flow *flow,
                           const struct sf_record *r)
{
    uint64_t times = r->end[SF_SERVER].syns;
    const struct sf_change *sent = change(flow, SF_CAUSE_SENT_SYN_ACK, SF_SERVER);
    uint64_t packet = sent != NULL ? sent->packet : r->first_packet;
    if (r->reset_by != NULL) {
        say_capital(s, reset_role(flow));
        say_number(s, " answered the handshake by RST (packet ", r->reset_packet, ")");
        say_number(s, " after the SYN-ACK (packet ", packet, "): a scan, or an end that gave up.");
        return;
    }
    const struct sf_anomaly_entry *bad = anomaly(r, SF_ANOMALY_SYN_ACK_BAD_ACK);
    if (bad != NULL) {
        say_number(s, "The server's SYN-ACK (packet ", bad->first_packet,
                   ") acknowledges a number that the client never sent: "
                   "no connection by the rules.");
        return;
    }
    say_number(s, "The server's SYN-ACK (packet ", packet, "");
    if (times > 1)
        say_number(s, ", sent ", times, " times");
    sf_write(s, ") was never acknowledged: the connection stayed embryonic.");
}

/* --- endings -----------------------------------------------------------------------------------
 */

/* Which FINs were. */
static void say_acknowledged(struct sf_writer *s, const struct sf_flow *flow)
{
    bool first = flow->ep[0].fin_acked, second = flow->ep[1].fin_acked;
    if (first == second) {
        sf_write(s, first ? "; both FINs were acknowledged" : "; neither FIN was acknowledged");
        return;
    }
    sf_write(s, "; an acknowledgement of the ");
    say_role(s, sf_role_of(flow, first ? 1 : 0));
    sf_write(s, "'s was not seen");
}

static void say_fin(struct sf_writer *s, const struct sf_flow *flow, const struct sf_record *r)
{
    enum sf_role first = sf_role_of(flow, flow->first_fin), second = other(first);
    const struct sf_change *a = change(flow, SF_CAUSE_SENT_FIN, first),
                           *b = change(flow, SF_CAUSE_SENT_FIN, second);
    say_capital(s, first);
    sf_write(s, " closed first");
    if (a != NULL)
        say_number(s, " (FIN, packet ", a->packet, ")");
    sf_write(s, ", the ");
    say_role(s, second);
    sf_write(s, " followed");
    if (b != NULL)
        say_number(s, " (packet ", b->packet, ")");
    if (a != NULL && b != NULL && b->ts_ns > a->ts_ns) {
        sf_write(s, " ");
        say_span(s, b->ts_ns - a->ts_ns);
        sf_write(s, " later");
    }
    say_acknowledged(s, flow);
    sf_write(s, ": ");
    say_octets(s, r);
    sf_write(s, ".");
}

static void say_simultaneous_close(struct sf_writer *s, const struct sf_flow *flow,
                                   const struct sf_record *r)
{
    const struct sf_change *a = change(flow, SF_CAUSE_SENT_FIN, SF_CLIENT),
                           *b = change(flow, SF_CAUSE_SENT_FIN, SF_SERVER);
    sf_write(s, "Both ends closed at once: their FINs crossed");
    if (a != NULL && b != NULL) {
        say_number(s, " (packets ", a->packet, " and ");
        say_number(s, "", b->packet, ")");
    }
    if (!sf_flow_both_fins_acked(flow))
        say_acknowledged(s, flow);
    sf_write(s, "; ");
    say_octets(s, r);
    sf_write(s, ".");
}

static void say_half_closed(struct sf_writer *s, const struct sf_flow *flow,
                            const struct sf_record *r)
{
    static const char *const until[] = {
        [SF_ENDED_OPEN] = " when the capture ended.",
        [SF_ENDED_CLOSED] = ".",
        [SF_ENDED_REUSED] = " when its addresses and ports were used again.",
        [SF_ENDED_IDLE] = " when the idle timeout had passed.",
        [SF_ENDED_EVICTED] = " when it was evicted to keep within the memory bound.",
        [SF_NOT_ENDED] = " then.",
    };
    enum sf_role first = sf_role_of(flow, flow->first_fin), peer = other(first);
    const struct sf_change *fin = change(flow, SF_CAUSE_SENT_FIN, first);
    say_capital(s, first);
    say_number(s, " closed its direction (FIN, packet ", fin != NULL ? fin->packet : r->last_packet,
               "");
    if (r->end[first].fins > 1)
        say_number(s, ", sent ", r->end[first].fins, " times");
    if (r->end[peer].packets > 0 && anomaly(r, SF_ANOMALY_FIN_UNACKNOWLEDGED) != NULL) {
        sf_write(s, "); the FIN was never acknowledged.");
        return;
    }
    sf_write(s, r->end[peer].packets == 0 ? "); what the " : "); the ");
    say_role(s, peer);
    sf_write(s, r->end[peer].packets == 0 ? " did then was not captured." : "'s was still open");
    if (r->end[peer].packets > 0)
        sf_write(s, until[flow->ended_by]);
}

static void say_reset_when(struct sf_writer *s, const struct sf_flow *flow)
{
    enum sf_dir peer = sf_dir_other((enum sf_dir)flow->reset.by);
    const struct sf_endpoint *ep = &flow->ep[peer];
    if (ep->data_packets == 0 || flow->reset.ts_ns < ep->last_data_ns)
        return;
    sf_write(s, " ");
    say_span(s, flow->reset.ts_ns - ep->last_data_ns);
    sf_write(s, " after the ");
    say_role(s, sf_role_of(flow, (int)peer));
    sf_write(s, "'s last data");
}

static void say_outstanding(struct sf_writer *s, const struct sf_flow *flow)
{
    uint64_t from_client = flow->reset.outstanding[flow->client];
    uint64_t from_server = flow->reset.outstanding[1 - flow->client];
    if (from_client == 0 && from_server == 0) {
        sf_write(s, "; nothing was outstanding.");
        return;
    }
    sf_write(s, "; ");
    if (from_client > 0) {
        say_count(s, from_client);
        sf_write(s, " from the client");
    }
    sf_write(s, from_client > 0 && from_server > 0 ? " and " : "");
    if (from_server > 0) {
        say_count(s, from_server);
        sf_write(s, " from the server");
    }
    sf_write(s, from_client + from_server == 1 ? " was" : " were");
    sf_write(s, " never acknowledged.");
}

static void say_half_open(struct sf_writer *s, const struct sf_flow *flow,
                          const struct sf_record *r, bool reopened)
{
    sf_write(s, "Half-open: the ");
    say_role(s, reset_role(flow));
    sf_write(s, reopened ? " had opened anew and answered the old connection by RST"
                         : " answered by RST");
    say_number(s, " (packet ", r->reset_packet,
               reopened ? ")" : "), as if it had no such connection");
}

static void say_reset_by(struct sf_writer *s, const struct sf_flow *flow, const struct sf_record *r)
{
    enum sf_role by = reset_role(flow);
    const struct sf_change *fin = change(flow, SF_CAUSE_SENT_FIN, by);
    bool late = flow->reset.kind == SF_RESET_LATE_DATA;
    bool after_fin = late || flow->reset.kind == SF_RESET_AFTER_FIN;
    say_capital(s, by);
    if (after_fin && fin != NULL)
        say_number(s, " closed (FIN, packet ", fin->packet, "), then reset the connection");
    else
        sf_write(s, " reset the connection");
    say_number(s, " (RST, packet ", r->reset_packet, late ? ") when more data came" : ")");
    if (!after_fin)
        say_reset_when(s, flow);
}

static void say_reset(struct sf_writer *s, const struct sf_flow *flow, const struct sf_record *r)
{
    const struct sf_anomaly_entry *half_open = anomaly(r, SF_ANOMALY_HALF_OPEN);
    if (flow->reset.kind == SF_RESET_LONE) {
        sf_write(s, "A lone RST from the ");
        say_role(s, reset_role(flow));
        say_number(s, " (packet ", r->reset_packet, "): its connection was not captured.");
        return;
    }
    if (half_open != NULL && flow->reset.kind == SF_RESET_NO_CONNECTION)
        say_half_open(s, flow, r, strstr(half_open->detail, "kind=reopen") != NULL);
    else
        say_reset_by(s, flow, r);
    say_outstanding(s, flow);
}

static void say_open(struct sf_writer *s, const struct sf_flow *flow, const struct sf_record *r)
{
    static const char *const left[] = {
        [SF_ENDED_OPEN] = "Still open when the capture ended",
        [SF_ENDED_CLOSED] = "Closed",
        [SF_ENDED_REUSED] = "Never seen to close before its addresses and ports were used again",
        [SF_ENDED_IDLE] = "Silent for longer than the idle timeout",
        [SF_ENDED_EVICTED] = "Evicted to keep within the memory bound",
        [SF_NOT_ENDED] = "Still open",
    };
    const struct sf_anomaly_entry *silent = anomaly(r, SF_ANOMALY_PEER_SILENT);
    if (silent != NULL) {
        say_capital(s, other(silent->end));
        sf_write(s, " fell silent: ");
        sf_write(s, silent->detail);
        say_number(s, " (packet ", silent->first_packet, ")");
    } else {
        sf_write(s, left[flow->ended_by]);
    }
    sf_write(s, "; ");
    say_octets(s, r);
    sf_write(s, ".");
}

/* --- the whole ---------------------------------------------------------------------------------
 */

static void say_opening(struct sf_writer *s, const struct sf_record *r)
{
    static const char *const unusual[SF_OPENING_COUNT] = {
        [SF_OPENING_MIDSTREAM] = "The capture began after the opening. ",
        [SF_OPENING_ONE_SIDED] = "Only one direction was captured. ",
        [SF_OPENING_SIMULTANEOUS] = "Both ends opened at once. ",
        [SF_OPENING_SPLIT] = "Opened by a split handshake. ",
        [SF_OPENING_FAST_OPEN] = "Opened with data in the SYN (fast open). ",
        [SF_OPENING_SYN_ACK_ONLY] = "The client's SYN was not captured. ",
    };
    if (unusual[r->opening] != NULL)
        sf_write(s, unusual[r->opening]);
}

static void say_anomaly(struct sf_writer *s, const struct sf_anomaly_entry *entry)
{
    bool has_kind = strncmp(entry->detail, "kind=", 5) == 0;
    sf_write(s, " ");
    if (entry->end == SF_ROLE_NONE)
        sf_write(s, "On the way");
    else
        say_capital(s, entry->end);
    sf_write(s, ": ");
    sf_write(s, has_kind ? strstr(entry->detail, ": ") + 2 : entry->detail);
    say_number(s, entry->count > 1 ? " (packets " : " (packet ", entry->first_packet, "");
    if (entry->count > 1)
        say_number(s, " to ", entry->last_packet, "");
    sf_write(s, ").");
}

enum { TROUBLES_SAID = 2 };

/* The first sentence has told of a half-open connection that a RST ended, and of an end that fell
 * silent. */
static bool is_told(const struct sf_record *r, enum sf_anomaly name)
{
    bool silence = name == SF_ANOMALY_PEER_SILENT || name == SF_ANOMALY_HALF_OPEN;
    bool ended = name == SF_ANOMALY_HALF_OPEN && r->reset_by != NULL &&
                 strcmp(r->reset_kind, sf_reset_kind_name(SF_RESET_NO_CONNECTION)) == 0;
    bool open = r->closing == SF_CLOSING_NONE;
    return ended || (silence && open && anomaly(r, SF_ANOMALY_PEER_SILENT) != NULL);
}

/* What went wrong on the way, the most telling first. */
static void say_trouble(struct sf_writer *s, const struct sf_record *r)
{
    static const enum sf_anomaly told[] = {
        SF_ANOMALY_ICMP_ERROR,       SF_ANOMALY_HALF_OPEN,     SF_ANOMALY_KEEP_ALIVE_UNANSWERED,
        SF_ANOMALY_PEER_SILENT,      SF_ANOMALY_RESET_INVALID, SF_ANOMALY_RESET_IGNORED,
        SF_ANOMALY_RESET_CHALLENGED, SF_ANOMALY_ZERO_WINDOW,   SF_ANOMALY_RETRANSMISSION,
        SF_ANOMALY_CAPTURE_LOSS,
    };
    unsigned said = 0;
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++)
        for (size_t at = 0; at < r->anomaly_count && said < TROUBLES_SAID; at++) {
            if (r->anomalies[at].name != told[i] || is_told(r, told[i]))
                continue;
            say_anomaly(s, &r->anomalies[at]);
            said++;
        }
}

static bool is_synack_alone(const struct sf_record *r)
{
    return r->opening == SF_OPENING_SYN_ACK_ONLY && r->end[SF_CLIENT].data_packets == 0 &&
           r->end[SF_CLIENT].acks == 0;
}

static void say_closing(struct sf_writer *s, const struct sf_flow *flow, const struct sf_record *r)
{
    switch (r->closing) {
    case SF_CLOSING_FIN_UNACKED:
        (flow->fins_crossed ? say_simultaneous_close : say_fin)(s, flow, r);
        return;
    case SF_CLOSING_FIN: say_fin(s, flow, r); return;
    case SF_CLOSING_SIMULTANEOUS: say_simultaneous_close(s, flow, r); return;
    case SF_CLOSING_HALF_CLOSED: say_half_closed(s, flow, r); return;
    case SF_CLOSING_RESET: say_reset(s, flow, r); return;
    case SF_CLOSING_NONE:
    case SF_CLOSING_COUNT: say_open(s, flow, r); return;
    }
}

static void say_story(struct sf_writer *s, const struct sf_flow *flow, const struct sf_record *r)
{
    say_opening(s, r);
    if (is_synack_alone(r) && r->reset_by == NULL)
        say_number(s, "A SYN-ACK (packet ", r->first_packet,
                   ") that nothing followed: backscatter, or a scan.");
    else
        say_closing(s, flow, r);
    say_trouble(s, r);
}

void sf_record_verdict(const struct sf_flow *flow, struct sf_record *r)
{
    struct sf_writer s = sf_writer_of(r->verdict, sizeof r->verdict);
    if (r->opening == SF_OPENING_UNANSWERED)
        say_unanswered(&s, flow, r);
    else if (r->opening == SF_OPENING_REFUSED)
        say_refused(&s, flow, r);
    else if (r->opening == SF_OPENING_INCOMPLETE)
        say_incomplete(&s, flow, r);
    else
        say_story(&s, flow, r);
    if (flow->dropped == 0)
        return;
    say_number(&s, " The capture dropped ", flow->dropped,
               flow->dropped == 1 ? " packet" : " packets");
    sf_write(&s, " meanwhile: what is missing may be among them.");
}
