/* A connection that has left the table: what only its end tells, and its record of plain values. */
#include "synfin/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "synfin/address.h"
#include "track_internal.h"

/* So long without any packet in spite of three sendings, an end is suspected to be gone. */
static const sf_ns SUSPECT_GONE = 15 * SF_SEC;
/* A keep-alive is answered within a second, or it was not. */
static const sf_ns KEEP_ALIVE_ANSWER = SF_SEC;
/* An answer to a SYN takes less. */
static const sf_ns SYN_ANSWER = SF_SEC;
/* By then a sender with octets outstanding would have sent again (RFC 6298 §2.1's first RTO). */
static const sf_ns SENDING_DUE = SF_SEC;

static const struct sf_endpoint *client_of(const struct sf_flow *flow)
{
    return &flow->ep[flow->client];
}

static const struct sf_endpoint *server_of(const struct sf_flow *flow)
{
    return &flow->ep[1 - flow->client];
}

/* --- how it opened ---------------------------------------------------------------------------- */

static uint32_t pure_syns(const struct sf_endpoint *ep)
{
    return ep->syns - ep->syn_acks;
}

static bool sent_after_syn_ack(const struct sf_endpoint *ep)
{
    return ep->syn_acks > 0 && ep->packets > (uint64_t)ep->syns + ep->rsts;
}

/* Only `ep` was captured, and its own numbers prove that the handshake was completed. */
static bool proves_handshake_alone(const struct sf_endpoint *ep, const struct sf_endpoint *silent)
{
    if (silent->packets > 0)
        return false;
    return (pure_syns(ep) > 0 && ep->acked_peer_syn) || sent_after_syn_ack(ep);
}

static bool is_proved_alone(const struct sf_flow *flow)
{
    return proves_handshake_alone(&flow->ep[0], &flow->ep[1]) ||
           proves_handshake_alone(&flow->ep[1], &flow->ep[0]);
}

/* What comes after a RST completes nothing. */
static bool has_completing_ack(const struct sf_flow *flow)
{
    return sf_ns_known(flow->ack_ns) &&
           (!sf_flow_has_reset(flow) || flow->ack_ns <= flow->reset.ts_ns);
}

static bool is_handshake(const struct sf_flow *flow)
{
    const struct sf_endpoint *client = client_of(flow), *server = server_of(flow);
    bool answered = server->syn_acks > 0 || server->state > SF_SYN_RECEIVED ||
                    (server->packets > server->rsts && server->data_packets > 0);
    bool acked = client->acked_peer_syn && client->packets > (uint64_t)client->syns + client->rsts;
    bool was_over = !has_completing_ack(flow) && sf_flow_has_reset(flow) &&
                    sf_noted_any(flow, SF_ANOMALY_RESET_IN_HANDSHAKE);
    return pure_syns(client) > 0 && answered && acked && !was_over;
}

static bool is_simultaneous(const struct sf_flow *flow)
{
    return flow->is_simultaneous && !flow->is_split;
}

static enum sf_opening opening_of(const struct sf_flow *flow)
{
    if (is_proved_alone(flow))
        return SF_OPENING_ONE_SIDED;
    if (is_simultaneous(flow))
        return SF_OPENING_SIMULTANEOUS;
    if (flow->is_split)
        return SF_OPENING_SPLIT;
    if (flow->is_fast_open)
        return SF_OPENING_FAST_OPEN;
    if (is_handshake(flow))
        return SF_OPENING_HANDSHAKE;
    if (flow->is_refused)
        return SF_OPENING_REFUSED;
    bool has_syn = pure_syns(client_of(flow)) > 0;
    if (server_of(flow)->syn_acks > 0)
        return has_syn ? SF_OPENING_INCOMPLETE : SF_OPENING_SYN_ACK_ONLY;
    return has_syn ? SF_OPENING_UNANSWERED : SF_OPENING_MIDSTREAM;
}

/* --- how it closed ---------------------------------------------------------------------------- */

