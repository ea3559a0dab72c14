/* Failed connections counted by target and by source, in tables that never grow. */
#include "synfin/finding.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FLOOD_MIN = 100, /* connections */
    SCAN_MIN = 20,   /* distinct ports or hosts */
    BUCKETS = 4096,  /* of WAYS suspects each: 32 768 in all */
    WAYS = 8,
    SEEN_SLOTS = 1 << 18, /* distinct ports and hosts of all suspects */
    LIST_MAX = 64,
    ADDRESS_TEXT = 48,
};

enum kind { FLOOD, PORT_SCAN, HOST_SCAN, KINDS };

static const struct sf_finding_kind kinds[] = {
    [FLOOD] = {"syn_flood",
               "100 or more connections to one address and port, never completed, no RST"},
    [PORT_SCAN] = {"port_scan", "20 or more ports of one host tried in vain by one source"},
    [HOST_SCAN] = {"host_scan", "20 or more hosts tried in vain on one port by one source"},
    [KINDS] = {NULL, NULL},
};

struct suspect {
    uint64_t hash; /* of kind and addresses; 0: free */
    uint64_t connections, distinct;
    sf_ns first_ns, last_ns;
    enum kind kind;
    char source[ADDRESS_TEXT], target[ADDRESS_TEXT];
    uint64_t port;
};

struct sf_findings {
    struct suspect *suspects; /* BUCKETS * WAYS; memory comes when a page is first used */
    uint64_t *seen;           /* SEEN_SLOTS hashes of (suspect, port or host) */
    size_t seen_count;
    struct sf_finding list[LIST_MAX];
    char targets[LIST_MAX][ADDRESS_TEXT + 8];
};

const struct sf_finding_kind *sf_finding_kinds(void)
{
    return kinds;
}

struct sf_findings *sf_findings_new(void)
{
    struct sf_findings *findings = calloc(1, sizeof *findings);
    if (findings == NULL)
        return NULL;
    findings->suspects = calloc((size_t)BUCKETS * WAYS, sizeof *findings->suspects);
    findings->seen = calloc(SEEN_SLOTS, sizeof *findings->seen);
    if (findings->suspects != NULL && findings->seen != NULL)
        return findings;
    sf_findings_free(findings);
    return NULL;
}

void sf_findings_free(struct sf_findings *findings)
{
    if (findings == NULL)
        return;
    free(findings->suspects);
    free(findings->seen);
    free(findings);
}

/* FNV-1a, then mixed so that the low bits depend on all. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    hash ^= hash >> 29;
    hash *= UINT64_C(0xbf58476d1ce4e5b9);
    return hash ^ hash >> 32;
}

static uint64_t hash_number(uint64_t hash, uint64_t n)
{
    hash = (hash ^ n) * UINT64_C(0x94d049bb133111eb);
    return hash ^ hash >> 31;
}

/* The suspect of that hash; a new one takes the place of the bucket's least. */
static struct suspect *find(struct sf_findings *findings, uint64_t hash)
{
    struct suspect *bucket = &findings->suspects[hash % BUCKETS * WAYS];
    struct suspect *least = &bucket[0];
    for (size_t i = 0; i < WAYS; i++) {
        if (bucket[i].hash == hash)
            return &bucket[i];
        if (bucket[i].connections < least->connections)
            least = &bucket[i];
    }
    *least = (struct suspect){.hash = hash};
    return least;
}

/* True the first time; also false when the set is full: counts are then too low, never too high. */
static bool is_new(struct sf_findings *findings, uint64_t hash)
{
    size_t at = (size_t)(hash % SEEN_SLOTS);
    while (findings->seen[at] != 0) {
        if (findings->seen[at] == hash)
            return false;
        at = (at + 1) % SEEN_SLOTS;
    }
    if (findings->seen_count >= SEEN_SLOTS / 4 * 3)
        return false;
    findings->seen[at] = hash;
    findings->seen_count++;
    return true;
}

struct evidence {
    enum kind kind;
    const char *source, *target; /* "": any */
    uint64_t port;               /* 0: any */
    uint64_t item;               /* what is counted once: hash of a port, host or connection */
};

static void count(struct sf_findings *findings, const struct evidence *evidence,
                  const struct sf_attempt *attempt)
{
    uint64_t hash = hash_number(1, evidence->kind);
    hash = hash_text(hash_text(hash, evidence->source) * 3, evidence->target);
    hash = hash_number(hash, evidence->port) | 1;
    struct suspect *suspect = find(findings, hash);
    if (suspect->connections == 0) {
        suspect->kind = evidence->kind;
        snprintf(suspect->source, sizeof suspect->source, "%s", evidence->source);
        snprintf(suspect->target, sizeof suspect->target, "%s", evidence->target);
        suspect->port = evidence->port;
        suspect->first_ns = attempt->start_ns;
    }
    suspect->connections++;
    if (attempt->start_ns < suspect->first_ns)
        suspect->first_ns = attempt->start_ns;
    if (suspect->connections == 1 || attempt->end_ns > suspect->last_ns)
        suspect->last_ns = attempt->end_ns;
    if (evidence->kind != FLOOD && is_new(findings, hash_number(hash, evidence->item) | 1))
        suspect->distinct++;
}

