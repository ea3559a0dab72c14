/* Users by setresuid(2), capabilities by capset(2). */
#include "rights.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where nobody is not listed (an image with nothing else in it) it still has the kernel's number,
 * /proc/sys/kernel/overflowuid. */
static const char user_default[] = "nobody";
enum { DEFAULT_ID = 65534 };

static int copy_user(struct sf_rights *rights, const struct passwd *entry, struct sf_error *err)
{
    if (strlen(entry->pw_name) >= sizeof rights->name)
        return sf_fail(err, "-Z %s: the name is too long", entry->pw_name);
    strcpy(rights->name, entry->pw_name);
    rights->uid = entry->pw_uid;
    rights->gid = entry->pw_gid;
    return 0;
}

int sf_rights_choose(struct sf_rights *rights, const char *user, bool is_live, struct sf_error *err)
{
    *rights = (struct sf_rights){.own_gid = getegid(), .is_default = user == NULL};
    bool is_root = geteuid() == 0;
    if (user == NULL && !(is_live && is_root))
        return 0;
    const char *name = user != NULL ? user : user_default;
    errno = 0;
    const struct passwd *entry = getpwnam(name);
    if (entry == NULL && rights->is_default) {
        strcpy(rights->name, user_default);
        rights->uid = rights->gid = DEFAULT_ID;
        return 0;
    }
    if (entry == NULL)
        return sf_fail(err, "-Z %s: %s", name, errno != 0 ? strerror(errno) : "no such user");
    if (entry->pw_uid == geteuid())
        return 0;
    if (!is_root)
        return sf_fail(err, "-Z %s: only root can become another user", name);
    return copy_user(rights, entry, err);
}

/* In a user namespace root may be the only user there is (`unshare -r`): who was not asked for by
 * name need not exist there. */
static bool is_unknown_here(const struct sf_rights *rights, int cause)
{
    return rights->is_default && (cause == EINVAL || cause == EPERM);
}

static int fail_change(struct sf_rights *rights, struct sf_error *err)
{
    int cause = errno;
    sf_rights_give_back(rights);
    if (is_unknown_here(rights, cause)) {
        rights->name[0] = '\0';
        return 0;
    }
    return sf_fail(err, "-Z %s: %s", rights->name, strerror(cause));
}

int sf_rights_borrow(struct sf_rights *rights, struct sf_error *err)
{
    if (rights->name[0] == '\0')
        return 0;
    if (initgroups(rights->name, rights->gid) != 0 || setegid(rights->gid) != 0 ||
        seteuid(rights->uid) != 0)
        return fail_change(rights, err);
    return 0;
}

void sf_rights_give_back(const struct sf_rights *rights)
{
    if (rights->name[0] == '\0')
        return;
    /* The saved ids allow it. If it failed all the same, opening the device would say so. */
    if (seteuid(0) == 0 && setegid(rights->own_gid) == 0)
        return;
    fprintf(stderr, "synfin: root again: %s\n", strerror(errno));
}

static bool is_changed_for_good(const struct sf_rights *rights)
{
    uid_t uid[3];
    gid_t gid[3];
    if (getresuid(&uid[0], &uid[1], &uid[2]) != 0 || getresgid(&gid[0], &gid[1], &gid[2]) != 0)
        return false;
    for (int i = 0; i < 3; i++)
        if (uid[i] != rights->uid || gid[i] != rights->gid)
            return false;
    return rights->uid == 0 || setuid(0) != 0;
}

static int change_user(const struct sf_rights *rights, struct sf_error *err)
{
    if (initgroups(rights->name, rights->gid) != 0 ||
        setresgid(rights->gid, rights->gid, rights->gid) != 0 ||
        setresuid(rights->uid, rights->uid, rights->uid) != 0)
        return sf_fail(err, "-Z %s: %s", rights->name, strerror(errno));
    if (!is_changed_for_good(rights))
        return sf_fail(err, "-Z %s: the change of user did not last", rights->name);
    return 0;
}

#define BIT(capability) (UINT32_C(1) << (capability))

/* A root that stays root reads and replaces others' files, as it could before. */
static const __u32 kept_by_root =
    BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_FOWNER);

static int drop_capabilities(struct sf_error *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2];
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* Linux 4.3; older ones have none */
    if (syscall(SYS_capget, &header, sets) != 0)
        return sf_fail(err, "capabilities: %s", strerror(errno));
    __u32 kept = geteuid() == 0 ? sets[0].permitted & kept_by_root : 0;
    sets[0] = (struct __user_cap_data_struct){.effective = kept, .permitted = kept};
    sets[1] = (struct __user_cap_data_struct){0};
    if (syscall(SYS_capset, &header, sets) != 0)
        return sf_fail(err, "capabilities: %s", strerror(errno));
    return 0;
}

int sf_rights_drop(const struct sf_rights *rights, struct sf_error *err)
{
    if (rights->name[0] != '\0' && change_user(rights, err) != 0)
        return -1;
    return drop_capabilities(err);
}
