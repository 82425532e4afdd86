/* SPDX-License-Identifier: BSD-3-Clause */
#include "text.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../protocol/session.h"

/* Read, not mapped: a sender that cuts the file short costs an error, not a SIGBUS. */
static bool
read_all(int fd, char *text, size_t length)
{
    size_t done = 0;

    while (done < length) {
        ssize_t got = pread(fd, text + done, length - done, (off_t)done);

        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

static json_t *
parse(const char *text, size_t length, struct onvm_failure *failure)
{
    json_error_t error;
    json_t *value = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);

    if (!value)
        onvm_fail(failure, "the text is not JSON: %s (line %d)", error.text, error.line);
    else if (!json_is_object(value))
        onvm_fail(failure, "the text is not a JSON object");
    else
        return value;
    json_decref(value);
    return NULL;
}

json_t *
text_read(int fd, uint32_t length, struct onvm_failure *failure)
{
    json_t *value = NULL;
    char *text;

    if (fd < 0 || length > ONVM_TEXT_MAX) {
        onvm_fail(failure, "the message brought no text, or one of more than %u bytes",
                  ONVM_TEXT_MAX);
        return NULL;
    }
    text = malloc(length + 1u);
    if (text && read_all(fd, text, length))
        value = parse(text, length, failure);
    else
        onvm_fail(failure, "the text of %u bytes could not be read", length);
    free(text);
    return value;
}

static bool
write_all(int fd, const char *text, size_t length)
{
    size_t done = 0;

    while (done < length) {
        ssize_t put = write(fd, text + done, length - done);

        if (put <= 0)
            return false;
        done += (size_t)put;
    }
    return true;
}

int
text_seal(const char *text, size_t length)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    int fd = memfd_create("onvm-text", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -1;
    if (write_all(fd, text, length) && fcntl(fd, F_ADD_SEALS, seals) == 0)
        return fd;
    close(fd);
    return -1;
}
