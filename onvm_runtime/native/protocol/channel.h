/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages with descriptors over a SOCK_SEQPACKET unix socket, and texts in memfds.
 *
 * A message is sent whole or not at all.  Received descriptors belong to the
 * caller, all of them, whatever the message turns out to be: channel_receive
 * says how many came, and sets FD_CLOEXEC on each.
 */
#ifndef ONVM_PROTOCOL_CHANNEL_H
#define ONVM_PROTOCOL_CHANNEL_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define ONVM_CHANNEL_FDS 4 /* descriptors in one message, at the most */

struct onvm_fds {
    int fd[ONVM_CHANNEL_FDS];
    unsigned count;
};

static inline void
onvm_fds_close(struct onvm_fds *fds)
{
    while (fds->count > 0)
        close(fds->fd[--fds->count]);
}

/* Sends one message; false: errno says why (EAGAIN: the peer does not read). */
static inline bool
onvm_channel_send(int socket, const void *message, size_t size, const int *fds, unsigned count)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)message, .iov_len = size};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * ONVM_CHANNEL_FDS)];
    } rights;
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};

    if (count > 0) {
        memset(&rights, 0, sizeof(rights));
        header.msg_control = rights.bytes;
        header.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        struct cmsghdr *control = CMSG_FIRSTHDR(&header);
        control->cmsg_level = SOL_SOCKET;
        control->cmsg_type = SCM_RIGHTS;
        control->cmsg_len = CMSG_LEN(sizeof(int) * count);
        memcpy(CMSG_DATA(control), fds, sizeof(int) * count);
    }
    return sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)size;
}

static inline void
onvm_channel_take_fds(struct msghdr *header, struct onvm_fds *fds)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        fds->count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(fds->fd, CMSG_DATA(c), fds->count * sizeof(int));
    }
}

/*
 * Receives one message of at most `size` bytes without waiting.  Returns its
 * length, 0 when the peer has closed, -1 with errno otherwise; a message that
 * does not fit, or with more than ONVM_CHANNEL_FDS descriptors, is EMSGSIZE.
 */
static inline ssize_t
onvm_channel_receive(int socket, void *message, size_t size, struct onvm_fds *fds)
{
    struct iovec part = {.iov_base = message, .iov_len = size};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * ONVM_CHANNEL_FDS)];
    } rights;
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = rights.bytes,
                            .msg_controllen = sizeof(rights.bytes)};
    ssize_t length = recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    fds->count = 0;
    if (length < 0)
        return -1;
    onvm_channel_take_fds(&header, fds);
    if (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        onvm_fds_close(fds);
        errno = EMSGSIZE;
        return -1;
    }
    return length;
}

/* A sealed memfd with these bytes; -1 with errno. */
static inline int
onvm_text_create(const char *text, size_t length)
{
    int fd = memfd_create("onvm-text", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    for (size_t done = 0; fd >= 0 && done < length;) {
        ssize_t written = write(fd, text + done, length - done);
        if (written <= 0) {
            close(fd);
            return -1;
        }
        done += (size_t)written;
    }
    if (fd >= 0)
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
    return fd;
}

/* Reads `length` bytes, closed by a NUL, for the caller to free; NULL if they are not there. */
static inline char *
onvm_text_read(int fd, size_t length, size_t limit)
{
    char *text = length <= limit ? malloc(length + 1) : NULL;

    if (text == NULL)
        return NULL;
    for (size_t done = 0; done < length;) {
        ssize_t got = pread(fd, text + done, length - done, (off_t)done);
        if (got <= 0) {
            free(text);
            return NULL;
        }
        done += (size_t)got;
    }
    text[length] = '\0';
    return text;
}

#endif
