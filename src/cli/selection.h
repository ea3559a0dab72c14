/* A set of connection ids: which connections an expression chose. */
#ifndef SYNFIN_CLI_SELECTION_H
#define SYNFIN_CLI_SELECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "synfin/error.h"

/* One bit per id. Zero is the empty set. */
struct sf_selection {
    uint64_t *words;
    size_t count;
};

/* 0, or -1 with *err on lack of memory. */
int sf_selection_add(struct sf_selection *selection, uint64_t id, struct sf_error *err);

bool sf_selection_has(const struct sf_selection *selection, uint64_t id);

void sf_selection_dispose(struct sf_selection *selection);

#endif
