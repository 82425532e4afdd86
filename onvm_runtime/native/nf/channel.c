/* SPDX-License-Identifier: BSD-3-Clause */
#include "channel.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

union control {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int) * ONVM_SESSION_FDS)];
};

int
channel_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int socket_fd;

    if (strlen(path) >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    socket_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (socket_fd < 0)
        return -1;
    if (connect(socket_fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        int reason = errno;

        close(socket_fd);
        errno = reason;
        return -1;
    }
    return socket_fd;
}

static void
collect_descriptors(struct msghdr *message, struct envelope *envelope)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part))
        if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS)
            memcpy(envelope->fd, CMSG_DATA(part), part->cmsg_len - CMSG_LEN(0));
}

enum channel_event
channel_receive(int socket, struct envelope *envelope, int flags)
{
    struct iovec text = {.iov_base = envelope, .iov_len = offsetof(struct envelope, length)};
    union control control;
    struct msghdr message = {.msg_iov = &text,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    ssize_t received;

    memset(envelope, 0, sizeof(*envelope));
    memset(envelope->fd, 0xff, sizeof(envelope->fd));
    received = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
    if (received < 0)
        return errno == EAGAIN || errno == EINTR ? CHANNEL_EMPTY : CHANNEL_CLOSED;
    collect_descriptors(&message, envelope);
    envelope->length = (size_t)received;
    if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ||
        envelope->length < sizeof(struct onvm_message)) {
        envelope_close(envelope);
        return CHANNEL_CLOSED;
    }
    return CHANNEL_MESSAGE;
}

static void
attach_descriptor(struct msghdr *message, union control *control, int fd)
{
    memset(control, 0, sizeof(*control));
    message->msg_control = control;
    message->msg_controllen = CMSG_SPACE(sizeof(fd));
    control->header.cmsg_level = SOL_SOCKET;
    control->header.cmsg_type = SCM_RIGHTS;
    control->header.cmsg_len = CMSG_LEN(sizeof(fd));
    memcpy(CMSG_DATA(&control->header), &fd, sizeof(fd));
}

bool
channel_send(int socket, const void *text, size_t length, int fd)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)text, .iov_len = length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    union control control;
    ssize_t sent;

    if (fd >= 0)
        attach_descriptor(&message, &control, fd);
    do
        sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)length;
}

int
envelope_take(struct envelope *envelope, unsigned i)
{
    int fd = envelope->fd[i];

    envelope->fd[i] = -1;
    return fd;
}

void
envelope_close(struct envelope *envelope)
{
    for (unsigned i = 0; i < ONVM_SESSION_FDS; i++)
        if (envelope->fd[i] >= 0)
            close(envelope_take(envelope, i));
}
