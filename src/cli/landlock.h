/* Which paths the process may still open: Landlock, Linux 5.13 and later. */
#ifndef SYNFIN_CLI_LANDLOCK_H
#define SYNFIN_CLI_LANDLOCK_H

#include <stddef.h>

#include "synfin/error.h"

enum sf_path_use {
    SF_PATH_READ,   /* this file, or what lies beneath this folder */
    SF_PATH_WRITE,  /* this file or device as it is */
    SF_PATH_REPLACE /* files made, written, renamed and removed beneath this folder */
};

struct sf_path_rule {
    const char *path; /* one that does not exist is passed over */
    enum sf_path_use use;
};

/* The version of Landlock that this kernel has, 0 for none. */
int sf_landlock_version(void);

/* From now on the calling thread and those that it begins open nothing but what the rules allow;
 * where the version knows of them, TCP, abstract sockets and signals to others are shut, too. What
 * is open already stays usable. Needs no_new_privs. 0 also where the kernel has no Landlock, -1
 * with *err when it refuses. */
int sf_landlock_enter(const struct sf_path_rule *rules, size_t count, struct sf_error *err);

#endif
