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

const char *sf_opening_name(enum sf_opening opening)
{
    static const char *const names[SF_OPENING_COUNT] = {
#define X(id, name) [SF_OPENING_##id] = (name),
        SF_OPENINGS(X)
#undef X
    };
    return names[opening];
}

const char *sf_closing_name(enum sf_closing closing)
{
    static const char *const names[SF_CLOSING_COUNT] = {
#define X(id, name) [SF_CLOSING_##id] = (name),
        SF_CLOSINGS(X)
#undef X
    };
    return names[closing];
}

const char *sf_record_outcome(const struct sf_record *record)
{
    switch (record->opening) {
    case SF_OPENING_REFUSED:
    case SF_OPENING_UNANSWERED:
    case SF_OPENING_INCOMPLETE:
    case SF_OPENING_SYN_ACK_ONLY: return record->open_how;
    case SF_OPENING_ONE_SIDED:
    case SF_OPENING_SIMULTANEOUS:
    case SF_OPENING_SPLIT:
    case SF_OPENING_FAST_OPEN:
    case SF_OPENING_HANDSHAKE:
    case SF_OPENING_MIDSTREAM:
    case SF_OPENING_COUNT: break;
    }
    return record->closing == SF_CLOSING_NONE ? "open" : record->close_how;
}