static enum sf_closing closing_of(const struct sf_flow *flow)
{
    bool first = flow->ep[0].fin != SF_OFFSET_NONE, second = flow->ep[1].fin != SF_OFFSET_NONE;
    if (sf_flow_has_reset(flow))
        return SF_CLOSING_RESET;
    if (first && second && sf_flow_both_fins_acked(flow))
        return flow->fins_crossed ? SF_CLOSING_SIMULTANEOUS : SF_CLOSING_FIN;
    if (first && second)
        return SF_CLOSING_FIN_UNACKED;
    return first || second ? SF_CLOSING_HALF_CLOSED : SF_CLOSING_NONE;
}

/* --- what only the end tells ------------------------------------------------------------------ */

/* The packet with which an end first did that, or the connection's last. */
static uint64_t packet_of(const struct sf_flow *flow, enum sf_cause cause, int dir)
{
    const struct sf_change *change = sf_flow_change(flow, cause, dir);
    return change != NULL ? change->packet : flow->last_packet;
}

static void note_fin(struct sf_tracker *t, struct sf_flow *flow, enum sf_anomaly name, int end)
{
    sf_note(t, flow, name, end, packet_of(flow, SF_CAUSE_SENT_FIN, end), 0);
}

static void note(struct sf_tracker *t, struct sf_flow *flow, enum sf_anomaly name, int end)
{
    sf_note(t, flow, name, end, flow->last_packet, 0);
}

/* A handshake that was not completed, as an anomaly of `end`. */
struct failed_opening {
    enum sf_anomaly name; /* SF_ANOMALY_COUNT: it did not fail */
    int end;
    enum sf_note_kind kind;
    uint64_t packet;
};

/* No more was waited for an answer when the capture ended. */
static bool is_cut_short(const struct sf_flow *flow, sf_ns end_ns)
{
    return sf_ns_known(end_ns) && flow->ended_by == SF_ENDED_OPEN &&
           end_ns - flow->first_ns < SYN_ANSWER;
}

/* `end_ns`: of the capture, UNKNOWN while it goes on. */
static struct failed_opening failed_opening(const struct sf_flow *flow, enum sf_opening opening,
                                            sf_ns end_ns)
{
    int client = flow->client, server = 1 - flow->client;
    uint64_t syn_ack = packet_of(flow, SF_CAUSE_SENT_SYN_ACK, server);
    bool is_answered = sf_noted_any(flow, SF_ANOMALY_HALF_OPEN); /* for an older connection */
    if (sf_flow_has_reset(flow))
        return (struct failed_opening){.name = SF_ANOMALY_COUNT};
    if (opening == SF_OPENING_UNANSWERED && !is_answered)
        return (struct failed_opening){
            SF_ANOMALY_UNANSWERED, client,
            is_cut_short(flow, end_ns) ? SF_KIND_CUT_SHORT : SF_KIND_NONE, flow->first_packet};
    if (opening == SF_OPENING_INCOMPLETE)
        return (struct failed_opening){SF_ANOMALY_EMBRYONIC, server, SF_KIND_SYN_RECEIVED, syn_ack};
    if (opening == SF_OPENING_HANDSHAKE && server_of(flow)->state == SF_SYN_RECEIVED)
        return (struct failed_opening){SF_ANOMALY_EMBRYONIC, server, SF_KIND_ACK_UNCONFIRMED,
                                       syn_ack};
    return (struct failed_opening){.name = SF_ANOMALY_COUNT};
}

/* Once, however often it is looked at; what was overdue and came after all is taken back. */
static void note_failed_opening(struct sf_tracker *t, struct sf_flow *flow, enum sf_opening opening,
                                sf_ns end_ns)
{
    static const enum sf_anomaly names[] = {SF_ANOMALY_UNANSWERED, SF_ANOMALY_EMBRYONIC};
    struct failed_opening failed = failed_opening(flow, opening, end_ns);
    bool is_noted = false;
    for (int i = 0; i < 2 * SF_DIR_COUNT && flow->note_count > 0; i++) {
        struct sf_noted *noted = sf_noted_find(flow, names[i / 2], i % 2);
        if (noted == NULL)
            continue;
        is_noted = noted->name == failed.name && i % 2 == failed.end && noted->kind == failed.kind;
        if (is_noted)
            noted->last_packet = failed.packet;
        else
            sf_note_drop(flow, names[i / 2], i % 2);
    }
    if (!is_noted && failed.name != SF_ANOMALY_COUNT)
        sf_note_kind(t, flow, failed.name, failed.end, failed.packet, 0, failed.kind, SF_PROBLEM);
}