static bool is_reset_in_handshake(const struct sf_record *record)
{
    for (size_t i = 0; i < record->anomaly_count; i++)
        if (record->anomalies[i].name == SF_ANOMALY_RESET_IN_HANDSHAKE)
            return true;
    return false;
}

bool sf_attempt_of(const struct sf_record *record, struct sf_attempt *out)
{
    if (record->open_how == NULL)
        return false;
    bool is_hanging =
        strcmp(record->open_how, "unanswered") == 0 || strcmp(record->open_how, "incomplete") == 0;
    bool is_turned_away = strcmp(record->open_how, "refused") == 0 || is_reset_in_handshake(record);
    if (!is_hanging && !is_turned_away)
        return false;
    const struct sf_record_end *source = &record->end[SF_CLIENT], *target = &record->end[SF_SERVER];
    *out = (struct sf_attempt){.is_hanging = is_hanging && !is_turned_away,
                               .port = target->port,
                               .start_ns = record->start_ns,
                               .end_ns = record->end_ns};
    _Static_assert(sizeof out->source == sizeof source->ip, "copied whole");
    memcpy(out->source, source->ip, sizeof out->source);
    memcpy(out->target, target->ip, sizeof out->target);
    return true;
}

void sf_findings_add(struct sf_findings *findings, const struct sf_attempt *attempt)
{
    const char *source = attempt->source, *target = attempt->target;
    uint64_t port = attempt->port;
    if (attempt->is_hanging)
        count(findings, &(struct evidence){FLOOD, "", target, port, 0}, attempt);
    count(findings, &(struct evidence){PORT_SCAN, source, target, 0, port}, attempt);
    count(findings, &(struct evidence){HOST_SCAN, source, "", port, hash_text(7, target)}, attempt);
}

static bool is_found(const struct suspect *suspect)
{
    return suspect->hash != 0 && (suspect->kind == FLOOD ? suspect->connections >= FLOOD_MIN
                                                         : suspect->distinct >= SCAN_MIN);
}

static void describe(struct sf_findings *findings, size_t at, const struct suspect *suspect)
{
    struct sf_finding *found = &findings->list[at];
    *found = (struct sf_finding){.name = kinds[suspect->kind].name,
                                 .source = suspect->source[0] != '\0' ? suspect->source : NULL,
                                 .target = findings->targets[at],
                                 .connections = suspect->connections,
                                 .first_ns = suspect->first_ns,
                                 .last_ns = suspect->last_ns};
    switch (suspect->kind) {
    case FLOOD:
        snprintf(findings->targets[at], sizeof findings->targets[at],
                 strchr(suspect->target, ':') != NULL ? "[%s]:%" PRIu64 : "%s:%" PRIu64,
                 suspect->target, suspect->port);
        snprintf(found->detail, sizeof found->detail,
                 "%" PRIu64 " connections never completed to %s", suspect->connections,
                 findings->targets[at]);
        return;
    case PORT_SCAN:
        snprintf(findings->targets[at], sizeof findings->targets[at], "%s", suspect->target);
        snprintf(found->detail, sizeof found->detail, "%s tried %" PRIu64 " ports of %s in vain",
                 suspect->source, suspect->distinct, suspect->target);
        return;
    case HOST_SCAN:
        found->target = NULL;
        snprintf(found->detail, sizeof found->detail,
                 "%s tried port %" PRIu64 " of %" PRIu64 " hosts in vain", suspect->source,
                 suspect->port, suspect->distinct);
        return;
    case KINDS: return;
    }
}

/* Most connections first; the hash decides between equals, the same in every run. */
static int compare(const void *left, const void *right)
{
    const struct suspect *a = *(const struct suspect *const *)left;
    const struct suspect *b = *(const struct suspect *const *)right;
    if (a->connections != b->connections)
        return a->connections > b->connections ? -1 : 1;
    return a->hash < b->hash ? -1 : a->hash > b->hash;
}

const struct sf_finding *sf_findings_list(struct sf_findings *findings, size_t *count)
{
    const struct suspect *found[LIST_MAX];
    size_t n = 0;
    for (size_t i = 0; i < (size_t)BUCKETS * WAYS && n < LIST_MAX; i++)
        if (is_found(&findings->suspects[i]))
            found[n++] = &findings->suspects[i];
    qsort(found, n, sizeof found[0], compare);
    for (size_t i = 0; i < n; i++)
        describe(findings, i, found[i]);
    *count = n;
    return findings->list;
}
