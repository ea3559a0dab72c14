/* Octets that end flush against a page that cannot be read: one octet too many is a crash. */
#ifndef SYNFIN_TESTS_GUARD_H
#define SYNFIN_TESTS_GUARD_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guard {
    uint8_t *base;
    size_t readable; /* octets before the guarded page */
    size_t mapped;
};

/* Room for `size` octets; guard_close() gives it back. */
static inline struct guard guard_open(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t readable = (size + page - 1) / page * page;
    size_t mapped = readable + page;
    uint8_t *base = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert(base != MAP_FAILED);
    int failed = mprotect(base + readable, page, PROT_NONE);
    assert(!failed);
    (void)failed;
    return (struct guard){base, readable, mapped};
}

/* Copies the octets to the page's edge and returns where they begin; valid until the next put. */
static inline const uint8_t *guard_put(struct guard *guard, const void *data, size_t len)
{
    assert(len <= guard->readable);
    uint8_t *at = guard->base + guard->readable - len;
    if (len > 0)
        memcpy(at, data, len);
    return at;
}

static inline void guard_close(struct guard *guard)
{
    munmap(guard->base, guard->mapped);
    *guard = (struct guard){0};
}

#endif
