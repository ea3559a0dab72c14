/* A record and its lists in one piece, to outlive the tracker's next call. */
#include <string.h>

#include "synfin/record.h"

_Static_assert(sizeof(struct sf_record) % _Alignof(struct sf_timeline_entry) == 0 &&
                   sizeof(struct sf_timeline_entry) % _Alignof(struct sf_anomaly_entry) == 0,
               "the lists lie behind the record without gaps");

size_t sf_record_packed(const struct sf_record *record)
{
    return sizeof *record + record->timeline_count * sizeof *record->timeline +
           record->anomaly_count * sizeof *record->anomalies;
}

void sf_record_pack(const struct sf_record *record, void *out)
{
    struct sf_record *copy = out;
    struct sf_timeline_entry *timeline = (void *)(copy + 1);
    struct sf_anomaly_entry *anomalies = (void *)(timeline + record->timeline_count);
    *copy = *record;
    if (record->timeline_count > 0)
        memcpy(timeline, record->timeline, record->timeline_count * sizeof *timeline);
    if (record->anomaly_count > 0)
        memcpy(anomalies, record->anomalies, record->anomaly_count * sizeof *anomalies);
}

struct sf_record *sf_record_unpack(void *piece)
{
    struct sf_record *record = piece;
    record->timeline = (void *)(record + 1);
    record->anomalies = (const void *)(record->timeline + record->timeline_count);
    return record;
}
