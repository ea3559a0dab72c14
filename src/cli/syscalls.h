/* Which system calls are left to the process: seccomp(2). */
#ifndef SYNFIN_CLI_SYSCALLS_H
#define SYNFIN_CLI_SYSCALLS_H

#include <stdbool.h>

#include "synfin/error.h"

/* Whether the program is built with it and the kernel has it. */
bool sf_syscalls_can_be_limited(void);

/* From now on all threads have only the system calls that reading packets and writing results
 * needs. Any other fails with EPERM, so that a library that tries something new goes on without
 * it (getaddrinfo() asks for sockets when a filter names a port); those that only an intruder would
 * make (another program, another process's memory, the kernel's own code) end the process with
 * SIGSYS. The kernel's audit log names each. 0 also where there is no seccomp, -1 with *err. */
int sf_syscalls_limit(struct sf_error *err);

#endif
