/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rewriting one end of an IPv4 packet, with the checksums that cover it
 * (RFC 1624).  A UDP checksum of zero means that there is none, and stays zero.
 */
#ifndef ONVM_NAT_REWRITE_H
#define ONVM_NAT_REWRITE_H

#include "translation.h"

/* Which end of the packet is written. */
enum end {
    END_SOURCE,
    END_DESTINATION,
};

/* An IPv4 packet: its header, and its transport header of `bytes` bytes. */
struct ip_packet {
    uint8_t *ip;
    uint8_t *transport;
    uint16_t bytes; /* that are there; a quoted packet may be cut after the first eight */
    enum mapped_protocol protocol;
};

uint32_t rewrite_address(const struct ip_packet *packet, enum end end);

/* The port, or the identifier of an ICMP query. */
uint16_t rewrite_port(const struct ip_packet *packet, enum end end);

/* Gives one end another address and port. */
void rewrite_end(const struct ip_packet *packet, enum end end, uint32_t address, uint16_t port);

/* Gives one end another address, where no transport header is concerned. */
void rewrite_ip_address(uint8_t *ip, enum end end, uint32_t address);

#endif
