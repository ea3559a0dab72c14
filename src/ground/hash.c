/* Hashes of octets: XXH3. */
#include "synfin/hash.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t sf_hash(const void *octets, size_t len, uint64_t seed)
{
    return XXH3_64bits_withSeed(octets, len, seed);
}

uint64_t sf_hash_2(const uint64_t words[2], uint64_t seed)
{
    return XXH3_64bits_withSeed(words, 2 * sizeof *words, seed);
}

uint64_t sf_hash_4(const uint64_t words[4], uint64_t seed)
{
    return XXH3_64bits_withSeed(words, 4 * sizeof *words, seed);
}

uint64_t sf_hash_7(const uint64_t words[7], uint64_t seed)
{
    return XXH3_64bits_withSeed(words, 7 * sizeof *words, seed);
}

void sf_hash_digest(const void *octets, size_t len, uint8_t digest[SF_DIGEST])
{
    XXH128_canonical_t canonical;
    _Static_assert(sizeof canonical.digest == SF_DIGEST, "128 bits");
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(octets, len));
    memcpy(digest, canonical.digest, SF_DIGEST);
}
