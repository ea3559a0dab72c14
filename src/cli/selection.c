/* A growing bitmap. */
#include "selection.h"

#include <stdlib.h>
#include <string.h>

int sf_selection_add(struct sf_selection *selection, uint64_t id, struct sf_error *err)
{
    size_t word = (size_t)(id / 64);
    if (word >= selection->count) {
        size_t count = word * 2 + 16;
        uint64_t *words = realloc(selection->words, count * sizeof *words);
        if (words == NULL)
            return sf_fail(err, "out of memory");
        memset(words + selection->count, 0, (count - selection->count) * sizeof *words);
        selection->words = words;
        selection->count = count;
    }
    selection->words[word] |= UINT64_C(1) << id % 64;
    return 0;
}

bool sf_selection_has(const struct sf_selection *selection, uint64_t id)
{
    size_t word = (size_t)(id / 64);
    return word < selection->count && (selection->words[word] >> id % 64 & 1) != 0;
}

void sf_selection_dispose(struct sf_selection *selection)
{
    free(selection->words);
    *selection = (struct sf_selection){0};
}
