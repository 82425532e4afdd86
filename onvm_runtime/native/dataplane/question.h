/* SPDX-License-Identifier: BSD-3-Clause */
/* Questions that were passed on to NFs (nf.query) and wait for their answers. */
#ifndef ONVM_DATAPLANE_QUESTION_H
#define ONVM_DATAPLANE_QUESTION_H

#include "../protocol/channel.h"
#include "../protocol/session.h"
#include "node.h"

bool question_ask(struct node *node, json_t *request, struct asker asker, struct failure *failure);

/* The NF's REPLY. */
void question_answer(struct nf *nf, const struct onvm_answer *answer, const struct onvm_fds *fds);

/* The NF is gone: whoever waits for it is told so. */
void question_forget_nf(struct nf *nf);

/* Gives up on NFs that do not answer. */
void question_expire(struct node *node);

#endif
