/* Decides a compiled expression for one connection. */
#include "synfin/where.h"

#include <arpa/inet.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "where_internal.h"

struct value {
    enum sf_value_type type; /* NULL when not known */
    long double number;
    const char *text;
    const struct sf_network *network;
};

static const struct value null_value = {.type = SF_VALUE_NULL};

static struct value number_value(enum sf_value_type type, long double number)
{
    return (struct value){.type = type, .number = number};
}

static struct value text_value(const char *text)
{
    if (text == NULL || text[0] == '\0')
        return null_value;
    return (struct value){.type = SF_VALUE_TEXT, .text = text};
}

static struct value span_value(enum sf_value_type type, sf_ns ns)
{
    return sf_ns_known(ns) ? number_value(type, (long double)ns) : null_value;
}

static struct value field_value(const struct sf_field *field, const struct sf_record *record)
{
    const void *at = sf_field_at(field, record);
    switch (field->type) {
    case SF_FIELD_COUNT: {
        uint64_t n = *(const uint64_t *)at;
        return n == SF_COUNT_UNKNOWN ? null_value : number_value(SF_VALUE_NUMBER, (long double)n);
    }
    case SF_FIELD_REAL: {
        double x = *(const double *)at;
        return isfinite(x) ? number_value(SF_VALUE_NUMBER, (long double)x) : null_value;
    }
    case SF_FIELD_TIME: return span_value(SF_VALUE_TIME, *(const sf_ns *)at);
    case SF_FIELD_DURATION: return span_value(SF_VALUE_SPAN, *(const sf_ns *)at);
    case SF_FIELD_NAME: return text_value(*(const char *const *)at);
    case SF_FIELD_TEXT: return text_value(at);
    case SF_FIELD_CLAIM: {
        enum sf_tri claim = *(const enum sf_tri *)at;
        return claim == SF_TRI_UNKNOWN ? null_value
                                       : number_value(SF_VALUE_CLAIM, claim == SF_TRI_TRUE);
    }
    case SF_FIELD_SEVERITY:
        return number_value(SF_VALUE_SEVERITY, (long double)*(const enum sf_severity *)at);
    case SF_FIELD_VLANS:
        return record->vlan_count == 0 ? null_value
                                       : number_value(SF_VALUE_NUMBER, record->vlan[0]);
    case SF_FIELD_TUNNELS:
        return record->tunnel_count == 0 ? null_value : text_value(record->tunnel[0].type);
    case SF_FIELD_TIMELINE:
        return number_value(SF_VALUE_NUMBER, (long double)record->timeline_count);
    case SF_FIELD_ANOMALIES:
        return number_value(SF_VALUE_NUMBER, (long double)record->anomaly_count);
    }
    return null_value;
}

static uint64_t anomaly_count(const struct sf_record *record, enum sf_anomaly anomaly)
{
    uint64_t count = 0;
    for (size_t i = 0; i < record->anomaly_count; i++)
        if (record->anomalies[i].name == anomaly)
            count += record->anomalies[i].count;
    return count;
}

static struct value operand_value(const struct sf_operand *operand, const struct sf_record *record)
{
    switch (operand->source) {
    case SF_FROM_FIELD: return field_value(operand->field, record);
    case SF_FROM_ANOMALY_COUNT:
        return number_value(SF_VALUE_NUMBER, (long double)anomaly_count(record, operand->anomaly));
    case SF_FROM_LITERAL: break;
    }
    return (struct value){.type = operand->type,
                          .number = operand->number,
                          .text = operand->text,
                          .network = &operand->network};
}

static bool is_within(const char *text, const struct sf_network *network)
{
    unsigned char address[16];
    if (inet_pton(network->family, text, address) != 1)
        return false;
    size_t whole = network->bits / 8;
    unsigned rest = network->bits % 8;
    if (memcmp(address, network->address, whole) != 0)
        return false;
    return rest == 0 || (address[whole] ^ network->address[whole]) >> (8 - rest) == 0;
}

static bool matches(const char *text, const char *pattern)
{
    if (strpbrk(pattern, "*?[") != NULL)
        return fnmatch(pattern, text, 0) == 0;
    return strstr(text, pattern) != NULL;
}

static bool ordered(enum sf_comparison comparison, int order)
{
    switch (comparison) {
    case SF_EQ:
    case SF_MATCHES: return order == 0;
    case SF_NE: return order != 0;
    case SF_LT: return order < 0;
    case SF_LE: return order <= 0;
    case SF_GT: return order > 0;
    case SF_GE: return order >= 0;
    }
    return false;
}

static bool compares(const struct sf_node *node, struct value left, struct value right,
                     bool asks_null)
{
    bool is_null = left.type == SF_VALUE_NULL || right.type == SF_VALUE_NULL;
    if (asks_null)
        return (left.type == right.type) == (node->comparison == SF_EQ);
    if (is_null)
        return false;
    if (right.type == SF_VALUE_NETWORK)
        return ordered(node->comparison, !is_within(left.text, right.network));
    if (node->comparison == SF_MATCHES)
        return matches(left.text, right.text);
    if (left.type == SF_VALUE_TEXT)
        return ordered(node->comparison, strcmp(left.text, right.text));
    return ordered(node->comparison, (left.number > right.number) - (left.number < right.number));
}

static bool is_null_literal(const struct sf_operand *operand)
{
    return operand->source == SF_FROM_LITERAL && operand->type == SF_VALUE_NULL;
}

static bool is_true(struct value value)
{
    switch (value.type) {
    case SF_VALUE_NULL: return false;
    case SF_VALUE_TEXT:
    case SF_VALUE_NETWORK: return true;
    case SF_VALUE_NUMBER:
    case SF_VALUE_SPAN:
    case SF_VALUE_TIME:
    case SF_VALUE_CLAIM:
    case SF_VALUE_SEVERITY: break;
    }
    return value.number != 0;
}

/* Recursion is bounded by the number of nodes. */
static bool holds(const struct sf_where *where, size_t at, const struct sf_record *record)
{
    const struct sf_node *node = &where->nodes[at];
    switch (node->kind) {
    case SF_NODE_OR: return holds(where, node->left, record) || holds(where, node->right, record);
    case SF_NODE_AND: return holds(where, node->left, record) && holds(where, node->right, record);
    case SF_NODE_NOT: return !holds(where, node->left, record);
    case SF_NODE_TRUTH: return is_true(operand_value(&where->operands[node->left], record));
    case SF_NODE_COMPARE: break;
    }
    const struct sf_operand *left = &where->operands[node->left];
    const struct sf_operand *right = &where->operands[node->right];
    return compares(node, operand_value(left, record), operand_value(right, record),
                    is_null_literal(left) || is_null_literal(right));
}

bool sf_where_holds(const struct sf_where *where, const struct sf_record *record)
{
    return holds(where, where->root, record);
}

void sf_where_free(struct sf_where *where)
{
    free(where);
}
