/* Hashes of octets: XXH3. */
#ifndef SYNFIN_HASH_H
#define SYNFIN_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Keyed: who does not know the seed cannot choose octets that collide. */
uint64_t sf_hash(const void *octets, size_t len, uint64_t seed);

/* The same for two, four and seven words, which the compiler then knows the length of. */
uint64_t sf_hash_2(const uint64_t words[2], uint64_t seed);
uint64_t sf_hash_4(const uint64_t words[4], uint64_t seed);
uint64_t sf_hash_7(const uint64_t words[7], uint64_t seed);

/* The same octets on every machine, whatever its byte order. */
enum { SF_DIGEST = 16 };
void sf_hash_digest(const void *octets, size_t len, uint8_t digest[SF_DIGEST]);

#endif
