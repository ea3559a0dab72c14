/* Counts by enum: every connection passes here. */
#include "synfin/tally.h"

void sf_tally_init(struct sf_tally *tally)
{
    *tally = (struct sf_tally){0};
    for (unsigned i = 0; i < SF_OPENING_COUNT; i++)
        tally->open_how[i].name = sf_opening_name((enum sf_opening)i);
    for (unsigned i = 0; i < SF_CLOSING_COUNT; i++)
        tally->close_how[i].name = sf_closing_name((enum sf_closing)i);
    for (unsigned i = 0; i < SF_ANOMALY_COUNT; i++)
        tally->anomalies[i].name = sf_anomaly_name((enum sf_anomaly)i);
}

void sf_tally_record(struct sf_tally *tally, const struct sf_record *record)
{
    tally->open_how[record->opening].count++;
    tally->close_how[record->closing].count++;
    tally->pairs[record->opening][record->closing]++;
    uint64_t seen = 0; /* an anomaly may stand twice, once for each end */
    _Static_assert(SF_ANOMALY_COUNT <= 64, "one bit for each anomaly");
    for (size_t i = 0; i < record->anomaly_count; i++) {
        uint64_t bit = UINT64_C(1) << record->anomalies[i].name;
        if ((seen & bit) == 0)
            tally->anomalies[record->anomalies[i].name].count++;
        seen |= bit;
    }
}

static void add(struct sf_name_count *counts, const struct sf_name_count *others)
{
    for (; counts->name != NULL; counts++, others++)
        counts->count += others->count;
}

void sf_tally_add(struct sf_tally *tally, const struct sf_tally *other)
{
    add(tally->open_how, other->open_how);
    add(tally->close_how, other->close_how);
    add(tally->anomalies, other->anomalies);
    for (size_t i = 0; i < SF_OPENING_COUNT; i++)
        for (size_t k = 0; k < SF_CLOSING_COUNT; k++)
            tally->pairs[i][k] += other->pairs[i][k];
}