void sf_record_note_overdue(struct sf_tracker *t, struct sf_flow *flow)
{
    if (!flow->is_closed)
        note_failed_opening(t, flow, opening_of(flow), SF_NS_UNKNOWN);
}

static void conclude_opening(struct sf_tracker *t, struct sf_flow *flow)
{
    enum sf_opening opening = opening_of(flow);
    note_failed_opening(t, flow, opening, t->now_ns);
    if (opening == SF_OPENING_ONE_SIDED)
        note(t, flow, SF_ANOMALY_ONE_SIDED, flow->ep[0].packets > 0 ? 0 : 1);
    else if (is_simultaneous(flow) && !sf_noted_any(flow, SF_ANOMALY_SIMULTANEOUS_OPEN))
        note(t, flow, SF_ANOMALY_SIMULTANEOUS_OPEN, SF_EITHER_END);
}

/* Midstream, one direction: the other end's acknowledgements move, yet no packet of it was seen. */
static void conclude_one_sided(struct sf_tracker *t, struct sf_flow *flow)
{
    if (!flow->is_midstream)
        return;
    for (int dir = 0; dir < SF_DIR_COUNT; dir++) {
        const struct sf_endpoint *ep = &flow->ep[dir], *silent = &flow->ep[1 - dir];
        if (silent->packets == 0 && (silent->snd_una > 1 || ep->snd_una > 1))
            note(t, flow, SF_ANOMALY_ONE_SIDED, dir);
    }
}

static void conclude_closing(struct sf_tracker *t, struct sf_flow *flow)
{
    if (sf_flow_has_reset(flow) || flow->first_fin == SF_NO_FIN)
        return;
    int first = flow->first_fin, second = 1 - first;
    bool has_second = flow->ep[second].fin != SF_OFFSET_NONE;
    if (has_second) {
        const int ends[] = {first, second};
        for (size_t i = 0; i < SF_DIR_COUNT; i++)
            if (!flow->ep[ends[i]].fin_acked)
                note_fin(t, flow, SF_ANOMALY_LAST_ACK_MISSING, ends[i]);
    } else if (!flow->ep[first].fin_acked) {
        if (flow->ep[second].packets > 0)
            note_fin(t, flow, SF_ANOMALY_FIN_UNACKNOWLEDGED, first);
    } else if (!sf_noted_any(flow, SF_ANOMALY_HALF_CLOSED)) {
        note(t, flow, SF_ANOMALY_HALF_CLOSED, first);
    }
}

/* Long ago, or its sender gave up. */
static bool is_keep_alive_unanswered(const struct sf_tracker *t, const struct sf_flow *flow,
                                     int dir)
{
    const struct sf_endpoint *ep = &flow->ep[dir];
    bool gave_up = sf_flow_has_reset(flow) && flow->reset.by == dir && ep->unheard.keep_alives > 1;
    return ep->unheard.keep_alives > 0 && (gave_up || t->now_ns - ep->last_ns >= KEEP_ALIVE_ANSWER);
}

/* One end's last sendings into silence. */
static void conclude_silence(struct sf_tracker *t, struct sf_flow *flow, int dir)
{
    const struct sf_endpoint *ep = &flow->ep[dir], *peer = &flow->ep[1 - dir];
    if (is_keep_alive_unanswered(t, flow, dir))
        sf_note(t, flow, SF_ANOMALY_KEEP_ALIVE_UNANSWERED, dir, ep->keep_alive_packet, 0);
    if (peer->packets == 0 || sf_flow_has_reset(flow))
        return;
    if (ep->unheard.sendings < 3 || ep->state == SF_SYN_SENT || ep->state == SF_SYN_RECEIVED)
        return;
    sf_note(t, flow, SF_ANOMALY_PEER_SILENT, dir, flow->last_packet, ep->unheard.sendings);
    if (flow->last_ns - peer->last_ns >= SUSPECT_GONE &&
        sf_state_is_synchronized((enum sf_tcp_state)peer->state))
        sf_note_kind(t, flow, SF_ANOMALY_HALF_OPEN, 1 - dir, flow->last_packet, 0,
                     SF_KIND_SUSPECTED, SF_PROBLEM);
}

