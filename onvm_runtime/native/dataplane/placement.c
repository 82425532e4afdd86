/* SPDX-License-Identifier: BSD-3-Clause */
#include "placement.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MASK_BITS (8 * sizeof(unsigned long))

bool
placement_prefer(int socket)
{
    unsigned long mask;

    if (socket < 0)
        return syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0) == 0;
    if ((unsigned)socket >= MASK_BITS) {
        errno = EINVAL;
        return false;
    }
    mask = 1ul << socket;
    return syscall(SYS_set_mempolicy, MPOL_PREFERRED, &mask, MASK_BITS + 1) == 0;
}

int
placement_of(void *address)
{
    int node;

    if (syscall(SYS_get_mempolicy, &node, NULL, 0, address, MPOL_F_NODE | MPOL_F_ADDR) != 0)
        return -1;
    return node;
}
