/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Latency of the sampled packets of a burst (protocol/histogram.h).  A burst without
 * one never comes here.
 */
#ifndef ONVM_NF_LATENCY_H
#define ONVM_NF_LATENCY_H

#include "attachment.h"

/* Notes how long sampled packets waited in their edge; returns the TSC of now. */
uint64_t latency_take(const struct attachment *attachment, const struct onvm_burst *burst);

/* Notes how long they took here since `taken`, and stamps them for the next hop. */
void latency_post(const struct attachment *attachment, const struct onvm_burst *burst,
                  uint64_t taken);

#endif
