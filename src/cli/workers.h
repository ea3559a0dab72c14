/* One reading of files by several threads; what it prints is the same for any number. */
#ifndef SYNFIN_CLI_WORKERS_H
#define SYNFIN_CLI_WORKERS_H

#include "pass.h"

/* How many workers the pass should have, from what is asked for, the input (its capture is open)
 * and the machine. 1: sf_pass_run(). */
unsigned sf_workers_count(const struct sf_pass *pass);

/* sf_pass_run() with several workers. */
enum sf_status sf_workers_run(struct sf_pass *pass, unsigned count);

#endif
