/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packet loop: peek, process, post, release (protocol/edge.h), NF by NF and
 * edge by edge.
 *
 * A burst is peeked only as far as the home edge has room for all of it.  Every
 * descriptor of a burst costs one home descriptor at the most, so a burst that was
 * begun is always posted whole, and no burst is ever held while the NF waits.
 * A burst ends before a packet of several segments that it would cut.  It is
 * released when all of its passage through this process is posted.
 */
#ifndef ONVM_NF_LOOP_H
#define ONVM_NF_LOOP_H

#include <signal.h>

#include "group.h"

/* Attaches the members and moves packets until all were stopped or *stop is set. */
enum exit_code loop_run(struct group *group, const volatile sig_atomic_t *stop);

#endif
