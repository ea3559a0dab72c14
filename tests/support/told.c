#include "told.h"

#include <stdio.h>
#include <string.h>

#include "field_text.h"

void told_field(struct sf_buffer *told, const struct sf_field *field,
                const struct sf_record *record)
{
    sf_put_text(told, field->path);
    sf_put_char(told, ' ');
    sf_put_field_text(told, field, record);
    sf_put_char(told, '\n');
}

void told_lists(struct sf_buffer *told, const struct sf_record *record)
{
    for (size_t i = 0; i < record->timeline_count; i++) {
        const struct sf_timeline_entry *e = &record->timeline[i];
        sf_put_format(told, "%llu %lld %d %d-%d %d %s\n", (unsigned long long)e->packet,
                      (long long)e->t_ns, (int)e->end, (int)e->from, (int)e->to, e->proved,
                      sf_cause_name(e->cause));
    }
    for (size_t i = 0; i < record->anomaly_count; i++) {
        const struct sf_anomaly_entry *e = &record->anomalies[i];
        sf_put_format(told, "%s %d %d %llu %llu-%llu %s\n", sf_anomaly_name(e->name), (int)e->end,
                      (int)e->severity, (unsigned long long)e->count,
                      (unsigned long long)e->first_packet, (unsigned long long)e->last_packet,
                      e->detail);
    }
}

static void print_line(const char *what, const char *at, const char *begin)
{
    while (at > begin && at[-1] != '\n')
        at--;
    fprintf(stderr, "  %s: %.*s\n", what, (int)strcspn(at, "\n"), at);
}

bool told_same(const struct sf_buffer *first, const char *first_name, const struct sf_buffer *other,
               const char *other_name)
{
    size_t i = 0;
    while (i < first->len && i < other->len && first->data[i] == other->data[i])
        i++;
    if (i == first->len && i == other->len)
        return true;
    fprintf(stderr, "told otherwise: %s\n", other_name);
    print_line(first_name, first->data + i, first->data);
    print_line(other_name, other->data + i, other->data);
    return false;
}
