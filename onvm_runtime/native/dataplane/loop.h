/* SPDX-License-Identifier: BSD-3-Clause */
/* The control thread's event loop: sockets that become readable, and a steady tick. */
#ifndef ONVM_DATAPLANE_LOOP_H
#define ONVM_DATAPLANE_LOOP_H

#include <stdbool.h>
#include <stddef.h>

#include "failure.h"

struct watch {
    int fd; /* -1: not watched */
    void (*ready)(struct watch *watch);
};

#define watch_owner(watch, type, member) \
    ((type *)(void *)((char *)(watch)-offsetof(type, member)))

struct loop {
    int epoll;
    bool stop;
};

bool loop_open(struct loop *loop, struct failure *failure);
bool loop_add(struct loop *loop, struct watch *watch, struct failure *failure);

/* Stops watching and closes the descriptor. */
void loop_remove(struct loop *loop, struct watch *watch);

/*
 * Serves until loop->stop.  After every event, and when its time has come, it calls
 * `tick`, which returns in how many milliseconds it wants to be called again.
 */
void loop_run(struct loop *loop, int (*tick)(void *context), void *context);

#endif
