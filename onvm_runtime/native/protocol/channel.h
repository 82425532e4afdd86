/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages with descriptors over SOCK_SEQPACKET unix sockets: how all three ends,
 * data plane, NF and manager, talk.
 *
 * A message is sent whole or not at all.  Received descriptors belong to the
 * receiver, whatever the message turns out to be: it closes them on every path
 * with onvm_fds_close, and takes out first what it wants to keep.
 */
#ifndef ONVM_PROTOCOL_CHANNEL_H
#define ONVM_PROTOCOL_CHANNEL_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "abi.h"

#define ONVM_CHANNEL_FDS (4 + ONVM_MAX_WORKERS) /* descriptors in one message, at the most */

/* The descriptors of one message. */
struct onvm_fds {
    int fd[ONVM_CHANNEL_FDS]; /* -1 where there is none, or no more */
    unsigned count;           /* how many came */
};

union onvm_channel_rights {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int) * ONVM_CHANNEL_FDS)];
};

/* Else padding would let one more descriptor in than there is room for. */
_Static_assert(CMSG_SPACE(sizeof(int) * ONVM_CHANNEL_FDS) ==
                   CMSG_LEN(sizeof(int) * ONVM_CHANNEL_FDS),
               "an even number of descriptors fills a control message");

/* Takes a descriptor out; the caller closes it.  -1: there is none. */
static inline int
onvm_fds_take(struct onvm_fds *fds, unsigned i)
{
    int fd = fds->fd[i];

    fds->fd[i] = -1;
    return fd;
}

static inline void
onvm_fds_close(struct onvm_fds *fds)
{
    for (unsigned i = 0; i < fds->count; i++)
        if (fds->fd[i] >= 0)
            close(onvm_fds_take(fds, i));
    fds->count = 0;
}

/* The address of a socket at `path`; false with errno: the path is too long for one. */
static inline bool
onvm_channel_address(struct sockaddr_un *address, const char *path)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address->sun_path)) {
        errno = ENAMETOOLONG;
        return false;
    }
    strcpy(address->sun_path, path);
    return true;
}

/* Connects to the socket at `path`; `flags`: SOCK_NONBLOCK or 0.  -1 with errno. */
static inline int
onvm_channel_connect(const char *path, int flags)
{
    struct sockaddr_un address;

    if (!onvm_channel_address(&address, path))
        return -1;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static inline void
onvm_channel_attach(struct msghdr *header, union onvm_channel_rights *rights, const int *fds,
                    unsigned count)
{
    memset(rights, 0, sizeof(*rights));
    header->msg_control = rights;
    header->msg_controllen = CMSG_SPACE(sizeof(int) * count);
    rights->header.cmsg_level = SOL_SOCKET;
    rights->header.cmsg_type = SCM_RIGHTS;
    rights->header.cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(&rights->header), fds, sizeof(int) * count);
}

/*
 * Sends one message.  On a blocking socket it waits for room; on another one it
 * never waits.  False: errno says why (EAGAIN: the peer does not read).
 */
static inline bool
onvm_channel_send(int socket, const void *message, size_t size, const int *fds, unsigned count)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)message, .iov_len = size};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    union onvm_channel_rights rights;
    ssize_t sent;

    if (count > 0)
        onvm_channel_attach(&header, &rights, fds, count);
    do
        sent = sendmsg(socket, &header, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)size;
}

static inline void
onvm_channel_collect(struct msghdr *header, struct onvm_fds *fds)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        fds->count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(fds->fd, CMSG_DATA(c), fds->count * sizeof(int));
    }
}

/*
 * Receives one message of at most `size` bytes; `flags`: MSG_DONTWAIT, or 0 to wait
 * where the socket is a blocking one.  Returns its length, 0 when the peer has
 * closed, -1 with errno and without descriptors otherwise; a message that does not
 * fit, or with more than ONVM_CHANNEL_FDS descriptors, is EMSGSIZE.  Each
 * descriptor is close-on-exec.
 */
static inline ssize_t
onvm_channel_receive(int socket, void *message, size_t size, struct onvm_fds *fds, int flags)
{
    struct iovec part = {.iov_base = message, .iov_len = size};
    union onvm_channel_rights rights;
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = &rights,
                            .msg_controllen = sizeof(rights)};
    ssize_t length = recvmsg(socket, &header, flags | MSG_CMSG_CLOEXEC);

    *fds = (struct onvm_fds){.fd = {[0 ... ONVM_CHANNEL_FDS - 1] = -1}};
    if (length < 0)
        return -1;
    onvm_channel_collect(&header, fds);
    if (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        onvm_fds_close(fds);
        errno = EMSGSIZE;
        return -1;
    }
    return length;
}

#endif
