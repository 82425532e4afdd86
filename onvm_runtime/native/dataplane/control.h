/* SPDX-License-Identifier: BSD-3-Clause */
/* The data plane's end of the control channel; the protocol is in ../protocol/control.h. */
#ifndef ONVM_DATAPLANE_CONTROL_H
#define ONVM_DATAPLANE_CONTROL_H

#include "node.h"

/* Listens at <run>/control.sock; fails if another data plane lives there. */
bool control_open(struct node *node, struct failure *failure);
void control_close(struct node *node);

/*
 * Answers a request; takes `answer` (to which "ok": true is added) and leaves
 * `fd` (-1: none), which goes along as the second descriptor, to the caller.
 */
void control_answer(struct node *node, struct asker asker, json_t *answer, int fd);

void control_refuse(struct node *node, struct asker asker, const char *error);

/* Events, to every connection that asked for them; reason may be NULL. */
void control_announce_nf(const struct nf *nf, const char *state, const char *reason);
void control_announce_chain(struct node *node, uint16_t id, const char *state);
void control_announce_port(struct node *node, const char *name, bool up);
void control_announce_link(struct node *node, const char *name, bool up);

#endif
