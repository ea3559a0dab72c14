/* What only many connections together show: floods and scans. */
#ifndef SYNFIN_FINDING_H
#define SYNFIN_FINDING_H

#include <stddef.h>

#include "synfin/record.h"
#include "synfin/sink.h"

struct sf_findings;

/* NULL on lack of memory. Holds bounded tables: what is rarest is forgotten first. */
struct sf_findings *sf_findings_new(void);
void sf_findings_free(struct sf_findings *findings);

/* Counts the connection when it failed: unanswered, refused, incomplete, or reset in the
 * handshake. */
void sf_findings_record(struct sf_findings *findings, const struct sf_record *record);

/* What was found so far, the most connections first; valid until the next call or free. */
const struct sf_finding *sf_findings_list(struct sf_findings *findings, size_t *count);

/* Name and definition, with its threshold, of each kind; ended by a NULL name. */
struct sf_finding_kind {
    const char *name, *text;
};
const struct sf_finding_kind *sf_finding_kinds(void);

#endif
