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
    if (!is_whole)
        sf_write_format(s, ".%llu", (unsigned long long)(steps % 10));
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

static const char *other_role(const char *role)
{
    return strcmp(role, "client") == 0 ? "server" : "client";
}

static const char *capital(const char *role)
{
    return strcmp(role, "client") == 0 ? "Client" : "Server";
}

static const struct sf_record_end *end_of(const struct sf_record *r, const char *role)
{
    return &r->end[strcmp(role, "client") == 0 ? SF_CLIENT : SF_SERVER];
}

static const struct sf_anomaly_entry *anomaly(const struct sf_record *r, enum sf_anomaly name)
{
    for (size_t i = 0; i < r->anomaly_count; i++)
        if (r->anomalies[i].name == name)
            return &r->anomalies[i];
    return NULL;
}

/* First entry of that cause and end in the timeline, or NULL. */
static const struct sf_timeline_entry *change(const struct sf_record *r, enum sf_cause cause,
                                              const char *role)
{
    for (size_t i = 0; i < r->timeline_count; i++)
        if (r->timeline[i].cause == cause && strcmp(sf_role_name(r->timeline[i].end), role) == 0)
            return &r->timeline[i];
    return NULL;
}

static void say_count(struct sf_writer *s, uint64_t octets)
{
    sf_write_format(s, "%llu octet%s", (unsigned long long)octets, octets == 1 ? "" : "s");
}

/* Distinct octets; of an end that was not captured, what its peer acknowledged. */
static void say_octets(struct sf_writer *s, const struct sf_record *r)
{
    const struct sf_record_end *client = &r->end[SF_CLIENT], *server = &r->end[SF_SERVER];
    if (client->packets == 0 || server->packets == 0) {
        const struct sf_record_end *seen = client->packets > 0 ? client : server;
        const struct sf_record_end *unseen = client->packets > 0 ? server : client;
        say_count(s, seen->unique_bytes);
        sf_write_format(s, " from the %s; the %s's packets were not captured",
                        client == seen ? "client" : "server", client == seen ? "server" : "client");
        if (unseen->stream_bytes > 0) {
            sf_write(s, ", ");
            say_count(s, unseen->stream_bytes);
            sf_write(s, " of its were acknowledged");
        }
        return;
    }
    if (client->unique_bytes == 0 && server->unique_bytes == 0) {
        bool missing = client->missing_bytes > 0 || server->missing_bytes > 0;
        sf_write_format(s, missing ? "no data was captured" : "no data was sent");
        return;
    }
    say_count(s, client->unique_bytes);
    sf_write_format(s, " from the client, %llu from the server",
                    (unsigned long long)server->unique_bytes);
}

/* --- openings that did not succeed -------------------------------------------------------------
 */

static void say_unanswered(struct sf_writer *s, const struct sf_record *r)
{
    const struct sf_record_end *client = &r->end[SF_CLIENT];
    if (r->reset_by != NULL) {
        sf_write_format(s, "Client gave its own SYN up by RST (packet %llu) before any answer.",
                        (unsigned long long)r->reset_packet);
        return;
    }
    sf_write_format(s, "Nothing answered the client's SYN (packet %llu)",
                    (unsigned long long)r->first_packet);
    if (client->syns > 1) {
        sf_write_format(s, ", sent %llu times over ", (unsigned long long)client->syns);
        say_span(s, r->duration_ns);
    }
    const struct sf_anomaly_entry *icmp = anomaly(r, SF_ANOMALY_ICMP_ERROR);
    if (icmp != NULL)
        sf_write_format(s, " but %s (packet %llu)", icmp->detail,
                        (unsigned long long)icmp->first_packet);
    sf_write_format(s, icmp != NULL ? "." : ": filtered, or no such host.");
}

static void say_refused(struct sf_writer *s, const struct sf_record *r)
{
    const struct sf_anomaly_entry *refused = anomaly(r, SF_ANOMALY_REFUSED);
    sf_write_format(s, "Server refused the connection by RST (packet %llu)",
                    (unsigned long long)(refused != NULL ? refused->first_packet : r->last_packet));
    if (r->duration_ns > 0) {
        sf_write(s, ", ");
        say_span(s, r->duration_ns);
        sf_write_format(s, " after the SYN (packet %llu)", (unsigned long long)r->first_packet);
    }
    sf_write(s, ": nothing listens there, or a firewall answers.");
}

