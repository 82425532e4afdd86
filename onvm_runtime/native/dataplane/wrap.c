/* SPDX-License-Identifier: BSD-3-Clause */
#include "wrap.h"

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "bytes.h"

#define ETHERNET 14
#define IPV4 20
#define UDP 8
#define GPE 8
#define TAG 4
#define MACS 12

#define IPV4_TTL 64
#define DONT_FRAGMENT 0x4000
#define GPE_PORT 4790
#define GPE_FLAGS 0x0c /* a network identifier and a next protocol are there */
#define GPE_OPTIONAL 0x02 /* bits of the flags that change nothing for us: B */
#define GPE_NEXT_NSH 4
#define VLAN_MASK 0x0fff

uint32_t
wrap_size(enum wrap_kind kind)
{
    switch (kind) {
    case WRAP_NSH:
        return ETHERNET + NSH_SIZE;
    case WRAP_VXLAN_GPE:
        return ETHERNET + IPV4 + UDP + GPE + NSH_SIZE;
    default:
        return TAG;
    }
}

uint32_t
wrap_probe_size(enum wrap_kind kind)
{
    return kind == WRAP_VLAN ? ETHERNET : wrap_size(kind);
}

static void
write_ethernet(const struct wrap *wrap, uint16_t type, uint8_t *at)
{
    memcpy(at, wrap->next_mac, 6);
    memcpy(at + 6, wrap->own_mac, 6);
    store16(at + MACS, type);
}

/* RFC 1071, over an even number of bytes. */
static uint16_t
sum(const uint8_t *at, uint32_t size)
{
    uint32_t total = 0;

    for (uint32_t i = 0; i < size; i += 2)
        total += load16(at + i);
    total = (total & 0xffff) + (total >> 16);
    return (uint16_t)(total + (total >> 16));
}

static void
write_ipv4(const struct wrap *wrap, uint32_t payload, uint8_t *at)
{
    store16(at, 0x4500);
    store16(at + 2, (uint16_t)(IPV4 + payload));
    store16(at + 4, 0);
    store16(at + 6, DONT_FRAGMENT);
    store16(at + 8, IPV4_TTL << 8 | IPPROTO_UDP);
    store16(at + 10, 0);
    store32(at + 12, wrap->own_address);
    store32(at + 16, wrap->peer_address);
    store16(at + 10, (uint16_t)~sum(at, IPV4));
}

/* Without a checksum, as RFC 7348 has it for tunnels over IPv4. */
static void
write_udp(uint32_t flow, uint32_t payload, uint8_t *at)
{
    store16(at, (uint16_t)(0xc000 | (flow & 0x3fff)));
    store16(at + 2, GPE_PORT);
    store16(at + 4, (uint16_t)(UDP + payload));
    store16(at + 6, 0);
}

static void
write_gpe(const struct wrap *wrap, uint8_t *at)
{
    store32(at, (uint32_t)GPE_FLAGS << 24 | GPE_NEXT_NSH);
    store32(at + 4, wrap->vni << 8);
}

static void
write_routed(const struct wrap *wrap, uint32_t flow, uint32_t payload, uint8_t *at)
{
    write_ethernet(wrap, ETH_P_IP, at);
    write_ipv4(wrap, UDP + GPE + payload, at + ETHERNET);
    write_udp(flow, GPE + payload, at + ETHERNET + IPV4);
    write_gpe(wrap, at + ETHERNET + IPV4 + UDP);
}

static void
write_tag(const struct nsh *tag, uint8_t *at)
{
    memmove(at, at + TAG, MACS);
    store16(at + MACS, ETH_P_8021Q);
    store16(at + MACS + 2, (uint16_t)(tag->path_id & VLAN_MASK));
}

/* The headers of a link that has NSH. */
static void
write_headers(const struct wrap *wrap, const struct nsh *tag, uint32_t length, uint8_t *at)
{
    if (wrap->kind == WRAP_VXLAN_GPE)
        write_routed(wrap, tag->flow, NSH_SIZE + length, at);
    else
        write_ethernet(wrap, NSH_ETHERTYPE, at);
    nsh_write(at + wrap_size(wrap->kind) - NSH_SIZE, tag);
}

void
wrap_write(const struct wrap *wrap, const struct nsh *tag, uint32_t length, uint8_t *at)
{
    if (wrap->kind == WRAP_VLAN)
        write_tag(tag, at);
    else
        write_headers(wrap, tag, length, at);
}

void
wrap_write_probe(const struct wrap *wrap, uint32_t length, uint8_t *at)
{
    static const struct nsh oam = {.ttl = 1, .oam = true};

    if (wrap->kind == WRAP_VLAN)
        write_ethernet(wrap, PROBE_ETHERTYPE, at);
    else
        write_headers(wrap, &oam, length, at);
}

/* Whether the frame is IPv4, UDP and VXLAN-GPE from the peer to us, in our network. */
static bool
is_routed(const struct wrap *wrap, const uint8_t *frame, uint32_t length)
{
    const uint8_t *ip = frame + ETHERNET, *udp = ip + IPV4, *gpe = udp + UDP;

    if (length < wrap_size(WRAP_VXLAN_GPE) || load16(frame + MACS) != ETH_P_IP || ip[0] != 0x45 ||
        ip[9] != IPPROTO_UDP || (load16(ip + 6) & 0x3fff) != 0)
        return false;
    return load32(ip + 12) == wrap->peer_address && load32(ip + 16) == wrap->own_address &&
           load16(udp + 2) == GPE_PORT && (gpe[0] & ~GPE_OPTIONAL) == GPE_FLAGS &&
           gpe[3] == GPE_NEXT_NSH && load32(gpe + 4) >> 8 == wrap->vni;
}

static enum wrap_found
read_nsh(const uint8_t *at, uint32_t length, struct nsh *tag)
{
    if (!nsh_read(at, length, tag))
        return WRAP_FOREIGN;
    return tag->oam ? WRAP_PROBE : WRAP_PACKET;
}

static enum wrap_found
read_tagged(const uint8_t *frame, uint32_t length, struct nsh *tag)
{
    *tag = (struct nsh){0}; /* its time to live begins anew */
    if (load16(frame + MACS) == PROBE_ETHERTYPE)
        return WRAP_PROBE;
    if (length < ETHERNET + TAG || load16(frame + MACS) != ETH_P_8021Q)
        return WRAP_FOREIGN;
    tag->path_id = load16(frame + ETHERNET) & VLAN_MASK;
    return WRAP_PACKET;
}

enum wrap_found
wrap_read(const struct wrap *wrap, const uint8_t *frame, uint32_t length, struct nsh *tag)
{
    if (length < ETHERNET)
        return WRAP_FOREIGN;
    switch (wrap->kind) {
    case WRAP_NSH:
        if (load16(frame + MACS) != NSH_ETHERTYPE)
            return WRAP_FOREIGN;
        return read_nsh(frame + ETHERNET, length - ETHERNET, tag);
    case WRAP_VXLAN_GPE:
        if (!is_routed(wrap, frame, length))
            return WRAP_FOREIGN;
        return read_nsh(frame + wrap_size(WRAP_VXLAN_GPE) - NSH_SIZE, NSH_SIZE, tag);
    default:
        return read_tagged(frame, length, tag);
    }
}

void
wrap_strip(const struct wrap *wrap, uint8_t *frame)
{
    if (wrap->kind == WRAP_VLAN)
        memmove(frame + TAG, frame, MACS);
}