/* The RST's receiver said nothing more, though it had something to say; or went on to a new one. */
static void conclude_reset(struct sf_tracker *t, struct sf_flow *flow)
{
    if (flow->challenge_packet != 0 && !sf_flow_has_reset(flow))
        sf_note_kind(t, flow, SF_ANOMALY_RESET_INVALID, flow->challenge_by, flow->challenge_packet,
                     0, SF_KIND_IN_WINDOW, SF_WARNING);
    if (flow->reset.packet == 0 || flow->reset.effect != SF_EFFECT_UNKNOWN)
        return;
    const struct sf_endpoint *receiver = &flow->ep[1 - flow->reset.by];
    bool silent = receiver->last_ns <= flow->reset.ts_ns;
    bool due = receiver->snd_nxt > receiver->snd_una && t->now_ns - flow->reset.ts_ns > SENDING_DUE;
    if ((silent && due) || flow->ended_by == SF_ENDED_REUSED || flow->view_next_packet != 0)
        flow->reset.effect = SF_EFFECT_EFFECTIVE;
}

void sf_record_conclude(struct sf_tracker *t, struct sf_flow *flow)
{
    flow->dropped = sf_dropped_during(t, flow);
    sf_ack_judge_losses(t, flow, t->now_ns, true);
    conclude_opening(t, flow);
    conclude_one_sided(t, flow);
    conclude_reset(t, flow);
    conclude_closing(t, flow);
    conclude_silence(t, flow, flow->client);
    conclude_silence(t, flow, 1 - flow->client);
}

/* --- the record ------------------------------------------------------------------------------- */

/* What was seen is so; what was not is absent only where all is known. */
static enum sf_tri known_if(bool was_seen, bool is_all_known)
{
    return was_seen ? SF_TRI_TRUE : is_all_known ? SF_TRI_FALSE : SF_TRI_UNKNOWN;
}

static void fill_options(const struct sf_flow *flow, int dir, struct sf_record_end *out)
{
    const struct sf_endpoint *ep = &flow->ep[dir], *client = client_of(flow),
                             *server = server_of(flow);
    bool has_syn = ep->syns > 0 && ep->has_iss;
    bool has_options = has_syn && !(ep->syn_options & SF_OPT_TRUNCATED); /* all of them */
    out->isn = has_syn ? ep->base.n : SF_COUNT_UNKNOWN;
    out->mss = ep->mss != 0 ? ep->mss : SF_COUNT_UNKNOWN;
    out->window_scale = ep->has_wscale ? ep->wscale_sent : SF_COUNT_UNKNOWN;
    bool permits_sack = ep->syn_options & SF_OPT_HAS_SACK_PERMITTED;
    bool is_cut = has_syn && !has_options;
    out->sack_permitted = known_if(permits_sack, has_options);
    out->timestamps = known_if(ep->saw_timestamps, ep->packets != ep->rsts && !is_cut);
    out->mptcp = known_if(ep->saw_mptcp, has_options);
    out->fast_open_cookie = known_if(ep->saw_fast_open, has_options);
    /* RFC 3168 §6.1.1: SYN with ECE and CWR, SYN-ACK with ECE alone. */
    bool known = client->has_iss && server->has_iss && server->syn_acks > 0;
    out->ecn_negotiated =
        !known ? SF_TRI_UNKNOWN
        : client->syn_flags_ecn == (SF_TH_ECE | SF_TH_CWR) && server->syn_flags_ecn == SF_TH_ECE
            ? SF_TRI_TRUE
            : SF_TRI_FALSE;
}

