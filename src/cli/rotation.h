/* The names of the files that one output writes in turn, as tcpdump names them. */
#ifndef SYNFIN_CLI_ROTATION_H
#define SYNFIN_CLI_ROTATION_H

#include "options.h"

struct sf_rotation {
    const struct sf_cli_options *options; /* -G, -C, -W */
    const char *pattern;                  /* as given; with -G strftime() fills it in */
    char *path;                           /* of the present file; owned */
    sf_ns begun_ns;                       /* of the machine's clock: what the name tells with -G */
    uint64_t number;                      /* of the file since then, by -C */
    uint64_t periods;                     /* begun, by -G */
};

/* The first file's name. 0, or -1 with *err. Disposed by the caller either way. */
int sf_rotation_begin(struct sf_rotation *rotation, const struct sf_cli_options *options,
                      const char *pattern, sf_ns now_ns, struct sf_error *err);

/* True when the present file, of so many octets, is long or old enough. */
bool sf_rotation_is_due(const struct sf_rotation *rotation, sf_ns now_ns, uint64_t octets);

/* True when what is due is not another file: -W bounds the periods of -G. */
bool sf_rotation_is_last(const struct sf_rotation *rotation, sf_ns now_ns);

/* The next file's name. 0, or -1 with *err. */
int sf_rotation_next(struct sf_rotation *rotation, sf_ns now_ns, struct sf_error *err);

void sf_rotation_dispose(struct sf_rotation *rotation);

#endif
