/* Whose rights the process works with: root becomes another user, capabilities are given up. */
#ifndef SYNFIN_CLI_RIGHTS_H
#define SYNFIN_CLI_RIGHTS_H

#include <stdbool.h>
#include <sys/types.h>

#include "synfin/error.h"

struct sf_rights {
    char name[64]; /* of the user to become; empty: the user stays */
    uid_t uid;
    gid_t gid;
    gid_t own_gid;   /* of the process as it was started */
    bool is_default; /* nobody asked for this user by name */
};

/* Whom to become: `user` (-Z), or without it, live and as root, "nobody". 0, or -1 with *err: there
 * is no such user, or only root could become it. */
int sf_rights_choose(struct sf_rights *rights, const char *user, bool is_live,
                     struct sf_error *err);

/* From now until sf_rights_give_back() files are opened and made as the user to become: what that
 * user may not write fails now and not at the end. One thread only. 0, or -1 with *err. */
int sf_rights_borrow(struct sf_rights *rights, struct sf_error *err);
void sf_rights_give_back(const struct sf_rights *rights);

/* Becomes the user for good and gives up all capabilities; who stays root keeps those that override
 * file permissions. Before any other thread is begun: capabilities belong to a thread. 0, or -1
 * with *err. */
int sf_rights_drop(const struct sf_rights *rights, struct sf_error *err);

#endif
