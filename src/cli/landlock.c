/* Landlock by its system calls; the C library has no functions for them. Debian 12's headers know
 * versions 1 and 2 (docs: Linux Documentation/userspace-api/landlock.rst). */
#include "landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* struct landlock_ruleset_attr as of version 6; each version reads its own part. */
struct attributes {
    uint64_t files;
    uint64_t net;    /* since version 4 */
    uint64_t scopes; /* since version 6 */
};

#define BITS(n) ((UINT64_C(1) << (n)) - 1)

enum { TRUNCATE_BIT = 14 };

/* What each version can forbid. */
static const struct {
    struct attributes handled;
    size_t size; /* octets of it that the version knows */
} versions[] = {
    [1] = {{BITS(13), 0, 0}, 8},              /* from EXECUTE to MAKE_SYM */
    [2] = {{BITS(14), 0, 0}, 8},              /* REFER: to another folder */
    [3] = {{BITS(15), 0, 0}, 8},              /* TRUNCATE */
    [4] = {{BITS(15), BITS(2), 0}, 16},       /* TCP: bind, connect */
    [5] = {{BITS(16), BITS(2), 0}, 16},       /* IOCTL_DEV */
    [6] = {{BITS(16), BITS(2), BITS(2)}, 24}, /* abstract sockets, signals */
};

enum { VERSION_MAX = sizeof versions / sizeof versions[0] - 1 };

static const uint64_t truncate_file = UINT64_C(1) << TRUNCATE_BIT;

static uint64_t rights_of(enum sf_path_use use, bool is_folder)
{
    const uint64_t read_file = LANDLOCK_ACCESS_FS_READ_FILE;
    const uint64_t write_file = LANDLOCK_ACCESS_FS_WRITE_FILE | truncate_file;
    switch (use) {
    case SF_PATH_READ: return is_folder ? read_file | LANDLOCK_ACCESS_FS_READ_DIR : read_file;
    case SF_PATH_WRITE: return write_file;
    case SF_PATH_REPLACE: break;
    }
    if (!is_folder)
        return write_file;
    /* REMOVE_DIR: rename(2) onto a folder then fails for what it is. */
    return read_file | write_file | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
           LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
           LANDLOCK_ACCESS_FS_REMOVE_DIR;
}

int sf_landlock_version(void)
{
    long version =
        syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);
    return version < 0 ? 0 : (int)version;
}

static int add_rule(int ruleset, const struct sf_path_rule *rule, uint64_t handled,
                    struct sf_error *err)
{
    struct stat st;
    int fd = open(rule->path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return 0;
    int result = fstat(fd, &st);
    if (result == 0) {
        struct landlock_path_beneath_attr beneath = {
            .allowed_access = rights_of(rule->use, S_ISDIR(st.st_mode)) & handled, .parent_fd = fd};
        result =
            (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0U);
    }
    /* EBADFD: a pipe or the like behind /dev/stdout, which has no path to forbid. */
    if (result != 0 && errno != EBADFD)
        sf_fail(err, "Landlock: %s: %s", rule->path, strerror(errno));
    else
        result = 0;
    close(fd);
    return result;
}

static int restrict_to(int ruleset, const struct sf_path_rule *rules, size_t count,
                       uint64_t handled, struct sf_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (add_rule(ruleset, &rules[i], handled, err) != 0)
            return -1;
    if (syscall(SYS_landlock_restrict_self, ruleset, 0U) != 0)
        return sf_fail(err, "Landlock: %s", strerror(errno));
    return 0;
}

int sf_landlock_enter(const struct sf_path_rule *rules, size_t count, struct sf_error *err)
{
    int version = sf_landlock_version();
    if (version == 0)
        return 0;
    if (version > VERSION_MAX)
        version = VERSION_MAX;
    struct attributes handled = versions[version].handled;
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &handled, versions[version].size, 0U);
    if (ruleset < 0)
        return sf_fail(err, "Landlock: %s", strerror(errno));
    int result = restrict_to(ruleset, rules, count, handled.files, err);
    close(ruleset);
    return result;
}