static void fill_counts(const struct sf_endpoint *ep, struct sf_record_end *out)
{
    out->ecn_ce = ep->ecn_ce;
    out->ecn_ece = ep->ecn_ece;
    out->ecn_cwr = ep->ecn_cwr;
    out->ttl_min = ep->packets > 0 ? ep->ttl_min : SF_COUNT_UNKNOWN;
    out->ttl_max = ep->packets > 0 ? ep->ttl_max : SF_COUNT_UNKNOWN;
    out->packets = ep->packets;
    out->ip_bytes = ep->ip_bytes;
    out->payload_bytes = ep->payload_bytes;
    out->data_packets = ep->data_packets;
    out->acks = ep->packets - ep->without_ack;
    out->pure_acks = ep->packets - ep->data_packets - ep->other_packets;
    out->syns = ep->syns;
    out->fins = ep->fins;
    out->rsts = ep->rsts;
    out->pushes = ep->pushes;
    out->urgents = ep->urgents;
    out->retransmitted_packets = ep->resent_packets;
    out->retransmitted_bytes = ep->resent_bytes;
    out->retransmissions_timeout = ep->resent_by[SF_RESEND_TIMEOUT];
    out->retransmissions_fast = ep->resent_by[SF_RESEND_FAST];
    out->retransmissions_tail_probe = ep->resent_by[SF_RESEND_TAIL_PROBE];
    out->retransmissions_spurious = ep->resent_by[SF_RESEND_SPURIOUS];
    out->out_of_order_packets = ep->out_of_order;
    out->duplicate_acks = ep->duplicate_acks;
    out->sack_packets = ep->sack_packets;
    out->dsack_packets = ep->dsack_packets;
    out->keep_alives = ep->keep_alives;
    out->zero_window_probes = ep->window_probes;
    out->zero_windows = ep->zero_windows;
    out->window_full = ep->window_full;
    out->capture_duplicates = ep->capture_duplicates;
    out->idle_max_ns = ep->packets > 1 ? ep->idle_max_ns : SF_NS_UNKNOWN;
}

/* Octets of sequence space that the end used; SYN and FIN are not among them. Never fewer than were
 * captured: a FIN amid the data, a second initial number. */
static uint64_t stream_octets(const struct sf_endpoint *ep)
{
    if (!ep->has_base)
        return 0;
    sf_offset begin = ep->low < 1 && ep->has_iss ? 1 : ep->low;
    bool has_fin = ep->fin != SF_OFFSET_NONE && ep->snd_nxt > ep->fin && ep->fin >= begin;
    sf_offset end = ep->snd_nxt - has_fin;
    uint64_t octets = end > begin ? (uint64_t)(end - begin) : 0;
    return octets > ep->unique_bytes ? octets : ep->unique_bytes;
}

static void fill_progress(const struct sf_flow *flow, int dir, struct sf_record_end *out)
{
    const struct sf_endpoint *ep = &flow->ep[dir], *peer = &flow->ep[1 - dir];
    out->unique_bytes = ep->unique_bytes;
    out->stream_bytes = stream_octets(ep);
    out->missing_bytes = sf_hole_missing(ep);
    out->in_flight_max =
        peer->packets > 0 && ep->packets > 0 ? ep->in_flight_max : SF_COUNT_UNKNOWN;
    out->initial_window_bytes = !ep->has_iss          ? SF_COUNT_UNKNOWN
                                : ep->acks_beyond_syn ? ep->initial_window
                                                      : ep->unique_bytes;
    out->segment_min = ep->data_packets > 0 ? ep->segment_min : SF_COUNT_UNKNOWN;
    out->segment_max = ep->data_packets > 0 ? ep->segment_max : SF_COUNT_UNKNOWN;
    out->segment_avg =
        ep->data_packets > 0 ? (double)ep->payload_bytes / (double)ep->data_packets : NAN;
    sf_ns span = ep->last_data_ns - ep->first_data_ns;
    out->throughput = ep->data_packets > 1 && span > 0
                          ? (double)ep->unique_bytes * (double)SF_SEC / (double)span
                          : NAN;
    out->rtt = sf_samples_times(&ep->rtt);
    bool is_server = dir != (int)flow->client;
    out->response_time = sf_samples_times(is_server ? &ep->response : &(struct sf_samples){0});
}

static void fill_window(const struct sf_flow *flow, int dir, struct sf_record_end *out)
{
    const struct sf_endpoint *ep = &flow->ep[dir];
    out->window_min = ep->has_window ? ep->window_min : SF_COUNT_UNKNOWN;
    out->window_max = ep->has_window ? ep->window_max : SF_COUNT_UNKNOWN;
    out->window_last = ep->has_window ? ep->window_now : SF_COUNT_UNKNOWN;
    sf_ns open_since = ep->is_window_zero ? flow->last_ns - ep->window_turn_ns : 0;
    out->zero_window_time_ns = ep->zero_time_ns + open_since;
}

