/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A module under test: loaded from its shared object, configured with a text and
 * fed bursts, with no data plane and a clock of the caller's.
 */
#ifndef ONVM_NF_HARNESS_H
#define ONVM_NF_HARNESS_H

#include "nf.h"

#define HARNESS_HEADROOM 128u
#define HARNESS_STRIDE 2304u
#define HARNESS_ROOM (HARNESS_STRIDE - HARNESS_HEADROOM)

struct harness;

/* Loads a module and sets it up; NULL with a failure. */
struct harness *harness_open(const char *path, struct onvm_failure *failure);

/* Stops the module and releases everything. */
void harness_close(struct harness *harness);

const char *harness_name(const struct harness *harness);

/* Configures the module with a JSON text, as CONFIGURE does. */
bool harness_configure(struct harness *harness, const char *text, struct onvm_failure *failure);

/*
 * Copies a frame into the next burst, in segments of `segment` bytes at the most (at
 * least ONVM_FRAME_MIN, no more than HARNESS_ROOM).  False: the burst is full, or no NF
 * would see the frame (shorter than ONVM_FRAME_MIN, or more than ONVM_MAX_SEGMENTS).
 */
bool harness_put(struct harness *harness, const uint8_t *frame, size_t length, size_t segment,
                 unsigned port, uint32_t flow);

/* Runs the handler on the burst at the time `now`. */
void harness_run(struct harness *harness, uint64_t now);

/* Packet `i` of the burst as the handler left it: its length, verdict and argument. */
uint16_t harness_get(const struct harness *harness, uint32_t i, uint8_t *verdict,
                     uint8_t *argument);

/* Copies the frame of packet `i`, of all its segments. */
void harness_copy(const struct harness *harness, uint32_t i, uint8_t *frame);

/* Begins a new burst. */
void harness_clear(struct harness *harness);

/* Runs the module's timer, if it has one. */
void harness_tick(struct harness *harness, uint64_t now);

/* Asks the module in JSON; the reply is to be freed, NULL with a failure. */
char *harness_query(struct harness *harness, const char *request, struct onvm_failure *failure);

#endif