static void say_incomplete(struct sf_writer *s, const struct sf_record *r)
{
    uint64_t times = r->end[SF_SERVER].syns;
    const struct sf_timeline_entry *sent = change(r, SF_CAUSE_SENT_SYN_ACK, "server");
    unsigned long long packet = sent != NULL ? sent->packet : r->first_packet;
    if (r->reset_by != NULL) {
        sf_write_format(
            s,
            "%s answered the handshake by RST (packet %llu) after the SYN-ACK (packet %llu): "
            "a scan, or an end that gave up.",
            capital(r->reset_by), (unsigned long long)r->reset_packet, packet);
        return;
    }
    const struct sf_anomaly_entry *bad = anomaly(r, SF_ANOMALY_SYN_ACK_BAD_ACK);
    if (bad != NULL) {
        sf_write_format(
            s,
            "The server's SYN-ACK (packet %llu) acknowledges a number that the client never sent: "
            "no connection by the rules.",
            (unsigned long long)bad->first_packet);
        return;
    }
    sf_write_format(s, "The server's SYN-ACK (packet %llu", packet);
    if (times > 1)
        sf_write_format(s, ", sent %llu times", (unsigned long long)times);
    sf_write(s, ") was never acknowledged: the connection stayed embryonic.");
}

/* --- endings -----------------------------------------------------------------------------------
 */

static void say_fin(struct sf_writer *s, const struct sf_flow *flow, const struct sf_record *r)
{
    const char *first = r->close_first, *second = other_role(first);
    const struct sf_timeline_entry *a = change(r, SF_CAUSE_SENT_FIN, first),
                                   *b = change(r, SF_CAUSE_SENT_FIN, second);
    sf_write_format(s, "%s closed first", capital(first));
    if (a != NULL)
        sf_write_format(s, " (FIN, packet %llu)", (unsigned long long)a->packet);
    sf_write_format(s, ", the %s followed", second);
    if (b != NULL)
        sf_write_format(s, " (packet %llu)", (unsigned long long)b->packet);
    if (a != NULL && b != NULL && b->t_ns > a->t_ns) {
        sf_write(s, " ");
        say_span(s, b->t_ns - a->t_ns);
        sf_write(s, " later");
    }
    bool neither = !flow->ep[0].fin_acked && !flow->ep[1].fin_acked;
    sf_write_format(s, strcmp(r->close_how, "fin") == 0 ? "; both FINs were acknowledged: "
                       : neither                        ? "; neither FIN was acknowledged: "
                                 : "; the last FIN's acknowledgement was not seen: ");
    say_octets(s, r);
    sf_write(s, ".");
}

static void say_simultaneous_close(struct sf_writer *s, const struct sf_record *r)
{
    const struct sf_timeline_entry *a = change(r, SF_CAUSE_SENT_FIN, "client"),
                                   *b = change(r, SF_CAUSE_SENT_FIN, "server");
    sf_write(s, "Both ends closed at once: their FINs crossed");
    if (a != NULL && b != NULL)
        sf_write_format(s, " (packets %llu and %llu)", (unsigned long long)a->packet,
                        (unsigned long long)b->packet);
    sf_write(s, "; ");
    say_octets(s, r);
    sf_write(s, ".");
}

static void say_half_closed(struct sf_writer *s, const struct sf_record *r)
{
    const char *first = r->close_first;
    const struct sf_timeline_entry *fin = change(r, SF_CAUSE_SENT_FIN, first);
    unsigned long long packet = fin != NULL ? fin->packet : r->last_packet;
    const struct sf_record_end *end = end_of(r, first), *other = end_of(r, other_role(first));
    sf_write_format(s, "%s closed its direction (FIN, packet %llu", capital(first), packet);
    if (end->fins > 1)
        sf_write_format(s, ", sent %llu times", (unsigned long long)end->fins);
    if (other->packets == 0)
        sf_write_format(s, "); what the %s did then was not captured.", other_role(first));
    else if (anomaly(r, SF_ANOMALY_FIN_UNACKNOWLEDGED) != NULL)
        sf_write(s, "); the FIN was never acknowledged.");
    else
        sf_write_format(s, "); the %s's was still open when the capture ended.", other_role(first));
}

