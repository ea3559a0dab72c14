/* Fields and anomalies as pages for a terminal, and the schema. */
#include "synfin/vocabulary.h"

#include <string.h>

#include "document.h"
#include "synfin/anomaly.h"
#include "synfin/buffer.h"
#include "synfin/field.h"
#include "synfin/finding.h"
#include "synfin/near.h"

static const char *type_name(enum sf_field_type type)
{
    static const char *const names[] = {
        [SF_FIELD_COUNT] = "count",   [SF_FIELD_REAL] = "real",
        [SF_FIELD_TIME] = "time",     [SF_FIELD_DURATION] = "duration",
        [SF_FIELD_NAME] = "name",     [SF_FIELD_TEXT] = "text",
        [SF_FIELD_CLAIM] = "bool",    [SF_FIELD_SEVERITY] = "severity",
        [SF_FIELD_VLANS] = "list",    [SF_FIELD_TUNNELS] = "list",
        [SF_FIELD_TIMELINE] = "list", [SF_FIELD_ANOMALIES] = "list",
    };
    return names[type];
}

void sf_vocabulary_fields(FILE *out)
{
    size_t count;
    const struct sf_field *fields = sf_fields(&count);
    fprintf(out, "%-32s %-9s %-9s %s\n", "field", "type", "unit", "meaning");
    for (size_t i = 0; i < count; i++) {
        const struct sf_field *field = &fields[i];
        fprintf(out, "%-32s %-9s %-9s %s%s\n", field->path, type_name(field->type),
                field->unit[0] != '\0' ? field->unit : "-", field->text,
                field->is_nullable ? " (may be null)" : "");
        if (field->values != NULL)
            fprintf(out, "%-32s %-9s %-9s one of: %s\n", "", "", "", field->values);
    }
}

void sf_vocabulary_anomalies(FILE *out)
{
    fprintf(out, "%-24s %-9s %s\n", "anomaly", "severity", "meaning");
    for (unsigned i = 0; i < SF_ANOMALY_COUNT; i++) {
        enum sf_anomaly anomaly = (enum sf_anomaly)i;
        fprintf(out, "%-24s %-9s %s\n", sf_anomaly_name(anomaly),
                sf_severity_name(sf_anomaly_severity(anomaly)), sf_anomaly_text(anomaly));
    }
    fputs("\nOver many connections, in the end line:\n", out);
    for (const struct sf_finding_kind *kind = sf_finding_kinds(); kind->name != NULL; kind++)
        fprintf(out, "%-24s %-9s %s\n", kind->name, "problem", kind->text);
}

int sf_vocabulary_anomaly(FILE *out, const char *name, struct sf_error *err)
{
    struct sf_near near = sf_near_begin(name, strlen(name));
    for (unsigned i = 0; i < SF_ANOMALY_COUNT; i++) {
        enum sf_anomaly anomaly = (enum sf_anomaly)i;
        sf_near_offer(&near, sf_anomaly_name(anomaly));
        if (strcmp(sf_anomaly_name(anomaly), name) != 0)
            continue;
        fprintf(out, "%s (%s): %s\n", name, sf_severity_name(sf_anomaly_severity(anomaly)),
                sf_anomaly_text(anomaly));
        return 0;
    }
    for (const struct sf_finding_kind *kind = sf_finding_kinds(); kind->name != NULL; kind++) {
        sf_near_offer(&near, kind->name);
        if (strcmp(kind->name, name) != 0)
            continue;
        fprintf(out, "%s (over many connections): %s\n", name, kind->text);
        return 0;
    }
    if (near.best != NULL)
        return sf_fail(err, "unknown anomaly %s; did you mean %s?", name, near.best);
    return sf_fail(err, "unknown anomaly %s (synfin anomalies lists them)", name);
}

int sf_vocabulary_schema(FILE *out, struct sf_error *err)
{
    struct sf_buffer buffer = {0};
    int result = sf_document_schema(&buffer, err);
    if (result == 0)
        fwrite(buffer.data, 1, buffer.len, out);
    sf_buffer_dispose(&buffer);
    return result;
}
