/* Fields as text, by type. */
#include "field_text.h"

#include <math.h>

static void put_separator(struct sf_buffer *buffer, size_t i)
{
    if (i > 0)
        sf_put_char(buffer, ';');
}

static void put_vlans(struct sf_buffer *buffer, const struct sf_record *record)
{
    for (size_t i = 0; i < record->vlan_count; i++) {
        put_separator(buffer, i);
        sf_put_count(buffer, record->vlan[i]);
    }
}

static void put_tunnels(struct sf_buffer *buffer, const struct sf_record *record)
{
    for (size_t i = 0; i < record->tunnel_count; i++) {
        put_separator(buffer, i);
        sf_put_text(buffer, record->tunnel[i].type);
        sf_put_char(buffer, ':');
        sf_put_count(buffer, record->tunnel[i].id);
    }
}

static void put_timeline(struct sf_buffer *buffer, const struct sf_record *record)
{
    for (size_t i = 0; i < record->timeline_count; i++) {
        const struct sf_timeline_entry *entry = &record->timeline[i];
        const char *role = sf_role_name(entry->end);
        const char *state = sf_state_name(entry->to);
        put_separator(buffer, i);
        sf_put_count(buffer, entry->packet);
        sf_put_char(buffer, ':');
        sf_put_text(buffer, role != NULL ? role : "");
        sf_put_char(buffer, ':');
        sf_put_text(buffer, state != NULL ? state : "");
    }
}

static void put_anomalies(struct sf_buffer *buffer, const struct sf_record *record)
{
    for (size_t i = 0; i < record->anomaly_count; i++) {
        put_separator(buffer, i);
        sf_put_text(buffer, sf_anomaly_name(record->anomalies[i].name));
        sf_put_char(buffer, ':');
        sf_put_count(buffer, record->anomalies[i].count);
    }
}

static void put_name(struct sf_buffer *buffer, const char *name)
{
    if (name != NULL)
        sf_put_text(buffer, name);
}

void sf_put_field_text(struct sf_buffer *buffer, const struct sf_field *field,
                       const struct sf_record *record)
{
    const void *at = sf_field_at(field, record);
    switch (field->type) {
    case SF_FIELD_COUNT:
        if (*(const uint64_t *)at != SF_COUNT_UNKNOWN)
            sf_put_count(buffer, *(const uint64_t *)at);
        return;
    case SF_FIELD_REAL:
        if (isfinite(*(const double *)at))
            sf_put_real(buffer, *(const double *)at);
        return;
    case SF_FIELD_TIME:
        if (sf_ns_known(*(const sf_ns *)at))
            sf_put_time(buffer, *(const sf_ns *)at);
        return;
    case SF_FIELD_DURATION:
        if (sf_ns_known(*(const sf_ns *)at))
            sf_put_seconds(buffer, *(const sf_ns *)at);
        return;
    case SF_FIELD_NAME: put_name(buffer, *(const char *const *)at); return;
    case SF_FIELD_TEXT: sf_put_plain(buffer, at); return;
    case SF_FIELD_CLAIM:
        if (*(const enum sf_tri *)at != SF_TRI_UNKNOWN)
            sf_put_text(buffer, *(const enum sf_tri *)at == SF_TRI_TRUE ? "true" : "false");
        return;
    case SF_FIELD_SEVERITY:
        put_name(buffer, sf_severity_name(*(const enum sf_severity *)at));
        return;
    case SF_FIELD_VLANS: put_vlans(buffer, record); return;
    case SF_FIELD_TUNNELS: put_tunnels(buffer, record); return;
    case SF_FIELD_TIMELINE: put_timeline(buffer, record); return;
    case SF_FIELD_ANOMALIES: put_anomalies(buffer, record); return;
    }
}
