/* SPDX-License-Identifier: BSD-3-Clause */
/* What a port asks the kernel about a network interface. */
#ifndef ONVM_DATAPLANE_INTERFACE_H
#define ONVM_DATAPLANE_INTERFACE_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "failure.h"

struct interface {
    int socket; /* any socket of its namespace; owned by whoever made it */
    char name[IFNAMSIZ];
};

/* Its index; 0: it does not exist. */
int interface_index(const struct interface *interface);

/* Whether it exists, is up and has a carrier. */
bool interface_up(const struct interface *interface);

bool interface_mac(const struct interface *interface, uint8_t mac[6], struct failure *failure);

/* Whether it takes packets of `mtu` bytes; failure says what to change where it does not. */
bool interface_takes(const struct interface *interface, uint16_t mtu, struct failure *failure);

#endif