static void say_reset_when(struct sf_writer *s, const struct sf_flow *flow,
                           const struct sf_record *r)
{
    const char *peer = other_role(r->reset_by);
    const struct sf_endpoint *ep =
        &flow->ep[strcmp(peer, "client") == 0 ? flow->client : 1 - flow->client];
    if (ep->data_packets == 0 || flow->reset.ts_ns < ep->last_data_ns)
        return;
    sf_write(s, " ");
    say_span(s, flow->reset.ts_ns - ep->last_data_ns);
    sf_write_format(s, " after the %s's last data", peer);
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
    sf_write_format(s, from_client > 0 && from_server > 0 ? " and " : "");
    if (from_server > 0) {
        say_count(s, from_server);
        sf_write(s, " from the server");
    }
    sf_write_format(s, from_client + from_server == 1 ? " was" : " were");
    sf_write(s, " never acknowledged.");
}

static void say_half_open(struct sf_writer *s, const struct sf_record *r, bool reopened)
{
    sf_write_format(
        s,
        reopened
            ? "Half-open: the %s had opened anew and answered the old connection by RST "
              "(packet %llu)"
            : "Half-open: the %s answered by RST (packet %llu), as if it had no such connection",
        r->reset_by, (unsigned long long)r->reset_packet);
}

static void say_reset_by(struct sf_writer *s, const struct sf_flow *flow, const struct sf_record *r)
{
    const struct sf_timeline_entry *fin = change(r, SF_CAUSE_SENT_FIN, r->reset_by);
    bool late = strcmp(r->reset_kind, "late_data") == 0;
    bool after_fin = late || strcmp(r->reset_kind, "after_fin") == 0;
    if (after_fin && fin != NULL)
        sf_write_format(s, "%s closed (FIN, packet %llu), then reset the connection",
                        capital(r->reset_by), (unsigned long long)fin->packet);
    else
        sf_write_format(s, "%s reset the connection", capital(r->reset_by));
    if (!after_fin)
        say_reset_when(s, flow, r);
    sf_write_format(s, " (packet %llu)%s", (unsigned long long)r->reset_packet,
                    late ? " when more data came" : "");
}

static void say_reset(struct sf_writer *s, const struct sf_flow *flow, const struct sf_record *r)
{
    const struct sf_anomaly_entry *half_open = anomaly(r, SF_ANOMALY_HALF_OPEN);
    if (strcmp(r->reset_kind, "lone") == 0) {
        sf_write_format(s, "A lone RST from the %s (packet %llu): its connection was not captured.",
                        r->reset_by, (unsigned long long)r->reset_packet);
        return;
    }
    if (half_open != NULL && strcmp(r->reset_kind, "no_connection") == 0)
        say_half_open(s, r, strstr(half_open->detail, "kind=reopen") != NULL);
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
    if (silent != NULL)
        sf_write_format(s, "%s fell silent: %s (packet %llu); ",
                        capital(other_role(sf_role_name(silent->end))), silent->detail,
                        (unsigned long long)silent->first_packet);
    else
        sf_write_format(s, "%s; ", left[flow->ended_by]);
    say_octets(s, r);
    sf_write(s, ".");
}

/* --- the whole ---------------------------------------------------------------------------------
 */

static void say_opening(struct sf_writer *s, const struct sf_record *r)
{
    static const struct {
        const char *how, *text;
    } unusual[] = {
        {"midstream", "The capture began after the opening. "},
        {"one_sided", "Only one direction was captured. "},
        {"simultaneous", "Both ends opened at once. "},
        {"split", "Opened by a split handshake. "},
        {"fast_open", "Opened with data in the SYN (fast open). "},
        {"syn_ack_only", "The client's SYN was not captured. "},
    };
    for (size_t i = 0; i < sizeof unusual / sizeof unusual[0]; i++)
        if (strcmp(r->open_how, unusual[i].how) == 0)
            sf_write_format(s, "%s", unusual[i].text);
}

