/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checksums that a kernel peer left to hardware which is not there.
 *
 * Linux hands a frame to a virtual device with only the sum of the pseudo-header
 * in its TCP or UDP checksum field ("partial", RFC 1071 arithmetic).  A
 * virtio-net header says so; without one it can be guessed, because the field of
 * a finished frame has the pseudo-header's sum by chance only once in 65,536,
 * and then finishing it again changes nothing.  No DPDK in here.
 */
#ifndef ONVM_DATAPLANE_CHECKSUM_H
#define ONVM_DATAPLANE_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "parse.h"

/* The ones' complement sum of bytes, as 16-bit words in network order, added to `sum`. */
uint64_t checksum_add(const uint8_t *data, size_t length, uint64_t sum);

/* Folds a sum to 16 bits; a checksum field takes the complement. */
uint16_t checksum_fold(uint64_t sum);

/* The pseudo-header's sum for `length` bytes of L4 (RFC 9293, RFC 8200). */
uint64_t checksum_pseudo(const uint8_t *frame, const struct frame_layout *layout, uint32_t length);

/* Where in the L4 header of a protocol its checksum is; 0: it has none that is known here. */
uint32_t checksum_offset(uint8_t protocol);

/*
 * Finishes the checksum over frame[start..length) whose field is at start + offset and
 * holds the sum of the pseudo-header, as a virtio-net header describes it.
 * False: the field is not within the frame.
 */
bool checksum_finish(uint8_t *frame, uint32_t length, uint32_t start, uint32_t offset);

#define CHECKSUM_SCTP 8 /* offset in the header, which no other protocol has */

/* As checksum_finish for SCTP, whose checksum is a CRC32c over frame[start..length) (RFC 9260). */
bool checksum_finish_sctp(uint8_t *frame, uint32_t length, uint32_t start);

/*
 * Finishes the checksum of a TCP or UDP frame that looks partial; fragments are
 * left alone, for their sum is spread over others.  True: there was one to finish.
 */
bool checksum_finish_partial(uint8_t *frame, uint32_t length);

#endif