static void fill_end(const struct sf_flow *flow, int dir, struct sf_record_end *out)
{
    const struct sf_endpoint *ep = &flow->ep[dir];
    sf_address_text(out->ip, flow->key.addr[dir], flow->key.scope.ip_version);
    out->port = flow->key.port[dir];
    out->state = sf_state_name((enum sf_tcp_state)ep->state);
    out->state_proved = ep->state == SF_STATE_NONE ? SF_TRI_UNKNOWN : (enum sf_tri)ep->is_proved;
    fill_options(flow, dir, out);
    fill_counts(ep, out);
    fill_progress(flow, dir, out);
    fill_window(flow, dir, out);
}

static void fill_opening(const struct sf_flow *flow, struct sf_record *out)
{
    static const char *const bases[] = {[SF_ROLE_BY_FIRST_PACKET] = "first_packet",
                                        [SF_ROLE_BY_PORT] = "port",
                                        [SF_ROLE_BY_SYN_ACK] = "syn_ack",
                                        [SF_ROLE_BY_SYN] = "syn"};
    out->role_basis = bases[flow->role_basis];
    out->opening = opening_of(flow);
    out->open_how = sf_opening_name(out->opening);
    bool first = sf_ns_known(flow->syn_ns) && sf_ns_known(flow->syn_ack_ns) &&
                 flow->syn_ack_ns >= flow->syn_ns;
    bool second = sf_ns_known(flow->syn_ack_ns) && has_completing_ack(flow) &&
                  flow->ack_ns >= flow->syn_ack_ns && !sf_flow_syns_crossed(flow);
    out->open_syn_ack_delay_ns = first ? flow->syn_ack_ns - flow->syn_ns : SF_NS_UNKNOWN;
    out->open_ack_delay_ns = second ? flow->ack_ns - flow->syn_ack_ns : SF_NS_UNKNOWN;
    out->open_rtt_ns = first && second ? flow->ack_ns - flow->syn_ns : SF_NS_UNKNOWN;
}

static void fill_closing(const struct sf_flow *flow, struct sf_record *out)
{
    static const char *const ended[] = {
        [SF_ENDED_OPEN] = "capture_end", [SF_ENDED_CLOSED] = "closed",
        [SF_ENDED_REUSED] = "reused",    [SF_ENDED_IDLE] = "idle",
        [SF_ENDED_EVICTED] = "evicted",  [SF_NOT_ENDED] = NULL};
    out->closing = closing_of(flow);
    out->close_how = sf_closing_name(out->closing);
    out->close_first =
        flow->first_fin == SF_NO_FIN ? NULL : sf_role_name(sf_role_of(flow, flow->first_fin));
    out->ended_by = ended[flow->ended_by];
    out->reset_by = out->reset_kind = out->reset_validity = out->reset_effect = NULL;
    out->reset_packet = SF_COUNT_UNKNOWN;
    if (!sf_flow_has_reset(flow))
        return;
    const struct sf_reset *reset = &flow->reset;
    out->reset_by = sf_role_name(sf_role_of(flow, reset->by));
    out->reset_packet = reset->packet;
    out->reset_kind = sf_reset_kind_name((enum sf_reset_kind)reset->kind);
    out->reset_validity = sf_reset_validity_name((enum sf_reset_validity)reset->validity);
    out->reset_effect = sf_reset_effect_name((enum sf_reset_effect)reset->effect);
}

static void *room_for(void *array, size_t *capacity, size_t count, size_t size)
{
    if (count <= *capacity)
        return array;
    void *more = realloc(array, count * size);
    if (more == NULL)
        return array;
    *capacity = count;
    return more;
}

static void fill_timeline(struct sf_tracker *t, const struct sf_flow *flow, struct sf_record *out)
{
    t->timeline =
        room_for(t->timeline, &t->timeline_capacity, flow->change_count, sizeof *t->timeline);
    size_t count =
        flow->change_count < t->timeline_capacity ? flow->change_count : t->timeline_capacity;
    for (size_t i = 0; i < count; i++) {
        const struct sf_change *change = &flow->changes[i];
        t->timeline[i] = (struct sf_timeline_entry){.packet = change->packet,
                                                    .t_ns = change->ts_ns - flow->first_ns,
                                                    .end = sf_role_of(flow, change->dir),
                                                    .from = (enum sf_tcp_state)change->from,
                                                    .to = (enum sf_tcp_state)change->to,
                                                    .proved = change->proved,
                                                    .cause = (enum sf_cause)change->cause};
    }
    out->timeline = t->timeline;
    out->timeline_count = count;
}

