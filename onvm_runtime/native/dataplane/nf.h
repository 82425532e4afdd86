/* SPDX-License-Identifier: BSD-3-Clause */
/* The NFs that the manager expects, from nf.expect to nf.forget. */
#ifndef ONVM_DATAPLANE_NF_H
#define ONVM_DATAPLANE_NF_H

#include "node.h"

const char *nf_state_name(enum nf_state state);

/* Carries out nf.expect: a new NF, or new parameters for a known one.  NULL: nothing changed. */
struct nf *nf_expect(struct node *node, json_t *request, struct failure *failure);

/* Gives NFs other weights, {name: weight}, all at once. */
bool nf_weigh(struct node *node, json_t *weights, struct failure *failure);

/* Begins to remove an NF; the answer goes to `asker` when it is gone. */
bool nf_forget(struct node *node, json_t *request, struct asker asker, struct failure *failure);

/* Goes on with NFs that are being removed. */
void nf_advance_leaving(struct node *node);

/* Whether some NF is being removed. */
bool nf_any_leaving(const struct node *node);

#endif
