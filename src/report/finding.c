/* Failed connections counted by target and by source, in tables that never grow. */
#include "synfin/finding.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "synfin/address.h"

enum {
    FLOOD_MIN = 100, /* connections */
    SCAN_MIN = 20,   /* distinct ports or hosts */
    BUCKETS = 4096,  /* of WAYS suspects each: 32 768 in all */
    WAYS = 8,
    SEEN_SLOTS = 1 << 18, /* distinct ports and hosts of all suspects */
    LIST_MAX = 64,
};

enum kind { FLOOD, PORT_SCAN, HOST_SCAN, KINDS };

static const struct sf_finding_kind kinds[] = {
    [FLOOD] = {"syn_flood",
               "100 or more connections to one address and port, never completed, no RST"},
    [PORT_SCAN] = {"port_scan", "20 or more ports of one host tried in vain by one source"},
    [HOST_SCAN] = {"host_scan", "20 or more hosts tried in vain on one port by one source"},
    [KINDS] = {NULL, NULL},
};

/* Who is suspected of what; what does not belong to the kind is 0. */
struct suspicion {
    uint8_t source[16], target[16];
    uint16_t port;
    uint8_t kind, ip_version;
};

struct suspect {
    struct suspicion of;
    uint32_t distinct;   /* ports or hosts */
    uint64_t first_item; /* of a flood 0 */
    sf_ns first_ns, last_ns;
};

/* Most suspects are compared only by their hashes, or seen to be the least: these stand together.
 */
struct bucket {
    uint64_t hash[WAYS]; /* of the suspicion; 0: free */
    uint64_t connections[WAYS];
    struct suspect suspects[WAYS];
};

struct sf_findings {
    struct bucket *buckets;      /* BUCKETS; memory comes when a page is first used */
    uint64_t used[BUCKETS / 64]; /* a bit for each bucket: to read one that is not costs a page */
    uint64_t *seen; /* SEEN_SLOTS hashes of (suspicion, port or host beyond its first) */
    size_t seen_count;
    struct sf_finding list[LIST_MAX];
    char sources[LIST_MAX][SF_ADDRESS_TEXT];
    char targets[LIST_MAX][SF_ADDRESS_TEXT + 8];
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
    findings->buckets = calloc(BUCKETS, sizeof *findings->buckets);
    findings->seen = calloc(SEEN_SLOTS, sizeof *findings->seen);
    if (findings->buckets != NULL && findings->seen != NULL)
        return findings;
    sf_findings_free(findings);
    return NULL;
}

void sf_findings_free(struct sf_findings *findings)
{
    if (findings == NULL)
        return;
    free(findings->buckets);
    free(findings->seen);
    free(findings);
}

/* The low bits depend on all. */
static uint64_t mix(uint64_t hash, uint64_t n)
{
    hash = (hash ^ n) * UINT64_C(0x94d049bb133111eb);
    return hash ^ hash >> 31;
}

static uint64_t hash_address(const uint8_t address[16], unsigned ip_version)
{
    uint64_t words[2];
    memcpy(words, address, sizeof words);
    return mix(mix(mix(UINT64_C(0x9e3779b97f4a7c15), words[0]), words[1]), ip_version);
}

struct evidence {
    uint64_t hash; /* of the suspicion, never 0 */
    uint64_t item; /* what is counted once: a port, or the hash of a host; of a flood 0 */
    struct suspicion of;
};

