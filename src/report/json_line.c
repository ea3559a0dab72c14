/* Event and segment lines: written straight, there may be one for every packet. */
#include "report_internal.h"

#include "json_shape.h"
#include "synfin/address.h"

#define PUT(buffer, literal) sf_put(buffer, literal, sizeof(literal) - 1)

static void put_state_change(struct sf_buffer *buffer, const struct sf_event *event)
{
    PUT(buffer, ",\"kind\":\"state\",\"from\":");
    sf_put_json_name(buffer, sf_state_name(event->from));
    PUT(buffer, ",\"to\":");
    sf_put_json_name(buffer, sf_state_name(event->to));
    sf_put_text(buffer, event->proved ? ",\"proved\":true" : ",\"proved\":false");
    PUT(buffer, ",\"cause\":");
    sf_put_json_name(buffer, sf_cause_name(event->cause));
}

static void put_anomaly(struct sf_buffer *buffer, const struct sf_event *event)
{
    PUT(buffer, ",\"kind\":\"anomaly\",\"name\":");
    sf_put_json_name(buffer, sf_anomaly_name(event->anomaly));
    PUT(buffer, ",\"severity\":");
    sf_put_json_name(buffer, sf_severity_name(event->severity));
    PUT(buffer, ",\"detail\":");
    sf_put_json_string(buffer, event->detail);
}

static void put_address(struct sf_buffer *buffer, const struct sf_flow_key *key, enum sf_dir dir)
{
    char ip[SF_ADDRESS_TEXT];
    PUT(buffer, "{\"ip\":");
    sf_put_json_name(buffer, sf_address_text(ip, key->addr[dir], key->scope.ip_version));
    PUT(buffer, ",\"port\":");
    sf_put_count(buffer, key->port[dir]);
    sf_put_char(buffer, '}');
}

void sf_put_json_event(struct sf_buffer *buffer, const struct sf_event *event)
{
    PUT(buffer, "{\"type\":\"event\",\"packet\":");
    sf_put_count(buffer, event->packet);
    PUT(buffer, ",\"time\":\"");
    sf_put_time(buffer, event->time_ns);
    PUT(buffer, "\",\"t\":");
    sf_put_seconds(buffer, event->t_ns);
    PUT(buffer, ",\"conn\":");
    sf_put_count(buffer, event->conn);
    PUT(buffer, ",\"client\":");
    put_address(buffer, &event->key, event->client);
    PUT(buffer, ",\"server\":");
    put_address(buffer, &event->key, sf_dir_other(event->client));
    PUT(buffer, ",\"end\":");
    sf_put_json_name(buffer, sf_role_name(event->end));
    switch (event->kind) {
    case SF_EVENT_STATE: put_state_change(buffer, event); break;
    case SF_EVENT_ANOMALY: put_anomaly(buffer, event); break;
    }
    sf_put_char(buffer, '}');
}

static void put_labels(struct sf_buffer *buffer, uint32_t labels)
{
    char separator = '[';
    for (unsigned label = 0; label < SF_LABEL_COUNT; label++) {
        if ((labels & UINT32_C(1) << label) == 0)
            continue;
        sf_put_char(buffer, separator);
        sf_put_json_name(buffer, sf_label_name((enum sf_label)label));
        separator = ',';
    }
    sf_put_text(buffer, separator == '[' ? "[]" : "]");
}

void sf_put_json_segment(struct sf_buffer *buffer, const struct sf_segment_line *line)
{
    const struct sf_judgement *judgement = line->judgement;
    char flags[SF_FLAGS_TEXT];
    PUT(buffer, "{\"type\":\"segment\",\"packet\":");
    sf_put_count(buffer, line->segment->packet);
    PUT(buffer, ",\"t\":");
    sf_put_seconds(buffer, line->t_ns);
    PUT(buffer, ",\"conn\":");
    sf_put_count(buffer, judgement->conn);
    PUT(buffer, ",\"from\":");
    sf_put_json_name(buffer, sf_role_name(judgement->from));
    PUT(buffer, ",\"flags\":");
    sf_put_json_name(buffer, sf_flags_text(flags, line->segment->flags));
    PUT(buffer, ",\"seq\":");
    sf_put_signed(buffer, judgement->seq);
    PUT(buffer, ",\"ack\":");
    if (line->segment->flags & SF_TH_ACK)
        sf_put_signed(buffer, judgement->ack);
    else
        PUT(buffer, "null");
    PUT(buffer, ",\"len\":");
    sf_put_count(buffer, line->segment->payload_len);
    PUT(buffer, ",\"window\":");
    sf_put_count(buffer, judgement->window);
    PUT(buffer, ",\"labels\":");
    put_labels(buffer, judgement->labels);
    PUT(buffer, ",\"wireshark\":");
    put_labels(buffer, judgement->wireshark);
    PUT(buffer, ",\"rtt\":");
    if (sf_ns_known(judgement->rtt_ns))
        sf_put_seconds(buffer, judgement->rtt_ns);
    else
        PUT(buffer, "null");
    PUT(buffer, ",\"in_flight\":");
    sf_put_count(buffer, judgement->in_flight);
    sf_put_char(buffer, '}');
}
