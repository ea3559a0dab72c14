/* What the user asked for, and the one table of options that the parser and --help are made from.
 */
#ifndef SYNFIN_CLI_OPTIONS_H
#define SYNFIN_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "synfin/error.h"
#include "synfin/field.h"
#include "synfin/time.h"

enum sf_when { SF_WHEN_AUTO, SF_WHEN_ALWAYS, SF_WHEN_NEVER };

/* Words given; each stays the caller's (argv). */
struct sf_word_list {
    const char **words;
    size_t count;
};

struct sf_cli_options {
    struct sf_word_list files;      /* positional or by -r */
    struct sf_word_list interfaces; /* by -i */
    struct sf_word_list outputs;    /* by -o, --json */
    char *filter;                   /* BPF: -f, -F or trailing words; owned */
    const char *filter_option, *filter_file;
    bool events, segments;
    const char *where, *fail_on;
    const char *fields, *sort;
    uint64_t top;
    bool has_top;
    const char *write_path; /* -w */
    uint64_t packet_limit;  /* -c */
    sf_ns duration_ns;      /* --duration */
    uint64_t workers;       /* -j, 0: as many as do good */
    sf_ns linger_ns;
    sf_ns idle_timeout_ns;
    uint64_t max_memory;
    sf_ns update_interval_ns;                /* live, 0: none */
    sf_ns rotate_ns;                         /* -G, 0: not by time */
    uint64_t rotate_megabytes, rotate_files; /* -C, -W */
    bool vlan_key, strict, verify_checksums;
    uint64_t buffer_mib, snaplen;
    const char *user; /* -Z */
    bool no_sandbox;
    bool list_interfaces, line_flush, promiscuous, quiet;
    bool want_version, want_help;
    enum sf_when color, progress;

    struct sf_word_list given; /* "name=value" of the options that change results; owned texts */
};

/* Fills *options from the words of the command line (without the program's name). 0, or -1 with
 * *err, which is one sentence and perhaps a hint on a second line: a usage error. Disposed by the
 * caller either way. */
int sf_options_parse(struct sf_cli_options *options, int count, char **words, struct sf_error *err);

void sf_options_dispose(struct sf_cli_options *options);

/* The page of --help: at most 80 columns wide. */
void sf_options_help(FILE *out);

/* Of `most` packets, how many may be read when so many were taken: none behind the last of -c. */
size_t sf_packets_left(const struct sf_cli_options *options, uint64_t taken, size_t most);

/* Whether a person sits at the stream: `when` decides, else that it is a terminal. */
bool sf_when_holds(enum sf_when when, FILE *stream);

#endif
