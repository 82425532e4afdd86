/* SPDX-License-Identifier: BSD-3-Clause */
#include "shared.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

static bool
seal(const struct shared *shared, enum shared_writers writers)
{
    int seals = F_SEAL_SHRINK | F_SEAL_GROW;

    if (writers == SHARED_READ_ONLY)
        seals |= F_SEAL_FUTURE_WRITE;
    return fcntl(shared->fd, F_ADD_SEALS, seals | F_SEAL_SEAL) == 0;
}

bool
shared_open(struct shared *shared, const char *name, size_t size, enum shared_writers writers,
            struct failure *failure)
{
    shared->size = size;
    shared->base = MAP_FAILED;
    shared->fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (shared->fd >= 0 && ftruncate(shared->fd, (off_t)size) == 0)
        shared->base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, shared->fd, 0);
    if (shared->base != MAP_FAILED && seal(shared, writers))
        return true;
    fail(failure, "cannot make %zu bytes of shared memory for %s: %s", size, name, strerror(errno));
    shared_close(shared);
    return false;
}

bool
shared_again(struct shared *shared, const struct shared *other, struct failure *failure)
{
    shared->size = other->size;
    shared->base = MAP_FAILED;
    shared->fd = fcntl(other->fd, F_DUPFD_CLOEXEC, 0);
    if (shared->fd >= 0)
        shared->base =
            mmap(NULL, shared->size, PROT_READ | PROT_WRITE, MAP_SHARED, shared->fd, 0);
    if (shared->base != MAP_FAILED)
        return true;
    fail(failure, "cannot share memory with another NF: %s", strerror(errno));
    shared_close(shared);
    return false;
}

void
shared_close(struct shared *shared)
{
    if (shared->base != NULL && shared->base != MAP_FAILED)
        munmap(shared->base, shared->size);
    if (shared->fd >= 0)
        close(shared->fd);
    *shared = (struct shared){.fd = -1};
}
