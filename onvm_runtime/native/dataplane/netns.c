/* SPDX-License-Identifier: BSD-3-Clause */
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
netns_open(const char *name, struct failure *failure)
{
    char path[PATH_MAX];
    int netns;

    snprintf(path, sizeof(path), "/run/netns/%s", name);
    netns = open(path, O_RDONLY | O_CLOEXEC);
    if (netns < 0)
        fail(failure, "cannot open the network namespace %s: %s; `ip netns add %s` makes one",
             path, strerror(errno), name);
    return netns;
}

int
netns_enter(int netns)
{
    int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    int error;

    if (home < 0 || setns(netns, CLONE_NEWNET) == 0)
        return home;
    error = errno;
    close(home);
    errno = error;
    return -1;
}

void
netns_leave(int home)
{
    if (setns(home, CLONE_NEWNET) != 0) {
        perror("cannot come back from a network namespace");
        abort();
    }
    close(home);
}
