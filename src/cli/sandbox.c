/* The rules of a run from its options, and the order in which rights are given up. */
#include "sandbox.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "landlock.h"
#include "outputs.h"
#include "synfin/output.h"
#include "syscalls.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#endif

const char *sf_sandbox_obstacle(void)
{
#if defined(HAS_SANITIZER)
    return "built with a sanitizer";
#else
    /* valgrind loads its part into the program this way (its manual, "Core"). */
    const char *preload = getenv("LD_PRELOAD");
    return preload != NULL && strstr(preload, "vgpreload_") != NULL ? "running under valgrind"
                                                                    : NULL;
#endif
}

int sf_sandbox_begin(struct sf_sandbox *sandbox, const struct sf_cli_options *options,
                     struct sf_error *err)
{
    *sandbox = (struct sf_sandbox){.options = options};
    return sf_rights_choose(&sandbox->rights, options->user, options->interfaces.count > 0, err);
}

/* --- outputs ---------------------------------------------------------------------------------- */

/* The folder that holds `path`; of a name with a time in it (-G) the part that has none. Owned by
 * the caller; NULL for lack of memory. */
static char *folder_of(const char *path)
{
    struct stat st;
    char *copy = strdup(path);
    if (copy == NULL)
        return NULL;
    char *folder = dirname(copy);
    for (char *time; (time = strchr(folder, '%')) != NULL && stat(folder, &st) != 0;) {
        *time = '\0';
        folder = dirname(folder);
    }
    char *own = strdup(folder); /* "." of dirname() may be longer than the path */
    free(copy);
    return own;
}

/* rename(2): in a folder like /tmp (S_ISVTX) only an owner replaces a file. */
static int check_replaces(const char *path, struct sf_error *err)
{
    struct stat file, parent;
    char *folder = folder_of(path);
    if (folder == NULL)
        return sf_fail(err, "out of memory");
    bool is_ours = lstat(path, &file) != 0 || stat(folder, &parent) != 0 ||
                   (parent.st_mode & S_ISVTX) == 0 || geteuid() == 0 || file.st_uid == geteuid() ||
                   parent.st_uid == geteuid();
    free(folder);
    return is_ours ? 0
                   : sf_fail(err, "%s: belongs to user %u and cannot be replaced by user %u", path,
                             (unsigned)file.st_uid, (unsigned)geteuid());
}

int sf_sandbox_check(const struct sf_sandbox *sandbox, struct sf_error *err)
{
    for (size_t i = 0; i <= sandbox->options->outputs.count; i++) {
        bool is_folder;
        const char *path = sf_outputs_path(sandbox->options, i, &is_folder);
        if (path != NULL && !is_folder && !sf_output_is_in_place(path) &&
            check_replaces(path, err) != 0)
            return -1;
    }
    return 0;
}

/* --- paths ------------------------------------------------------------------------------------ */

/* What libraries read late: names of ports in a filter that is compiled again for another link
 * type, the seed of a hash table. */
static const char *const read_late[] = {
    "/etc/services", "/etc/protocols", "/etc/nsswitch.conf", "/etc/hosts", "/dev/urandom",
};

struct rules {
    struct sf_path_rule *rule;
    char **owned; /* of each rule, its path if it is to be freed */
    size_t count;
};

static void add_rule(struct rules *rules, const char *path, char *owned, enum sf_path_use use)
{
    rules->owned[rules->count] = owned;
    rules->rule[rules->count++] = (struct sf_path_rule){owned != NULL ? owned : path, use};
}

static int add_inputs(struct rules *rules, const struct sf_cli_options *options,
                      struct sf_error *err)
{
    for (size_t i = 0; i < options->files.count; i++)
        add_rule(rules, options->files.words[i], NULL, SF_PATH_READ);
    for (size_t i = 0; i < sizeof read_late / sizeof read_late[0]; i++)
        add_rule(rules, read_late[i], NULL, SF_PATH_READ);
    for (size_t i = 0; i < options->interfaces.count; i++) {
        /* libpcap adds what the device itself dropped (pcap-linux.c, linux_if_drops). */
        char *path;
        if (asprintf(&path, "/sys/class/net/%s/statistics", options->interfaces.words[i]) < 0)
            return sf_fail(err, "out of memory");
        add_rule(rules, NULL, path, SF_PATH_READ);
    }
    return 0;
}

static int add_outputs(struct rules *rules, const struct sf_cli_options *options,
                       struct sf_error *err)
{
    for (size_t i = 0; i <= options->outputs.count; i++) {
        bool is_folder;
        const char *path = sf_outputs_path(options, i, &is_folder);
        if (path == NULL)
            continue;
        if (is_folder || sf_output_is_in_place(path)) {
            add_rule(rules, path, NULL, is_folder ? SF_PATH_REPLACE : SF_PATH_WRITE);
            continue;
        }
        char *folder = folder_of(path);
        if (folder == NULL)
            return sf_fail(err, "out of memory");
        add_rule(rules, NULL, folder, SF_PATH_REPLACE);
    }
    return 0;
}

static int limit_paths(const struct sf_cli_options *options, struct sf_error *err)
{
    size_t most = options->files.count + options->interfaces.count + options->outputs.count + 1 +
                  sizeof read_late / sizeof read_late[0];
    struct rules rules = {.rule = calloc(most, sizeof *rules.rule),
                          .owned = calloc(most, sizeof *rules.owned)};
    int result = rules.rule == NULL || rules.owned == NULL ? sf_fail(err, "out of memory") : 0;
    if (result == 0)
        result = add_inputs(&rules, options, err);
    if (result == 0)
        result = add_outputs(&rules, options, err);
    if (result == 0)
        result = sf_landlock_enter(rules.rule, rules.count, err);
    for (size_t i = 0; i < rules.count; i++)
        free(rules.owned[i]);
    free(rules.owned);
    free(rules.rule);
    return result;
}

/* --- all of it -------------------------------------------------------------------------------- */

/* In a pipeline over files nobody wants to read of the kernel each time; synfin doctor tells. */
static void say_what_lacks(const struct sf_cli_options *options)
{
    if (options->interfaces.count == 0 || options->quiet)
        return;
    const char *obstacle = sf_sandbox_obstacle();
    if (obstacle != NULL)
        fprintf(stderr, "synfin: %s: neither Landlock nor seccomp\n", obstacle);
    else if (sf_landlock_version() == 0)
        fprintf(stderr, "synfin: the kernel has no Landlock: files are guarded by users alone\n");
    if (obstacle == NULL && !sf_syscalls_can_be_limited())
        fprintf(stderr, "synfin: no seccomp here: system calls are not limited\n");
}

int sf_sandbox_enter(struct sf_sandbox *sandbox, struct sf_error *err)
{
    if (sandbox->is_entered)
        return 0;
    sandbox->is_entered = true;
    tzset(); /* reads the zone's file, which is out of reach later */
    if (sf_rights_drop(&sandbox->rights, err) != 0)
        return -1;
    if (sandbox->options->no_sandbox)
        return 0;
    say_what_lacks(sandbox->options);
    if (sf_sandbox_obstacle() != NULL)
        return 0;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return sf_fail(err, "no_new_privs: %s", strerror(errno));
    if (limit_paths(sandbox->options, err) != 0)
        return -1;
    return sf_syscalls_limit(err);
}
