/* Names, definitions and severities of anomalies, from the list in anomaly.h. */
#include "synfin/anomaly.h"

static const struct {
    const char *name;
    const char *text;
    enum sf_severity severity;
} anomalies[SF_ANOMALY_COUNT] = {
#define X(id, name, severity, text) [SF_ANOMALY_##id] = {(name), (text), SF_##severity},
    SF_ANOMALIES(X)
#undef X
};

const char *sf_anomaly_name(enum sf_anomaly anomaly)
{
    return anomalies[anomaly].name;
}

const char *sf_anomaly_text(enum sf_anomaly anomaly)
{
    return anomalies[anomaly].text;
}

enum sf_severity sf_anomaly_severity(enum sf_anomaly anomaly)
{
    return anomalies[anomaly].severity;
}

const char *sf_severity_name(enum sf_severity severity)
{
    static const char *const names[] = {
        [SF_SEVERITY_OK] = "ok",
        [SF_NOTE] = "note",
        [SF_WARNING] = "warning",
        [SF_PROBLEM] = "problem",
    };
    return names[severity];
}

bool sf_anomaly_is_told_once(enum sf_anomaly anomaly)
{
    return anomaly == SF_ANOMALY_BAD_CHECKSUM || anomaly == SF_ANOMALY_OFFLOADED_SEGMENTS;
}
