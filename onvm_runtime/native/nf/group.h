/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The NFs of one process: mostly one, several where services are fused.
 *
 * Each member has a session, counters, routes and edges of its own, so the data
 * plane sees as many NFs as without fusing.  They share one thread.  Where an
 * output edge of one member is an input edge of another, both ends are known here,
 * and a burst can pass without the ring (post.h).  An edge is recognised by its
 * memfd, so the two ends may be opened in any order, by sessions that come and go.
 *
 * A member that lost the data plane attaches again by itself; one that was told
 * STOP is done.  The process ends when all are.
 */
#ifndef ONVM_NF_GROUP_H
#define ONVM_NF_GROUP_H

#include "exit_code.h"
#include "session.h"

#define GROUP_MAX 16 /* NFs in one process, at the most */

struct member {
    struct session session;
    const char *path;    /* of its socket */
    bool stopped;        /* it was told STOP: its state is gone */
    bool busy;           /* a burst of its is being handled or posted */
    uint64_t next_timer; /* when its module's timer is due */
};

struct group {
    unsigned count;
    struct member member[GROUP_MAX];
    unsigned bells; /* distinct doorbells: one, when the data plane knows the group */
    struct onvm_doorbell *bell[GROUP_MAX];
};

/* Adds an NF and sets its module up; GROUP_MAX of them at the most. */
bool group_add(struct group *group, const struct onvm_module *module, const char *path,
               struct onvm_failure *failure);

/* Attaches every member that should be and is not, if its socket listens. */
void group_attach(struct group *group);

/* Follows every message of every member. */
void group_follow(struct group *group);

/* Whether the process has to end, and how. */
bool group_is_over(const struct group *group, enum exit_code *code);

/* Whether a member waits for its data plane. */
bool group_is_incomplete(const struct group *group);

/* Ends every session, then every module. */
void group_end(struct group *group);

static inline bool
member_is_attached(const struct member *member)
{
    return member->session.socket >= 0;
}

/* Packets move once the module knows its parameters and there is a way home. */
static inline bool
member_may_move(const struct member *member)
{
    return member->session.configured && attachment_is_whole(&member->session.attachment);
}

#endif
