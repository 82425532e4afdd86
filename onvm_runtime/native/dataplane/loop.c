/* SPDX-License-Identifier: BSD-3-Clause */
#include "loop.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

bool
loop_open(struct loop *loop, struct failure *failure)
{
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll < 0)
        return fail(failure, "cannot make an event loop: %s", strerror(errno));
    return true;
}

bool
loop_add(struct loop *loop, struct watch *watch, struct failure *failure)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = watch};

    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, watch->fd, &event) != 0)
        return fail(failure, "cannot watch a socket: %s", strerror(errno));
    return true;
}

void
loop_remove(struct loop *loop, struct watch *watch)
{
    if (watch->fd < 0)
        return;
    epoll_ctl(loop->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
    close(watch->fd);
    watch->fd = -1;
}

void
loop_run(struct loop *loop, int (*tick)(void *context), void *context)
{
    int period_ms = 0;

    while (!loop->stop) {
        struct epoll_event event;
        /* One at a time: serving one may remove another that is ready as well. */
        if (epoll_wait(loop->epoll, &event, 1, period_ms) == 1) {
            struct watch *watch = event.data.ptr;
            watch->ready(watch);
        }
        period_ms = tick(context);
    }
}
