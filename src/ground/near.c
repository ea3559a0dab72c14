/* Edit distance with a bound on length: names longer than it are never near. */
#include "synfin/near.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { NAME_MAX_LEN = 48 };

/* Levenshtein's distance; neighbours that are swapped count once. */
static size_t edits(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][NAME_MAX_LEN + 1];
    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *top = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);
            best = above[j] + 1 < best ? above[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                top[j - 2] + 1 < best)
                best = top[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[a_len % 3][b_len];
}

struct sf_near sf_near_begin(const char *word, size_t len)
{
    return (struct sf_near){.word = word, .len = len, .distance = SIZE_MAX};
}

void sf_near_offer(struct sf_near *near, const char *candidate)
{
    size_t len = strlen(candidate);
    if (near->len == 0 || near->len > NAME_MAX_LEN || len > NAME_MAX_LEN)
        return;
    bool is_end = len > near->len && candidate[len - near->len - 1] == '.' &&
                  strncmp(candidate + len - near->len, near->word, near->len) == 0;
    size_t bound = near->len < 3 ? 1 : (near->len + 2) / 3;
    if (!is_end && (len > near->len + bound || near->len > len + bound))
        return; /* as many edits as the lengths differ by are needed at least */
    size_t distance = is_end ? 1 : edits(near->word, near->len, candidate, len);
    if (distance > bound || distance >= near->distance)
        return;
    near->distance = distance;
    near->best = candidate;
}
