/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Wrapping: what is put around packets of chains on a link to another node.
 *
 *   WRAP_NSH         Ethernet, NSH, the frame
 *   WRAP_VXLAN_GPE   Ethernet, IPv4, UDP, VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe), NSH, the
 *                    frame: for links that are routed.  The UDP source port is made of
 *                    the flow's hash (RFC 7348, section 5), so that routers spread flows.
 *   WRAP_VLAN        the frame with a VLAN tag more (IEEE 802.1Q), for switches that read no
 *                    NSH; the VLAN id is the path id, and nothing else comes along
 *
 * No DPDK in here.
 */
#ifndef ONVM_DATAPLANE_WRAP_H
#define ONVM_DATAPLANE_WRAP_H

#include <stdbool.h>
#include <stdint.h>

#include "nsh.h"

#define WRAP_MOST 74 /* bytes that any wrapping adds, at the most */

#define PROBE_ETHERTYPE 0x88b6 /* IEEE 802 local experimental 2: probes on a link of VLANs */

enum wrap_kind {
    WRAP_NSH,
    WRAP_VXLAN_GPE,
    WRAP_VLAN,
};

/* Both ends of a link, as far as its frames name them. */
struct wrap {
    enum wrap_kind kind;
    uint8_t own_mac[6];
    uint8_t next_mac[6];   /* of the peer, or of the router to it */
    uint32_t own_address;  /* of a routed link, in host order */
    uint32_t peer_address;
    uint32_t vni;
};

enum wrap_found {
    WRAP_FOREIGN, /* not a frame of this link */
    WRAP_PACKET,  /* one of a chain */
    WRAP_PROBE,   /* what stands behind its headers is for probe.h */
};

/* Bytes that wrapping adds to a frame. */
uint32_t wrap_size(enum wrap_kind kind);

/*
 * Wraps the frame of `length` bytes that begins wrap_size() bytes behind `at`.  `tag`
 * becomes its NSH, or its VLAN.
 */
void wrap_write(const struct wrap *wrap, const struct nsh *tag, uint32_t length, uint8_t *at);

/* Heads a probe of `length` bytes, which begins wrap_size() (VLAN: 14) bytes behind `at`. */
void wrap_write_probe(const struct wrap *wrap, uint32_t length, uint8_t *at);

/* Bytes before the text of a probe. */
uint32_t wrap_probe_size(enum wrap_kind kind);

/* Looks whether a frame belongs to the link, and reads its tag; never beyond `length`. */
enum wrap_found wrap_read(const struct wrap *wrap, const uint8_t *frame, uint32_t length,
                          struct nsh *tag);

/*
 * Makes the bytes wrap_size() behind `frame` a frame again, after WRAP_PACKET; what was
 * before it is void.
 */
void wrap_strip(const struct wrap *wrap, uint8_t *frame);

#endif
