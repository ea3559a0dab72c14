/* A compiled expression: nodes over operands, as where_compile.c makes and where.c reads them. */
#ifndef SYNFIN_REPORT_WHERE_INTERNAL_H
#define SYNFIN_REPORT_WHERE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "synfin/field.h"
#include "synfin/where.h"

/* Numbers are long double: exact for counts of 64 bits and for nanoseconds. */
enum sf_value_type {
    SF_VALUE_NULL,
    SF_VALUE_NUMBER,
    SF_VALUE_SPAN, /* nanoseconds */
    SF_VALUE_TIME, /* nanoseconds since 1970 */
    SF_VALUE_TEXT,
    SF_VALUE_CLAIM,
    SF_VALUE_SEVERITY,
    SF_VALUE_NETWORK, /* literal only: an address and how many of its bits count */
};

struct sf_network {
    int family;
    unsigned bits;
    unsigned char address[16];
};

enum sf_operand_source { SF_FROM_FIELD, SF_FROM_ANOMALY_COUNT, SF_FROM_LITERAL };

enum { SF_WHERE_TEXT = 128 };

struct sf_operand {
    enum sf_operand_source source;
    enum sf_value_type type;
    size_t at; /* where it stands in the text */
    const struct sf_field *field;
    enum sf_anomaly anomaly;
    /* A literal: */
    long double number;
    char unit; /* '\0', 't' of time (number is in ns then), 's' of size */
    char text[SF_WHERE_TEXT];
    struct sf_network network;
};

enum sf_node_kind { SF_NODE_OR, SF_NODE_AND, SF_NODE_NOT, SF_NODE_COMPARE, SF_NODE_TRUTH };

enum sf_comparison { SF_EQ, SF_NE, SF_LT, SF_LE, SF_GT, SF_GE, SF_MATCHES };

/* left and right are nodes of OR, AND, NOT (left only), operands of COMPARE, TRUTH (left only). */
struct sf_node {
    enum sf_node_kind kind;
    enum sf_comparison comparison;
    size_t left, right;
};

enum { SF_WHERE_NODES = 512 };

struct sf_where {
    struct sf_node nodes[SF_WHERE_NODES];
    struct sf_operand operands[SF_WHERE_NODES];
    size_t node_count, operand_count;
    size_t root;
};

#endif
