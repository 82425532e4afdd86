/* SPDX-License-Identifier: BSD-3-Clause */
/* Texts too long for a message: each in a sealed memfd, which goes with the message. */
#ifndef ONVM_PROTOCOL_TEXT_H
#define ONVM_PROTOCOL_TEXT_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static inline bool
onvm_text_write(int fd, const char *text, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t written = write(fd, text + done, length - done);
        if (written <= 0)
            return false;
        done += (size_t)written;
    }
    return true;
}

/* A sealed memfd with these bytes; -1 with errno. */
static inline int
onvm_text_create(const char *text, size_t length)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    int fd = memfd_create("onvm-text", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0 || (onvm_text_write(fd, text, length) && fcntl(fd, F_ADD_SEALS, seals) == 0))
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/*
 * Reads `length` bytes, closed by a NUL, for the caller to free; NULL if they are
 * more than `limit` or not there.  It does not map them: a sender that cuts the
 * text short costs an error, not a SIGBUS.
 */
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
