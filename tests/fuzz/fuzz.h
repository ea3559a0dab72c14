/* One input of a fuzz target: libFuzzer's entry, which replay.c calls for files in every build. */
#ifndef SYNFIN_TESTS_FUZZ_H
#define SYNFIN_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Returns 0; aborts with a sentence on standard error when something that must hold does not. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
