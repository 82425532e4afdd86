/* SPDX-License-Identifier: BSD-3-Clause */
#include "listener.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../protocol/channel.h"

#define WAITING 8 /* connections that are not accepted yet */

static bool
listen_at(int fd, const struct sockaddr_un *address, uid_t uid, gid_t gid)
{
    const char *path = address->sun_path;

    unlink(path);
    return bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 &&
           chown(path, uid, gid) == 0 && chmod(path, 0600) == 0 && listen(fd, WAITING) == 0;
}

int
listener_open(const char *path, uid_t uid, gid_t gid, struct failure *failure)
{
    struct sockaddr_un address;
    int fd;

    if (!onvm_channel_address(&address, path)) {
        fail(failure, "%s is too long for a unix socket (%zu bytes at the most)", path,
             sizeof(address.sun_path) - 1);
        return -1;
    }
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && listen_at(fd, &address, uid, gid))
        return fd;
    fail(failure, "cannot listen at %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

bool
listener_answers(const char *path)
{
    int fd = onvm_channel_connect(path, 0);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}
