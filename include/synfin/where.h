/* The small typed language of --where and --fail-on, over the fields of a connection.
 *
 *   expression = or                      or  = and { "or" and }         and = not { "and" not }
 *   not        = "not" not | compare     compare = value [ operator value | "in" "(" values ")" ]
 *   operator   = == != < <= > >= ~       ~ : contains, or matches as a whole when it holds * ? [
 *   value      = number | 'text' | field | has("anomaly") | anomaly("anomaly") | null | true |
 * false | "(" expression ")"
 *
 * Spans of time are numbers of seconds or carry ns us ms s m h; sizes may carry k M G (1000) or
 * KiB MiB GiB. A field alone is true when it is neither null, 0, false nor empty; of severity: when
 * it is not "ok". A comparison with a null value is false, except == null and != null. An address
 * compared with a text like "10.0.0.0/8" asks whether it lies within. */
#ifndef SYNFIN_WHERE_H
#define SYNFIN_WHERE_H

#include <stdbool.h>

#include "synfin/error.h"
#include "synfin/record.h"

struct sf_where;

/* NULL with *err, which shows the text with a caret under the offending place.
 * sf_where_free() gives it back. */
struct sf_where *sf_where_compile(const char *text, struct sf_error *err);

bool sf_where_holds(const struct sf_where *where, const struct sf_record *record);

void sf_where_free(struct sf_where *where);

#endif