/* Place of the suspect in the bucket; a new one takes the place of the bucket's least. */
static size_t find(struct bucket *bucket, const struct evidence *evidence,
                   const struct sf_attempt *attempt)
{
    size_t least = 0;
    for (size_t i = 0; i < WAYS; i++) {
        if (bucket->hash[i] == evidence->hash)
            return i;
        if (bucket->connections[i] < bucket->connections[least])
            least = i;
    }
    bucket->hash[least] = evidence->hash;
    bucket->connections[least] = 0;
    bucket->suspects[least] = (struct suspect){.of = evidence->of,
                                               .distinct = 1,
                                               .first_item = evidence->item,
                                               .first_ns = attempt->start_ns,
                                               .last_ns = attempt->end_ns};
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

static size_t bucket_of(const struct evidence *evidence)
{
    return evidence->hash % BUCKETS;
}

static void count(struct sf_findings *findings, const struct evidence *evidence,
                  const struct sf_attempt *attempt)
{
    size_t place = bucket_of(evidence);
    struct bucket *bucket = &findings->buckets[place];
    findings->used[place / 64] |= UINT64_C(1) << place % 64;
    size_t at = find(bucket, evidence, attempt);
    struct suspect *suspect = &bucket->suspects[at];
    bucket->connections[at]++;
    if (attempt->start_ns < suspect->first_ns)
        suspect->first_ns = attempt->start_ns;
    if (attempt->end_ns > suspect->last_ns)
        suspect->last_ns = attempt->end_ns;
    /* Sources that try once, as those that a flood forges, leave the set to those that go on. */
    if (evidence->item != suspect->first_item &&
        is_new(findings, mix(evidence->hash, evidence->item) | 1))
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
    bool is_hanging =
        record->opening == SF_OPENING_UNANSWERED || record->opening == SF_OPENING_INCOMPLETE;
    bool is_turned_away = record->opening == SF_OPENING_REFUSED || is_reset_in_handshake(record);
    if (!is_hanging && !is_turned_away)
        return false;
    const struct sf_flow_key *key = &record->key;
    enum sf_dir client = record->client, server = sf_dir_other(record->client);
    *out = (struct sf_attempt){.is_hanging = is_hanging && !is_turned_away,
                               .ip_version = key->scope.ip_version,
                               .port = key->port[server],
                               .start_ns = record->start_ns,
                               .end_ns = record->end_ns};
    memcpy(out->source, key->addr[client], sizeof out->source);
    memcpy(out->target, key->addr[server], sizeof out->target);
    return true;
}

/* Fills one piece of evidence for each kind. */
static void gather(const struct sf_attempt *attempt, struct evidence evidence[KINDS])
{
    uint64_t source = hash_address(attempt->source, attempt->ip_version);
    uint64_t target = hash_address(attempt->target, attempt->ip_version);
    evidence[FLOOD] = (struct evidence){.hash = mix(mix(target, FLOOD), attempt->port) | 1};
    evidence[PORT_SCAN] =
        (struct evidence){.hash = mix(mix(source, PORT_SCAN), target) | 1, .item = attempt->port};
    evidence[HOST_SCAN] =
        (struct evidence){.hash = mix(mix(source, HOST_SCAN), attempt->port) | 1, .item = target};
    for (int kind = 0; kind < KINDS; kind++) {
        struct suspicion *of = &evidence[kind].of;
        of->kind = (uint8_t)kind;
        of->ip_version = attempt->ip_version;
        if (kind != FLOOD)
            memcpy(of->source, attempt->source, sizeof of->source);
        if (kind != HOST_SCAN)
            memcpy(of->target, attempt->target, sizeof of->target);
        if (kind != PORT_SCAN)
            of->port = attempt->port;
    }
}

void sf_findings_add(struct sf_findings *findings, const struct sf_attempt *attempt)
{
    struct evidence evidence[KINDS];
    gather(attempt, evidence);
    int first = attempt->is_hanging ? FLOOD : PORT_SCAN;
    for (int kind = first; kind < KINDS; kind++)
        __builtin_prefetch(&findings->buckets[bucket_of(&evidence[kind])]);
    for (int kind = first; kind < KINDS; kind++)
        count(findings, &evidence[kind], attempt);
}

/* A suspect with its connections, as it is ranked. */
struct found {
    uint64_t connections;
    const struct suspect *suspect;
};

static bool is_found(const struct found *found)
{
    return found->suspect->of.kind == FLOOD ? found->connections >= FLOOD_MIN
                                            : found->suspect->distinct >= SCAN_MIN;
}

static int compare_numbers(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

/* < 0: a stands before b. Most connections first, of equals the earlier one; that no two are equal
 * makes the order the same in every run. */
static int compare(const struct found *a, const struct found *b)
{
    const struct suspicion *x = &a->suspect->of, *y = &b->suspect->of;
    const int orders[] = {
        compare_numbers(b->connections, a->connections),
        (a->suspect->first_ns > b->suspect->first_ns) -
            (a->suspect->first_ns < b->suspect->first_ns),
        compare_numbers(x->kind, y->kind),
        memcmp(x->source, y->source, sizeof x->source),
        memcmp(x->target, y->target, sizeof x->target),
        compare_numbers(x->port, y->port),
        compare_numbers(x->ip_version, y->ip_version),
    };
    size_t i = 0;
    while (i + 1 < sizeof orders / sizeof orders[0] && orders[i] == 0)
        i++;
    return orders[i];
}

/* Keeps the first LIST_MAX in order. */
static void rank(struct found ranked[LIST_MAX], size_t *count, const struct found *found)
{
    size_t at = *count;
    if (at < LIST_MAX)
        (*count)++;
    else if (compare(found, &ranked[--at]) > 0)
        return;
    for (; at > 0 && compare(found, &ranked[at - 1]) < 0; at--)
        ranked[at] = ranked[at - 1];
    ranked[at] = *found;
}

static void describe(struct sf_findings *findings, size_t at, const struct found *of)
{
    const struct suspicion *suspicion = &of->suspect->of;
    struct sf_finding *found = &findings->list[at];
    char *source = findings->sources[at], *target = findings->targets[at];
    char host[SF_ADDRESS_TEXT];
    sf_address_text(host, suspicion->target, suspicion->ip_version);
    sf_address_text(source, suspicion->source, suspicion->ip_version);
    *found = (struct sf_finding){.name = kinds[suspicion->kind].name,
                                 .source = source,
                                 .target = target,
                                 .connections = of->connections,
                                 .first_ns = of->suspect->first_ns,
                                 .last_ns = of->suspect->last_ns};
    switch ((enum kind)suspicion->kind) {
    case FLOOD:
        found->source = NULL;
        snprintf(target, sizeof findings->targets[at],
                 suspicion->ip_version == 6 ? "[%s]:%u" : "%s:%u", host, suspicion->port);
        snprintf(found->detail, sizeof found->detail,
                 "%" PRIu64 " connections never completed to %s", of->connections, target);
        return;
    case PORT_SCAN:
        snprintf(target, sizeof findings->targets[at], "%s", host);
        snprintf(found->detail, sizeof found->detail, "%s tried %" PRIu32 " ports of %s in vain",
                 source, of->suspect->distinct, host);
        return;
    case HOST_SCAN:
        found->target = NULL;
        snprintf(found->detail, sizeof found->detail,
                 "%s tried port %u of %" PRIu32 " hosts in vain", source, suspicion->port,
                 of->suspect->distinct);
        return;
    case KINDS: return;
    }
}

static void rank_bucket(struct found ranked[LIST_MAX], size_t *count, const struct bucket *bucket)
{
    for (size_t k = 0; k < WAYS; k++) {
        struct found found = {bucket->connections[k], &bucket->suspects[k]};
        if (found.connections >= SCAN_MIN && is_found(&found))
            rank(ranked, count, &found);
    }
}

const struct sf_finding *sf_findings_list(struct sf_findings *findings, size_t *count)
{
    struct found ranked[LIST_MAX];
    size_t n = 0;
    for (size_t i = 0; i < BUCKETS; i++)
        if (findings->used[i / 64] >> i % 64 & 1)
            rank_bucket(ranked, &n, &findings->buckets[i]);
    for (size_t i = 0; i < n; i++)
        describe(findings, i, &ranked[i]);
    *count = n;
    return findings->list;
}
