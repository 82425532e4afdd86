/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory shared with another process: a sealed memfd and our mapping of it. */
#ifndef ONVM_DATAPLANE_SHARED_H
#define ONVM_DATAPLANE_SHARED_H

#include <stdbool.h>
#include <stddef.h>

#include "failure.h"

struct shared {
    int fd; /* -1: nothing here */
    void *base;
    size_t size;
};

/* Who may write after us. */
enum shared_writers {
    SHARED_BY_BOTH,
    SHARED_READ_ONLY, /* whoever gets the fd can map it for reading only */
};

/* Zeroed memory that can neither shrink under its readers nor grow. */
bool shared_open(struct shared *shared, const char *name, size_t size, enum shared_writers writers,
                 struct failure *failure);

/* The same memory once more; each of the two is closed by itself. */
bool shared_again(struct shared *shared, const struct shared *other, struct failure *failure);

void shared_close(struct shared *shared);

#endif
