/* What only many connections together show: floods and scans. */
#ifndef SYNFIN_FINDING_H
#define SYNFIN_FINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "synfin/record.h"
#include "synfin/sink.h"

struct sf_findings;

/* NULL on lack of memory. Holds bounded tables: what is rarest is forgotten first. */
struct sf_findings *sf_findings_new(void);
void sf_findings_free(struct sf_findings *findings);

/* What counts of a connection that failed: unanswered, refused, incomplete, or reset in the
 * handshake. */
struct sf_attempt {
    bool is_hanging; /* no RST ended it */
    uint8_t ip_version;
    uint16_t port;
    uint8_t source[16], target[16]; /* of IPv4 the first four octets, the others are 0 */
    sf_ns start_ns, end_ns;
};

/* False, and *out as it was, when the connection did not fail. */
bool sf_attempt_of(const struct sf_record *record, struct sf_attempt *out);

/* Counts it. What is found depends on the order once the tables are full. */
void sf_findings_add(struct sf_findings *findings, const struct sf_attempt *attempt);

/* What was found so far, the most connections first; valid until the next call or free. */
const struct sf_finding *sf_findings_list(struct sf_findings *findings, size_t *count);

/* Name and definition, with its threshold, of each kind; ended by a NULL name. */
struct sf_finding_kind {
    const char *name, *text;
};
const struct sf_finding_kind *sf_finding_kinds(void);

#endif
