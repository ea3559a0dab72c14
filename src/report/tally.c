/* The names come from the fields' table, so that the counts stand in its order. */
#include "synfin/tally.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "synfin/field.h"

/* The field's value names, one count each; the names are kept at *room. */
static void list_values(struct sf_name_count *counts, const char *path, char **room, char *end)
{
    const char *values = sf_field_find(path)->values;
    size_t n = 0;
    while (*values != '\0') {
        size_t len = strcspn(values, " ");
        assert(n + 1 < SF_TALLY_NAMES && len + 1 <= (size_t)(end - *room));
        memcpy(*room, values, len);
        (*room)[len] = '\0';
        counts[n++].name = *room;
        *room += len + 1;
        values += len + (values[len] == ' ');
    }
}

void sf_tally_init(struct sf_tally *tally)
{
    *tally = (struct sf_tally){0};
    char *room = tally->names;
    list_values(tally->open_how, "open.how", &room, tally->names + sizeof tally->names);
    list_values(tally->close_how, "close.how", &room, tally->names + sizeof tally->names);
    for (unsigned i = 0; i < SF_ANOMALY_COUNT; i++)
        tally->anomalies[i].name = sf_anomaly_name((enum sf_anomaly)i);
}

/* Counts the name; returns its place in the list, or -1: it is null. */
static int count_name(struct sf_name_count *counts, const char *name)
{
    for (int i = 0; name != NULL && counts[i].name != NULL; i++)
        if (strcmp(counts[i].name, name) == 0) {
            counts[i].count++;
            return i;
        }
    return -1;
}

void sf_tally_record(struct sf_tally *tally, const struct sf_record *record)
{
    int open = count_name(tally->open_how, record->open_how);
    int close = count_name(tally->close_how, record->close_how);
    if (open >= 0 && close >= 0)
        tally->pairs[open][close]++;
    uint64_t seen = 0; /* an anomaly may stand twice, once for each end */
    _Static_assert(SF_ANOMALY_COUNT <= 64, "one bit for each anomaly");
    for (size_t i = 0; i < record->anomaly_count; i++) {
        uint64_t bit = UINT64_C(1) << record->anomalies[i].name;
        if ((seen & bit) == 0)
            tally->anomalies[record->anomalies[i].name].count++;
        seen |= bit;
    }
}

void sf_tally_add(struct sf_tally *tally, const struct sf_tally *other)
{
    for (size_t i = 0; i < SF_TALLY_NAMES; i++) {
        tally->open_how[i].count += other->open_how[i].count;
        tally->close_how[i].count += other->close_how[i].count;
        for (size_t k = 0; k < SF_TALLY_NAMES; k++)
            tally->pairs[i][k] += other->pairs[i][k];
    }
    for (size_t i = 0; i < SF_ANOMALY_COUNT; i++)
        tally->anomalies[i].count += other->anomalies[i].count;
}
