/* An error is one sentence that names the object and the cause. */
#ifndef SYNFIN_ERROR_H
#define SYNFIN_ERROR_H

#if defined(__GNUC__)
#define SF_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define SF_PRINTF(fmt, args)
#endif

struct sf_error {
    char text[512];
};

/* Writes the sentence into *err (err may be NULL) and returns -1, for `return sf_fail(...)`. */
int sf_fail(struct sf_error *err, const char *fmt, ...) SF_PRINTF(2, 3);

/* Puts "prefix: " before the sentence already in *err and returns -1. */
int sf_fail_prefix(struct sf_error *err, const char *prefix);

#endif
