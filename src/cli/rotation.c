/* -G: a new name each S seconds. -C: a number behind the name; with -W it goes round. Both: the
 * number begins anew with each period, and -W only says how many digits it has. */
#include "rotation.h"

#include <limits.h>
#include <stdlib.h>
#include <time.h>

static const uint64_t MEGA = 1000000; /* octets in tcpdump's -C unit */

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the pattern is the user's */
static int fill_in_time(char out[PATH_MAX], const struct sf_rotation *rotation,
                        struct sf_error *err)
{
    time_t seconds = (time_t)(rotation->begun_ns / SF_SEC);
    struct tm parts;
    int length = 0;
    if (rotation->options->rotate_ns == 0)
        length = snprintf(out, PATH_MAX, "%s", rotation->pattern);
    else if (localtime_r(&seconds, &parts) != NULL)
        length = (int)strftime(out, PATH_MAX, rotation->pattern, &parts);
    if (length > 0 && length < PATH_MAX)
        return 0;
    return sf_fail(err, "%s: no file name can be made of it", rotation->pattern);
}

#pragma GCC diagnostic pop

static int digits_of(uint64_t n)
{
    int digits = 1;
    for (; n >= 10; n /= 10)
        digits++;
    return digits;
}

static int make_path(struct sf_rotation *rotation, struct sf_error *err)
{
    const struct sf_cli_options *options = rotation->options;
    char name[PATH_MAX];
    char *path = NULL;
    bool goes_round = options->rotate_megabytes != 0 && options->rotate_files != 0;
    int digits = goes_round ? digits_of(options->rotate_files - 1) : 1;
    bool has_number = goes_round || rotation->number > 0;
    if (fill_in_time(name, rotation, err) != 0)
        return -1;
    int length =
        has_number ? asprintf(&path, "%s%0*llu", name, digits, (unsigned long long)rotation->number)
                   : asprintf(&path, "%s", name);
    if (length < 0)
        return sf_fail(err, "out of memory");
    free(rotation->path);
    rotation->path = path;
    return 0;
}

int sf_rotation_begin(struct sf_rotation *rotation, const struct sf_cli_options *options,
                      const char *pattern, sf_ns now_ns, struct sf_error *err)
{
    *rotation = (struct sf_rotation){
        .options = options, .pattern = pattern, .begun_ns = now_ns, .periods = 1};
    return make_path(rotation, err);
}

/* A clock that was set back does not stretch the period. */
static bool is_old(const struct sf_rotation *rotation, sf_ns now_ns)
{
    sf_ns period = rotation->options->rotate_ns;
    return period != 0 &&
           (now_ns - rotation->begun_ns >= period || rotation->begun_ns - now_ns > period);
}

bool sf_rotation_is_due(const struct sf_rotation *rotation, sf_ns now_ns, uint64_t octets)
{
    uint64_t megabytes = rotation->options->rotate_megabytes;
    return is_old(rotation, now_ns) || (megabytes != 0 && octets >= megabytes * MEGA);
}

bool sf_rotation_is_last(const struct sf_rotation *rotation, sf_ns now_ns)
{
    const struct sf_cli_options *options = rotation->options;
    return is_old(rotation, now_ns) && options->rotate_megabytes == 0 &&
           options->rotate_files != 0 && rotation->periods >= options->rotate_files;
}

int sf_rotation_next(struct sf_rotation *rotation, sf_ns now_ns, struct sf_error *err)
{
    const struct sf_cli_options *options = rotation->options;
    if (is_old(rotation, now_ns)) {
        sf_ns periods = (now_ns - rotation->begun_ns) / options->rotate_ns;
        rotation->begun_ns = now_ns < rotation->begun_ns
                                 ? now_ns
                                 : rotation->begun_ns + periods * options->rotate_ns;
        rotation->periods++;
        rotation->number = 0;
        return make_path(rotation, err);
    }
    rotation->number++;
    if (options->rotate_ns == 0 && options->rotate_files != 0)
        rotation->number %= options->rotate_files;
    return make_path(rotation, err);
}

void sf_rotation_dispose(struct sf_rotation *rotation)
{
    free(rotation->path);
    *rotation = (struct sf_rotation){0};
}
