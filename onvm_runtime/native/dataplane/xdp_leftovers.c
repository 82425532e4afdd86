/* SPDX-License-Identifier: BSD-3-Clause */
#include "xdp_leftovers.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool
is_xdp_socket(int number)
{
    socklen_t size = sizeof(int);
    int domain;

    return getsockopt(number, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_XDP;
}

static bool
is_bpf(int number)
{
    static const char kind[] = "anon_inode:bpf-"; /* -map, -prog */
    char path[32], target[64];
    ssize_t length;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", number);
    length = readlink(path, target, sizeof(target));
    return length >= (ssize_t)sizeof(kind) && memcmp(target, kind, sizeof(kind) - 1) == 0;
}

void
xdp_find(struct xdp_descriptors *found)
{
    for (int number = 0; number < XDP_MAX_DESCRIPTORS; number++)
        found->open[number] = is_xdp_socket(number) || is_bpf(number);
}

void
xdp_subtract(struct xdp_descriptors *after, const struct xdp_descriptors *before)
{
    for (int number = 0; number < XDP_MAX_DESCRIPTORS; number++)
        after->open[number] &= !before->open[number];
}

int
xdp_socket(const struct xdp_descriptors *own)
{
    for (int number = 0; number < XDP_MAX_DESCRIPTORS; number++)
        if (own->open[number] && is_xdp_socket(number))
            return number;
    return -1;
}

void
xdp_close(const struct xdp_descriptors *own)
{
    for (int number = 0; number < XDP_MAX_DESCRIPTORS; number++)
        if (own->open[number] && (is_xdp_socket(number) || is_bpf(number)))
            close(number);
}
