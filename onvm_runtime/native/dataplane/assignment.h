/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who of n instances serves which bucket of a service: rendezvous hashing with exact
 * quotas.
 *
 * Every instance draws a number for every bucket (rendezvous.h), and serves those for
 * which it drew the highest ones, up to its quota: its weight's share of all buckets,
 * rounded down or up.  That is the stable matching of buckets and instances (Gale and
 * Shapley, 1962), so it depends on the instances alone and not on the order or the past
 * in which they came.  One instance more or less moves little more than its own share:
 * 1.1 times it between 2 and 7 instances, 1.5 times between 15 and 16.
 */
#ifndef ONVM_DATAPLANE_ASSIGNMENT_H
#define ONVM_DATAPLANE_ASSIGNMENT_H

#include <stdint.h>

#include "../protocol/abi.h"

struct candidate {
    uint16_t nf;
    uint32_t seed; /* rendezvous_seed of its name */
    uint32_t weight;
};

/* Gives every bucket to one of `count` (1 to ONVM_MAX_NFS) candidates; not all weights are 0. */
void assignment_fill(const struct candidate *candidate, unsigned count,
                     uint16_t table[ONVM_BUCKETS]);

#endif
