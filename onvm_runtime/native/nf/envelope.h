/* SPDX-License-Identifier: BSD-3-Clause */
/* A message of the data plane as it came: any of those it may send, and the descriptors. */
#ifndef ONVM_NF_ENVELOPE_H
#define ONVM_NF_ENVELOPE_H

#include <stddef.h>

#include "../protocol/channel.h"
#include "../protocol/session.h"

struct envelope {
    union {
        struct onvm_message header;
        struct onvm_welcome welcome;
        struct onvm_refused refused;
        struct onvm_text text;
        struct onvm_edge_message edge;
    };
    size_t length;
    struct onvm_fds fds;
};

#endif
