/* A live reading by several workers, each with rings of its own whose packets the kernel deals out.
 */
#ifndef SYNFIN_CLI_RING_WORKERS_H
#define SYNFIN_CLI_RING_WORKERS_H

#include "pass.h"

/* As sf_pass_run(), with so many workers. */
enum sf_status sf_ring_workers_run(struct sf_pass *pass, unsigned count);

#endif
