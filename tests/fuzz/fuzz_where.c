/* Any text as an expression: it compiles or is refused with a sentence, and holds or does not. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "invariant.h"
#include "synfin/field.h"
#include "synfin/where.h"

static const struct sf_anomaly_entry anomalies[] = {
    {.name = SF_ANOMALY_ZERO_WINDOW, .end = SF_CLIENT, .count = 2},
    {.name = SF_ANOMALY_RESET, .end = SF_ROLE_NONE, .count = UINT64_MAX},
};

/* A record in which every value is the smallest, the largest, or unknown. */
static struct sf_record record_of(uint8_t octet)
{
    struct sf_record record;
    memset(&record, octet, sizeof record);
    size_t count;
    const struct sf_field *fields = sf_fields(&count);
    for (size_t i = 0; i < count; i++) {
        char *at = (char *)&record + fields[i].offset;
        if (fields[i].type == SF_FIELD_NAME)
            *(const char **)at = octet == 0 ? NULL : "handshake";
        else if (fields[i].type == SF_FIELD_CLAIM)
            *(enum sf_tri *)at = octet == 0 ? SF_TRI_FALSE : SF_TRI_UNKNOWN;
        else if (fields[i].type == SF_FIELD_TEXT)
            strcpy(at, octet == 0 ? "" : "10.1.2.3");
    }
    record.severity = octet == 0 ? SF_SEVERITY_OK : SF_PROBLEM;
    record.vlan_count = record.tunnel_count = octet == 0 ? 0 : 1;
    record.tunnel[0].type = "gre";
    record.timeline = NULL;
    record.timeline_count = 0;
    record.anomalies = anomalies;
    record.anomaly_count = octet == 0 ? 0 : 2;
    return record;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (text == NULL)
        abort();
    memcpy(text, data, size);
    text[size] = '\0';
    struct sf_error err = {0};
    struct sf_where *where = sf_where_compile(text, &err);
    INVARIANT(where != NULL || err.text[0] != '\0', "an error without a sentence");
    static const uint8_t octets[] = {0x00, 0x7f, 0xff};
    for (size_t i = 0; where != NULL && i < sizeof octets; i++) {
        struct sf_record record = record_of(octets[i]);
        bool holds = sf_where_holds(where, &record);
        INVARIANT(sf_where_holds(where, &record) == holds, "the same question twice");
    }
    sf_where_free(where);
    free(text);
    return 0;
}
