/* Names of roles, causes and labels: each from its one list. */
#include <stddef.h>
#include <string.h>

#include "synfin/record.h"
#include "synfin/track.h"

const char *sf_role_name(enum sf_role role)
{
    static const char *const names[SF_ROLE_COUNT] = {
        [SF_CLIENT] = "client", [SF_SERVER] = "server"};
    return role == SF_CLIENT || role == SF_SERVER ? names[role] : NULL;
}

const char *sf_cause_name(enum sf_cause cause)
{
    static const char *const names[SF_CAUSE_COUNT] = {
#define X(id, name) [SF_CAUSE_##id] = (name),
        SF_CAUSES(X)
#undef X
    };
    return names[cause];
}

const char *sf_label_name(enum sf_label label)
{
    static const char *const names[SF_LABEL_COUNT] = {
#define X(id, name) [SF_LABEL_##id] = (name),
        SF_LABELS(X)
#undef X
    };
    return names[label];
}

const char *sf_record_outcome(const struct sf_record *record)
{
    static const char *const failures[] = {"refused", "unanswered", "incomplete", "syn_ack_only"};
    for (size_t i = 0; record->open_how != NULL && i < sizeof failures / sizeof failures[0]; i++)
        if (strcmp(record->open_how, failures[i]) == 0)
            return failures[i];
    if (record->close_how == NULL || strcmp(record->close_how, "none") == 0)
        return "open";
    return record->close_how;
}
