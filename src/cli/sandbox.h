/* What a run may do once its inputs are open: no more than read them and write its outputs. Packets
 * come from strangers; whoever takes the parser over by one gains nothing else. */
#ifndef SYNFIN_CLI_SANDBOX_H
#define SYNFIN_CLI_SANDBOX_H

#include <stdbool.h>

#include "options.h"
#include "rights.h"
#include "synfin/error.h"

struct sf_sandbox {
    const struct sf_cli_options *options;
    struct sf_rights rights;
    bool is_entered;
};

/* Decides whom to become (-Z). 0, or -1 with *err: a usage error. The options stay the caller's. */
int sf_sandbox_begin(struct sf_sandbox *sandbox, const struct sf_cli_options *options,
                     struct sf_error *err);

/* Checks what would only fail at the end: outputs that could not get their names. Called as the
 * user to become. 0, or -1 with *err. */
int sf_sandbox_check(const struct sf_sandbox *sandbox, struct sf_error *err);

/* Gives up all rights but those to read the inputs, write beneath the folders of the outputs, and
 * use what is open: user and capabilities, Landlock, system calls. Live, what the kernel lacks is
 * said on standard error. After all devices are open, before the first packet is read and before
 * any thread is begun. A second call does nothing. 0, or -1 with *err. */
int sf_sandbox_enter(struct sf_sandbox *sandbox, struct sf_error *err);

/* Why this process is left without Landlock and seccomp whatever the kernel has, or NULL: tools
 * that watch a program from inside need more than it does. */
const char *sf_sandbox_obstacle(void);

#endif