static void say_anomaly(struct sf_writer *s, const struct sf_anomaly_entry *entry)
{
    const char *role = sf_role_name(entry->end);
    bool has_kind = strncmp(entry->detail, "kind=", 5) == 0;
    const char *detail = has_kind ? strstr(entry->detail, ": ") + 2 : entry->detail;
    sf_write_format(s, " %s: %s (packet%s %llu", role == NULL ? "On the way" : capital(role),
                    detail, entry->count > 1 ? "s" : "", (unsigned long long)entry->first_packet);
    if (entry->count > 1)
        sf_write_format(s, " to %llu", (unsigned long long)entry->last_packet);
    sf_write(s, ").");
}

enum { TROUBLES_SAID = 2 };

/* The first sentence has told of a half-open connection that a RST ended, and of an end that fell
 * silent. */
static bool is_told(const struct sf_record *r, enum sf_anomaly name)
{
    bool silence = name == SF_ANOMALY_PEER_SILENT || name == SF_ANOMALY_HALF_OPEN;
    bool ended = name == SF_ANOMALY_HALF_OPEN && r->reset_by != NULL;
    bool open = strcmp(r->close_how, "none") == 0;
    return ended || (silence && open && anomaly(r, SF_ANOMALY_PEER_SILENT) != NULL);
}

/* What went wrong on the way, the most telling first. */
static void say_trouble(struct sf_writer *s, const struct sf_record *r)
{
    static const enum sf_anomaly told[] = {
        SF_ANOMALY_HALF_OPEN,     SF_ANOMALY_KEEP_ALIVE_UNANSWERED, SF_ANOMALY_PEER_SILENT,
        SF_ANOMALY_RESET_INVALID, SF_ANOMALY_RESET_IGNORED,         SF_ANOMALY_RESET_CHALLENGED,
        SF_ANOMALY_ZERO_WINDOW,   SF_ANOMALY_RETRANSMISSION,        SF_ANOMALY_CAPTURE_LOSS,
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

static bool is_stillborn(const char *how)
{
    return strcmp(how, "unanswered") == 0 || strcmp(how, "refused") == 0 ||
           strcmp(how, "incomplete") == 0;
}

static bool is_synack_alone(const struct sf_record *r)
{
    return strcmp(r->open_how, "syn_ack_only") == 0 && r->end[SF_CLIENT].data_packets == 0 &&
           r->end[SF_CLIENT].acks == 0;
}

static void say_ending(struct sf_writer *s, const struct sf_flow *flow, const struct sf_record *r)
{
    if (is_synack_alone(r) && r->reset_by == NULL)
        sf_write_format(s, "A SYN-ACK (packet %llu) that nothing followed: backscatter, or a scan.",
                        (unsigned long long)r->first_packet);
    else if (r->reset_by != NULL)
        say_reset(s, flow, r);
    else if (strcmp(r->close_how, "fin") == 0 || strcmp(r->close_how, "fin_unacked") == 0)
        say_fin(s, flow, r);
    else if (strcmp(r->close_how, "simultaneous") == 0)
        say_simultaneous_close(s, r);
    else if (strcmp(r->close_how, "half_closed") == 0)
        say_half_closed(s, r);
    else
        say_open(s, flow, r);
}

static void say_stillborn(struct sf_writer *s, const struct sf_record *r)
{
    if (strcmp(r->open_how, "unanswered") == 0)
        say_unanswered(s, r);
    else if (strcmp(r->open_how, "refused") == 0)
        say_refused(s, r);
    else
        say_incomplete(s, r);
}

void sf_record_verdict(const struct sf_flow *flow, struct sf_record *r)
{
    struct sf_writer s = sf_writer_of(r->verdict, sizeof r->verdict);
    if (is_stillborn(r->open_how)) {
        say_stillborn(&s, r);
    } else {
        say_opening(&s, r);
        say_ending(&s, flow, r);
        say_trouble(&s, r);
    }
    if (flow->dropped > 0)
        sf_write_format(
            &s, " The capture dropped %llu packet%s meanwhile: what is missing may be among them.",
            (unsigned long long)flow->dropped, flow->dropped == 1 ? "" : "s");
}
