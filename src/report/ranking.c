/* A bounded heap of printed lines under a key made from one field, or from how bad it was. */
#include "ranking.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Doubles as integers of the same order: the sign bit turned, negative ones turned whole. */
static uint64_t ordered_real(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

static uint64_t ordered_signed(int64_t n)
{
    return (uint64_t)n ^ UINT64_C(1) << 63;
}

static void rank_worst(struct sf_ranked *rank, const struct sf_record *record)
{
    uint64_t found = 0;
    for (size_t i = 0; i < record->anomaly_count; i++)
        if (record->anomalies[i].severity == record->severity)
            found += record->anomalies[i].count;
    rank->number[0] = (uint64_t)record->severity;
    rank->number[1] = record->severity >= SF_WARNING ? found : 0;
    rank->number[2] = record->end[SF_CLIENT].ip_bytes + record->end[SF_SERVER].ip_bytes;
}

/* Addresses go by their numbers, IPv4 first. */
static void rank_address(struct sf_ranked *rank, char version, const unsigned char *octets,
                         size_t count)
{
    rank->text[0] = version;
    for (size_t i = 0; i < count; i++)
        snprintf(&rank->text[1 + 2 * i], 3, "%02x", octets[i]);
}

static void rank_text(struct sf_ranked *rank, const char *text)
{
    unsigned char address[16];
    rank->is_null = text == NULL || text[0] == '\0';
    if (rank->is_null)
        return;
    if (inet_pton(AF_INET, text, address) == 1)
        rank_address(rank, '4', address, 4);
    else if (inet_pton(AF_INET6, text, address) == 1)
        rank_address(rank, '6', address, 16);
    else
        snprintf(rank->text, sizeof rank->text, "%s", text);
}

static void rank_by_field(struct sf_ranked *rank, const struct sf_field *field,
                          const struct sf_record *record)
{
    const void *at = sf_field_at(field, record);
    switch (field->type) {
    case SF_FIELD_COUNT:
        rank->number[0] = *(const uint64_t *)at;
        rank->is_null = rank->number[0] == SF_COUNT_UNKNOWN;
        break;
    case SF_FIELD_REAL:
        rank->is_null = isnan(*(const double *)at);
        rank->number[0] = ordered_real(*(const double *)at);
        break;
    case SF_FIELD_TIME:
    case SF_FIELD_DURATION:
        rank->is_null = !sf_ns_known(*(const sf_ns *)at);
        rank->number[0] = ordered_signed(*(const sf_ns *)at);
        break;
    case SF_FIELD_NAME: rank_text(rank, *(const char *const *)at); break;
    case SF_FIELD_TEXT: rank_text(rank, at); break;
    case SF_FIELD_CLAIM:
        rank->is_null = *(const enum sf_tri *)at == SF_TRI_UNKNOWN;
        rank->number[0] = *(const enum sf_tri *)at == SF_TRI_TRUE;
        break;
    case SF_FIELD_SEVERITY: rank->number[0] = (uint64_t) * (const enum sf_severity *)at; break;
    case SF_FIELD_VLANS:
        rank->is_null = record->vlan_count == 0;
        rank->number[0] = record->vlan[0];
        break;
    case SF_FIELD_TUNNELS:
        rank->is_null = record->tunnel_count == 0;
        rank->number[0] = record->tunnel_count;
        break;
    case SF_FIELD_TIMELINE: rank->number[0] = record->timeline_count; break;
    case SF_FIELD_ANOMALIES: rank->number[0] = record->anomaly_count; break;
    }
}

/* < 0: a ranks before b. Numbers: larger first; text: smaller first; `descending` of a field was
 * turned into that order by complement when the rank was made. */
static int compare(const void *left, const void *right)
{
    const struct sf_ranked *a = left, *b = right;
    if (a->is_null != b->is_null)
        return a->is_null ? 1 : -1;
    for (size_t i = 0; i < 3; i++)
        if (a->number[i] != b->number[i])
            return a->number[i] > b->number[i] ? -1 : 1;
    int text = memcmp(a->text, b->text, sizeof a->text);
    if (text != 0)
        return text;
    return a->id < b->id ? -1 : a->id > b->id;
}

static void make_rank(const struct sf_ranking *ranking, const struct sf_record *record,
                      struct sf_ranked *rank)
{
    *rank = (struct sf_ranked){.id = record->id};
    if (ranking->field == NULL) {
        rank_worst(rank, record);
        return;
    }
    rank_by_field(rank, ranking->field, record);
    if (!ranking->descending)
        rank->number[0] = ~rank->number[0];
    else if (!rank->is_null) /* the end, too: what goes on ranks before what ends there */
        for (size_t i = 0; i < sizeof rank->text; i++)
            rank->text[i] = (char)~rank->text[i];
}

static bool has_place(const struct sf_ranking *ranking, const struct sf_ranked *rank)
{
    return ranking->bound == 0 || ranking->count < ranking->bound ||
           compare(rank, &ranking->items[0]) < 0;
}

bool sf_ranking_wants(const struct sf_ranking *ranking, const struct sf_record *record,
                      struct sf_ranked *rank)
{
    make_rank(ranking, record, rank);
    return has_place(ranking, rank);
}

static void swap(struct sf_ranked *a, struct sf_ranked *b)
{
    struct sf_ranked held = *a;
    *a = *b;
    *b = held;
}

static void sift_up(struct sf_ranked *items, size_t at)
{
    while (at > 0 && compare(&items[at], &items[(at - 1) / 2]) > 0) {
        swap(&items[at], &items[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static void sift_down(struct sf_ranked *items, size_t count)
{
    for (size_t at = 0;;) {
        size_t last = at, left = 2 * at + 1;
        for (size_t child = left; child < count && child < left + 2; child++)
            if (compare(&items[child], &items[last]) > 0)
                last = child;
        if (last == at)
            return;
        swap(&items[at], &items[last]);
        at = last;
    }
}

static int grow(struct sf_ranking *ranking, struct sf_error *err)
{
    if (ranking->count < ranking->capacity)
        return 0;
    size_t capacity = ranking->capacity == 0 ? 64 : ranking->capacity * 2;
    struct sf_ranked *items = realloc(ranking->items, capacity * sizeof *items);
    if (items == NULL)
        return sf_fail(err, "out of memory");
    ranking->items = items;
    ranking->capacity = capacity;
    return 0;
}

/* Takes the rank's line over. */
static int insert(struct sf_ranking *ranking, const struct sf_ranked *rank, struct sf_error *err)
{
    if (grow(ranking, err) != 0) {
        free(rank->line);
        return -1;
    }
    if (ranking->bound == 0 || ranking->count < ranking->bound) {
        ranking->items[ranking->count++] = *rank;
        if (ranking->bound != 0)
            sift_up(ranking->items, ranking->count - 1);
        return 0;
    }
    free(ranking->items[0].line);
    ranking->items[0] = *rank;
    sift_down(ranking->items, ranking->count);
    return 0;
}

int sf_ranking_add(struct sf_ranking *ranking, struct sf_ranked *rank, const char *line, size_t len,
                   struct sf_error *err)
{
    rank->line = malloc(len + 1);
    if (rank->line == NULL)
        return sf_fail(err, "out of memory");
    memcpy(rank->line, line, len);
    rank->line[len] = '\0';
    rank->len = len;
    return insert(ranking, rank, err);
}

int sf_ranking_join(struct sf_ranking *ranking, struct sf_ranking *other, struct sf_error *err)
{
    int result = 0;
    for (size_t i = 0; i < other->count; i++) {
        struct sf_ranked *item = &other->items[i];
        if (result != 0 || !has_place(ranking, item))
            free(item->line);
        else
            result = insert(ranking, item, err);
    }
    other->count = 0;
    return result;
}

void sf_ranking_sort(struct sf_ranking *ranking)
{
    if (ranking->count > 0)
        qsort(ranking->items, ranking->count, sizeof *ranking->items, compare);
}

void sf_ranking_dispose(struct sf_ranking *ranking)
{
    for (size_t i = 0; i < ranking->count; i++)
        free(ranking->items[i].line);
    free(ranking->items);
    *ranking = (struct sf_ranking){0};
}