static void fill_anomalies(struct sf_tracker *t, const struct sf_flow *flow, struct sf_record *out)
{
    t->anomalies =
        room_for(t->anomalies, &t->anomaly_capacity, flow->note_count, sizeof *t->anomalies);
    size_t count = flow->note_count < t->anomaly_capacity ? flow->note_count : t->anomaly_capacity;
    out->severity = SF_SEVERITY_OK;
    for (size_t i = 0; i < count; i++) {
        const struct sf_noted *noted = &flow->notes[i];
        struct sf_anomaly_entry *entry = &t->anomalies[i];
        entry->name = (enum sf_anomaly)noted->name;
        entry->end = sf_role_of(flow, noted->end);
        entry->severity = (enum sf_severity)noted->severity;
        entry->count = noted->count;
        entry->first_packet = noted->first_packet;
        entry->last_packet = noted->last_packet;
        sf_note_detail(flow, noted, entry->detail);
        if (entry->severity > out->severity)
            out->severity = entry->severity;
    }
    out->anomalies = t->anomalies;
    out->anomaly_count = count;
}

void sf_record_identify(const struct sf_flow *flow, struct sf_record *out)
{
    out->id = flow->id;
    out->first_packet = flow->first_packet;
    out->key = flow->key;
    out->client = (enum sf_dir)flow->client;
    out->view = flow->view;
    out->view_next_packet = flow->view_next_packet;
}

/* The views say it later. */
static void clear_views(struct sf_record_views *views)
{
    views->zeek_conn_state = views->zeek_originator = NULL;
    views->zeek_history[0] = '\0';
    views->zeek_orig_bytes = views->zeek_resp_bytes = views->zeek_missed_bytes = SF_COUNT_UNKNOWN;
    views->zeek_records = views->wireshark_completeness = SF_COUNT_UNKNOWN;
}

static void fill_encapsulation(const struct sf_flow *flow, struct sf_record *out)
{
    out->vlan_count = flow->vlan_count;
    out->tunnel_count = flow->tunnel_count < SF_TUNNEL_MAX ? flow->tunnel_count : SF_TUNNEL_MAX;
    memcpy(out->vlan, flow->vlan, sizeof out->vlan);
    for (unsigned i = 0; i < out->tunnel_count; i++) {
        out->tunnel[i].type = sf_tunnel_name((enum sf_tunnel_kind)flow->tunnel_kind[i]);
        out->tunnel[i].id = flow->tunnel_id[i];
    }
}

/* Member by member: most of the record is room for texts, which need not be cleared. */
void sf_record_fill(struct sf_tracker *t, struct sf_flow *flow, struct sf_record *out)
{
    sf_record_identify(flow, out);
    sf_record_uid(flow, out->uid);
    sf_record_community_id(&flow->key, out->community_id);
    out->start_ns = flow->first_ns;
    out->end_ns = flow->last_ns;
    out->duration_ns = flow->last_ns - flow->first_ns;
    out->last_packet = flow->last_packet;
    out->dropped_during = t->drops.is_told ? flow->dropped : SF_COUNT_UNKNOWN;
    fill_encapsulation(flow, out);
    fill_opening(flow, out);
    fill_closing(flow, out);
    fill_end(flow, flow->client, &out->end[SF_CLIENT]);
    fill_end(flow, 1 - flow->client, &out->end[SF_SERVER]);
    fill_timeline(t, flow, out);
    fill_anomalies(t, flow, out);
    clear_views(&out->views);
    sf_record_verdict(flow, out);
}

void sf_record_fill_open(struct sf_tracker *t, struct sf_flow *flow, struct sf_record *out)
{
    flow->ended_by = SF_NOT_ENDED;
    flow->dropped = sf_dropped_during(t, flow);
    sf_record_fill(t, flow, out);
    flow->ended_by = SF_ENDED_OPEN;
}
